/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Plain arithmetic on arrays. Dropout is the identity activation (activation.cl).

// y = a x (store 0), y += a x (1) or y -= a x (2), n elements. Work-item i has the i-th run of `span` elements.
__kernel void
scale (SPAN (const float, x), SPAN (float, y), ulong n, int span, int store, float a)
{
  BEGIN (const float, x);
  BEGIN (float, y);
  const ulong from = get_global_id (0) * (ulong) span, to = min (from + (ulong) span, n);
  ulong i = from;

  if (from >= n)
    return;
  if (store == 0)
    {
      for (; i + VW <= to; i += VW)
        STORE_GLOBAL (y + i, a * LOAD (x + i));
      for (; i < to; i++)
        y[i] = a * x[i];
    }
  else
    {
      const float b = store == 1 ? a : -a;

      for (; i + VW <= to; i += VW)
        STORE_GLOBAL (y + i, mad ((vec) b, LOAD (x + i), LOAD (y + i)));
      for (; i < to; i++)
        y[i] = mad (b, x[i], y[i]);
    }
}

// The first `width` columns of x to those of y, with leading dimensions ldx and ldy. Work-item i has `rows` rows from i * rows on.
__kernel void
copy_columns (SPAN (const float, x), ulong ldx, SPAN (float, y), ulong ldy, int width, int count, int rows)
{
  BEGIN (const float, x);
  BEGIN (float, y);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      __global const float *p = x + r * ldx;
      __global float *q = y + r * ldy;
      int c = 0;

      for (; c + VW <= width; c += VW)
        STORE_GLOBAL (q + c, LOAD (p + c));
      for (; c < width; c++)
        q[c] = p[c];
    }
}
