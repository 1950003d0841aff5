/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training-private.h"

#include "data.h"
#include "model-folder.h"

/* A run that goes on: all options come from its file, all state from its newest checkpoint. */

static gboolean
load_config (ToolTraining  *self,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autoptr (GFile) file = g_file_get_child (self->folder, "config.json");
  json_t *values;

  if (g_file_query_exists (file, NULL))
    {
      self->config = reformer_config_load (self->folder, cancellable, error);
      return self->config != NULL;
    }
  self->config = reformer_config_new ();
  return tool_run_get_object (self->run, "config", &values, error) && tool_property_load (G_OBJECT (self->config), values, self->run->name, error);
}

static gboolean
load_data (ToolTraining    *self,
           const ToolVerb  *verb,
           ToolProperties  *properties,
           GCancellable    *cancellable,
           GError         **error)
{
  const char *path;
  ToolData data = { .head = reformer_config_get_head (self->config), .features = reformer_config_get_input_features (self->config), .run = self->run, .fraction = -1 };

  if (!tool_run_get_string (self->run, "data", "path", &path, error))
    return FALSE;
  if (!tool_find_tokenizer (self->folder, self->config, &self->tokenizer, cancellable, error))
    return FALSE;
  data.path = path;
  data.tokenizer = self->tokenizer;
  self->dataset = tool_data_open (&data, properties, verb, error);
  return self->dataset != NULL;
}

static gboolean
load_settings (ToolTraining  *self,
               GError       **error)
{
  ReformerStack *stack = reformer_model_get_stack (self->model);
  json_t *trainer, *schedule, *options;
  const char *name;
  g_auto (GValue) seed = G_VALUE_INIT, keep = G_VALUE_INIT;
  g_autoptr (ReformerOptimizer) optimizer = NULL;
  g_autoptr (ReformerSchedule) made = reformer_schedule_new ();

  if (!tool_run_get_object (self->run, "trainer", &trainer, error) || !tool_run_get_object (self->run, "schedule", &schedule, error) ||
      !tool_run_get_value (self->run, NULL, "seed", REFORMER_TYPE_MODEL, &seed, error) || !tool_run_get_value (self->run, NULL, "keep", REFORMER_TYPE_STACK, &keep, error) ||
      !tool_run_get_string (self->run, "optimizer", "name", &name, error))
    return FALSE;
  options = json_object_get (json_object_get (self->run->root, "optimizer"), "options");
  optimizer = tool_training_make_optimizer (name);
  if (optimizer == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: there is no optimizer \"%s\"", self->run->name, name);
      return FALSE;
    }
  reformer_trainer_set_optimizer (self->trainer, optimizer);
  reformer_trainer_set_schedule (self->trainer, made);
  g_object_set_property (G_OBJECT (self->model), "seed", &seed);
  if (stack != NULL)
    g_object_set_property (G_OBJECT (stack), "keep", &keep);
  return tool_property_load (G_OBJECT (self->trainer), trainer, self->run->name, error) && tool_property_load (G_OBJECT (made), schedule, self->run->name, error) &&
         tool_property_load (G_OBJECT (optimizer), options, self->run->name, error);
}

/* More steps, where they were asked for; FALSE after a message. */
static gboolean
extend (ToolTraining    *self,
        const ToolVerb  *verb,
        ToolProperties  *properties,
        guint            total)
{
  const guint step = reformer_trainer_get_n_steps (self->trainer);
  g_auto (GValue) value = G_VALUE_INIT;
  gboolean automatic;

  /* what was chosen for fewer steps would save a long run all the time */
  reformer_trainer_set_total_steps (self->trainer, total);
  automatic = reformer_trainer_get_checkpoint_interval (self->trainer) == tool_training_choose_checkpoint_interval (self->trainer);
  if (!tool_properties_read (properties, verb, "total-steps", &value))
    return FALSE;
  if (G_IS_VALUE (&value))
    total = g_value_get_uint (&value);
  if (G_IS_VALUE (&value) && total < step)
    {
      tool_usage (verb, "--%s is %u, and %u steps are made", tool_properties_get_given (properties, "total-steps"), total, step);
      return FALSE;
    }
  reformer_trainer_set_total_steps (self->trainer, total);
  if (automatic)
    reformer_trainer_set_checkpoint_interval (self->trainer, tool_training_choose_checkpoint_interval (self->trainer));
  return TRUE;
}

ToolTraining *
tool_training_resume (const ToolVerb             *verb,
                      const ToolTrainingOptions  *options,
                      ToolProperties             *properties,
                      guint64                     limit,
                      GCancellable               *cancellable,
                      GError                    **error)
{
  g_autoptr (ToolTraining) self = tool_training_begin (options);
  json_t *starts;
  guint total;

  self->run = tool_run_load (self->folder, error);
  if (self->run == NULL || !load_config (self, cancellable, error) || !load_data (self, verb, properties, cancellable, error) ||
      !tool_training_make_model (self, options, limit, error) || !load_settings (self, error))
    return NULL;
  total = reformer_trainer_get_total_steps (self->trainer); /* the checkpoint may be older than the file */
  if (!reformer_trainer_resume (self->trainer, cancellable, error) || !extend (self, verb, properties, total))
    return NULL;
  starts = json_object_get (self->run->root, "starts");
  if (!json_is_array (starts))
    {
      starts = json_array ();
      json_object_set_new (self->run->root, "starts", starts);
    }
  json_array_append_new (starts, tool_training_describe_start (self, options));
  json_object_set_new (self->run->root, "trainer", tool_property_save (G_OBJECT (self->trainer)));
  return g_steal_pointer (&self);
}
