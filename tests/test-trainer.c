/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocking training: steps are what they say, repeat to the bit, and change nothing where they fail or are cancelled. */
#include "training.h"

#include "folders.h"

#include <math.h>
#include <string.h>

#include "files/json.h"
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

/* Samples with unequal numbers of targets: short ones, masks, labels of their own. */
static TestSamples *
uneven_samples (void)
{
  TestSamples *samples = test_samples_new (8, 32, 40);
  gint32 ids[32], labels[32];
  guint8 mask[32];

  for (int i = 0; i < 32; i++)
    {
      ids[i] = 1 + i % 39;
      labels[i] = i % 3 == 0 ? 1 + (i * 7) % 39 : -100;
      mask[i] = i < 11;
    }
  test_samples_put (samples, 1, ids, mask, NULL, 32);
  test_samples_put (samples, 2, ids, NULL, labels, 32);
  test_samples_put (samples, 4, ids, NULL, NULL, 5);
  test_samples_put (samples, 6, ids, mask, labels, 20);
  return samples;
}

static GArray *
train_accumulated (int     batch_size,
                   int     accumulation,
                   double *loss)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (TestSamples) samples = uneven_samples ();
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
  g_autoptr (TestSamples) samples = uneven_samples ();
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
      const double lr = rate * reformer_schedule_compute_factor (schedule, (guint) step, 5, NULL);
      guint at = 0;

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

/* ---- Evaluation ---- */

static double
loss_by_hand (ReformerModel *model,
              TestSamples   *samples,
              const guint   *which,
              guint          n,
              double        *targets)
{
  ReformerDevice *device = reformer_model_get_device (model);
  double sum = 0;

  *targets = 0;
  for (guint i = 0; i < n; i++)
    {
      ReformerSample *sample = samples->samples->pdata[which[i]];
      const gsize length = g_bytes_get_size (reformer_sample_get_tokens (sample)) / 4;
      const gint32 *ids = g_bytes_get_data (reformer_sample_get_tokens (sample), NULL);
      const guint8 *mask = reformer_sample_get_mask (sample) != NULL ? g_bytes_get_data (reformer_sample_get_mask (sample), NULL) : NULL;
      const gint32 *own = reformer_sample_get_labels (sample) != NULL ? g_bytes_get_data (reformer_sample_get_labels (sample), NULL) : NULL;
      gint32 padded[32], labels[32];
      guint8 kept[32];
      g_autoptr (ReformerTensor) a = NULL, b = NULL, c = NULL;
      g_autoptr (GError) error = NULL;
      int count = 0;

      for (gsize t = 0; t < 32; t++)
        {
          kept[t] = t < length && (mask == NULL || mask[t] != 0);
          padded[t] = t < length ? ids[t] : 0;
          labels[t] = t < length && own != NULL ? own[t] : kept[t] != 0 ? padded[t] : -100;
          count += t > 0 && labels[t] != -100;
        }
      a = test_tensor_int (device, padded, 2, 1, 32);
      b = test_tensor_bytes (device, kept, 2, 1, 32);
      c = test_tensor_int (device, labels, 2, 1, 32);
      sum += count * reformer_model_compute_loss (model, a, b, c, &error);
      g_assert_no_error (error);
      *targets += count;
    }
  return sum / *targets;
}

static void
count_signal (gpointer  object,
              gpointer  argument,
              guint    *count)
{
  ++*count;
}

static void
test_evaluation (void)
{
  const guint all[] = { 0, 1, 2, 3, 4, 5, 6, 7 }, some[] = { 0, 2, 5 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.2);
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (TestSamples) held_out = uneven_samples ();
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) evaluation = NULL, last = NULL;
  g_autoptr (GArray) before = NULL, after = NULL;
  g_autoptr (GError) error = NULL;
  double loss, targets;
  guint evaluated = 0;

  test_train (trainer, 2);
  samples->held_out = REFORMER_DATASET (g_object_ref (held_out));
  g_object_set (trainer, "batch-size", 3, NULL);
  before = test_training_state (trainer);
  evaluation = reformer_trainer_evaluate (trainer, NULL, NULL, &error);
  g_assert_no_error (error);
  after = test_training_state (trainer);
  assert_same_state (before, after);
  loss = loss_by_hand (model, held_out, all, 8, &targets);
  g_assert_cmpfloat (fabs (reformer_evaluation_get_loss (evaluation) - loss), <, 1e-5);
  g_assert_cmpfloat (fabs (reformer_evaluation_get_bits (evaluation) - loss / log (2)), <, 1e-5);
  g_assert_cmpfloat (fabs (reformer_evaluation_get_perplexity (evaluation) / exp (loss) - 1), <, 1e-5);
  g_assert_cmpint (reformer_evaluation_get_targets (evaluation), ==, (gint64) targets);
  g_assert_cmpint (reformer_evaluation_get_samples (evaluation), ==, 8);
  g_assert_cmpuint (reformer_evaluation_get_step (evaluation), ==, 2);
  g_assert_false (reformer_evaluation_get_best (evaluation));
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_evaluations (trainer)), ==, 0);

  /* in training, of three samples spread over the set */
  g_signal_connect (trainer, "evaluated", G_CALLBACK (count_signal), &evaluated);
  g_object_set (trainer, "batch-size", 1, "evaluation-interval", 2, "evaluation-samples", 3, "max-gradient-norm", 1.0, NULL);
  g_array_set_size (held_out->read, 0);
  test_train (trainer, 2);
  g_assert_cmpuint (evaluated, ==, 2); /* also the one that was due at step 2 */
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_evaluations (trainer)), ==, 2);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpint (g_array_index (held_out->read, gint64, i), ==, some[i % 3]);
  last = g_list_model_get_item (reformer_trainer_get_evaluations (trainer), 1);
  g_assert_cmpuint (reformer_evaluation_get_step (last), ==, 4);
  loss = loss_by_hand (model, held_out, some, 3, &targets);
  g_assert_cmpfloat (fabs (reformer_evaluation_get_loss (last) - loss), <, 1e-5);
}

