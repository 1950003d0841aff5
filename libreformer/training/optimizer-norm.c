/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/optimizer-private.h"

#include "layers/parameter-private.h"
#include "ops/optimizer.h"

#include <math.h>

double
reformer_optimizer_measure (GPtrArray   *parameters,
                            ReformerRun *run)
{
  g_autoptr (ReformerTensor) sums = NULL;
  g_autofree float *parts = NULL;
  gsize n = 0, at = 0;
  double total = 0.0;

  for (guint i = 0; i < parameters->len; i++)
    if (reformer_parameter_get_gradient (parameters->pdata[i]) != NULL)
      n += reformer_sum_squares_size (run->device, reformer_parameter_get_n_elements (parameters->pdata[i]));
  if (n == 0)
    return reformer_run_ok (run) ? 0.0 : (double) NAN;

  sums = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) n);
  parts = g_try_new (float, n);
  if (parts == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "the norm of the gradients: no host memory for %" G_GSIZE_FORMAT " numbers", n);
  if (!reformer_run_ok (run))
    return NAN;
  for (guint i = 0; i < parameters->len; i++)
    {
      ReformerTensor *gradient = reformer_parameter_get_gradient (parameters->pdata[i]);
      const gsize n_elements = reformer_parameter_get_n_elements (parameters->pdata[i]);

      if (gradient == NULL)
        continue;
      reformer_sum_squares (run, reformer_span (gradient), n_elements, reformer_at (sums, at));
      at += reformer_sum_squares_size (run->device, n_elements);
    }
  reformer_run_read (run, reformer_span (sums), parts, n);
  if (!reformer_run_ok (run))
    return NAN;
  for (gsize i = 0; i + 1 < n; i += 2)
    total += ldexp ((double) parts[i], 2 * (int) parts[i + 1]);
  return sqrt (total);
}
