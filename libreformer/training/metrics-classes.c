/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/metrics.h"

#include <math.h>

gboolean
reformer_class_counts_start (ReformerClassCounts *self,
                             gsize                n)
{
  reformer_class_counts_clear (self);
  if (n == 0)
    return TRUE;
  self->wanted = g_try_new0 (gint64, n);
  self->chosen = g_try_new0 (gint64, n);
  self->right = g_try_new0 (gint64, n);
  if (self->wanted == NULL || self->chosen == NULL || self->right == NULL)
    {
      reformer_class_counts_clear (self);
      return FALSE;
    }
  self->n = n;
  return TRUE;
}

void
reformer_class_counts_clear (ReformerClassCounts *self)
{
  g_free (self->wanted);
  g_free (self->chosen);
  g_free (self->right);
  *self = (ReformerClassCounts) REFORMER_CLASS_COUNTS_INIT;
}

void
reformer_class_counts_add (ReformerClassCounts *self,
                           gint32               chosen,
                           gint32               wanted)
{
  if (wanted < 0)
    return;
  self->total++;
  self->hits += chosen == wanted;
  if (self->n == 0)
    return;
  self->wanted[wanted]++;
  self->chosen[chosen]++;
  self->right[wanted] += chosen == wanted;
}

double
reformer_class_counts_accuracy (const ReformerClassCounts *self)
{
  return self->total > 0 ? (double) self->hits / (double) self->total : (double) NAN;
}

double
reformer_class_counts_macro_f1 (const ReformerClassCounts *self)
{
  double sum = 0;
  gsize met = 0;

  for (gsize c = 0; c < self->n; c++)
    if (self->wanted[c] + self->chosen[c] > 0)
      {
        sum += 2 * (double) self->right[c] / (double) (self->wanted[c] + self->chosen[c]);
        met++;
      }
  return met > 0 ? sum / (double) met : (double) NAN;
}

/* Shares, not counts: the squares of counts would lose their last digits. */
double
reformer_class_counts_matthews (const ReformerClassCounts *self)
{
  const double total = (double) self->total;
  double together = 0, wanted = 0, chosen = 0;

  if (self->n == 0 || self->total == 0)
    return (double) NAN;
  for (gsize c = 0; c < self->n; c++)
    {
      const double w = (double) self->wanted[c] / total, p = (double) self->chosen[c] / total;

      together += w * p;
      wanted += w * w;
      chosen += p * p;
    }
  if (wanted >= 1 || chosen >= 1)
    return 0;
  return ((double) self->hits / total - together) / sqrt ((1 - wanted) * (1 - chosen));
}
