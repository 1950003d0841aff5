/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/checkpoint-private.h"

#include <string.h>

#include <libreformer/training/reformer-trainer-error.h>

#include "files/reading.h"
#include "models/model-private.h"
#include "training/optimizer-private.h"
#include "training/properties.h"

/* All of an object's settings, but one where `except` is "part.setting". */
static gboolean
apply (GObject     *object,
       GPtrArray   *settings,
       const char  *part,
       const char  *except,
       GError     **error)
{
  const char *name = except != NULL && g_str_has_prefix (except, part) && except[strlen (part)] == '.' ? except + strlen (part) + 1 : NULL;

  return reformer_properties_apply (object, settings, name, error);
}

static gboolean
use_settings (const ReformerCheckpointContent  *content,
              const ReformerCheckpoint         *checkpoint,
              const char                       *except,
              GError                          **error)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (checkpoint->model);

  for (guint i = 0; i < parameters->len; i++)
    reformer_parameter_set_trainable (parameters->pdata[i], !g_hash_table_contains (content->frozen, reformer_parameter_get_name (parameters->pdata[i])));
  return apply (checkpoint->trainer, content->trainer, "trainer", except, error) && apply (G_OBJECT (checkpoint->optimizer), content->optimizer, "optimizer", except, error) &&
         apply (G_OBJECT (checkpoint->schedule), content->schedule, "schedule", except, error);
}

static void
use_optimizer (const ReformerCheckpointContent *content,
               ReformerOptimizer               *optimizer)
{
  reformer_optimizer_clear_state (optimizer);
  for (guint i = 0; i < content->names->len; i++)
    reformer_optimizer_put_state (optimizer, content->names->pdata[i], content->tensors->pdata[i]);
}

static void
use_state (const ReformerCheckpointContent *content,
           const ReformerCheckpoint        *checkpoint,
           const char                      *except)
{
  *checkpoint->state = content->state;
  if (g_strcmp0 (except, "seed") != 0)
    reformer_model_set_seed (checkpoint->model, content->state.seed);
  if (g_strcmp0 (except, "sequence") != 0)
    reformer_model_set_sequence (checkpoint->model, content->state.sequence);
  if (g_strcmp0 (except, "keep") != 0)
    reformer_stack_set_keep (reformer_model_get_stack (checkpoint->model), content->state.keep);
}

/* The newest whole checkpoint's path and step; NULL with an error where there is none. */
static char *
find (const char    *folder,
      guint         *step,
      GCancellable  *cancellable,
      GError       **error)
{
  g_autoptr (GArray) steps = reformer_checkpoint_list (folder);
  g_autofree char *display = g_filename_display_name (folder);

  for (guint i = 0; i < steps->len; i++)
    {
      g_autofree char *path = NULL;
      g_autoptr (GError) damage = NULL;

      *step = g_array_index (steps, guint, i);
      path = reformer_checkpoint_get_path (folder, *step);
      if (reformer_checkpoint_verify (path, cancellable, &damage))
        return g_steal_pointer (&path);
      reformer_file_tidy (&damage);
      if (g_error_matches (damage, G_IO_ERROR, G_IO_ERROR_CANCELLED) || g_error_matches (damage, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH))
        {
          g_propagate_error (error, g_steal_pointer (&damage));
          return NULL;
        }
      g_warning ("%s; this checkpoint is passed over", damage->message);
    }
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, steps->len > 0 ? "%s: none of its %u checkpoints is whole" : "%s: has no checkpoint",
               display, steps->len);
  return NULL;
}

gboolean
reformer_checkpoint_restore (const char                *folder,
                             const ReformerCheckpoint  *checkpoint,
                             const char                *except,
                             GCancellable              *cancellable,
                             GError                   **error)
{
  g_auto (ReformerCheckpointContent) content = { 0 };
  g_autofree char *path = NULL;
  g_autoptr (GFile) file = NULL;
  guint step;

  /* where a checkpoint was replaced without an exchange, a crash left the whole one beside it */
  reformer_checkpoint_settle (folder);
  path = find (folder, &step, cancellable, error);
  if (path == NULL || !reformer_checkpoint_content_read (&content, checkpoint, path, except, cancellable, error))
    return reformer_file_tidy (error);
  if (content.state.step != step && g_strcmp0 (except, "step") != 0)
    {
      g_autofree char *display = g_filename_display_name (path);

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "%s has the state of step %u", display, content.state.step);
      return reformer_file_tidy (error);
    }
  file = g_file_new_for_path (path);
  if (content.factors != NULL)
    reformer_model_set_buckets (checkpoint->model, content.factors, content.n_factors);
  if (!reformer_checkpoint_publish (folder, step, error) ||
      (g_strcmp0 (except, "weights") != 0 && !reformer_model_load_weights (checkpoint->model, file, cancellable, error)))
    {
      if (content.factors != NULL)
        reformer_model_set_buckets (checkpoint->model, NULL, 0);
      return reformer_file_tidy (error);
    }

  if (g_strcmp0 (except, "optimizer") != 0)
    use_optimizer (&content, checkpoint->optimizer);
  if (g_strcmp0 (except, "settings") != 0 && !use_settings (&content, checkpoint, except, error))
    return reformer_file_tidy (error);
  use_state (&content, checkpoint, except);
  return TRUE;
}
