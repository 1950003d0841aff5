/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Gradients for any geometry: 3 products for queries, 4 for keys. Layout, indices and macros: attention-tiles.cl.

// dq of query tiles. Tiles: ceil (query tiles of a round / span), heads, rows.
__kernel ONE_ITEM void
attention_backward_queries (TICKETS, SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                            SPAN (const float, stats), SPAN (const float, delta), SPAN (const float, dout), SPAN (float, dq), SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  __local float x[KEYS * WIDTH], y[KEYS * WIDTH], xt[WIDTH * QUERIES], gt[WIDTH * QUERIES], gq[QUERIES * WIDTH], by[KEYS];
  __local float weights[KEYS * LANES], slopes[KEYS * LANES], factors[TILE * LANES], top[QUERIES], one[QUERIES], slope[QUERIES];
  __local int keys[KEYS], token[QUERIES], seen[QUERIES];
  __local ulong base[LANES];
  __local const float *scales = by;
  __local const int *tokens = keys;
  const int pitch = LANES;

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
      __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at), *dout = HEAD (dout_ + dout_at);
      __global const float *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2, *delta = ENTRIES (delta_ + delta_at);
      __global const int *order = order_ + order_at;
      __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
      __global float *dq = HEAD (dq_ + dq_at);
      int held = -1;

      for (int u = id.x * span; u < end; u++)
        {
          const int c = round * s.chunks + u / parts, place = u / parts * chunk + u % parts * QUERIES;
#ifdef BAND
          const int count = min (QUERIES, flags & LISTED ? listed - place : chunk - u % parts * QUERIES);

          if (flags & LISTED)
            take_list (GLOBALS, listed, place, QUERIES, token, seen);
          else
            TAKE (c, u % parts * QUERIES, count, QUERIES, token, seen);
#else
          const int count = min (QUERIES, chunk - u % parts * QUERIES);

          TAKE (c, u % parts * QUERIES, count, QUERIES, token, seen);
#endif
          take_columns (q, seen, UP (count, LANES), stride, xt, QUERIES);
          take_columns (dout, seen, UP (count, LANES), stride, gt, QUERIES);
          take_stats (stats, delta, seen, QUERIES, top, one, slope);
          for (int i = 0; i < QUERIES * WIDTH; i += VW)
            STORE_LOCAL (gq + i, (vec) (0.0f));

          for (int n = next_tile (&s, c, place, place + count - 1, reach, 0); n < tiles; n = next_tile (&s, c, place, place + count - 1, reach, n + 1))
            {
#ifdef BAND
              const int global_tile = n >= ours, far = flags & LISTED || global_tile ? -1 : reach * rounds;
              const int kc = global_tile ? s.ring : neighbour (&s, c, n / s.parts - before), at = global_tile ? (n - ours) * KEYS : n % s.parts * KEYS;
              const int length = UP (min (KEYS, (global_tile ? listed : chunk) - at), TILE), tile = global_tile ? s.ring * s.parts + n - ours : kc * s.parts + n % s.parts;
              const int first_slot = (global_tile ? SLOT_COUNT : n / s.parts * chunk) + at;
#else
              const int kc = neighbour (&s, c, n / s.parts - before), at = n % s.parts * KEYS, length = UP (min (KEYS, chunk - at), TILE);
              const int tile = kc * s.parts + n % s.parts, first_slot = n / s.parts * chunk + at;
#endif

              if (held != tile)
                {
                  held = tile;
#ifdef BAND
                  if (global_tile)
                    take_list (GLOBALS, listed, at, KEYS, keys, keys);
                  else
#endif
                    TAKE (kc, at, min (KEYS, chunk - at), KEYS, keys, keys);
                  take_keys (k, v, keys, length, stride, flags, factor, x, y, by);
                }
              for (int i0 = 0; i0 < count; i0 += LANES)
                {
                  QUERY_VECTORS (i0)
                  STATS_VECTORS (i0)

                  for (int i = 0; i < LANES; i++)
                    base[i] = index + QUERY_INDEX (c, u % parts * QUERIES, i0 + i);
                  for (int j = 0; j < length; j += TILE)
                    {
                      if (key.w != 0)
                        drop (key, scale, sequence + row, base, first_slot + j, TILE, chunk % 4 == 0, 0, factors);
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
            for (int d = 0; d < HEAD_SIZE && token[i] >= 0; d += VW)
              {
                __global float *to = dq + (size_t) token[i] * stride + d;
                const vec g = LOAD (gq + i * WIDTH + d);

                PUT (to, round > 0 ? GET (to, HEAD_SIZE - d) + g : g, HEAD_SIZE - d);
              }
        }
    }
}

// dk and dv of key tiles, which hear from LANES queries at a time. Keys that are the queries' normalised rows x by: with g = sum_i ds q_i their part of dq,
// added to what attention_backward_queries left, is g - x (x . g) by^2. Tiles: ceil (key tiles of a round / span), heads, rows.
__kernel ONE_ITEM void
attention_backward_keys (TICKETS, SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                         SPAN (const float, stats), SPAN (const float, delta), SPAN (const float, dout), SPAN (float, dk), SPAN (float, dv),
                         SHAPE_ARGUMENTS, DROPOUT_ARGUMENTS)
{
  __local float x[KEYS * WIDTH], y[KEYS * WIDTH], gk[KEYS * WIDTH], gv[KEYS * WIDTH], by[KEYS];
  __local float qx[LANES * WIDTH], g[LANES * WIDTH], xt[WIDTH * LANES], gt[WIDTH * LANES];
  __local float weights[KEYS * LANES], slopes[KEYS * LANES], factors[TILE * LANES], top[LANES], one[LANES], slope[LANES];
  __local int keys[KEYS], places[KEYS], token[LANES], seen[LANES];
  __local ulong base[LANES];
  __local const float *scales = by;
  __local const int *tokens = keys;
  const int pitch = LANES;

  EACH_TILE (id)
    {
      const int h = id.y, row = id.z;
      const shape s = make_shape (T, stride, rounds, chunk, before, after, flags);
#ifdef BAND
      const int to_globals = round > 0, far = flags & LISTED || to_globals ? -1 : reach * rounds, steps = flags & LISTED ? 1 : to_globals ? s.ring : before + 1 + after;
      const int size = to_globals ? listed : chunk, units = to_globals ? (listed + KEYS - 1) / KEYS : s.ring * s.parts, queries = flags & LISTED ? listed : chunk;
#else
      const int size = chunk, units = s.chunks * s.parts, steps = before + 1 + after, queries = chunk;
#endif
      const int end = min (units, ((int) id.x + 1) * span), window = WINDOW;
      __global const float *q = HEAD (q_ + q_at), *k = flags & SHARED ? q : HEAD (k_ + k_at), *v = HEAD (v_ + v_at), *dout = HEAD (dout_ + dout_at);
      __global const float *stats = stats_ + stats_at + ((size_t) h * rows + row) * T * 2, *delta = ENTRIES (delta_ + delta_at);
      __global const int *order = order_ + order_at;
      __global const uchar *mask = mask_ + mask_at + (size_t) row * T;
      __global float *dk = HEAD (dk_ + dk_at), *dv = HEAD (dv_ + dv_at);

      for (int u = id.x * span; u < end; u++)
        {
#ifdef BAND
          const int c = to_globals ? 0 : u / s.parts, at = to_globals ? u * KEYS : u % s.parts * KEYS;
#else
          const int c = round * s.chunks + u / s.parts, at = u % s.parts * KEYS;
#endif
          const int count = min (KEYS, size - at), length = UP (count, TILE), first_key = u / s.parts * chunk + at;

#ifdef BAND
          if (to_globals)
            take_list (GLOBALS, listed, at, KEYS, places, keys);
          else
#endif
            TAKE (c, at, count, KEYS, places, keys);
          take_keys (k, v, keys, length, stride, flags, factor, x, y, by);
          for (int i = 0; i < KEYS * WIDTH; i += VW)
            {
              STORE_LOCAL (gk + i, (vec) (0.0f));
              STORE_LOCAL (gv + i, (vec) (0.0f));
            }

          for (int w = 0; w < steps; w++)
            {
#ifdef BAND
              const int qc = to_globals ? w : neighbour (&s, c, before - w), first_slot = to_globals ? SLOT_COUNT + at : w * chunk + at;
#else
              const int qc = neighbour (&s, c, before - w), first_slot = w * chunk + at;
#endif

              for (int i0 = 0; qc >= 0 && i0 < queries; i0 += LANES)
                {
                  const int n = min (LANES, queries - i0);
#ifdef BAND
                  const int place = qc * chunk + i0; // as first_key is, through all chunks

                  if (far >= 0 && (place > first_key + count - 1 + reach || place + n - 1 < first_key - (flags & CAUSAL ? 0 : reach)))
                    continue;
                  if (flags & LISTED)
                    take_list (GLOBALS, listed, i0, LANES, token, seen);
                  else
                    TAKE (qc, i0, n, LANES, token, seen);
#else
                  const int place = qc % s.chunks * chunk + i0;

                  if ((flags & (CAUSAL | ORDERED)) == CAUSAL && place + n - 1 < first_key)
                    continue;
                  TAKE (qc, i0, n, LANES, token, seen);
#endif
                  take_columns (q, seen, LANES, stride, xt, LANES);
                  take_columns (dout, seen, LANES, stride, gt, LANES);
                  take_rows (q, seen, n, stride, qx);
                  take_rows (dout, seen, n, stride, g);
                  take_stats (stats, delta, seen, LANES, top, one, slope);

                  QUERY_VECTORS (0)
                  STATS_VECTORS (0)

                  for (int i = 0; i < LANES; i++)
                    base[i] = index + QUERY_INDEX (qc, i0, i);
#define A(l, i) a[(i) * WIDTH + l]
                  for (int j = 0; j < length; j += TILE)
                    {
                      if (key.w != 0)
                        drop (key, scale, sequence + row, base, first_slot + j, TILE, chunk % 4 == 0, 0, factors);
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
              if (places[j] < 0)
                continue;

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
}
