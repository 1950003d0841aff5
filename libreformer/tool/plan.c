/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training-private.h"
#include "verb.h"

#include <stdio.h>

/* reformer plan: the memory that a length takes, before anything is allocated. The model is made on a planner that is like the device. */

/* Fewer tokens say little about the bytes of each: pieces and padding rule. */
#define SLOPE_LENGTH 2048

#define NO_OPTIMIZER "none"

typedef struct
{
  char     *config, *length, *rows, *keep, *optimizer, *limit, *device;
  gboolean  inference, axial, json;
} Options;

typedef struct
{
  char               *path;
  ReformerConfig     *config;
  char               *axes;   /* the axial shape that --axial chose; NULL: the configuration's own positions */
  ReformerDevice     *planner;
  ReformerDevice     *like;   /* NULL: a plain CPU is assumed */
  ReformerModel      *model;
  char               *optimizer; /* NULL: none */
  ReformerTrainer    *trainer;   /* where there is one */
  gint64              rows, length;
  gboolean            gradients;
  ReformerKeep        wanted;
  guint64             limit;  /* 0: the device's memory */
  ReformerMemoryPlan *plan;
  gint64              most;   /* the longest that fits */
  double              slope;  /* bytes per token, without what any length takes; 0: not known */
} Plan;

static void
plan_clear (Plan *self)
{
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->axes, g_free);
  g_clear_object (&self->config);
  g_clear_object (&self->planner);
  g_clear_object (&self->like);
  g_clear_object (&self->model);
  g_clear_object (&self->trainer);
  g_clear_pointer (&self->optimizer, g_free);
  g_clear_object (&self->plan);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

/* ---- Options ---- */

