/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/axial-position-private.h"

#include "compute/home.h"
#include "layers/input.h"
#include "ops/axial.h"

/**
 * ReformerAxialPosition:
 *
 * Adds to every token a vector for its position, made of one short table for each axis of a grid.
 *
 * Position q has the coordinates of q in a grid of [property@AxialPosition:shape], the last axis running fastest; its vector is the tables' rows set side by
 * side. Input and output are float32 `[B, T, H]`, H the sum of [property@AxialPosition:dims]; token t has position [property@Tape:start] + t, and any length up
 * to the product of the shape is possible, in training too. Parameters: `weights.0`, `weights.1`, ...: all dimensions 1, except the axis' own, which is that of
 * the shape, and the last, which is that of the dims; they start normal with [property@AxialPosition:deviation]. Dropout in training drops, in a sequence,
 * all positions with the same coordinate on the second axis together. Forward pushes nothing: backward asks the tape for the same start.
 */

/* Place of the dropout in the layer. */
#define DROPOUT_PLACE 1

/* A parameter has one dimension more, and tensors have at most 8. */
#define MAX_AXES MIN (REFORMER_MAX_AXES, 7)

struct _ReformerAxialPosition
{
  ReformerLayer      parent_instance;

  GVariant          *shape;
  GVariant          *dims;
  int                n_axes;      /* 0 where shape and dims make no grid */
  guint64            max_length;
  int                hidden_size;
  double             deviation;
  double             dropout;
  int                sizes[REFORMER_MAX_AXES];
  int                widths[REFORMER_MAX_AXES];
  ReformerParameter *weights[REFORMER_MAX_AXES]; /* borrowed from the layer */
};

enum
{
  PROP_0,
  PROP_SHAPE,
  PROP_DIMS,
  PROP_DEVIATION,
  PROP_DROPOUT,
  PROP_MAX_LENGTH,
  PROP_HIDDEN_SIZE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerAxialPosition, reformer_axial_position, REFORMER_TYPE_LAYER)

