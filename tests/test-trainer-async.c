/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Training in a thread of its own: signals, notify, lists and virtual functions of others stay in the thread of the caller. */
#include "training.h"

#include <string.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "folders.h"
#include "training/trainer-private.h"

/* ---- An optimizer and a schedule of a program's own ---- */

typedef struct
{
  ReformerOptimizer parent_instance;

  GThread *home;
  guint    calls;
  guint    strangers;
} TestDescent;

typedef struct
{
  ReformerOptimizerClass parent_class;
} TestDescentClass;

static GType test_descent_get_type (void);
G_DEFINE_TYPE (TestDescent, test_descent, REFORMER_TYPE_OPTIMIZER)

static gboolean
test_descent_update (ReformerOptimizer *optimizer,
                     ReformerParameter *parameter,
                     guint              step,
                     double             learning_rate,
                     double             scale,
                     GError           **error)
{
  TestDescent *self = (TestDescent *) optimizer;
  ReformerTensor *value = reformer_parameter_get_value (parameter);
  const gsize n = reformer_tensor_get_n_elements (value);
  g_autofree float *weights = test_floats (value), *gradients = test_floats (reformer_parameter_get_gradient (parameter));
  g_autoptr (GBytes) bytes = NULL;

  self->calls++;
  self->strangers += g_thread_self () != self->home;
  for (gsize i = 0; i < n; i++)
    weights[i] -= (float) (learning_rate * scale * (double) gradients[i]);
  bytes = g_bytes_new (weights, n * sizeof *weights);
  return reformer_tensor_upload (value, bytes, error);
}

static void
test_descent_class_init (TestDescentClass *klass)
{
  REFORMER_OPTIMIZER_CLASS (klass)->update = test_descent_update;
}

static void
test_descent_init (TestDescent *self)
{
  self->home = g_thread_self ();
}

typedef struct
{
  ReformerSchedule parent_instance;

  GThread *home;
  guint    calls;
  guint    strangers;
} TestStairs;

typedef struct
{
  ReformerScheduleClass parent_class;
} TestStairsClass;

static GType test_stairs_get_type (void);
G_DEFINE_TYPE (TestStairs, test_stairs, REFORMER_TYPE_SCHEDULE)

static void
test_stairs_compute_factor (ReformerSchedule  *schedule,
                            guint              step,
                            guint              total_steps,
                            double            *factor,
                            GError           **error)
{
  TestStairs *self = (TestStairs *) schedule;

  self->calls++;
  self->strangers += g_thread_self () != self->home;
  *factor = step <= total_steps / 2 ? 1 : 0.5;
}

static void
test_stairs_class_init (TestStairsClass *klass)
{
  REFORMER_SCHEDULE_CLASS (klass)->compute_factor = test_stairs_compute_factor;
}

static void
test_stairs_init (TestStairs *self)
{
  self->home = g_thread_self ();
}

/* ---- Runs ---- */

typedef struct
{
  ReformerTrainer *trainer;
  GMainContext    *context;
  GThread         *home;
  gboolean         done;
  gboolean         result;
  GError          *error;
  guint            steps;
  guint            last;
  guint            evaluated;
  guint            ends;
  guint            strangers; /* handlers in another thread */
  guint            late;      /* ... or after the end */
  GCancellable    *cancellable;
  guint            cancel_at;
} Run;

static void
heard (Run *run)
{
  run->strangers += g_thread_self () != run->home;
  run->late += run->done;
}

static void
on_step (ReformerTrainer        *trainer,
         ReformerTrainingRecord *record,
         Run                    *run)
{
  heard (run);
  g_assert_cmpuint (reformer_training_record_get_step (record), >, run->last);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), >=, reformer_training_record_get_step (record));
  run->last = reformer_training_record_get_step (record);
  run->steps++;
  if (run->cancel_at > 0 && run->last >= run->cancel_at)
    g_cancellable_cancel (run->cancellable);
}

