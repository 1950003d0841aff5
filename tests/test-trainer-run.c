/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run of blocking training: it goes on to the same bits wherever it is cancelled or resumed, and can be watched. */
#include "training.h"

#include <string.h>

#include "files/json.h"
#include "folders.h"
#include <libreformer/training/reformer-trainer-error.h>

/* ---- Cancelling ---- */

typedef struct
{
  GCancellable *cancellable;
  gulong        delay;
  gint64        at;
  gint64        end;
  GError       *error;
} Cancelling;

static gpointer
cancel_later (gpointer data)
{
  Cancelling *cancelling = data;

  g_usleep (cancelling->delay);
  cancelling->at = g_get_monotonic_time ();
  g_cancellable_cancel (cancelling->cancellable);
  return NULL;
}

static void
on_cancelled (GObject      *object,
              GAsyncResult *result,
              gpointer      data)
{
  Cancelling *cancelling = data;

  cancelling->end = g_get_monotonic_time ();
  g_assert_false (reformer_trainer_train_finish (REFORMER_TRAINER (object), result, &cancelling->error));
}

/* Trains until it is cancelled after so many microseconds; says how long the end took. */
static gint64
cancel_once (ReformerTrainer *trainer,
             gulong           delay,
             gboolean         asynchronous)
{
  const guint left = reformer_trainer_get_total_steps (trainer) - reformer_trainer_get_n_steps (trainer);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Cancelling cancelling = { .cancellable = cancellable, .delay = delay };
  GThread *thread = g_thread_new ("cancel", cancel_later, &cancelling);

  if (asynchronous)
    {
      reformer_trainer_train_async (trainer, left, cancellable, on_cancelled, &cancelling);
      while (cancelling.end == 0)
        g_main_context_iteration (NULL, TRUE);
    }
  else
    {
      g_assert_false (reformer_trainer_train (trainer, left, cancellable, &cancelling.error));
      cancelling.end = g_get_monotonic_time ();
    }
  g_thread_join (thread);
  g_assert_error (cancelling.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&cancelling.error);
  g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_CANCELLED);
  return cancelling.end - cancelling.at;
}

static ReformerTrainer *
new_run (ReformerDevice *device,
         guint           total)
{
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (5, 32, 40);
  ReformerTrainer *trainer = test_trainer_new (model, samples);

  samples->held_out = g_object_ref (REFORMER_DATASET (samples));
  g_object_set (trainer, "accumulation", 2, "max-gradient-norm", 1.0, "total-steps", total, "evaluation-interval", 3, NULL);
  return trainer;
}

static gint
compare_times (gconstpointer a,
               gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

/* At random moments, in blocking and asynchronous calls by turns. */
static void
test_cancel (void)
{
  enum { TOTAL = 3000, MOST = 250000, TRIES = 4 };
  g_autoptr (ReformerDevice) device = test_device ();
  const gboolean slow = test_device_slow (device);
  const guint n_moments = slow ? 10 : 100;
  g_autoptr (ReformerTrainer) whole = new_run (device, TOTAL);
  g_autoptr (ReformerTrainer) trainer = new_run (device, TOTAL);
  g_autoptr (GArray) wanted = NULL, got = NULL, times = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_autoptr (GCancellable) before = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GRand *random = g_rand_new_with_seed (1);
  guint n_repeated = 0, end;
  gint64 begin, step_time;

  test_train (whole, 1);
  begin = g_get_monotonic_time ();
  test_train (whole, 5);
  step_time = (g_get_monotonic_time () - begin) / 5;

  g_cancellable_cancel (before);
  g_assert_false (reformer_trainer_train (trainer, TOTAL, before, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  for (guint i = 0; i < n_moments; i++)
    {
      const gulong delay = (gulong) g_rand_int_range (random, 0, (gint32) (2 * step_time));
      gint64 time = cancel_once (trainer, delay, i % 2 == 1);

      /* others may be at work on the machine; who is late again and again is late */
      for (guint tries = 1; tries < TRIES && time >= MOST && !slow; tries++, n_repeated++)
        time = cancel_once (trainer, delay, i % 2 == 1);
      g_array_append_val (times, time);
    }
  g_rand_free (random);
  g_assert_cmpuint (times->len, ==, n_moments);
  g_array_sort (times, compare_times);
  g_test_message ("%u times in %u steps of %.1f ms; ended within %.1f ms, half of them within %.1f ms; %u were repeated", times->len, reformer_trainer_get_n_steps (trainer), (double) step_time / 1000,
                  (double) g_array_index (times, gint64, times->len - 1) / 1000, (double) g_array_index (times, gint64, times->len / 2) / 1000, n_repeated);
  if (!slow)
    g_assert_cmpint (g_array_index (times, gint64, times->len - 1), <, MOST);

  /* to a step with an evaluation, as if nothing had been */
  end = MAX (reformer_trainer_get_n_steps (trainer) / 3 * 3 + 3, 9);
  g_assert_cmpuint (end, <, TOTAL);
  test_train (trainer, end - reformer_trainer_get_n_steps (trainer));
  test_train (whole, end - reformer_trainer_get_n_steps (whole));
  wanted = test_training_state (whole);
  got = test_training_state (trainer);
  assert_same_state (got, wanted);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_history (trainer)), ==, end);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_evaluations (trainer)), ==, end / 3);
}

