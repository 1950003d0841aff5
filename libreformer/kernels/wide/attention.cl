/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Attention of queries to the keys of a window of chunks, forward and backward, for CPU devices: a work-group is one work-item.
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
  s.chunks = T / chunk;
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

// The next tile of the window of chunk c, from number n on, that holds keys which queries up to place `last` may see.
inline int
next_tile (const shape *s, int c, int last, int n)
{
  const int end = (s->before + 1 + s->after) * s->parts;

  for (; n < end; n++)
    {
      const int k = neighbour (s, c, n / s->parts - s->before);

      if (k >= 0 && !((s->flags & (CAUSAL | ORDERED)) == CAUSAL && k % s->chunks * s->chunk + n % s->parts * KEYS > last))
        break;
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


#define SHAPE_ARGUMENTS int T, int rows, int stride, int rounds, int round, int chunk, int before, int after, int flags, float factor, int span
#define DROPOUT_ARGUMENTS ulong index, uint4 key, float scale, uint sequence
#define HEAD(p) ((p) + (size_t) row * T * stride + h * HEAD_SIZE)
#define ORDER(r) (order + (((size_t) h * rounds + (r)) * rows + row) * T)
#define ENTRIES(p) ((p) + ((size_t) h * rows + row) * T)

// Scores of a tile: c is q . k. Also the largest of each query.
#define SCORE1(c, limit, own, best, at)                                  \
  {                                                                      \
    vec s_ = c * by;                                                     \
    s_ = select (s_, (vec) (NOT_ALLOWED), number > limit);               \
    s_ = select (s_, (vec) (SELF), number == own);                       \
    best = select (best, s_, s_ > best);                                 \
    STORE_LOCAL (to + (at), s_);                                         \
  }
#define SCORE(i)                                                         \
  {                                                                      \
    const vec by = (vec) (scales[j + i] * LOG2E);                        \
    const ivec number = (ivec) (tokens[j + i] < 0 ? INT_MAX : tokens[j + i]); \
    __local float *to = weights + (j + i) * LANES;                       \
    SCORE1 (c##i##0, limit0, own0, best0, 0)                             \
    SCORE1 (c##i##1, limit1, own1, best1, VW)                            \
  }

// A query's row of the result: the last block writes it, joined with the rounds before.
#define OUT1(c, d, t)                                                                       \
  if ((d) < HEAD_SIZE)                                                                      \
    {                                                                                       \
      __global float *o_ = out + (size_t) t * stride + (d);                                 \
      vec y_ = c * (vec) (part[i + k_]);                                                    \
      if (round > 0)                                                                        \
        y_ = fma (GET (o_, HEAD_SIZE - (d)), (vec) (kept[i + k_]), y_);                     \
      if (seen[i0 + i + k_] < 0)                                                            \
        y_ = 0;                                                                             \
      PUT (o_, y_, HEAD_SIZE - (d));                                                        \
    }
#define OUT(k)                                                                              \
  {                                                                                         \
    const int k_ = k, t_ = token[i0 + i + k];                                               \
    __local float *a_ = sums + (i0 + i + k) * WIDTH + d;                                    \
    if (!first)                                                                             \
      {                                                                                     \
        const vec f_ = (vec) (fall[i + k]);                                                 \
        c##k##0 = fma (LOAD (a_), f_, c##k##0);                                             \
        c##k##1 = fma (LOAD (a_ + VW), f_, c##k##1);                                        \
      }                                                                                     \
    if (!last)                                                                              \
      {                                                                                     \
        STORE_LOCAL (a_, c##k##0);                                                          \
        STORE_LOCAL (a_ + VW, c##k##1);                                                     \
      }                                                                                     \
    else if (t_ >= 0)                                                                       \
      {                                                                                     \
        OUT1 (c##k##0, d, t_)                                                               \
        OUT1 (c##k##1, d + VW, t_)                                                          \
      }                                                                                     \
  }

// Global size: ceil (query tiles of a round / span), heads, rows. Keys come in blocks of up to two tiles, which lie in two slots; a tile that is still in one is
// not fetched again, so that a group that walks along small chunks fetches each row once.
__kernel ONE_ITEM void
attention_forward (SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                   SPAN (float, out), SPAN (float, stats), SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  const int h = get_global_id (1), row = get_global_id (2);
  const shape s = make_shape (T, stride, rounds, chunk, before, after, flags);
  const int parts = (chunk + QUERIES - 1) / QUERIES, end = min (s.chunks * parts, ((int) get_global_id (0) + 1) * span);
  const int window = (before + 1 + after) * chunk, tiles = (before + 1 + after) * s.parts;
  __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at);
  __global const int *order = order_ + order_at;
  __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
  __global float *out = HEAD (out_ + out_at), *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2;
  __local float x[2 * KEYS * WIDTH], y[2 * KEYS * WIDTH], xt[WIDTH * QUERIES], p[2 * KEYS * LANES], sums[QUERIES * WIDTH], by[2 * KEYS];
  __local float top[QUERIES], total[QUERIES], fall[LANES], part[LANES], kept[LANES];
  __local int keys[2 * KEYS], token[QUERIES], seen[QUERIES];
  __local ulong base[LANES];
  int held[2] = { -1, -1 }, recent = 1;

  for (int u = get_global_id (0) * span; u < end; u++)
    {
      const int c = round * s.chunks + u / parts, place = u / parts * chunk + u % parts * QUERIES, count = min (QUERIES, chunk - u % parts * QUERIES);
      int n = next_tile (&s, c, place + count - 1, 0);

      take_tokens (ORDER (round), mask, flags, place, count, QUERIES, token, seen);
      take_columns (q, seen, UP (count, LANES), stride, xt, QUERIES);
      for (int first = 1, last = 0; !last; first = 0)
        {
          int tile[2], slot[2], length[2], number[2], got = 0;

          for (; n < tiles && got < 2; n = next_tile (&s, c, place + count - 1, n + 1), got++)
            {
              tile[got] = neighbour (&s, c, n / s.parts - before) * s.parts + n % s.parts;
              length[got] = UP (min (KEYS, chunk - n % s.parts * KEYS), TILE);
              number[got] = n / s.parts * chunk + n % s.parts * KEYS;
            }
          last = n >= tiles;
          for (int b = 0; b < got; b++)
            {
              const int other = b ? slot[0] : got == 2 && held[0] == tile[1] ? 0 : got == 2 && held[1] == tile[1] ? 1 : recent;
              const int kc = tile[b] / s.parts, at = tile[b] % s.parts * KEYS;

              slot[b] = held[0] == tile[b] ? 0 : held[1] == tile[b] ? 1 : 1 - other;
              recent = slot[b];
              if (held[slot[b]] == tile[b])
                continue;
              held[slot[b]] = tile[b];
              take_tokens (ORDER (kc / s.chunks), mask, flags, kc % s.chunks * chunk + at, min (KEYS, chunk - at), KEYS, keys + slot[b] * KEYS, keys + slot[b] * KEYS);
              take_keys (k, v, keys + slot[b] * KEYS, length[b], stride, flags, factor, x + slot[b] * KEYS * WIDTH, y + slot[b] * KEYS * WIDTH, by + slot[b] * KEYS);
            }

          for (int i0 = 0; i0 < count; i0 += LANES)
            {
              const ivec q0 = vloadv (0, seen + i0), q1 = vloadv (0, seen + i0 + VW);
              const ivec limit0 = flags & CAUSAL ? q0 : (ivec) (INT_MAX - 1), limit1 = flags & CAUSAL ? q1 : (ivec) (INT_MAX - 1);
              const ivec own0 = flags & SELF_LAST ? q0 : (ivec) (-2), own1 = flags & SELF_LAST ? q1 : (ivec) (-2);
              const vec top0 = first ? (vec) (LOWEST) : LOAD (top + i0), top1 = first ? (vec) (LOWEST) : LOAD (top + i0 + VW);
              vec best0 = top0, best1 = top1;

              for (int b = 0; b < got; b++)
                {
                  __local float *weights = p + b * KEYS * LANES;
                  __local const float *scales = by + slot[b] * KEYS;
                  __local const int *tokens = keys + slot[b] * KEYS;

                  for (int j = 0; j < length[b]; j += TILE)
                    {
                      __local const float *a = x + (slot[b] * KEYS + j) * WIDTH;
#define A(l, i) a[(i) * WIDTH + l]
                      TILE_SUM (xt + i0, QUERIES, HEAD_SIZE)
#undef A
                      EACH (SCORE)
                    }
                }

              const vec fall0 = exp2_below (top0 - best0), fall1 = exp2_below (top1 - best1);
              vec l0 = first ? (vec) (0.0f) : LOAD (total + i0) * fall0, l1 = first ? (vec) (0.0f) : LOAD (total + i0 + VW) * fall1;

              for (int b = 0; b < got; b++)
                {
                  __local float *weights = p + b * KEYS * LANES;

                  for (int j = 0; j < length[b]; j++)
                    {
                      const vec e0 = exp2_below (LOAD (weights + j * LANES) - best0), e1 = exp2_below (LOAD (weights + j * LANES + VW) - best1);

                      l0 += e0, l1 += e1;
                      STORE_LOCAL (weights + j * LANES, e0);
                      STORE_LOCAL (weights + j * LANES + VW, e1);
                    }
                  if (key.w != 0)
                    {
                      for (int i = 0; i < LANES; i++)
                        base[i] = index + (((ulong) h * rounds + round) * T + place + i0 + i) * window;
                      drop (key, scale, sequence + row, base, number[b], length[b], chunk % 4 == 0, 1, weights);
                    }
                }
              STORE_LOCAL (fall, fall0);
              STORE_LOCAL (fall + VW, fall1);
              STORE_LOCAL (top + i0, best0);
              STORE_LOCAL (top + i0 + VW, best1);
              STORE_LOCAL (total + i0, l0);
              STORE_LOCAL (total + i0 + VW, l1);
              if (last)
                {
                  for (int i = 0; i < LANES; i++)
                    {
                      const int t = seen[i0 + i];

                      part[i] = round > 0 && t >= 0 ? stats[(size_t) t * 2] : LOWEST;
                      kept[i] = round > 0 && t >= 0 ? stats[(size_t) t * 2 + 1] : 0.0f;
                    }
                  for (int i = 0; i < LANES; i += VW)
                    {
                      const vec m = LOAD (top + i0 + i), old = LOAD (part + i), high = select (m, old, old > m);
                      const vec now = exp2_below (m - high), then = exp2_below (old - high) * LOAD (kept + i), l = LOAD (total + i0 + i) * now + then;
                      const vec one = select (1.0f / l, (vec) (0.0f), l == 0.0f);

                      STORE_LOCAL (top + i0 + i, high);
                      STORE_LOCAL (total + i0 + i, l);
                      STORE_LOCAL (part + i, now * one);
                      STORE_LOCAL (kept + i, then * one);
                    }
                  for (int i = 0; i < LANES; i++)
                    if (token[i0 + i] >= 0)
                      {
                        stats[(size_t) token[i0 + i] * 2] = seen[i0 + i] < 0 ? 0.0f : top[i0 + i];
                        stats[(size_t) token[i0 + i] * 2 + 1] = seen[i0 + i] < 0 ? 1.0f : total[i0 + i];
                      }
                }

              for (int d = 0; d < WIDTH; d += LANES)
                for (int i = 0; i < min (LANES, count - i0); i += TILE)
                  {
                    EACH (TILE_ZERO)
#define A(l, i) a[(l) * LANES + i]
                    for (int b = 0; b < got; b++)
                      {
                        __local const float *a = p + b * KEYS * LANES + i;

                        TILE_ADD (y + slot[b] * KEYS * WIDTH + d, WIDTH, length[b])
                      }
#undef A
                    EACH (OUT)
                  }
            }
        }
    }
}

// delta = dout . out, 0 where masked. Global size: tokens, heads, rows.
__kernel void
attention_delta (SPAN (const float, out), SPAN (const float, dout), SPAN (const uchar, mask), SPAN (float, delta), int T, int rows, int stride, int flags)
{
  const int t = get_global_id (0), h = get_global_id (1), row = get_global_id (2);

  if (t >= T)
    return;

  __global const float *a = HEAD (out_ + out_at) + (size_t) t * stride, *b = HEAD (dout_ + dout_at) + (size_t) t * stride;
  vec sum = 0;

  if (!(flags & MASKED) || (mask_ + mask_at)[(size_t) row * T + t])
    for (int d = 0; d < HEAD_SIZE; d += VW)
      sum = fma (GET (a + d, HEAD_SIZE - d), GET (b + d, HEAD_SIZE - d), sum);
  ENTRIES (delta_ + delta_at)[t] = vec_sum (sum);
}

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
#define WEIGHT1(c, limit, own, m, one, at)                               \
  {                                                                      \
    vec s_ = c * by;                                                     \
    s_ = select (s_, (vec) (NOT_ALLOWED), number > limit);               \
    s_ = select (s_, (vec) (SELF), number == own);                       \
    STORE_LOCAL (to + (at), exp2_below (s_ - m) * one);                  \
  }
#define WEIGHT(i)                                                        \
  {                                                                      \
    const vec by = (vec) (scales[j + i] * LOG2E);                        \
    const ivec number = (ivec) (tokens[j + i] < 0 ? INT_MAX : tokens[j + i]); \
    __local float *to = weights + (j + i) * LANES;                       \
    WEIGHT1 (c##i##0, limit0, own0, top0, one0, 0)                       \
    WEIGHT1 (c##i##1, limit1, own1, top1, one1, VW)                      \
  }
#define SLOPE1(c, limit, own, slope, at)                                 \
  {                                                                      \
    const vec p_ = LOAD (to + (at));                                     \
    vec s_ = c;                                                          \
    if (key.w != 0)                                                      \
      {                                                                  \
        const vec f_ = LOAD (factors + (j + i_) * LANES + (at));         \
        s_ *= f_;                                                        \
        STORE_LOCAL (to + (at), p_ * f_);                                \
      }                                                                  \
    s_ = (s_ - slope) * p_ * by;                                         \
    s_ = select (s_, (vec) (0.0f), (number > limit) | (number == own));     \
    STORE_LOCAL (slopes + (j + i_) * LANES + (at), s_);                  \
  }
#define SLOPE(i)                                                         \
  {                                                                      \
    const int i_ = i;                                                    \
    const vec by = (vec) (scales[j + i]);                                \
    const ivec number = (ivec) (tokens[j + i] < 0 ? INT_MAX : tokens[j + i]); \
    __local float *to = weights + (j + i) * LANES;                       \
    SLOPE1 (c##i##0, limit0, own0, slope0, 0)                            \
    SLOPE1 (c##i##1, limit1, own1, slope1, VW)                           \
  }
#define QUERY_VECTORS(i0)                                                                                                                 \
  const ivec q0 = vloadv (0, seen + i0), q1 = vloadv (0, seen + i0 + VW);                                                                 \
  const ivec limit0 = flags & CAUSAL ? q0 : (ivec) (INT_MAX - 1), limit1 = flags & CAUSAL ? q1 : (ivec) (INT_MAX - 1);                    \
  const ivec own0 = flags & SELF_LAST ? q0 : (ivec) (-2), own1 = flags & SELF_LAST ? q1 : (ivec) (-2);
#define STATS_VECTORS(i0)                                                                                                                 \
  const vec top0 = LOAD (top + i0), top1 = LOAD (top + i0 + VW), one0 = LOAD (one + i0), one1 = LOAD (one + i0 + VW);                     \
  const vec slope0 = LOAD (slope + i0), slope1 = LOAD (slope + i0 + VW);

#define ADD_TO(i)                                                        \
  {                                                                      \
    __local float *to = sums + i * WIDTH;                                \
    STORE_LOCAL (to, LOAD (to) + c##i##0);                               \
    STORE_LOCAL (to + VW, LOAD (to + VW) + c##i##1);                     \
  }

// dq of query tiles. Global size: ceil (query tiles of a round / span), heads, rows.
__kernel ONE_ITEM void
attention_backward_queries (SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                            SPAN (const float, stats), SPAN (const float, delta), SPAN (const float, dout), SPAN (float, dq), SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  const int h = get_global_id (1), row = get_global_id (2);
  const shape s = make_shape (T, stride, rounds, chunk, before, after, flags);
  const int parts = (chunk + QUERIES - 1) / QUERIES, end = min (s.chunks * parts, ((int) get_global_id (0) + 1) * span);
  const int window = (before + 1 + after) * chunk, tiles = (before + 1 + after) * s.parts;
  __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at), *dout = HEAD (dout_ + dout_at);
  __global const float *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2, *delta = ENTRIES (delta_ + delta_at);
  __global const int *order = order_ + order_at;
  __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
  __global float *dq = HEAD (dq_ + dq_at);
  __local float x[KEYS * WIDTH], y[KEYS * WIDTH], xt[WIDTH * QUERIES], gt[WIDTH * QUERIES], gq[QUERIES * WIDTH], by[KEYS];
  __local float weights[KEYS * LANES], slopes[KEYS * LANES], factors[KEYS * LANES], top[QUERIES], one[QUERIES], slope[QUERIES];
  __local int keys[KEYS], token[QUERIES], seen[QUERIES];
  __local ulong base[LANES];
  __local const float *scales = by;
  __local const int *tokens = keys;
  int held = -1;

  for (int u = get_global_id (0) * span; u < end; u++)
    {
      const int c = round * s.chunks + u / parts, place = u / parts * chunk + u % parts * QUERIES, count = min (QUERIES, chunk - u % parts * QUERIES);

      take_tokens (ORDER (round), mask, flags, place, count, QUERIES, token, seen);
      take_columns (q, seen, UP (count, LANES), stride, xt, QUERIES);
      take_columns (dout, seen, UP (count, LANES), stride, gt, QUERIES);
      take_stats (stats, delta, seen, QUERIES, top, one, slope);
      for (int i = 0; i < QUERIES * WIDTH; i += VW)
        STORE_LOCAL (gq + i, (vec) (0.0f));

      for (int n = next_tile (&s, c, place + count - 1, 0); n < tiles; n = next_tile (&s, c, place + count - 1, n + 1))
        {
          const int kc = neighbour (&s, c, n / s.parts - before), at = n % s.parts * KEYS, length = UP (min (KEYS, chunk - at), TILE);

          if (held != kc * s.parts + n % s.parts)
            {
              held = kc * s.parts + n % s.parts;
              take_tokens (ORDER (kc / s.chunks), mask, flags, kc % s.chunks * chunk + at, min (KEYS, chunk - at), KEYS, keys, keys);
              take_keys (k, v, keys, length, stride, flags, factor, x, y, by);
            }
          for (int i0 = 0; i0 < count; i0 += LANES)
            {
              QUERY_VECTORS (i0)
              STATS_VECTORS (i0)

              if (key.w != 0)
                {
                  for (int i = 0; i < LANES; i++)
                    base[i] = index + (((ulong) h * rounds + round) * T + place + i0 + i) * window;
                  drop (key, scale, sequence + row, base, n / s.parts * chunk + at, length, chunk % 4 == 0, 0, factors);
                }
              for (int j = 0; j < length; j += TILE)
                {
#define A(l, i) a[(i) * WIDTH + l]
                  {
                    __local const float *a = x + j * WIDTH;
                    TILE_SUM (xt + i0, QUERIES, HEAD_SIZE)
                    EACH (WEIGHT)
                  }
                  {
                    __local const float *a = y + j * WIDTH;
                    TILE_SUM (gt + i0, QUERIES, HEAD_SIZE)
                    EACH (SLOPE)
                  }
#undef A
                }
              for (int d = 0; d < WIDTH; d += LANES)
                for (int i = 0; i < min (LANES, count - i0); i += TILE)
                  {
                    __local const float *a = slopes + i;
                    __local float *sums = gq + (i0 + i) * WIDTH + d;
#define A(l, i) a[(l) * LANES + i]
                    TILE_SUM (x + d, WIDTH, length)
#undef A
                    EACH (ADD_TO)
                  }
            }
        }

      for (int i = 0; i < count; i++)
        for (int d = 0; d < HEAD_SIZE; d += VW)
          {
            __global float *to = dq + (size_t) token[i] * stride + d;
            const vec g = LOAD (gq + i * WIDTH + d);

            PUT (to, round > 0 ? GET (to, HEAD_SIZE - d) + g : g, HEAD_SIZE - d);
          }
    }
}

// dk and dv of key tiles, which hear from LANES queries at a time. Keys that are the queries' normalised rows x by: with g = sum_i ds q_i their part of dq,
// added to what attention_backward_queries left, is g - x (x . g) by^2. Global size: ceil (key tiles of a round / span), heads, rows.
__kernel ONE_ITEM void
attention_backward_keys (SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                         SPAN (const float, stats), SPAN (const float, delta), SPAN (const float, dout), SPAN (float, dk), SPAN (float, dv),
                         SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  const int h = get_global_id (1), row = get_global_id (2);
  const shape s = make_shape (T, stride, rounds, chunk, before, after, flags);
  const int end = min (s.chunks * s.parts, ((int) get_global_id (0) + 1) * span), window = (before + 1 + after) * chunk;
  __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at), *dout = HEAD (dout_ + dout_at);
  __global const float *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2, *delta = ENTRIES (delta_ + delta_at);
  __global const int *order = order_ + order_at;
  __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
  __global float *dk = HEAD (dk_ + dk_at), *dv = HEAD (dv_ + dv_at);
  __local float x[KEYS * WIDTH], y[KEYS * WIDTH], gk[KEYS * WIDTH], gv[KEYS * WIDTH], by[KEYS];
  __local float qx[LANES * WIDTH], g[LANES * WIDTH], xt[WIDTH * LANES], gt[WIDTH * LANES];
  __local float weights[KEYS * LANES], slopes[KEYS * LANES], factors[KEYS * LANES], top[LANES], one[LANES], slope[LANES];
  __local int keys[KEYS], places[KEYS], token[LANES], seen[LANES];
  __local ulong base[LANES];
  __local const float *scales = by;
  __local const int *tokens = keys;

  for (int u = get_global_id (0) * span; u < end; u++)
    {
      const int c = round * s.chunks + u / s.parts, at = u % s.parts * KEYS, count = min (KEYS, chunk - at), length = UP (count, TILE);
      const int first_key = u / s.parts * chunk + at;

      take_tokens (ORDER (round), mask, flags, first_key, count, KEYS, places, keys);
      take_keys (k, v, keys, length, stride, flags, factor, x, y, by);
      for (int i = 0; i < KEYS * WIDTH; i += VW)
        {
          STORE_LOCAL (gk + i, (vec) (0.0f));
          STORE_LOCAL (gv + i, (vec) (0.0f));
        }

      for (int w = 0; w <= before + after; w++)
        {
          const int qc = neighbour (&s, c, before - w);

          for (int i0 = 0; qc >= 0 && i0 < chunk; i0 += LANES)
            {
              const int place = qc % s.chunks * chunk + i0, n = min (LANES, chunk - i0);

              if ((flags & (CAUSAL | ORDERED)) == CAUSAL && place + n - 1 < first_key)
                continue;
              take_tokens (ORDER (qc / s.chunks), mask, flags, place, n, LANES, token, seen);
              take_columns (q, seen, LANES, stride, xt, LANES);
              take_columns (dout, seen, LANES, stride, gt, LANES);
              take_rows (q, seen, n, stride, qx);
              take_rows (dout, seen, n, stride, g);
              take_stats (stats, delta, seen, LANES, top, one, slope);

              QUERY_VECTORS (0)
              STATS_VECTORS (0)

              if (key.w != 0)
                {
                  for (int i = 0; i < LANES; i++)
                    base[i] = index + (((ulong) h * rounds + qc / s.chunks) * T + place + i) * window;
                  drop (key, scale, sequence + row, base, w * chunk + at, length, chunk % 4 == 0, 0, factors);
                }
#define A(l, i) a[(i) * WIDTH + l]
              for (int j = 0; j < length; j += TILE)
                {
                  {
                    __local const float *a = x + j * WIDTH;
                    TILE_SUM (xt, LANES, HEAD_SIZE)
                    EACH (WEIGHT)
                  }
                  {
                    __local const float *a = y + j * WIDTH;
                    TILE_SUM (gt, LANES, HEAD_SIZE)
                    EACH (SLOPE)
                  }
                }
#undef A
#define A(l, i) a[(i) * LANES + l]
              for (int d = 0; d < WIDTH; d += LANES)
                for (int j = 0; j < length; j += TILE)
                  {
                    {
                      __local const float *a = weights + j * LANES;
                      __local float *sums = gv + j * WIDTH + d;
                      TILE_SUM (g + d, WIDTH, n)
                      EACH (ADD_TO)
                    }
                    {
                      __local const float *a = slopes + j * LANES;
                      __local float *sums = gk + j * WIDTH + d;
                      TILE_SUM (qx + d, WIDTH, n)
                      EACH (ADD_TO)
                    }
                  }
#undef A
            }
        }

      for (int j = 0; j < count; j++)
        {
          __global float *to = dk + (size_t) places[j] * stride, *tov = dv + (size_t) places[j] * stride;
          float dot = 0;

          if (flags & SHARED)
            {
              vec sum = 0;

              for (int d = 0; d < WIDTH; d += VW)
                sum = fma (LOAD (x + j * WIDTH + d), LOAD (gk + j * WIDTH + d), sum);
              dot = vec_sum (sum) * by[j] * by[j];
            }
          for (int d = 0; d < HEAD_SIZE; d += VW)
            {
              vec a = LOAD (gk + j * WIDTH + d), b = LOAD (gv + j * WIDTH + d);

              if (flags & SHARED)
                a -= LOAD (x + j * WIDTH + d) * dot;
              if (round > 0 || (flags & SHARED))
                a += GET (to + d, HEAD_SIZE - d);
              if (round > 0)
                b += GET (tov + d, HEAD_SIZE - d);
              PUT (to + d, a, HEAD_SIZE - d);
              PUT (tov + d, b, HEAD_SIZE - d);
            }
        }
    }
}
