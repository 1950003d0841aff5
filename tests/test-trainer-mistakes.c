/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever is wrong is said in one line before the first step, and afterwards the trainer trains as if nothing had been. */
#include "mistakes.h"
#include "training.h"

#include "folders.h"

#include <glib/gstdio.h>
#include <math.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-masked-dataset.h>
#include <libreformer/training/reformer-trainer-error.h>

#define INVALID REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID
#define DATA    REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA
#define FOLDER  REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER

static ReformerTrainer *
new_trainer (TestSamples **samples)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0.1);
  g_autoptr (TestSamples) own = test_samples_new (5, 32, 40);

  if (samples != NULL)
    *samples = own;
  return test_trainer_new (model, own);
}

static void
fails (ReformerTrainer  *trainer,
       guint             n_steps,
       GError          **error)
{
  g_autoptr (GError) again = NULL;

  g_assert_false (reformer_trainer_train (trainer, n_steps, NULL, error));
  g_assert_nonnull (*error);
  g_assert_false (reformer_trainer_train (trainer, n_steps, NULL, &again));
  g_assert_cmpstr ((*error)->message, ==, again->message);
  g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_FAILED);
  g_assert_false (reformer_trainer_get_running (trainer));
}

/* It trains as one that never failed. */
static void
assert_trains (ReformerTrainer *trainer)
{
  static GArray *wanted = NULL;
  g_autoptr (GArray) got = NULL;

  if (wanted == NULL)
    {
      g_autoptr (ReformerTrainer) good = new_trainer (NULL);

      test_train (good, 2);
      wanted = test_training_state (good);
    }
  test_train (trainer, 2);
  got = test_training_state (trainer);
  assert_same_state (got, wanted);
}

/* ---- Settings ---- */

static void
test_steps (void)
{
  g_autoptr (ReformerTrainer) trainer = new_trainer (NULL);
  GError *error = NULL;

  fails (trainer, 0, &error);
  assert_says (&error, INVALID, "0 steps", NULL);
  reformer_trainer_set_total_steps (trainer, 3);
  fails (trainer, 4, &error);
  assert_says (&error, INVALID, "4 steps", "total-steps is 3", "wanted at most 3", NULL);
  reformer_trainer_set_total_steps (trainer, 0);
  assert_trains (trainer);
  fails (trainer, G_MAXUINT, &error);
  assert_says (&error, INVALID, "after 2", NULL);
}

typedef struct
{
  const char *names[3];
  int         values[3];
  const char *words[3];
} Settings;

static void
set_number (ReformerTrainer *trainer,
            const char      *name,
            int              value)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (trainer), name);

  if (G_IS_PARAM_SPEC_INT (pspec))
    g_object_set (trainer, name, value, NULL);
  else
    g_object_set (trainer, name, (guint) value, NULL);
}

static int
standard_of (ReformerTrainer *trainer,
             const char      *name)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (trainer), name);

  if (g_str_equal (name, "sequence-length"))
    return 32;
  if (G_IS_PARAM_SPEC_INT (pspec))
    return G_PARAM_SPEC_INT (pspec)->default_value;
  return (int) G_PARAM_SPEC_UINT (pspec)->default_value;
}

