/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model-folder.h"
#include "progress.h"
#include "property-options.h"
#include "run-file.h"
#include "signals.h"
#include "watched-dataset.h"

#include <math.h>

/* reformer evaluate: how well a model predicts a text. */

typedef struct
{
  char     *data, *length, *device, *limit;
  gboolean  json, quiet;
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
  char               *run;       /* its folder */
  double              fraction;  /* its last part; 0: all of it */
  int                 length;    /* of the run; 0: not known */
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
  g_clear_pointer (&self->run, g_free);
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
  g_autoptr (ToolRun) run = tool_run_load (folder, &local);
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
  self->run = g_file_get_parse_name (folder);
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
               self->path, self->run, identity, self->identity);
  return FALSE;
}

static gboolean
open_data (Evaluation  *self,
           GError     **error)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (self->path);

  self->dataset = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", file, "tokenizer", self->tokenizer, "held-out-fraction", self->fraction, NULL);
  if (!check_identity (self, error))
    return FALSE;
  if (self->fraction > 0)
    {
      ReformerDataset *held_out = reformer_dataset_get_held_out (self->dataset, NULL); /* of a file: cannot fail */

      g_object_unref (self->dataset);
      self->dataset = held_out;
    }
  return reformer_dataset_count_samples (self->dataset, G_MAXINT, error) >= 0; /* what cannot be read is said before a device is opened */
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

  self->tokenizer = config != NULL ? tool_find_tokenizer (folder, config, cancellable, error) : NULL;
  if (self->tokenizer == NULL || !open_data (self, error))
    return FALSE;
  device = tool_open_device (options->device, limit, error);
  self->model = device != NULL ? reformer_model_load (device, folder, cancellable, error) : NULL;
  if (self->model == NULL)
    return FALSE;
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
  const char *unit = tool_get_unit (self->tokenizer);
  const double seconds = reformer_evaluation_get_seconds (evaluation);
  const double speed = seconds > 0 ? (double) reformer_evaluation_get_targets (evaluation) / seconds : 0;

  if (json)
    tool_print_json (json_pack ("{s:o, s:f, s:i, s:o, s:o, s:s, s:o, s:I, s:I, s:f, s:f}",
                                "data", tool_json_string (self->path),
                                "held_out_fraction", self->fraction,
                                "sequence_length", reformer_trainer_get_sequence_length (self->trainer),
                                "loss", tool_json_number (reformer_evaluation_get_loss (evaluation)),
                                "bits", tool_json_number (reformer_evaluation_get_bits (evaluation)),
                                "unit", unit,
                                "perplexity", tool_json_number (reformer_evaluation_get_perplexity (evaluation)),
                                "targets", (json_int_t) reformer_evaluation_get_targets (evaluation),
                                "samples", (json_int_t) reformer_evaluation_get_samples (evaluation),
                                "seconds", seconds,
                                "tokens_per_second", speed));
  else
    {
      g_autofree char *targets = tool_format_count ((double) reformer_evaluation_get_targets (evaluation)), *rate = tool_format_count (speed);
      g_autofree char *name = g_filename_display_name (self->path), *key = g_strdup_printf ("bits per %s", unit), *part = self->fraction > 0 ? g_strdup_printf (", the last %g of it", self->fraction) : g_strdup ("");

      tool_print_field ("data", "%s%s", name, part);
      tool_print_field ("loss", "%.4f", reformer_evaluation_get_loss (evaluation));
      tool_print_field (key, "%.4f", reformer_evaluation_get_bits (evaluation));
      tool_print_field ("perplexity", "%.4f", reformer_evaluation_get_perplexity (evaluation));
      tool_print_field ("targets", "%s, in sequences of %d", targets, reformer_trainer_get_sequence_length (self->trainer));
      tool_print_field ("time", "%.1f s, %s tokens/s", seconds, rate);
    }
}

/* ---- The verb ---- */

static int
run (int    argc,
     char **argv)
{
  static const char *const names[] = { "sequence-length", "batch-size", NULL }, *const data_names[] = { "held-out-fraction", NULL };
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
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data, "the text; where it is not given, what the model's own training held out", "FILE" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &options.length, "tokens of a sequence", "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    { "memory-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit, "memory to keep to, such as 512M or 4G (the device's)", "SIZE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON", NULL },
    { "quiet", 0, 0, G_OPTION_ARG_NONE, &options.quiet, "show no progress", NULL },
    G_OPTION_ENTRY_NULL,
  };

  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_TRAINER, names);
  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_TEXT_DATASET, data_names);
  tool_properties_set_standard (properties, "sequence-length", "the longest of the run");
  tool_properties_set_standard (properties, "held-out-fraction", "all of it");
  if (!tool_parse_properties (&tool_verb_evaluate, entries, properties, argc, argv, &arguments, 1, 1) ||
      !tool_properties_alias (properties, &tool_verb_evaluate, "sequence-length", "length", options.length) ||
      !tool_parse_size (&tool_verb_evaluate, "memory-limit", options.limit, &limit) ||
      !tool_properties_read (properties, &tool_verb_evaluate, "held-out-fraction", &fraction))
    return TOOL_USAGE;
  if (options.data == NULL && G_IS_VALUE (&fraction))
    return tool_usage (&tool_verb_evaluate, "--held-out-fraction is for --data");
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
  "Say how well a model predicts a text",
  "MODEL is the folder of a model, or one of its checkpoints. The whole text of --data is\n"
  "evaluated, or its last part with --held-out-fraction. A loss is the mean of the natural\n"
  "logarithms of what the model gave the tokens that came; bits are the same by logarithms\n"
  "of 2.\n"
  "\n"
  "Example:\n"
  "  reformer evaluate book --data other.txt",
  run,
};
