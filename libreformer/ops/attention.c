/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/attention.h"

#include "compute/device-private.h"
#include "ops/attention-private.h"
#include "ops/tuning.h"

#include <libreformer/compute/reformer-device-error.h>

#define FORWARD "wide/attention-tiles+wide/attention-forward"
#define BACKWARD "wide/attention-tiles+wide/attention-backward"
#define CHAIN "wide/attention-tiles+wide/attention-chain"

/* The kernels' flags. */
enum
{
  CIRCULAR = 1,
  CAUSAL = 2,
  SELF_LAST = 4,
  SHARED = 8,
  ORDERED = 16,
  MASKED = 32,
  LISTED = 64,
};

/* Chunks a group walks along at most: keys that two chunks share are fetched once. */
#define MAX_SPAN 32

typedef struct
{
  char options[REFORMER_TUNING_OPTIONS];
  int  queries; /* places of a query tile */
  int  keys;    /* places of a key tile */
} Tiles;

/* What tiles are wanted for. */
typedef struct
{
  const ReformerAttentionArgs *attention;
  int                          lanes;
} Want;

static gboolean
check (ReformerRun             *run,
       const ReformerAttentionArgs *a)
{
  const gboolean full = a->chunk >= a->T;

  if (!reformer_run_ok (run))
    return FALSE;
  if (a->rows < 0 || a->T < 0 || a->heads < 0 || a->head_size < 1 || a->rounds < 1 || a->chunk < 1 || a->before < 0 || a->after < 0 || a->first_head < 0)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                       "attention: %d rows of %d tokens, %d heads of %d from %d on, %d rounds, chunk %d, %d before, %d after: none may be negative, nor head size, rounds and chunk 0",
                       a->rows, a->T, a->heads, a->head_size, a->first_head, a->rounds, a->chunk, a->before, a->after);
  else if ((gint64) a->heads * a->head_size > a->stride)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "attention: %d heads of %d do not fit in rows of %d", a->heads, a->head_size, a->stride);
  else if (a->dilation < 0 || (a->dilation > 0 && (a->reach < 0 || (gint64) a->reach * a->dilation > G_MAXINT / 4)) || a->n_globals < 0 || a->n_globals > a->T ||
           (a->n_globals > 0 && !reformer_attention_has_band (a)))
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "attention: a band of %d to each side with dilation %d and %d globals of %d tokens cannot be", a->reach,
                       a->dilation, a->n_globals, a->T);
  else if (reformer_attention_has_band (a) && (a->order.tensor != NULL || a->rounds != 1 || a->k.tensor == NULL || a->self_last))
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "attention: a band has its natural order, and keys of its own");
  else if (a->from_globals && (a->dilation > 0 || !full))
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "attention: globals see all keys, in one chunk of %d tokens, not %d, and without dilation", a->T, a->chunk);
  else if (a->dilation > 0 && ((gint64) a->T / MIN (a->dilation, a->T) + 65) * MIN (a->dilation, a->T) > G_MAXINT / 4)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT, "attention: %d tokens with dilation %d are more than %d places", a->T, a->dilation, G_MAXINT / 4);
  else if (a->dilation == 0 && !full && a->T % a->chunk != 0)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "attention: %d tokens are not a multiple of chunk %d", a->T, a->chunk);
  else if (a->order.tensor == NULL && a->rounds != 1)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "attention: %d rounds without an order, not 1", a->rounds);
  else if ((gint64) a->rounds * a->T > G_MAXINT / 4 || (!full && ((gint64) a->before + a->after + 1) * a->chunk > G_MAXINT / 4))
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT, "attention: %d rounds of %d tokens, or a window of %d + 1 + %d chunks of %d, are more than %d places",
                       a->rounds, a->T, a->before, a->after, a->chunk, G_MAXINT / 4);
  return reformer_run_ok (run);
}

static int
flags_of (const ReformerAttentionArgs *a)
{
  return (a->circular ? CIRCULAR : 0) | (a->causal ? CAUSAL : 0) | (a->self_last ? SELF_LAST : 0) | (a->k.tensor == NULL ? SHARED : 0) |
         (a->order.tensor != NULL ? ORDERED : 0) | (a->mask.tensor != NULL ? MASKED : 0) | (a->from_globals ? LISTED : 0);
}

