/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/tokenizer-private.h"
#include "foreign-data.h"
#include "mistakes.h"

typedef struct
{
  char  *folder;
  char  *path;
  GFile *file;
} Text;

static void
set_up (Text         *text,
        gconstpointer data)
{
  text->folder = g_dir_make_tmp ("reformer-text-XXXXXX", NULL);
  text->path = g_build_filename (text->folder, "book.txt", NULL);
  text->file = g_file_new_for_path (text->path);
}

static void
tear_down (Text         *text,
           gconstpointer data)
{
  g_remove (text->path);
  g_rmdir (text->folder);
  g_free (text->path);
  g_free (text->folder);
  g_object_unref (text->file);
}

static void
write_text (Text       *text,
            const char *content,
            gssize      n)
{
  g_assert_true (g_file_set_contents (text->path, content, n, NULL));
}

static ReformerDataset *
open_text (Text  *text,
           double fraction)
{
  return g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", text->file, "held-out-fraction", fraction, NULL);
}

static char *
identify (ReformerDataset *dataset)
{
  g_autoptr (GError) error = NULL;
  char *identity = reformer_dataset_identify (dataset, &error);

  g_assert_no_error (error);
  g_assert_nonnull (identity);
  return identity;
}

/* All samples, one after the other, as the bytes that a ByteTokenizer makes of them. */
static GByteArray *
read_all (ReformerDataset *dataset,
          int              length)
{
  g_autoptr (GError) error = NULL;
  GByteArray *all = g_byte_array_new ();
  const gint64 n = reformer_dataset_count_samples (dataset, length, &error);

  g_assert_no_error (error);
  for (gint64 i = 0; i < n; i++)
    {
      g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (dataset, i, length, &error);
      g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new ();
      g_autoptr (GBytes) text = NULL;

      g_assert_no_error (error);
      g_assert_null (reformer_sample_get_mask (sample));
      text = reformer_tokenizer_decode (bytes, reformer_sample_get_tokens (sample), &error);
      g_assert_no_error (error);
      g_assert_true (i == n - 1 || g_bytes_get_size (text) == (gsize) length);
      g_byte_array_append (all, g_bytes_get_data (text, NULL), (guint) g_bytes_get_size (text));
    }
  g_assert_null (reformer_dataset_read_sample (dataset, n, length, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "was asked for, the last one of length"));
  return all;
}

/* ---- Samples ---- */

/* The samples of a part are its bytes, all of them but a single one that is left over. */
static void
assert_part (ReformerDataset *dataset,
             const char      *text,
             gsize            n)
{
  for (int length = 1; length <= 12; length++)
    {
      g_autoptr (GByteArray) all = read_all (dataset, length);
      const gsize left = length > 1 && n % (gsize) length == 1 ? n - 1 : n;

      g_assert_cmpmem (all->data, all->len, text, left);
    }
}

static void
test_parts (Text         *text,
            gconstpointer data)
{
  static const char content[] = "The quick brown fox jumps over the lazy dog, and then it rests a while.";
  static const double fractions[] = { 0.1, 0.25, 0.5, 0.9 };

  for (gsize n = 20; n < sizeof content; n += 7)
    for (gsize i = 0; i < G_N_ELEMENTS (fractions); i++)
      {
        const gsize held = (gsize) ((double) n * fractions[i]);
        g_autoptr (ReformerDataset) training = NULL, held_out = NULL;

        write_text (text, content, (gssize) n);
        training = open_text (text, fractions[i]);
        held_out = reformer_dataset_get_held_out (training, NULL);
        assert_part (training, content, n - held);
        assert_part (held_out, content + n - held, held);
        g_assert_null (reformer_dataset_get_held_out (held_out, NULL));
        g_assert_cmpfloat (reformer_text_dataset_get_held_out_fraction (REFORMER_TEXT_DATASET (held_out)), ==, fractions[i]);
        g_assert_true (reformer_text_dataset_get_file (REFORMER_TEXT_DATASET (held_out)) == text->file);
      }
}

