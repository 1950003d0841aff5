/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/checkpoint-private.h"

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "compute/tensor-private.h"
#include "files/reading.h"
#include "files/safetensors.h"
#include "models/config-json.h"
#include "models/model-private.h"
#include "training/properties.h"

/* Floats that go through host memory at a time */
#define PIECE (1u << 20)

void
reformer_checkpoint_content_clear (ReformerCheckpointContent *content)
{
  g_clear_pointer (&content->trainer, g_ptr_array_unref);
  g_clear_pointer (&content->optimizer, g_ptr_array_unref);
  g_clear_pointer (&content->schedule, g_ptr_array_unref);
  g_clear_pointer (&content->frozen, g_hash_table_unref);
  g_clear_pointer (&content->names, g_ptr_array_unref);
  g_clear_pointer (&content->tensors, g_ptr_array_unref);
  g_clear_pointer (&content->factors, g_free);
}

static gboolean G_GNUC_PRINTF (2, 3)
set_mismatch (GError     **error,
              const char  *format,
              ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, message);
  return FALSE;
}

/* ---- config.json ---- */

static char *
describe (json_t *value)
{
  g_autofree char *text = value != NULL ? reformer_json_to_text (value, REFORMER_JSON_LINE) : g_strdup ("absent");

  return reformer_file_quote (g_strchomp (text));
}

static gboolean
compare_member (json_t      *there,
                json_t      *here,
                const char  *display,
                const char  *key,
                GError     **error)
{
  json_t *a = json_object_get (there, key), *b = json_object_get (here, key);
  g_autofree char *seen = NULL, *wanted = NULL;

  if (a == b || (a != NULL && b != NULL && json_equal (a, b)))
    return TRUE;
  seen = describe (a);
  wanted = describe (b);
  return set_mismatch (error, "%s is of another model: \"%s\" is %s there, %s in the model", display, key, seen, wanted);
}

/* 0: they are no factors. */
static gint64
count_buckets (const int *factors,
               gsize      n)
{
  gint64 n_buckets = n > 0 && n <= REFORMER_CONFIG_MAX_FACTORS ? 1 : 0;

  for (gsize i = 0; i < n && n_buckets > 0; i++)
    n_buckets = factors[i] >= 2 && factors[i] % 2 == 0 && n_buckets <= REFORMER_CONFIG_MAX_BUCKETS ? n_buckets * factors[i] : 0;
  return n_buckets;
}

/* A run that was begun with a version whose rule had other factors goes on with those: a model that leaves them to the rule, and has drawn nothing by them, takes as many
 * buckets from the file. */
static void
take_factors (ReformerCheckpointContent *content,
              ReformerModel             *model,
              ReformerConfig            *saved,
              ReformerConfig            *own)
{
  gsize n_there, n_here;
  g_autofree int *there = reformer_config_get_num_buckets (saved, &n_there), *here = reformer_config_get_num_buckets (own, &n_here);
  const gint64 n_buckets = count_buckets (there, n_there);

  if (n_buckets == 0 || n_buckets != count_buckets (here, n_here) || (n_there == n_here && memcmp (there, here, n_here * sizeof *here) == 0) ||
      !reformer_model_may_set_buckets (model))
    return;
  reformer_config_set_num_buckets (own, there, n_there);
  content->factors = g_steal_pointer (&there);
  content->n_factors = n_there;
}

/* What makes the model another one; notes of other programs in the file do not. */
static gboolean
compare_config (ReformerCheckpointContent  *content,
                ReformerModel              *model,
                const char                 *path,
                GCancellable               *cancellable,
                GError                    **error)
{
  g_autofree char *file = g_build_filename (path, REFORMER_CHECKPOINT_CONFIG, NULL), *display = g_filename_display_name (file);
  g_autoptr (json_t) object = reformer_json_load (file, cancellable, error), there = NULL, here = NULL;
  g_autoptr (ReformerConfig) saved = object != NULL ? reformer_config_new_from_object (object, display, error) : NULL;
  g_autoptr (ReformerConfig) own = NULL;

  if (saved == NULL)
    return FALSE;
  own = reformer_model_copy_saved_config (model);
  take_factors (content, model, saved, own);
  there = reformer_config_to_object (saved);
  here = reformer_config_to_object (own);
  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    if (reformer_config_fields[id].key != NULL && !compare_member (there, here, display, reformer_config_fields[id].key, error))
      return FALSE;
  if (!compare_member (there, here, display, "architectures", error) || !compare_member (there, here, display, "problem_type", error))
    return FALSE;
  if (reformer_config_get_num_labels (saved) != reformer_config_get_num_labels (own))
    return set_mismatch (error, "%s is of another model: it has %d labels, the model %d", display, reformer_config_get_num_labels (saved),
                         reformer_config_get_num_labels (own));
  return TRUE;
}

