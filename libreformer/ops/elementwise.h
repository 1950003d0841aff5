/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* y = / += / -= a * x over n elements. */
void reformer_scale   (ReformerRun           *run,
                       float                  a,
                       ReformerSpan           x,
                       ReformerSpan           y,
                       gsize                  n,
                       ReformerStore          store);
/* y = / += / -= dropout (x), [count, width], both contiguous; its own gradient. With p = 0: a copy or sum. Index of an element: (n % T) * width + column. */
void reformer_dropout (ReformerRun           *run,
                       ReformerSpan           x,
                       ReformerSpan           y,
                       int                    width,
                       const ReformerRows    *rows,
                       const ReformerDropout *dropout,
                       ReformerStore          store);
/* y[n][0 .. width-1] = x[n][0 .. width-1], count rows with leading dimensions of their own. */
void reformer_copy_columns (ReformerRun      *run,
                            ReformerSpan      x,
                            gsize             ldx,
                            ReformerSpan      y,
                            gsize             ldy,
                            int               width,
                            gsize             count);

G_END_DECLS