static void
test_whole (Text         *text,
            gconstpointer data)
{
  g_autoptr (ReformerDataset) dataset = NULL, usual = NULL;

  write_text (text, "0123456789", -1);
  dataset = open_text (text, 0);
  assert_part (dataset, "0123456789", 10);
  g_assert_null (reformer_dataset_get_held_out (dataset, NULL));
  usual = REFORMER_DATASET (reformer_text_dataset_new (text->file, NULL));
  g_assert_cmpfloat (reformer_text_dataset_get_held_out_fraction (REFORMER_TEXT_DATASET (usual)), ==, 0.1);
  g_assert_true (REFORMER_IS_BYTE_TOKENIZER (reformer_dataset_get_tokenizer (usual)));
  assert_part (usual, "012345678", 9);
}

/* The setter takes any number; every use of one that is no part says so. */
static void
test_fraction (Text         *text,
               gconstpointer data)
{
  static const double wrong[] = { 2.0, -0.5, 0.95, NAN };
  g_autoptr (ReformerDataset) dataset = NULL, held_out = NULL;
  g_autoptr (GError) error = NULL;

  write_text (text, "0123456789", -1);
  dataset = open_text (text, 0.5);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autofree char *seen = g_strdup_printf ("held-out-fraction is %g;", wrong[i]);

      reformer_text_dataset_set_held_out_fraction (REFORMER_TEXT_DATASET (dataset), wrong[i]);
      g_assert_null (reformer_dataset_get_held_out (dataset, &error));
      assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, seen, "wanted 0 to 0.9", NULL);
      g_assert_cmpint (reformer_dataset_count_samples (dataset, 4, &error), ==, -1);
      assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, seen, "wanted 0 to 0.9", NULL);
    }
  reformer_text_dataset_set_held_out_fraction (REFORMER_TEXT_DATASET (dataset), 0.25);
  held_out = reformer_dataset_get_held_out (dataset, &error);
  g_assert_no_error (error);
  assert_part (held_out, "89", 2);
  assert_part (dataset, "01234567", 8);
}

/* The cut lies where a character begins; what is no UTF-8 is cut anywhere. */
static void
test_characters (Text         *text,
                 gconstpointer data)
{
  static const struct
  {
    const char *content;
    gsize       cut;
  } cases[] = {
    { "ab\xf0\x9f\x8c\x8d""cd", 2 },  /* 8 bytes, the middle is within a character */
    { "a\xf0\x9f\x8c\x8d""cde", 1 },
    { "abc\xf0\x9f\x8c\x8d""d", 3 },
    { "abcd\xc3\xa4""ef", 4 },
    { "ab\x80\x80\x80\x80""cd", 4 },
    { "ab\xc3\xa4\x80\x80""cd", 4 },
    { "\x80\x80\x80\x80\x80\x80\x80\x80", 4 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerDataset) training = NULL, held_out = NULL;
      g_autoptr (GByteArray) first = NULL, last = NULL;
      g_autoptr (GError) error = NULL;

      write_text (text, cases[i].content, 8);
      training = open_text (text, 0.5);
      held_out = reformer_dataset_get_held_out (training, NULL);
      last = read_all (held_out, 100);
      g_assert_cmpmem (last->data, last->len, cases[i].content + cases[i].cut, 8 - cases[i].cut);
      if (cases[i].cut == 1)
        {
          g_assert_cmpint (reformer_dataset_count_samples (training, 4, &error), ==, -1);
          assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, text->path, "the part for training has 1 token,", "at least 2", NULL);
          continue;
        }
      first = read_all (training, 100);
      g_assert_cmpmem (first->data, first->len, cases[i].content, cases[i].cut);
    }
}

