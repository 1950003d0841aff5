/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A data set written in C: own-dataset [STEPS]
 * Made by: cc own-dataset.c -o own-dataset $(pkg-config --cflags --libs reformer-1.0) */
#include <libreformer/reformer.h>

/* Samples of triangle waves with other periods and phases, as levels from 0 to 31. */
G_DECLARE_FINAL_TYPE (Waves, waves, EXAMPLE, WAVES, ReformerDataset)

struct _Waves
{
  ReformerDataset parent_instance;
  gint64          first, count;
};

G_DEFINE_FINAL_TYPE (Waves, waves, REFORMER_TYPE_DATASET)

static gint64
waves_count_samples (ReformerDataset *dataset, int length, GError **error)
{
  return EXAMPLE_WAVES (dataset)->count;
}

static ReformerSample *
waves_read_sample (ReformerDataset *dataset, gint64 index, int length, GError **error)
{
  const gint64 number = EXAMPLE_WAVES (dataset)->first + index, period = 5 + number % 27;
  g_autofree int *levels = g_new (int, (gsize) length);

  for (int i = 0; i < length; i++)
    levels[i] = (int) (ABS ((number + i) % (2 * period) - period) * 31 / period);
  return reformer_sample_new_from_ids (levels, (gsize) length);
}

static void
waves_class_init (WavesClass *klass)
{
  REFORMER_DATASET_CLASS (klass)->count_samples = waves_count_samples;
  REFORMER_DATASET_CLASS (klass)->read_sample = waves_read_sample;
}

static void
waves_init (Waves *self)
{
}

static ReformerDataset *
waves_new (gint64 first, gint64 count)
{
  Waves *self = g_object_new (waves_get_type (), NULL);

  self->first = first;
  self->count = count;
  return REFORMER_DATASET (self);
}

static ReformerConfig *
make_config (void)
{
  const char *const layers[] = { "local", "lsh", NULL };
  ReformerConfig *config = g_object_new (REFORMER_TYPE_CONFIG, "vocab-size", 32, "is-decoder", TRUE, "hidden-size", 64, "num-attention-heads", 2,
                                         "attention-head-size", 32, "feed-forward-size", 128, "attn-layers", layers, "axial-norm-std", 0.1, NULL);

  reformer_config_set_axial_pos_shape (config, (int[]) { 16, 16 }, 2);
  reformer_config_set_axial_pos_embds_dim (config, (int[]) { 16, 48 }, 2);
  return config;
}

static void
show (ReformerTrainer *trainer, ReformerEvaluation *evaluation, gpointer data)
{
  g_print ("step %u: %.6f bits per level\n", reformer_evaluation_get_step (evaluation), reformer_evaluation_get_bits (evaluation));
}

int
main (int argc, char *argv[])
{
  g_autoptr (ReformerConfig) config = make_config ();
  g_autoptr (ReformerModel) model = reformer_model_new (NULL, config);
  g_autoptr (ReformerDataset) waves = waves_new (0, 1000), others = waves_new (1000, 20);
  g_autoptr (ReformerOptimizer) optimizer = g_object_new (REFORMER_TYPE_ADAMW, "learning-rate", 0.005, NULL);
  g_autoptr (ReformerTrainer) trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", waves, "evaluation-dataset", others,
                                                      "evaluation-interval", 20, "optimizer", optimizer, "sequence-length", 256, "batch-size", 4, NULL);
  g_autoptr (GError) error = NULL;

  g_signal_connect (trainer, "evaluated", G_CALLBACK (show), NULL);
  if (!reformer_trainer_train (trainer, argc > 1 ? (guint) atoi (argv[1]) : 100, NULL, &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
