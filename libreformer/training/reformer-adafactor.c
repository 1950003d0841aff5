/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/training/reformer-adafactor.h>

#include "compute/home.h"
#include "layers/parameter-private.h"
#include "ops/optimizer.h"
#include "training/optimizer-private.h"

#include <math.h>

/* Names of the state. */
#define ROW "row"
#define COLUMN "column"
#define SQUARE "square"

/* Added to the squares of gradients, and the least root mean square that steps are relative to: the paper's. */
#define EPSILON 1e-30
#define LEAST_SIZE 1e-3

/**
 * ReformerAdafactor:
 *
 * The optimizer that remembers little (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", 2018): of a matrix one number for each row and
 * column.
 *
 * It steps as transformers' `Adafactor` does with `relative_step=False` and no momentum. A parameter of more than two dimensions is one matrix whose rows are all its
 * vectors along the last (transformers takes its last two for a matrix of their own each time); one of fewer has a number for each element.
 */

struct _ReformerAdafactor
{
  ReformerOptimizer parent_instance;

  double   decay;
  double   clipping_threshold;
  double   weight_decay;
  gboolean scale_parameter;
};

enum
{
  PROP_0,
  PROP_DECAY,
  PROP_CLIPPING_THRESHOLD,
  PROP_WEIGHT_DECAY,
  PROP_SCALE_PARAMETER,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerAdafactor, reformer_adafactor, REFORMER_TYPE_OPTIMIZER)

/* As a matrix. FALSE: it has too few dimensions. */
static gboolean
get_matrix (ReformerParameter *parameter,
            gsize             *rows,
            int               *columns)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_parameter_get_shape (parameter, &n_dims);

  if (n_dims < 2)
    return FALSE;
  *columns = (int) shape[n_dims - 1];
  *rows = reformer_parameter_get_n_elements (parameter) / (gsize) shape[n_dims - 1];
  return TRUE;
}

/* The state: of rows and of columns, or of all elements and NULL. */
static gboolean
get_state (ReformerOptimizer  *optimizer,
           ReformerParameter  *parameter,
           ReformerTensor     *state[2],
           GError            **error)
{
  gsize rows;
  int columns;

  if (!get_matrix (parameter, &rows, &columns))
    {
      state[0] = reformer_optimizer_get_state (optimizer, parameter, SQUARE, NULL, 0, error);
      state[1] = NULL;
      return state[0] != NULL;
    }
  state[0] = reformer_optimizer_get_state (optimizer, parameter, ROW, (const gint64[]) { (gint64) rows }, 1, error);
  state[1] = state[0] != NULL ? reformer_optimizer_get_state (optimizer, parameter, COLUMN, (const gint64[]) { columns }, 1, error) : NULL;
  return state[1] != NULL;
}

static gboolean
prepare (ReformerOptimizer  *optimizer,
         ReformerParameter  *parameter,
         GError            **error)
{
  ReformerTensor *state[2];

  return get_state (optimizer, parameter, state, error);
}

static gboolean
reformer_adafactor_update (ReformerOptimizer  *optimizer,
                           ReformerParameter  *parameter,
                           guint               step,
                           double              learning_rate,
                           double              scale,
                           GError            **error)
{
  ReformerAdafactor *self = REFORMER_ADAFACTOR (optimizer);
  const ReformerAdafactorStep how = { learning_rate, scale, 1.0 - pow (step, self->decay), EPSILON, self->clipping_threshold, self->weight_decay, self->scale_parameter, LEAST_SIZE };
  ReformerTensor *value = reformer_parameter_get_value (parameter);
  const ReformerSpan w = reformer_span (value), g = reformer_span (reformer_parameter_get_gradient (parameter));
  ReformerRun run = REFORMER_RUN_INIT (reformer_tensor_get_device (value), NULL);
  ReformerTensor *state[2];
  gsize rows;
  int columns;

  if (!reformer_optimizer_check_settings (optimizer, error) || !get_state (optimizer, parameter, state, error))
    return FALSE;
  reformer_run_part (&run, "optimizer");
  if (get_matrix (parameter, &rows, &columns))
    reformer_step_adafactor_matrix (&run, &how, w, g, reformer_span (state[0]), reformer_span (state[1]), rows, columns);
  else
    reformer_step_adafactor_vector (&run, &how, w, g, reformer_span (state[0]), reformer_parameter_get_n_elements (parameter));
  return reformer_run_finish (&run, error);
}

/* ---- Settings ---- */

