/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Attention through an order, a window of chunks and masks. A work-group of TX x TY work-items takes a tile of M queries (or, for the gradients of keys
// and values, N keys) of one chunk and walks along its window N keys (M queries) at a time; scores stay on the chip.
//
//   q, k, v, out, dout, dq, dk, dv   [rows][T][stride], head h in columns h * HEAD_SIZE ...
//   order      int [heads][rounds][rows][T], read where ORDERED: token at each place
//   mask       uchar [rows][T], read where MASKED: 1 = keep
//   stats      float [heads][rows][T][2]: maximum and sum, base 2
//   key_norms  float [heads][rows][T], read where SHARED: key = q * key_norm
//   deltas     float [heads][rows][T]: out . dout
//   shape      (chunk, before, after, rounds); T = chunks * chunk
//   index      dropout index of (head 0, place 0, slot 0)
//   groups     tiles of a round, heads, rows; rounds one launch after the other, each adding to what those before it left
//
// With -DBAND (ops/attention.h: band, and queries of the globals alone) tokens of one remainder modulo the dilation, shape.w, form a sequence of its own, in places
// 0, 1, ..., the last of its chunks with places without token. `order` is the list of global tokens, `listed` of them (-1: none), which are keys behind the
// window's, or with LISTED the queries. Keys of global tokens are launched as round 1. A token is dropped by its number, not by its place.
//
// Work-item (tx, ty) has rows ty, ty + TY, ... and columns tx, tx + TX, ... of every tile product. Tiles in local memory have rows of LD elements,
// an odd number, zeros beyond HEAD_SIZE. Programs are built for the forward, or with -DBACKWARD for the gradients.

#ifndef HEAD_SIZE
#define HEAD_SIZE 64
#endif
#ifndef M
#define M 16
#define N 16
#define TX 8
#define TY 8
#endif
#define GROUP (TX * TY)
#define RM (M / TY)
#define RN (N / TX)
#define RK (N / TY)
#define RD ((HEAD_SIZE + TX - 1) / TX)
#define WIDTH (RD * TX)
#define LD (WIDTH + 1 - WIDTH % 2)

// Products in registers want their loops unrolled; on CPUs, where every value that lives across a barrier is an array for all work-items, that makes
// building take minutes, so the host passes -DROLLED there.
#ifdef ROLLED
#define UNROLL _Pragma ("nounroll")
#else
#define UNROLL _Pragma ("unroll")
#endif

#define CIRCULAR 1
#define CAUSAL 2
#define SELF_LAST 4
#define ORDERED 8
#define MASKED 16
#define SHARED 32
#define DROPOUT 64
#define LISTED 128   // queries are the global tokens alone, keys all tokens

#define LOG2E 1.44269504088896341f
#define SELF_SCORE (-1e5f * LOG2E)

#define GROUP_SIZE __attribute__ ((reqd_work_group_size (TX, TY, 1)))

// Where a tile lies: the round's number, its order, and the place of its first token.
typedef struct
{
  __global const int *order;
  int round;
  int place;
  int count;
} tile;

// x - n * quotient. Where a quotient and a remainder of the same numbers meet, compilers put in an instruction (freeze) that oclgrind's search for
// uninitialised values does not know; mad_sat hides the remainder.
inline int
rest (int x, int n, int quotient)
{
  return mad_sat (-quotient, n, x);
}

#ifdef BAND
// Of a remainder.
#define CHUNKS(T, shape) ((((T) + (shape).w - 1) / (shape).w + (shape).x - 1) / (shape).x)

// `count` places from `place` on; round: the remainder, or -1 for the list.
inline tile
tile_of (__global const int *list, int round, int place, int count, int size)
{
  tile t;

  t.order = list;
  t.round = round;
  t.place = place;
  t.count = min (size, count - place);
  return t;
}

inline void
load_band (__local int *tokens, tile t, int size, __global const uchar *mask, int flags, int me, int T, int dilation)
{
  for (int i = me; i < size; i += GROUP)
    {
      int token = -1;

      if (i < t.count)
        {
          token = t.round < 0 ? t.order[t.place + i] : t.round + (t.place + i) * dilation;
          if (token >= T)
            token = -1;
          else if (t.round >= 0 && flags & MASKED && !mask[token])
            token = -2 - token;
        }
      tokens[i] = token;
    }
}

#define LOAD_TOKENS(tokens, tile, size) load_band (tokens, tile, size, mask, flags, me, T, shape.w)
// Slots of a window, and of the global tokens behind them.
#define SLOT_COUNT ((shape.y + 1 + shape.z) * shape.x)
#define WEIGHT_INDEX(query, row, slot) \
  (index + ((ulong) get_group_id (1) * T + max (query, 0)) * (ulong) (SLOT_COUNT + (flags & LISTED ? 0 : (listed + 3) / 4 * 4)) + (slot))
// Whether key and query are not too far from each other in a band of `far` tokens to each side; below 0: for keys that all see.
#define NEAR(query, key) (far < 0 || abs ((query) - (key)) <= (uint) far)
#else
#define CHUNKS(T, shape) ((T) / (shape).x)
#define LOAD_TOKENS(tokens, tile, size) load_tokens (tokens, tile, size, mask, flags, me)
#define WEIGHT_INDEX(query, row, slot) weight_index (index, T, shape, queries, row, slot)
#define NEAR(query, key) 1
#endif

// The tile of at most `size` places from place `first` on of chunk `ring` of the ring.
inline tile
tile_at (__global const int *order, int T, int4 shape, int ring, int first, int size)
{
  const int chunks = T / shape.x, head = get_group_id (1), row = get_group_id (2), rows = get_num_groups (2);
  tile t;

  t.round = ring / chunks;
  t.place = rest (ring, chunks, t.round) * shape.x + first;
  t.count = min (size, shape.x - first);
  t.order = order + (((size_t) head * shape.w + t.round) * rows + row) * T;
  return t;
}

// The tokens of a tile: -1 beyond its end, -2 - token where the token is masked.
inline void
load_tokens (__local int *tokens, tile t, int size, __global const uchar *mask, int flags, int me)
{
  for (int i = me; i < size; i += GROUP)
    {
      int token = -1;

      if (i < t.count)
        {
          token = flags & ORDERED ? t.order[t.place + i] : t.place + i;
          if (flags & MASKED && !mask[token])
            token = -2 - token;
        }
      tokens[i] = token;
    }
}

inline void
load_rows (__local float *to, __global const float *x, __local const int *tokens, int size, int stride, int tx, int ty)
{
  for (int r = ty; r < size; r += TY)
    for (int c = tx; c < WIDTH; c += TX)
      to[r * LD + c] = tokens[r] >= 0 && c < HEAD_SIZE ? x[(size_t) tokens[r] * stride + c] : 0.0f;
}

// Keys: k, or where SHARED q times its factor.
inline void
load_keys (__local float *to, __global const float *q, __global const float *k, __global const float *key_norms, __local const int *tokens,
           int size, int stride, int flags, int tx, int ty)
{
  if (!(flags & SHARED))
    {
      load_rows (to, k, tokens, size, stride, tx, ty);
      return;
    }
  for (int r = ty; r < size; r += TY)
    for (int c = tx; c < WIDTH; c += TX)
      to[r * LD + c] = tokens[r] >= 0 && c < HEAD_SIZE ? q[(size_t) tokens[r] * stride + c] * key_norms[tokens[r]] : 0.0f;
}

// s[i][j] = a_row . b_column
inline void
products (__local const float *a, __local const float *b, float s[RM][RN], int tx, int ty)
{
UNROLL
  for (int i = 0; i < RM; i++)
UNROLL
    for (int j = 0; j < RN; j++)
      s[i][j] = 0.0f;
  for (int d = 0; d < HEAD_SIZE; d++)
    {
      float y[RN];

UNROLL
      for (int j = 0; j < RN; j++)
        y[j] = b[(tx + TX * j) * LD + d];
UNROLL
      for (int i = 0; i < RM; i++)
        {
          const float x = a[(ty + TY * i) * LD + d];

UNROLL
          for (int j = 0; j < RN; j++)
            s[i][j] = fma (x, y[j], s[i][j]);
        }
    }
}

// What a query may do with a key: 0 nothing (the weight is exactly 0), 1 look, 2 look at itself with the fixed score, which has no gradient.
inline int
relation (int query, int key, int near, int flags)
{
  if (query < 0 || key < 0 || !near)
    return 0;
  if (flags & SELF_LAST && query == key)
    return 2;
  return !(flags & CAUSAL && key > query);
}

inline float
power (float x)
{
  return x <= -126.0f ? 0.0f : exp2 (x);
}

inline int
wrap (int i, int n)
{
  i %= n;
  return i < 0 ? i + n : i;
}

// Chunks of the window that are walked: all, or those of the round where the window ends with it. A walk is one loop without a condition around its barriers,
// which PoCL would copy all that follows for.
inline int
first_chunk (int in_round, int n, int flags)
{
  return flags & CIRCULAR ? 0 : max (0, n - in_round);
}

inline int
last_chunk (int in_round, int chunks, int n_before, int n_after, int flags)
{
  return n_before + (flags & CIRCULAR ? n_after : min (n_after, chunks - 1 - in_round));
}

// In full attention a causal query sees nothing of the tiles after its own.
inline int
triangular (int T, int4 shape, int flags)
{
  return (flags & CAUSAL) && !(flags & ORDERED) && shape.x == T;
}

inline ulong
weight_index (ulong index, int T, int4 shape, tile queries, int row, int slot)
{
  const ulong window = (ulong) (shape.y + 1 + shape.z) * shape.x;

  return index + (((ulong) get_group_id (1) * shape.w + queries.round) * T + queries.place + row) * window + slot;
}

#define PLACE(p) p += (size_t) row * T * stride + head * HEAD_SIZE
#define PLACE_TOKENS(p, n) p += ((size_t) head * rows + row) * T * (n)

// key_norms = 1 / sqrt (mean (q^2) + 1e-6) / sqrt (HEAD_SIZE). One work-item a token; the other global sizes are heads and rows.
__kernel void
attention_key_norms (SPAN (const float, q), SPAN (float, key_norms), int T, int stride)
{
  BEGIN (const float, q);
  BEGIN (float, key_norms);
  const int t = get_global_id (0), head = get_global_id (1), row = get_global_id (2), rows = get_global_size (2);
  float sum = 0.0f;

  if (t >= T)
    return;
  PLACE (q);
  PLACE_TOKENS (key_norms, 1);
  for (int d = 0; d < HEAD_SIZE; d++)
    sum = fma (q[(size_t) t * stride + d], q[(size_t) t * stride + d], sum);
  key_norms[t] = 1.0f / (sqrt (sum / HEAD_SIZE + 1e-6f) * sqrt ((float) HEAD_SIZE));
}

// The queries of a group, and the tiles of keys over which they go.
#ifdef BAND
// Those of the window, in places of the queries' remainder, then those of the list. With LISTED all tokens are one chunk.
#define FIND_QUERIES \
  const int number = get_group_id (0), in_ring = number / tiles, remainder = in_ring / chunks, own = rest (in_ring, chunks, remainder); \
  const tile queries = flags & LISTED ? tile_of (order + (size_t) row * listed, -1, number * M, listed, M) \
                                      : tile_of (order, remainder, own * shape.x + rest (number, tiles, in_ring) * M, (own + 1) * shape.x, M); \
  const int all = chunks * shape.x, begin = flags & LISTED ? 0 : max (0, queries.place - reach) / N * N; \
  const int stop = flags & LISTED ? all : min (all, queries.place + queries.count + (flags & CAUSAL ? 0 : reach)), in_band = (stop - begin + N - 1) / N; \
  const int steps = in_band + (flags & LISTED ? 0 : (listed + N - 1) / N), first_slot = flags & LISTED ? 0 : (own - shape.y) * shape.x
#else
#define FIND_QUERIES \
  const int ring = chunks * shape.w; \
  const int number = get_group_id (0), in_round = number / tiles, chunk = round * chunks + in_round; \
  const tile queries = tile_at (order, T, shape, chunk, rest (number, tiles, in_round) * M, M)
#endif

#ifndef BACKWARD

__kernel GROUP_SIZE void
attention_forward (SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                   SPAN (const float, key_norms), SPAN (float, out), SPAN (float, stats), int T, int stride, int round, int4 shape, int flags,
                   float scale, ulong index, uint4 dropout, float dropout_scale, uint sequence, int reach, int listed)
{
  BEGIN (const float, q);
  BEGIN (const float, k);
  BEGIN (const float, v);
  BEGIN (const int, order);
  BEGIN (const uchar, mask);
  BEGIN (const float, key_norms);
  BEGIN (float, out);
  BEGIN (float, stats);
  const int tx = get_local_id (0), ty = get_local_id (1), me = ty * TX + tx;
  const int head = get_group_id (1), row = get_group_id (2), rows = get_num_groups (2);
  const int tiles = (shape.x + M - 1) / M, chunks = CHUNKS (T, shape);
  FIND_QUERIES;
  __local float qs[M * LD], kv[N * LD], weights[M * (N + 1)], partial[M * TX];
  __local int query[M], key[N];
  float m[RM], l[RM], acc[RM][RD];

  PLACE (q);
  PLACE (k);
  PLACE (v);
  PLACE (out);
  PLACE_TOKENS (key_norms, 1);
  PLACE_TOKENS (stats, 2);
  mask += (size_t) row * T;

  LOAD_TOKENS (query, queries, M);
  barrier (CLK_LOCAL_MEM_FENCE);
  load_rows (qs, q, query, M, stride, tx, ty);
UNROLL
  for (int i = 0; i < RM; i++)
    {
      m[i] = -FLT_MAX;
      l[i] = 0.0f;
UNROLL
      for (int j = 0; j < RD; j++)
        acc[i][j] = 0.0f;
    }

#ifdef BAND
  for (int step = 0; step < steps; step++)
    {
      const int from_list = step >= in_band, far = flags & LISTED || from_list ? -1 : reach * shape.w;
      const int k0 = from_list ? (step - in_band) * N : begin + step * N, first = from_list ? SLOT_COUNT + k0 : k0 - first_slot;
      const tile keys = tile_of (order + (size_t) row * listed, from_list ? -1 : remainder, k0, from_list ? listed : all, N);
#else
  const int last = last_chunk (in_round, chunks, shape.y, shape.z, flags);
  const int end = triangular (T, shape, flags) ? queries.place + queries.count : shape.x;

  for (int o = first_chunk (in_round, shape.y, flags), k0 = 0; o <= last; o += k0 + N >= end, k0 = k0 + N >= end ? 0 : k0 + N)
    {
      const tile keys = tile_at (order, T, shape, wrap (chunk - shape.y + o, ring), k0, N);
      const int first = o * shape.x + k0;
#endif
      float s[RM][RN];

      LOAD_TOKENS (key, keys, N);
      barrier (CLK_LOCAL_MEM_FENCE);
      load_keys (kv, q, k, key_norms, key, N, stride, flags, tx, ty);
      barrier (CLK_LOCAL_MEM_FENCE);
      products (qs, kv, s, tx, ty);
UNROLL
      for (int i = 0; i < RM; i++)
        {
          float most = -FLT_MAX;

UNROLL
          for (int j = 0; j < RN; j++)
            {
              const int what = relation (query[ty + TY * i], key[tx + TX * j], NEAR (query[ty + TY * i], key[tx + TX * j]), flags);

              s[i][j] = what == 0 ? -FLT_MAX : what == 2 ? SELF_SCORE : s[i][j] * (scale * LOG2E);
              most = fmax (most, s[i][j]);
            }
          partial[(ty + TY * i) * TX + tx] = most;
        }
      barrier (CLK_LOCAL_MEM_FENCE);

      load_rows (kv, v, key, N, stride, tx, ty);
UNROLL
      for (int i = 0; i < RM; i++)
        {
          float most = m[i];

          for (int j = 0; j < TX; j++)
            most = fmax (most, partial[(ty + TY * i) * TX + j]);

          const float factor = power (m[i] - most);

          m[i] = most;
          l[i] *= factor;
UNROLL
          for (int j = 0; j < RD; j++)
            acc[i][j] *= factor;
UNROLL
          for (int j = 0; j < RN; j++)
            {
              float p = s[i][j] == -FLT_MAX ? 0.0f : power (s[i][j] - most);

              l[i] += p;
              if (flags & DROPOUT)
                p *= dropout_factor (dropout, dropout_scale, sequence + row,
                                     WEIGHT_INDEX (query[ty + TY * i], ty + TY * i, first + tx + TX * j));
              weights[(ty + TY * i) * (N + 1) + tx + TX * j] = p;
            }
        }
      barrier (CLK_LOCAL_MEM_FENCE);

      for (int n = 0; n < N; n++)
        {
          float y[RD];

UNROLL
          for (int j = 0; j < RD; j++)
            y[j] = kv[n * LD + tx + TX * j];
UNROLL
          for (int i = 0; i < RM; i++)
            {
              const float p = weights[(ty + TY * i) * (N + 1) + n];

UNROLL
              for (int j = 0; j < RD; j++)
                acc[i][j] = fma (p, y[j], acc[i][j]);
            }
        }
    }

  // Join with the rounds before.
  float m_before[RM], l_before[RM];

UNROLL
  for (int i = 0; i < RM; i++)
    {
      const int token = query[ty + TY * i];

      m_before[i] = round > 0 && token >= 0 ? stats[2 * token] : -FLT_MAX;
      l_before[i] = round > 0 && token >= 0 ? stats[2 * token + 1] : 0.0f;
      partial[(ty + TY * i) * TX + tx] = l[i];
    }
  barrier (CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
UNROLL
  for (int i = 0; i < RM; i++)
    {
      const int signed_token = query[ty + TY * i], token = signed_token < -1 ? -2 - signed_token : signed_token;
      const float most = fmax (m[i], m_before[i]);
      const float now = power (m[i] - most), before = l_before[i] * power (m_before[i] - most);
      float sum = 0.0f;

      if (token < 0)
        continue;
      for (int j = 0; j < TX; j++)
        sum += partial[(ty + TY * i) * TX + j];
      sum = before + now * sum;
      if (tx == 0)
        {
          stats[2 * token] = most;
          stats[2 * token + 1] = sum;
        }

      const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;

UNROLL
      for (int j = 0; j < RD; j++)
        {
          __global float *o = out + (size_t) token * stride + tx + TX * j;

          if (tx + TX * j < HEAD_SIZE)
            *o = ((before > 0.0f ? before * *o : 0.0f) + now * acc[i][j]) * inverse;
        }
    }
}

#else

// deltas = out . dout. One work-item a token; the other global sizes are heads and rows.
__kernel void
attention_deltas (SPAN (const float, out), SPAN (const float, dout), SPAN (float, deltas), int T, int stride)
{
  BEGIN (const float, out);
  BEGIN (const float, dout);
  BEGIN (float, deltas);
  const int t = get_global_id (0), head = get_global_id (1), row = get_global_id (2), rows = get_global_size (2);
  float sum = 0.0f;

  if (t >= T)
    return;
  PLACE (out);
  PLACE (dout);
  PLACE_TOKENS (deltas, 1);
  for (int d = 0; d < HEAD_SIZE; d++)
    sum = fma (out[(size_t) t * stride + d], dout[(size_t) t * stride + d], sum);
  deltas[t] = sum;
}

// The joined weight of a score, from the statistics of all rounds.
inline float
weight (float dot, int what, float scale, float most, float inverse)
{
  return what == 0 ? 0.0f : power ((what == 2 ? SELF_SCORE : dot * (scale * LOG2E)) - most) * inverse;
}

// The gradient of the queries: dq = scale * sum of ds k, set in round 0, added later.
__kernel GROUP_SIZE void
attention_backward_queries (SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                            SPAN (const float, key_norms), SPAN (const float, stats), SPAN (const float, deltas), SPAN (const float, dout),
                            SPAN (float, dq), int T, int stride, int round, int4 shape, int flags, float scale, ulong index, uint4 dropout,
                            float dropout_scale, uint sequence, int reach, int listed)
{
  BEGIN (const float, q);
  BEGIN (const float, k);
  BEGIN (const float, v);
  BEGIN (const int, order);
  BEGIN (const uchar, mask);
  BEGIN (const float, key_norms);
  BEGIN (const float, stats);
  BEGIN (const float, deltas);
  BEGIN (const float, dout);
  BEGIN (float, dq);
  const int tx = get_local_id (0), ty = get_local_id (1), me = ty * TX + tx;
  const int head = get_group_id (1), row = get_group_id (2), rows = get_num_groups (2);
  const int tiles = (shape.x + M - 1) / M, chunks = CHUNKS (T, shape);
  FIND_QUERIES;
  __local float qs[M * LD], gs[M * LD], ks[N * LD], vs[N * LD], ds[M * (N + 1)];
  __local int query[M], key[N];
  float most[RM], inverse[RM], delta[RM], acc[RM][RD];

  PLACE (q);
  PLACE (k);
  PLACE (v);
  PLACE (dout);
  PLACE (dq);
  PLACE_TOKENS (key_norms, 1);
  PLACE_TOKENS (stats, 2);
  PLACE_TOKENS (deltas, 1);
  mask += (size_t) row * T;

  LOAD_TOKENS (query, queries, M);
  barrier (CLK_LOCAL_MEM_FENCE);
  load_rows (qs, q, query, M, stride, tx, ty);
  load_rows (gs, dout, query, M, stride, tx, ty);
UNROLL
  for (int i = 0; i < RM; i++)
    {
      // Where there is no query the relation to every key is 0, whatever is here.
      const int token = max (0, query[ty + TY * i]);

      most[i] = stats[2 * token];
      inverse[i] = 1.0f / stats[2 * token + 1];
      delta[i] = deltas[token];
UNROLL
      for (int j = 0; j < RD; j++)
        acc[i][j] = 0.0f;
    }

#ifdef BAND
  for (int step = 0; step < steps; step++)
    {
      const int from_list = step >= in_band, far = flags & LISTED || from_list ? -1 : reach * shape.w;
      const int k0 = from_list ? (step - in_band) * N : begin + step * N, first = from_list ? SLOT_COUNT + k0 : k0 - first_slot;
      const tile keys = tile_of (order + (size_t) row * listed, from_list ? -1 : remainder, k0, from_list ? listed : all, N);
#else
  const int last = last_chunk (in_round, chunks, shape.y, shape.z, flags);
  const int end = triangular (T, shape, flags) ? queries.place + queries.count : shape.x;

  for (int o = first_chunk (in_round, shape.y, flags), k0 = 0; o <= last; o += k0 + N >= end, k0 = k0 + N >= end ? 0 : k0 + N)
    {
      const tile keys = tile_at (order, T, shape, wrap (chunk - shape.y + o, ring), k0, N);
      const int first = o * shape.x + k0;
#endif
      float s[RM][RN], dp[RM][RN];

      LOAD_TOKENS (key, keys, N);
      barrier (CLK_LOCAL_MEM_FENCE);
      load_keys (ks, q, k, key_norms, key, N, stride, flags, tx, ty);
      load_rows (vs, v, key, N, stride, tx, ty);
      barrier (CLK_LOCAL_MEM_FENCE);
      products (qs, ks, s, tx, ty);
      products (gs, vs, dp, tx, ty);
UNROLL
      for (int i = 0; i < RM; i++)
UNROLL
        for (int j = 0; j < RN; j++)
          {
            const int what = relation (query[ty + TY * i], key[tx + TX * j], NEAR (query[ty + TY * i], key[tx + TX * j]), flags);
            float d = dp[i][j];

            if (flags & DROPOUT)
              d *= dropout_factor (dropout, dropout_scale, sequence + row,
                                   WEIGHT_INDEX (query[ty + TY * i], ty + TY * i, first + tx + TX * j));
            ds[(ty + TY * i) * (N + 1) + tx + TX * j] =
              what == 1 ? weight (s[i][j], 1, scale, most[i], inverse[i]) * (d - delta[i]) : 0.0f;
          }
      barrier (CLK_LOCAL_MEM_FENCE);

      for (int n = 0; n < N; n++)
        {
          float y[RD];

UNROLL
          for (int j = 0; j < RD; j++)
            y[j] = ks[n * LD + tx + TX * j];
UNROLL
          for (int i = 0; i < RM; i++)
            {
              const float x = ds[(ty + TY * i) * (N + 1) + n];

UNROLL
              for (int j = 0; j < RD; j++)
                acc[i][j] = fma (x, y[j], acc[i][j]);
            }
        }
    }

UNROLL
  for (int i = 0; i < RM; i++)
    {
      const int signed_token = query[ty + TY * i], token = signed_token < -1 ? -2 - signed_token : signed_token;

      if (token < 0)
        continue;
UNROLL
      for (int j = 0; j < RD; j++)
        {
          __global float *o = dq + (size_t) token * stride + tx + TX * j;

          if (tx + TX * j < HEAD_SIZE)
            *o = (round > 0 ? *o : 0.0f) + scale * acc[i][j];
        }
    }
}

// The gradients of keys and values: a tile of N keys walks the queries that see it. SHARED: the keys' gradient goes through the
// normalisation into dq, which the kernel above has set for this round: with key = r q it is r (g - key (g . key)).
__kernel GROUP_SIZE void
attention_backward_keys (SPAN (const float, q), SPAN (const float, k), SPAN (const float, v), SPAN (const int, order), SPAN (const uchar, mask),
                         SPAN (const float, key_norms), SPAN (const float, stats), SPAN (const float, deltas), SPAN (const float, dout),
                         SPAN (float, dk), SPAN (float, dv), int T, int stride, int round, int4 shape, int flags, float scale, ulong index,
                         uint4 dropout, float dropout_scale, uint sequence, int reach, int listed)
{
  BEGIN (const float, q);
  BEGIN (const float, k);
  BEGIN (const float, v);
  BEGIN (const int, order);
  BEGIN (const uchar, mask);
  BEGIN (const float, key_norms);
  BEGIN (const float, stats);
  BEGIN (const float, deltas);
  BEGIN (const float, dout);
  BEGIN (float, dk);
  BEGIN (float, dv);
  const int tx = get_local_id (0), ty = get_local_id (1), me = ty * TX + tx;
  const int head = get_group_id (1), row = get_group_id (2), rows = get_num_groups (2);
  const int tiles = (shape.x + N - 1) / N, chunks = CHUNKS (T, shape);
#ifdef BAND
  // Tiles of queries: those of the band; of all remainders for the keys of the list; or those of the list.
  const int number = get_group_id (0), in_ring = number / tiles, remainder = in_ring / chunks, from_list = round > 0;
  const int far = flags & LISTED || from_list ? -1 : reach * shape.w, k0 = from_list ? number * N : rest (in_ring, chunks, remainder) * shape.x + rest (number, tiles, in_ring) * N;
  const int all = chunks * shape.x;
  const tile keys = tile_of (order + (size_t) row * listed, from_list ? -1 : remainder, k0, from_list ? listed : (k0 / shape.x + 1) * shape.x, N);
#else
  const int ring = chunks * shape.w;
  const int number = get_group_id (0), in_round = number / tiles, chunk = round * chunks + in_round, k0 = rest (number, tiles, in_round) * N;
  const tile keys = tile_at (order, T, shape, chunk, k0, N);
#endif
  __local float qs[M * LD], gs[M * LD], ks[N * LD], vs[N * LD], ps[M * (N + 1)], ds[M * (N + 1)], most[M], inverse[M], delta[M], partial[N * TX];
  __local int query[M], key[N];
  float acc_k[RK][RD], acc_v[RK][RD];

  PLACE (q);
  PLACE (k);
  PLACE (v);
  PLACE (dout);
  PLACE (dk);
  PLACE (dv);
  PLACE_TOKENS (key_norms, 1);
  PLACE_TOKENS (stats, 2);
  PLACE_TOKENS (deltas, 1);
  mask += (size_t) row * T;

  LOAD_TOKENS (key, keys, N);
  barrier (CLK_LOCAL_MEM_FENCE);
  load_keys (ks, q, k, key_norms, key, N, stride, flags, tx, ty);
  load_rows (vs, v, key, N, stride, tx, ty);
UNROLL
  for (int i = 0; i < RK; i++)
UNROLL
    for (int j = 0; j < RD; j++)
      acc_k[i][j] = acc_v[i][j] = 0.0f;

#ifdef BAND
  // Tiles begin where chunks do: M and the chunk divide each other.
  const int begin = far < 0 ? 0 : max (0, k0 - (flags & CAUSAL ? 0 : reach)) / M * M;
  const int stop = flags & LISTED ? listed : far < 0 ? all : min (all, k0 + keys.count + reach), in_remainder = (stop - begin + M - 1) / M;
  const int steps = from_list ? in_remainder * shape.w : in_remainder;

  for (int step = 0; step < steps; step++)
    {
      const int turn = step / in_remainder, q0 = begin + rest (step, in_remainder, turn) * M;
      const tile queries = tile_of (order + (size_t) row * listed, flags & LISTED ? -1 : from_list ? turn : remainder, q0, flags & LISTED ? listed : all, M);
      const int first = from_list ? SLOT_COUNT + k0 : k0 - (flags & LISTED ? 0 : (q0 / shape.x - shape.y) * shape.x);
#else
  // Offset o - shape.z: queries of that many chunks later.
  const int last = last_chunk (in_round, chunks, shape.z, shape.y, flags);
  const int start = triangular (T, shape, flags) ? k0 / M * M : 0;

  for (int o = first_chunk (in_round, shape.z, flags), q0 = start; o <= last; o += q0 + M >= shape.x, q0 = q0 + M >= shape.x ? start : q0 + M)
    {
      const tile queries = tile_at (order, T, shape, wrap (chunk - shape.z + o, ring), q0, M);
      const int first = (shape.y + shape.z - o) * shape.x + k0;
#endif
      float s[RM][RN], dp[RM][RN];

      LOAD_TOKENS (query, queries, M);
      barrier (CLK_LOCAL_MEM_FENCE);
      load_rows (qs, q, query, M, stride, tx, ty);
      load_rows (gs, dout, query, M, stride, tx, ty);
      for (int i = me; i < M; i += GROUP)
        {
          const int token = max (0, query[i]);

          most[i] = stats[2 * token];
          inverse[i] = 1.0f / stats[2 * token + 1];
          delta[i] = deltas[token];
        }
      barrier (CLK_LOCAL_MEM_FENCE);
      products (qs, ks, s, tx, ty);
      products (gs, vs, dp, tx, ty);
UNROLL
      for (int i = 0; i < RM; i++)
UNROLL
        for (int j = 0; j < RN; j++)
          {
            const int r = ty + TY * i, c = tx + TX * j, what = relation (query[r], key[c], NEAR (query[r], key[c]), flags);
            const float p = weight (s[i][j], what, scale, most[r], inverse[r]);
            float factor = 1.0f;

            if (flags & DROPOUT)
              factor = dropout_factor (dropout, dropout_scale, sequence + row,
                                       WEIGHT_INDEX (query[r], r, first + c));
            ps[r * (N + 1) + c] = p * factor;
            ds[r * (N + 1) + c] = what == 1 ? p * (dp[i][j] * factor - delta[r]) : 0.0f;
          }
      barrier (CLK_LOCAL_MEM_FENCE);

      for (int n = 0; n < M; n++)
        {
          float x[RD], y[RD];

UNROLL
          for (int j = 0; j < RD; j++)
            {
              x[j] = qs[n * LD + tx + TX * j];
              y[j] = gs[n * LD + tx + TX * j];
            }
UNROLL
          for (int i = 0; i < RK; i++)
            {
              const float d = ds[n * (N + 1) + ty + TY * i], p = ps[n * (N + 1) + ty + TY * i];

UNROLL
              for (int j = 0; j < RD; j++)
                {
                  acc_k[i][j] = fma (d, x[j], acc_k[i][j]);
                  acc_v[i][j] = fma (p, y[j], acc_v[i][j]);
                }
            }
        }
    }

  barrier (CLK_LOCAL_MEM_FENCE);
UNROLL
  for (int i = 0; i < RK; i++)
    {
      float sum = 0.0f;

UNROLL
      for (int j = 0; j < RD; j++)
        {
          acc_k[i][j] *= scale;
          sum = fma (acc_k[i][j], ks[(ty + TY * i) * LD + tx + TX * j], sum);
        }
      partial[(ty + TY * i) * TX + tx] = sum;
    }
  barrier (CLK_LOCAL_MEM_FENCE);
UNROLL
  for (int i = 0; i < RK; i++)
    {
      const int signed_token = key[ty + TY * i], token = signed_token < -1 ? -2 - signed_token : signed_token;
      float sum = 0.0f, factor = 1.0f;

      if (token < 0)
        continue;
      if (flags & SHARED)
        {
          for (int j = 0; j < TX; j++)
            sum += partial[(ty + TY * i) * TX + j];
          factor = key_norms[token];
        }
UNROLL
      for (int j = 0; j < RD; j++)
        {
          const int c = tx + TX * j;
          __global float *to_k = dk + (size_t) token * stride + c, *to_v = dv + (size_t) token * stride + c;

          if (c < HEAD_SIZE)
            {
              *to_k = (round > 0 || flags & SHARED ? *to_k : 0.0f) + factor * (acc_k[i][j] - ks[(ty + TY * i) * LD + c] * sum);
              *to_v = (round > 0 ? *to_v : 0.0f) + acc_v[i][j];
            }
        }
    }
}

#endif
