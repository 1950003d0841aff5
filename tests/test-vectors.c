/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inputs that are vectors: a projection of one-hot vectors is a table of words. */
#include "folders.h"
#include "mistakes.h"
#include "training.h"

#include <math.h>
#include <string.h>

#include <libreformer/generation/reformer-session.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-trainer-error.h>

#define WORDS 40
#define PROJECTION "reformer.embeddings.input_projection.weight"
#define BIAS "reformer.embeddings.input_projection.bias"
#define TABLE "reformer.embeddings.word_embeddings.weight"

static ReformerModel *
new_model (ReformerDevice *device,
           int             features,
           double          dropout)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");

  g_object_set (config, "hidden-dropout-prob", dropout, "local-attention-probs-dropout-prob", dropout, "input-features", features, NULL);
  return reformer_model_new (device, config);
}

/* One model of ids, and one of one-hot vectors with the same weights. */
static void
new_pair (ReformerDevice  *device,
          double           dropout,
          ReformerModel  **words,
          ReformerModel  **vectors)
{
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *table = NULL, *turned = g_new (float, WORDS * 32);

  *words = new_model (device, 0, dropout);
  *vectors = new_model (device, WORDS, dropout);
  reformer_model_prepare (*words, &error);
  g_assert_no_error (error);
  reformer_model_prepare (*vectors, &error);
  g_assert_no_error (error);
  parameters = reformer_model_list_parameters (*vectors);
  for (guint i = 0; i < parameters->len; i++)
    {
      const char *name = reformer_parameter_get_name (parameters->pdata[i]);
      g_autofree float *values = NULL;

      if (g_str_equal (name, PROJECTION) || g_str_equal (name, BIAS))
        continue;
      values = test_floats (reformer_parameter_get_value (test_model_parameter (*words, name)));
      test_set_values (parameters->pdata[i], values, reformer_parameter_get_n_elements (parameters->pdata[i]));
    }
  table = test_floats (reformer_parameter_get_value (test_model_parameter (*words, TABLE)));
  for (int word = 0; word < WORDS; word++)
    for (int h = 0; h < 32; h++)
      turned[h * WORDS + word] = table[word * 32 + h];
  test_set_values (test_model_parameter (*vectors, PROJECTION), turned, WORDS * 32);
}

static ReformerTensor *
one_hot (ReformerTensor *tokens,
         int             B,
         int             T)
{
  g_autofree gint32 *ids = test_ints (tokens);
  g_autofree float *values = g_new0 (float, B * T * WORDS);

  for (int i = 0; i < B * T; i++)
    values[i * WORDS + ids[i]] = 1;
  return test_tensor (reformer_tensor_get_device (tokens), values, 3, B, T, WORDS);
}

static float *
gradient_of (ReformerModel *model,
             const char    *name)
{
  return test_floats (reformer_parameter_get_gradient (test_model_parameter (model, name)));
}

static double *
widen (const float *values,
       gsize        n)
{
  double *wide = g_new (double, n);

  for (gsize i = 0; i < n; i++)
    wide[i] = (double) values[i];
  return wide;
}