static void
test_settings (void)
{
  static const Settings cases[] = {
    { { "sequence-length" }, { 65 }, { "sequence-length", "65", "64" } },
    { { "final-sequence-length", "final-steps" }, { 100, 1 }, { "final-sequence-length", "100", "64" } },
    { { "final-sequence-length" }, { 64 }, { "final-steps is 0", "final-sequence-length is 64", NULL } },
    { { "final-steps" }, { 1 }, { "final-steps is 1", "final-sequence-length is 0", NULL } },
    { { "final-sequence-length", "final-steps" }, { 64, 3 }, { "final-steps is 3", "2 steps", NULL } },
    { { "final-sequence-length", "final-steps" }, { 1, 1 }, { "final-sequence-length: 1", "at least 2", NULL } },
    { { "batch-size", "accumulation" }, { 60000, 60000 }, { "batch-size 60000", "accumulation 60000", NULL } },
    { { "patience" }, { 2 }, { "patience is 2", "evaluation-interval is 0", NULL } },
    { { "evaluation-interval" }, { 2 }, { "evaluation-interval is 2", "evaluation-dataset", NULL } },
  };
  g_autoptr (ReformerTrainer) trainer = new_trainer (NULL);
  GError *error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Settings *c = &cases[i];

      for (guint j = 0; j < 3 && c->names[j] != NULL; j++)
        set_number (trainer, c->names[j], c->values[j]);
      fails (trainer, 2, &error);
      assert_says (&error, INVALID, c->words[0], c->words[1], c->words[2], NULL);
      for (guint j = 0; j < 3 && c->names[j] != NULL; j++)
        set_number (trainer, c->names[j], standard_of (trainer, c->names[j]));
    }
  /* setters take anything */
  reformer_trainer_set_batch_size (trainer, -1);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "batch-size: -1", "1 to 65536", NULL);
  g_assert_null (reformer_trainer_evaluate (trainer, reformer_trainer_get_dataset (trainer), NULL, &error));
  assert_says (&error, INVALID, "batch-size: -1", NULL);
  reformer_trainer_set_batch_size (trainer, 1);
  reformer_trainer_set_max_gradient_norm (trainer, NAN);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "max-gradient-norm: nan", "wanted 0 to", NULL);
  reformer_trainer_set_max_gradient_norm (trainer, -1);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "max-gradient-norm: -1", NULL);
  reformer_trainer_set_max_gradient_norm (trainer, 0);
  reformer_trainer_set_min_improvement (trainer, NAN);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "min-improvement: nan", NULL);
  reformer_trainer_set_min_improvement (trainer, 0);
  assert_trains (trainer);
}

static void
test_parts (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestSamples) samples = test_samples_new (2, 32, 40);
  g_autoptr (ReformerTrainer) without_model = reformer_trainer_new (NULL, REFORMER_DATASET (samples));
  g_autoptr (ReformerTrainer) without_data = NULL, trainer = new_trainer (NULL), broken = NULL;
  GError *error = NULL;

  fails (without_model, 1, &error);
  assert_says (&error, INVALID, "no model", NULL);
  without_data = reformer_trainer_new (reformer_trainer_get_model (trainer), NULL);
  fails (without_data, 1, &error);
  assert_says (&error, INVALID, "no dataset", NULL);
  g_assert_null (reformer_trainer_evaluate (without_data, REFORMER_DATASET (samples), NULL, &error));
  assert_says (&error, INVALID, "no dataset", NULL);

  g_object_set (config, "num-attention-heads", 0, NULL);
  model = reformer_model_new (device, config);
  broken = test_trainer_new (model, samples);
  fails (broken, 1, &error);
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "num_attention_heads", NULL);

  g_clear_object (&model);
  g_clear_object (&broken);
  g_object_set (config, "num-attention-heads", 2, "head", REFORMER_HEAD_NONE, NULL);
  model = reformer_model_new (device, config);
  broken = test_trainer_new (model, samples);
  fails (broken, 1, &error);
  assert_says (&error, INVALID, "no head", NULL);

  reformer_model_freeze (reformer_trainer_get_model (trainer), "*");
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "trainable", NULL);
  reformer_model_unfreeze (reformer_trainer_get_model (trainer), "*");
  assert_trains (trainer);
}

/* ---- Data ---- */

