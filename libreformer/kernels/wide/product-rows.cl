/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Products of rows with packed weights, and packing: product-tiles.cl.

#define AT(l, i) a[(i) * LDA + (l)]
TILE (rows_tile_, MR, __local, __global)
TILE (rows_tile_, MR2, __local, __global)
TILE (rows_tile_, MR3, __local, __global)
#undef AT

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

// How a pass meets y; the sums of several passes grow in y, or, where y keeps something until the epilogue, in `sums`.
#ifdef ACTIVATION
#define PASS(y, ldy)                                                                                            \
  __global float *grows = store == SET ? y : epilogue.sums, *goes = ends ? y : grows;                           \
  Put put = { grows, goes, bias, store == SET ? ldy : n, ends || store == SET ? ldy : n, ends && l0 > 0,       \
              ends ? store != SET : l0 > 0, biased && ends, ends && store == SUBTRACT ? -1.0f : 1.0f, ends };
#define PUT_AT(i, j)                                                                                            \
  put.part = grows + (size_t) (i) * put.ldpart + j;                                                             \
  put.to = goes + (size_t) (i) * put.ldto + j;                                                                  \
  put.bias = bias + j;
#else
#define PASS(y, ldy) Put put = { y, y, bias, 0, ldy, 0, l0 > 0 || store != SET, biased && ends, store == SUBTRACT ? -1.0f : 1.0f };
#define PUT_AT(i, j)                                                                                            \
  put.to = y + (size_t) (i) * ldy + j;                                                                          \
  put.bias = bias + j;
#endif

// What a tile adds its sums to is there when they are; an epilogue waits for what else it reads, and for the places of what it writes.
INLINE void
fetch_places (const Put *put, int rows PLACE_ARGUMENTS)
{
#ifdef HAVE_PREFETCH
  if (put->keep)
    for (int r = 0; r < rows; r++)
      {
        FETCH (put->to + (size_t) r * put->ldto);
        FETCH (put->to + (size_t) r * put->ldto + VW);
      }
#ifdef ACTIVATION
  if (put->ends && !put->keep)
    for (int r = 0; r < rows; r++)
      {
        FETCH_TO_WRITE (put->to + (size_t) r * put->ldto);
        FETCH_TO_WRITE (put->to + (size_t) r * put->ldto + VW);
      }
  if (put->ends && e->way != PLAIN)
    for (int r = 0; r < rows; r++)
      {
        FETCH (e->before + (size_t) (i0 + r) * e->n + j0);
        FETCH (e->before + (size_t) (i0 + r) * e->n + j0 + VW);
      }
#endif
#endif
}

// Y = X P. Shares of the tiles of `tile` rows, MR or less, and of the panels.
GROUP
product_rows (TICKETS, SPAN (const float, x), SPAN (const float, packed), SPAN (const float, bias), SPAN (float, y), int m, int n,
              int k, int ldx, int ldy, int store, int biased, int tile EPILOGUE_ARGUMENTS)
{
  BEGIN (const float, x);
  BEGIN (const float, packed);
  BEGIN (const float, bias);
  BEGIN (float, y);
  __local float a[MR * LDA];
  const int panels = (n + NR - 1) / NR;
  BEGIN_EPILOGUE
  EACH_TILE (id)
    {
      const int i0 = share_of (m, tile, id.x, tiles_.x), i1 = share_of (m, tile, id.x + 1, tiles_.x);
      const int p0 = share_of (panels, 1, id.y, tiles_.y), p1 = share_of (panels, 1, id.y + 1, tiles_.y);

      for (int l0 = 0; l0 < k; l0 += KC)
        {
          const int kc = min (KC, k - l0), ends = l0 + kc == k;
          PASS (y, ldy)

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
                  PUT_AT (i, j)
                  fetch_places (&put, rows PLACE (i, j));
                  TILES (rows_tile_, a, b, kc, rows, columns, &put PLACE (i, j))
                }
            }
        }
    }
}

