/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of a run: whose it is, who has it, and its logs. */
#include "training/run-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "files/atomic.h"
#include "folders.h"

static ReformerRunFolder *
open_run (const char *path)
{
  g_autoptr (GError) error = NULL;
  ReformerRunFolder *run = reformer_run_folder_open (path, &error);

  g_assert_no_error (error);
  return run;
}

static void
assert_refused (const char *path,
                int         code,
                const char *words,
                ...) G_GNUC_NULL_TERMINATED;

/* Opening fails with an error of one line that has all the words. */
static void
assert_refused (const char *path,
                int         code,
                const char *words,
                ...)
{
  g_autoptr (GError) error = NULL;
  ReformerRunFolder *run = reformer_run_folder_open (path, &error);
  va_list arguments;

  g_assert_null (run);
  g_assert_error (error, REFORMER_TRAINER_ERROR, code);
  g_assert_null (strchr (error->message, '\n'));
  va_start (arguments, words);
  for (const char *word = words; word != NULL; word = va_arg (arguments, const char *))
    if (strstr (error->message, word) == NULL)
      g_error ("\"%s\" does not say \"%s\"", error->message, word);
  va_end (arguments);
}

static void
append (ReformerRunFolder *run,
        const char        *event,
        guint              step,
        double             loss)
{
  g_autoptr (json_t) line = json_pack ("{s:s, s:i, s:f, s:b, s:n}", "event", event, "step", (int) step, "loss", loss, "skipped", 0, "memory");
  g_autoptr (GError) error = NULL;

  reformer_run_folder_log (run, line, &error);
  g_assert_no_error (error);
}

/* ---- Whose it is ---- */

static void
test_made (void)
{
  g_autofree char *top = test_folder_new (), *path = g_build_filename (top, "a", "b", "c", NULL), *again = g_strconcat (path, "/", NULL);
  g_autoptr (ReformerRunFolder) run = open_run (path);

  g_assert_true (g_file_test (path, G_FILE_TEST_IS_DIR));
  g_clear_pointer (&run, reformer_run_folder_close);
  run = open_run (again);
  g_clear_pointer (&run, reformer_run_folder_close);
  test_folder_delete (top);
}

static void
test_foreign (void)
{
  static const struct
  {
    const char *name;
    const char *text;
    gboolean    ours;
  } files[] = {
    { "thesis.txt", "all of it", FALSE },
    { ".hidden", "", FALSE },
    { "config.json", "{\"model_type\": \"bert\"}", FALSE },
    { "config.json", "{", FALSE },
    { "config.json", "[1]", FALSE },
    { "config.json", "{\"model_type\": \"reformer\"}", TRUE },
    { "log.jsonl", "", FALSE },
    { "log.csv", "", FALSE },
    { ".reformer-lock", "", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = test_folder_new ();

      test_file_write (path, files[i].name, files[i].text, -1);
      if (files[i].ours)
        {
          reformer_run_folder_close (open_run (path));
        }
      else
        {
          assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, files[i].name, "not empty", NULL);
          g_assert_cmpuint (test_folder_count (path), ==, 1);
        }
      test_folder_delete (path);
    }
}

static void
test_checkpoints_are_ours (void)
{
  g_autofree char *path = test_folder_new (), *below = g_build_filename (path, "checkpoints", NULL), *step = g_build_filename (below, "step-3", NULL);

  g_mkdir (below, 0777);
  assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, "checkpoints", "not empty", NULL);
  g_mkdir (step, 0777);
  assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, "checkpoints", "not empty", NULL);
  test_file_write (step, "manifest.json", "{}", -1);
  reformer_run_folder_close (open_run (path));
  test_folder_delete (path);
}

