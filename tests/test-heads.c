/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every head: its outputs, losses, gradients, labels; golden models hold those that transformers has too. */
#include "models.h"

#include <libreformer/files/reformer-file-error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define LENGTH 64
#define INPUT REFORMER_MODEL_ERROR_INVALID_INPUT
#define SHAPE REFORMER_MODEL_ERROR_SHAPE

static ReformerDevice *device;

static const ReformerHead heads[] = {
  REFORMER_HEAD_MASKED_LANGUAGE, REFORMER_HEAD_CLASSIFICATION, REFORMER_HEAD_REGRESSION, REFORMER_HEAD_MULTI_LABEL, REFORMER_HEAD_SPANS, REFORMER_HEAD_TOKENS,
  REFORMER_HEAD_VALUES,
};

static ReformerModel *
new_model (ReformerHead head,
           const char  *kinds,
           double       dropout)
{
  g_autoptr (ReformerConfig) config = test_head_config (head, kinds);

  g_object_set (config, "hidden-dropout-prob", dropout, "lsh-attention-probs-dropout-prob", dropout, "local-attention-probs-dropout-prob", dropout, NULL);
  if (head == REFORMER_HEAD_CLASSIFICATION || head == REFORMER_HEAD_TOKENS)
    {
      const double weights[] = { 0.5, 3, 1.25 };

      reformer_config_set_class_weights (config, weights, 3);
    }
  return reformer_model_new (device, config);
}

/* What a head is asked for: some targets are left out, and masked tokens have none. */
static gint32 *
make_labels (const ReformerLabelForm *form,
             int                      B,
             int                      T,
             const gint32            *mask)
{
  const gsize n = reformer_label_form_get_n (form, B, T);
  gint32 *labels = g_new (gint32, n);
  g_autofree float *numbers = g_new (float, n);

  test_fill (numbers, n, 9);
  if (form->kind == REFORMER_LABELS_CLASSES)
    test_fill_int (labels, n, form->classes, 3);
  for (gsize i = 0; i < n; i++)
    {
      const gsize token = i / (gsize) form->width;
      const gboolean left_out = i % 7 == 3 || (form->of_tokens && mask != NULL && mask[token] == 0);

      if (form->kind == REFORMER_LABELS_SPANS)
        labels[i] = i == 3 ? T : (gint32) (3 + 5 * (i / 2) + 9 * (i % 2)); /* the second answer ends beyond the text */
      else if (form->kind == REFORMER_LABELS_CLASSES)
        labels[i] = left_out ? -100 : labels[i];
      else
        {
          const float number = left_out ? NAN : form->kind == REFORMER_LABELS_SQUARES ? numbers[i] : (float) (numbers[i] > 0);

          memcpy (&labels[i], &number, sizeof number);
        }
    }
  return labels;
}

static ReformerTensor *
labels_tensor (const ReformerLabelForm *form,
               const gint32            *labels,
               int                      B,
               int                      T)
{
  const gint64 shape[3] = { B, form->of_tokens ? T : form->width, form->width };
  g_autoptr (GBytes) bytes = g_bytes_new (labels, reformer_label_form_get_n (form, B, T) * sizeof *labels);
  g_autoptr (GError) error = NULL;
  ReformerTensor *tensor = reformer_tensor_new_from_bytes (device, reformer_label_form_get_dtype (form), shape, form->of_tokens ? 3 : 2, bytes, &error);

  g_assert_no_error (error);
  return tensor;
}

/* A batch for a model. */
typedef struct
{
  ReformerLabelForm  form;
  int                B, T;
  gint32            *ids, *mask, *labels;
  ReformerTensor    *tokens, *kept, *targets;
} Batch;

static void
batch_clear (Batch *batch)
{
  g_clear_pointer (&batch->ids, g_free);
  g_clear_pointer (&batch->mask, g_free);
  g_clear_pointer (&batch->labels, g_free);
  g_clear_object (&batch->tokens);
  g_clear_object (&batch->kept);
  g_clear_object (&batch->targets);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, batch_clear)

