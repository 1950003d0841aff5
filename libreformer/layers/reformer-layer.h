/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-parameter.h>
#include <libreformer/layers/reformer-tape.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_LAYER (reformer_layer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_DERIVABLE_TYPE (ReformerLayer, reformer_layer, REFORMER, LAYER, GObject)

/**
 * ReformerLayerClass:
 * @parent_class: the parent class
 * @forward: computes the layer's output from its input and, when the tape is recording, pushes on it what backward will need
 * @backward: from the gradient of the output computes the gradient of the input, and adds to the gradients of the parameters;
 *   pops from the tape what forward pushed, in reverse order
 *
 * What a layer does. Both functions may be written in any language.
 */
struct _ReformerLayerClass
{
  GObjectClass parent_class;

  ReformerTensor *(*forward)  (ReformerLayer   *self,
                               ReformerTensor  *input,
                               ReformerTape    *tape,
                               GError         **error);
  ReformerTensor *(*backward) (ReformerLayer   *self,
                               ReformerTensor  *gradient,
                               ReformerTape    *tape,
                               GError         **error);

  /*< private >*/
  gconstpointer internal;
  gpointer      padding[11];
};

REFORMER_AVAILABLE_IN_1_0
ReformerTensor *reformer_layer_forward           (ReformerLayer      *self,
                                                  ReformerTensor     *input,
                                                  ReformerTape       *tape,
                                                  GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor *reformer_layer_backward          (ReformerLayer      *self,
                                                  ReformerTensor     *gradient,
                                                  ReformerTape       *tape,
                                                  GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerDevice *reformer_layer_get_device        (ReformerLayer      *self);
REFORMER_AVAILABLE_IN_1_0
GListModel     *reformer_layer_get_parameters    (ReformerLayer      *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_layer_add_parameter     (ReformerLayer      *self,
                                                  ReformerParameter  *parameter);
REFORMER_AVAILABLE_IN_1_0
void            reformer_layer_add_child         (ReformerLayer      *self,
                                                  const char         *name,
                                                  ReformerLayer      *child);
REFORMER_AVAILABLE_IN_1_0
int             reformer_layer_get_target        (ReformerLayer      *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_layer_set_target        (ReformerLayer      *self,
                                                  int                 target);
REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_layer_get_ablated       (ReformerLayer      *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_layer_set_ablated       (ReformerLayer      *self,
                                                  gboolean            ablated);
REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_layer_get_fixed         (ReformerLayer      *self);
REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_layer_clear_gradients   (ReformerLayer      *self,
                                                  GError            **error);

G_END_DECLS
