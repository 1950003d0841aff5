/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folders.h"

#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>

char *
test_folder_new (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("reformer-run-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

char *
test_folder_new_in (const char *parent)
{
  static guint n;
  char *path = g_strdup_printf ("%s/%u", parent, n++);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  return path;
}

static GPtrArray *
list (const char *path)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    g_ptr_array_add (names, g_strdup (name));
  return names;
}

void
test_folder_delete (const char *path)
{
  g_autoptr (GPtrArray) names = list (path);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *below = g_build_filename (path, names->pdata[i], NULL);

      if (!g_file_test (below, G_FILE_TEST_IS_SYMLINK) && g_file_test (below, G_FILE_TEST_IS_DIR))
        test_folder_delete (below);
      else
        g_unlink (below);
    }
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

guint
test_folder_count (const char *path)
{
  g_autoptr (GPtrArray) names = list (path);

  return names->len;
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char *
test_folder_list (const char *path)
{
  g_autoptr (GPtrArray) names = list (path);

  g_ptr_array_sort (names, compare);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (" ", (char **) names->pdata);
}

void
test_file_write (const char *folder,
                 const char *name,
                 const char *bytes,
                 gssize      n_bytes)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  const gsize n = n_bytes < 0 ? strlen (bytes) : (gsize) n_bytes;
  FILE *file;

  g_remove (path);
  file = g_fopen (path, "wb");
  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (bytes, 1, n, file), ==, n);
  g_assert_cmpint (fclose (file), ==, 0);
}

char *
test_file_read (const char *folder,
                const char *name,
                gsize      *n_bytes)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, n_bytes, &error);
  g_assert_no_error (error);
  return text;
}

gboolean
test_file_ends (const char *folder,
                const char *name,
                const char *end)
{
  g_autofree char *text = test_file_read (folder, name, NULL);

  return g_str_has_suffix (text, end);
}

char *
test_file_hash (const char *folder,
                const char *name)
{
  gsize n;
  g_autofree char *bytes = test_file_read (folder, name, &n);

  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) bytes, n);
}
