/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-private.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

static double
peak_of (Bench *self)
{
  return MAX (self->before, self->after);
}

/* Tokens that a pass makes or reads. */
static double
tokens_of (Bench      *self,
           BenchPoint *point)
{
  return (double) self->rows * (point->mode == BENCH_GENERATE ? 1 : (double) point->length);
}

static double
prompt_tokens (Bench      *self,
               BenchPoint *point)
{
  return (double) self->rows * (double) bench_prompt_length (self, point->length);
}

/* ---- Statistics ---- */

typedef struct
{
  double least, median, most;
} Spread;

static int
compare (gconstpointer a,
         gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static Spread
spread_of (GArray *seconds)
{
  g_autoptr (GArray) sorted = g_array_copy (seconds);
  const guint n = sorted->len;
  const double *values = (const double *) (gpointer) sorted->data;

  qsort (sorted->data, n, sizeof (double), compare);
  return (Spread) { values[0], (values[(n - 1) / 2] + values[n / 2]) / 2, values[n - 1] };
}

/* ---- Profiles ---- */

typedef struct
{
  char    *name;
  guint64  count, nanoseconds;
  double   flops, bytes;
} Kernel;

static void
kernel_free (gpointer data)
{
  g_free (((Kernel *) data)->name);
  g_free (data);
}

static int
by_time (gconstpointer a,
         gconstpointer b)
{
  const Kernel *x = *(const Kernel *const *) a, *y = *(const Kernel *const *) b;

  return x->nanoseconds < y->nanoseconds ? 1 : x->nanoseconds > y->nanoseconds ? -1 : 0;
}

/* The slowest first. */
static GPtrArray *
list_kernels (GVariant *profile,
              guint64  *total)
{
  GPtrArray *kernels = g_ptr_array_new_with_free_func (kernel_free);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  *total = 0;
  g_variant_iter_init (&iter, profile);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      Kernel *kernel = g_new0 (Kernel, 1);

      kernel->name = g_strdup (name);
      g_variant_get (value, "(ttdd)", &kernel->count, &kernel->nanoseconds, &kernel->flops, &kernel->bytes);
      *total += kernel->nanoseconds;
      g_ptr_array_add (kernels, kernel);
    }
  g_ptr_array_sort (kernels, by_time);
  return kernels;
}

/* A rate in units a nanosecond, which is 10^9 a second. */
static double
rate (double  amount,
      guint64 nanoseconds)
{
  return nanoseconds > 0 ? amount / (double) nanoseconds : 0;
}

/* ---- JSON ---- */

static json_t *
profile_to_json (GVariant *profile)
{
  json_t *array = json_array ();
  guint64 total;
  g_autoptr (GPtrArray) kernels = list_kernels (profile, &total);

  for (guint i = 0; i < kernels->len; i++)
    {
      const Kernel *kernel = kernels->pdata[i];

      json_array_append_new (array, json_pack ("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}",
                                               "kernel", kernel->name,
                                               "launches", (json_int_t) kernel->count,
                                               "seconds", (double) kernel->nanoseconds * 1e-9,
                                               "share_of_time", total > 0 ? (double) kernel->nanoseconds / (double) total : 0,
                                               "operations", kernel->flops,
                                               "bytes", kernel->bytes,
                                               "gflops", rate (kernel->flops, kernel->nanoseconds),
                                               "gbytes_per_second", rate (kernel->bytes, kernel->nanoseconds)));
    }
  return array;
}

