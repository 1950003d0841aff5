/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_ATTENTION (reformer_attention_get_type ())

typedef struct _ReformerAttention      ReformerAttention;
typedef struct _ReformerAttentionClass ReformerAttentionClass;

/**
 * ReformerAttentionClass:
 * @parent_class: the parent class
 *
 * What attention layers have in common.
 */
struct _ReformerAttentionClass
{
  ReformerLayerClass parent_class;

  /*< private >*/
  gconstpointer      kind;
  gpointer           padding[7];
};

REFORMER_AVAILABLE_IN_1_0
GType    reformer_attention_get_type           (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerAttention, g_object_unref)

#define REFORMER_ATTENTION(object) (G_TYPE_CHECK_INSTANCE_CAST ((object), REFORMER_TYPE_ATTENTION, ReformerAttention))
#define REFORMER_IS_ATTENTION(object) (G_TYPE_CHECK_INSTANCE_TYPE ((object), REFORMER_TYPE_ATTENTION))

REFORMER_AVAILABLE_IN_1_0
gboolean reformer_attention_get_causal         (ReformerAttention *self);
REFORMER_AVAILABLE_IN_1_0
int      reformer_attention_get_chunk_length   (ReformerAttention *self);

G_END_DECLS
