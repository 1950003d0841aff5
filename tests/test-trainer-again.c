/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes after a step and was cut short is made up for by the next call, in the same trainer and after a resume, to the bytes of a run that was not. */
#include "training.h"

#include <glib/gstdio.h>
#include <string.h>

#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "folders.h"

#define STEPS 4

typedef struct
{
  ReformerTrainer *trainer;
  TestSamples     *held_out;
  char            *path;
  GCancellable    *cancellable;
  guint            at;          /* the step after which it is cancelled */
} Run;

static void
run_start (Run        *run,
           const char *path)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (5, 32, 40);
  g_autofree char *own = path != NULL ? g_strdup (path) : test_folder_new ();
  g_autoptr (GFile) folder = g_file_new_for_path (own);

  *run = (Run) { .trainer = test_trainer_new (model, samples), .held_out = test_samples_new (3, 32, 40), .path = g_steal_pointer (&own), .cancellable = g_cancellable_new () };
  samples->held_out = REFORMER_DATASET (run->held_out);
  g_object_set (run->trainer, "folder", folder, "total-steps", STEPS, "evaluation-interval", 2, "checkpoint-interval", 2, NULL);
}

/* The folder stays. */
static void
run_end (Run *run)
{
  g_clear_object (&run->trainer);
  g_clear_object (&run->cancellable);
  g_clear_pointer (&run->path, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_end)

static void
run_resume (Run        *run,
            const char *path)
{
  g_autoptr (GError) error = NULL;

  run_start (run, path);
  g_assert_true (reformer_trainer_resume (run->trainer, NULL, &error));
  g_assert_no_error (error);
}

static void
run_train (Run   *run,
           guint  n_steps)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (reformer_trainer_train (run->trainer, n_steps, NULL, &error));
  g_assert_no_error (error);
}

/* That was all. */
static void
assert_no_more (Run *run)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (reformer_trainer_train (run->trainer, 1, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "total-steps is 4"));
}

/* Both have the same newest checkpoint, and the same best one. */
static void
assert_same_run (Run *a,
                 Run *b)
{
  Run *const runs[] = { a, b };
  char *best[2], *state[2];

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *link = g_build_filename (runs[i]->path, "checkpoints", "best", NULL);

      best[i] = g_file_read_link (link, NULL);
      g_assert_nonnull (best[i]);
      state[i] = test_file_read (runs[i]->path, "checkpoints/step-4/trainer.json", NULL);
      g_assert_cmpuint (reformer_trainer_get_n_steps (runs[i]->trainer), ==, STEPS);
    }
  g_assert_cmpstr (best[0], ==, best[1]);
  g_assert_cmpstr (state[0], ==, state[1]);
  for (guint i = 0; i < 2; i++)
    {
      g_free (best[i]);
      g_free (state[i]);
    }
}

/* ---- An evaluation after a step that was saved already ---- */

static void
save_last (ReformerTrainer        *trainer,
           ReformerTrainingRecord *record,
           gpointer                nothing)
{
  g_autoptr (GError) error = NULL;

  if (reformer_training_record_get_step (record) != STEPS)
    return;
  g_assert_true (reformer_trainer_save_checkpoint (trainer, NULL, &error));
  g_assert_no_error (error);
}

static void
test_saved_before (void)
{
  g_auto (Run) whole = { NULL }, run = { NULL };

  run_start (&whole, NULL);
  run_train (&whole, STEPS);
  run_start (&run, NULL);
  g_signal_connect (run.trainer, "step", G_CALLBACK (save_last), NULL);
  run_train (&run, STEPS);
  assert_same_run (&run, &whole);
  assert_no_more (&run);
  test_folder_delete (run.path);
  test_folder_delete (whole.path);
}

static void
cancel_evaluation (gpointer data)
{
  Run *run = data;

  if (reformer_trainer_get_n_steps (run->trainer) == run->at)
    g_cancellable_cancel (run->cancellable);
}

