/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/metrics.h"

#include <math.h>

#include <libreformer/compute/reformer-device-error.h>

#include "compute/launch.h"
#include "compute/tensor-private.h"

/* Which metrics fit which head, and what of a pass they are fed with. */

gboolean
reformer_metrics_has_bits (ReformerHead head)
{
  return head == REFORMER_HEAD_LANGUAGE || head == REFORMER_HEAD_MASKED_LANGUAGE;
}

gboolean
reformer_metrics_start (ReformerMetrics    *self,
                        ReformerModel      *model,
                        ReformerTokenizer  *tokenizer,
                        GError            **error)
{
  gboolean started = TRUE;

  reformer_metrics_clear (self);
  self->head = reformer_model_get_head (model);
  reformer_model_get_label_form (model, &self->form);
  self->tokenizer = tokenizer;
  self->bytes = tokenizer != NULL && self->form.shifted ? 0 : -1;
  if (self->form.kind == REFORMER_LABELS_CLASSES)
    started = reformer_class_counts_start (&self->classes, reformer_metrics_has_bits (self->head) ? 0 : (gsize) self->form.classes);
  else if (self->form.kind == REFORMER_LABELS_LOGISTIC)
    started = reformer_label_counts_start (&self->labels, (gsize) self->form.width);
  if (!started)
    g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for the metrics of %d labels", MAX (self->form.classes, self->form.width));
  return started;
}

void
reformer_metrics_clear (ReformerMetrics *self)
{
  reformer_class_counts_clear (&self->classes);
  reformer_label_counts_clear (&self->labels);
  *self = (ReformerMetrics) REFORMER_METRICS_INIT;
}

/* ---- What a pass saw ---- */

/* The elements of a tensor. */
static gpointer
read_elements (ReformerRun    *run,
               ReformerTensor *tensor,
               gsize           size)
{
  const gsize n = reformer_tensor_get_n_elements (tensor);
  gpointer values = g_try_malloc_n (n, size);

  if (values == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for the metrics of %" G_GSIZE_FORMAT " outputs", n);
  else
    reformer_run_read (run, reformer_span (tensor), values, n);
  return values;
}

static void
add_spans (ReformerMetrics *self,
           const float     *outputs,
           const guint8    *mask,
           const gint32    *labels,
           gsize            rows,
           gsize            length)
{
  for (gsize b = 0; b < rows; b++)
    reformer_span_counts_add (&self->spans, outputs + 2 * b * length, mask != NULL ? mask + b * length : NULL, length, labels[2 * b], labels[2 * b + 1]);
}

gboolean
reformer_metrics_add (ReformerMetrics     *self,
                      ReformerModelSight  *sight,
                      GError             **error)
{
  const gsize width = (gsize) self->form.width, n = reformer_tensor_get_n_elements (sight->labels) / width;
  ReformerRun run = REFORMER_RUN_INIT (reformer_tensor_get_device (sight->labels), NULL);
  g_autofree gint32 *outputs = read_elements (&run, sight->outputs, sizeof (gint32)); /* or float */
  g_autofree gint32 *labels = read_elements (&run, sight->labels, sizeof (gint32));   /* or float */
  g_autofree guint8 *mask = self->form.kind == REFORMER_LABELS_SPANS && sight->mask != NULL ? read_elements (&run, sight->mask, sizeof (guint8)) : NULL;
  const float *said = (const float *) outputs, *wanted = (const float *) labels;

  if (!reformer_run_finish (&run, error))
    return FALSE;
  switch (self->form.kind)
    {
    case REFORMER_LABELS_CLASSES:
      for (gsize i = 0; i < n; i++)
        reformer_class_counts_add (&self->classes, outputs[i], labels[i]);
      break;
    case REFORMER_LABELS_SQUARES:
      for (gsize i = 0; i < n * width; i++)
        reformer_value_sums_add (&self->values, (double) said[i], (double) wanted[i]);
      break;
    case REFORMER_LABELS_LOGISTIC:
      for (gsize i = 0; i < n; i++)
        reformer_label_counts_add (&self->labels, said + i * width, wanted + i * width);
      break;
    case REFORMER_LABELS_SPANS:
    default:
      add_spans (self, said, mask, labels, n, reformer_tensor_get_n_elements (sight->outputs) / 2 / n);
    }
  return TRUE;
}

void
reformer_metrics_add_text (ReformerMetrics *self,
                           const gint32    *tokens,
                           const gint32    *labels,
                           gsize            n)
{
  const gint64 bytes = self->bytes >= 0 ? reformer_metrics_count_bytes (self->tokenizer, tokens, labels, n) : -1;

  self->bytes = bytes >= 0 ? self->bytes + bytes : -1;
}

/* ---- The end ---- */

void
reformer_metrics_get_values (const ReformerMetrics *self,
                             double                 loss,
                             gint64                 targets,
                             ReformerMetricValues  *values)
{
  const double nothing = (double) NAN;

  *values = (ReformerMetricValues) { nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing };
  if (reformer_metrics_has_bits (self->head))
    {
      values->bits = loss / G_LN2;
      values->perplexity = exp (loss);
    }
  if (self->bytes > 0)
    values->bits_per_byte = loss / G_LN2 * (double) targets / (double) self->bytes;
  switch (self->form.kind)
    {
    case REFORMER_LABELS_CLASSES:
      values->accuracy = reformer_class_counts_accuracy (&self->classes);
      values->macro_f1 = reformer_class_counts_macro_f1 (&self->classes);
      values->matthews = reformer_class_counts_matthews (&self->classes);
      break;
    case REFORMER_LABELS_SQUARES:
      values->mean_squared_error = reformer_value_sums_mean_square (&self->values);
      values->mean_absolute_error = reformer_value_sums_mean_absolute (&self->values);
      break;
    case REFORMER_LABELS_LOGISTIC:
      values->accuracy = reformer_label_counts_accuracy (&self->labels);
      values->macro_f1 = reformer_label_counts_macro_f1 (&self->labels);
      values->exact_match = reformer_label_counts_exact_match (&self->labels);
      break;
    case REFORMER_LABELS_SPANS:
    default:
      values->exact_match = reformer_span_counts_exact_match (&self->spans);
    }
}
