/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evaluation is the mean it says, changes nothing, and ends training where it stops getting better. */
#include "training.h"

#include <math.h>

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
  g_autoptr (TestSamples) held_out = test_samples_new_uneven ();
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

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-evaluation/evaluation", test_evaluation);
  g_test_add_func ("/trainer-evaluation/patience", test_patience);

  return test_run ();
}