static void
compare (ReformerDevice *device,
         double          dropout,
         int             B,
         int             T,
         gboolean        masked)
{
  g_autoptr (ReformerModel) words = NULL;
  g_autoptr (ReformerModel) vectors = NULL;
  g_autoptr (ReformerTensor) ids = test_tokens (device, B, T, WORDS);
  g_autoptr (ReformerTensor) hot = one_hot (ids, B, T);
  g_autofree guint8 *kept = g_new (guint8, B * T);
  g_autoptr (ReformerTensor) mask = NULL;
  g_autoptr (ReformerTensor) a = NULL;
  g_autoptr (ReformerTensor) b = NULL;
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *got = NULL, *answer = NULL;
  g_autofree double *want = NULL;
  double loss;

  new_pair (device, dropout, &words, &vectors);
  for (int i = 0; i < B * T; i++)
    kept[i] = i % T < T - 3;
  mask = masked ? test_tensor_bytes (device, kept, 2, B, T) : NULL;
  a = reformer_model_forward (words, ids, mask, &error);
  g_assert_no_error (error);
  b = reformer_model_forward (vectors, hot, mask, &error);
  g_assert_no_error (error);
  answer = test_floats (a);
  got = test_floats (b);
  want = widen (answer, reformer_tensor_get_n_elements (a));
  assert_close ("logits", got, want, reformer_tensor_get_n_elements (a), 1e-5);

  loss = reformer_model_compute_gradients (words, ids, mask, ids, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (fabs (reformer_model_compute_gradients (vectors, hot, mask, ids, &error) - loss), <, 1e-5);
  g_assert_no_error (error);
  g_assert_cmpfloat (fabs (reformer_model_compute_loss (vectors, hot, mask, ids, &error) - reformer_model_compute_loss (words, ids, mask, ids, NULL)), <, 1e-5);
  parameters = reformer_model_list_parameters (words);
  for (guint i = 0; i < parameters->len; i++)
    {
      const char *name = reformer_parameter_get_name (parameters->pdata[i]);
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      g_autofree float *theirs = gradient_of (words, name), *ours = gradient_of (vectors, g_str_equal (name, TABLE) ? PROJECTION : name);
      g_autofree double *wide = widen (theirs, n);

      if (g_str_equal (name, TABLE))
        {
          g_autofree float *bias = gradient_of (vectors, BIAS);
          double sums[32] = { 0 };

          for (int word = 0; word < WORDS; word++)
            for (int h = 0; h < 32; h++)
              {
                wide[h * WORDS + word] = (double) theirs[word * 32 + h];
                sums[h] += (double) theirs[word * 32 + h];
              }
          assert_near ("gradient of the bias", bias, sums, 32, 1e-4);
        }
      assert_near (name, ours, wide, n, 1e-5);
    }
}

static void
test_one_hot (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  compare (device, 0, 2, 16, FALSE);
  if (test_device_slow (device))
    return;
  compare (device, 0, 1, 7, FALSE);
  compare (device, 0, 2, 43, FALSE); /* padded */
  compare (device, 0, 2, 43, TRUE);
  compare (device, 0.2, 2, 64, TRUE); /* the same dropouts */
}

/* A position table and padding beyond the last position. */
static void
test_beyond (void)
{
  const int shape[2] = { 6, 7 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autofree float *values = g_new (float, 2 * 41 * 3);
  g_autoptr (ReformerTensor) frames = NULL;

  test_fill (values, 2 * 41 * 3, 4);
  frames = test_tensor (device, values, 3, 2, 41, 3);
  for (int table = 0; table < 2; table++)
    {
      g_autoptr (ReformerConfig) config = test_config ("lsh,local");
      g_autoptr (ReformerModel) model = NULL;
      g_autoptr (ReformerTensor) output = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float *numbers = NULL;

      reformer_config_set_axial_pos_shape (config, shape, 2);
      g_object_set (config, "input-features", 3, "axial-pos-embds", !table, "max-position-embeddings", 42, "head", REFORMER_HEAD_NONE, NULL);
      model = reformer_model_new (device, config);
      output = reformer_model_encode (model, frames, NULL, &error);
      g_assert_no_error (error);
      numbers = test_floats (output);
      g_assert_cmpuint (reformer_tensor_get_n_elements (output), ==, 2 * 41 * 64);
      for (gsize i = 0; i < 2 * 41 * 64; i++)
        g_assert_true (isfinite (numbers[i]));
    }
}

static void
test_folder (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, 3, 0);
  g_autofree char *folder = test_folder_new ();
  g_autoptr (GFile) file = g_file_new_build_filename (folder, "model", NULL);
  g_autoptr (ReformerModel) again = NULL;
  g_autoptr (ReformerTensor) a = NULL;
  g_autoptr (ReformerTensor) b = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *values = g_new (float, 21 * 3), *first = NULL, *second = NULL;
  g_autoptr (ReformerTensor) frames = NULL;

  test_fill (values, 21 * 3, 2);
  frames = test_tensor (device, values, 3, 1, 21, 3);
  a = reformer_model_forward (model, frames, NULL, &error);
  g_assert_no_error (error);
  reformer_model_save (model, file, NULL, &error);
  g_assert_no_error (error);
  again = reformer_model_load (device, file, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_config_get_input_features (reformer_model_get_config (again)), ==, 3);
  b = reformer_model_forward (again, frames, NULL, &error);
  g_assert_no_error (error);
  first = test_floats (a);
  second = test_floats (b);
  assert_same_bits ("logits", second, first, 21 * WORDS);
  test_folder_delete (folder);
}

/* ---- Training ---- */

static ReformerSample *
new_sample (int      features,
            int      length,
            gboolean labelled)
{
  const gsize n = (gsize) (length * features);
  float *values = g_new (float, n);
  gint32 *classes = g_new (gint32, length);
  g_autoptr (GBytes) numbers = NULL, labels = NULL;

  test_fill (values, n, (guint32) length);
  for (int t = 0; t < length; t++)
    classes[t] = t == 0 ? -100 : values[(t - 1) * features] > 0 ? 3 : 5;
  numbers = g_bytes_new_take (values, n * sizeof *values);
  labels = g_bytes_new_take (classes, (gsize) length * sizeof *classes);
  return reformer_sample_new_from_values (numbers, features, NULL, labelled ? labels : NULL);
}

static ReformerTrainer *
new_trainer (ReformerDevice *device,
             int             features,
             ReformerSample *sample,
             ReformerSample *other)
{
  g_autoptr (TestSamples) samples = g_object_new (test_samples_get_type (), NULL);
  g_autoptr (ReformerModel) model = new_model (device, features, 0);

  g_ptr_array_add (samples->samples, g_object_ref (sample));
  g_ptr_array_add (samples->samples, g_object_ref (other));
  return g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", samples, "sequence-length", 32, "batch-size", 2, NULL);
}

static void
test_training (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerSample) sample = new_sample (3, 32, TRUE);
  g_autoptr (ReformerSample) shorter = new_sample (3, 21, TRUE);
  g_autoptr (ReformerTrainer) trainer = new_trainer (device, 3, sample, shorter);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  double first;

  plan = reformer_trainer_estimate_memory (trainer, &error);
  g_assert_no_error (error);
  g_assert_true (reformer_memory_plan_get_fits (plan));
  test_train (trainer, 1);
  first = reformer_trainer_get_loss (trainer);
  reformer_optimizer_set_learning_rate (reformer_trainer_get_optimizer (trainer), 0.01);
  test_train (trainer, test_device_slow (device) ? 2 : 20);
  g_assert_cmpfloat (reformer_trainer_get_loss (trainer), <, first - (test_device_slow (device) ? 0 : 1));
}

