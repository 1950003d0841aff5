/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/position-table-private.h"

#include "compute/home.h"
#include "layers/input.h"
#include "ops/elementwise.h"

/**
 * ReformerPositionTable:
 *
 * Adds a learned vector for its position to every token.
 *
 * Input and output are float32 `[B, T, hidden-size]`; token t has position [property@Tape:start] + t. In training the vectors go through dropout, element by
 * element. Parameter: `embedding.weight` `[max-length, hidden-size]`, which starts normal with [property@PositionTable:deviation]. Forward pushes
 * nothing: backward asks the tape for the same start.
 */

/* Place of the dropout in the layer. */
#define DROPOUT_PLACE 1

struct _ReformerPositionTable
{
  ReformerLayer      parent_instance;

  int                max_length;
  int                hidden_size;
  double             deviation;
  double             dropout;
  ReformerParameter *weight; /* borrowed from the layer */
};

enum
{
  PROP_0,
  PROP_MAX_LENGTH,
  PROP_HIDDEN_SIZE,
  PROP_DEVIATION,
  PROP_DROPOUT,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerPositionTable, reformer_position_table, REFORMER_TYPE_LAYER)

static ReformerTensor *
forward (ReformerLayer   *layer,
         ReformerTensor  *input,
         ReformerTape    *tape,
         GError         **error)
{
  ReformerPositionTable *self = REFORMER_POSITION_TABLE (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) y = NULL;
  ReformerRows rows;

  if (reformer_input_tokens (layer, run, "input", input, self->hidden_size, &rows))
    {
      y = reformer_input_copy (run, input);
      reformer_position_table_add (self, reformer_span (y), &rows, tape);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&y) : NULL;
}

static ReformerTensor *
backward (ReformerLayer   *layer,
          ReformerTensor  *gradient,
          ReformerTape    *tape,
          GError         **error)
{
  ReformerPositionTable *self = REFORMER_POSITION_TABLE (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) dx = NULL;
  ReformerRows rows;

  if (reformer_input_tokens (layer, run, "gradient", gradient, self->hidden_size, &rows))
    {
      reformer_position_table_backward (self, reformer_span (gradient), REFORMER_NOTHING, &rows, tape);
      dx = reformer_input_copy (run, gradient);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&dx) : NULL;
}

static void
reformer_position_table_constructed (GObject *object)
{
  ReformerPositionTable *self = REFORMER_POSITION_TABLE (object);

  G_OBJECT_CLASS (reformer_position_table_parent_class)->constructed (object);
  self->weight = reformer_layer_make_parameter (REFORMER_LAYER (object), "embedding.weight", (ReformerStart) { .deviation = self->deviation }, 2,
                                                (gint64) self->max_length, (gint64) self->hidden_size);
}