static void
options_clear (Options *options)
{
  g_free (options->config);
  g_free (options->length);
  g_free (options->rows);
  g_free (options->keep);
  g_free (options->optimizer);
  g_free (options->limit);
  g_free (options->device);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* The one that training takes where none is named; "none" plans gradients alone. */
static gboolean
read_optimizer (Plan       *self,
                const char *name)
{
  g_autoptr (ReformerOptimizer) optimizer = NULL;

  if (!self->gradients || g_strcmp0 (name, NO_OPTIMIZER) == 0)
    return TRUE;
  self->optimizer = g_strdup (name != NULL ? name : "adamw");
  optimizer = tool_training_make_optimizer (self->optimizer);
  if (optimizer == NULL)
    tool_usage (&tool_verb_plan, "--optimizer is \"%s\", adamw, sgd, adafactor or " NO_OPTIMIZER " is wanted", name);
  return optimizer != NULL;
}

static gboolean
read_options (Plan     *self,
              Options  *options,
              char    **arguments)
{
  const ToolVerb *verb = &tool_verb_plan;
  const char *path = options->config != NULL ? options->config : arguments != NULL ? arguments[0] : NULL;

  if (path == NULL || (options->config != NULL && arguments != NULL && arguments[0] != NULL))
    tool_usage (verb, "one model is wanted, by --config or as MODEL");
  else if (options->length == NULL)
    tool_usage (verb, "--length is missing");
  else if (options->inference && (options->keep != NULL || options->optimizer != NULL))
    tool_usage (verb, "%s is for training, --inference keeps nothing", options->keep != NULL ? "--keep" : "--optimizer");
  else
    {
      self->path = g_strdup (path);
      self->rows = 1;
      self->gradients = !options->inference;
      return tool_parse_number (verb, "length", options->length, 1, G_MAXINT32, &self->length) &&
             tool_parse_number (verb, "rows", options->rows, 1, G_MAXINT32, &self->rows) &&
             tool_parse_size (verb, "memory-limit", options->limit, &self->limit) &&
             tool_parse_keep (verb, options->keep, &self->wanted) && read_optimizer (self, options->optimizer);
    }
  return FALSE;
}

/* ---- Model and device ---- */

/* The shape that the library would choose, as text; the configuration then has it. NULL: none would do. */
static char *
choose_axes (ReformerConfig *config,
             gint64          length)
{
  gsize n = 0;
  g_autofree int *old = reformer_config_get_axial_pos_shape (config, &n), *shape = NULL;

  shape = reformer_config_choose_axial_shape (config, length, reformer_config_get_axial_pos_embds (config) && n > 0 ? (guint) n : 2, &n, NULL);
  return shape != NULL ? tool_format_ints (shape, n) : NULL;
}

/* FALSE after a message. */
static gboolean
check_length (Plan     *self,
              gboolean  axial)
{
  const gint64 most = reformer_config_get_max_length (self->config);
  g_autoptr (ReformerConfig) other = reformer_config_copy (self->config);
  g_autofree char *shape = NULL, *name = g_filename_display_name (self->path);
  g_autoptr (GError) error = NULL;

  if (self->length <= most)
    return TRUE;
  shape = choose_axes (other, self->length);
  if (shape == NULL)
    {
      tool_fail ("plan: --length is %" G_GINT64_FORMAT ", %s has positions for %" G_GINT64_FORMAT, self->length, name, most);
      return FALSE;
    }
  if (!axial)
    {
      tool_fail ("plan: --length is %" G_GINT64_FORMAT ", %s has positions for %" G_GINT64_FORMAT "; an axial_pos_shape of %s would do (--axial plans with it)",
                 self->length, name, most, shape);
      return FALSE;
    }
  if (!reformer_config_validate (other, &error))
    {
      tool_fail ("%s", error->message);
      return FALSE;
    }
  self->axes = g_steal_pointer (&shape);
  g_set_object (&self->config, other);
  return TRUE;
}

/* FALSE after a message. */
static gboolean
find_device (Plan       *self,
             const char *wanted)
{
  g_autoptr (GError) error = NULL;

  self->like = wanted != NULL ? reformer_device_find (wanted, &error) : reformer_device_get_default (&error);
  if (self->like == NULL)
    {
      g_autoptr (ReformerDeviceList) list = reformer_device_list_new ();

      if (wanted != NULL || g_list_model_get_n_items (G_LIST_MODEL (list)) > 0)
        {
          tool_fail ("%s", error->message);
          return FALSE;
        }
    }
  self->planner = reformer_device_new_planner (self->like);
  if (self->limit > 0)
    reformer_device_set_memory_limit (self->planner, self->limit);
  return TRUE;
}

static ReformerMemoryPlan *
estimate (Plan    *self,
          gint64   length,
          GError **error)
{
  if (self->trainer == NULL)
    return reformer_model_estimate_memory (self->model, (int) self->rows, length, self->gradients, error);
  reformer_trainer_set_sequence_length (self->trainer, (int) length);
  return reformer_trainer_estimate_memory (self->trainer, error);
}

static gboolean
make_plan (Plan    *self,
           GError **error)
{
  ReformerStack *stack;

  self->model = reformer_model_new (self->planner, self->config);
  stack = reformer_model_get_stack (self->model);
  if (stack != NULL)
    reformer_stack_set_keep (stack, self->wanted);
  if (self->optimizer != NULL)
    {
      g_autoptr (ReformerOptimizer) optimizer = tool_training_make_optimizer (self->optimizer);

      self->trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", self->model, "optimizer", optimizer, NULL);
      reformer_trainer_set_batch_size (self->trainer, (int) self->rows);
    }
  self->plan = estimate (self, self->length, error);
  if (self->plan == NULL)
    return FALSE;
  self->most = self->trainer != NULL ? reformer_trainer_find_max_length (self->trainer, error)
                                     : reformer_model_find_max_length (self->model, (int) self->rows, self->gradients, error);
  if (self->most < 0)
    return FALSE;
  if (self->length >= SLOPE_LENGTH)
    {
      g_autoptr (ReformerMemoryPlan) half = NULL;

      reformer_stack_set_keep (stack, reformer_memory_plan_get_keep (self->plan));
      half = estimate (self, self->length / 2, error);
      if (half == NULL)
        return FALSE;
      self->slope = ((double) reformer_memory_plan_get_total (self->plan) - (double) reformer_memory_plan_get_total (half)) /
                    ((double) self->rows * (double) (self->length - self->length / 2));
    }
  return TRUE;
}

/* ---- Printing ---- */

static void
print_text (Plan *self)
{
  g_autofree char *table = reformer_memory_plan_to_string (self->plan);
  g_autofree char *available = tool_format_bytes (reformer_memory_plan_get_available (self->plan));
  const gint64 positions = reformer_config_get_max_length (self->config);

  tool_print_field ("tokens", "%" G_GINT64_FORMAT " x %" G_GINT64_FORMAT, self->rows, self->length);
  if (self->gradients)
    tool_print_field ("for", "a training step, %s", self->optimizer != NULL ? self->optimizer : "gradients alone, without an optimizer");
  else
    tool_print_field ("for", "inference");
  if (self->gradients)
    tool_print_field ("keep", "%s%s", tool_keep_get_name (reformer_memory_plan_get_keep (self->plan)), self->wanted == REFORMER_KEEP_AUTO ? " (auto)" : "");
  if (self->axes != NULL)
    tool_print_field ("positions", "%" G_GINT64_FORMAT " with an axial_pos_shape of %s", positions, self->axes);
  tool_print_field ("device", "%s, %s kernels", self->like != NULL ? reformer_device_get_name (self->like) : "there is none; a plain CPU is assumed",
                    reformer_device_get_kernels (self->planner));
  printf ("\n%s\n", table);
  if (self->slope > 0)
    tool_print_field ("bytes per token", "%.0f", self->slope);
  tool_print_field (self->limit > 0 ? "memory limit" : "device memory", "%s: %s", available, reformer_memory_plan_get_fits (self->plan) ? "fits" : "does not fit");
  tool_print_field ("longest that fits", "%" G_GINT64_FORMAT " tokens%s", self->most, self->most == positions ? " (all positions)" : "");
}

static void
print_json (Plan *self)
{
  const guint n = reformer_memory_plan_get_n_parts (self->plan);
  json_t *object, *parts = json_object ();
  gsize n_axes = 0;
  g_autofree int *shape = reformer_config_get_axial_pos_embds (self->config) ? reformer_config_get_axial_pos_shape (self->config, &n_axes) : NULL;

  for (guint i = 0; i < n; i++)
    json_object_set_new (parts, reformer_memory_plan_get_part_name (self->plan, i), json_integer ((json_int_t) reformer_memory_plan_get_part_bytes (self->plan, i)));
  object = json_pack ("{s:o, s:I, s:I, s:I, s:o, s:b, s:o, s:{s:o, s:s, s:b}, s:o, s:I, s:I, s:I, s:b, s:I}",
                      "path", tool_json_string (self->path),
                      "rows", (json_int_t) self->rows,
                      "length", (json_int_t) self->length,
                      "positions", (json_int_t) reformer_config_get_max_length (self->config),
                      "axial_pos_shape", tool_json_ints (shape, n_axes),
                      "training", self->gradients,
                      "optimizer", self->optimizer != NULL ? tool_json_string (self->optimizer) : json_null (),
                      "device", "name", self->like != NULL ? tool_json_string (reformer_device_get_name (self->like)) : json_null (),
                      "kernels", reformer_device_get_kernels (self->planner), "assumed", self->like == NULL,
                      "parts_bytes", parts,
                      "total_bytes", (json_int_t) reformer_memory_plan_get_total (self->plan),
                      "largest_tensor_bytes", (json_int_t) reformer_memory_plan_get_largest (self->plan),
                      "available_bytes", (json_int_t) reformer_memory_plan_get_available (self->plan),
                      "fits", reformer_memory_plan_get_fits (self->plan),
                      "max_length", (json_int_t) self->most);
  json_object_set_new (object, "keep", self->gradients ? json_string (tool_keep_get_name (reformer_memory_plan_get_keep (self->plan))) : json_null ());
  json_object_set_new (object, "bytes_per_token", self->slope > 0 ? json_real (self->slope) : json_null ());
  tool_print_json (object);
}

/* The one line that says why it does not fit. */
static int
fail (Plan *self)
{
  const guint64 total = reformer_memory_plan_get_total (self->plan), available = reformer_memory_plan_get_available (self->plan);
  g_autofree char *need = tool_format_bytes (total), *limit = tool_format_bytes (available), *largest = tool_format_bytes (reformer_memory_plan_get_largest (self->plan));
  g_autofree char *most = tool_format_bytes (reformer_device_get_max_allocation (self->planner));
  g_autofree char *length = self->most > 0 ? g_strdup_printf ("the longest that fits is %" G_GINT64_FORMAT " tokens", self->most) : g_strdup ("no length fits");

  if (total <= available)
    return tool_fail ("plan: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " tokens need a tensor of %s, the device takes at most %s at once; %s", self->rows, self->length, largest, most, length);
  return tool_fail ("plan: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " tokens need %s, the %s is %s; %s", self->rows, self->length, need,
                    self->limit > 0 ? "limit" : "device's memory", limit, length);
}

/* ---- The verb ---- */

static int
run (int    argc,
     char **argv)
{
  g_auto (Options) options = { NULL };
  g_auto (Plan) self = { NULL };
  g_auto (GStrv) arguments = NULL;
  g_autoptr (GFile) file = NULL;
  GError *error = NULL;
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &options.config, "a config.json, or the folder of a model", "FILE" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &options.length, "tokens of a sequence", "N" },
    { "rows", 0, 0, G_OPTION_ARG_STRING, &options.rows, "sequences at once (1)", "B" },
    { "inference", 0, 0, G_OPTION_ARG_NONE, &options.inference, "the forward pass alone, not a training step", NULL },
    { "keep", 0, 0, G_OPTION_ARG_STRING, &options.keep, "auto, everything, inputs or nothing of the forward pass (auto)", "WHAT" },
    { "optimizer", 0, 0, G_OPTION_ARG_STRING, &options.optimizer, "adamw, sgd, adafactor, or " NO_OPTIMIZER " for gradients alone (adamw)", "NAME" },
    { "memory-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit, "memory to keep to, such as 512M or 4G (the device's)", "SIZE" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    { "axial", 0, 0, G_OPTION_ARG_NONE, &options.axial, "where the positions are too few, plan with an axial shape that has enough", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON, sizes in bytes", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse (&tool_verb_plan, entries, argc, argv, &arguments, 0, 1) || !read_options (&self, &options, arguments))
    return TOOL_USAGE;
  file = g_file_new_for_commandline_arg (self.path);
  self.config = reformer_config_load (file, NULL, &error);
  if (self.config == NULL)
    return tool_fail_error (error);
  if (!check_length (&self, options.axial) || !find_device (&self, options.device))
    return TOOL_FAILED;
  if (!make_plan (&self, &error))
    return tool_fail_error (error);
  if (options.json)
    print_json (&self);
  else
    print_text (&self);
  return reformer_memory_plan_get_fits (self.plan) ? TOOL_DONE : fail (&self);
}

const ToolVerb tool_verb_plan = {
  "plan",
  "[MODEL]",
  "Say how much memory a length takes, before anything is allocated",
  "The model is MODEL, a folder, or the file of --config. The plan is for a training step\n"
  "(forward and backward pass, and the optimizer's state with its usual settings), or for\n"
  "--inference. Exit status 1: it does not fit.\n"
  "\n"
  "Example:\n"
  "  reformer plan --config config.json --length 1000000 --memory-limit 8G",
  run,
};