static void
on_evaluated (ReformerTrainer    *trainer,
              ReformerEvaluation *evaluation,
              Run                *run)
{
  heard (run);
  run->evaluated++;
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           Run        *run)
{
  heard (run);
  if (g_str_equal (g_param_spec_get_name (pspec), "running") && !reformer_trainer_get_running (run->trainer))
    run->ends++;
}

static void
on_stranger (GObject    *object,
             GParamSpec *pspec,
             Run        *run)
{
  heard (run);
}

static void
on_items (GListModel *list,
          guint       position,
          guint       removed,
          guint       added,
          Run        *run)
{
  heard (run);
}

static void
on_done (GObject      *object,
         GAsyncResult *result,
         gpointer      data)
{
  Run *run = data;

  heard (run);
  g_assert_false (reformer_trainer_get_running (REFORMER_TRAINER (object)));
  run->result = reformer_trainer_train_finish (REFORMER_TRAINER (object), result, &run->error);
  run->done = TRUE;
}

static void
watch (Run             *run,
       ReformerTrainer *trainer)
{
  *run = (Run) { .trainer = trainer, .context = g_main_context_get_thread_default (), .home = g_thread_self () };
  g_signal_connect (trainer, "step", G_CALLBACK (on_step), run);
  g_signal_connect (trainer, "evaluated", G_CALLBACK (on_evaluated), run);
  g_signal_connect (trainer, "notify", G_CALLBACK (on_notify), run);
  g_signal_connect (reformer_trainer_get_history (trainer), "items-changed", G_CALLBACK (on_items), run);
  g_signal_connect (reformer_trainer_get_evaluations (trainer), "items-changed", G_CALLBACK (on_items), run);
  g_signal_connect (reformer_trainer_get_model (trainer), "notify", G_CALLBACK (on_stranger), run);
}

static void
unwatch (Run *run)
{
  g_signal_handlers_disconnect_by_data (run->trainer, run);
  g_signal_handlers_disconnect_by_data (reformer_trainer_get_history (run->trainer), run);
  g_signal_handlers_disconnect_by_data (reformer_trainer_get_evaluations (run->trainer), run);
  g_signal_handlers_disconnect_by_data (reformer_trainer_get_model (run->trainer), run);
  g_clear_error (&run->error);
}

static void
wait_for (Run *run)
{
  while (!run->done)
    g_main_context_iteration (run->context, TRUE);
}

static ReformerTrainer *
new_trainer (gboolean foreign)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (5, 32, 40);
  ReformerTrainer *trainer = test_trainer_new (model, samples);

  samples->held_out = REFORMER_DATASET (test_samples_new (3, 32, 40));
  g_object_set (trainer, "evaluation-interval", 4, "max-gradient-norm", 1.0, NULL);
  if (foreign)
    {
      g_autoptr (ReformerOptimizer) optimizer = g_object_new (test_descent_get_type (), "learning-rate", 0.1, NULL);
      g_autoptr (ReformerSchedule) schedule = g_object_new (test_stairs_get_type (), NULL);

      g_object_set (trainer, "optimizer", optimizer, "schedule", schedule, NULL);
    }
  return trainer;
}

static void
assert_at_home (ReformerTrainer *trainer)
{
  TestSamples *samples = (TestSamples *) reformer_trainer_get_dataset (trainer);

  g_assert_cmpint (samples->strangers, ==, 0);
  g_assert_cmpint (((TestSamples *) samples->held_out)->strangers, ==, 0);
  g_assert_cmpuint (samples->read->len, >, 0);
  if (G_TYPE_CHECK_INSTANCE_TYPE (reformer_trainer_get_optimizer (trainer), test_descent_get_type ()))
    {
      TestDescent *optimizer = (TestDescent *) reformer_trainer_get_optimizer (trainer);
      TestStairs *schedule = (TestStairs *) reformer_trainer_get_schedule (trainer);

      g_assert_cmpuint (optimizer->calls, >, 0);
      g_assert_cmpuint (optimizer->strangers, ==, 0);
      g_assert_cmpuint (schedule->calls, ==, reformer_trainer_get_n_steps (trainer));
      g_assert_cmpuint (schedule->strangers, ==, 0);
    }
}

