/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/training/reformer-adamw.h>

#include "compute/home.h"
#include "layers/parameter-private.h"
#include "ops/optimizer.h"
#include "training/optimizer-private.h"

/* Names of the state. */
#define MEAN "mean"
#define SQUARE "square"

/* The largest number below 1. */
#define BELOW_ONE (1.0 - 0x1p-53)

/**
 * ReformerAdamW:
 *
 * The optimizer of most trained language models: Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).
 *
 * It steps as `torch.optim.AdamW` does: every parameter is decayed, norms and biases too. With [property@AdamW:weight-decay] 0 it is Adam. It keeps two numbers for each of
 * a parameter's: 8 bytes.
 */

struct _ReformerAdamW
{
  ReformerOptimizer parent_instance;

  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
};

enum
{
  PROP_0,
  PROP_BETA1,
  PROP_BETA2,
  PROP_EPSILON,
  PROP_WEIGHT_DECAY,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerAdamW, reformer_adamw, REFORMER_TYPE_OPTIMIZER)

static gboolean
prepare (ReformerOptimizer  *optimizer,
         ReformerParameter  *parameter,
         GError            **error)
{
  return reformer_optimizer_get_state (optimizer, parameter, MEAN, NULL, 0, error) != NULL &&
         reformer_optimizer_get_state (optimizer, parameter, SQUARE, NULL, 0, error) != NULL;
}

static gboolean
reformer_adamw_update (ReformerOptimizer  *optimizer,
                       ReformerParameter  *parameter,
                       guint               step,
                       double              learning_rate,
                       double              scale,
                       GError            **error)
{
  ReformerAdamW *self = REFORMER_ADAMW (optimizer);
  const ReformerAdamWStep how = { step, learning_rate, scale, self->beta1, self->beta2, self->epsilon, self->weight_decay };
  ReformerTensor *value = reformer_parameter_get_value (parameter);
  ReformerRun run = REFORMER_RUN_INIT (reformer_tensor_get_device (value), NULL);
  ReformerTensor *mean;
  ReformerTensor *square;

  if (!reformer_optimizer_check_settings (optimizer, error))
    return FALSE;
  mean = reformer_optimizer_get_state (optimizer, parameter, MEAN, NULL, 0, error);
  square = mean != NULL ? reformer_optimizer_get_state (optimizer, parameter, SQUARE, NULL, 0, error) : NULL;
  if (square == NULL)
    return FALSE;
  reformer_step_adamw (&run, &how, reformer_span (value), reformer_span (reformer_parameter_get_gradient (parameter)), reformer_span (mean), reformer_span (square),
                       reformer_parameter_get_n_elements (parameter));
  return reformer_run_finish (&run, error);
}

/* ---- Settings ---- */

