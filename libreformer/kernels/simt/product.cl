/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Matrix products in single precision on devices with many work-items: a group of SIDE x SIDE items computes a tile of 4 SIDE x 4 SIDE,
// an item 4 x 4 of it.
//
//   rows    Y[m,n]  = X[m,k] W + bias    product_rows; W is [n,k] with `transpose`, else [k,n]
//   tokens  G[m,n] += Y[t,m]^T X[t,n]    product_tokens, and product_join where blocks were computed side by side
//   sum     g[n]   += sum of X[t,n]      product_sum, product_join
//
// All matrices are row-major with a leading dimension (ld) of their own. Indices: i row and j column of the result, l along the sum.
// An item (c, r) of a group has the rows r, r + SIDE, ... and the columns c, c + SIDE, ... of the tile.
//
// The order of every sum is fixed: passes of KC (rows) or TC (tokens) steps, each a chain of multiply-adds that starts from
// zero, then added up in their order. The size of the tile does not change it. mad () and not fma (), which is a long emulation on devices
// without it. Rows beyond m and columns beyond n are neither read nor written.

#define KC 256
#define TC 128
#define BLOCK 1024    // tokens of a block, REFORMER_BLOCK
#ifndef SIDE
#define SIDE 16       // the host passes 8 or 4 where groups of 256 items or 8 KiB of local memory are too much
#endif
#define TILE (4 * SIDE)
#define DEPTH SIDE    // steps for which both operands are copied at a time: a divisor of KC and TC

#define SET 0
#define ADD 1
#define SUBTRACT 2

#define GROUP __kernel __attribute__ ((reqd_work_group_size (SIDE, SIDE, 1))) void

// a[l][i], b[l][j] in local memory, with a column more so that a transposed copy does not meet one bank.
#define LD (TILE + 1)

#define CHAINS(a, b, c)                                                 \
  for (int l = 0; l < DEPTH; l++)                                       \
    {                                                                   \
      float va[4], vb[4];                                               \
                                                                        \
      for (int i = 0; i < 4; i++)                                       \
        {                                                               \
          va[i] = a[l * LD + row + i * SIDE];                           \
          vb[i] = b[l * LD + column + i * SIDE];                        \
        }                                                               \
      for (int i = 0; i < 4; i++)                                       \
        for (int j = 0; j < 4; j++)                                     \
          c[4 * i + j] = mad (va[i], vb[j], c[4 * i + j]);              \
    }

// Copies DEPTH x TILE of the rows x columns that exist from a matrix [l][j]: neighbouring items read neighbouring columns.
#define COPY(to, from, ld, l0, steps, j0, columns)                                                      \
  for (int z = item; z < DEPTH * TILE; z += SIDE * SIDE)                                                \
    {                                                                                                   \
      const int l = z / TILE, j = z & (TILE - 1);                                                       \
                                                                                                        \
      to[l * LD + j] = l < (steps) && (j0) + j < (columns) ? from[((l0) + l) * (ulong) (ld) + (j0) + j] : 0.0f; \
    }

// The same from a matrix [j][l].
#define COPY_TRANSPOSED(to, from, ld, l0, steps, j0, columns)                                           \
  for (int z = item; z < DEPTH * TILE; z += SIDE * SIDE)                                                \
    {                                                                                                   \
      const int l = z & (DEPTH - 1), j = z / DEPTH;                                                     \
                                                                                                        \
      to[l * LD + j] = l < (steps) && (j0) + j < (columns) ? from[((j0) + j) * (ulong) (ld) + (l0) + l] : 0.0f; \
    }

// With -DACTIVATION=n, and activation-functions.cl before this file, product_rows has an epilogue. way PLAIN and LEAVE: y = / += / -= f (dropout (sum + bias)),
// and LEAVE writes what f and dropout are of to `before`, [m,n]; BACK: y = sum times the slope of f (dropout (before)). Row i is token first + i of sequences of T
// tokens each.
#ifdef ACTIVATION
#define PLAIN 0
#define LEAVE 1
#define BACK 2
#define EPILOGUE_ARGUMENTS , SPAN (float, before), int way, ulong first, int T, uint4 key, float scale, uint sequence
#define KEPT 0
#else
#define EPILOGUE_ARGUMENTS
#define KEPT (store != SET)
#endif

