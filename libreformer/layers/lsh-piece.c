/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/lsh-piece.h"

#include "layers/attention-private.h"
#include "layers/lsh-attention-private.h"
#include "ops/attention-few.h"
#include "ops/embedding.h"
#include "ops/norm.h"

/* What is gathered may take this much; a piece that needs more is run with everything before it. */
#define GATHERED_BYTES (48 << 20)

/* Of an LSH layer's projections: queries are the keys. */
static const int queries[] = { 0 }, keys_and_values[] = { 0, 2 };

typedef struct
{
  ReformerAttention      *layer;
  const ReformerLshPiece *piece;
  ReformerFew             few;
  ReformerFewWindows      windows;
  ReformerTape           *tape;
  ReformerRun            *run;
  int                     H, D;
} Work;

static ReformerFewWindows
windows_of (ReformerLshAttention   *self,
            const ReformerLshPiece *piece)
{
  const ReformerAttention *layer = REFORMER_ATTENTION (self);

  return (ReformerFewWindows) { .rounds = reformer_lsh_attention_get_rounds (self), .chunk = layer->chunk, .before = layer->before, .after = layer->after,
                                .padded = (int) piece->padded, .causal = layer->causal };
}

gboolean
reformer_lsh_piece_pays (ReformerLshAttention   *self,
                         const ReformerLshPiece *piece)
{
  const ReformerAttention *layer = REFORMER_ATTENTION (self);
  const ReformerFewWindows windows = windows_of (self, piece);
  const gint64 gathered = (gint64) piece->n * reformer_few_count (&windows);

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

/* The buckets of the tokens that have none yet. */
static void
hash_missing (Work *work)
{
  const ReformerLshPiece *piece = work->piece;
  const gsize most = reformer_tape_get_piece (work->tape, MAX (work->H, work->D)), missing = (gsize) (piece->T - piece->hashed);
  const gsize length = MIN (most, missing);
  ReformerHash hash = reformer_lsh_attention_hash (REFORMER_LSH_ATTENTION (work->layer), work->run, 0, work->windows.rounds);
  g_autoptr (ReformerTensor) q = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) length, (gint64) work->D);

  hash.rows = 1;
  hash.stride = work->D;
  hash.x = reformer_span (q);
  hash.ld = (gsize) piece->B * (gsize) piece->capacity;
  for (int b = 0; b < piece->B; b++)
    for (gsize t = (gsize) piece->hashed; t < (gsize) piece->T && reformer_run_ok (work->run); t += length)
      {
        const gsize place = (gsize) b * (gsize) piece->capacity + t, count = MIN (length, (gsize) piece->T - t);

        reformer_attention_project (work->layer, queries, 1, 0, work->few.heads, reformer_at (piece->inputs, place * (gsize) work->H),
                                    (ReformerSpan[]) { reformer_span (q) }, count, work->tape);
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
  const gsize count = (gsize) work->few.rows * work->few.n * work->few.count, d = work->few.head_size;
  const ReformerRows rows = { 0, count, count };
  const ReformerDropout nothing = REFORMER_NO_DROPOUT;
  g_autoptr (ReformerTensor) x = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) count, (gint64) work->H);

  for (int head = 0; head < work->few.heads && reformer_run_ok (work->run); head++)
    {
      const gsize place = (gsize) head * count;

      reformer_embedding_forward (work->run, reformer_at (sources, place), reformer_span (work->piece->inputs), reformer_span (x), work->H, &rows, &nothing,
                                  REFORMER_STORE_SET);
      reformer_attention_project (work->layer, keys_and_values, 2, head, 1, reformer_span (x), (ReformerSpan[]) { reformer_at (k, place * d), reformer_at (v, place * d) },
                                  count, work->tape);
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
  Work work = { .layer = layer, .piece = piece, .windows = windows_of (self, piece), .tape = tape, .run = reformer_tape_get_run (tape), .H = layer->hidden_size,
                .D = layer->heads * layer->head_size };
  ReformerRun *run = work.run;
  const gint64 A = layer->heads, rows = piece->B, n = piece->n, count = reformer_few_count (&work.windows), d = layer->head_size;
  const char *part = reformer_run_part (run, "attention");
  g_autoptr (ReformerTensor) order = NULL;
  g_autoptr (ReformerTensor) keys = NULL;
  g_autoptr (ReformerTensor) sources = NULL;
  g_autoptr (ReformerTensor) q = NULL;
  g_autoptr (ReformerTensor) k = NULL;
  g_autoptr (ReformerTensor) v = NULL;
  g_autoptr (ReformerTensor) out = NULL;

  work.few = (ReformerFew) { .rows = piece->B, .T = (int) piece->T, .n = piece->n, .heads = layer->heads, .head_size = layer->head_size, .count = (int) count };
  hash_missing (&work);
  order = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, A, (gint64) work.windows.rounds, rows, piece->T);
  if (reformer_run_ok (run))
    reformer_sort_buckets (run, reformer_span (piece->buckets), (gsize) piece->capacity, (gsize) (A * work.windows.rounds * rows), (int) piece->T,
                           reformer_lsh_attention_count_buckets (self), reformer_span (order));
  keys = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, A, rows, n, count);
  sources = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, A, rows, n, count);
  if (reformer_run_ok (run))
    reformer_few_find (run, &work.few, &work.windows, reformer_span (order), (int) piece->capacity, reformer_span (keys), reformer_span (sources));
  g_clear_object (&order);
  q = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, rows * n, (gint64) work.D);
  k = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 5, A, rows, n, count, d);
  v = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 5, A, rows, n, count, d);
  if (reformer_run_ok (run))
    {
      reformer_attention_project (layer, queries, 1, 0, layer->heads, reformer_span (x), (ReformerSpan[]) { reformer_span (q) }, (gsize) (rows * n), tape);
      gather (&work, sources, k, v);
    }
  out = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, rows * n, (gint64) work.D);
  if (reformer_run_ok (run))
    {
      reformer_few_attention (run, &work.few, reformer_span (q), reformer_span (k), reformer_span (v), reformer_span (keys), reformer_span (out));
      reformer_attention_output (layer, reformer_span (out), reformer_span (target), (gsize) (rows * n), tape);
    }
  reformer_run_part (run, part);
}
