/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Matrix products in single precision on CPU devices: a work-group is one work-item and computes a whole tile.
//
//   rows    Y[m,n]  = X[m,k] W[n,k]^T + bias   product_pack_transposed (W), then product_rows or, for one row, product_row
//           Y[m,n]  = X[m,k] W[k,n] + bias     product_pack (W), then the same
//           both for few rows without packing  product_few_transposed, product_few
//   tokens  G[m,n] += Y[t,m]^T X[t,n]          product_tokens, and product_join where blocks were computed side by side
//   sum     g[n]   += sum of X[t,n]            product_sum
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
} Put;

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

// `rows` (1 .. R) x `columns` (1 .. NR) of the result over kc steps. AT (l, i) addresses the left operand; b is a panel [kc][NR].
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
JOIN (NAME, R) (ASPACE const float *a, BSPACE const float *b, int kc, int rows, int columns, const Put *put)              \
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
  if (columns == NR)                                                                                                    \
    {                                                                                                                   \
      JOIN (ROWS, R) (PUT)                                                                                              \
    }                                                                                                                   \
  else                                                                                                                  \
    {                                                                                                                   \
      float t[R * NR];                                                                                                  \
                                                                                                                        \
      JOIN (ROWS, R) (KEEP)                                                                                             \
      put_edge (t, put, rows, columns);                                                                                 \
    }                                                                                                                   \
}

#define AT(l, i) a[(i) * LDA + (l)]
TILE (rows_tile_, MR, __local, __global)
TILE (rows_tile_, MR2, __local, __global)
TILE (rows_tile_, MR3, __local, __global)
#undef AT
#define AT(l, i) a[(l) * MR + (i)]
TILE (tokens_tile_, MR, __local, __local)
TILE (tokens_tile_, MR2, __local, __local)
TILE (tokens_tile_, MR3, __local, __local)
#undef AT

#define TILES(NAME, a, b, kc, rows, columns, put)                       \
  if (rows > MR2)                                                       \
    JOIN (NAME, MR) (a, b, kc, rows, columns, put);                     \
  else if (rows > MR3)                                                  \
    JOIN (NAME, MR2) (a, b, kc, rows, columns, put);                    \
  else                                                                  \
    JOIN (NAME, MR3) (a, b, kc, rows, columns, put);

// r[VW] becomes its transpose, by perfect shuffles: four of 16 x 16, three of 8 x 8.
#if VW == 16
#define LOW(a, b) (vec) (a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define HIGH(a, b) (vec) (a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#else
#define LOW(a, b) (vec) (a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define HIGH(a, b) (vec) (a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#endif

#define SHUFFLE(from, to)                                       \
  _Pragma ("unroll")                                            \
  for (int i = 0; i < VW / 2; i++)                              \
    {                                                           \
      to[2 * i] = LOW (from[i], from[i + VW / 2]);              \
      to[2 * i + 1] = HIGH (from[i], from[i + VW / 2]);         \
    }

#if VW == 16
#define TRANSPOSE(r)                                            \
  do { vec t_[VW];                                              \
       SHUFFLE (r, t_) SHUFFLE (t_, r) SHUFFLE (r, t_) SHUFFLE (t_, r) } while (0)
#else
#define TRANSPOSE(r)                                            \
  do { vec t_[VW];                                              \
       SHUFFLE (r, t_) SHUFFLE (t_, r) SHUFFLE (r, t_)          \
       _Pragma ("unroll")                                       \
       for (int i = 0; i < VW; i++)                             \
         r[i] = t_[i]; } while (0)
#endif

