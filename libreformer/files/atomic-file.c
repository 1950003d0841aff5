/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/atomic-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/reading.h"

struct _ReformerAtomicFile
{
  ReformerAtomicTarget  target;
  char                 *temporary;
  int                   fd;
};

static void
remove_stale (const ReformerAtomicTarget *target)
{
  g_autoptr (GPtrArray) names = reformer_atomic_list (target->parent_fd);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      struct stat status;
      int fd;

      if (!reformer_atomic_is_temporary (names->pdata[i], target->name, "tmp"))
        continue;

      fd = openat (target->parent_fd, names->pdata[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
      if (fd < 0)
        continue;
      if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode) && reformer_atomic_lock (fd))
        unlinkat (target->parent_fd, names->pdata[i], 0);
      close (fd);
    }
}

/* A new file with a lock of ours, which nobody took for a dead one and removed before the lock was there. */
static gboolean
create (ReformerAtomicFile  *self,
        GError             **error)
{
  struct stat status;

  for (guint attempt = 0; attempt < 100; attempt++)
    {
      g_free (self->temporary);
      self->temporary = reformer_atomic_temporary_name (&self->target, "tmp");
      self->fd = openat (self->target.parent_fd, self->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
      if (self->fd < 0 && errno != EEXIST)
        return reformer_file_set_errno (error, errno, self->target.display, "cannot be written");
      if (self->fd < 0)
        continue;

      if ((reformer_atomic_lock (self->fd) || errno != EWOULDBLOCK) && fstat (self->fd, &status) == 0 && status.st_nlink > 0)
        return TRUE;

      close (self->fd);
      self->fd = -1;
    }

  return reformer_file_set_errno (error, EEXIST, self->target.display, "cannot be written");
}

ReformerAtomicFile *
reformer_atomic_file_begin (const char  *path,
                            GError     **error)
{
  g_autoptr (ReformerAtomicFile) self = g_new0 (ReformerAtomicFile, 1);
  struct stat status;

  self->fd = -1;
  if (!reformer_atomic_target_open (&self->target, path, error))
    return NULL;

  remove_stale (&self->target);

  if (fstatat (self->target.parent_fd, self->target.name, &status, 0) != 0)
    return create (self, error) ? g_steal_pointer (&self) : NULL;

  if (!S_ISREG (status.st_mode))
    {
      reformer_file_set_errno (error, S_ISDIR (status.st_mode) ? EISDIR : EINVAL, self->target.display, "cannot be replaced");
      return NULL;
    }

  if (!create (self, error))
    return NULL;
  (void) fchmod (self->fd, status.st_mode & 07777); /* best effort: some filesystems have no modes */

  return g_steal_pointer (&self);
}

int
reformer_atomic_file_get_fd (ReformerAtomicFile *self)
{
  return self->fd;
}

static void
clear (ReformerAtomicFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->temporary);
  reformer_atomic_target_close (&self->target);
  g_free (self);
}

gboolean
reformer_atomic_file_commit (ReformerAtomicFile  *self,
                             GError             **error)
{
  gboolean done = FALSE;

  if (fsync (self->fd) != 0)
    reformer_file_set_errno (error, errno, self->target.display, "cannot be written");
  else if (renameat (self->target.parent_fd, self->temporary, self->target.parent_fd, self->target.name) != 0)
    reformer_file_set_errno (error, errno, self->target.display, "cannot be replaced");
  else
    done = TRUE;

  if (!done)
    {
      reformer_atomic_file_abort (self);
      return FALSE;
    }

  done = reformer_atomic_sync_folder (self->target.parent_fd, self->target.display, error);
  clear (self);

  return done;
}

void
reformer_atomic_file_abort (ReformerAtomicFile *self)
{
  if (self->fd >= 0)
    unlinkat (self->target.parent_fd, self->temporary, 0);
  clear (self);
}

gboolean
reformer_atomic_write (const char     *path,
                       gconstpointer   bytes,
                       gsize           n_bytes,
                       GCancellable   *cancellable,
                       GError        **error)
{
  g_autoptr (ReformerAtomicFile) file = reformer_atomic_file_begin (path, error);

  return file != NULL && reformer_file_write (file->fd, file->target.display, bytes, n_bytes, cancellable, error) &&
         reformer_atomic_file_commit (g_steal_pointer (&file), error);
}
