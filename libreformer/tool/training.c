/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training-private.h"

#include "data.h"
#include "model-folder.h"
#include "run-state.h"

#define DEFAULT_STEPS 1000

void
tool_training_free (ToolTraining *self)
{
  g_clear_object (&self->trainer); /* unlocks the folder */
  g_clear_object (&self->dataset);
  g_clear_object (&self->model);
  g_clear_object (&self->config);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->device);
  g_clear_object (&self->folder);
  g_clear_pointer (&self->run, tool_run_free);
  g_free (self->name);
  g_free (self);
}

/* ---- Classes ---- */

static const struct
{
  const char *name;
  GType     (*get_type) (void);
} optimizers[] = {
  { "adamw", reformer_adamw_get_type },
  { "sgd", reformer_sgd_get_type },
  { "adafactor", reformer_adafactor_get_type },
};

ReformerOptimizer *
tool_training_make_optimizer (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (optimizers); i++)
    if (g_str_equal (optimizers[i].name, name))
      return g_object_new (optimizers[i].get_type (), NULL);
  return NULL;
}

void
tool_training_add_properties (ToolProperties *properties)
{
  static const char *const seed[] = { "seed", NULL }, *const keep[] = { "keep", NULL };

  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_MODEL, seed);
  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_STACK, keep);
  tool_data_add_properties (properties);
  tool_properties_add (properties, "config", "Options of a new model", REFORMER_TYPE_CONFIG, NULL);
  tool_properties_add (properties, "trainer", "Options of training", REFORMER_TYPE_TRAINER, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (optimizers); i++)
    tool_properties_add (properties, "optimizer", "Options of the optimizer", optimizers[i].get_type (), NULL);
  tool_properties_add (properties, "schedule", "Options of the learning rate", REFORMER_TYPE_SCHEDULE, NULL);
}

/* ---- The folder ---- */

static gboolean
has_file (GFile      *folder,
          const char *name)
{
  g_autoptr (GFile) file = g_file_get_child (folder, name);

  return g_file_query_exists (file, NULL);
}

/* A run in a checkpoint, or beside the checkpoints of another run, would destroy what that one goes on from. */
static gboolean
check_checkpoint (ToolTraining  *self,
                  GError       **error)
{
  g_autoptr (GFile) run = tool_run_find_folder (self->folder), newest = tool_run_find_newest (run);
  const gboolean inside = !g_file_equal (run, self->folder) && (newest != NULL || has_file (run, TOOL_RUN_FILE));
  g_autofree char *name = g_file_get_parse_name (run), *owner = inside ? g_strdup_printf ("the run in %s", name) : g_strdup ("a run");

  if (has_file (self->folder, "manifest.json") && has_file (self->folder, "trainer.json"))
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s is a checkpoint of %s; another folder is wanted (--from %s begins with its weights)",
                 self->name, owner, self->name);
  else if (inside)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s is among the checkpoints of %s; another folder is wanted", self->name, owner);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_folder (ToolTraining  *self,
              GError       **error)
{
  g_autoptr (GFile) checkpoint = tool_run_find_newest (self->folder);

  if (!check_checkpoint (self, error))
    return FALSE;
  if (checkpoint == NULL)
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s has a run already: --resume goes on with it, another folder begins a new one", self->name);
  return FALSE;
}

/* ---- What learns, on what, and how ---- */

gboolean
tool_training_make_model (ToolTraining               *self,
                          const ToolTrainingOptions  *options,
                          guint64                     limit,
                          GError                    **error)
{
  self->device = tool_open_device (options->device, limit, error);
  if (self->device == NULL)
    return FALSE;
  self->model = reformer_model_new (self->device, self->config);
  self->trainer = reformer_trainer_new (self->model, self->dataset);
  reformer_trainer_set_folder (self->trainer, self->folder);
  return TRUE;
}

