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

// ---- Adafactor ----
//
// A matrix [rows, columns] is worked on in tiles of TILE_ROWS x TILE_COLUMNS; work-item i has tile i, row after row of tiles. Sums over tiles are joined in order.

// The first n < VW numbers from x on, then zeros.
inline vec
load_some (__global const float *x, int n)
{
  float part[VW];

  for (int k = 0; k < VW; k++)
    part[k] = k < n ? x[k] : 0.0f;
  return LOAD (part);
}

inline void
store_some (__global float *x, vec v, int n)
{
  float part[VW];

  STORE_PRIVATE (part, v);
  for (int k = 0; k < n; k++)
    x[k] = part[k];
}

// Columns [left, left + n) of rows [from, to).
typedef struct
{
  ulong across; // tiles beside each other
  ulong column; // this one's place among them
  ulong left;
  int n;
  ulong from, to;
} Tile;

inline Tile
find_tile (ulong i, ulong rows, int columns)
{
  Tile tile;

  tile.across = ((ulong) columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
  tile.column = i % tile.across;
  tile.left = tile.column * TILE_COLUMNS;
  tile.n = (int) min ((ulong) TILE_COLUMNS, (ulong) columns - tile.left);
  tile.from = i / tile.across * TILE_ROWS;
  tile.to = min (tile.from + TILE_ROWS, rows);
  return tile;
}

// Sums of squares of a tile of g by rows and by columns, row_sums [rows, tiles across], column_sums [tiles down, columns], and where `weights` is not 0 of all of w,
// weight_sums [tiles].
__kernel void
adafactor_squares (SPAN (const float, w), SPAN (const float, g), ulong rows, int columns, float scale, int weights, SPAN (float, row_sums),
                   SPAN (float, column_sums), SPAN (float, weight_sums))
{
  BEGIN (const float, w);
  BEGIN (const float, g);
  BEGIN (float, row_sums);
  BEGIN (float, column_sums);
  BEGIN (float, weight_sums);
  const ulong i = get_global_id (0);
  const Tile tile = find_tile (i, rows, columns);
  vec down[(TILE_COLUMNS + VW - 1) / VW];
  vec all = (vec) 0.0f;
  int k;

  if (tile.from >= rows)
    return;
  for (k = 0; k * VW < tile.n; k++)
    down[k] = (vec) 0.0f;
  for (ulong r = tile.from; r < tile.to; r++)
    {
      __global const float *p = g + r * (ulong) columns + tile.left, *q = w + r * (ulong) columns + tile.left;
      vec s = (vec) 0.0f;

      for (k = 0; (k + 1) * VW <= tile.n; k++)
        {
          vec d = LOAD (p + k * VW) * scale;

          d *= d;
          s += d;
          down[k] += d;
        }
      if (k * VW < tile.n)
        {
          vec d = load_some (p + k * VW, tile.n - k * VW) * scale;

          d *= d;
          s += d;
          down[k] += d;
        }
      row_sums[r * tile.across + tile.column] = vec_sum (s);
      if (weights != 0)
        {
          for (k = 0; (k + 1) * VW <= tile.n; k++)
            all = mad (LOAD (q + k * VW), LOAD (q + k * VW), all);
          if (k * VW < tile.n)
            {
              const vec d = load_some (q + k * VW, tile.n - k * VW);

              all = mad (d, d, all);
            }
        }
    }

  __global float *to = column_sums + tile.from / TILE_ROWS * (ulong) columns + tile.left;

  for (k = 0; (k + 1) * VW <= tile.n; k++)
    STORE_GLOBAL (to + k * VW, down[k]);
  if (k * VW < tile.n)
    store_some (to + k * VW, down[k], tile.n - k * VW);
  if (weights != 0)
    weight_sums[i] = vec_sum (all);
}

// The running means of squares: row [rows], column [columns] become beta * old + rest * (mean of this gradient's + epsilon). Also 1 / sqrt (column), roots [columns], and the
// sums of TILE_ROWS of row, block_sums [tiles down]. Work-item i < tiles down has TILE_ROWS rows, those after it VW columns each.
__kernel void
adafactor_means (SPAN (const float, row_sums), SPAN (const float, column_sums), ulong rows, int columns, float beta, float rest, float epsilon,
                 SPAN (float, row), SPAN (float, column), SPAN (float, roots), SPAN (float, block_sums))
{
  BEGIN (const float, row_sums);
  BEGIN (const float, column_sums);
  BEGIN (float, row);
  BEGIN (float, column);
  BEGIN (float, roots);
  BEGIN (float, block_sums);
  const ulong i = get_global_id (0), down = (rows + TILE_ROWS - 1) / TILE_ROWS;

  if (i < down)
    {
      const ulong across = ((ulong) columns + TILE_COLUMNS - 1) / TILE_COLUMNS, from = i * TILE_ROWS, to = min (from + TILE_ROWS, rows);
      float all = 0.0f;

      for (ulong r = from; r < to; r++)
        {
          float s = 0.0f;

          for (ulong k = 0; k < across; k++)
            s += row_sums[r * across + k];
          s = beta * row[r] + rest * (s / (float) columns + epsilon);
          row[r] = s;
          all += s;
        }
      block_sums[i] = all;
    }
  else
    {
      const ulong left = (i - down) * VW;

      for (ulong c = left; c < min (left + VW, (ulong) columns); c++)
        {
          float s = 0.0f;

          for (ulong k = 0; k < down; k++)
            s += column_sums[k * (ulong) columns + c];
          s = beta * column[c] + rest * (s / (float) rows + epsilon);
          column[c] = s;
          roots[c] = 1.0f / sqrt (s);
        }
    }
}

// factors [0] = the mean of row. One work-item.
__kernel void
adafactor_row_mean (SPAN (const float, block_sums), ulong rows, SPAN (float, factors))
{
  BEGIN (const float, block_sums);
  BEGIN (float, factors);

  factors[0] = sum_all (block_sums, (rows + TILE_ROWS - 1) / TILE_ROWS) / (float) rows;
}

// Sums of squares of the update u = g / sqrt (row / factors [0]) / sqrt (column) of a tile.
__kernel void
adafactor_updates (SPAN (const float, g), ulong rows, int columns, float scale, SPAN (const float, row), SPAN (const float, roots), SPAN (const float, factors),
                   SPAN (float, update_sums))
{
  BEGIN (const float, g);
  BEGIN (const float, row);
  BEGIN (const float, roots);
  BEGIN (const float, factors);
  BEGIN (float, update_sums);
  const ulong i = get_global_id (0);
  const Tile tile = find_tile (i, rows, columns);
  vec all = (vec) 0.0f;

  if (tile.from >= rows)
    return;
  for (ulong r = tile.from; r < tile.to; r++)
    {
      __global const float *p = g + r * (ulong) columns + tile.left, *q = roots + tile.left;
      const float factor = scale / sqrt (row[r] / factors[0]);
      int k;

      for (k = 0; (k + 1) * VW <= tile.n; k++)
        {
          const vec u = LOAD (p + k * VW) * factor * LOAD (q + k * VW);

          all = mad (u, u, all);
        }
      if (k * VW < tile.n)
        {
          const vec u = load_some (p + k * VW, tile.n - k * VW) * factor * load_some (q + k * VW, tile.n - k * VW);

          all = mad (u, u, all);
        }
    }
  update_sums[i] = vec_sum (all);
}

// factors [1] = what an update is multiplied by: the learning rate, times the root mean square of w where `weights` is not 0 (at least `least`), divided by that of the update
// over `threshold` where this is more than 1. factors [2] = the part of w that decays. n elements in `parts` sums. One work-item.
__kernel void
adafactor_factors (SPAN (const float, update_sums), SPAN (const float, weight_sums), ulong parts, ulong n, int weights, float rate, float least,
                   float threshold, float decay, SPAN (float, factors))
{
  BEGIN (const float, update_sums);
  BEGIN (const float, weight_sums);
  BEGIN (float, factors);
  const float size = sqrt (sum_all (update_sums, parts) / (float) n);

  if (weights != 0)
    rate *= fmax (least, sqrt (sum_all (weight_sums, parts) / (float) n));
  factors[1] = rate / fmax (1.0f, size / threshold);
  factors[2] = rate * decay;
}

__kernel void
adafactor_matrix (SPAN (float, w), SPAN (const float, g), ulong rows, int columns, float scale, SPAN (const float, row), SPAN (const float, roots),
                  SPAN (const float, factors))
{
  BEGIN (float, w);
  BEGIN (const float, g);
  BEGIN (const float, row);
  BEGIN (const float, roots);
  BEGIN (const float, factors);
  const Tile tile = find_tile (get_global_id (0), rows, columns);

  for (ulong r = tile.from; r < tile.to; r++)
    {
      __global float *x = w + r * (ulong) columns + tile.left;
      __global const float *p = g + r * (ulong) columns + tile.left, *q = roots + tile.left;
      const float factor = scale / sqrt (row[r] / factors[0]);
      int k;

      for (k = 0; (k + 1) * VW <= tile.n; k++)
        {
          const vec a = LOAD (x + k * VW), u = LOAD (p + k * VW) * factor * LOAD (q + k * VW);

          STORE_GLOBAL (x + k * VW, a - (factors[2] * a + factors[1] * u));
        }
      for (k *= VW; k < tile.n; k++)
        {
          const float a = x[k], u = p[k] * factor * q[k];

          x[k] = a - (factors[2] * a + factors[1] * u);
        }
    }
}

// What has no rows keeps the running mean of every square: v = beta * v + rest * (g^2 + epsilon); the sums of squares of u = g / sqrt (v) and of w, one for BLOCK elements.
// Work-item j has block j.
__kernel void
adafactor_vector_squares (SPAN (const float, w), SPAN (const float, g), SPAN (float, v), ulong n, float scale, float beta, float rest, float epsilon,
                          SPAN (float, update_sums), SPAN (float, weight_sums))
{
  BEGIN (const float, w);
  BEGIN (const float, g);
  BEGIN (float, v);
  BEGIN (float, update_sums);
  BEGIN (float, weight_sums);
  const ulong j = get_global_id (0), from = j * BLOCK, to = min (from + BLOCK, n);
  vec updates = (vec) 0.0f, weights = (vec) 0.0f;

  if (from >= n)
    return;
  for (ulong i = from; i < to; i += VW)
    {
      const int some = (int) min ((ulong) VW, to - i);
      const vec d = (some == VW ? LOAD (g + i) : load_some (g + i, some)) * scale, a = some == VW ? LOAD (w + i) : load_some (w + i, some);
      const vec s = beta * (some == VW ? LOAD (v + i) : load_some (v + i, some)) + rest * (d * d + epsilon), u = d / sqrt (s);

      if (some == VW)
        STORE_GLOBAL (v + i, s);
      else
        store_some (v + i, s, some);
      updates = mad (u, u, updates);
      weights = mad (a, a, weights);
    }
  update_sums[j] = vec_sum (updates);
  weight_sums[j] = vec_sum (weights);
}

__kernel void
adafactor_vector (SPAN (float, w), SPAN (const float, g), SPAN (const float, v), ulong n, float scale, SPAN (const float, factors))
{
  BEGIN (float, w);
  BEGIN (const float, g);
  BEGIN (const float, v);
  BEGIN (const float, factors);
  const ulong from = get_global_id (0) * BLOCK, to = min (from + BLOCK, n);
  ulong i = from;

  for (; i + VW <= to; i += VW)
    {
      const vec a = LOAD (w + i), u = LOAD (g + i) * scale / sqrt (LOAD (v + i));

      STORE_GLOBAL (w + i, a - (factors[2] * a + factors[1] * u));
    }
  for (; i < to; i++)
    {
      const float a = w[i], u = g[i] * scale / sqrt (v[i]);

      w[i] = a - (factors[2] * a + factors[1] * u);
    }
}
