/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/linear-private.h"

#include "compute/home.h"
#include "layers/input.h"

/**
 * ReformerLinear:
 *
 * A linear map of every row: `y = x W^T + b`.
 *
 * The input is float32 `[..., in-features]` with any leading dimensions, the output `[..., out-features]`. Parameters: `weight` `[out-features, in-features]`,
 * which starts normal with [property@Linear:deviation], and, where [property@Linear:bias] is set, `bias` `[out-features]`, which starts 0.
 */

struct _ReformerLinear
{
  ReformerLayer      parent_instance;

  int                in_features;
  int                out_features;
  gboolean           has_bias;
  double             deviation;
  ReformerParameter *weight; /* borrowed from the layer */
  ReformerParameter *bias;   /* borrowed, may be NULL */
};

enum
{
  PROP_0,
  PROP_IN_FEATURES,
  PROP_OUT_FEATURES,
  PROP_BIAS,
  PROP_DEVIATION,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerLinear, reformer_linear, REFORMER_TYPE_LAYER)

static ReformerMatrix
matrix (ReformerLinear *self)
{
  return (ReformerMatrix) { self->weight, 0, self->in_features };
}

static ReformerTensor *
forward (ReformerLayer   *layer,
         ReformerTensor  *input,
         ReformerTape    *tape,
         GError         **error)
{
  ReformerLinear *self = REFORMER_LINEAR (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) y = NULL;
  gsize m;

  if (reformer_input_rows (layer, run, "input", input, self->in_features, &m))
    {
      y = reformer_input_new (run, input, self->out_features);
      reformer_linear_run_forward (self, reformer_span (input), self->in_features, reformer_span (y), self->out_features, m, REFORMER_STORE_SET, NULL, tape);
    }
  if (!reformer_tape_check (tape, error))
    return NULL;
  reformer_tape_push (tape, input);
  return g_steal_pointer (&y);
}

static ReformerTensor *
backward (ReformerLayer   *layer,
          ReformerTensor  *gradient,
          ReformerTape    *tape,
          GError         **error)
{
  ReformerLinear *self = REFORMER_LINEAR (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) x = reformer_input_pop (layer, tape);
  g_autoptr (ReformerTensor) dx = NULL;
  const ReformerSpan dy = reformer_span (gradient);
  gsize m, wanted;

  if (x != NULL && reformer_input_rows (layer, run, "saved input", x, self->in_features, &wanted) &&
      reformer_input_rows (layer, run, "gradient", gradient, self->out_features, &m) && reformer_input_agree (layer, run, m, wanted))
    {
      dx = reformer_input_new (run, x, self->in_features);
      reformer_linear_run_backward (self, dy, self->out_features, reformer_span (dx), self->in_features, m, REFORMER_STORE_SET, tape);
      reformer_linear_run_gradient (self, dy, self->out_features, reformer_span (x), self->in_features, m, tape);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&dx) : NULL;
}

static void
reformer_linear_constructed (GObject *object)
{
  ReformerLinear *self = REFORMER_LINEAR (object);
  ReformerLayer *layer = REFORMER_LAYER (object);

  G_OBJECT_CLASS (reformer_linear_parent_class)->constructed (object);
  self->weight = reformer_layer_make_parameter (layer, "weight", (ReformerStart) { .deviation = self->deviation }, 2,
                                                (gint64) self->out_features, (gint64) self->in_features);
  if (self->has_bias)
    self->bias = reformer_layer_make_parameter (layer, "bias", (ReformerStart) { 0 }, 1, (gint64) self->out_features);
}

