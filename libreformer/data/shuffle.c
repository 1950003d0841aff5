/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/shuffle.h"

#include "compute/random.h"

/* Apart from what other users of Philox count with. */
#define STREAM 0x73687566u
#define N_ROUNDS 8

/* A Feistel network of 2 * n_bits bits: a bijection whatever the round function is. */
static guint64
permute (guint64 number,
         guint   n_bits,
         guint64 seed,
         guint   epoch)
{
  const guint32 key[2] = { (guint32) seed, (guint32) (seed >> 32) };
  const guint32 mask = (guint32) ((G_GUINT64_CONSTANT (1) << n_bits) - 1);
  guint32 left = (guint32) (number >> n_bits), right = (guint32) number & mask;

  for (guint round = 0; round < N_ROUNDS; round++)
    {
      const guint32 counter[4] = { right, round, epoch, STREAM };
      const guint32 previous = left;
      guint32 words[4];

      reformer_philox (counter, key, words);
      left = right;
      right = previous ^ (words[0] & mask);
    }
  return ((guint64) left << n_bits) | right;
}

gint64
reformer_shuffle (guint64 seed,
                  guint   epoch,
                  gint64  n,
                  gint64  index)
{
  guint64 number = (guint64) index;
  guint n_bits = 1;

  g_return_val_if_fail (n >= 1 && index >= 0 && index < n, 0);

  while (n_bits < 32 && (G_GUINT64_CONSTANT (1) << (2 * n_bits)) < (guint64) n)
    n_bits++;
  /* Walk along the bijection's cycle until it is back below n: at most 4 steps on average, and still a bijection. */
  do
    number = permute (number, n_bits, seed, epoch);
  while (number >= (guint64) n);
  return (gint64) number;
}
