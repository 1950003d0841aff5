/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Activations of arrays of tokens, with the dropout that stands before them: y = f (dropout (x)). With f = identity this is dropout itself.
//
// x, y, dy, dx [count, width], a piece of the tokens of a batch [B, T]. Dropout counts the elements of one sequence through (index =
// t * width + column), so work is cut along that index: work-item (i, j) has in sequence first / T + j the elements whose index lies in
// the i-th run of `span` (a multiple of VW) that the piece touches. Vectors start at multiples of VW, hence at a whole word of Philox.

// The indices of a work-item, from `from` to `to`; element i of the sequence is at base + i of the arrays.
#define ITEM                                                                                   \
  const ulong row = first / (ulong) T + get_global_id (1);                                     \
  const ulong row_first = row * (ulong) T;                                                     \
  const ulong begin = (max (first, row_first) - row_first) * (ulong) width;                    \
  const ulong end = (min (first + (ulong) count, row_first + (ulong) T) - row_first) * (ulong) width; \
  const ulong part = begin / (ulong) span + get_global_id (0);                                 \
  const ulong from = max (begin, part * (ulong) span);                                         \
  const ulong to = min (end, (part + 1) * (ulong) span);                                       \
  const ulong base = (row_first - first) * (ulong) width;

// n elements from p on, 0 beside them; lanes lo to hi.
inline vec
load_part (__global const float *p, int lo, int hi)
{
  float lanes[VW];

  for (int l = 0; l < VW; l++)
    lanes[l] = l >= lo && l < hi ? p[l] : 0.0f;
  return LOAD (lanes);
}

inline void
store_part (__global float *p, int lo, int hi, vec v)
{
  float lanes[VW];

  STORE_PRIVATE (lanes, v);
  for (int l = lo; l < hi; l++)
    p[l] = lanes[l];
}

// store: 0 sets, 1 adds, 2 subtracts.
inline vec
joined (vec old, vec v, int store)
{
  return store == 1 ? old + v : old - v;
}

__kernel void
activation_forward (SPAN (const float, x), SPAN (float, y), int width, ulong first, int count, int T, int span, int store,
                    uint4 key, float scale, uint sequence)
{
  BEGIN (const float, x);
  BEGIN (float, y);
  ITEM

  for (ulong i = from / VW * VW; i < to; i += VW)
    {
      const ulong at = base + i;
      const int lo = i < from ? (int) (from - i) : 0, hi = (int) min (to - i, (ulong) VW);
      const bool whole = lo == 0 && hi == VW;
      vec v = whole ? LOAD (x + at) : load_part (x + at, lo, hi);

      if (key.w != 0)
        v *= dropout_factors (key, scale, sequence + (uint) row, i);
      v = activation (v);
      if (whole)
        {
          if (store != 0)
            v = joined (LOAD (y + at), v, store);
          STORE_GLOBAL (y + at, v);
        }
      else
        {
          if (store != 0)
            v = joined (load_part (y + at, lo, hi), v, store);
          store_part (y + at, lo, hi, v);
        }
    }
}

__kernel void
activation_backward (SPAN (const float, x), SPAN (const float, dy), SPAN (float, dx), int width, ulong first, int count, int T, int span,
                     uint4 key, float scale, uint sequence)
{
  BEGIN (const float, x);
  BEGIN (const float, dy);
  BEGIN (float, dx);
  ITEM

  for (ulong i = from / VW * VW; i < to; i += VW)
    {
      const ulong at = base + i;
      const int lo = i < from ? (int) (from - i) : 0, hi = (int) min (to - i, (ulong) VW);
      const bool whole = lo == 0 && hi == VW;
      const vec v = whole ? LOAD (x + at) : load_part (x + at, lo, hi);
      vec d = whole ? LOAD (dy + at) : load_part (dy + at, lo, hi);

      if (key.w != 0)
        {
          const vec factors = dropout_factors (key, scale, sequence + (uint) row, i);

          d *= slope (v * factors) * factors;
        }
      else
        d *= slope (v);
      if (whole)
        STORE_GLOBAL (dx + at, d);
      else
        store_part (dx + at, lo, hi, d);
    }
}
