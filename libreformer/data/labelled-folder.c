/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <string.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "files/reading.h"

#define READ_AT_ONCE (64u * 1024)

/* A folder of classes becomes a table of two columns, label and text, a row for each file. */
typedef struct
{
  const char   *display;
  GCancellable *cancellable;
  int           fd;
  guint8       *in;  /* [READ_AT_ONCE] */
  guint8       *out; /* [2 * READ_AT_ONCE] */
} Table;

static gboolean
fail (Table   *table,
      GFile   *file,
      GError  *problem, /* taken */
      GError **error)
{
  g_autofree char *name = g_file_get_parse_name (file);

  if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, problem);
  else
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_FAILED, "%s: cannot be read: %s", name, problem->message);
      g_error_free (problem);
    }
  return FALSE;
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Names of one kind in a folder, in order, without hidden ones. */
static GPtrArray *
list_names (Table      *table,
            GFile      *folder,
            GFileType   type,
            GError    **error)
{
  GError *problem = NULL;
  g_autoptr (GFileEnumerator) all = g_file_enumerate_children (folder, G_FILE_ATTRIBUTE_STANDARD_NAME "," G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE, table->cancellable,
                                                               &problem);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  GFileInfo *info = NULL;

  while (problem == NULL && g_file_enumerator_iterate (all, &info, NULL, table->cancellable, &problem) && info != NULL)
    if (g_file_info_get_file_type (info) == type && g_file_info_get_name (info)[0] != '.')
      g_ptr_array_add (names, g_strdup (g_file_info_get_name (info)));
  if (problem != NULL)
    {
      fail (table, folder, problem, error);
      return NULL;
    }
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

static gboolean
write_quoted (Table         *table,
              const guint8  *bytes,
              gsize          n,
              GError       **error)
{
  gsize made = 0;

  for (gsize i = 0; i < n; i++)
    {
      if (bytes[i] == '"')
        table->out[made++] = '"';
      table->out[made++] = bytes[i];
    }
  return reformer_file_write (table->fd, table->display, table->out, made, table->cancellable, error);
}

static gboolean
write_file (Table       *table,
            const char  *label,
            GFile       *file,
            GError     **error)
{
  GError *problem = NULL;
  g_autoptr (GFileInputStream) stream = g_file_read (file, table->cancellable, &problem);
  gsize total = 0;
  gssize n = 0;

  if (stream == NULL)
    return fail (table, file, problem, error);
  if (!reformer_file_write (table->fd, table->display, "\"", 1, table->cancellable, error) || !write_quoted (table, (const guint8 *) label, strlen (label), error) ||
      !reformer_file_write (table->fd, table->display, "\",\"", 3, table->cancellable, error))
    return FALSE;
  while ((n = g_input_stream_read (G_INPUT_STREAM (stream), table->in, READ_AT_ONCE, table->cancellable, &problem)) > 0)
    {
      total += (gsize) n;
      if (!write_quoted (table, table->in, (gsize) n, error))
        return FALSE;
    }
  if (n < 0)
    return fail (table, file, problem, error);
  if (total == 0)
    {
      g_autofree char *name = g_file_get_parse_name (file);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is empty, a file with text is wanted", name);
      return FALSE;
    }
  return reformer_file_write (table->fd, table->display, "\"\n", 2, table->cancellable, error);
}

static gboolean
write_class (Table       *table,
             GFile       *folder,
             const char  *label,
             guint       *n_files,
             GError     **error)
{
  g_autoptr (GFile) class_folder = g_file_get_child (folder, label);
  g_autoptr (GPtrArray) names = list_names (table, class_folder, G_FILE_TYPE_REGULAR, error);

  for (guint i = 0; names != NULL && i < names->len; i++, ++*n_files)
    {
      g_autoptr (GFile) file = g_file_get_child (class_folder, names->pdata[i]);

      if (!write_file (table, label, file, error))
        return FALSE;
    }
  return names != NULL;
}

static gboolean
write_table (Table   *table,
             GFile   *folder,
             GError **error)
{
  g_autoptr (GPtrArray) names = list_names (table, folder, G_FILE_TYPE_DIRECTORY, error);
  guint n_files = 0;

  if (names == NULL || !reformer_file_write (table->fd, table->display, "label,text\n", 11, table->cancellable, error))
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    if (!write_class (table, folder, names->pdata[i], &n_files, error))
      return FALSE;
  if (n_files == 0)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: has no folder with files; wanted one for each class", table->display);
  return n_files > 0;
}

ReformerTextFile *
reformer_labelled_folder_open (GFile   *folder,
                               GError **error)
{
  g_autofree char *display = g_file_get_parse_name (folder);
  g_autofree guint8 *in = g_malloc (READ_AT_ONCE), *out = g_malloc (2 * READ_AT_ONCE);
  Table table = { display, reformer_home_get_cancellable (), reformer_labelled_make_temporary (display, error), in, out };

  if (table.fd < 0)
    return NULL;
  if (write_table (&table, folder, error))
    return reformer_text_file_new_open (table.fd, display, error);
  close (table.fd);
  return NULL;
}
