/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/config-private.h"
#include "models/model-private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "compute/device-private.h"

/* Labels: what each head wants, and how many targets are among them. Every label is looked at before a kernel sees it. */

void
reformer_targets_add (ReformerTargets       *self,
                      const ReformerTargets *more)
{
  self->count += more->count;
  for (int i = 0; i < 2; i++)
    self->weight[i] += more->weight[i];
}

double
reformer_targets_slope (const ReformerTargets *self,
                        int                    part)
{
  const int parts = (self->weight[0] > 0) + (self->weight[1] > 0);

  return self->weight[part] > 0 ? 1.0 / (self->weight[part] * parts) : 0.0;
}

double
reformer_targets_mean (const ReformerTargets *self,
                       const double           sums[2])
{
  const int parts = (self->weight[0] > 0) + (self->weight[1] > 0);
  double mean = 0;

  for (int i = 0; i < 2; i++)
    if (self->weight[i] > 0)
      mean += sums[i] / self->weight[i];
  return parts > 0 ? mean / parts : (double) NAN;
}

void
reformer_model_get_label_form (ReformerModel     *self,
                               ReformerLabelForm *form)
{
  const ReformerHead head = reformer_config_get_head (self->config);
  const int n_labels = reformer_config_get_num_labels (self->config);

  *form = (ReformerLabelForm) { REFORMER_LABELS_CLASSES, TRUE, FALSE, 1, n_labels, NULL };
  switch (head)
    {
    case REFORMER_HEAD_LANGUAGE:
    case REFORMER_HEAD_MASKED_LANGUAGE:
      form->shifted = head == REFORMER_HEAD_LANGUAGE;
      form->classes = reformer_config_get_vocab_size (self->config);
      break;
    case REFORMER_HEAD_CLASSIFICATION:
    case REFORMER_HEAD_TOKENS:
      form->of_tokens = head == REFORMER_HEAD_TOKENS;
      form->weights = self->config->class_weights.values;
      break;
    case REFORMER_HEAD_SPANS:
      *form = (ReformerLabelForm) { REFORMER_LABELS_SPANS, FALSE, FALSE, 2, 0, NULL };
      break;
    case REFORMER_HEAD_REGRESSION:
    case REFORMER_HEAD_VALUES:
      *form = (ReformerLabelForm) { REFORMER_LABELS_SQUARES, head == REFORMER_HEAD_VALUES, FALSE, n_labels, 0, NULL };
      break;
    case REFORMER_HEAD_MULTI_LABEL:
      *form = (ReformerLabelForm) { REFORMER_LABELS_LOGISTIC, FALSE, FALSE, n_labels, 0, NULL };
      break;
    case REFORMER_HEAD_NONE:
    default:
      break;
    }
}

gsize
reformer_label_form_get_n (const ReformerLabelForm *form,
                           int                      rows,
                           int                      length)
{
  return (gsize) rows * (form->of_tokens ? (gsize) length : 1) * (gsize) form->width;
}

static gboolean
holds_floats (const ReformerLabelForm *form)
{
  return form->kind == REFORMER_LABELS_SQUARES || form->kind == REFORMER_LABELS_LOGISTIC;
}

ReformerDType
reformer_label_form_get_dtype (const ReformerLabelForm *form)
{
  return holds_floats (form) ? REFORMER_DTYPE_FLOAT32 : REFORMER_DTYPE_INT32;
}

const char *
reformer_label_form_get_type (const ReformerLabelForm *form)
{
  return holds_floats (form) ? "float32" : "int32";
}

void
reformer_label_form_fill (const ReformerLabelForm *form,
                          gpointer                 labels,
                          gsize                    n)
{
  for (gsize i = 0; i < n; i++)
    if (holds_floats (form))
      ((float *) labels)[i] = NAN;
    else
      ((gint32 *) labels)[i] = REFORMER_NO_TARGET;
}

/* ---- Checking and counting ---- */

/* "row 1, position 3, label 2" */
static char *
place_of (const ReformerLabelForm *form,
          gsize                    i,
          int                      length)
{
  const gsize token = i / (gsize) form->width, row = form->of_tokens ? token / (gsize) length : token;
  g_autoptr (GString) place = g_string_new (NULL);

  g_string_append_printf (place, "row %" G_GSIZE_FORMAT, (gsize) form->first + row);
  if (form->of_tokens)
    g_string_append_printf (place, ", position %" G_GSIZE_FORMAT, token % (gsize) length);
  if (form->width > 1)
    g_string_append_printf (place, ", label %" G_GSIZE_FORMAT, i % (gsize) form->width);
  return g_string_free (g_steal_pointer (&place), FALSE);
}

