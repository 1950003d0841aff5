/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model-folder.h"
#include "progress.h"
#include "signals.h"
#include "task.h"
#include "training.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>

/* reformer train: a new model, one that learns more, or a run that goes on. */

typedef struct
{
  ToolTraining *training;
  ReformerHead  head;
  const char   *unit;          /* byte, or token */
  GCancellable *cancellable;
  GError       *error;         /* of the file of the run */
  gboolean      written;       /* that file */
  double        mean, weight;  /* of the last losses */
  double        memory;
  gint64        start;
  gint64        tokens;        /* at the start */
  guint         step;          /* at the start */
  guint         shown;         /* the last step that the progress showed; 0: none */
  gboolean      idle;          /* there was nothing to do */
} Train;

/* About so many steps are in the mean that the progress shows: the loss of a single one jumps. */
#define MEAN_STEPS 20

/* ---- While it trains ---- */

static char *
describe_progress (Train *self)
{
  ReformerTrainer *trainer = self->training->trainer;
  const double remaining = reformer_trainer_get_remaining_seconds (trainer);
  g_autofree char *rate = tool_format_count (reformer_trainer_get_tokens_per_second (trainer)), *left = tool_format_duration (remaining);
  g_autofree char *memory = g_strdup_printf ("%.0f MiB", self->memory / (1 << 20)), *loss = tool_task_format_loss (self->head, self->mean / self->weight, 2, self->unit);

  return g_strdup_printf ("step %u/%u  %s  %s tokens/s  %s%s%s%s", reformer_trainer_get_n_steps (trainer), reformer_trainer_get_total_steps (trainer), loss, rate, memory,
                          remaining >= 0 ? "  " : "", remaining >= 0 ? left : "", remaining >= 0 ? " left" : "");
}

static void
show_progress (Train *self)
{
  g_autofree char *text = describe_progress (self);
  const guint total = reformer_trainer_get_total_steps (self->training->trainer);

  self->shown = reformer_trainer_get_n_steps (self->training->trainer);
  tool_progress_show (total > 0 ? (double) reformer_trainer_get_n_steps (self->training->trainer) / total : -1, text);
}

static void
made_step (ReformerTrainer        *trainer,
           ReformerTrainingRecord *record,
           Train                  *self)
{
  const double loss = reformer_training_record_get_loss (record), fresh = 1.0 / MEAN_STEPS;

  if (reformer_training_record_get_skipped (record))
    tool_progress_print ("step %u: the loss or its gradient is no finite number; the step is left out", reformer_training_record_get_step (record));
  if (isfinite (loss))
    {
      self->mean += fresh * (loss - self->mean);
      self->weight += fresh * (1 - self->weight);
    }
  self->memory = (double) reformer_training_record_get_memory (record);
  if (self->weight > 0 && tool_progress_is_due ())
    show_progress (self);
}

static void
evaluated (ReformerTrainer    *trainer,
           ReformerEvaluation *evaluation,
           Train              *self)
{
  g_autofree char *loss = tool_task_format_loss (self->head, reformer_evaluation_get_loss (evaluation), 3, self->unit), *metrics = tool_task_format_metrics (evaluation);

  tool_progress_print ("step %u  held out: %s%s%s%s", reformer_evaluation_get_step (evaluation), loss, metrics[0] != '\0' ? ", " : "", metrics,
                       reformer_evaluation_get_best (evaluation) ? ", the best so far" : "");
}

/* The folder is ours now: before, it may be another run's. */
static void
running (ReformerTrainer *trainer,
         GParamSpec      *pspec,
         Train           *self)
{
  if (self->written || !reformer_trainer_get_running (trainer))
    return;
  self->written = TRUE;
  if (!tool_training_save_run (self->training, &self->error))
    g_cancellable_cancel (self->cancellable);
}

/* ---- The end ---- */

/* What the option said: auto becomes one of the others at the first step. */
static const char *
find_keep_option (Train *self)
{
  const char *text = json_string_value (json_object_get (self->training->run->root, "keep"));

  return text != NULL ? text : "auto";
}

static const char *
find_keep (Train *self)
{
  return tool_keep_get_name (reformer_stack_get_keep (reformer_model_get_stack (self->training->model)));
}

/* A loss in bits, where it has any. */
static json_t *
bits_of (Train  *self,
         double  loss)
{
  return tool_task_predicts_tokens (self->head) ? tool_json_number (loss / G_LN2) : json_null ();
}

