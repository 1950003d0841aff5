/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of a trainer equals the account's peak of its steps to the byte, optimizer included, and what it promises holds. */
#include "mistakes.h"
#include "training.h"

#include <libreformer/training/reformer-adafactor.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

typedef struct
{
  const char   *kinds;
  ReformerKeep  keep;
  int           rows;
  int           accumulation;
  int           length;
  double        momentum;
  const char   *freeze;
  gboolean      shown; /* the model was last used to look at, without dropout */
} Case;

static ReformerOptimizer *
new_adamw (const Case *c)
{
  return c->momentum < 0 ? NULL : reformer_adamw_new ();
}

static ReformerOptimizer *
new_sgd (const Case *c)
{
  return g_object_new (REFORMER_TYPE_SGD, "momentum", MAX (c->momentum, 0.0), NULL);
}

static ReformerOptimizer *
new_adafactor (const Case *c)
{
  return reformer_adafactor_new ();
}

static ReformerTrainer *
new_trainer (ReformerDevice     *device,
             const Case         *c,
             ReformerOptimizer *(*make) (const Case *c))
{
  g_autoptr (ReformerModel) model = test_training_model (device, c->kinds, 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (8, c->length, 40);
  g_autoptr (ReformerOptimizer) optimizer = make (c);
  ReformerTrainer *trainer = test_trainer_new (model, samples);

  g_object_set (trainer, "sequence-length", c->length, "batch-size", c->rows, "accumulation", c->accumulation, NULL);
  if (optimizer != NULL)
    reformer_trainer_set_optimizer (trainer, optimizer);
  reformer_stack_set_keep (reformer_model_get_stack (model), c->keep);
  if (c->freeze != NULL)
    g_assert_cmpuint (reformer_model_freeze (model, c->freeze), >, 0);
  reformer_model_set_training (model, !c->shown);
  return trainer;
}

static guint64
planned (ReformerTrainer *trainer,
         guint64         *state)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerMemoryPlan) plan = reformer_trainer_estimate_memory (trainer, &error);

  g_assert_no_error (error);
  g_assert_true (reformer_memory_plan_get_fits (plan));
  *state = 0;
  for (guint i = 0; i < reformer_memory_plan_get_n_parts (plan); i++)
    if (g_str_equal (reformer_memory_plan_get_part_name (plan, i), "optimizer"))
      *state = reformer_memory_plan_get_part_bytes (plan, i);
  return reformer_memory_plan_get_total (plan);
}

static void
check_case (ReformerDevice     *device,
            const Case         *c,
            ReformerOptimizer *(*make) (const Case *c))
{
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerTrainer) trainer = new_trainer (device, c, make);
  guint64 state, again, wanted;

  reformer_device_reset_memory_peak (device);
  wanted = planned (trainer, &state);
  g_assert_cmpuint (reformer_device_get_memory_peak (device), ==, before);
  test_train (trainer, 2);
  g_test_message ("%s, %d x %d rows of %d: %" G_GUINT64_FORMAT " planned, %" G_GUINT64_FORMAT " used", c->kinds, c->accumulation, c->rows, c->length, wanted,
                  reformer_device_get_memory_peak (device) - before);
  g_assert_cmpuint (reformer_device_get_memory_peak (device) - before, ==, wanted);
  g_assert_cmpuint (planned (trainer, &again), ==, wanted); /* what it holds by now is not in its own way */
  g_assert_cmpuint (again, ==, state);
  if (make == new_sgd && c->momentum <= 0)
    g_assert_cmpuint (state, ==, 0);
  else
    g_assert_cmpuint (state, >, 0);
}

static const Case cases[] = {
  { "local,lsh", REFORMER_KEEP_EVERYTHING, 1, 1, 64 },
  { "local,lsh", REFORMER_KEEP_INPUTS, 2, 1, 64, .momentum = 0.9 },
  { "lsh,local", REFORMER_KEEP_NOTHING, 1, 3, 64, .momentum = 0.9 },
  { "lsh", REFORMER_KEEP_NOTHING, 2, 2, 7, .freeze = "reformer.embeddings.*" },
  { "local", REFORMER_KEEP_AUTO, 1, 1, 50, .momentum = -1 },
  { "local,lsh", REFORMER_KEEP_NOTHING, 2, 1, 64, .shown = TRUE },
};

