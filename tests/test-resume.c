/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run that was interrupted ends with the same bytes as one that was not; and each thing that is saved is needed for that. */
#include "models.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/training/reformer-adafactor.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "folders.h"
#include "training/checkpoint-private.h"
#include "training/properties.h"
#include "training/trainer-private.h"

#define STEPS 12

typedef struct
{
  const char *name;
  const char *kinds;
  gboolean    evaluated; /* accumulation, evaluations, steps that are not finite, nothing kept */
  GType     (*optimizer) (void);
  gboolean    set;       /* no setting has its default */
} Kind;

static const Kind kinds[] = {
  { "plain", "local,lsh", FALSE, reformer_adamw_get_type, FALSE },    { "evaluated", "lsh,local", TRUE, reformer_sgd_get_type, FALSE },
  { "set-adamw", "local,lsh", FALSE, reformer_adamw_get_type, TRUE }, { "set-sgd", "local,lsh", FALSE, reformer_sgd_get_type, TRUE },
  { "set-adafactor", "local,lsh", FALSE, reformer_adafactor_get_type, TRUE },
};
/* Those that are interrupted everywhere; of the others only the settings are looked at. */
#define N_INTERRUPTED 2

/* ---- A run ---- */

typedef struct
{
  const Kind      *kind;
  ReformerTrainer *trainer;
  GCancellable    *cancellable;
  guint            stop; /* after this step; 0: never */
  guint            n_skipped;
} Run;

static void
poison (Run   *run,
        float  value)
{
  ReformerParameter *bias = test_model_parameter (reformer_trainer_get_model (run->trainer), "lm_head.bias");
  float *numbers = reformer_tensor_map (reformer_parameter_get_value (bias), NULL);

  g_assert_nonnull (numbers);
  numbers[0] = value;
  reformer_tensor_unmap (reformer_parameter_get_value (bias));
}

/* Some steps have a loss that is no number: the fourth, and the last two. */
static void
made_step (ReformerTrainer        *trainer,
           ReformerTrainingRecord *record,
           Run                    *run)
{
  const guint step = reformer_training_record_get_step (record);
  g_autoptr (GError) error = NULL;

  if (run->kind->evaluated)
    {
      run->n_skipped += reformer_training_record_get_skipped (record);
      if (step == 3 || step == STEPS - 2)
        poison (run, NAN);
      else if (step == 4)
        poison (run, 0.25f);
    }
  if (step == run->stop)
    {
      reformer_trainer_save_checkpoint (trainer, NULL, &error);
      g_assert_no_error (error);
      g_cancellable_cancel (run->cancellable);
    }
}

/* A text of so many bytes that 12 steps go through it more than twice. */
static ReformerDataset *
new_data (const char *folder)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *path = g_build_filename (folder, "text", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();

  for (guint i = 0; text->len < 690; i++) /* the last sequence of 32 is a short one */
    g_string_append_printf (text, "%u is %s, ", i * i % 97, i % 3 == 0 ? "much" : "little");
  test_file_write (folder, "text", text->str, (gssize) text->len);
  return REFORMER_DATASET (reformer_text_dataset_new (file, tokenizer));
}

/* No setting has its default, and each is one that matters after the eighth step, if it can. */
static void
set_all (ReformerTrainer *trainer)
{
  ReformerOptimizer *optimizer = reformer_trainer_get_optimizer (trainer);

  g_object_set (trainer, "sequence-length", 32, "final-sequence-length", 61, "final-steps", 2, "batch-size", 3, "accumulation", 2, "max-gradient-norm", 0.05, "shuffle", FALSE, "by-length", TRUE,
                "rehash", TRUE, "total-steps", 16, "evaluation-interval", 3, "evaluation-samples", 2, "patience", 100, "min-improvement", 0.5, "checkpoint-interval", 1, "checkpoints-kept", 100,
                "max-skipped", 7, "history-interval", 2, NULL);
  g_object_set (reformer_trainer_get_schedule (trainer), "decay", REFORMER_DECAY_LINEAR, "warmup-steps", 3, "final-factor", 0.25, NULL);
  g_object_set (optimizer, "learning-rate", 0.02, "weight-decay", 0.05, NULL);
  if (REFORMER_IS_ADAMW (optimizer))
    g_object_set (optimizer, "beta1", 0.8, "beta2", 0.9, "epsilon", 1e-4, NULL);
  else if (REFORMER_IS_SGD (optimizer))
    g_object_set (optimizer, "momentum", 0.9, NULL);
  else
    g_object_set (optimizer, "decay", -0.6, "clipping-threshold", 0.25, "scale-parameter", FALSE, NULL);
}

