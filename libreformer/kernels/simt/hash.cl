/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Buckets by random rotations; a work-group of GROUP work-items takes GROUP tokens, each work-item one of them.
//
//   x         [rows][T][stride]                            head h in columns h * HEAD_SIZE ...
//   rotations [heads][rounds][padded / 8][HEAD_SIZE][8]    see hash.cl
//   mask      uchar [rows][T], read where `masked` is 1
//   buckets   ushort [heads][rounds][rows][ld], the first T of each
//   factors, more   f_1 ... f_16, two to an int; 0 ends the list. bucket = code_1 + f_1 code_2 + f_1 f_2 code_3 + ...
//   groups: tiles of GROUP tokens, heads * rounds, rows
//
// The tokens' elements come through local memory, read in the order they lie in and kept transposed. Sums and comparisons are those of the wide dialect.

#ifndef HEAD_SIZE
#define HEAD_SIZE 64
#endif
#ifndef GROUP
#define GROUP 64
#endif

__kernel __attribute__ ((reqd_work_group_size (GROUP, 1, 1))) void
hash_buckets (SPAN (const float, x), SPAN (const float, rotations), SPAN (const uchar, mask), SPAN (ushort, buckets), ulong ld, int T, int stride,
              int rounds, int padded, int4 factors, int4 more, int masked, int masked_bucket)
{
  BEGIN (const float, x);
  BEGIN (const float, rotations);
  BEGIN (const uchar, mask);
  BEGIN (ushort, buckets);
  const int me = get_local_id (0), t0 = get_group_id (0) * GROUP, t = t0 + me;
  const int head = get_group_id (1) / rounds, row = get_group_id (2);
  const int list[8] = { factors.x, factors.y, factors.z, factors.w, more.x, more.y, more.z, more.w };
  __local float xt[HEAD_SIZE * (GROUP + 1)];

  x += (size_t) row * T * stride + head * HEAD_SIZE;
  for (int i = 0; i < GROUP; i++)
    for (int d = me; d < HEAD_SIZE; d += GROUP)
      xt[d * (GROUP + 1) + i] = x[(size_t) min (t0 + i, T - 1) * stride + d];
  barrier (CLK_LOCAL_MEM_FENCE);

  __global const float *a = rotations + (size_t) get_group_id (1) * padded * HEAD_SIZE;
  int bucket = 0, product = 1;

  for (int f = 0; f < 16 && FACTOR (list, f); f++)
    {
      const int half_ = FACTOR (list, f) / 2;
      uint best = 0;
      int code = 0;

      for (int j = 0; j < half_; j += 8, a += 8 * HEAD_SIZE)
        {
          float c[8] = { 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };

          for (int l = 0; l < HEAD_SIZE; l++)
            {
              const float b = xt[l * (GROUP + 1) + me];

#pragma unroll
              for (int i = 0; i < 8; i++)
                c[i] = fma (a[l * 8 + i], b, c[i]);
            }
#pragma unroll
          for (int i = 0; i < 8; i++)
            {
              const uint key = rotate (as_uint (c[i]), 1u) ^ 1u;

              code = key > best ? (as_int (c[i]) >> 31 & half_) + j + i : code;
              best = max (best, key);
            }
        }
      bucket += (best <= 1 ? 0 : code) * product;
      product *= FACTOR (list, f);
    }
  if (t < T)
    buckets[((size_t) get_group_id (1) * get_num_groups (2) + row) * ld + t] = masked && !mask[(size_t) row * T + t] ? masked_bucket : bucket;
}
