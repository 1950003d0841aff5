/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-private.h"
#include "progress.h"
#include "signals.h"

#include <stdio.h>
#include <unistd.h>

/* reformer bench: times, and the share of what the device could do. */

#define PRESET "bench-lsh"
#define LENGTHS "1024,4096,16384"
#define MODES "forward,train,generate"
#define REPEATS 5

typedef struct
{
  char     *preset, *lengths, *modes, *keep, *rows, *repeats, *warm_up, *limit, *device;
  gboolean  profile, json, quiet;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->preset);
  g_free (options->lengths);
  g_free (options->modes);
  g_free (options->keep);
  g_free (options->rows);
  g_free (options->repeats);
  g_free (options->warm_up);
  g_free (options->limit);
  g_free (options->device);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static const char *const mode_names[BENCH_N_MODES] = { "forward", "train", "generate" };

const char *
bench_mode_name (BenchMode mode)
{
  return mode_names[mode];
}

BenchPoint *
bench_point_new (BenchMode mode,
                 gint64    length)
{
  BenchPoint *point = g_new0 (BenchPoint, 1);

  point->mode = mode;
  point->length = length;
  point->seconds = g_array_new (FALSE, FALSE, sizeof (double));
  return point;
}

static void
point_free (gpointer data)
{
  BenchPoint *point = data;

  g_clear_object (&point->config);
  g_clear_pointer (&point->seconds, g_array_unref);
  g_clear_pointer (&point->profile, g_variant_unref);
  g_free (point);
}

static void
bench_clear (Bench *self)
{
  g_clear_pointer (&self->points, g_ptr_array_unref);
  g_clear_pointer (&self->name, g_free);
  g_clear_object (&self->config);
  g_clear_object (&self->device);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* ---- Options ---- */

static gboolean
read_modes (const char *text,
            GArray     *modes)
{
  g_auto (GStrv) names = g_strsplit (text, ",", -1);

  for (guint i = 0; names[i] != NULL; i++)
    {
      BenchMode mode = 0;

      while (mode < BENCH_N_MODES && !g_str_equal (names[i], mode_names[mode]))
        mode++;
      if (mode == BENCH_N_MODES)
        {
          tool_usage (&tool_verb_bench, "--modes has \"%s\", a list of forward, train and generate is wanted", names[i]);
          return FALSE;
        }
      g_array_append_val (modes, mode);
    }
  if (modes->len == 0)
    tool_usage (&tool_verb_bench, "--modes is empty, a list of forward, train and generate is wanted");
  return modes->len > 0;
}

/* A point for every length and mode. */
static gboolean
read_points (Bench      *self,
             const char *lengths,
             const char *modes)
{
  g_auto (GStrv) texts = g_strsplit (lengths, ",", -1);
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (BenchMode));

  if (!read_modes (modes, wanted))
    return FALSE;
  if (texts[0] == NULL)
    {
      tool_usage (&tool_verb_bench, "--lengths is empty, a list such as 1024,4096 is wanted");
      return FALSE;
    }
  for (guint i = 0; texts[i] != NULL; i++)
    {
      gint64 length = 0;

      if (!tool_parse_number (&tool_verb_bench, "lengths", texts[i], 2, 1 << 30, &length))
        return FALSE;
      for (guint j = 0; j < wanted->len; j++)
        {
          const BenchMode mode = g_array_index (wanted, BenchMode, j);

          if (mode == BENCH_GENERATE && bench_prompt_length (self, length) < 1)
            {
              tool_usage (&tool_verb_bench, "--lengths has %" G_GINT64_FORMAT ", generate wants more than the %" G_GINT64_FORMAT " tokens of --repeats and --warm-up", length,
                          self->repeats + self->warm_up);
              return FALSE;
            }
          g_ptr_array_add (self->points, bench_point_new (mode, length));
        }
    }
  return TRUE;
}

static gboolean
read_options (Bench    *self,
              Options  *options,
              char    **arguments)
{
  const ToolVerb *verb = &tool_verb_bench;

  self->points = g_ptr_array_new_with_free_func (point_free);
  self->rows = 1;
  self->repeats = REPEATS;
  self->warm_up = 1;
  self->profile = options->profile;
  self->json = options->json;
  if (arguments != NULL && arguments[0] != NULL && options->preset != NULL)
    {
      tool_usage (verb, "MODEL and --preset are both there, one is wanted");
      return FALSE;
    }
  return tool_parse_number (verb, "rows", options->rows, 1, G_MAXINT32, &self->rows) &&
         tool_parse_number (verb, "repeats", options->repeats, 1, 100000, &self->repeats) &&
         tool_parse_number (verb, "warm-up", options->warm_up, 0, 1000, &self->warm_up) &&
         tool_parse_size (verb, "memory-limit", options->limit, &self->limit) && tool_parse_keep (verb, options->keep, &self->keep) &&
         read_points (self, options->lengths != NULL ? options->lengths : LENGTHS, options->modes != NULL ? options->modes : MODES);
}

