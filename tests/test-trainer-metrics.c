/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics of evaluations: what a trainer says of a data set is what the outputs of its samples say, one by one. */
#include "training.h"

#include <math.h>
#include <string.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "training/metrics.h"

/* Not a multiple of the chunks: the model pads too. */
#define LENGTH 30
#define SAMPLES 8

static const int lengths[SAMPLES] = { 30, 17, 5, 30, 2, 23, 9, 30 };

typedef struct
{
  ReformerHead  head;
  int           n_labels;
  const char   *fitting;
} Case;

static const Case cases[] = {
  { REFORMER_HEAD_LANGUAGE, 2, "bits perplexity bits-per-byte accuracy" },
  { REFORMER_HEAD_MASKED_LANGUAGE, 2, "bits perplexity accuracy" },
  { REFORMER_HEAD_CLASSIFICATION, 3, "accuracy macro-f1 matthews" },
  { REFORMER_HEAD_TOKENS, 3, "accuracy macro-f1 matthews" },
  { REFORMER_HEAD_MULTI_LABEL, 3, "accuracy macro-f1 exact-match" },
  { REFORMER_HEAD_REGRESSION, 2, "mean-squared-error mean-absolute-error" },
  { REFORMER_HEAD_VALUES, 2, "mean-squared-error mean-absolute-error" },
  { REFORMER_HEAD_SPANS, 2, "exact-match" },
};

static ReformerModel *
new_model (ReformerDevice *device,
           const Case     *c)
{
  g_autoptr (ReformerConfig) config = test_config ("local");

  g_object_set (config, "head", c->head, "is-decoder", c->head == REFORMER_HEAD_LANGUAGE, "num-labels", c->n_labels, "initializer-range", 0.3, "vocab-size", 258, NULL);
  return reformer_model_new (device, config);
}

/* ---- Samples ---- */

/* Labels of one sample, some of them no targets; `constant`: one class alone. */
static GBytes *
make_labels (const ReformerLabelForm *form,
             int                      index,
             int                      n,
             gboolean                 constant)
{
  const gsize n_labels = reformer_label_form_get_n (form, 1, n);
  gint32 *labels = g_new (gint32, n_labels);
  g_autofree float *numbers = g_new (float, n_labels);

  test_fill (numbers, n_labels, 11 + (guint32) index);
  if (form->kind == REFORMER_LABELS_CLASSES)
    test_fill_int (labels, n_labels, form->classes, 3 + (guint32) index);
  for (gsize i = 0; i < n_labels; i++)
    {
      const gboolean left_out = n_labels > 1 && i % 5 == 3;

      if (form->kind == REFORMER_LABELS_SPANS)
        labels[i] = index % 4 == 3 ? -100 : i == 0 ? n / 3 : n / 2;
      else if (form->kind == REFORMER_LABELS_CLASSES)
        labels[i] = left_out ? -100 : constant ? 1 : labels[i];
      else
        {
          const float number = left_out || (n_labels == 2 && i == 1 && index == 2) ? NAN : form->kind == REFORMER_LABELS_SQUARES ? numbers[i] : (float) (numbers[i] > 0);

          memcpy (&labels[i], &number, sizeof number);
        }
    }
  return g_bytes_new_take (labels, n_labels * sizeof *labels);
}

static TestSamples *
new_samples (ReformerModel *model,
             gboolean       constant)
{
  TestSamples *samples = test_samples_new (SAMPLES, LENGTH, 40);
  g_autoptr (GError) error = NULL;
  ReformerLabelForm form;

  g_assert_true (reformer_model_prepare (model, &error));
  reformer_model_get_label_form (model, &form);
  for (int i = 0; i < SAMPLES; i++)
    {
      gint32 ids[LENGTH];
      guint8 mask[LENGTH];
      g_autoptr (GBytes) tokens = NULL, kept = NULL, labels = make_labels (&form, i, lengths[i], constant);

      test_fill_int (ids, LENGTH, 40, 30 + (guint32) i);
      for (int t = 0; t < LENGTH; t++)
        mask[t] = i % 3 != 0 || t % 7 != 6;
      tokens = g_bytes_new (ids, (gsize) lengths[i] * sizeof *ids);
      kept = i % 3 == 0 ? g_bytes_new (mask, (gsize) lengths[i]) : NULL;
      g_object_unref (samples->samples->pdata[i]);
      samples->samples->pdata[i] = reformer_sample_new (tokens, kept, labels);
    }
  return samples;
}

/* ---- The same by hand ---- */

