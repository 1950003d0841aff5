/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_LAYER_NORM (reformer_layer_norm_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerLayerNorm, reformer_layer_norm, REFORMER, LAYER_NORM, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerLayerNorm *reformer_layer_norm_new      (ReformerDevice    *device,
                                                 int                size);
REFORMER_AVAILABLE_IN_1_0
int                reformer_layer_norm_get_size (ReformerLayerNorm *self);
REFORMER_AVAILABLE_IN_1_0
double             reformer_layer_norm_get_eps  (ReformerLayerNorm *self);

G_END_DECLS
