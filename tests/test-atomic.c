/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replacing files and folders, with a crash or an error at every system call that changes something: the calls are defined here, over
 * those of the C library.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/atomic.h"
#include "folders.h"

#define CRASHED 42

/* ---- System calls that fail on demand ---- */

static int fault_at;          /* which call from now on; 0 for none */
static int fault_errno;       /* 0: end the process */
static gboolean no_exchange;
static int n_calls;

static gboolean
fails (void)
{
  if (fault_at == 0 || ++n_calls != fault_at)
    return FALSE;
  if (fault_errno == 0)
    _exit (CRASHED);

  errno = fault_errno;

  return TRUE;
}

/* only whether it is asked for: no test here sees a power failure */
int
fsync (int fd)
{
  return fails () || fcntl (fd, F_GETFD) < 0 ? -1 : 0;
}

int
mkdirat (int         folder,
         const char *name,
         mode_t      mode)
{
  return fails () ? -1 : (int) syscall (SYS_mkdirat, folder, name, mode);
}

int
linkat (int         from_folder,
        const char *from,
        int         to_folder,
        const char *to,
        int         flags)
{
  return fails () ? -1 : (int) syscall (SYS_linkat, from_folder, from, to_folder, to, flags);
}

int
unlinkat (int         folder,
          const char *name,
          int         flags)
{
  return fails () ? -1 : (int) syscall (SYS_unlinkat, folder, name, flags);
}

int
renameat (int         from_folder,
          const char *from,
          int         to_folder,
          const char *to)
{
  return fails () ? -1 : (int) syscall (SYS_renameat2, from_folder, from, to_folder, to, 0);
}

int
renameat2 (int         from_folder,
           const char *from,
           int         to_folder,
           const char *to,
           unsigned    flags)
{
  if (no_exchange)
    {
      errno = EINVAL;
      return -1;
    }

  return fails () ? -1 : (int) syscall (SYS_renameat2, from_folder, from, to_folder, to, flags);
}

/* ---- Helpers ---- */

static const char *const known[] = { "config.json", "model.safetensors", "model-*-of-*.safetensors", NULL };

static char *base; /* everything happens below it */

static void
put (const char *folder,
     const char *name,
     const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL), *parent = g_path_get_dirname (path);
  FILE *stream;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  stream = fopen (path, "w");
  g_assert_nonnull (stream);
  fputs (text, stream);
  fclose (stream);
}

/* NULL where there is none */
static char *
get (const char *folder,
     const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);

  return text;
}

static void
assert_content (const char *folder,
                const char *name,
                const char *text)
{
  g_autofree char *seen = get (folder, name);

  g_assert_cmpstr (seen, ==, text);
}

