/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/checkpoint-private.h"

#include <string.h>
#include <unistd.h>

#include <libreformer/compute/reformer-version.h>
#include <libreformer/files/reformer-file-error.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "files/atomic-private.h"
#include "files/reading.h"
#include "files/tensor-source.h"
#include "models/model-private.h"
#include "training/optimizer-private.h"
#include "training/properties.h"

/* ---- optimizer.safetensors ---- */

static gboolean
write_optimizer (const ReformerCheckpoint  *checkpoint,
                 ReformerAtomicFolder      *folder,
                 GCancellable              *cancellable,
                 GError                   **error)
{
  g_autoptr (GPtrArray) names = reformer_optimizer_list_state (checkpoint->optimizer);
  g_auto (ReformerTensorSource) source = { 0 };
  gboolean written;
  int fd;

  reformer_tensor_source_init (&source, reformer_model_get_device (checkpoint->model), names->len, cancellable);
  for (guint i = 0; i < names->len; i++)
    reformer_tensor_source_add (&source, names->pdata[i], reformer_optimizer_peek_state (checkpoint->optimizer, names->pdata[i]));
  fd = reformer_atomic_folder_create (folder, REFORMER_CHECKPOINT_OPTIMIZER, error);
  if (fd < 0)
    return FALSE;
  written = reformer_safetensors_write (fd, REFORMER_CHECKPOINT_OPTIMIZER, source.entries, names->len, REFORMER_SAFETENSORS_METADATA, reformer_tensor_source_fill, &source,
                                        cancellable, error);
  close (fd); /* what a close could report, the commit's sync does */
  return written;
}

/* ---- trainer.json ---- */

static json_t *
list_frozen (ReformerModel *model)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  json_t *names = json_array ();

  for (guint i = 0; i < parameters->len; i++)
    if (!reformer_parameter_get_trainable (parameters->pdata[i]))
      json_array_append_new (names, json_string (reformer_parameter_get_name (parameters->pdata[i])));
  return names;
}

/* What `part` is (a type name) and how it is set. */
static gboolean
add_part (json_t      *root,
          const char  *name,
          const char  *type_name,
          gpointer     object,
          GError     **error)
{
  json_t *settings = reformer_properties_to_json (object, error);

  if (settings == NULL)
    return FALSE;
  json_object_set_new (root, type_name, json_string (G_OBJECT_TYPE_NAME (object)));
  json_object_set_new (root, name, settings);
  return TRUE;
}

static json_t *
text_or_null (const char *text)
{
  g_autofree char *valid = text != NULL ? g_utf8_make_valid (text, -1) : NULL;

  return valid != NULL ? json_string (valid) : json_null ();
}

static gboolean
write_trainer (const ReformerCheckpoint  *checkpoint,
               ReformerAtomicFolder      *folder,
               GCancellable              *cancellable,
               GError                   **error)
{
  g_autoptr (json_t) root = json_object ();
  g_autofree char *tokenizer = checkpoint->tokenizer != NULL ? reformer_tokenizer_identify (checkpoint->tokenizer, error) : NULL;
  g_autofree char *text = NULL;

  if (checkpoint->tokenizer != NULL && tokenizer == NULL)
    return FALSE;
  json_object_set_new (root, "format", json_integer (REFORMER_CHECKPOINT_FORMAT));
  json_object_set_new (root, "version", json_string (REFORMER_VERSION_S));
  json_object_set_new (root, "data", text_or_null (checkpoint->data));
  json_object_set_new (root, "tokenizer", text_or_null (tokenizer));
  json_object_set_new (root, "state", reformer_training_state_to_json (checkpoint->state));
  json_object_set_new (root, "frozen", list_frozen (checkpoint->model));
  if (!add_part (root, "trainer", "trainer_type", checkpoint->trainer, error) || !add_part (root, "optimizer", "optimizer_type", checkpoint->optimizer, error) ||
      !add_part (root, "schedule", "schedule_type", checkpoint->schedule, error))
    return FALSE;
  text = reformer_json_to_text (root, REFORMER_JSON_ORDERED);
  return reformer_atomic_folder_write (folder, REFORMER_CHECKPOINT_TRAINER, text, strlen (text), cancellable, error);
}

/* ---- All of it ---- */

static gboolean
write_all (const ReformerCheckpoint  *checkpoint,
           ReformerAtomicFolder      *folder,
           GCancellable              *cancellable,
           GError                   **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (reformer_atomic_folder_get_path (folder));

  return reformer_model_write_files (checkpoint->model, folder, cancellable, error) && write_optimizer (checkpoint, folder, cancellable, error) &&
         write_trainer (checkpoint, folder, cancellable, error) &&
         (checkpoint->tokenizer == NULL || reformer_tokenizer_save (checkpoint->tokenizer, file, cancellable, error)) &&
         reformer_checkpoint_write_manifest (folder, cancellable, error);
}

static gboolean
begins_with_file (const char *message)
{
  g_autofree char *name = g_strndup (message, strcspn (message, ": "));

  return reformer_atomic_is_known (name, reformer_checkpoint_known);
}

/* The files of a folder under way are named without it, or by a name that nobody knows. */
static void
name_folder (GError     **error,
             const char  *path)
{
  g_autofree char *display = g_filename_display_name (path), *base = g_path_get_basename (path), *temporary = g_strdup_printf (".%s.tmp-", base);
  const char *found;

  if (error == NULL || *error == NULL || g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED) || strstr ((*error)->message, display) != NULL)
    return;
  found = strstr ((*error)->message, temporary);
  found = found != NULL ? strchr (found, G_DIR_SEPARATOR) : NULL;
  if (found != NULL)
    {
      char *message = g_strdup_printf ("%s%s", display, found);

      g_free ((*error)->message);
      (*error)->message = message;
    }
  else
    {
      g_prefix_error (error, "%s%s", display, begins_with_file ((*error)->message) ? G_DIR_SEPARATOR_S : ": ");
    }
}

gboolean
reformer_checkpoint_save (const char                *folder,
                          const ReformerCheckpoint  *checkpoint,
                          guint                      kept,
                          GCancellable              *cancellable,
                          GError                   **error)
{
  const guint step = checkpoint->state->step;
  g_autofree char *path = reformer_checkpoint_get_path (folder, step);
  g_autoptr (ReformerAtomicFolder) under_way = NULL;

  if (!reformer_model_prepare (checkpoint->model, error) || !reformer_checkpoint_make_folder (folder, error))
    return reformer_file_tidy (error);
  reformer_checkpoint_settle (folder);
  under_way = reformer_atomic_folder_begin (path, reformer_checkpoint_known, error);
  if (under_way == NULL)
    return reformer_file_tidy (error);
  if (!write_all (checkpoint, under_way, cancellable, error) || !reformer_atomic_folder_commit (g_steal_pointer (&under_way), error))
    {
      name_folder (error, path);
      return reformer_file_tidy (error);
    }
  if (!reformer_checkpoint_publish (folder, step, error) ||
      (checkpoint->state->best_step > 0 && !reformer_checkpoint_mark_best (folder, checkpoint->state->best_step, error)))
    return reformer_file_tidy (error);
  reformer_checkpoint_prune (folder, step, kept);
  return TRUE;
}
