/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <math.h>

/* The settings that are numbers and switches. Training copies them when it is called. */

typedef enum
{
  INT,
  UINT,
  DOUBLE,
  BOOLEAN,
} Kind;

typedef struct
{
  const char *name;
  Kind        kind;
  gsize       offset;
  double      min, max, standard;
} Setting;

#define SETTING(ID, name, member, kind, min, max, standard) \
  [REFORMER_TRAINER_##ID] = { name, kind, G_STRUCT_OFFSET (ReformerTrainerSettings, member), min, max, standard }

static const Setting table[REFORMER_TRAINER_N_SETTINGS] = {
  SETTING (SEQUENCE_LENGTH, "sequence-length", sequence_length, INT, 2, G_MAXINT, 1024),
  SETTING (FINAL_SEQUENCE_LENGTH, "final-sequence-length", final_sequence_length, INT, 0, G_MAXINT, 0),
  SETTING (FINAL_STEPS, "final-steps", final_steps, UINT, 0, G_MAXUINT, 0),
  SETTING (BATCH_SIZE, "batch-size", batch_size, INT, 1, 65536, 1),
  SETTING (ACCUMULATION, "accumulation", accumulation, INT, 1, 65536, 1),
  SETTING (MAX_GRADIENT_NORM, "max-gradient-norm", max_gradient_norm, DOUBLE, 0, G_MAXDOUBLE, 1),
  SETTING (SHUFFLE, "shuffle", shuffle, BOOLEAN, FALSE, TRUE, TRUE),
  SETTING (REHASH, "rehash", rehash, BOOLEAN, FALSE, TRUE, FALSE),
  SETTING (BY_LENGTH, "by-length", by_length, BOOLEAN, FALSE, TRUE, FALSE),
  SETTING (TOTAL_STEPS, "total-steps", total_steps, UINT, 0, G_MAXUINT, 0),
  SETTING (EVALUATION_INTERVAL, "evaluation-interval", evaluation_interval, UINT, 0, G_MAXUINT, 0),
  SETTING (EVALUATION_SAMPLES, "evaluation-samples", evaluation_samples, UINT, 0, G_MAXUINT, 0),
  SETTING (PATIENCE, "patience", patience, UINT, 0, G_MAXUINT, 0),
  SETTING (MIN_IMPROVEMENT, "min-improvement", min_improvement, DOUBLE, 0, G_MAXDOUBLE, 0),
  SETTING (CHECKPOINT_INTERVAL, "checkpoint-interval", checkpoint_interval, UINT, 0, G_MAXUINT, 0),
  SETTING (CHECKPOINTS_KEPT, "checkpoints-kept", checkpoints_kept, UINT, 1, G_MAXUINT, 3),
  SETTING (MAX_SKIPPED, "max-skipped", max_skipped, UINT, 1, G_MAXUINT, 10),
  SETTING (HISTORY_INTERVAL, "history-interval", history_interval, UINT, 1, G_MAXUINT, 1),
};

void
reformer_trainer_install_settings (GParamSpec **props)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * ReformerTrainer:sequence-length:
   *
   * The length of the sequences, in tokens. Samples of the data set have at most so many; shorter ones are padded.
   */
  /**
   * ReformerTrainer:final-sequence-length:
   *
   * The length of the sequences in the last [property@Trainer:final-steps] steps, 0 for none. Most of what there is to learn can be learnt from short
   * sequences, many times as many of them in the same time; the last steps then teach the long ones.
   */
  /**
   * ReformerTrainer:final-steps:
   *
   * The number of last steps with [property@Trainer:final-sequence-length], 0 for none. They are the last of [property@Trainer:total-steps].
   */
  /**
   * ReformerTrainer:batch-size:
   *
   * The number of sequences that go through the model together.
   */
  /**
   * ReformerTrainer:accumulation:
   *
   * The number of batches whose gradients are added up to one step. Four batches of one sequence make the step of one batch of four, in less memory.
   */
  /**
   * ReformerTrainer:max-gradient-norm:
   *
   * The norm that gradients are scaled down to where theirs is larger, 0 for no limit.
   */
  /**
   * ReformerTrainer:shuffle:
   *
   * Whether samples are read in a random order, another one in each pass through the data. The order is keyed by [property@Model:seed].
   */
  /**
   * ReformerTrainer:rehash:
   *
   * Whether each step ends by drawing other rotations for the LSH layers, keyed by [property@Config:hash-seed] or [property@Model:seed], and by the number of the
   * step. Evaluations and checkpoints after a step have those that the next step will use.
   */
  /**
   * ReformerTrainer:by-length:
   *
   * Whether each sample is computed as alone, by its length, rather than padded to [property@Trainer:sequence-length] and masked. What is short then costs what
   * is short; the samples of a step are put in the order of their lengths, so that those that are about as long run together.
   */
  /**
   * ReformerTrainer:total-steps:
   *
   * The number of steps that the schedule counts to, 0 for those of the next call of [method@Trainer.train]. Training cannot go beyond it.
   */
  /**
   * ReformerTrainer:evaluation-interval:
   *
   * The number of steps from one evaluation to the next, 0 for none. They use [property@Trainer:evaluation-dataset], or else what the data set holds
   * out.
   */
  /**
   * ReformerTrainer:evaluation-samples:
   *
   * The most samples that an evaluation during training uses, spread evenly over the set, 0 for all.
   */
  /**
   * ReformerTrainer:patience:
   *
   * The number of evaluations in a row without improvement after which training stops, 0 for never.
   */
  /**
   * ReformerTrainer:min-improvement:
   *
   * By how much, in nats, an evaluation must be better than the best one to count as better.
   */
  /**
   * ReformerTrainer:checkpoint-interval:
   *
   * The number of steps from one checkpoint to the next, 0 for one at the end alone. What an evaluation found better than all
   * before is saved too. Nothing is saved without [property@Trainer:folder].
   */
  /**
   * ReformerTrainer:checkpoints-kept:
   *
   * The number of checkpoints that are kept, the newest ones; the best one is kept besides.
   */
  /**
   * ReformerTrainer:max-skipped:
   *
   * The number of steps in a row without a finite loss and gradient after which training fails. Such a step changes no weight.
   */
  /**
   * ReformerTrainer:history-interval:
   *
   * The number of steps from one record in history and logs to the next. Steps that were skipped are always recorded.
   */
  for (guint i = REFORMER_TRAINER_PROP_0 + 1; i < REFORMER_TRAINER_N_SETTINGS; i++)
    {
      const Setting *s = &table[i];

      switch (s->kind)
        {
        case INT:
          props[i] = g_param_spec_int (s->name, NULL, NULL, (int) s->min, (int) s->max, (int) s->standard, flags);
          break;
        case UINT:
          props[i] = g_param_spec_uint (s->name, NULL, NULL, (guint) s->min, (guint) s->max, (guint) s->standard, flags);
          break;
        case DOUBLE:
          props[i] = g_param_spec_double (s->name, NULL, NULL, s->min, s->max, s->standard, flags);
          break;
        case BOOLEAN:
        default:
          props[i] = g_param_spec_boolean (s->name, NULL, NULL, s->standard > 0, flags);
        }
    }
}

