/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/attention-private.h"

#include "compute/device-private.h"

/* The flags of the kernels. */
enum
{
  CIRCULAR = 1,
  CAUSAL = 2,
  SELF_LAST = 4,
  ORDERED = 8,
  MASKED = 16,
  SHARED = 32,
  DROPOUT = 64,
};

/* m queries by n keys, tx by ty work-items. */
typedef struct
{
  int m, n, tx, ty;
} Tiles;

static gsize
local_bytes (const Tiles *tiles,
             int          head_size,
             gboolean     backward)
{
  const gsize ld = ((head_size + tiles->tx - 1) / tiles->tx * tiles->tx) | 1;
  const gsize floats = backward ? 2 * (tiles->m + tiles->n) * ld + 2 * tiles->m * (tiles->n + 1) + 4 * tiles->m + tiles->n + tiles->n * tiles->tx
                                : (tiles->m + tiles->n) * ld + tiles->m * (tiles->n + 1) + tiles->m * tiles->tx + tiles->m + tiles->n;

  return floats * sizeof (float);
}

/* The largest tiles that the device's local memory and groups hold, no larger than the chunk needs. CPUs run this dialect for tests only, where building
 * takes longer than computing: one tile size there for all chunks. */
static char *
choose (ReformerRun                 *run,
        const ReformerAttentionArgs *attention,
        gboolean                     backward,
        Tiles                       *tiles)
{
  static const Tiles choices[] = { { 32, 32, 8, 8 }, { 16, 16, 8, 8 }, { 8, 8, 8, 8 }, { 8, 8, 4, 4 }, { 4, 4, 4, 4 }, { 2, 2, 2, 2 }, { 1, 1, 1, 1 } };
  const int chunk = MIN (attention->chunk, attention->T);
  const guint64 local = reformer_device_get_local_memory (run->device);
  const gsize group = reformer_device_get_max_group (run->device);
  const gboolean cpu = reformer_device_get_kind (run->device) == REFORMER_DEVICE_KIND_CPU;

  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      *tiles = choices[i];
      if ((cpu ? tiles->m <= 16 : tiles->m < 2 * chunk || tiles->m <= 8) && (gsize) tiles->tx * tiles->ty <= group &&
          local_bytes (tiles, attention->head_size, backward) <= local)
        return g_strdup_printf ("-DHEAD_SIZE=%d -DM=%d -DN=%d -DTX=%d -DTY=%d%s%s", attention->head_size, tiles->m, tiles->n, tiles->tx, tiles->ty,
                                backward ? " -DBACKWARD" : "", cpu ? " -DROLLED" : "");
    }
  reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT,
                     "Attention heads of size %d need %" G_GSIZE_FORMAT " bytes of local memory; the device has %" G_GUINT64_FORMAT,
                     attention->head_size, local_bytes (tiles, attention->head_size, backward), local);
  return NULL;
}

static int
get_flags (const ReformerAttentionArgs *attention)
{
  return (attention->circular ? CIRCULAR : 0) | (attention->causal ? CAUSAL : 0) | (attention->self_last ? SELF_LAST : 0) |
         (attention->order.tensor != NULL ? ORDERED : 0) | (attention->mask.tensor != NULL ? MASKED : 0) |
         (attention->k.tensor == NULL ? SHARED : 0) | (attention->dropout.p > 0 ? DROPOUT : 0);
}

static ReformerTensor *
key_norms (ReformerRun                 *run,
           const ReformerAttentionArgs *attention,
           const char                  *options)
{
  g_autoptr (ReformerTensor) norms = NULL;

  if (attention->k.tensor != NULL)
    return NULL;
  norms = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) attention->heads, (gint64) attention->rows, (gint64) attention->T);
  REFORMER_LAUNCH (run, "simt/attention", options, "attention_key_norms",
                   reformer_grid_items (run->device, attention->T, attention->heads, attention->rows), REFORMER_SPAN (attention->q),
                   REFORMER_SPAN (reformer_span (norms)), REFORMER_INT (attention->T), REFORMER_INT (attention->stride));
  return g_steal_pointer (&norms);
}

static ReformerGrid
make_grid (const ReformerAttentionArgs  *attention,
           const ReformerAttentionShape *shape,
           const Tiles                  *tiles,
           int                           size)
{
  return reformer_grid_groups ((gsize) shape->chunks * ((shape->chunk + size - 1) / size), attention->heads, attention->rows, tiles->tx, tiles->ty);
}