/* Cancelled in the evaluation after step `at`. */
static void
evaluation_is_cut (guint    at,
                   gboolean resumed)
{
  g_auto (Run) whole = { NULL }, run = { NULL }, again = { NULL };
  Run *last = resumed ? &again : &run;
  g_autoptr (GError) error = NULL;

  run_start (&whole, NULL);
  run_train (&whole, STEPS);
  run_start (&run, NULL);
  run.at = at;
  run.held_out->on_read = cancel_evaluation;
  run.held_out->data = &run;
  g_assert_false (reformer_trainer_train (run.trainer, STEPS, run.cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpuint (reformer_trainer_get_n_steps (run.trainer), ==, at);
  g_assert_true (reformer_trainer_save_checkpoint (run.trainer, NULL, &error));
  g_assert_no_error (error);
  if (resumed)
    {
      g_clear_object (&run.trainer); /* has the folder */
      run_resume (&again, run.path);
    }
  else
    {
      run.held_out->on_read = NULL;
    }
  run_train (last, MAX (STEPS - at, 1));
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_evaluations (last->trainer)), ==, resumed ? STEPS / 2 - (at / 2 - 1) : STEPS / 2);
  assert_same_run (last, &whole);
  assert_no_more (last);
  test_folder_delete (run.path);
  test_folder_delete (whole.path);
}

static void
test_evaluation (void)
{
  for (guint at = 2; at <= STEPS; at += 2)
    {
      evaluation_is_cut (at, FALSE);
      evaluation_is_cut (at, TRUE);
    }
}

/* ---- A run that the evaluations have decided to end ---- */

static void
cancel_stop (ReformerTrainer    *trainer,
             ReformerEvaluation *evaluation,
             Run                *run)
{
  g_autoptr (GError) error = NULL;

  if (reformer_evaluation_get_step (evaluation) < 4)
    return;
  if (run->at > 0) /* before it is cancelled, or after */
    g_assert_true (reformer_trainer_save_checkpoint (trainer, NULL, &error));
  g_assert_no_error (error);
  g_cancellable_cancel (run->cancellable);
}

static void
run_start_patient (Run *run)
{
  run_start (run, NULL);
  g_object_set (run->trainer, "total-steps", 2 * STEPS, "patience", 1, "min-improvement", 100.0, NULL);
}

static void
assert_stopped (Run *run)
{
  g_assert_cmpuint (reformer_trainer_get_n_steps (run->trainer), ==, STEPS);
  g_assert_cmpint (reformer_trainer_get_stop_reason (run->trainer), ==, REFORMER_STOP_REASON_PATIENCE);
}

