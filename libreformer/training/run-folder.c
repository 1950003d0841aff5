/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/run-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "files/atomic-private.h"
#include "files/reading.h"
#include "files/safetensors-write.h"
#include "training/checkpoint-private.h"

#define CONFIG "config.json"
#define CHECKPOINTS "checkpoints"
#define LOCK ".reformer-lock"
#define LOG "log.jsonl"
#define CSV "log.csv"

struct _ReformerRunFolder
{
  char *path;
  char *display;
  int   lock;
  int   log;
  int   csv;
};

static const char *const columns[] = { "step", "epoch", "loss", "bits", "learning_rate", "gradient_norm", "tokens", "tokens_per_second", "seconds", "sequence_length",
                                       "targets", "memory", "skipped" };

/* The longest line that is looked into; a longer one is nothing that a trainer wrote. */
#define MOST_BYTES 65536

static gboolean
set_unfit (ReformerRunFolder  *self,
           const char         *action,
           int                 code,
           GError            **error)
{
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: %s: %s", self->display, action, g_strerror (code));
  return FALSE;
}

/* ---- Opening ---- */

/* With its parents; each is on the disk before what is below it. */
static gboolean
make_folder (const char *path)
{
  g_autofree char *parent = g_path_get_dirname (path);
  int fd;

  if (mkdir (path, 0777) != 0)
    {
      if (errno == EEXIST)
        return TRUE;
      if (errno != ENOENT || g_str_equal (parent, path) || !make_folder (parent) || mkdir (path, 0777) != 0)
        return FALSE;
    }
  fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0)
    {
      (void) fsync (fd); /* best effort: some filesystems sync no folders */
      close (fd);
    }
  return TRUE;
}

static gboolean
is_model (const char *path)
{
  g_autofree char *file = g_build_filename (path, CONFIG, NULL);
  g_autoptr (json_t) config = reformer_json_load (file, NULL, NULL);

  return config != NULL && g_strcmp0 (json_string_value (json_object_get (config, "model_type")), "reformer") == 0;
}

/* Names alone prove nothing: other programs make folders called "checkpoints" too. */
static gboolean
has_checkpoint (const char *path)
{
  g_autoptr (GArray) steps = reformer_checkpoint_list (path);

  for (guint i = 0; i < steps->len; i++)
    {
      g_autofree char *checkpoint = reformer_checkpoint_get_path (path, g_array_index (steps, guint, i));
      g_autofree char *manifest = g_build_filename (checkpoint, REFORMER_CHECKPOINT_MANIFEST, NULL);

      if (g_file_test (manifest, G_FILE_TEST_IS_REGULAR))
        return TRUE;
    }
  return FALSE;
}

/* An empty folder, one of a run, or one of a model. */
static gboolean
check_content (ReformerRunFolder  *self,
               GError            **error)
{
  int fd = open (self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (GPtrArray) names = fd >= 0 ? reformer_atomic_list (fd) : NULL;
  g_autofree char *seen = NULL;
  const int code = errno;

  if (fd >= 0)
    close (fd);
  if (names == NULL)
    return set_unfit (self, code == ENOTDIR ? "is a file, a folder is wanted" : "cannot be opened", code, error);
  if (names->len == 0 || g_ptr_array_find_with_equal_func (names, LOCK, g_str_equal, NULL) || has_checkpoint (self->path) || is_model (self->path))
    return TRUE;
  seen = reformer_file_quote (names->pdata[0]);
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER,
               "%s: is not empty and not the folder of a run: it has \"%s\"; an empty or new folder is wanted", self->display, seen);
  return FALSE;
}

/* What a crash cut within its first line is still ours. */
static gboolean
begins (const char *text,
        gsize       n_bytes,
        const char *with)
{
  return memcmp (text, with, MIN (n_bytes, strlen (with))) == 0;
}

static gboolean
is_our_log (const char *text,
            gsize       n_bytes)
{
  const char *end = memchr (text, '\n', n_bytes);
  g_autoptr (json_t) line = end != NULL ? reformer_json_parse (text, (gsize) (end - text), LOG, NULL) : NULL;

  return end != NULL ? json_is_string (json_object_get (line, "event")) : n_bytes < MOST_BYTES && begins (text, n_bytes, "{\"event\": \"");
}

static char *
make_header (void)
{
  GString *line = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (columns); i++)
    g_string_append_printf (line, "%s%s", i > 0 ? "," : "", columns[i]);
  g_string_append_c (line, '\n');
  return g_string_free (line, FALSE);
}

static gboolean
is_our_table (const char *text,
              gsize       n_bytes)
{
  g_autofree char *header = make_header ();

  return begins (text, n_bytes, header);
}

