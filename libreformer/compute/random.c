/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/random.h"

#include <math.h>

void
reformer_philox (const guint32 counter[4],
                 const guint32 key[2],
                 guint32       words[4])
{
  guint32 c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  guint32 k0 = key[0], k1 = key[1];

  for (guint i = 0; i < 10; i++)
    {
      const guint64 a = (guint64) 0xD2511F53u * c0;
      const guint64 b = (guint64) 0xCD9E8D57u * c2;

      c0 = (guint32) (b >> 32) ^ c1 ^ k0;
      c1 = (guint32) b;
      c2 = (guint32) (a >> 32) ^ c3 ^ k1;
      c3 = (guint32) a;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }

  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/* In (0, 1), with all 32 bits of the word. */
static double
uniform (guint32 word)
{
  return (word + 0.5) * 0x1p-32;
}

void
reformer_random_normal (guint64  seed,
                        guint32  stream,
                        guint32  substream,
                        float   *values,
                        gsize    n)
{
  const guint32 key[2] = { (guint32) seed, (guint32) (seed >> 32) };

  /* Four words give two pairs: elements 4 i to 4 i + 3. */
  for (gsize i = 0; i < n; i += 4)
    {
      const guint64 quad = i / 4;
      const guint32 counter[4] = { (guint32) quad, (guint32) (quad >> 32), stream, substream };
      guint32 words[4];

      reformer_philox (counter, key, words);
      for (guint pair = 0; pair < 2; pair++)
        {
          const double radius = sqrt (-2.0 * log (uniform (words[2 * pair])));
          const double angle = 2.0 * G_PI * uniform (words[2 * pair + 1]);

          if (i + 2 * pair < n)
            values[i + 2 * pair] = (float) (radius * cos (angle));
          if (i + 2 * pair + 1 < n)
            values[i + 2 * pair + 1] = (float) (radius * sin (angle));
        }
    }
}

guint32
reformer_dropout_threshold (const ReformerDropout *dropout)
{
  const double threshold = floor ((double) dropout->p * 0x1p32 + 0.5);

  /* p = 1 would need 2^32; a word that keeps one element of 2^32 stands for it. */
  return dropout->p > 0.0f ? (guint32) CLAMP (threshold, 1.0, 4294967295.0) : 0;
}

float
reformer_dropout_scale (const ReformerDropout *dropout)
{
  if (!(dropout->p > 0.0f))
    return 1.0f;
  return dropout->p < 1.0f ? (float) (1.0 / (1.0 - (double) dropout->p)) : 0.0f;
}
