/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/checkpoint-private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "files/reading.h"

/* manifest.json: {"format": 1, "files": {"NAME": {"size": BYTES, "sha256": "DIGITS"}, ...}}. It is written last, and read before anything else is believed. */

#define MOST_BYTES 65536

static const struct
{
  const char *name;
  gboolean    optional;
} files[] = {
  { REFORMER_CHECKPOINT_CONFIG, FALSE },
  { REFORMER_CHECKPOINT_WEIGHTS, FALSE },
  { REFORMER_CHECKPOINT_OPTIMIZER, FALSE },
  { REFORMER_CHECKPOINT_TOKENIZER, TRUE },
  { REFORMER_CHECKPOINT_PIECES, TRUE },
  { REFORMER_CHECKPOINT_TRAINER, FALSE },
};

/* {"size": ..., "sha256": ...} of a file, or NULL with an error. */
static json_t *
measure (const char    *path,
         const char    *name,
         GCancellable  *cancellable,
         GError       **error)
{
  g_autofree char *file = g_build_filename (path, name, NULL), *display = g_filename_display_name (file);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *piece = g_malloc (REFORMER_FILE_PIECE);
  guint64 size;
  gboolean read = TRUE;
  int fd = reformer_file_open (AT_FDCWD, file, display, &size, error);

  if (fd < 0)
    return NULL;
  for (guint64 at = 0; at < size && read; at += REFORMER_FILE_PIECE)
    {
      const gsize n = (gsize) MIN (size - at, REFORMER_FILE_PIECE);

      read = reformer_file_read (fd, display, at, piece, n, cancellable, error);
      if (read)
        g_checksum_update (sum, piece, (gssize) n);
    }
  close (fd);
  return read ? json_pack ("{s:I, s:s}", "size", (json_int_t) size, "sha256", g_checksum_get_string (sum)) : NULL;
}

gboolean
reformer_checkpoint_write_manifest (ReformerAtomicFolder  *folder,
                                    GCancellable          *cancellable,
                                    GError               **error)
{
  const char *path = reformer_atomic_folder_get_path (folder);
  json_t *list = json_object ();
  g_autoptr (json_t) root = json_pack ("{s:i, s:o}", "format", REFORMER_CHECKPOINT_FORMAT, "files", list);
  g_autofree char *text = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *file = g_build_filename (path, files[i].name, NULL);
      json_t *entry;

      if (files[i].optional && !g_file_test (file, G_FILE_TEST_EXISTS))
        continue;
      entry = measure (path, files[i].name, cancellable, error);
      if (entry == NULL)
        return FALSE;
      json_object_set_new (list, files[i].name, entry);
    }
  text = reformer_json_to_text (root, REFORMER_JSON_ORDERED);
  return reformer_atomic_folder_write (folder, REFORMER_CHECKPOINT_MANIFEST, text, strlen (text), cancellable, error);
}

/* What is not as in the manifest. */
static gboolean
set_damaged (GError     **error,
             const char  *path,
             const char  *name,
             const char  *what)
{
  g_autofree char *display = g_filename_display_name (path);

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s" G_DIR_SEPARATOR_S "%s: %s", display, name, what);
  return FALSE;
}

static gboolean
verify_file (const char    *path,
             const char    *name,
             json_t        *wanted,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autoptr (json_t) seen = measure (path, name, cancellable, error);
  const gint64 size = json_integer_value (json_object_get (wanted, "size"));
  g_autofree char *what = NULL;

  if (seen == NULL)
    return FALSE;
  if (json_equal (seen, wanted))
    return TRUE;
  if (json_integer_value (json_object_get (seen, "size")) == size)
    return set_damaged (error, path, name, "was changed: its SHA-256 is not that of " REFORMER_CHECKPOINT_MANIFEST);
  what = g_strdup_printf ("has %" G_GINT64_FORMAT " bytes, " REFORMER_CHECKPOINT_MANIFEST " says %" G_GINT64_FORMAT,
                          (gint64) json_integer_value (json_object_get (seen, "size")), size);
  return set_damaged (error, path, name, what);
}

gboolean
reformer_checkpoint_verify (const char    *path,
                            GCancellable  *cancellable,
                            GError       **error)
{
  g_autofree char *file = g_build_filename (path, REFORMER_CHECKPOINT_MANIFEST, NULL), *display = g_filename_display_name (file);
  gsize n_bytes;
  g_autofree char *text = reformer_file_load (AT_FDCWD, file, display, MOST_BYTES, &n_bytes, cancellable, error), *again = NULL;
  g_autoptr (json_t) root = text != NULL ? reformer_json_parse (text, n_bytes, display, error) : NULL;
  json_t *list = NULL;
  gint64 format = 0;

  if (root == NULL || !reformer_json_require (root, display, "format", error) ||
      !reformer_json_get_integer (root, display, "format", 1, G_MAXINT, &format, error) || !reformer_json_require (root, display, "files", error) ||
      !reformer_json_get_object (root, display, "files", &list, error))
    return FALSE;

  if (format != REFORMER_CHECKPOINT_FORMAT)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "%s is of another version: its format is %d, this version reads %d", display, (int) format,
                   REFORMER_CHECKPOINT_FORMAT);
      return FALSE;
    }

  /* the same to the byte, or it is not what was written */
  again = reformer_json_to_text (root, REFORMER_JSON_ORDERED);
  if (strlen (again) != n_bytes || memcmp (again, text, n_bytes) != 0)
    return set_damaged (error, path, REFORMER_CHECKPOINT_MANIFEST, "was changed");

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      json_t *wanted = json_object_get (list, files[i].name);

      if (wanted == NULL && !files[i].optional)
        return set_damaged (error, path, files[i].name, "is not in " REFORMER_CHECKPOINT_MANIFEST);
      if (wanted != NULL && !verify_file (path, files[i].name, wanted, cancellable, error))
        return FALSE;
    }
  return TRUE;
}