/* Beyond 4 GiB, in a file of holes. */
static void
test_large (Text         *text,
            gconstpointer data)
{
  const gint64 size = ((gint64) 5 << 30) + 3;
  const int fd = g_open (text->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  g_autoptr (ReformerDataset) dataset = open_text (text, 0);
  g_autoptr (ReformerSample) sample = NULL;
  g_autoptr (GError) error = NULL;
  gint64 n;

  g_assert_cmpint (fd, >=, 0);
  if (ftruncate (fd, size) != 0)
    {
      close (fd);
      g_test_skip ("no files of 5 GiB here");
      return;
    }
  g_assert_cmpint (pwrite (fd, "end", 3, size - 3), ==, 3);
  close (fd);
  n = reformer_dataset_count_samples (dataset, 1 << 20, &error);
  g_assert_no_error (error);
  g_assert_cmpint (n, ==, 5 * 1024 + 1);
  sample = reformer_dataset_read_sample (dataset, n - 1, 1 << 20, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (sample)), ==, 12);
  g_assert_cmpint (reformer_tokenizer_nth_id (reformer_sample_get_tokens (sample), 2), ==, 'd' + 2);
}

/* ---- Identity ---- */

static void
test_identity (Text         *text,
               gconstpointer data)
{
  g_autoptr (ReformerDataset) training = NULL, again = NULL, held_out = NULL, other = NULL, foreign = NULL;
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *identity = NULL, *same = NULL;

  write_text (text, "abc", -1);
  training = open_text (text, 0.5);
  again = open_text (text, 0.5);
  held_out = reformer_dataset_get_held_out (training, NULL);
  other = open_text (text, 0.75);
  foreign = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", text->file, "held-out-fraction", 0.5, "tokenizer", tokenizer, NULL);
  identity = identify (training);
  same = identify (again);
  g_assert_cmpstr (identity, ==, "text of 3 bytes, sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, tokenizer bytes, training part of 2 bytes");
  g_assert_cmpstr (identity, ==, same);
  g_hash_table_add (seen, g_strdup (identity));
  g_assert_true (g_hash_table_add (seen, identify (held_out)));
  g_assert_true (g_hash_table_add (seen, identify (other)));
  g_assert_true (g_hash_table_add (seen, identify (foreign)));
  /* as large, and written anew */
  write_text (text, "abd", -1);
  g_clear_object (&again);
  again = open_text (text, 0.5);
  g_assert_true (g_hash_table_add (seen, identify (again)));
}

/* The hash is made in pieces. */
static void
test_long_identity (Text         *text,
                    gconstpointer data)
{
  const gsize n = 2 * (1u << 20) + 17;
  g_autofree char *content = g_malloc (n), *hash = NULL, *identity = NULL;
  g_autoptr (ReformerDataset) dataset = open_text (text, 0.1);

  for (gsize i = 0; i < n; i++)
    content[i] = (char) (i * 2654435761u >> 13);
  write_text (text, content, (gssize) n);
  hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guint8 *) content, n);
  identity = identify (dataset);
  g_assert_nonnull (strstr (identity, hash));
}

/* ---- Files that cannot be read ---- */

