/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/batch.h"

#include <string.h>

#include "compute/launch.h"
#include "compute/tensor-private.h"
#include <libreformer/compute/reformer-device-error.h>

#define NO_TARGET (-100)

void
reformer_batch_clear (ReformerBatch *batch)
{
  g_clear_pointer (&batch->tokens, g_free);
  g_clear_pointer (&batch->labels, g_free);
  g_clear_pointer (&batch->mask, g_free);
  *batch = (ReformerBatch) REFORMER_BATCH_INIT;
}

gboolean
reformer_batch_start (ReformerBatch  *batch,
                      int             capacity,
                      int             length,
                      gint32          pad,
                      GError        **error)
{
  const gsize n = (gsize) capacity * (gsize) length; /* of two int: fits */

  if (batch->tokens == NULL || batch->capacity != capacity || batch->length != length)
    {
      reformer_batch_clear (batch);
      batch->tokens = g_try_new (gint32, n);
      batch->labels = g_try_new (gint32, n);
      batch->mask = g_try_new (guint8, n);
      if (batch->tokens == NULL || batch->labels == NULL || batch->mask == NULL)
        {
          reformer_batch_clear (batch);
          g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for %d rows of %d tokens", capacity, length);
          return FALSE;
        }
      batch->capacity = capacity;
      batch->length = length;
    }
  batch->pad = pad;
  batch->rows = 0;
  batch->n_targets = 0;
  batch->n_tokens = 0;
  return TRUE;
}

void
reformer_batch_add (ReformerBatch  *batch,
                    ReformerSample *sample)
{
  const gsize n = g_bytes_get_size (reformer_sample_get_tokens (sample)) / sizeof (gint32);
  const gsize length = (gsize) batch->length, at = (gsize) batch->rows * length;
  gint32 *tokens = batch->tokens + at, *labels = batch->labels + at;
  guint8 *mask = batch->mask + at;
  gsize targets = 0;
  gint64 kept = 0;

  memcpy (tokens, g_bytes_get_data (reformer_sample_get_tokens (sample), NULL), n * sizeof *tokens);
  memset (mask, 0, length);
  memset (mask, 1, n);
  if (reformer_sample_get_mask (sample) != NULL)
    memcpy (mask, g_bytes_get_data (reformer_sample_get_mask (sample), NULL), n);
  if (reformer_sample_get_labels (sample) != NULL)
    memcpy (labels, g_bytes_get_data (reformer_sample_get_labels (sample), NULL), n * sizeof *labels);
  else
    for (gsize i = 0; i < n; i++)
      labels[i] = mask[i] != 0 ? tokens[i] : NO_TARGET;
  for (gsize i = n; i < length; i++)
    {
      tokens[i] = batch->pad;
      labels[i] = NO_TARGET;
    }
  for (gsize i = 0; i < n; i++)
    {
      kept += mask[i] != 0;
      targets += i > 0 && labels[i] != NO_TARGET;
    }
  if (targets > 0)
    {
      batch->rows++;
      batch->n_targets += targets;
      batch->n_tokens += kept;
    }
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
        int             length)
{
  ReformerTensor *tensor = reformer_run_new (run, dtype, 2, (gint64) rows, (gint64) length);

  if (tensor != NULL)
    reformer_run_write (run, reformer_span (tensor), values, (gsize) rows * (gsize) length);
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
  const gint32 *ids = batch->tokens + at, *labels = batch->labels + at;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  reformer_batch_tensors_clear (tensors);
  tensors->n_targets = 0;
  for (gsize i = 0; i < n; i++)
    tensors->n_targets += i % length > 0 && labels[i] != NO_TARGET;
  reformer_run_part (&run, "tokens");
  tensors->tokens = upload (&run, REFORMER_DTYPE_INT32, ids, rows, batch->length);
  if (memchr (batch->mask + at, 0, n) != NULL)
    tensors->mask = upload (&run, REFORMER_DTYPE_UINT8, batch->mask + at, rows, batch->length);
  if (memcmp (ids, labels, n * sizeof *ids) != 0)
    tensors->labels = upload (&run, REFORMER_DTYPE_INT32, labels, rows, batch->length);
  else
    tensors->labels = tensors->tokens != NULL ? g_object_ref (tensors->tokens) : NULL;
  return reformer_run_finish (&run, error);
}
