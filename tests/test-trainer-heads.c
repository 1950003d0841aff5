/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trainer trains every head: samples with labels become batches, and the loss falls. */
#include "training.h"

#include <math.h>
#include <string.h>

#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-trainer-error.h>

#define LENGTH 16
#define SAMPLES 12

static ReformerDevice *device;

static const ReformerHead heads[] = {
  REFORMER_HEAD_MASKED_LANGUAGE, REFORMER_HEAD_CLASSIFICATION, REFORMER_HEAD_REGRESSION, REFORMER_HEAD_MULTI_LABEL, REFORMER_HEAD_SPANS, REFORMER_HEAD_TOKENS,
  REFORMER_HEAD_VALUES,
};

static ReformerModel *
new_model (ReformerHead head)
{
  g_autoptr (ReformerConfig) config = test_head_config (head, "local,lsh");

  if (head == REFORMER_HEAD_REGRESSION || head == REFORMER_HEAD_VALUES)
    reformer_config_set_num_labels (config, 1);
  if (head == REFORMER_HEAD_CLASSIFICATION || head == REFORMER_HEAD_TOKENS)
    reformer_config_set_class_weights (config, (const double[]) { 1, 2, 0.5 }, 3);
  return reformer_model_new (device, config);
}

static gint32
bits_of (float number)
{
  gint32 bits;

  memcpy (&bits, &number, sizeof bits);
  return bits;
}

/* Tasks that a small model learns by its first token, its tokens, or their neighbours. */
static gsize
make_labels (ReformerHead  head,
             gint32       *ids,
             gsize         n,
             guint         i,
             gint32       *labels)
{
  switch (head)
    {
    case REFORMER_HEAD_MASKED_LANGUAGE: /* a text of one letter, some of which are hidden */
      for (gsize t = 0; t < n; t++)
        {
          labels[t] = t % 4 == i % 4 ? 1 + (gint32) (i % 6) : -100;
          ids[t] = t % 4 == i % 4 ? 39 : 1 + (gint32) (i % 6);
        }
      return n;
    case REFORMER_HEAD_CLASSIFICATION:
      labels[0] = ids[0] % 3;
      return 1;
    case REFORMER_HEAD_REGRESSION:
      labels[0] = bits_of ((float) ids[0] / 10);
      return 1;
    case REFORMER_HEAD_MULTI_LABEL:
      for (int k = 0; k < 6; k++)
        labels[k] = i % 4 == 1 && k == 2 ? bits_of (NAN) : bits_of ((float) (ids[0] >> k & 1));
      return 6;
    case REFORMER_HEAD_SPANS: /* between two marks */
      labels[0] = 1 + (gint32) (i % 3);
      labels[1] = i % 5 == 4 ? (gint32) n : (gint32) n - 2;
      for (gsize t = 0; t < n; t++)
        ids[t] = (gint32) t == labels[0] ? 38 : t == n - 2 ? 39 : 1 + ids[t] % 30;
      return 2;
    case REFORMER_HEAD_TOKENS:
      for (gsize t = 0; t < n; t++)
        labels[t] = t % 5 == i % 5 ? -100 : ids[t] % 3;
      return n;
    case REFORMER_HEAD_VALUES:
      for (gsize t = 0; t < n; t++)
        labels[t] = t % 5 == i % 5 ? bits_of (NAN) : bits_of ((float) ids[t] / 10);
      return n;
    case REFORMER_HEAD_LANGUAGE:
    case REFORMER_HEAD_NONE:
    default:
      g_assert_not_reached ();
    }
}

static void
put (TestSamples  *samples,
     guint         index,
     const gint32 *ids,
     gsize         n,
     const gint32 *labels,
     gsize         n_labels)
{
  g_autoptr (GBytes) tokens = g_bytes_new (ids, n * sizeof *ids), wanted = labels != NULL ? g_bytes_new (labels, n_labels * sizeof *labels) : NULL;

  g_object_unref (samples->samples->pdata[index]);
  samples->samples->pdata[index] = reformer_sample_new (tokens, NULL, wanted);
}

static TestSamples *
new_samples (ReformerHead head)
{
  TestSamples *samples = test_samples_new (SAMPLES, LENGTH, 38);

  for (guint i = 0; i < SAMPLES; i++)
    {
      const gsize n = i % 3 == 2 ? LENGTH - 5 : LENGTH;
      gint32 ids[LENGTH], labels[LENGTH];
      gsize n_labels;

      memcpy (ids, g_bytes_get_data (reformer_sample_get_tokens (samples->samples->pdata[i]), NULL), sizeof ids);
      n_labels = make_labels (head, ids, n, i, labels);
      put (samples, i, ids, n, labels, n_labels);
    }
  return samples;
}

