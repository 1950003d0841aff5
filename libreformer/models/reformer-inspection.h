/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/models/reformer-model.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_INSPECTION (reformer_inspection_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerInspection, reformer_inspection, REFORMER, INSPECTION, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerInspection *reformer_inspection_new          (ReformerModel       *model);
REFORMER_AVAILABLE_IN_1_0
ReformerModel      *reformer_inspection_get_model    (ReformerInspection  *self);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_inspection_run          (ReformerInspection  *self,
                                                      ReformerTensor      *tokens,
                                                      ReformerTensor      *mask,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_inspection_get_n_layers (ReformerInspection  *self);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_inspection_get_name     (ReformerInspection  *self,
                                                      guint                layer);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_inspection_get_kind     (ReformerInspection  *self,
                                                      guint                layer);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor     *reformer_inspection_get_buckets  (ReformerInspection  *self,
                                                      guint                layer,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
GVariant           *reformer_inspection_list_keys    (ReformerInspection  *self,
                                                      guint                layer,
                                                      guint                row,
                                                      guint                head,
                                                      guint                position,
                                                      guint                n_keys,
                                                      GError             **error);
REFORMER_AVAILABLE_IN_1_0
GVariant           *reformer_inspection_measure      (ReformerInspection  *self,
                                                      guint                layer,
                                                      guint                n_queries,
                                                      GError             **error);

G_END_DECLS
