/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Stable counting sort of lists of T buckets, in blocks of `block` tokens; work-groups of GROUP work-items.
//
//   buckets [slots][ld]                  ushort, below `size`; the first T of each
//   counts  [slots][blocks][size]        int
//   order   [slots][T]                   int: ascending by bucket, within a bucket by token
//
//   sort_count     counts of each block: atomics on integers, whose result does not depend on their order   groups: blocks, slots
//   sort_starts    counts become first places, in place                                                     groups: 1, slots
//   sort_scatter   order; uses the counts up                                                                groups: blocks, slots

// Loops over the group's work-items go eight at a time: llvmpipe ends every work-item after 65,535 turns of all its loops together. Scalars, because
// oclgrind gets comparisons of vectors wrong here.

#ifndef GROUP
#define GROUP 64
#endif
#define PADDED ((GROUP + 7) / 8 * 8)
#define EIGHT(F, k) F (k) F (k + 1) F (k + 2) F (k + 3) F (k + 4) F (k + 5) F (k + 6) F (k + 7)

__kernel __attribute__ ((reqd_work_group_size (GROUP, 1, 1))) void
sort_count (SPAN (const ushort, buckets), ulong ld, SPAN (int, counts), int T, int block, int size)
{
  BEGIN (const ushort, buckets);
  BEGIN (int, counts);
  const size_t slot = get_group_id (1);
  const int start = get_group_id (0) * block, end = min (T, start + block);

  buckets += slot * ld;
  counts += (slot * get_num_groups (0) + get_group_id (0)) * size;
  for (int i = get_local_id (0); i < size; i += GROUP)
    counts[i] = 0;
  barrier (CLK_GLOBAL_MEM_FENCE);
  for (int t = start + get_local_id (0); t < end; t += GROUP)
    atomic_inc (counts + buckets[t]);
}

#define ADD(k)                          \
  {                                     \
    before += (k) < me ? sums[k] : 0;   \
    all += sums[k];                     \
  }

__kernel __attribute__ ((reqd_work_group_size (GROUP, 1, 1))) void
sort_starts (SPAN (int, counts), int blocks, int size)
{
  BEGIN (int, counts);
  const int me = get_local_id (0);
  __local int sums[PADDED];
  int first = 0;

  if (me == 0)
    for (int i = GROUP; i < PADDED; i++)
      sums[i] = 0;

  counts += (size_t) get_group_id (1) * blocks * size;
  for (int i0 = 0; i0 < size; i0 += GROUP)
    {
      const int i = i0 + me;
      int total = 0, before = 0, all = 0;

      for (int b = 0; b < blocks && i < size; b++)
        total += counts[(size_t) b * size + i];
      sums[me] = total;
      barrier (CLK_LOCAL_MEM_FENCE);
      for (int k = 0; k < GROUP; k += 8)
        {
          EIGHT (ADD, k)
        }
      barrier (CLK_LOCAL_MEM_FENCE);

      int place = first + before;

      for (int b = 0; b < blocks && i < size; b++)
        {
          const int n = counts[(size_t) b * size + i];

          counts[(size_t) b * size + i] = place;
          place += n;
        }
      first += all;
    }
}

#define COMPARE(k)                      \
  {                                     \
    const int same = seen[k] == bucket; \
                                        \
    before += same & ((k) < me);        \
    after |= same & ((k) > me);         \
  }

// GROUP tokens at a time: a token's place is its bucket's next one, plus the number of the bucket's tokens before it among the GROUP; the bucket's last
// token then moves the next place on.
__kernel __attribute__ ((reqd_work_group_size (GROUP, 1, 1))) void
sort_scatter (SPAN (const ushort, buckets), ulong ld, SPAN (int, counts), SPAN (int, order), int T, int block, int size)
{
  BEGIN (const ushort, buckets);
  BEGIN (int, counts);
  BEGIN (int, order);
  const size_t slot = get_group_id (1);
  const int me = get_local_id (0), start = get_group_id (0) * block, end = min (T, start + block);
  __local int seen[PADDED];

  if (me == 0)
    for (int i = GROUP; i < PADDED; i++)
      seen[i] = -1;
  buckets += slot * ld;
  order += slot * T;
  counts += (slot * get_num_groups (0) + get_group_id (0)) * size;
  for (int t0 = start; t0 < end; t0 += GROUP)
    {
      const int t = t0 + me, bucket = t < end ? buckets[t] : -1;
      int before = 0, after = 0;
      int place = 0;

      seen[me] = bucket;
      barrier (CLK_LOCAL_MEM_FENCE);
      for (int k = 0; k < GROUP; k += 8)
        {
          EIGHT (COMPARE, k)
        }
      if (bucket >= 0)
        {
          place = counts[bucket] + before;
          order[place] = t;
        }
      barrier (CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
      if (bucket >= 0 && after == 0)
        counts[bucket] = place + 1;
      barrier (CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    }
}