/* The ends of rows are masked, where there is to be a mask, and hold `other`. */
static void
batch_init (Batch         *batch,
            ReformerModel *model,
            int            B,
            int            T,
            gboolean       masked,
            gint32         other)
{
  const gsize n = (gsize) B * (gsize) T;

  *batch = (Batch) { .B = B, .T = T, .ids = g_new (gint32, n), .mask = masked ? g_new (gint32, n) : NULL };
  test_fill_int (batch->ids, n, 39, 5);
  for (gsize i = 0; i < n; i++)
    {
      const gboolean keep = !masked || i % (gsize) T < (gsize) T - 9 - i / (gsize) T;

      batch->ids[i] = keep ? batch->ids[i] + 1 : other;
      if (masked)
        batch->mask[i] = keep;
    }
  reformer_model_get_label_form (model, &batch->form);
  batch->labels = make_labels (&batch->form, B, T, batch->mask);
  batch->tokens = test_tensor_int (device, batch->ids, 2, B, T);
  batch->kept = masked ? test_tensor_int (device, batch->mask, 2, B, T) : NULL;
  batch->targets = labels_tensor (&batch->form, batch->labels, B, T);
}

static double
gradients (ReformerModel *model,
           Batch         *batch)
{
  g_autoptr (GError) error = NULL;
  double loss;

  reformer_model_set_sequence (model, 11);
  loss = reformer_model_compute_gradients (model, batch->tokens, batch->kept, batch->targets, &error);
  g_assert_no_error (error);
  return loss;
}

static double
loss_of (ReformerModel *model,
         Batch         *batch)
{
  g_autoptr (GError) error = NULL;
  const double loss = reformer_model_compute_loss (model, batch->tokens, batch->kept, batch->targets, &error);

  g_assert_no_error (error);
  return loss;
}

static gboolean
same_bits (GArray *a,
           GArray *b)
{
  return a->len == b->len && memcmp (a->data, b->data, a->len * sizeof (float)) == 0;
}

/* ---- Losses by hand, from the outputs ---- */

static double
log_sum (const float  *x,
         int           n,
         int           stride,
         const gint32 *mask)
{
  double sum = 0;

  for (int i = 0; i < n; i++)
    if (mask == NULL || mask[i] != 0)
      sum += exp ((double) x[i * stride]);
  return log (sum);
}

static double
spans_by_hand (const Batch *batch,
               const float *y)
{
  double sums[2] = { 0, 0 }, n[2] = { 0, 0 };

  for (int i = 0; i < 2 * batch->B; i++)
    {
      const float *x = y + (gsize) (i / 2) * (gsize) batch->T * 2 + i % 2;
      const gint32 *mask = batch->mask != NULL ? batch->mask + i / 2 * batch->T : NULL;

      if (batch->labels[i] >= batch->T || (mask != NULL && mask[batch->labels[i]] == 0))
        continue;
      sums[i % 2] += log_sum (x, batch->T, 2, mask) - (double) x[2 * batch->labels[i]];
      n[i % 2]++;
    }
  g_assert_true (n[0] > n[1] && n[1] > 0);
  return (sums[0] / n[0] + sums[1] / n[1]) / 2;
}

static double
loss_by_hand (const Batch *batch,
              const float *y)
{
  const ReformerLabelForm *form = &batch->form;
  const gsize n = reformer_label_form_get_n (form, batch->B, batch->T);
  double sum = 0, weight = 0;

  if (form->kind == REFORMER_LABELS_SPANS)
    return spans_by_hand (batch, y);
  for (gsize i = 0; i < n; i++)
    {
      const gint32 label = batch->labels[i];
      float number;

      memcpy (&number, &label, sizeof number);
      if (form->kind == REFORMER_LABELS_CLASSES && label >= 0)
        {
          const float *x = y + i * (gsize) form->classes;
          const double w = form->weights != NULL ? form->weights[label] : 1;

          sum += w * (log_sum (x, form->classes, 1, NULL) - (double) x[label]);
          weight += w;
        }
      else if (form->kind != REFORMER_LABELS_CLASSES && !isnan (number))
        {
          const double x = (double) y[i], wanted = (double) number;

          sum += form->kind == REFORMER_LABELS_SQUARES ? (x - wanted) * (x - wanted) : -wanted * log (1 / (1 + exp (-x))) - (1 - wanted) * log (1 - 1 / (1 + exp (-x)));
          weight++;
        }
    }
  g_assert_cmpfloat (weight, >, 0);
  return sum / weight;
}

