/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/tensor-source.h"

#include <string.h>

void
reformer_tensor_source_init (ReformerTensorSource *self,
                             ReformerDevice       *device,
                             gsize                 n,
                             GCancellable         *cancellable)
{
  self->run = (ReformerRun) REFORMER_RUN_INIT (device, cancellable);
  self->tensors = g_ptr_array_new_with_free_func (g_object_unref);
  self->entries = g_new0 (ReformerSafetensorsTensor, MAX (n, 1));
}

void
reformer_tensor_source_clear (ReformerTensorSource *self)
{
  reformer_run_clear (&self->run);
  g_clear_pointer (&self->tensors, g_ptr_array_unref);
  g_clear_pointer (&self->entries, g_free);
}

void
reformer_tensor_source_add (ReformerTensorSource *self,
                            const char           *name,
                            ReformerTensor       *tensor)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tensor, &n_dims);
  ReformerSafetensorsTensor *entry = &self->entries[self->tensors->len];

  entry->name = name;
  entry->dtype = REFORMER_SAFETENSORS_F32;
  entry->n_dims = (guint) n_dims;
  memcpy (entry->shape, shape, n_dims * sizeof *shape);
  g_ptr_array_add (self->tensors, g_object_ref (tensor));
}

gboolean
reformer_tensor_source_fill (gsize      i,
                             gpointer   to,
                             gsize      offset,
                             gsize      n_bytes,
                             gpointer   self,
                             GError   **error)
{
  ReformerTensorSource *source = self;
  const gsize n = n_bytes / sizeof (float);

  reformer_run_read (&source->run, reformer_at (source->tensors->pdata[i], offset / sizeof (float)), to, n);
#if G_BYTE_ORDER == G_BIG_ENDIAN
  for (gsize j = 0; j < n; j++)
    ((guint32 *) to)[j] = GUINT32_TO_LE (((guint32 *) to)[j]);
#endif
  return reformer_run_finish (&source->run, error);
}
