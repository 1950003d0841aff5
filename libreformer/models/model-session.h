/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/model-private.h"

G_BEGIN_DECLS

/* The ends of a model for a piece of a text, without padding. Errors stay in the tape's run. */

/* A copy of the tokens, int32 [B, n]; NULL and a failed run unless they are that on the model's device, at least one, all in the vocabulary, and start + n is
 * within the positions. */
ReformerTensor *reformer_model_read_piece  (ReformerModel   *self,
                                            ReformerTensor  *tokens,
                                            gint64           start,
                                            int             *B,
                                            int             *n,
                                            ReformerTape    *tape);
/* streams[0] and streams[1], new [B, n, H]: embeddings plus positions from the tape's start on. */
void            reformer_model_embed_piece (ReformerModel   *self,
                                            ReformerTensor  *tokens,
                                            int              B,
                                            int              n,
                                            ReformerTensor **streams,
                                            ReformerTape    *tape);
/* The head's output for the last token of each row, new [B, V]. */
ReformerTensor *reformer_model_run_last    (ReformerModel   *self,
                                            ReformerTensor **streams,
                                            int              B,
                                            int              n,
                                            ReformerTape    *tape);

G_END_DECLS
