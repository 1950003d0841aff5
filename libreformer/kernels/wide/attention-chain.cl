/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Gradients for small chunks: 5 products. Layout, indices and macros: attention-tiles.cl.

#ifndef SLOTS
#define SLOTS 2
#endif

#define AHEAD (SLOTS == 1 ? 4 : 2) // rows asked for at a time

// A chunk of the walk below: virtual numbers go below 0 and above the ring.
inline int
real_chunk (const shape *s, int round, int c)
{
  if (s->flags & CIRCULAR)
    return ((c % s->ring) + s->ring) % s->ring;
  return c < round * s->chunks || c >= (round + 1) * s->chunks ? -1 : c;
}

// All gradients at once, with 5 products instead of 7, where a chunk is one tile and a window has at most SLOTS chunks. Whoever owns the chunks first .. end - 1
// walks along all queries which see them; the keys of the last SLOTS chunks are kept with their sums, in the slot of their number modulo SLOTS. Weights and
// slopes of a pair of chunks lie as [key][QUERIES]. Where keys are the queries' rows, dq_i is added to the sum of key i, and x_i . dq_i is kept beside it.
// Tiles: ceil (chunks of a round / span), heads, rows.
__kernel ONE_ITEM void
attention_backward_chain (TICKETS, SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                          SPAN (const float, stats), SPAN (const float, delta), SPAN (const float, dout), SPAN (float, dq), SPAN (float, dk), SPAN (float, dv),
                          SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  __local float x[SLOTS * KEYS * WIDTH], y[SLOTS * KEYS * WIDTH], gk[SLOTS * KEYS * WIDTH], gv[SLOTS * KEYS * WIDTH], by[SLOTS * KEYS], own[SLOTS * KEYS];
  __local float qx[QUERIES * WIDTH], xt[WIDTH * QUERIES], g[QUERIES * WIDTH], gt[WIDTH * QUERIES], gq[QUERIES * WIDTH];
  __local float p[KEYS * QUERIES], ds[KEYS * QUERIES], factors[TILE * LANES], top[QUERIES], one[QUERIES], slope[QUERIES];
  __local int keys[SLOTS * KEYS], places[SLOTS * KEYS], token[QUERIES], seen[QUERIES];
  __local ulong base[LANES];

  EACH_TILE (id)
    {
      const int h = id.y, row = id.z;
      const shape s = make_shape (T, stride, rounds, chunk, before, after, flags);
      const int first = round * s.chunks + (int) id.x * span, end = min ((round + 1) * s.chunks, first + span);
      const int window = (before + 1 + after) * chunk, width = max (before, after), pitch = QUERIES, count = UP (chunk, TILE);
      __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at), *dout = HEAD (dout_ + dout_at);
      __global const float *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2, *delta = ENTRIES (delta_ + delta_at);
      __global const int *order = order_ + order_at;
      __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
      __global float *dq = HEAD (dq_ + dq_at), *dk = HEAD (dk_ + dk_at), *dv = HEAD (dv_ + dv_at);

      for (int n = first - after; n < end + before; n++)
        {
          const int real = real_chunk (&s, round, n), done = n - before, done_slot = (done - first + 2 * SLOTS) % SLOTS, finish = done >= first && done < end;
          const int to_queries = n >= first && n < end;
          // Of the next step: the keys that come into the window, and its queries.
          const int next = n + 1 < end + before && n + 1 + after < end + width ? real_chunk (&s, round, n + 1 + after) : -1;
          const int next_real = n + 1 < end + before ? real_chunk (&s, round, n + 1) : -1;
          int ahead = 0, ahead_done = 0;

          for (int c = n == first - after ? n - before : n + after; c <= n + after; c++)
            {
              const int kc = real_chunk (&s, round, c), slot = (c - first + 2 * SLOTS) % SLOTS;

              if (c < first - width || c >= end + width || kc < 0)
                continue;
              take_tokens (ORDER (kc / s.chunks), mask, flags, kc % s.chunks * chunk, chunk, KEYS, places + slot * KEYS, keys + slot * KEYS);
              take_keys (k, v, keys + slot * KEYS, count, stride, flags, factor, x + slot * KEYS * WIDTH, y + slot * KEYS * WIDTH, by + slot * KEYS);
              for (int i = 0; i < count * WIDTH; i += VW)
                {
                  STORE_LOCAL (gk + slot * KEYS * WIDTH + i, (vec) (0.0f));
                  STORE_LOCAL (gv + slot * KEYS * WIDTH + i, (vec) (0.0f));
                }
              for (int j = 0; j < count; j++)
                own[slot * KEYS + j] = 0.0f;
            }

          if (real >= 0)
            {
              const int own_slot = (n - first + 2 * SLOTS) % SLOTS, place = real % s.chunks * chunk;
              __local const float *rows_q = flags & SHARED ? x + own_slot * KEYS * WIDTH : qx;
              int fresh = 1;

              take_tokens (ORDER (real / s.chunks), mask, flags, place, chunk, QUERIES, token, seen);
              take_columns (q, seen, UP (chunk, LANES), stride, xt, QUERIES);
              take_columns (dout, seen, UP (chunk, LANES), stride, gt, QUERIES);
              take_rows (dout, seen, chunk, stride, g);
              if (!(flags & SHARED))
                take_rows (q, seen, chunk, stride, qx);
              take_stats (stats, delta, seen, QUERIES, top, one, slope);

              for (int c = n - before; c <= n + after; c++)
                {
                  const int slot = (c - first + 2 * SLOTS) % SLOTS, to_keys = c >= first && c < end;
                  __local const float *scales = by + slot * KEYS;
                  __local const int *tokens = keys + slot * KEYS;

                  if (!(to_queries || to_keys) || real_chunk (&s, round, c) < 0)
                    continue;
                  for (int i0 = 0; i0 < chunk; i0 += LANES)
                    {
                      __local float *weights = p + i0, *slopes = ds + i0;
                      QUERY_VECTORS (i0)
                      STATS_VECTORS (i0)

                      for (int i = 0; i < LANES; i++)
                        base[i] = index + QUERY_INDEX (real, 0, i0 + i);
                      for (int j = 0; j < count; j += TILE)
                        {
                          if (next >= 0)
                            {
                              fetch_rows (k, ORDER (next / s.chunks), flags, next % s.chunks * chunk, ahead, AHEAD, chunk, stride);
                              fetch_rows (v, ORDER (next / s.chunks), flags, next % s.chunks * chunk, ahead, AHEAD, chunk, stride);
                            }
                          if (next_real >= 0)
                            {
                              fetch_rows (dout, ORDER (next_real / s.chunks), flags, next_real % s.chunks * chunk, ahead, AHEAD, chunk, stride);
                              if (!(flags & SHARED))
                                fetch_rows (q, ORDER (next_real / s.chunks), flags, next_real % s.chunks * chunk, ahead, AHEAD, chunk, stride);
                            }
                          ahead += AHEAD;
                          if (key.w != 0)
                            drop (key, scale, sequence + row, base, (c - n + before) * chunk + j, TILE, chunk % 4 == 0, 0, factors);
#define A(l, i) a[(i) * WIDTH + l]
                          {
                            __local const float *a = x + (slot * KEYS + j) * WIDTH;
                            TILE_SUM (xt + i0, QUERIES, HEAD_SIZE)
                            EACH (WEIGHT)
                          }
                          {
                            __local const float *a = y + (slot * KEYS + j) * WIDTH;
                            TILE_SUM (gt + i0, QUERIES, HEAD_SIZE)
                            EACH (SLOPE)
                          }
#undef A
                        }
                    }
                  for (int d = 0; d < WIDTH; d += LANES)
                    for (int i = 0; i < count; i += TILE)
                      {
                        if (finish)
                          {
                            fetch_rows (dk, ORDER (round), flags, done % s.chunks * chunk, ahead_done, 2 * AHEAD, chunk, stride);
                            fetch_rows (dv, ORDER (round), flags, done % s.chunks * chunk, ahead_done, 2 * AHEAD, chunk, stride);
                            ahead_done += 2 * AHEAD;
                          }
                        if (to_queries)
                          {
                            __local const float *a = ds + i;
                            __local float *sums = gq + i * WIDTH + d;
#define A(l, i) a[(l) * QUERIES + i]
                            TILE_SUM (x + slot * KEYS * WIDTH + d, WIDTH, count)
#undef A
                            if (fresh)
                              { EACH (SET_TO) }
                            else
                              { EACH (ADD_TO) }
                          }
                        if (to_keys)
                          {
#define A(l, i) a[(i) * QUERIES + l]
                            {
                              __local const float *a = p + i * QUERIES;
                              __local float *sums = gv + (slot * KEYS + i) * WIDTH + d;
                              TILE_SUM (g + d, WIDTH, chunk)
                              EACH (ADD_TO)
                            }
                            {
                              __local const float *a = ds + i * QUERIES;
                              __local float *sums = gk + (slot * KEYS + i) * WIDTH + d;
                              TILE_SUM (rows_q + d, WIDTH, chunk)
                              EACH (ADD_TO)
                            }
#undef A
                          }
                      }
                  fresh = 0;
                }

              for (int i = 0; to_queries && i < chunk; i++)
                if (flags & SHARED)
                  {
                    __local float *sums = gk + (own_slot * KEYS + i) * WIDTH;
                    vec dot = 0;

                    for (int d = 0; d < WIDTH; d += VW)
                      {
                        const vec a = LOAD (gq + i * WIDTH + d);

                        dot = fma (a, LOAD (rows_q + i * WIDTH + d), dot);
                        STORE_LOCAL (sums + d, LOAD (sums + d) + a);
                      }
                    own[own_slot * KEYS + i] = vec_sum (dot);
                  }
                else
                  for (int d = 0; d < HEAD_SIZE; d += VW)
                    {
                      __global float *to = dq + (size_t) token[i] * stride + d;
                      const vec a = LOAD (gq + i * WIDTH + d);

                      PUT (to, round > 0 ? GET (to, HEAD_SIZE - d) + a : a, HEAD_SIZE - d);
                    }
            }

          for (int j = 0; finish && j < chunk; j++)
            {
              const int slot = done_slot;
              __global float *to = dk + (size_t) places[slot * KEYS + j] * stride, *tov = dv + (size_t) places[slot * KEYS + j] * stride;
              __local const float *xj = x + (slot * KEYS + j) * WIDTH, *kj = gk + (slot * KEYS + j) * WIDTH, *vj = gv + (slot * KEYS + j) * WIDTH;
              float dot = 0;

              if (flags & SHARED)
                {
                  vec sum = 0;

                  for (int d = 0; d < WIDTH; d += VW)
                    sum = fma (LOAD (xj + d), LOAD (kj + d), sum);
                  dot = (vec_sum (sum) - own[slot * KEYS + j]) * by[slot * KEYS + j] * by[slot * KEYS + j];
                }
              for (int d = 0; d < HEAD_SIZE; d += VW)
                {
                  vec a = LOAD (kj + d) - LOAD (xj + d) * dot, b = LOAD (vj + d);

                  if (round > 0)
                    a += GET (to + d, HEAD_SIZE - d), b += GET (tov + d, HEAD_SIZE - d);
                  PUT (to + d, a, HEAD_SIZE - d);
                  PUT (tov + d, b, HEAD_SIZE - d);
                }
            }
        }
    }
}
