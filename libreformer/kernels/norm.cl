/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Layer norm: y = (x - mean) / sqrt (variance + eps) * weight + bias over the rows of x1, or of [x1, x2] set side by side.
//
// x1, x2 [count, width] with leading dimension ldx; parts: 1 or 2 of them; weight, bias [parts * width]; y, dy [count, parts * width].
// A row's statistics are in norm-rows.cl, which stands before this file.

// Work-item i has `rows` rows from i * rows on.
__kernel void
norm_forward (SPAN (const float, x1), SPAN (const float, x2), int ldx, int width, int parts, SPAN (const float, weight),
              SPAN (const float, bias), float eps, int count, int rows, SPAN (float, y), int ldy)
{
  BEGIN (const float, x1);
  BEGIN (const float, x2);
  BEGIN (const float, weight);
  BEGIN (const float, bias);
  BEGIN (float, y);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      const ulong at = r * (ulong) ldx;
      const Row row = row_statistics (x1 + at, x2 + at, width, parts, eps);

      for (int p = 0; p < parts; p++)
        {
          __global const float *x = (p == 0 ? x1 : x2) + at, *w = weight + p * width, *o = bias + p * width;
          __global float *z = y + r * (ulong) ldy + p * width;
          int c = 0;

          for (; c + VW <= width; c += VW)
            STORE_GLOBAL (z + c, NORMALISED (LOAD (x + c), row, LOAD (w + c), LOAD (o + c)));
          for (; c < width; c++)
            z[c] = NORMALISED (x[c], row, w[c], o[c]);
        }
    }
}

// dx = scale * (g - mean (g) - h * mean (g * h)) with g = dy * weight and h = (x - mean) * scale.
// store: 0 sets dx, 1 adds, 2 subtracts. The rows' statistics go to rows_out [count, 3] where `keep` is not 0. Work-items as in norm_forward.
__kernel void
norm_backward (SPAN (const float, x1), SPAN (const float, x2), int ldx, int width, int parts, SPAN (const float, weight), float eps,
               int count, int rows, SPAN (const float, dy), int lddy, SPAN (float, dx1), SPAN (float, dx2), int lddx, int store,
               SPAN (float, rows_out), int keep)
{
  BEGIN (const float, x1);
  BEGIN (const float, x2);
  BEGIN (const float, weight);
  BEGIN (const float, dy);
  BEGIN (float, dx1);
  BEGIN (float, dx2);
  BEGIN (float, rows_out);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);
  const float n = (float) width * (float) parts;

  for (ulong r = from; r < to; r++)
    {
      const ulong at = r * (ulong) ldx;
      const Row row = row_statistics (x1 + at, x2 + at, width, parts, eps);
      vec a = (vec) 0.0f, b = (vec) 0.0f;
      float ta = 0.0f, tb = 0.0f;

      for (int p = 0; p < parts; p++)
        {
          __global const float *x = (p == 0 ? x1 : x2) + at, *w = weight + p * width, *e = dy + r * (ulong) lddy + p * width;
          int c = 0;

          for (; c + VW <= width; c += VW)
            {
              const vec g = LOAD (e + c) * LOAD (w + c);

              a += g;
              b = mad (g, (LOAD (x + c) - row.mean - row.rest) * row.scale, b);
            }
          for (; c < width; c++)
            {
              const float g = e[c] * w[c];

              ta += g;
              tb = mad (g, (x[c] - row.mean - row.rest) * row.scale, tb);
            }
        }

      const float g_mean = (vec_sum (a) + ta) / n, h_mean = (vec_sum (b) + tb) / n;

      for (int p = 0; p < parts; p++)
        {
          __global const float *x = (p == 0 ? x1 : x2) + at, *w = weight + p * width, *e = dy + r * (ulong) lddy + p * width;
          __global float *z = (p == 0 ? dx1 : dx2) + r * (ulong) lddx;
          int c = 0;

          for (; c + VW <= width; c += VW)
            {
              const vec h = (LOAD (x + c) - row.mean - row.rest) * row.scale;
              vec d = mad (LOAD (e + c), LOAD (w + c), (vec) -g_mean);

              d = mad (h, (vec) -h_mean, d) * row.scale;
              if (store != 0)
                d = store == 1 ? LOAD (z + c) + d : LOAD (z + c) - d;
              STORE_GLOBAL (z + c, d);
            }
          for (; c < width; c++)
            {
              const float h = (x[c] - row.mean - row.rest) * row.scale;
              float d = mad (e[c], w[c], -g_mean);

              d = mad (h, -h_mean, d) * row.scale;
              z[c] = store == 0 ? d : store == 1 ? z[c] + d : z[c] - d;
            }
        }
      if (keep != 0)
        {
          rows_out[r * 3] = row.mean;
          rows_out[r * 3 + 1] = row.rest;
          rows_out[r * 3 + 2] = row.scale;
        }
    }
}

// Sums over a block of `block` rows: sums [blocks, 2, parts * width] = (sum of dy * h, sum of dy). Work-item (i, j, p): columns
// [i * group, (i + 1) * group) of part p, rows of block j, one after the other, whatever group is.
__kernel void
norm_sums (SPAN (const float, x1), SPAN (const float, x2), int ldx, int width, int parts, int count, int block, int group,
           SPAN (const float, dy), int lddy, SPAN (const float, rows_in), SPAN (float, sums))
{
  BEGIN (const float, x1);
  BEGIN (const float, x2);
  BEGIN (const float, dy);
  BEGIN (const float, rows_in);
  BEGIN (float, sums);
  const ulong left = get_global_id (0) * (ulong) group, j = get_global_id (1);
  const int part = (int) get_global_id (2);

  if (left >= (ulong) width)
    return;

  const int n = (int) min ((ulong) group, (ulong) width - left), all = parts * width;
  const ulong from = j * (ulong) block, to = min (from + (ulong) block, (ulong) count);
  __global float *dw = sums + j * 2 * (ulong) all + (ulong) (part * width) + left, *db = dw + all;

  for (int c = 0; c < n; c++)
    dw[c] = db[c] = 0.0f;
  for (ulong r = from; r < to; r++)
    {
      __global const float *x = (part == 0 ? x1 : x2) + r * (ulong) ldx + left;
      __global const float *e = dy + r * (ulong) lddy + (ulong) (part * width) + left;
      const float mean = rows_in[r * 3], rest = rows_in[r * 3 + 1], scale = rows_in[r * 3 + 2];
      int c = 0;

      for (; c + VW <= n; c += VW)
        {
          const vec g = LOAD (e + c);

          STORE_GLOBAL (dw + c, mad (g, (LOAD (x + c) - mean - rest) * scale, LOAD (dw + c)));
          STORE_GLOBAL (db + c, LOAD (db + c) + g);
        }
      for (; c < n; c++)
        {
          dw[c] = mad (e[c], (x[c] - mean - rest) * scale, dw[c]);
          db[c] += e[c];
        }
    }
}

// to [n] += sums [j, which, n], block after block. Work-item i has column i.
__kernel void
norm_join (SPAN (const float, sums), int which, int n, int blocks, SPAN (float, to))
{
  BEGIN (const float, sums);
  BEGIN (float, to);
  const int c = (int) get_global_id (0);

  if (c >= n)
    return;

  float a = to[c];

  for (int j = 0; j < blocks; j++)
    a += sums[((ulong) j * 2 + (ulong) which) * (ulong) n + (ulong) c];
  to[c] = a;
}