static void
test_losses (gconstpointer data)
{
  const ReformerHead head = *(const ReformerHead *) data;

  for (int masked = 0; masked < 2; masked++)
    {
      g_autoptr (ReformerModel) model = new_model (head, "local,lsh", 0);
      g_autoptr (ReformerTensor) output = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree gint64 *shape = NULL;
      g_autofree float *y = NULL;
      g_auto (Batch) batch = { 0 };
      gsize n_dims;
      double want, loss;

      /* 43: padded inside */
      batch_init (&batch, model, 3, masked ? LENGTH : 43, masked, 0);
      output = reformer_model_forward (model, batch.tokens, batch.kept, &error);
      g_assert_no_error (error);
      shape = reformer_tensor_get_shape (output, &n_dims);
      g_assert_cmpint (shape[0], ==, 3);
      g_assert_cmpuint (n_dims, ==, batch.form.of_tokens || head == REFORMER_HEAD_SPANS ? 3 : 2);
      g_assert_cmpint (shape[n_dims - 1], ==, batch.form.kind == REFORMER_LABELS_CLASSES ? batch.form.classes : batch.form.width);
      if (n_dims == 3)
        g_assert_cmpint (shape[1], ==, batch.T);
      y = test_floats (output);
      want = loss_by_hand (&batch, y);
      loss = loss_of (model, &batch);
      g_assert_cmpfloat (fabs (loss - want), <, 3e-6 * (1 + want));
      g_assert_cmpfloat (gradients (model, &batch), ==, loss);
    }
}

/* Along the gradient the loss grows by its length. */
static void
test_gradients_of (gconstpointer data)
{
  const double step = 2e-3;
  g_autoptr (ReformerModel) model = new_model (*(const ReformerHead *) data, "local", 0);
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (GArray) slopes = NULL;
  g_auto (Batch) batch = { 0 };
  double square = 0, losses[2];

  batch_init (&batch, model, 3, LENGTH, TRUE, 0);
  gradients (model, &batch);
  slopes = test_gradients (model);
  for (guint i = 0; i < slopes->len; i++)
    square += (double) g_array_index (slopes, float, i) * (double) g_array_index (slopes, float, i);
  parameters = reformer_model_list_parameters (model);
  for (int side = 0; side < 2; side++)
    {
      guint at = 0;

      for (guint i = 0; i < parameters->len; i++)
        {
          const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
          g_autofree float *values = test_floats (reformer_parameter_get_value (parameters->pdata[i]));

          /* from one side of the point to the other */
          for (gsize k = 0; k < n; k++)
            values[k] += (float) ((side == 0 ? step : -2 * step) * (double) g_array_index (slopes, float, at + k) / sqrt (square));
          test_set_values (parameters->pdata[i], values, n);
          at += (guint) n;
        }
      losses[side] = loss_of (model, &batch);
    }
  g_test_message ("%.6g along, %.6g wanted", (losses[0] - losses[1]) / (2 * step), sqrt (square));
  g_assert_cmpfloat (square, >, 1e-6);
  g_assert_cmpfloat (fabs ((losses[0] - losses[1]) / (2 * step) - sqrt (square)), <, 5e-3 * sqrt (square));
}

/* ---- To the bit ---- */

