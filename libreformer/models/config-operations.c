/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/models/reformer-config.h>

#include <math.h>

/* The arithmetic of a configuration, in one place: what `reformer bench` and the tests of speed hold times against. */

typedef struct
{
  double products;  /* of the stack's linear layers */
  double input;     /* of the projection of vectors, whose input has no gradient */
  double head;
  double hash;
  double attention; /* 2 products: scores, and weights with values */
} Count;

/* Pairs of a query and a key that chunks see; masked ones count, for an order that is found by hashing leaves none out. The last chunk may have fewer queries. */
static double
count_pairs (gint64   length,
             gint64   chunk,
             gint64   before,
             gint64   after,
             gboolean circular)
{
  const double size = (double) chunk, chunks = (double) (length / chunk + (length % chunk > 0));
  const double b = MIN ((double) before, chunks - 1), a = MIN ((double) after, chunks - 1);

  if (circular)
    return (double) (before + 1 + after) * size * (double) length;
  /* without what would lie before the first and behind the last chunk */
  return size * size * (chunks * (b + 1 + a) - b * (b + 1) / 2 - a * (a + 1) / 2) - size * (chunks * size - (double) length) * (b + 1);
}

/* The same of a band, the mean of the heads, whose dilations differ: of all tokens but the first (or last) few each sees one more with each step. */
static double
count_band (ReformerConfig *self,
            gint64          length)
{
  const double sides = reformer_config_get_is_decoder (self) ? 1 : 2, reach = reformer_config_get_window_attn_size (self) / 2, T = (double) length;
  gsize n, n_globals;
  g_autofree int *dilation = reformer_config_get_window_attn_dilation (self, &n), *globals = reformer_config_get_window_attn_global_tokens (self, &n_globals);
  double pairs = 0;

  for (gsize i = 0; i < MAX (n, 1); i++)
    {
      const double step = n > 0 ? MAX (dilation[i], 1) : 1, steps = CLAMP (reach, 0, floor ((T - 1) / step));

      pairs += T + sides * (steps * T - step * steps * (steps + 1) / 2) + 2 * T * (double) n_globals;
    }
  return pairs / (double) MAX (n, 1);
}

static void
count_layer (ReformerConfig *self,
             const char     *kind,
             gint64          length,
             gboolean        gradients,
             Count          *count)
{
  const gboolean lsh = g_str_equal (kind, "lsh"), local = g_str_equal (kind, "local"), window = g_str_equal (kind, "window");
  const double size = (double) reformer_config_get_num_attention_heads (self) * reformer_config_get_attention_head_size (self);
  const double hidden = reformer_config_get_hidden_size (self), T = (double) length;
  const gint64 set = lsh ? reformer_config_get_lsh_attn_chunk_length (self) : local ? reformer_config_get_local_attn_chunk_length (self) : length;
  const gint64 chunk = MAX (set, 1); /* nobody has validated it */
  double pairs;

  /* queries and keys are one projection in an LSH layer */
  count->products += 2 * T * hidden * ((lsh ? 3 : 4) * size + 2.0 * reformer_config_get_feed_forward_size (self));

  if (window)
    {
      gsize n_globals;
      g_autofree int *globals = reformer_config_get_window_attn_global_tokens (self, &n_globals);

      if (n_globals > 0) /* queries, keys and values of their own, of all tokens */
        count->products += 2 * T * hidden * 3 * size;
      pairs = count_band (self, length);
    }
  else if (length <= chunk) /* one chunk in its natural order, whatever the layer: what is later is left out */
    pairs = reformer_config_get_is_decoder (self) ? T * (T + 1) / 2 : T * T;
  else if (lsh)
    {
      const int training = reformer_config_get_num_hashes (self), evaluation = reformer_config_get_num_hashes_evaluation (self);
      const double rounds = gradients || evaluation < 1 ? training : evaluation;
      gsize n;
      g_autofree int *factors = reformer_config_get_bucket_factors (self, &n);
      double columns = 0;

      for (gsize i = 0; i < n; i++)
        columns += factors[i] / 2;
      count->hash += 2 * T * size * rounds * columns;
      pairs = rounds * count_pairs (length, chunk, reformer_config_get_lsh_num_chunks_before (self), reformer_config_get_lsh_num_chunks_after (self), TRUE);
    }
  else
    pairs = count_pairs (length, chunk, reformer_config_get_local_num_chunks_before (self), reformer_config_get_local_num_chunks_after (self),
                         reformer_config_get_local_attn_circular (self));
  count->attention += 4 * size * pairs;
}

