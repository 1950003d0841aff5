/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/embedding-private.h"

#include "compute/home.h"
#include "layers/input.h"
#include "ops/embedding.h"

/**
 * ReformerEmbedding:
 *
 * A learned vector for every id of a vocabulary.
 *
 * The input is int32 `[B, T]`, the output float32 `[B, T, hidden-size]`, with dropout in training. Parameter: `weight` `[vocab-size, hidden-size]`, which
 * starts normal with [property@Embedding:deviation]. An id outside the vocabulary is an error. Ids have no gradient: backward adds to the gradient of the
 * table and returns zeros `[B, T]`.
 */

/* Place of the dropout in the layer. */
#define DROPOUT_PLACE 0

/* Ids that are read from the device at a time. */
#define IDS_AT_A_TIME 65536

struct _ReformerEmbedding
{
  ReformerLayer      parent_instance;

  int                vocab_size;
  int                hidden_size;
  double             deviation;
  double             dropout;
  ReformerParameter *weight; /* borrowed from the layer */
};

enum
{
  PROP_0,
  PROP_VOCAB_SIZE,
  PROP_HIDDEN_SIZE,
  PROP_DEVIATION,
  PROP_DROPOUT,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerEmbedding, reformer_embedding, REFORMER_TYPE_LAYER)

static ReformerTensor *
forward (ReformerLayer   *layer,
         ReformerTensor  *input,
         ReformerTape    *tape,
         GError         **error)
{
  ReformerEmbedding *self = REFORMER_EMBEDDING (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) y = NULL;
  const ReformerSpan ids = reformer_span (input);
  ReformerRows rows;

  if (reformer_input_ids (layer, run, input, &rows) && reformer_embedding_check_ids (self, ids, &rows, tape))
    {
      y = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) (rows.count / rows.T), (gint64) rows.T, (gint64) self->hidden_size);
      reformer_embedding_run_forward (self, ids, reformer_span (y), &rows, tape);
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
  ReformerEmbedding *self = REFORMER_EMBEDDING (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) ids = reformer_input_pop (layer, tape);
  g_autoptr (ReformerTensor) zeros = NULL;
  ReformerRows rows, wanted;

  if (ids != NULL && reformer_input_ids (layer, run, ids, &wanted) && reformer_input_tokens (layer, run, "gradient", gradient, self->hidden_size, &rows) &&
      reformer_input_agree (layer, run, rows.count, wanted.count))
    {
      reformer_embedding_run_backward (self, reformer_span (ids), reformer_span (gradient), REFORMER_NOTHING, &wanted, tape);
      zeros = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) (wanted.count / wanted.T), (gint64) wanted.T);
      if (zeros != NULL)
        reformer_run_fill (run, reformer_span (zeros), 0, wanted.count);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&zeros) : NULL;
}

static void
reformer_embedding_constructed (GObject *object)
{
  ReformerEmbedding *self = REFORMER_EMBEDDING (object);

  G_OBJECT_CLASS (reformer_embedding_parent_class)->constructed (object);
  self->weight = reformer_layer_make_parameter (REFORMER_LAYER (object), "weight", (ReformerStart) { .deviation = self->deviation }, 2,
                                                (gint64) self->vocab_size, (gint64) self->hidden_size);
}

