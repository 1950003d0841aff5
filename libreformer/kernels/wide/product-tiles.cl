/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Matrix products in single precision on CPU devices: a work-group is one work-item and computes a whole tile.
//
//   product-rows.cl     Y[m,n]  = X[m,k] W[n,k]^T + bias   product_pack_transposed (W), then product_rows
//                       Y[m,n]  = X[m,k] W[k,n] + bias     product_pack (W), then the same
//                       both for few rows without packing  product_few_transposed, product_few
//   product-tokens.cl   G[m,n] += Y[t,m]^T X[t,n]          product_tokens, and product_join where blocks were computed side by side
//                       g[n]   += sum of X[t,n]            product_sum
//
// This file has what they share, the tiles. With -DACTIVATION=n, and activation-functions.cl before it, the rows' kernels have an epilogue.
//
// Layouts. All matrices are row-major with a leading dimension (ld) of their own.
//   packed weights P[ceil (n / NR)][k][NR]: panel p holds columns NR p .. of the k x n operand, zeros beyond n.
// Indices: i row and j column of the result, l along the sum (k or t); i0, j0, l0 first of a block; p panel.
//
// The order of every sum is fixed: passes of KC (rows) or TC (tokens) steps, each a chain of fused multiply-adds that starts from
// zero, then added up in their order. Tiles, edges and the kernel that is chosen do not change it.
//
// The tile is MR x NR: 12 x 32 in 24 registers of 16 floats, or 6 x 16 in 12 registers of 8. A step takes 2 vector loads, MR broadcasts
// and 2 MR multiply-adds. Rows beyond m and columns beyond n are neither read nor written.

#define KC 256        // product_rows: steps of a pass; MR x KC of X stay in the first-level cache
#define TC 128        // product_tokens: tokens of a pass
#define BLOCK 1024    // tokens of a block, REFORMER_BLOCK
#ifndef TM
#define TM 96         // product_tokens: rows of G for which Y is copied at a time, a multiple of MR
#endif
#ifndef TN
#define TN 256        // and columns of G for which X is, a multiple of NR
#endif

#ifndef MADD
#define MADD fma      // the host passes mad where fma () is a long emulation; PoCL does not fuse mad ()
#endif

#define NR (2 * VW)
#define LDA (KC + 16) // a row of the copied tile of X: padded, so that its rows do not share cache sets

#define SET 0
#define ADD 1
#define SUBTRACT 2

#define INLINE static inline __attribute__ ((always_inline))
#define GROUP __kernel __attribute__ ((reqd_work_group_size (1, 1, 1), vec_type_hint (vec))) void

#if VW == 16
#define MR 12
#define MR2 8         // tiles for the last rows
#define MR3 4
#define ROWS4(F) F (0) F (1) F (2) F (3)
#define ROWS8(F) ROWS4 (F) F (4) F (5) F (6) F (7)
#define ROWS12(F) ROWS8 (F) F (8) F (9) F (10) F (11)
#else
#define MR 6
#define MR2 4
#define MR3 2
#define ROWS2(F) F (0) F (1)
#define ROWS4(F) ROWS2 (F) F (2) F (3)
#define ROWS6(F) ROWS4 (F) F (4) F (5)
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_ (a, b)

// What becomes of a sum: with `have` the part so far is added; with `keep` the result is added to what `to` holds, times `sign`.
typedef struct
{
  __global const float *part;
  __global float *to;
  __global const float *bias;
  int ldpart, ldto;
  int have, keep, biased;
  float sign;
#ifdef ACTIVATION
  int ends; // the sum is whole: the epilogue follows
#endif
} Put;

#ifdef ACTIVATION
// The epilogue of Y[m,n]. way PLAIN and LEAVE: y = / += / -= f (dropout (sum + bias)), and LEAVE writes what f and dropout are of to `before`, [m,n];
// BACK: y = sum times the slope of f (dropout (before)). Row i is token first + i of sequences of T tokens each; `sums`, [m,n], takes the sum of the passes before
// the last where y cannot.
#define PLAIN 0
#define LEAVE 1
#define BACK 2
#define EPILOGUE_ARGUMENTS , SPAN (float, before), SPAN (float, sums), int way, ulong first, int T, uint4 key, float scale, uint sequence
#define BEGIN_EPILOGUE                                                          \
  BEGIN (float, before);                                                        \
  BEGIN (float, sums);                                                          \
  const Epilogue epilogue = { before, sums, first, key, scale, sequence, way, T, n };

typedef struct
{
  __global float *before, *sums;
  ulong first;
  uint4 key;
  float scale;
  uint sequence;
  int way, T, n;
} Epilogue;

