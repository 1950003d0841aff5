/* SPDX-License-Identifier: LGPL-2.1-or-later */

// LSH attention of few queries: the last n of T tokens, each with the keys of its windows gathered for it. Written once: a token's work is small, and spread over its keys.
//
//   order    int [heads][rounds][rows][T]       tokens, ascending by bucket
//   places   int [heads][rounds][rows][n]       where the last n tokens stand in an order
//   keys     int [heads][rows][n][count]        tokens in the windows of all rounds, -1 where there is none to be seen; count = rounds * window
//   sources  int [heads][rows][n][count]        rows of the array of inputs that they come from, [rows][capacity]
//   k, v     float [heads][rows][n][count][d]   of the gathered tokens; keys are not normalised yet
//   q, out   float [rows][n][heads d]
//   weights  float [heads][rows][n][count]      scores, then weights
//
// Indices: i query, w key in the windows, row of the batch; slot = head * rows + row.

#define SELF -1e5f // the score of a token's own key (spec 3.4.5)
#define LEAST -87.0f // exp () of less is 0

// Work-item: `span` places of an order.
__kernel void
few_places (SPAN (const int, order), SPAN (int, places), int T, int n, int span)
{
  BEGIN (const int, order);
  BEGIN (int, places);
  const int from = get_global_id (0) * span, end = min (T, from + span);

  order += get_global_id (1) * (size_t) T;
  places += get_global_id (1) * (size_t) n;
  for (int p = from; p < end; p++)
    if (order[p] >= T - n)
      places[order[p] - (T - n)] = p;
}

// Work-item: a key. A round has `padded` places, T of which hold tokens; all rounds of a row and head form one ring of chunks.
__kernel void
few_keys (SPAN (const int, order), SPAN (const int, places), SPAN (int, keys), SPAN (int, sources), int rows, int T, int n, int rounds, int chunk,
          int before, int window, int padded, int causal, int capacity)
{
  BEGIN (const int, order);
  BEGIN (const int, places);
  BEGIN (int, keys);
  BEGIN (int, sources);
  const int w = get_global_id (0), i = get_global_id (1), slot = get_global_id (2), head = slot / rows, row = slot - head * rows;
  const int chunks = rounds * (padded / chunk);

  if (w >= rounds * window)
    return;

  const int round = w / window, at = w - round * window;
  const size_t list = ((size_t) head * rounds + round) * rows + row, to = ((size_t) slot * n + i) * (rounds * window) + w;
  const int own = (round * (padded / chunk)) + places[list * n + i] / chunk;
  const int c = ((own - before + at / chunk) % chunks + chunks) % chunks;
  const int r = c / (padded / chunk), p = (c - r * (padded / chunk)) * chunk + at % chunk;
  int token = p < T ? order[(((size_t) head * rounds + r) * rows + row) * T + p] : -1;

  if (causal && token > T - n + i)
    token = -1;
  keys[to] = token;
  sources[to] = row * capacity + max (token, 0);
}

// Work-item: a key. The key is k / sqrt (mean (k^2) + 1e-6) / sqrt (d) (spec 3.4.1).
__kernel void
few_scores (SPAN (const float, q), SPAN (const float, k), SPAN (const int, keys), SPAN (float, weights), int heads, int rows, int T, int n, int count,
            int d)
{
  BEGIN (const float, q);
  BEGIN (const float, k);
  BEGIN (const int, keys);
  BEGIN (float, weights);
  const int w = get_global_id (0), i = get_global_id (1), slot = get_global_id (2), head = slot / rows, row = slot - head * rows;
  const size_t at = ((size_t) slot * n + i) * count + w;

  if (w >= count)
    return;

  __global const float *a = q + (((size_t) row * n + i) * heads + head) * d, *b = k + at * d;
  vec dots = 0.0f, squares = 0.0f;
  float dot = 0.0f, square = 0.0f;
  int c = 0;

  for (; c + VW <= d; c += VW)
    {
      const vec x = LOAD (a + c), y = LOAD (b + c);

      dots = fma (x, y, dots);
      squares = fma (y, y, squares);
    }
  for (; c < d; c++)
    {
      dot = fma (a[c], b[c], dot);
      square = fma (b[c], b[c], square);
    }
  dot += vec_sum (dots);
  square += vec_sum (squares);
  dot /= sqrt (square / d + 1e-6f) * sqrt ((float) d);
  weights[at] = keys[at] < 0 ? -FLT_MAX : keys[at] == T - n + i ? SELF : dot;
}

// Work-item: a query's softmax. There is always a key, itself.
__kernel void
few_weights (SPAN (float, weights), int n, int count)
{
  BEGIN (float, weights);
  const int i = get_global_id (0);
  float most = -FLT_MAX, sum = 0.0f;

  if (i >= n)
    return;
  weights += ((size_t) get_global_id (1) * n + i) * count;
  for (int w = 0; w < count; w++)
    most = fmax (most, weights[w]);
  for (int w = 0; w < count; w++)
    {
      const float s = weights[w] - most, p = s < LEAST ? 0.0f : exp (s);

      weights[w] = p;
      sum += p;
    }
  for (int w = 0; w < count; w++)
    weights[w] /= sum;
}

// Work-item: VW columns of a query's output.
__kernel void
few_mix (SPAN (const float, weights), SPAN (const float, v), SPAN (float, out), int heads, int rows, int n, int count, int d)
{
  BEGIN (const float, weights);
  BEGIN (const float, v);
  BEGIN (float, out);
  const int c0 = get_global_id (0) * VW, i = get_global_id (1), slot = get_global_id (2), head = slot / rows, row = slot - head * rows;

  if (c0 >= d)
    return;
  weights += ((size_t) slot * n + i) * count;
  v += ((size_t) slot * n + i) * count * d;
  out += (((size_t) row * n + i) * heads + head) * d;
  if (c0 + VW <= d)
    {
      vec sum = 0.0f;

      for (int w = 0; w < count; w++)
        sum = fma ((vec) (weights[w]), LOAD (v + (size_t) w * d + c0), sum);
      STORE_GLOBAL (out + c0, sum);
    }
  else
    for (int c = c0; c < d; c++)
      {
        float sum = 0.0f;

        for (int w = 0; w < count; w++)
          sum = fma (weights[w], v[(size_t) w * d + c], sum);
        out[c] = sum;
      }
}
