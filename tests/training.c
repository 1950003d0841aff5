/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training.h"

#include <string.h>

#include "training/optimizer-private.h"
#include "training/trainer-private.h"

/* ---- Samples ---- */

G_DEFINE_TYPE (TestSamples, test_samples, REFORMER_TYPE_DATASET)

static void
called (TestSamples *self)
{
  if (g_thread_self () != self->home)
    g_atomic_int_inc (&self->strangers);
}

static gint64
test_samples_count_samples (ReformerDataset *dataset,
                            int              length,
                            GError         **error)
{
  TestSamples *self = (TestSamples *) dataset;

  called (self);
  if (self->on_count != NULL)
    self->on_count (self->data);
  return self->samples->len;
}

static GBytes *
cut (GBytes *bytes,
     gsize   n)
{
  return bytes != NULL ? g_bytes_new_from_bytes (bytes, 0, MIN (n, g_bytes_get_size (bytes))) : NULL;
}

static ReformerSample *
test_samples_read_sample (ReformerDataset *dataset,
                          gint64           index,
                          int              length,
                          GError         **error)
{
  TestSamples *self = (TestSamples *) dataset;
  ReformerSample *sample = self->samples->pdata[index];
  g_autoptr (GBytes) tokens = cut (reformer_sample_get_tokens (sample), (gsize) length * 4);
  g_autoptr (GBytes) mask = cut (reformer_sample_get_mask (sample), (gsize) length);
  /* of a sample that is not cut they may be as many as a head wants */
  const gboolean whole = reformer_sample_get_length (sample) <= (gsize) length;
  g_autoptr (GBytes) labels = cut (reformer_sample_get_labels (sample), whole ? G_MAXSIZE : (gsize) length * 4);

  called (self);
  g_array_append_val (self->read, index);
  if (self->delay > 0)
    g_usleep (self->delay);
  if (self->on_read != NULL)
    self->on_read (self->data);
  if (reformer_sample_get_values (sample) != NULL)
    return g_object_ref (sample);
  return reformer_sample_new (tokens, mask, labels);
}

static ReformerDataset *
test_samples_get_held_out (ReformerDataset  *dataset,
                           GError          **error)
{
  TestSamples *self = (TestSamples *) dataset;

  called (self);
  return self->held_out != NULL ? g_object_ref (self->held_out) : NULL;
}

static void
test_samples_finalize (GObject *object)
{
  TestSamples *self = (TestSamples *) object;

  g_ptr_array_unref (self->samples);
  g_array_unref (self->read);
  g_clear_object (&self->held_out);
  G_OBJECT_CLASS (test_samples_parent_class)->finalize (object);
}

static void
test_samples_class_init (TestSamplesClass *klass)
{
  ReformerDatasetClass *dataset_class = REFORMER_DATASET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = test_samples_finalize;
  dataset_class->count_samples = test_samples_count_samples;
  dataset_class->read_sample = test_samples_read_sample;
  dataset_class->get_held_out = test_samples_get_held_out;
}

static void
test_samples_init (TestSamples *self)
{
  self->samples = g_ptr_array_new_with_free_func (g_object_unref);
  self->read = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->home = g_thread_self ();
}

TestSamples *
test_samples_new (guint n,
                  int   length,
                  int   vocabulary)
{
  TestSamples *self = g_object_new (test_samples_get_type (), NULL);
  g_autofree gint32 *ids = g_new (gint32, (gsize) length);

  for (guint i = 0; i < n; i++)
    {
      test_fill_int (ids, (gsize) length, vocabulary - 1, i + 1);
      for (int t = 0; t < length; t++)
        ids[t]++;
      g_ptr_array_add (self->samples, reformer_sample_new_from_ids (ids, (gsize) length));
    }
  return self;
}

void
test_samples_put (TestSamples  *self,
                  guint         index,
                  const gint32 *ids,
                  const guint8 *mask,
                  const gint32 *labels,
                  gsize         n)
{
  g_autoptr (GBytes) tokens = g_bytes_new (ids, n * sizeof *ids);
  g_autoptr (GBytes) kept = mask != NULL ? g_bytes_new (mask, n) : NULL;
  g_autoptr (GBytes) wanted = labels != NULL ? g_bytes_new (labels, n * sizeof *labels) : NULL;

  g_object_unref (self->samples->pdata[index]);
  self->samples->pdata[index] = reformer_sample_new (tokens, kept, wanted);
}

TestSamples *
test_samples_new_uneven (void)
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

/* ---- Training ---- */

ReformerModel *
test_training_model (ReformerDevice *device,
                     const char     *kinds,
                     double          dropout)
{
  g_autoptr (ReformerConfig) config = test_config (kinds);

  g_object_set (config, "hidden-dropout-prob", dropout, "lsh-attention-probs-dropout-prob", dropout, "local-attention-probs-dropout-prob", dropout, NULL);
  return reformer_model_new (device, config);
}

ReformerTrainer *
test_trainer_new (ReformerModel *model,
                  TestSamples   *samples)
{
  return g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", samples, "sequence-length", 32, "max-gradient-norm", 0.0, NULL);
}

void
test_train (ReformerTrainer *trainer,
            guint            n_steps)
{
  g_autoptr (GError) error = NULL;
  const gboolean trained = reformer_trainer_train (trainer, n_steps, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (trained);
}

static void
append_tensor (GArray         *all,
               ReformerTensor *tensor)
{
  g_autofree float *values = test_floats (tensor);

  g_array_append_vals (all, values, (guint) reformer_tensor_get_n_elements (tensor));
}

GArray *
test_values (ReformerModel *model)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));

  for (guint i = 0; i < parameters->len; i++)
    append_tensor (all, reformer_parameter_get_value (parameters->pdata[i]));
  return all;
}

static gint
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GArray *
test_training_state (ReformerTrainer *trainer)
{
  const ReformerTrainingState *state = &trainer->state;
  ReformerOptimizer *optimizer = reformer_trainer_get_optimizer (trainer);
  g_autoptr (GPtrArray) names = optimizer != NULL ? reformer_optimizer_list_state (optimizer) : NULL;
  GArray *all = test_values (trainer->model);
  const float numbers[] = { (float) state->step,  (float) state->epoch,     (float) state->index,     (float) state->length,       (float) state->tokens,
                            (float) state->n_skipped, (float) state->best_loss, (float) state->best_step, (float) state->worse, (float) state->evaluated_step,
                            (float) trainer->model->sequence };

  if (names != NULL)
    g_ptr_array_sort (names, compare_names);
  for (guint i = 0; names != NULL && i < names->len; i++)
    append_tensor (all, reformer_optimizer_peek_state (optimizer, names->pdata[i]));
  return g_array_append_vals (all, numbers, G_N_ELEMENTS (numbers));
}

gboolean
test_same_state (GArray *a,
                 GArray *b)
{
  return a->len == b->len && memcmp (a->data, b->data, a->len * sizeof (float)) == 0;
}

void
assert_same_state (GArray *a,
                   GArray *b)
{
  g_assert_cmpuint (a->len, ==, b->len);
  assert_same_bits ("state", (const float *) (gpointer) a->data, (const float *) (gpointer) b->data, a->len);
}