static void
test_exact (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      check_case (device, &cases[i], new_adamw);
      check_case (device, &cases[i], new_sgd);
      check_case (device, &cases[i], new_adafactor);
    }
}

/* With the limit at the longest that fits it can be trained on; one token more is too much. */
static void
test_longest (void)
{
  static const Case usual = { "local,lsh", REFORMER_KEEP_NOTHING, 1, 1, 64 };
  g_autoptr (ReformerDevice) device = test_device ();
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerTrainer) trainer = new_trainer (device, &usual, new_adamw);
  g_autoptr (GError) error = NULL;
  g_autofree char *fit = NULL;
  guint64 state, total;
  gint64 longest;

  g_assert_cmpint (reformer_trainer_find_max_length (trainer, &error), ==, 64);
  g_assert_no_error (error);
  reformer_trainer_set_sequence_length (trainer, 30);
  total = planned (trainer, &state);
  reformer_device_set_memory_limit (device, before + total);
  longest = reformer_trainer_find_max_length (trainer, &error);
  g_assert_no_error (error);
  g_assert_cmpint (longest, >=, 30);
  g_assert_cmpint (longest, <, 64);
  reformer_trainer_set_sequence_length (trainer, (int) longest);
  test_train (trainer, 1);
  reformer_trainer_set_sequence_length (trainer, (int) longest + 1);
  fit = g_strdup_printf ("; sequences of at most %d tokens fit", (int) longest);
  g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
  assert_says (&error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "bytes wanted for ", "the limit is ", fit, NULL);

  /* what there is no memory for is named */
  reformer_device_set_memory_limit (device, reformer_device_get_memory_used (device) + 4096);
  {
    g_autoptr (ReformerModel) model = test_training_model (device, "local", 0.0);

    g_assert_false (reformer_model_prepare (model, &error));
    g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
    g_assert_true (g_str_has_prefix (error->message, "reformer.embeddings.word_embeddings.weight: "));
  }
  reformer_device_set_memory_limit (device, 0);
}

/* A run that finds too little memory names the longest that fits, settles nothing, and can be repeated with more, or with that length. */
static void
test_too_long (void)
{
  static const Case usual = { "local,lsh", REFORMER_KEEP_AUTO, 2, 1, 64 };
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };

  for (int shorter = 0; shorter < 2; shorter++)
    {
      g_autoptr (ReformerDevice) device = test_device ();
      const guint64 before = reformer_device_get_memory_used (device);
      g_autoptr (ReformerTrainer) trainer = new_trainer (device, &usual, new_adamw);
      ReformerStack *stack = reformer_model_get_stack (reformer_trainer_get_model (trainer));
      g_autofree char *fit = NULL;
      g_autoptr (GError) error = NULL;
      guint64 state, least = G_MAXUINT64;
      gint64 longest;

      for (guint i = 0; i < G_N_ELEMENTS (keeps); i++)
        {
          reformer_stack_set_keep (stack, keeps[i]);
          least = MIN (least, planned (trainer, &state));
        }
      reformer_stack_set_keep (stack, REFORMER_KEEP_AUTO);
      reformer_device_set_memory_limit (device, before + least - 4096);
      longest = reformer_trainer_find_max_length (trainer, &error);
      g_assert_no_error (error);
      g_assert_cmpint (longest, >, 2);
      g_assert_cmpint (longest, <, 64);
      fit = g_strdup_printf ("; 2 sequences of at most %d tokens fit", (int) longest);
      g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
      assert_says (&error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "bytes wanted for ", fit, NULL);
      g_assert_cmpint (reformer_stack_get_keep (stack), ==, REFORMER_KEEP_AUTO);
      if (shorter)
        reformer_trainer_set_sequence_length (trainer, (int) longest);
      else
        reformer_device_set_memory_limit (device, 0);
      test_train (trainer, 1);
      if (!shorter)
        g_assert_cmpint (reformer_stack_get_keep (stack), ==, REFORMER_KEEP_EVERYTHING);
      reformer_device_set_memory_limit (device, 0);
    }
}

