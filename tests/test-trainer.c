/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocking training: steps are what they say. */
#include "training.h"

#include <math.h>
#include <string.h>

#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-trainer-error.h>

/* ---- Steps ---- */

static double
mean_of (GListModel *history,
         guint       from,
         guint       n)
{
  double sum = 0;

  for (guint i = from; i < from + n; i++)
    {
      g_autoptr (ReformerTrainingRecord) record = g_list_model_get_item (history, i);

      sum += reformer_training_record_get_loss (record);
    }
  return sum / n;
}

static void
test_falls (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  GListModel *history = reformer_trainer_get_history (trainer);

  g_object_set (trainer, "batch-size", 2, "max-gradient-norm", 1.0, NULL);
  reformer_model_set_training (model, FALSE);
  test_train (trainer, 30);
  g_assert_cmpuint (g_list_model_get_n_items (history), ==, 30);
  g_assert_cmpfloat (mean_of (history, 25, 5), <, 0.9 * mean_of (history, 0, 5));
  g_assert_false (reformer_model_get_training (model));

  g_assert_true (REFORMER_IS_ADAMW (reformer_trainer_get_optimizer (trainer)));
  g_assert_cmpfloat (reformer_optimizer_get_learning_rate (reformer_trainer_get_optimizer (trainer)), ==, 1e-3);
  g_assert_cmpfloat (reformer_adamw_get_weight_decay (REFORMER_ADAMW (reformer_trainer_get_optimizer (trainer))), ==, 0.01);
  g_assert_nonnull (reformer_trainer_get_schedule (trainer));
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 30);
  g_assert_cmpuint (reformer_trainer_get_epoch (trainer), ==, 15);
  g_assert_cmpint (reformer_trainer_get_tokens (trainer), ==, 30 * 2 * 32);
  g_assert_cmpuint (reformer_model_get_sequence (model), ==, 60);
  g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_STEPS);
  g_assert_false (reformer_trainer_get_running (trainer));
  g_assert_cmpfloat (reformer_trainer_get_remaining_seconds (trainer), ==, 0);

  test_train (trainer, 1); /* goes on */
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 31);
}

static GArray *
train_accumulated (int     batch_size,
                   int     accumulation,
                   double *loss)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new_uneven ();
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerTrainingRecord) record = NULL;

  g_object_set (trainer, "batch-size", batch_size, "accumulation", accumulation, NULL);
  test_train (trainer, 1);
  record = g_list_model_get_item (reformer_trainer_get_history (trainer), 0);
  *loss = reformer_training_record_get_loss (record);
  return test_gradients (model);
}

static void
test_accumulation (void)
{
  const int shapes[][2] = { { 1, 4 }, { 2, 2 } };
  double loss, whole_loss, most = 0;
  g_autoptr (GArray) whole = train_accumulated (4, 1, &whole_loss);

  for (guint i = 0; i < whole->len; i++)
    most = fmax (most, fabs ((double) g_array_index (whole, float, i)));
  for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
    {
      g_autoptr (GArray) parts = train_accumulated (shapes[s][0], shapes[s][1], &loss);
      double worst = 0;

      for (guint i = 0; i < whole->len; i++)
        worst = fmax (worst, fabs ((double) g_array_index (whole, float, i) - (double) g_array_index (parts, float, i)));
      g_test_message ("%d x %d: gradients differ by %.2g of %.2g, losses by %.2g", shapes[s][0], shapes[s][1], worst, most, fabs (loss - whole_loss));
      g_assert_cmpfloat (worst, <, 1e-6 * most);
      g_assert_cmpfloat (fabs (loss - whole_loss), <, 1e-6);
    }
}

