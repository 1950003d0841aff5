/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Rotations in the layout that the hash kernels of both dialects read.
//
//   stored [heads][head_size][max_rounds][columns]        columns: those of all factors, half a factor each, one factor after the other
//   packed [heads][rounds][padded / 8][head_size][8]      each factor's columns padded to a multiple of 8
//   factors, more   f_1 ... f_8; 0 ends the list
//
// A factor is padded by its own last column again: an equal score never wins over an earlier one, whatever the input, NaN included.
// One work-item an element of packed.

__kernel void
hash_pack (SPAN (const float, stored), SPAN (float, packed), int n, int head_size, int max_rounds, int rounds, int columns, int padded,
           int4 factors, int4 more)
{
  BEGIN (const float, stored);
  BEGIN (float, packed);
  const int list[8] = { factors.x, factors.y, factors.z, factors.w, more.x, more.y, more.z, more.w };
  const int at = get_global_id (0);

  if (at >= n)
    return;

  const int d = at / 8 % head_size;
  const int group = at / (8 * head_size) % (padded / 8);
  const int list_number = at / (head_size * padded);
  const int round = list_number % rounds, head = list_number / rounds;
  int column = group * 8 + at % 8, first = 0;

  for (int i = 0; i < 8 && list[i]; i++)
    {
      const int half_ = list[i] / 2, width = (half_ + 7) / 8 * 8;

      if (column < width)
        {
          column = first + min (column, half_ - 1);
          break;
        }
      column -= width;
      first += half_;
    }
  packed[at] = stored[(((size_t) head * head_size + d) * max_rounds + round) * columns + column];
}
