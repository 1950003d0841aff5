/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/attention-private.h"

#include "compute/device-private.h"
#include "ops/tuning.h"

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
  LISTED = 128,
};

/* m queries by n keys, tx by ty work-items. */
typedef struct
{
  int  m, n, tx, ty;
  char options[REFORMER_TUNING_OPTIONS];
} Tiles;

/* What tiles are wanted for. */
typedef struct
{
  int      head_size, chunk;
  gboolean backward, cpu, band;
} Want;

static gsize
local_bytes (const int    *sizes,
             gconstpointer what)
{
  const Want *want = what;
  const gsize m = sizes[0], n = sizes[1], tx = sizes[2], ld = ((want->head_size + tx - 1) / tx * tx) | 1;
  const gsize floats = want->backward ? 2 * (m + n) * ld + 2 * m * (n + 1) + 4 * m + n + n * tx : (m + n) * ld + m * (n + 1) + m * tx + m + n;

  return floats * sizeof (float);
}

static gsize
group_items (const int    *sizes,
             gconstpointer what)
{
  return (gsize) sizes[2] * sizes[3];
}

/* No larger than the chunk needs. CPUs run this dialect for tests only, where building takes longer than computing: one tile size there for all chunks. */
static gboolean
is_wanted (const int    *sizes,
           gconstpointer what)
{
  const Want *want = what;

  return want->cpu ? sizes[0] <= 16 : sizes[0] < 2 * want->chunk || sizes[0] <= 8;
}

static void
tile_options (const int    *sizes,
              gconstpointer what,
              char         *options,
              gsize         size)
{
  const Want *want = what;

  g_snprintf (options, size, "-DHEAD_SIZE=%d -DM=%d -DN=%d -DTX=%d -DTY=%d%s%s%s", want->head_size, sizes[0], sizes[1], sizes[2], sizes[3],
              want->backward ? " -DBACKWARD" : "", want->cpu ? " -DROLLED" : "", want->band ? " -DBAND" : "");
}

static Tiles
choose (ReformerRun                 *run,
        const ReformerAttentionArgs *attention,
        gboolean                     backward)
{
  static const ReformerTuningUse use = { "simt/attention", local_bytes, group_items, is_wanted, tile_options };
  const Want want = { attention->head_size, attention->from_globals ? attention->n_globals : reformer_attention_shape (attention).chunk, backward,
                      reformer_device_get_kind (run->device) == REFORMER_DEVICE_KIND_CPU, reformer_attention_has_band (attention) };
  Tiles tiles = { 1, 1, 1, 1, "" };
  const ReformerTuning *row = reformer_tuning_choose (run, REFORMER_TUNED_SIMT_ATTENTION, &use, &want, tiles.options);

  if (row != NULL)
    {
      tiles.m = row->sizes[0];
      tiles.n = row->sizes[1];
      tiles.tx = row->sizes[2];
      tiles.ty = row->sizes[3];
    }
  return tiles;
}

static int
get_flags (const ReformerAttentionArgs *attention)
{
  return (attention->circular ? CIRCULAR : 0) | (attention->causal ? CAUSAL : 0) | (attention->self_last ? SELF_LAST : 0) |
         (attention->order.tensor != NULL ? ORDERED : 0) | (attention->mask.tensor != NULL ? MASKED : 0) |
         (attention->k.tensor == NULL ? SHARED : 0) | (attention->dropout.p > 0 ? DROPOUT : 0) | (attention->from_globals ? LISTED : 0);
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
                   REFORMER_SPAN (reformer_span (norms)), REFORMER_INT (attention->T), REFORMER_INT (attention->stride),
                   REFORMER_WORK (0, sizeof (float) * attention->heads * attention->rows * (gsize) attention->T * attention->head_size));
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

static ReformerGrid
make_list_grid (const ReformerAttentionArgs *attention,
                const Tiles                 *tiles,
                int                          size)
{
  return reformer_grid_groups ((gsize) (attention->n_globals + size - 1) / size, attention->heads, attention->rows, tiles->tx, tiles->ty);
}

static ReformerGrid
make_query_grid (const ReformerAttentionArgs  *attention,
                 const ReformerAttentionShape *shape,
                 const Tiles                  *tiles)
{
  return attention->from_globals ? make_list_grid (attention, tiles, tiles->m) : make_grid (attention, shape, tiles, tiles->m);
}

/* What the kernels call the order: in a band the list of globals. */
static ReformerSpan
order_of (const ReformerAttentionArgs *attention)
{
  return reformer_attention_has_band (attention) ? attention->globals : attention->order;
}

/* What the three tile kernels take at their end. */
#define GEOMETRY(a, shape, round)                                                                                                   \
  REFORMER_INT ((a)->T), REFORMER_INT ((a)->stride), REFORMER_INT (round),                                                          \
  REFORMER_INT4 ((shape)->chunk, (shape)->before, (shape)->after, MAX ((a)->rounds, (shape)->groups)), REFORMER_INT (get_flags (a)), \
  REFORMER_FLOAT ((a)->scale), REFORMER_ULONG ((shape)->index), REFORMER_DROPOUT_ARGS (&(a)->dropout), REFORMER_INT ((a)->reach),     \
  REFORMER_INT ((a)->n_globals)