static double
loss_of (ReformerTrainer *trainer,
         guint            step)
{
  g_autoptr (ReformerTrainingRecord) record = g_list_model_get_item (reformer_trainer_get_history (trainer), step);

  return reformer_training_record_get_loss (record);
}

static void
test_learns (gconstpointer data)
{
  enum { STEPS = 40 };
  const ReformerHead head = *(const ReformerHead *) data;
  g_autoptr (ReformerModel) model = new_model (head);
  g_autoptr (TestSamples) samples = new_samples (head);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerOptimizer) optimizer = reformer_adamw_new ();
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  reformer_optimizer_set_learning_rate (optimizer, 0.01);
  g_object_set (trainer, "batch-size", SAMPLES, "sequence-length", LENGTH, "optimizer", optimizer, NULL);
  test_train (trainer, STEPS);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_test_message ("loss %.4f, then %.4f, evaluated %.4f", loss_of (trainer, 0), loss_of (trainer, STEPS - 1), reformer_evaluation_get_loss (evaluation));
  g_assert_cmpfloat (reformer_evaluation_get_loss (evaluation), <, 0.5 * loss_of (trainer, 0));
}

/* The gradients of one step, and its loss and targets. */
static GArray *
step (ReformerHead  head,
      int           batch_size,
      int           accumulation,
      double       *loss,
      gint64       *targets)
{
  g_autoptr (ReformerModel) model = new_model (head);
  g_autoptr (TestSamples) samples = new_samples (head);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerTrainingRecord) record = NULL;

  g_object_set (trainer, "batch-size", batch_size, "accumulation", accumulation, "sequence-length", LENGTH, "shuffle", FALSE, NULL);
  test_train (trainer, 1);
  record = g_list_model_get_item (reformer_trainer_get_history (trainer), 0);
  *loss = reformer_training_record_get_loss (record);
  *targets = reformer_training_record_get_targets (record);
  return test_gradients (model);
}

/* One after the other is all at once; and an evaluation before the step has its loss. */
static void
test_accumulation (gconstpointer data)
{
  const ReformerHead head = *(const ReformerHead *) data;
  double loss, whole_loss, most = 0, worst = 0;
  gint64 targets, whole_targets;
  g_autoptr (GArray) whole = step (head, 6, 1, &whole_loss, &whole_targets), parts = step (head, 1, 6, &loss, &targets);
  g_autoptr (ReformerModel) model = new_model (head);
  g_autoptr (TestSamples) samples = new_samples (head);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < whole->len; i++)
    {
      most = fmax (most, fabs ((double) g_array_index (whole, float, i)));
      worst = fmax (worst, fabs ((double) g_array_index (whole, float, i) - (double) g_array_index (parts, float, i)));
    }
  g_test_message ("%" G_GINT64_FORMAT " targets, gradients differ by %.2g of %.2g, losses by %.2g of %.4g", targets, worst, most, fabs (loss - whole_loss), loss);
  g_assert_cmpint (targets, ==, whole_targets);
  g_assert_cmpfloat (worst, <, 2e-6 * most);
  g_assert_cmpfloat (fabs (loss - whole_loss), <, 1e-6 * (1 + loss));

  g_ptr_array_set_size (samples->samples, 6);
  g_object_set (trainer, "batch-size", 4, "sequence-length", LENGTH, NULL);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_evaluation_get_targets (evaluation), ==, whole_targets);
  g_assert_cmpfloat (fabs (reformer_evaluation_get_loss (evaluation) - whole_loss), <, 1e-6 * (1 + whole_loss));
}

/* ---- Mistakes ---- */

