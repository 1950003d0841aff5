/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/lsh-piece.h"

#include "layers/attention-private.h"
#include "layers/lsh-attention-private.h"
#include "ops/attention-few.h"
#include "ops/embedding.h"
#include "ops/norm.h"

/* What is gathered may take this much; a piece that needs more is run with everything before it. */
#define GATHERED_BYTES (48 << 20)

typedef struct
{
  ReformerAttention      *layer;
  const ReformerLshPiece *piece;
  ReformerFew             few;
  ReformerTape           *tape;
  ReformerRun            *run;
  int                     H, D;
} Work;

static ReformerFew
few_of (ReformerLshAttention   *self,
        const ReformerLshPiece *piece)
{
  const ReformerAttention *layer = REFORMER_ATTENTION (self);

  return (ReformerFew) { .rows = piece->B, .T = (int) piece->T, .n = piece->n, .heads = layer->heads, .head_size = layer->head_size,
                         .rounds = reformer_lsh_attention_get_rounds (self), .chunk = layer->chunk, .before = layer->before, .after = layer->after,
                         .padded = (int) piece->padded, .causal = layer->causal };
}

gboolean
reformer_lsh_piece_pays (ReformerLshAttention   *self,
                         const ReformerLshPiece *piece)
{
  const ReformerAttention *layer = REFORMER_ATTENTION (self);
  const ReformerFew few = few_of (self, piece);
  const gint64 gathered = (gint64) piece->n * reformer_few_count (&few);

  if (layer->exact || layer->has_bias || !layer->norm_first || reformer_layer_get_ablated (REFORMER_LAYER (self)))
    return FALSE;
  return reformer_lsh_attention_count_buckets (self) > 0 && piece->padded > layer->chunk && gathered <= piece->T &&
         gathered * piece->B * (layer->hidden_size + 2 * layer->heads * layer->head_size) <= GATHERED_BYTES / (gint64) sizeof (float);
}

ReformerTensor *
reformer_lsh_piece_new_buckets (ReformerLshAttention   *self,
                                const ReformerLshPiece *piece,
                                ReformerTape           *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "buckets");
  ReformerTensor *buckets = reformer_run_new (run, REFORMER_DTYPE_UINT16, 4, (gint64) REFORMER_ATTENTION (self)->heads,
                                              (gint64) reformer_lsh_attention_get_rounds (self), (gint64) piece->B, piece->capacity);

  reformer_run_part (run, part);
  return buckets;
}

/* The rows of a projection that belong to `heads` heads from the first one on. */
static ReformerMatrix
rows_of (const Work *work,
         int         projection,
         int         first)
{
  return (ReformerMatrix) { work->layer->projections[projection], (gsize) first * work->few.head_size * work->H, work->H };
}

/* u = norm (inputs), y = u W^T for `heads` heads from the first one on. */
static void
project_norm (Work           *work,
              ReformerTensor *inputs,
              gsize           at,
              int             projection,
              int             first,
              int             heads,
              ReformerSpan    u,
              ReformerSpan    y,
              gsize           count)
{
  const ReformerNorm norm = { .x1 = reformer_at (inputs, at), .x2 = REFORMER_NOTHING, .ldx = work->H, .width = work->H,
                              .weight = reformer_parameter_value (work->layer->norm_weight, work->run, 0),
                              .bias = reformer_parameter_value (work->layer->norm_bias, work->run, 0), .eps = (float) work->layer->eps };
  const int width = heads * work->few.head_size;

  reformer_tape_forward_norm (work->tape, rows_of (work, projection, first), NULL, &norm, u, y, width, count, width, work->H, NULL);
}

/* The buckets of the tokens that have none yet. */
static void
hash_missing (Work *work)
{
  const ReformerLshPiece *piece = work->piece;
  const gsize most = reformer_tape_get_piece (work->tape, MAX (work->H, work->D)), missing = (gsize) (piece->T - piece->hashed);
  const gsize length = MIN (most, missing);
  ReformerHash hash = reformer_lsh_attention_hash (REFORMER_LSH_ATTENTION (work->layer), work->run, 0, work->few.rounds);
  g_autoptr (ReformerTensor) q = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) length, (gint64) work->D);

  hash.rows = 1;
  hash.stride = work->D;
  hash.x = reformer_span (q);
  hash.ld = (gsize) piece->B * (gsize) piece->capacity;
  for (int b = 0; b < piece->B; b++)
    for (gsize t = (gsize) piece->hashed; t < (gsize) piece->T && reformer_run_ok (work->run); t += length)
      {
        const gsize place = (gsize) b * (gsize) piece->capacity + t, count = MIN (length, (gsize) piece->T - t);

        project_norm (work, piece->inputs, place * (gsize) work->H, 0, 0, work->few.heads, REFORMER_NOTHING, reformer_span (q), count);
        hash.T = (int) count;
        reformer_hash (work->run, &hash, reformer_at (piece->buckets, place));
      }
}