/* Folders of somebody else's that have the names of ours: refused, and not a byte of them changes. */
static void
test_foreign_of_our_names (void)
{
  static const struct
  {
    const char *names[3]; /* the last one is named by the message, where the folder is ours */
    const char *texts[3];
    gboolean    ours; /* only a log is not */
  } folders[] = {
    { { "notes.txt", "log.jsonl", "log.csv" }, { "mine", "{\"step\": 1, \"loss\": 2.0}\n{\"step\": 2, \"loss\": 1.0}\n", "step,loss\n1,2.0\n2,1.0\n" }, FALSE },
    { { "checkpoints/epoch1.pt", "log.csv" }, { "weights", "epoch,loss\n1,2.0" }, FALSE },
    { { "config.json", "log.jsonl" }, { "{\"model_type\": \"reformer\"}", "{\"step\": 1, \"loss\": 2.0}\n" }, TRUE },
    { { "config.json", "log.jsonl" }, { "{\"model_type\": \"reformer\"}", "[\"event\"]\n" }, TRUE },
    { { "config.json", "log.jsonl" }, { "{\"model_type\": \"reformer\"}", "a log without an end" }, TRUE },
    { { "config.json", "log.csv" }, { "{\"model_type\": \"reformer\"}", "step,loss\n1,2.0\n" }, TRUE },
    { { "config.json", "log.csv" }, { "{\"model_type\": \"reformer\"}", "step,epoch,loss,bits\n1,1,2.0,3" }, TRUE },
    { { ".reformer-lock", "log.csv" }, { "", "epoch,loss\n1,2.0" }, TRUE },
    { { ".reformer-lock", "log.jsonl" }, { "", "{\"event\": 1}\n" }, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = test_folder_new (), *below = g_build_filename (path, "checkpoints", NULL), *before = NULL, *after = NULL;
      const char *last = NULL;

      for (guint n = 0; n < 3 && folders[i].names[n] != NULL; n++)
        {
          last = folders[i].names[n];
          if (g_str_has_prefix (last, "checkpoints/"))
            g_mkdir (below, 0777);
          test_file_write (path, last, folders[i].texts[n], -1);
        }
      before = test_folder_list (path);
      if (folders[i].ours)
        assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, last, "not the log of a trainer", NULL);
      else
        assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, "not empty", NULL);
      after = test_folder_list (path);
      g_assert_cmpstr (after, ==, before);
      for (guint n = 0; n < 3 && folders[i].names[n] != NULL; n++)
        {
          g_autofree char *text = test_file_read (path, folders[i].names[n], NULL);

          g_assert_cmpstr (text, ==, folders[i].texts[n]);
        }
      test_folder_delete (path);
    }
}

/* What a crash left of the first line does not keep a run from going on. */
static void
test_cut_within_first_line (void)
{
  static const char *const starts[] = { "", "{", "{\"event\": \"sta" }, *const headers[] = { "", "st", "step,epoch,loss,bits,learn" };

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++)
    {
      g_autofree char *path = test_folder_new (), *log = NULL, *csv = NULL;

      test_file_write (path, ".reformer-lock", "", 0);
      test_file_write (path, "log.jsonl", starts[i], -1);
      test_file_write (path, "log.csv", headers[i], -1);
      reformer_run_folder_close (open_run (path));
      log = test_file_read (path, "log.jsonl", NULL);
      csv = test_file_read (path, "log.csv", NULL);
      g_assert_cmpstr (log, ==, "");
      g_assert_true (g_str_has_prefix (csv, "step,epoch,loss,bits,learning_rate,") && g_str_has_suffix (csv, "\n"));
      test_folder_delete (path);
    }
}

static void
test_file_in_its_place (void)
{
  g_autofree char *top = test_folder_new (), *path = g_build_filename (top, "file", NULL), *below = g_build_filename (path, "run", NULL);

  test_file_write (top, "file", "text", 4);
  assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, NULL);
  assert_refused (below, REFORMER_TRAINER_ERROR_FOLDER, below, NULL);
  test_folder_delete (top);
}

static void
test_odd_files (void)
{
  static const char *const names[] = { "log.jsonl", "log.csv", ".reformer-lock" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = test_folder_new (), *odd = g_build_filename (path, names[i], NULL);

      test_file_write (path, "config.json", "{\"model_type\": \"reformer\"}", -1);
      g_mkdir (odd, 0777);
      assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, names[i], NULL);
      g_rmdir (odd);
      g_assert_cmpint (symlink ("/dev/null", odd), ==, 0);
      assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, names[i], NULL);
      test_folder_delete (path);
    }
}