/* The samples of each step, clipping, schedule and optimizer, computed beside in double precision. */
static void
test_steps (void)
{
  enum { STEPS = 3 };
  const double rate = 0.01, decay = 0.1, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, max_norm = 0.5;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (ReformerModel) twin = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new_uneven ();
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerOptimizer) optimizer = reformer_adamw_new ();
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();
  g_autoptr (GArray) start = NULL, end = NULL;
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree double *w = NULL, *m = NULL, *v = NULL;

  reformer_optimizer_set_learning_rate (optimizer, rate);
  reformer_adamw_set_weight_decay (REFORMER_ADAMW (optimizer), decay);
  g_object_set (schedule, "decay", REFORMER_DECAY_LINEAR, "warmup-steps", 2, NULL);
  g_object_set (trainer, "optimizer", optimizer, "schedule", schedule, "max-gradient-norm", max_norm, "shuffle", FALSE, "total-steps", 5, NULL);
  g_assert_true (reformer_model_prepare (model, &error));
  start = test_values (model);
  test_train (trainer, STEPS);
  end = test_values (model);

  w = g_new0 (double, start->len);
  m = g_new0 (double, start->len);
  v = g_new0 (double, start->len);
  for (guint i = 0; i < start->len; i++)
    w[i] = (double) g_array_index (start, float, i);
  g_assert_true (reformer_model_prepare (twin, &error));
  parameters = reformer_model_list_parameters (twin);
  for (int step = 1; step <= STEPS; step++)
    {
      ReformerSample *sample = samples->samples->pdata[step - 1];
      gsize n_bytes;
      const gint32 *ids = g_bytes_get_data (reformer_sample_get_tokens (sample), &n_bytes);
      const guint8 *mask = reformer_sample_get_mask (sample) != NULL ? g_bytes_get_data (reformer_sample_get_mask (sample), NULL) : NULL;
      const gint32 *own = reformer_sample_get_labels (sample) != NULL ? g_bytes_get_data (reformer_sample_get_labels (sample), NULL) : NULL;
      gint32 labels[32];
      g_autoptr (ReformerTensor) tokens = test_tensor_int (device, ids, 2, 1, 32);
      g_autoptr (ReformerTensor) masks = mask != NULL ? test_tensor_bytes (device, mask, 2, 1, 32) : NULL;
      g_autoptr (ReformerTensor) targets = NULL;
      g_autoptr (GArray) gradients = NULL;
      g_autoptr (ReformerTrainingRecord) record = g_list_model_get_item (reformer_trainer_get_history (trainer), (guint) step - 1);
      double norm = 0, scale, loss;
      double factor, lr;
      guint at = 0;

      reformer_schedule_compute_factor (schedule, (guint) step, 5, &factor, NULL);
      lr = rate * factor;
      g_assert_cmpuint (n_bytes, ==, sizeof labels);
      for (int i = 0; i < 32; i++)
        labels[i] = own != NULL ? own[i] : mask == NULL || mask[i] != 0 ? ids[i] : -100;
      targets = test_tensor_int (device, labels, 2, 1, 32);
      for (guint p = 0; p < parameters->len; p++)
        {
          const gsize n = reformer_parameter_get_n_elements (parameters->pdata[p]);
          g_autofree float *values = g_new (float, n);

          for (gsize i = 0; i < n; i++)
            values[i] = (float) w[at + i];
          test_set_values (parameters->pdata[p], values, n);
          at += (guint) n;
        }
      loss = reformer_model_compute_gradients (twin, tokens, masks, targets, &error);
      g_assert_no_error (error);
      gradients = test_gradients (twin);
      g_assert_cmpuint (gradients->len, ==, start->len);
      for (guint i = 0; i < gradients->len; i++)
        norm += (double) g_array_index (gradients, float, i) * (double) g_array_index (gradients, float, i);
      norm = sqrt (norm);
      g_assert_cmpfloat (norm, >, max_norm); /* else clipping is not tested */
      scale = fmin (1, max_norm / (norm + 1e-6));
      for (guint i = 0; i < gradients->len; i++)
        {
          const double g = scale * (double) g_array_index (gradients, float, i);

          m[i] = beta1 * m[i] + (1 - beta1) * g;
          v[i] = beta2 * v[i] + (1 - beta2) * g * g;
          w[i] = w[i] * (1 - lr * decay) - lr * (m[i] / (1 - pow (beta1, step))) / (sqrt (v[i] / (1 - pow (beta2, step))) + epsilon);
        }
      g_assert_cmpfloat (fabs (loss - reformer_training_record_get_loss (record)), <, 1e-5);
      g_assert_cmpfloat (fabs (norm - reformer_training_record_get_gradient_norm (record)), <, 1e-4 * norm);
      g_assert_cmpfloat (fabs (lr - reformer_training_record_get_learning_rate (record)), <, 1e-12);
      g_assert_cmpint (reformer_training_record_get_sequence_length (record), ==, 32);
      g_assert_cmpuint (reformer_training_record_get_memory (record), >, 0);
    }
  {
    guint far = 0;
    double worst = 0;

    /* A gradient near 0 may round to another sign, and then AdamW goes the other way: a few elements. */
    for (guint i = 0; i < end->len; i++)
      {
        const double difference = fabs ((double) g_array_index (end, float, i) - w[i]);

        worst = fmax (worst, difference);
        far += difference > 1e-5;
      }
    g_test_message ("%u of %u weights differ by more than 1e-5; the worst by %g", far, end->len, worst);
    g_assert_cmpuint (far, <=, end->len / 500);
    g_assert_cmpfloat (worst, <, 3 * 2 * rate);
  }
}

/* ---- The order of samples ---- */

