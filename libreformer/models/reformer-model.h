/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-stack.h>
#include <libreformer/models/reformer-config.h>
#include <libreformer/models/reformer-memory-plan.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_MODEL (reformer_model_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerModel, reformer_model, REFORMER, MODEL, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerModel      *reformer_model_new               (ReformerDevice      *device,
                                                      ReformerConfig      *config);
REFORMER_AVAILABLE_IN_1_0
ReformerModel      *reformer_model_load              (ReformerDevice      *device,
                                                      GFile               *file,
                                                      GCancellable        *cancellable,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_model_save              (ReformerModel       *self,
                                                      GFile               *file,
                                                      GCancellable        *cancellable,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_model_load_weights      (ReformerModel       *self,
                                                      GFile               *file,
                                                      GCancellable        *cancellable,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_model_load_body         (ReformerModel       *self,
                                                      GFile               *file,
                                                      GCancellable        *cancellable,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
GVariant           *reformer_model_list_weights      (GFile               *file,
                                                      GCancellable        *cancellable,
                                                      GError             **error);

REFORMER_AVAILABLE_IN_1_0
ReformerDevice     *reformer_model_get_device        (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
ReformerConfig     *reformer_model_get_config        (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
ReformerHead        reformer_model_get_head          (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
ReformerStack      *reformer_model_get_stack         (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
GListModel         *reformer_model_get_parameters    (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_model_get_n_parameters  (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_model_freeze            (ReformerModel       *self,
                                                      const char          *pattern);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_model_unfreeze          (ReformerModel       *self,
                                                      const char          *pattern);
REFORMER_AVAILABLE_IN_1_0
void                reformer_model_set_global_tokens (ReformerModel       *self,
                                                      const int           *positions,
                                                      gsize                n_positions);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_model_get_training      (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_model_set_training      (ReformerModel       *self,
                                                      gboolean             training);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_model_get_seed          (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_model_set_seed          (ReformerModel       *self,
                                                      guint64              seed);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_model_get_sequence      (ReformerModel       *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_model_set_sequence      (ReformerModel       *self,
                                                      guint                sequence);

REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_model_prepare           (ReformerModel       *self,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor     *reformer_model_forward           (ReformerModel       *self,
                                                      ReformerTensor      *tokens,
                                                      ReformerTensor      *mask,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor     *reformer_model_encode            (ReformerModel       *self,
                                                      ReformerTensor      *tokens,
                                                      ReformerTensor      *mask,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
double              reformer_model_compute_loss      (ReformerModel       *self,
                                                      ReformerTensor      *tokens,
                                                      ReformerTensor      *mask,
                                                      ReformerTensor      *labels,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
double              reformer_model_compute_gradients (ReformerModel       *self,
                                                      ReformerTensor      *tokens,
                                                      ReformerTensor      *mask,
                                                      ReformerTensor      *labels,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
ReformerMemoryPlan *reformer_model_estimate_memory   (ReformerModel       *self,
                                                      int                  rows,
                                                      gint64               length,
                                                      gboolean             gradients,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
gint64              reformer_model_find_max_length   (ReformerModel       *self,
                                                      int                  rows,
                                                      gboolean             gradients,
                                                      GError             **error);

G_END_DECLS