// W[n,k] -> P. Groups: panels, blocks of KC columns of W.
GROUP
product_pack_transposed (SPAN (const float, w), SPAN (float, packed), int n, int k, int ldw)
{
  BEGIN (const float, w);
  BEGIN (float, packed);
  const int p = get_global_id (0), j0 = p * NR, first = get_global_id (1) * KC, end = min (k, first + KC);
  __global float *o = packed + (size_t) p * k * NR;
  const int columns = min (NR, n - j0), whole = columns == NR ? first + ((end - first) & ~(VW - 1)) : first;

  for (int l0 = first; l0 < whole; l0 += VW)
    for (int j = 0; j < NR; j += VW)
      {
        vec r[VW];

#pragma unroll
        for (int i = 0; i < VW; i++)
          r[i] = LOAD (w + (size_t) (j0 + j + i) * ldw + l0);
        TRANSPOSE (r);
#pragma unroll
        for (int i = 0; i < VW; i++)
          STORE_GLOBAL (o + (size_t) (l0 + i) * NR + j, r[i]);
      }
  for (int l = whole; l < end; l++)
    for (int j = 0; j < NR; j++)
      o[(size_t) l * NR + j] = j < columns ? w[(size_t) (j0 + j) * ldw + l] : 0.0f;
}

// W[k,n] -> P. Groups: panels, blocks of KC rows of W.
GROUP
product_pack (SPAN (const float, w), SPAN (float, packed), int n, int k, int ldw)
{
  BEGIN (const float, w);
  BEGIN (float, packed);
  const int p = get_global_id (0), j0 = p * NR, first = get_global_id (1) * KC, end = min (k, first + KC);
  __global float *o = packed + (size_t) p * k * NR;
  const int columns = min (NR, n - j0);

  for (int l = first; l < end; l++)
    {
      __global const float *s = w + (size_t) l * ldw + j0;

      if (columns == NR)
        {
          STORE_GLOBAL (o + (size_t) l * NR, LOAD (s));
          STORE_GLOBAL (o + (size_t) l * NR + VW, LOAD (s + VW));
        }
      else
        for (int j = 0; j < NR; j++)
          o[(size_t) l * NR + j] = j < columns ? s[j] : 0.0f;
    }
}

// Tiles of `size` of n that group `group` of `groups` starts with: every group gets as many, or one more.
INLINE int
share_of (int n, int size, ulong group, ulong groups)
{
  return min (n, (int) ((ulong) ((n + size - 1) / size) * group / groups) * size);
}

// Y = X P. Shares of the tiles of `tile` rows, MR or less, and of the panels.
GROUP
product_rows (TICKETS, SPAN (const float, x), SPAN (const float, packed), SPAN (const float, bias), SPAN (float, y), int m, int n,
              int k, int ldx, int ldy, int store, int biased, int tile)
{
  BEGIN (const float, x);
  BEGIN (const float, packed);
  BEGIN (const float, bias);
  BEGIN (float, y);
  __local float a[MR * LDA];
  const int panels = (n + NR - 1) / NR;
  Put put;

  put.part = y;
  put.ldpart = 0;
  put.ldto = ldy;
  put.have = 0;
  put.sign = store == SUBTRACT ? -1.0f : 1.0f;
  EACH_TILE (id)
    {
      const int i0 = share_of (m, tile, id.x, tiles_.x), i1 = share_of (m, tile, id.x + 1, tiles_.x);
      const int p0 = share_of (panels, 1, id.y, tiles_.y), p1 = share_of (panels, 1, id.y + 1, tiles_.y);

      for (int l0 = 0; l0 < k; l0 += KC)
        {
          const int kc = min (KC, k - l0);

          put.keep = l0 > 0 || store != SET;
          put.biased = biased && l0 + kc == k;
          for (int i = i0; i < i1; i += MR)
            {
              const int rows = min (MR, i1 - i), copied = rows > MR2 ? MR : rows > MR3 ? MR2 : MR3;
              __global const float *s = x + (size_t) i * ldx + l0;

              for (int r = 0; r < copied; r++)
                {
                  __global const float *q = s + (size_t) min (r, rows - 1) * ldx;
                  __local float *o = a + r * LDA;
                  int l = 0;

                  for (; l + VW <= kc; l += VW)
                    STORE_LOCAL (o + l, LOAD (q + l));
                  for (; l < kc; l++)
                    o[l] = q[l];
                }
#ifdef HAVE_PREFETCH
              // the next rows of X, a share with every panel
              const int per_row = (kc + 15) / 16, lines = i + MR < i1 ? per_row * min (MR, i1 - i - MR) : 0;
              const int share = (lines + p1 - p0 - 1) / (p1 - p0);
              __global const float *nx = s + (size_t) MR * ldx;
              int line = 0, fr = 0, fl = 0;
#endif
              for (int p = p0; p < p1; p++)
                {
                  const int j = p * NR, columns = min (NR, n - j);
                  __global const float *b = packed + (size_t) j * k + (size_t) l0 * NR;

#ifdef HAVE_PREFETCH
                  for (int f = 0; f < share && line < lines; f++, line++)
                    {
                      FETCH (nx + (size_t) fr * ldx + fl * 16);
                      if (++fl == per_row)
                        fl = 0, fr++;
                    }
#endif
                  put.to = y + (size_t) i * ldy + j;
                  put.bias = bias + j;
#ifdef HAVE_PREFETCH
                  // what the sums are added to is there when they are
                  if (put.keep)
                    for (int r = 0; r < rows; r++)
                      {
                        FETCH (put.to + (size_t) r * ldy);
                        FETCH (put.to + (size_t) r * ldy + VW);
                      }
#endif
                  TILES (rows_tile_, a, b, kc, rows, columns, &put)
                }
            }
        }
    }
}

