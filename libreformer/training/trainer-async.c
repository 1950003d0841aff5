/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include "compute/home.h"
#include "compute/result.h"
#include "models/model-private.h"

/* Asynchronous calls: a thread of their own (hours in GIO's pool would hold one of the few threads that all file operations of a program share), whose results and
 * signals go to the main context of the caller. */

typedef struct
{
  ReformerTrainerJob *job;
  guint               n_steps; /* 0: evaluates */
  GTask              *task;
} Work;

static gpointer
run (gpointer data)
{
  g_autofree Work *work = data;
  ReformerTrainerJob *job = work->job;
  ReformerEvaluation *evaluation = NULL;
  GError *error = NULL;

  reformer_home_enter (job->context, job->cancellable);
  if (work->n_steps > 0)
    reformer_trainer_run (job, work->n_steps, &error);
  else
    evaluation = reformer_trainer_run_evaluate (job, job->given, &error);
  reformer_home_leave ();
  /* From here on the trainer may go at any moment, and the program, too: nothing is this thread's any more. */
  reformer_trainer_tell_end (job, work->task, (GObject *) evaluation, error);
  return NULL;
}

/* What the work changes in the model is told when it ends, in the thread that notify belongs to. */
static void
freeze (ReformerTrainer *self)
{
  ReformerStack *stack = self->model != NULL ? reformer_model_get_stack (self->model) : NULL;

  self->frozen = g_ptr_array_new_with_free_func (g_object_unref);
  if (self->model != NULL)
    g_ptr_array_add (self->frozen, g_object_ref (self->model));
  if (stack != NULL)
    {
      g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (self->model);

      g_ptr_array_add (self->frozen, g_object_ref (stack));
      for (guint i = 0; i < parameters->len; i++)
        g_ptr_array_add (self->frozen, g_object_ref (parameters->pdata[i]));
    }
  for (guint i = 0; i < self->frozen->len; i++)
    g_object_freeze_notify (self->frozen->pdata[i]);
}

void
reformer_trainer_thaw (ReformerTrainer *self)
{
  g_autoptr (GPtrArray) frozen = g_steal_pointer (&self->frozen);

  for (guint i = 0; i < frozen->len; i++)
    g_object_thaw_notify (frozen->pdata[i]);
}

/* Takes the task, and the trainer, which is claimed. */
static void
start (ReformerTrainer *self,
       GTask           *task,
       guint            n_steps,
       ReformerDataset *dataset)
{
  Work *work = g_new0 (Work, 1);
  GThread *thread;
  GError *error = NULL;

  work->job = reformer_trainer_job_new (self, g_task_get_context (task), g_task_get_cancellable (task));
  work->n_steps = n_steps;
  g_set_object (&work->job->given, dataset);
  work->task = task;
  freeze (self);
  reformer_trainer_notify_progress (self);
  thread = g_thread_try_new ("reformer-trainer", run, work, &error);
  if (thread != NULL)
    g_thread_unref (thread);
  else
    {
      reformer_trainer_tell_end (work->job, task, NULL, error);
      g_free (work);
    }
}

static GTask *
new_task (ReformerTrainer     *self,
          GCancellable        *cancellable,
          GAsyncReadyCallback  callback,
          gpointer             user_data,
          gpointer             tag)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE); /* a run that ended, ended */
  return task;
}

/**
 * reformer_trainer_train_async:
 * @self: a trainer
 * @n_steps: number of steps to make, at least 1
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (nullable): called when it ended, after all signals of the run
 * @user_data: data for @callback
 *
 * Trains the model as [method@Trainer.train] does, in a thread of its own. Signals are emitted, properties notify and lists change in the thread-default main context
 * where this is called; virtual functions that another language implements are called there too, so that it must be iterated.
 *
 * The trainer lives until the end. While it works, other calls of it fail with %REFORMER_TRAINER_ERROR_BUSY.
 */
void
reformer_trainer_train_async (ReformerTrainer     *self,
                              guint                n_steps,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  GTask *task;
  GError *error = NULL;

  g_return_if_fail (REFORMER_IS_TRAINER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = new_task (self, cancellable, callback, user_data, reformer_trainer_train_async);
  if (n_steps == 0)
    g_set_error (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "0 steps; wanted at least 1");
  if (error != NULL || !reformer_trainer_claim (self, NULL, TRUE, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  reformer_trainer_complete (self);
  start (self, task, n_steps, NULL);
}

/**
 * reformer_trainer_train_finish:
 * @self: a trainer
 * @result: what the callback got
 * @error: return location for an error
 *
 * Ends what [method@Trainer.train_async] began.
 *
 * Returns: %TRUE, or %FALSE with @error set as [method@Trainer.train] does
 */
gboolean
reformer_trainer_train_finish (ReformerTrainer  *self,
                               GAsyncResult     *result,
                               GError          **error)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), FALSE);

  return reformer_result_check (self, result, reformer_trainer_train_async, "train", error) ? g_task_propagate_boolean (G_TASK (result), error) : FALSE;
}

/**
 * reformer_trainer_evaluate_async:
 * @self: a trainer
 * @dataset: (nullable): the data to evaluate; %NULL for [property@Trainer:evaluation-dataset], or else what the data set holds out
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (nullable): called when it ended
 * @user_data: data for @callback
 *
 * Evaluates as [method@Trainer.evaluate] does, in a thread of its own. Virtual functions that another language implements are called in the thread-default main context
 * where this is called, so that it must be iterated.
 */
void
reformer_trainer_evaluate_async (ReformerTrainer     *self,
                                 ReformerDataset     *dataset,
                                 GCancellable        *cancellable,
                                 GAsyncReadyCallback  callback,
                                 gpointer             user_data)
{
  GTask *task;
  GError *error = NULL;

  g_return_if_fail (REFORMER_IS_TRAINER (self));
  g_return_if_fail (dataset == NULL || REFORMER_IS_DATASET (dataset));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = new_task (self, cancellable, callback, user_data, reformer_trainer_evaluate_async);
  if (!reformer_trainer_claim (self, NULL, TRUE, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  start (self, task, 0, dataset);
}

/**
 * reformer_trainer_evaluate_finish:
 * @self: a trainer
 * @result: what the callback got
 * @error: return location for an error
 *
 * Ends what [method@Trainer.evaluate_async] began.
 *
 * Returns: (transfer full): the evaluation, or %NULL with @error set as [method@Trainer.evaluate] does
 */
ReformerEvaluation *
reformer_trainer_evaluate_finish (ReformerTrainer  *self,
                                  GAsyncResult     *result,
                                  GError          **error)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), NULL);

  return reformer_result_check (self, result, reformer_trainer_evaluate_async, "evaluate", error) ? g_task_propagate_pointer (G_TASK (result), error) : NULL;
}