static double
get (const ReformerTrainerSettings *settings,
     guint                          id)
{
  const Setting *s = &table[id];

  switch (s->kind)
    {
    case INT:
    case BOOLEAN:
      return G_STRUCT_MEMBER (int, settings, s->offset);
    case UINT:
      return G_STRUCT_MEMBER (guint, settings, s->offset);
    case DOUBLE:
    default:
      return G_STRUCT_MEMBER (double, settings, s->offset);
    }
}

static void
set (ReformerTrainerSettings *settings,
     guint                    id,
     double                   value)
{
  const Setting *s = &table[id];

  switch (s->kind)
    {
    case INT:
      G_STRUCT_MEMBER (int, settings, s->offset) = (int) value;
      break;
    case BOOLEAN:
      G_STRUCT_MEMBER (int, settings, s->offset) = value > 0 || value < 0;
      break;
    case UINT:
      G_STRUCT_MEMBER (guint, settings, s->offset) = (guint) value;
      break;
    case DOUBLE:
    default:
      G_STRUCT_MEMBER (double, settings, s->offset) = value;
    }
}

void
reformer_trainer_init_settings (ReformerTrainerSettings *settings)
{
  for (guint i = REFORMER_TRAINER_PROP_0 + 1; i < REFORMER_TRAINER_N_SETTINGS; i++)
    set (settings, i, table[i].standard);
}

static double
read_setting (ReformerTrainer *self,
              guint            id)
{
  double value;

  g_mutex_lock (&self->lock);
  value = get (&self->settings, id);
  g_mutex_unlock (&self->lock);
  return value;
}