/* A model of one position has a longest sequence that nothing can be learned from. */
static void
test_one_position (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestSamples) samples = test_samples_new (1, 2, 40);
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (config, "axial-pos-embds", FALSE, "max-position-embeddings", 1, NULL);
  model = reformer_model_new (device, config);
  trainer = test_trainer_new (model, samples);
  g_assert_cmpint (reformer_model_find_max_length (model, 1, TRUE, &error), ==, 1);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_trainer_find_max_length (trainer, &error), ==, 0);
  g_assert_no_error (error);
}

static void
on_step (ReformerTrainer        *trainer,
         ReformerTrainingRecord *record,
         gpointer                data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_trainer_estimate_memory (trainer, &error));
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY, "at work", NULL);
  g_assert_cmpint (reformer_trainer_find_max_length (trainer, &error), ==, -1);
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY, "at work", NULL);
  (*(guint *) data)++;
}

static void
assert_range (ReformerTrainer *trainer,
              const char      *setting,
              int              wrong,
              int              right)
{
  void (*const set) (ReformerTrainer *trainer, int value) = g_str_equal (setting, "batch-size") ? reformer_trainer_set_batch_size : reformer_trainer_set_accumulation;
  g_autofree char *seen = g_strdup_printf ("%s: %d", setting, wrong);
  g_autoptr (GError) error = NULL;

  set (trainer, wrong);
  g_assert_null (reformer_trainer_estimate_memory (trainer, &error));
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, seen, "wanted 1 to", NULL);
  g_assert_cmpint (reformer_trainer_find_max_length (trainer, &error), ==, -1);
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, seen, "wanted 1 to", NULL);
  set (trainer, right);
}

static void
test_mistakes (void)
{
  static const Case usual = { "local", REFORMER_KEEP_NOTHING, 1, 1, 16 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTrainer) empty = g_object_new (REFORMER_TYPE_TRAINER, NULL), trainer = new_trainer (device, &usual, new_adamw);
  g_autoptr (GError) error = NULL;
  guint n = 0;

  g_assert_null (reformer_trainer_estimate_memory (empty, &error));
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "no model", NULL);
  g_assert_cmpint (reformer_trainer_find_max_length (empty, &error), ==, -1);
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "no model", NULL);

  reformer_trainer_set_sequence_length (trainer, 65);
  g_assert_null (reformer_trainer_estimate_memory (trainer, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "65 tokens", "64", NULL);

  reformer_trainer_set_sequence_length (trainer, 16);
  reformer_adamw_set_beta1 (REFORMER_ADAMW (reformer_trainer_get_optimizer (trainer)), 2.0);
  g_assert_null (reformer_trainer_estimate_memory (trainer, &error));
  assert_says (&error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "beta1 is 2", NULL);

  reformer_adamw_set_beta1 (REFORMER_ADAMW (reformer_trainer_get_optimizer (trainer)), 0.9);
  assert_range (trainer, "accumulation", 0, 1);
  assert_range (trainer, "accumulation", -1, 1);
  assert_range (trainer, "batch-size", 0, 1);
  g_signal_connect (trainer, "step", G_CALLBACK (on_step), &n);
  test_train (trainer, 1);
  g_assert_cmpuint (n, ==, 1);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-plan/exact", test_exact);
  g_test_add_func ("/trainer-plan/longest", test_longest);
  g_test_add_func ("/trainer-plan/too-long", test_too_long);
  g_test_add_func ("/trainer-plan/one-position", test_one_position);
  g_test_add_func ("/trainer-plan/mistakes", test_mistakes);

  return test_run ();
}
