/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Attention of queries to the keys of a window of chunks for CPU devices: what forward and backward share. Put before attention-forward.cl,
// attention-backward.cl and attention-chain.cl. A work-group is one work-item.
//
//   q, k, v, out, dout, dq, dk, dv  [rows][T][stride], head h of the group in columns h * HEAD_SIZE ...
//   order [heads][rounds][rows][T]   token at each place (ORDERED)
//   mask  [rows][T]                  1 = keep (MASKED)
//   stats [heads][rows][T][2]        maximum m and sum l of 2^(s - m) over all rounds; s is the score times log2 e
//   delta [heads][rows][T]           dout . out
//
// Indices: i query, j key, l what is summed over, d column. Chunks are numbered through all rounds (the ring); a chunk is cut into tiles of at
// most QUERIES or KEYS places. Scores and weights lie as [key][query], so that maxima and sums go from vector to vector. The left operand
// of a product is rows as they are, the right one has what lies side by side in vectors: queries are kept transposed for scores.
//
// Places behind a tile's end and masked tokens count as token -1: their rows are never read, zeros stand for them. As a key such a place has a number above
// every query's. Not allowed keys get NOT_ALLOWED, and maxima start far above it at LOWEST, so that their weights are exactly 0 from the start.
//
// With -DBAND (ops/attention.h: band, and queries of the globals alone) tokens of one remainder modulo the dilation, `rounds`, form a sequence of chunks of its own,
// whose last one has places without token; `order` is the list of global tokens, `listed` of them (-1: none), which are the keys of more tiles behind the
// window's, or with LISTED the queries. Keys of global tokens are launched as round 1. A token is dropped by its number, not by its place.
//
// Rounds are launched one after the other. Forward joins a round with what out and stats hold from the rounds before; backward needs only
// the joined stats and delta, and adds to what the rounds before left. A token is once in a round, and one work-group writes it.

#ifndef HEAD_SIZE
#define HEAD_SIZE 64
#endif
#ifndef QUERIES
#define QUERIES 64
#endif
#ifndef KEYS
#define KEYS 64
#endif

#define LANES (2 * VW)                                      // queries or columns side by side in a tile of a product
#define WIDTH ((HEAD_SIZE + LANES - 1) / LANES * LANES)     // a row in local memory, filled up with zeros

// The hint keeps Intel's compiler from making sixteen work-items one, which takes ten times as long to build.
#define ONE_ITEM __attribute__ ((reqd_work_group_size (1, 1, 1), vec_type_hint (vec)))

#define CIRCULAR 1
#define CAUSAL 2
#define SELF_LAST 4
#define SHARED 8    // keys are the queries' rows, normalised
#define ORDERED 16
#define MASKED 32
#define LISTED 64   // queries are the global tokens alone, keys all tokens

#define LOG2E 1.44269504f
#define NOT_ALLOWED (-1e9f * LOG2E)
#define SELF (-1e5f * LOG2E)
#define LOWEST (-1e8f)

// Products: tiles of 8 (4 where there are 16 registers) rows and LANES columns. A (l, i) is the left operand.
#if VW == 16
#define TILE 8
#define EACH(F) F (0) F (1) F (2) F (3) F (4) F (5) F (6) F (7)
#else
#define TILE 4
#define EACH(F) F (0) F (1) F (2) F (3)
#endif
#define TILE_ZERO(i) vec c##i##0 = 0, c##i##1 = 0;
#define TILE_STEP(i) { const vec x_ = (vec) (A (l, i)); c##i##0 = fma (x_, b0, c##i##0); c##i##1 = fma (x_, b1, c##i##1); }
#define TILE_ADD(b, ld, n)                                                                   \
  for (int l = 0; l < (n); l++)                                                              \
    { const vec b0 = LOAD ((b) + l * (ld)), b1 = LOAD ((b) + l * (ld) + VW); EACH (TILE_STEP) }
#define TILE_SUM(b, ld, n) EACH (TILE_ZERO) TILE_ADD (b, ld, n)
#define UP(n, to) (((n) + (to) - 1) / (to) * (to))

// 2^t for t <= 0 (a little above is fine), relative error 1e-7, exactly 1 at 0 and exactly 0 from -126 on. NaN stays.
inline vec
exp2_below (vec t)
{
  const ivec none = t <= -126.0f;

  t = select (t, (vec) (-126.0f), t < -126.0f);

  const ivec n = convert_ivec (t - 0.5f);
  const vec f = t - convert_vec (n);
  vec p = fma (f, (vec) (0.001326472731f), (vec) (0.009671512991f));

  p = fma (p, f, (vec) (0.05550733581f));
  p = fma (p, f, (vec) (0.2402224243f));
  p = fma (p, f, (vec) (0.6931470037f));
  p = fma (p, f, (vec) (1.0f));
  return select (as_vec (as_ivec (p) + (n << 23)), (vec) (0.0f), none);
}