/* k and v of the tokens that each head's queries look at, [heads][rows][n][count][d]. */
static void
gather (Work           *work,
        ReformerTensor *sources,
        ReformerTensor *k,
        ReformerTensor *v)
{
  const gsize count = (gsize) work->few.rows * work->few.n * reformer_few_count (&work->few), d = work->few.head_size;
  const ReformerRows rows = { 0, count, count };
  const ReformerDropout nothing = REFORMER_NO_DROPOUT;
  g_autoptr (ReformerTensor) x = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) count, (gint64) work->H);
  g_autoptr (ReformerTensor) u = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) count, (gint64) work->H);

  for (int head = 0; head < work->few.heads && reformer_run_ok (work->run); head++)
    {
      const gsize place = (gsize) head * count;

      reformer_embedding_forward (work->run, reformer_at (sources, place), reformer_span (work->piece->inputs), reformer_span (x), work->H, &rows, &nothing,
                                  REFORMER_STORE_SET);
      project_norm (work, x, 0, 0, head, 1, reformer_span (u), reformer_at (k, place * d), count);
      reformer_tape_forward (work->tape, rows_of (work, 2, head), NULL, reformer_span (u), work->H, reformer_at (v, place * d), (int) d, count, (int) d, work->H,
                             REFORMER_STORE_SET, NULL);
    }
}

void
reformer_lsh_piece_accumulate (ReformerLshAttention   *self,
                               const ReformerLshPiece *piece,
                               ReformerTensor         *x,
                               ReformerTensor         *target,
                               ReformerTape           *tape)
{
  ReformerAttention *layer = REFORMER_ATTENTION (self);
  Work work = { .layer = layer, .piece = piece, .few = few_of (self, piece), .tape = tape, .run = reformer_tape_get_run (tape), .H = layer->hidden_size,
                .D = layer->heads * layer->head_size };
  ReformerRun *run = work.run;
  const gint64 A = layer->heads, rows = piece->B, n = piece->n, count = reformer_few_count (&work.few), d = layer->head_size;
  const gsize queries = (gsize) (rows * n);
  const char *part = reformer_run_part (run, "attention");
  g_autoptr (ReformerTensor) order = NULL;
  g_autoptr (ReformerTensor) keys = NULL;
  g_autoptr (ReformerTensor) sources = NULL;
  g_autoptr (ReformerTensor) q = NULL;
  g_autoptr (ReformerTensor) k = NULL;
  g_autoptr (ReformerTensor) v = NULL;
  g_autoptr (ReformerTensor) out = NULL;

  hash_missing (&work);
  order = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, A, (gint64) work.few.rounds, rows, piece->T);
  if (reformer_run_ok (run))
    reformer_sort_buckets (run, reformer_span (piece->buckets), (gsize) piece->capacity, (gsize) (A * work.few.rounds * rows), (int) piece->T,
                           reformer_lsh_attention_count_buckets (self), reformer_span (order));
  keys = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, A, rows, n, count);
  sources = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, A, rows, n, count);
  if (reformer_run_ok (run))
    reformer_few_find (run, &work.few, reformer_span (order), (int) piece->capacity, reformer_span (keys), reformer_span (sources));
  g_clear_object (&order);
  q = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, rows * n, (gint64) work.D);
  k = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 5, A, rows, n, count, d);
  v = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 5, A, rows, n, count, d);
  if (reformer_run_ok (run))
    {
      project_norm (&work, x, 0, 0, 0, layer->heads, REFORMER_NOTHING, reformer_span (q), queries);
      gather (&work, sources, k, v);
    }
  out = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, rows * n, (gint64) work.D);
  if (reformer_run_ok (run))
    {
      reformer_few_attention (run, &work.few, reformer_span (q), reformer_span (k), reformer_span (v), reformer_span (keys), reformer_span (out));
      reformer_tape_forward (tape, (ReformerMatrix) { layer->output, 0, work.D }, NULL, reformer_span (out), work.D, reformer_span (target), work.H, queries, work.H,
                             work.D, REFORMER_STORE_ADD, NULL);
    }
  reformer_run_part (run, part);
}
