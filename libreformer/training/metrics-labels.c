/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/metrics.h"

#include <math.h>

gboolean
reformer_label_counts_start (ReformerLabelCounts *self,
                             gsize                n)
{
  self->rows = 0;
  self->exact = 0;
  return reformer_class_counts_start (&self->counts, n);
}

void
reformer_label_counts_clear (ReformerLabelCounts *self)
{
  reformer_class_counts_clear (&self->counts);
  self->rows = 0;
  self->exact = 0;
}

void
reformer_label_counts_add (ReformerLabelCounts *self,
                           const float         *logits,
                           const float         *wanted)
{
  gsize asked = 0, hits = 0;

  for (gsize c = 0; c < self->counts.n; c++)
    {
      const gboolean chosen = logits[c] > 0, positive = wanted[c] > 0.5f;

      if (!(wanted[c] >= 0))
        continue;
      asked++;
      hits += chosen == positive;
      self->counts.wanted[c] += positive;
      self->counts.chosen[c] += chosen;
      self->counts.right[c] += chosen && positive;
    }
  if (asked == 0)
    return;
  self->counts.total += (gint64) asked;
  self->counts.hits += (gint64) hits;
  self->rows++;
  self->exact += hits == asked;
}

double
reformer_label_counts_accuracy (const ReformerLabelCounts *self)
{
  return reformer_class_counts_accuracy (&self->counts);
}

double
reformer_label_counts_macro_f1 (const ReformerLabelCounts *self)
{
  const ReformerClassCounts *counts = &self->counts;
  double sum = 0;

  if (self->rows == 0)
    return (double) NAN;
  for (gsize c = 0; c < counts->n; c++)
    if (counts->wanted[c] + counts->chosen[c] > 0)
      sum += 2 * (double) counts->right[c] / (double) (counts->wanted[c] + counts->chosen[c]);
  return sum / (double) counts->n;
}

double
reformer_label_counts_exact_match (const ReformerLabelCounts *self)
{
  return self->rows > 0 ? (double) self->exact / (double) self->rows : (double) NAN;
}
