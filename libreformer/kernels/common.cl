/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Put before the source of every family.
//
// Spans. A buffer argument is a pointer and an offset in elements, so that any place in a tensor can be given to a kernel without
// a sub-buffer, whose alignment differs from device to device:
//
//   __kernel void negate (SPAN (const float, x), SPAN (float, y), int n)
//   {
//     BEGIN (const float, x);
//     BEGIN (float, y);
//     ...
//
// Shared tiles. A launch with reformer_grid_shared() has fewer groups than tiles: each takes tile after tile. Its kernel names no work-item and has TICKETS
// before its other arguments; its body is EACH_TILE (at) { ... }, at most one in a kernel, with the tile's place at.x, at.y, at.z:
//
//   __kernel void scale_rows (TICKETS, SPAN (float, x), int n)
//   {
//     BEGIN (float, x);
//     EACH_TILE (at)
//       ...
//
// Vectors. `vec` holds VW floats (the host passes -DVW=16 or 8; 16 alone), `ivec` as many ints. LOAD (p) and STORE (p, v) take any float
// address of any address space that the pointer names; STORE goes through an unaligned type, because vstore16 becomes four stores on PoCL 3.1.

#ifndef VW
#define VW 16
#endif

#define SPAN(type, name) __global type *restrict name##_, ulong name##_at
#define BEGIN(type, name) __global type *restrict name = name##_ + name##_at

#define TICKETS volatile __global uint *restrict tickets_, uint4 tiles_
#define EACH_TILE(at) for (uint3 at; next_tile_of (tickets_, tiles_, &at);)

// FALSE after the last one. The count of tickets grows from launch to launch: this one begins with tiles.w.
inline bool
next_tile_of (volatile __global uint *tickets, uint4 tiles, uint3 *at)
{
  const uint ticket = atomic_inc (tickets) - tiles.w;

  *at = (uint3) (ticket % tiles.x, ticket / tiles.x % tiles.y, ticket / tiles.x / tiles.y);
  return ticket < tiles.x * tiles.y * tiles.z;
}

#if VW == 16
typedef float16 vec;
typedef int16 ivec;
typedef uint16 uvec;
#define convert_vec convert_float16
#define convert_ivec convert_int16
#define as_vec as_float16
#define as_ivec as_int16
#define vloadv vload16
#elif VW == 8
typedef float8 vec;
typedef int8 ivec;
typedef uint8 uvec;
#define convert_vec convert_float8
#define convert_ivec convert_int8
#define as_vec as_float8
#define as_ivec as_int8
#define vloadv vload8
#else
#error VW is 16 or 8
#endif

typedef vec vec_u __attribute__ ((aligned (4)));
typedef ivec ivec_u __attribute__ ((aligned (4)));

#define LOAD(p) vloadv (0, (p))
#define STORE_GLOBAL(p, v) (*(__global vec_u *) (p) = (v))
#define STORE_LOCAL(p, v) (*(__local vec_u *) (p) = (v))
#define STORE_PRIVATE(p, v) (*(vec_u *) (p) = (v))

// A hint to fetch what the next block needs; OpenCL C's own prefetch () is empty on the runtimes tried. The host passes
// -DHAVE_PREFETCH where the compiler knows the builtin.
#ifdef HAVE_PREFETCH
#define FETCH(p) __builtin_prefetch ((const void *) (size_t) (p), 0, 2)
#define FETCH_TO_WRITE(p) __builtin_prefetch ((const void *) (size_t) (p), 1, 2)
#else
#define FETCH(p)
#define FETCH_TO_WRITE(p)
#endif

