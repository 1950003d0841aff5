/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/compute/reformer-tensor.h>
#include <libreformer/data/reformer-dataset.h>

#include "models/model-labels.h"

G_BEGIN_DECLS

/* Rows of one length on the host, filled from samples: short ones are padded on the right, with a mask of 0 and no target. */
typedef struct
{
  int                features;  /* numbers in a vector; 0: the samples have ids */
  int                length;
  int                capacity;  /* rows */
  int                rows;      /* filled */
  gint32             pad;
  gboolean           masked;    /* labels are the ids that a masked language model does not see */
  ReformerLabelForm  form;
  gint32            *tokens;    /* [rows, length]; NULL where there are */
  float             *values;    /*   [rows, length, features] */
  gint32            *labels;    /* in the form that the model wants: int32 or float32 */
  guint8            *mask;
  gint32            *lengths;   /* [rows]: of the samples */
  ReformerTargets    targets;   /* of all rows */
  gint64             n_tokens;  /* that are not masked */
} ReformerBatch;

#define REFORMER_BATCH_INIT { 0 }

void     reformer_batch_clear  (ReformerBatch    *batch);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerBatch, reformer_batch_clear)

/* Makes room for samples as the model, always the same, takes them, where there is not enough, and takes all rows out. */
gboolean reformer_batch_start  (ReformerBatch    *batch,
                                ReformerModel    *model,
                                int               capacity,
                                int               length,
                                GError          **error);
/* Appends sample number `index` of the data set as reformer_dataset_read_sample() gives it for this length: whole, and no longer. One without any target is left
 * out; what the model cannot take is an error. */
gboolean reformer_batch_add    (ReformerBatch    *batch,
                                ReformerDataset  *dataset,
                                gint64            index,
                                ReformerSample   *sample,
                                GError          **error);

/* Puts the rows in the order of their lengths. The samples are those that were added, and left in. */
void     reformer_batch_sort   (ReformerBatch    *batch,
                                GPtrArray        *samples);

/* Some of the rows on a device, as a model takes them. */
typedef struct
{
  ReformerTensor *tokens;
  ReformerTensor *mask;      /* NULL: nothing is masked */
  ReformerTensor *labels;
} ReformerBatchTensors;

void     reformer_batch_tensors_clear (ReformerBatchTensors *tensors);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerBatchTensors, reformer_batch_tensors_clear)

gboolean reformer_batch_upload (ReformerBatch         *batch,
                                int                    first,
                                int                    rows,
                                ReformerDevice        *device,
                                ReformerBatchTensors  *tensors,
                                GError               **error);

G_END_DECLS
