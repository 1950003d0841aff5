/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/compute/reformer-device-error.h>
#include <libreformer/compute/reformer-tensor.h>

G_BEGIN_DECLS

/*
 * One public call's worth of work on a device. It keeps the first error: every launch and allocation after it does nothing, so that
 * the code of layers and operations reads as arithmetic, and the public function that made the run checks once, at its end.
 *
 *   ReformerRun run = REFORMER_RUN_INIT (device, cancellable);
 *   g_autoptr (ReformerTensor) y = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, rows, width);
 *   reformer_norm_forward (&run, ...);
 *   return reformer_run_finish (&run, error) ? g_steal_pointer (&y) : NULL;
 */
typedef struct
{
  ReformerDevice *device;      /* borrowed */
  GCancellable   *cancellable; /* borrowed, may be NULL */
  const char     *part;        /* which line of the memory plan new tensors count to; static text, NULL = "other" */
  GError         *error;       /* the first failure */
} ReformerRun;

#define REFORMER_RUN_INIT(device, cancellable) { (device), (cancellable), NULL, NULL }

/* Sums over tokens go through blocks of this many tokens, joined in their order. */
#define REFORMER_BLOCK 1024

gboolean        reformer_run_ok     (ReformerRun   *run);
gboolean        reformer_run_finish (ReformerRun   *run,
                                     GError       **error);
void            reformer_run_clear  (ReformerRun   *run);
void            reformer_run_fail   (ReformerRun   *run,
                                     GQuark         domain,
                                     int            code,
                                     const char    *format,
                                     ...) G_GNUC_PRINTF (4, 5);
void            reformer_run_take   (ReformerRun   *run,
                                     GError        *error);
/* An uninitialised tensor of n_dims dimensions given as gint64; NULL after a failure. */
ReformerTensor *reformer_run_new    (ReformerRun   *run,
                                     ReformerDType  dtype,
                                     guint          n_dims,
                                     ...);
/* Frees a tensor, or the NULL that stands where one could not be had: for containers of tensors. */
void            reformer_run_unref  (gpointer       tensor);
/* `part` of the run until the matching end: returns the part before. */
const char     *reformer_run_part   (ReformerRun   *run,
                                     const char    *part);

G_END_DECLS