static void
assert_refused (ReformerDataset  *dataset,
                ReformerFileError code,
                const char       *path,
                const char       *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (dataset, 4, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, code, path, word, NULL);
  g_assert_null (reformer_dataset_read_sample (dataset, 0, 4, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, word, NULL);
  g_assert_null (reformer_dataset_identify (dataset, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, word, NULL);
}

static void
test_no_file (Text         *text,
              gconstpointer data)
{
  g_autoptr (GFile) remote = g_file_new_for_uri ("http://example.org/book.txt"), folder = g_file_new_for_path (text->folder);
  g_autoptr (GFile) lines = g_file_new_for_path ("/nowhere/a\nb\xff");
  g_autoptr (ReformerDataset) missing = open_text (text, 0.1), none = g_object_new (REFORMER_TYPE_TEXT_DATASET, NULL);
  g_autoptr (ReformerDataset) elsewhere = REFORMER_DATASET (reformer_text_dataset_new (remote, NULL));
  g_autoptr (ReformerDataset) directory = REFORMER_DATASET (reformer_text_dataset_new (folder, NULL));
  g_autoptr (ReformerDataset) strange = REFORMER_DATASET (reformer_text_dataset_new (lines, NULL));
  g_autoptr (ReformerDataset) held_out = reformer_dataset_get_held_out (missing, NULL);

  assert_refused (missing, REFORMER_FILE_ERROR_NOT_FOUND, text->path, "cannot be opened");
  assert_refused (held_out, REFORMER_FILE_ERROR_NOT_FOUND, text->path, "cannot be opened");
  assert_refused (none, REFORMER_FILE_ERROR_INVALID, "TextDataset", "has no file");
  assert_refused (elsewhere, REFORMER_FILE_ERROR_UNSUPPORTED, "http://example.org/book.txt", "wanted a local file");
  assert_refused (directory, REFORMER_FILE_ERROR_INVALID, text->folder, "is a folder, a plain file is wanted");
  assert_refused (strange, REFORMER_FILE_ERROR_NOT_FOUND, "/nowhere/a", "cannot be opened");
  /* what was not there may come */
  write_text (text, "0123456789", -1);
  assert_part (missing, "012345678", 9);
}

static void
test_pipe (Text         *text,
           gconstpointer data)
{
  g_autoptr (ReformerDataset) dataset = open_text (text, 0.1);

  g_assert_cmpint (mkfifo (text->path, 0600), ==, 0);
  assert_refused (dataset, REFORMER_FILE_ERROR_INVALID, text->path, "a plain file is wanted");
}

static void
test_short (Text         *text,
            gconstpointer data)
{
  g_autoptr (ReformerDataset) empty = open_text (text, 0), one = open_text (text, 0), small = open_text (text, 0.1), held_out = NULL;
  g_autoptr (GError) error = NULL;

  write_text (text, "", 0);
  assert_refused (empty, REFORMER_FILE_ERROR_INVALID, text->path, "is empty");
  write_text (text, "a", 1);
  g_assert_cmpint (reformer_dataset_count_samples (one, 4, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, text->path, "the part for training has 1 token,", "at least 2", NULL);
  write_text (text, "abcdefghi", 9);
  assert_part (small, "abcdefghi", 9);
  held_out = reformer_dataset_get_held_out (small, NULL);
  g_assert_cmpint (reformer_dataset_count_samples (held_out, 4, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, text->path, "the part that is held out has 0 tokens", "at least 2", NULL);
}

static void
assert_changed (ReformerDataset  *dataset,
                ReformerFileError code,
                const char       *path,
                const char       *word)
{
  g_autoptr (ReformerDataset) held_out = reformer_dataset_get_held_out (dataset, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_dataset_read_sample (dataset, 1, 4, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, word, "must not change", NULL);
  g_assert_null (reformer_dataset_identify (dataset, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, word, "must not change", NULL);
  g_assert_null (reformer_dataset_read_sample (held_out, 0, 4, &error));
  assert_says (&error, REFORMER_FILE_ERROR, code, path, word, "must not change", NULL);
}

/* Changes the file in place. */
static void
change (Text       *text,
        gint64      size,
        const char *content)
{
  const int fd = g_open (text->path, O_WRONLY | O_CLOEXEC, 0);
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1, .tv_nsec = 1 } };

  g_assert_cmpint (fd, >=, 0);
  if (content != NULL)
    {
      g_assert_cmpint (pwrite (fd, content, strlen (content), 0), ==, strlen (content));
      g_assert_cmpint (futimens (fd, times), ==, 0); /* clocks of files are coarse */
    }
  else
    g_assert_cmpint (ftruncate (fd, size), ==, 0);
  close (fd);
}

static void
test_changes (Text         *text,
              gconstpointer data)
{
  static const struct
  {
    gint64            size;
    const char       *content;
    ReformerFileError code;
    const char       *word;
  } cases[] = {
    { 39, NULL, REFORMER_FILE_ERROR_TRUNCATED, "has 39 bytes now, had 40" },
    { 5, NULL, REFORMER_FILE_ERROR_TRUNCATED, "has 5 bytes now, had 40" },
    { 0, NULL, REFORMER_FILE_ERROR_TRUNCATED, "has 0 bytes now, had 40" },
    { 41, NULL, REFORMER_FILE_ERROR_MISMATCH, "has 41 bytes now, had 40" },
    { 40, "changed", REFORMER_FILE_ERROR_MISMATCH, "was written to" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerDataset) dataset = open_text (text, 0.25);
      g_autoptr (ReformerSample) sample = NULL;
      g_autoptr (GError) error = NULL;

      write_text (text, "0123456789012345678901234567890123456789", 40);
      sample = reformer_dataset_read_sample (dataset, 0, 4, &error);
      g_assert_no_error (error);
      change (text, cases[i].size, cases[i].content);
      assert_changed (dataset, cases[i].code, text->path, cases[i].word);
    }
}

/* A file that is put in place of the opened one changes nothing. */
static void
test_replaced (Text         *text,
               gconstpointer data)
{
  g_autoptr (ReformerDataset) dataset = open_text (text, 0);
  g_autofree char *before = NULL, *after = NULL;

  write_text (text, "0123456789", 10);
  before = identify (dataset);
  write_text (text, "something else", -1); /* by renaming */
  assert_part (dataset, "0123456789", 10);
  g_remove (text->path);
  assert_part (dataset, "0123456789", 10);
  after = identify (dataset);
  g_assert_cmpstr (before, ==, after);
}

/* ---- Another tokenizer ---- */

static void
test_another_tokenizer (Text         *text,
             gconstpointer data)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerDataset) dataset = REFORMER_DATASET (reformer_text_dataset_new (text->file, &tokenizer->parent_instance)), held_out = NULL;
  g_autoptr (ReformerSample) sample = NULL, last = NULL, other = NULL;
  g_autoptr (GError) error = NULL;

  write_text (text, "abcdefghijklmnopqrstuvwxyzabcd", 30);
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 8, &error), ==, 4); /* 27 */
  g_assert_no_error (error);
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 13, &error), ==, 2); /* one is left over */
  sample = reformer_dataset_read_sample (dataset, 3, 8, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (sample)), ==, 12);
  g_assert_cmpint (reformer_tokenizer_nth_id (reformer_sample_get_tokens (sample), 0), ==, 'y' - 'a');
  g_assert_cmpint (tokenizer->n_calls, ==, 1); /* all at once, and once */

  held_out = reformer_dataset_get_held_out (dataset, NULL);
  g_assert_true (reformer_dataset_get_tokenizer (held_out) == &tokenizer->parent_instance);
  last = reformer_dataset_read_sample (held_out, 0, 8, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (last)), ==, 12);
  g_assert_cmpint (tokenizer->n_calls, ==, 2);

  /* another tokenizer, other ids */
  reformer_dataset_set_tokenizer (dataset, bytes);
  other = reformer_dataset_read_sample (dataset, 3, 8, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_tokenizer_nth_id (reformer_sample_get_tokens (other), 0), ==, 'y' + 2);
}