INLINE vec
load_lanes (__global const float *p, int lanes)
{
  float t[VW];

  if (lanes >= VW)
    return LOAD (p);
  for (int l = 0; l < VW; l++)
    t[l] = l < lanes ? p[l] : 0.0f;
  return LOAD (t);
}

INLINE void
store_lanes (__global float *p, vec v, int lanes)
{
  float t[VW];

  if (lanes >= VW)
    STORE_GLOBAL (p, v);
  else
    {
      STORE_PRIVATE (t, v);
      for (int l = 0; l < lanes; l++)
        p[l] = t[l];
    }
}

// Factors of the elements from `index` of a sequence on.
INLINE vec
factors_at (const Epilogue *e, uint sequence, ulong index, int lanes)
{
  float t[VW];

  if (index % 4 == 0)
    return dropout_factors (e->key, e->scale, sequence, index);
  for (int l = 0; l < VW; l++)
    t[l] = l < lanes ? dropout_factor (e->key, e->scale, sequence, index + l) : 0.0f;
  return LOAD (t);
}

// Row i, columns j to j + columns - 1, of which t has what f and dropout are of, or the sums of a BACK.
INLINE void
epilogue_row (const Epilogue *e, const Put *put, const float *t, __global float *to, int i, int j, int columns)
{
  __global float *before = e->before + (size_t) i * e->n + j;
  uint sequence = 0;
  ulong index = 0;

  if (e->key.w != 0)
    {
      const ulong token = e->first + i, row = token / (ulong) e->T;

      sequence = e->sequence + (uint) row;
      index = (token - row * (ulong) e->T) * (ulong) e->n + j;
    }
  for (int z = 0; z < columns; z += VW)
    {
      const int lanes = columns - z;
      vec v = LOAD (t + z), factors = 1.0f;

      if (e->key.w != 0)
        factors = factors_at (e, sequence, index + z, lanes);
      if (e->way == BACK)
        v *= slope (load_lanes (before + z, lanes) * factors) * factors;
      else
        {
          if (e->way == LEAVE)
            store_lanes (before + z, v, lanes);
          v = activation (v * factors);
        }
      if (put->keep)
        v = MADD ((vec) (put->sign), v, load_lanes (to + z, lanes));
      store_lanes (to + z, v, lanes);
    }
}

// rows x columns of the result from row i0 and column j0 on, of whose last pass t [rows][NR] has the sums; put->part has those of the passes before.
INLINE void
epilogue_tile (const Epilogue *e, const Put *put, float *t, int rows, int columns, int i0, int j0)
{
  __global float *before = e->before + (size_t) i0 * e->n + j0, *to = put->to;

  if (put->have)
    for (int i = 0; i < rows; i++)
      for (int z = 0; z < columns; z += VW)
        STORE_PRIVATE (t + i * NR + z, LOAD (t + i * NR + z) + load_lanes (put->part + (size_t) i * put->ldpart + z, columns - z));
  if (put->biased)
    for (int z = 0; z < columns; z += VW)
      {
        const vec bias = load_lanes (put->bias + z, columns - z);

        for (int i = 0; i < rows; i++)
          STORE_PRIVATE (t + i * NR + z, LOAD (t + i * NR + z) + bias);
      }
  if (e->key.w != 0 || put->keep || columns < NR)
    {
      for (int i = 0; i < rows; i++)
        epilogue_row (e, put, t + i * NR, to + (size_t) i * put->ldto, i0 + i, j0, columns);
      return;
    }
  // the usual case, without a branch for every vector
  if (e->way == BACK)
    for (int i = 0; i < rows; i++, t += NR, before += e->n, to += put->ldto)
      {
        const vec a = LOAD (t) * slope (LOAD (before)), b = LOAD (t + VW) * slope (LOAD (before + VW));

        STORE_GLOBAL (to, a);
        STORE_GLOBAL (to + VW, b);
      }
  else
    for (int i = 0; i < rows; i++, t += NR, before += e->n, to += put->ldto)
      {
        const vec a = LOAD (t), b = LOAD (t + VW);

        if (e->way == LEAVE)
          {
            STORE_GLOBAL (before, a);
            STORE_GLOBAL (before + VW, b);
          }
        STORE_GLOBAL (to, activation (a));
        STORE_GLOBAL (to + VW, activation (b));
      }
}
#endif

INLINE vec
put_vector (vec c, const Put *put, __global const float *part, __global const float *to, int j)
{
  if (put->have)
    c += LOAD (part + j);
  if (put->keep)
    c = MADD ((vec) (put->sign), c, LOAD (to + j));
  if (put->biased)
    c = MADD ((vec) (put->sign), LOAD (put->bias + j), c);
  return c;
}

