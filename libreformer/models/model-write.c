/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-private.h"

#include "files/reading.h"
#include "files/safetensors-write.h"

typedef struct
{
  GPtrArray   *parameters;
  ReformerRun *run;
} Writing;

static gboolean
fill (gsize      i,
      gpointer   to,
      gsize      offset,
      gsize      n_bytes,
      gpointer   user_data,
      GError   **error)
{
  Writing *writing = user_data;

  reformer_run_read (writing->run, reformer_parameter_value (writing->parameters->pdata[i], writing->run, offset / sizeof (float)), to, n_bytes / sizeof (float));
#if G_BYTE_ORDER == G_BIG_ENDIAN
  for (gsize j = 0; j < n_bytes / sizeof (float); j++)
    ((guint32 *) to)[j] = GUINT32_TO_LE (((guint32 *) to)[j]);
#endif
  return reformer_run_finish (writing->run, error);
}

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
  g_autofree ReformerSafetensorsTensor *tensors = NULL;
  g_autoptr (ReformerConfig) config = reformer_model_copy_saved_config (self);
  g_autofree char *text = reformer_config_to_json (config);
  ReformerRun run = REFORMER_RUN_INIT (self->device, cancellable);
  Writing writing = { all, &run };
  gboolean ok;

  for (guint i = 0; i < buffers->len; i++)
    g_ptr_array_add (all, g_object_ref (buffers->pdata[i]));
  tensors = g_new0 (ReformerSafetensorsTensor, all->len);
  for (guint i = 0; i < all->len; i++)
    {
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (all->pdata[i], &n_dims);

      tensors[i].name = reformer_parameter_get_name (all->pdata[i]);
      tensors[i].dtype = REFORMER_SAFETENSORS_F32;
      tensors[i].n_dims = (guint) n_dims;
      memcpy (tensors[i].shape, shape, MIN (n_dims, REFORMER_SAFETENSORS_MAX_DIMS) * sizeof *shape);
    }
  ok = reformer_atomic_folder_write (folder, "config.json", text, strlen (text), cancellable, error) &&
       reformer_weights_write (folder, tensors, all->len, 0, REFORMER_SAFETENSORS_METADATA, fill, &writing, cancellable, error);
  reformer_run_clear (&run);
  return ok;
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

  path = reformer_model_local_path (file, error);
  if (path == NULL || !reformer_model_prepare (self, error))
    return FALSE;
  folder = reformer_atomic_folder_begin (path, known, error);
  if (folder == NULL || !reformer_model_write_files (self, folder, cancellable, error))
    return reformer_file_tidy (error);
  return reformer_atomic_folder_commit (g_steal_pointer (&folder), error) || reformer_file_tidy (error);
}