typedef struct
{
  double              hits, total;          /* of classes */
  double              squares, absolutes;
  double              exact, rows;
  double              bytes;
  ReformerClassCounts counts;
  ReformerLabelCounts labels;
} Sums;

static int
find_likeliest (const float *logits,
                int          n)
{
  int best = 0;

  for (int i = 1; i < n; i++)
    if (logits[i] > logits[best])
      best = i;
  return best;
}

static gboolean
is_likeliest_span (const float  *logits,
                   const guint8 *mask,
                   const gint32 *wanted)
{
  double best = -HUGE_VAL;
  int from = -1, to = -1;

  for (int b = 0; b < LENGTH; b++)
    for (int e = b; e < LENGTH; e++)
      if (mask[b] != 0 && mask[e] != 0 && (double) logits[2 * b] + (double) logits[2 * e + 1] > best)
        {
          best = (double) logits[2 * b] + (double) logits[2 * e + 1];
          from = b;
          to = e;
        }
  return from == wanted[0] && to == wanted[1];
}

static void
add (Sums                    *sums,
     const ReformerLabelForm *form,
     const float             *outputs,
     const guint8            *mask,
     const gint32            *labels,
     int                      n)
{
  const float *wanted = (const float *) labels;
  const int n_labels = (int) reformer_label_form_get_n (form, 1, n);

  if (form->kind == REFORMER_LABELS_CLASSES)
    for (int i = form->shifted; i < n_labels; i++)
      {
        const int chosen = find_likeliest (outputs + (i - form->shifted) * form->classes, form->classes);

        if (labels[i] == -100)
          continue;
        sums->total++;
        sums->hits += chosen == labels[i];
        sums->bytes += labels[i] >= 2;
        reformer_class_counts_add (&sums->counts, chosen, labels[i]);
      }
  else if (form->kind == REFORMER_LABELS_SQUARES)
    {
      for (int i = 0; i < n_labels; i++)
        if (!isnan (wanted[i]))
          {
            const double error = (double) outputs[i] - (double) wanted[i];

            sums->total++;
            sums->squares += error * error;
            sums->absolutes += fabs (error);
          }
    }
  else if (form->kind == REFORMER_LABELS_LOGISTIC)
    reformer_label_counts_add (&sums->labels, outputs, wanted);
  else if (labels[0] >= 0 && mask[labels[0]] != 0 && mask[labels[1]] != 0)
    {
      sums->rows++;
      sums->exact += is_likeliest_span (outputs, mask, labels);
    }
}

static void
measure (ReformerModel           *model,
         TestSamples             *samples,
         const ReformerLabelForm *form,
         Sums                    *sums)
{
  ReformerDevice *device = reformer_model_get_device (model);

  g_assert_true (reformer_class_counts_start (&sums->counts, form->kind == REFORMER_LABELS_CLASSES ? (gsize) form->classes : 1));
  g_assert_true (reformer_label_counts_start (&sums->labels, (gsize) form->width));
  for (int i = 0; i < SAMPLES; i++)
    {
      ReformerSample *sample = samples->samples->pdata[i];
      gint32 ids[LENGTH] = { 0 };
      guint8 mask[LENGTH] = { 0 };
      g_autoptr (ReformerTensor) tokens = NULL, kept = NULL, output = NULL;
      g_autofree float *values = NULL;
      g_autoptr (GError) error = NULL;

      memcpy (ids, g_bytes_get_data (reformer_sample_get_tokens (sample), NULL), (gsize) lengths[i] * sizeof *ids);
      memset (mask, 1, (gsize) lengths[i]);
      if (reformer_sample_get_mask (sample) != NULL)
        memcpy (mask, g_bytes_get_data (reformer_sample_get_mask (sample), NULL), (gsize) lengths[i]);
      tokens = test_tensor_int (device, ids, 2, 1, LENGTH);
      kept = test_tensor_bytes (device, mask, 2, 1, LENGTH);
      output = reformer_model_forward (model, tokens, kept, &error);
      g_assert_no_error (error);
      values = test_floats (output);
      add (sums, form, values, mask, g_bytes_get_data (reformer_sample_get_labels (sample), NULL), lengths[i]);
    }
}

static void
check (ReformerEvaluation *evaluation,
       const Case         *c,
       const char         *name,
       double              wanted)
{
  g_auto (GStrv) fitting = g_strsplit (c->fitting, " ", -1);
  double got;

  g_object_get (evaluation, name, &got, NULL);
  if (!g_strv_contains ((const char *const *) fitting, name))
    g_assert_true (isnan (got));
  else
    g_assert_cmpfloat_with_epsilon (got, wanted, 1e-5 * MAX (1, fabs (wanted)));
}

