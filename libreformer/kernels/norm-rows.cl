/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Mean and deviation of a row of x1, or of [x1, x2] set side by side: what norms and products whose rows are normalised share.
//
// The mean is kept as a sum of two floats, mean and rest: the second pass over a row finds what the first lost to rounding, so that a
// constant row gives zeros whatever eps is.

typedef struct
{
  float mean, rest;
  float scale; // 1 / sqrt (variance + eps)
} Row;

inline Row
row_statistics (__global const float *x1, __global const float *x2, int width, int parts, float eps)
{
  const float n = (float) width * (float) parts;
  vec a = (vec) 0.0f, b = (vec) 0.0f, s = (vec) 0.0f;
  float ta = 0.0f, tb = 0.0f;
  Row row;

  for (int p = 0; p < parts; p++)
    {
      __global const float *x = p == 0 ? x1 : x2;
      int c = 0;

      for (; c + 2 * VW <= width; c += 2 * VW)
        {
          a += LOAD (x + c);
          b += LOAD (x + c + VW);
        }
      for (; c + VW <= width; c += VW)
        a += LOAD (x + c);
      for (; c < width; c++)
        ta += x[c];
    }
  row.mean = (vec_sum (a + b) + ta) / n;

  a = b = (vec) 0.0f;
  ta = 0.0f;
  for (int p = 0; p < parts; p++)
    {
      __global const float *x = p == 0 ? x1 : x2;
      int c = 0;

      for (; c + 2 * VW <= width; c += 2 * VW)
        {
          const vec d = LOAD (x + c) - row.mean, e = LOAD (x + c + VW) - row.mean;

          s += d + e;
          a = mad (d, d, a);
          b = mad (e, e, b);
        }
      for (; c + VW <= width; c += VW)
        {
          const vec d = LOAD (x + c) - row.mean;

          s += d;
          a = mad (d, d, a);
        }
      for (; c < width; c++)
        {
          const float d = x[c] - row.mean;

          ta += d;
          tb = mad (d, d, tb);
        }
    }
  row.rest = (vec_sum (s) + ta) / n;

  const float variance = (vec_sum (a + b) + tb) / n - row.rest * row.rest;

  // A row of one element is its own mean: nothing depends on it, however small eps is.
  row.scale = n == 1.0f ? 0.0f : 1.0f / sqrt ((variance < 0.0f ? 0.0f : variance) + eps);
  return row;
}

// The norm of elements of a row, or of vectors of them.
#define NORMALISED(x, row, weight, bias) mad (((x) - (row).mean - (row).rest) * (row).scale, weight, bias)
