/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <math.h>

#include "compute/home.h"
#include "models/model-private.h"

/* The loop. Between two steps come what is due at the number of steps that were made: an evaluation, a checkpoint. Being due is a matter of the state alone, so that
 * what was cut short is made up for by the next call. */

static gboolean
is_due (guint interval,
        guint step)
{
  return interval > 0 && step > 0 && step % interval == 0;
}

/* What the best evaluation saw is worth a checkpoint, whenever the next one is due. */
static gboolean
is_best (const ReformerTrainingState *state)
{
  return state->best_step > 0 && state->best_step == state->step && state->evaluated_step == state->step;
}

/* The evaluations stopped getting better, and no call has ended with that. */
static gboolean
is_enough (const ReformerTrainerJob *job)
{
  const ReformerTrainingState *state = &job->trainer->state;

  return job->settings.patience > 0 && state->worse >= job->settings.patience && state->evaluated_step == state->step;
}

gboolean
reformer_trainer_is_due (ReformerTrainerJob *job)
{
  const ReformerTrainer *self = job->trainer;
  const ReformerTrainingState *state = &self->state;

  return is_enough (job) || (is_due (job->settings.evaluation_interval, state->step) && state->evaluated_step != state->step) || (job->folder != NULL && self->saved_step != state->step);
}

static gboolean
evaluate (ReformerTrainerJob  *job,
          GError             **error)
{
  ReformerTrainer *self = job->trainer;
  ReformerTrainingState *state = &self->state;
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  ReformerEvaluationData data;

  if (!reformer_trainer_measure (job, job->evaluation, job->settings.evaluation_samples, &data, error))
    return FALSE;
  data.best = data.loss < state->best_loss - (state->best_loss < G_MAXDOUBLE ? job->settings.min_improvement : 0);
  state->evaluated_step = state->step;
  self->saved_step = G_MAXUINT; /* a checkpoint of this step has not seen it */
  state->worse = data.best ? 0 : state->worse + 1;
  if (data.best)
    {
      state->best_loss = data.loss;
      state->best_step = state->step;
    }
  evaluation = reformer_evaluation_new (&data);
  reformer_trainer_job_show (job, (double) NAN);
  reformer_trainer_tell_evaluated (job, evaluation);
  return reformer_trainer_log_evaluation (job, evaluation, error);
}

static gboolean
make_step (ReformerTrainerJob  *job,
           GError             **error)
{
  ReformerTrainer *self = job->trainer;
  g_autoptr (ReformerTrainingRecord) record = NULL;
  ReformerRecordData data;
  gboolean keep;

  if (!reformer_trainer_make_step (job, &data, error))
    return FALSE;
  keep = data.skipped || is_due (job->settings.history_interval, data.step);
  record = reformer_training_record_new (&data);
  reformer_trainer_job_show (job, data.loss);
  reformer_trainer_tell_step (job, record, keep);
  if (keep && !reformer_trainer_log_step (job, &data, error))
    return FALSE;
  if (self->state.skipped_in_a_row < job->settings.max_skipped)
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_NON_FINITE,
               "%u steps in a row without a finite loss and gradient: at step %u the loss was %g and the norm of the gradients %g; the weights are those of before", self->state.skipped_in_a_row,
               data.step, data.loss, data.gradient_norm);
  self->state.skipped_in_a_row = 0;
  return FALSE;
}

/* Ends with that; a call that goes on nevertheless has the chance of one more evaluation, and so has one from the checkpoint. */
static gboolean
stop_early (ReformerTrainerJob  *job,
            GError             **error)
{
  ReformerTrainingState *state = &job->trainer->state;
  const guint worse = state->worse;

  state->worse = job->settings.patience - 1;
  if (reformer_trainer_save (job, error))
    return TRUE;
  state->worse = worse;
  return FALSE;
}

static gboolean
loop (ReformerTrainerJob  *job,
      ReformerStopReason  *reason,
      GError             **error)
{
  ReformerTrainer *self = job->trainer;
  const ReformerTrainingState *state = &self->state;

  *reason = REFORMER_STOP_REASON_STEPS;
  for (;;)
    {
      if (is_due (job->settings.evaluation_interval, state->step) && state->evaluated_step != state->step && !evaluate (job, error))
        return FALSE;
      if (is_enough (job))
        {
          *reason = REFORMER_STOP_REASON_PATIENCE;
          if (!stop_early (job, error))
            return FALSE;
          break;
        }
      if ((is_due (job->settings.checkpoint_interval, state->step) || is_best (state)) && self->saved_step != state->step && !reformer_trainer_save (job, error))
        return FALSE;
      if (state->step >= job->end)
        break;
      if (!make_step (job, error))
        return FALSE;
    }
  return (self->saved_step == state->step || reformer_trainer_save (job, error)) && reformer_device_synchronize (self->model->device, error);
}

