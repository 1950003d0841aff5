/* SPDX-License-Identifier: LGPL-2.1-or-later */

// choices[n] = the class with the greatest of the logits [count, classes] (leading dimension ld) of row n, the first of several; 0 where none is above -FLT_MAX.
// Work-item i has `rows` rows from i * rows on.
__kernel void
choose (SPAN (const float, logits), int ld, SPAN (int, choices), int count, int classes, int rows)
{
  BEGIN (const float, logits);
  BEGIN (int, choices);
  const ulong from = get_global_id (0) * (ulong) rows, to = min (from + (ulong) rows, (ulong) count);

  for (ulong r = from; r < to; r++)
    {
      __global const float *x = logits + r * (ulong) ld;
      vec high = (vec) -FLT_MAX;
      ivec first = (ivec) 0; // in each lane: where its greatest began
      float top = -FLT_MAX;
      int at = 0, c = 0;

      for (; c + VW <= classes; c += VW)
        {
          const vec v = LOAD (x + c);
          const ivec greater = v > high;

          high = select (high, v, greater);
          first = select (first, (ivec) c, greater);
        }

      float lanes[VW];
      int begins[VW];

      STORE_PRIVATE (lanes, high);
      *(ivec_u *) begins = first;
      for (int lane = 0; lane < VW; lane++)
        if (lanes[lane] > top || (lanes[lane] == top && top > -FLT_MAX && begins[lane] + lane < at))
          {
            top = lanes[lane];
            at = begins[lane] + lane;
          }
      for (; c < classes; c++)
        if (x[c] > top)
          {
            top = x[c];
            at = c;
          }
      choices[r] = at;
    }
}