static void
test_data (void)
{
  const gint32 high[4] = { 1, 2, 40, 3 }, ids[4] = { 1, 2, 3, 4 }, none[4] = { 1, -100, -100, -100 }, odd[4] = { 1, 2, -1, 3 };
  TestSamples *samples;
  g_autoptr (ReformerTrainer) trainer = new_trainer (&samples);
  g_autoptr (GPtrArray) good = g_ptr_array_ref (samples->samples);
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new ();
  g_autoptr (TestSamples) bad = test_samples_new (1, 32, 40);
  g_autoptr (GPtrArray) nothing = g_ptr_array_new ();
  GError *error = NULL;

  samples->samples = nothing;
  fails (trainer, 2, &error);
  assert_says (&error, DATA, "no sample", "32 tokens", NULL);
  samples->samples = bad->samples;

  reformer_dataset_set_tokenizer (REFORMER_DATASET (samples), bytes);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "258 ids", "vocab_size is 40", NULL);
  g_assert_null (reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error));
  assert_says (&error, INVALID, "258 ids", "vocab_size is 40", NULL);
  reformer_dataset_set_tokenizer (REFORMER_DATASET (samples), NULL);

  test_samples_put (bad, 0, high, NULL, NULL, 4);
  fails (trainer, 2, &error);
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "40", "0 to 39", NULL);
  test_samples_put (bad, 0, ids, NULL, odd, 4);
  fails (trainer, 2, &error);
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "labels", "-1", NULL);
  test_samples_put (bad, 0, ids, NULL, none, 4);
  fails (trainer, 2, &error);
  assert_says (&error, DATA, "no target", "1 samples", NULL);
  g_assert_null (reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error));
  assert_says (&error, DATA, "no target", NULL);

  samples->samples = g_ptr_array_ref (good);
  g_array_set_size (samples->read, 0);
  assert_trains (trainer);
}

static void
test_evaluation (void)
{
  TestSamples *samples;
  g_autoptr (ReformerTrainer) trainer = new_trainer (&samples);
  g_autoptr (TestSamples) empty = test_samples_new (0, 32, 40);
  GError *error = NULL;

  g_assert_null (reformer_trainer_evaluate (trainer, NULL, NULL, &error));
  assert_says (&error, DATA, "nothing to evaluate", NULL);
  g_assert_null (reformer_trainer_evaluate (trainer, REFORMER_DATASET (empty), NULL, &error));
  assert_says (&error, DATA, "evaluation data", "no sample", NULL);
  g_object_set (trainer, "evaluation-interval", 1, "evaluation-dataset", empty, NULL);
  fails (trainer, 2, &error);
  assert_says (&error, DATA, "evaluation data", "no sample", NULL);
  g_object_set (trainer, "evaluation-interval", 0, NULL);
  assert_trains (trainer);
}

/* A data set with holes is for a masked language model alone; nothing else may train on it in silence, nor evaluate. */
static void
test_holes (void)
{
  static const ReformerHead heads[] = { REFORMER_HEAD_LANGUAGE, REFORMER_HEAD_TOKENS, REFORMER_HEAD_VALUES };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (TestSamples) samples = test_samples_new (3, 32, 40);
  g_autoptr (ReformerMaskedDataset) holes = reformer_masked_dataset_new (REFORMER_DATASET (samples));
  g_autoptr (GEnumClass) names = g_type_class_ref (REFORMER_TYPE_HEAD);
  g_autoptr (ReformerTrainer) causal = new_trainer (NULL), masked = NULL;
  g_autoptr (ReformerConfig) config = test_head_config (REFORMER_HEAD_MASKED_LANGUAGE, "local");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  GError *error = NULL;

  reformer_masked_dataset_set_n_ids (holes, 40);
  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      g_autoptr (ReformerConfig) other = test_head_config (heads[i], "local");
      g_autoptr (ReformerModel) wrong = reformer_model_new (device, other);
      g_autoptr (ReformerTrainer) trainer = reformer_trainer_new (wrong, REFORMER_DATASET (holes));
      g_autofree char *seen = g_strdup_printf ("head is %s", g_enum_get_value (names, (int) heads[i])->value_nick);

      reformer_trainer_set_sequence_length (trainer, 32);
      fails (trainer, 1, &error);
      assert_says (&error, INVALID, "the data set: a MaskedDataset", seen, "wanted masked-language", NULL);
      g_assert_cmpuint (samples->read->len, ==, 0);
    }
  /* as data to evaluate with, given or set */
  g_assert_null (reformer_trainer_evaluate (causal, REFORMER_DATASET (holes), NULL, &error));
  assert_says (&error, INVALID, "the evaluation data: a MaskedDataset", "head is language", "wanted masked-language", NULL);
  g_object_set (causal, "evaluation-interval", 1, "evaluation-dataset", holes, NULL);
  fails (causal, 2, &error);
  assert_says (&error, INVALID, "the evaluation data: a MaskedDataset", NULL);
  g_object_set (causal, "evaluation-interval", 0, NULL);
  assert_trains (causal);

  masked = reformer_trainer_new (model, REFORMER_DATASET (samples));
  reformer_trainer_set_sequence_length (masked, 32);
  fails (masked, 1, &error);
  assert_says (&error, DATA, "0 bytes of labels", "MaskedDataset", NULL);
  g_clear_object (&masked);
  masked = reformer_trainer_new (model, REFORMER_DATASET (holes));
  reformer_trainer_set_sequence_length (masked, 32);
  test_train (masked, 1);
  evaluation = reformer_trainer_evaluate (masked, REFORMER_DATASET (holes), NULL, &error);
  g_assert_no_error (error);
}

