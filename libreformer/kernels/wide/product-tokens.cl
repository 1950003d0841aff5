/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Gradients of weights and biases: product-tiles.cl.

#define AT(l, i) a[(l) * MR + (i)]
TILE (tokens_tile_, MR, __local, __local)
TILE (tokens_tile_, MR2, __local, __local)
TILE (tokens_tile_, MR3, __local, __local)
#undef AT

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