/* ---- Watching ---- */

typedef struct
{
  ReformerTrainer *trainer;
  guint            steps;
  guint            last;
  GString         *order;
} Watch;

static void
on_step (ReformerTrainer        *trainer,
         ReformerTrainingRecord *record,
         Watch                  *watch)
{
  watch->steps++;
  g_assert_cmpuint (reformer_training_record_get_step (record), ==, watch->last + 1);
  watch->last = reformer_training_record_get_step (record);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, watch->last);
  g_assert_true (reformer_trainer_get_running (trainer));
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           Watch      *watch)
{
  g_string_append_printf (watch->order, "%s ", g_param_spec_get_name (pspec));
}

static void
test_watching (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new (5, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (GString) order = g_string_new (NULL);
  Watch watch = { trainer, 0, 0, order };

  g_signal_connect (trainer, "step", G_CALLBACK (on_step), &watch);
  g_signal_connect (trainer, "notify", G_CALLBACK (on_notify), &watch);
  reformer_trainer_set_history_interval (trainer, 2);
  reformer_trainer_set_history_interval (trainer, 2);
  g_assert_cmpstr (order->str, ==, "history-interval ");
  g_string_truncate (order, 0);
  test_train (trainer, 5);
  g_assert_cmpuint (watch.steps, ==, 5);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_history (trainer)), ==, 2);
  g_assert_true (g_str_has_prefix (order->str, "optimizer schedule running n-steps "));
  g_assert_true (g_str_has_suffix (order->str, "running stop-reason "));
  for (const char *const *name = (const char *const[]) { "loss ", "tokens ", "tokens-per-second ", "remaining-seconds ", "epoch ", NULL }; *name != NULL; name++)
    g_assert_nonnull (strstr (order->str, *name));
  g_assert_cmpfloat (reformer_trainer_get_tokens_per_second (trainer), >, 0);
}

/* A handler may save nothing where there is no folder, evaluate, and not train. */
static void
nested (ReformerTrainer        *trainer,
        ReformerTrainingRecord *record,
        TestSamples            *samples)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerEvaluation) evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (reformer_evaluation_get_step (evaluation), ==, reformer_training_record_get_step (record));
  g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY);
  g_clear_error (&error);
  g_assert_false (reformer_trainer_resume (trainer, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY);
}

static void
test_nested (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0.1);
  g_autoptr (ReformerModel) twin = test_training_model (device, "local", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (5, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerTrainer) other = test_trainer_new (twin, samples);
  g_autoptr (GArray) a = NULL, b = NULL;

  g_signal_connect (trainer, "step", G_CALLBACK (nested), samples);
  test_train (trainer, 3);
  test_train (other, 3);
  a = test_training_state (trainer);
  b = test_training_state (other);
  assert_same_state (a, b);
}

/* ---- The folder of a run ---- */