static json_t *
point_to_json (Bench      *self,
               BenchPoint *point)
{
  const Spread spread = spread_of (point->seconds);
  const double peak = peak_of (self), rate_seen = point->flops / spread.median;
  json_t *seconds = json_array (), *object;

  for (guint i = 0; i < point->seconds->len; i++)
    json_array_append_new (seconds, json_real (g_array_index (point->seconds, double, i)));
  object = json_pack ("{s:s, s:I, s:I, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}",
                      "mode", bench_mode_name (point->mode),
                      "length", (json_int_t) point->length,
                      "rows", (json_int_t) self->rows,
                      "seconds", seconds,
                      "median_seconds", spread.median,
                      "least_seconds", spread.least,
                      "most_seconds", spread.most,
                      "tokens_per_second", tokens_of (self, point) / spread.median,
                      "operations", point->flops,
                      "gflops", rate_seen * 1e-9,
                      "planned_bytes", (json_int_t) point->planned,
                      "account_peak_bytes", (json_int_t) point->account,
                      "process_peak_bytes", (json_int_t) point->process);
  json_object_set_new (object, "share", peak > 0 ? json_real (rate_seen / peak) : json_null ());
  json_object_set_new (object, "keep", point->mode == BENCH_TRAIN ? json_string (tool_keep_get_name (point->keep)) : json_null ());
  json_object_set_new (object, "prompt_seconds", point->mode == BENCH_GENERATE ? json_real (point->prompt) : json_null ());
  if (point->profile != NULL)
    json_object_set_new (object, "profile", profile_to_json (point->profile));
  return object;
}

static json_t *
peak_to_json (double peak)
{
  return peak > 0 ? json_real (peak * 1e-9) : json_null ();
}

static void
print_json (Bench    *self,
            gboolean  complete)
{
  json_t *results = json_array ();

  for (guint i = 0; i < self->points->len; i++)
    {
      BenchPoint *point = self->points->pdata[i];

      if (point->done)
        json_array_append_new (results, point_to_json (self, point));
    }
  tool_print_json (json_pack ("{s:s, s:o, s:{s:o, s:o, s:o, s:s, s:i}, s:{s:o, s:o, s:o}, s:I, s:I, s:b, s:o}",
                              "version", REFORMER_VERSION_S,
                              "model", tool_json_string (self->name),
                              "device",
                              "name", tool_json_string (reformer_device_get_name (self->device)),
                              "platform", tool_json_string (reformer_device_get_platform (self->device)),
                              "driver", tool_json_string (reformer_device_get_driver (self->device)),
                              "kernels", reformer_device_get_kernels (self->device),
                              "compute_units", (int) reformer_device_get_compute_units (self->device),
                              "peak_gflops",
                              "best", peak_to_json (peak_of (self)), "before", peak_to_json (self->before), "after", peak_to_json (self->after),
                              "repeats", (json_int_t) self->repeats,
                              "warm_up", (json_int_t) self->warm_up,
                              "complete", complete,
                              "results", results));
}

/* ---- Text ---- */

static void
add_row (GPtrArray *rows,
         ...)
{
  GPtrArray *cells = g_ptr_array_new ();
  va_list args;
  char *cell;

  va_start (args, rows);
  while ((cell = va_arg (args, char *)) != NULL)
    g_ptr_array_add (cells, cell);
  va_end (args);
  g_ptr_array_add (cells, NULL);
  g_ptr_array_add (rows, g_ptr_array_free (cells, FALSE));
}

static GPtrArray *
new_rows (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
}

static char *
format_milliseconds (double seconds)
{
  return g_strdup_printf (seconds < 0.1 ? "%.2f" : "%.0f", seconds * 1e3);
}

static void
add_point (Bench      *self,
           BenchPoint *point,
           GPtrArray  *rows)
{
  const Spread spread = spread_of (point->seconds);
  const double seen = point->flops / spread.median, peak = peak_of (self);
  const double speed = tokens_of (self, point) / spread.median;

  add_row (rows, g_strdup (bench_mode_name (point->mode)), tool_format_count ((double) point->length),
           g_strdup (point->mode == BENCH_TRAIN ? tool_keep_get_name (point->keep) : "-"), format_milliseconds (spread.median), format_milliseconds (spread.least),
           format_milliseconds (spread.most), speed < 100 ? g_strdup_printf ("%.1f", speed) : tool_format_count (speed), g_strdup_printf (seen < 1e10 ? "%.2f" : "%.1f", seen * 1e-9),
           peak > 0 ? g_strdup_printf ("%.2f", seen / peak) : g_strdup ("-"), tool_format_bytes (point->account), tool_format_bytes (point->process), NULL);
}

