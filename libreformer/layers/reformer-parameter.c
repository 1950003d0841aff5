/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/parameter-private.h"

#include "compute/device-private.h"

/**
 * ReformerParameter:
 *
 * A tensor that a layer learns: its value, and the gradient that the last backward pass left.
 *
 * Names are those of transformers, such as `reformer.encoder.layers.0.attention.layer_norm.weight`. A parameter that is not trainable is left alone by
 * training and has no gradient.
 *
 * ```python
 * for parameter in model.get_parameters():
 *     print(parameter.props.name, parameter.get_shape())
 * ```
 */

struct _ReformerParameter
{
  GObject         parent_instance;

  ReformerDevice *device;
  char           *name;
  gint64         *shape;
  gsize           n_dims;
  gsize           n_elements;
  ReformerTensor *value;
  ReformerTensor *gradient;
  gboolean        trainable;
  ReformerStart   start;
  gboolean        filled;
};

enum
{
  PROP_0,
  PROP_DEVICE,
  PROP_NAME,
  PROP_VALUE,
  PROP_GRADIENT,
  PROP_TRAINABLE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerParameter, reformer_parameter, G_TYPE_OBJECT)

static void
reformer_parameter_finalize (GObject *object)
{
  ReformerParameter *self = REFORMER_PARAMETER (object);

  g_clear_object (&self->device);
  g_clear_object (&self->value);
  g_clear_object (&self->gradient);
  g_free (self->name);
  g_free (self->shape);
  G_OBJECT_CLASS (reformer_parameter_parent_class)->finalize (object);
}

static void
reformer_parameter_constructed (GObject *object)
{
  ReformerParameter *self = REFORMER_PARAMETER (object);

  G_OBJECT_CLASS (reformer_parameter_parent_class)->constructed (object);
  if (self->device == NULL)
    self->device = g_object_ref (reformer_device_none ());
  if (self->name == NULL)
    self->name = g_strdup ("");
}

