/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data.h"
#include "model-folder.h"
#include "progress.h"
#include "property-options.h"
#include "run-file.h"
#include "signals.h"
#include "task.h"
#include "watched-dataset.h"

#include <math.h>

/* reformer evaluate: how well a model predicts a text, or the labels of sequences. */

typedef struct
{
  char     *data, *length, *device, *limit;
  gboolean  exact, json, quiet;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->data);
  g_free (options->length);
  g_free (options->device);
  g_free (options->limit);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

typedef struct
{
  char               *path;      /* of the data */
  char               *identity;  /* that the run's data had; NULL: the data are others */
  char               *folder;    /* of the run */
  ToolRun            *run;       /* NULL: there is none */
  double              fraction;  /* its last part; 0: all of it */
  int                 length;    /* of the run; 0: not known */
  gboolean            exact;     /* LSH layers hash nothing, and see all tokens */
  ReformerModel      *model;
  ReformerTokenizer  *tokenizer;
  ReformerTrainer    *trainer;
  ReformerDataset    *dataset;
  ReformerEvaluation *evaluation;
} Evaluation;

static void
evaluation_clear (Evaluation *self)
{
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->identity, g_free);
  g_clear_pointer (&self->folder, g_free);
  g_clear_pointer (&self->run, tool_run_free);
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->trainer);
  g_clear_object (&self->dataset);
  g_clear_object (&self->evaluation);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Evaluation, evaluation_clear)

/* ---- What is evaluated ---- */

/* What the run has, where there is one, and the command line does not say: its longest sequences, and the data that it held out. */
static gboolean
read_run (Evaluation  *self,
          GFile       *model,
          GError     **error)
{
  g_autoptr (GFile) folder = tool_run_find_folder (model);
  g_autoptr (GError) local = NULL;
  ToolRun *run = self->run = tool_run_load (folder, &local);
  g_auto (GValue) fraction = G_VALUE_INIT, length = G_VALUE_INIT, final = G_VALUE_INIT;
  const char *path;

  if (run == NULL && self->path != NULL && g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return TRUE;
  if (run == NULL)
    {
      const gboolean missing = self->path == NULL && g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);

      g_propagate_prefixed_error (error, g_steal_pointer (&local), "%s", missing ? "without --data it is the run's: " : "");
      return FALSE;
    }
  if (!tool_run_get_value (run, "trainer", "sequence-length", REFORMER_TYPE_TRAINER, &length, error) ||
      !tool_run_get_value (run, "trainer", "final-sequence-length", REFORMER_TYPE_TRAINER, &final, error))
    return FALSE;
  self->length = MAX (g_value_get_int (&length), g_value_get_int (&final));
  if (self->path != NULL)
    return TRUE;
  if (!tool_run_get_string (run, "data", "path", &path, error) ||
      !tool_run_get_value (run, "data", "held-out-fraction", REFORMER_TYPE_TEXT_DATASET, &fraction, error))
    return FALSE;
  self->path = g_strdup (path);
  self->identity = g_strdup (json_string_value (json_object_get (json_object_get (run->root, "data"), "identity")));
  self->folder = g_file_get_parse_name (folder);
  self->fraction = g_value_get_double (&fraction);
  if (self->fraction > 0)
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "%s: the run held no data out; --data is wanted", run->name);
  return FALSE;
}

/* The text at the run's path may have become another, part of which the training saw. */
static gboolean
check_identity (Evaluation  *self,
                GError     **error)
{
  g_autofree char *identity = self->identity != NULL ? reformer_dataset_identify (self->dataset, error) : NULL;

  if (self->identity == NULL)
    return TRUE;
  if (identity == NULL)
    return FALSE;
  if (g_str_equal (identity, self->identity))
    return TRUE;
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "%s is not what the run in %s was trained on: it is \"%s\", and was \"%s\"; --data FILE evaluates it anyway",
               self->path, self->folder, identity, self->identity);
  return FALSE;
}

static gboolean
open_data (Evaluation      *self,
           ToolProperties  *properties,
           ReformerConfig  *config,
           GError         **error)
{
  g_auto (GStrv) classes = self->identity == NULL ? tool_config_list_classes (config) : NULL; /* the run's own data have them */
  const ToolData data = { .head = reformer_config_get_head (config), .features = reformer_config_get_input_features (config), .path = self->path, .tokenizer = self->tokenizer, .run = self->run, .classes = classes, .fraction = self->fraction };

  self->dataset = tool_data_open (&data, properties, &tool_verb_evaluate, error);
  if (self->dataset == NULL || !check_identity (self, error))
    return FALSE;
  if (self->fraction > 0)
    {
      ReformerDataset *held_out = reformer_dataset_get_held_out (self->dataset, error);

      if (held_out == NULL)
        return FALSE;
      g_object_unref (self->dataset);
      self->dataset = held_out;
    }
  return reformer_dataset_count_samples (self->dataset, G_MAXINT, error) >= 0; /* what cannot be read is said before a device is opened */
}

