/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Axial positions, one axis a launch. Position q has on an axis the coordinate q / stride % size; the axis' table [size, dim] stands in columns
// [column, column + dim) of the vectors [count, width]. The position of token n is start + n % T, or positions[n] where given is not 0.
//
// factors [sequences, n_factors] are dropout's, one line a sequence from first / T on. drop: 0 none; 1 one factor for each coordinate on
// the second axis (stride2, n_factors); 2 one for each of the width components.

inline int
coordinate (ulong q, ulong stride, int size)
{
  return (int) (q / stride % (ulong) size);
}

// factors[j, 4 i ... 4 i + 3]. Work-item (i, j); `sequence` is that of line 0.
__kernel void
axial_factors (SPAN (float, factors), int n_factors, uint4 key, float scale, uint sequence)
{
  BEGIN (float, factors);
  const ulong i = get_global_id (0) * 4, j = get_global_id (1);

  if (i >= (ulong) n_factors)
    return;

  const uint4 w = dropout_words (key, sequence + (uint) j, i >> 2);
  const float4 f = select ((float4) 0.0f, (float4) scale, w >= (uint4) key.w);
  __global float *p = factors + j * (ulong) n_factors + i;

  if (i + 4 <= (ulong) n_factors)
    vstore4 (f, 0, p);
  else
    {
      p[0] = f.x;
      if (i + 1 < (ulong) n_factors)
        p[1] = f.y;
      if (i + 2 < (ulong) n_factors)
        p[2] = f.z;
    }
}

// x[n] += factor * weight[coordinate]. Work-item i has `rows` tokens from i * rows on.
__kernel void
axial_forward (SPAN (const int, positions), int given, ulong start, SPAN (const float, weight), int size, int dim, ulong stride,
               SPAN (float, x), int width, int column, ulong first, int count, int T, int rows, SPAN (const float, factors), int drop,
               int n_factors, ulong stride2)
{
  BEGIN (const int, positions);
  BEGIN (const float, weight);
  BEGIN (float, x);
  BEGIN (const float, factors);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      const ulong n = first + r, row = n / (ulong) T;
      const ulong q = given != 0 ? (ulong) positions[r] : start + (n - row * (ulong) T);
      __global const float *w = weight + (ulong) coordinate (q, stride, size) * (ulong) dim;
      __global const float *f = factors + (row - first / (ulong) T) * (ulong) n_factors;
      __global float *z = x + r * (ulong) width + column;
      int c = 0;

      if (drop == 2)
        {
          f += column;
          for (; c + VW <= dim; c += VW)
            STORE_GLOBAL (z + c, mad (LOAD (f + c), LOAD (w + c), LOAD (z + c)));
          for (; c < dim; c++)
            z[c] = mad (f[c], w[c], z[c]);
        }
      else
        {
          const float factor = drop == 1 ? f[coordinate (q, stride2, n_factors)] : 1.0f;

          for (; c + VW <= dim; c += VW)
            STORE_GLOBAL (z + c, mad ((vec) factor, LOAD (w + c), LOAD (z + c)));
          for (; c < dim; c++)
            z[c] = mad (factor, w[c], z[c]);
        }
    }
}

inline vec
load_first (__global const float *p, int n)
{
  float lanes[VW];

  if (n == VW)
    return LOAD (p);
  for (int l = 0; l < VW; l++)
    lanes[l] = l < n ? p[l] : 0.0f;
  return LOAD (lanes);
}

inline void
add_first (__global float *p, int n, vec v)
{
  float lanes[VW];

  if (n == VW)
    STORE_GLOBAL (p, LOAD (p) + v);
  else
    {
      STORE_PRIVATE (lanes, v);
      for (int l = 0; l < n; l++)
        p[l] += lanes[l];
    }
}

// Columns of factor * (d1 + d2) of the token at position q. f: its sequence's factors; d1, d2 and `left` at the columns' first.
inline vec
gradient (__global const float *d1, __global const float *d2, int two, int n, __global const float *f, int drop, int n_factors, ulong stride2,
          ulong q, ulong left)
{
  vec g = load_first (d1, n);

  if (two != 0)
    g += load_first (d2, n);
  if (drop == 1)
    g *= f[coordinate (q, stride2, n_factors)];
  else if (drop == 2)
    g *= load_first (f + left, n);
  return g;
}

// dweight[a] += the sum of factor * (d1[n] + d2[n]) over the tokens with coordinate a, in their order; first is 0. Work-item (i, a): columns
// i * VW to (i + 1) * VW of the axis; it steps from each run of positions with its coordinate to the next.
__kernel void
axial_backward (ulong start, SPAN (float, dweight), int size, int dim, ulong stride, SPAN (const float, d1), SPAN (const float, d2), int two,
                int width, int column, int count, int T, SPAN (const float, factors), int drop, int n_factors, ulong stride2)
{
  BEGIN (float, dweight);
  BEGIN (const float, d1);
  BEGIN (const float, d2);
  BEGIN (const float, factors);
  const ulong left = get_global_id (0) * VW, a = get_global_id (1);

  if (left >= (ulong) dim)
    return;

  const int n = (int) min ((ulong) VW, (ulong) dim - left);
  const ulong period = stride * (ulong) size, low = a * stride, all = (ulong) column + left;
  vec sum = (vec) 0.0f;

  for (ulong row = 0; row * (ulong) T < (ulong) count; row++)
    {
      const ulong before = row * (ulong) T, end = min ((ulong) T, (ulong) count - before);
      __global const float *f = factors + row * (ulong) n_factors;

      for (ulong t = 0; t < end;)
        {
          const ulong m = (start + t) % period;

          if (m < low)
            t += low - m;
          else if (m >= low + stride)
            t += period - m + low;
          else
            for (ulong run = min (low + stride - m, end - t); run > 0; run--, t++)
              {
                const ulong at = (before + t) * (ulong) width + all;

                sum += gradient (d1 + at, d2 + at, two, n, f, drop, n_factors, stride2, start + t, all);
              }
        }
    }
  add_first (dweight + a * (ulong) dim + left, n, sum);
}

// The same for positions in any order. Work-item (i, j): columns as above, coordinates that leave j when divided by `classes`; each looks at
// all tokens, so that no two add to one place.
__kernel void
axial_backward_any (SPAN (const int, positions), SPAN (float, dweight), int size, int dim, ulong stride, int classes, SPAN (const float, d1),
                    SPAN (const float, d2), int two, int width, int column, int count, int T, SPAN (const float, factors), int drop,
                    int n_factors, ulong stride2)
{
  BEGIN (const int, positions);
  BEGIN (float, dweight);
  BEGIN (const float, d1);
  BEGIN (const float, d2);
  BEGIN (const float, factors);
  const ulong left = get_global_id (0) * VW;
  const int which = (int) get_global_id (1);

  if (left >= (ulong) dim)
    return;

  const int n = (int) min ((ulong) VW, (ulong) dim - left);
  const ulong all = (ulong) column + left;

  for (int r = 0; r < count; r++)
    {
      const ulong q = (ulong) positions[r], at = (ulong) r * (ulong) width + all;
      const int a = coordinate (q, stride, size);

      if (a % classes == which)
        add_first (dweight + (ulong) a * (ulong) dim + left, n,
                   gradient (d1 + at, d2 + at, two, n, factors + (ulong) (r / T) * (ulong) n_factors, drop, n_factors, stride2, q, all));
    }
}
