/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <math.h>

/* What can be watched while a trainer works. The worker writes it under the lock; any thread may read it. */

void
reformer_trainer_install_progress (GParamSpec **props)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  /**
   * ReformerTrainer:n-steps:
   *
   * Number of steps that were made.
   */
  props[REFORMER_TRAINER_STEP] = g_param_spec_uint ("n-steps", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerTrainer:epoch:
   *
   * Number of whole passes through the data that were made. A change of the sequence length begins another pass.
   */
  props[REFORMER_TRAINER_EPOCH] = g_param_spec_uint ("epoch", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerTrainer:loss:
   *
   * The loss of the last step, in nats; 0 before the first.
   */
  props[REFORMER_TRAINER_LOSS] = g_param_spec_double ("loss", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainer:tokens:
   *
   * Number of tokens that were trained on, without padding and masked ones.
   */
  props[REFORMER_TRAINER_TOKENS] = g_param_spec_int64 ("tokens", NULL, NULL, 0, G_MAXINT64, 0, flags);
  /**
   * ReformerTrainer:tokens-per-second:
   *
   * The speed over about the last ten seconds of steps. Evaluations and checkpoints do not count.
   */
  props[REFORMER_TRAINER_TOKENS_PER_SECOND] = g_param_spec_double ("tokens-per-second", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainer:remaining-seconds:
   *
   * The time that the steps of this call still need at that speed, in seconds; -1 where it is not known.
   */
  props[REFORMER_TRAINER_REMAINING_SECONDS] = g_param_spec_double ("remaining-seconds", NULL, NULL, -1, G_MAXDOUBLE, -1, flags);
  /**
   * ReformerTrainer:running:
   *
   * Whether it trains or evaluates.
   */
  props[REFORMER_TRAINER_RUNNING] = g_param_spec_boolean ("running", NULL, NULL, FALSE, flags);
  /**
   * ReformerTrainer:n-skipped:
   *
   * Number of steps whose loss or gradient was not finite, so that nothing was updated.
   */
  props[REFORMER_TRAINER_N_SKIPPED] = g_param_spec_uint ("n-skipped", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerTrainer:best-loss:
   *
   * The loss of the best evaluation during training, in nats; 0 before the first.
   */
  props[REFORMER_TRAINER_BEST_LOSS] = g_param_spec_double ("best-loss", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerTrainer:best-step:
   *
   * Number of steps that were made before the best evaluation.
   */
  props[REFORMER_TRAINER_BEST_STEP] = g_param_spec_uint ("best-step", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerTrainer:stop-reason:
   *
   * Why the last training ended.
   */
  props[REFORMER_TRAINER_STOP_REASON] = g_param_spec_enum ("stop-reason", NULL, NULL, REFORMER_TYPE_STOP_REASON, REFORMER_STOP_REASON_NONE, flags);
}

static ReformerTrainerProgress
get_progress (ReformerTrainer *self)
{
  ReformerTrainerProgress progress;

  g_mutex_lock (&self->lock);
  progress = self->progress;
  g_mutex_unlock (&self->lock);
  return progress;
}

void
reformer_trainer_show_progress (ReformerTrainer *self,
                                guint            id,
                                GValue          *value)
{
  const ReformerTrainerProgress progress = get_progress (self);

  switch (id)
    {
    case REFORMER_TRAINER_STEP:
      g_value_set_uint (value, progress.step);
      break;
    case REFORMER_TRAINER_EPOCH:
      g_value_set_uint (value, progress.epoch);
      break;
    case REFORMER_TRAINER_LOSS:
      g_value_set_double (value, progress.loss);
      break;
    case REFORMER_TRAINER_TOKENS:
      g_value_set_int64 (value, progress.tokens);
      break;
    case REFORMER_TRAINER_TOKENS_PER_SECOND:
      g_value_set_double (value, progress.tokens_per_second);
      break;
    case REFORMER_TRAINER_REMAINING_SECONDS:
      g_value_set_double (value, progress.remaining_seconds);
      break;
    case REFORMER_TRAINER_RUNNING:
      g_value_set_boolean (value, progress.running);
      break;
    case REFORMER_TRAINER_N_SKIPPED:
      g_value_set_uint (value, progress.n_skipped);
      break;
    case REFORMER_TRAINER_BEST_LOSS:
      g_value_set_double (value, progress.best_loss);
      break;
    case REFORMER_TRAINER_BEST_STEP:
      g_value_set_uint (value, progress.best_step);
      break;
    case REFORMER_TRAINER_STOP_REASON:
      g_value_set_enum (value, progress.stop_reason);
      break;
    default:
      break;
    }
}

#define DIFFERS(a, b) ((a) < (b) || (a) > (b))

void
reformer_trainer_notify_progress (ReformerTrainer *self)
{
  const ReformerTrainerProgress now = get_progress (self), before = self->notified;
  const gboolean changed[REFORMER_TRAINER_N_PROGRESS] = {
    [REFORMER_TRAINER_STEP] = now.step != before.step,
    [REFORMER_TRAINER_EPOCH] = now.epoch != before.epoch,
    [REFORMER_TRAINER_LOSS] = DIFFERS (now.loss, before.loss) || isnan (now.loss) != isnan (before.loss),
    [REFORMER_TRAINER_TOKENS] = now.tokens != before.tokens,
    [REFORMER_TRAINER_TOKENS_PER_SECOND] = DIFFERS (now.tokens_per_second, before.tokens_per_second),
    [REFORMER_TRAINER_REMAINING_SECONDS] = DIFFERS (now.remaining_seconds, before.remaining_seconds),
    [REFORMER_TRAINER_RUNNING] = now.running != before.running,
    [REFORMER_TRAINER_N_SKIPPED] = now.n_skipped != before.n_skipped,
    [REFORMER_TRAINER_BEST_LOSS] = DIFFERS (now.best_loss, before.best_loss) || isnan (now.best_loss) != isnan (before.best_loss),
    [REFORMER_TRAINER_BEST_STEP] = now.best_step != before.best_step,
    [REFORMER_TRAINER_STOP_REASON] = now.stop_reason != before.stop_reason,
  };

  self->notified = now;
  for (guint i = REFORMER_TRAINER_STEP; i < REFORMER_TRAINER_N_PROGRESS; i++)
    if (changed[i])
      g_object_notify_by_pspec (G_OBJECT (self), reformer_trainer_props[i]);
}

#define GETTER(type, name, nothing) \
  type \
  reformer_trainer_get_##name (ReformerTrainer *self) \
  { \
    g_return_val_if_fail (REFORMER_IS_TRAINER (self), nothing); \
    return get_progress (self).name; \
  }

/**
 * reformer_trainer_get_n_steps:
 * @self: a trainer
 *
 * Gets number of steps that were made.
 *
 * Returns: number of steps that were made
 */
guint
reformer_trainer_get_n_steps (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), 0);

  return get_progress (self).step;
}

/**
 * reformer_trainer_get_epoch:
 * @self: a trainer
 *
 * Gets number of whole passes through the data that were made.
 *
 * Returns: number of whole passes through the data that were made
 */
GETTER (guint, epoch, 0)

/**
 * reformer_trainer_get_loss:
 * @self: a trainer
 *
 * Gets the loss of the last step, in nats; 0 before the first.
 *
 * Returns: the loss of the last step, in nats; 0 before the first
 */
GETTER (double, loss, 0)

/**
 * reformer_trainer_get_tokens:
 * @self: a trainer
 *
 * Gets number of tokens that were trained on, without padding and masked ones.
 *
 * Returns: number of tokens that were trained on, without padding and masked ones
 */
GETTER (gint64, tokens, 0)

/**
 * reformer_trainer_get_tokens_per_second:
 * @self: a trainer
 *
 * Gets the speed over about the last ten seconds of steps.
 *
 * Returns: the speed over about the last ten seconds of steps
 */
GETTER (double, tokens_per_second, 0)

/**
 * reformer_trainer_get_remaining_seconds:
 * @self: a trainer
 *
 * Gets the time that the steps of this call still need at that speed, in seconds; -1 where it is not known.
 *
 * Returns: the time that the steps of this call still need at that speed, in seconds; -1 where it is not known
 */
GETTER (double, remaining_seconds, 0)

/**
 * reformer_trainer_get_running:
 * @self: a trainer
 *
 * Gets whether it trains or evaluates.
 *
 * Returns: whether it trains or evaluates
 */
GETTER (gboolean, running, FALSE)

/**
 * reformer_trainer_get_n_skipped:
 * @self: a trainer
 *
 * Gets number of steps whose loss or gradient was not finite, so that nothing was updated.
 *
 * Returns: number of steps whose loss or gradient was not finite, so that nothing was updated
 */
GETTER (guint, n_skipped, 0)

/**
 * reformer_trainer_get_best_loss:
 * @self: a trainer
 *
 * Gets the loss of the best evaluation during training, in nats; 0 before the first.
 *
 * Returns: the loss of the best evaluation during training, in nats; 0 before the first
 */
GETTER (double, best_loss, 0)

/**
 * reformer_trainer_get_best_step:
 * @self: a trainer
 *
 * Gets number of steps that were made before the best evaluation.
 *
 * Returns: number of steps that were made before the best evaluation
 */
GETTER (guint, best_step, 0)

/**
 * reformer_trainer_get_stop_reason:
 * @self: a trainer
 *
 * Gets why the last training ended.
 *
 * Returns: why the last training ended
 */
GETTER (ReformerStopReason, stop_reason, REFORMER_STOP_REASON_NONE)
