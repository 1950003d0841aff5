/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/optimizer-private.h"

#include "compute/home.h"
#include "compute/tensor-private.h"

#include <libreformer/training/reformer-trainer-error.h>

#include <math.h>
#include <string.h>

/**
 * ReformerOptimizer:
 *
 * Changes parameters by their gradients: a step of training.
 *
 * The library has [class@AdamW], [class@Sgd] and [class@Adafactor]. A class of your own overrides `update`, which is called for one parameter after the other, and
 * keeps what it must remember in the tensors of [method@Optimizer.get_state]; these are saved with the run.
 *
 * ```python
 * class Descent(Reformer.Optimizer):
 *     def do_update(self, parameter, step, learning_rate, scale):
 *         with parameter.props.value.view() as value:
 *             value -= learning_rate * scale * numpy.asarray(parameter.props.gradient)
 *         return True
 *
 * trainer.set_optimizer(Descent(learning_rate=0.1))
 * trainer.train(1, None)
 * ```
 */

typedef struct
{
  double      learning_rate;
  GHashTable *state; /* "PARAMETER/STATE" -> ReformerTensor */
  GPtrArray  *names; /* the keys, in the order of their first use; borrowed from the table */
  gint        changes; /* of settings, counted */
  gint        checked; /* how many there were when all settings were found to be in their ranges */
} ReformerOptimizerPrivate;

enum
{
  PROP_0,
  PROP_LEARNING_RATE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (ReformerOptimizer, reformer_optimizer, G_TYPE_OBJECT)

static void
reformer_optimizer_finalize (GObject *object)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (REFORMER_OPTIMIZER (object));

  g_ptr_array_unref (priv->names);
  g_hash_table_unref (priv->state);
  G_OBJECT_CLASS (reformer_optimizer_parent_class)->finalize (object);
}

static void
reformer_optimizer_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  switch (id)
    {
    case PROP_LEARNING_RATE:
      g_value_set_double (value, reformer_optimizer_get_learning_rate (REFORMER_OPTIMIZER (object)));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_optimizer_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  switch (id)
    {
    case PROP_LEARNING_RATE:
      reformer_optimizer_set_learning_rate (REFORMER_OPTIMIZER (object), g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_optimizer_class_init (ReformerOptimizerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  reformer_home_own (klass);
  object_class->finalize = reformer_optimizer_finalize;
  object_class->get_property = reformer_optimizer_get_property;
  object_class->set_property = reformer_optimizer_set_property;

  /**
   * ReformerOptimizer:learning-rate:
   *
   * How far a step goes. A [class@Schedule] multiplies it.
   */
  props[PROP_LEARNING_RATE] = g_param_spec_double ("learning-rate", NULL, NULL, 0.0, G_MAXFLOAT, 1e-3,
                                                   G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_optimizer_init (ReformerOptimizer *self)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);

  priv->learning_rate = 1e-3;
  priv->changes = 1;
  priv->state = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  priv->names = g_ptr_array_new ();
}

/* ---- Update ---- */

typedef struct
{
  ReformerOptimizer *self;
  ReformerParameter *parameter;
  guint              step;
  double             learning_rate;
  double             scale;
  gboolean           done;
  GError            *error;
} UpdateCall;

static void
call_update (gpointer data)
{
  UpdateCall *call = data;

  call->done = REFORMER_OPTIMIZER_GET_CLASS (call->self)->update (call->self, call->parameter, call->step, call->learning_rate, call->scale, &call->error);
}

static gboolean
check_number (ReformerOptimizer  *self,
              const char         *what,
              double              number,
              GError            **error)
{
  if (isfinite (number) && number >= 0.0)
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "%s: the %s is %g; wanted is a finite number, at least 0", G_OBJECT_TYPE_NAME (self),
               what, number);
  return FALSE;
}

static gboolean
check_update (ReformerOptimizer  *self,
              ReformerParameter  *parameter,
              guint               step,
              double              learning_rate,
              double              scale,
              GError            **error)
{
  if (REFORMER_OPTIMIZER_GET_CLASS (self)->update == NULL)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "%s has no update of its own; an optimizer must override it", G_OBJECT_TYPE_NAME (self));
  else if (step == 0)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "%s: the step is 0; steps are counted from 1", G_OBJECT_TYPE_NAME (self));
  else if (check_number (self, "learning rate", learning_rate, error) && check_number (self, "factor of the gradient", scale, error))
    {
      if (reformer_parameter_get_value (parameter) != NULL)
        return TRUE;
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "parameter %s has a gradient, but no value yet; fill it first",
                   reformer_parameter_get_name (parameter));
    }
  return FALSE;
}