/* Evaluation gets worse where the labels are others than what is learnt. */
static void
test_patience (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new (1, 32, 40);
  g_autoptr (TestSamples) other = test_samples_new (2, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) first = NULL;

  g_ptr_array_remove_index (other->samples, 0);
  g_object_set (trainer, "evaluation-dataset", other, "evaluation-interval", 3, "patience", 2, "min-improvement", 0.5, NULL);
  test_train (trainer, 60);
  g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_PATIENCE);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 9);
  g_assert_cmpuint (reformer_trainer_get_best_step (trainer), ==, 3);
  first = g_list_model_get_item (reformer_trainer_get_evaluations (trainer), 0);
  g_assert_true (reformer_evaluation_get_best (first));
  g_assert_cmpfloat (reformer_trainer_get_best_loss (trainer), ==, reformer_evaluation_get_loss (first));

  test_train (trainer, 60); /* has another chance, of one evaluation */
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 12);
  g_object_set (trainer, "patience", 0, NULL);
  test_train (trainer, 6);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 18);
  g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_STEPS);
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

/* ---- Cancelling ---- */

typedef struct
{
  GCancellable *cancellable;
  gulong        delay;
  gint64        at;
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

static void
test_cancel (void)
{
  enum { STEPS = 25 }; /* the last step has no evaluation, which a cancelled call would leave out */
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTrainer) whole = new_run (device, STEPS);
  g_autoptr (ReformerTrainer) trainer = new_run (device, STEPS);
  g_autoptr (GArray) wanted = NULL, got = NULL;
  g_autoptr (GCancellable) before = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GRand *random = g_rand_new_with_seed (1);
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (gint64));
  gint64 begin, step_time;

  test_train (whole, 1);
  begin = g_get_monotonic_time ();
  test_train (whole, STEPS - 1);
  step_time = (g_get_monotonic_time () - begin) / (STEPS - 1);
  wanted = test_training_state (whole);

  g_cancellable_cancel (before);
  g_assert_false (reformer_trainer_train (trainer, STEPS, before, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  while (reformer_trainer_get_n_steps (trainer) < STEPS)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Cancelling cancelling = { cancellable, (gulong) g_rand_int_range (random, 0, (gint32) (2 * step_time)), 0 };
      GThread *thread = g_thread_new ("cancel", cancel_later, &cancelling);
      const gboolean done = reformer_trainer_train (trainer, STEPS - reformer_trainer_get_n_steps (trainer), cancellable, &error);
      const gint64 end = g_get_monotonic_time ();

      g_thread_join (thread);
      if (!done)
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          g_clear_error (&error);
          g_assert_cmpint (reformer_trainer_get_stop_reason (trainer), ==, REFORMER_STOP_REASON_CANCELLED);
          g_array_append_vals (times, &(const gint64) { end - cancelling.at }, 1);
        }
    }
  g_rand_free (random);
  got = test_training_state (trainer);
  assert_same_state (got, wanted);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_history (trainer)), ==, STEPS);
  g_assert_cmpuint (g_list_model_get_n_items (reformer_trainer_get_evaluations (trainer)), ==, STEPS / 3);
  g_assert_cmpuint (times->len, >, 0);
  g_array_sort (times, compare_times);
  g_test_message ("%u times in steps of %.1f ms; ended within %.1f ms, half of them within %.1f ms", times->len, (double) step_time / 1000,
                  (double) g_array_index (times, gint64, times->len - 1) / 1000, (double) g_array_index (times, gint64, times->len / 2) / 1000);
  if (!test_device_slow (device)) /* of several, because others may be at work on the machine */
    g_assert_cmpint (g_array_index (times, gint64, times->len / 2), <, 250000);
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
  g_assert_cmpstr (seen->str, ==, "step-2 step-4 step-5 ");
  log = read_log (path);
  g_assert_cmpstr (log, ==, "start 0, step 1, step 2, checkpoint 2, step 3, evaluated 3, step 4, checkpoint 4, step 5, checkpoint 5, end 5");
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

  g_test_add_func ("/trainer/falls", test_falls);
  g_test_add_func ("/trainer/accumulation", test_accumulation);
  g_test_add_func ("/trainer/steps", test_steps);
  g_test_add_func ("/trainer/order", test_order);
  g_test_add_func ("/trainer/without-targets", test_without_targets);
  g_test_add_func ("/trainer/lengths", test_lengths);
  g_test_add_func ("/trainer/evaluation", test_evaluation);
  g_test_add_func ("/trainer/patience", test_patience);
  g_test_add_func ("/trainer/non-finite", test_non_finite);
  g_test_add_func ("/trainer/cancel", test_cancel);
  g_test_add_func ("/trainer/watching", test_watching);
  g_test_add_func ("/trainer/nested", test_nested);
  g_test_add_func ("/trainer/folder", test_folder);

  return g_test_run ();
}