static void
write_setting (ReformerTrainer *self,
               guint            id,
               double           value)
{
  gboolean same;

  g_mutex_lock (&self->lock);
  same = !(get (&self->settings, id) < value || get (&self->settings, id) > value) && !isnan (value);
  set (&self->settings, id, value);
  g_mutex_unlock (&self->lock);
  if (!same)
    g_object_notify_by_pspec (G_OBJECT (self), reformer_trainer_props[id]);
}

void
reformer_trainer_show_setting (ReformerTrainer *self,
                               guint            id,
                               GValue          *shown)
{
  const double value = read_setting (self, id);

  switch (table[id].kind)
    {
    case INT:
      g_value_set_int (shown, (int) value);
      break;
    case UINT:
      g_value_set_uint (shown, (guint) value);
      break;
    case DOUBLE:
      g_value_set_double (shown, value);
      break;
    case BOOLEAN:
    default:
      g_value_set_boolean (shown, value > 0);
    }
}

void
reformer_trainer_change_setting (ReformerTrainer *self,
                                 guint            id,
                                 const GValue    *given)
{
  switch (table[id].kind)
    {
    case INT:
      write_setting (self, id, g_value_get_int (given));
      break;
    case UINT:
      write_setting (self, id, g_value_get_uint (given));
      break;
    case DOUBLE:
      write_setting (self, id, g_value_get_double (given));
      break;
    case BOOLEAN:
    default:
      write_setting (self, id, g_value_get_boolean (given));
    }
}

gboolean
reformer_trainer_check_ranges (const ReformerTrainerSettings  *settings,
                               GError                        **error)
{
  for (guint i = REFORMER_TRAINER_PROP_0 + 1; i < REFORMER_TRAINER_N_SETTINGS; i++)
    {
      const Setting *s = &table[i];
      const double value = get (settings, i);

      if (!(value >= s->min && value <= s->max))
        {
          g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "%s: %g; wanted %g to %g", s->name, value, s->min, s->max);
          return FALSE;
        }
    }
  return TRUE;
}

/* ---- Getters and setters ---- */

