/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <math.h>

/* What a call needs from its trainer, taken when it begins, so that the loop is not disturbed by whoever changes settings meanwhile. */

ReformerTrainerJob *
reformer_trainer_job_new (ReformerTrainer *self,
                          GMainContext    *context,
                          GCancellable    *cancellable)
{
  const ReformerTrainerJob *outer = self->job;
  ReformerTrainerJob *job = g_new0 (ReformerTrainerJob, 1);

  job->trainer = g_object_ref (self);
  job->context = context != NULL ? g_main_context_ref (context) : NULL;
  g_set_object (&job->cancellable, cancellable);
  g_queue_init (&job->speed.steps);
  g_set_object (&job->dataset, self->dataset);
  g_mutex_lock (&self->lock);
  job->settings = outer != NULL ? outer->settings : self->settings;
  g_set_object (&job->evaluation, (outer != NULL ? outer->evaluation : self->evaluation_dataset));
  g_set_object (&job->optimizer, (outer != NULL ? outer->optimizer : self->optimizer));
  g_set_object (&job->schedule, (outer != NULL ? outer->schedule : self->schedule));
  g_set_object (&job->folder, (outer != NULL ? outer->folder : self->folder));
  g_mutex_unlock (&self->lock);
  job->end = self->state.step;
  job->total = self->state.total_steps;
  return job;
}

void
reformer_trainer_job_free (ReformerTrainerJob *job)
{
  g_clear_pointer (&job->context, g_main_context_unref);
  g_clear_object (&job->cancellable);
  g_clear_object (&job->dataset);
  g_clear_object (&job->evaluation);
  g_clear_object (&job->given);
  g_clear_object (&job->optimizer);
  g_clear_object (&job->schedule);
  g_clear_object (&job->folder);
  g_clear_pointer (&job->parameters, g_ptr_array_unref);
  reformer_batch_clear (&job->batch);
  reformer_speed_clear (&job->speed);
  g_object_unref (job->trainer);
  g_free (job);
}

int
reformer_trainer_job_length (ReformerTrainerJob *job,
                             guint               step)
{
  const ReformerTrainerSettings *settings = &job->settings;

  return settings->final_steps > 0 && job->total > 0 && step > job->total - MIN (job->total, settings->final_steps) ? settings->final_sequence_length : settings->sequence_length;
}

/* ---- Speed ---- */

/* The window in seconds. */
#define WINDOW 10.0

typedef struct
{
  double seconds;
  gint64 tokens;
  gint64 places;
} SpeedStep;

void
reformer_speed_add (ReformerSpeed *speed,
                    double         seconds,
                    gint64         tokens,
                    gint64         places)
{
  SpeedStep *step = g_new (SpeedStep, 1);

  *step = (SpeedStep) { seconds, tokens, places };
  g_queue_push_tail (&speed->steps, step);
  speed->seconds += seconds;
  speed->tokens += tokens;
  speed->places += places;
  while (speed->steps.length > 1 && speed->seconds - ((SpeedStep *) speed->steps.head->data)->seconds >= WINDOW)
    {
      g_autofree SpeedStep *oldest = g_queue_pop_head (&speed->steps);

      speed->seconds -= oldest->seconds;
      speed->tokens -= oldest->tokens;
      speed->places -= oldest->places;
    }
}

void
reformer_speed_clear (ReformerSpeed *speed)
{
  g_queue_clear_full (&speed->steps, g_free);
  *speed = (ReformerSpeed) { G_QUEUE_INIT, 0, 0, 0 };
}

/* Tokens and padding of the steps that are left, at the speed there was. */
static double
remaining_seconds (ReformerTrainerJob *job)
{
  const ReformerTrainerSettings *settings = &job->settings;
  const guint step = job->trainer->state.step, total = job->total;
  const guint left = job->end - MIN (job->end, step);
  const double rows = (double) settings->batch_size * settings->accumulation;
  guint last = 0;

  if (left == 0)
    return 0;
  if (job->speed.seconds <= 0 || job->speed.places <= 0)
    return -1;
  if (settings->final_steps > 0)
    {
      const guint from = total - MIN (total, settings->final_steps); /* the last step of the shorter length */

      last = job->end - MIN (job->end, MAX (from, step));
    }
  return ((double) (left - last) * settings->sequence_length + (double) last * settings->final_sequence_length) * rows * job->speed.seconds / (double) job->speed.places;
}

void
reformer_trainer_job_show (ReformerTrainerJob *job,
                           double              loss)
{
  ReformerTrainer *self = job->trainer;
  const ReformerTrainingState *state = &self->state;
  const double remaining = remaining_seconds (job);

  g_mutex_lock (&self->lock);
  self->progress.step = state->step;
  self->progress.epoch = state->epoch;
  self->progress.tokens = state->tokens;
  self->progress.n_skipped = state->n_skipped;
  self->progress.best_loss = state->best_loss < G_MAXDOUBLE ? state->best_loss : 0;
  self->progress.best_step = state->best_step;
  self->progress.tokens_per_second = job->speed.seconds > 0 ? (double) job->speed.tokens / job->speed.seconds : 0;
  self->progress.remaining_seconds = remaining;
  if (!isnan (loss))
    self->progress.loss = loss;
  g_mutex_unlock (&self->lock);
}
