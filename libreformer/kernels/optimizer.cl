/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Steps of the optimizers, and the sum of squares that clipping needs.
//
// w: a parameter's value, g: its gradient, which is multiplied by `scale` first. Where work-items walk over elements, item i has the i-th run of `span`.

// One element or VW of them; g is already scaled.
#define ADAMW(w, g, m, v)                              \
  do                                                   \
    {                                                  \
      m += rest1 * (g - m);                            \
      v = beta2 * v + rest2 * g * g;                   \
      w -= decay * w + rate * m / (sqrt (v) * root + epsilon); \
    }                                                  \
  while (0)

// rest: 1 - beta; root: 1 / sqrt (1 - beta2^step); rate: learning rate / (1 - beta1^step); decay: learning rate * weight decay.
__kernel void
adamw (SPAN (float, w), SPAN (const float, g), SPAN (float, m), SPAN (float, v), ulong n, int span, float scale, float rest1, float beta2,
       float rest2, float root, float epsilon, float rate, float decay)
{
  BEGIN (float, w);
  BEGIN (const float, g);
  BEGIN (float, m);
  BEGIN (float, v);
  const ulong from = get_global_id (0) * (ulong) span, to = min (from + (ulong) span, n);
  ulong i = from;

  for (; i + VW <= to; i += VW)
    {
      const vec d = LOAD (g + i) * scale;
      vec a = LOAD (w + i), b = LOAD (m + i), c = LOAD (v + i);

      ADAMW (a, d, b, c);
      STORE_GLOBAL (w + i, a);
      STORE_GLOBAL (m + i, b);
      STORE_GLOBAL (v + i, c);
    }
  for (; i < to; i++)
    {
      const float d = g[i] * scale;
      float a = w[i], b = m[i], c = v[i];

      ADAMW (a, d, b, c);
      w[i] = a;
      m[i] = b;
      v[i] = c;
    }
}

// v = momentum * v + g + decay * w, w -= rate * v. Without momentum there is no v.
__kernel void
sgd (SPAN (float, w), SPAN (const float, g), SPAN (float, v), ulong n, int span, float scale, float momentum, float rate, float decay)
{
  BEGIN (float, w);
  BEGIN (const float, g);
  BEGIN (float, v);
  const ulong from = get_global_id (0) * (ulong) span, to = min (from + (ulong) span, n);
  ulong i = from;

  for (; i + VW <= to; i += VW)
    {
      const vec a = LOAD (w + i);
      vec d = LOAD (g + i) * scale + decay * a;

      if (momentum != 0.0f)
        {
          d += momentum * LOAD (v + i);
          STORE_GLOBAL (v + i, d);
        }
      STORE_GLOBAL (w + i, a - rate * d);
    }
  for (; i < to; i++)
    {
      float d = g[i] * scale + decay * w[i];

      if (momentum != 0.0f)
        v[i] = d += momentum * v[i];
      w[i] -= rate * d;
    }
}

// ---- Sums of squares ----

// Σ x over n numbers.
inline float
sum_all (__global const float *x, ulong n)
{
  vec s = (vec) 0.0f;
  float rest = 0.0f;
  ulong i = 0;

  for (; i + VW <= n; i += VW)
    s += LOAD (x + i);
  for (; i < n; i++)
    rest += x[i];
  return vec_sum (s) + rest;
}

// Σ (factor x)² over n elements.
inline float
sum_scaled_squares (__global const float *x, ulong n, float factor)
{
  vec a = (vec) 0.0f, b = (vec) 0.0f;
  float rest = 0.0f;
  ulong i = 0;

  for (; i + 2 * VW <= n; i += 2 * VW)
    {
      const vec c = LOAD (x + i) * factor, d = LOAD (x + i + VW) * factor;

      a = mad (c, c, a);
      b = mad (d, d, b);
    }
  for (; i < n; i++)
    rest = mad (x[i] * factor, x[i] * factor, rest);
  return vec_sum (a + b) + rest;
}

// Sums of squares of blocks of BLOCK elements: sums [blocks, 2] = (s, e), the sum is s 4^e. So gradients of any size have one. s is infinite where an element
// is no finite number. Work-item j has block j.
__kernel void
sum_squares (SPAN (const float, x), ulong n, SPAN (float, sums))
{
  BEGIN (const float, x);
  BEGIN (float, sums);
  const ulong j = get_global_id (0), from = j * BLOCK, to = min (from + BLOCK, n);

  if (from >= n)
    return;

  float s = sum_scaled_squares (x + from, to - from, 1.0f);
  int e = 0;

  if (!(s >= 1e-20f && s <= 1e30f))
    {
      // The largest, as an integer: bits of finite numbers, infinities and what is no number are ordered so.
      uint most = 0;

      for (ulong i = from; i < to; i++)
        most = max (most, as_uint (x[i]) & 0x7fffffffu);
      if (most >= 0x7f800000u)
        {
          s = INFINITY;
        }
      else if (most != 0)
        {
          // Multiplied by 2^-e, which must itself be a normal number.
          e = min (max ((int) (most >> 23) - 127, -120), 120);
          s = sum_scaled_squares (x + from, to - from, as_float ((uint) (127 - e) << 23));
        }
    }
  sums[2 * j] = s;
  sums[2 * j + 1] = (float) e;
}
