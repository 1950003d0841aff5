/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* Cross-entropy of logits [count, classes] with labels (int32 [count], -100 and every other negative number: no target):
 *   losses[n] = logsumexp (logits[n]) - logits[n][label], 0 without a target
 * and, unless scale is 0, logits become scale * (softmax - one hot), 0 without a target. The caller adds the losses up, in order, in double precision. */
void reformer_cross_entropy (ReformerRun  *run,
                             ReformerSpan  logits,
                             int           ld,
                             ReformerSpan  labels,
                             ReformerSpan  losses,
                             gsize         count,
                             int           classes,
                             float         scale);

G_END_DECLS