/* Signals come at home, in order, before the end; what comes out is what the blocking form does. */
static void
train_like_blocking (gboolean foreign)
{
  enum { STEPS = 12 };
  g_autoptr (ReformerTrainer) trainer = new_trainer (foreign);
  g_autoptr (ReformerTrainer) blocking = new_trainer (foreign);
  g_autoptr (GArray) wanted = NULL, got = NULL;
  Run run;

  test_train (blocking, STEPS);
  assert_at_home (blocking);
  wanted = test_training_state (blocking);

  watch (&run, trainer);
  reformer_trainer_train_async (trainer, STEPS, NULL, on_done, &run);
  g_assert_true (reformer_trainer_get_running (trainer));
  g_usleep (20000); /* nobody iterates the context: nothing may happen there */
  g_assert_cmpuint (run.steps + run.ends, ==, 0);
  wait_for (&run);
  g_assert_no_error (run.error);
  g_assert_true (run.result);
  g_assert_cmpuint (run.steps, >=, 1);
  g_assert_cmpuint (run.last, ==, STEPS);
  g_assert_cmpuint (run.evaluated, ==, STEPS / 4);
  g_assert_cmpuint (run.ends, ==, 1);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_history (trainer)), ==, STEPS);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_evaluations (trainer)), ==, STEPS / 4);
  g_assert_cmpuint (reformer_model_get_sequence (reformer_trainer_get_model (trainer)), ==, STEPS);
  while (g_main_context_iteration (run.context, FALSE))
    ;
  g_assert_cmpuint (run.late, ==, 0);
  g_assert_cmpuint (run.strangers, ==, 0);
  assert_at_home (trainer);
  got = test_training_state (trainer);
  assert_same_state (got, wanted);
  unwatch (&run);
}

static void
test_own (void)
{
  train_like_blocking (FALSE);
}

static void
test_foreign (void)
{
  train_like_blocking (TRUE);
}

static gpointer
train_elsewhere (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  train_like_blocking (TRUE);
  g_main_context_pop_thread_default (context);
  return NULL;
}

/* The context of the caller need not be the default one. */
static void
test_context (void)
{
  g_thread_join (g_thread_new ("elsewhere", train_elsewhere, NULL));
}

static void
test_cancel (void)
{
  enum { STEPS = 13 }; /* the last step has no evaluation, which a cancelled call would leave out */
  g_autoptr (ReformerTrainer) trainer = new_trainer (TRUE);
  g_autoptr (ReformerTrainer) whole = new_trainer (TRUE);
  g_autoptr (GArray) wanted = NULL, got = NULL;
  guint n_cancelled = 0;

  g_object_set (trainer, "total-steps", STEPS, NULL);
  g_object_set (whole, "total-steps", STEPS, NULL);
  test_train (whole, STEPS);
  wanted = test_training_state (whole);
  while (reformer_trainer_get_n_steps (trainer) < STEPS)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Run run;

      watch (&run, trainer);
      run.cancellable = cancellable;
      run.cancel_at = reformer_trainer_get_n_steps (trainer) + 3;
      run.last = reformer_trainer_get_n_steps (trainer);
      reformer_trainer_train_async (trainer, STEPS - reformer_trainer_get_n_steps (trainer), cancellable, on_done, &run);
      wait_for (&run);
      if (!run.result)
        {
          g_assert_error (run.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_CANCELLED);
          n_cancelled++;
        }
      g_assert_cmpuint (run.late, ==, 0);
      unwatch (&run);
    }
  g_assert_cmpuint (n_cancelled, >, 0);
  got = test_training_state (trainer);
  assert_same_state (got, wanted);
}

static void
cancel (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
}