static void
test_order (void)
{
  enum { N = 7 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new (N, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  gint64 first[N], second[N];

  g_object_set (trainer, "batch-size", 2, NULL);
  test_train (trainer, 7); /* two passes; the fourth step has samples of both */
  g_assert_cmpuint (samples->read->len, ==, 2 * N);
  g_assert_cmpuint (reformer_trainer_get_epoch (trainer), ==, 2);
  memcpy (first, samples->read->data, sizeof first);
  memcpy (second, samples->read->data + sizeof first, sizeof second);
  g_assert_cmpint (memcmp (first, second, sizeof first), !=, 0);
  for (gint64 i = 0; i < N; i++)
    {
      guint a = 0, b = 0;

      for (guint j = 0; j < N; j++)
        {
          a += first[j] == i;
          b += second[j] == i;
        }
      g_assert_cmpuint (a, ==, 1);
      g_assert_cmpuint (b, ==, 1);
    }

  reformer_trainer_set_shuffle (trainer, FALSE);
  g_array_set_size (samples->read, 0);
  test_train (trainer, 4);
  for (guint i = 0; i < 8; i++)
    g_assert_cmpint (g_array_index (samples->read, gint64, i), ==, i % N);
}

/* Samples without a target are passed over, and what there is fills the batch. */
static void
test_without_targets (void)
{
  const gint32 ids[4] = { 1, 2, 3, 4 }, none[4] = { 1, -100, -100, -100 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerTrainingRecord) record = NULL;
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  test_samples_put (samples, 0, ids, NULL, none, 4);
  test_samples_put (samples, 2, ids, NULL, NULL, 1);
  g_object_set (trainer, "batch-size", 2, "shuffle", FALSE, NULL);
  test_train (trainer, 1);
  g_assert_cmpuint (samples->read->len, ==, 4);
  g_assert_cmpuint (reformer_trainer_get_epoch (trainer), ==, 1);
  record = g_list_model_get_item (reformer_trainer_get_history (trainer), 0);
  g_assert_cmpint (reformer_training_record_get_targets (record), ==, 2 * 31);
  g_assert_cmpint (reformer_training_record_get_tokens (record), ==, 2 * 32);

  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_evaluation_get_targets (evaluation), ==, 2 * 31);
  g_assert_cmpint (reformer_evaluation_get_samples (evaluation), ==, 4);
}

static void
test_lengths (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0);
  g_autoptr (TestSamples) samples = test_samples_new (16, 64, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);

  g_object_set (trainer, "sequence-length", 16, "final-sequence-length", 64, "final-steps", 2, "total-steps", 5, NULL);
  test_train (trainer, 2);
  test_train (trainer, 3);
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (ReformerTrainingRecord) record = g_list_model_get_item (reformer_trainer_get_history (trainer), i);

      g_assert_cmpuint (reformer_training_record_get_step (record), ==, i + 1);
      g_assert_cmpint (reformer_training_record_get_sequence_length (record), ==, i < 3 ? 16 : 64);
      g_assert_cmpint (reformer_training_record_get_targets (record), ==, i < 3 ? 15 : 63);
    }
  g_assert_cmpuint (reformer_trainer_get_epoch (trainer), ==, 1); /* another length begins another pass */
  g_assert_cmpint (reformer_trainer_get_tokens (trainer), ==, 3 * 16 + 2 * 64);
}

/* ---- Not finite ---- */

static void
test_non_finite (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (GArray) before = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *values = NULL;
  ReformerParameter *parameter;
  float good;
  guint n;

  g_object_set (trainer, "max-skipped", 3, "history-interval", 100, NULL);
  test_train (trainer, 2);
  parameter = test_model_parameter (model, "lm_head.decoder.weight");
  values = test_floats (reformer_parameter_get_value (parameter));
  n = (guint) reformer_parameter_get_n_elements (parameter);
  good = values[17];
  values[17] = NAN;
  test_set_values (parameter, values, n);
  before = test_values (model);
  g_assert_false (reformer_trainer_train (trainer, 10, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_NON_FINITE);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "3 steps"));
  g_assert_nonnull (strstr (error->message, "step 5"));
  after = test_values (model);
  assert_same_state (before, after);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 5);
  g_assert_cmpuint (reformer_trainer_get_n_skipped (trainer), ==, 3);
  g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_FAILED);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_history (trainer)), ==, 3); /* skipped ones are always recorded */
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (ReformerTrainingRecord) record = g_list_model_get_item (reformer_trainer_get_history (trainer), i);

      g_assert_true (reformer_training_record_get_skipped (record));
      g_assert_true (isnan (reformer_training_record_get_loss (record)));
    }

  values[17] = good;
  test_set_values (parameter, values, n);
  test_train (trainer, 2);
  g_assert_cmpuint (reformer_trainer_get_n_skipped (trainer), ==, 3);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer/falls", test_falls);
  g_test_add_func ("/trainer/accumulation", test_accumulation);
  g_test_add_func ("/trainer/steps", test_steps);
  g_test_add_func ("/trainer/order", test_order);
  g_test_add_func ("/trainer/without-targets", test_without_targets);
  g_test_add_func ("/trainer/lengths", test_lengths);
  g_test_add_func ("/trainer/non-finite", test_non_finite);

  return test_run ();
}
