/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training.h"

#include "model-folder.h"

#define DEFAULT_PRESET "small"
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

/* NULL: there is none of that name. */
static ReformerOptimizer *
make_optimizer (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (optimizers); i++)
    if (g_str_equal (optimizers[i].name, name))
      return g_object_new (optimizers[i].get_type (), NULL);
  return NULL;
}

void
tool_training_add_properties (ToolProperties *properties)
{
  static const char *const seed[] = { "seed", NULL }, *const keep[] = { "keep", NULL }, *const held_out[] = { "held-out-fraction", NULL };

  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_MODEL, seed);
  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_STACK, keep);
  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_TEXT_DATASET, held_out);
  tool_properties_add (properties, "config", "Options of a new model", REFORMER_TYPE_CONFIG, NULL);
  tool_properties_add (properties, "trainer", "Options of training", REFORMER_TYPE_TRAINER, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (optimizers); i++)
    tool_properties_add (properties, "optimizer", "Options of the optimizer", optimizers[i].get_type (), NULL);
  tool_properties_add (properties, "schedule", "Options of the learning rate", REFORMER_TYPE_SCHEDULE, NULL);
}

/* ---- The folder ---- */

static gboolean
has (GFile      *folder,
     const char *name)
{
  g_autoptr (GFile) file = g_file_get_child (folder, name);

  return g_file_query_exists (file, NULL);
}

static gboolean
check_folder (ToolTraining  *self,
              GError       **error)
{
  if (!has (self->folder, "checkpoints"))
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s has a run already: --resume goes on with it, another folder begins a new one", self->name);
  return FALSE;
}

/* ---- The configuration ---- */

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

/* ---- What learns, on what, and how ---- */

static gboolean
open_data (ToolTraining  *self,
           const char    *name,
           const GValue  *fraction,
           GError       **error)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (name);

  if (G_IS_VALUE (fraction))
    self->dataset = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", file, "tokenizer", self->tokenizer, "held-out-fraction", g_value_get_double (fraction), NULL);
  else
    self->dataset = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", file, "tokenizer", self->tokenizer, NULL);
  return reformer_dataset_count_samples (self->dataset, G_MAXINT, error) >= 0; /* what cannot be read is said before anything is made */
}

static gboolean
make_model (ToolTraining               *self,
            const ToolTrainingOptions  *options,
            guint64                     limit,
            GFile                      *from,
            GCancellable               *cancellable,
            GError                    **error)
{
  self->device = tool_open_device (options->device, limit, error);
  if (self->device == NULL)
    return FALSE;
  self->model = reformer_model_new (self->device, self->config);
  self->trainer = reformer_trainer_new (self->model, self->dataset);
  reformer_trainer_set_folder (self->trainer, self->folder);
  return from == NULL || reformer_model_load_weights (self->model, from, cancellable, error);
}

/* FALSE after a message. */
static gboolean
make_training (ToolTraining               *self,
               const ToolVerb             *verb,
               const ToolTrainingOptions  *options,
               ToolProperties             *properties)
{
  const char *name = options->optimizer != NULL ? options->optimizer : optimizers[0].name;
  g_autoptr (ReformerOptimizer) optimizer = make_optimizer (name);
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
  return TRUE;
}

/* ---- The file of the run ---- */

static json_t *
describe_device (ReformerDevice *device)
{
  return json_pack ("{s:o, s:o, s:o, s:s}", "name", tool_json_string (reformer_device_get_name (device)), "platform", tool_json_string (reformer_device_get_platform (device)),
                    "driver", tool_json_string (reformer_device_get_driver (device)), "kernels", reformer_device_get_kernels (device));
}

