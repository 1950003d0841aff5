/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/training/reformer-sgd.h>

#include "compute/home.h"
#include "layers/parameter-private.h"
#include "ops/optimizer.h"
#include "training/optimizer-private.h"

/* Name of the state. */
#define MOMENTUM "momentum"

/**
 * ReformerSgd:
 *
 * Stochastic gradient descent with momentum.
 *
 * It steps as `torch.optim.SGD` does, without damping: v = momentum v + gradient + weight decay times value, and the value loses learning rate times v. It keeps one number
 * for each of a parameter's, and none without momentum.
 */

struct _ReformerSgd
{
  ReformerOptimizer parent_instance;

  double momentum;
  double weight_decay;
};

enum
{
  PROP_0,
  PROP_LEARNING_RATE,
  PROP_MOMENTUM,
  PROP_WEIGHT_DECAY,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerSgd, reformer_sgd, REFORMER_TYPE_OPTIMIZER)

static gboolean
prepare (ReformerOptimizer  *optimizer,
         ReformerParameter  *parameter,
         GError            **error)
{
  return !(REFORMER_SGD (optimizer)->momentum > 0.0) || reformer_optimizer_get_state (optimizer, parameter, MOMENTUM, NULL, 0, error) != NULL;
}

static gboolean
reformer_sgd_update (ReformerOptimizer  *optimizer,
                     ReformerParameter  *parameter,
                     guint               step,
                     double              learning_rate,
                     double              scale,
                     GError            **error)
{
  ReformerSgd *self = REFORMER_SGD (optimizer);
  const ReformerSgdStep how = { learning_rate, scale, self->momentum, self->weight_decay };
  ReformerTensor *value = reformer_parameter_get_value (parameter);
  ReformerRun run = REFORMER_RUN_INIT (reformer_tensor_get_device (value), NULL);
  ReformerTensor *velocity = NULL;

  if (!reformer_optimizer_check_settings (optimizer, error))
    return FALSE;
  if (self->momentum > 0.0)
    {
      velocity = reformer_optimizer_get_state (optimizer, parameter, MOMENTUM, NULL, 0, error);
      if (velocity == NULL)
        return FALSE;
    }
  reformer_step_sgd (&run, &how, reformer_span (value), reformer_span (reformer_parameter_get_gradient (parameter)), reformer_span (velocity),
                     reformer_parameter_get_n_elements (parameter));
  return reformer_run_finish (&run, error);
}

/* ---- Settings ---- */

static void
reformer_sgd_get_property (GObject    *object,
                           guint       id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  ReformerSgd *self = REFORMER_SGD (object);

  switch (id)
    {
    case PROP_LEARNING_RATE:
      g_value_set_double (value, reformer_optimizer_get_learning_rate (REFORMER_OPTIMIZER (self)));
      break;
    case PROP_MOMENTUM:
      g_value_set_double (value, reformer_sgd_get_momentum (self));
      break;
    case PROP_WEIGHT_DECAY:
      g_value_set_double (value, reformer_sgd_get_weight_decay (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_sgd_set_property (GObject      *object,
                           guint         id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  ReformerSgd *self = REFORMER_SGD (object);

  switch (id)
    {
    case PROP_LEARNING_RATE:
      reformer_optimizer_set_learning_rate (REFORMER_OPTIMIZER (self), g_value_get_double (value));
      break;
    case PROP_MOMENTUM:
      reformer_sgd_set_momentum (self, g_value_get_double (value));
      break;
    case PROP_WEIGHT_DECAY:
      reformer_sgd_set_weight_decay (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_sgd_class_init (ReformerSgdClass *klass)
{
  static const ReformerOptimizerInternal internal = { prepare };
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerOptimizerClass *optimizer_class = REFORMER_OPTIMIZER_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  reformer_home_own (klass);
  object_class->get_property = reformer_sgd_get_property;
  object_class->set_property = reformer_sgd_set_property;
  optimizer_class->update = reformer_sgd_update;
  optimizer_class->internal = (gpointer) &internal;

  /**
   * ReformerSgd:learning-rate:
   *
   * How far a step goes, as of any optimizer, but with another default.
   */
  props[PROP_LEARNING_RATE] = g_param_spec_double ("learning-rate", NULL, NULL, 0.0, G_MAXFLOAT, 0.01, flags);
  /**
   * ReformerSgd:momentum:
   *
   * How much of the last step stays in the next.
   */
  props[PROP_MOMENTUM] = g_param_spec_double ("momentum", NULL, NULL, 0.0, G_MAXFLOAT, 0.0, flags);
  /**
   * ReformerSgd:weight-decay:
   *
   * How much of the value is added to the gradient.
   */
  props[PROP_WEIGHT_DECAY] = g_param_spec_double ("weight-decay", NULL, NULL, 0.0, G_MAXFLOAT, 0.0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_sgd_init (ReformerSgd *self)
{
  reformer_optimizer_set_learning_rate (REFORMER_OPTIMIZER (self), 0.01);
  self->momentum = 0.0;
  self->weight_decay = 0.0;
}

/**
 * reformer_sgd_new:
 *
 * A new optimizer without momentum.
 *
 * Returns: (transfer full): the optimizer
 */
ReformerOptimizer *
reformer_sgd_new (void)
{
  return g_object_new (REFORMER_TYPE_SGD, NULL);
}

/**
 * reformer_sgd_get_momentum:
 * @self: the optimizer
 *
 * Gets how much of the last step stays in the next.
 *
 * Returns: how much of the last step stays in the next
 */
double
reformer_sgd_get_momentum (ReformerSgd *self)
{
  g_return_val_if_fail (REFORMER_IS_SGD (self), 0.0);

  return self->momentum;
}

/**
 * reformer_sgd_set_momentum:
 * @self: the optimizer
 * @momentum: at least 0, most often 0.9
 *
 * Sets how much of the last step stays in the next.
 */
void
reformer_sgd_set_momentum (ReformerSgd *self,
                           double       momentum)
{
  g_return_if_fail (REFORMER_IS_SGD (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->momentum, momentum, props[PROP_MOMENTUM]);
}

/**
 * reformer_sgd_get_weight_decay:
 * @self: the optimizer
 *
 * Gets how much of the value is added to the gradient.
 *
 * Returns: how much of the value is added to the gradient
 */
double
reformer_sgd_get_weight_decay (ReformerSgd *self)
{
  g_return_val_if_fail (REFORMER_IS_SGD (self), 0.0);

  return self->weight_decay;
}

/**
 * reformer_sgd_set_weight_decay:
 * @self: the optimizer
 * @weight_decay: at least 0
 *
 * Sets how much of the value is added to the gradient.
 */
void
reformer_sgd_set_weight_decay (ReformerSgd *self,
                               double       weight_decay)
{
  g_return_if_fail (REFORMER_IS_SGD (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->weight_decay, weight_decay, props[PROP_WEIGHT_DECAY]);
}