// The sum of a vector's elements, by halves: always in the same order.
inline float
sum8 (float8 a)
{
  const float4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

inline float
sum16 (float16 a)
{
  return sum8 (a.lo + a.hi);
}

#if VW == 16
#define vec_sum sum16
#else
#define vec_sum sum8
#endif

// Philox 4x32-10: four random words for a counter and a key (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).
inline uint4
philox (uint4 counter, uint2 key)
{
#pragma unroll
  for (int i = 0; i < 10; i++)
    {
      // a widening product, because mul_hi takes two to three times as long on PoCL 3.1
      const ulong p0 = (ulong) counter.x * 0xD2511F53ul, p1 = (ulong) counter.z * 0xCD9E8D57ul;

      counter = (uint4) ((uint) (p1 >> 32) ^ counter.y ^ key.x, (uint) p1, (uint) (p0 >> 32) ^ counter.w ^ key.y, (uint) p0);
      key += (uint2) (0x9E3779B9u, 0xBB67AE85u);
    }
  return counter;
}

// Dropout. What is drawn belongs to (seed, sequence, place, index in the sequence): `key` is (seed low, seed high, place, threshold), the
// word of index i is word i % 4 of counter (i / 4 low, i / 4 high, sequence, place). An element is kept where its word >= threshold
// (= p * 2^32), and then multiplied by 1 / (1 - p).
inline uint4
dropout_words (uint4 key, uint sequence, ulong quad)
{
  return philox ((uint4) ((uint) quad, (uint) (quad >> 32), sequence, key.z), key.xy);
}

inline float
dropout_factor (uint4 key, float scale, uint sequence, ulong index)
{
  const uint4 w = dropout_words (key, sequence, index >> 2);
  // By halves: oclgrind 21.10 takes a wrong branch of the switch that a chain of comparisons becomes.
  const uint2 pair = index & 2 ? w.zw : w.xy;
  const uint word = index & 1 ? pair.y : pair.x;

  return word >= key.w ? scale : 0.0f;
}

// dropout_factor of the VW elements from index on, a multiple of 4. Each lane of 64 bits holds two words of a counter, (x, y) in the even and
// (z, w) in the odd lanes, so that one widening product per round serves both halves and the words come out in the elements' order.
#if VW == 16
typedef ulong8 lvec;
#define PHILOX_LANES(a, b, c, d) (a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d)
#define PHILOX_PAIRS(a, b) (a, b, a, b, a, b, a, b)
#define PHILOX_COUNT (lvec) (0, 0, 1, 0, 2, 0, 3, 0)
#define as_lvec as_ulong8
#define as_uvec as_uint16
#define PHILOX_REVERSE(v) (v).s32107654ba98fedc
#else
typedef ulong4 lvec;
#define PHILOX_LANES(a, b, c, d) (a, b, c, d, a, b, c, d)
#define PHILOX_PAIRS(a, b) (a, b, a, b)
#define PHILOX_COUNT (lvec) (0, 0, 1, 0)
#define as_lvec as_ulong4
#define as_uvec as_uint8
#define PHILOX_REVERSE(v) (v).s32107654
#endif

inline vec
dropout_factors (uint4 key, float scale, uint sequence, ulong index)
{
  const lvec m = (lvec) PHILOX_PAIRS (0xD2511F53ul, 0xCD9E8D57ul);
  const uvec step = (uvec) PHILOX_LANES (0x9E3779B9u, 0, 0xBB67AE85u, 0);
  uvec k = (uvec) PHILOX_LANES (key.x, 0, key.y, 0);
  lvec c = (lvec) PHILOX_PAIRS (index >> 2, (ulong) sequence | (ulong) key.z << 32) + PHILOX_COUNT;

#pragma unroll
  for (int i = 0; i < 10; i++)
    {
      const lvec p = (c & 0xfffffffful) * m;

      c = as_lvec (PHILOX_REVERSE (as_uvec (p)) ^ k) ^ (c >> 32);
      k += step;
    }
  return select ((vec) 0.0f, (vec) scale, as_uvec (c) >= (uvec) key.w);
}

// exp (x), relative error below 1e-7 from -87.3 to 88.7, constant beyond: x = n ln 2 + r, and a polynomial of degree 6 for exp (r).
inline vec
exponential (vec x)
{
  x = select (x, (vec) -87.3f, x < -87.3f);
  x = select (x, (vec) 88.7f, x > 88.7f);

  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const vec m = mad (x, (vec) 1.44269504f, (vec) 12582912.0f);
  const vec n = m - 12582912.0f;
  const vec r = mad (n, (vec) 2.12194440e-4f, mad (n, (vec) -0.693359375f, x));

  vec p = mad (r, (vec) 0.0013814467f, (vec) 0.008368781f);
  p = mad (p, r, (vec) 0.041668393f);
  p = mad (p, r, (vec) 0.1666652f);
  p = mad (p, r, (vec) 0.49999994f);
  p = mad (p, r * r, r) + 1.0f;
  return p * as_vec ((as_ivec (m) << 23) + 0x3f800000);
}

// The f-th factor of the number of buckets: 16 bits each, two to an int.
#define FACTOR(list, f) ((f) & 1 ? (int) ((uint) (list)[(f) / 2] >> 16) : (list)[(f) / 2] & 0xffff)
