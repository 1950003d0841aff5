/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_EMBEDDING (reformer_embedding_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerEmbedding, reformer_embedding, REFORMER, EMBEDDING, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerEmbedding *reformer_embedding_new             (ReformerDevice    *device,
                                                       int                vocab_size,
                                                       int                hidden_size);
REFORMER_AVAILABLE_IN_1_0
int                reformer_embedding_get_vocab_size  (ReformerEmbedding *self);
REFORMER_AVAILABLE_IN_1_0
int                reformer_embedding_get_hidden_size (ReformerEmbedding *self);
REFORMER_AVAILABLE_IN_1_0
double             reformer_embedding_get_deviation   (ReformerEmbedding *self);
REFORMER_AVAILABLE_IN_1_0
double             reformer_embedding_get_dropout     (ReformerEmbedding *self);

G_END_DECLS