// Groups: ceil (n / TILE), ceil (m / TILE).
GROUP
product_rows (SPAN (const float, x), SPAN (const float, w), SPAN (const float, bias), SPAN (float, y), int m, int n, int k,
              int ldx, int ldw, int ldy, int transpose, int store, int biased EPILOGUE_ARGUMENTS)
{
  BEGIN (const float, x);
  BEGIN (const float, w);
  BEGIN (const float, bias);
  BEGIN (float, y);
  __local float a[DEPTH * LD], b[DEPTH * LD];
  const int column = get_local_id (0), row = get_local_id (1), item = row * SIDE + column;
  const int i0 = get_group_id (1) * TILE, j0 = get_group_id (0) * TILE;
  const float sign = store == SUBTRACT ? -1.0f : 1.0f;
  float sum[16];
#ifdef ACTIVATION
  BEGIN (float, before);
  const float side = 1.0f;
#else
  const float side = sign;
#endif

  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      {
        const int ii = i0 + row + i * SIDE, jj = j0 + column + j * SIDE;

        sum[4 * i + j] = KEPT && ii < m && jj < n ? y[ii * (ulong) ldy + jj] : 0.0f;
      }
  for (int k0 = 0; k0 < k; k0 += KC)
    {
      const int end = min (k, k0 + KC);
      float c[16];

      for (int i = 0; i < 16; i++)
        c[i] = 0.0f;
      for (int l0 = k0; l0 < end; l0 += DEPTH)
        {
          COPY_TRANSPOSED (a, x, ldx, l0, end - l0, i0, m)
          if (transpose)
            COPY_TRANSPOSED (b, w, ldw, l0, end - l0, j0, n)
          else
            COPY (b, w, ldw, l0, end - l0, j0, n)
          barrier (CLK_LOCAL_MEM_FENCE);
          CHAINS (a, b, c)
          barrier (CLK_LOCAL_MEM_FENCE);
        }
      for (int i = 0; i < 16; i++)
        sum[i] = mad (side, c[i], sum[i]);
    }
#ifdef ACTIVATION
  float factors[16], given[16];

  for (int i = 0; i < 16; i++)
    {
      const int ii = i0 + row + i / 4 * SIDE, jj = j0 + column + i % 4 * SIDE, here = ii < m && jj < n;
      const ulong token = first + ii;

      factors[i] = here && key.w != 0 ? dropout_factor (key, scale, sequence + (uint) (token / (ulong) T), token % (ulong) T * (ulong) n + jj) : 1.0f;
      given[i] = here && way == BACK ? before[ii * (ulong) n + jj] : 0.0f;
      if (here && biased)
        sum[i] += bias[jj];
      if (here && way == LEAVE)
        before[ii * (ulong) n + jj] = sum[i];
    }
  for (int i = 0; i < 16; i += VW)
    {
      const vec v = LOAD (sum + i), d = LOAD (factors + i);

      STORE_PRIVATE (sum + i, way == BACK ? v * (slope (LOAD (given + i) * d) * d) : activation (v * d));
    }
#endif
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      {
        const int ii = i0 + row + i * SIDE, jj = j0 + column + j * SIDE;

        if (ii < m && jj < n)
#ifdef ACTIVATION
          y[ii * (ulong) ldy + jj] = store == SET ? sum[4 * i + j] : mad (sign, sum[4 * i + j], y[ii * (ulong) ldy + jj]);
#else
          y[ii * (ulong) ldy + jj] = biased ? mad (sign, bias[jj], sum[4 * i + j]) : sum[4 * i + j];
#endif
      }
}