static gboolean
count_classes (const ReformerLabelForm  *form,
               const gint32             *labels,
               gsize                     n,
               int                       length,
               ReformerTargets          *targets,
               GError                  **error)
{
  for (gsize i = 0; i < n; i++)
    {
      const gint32 label = labels[i];
      double weight;

      if ((form->shifted && i % (gsize) length == 0) || label == REFORMER_NO_TARGET)
        continue;
      if (label < 0 || label >= form->classes)
        {
          g_autofree char *place = place_of (form, i, length);

          g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "labels: %d at %s; wanted 0 to %d, or -100 for no target", label, place, form->classes - 1);
          return FALSE;
        }
      weight = form->weights != NULL ? form->weights[label] : 1;
      targets->count += weight > 0;
      targets->weight[0] += weight;
    }
  return TRUE;
}

static gboolean
count_numbers (const ReformerLabelForm  *form,
               const float              *labels,
               gsize                     n,
               int                       length,
               ReformerTargets          *targets,
               GError                  **error)
{
  for (gsize i = 0; i < n; i++)
    {
      const float label = labels[i];

      if (isnan (label))
        continue;
      /* what an integer other than 0 looks like as float32 */
      if (label != 0 && fabsf (label) < FLT_MIN)
        {
          g_autofree char *place = place_of (form, i, length);

          g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "labels: %g at %s, which is how an int32 looks as a float32; wanted float32", (double) label, place);
          return FALSE;
        }
      if (isinf (label) || (form->kind == REFORMER_LABELS_LOGISTIC && (label < 0 || label > 1)))
        {
          g_autofree char *place = place_of (form, i, length);

          g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "labels: %g at %s; wanted %s, or NaN for no target", (double) label, place,
                       form->kind == REFORMER_LABELS_LOGISTIC ? "0 to 1" : "a finite number");
          return FALSE;
        }
      targets->count++;
      targets->weight[0]++;
    }
  return TRUE;
}

gboolean
reformer_label_form_count (const ReformerLabelForm  *form,
                           gconstpointer             labels,
                           int                       rows,
                           int                       length,
                           ReformerTargets          *targets,
                           GError                  **error)
{
  const gsize n = reformer_label_form_get_n (form, rows, length);

  if (holds_floats (form))
    return count_numbers (form, labels, n, length, targets, error);
  if (form->kind == REFORMER_LABELS_CLASSES)
    return count_classes (form, labels, n, length, targets, error);
  for (gsize i = 0; i < n; i++)
    if (((const gint32 *) labels)[i] >= 0)
      {
        targets->count++;
        targets->weight[i % 2]++;
      }
  return TRUE;
}

void
reformer_label_form_clamp_spans (gint32       *labels,
                                 const guint8 *mask,
                                 int           rows,
                                 int           length,
                                 int           stride)
{
  for (int b = 0; b < rows; b++)
    for (int side = 0; side < 2; side++)
      {
        gint32 *label = labels + 2 * (gsize) b + side;

        if (*label == REFORMER_NO_TARGET)
          continue;
        *label = MAX (*label, 0);
        if (*label >= length || (mask != NULL && mask[(gsize) b * (gsize) stride + (gsize) *label] == 0))
          *label = REFORMER_NO_TARGET;
      }
}

/* ---- From a caller to the device ---- */

/* A last dimension of 1 may be left out. */
static gboolean
check_labels (ReformerModel           *self,
              ReformerRun             *run,
              const ReformerLabelForm *form,
              ReformerTensor          *labels,
              ReformerInput           *input)
{
  gsize n_dims, n = 0;
  g_autofree gint64 *shape = reformer_tensor_get_shape (labels, &n_dims);
  const ReformerDType dtype = reformer_label_form_get_dtype (form);
  gint64 wanted[3];
  gboolean fits;

  wanted[n++] = input->B;
  if (form->of_tokens)
    wanted[n++] = input->T0;
  if (form->width > 1 || n_dims > n)
    wanted[n++] = form->width;
  fits = reformer_tensor_get_dtype (labels) == dtype && n_dims == n && memcmp (shape, wanted, n * sizeof *wanted) == 0;
  if (!fits)
    {
      g_autofree char *seen = reformer_tensor_to_string (labels);
      g_autoptr (GString) size = g_string_new (NULL);

      for (gsize i = 0; i < (form->width > 1 ? n : 1 + (gsize) form->of_tokens); i++)
        g_string_append_printf (size, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", wanted[i]);
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "labels: %s; wanted %s [%s]", seen, reformer_label_form_get_type (form), size->str);
      return FALSE;
    }
  return reformer_input_check_device (self, run, "labels", labels);
}

