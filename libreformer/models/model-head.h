/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/model-private.h"

G_BEGIN_DECLS

/* What the files of the head share. */

/* Dropouts of the final norm's number. */
#define REFORMER_HEAD_PLACE_FINAL 0
#define REFORMER_HEAD_PLACE_CLASSIFIER 1
#define REFORMER_HEAD_PLACE_OUTPUT 2

/* Scratch of one piece of the head. */
typedef struct
{
  ReformerTensor *z, *logits, *dz;
} ReformerHeadPiece;

void reformer_head_piece_clear (ReformerHeadPiece *piece);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerHeadPiece, reformer_head_piece_clear)

/* H, and the number of outputs of a token or sequence. */
int reformer_head_get_hidden (ReformerModel *self);
int reformer_head_get_width (ReformerModel *self);
ReformerDropout reformer_head_dropout (ReformerModel *self,
                                       guint          place,
                                       ReformerTape  *tape);
/* z = dropout (norm ([x1, x2])) of a piece; with `encode` without the head's own dropout */
void reformer_head_norm (ReformerModel      *self,
                         ReformerTensor    **streams,
                         ReformerSpan        z,
                         const ReformerRows *rows,
                         gboolean            encode,
                         ReformerTape       *tape);
/* The gradients of norm and streams (set) from that of z, of a piece; dz is overwritten. */
void reformer_head_norm_backward (ReformerModel      *self,
                                  ReformerTensor    **streams,
                                  ReformerTensor    **gradients,
                                  ReformerSpan        dz,
                                  const ReformerRows *rows,
                                  ReformerTape       *tape);
/* Losses of `count` rows of outputs from the first label on; with gradients, the outputs become theirs. */
void reformer_head_rows_loss (ReformerModel *self,
                              ReformerInput *input,
                              ReformerSpan   outputs,
                              gsize          first,
                              gsize          count,
                              ReformerSpan   losses,
                              gboolean       gradients,
                              ReformerRun   *run);
/* Gradients of head, norm and streams from those of the outputs, of a piece whose z is there. */
void reformer_head_tokens_backward (ReformerModel      *self,
                                    ReformerHeadPiece  *piece,
                                    ReformerSpan        outputs,
                                    ReformerTensor    **streams,
                                    ReformerTensor    **gradients,
                                    const ReformerRows *rows,
                                    ReformerTape       *tape);
/* The losses of rows, added up in their order in double precision. */
double reformer_head_sum_losses (ReformerTensor *losses,
                                 gsize           n,
                                 ReformerRun    *run);

/* ---- model-head-spans.c ---- */

void reformer_head_spans_loss (ReformerModel   *self,
                               ReformerInput   *input,
                               ReformerTensor **streams,
                               ReformerTensor **gradients,
                               double           sums[2],
                               ReformerTape    *tape);

/* ---- model-head-sequences.c ---- */

void reformer_head_sequences_loss (ReformerModel   *self,
                                   ReformerInput   *input,
                                   ReformerTensor **streams,
                                   ReformerTensor **gradients,
                                   double           sums[2],
                                   ReformerTape    *tape);
ReformerTensor *reformer_head_sequences_forward (ReformerModel   *self,
                                                 ReformerInput   *input,
                                                 ReformerTensor **streams,
                                                 ReformerTape    *tape);

G_END_DECLS
