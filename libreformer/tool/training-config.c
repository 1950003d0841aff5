/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training-private.h"

#include "data.h"
#include "model-folder.h"
#include "task.h"

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

/* Axes that share another width of the model as they shared the old one. */
static void
scale_axes (ReformerConfig *config)
{
  const gint64 hidden = reformer_config_get_hidden_size (config);
  gsize n;
  g_autofree int *dims = reformer_config_get_axial_pos_embds_dim (config, &n);
  gint64 width = 0, rest = hidden;

  for (gsize i = 0; i < n; i++)
    width += dims[i];
  if (width <= 0 || width == hidden)
    return;
  for (gsize i = 0; i < n; i++)
    {
      dims[i] = (int) (i + 1 < n ? hidden * dims[i] / width : rest); /* what is not positive then is for validation to say */
      rest -= dims[i];
    }
  reformer_config_set_axial_pos_embds_dim (config, dims, n);
}

/* Positions for the longest sequence, in axes as wide as the model, where the command line leaves them open. */
static void
choose_positions (ReformerConfig  *config,
                  ToolProperties  *properties,
                  int              length)
{
  g_autofree int *old = NULL, *chosen = NULL;
  gsize n;

  if (tool_properties_get_given (properties, "axial-pos-embds-dim") == NULL)
    scale_axes (config);
  old = reformer_config_get_axial_pos_shape (config, &n);
  if (n > 0 && length > reformer_config_get_max_length (config) && tool_properties_get_given (properties, "axial-pos-shape") == NULL)
    chosen = reformer_config_choose_axial_shape (config, length, (guint) n, NULL, NULL);
}

/* Other sizes than those of the weights that it begins with cannot be had. FALSE after a message. */
static gboolean
check_sizes (ReformerConfig  *config,
             ReformerConfig  *old,
             const ToolVerb  *verb,
             ToolProperties  *properties,
             GFile           *from)
{
  static const char *const sizes[] = { "vocab-size", "input-features", "hidden-size", "num-attention-heads", "attention-head-size", "feed-forward-size", "axial-pos-shape",
                                       "axial-pos-embds-dim", "max-position-embeddings" };
  g_autofree char *name = g_file_get_parse_name (from);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (config), sizes[i]);
      const char *given = tool_properties_get_given (properties, sizes[i]);
      g_auto (GValue) value = G_VALUE_INIT, former = G_VALUE_INIT;
      g_autofree char *text = NULL, *was = NULL;

      if (given == NULL)
        continue;
      g_object_get_property (G_OBJECT (config), sizes[i], &value);
      g_object_get_property (G_OBJECT (old), sizes[i], &former);
      text = tool_property_format (pspec, &value);
      was = tool_property_format (pspec, &former);
      if (g_strcmp0 (text, was) == 0)
        continue;
      tool_usage (verb, "--%s is %s, and the weights of %s, which it begins with, have %s", given, text, name, was);
      return FALSE;
    }
  return TRUE;
}

/* The options. Another task than language sees both ways, where nothing else is said: the first token, of which a class is made, would see nothing but itself. FALSE after a
 * message. */
static gboolean
apply_options (ToolTraining    *self,
               const ToolVerb  *verb,
               ToolProperties  *properties,
               GFile           *from)
{
  g_autoptr (ReformerConfig) old = reformer_config_copy (self->config);
  gboolean causal;

  if (!tool_properties_apply (properties, verb, G_OBJECT (self->config)) || (from != NULL && !check_sizes (self->config, old, verb, properties, from)))
    return FALSE;
  self->new_head = from == NULL || reformer_config_get_head (self->config) != reformer_config_get_head (old) ||
                   reformer_config_get_num_labels (self->config) != reformer_config_get_num_labels (old);
  causal = reformer_config_get_head (self->config) == REFORMER_HEAD_LANGUAGE;
  if (!self->new_head || tool_properties_get_given (properties, "head") == NULL || tool_properties_get_given (properties, "is-decoder") != NULL ||
      reformer_config_get_is_decoder (self->config) == causal)
    return TRUE;
  reformer_config_set_is_decoder (self->config, causal);
  if (from != NULL)
    tool_message ("the weights are of a model that %s, and the new one %s (--%sis-decoder leaves it so)", causal ? "sees both ways" : "is causal",
                  causal ? "is causal" : "sees both ways", causal ? "no-" : "");
  return TRUE;
}