/* As the kernels want them: those of tokens are padded like the tokens, and stand where they are predicted. Values NULL: for a planner, which looks at none. */
static void
upload (ReformerRun             *run,
        const ReformerLabelForm *form,
        const gint32            *values,
        ReformerInput           *input)
{
  const gsize n = reformer_label_form_get_n (form, input->B, input->T), from = reformer_label_form_get_n (form, 1, input->T0), to = reformer_label_form_get_n (form, 1, input->T);
  const gsize shift = form->shifted ? (gsize) form->width : 0;
  g_autofree gint32 *padded = NULL;

  if (values != NULL && (from != to || shift > 0))
    {
      padded = reformer_input_host_array (run, n);
      for (int b = 0; padded != NULL && b < input->B; b++)
        {
          memcpy (padded + (gsize) b * to, values + (gsize) b * from + shift, (from - shift) * sizeof *padded);
          reformer_label_form_fill (form, padded + (gsize) b * to + from - shift, to - from + shift);
        }
      values = padded;
    }
  input->labels = reformer_run_new (run, reformer_label_form_get_dtype (form), 1, (gint64) n);
  if (input->labels != NULL)
    reformer_run_write (run, reformer_span (input->labels), values, n);
}

static void
upload_weights (ReformerRun             *run,
                const ReformerLabelForm *form,
                ReformerInput           *input)
{
  g_autofree float *weights = NULL;

  if (form->weights == NULL)
    return;
  weights = g_new (float, form->classes);
  for (int i = 0; i < form->classes; i++)
    weights[i] = (float) form->weights[i];
  input->weights = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) form->classes);
  if (input->weights != NULL)
    reformer_run_write (run, reformer_span (input->weights), weights, form->classes);
}

const char *
reformer_label_form_get_wanted (const ReformerLabelForm *form)
{
  if (form->shifted)
    return "at least one after a row's first position";
  if (form->kind == REFORMER_LABELS_SPANS)
    return "at least one position in the text that is not masked";
  return holds_floats (form) ? "at least one that is not NaN" : "at least one that is not -100";
}

void
reformer_model_read_labels (ReformerModel  *self,
                            ReformerRun    *run,
                            ReformerTensor *labels,
                            ReformerInput  *input)
{
  const gsize n_tokens = (gsize) input->B * (gsize) input->T;
  const gboolean planner = reformer_device_is_planner (self->device);
  ReformerLabelForm form;
  g_autofree gint32 *values = NULL;
  g_autofree guint8 *mask = NULL;
  GError *problem = NULL;

  reformer_model_get_label_form (self, &form);
  form.first = input->first;
  if (!check_labels (self, run, &form, labels, input))
    return;
  if (planner)
    {
      input->targets.count = reformer_label_form_get_n (&form, input->B, input->T0 - form.shifted);
      input->targets.weight[0] = (double) input->targets.count;
      upload (run, &form, NULL, input);
      upload_weights (run, &form, input);
      return;
    }
  values = reformer_input_host_array (run, reformer_tensor_get_n_elements (labels));
  if (values == NULL)
    return;
  reformer_run_read (run, reformer_span (labels), values, reformer_tensor_get_n_elements (labels));
  if (form.kind == REFORMER_LABELS_SPANS)
    {
      mask = input->mask != NULL ? g_malloc (n_tokens) : NULL;
      if (mask != NULL)
        reformer_run_read (run, reformer_span (input->mask), mask, n_tokens);
      if (reformer_run_ok (run))
        reformer_label_form_clamp_spans (values, mask, input->B, input->T0, input->T);
    }
  if (reformer_run_ok (run) && !reformer_label_form_count (&form, values, input->B, input->T0, &input->targets, &problem))
    reformer_run_take (run, problem);
  else if (input->targets.count == 0 && input->total.count == 0)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "labels: no target among %d rows of %d; wanted %s", input->B, input->T0, reformer_label_form_get_wanted (&form));
  if (reformer_run_ok (run))
    upload (run, &form, values, input);
  if (reformer_run_ok (run))
    upload_weights (run, &form, input);
}

ReformerTensor *
reformer_model_new_labels (ReformerModel   *self,
                           ReformerTensor  *tokens,
                           GError         **error)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tokens, &n_dims);
  gint64 size[3];
  gsize n = 0;
  ReformerLabelForm form;

  reformer_model_get_label_form (self, &form);
  if (self->projection == NULL && (form.shifted || reformer_config_get_head (self->config) == REFORMER_HEAD_NONE))
    return g_object_ref (tokens);
  size[n++] = shape[0];
  if (form.of_tokens)
    size[n++] = shape[1];
  size[n++] = form.width;
  return reformer_tensor_new (reformer_tensor_get_device (tokens), reformer_label_form_get_dtype (&form), size, form.width > 1 ? n : n - 1, error);
}