/* What the three tile kernels take at their end. */
#define GEOMETRY(a, shape, round)                                                                                                   \
  REFORMER_INT ((a)->T), REFORMER_INT ((a)->stride), REFORMER_INT (round),                                                          \
  REFORMER_INT4 ((shape)->chunk, (shape)->before, (shape)->after, (a)->rounds), REFORMER_INT (get_flags (a)),                       \
  REFORMER_FLOAT ((a)->scale), REFORMER_ULONG ((shape)->index), REFORMER_DROPOUT_ARGS (&(a)->dropout)

void
reformer_attention_simt_forward (ReformerRun                 *run,
                                 const ReformerAttentionArgs *attention,
                                 ReformerSpan                 out,
                                 ReformerSpan                 stats)
{
  const ReformerAttentionShape shape = reformer_attention_shape (attention);
  Tiles tiles;
  g_autofree char *options = choose (run, attention, FALSE, &tiles);
  g_autoptr (ReformerTensor) norms = key_norms (run, attention, options);

  for (int round = 0; round < attention->rounds; round++)
    REFORMER_LAUNCH (run, "simt/attention", options, "attention_forward", make_grid (attention, &shape, &tiles, tiles.m),
                     REFORMER_SPAN (attention->q), REFORMER_SPAN (attention->k), REFORMER_SPAN (attention->v), REFORMER_SPAN (attention->order),
                     REFORMER_SPAN (attention->mask), REFORMER_SPAN (reformer_span (norms)), REFORMER_SPAN (out), REFORMER_SPAN (stats),
                     GEOMETRY (attention, &shape, round));
}

void
reformer_attention_simt_deltas (ReformerRun                 *run,
                                const ReformerAttentionArgs *attention,
                                ReformerSpan                 out,
                                ReformerSpan                 dout,
                                ReformerSpan                 deltas)
{
  Tiles tiles;
  g_autofree char *options = choose (run, attention, TRUE, &tiles);

  REFORMER_LAUNCH (run, "simt/attention", options, "attention_deltas",
                   reformer_grid_items (run->device, attention->T, attention->heads, attention->rows), REFORMER_SPAN (out), REFORMER_SPAN (dout),
                   REFORMER_SPAN (deltas), REFORMER_INT (attention->T), REFORMER_INT (attention->stride));
}

void
reformer_attention_simt_backward (ReformerRun                 *run,
                                  const ReformerAttentionArgs *attention,
                                  ReformerSpan                 deltas,
                                  ReformerSpan                 stats,
                                  ReformerSpan                 dout,
                                  ReformerSpan                 dq,
                                  ReformerSpan                 dk,
                                  ReformerSpan                 dv)
{
  const ReformerAttentionShape shape = reformer_attention_shape (attention);
  Tiles tiles;
  g_autofree char *options = choose (run, attention, TRUE, &tiles);
  g_autoptr (ReformerTensor) norms = key_norms (run, attention, options);

  for (int round = 0; round < attention->rounds; round++)
    {
      REFORMER_LAUNCH (run, "simt/attention", options, "attention_backward_queries", make_grid (attention, &shape, &tiles, tiles.m),
                       REFORMER_SPAN (attention->q), REFORMER_SPAN (attention->k), REFORMER_SPAN (attention->v), REFORMER_SPAN (attention->order),
                       REFORMER_SPAN (attention->mask), REFORMER_SPAN (reformer_span (norms)), REFORMER_SPAN (stats),
                       REFORMER_SPAN (deltas), REFORMER_SPAN (dout), REFORMER_SPAN (dq), GEOMETRY (attention, &shape, round));
      REFORMER_LAUNCH (run, "simt/attention", options, "attention_backward_keys", make_grid (attention, &shape, &tiles, tiles.n),
                       REFORMER_SPAN (attention->q), REFORMER_SPAN (attention->k), REFORMER_SPAN (attention->v), REFORMER_SPAN (attention->order),
                       REFORMER_SPAN (attention->mask), REFORMER_SPAN (reformer_span (norms)), REFORMER_SPAN (stats),
                       REFORMER_SPAN (deltas), REFORMER_SPAN (dout),
                       REFORMER_SPAN (attention->k.tensor != NULL ? dk : dq), REFORMER_SPAN (dv), GEOMETRY (attention, &shape, round));
    }
}
