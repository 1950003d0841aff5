/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/checked.h"

gboolean
reformer_file_set_errno (GError     **error,
                         int          code,
                         const char  *path,
                         const char  *action)
{
  ReformerFileError kind = REFORMER_FILE_ERROR_FAILED;

  if (code == ENOENT || code == ENOTDIR)
    kind = REFORMER_FILE_ERROR_NOT_FOUND;
  else if (code == ENOSPC || code == EDQUOT)
    kind = REFORMER_FILE_ERROR_NO_SPACE;

  g_set_error (error, REFORMER_FILE_ERROR, kind, "%s: %s: %s", path, action, g_strerror (code));

  return FALSE;
}

char *
reformer_file_quote (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) strnlen (text, 480));
  GString *quoted = g_string_new (NULL);
  guint n = 0;

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      if (n++ == 80)
        {
          g_string_append (quoted, "…");
          break;
        }

      g_string_append_unichar (quoted, g_unichar_isprint (g_utf8_get_char (p)) ? g_utf8_get_char (p) : 0xfffd);
    }

  return g_string_free (quoted, FALSE);
}

gboolean
reformer_file_tidy (GError **error)
{
  g_autofree char *valid = NULL;
  GString *line;

  if (error == NULL || *error == NULL)
    return FALSE;

  valid = g_utf8_make_valid ((*error)->message, -1);
  line = g_string_new (NULL);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    g_string_append_unichar (line, g_unichar_iscntrl (g_utf8_get_char (p)) ? 0xfffd : g_utf8_get_char (p));
  g_free ((*error)->message);
  (*error)->message = g_string_free (line, FALSE);

  return FALSE;
}

char *
reformer_file_local_path (GFile   *file,
                          GError **error)
{
  char *path = g_file_get_path (file);

  if (path == NULL)
    {
      g_autofree char *uri = g_file_get_uri (file);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s is not on a local file system; wanted a local folder", uri);
    }

  return path;
}

int
reformer_file_open (int          folder,
                    const char  *name,
                    const char  *path,
                    guint64     *size,
                    GError     **error)
{
  struct stat status;
  int fd = openat (folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0 || fstat (fd, &status) != 0)
    {
      int code = errno;

      if (fd >= 0)
        close (fd);
      reformer_file_set_errno (error, code, path, "cannot be opened");

      return -1;
    }

  if (!S_ISREG (status.st_mode))
    {
      close (fd);
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is %s, a plain file is wanted", path,
                   S_ISDIR (status.st_mode) ? "a folder" : "a device or a pipe");

      return -1;
    }

  *size = (guint64) status.st_size;

  return fd;
}

gboolean
reformer_file_read (int            fd,
                    const char    *path,
                    guint64        offset,
                    gpointer       to,
                    gsize          n_bytes,
                    GCancellable  *cancellable,
                    GError       **error)
{
  guint8 *next = to;

  if (!reformer_checked_range (offset, n_bytes, G_MAXINT64))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: %" G_GSIZE_FORMAT " bytes at %" G_GUINT64_FORMAT
                   " lie beyond any file", path, n_bytes, offset);
      return FALSE;
    }

  while (n_bytes > 0)
    {
      gssize n;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;

      n = pread (fd, next, MIN (n_bytes, REFORMER_FILE_PIECE), (off_t) offset);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return reformer_file_set_errno (error, errno, path, "cannot be read");
      if (n == 0)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_TRUNCATED, "%s: ends at byte %" G_GUINT64_FORMAT ", %"
                       G_GSIZE_FORMAT " more are wanted; was it cut short while it was read?", path, offset, n_bytes);
          return FALSE;
        }

      next += n;
      offset += (guint64) n;
      n_bytes -= (gsize) n;
    }

  return TRUE;
}

char *
reformer_file_load (int            folder,
                    const char    *name,
                    const char    *path,
                    gsize          limit,
                    gsize         *n_bytes,
                    GCancellable  *cancellable,
                    GError       **error)
{
  g_autofree char *bytes = NULL;
  guint64 size;
  gboolean read;
  int fd = reformer_file_open (folder, name, path, &size, error);

  if (fd < 0)
    return NULL;

  if (size > limit)
    {
      close (fd);
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: has %" G_GUINT64_FORMAT " bytes, at most %"
                   G_GSIZE_FORMAT " are read", path, size, limit);
      return NULL;
    }

  bytes = g_try_malloc ((gsize) size + 1);
  if (bytes == NULL)
    {
      close (fd);
      reformer_file_set_errno (error, ENOMEM, path, "cannot be read");
      return NULL;
    }

  read = reformer_file_read (fd, path, 0, bytes, (gsize) size, cancellable, error);
  close (fd);
  if (!read)
    return NULL;

  bytes[size] = '\0';
  *n_bytes = (gsize) size;

  return g_steal_pointer (&bytes);
}

gboolean
reformer_file_write (int             fd,
                     const char     *path,
                     gconstpointer   bytes,
                     gsize           n_bytes,
                     GCancellable   *cancellable,
                     GError        **error)
{
  const guint8 *next = bytes;

  while (n_bytes > 0)
    {
      gssize n;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;

      n = write (fd, next, MIN (n_bytes, REFORMER_FILE_PIECE));
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return reformer_file_set_errno (error, n < 0 ? errno : EIO, path, "cannot be written");

      next += n;
      n_bytes -= (gsize) n;
    }

  return TRUE;
}