static void
reformer_adamw_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  ReformerAdamW *self = REFORMER_ADAMW (object);

  switch (id)
    {
    case PROP_BETA1:
      g_value_set_double (value, reformer_adamw_get_beta1 (self));
      break;
    case PROP_BETA2:
      g_value_set_double (value, reformer_adamw_get_beta2 (self));
      break;
    case PROP_EPSILON:
      g_value_set_double (value, reformer_adamw_get_epsilon (self));
      break;
    case PROP_WEIGHT_DECAY:
      g_value_set_double (value, reformer_adamw_get_weight_decay (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_adamw_set_property (GObject      *object,
                             guint         id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  ReformerAdamW *self = REFORMER_ADAMW (object);

  switch (id)
    {
    case PROP_BETA1:
      reformer_adamw_set_beta1 (self, g_value_get_double (value));
      break;
    case PROP_BETA2:
      reformer_adamw_set_beta2 (self, g_value_get_double (value));
      break;
    case PROP_EPSILON:
      reformer_adamw_set_epsilon (self, g_value_get_double (value));
      break;
    case PROP_WEIGHT_DECAY:
      reformer_adamw_set_weight_decay (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_adamw_class_init (ReformerAdamWClass *klass)
{
  static const ReformerOptimizerInternal internal = { prepare };
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerOptimizerClass *optimizer_class = REFORMER_OPTIMIZER_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  reformer_home_own (klass);
  object_class->get_property = reformer_adamw_get_property;
  object_class->set_property = reformer_adamw_set_property;
  optimizer_class->update = reformer_adamw_update;
  optimizer_class->internal = (gpointer) &internal;

  /**
   * ReformerAdamW:beta1:
   *
   * How much of the mean gradient stays from step to step; below 1.
   */
  props[PROP_BETA1] = g_param_spec_double ("beta1", NULL, NULL, 0.0, BELOW_ONE, 0.9, flags);
  /**
   * ReformerAdamW:beta2:
   *
   * How much of the mean squared gradient stays from step to step; below 1.
   */
  props[PROP_BETA2] = g_param_spec_double ("beta2", NULL, NULL, 0.0, BELOW_ONE, 0.999, flags);
  /**
   * ReformerAdamW:epsilon:
   *
   * Added to the root of the mean squared gradient, so that none is divided by 0.
   */
  props[PROP_EPSILON] = g_param_spec_double ("epsilon", NULL, NULL, 1e-20, G_MAXFLOAT, 1e-8, flags);
  /**
   * ReformerAdamW:weight-decay:
   *
   * The part of a value that a step with learning rate 1 takes away.
   */
  props[PROP_WEIGHT_DECAY] = g_param_spec_double ("weight-decay", NULL, NULL, 0.0, G_MAXFLOAT, 0.01, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_adamw_init (ReformerAdamW *self)
{
  self->beta1 = 0.9;
  self->beta2 = 0.999;
  self->epsilon = 1e-8;
  self->weight_decay = 0.01;
}

/**
 * reformer_adamw_new:
 *
 * A new optimizer with the settings that `torch.optim.AdamW` begins with.
 *
 * Returns: (transfer full): the optimizer
 */
ReformerOptimizer *
reformer_adamw_new (void)
{
  return g_object_new (REFORMER_TYPE_ADAMW, NULL);
}

/**
 * reformer_adamw_get_beta1:
 * @self: the optimizer
 *
 * Gets how much of the mean gradient stays from step to step.
 *
 * Returns: how much of the mean gradient stays from step to step
 */
double
reformer_adamw_get_beta1 (ReformerAdamW *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAMW (self), 0.0);

  return self->beta1;
}

/**
 * reformer_adamw_set_beta1:
 * @self: the optimizer
 * @beta1: from 0 to below 1
 *
 * Sets how much of the mean gradient stays from step to step.
 */
void
reformer_adamw_set_beta1 (ReformerAdamW *self,
                          double         beta1)
{
  g_return_if_fail (REFORMER_IS_ADAMW (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->beta1, beta1, props[PROP_BETA1]);
}

/**
 * reformer_adamw_get_beta2:
 * @self: the optimizer
 *
 * Gets how much of the mean squared gradient stays from step to step.
 *
 * Returns: how much of the mean squared gradient stays from step to step
 */
double
reformer_adamw_get_beta2 (ReformerAdamW *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAMW (self), 0.0);

  return self->beta2;
}

/**
 * reformer_adamw_set_beta2:
 * @self: the optimizer
 * @beta2: from 0 to below 1
 *
 * Sets how much of the mean squared gradient stays from step to step.
 */
void
reformer_adamw_set_beta2 (ReformerAdamW *self,
                          double         beta2)
{
  g_return_if_fail (REFORMER_IS_ADAMW (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->beta2, beta2, props[PROP_BETA2]);
}

/**
 * reformer_adamw_get_epsilon:
 * @self: the optimizer
 *
 * Gets what is added to the root of the mean squared gradient.
 *
 * Returns: what is added to the root of the mean squared gradient
 */
double
reformer_adamw_get_epsilon (ReformerAdamW *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAMW (self), 0.0);

  return self->epsilon;
}

/**
 * reformer_adamw_set_epsilon:
 * @self: the optimizer
 * @epsilon: a small number above 0
 *
 * Sets what is added to the root of the mean squared gradient.
 */
void
reformer_adamw_set_epsilon (ReformerAdamW *self,
                            double         epsilon)
{
  g_return_if_fail (REFORMER_IS_ADAMW (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->epsilon, epsilon, props[PROP_EPSILON]);
}

/**
 * reformer_adamw_get_weight_decay:
 * @self: the optimizer
 *
 * Gets the part of a value that a step with learning rate 1 takes away.
 *
 * Returns: the part of a value that a step with learning rate 1 takes away
 */
double
reformer_adamw_get_weight_decay (ReformerAdamW *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAMW (self), 0.0);

  return self->weight_decay;
}

/**
 * reformer_adamw_set_weight_decay:
 * @self: the optimizer
 * @weight_decay: at least 0; 0 is Adam
 *
 * Sets the part of a value that a step with learning rate 1 takes away.
 */
void
reformer_adamw_set_weight_decay (ReformerAdamW *self,
                                 double         weight_decay)
{
  g_return_if_fail (REFORMER_IS_ADAMW (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->weight_decay, weight_decay, props[PROP_WEIGHT_DECAY]);
}
