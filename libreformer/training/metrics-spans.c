/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/metrics.h"

#include <math.h>

gboolean
reformer_spans_choose (const float  *logits,
                       const guint8 *mask,
                       gsize         n,
                       gsize        *begin,
                       gsize        *end)
{
  double best = -HUGE_VAL, first = -HUGE_VAL;
  gsize from = 0;
  gboolean found = FALSE;

  for (gsize t = 0; t < n; t++)
    {
      if (mask != NULL && mask[t] == 0)
        continue;
      if ((double) logits[2 * t] > first)
        {
          first = (double) logits[2 * t];
          from = t;
        }
      if (first + (double) logits[2 * t + 1] > best)
        {
          best = first + (double) logits[2 * t + 1];
          *begin = from;
          *end = t;
          found = TRUE;
        }
    }
  return found;
}

void
reformer_span_counts_add (ReformerSpanCounts *self,
                          const float        *logits,
                          const guint8       *mask,
                          gsize               n,
                          gint32              begin,
                          gint32              end)
{
  gsize from = 0, to = 0;

  if (begin < 0 || end < 0 || (gsize) begin >= n || (gsize) end >= n)
    return;
  self->rows++;
  self->exact += reformer_spans_choose (logits, mask, n, &from, &to) && from == (gsize) begin && to == (gsize) end;
}

double
reformer_span_counts_exact_match (const ReformerSpanCounts *self)
{
  return self->rows > 0 ? (double) self->exact / (double) self->rows : (double) NAN;
}