static void
print_json (Train *self)
{
  ReformerTrainer *trainer = self->training->trainer;
  g_autoptr (GEnumClass) reasons = g_type_class_ref (REFORMER_TYPE_STOP_REASON);
  const double seconds = (double) (g_get_monotonic_time () - self->start) / G_USEC_PER_SEC, loss = self->weight > 0 ? reformer_trainer_get_loss (trainer) : (double) NAN;
  const gint64 tokens = reformer_trainer_get_tokens (trainer);
  const ReformerStopReason stop = self->idle ? REFORMER_STOP_REASON_NONE : reformer_trainer_get_stop_reason (trainer);
  const guint best = reformer_trainer_get_best_step (trainer);
  json_t *object = json_pack ("{s:o, s:s, s:I, s:I, s:s, s:o, s:o, s:s}",
                              "folder", tool_json_string (self->training->name),
                              "task", tool_task_get_name (self->head),
                              "steps", (json_int_t) reformer_trainer_get_n_steps (trainer),
                              "first_step", (json_int_t) self->step,
                              "stop", g_enum_get_value (reasons, (int) stop)->value_nick,
                              "loss", tool_json_number (loss),
                              "bits", bits_of (self, loss),
                              "unit", self->unit);

  json_object_set_new (object, "best", best > 0 ? json_pack ("{s:I, s:o, s:o}", "step", (json_int_t) best, "loss", tool_json_number (reformer_trainer_get_best_loss (trainer)),
                                                             "bits", bits_of (self, reformer_trainer_get_best_loss (trainer)))
                                                : json_null ());
  json_object_set_new (object, "tokens", json_integer ((json_int_t) tokens));
  json_object_set_new (object, "seconds", json_real (seconds));
  json_object_set_new (object, "tokens_per_second", json_real (seconds > 0 ? (double) (tokens - self->tokens) / seconds : 0));
  json_object_set_new (object, "skipped", json_integer ((json_int_t) reformer_trainer_get_n_skipped (trainer)));
  json_object_set_new (object, "keep", json_string (find_keep (self)));
  json_object_set_new (object, "keep_option", json_string (find_keep_option (self)));
  json_object_set_new (object, "memory_bytes", json_integer ((json_int_t) self->memory));
  json_object_set_new (object, "parameters", json_integer ((json_int_t) reformer_model_get_n_parameters (self->training->model)));
  tool_print_json (object);
}

