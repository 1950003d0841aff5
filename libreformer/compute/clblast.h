/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"

G_BEGIN_DECLS

/* Matrix products by CLBlast, where the library was built with it.
 *
 * CLBlast compiles its kernels at their first use on a device, which takes seconds, and keeps them in memory (not in our cache on disk). It calls OpenCL
 * by itself, past compute/cl.c. The copies that it pads are in `scratch`, a buffer of ours, so that the account and memory plans count them. */

gboolean reformer_clblast_available (void);
/* Elements of scratch that a product of this size wants. */
gsize    reformer_clblast_scratch   (gsize           m,
                                     gsize           n,
                                     gsize           k);
/* Y[m,n] = alpha X W + beta Y, row-major; X is [m,k], with transpose_x [k,m]; W is [k,n], with transpose_w [n,k]. With beta = 0 Y is not read.
 * Queued, in order with launches; does nothing when the run has failed, is cancelled (then it fails with G_IO_ERROR_CANCELLED), or the device only
 * plans. FALSE when the run has failed. */
gboolean reformer_clblast_sgemm     (ReformerRun    *run,
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
                                     ReformerTensor *scratch);
/* Forgets compiled kernels, which hold the context of a device that closes. */
void     reformer_clblast_forget    (void);

G_END_DECLS
