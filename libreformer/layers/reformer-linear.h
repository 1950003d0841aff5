/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_LINEAR (reformer_linear_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerLinear, reformer_linear, REFORMER, LINEAR, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerLinear *reformer_linear_new              (ReformerDevice *device,
                                                  int             in_features,
                                                  int             out_features,
                                                  gboolean        bias);
REFORMER_AVAILABLE_IN_1_0
int             reformer_linear_get_in_features  (ReformerLinear *self);
REFORMER_AVAILABLE_IN_1_0
int             reformer_linear_get_out_features (ReformerLinear *self);
REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_linear_get_bias         (ReformerLinear *self);
REFORMER_AVAILABLE_IN_1_0
double          reformer_linear_get_deviation    (ReformerLinear *self);

G_END_DECLS
