/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"

G_BEGIN_DECLS

/* Steps of the optimizers on n elements: w the value, g the gradient, multiplied by `scale` first. Steps are counted from 1. */

typedef struct
{
  guint  step;
  double learning_rate;
  double scale;
  double beta1, beta2;
  double epsilon;
  double weight_decay;
} ReformerAdamWStep;

/* m, v: the means of gradients and of their squares, zeros before step 1. */
void reformer_step_adamw (ReformerRun             *run,
                          const ReformerAdamWStep *step,
                          ReformerSpan             w,
                          ReformerSpan             g,
                          ReformerSpan             m,
                          ReformerSpan             v,
                          gsize                    n);

typedef struct
{
  double learning_rate;
  double scale;
  double momentum;
  double weight_decay;
} ReformerSgdStep;

/* v: the running gradient, zeros before step 1; not looked at without momentum. */
void reformer_step_sgd   (ReformerRun             *run,
                          const ReformerSgdStep   *step,
                          ReformerSpan             w,
                          ReformerSpan             g,
                          ReformerSpan             v,
                          gsize                    n);

typedef struct
{
  double   learning_rate;
  double   scale;
  double   beta;      /* how much of the running means stays */
  double   epsilon;   /* added to squares */
  double   threshold; /* the root mean square of an update that is not clipped */
  double   weight_decay;
  gboolean relative;  /* steps are relative to the root mean square of w, */
  double   least;     /* or to this if it is larger */
} ReformerAdafactorStep;

/* A matrix [rows, columns]; row [rows] and column [columns] are the running means of its squares. */
void reformer_step_adafactor_matrix (ReformerRun                 *run,
                                     const ReformerAdafactorStep *step,
                                     ReformerSpan                 w,
                                     ReformerSpan                 g,
                                     ReformerSpan                 row,
                                     ReformerSpan                 column,
                                     gsize                        rows,
                                     int                          columns);
/* v [n]: the running mean of every square. */
void reformer_step_adafactor_vector (ReformerRun                 *run,
                                     const ReformerAdafactorStep *step,
                                     ReformerSpan                 w,
                                     ReformerSpan                 g,
                                     ReformerSpan                 v,
                                     gsize                        n);

/* Sums of squares in blocks: how many numbers those of n elements take, and the sums, pairs (s, e) that mean s 4^e; s is infinite where an element is not finite. */
gsize reformer_sum_squares_size (ReformerDevice *device,
                                 gsize           n);
void  reformer_sum_squares      (ReformerRun    *run,
                                 ReformerSpan    x,
                                 gsize           n,
                                 ReformerSpan    sums);

G_END_DECLS