static ReformerStopReason
reason_of (const GError       *problem,
           ReformerStopReason  otherwise)
{
  if (problem == NULL)
    return otherwise;
  return g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? REFORMER_STOP_REASON_CANCELLED : REFORMER_STOP_REASON_FAILED;
}

static void
set_stop_reason (ReformerTrainer    *self,
                 ReformerStopReason  reason)
{
  g_mutex_lock (&self->lock);
  self->progress.stop_reason = reason;
  if (reason != REFORMER_STOP_REASON_NONE)
    self->progress.remaining_seconds = reason == REFORMER_STOP_REASON_CANCELLED || reason == REFORMER_STOP_REASON_FAILED ? -1 : 0;
  g_mutex_unlock (&self->lock);
}

gboolean
reformer_trainer_run (ReformerTrainerJob  *job,
                      guint                n_steps,
                      GError             **error)
{
  ReformerTrainer *self = job->trainer;
  ReformerStopReason reason = REFORMER_STOP_REASON_NONE;
  GError *problem = NULL;
  gboolean begun;

  set_stop_reason (self, REFORMER_STOP_REASON_NONE);
  begun = !g_cancellable_set_error_if_cancelled (job->cancellable, &problem) && reformer_trainer_check_train (job, n_steps, &problem) &&
          reformer_trainer_open_folder (job, &problem);
  if (begun)
    {
      const gboolean training = reformer_model_get_training (self->model);
      const ReformerKeep keep = reformer_stack_get_keep (self->model->stack);
      const guint step = self->state.step;

      self->job = job;
      self->state.total_steps = job->total;
      reformer_trainer_job_show (job, (double) NAN);
      reformer_trainer_tell_progress (job);
      reformer_model_set_training (self->model, TRUE);
      if (reformer_trainer_settle_memory (job, &problem) && reformer_trainer_log_start (job, &problem))
        loop (job, &reason, &problem);
      reformer_model_set_training (self->model, training);
      if (problem != NULL && keep == REFORMER_KEEP_AUTO && self->state.step == step)
        reformer_stack_set_keep (self->model->stack, keep); /* auto is settled by a step that was made */
    }
  if (problem != NULL)
    reformer_trainer_name_longest (job, &problem);
  reason = reason_of (problem, reason);
  if (begun && !reformer_trainer_log_end (job, reason, problem, problem == NULL ? &problem : NULL))
    reason = reason_of (problem, reason);
  self->job = NULL;
  set_stop_reason (self, reason);
  if (problem == NULL)
    return TRUE;
  g_propagate_error (error, problem);
  return FALSE;
}

/**
 * reformer_trainer_train:
 * @self: a trainer
 * @n_steps: number of steps to make, at least 1
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Trains the model. It works, and emits its signals, in the caller's thread; a program with a main loop wants [method@Trainer.train_async].
 *
 * Where [property@Trainer:total-steps] is 0, the schedule ends with this call, or with an earlier one that was cut short and would have gone on for longer. It returns
 * when all steps were made, or when the evaluations stopped getting better; [property@Trainer:stop-reason] says which. Calling it again goes on from there. Where
 * [property@Trainer:total-steps] are made, it fails, unless an evaluation or a checkpoint after the last step was cut short: it then makes up for that alone.
 *
 * When it is cancelled, it ends within a quarter of a second, and the step under way changed nothing; no checkpoint is saved then, but
 * [method@Trainer.save_checkpoint] may be called.
 *
 * Where the device has too little memory for a step, the error's message ends with the longest sequence that fits.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@TrainerError], [error@FileError], [error@ModelError], [error@DeviceError], %G_IO_ERROR_CANCELLED, what the data set
 *   or the optimizer reports
 */
gboolean
reformer_trainer_train (ReformerTrainer  *self,
                        guint             n_steps,
                        GCancellable     *cancellable,
                        GError          **error)
{
  g_autoptr (ReformerTrainerJob) job = NULL;
  GCancellable *before;
  gboolean done;

  g_return_val_if_fail (REFORMER_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  if (!reformer_trainer_claim (self, g_thread_self (), TRUE, error))
    return FALSE;
  reformer_trainer_complete (self);
  job = reformer_trainer_job_new (self, NULL, cancellable);
  before = reformer_home_set_cancellable (cancellable);
  done = reformer_trainer_run (job, n_steps, error);
  reformer_home_set_cancellable (before);
  reformer_trainer_release (self);
  reformer_trainer_tell_progress (job);
  return done;
}
