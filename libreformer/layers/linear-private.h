/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include <libreformer/layers/reformer-linear.h>

G_BEGIN_DECLS

/* For models that run a linear layer piece by piece. m rows; ldx and ldy are leading dimensions. Errors stay in the tape's run. */

/* Borrowed. */
ReformerParameter *reformer_linear_peek_weight  (ReformerLinear *self);
/* Borrowed; NULL without bias. */
ReformerParameter *reformer_linear_peek_bias    (ReformerLinear *self);
/* y = / += / -= x W^T + bias, with an epilogue or NULL */
void               reformer_linear_run_forward  (ReformerLinear *self,
                                                 ReformerSpan    x,
                                                 int             ldx,
                                                 ReformerSpan    y,
                                                 int             ldy,
                                                 gsize           m,
                                                 ReformerStore   store,
                                                 const ReformerEpilogue *epilogue,
                                                 ReformerTape   *tape);
/* dx = / += / -= dy W */
void               reformer_linear_run_backward (ReformerLinear *self,
                                                 ReformerSpan    dy,
                                                 int             lddy,
                                                 ReformerSpan    dx,
                                                 int             lddx,
                                                 gsize           m,
                                                 ReformerStore   store,
                                                 ReformerTape   *tape);
/* Adds to the gradients of weight and bias. The first row's number is a multiple of REFORMER_BLOCK. */
void               reformer_linear_run_gradient (ReformerLinear *self,
                                                 ReformerSpan    dy,
                                                 int             lddy,
                                                 ReformerSpan    x,
                                                 int             ldx,
                                                 gsize           m,
                                                 ReformerTape   *tape);

G_END_DECLS
