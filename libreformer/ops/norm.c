/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/norm.h"

#include "ops/items.h"

#define FAMILY "norm-rows+norm"

static int
n_parts (const ReformerNorm *norm)
{
  return norm->x2.tensor != NULL ? 2 : 1;
}

void
reformer_norm_forward (ReformerRun        *run,
                       const ReformerNorm *norm,
                       gsize               count,
                       ReformerSpan        y,
                       int                 ldy)
{
  const int parts = n_parts (norm);
  const gsize rows = reformer_tasks_per_item (run->device, count, (gsize) parts * norm->width);

  REFORMER_LAUNCH (run, FAMILY, NULL, "norm_forward", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (norm->x1), REFORMER_SPAN (norm->x2), REFORMER_INT (norm->ldx), REFORMER_INT (norm->width),
                   REFORMER_INT (parts), REFORMER_SPAN (norm->weight), REFORMER_SPAN (norm->bias), REFORMER_FLOAT (norm->eps),
                   REFORMER_INT (count), REFORMER_INT (rows), REFORMER_SPAN (y), REFORMER_INT (ldy),
                   REFORMER_WORK (0, sizeof (float) * 2 * count * parts * norm->width));
}

/* Columns a work-item sums: all that fit, as long as the blocks alone give every unit several items. */
static gsize
columns_per_item (ReformerDevice *device,
                  gsize           blocks,
                  gsize           width)
{
  const gsize vector = reformer_device_get_vector_width (device);
  const gsize vectors = reformer_divide_up (width, vector);
  const gsize wanted = reformer_divide_up (4 * (gsize) reformer_device_get_compute_units (device), blocks);

  return reformer_device_is_wide (device) ? MAX (vectors / wanted, 1) * vector : vector;
}

void
reformer_norm_backward (ReformerRun        *run,
                        const ReformerNorm *norm,
                        gsize               count,
                        ReformerSpan        dy,
                        int                 lddy,
                        ReformerSpan        dx1,
                        ReformerSpan        dx2,
                        int                 lddx,
                        ReformerStore       store,
                        ReformerSpan        dweight,
                        ReformerSpan        dbias)
{
  const int parts = n_parts (norm);
  const gsize all = (gsize) parts * norm->width;
  const gsize rows = reformer_tasks_per_item (run->device, count, all);
  const gsize blocks = reformer_divide_up (count, REFORMER_BLOCK);
  const gboolean keep = dweight.tensor != NULL || dbias.tensor != NULL;
  g_autoptr (ReformerTensor) statistics = NULL;
  g_autoptr (ReformerTensor) sums = NULL;
  gsize group;

  if (count == 0)
    return;
  if (keep)
    {
      statistics = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) count, (gint64) 3);
      sums = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) blocks, (gint64) 2, (gint64) all);
    }

  REFORMER_LAUNCH (run, FAMILY, NULL, "norm_backward", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (norm->x1), REFORMER_SPAN (norm->x2), REFORMER_INT (norm->ldx), REFORMER_INT (norm->width),
                   REFORMER_INT (parts), REFORMER_SPAN (norm->weight), REFORMER_FLOAT (norm->eps), REFORMER_INT (count),
                   REFORMER_INT (rows), REFORMER_SPAN (dy), REFORMER_INT (lddy), REFORMER_SPAN (dx1), REFORMER_SPAN (dx2),
                   REFORMER_INT (lddx), REFORMER_INT (store), REFORMER_SPAN (reformer_span (statistics)), REFORMER_INT (keep),
                   REFORMER_WORK (0, sizeof (float) * (store == REFORMER_STORE_SET ? 3 : 4) * count * all));
  if (!keep)
    return;

  group = columns_per_item (run->device, blocks * parts, norm->width);
  REFORMER_LAUNCH (run, FAMILY, NULL, "norm_sums", reformer_grid_tasks (run->device, reformer_divide_up (norm->width, group), blocks, parts),
                   REFORMER_SPAN (norm->x1), REFORMER_SPAN (norm->x2), REFORMER_INT (norm->ldx), REFORMER_INT (norm->width),
                   REFORMER_INT (parts), REFORMER_INT (count), REFORMER_INT (REFORMER_BLOCK), REFORMER_INT (group), REFORMER_SPAN (dy),
                   REFORMER_INT (lddy), REFORMER_SPAN (reformer_span (statistics)), REFORMER_SPAN (reformer_span (sums)),
                   REFORMER_WORK (0, sizeof (float) * 2 * count * all));
  for (int which = 0; which < 2; which++)
    {
      const ReformerSpan to = which == 0 ? dweight : dbias;

      if (to.tensor != NULL)
        REFORMER_LAUNCH (run, FAMILY, NULL, "norm_join", reformer_grid_items (run->device, all, 1, 1),
                         REFORMER_SPAN (reformer_span (sums)), REFORMER_INT (which), REFORMER_INT (all), REFORMER_INT (blocks),
                         REFORMER_SPAN (to),
                         REFORMER_WORK (0, sizeof (float) * blocks * all));
    }
}
