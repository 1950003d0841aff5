/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/metrics.h"

#include <math.h>

void
reformer_value_sums_add (ReformerValueSums *self,
                         double             said,
                         double             wanted)
{
  const double error = said - wanted;

  if (isnan (wanted))
    return;
  self->count++;
  self->squares += error * error;
  self->absolutes += fabs (error);
}

double
reformer_value_sums_mean_square (const ReformerValueSums *self)
{
  return self->count > 0 ? self->squares / (double) self->count : (double) NAN;
}

double
reformer_value_sums_mean_absolute (const ReformerValueSums *self)
{
  return self->count > 0 ? self->absolutes / (double) self->count : (double) NAN;
}