// Columns of a row of which n are the head's.
#if HEAD_SIZE % (2 * VW) == 0
#define GET(p, n) LOAD (p)
#define PUT(p, v, n) STORE_GLOBAL (p, v)
#else
inline vec
get_part (__global const float *restrict p, int n)
{
  float a[VW];

  if (n >= VW)
    return LOAD (p);
  for (int i = 0; i < VW; i++)
    a[i] = i < n ? p[i] : 0.0f;
  return LOAD (a);
}

inline void
put_part (__global float *restrict p, vec v, int n)
{
  float a[VW];

  STORE_PRIVATE (a, v);
  for (int i = 0; i < min (n, VW); i++)
    p[i] = a[i];
}
#define GET(p, n) get_part (p, n)
#define PUT(p, v, n) put_part (p, v, n)
#endif

typedef struct
{
  int T, stride, rounds, chunk, before, after, flags;
  int chunks; // of a round
  int ring;
  int parts;  // key tiles of a chunk
} shape;

inline shape
make_shape (int T, int stride, int rounds, int chunk, int before, int after, int flags)
{
  shape s;

  s.T = T, s.stride = stride, s.rounds = rounds, s.chunk = chunk, s.before = before, s.after = after, s.flags = flags;
#ifdef BAND
  s.chunks = ((T + rounds - 1) / rounds + chunk - 1) / chunk; // of a remainder
#else
  s.chunks = T / chunk;
#endif
  s.ring = rounds * s.chunks;
  s.parts = (chunk + KEYS - 1) / KEYS;
  return s;
}

// Chunk c + step of the ring, -1 when there is none.
inline int
neighbour (const shape *s, int c, int step)
{
  const int base = c / s->chunks * s->chunks, n = c + step;

  if (s->flags & CIRCULAR)
    return ((n % s->ring) + s->ring) % s->ring;
  return n < base || n >= base + s->chunks ? -1 : n;
}

// The next tile of the window of chunk c, from number n on, that holds keys which queries from place `first` to place `last` may see.
inline int
next_tile (const shape *s, int c, int first, int last, int reach, int n)
{
  const int end = (s->before + 1 + s->after) * s->parts;

  for (; n < end; n++)
    {
      const int k = neighbour (s, c, n / s->parts - s->before);
#ifdef BAND
      const int at = k * s->chunk + n % s->parts * KEYS;

      if (k >= 0 && (s->flags & LISTED || (at <= last + (s->flags & CAUSAL ? 0 : reach) && at + KEYS > first - reach)))
        break;
#else
      if (k >= 0 && !((s->flags & (CAUSAL | ORDERED)) == CAUSAL && k % s->chunks * s->chunk + n % s->parts * KEYS > last))
        break;
#endif
    }
  return n;
}

// Tokens of n places, `count` of which exist: as they are, and with -1 for those nobody may see.
inline void
take_tokens (__global const int *restrict order, __global const uchar *restrict mask, int flags, int first, int count, int n,
             __local int *token, __local int *seen)
{
  for (int i = 0; i < n; i++)
    {
      const int t = i >= count ? -1 : flags & ORDERED ? order[first + i] : first + i;

      token[i] = t;
      seen[i] = t >= 0 && (flags & MASKED) && !mask[t] ? -1 : t;
    }
}

#ifdef BAND
// The same from place `at` of chunk c on.
inline void
take_band (__global const uchar *restrict mask, const shape *s, int c, int at, int count, int n, __local int *token, __local int *seen)
{
  const int first = c / s->chunks + (c % s->chunks * s->chunk + at) * s->rounds;

  for (int i = 0; i < n; i++)
    {
      const int here = i < count && first + i * s->rounds < s->T, t = here ? first + i * s->rounds : -1;

      token[i] = t;
      seen[i] = here && (s->flags & MASKED) && !mask[t] ? -1 : t;
    }
}

// n global tokens from number `first` on.
inline void
take_list (__global const int *restrict list, int listed, int first, int n, __local int *token, __local int *seen)
{
  for (int i = 0; i < n; i++)
    token[i] = seen[i] = first + i < listed ? list[first + i] : -1;
}