// The sums of a pass, `count` vectors, go to the columns of y that exist.
INLINE void
put_strip (const float *t, int count, __global float *y, __global const float *bias, int columns, int store, int biased)
{
  const Put put = { y, y, bias, 0, 0, 0, store != SET, biased, store == SUBTRACT ? -1.0f : 1.0f };
  const int n = min (count * VW, columns), whole = n & ~(VW - 1);

  for (int j = 0; j < whole; j += VW)
    STORE_GLOBAL (y + j, put_vector (LOAD (t + j), &put, y, y, j));
  for (int j = whole; j < n; j++)
    y[j] = put_number (t[j], &put, y, y, j);
}

// How the passes after the first one meet y.
INLINE int
next_store (int store)
{
  return store == SET ? ADD : store;
}

// One row: y = x P. Groups: ceil (panels / 4), four panels at a time for enough independent chains.
GROUP
product_row (SPAN (const float, x), SPAN (const float, packed), SPAN (const float, bias), SPAN (float, y), int n, int k, int store, int biased)
{
  BEGIN (const float, x);
  BEGIN (const float, packed);
  BEGIN (const float, bias);
  BEGIN (float, y);
  const int panels = (n + NR - 1) / NR, p = get_global_id (0) * 4, last = panels - 1;

  for (int l0 = 0; l0 < k; l0 += KC)
    {
      const int kc = min (KC, k - l0), ends = l0 + kc == k;
      __global const float *b0 = packed + (size_t) p * k * NR + (size_t) l0 * NR;
      __global const float *b1 = packed + (size_t) min (p + 1, last) * k * NR + (size_t) l0 * NR;
      __global const float *b2 = packed + (size_t) min (p + 2, last) * k * NR + (size_t) l0 * NR;
      __global const float *b3 = packed + (size_t) min (p + 3, last) * k * NR + (size_t) l0 * NR;
      float t[8 * VW];
      vec c[8];

#pragma unroll
      for (int i = 0; i < 8; i++)
        c[i] = 0.0f;
      for (int l = 0; l < kc; l++)
        {
          const vec v = (vec) (x[l0 + l]);

          c[0] = MADD (v, LOAD (b0 + l * NR), c[0]);
          c[1] = MADD (v, LOAD (b0 + l * NR + VW), c[1]);
          c[2] = MADD (v, LOAD (b1 + l * NR), c[2]);
          c[3] = MADD (v, LOAD (b1 + l * NR + VW), c[3]);
          c[4] = MADD (v, LOAD (b2 + l * NR), c[4]);
          c[5] = MADD (v, LOAD (b2 + l * NR + VW), c[5]);
          c[6] = MADD (v, LOAD (b3 + l * NR), c[6]);
          c[7] = MADD (v, LOAD (b3 + l * NR + VW), c[7]);
        }
#pragma unroll
      for (int i = 0; i < 8; i++)
        STORE_PRIVATE (t + i * VW, c[i]);
      put_strip (t, 8, y + p * NR, bias + p * NR, n - p * NR, l0 ? next_store (store) : store, biased && ends);
    }
}

