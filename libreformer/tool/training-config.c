/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training-private.h"

#include "model-folder.h"

/* The configuration of a run that begins. */

#define DEFAULT_PRESET "small"

/* FALSE with an error, or with none after a message. */
static gboolean
read_config (ToolTraining               *self,
             const ToolVerb             *verb,
             const ToolTrainingOptions  *options,
             GFile                      *from,
             GCancellable               *cancellable,
             GError                    **error)
{
  if (from != NULL)
    self->config = reformer_config_load (from, cancellable, error);
  else if (options->config != NULL)
    {
      g_autoptr (GFile) file = g_file_new_for_commandline_arg (options->config);

      self->config = reformer_config_load (file, cancellable, error);
    }
  else
    {
      g_autoptr (GError) local = NULL;

      self->config = reformer_config_new_preset (options->preset != NULL ? options->preset : DEFAULT_PRESET, &local);
      if (self->config == NULL)
        tool_usage (verb, "--preset: %s", local->message);
    }
  return self->config != NULL;
}

/* A grid with room for the longest sequence, and axes as wide as the model, where the command line leaves them open. */
static void
choose_positions (ReformerConfig  *config,
                  ToolProperties  *properties,
                  int              length)
{
  const gboolean shape_given = tool_properties_get_given (properties, "axial-pos-shape") != NULL;
  const gboolean dims_given = tool_properties_get_given (properties, "axial-pos-embds-dim") != NULL;
  gsize n, n_dims;
  g_autofree int *shape = reformer_config_get_axial_pos_shape (config, &n), *dims = reformer_config_get_axial_pos_embds_dim (config, &n_dims), *chosen = NULL;
  const gboolean is_short = length > reformer_config_get_max_length (config) && !shape_given;
  gint64 width = 0;

  for (gsize i = 0; i < n_dims; i++)
    width += dims[i];
  if (n == 0 || (!is_short && (dims_given || (width == reformer_config_get_hidden_size (config) && n == n_dims))))
    return;
  chosen = reformer_config_choose_axial_shape (config, MAX (length, 1), (guint) n, NULL, NULL); /* what it cannot do is for validation to say */
  if (!is_short)
    reformer_config_set_axial_pos_shape (config, shape, n);
  if (dims_given)
    reformer_config_set_axial_pos_embds_dim (config, dims, n_dims);
}

/* What is not given follows from the rest: a new model has the tokenizer's ids, and positions for its sequences. */
static gboolean
complete_config (ToolTraining               *self,
                 const ToolVerb             *verb,
                 const ToolTrainingOptions  *options,
                 ToolProperties             *properties,
                 gboolean                    fresh)
{
  g_autoptr (ReformerTrainer) settings = reformer_trainer_new (NULL, NULL);
  g_autoptr (GError) error = NULL;

  if (!tool_properties_apply (properties, verb, G_OBJECT (self->config)) || !tool_properties_apply (properties, verb, G_OBJECT (settings)))
    return FALSE;
  if (fresh && options->config == NULL && tool_properties_get_given (properties, "vocab-size") == NULL)
    reformer_config_set_vocab_size (self->config, reformer_tokenizer_count_ids (self->tokenizer));
  if (fresh && reformer_config_get_axial_pos_embds (self->config))
    choose_positions (self->config, properties, MAX (reformer_trainer_get_sequence_length (settings), reformer_trainer_get_final_sequence_length (settings)));
  if (reformer_config_validate (self->config, &error))
    return TRUE;
  if (tool_properties_find_given (properties, "config", NULL) == NULL)
    tool_message ("%s", error->message);
  else
    tool_usage (verb, "%s", error->message);
  return FALSE;
}

gboolean
tool_training_make_config (ToolTraining               *self,
                           const ToolVerb             *verb,
                           const ToolTrainingOptions  *options,
                           ToolProperties             *properties,
                           GFile                      *from,
                           GCancellable               *cancellable,
                           GError                    **error)
{
  if (!read_config (self, verb, options, from, cancellable, error))
    return FALSE;
  self->tokenizer = from != NULL ? tool_find_tokenizer (from, self->config, cancellable, error) : reformer_byte_tokenizer_new ();
  return self->tokenizer != NULL && complete_config (self, verb, options, properties, from == NULL);
}
