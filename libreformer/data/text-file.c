/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/text-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "files/reading.h"

#define HASHED_AT_ONCE (1u << 20)

struct _ReformerTextFile
{
  gatomicrefcount  refs;
  char            *path;    /* of the system */
  char            *display; /* of messages */
  GMutex           mutex;   /* for what follows */
  int              fd;      /* -1: not opened yet */
  guint64          size;
  struct timespec  modified;
  char            *hash;
};

ReformerTextFile *
reformer_text_file_new (const char *path)
{
  ReformerTextFile *self = g_new0 (ReformerTextFile, 1);

  g_atomic_ref_count_init (&self->refs);
  self->path = g_strdup (path);
  self->display = g_filename_display_name (path);
  g_mutex_init (&self->mutex);
  self->fd = -1;
  return self;
}

ReformerTextFile *
reformer_text_file_ref (ReformerTextFile *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
reformer_text_file_unref (ReformerTextFile *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  if (self->fd >= 0)
    close (self->fd);
  g_mutex_clear (&self->mutex);
  g_free (self->path);
  g_free (self->display);
  g_free (self->hash);
  g_free (self);
}

const char *
reformer_text_file_get_path (ReformerTextFile *self)
{
  return self->display;
}

static gboolean
look (ReformerTextFile  *self,
      int                fd,
      struct stat       *status,
      GError           **error)
{
  return fstat (fd, status) == 0 || reformer_file_set_errno (error, errno, self->display, "cannot be read");
}

static gboolean
take (ReformerTextFile  *self,
      int                fd,
      GError           **error)
{
  struct stat status;

  if (!look (self, fd, &status, error))
    {
      close (fd);
      return FALSE;
    }
  if (status.st_size == 0)
    {
      close (fd);
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is empty, a file with text is wanted", self->display);
      return FALSE;
    }
  self->size = (guint64) status.st_size;
  self->modified = status.st_mtim;
  self->fd = fd;
  return TRUE;
}

/* With the mutex held. */
static gboolean
open_locked (ReformerTextFile  *self,
             GError           **error)
{
  guint64 size;
  const int fd = reformer_file_open (AT_FDCWD, self->path, self->display, &size, error);

  return fd >= 0 && take (self, fd, error);
}

ReformerTextFile *
reformer_text_file_new_open (int          fd,
                             const char  *display,
                             GError     **error)
{
  ReformerTextFile *self = reformer_text_file_new (display);

  if (take (self, fd, error))
    return self;
  reformer_text_file_unref (self);
  return NULL;
}

/* After it has returned TRUE, what it set does not change any more: the rest of this file reads it without the lock. */
static gboolean
open_file (ReformerTextFile  *self,
           GError           **error)
{
  gboolean opened;

  g_mutex_lock (&self->mutex);
  opened = self->fd >= 0 || open_locked (self, error);
  g_mutex_unlock (&self->mutex);
  return opened;
}

/* Whether the file is what it was when it was opened. */
static gboolean
check_unchanged (ReformerTextFile  *self,
                 GError           **error)
{
  struct stat status;

  if (!look (self, self->fd, &status, error))
    return FALSE;
  if ((guint64) status.st_size != self->size)
    g_set_error (error, REFORMER_FILE_ERROR, (guint64) status.st_size < self->size ? REFORMER_FILE_ERROR_TRUNCATED : REFORMER_FILE_ERROR_MISMATCH,
                 "%s: has %" G_GINT64_FORMAT " bytes now, had %" G_GUINT64_FORMAT " when it was opened; it must not change while it is used", self->display,
                 (gint64) status.st_size, self->size);
  else if (status.st_mtim.tv_sec != self->modified.tv_sec || status.st_mtim.tv_nsec != self->modified.tv_nsec)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "%s: was written to after it was opened; it must not change while it is used", self->display);
  else
    return TRUE;
  return FALSE;
}

gboolean
reformer_text_file_get_size (ReformerTextFile  *self,
                             guint64           *size,
                             GError           **error)
{
  if (!open_file (self, error))
    return FALSE;
  *size = self->size;
  return TRUE;
}

/* A file that is shorter now says so itself, whether or not this part of it is left. */
static gboolean
read_part (ReformerTextFile  *self,
           guint64            offset,
           gpointer           to,
           gsize              n_bytes,
           GError           **error)
{
  g_autoptr (GError) problem = NULL;

  if (reformer_file_read (self->fd, self->display, offset, to, n_bytes, reformer_home_get_cancellable (), &problem))
    return check_unchanged (self, error);
  if (g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_CANCELLED) || check_unchanged (self, error))
    g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

GBytes *
reformer_text_file_read (ReformerTextFile  *self,
                         guint64            offset,
                         gsize              n_bytes,
                         GError           **error)
{
  g_autofree guint8 *bytes = NULL;

  if (!open_file (self, error))
    return NULL;
  bytes = g_try_malloc (MAX (n_bytes, 1));
  if (bytes == NULL)
    {
      reformer_file_set_errno (error, ENOMEM, self->display, "cannot be read");
      return NULL;
    }
  if (!read_part (self, offset, bytes, n_bytes, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&bytes), n_bytes);
}

static char *
compute_hash (ReformerTextFile  *self,
              GError           **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree guint8 *piece = g_malloc (HASHED_AT_ONCE);

  for (guint64 offset = 0; offset < self->size; offset += HASHED_AT_ONCE)
    {
      const gsize n_bytes = (gsize) MIN (HASHED_AT_ONCE, self->size - offset);

      if (!read_part (self, offset, piece, n_bytes, error))
        return NULL;
      g_checksum_update (checksum, piece, (gssize) n_bytes);
    }
  return g_strdup (g_checksum_get_string (checksum));
}

const char *
reformer_text_file_get_hash (ReformerTextFile  *self,
                             GError           **error)
{
  g_autofree char *hash = NULL;
  const char *known;

  if (!open_file (self, error))
    return NULL;
  g_mutex_lock (&self->mutex);
  known = self->hash;
  g_mutex_unlock (&self->mutex);
  if (known != NULL)
    return known;
  /* This may take seconds, in which others can read; each piece looks whether it was cancelled. */
  hash = compute_hash (self, error);
  if (hash == NULL)
    return NULL;
  g_mutex_lock (&self->mutex);
  if (self->hash == NULL)
    self->hash = g_steal_pointer (&hash);
  known = self->hash;
  g_mutex_unlock (&self->mutex);
  return known;
}