static void
reformer_linear_get_property (GObject    *object,
                              guint       id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  ReformerLinear *self = REFORMER_LINEAR (object);

  switch (id)
    {
    case PROP_IN_FEATURES:
      g_value_set_int (value, self->in_features);
      break;
    case PROP_OUT_FEATURES:
      g_value_set_int (value, self->out_features);
      break;
    case PROP_BIAS:
      g_value_set_boolean (value, self->has_bias);
      break;
    case PROP_DEVIATION:
      g_value_set_double (value, self->deviation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_linear_set_property (GObject      *object,
                              guint         id,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  ReformerLinear *self = REFORMER_LINEAR (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_IN_FEATURES:
      self->in_features = g_value_get_int (value);
      break;
    case PROP_OUT_FEATURES:
      self->out_features = g_value_get_int (value);
      break;
    case PROP_BIAS:
      self->has_bias = g_value_get_boolean (value);
      break;
    case PROP_DEVIATION:
      self->deviation = g_value_get_double (value);
      reformer_parameter_set_deviation (self->weight, self->deviation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_linear_class_init (ReformerLinearClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerLayerClass *layer_class = REFORMER_LAYER_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_linear_constructed;
  object_class->get_property = reformer_linear_get_property;
  object_class->set_property = reformer_linear_set_property;
  layer_class->forward = forward;
  layer_class->backward = backward;

  /**
   * ReformerLinear:in-features:
   *
   * Length of a row of the input.
   */
  props[PROP_IN_FEATURES] = g_param_spec_int ("in-features", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerLinear:out-features:
   *
   * Length of a row of the output.
   */
  props[PROP_OUT_FEATURES] = g_param_spec_int ("out-features", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerLinear:bias:
   *
   * Whether a learned vector is added to every row of the output.
   */
  props[PROP_BIAS] = g_param_spec_boolean ("bias", NULL, NULL, TRUE, once);
  /**
   * ReformerLinear:deviation:
   *
   * Standard deviation with which the weight starts (`initializer_range`).
   */
  props[PROP_DEVIATION] = g_param_spec_double ("deviation", NULL, NULL, 0, G_MAXDOUBLE, 0.02, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_linear_init (ReformerLinear *self)
{
  self->in_features = self->out_features = 1;
}

/**
 * reformer_linear_new:
 * @device: the device that holds the parameters
 * @in_features: length of a row of the input
 * @out_features: length of a row of the output
 * @bias: whether a learned vector is added
 *
 * Makes a new linear layer.
 *
 * Returns: (transfer full): a new linear layer
 */
ReformerLinear *
reformer_linear_new (ReformerDevice *device,
                     int             in_features,
                     int             out_features,
                     gboolean        bias)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);

  return g_object_new (REFORMER_TYPE_LINEAR, "device", device, "in-features", in_features, "out-features", out_features, "bias", bias, NULL);
}

/**
 * reformer_linear_get_in_features:
 * @self: a linear layer
 *
 * Gets length of a row of the input.
 *
 * Returns: length of a row of the input
 */
int
reformer_linear_get_in_features (ReformerLinear *self)
{
  g_return_val_if_fail (REFORMER_IS_LINEAR (self), 0);

  return self->in_features;
}

/**
 * reformer_linear_get_out_features:
 * @self: a linear layer
 *
 * Gets length of a row of the output.
 *
 * Returns: length of a row of the output
 */
int
reformer_linear_get_out_features (ReformerLinear *self)
{
  g_return_val_if_fail (REFORMER_IS_LINEAR (self), 0);

  return self->out_features;
}

/**
 * reformer_linear_get_bias:
 * @self: a linear layer
 *
 * Gets whether a learned vector is added to every row of the output.
 *
 * Returns: whether a learned vector is added to every row of the output
 */
gboolean
reformer_linear_get_bias (ReformerLinear *self)
{
  g_return_val_if_fail (REFORMER_IS_LINEAR (self), FALSE);

  return self->has_bias;
}

/**
 * reformer_linear_get_deviation:
 * @self: a linear layer
 *
 * Gets standard deviation with which the weight starts.
 *
 * Returns: standard deviation with which the weight starts
 */
double
reformer_linear_get_deviation (ReformerLinear *self)
{
  g_return_val_if_fail (REFORMER_IS_LINEAR (self), 0);

  return self->deviation;
}

ReformerParameter *
reformer_linear_peek_weight (ReformerLinear *self)
{
  return self->weight;
}

ReformerParameter *
reformer_linear_peek_bias (ReformerLinear *self)
{
  return self->bias;
}

void
reformer_linear_run_forward (ReformerLinear *self,
                             ReformerSpan    x,
                             int             ldx,
                             ReformerSpan    y,
                             int             ldy,
                             gsize           m,
                             ReformerStore   store,
                             const ReformerEpilogue *epilogue,
                             ReformerTape   *tape)
{
  reformer_tape_forward (tape, matrix (self), self->bias, x, ldx, y, ldy, m, self->out_features, self->in_features, store, epilogue);
}

void
reformer_linear_run_backward (ReformerLinear *self,
                              ReformerSpan    dy,
                              int             lddy,
                              ReformerSpan    dx,
                              int             lddx,
                              gsize           m,
                              ReformerStore   store,
                              ReformerTape   *tape)
{
  reformer_tape_backward (tape, matrix (self), dy, lddy, dx, lddx, m, self->in_features, self->out_features, store, NULL);
}

void
reformer_linear_run_gradient (ReformerLinear *self,
                              ReformerSpan    dy,
                              int             lddy,
                              ReformerSpan    x,
                              int             ldx,
                              gsize           m,
                              ReformerTape   *tape)
{
  reformer_tape_gradient (tape, matrix (self), self->bias, dy, lddy, x, ldx, self->out_features, self->in_features, m);
}