/* Changing masked-out tokens changes nothing that anyone looks at. */
static void
test_masked_tokens (gconstpointer data)
{
  const ReformerHead head = *(const ReformerHead *) data;
  g_autoptr (GArray) first = NULL;
  g_autofree float *first_output = NULL;
  double first_loss = 0;

  for (int change = 0; change < 2; change++)
    {
      g_autoptr (ReformerModel) model = new_model (head, "lsh,local", 0);
      g_autoptr (ReformerTensor) output = NULL;
      g_autoptr (GArray) values = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float *y = NULL;
      g_auto (Batch) batch = { 0 };
      gsize n;
      double loss;

      batch_init (&batch, model, 3, LENGTH, TRUE, change ? 17 : 23);
      loss = gradients (model, &batch);
      values = test_gradients (model);
      output = reformer_model_forward (model, batch.tokens, batch.kept, &error);
      g_assert_no_error (error);
      y = test_floats (output);
      n = reformer_tensor_get_n_elements (output);
      if (n % (3 * LENGTH) == 0)
        for (gsize i = 0; i < n; i++)
          if (batch.mask[i / (n / (3 * LENGTH))] == 0)
            y[i] = 0;
      if (change == 0)
        {
          first = g_steal_pointer (&values);
          first_output = g_steal_pointer (&y);
          first_loss = loss;
        }
      else
        {
          assert_same_bits ("outputs of kept tokens", y, first_output, n);
          g_assert_cmpfloat (loss, ==, first_loss);
          g_assert_true (same_bits (first, values));
        }
    }
}

/* Dropout, that of the classifier too, is the same whatever is kept, and the sizes of pieces change no bit. */
static void
test_repeats (gconstpointer data)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_NOTHING, REFORMER_KEEP_NOTHING };
  static const gsize pieces[] = { 0, 0, 1024 };
  const ReformerHead head = *(const ReformerHead *) data;
  const gboolean of_sequences = head == REFORMER_HEAD_CLASSIFICATION || head == REFORMER_HEAD_REGRESSION || head == REFORMER_HEAD_MULTI_LABEL;
  g_autoptr (GArray) first = NULL, rebuilt = NULL;
  double first_loss = 0, most = 0;

  for (guint i = 0; i < G_N_ELEMENTS (keeps); i++)
    {
      g_autoptr (ReformerModel) model = new_model (head, "local,lsh", 0.2);
      g_autoptr (GArray) values = NULL;
      g_auto (Batch) batch = { 0 };
      double loss, worst = 0;

      reformer_stack_set_keep (reformer_model_get_stack (model), keeps[i]);
      model->piece = pieces[i];
      batch_init (&batch, model, of_sequences || !reformer_device_is_wide (device) ? 3 : 17, LENGTH, FALSE, 0); /* 17: more than a piece; long where kernels are simt */
      loss = gradients (model, &batch);
      values = test_gradients (model);
      if (i == 0)
        {
          first_loss = loss;
          first = g_steal_pointer (&values);
          for (guint k = 0; k < first->len; k++)
            most = fmax (most, fabs ((double) g_array_index (first, float, k)));
          g_assert_cmpfloat (fabs (loss_of (model, &batch) - loss), >, 1e-5);
          continue;
        }
      g_assert_cmpfloat (loss, ==, first_loss);
      for (guint k = 0; k < first->len; k++)
        worst = fmax (worst, fabs ((double) g_array_index (first, float, k) - (double) g_array_index (values, float, k)));
      g_assert_cmpfloat (worst, <=, 1e-5 * most);
      if (pieces[i] > 0)
        g_assert_true (same_bits (rebuilt, values));
      else
        rebuilt = g_steal_pointer (&values);
    }
}

static void
test_classifier_dropout (void)
{
  double losses[3];

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (ReformerConfig) config = test_head_config (i < 2 ? REFORMER_HEAD_CLASSIFICATION : REFORMER_HEAD_VALUES, "local");
      g_autoptr (ReformerModel) model = NULL;
      g_auto (Batch) batch = { 0 };

      reformer_config_set_classifier_dropout (config, i == 0 ? 0 : 0.5);
      model = reformer_model_new (device, config);
      batch_init (&batch, model, 3, LENGTH, FALSE, 0);
      losses[i] = gradients (model, &batch) - loss_of (model, &batch);
    }
  g_assert_cmpfloat (losses[0], ==, 0);
  g_assert_cmpfloat (fabs (losses[1]), >, 1e-4);
  g_assert_cmpfloat (losses[2], ==, 0); /* none before values */
}