static void
reformer_adafactor_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  ReformerAdafactor *self = REFORMER_ADAFACTOR (object);

  switch (id)
    {
    case PROP_DECAY:
      g_value_set_double (value, reformer_adafactor_get_decay (self));
      break;
    case PROP_CLIPPING_THRESHOLD:
      g_value_set_double (value, reformer_adafactor_get_clipping_threshold (self));
      break;
    case PROP_WEIGHT_DECAY:
      g_value_set_double (value, reformer_adafactor_get_weight_decay (self));
      break;
    case PROP_SCALE_PARAMETER:
      g_value_set_boolean (value, reformer_adafactor_get_scale_parameter (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_adafactor_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  ReformerAdafactor *self = REFORMER_ADAFACTOR (object);

  switch (id)
    {
    case PROP_DECAY:
      reformer_adafactor_set_decay (self, g_value_get_double (value));
      break;
    case PROP_CLIPPING_THRESHOLD:
      reformer_adafactor_set_clipping_threshold (self, g_value_get_double (value));
      break;
    case PROP_WEIGHT_DECAY:
      reformer_adafactor_set_weight_decay (self, g_value_get_double (value));
      break;
    case PROP_SCALE_PARAMETER:
      reformer_adafactor_set_scale_parameter (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_adafactor_class_init (ReformerAdafactorClass *klass)
{
  static const ReformerOptimizerInternal internal = { prepare };
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerOptimizerClass *optimizer_class = REFORMER_OPTIMIZER_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  reformer_home_own (klass);
  object_class->get_property = reformer_adafactor_get_property;
  object_class->set_property = reformer_adafactor_set_property;
  optimizer_class->update = reformer_adafactor_update;
  optimizer_class->internal = (gpointer) &internal;

  /**
   * ReformerAdafactor:decay:
   *
   * How fast new squares come to count less: at step t a part of t to this power is new.
   */
  props[PROP_DECAY] = g_param_spec_double ("decay", NULL, NULL, -1.0, 0.0, -0.8, flags);
  /**
   * ReformerAdafactor:clipping-threshold:
   *
   * The root mean square of an update that is not yet clipped.
   */
  props[PROP_CLIPPING_THRESHOLD] = g_param_spec_double ("clipping-threshold", NULL, NULL, 1e-6, G_MAXFLOAT, 1.0, flags);
  /**
   * ReformerAdafactor:weight-decay:
   *
   * The part of a value that a step of length 1 takes away.
   */
  props[PROP_WEIGHT_DECAY] = g_param_spec_double ("weight-decay", NULL, NULL, 0.0, G_MAXFLOAT, 0.0, flags);
  /**
   * ReformerAdafactor:scale-parameter:
   *
   * Whether steps are relative to the root mean square of the value (at least 0.001).
   */
  props[PROP_SCALE_PARAMETER] = g_param_spec_boolean ("scale-parameter", NULL, NULL, TRUE, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_adafactor_init (ReformerAdafactor *self)
{
  self->decay = -0.8;
  self->clipping_threshold = 1.0;
  self->weight_decay = 0.0;
  self->scale_parameter = TRUE;
}

/**
 * reformer_adafactor_new:
 *
 * A new optimizer with the settings that transformers recommends, but for a learning rate of 0.001.
 *
 * Returns: (transfer full): the optimizer
 */
ReformerOptimizer *
reformer_adafactor_new (void)
{
  return g_object_new (REFORMER_TYPE_ADAFACTOR, NULL);
}

/**
 * reformer_adafactor_get_decay:
 * @self: the optimizer
 *
 * Gets the exponent of the steps with which new squares come to count less.
 *
 * Returns: the exponent of the steps with which new squares come to count less
 */
double
reformer_adafactor_get_decay (ReformerAdafactor *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAFACTOR (self), 0.0);

  return self->decay;
}

/**
 * reformer_adafactor_set_decay:
 * @self: the optimizer
 * @decay: from -1 to 0
 *
 * Sets the exponent of the steps with which new squares come to count less.
 */
void
reformer_adafactor_set_decay (ReformerAdafactor *self,
                              double             decay)
{
  g_return_if_fail (REFORMER_IS_ADAFACTOR (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->decay, decay, props[PROP_DECAY]);
}

/**
 * reformer_adafactor_get_clipping_threshold:
 * @self: the optimizer
 *
 * Gets the root mean square of an update that is not yet clipped.
 *
 * Returns: the root mean square of an update that is not yet clipped
 */
double
reformer_adafactor_get_clipping_threshold (ReformerAdafactor *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAFACTOR (self), 0.0);

  return self->clipping_threshold;
}

/**
 * reformer_adafactor_set_clipping_threshold:
 * @self: the optimizer
 * @clipping_threshold: above 0
 *
 * Sets the root mean square of an update that is not yet clipped.
 */
void
reformer_adafactor_set_clipping_threshold (ReformerAdafactor *self,
                                           double             clipping_threshold)
{
  g_return_if_fail (REFORMER_IS_ADAFACTOR (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->clipping_threshold, clipping_threshold, props[PROP_CLIPPING_THRESHOLD]);
}

/**
 * reformer_adafactor_get_weight_decay:
 * @self: the optimizer
 *
 * Gets the part of a value that a step of length 1 takes away.
 *
 * Returns: the part of a value that a step of length 1 takes away
 */
double
reformer_adafactor_get_weight_decay (ReformerAdafactor *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAFACTOR (self), 0.0);

  return self->weight_decay;
}

/**
 * reformer_adafactor_set_weight_decay:
 * @self: the optimizer
 * @weight_decay: at least 0
 *
 * Sets the part of a value that a step of length 1 takes away.
 */
void
reformer_adafactor_set_weight_decay (ReformerAdafactor *self,
                                     double             weight_decay)
{
  g_return_if_fail (REFORMER_IS_ADAFACTOR (self));

  reformer_optimizer_set_double (REFORMER_OPTIMIZER (self), &self->weight_decay, weight_decay, props[PROP_WEIGHT_DECAY]);
}

/**
 * reformer_adafactor_get_scale_parameter:
 * @self: the optimizer
 *
 * Gets whether steps are relative to the root mean square of the value.
 *
 * Returns: whether steps are relative to the root mean square of the value
 */
gboolean
reformer_adafactor_get_scale_parameter (ReformerAdafactor *self)
{
  g_return_val_if_fail (REFORMER_IS_ADAFACTOR (self), FALSE);

  return self->scale_parameter;
}

/**
 * reformer_adafactor_set_scale_parameter:
 * @self: the optimizer
 * @scale_parameter: whether they are
 *
 * Sets whether steps are relative to the root mean square of the value.
 */
void
reformer_adafactor_set_scale_parameter (ReformerAdafactor *self,
                                        gboolean           scale_parameter)
{
  g_return_if_fail (REFORMER_IS_ADAFACTOR (self));

  scale_parameter = !!scale_parameter;
  if (self->scale_parameter == scale_parameter)
    return;
  self->scale_parameter = scale_parameter;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SCALE_PARAMETER]);
}