/* The data of the task; a new model has their tokenizer. FALSE with an error, or with none after a message. */
static gboolean
open_data (ToolTraining               *self,
           const ToolVerb             *verb,
           const ToolTrainingOptions  *options,
           ToolProperties             *properties,
           GError                    **error)
{
  g_auto (GStrv) classes = self->new_head ? NULL : tool_config_list_classes (self->config);
  const ToolData data = { .head = reformer_config_get_head (self->config), .features = reformer_config_get_input_features (self->config), .path = options->data, .tokenizer = self->tokenizer, .classes = classes, .fraction = -1 };

  if (data.head == REFORMER_HEAD_NONE)
    {
      tool_usage (verb, "the model has no head, so that it cannot learn; --task says what it is to learn");
      return FALSE;
    }
  if (data.features > 0 && tool_task_predicts_tokens (data.head))
    {
      tool_usage (verb, "a model of vectors (input_features is %d) has no ids to predict; --task is %s, classification, regression, multi-label, spans, tokens or values is wanted", data.features,
                  tool_task_get_name (data.head));
      return FALSE;
    }
  self->dataset = tool_data_open (&data, properties, verb, error);
  if (self->dataset != NULL && self->tokenizer == NULL) /* vectors have none */
    g_set_object (&self->tokenizer, reformer_dataset_get_tokenizer (self->dataset));
  return self->dataset != NULL;
}

/* As many labels as the data have: a new head follows them. */
static gboolean
choose_labels (ToolTraining    *self,
               ToolProperties  *properties,
               const char      *path,
               GError         **error)
{
  const ReformerHead head = reformer_config_get_head (self->config);
  const gboolean classes = head == REFORMER_HEAD_CLASSIFICATION || head == REFORMER_HEAD_TOKENS;
  const int n = tool_data_count_labels (self->dataset, error);
  int wanted;

  if (n <= 0)
    return n == 0;
  if (head == REFORMER_HEAD_CLASSIFICATION && n < 2)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "%s: there is only one class; 2 or more are wanted for classification", path);
      return FALSE;
    }
  if (self->new_head && tool_properties_get_given (properties, "num-labels") == NULL)
    reformer_config_set_num_labels (self->config, n);
  wanted = reformer_config_get_num_labels (self->config);
  if (n == wanted || (classes && n < wanted))
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "%s has %d %s, and num_labels of the model is %d", path, n, classes ? "classes" : "labels", wanted);
  return FALSE;
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

  if (!tool_properties_apply (properties, verb, G_OBJECT (settings)))
    return FALSE;
  if (fresh && self->tokenizer != NULL && options->config == NULL && tool_properties_get_given (properties, "vocab-size") == NULL)
    reformer_config_set_vocab_size (self->config, reformer_tokenizer_count_ids (self->tokenizer, NULL));
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

/* What the classes are called goes into the configuration, and with it into every folder of the model. */
static gboolean
name_classes (ToolTraining  *self,
              GError       **error)
{
  g_auto (GStrv) classes = tool_data_list_classes (self->dataset);
  ReformerConfig *named;

  if (classes == NULL)
    return TRUE;
  named = tool_config_name_classes (self->config, classes, error);
  if (named == NULL)
    return FALSE;
  g_object_unref (self->config);
  self->config = named;
  return TRUE;
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
  const gboolean fresh = from == NULL;

  if (!read_config (self, verb, options, from, cancellable, error))
    return FALSE;
  return (fresh || tool_find_tokenizer (from, self->config, &self->tokenizer, cancellable, error)) && apply_options (self, verb, properties, from) && open_data (self, verb, options, properties, error) &&
         choose_labels (self, properties, options->data, error) && complete_config (self, verb, options, properties, fresh) && (!self->new_head || name_classes (self, error));
}