static guint
count_entries (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

/* A folder of one version: "old" has a shard more. */
static gboolean
save (const char  *path,
      const char  *version,
      GError     **error)
{
  g_autoptr (ReformerAtomicFolder) folder = reformer_atomic_folder_begin (path, known, error);

  return folder != NULL &&
         reformer_atomic_folder_write (folder, "config.json", version, strlen (version), NULL, error) &&
         reformer_atomic_folder_write (folder, "model.safetensors", version, strlen (version), NULL, error) &&
         (strcmp (version, "old") != 0 ||
          reformer_atomic_folder_write (folder, "model-00001-of-00001.safetensors", "old", 3, NULL, error)) &&
         reformer_atomic_folder_commit (g_steal_pointer (&folder), error);
}

/* The folder's version; fails where it is a mixture. */
static char *
version_of (const char *path)
{
  g_autofree char *where = reformer_atomic_folder_resolve (path);
  g_autofree char *config = get (where, "config.json"), *model = get (where, "model.safetensors");
  g_autofree char *shard = get (where, "model-00001-of-00001.safetensors");

  g_assert_cmpstr (config, ==, model);
  g_assert_true ((shard != NULL) == (g_strcmp0 (config, "old") == 0));

  return g_steal_pointer (&config);
}

/* What belongs to somebody else. */
static void
put_foreign (const char *path)
{
  g_autofree char *link = g_build_filename (path, "link", NULL);

  put (path, "notes.txt", "mine");
  put (path, "checkpoints/step-1/state", "1");
  put (path, ".hidden", "too");
  g_assert_cmpint (symlink ("notes.txt", link), ==, 0);
}

static void
assert_foreign (const char *path)
{
  assert_content (path, "notes.txt", "mine");
  assert_content (path, "checkpoints/step-1/state", "1");
  assert_content (path, ".hidden", "too");
  assert_content (path, "link", "mine");
}

static void
assert_saved (const char *path)
{
  g_autoptr (GError) error = NULL;
  gboolean saved = save (path, "later", &error);
  g_autofree char *version = NULL;

  g_assert_no_error (error);
  g_assert_true (saved);
  version = version_of (path);
  g_assert_cmpstr (version, ==, "later");
}

/* ---- Folders ---- */

static void
test_folder (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL), *link = g_build_filename (parent, "link", NULL);
  g_autofree char *version = NULL, *slash = g_strconcat (path, "/", NULL);
  g_autoptr (GError) error = NULL;
  struct stat status;

  g_assert_true (save (path, "old", &error));
  g_assert_cmpuint (count_entries (path), ==, 3);
  put_foreign (path);
  g_assert_cmpint (g_chmod (path, 0750), ==, 0);

  g_assert_true (save (slash, "new", &error));
  version = version_of (path);
  g_assert_cmpstr (version, ==, "new");
  assert_foreign (path);
  g_assert_cmpuint (count_entries (path), ==, 6);
  g_assert_cmpuint (count_entries (parent), ==, 1);
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0750);

  /* a link to the folder stays a link */
  g_assert_cmpint (symlink ("model", link), ==, 0);
  assert_saved (link);
  g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  assert_foreign (path);
  g_assert_cmpuint (count_entries (parent), ==, 2);
}

static void
test_folder_abort (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL), *version = NULL;
  g_autoptr (GError) error = NULL;
  ReformerAtomicFolder *folder;

  g_assert_true (save (path, "old", &error));
  put_foreign (path);

  folder = reformer_atomic_folder_begin (path, known, &error);
  g_assert_true (reformer_atomic_folder_write (folder, "config.json", "x", 1, NULL, &error));
  g_assert_cmpuint (count_entries (parent), ==, 2);
  g_assert_cmpint (reformer_atomic_folder_create (folder, "config.json", &error), ==, -1);
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_FAILED);
  reformer_atomic_folder_abort (folder);

  g_assert_cmpuint (count_entries (parent), ==, 1);
  version = version_of (path);
  g_assert_cmpstr (version, ==, "old");
  assert_foreign (path);
}