/* Of all streams side by side. */
static double
count_head (ReformerConfig *self,
            gint64          length)
{
  const double H = reformer_config_get_hidden_size (self), W = H * reformer_config_get_streams (self), V = reformer_config_get_vocab_size (self);
  const double labels = reformer_config_get_num_labels (self);

  switch (reformer_config_get_head (self))
    {
    case REFORMER_HEAD_LANGUAGE:
    case REFORMER_HEAD_MASKED_LANGUAGE:
      return 2.0 * (double) length * (reformer_config_get_tied_projection (self) ? W * H + H * V : W * V);
    case REFORMER_HEAD_CLASSIFICATION:
    case REFORMER_HEAD_REGRESSION:
    case REFORMER_HEAD_MULTI_LABEL:
      return 2.0 * W * H + 2.0 * H * labels;
    case REFORMER_HEAD_SPANS:
    case REFORMER_HEAD_TOKENS:
    case REFORMER_HEAD_VALUES:
      return 2.0 * (double) length * W * labels;
    case REFORMER_HEAD_NONE:
    default:
      return 0;
    }
}

/**
 * reformer_config_count_operations:
 * @self: a configuration
 * @length: tokens of a sequence, T
 * @gradients: %TRUE for [method@Model.compute_gradients], %FALSE for [method@Model.forward]
 * @keep: what the backward pass finds; anything but `everything` and `auto` computes the stack twice. Without @gradients it does not matter
 *
 * Counts the floating point operations that one sequence needs, a multiplication and an addition being two.
 *
 * Counted are the matrix products: projections, feed-forward and head (one product forward, two backward; one for an input of vectors), the rotations that hash tokens to buckets (once),
 * and attention (scores and values: two products forward, five backward, because the scores are computed again). Every query counts with every key of its window, masked
 * or not; a causal layer of one chunk, as full attention is, counts the keys up to the query. Where the stack is computed twice, its projections, feed-forward and attention count once more.
 * In window attention a query counts with the keys of its window that there are, and with the global tokens, and these with all tokens.
 * Norms, activations, embeddings, softmax, the loss, padding and the optimizer do not count.
 *
 * For example the preset `bench-lsh`, with positions for 16,384 tokens, needs 10.6 million operations a token forward, 32.4 with gradients, and 42.6 where nothing
 * is kept.
 *
 * Returns: the number of operations
 */
double
reformer_config_count_operations (ReformerConfig *self,
                                  gint64          length,
                                  gboolean        gradients,
                                  ReformerKeep    keep)
{
  const char *const *kinds;
  Count count = { 0 };
  double again;

  g_return_val_if_fail (REFORMER_IS_CONFIG (self), 0);
  g_return_val_if_fail (length >= 0, 0);

  if (length == 0)
    return 0;
  count.input = 2.0 * (double) length * reformer_config_get_hidden_size (self) * MAX (reformer_config_get_input_features (self), 0);
  kinds = reformer_config_get_attn_layers (self);
  for (guint i = 0; i < reformer_config_get_n_layers (self); i++)
    count_layer (self, kinds[i], length, gradients, &count);
  count.head = count_head (self, length);

  if (!gradients)
    return count.input + count.products + count.head + count.hash + count.attention;
  again = keep == REFORMER_KEEP_INPUTS || keep == REFORMER_KEEP_NOTHING ? count.products + count.attention : 0;
  return 2 * count.input + 3 * (count.products + count.head) + count.hash + 3.5 * count.attention + again;
}
