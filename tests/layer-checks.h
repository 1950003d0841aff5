/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common.h"
#include "layers/layer-private.h"

G_BEGIN_DECLS

/* Shared by the tests of layers. */

/* What all of them run on; main sets it. */
extern ReformerDevice *device;

/* What a pass is told. */
typedef struct
{
  gboolean training;
  guint64  start;
  guint64  seed;
  guint    sequence;
  ReformerTensor *mask, *global_mask; /* or NULL */
} TestPass;

/* A new tape; NULL: as it is made. */
ReformerTape      *test_tape            (const TestPass *pass);
/* These must not fail. */
ReformerTensor    *test_forward         (gpointer        layer,
                                         ReformerTensor *x,
                                         ReformerTape   *tape);
ReformerTensor    *test_backward        (gpointer        layer,
                                         ReformerTensor *dy,
                                         ReformerTape   *tape);
/* Forward, or backward where `dy` is given (after forward of x, where that is given), must fail with one line that matches the pattern. */
void               assert_fails         (gpointer        layer,
                                         ReformerTensor *x,
                                         ReformerTensor *dy,
                                         const TestPass *pass,
                                         int             code,
                                         const char     *pattern);
/* Random numbers for all parameters. */
void               test_fill_parameters (gpointer layer,
                                         guint32  seed);
/* The i-th parameter, and copies of its value and gradient. */
ReformerParameter *test_parameter       (gpointer layer,
                                         guint    i);
float             *test_value           (gpointer layer,
                                         guint    i);
float             *test_gradient        (gpointer layer,
                                         guint    i);
/* "weight [3, 4]; bias [3]" */
void               assert_parameters    (gpointer    layer,
                                         const char *wanted);
/* b and c count from 2 and 3 dimensions on. */
ReformerTensor    *test_random_tensor   (guint   n_dims,
                                         int     a,
                                         int     b,
                                         int     c,
                                         guint32 seed);
/* The gradients of the input and of all parameters against differences. */
void               check_gradients      (gpointer        layer,
                                         ReformerTensor *x,
                                         const TestPass *pass);
void               assert_shape         (ReformerTensor *tensor,
                                         const char     *wanted);
/* Recording off pushes nothing; recording on pushes `n` tensors, which backward takes. */
void               check_recording      (gpointer        layer,
                                         ReformerTensor *x,
                                         guint           n);
/* The mean and standard deviation that a parameter starts with. */
void               check_start          (gpointer layer,
                                         guint    i,
                                         double   deviation);

G_END_DECLS