static void
test_not_writable (void)
{
  g_autofree char *top = NULL, *path = NULL;

  if (geteuid () == 0)
    {
      g_test_skip ("root may write everywhere");
      return;
    }
  top = test_folder_new ();
  path = g_build_filename (top, "run", NULL);
  g_chmod (top, 0500);
  assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, NULL);
  assert_refused (top, REFORMER_TRAINER_ERROR_FOLDER, top, NULL);
  g_chmod (top, 0700);
  test_folder_delete (top);
}

/* ---- Who has it ---- */

static void
test_lock (void)
{
  g_autofree char *path = test_folder_new (), *other = g_strconcat (path, "/./", NULL);
  g_autoptr (ReformerRunFolder) run = open_run (path);

  assert_refused (path, REFORMER_TRAINER_ERROR_BUSY, path, "in use by another trainer", NULL);
  assert_refused (other, REFORMER_TRAINER_ERROR_BUSY, "in use", NULL);
  g_clear_pointer (&run, reformer_run_folder_close);
  run = open_run (path);
  g_clear_pointer (&run, reformer_run_folder_close);
  test_folder_delete (path);
}

static void
test_lock_of_another_process (void)
{
  g_autofree char *path = test_folder_new ();
  int ready[2], end[2], status;
  char byte = 0;
  pid_t child;

  g_assert_cmpint (pipe (ready), ==, 0);
  g_assert_cmpint (pipe (end), ==, 0);
  child = fork ();
  if (child == 0)
    {
      ReformerRunFolder *run = reformer_run_folder_open (path, NULL);

      close (end[1]);
      if (run == NULL || write (ready[1], "x", 1) != 1 || read (end[0], &byte, 1) < 0)
        _exit (1);
      _exit (0);
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  assert_refused (path, REFORMER_TRAINER_ERROR_BUSY, "in use", NULL);
  close (end[1]);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  reformer_run_folder_close (open_run (path)); /* however it ended */
  close (ready[0]);
  close (ready[1]);
  close (end[0]);
  test_folder_delete (path);
}

/* A filesystem without locks: this stands before the C library's function, in the library too. */
static gboolean has_no_locks;

int
fcntl (int fd,
       int command,
       ...)
{
  va_list arguments;
  void *argument;

  va_start (arguments, command);
  argument = va_arg (arguments, void *);
  va_end (arguments);
  if (has_no_locks && command == F_OFD_SETLK)
    {
      errno = ENOLCK;
      return -1;
    }
  return (int) syscall (SYS_fcntl, fd, command, argument);
}

static void
test_no_locks (void)
{
  g_autofree char *path = test_folder_new ();

  has_no_locks = TRUE;
  assert_refused (path, REFORMER_TRAINER_ERROR_FOLDER, path, "cannot be locked", g_strerror (ENOLCK), NULL);
  has_no_locks = FALSE;
  reformer_run_folder_close (open_run (path));
  test_folder_delete (path);
}

/* A model that is saved into the folder replaces it by another one with the same files. */
static void
test_lock_outlives_a_save (void)
{
  static const char *const known[] = { "config.json", "model.safetensors", NULL };
  g_autofree char *path = test_folder_new (), *text = NULL;
  g_autoptr (ReformerRunFolder) run = open_run (path);

  append (run, "step", 1, 2.5);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerAtomicFolder) folder = reformer_atomic_folder_begin (path, known, &error);

      g_assert_no_error (error);
      reformer_atomic_folder_write (folder, "config.json", "{\"model_type\": \"reformer\"}", 26, NULL, &error);
      g_assert_no_error (error);
      reformer_atomic_folder_commit (g_steal_pointer (&folder), &error);
      g_assert_no_error (error);
      assert_refused (path, REFORMER_TRAINER_ERROR_BUSY, "in use", NULL);
      append (run, "step", i + 2, 2.5);
    }
  text = test_file_read (path, "log.csv", NULL);
  g_assert_true (g_str_has_suffix (text, "\n4,,2.5,,,,,,,,,,false\n"));
  g_clear_pointer (&run, reformer_run_folder_close);
  reformer_run_folder_close (open_run (path));
  test_folder_delete (path);
}