#define FEW 4 // rows at most of the two kernels below

// Few rows with W[n,k] as it is: blocks of VW x VW are transposed on their way. Groups: ceil (n / VW).
GROUP
product_few_transposed (SPAN (const float, x), SPAN (const float, w), SPAN (const float, bias), SPAN (float, y), int m, int n, int k,
                        int ldx, int ldw, int ldy, int store, int biased)
{
  BEGIN (const float, x);
  BEGIN (const float, w);
  BEGIN (const float, bias);
  BEGIN (float, y);
  const int j = get_global_id (0) * VW;
  __global const float *x0 = x, *x1 = x + (size_t) min (1, m - 1) * ldx, *x2 = x + (size_t) min (2, m - 1) * ldx,
                       *x3 = x + (size_t) min (3, m - 1) * ldx;

  for (int l0 = 0; l0 < k; l0 += KC)
    {
      const int kc = min (KC, k - l0), ends = l0 + kc == k;
      float sums[FEW * VW];
      vec c0 = 0.0f, c1 = 0.0f, c2 = 0.0f, c3 = 0.0f;

      for (int l = l0; l < l0 + kc; l += VW)
        {
          const int steps = min (VW, l0 + kc - l);
          vec r[VW];

          if (steps == VW)
            {
#pragma unroll
              for (int i = 0; i < VW; i++)
                r[i] = LOAD (w + (size_t) min (j + i, n - 1) * ldw + l);
              TRANSPOSE (r);
              if (m == 1)
                {
#pragma unroll
                  for (int i = 0; i < VW; i++)
                    c0 = MADD ((vec) (x0[l + i]), r[i], c0);
                }
              else
                {
#pragma unroll
                  for (int i = 0; i < VW; i++)
                    {
                      c0 = MADD ((vec) (x0[l + i]), r[i], c0);
                      c1 = MADD ((vec) (x1[l + i]), r[i], c1);
                      c2 = MADD ((vec) (x2[l + i]), r[i], c2);
                      c3 = MADD ((vec) (x3[l + i]), r[i], c3);
                    }
                }
            }
          else
            for (int i = 0; i < steps; i++)
              {
                float t[VW];
                vec v;

                for (int z = 0; z < VW; z++)
                  t[z] = w[(size_t) min (j + z, n - 1) * ldw + l + i];
                v = LOAD (t);
                c0 = MADD ((vec) (x0[l + i]), v, c0);
                c1 = MADD ((vec) (x1[l + i]), v, c1);
                c2 = MADD ((vec) (x2[l + i]), v, c2);
                c3 = MADD ((vec) (x3[l + i]), v, c3);
              }
        }

      STORE_PRIVATE (sums, c0);
      STORE_PRIVATE (sums + VW, c1);
      STORE_PRIVATE (sums + 2 * VW, c2);
      STORE_PRIVATE (sums + 3 * VW, c3);
      for (int i = 0; i < m; i++)
        put_strip (sums + i * VW, 1, y + i * (size_t) ldy + j, bias + j, n - j, l0 ? next_store (store) : store, biased && ends);
    }
}