static void
reformer_position_table_get_property (GObject    *object,
                                      guint       id,
                                      GValue     *value,
                                      GParamSpec *pspec)
{
  ReformerPositionTable *self = REFORMER_POSITION_TABLE (object);

  switch (id)
    {
    case PROP_MAX_LENGTH:
      g_value_set_int (value, self->max_length);
      break;
    case PROP_HIDDEN_SIZE:
      g_value_set_int (value, self->hidden_size);
      break;
    case PROP_DEVIATION:
      g_value_set_double (value, self->deviation);
      break;
    case PROP_DROPOUT:
      g_value_set_double (value, self->dropout);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_position_table_set_property (GObject      *object,
                                      guint         id,
                                      const GValue *value,
                                      GParamSpec   *pspec)
{
  ReformerPositionTable *self = REFORMER_POSITION_TABLE (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_MAX_LENGTH:
      self->max_length = g_value_get_int (value);
      break;
    case PROP_HIDDEN_SIZE:
      self->hidden_size = g_value_get_int (value);
      break;
    case PROP_DEVIATION:
      self->deviation = g_value_get_double (value);
      reformer_parameter_set_deviation (self->weight, self->deviation);
      break;
    case PROP_DROPOUT:
      self->dropout = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_position_table_class_init (ReformerPositionTableClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerLayerClass *layer_class = REFORMER_LAYER_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_position_table_constructed;
  object_class->get_property = reformer_position_table_get_property;
  object_class->set_property = reformer_position_table_set_property;
  layer_class->forward = forward;
  layer_class->backward = backward;

  /**
   * ReformerPositionTable:max-length:
   *
   * Number of positions (`max_position_embeddings`).
   */
  props[PROP_MAX_LENGTH] = g_param_spec_int ("max-length", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerPositionTable:hidden-size:
   *
   * Length of a vector.
   */
  props[PROP_HIDDEN_SIZE] = g_param_spec_int ("hidden-size", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerPositionTable:deviation:
   *
   * Standard deviation with which the table starts (`initializer_range`).
   */
  props[PROP_DEVIATION] = g_param_spec_double ("deviation", NULL, NULL, 0, G_MAXDOUBLE, 0.02, flags);
  /**
   * ReformerPositionTable:dropout:
   *
   * Share of the vectors' elements that are zero in training (`hidden_dropout_prob`).
   */
  props[PROP_DROPOUT] = g_param_spec_double ("dropout", NULL, NULL, 0, REFORMER_MAX_DROPOUT, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_position_table_init (ReformerPositionTable *self)
{
  self->max_length = self->hidden_size = 1;
}

/**
 * reformer_position_table_new:
 * @device: the device that holds the table
 * @max_length: number of positions
 * @hidden_size: length of a vector
 *
 * Makes a new table of positions.
 *
 * Returns: (transfer full): a new table of positions
 */
ReformerPositionTable *
reformer_position_table_new (ReformerDevice *device,
                             int             max_length,
                             int             hidden_size)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);

  return g_object_new (REFORMER_TYPE_POSITION_TABLE, "device", device, "max-length", max_length, "hidden-size", hidden_size, NULL);
}

/**
 * reformer_position_table_get_max_length:
 * @self: a table of positions
 *
 * Gets number of positions.
 *
 * Returns: number of positions
 */
int
reformer_position_table_get_max_length (ReformerPositionTable *self)
{
  g_return_val_if_fail (REFORMER_IS_POSITION_TABLE (self), 0);

  return self->max_length;
}

/**
 * reformer_position_table_get_hidden_size:
 * @self: a table of positions
 *
 * Gets length of a vector.
 *
 * Returns: length of a vector
 */
int
reformer_position_table_get_hidden_size (ReformerPositionTable *self)
{
  g_return_val_if_fail (REFORMER_IS_POSITION_TABLE (self), 0);

  return self->hidden_size;
}

/**
 * reformer_position_table_get_deviation:
 * @self: a table of positions
 *
 * Gets standard deviation with which the table starts.
 *
 * Returns: standard deviation with which the table starts
 */
double
reformer_position_table_get_deviation (ReformerPositionTable *self)
{
  g_return_val_if_fail (REFORMER_IS_POSITION_TABLE (self), 0);

  return self->deviation;
}

/**
 * reformer_position_table_get_dropout:
 * @self: a table of positions
 *
 * Gets share of the vectors' elements that are zero in training.
 *
 * Returns: share of the vectors' elements that are zero in training
 */
double
reformer_position_table_get_dropout (ReformerPositionTable *self)
{
  g_return_val_if_fail (REFORMER_IS_POSITION_TABLE (self), 0);

  return self->dropout;
}

/* ---- In place ---- */

static gboolean
check_length (ReformerPositionTable *self,
              const ReformerRows    *rows,
              ReformerTape          *tape)
{
  const guint64 start = reformer_tape_get_start (tape), length = (guint64) self->max_length;
  ReformerRun *run = reformer_tape_get_run (tape);

  if (start > length || rows->T > length - start)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE,
                       "%" G_GSIZE_FORMAT " tokens from position %" G_GUINT64_FORMAT " on; the table of positions has %d", rows->T, start, self->max_length);
  return reformer_run_ok (run);
}

/* The tokens from the piece's n-th to the end of its sequence or of the piece. The vectors of consecutive positions lie side by side in the table, so that for
 * tokens of one sequence table and tokens are two arrays of the same shape. */
static ReformerRows
rest_of_sequence (const ReformerRows *rows,
                  gsize               n,
                  ReformerDropout    *dropout)
{
  const gsize token = rows->first + n, t = token % rows->T;

  dropout->sequence += (guint32) (token / rows->T);
  return (ReformerRows) { t, MIN (rows->T - t, rows->count - n), rows->T };
}

static ReformerDropout
dropout_of (ReformerPositionTable *self,
            ReformerTape          *tape)
{
  return reformer_tape_dropout (tape, self->dropout, reformer_layer_get_number (REFORMER_LAYER (self)), DROPOUT_PLACE);
}

void
reformer_position_table_add (ReformerPositionTable *self,
                             ReformerSpan           x,
                             const ReformerRows    *rows,
                             ReformerTape          *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gsize width = (gsize) self->hidden_size, start = (gsize) reformer_tape_get_start (tape);
  ReformerSpan table;

  if (!check_length (self, rows, tape))
    return;
  table = reformer_parameter_value (self->weight, run, start * width);
  for (gsize n = 0; n < rows->count;)
    {
      ReformerDropout dropout = dropout_of (self, tape);
      const ReformerRows part = rest_of_sequence (rows, n, &dropout);

      reformer_dropout (run, reformer_span_add (table, part.first * width), reformer_span_add (x, n * width), self->hidden_size, &part, &dropout,
                        REFORMER_STORE_ADD);
      n += part.count;
    }
}

void
reformer_position_table_backward (ReformerPositionTable *self,
                                  ReformerSpan           d1,
                                  ReformerSpan           d2,
                                  const ReformerRows    *rows,
                                  ReformerTape          *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gsize width = (gsize) self->hidden_size, start = (gsize) reformer_tape_get_start (tape);
  ReformerSpan gradient;

  if (!check_length (self, rows, tape))
    return;
  gradient = reformer_parameter_gradient (self->weight, run, start * width);
  if (gradient.tensor == NULL)
    return;
  for (gsize n = 0; n < rows->count;)
    {
      ReformerDropout dropout = dropout_of (self, tape);
      const ReformerRows part = rest_of_sequence (rows, n, &dropout);
      const ReformerSpan place = reformer_span_add (gradient, part.first * width);

      reformer_dropout (run, reformer_span_add (d1, n * width), place, self->hidden_size, &part, &dropout, REFORMER_STORE_ADD);
      if (d2.tensor != NULL)
        reformer_dropout (run, reformer_span_add (d2, n * width), place, self->hidden_size, &part, &dropout, REFORMER_STORE_ADD);
      n += part.count;
    }
}
