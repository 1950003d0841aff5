/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stopped users of other Reformers in training, and for want of memory, each under the name of what this library does instead; docs/testing.md has the list. */
#include "folders.h"
#include "training.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

static double
gradients_of (ReformerModel *model,
              int            T)
{
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, T, 40);
  g_autoptr (GError) error = NULL;
  const double loss = reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);

  g_assert_no_error (error);
  g_assert_true (isfinite (loss));
  return loss;
}

/* transformers #9466, PR #6244: seeds beyond 32 bits failed, and what others drew changed the result. All 64 bits count here, and nothing is global. */
static void
test_seeds (void)
{
  static const guint64 seeds[] = { 7, 7 + (G_GUINT64_CONSTANT (1) << 40), G_MAXUINT64, 7 };
  double losses[G_N_ELEMENTS (seeds)];

  for (guint i = 0; i < G_N_ELEMENTS (seeds); i++)
    {
      g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.2), other = test_training_model (device, "lsh", 0.2);

      g_random_set_seed (i);
      reformer_model_set_seed (other, i);
      gradients_of (other, 16 + (int) i); /* draws too */
      reformer_model_set_seed (model, seeds[i]);
      losses[i] = gradients_of (model, 32);
    }
  g_assert_cmpfloat (losses[0], !=, losses[1]);
  g_assert_cmpfloat (losses[0], !=, losses[2]);
  g_assert_cmpfloat (losses[1], !=, losses[2]);
  g_assert_cmpfloat (losses[0], ==, losses[3]);
}

/* reformer-pytorch #29: where the input of the layers wanted no gradient, no parameter got one. */
static void
test_frozen_embeddings (void)
{
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0), frozen = test_training_model (device, "local,lsh", 0);
  g_autoptr (GPtrArray) wanted = NULL, got = NULL;
  guint n = 0;

  g_assert_cmpuint (reformer_model_freeze (frozen, "reformer.embeddings.*"), >, 0);
  g_assert_cmpfloat (gradients_of (model, 27), ==, gradients_of (frozen, 27));
  wanted = reformer_model_list_parameters (model);
  got = reformer_model_list_parameters (frozen);
  for (guint i = 0; i < wanted->len; i++)
    {
      ReformerTensor *gradient = reformer_parameter_get_gradient (got->pdata[i]);
      g_autofree float *a = NULL, *b = NULL;

      if (gradient == NULL)
        {
          g_assert_true (g_str_has_prefix (reformer_parameter_get_name (got->pdata[i]), "reformer.embeddings."));
          continue;
        }
      a = test_floats (gradient);
      b = test_floats (reformer_parameter_get_gradient (wanted->pdata[i]));
      assert_same_bits (reformer_parameter_get_name (got->pdata[i]), a, b, reformer_tensor_get_n_elements (gradient));
      n++;
    }
  g_assert_cmpuint (n, >, 10);
}

/* reformer-pytorch #12, PR #81: inputs that the backward pass rebuilt had other dropouts and other buckets. */
static void
test_rebuilt_inputs (void)
{
  g_autoptr (GArray) kept = NULL;
  double loss = 0;

  for (int rebuilt = 0; rebuilt < 2; rebuilt++)
    {
      g_autoptr (ReformerModel) model = test_training_model (device, "lsh,local,lsh", 0.3);
      g_autoptr (GArray) gradients = NULL;
      g_autofree double *wanted = NULL;

      reformer_stack_set_keep (reformer_model_get_stack (model), rebuilt ? REFORMER_KEEP_NOTHING : REFORMER_KEEP_EVERYTHING);
      if (!rebuilt)
        {
          loss = gradients_of (model, 59);
          kept = test_gradients (model);
          continue;
        }
      g_assert_cmpfloat (gradients_of (model, 59), ==, loss);
      gradients = test_gradients (model);
      g_assert_cmpuint (gradients->len, ==, kept->len);
      wanted = g_new (double, kept->len);
      for (guint i = 0; i < kept->len; i++)
        wanted[i] = (double) g_array_index (kept, float, i);
      assert_close ("gradients", (float *) (gpointer) gradients->data, wanted, kept->len, 1e-4);
    }
}

