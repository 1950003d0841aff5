/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "models/config-private.h"

/* More buckets than this are two factors: 512 buckets as 16 x 32 hash 6.6 times as fast as in one factor. tests/results/buckets.py measures what they cover:
 * as much with one round and two, up to 1 per cent of the attention more with four (docs/results.md). */
#define MAX_ONE_FACTOR 64

/* floor (sqrt (n)) without rounding */
static gint64
integer_root (gint64 n)
{
  gint64 root = (gint64) sqrt ((double) n);

  while (root * root > n)
    root--;
  while ((root + 1) * (root + 1) <= n)
    root++;

  return root;
}

/**
 * reformer_config_get_bucket_factors:
 * @self: a configuration
 * @n_factors: (out) (optional): the number of factors
 *
 * Gets the factors of the number of hash buckets: [property@Config:num-buckets], or what transformers' rule gives where that is empty.
 *
 * The rule makes about twice as many buckets as there are chunks: with T the number of positions ([method@Config.get_max_length],
 * never the length of a call) and L the chunk length, n = 2^P, P = floor (log2 (2 (T div L))); beyond
 * 2 max (floor (sqrt (max_position_embeddings div L)), L) it is the two factors 2^(P div 2) and 2^(P - P div 2). Here
 * `max_position_embeddings` counts as at least T, as it is saved, and P as at most 15, for a bucket is kept in two bytes;
 * and 128 buckets and more are always two factors, which hash several times as fast and cover as much of the attention.
 *
 * Returns: (transfer full) (array length=n_factors): the factors, the fastest first; free with g_free()
 */
int *
reformer_config_get_bucket_factors (ReformerConfig *self,
                                    gsize          *n_factors)
{
  ReformerIntegers factors = { NULL, 1 };
  int values[2], power = 0;
  gint64 chunk, limit;

  g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL);

  if (self->num_buckets.n > 0)
    return reformer_config_dup_integers (&self->num_buckets, n_factors);

  chunk = MAX (self->lsh_attn_chunk_length, 1);
  for (gint64 chunks = reformer_config_get_max_length (self) / chunk; chunks > 0; chunks /= 2)
    power++;
  power = CLAMP (power, 1, 15);

  limit = 2 * MAX (integer_root (CLAMP (reformer_config_get_n_embeddings (self), 0, REFORMER_CONFIG_MAX_LENGTH) / chunk), chunk);
  if (1 << power <= MIN (limit, MAX_ONE_FACTOR))
    values[0] = 1 << power;
  else
    {
      values[0] = 1 << (power / 2);
      values[1] = 1 << (power - power / 2);
      factors.n = 2;
    }

  factors.values = values;

  return reformer_config_dup_integers (&factors, n_factors);
}