#define GLOBALS (order + (size_t) row * listed)
#define TAKE(c, at, count, n, token, seen) take_band (mask, &s, c, at, count, n, token, seen)
#define UNITS(parts, size) (flags & LISTED ? (listed + (size) - 1) / (size) : s.ring * (parts))
// Keys of a window's slots, and of the global tokens behind them.
#define SLOT_COUNT ((before + 1 + after) * chunk)
#define WINDOW (SLOT_COUNT + (flags & LISTED ? 0 : UP (listed, 4)))
#define QUERY_INDEX(c, at, i) (((ulong) h * T + max (token[i], 0)) * window)
#else
#define TAKE(c, at, count, n, token, seen) take_tokens (ORDER ((c) / s.chunks), mask, flags, (c) % s.chunks * chunk + (at), count, n, token, seen)
#define UNITS(parts, size) (s.chunks * (parts))
#define WINDOW ((before + 1 + after) * chunk)
#define QUERY_INDEX(c, at, i) ((((ulong) h * rounds + (c) / s.chunks) * T + (c) % s.chunks * chunk + (at) + (i)) * window)
#endif

// Asks for the rows of n places from `from` on of a chunk of `count`. Called during products, so that rows wait in the cache when they are taken.
inline void
fetch_rows (__global const float *restrict x, __global const int *restrict order, int flags, int first, int from, int n, int count, int stride)
{
#if defined(HAVE_PREFETCH) && !defined(BAND)
  for (int i = from; i < min (from + n, count); i++)
    {
      const int t = flags & ORDERED ? order[first + i] : first + i;
      __global const float *row = x + (size_t) t * stride;

      for (int d = 0; d < HEAD_SIZE; d += 16)
        FETCH (row + d);
    }
#endif
}

inline void
take_rows (__global const float *restrict from, __local const int *restrict seen, int n, int stride, __local float *restrict to)
{
  for (int i = 0; i < n; i++)
    {
      const int t = seen[i];
      __global const float *row = from + (size_t) max (t, 0) * stride;

      for (int d = 0; d < WIDTH; d += VW)
        STORE_LOCAL (to + i * WIDTH + d, t < 0 ? (vec) (0.0f) : GET (row + d, HEAD_SIZE - d));
    }
}

// n keys with their values, and what a key is multiplied by before it meets a query.
inline void
take_keys (__global const float *restrict k, __global const float *restrict v, __local const int *restrict seen, int n, int stride, int flags, float factor,
           __local float *restrict x, __local float *restrict y, __local float *restrict scale)
{
  for (int j = 0; j < n; j++)
    {
      const int t = seen[j];
      __global const float *kt = k + (size_t) max (t, 0) * stride, *vt = v + (size_t) max (t, 0) * stride;
      vec sum = 0;

      for (int d = 0; d < WIDTH; d += VW)
        {
          const vec a = t < 0 ? (vec) (0.0f) : GET (kt + d, HEAD_SIZE - d);

          sum = fma (a, a, sum);
          STORE_LOCAL (x + j * WIDTH + d, a);
          STORE_LOCAL (y + j * WIDTH + d, t < 0 ? (vec) (0.0f) : GET (vt + d, HEAD_SIZE - d));
        }
      scale[j] = flags & SHARED ? vec_sum (sum) : 0.0f;
    }
  for (int j = 0; j < n; j += VW)
    STORE_LOCAL (scale + j, flags & SHARED ? rsqrt ((float) HEAD_SIZE) / sqrt (LOAD (scale + j) * (1.0f / HEAD_SIZE) + 1e-6f) : (vec) (factor));
}

#if VW == 16
#define LOW(a, b)  (vec) (a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define HIGH(a, b) (vec) (a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#define SHUFFLES 4
#else
#define LOW(a, b)  (vec) (a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define HIGH(a, b) (vec) (a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define SHUFFLES 3
#endif

// Rows of n (a multiple of VW) tokens as columns: to[d][i], `ld` from d to d, by perfect shuffles.
inline void
take_columns (__global const float *restrict from, __local const int *restrict seen, int n, int stride, __local float *restrict to, int ld)
{
  for (int i0 = 0; i0 < n; i0 += VW)
    for (int d0 = 0; d0 < HEAD_SIZE; d0 += VW)
      {
        vec r[VW], s[VW];

#pragma unroll
        for (int i = 0; i < VW; i++)
          {
            const int t = seen[i0 + i];
            __global const float *row = from + (size_t) max (t, 0) * stride + d0;

            r[i] = t < 0 ? (vec) (0.0f) : GET (row, HEAD_SIZE - d0);
          }
#pragma unroll
        for (int k = 0; k < SHUFFLES; k++)
          {
#pragma unroll
            for (int i = 0; i < VW / 2; i++)
              {
                s[2 * i] = LOW (r[i], r[i + VW / 2]);
                s[2 * i + 1] = HIGH (r[i], r[i + VW / 2]);
              }
#pragma unroll
            for (int i = 0; i < VW; i++)
              r[i] = s[i];
          }
#pragma unroll
        for (int i = 0; i < VW; i++)
          STORE_LOCAL (to + (d0 + i) * ld + i0, r[i]);
      }
}

