/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/profile.h"

/* Events kept before they are read. */
#define MAX_PENDING 512

typedef struct
{
  const char   *name;
  cl_event      event;
  ReformerWork  work;
} ReformerProfileEvent;

gboolean
reformer_profile_wanted (void)
{
  static const GDebugKey keys[] = { { "profile", 1 } };
  const char *debug = g_getenv ("REFORMER_DEBUG");

  return debug != NULL && g_parse_debug_string (debug, keys, G_N_ELEMENTS (keys)) != 0;
}

ReformerProfile *
reformer_profile_new (void)
{
  ReformerProfile *self = g_new0 (ReformerProfile, 1);

  self->lines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->pending = g_array_new (FALSE, FALSE, sizeof (ReformerProfileEvent));
  return self;
}

void
reformer_profile_free (ReformerProfile *self)
{
  for (guint i = 0; i < self->pending->len; i++)
    reformer_cl_release_event (g_array_index (self->pending, ReformerProfileEvent, i).event);
  g_array_unref (self->pending);
  g_hash_table_unref (self->lines);
  g_free (self);
}

void
reformer_profile_add (ReformerProfile *self,
                      const char      *name,
                      cl_event         event,
                      ReformerWork     work)
{
  const ReformerProfileEvent pending = { g_intern_string (name), event, work };

  g_array_append_val (self->pending, pending);
  if (self->pending->len >= MAX_PENDING)
    reformer_profile_drain (self);
}

void
reformer_profile_drain (ReformerProfile *self)
{
  for (guint i = 0; i < self->pending->len; i++)
    {
      const ReformerProfileEvent *pending = &g_array_index (self->pending, ReformerProfileEvent, i);
      ReformerProfileLine *line = g_hash_table_lookup (self->lines, pending->name);
      guint64 start = 0, end = 0;

      if (line == NULL)
        {
          line = g_new0 (ReformerProfileLine, 1);
          g_hash_table_insert (self->lines, g_strdup (pending->name), line);
        }

      line->count++;
      line->flops += pending->work.flops;
      line->bytes += pending->work.bytes;
      if (reformer_cl_wait_event (pending->event) == CL_SUCCESS &&
          reformer_cl_get_event_profile (pending->event, CL_PROFILING_COMMAND_START, &start) == CL_SUCCESS &&
          reformer_cl_get_event_profile (pending->event, CL_PROFILING_COMMAND_END, &end) == CL_SUCCESS && end > start)
        line->nanoseconds += end - start;
      reformer_cl_release_event (pending->event);
    }
  g_array_set_size (self->pending, 0);
}

GVariant *
reformer_profile_dup (ReformerProfile *self)
{
  GVariantDict dict;
  GHashTableIter iter;
  gpointer name, line;

  g_variant_dict_init (&dict, NULL);
  if (self != NULL)
    {
      reformer_profile_drain (self);
      g_hash_table_iter_init (&iter, self->lines);
      while (g_hash_table_iter_next (&iter, &name, &line))
        {
          const ReformerProfileLine *seen = line;

          g_variant_dict_insert (&dict, name, "(ttdd)", seen->count, seen->nanoseconds, seen->flops, seen->bytes);
        }
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static int
by_time (gconstpointer a,
         gconstpointer b,
         gpointer      lines)
{
  const ReformerProfileLine *line_a = g_hash_table_lookup (lines, *(const char *const *) a);
  const ReformerProfileLine *line_b = g_hash_table_lookup (lines, *(const char *const *) b);

  return line_a->nanoseconds < line_b->nanoseconds ? 1 : line_a->nanoseconds > line_b->nanoseconds ? -1 : 0;
}

void
reformer_profile_print (ReformerProfile *self,
                        const char      *device_name)
{
  g_autofree const char **names = NULL;
  guint n_names = 0;
  guint64 total = 0;

  reformer_profile_drain (self);
  if (g_hash_table_size (self->lines) == 0)
    return;

  names = (const char **) g_hash_table_get_keys_as_array (self->lines, &n_names);
  g_qsort_with_data (names, n_names, sizeof (char *), by_time, self->lines);
  for (guint i = 0; i < n_names; i++)
    total += ((ReformerProfileLine *) g_hash_table_lookup (self->lines, names[i]))->nanoseconds;

  g_printerr ("%-40s %10s %12s %7s %9s %8s\n", device_name, "launches", "ms", "share", "GFLOP/s", "GB/s");
  for (guint i = 0; i < n_names; i++)
    {
      const ReformerProfileLine *line = g_hash_table_lookup (self->lines, names[i]);

      g_printerr ("%-40s %10" G_GUINT64_FORMAT " %12.3f %6.1f%% %9.1f %8.1f\n", names[i], line->count, line->nanoseconds * 1e-6,
                  total > 0 ? 100.0 * line->nanoseconds / total : 0.0, line->nanoseconds > 0 ? line->flops / line->nanoseconds : 0.0,
                  line->nanoseconds > 0 ? line->bytes / line->nanoseconds : 0.0);
    }
  g_printerr ("%-40s %10s %12.3f\n", "all", "", total * 1e-6);
}