INLINE vec
load_strip (__global const float *p, int columns)
{
  float t[VW];

  if (columns >= VW)
    return LOAD (p);
  for (int i = 0; i < VW; i++)
    t[i] = i < columns ? p[i] : 0.0f;
  return LOAD (t);
}

// Few rows with W[k,n] as it is. Groups: ceil (n / (2 VW)).
GROUP
product_few (SPAN (const float, x), SPAN (const float, w), SPAN (const float, bias), SPAN (float, y), int m, int n, int k,
             int ldx, int ldw, int ldy, int store, int biased)
{
  BEGIN (const float, x);
  BEGIN (const float, w);
  BEGIN (const float, bias);
  BEGIN (float, y);
  const int j = get_global_id (0) * NR;

  for (int l0 = 0; l0 < k; l0 += KC)
    {
      const int kc = min (KC, k - l0), ends = l0 + kc == k;
      float t[2 * FEW * VW];
      vec c[2 * FEW];

#pragma unroll
      for (int i = 0; i < 2 * FEW; i++)
        c[i] = 0.0f;
      for (int l = l0; l < l0 + kc; l++)
        {
          __global const float *q = w + (size_t) l * ldw + j;
          const vec b0 = load_strip (q, n - j), b1 = load_strip (q + VW, n - j - VW);

#pragma unroll
          for (int i = 0; i < FEW; i++)
            {
              const vec v = (vec) (x[(size_t) min (i, m - 1) * ldx + l]);

              c[2 * i] = MADD (v, b0, c[2 * i]);
              c[2 * i + 1] = MADD (v, b1, c[2 * i + 1]);
            }
        }
#pragma unroll
      for (int i = 0; i < 2 * FEW; i++)
        STORE_PRIVATE (t + i * VW, c[i]);
      for (int i = 0; i < m; i++)
        put_strip (t + i * NR, 2, y + i * (size_t) ldy + j, bias + j, n - j, l0 ? next_store (store) : store, biased && ends);
    }
}

// G += Y^T X. Shares of the tiles of MR rows and of NR columns of G, mb rows and nb columns at most; along the third there is
//   one          all blocks one after the other; a block's sum grows in parts[share][mb][nb] and its last pass adds it to g
//   a block each parts[block][m][n]; product_join adds them to g (side)
// TC tokens x TM and TC tokens x TN are copied into panels [TC][MR] and [TC][NR]; both lie row by row in
// memory, so that the copy is plain. While a block is used, the next one is fetched, a share with every tile.
#define PANEL_A (TC * MR + 16) // the store of the last MR runs over
#define PANEL_B (TC * NR + NR) // so that one step's rows of all panels do not share cache sets