/* What the shell must be given for a name. */
static char *
quote (const char *name)
{
  static const char plain[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/._-+,:@%";

  return name[0] != '\0' && name[0] != '-' && strspn (name, plain) == strlen (name) ? g_strdup (name) : g_shell_quote (name);
}

/* Whether the weights of the best evaluation were saved. */
static gboolean
has_best (Train *self,
          guint  step)
{
  g_autofree char *name = g_strdup_printf ("checkpoints/step-%u", step);
  g_autoptr (GFile) file = g_file_resolve_relative_path (self->training->folder, name);

  return g_file_query_exists (file, NULL);
}

static void
print_text (Train                     *self,
            const ToolTrainingOptions *options)
{
  ReformerTrainer *trainer = self->training->trainer;
  const guint best = reformer_trainer_get_best_step (trainer);
  g_autofree char *name = g_filename_display_name (options->model), *quoted = quote (name);
  g_autofree char *time = tool_format_duration ((double) (g_get_monotonic_time () - self->start) / G_USEC_PER_SEC);
  g_autofree char *parameters = tool_format_count ((double) reformer_model_get_n_parameters (self->training->model));
  g_autofree char *tokens = tool_format_count ((double) reformer_trainer_get_tokens (trainer));

  tool_print_field ("model", "%s: %s parameters", name, parameters);
  tool_print_field ("steps", "%u%s; %s tokens, %s", reformer_trainer_get_n_steps (trainer),
                    reformer_trainer_get_stop_reason (trainer) == REFORMER_STOP_REASON_PATIENCE ? ", the evaluations stopped getting better" : "", tokens, time);
  if (self->weight > 0)
    {
      g_autofree char *loss = tool_task_format_loss (self->head, self->mean / self->weight, 3, self->unit);

      tool_print_field ("training", "%s, the mean of the last steps", loss);
    }
  if (best > 0)
    {
      g_autofree char *loss = tool_task_format_loss (self->head, reformer_trainer_get_best_loss (trainer), 3, self->unit);

      tool_print_field ("held out", "%s at step %u, the best%s", loss, best, best < reformer_trainer_get_n_steps (trainer) && has_best (self, best) ? ": checkpoints/best" : "");
    }
  tool_print_field ("keep", "%s%s", find_keep (self), g_str_equal (find_keep_option (self), "auto") ? " (auto)" : "");
  printf ("\nTry next:\n");
  if (self->head == REFORMER_HEAD_LANGUAGE)
    printf ("  reformer generate %s --prompt \"In the beginning \"\n", quoted);
  printf ("  reformer evaluate %s --data FILE\n"
          "  reformer info %s\n",
          quoted, quoted);
}

/* After a signal; what was made is saved. */
static int
stop (Train                     *self,
      const ToolTrainingOptions *options)
{
  ReformerTrainer *trainer = self->training->trainer;
  const int status = tool_signals_get_status ();
  const guint step = reformer_trainer_get_n_steps (trainer);
  g_autofree char *name = g_filename_display_name (options->model), *quoted = quote (name);
  GError *error = NULL;

  if (step == 0)
    tool_message ("stopped before the first step; there is nothing to save");
  else if (!reformer_trainer_save_checkpoint (trainer, NULL, &error))
    return tool_fail_error (error);
  else
    tool_message ("saved at step %u; go on with: reformer train %s --resume", step, quoted);
  if (options->json)
    print_json (self);
  return status;
}

static int
finish (Train                     *self,
        const ToolTrainingOptions *options)
{
  if (options->json)
    print_json (self);
  else if (!options->quiet)
    print_text (self, options);
  return TOOL_DONE;
}

/* ---- The verb ---- */

static int
train (ToolTraining              *training,
       const ToolTrainingOptions *options,
       GCancellable              *cancellable)
{
  ReformerTrainer *trainer = training->trainer;
  Train self = { .training = training, .head = reformer_model_get_head (training->model), .unit = tool_get_unit (training->tokenizer), .cancellable = cancellable, .start = g_get_monotonic_time (),
                 .tokens = reformer_trainer_get_tokens (trainer), .step = reformer_trainer_get_n_steps (trainer) };
  const guint total = reformer_trainer_get_total_steps (trainer);
  GError *error = NULL;
  gboolean done;

  g_signal_connect (trainer, "step", G_CALLBACK (made_step), &self);
  g_signal_connect (trainer, "evaluated", G_CALLBACK (evaluated), &self);
  g_signal_connect (trainer, "notify::running", G_CALLBACK (running), &self);
  /* where all steps are made, an evaluation or a checkpoint after the last one may have been cut short; the trainer refuses if not */
  done = reformer_trainer_train (trainer, self.step < total ? total - self.step : 1, cancellable, &error);
  if (self.weight > 0 && done && self.shown != reformer_trainer_get_n_steps (trainer))
    show_progress (&self); /* in a pipe the last line is the last step's */
  tool_progress_clear ();
  if (self.error != NULL)
    {
      g_clear_error (&error);
      return tool_fail_error (self.error);
    }
  self.idle = !done && self.step >= total && g_error_matches (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  if (self.idle)
    {
      g_error_free (error);
      tool_message ("all %u steps are made; --steps asks for more", self.step);
    }
  if (done || self.idle)
    return finish (&self, options);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && tool_signals_get_status () != 0)
    {
      g_error_free (error);
      return stop (&self, options);
    }
  return tool_fail_error (error);
}

/* FALSE after a message. */
static gboolean
check_options (const ToolTrainingOptions *options,
               ToolProperties            *properties)
{
  static const char *const may[] = { "total-steps", NULL };
  const ToolVerb *verb = &tool_verb_train;
  const struct { const char *name, *value; } others[] = { { "data", options->data },     { "preset", options->preset }, { "config", options->config },
                                                          { "from", options->from }, { "task", options->task },     { "optimizer", options->optimizer } };
  const char *given = tool_properties_find_given (properties, NULL, may);

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (others[i].value != NULL)
      given = others[i].name;
  if (options->resume && given != NULL)
    tool_usage (verb, "--%s cannot be given with --resume, which takes it from the run; --steps, --device, --memory-limit, --json and --quiet can", given);
  else if (!options->resume && options->data == NULL)
    tool_usage (verb, "--data is missing");
  else if (options->preset != NULL && options->config != NULL)
    tool_usage (verb, "--preset and --config exclude each other");
  else
    return TRUE;
  return FALSE;
}

static int
work (ToolTrainingOptions *options,
      ToolProperties      *properties,
      guint64              limit)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (ToolTraining) training = NULL;
  GError *error = NULL;

  tool_signals_start ();
  signal (SIGPIPE, SIG_IGN); /* who reads the progress may go, the training stays */
  tool_progress_start (options->quiet, TRUE);
  tool_progress_announce ("preparing: kernels are compiled at first use");
  if (options->resume)
    training = tool_training_resume (&tool_verb_train, options, properties, limit, cancellable, &error);
  else
    training = tool_training_new (&tool_verb_train, options, properties, limit, cancellable, &error);
  if (training == NULL)
    return error != NULL ? tool_fail_error (error) : TOOL_USAGE;
  tool_signals_cancel (cancellable);
  return train (training, options, cancellable);
}

