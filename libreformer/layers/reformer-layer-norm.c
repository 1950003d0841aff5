/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/layer-norm-private.h"

#include "compute/home.h"
#include "layers/input.h"

/**
 * ReformerLayerNorm:
 *
 * Layer norm of every row: `y = (x - mean) / sqrt (variance + eps) * weight + bias`, with the biased variance.
 *
 * Input and output are float32 `[..., size]` with any leading dimensions. Parameters: `weight` `[size]`, which starts 1, and `bias` `[size]`, which starts 0.
 */

struct _ReformerLayerNorm
{
  ReformerLayer      parent_instance;

  int                size;
  double             eps;
  ReformerParameter *weight; /* borrowed from the layer */
  ReformerParameter *bias;
};

enum
{
  PROP_0,
  PROP_SIZE,
  PROP_EPS,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerLayerNorm, reformer_layer_norm, REFORMER_TYPE_LAYER)

static ReformerTensor *
forward (ReformerLayer   *layer,
         ReformerTensor  *input,
         ReformerTape    *tape,
         GError         **error)
{
  ReformerLayerNorm *self = REFORMER_LAYER_NORM (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) y = NULL;
  gsize count;

  if (reformer_input_rows (layer, run, "input", input, self->size, &count))
    {
      y = reformer_run_new_like (run, input);
      reformer_layer_norm_run_forward (self, reformer_span (input), REFORMER_NOTHING, count, reformer_span (y), tape);
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
  ReformerLayerNorm *self = REFORMER_LAYER_NORM (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) x = reformer_input_pop (layer, tape);
  g_autoptr (ReformerTensor) dx = NULL;
  gsize count, wanted;

  if (x != NULL && reformer_input_rows (layer, run, "saved input", x, self->size, &wanted) &&
      reformer_input_rows (layer, run, "gradient", gradient, self->size, &count) && reformer_input_agree (layer, run, count, wanted))
    {
      dx = reformer_run_new_like (run, x);
      reformer_layer_norm_run_backward (self, reformer_span (x), REFORMER_NOTHING, count, reformer_span (gradient), reformer_span (dx), REFORMER_NOTHING,
                                        REFORMER_STORE_SET, tape);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&dx) : NULL;
}

static void
reformer_layer_norm_constructed (GObject *object)
{
  ReformerLayerNorm *self = REFORMER_LAYER_NORM (object);
  ReformerLayer *layer = REFORMER_LAYER (object);

  G_OBJECT_CLASS (reformer_layer_norm_parent_class)->constructed (object);
  self->weight = reformer_layer_make_parameter (layer, "weight", (ReformerStart) { .value = 1 }, 1, (gint64) self->size);
  self->bias = reformer_layer_make_parameter (layer, "bias", (ReformerStart) { 0 }, 1, (gint64) self->size);
}

static void
reformer_layer_norm_get_property (GObject    *object,
                                  guint       id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  ReformerLayerNorm *self = REFORMER_LAYER_NORM (object);

  switch (id)
    {
    case PROP_SIZE:
      g_value_set_int (value, self->size);
      break;
    case PROP_EPS:
      g_value_set_double (value, self->eps);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_layer_norm_set_property (GObject      *object,
                                  guint         id,
                                  const GValue *value,
                                  GParamSpec   *pspec)
{
  ReformerLayerNorm *self = REFORMER_LAYER_NORM (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_SIZE:
      self->size = g_value_get_int (value);
      break;
    case PROP_EPS:
      self->eps = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_layer_norm_class_init (ReformerLayerNormClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerLayerClass *layer_class = REFORMER_LAYER_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_layer_norm_constructed;
  object_class->get_property = reformer_layer_norm_get_property;
  object_class->set_property = reformer_layer_norm_set_property;
  layer_class->forward = forward;
  layer_class->backward = backward;

  /**
   * ReformerLayerNorm:size:
   *
   * Length of a row.
   */
  props[PROP_SIZE] = g_param_spec_int ("size", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerLayerNorm:eps:
   *
   * What is added to the variance (`layer_norm_eps`).
   */
  props[PROP_EPS] = g_param_spec_double ("eps", NULL, NULL, 0, G_MAXDOUBLE, 1e-12, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_layer_norm_init (ReformerLayerNorm *self)
{
  self->size = 1;
}

/**
 * reformer_layer_norm_new:
 * @device: the device that holds the parameters
 * @size: length of a row
 *
 * Makes a new layer norm.
 *
 * Returns: (transfer full): a new layer norm
 */
ReformerLayerNorm *
reformer_layer_norm_new (ReformerDevice *device,
                         int             size)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);

  return g_object_new (REFORMER_TYPE_LAYER_NORM, "device", device, "size", size, NULL);
}

/**
 * reformer_layer_norm_get_size:
 * @self: a layer norm
 *
 * Gets length of a row.
 *
 * Returns: length of a row
 */
int
reformer_layer_norm_get_size (ReformerLayerNorm *self)
{
  g_return_val_if_fail (REFORMER_IS_LAYER_NORM (self), 0);

  return self->size;
}

/**
 * reformer_layer_norm_get_eps:
 * @self: a layer norm
 *
 * Gets what is added to the variance.
 *
 * Returns: what is added to the variance
 */
double
reformer_layer_norm_get_eps (ReformerLayerNorm *self)
{
  g_return_val_if_fail (REFORMER_IS_LAYER_NORM (self), 0);

  return self->eps;
}

static ReformerNorm
norm_of (ReformerLayerNorm *self,
         ReformerSpan       x1,
         ReformerSpan       x2,
         ReformerRun       *run)
{
  const int width = x2.tensor != NULL ? self->size / 2 : self->size;

  return (ReformerNorm) {
    .x1 = x1, .x2 = x2, .ldx = width, .width = width, .weight = reformer_parameter_value (self->weight, run, 0),
    .bias = reformer_parameter_value (self->bias, run, 0), .eps = (float) self->eps,
  };
}

void
reformer_layer_norm_run_forward (ReformerLayerNorm *self,
                                 ReformerSpan       x1,
                                 ReformerSpan       x2,
                                 gsize              count,
                                 ReformerSpan       y,
                                 ReformerTape      *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerNorm norm = norm_of (self, x1, x2, run);

  reformer_norm_forward (run, &norm, count, y, self->size);
}

void
reformer_layer_norm_run_backward (ReformerLayerNorm *self,
                                  ReformerSpan       x1,
                                  ReformerSpan       x2,
                                  gsize              count,
                                  ReformerSpan       dy,
                                  ReformerSpan       dx1,
                                  ReformerSpan       dx2,
                                  ReformerStore      store,
                                  ReformerTape      *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerNorm norm = norm_of (self, x1, x2, run);

  reformer_norm_backward (run, &norm, count, dy, self->size, dx1, dx2, norm.ldx, store, reformer_parameter_gradient (self->weight, run, 0),
                          reformer_parameter_gradient (self->bias, run, 0));
}
