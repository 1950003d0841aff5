/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A series that is continued: vectors instead of ids, and a value at each position: forecast [STEPS]
 * Made by: cc forecast.c -o forecast $(pkg-config --cflags --libs reformer-1.0) */
#include <libreformer/reformer.h>

#define KNOWN 336 /* hours */
#define DAY   24

/* What a meter says: a day of 24 hours, and a week. */
static float
get_level (gint64 hour)
{
  return (float) (ABS (hour % 24 - 12) / 6.0 - 1 + ABS (hour % 168 - 84) / 84.0);
}

/* ---- Stretches of the series; what is to be learned of each hour is the next one ---- */

G_DECLARE_FINAL_TYPE (Hours, hours, EXAMPLE, HOURS, ReformerDataset)

struct _Hours
{
  ReformerDataset parent_instance;
  gint64          first, count;
};

G_DEFINE_FINAL_TYPE (Hours, hours, REFORMER_TYPE_DATASET)

static gint64
hours_count_samples (ReformerDataset *dataset, int length, GError **error)
{
  return EXAMPLE_HOURS (dataset)->count;
}

static ReformerSample *
hours_read_sample (ReformerDataset *dataset, gint64 index, int length, GError **error)
{
  const gint64 start = EXAMPLE_HOURS (dataset)->first + 37 * index;
  const gsize n = (gsize) length;
  g_autofree float *series = g_new (float, n + 1);
  g_autoptr (GBytes) values = NULL, labels = NULL;

  for (gsize i = 0; i <= n; i++)
    series[i] = get_level (start + (gint64) i);
  values = g_bytes_new (series, n * sizeof (float));
  labels = g_bytes_new (series + 1, n * sizeof (float));
  return reformer_sample_new_from_values (values, 1, NULL, labels);
}

static void
hours_class_init (HoursClass *klass)
{
  REFORMER_DATASET_CLASS (klass)->count_samples = hours_count_samples;
  REFORMER_DATASET_CLASS (klass)->read_sample = hours_read_sample;
}

static void
hours_init (Hours *self)
{
}

static ReformerDataset *
hours_new (gint64 first, gint64 count)
{
  Hours *self = g_object_new (hours_get_type (), NULL);

  self->first = first;
  self->count = count;
  return REFORMER_DATASET (self);
}

/* ---- The model ---- */

static ReformerConfig *
make_config (void)
{
  const char *const layers[] = { "local", "lsh", NULL };
  ReformerConfig *config = g_object_new (REFORMER_TYPE_CONFIG, "head", REFORMER_HEAD_VALUES, "num-labels", 1, "input-features", 1, "is-decoder", TRUE,
                                         "hidden-size", 32, "num-attention-heads", 2, "attention-head-size", 16, "feed-forward-size", 64, "attn-layers", layers,
                                         "axial-norm-std", 0.1, "initializer-range", 0.15, "hidden-dropout-prob", 0.0, NULL);

  reformer_config_set_axial_pos_shape (config, (int[]) { 16, 32 }, 2);
  reformer_config_set_axial_pos_embds_dim (config, (int[]) { 8, 24 }, 2);
  return config;
}

/* What the model says at the last of n positions. */
static gboolean
predict (ReformerModel *model, const float *series, gsize n, float *last, GError **error)
{
  const gint64 shape[] = { 1, (gint64) n, 1 };
  g_autoptr (GBytes) bytes = g_bytes_new (series, n * sizeof (float));
  g_autoptr (ReformerTensor) x = reformer_tensor_new_from_bytes (reformer_model_get_device (model), REFORMER_DTYPE_FLOAT32, shape, 3, bytes, error);
  g_autoptr (ReformerTensor) y = x != NULL ? reformer_model_forward (model, x, NULL, error) : NULL;
  g_autoptr (GBytes) said = y != NULL ? reformer_tensor_to_bytes (y, error) : NULL;

  if (said != NULL)
    *last = ((const float *) g_bytes_get_data (said, NULL))[n - 1];
  return said != NULL;
}

static gboolean
forecast (ReformerModel *model, GError **error)
{
  float series[KNOWN + DAY];

  for (gsize i = 0; i < KNOWN; i++)
    series[i] = get_level (9000 + (gint64) i);
  for (gsize i = KNOWN; i < KNOWN + DAY; i++)
    if (!predict (model, series, i, &series[i], error))
      return FALSE;
  g_print ("the next day:");
  for (gsize i = KNOWN; i < KNOWN + DAY; i++)
    g_print (" %.3f", (double) series[i]);
  g_print ("\n");
  return TRUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (ReformerConfig) config = make_config ();
  g_autoptr (ReformerModel) model = reformer_model_new (NULL, config);
  g_autoptr (ReformerDataset) hours = hours_new (0, 100), others = hours_new (5000, 10);
  g_autoptr (ReformerOptimizer) optimizer = g_object_new (REFORMER_TYPE_ADAMW, "learning-rate", 0.005, NULL);
  g_autoptr (ReformerSchedule) schedule = g_object_new (REFORMER_TYPE_SCHEDULE, "warmup-steps", 20, NULL);
  g_autoptr (ReformerTrainer) trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", hours, "evaluation-dataset", others, "optimizer", optimizer,
                                                      "schedule", schedule, "sequence-length", KNOWN, "batch-size", 2, NULL);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  if (reformer_trainer_train (trainer, argc > 1 ? (guint) atoi (argv[1]) : 300, NULL, &error))
    evaluation = reformer_trainer_evaluate (trainer, NULL, NULL, &error);
  if (evaluation != NULL)
    g_print ("mean squared error %.6f\n", reformer_evaluation_get_mean_squared_error (evaluation));
  if (evaluation == NULL || !forecast (model, &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
