/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include "ops/rows.h"
#include <libreformer/layers/reformer-embedding.h>

G_BEGIN_DECLS

/* For models. Spans begin at the first of the rows. Errors stay in the tape's run. */

/* Borrowed. */
ReformerParameter *reformer_embedding_peek_weight  (ReformerEmbedding  *self);
/* FALSE and a failed run unless all ids are inside the vocabulary: reads them. */
gboolean           reformer_embedding_check_ids    (ReformerEmbedding  *self,
                                                    ReformerSpan        ids,
                                                    const ReformerRows *rows,
                                                    ReformerTape       *tape);
/* y = dropout (table[ids]); the ids are checked already. */
void               reformer_embedding_run_forward  (ReformerEmbedding  *self,
                                                    ReformerSpan        ids,
                                                    ReformerSpan        y,
                                                    const ReformerRows *rows,
                                                    ReformerTape       *tape);
/* Adds to the table's gradient for the gradient d1 + d2 of y; d2 may have no tensor. */
void               reformer_embedding_run_backward (ReformerEmbedding  *self,
                                                    ReformerSpan        ids,
                                                    ReformerSpan        d1,
                                                    ReformerSpan        d2,
                                                    const ReformerRows *rows,
                                                    ReformerTape       *tape);

G_END_DECLS