GROUP
product_tokens (TICKETS, SPAN (const float, y), SPAN (const float, x), SPAN (float, parts), SPAN (float, g), int m, int n,
                ulong t, int ldy, int ldx, int ldg, int mb, int nb, int side)
{
  BEGIN (const float, y);
  BEGIN (const float, x);
  BEGIN (float, parts);
  BEGIN (float, g);
  __local float a[TM / MR * PANEL_A], b[TN / NR * PANEL_B];
  Put put;

  put.ldpart = side ? n : nb;
  put.bias = g;
  put.biased = 0;
  put.sign = 1.0f;
  EACH_TILE (id)
    {
      const int i0 = share_of (m, MR, id.x, tiles_.x), i1 = share_of (m, MR, id.x + 1, tiles_.x);
      const int j0 = share_of (n, NR, id.y, tiles_.y), j1 = share_of (n, NR, id.y + 1, tiles_.y);
      const ulong first = side ? (ulong) id.z * BLOCK : 0, end = side ? min (t, first + BLOCK) : t;
      __global float *part = side ? parts + id.z * (size_t) m * n + (size_t) i0 * n + j0
                                  : parts + (id.x * tiles_.y + id.y) * (size_t) mb * nb;

      for (ulong l0 = first; l0 < end; l0 += TC)
        {
          const int kc = min ((ulong) TC, end - l0), in = l0 % BLOCK, ends = in + TC == BLOCK || l0 + kc == end;

          put.have = in > 0;
          put.keep = ends && !side;
          put.ldto = put.keep ? ldg : put.ldpart;
          for (int jb = j0; jb < j1; jb += TN)
            {
              const int columns_b = min (TN, j1 - jb);
#ifdef HAVE_PREFETCH
              const int wrap = jb + TN >= j1, fj = wrap ? j0 : jb + TN, fw = min (TN, j1 - fj);
              const ulong fl = wrap ? l0 + TC : l0;
              const int flines = fl < end ? (int) min ((ulong) TC, end - fl) * (TN / 16) : 0;
              const int share = flines / ((i1 - i0 + MR - 1) / MR * ((columns_b + NR - 1) / NR)) + 1;
              __global const float *fx = x + fl * ldx + fj;
              int line = 0;
#endif

              for (int l = 0; l < kc; l++)
                {
                  __global const float *q = x + (l0 + l) * ldx + jb;
                  __local float *o = b + l * NR;
                  int j = 0;

                  for (; j + NR <= columns_b; j += NR)
                    {
                      STORE_LOCAL (o + j / NR * PANEL_B, LOAD (q + j));
                      STORE_LOCAL (o + j / NR * PANEL_B + VW, LOAD (q + j + VW));
                    }
                  if (j < columns_b)
                    for (int z = 0; z < NR; z++)
                      o[j / NR * PANEL_B + z] = j + z < columns_b ? q[j + z] : 0.0f;
                }
              for (int ib = i0; ib < i1; ib += TM)
                {
                  const int rows_b = min (TM, i1 - ib);
#ifdef HAVE_PREFETCH
                  const int wa = ib + TM >= i1, fi = wa ? i0 : ib + TM, aw = (min (TM, i1 - fi) + 15) / 16;
                  const ulong al = wa && wrap ? l0 + TC : l0;
                  const int alines = (wa && !wrap) || al >= end ? 0 : (int) min ((ulong) TC, end - al), ashare = alines / ((rows_b + MR - 1) / MR) + 1;
                  __global const float *fy = y + al * ldy + fi;
                  int aline = 0;
#endif

                  for (int l = 0; l < kc; l++)
                    {
                      __global const float *q = y + (l0 + l) * ldy + ib;
                      __local float *o = a + l * MR;
                      int i = 0;

                      for (; i + VW <= rows_b; i += MR, o += PANEL_A)
                        STORE_LOCAL (o, LOAD (q + i));
                      for (; i < rows_b; i += MR, o += PANEL_A)
                        for (int z = 0; z < MR; z++)
                          o[z] = i + z < rows_b ? q[i + z] : 0.0f;
                    }
                  for (int i = 0; i < rows_b; i += MR)
                    {
                      const int rows = min (MR, rows_b - i);

#ifdef HAVE_PREFETCH
                      for (int f = 0; f < ashare && aline < alines; f++, aline++)
                        for (int z = 0; z < aw; z++)
                          FETCH (fy + (size_t) aline * ldy + z * 16);
#endif
                      for (int j = 0; j < columns_b; j += NR)
                        {
                          const int columns = min (NR, columns_b - j);

                          put.part = part + (size_t) (ib - i0 + i) * put.ldpart + (jb - j0 + j);
                          put.to = put.keep ? g + (size_t) (ib + i) * ldg + jb + j : (__global float *) put.part;
#ifdef HAVE_PREFETCH
                          for (int f = 0; f < share && line < flines; f++, line++)
                            if ((line & (TN / 16 - 1)) * 16 < fw)
                              FETCH (fx + (size_t) (line / (TN / 16)) * ldx + (line & (TN / 16 - 1)) * 16);
                          if (put.have)
                            for (int r = 0; r < rows; r++)
                              {
                                FETCH (put.part + (size_t) r * put.ldpart);
                                FETCH (put.part + (size_t) r * put.ldpart + 16);
                              }
#endif
                          TILES (tokens_tile_, a + i / MR * PANEL_A, b + j / NR * PANEL_B, kc, rows, columns, &put)
                        }
                    }
                }
            }
        }
    }
}

