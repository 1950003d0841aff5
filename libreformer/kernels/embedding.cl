/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Rows of a table [vocabulary, width] by id, for a piece [first, first + count) of the tokens of a batch [B, T]. ids, y, d1, d2 begin at the
// piece's first token. Dropout's index is (n % T) * width + column, its sequence that of row n / T.

// The factors of four neighbouring elements; one Philox, or two where they do not start at a whole one.
inline float4
dropout_four (uint4 key, float scale, uint sequence, ulong index)
{
  uint4 w = dropout_words (key, sequence, index >> 2);

  if ((index & 3) != 0)
    {
      uint4 next = dropout_words (key, sequence, (index >> 2) + 1);

      if ((index & 2) != 0)
        {
          w = (uint4) (w.zw, next.xy);
          next.x = next.z;
        }
      if ((index & 1) != 0)
        w = (uint4) (w.yzw, next.x);
    }
  return select ((float4) 0.0f, (float4) scale, w >= (uint4) key.w);
}

// y = (store 0), += (1), -= (2) dropout (weight[id]). Work-item i has `rows` tokens from i * rows on.
__kernel void
embedding_forward (SPAN (const int, ids), SPAN (const float, weight), SPAN (float, y), int width, ulong first, int count, int T, int rows,
                   int store, uint4 key, float scale, uint sequence)
{
  BEGIN (const int, ids);
  BEGIN (const float, weight);
  BEGIN (float, y);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      const ulong n = first + r, row = n / (ulong) T, index = (n - row * (ulong) T) * (ulong) width;
      __global const float *w = weight + (ulong) ids[r] * (ulong) width;
      __global float *z = y + r * (ulong) width;
      int c = 0;

      if (key.w == 0)
        for (; c + VW <= width; c += VW)
          {
            vec v = LOAD (w + c);

            if (store != 0)
              v = store == 1 ? LOAD (z + c) + v : LOAD (z + c) - v;
            STORE_GLOBAL (z + c, v);
          }
      else if ((index & 3) == 0)
        for (; c + VW <= width; c += VW)
          {
            vec v = LOAD (w + c) * dropout_factors (key, scale, sequence + (uint) row, index + (ulong) c);

            if (store != 0)
              v = store == 1 ? LOAD (z + c) + v : LOAD (z + c) - v;
            STORE_GLOBAL (z + c, v);
          }
      if (key.w != 0)
        for (; c + 4 <= width; c += 4)
          {
            float4 v = vload4 (0, w + c) * dropout_four (key, scale, sequence + (uint) row, index + (ulong) c);

            if (store != 0)
              v = store == 1 ? vload4 (0, z + c) + v : vload4 (0, z + c) - v;
            vstore4 (v, 0, z + c);
          }
      for (; c < width; c++)
        {
          const float factor = key.w == 0 ? 1.0f : dropout_factor (key, scale, sequence + (uint) row, index + (ulong) c);
          const float v = w[c] * factor;

          z[c] = store == 0 ? v : store == 1 ? z[c] + v : z[c] - v;
        }
    }
}

// dweight[id] += dropout (d1 + d2), tokens in their order. Work-item (i, j): columns i * VW to (i + 1) * VW, ids that leave j when divided by
// `classes`; each walks all tokens, so that no two add to one place.
__kernel void
embedding_backward (SPAN (const int, ids), SPAN (const float, d1), SPAN (const float, d2), int two, SPAN (float, dweight), int vocabulary,
                    int width, ulong first, int count, int T, int classes, uint4 key, float scale, uint sequence)
{
  BEGIN (const int, ids);
  BEGIN (const float, d1);
  BEGIN (const float, d2);
  BEGIN (float, dweight);
  const ulong left = get_global_id (0) * VW;
  const uint which = (uint) get_global_id (1);

  if (left >= (ulong) width)
    return;

  const int n = (int) min ((ulong) VW, (ulong) width - left);
  ulong row = first / (ulong) T, t = first - row * (ulong) T;

  for (int r = 0; r < count; r++)
    {
      const uint id = (uint) ids[r];

      if (id < (uint) vocabulary && id % (uint) classes == which)
        {
          const ulong at = (ulong) r * (ulong) width + left, index = t * (ulong) width + left;
          __global float *z = dweight + (ulong) id * (ulong) width + left;

          if (n == VW)
            {
              vec g = LOAD (d1 + at);

              if (two != 0)
                g += LOAD (d2 + at);
              if (key.w != 0 && (index & 3) == 0)
                g *= dropout_factors (key, scale, sequence + (uint) row, index);
              else if (key.w != 0)
                {
                  float factors[VW];

                  for (int c = 0; c < VW; c += 4)
                    vstore4 (dropout_four (key, scale, sequence + (uint) row, index + (ulong) c), 0, factors + c);
                  g *= LOAD (factors);
                }
              STORE_GLOBAL (z, LOAD (z) + g);
            }
          else
            for (int c = 0; c < n; c++)
              {
                float g = d1[at + (ulong) c];

                if (two != 0)
                  g += d2[at + (ulong) c];
                if (key.w != 0)
                  g *= dropout_factor (key, scale, sequence + (uint) row, index + (ulong) c);
                z[c] += g;
              }
        }
      if (++t == (ulong) T)
        {
          t = 0;
          row++;
        }
    }
}

// positions[n] = start + (first + n) % T. Work-item i has `rows` tokens from i * rows on.
__kernel void
positions_fill (SPAN (int, positions), ulong start, ulong first, int count, int T, int rows)
{
  BEGIN (int, positions);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    positions[r] = (int) (start + (first + r) % (ulong) T);
}
