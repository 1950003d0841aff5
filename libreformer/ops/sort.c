/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/hash.h"

#include "compute/device-private.h"

/* Tokens of a block: enough for the work of counting to pay, and so many that the counts take at most half as much memory as the order. */
static int
choose_block (int minimum,
              int T,
              int n_buckets)
{
  const int block = MAX (minimum, 2 * n_buckets);

  return MIN (block, MAX (minimum, (T + minimum - 1) / minimum * minimum));
}

void
reformer_sort_buckets (ReformerRun *run,
                       ReformerSpan buckets,
                       gsize        ld,
                       gsize        n_slots,
                       int          T,
                       int          n_buckets,
                       ReformerSpan order)
{
  const gboolean wide = reformer_device_is_wide (run->device);
  g_autoptr (ReformerTensor) scratch = NULL;
  ReformerSpan counts;

  if (wide)
    {
      const int block = choose_block (2048, T, n_buckets), blocks = (T - 1) / block + 1;
      const ReformerGrid grid = reformer_grid_tiles (blocks, n_slots, 1);

      scratch = reformer_run_new (run, REFORMER_DTYPE_INT32, 3, (gint64) n_slots, (gint64) blocks + 1, (gint64) n_buckets);
      counts = reformer_span (scratch);
      REFORMER_LAUNCH (run, "wide/sort", NULL, "sort_count", grid, REFORMER_SPAN (buckets), REFORMER_ULONG (ld), REFORMER_SPAN (counts), REFORMER_INT (T),
                       REFORMER_INT (block), REFORMER_INT (n_buckets),
                       REFORMER_WORK (0, sizeof (guint16) * n_slots * T));
      REFORMER_LAUNCH (run, "wide/sort", NULL, "sort_starts", reformer_grid_tiles (n_slots, 1, 1), REFORMER_SPAN (counts), REFORMER_INT (blocks),
                       REFORMER_INT (n_buckets),
                       REFORMER_WORK (0, 2 * sizeof (gint32) * n_slots * blocks * n_buckets));
      REFORMER_LAUNCH (run, "wide/sort", NULL, "sort_scatter", grid, REFORMER_SPAN (buckets), REFORMER_ULONG (ld), REFORMER_SPAN (counts), REFORMER_SPAN (order),
                       REFORMER_INT (T), REFORMER_INT (block), REFORMER_INT (n_buckets),
                       REFORMER_WORK (0, (sizeof (guint16) + sizeof (gint32)) * n_slots * T));
    }
  else
    {
      const int block = choose_block (1024, T, n_buckets), blocks = (T - 1) / block + 1;
      g_autofree char *options = NULL;
      ReformerGrid grid;
      int group = 64;

      while (group > 1 && (gsize) group > reformer_device_get_max_group (run->device))
        group /= 2;
      options = g_strdup_printf ("-DGROUP=%d", group);
      grid = reformer_grid_groups (blocks, n_slots, 1, group, 1);
      scratch = reformer_run_new (run, REFORMER_DTYPE_INT32, 3, (gint64) n_slots, (gint64) blocks, (gint64) n_buckets);
      counts = reformer_span (scratch);
      REFORMER_LAUNCH (run, "simt/sort", options, "sort_count", grid, REFORMER_SPAN (buckets), REFORMER_ULONG (ld), REFORMER_SPAN (counts), REFORMER_INT (T),
                       REFORMER_INT (block), REFORMER_INT (n_buckets),
                       REFORMER_WORK (0, sizeof (guint16) * n_slots * T));
      REFORMER_LAUNCH (run, "simt/sort", options, "sort_starts", reformer_grid_groups (1, n_slots, 1, group, 1), REFORMER_SPAN (counts),
                       REFORMER_INT (blocks), REFORMER_INT (n_buckets),
                       REFORMER_WORK (0, 2 * sizeof (gint32) * n_slots * blocks * n_buckets));
      REFORMER_LAUNCH (run, "simt/sort", options, "sort_scatter", grid, REFORMER_SPAN (buckets), REFORMER_ULONG (ld), REFORMER_SPAN (counts), REFORMER_SPAN (order),
                       REFORMER_INT (T), REFORMER_INT (block), REFORMER_INT (n_buckets),
                       REFORMER_WORK (0, (sizeof (guint16) + sizeof (gint32)) * n_slots * T));
    }
}
