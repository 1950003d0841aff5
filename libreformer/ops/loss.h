/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* Losses of rows of outputs, and, unless scale is 0, their gradients times scale in the outputs' place. The caller adds the losses up, in order, in double
 * precision. What is no target has loss and gradient 0. */

/* Cross-entropy of logits [count, classes] with labels (int32 [count], -100 and every other negative number: no target):
 *   losses[n] = w (logsumexp (logits[n]) - logits[n][label]), and logits become w scale (softmax - one hot),
 * where w is weights[label] (float [classes]), or 1 where the span is nothing. */
void reformer_cross_entropy (ReformerRun  *run,
                             ReformerSpan  logits,
                             int           ld,
                             ReformerSpan  labels,
                             ReformerSpan  weights,
                             ReformerSpan  losses,
                             gsize         count,
                             int           classes,
                             float         scale);

/* What is made of an output x and the number y that is wanted (float [count, width]; NaN: no target); a row's loss is the sum over its targets. */
typedef enum
{
  REFORMER_VALUE_SQUARES,  /* (x - y)^2 */
  REFORMER_VALUE_LOGISTIC, /* log (1 + exp (x)) - x y, y from 0 to 1: x is the logit of a class that is there or not */
} ReformerValueLoss;

void reformer_value_loss    (ReformerRun       *run,
                             ReformerValueLoss  kind,
                             ReformerSpan       outputs,
                             int                ld,
                             ReformerSpan       wanted,
                             ReformerSpan       losses,
                             gsize              count,
                             int                width,
                             float              scale);

/* Where spans begin and end: of outputs [B, T, 2] two softmaxes over the positions below `length` that are kept (uint8 [B, T], or nothing: all). */

/* Positions of a block. */
#define REFORMER_SPAN_BLOCK 1024

/* stats [B, 2, blocks, 2]: of each block of positions the maximum m (-FLT_MAX where none is kept) and the sum of exp (x - m). */
void reformer_span_scores   (ReformerRun  *run,
                             ReformerSpan  outputs,
                             ReformerSpan  mask,
                             ReformerSpan  stats,
                             int           B,
                             int           length,
                             int           T);
/* Outputs become scales[side] (exp (x - totals[b][side]) - one hot); totals (float [B, 2]) are logarithms of sums; labels int32 [B, 2], -100: no target. */
void reformer_span_gradient (ReformerRun  *run,
                             ReformerSpan  outputs,
                             ReformerSpan  mask,
                             ReformerSpan  totals,
                             ReformerSpan  labels,
                             int           B,
                             int           length,
                             int           T,
                             const float   scales[2]);

G_END_DECLS