INLINE float
put_number (float c, const Put *put, __global const float *part, __global const float *to, int j)
{
  if (put->have)
    c += part[j];
  if (put->keep)
    c = MADD (put->sign, c, to[j]);
  if (put->biased)
    c = MADD (put->sign, put->bias[j], c);
  return c;
}

// What a tile at the right edge has of the result, t[rows][NR].
INLINE void
put_edge (const float *t, const Put *put, int rows, int columns)
{
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++)
      {
        __global float *to = put->to + (size_t) i * put->ldto;

        to[j] = put_number (t[i * NR + j], put, put->part + (size_t) i * put->ldpart, to, j);
      }
}

// `rows` (1 .. R) x `columns` (1 .. NR) of the result, from row i0 and column j0 on, over kc steps. AT (l, i) addresses the left operand; b is a panel [kc][NR].
#ifdef ACTIVATION
#define FINISH(t)                                                                                                       \
  if (put->ends)                                                                                                        \
    epilogue_tile (e, put, t, rows, columns, i0, j0);                                                                   \
  else
#define WHOLE (columns == NR && !put->ends)
#define PLACE_ARGUMENTS , const Epilogue *e, int i0, int j0
#define PLACE(i, j) , &epilogue, i, j
#else
#define FINISH(t)
#define WHOLE (columns == NR)
#define PLACE_ARGUMENTS
#define PLACE(i, j)
#define EPILOGUE_ARGUMENTS
#define BEGIN_EPILOGUE
#endif
#define ZERO(i) vec c##i##0 = 0.0f, c##i##1 = 0.0f;
#define STEP(i) { const vec v = (vec) (AT (l, i)); c##i##0 = MADD (v, b0, c##i##0); c##i##1 = MADD (v, b1, c##i##1); }
#define STEP1(i) c##i##0 = MADD ((vec) (AT (l, i)), b0, c##i##0);
#define PUT(i)                                                                                                  \
  if (i < rows)                                                                                                 \
    {                                                                                                           \
      __global const float *part = put->part + (size_t) i * put->ldpart;                                        \
      __global float *to = put->to + (size_t) i * put->ldto;                                                    \
                                                                                                                \
      STORE_GLOBAL (to, put_vector (c##i##0, put, part, to, 0));                                                \
      STORE_GLOBAL (to + VW, put_vector (c##i##1, put, part, to, VW));                                          \
    }
#define KEEP(i) STORE_PRIVATE (t + i * NR, c##i##0); STORE_PRIVATE (t + i * NR + VW, c##i##1);

#define TILE(NAME, R, ASPACE, BSPACE)                                                                                   \
INLINE void                                                                                                             \
JOIN (NAME, R) (ASPACE const float *a, BSPACE const float *b, int kc, int rows, int columns, const Put *put PLACE_ARGUMENTS) \
{                                                                                                                       \
  JOIN (ROWS, R) (ZERO)                                                                                                 \
  if (columns > VW)                                                                                                     \
    for (int l = 0; l < kc; l++)                                                                                        \
      {                                                                                                                 \
        const vec b0 = LOAD (b + l * NR), b1 = LOAD (b + l * NR + VW);                                                  \
        JOIN (ROWS, R) (STEP)                                                                                           \
      }                                                                                                                 \
  else                                                                                                                  \
    for (int l = 0; l < kc; l++)                                                                                        \
      {                                                                                                                 \
        const vec b0 = LOAD (b + l * NR);                                                                               \
        JOIN (ROWS, R) (STEP1)                                                                                          \
      }                                                                                                                 \
  if (WHOLE)                                                                                                            \
    {                                                                                                                   \
      JOIN (ROWS, R) (PUT)                                                                                              \
    }                                                                                                                   \
  else                                                                                                                  \
    {                                                                                                                   \
      float t[R * NR];                                                                                                  \
                                                                                                                        \
      JOIN (ROWS, R) (KEEP)                                                                                             \
      FINISH (t)                                                                                                        \
      put_edge (t, put, rows, columns);                                                                                 \
    }                                                                                                                   \
}

#define TILES(NAME, a, b, kc, rows, columns, put)                       \
  if (rows > MR2)                                                       \
    JOIN (NAME, MR) (a, b, kc, rows, columns, put);                     \
  else if (rows > MR3)                                                  \
    JOIN (NAME, MR2) (a, b, kc, rows, columns, put);                    \
  else                                                                  \
    JOIN (NAME, MR3) (a, b, kc, rows, columns, put);

// Tiles of `size` of n that share `share` of `shares` starts with: every share has as many, or one more.
INLINE int
share_of (int n, int size, ulong share, ulong shares)
{
  return min (n, (int) ((ulong) ((n + size - 1) / size) * share / shares) * size);
}
