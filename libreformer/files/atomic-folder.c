/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/atomic-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

struct _ReformerAtomicFolder
{
  ReformerAtomicTarget   target;
  char                 **known;
  char                  *temporary; /* leaf */
  char                  *path;      /* of the temporary folder */
  int                    fd;
  int                    old;       /* the target's descriptor, or -1 where there is none yet */
};

static void
clear (ReformerAtomicFolder *self)
{
  if (self->fd >= 0)
    close (self->fd);
  if (self->old >= 0)
    close (self->old);
  reformer_atomic_target_close (&self->target);
  g_strfreev (self->known);
  g_free (self->temporary);
  g_free (self->path);
  g_free (self);
}

/* A new folder with a lock of ours, which nobody took for a dead one and removed before the lock was there. */
static gboolean
create (ReformerAtomicFolder  *self,
        GError               **error)
{
  struct stat status;

  for (guint attempt = 0; attempt < 100; attempt++)
    {
      g_free (self->temporary);
      self->temporary = reformer_atomic_temporary_name (&self->target, "tmp");
      if (mkdirat (self->target.parent_fd, self->temporary, 0777) != 0)
        {
          if (errno == EEXIST)
            continue;
          return reformer_file_set_errno (error, errno, self->target.display, "cannot be written");
        }

      self->fd = openat (self->target.parent_fd, self->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (self->fd < 0 && errno != ENOENT)
        {
          int code = errno;

          unlinkat (self->target.parent_fd, self->temporary, AT_REMOVEDIR);
          return reformer_file_set_errno (error, code, self->target.display, "cannot be written");
        }
      if (self->fd < 0)
        continue;

      if ((reformer_atomic_lock (self->fd) || errno != EWOULDBLOCK) &&
          fstatat (self->target.parent_fd, self->temporary, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return TRUE;

      close (self->fd);
      self->fd = -1;
    }

  return reformer_file_set_errno (error, EEXIST, self->target.display, "cannot be written");
}

/* The target's folder, if there is one. */
static gboolean
open_old (ReformerAtomicFolder  *self,
          GError               **error)
{
  if (self->old >= 0)
    close (self->old);

  self->old = openat (self->target.parent_fd, self->target.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->old >= 0 || errno == ENOENT)
    return TRUE;

  if (errno != ENOTDIR)
    return reformer_file_set_errno (error, errno, self->target.display, "cannot be opened");

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is a file, a folder is wanted", self->target.display);

  return FALSE;
}

ReformerAtomicFolder *
reformer_atomic_folder_begin (const char         *path,
                              const char *const  *known,
                              GError            **error)
{
  g_autoptr (ReformerAtomicFolder) self = g_new0 (ReformerAtomicFolder, 1);
  struct stat status;

  self->fd = self->old = -1;
  self->known = g_strdupv ((char **) known);
  if (!reformer_atomic_target_open (&self->target, path, error))
    return NULL;

  reformer_atomic_settle (&self->target, known);

  if (!open_old (self, error) || !create (self, error))
    return NULL;

  self->path = g_build_filename (self->target.parent, self->temporary, NULL);
  if (self->old >= 0 && fstat (self->old, &status) == 0)
    (void) fchmod (self->fd, status.st_mode & 07777); /* best effort: some filesystems have no modes */

  return g_steal_pointer (&self);
}

const char *
reformer_atomic_folder_get_path (ReformerAtomicFolder *self)
{
  return self->path;
}

int
reformer_atomic_folder_create (ReformerAtomicFolder  *self,
                               const char            *name,
                               GError               **error)
{
  int fd;

  g_return_val_if_fail (reformer_atomic_is_known (name, (const char *const *) self->known), -1);

  fd = openat (self->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0)
    {
      int code = errno;
      g_autofree char *path = g_build_filename (self->target.display, name, NULL);

      reformer_file_set_errno (error, code, path, "cannot be written");
    }

  return fd;
}

gboolean
reformer_atomic_folder_write (ReformerAtomicFolder  *self,
                              const char            *name,
                              gconstpointer          bytes,
                              gsize                  n_bytes,
                              GCancellable          *cancellable,
                              GError               **error)
{
  g_autofree char *path = g_build_filename (self->target.display, name, NULL);
  int fd = reformer_atomic_folder_create (self, name, error);
  gboolean written;

  if (fd < 0)
    return FALSE;

  written = reformer_file_write (fd, path, bytes, n_bytes, cancellable, error);
  close (fd); /* what a close could report, the commit's sync does */

  return written;
}

static gboolean
sync_files (ReformerAtomicFolder  *self,
            GError               **error)
{
  g_autoptr (GPtrArray) names = reformer_atomic_list (self->fd);

  if (names == NULL)
    return reformer_file_set_errno (error, errno, self->target.display, "cannot be read");

  for (guint i = 0; i < names->len; i++)
    {
      int code = 0, fd = openat (self->fd, names->pdata[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

      if (fd < 0 || fsync (fd) != 0)
        code = errno;
      if (fd >= 0)
        close (fd);
      if (code != 0)
        return reformer_file_set_errno (error, code, self->target.display, "cannot be written");
    }

  return TRUE;
}

/* Links or moves everybody else's files and folders from the old folder to the new one. */
static gboolean
take_over (ReformerAtomicFolder  *self,
           GError               **error)
{
  g_autoptr (GPtrArray) names = reformer_atomic_list (self->old);
  struct stat status;

  if (names == NULL)
    return reformer_file_set_errno (error, errno, self->target.display, "cannot be read");

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];

      if (fstatat (self->old, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        continue; /* its owner deleted it meanwhile */
      if (!S_ISDIR (status.st_mode) && reformer_atomic_is_known (name, (const char *const *) self->known))
        continue;
      if (!S_ISDIR (status.st_mode) && linkat (self->old, name, self->fd, name, 0) == 0)
        continue;
      if (renameat (self->old, name, self->fd, name) == 0) /* a folder, or a filesystem without links */
        continue;
      if (errno != ENOENT)
        {
          int code = errno;
          g_autofree char *path = g_build_filename (self->target.display, name, NULL);

          return reformer_file_set_errno (error, code, path, "cannot be taken over into the new folder");
        }
    }

  return TRUE;
}

/* Without an exchange: see the head of atomic.h. *old_leaf is set where the old folder went. */
static gboolean
step_aside (ReformerAtomicFolder  *self,
            char                 **old_leaf,
            GError               **error)
{
  int parent = self->target.parent_fd, code;
  g_autofree char *new_leaf = reformer_atomic_temporary_name (&self->target, "new");
  g_autofree char *aside = reformer_atomic_temporary_name (&self->target, "old");

  if (renameat (parent, self->temporary, parent, new_leaf) != 0)
    return reformer_file_set_errno (error, errno, self->target.display, "cannot be replaced");

  if (!reformer_atomic_sync_folder (parent, self->target.display, error))
    {
      renameat (parent, new_leaf, parent, self->temporary);
      return FALSE;
    }

  if (renameat (parent, self->target.name, parent, aside) != 0)
    {
      code = errno;
      renameat (parent, new_leaf, parent, self->temporary);
      return reformer_file_set_errno (error, code, self->target.display, "cannot be replaced");
    }

  if (renameat (parent, new_leaf, parent, self->target.name) != 0)
    {
      code = errno;
      renameat (parent, aside, parent, self->target.name);
      renameat (parent, new_leaf, parent, self->temporary);
      return reformer_file_set_errno (error, code, self->target.display, "cannot be replaced");
    }

  *old_leaf = g_steal_pointer (&aside);

  return TRUE;
}

static int
exchange (int         parent,
          const char *a,
          const char *b)
{
#ifdef RENAME_EXCHANGE
  return renameat2 (parent, a, parent, b, RENAME_EXCHANGE);
#else
  errno = ENOSYS;
  return -1;
#endif
}

static gboolean
publish (ReformerAtomicFolder  *self,
         char                 **old_leaf,
         GError               **error)
{
  int parent = self->target.parent_fd;

  if (self->old < 0)
    {
      if (renameat (parent, self->temporary, parent, self->target.name) == 0)
        return TRUE;
    }
  else if (exchange (parent, self->temporary, self->target.name) == 0)
    {
      *old_leaf = g_strdup (self->temporary);
      return TRUE;
    }
  else if (errno == ENOSYS || errno == EINVAL || errno == ENOTSUP)
    {
      return step_aside (self, old_leaf, error);
    }

  return reformer_file_set_errno (error, errno, self->target.display, "cannot be replaced");
}

gboolean
reformer_atomic_folder_commit (ReformerAtomicFolder  *self,
                               GError               **error)
{
  g_autofree char *old_leaf = NULL;
  gboolean synced;

  /* another writer may have replaced the target since begin(), so it is opened again */
  if (!sync_files (self, error) || !reformer_atomic_target_lock (&self->target, error) || !open_old (self, error) ||
      (self->old >= 0 && !take_over (self, error)) ||
      !reformer_atomic_sync_folder (self->fd, self->target.display, error) || !publish (self, &old_leaf, error))
    {
      reformer_atomic_folder_abort (self);
      return FALSE;
    }

  synced = reformer_atomic_sync_folder (self->target.parent_fd, self->target.display, error);

  /* the old folder is the only sure one until the sync */
  if (synced && old_leaf != NULL)
    reformer_atomic_dispose (&self->target, old_leaf, self->fd, (const char *const *) self->known);

  clear (self);

  return synced;
}

void
reformer_atomic_folder_abort (ReformerAtomicFolder *self)
{
  if (self->fd >= 0 && reformer_atomic_target_lock (&self->target, NULL))
    reformer_atomic_dispose (&self->target, self->temporary, self->old, (const char *const *) self->known);
  clear (self);
}