static void
reformer_parameter_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  ReformerParameter *self = REFORMER_PARAMETER (object);

  switch (id)
    {
    case PROP_DEVICE:
      g_value_set_object (value, self->device);
      break;
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_VALUE:
      g_value_set_object (value, self->value);
      break;
    case PROP_GRADIENT:
      g_value_set_object (value, reformer_parameter_get_gradient (self));
      break;
    case PROP_TRAINABLE:
      g_value_set_boolean (value, self->trainable);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_parameter_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  ReformerParameter *self = REFORMER_PARAMETER (object);

  switch (id)
    {
    case PROP_DEVICE:
      self->device = g_value_dup_object (value);
      break;
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      break;
    case PROP_TRAINABLE:
      reformer_parameter_set_trainable (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_parameter_class_init (ReformerParameterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = reformer_parameter_constructed;
  object_class->finalize = reformer_parameter_finalize;
  object_class->get_property = reformer_parameter_get_property;
  object_class->set_property = reformer_parameter_set_property;

  /**
   * ReformerParameter:device:
   *
   * The device that holds the value.
   */
  props[PROP_DEVICE] = g_param_spec_object ("device", NULL, NULL, REFORMER_TYPE_DEVICE,
                                            G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerParameter:name:
   *
   * Name in a checkpoint.
   */
  props[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL,
                                          G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerParameter:value:
   *
   * The value; %NULL until the parameter is first filled.
   */
  props[PROP_VALUE] = g_param_spec_object ("value", NULL, NULL, REFORMER_TYPE_TENSOR, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerParameter:gradient:
   *
   * The gradient; %NULL until one is first computed, and where the parameter is not trainable.
   */
  props[PROP_GRADIENT] = g_param_spec_object ("gradient", NULL, NULL, REFORMER_TYPE_TENSOR, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerParameter:trainable:
   *
   * Whether training changes it.
   */
  props[PROP_TRAINABLE] = g_param_spec_boolean ("trainable", NULL, NULL, TRUE,
                                                G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_parameter_init (ReformerParameter *self)
{
  self->trainable = TRUE;
}

/**
 * reformer_parameter_new:
 * @device: (nullable): the device that will hold it; %NULL for that of the first pass that needs it
 * @name: name in a checkpoint
 * @shape: (array length=n_dims): the shape
 * @n_dims: number of dimensions
 *
 * A new parameter. It takes no memory before it is first filled; see [method@Parameter.fill] and [method@Parameter.fill_normal].
 *
 * Returns: (transfer full): the parameter
 */
ReformerParameter *
reformer_parameter_new (ReformerDevice *device,
                        const char     *name,
                        const gint64   *shape,
                        gsize           n_dims)
{
  ReformerParameter *self;

  g_return_val_if_fail (device == NULL || REFORMER_IS_DEVICE (device), NULL);
  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (shape != NULL || n_dims == 0, NULL);

  self = g_object_new (REFORMER_TYPE_PARAMETER, "device", device, "name", name, NULL);
  reformer_parameter_set_shape (self, shape, n_dims);
  return self;
}

void
reformer_parameter_set_shape (ReformerParameter *self,
                              const gint64      *shape,
                              gsize              n_dims)
{
  g_free (self->shape);
  self->shape = g_memdup2 (shape, n_dims * sizeof *shape);
  self->n_dims = n_dims;
  self->n_elements = 1;
  for (gsize i = 0; i < n_dims; i++)
    self->n_elements *= (gsize) MAX (shape[i], 0);
}

/**
 * reformer_parameter_get_name:
 * @self: a parameter
 *
 * Gets the name in a checkpoint.
 *
 * Returns: (transfer none): the name in a checkpoint
 */
const char *
reformer_parameter_get_name (ReformerParameter *self)
{
  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), NULL);

  return self->name;
}

void
reformer_parameter_set_name (ReformerParameter *self,
                             const char        *name)
{
  g_autofree char *old = self->name;

  self->name = g_strdup (name);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_NAME]);
}

/**
 * reformer_parameter_get_shape:
 * @self: a parameter
 * @n_dims: (out): number of dimensions
 *
 * Gets the shape.
 *
 * Returns: (array length=n_dims) (transfer full): the shape
 */
gint64 *
reformer_parameter_get_shape (ReformerParameter *self,
                              gsize             *n_dims)
{
  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), NULL);
  g_return_val_if_fail (n_dims != NULL, NULL);

  *n_dims = self->n_dims;
  return g_memdup2 (self->shape, self->n_dims * sizeof *self->shape);
}

ReformerDevice *
reformer_parameter_peek_device (ReformerParameter *self)
{
  return self->device;
}

gsize
reformer_parameter_get_n_elements (ReformerParameter *self)
{
  return self->n_elements;
}

/**
 * reformer_parameter_get_value:
 * @self: a parameter
 *
 * Gets the value.
 *
 * Returns: (transfer none) (nullable): the value, %NULL before the parameter is filled
 */
ReformerTensor *
reformer_parameter_get_value (ReformerParameter *self)
{
  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), NULL);

  return self->value;
}

/**
 * reformer_parameter_get_gradient:
 * @self: a parameter
 *
 * Gets the gradient.
 *
 * Returns: (transfer none) (nullable): the gradient, %NULL before one is computed or where the parameter is not trainable
 */
ReformerTensor *
reformer_parameter_get_gradient (ReformerParameter *self)
{
  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), NULL);

  return self->trainable ? self->gradient : NULL;
}

/**
 * reformer_parameter_get_trainable:
 * @self: a parameter
 *
 * Gets whether training changes it.
 *
 * Returns: whether training changes it
 */
gboolean
reformer_parameter_get_trainable (ReformerParameter *self)
{
  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), FALSE);

  return self->trainable;
}

/**
 * reformer_parameter_set_trainable:
 * @self: a parameter
 * @trainable: whether training may change it
 *
 * Freezes a parameter, or lets it learn again. A frozen one has no gradient.
 */
