/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/batch.h"

#include <string.h>

#include "compute/launch.h"
#include "compute/tensor-private.h"
#include "models/model-private.h"
#include <libreformer/compute/reformer-device-error.h>
#include <libreformer/training/reformer-trainer-error.h>

void
reformer_batch_clear (ReformerBatch *batch)
{
  g_clear_pointer (&batch->tokens, g_free);
  g_clear_pointer (&batch->values, g_free);
  g_clear_pointer (&batch->labels, g_free);
  g_clear_pointer (&batch->mask, g_free);
  g_clear_pointer (&batch->lengths, g_free);
  *batch = (ReformerBatch) REFORMER_BATCH_INIT;
}

static void
empty (ReformerBatch *batch)
{
  batch->rows = 0;
  batch->targets = (ReformerTargets) { 0 };
  batch->n_tokens = 0;
}

gboolean
reformer_batch_start (ReformerBatch  *batch,
                      ReformerModel  *model,
                      int             capacity,
                      int             length,
                      GError        **error)
{
  const gsize n = (gsize) capacity * (gsize) length; /* of two int: fits */
  const int features = reformer_config_get_input_features (model->config);
  ReformerLabelForm form;

  reformer_model_get_label_form (model, &form);
  if (batch->labels == NULL || batch->features != features || batch->capacity != capacity || batch->length != length)
    {
      reformer_batch_clear (batch);
      if (features > 0)
        batch->values = n <= G_MAXSIZE / sizeof (float) / (gsize) features ? g_try_new (float, n * (gsize) features) : NULL;
      else
        batch->tokens = g_try_new (gint32, n);
      batch->labels = g_try_new (gint32, reformer_label_form_get_n (&form, capacity, length));
      batch->mask = g_try_new (guint8, n);
      batch->lengths = g_try_new (gint32, (gsize) capacity);
      if ((batch->tokens == NULL && batch->values == NULL) || batch->labels == NULL || batch->mask == NULL || batch->lengths == NULL)
        {
          reformer_batch_clear (batch);
          g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for %d rows of %d tokens", capacity, length);
          return FALSE;
        }
      batch->capacity = capacity;
      batch->length = length;
      batch->features = features;
    }
  batch->form = form;
  batch->masked = reformer_config_get_head (model->config) == REFORMER_HEAD_MASKED_LANGUAGE && features == 0;
  batch->pad = CLAMP (reformer_config_get_pad_token_id (model->config), 0, reformer_config_get_vocab_size (model->config) - 1);
  empty (batch);
  return TRUE;
}

/* Ids or vectors of a sample, in the row that is next, and what it is padded with. */
static gboolean
add_tokens (ReformerBatch   *batch,
            ReformerSample  *sample,
            gsize            n,
            GError         **error)
{
  const gsize length = (gsize) batch->length, at = (gsize) batch->rows * length, width = (gsize) batch->features;
  const int features = reformer_sample_get_features (sample);
  GBytes *values = reformer_sample_get_values (sample);

  if (values != NULL ? features != batch->features : batch->features > 0)
    {
      g_autofree char *seen = values != NULL ? g_strdup_printf ("vectors of %d numbers", features) : g_strdup ("ids");
      g_autofree char *wanted = batch->features > 0 ? g_strdup_printf ("vectors of %d numbers", batch->features) : g_strdup ("ids");

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "it has %s; wanted %s, for the model's input_features is %d", seen, wanted, batch->features);
      return FALSE;
    }
  if (values != NULL)
    {
      memcpy (batch->values + at * width, g_bytes_get_data (values, NULL), n * width * sizeof (float));
      memset (batch->values + (at + n) * width, 0, (length - n) * width * sizeof (float));
      return TRUE;
    }
  memcpy (batch->tokens + at, g_bytes_get_data (reformer_sample_get_tokens (sample), NULL), n * sizeof (gint32));
  for (gsize i = n; i < length; i++)
    batch->tokens[at + i] = batch->pad;
  return TRUE;
}