static void
test_folder_refused (void)
{
  g_autofree char *parent = test_folder_new_in (base), *file = g_build_filename (parent, "file", NULL);
  g_autofree char *missing = g_build_filename (parent, "missing", "model", NULL), *below = g_build_filename (file, "model", NULL);
  g_autoptr (GError) error = NULL;

  put (parent, "file", "text");

  g_assert_null (reformer_atomic_folder_begin (file, known, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (reformer_atomic_folder_begin (missing, known, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (reformer_atomic_folder_begin (below, known, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (reformer_atomic_folder_begin ("/", known, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID);

  assert_content (parent, "file", "text");
  g_assert_cmpuint (count_entries (parent), ==, 1);
}

/* Dead folders are cleared away, one that a writer still fills is not, and nothing of somebody else's is deleted. */
static void
test_stale (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL);
  g_autofree char *held = g_build_filename (parent, ".model.tmp-dead02", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerAtomicFolder) alive = NULL;

  put (parent, ".model.tmp-dead00/config.json", "half");
  put (parent, ".model.tmp-dead01/checkpoints/step-1/state", "1");
  put (parent, ".model.tmp-dead02/notes.txt", "other");
  put (parent, ".model.tmp-no", "not ours");
  put (parent, ".model.tmp-DEAD00/config.json", "not ours");
  put (path, "notes.txt", "mine");

  alive = reformer_atomic_folder_begin (path, known, &error);
  g_assert_no_error (error);
  assert_saved (path);

  assert_content (path, "notes.txt", "mine");
  assert_content (path, "checkpoints/step-1/state", "1");
  assert_content (held, "notes.txt", "other");
  assert_content (parent, ".model.tmp-no", "not ours");
  assert_content (parent, ".model.tmp-DEAD00/config.json", "not ours");
  g_assert_cmpuint (count_entries (parent), ==, 5); /* model, alive, dead02 and the two */
  g_assert_true (g_file_test (reformer_atomic_folder_get_path (alive), G_FILE_TEST_IS_DIR));
}

/* ---- A crash at every step ---- */

/* In a process of its own: TRUE while there was a call number `at`. */
static gboolean
crash_at (const char *path,
          int         at)
{
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      fault_at = at;
      _exit (save (path, "new", NULL) ? 0 : 1);
    }

  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status) && (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == CRASHED));

  return WEXITSTATUS (status) == CRASHED;
}

static void
test_crashes (gconstpointer data)
{
  gboolean replace = GPOINTER_TO_INT (data) & 1, crashed = TRUE;
  guint n_old = 0, n_new = 0;

  no_exchange = GPOINTER_TO_INT (data) & 2;

  for (int at = 1; crashed; at++)
    {
      g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL), *version = NULL, *again = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (at, <, 1000);
      if (replace)
        {
          g_assert_true (save (path, "old", &error));
          put_foreign (path);
        }

      crashed = crash_at (path, at);

      /* the reader finds a whole folder, whatever happened */
      version = version_of (path);
      if (g_strcmp0 (version, "new") != 0)
        g_assert_cmpstr (version, ==, replace ? "old" : NULL);
      n_new += g_strcmp0 (version, "new") == 0;
      n_old += g_strcmp0 (version, "new") != 0;

      /* then everything is back in its place */
      reformer_atomic_folder_settle (path, known);
      again = version_of (path);
      g_assert_cmpstr (again, ==, version);
      g_assert_cmpuint (count_entries (parent), ==, version != NULL ? 1 : 0);
      if (replace)
        assert_foreign (path);

      assert_saved (path);
      if (replace)
        assert_foreign (path);
      g_assert_cmpuint (count_entries (parent), ==, 1);
      g_assert_cmpuint (count_entries (path), ==, replace ? 6 : 2);
    }

  no_exchange = FALSE;
  g_test_message ("%u crashes left the old, %u the new", n_old, n_new);
  g_assert_cmpuint (n_old, >, 0);
  g_assert_cmpuint (n_new, >, 0);
}

/* ---- An error at every step ---- */

static void
test_errors (gconstpointer data)
{
  static const int codes[] = { EIO, ENOSPC }, kinds[] = { REFORMER_FILE_ERROR_FAILED, REFORMER_FILE_ERROR_NO_SPACE };
  gboolean replace = GPOINTER_TO_INT (data) & 1;
  guint n_errors = 0;

  for (guint c = 0; c < G_N_ELEMENTS (codes); c++)
    for (int at = 1; at == 1 || n_calls >= at - 1; at++)
      {
        g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL), *version = NULL, *again = NULL;
        g_autoptr (GError) error = NULL;
        gboolean saved;

        g_assert_cmpint (at, <, 1000);
        if (replace)
          {
            g_assert_true (save (path, "old", &error));
            put_foreign (path);
          }

        n_calls = 0;
        fault_at = at;
        fault_errno = codes[c];
        no_exchange = GPOINTER_TO_INT (data) & 2;
        saved = save (path, "new", &error);
        fault_at = fault_errno = 0;

        version = version_of (path);
        if (saved)
          g_assert_cmpstr (version, ==, "new");
        else
          g_assert_error (error, REFORMER_FILE_ERROR, kinds[c]);
        n_errors += !saved;

        /* an abort puts things back at once; an error in the tidying up after it waits for the next time */
        if (replace && !saved)
          assert_foreign (path);
        reformer_atomic_folder_settle (path, known);
        again = version_of (path);
        g_assert_cmpstr (again, ==, version);
        g_assert_cmpuint (count_entries (parent), ==, version != NULL ? 1 : 0);
        if (replace)
          assert_foreign (path);

        assert_saved (path);
        no_exchange = FALSE;
      }

  g_test_message ("%u errors", n_errors);
  g_assert_cmpuint (n_errors, >, 4);
}

/* ---- Several at once ---- */

static int n_running;

static gpointer
save_often (gpointer path)
{
  for (guint i = 0; i < 150; i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean saved = save (path, i % 2 != 0 ? "old" : "new", &error);

      g_assert_no_error (error);
      g_assert_true (saved);
    }

  g_atomic_int_dec_and_test (&n_running);

  return NULL;
}

static char *
read_at (int         folder,
         const char *name)
{
  char text[16] = "";
  int fd = openat (folder, name, O_RDONLY | O_CLOEXEC);
  gssize n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  if (fd >= 0)
    close (fd);

  return n > 0 ? g_strdup (text) : NULL;
}

static void
test_threads (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL), *version = NULL;
  GThread *threads[2];
  guint n_read = 0;

  assert_saved (path);
  put_foreign (path);

  n_running = G_N_ELEMENTS (threads);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("save", save_often, path);

  /* who opens the folder once sees one version, or that the folder is being deleted */
  while (g_atomic_int_get (&n_running) > 0)
    {
      int folder = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      g_autofree char *config = NULL, *model = NULL;

      g_assert_cmpint (folder, >=, 0);
      config = read_at (folder, "config.json");
      model = read_at (folder, "model.safetensors");
      close (folder);
      if (config != NULL && model != NULL)
        {
          g_assert_cmpstr (config, ==, model);
          n_read++;
        }
    }

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  g_test_message ("%u whole reads", n_read);
  reformer_atomic_folder_settle (path, known);
  version = version_of (path);
  assert_foreign (path);
  g_assert_cmpuint (count_entries (parent), ==, 1);
}