void
reformer_attention_simt_forward (ReformerRun                 *run,
                                 const ReformerAttentionArgs *attention,
                                 ReformerSpan                 out,
                                 ReformerSpan                 stats)
{
  const ReformerAttentionShape shape = reformer_attention_shape (attention);
  const Tiles tiles = choose (run, attention, FALSE);
  g_autoptr (ReformerTensor) norms = key_norms (run, attention, tiles.options);

  for (int round = 0; round < attention->rounds; round++)
    REFORMER_LAUNCH (run, "simt/attention", tiles.options, "attention_forward", make_query_grid (attention, &shape, &tiles),
                     REFORMER_SPAN (attention->q), REFORMER_SPAN (attention->k), REFORMER_SPAN (attention->v), REFORMER_SPAN (order_of (attention)),
                     REFORMER_SPAN (attention->mask), REFORMER_SPAN (reformer_span (norms)), REFORMER_SPAN (out), REFORMER_SPAN (stats),
                     GEOMETRY (attention, &shape, round),
                     REFORMER_WORK_OF (reformer_attention_work (attention, &shape, 2, 3 + (attention->k.tensor != NULL) + (round > 0))));
}

void
reformer_attention_simt_deltas (ReformerRun                 *run,
                                const ReformerAttentionArgs *attention,
                                ReformerSpan                 out,
                                ReformerSpan                 dout,
                                ReformerSpan                 deltas)
{
  const Tiles tiles = choose (run, attention, TRUE);

  REFORMER_LAUNCH (run, "simt/attention", tiles.options, "attention_deltas",
                   reformer_grid_items (run->device, attention->T, attention->heads, attention->rows), REFORMER_SPAN (out), REFORMER_SPAN (dout),
                   REFORMER_SPAN (deltas), REFORMER_INT (attention->T), REFORMER_INT (attention->stride),
                   REFORMER_WORK (0, sizeof (float) * 2 * attention->heads * attention->rows * (gsize) attention->T * attention->head_size));
}

static void
backward_keys (ReformerRun                  *run,
               const ReformerAttentionArgs  *attention,
               const ReformerAttentionShape *shape,
               const Tiles                  *tiles,
               int                           round,
               ReformerGrid                  grid,
               ReformerTensor               *norms,
               ReformerSpan                  deltas,
               ReformerSpan                  stats,
               ReformerSpan                  dout,
               ReformerSpan                  dk,
               ReformerSpan                  dv)
{
  REFORMER_LAUNCH (run, "simt/attention", tiles->options, "attention_backward_keys", grid, REFORMER_SPAN (attention->q), REFORMER_SPAN (attention->k),
                   REFORMER_SPAN (attention->v), REFORMER_SPAN (order_of (attention)), REFORMER_SPAN (attention->mask), REFORMER_SPAN (reformer_span (norms)),
                   REFORMER_SPAN (stats), REFORMER_SPAN (deltas), REFORMER_SPAN (dout), REFORMER_SPAN (dk), REFORMER_SPAN (dv), GEOMETRY (attention, shape, round),
                   REFORMER_WORK_OF (reformer_attention_work (attention, shape, 4, 5 + 2 * (attention->k.tensor != NULL) + (round > 0 ? 2 : 0))));
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
  const Tiles tiles = choose (run, attention, TRUE);
  g_autoptr (ReformerTensor) norms = key_norms (run, attention, tiles.options);

  for (int round = 0; round < attention->rounds; round++)
    {
      REFORMER_LAUNCH (run, "simt/attention", tiles.options, "attention_backward_queries", make_query_grid (attention, &shape, &tiles),
                       REFORMER_SPAN (attention->q), REFORMER_SPAN (attention->k), REFORMER_SPAN (attention->v), REFORMER_SPAN (order_of (attention)),
                       REFORMER_SPAN (attention->mask), REFORMER_SPAN (reformer_span (norms)), REFORMER_SPAN (stats),
                       REFORMER_SPAN (deltas), REFORMER_SPAN (dout), REFORMER_SPAN (dq), GEOMETRY (attention, &shape, round),
                       REFORMER_WORK_OF (reformer_attention_work (attention, &shape, 3, 4 + (attention->k.tensor != NULL) + (round > 0))));
      backward_keys (run, attention, &shape, &tiles, round, make_grid (attention, &shape, &tiles, tiles.n), norms, deltas, stats, dout,
                     attention->k.tensor != NULL ? dk : dq, dv);
    }
  if (attention->dilation > 0 && attention->n_globals > 0)
    backward_keys (run, attention, &shape, &tiles, 1, make_list_grid (attention, &tiles, tiles.n), norms, deltas, stats, dout, dk, dv);
}