/* Stricter than a model, which clamps as transformers does: a place that the text does not have is a mistake in the data. */
static gboolean
check_spans (const gint32  *labels,
             gsize          n,
             GError       **error)
{
  static const char *const sides[] = { "begins", "ends" };

  for (int side = 0; side < 2; side++)
    if (labels[side] != REFORMER_NO_TARGET && (labels[side] < 0 || (gsize) labels[side] > n))
      {
        g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "its span %s at token %d of %" G_GSIZE_FORMAT "; wanted 0 to %" G_GSIZE_FORMAT ", or %" G_GSIZE_FORMAT
                     " or -100 for no target", sides[side], labels[side], n, n - 1, n);
        return FALSE;
      }
  if (labels[0] >= 0 && labels[1] >= 0 && labels[0] > labels[1])
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "its span begins at token %d and ends at token %d; wanted an end that is not before the beginning", labels[0],
                   labels[1]);
      return FALSE;
    }
  return TRUE;
}

/* The labels of a sample of n ids, in the row that is next, and how many targets are among them. */
static gboolean
add_labels (ReformerBatch    *batch,
            ReformerSample   *sample,
            gsize             n,
            ReformerTargets  *targets,
            GError          **error)
{
  const ReformerLabelForm *form = &batch->form;
  GBytes *given = reformer_sample_get_labels (sample);
  const gsize n_labels = reformer_label_form_get_n (form, 1, (int) n), room = reformer_label_form_get_n (form, 1, batch->length);
  gint32 *labels = batch->labels + (gsize) batch->rows * room;
  const guint8 *mask = batch->mask + (gsize) batch->rows * (gsize) batch->length;
  const gsize at = (gsize) batch->rows * (gsize) batch->length;

  if (given == NULL && form->shifted && batch->tokens != NULL)
    for (gsize i = 0; i < n; i++)
      labels[i] = mask[i] != 0 ? batch->tokens[at + i] : REFORMER_NO_TARGET;
  else if (given == NULL || g_bytes_get_size (given) != n_labels * sizeof *labels)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "it has %" G_GSIZE_FORMAT " bytes of labels; wanted %" G_GSIZE_FORMAT " (%s, %d for %s of %" G_GSIZE_FORMAT
                   " %s)%s", given != NULL ? g_bytes_get_size (given) : 0, n_labels * sizeof *labels, reformer_label_form_get_type (form), form->width,
                   form->of_tokens ? "each" : "the whole", n, batch->tokens != NULL ? "ids" : "vectors",
                   given == NULL && batch->masked ? ", as a MaskedDataset before this one makes them" : "");
      return FALSE;
    }
  else
    memcpy (labels, g_bytes_get_data (given, NULL), n_labels * sizeof *labels);
  if (form->kind == REFORMER_LABELS_SPANS)
    {
      if (!check_spans (labels, n, error))
        return FALSE;
      reformer_label_form_clamp_spans (labels, mask, 1, (int) n, 0);
    }
  if (!reformer_label_form_count (form, labels, 1, (int) n, targets, error))
    return FALSE;
  reformer_label_form_fill (form, labels + n_labels, room - n_labels);
  return TRUE;
}

static gboolean
add (ReformerBatch   *batch,
     ReformerSample  *sample,
     GError         **error)
{
  const gsize n = reformer_sample_get_length (sample);
  const gsize length = (gsize) batch->length, at = (gsize) batch->rows * length;
  guint8 *mask = batch->mask + at;
  ReformerTargets targets = { 0 };
  gint64 kept = 0;

  memset (mask, 0, length);
  memset (mask, 1, n);
  if (reformer_sample_get_mask (sample) != NULL)
    memcpy (mask, g_bytes_get_data (reformer_sample_get_mask (sample), NULL), n);
  if (!add_tokens (batch, sample, n, error) || !add_labels (batch, sample, n, &targets, error))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    kept += mask[i] != 0;
  if (targets.count > 0)
    {
      batch->lengths[batch->rows++] = (gint32) n;
      reformer_targets_add (&batch->targets, &targets);
      batch->n_tokens += kept;
    }
  return TRUE;
}

