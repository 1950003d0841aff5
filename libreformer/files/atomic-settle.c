/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/atomic-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* One entry of somebody else's goes home, unless the target has it, or something else of its name, already. */
static void
bring_home (int         from,
            const char *name,
            int         folder)
{
  struct stat here, there;

  if (fstatat (from, name, &here, AT_SYMLINK_NOFOLLOW) != 0)
    return;

  if (fstatat (folder, name, &there, AT_SYMLINK_NOFOLLOW) != 0)
    {
      if (errno == ENOENT)
        renameat (from, name, folder, name);
    }
  else if (here.st_dev == there.st_dev && here.st_ino == there.st_ino && !S_ISDIR (here.st_mode))
    unlinkat (from, name, 0);
}

void
reformer_atomic_dispose (const ReformerAtomicTarget  *target,
                         const char                  *leaf,
                         int                          folder,
                         const char *const           *known)
{
  g_autoptr (GPtrArray) names = NULL;
  struct stat status, home;
  int fd = openat (target->parent_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    return;

  /* where there are no locks another writer may have put the target itself there */
  if (folder >= 0 && (fstat (fd, &status) != 0 || fstat (folder, &home) != 0 ||
                      (status.st_dev == home.st_dev && status.st_ino == home.st_ino)))
    {
      close (fd);
      return;
    }

  names = reformer_atomic_list (fd);
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];

      if (fstatat (fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR (status.st_mode) && reformer_atomic_is_known (name, known))
        unlinkat (fd, name, 0);
      else if (folder >= 0)
        bring_home (fd, name, folder);
    }

  close (fd);
  unlinkat (target->parent_fd, leaf, AT_REMOVEDIR);
}

/* A dead folder's descriptor with our lock on it, or -1. */
static int
open_dead (const ReformerAtomicTarget *target,
           const char                 *leaf)
{
  int fd = openat (target->parent_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0 && !reformer_atomic_lock (fd))
    {
      close (fd);
      fd = -1;
    }

  return fd;
}

static gboolean
is_missing (const ReformerAtomicTarget *target)
{
  struct stat status;

  return fstatat (target->parent_fd, target->name, &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

void
reformer_atomic_settle (const ReformerAtomicTarget *target,
                        const char *const          *known)
{
  static const char *const kinds[] = { "new", "old", "tmp" };
  g_autoptr (GPtrArray) names = NULL;
  int folder;

  if (!reformer_atomic_target_lock (target, NULL))
    return;

  names = reformer_atomic_list (target->parent_fd);
  if (names == NULL)
    {
      reformer_atomic_target_unlock (target);
      return;
    }

  /* a whole folder whose target is gone: the crash came between two renames */
  for (guint kind = 0; kind < 2; kind++)
    for (guint i = 0; i < names->len; i++)
      if (reformer_atomic_is_temporary (names->pdata[i], target->name, kinds[kind]) && is_missing (target))
        {
          int fd = open_dead (target, names->pdata[i]);

          if (fd >= 0)
            {
              renameat (target->parent_fd, names->pdata[i], target->parent_fd, target->name);
              close (fd);
            }
        }

  folder = openat (target->parent_fd, target->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  for (guint kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
    for (guint i = 0; i < names->len; i++)
      if (reformer_atomic_is_temporary (names->pdata[i], target->name, kinds[kind]))
        {
          int fd = open_dead (target, names->pdata[i]);

          if (fd >= 0)
            {
              reformer_atomic_dispose (target, names->pdata[i], folder, known);
              close (fd);
            }
        }

  if (folder >= 0)
    close (folder);
  reformer_atomic_target_unlock (target);
}

char *
reformer_atomic_folder_resolve (const char *path)
{
  static const char *const kinds[] = { "new", "old" };
  ReformerAtomicTarget target = { NULL, NULL, NULL, -1 };
  char *found = NULL;

  if (reformer_atomic_target_open (&target, path, NULL) && is_missing (&target))
    {
      g_autoptr (GPtrArray) names = reformer_atomic_list (target.parent_fd);

      for (guint kind = 0; names != NULL && kind < G_N_ELEMENTS (kinds); kind++)
        for (guint i = 0; i < names->len && found == NULL; i++)
          if (reformer_atomic_is_temporary (names->pdata[i], target.name, kinds[kind]))
            found = g_build_filename (target.parent, names->pdata[i], NULL);
    }

  reformer_atomic_target_close (&target);

  return found != NULL ? found : g_strdup (path);
}

void
reformer_atomic_folder_settle (const char        *path,
                               const char *const *known)
{
  ReformerAtomicTarget target = { NULL, NULL, NULL, -1 };

  if (reformer_atomic_target_open (&target, path, NULL))
    reformer_atomic_settle (&target, known);
  reformer_atomic_target_close (&target);
}