static void
options_clear (ToolTrainingOptions *options)
{
  g_free (options->model);
  g_free (options->data);
  g_free (options->task);
  g_free (options->preset);
  g_free (options->config);
  g_free (options->from);
  g_free (options->optimizer);
  g_free (options->length);
  g_free (options->steps);
  g_free (options->device);
  g_free (options->limit);
  g_strfreev (options->command);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolTrainingOptions, options_clear)

static int
run (int    argc,
     char **argv)
{
  const ToolVerb *verb = &tool_verb_train;
  g_autoptr (ToolProperties) properties = tool_properties_new ();
  g_auto (ToolTrainingOptions) options = { NULL };
  g_auto (GStrv) arguments = NULL;
  guint64 limit = 0;
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data, "the text, or the sequences, to train on", "FILE" },
    { "task", 0, 0, G_OPTION_ARG_STRING, &options.task, "what a new model learns: language, masked-language, classification, regression, multi-label, spans, tokens or values (language)", "NAME" },
    { "steps", 0, 0, G_OPTION_ARG_STRING, &options.steps, "steps in all (1000)", "N" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &options.length, "tokens of a sequence (1024)", "N" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &options.resume, "go on with the run in MODEL; all else is taken from there", NULL },
    { "preset", 0, 0, G_OPTION_ARG_STRING, &options.preset, "kind of a new model (small)", "NAME" },
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &options.config, "config.json of a new model, in place of a preset", "FILE" },
    { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.from, "begin with the weights of this model", "FOLDER" },
    { "optimizer", 0, 0, G_OPTION_ARG_STRING, &options.optimizer, "adamw, sgd or adafactor (adamw)", "NAME" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    { "memory-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit, "memory to keep to, such as 512M or 4G (the device's)", "SIZE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON at the end", NULL },
    { "quiet", 0, 0, G_OPTION_ARG_NONE, &options.quiet, "show no progress and no closing words", NULL },
    G_OPTION_ENTRY_NULL,
  };

  options.command = g_strdupv (argv);
  tool_training_add_properties (properties);
  if (!tool_parse_properties (verb, entries, properties, argc, argv, &arguments, 1, 1) ||
      !tool_properties_alias (properties, verb, "sequence-length", "length", options.length) ||
      !tool_properties_alias (properties, verb, "total-steps", "steps", options.steps) || !tool_properties_alias (properties, verb, "head", "task", options.task) ||
      !tool_parse_size (verb, "memory-limit", options.limit, &limit) || !check_options (&options, properties))
    return TOOL_USAGE;
  options.model = g_strdup (arguments[0]);
  return work (&options, properties, limit);
}

const ToolVerb tool_verb_train = {
  "train",
  "MODEL",
  "Train a model on a text, or on sequences with labels",
  "MODEL is the folder that will have the model, its checkpoints and its logs. It is new or\n"
  "empty; or it has a model (config.json, model.safetensors), which then learns on. Options\n"
  "of a new model come on top of the preset.\n"
  "\n"
  "Ctrl-C, SIGTERM and SIGHUP save and stop; reformer train MODEL --resume goes on to the\n"
  "same weights, to the bit, as if nothing had been. With it --steps may ask for more steps.\n"
  "\n"
  "--task says what a new model learns. A language model, also a masked one, reads a text; the\n"
  "others read sequences with labels: lines of a label, a tab and a text, a table (.csv, .tsv)\n"
  "with the columns text and label, or FASTA with labels in the headers (.fa, .fasta); each\n"
  "also packed by gzip. --help-data and --help-masking have their options.\n"
  "\n"
  "Example:\n"
  "  reformer train book --data book.txt --steps 500 --learning-rate 3e-3 --warmup-steps 30\n"
  "  reformer train moods --task classification --data moods.csv --label-columns mood",
  run,
};