#if VW == 16
#define HIGH_HALF(a, m) convert_uint16 ((convert_ulong16 (a) * (ulong16) (m)) >> (ulong16) (32))
#else
#define HIGH_HALF(a, m) convert_uint8 ((convert_ulong8 (a) * (ulong8) (m)) >> (ulong8) (32))
#endif

// dropout_words of VW queries: word n of quad (low, high) of each.
inline void
draw_quads (uint4 key, uint sequence, uvec low, uvec high, uvec *restrict word)
{
  uvec c0 = low, c1 = high, c2 = (uvec) (sequence), c3 = (uvec) (key.z);
  uint k0 = key.x, k1 = key.y;

  for (int i = 0; i < 10; i++)
    {
      const uvec h0 = HIGH_HALF (c0, 0xD2511F53u), l0 = c0 * 0xD2511F53u, h1 = HIGH_HALF (c2, 0xCD9E8D57u), l1 = c2 * 0xCD9E8D57u;

      c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0;
      k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
  word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

#define DROPPED(draw) select ((vec) (0.0f), (vec) (scale), (draw) >= (uvec) (key.w))

// Factors 0 or `scale` of n keys (a multiple of 4), the first one in slot `slot`, for LANES queries: set, or multiplied into what `to` holds. `base` is each query's
// index of slot 0. With chunks of whole quads one drawing serves four keys.
inline void
drop (uint4 key, float scale, uint sequence, __local const ulong *restrict base, int slot, int n, int whole, int times, __local float *restrict to)
{
  for (int i = 0; i < LANES; i += VW)
    {
      uint a[VW], b[VW], r[VW];

      for (int k = 0; k < VW; k++)
        a[k] = (uint) (base[i + k] >> 2), b[k] = (uint) (base[i + k] >> 34), r[k] = (uint) base[i + k] & 3;

      const uvec first = vloadv (0, a), high = vloadv (0, b), rest = vloadv (0, r) + (uint) slot;
      uvec word[4];

      for (int j = 0; j < n; j++)
        {
          const uvec at = rest + (uint) j, low = first + (at >> 2u), place = at & 3u;
          vec f;

          if (!whole || (j & 3) == 0)
            draw_quads (key, sequence, low, select (high, high + 1u, low < first), word);
          if (whole)
            f = DROPPED (word[j & 3]);
          else
            f = DROPPED (select (select (word[0], word[1], place == 1u), select (word[2], word[3], place == 3u), place >= 2u));
          if (times)
            f *= LOAD (to + j * LANES + i);
          STORE_LOCAL (to + j * LANES + i, f);
        }
    }
}


#define SHAPE_ARGUMENTS int T, int rows, int stride, int rounds, int round, int chunk, int before, int after, int flags, float factor, int span, int reach, int listed
#define DROPOUT_ARGUMENTS ulong index, uint4 key, float scale, uint sequence
#define HEAD(p) ((p) + (size_t) row * T * stride + h * HEAD_SIZE)
#define ORDER(r) (order + (((size_t) h * rounds + (r)) * rows + row) * T)
#define ENTRIES(p) ((p) + ((size_t) h * rows + row) * T)

// The keys that a query may see, by their tokens: up to limit; in a band (`far` is its length in tokens, below 0 for keys that all see) from low on.
#ifdef BAND
#define LIMIT(q) (flags & CAUSAL ? q : far < 0 ? (ivec) (INT_MAX - 1) : q + far)
#define LOWS(q0, q1) const ivec low0 = far < 0 ? (ivec) (INT_MIN) : q0 - far, low1 = far < 0 ? (ivec) (INT_MIN) : q1 - far;
#define BEYOND(limit, low) ((number > limit) | (number < low))
#else
#define LIMIT(q) (flags & CAUSAL ? q : (ivec) (INT_MAX - 1))
#define LOWS(q0, q1)
#define BEYOND(limit, low) (number > limit)
#endif
#define QUERY_VECTORS(i0)                                                                                                                 \
  const ivec q0 = vloadv (0, seen + i0), q1 = vloadv (0, seen + i0 + VW);                                                                 \
  const ivec limit0 = LIMIT (q0), limit1 = LIMIT (q1);                                                                                     \
  const ivec own0 = flags & SELF_LAST ? q0 : (ivec) (-2), own1 = flags & SELF_LAST ? q1 : (ivec) (-2);                                    \
  LOWS (q0, q1)

// What backward needs of n queries beside their rows: maximum, 1 / sum (0 where there is no query) and delta.
inline void
take_stats (__global const float *restrict stats, __global const float *restrict delta, __local const int *restrict seen, int n,
            __local float *restrict top, __local float *restrict one, __local float *restrict slope)
{
  for (int i = 0; i < n; i++)
    {
      const int t = seen[i];

      top[i] = t < 0 ? 0.0f : stats[(size_t) t * 2];
      one[i] = t < 0 ? 0.0f : stats[(size_t) t * 2 + 1];
      slope[i] = t < 0 ? 0.0f : delta[t];
    }
  for (int i = 0; i < n; i += VW)
    STORE_LOCAL (one + i, select (1.0f / LOAD (one + i), (vec) (0.0f), LOAD (one + i) == 0.0f));
}

// Gradients. With the joined stats: p = 2^(s log2 e - m) / l, ds = p (factor dout . v - delta), 0 where the score was replaced, and with the weights' dropout in
// p after that:
//   dv_j = sum_i p dout_i,  dq_i = sum_j ds k_j,  dk_j = sum_i ds q_i.
// WEIGHT takes c = q . k of a tile to p, SLOPE takes c = dout . v and p to ds; both times are TILE keys from j on.
#define WEIGHT1(c, limit, low, own, m, one, at)                          \
  {                                                                      \
    vec s_ = c * by;                                                     \
    s_ = select (s_, (vec) (NOT_ALLOWED), BEYOND (limit, low));          \
    s_ = select (s_, (vec) (SELF), number == own);                       \
    STORE_LOCAL (to + (at), exp2_below (s_ - m) * one);                  \
  }
#define WEIGHT(i)                                                        \
  {                                                                      \
    const vec by = (vec) (scales[j + i] * LOG2E);                        \
    const ivec number = (ivec) (tokens[j + i] < 0 ? INT_MAX : tokens[j + i]); \
    __local float *to = weights + (j + i) * pitch;                       \
    WEIGHT1 (c##i##0, limit0, low0, own0, top0, one0, 0)                 \
    WEIGHT1 (c##i##1, limit1, low1, own1, top1, one1, VW)                \
  }
#define SLOPE1(c, limit, low, own, slope, at)                            \
  {                                                                      \
    const vec p_ = LOAD (to + (at));                                     \
    vec s_ = c;                                                          \
    if (key.w != 0)                                                      \
      {                                                                  \
        const vec f_ = LOAD (factors + i_ * LANES + (at));               \
        s_ *= f_;                                                        \
        STORE_LOCAL (to + (at), p_ * f_);                                \
      }                                                                  \
    s_ = (s_ - slope) * p_ * by;                                         \
    s_ = select (s_, (vec) (0.0f), BEYOND (limit, low) | (number == own)); \
    STORE_LOCAL (slopes + (j + i_) * pitch + (at), s_);                  \
  }
#define SLOPE(i)                                                         \
  {                                                                      \
    const int i_ = i;                                                    \
    const vec by = (vec) (scales[j + i]);                                \
    const ivec number = (ivec) (tokens[j + i] < 0 ? INT_MAX : tokens[j + i]); \
    __local float *to = weights + (j + i) * pitch;                       \
    SLOPE1 (c##i##0, limit0, low0, own0, slope0, 0)                      \
    SLOPE1 (c##i##1, limit1, low1, own1, slope1, VW)                     \
  }
#define STATS_VECTORS(i0)                                                                                                                 \
  const vec top0 = LOAD (top + i0), top1 = LOAD (top + i0 + VW), one0 = LOAD (one + i0), one1 = LOAD (one + i0 + VW);                     \
  const vec slope0 = LOAD (slope + i0), slope1 = LOAD (slope + i0 + VW);

#define ADD_TO(i)                                                        \
  {                                                                      \
    __local float *to = sums + i * WIDTH;                                \
    STORE_LOCAL (to, LOAD (to) + c##i##0);                               \
    STORE_LOCAL (to + VW, LOAD (to + VW) + c##i##1);                     \
  }
#define SET_TO(i)                                                        \
  {                                                                      \
    __local float *to = sums + i * WIDTH;                                \
    STORE_LOCAL (to, c##i##0);                                           \
    STORE_LOCAL (to + VW, c##i##1);                                      \
  }
