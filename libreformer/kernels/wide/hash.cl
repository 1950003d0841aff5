/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Buckets by random rotations; a work-group is one work-item that takes a block of tokens of one row and head through all rounds.
//
//   x         [rows][T][stride]                            head h in columns h * HEAD_SIZE ...
//   rotations [heads][rounds][padded / 8][HEAD_SIZE][8]    see hash.cl
//   mask      uchar [rows][T], read where `masked` is 1
//   buckets   ushort [heads][rounds][rows][ld], the first T of each
//   factors, more   f_1 ... f_16, two to an int; 0 ends the list. bucket = code_1 + f_1 code_2 + f_1 f_2 code_3 + ...
//   global size: blocks of `block` tokens (a multiple of TILE), heads, rows
//
// code = the first maximum of [r, -r], r = x . rotations, summed over the head's elements in ascending order. Tokens lie along the vectors, so the
// scores never leave registers: of each column the key |r| * 2 + (r >= 0) is compared as an unsigned number, so that of equal |r| a
// positive one wins, and of equal signs the first. All r = 0 gives code 0.

#ifndef HEAD_SIZE
#define HEAD_SIZE 64
#endif
#define TILE (4 * VW)
#define WHOLE (HEAD_SIZE / VW * VW)

#if VW == 16
#define COLUMNS 8
#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define LOW(a, b)  (vec) (a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define HIGH(a, b) (vec) (a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#define as_key as_uint16
#define convert_codes convert_ushort16
typedef ushort16 codes_u __attribute__ ((aligned (2)));
#else
#define COLUMNS 4
#define EACH(F) F(0) F(1) F(2) F(3)
#define LOW(a, b)  (vec) (a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define HIGH(a, b) (vec) (a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define as_key as_uint8
#define convert_codes convert_ushort8
typedef ushort8 codes_u __attribute__ ((aligned (2)));
#endif

// One step of the transposition of VW x VW elements; after log2 (VW) of them rows are columns.
inline void
interleave (const vec *from, vec *to)
{
#pragma unroll
  for (int i = 0; i < VW / 2; i++)
    {
      to[2 * i] = LOW (from[i], from[i + VW / 2]);
      to[2 * i + 1] = HIGH (from[i], from[i + VW / 2]);
    }
}

// to[d][i] = element d of row i, for TILE rows; rows from `rows` on repeat the last.
inline void
transpose_rows (__global const float *restrict x, __local float *restrict to, int stride, int rows)
{
  for (int i0 = 0; i0 < TILE; i0 += VW)
    for (int d0 = 0; d0 < WHOLE; d0 += VW)
      {
        vec r[VW], s[VW];

#pragma unroll
        for (int i = 0; i < VW; i++)
          r[i] = LOAD (x + (size_t) min (i0 + i, rows - 1) * stride + d0);
        interleave (r, s);
        interleave (s, r);
        interleave (r, s);
#if VW == 16
        interleave (s, r);
#pragma unroll
        for (int i = 0; i < VW; i++)
          STORE_LOCAL (to + (d0 + i) * TILE + i0, r[i]);
#else
#pragma unroll
        for (int i = 0; i < VW; i++)
          STORE_LOCAL (to + (d0 + i) * TILE + i0, s[i]);
#endif
      }
  for (int i = 0; i < TILE; i++)
    for (int d = WHOLE; d < HEAD_SIZE; d++)
      to[d * TILE + i] = x[(size_t) min (i, rows - 1) * stride + d];
}

#define ZERO(i) vec c##i##0 = 0, c##i##1 = 0;
#define STEP(i) { const vec w = (vec) (a[l * 8 + (i)]); c##i##0 = fma (w, b0, c##i##0); c##i##1 = fma (w, b1, c##i##1); }
#define BEST1(c, best, code, i) { const uvec key = rotate (as_key (c), (uvec) 1) ^ 1u; const ivec better = key > best;                       \
    code = select (code, (as_ivec (c) >> 31 & half_) + (j + (i)), better); best = max (best, key); }
#define BEST(i) BEST1 (c##i##0, best0, code0, i) BEST1 (c##i##1, best1, code1, i)

__kernel __attribute__ ((reqd_work_group_size (1, 1, 1), vec_type_hint (vec))) void
hash_buckets (SPAN (const float, x), SPAN (const float, rotations), SPAN (const uchar, mask), SPAN (ushort, buckets), ulong ld, int T, int stride,
              int rounds, int padded, int4 factors, int4 more, int block, int masked, int masked_bucket)
{
  BEGIN (const float, x);
  BEGIN (const float, rotations);
  BEGIN (const uchar, mask);
  BEGIN (ushort, buckets);
  const int start = get_global_id (0) * block, end = min (T, start + block);
  const int head = get_global_id (1), row = get_global_id (2), rows_all = get_global_size (2);
  const int list[8] = { factors.x, factors.y, factors.z, factors.w, more.x, more.y, more.z, more.w };
  __local float xt[HEAD_SIZE * TILE];

  x += (size_t) row * T * stride + head * HEAD_SIZE;
  rotations += (size_t) head * rounds * padded * HEAD_SIZE;
  for (int t = start; t < end; t += TILE)
    {
      const int rows = min (TILE, end - t);

      transpose_rows (x + (size_t) t * stride, xt, stride, rows);
      for (int r = 0; r < rounds; r++)
        for (int i0 = 0; i0 < rows; i0 += 2 * VW)
          {
            __global const float *a = rotations + (size_t) r * padded * HEAD_SIZE;
            __global ushort *o = buckets + (((size_t) head * rounds + r) * rows_all + row) * ld + t + i0;
            ivec bucket0 = 0, bucket1 = 0;
            int product = 1;

#ifdef HAVE_PREFETCH
            for (int i = i0 + 2 * VW * r / rounds; i < i0 + 2 * VW * (r + 1) / rounds; i++)
              for (int d = 0; d < HEAD_SIZE; d += 16)
                FETCH (x + (size_t) min (t + TILE + i, T - 1) * stride + d);
#endif
            for (int f = 0; f < 16 && FACTOR (list, f); f++)
              {
                const int half_ = FACTOR (list, f) / 2;
                uvec best0 = 0, best1 = 0;
                ivec code0 = 0, code1 = 0;

                for (int j0 = 0; j0 < half_; j0 += 8, a += 8 * (HEAD_SIZE - 1))
                  for (int j = j0; j < j0 + 8; j += COLUMNS, a += COLUMNS)
                    {
                      EACH (ZERO)
                      for (int l = 0; l < HEAD_SIZE; l++)
                        {
                          const vec b0 = LOAD (xt + l * TILE + i0), b1 = LOAD (xt + l * TILE + i0 + VW);
                          EACH (STEP)
                        }
                      EACH (BEST)
                    }
                bucket0 += select (code0, (ivec) 0, best0 <= 1u) * product;
                bucket1 += select (code1, (ivec) 0, best1 <= 1u) * product;
                product *= FACTOR (list, f);
              }

            if (!masked && rows - i0 >= 2 * VW)
              {
                *(__global codes_u *) o = convert_codes (bucket0);
                *(__global codes_u *) (o + VW) = convert_codes (bucket1);
                continue;
              }

            int code[2 * VW];

            *(ivec_u *) code = bucket0;
            *(ivec_u *) (code + VW) = bucket1;
            for (int i = 0; i < min (2 * VW, rows - i0); i++)
              o[i] = masked && !mask[(size_t) row * T + t + i0 + i] ? masked_bucket : code[i];
          }
    }
}