static void
print_profile (BenchPoint *point)
{
  guint64 total;
  g_autoptr (GPtrArray) kernels = list_kernels (point->profile, &total), rows = new_rows ();
  g_autofree char *tokens = tool_format_count ((double) point->length);

  printf ("\n%s, %s tokens: kernels of %u passes, %.1f ms each\n", bench_mode_name (point->mode), tokens, point->seconds->len,
          (double) total * 1e-6 / point->seconds->len);
  add_row (rows, g_strdup ("kernel"), g_strdup ("launches"), g_strdup ("ms"), g_strdup ("share"), g_strdup ("GFLOP/s"), g_strdup ("GB/s"), NULL);
  for (guint i = 0; i < kernels->len; i++)
    {
      const Kernel *kernel = kernels->pdata[i];

      add_row (rows, g_strdup (kernel->name), g_strdup_printf ("%" G_GUINT64_FORMAT, kernel->count), g_strdup_printf ("%.2f", (double) kernel->nanoseconds * 1e-6),
               g_strdup_printf ("%.1f%%", total > 0 ? 100 * (double) kernel->nanoseconds / (double) total : 0.0),
               kernel->flops > 0 ? g_strdup_printf ("%.1f", rate (kernel->flops, kernel->nanoseconds)) : g_strdup ("-"),
               kernel->bytes > 0 ? g_strdup_printf ("%.1f", rate (kernel->bytes, kernel->nanoseconds)) : g_strdup ("-"), NULL);
    }
  tool_print_table (rows, "lrrrrr");
}

static void
print_text (Bench *self)
{
  g_autoptr (GPtrArray) rows = new_rows ();

  tool_print_field ("model", "%s", self->name);
  tool_print_field ("device", "%s, %s kernels, %u compute units", reformer_device_get_name (self->device), reformer_device_get_kernels (self->device),
                    reformer_device_get_compute_units (self->device));
  if (self->after > 0)
    tool_print_field ("peak", "%.1f GFLOP/s: product of 2048 x 2048 matrices, %.1f before and %.1f after", peak_of (self) * 1e-9, self->before * 1e-9, self->after * 1e-9);
  else if (self->before > 0)
    tool_print_field ("peak", "%.1f GFLOP/s: product of 2048 x 2048 matrices", self->before * 1e-9);
  tool_print_field ("passes", "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " sequence%s; ms is the median", self->repeats, self->rows, self->rows == 1 ? "" : "s");
  putchar ('\n');
  add_row (rows, g_strdup ("mode"), g_strdup ("tokens"), g_strdup ("keep"), g_strdup ("ms"), g_strdup ("least"), g_strdup ("most"), g_strdup ("tokens/s"),
           g_strdup ("GFLOP/s"), g_strdup ("share"), g_strdup ("memory"), g_strdup ("process"), NULL);
  for (guint i = 0; i < self->points->len; i++)
    if (((BenchPoint *) self->points->pdata[i])->done)
      add_point (self, self->points->pdata[i], rows);
  tool_print_table (rows, "lrlrrrrrrrr");
  for (guint i = 0; i < self->points->len; i++)
    {
      BenchPoint *point = self->points->pdata[i];

      if (point->done && point->mode == BENCH_GENERATE)
        {
          g_autofree char *tokens = tool_format_count (prompt_tokens (self, point)), *speed = tool_format_count (prompt_tokens (self, point) / point->prompt);

          printf ("generate: the first %s tokens took %.2f s, %s a second\n", tokens, point->prompt, speed);
        }
    }
  for (guint i = 0; i < self->points->len; i++)
    {
      BenchPoint *point = self->points->pdata[i];

      if (point->done && point->profile != NULL)
        print_profile (point);
    }
}

void
bench_print (Bench    *self,
             gboolean  complete)
{
  if (self->json)
    print_json (self, complete);
  else
    print_text (self);
}