/* `set`: as the run is made; otherwise all that can differ does, so that it must come from the checkpoint. */
static Run *
run_new (const Kind *kind,
         const char *data,
         const char *folder,
         gboolean    set)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config (kind->kinds);
  g_autoptr (ReformerDataset) dataset = new_data (data);
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (ReformerOptimizer) optimizer = g_object_new (kind->optimizer (), NULL);
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();
  Run *run = g_new0 (Run, 1);

  g_object_set (config, "vocab-size", 258, "hidden-dropout-prob", 0.1, "lsh-attention-probs-dropout-prob", 0.1, "local-attention-probs-dropout-prob", 0.1, NULL);
  model = reformer_model_new (device, config);
  run->kind = kind;
  run->trainer = reformer_trainer_new (model, dataset);
  run->cancellable = g_cancellable_new ();
  g_object_set (run->trainer, "folder", file, "optimizer", optimizer, "schedule", schedule, NULL);
  g_signal_connect (run->trainer, "step", G_CALLBACK (made_step), run);
  reformer_model_set_seed (model, set ? 5 : 6);
  if (!set)
    return run;
  if (kind->set)
    {
      set_all (run->trainer);
      return run;
    }

  g_object_set (run->trainer, "sequence-length", 32, "batch-size", kind->evaluated ? 2 : 3, "checkpoint-interval", 1, "checkpoints-kept", 100, NULL);
  reformer_optimizer_set_learning_rate (optimizer, 0.01);
  g_object_set (schedule, "decay", REFORMER_DECAY_COSINE, "warmup-steps", 3, NULL);
  if (kind->evaluated)
    {
      g_object_set (run->trainer, "accumulation", 2, "evaluation-interval", 2, "patience", 100, "min-improvement", 0.5, NULL);
      reformer_sgd_set_momentum (REFORMER_SGD (optimizer), 0.9);
      reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
    }
  else
    {
      g_object_set (run->trainer, "final-sequence-length", 61, "final-steps", 4, NULL);
      reformer_model_freeze (model, "*.layer_norm.*");
    }
  return run;
}

static void
run_free (Run *run)
{
  g_object_unref (run->trainer);
  g_object_unref (run->cancellable);
  g_free (run);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

static void
train (Run   *run,
       guint  n_steps)
{
  g_autoptr (GError) error = NULL;

  reformer_trainer_train (run->trainer, n_steps, run->cancellable, &error);
  if (run->stop > 0)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  else
    g_assert_no_error (error);
}

static void
resume (Run *run)
{
  g_autoptr (GError) error = NULL;

  reformer_trainer_resume (run->trainer, NULL, &error);
  g_assert_no_error (error);
}

/* ---- Folders ---- */

/* SHA-256 of all files of a step's checkpoint and of what the folder shows, one a line; or that there is none. */
static char *
describe (const char *folder,
          guint       step)
{
  g_autofree char *path = reformer_checkpoint_get_path (folder, step), *list = NULL, *link = g_build_filename (folder, "checkpoints", "best", NULL), *best = NULL;
  g_auto (GStrv) names = NULL;
  GString *text = g_string_new (NULL);

  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_string_assign (text, "none");
      return g_string_free (text, FALSE);
    }
  list = test_folder_list (path);
  names = g_strsplit (list, " ", -1);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *hash = test_file_hash (path, names[i]);

      g_string_append_printf (text, "%s %s\n", hash, names[i]);
    }
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *hash = test_file_hash (folder, i == 0 ? "model.safetensors" : "config.json");

      g_string_append_printf (text, "%s of the folder\n", hash);
    }
  best = g_file_read_link (link, NULL);
  g_string_append_printf (text, "best: %s\n", best != NULL ? best : "none");
  return g_string_free (text, FALSE);
}

