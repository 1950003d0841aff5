/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/checkpoint-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libreformer/training/reformer-trainer-error.h>

#include "files/atomic-private.h"
#include "files/reading.h"
#include "files/safetensors-write.h"

#define CHECKPOINTS "checkpoints"
#define BEST "best"
#define PREFIX "step-"

/* A tokenizer's files are written atomically by themselves, so that a crash may leave more. */
const char *const reformer_checkpoint_known[] = {
  REFORMER_CHECKPOINT_MANIFEST, REFORMER_CHECKPOINT_CONFIG, REFORMER_WEIGHTS_FILES, REFORMER_CHECKPOINT_OPTIMIZER, REFORMER_CHECKPOINT_TRAINER,
  REFORMER_CHECKPOINT_TOKENIZER, "." REFORMER_CHECKPOINT_TOKENIZER ".tmp-*", REFORMER_CHECKPOINT_PIECES, "." REFORMER_CHECKPOINT_PIECES ".tmp-*", NULL
};

char *
reformer_checkpoint_get_path (const char *folder,
                              guint       step)
{
  g_autofree char *name = g_strdup_printf (PREFIX "%u", step);

  return g_build_filename (folder, CHECKPOINTS, name, NULL);
}

static int
open_checkpoints (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, CHECKPOINTS, NULL);

  return open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* "step-12" and nothing else that means 12 */
static gboolean
read_step (const char *name,
           guint      *step)
{
  guint64 number;

  if (!g_str_has_prefix (name, PREFIX) || !g_ascii_string_to_unsigned (name + strlen (PREFIX), 10, 0, G_MAXUINT, &number, NULL) ||
      (name[strlen (PREFIX)] == '0' && number > 0) || (number == 0 && name[strlen (PREFIX) + 1] != '\0'))
    return FALSE;
  *step = (guint) number;
  return TRUE;
}

static int
compare_steps (gconstpointer a,
               gconstpointer b)
{
  const guint first = *(const guint *) a, second = *(const guint *) b;

  return first < second ? 1 : first > second ? -1 : 0;
}

GArray *
reformer_checkpoint_list (const char *folder)
{
  GArray *steps = g_array_new (FALSE, FALSE, sizeof (guint));
  const int fd = open_checkpoints (folder);
  g_autoptr (GPtrArray) names = fd >= 0 ? reformer_atomic_list (fd) : NULL;
  struct stat status;
  guint step;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (read_step (names->pdata[i], &step) && fstatat (fd, names->pdata[i], &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR (status.st_mode))
      g_array_append_val (steps, step);
  if (fd >= 0)
    close (fd);
  g_array_sort (steps, compare_steps);
  return steps;
}

gboolean
reformer_checkpoint_exists (const char *folder)
{
  g_autoptr (GArray) steps = reformer_checkpoint_list (folder);

  return steps->len > 0;
}

/* ---- Order ---- */

gboolean
reformer_checkpoint_make_folder (const char  *folder,
                                 GError     **error)
{
  g_autofree char *path = g_build_filename (folder, CHECKPOINTS, NULL), *display = NULL;

  if (mkdir (path, 0777) == 0 || errno == EEXIST)
    return TRUE;
  if (errno == ENOENT)
    {
      display = g_filename_display_name (folder);
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: the folder of the run is gone: was it removed or renamed?", display);
      return FALSE;
    }
  display = g_filename_display_name (path);
  return reformer_file_set_errno (error, errno, display, "cannot be made");
}

void
reformer_checkpoint_settle (const char *folder)
{
  const int fd = open_checkpoints (folder);
  g_autoptr (GPtrArray) names = fd >= 0 ? reformer_atomic_list (fd) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      /* ".step-N.tmp-XXXXXX" */
      const char *entry = names->pdata[i];
      g_autofree char *name = entry[0] == '.' ? g_strndup (entry + 1, strcspn (entry + 1, ".")) : NULL;
      guint step;

      if (name != NULL && read_step (name, &step))
        {
          g_autofree char *target = reformer_checkpoint_get_path (folder, step);

          reformer_atomic_folder_settle (target, reformer_checkpoint_known);
        }
    }
  if (fd >= 0)
    close (fd);
}

/* ---- The newest and the best ---- */

static gboolean
copy (const char  *from,
      const char  *to,
      GError     **error)
{
  g_autofree char *display = g_filename_display_name (from), *shown = g_filename_display_name (to);
  g_autofree guint8 *piece = g_malloc (REFORMER_FILE_PIECE);
  ReformerAtomicFile *file;
  gboolean copied = TRUE;
  guint64 size;
  int fd = reformer_file_open (AT_FDCWD, from, display, &size, error);

  if (fd < 0)
    return FALSE;
  file = reformer_atomic_file_begin (to, error);
  for (guint64 at = 0; file != NULL && copied && at < size; at += REFORMER_FILE_PIECE)
    {
      const gsize n = (gsize) MIN (size - at, REFORMER_FILE_PIECE);

      copied = reformer_file_read (fd, display, at, piece, n, NULL, error) &&
               reformer_file_write (reformer_atomic_file_get_fd (file), shown, piece, n, NULL, error);
    }
  close (fd);
  if (file != NULL && !copied)
    reformer_atomic_file_abort (file);
  return file != NULL && copied && reformer_atomic_file_commit (file, error);
}

