/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Attention of few queries: the last n of T tokens, each with a list of keys. Written once: a token's work is small, and spread over its keys.
//
//   keys     int [heads][rows][n][count]        tokens that a query looks at, -1 where there is none to be seen
//   k, v     float [rows][capacity][heads][d]   of all tokens; or, with a capacity of 0, [heads][rows][n][count][d], gathered for the lists of LSH attention
//                                               (then keys are not normalised yet)
//   q, out   float [rows][n][heads d]
//   weights  float [heads][rows][n][count]      scores, then weights
//
// and to find the keys of LSH attention
//
//   order    int [heads][rounds][rows][T]       tokens, ascending by bucket
//   places   int [heads][rounds][rows][n]       where the last n tokens stand in an order
//   sources  int [heads][rows][n][count]        rows of the array of inputs that keys come from, [rows][capacity]; count = rounds * window
//
// Indices: i query, w key in the list, row of the batch; slot = head * rows + row.

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

// Work-item: a key of causal attention in natural order: w = count - 1 is the query's own token, and the ones before it are `step` apart.
__kernel void
few_near (SPAN (int, keys), int T, int n, int count, int step, int chunk, int before)
{
  BEGIN (int, keys);
  const int w = get_global_id (0), i = get_global_id (1), own = T - n + i, first = own / chunk - before;
  const long token = own - (long) (count - 1 - w) * step;

  if (w < count)
    keys[(get_global_id (2) * n + i) * (size_t) count + w] = token >= (first > 0 ? first * chunk : 0) ? (int) token : -1;
}

// Work-item: a key. A gathered one is k / sqrt (mean (k^2) + 1e-6) / sqrt (d) (spec 3.4.1), the others k / sqrt (d).
__kernel void
few_scores (SPAN (const float, q), SPAN (const float, k), SPAN (const int, keys), SPAN (float, weights), int heads, int rows, int T, int n, int count,
            int capacity, int d)
{
  BEGIN (const float, q);
  BEGIN (const float, k);
  BEGIN (const int, keys);
  BEGIN (float, weights);
  const int w = get_global_id (0), i = get_global_id (1), slot = get_global_id (2), head = slot / rows, row = slot - head * rows;
  const size_t at = ((size_t) slot * n + i) * count + w;

  if (w >= count)
    return;
  if (keys[at] < 0)
    {
      weights[at] = -FLT_MAX;
      return;
    }

  __global const float *a = q + (((size_t) row * n + i) * heads + head) * d;
  __global const float *b = k + (capacity > 0 ? ((size_t) row * capacity + keys[at]) * heads + head : at) * d;
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
  dot = (dot + vec_sum (dots)) / sqrt ((float) d);
  square += vec_sum (squares);
  if (capacity > 0)
    weights[at] = dot;
  else
    weights[at] = keys[at] == T - n + i ? SELF : dot / sqrt (square / d + 1e-6f);
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

// Work-item: VW columns of a query's output. Where there is no key the weight is 0.
__kernel void
few_mix (SPAN (const float, weights), SPAN (const float, v), SPAN (const int, keys), SPAN (float, out), int heads, int rows, int n, int count,
         int capacity, int d)
{
  BEGIN (const float, weights);
  BEGIN (const float, v);
  BEGIN (const int, keys);
  BEGIN (float, out);
  const int c0 = get_global_id (0) * VW, i = get_global_id (1), slot = get_global_id (2), head = slot / rows, row = slot - head * rows;
  const size_t list = ((size_t) slot * n + i) * count;
  const int columns = min (VW, d - c0);
  float sums[VW];
  vec sum = 0.0f;

  if (c0 >= d)
    return;
  v += (capacity > 0 ? (size_t) row * capacity * heads + head : list) * d + c0;
  out += (((size_t) row * n + i) * heads + head) * d + c0;
  for (int c = 0; c < VW; c++)
    sums[c] = 0.0f;
  for (int w = 0; w < count; w++)
    {
      __global const float *x = v + (capacity > 0 ? (size_t) max (keys[list + w], 0) * heads : w) * d;
      const float weight = weights[list + w];

      if (columns == VW)
        sum = fma ((vec) (weight), LOAD (x), sum);
      else
        for (int c = 0; c < columns; c++)
          sums[c] = fma (weight, x[c], sums[c]);
    }
  if (columns == VW)
    STORE_GLOBAL (out, sum);
  else
    for (int c = 0; c < columns; c++)
      out[c] = sums[c];
}