#define ACCESSORS(type, name, ID, nothing) \
  type \
  reformer_trainer_get_##name (ReformerTrainer *self) \
  { \
    g_return_val_if_fail (REFORMER_IS_TRAINER (self), nothing); \
    return (type) read_setting (self, REFORMER_TRAINER_##ID); \
  } \
  void \
  reformer_trainer_set_##name (ReformerTrainer *self, \
                               type             name) \
  { \
    g_return_if_fail (REFORMER_IS_TRAINER (self)); \
    write_setting (self, REFORMER_TRAINER_##ID, name); \
  }

/**
 * reformer_trainer_get_sequence_length:
 * @self: a trainer
 *
 * Gets the length of the sequences, in tokens.
 *
 * Returns: the length of the sequences, in tokens
 */
/**
 * reformer_trainer_set_sequence_length:
 * @self: a trainer
 * @sequence_length: the length of the sequences, in tokens
 *
 * Sets the length of the sequences, in tokens. It counts from the next call on.
 */
ACCESSORS (int, sequence_length, SEQUENCE_LENGTH, 0)

/**
 * reformer_trainer_get_final_sequence_length:
 * @self: a trainer
 *
 * Gets the length of the sequences in the last [property@Trainer:final-steps] steps, 0 for none.
 *
 * Returns: the length of the sequences in the last [property@Trainer:final-steps] steps, 0 for none
 */
/**
 * reformer_trainer_set_final_sequence_length:
 * @self: a trainer
 * @final_sequence_length: the length of the sequences in the last [property@Trainer:final-steps] steps, 0 for none
 *
 * Sets the length of the sequences in the last [property@Trainer:final-steps] steps, 0 for none. It counts from the next call on.
 */
ACCESSORS (int, final_sequence_length, FINAL_SEQUENCE_LENGTH, 0)

/**
 * reformer_trainer_get_final_steps:
 * @self: a trainer
 *
 * Gets the number of last steps with [property@Trainer:final-sequence-length], 0 for none.
 *
 * Returns: the number of last steps with [property@Trainer:final-sequence-length], 0 for none
 */
/**
 * reformer_trainer_set_final_steps:
 * @self: a trainer
 * @final_steps: the number of last steps with [property@Trainer:final-sequence-length], 0 for none
 *
 * Sets the number of last steps with [property@Trainer:final-sequence-length], 0 for none. It counts from the next call on.
 */
ACCESSORS (guint, final_steps, FINAL_STEPS, 0)

/**
 * reformer_trainer_get_batch_size:
 * @self: a trainer
 *
 * Gets the number of sequences that go through the model together.
 *
 * Returns: the number of sequences that go through the model together
 */
/**
 * reformer_trainer_set_batch_size:
 * @self: a trainer
 * @batch_size: the number of sequences that go through the model together
 *
 * Sets the number of sequences that go through the model together. It counts from the next call on.
 */
ACCESSORS (int, batch_size, BATCH_SIZE, 0)

/**
 * reformer_trainer_get_accumulation:
 * @self: a trainer
 *
 * Gets the number of batches whose gradients are added up to one step.
 *
 * Returns: the number of batches whose gradients are added up to one step
 */
/**
 * reformer_trainer_set_accumulation:
 * @self: a trainer
 * @accumulation: the number of batches whose gradients are added up to one step
 *
 * Sets the number of batches whose gradients are added up to one step. It counts from the next call on.
 */
ACCESSORS (int, accumulation, ACCUMULATION, 0)

/**
 * reformer_trainer_get_max_gradient_norm:
 * @self: a trainer
 *
 * Gets the norm that gradients are scaled down to where theirs is larger, 0 for no limit.
 *
 * Returns: the norm that gradients are scaled down to where theirs is larger, 0 for no limit
 */
/**
 * reformer_trainer_set_max_gradient_norm:
 * @self: a trainer
 * @max_gradient_norm: the norm that gradients are scaled down to where theirs is larger, 0 for no limit
 *
 * Sets the norm that gradients are scaled down to where theirs is larger, 0 for no limit. It counts from the next call on.
 */
ACCESSORS (double, max_gradient_norm, MAX_GRADIENT_NORM, 0)

/**
 * reformer_trainer_get_shuffle:
 * @self: a trainer
 *
 * Gets whether samples are read in a random order, another one in each pass through the data.
 *
 * Returns: whether samples are read in a random order, another one in each pass through the data
 */
/**
 * reformer_trainer_set_shuffle:
 * @self: a trainer
 * @shuffle: whether samples are read in a random order, another one in each pass through the data
 *
 * Sets whether samples are read in a random order, another one in each pass through the data. It counts from the next call on.
 */
ACCESSORS (gboolean, shuffle, SHUFFLE, FALSE)

/**
 * reformer_trainer_get_rehash:
 * @self: a trainer
 *
 * Gets whether each step ends by drawing other rotations for the LSH layers.
 *
 * Returns: whether each step ends by drawing other rotations for the LSH layers
 */
/**
 * reformer_trainer_set_rehash:
 * @self: a trainer
 * @rehash: whether each step ends by drawing other rotations for the LSH layers
 *
 * Sets whether each step ends by drawing other rotations for the LSH layers. It counts from the next call on.
 */
ACCESSORS (gboolean, rehash, REHASH, FALSE)

/**
 * reformer_trainer_get_by_length:
 * @self: a trainer
 *
 * Gets whether each sample is computed as alone, by its length.
 *
 * Returns: whether each sample is computed as alone, by its length
 */
/**
 * reformer_trainer_set_by_length:
 * @self: a trainer
 * @by_length: whether each sample is computed as alone, by its length
 *
 * Sets whether each sample is computed as alone, by its length. It counts from the next call on.
 */
ACCESSORS (gboolean, by_length, BY_LENGTH, FALSE)

/**
 * reformer_trainer_get_total_steps:
 * @self: a trainer
 *
 * Gets the number of steps that the schedule counts to, 0 for those of the next call of [method@Trainer.train].
 *
 * Returns: the number of steps that the schedule counts to, 0 for those of the next call of [method@Trainer.train]
 */
/**
 * reformer_trainer_set_total_steps:
 * @self: a trainer
 * @total_steps: the number of steps that the schedule counts to, 0 for those of the next call of [method@Trainer.train]
 *
 * Sets the number of steps that the schedule counts to, 0 for those of the next call of [method@Trainer.train]. It counts from the next call on.
 */
ACCESSORS (guint, total_steps, TOTAL_STEPS, 0)

/**
 * reformer_trainer_get_evaluation_interval:
 * @self: a trainer
 *
 * Gets the number of steps from one evaluation to the next, 0 for none.
 *
 * Returns: the number of steps from one evaluation to the next, 0 for none
 */
/**
 * reformer_trainer_set_evaluation_interval:
 * @self: a trainer
 * @evaluation_interval: the number of steps from one evaluation to the next, 0 for none
 *
 * Sets the number of steps from one evaluation to the next, 0 for none. It counts from the next call on.
 */
ACCESSORS (guint, evaluation_interval, EVALUATION_INTERVAL, 0)

/**
 * reformer_trainer_get_evaluation_samples:
 * @self: a trainer
 *
 * Gets the most samples that an evaluation during training uses, spread evenly over the set, 0 for all.
 *
 * Returns: the most samples that an evaluation during training uses, spread evenly over the set, 0 for all
 */
/**
 * reformer_trainer_set_evaluation_samples:
 * @self: a trainer
 * @evaluation_samples: the most samples that an evaluation during training uses, spread evenly over the set, 0 for all
 *
 * Sets the most samples that an evaluation during training uses, spread evenly over the set, 0 for all. It counts from the next call on.
 */
ACCESSORS (guint, evaluation_samples, EVALUATION_SAMPLES, 0)

/**
 * reformer_trainer_get_patience:
 * @self: a trainer
 *
 * Gets the number of evaluations in a row without improvement after which training stops, 0 for never.
 *
 * Returns: the number of evaluations in a row without improvement after which training stops, 0 for never
 */
/**
 * reformer_trainer_set_patience:
 * @self: a trainer
 * @patience: the number of evaluations in a row without improvement after which training stops, 0 for never
 *
 * Sets the number of evaluations in a row without improvement after which training stops, 0 for never. It counts from the next call on.
 */
ACCESSORS (guint, patience, PATIENCE, 0)

/**
 * reformer_trainer_get_min_improvement:
 * @self: a trainer
 *
 * Gets by how much, in nats, an evaluation must be better than the best one to count as better.
 *
 * Returns: by how much, in nats, an evaluation must be better than the best one to count as better
 */
/**
 * reformer_trainer_set_min_improvement:
 * @self: a trainer
 * @min_improvement: by how much, in nats, an evaluation must be better than the best one to count as better
 *
 * Sets by how much, in nats, an evaluation must be better than the best one to count as better. It counts from the next call on.
 */
ACCESSORS (double, min_improvement, MIN_IMPROVEMENT, 0)

/**
 * reformer_trainer_get_checkpoint_interval:
 * @self: a trainer
 *
 * Gets the number of steps from one checkpoint to the next, 0 for one at the end alone.
 *
 * Returns: the number of steps from one checkpoint to the next, 0 for one at the end alone
 */
/**
 * reformer_trainer_set_checkpoint_interval:
 * @self: a trainer
 * @checkpoint_interval: the number of steps from one checkpoint to the next, 0 for one at the end alone
 *
 * Sets the number of steps from one checkpoint to the next, 0 for one at the end alone. It counts from the next call on.
 */
ACCESSORS (guint, checkpoint_interval, CHECKPOINT_INTERVAL, 0)

/**
 * reformer_trainer_get_checkpoints_kept:
 * @self: a trainer
 *
 * Gets the number of checkpoints that are kept, the newest ones; the best one is kept besides.
 *
 * Returns: the number of checkpoints that are kept, the newest ones; the best one is kept besides
 */
/**
 * reformer_trainer_set_checkpoints_kept:
 * @self: a trainer
 * @checkpoints_kept: the number of checkpoints that are kept, the newest ones; the best one is kept besides
 *
 * Sets the number of checkpoints that are kept, the newest ones; the best one is kept besides. It counts from the next call on.
 */
ACCESSORS (guint, checkpoints_kept, CHECKPOINTS_KEPT, 0)

/**
 * reformer_trainer_get_max_skipped:
 * @self: a trainer
 *
 * Gets the number of steps in a row without a finite loss and gradient after which training fails.
 *
 * Returns: the number of steps in a row without a finite loss and gradient after which training fails
 */
/**
 * reformer_trainer_set_max_skipped:
 * @self: a trainer
 * @max_skipped: the number of steps in a row without a finite loss and gradient after which training fails
 *
 * Sets the number of steps in a row without a finite loss and gradient after which training fails. It counts from the next call on.
 */
ACCESSORS (guint, max_skipped, MAX_SKIPPED, 0)

/**
 * reformer_trainer_get_history_interval:
 * @self: a trainer
 *
 * Gets the number of steps from one record in history and logs to the next.
 *
 * Returns: the number of steps from one record in history and logs to the next
 */
/**
 * reformer_trainer_set_history_interval:
 * @self: a trainer
 * @history_interval: the number of steps from one record in history and logs to the next
 *
 * Sets the number of steps from one record in history and logs to the next. It counts from the next call on.
 */
ACCESSORS (guint, history_interval, HISTORY_INTERVAL, 0)