/* ---- trainer.json ---- */

static gboolean
check_type (json_t      *root,
            const char  *display,
            const char  *member,
            const char  *what,
            gpointer     object,
            GError     **error)
{
  const char *name = NULL;
  g_autofree char *seen = NULL;

  if (!reformer_json_require (root, display, member, error) || !reformer_json_get_string (root, display, member, &name, error))
    return FALSE;
  if (g_str_equal (name, G_OBJECT_TYPE_NAME (object)))
    return TRUE;
  seen = reformer_file_quote (name);
  return set_mismatch (error, "%s was written with another %s: %s, the trainer has %s", display, what, seen, G_OBJECT_TYPE_NAME (object));
}

/* `own` NULL, or no member: unknown, so that nothing can be said. */
static gboolean
check_text (json_t      *root,
            const char  *display,
            const char  *member,
            const char  *what,
            const char  *own,
            GError     **error)
{
  const char *text = NULL;
  g_autofree char *seen = NULL, *wanted = NULL;

  if (!reformer_json_get_string (root, display, member, &text, error))
    return FALSE;
  if (text == NULL || own == NULL)
    return TRUE;
  wanted = g_utf8_make_valid (own, -1);
  if (g_str_equal (text, wanted))
    return TRUE;
  seen = reformer_file_quote (text);
  return set_mismatch (error, "%s was written with %s: %s there, %s here", display, what, seen, wanted);
}

static gboolean
read_frozen (ReformerCheckpointContent  *content,
             json_t                     *root,
             const char                 *display,
             ReformerModel              *model,
             GError                    **error)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (GStrv) names = NULL;

  if (!reformer_json_require (root, display, "frozen", error) || !reformer_json_get_strings (root, display, "frozen", &names, error))
    return FALSE;
  for (guint i = 0; i < parameters->len; i++)
    g_hash_table_add (known, (gpointer) reformer_parameter_get_name (parameters->pdata[i]));
  content->frozen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; names[i] != NULL; i++)
    {
      if (!g_hash_table_contains (known, names[i]))
        {
          g_autofree char *seen = reformer_file_quote (names[i]);

          return set_mismatch (error, "%s: \"frozen\" has %s, which the model has not", display, seen);
        }
      g_hash_table_add (content->frozen, g_strdup (names[i]));
    }
  return TRUE;
}

static gboolean
read_trainer (ReformerCheckpointContent  *content,
              const ReformerCheckpoint   *checkpoint,
              const char                 *path,
              const char                 *except,
              GCancellable               *cancellable,
              GError                    **error)
{
  g_autofree char *file = g_build_filename (path, REFORMER_CHECKPOINT_TRAINER, NULL), *display = g_filename_display_name (file);
  g_autofree char *tokenizer = checkpoint->tokenizer != NULL ? reformer_tokenizer_identify (checkpoint->tokenizer, error) : NULL;
  const gboolean identified = checkpoint->tokenizer == NULL || tokenizer != NULL;
  g_autoptr (json_t) root = identified ? reformer_json_load (file, cancellable, error) : NULL;
  json_t *state = NULL;
  gint64 format = 0;

  if (root == NULL || !reformer_json_require (root, display, "format", error) || !reformer_json_get_integer (root, display, "format", 1, G_MAXINT, &format, error))
    return FALSE;
  if (format != REFORMER_CHECKPOINT_FORMAT)
    return set_mismatch (error, "%s is of another version: its format is %d, this version reads %d", display, (int) format, REFORMER_CHECKPOINT_FORMAT);
  if (!check_text (root, display, "data", "other data", checkpoint->data, error) || !check_text (root, display, "tokenizer", "another tokenizer", tokenizer, error) ||
      !check_type (root, display, "optimizer_type", "optimizer", checkpoint->optimizer, error) ||
      !check_type (root, display, "schedule_type", "schedule", checkpoint->schedule, error) ||
      !reformer_json_require (root, display, "state", error) || !reformer_json_get_object (root, display, "state", &state, error) ||
      !reformer_training_state_from_json (&content->state, state, display, except, error) ||
      !read_frozen (content, root, display, checkpoint->model, error))
    return FALSE;
  content->trainer = reformer_properties_read (checkpoint->trainer, root, display, "trainer", error);
  if (content->trainer != NULL)
    content->optimizer = reformer_properties_read (G_OBJECT (checkpoint->optimizer), root, display, "optimizer", error);
  if (content->optimizer != NULL)
    content->schedule = reformer_properties_read (G_OBJECT (checkpoint->schedule), root, display, "schedule", error);
  return content->schedule != NULL;
}

