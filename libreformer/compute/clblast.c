/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/clblast.h"

#include "compute/buffer.h"
#include "compute/tensor-private.h"

#ifdef HAVE_CLBLAST

#include <clblast_c.h>

/* CLBlast's own codes are below OpenCL's. */
#define FIRST_OWN_CODE (-1000)
/* What its kernels pad sizes to, at most. */
#define PAD 128

static int used;

gboolean
reformer_clblast_available (void)
{
  return TRUE;
}

static gsize
padded (gsize a)
{
  return (a + PAD - 1) / PAD * PAD;
}

gsize
reformer_clblast_scratch (gsize m,
                          gsize n,
                          gsize k)
{
  m = padded (m);
  n = padded (n);
  k = padded (k);
  return m * k + n * k + m * n;
}

static gboolean
check_matrix (ReformerRun  *run,
              ReformerSpan  span,
              gsize         rows,
              gsize         columns,
              gsize         ld,
              const char   *name)
{
  const gsize n = reformer_tensor_get_n_elements (span.tensor), wanted = (rows - 1) * ld + columns;

  if (reformer_tensor_get_device (span.tensor) != run->device)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "product: matrix %s is not on device %s", name,
                       reformer_device_get_name (run->device));
  else if (span.offset > n || wanted > n - span.offset)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                       "product: elements %" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT " wanted of matrix %s of %" G_GSIZE_FORMAT, span.offset,
                       span.offset + wanted, name, n);
  return reformer_run_ok (run);
}

gboolean
reformer_clblast_sgemm (ReformerRun    *run,
                        gboolean        transpose_x,
                        gboolean        transpose_w,
                        gsize           m,
                        gsize           n,
                        gsize           k,
                        float           alpha,
                        ReformerSpan    x,
                        gsize           ldx,
                        ReformerSpan    w,
                        gsize           ldw,
                        float           beta,
                        ReformerSpan    y,
                        gsize           ldy,
                        ReformerTensor *scratch)
{
  ReformerDevice *device = run->device;
  cl_event event = NULL;
  CLBlastStatusCode code;

  if (!reformer_run_ok (run) || g_cancellable_set_error_if_cancelled (run->cancellable, &run->error) ||
      !check_matrix (run, x, transpose_x ? k : m, transpose_x ? m : k, ldx, "X") ||
      !check_matrix (run, w, transpose_w ? n : k, transpose_w ? k : n, ldw, "W") || !check_matrix (run, y, m, n, ldy, "Y") ||
      !check_matrix (run, reformer_span (scratch), 1, reformer_clblast_scratch (m, n, k), 0, "scratch"))
    return FALSE;
  if (device->planner)
    return TRUE;

  reformer_device_lock (device);

  if (reformer_device_open (device, &run->error))
    {
      g_atomic_int_set (&used, TRUE);
      code = CLBlastSgemmWithTempBuffer (CLBlastLayoutRowMajor, transpose_x ? CLBlastTransposeYes : CLBlastTransposeNo,
                                         transpose_w ? CLBlastTransposeYes : CLBlastTransposeNo, m, n, k, alpha,
                                         reformer_tensor_get_buffer (x.tensor)->mem, x.offset, ldx,
                                         reformer_tensor_get_buffer (w.tensor)->mem, w.offset, ldw, beta,
                                         reformer_tensor_get_buffer (y.tensor)->mem, y.offset, ldy, &device->queue,
                                         reformer_device_wants_events (device) ? &event : NULL,
                                         reformer_tensor_get_buffer (scratch)->mem);
      /* Up to four kernels, counted as one: the queue is in order, and the event is the last one's. */
      if (code == CLBlastSuccess)
        reformer_device_queued (device, "clblast", event, (ReformerWork) { 2.0 * m * n * k, sizeof (float) * (1.0 * m * k + 1.0 * n * k + (beta != 0 ? 2.0 : 1.0) * m * n) });
      else if (code > FIRST_OWN_CODE)
        reformer_set_cl_error (&run->error, code, "%s: product of %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT " by CLBlast",
                               device->name, m, n, k);
      else
        reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_FAILED,
                           "%s: product of %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT ": CLBlast's status %d", device->name,
                           m, n, k, code);
    }

  reformer_device_unlock (device);
  reformer_device_pace (device);

  return reformer_run_ok (run);
}

void
reformer_clblast_forget (void)
{
  if (g_atomic_int_compare_and_exchange (&used, TRUE, FALSE))
    CLBlastClearCache ();
}

#else

gboolean
reformer_clblast_available (void)
{
  return FALSE;
}

gsize
reformer_clblast_scratch (gsize m,
                          gsize n,
                          gsize k)
{
  return 0;
}

gboolean
reformer_clblast_sgemm (ReformerRun    *run,
                        gboolean        transpose_x,
                        gboolean        transpose_w,
                        gsize           m,
                        gsize           n,
                        gsize           k,
                        float           alpha,
                        ReformerSpan    x,
                        gsize           ldx,
                        ReformerSpan    w,
                        gsize           ldw,
                        float           beta,
                        ReformerSpan    y,
                        gsize           ldy,
                        ReformerTensor *scratch)
{
  reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_FAILED, "product: libreformer was built without CLBlast");
  return FALSE;
}

void
reformer_clblast_forget (void)
{
}

#endif