static void
test_heads (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, c);
  g_autoptr (TestSamples) samples = new_samples (model, FALSE);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;
  ReformerLabelForm form;
  Sums sums = { 0 };
  double loss;

  reformer_dataset_set_tokenizer (REFORMER_DATASET (samples), tokenizer);
  g_object_set (trainer, "batch-size", 3, "sequence-length", LENGTH, NULL);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  reformer_model_get_label_form (model, &form);
  measure (model, samples, &form, &sums);
  loss = reformer_evaluation_get_loss (evaluation);
  check (evaluation, c, "bits", loss / log (2));
  check (evaluation, c, "perplexity", exp (loss));
  check (evaluation, c, "bits-per-byte", loss / log (2) * sums.total / sums.bytes);
  check (evaluation, c, "accuracy", form.kind == REFORMER_LABELS_LOGISTIC ? reformer_label_counts_accuracy (&sums.labels) : sums.hits / sums.total);
  check (evaluation, c, "macro-f1", form.kind == REFORMER_LABELS_LOGISTIC ? reformer_label_counts_macro_f1 (&sums.labels) : reformer_class_counts_macro_f1 (&sums.counts));
  check (evaluation, c, "matthews", reformer_class_counts_matthews (&sums.counts));
  check (evaluation, c, "mean-squared-error", sums.squares / sums.total);
  check (evaluation, c, "mean-absolute-error", sums.absolutes / sums.total);
  check (evaluation, c, "exact-match", form.kind == REFORMER_LABELS_LOGISTIC ? reformer_label_counts_exact_match (&sums.labels) : sums.exact / sums.rows);
  reformer_class_counts_clear (&sums.counts);
  reformer_label_counts_clear (&sums.labels);
}

/* An answer that the model is taught is the one that it finds. */
static void
test_learnt_spans (void)
{
  const Case *c = &cases[G_N_ELEMENTS (cases) - 1];
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, c);
  g_autoptr (TestSamples) samples = new_samples (model, FALSE);
  g_autoptr (ReformerOptimizer) optimizer = g_object_new (REFORMER_TYPE_ADAMW, "learning-rate", 0.01, NULL);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (trainer, "batch-size", SAMPLES, "sequence-length", LENGTH, "optimizer", optimizer, NULL);
  test_train (trainer, 60);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (reformer_evaluation_get_exact_match (evaluation), ==, 1);
}

static void
test_one_class (void)
{
  const Case *c = &cases[2];
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, c);
  g_autoptr (TestSamples) samples = new_samples (model, TRUE);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (trainer, "sequence-length", LENGTH, NULL);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (reformer_evaluation_get_matthews (evaluation), ==, 0);
  g_assert_false (isnan (reformer_evaluation_get_macro_f1 (evaluation)));
}

static void
test_no_target (void)
{
  const gint32 nothing = -100;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &cases[2]);
  g_autoptr (TestSamples) samples = new_samples (model, FALSE);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (GBytes) labels = g_bytes_new (&nothing, sizeof nothing);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < SAMPLES; i++)
    {
      ReformerSample *sample = samples->samples->pdata[i];

      samples->samples->pdata[i] = reformer_sample_new (reformer_sample_get_tokens (sample), NULL, labels);
      g_object_unref (sample);
    }
  g_object_set (trainer, "sequence-length", LENGTH, NULL);
  g_assert_null (reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA);
  g_assert_nonnull (strstr (error->message, "no target among 8 samples"));
}

/* Where the ids are no text, bytes are not known. */
static void
test_no_text (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &cases[0]);
  g_autoptr (TestSamples) samples = new_samples (model, FALSE);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (trainer, "sequence-length", LENGTH, NULL);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_assert_true (isnan (reformer_evaluation_get_bits_per_byte (evaluation)));
  g_assert_false (isnan (reformer_evaluation_get_bits (evaluation)));
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GEnumClass) heads = g_type_class_ref (REFORMER_TYPE_HEAD);

  g_test_init (&argc, &argv, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/trainer-metrics/%s", g_enum_get_value (heads, (int) cases[i].head)->value_nick);

      g_test_add_data_func (path, &cases[i], test_heads);
    }
  g_test_add_func ("/trainer-metrics/learnt-spans", test_learnt_spans);
  g_test_add_func ("/trainer-metrics/one-class", test_one_class);
  g_test_add_func ("/trainer-metrics/no-target", test_no_target);
  g_test_add_func ("/trainer-metrics/no-text", test_no_text);

  return test_run ();
}