/* What would be there if the run had been killed right after that step was saved. */
static void
copy_until (const char *from,
            const char *to,
            guint       step)
{
  g_autofree char *below = g_build_filename (to, "checkpoints", NULL), *link = g_build_filename (from, "checkpoints", "best", NULL), *best = g_file_read_link (link, NULL);
  g_autofree char *here = g_build_filename (below, "best", NULL);

  g_mkdir (below, 0777);
  for (guint s = 1; s <= step; s++)
    {
      g_autofree char *there = reformer_checkpoint_get_path (from, s), *path = reformer_checkpoint_get_path (to, s), *list = NULL;
      g_auto (GStrv) names = NULL;

      if (s < step && g_strcmp0 (best, strrchr (path, '/') + 1) != 0)
        continue;
      g_mkdir (path, 0777);
      list = test_folder_list (there);
      names = g_strsplit (list, " ", -1);
      for (guint i = 0; names[i] != NULL; i++)
        {
          gsize n;
          g_autofree char *bytes = test_file_read (there, names[i], &n);

          test_file_write (path, names[i], bytes, (gssize) n);
        }
      if (g_strcmp0 (best, strrchr (path, '/') + 1) == 0)
        g_assert_cmpint (symlink (best, here), ==, 0);
    }
}

/* ---- Tests ---- */

/* The uninterrupted run, once for each kind. */
static struct
{
  char *data;
  char *folder;
  char *end;
} whole[G_N_ELEMENTS (kinds)];

static guint
make_whole (const Kind *kind)
{
  const guint k = (guint) (kind - kinds);
  g_autoptr (Run) run = NULL;

  if (whole[k].folder != NULL)
    return k;
  whole[k].data = test_folder_new ();
  whole[k].folder = test_folder_new ();
  run = run_new (kind, whole[k].data, whole[k].folder, TRUE);
  train (run, STEPS);
  whole[k].end = describe (whole[k].folder, STEPS);
  g_test_message ("%s", whole[k].end);
  return k;
}

/* Twice the same, first of all: it goes through the data more than twice, and what is to matter does. */
static void
test_repeats (gconstpointer data)
{
  const Kind *kind = data;
  const guint k = make_whole (kind);
  g_autofree char *folder = test_folder_new (), *end = NULL;
  g_autoptr (Run) run = run_new (kind, whole[k].data, folder, TRUE);

  train (run, STEPS);
  end = describe (folder, STEPS);
  g_assert_cmpstr (end, ==, whole[k].end);
  g_assert_cmpuint (run->trainer->state.epoch, >, 1);
  if (kind->evaluated)
    {
      g_assert_cmpuint (run->n_skipped, ==, 3);
      g_assert_cmpuint (run->trainer->state.n_skipped, ==, 3);
      g_assert_cmpuint (run->trainer->state.best_step, ==, 2);
      g_assert_cmpuint (run->trainer->state.worse, ==, STEPS / 2 - 1);
    }
  g_clear_pointer (&run, run_free);
  test_folder_delete (folder);
}

/* From every step on. */
static void
test_every_step (gconstpointer data)
{
  const Kind *kind = data;
  const guint k = make_whole (kind);

  for (guint step = 1; step < STEPS; step++)
    {
      g_autofree char *folder = test_folder_new (), *end = NULL;
      g_autoptr (Run) run = run_new (kind, whole[k].data, folder, FALSE);

      copy_until (whole[k].folder, folder, step);
      resume (run);
      g_assert_cmpuint (reformer_trainer_get_n_steps (run->trainer), ==, step);
      train (run, STEPS - step);
      end = describe (folder, STEPS);
      g_assert_cmpstr (end, ==, whole[k].end);
      g_clear_pointer (&run, run_free);
      test_folder_delete (folder);
    }
}

/* Cancelled again and again, each time with a checkpoint that is not due. */
static void
test_cancelled (gconstpointer data)
{
  const Kind *kind = data;
  const guint k = make_whole (kind), stops[] = { 1, 4, 5, 9, 11, 0 };
  g_autofree char *folder = test_folder_new (), *end = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (stops); i++)
    {
      g_autoptr (Run) run = run_new (kind, whole[k].data, folder, i == 0);

      if (i > 0)
        resume (run);
      run->stop = stops[i];
      train (run, STEPS - reformer_trainer_get_n_steps (run->trainer));
      g_assert_cmpuint (reformer_trainer_get_n_steps (run->trainer), ==, stops[i] > 0 ? stops[i] : STEPS);
    }
  end = describe (folder, STEPS);
  g_assert_cmpstr (end, ==, whole[k].end);
  test_folder_delete (folder);
}

