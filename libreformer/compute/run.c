/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/run.h"

#include "compute/tensor-private.h"

#include <libreformer/compute/reformer-device-error.h>

#include <stdarg.h>

gboolean
reformer_run_ok (ReformerRun *run)
{
  return run->error == NULL;
}

gboolean
reformer_run_finish (ReformerRun  *run,
                     GError      **error)
{
  if (run->error == NULL)
    return TRUE;

  g_propagate_error (error, g_steal_pointer (&run->error));
  return FALSE;
}

void
reformer_run_clear (ReformerRun *run)
{
  g_clear_error (&run->error);
}

void
reformer_run_fail (ReformerRun *run,
                   GQuark       domain,
                   int          code,
                   const char  *format,
                   ...)
{
  va_list args;

  if (run->error != NULL)
    return;

  va_start (args, format);
  run->error = g_error_new_valist (domain, code, format, args);
  va_end (args);
}

void
reformer_run_take (ReformerRun *run,
                   GError      *error)
{
  if (run->error == NULL)
    run->error = error;
  else
    g_clear_error (&error);
}

ReformerTensor *
reformer_run_new (ReformerRun   *run,
                  ReformerDType  dtype,
                  guint          n_dims,
                  ...)
{
  gint64 shape[REFORMER_MAX_DIMS];
  va_list args;

  if (run->error != NULL)
    return NULL;

  va_start (args, n_dims);
  for (guint i = 0; i < MIN (n_dims, REFORMER_MAX_DIMS); i++)
    shape[i] = va_arg (args, gint64);
  va_end (args);

  return reformer_tensor_new_uninitialised (run->device, dtype, shape, n_dims, run->part, &run->error);
}

const char *
reformer_run_part (ReformerRun *run,
                   const char  *part)
{
  const char *before = run->part;

  run->part = part;
  return before;
}

void
reformer_run_unref (gpointer tensor)
{
  if (tensor != NULL)
    g_object_unref (tensor);
}