guint
tool_training_choose_checkpoint_interval (ReformerTrainer *trainer)
{
  const guint tenth = reformer_trainer_get_total_steps (trainer) / 10, evaluation = reformer_trainer_get_evaluation_interval (trainer);

  if (evaluation == 0 || tenth == 0)
    return tenth;
  return evaluation > G_MAXUINT - tenth ? evaluation : (tenth + evaluation - 1) / evaluation * evaluation;
}

/* FALSE after a message. */
static gboolean
make_training (ToolTraining               *self,
               const ToolVerb             *verb,
               const ToolTrainingOptions  *options,
               ToolProperties             *properties)
{
  const char *name = options->optimizer != NULL ? options->optimizer : optimizers[0].name;
  g_autoptr (ReformerOptimizer) optimizer = tool_training_make_optimizer (name);
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();
  ReformerStack *stack = reformer_model_get_stack (self->model);

  tool_fit_length (self->trainer, 0);
  if (!tool_properties_apply (properties, verb, G_OBJECT (self->model)) || !tool_properties_apply (properties, verb, G_OBJECT (optimizer)) ||
      !tool_properties_apply (properties, verb, G_OBJECT (schedule)) || !tool_properties_apply (properties, verb, G_OBJECT (self->trainer)) ||
      (stack != NULL && !tool_properties_apply (properties, verb, G_OBJECT (stack))))
    return FALSE;
  reformer_trainer_set_optimizer (self->trainer, optimizer);
  reformer_trainer_set_schedule (self->trainer, schedule);
  if (reformer_trainer_get_total_steps (self->trainer) == 0)
    reformer_trainer_set_total_steps (self->trainer, DEFAULT_STEPS);
  if (tool_properties_get_given (properties, "checkpoint-interval") == NULL)
    reformer_trainer_set_checkpoint_interval (self->trainer, tool_training_choose_checkpoint_interval (self->trainer));
  return TRUE;
}

/* ---- The file of the run ---- */

static json_t *
describe_device (ReformerDevice *device)
{
  return json_pack ("{s:o, s:o, s:o, s:s}", "name", tool_json_string (reformer_device_get_name (device)), "platform", tool_json_string (reformer_device_get_platform (device)),
                    "driver", tool_json_string (reformer_device_get_driver (device)), "kernels", reformer_device_get_kernels (device));
}

json_t *
tool_training_describe_start (ToolTraining               *self,
                              const ToolTrainingOptions  *options)
{
  json_t *command = json_pack ("[s]", "reformer");

  for (char **word = options->command; *word != NULL; word++)
    json_array_append_new (command, tool_json_string (*word));
  return json_pack ("{s:o, s:o, s:s, s:o, s:i}", "time", tool_run_time (), "command", command, "version", REFORMER_VERSION_S, "device", describe_device (self->device),
                    "step", (int) reformer_trainer_get_n_steps (self->trainer));
}

static json_t *
save_one (GObject    *object,
          const char *name)
{
  json_auto_t *all = tool_property_save (object);

  return json_incref (json_object_get (all, name));
}

static gboolean
describe_run (ToolTraining               *self,
              const ToolTrainingOptions  *options,
              GFile                      *from,
              GError                    **error)
{
  json_t *root = self->run->root;
  g_autofree char *tokenizer = NULL, *weights = NULL;
  const char *optimizer = options->optimizer != NULL ? options->optimizer : optimizers[0].name;
  ReformerStack *stack = reformer_model_get_stack (self->model);

  if (!tool_data_describe (self->dataset, self->run, error))
    return FALSE;
  tokenizer = self->tokenizer != NULL ? reformer_tokenizer_identify (self->tokenizer, NULL) : NULL;
  weights = from != NULL ? g_file_get_parse_name (from) : NULL;
  json_object_set_new (root, "starts", json_pack ("[o]", tool_training_describe_start (self, options)));
  json_object_set_new (root, "tokenizer", tokenizer != NULL ? tool_json_string (tokenizer) : json_null ());
  json_object_set_new (root, "weights", weights != NULL ? tool_json_string (weights) : json_null ()); /* what it began with; null: drawn */
  json_object_set_new (root, "seed", save_one (G_OBJECT (self->model), "seed"));
  json_object_set_new (root, "config", tool_property_save (G_OBJECT (self->config)));
  json_object_set_new (root, "keep", save_one (G_OBJECT (stack), "keep"));
  json_object_set_new (root, "trainer", tool_property_save (G_OBJECT (self->trainer)));
  json_object_set_new (root, "optimizer", json_pack ("{s:s, s:o}", "name", optimizer, "options", tool_property_save (G_OBJECT (reformer_trainer_get_optimizer (self->trainer)))));
  json_object_set_new (root, "schedule", tool_property_save (G_OBJECT (reformer_trainer_get_schedule (self->trainer))));
  return TRUE;
}

