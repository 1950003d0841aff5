/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/training-record-private.h"

#include <math.h>

/**
 * ReformerTrainingRecord:
 *
 * What a step of training was like, as [signal@Trainer::step] and [property@Trainer:history] give it.
 *
 * ```python
 * trainer.train(3, None)
 * print([record.props.loss for record in trainer.props.history])
 * ```
 */

struct _ReformerTrainingRecord
{
  GObject             parent_instance;

  ReformerRecordData  data;
};

enum
{
  PROP_0,
  PROP_STEP,
  PROP_LOSS,
  PROP_LEARNING_RATE,
  PROP_GRADIENT_NORM,
  PROP_TOKENS,
  PROP_TOKENS_PER_SECOND,
  PROP_SECONDS,
  PROP_SEQUENCE_LENGTH,
  PROP_TARGETS,
  PROP_MEMORY,
  PROP_SKIPPED,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerTrainingRecord, reformer_training_record, G_TYPE_OBJECT)

static void
reformer_training_record_get_property (GObject    *object,
                                       guint       id,
                                       GValue     *value,
                                       GParamSpec *pspec)
{
  const ReformerRecordData *data = &REFORMER_TRAINING_RECORD (object)->data;

  switch (id)
    {
    case PROP_STEP:
      g_value_set_uint (value, data->step);
      break;
    case PROP_LOSS:
      g_value_set_double (value, data->loss);
      break;
    case PROP_LEARNING_RATE:
      g_value_set_double (value, data->learning_rate);
      break;
    case PROP_GRADIENT_NORM:
      g_value_set_double (value, data->gradient_norm);
      break;
    case PROP_TOKENS:
      g_value_set_int64 (value, data->tokens);
      break;
    case PROP_TOKENS_PER_SECOND:
      g_value_set_double (value, data->tokens_per_second);
      break;
    case PROP_SECONDS:
      g_value_set_double (value, data->seconds);
      break;
    case PROP_SEQUENCE_LENGTH:
      g_value_set_int (value, data->sequence_length);
      break;
    case PROP_TARGETS:
      g_value_set_int64 (value, data->targets);
      break;
    case PROP_MEMORY:
      g_value_set_uint64 (value, data->memory);
      break;
    case PROP_SKIPPED:
      g_value_set_boolean (value, data->skipped);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_training_record_class_init (ReformerTrainingRecordClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = reformer_training_record_get_property;

  /**
   * ReformerTrainingRecord:step:
   *
   * The number of the step, counted from 1.
   */
  props[PROP_STEP] = g_param_spec_uint ("step", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerTrainingRecord:loss:
   *
   * The mean loss over all targets of the step, before its update, in nats.
   */
  props[PROP_LOSS] = g_param_spec_double ("loss", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainingRecord:learning-rate:
   *
   * The learning rate of the step: the optimizer's times the schedule's factor.
   */
  props[PROP_LEARNING_RATE] = g_param_spec_double ("learning-rate", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainingRecord:gradient-norm:
   *
   * The Euclidean norm of all gradients together, before clipping.
   */
  props[PROP_GRADIENT_NORM] = g_param_spec_double ("gradient-norm", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainingRecord:tokens:
   *
   * Number of tokens that the step read, without padding and masked ones.
   */
  props[PROP_TOKENS] = g_param_spec_int64 ("tokens", NULL, NULL, 0, G_MAXINT64, 0, flags);
  /**
   * ReformerTrainingRecord:tokens-per-second:
   *
   * The speed of this step.
   */
  props[PROP_TOKENS_PER_SECOND] = g_param_spec_double ("tokens-per-second", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainingRecord:seconds:
   *
   * How long the step took.
   */
  props[PROP_SECONDS] = g_param_spec_double ("seconds", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainingRecord:sequence-length:
   *
   * The length of the step's sequences.
   */
  props[PROP_SEQUENCE_LENGTH] = g_param_spec_int ("sequence-length", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * ReformerTrainingRecord:targets:
   *
   * Number of targets that the loss is the mean over.
   */
  props[PROP_TARGETS] = g_param_spec_int64 ("targets", NULL, NULL, 0, G_MAXINT64, 0, flags);
  /**
   * ReformerTrainingRecord:memory:
   *
   * The most device memory, in bytes, that was in use up to the end of the step; see [method@Device.reset_memory_peak].
   */
  props[PROP_MEMORY] = g_param_spec_uint64 ("memory", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  /**
   * ReformerTrainingRecord:skipped:
   *
   * Whether loss or gradient norm was not finite, so that nothing was updated.
   */
  props[PROP_SKIPPED] = g_param_spec_boolean ("skipped", NULL, NULL, FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_training_record_init (ReformerTrainingRecord *self)
{
}

ReformerTrainingRecord *
reformer_training_record_new (const ReformerRecordData *data)
{
  ReformerTrainingRecord *self = g_object_new (REFORMER_TYPE_TRAINING_RECORD, NULL);

  self->data = *data;
  return self;
}

const ReformerRecordData *
reformer_training_record_peek (ReformerTrainingRecord *self)
{
  return &self->data;
}

#define GETTER(type, name, nothing) \
  type \
  reformer_training_record_get_##name (ReformerTrainingRecord *self) \
  { \
    g_return_val_if_fail (REFORMER_IS_TRAINING_RECORD (self), nothing); \
    return self->data.name; \
  }

/**
 * reformer_training_record_get_step:
 * @self: a record
 *
 * Gets the number of the step, counted from 1.
 *
 * Returns: the number of the step
 */
GETTER (guint, step, 0)

/**
 * reformer_training_record_get_loss:
 * @self: a record
 *
 * Gets the mean loss over all targets of the step, before its update.
 *
 * Returns: the loss in nats; not finite where the step was skipped for it
 */
GETTER (double, loss, (double) NAN)

/**
 * reformer_training_record_get_learning_rate:
 * @self: a record
 *
 * Gets the learning rate of the step.
 *
 * Returns: the optimizer's learning rate times the schedule's factor
 */
GETTER (double, learning_rate, 0)

/**
 * reformer_training_record_get_gradient_norm:
 * @self: a record
 *
 * Gets the Euclidean norm of all gradients together, before clipping.
 *
 * Returns: the norm; not finite where the step was skipped for it
 */
GETTER (double, gradient_norm, (double) NAN)

/**
 * reformer_training_record_get_tokens:
 * @self: a record
 *
 * Gets the number of tokens that the step read, without padding and masked ones.
 *
 * Returns: the number of tokens
 */
GETTER (gint64, tokens, 0)

/**
 * reformer_training_record_get_tokens_per_second:
 * @self: a record
 *
 * Gets the speed of this step.
 *
 * Returns: tokens per second
 */
GETTER (double, tokens_per_second, 0)

/**
 * reformer_training_record_get_seconds:
 * @self: a record
 *
 * Gets how long the step took.
 *
 * Returns: the time in seconds
 */
GETTER (double, seconds, 0)

/**
 * reformer_training_record_get_sequence_length:
 * @self: a record
 *
 * Gets the length of the step's sequences.
 *
 * Returns: the length in tokens
 */
GETTER (int, sequence_length, 0)

/**
 * reformer_training_record_get_targets:
 * @self: a record
 *
 * Gets the number of targets that the loss is the mean over.
 *
 * Returns: the number of targets
 */
GETTER (gint64, targets, 0)

/**
 * reformer_training_record_get_memory:
 * @self: a record
 *
 * Gets the most device memory that was in use up to the end of the step; see [method@Device.reset_memory_peak].
 *
 * Returns: the memory in bytes
 */
GETTER (guint64, memory, 0)

/**
 * reformer_training_record_get_skipped:
 * @self: a record
 *
 * Gets whether loss or gradient norm was not finite, so that nothing was updated.
 *
 * Returns: whether the step was skipped
 */
GETTER (gboolean, skipped, FALSE)
