/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"
#include <libreformer/training/reformer-optimizer.h>

G_BEGIN_DECLS

/* What the library's own classes put into ReformerOptimizerClass.internal. */
typedef struct
{
  /* Asks for all the state that an update of this parameter needs. */
  gboolean (*prepare) (ReformerOptimizer  *self,
                       ReformerParameter  *parameter,
                       GError            **error);
} ReformerOptimizerInternal;

/* The Euclidean norm of all gradients together, summed in a fixed order; not finite where one of them is not. Waits for the device. NaN and an error in the run
 * where it cannot be computed. Parameters without gradient (not trainable) count for nothing. */
double     reformer_optimizer_measure    (GPtrArray          *parameters,
                                          ReformerRun        *run);
/* Allocates the state of all trainable parameters, so that what a step needs is known before the first one: what the library's own optimizers would allocate in
 * their first update; nothing for others. */
gboolean   reformer_optimizer_prepare    (ReformerOptimizer  *self,
                                          GPtrArray          *parameters,
                                          GError            **error);

/* The state, for checkpoints: names "PARAMETER/STATE" in their order, strings owned by the array. */
GPtrArray      *reformer_optimizer_list_state (ReformerOptimizer *self);
/* Borrowed; NULL where there is none of that name. */
ReformerTensor *reformer_optimizer_peek_state (ReformerOptimizer *self,
                                               const char        *name);
/* Takes the place of what was there, or waits for the first reformer_optimizer_get_state() of that name (which fails where the shape is another). */
void            reformer_optimizer_put_state  (ReformerOptimizer *self,
                                               const char        *name,
                                               ReformerTensor    *tensor);
/* Forgets all state. */
void            reformer_optimizer_clear_state (ReformerOptimizer *self);

/* Sets a setting of a class, and tells who watches it. */
void            reformer_optimizer_set_double     (ReformerOptimizer  *self,
                                                   double             *field,
                                                   double              value,
                                                   GParamSpec         *pspec);
/* Whether every property that is a number is inside its range, for update: setters take any. The error names the first that is not. Looks only at what has changed
 * since it last found all well, so that it costs nothing to ask for each parameter. */
gboolean        reformer_optimizer_check_settings (ReformerOptimizer  *self,
                                                   GError            **error);

G_END_DECLS