/* As reformer_trainer_resume(), without one thing. */
static gboolean
resume_except (Run        *run,
               const char *folder,
               const char *except)
{
  ReformerTrainer *trainer = run->trainer;
  ReformerDataset *dataset = reformer_trainer_get_dataset (trainer);
  g_autofree char *data = reformer_dataset_identify (dataset, NULL);
  const ReformerCheckpoint checkpoint = { reformer_trainer_get_model (trainer), reformer_trainer_get_optimizer (trainer), reformer_trainer_get_schedule (trainer),
                                          G_OBJECT (trainer), reformer_dataset_get_tokenizer (dataset), data, &trainer->state };
  g_autoptr (GError) error = NULL;

  if (!reformer_checkpoint_restore (folder, &checkpoint, except, NULL, &error))
    {
      g_test_message ("%s: refused: %s", except, error->message);
      return FALSE;
    }
  trainer->run_folder = reformer_run_folder_open (folder, &error);
  g_assert_no_error (error);
  trainer->run_path = g_strdup (folder);
  trainer->continues = TRUE;
  trainer->saved_step = trainer->state.step;
  return TRUE;
}

/* The end, where something is not restored from a step's checkpoint; "none" where there is none. */
static char *
end_without (const Kind *kind,
             guint       step,
             const char *except)
{
  const guint k = make_whole (kind);
  g_autofree char *folder = test_folder_new ();
  g_autoptr (Run) run = run_new (kind, whole[k].data, folder, FALSE);
  g_autoptr (GError) error = NULL;
  gboolean made;
  char *end;

  copy_until (whole[k].folder, folder, step);
  /* in two calls: the first counts to the end of the one that was cut short */
  made = resume_except (run, folder, except) && reformer_trainer_train (run->trainer, 1, NULL, &error) &&
         (step == STEPS - 1 || reformer_trainer_train (run->trainer, STEPS - step - 1, NULL, &error));
  if (error != NULL)
    g_test_message ("%s: %s", except, error->message);
  end = made ? describe (folder, STEPS) : g_strdup ("none");
  g_clear_pointer (&run, run_free);
  test_folder_delete (folder);
  return end;
}

static gboolean
is_noticed (const Kind *kind,
            guint       step,
            const char *except)
{
  g_autofree char *end = end_without (kind, step, except);

  return strcmp (end, whole[kind - kinds].end) != 0;
}

/* The negative control: no field of the table, nor anything else, can be left out unnoticed. */
static void
test_each_is_needed (void)
{
  static const char *const others[] = { "weights", "optimizer", "settings" };
  const char *const *fields = reformer_training_state_get_fields ();
  const Kind *kind = &kinds[1];

  /* in the middle, and where only a skipped step is left */
  g_assert_false (is_noticed (kind, 8, NULL));
  g_assert_false (is_noticed (kind, STEPS - 1, NULL));
  for (guint i = 0; i < g_strv_length ((char **) fields) + G_N_ELEMENTS (others); i++)
    {
      const char *except = i < G_N_ELEMENTS (others) ? others[i] : fields[i - G_N_ELEMENTS (others)];

      if (!is_noticed (kind, 8, except) && !is_noticed (kind, STEPS - 1, except))
        {
          g_test_message ("%s was not restored, and nothing differs", except);
          g_test_fail ();
        }
    }
}

/* Settings that the weights do not depend on; what the checkpoint says of itself tells that they are restored. */
static const struct
{
  const char *name;
  const char *why;
} without_effect[] = {
  { "trainer.total-steps", "the state has what it was when the run began" },
  { "trainer.evaluation-samples", "evaluations change no weights" },
  { "trainer.patience", "says when to end, not what a step does" },
  { "trainer.min-improvement", "says when to end, not what a step does" },
  { "trainer.max-skipped", "says when to end, not what a step does" },
  { "trainer.checkpoint-interval", "checkpoints change no weights" },
  { "trainer.checkpoints-kept", "checkpoints change no weights" },
  { "trainer.history-interval", "records change no weights" },
};

static gboolean
is_without_effect (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (without_effect); i++)
    if (g_str_equal (name, without_effect[i].name))
      return TRUE;
  return FALSE;
}

/* Of what describe() says, the line of the weights. */
static char *
weights_of (const char *end)
{
  g_auto (GStrv) lines = g_strsplit (end, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_suffix (lines[i], " model.safetensors"))
      return g_strdup (lines[i]);
  return g_strdup (end);
}

static guint
check_settings (const Kind *kind,
                const char *part,
                GObject    *object)
{
  g_autoptr (json_t) settings = reformer_properties_to_json (object, NULL);
  g_autofree char *want = weights_of (whole[kind - kinds].end);
  const char *name;
  json_t *value;

  json_object_foreach (settings, name, value)
    {
      g_autofree char *except = g_strdup_printf ("%s.%s", part, name), *end = end_without (kind, 8, except), *weights = weights_of (end);

      if (g_str_equal (end, whole[kind - kinds].end) || g_str_equal (weights, want) != is_without_effect (except))
        {
          g_test_message ("%s: %s was not restored, and %s", kind->name, except, g_str_equal (weights, want) ? "the weights are the same" : "other weights came of it");
          g_test_fail ();
        }
    }
  return (guint) json_object_size (settings);
}