/* ---- optimizer.safetensors ---- */

/* "PARAMETER/STATE", of a parameter of the model */
static gboolean
is_state (GHashTable *parameters,
          const char *name)
{
  for (const char *slash = strchr (name, '/'); slash != NULL; slash = strchr (slash + 1, '/'))
    {
      g_autofree char *parameter = g_strndup (name, (gsize) (slash - name));

      if (g_hash_table_contains (parameters, parameter))
        return TRUE;
    }
  return FALSE;
}

static ReformerTensor *
read_tensor (ReformerRun                    *run,
             const ReformerSafetensorsEntry *entry)
{
  g_autofree float *values = g_new (float, MAX (MIN ((gsize) PIECE, entry->n_elements), 1));
  GError *error = NULL;
  g_autoptr (ReformerTensor) tensor = reformer_tensor_new_uninitialised (run->device, REFORMER_DTYPE_FLOAT32, entry->shape, entry->n_dims, "optimizer", &error);

  if (tensor == NULL)
    {
      reformer_run_take (run, error);
      return NULL;
    }
  for (gsize at = 0; at < entry->n_elements && reformer_run_ok (run); at += PIECE)
    {
      const gsize n = MIN ((gsize) PIECE, entry->n_elements - at);

      if (reformer_safetensors_read_float32 (entry->file, entry, values, at, n, run->cancellable, &error))
        reformer_run_write (run, reformer_at (tensor, at), values, n);
      else
        reformer_run_take (run, error);
    }
  return reformer_run_ok (run) ? g_steal_pointer (&tensor) : NULL;
}

static gboolean
read_optimizer (ReformerCheckpointContent  *content,
                const ReformerCheckpoint   *checkpoint,
                const char                 *path,
                GCancellable               *cancellable,
                GError                    **error)
{
  g_autofree char *name = g_build_filename (path, REFORMER_CHECKPOINT_OPTIMIZER, NULL);
  g_autoptr (ReformerSafetensors) file = reformer_safetensors_open (name, cancellable, error);
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (checkpoint->model);
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  ReformerRun run = REFORMER_RUN_INIT (reformer_model_get_device (checkpoint->model), cancellable);

  if (file == NULL)
    return FALSE;
  for (guint i = 0; i < parameters->len; i++)
    g_hash_table_add (known, (gpointer) reformer_parameter_get_name (parameters->pdata[i]));
  content->names = g_ptr_array_new_with_free_func (g_free);
  content->tensors = g_ptr_array_new_with_free_func (reformer_run_unref);
  for (gsize i = 0; i < reformer_safetensors_get_n_tensors (file) && reformer_run_ok (&run); i++)
    {
      const ReformerSafetensorsEntry *entry = reformer_safetensors_get_entry (file, i);

      if (!is_state (known, entry->name) || entry->dtype != REFORMER_SAFETENSORS_F32)
        {
          g_autofree char *seen = reformer_file_quote (entry->name);

          reformer_run_fail (&run, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "%s: has %s (%s), wanted F32 for a parameter of the model",
                             reformer_safetensors_get_path (file), seen, reformer_safetensors_dtype_get_name (entry->dtype));
          break;
        }
      g_ptr_array_add (content->names, g_strdup (entry->name));
      g_ptr_array_add (content->tensors, read_tensor (&run, entry));
    }
  return reformer_run_finish (&run, error);
}

gboolean
reformer_checkpoint_content_read (ReformerCheckpointContent  *content,
                                  const ReformerCheckpoint   *checkpoint,
                                  const char                 *path,
                                  const char                 *except,
                                  GCancellable               *cancellable,
                                  GError                    **error)
{
  content->state = *checkpoint->state;
  return reformer_model_build (checkpoint->model, error) && compare_config (content, checkpoint->model, path, cancellable, error) &&
         (content->factors != NULL || reformer_model_prepare (checkpoint->model, error)) &&
         read_trainer (content, checkpoint, path, except, cancellable, error) && read_optimizer (content, checkpoint, path, cancellable, error);
}