/* Learns waves of one frequency and any phase, and goes on with one that it has not seen, each point from its own ones before. */
static void
test_forecast (void)
{
  const int length = 40, more = 12;
  const char *const kinds[] = { "local", "local", NULL };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (TestSamples) samples = g_object_new (test_samples_get_type (), NULL);
  g_autoptr (ReformerOptimizer) optimizer = REFORMER_OPTIMIZER (reformer_adamw_new ());
  g_autoptr (ReformerSchedule) schedule = g_object_new (REFORMER_TYPE_SCHEDULE, "warmup-steps", 20, NULL);
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTrainer) trainer = NULL;
  float series[64];

  if (!reformer_device_is_wide (device) || test_device_slow (device))
    {
      g_test_skip ("learning takes long with other kernels than the wide ones, and hangs on none");
      return;
    }
  reformer_config_set_attn_layers (config, kinds);
  g_object_set (config, "head", REFORMER_HEAD_VALUES, "num-labels", 1, "input-features", 1, "axial-norm-std", 0.1, NULL);
  model = reformer_model_new (device, config);
  for (int i = 0; i < 32; i++)
    {
      g_autoptr (GBytes) values = NULL, labels = NULL;
      g_autoptr (ReformerSample) sample = NULL;

      for (int t = 0; t < 64; t++)
        series[t] = (float) sin (0.4 * t + 0.2 * i);
      values = g_bytes_new (series, 63 * sizeof *series);
      labels = g_bytes_new (series + 1, 63 * sizeof *series);
      sample = reformer_sample_new_from_values (values, 1, NULL, labels);
      g_ptr_array_add (samples->samples, g_steal_pointer (&sample));
    }
  reformer_optimizer_set_learning_rate (optimizer, 0.01);
  trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", samples, "sequence-length", 63, "batch-size", 8, "optimizer", optimizer, "schedule", schedule, NULL);
  test_train (trainer, 200);
  g_test_message ("loss %g", reformer_trainer_get_loss (trainer));
  for (int t = 0; t < length; t++)
    series[t] = (float) sin (0.4 * t + 1.1);
  for (int t = length; t < length + more; t++)
    {
      g_autoptr (ReformerTensor) seen = test_tensor (device, series, 3, 1, t, 1);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerTensor) next = reformer_model_forward (model, seen, NULL, &error);
      g_autofree float *values = NULL;

      g_assert_no_error (error);
      values = test_floats (next);
      series[t] = values[t - 1];
      g_test_message ("%d: %g, the wave has %g", t, (double) series[t], sin (0.4 * t + 1.1));
      g_assert_cmpfloat (fabs ((double) series[t] - sin (0.4 * t + 1.1)), <, 0.2);
    }
}

