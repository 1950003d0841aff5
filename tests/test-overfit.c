/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A batch of 2 x 256 bytes is learnt by heart within 300 steps, by every kind of attention and whatever a stack keeps. */
#include "training.h"

#include <string.h>

#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/training/reformer-adamw.h>

#define LENGTH 256
#define STEPS  300
#define WANTED 0.05

static const char *const texts[2] = {
  "Call me Ishmael. Some years ago - never mind how long precisely - having little or no money in my purse, and nothing particular to interest me on shore, I thought "
  "I would sail about a little and see the watery part of the world. It is a way I have of driving",
  "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. However little known the feelings or views of "
  "such a man may be on his first entering a neighbourhood, this truth is so well fixed in the minds",
};

/* Full attention in the place of the other. */
static void
make_full (ReformerModel *model)
{
  ReformerStack *stack = reformer_model_get_stack (model);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (stack)); i += 2)
    {
      g_autofree char *name = g_strdup_printf ("full%u", i);
      g_autoptr (ReformerLayer) layer = g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", reformer_model_get_device (model), "hidden-size", 64, "num-attention-heads", 2,
                                                      "attention-head-size", 32, "causal", TRUE, "deviation", 0.05, NULL);

      reformer_stack_remove (stack, i, &error);
      g_assert_no_error (error);
      reformer_stack_insert (stack, i, name, layer, &error);
      g_assert_no_error (error);
    }
}

static ReformerModel *
new_model (const char   *kinds,
           gboolean      full,
           ReformerKeep  keep)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config (kinds);
  const int shape[2] = { 16, 16 }, dims[2] = { 16, 48 };
  ReformerModel *model;

  g_object_set (config, "vocab-size", 258, "hidden-size", 64, "num-attention-heads", 2, "attention-head-size", 32, "feed-forward-size", 128, "max-position-embeddings",
                LENGTH, "lsh-attn-chunk-length", 32, "local-attn-chunk-length", 32, "initializer-range", 0.05, NULL);
  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
  model = reformer_model_new (device, config);
  if (full)
    make_full (model);
  reformer_stack_set_keep (reformer_model_get_stack (model), keep);
  return model;
}

static TestSamples *
new_samples (void)
{
  TestSamples *samples = test_samples_new (2, LENGTH, 258);

  for (guint i = 0; i < 2; i++)
    {
      gint32 ids[LENGTH];

      g_assert_cmpuint (strlen (texts[i]), >=, LENGTH);
      for (guint t = 0; t < LENGTH; t++)
        ids[t] = (guint8) texts[i][t] + 2;
      test_samples_put (samples, i, ids, NULL, NULL, LENGTH);
    }
  return samples;
}

typedef struct
{
  const char   *path;
  const char   *kinds;
  ReformerKeep  keep;
} Case;

static const Case cases[] = {
  { "/overfit/local/everything", "local,local", REFORMER_KEEP_EVERYTHING }, { "/overfit/local/inputs", "local,local", REFORMER_KEEP_INPUTS },
  { "/overfit/local/nothing", "local,local", REFORMER_KEEP_NOTHING },       { "/overfit/lsh/everything", "lsh,lsh", REFORMER_KEEP_EVERYTHING },
  { "/overfit/lsh/inputs", "lsh,lsh", REFORMER_KEEP_INPUTS },               { "/overfit/lsh/nothing", "lsh,lsh", REFORMER_KEEP_NOTHING },
  { "/overfit/full/everything", "local,local", REFORMER_KEEP_EVERYTHING },    { "/overfit/full/inputs", "local,local", REFORMER_KEEP_INPUTS },
  { "/overfit/full/nothing", "local,local", REFORMER_KEEP_NOTHING },
};

static void
test_overfit (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (ReformerModel) model = new_model (c->kinds, g_str_has_prefix (c->path, "/overfit/full"), c->keep);
  g_autoptr (TestSamples) samples = new_samples ();
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerOptimizer) optimizer = reformer_adamw_new ();
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();
  const gint64 begin = g_get_monotonic_time ();

  reformer_optimizer_set_learning_rate (optimizer, 0.01);
  reformer_schedule_set_warmup_steps (schedule, 10);
  g_object_set (trainer, "sequence-length", LENGTH, "batch-size", 2, "optimizer", optimizer, "schedule", schedule, "total-steps", STEPS, "max-gradient-norm", 1.0, NULL);
  do
    test_train (trainer, 10);
  while (reformer_trainer_get_loss (trainer) >= WANTED && reformer_trainer_get_n_steps (trainer) < STEPS);
  g_test_message ("a loss of %.3f after %u steps in %.1f s", reformer_trainer_get_loss (trainer), reformer_trainer_get_n_steps (trainer),
                  (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC);
  g_assert_cmpfloat (reformer_trainer_get_loss (trainer), <, WANTED);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].path, &cases[i], test_overfit);

  return test_run ();
}
