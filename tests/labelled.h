/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the tests of labelled data sets. */

#include <string.h>

#include <glib/gstdio.h>

#include <libreformer/data/reformer-labelled-dataset.h>
#include <libreformer/files/reformer-file-error.h>

#include "mistakes.h"

G_BEGIN_DECLS

#define L(kind) REFORMER_LABELLING_##kind

typedef struct
{
  char  *folder;
  char  *path;
  GFile *file;
} Data;

G_GNUC_UNUSED static void
set_path (Data       *data,
          const char *name)
{
  if (data->path != NULL)
    g_remove (data->path);
  g_clear_object (&data->file);
  g_free (data->path);
  data->path = g_build_filename (data->folder, name, NULL);
  data->file = g_file_new_for_path (data->path);
}

G_GNUC_UNUSED static void
set_up (Data         *data,
        gconstpointer unused)
{
  data->folder = g_dir_make_tmp ("reformer-labelled-XXXXXX", NULL);
  set_path (data, "data.txt");
}

G_GNUC_UNUSED static void
tear_down (Data         *data,
           gconstpointer unused)
{
  g_remove (data->path);
  g_rmdir (data->folder);
  g_free (data->path);
  g_free (data->folder);
  g_object_unref (data->file);
}

G_GNUC_UNUSED static void
write_data (Data       *data,
            const char *content,
            gssize      n)
{
  g_remove (data->path); /* a new file, so that nothing waits for the disk */
  g_assert_true (g_file_set_contents_full (data->path, content, n, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

G_GNUC_UNUSED static ReformerLabelledDataset *
open_data (Data              *data,
           ReformerLabelling  labels,
           const char        *columns,
           const char        *label_columns,
           const char        *classes)
{
  g_auto (GStrv) sequence = g_strsplit (columns, ",", -1), label = g_strsplit (label_columns, ",", -1), names = g_strsplit (classes, ",", -1);

  return g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", data->file, "labels", labels, "columns", sequence, "label-columns", label, "classes", names, "held-out-fraction", 0.0, NULL);
}

/* The ids as text, or the vectors as numbers. */
G_GNUC_UNUSED static void
show_sequence (GString         *text,
               ReformerDataset *dataset,
               ReformerSample  *sample)
{
  GBytes *tokens = reformer_sample_get_tokens (sample), *values = reformer_sample_get_values (sample);
  g_autoptr (GBytes) letters = NULL;
  g_autoptr (GError) error = NULL;

  if (values != NULL)
    {
      for (gsize i = 0; i < g_bytes_get_size (values) / sizeof (float); i++)
        g_string_append_printf (text, "%s%g", i == 0 ? "" : i % (gsize) reformer_sample_get_features (sample) == 0 ? " " : "/", (double) ((const float *) g_bytes_get_data (values, NULL))[i]);
      return;
    }
  letters = reformer_tokenizer_decode (reformer_dataset_get_tokenizer (dataset), tokens, &error);
  g_assert_no_error (error);
  g_string_append_len (text, g_bytes_get_data (letters, NULL), (gssize) g_bytes_get_size (letters));
}

G_GNUC_UNUSED static void
show_labels (GString           *text,
             ReformerLabelling  labels,
             ReformerSample    *sample)
{
  GBytes *bytes = reformer_sample_get_labels (sample);
  const gboolean floats = labels == REFORMER_LABELLING_NUMBERS || labels == REFORMER_LABELLING_CLASSES || labels == REFORMER_LABELLING_VALUES;
  gsize n;
  gconstpointer words = bytes != NULL ? g_bytes_get_data (bytes, &n) : NULL;

  g_assert_true ((labels == REFORMER_LABELLING_NONE) == (bytes == NULL));
  for (gsize i = 0; bytes != NULL && i < n / 4; i++)
    if (floats)
      g_string_append_printf (text, "%s%g", i > 0 ? "," : "=", (double) ((const float *) words)[i]);
    else
      g_string_append_printf (text, "%s%d", i > 0 ? "," : "=", ((const gint32 *) words)[i]);
}

/* All samples: "ids=labels|ids=labels" */
G_GNUC_UNUSED static char *
show (ReformerLabelledDataset *self,
      int                      length)
{
  ReformerDataset *dataset = REFORMER_DATASET (self);
  g_autoptr (GError) error = NULL;
  GString *text = g_string_new (NULL);
  const gint64 n = reformer_dataset_count_samples (dataset, length, &error);

  g_assert_no_error (error);
  for (gint64 i = 0; i < n; i++)
    {
      g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (dataset, i, length, &error);

      g_assert_no_error (error);
      g_assert_null (reformer_sample_get_mask (sample));
      g_string_append (text, i > 0 ? "|" : "");
      show_sequence (text, dataset, sample);
      show_labels (text, reformer_labelled_dataset_get_labels (self), sample);
    }
  g_assert_null (reformer_dataset_read_sample (dataset, n, length, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "was asked for, the last one of length", NULL);
  return g_string_free (text, FALSE);
}

G_GNUC_UNUSED static void
assert_shows (ReformerLabelledDataset *dataset,
              int                      length,
              const char              *wanted)
{
  g_autofree char *seen = show (dataset, length);

  g_assert_cmpstr (seen, ==, wanted);
}

G_GNUC_UNUSED static void
assert_wrong (ReformerLabelledDataset *dataset,
              int                      code,
              const char *const        words[4])
{
  ReformerDataset *base = REFORMER_DATASET (dataset);
  g_autofree char *path = reformer_labelled_dataset_get_file (dataset) != NULL ? g_file_get_parse_name (reformer_labelled_dataset_get_file (dataset)) : g_strdup ("");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (base, 5, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, code, path, words[0], words[1], words[1] != NULL ? words[2] : NULL, NULL);
  g_assert_null (reformer_dataset_read_sample (base, 0, 5, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, words[0], NULL);
  g_assert_null (reformer_dataset_identify (base, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, words[0], NULL);
  g_assert_null (reformer_labelled_dataset_list_classes (dataset, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, words[0], NULL);
  g_assert_cmpint (reformer_labelled_dataset_count_labels (dataset, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, code, path, words[0], NULL);
}

G_END_DECLS
