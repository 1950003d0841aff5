/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-parameter.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_OPTIMIZER (reformer_optimizer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_DERIVABLE_TYPE (ReformerOptimizer, reformer_optimizer, REFORMER, OPTIMIZER, GObject)

/**
 * ReformerOptimizerClass:
 * @parent_class: the parent class
 * @update: changes the value of one parameter by its gradient
 *
 * What an optimizer does. The function may be written in any language; it keeps what it must remember in the tensors of reformer_optimizer_get_state(), which are
 * saved with the run.
 */
struct _ReformerOptimizerClass
{
  GObjectClass parent_class;

  gboolean (*update) (ReformerOptimizer  *self,
                      ReformerParameter  *parameter,
                      guint               step,
                      double              learning_rate,
                      double              scale,
                      GError            **error);

  /*< private >*/
  gpointer internal;
  gpointer padding[8];
};

REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_optimizer_update            (ReformerOptimizer  *self,
                                                      ReformerParameter  *parameter,
                                                      guint               step,
                                                      double              learning_rate,
                                                      double              scale,
                                                      GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor *reformer_optimizer_get_state         (ReformerOptimizer  *self,
                                                      ReformerParameter  *parameter,
                                                      const char         *name,
                                                      const gint64       *shape,
                                                      gsize               n_dims,
                                                      GError            **error);
REFORMER_AVAILABLE_IN_1_0
double          reformer_optimizer_get_learning_rate (ReformerOptimizer  *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_optimizer_set_learning_rate (ReformerOptimizer  *self,
                                                      double              learning_rate);

G_END_DECLS
