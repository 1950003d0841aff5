/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"
#include "compute/random.h"
#include <libreformer/layers/reformer-parameter.h>

G_BEGIN_DECLS

/* How a parameter starts where nothing is loaded: normal where deviation > 0, else all `value`. by_round: shape [a, b, rounds, columns], each round drawn
 * from a stream of its own. */
typedef struct
{
  double   deviation;
  double   value;
  gboolean by_round;
} ReformerStart;

/* "reformer.encoder.layers.0.attention." + "layer_norm.weight" */
void         reformer_parameter_set_name       (ReformerParameter   *self,
                                                const char          *name);
void         reformer_parameter_set_start      (ReformerParameter   *self,
                                                const ReformerStart *start);
/* Only while it has no value. */
void         reformer_parameter_set_shape      (ReformerParameter   *self,
                                                const gint64        *shape,
                                                gsize                n_dims);
/* Another deviation of its start; self may be NULL. */
void         reformer_parameter_set_deviation  (ReformerParameter   *self,
                                                double               deviation);
ReformerDevice *reformer_parameter_peek_device (ReformerParameter *self);
gsize        reformer_parameter_get_n_elements (ReformerParameter   *self);
/* The value or gradient from an element on, allocated at first use. Without gradient (not trainable) the span has no tensor, and operations leave it out. */
ReformerSpan reformer_parameter_value          (ReformerParameter   *self,
                                                ReformerRun         *run,
                                                gsize                element);
ReformerSpan reformer_parameter_gradient       (ReformerParameter   *self,
                                                ReformerRun         *run,
                                                gsize                element);
void         reformer_parameter_clear_gradient (ReformerParameter   *self,
                                                ReformerRun         *run);
/* Gives it its start, unless it was filled (loaded) already. */
void         reformer_parameter_reset          (ReformerParameter   *self,
                                                ReformerRun         *run,
                                                guint64              seed);
/* What reset gives an array of rotations by this seed, into `values` (all of its elements). */
void         reformer_parameter_draw           (ReformerParameter   *self,
                                                guint64              seed,
                                                float               *values);
/* Overwrites its value with that. */
void         reformer_parameter_redraw         (ReformerParameter   *self,
                                                ReformerRun         *run,
                                                guint64              seed);
/* Whether its start is drawn round by round: rotations. */
gboolean     reformer_parameter_has_rounds     (ReformerParameter   *self);
/* A tensor for another value, and its taking over. */
ReformerTensor *reformer_parameter_new_value (ReformerParameter   *self,
                                              ReformerRun         *run);
void         reformer_parameter_take_value    (ReformerParameter   *self,
                                               ReformerTensor      *value);

G_END_DECLS