/* A head in whole vectors. */
static gsize
padded_width (const ReformerAttentionArgs *a,
              int                          lanes)
{
  return (gsize) (a->head_size + lanes - 1) / lanes * lanes;
}

/* The most that a kernel's arrays take; counted as in the kernels. */
static gsize
local_bytes (const int    *sizes,
             gconstpointer what)
{
  const Want *want = what;
  const gsize q = sizes[0], k = sizes[1], lanes = want->lanes, width = padded_width (want->attention, want->lanes);
  const gsize forward = width * (4 * k + 2 * q) + 2 * k * lanes, queries = width * (2 * k + 3 * q) + 3 * k * lanes;
  const gsize keys = width * 4 * (k + lanes) + 3 * k * lanes;

  return (MAX (MAX (forward, queries), keys) + 2048) * sizeof (float);
}

static void
tile_options (const int    *sizes,
              gconstpointer what,
              char         *options,
              gsize         size)
{
  const Want *want = what;

  g_snprintf (options, size, "-DHEAD_SIZE=%d -DQUERIES=%d -DKEYS=%d%s", want->attention->head_size, sizes[0], sizes[1],
              reformer_attention_has_band (want->attention) ? " -DBAND" : "");
}

static gboolean
choose_tiles (ReformerRun                 *run,
              const char                  *family,
              const ReformerAttentionArgs *a,
              Tiles                       *tiles)
{
  const ReformerTuningUse use = { family, local_bytes, NULL, NULL, tile_options };
  const Want want = { a, 2 * reformer_device_get_vector_width (run->device) };
  const ReformerTuning *row = reformer_tuning_choose (run, REFORMER_TUNED_WIDE_ATTENTION, &use, &want, tiles->options);

  if (row == NULL)
    return FALSE;
  tiles->queries = row->sizes[0];
  tiles->keys = row->sizes[1];
  return TRUE;
}

/* The options of the walk along chunks that computes all gradients at once, where a chunk is one tile, what it keeps fits in local memory, and the driver builds it. */
static gboolean
choose_chain (ReformerRun                  *run,
              const ReformerAttentionArgs  *a,
              const ReformerAttentionShape *shape,
              Tiles                        *tiles)
{
  const int lanes = 2 * reformer_device_get_vector_width (run->device);
  const gsize width = padded_width (a, lanes), size = shape->chunk > 32 ? 64 : 32;
  const int slots = shape->before + 1 + shape->after;
  g_autoptr (GError) error = NULL;

  if (reformer_attention_has_band (a) || shape->chunk > 64 || slots > 3 || (width * size * (4 * slots + 5) + 2 * size * size + 2048) * sizeof (float) > reformer_device_get_local_memory (run->device))
    return FALSE;
  tiles->queries = tiles->keys = size;
  g_snprintf (tiles->options, sizeof tiles->options, "-DHEAD_SIZE=%d -DQUERIES=%d -DKEYS=%d -DSLOTS=%d", a->head_size, tiles->queries, tiles->keys, slots);
  if (reformer_run_builds (run, CHAIN, tiles->options, &error))
    return TRUE;
  if (error != NULL)
    g_warning ("%s, %s; %s is used instead", tiles->options, error->message, BACKWARD);
  return FALSE;
}

/* Stretches enough for all compute units to be busy to the end, else as long as they may be. Results do not depend on it. */
static int
choose_span (ReformerRun             *run,
             const ReformerAttentionArgs *a,
             gsize                    tiles)
{
  const gsize wanted = 8 * (gsize) MAX (1, reformer_device_get_compute_units (run->device));

  return CLAMP (tiles * a->heads * a->rows / wanted, 1, MAX_SPAN);
}

static gsize
count_tiles (const ReformerAttentionShape *shape,
             int                           size)
{
  return (gsize) shape->chunks * ((shape->chunk + size - 1) / size);
}

static gsize
count_query_tiles (const ReformerAttentionArgs  *a,
                   const ReformerAttentionShape *shape,
                   int                           size)
{
  return a->from_globals ? (gsize) (a->n_globals + size - 1) / size : count_tiles (shape, size);
}