static void
test_bad_samples (void)
{
  static const int ids[] = { 1, 2, 3 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerSample) words = reformer_sample_new_from_ids (ids, 3);
  g_autoptr (ReformerSample) good = new_sample (3, 9, TRUE);
  g_autoptr (ReformerSample) wide = new_sample (4, 9, TRUE);
  g_autoptr (ReformerSample) bare = new_sample (3, 9, FALSE);
  const struct
  {
    int             features;
    ReformerSample *sample;
    const char     *words[2];
  } cases[] = {
    { 3, words, { "of TestSamples: it has ids", "wanted vectors of 3 numbers, for the model's input_features is 3" } },
    { 3, wide, { "it has vectors of 4 numbers", "wanted vectors of 3 numbers" } },
    { 3, bare, { "it has 0 bytes of labels; wanted 36 (int32, 1 for each of 9 vectors)", "" } },
    { 0, good, { "it has vectors of 3 numbers", "wanted ids, for the model's input_features is 0" } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerTrainer) trainer = new_trainer (device, cases[i].features, cases[i].sample, cases[i].sample);
      g_autoptr (GError) error = NULL;

      g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
      assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, cases[i].words[0], cases[i].words[1], NULL);
      g_assert_null (reformer_trainer_evaluate (trainer, reformer_trainer_get_dataset (trainer), NULL, &error));
      assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, cases[i].words[0], cases[i].words[1], NULL);
    }
}

/* ---- Mistakes ---- */

static void
refuse (ReformerModel  *model,
        ReformerTensor *tokens,
        int             code,
        const char     *seen,
        const char     *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);

  g_assert_null (output);
  assert_says (&error, REFORMER_MODEL_ERROR, code, seen, wanted, NULL);
}

static void
test_mistakes (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, 3, 0);
  g_autoptr (ReformerModel) words = new_model (device, 0, 0);
  g_autoptr (ReformerTensor) ids = test_tokens (device, 2, 8, WORDS);
  g_autoptr (ReformerTensor) wide = test_tensor (device, NULL, 3, 2, 8, 4);
  g_autoptr (ReformerTensor) flat = test_tensor (device, NULL, 2, 8, 3);
  g_autoptr (ReformerTensor) good = test_tensor (device, NULL, 3, 2, 8, 3);
  g_autoptr (ReformerTensor) bad = NULL;
  g_autoptr (ReformerSession) session = reformer_session_new (model);
  g_autoptr (GError) error = NULL;
  float values[48] = { 0 };

  refuse (model, ids, REFORMER_MODEL_ERROR_SHAPE, "int32 [2, 8]", "wanted float32 [B, T, 3] (input_features is 3)");
  refuse (model, wide, REFORMER_MODEL_ERROR_SHAPE, "float32 [2, 8, 4]", "wanted float32 [B, T, 3]");
  refuse (model, flat, REFORMER_MODEL_ERROR_SHAPE, "float32 [8, 3]", "wanted float32 [B, T, 3]");
  refuse (words, good, REFORMER_MODEL_ERROR_SHAPE, "float32 [2, 8, 3]", "wanted int32 [B, T]");
  values[24 + 5 * 3 + 1] = NAN;
  bad = test_tensor (device, values, 3, 2, 8, 3);
  refuse (model, bad, REFORMER_MODEL_ERROR_INVALID_INPUT, "tokens: nan at row 1, position 5, feature 1", "wanted a finite number");

  g_assert_null (reformer_session_feed (session, good, NULL, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "input_features is 3", "wanted a model of ids", NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vectors/one-hot", test_one_hot);
  g_test_add_func ("/vectors/padded-beyond-the-last-position", test_beyond);
  g_test_add_func ("/vectors/folder", test_folder);
  g_test_add_func ("/vectors/training", test_training);
  g_test_add_func ("/vectors/forecast", test_forecast);
  g_test_add_func ("/vectors/bad-samples", test_bad_samples);
  g_test_add_func ("/vectors/mistakes", test_mistakes);
  return test_run ();
}