/* Every LSH layer sees all tokens. */
static void
make_exact (Evaluation *self)
{
  GListModel *stack = G_LIST_MODEL (reformer_model_get_stack (self->model));

  for (guint i = 0; i < g_list_model_get_n_items (stack); i++)
    {
      g_autoptr (GObject) branch = g_list_model_get_item (stack, i);

      if (!REFORMER_IS_LSH_ATTENTION (branch))
        continue;
      reformer_lsh_attention_set_exact (REFORMER_LSH_ATTENTION (branch), TRUE);
      self->exact = TRUE;
    }
  if (!self->exact)
    tool_message ("--exact changes nothing: the model has no LSH layer");
}

/* FALSE with an error, or with none after a message about wrong usage. */
static gboolean
prepare (Evaluation      *self,
         ToolProperties  *properties,
         const Options   *options,
         guint64          limit,
         GFile           *folder,
         GCancellable    *cancellable,
         GError         **error)
{
  g_autoptr (ReformerConfig) config = reformer_config_load (folder, cancellable, error);
  g_autoptr (ReformerDevice) device = NULL;

  if (config == NULL || !tool_find_tokenizer (folder, config, &self->tokenizer, cancellable, error))
    return FALSE;
  if (reformer_config_get_head (config) == REFORMER_HEAD_NONE)
    {
      g_autofree char *name = g_file_get_parse_name (folder);

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "%s has no head, so that it predicts nothing", name);
      return FALSE;
    }
  if (!tool_properties_apply (properties, &tool_verb_evaluate, G_OBJECT (config)) || !open_data (self, properties, config, error))
    return FALSE;
  device = tool_open_device (options->device, limit, error);
  if (device == NULL)
    return FALSE;
  self->model = reformer_model_new (device, config);
  if (!reformer_model_load_weights (self->model, folder, cancellable, error))
    return FALSE;
  if (options->exact)
    make_exact (self);
  self->trainer = reformer_trainer_new (self->model, self->dataset);
  tool_fit_length (self->trainer, self->length);
  return tool_properties_apply (properties, &tool_verb_evaluate, G_OBJECT (self->trainer));
}

/* ---- Printing ---- */

static void
print (Evaluation *self,
       gboolean    json)
{
  ReformerEvaluation *evaluation = self->evaluation;
  const ReformerHead head = reformer_model_get_head (self->model);
  const char *unit = tool_get_unit (self->tokenizer);
  const double seconds = reformer_evaluation_get_seconds (evaluation);
  const double speed = seconds > 0 ? (double) reformer_evaluation_get_targets (evaluation) / seconds : 0;

  if (json)
    {
      json_t *object = json_pack ("{s:o, s:s, s:f, s:i, s:b, s:o, s:s, s:I, s:I, s:f, s:f}",
                                  "data", tool_json_string (self->path),
                                  "task", tool_task_get_name (head),
                                  "held_out_fraction", self->fraction,
                                  "sequence_length", reformer_trainer_get_sequence_length (self->trainer),
                                  "exact", self->exact,
                                  "loss", tool_json_number (reformer_evaluation_get_loss (evaluation)),
                                  "unit", unit,
                                  "targets", (json_int_t) reformer_evaluation_get_targets (evaluation),
                                  "samples", (json_int_t) reformer_evaluation_get_samples (evaluation),
                                  "seconds", seconds,
                                  "targets_per_second", speed);

      tool_task_add_metrics (evaluation, object);
      tool_print_json (object);
    }
  else
    {
      g_autofree char *targets = tool_format_count ((double) reformer_evaluation_get_targets (evaluation)), *rate = tool_format_count (speed);
      g_autofree char *name = g_filename_display_name (self->path), *part = NULL;

      part = self->fraction > 0 ? g_strdup_printf (", %s%g of it", tool_task_predicts_tokens (head) ? "the last " : "", self->fraction) : g_strdup ("");

      tool_print_field ("data", "%s%s", name, part);
      if (self->exact)
        tool_print_field ("lsh attention", "exact: nothing is hashed, each token sees all others");
      tool_print_field ("loss", "%.4f", reformer_evaluation_get_loss (evaluation));
      tool_task_print_metrics (evaluation, unit);
      tool_print_field ("targets", "%s, in sequences of at most %d", targets, reformer_trainer_get_sequence_length (self->trainer));
      tool_print_field ("time", "%.1f s, %s %s/s", seconds, rate, tool_task_predicts_tokens (head) ? "tokens" : "targets");
    }
}