/* What the kernels call the order: in a band the list of globals. */
static ReformerSpan
order_of (const ReformerAttentionArgs *a)
{
  return reformer_attention_has_band (a) ? a->globals : a->order;
}

#define SHAPE_ARGS(round, span)                                                                                                        \
  REFORMER_INT (a->T), REFORMER_INT (a->rows), REFORMER_INT (a->stride), REFORMER_INT (MAX (a->rounds, shape.groups)), REFORMER_INT (round), \
  REFORMER_INT (shape.chunk), REFORMER_INT (shape.before), REFORMER_INT (shape.after), REFORMER_INT (flags_of (a)), REFORMER_FLOAT (a->scale), \
  REFORMER_INT (span), REFORMER_INT (a->reach), REFORMER_INT (a->n_globals), REFORMER_ULONG (shape.index), REFORMER_DROPOUT_ARGS (&a->dropout)

void
reformer_attention_forward (ReformerRun             *run,
                            const ReformerAttentionArgs *a,
                            ReformerSpan             out,
                            ReformerSpan             stats)
{
  ReformerAttentionShape shape;
  Tiles tiles;
  gsize n;
  int span;

  if (!check (run, a) || a->rows == 0 || a->T == 0 || a->heads == 0)
    return;
  if (!reformer_device_is_wide (run->device))
    {
      reformer_attention_simt_forward (run, a, out, stats);
      return;
    }
  if (!choose_tiles (run, FORWARD, a, &tiles))
    return;

  shape = reformer_attention_shape (a);
  n = count_query_tiles (a, &shape, tiles.queries);
  span = choose_span (run, a, n);
  for (int round = 0; round < a->rounds; round++)
    REFORMER_LAUNCH (run, FORWARD, tiles.options, "attention_forward", reformer_grid_shared (run->device, (n + span - 1) / span, a->heads, a->rows),
                     REFORMER_SPAN (a->q), REFORMER_SPAN (a->k), REFORMER_SPAN (a->v), REFORMER_SPAN (order_of (a)), REFORMER_SPAN (a->mask),
                     REFORMER_SPAN (out), REFORMER_SPAN (stats), SHAPE_ARGS (round, span),
                     REFORMER_WORK_OF (reformer_attention_work (a, &shape, 2, 3 + (a->k.tensor != NULL) + (round > 0))));
}

ReformerTensor *
reformer_attention_deltas (ReformerRun                 *run,
                           const ReformerAttentionArgs *a,
                           ReformerSpan                 out,
                           ReformerSpan                 dout)
{
  g_autoptr (ReformerTensor) deltas = NULL;
  Tiles tiles;

  if (!check (run, a))
    return NULL;
  deltas = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) a->heads, (gint64) a->rows, (gint64) a->T);
  if (a->rows == 0 || a->T == 0 || a->heads == 0)
    return g_steal_pointer (&deltas);
  if (!reformer_device_is_wide (run->device))
    reformer_attention_simt_deltas (run, a, out, dout, reformer_span (deltas));
  else if (choose_tiles (run, FORWARD, a, &tiles))
    REFORMER_LAUNCH (run, FORWARD, tiles.options, "attention_delta", reformer_grid_items (run->device, a->T, a->heads, a->rows),
                     REFORMER_SPAN (out), REFORMER_SPAN (dout), REFORMER_SPAN (a->mask), REFORMER_SPAN (reformer_span (deltas)), REFORMER_INT (a->T),
                     REFORMER_INT (a->rows), REFORMER_INT (a->stride), REFORMER_INT (flags_of (a)),
                     REFORMER_WORK (0, sizeof (float) * 2 * a->heads * a->rows * (gsize) a->T * a->head_size));
  return g_steal_pointer (&deltas);
}