/* ---- Logs ---- */

#define HEADER "step,epoch,loss,bits,learning_rate,gradient_norm,tokens,tokens_per_second,seconds,sequence_length,targets,memory,skipped\n"
#define ROW(step, loss) step ",," loss ",,,,,,,,,,false\n"
#define LINE(event, step, loss) "{\"event\": \"" event "\", \"step\": " step ", \"loss\": " loss ", \"skipped\": false, \"memory\": null}\n"

static void
assert_text (const char *path,
             const char *name,
             const char *want)
{
  g_autofree char *text = test_file_read (path, name, NULL);

  g_assert_cmpstr (text, ==, want);
}

static void
test_log (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (ReformerRunFolder) run = open_run (path);
  g_autoptr (json_t) start = json_pack ("{s:s, s:s}", "event", "start", "version", "0.1.0");
  g_autoptr (GError) error = NULL;

  reformer_run_folder_log (run, start, &error);
  g_assert_no_error (error);
  append (run, "step", 1, 0.1);
  append (run, "evaluated", 1, 3.0);
  g_clear_pointer (&run, reformer_run_folder_close);
  run = open_run (path);
  append (run, "step", 2, 1e-300);
  assert_text (path, "log.csv", HEADER ROW ("1", "0.1") ROW ("2", "1e-300"));
  assert_text (path, "log.jsonl", "{\"event\": \"start\", \"version\": \"0.1.0\"}\n" LINE ("step", "1", "0.1") LINE ("evaluated", "1", "3.0") LINE ("step", "2", "1e-300"));
  g_clear_pointer (&run, reformer_run_folder_close);
  test_folder_delete (path);
}

static void
test_go_back (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (ReformerRunFolder) run = open_run (path);
  g_autoptr (GError) error = NULL;

  for (guint step = 1; step <= 12; step++)
    append (run, "step", step, 2);
  append (run, "saved", 12, 2);
  reformer_run_folder_go_back (run, 12, &error);
  g_assert_no_error (error);
  g_assert_true (test_file_ends (path, "log.jsonl", LINE ("saved", "12", "2.0")));
  reformer_run_folder_go_back (run, 2, &error);
  g_assert_no_error (error);
  assert_text (path, "log.csv", HEADER ROW ("1", "2.0") ROW ("2", "2.0"));
  assert_text (path, "log.jsonl", LINE ("step", "1", "2.0") LINE ("step", "2", "2.0"));
  append (run, "step", 3, 4);
  assert_text (path, "log.csv", HEADER ROW ("1", "2.0") ROW ("2", "2.0") ROW ("3", "4.0"));
  reformer_run_folder_go_back (run, 0, &error);
  g_assert_no_error (error);
  assert_text (path, "log.csv", HEADER);
  assert_text (path, "log.jsonl", "");
  g_clear_pointer (&run, reformer_run_folder_close);
  test_folder_delete (path);
}

/* What a crash, or somebody else, left. */
static void
test_odd_lines (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GString) log = g_string_new ("{\"event\": \"start\"}\nnot JSON\n\n[]\n{\"step\": \"9\"}\n{\"step\": -3}\n");
  g_autoptr (ReformerRunFolder) run = NULL;
  g_autoptr (GError) error = NULL;
  gsize kept;

  g_string_append (log, "{\"step\": 9, \"note\": \"");
  for (guint i = 0; i < 200000; i++) /* longer than is looked into */
    g_string_append_c (log, 'x');
  g_string_append (log, "\"}\n");
  kept = log->len;
  g_string_append (log, LINE ("step", "7", "2.0") "{\"step\": 1}\n{\"st");
  test_file_write (path, "log.jsonl", log->str, (gssize) log->len);
  test_file_write (path, ".reformer-lock", "", 0);
  test_file_write (path, "log.csv", HEADER "x\n\n,\n1,2\n2,3", -1);

  run = open_run (path); /* the line without an end goes at once */
  g_string_truncate (log, log->len - strlen ("{\"st"));
  assert_text (path, "log.jsonl", log->str);
  assert_text (path, "log.csv", HEADER "x\n\n,\n1,2\n");
  reformer_run_folder_go_back (run, 6, &error);
  g_assert_no_error (error);
  g_string_truncate (log, kept);
  assert_text (path, "log.jsonl", log->str);
  assert_text (path, "log.csv", HEADER "x\n\n,\n1,2\n");
  g_clear_pointer (&run, reformer_run_folder_close);
  test_folder_delete (path);
}