/* ---- The verb ---- */

static int
run (int    argc,
     char **argv)
{
  static const char *const names[] = { "sequence-length", "batch-size", NULL }, *const rounds[] = { "num-hashes-evaluation", NULL };
  g_autoptr (ToolProperties) properties = tool_properties_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (ReformerDataset) watched = NULL;
  g_autoptr (GFile) folder = NULL;
  g_auto (Options) options = { NULL };
  g_auto (Evaluation) self = { NULL };
  g_auto (GStrv) arguments = NULL;
  g_auto (GValue) fraction = G_VALUE_INIT;
  GError *error = NULL;
  guint64 limit = 0;
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data, "the text, or the sequences; where it is not given, what the model's own training held out", "FILE" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &options.length, "tokens of a sequence", "N" },
    { "exact", 0, 0, G_OPTION_ARG_NONE, &options.exact, "LSH layers hash nothing and see all tokens, which takes the square of the length", NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    { "memory-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit, "memory to keep to, such as 512M or 4G (the device's)", "SIZE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON", NULL },
    { "quiet", 0, 0, G_OPTION_ARG_NONE, &options.quiet, "show no progress", NULL },
    G_OPTION_ENTRY_NULL,
  };

  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_TRAINER, names);
  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_CONFIG, rounds);
  tool_properties_set_standard (properties, "num-hashes-evaluation", "the model's");
  tool_data_add_properties (properties);
  tool_properties_set_standard (properties, "sequence-length", "the longest of the run");
  tool_properties_set_standard (properties, "held-out-fraction", "all of it");
  if (!tool_parse_properties (&tool_verb_evaluate, entries, properties, argc, argv, &arguments, 1, 1) ||
      !tool_properties_alias (properties, &tool_verb_evaluate, "sequence-length", "length", options.length) ||
      !tool_parse_size (&tool_verb_evaluate, "memory-limit", options.limit, &limit) ||
      !tool_properties_read (properties, &tool_verb_evaluate, "held-out-fraction", &fraction))
    return TOOL_USAGE;
  if (options.data == NULL && (G_IS_VALUE (&fraction) || tool_properties_find_given (properties, "data", NULL) != NULL))
    return tool_usage (&tool_verb_evaluate, "--%s is for --data", G_IS_VALUE (&fraction) ? "held-out-fraction" : tool_properties_find_given (properties, "data", NULL));
  if (options.exact && tool_properties_get_given (properties, "num-hashes-evaluation") != NULL)
    return tool_usage (&tool_verb_evaluate, "--exact and --num-hashes-evaluation exclude each other");
  tool_signals_start ();
  tool_signals_cancel (cancellable);
  tool_progress_start (options.quiet, FALSE);
  tool_progress_announce ("preparing: kernels are compiled at first use");
  folder = g_file_new_for_commandline_arg (arguments[0]);
  if (options.data != NULL)
    {
      self.path = g_strdup (options.data);
      self.fraction = G_IS_VALUE (&fraction) ? g_value_get_double (&fraction) : 0;
    }
  if (!read_run (&self, folder, &error))
    return tool_fail_error (error);
  if (!prepare (&self, properties, &options, limit, folder, cancellable, &error))
    return error != NULL ? tool_signals_end (error) : TOOL_USAGE;
  watched = tool_watched_dataset_new (self.dataset);
  self.evaluation = reformer_trainer_evaluate (self.trainer, watched, cancellable, &error);
  tool_progress_clear ();
  if (self.evaluation == NULL)
    return tool_signals_end (error);
  if (!isfinite (reformer_evaluation_get_loss (self.evaluation)))
    return tool_fail ("the loss is not finite: %s has weights that are no numbers, or are too large", arguments[0]);
  print (&self, options.json);
  return TOOL_DONE;
}

const ToolVerb tool_verb_evaluate = {
  "evaluate",
  "MODEL",
  "Say how well a model predicts a text, or labels",
  "MODEL is the folder of a model, or one of its checkpoints. All of --data is evaluated, or\n"
  "with --held-out-fraction the part that training would not have seen. The loss of a language\n"
  "model is the mean of the natural logarithms of what it gave the tokens that came; bits are the\n"
  "same by logarithms of 2. What else is told depends on the model's task.\n"
  "\n"
  "Example:\n"
  "  reformer evaluate book --data other.txt",
  run,
};