void
reformer_parameter_set_trainable (ReformerParameter *self,
                                  gboolean           trainable)
{
  g_return_if_fail (REFORMER_IS_PARAMETER (self));

  trainable = !!trainable;
  if (self->trainable == trainable)
    return;
  self->trainable = trainable;
  if (!trainable)
    g_clear_object (&self->gradient);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TRAINABLE]);
}

/* ---- Values ---- */

static ReformerTensor *
new_tensor (ReformerParameter *self,
            ReformerRun       *run,
            const char        *part)
{
  g_autoptr (ReformerTensor) flat = NULL;
  const gboolean ok = reformer_run_ok (run);
  const char *before = reformer_run_part (run, part);
  ReformerTensor *tensor = NULL;

  flat = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) self->n_elements);
  reformer_run_part (run, before);
  if (flat == NULL && ok)
    g_prefix_error (&run->error, "%s: ", self->name);
  if (flat != NULL)
    {
      GError *error = NULL;

      tensor = reformer_tensor_reshape (flat, self->shape, self->n_dims, &error);
      if (tensor == NULL)
        reformer_run_take (run, error);
    }
  return tensor;
}

static void
ensure_value (ReformerParameter *self,
              ReformerRun       *run)
{
  if (self->value == NULL)
    {
      self->value = new_tensor (self, run, "weights");
      if (self->value != NULL)
        g_object_notify_by_pspec (G_OBJECT (self), props[PROP_VALUE]);
    }
}

ReformerTensor *
reformer_parameter_new_value (ReformerParameter *self,
                              ReformerRun       *run)
{
  return new_tensor (self, run, "weights");
}

void
reformer_parameter_take_value (ReformerParameter *self,
                               ReformerTensor    *value)
{
  g_set_object (&self->value, value);
  self->filled = TRUE;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_VALUE]);
}

ReformerSpan
reformer_parameter_value (ReformerParameter *self,
                          ReformerRun       *run,
                          gsize              element)
{
  ensure_value (self, run);
  return reformer_at (self->value, element);
}

ReformerSpan
reformer_parameter_gradient (ReformerParameter *self,
                             ReformerRun       *run,
                             gsize              element)
{
  if (!self->trainable)
    return REFORMER_NOTHING;
  if (self->gradient == NULL)
    {
      self->gradient = new_tensor (self, run, "gradients");
      if (self->gradient == NULL)
        return REFORMER_NOTHING;
      reformer_run_fill (run, reformer_span (self->gradient), 0, self->n_elements);
      g_object_notify_by_pspec (G_OBJECT (self), props[PROP_GRADIENT]);
    }
  return reformer_at (self->gradient, element);
}

void
reformer_parameter_clear_gradient (ReformerParameter *self,
                                   ReformerRun       *run)
{
  ReformerSpan gradient = reformer_parameter_gradient (self, run, 0);

  if (gradient.tensor != NULL)
    reformer_run_fill (run, gradient, 0, self->n_elements);
}

void
reformer_parameter_set_start (ReformerParameter   *self,
                              const ReformerStart *start)
{
  self->start = *start;
}

void
reformer_parameter_set_deviation (ReformerParameter *self,
                                  double             deviation)
{
  if (self != NULL)
    self->start.deviation = deviation;
}

/* The stream of a parameter's random numbers: FNV-1a of its name, so that adding a layer changes no other's start. */
static guint32
name_stream (const char *name)
{
  guint32 hash = 2166136261u;

  for (; *name != '\0'; name++)
    hash = (hash ^ (guint8) *name) * 16777619u;
  return hash;
}