/**
 * reformer_optimizer_update: (virtual update)
 * @self: an optimizer
 * @parameter: a parameter
 * @step: the step, counted from 1
 * @learning_rate: how far to go: [property@Optimizer:learning-rate] times the factor of a schedule
 * @scale: what the gradient is multiplied by first, 1 where it is not clipped
 * @error: return location for an error
 *
 * Changes the value of one parameter by its gradient. Steps of a parameter must come in order, from 1 on.
 *
 * A parameter without a gradient stays as it is, and a function written elsewhere is not called for it.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@TrainerError] for a learning rate or another setting that is not finite or out of its range, and for state
 *   of another shape; [error@DeviceError]. Then nothing has changed
 */
gboolean
reformer_optimizer_update (ReformerOptimizer  *self,
                           ReformerParameter  *parameter,
                           guint               step,
                           double              learning_rate,
                           double              scale,
                           GError            **error)
{
  UpdateCall call = { self, parameter, step, learning_rate, scale, FALSE, NULL };

  g_return_val_if_fail (REFORMER_IS_OPTIMIZER (self), FALSE);
  g_return_val_if_fail (REFORMER_IS_PARAMETER (parameter), FALSE);

  if (reformer_parameter_get_gradient (parameter) == NULL)
    return TRUE;
  if (!check_update (self, parameter, step, learning_rate, scale, error))
    return FALSE;
  if (!reformer_home_call (self, G_STRUCT_OFFSET (ReformerOptimizerClass, update), call_update, &call, error))
    return FALSE;

  if (call.error != NULL)
    {
      g_propagate_error (error, call.error);
      return FALSE;
    }
  if (!call.done)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "update of %s failed for %s without an error; it must return TRUE or set one",
                 G_OBJECT_TYPE_NAME (self), reformer_parameter_get_name (parameter));
  return call.done;
}

void
reformer_optimizer_set_double (ReformerOptimizer *self,
                               double            *field,
                               double             value,
                               GParamSpec        *pspec)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);

  if (*field == value)
    return;
  *field = value;
  g_atomic_int_inc (&priv->changes);
  g_object_notify_by_pspec (G_OBJECT (self), pspec);
}

gboolean
reformer_optimizer_check_settings (ReformerOptimizer  *self,
                                   GError            **error)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);
  const gint changes = g_atomic_int_get (&priv->changes);
  g_autofree GParamSpec **pspecs = NULL;
  guint n;

  if (priv->checked == changes)
    return TRUE;
  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (self), &n);
  for (guint i = 0; i < n; i++)
    if (G_IS_PARAM_SPEC_DOUBLE (pspecs[i]))
      {
        const GParamSpecDouble *range = G_PARAM_SPEC_DOUBLE (pspecs[i]);
        double value;

        g_object_get (self, pspecs[i]->name, &value, NULL);
        if (!(value >= range->minimum && value <= range->maximum))
          {
            g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "%s: %s is %g; wanted is a number from %g to %g", G_OBJECT_TYPE_NAME (self),
                         pspecs[i]->name, value, range->minimum, range->maximum);
            return FALSE;
          }
      }
  priv->checked = changes;
  return TRUE;
}

/* ---- State ---- */

static gboolean
check_state (const char      *key,
             ReformerTensor  *tensor,
             const gint64    *shape,
             gsize            n_dims,
             GError         **error)
{
  gsize n_seen;
  g_autofree gint64 *seen = reformer_tensor_get_shape (tensor, &n_seen);
  const ReformerDType dtype = reformer_tensor_get_dtype (tensor);
  g_autofree char *seen_text = NULL;
  g_autofree char *wanted_text = NULL;

  if (dtype == REFORMER_DTYPE_FLOAT32 && n_seen == n_dims && (n_dims == 0 || memcmp (seen, shape, n_dims * sizeof *shape) == 0))
    return TRUE;
  seen_text = reformer_shape_to_string (seen, n_seen);
  wanted_text = reformer_shape_to_string (shape, n_dims);
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "state %s is %s %s; wanted is float32 %s", key, reformer_dtype_get_name (dtype), seen_text,
               wanted_text);
  return FALSE;
}

/* Where the parameter is, or will be. */
static ReformerDevice *
device_of (ReformerParameter *parameter)
{
  ReformerTensor *value = reformer_parameter_get_value (parameter);
  ReformerDevice *device = NULL;

  if (value != NULL)
    return g_object_ref (reformer_tensor_get_device (value));
  g_object_get (parameter, "device", &device, NULL);
  return device;
}