static void
refuse (ReformerHead  head,
        const gint32 *labels,
        gsize         n_labels,
        const char   *message)
{
  g_autoptr (ReformerModel) model = new_model (head);
  g_autoptr (TestSamples) samples = new_samples (head);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (GError) error = NULL;
  const gint32 ids[4] = { 1, 2, 3, 4 };

  put (samples, 7, ids, 4, labels, n_labels);
  g_object_set (trainer, "batch-size", SAMPLES, "sequence-length", LENGTH, NULL);
  g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
  g_assert_nonnull (error);
  g_assert_cmpstr (error->message, ==, message);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), ==, 0);
  g_clear_error (&error);
  g_assert_null (reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error));
  g_assert_nonnull (error);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_mistakes (void)
{
  const gint32 three = 3, numbers[8] = { 0 }, beyond[2] = { 1, 5 }, before[2] = { -1, 2 }, turned[2] = { 3, 1 }, outside[4] = { 0, 1, 2, 7 };
  const gint32 infinite = bits_of (INFINITY);

  refuse (REFORMER_HEAD_MASKED_LANGUAGE, NULL, 0, "sample 7 of TestSamples: it has 0 bytes of labels; wanted 16 (int32, 1 for each of 4 ids), as a MaskedDataset before this one makes them");
  refuse (REFORMER_HEAD_MASKED_LANGUAGE, &three, 1, "sample 7 of TestSamples: it has 4 bytes of labels; wanted 16 (int32, 1 for each of 4 ids)");
  refuse (REFORMER_HEAD_CLASSIFICATION, numbers, 4, "sample 7 of TestSamples: it has 16 bytes of labels; wanted 4 (int32, 1 for the whole of 4 ids)");
  refuse (REFORMER_HEAD_CLASSIFICATION, &three, 1, "sample 7 of TestSamples: labels: 3 at row 0; wanted 0 to 2, or -100 for no target");
  refuse (REFORMER_HEAD_REGRESSION, &infinite, 1, "sample 7 of TestSamples: labels: inf at row 0; wanted a finite number, or NaN for no target");
  refuse (REFORMER_HEAD_MULTI_LABEL, numbers, 5, "sample 7 of TestSamples: it has 20 bytes of labels; wanted 24 (float32, 6 for the whole of 4 ids)");
  refuse (REFORMER_HEAD_SPANS, beyond, 2, "sample 7 of TestSamples: its span ends at token 5 of 4; wanted 0 to 3, or 4 or -100 for no target");
  refuse (REFORMER_HEAD_SPANS, before, 2, "sample 7 of TestSamples: its span begins at token -1 of 4; wanted 0 to 3, or 4 or -100 for no target");
  refuse (REFORMER_HEAD_SPANS, turned, 2, "sample 7 of TestSamples: its span begins at token 3 and ends at token 1; wanted an end that is not before the beginning");
  refuse (REFORMER_HEAD_TOKENS, outside, 4, "sample 7 of TestSamples: labels: 7 at row 0, position 3; wanted 0 to 2, or -100 for no target");
  refuse (REFORMER_HEAD_VALUES, numbers, 3, "sample 7 of TestSamples: it has 12 bytes of labels; wanted 16 (float32, 1 for each of 4 ids)");
}

/* A data set where nothing is asked. */
static void
test_no_target (void)
{
  g_autoptr (ReformerModel) model = new_model (REFORMER_HEAD_VALUES);
  g_autoptr (TestSamples) samples = new_samples (REFORMER_HEAD_VALUES);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (GError) error = NULL;
  const gint32 ids[2] = { 1, 2 }, none[2] = { bits_of (NAN), bits_of (NAN) };

  for (guint i = 0; i < SAMPLES; i++)
    put (samples, i, ids, 2, none, 2);
  g_object_set (trainer, "sequence-length", LENGTH, NULL);
  g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA);
  g_assert_cmpstr (error->message, ==, "no target in any of the 12 samples of the data set; wanted at least one that is not NaN");
}

/* What a step takes is what was planned. */
static void
test_plan (gconstpointer data)
{
  const ReformerHead head = *(const ReformerHead *) data;
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerModel) model = new_model (head);
  g_autoptr (TestSamples) samples = new_samples (head);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (GError) error = NULL;
  guint64 used;

  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  g_object_set (trainer, "batch-size", 2, "sequence-length", LENGTH, "shuffle", FALSE, NULL);
  plan = reformer_trainer_estimate_memory (trainer, &error);
  g_assert_no_error (error);
  reformer_device_reset_memory_peak (device);
  test_train (trainer, 1); /* the first two samples are whole: no mask */
  used = reformer_device_get_memory_peak (device) - before;
  g_assert_cmpuint (used, ==, reformer_memory_plan_get_total (plan));
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      test_add_head ("trainer-heads", "learns", test_learns, &heads[i]);
      test_add_head ("trainer-heads", "accumulation", test_accumulation, &heads[i]);
      test_add_head ("trainer-heads", "plan", test_plan, &heads[i]);
    }
  g_test_add_func ("/trainer-heads/mistakes", test_mistakes);
  g_test_add_func ("/trainer-heads/no-target", test_no_target);
  status = test_run ();
  g_object_unref (device);
  return status;
}