static gboolean
open_model (Bench       *self,
            const char  *preset,
            char       **arguments,
            GError     **error)
{
  if (arguments != NULL && arguments[0] != NULL)
    {
      g_autoptr (GFile) file = g_file_new_for_commandline_arg (arguments[0]);

      self->name = g_strdup (arguments[0]);
      self->config = reformer_config_load (file, NULL, error);
    }
  else
    {
      self->name = g_strdup (preset != NULL ? preset : PRESET);
      self->config = reformer_config_new_preset (self->name, error);
    }
  return self->config != NULL;
}

static gboolean
open_device (Bench       *self,
             const char  *wanted,
             GError     **error)
{
  self->device = wanted != NULL ? reformer_device_find (wanted, error) : reformer_device_get_default (error);
  if (self->device == NULL)
    return FALSE;
  reformer_device_set_profiling (self->device, self->profile);
  if (self->limit > 0)
    reformer_device_set_memory_limit (self->device, self->limit);
  return TRUE;
}

/* ---- Measuring ---- */

/* Guards what is printed: a signal prints what there is, and ends the program in the middle of a pass, which may be long. */
static GMutex lock;

static void
interrupted (GCancellable *cancellable,
             gpointer      data)
{
  g_mutex_lock (&lock); /* for good */
  tool_progress_clear ();
  bench_print (data, FALSE);
  tool_close (tool_signals_get_status ());
  _exit (tool_signals_get_status ());
}

/* All but the peak afterwards. */
static gboolean
measure_points (Bench   *self,
                GError **error)
{
  double peak;

  for (guint i = 0; i < self->points->len; i++)
    if (!bench_plan (self, self->points->pdata[i], error))
      return FALSE;

  peak = bench_peak (self, error);
  if (peak < 0)
    return FALSE;
  g_mutex_lock (&lock);
  self->before = peak;
  g_mutex_unlock (&lock);
  for (guint i = 0; i < self->points->len; i++)
    {
      BenchPoint *point = self->points->pdata[i];

      if (!bench_measure (self, point, i, error))
        return FALSE;
      g_mutex_lock (&lock);
      point->done = TRUE;
      g_mutex_unlock (&lock);
    }
  return TRUE;
}

static gboolean
measure (Bench   *self,
         GError **error)
{
  const double peak = measure_points (self, error) ? bench_peak (self, error) : -1;

  g_mutex_lock (&lock); /* for good: what comes is the end, of the points too */
  self->after = peak;
  return peak >= 0;
}

static int
run (int    argc,
     char **argv)
{
  g_auto (Options) options = { NULL };
  g_auto (Bench) self = { NULL };
  g_auto (GStrv) arguments = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GError *error = NULL;
  const GOptionEntry entries[] = {
    { "preset", 0, 0, G_OPTION_ARG_STRING, &options.preset, "a configuration of the library (" PRESET ")", "NAME" },
    { "lengths", 0, 0, G_OPTION_ARG_STRING, &options.lengths, "tokens of a sequence (" LENGTHS ")", "N,..." },
    { "modes", 0, 0, G_OPTION_ARG_STRING, &options.modes, "what to time (" MODES ")", "MODE,..." },
    { "keep", 0, 0, G_OPTION_ARG_STRING, &options.keep, "of training: auto, everything, inputs or nothing of the forward pass (auto)", "WHAT" },
    { "rows", 0, 0, G_OPTION_ARG_STRING, &options.rows, "sequences at once (1)", "B" },
    { "repeats", 0, 0, G_OPTION_ARG_STRING, &options.repeats, "passes that are timed (5)", "N" },
    { "warm-up", 0, 0, G_OPTION_ARG_STRING, &options.warm_up, "passes before that are not (1)", "N" },
    { "profile", 0, 0, G_OPTION_ARG_NONE, &options.profile, "kernels by share of time, with GFLOP/s and GB/s", NULL },
    { "memory-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit, "memory to keep to, such as 512M or 4G (the device's)", "SIZE" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON", NULL },
    { "quiet", 0, 0, G_OPTION_ARG_NONE, &options.quiet, "show no progress", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse (&tool_verb_bench, entries, argc, argv, &arguments, 0, 1) || !read_options (&self, &options, arguments))
    return TOOL_USAGE;
  tool_signals_start ();
  if (!open_model (&self, options.preset, arguments, &error) || !open_device (&self, options.device, &error))
    return tool_fail_error (error);
  tool_progress_start (options.quiet, FALSE);
  g_cancellable_connect (cancellable, G_CALLBACK (interrupted), &self, NULL);
  tool_signals_cancel (cancellable);
  if (!measure (&self, &error))
    return tool_signals_end (error);
  tool_progress_clear ();
  bench_print (&self, TRUE);
  return TOOL_DONE;
}

const ToolVerb tool_verb_bench = {
  "bench",
  "[MODEL]",
  "Time a model, and say which share of the device's speed that is",
  "Times forward passes, training steps (gradients and AdamW) and tokens of generation. The\n"
  "configuration is that of MODEL, a folder or a config.json, or of --preset; weights are\n"
  "random, positions are made for each length.\n"
  "\n"
  "The device's peak is the best of several products of 2048 x 2048 matrices, measured before\n"
  "and after. A share is the arithmetic that a pass needs, divided by its time and by the\n"
  "peak. Memory is what the device's tensors took at most, process what the whole program did.\n"
  "\n"
  "Example:\n"
  "  reformer bench --lengths 4096,16384 --modes forward,train --keep nothing",
  run,
};
