/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounds of hashing in evaluation, rotations that change from step to step, and settings that change nothing. */
#include "mistakes.h"

#include <string.h>

#include "folders.h"
#include "training.h"

#define ROTATIONS "reformer.encoder.layers.1.attention.self_attention.rotations"

static ReformerDevice *device;

static ReformerModel *
new_model (int rounds,
           int evaluation)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");

  g_object_set (config, "num-hashes", rounds, "num-hashes-evaluation", evaluation, NULL);
  return reformer_model_new (device, config);
}

static float *
logits (ReformerModel  *model,
        ReformerTensor *tokens)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);

  g_assert_no_error (error);
  return test_floats (output);
}

static GArray *
gradients (ReformerModel  *model,
           ReformerTensor *tokens)
{
  g_autoptr (GError) error = NULL;

  reformer_model_set_sequence (model, 0);
  reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
  g_assert_no_error (error);
  return test_gradients (model);
}

/* Training is that of a model with the rounds of training, evaluation that of one with the rounds of evaluation; more of them, or fewer. */
static void
test_evaluation (void)
{
  static const int rounds[][2] = { { 2, 5 }, { 4, 1 }, { 1, 3 } };
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 64, 40);
  const gsize n = 2 * 64 * 40;

  for (gsize i = 0; i < G_N_ELEMENTS (rounds); i++)
    for (ReformerKeep keep = REFORMER_KEEP_EVERYTHING; keep <= REFORMER_KEEP_NOTHING; keep++)
      {
        g_autoptr (ReformerModel) both = new_model (rounds[i][0], rounds[i][1]), training = new_model (rounds[i][0], -1), evaluation = new_model (rounds[i][1], -1);
        g_autofree float *a = NULL, *b = NULL, *c = NULL;
        g_autoptr (GArray) x = NULL, y = NULL;

        reformer_stack_set_keep (reformer_model_get_stack (both), keep);
        reformer_stack_set_keep (reformer_model_get_stack (training), keep);
        x = gradients (both, tokens);
        y = gradients (training, tokens);
        g_assert_cmpmem (x->data, x->len * sizeof (float), y->data, y->len * sizeof (float));
        a = logits (both, tokens);
        b = logits (evaluation, tokens);
        c = logits (training, tokens);
        assert_same_bits ("evaluation", a, b, n);
        g_assert_cmpint (memcmp (a, c, n * sizeof *a), !=, 0);
      }
}

/* What was saved is what is read; and a folder with the rounds of training alone can be read with more or fewer of evaluation. */
static void
test_checkpoint (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 64, 40);
  g_autoptr (ReformerModel) model = new_model (2, 5), read = NULL, plain = new_model (2, -1), extended = new_model (2, 5), fewer = new_model (2, 1), one = new_model (1, -1), strict = NULL;
  g_autofree float *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL;
  GError *error = NULL;

  reformer_model_set_seed (model, 77); /* which a folder does not know */
  g_assert_true (reformer_model_save (model, folder, NULL, &error));
  read = reformer_model_load (device, folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_config_get_num_hashes_evaluation (reformer_model_get_config (read)), ==, 5);
  a = logits (model, tokens);
  b = logits (read, tokens);
  assert_same_bits ("read", a, b, 64 * 40);

  g_assert_true (reformer_model_save (plain, folder, NULL, &error));
  g_assert_true (reformer_model_load_weights (extended, folder, NULL, &error));
  g_assert_no_error (error);
  g_clear_object (&model);
  model = new_model (5, -1);
  c = logits (extended, tokens);
  d = logits (model, tokens);
  assert_same_bits ("extended", c, d, 64 * 40);
  g_assert_true (reformer_model_load_weights (fewer, folder, NULL, &error));
  g_assert_no_error (error);
  g_clear_pointer (&c, g_free);
  c = logits (fewer, tokens);
  e = logits (one, tokens);
  assert_same_bits ("fewer", c, e, 64 * 40);

  /* without a number of its own for evaluation the file must have what the configuration says */
  strict = new_model (3, -1);
  g_assert_false (reformer_model_load_weights (strict, folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "rotations is F32 [2, 16, 2, 4]", "F32 [2, 16, 3, 4]", NULL);
  g_clear_object (&strict);
  strict = new_model (3, 2);
  g_assert_false (reformer_model_load_weights (strict, folder, NULL, &error)); /* fewer than training needs */
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "rotations is F32 [2, 16, 2, 4]", NULL);
  test_folder_delete (path);
}

