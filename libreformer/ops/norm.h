/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* Layer norm over one array's rows, or over the rows of two arrays set side by side (the two streams, spec: concat [X1, X2]).
 *   y = (x - mean) / sqrt (variance + eps) * weight + bias, biased variance */
typedef struct
{
  ReformerSpan x1;     /* [count, width] */
  ReformerSpan x2;     /* [count, width], or no tensor: one array */
  int          ldx;    /* of both */
  int          width;  /* of one array; weight, bias and y are width or 2 * width wide */
  ReformerSpan weight;
  ReformerSpan bias;
  float        eps;
} ReformerNorm;

void reformer_norm_forward  (ReformerRun        *run,
                             const ReformerNorm *norm,
                             gsize               count,
                             ReformerSpan        y,
                             int                 ldy);
/* dx1 and dx2 are set or added to (store), with leading dimension lddx; dweight and dbias, where wanted (a tensor given), are added to in
 * blocks of REFORMER_BLOCK tokens. Mean and deviation are computed again from x. */
void reformer_norm_backward (ReformerRun        *run,
                             const ReformerNorm *norm,
                             gsize               count,
                             ReformerSpan        dy,
                             int                 lddy,
                             ReformerSpan        dx1,
                             ReformerSpan        dx2,
                             int                 lddx,
                             ReformerStore       store,
                             ReformerSpan        dweight,
                             ReformerSpan        dbias);

G_END_DECLS
