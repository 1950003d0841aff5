/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Rotations in the layout that the hash kernels of both dialects read.
//
//   stored [heads][head_size][max_rounds][columns]        columns: those of all factors, half a factor each, one factor after the other
//   packed [heads][rounds][padded / 8][head_size][8]      each factor's columns padded to a multiple of 8
//   factors, more   f_1 ... f_16, two to an int; 0 ends the list
//
// A factor is padded by its own last column again: an equal score never wins over an earlier one, whatever the input, NaN included.
// One work-item an element of a head's rotations of one round; global size: head_size, padded, heads.

__kernel void
hash_pack (SPAN (const float, stored), SPAN (float, packed), int head_size, int max_rounds, int rounds, int columns, int padded, int4 factors,
           int4 more)
{
  BEGIN (const float, stored);
  BEGIN (float, packed);
  const int list[8] = { factors.x, factors.y, factors.z, factors.w, more.x, more.y, more.z, more.w };
  const int d = get_global_id (0), to = get_global_id (1), head = get_global_id (2);
  int column = to, first = 0;

  if (d >= head_size)
    return;
  for (int i = 0; i < 16 && FACTOR (list, i); i++)
    {
      const int half_ = FACTOR (list, i) / 2, width = (half_ + 7) / 8 * 8;

      if (column < width)
        {
          column = first + min (column, half_ - 1);
          break;
        }
      column -= width;
      first += half_;
    }
  for (int r = 0; r < rounds; r++)
    packed[((((size_t) head * rounds + r) * (padded >> 3) + (to >> 3)) * head_size + d) * 8 + (to & 7)] =
      stored[(((size_t) head * head_size + d) * max_rounds + r) * columns + column];
}