/* Logs are cut, so that one of somebody else's must be told before anything in the folder is touched. */
static gboolean
check_log (ReformerRunFolder  *self,
           const char         *name,
           gboolean          (*is_ours) (const char *text, gsize n_bytes),
           GError            **error)
{
  g_autofree char *path = g_build_filename (self->path, name, NULL), *display = g_build_filename (self->display, name, NULL), *text = g_malloc (MOST_BYTES);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), code;
  struct stat status;
  gboolean plain;
  gssize n;

  if (fd < 0 && errno == ENOENT)
    return TRUE;
  plain = fd >= 0 && fstat (fd, &status) == 0 && S_ISREG (status.st_mode);
  n = plain ? pread (fd, text, MOST_BYTES, 0) : 0;
  code = errno;
  if (fd >= 0)
    close (fd);
  if (fd < 0 || n < 0)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: cannot be read: %s", display, g_strerror (code));
  else if (!plain)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: is no plain file", display);
  else if (!is_ours (text, (gsize) n))
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: is not the log of a trainer, which would write over it; move it away, or take another folder",
                 display);
  else
    return TRUE;
  return FALSE;
}

static int
open_file (ReformerRunFolder  *self,
           const char         *name,
           int                 flags,
           GError            **error)
{
  g_autofree char *path = g_build_filename (self->path, name, NULL), *display = g_build_filename (self->display, name, NULL);
  struct stat status;
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | flags, 0666);

  if (fd < 0)
    {
      const int code = errno;

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: cannot be written: %s", display, g_strerror (code));
      return -1;
    }
  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode))
    return fd;
  close (fd);
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: is no plain file", display);
  return -1;
}

/* The lock is the file's, whatever folder it lies in: it outlives a model that is saved into this folder, which replaces it by another with the same files. */
static gboolean
lock (ReformerRunFolder  *self,
      GError            **error)
{
  struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  g_autofree char *path = g_build_filename (self->path, LOCK, NULL);
  struct stat here, there;

  for (guint attempt = 0; attempt < 100; attempt++)
    {
      self->lock = open_file (self, LOCK, 0, error);
      if (self->lock < 0)
        return FALSE;
      if (fcntl (self->lock, F_OFD_SETLK, &whole) != 0)
        {
          if (errno != EAGAIN && errno != EACCES) /* a filesystem without locks, for one */
            return set_unfit (self, "cannot be locked", errno, error);
          g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY, "%s: is in use by another trainer", self->display);
          return FALSE;
        }
      if (fstat (self->lock, &here) == 0 && stat (path, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        return TRUE;
      close (self->lock); /* somebody took the file away meanwhile */
    }
  self->lock = -1;
  return set_unfit (self, "cannot be locked", EBUSY, error);
}

static gboolean
write_header (ReformerRunFolder  *self,
              GError            **error)
{
  g_autofree char *display = g_build_filename (self->display, CSV, NULL), *line = make_header ();
  struct stat status;

  if (fstat (self->csv, &status) == 0 && status.st_size > 0)
    return TRUE;
  return reformer_file_write (self->csv, display, line, strlen (line), NULL, error);
}

ReformerRunFolder *
reformer_run_folder_open (const char  *path,
                          GError     **error)
{
  static const char *const known[] = { CONFIG, REFORMER_WEIGHTS_FILES, NULL };
  g_autoptr (ReformerRunFolder) self = g_new0 (ReformerRunFolder, 1);

  self->path = g_canonicalize_filename (path, NULL);
  self->display = g_filename_display_name (path);
  self->lock = self->log = self->csv = -1;
  reformer_atomic_folder_settle (self->path, known);
  if (!make_folder (self->path))
    {
      set_unfit (self, "cannot be made", errno, error);
      reformer_file_tidy (error);
      return NULL;
    }
  if (!check_content (self, error) || !check_log (self, LOG, is_our_log, error) || !check_log (self, CSV, is_our_table, error) || !lock (self, error) ||
      (self->log = open_file (self, LOG, O_APPEND, error)) < 0 || (self->csv = open_file (self, CSV, O_APPEND, error)) < 0 ||
      !reformer_run_folder_go_back (self, G_MAXUINT, error) || !write_header (self, error))
    {
      reformer_file_tidy (error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
reformer_run_folder_close (ReformerRunFolder *self)
{
  const int fds[] = { self->log, self->csv, self->lock };

  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    if (fds[i] >= 0)
      close (fds[i]);
  g_free (self->path);
  g_free (self->display);
  g_free (self);
}

/* ---- Logs ---- */

/* One write a line, so that readers see whole ones; what a full disk cuts is taken back. */
static gboolean
append (ReformerRunFolder  *self,
        int                 fd,
        const char         *name,
        const char         *text,
        gsize               n_bytes,
        GError            **error)
{
  g_autofree char *display = g_build_filename (self->display, name, NULL);
  struct stat status;
  gssize n;
  int code;

  if (fstat (fd, &status) != 0)
    return reformer_file_set_errno (error, errno, display, "cannot be written");
  if (status.st_nlink == 0)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: was removed while a trainer used it",
                   g_file_test (self->path, G_FILE_TEST_IS_DIR) ? display : self->display);
      return FALSE;
    }
  do
    n = write (fd, text, n_bytes);
  while (n < 0 && errno == EINTR);
  if (n == (gssize) n_bytes)
    return TRUE;
  code = n < 0 ? errno : ENOSPC;
  if (n > 0 && ftruncate (fd, status.st_size) != 0)
    code = errno;
  return reformer_file_set_errno (error, code, display, "cannot be written");
}

static char *
make_row (json_t *line)
{
  GString *row = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (columns); i++)
    {
      json_t *value = json_object_get (line, columns[i]);
      g_autofree char *text = json_is_number (value) || json_is_boolean (value) ? reformer_json_to_text (value, REFORMER_JSON_LINE) : NULL;

      g_string_append_printf (row, "%s%s", i > 0 ? "," : "", text != NULL ? g_strchomp (text) : "");
    }
  g_string_append_c (row, '\n');
  return g_string_free (row, FALSE);
}

gboolean
reformer_run_folder_log (ReformerRunFolder  *self,
                         json_t             *line,
                         GError            **error)
{
  g_autofree char *text = reformer_json_to_text (line, REFORMER_JSON_LINE), *row = NULL;

  if (!append (self, self->log, LOG, text, strlen (text), error))
    return reformer_file_tidy (error);
  if (g_strcmp0 (json_string_value (json_object_get (line, "event")), "step") != 0)
    return TRUE;
  row = make_row (line);
  return append (self, self->csv, CSV, row, strlen (row), error) || reformer_file_tidy (error);
}

/* ---- Going back ---- */

/* The step of a line, -1 where it has none. */
static gint64
step_of_object (const char *line,
                gsize       n_bytes)
{
  g_autoptr (json_t) object = reformer_json_parse (line, n_bytes, LOG, NULL);
  json_t *step = object != NULL ? json_object_get (object, "step") : NULL;

  return json_is_integer (step) ? json_integer_value (step) : -1;
}

static gint64
step_of_row (const char *line,
             gsize       n_bytes)
{
  const char *comma = memchr (line, ',', n_bytes);
  g_autofree char *digits = comma != NULL ? g_strndup (line, (gsize) (comma - line)) : NULL;
  guint64 step;

  return digits != NULL && g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT, &step, NULL) ? (gint64) step : -1;
}

