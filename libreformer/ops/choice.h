/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* choices (int32 [count]): of each row of logits [count, classes] the class with the greatest, the first of several; a logit that is NaN is never chosen, and where no
 * other is left it is class 0. */
void reformer_choose (ReformerRun  *run,
                      ReformerSpan  logits,
                      int           ld,
                      ReformerSpan  choices,
                      gsize         count,
                      int           classes);

G_END_DECLS
