/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watched-dataset.h"

#include "progress.h"

#define TOOL_TYPE_WATCHED_DATASET (tool_watched_dataset_get_type ())
G_DECLARE_FINAL_TYPE (ToolWatchedDataset, tool_watched_dataset, TOOL, WATCHED_DATASET, ReformerDataset)

struct _ToolWatchedDataset
{
  ReformerDataset  parent_instance;

  ReformerDataset *dataset;
  gint64           n_samples;
  gint64           start;
};

G_DEFINE_FINAL_TYPE (ToolWatchedDataset, tool_watched_dataset, REFORMER_TYPE_DATASET)

static gint64
tool_watched_dataset_count_samples (ReformerDataset  *dataset,
                                    int               length,
                                    GError          **error)
{
  ToolWatchedDataset *self = TOOL_WATCHED_DATASET (dataset);

  self->n_samples = reformer_dataset_count_samples (self->dataset, length, error);
  return self->n_samples;
}

static ReformerSample *
tool_watched_dataset_read_sample (ReformerDataset  *dataset,
                                  gint64            index,
                                  int               length,
                                  GError          **error)
{
  ToolWatchedDataset *self = TOOL_WATCHED_DATASET (dataset);
  const double done = self->n_samples > 0 ? (double) index / (double) self->n_samples : 0;

  if (self->start == 0)
    self->start = g_get_monotonic_time ();
  if (tool_progress_is_due ())
    {
      const double seconds = (double) (g_get_monotonic_time () - self->start) / G_USEC_PER_SEC;
      g_autofree char *left = tool_format_duration (done > 0 ? seconds * (1 - done) / done : 0);
      g_autofree char *text = g_strdup_printf ("sequence %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT "%s%s%s", index + 1, self->n_samples, done > 0 ? "  " : "", done > 0 ? left : "",
                                               done > 0 ? " left" : "");

      tool_progress_show (done, text);
    }
  return reformer_dataset_read_sample (self->dataset, index, length, error);
}

static char *
tool_watched_dataset_identify (ReformerDataset  *dataset,
                               GError          **error)
{
  return reformer_dataset_identify (TOOL_WATCHED_DATASET (dataset)->dataset, error);
}

static void
tool_watched_dataset_finalize (GObject *object)
{
  g_clear_object (&TOOL_WATCHED_DATASET (object)->dataset);
  G_OBJECT_CLASS (tool_watched_dataset_parent_class)->finalize (object);
}

static void
tool_watched_dataset_class_init (ToolWatchedDatasetClass *klass)
{
  ReformerDatasetClass *dataset_class = REFORMER_DATASET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tool_watched_dataset_finalize;
  dataset_class->count_samples = tool_watched_dataset_count_samples;
  dataset_class->read_sample = tool_watched_dataset_read_sample;
  dataset_class->identify = tool_watched_dataset_identify;
}

static void
tool_watched_dataset_init (ToolWatchedDataset *self)
{
}

ReformerDataset *
tool_watched_dataset_new (ReformerDataset *dataset)
{
  ToolWatchedDataset *self = g_object_new (TOOL_TYPE_WATCHED_DATASET, "tokenizer", reformer_dataset_get_tokenizer (dataset), NULL);

  self->dataset = g_object_ref (dataset);
  return REFORMER_DATASET (self);
}