/* ---- Optimizers and schedules ---- */

typedef struct
{
  ReformerOptimizer parent_instance;
} TestIdle;

typedef struct
{
  ReformerOptimizerClass parent_class;
} TestIdleClass;

static GType test_idle_get_type (void);
G_DEFINE_TYPE (TestIdle, test_idle, REFORMER_TYPE_OPTIMIZER)

static gboolean
test_idle_update (ReformerOptimizer *self,
                  ReformerParameter *parameter,
                  guint              step,
                  double             learning_rate,
                  double             scale,
                  GError           **error)
{
  return FALSE;
}

static void
test_idle_class_init (TestIdleClass *klass)
{
  REFORMER_OPTIMIZER_CLASS (klass)->update = test_idle_update;
}

static void
test_idle_init (TestIdle *self)
{
}

typedef struct
{
  ReformerSchedule parent_instance;

  double factor;
} TestFactor;

typedef struct
{
  ReformerScheduleClass parent_class;
} TestFactorClass;

static GType test_factor_get_type (void);
G_DEFINE_TYPE (TestFactor, test_factor, REFORMER_TYPE_SCHEDULE)

static void
test_factor_compute_factor (ReformerSchedule  *schedule,
                            guint              step,
                            guint              total_steps,
                            double            *factor,
                            GError           **error)
{
  *factor = ((TestFactor *) schedule)->factor;
}

static void
test_factor_class_init (TestFactorClass *klass)
{
  REFORMER_SCHEDULE_CLASS (klass)->compute_factor = test_factor_compute_factor;
}

static void
test_factor_init (TestFactor *self)
{
}

static void
test_rates (void)
{
  const double factors[] = { -1, (double) NAN, (double) INFINITY };
  g_autoptr (ReformerTrainer) trainer = new_trainer (NULL);
  g_autoptr (ReformerOptimizer) idle = g_object_new (test_idle_get_type (), NULL);
  TestFactor *schedule = g_object_new (test_factor_get_type (), NULL);
  GError *error = NULL;

  reformer_trainer_set_schedule (trainer, REFORMER_SCHEDULE (schedule));
  for (guint i = 0; i < G_N_ELEMENTS (factors); i++)
    {
      g_autofree char *seen = g_strdup_printf ("%g", factors[i]);

      schedule->factor = factors[i];
      fails (trainer, 2, &error);
      assert_says (&error, INVALID, "factor at step 1 of 2", seen, NULL);
    }
  reformer_trainer_set_schedule (trainer, NULL);
  g_object_unref (schedule);

  reformer_trainer_set_optimizer (trainer, idle);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "TestIdle", NULL);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 0);
  reformer_optimizer_set_learning_rate (idle, (double) NAN);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "learning-rate", "nan", NULL);
  reformer_trainer_set_optimizer (trainer, NULL);
  assert_trains (trainer);
}

