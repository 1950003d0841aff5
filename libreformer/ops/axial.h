/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

#define REFORMER_MAX_AXES 8

/* Axial positions (Kitaev et al. 2020; spec 3.1): position q has coordinates by row-major unravelling over shape; its vector is the tables' rows
 * set side by side. Dropout drops, in a sequence, all positions with the same coordinate on the second axis (where there is one axis only:
 * all positions' component), as transformers does in training: index = that coordinate (or the component). */
typedef struct
{
  int          n_axes;
  int          shape[REFORMER_MAX_AXES];   /* s_i */
  int          dims[REFORMER_MAX_AXES];    /* e_i; their sum is the width */
  ReformerSpan weights[REFORMER_MAX_AXES]; /* [s_i, e_i] */
} ReformerAxial;

/* x[n] += position vector of position start + n % T, or of positions[n] (int32, where a tensor is given). */
void reformer_axial_forward  (ReformerRun           *run,
                              const ReformerAxial   *axial,
                              ReformerSpan           positions,
                              gsize                  start,
                              ReformerSpan           x,
                              int                    width,
                              const ReformerRows    *rows,
                              const ReformerDropout *dropout);
/* dweights[i][coordinate] += sums of d1 + d2, tokens in their order; called once with all tokens of a batch (rows->first = 0). */
void reformer_axial_backward (ReformerRun           *run,
                              const ReformerAxial   *axial,
                              ReformerSpan           positions,
                              gsize                  start,
                              ReformerSpan           d1,
                              ReformerSpan           d2,
                              const ReformerSpan    *dweights,
                              int                    width,
                              const ReformerRows    *rows,
                              const ReformerDropout *dropout);

G_END_DECLS