static void
backward_keys (ReformerRun                  *run,
               const ReformerAttentionArgs  *a,
               const ReformerAttentionShape *shape_,
               const Tiles                  *tiles,
               int                           round,
               gsize                         n,
               int                           span,
               ReformerSpan                  deltas,
               ReformerSpan                  stats,
               ReformerSpan                  dout,
               ReformerSpan                  dk,
               ReformerSpan                  dv)
{
  const ReformerAttentionShape shape = *shape_;

  REFORMER_LAUNCH (run, BACKWARD, tiles->options, "attention_backward_keys", reformer_grid_shared (run->device, (n + span - 1) / span, a->heads, a->rows),
                   REFORMER_SPAN (a->q), REFORMER_SPAN (a->k), REFORMER_SPAN (a->v), REFORMER_SPAN (order_of (a)), REFORMER_SPAN (a->mask),
                   REFORMER_SPAN (stats), REFORMER_SPAN (deltas), REFORMER_SPAN (dout), REFORMER_SPAN (dk), REFORMER_SPAN (dv), SHAPE_ARGS (round, span),
                   REFORMER_WORK_OF (reformer_attention_work (a, &shape, 4, 5 + 2 * (a->k.tensor != NULL) + (round > 0 ? 2 : 0))));
}

void
reformer_attention_backward (ReformerRun             *run,
                             const ReformerAttentionArgs *a,
                             ReformerSpan             deltas,
                             ReformerSpan             stats,
                             ReformerSpan             dout,
                             ReformerSpan             dq,
                             ReformerSpan             dk,
                             ReformerSpan             dv)
{
  ReformerAttentionShape shape;
  Tiles tiles;

  if (!check (run, a) || a->rows == 0 || a->T == 0 || a->heads == 0)
    return;
  if (!reformer_device_is_wide (run->device))
    {
      reformer_attention_simt_backward (run, a, deltas, stats, dout, dq, dk, dv);
      return;
    }
  shape = reformer_attention_shape (a);
  if (choose_chain (run, a, &shape, &tiles))
    {
      const int span = choose_span (run, a, shape.chunks);

      for (int round = 0; round < a->rounds; round++)
        REFORMER_LAUNCH (run, CHAIN, tiles.options, "attention_backward_chain", reformer_grid_shared (run->device, (shape.chunks + span - 1) / span, a->heads, a->rows),
                         REFORMER_SPAN (a->q), REFORMER_SPAN (a->k), REFORMER_SPAN (a->v), REFORMER_SPAN (order_of (a)), REFORMER_SPAN (a->mask),
                         REFORMER_SPAN (stats), REFORMER_SPAN (deltas), REFORMER_SPAN (dout), REFORMER_SPAN (dq),
                         REFORMER_SPAN (a->k.tensor != NULL ? dk : dq), REFORMER_SPAN (dv), SHAPE_ARGS (round, span),
                         REFORMER_WORK_OF (reformer_attention_work (a, &shape, 5, 5 + 2 * (a->k.tensor != NULL) + (round > 0 ? 2 : 0))));
      return;
    }
  if (!choose_tiles (run, BACKWARD, a, &tiles))
    return;
  for (int round = 0; round < a->rounds; round++)
    {
      const gsize n_queries = count_query_tiles (a, &shape, tiles.queries), n_keys = count_tiles (&shape, tiles.keys);
      const int span_queries = choose_span (run, a, n_queries), span_keys = choose_span (run, a, n_keys);

      REFORMER_LAUNCH (run, BACKWARD, tiles.options, "attention_backward_queries",
                       reformer_grid_shared (run->device, (n_queries + span_queries - 1) / span_queries, a->heads, a->rows),
                       REFORMER_SPAN (a->q), REFORMER_SPAN (a->k), REFORMER_SPAN (a->v), REFORMER_SPAN (order_of (a)), REFORMER_SPAN (a->mask),
                       REFORMER_SPAN (stats), REFORMER_SPAN (deltas), REFORMER_SPAN (dout), REFORMER_SPAN (dq), SHAPE_ARGS (round, span_queries),
                       REFORMER_WORK_OF (reformer_attention_work (a, &shape, 3, 4 + (a->k.tensor != NULL) + (round > 0))));
      backward_keys (run, a, &shape, &tiles, round, n_keys, span_keys, deltas, stats, dout, a->k.tensor != NULL ? dk : dq, dv);
    }
  if (a->dilation > 0 && a->n_globals > 0)
    {
      const gsize n_keys = (gsize) (a->n_globals + tiles.keys - 1) / tiles.keys;

      backward_keys (run, a, &shape, &tiles, 1, n_keys, 1, deltas, stats, dout, dk, dv);
    }
}