gboolean
reformer_batch_add (ReformerBatch    *batch,
                    ReformerDataset  *dataset,
                    gint64            index,
                    ReformerSample   *sample,
                    GError          **error)
{
  if (add (batch, sample, error))
    return TRUE;
  g_prefix_error (error, "sample %" G_GINT64_FORMAT " of %s: ", index, G_OBJECT_TYPE_NAME (dataset));
  return FALSE;
}

static gint
compare_lengths (gconstpointer a,
                 gconstpointer b)
{
  const gsize first = reformer_sample_get_length (*(ReformerSample *const *) a), second = reformer_sample_get_length (*(ReformerSample *const *) b);

  return (first > second) - (first < second);
}

void
reformer_batch_sort (ReformerBatch *batch,
                     GPtrArray     *samples)
{
  g_ptr_array_sort (samples, compare_lengths);
  empty (batch);
  for (guint i = 0; i < samples->len; i++)
    add (batch, samples->pdata[i], NULL); /* it was taken before */
}

/* ---- On the device ---- */

void
reformer_batch_tensors_clear (ReformerBatchTensors *tensors)
{
  g_clear_object (&tensors->tokens);
  g_clear_object (&tensors->mask);
  g_clear_object (&tensors->labels);
}

static ReformerTensor *
upload (ReformerRun    *run,
        ReformerDType   dtype,
        gconstpointer   values,
        int             rows,
        gsize           n)
{
  ReformerTensor *tensor = reformer_run_new (run, dtype, 2, (gint64) rows, (gint64) n);

  if (tensor != NULL)
    reformer_run_write (run, reformer_span (tensor), values, (gsize) rows * n);
  return tensor;
}

/* [rows], [rows, width] or [rows, length], or [rows, length, width] */
static ReformerTensor *
upload_labels (ReformerRun   *run,
               ReformerBatch *batch,
               int            first,
               int            rows)
{
  const ReformerLabelForm *form = &batch->form;
  const gint64 width = form->width;
  const ReformerDType dtype = reformer_label_form_get_dtype (form);
  const gsize n = reformer_label_form_get_n (form, rows, batch->length);
  ReformerTensor *tensor = form->of_tokens ? reformer_run_new (run, dtype, 3, (gint64) rows, (gint64) batch->length, width) : reformer_run_new (run, dtype, 2, (gint64) rows, width);

  if (tensor != NULL)
    reformer_run_write (run, reformer_span (tensor), batch->labels + reformer_label_form_get_n (form, first, batch->length), n);
  return tensor;
}

gboolean
reformer_batch_upload (ReformerBatch         *batch,
                       int                    first,
                       int                    rows,
                       ReformerDevice        *device,
                       ReformerBatchTensors  *tensors,
                       GError               **error)
{
  const gsize length = (gsize) batch->length, at = (gsize) first * length, n = (gsize) rows * length;
  const gint32 *ids = batch->tokens != NULL ? batch->tokens + at : NULL;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  reformer_batch_tensors_clear (tensors);
  reformer_run_part (&run, "tokens");
  if (ids != NULL)
    tensors->tokens = upload (&run, REFORMER_DTYPE_INT32, ids, rows, length);
  else
    {
      tensors->tokens = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 3, (gint64) rows, (gint64) length, (gint64) batch->features);
      if (tensors->tokens != NULL)
        reformer_run_write (&run, reformer_span (tensors->tokens), batch->values + at * (gsize) batch->features, n * (gsize) batch->features);
    }
  if (memchr (batch->mask + at, 0, n) != NULL)
    tensors->mask = upload (&run, REFORMER_DTYPE_UINT8, batch->mask + at, rows, length);
  if (!batch->form.shifted || ids == NULL || memcmp (ids, batch->labels + at, n * sizeof *ids) != 0)
    tensors->labels = upload_labels (&run, batch, first, rows);
  else
    tensors->labels = tensors->tokens != NULL ? g_object_ref (tensors->tokens) : NULL;
  return reformer_run_finish (&run, error);
}
