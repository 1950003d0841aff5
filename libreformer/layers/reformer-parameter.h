/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/compute/reformer-tensor.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_PARAMETER (reformer_parameter_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerParameter, reformer_parameter, REFORMER, PARAMETER, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerParameter *reformer_parameter_new           (ReformerDevice     *device,
                                                     const char         *name,
                                                     const gint64       *shape,
                                                     gsize               n_dims);
REFORMER_AVAILABLE_IN_1_0
const char        *reformer_parameter_get_name      (ReformerParameter  *self);
REFORMER_AVAILABLE_IN_1_0
gint64            *reformer_parameter_get_shape     (ReformerParameter  *self,
                                                     gsize              *n_dims);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor    *reformer_parameter_get_value     (ReformerParameter  *self);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor    *reformer_parameter_get_gradient  (ReformerParameter  *self);
REFORMER_AVAILABLE_IN_1_0
gboolean           reformer_parameter_get_trainable (ReformerParameter  *self);
REFORMER_AVAILABLE_IN_1_0
void               reformer_parameter_set_trainable (ReformerParameter  *self,
                                                     gboolean            trainable);
REFORMER_AVAILABLE_IN_1_0
gboolean           reformer_parameter_fill          (ReformerParameter  *self,
                                                     double              value,
                                                     GError            **error);
REFORMER_AVAILABLE_IN_1_0
gboolean           reformer_parameter_fill_normal   (ReformerParameter  *self,
                                                     double              deviation,
                                                     guint64             seed,
                                                     GError            **error);

G_END_DECLS