static void
on_no_evaluation (GObject      *object,
                  GAsyncResult *result,
                  gpointer      data)
{
  Run *run = data;

  heard (run);
  g_assert_null (reformer_trainer_evaluate_finish (REFORMER_TRAINER (object), result, &run->error));
  run->done = TRUE;
}

/* Cancelled while a function that cannot fail waits for its turn in the main context: its answer is no answer. */
static void
test_cancel_waiting (void)
{
  for (int evaluates = 0; evaluates < 2; evaluates++)
    {
      g_autoptr (ReformerTrainer) trainer = new_trainer (FALSE);
      TestSamples *samples = (TestSamples *) reformer_trainer_get_dataset (trainer);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Run run;

      watch (&run, trainer);
      samples->on_count = cancel;
      samples->data = cancellable;
      if (evaluates)
        {
          g_cancellable_cancel (cancellable);
          reformer_trainer_evaluate_async (trainer, NULL, cancellable, on_no_evaluation, &run);
        }
      else
        {
          reformer_trainer_train_async (trainer, 4, cancellable, on_done, &run);
        }
      wait_for (&run);
      g_assert_error (run.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      unwatch (&run);
    }
}

/* ---- While it works ---- */

static void
on_refused (GObject      *object,
            GAsyncResult *result,
            gpointer      data)
{
  GError **error = data;

  g_assert_false (reformer_trainer_train_finish (REFORMER_TRAINER (object), result, error));
}

static void
on_evaluation (GObject      *object,
               GAsyncResult *result,
               gpointer      data)
{
  Run *run = data;
  g_autoptr (ReformerEvaluation) evaluation = reformer_trainer_evaluate_finish (REFORMER_TRAINER (object), result, &run->error);

  heard (run);
  run->result = evaluation != NULL && reformer_evaluation_get_targets (evaluation) == 3 * 31;
  run->done = TRUE;
}

static void
assert_busy (GError **error)
{
  g_assert_error (*error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY);
  g_clear_error (error);
}

static void
test_busy (void)
{
  g_autoptr (ReformerTrainer) trainer = new_trainer (FALSE);
  GError *error = NULL;
  Run run, other;

  watch (&run, trainer);
  reformer_trainer_train_async (trainer, 0, NULL, on_refused, &error);
  while (error == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  g_clear_error (&error);

  reformer_trainer_train_async (trainer, 5, NULL, on_done, &run);
  reformer_trainer_set_batch_size (trainer, 3); /* of the next call */
  g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
  assert_busy (&error);
  g_assert_null (reformer_trainer_evaluate (trainer, NULL, NULL, &error));
  assert_busy (&error);
  g_assert_false (reformer_trainer_save_checkpoint (trainer, NULL, &error));
  assert_busy (&error);
  g_assert_false (reformer_trainer_resume (trainer, NULL, &error));
  assert_busy (&error);
  reformer_trainer_train_async (trainer, 1, NULL, on_refused, &error);
  while (error == NULL)
    g_main_context_iteration (NULL, TRUE);
  assert_busy (&error);
  wait_for (&run);
  g_assert_no_error (run.error);
  g_assert_cmpint (reformer_trainer_get_tokens (trainer), ==, 5 * 32);
  unwatch (&run);

  watch (&other, trainer);
  reformer_trainer_evaluate_async (trainer, NULL, NULL, on_evaluation, &other);
  g_assert_true (reformer_trainer_get_running (trainer));
  wait_for (&other);
  g_assert_no_error (other.error);
  g_assert_true (other.result);
  g_assert_false (reformer_trainer_get_running (trainer));
  unwatch (&other);

  test_train (trainer, 1);
  g_assert_cmpint (reformer_trainer_get_tokens (trainer), ==, 5 * 32 + 3 * 32);
}

/* A program reads what it shows, and computes with the model, while it is trained. */
static void
test_reading (void)
{
  g_autoptr (ReformerTrainer) trainer = new_trainer (FALSE);
  ReformerModel *model = reformer_trainer_get_model (trainer);
  g_autoptr (ReformerTensor) tokens = NULL;
  guint rounds = 0, last = 0;
  Run run;

  test_train (trainer, 1);
  tokens = test_tokens (reformer_model_get_device (model), 1, 32, 40);
  watch (&run, trainer);
  run.last = 1;
  reformer_trainer_train_async (trainer, 30, NULL, on_done, &run);
  while (!run.done)
    {
      const guint step = reformer_trainer_get_n_steps (trainer);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (step, >=, last);
      last = step;
      g_assert_cmpint (reformer_trainer_get_tokens (trainer), >=, step * 32);
      rounds++;
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_assert_no_error (run.error);
  g_assert_cmpuint (rounds, >, 1);
  unwatch (&run);
}

typedef struct
{
  GMainLoop *loop;
  guint      depth;
  guint      seen;
} Nested;

static void
on_nested_step (ReformerTrainer        *trainer,
                ReformerTrainingRecord *record,
                Nested                 *nested)
{
  nested->seen = reformer_training_record_get_step (record);
  if (nested->depth++ == 0)
    g_main_loop_run (nested->loop); /* as a dialog does */
}

static void
on_nested_done (GObject      *object,
                GAsyncResult *result,
                gpointer      data)
{
  Nested *nested = data;
  g_autoptr (GError) error = NULL;

  g_assert_true (reformer_trainer_train_finish (REFORMER_TRAINER (object), result, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (nested->seen, ==, 8);
  g_main_loop_quit (nested->loop);
}

static void
test_nested_loop (void)
{
  g_autoptr (ReformerTrainer) trainer = new_trainer (FALSE);
  Nested nested = { g_main_loop_new (NULL, FALSE), 0, 0 };

  g_signal_connect (trainer, "step", G_CALLBACK (on_nested_step), &nested);
  reformer_trainer_train_async (trainer, 8, NULL, on_nested_done, &nested);
  while (nested.depth == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (nested.seen, ==, 8);
  g_main_loop_unref (nested.loop);
}

/* While nobody iterates the context, steps that the history does not keep do not pile up. */
static void
test_not_iterated (void)
{
  enum { STEPS = 20 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autofree char *folder = test_folder_new (), *path = g_build_filename (folder, "text", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerDataset) dataset = REFORMER_DATASET (reformer_text_dataset_new (file, tokenizer)); /* needs nobody to iterate */
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTrainer) trainer = NULL;
  guint length;
  Run run;

  test_file_write (folder, "text", "What nobody hears of need not be told, and what was told late is told once, at the end of it all.", -1);
  g_object_set (config, "vocab-size", 258, NULL);
  model = reformer_model_new (device, config);
  trainer = reformer_trainer_new (model, dataset);
  g_object_set (trainer, "sequence-length", 32, "history-interval", STEPS / 2, NULL);
  watch (&run, trainer);
  reformer_trainer_train_async (trainer, STEPS, NULL, on_done, &run);
  while (reformer_trainer_get_stop_reason (trainer) == REFORMER_STOP_REASON_NONE)
    g_usleep (1000);
  g_mutex_lock (&trainer->lock);
  length = trainer->events.length;
  g_mutex_unlock (&trainer->lock);
  g_assert_cmpuint (length, <=, 6); /* the beginning, a step before either that is kept, and the end */
  wait_for (&run);
  g_assert_no_error (run.error);
  g_assert_cmpuint (run.last, ==, STEPS);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_history (trainer)), ==, 2);
  unwatch (&run);
  test_folder_delete (folder);
}

/* ---- Letting go ---- */

static gpointer
let_go (gpointer data)
{
  g_usleep ((gulong) g_random_int_range (0, 20000));
  g_object_unref (data);
  return NULL;
}

static void
on_gone (gpointer  data,
         GObject  *where)
{
  g_atomic_int_set ((gboolean *) data, TRUE);
  g_main_context_wakeup (NULL);
}

static void
test_unref (void)
{
  for (int i = 0; i < 20; i++)
    {
      ReformerTrainer *trainer = new_trainer (i % 2 == 1);
      gboolean gone = FALSE;
      GThread *thread;

      g_object_weak_ref (G_OBJECT (trainer), on_gone, &gone);
      reformer_trainer_train_async (trainer, 3, NULL, NULL, NULL);
      if (i % 3 == 0)
        g_object_unref (trainer);
      else
        thread = g_thread_new ("let-go", let_go, trainer);
      while (!g_atomic_int_get (&gone))
        g_main_context_iteration (NULL, TRUE);
      if (i % 3 != 0)
        g_thread_join (thread);
    }
}

static void
on_step_unref (ReformerTrainer        *trainer,
               ReformerTrainingRecord *record,
               gpointer               *reference)
{
  if (*reference != NULL)
    g_object_unref (g_steal_pointer (reference));
}

static void
test_unref_in_handler (void)
{
  ReformerTrainer *trainer = new_trainer (FALSE);
  gpointer reference = trainer;
  gboolean gone = FALSE;

  g_object_weak_ref (G_OBJECT (trainer), on_gone, &gone);
  g_signal_connect (trainer, "step", G_CALLBACK (on_step_unref), &reference);
  reformer_trainer_train_async (trainer, 4, NULL, NULL, NULL);
  while (!g_atomic_int_get (&gone))
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (reference);
}

/* The last references to objects of the program are often the work's: they go in the thread of the caller, before the end is told. */
typedef struct
{
  GThread *home;
  guint    gone;
  guint    strangers;
  gboolean done;
} Last;

static void
on_last (gpointer  data,
         GObject  *where)
{
  Last *last = data;

  last->gone++;
  last->strangers += g_thread_self () != last->home;
}

static void
on_done_last (GObject      *object,
              GAsyncResult *result,
              gpointer      data)
{
  Last *last = data;

  g_assert_cmpuint (last->gone, ==, 3); /* the trainer has let go of them, the work has ended */
  last->done = TRUE;
}

static void
test_last_references (void)
{
  for (int i = 0; i < 40; i++)
    {
      ReformerTrainer *trainer = new_trainer (TRUE);
      g_autoptr (TestSamples) evaluated = test_samples_new (2, 32, 40);
      Last last = { .home = g_thread_self () };

      reformer_trainer_set_evaluation_dataset (trainer, REFORMER_DATASET (evaluated));
      g_object_weak_ref (G_OBJECT (evaluated), on_last, &last);
      g_object_weak_ref (G_OBJECT (reformer_trainer_get_optimizer (trainer)), on_last, &last);
      g_object_weak_ref (G_OBJECT (reformer_trainer_get_schedule (trainer)), on_last, &last);
      g_clear_object (&evaluated);
      reformer_trainer_train_async (trainer, 1, NULL, on_done_last, &last);
      g_object_set (trainer, "evaluation-dataset", NULL, "optimizer", NULL, "schedule", NULL, NULL);
      g_object_unref (trainer);
      while (!last.done)
        g_main_context_iteration (NULL, TRUE);
      g_assert_cmpuint (last.strangers, ==, 0);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-async/own", test_own);
  g_test_add_func ("/trainer-async/foreign", test_foreign);
  g_test_add_func ("/trainer-async/context", test_context);
  g_test_add_func ("/trainer-async/cancel", test_cancel);
  g_test_add_func ("/trainer-async/cancel-waiting", test_cancel_waiting);
  g_test_add_func ("/trainer-async/busy", test_busy);
  g_test_add_func ("/trainer-async/reading", test_reading);
  g_test_add_func ("/trainer-async/nested-loop", test_nested_loop);
  g_test_add_func ("/trainer-async/not-iterated", test_not_iterated);
  g_test_add_func ("/trainer-async/unref", test_unref);
  g_test_add_func ("/trainer-async/unref-in-handler", test_unref_in_handler);
  g_test_add_func ("/trainer-async/last-references", test_last_references);

  return test_run ();
}