static void
test_tokenizer_fails (Text         *text,
                      gconstpointer data)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_ERROR);
  g_autoptr (ReformerDataset) dataset = REFORMER_DATASET (reformer_text_dataset_new (text->file, &tokenizer->parent_instance));
  g_autoptr (GError) error = NULL;

  write_text (text, "0123456789", 10);
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 4, &error), ==, -1);
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the tokenizer has an error", NULL);
  tokenizer->way = TEST_WELL; /* it recovers */
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 5, &error), ==, 2);
  g_assert_no_error (error);
}

/* ---- Threads ---- */

static void
count_away (gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (data, 5, &error), ==, 2);
  g_assert_no_error (error);
}

/* A tokenizer from outside is called at home, though the data set is the library's. */
static void
test_away (Text         *text,
           gconstpointer data)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (ReformerDataset) dataset = REFORMER_DATASET (reformer_text_dataset_new (text->file, &tokenizer->parent_instance));

  write_text (text, "0123456789", 10);
  test_run_away (count_away, dataset, TRUE);
  g_assert_true (tokenizer->thread == g_thread_self ());
}

static gpointer
read_often (gpointer data)
{
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (GByteArray) all = read_all (data, 1 + (int) (i % 5) * 1000);

      g_assert_cmpuint (all->len, >=, 8999);
    }
  return NULL;
}

