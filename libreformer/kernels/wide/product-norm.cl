/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Products of rows that are normalised on their way into local memory: Y = norm (X) P. norm-rows.cl, product-tiles.cl and product-rows.cl stand before.
//
// X is [x1, x2], `parts` (1 or 2) arrays of `width` columns side by side, k = parts * width.

#ifndef NORM_ROWS
#define NORM_ROWS (4 * MR) // normalised rows that local memory holds at a time, a multiple of MR; the host knows how many fit
#endif
#define NORM_PANELS (256 / NR) // panels that stay in the second-level cache while all these rows meet them

#define NORM_ARGUMENTS                                                                                                                  \
  SPAN (const float, x1), SPAN (const float, x2), int ldx, int width, int parts, SPAN (const float, weight), SPAN (const float, shift), \
  float eps
#define BEGIN_NORM                                                                                              \
  BEGIN (const float, x1);                                                                                      \
  BEGIN (const float, x2);                                                                                      \
  BEGIN (const float, weight);                                                                                  \
  BEGIN (const float, shift);                                                                                   \
  const Norm norm = { x1, x2, weight, shift, ldx, width, parts, eps };

typedef struct
{
  __global const float *x1, *x2, *weight, *shift;
  int ldx, width, parts;
  float eps;
} Norm;

INLINE Row
norm_row (const Norm *norm, int i)
{
  const size_t at = (size_t) i * norm->ldx;

  return row_statistics (norm->x1 + at, norm->x2 + at, norm->width, norm->parts, norm->eps);
}

// o[kc] = the norm of columns l0 to l0 + kc of row i.
INLINE void
copy_normalised (const Norm *norm, const Row *row, int i, int l0, int kc, __local float *o)
{
  for (int p = 0; p < norm->parts; p++)
    {
      const int left = p * norm->width, from = max (l0, left) - left, to = min (l0 + kc, left + norm->width) - left;
      __global const float *x = (p == 0 ? norm->x1 : norm->x2) + (size_t) i * norm->ldx, *w = norm->weight + left, *b = norm->shift + left;
      __local float *z = o + (left - l0);
      int c = from;

      for (; c + VW <= to; c += VW)
        STORE_LOCAL (z + c, NORMALISED (LOAD (x + c), *row, LOAD (w + c), LOAD (b + c)));
      for (; c < to; c++)
        z[c] = NORMALISED (x[c], *row, w[c], b[c]);
    }
}

// Shares as in product_rows: of the tiles of `tile` rows, MR or less, and, where rows are few, of the panels.
GROUP
product_rows_norm (TICKETS, NORM_ARGUMENTS, SPAN (const float, packed), SPAN (const float, bias), SPAN (float, y), int m, int n, int k,
                   int ldy, int store, int biased, int tile EPILOGUE_ARGUMENTS)
{
  BEGIN (const float, packed);
  BEGIN (const float, bias);
  BEGIN (float, y);
  __local float a[NORM_ROWS * LDA];
  const int panels = (n + NR - 1) / NR;
  Row statistics[NORM_ROWS];
  BEGIN_NORM
  BEGIN_EPILOGUE
  EACH_TILE (id)
    {
      const int i0 = share_of (m, tile, id.x, tiles_.x), i1 = share_of (m, tile, id.x + 1, tiles_.x);
      const int p0 = share_of (panels, 1, id.y, tiles_.y), p1 = share_of (panels, 1, id.y + 1, tiles_.y);

      for (int ib = i0; ib < i1; ib += NORM_ROWS)
        {
          const int ie = min (i1, ib + NORM_ROWS);

          for (int i = ib; i < ie; i++)
            statistics[i - ib] = norm_row (&norm, i);
          for (int l0 = 0; l0 < k; l0 += KC)
            {
              const int kc = min (KC, k - l0), ends = l0 + kc == k;
              PASS (y, ldy)

              for (int i = ib; i < ie; i++)
                copy_normalised (&norm, &statistics[i - ib], i, l0, kc, a + (i - ib) * LDA);
              // what the last tile computes for nothing
              for (int r = ie - ib; r % MR != 0; r++)
                for (int l = 0; l < kc; l++)
                  a[r * LDA + l] = 0.0f;
              for (int pb = p0; pb < p1; pb += NORM_PANELS)
                for (int i = ib; i < ie; i += MR)
                  {
                    const int rows = min (MR, ie - i);

                    for (int p = pb; p < min (p1, pb + NORM_PANELS); p++)
                      {
                        const int j = p * NR, columns = min (NR, n - j);
                        __global const float *b = packed + (size_t) j * k + (size_t) l0 * NR;

                        PUT_AT (i, j)
                        fetch_places (&put, rows PLACE (i, j));
                        TILES (rows_tile_, a + (i - ib) * LDA, b, kc, rows, columns, &put PLACE (i, j))
                      }
                  }
            }
        }
    }
}
