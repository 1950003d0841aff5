/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include "ops/norm.h"
#include <libreformer/layers/reformer-layer-norm.h>

G_BEGIN_DECLS

/* For layers and models that norm piece by piece, or two streams side by side: x2 without a tensor means one array of the layer's size, otherwise each has
 * half of it. All arrays x, and all dx, have the leading dimension of one of them, which is also its width. Errors stay in the tape's run. */
void reformer_layer_norm_run_forward  (ReformerLayerNorm *self,
                                       ReformerSpan       x1,
                                       ReformerSpan       x2,
                                       gsize              count,
                                       ReformerSpan       y,
                                       ReformerTape      *tape);
/* dx1 and dx2 are set or added to; the gradients of weight and bias are added to. The first row's number is a multiple of REFORMER_BLOCK. */
void reformer_layer_norm_run_backward (ReformerLayerNorm *self,
                                       ReformerSpan       x1,
                                       ReformerSpan       x2,
                                       gsize              count,
                                       ReformerSpan       dy,
                                       ReformerSpan       dx1,
                                       ReformerSpan       dx2,
                                       ReformerStore      store,
                                       ReformerTape      *tape);

G_END_DECLS
