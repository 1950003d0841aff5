/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Cross-entropy of rows of logits [count, classes] with leading dimension ld, and its gradient in their place.

// exp (x) for x <= 0, with 0 below -87.3, where a float's normal numbers end.
inline vec
exponential_below (vec x)
{
  return select (exponential (x), (vec) 0.0f, x < -87.3f);
}

#define BLOCK (64 * VW)

// losses[n] = log (sum of exp (logits[n])) - logits[n][label]; unless scale is 0 the logits become scale * (softmax - one hot). A label outside
// [0, classes) is no target: loss and gradient 0. Work-item i has `rows` rows from i * rows on.
__kernel void
cross_entropy (SPAN (float, logits), int ld, SPAN (const int, labels), SPAN (float, losses), int count, int classes, float scale, int rows)
{
  BEGIN (float, logits);
  BEGIN (const int, labels);
  BEGIN (float, losses);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      __global float *x = logits + r * (ulong) ld;
      const int label = labels[r];
      int c = 0;

      if (label < 0 || label >= classes)
        {
          losses[r] = 0.0f;
          if (scale != 0.0f)
            {
              for (; c + VW <= classes; c += VW)
                STORE_GLOBAL (x + c, (vec) 0.0f);
              for (; c < classes; c++)
                x[c] = 0.0f;
            }
          continue;
        }

      vec high = (vec) -FLT_MAX;
      float top = -FLT_MAX;

      for (; c + VW <= classes; c += VW)
        high = fmax (high, LOAD (x + c));
      for (; c < classes; c++)
        top = fmax (top, x[c]);
#if VW == 16
      const float8 h8 = fmax (high.lo, high.hi);
#else
      const float8 h8 = high;
#endif
      const float4 h4 = fmax (h8.lo, h8.hi);

      top = fmax (top, fmax (fmax (h4.x, h4.y), fmax (h4.z, h4.w)));

      // Blocks of a few vectors first: rounding then grows with the number of blocks, not of classes.
      const float hit = x[label];
      float sum = 0.0f;

      for (c = 0; c + VW <= classes;)
        {
          const int end = min (c + BLOCK, classes);
          vec part = (vec) 0.0f;

          for (; c + VW <= end; c += VW)
            {
              const vec e = exponential_below (LOAD (x + c) - top);

              part += e;
              if (scale != 0.0f)
                STORE_GLOBAL (x + c, e);
            }
          sum += vec_sum (part);
        }
      for (; c < classes; c++)
        {
          const float e = exp (x[c] - top);

          sum += e;
          if (scale != 0.0f)
            x[c] = e;
        }
      losses[r] = log (sum) + (top - hit);

      if (scale != 0.0f)
        {
          const float p = scale / sum, at = x[label];

          for (c = 0; c + VW <= classes; c += VW)
            STORE_GLOBAL (x + c, p * LOAD (x + c));
          for (; c < classes; c++)
            x[c] *= p;
          x[label] = scale * (at / sum - 1.0f);
        }
    }
}