static char *
list_to_string (GVariant *list)
{
  gsize n;
  const int *values = g_variant_get_fixed_array (list, &n, sizeof *values);
  GString *text = g_string_new ("[");

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%s%d", i > 0 ? ", " : "", values[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

/* A constructor cannot fail, so what makes no grid is reported by the first use. */
static gboolean
check_grid (ReformerAxialPosition *self,
            ReformerTape          *tape)
{
  if (self->n_axes == 0)
    {
      g_autofree char *shape = list_to_string (self->shape), *dims = list_to_string (self->dims);

      reformer_run_fail (reformer_tape_get_run (tape), REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG,
                         "axial positions of shape %s and dims %s; wanted two lists of 1 to %d positive numbers, as many in both, the sum of dims at most %d",
                         shape, dims, MAX_AXES, G_MAXINT32);
    }
  return reformer_run_ok (reformer_tape_get_run (tape));
}

static gboolean
check_length (ReformerAxialPosition *self,
              const ReformerRows    *rows,
              ReformerTape          *tape)
{
  const guint64 start = reformer_tape_get_start (tape);

  if (!check_grid (self, tape))
    return FALSE;
  if (start > self->max_length || rows->T > self->max_length - start)
    {
      g_autofree char *shape = list_to_string (self->shape);

      reformer_run_fail (reformer_tape_get_run (tape), REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE,
                         "%" G_GSIZE_FORMAT " tokens from position %" G_GUINT64_FORMAT " on; the axial shape %s has %" G_GUINT64_FORMAT " positions",
                         rows->T, start, shape, self->max_length);
    }
  return reformer_run_ok (reformer_tape_get_run (tape));
}

static ReformerTensor *
forward (ReformerLayer   *layer,
         ReformerTensor  *input,
         ReformerTape    *tape,
         GError         **error)
{
  ReformerAxialPosition *self = REFORMER_AXIAL_POSITION (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) y = NULL;
  ReformerRows rows;

  if (check_grid (self, tape) && reformer_input_tokens (layer, run, "input", input, self->hidden_size, &rows))
    {
      y = reformer_input_copy (run, input);
      reformer_axial_position_add (self, reformer_span (y), &rows, tape);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&y) : NULL;
}

static ReformerTensor *
backward (ReformerLayer   *layer,
          ReformerTensor  *gradient,
          ReformerTape    *tape,
          GError         **error)
{
  ReformerAxialPosition *self = REFORMER_AXIAL_POSITION (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) dx = NULL;
  ReformerRows rows;

  if (check_grid (self, tape) && reformer_input_tokens (layer, run, "gradient", gradient, self->hidden_size, &rows))
    {
      reformer_axial_position_backward (self, reformer_span (gradient), REFORMER_NOTHING, &rows, tape);
      dx = reformer_input_copy (run, gradient);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&dx) : NULL;
}

static void
make_table (ReformerAxialPosition *self,
            int                    axis)
{
  const ReformerStart start = { .deviation = self->deviation };
  g_autofree char *name = g_strdup_printf ("weights.%d", axis);
  g_autoptr (ReformerParameter) table = NULL;
  gint64 shape[REFORMER_MAX_AXES + 1];

  for (int i = 0; i < self->n_axes; i++)
    shape[i] = i == axis ? self->sizes[i] : 1;
  shape[self->n_axes] = self->widths[axis];
  table = reformer_parameter_new (reformer_layer_get_device (REFORMER_LAYER (self)), name, shape, (gsize) self->n_axes + 1);
  reformer_parameter_set_start (table, &start);
  reformer_layer_add_parameter (REFORMER_LAYER (self), table);
  self->weights[axis] = table;
}

/* Leaves n_axes 0 where the lists make no grid. */
static void
read_lists (ReformerAxialPosition *self)
{
  gsize n_axes, n_dims;
  const int *sizes = g_variant_get_fixed_array (self->shape, &n_axes, sizeof *sizes);
  const int *widths = g_variant_get_fixed_array (self->dims, &n_dims, sizeof *widths);
  guint64 max_length = 1;
  gint64 hidden_size = 0;

  if (n_axes != n_dims || n_axes > MAX_AXES)
    return;
  for (gsize i = 0; i < n_axes; i++)
    {
      if (sizes[i] < 1 || widths[i] < 1)
        return;
      self->sizes[i] = sizes[i];
      self->widths[i] = widths[i];
      hidden_size += widths[i];
      if (!g_uint64_checked_mul (&max_length, max_length, (guint64) sizes[i]))
        max_length = G_MAXUINT64 / G_MAXINT32;
    }
  if (hidden_size > G_MAXINT32)
    return;
  self->n_axes = (int) n_axes;
  self->max_length = MIN (max_length, G_MAXINT32);
  self->hidden_size = (int) hidden_size;
}

static void
reformer_axial_position_constructed (GObject *object)
{
  ReformerAxialPosition *self = REFORMER_AXIAL_POSITION (object);

  G_OBJECT_CLASS (reformer_axial_position_parent_class)->constructed (object);
  read_lists (self);
  for (int i = 0; i < self->n_axes; i++)
    make_table (self, i);
}

static void
reformer_axial_position_finalize (GObject *object)
{
  ReformerAxialPosition *self = REFORMER_AXIAL_POSITION (object);

  g_variant_unref (self->shape);
  g_variant_unref (self->dims);
  G_OBJECT_CLASS (reformer_axial_position_parent_class)->finalize (object);
}

static void
reformer_axial_position_get_property (GObject    *object,
                                      guint       id,
                                      GValue     *value,
                                      GParamSpec *pspec)
{
  ReformerAxialPosition *self = REFORMER_AXIAL_POSITION (object);

  switch (id)
    {
    case PROP_SHAPE:
      g_value_set_variant (value, self->shape);
      break;
    case PROP_DIMS:
      g_value_set_variant (value, self->dims);
      break;
    case PROP_DEVIATION:
      g_value_set_double (value, self->deviation);
      break;
    case PROP_DROPOUT:
      g_value_set_double (value, self->dropout);
      break;
    case PROP_MAX_LENGTH:
      g_value_set_uint64 (value, self->max_length);
      break;
    case PROP_HIDDEN_SIZE:
      g_value_set_int (value, self->hidden_size);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
set_list (GVariant     **list,
          const GValue  *value)
{
  GVariant *variant = g_value_get_variant (value);

  if (variant == NULL)
    return;
  g_variant_unref (*list);
  *list = g_variant_ref_sink (variant);
}

static void
reformer_axial_position_set_property (GObject      *object,
                                      guint         id,
                                      const GValue *value,
                                      GParamSpec   *pspec)
{
  ReformerAxialPosition *self = REFORMER_AXIAL_POSITION (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_SHAPE:
      set_list (&self->shape, value);
      break;
    case PROP_DIMS:
      set_list (&self->dims, value);
      break;
    case PROP_DEVIATION:
      self->deviation = g_value_get_double (value);
      for (int i = 0; i < self->n_axes; i++)
        reformer_parameter_set_deviation (self->weights[i], self->deviation);
      break;
    case PROP_DROPOUT:
      self->dropout = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_axial_position_class_init (ReformerAxialPositionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerLayerClass *layer_class = REFORMER_LAYER_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_axial_position_constructed;
  object_class->finalize = reformer_axial_position_finalize;
  object_class->get_property = reformer_axial_position_get_property;
  object_class->set_property = reformer_axial_position_set_property;
  layer_class->forward = forward;
  layer_class->backward = backward;

  /**
   * ReformerAxialPosition:shape:
   *
   * Sizes of the grid's axes, a list of integers (`axial_pos_shape`); their product is the number of positions.
   */
  props[PROP_SHAPE] = g_param_spec_variant ("shape", NULL, NULL, G_VARIANT_TYPE ("ai"), NULL, once);
  /**
   * ReformerAxialPosition:dims:
   *
   * Lengths of the axes' vectors, a list of integers (`axial_pos_embds_dim`); their sum is the hidden size.
   */
  props[PROP_DIMS] = g_param_spec_variant ("dims", NULL, NULL, G_VARIANT_TYPE ("ai"), NULL, once);
  /**
   * ReformerAxialPosition:deviation:
   *
   * Standard deviation with which the tables start (`axial_norm_std`).
   */
  props[PROP_DEVIATION] = g_param_spec_double ("deviation", NULL, NULL, 0, G_MAXDOUBLE, 1, flags);
  /**
   * ReformerAxialPosition:dropout:
   *
   * Share of the coordinates whose vectors are zero in training (`hidden_dropout_prob`).
   */
  props[PROP_DROPOUT] = g_param_spec_double ("dropout", NULL, NULL, 0, REFORMER_MAX_DROPOUT, 0, flags);
  /**
   * ReformerAxialPosition:max-length:
   *
   * Number of positions: the product of the shape, at most 2,147,483,647.
   */
  props[PROP_MAX_LENGTH] = g_param_spec_uint64 ("max-length", NULL, NULL, 0, G_MAXUINT64, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerAxialPosition:hidden-size:
   *
   * Length of a vector: the sum of the dims.
   */
  props[PROP_HIDDEN_SIZE] = g_param_spec_int ("hidden-size", NULL, NULL, 0, G_MAXINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static GVariant *
new_list (const int *values,
          gsize      n)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, values, n, sizeof *values);
}

static void
reformer_axial_position_init (ReformerAxialPosition *self)
{
  self->shape = g_variant_ref_sink (new_list (NULL, 0));
  self->dims = g_variant_ref_sink (new_list (NULL, 0));
}

/**
 * reformer_axial_position_new:
 * @device: the device that holds the tables
 * @shape: (array length=n_axes): sizes of the grid's axes
 * @n_axes: number of axes
 * @dims: (array length=n_dims): lengths of the axes' vectors
 * @n_dims: as many
 *
 * Lists that make no grid are an error at the first forward.
 *
 * Returns: (transfer full): new axial positions
 */
ReformerAxialPosition *
reformer_axial_position_new (ReformerDevice *device,
                             const int      *shape,
                             gsize           n_axes,
                             const int      *dims,
                             gsize           n_dims)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);
  g_return_val_if_fail (shape != NULL || n_axes == 0, NULL);
  g_return_val_if_fail (dims != NULL || n_dims == 0, NULL);

  return g_object_new (REFORMER_TYPE_AXIAL_POSITION, "device", device, "shape", new_list (shape, n_axes), "dims", new_list (dims, n_dims), NULL);
}

static int *
copy_list (GVariant *list,
           gsize    *n)
{
  const int *values = g_variant_get_fixed_array (list, n, sizeof *values);

  return g_memdup2 (values, *n * sizeof *values);
}

/**
 * reformer_axial_position_get_shape:
 * @self: axial positions
 * @n_axes: (out): number of axes
 *
 * Gets the sizes of the grid's axes.
 *
 * Returns: (array length=n_axes) (transfer full) (nullable): the sizes of the grid's axes
 */
int *
reformer_axial_position_get_shape (ReformerAxialPosition *self,
                                   gsize                 *n_axes)
{
  g_return_val_if_fail (REFORMER_IS_AXIAL_POSITION (self), NULL);
  g_return_val_if_fail (n_axes != NULL, NULL);

  return copy_list (self->shape, n_axes);
}

/**
 * reformer_axial_position_get_dims:
 * @self: axial positions
 * @n_dims: (out): number of axes
 *
 * Gets the lengths of the axes' vectors.
 *
 * Returns: (array length=n_dims) (transfer full) (nullable): the lengths of the axes' vectors
 */
int *
reformer_axial_position_get_dims (ReformerAxialPosition *self,
                                  gsize                 *n_dims)
{
  g_return_val_if_fail (REFORMER_IS_AXIAL_POSITION (self), NULL);
  g_return_val_if_fail (n_dims != NULL, NULL);

  return copy_list (self->dims, n_dims);
}

/**
 * reformer_axial_position_get_max_length:
 * @self: axial positions
 *
 * Gets number of positions: the product of the shape.
 *
 * Returns: number of positions: the product of the shape
 */
guint64
reformer_axial_position_get_max_length (ReformerAxialPosition *self)
{
  g_return_val_if_fail (REFORMER_IS_AXIAL_POSITION (self), 0);

  return self->max_length;
}

/**
 * reformer_axial_position_get_hidden_size:
 * @self: axial positions
 *
 * Gets length of a vector: the sum of the dims.
 *
 * Returns: length of a vector: the sum of the dims
 */
int
reformer_axial_position_get_hidden_size (ReformerAxialPosition *self)
{
  g_return_val_if_fail (REFORMER_IS_AXIAL_POSITION (self), 0);

  return self->hidden_size;
}

/**
 * reformer_axial_position_get_deviation:
 * @self: axial positions
 *
 * Gets standard deviation with which the tables start.
 *
 * Returns: standard deviation with which the tables start
 */
double
reformer_axial_position_get_deviation (ReformerAxialPosition *self)
{
  g_return_val_if_fail (REFORMER_IS_AXIAL_POSITION (self), 0);

  return self->deviation;
}

/**
 * reformer_axial_position_get_dropout:
 * @self: axial positions
 *
 * Gets share of the coordinates whose vectors are zero in training.
 *
 * Returns: share of the coordinates whose vectors are zero in training
 */
double
reformer_axial_position_get_dropout (ReformerAxialPosition *self)
{
  g_return_val_if_fail (REFORMER_IS_AXIAL_POSITION (self), 0);

  return self->dropout;
}

/* ---- In place ---- */

static ReformerAxial
axial_of (ReformerAxialPosition *self,
          ReformerRun           *run)
{
  ReformerAxial axial = { .n_axes = self->n_axes };

  for (int i = 0; i < self->n_axes; i++)
    {
      axial.shape[i] = self->sizes[i];
      axial.dims[i] = self->widths[i];
      axial.weights[i] = reformer_parameter_value (self->weights[i], run, 0);
    }
  return axial;
}

static ReformerDropout
dropout_of (ReformerAxialPosition *self,
            ReformerTape          *tape)
{
  return reformer_tape_dropout (tape, self->dropout, reformer_layer_get_number (REFORMER_LAYER (self)), DROPOUT_PLACE);
}

void
reformer_axial_position_add (ReformerAxialPosition *self,
                             ReformerSpan           x,
                             const ReformerRows    *rows,
                             ReformerTape          *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerDropout dropout = dropout_of (self, tape);
  ReformerAxial axial;

  if (!check_length (self, rows, tape))
    return;
  axial = axial_of (self, run);
  reformer_axial_forward (run, &axial, REFORMER_NOTHING, (gsize) reformer_tape_get_start (tape), x, self->hidden_size, rows, &dropout);
}

void
reformer_axial_position_backward (ReformerAxialPosition *self,
                                  ReformerSpan           d1,
                                  ReformerSpan           d2,
                                  const ReformerRows    *rows,
                                  ReformerTape          *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerDropout dropout = dropout_of (self, tape);
  ReformerSpan gradients[REFORMER_MAX_AXES] = { 0 };
  gboolean wanted = FALSE;
  ReformerAxial axial;

  if (!check_length (self, rows, tape))
    return;
  axial = axial_of (self, run);
  for (int i = 0; i < self->n_axes; i++)
    {
      gradients[i] = reformer_parameter_gradient (self->weights[i], run, 0);
      wanted |= gradients[i].tensor != NULL;
    }
  if (wanted)
    reformer_axial_backward (run, &axial, REFORMER_NOTHING, (gsize) reformer_tape_get_start (tape), d1, d2, gradients, self->hidden_size, rows, &dropout);
}
