/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/cached-piece.h"

#include "layers/attention-private.h"
#include "ops/attention-few.h"

/* The lists of keys and the weights may take this much; a piece that needs more is run with everything before it, and so is one of more than an eighth of the tokens: the kernels for few
 * queries read keys and values anew for each. */
#define LISTS_BYTES (48 << 20)
#define PIECES 8

/* Keys that a token looks at among T, itself included. */
static gint64
count_keys (ReformerAttention *layer,
            gint64             T)
{
  const gint64 window = layer->reach > 0 ? (gint64) layer->reach + 1 : layer->chunk < T ? (gint64) layer->chunk * (layer->before + 1) : T;

  return MIN (window, T);
}

gboolean
reformer_cached_piece_pays (ReformerAttention *layer,
                            int                B,
                            int                n,
                            gint64             T)
{
  const gint64 lists = (gint64) layer->heads * B * n * count_keys (layer, T);

  return !reformer_layer_get_ablated (REFORMER_LAYER (layer)) && (gint64) n * PIECES <= T && lists * (gint64) (sizeof (float) + sizeof (gint32)) <= LISTS_BYTES;
}

ReformerTensor *
reformer_cached_piece_new_cache (ReformerAttention         *layer,
                                 const ReformerCachedPiece *piece,
                                 ReformerTape              *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "keys and values");
  ReformerTensor *cache = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 4, (gint64) 2, (gint64) piece->B, piece->capacity, (gint64) layer->heads * layer->head_size);

  reformer_run_part (run, part);
  return cache;
}

static void
project_missing (ReformerAttention         *layer,
                 const ReformerCachedPiece *piece,
                 ReformerTape              *tape)
{
  static const int keys_and_values[] = { 1, 2 };
  const gsize H = layer->hidden_size, D = (gsize) layer->heads * layer->head_size, tokens = (gsize) piece->B * piece->capacity;
  const gsize length = reformer_tape_get_piece (tape, (int) MAX (H, D));

  for (gsize b = 0; b < (gsize) piece->B; b++)
    for (gsize t = (gsize) piece->cached; t < (gsize) piece->T && reformer_run_ok (reformer_tape_get_run (tape)); t += length)
      {
        const gsize place = b * (gsize) piece->capacity + t;

        reformer_attention_project (layer, keys_and_values, 2, 0, layer->heads, reformer_at (piece->inputs, place * H),
                                    (ReformerSpan[]) { reformer_at (piece->cache, place * D), reformer_at (piece->cache, (tokens + place) * D) },
                                    MIN (length, (gsize) piece->T - t), tape);
      }
}

/* The tokens that each query sees; heads of a band that look as far as each other go together. */
static void
find_keys (ReformerAttention *layer,
           const ReformerFew *few,
           ReformerTensor    *keys,
           ReformerRun       *run)
{
  const int *dilations = layer->reach > 0 ? layer->dilations : NULL;

  for (int first = 0, n; first < few->heads && reformer_run_ok (run); first += n)
    {
      const int step = dilations != NULL ? dilations[first] : 1;

      n = dilations != NULL ? 1 : few->heads;
      while (first + n < few->heads && dilations[first + n] == step)
        n++;
      reformer_few_near (run, few, first, n, step, layer->reach > 0 ? G_MAXINT : layer->chunk, layer->before, reformer_span (keys));
    }
}

void
reformer_cached_piece_accumulate (ReformerAttention         *layer,
                                  const ReformerCachedPiece *piece,
                                  ReformerTensor            *x,
                                  ReformerTensor            *target,
                                  ReformerTape              *tape)
{
  static const int queries[] = { 0 };
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerFew few = { .rows = piece->B, .T = (int) piece->T, .n = piece->n, .heads = layer->heads, .head_size = layer->head_size,
                            .count = (int) count_keys (layer, piece->T), .capacity = (int) piece->capacity };
  const gint64 rows = (gint64) piece->B * piece->n, D = (gint64) layer->heads * layer->head_size;
  const char *part = reformer_run_part (run, "attention");
  g_autoptr (ReformerTensor) keys = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, (gint64) few.heads, (gint64) few.rows, (gint64) few.n, (gint64) few.count);
  g_autoptr (ReformerTensor) q = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, rows, D);
  g_autoptr (ReformerTensor) out = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, rows, D);

  if (reformer_run_ok (run))
    {
      project_missing (layer, piece, tape);
      find_keys (layer, &few, keys, run);
      reformer_attention_project (layer, queries, 1, 0, few.heads, reformer_span (x), (ReformerSpan[]) { reformer_span (q) }, (gsize) rows, tape);
      reformer_few_attention (run, &few, reformer_span (q), reformer_span (piece->cache), reformer_at (piece->cache, (gsize) (piece->B * piece->capacity * D)),
                              reformer_span (keys), reformer_span (out));
      reformer_attention_output (layer, reformer_span (out), reformer_span (target), (gsize) rows, tape);
    }
  reformer_run_part (run, part);
}