/* FOLDER/NAME becomes a second name of the checkpoint's file, or a copy where the filesystem has none. */
static gboolean
publish_file (const char  *folder,
              const char  *checkpoint,
              const char  *name,
              GError     **error)
{
  /* one name is enough: only one trainer has the folder */
  g_autofree char *from = g_build_filename (checkpoint, name, NULL), *to = g_build_filename (folder, name, NULL);
  g_autofree char *aside = g_build_filename (folder, CHECKPOINTS, ".link", NULL);
  struct stat here, there;

  if (stat (from, &here) != 0)
    return TRUE;
  if (lstat (to, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
    return TRUE;
  unlink (aside);
  if (link (from, aside) == 0 && rename (aside, to) == 0)
    return TRUE;
  unlink (aside);
  return copy (from, to, error);
}

static gboolean
sync_folder (const char  *path,
             GError     **error)
{
  g_autofree char *display = g_filename_display_name (path);
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean synced;

  if (fd < 0)
    return reformer_file_set_errno (error, errno, display, "cannot be opened");
  synced = reformer_atomic_sync_folder (fd, display, error);
  close (fd);
  return synced;
}

gboolean
reformer_checkpoint_publish (const char  *folder,
                             guint        step,
                             GError     **error)
{
  static const char *const names[] = { REFORMER_CHECKPOINT_PIECES, REFORMER_CHECKPOINT_TOKENIZER, REFORMER_CHECKPOINT_CONFIG, REFORMER_CHECKPOINT_WEIGHTS };
  g_autofree char *checkpoint = reformer_checkpoint_get_path (folder, step);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (!publish_file (folder, checkpoint, names[i], error))
      return FALSE;
  return sync_folder (folder, error);
}

gboolean
reformer_checkpoint_mark_best (const char  *folder,
                               guint        step,
                               GError     **error)
{
  g_autofree char *target = reformer_checkpoint_get_path (folder, step), *name = g_path_get_basename (target);
  g_autofree char *link = g_build_filename (folder, CHECKPOINTS, BEST, NULL), *aside = g_build_filename (folder, CHECKPOINTS, ".best", NULL);
  g_autofree char *before = g_file_read_link (link, NULL), *display = NULL;

  if (!g_file_test (target, G_FILE_TEST_IS_DIR) || g_strcmp0 (before, name) == 0)
    return TRUE;
  unlink (aside);
  if (symlink (name, aside) == 0 && rename (aside, link) == 0)
    return TRUE;
  if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS) /* a filesystem without links marks none */
    return TRUE;
  display = g_filename_display_name (link);
  return reformer_file_set_errno (error, errno, display, "cannot be written");
}

/* The manifest goes first: what is left without it is no checkpoint. Files of somebody else's stay, and the folder with them. */
static void
delete (int         checkpoints,
        const char *name)
{
  int fd = openat (checkpoints, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  g_autoptr (GPtrArray) names = fd >= 0 ? reformer_atomic_list (fd) : NULL;

  if (fd < 0)
    return;
  unlinkat (fd, REFORMER_CHECKPOINT_MANIFEST, 0);
  for (guint i = 0; names != NULL && i < names->len; i++)
    if (reformer_atomic_is_known (names->pdata[i], reformer_checkpoint_known))
      unlinkat (fd, names->pdata[i], 0);
  close (fd);
  unlinkat (checkpoints, name, AT_REMOVEDIR);
}

void
reformer_checkpoint_prune (const char *folder,
                           guint       step,
                           guint       kept)
{
  g_autoptr (GArray) steps = reformer_checkpoint_list (folder);
  g_autofree char *link = g_build_filename (folder, CHECKPOINTS, BEST, NULL), *best = g_file_read_link (link, NULL);
  const int fd = open_checkpoints (folder);
  guint n = 0;

  for (guint i = 0; fd >= 0 && i < steps->len; i++)
    {
      const guint other = g_array_index (steps, guint, i);
      g_autofree char *name = g_strdup_printf (PREFIX "%u", other);

      /* later ones are of a course that was left because they are damaged: they are not counted, and left for their owner to look at */
      if (other <= step && n++ >= MAX (kept, 1) && g_strcmp0 (name, best) != 0)
        delete (fd, name);
    }
  if (fd >= 0)
    close (fd);
}
