/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-private.h"

#include "files/reading.h"
#include "files/tensor-source.h"

ReformerConfig *
reformer_model_copy_saved_config (ReformerModel *self)
{
  ReformerConfig *config = reformer_config_copy (self->config);
  const char *const *kinds = reformer_config_get_attn_layers (config);

  if (g_strv_contains (kinds, "lsh"))
    {
      gsize n;
      g_autofree int *factors = reformer_config_get_bucket_factors (config, &n);

      reformer_config_set_num_buckets (config, factors, n);
    }
  return config;
}

gboolean
reformer_model_write_files (ReformerModel         *self,
                            ReformerAtomicFolder  *folder,
                            GCancellable          *cancellable,
                            GError               **error)
{
  g_autoptr (GPtrArray) all = reformer_model_list_parameters (self);
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (self);
  g_autoptr (ReformerConfig) config = reformer_model_copy_saved_config (self);
  g_autofree char *text = reformer_config_to_json (config);
  g_auto (ReformerTensorSource) source = { 0 };

  for (guint i = 0; i < buffers->len; i++)
    g_ptr_array_add (all, g_object_ref (buffers->pdata[i]));
  reformer_tensor_source_init (&source, self->device, all->len, cancellable);
  for (guint i = 0; i < all->len; i++)
    reformer_tensor_source_add (&source, reformer_parameter_get_name (all->pdata[i]), reformer_parameter_get_value (all->pdata[i]));
  return reformer_atomic_folder_write (folder, "config.json", text, strlen (text), cancellable, error) &&
         reformer_weights_write (folder, source.entries, all->len, 0, REFORMER_SAFETENSORS_METADATA, reformer_tensor_source_fill, &source, cancellable, error);
}

/**
 * reformer_model_save:
 * @self: a model
 * @file: a folder, made where there is none
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Writes `config.json` and `model.safetensors` under transformers' names; the rotations of LSH layers are among the tensors. A folder that exists is replaced as a
 * whole: until the new one is complete and on the disk, the old one is there. Other files in it stay.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@FileError]; the folder is then as it was
 */
gboolean
reformer_model_save (ReformerModel  *self,
                     GFile          *file,
                     GCancellable   *cancellable,
                     GError        **error)
{
  static const char *const known[] = { "config.json", REFORMER_WEIGHTS_FILES, NULL };
  g_autoptr (ReformerAtomicFolder) folder = NULL;
  g_autofree char *path = NULL;

  g_return_val_if_fail (REFORMER_IS_MODEL (self), FALSE);
  g_return_val_if_fail (G_IS_FILE (file), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  path = reformer_file_local_path (file, error);
  if (path == NULL || !reformer_model_prepare (self, error))
    return FALSE;
  folder = reformer_atomic_folder_begin (path, known, error);
  if (folder == NULL || !reformer_model_write_files (self, folder, cancellable, error))
    return reformer_file_tidy (error);
  return reformer_atomic_folder_commit (g_steal_pointer (&folder), error) || reformer_file_tidy (error);
}
