/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Forward, and what backward needs of its result. Layout, indices and macros: attention-tiles.cl.

// Scores of a tile: c is q . k. Also the largest of each query.
#define SCORE1(c, limit, low, own, best, at)                             \
  {                                                                      \
    vec s_ = c * by;                                                     \
    s_ = select (s_, (vec) (NOT_ALLOWED), BEYOND (limit, low));          \
    s_ = select (s_, (vec) (SELF), number == own);                       \
    best = select (best, s_, s_ > best);                                 \
    STORE_LOCAL (to + (at), s_);                                         \
  }
#define SCORE(i)                                                         \
  {                                                                      \
    const vec by = (vec) (scales[j + i] * LOG2E);                        \
    const ivec number = (ivec) (tokens[j + i] < 0 ? INT_MAX : tokens[j + i]); \
    __local float *to = weights + (j + i) * LANES;                       \
    SCORE1 (c##i##0, limit0, low0, own0, best0, 0)                       \
    SCORE1 (c##i##1, limit1, low1, own1, best1, VW)                      \
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

// Tiles: ceil (query tiles of a round / span), heads, rows. Keys come in blocks of up to two tiles, which lie in two slots; a tile that is still in one is
// not fetched again, so that who walks along small chunks fetches each row once.
__kernel ONE_ITEM void
attention_forward (TICKETS, SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                   SPAN (float, out), SPAN (float, stats), SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  __local float x[2 * KEYS * WIDTH], y[2 * KEYS * WIDTH], xt[WIDTH * QUERIES], p[2 * KEYS * LANES], sums[QUERIES * WIDTH], by[2 * KEYS];
  __local float top[QUERIES], total[QUERIES], fall[LANES], part[LANES], kept[LANES];
  __local int keys[2 * KEYS], token[QUERIES], seen[QUERIES];
  __local ulong base[LANES];

  EACH_TILE (id)
    {
      const int h = id.y, row = id.z;
      const shape s = make_shape (T, stride, rounds, chunk, before, after, flags);
      const int parts = (chunk + QUERIES - 1) / QUERIES, end = min (UNITS (parts, QUERIES), ((int) id.x + 1) * span);
      const int window = WINDOW, ours = (before + 1 + after) * s.parts;
#ifdef BAND
      const int tiles = ours + (flags & LISTED ? 0 : (listed + KEYS - 1) / KEYS);
#else
      const int tiles = ours;
#endif
      __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at);
      __global const int *order = order_ + order_at;
      __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
      __global float *out = HEAD (out_ + out_at), *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2;
      int held[2] = { -1, -1 }, recent = 1;

      for (int u = id.x * span; u < end; u++)
        {
          const int c = round * s.chunks + u / parts, place = u / parts * chunk + u % parts * QUERIES;
#ifdef BAND
          const int count = min (QUERIES, flags & LISTED ? listed - place : chunk - u % parts * QUERIES), next = -1, next_place = 0;
#else
          const int count = min (QUERIES, chunk - u % parts * QUERIES);
          // Of the next step: the keys that come into the window, and its queries.
          const int next = s.parts == 1 && u + 1 < end ? neighbour (&s, c, 1 + after) : -1, next_place = next < 0 ? 0 : next % s.chunks * chunk;
#endif
          int n = next_tile (&s, c, place, place + count - 1, reach, 0);

#ifdef BAND
          if (flags & LISTED)
            take_list (GLOBALS, listed, place, QUERIES, token, seen);
          else
#endif
            TAKE (c, u % parts * QUERIES, count, QUERIES, token, seen);
          take_columns (q, seen, UP (count, LANES), stride, xt, QUERIES);
          for (int first = 1, last = 0; !last; first = 0)
            {
              int ahead = 0;
              int tile[2], slot[2], length[2], number[2], got = 0;

              for (; n < tiles && got < 2; n = next_tile (&s, c, place, place + count - 1, reach, n + 1), got++)
                {
#ifdef BAND
                  if (n >= ours)
                    {
                      tile[got] = s.ring * s.parts + n - ours;
                      length[got] = UP (min (KEYS, listed - (n - ours) * KEYS), TILE);
                      number[got] = SLOT_COUNT + (n - ours) * KEYS;
                      continue;
                    }
#endif
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
#ifdef BAND
                  if (kc >= s.ring)
                    take_list (GLOBALS, listed, (tile[b] - s.ring * s.parts) * KEYS, KEYS, keys + slot[b] * KEYS, keys + slot[b] * KEYS);
                  else
#endif
                    TAKE (kc, at, min (KEYS, chunk - at), KEYS, keys + slot[b] * KEYS, keys + slot[b] * KEYS);
                  take_keys (k, v, keys + slot[b] * KEYS, length[b], stride, flags, factor, x + slot[b] * KEYS * WIDTH, y + slot[b] * KEYS * WIDTH, by + slot[b] * KEYS);
                }

              for (int i0 = 0; i0 < count; i0 += LANES)
                {
                  const vec top0 = first ? (vec) (LOWEST) : LOAD (top + i0), top1 = first ? (vec) (LOWEST) : LOAD (top + i0 + VW);
                  vec best0 = top0, best1 = top1;

                  for (int b = 0; b < got; b++)
                    {
                      __local float *weights = p + b * KEYS * LANES;
                      __local const float *scales = by + slot[b] * KEYS;
                      __local const int *tokens = keys + slot[b] * KEYS;
#ifdef BAND
                      const int far = flags & LISTED || tile[b] >= s.ring * s.parts ? -1 : reach * rounds;
#endif
                      QUERY_VECTORS (i0)

                      for (int j = 0; j < length[b]; j += TILE)
                        {
                          __local const float *a = x + (slot[b] * KEYS + j) * WIDTH;

                          if (next >= 0)
                            {
                              fetch_rows (k, ORDER (next / s.chunks), flags, next_place, ahead, 2, chunk, stride);
                              fetch_rows (v, ORDER (next / s.chunks), flags, next_place, ahead, 2, chunk, stride);
                              if (!(flags & SHARED))
                                fetch_rows (q, ORDER (round), flags, place + chunk, ahead, 2, chunk, stride);
                              ahead += 2;
                            }
                          if (last)
                            fetch_rows (out, ORDER (round), flags, place + i0, (b * KEYS + j) / TILE * 2, 2, min (LANES, count - i0), stride);
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
                            base[i] = index + QUERY_INDEX (c, u % parts * QUERIES, i0 + i);
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
}

// delta = dout . out, 0 where masked. Global size: tokens, heads, rows.
__kernel __attribute__ ((vec_type_hint (vec))) void
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