#ifdef ACTIVATION
// The sums of a pass, `count` vectors of row i from column j on, are added up in `totals`; those of all passes get the epilogue.
INLINE void
put_strip (const Epilogue *e, float *totals, const float *t, int count, __global float *y, __global const float *bias, int i, int j, int begins, int ends,
           int store, int biased)
{
  const Put put = { y, y, bias, 0, 0, 0, store != SET, biased, store == SUBTRACT ? -1.0f : 1.0f, 1 };

  for (int z = 0; z < count * VW; z += VW)
    STORE_PRIVATE (totals + z, begins ? LOAD (t + z) : LOAD (t + z) + LOAD (totals + z));
  if (ends)
    {
      const int columns = min (count * VW, e->n - j);

      for (int z = 0; z < columns && biased; z += VW)
        STORE_PRIVATE (totals + z, LOAD (totals + z) + load_lanes (bias + z, columns - z));
      epilogue_row (e, &put, totals, y, i, j, columns);
    }
}

#define TOTALS(size) float totals[size];
#define PUT_STRIP(at, count, i, j, ldy) put_strip (&epilogue, totals + (at), t + (at), count, y + (size_t) (i) * ldy + j, bias + j, i, j, l0 == 0, ends, store, biased);
#else
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

#define TOTALS(size)
#define PUT_STRIP(at, count, i, j, ldy) put_strip (t + (at), count, y + (size_t) (i) * ldy + j, bias + j, n - (j), l0 ? next_store (store) : store, biased && ends);
#endif

#define FEW 4 // rows at most of the two kernels below, REFORMER_FEW_ROWS

// Few rows with W[n,k] as it is: blocks of VW x VW are transposed on their way. Groups: ceil (n / VW).
GROUP
product_few_transposed (SPAN (const float, x), SPAN (const float, w), SPAN (const float, bias), SPAN (float, y), int m, int n, int k,
                        int ldx, int ldw, int ldy, int store, int biased EPILOGUE_ARGUMENTS)
{
  BEGIN (const float, x);
  BEGIN (const float, w);
  BEGIN (const float, bias);
  BEGIN (float, y);
  const int j = get_global_id (0) * VW;
  BEGIN_EPILOGUE
  TOTALS (FEW * VW)
  __global const float *x0 = x, *x1 = x + (size_t) min (1, m - 1) * ldx, *x2 = x + (size_t) min (2, m - 1) * ldx,
                       *x3 = x + (size_t) min (3, m - 1) * ldx;

  for (int l0 = 0; l0 < k; l0 += KC)
    {
      const int kc = min (KC, k - l0), ends = l0 + kc == k;
      float t[FEW * VW];
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
                float column[VW];
                vec v;

                for (int z = 0; z < VW; z++)
                  column[z] = w[(size_t) min (j + z, n - 1) * ldw + l + i];
                v = LOAD (column);
                c0 = MADD ((vec) (x0[l + i]), v, c0);
                c1 = MADD ((vec) (x1[l + i]), v, c1);
                c2 = MADD ((vec) (x2[l + i]), v, c2);
                c3 = MADD ((vec) (x3[l + i]), v, c3);
              }
        }

      STORE_PRIVATE (t, c0);
      STORE_PRIVATE (t + VW, c1);
      STORE_PRIVATE (t + 2 * VW, c2);
      STORE_PRIVATE (t + 3 * VW, c3);
      for (int i = 0; i < m; i++)
        PUT_STRIP (i * VW, 1, i, j, ldy)
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
             int ldx, int ldw, int ldy, int store, int biased EPILOGUE_ARGUMENTS)
{
  BEGIN (const float, x);
  BEGIN (const float, w);
  BEGIN (const float, bias);
  BEGIN (float, y);
  const int j = get_global_id (0) * NR;
  BEGIN_EPILOGUE
  TOTALS (FEW * NR)

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
        PUT_STRIP (i * NR, 2, i, j, ldy)
    }
}