static void
draw_normal (ReformerParameter *self,
             double             deviation,
             guint64            seed,
             float             *values)
{
  if (self->start.by_round)
    {
      /* [heads, head size, rounds, columns]: each round has a stream of its own, so that more rounds extend fewer */
      const gsize rounds = (gsize) self->shape[2], columns = (gsize) self->shape[3], vectors = (gsize) self->shape[0] * (gsize) self->shape[1];
      g_autofree float *of_round = g_new (float, vectors * columns);

      for (gsize c = 0; c < rounds; c++)
        {
          reformer_random_normal (seed, name_stream (self->name), (guint32) c, of_round, vectors * columns);
          for (gsize i = 0; i < vectors; i++)
            memcpy (values + (i * rounds + c) * columns, of_round + i * columns, columns * sizeof *values);
        }
    }
  else
    reformer_random_normal (seed, name_stream (self->name), 0, values, self->n_elements);
  for (gsize i = 0; i < self->n_elements; i++)
    values[i] *= (float) deviation;
}

static void
write_normal (ReformerParameter *self,
              ReformerRun       *run,
              double             deviation,
              guint64            seed)
{
  g_autofree float *values = NULL;

  if (reformer_device_is_planner (self->device))
    return;
  values = g_try_new (float, self->n_elements);
  if (values == NULL)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                         "%s: no host memory for its %" G_GSIZE_FORMAT " elements", self->name, self->n_elements);
      return;
    }
  draw_normal (self, deviation, seed, values);
  reformer_run_write (run, reformer_span (self->value), values, self->n_elements);
}

static void
write_value (ReformerParameter *self,
             ReformerRun       *run,
             double             value)
{
  union { float f; guint32 u; } pattern = { .f = (float) value };

  reformer_run_fill (run, reformer_span (self->value), pattern.u, self->n_elements);
}

void
reformer_parameter_reset (ReformerParameter *self,
                          ReformerRun       *run,
                          guint64            seed)
{
  if (self->filled)
    return;
  ensure_value (self, run);
  if (self->value == NULL)
    return;
  if (self->start.deviation > 0)
    write_normal (self, run, self->start.deviation, seed);
  else
    write_value (self, run, self->start.value);
  self->filled = reformer_run_ok (run);
}

void
reformer_parameter_draw (ReformerParameter *self,
                         guint64            seed,
                         float             *values)
{
  draw_normal (self, self->start.deviation, seed, values);
}

void
reformer_parameter_redraw (ReformerParameter *self,
                           ReformerRun       *run,
                           guint64            seed)
{
  ensure_value (self, run);
  if (self->value != NULL)
    write_normal (self, run, self->start.deviation, seed);
  self->filled |= reformer_run_ok (run);
}

gboolean
reformer_parameter_has_rounds (ReformerParameter *self)
{
  return self->start.by_round;
}

/**
 * reformer_parameter_fill:
 * @self: a parameter
 * @value: the number
 * @error: return location for an error
 *
 * Sets every element to @value.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@DeviceError]
 */
gboolean
reformer_parameter_fill (ReformerParameter  *self,
                         double              value,
                         GError            **error)
{
  ReformerRun run;

  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), FALSE);

  run = (ReformerRun) REFORMER_RUN_INIT (self->device, NULL);
  ensure_value (self, &run);
  if (self->value != NULL)
    write_value (self, &run, value);
  self->filled |= reformer_run_ok (&run);
  return reformer_run_finish (&run, error);
}

/**
 * reformer_parameter_fill_normal:
 * @self: a parameter
 * @deviation: standard deviation
 * @seed: key of the numbers; the parameter's name takes part, so that parameters differ
 * @error: return location for an error
 *
 * Sets every element to a normal random number with mean 0.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@DeviceError]
 */
gboolean
reformer_parameter_fill_normal (ReformerParameter  *self,
                                double              deviation,
                                guint64             seed,
                                GError            **error)
{
  ReformerRun run;

  g_return_val_if_fail (REFORMER_IS_PARAMETER (self), FALSE);

  run = (ReformerRun) REFORMER_RUN_INIT (self->device, NULL);
  ensure_value (self, &run);
  if (self->value != NULL)
    write_normal (self, &run, deviation, seed);
  self->filled |= reformer_run_ok (&run);
  return reformer_run_finish (&run, error);
}