/* ---- Labels ---- */

static void
refuse (ReformerModel  *model,
        Batch          *batch,
        ReformerTensor *labels,
        int             code,
        const char     *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (isnan (reformer_model_compute_loss (model, batch->tokens, NULL, labels, &error)));
  g_assert_error (error, REFORMER_MODEL_ERROR, code);
  g_assert_cmpstr (error->message, ==, message);
  g_clear_error (&error);
  g_assert_true (isnan (reformer_model_compute_gradients (model, batch->tokens, NULL, labels, &error)));
  g_assert_error (error, REFORMER_MODEL_ERROR, code);
}

/* One label of the batch has another value. */
static void
refuse_value (ReformerHead head,
              gsize        at,
              gint32       integer,
              float        number,
              const char  *message)
{
  g_autoptr (ReformerModel) model = new_model (head, "local", 0);
  g_autoptr (ReformerTensor) labels = NULL;
  g_auto (Batch) batch = { 0 };

  batch_init (&batch, model, 2, 11, FALSE, 0);
  if (reformer_label_form_get_dtype (&batch.form) == REFORMER_DTYPE_FLOAT32)
    memcpy (&batch.labels[at], &number, sizeof number);
  else
    batch.labels[at] = integer;
  labels = labels_tensor (&batch.form, batch.labels, 2, 11);
  refuse (model, &batch, labels, INPUT, message);
}

static void
test_wrong_labels (void)
{
  refuse_value (REFORMER_HEAD_MASKED_LANGUAGE, 12, 40, 0, "labels: 40 at row 1, position 1; wanted 0 to 39, or -100 for no target");
  refuse_value (REFORMER_HEAD_CLASSIFICATION, 1, 3, 0, "labels: 3 at row 1; wanted 0 to 2, or -100 for no target");
  refuse_value (REFORMER_HEAD_TOKENS, 0, -1, 0, "labels: -1 at row 0, position 0; wanted 0 to 2, or -100 for no target");
  refuse_value (REFORMER_HEAD_REGRESSION, 3, 0, INFINITY, "labels: inf at row 1, label 1; wanted a finite number, or NaN for no target");
  refuse_value (REFORMER_HEAD_VALUES, 25, 0, -INFINITY, "labels: -inf at row 1, position 1, label 1; wanted a finite number, or NaN for no target");
  refuse_value (REFORMER_HEAD_MULTI_LABEL, 7, 0, 1.5f, "labels: 1.5 at row 1, label 1; wanted 0 to 1, or NaN for no target");
  refuse_value (REFORMER_HEAD_MULTI_LABEL, 0, 0, 0x1p-149f, "labels: 1.4013e-45 at row 0, label 0, which is how an int32 looks as a float32; wanted float32");
}

static void
test_wrong_shapes (void)
{
  g_autoptr (ReformerTensor) row = test_tensor_int (device, NULL, 1, 2), pairs = test_tensor_int (device, NULL, 2, 2, 2), tokens = test_tensor_int (device, NULL, 2, 2, 11);
  g_autoptr (ReformerTensor) floats = test_tensor (device, NULL, 2, 2, 2), deep = test_tensor (device, NULL, 3, 2, 11, 2);
  const struct
  {
    ReformerHead    head;
    ReformerTensor *labels;
    const char     *message;
  } cases[] = {
    { REFORMER_HEAD_MASKED_LANGUAGE, row, "labels: Tensor int32 [2]; wanted int32 [2, 11]" },
    { REFORMER_HEAD_CLASSIFICATION, tokens, "labels: Tensor int32 [2, 11]; wanted int32 [2]" },
    { REFORMER_HEAD_REGRESSION, pairs, "labels: Tensor int32 [2, 2]; wanted float32 [2, 2]" },
    { REFORMER_HEAD_MULTI_LABEL, floats, "labels: Tensor float32 [2, 2]; wanted float32 [2, 6]" },
    { REFORMER_HEAD_SPANS, row, "labels: Tensor int32 [2]; wanted int32 [2, 2]" },
    { REFORMER_HEAD_TOKENS, deep, "labels: Tensor float32 [2, 11, 2]; wanted int32 [2, 11]" },
    { REFORMER_HEAD_VALUES, floats, "labels: Tensor float32 [2, 2]; wanted float32 [2, 11, 2]" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerModel) model = new_model (cases[i].head, "local", 0);
      g_auto (Batch) batch = { 0 };

      batch_init (&batch, model, 2, 11, FALSE, 0);
      refuse (model, &batch, cases[i].labels, SHAPE, cases[i].message);
    }
}