/**
 * reformer_optimizer_get_state:
 * @self: an optimizer
 * @parameter: the parameter that the state is for
 * @name: what the state is called, such as `momentum`
 * @shape: (nullable) (array length=n_dims): the shape; %NULL for the parameter's
 * @n_dims: number of dimensions; 0 for the parameter's shape
 * @error: return location for an error
 *
 * A float32 tensor in which the optimizer keeps something about a parameter from step to step. It begins with zeros, on the parameter's device, and is saved with
 * the run as `PARAMETER/NAME`.
 *
 * Returns: (transfer none): the tensor, the same at every call, or %NULL with @error set: [error@TrainerError] where it was made or loaded with another shape, or
 *   the name is empty or has a slash; [error@DeviceError]
 */
ReformerTensor *
reformer_optimizer_get_state (ReformerOptimizer  *self,
                              ReformerParameter  *parameter,
                              const char         *name,
                              const gint64       *shape,
                              gsize               n_dims,
                              GError            **error)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);
  g_autofree char *key = NULL;
  g_autofree gint64 *own_shape = NULL;
  g_autoptr (ReformerDevice) device = NULL;
  ReformerTensor *tensor;

  g_return_val_if_fail (REFORMER_IS_OPTIMIZER (self), NULL);
  g_return_val_if_fail (REFORMER_IS_PARAMETER (parameter), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  if (*name == '\0' || strchr (name, '/') != NULL)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "state \"%s\" of parameter %s: wanted is a name without a slash", name,
                   reformer_parameter_get_name (parameter));
      return NULL;
    }
  if (shape == NULL || n_dims == 0)
    shape = own_shape = reformer_parameter_get_shape (parameter, &n_dims);

  key = g_strconcat (reformer_parameter_get_name (parameter), "/", name, NULL);
  tensor = g_hash_table_lookup (priv->state, key);
  if (tensor != NULL)
    return check_state (key, tensor, shape, n_dims, error) ? tensor : NULL;

  device = device_of (parameter);
  tensor = reformer_tensor_new_zeros (device, REFORMER_DTYPE_FLOAT32, shape, n_dims, "optimizer", error);
  if (tensor == NULL)
    {
      g_prefix_error (error, "state %s: ", key);
      return NULL;
    }
  reformer_optimizer_put_state (self, key, tensor);
  g_object_unref (tensor); /* the table has it */
  return tensor;
}

GPtrArray *
reformer_optimizer_list_state (ReformerOptimizer *self)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < priv->names->len; i++)
    g_ptr_array_add (names, g_strdup (priv->names->pdata[i]));
  return names;
}

ReformerTensor *
reformer_optimizer_peek_state (ReformerOptimizer *self,
                               const char        *name)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);

  return g_hash_table_lookup (priv->state, name);
}

void
reformer_optimizer_put_state (ReformerOptimizer *self,
                              const char        *name,
                              ReformerTensor    *tensor)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);
  char *key = g_strdup (name);

  /* Where the name is known its old string stays, and names with it. */
  if (!g_hash_table_contains (priv->state, name))
    g_ptr_array_add (priv->names, key);
  g_hash_table_insert (priv->state, key, g_object_ref (tensor));
}

void
reformer_optimizer_clear_state (ReformerOptimizer *self)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);

  g_ptr_array_set_size (priv->names, 0);
  g_hash_table_remove_all (priv->state);
}

gboolean
reformer_optimizer_prepare (ReformerOptimizer  *self,
                            GPtrArray          *parameters,
                            GError            **error)
{
  const ReformerOptimizerInternal *internal = REFORMER_OPTIMIZER_GET_CLASS (self)->internal;

  if (internal == NULL)
    return TRUE;
  for (guint i = 0; i < parameters->len; i++)
    if (reformer_parameter_get_trainable (parameters->pdata[i]) && !internal->prepare (self, parameters->pdata[i], error))
      return FALSE;
  return TRUE;
}

/* ---- Settings ---- */

/**
 * reformer_optimizer_get_learning_rate:
 * @self: an optimizer
 *
 * Gets how far a step goes.
 *
 * Returns: the learning rate
 */
double
reformer_optimizer_get_learning_rate (ReformerOptimizer *self)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_OPTIMIZER (self), 0.0);

  return priv->learning_rate;
}

/**
 * reformer_optimizer_set_learning_rate:
 * @self: an optimizer
 * @learning_rate: the learning rate, at least 0; what is no such number fails in [method@Optimizer.update]
 *
 * Sets how far a step goes.
 */
void
reformer_optimizer_set_learning_rate (ReformerOptimizer *self,
                                      double             learning_rate)
{
  ReformerOptimizerPrivate *priv = reformer_optimizer_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_OPTIMIZER (self));

  if (priv->learning_rate == learning_rate)
    return;
  priv->learning_rate = learning_rate;
  g_atomic_int_inc (&priv->changes);
  g_object_notify (G_OBJECT (self), "learning-rate"); /* by name: a class may have a property of its own, with another default */
}