static void
stop_is_cut (gboolean in_handler,
             gboolean resumed)
{
  g_auto (Run) whole = { NULL }, run = { NULL }, again = { NULL };
  Run *last = resumed ? &again : &run;
  g_autoptr (GError) error = NULL;

  run_start_patient (&whole);
  run_train (&whole, 2 * STEPS);
  assert_stopped (&whole);
  run_start_patient (&run);
  run.at = in_handler;
  g_signal_connect (run.trainer, "evaluated", G_CALLBACK (cancel_stop), &run);
  g_assert_false (reformer_trainer_train (run.trainer, 2 * STEPS, run.cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  if (!in_handler)
    g_assert_true (reformer_trainer_save_checkpoint (run.trainer, NULL, &error));
  g_assert_no_error (error);
  if (resumed)
    {
      g_clear_object (&run.trainer); /* has the folder */
      run_resume (&again, run.path);
    }
  run_train (last, STEPS);
  assert_stopped (last);
  assert_same_run (last, &whole);
  /* going on has one more chance */
  g_object_set (last->trainer, "total-steps", 4 * STEPS, NULL);
  run_train (last, 2 * STEPS);
  g_assert_cmpuint (reformer_trainer_get_n_steps (last->trainer), ==, STEPS + 2);
  test_folder_delete (run.path);
  test_folder_delete (whole.path);
}

static void
test_patience (void)
{
  for (guint i = 0; i < 4; i++)
    stop_is_cut (i % 2 == 0, i / 2 == 0);
}

/* ---- How it ended ---- */

/* The line that is missing then is the one of the end alone. */
static void
remove_log (ReformerTrainer        *trainer,
            ReformerTrainingRecord *record,
            Run                    *run)
{
  g_autofree char *log = g_build_filename (run->path, "log.jsonl", NULL);

  save_last (trainer, record, NULL);
  if (reformer_training_record_get_step (record) == STEPS)
    g_assert_cmpint (g_unlink (log), ==, 0);
}

static void
cancel_step (ReformerTrainer        *trainer,
             ReformerTrainingRecord *record,
             Run                    *run)
{
  if (reformer_training_record_get_step (record) == run->at)
    {
      g_assert_cmpfloat (reformer_trainer_get_remaining_seconds (trainer), >, 0);
      g_cancellable_cancel (run->cancellable);
    }
}

static void
assert_ended (Run                *run,
              ReformerStopReason  reason,
              double              remaining)
{
  g_assert_cmpint (reformer_trainer_get_stop_reason (run->trainer), ==, reason);
  g_assert_cmpfloat (reformer_trainer_get_remaining_seconds (run->trainer), ==, remaining);
}

static void
test_end (void)
{
  g_auto (Run) run = { NULL };
  g_autoptr (GError) error = NULL;

  run_start (&run, NULL);
  run.at = 1;
  g_signal_connect (run.trainer, "step", G_CALLBACK (cancel_step), &run);
  g_signal_connect (run.trainer, "step", G_CALLBACK (remove_log), &run);
  g_assert_false (reformer_trainer_train (run.trainer, STEPS, run.cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  assert_ended (&run, REFORMER_STOP_REASON_CANCELLED, -1);
  run_train (&run, 2);
  assert_ended (&run, REFORMER_STOP_REASON_STEPS, 0);
  g_object_set (run.trainer, "evaluation-interval", 0, "checkpoint-interval", 0, "history-interval", 100, NULL);
  g_assert_false (reformer_trainer_train (run.trainer, 1, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER);
  assert_ended (&run, REFORMER_STOP_REASON_FAILED, -1);
  test_folder_delete (run.path);
}

/* ---- Back to an earlier step ---- */

static void
test_back (void)
{
  g_auto (Run) whole = { NULL }, run = { NULL };
  GListModel *history, *evaluations;
  g_autofree char *last = NULL;
  g_autoptr (GError) error = NULL;

  run_start (&whole, NULL);
  run_train (&whole, STEPS);
  run_start (&run, NULL);
  history = reformer_trainer_get_history (run.trainer);
  evaluations = reformer_trainer_get_evaluations (run.trainer);
  run_train (&run, STEPS);
  last = g_build_filename (run.path, "checkpoints", "step-4", NULL);
  test_folder_delete (last);
  for (guint i = 0; i < 2; i++) /* the second finds nothing to drop */
    {
      g_assert_true (reformer_trainer_resume (run.trainer, NULL, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (reformer_trainer_get_n_steps (run.trainer), ==, 2);
      g_assert_cmpuint (g_list_model_get_n_items (history), ==, 2);
      g_assert_cmpuint (g_list_model_get_n_items (evaluations), ==, 1);
      g_assert_cmpfloat (reformer_trainer_get_loss (run.trainer), ==, 0);
      assert_ended (&run, REFORMER_STOP_REASON_NONE, -1);
    }
  run_train (&run, 2);
  g_assert_cmpuint (g_list_model_get_n_items (history), ==, STEPS);
  g_assert_cmpuint (g_list_model_get_n_items (evaluations), ==, STEPS / 2);
  assert_same_run (&run, &whole);
  test_folder_delete (run.path);
  test_folder_delete (whole.path);
}

/* ---- A handler that changes what counts from the next call on, and saves ---- */

typedef struct
{
  GFile    *folder;
  gboolean  other; /* another optimizer, schedule and evaluation data */
} Change;

static void
change_and_save (ReformerTrainer        *trainer,
                 ReformerTrainingRecord *record,
                 Change                 *change)
{
  g_autoptr (GError) error = NULL;

  if (reformer_training_record_get_step (record) == 1 && change->folder != NULL)
    reformer_trainer_set_folder (trainer, change->folder);
  if (reformer_training_record_get_step (record) == 1 && change->other)
    {
      g_autoptr (ReformerOptimizer) optimizer = reformer_sgd_new ();
      g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();

      g_object_set (trainer, "optimizer", optimizer, "schedule", schedule, "evaluation-dataset", reformer_trainer_get_dataset (trainer), NULL);
    }
  g_assert_true (reformer_trainer_save_checkpoint (trainer, NULL, &error));
  g_assert_no_error (error);
}

static void
test_changed_and_saved (void)
{
  g_auto (Run) whole = { NULL };
  g_autofree char *good = test_folder_new (), *bad = g_build_filename (good, "file", "folder", NULL);
  g_autoptr (GFile) good_folder = g_file_new_for_path (good), bad_folder = g_file_new_for_path (bad);
  const Change changes[] = { { .folder = good_folder }, { .folder = bad_folder }, { .other = TRUE } };

  run_start (&whole, NULL);
  run_train (&whole, STEPS);
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_auto (Run) run = { NULL };
      Change change = changes[i];
      g_autoptr (GError) error = NULL;

      run_start (&run, NULL);
      g_signal_connect (run.trainer, "step", G_CALLBACK (change_and_save), &change);
      run_train (&run, STEPS);
      assert_same_run (&run, &whole);
      g_assert_cmpuint (test_folder_count (good), ==, 0);
      if (change.folder == bad_folder)
        {
          /* from the next call on */
          test_file_write (good, "file", "", 0);
          reformer_trainer_set_total_steps (run.trainer, STEPS + 1);
          g_assert_false (reformer_trainer_train (run.trainer, 1, NULL, &error));
          g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER);
        }
      test_folder_delete (run.path);
      if (change.folder == bad_folder)
        {
          g_autofree char *file = g_build_filename (good, "file", NULL);

          g_unlink (file);
        }
    }
  test_folder_delete (whole.path);
  test_folder_delete (good);
}

/* ---- Settings that change while it runs ---- */

static void
change_batch_size (ReformerTrainer        *trainer,
                   ReformerTrainingRecord *record,
                   gpointer                nothing)
{
  reformer_trainer_set_batch_size (trainer, 3);
}

static void
test_changed_settings (void)
{
  g_auto (Run) whole = { NULL }, run = { NULL }, again = { NULL };
  g_autofree char *last = NULL;
  g_autoptr (GArray) wanted = NULL, got = NULL;

  run_start (&whole, NULL);
  run_train (&whole, STEPS);
  wanted = test_training_state (whole.trainer);
  run_start (&run, NULL);
  g_signal_connect (run.trainer, "step", G_CALLBACK (change_batch_size), NULL);
  run_train (&run, STEPS);
  assert_same_run (&run, &whole);
  g_clear_object (&run.trainer); /* has the folder */

  last = g_build_filename (run.path, "checkpoints", "step-4", NULL);
  test_folder_delete (last);
  run_resume (&again, run.path);
  g_assert_cmpuint (reformer_trainer_get_n_steps (again.trainer), ==, 2);
  g_assert_cmpint (reformer_trainer_get_batch_size (again.trainer), ==, 1);
  run_train (&again, 2);
  got = test_training_state (again.trainer);
  assert_same_state (got, wanted);
  assert_same_run (&again, &whole);
  test_folder_delete (run.path);
  test_folder_delete (whole.path);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-again/saved-before", test_saved_before);
  g_test_add_func ("/trainer-again/evaluation", test_evaluation);
  g_test_add_func ("/trainer-again/patience", test_patience);
  g_test_add_func ("/trainer-again/end", test_end);
  g_test_add_func ("/trainer-again/back", test_back);
  g_test_add_func ("/trainer-again/changed-and-saved", test_changed_and_saved);
  g_test_add_func ("/trainer-again/changed-settings", test_changed_settings);

  return test_run ();
}