/* reformer-pytorch #30: how much memory will it take? What the plan says, to the byte, before anything is allocated. */
static void
test_memory_is_known (void)
{
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (model, 1, 43, TRUE, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
  reformer_device_reset_memory_peak (device);
  gradients_of (model, 43);
  g_assert_cmpuint (reformer_device_get_memory_peak (device) - before, ==, reformer_memory_plan_get_total (plan));
}

static double
forward_bytes (const char *preset,
               int         length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_preset (preset, &error);
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (model, 1, length, FALSE, &error);

  g_assert_no_error (error);
  return (double) reformer_memory_plan_get_total (plan);
}

/* transformers #5113: with 12 GB enwik8's model could not be evaluated beyond 16,000 of its 65,536 tokens. */
static void
test_evaluation_memory (void)
{
  const double logits = 4 * 256, each = (forward_bytes ("bench-lsh", 262144) - forward_bytes ("bench-lsh", 65536)) / (262144 - 65536);

  g_test_message ("%.1f bytes a token of bench-lsh", each);
  g_assert_cmpfloat (each - logits, <=, 2.1 * 1024);
  g_assert_cmpfloat (forward_bytes ("enwik8", 65536), <=, 2.0 * (1 << 30)); /* weights and logits too */
}

/* A run of so many steps, with other rotations after each; in a folder it may go on where the last one ended. */
static float *
rotations_after (gint64      hash_seed,
                 guint       n_steps,
                 const char *folder,
                 gboolean    resume)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (GFile) file = folder != NULL ? g_file_new_for_path (folder) : NULL;
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (config, "hash-seed", hash_seed, NULL);
  model = reformer_model_new (device, config);
  trainer = test_trainer_new (model, samples);
  g_object_set (trainer, "rehash", TRUE, "total-steps", 2, "folder", file, NULL);
  if (resume)
    {
      reformer_trainer_resume (trainer, NULL, &error);
      g_assert_no_error (error);
    }
  test_train (trainer, n_steps);
  return test_floats (reformer_parameter_get_value (test_model_parameter (model, "reformer.encoder.layers.1.attention.self_attention.rotations")));
}

/* reformer-pytorch PR #120: rehashing was wrong. Rotations are drawn by the seed and the number of the step, in a run that goes on too. */
static void
test_rehash (void)
{
  g_autofree char *path = test_folder_new (), *run = g_build_filename (path, "run", NULL);
  g_autofree float *one = rotations_after (-1, 1, run, FALSE), *two = rotations_after (-1, 2, NULL, FALSE), *resumed = rotations_after (-1, 1, run, TRUE);
  g_autofree float *again = rotations_after (-1, 2, NULL, FALSE), *other = rotations_after (5, 2, NULL, FALSE);
  const gsize n = 2 * 16 * 2 * 4;

  assert_same_bits ("again", again, two, n);
  assert_same_bits ("resumed", resumed, two, n);
  g_assert_cmpint (memcmp (one, two, n * sizeof *one), !=, 0);
  g_assert_cmpint (memcmp (other, two, n * sizeof *other), !=, 0);
  test_folder_delete (path);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/behaviour/seeds-of-64-bits-and-nothing-global", test_seeds);
  g_test_add_func ("/behaviour/frozen-embeddings-change-no-other-gradient", test_frozen_embeddings);
  g_test_add_func ("/behaviour/rebuilt-inputs-have-the-same-dropout", test_rebuilt_inputs);
  g_test_add_func ("/behaviour/memory-is-known-before", test_memory_is_known);
  g_test_add_func ("/behaviour/evaluates-long-texts-in-little-memory", test_evaluation_memory);
  g_test_add_func ("/behaviour/rehashes-by-seed-and-step", test_rehash);
  status = test_run ();
  g_object_unref (device);
  return status;
}