static json_t *
describe_start (ToolTraining               *self,
                const ToolTrainingOptions  *options)
{
  json_t *command = json_pack ("[s]", "reformer");

  for (char **word = options->command; *word != NULL; word++)
    json_array_append_new (command, tool_json_string (*word));
  return json_pack ("{s:o, s:o, s:s, s:o, s:i}", "time", tool_run_time (), "command", command, "version", REFORMER_VERSION_S, "device", describe_device (self->device),
                    "step", (int) reformer_trainer_get_step (self->trainer));
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
  json_t *root = self->run->root, *data;
  g_autofree char *identity = reformer_dataset_identify (self->dataset, error), *tokenizer = NULL, *weights = NULL, *path = NULL;
  const char *optimizer = options->optimizer != NULL ? options->optimizer : optimizers[0].name;
  ReformerStack *stack = reformer_model_get_stack (self->model);

  if (identity == NULL)
    return FALSE;
  path = g_file_get_parse_name (reformer_text_dataset_get_file (REFORMER_TEXT_DATASET (self->dataset)));
  tokenizer = reformer_tokenizer_identify (self->tokenizer);
  weights = from != NULL ? g_file_get_parse_name (from) : NULL;
  json_object_set_new (root, "starts", json_pack ("[o]", describe_start (self, options)));
  data = tool_property_save (G_OBJECT (self->dataset));
  json_object_set_new (data, "path", tool_json_string (path));
  json_object_set_new (data, "identity", tool_json_string (identity));
  json_object_set_new (root, "data", data);
  json_object_set_new (root, "tokenizer", tool_json_string (tokenizer));
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

static ToolTraining *
begin (const ToolTrainingOptions *options)
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
  if (options->from != NULL)
    *from = g_file_new_for_commandline_arg (options->from);
  else if (has (self->folder, "config.json"))
    *from = g_object_ref (self->folder);
  if (*from == NULL || (options->preset == NULL && options->config == NULL))
    return TRUE;
  tool_usage (verb, "--%s is for a new model, and %s has one", options->preset != NULL ? "preset" : "config", options->from != NULL ? options->from : self->name);
  return FALSE;
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
  g_autoptr (ReformerOptimizer) sample = make_optimizer (optimizer);
  g_autoptr (ToolTraining) self = begin (options);
  g_autoptr (GFile) from = NULL;
  g_auto (GValue) fraction = G_VALUE_INIT;

  if (sample == NULL)
    {
      tool_usage (verb, "--optimizer is \"%s\", adamw, sgd or adafactor is wanted", optimizer);
      return NULL;
    }
  if (!tool_properties_check_used (properties, verb, "optimizer", G_OBJECT (sample), optimizer) || !tool_properties_read (properties, verb, "held-out-fraction", &fraction))
    return NULL;
  if (!check_folder (self, error) || !find_weights (self, verb, options, &from) || !read_config (self, verb, options, from, cancellable, error))
    return NULL;
  self->tokenizer = from != NULL ? tool_find_tokenizer (from, self->config, cancellable, error) : reformer_byte_tokenizer_new ();
  if (self->tokenizer == NULL || !complete_config (self, verb, options, properties, from == NULL) || !open_data (self, options->data, &fraction, error) ||
      !make_model (self, options, limit, from, cancellable, error) || !make_training (self, verb, options, properties))
    return NULL;
  self->run = tool_run_new (self->folder);
  return describe_run (self, options, from, error) ? g_steal_pointer (&self) : NULL;
}

/* ---- A run that goes on ---- */

static gboolean
load_config (ToolTraining  *self,
             GCancellable  *cancellable,
             GError       **error)
{
  json_t *values;

  if (has (self->folder, "config.json"))
    {
      self->config = reformer_config_load (self->folder, cancellable, error);
      return self->config != NULL;
    }
  self->config = reformer_config_new ();
  return tool_run_get_object (self->run, "config", &values, error) && tool_property_load (G_OBJECT (self->config), values, self->run->name, error);
}

static gboolean
load_data (ToolTraining  *self,
           GCancellable  *cancellable,
           GError       **error)
{
  const char *path;
  g_auto (GValue) fraction = G_VALUE_INIT;

  if (!tool_run_get_string (self->run, "data", "path", &path, error) ||
      !tool_run_get_value (self->run, "data", "held-out-fraction", REFORMER_TYPE_TEXT_DATASET, &fraction, error))
    return FALSE;
  self->tokenizer = tool_find_tokenizer (self->folder, self->config, cancellable, error);
  return self->tokenizer != NULL && open_data (self, path, &fraction, error);
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
  optimizer = make_optimizer (name);
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
  const guint step = reformer_trainer_get_step (self->trainer);
  g_auto (GValue) value = G_VALUE_INIT;

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
  g_autoptr (ToolTraining) self = begin (options);
  json_t *starts;
  guint total;

  self->run = tool_run_load (self->folder, error);
  if (self->run == NULL || !load_config (self, cancellable, error) || !load_data (self, cancellable, error) ||
      !make_model (self, options, limit, NULL, cancellable, error) || !load_settings (self, error))
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
  json_array_append_new (starts, describe_start (self, options));
  json_object_set_new (self->run->root, "trainer", tool_property_save (G_OBJECT (self->trainer)));
  return g_steal_pointer (&self);
}