/* ---- Folders ---- */

static void
test_folders (void)
{
  g_autofree char *path = test_folder_new (), *file = g_build_filename (path, "file", NULL), *other = g_build_filename (path, "other", NULL),
                  *run = g_build_filename (path, "run", NULL);
  g_autoptr (GFile) is_file = g_file_new_for_path (file), is_other = g_file_new_for_path (other), is_run = g_file_new_for_path (run),
                    far = g_file_new_for_uri ("http://localhost/run");
  g_autoptr (ReformerTrainer) trainer = new_trainer (NULL), second = new_trainer (NULL), third = new_trainer (NULL);
  GError *error = NULL;

  g_assert_false (reformer_trainer_save_checkpoint (trainer, NULL, &error));
  assert_says (&error, INVALID, "no folder", NULL);
  g_assert_false (reformer_trainer_resume (trainer, NULL, &error));
  assert_says (&error, INVALID, "no folder", NULL);

  test_file_write (path, "file", "x", 1);
  reformer_trainer_set_folder (trainer, is_file);
  fails (trainer, 2, &error);
  assert_says (&error, FOLDER, file, NULL);
  reformer_trainer_set_folder (trainer, far);
  fails (trainer, 2, &error);
  assert_says (&error, FOLDER, "http://localhost/run", NULL);
  g_assert_cmpint (g_mkdir (other, 0777), ==, 0);
  test_file_write (other, "diary.txt", "x", 1);
  reformer_trainer_set_folder (trainer, is_other);
  fails (trainer, 2, &error);
  assert_says (&error, FOLDER, other, "diary.txt", NULL);
  g_assert_cmpuint (test_folder_count (other), ==, 1);

  /* a run that never began leaves no folder */
  reformer_trainer_set_folder (trainer, is_run);
  reformer_trainer_set_batch_size (trainer, 0);
  fails (trainer, 2, &error);
  assert_says (&error, INVALID, "batch-size", NULL);
  g_assert_false (g_file_query_exists (is_run, NULL));
  g_assert_false (reformer_trainer_resume (trainer, NULL, &error));
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, run, "no checkpoint", NULL);
  g_assert_false (g_file_query_exists (is_run, NULL));
  reformer_trainer_set_batch_size (trainer, 1);
  assert_trains (trainer);

  reformer_trainer_set_folder (second, is_run);
  fails (second, 2, &error);
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY, run, NULL);
  g_clear_object (&trainer);
  fails (second, 2, &error);
  assert_says (&error, FOLDER, run, "resume", NULL);
  g_assert_false (reformer_trainer_save_checkpoint (second, NULL, &error));
  assert_says (&error, FOLDER, run, "resume", NULL);
  reformer_trainer_set_folder (second, NULL);
  assert_trains (second);

  reformer_trainer_set_folder (third, is_run);
  fails (third, 2, &error); /* the second one still has it */
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY, run, NULL);
  g_clear_object (&second);
  g_assert_true (reformer_trainer_resume (third, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_trainer_get_n_steps (third), ==, 2);
  g_clear_object (&third);
  test_folder_delete (path);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-mistakes/steps", test_steps);
  g_test_add_func ("/trainer-mistakes/settings", test_settings);
  g_test_add_func ("/trainer-mistakes/parts", test_parts);
  g_test_add_func ("/trainer-mistakes/data", test_data);
  g_test_add_func ("/trainer-mistakes/evaluation", test_evaluation);
  g_test_add_func ("/trainer-mistakes/holes", test_holes);
  g_test_add_func ("/trainer-mistakes/rates", test_rates);
  g_test_add_func ("/trainer-mistakes/folders", test_folders);

  return test_run ();
}