static void
reformer_embedding_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  ReformerEmbedding *self = REFORMER_EMBEDDING (object);

  switch (id)
    {
    case PROP_VOCAB_SIZE:
      g_value_set_int (value, self->vocab_size);
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
reformer_embedding_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  ReformerEmbedding *self = REFORMER_EMBEDDING (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_VOCAB_SIZE:
      self->vocab_size = g_value_get_int (value);
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
reformer_embedding_class_init (ReformerEmbeddingClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerLayerClass *layer_class = REFORMER_LAYER_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_embedding_constructed;
  object_class->get_property = reformer_embedding_get_property;
  object_class->set_property = reformer_embedding_set_property;
  layer_class->forward = forward;
  layer_class->backward = backward;

  /**
   * ReformerEmbedding:vocab-size:
   *
   * Number of ids.
   */
  props[PROP_VOCAB_SIZE] = g_param_spec_int ("vocab-size", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerEmbedding:hidden-size:
   *
   * Length of a vector.
   */
  props[PROP_HIDDEN_SIZE] = g_param_spec_int ("hidden-size", NULL, NULL, 1, G_MAXINT, 1, once);
  /**
   * ReformerEmbedding:deviation:
   *
   * Standard deviation with which the table starts (`initializer_range`).
   */
  props[PROP_DEVIATION] = g_param_spec_double ("deviation", NULL, NULL, 0, G_MAXDOUBLE, 0.02, flags);
  /**
   * ReformerEmbedding:dropout:
   *
   * Share of the output's elements that are zero in training (`hidden_dropout_prob`).
   */
  props[PROP_DROPOUT] = g_param_spec_double ("dropout", NULL, NULL, 0, REFORMER_MAX_DROPOUT, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_embedding_init (ReformerEmbedding *self)
{
  self->vocab_size = self->hidden_size = 1;
}

/**
 * reformer_embedding_new:
 * @device: the device that holds the table
 * @vocab_size: number of ids
 * @hidden_size: length of a vector
 *
 * Makes a new embedding.
 *
 * Returns: (transfer full): a new embedding
 */
ReformerEmbedding *
reformer_embedding_new (ReformerDevice *device,
                        int             vocab_size,
                        int             hidden_size)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);

  return g_object_new (REFORMER_TYPE_EMBEDDING, "device", device, "vocab-size", vocab_size, "hidden-size", hidden_size, NULL);
}

/**
 * reformer_embedding_get_vocab_size:
 * @self: an embedding
 *
 * Gets number of ids.
 *
 * Returns: number of ids
 */
int
reformer_embedding_get_vocab_size (ReformerEmbedding *self)
{
  g_return_val_if_fail (REFORMER_IS_EMBEDDING (self), 0);

  return self->vocab_size;
}

/**
 * reformer_embedding_get_hidden_size:
 * @self: an embedding
 *
 * Gets length of a vector.
 *
 * Returns: length of a vector
 */
int
reformer_embedding_get_hidden_size (ReformerEmbedding *self)
{
  g_return_val_if_fail (REFORMER_IS_EMBEDDING (self), 0);

  return self->hidden_size;
}

/**
 * reformer_embedding_get_deviation:
 * @self: an embedding
 *
 * Gets standard deviation with which the table starts.
 *
 * Returns: standard deviation with which the table starts
 */
double
reformer_embedding_get_deviation (ReformerEmbedding *self)
{
  g_return_val_if_fail (REFORMER_IS_EMBEDDING (self), 0);

  return self->deviation;
}

/**
 * reformer_embedding_get_dropout:
 * @self: an embedding
 *
 * Gets share of the output's elements that are zero in training.
 *
 * Returns: share of the output's elements that are zero in training
 */
double
reformer_embedding_get_dropout (ReformerEmbedding *self)
{
  g_return_val_if_fail (REFORMER_IS_EMBEDDING (self), 0);

  return self->dropout;
}

/* ---- In pieces ---- */

ReformerParameter *
reformer_embedding_peek_weight (ReformerEmbedding *self)
{
  return self->weight;
}

gboolean
reformer_embedding_check_ids (ReformerEmbedding  *self,
                              ReformerSpan        ids,
                              const ReformerRows *rows,
                              ReformerTape       *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autofree gint32 *values = g_new (gint32, MIN (rows->count, IDS_AT_A_TIME));

  for (gsize from = 0; from < rows->count && reformer_run_ok (run); from += IDS_AT_A_TIME)
    {
      const gsize n = MIN (rows->count - from, IDS_AT_A_TIME);

      reformer_run_read (run, reformer_span_add (ids, from), values, n);
      for (gsize i = 0; i < n && reformer_run_ok (run); i++)
        if (values[i] < 0 || values[i] >= self->vocab_size)
          {
            const gsize token = rows->first + from + i;

            reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT,
                               "id %d at position %" G_GSIZE_FORMAT " of row %" G_GSIZE_FORMAT " is outside the vocabulary; wanted 0 to %d",
                               values[i], token % rows->T, token / rows->T, self->vocab_size - 1);
          }
    }
  return reformer_run_ok (run);
}

static ReformerDropout
dropout_of (ReformerEmbedding *self,
            ReformerTape      *tape)
{
  return reformer_tape_dropout (tape, self->dropout, reformer_layer_get_number (REFORMER_LAYER (self)), DROPOUT_PLACE);
}

void
reformer_embedding_run_forward (ReformerEmbedding  *self,
                                ReformerSpan        ids,
                                ReformerSpan        y,
                                const ReformerRows *rows,
                                ReformerTape       *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerDropout dropout = dropout_of (self, tape);

  reformer_embedding_forward (run, ids, reformer_parameter_value (self->weight, run, 0), y, self->hidden_size, rows, &dropout, REFORMER_STORE_SET);
}

void
reformer_embedding_run_backward (ReformerEmbedding  *self,
                                 ReformerSpan        ids,
                                 ReformerSpan        d1,
                                 ReformerSpan        d2,
                                 const ReformerRows *rows,
                                 ReformerTape       *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerDropout dropout = dropout_of (self, tape);
  const ReformerSpan gradient = reformer_parameter_gradient (self->weight, run, 0);

  if (gradient.tensor != NULL)
    reformer_embedding_backward (run, ids, d1, d2, gradient, self->vocab_size, self->hidden_size, rows, &dropout);
}