static void
on_saved (ReformerTrainer *trainer,
          GFile           *folder,
          guint            step,
          GString         *seen)
{
  g_autofree char *name = g_file_get_basename (folder);
  g_autoptr (GFile) manifest = g_file_get_child (folder, "manifest.json");

  g_assert_true (g_file_query_exists (manifest, NULL));
  g_assert_cmpuint (step, ==, reformer_trainer_get_n_steps (trainer));
  g_string_append_printf (seen, "%s ", name);
}

/* "event step" of every line; each must have what its event is to have. */
static char *
read_log (const char *path)
{
  g_autofree char *text = test_file_read (path, "log.jsonl", NULL);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  GString *events = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) line = reformer_json_parse (lines[i], strlen (lines[i]), "log.jsonl", &error);
      const char *event, *const *names;
      static const char *const of_step[] = { "epoch", "loss", "bits", "learning_rate", "gradient_norm", "sequence_length", "tokens", "targets", "skipped", "seconds",
                                             "tokens_per_second", "memory", NULL };
      static const char *const of_evaluation[] = { "loss", "bits", "perplexity", "targets", "samples", "best", "seconds", NULL };
      static const char *const of_start[] = { "end", "total_steps", "version", "device", "parameters", "seed", NULL };
      static const char *const of_end[] = { "reason", NULL }, *const of_checkpoint[] = { "folder", NULL };

      g_assert_no_error (error);
      event = json_string_value (json_object_get (line, "event"));
      names = g_str_equal (event, "step") ? of_step : g_str_equal (event, "evaluated") ? of_evaluation : g_str_equal (event, "start") ? of_start
              : g_str_equal (event, "end") ? of_end : of_checkpoint;
      for (guint j = 0; names[j] != NULL; j++)
        g_assert_nonnull (json_object_get (line, names[j]));
      g_string_append_printf (events, "%s %d%s", event, (int) json_integer_value (json_object_get (line, "step")), lines[i + 1] != NULL ? ", " : "");
    }
  return g_string_free (events, FALSE);
}

static void
test_folder (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autofree char *path = test_folder_new (), *log = NULL, *again = NULL;
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerTrainer) trainer = new_run (device, 8);
  g_autoptr (ReformerTrainer) other = new_run (device, 8);
  g_autoptr (ReformerTrainer) whole = new_run (device, 8);
  g_autoptr (GString) seen = g_string_new (NULL);
  g_autoptr (GArray) wanted = NULL, got = NULL;
  g_autoptr (GError) error = NULL;

  g_signal_connect (trainer, "checkpoint-saved", G_CALLBACK (on_saved), seen);
  g_object_set (trainer, "folder", folder, "checkpoint-interval", 2, "checkpoints-kept", 2, NULL);
  test_train (trainer, 5);
  g_assert_cmpstr (seen->str, ==, "step-2 step-3 step-4 step-5 "); /* at 3 for its evaluation, the best so far */
  log = read_log (path);
  g_assert_cmpstr (log, ==, "start 0, step 1, step 2, checkpoint 2, step 3, evaluated 3, checkpoint 3, step 4, checkpoint 4, step 5, checkpoint 5, end 5");
  g_clear_object (&trainer);

  g_object_set (other, "folder", folder, NULL);
  g_assert_true (reformer_trainer_resume (other, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_trainer_get_n_steps (other), ==, 5);
  g_assert_cmpint (reformer_trainer_get_tokens (other), ==, 5 * 2 * 32);
  g_assert_cmpfloat (reformer_trainer_get_best_loss (other), >, 0);
  g_assert_cmpuint (reformer_trainer_get_checkpoint_interval (other), ==, 2);
  test_train (other, 3);
  again = read_log (path);
  g_assert_true (g_str_has_prefix (again, log));
  g_assert_cmpstr (again + strlen (log), ==, ", start 5, step 6, evaluated 6, checkpoint 6, step 7, step 8, checkpoint 8, end 8");
  got = test_training_state (other);
  test_train (whole, 8);
  wanted = test_training_state (whole);
  assert_same_state (got, wanted);
  g_clear_object (&other);
  test_folder_delete (path);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-run/cancel", test_cancel);
  g_test_add_func ("/trainer-run/watching", test_watching);
  g_test_add_func ("/trainer-run/nested", test_nested);
  g_test_add_func ("/trainer-run/folder", test_folder);

  return test_run ();
}
