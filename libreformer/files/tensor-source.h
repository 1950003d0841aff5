/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"
#include "files/safetensors-write.h"

G_BEGIN_DECLS

/*
 * Float32 tensors of a device, for reformer_safetensors_write() and reformer_weights_write():
 * reformer_tensor_source_fill() is the function that gets a ReformerTensorSource as its data, and `entries` are the tensors that it has.
 */
typedef struct
{
  ReformerRun                run;
  GPtrArray                 *tensors;
  ReformerSafetensorsTensor *entries; /* as many as tensors */
} ReformerTensorSource;

/* Has room for n tensors. */
void     reformer_tensor_source_init  (ReformerTensorSource  *self,
                                       ReformerDevice        *device,
                                       gsize                  n,
                                       GCancellable          *cancellable);
void     reformer_tensor_source_clear (ReformerTensorSource  *self);
/* The name must live as long as the source. */
void     reformer_tensor_source_add   (ReformerTensorSource  *self,
                                       const char            *name,
                                       ReformerTensor        *tensor);
gboolean reformer_tensor_source_fill  (gsize                  i,
                                       gpointer               to,
                                       gsize                  offset,
                                       gsize                  n_bytes,
                                       gpointer               self,
                                       GError               **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerTensorSource, reformer_tensor_source_clear)

G_END_DECLS