/* The line at which it is cut lies across a border of the pieces that are read, or at one. */
static void
test_long_log (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (GArray) begins = g_array_new (FALSE, FALSE, sizeof (gsize));
  g_autoptr (ReformerRunFolder) run = NULL;
  g_autoptr (GError) error = NULL;

  for (guint step = 1; step <= 20000; step++)
    {
      g_array_append_val (begins, log->len);
      g_string_append_printf (log, "{\"event\": \"step\", \"step\": %u, \"x\": \"%.*s\"}\n", step, (int) (step % 23), "abcdefghijklmnopqrstuvwxyz");
    }
  test_file_write (path, ".reformer-lock", "", 0);
  test_file_write (path, "log.jsonl", log->str, (gssize) log->len);
  run = open_run (path);
  for (guint i = begins->len - 2; i > 0; i--)
    {
      const gsize begin = g_array_index (begins, gsize, i), before = g_array_index (begins, gsize, i - 1);
      g_autofree char *text = NULL;
      gsize n;

      if (begin / 65536 == before / 65536)
        continue;
      for (guint later = 0; later < 3; later++)
        {
          const guint step = i + 1 - later; /* the last that stays */

          reformer_run_folder_go_back (run, step, &error);
          g_assert_no_error (error);
          g_free (text);
          text = test_file_read (path, "log.jsonl", &n);
          g_assert_cmpmem (text, n, log->str, g_array_index (begins, gsize, step));
        }
    }
  g_clear_pointer (&run, reformer_run_folder_close);
  test_folder_delete (path);
}

static void
test_removed (void)
{
  g_autofree char *path = test_folder_new (), *log = g_build_filename (path, "log.jsonl", NULL);
  g_autoptr (ReformerRunFolder) run = open_run (path);
  g_autoptr (json_t) line = json_pack ("{s:i}", "step", 1);
  g_autoptr (GError) error = NULL;

  append (run, "step", 1, 2);
  g_unlink (log);
  g_assert_false (reformer_run_folder_log (run, line, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER);
  g_assert_nonnull (strstr (error->message, log));
  g_clear_error (&error);

  test_folder_delete (path);
  g_assert_false (reformer_run_folder_log (run, line, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, "removed"));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/run-folder/made", test_made);
  g_test_add_func ("/run-folder/foreign", test_foreign);
  g_test_add_func ("/run-folder/checkpoints-are-ours", test_checkpoints_are_ours);
  g_test_add_func ("/run-folder/foreign-of-our-names", test_foreign_of_our_names);
  g_test_add_func ("/run-folder/cut-within-first-line", test_cut_within_first_line);
  g_test_add_func ("/run-folder/file-in-its-place", test_file_in_its_place);
  g_test_add_func ("/run-folder/odd-files", test_odd_files);
  g_test_add_func ("/run-folder/not-writable", test_not_writable);
  g_test_add_func ("/run-folder/lock", test_lock);
  g_test_add_func ("/run-folder/lock-of-another-process", test_lock_of_another_process);
  g_test_add_func ("/run-folder/no-locks", test_no_locks);
  g_test_add_func ("/run-folder/lock-outlives-a-save", test_lock_outlives_a_save);
  g_test_add_func ("/run-folder/log", test_log);
  g_test_add_func ("/run-folder/go-back", test_go_back);
  g_test_add_func ("/run-folder/odd-lines", test_odd_lines);
  g_test_add_func ("/run-folder/long-log", test_long_log);
  g_test_add_func ("/run-folder/removed", test_removed);
  return g_test_run ();
}