gboolean
tool_training_save_run (ToolTraining  *self,
                        GError       **error)
{
  return tool_run_save (self->run, self->folder, error);
}

/* ---- A new run ---- */

ToolTraining *
tool_training_begin (const ToolTrainingOptions *options)
{
  ToolTraining *self = g_new0 (ToolTraining, 1);

  self->folder = g_file_new_for_commandline_arg (options->model);
  self->name = g_file_get_parse_name (self->folder);
  return self;
}

/* The folder whose weights it begins with; NULL: none. FALSE after a message. */
static gboolean
find_weights (ToolTraining               *self,
              const ToolVerb             *verb,
              const ToolTrainingOptions  *options,
              GFile                     **from)
{
  g_autoptr (GFile) config = g_file_get_child (self->folder, "config.json");

  if (options->from != NULL)
    *from = g_file_new_for_commandline_arg (options->from);
  else if (g_file_query_exists (config, NULL))
    *from = g_object_ref (self->folder);
  if (*from == NULL || (options->preset == NULL && options->config == NULL))
    return TRUE;
  tool_usage (verb, "--%s is for a new model, and %s has one", options->preset != NULL ? "preset" : "config", options->from != NULL ? options->from : self->name);
  return FALSE;
}

/* A model that learns something else than it did begins with all but its head. */
static gboolean
load_weights (ToolTraining  *self,
              GFile         *from,
              GCancellable  *cancellable,
              GError       **error)
{
  return self->new_head ? reformer_model_load_body (self->model, from, cancellable, error) : reformer_model_load_weights (self->model, from, cancellable, error);
}

ToolTraining *
tool_training_new (const ToolVerb             *verb,
                   const ToolTrainingOptions  *options,
                   ToolProperties             *properties,
                   guint64                     limit,
                   GCancellable               *cancellable,
                   GError                    **error)
{
  const char *optimizer = options->optimizer != NULL ? options->optimizer : optimizers[0].name;
  g_autoptr (ReformerOptimizer) sample = tool_training_make_optimizer (optimizer);
  g_autoptr (ToolTraining) self = tool_training_begin (options);
  g_autoptr (GFile) from = NULL;

  if (sample == NULL)
    {
      tool_usage (verb, "--optimizer is \"%s\", adamw, sgd or adafactor is wanted", optimizer);
      return NULL;
    }
  if (!tool_properties_check_used (properties, verb, "optimizer", G_OBJECT (sample), optimizer))
    return NULL;
  if (!check_folder (self, error) || !find_weights (self, verb, options, &from) || !tool_training_make_config (self, verb, options, properties, from, cancellable, error) ||
      !tool_training_make_model (self, options, limit, error) ||
      !make_training (self, verb, options, properties) || !reformer_model_prepare (self->model, error) || /* what it draws is the seed's */
      (from != NULL && !load_weights (self, from, cancellable, error)))
    return NULL;
  self->run = tool_run_new (self->folder);
  return describe_run (self, options, from, error) ? g_steal_pointer (&self) : NULL;
}
