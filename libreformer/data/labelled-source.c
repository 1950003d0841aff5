/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "files/reading.h"

#define READ_AT_ONCE (64u * 1024)
#define WRITTEN_AT_ONCE (256u * 1024)

/* The first bytes of what gzip packed (RFC 1952), of each of its members. */
static gboolean
is_packed (const guint8 *bytes,
           gsize         n)
{
  return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

typedef struct
{
  GInputStream *stream;
  GCancellable *cancellable;
  const char   *display;
  int           fd;      /* the temporary file */
  guint8       *in;      /* [READ_AT_ONCE] */
  gsize         begin, end;
  gboolean      ended;
} Copy;

static gboolean
set_failed (GError     **error,
            GError      *problem, /* taken */
            int          code,
            const char  *display,
            const char  *what)
{
  if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, problem);
  else
    {
      g_set_error (error, REFORMER_FILE_ERROR, g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ? REFORMER_FILE_ERROR_NOT_FOUND : code, "%s: %s: %s", display, what,
                   problem->message);
      g_error_free (problem);
    }
  return FALSE;
}

/* Reads on, behind what is not used yet. */
static gboolean
fill (Copy    *copy,
      GError **error)
{
  GError *problem = NULL;
  gssize n;

  memmove (copy->in, copy->in + copy->begin, copy->end - copy->begin);
  copy->end -= copy->begin;
  copy->begin = 0;
  n = g_input_stream_read (copy->stream, copy->in + copy->end, READ_AT_ONCE - copy->end, copy->cancellable, &problem);
  if (n < 0)
    return set_failed (error, problem, REFORMER_FILE_ERROR_FAILED, copy->display, "cannot be read");
  copy->ended = n == 0;
  copy->end += (gsize) n;
  return TRUE;
}

static gboolean
copy_plain (Copy    *copy,
            GError **error)
{
  while (copy->begin < copy->end)
    {
      if (!reformer_file_write (copy->fd, copy->display, copy->in + copy->begin, copy->end - copy->begin, copy->cancellable, error))
        return FALSE;
      copy->begin = copy->end;
      if (!fill (copy, error))
        return FALSE;
    }
  return TRUE;
}

/* Between two members, or behind the last one, where zeros may follow. */
static gboolean
find_member (Copy     *copy,
             gboolean *found,
             GError  **error)
{
  for (;;)
    {
      while (copy->begin < copy->end && copy->in[copy->begin] == 0)
        copy->begin++;
      *found = is_packed (copy->in + copy->begin, copy->end - copy->begin);
      if (*found || (copy->begin == copy->end && copy->ended))
        return TRUE;
      if (copy->ended || copy->end - copy->begin >= 2)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: something that gzip did not pack follows; wanted the end of the file, or more that it packed",
                       copy->display);
          return FALSE;
        }
      if (!fill (copy, error))
        return FALSE;
    }
}

/* A file may have several members, one after the other, as those that can be read at any place have. */
static gboolean
unpack (Copy    *copy,
        GError **error)
{
  g_autoptr (GConverter) unpacker = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  g_autofree guint8 *out = g_malloc (WRITTEN_AT_ONCE);
  gboolean found = TRUE;

  while (found)
    {
      GError *problem = NULL;
      gsize used = 0, made = 0;
      const GConverterResult result = g_converter_convert (unpacker, copy->in + copy->begin, copy->end - copy->begin, out, WRITTEN_AT_ONCE,
                                                           copy->ended ? G_CONVERTER_INPUT_AT_END : G_CONVERTER_NO_FLAGS, &used, &made, &problem);

      if (result == G_CONVERTER_ERROR && g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT) && !copy->ended)
        {
          g_clear_error (&problem);
          if (!fill (copy, error))
            return FALSE;
          continue;
        }
      if (result == G_CONVERTER_ERROR)
        return set_failed (error, problem, copy->ended && copy->begin == copy->end ? REFORMER_FILE_ERROR_TRUNCATED : REFORMER_FILE_ERROR_INVALID, copy->display,
                           "cannot be unpacked; wanted what gzip packed");
      if (!reformer_file_write (copy->fd, copy->display, out, made, copy->cancellable, error))
        return FALSE;
      copy->begin += used;
      if (result == G_CONVERTER_FINISHED)
        {
          g_converter_reset (unpacker);
          if (!find_member (copy, &found, error))
            return FALSE;
        }
    }
  return TRUE;
}

int
reformer_labelled_make_temporary (const char  *display,
                                  GError     **error)
{
  g_autofree char *name = NULL;
  GError *problem = NULL;
  const int fd = g_file_open_tmp ("reformer-XXXXXX", &name, &problem);

  if (fd < 0)
    set_failed (error, problem, REFORMER_FILE_ERROR_FAILED, display, "no temporary file");
  else
    g_unlink (name);
  return fd;
}

static ReformerTextFile *
copy_all (Copy    *copy,
          GError **error)
{
  copy->fd = reformer_labelled_make_temporary (copy->display, error);
  if (copy->fd < 0)
    return NULL;
  if (is_packed (copy->in, copy->end) ? unpack (copy, error) : copy_plain (copy, error))
    return reformer_text_file_new_open (copy->fd, copy->display, error);
  close (copy->fd);
  return NULL;
}

/* Whether it is a plain file that is used as it is. FALSE with an error where it is none at all. */
static gboolean
look (const char  *path,
      const char  *display,
      gboolean    *packed,
      GError     **error)
{
  guint8 bytes[2] = { 0 };
  guint64 size;
  gboolean read;
  const int fd = reformer_file_open (AT_FDCWD, path, display, &size, error);

  if (fd < 0)
    return FALSE;
  read = reformer_file_read (fd, display, 0, bytes, (gsize) MIN (size, sizeof bytes), reformer_home_get_cancellable (), error);
  close (fd);
  *packed = is_packed (bytes, sizeof bytes);
  return read;
}

ReformerTextFile *
reformer_labelled_source_open (GFile   *file,
                               GError **error)
{
  const char *path = g_file_peek_path (file);
  g_autofree char *display = path != NULL ? g_filename_display_name (path) : g_file_get_uri (file);
  g_autofree guint8 *in = NULL;
  g_autoptr (GFileInputStream) stream = NULL;
  Copy copy = { .cancellable = reformer_home_get_cancellable (), .display = display, .fd = -1 };
  GError *problem = NULL;
  gboolean packed = TRUE;

  if (path != NULL && !look (path, display, &packed, error))
    return NULL;
  if (!packed)
    return reformer_text_file_new (path);
  stream = g_file_read (file, copy.cancellable, &problem);
  if (stream == NULL)
    {
      set_failed (error, problem, REFORMER_FILE_ERROR_FAILED, display, "cannot be opened");
      return NULL;
    }
  in = g_malloc (READ_AT_ONCE);
  copy.stream = G_INPUT_STREAM (stream);
  copy.in = in;
  while (copy.end < 2 && !copy.ended)
    if (!fill (&copy, error))
      return NULL;
  return copy_all (&copy, error);
}