// Groups: ceil (n / TILE), ceil (m / TILE), and along the third one, which adds all blocks to g in their order, or one a block, which
// writes the block's sums to parts[block][m][n] (side).
GROUP
product_tokens (SPAN (const float, y), SPAN (const float, x), SPAN (float, parts), SPAN (float, g), int m, int n, ulong t,
                int ldy, int ldx, int ldg, int side)
{
  BEGIN (const float, y);
  BEGIN (const float, x);
  BEGIN (float, parts);
  BEGIN (float, g);
  __local float a[DEPTH * LD], b[DEPTH * LD];
  const int column = get_local_id (0), row = get_local_id (1), item = row * SIDE + column;
  const int i0 = get_group_id (1) * TILE, j0 = get_group_id (0) * TILE;
  const ulong first = side ? get_group_id (2) * BLOCK : 0, last = side ? min (t, first + BLOCK) : t;

  for (ulong t0 = first; t0 < last; t0 += BLOCK)
    {
      const ulong end = min (last, t0 + BLOCK);
      float sum[16];

      for (int i = 0; i < 16; i++)
        sum[i] = 0.0f;
      for (ulong k0 = t0; k0 < end; k0 += TC)
        {
          const ulong pass = min (end, k0 + TC);
          float c[16];

          for (int i = 0; i < 16; i++)
            c[i] = 0.0f;
          for (ulong l0 = k0; l0 < pass; l0 += DEPTH)
            {
              COPY (a, y, ldy, l0, pass - l0, i0, m)
              COPY (b, x, ldx, l0, pass - l0, j0, n)
              barrier (CLK_LOCAL_MEM_FENCE);
              CHAINS (a, b, c)
              barrier (CLK_LOCAL_MEM_FENCE);
            }
          for (int i = 0; i < 16; i++)
            sum[i] += c[i];
        }
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
          {
            const int ii = i0 + row + i * SIDE, jj = j0 + column + j * SIDE;

            if (ii < m && jj < n)
              {
                if (side)
                  parts[(get_group_id (2) * (ulong) m + ii) * n + jj] = sum[4 * i + j];
                else
                  g[ii * (ulong) ldg + jj] += sum[4 * i + j];
              }
          }
    }
}

// G[m,n] += parts[0], + parts[1], ... Items: n, m.
__kernel void
product_join (SPAN (const float, parts), SPAN (float, g), int m, int n, int ldg, int blocks)
{
  BEGIN (const float, parts);
  BEGIN (float, g);
  const int j = get_global_id (0), i = get_global_id (1);

  if (j < n)
    {
      float v = g[i * (ulong) ldg + j];

      for (int z = 0; z < blocks; z++)
        v += parts[(z * (ulong) m + i) * n + j];
      g[i * (ulong) ldg + j] = v;
    }
}

// parts[block][n] = sum of the block's tokens: item r of the SIDE that share a column adds tokens r, r + SIDE, ..., then the items' sums
// are added up by halves. Groups: ceil (n / SIDE), blocks.
GROUP
product_sum (SPAN (const float, x), SPAN (float, parts), int n, ulong t, int ldx)
{
  BEGIN (const float, x);
  BEGIN (float, parts);
  __local float sums[SIDE * SIDE];
  const int column = get_local_id (0), row = get_local_id (1), j = get_group_id (0) * SIDE + column;
  const ulong first = get_group_id (1) * BLOCK, end = min (t, first + BLOCK);
  float c = 0.0f;

  if (j < n)
    for (ulong l = first + row; l < end; l += SIDE)
      c += x[l * ldx + j];
  sums[row * SIDE + column] = c;
  for (int other = SIDE / 2; other > 0; other /= 2)
    {
      barrier (CLK_LOCAL_MEM_FENCE);
      if (row < other)
        sums[row * SIDE + column] += sums[(row + other) * SIDE + column];
    }
  if (row == 0 && j < n)
    parts[get_group_id (1) * (ulong) n + j] = sums[column];
}
