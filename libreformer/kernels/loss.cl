/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Losses of rows of outputs [count, width] with leading dimension ld, and their gradients in the outputs' place.

// exp (x) for x <= 0, with 0 below -87.3, where a float's normal numbers end.
inline vec
exponential_below (vec x)
{
  return select (exponential (x), (vec) 0.0f, x < -87.3f);
}

#define BLOCK (64 * VW)

// losses[n] = w (log (sum of exp (logits[n])) - logits[n][label]); unless scale is 0 the logits become w scale (softmax - one hot), where w = weights[label],
// or 1 unless `weighted`. A label outside [0, classes) is no target: loss and gradient 0. Work-item i has `rows` rows from i * rows on.
__kernel void
cross_entropy (SPAN (float, logits), int ld, SPAN (const int, labels), SPAN (const float, weights), SPAN (float, losses), int count, int classes, float scale,
               int rows, int weighted)
{
  BEGIN (float, logits);
  BEGIN (const int, labels);
  BEGIN (const float, weights);
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
      const float w = weighted ? weights[label] : 1.0f;

      losses[r] = w * (log (sum) + (top - hit));

      if (scale != 0.0f)
        {
          const float slope = w * scale, p = slope / sum, at = x[label];

          for (c = 0; c + VW <= classes; c += VW)
            STORE_GLOBAL (x + c, p * LOAD (x + c));
          for (; c < classes; c++)
            x[c] *= p;
          x[label] = slope * (at / sum - 1.0f);
        }
    }
}

#define SQUARES 0
#define LOGISTIC 1

// Numbers that are wanted, float [count, width]; NaN is no target: loss and gradient 0. SQUARES: losses[n] = sum of (x - wanted)^2; LOGISTIC: sum of
// log (1 + exp (x)) - wanted x. Unless scale is 0, x becomes scale times the slope. A row is summed by blocks of 64. Work-item i has `rows` rows from i * rows on.
__kernel void
value_loss (SPAN (float, outputs), int ld, SPAN (const float, wanted), SPAN (float, losses), int count, int width, int kind, float scale, int rows)
{
  BEGIN (float, outputs);
  BEGIN (const float, wanted);
  BEGIN (float, losses);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      __global float *x = outputs + r * (ulong) ld;
      __global const float *y = wanted + r * (ulong) width;
      float sum = 0.0f;

      for (int c = 0; c < width;)
        {
          const int end = min (c + 64, width);
          float part = 0.0f;

          for (; c < end; c++)
            {
              const float a = x[c], b = y[c];
              float loss = 0.0f, slope = 0.0f;

              if (!isnan (b) && kind == SQUARES)
                {
                  const float d = a - b;

                  loss = d * d;
                  slope = 2.0f * d;
                }
              else if (!isnan (b))
                {
                  const float e = exp (-fabs (a));

                  // b <= 1: the first two terms are at least 0
                  loss = fmax (a, 0.0f) - a * b + log1p (e);
                  slope = (a < 0.0f ? e : 1.0f) / (1.0f + e) - b;
                }
              part += loss;
              if (scale != 0.0f)
                x[c] = scale * slope;
            }
          sum += part;
        }
      losses[r] = sum;
    }
}

// Where a span begins (side 0) and ends (side 1): of outputs [B, T, 2] a softmax over the positions t < length that are kept (mask uint8 [B, T]; unless `masked`: all).

#define SPAN_BLOCK 1024

// stats[b][side][block] = the maximum of a block of positions, and the sum of exp (x - maximum). Work-item (block, b, side).
__kernel void
span_scores (SPAN (const float, outputs), SPAN (const uchar, mask), SPAN (float, stats), int length, int T, int blocks, int masked)
{
  BEGIN (const float, outputs);
  BEGIN (const uchar, mask);
  BEGIN (float, stats);
  const ulong block = get_global_id (0), row = get_global_id (1), side = get_global_id (2);
  const ulong from = block * SPAN_BLOCK, to = min (from + SPAN_BLOCK, (ulong) length);
  __global const float *x = outputs + row * (ulong) T * 2 + side;
  const ulong first = row * (ulong) T;
  __global float *result = stats + ((row * 2 + side) * (ulong) blocks + block) * 2;
  float top = -FLT_MAX, sum = 0.0f;

  if (block >= (ulong) blocks)
    return;
  for (ulong t = from; t < to; t++)
    if (!masked || mask[first + t] != 0)
      top = fmax (top, x[2 * t]);
  for (ulong t = from; t < to; t++)
    if (!masked || mask[first + t] != 0)
      sum += exp (x[2 * t] - top);
  result[0] = top;
  result[1] = sum;
}

// outputs become scale * (exp (x - totals[b][side]) - one hot), 0 beyond `length`, where masked, and where labels[b][side] is negative: no target.
// Work-item i has `rows` positions of all rows, counted through, from i * rows on.
__kernel void
span_gradient (SPAN (float, outputs), SPAN (const uchar, mask), SPAN (const float, totals), SPAN (const int, labels), int count, int length, int T, float begins,
               float ends, int rows, int masked)
{
  BEGIN (float, outputs);
  BEGIN (const uchar, mask);
  BEGIN (const float, totals);
  BEGIN (const int, labels);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong n = from; n < to; n++)
    {
      const ulong row = n / (ulong) T;
      const int t = (int) (n % (ulong) T);
      const bool looked_at = t < length && (!masked || mask[n] != 0);

      for (int side = 0; side < 2; side++)
        {
          const int label = labels[2 * row + side];
          float slope = 0.0f;

          if (looked_at && label >= 0)
            slope = (side == 0 ? begins : ends) * (exp (outputs[2 * n + side] - totals[2 * row + side]) - (t == label ? 1.0f : 0.0f));
          outputs[2 * n + side] = slope;
        }
    }
}
