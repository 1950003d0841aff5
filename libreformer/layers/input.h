/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include "ops/rows.h"

G_BEGIN_DECLS

/* What layers that work row by row or token by token ask of the tensors they are given. `what` names the tensor in an error ("input", "gradient"). */

/* FALSE and a failed run unless it is float32 [..., width]; gives the number of rows. */
gboolean        reformer_input_rows   (ReformerLayer  *self,
                                       ReformerRun    *run,
                                       const char     *what,
                                       ReformerTensor *tensor,
                                       int             width,
                                       gsize          *n_rows);
/* FALSE and a failed run unless it is float32 [B, T, width]; gives all tokens as one piece. */
gboolean        reformer_input_tokens (ReformerLayer  *self,
                                       ReformerRun    *run,
                                       const char     *what,
                                       ReformerTensor *tensor,
                                       int             width,
                                       ReformerRows   *rows);
/* FALSE and a failed run unless it is int32 [B, T]; gives all tokens as one piece. */
gboolean        reformer_input_ids    (ReformerLayer  *self,
                                       ReformerRun    *run,
                                       ReformerTensor *ids,
                                       ReformerRows   *rows);
/* FALSE and a failed run unless a gradient has as many rows as the input that forward saw. */
gboolean        reformer_input_agree  (ReformerLayer  *self,
                                       ReformerRun    *run,
                                       gsize           of_gradient,
                                       gsize           of_input);
/* What forward pushed last; NULL and a failed run when there is nothing. */
ReformerTensor *reformer_input_pop    (ReformerLayer  *self,
                                       ReformerTape   *tape);
/* An uninitialised float32 tensor of the rows of `like`, each `width` long. */
ReformerTensor *reformer_input_new    (ReformerRun    *run,
                                       ReformerTensor *like,
                                       int             width);
/* A copy, of the same shape. */
ReformerTensor *reformer_input_copy   (ReformerRun    *run,
                                       ReformerTensor *from);

G_END_DECLS
