/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/atomic-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

#define N_LETTERS 6

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

gboolean
reformer_atomic_target_open (ReformerAtomicTarget  *target,
                             const char            *path,
                             GError               **error)
{
  char *real = realpath (path, NULL); /* from malloc */
  g_autofree char *canonical = real != NULL ? g_strdup (real) : g_canonicalize_filename (path, NULL);

  free (real);
  target->display = g_filename_display_name (path);
  target->parent = g_path_get_dirname (canonical);
  target->name = g_path_get_basename (canonical);
  target->parent_fd = -1;

  if (strcmp (target->name, G_DIR_SEPARATOR_S) == 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: cannot be replaced", target->display);
      return FALSE;
    }

  target->parent_fd = open (target->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (target->parent_fd < 0)
    return reformer_file_set_errno (error, errno, target->display, "the folder it belongs in cannot be opened");

  return TRUE;
}

void
reformer_atomic_target_close (ReformerAtomicTarget *target)
{
  if (target->parent_fd >= 0)
    close (target->parent_fd);
  g_free (target->display);
  g_free (target->parent);
  g_free (target->name);
}

char *
reformer_atomic_temporary_name (const ReformerAtomicTarget *target,
                                const char                 *kind)
{
  char suffix[N_LETTERS + 1] = "";

  for (guint i = 0; i < N_LETTERS; i++)
    suffix[i] = letters[g_random_int_range (0, (gint32) strlen (letters))];

  return g_strdup_printf (".%s.%s-%s", target->name, kind, suffix);
}

gboolean
reformer_atomic_is_temporary (const char *entry,
                              const char *name,
                              const char *kind)
{
  g_autofree char *prefix = g_strdup_printf (".%s.%s-", name, kind);

  return g_str_has_prefix (entry, prefix) && strlen (entry) == strlen (prefix) + N_LETTERS &&
         strspn (entry + strlen (prefix), letters) == N_LETTERS;
}

GPtrArray *
reformer_atomic_list (int folder)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  int fd = openat (folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;

  if (stream == NULL)
    {
      if (fd >= 0)
        close (fd);
      return NULL;
    }

  for (struct dirent *entry = readdir (stream); entry != NULL; entry = readdir (stream))
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      g_ptr_array_add (names, g_strdup (entry->d_name));
  closedir (stream);

  return g_steal_pointer (&names);
}

gboolean
reformer_atomic_sync_folder (int          folder,
                             const char  *path,
                             GError     **error)
{
  if (fsync (folder) == 0 || errno == EINVAL || errno == ENOTSUP)
    return TRUE;

  return reformer_file_set_errno (error, errno, path, "cannot be synced");
}

gboolean
reformer_atomic_lock (int fd)
{
  return flock (fd, LOCK_EX | LOCK_NB) == 0;
}

gboolean
reformer_atomic_target_lock (const ReformerAtomicTarget  *target,
                             GError                     **error)
{
  for (guint attempt = 0; attempt < 10000; attempt++)
    {
      if (reformer_atomic_lock (target->parent_fd) || errno != EWOULDBLOCK)
        return TRUE;
      g_usleep (1000);
    }

  return reformer_file_set_errno (error, EWOULDBLOCK, target->display, "another process holds the folder it belongs in");
}

void
reformer_atomic_target_unlock (const ReformerAtomicTarget *target)
{
  flock (target->parent_fd, LOCK_UN);
}

gboolean
reformer_atomic_is_known (const char        *name,
                          const char *const *known)
{
  for (gsize i = 0; known[i] != NULL; i++)
    if (g_pattern_match_simple (known[i], name))
      return TRUE;

  return FALSE;
}