static void
test_no_target (void)
{
  static const char *const wanted[] = { "at least one that is not -100", "at least one that is not -100", "at least one that is not NaN", "at least one that is not NaN",
                                        "at least one position in the text that is not masked", "at least one that is not -100", "at least one that is not NaN" };

  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      g_autoptr (ReformerModel) model = new_model (heads[i], "local", 0);
      g_autoptr (ReformerTensor) labels = NULL;
      g_autofree char *message = g_strdup_printf ("labels: no target among 2 rows of 11; wanted %s", wanted[i]);
      g_auto (Batch) batch = { 0 };

      batch_init (&batch, model, 2, 11, FALSE, 0);
      reformer_label_form_fill (&batch.form, batch.labels, reformer_label_form_get_n (&batch.form, 2, 11));
      labels = labels_tensor (&batch.form, batch.labels, 2, 11);
      refuse (model, &batch, labels, INPUT, message);
    }
}

/* Positions are clamped to [0, T]; T, a masked one and -100 are no targets. */
static void
test_spans (void)
{
  static const struct
  {
    gint32 given[2], same[2];
  } cases[] = {
    { { -3, 5 }, { 0, 5 } }, { { 4, 11 }, { 4, -100 } }, { { 4, 400 }, { 4, -100 } }, { { G_MININT32, G_MAXINT32 }, { 0, -100 } }, { { 9, 3 }, { -100, 3 } },
  };
  g_autoptr (ReformerModel) model = new_model (REFORMER_HEAD_SPANS, "local", 0);
  g_auto (Batch) batch = { 0 };

  batch_init (&batch, model, 1, 11, FALSE, 0);
  batch.mask = g_new (gint32, 11);
  for (int t = 0; t < 11; t++)
    batch.mask[t] = t < 9;
  batch.kept = test_tensor_int (device, batch.mask, 2, 1, 11);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      double losses[2];

      for (int side = 0; side < 2; side++)
        {
          g_clear_object (&batch.targets);
          batch.targets = test_tensor_int (device, side == 0 ? cases[i].given : cases[i].same, 2, 1, 2);
          losses[side] = loss_of (model, &batch);
        }
      g_assert_cmpfloat (losses[0], ==, losses[1]);
    }
}

/* A last dimension of 1 may be left out. */
static void
test_one_label (void)
{
  g_autoptr (ReformerConfig) config = test_head_config (REFORMER_HEAD_REGRESSION, "local");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) flat = NULL;
  g_auto (Batch) batch = { 0 };
  double loss;

  reformer_config_set_num_labels (config, 1);
  model = reformer_model_new (device, config);
  batch_init (&batch, model, 3, LENGTH, FALSE, 0);
  loss = loss_of (model, &batch);
  flat = reformer_tensor_reshape (batch.targets, (const gint64[]) { 3 }, 1, NULL);
  g_set_object (&batch.targets, flat);
  g_assert_cmpfloat (loss_of (model, &batch), ==, loss);
}

/* ---- Files ---- */

