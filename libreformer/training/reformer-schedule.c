/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/training/reformer-schedule.h>

#include "compute/home.h"

#include <math.h>

/**
 * ReformerSchedule:
 *
 * How the learning rate changes during training: a factor for each step.
 *
 * First comes a warm-up, a straight line that reaches 1 at step [property@Schedule:warmup-steps]; then the factor falls as [property@Schedule:decay] says.
 * Linear and cosine fall towards [property@Schedule:final-factor], which the step after the last one would have. A class of your own overrides `compute_factor`.
 *
 * ```python
 * schedule = Reformer.Schedule(warmup_steps=100, decay=Reformer.Decay.LINEAR, final_factor=0.1)
 * print(schedule.compute_factor(50, 1000), schedule.compute_factor(1000, 1000))
 * ```
 */

typedef struct
{
  ReformerDecay decay;
  guint         warmup_steps;
  double        final_factor;
} ReformerSchedulePrivate;

enum
{
  PROP_0,
  PROP_DECAY,
  PROP_WARMUP_STEPS,
  PROP_FINAL_FACTOR,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_ENUM_TYPE (ReformerDecay, reformer_decay,
                    G_DEFINE_ENUM_VALUE (REFORMER_DECAY_CONSTANT, "constant"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DECAY_LINEAR, "linear"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DECAY_COSINE, "cosine"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DECAY_INVERSE_SQRT, "inverse-sqrt"))

G_DEFINE_TYPE_WITH_PRIVATE (ReformerSchedule, reformer_schedule, G_TYPE_OBJECT)

/* From 1 in the first step after the warm-up towards final_factor, where the step after the last one would have it: so the last step still counts, also where it is the
 * only one. How many steps there are may be unknown (0). */
static double
factor_of_decay (const ReformerSchedulePrivate *priv,
                 guint                          step,
                 guint                          total_steps)
{
  const double warmup = priv->warmup_steps;
  double passed = 0.0; /* the part of what follows the warm-up */

  if (priv->decay == REFORMER_DECAY_INVERSE_SQRT)
    return sqrt (MAX (warmup, 1.0) / step);
  if (total_steps != 0)
    passed = step > total_steps ? 1.0 : (step - 1 - warmup) / (total_steps - warmup);
  switch (priv->decay)
    {
    case REFORMER_DECAY_LINEAR:
      return 1.0 + (priv->final_factor - 1.0) * passed;
    case REFORMER_DECAY_COSINE:
      return priv->final_factor + (1.0 - priv->final_factor) * 0.5 * (1.0 + cos (G_PI * passed));
    case REFORMER_DECAY_CONSTANT:
    case REFORMER_DECAY_INVERSE_SQRT:
    default:
      return 1.0;
    }
}

static void
reformer_schedule_real_compute_factor (ReformerSchedule  *self,
                                       guint              step,
                                       guint              total_steps,
                                       double            *factor,
                                       GError           **error)
{
  const ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  step = MAX (step, 1);
  *factor = step <= priv->warmup_steps ? (double) step / priv->warmup_steps : factor_of_decay (priv, step, total_steps);
}

static void
reformer_schedule_get_property (GObject    *object,
                                guint       id,
                                GValue     *value,
                                GParamSpec *pspec)
{
  ReformerSchedule *self = REFORMER_SCHEDULE (object);

  switch (id)
    {
    case PROP_DECAY:
      g_value_set_enum (value, reformer_schedule_get_decay (self));
      break;
    case PROP_WARMUP_STEPS:
      g_value_set_uint (value, reformer_schedule_get_warmup_steps (self));
      break;
    case PROP_FINAL_FACTOR:
      g_value_set_double (value, reformer_schedule_get_final_factor (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_schedule_set_property (GObject      *object,
                                guint         id,
                                const GValue *value,
                                GParamSpec   *pspec)
{
  ReformerSchedule *self = REFORMER_SCHEDULE (object);

  switch (id)
    {
    case PROP_DECAY:
      reformer_schedule_set_decay (self, g_value_get_enum (value));
      break;
    case PROP_WARMUP_STEPS:
      reformer_schedule_set_warmup_steps (self, g_value_get_uint (value));
      break;
    case PROP_FINAL_FACTOR:
      reformer_schedule_set_final_factor (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_schedule_class_init (ReformerScheduleClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  reformer_home_own (klass);
  object_class->get_property = reformer_schedule_get_property;
  object_class->set_property = reformer_schedule_set_property;
  klass->compute_factor = reformer_schedule_real_compute_factor;

  /**
   * ReformerSchedule:decay:
   *
   * How the factor falls after the warm-up.
   */
  props[PROP_DECAY] = g_param_spec_enum ("decay", NULL, NULL, REFORMER_TYPE_DECAY, REFORMER_DECAY_COSINE, flags);
  /**
   * ReformerSchedule:warmup-steps:
   *
   * Steps in which the factor rises to 1; with 0 training begins without a warm-up.
   */
  props[PROP_WARMUP_STEPS] = g_param_spec_uint ("warmup-steps", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerSchedule:final-factor:
   *
   * What linear and cosine decay fall towards.
   */
  props[PROP_FINAL_FACTOR] = g_param_spec_double ("final-factor", NULL, NULL, 0.0, 1.0, 0.0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_schedule_init (ReformerSchedule *self)
{
  ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  priv->decay = REFORMER_DECAY_COSINE;
}

/**
 * reformer_schedule_new:
 *
 * A new schedule: cosine decay to 0, without a warm-up.
 *
 * Returns: (transfer full): the schedule
 */
ReformerSchedule *
reformer_schedule_new (void)
{
  return g_object_new (REFORMER_TYPE_SCHEDULE, NULL);
}

/* ---- The factor ---- */

typedef struct
{
  ReformerSchedule *self;
  guint             step;
  guint             total_steps;
  double            factor;
  GError           *error;
} FactorCall;

static void
call_compute_factor (gpointer data)
{
  FactorCall *call = data;

  REFORMER_SCHEDULE_GET_CLASS (call->self)->compute_factor (call->self, call->step, call->total_steps, &call->factor, &call->error);
}

/**
 * reformer_schedule_compute_factor: (virtual compute_factor)
 * @self: a schedule
 * @step: the step, counted from 1; 0 counts as 1
 * @total_steps: how many steps there will be; 0 if nobody knows, and then linear and cosine do not fall
 * @factor: (out): the factor; not a number where @error is set
 * @error: return location for an error: what a class written elsewhere reports, or %G_IO_ERROR_CANCELLED where the run was cancelled before it was asked
 *
 * Computes what the optimizer's learning rate is multiplied by at a step.
 *
 * The library's own schedule gives numbers from 0 to 1. A class written elsewhere may give any, and what is negative or not finite must not be trained with:
 * the [class@Trainer] fails with %REFORMER_TRAINER_ERROR_INVALID.
 */
void
reformer_schedule_compute_factor (ReformerSchedule  *self,
                                  guint              step,
                                  guint              total_steps,
                                  double            *factor,
                                  GError           **error)
{
  FactorCall call = { self, step, total_steps, NAN, NULL };

  g_return_if_fail (REFORMER_IS_SCHEDULE (self));
  g_return_if_fail (factor != NULL);

  reformer_home_call (self, G_STRUCT_OFFSET (ReformerScheduleClass, compute_factor), call_compute_factor, &call, &call.error);
  *factor = call.error == NULL ? call.factor : (double) NAN;
  if (call.error != NULL)
    g_propagate_error (error, call.error);
}

/* ---- Settings ---- */

/**
 * reformer_schedule_get_decay:
 * @self: a schedule
 *
 * Gets how the factor falls after the warm-up.
 *
 * Returns: how the factor falls
 */
ReformerDecay
reformer_schedule_get_decay (ReformerSchedule *self)
{
  const ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_SCHEDULE (self), REFORMER_DECAY_COSINE);

  return priv->decay;
}

/**
 * reformer_schedule_set_decay:
 * @self: a schedule
 * @decay: how the factor falls
 *
 * Sets how the factor falls after the warm-up.
 */
void
reformer_schedule_set_decay (ReformerSchedule *self,
                             ReformerDecay     decay)
{
  ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_SCHEDULE (self));

  if (priv->decay == decay)
    return;
  priv->decay = decay;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_DECAY]);
}

/**
 * reformer_schedule_get_warmup_steps:
 * @self: a schedule
 *
 * Gets in how many steps the factor rises to 1.
 *
 * Returns: steps of the warm-up
 */
guint
reformer_schedule_get_warmup_steps (ReformerSchedule *self)
{
  const ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_SCHEDULE (self), 0);

  return priv->warmup_steps;
}

/**
 * reformer_schedule_set_warmup_steps:
 * @self: a schedule
 * @warmup_steps: steps of the warm-up, 0 for none
 *
 * Sets in how many steps the factor rises to 1.
 */
void
reformer_schedule_set_warmup_steps (ReformerSchedule *self,
                                    guint             warmup_steps)
{
  ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_SCHEDULE (self));

  if (priv->warmup_steps == warmup_steps)
    return;
  priv->warmup_steps = warmup_steps;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_WARMUP_STEPS]);
}

/**
 * reformer_schedule_get_final_factor:
 * @self: a schedule
 *
 * Gets what linear and cosine decay fall towards.
 *
 * Returns: the factor of the last step
 */
double
reformer_schedule_get_final_factor (ReformerSchedule *self)
{
  const ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_SCHEDULE (self), 0.0);

  return priv->final_factor;
}

/**
 * reformer_schedule_set_final_factor:
 * @self: a schedule
 * @final_factor: the factor of the last step, 0 to 1
 *
 * Sets what linear and cosine decay fall towards.
 */
void
reformer_schedule_set_final_factor (ReformerSchedule *self,
                                    double            final_factor)
{
  ReformerSchedulePrivate *priv = reformer_schedule_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_SCHEDULE (self));

  if (priv->final_factor == final_factor)
    return;
  priv->final_factor = final_factor;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_FINAL_FACTOR]);
}
