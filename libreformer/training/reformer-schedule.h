/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * ReformerDecay:
 * @REFORMER_DECAY_CONSTANT: the rate stays
 * @REFORMER_DECAY_LINEAR: a straight line to the last step
 * @REFORMER_DECAY_COSINE: half a cosine to the last step
 * @REFORMER_DECAY_INVERSE_SQRT: with the inverse square root of the step
 *
 * How the learning rate falls after the warm-up.
 */
typedef enum
{
  REFORMER_DECAY_CONSTANT,
  REFORMER_DECAY_LINEAR,
  REFORMER_DECAY_COSINE,
  REFORMER_DECAY_INVERSE_SQRT,
} ReformerDecay;

#define REFORMER_TYPE_DECAY (reformer_decay_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType             reformer_decay_get_type              (void);

#define REFORMER_TYPE_SCHEDULE (reformer_schedule_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_DERIVABLE_TYPE (ReformerSchedule, reformer_schedule, REFORMER, SCHEDULE, GObject)

/**
 * ReformerScheduleClass:
 * @parent_class: the parent class
 * @compute_factor: what the optimizer's learning rate is multiplied by at a step, counted from 1, of so many
 *
 * What a schedule does. The function may be written in any language.
 */
struct _ReformerScheduleClass
{
  GObjectClass parent_class;

  void (*compute_factor) (ReformerSchedule  *self,
                          guint              step,
                          guint              total_steps,
                          double            *factor,
                          GError           **error);

  /*< private >*/
  gpointer padding[8];
};

REFORMER_AVAILABLE_IN_1_0
ReformerSchedule *reformer_schedule_new                (void);
REFORMER_AVAILABLE_IN_1_0
void              reformer_schedule_compute_factor     (ReformerSchedule  *self,
                                                        guint              step,
                                                        guint              total_steps,
                                                        double            *factor,
                                                        GError           **error);
REFORMER_AVAILABLE_IN_1_0
ReformerDecay     reformer_schedule_get_decay          (ReformerSchedule  *self);
REFORMER_AVAILABLE_IN_1_0
void              reformer_schedule_set_decay          (ReformerSchedule  *self,
                                                        ReformerDecay      decay);
REFORMER_AVAILABLE_IN_1_0
guint             reformer_schedule_get_warmup_steps   (ReformerSchedule  *self);
REFORMER_AVAILABLE_IN_1_0
void              reformer_schedule_set_warmup_steps   (ReformerSchedule  *self,
                                                        guint              warmup_steps);
REFORMER_AVAILABLE_IN_1_0
double            reformer_schedule_get_final_factor   (ReformerSchedule  *self);
REFORMER_AVAILABLE_IN_1_0
void              reformer_schedule_set_final_factor   (ReformerSchedule  *self,
                                                        double             final_factor);

G_END_DECLS
