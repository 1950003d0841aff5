/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_AXIAL_POSITION (reformer_axial_position_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerAxialPosition, reformer_axial_position, REFORMER, AXIAL_POSITION, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerAxialPosition *reformer_axial_position_new             (ReformerDevice        *device,
                                                                const int             *shape,
                                                                gsize                  n_axes,
                                                                const int             *dims,
                                                                gsize                  n_dims);
REFORMER_AVAILABLE_IN_1_0
int                   *reformer_axial_position_get_shape       (ReformerAxialPosition *self,
                                                                gsize                 *n_axes);
REFORMER_AVAILABLE_IN_1_0
int                   *reformer_axial_position_get_dims        (ReformerAxialPosition *self,
                                                                gsize                 *n_dims);
REFORMER_AVAILABLE_IN_1_0
guint64                reformer_axial_position_get_max_length  (ReformerAxialPosition *self);
REFORMER_AVAILABLE_IN_1_0
int                    reformer_axial_position_get_hidden_size (ReformerAxialPosition *self);
REFORMER_AVAILABLE_IN_1_0
double                 reformer_axial_position_get_deviation   (ReformerAxialPosition *self);
REFORMER_AVAILABLE_IN_1_0
double                 reformer_axial_position_get_dropout     (ReformerAxialPosition *self);

G_END_DECLS
