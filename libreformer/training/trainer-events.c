/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

/*
 * Signals, notify and lists belong to one thread: the caller's in a blocking call, and the one that iterates the main context of an asynchronous call, where events
 * go through a queue. There `step` is emitted for the newest step alone; all else keeps its order. Each dispatch of the source handles one event, and it may be
 * dispatched from within a handler, so that a handler can run a main loop of its own.
 */

typedef enum
{
  EVENT_STEP,
  EVENT_EVALUATED,
  EVENT_SAVED,
  EVENT_PROGRESS,
  EVENT_END,
} EventKind;

typedef struct
{
  EventKind           kind;
  GObject            *object;  /* record, evaluation, file, or the result */
  guint               step;
  gboolean            keep;    /* a record for the history */
  ReformerTrainerJob *job;     /* that ended */
  GTask              *task;
  GError             *error;
} Event;

enum
{
  SIGNAL_STEP,
  SIGNAL_EVALUATED,
  SIGNAL_CHECKPOINT_SAVED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

void
reformer_trainer_install_signals (void)
{
  /**
   * ReformerTrainer::step:
   * @self: the trainer
   * @record: what the step was like
   *
   * A step was made. An asynchronous call may skip this signal where another step was made before it came; [property@Trainer:history] has them all.
   */
  signals[SIGNAL_STEP] = g_signal_new ("step", REFORMER_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, REFORMER_TYPE_TRAINING_RECORD);
  /**
   * ReformerTrainer::evaluated:
   * @self: the trainer
   * @evaluation: what came out
   *
   * The model was evaluated during training.
   */
  signals[SIGNAL_EVALUATED] = g_signal_new ("evaluated", REFORMER_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, REFORMER_TYPE_EVALUATION);
  /**
   * ReformerTrainer::checkpoint-saved:
   * @self: the trainer
   * @folder: the folder of the checkpoint
   * @step: number of steps that were made before it
   *
   * A checkpoint was saved.
   */
  signals[SIGNAL_CHECKPOINT_SAVED] =
      g_signal_new ("checkpoint-saved", REFORMER_TYPE_TRAINER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_FILE, G_TYPE_UINT);
}

/* ---- In the thread they belong to ---- */

static void
handle (ReformerTrainer *self,
        Event           *event,
        gboolean         newest)
{
  switch (event->kind)
    {
    case EVENT_STEP:
      if (event->keep)
        g_list_store_append (self->history, event->object);
      reformer_trainer_notify_progress (self);
      if (newest)
        g_signal_emit (self, signals[SIGNAL_STEP], 0, event->object);
      break;
    case EVENT_EVALUATED:
      g_list_store_append (self->evaluations, event->object);
      reformer_trainer_notify_progress (self);
      g_signal_emit (self, signals[SIGNAL_EVALUATED], 0, event->object);
      break;
    case EVENT_SAVED:
      g_signal_emit (self, signals[SIGNAL_CHECKPOINT_SAVED], 0, event->object, event->step);
      break;
    case EVENT_PROGRESS:
      reformer_trainer_notify_progress (self);
      break;
    case EVENT_END:
    default:
      reformer_trainer_release (self);
      reformer_trainer_thaw (self);
      reformer_trainer_notify_progress (self);
      g_clear_pointer (&event->job, reformer_trainer_job_free);
      if (event->error != NULL)
        g_task_return_error (event->task, g_steal_pointer (&event->error));
      else if (event->object != NULL)
        g_task_return_pointer (event->task, g_object_ref (event->object), g_object_unref);
      else
        g_task_return_boolean (event->task, TRUE);
    }
}

static void
event_free (Event *event)
{
  g_clear_object (&event->object);
  g_clear_pointer (&event->job, reformer_trainer_job_free);
  g_clear_object (&event->task);
  g_clear_error (&event->error);
  g_free (event);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Event, event_free)

static gboolean
is_step (gconstpointer event,
         gconstpointer nothing)
{
  return ((const Event *) event)->kind == EVENT_STEP ? 0 : 1;
}

static gboolean
dispatch (gpointer data)
{
  ReformerTrainer *self = data;
  g_autoptr (Event) event = NULL;
  gboolean newest, more;

  g_mutex_lock (&self->lock);
  event = g_queue_pop_head (&self->events);
  newest = event != NULL && event->kind == EVENT_STEP && g_queue_find_custom (&self->events, NULL, is_step) == NULL;
  g_mutex_unlock (&self->lock);
  if (event != NULL)
    handle (self, event, newest);

  g_mutex_lock (&self->lock);
  more = !g_queue_is_empty (&self->events);
  self->posted = more;
  g_mutex_unlock (&self->lock);
  return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- In the thread that works ---- */

static void
tell (ReformerTrainerJob *job,
      const Event        *given)
{
  ReformerTrainer *self = job->trainer;
  g_autoptr (GMainContext) context = NULL;
  g_autoptr (GSource) source = NULL;
  g_autoptr (Event) passed = NULL;
  const Event *last;
  Event *event;

  if (job->context == NULL)
    {
      Event here = *given;

      g_mutex_lock (&self->lock);
      self->handling++;
      g_mutex_unlock (&self->lock);
      handle (self, &here, TRUE);
      g_mutex_lock (&self->lock);
      self->handling--;
      g_mutex_unlock (&self->lock);
      return;
    }
  context = g_main_context_ref (job->context); /* the last event takes the job with it */
  event = g_memdup2 (given, sizeof *given);
  if (event->object != NULL && event->kind != EVENT_END)
    g_object_ref (event->object);

  g_mutex_lock (&self->lock);
  last = g_queue_peek_tail (&self->events);
  if (event->kind == EVENT_STEP && last != NULL && last->kind == EVENT_STEP && !last->keep)
    passed = g_queue_pop_tail (&self->events); /* nobody would hear of it; while the context is not iterated, the queue does not grow by it */
  g_queue_push_tail (&self->events, event);
  if (!self->posted)
    {
      self->posted = TRUE;
      source = g_idle_source_new ();
    }
  g_mutex_unlock (&self->lock);
  if (source == NULL)
    return;
  /* Attached, not g_main_context_invoke(): that would run it here while nobody iterates the context. */
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "[reformer] trainer");
  g_source_set_can_recurse (source, TRUE);
  g_source_set_callback (source, dispatch, g_object_ref (self), g_object_unref);
  g_source_attach (source, context);
}

void
reformer_trainer_tell_step (ReformerTrainerJob     *job,
                            ReformerTrainingRecord *record,
                            gboolean                keep)
{
  tell (job, &(const Event) { .kind = EVENT_STEP, .object = G_OBJECT (record), .keep = keep });
}

void
reformer_trainer_tell_evaluated (ReformerTrainerJob *job,
                                 ReformerEvaluation *evaluation)
{
  tell (job, &(const Event) { .kind = EVENT_EVALUATED, .object = G_OBJECT (evaluation) });
}

void
reformer_trainer_tell_saved (ReformerTrainerJob *job,
                             GFile              *folder,
                             guint               step)
{
  tell (job, &(const Event) { .kind = EVENT_SAVED, .object = G_OBJECT (folder), .step = step });
}

void
reformer_trainer_tell_progress (ReformerTrainerJob *job)
{
  tell (job, &(const Event) { .kind = EVENT_PROGRESS });
}

void
reformer_trainer_tell_end (ReformerTrainerJob *job,
                           GTask              *task,
                           GObject            *result,
                           GError             *error)
{
  tell (job, &(const Event) { .kind = EVENT_END, .object = result, .job = job, .task = task, .error = error });
}