static void
test_saved (void)
{
  static const char *const names[] = { "lm_head.decoder.weight", "classifier.dense.weight", "classifier.out_proj.bias", "classifier.out_proj.weight", "qa_outputs.weight",
                                       "classifier.weight", "value_outputs.bias" };

  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      g_autoptr (ReformerModel) model = new_model (heads[i], "local,lsh", 0), again = NULL;
      g_autofree char *path = g_dir_make_tmp ("heads-XXXXXX", NULL), *weights = g_build_filename (path, "model.safetensors", NULL), *config = g_build_filename (path, "config.json", NULL);
      g_autoptr (GFile) folder = g_file_new_for_path (path);
      g_autoptr (GError) error = NULL;
      g_auto (Batch) batch = { 0 };
      gsize n;

      batch_init (&batch, model, 2, 32, FALSE, 0);
      reformer_model_save (model, folder, NULL, &error);
      g_assert_no_error (error);
      g_assert_nonnull (test_model_parameter (model, names[i]));
      again = reformer_model_load (device, folder, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpint (reformer_model_get_head (again), ==, heads[i]);
      {
        g_autofree double *saved = reformer_config_get_class_weights (reformer_model_get_config (again), &n);

        g_assert_cmpuint (n, ==, batch.form.weights != NULL ? 3 : 0);
        g_assert_true (n == 0 || (saved[0] == 0.5 && saved[1] == 3 && saved[2] == 1.25));
      }
      g_assert_cmpfloat (loss_of (again, &batch), ==, loss_of (model, &batch));
      g_remove (weights);
      g_remove (config);
      g_rmdir (path);
    }
}

/* A language model's layers under another head, which starts as it would. */
static void
test_body (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) language = reformer_model_new (device, config), other = NULL, fresh = NULL;
  g_autofree char *path = g_dir_make_tmp ("heads-XXXXXX", NULL), *weights = g_build_filename (path, "model.safetensors", NULL), *json = g_build_filename (path, "config.json", NULL);
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (GError) error = NULL;

  reformer_model_set_seed (language, 5);
  reformer_model_save (language, folder, NULL, &error);
  g_assert_no_error (error);
  g_object_set (config, "is-decoder", FALSE, "head", REFORMER_HEAD_CLASSIFICATION, NULL);
  other = reformer_model_new (device, config);
  fresh = reformer_model_new (device, config);
  reformer_model_prepare (fresh, &error);
  g_assert_no_error (error);
  g_assert_false (reformer_model_load_weights (other, folder, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "classifier.dense.weight is missing"));
  g_clear_error (&error);
  reformer_model_load_body (other, folder, NULL, &error);
  g_assert_no_error (error);
  parameters = reformer_model_list_parameters (other);
  for (guint i = 0; i < parameters->len; i++)
    {
      const char *name = reformer_parameter_get_name (parameters->pdata[i]);
      const gboolean head = g_str_has_prefix (name, "classifier.");
      g_autofree float *got = test_floats (reformer_parameter_get_value (parameters->pdata[i]));
      g_autofree float *want = test_floats (reformer_parameter_get_value (test_model_parameter (head ? fresh : language, name)));

      assert_same_bits (name, got, want, reformer_parameter_get_n_elements (parameters->pdata[i]));
    }
  reformer_config_set_feed_forward_size (config, 48);
  g_clear_object (&other);
  other = reformer_model_new (device, config);
  g_assert_false (reformer_model_load_body (other, folder, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH);
  g_remove (weights);
  g_remove (json);
  g_rmdir (path);
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
      test_add_head ("heads", "losses", test_losses, &heads[i]);
      test_add_head ("heads", "gradients", test_gradients_of, &heads[i]);
      test_add_head ("heads", "masked-tokens-change-no-bit", test_masked_tokens, &heads[i]);
      test_add_head ("heads", "repeats", test_repeats, &heads[i]);
    }
  g_test_add_func ("/heads/classifier-dropout", test_classifier_dropout);
  g_test_add_func ("/heads/wrong-labels", test_wrong_labels);
  g_test_add_func ("/heads/wrong-shapes", test_wrong_shapes);
  g_test_add_func ("/heads/no-target", test_no_target);
  g_test_add_func ("/heads/spans-are-clamped", test_spans);
  g_test_add_func ("/heads/one-label", test_one_label);
  g_test_add_func ("/heads/saved", test_saved);
  g_test_add_func ("/heads/body", test_body);
  status = test_run ();
  g_object_unref (device);
  return status;
}
