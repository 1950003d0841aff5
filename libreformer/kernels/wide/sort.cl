/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Stable counting sort of lists of T buckets, in blocks of `block` tokens; a work-group is one work-item.
//
//   buckets [slots][ld]                  ushort, below `size`; the first T of each
//   counts  [slots][blocks + 1][size]    int; the last row holds running sums
//   order   [slots][T]                   int: ascending by bucket, within a bucket by token
//
//   sort_count     counts of each block                   global size: blocks, slots
//   sort_starts    counts become first places, in place   global size: slots
//   sort_scatter   order; uses the counts up              global size: blocks, slots

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1), vec_type_hint (vec))) void
sort_count (SPAN (const ushort, buckets), ulong ld, SPAN (int, counts), int T, int block, int size)
{
  BEGIN (const ushort, buckets);
  BEGIN (int, counts);
  const size_t slot = get_global_id (1);
  const int start = get_global_id (0) * block, end = min (T, start + block);

  buckets += slot * ld;
  counts += (slot * (get_global_size (0) + 1) + get_global_id (0)) * size;
  for (int i = 0; i < size; i++)
    counts[i] = 0;
  for (int t = start; t < end; t++)
    counts[buckets[t]]++;
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1), vec_type_hint (vec))) void
sort_starts (SPAN (int, counts), int blocks, int size)
{
  BEGIN (int, counts);
  counts += (size_t) get_global_id (0) * (blocks + 1) * size;
  __global int *next = counts + (size_t) blocks * size;
  int place = 0;

  for (int i = 0; i < size; i++)
    next[i] = 0;
  for (int b = 0; b < blocks; b++)
    {
      __global const int *c = counts + (size_t) b * size;
      int i = 0;

      for (; i + VW <= size; i += VW)
        *(__global ivec_u *) (next + i) += *(__global const ivec_u *) (c + i);
      for (; i < size; i++)
        next[i] += c[i];
    }
  for (int i = 0; i < size; i++)
    {
      const int n = next[i];

      next[i] = place;
      place += n;
    }
  for (int b = 0; b < blocks; b++)
    {
      __global int *c = counts + (size_t) b * size;
      int i = 0;

      for (; i + VW <= size; i += VW)
        {
          const ivec n = *(__global const ivec_u *) (c + i), first = *(__global const ivec_u *) (next + i);

          *(__global ivec_u *) (c + i) = first;
          *(__global ivec_u *) (next + i) = first + n;
        }
      for (; i < size; i++)
        {
          const int n = c[i], first = next[i];

          c[i] = first;
          next[i] = first + n;
        }
    }
}

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1), vec_type_hint (vec))) void
sort_scatter (SPAN (const ushort, buckets), ulong ld, SPAN (int, counts), SPAN (int, order), int T, int block, int size)
{
  BEGIN (const ushort, buckets);
  BEGIN (int, counts);
  BEGIN (int, order);
  const size_t slot = get_global_id (1);
  const int start = get_global_id (0) * block, end = min (T, start + block);

  buckets += slot * ld;
  order += slot * T;
  counts += (slot * (get_global_size (0) + 1) + get_global_id (0)) * size;
  for (int t = start; t < end; t++)
    order[counts[buckets[t]]++] = t;
}