static float *
rotations_of (ReformerModel *model)
{
  return test_floats (reformer_parameter_get_value (test_model_parameter (model, ROTATIONS)));
}

/* Trains for so many steps; the rotations that it leaves. */
static float *
train (gint64   hash_seed,
       gboolean rehash,
       guint    n_steps)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestSamples) samples = test_samples_new_uneven ();
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (config, "hash-seed", hash_seed, NULL);
  model = reformer_model_new (device, config);
  trainer = test_trainer_new (model, samples);
  reformer_trainer_set_rehash (trainer, rehash);
  g_assert_cmpint (reformer_trainer_get_rehash (trainer), ==, rehash);
  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  if (n_steps > 0)
    test_train (trainer, n_steps);
  return rotations_of (model);
}

/* Rotations stay as they are, or each step leaves others: by the seed and the number of the step, however the steps are cut into calls (test-resume.c). */
static void
test_rehash (void)
{
  g_autofree float *fixed = train (-1, FALSE, 0), *kept = train (-1, FALSE, 2), *one = train (-1, TRUE, 1), *two = train (-1, TRUE, 2), *again = train (-1, TRUE, 2);
  g_autofree float *other = train (5, TRUE, 2), *zero = train (0, TRUE, 2);
  const gsize n = 2 * 16 * 2 * 4;
  double sum = 0, squares = 0;

  assert_same_bits ("fixed", fixed, kept, n);
  assert_same_bits ("again", two, again, n);
  assert_same_bits ("hash_seed 0 and seed 0", two, zero, n);
  g_assert_cmpint (memcmp (fixed, one, n * sizeof *one), !=, 0);
  g_assert_cmpint (memcmp (one, two, n * sizeof *one), !=, 0);
  g_assert_cmpint (memcmp (two, other, n * sizeof *one), !=, 0);
  for (gsize i = 0; i < n; i++)
    {
      sum += (double) two[i];
      squares += (double) two[i] * (double) two[i];
    }
  g_assert_cmpfloat (sum / n, >, -0.2);
  g_assert_cmpfloat (sum / n, <, 0.2);
  g_assert_cmpfloat (squares / n, >, 0.7);
  g_assert_cmpfloat (squares / n, <, 1.3);
}

/* Any size of pieces that a configuration names is taken, also one that divides nothing, and changes no bit. */
static void
test_chunk_sizes (void)
{
  static const int sizes[] = { 1, 7, 8, 1000000 };
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 27, 40);
  g_autoptr (ReformerModel) model = new_model (2, -1);
  g_autoptr (GArray) wanted = test_answers (model, tokens, TRUE);

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (ReformerConfig) config = test_config ("local,lsh");
      g_autoptr (ReformerModel) other = NULL;
      g_autoptr (GArray) got = NULL;

      g_object_set (config, "chunk-size-feed-forward", sizes[i], "chunk-size-lm-head", sizes[G_N_ELEMENTS (sizes) - 1 - i], NULL);
      other = reformer_model_new (device, config);
      got = test_answers (other, tokens, TRUE);
      g_assert_cmpmem (got->data, got->len * sizeof (float), wanted->data, wanted->len * sizeof (float));
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/hash-rounds/evaluation", test_evaluation);
  g_test_add_func ("/hash-rounds/checkpoint", test_checkpoint);
  g_test_add_func ("/hash-rounds/rehash", test_rehash);
  g_test_add_func ("/hash-rounds/any-size-of-pieces", test_chunk_sizes);
  status = test_run ();
  g_object_unref (device);
  return status;
}