static gpointer
identify_often (gpointer data)
{
  g_autofree char *first = identify (data);

  for (guint i = 0; i < 200; i++)
    {
      g_autofree char *again = identify (data);

      g_assert_cmpstr (again, ==, first);
    }
  return NULL;
}

static void
test_threads (Text         *text,
              gconstpointer data)
{
  g_autofree char *content = g_strnfill (10000, 'x');
  g_autoptr (ReformerDataset) dataset = NULL;
  GThread *threads[4];

  write_text (text, content, 10000);
  dataset = open_text (text, 0.1);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, i % 2 ? read_often : identify_often, dataset);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

#define ADD(path, function) g_test_add ("/text-dataset/" path, Text, NULL, set_up, function, tear_down)

static gpointer
cancel_soon (gpointer cancellable)
{
  g_usleep (50000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* Gigabytes take many seconds to hash, and no cancellable comes with the call: the thread has one. */
static void
test_cancelled (Text         *text,
                gconstpointer data)
{
  g_autoptr (ReformerDataset) large = NULL, small = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GThread) thread = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *identity = NULL;
  gint64 begin;

  write_text (text, "text", 4);
  g_assert_cmpint (truncate (text->path, G_GINT64_CONSTANT (4) << 30), ==, 0);
  large = open_text (text, 0.1);
  g_assert_null (reformer_home_set_cancellable (cancellable));
  begin = g_get_monotonic_time ();
  thread = g_thread_new ("cancels", cancel_soon, cancellable);
  g_assert_null (reformer_dataset_identify (large, &error));
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 250000);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_thread_join (g_steal_pointer (&thread));

  /* it is not remembered */
  g_remove (text->path);
  write_text (text, "some text", 9);
  small = open_text (text, 0);
  g_assert_null (reformer_dataset_identify (small, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_true (reformer_home_set_cancellable (NULL) == cancellable);
  identity = reformer_dataset_identify (small, &error);
  g_assert_no_error (error);
  g_assert_nonnull (identity);
}

/* ... or the home that it works for does. */
static void
test_cancelled_home (Text         *text,
                     gconstpointer data)
{
  g_autoptr (ReformerDataset) dataset = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  write_text (text, "some text", 9);
  dataset = open_text (text, 0);
  g_cancellable_cancel (cancellable);
  reformer_home_enter (NULL, cancellable);
  g_assert_null (reformer_dataset_identify (dataset, &error));
  reformer_home_leave ();
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("parts", test_parts);
  ADD ("whole", test_whole);
  ADD ("fraction", test_fraction);
  ADD ("characters", test_characters);
  ADD ("large", test_large);
  ADD ("identity", test_identity);
  ADD ("long-identity", test_long_identity);
  ADD ("no-file", test_no_file);
  ADD ("pipe", test_pipe);
  ADD ("short", test_short);
  ADD ("changes", test_changes);
  ADD ("replaced", test_replaced);
  ADD ("tokens", test_another_tokenizer);
  ADD ("tokenizer-fails", test_tokenizer_fails);
  ADD ("away", test_away);
  ADD ("threads", test_threads);
  ADD ("cancelled", test_cancelled);
  ADD ("cancelled-home", test_cancelled_home);

  return g_test_run ();
}