/* ---- Files ---- */

static void
test_file (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "log.json", NULL), *link = g_build_filename (parent, "link", NULL);
  g_autofree char *missing = g_build_filename (parent, "missing", "x", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerAtomicFile) alive = NULL;
  struct stat status;

  g_assert_true (reformer_atomic_write (path, "one", 3, NULL, &error));
  assert_content (parent, "log.json", "one");
  g_assert_cmpint (g_chmod (path, 0640), ==, 0);
  g_assert_cmpint (symlink ("log.json", link), ==, 0);
  put (parent, ".log.json.tmp-dead00", "half");

  alive = reformer_atomic_file_begin (path, &error);
  g_assert_no_error (error);
  g_assert_true (reformer_atomic_write (link, "two", 3, NULL, &error));
  assert_content (parent, "log.json", "two");
  g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0640);
  g_assert_cmpuint (count_entries (parent), ==, 3); /* the file, the link, the one still written */
  g_clear_pointer (&alive, reformer_atomic_file_abort);
  g_assert_cmpuint (count_entries (parent), ==, 2);

  g_assert_false (reformer_atomic_write (parent, "x", 1, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_false (reformer_atomic_write (missing, "x", 1, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND);
}

static void
test_file_errors (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "log.json", NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (reformer_atomic_write (path, "one", 3, NULL, &error));

  for (int at = 1; at <= 2; at++) /* the sync, the renaming */
    {
      n_calls = 0;
      fault_at = at;
      fault_errno = ENOSPC;
      g_assert_false (reformer_atomic_write (path, "two", 3, NULL, &error));
      fault_at = fault_errno = 0;
      g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NO_SPACE);
      g_clear_error (&error);
      assert_content (parent, "log.json", "one");
      g_assert_cmpuint (count_entries (parent), ==, 1);
    }

  g_cancellable_cancel (cancellable);
  g_assert_false (reformer_atomic_write (path, "two", 3, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_content (parent, "log.json", "one");
  g_assert_cmpuint (count_entries (parent), ==, 1);
}

/* ---- What only another user or a small disk shows ---- */

/* Runs in a process of its own; its status is 0, or 77 to skip. */
static void
in_child (void (*function) (void))
{
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      function ();
      _exit (0);
    }

  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) == 77)
    g_test_skip ("not allowed here");
  else
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

static char *place;

static void
save_read_only (void)
{
  g_autofree char *path = g_build_filename (place, "model", NULL);
  g_autoptr (GError) error = NULL;

  if (geteuid () == 0 && setresuid (65534, 65534, 65534) != 0)
    _exit (77);

  g_assert_false (save (path, "new", &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_FAILED);
}

static void
test_read_only (void)
{
  g_autofree char *path = NULL, *version = NULL;

  place = test_folder_new_in (base);
  path = g_build_filename (place, "model", NULL);
  assert_saved (path);
  g_assert_cmpint (g_chmod (base, 0755), ==, 0);
  g_assert_cmpint (g_chmod (place, 0555), ==, 0);
  in_child (save_read_only);
  g_assert_cmpint (g_chmod (place, 0755), ==, 0);
  version = version_of (path);
  g_assert_cmpstr (version, ==, "later");
  g_assert_cmpuint (count_entries (place), ==, 1);
  g_clear_pointer (&place, g_free);
}

static void
save_full (void)
{
  g_autofree char *path = g_build_filename (place, "model", NULL), *version = NULL, *large = g_malloc0 (100000);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerAtomicFolder) folder = NULL;

  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount ("tmpfs", place, "tmpfs", 0, "size=128k") != 0)
    _exit (77);

  assert_saved (path);
  put (path, "notes.txt", "mine");

  folder = reformer_atomic_folder_begin (path, known, &error);
  g_assert_true (reformer_atomic_folder_write (folder, "config.json", large, 90000, NULL, &error));
  g_assert_false (reformer_atomic_folder_write (folder, "model.safetensors", large, 100000, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NO_SPACE);
  g_clear_pointer (&folder, reformer_atomic_folder_abort);

  version = version_of (path);
  g_assert_cmpstr (version, ==, "later");
  assert_content (path, "notes.txt", "mine");
  g_assert_cmpuint (count_entries (place), ==, 1);
  assert_saved (path);
}

static void
test_full (void)
{
  place = test_folder_new_in (base);
  in_child (save_full);
  g_clear_pointer (&place, g_free);
}

int
main (int    argc,
      char **argv)
{
  static const char *const ways[] = { "first", "replace", "first-without-exchange", "replace-without-exchange" };
  g_autofree char *command = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  base = g_dir_make_tmp ("reformer-atomic-XXXXXX", NULL);

  g_test_add_func ("/atomic/folder", test_folder);
  g_test_add_func ("/atomic/folder/abort", test_folder_abort);
  g_test_add_func ("/atomic/folder/refused", test_folder_refused);
  g_test_add_func ("/atomic/folder/stale", test_stale);
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *crashes = g_strconcat ("/atomic/crashes/", ways[i], NULL), *errors = g_strconcat ("/atomic/errors/", ways[i], NULL);

      g_test_add_data_func (crashes, GINT_TO_POINTER (i), test_crashes);
      g_test_add_data_func (errors, GINT_TO_POINTER (i), test_errors);
    }
  g_test_add_func ("/atomic/threads", test_threads);
  g_test_add_func ("/atomic/file", test_file);
  g_test_add_func ("/atomic/file/errors", test_file_errors);
  g_test_add_func ("/atomic/read-only", test_read_only);
  g_test_add_func ("/atomic/full", test_full);

  status = g_test_run ();

  command = g_strdup_printf ("rm -r '%s'", base);
  if (!g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL))
    status = 1;
  g_free (base);

  return status;
}