// G[m,n] += parts[0], + parts[1], ... Groups: ceil (m / 8), ceil (n / 512).
GROUP
product_join (SPAN (const float, parts), SPAN (float, g), int m, int n, int ldg, int blocks)
{
  BEGIN (const float, parts);
  BEGIN (float, g);
  const int i0 = get_global_id (0) * 8, i1 = min (m, i0 + 8), j0 = get_global_id (1) * 512, j1 = min (n, j0 + 512);

  for (int i = i0; i < i1; i++)
    {
      __global const float *s = parts + (size_t) i * n;
      __global float *o = g + (size_t) i * ldg;
      int j = j0;

      for (; j + VW <= j1; j += VW)
        {
          vec v = LOAD (o + j);

          for (int z = 0; z < blocks; z++)
            v += LOAD (s + (size_t) z * m * n + j);
          STORE_GLOBAL (o + j, v);
        }
      for (; j < j1; j++)
        {
          float v = o[j];

          for (int z = 0; z < blocks; z++)
            v += s[(size_t) z * m * n + j];
          o[j] = v;
        }
    }
}

// g += sum of X[t,columns] for `vectors` vectors of columns: a block's tokens by 32 at a time, block after block.
INLINE void
sum_columns (__global const float *x, __global float *g, ulong t, int ldx, const int vectors)
{
  for (ulong first = 0; first < t; first += BLOCK)
    {
      const ulong end = min (t, first + BLOCK);
      vec sums[4];

      for (ulong l0 = first; l0 < end; l0 += 32)
        {
          const int steps = min ((ulong) 32, end - l0);
          __global const float *q = x + l0 * ldx;
          vec c[4];

#pragma unroll
          for (int i = 0; i < vectors; i++)
            c[i] = 0.0f;
          for (int l = 0; l < steps; l++, q += ldx)
#pragma unroll
            for (int i = 0; i < vectors; i++)
              c[i] += LOAD (q + i * VW);
#pragma unroll
          for (int i = 0; i < vectors; i++)
            sums[i] = l0 > first ? c[i] + sums[i] : c[i];
        }
#pragma unroll
      for (int i = 0; i < vectors; i++)
        STORE_GLOBAL (g + i * VW, LOAD (g + i * VW) + sums[i]);
    }
}

// g[n] += sum of X[t,n]. Groups share the columns by `strip` of them.
GROUP
product_sum (SPAN (const float, x), SPAN (float, g), int n, ulong t, int ldx, int strip)
{
  BEGIN (const float, x);
  BEGIN (float, g);
  const int end = min (n, ((int) get_global_id (0) + 1) * strip);
  int j = get_global_id (0) * strip;

  for (; j + 4 * VW <= end; j += 4 * VW)
    sum_columns (x + j, g + j, t, ldx, 4);
  for (; j + VW <= end; j += VW)
    sum_columns (x + j, g + j, t, ldx, 1);
  for (; j < end; j++)
    for (ulong first = 0; first < t; first += BLOCK)
      {
        const ulong last = min (t, first + BLOCK);
        float sum = 0.0f;

        for (ulong l0 = first; l0 < last; l0 += 32)
          {
            const int steps = min ((ulong) 32, last - l0);
            float c = 0.0f;

            for (int l = 0; l < steps; l++)
              c += x[(l0 + l) * ldx + j];
            sum = l0 > first ? sum + c : c;
          }
        g[j] += sum;
      }
}