/* No setting of trainer, optimizer and schedule can be left out unnoticed. */
static void
test_each_setting_is_needed (gconstpointer data)
{
  const Kind *kind = data;
  const guint k = make_whole (kind);
  g_autofree char *folder = test_folder_new ();
  g_autoptr (Run) run = run_new (kind, whole[k].data, folder, FALSE);
  guint n;

  g_assert_false (is_noticed (kind, 8, NULL));
  n = check_settings (kind, "trainer", G_OBJECT (run->trainer));
  g_assert_cmpuint (n, >, G_N_ELEMENTS (without_effect));
  n = check_settings (kind, "optimizer", G_OBJECT (reformer_trainer_get_optimizer (run->trainer)));
  g_assert_cmpuint (n, >=, 3);
  n = check_settings (kind, "schedule", G_OBJECT (reformer_trainer_get_schedule (run->trainer)));
  g_assert_cmpuint (n, >=, 3);
  g_clear_pointer (&run, run_free);
  test_folder_delete (folder);
}

static gpointer
cancel_soon (gpointer cancellable)
{
  g_usleep (50000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* The hash of a text of gigabytes takes many seconds; cancelled in the midst of it, resuming and saving end at once. */
static void
test_cancelled_while_hashing (void)
{
  const guint k = make_whole (&kinds[0]);
  g_autofree char *data = test_folder_new (), *folder = test_folder_new (), *path = g_build_filename (data, "text", NULL);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (Run) run = run_new (&kinds[0], data, folder, TRUE);
      g_autoptr (GThread) thread = NULL;
      g_autoptr (GError) error = NULL;
      gint64 begin;

      g_assert_cmpint (truncate (path, G_GINT64_CONSTANT (4) << 30), ==, 0);
      if (i == 0)
        copy_until (whole[k].folder, folder, 1);
      begin = g_get_monotonic_time ();
      thread = g_thread_new ("cancels", cancel_soon, run->cancellable);
      if (i == 0)
        g_assert_false (reformer_trainer_resume (run->trainer, run->cancellable, &error));
      else
        g_assert_false (reformer_trainer_save_checkpoint (run->trainer, run->cancellable, &error));
      g_assert_cmpint (g_get_monotonic_time () - begin, <, 300000);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_thread_join (g_steal_pointer (&thread));
      g_clear_pointer (&run, run_free);
      test_folder_delete (folder);
      if (i == 0)
        g_assert_cmpint (g_mkdir (folder, 0777), ==, 0);
    }
  test_folder_delete (data);
}

static void
clear (void)
{
  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++)
    if (whole[k].folder != NULL)
      {
        test_folder_delete (whole[k].data);
        test_folder_delete (whole[k].folder);
        g_free (whole[k].data);
        g_free (whole[k].folder);
        g_free (whole[k].end);
      }
}

int
main (int   argc,
      char *argv[])
{
  int status;

  if (g_file_test ("/dev/shm", G_FILE_TEST_IS_DIR) && g_access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", TRUE); /* hundreds of checkpoints, each of them synced */
  g_test_init (&argc, &argv, NULL);
  for (guint k = 0; k < N_INTERRUPTED; k++)
    {
      g_autofree char *repeats = g_strdup_printf ("/resume/%s/repeats", kinds[k].name), *every = g_strdup_printf ("/resume/%s/every-step", kinds[k].name);
      g_autofree char *cancelled = g_strdup_printf ("/resume/%s/cancelled", kinds[k].name);

      g_test_add_data_func (repeats, &kinds[k], test_repeats);
      g_test_add_data_func (every, &kinds[k], test_every_step);
      g_test_add_data_func (cancelled, &kinds[k], test_cancelled);
    }
  g_test_add_func ("/resume/each-is-needed", test_each_is_needed);
  for (guint k = N_INTERRUPTED; k < G_N_ELEMENTS (kinds); k++)
    {
      g_autofree char *path = g_strdup_printf ("/resume/each-setting-is-needed/%s", kinds[k].name);

      g_test_add_data_func (path, &kinds[k], test_each_setting_is_needed);
    }
  g_test_add_func ("/resume/cancelled-while-hashing", test_cancelled_while_hashing);
  status = test_run ();
  clear ();
  return status;
}