/* Cuts a log before the first line of a later step, or a last line that has no end. */
static gboolean
cut (ReformerRunFolder  *self,
     int                 fd,
     const char         *name,
     guint               step,
     gint64            (*step_of) (const char *line, gsize n_bytes),
     GError            **error)
{
  g_autofree char *display = g_build_filename (self->display, name, NULL), *piece = g_malloc (MOST_BYTES);
  g_autoptr (GString) line = g_string_new (NULL);
  gsize end = 0, at = 0, n_read;
  gboolean later = FALSE;
  struct stat status;

  if (fstat (fd, &status) != 0)
    return reformer_file_set_errno (error, errno, display, "cannot be read");
  for (; at < (gsize) status.st_size && !later; at += n_read)
    {
      n_read = MIN ((gsize) status.st_size - at, MOST_BYTES);
      if (!reformer_file_read (fd, display, at, piece, n_read, NULL, error))
        return FALSE;
      for (gsize i = 0, begin = 0; i < n_read && !later; i++)
        if (piece[i] == '\n')
          {
            if (line->len + i - begin <= MOST_BYTES && step < G_MAXUINT)
              {
                g_string_append_len (line, piece + begin, (gssize) (i - begin));
                later = step_of (line->str, line->len) > (gint64) step;
              }
            if (!later)
              end = at + i + 1;
            g_string_truncate (line, 0);
            begin = i + 1;
          }
        else if (i + 1 == n_read && line->len <= MOST_BYTES)
          {
            g_string_append_len (line, piece + begin, (gssize) (n_read - begin));
          }
    }
  if (end == (gsize) status.st_size || (ftruncate (fd, (off_t) end) == 0 && fsync (fd) == 0))
    return TRUE;
  return reformer_file_set_errno (error, errno, display, "cannot be written");
}

gboolean
reformer_run_folder_go_back (ReformerRunFolder  *self,
                             guint               step,
                             GError            **error)
{
  return (cut (self, self->log, LOG, step, step_of_object, error) && cut (self, self->csv, CSV, step, step_of_row, error)) || reformer_file_tidy (error);
}
