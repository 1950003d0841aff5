/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include <libreformer/data/reformer-sentence-piece-tokenizer.h>

#include "data/sentencepiece-model.h"
#include "data/tokenizer-private.h"
#include "files/json.h"
#include "folders.h"
#include "mistakes.h"

/* Models and what PyPI's sentencepiece makes of texts with them: sentencepiece/make.py wrote both. ../fuzz/sentencepiece-differential.py compares more of them. */

static ReformerTokenizer *
load (const char *name)
{
  g_autofree char *file = g_strconcat (name, ".model", NULL), *path = g_test_build_filename (G_TEST_DIST, "sentencepiece", file, NULL);
  g_autoptr (GFile) where = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  ReformerTokenizer *tokenizer = reformer_sentence_piece_tokenizer_new_from_file (where, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (REFORMER_IS_SENTENCE_PIECE_TOKENIZER (tokenizer));
  return tokenizer;
}

static GBytes *
load_bytes (const char *name)
{
  g_autofree char *file = g_strconcat (name, ".model", NULL), *path = g_test_build_filename (G_TEST_DIST, "sentencepiece", file, NULL);
  char *content;
  gsize n;

  g_assert_true (g_file_get_contents (path, &content, &n, NULL));
  return g_bytes_new_take (content, n);
}

/* "\0" is a zero byte. */
static GBytes *
get_text (json_t *value)
{
  g_auto (GStrv) parts = g_strsplit (json_string_value (value), "\\0", -1);
  GByteArray *text = g_byte_array_new ();

  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (i > 0)
        g_byte_array_append (text, (const guint8 *) "", 1);
      g_byte_array_append (text, (const guint8 *) parts[i], (guint) strlen (parts[i]));
    }
  return g_byte_array_free_to_bytes (text);
}

static void
check_text (ReformerTokenizer *tokenizer,
            json_t            *expected)
{
  json_t *wanted = json_object_get (expected, "ids");
  g_autoptr (GBytes) text = get_text (json_object_get (expected, "text")), decoded = get_text (json_object_get (expected, "decoded"));
  g_autoptr (GBytes) ids = NULL, back = NULL;
  g_autoptr (GError) error = NULL;

  ids = reformer_tokenizer_encode (tokenizer, text, &error);
  g_assert_no_error (error);
  g_test_message ("\"%s\"", json_string_value (json_object_get (expected, "text")));
  g_assert_cmpuint (g_bytes_get_size (ids), ==, json_array_size (wanted) * sizeof (gint32));
  for (gsize i = 0; i < json_array_size (wanted); i++)
    g_assert_cmpint (reformer_tokenizer_nth_id (ids, i), ==, json_integer_value (json_array_get (wanted, i)));
  back = reformer_tokenizer_decode (tokenizer, ids, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (back, NULL), g_bytes_get_size (back), g_bytes_get_data (decoded, NULL), g_bytes_get_size (decoded));
}

static void
test_reference (gconstpointer data)
{
  const char *name = data;
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "sentencepiece", "expected.json", NULL);
  g_autoptr (ReformerTokenizer) tokenizer = load (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) file = reformer_json_load (path, NULL, &error);
  json_t *model = json_object_get (json_object_get (file, "models"), name), *texts = json_object_get (model, "texts");

  g_assert_no_error (error);
  g_assert_cmpint (reformer_tokenizer_count_ids (tokenizer, NULL), ==, json_integer_value (json_object_get (model, "pieces")));
  g_assert_cmpuint (json_array_size (texts), >=, 20);
  for (gsize i = 0; i < json_array_size (texts); i++)
    check_text (tokenizer, json_array_get (texts, i));
}

/* ---- Bytes that are no text ---- */

static void
check_bytes (ReformerTokenizer *tokenizer,
             const char        *bytes,
             const char        *wanted)
{
  g_autoptr (GBytes) text = g_bytes_new_static (bytes, strlen (bytes)), ids = NULL, back = NULL;
  g_autoptr (GError) error = NULL;

  ids = reformer_tokenizer_encode (tokenizer, text, &error);
  g_assert_no_error (error);
  back = reformer_tokenizer_decode (tokenizer, ids, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (back, NULL), g_bytes_get_size (back), wanted, strlen (wanted));
}

/* Each byte that is no UTF-8 is one U+FFFD, and what ids of bytes spell is given as it is. */
static void
test_invalid_text (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = load ("bytes");
  const gint32 half[] = { 3 + 0xe2, 3 + 0x82 };
  g_autoptr (GBytes) ids = g_bytes_new_static (half, sizeof half), text = NULL;
  g_autoptr (GError) error = NULL;

  check_bytes (tokenizer, "a\x80z\xe2\x82", "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
  check_bytes (tokenizer, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  check_bytes (tokenizer, "\xf0\x9f\x8c\x8d \xf4\x90\x80\x80", "\xf0\x9f\x8c\x8d \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  text = reformer_tokenizer_decode (tokenizer, ids, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (text, NULL), g_bytes_get_size (text), "\xe2\x82", 2);
}

static void
test_wrong_ids (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = load ("plain");
  const int beyond[] = { 5, 160 }, below = -1;
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_tokenizer_decode_text (tokenizer, beyond, 2, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id 1 is 160", "0 to 159", NULL);
  g_assert_null (reformer_tokenizer_decode_text (tokenizer, &below, 1, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id 0 is -1", "0 to 159", NULL);
}

static void
test_without_model (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = g_object_new (REFORMER_TYPE_SENTENCE_PIECE_TOKENIZER, NULL);
  g_autoptr (GFile) folder = g_file_new_for_path (g_get_tmp_dir ());
  g_autoptr (GError) error = NULL;
  gsize n;

  g_assert_null (reformer_tokenizer_encode_text (tokenizer, "a", &n, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "has no model", "new_from_file()", NULL);
  g_assert_null (reformer_tokenizer_decode_text (tokenizer, NULL, 0, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "has no model", NULL);
  g_assert_cmpint (reformer_tokenizer_count_ids (tokenizer, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "has no model", NULL);
  g_assert_false (reformer_tokenizer_save (tokenizer, folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "has no model", NULL);
}

/* ---- Files ---- */

static void
write_model (const char *path,
             const char *name)
{
  g_autoptr (GBytes) content = load_bytes (name);

  test_file_write (path, REFORMER_SENTENCE_PIECE_FILE, g_bytes_get_data (content, NULL), (gssize) g_bytes_get_size (content));
}

static void
test_folder (void)
{
  g_autofree char *path = test_folder_new (), *list = NULL, *name = NULL, *again = NULL, *text = NULL, *written = NULL;
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) tokenizer = load ("plain"), loaded = NULL;
  g_autoptr (GBytes) content = load_bytes ("plain");
  g_autoptr (GError) error = NULL;
  gsize n;

  reformer_tokenizer_save (tokenizer, folder, NULL, &error);
  g_assert_no_error (error);
  list = test_folder_list (path);
  g_assert_cmpstr (list, ==, "reformer-tokenizer.json spiece.model");
  written = test_file_read (path, REFORMER_SENTENCE_PIECE_FILE, &n);
  g_assert_cmpmem (written, n, g_bytes_get_data (content, NULL), g_bytes_get_size (content));
  name = reformer_tokenizer_identify (tokenizer, NULL);
  g_assert_true (g_str_has_prefix (name, "sentencepiece "));
  g_assert_cmpuint (strlen (name), ==, strlen ("sentencepiece ") + 64);
  text = test_file_read (path, REFORMER_TOKENIZER_FILE, NULL);
  g_assert_nonnull (strstr (text, name));
  g_assert_nonnull (strstr (text, "\"ids\": 160"));
  loaded = reformer_tokenizer_load (folder, NULL, &error);
  g_assert_no_error (error);
  again = reformer_tokenizer_identify (loaded, NULL);
  g_assert_cmpstr (again, ==, name);
  test_folder_delete (path);
}

/* A folder of transformers names no tokenizer of ours. */
static void
test_unnamed (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) loaded = NULL;
  g_autoptr (GError) error = NULL;

  write_model (path, "plain");
  loaded = reformer_tokenizer_load (folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_tokenizer_count_ids (loaded, NULL), ==, 160);
  test_file_write (path, REFORMER_SENTENCE_PIECE_FILE, "\x0a\x05", 2);
  g_assert_null (reformer_tokenizer_load (folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_TRUNCATED, "spiece.model", "byte 0 wants 5 bytes", NULL);
  g_assert_null (reformer_tokenizer_load (folder, NULL, NULL)); /* who wants no error */
  test_folder_delete (path);
}

/* Another file than the one that is named, then none. */
static void
test_named (void)
{
  g_autofree char *path = test_folder_new (), *file = g_build_filename (path, REFORMER_SENTENCE_PIECE_FILE, NULL);
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) tokenizer = load ("plain"), other = load ("suffix"), loaded = NULL;
  g_autoptr (GError) error = NULL;

  reformer_tokenizer_save (tokenizer, folder, NULL, &error);
  g_assert_no_error (error);
  write_model (path, "suffix");
  g_assert_null (reformer_tokenizer_load (folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "the tokenizer is \"sentencepiece ", "spiece.model beside it", NULL);
  g_assert_cmpint (g_unlink (file), ==, 0);
  g_assert_null (reformer_tokenizer_load (folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "spiece.model", NULL);
  reformer_tokenizer_save (other, folder, NULL, &error);
  g_assert_no_error (error);
  loaded = reformer_tokenizer_load (folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_tokenizer_count_ids (loaded, NULL), ==, 120);
  test_folder_delete (path);
}

static void
test_files (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) folder = g_file_new_for_path (path), nowhere = g_file_get_child (folder, "nowhere.model"), remote = g_file_new_for_uri ("http://example.org/spiece.model");
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GFile) file = g_file_get_child (folder, "spiece.model");
  g_autoptr (GBytes) large = NULL, empty = g_bytes_new (NULL, 0);
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_sentence_piece_tokenizer_new_from_file (nowhere, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "nowhere.model", NULL);
  g_assert_null (reformer_sentence_piece_tokenizer_new_from_file (folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "is a folder", "plain file", NULL);
  g_assert_null (reformer_sentence_piece_tokenizer_new_from_file (remote, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "http://example.org/spiece.model", NULL);
  test_file_write (path, "spiece.model", "x", 1);
  g_cancellable_cancel (cancelled);
  g_assert_null (reformer_sentence_piece_tokenizer_new_from_file (file, cancelled, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  g_assert_null (reformer_sentence_piece_tokenizer_new_from_bytes (empty, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "SentencePiece model", "UNIGRAM", NULL);
  large = g_bytes_new_take (g_malloc0 ((16 << 20) + 1), (16 << 20) + 1);
  g_assert_null (reformer_sentence_piece_tokenizer_new_from_bytes (large, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "16777217 bytes", "at most 16777216", NULL);
  test_folder_delete (path);
}

/* ---- Every beginning, and a bit of every byte ---- */

/* Whatever it is read as, it can be used. */
static gboolean
use (GBytes *bytes)
{
  static const char text[] = " the \xef\xac\x81 abab\xe2\x96\x81\xf0\x9f\x91\x8d  \xd9\x8a\x80 3.14 ";
  g_autoptr (GError) error = NULL, unread = NULL;
  g_autoptr (ReformerTokenizer) tokenizer = reformer_sentence_piece_tokenizer_new_from_bytes (bytes, &unread);
  g_autoptr (GBytes) input = g_bytes_new_static (text, strlen (text)), ids = NULL, back = NULL;

  if (tokenizer == NULL)
    {
      g_assert_nonnull (unread);
      g_assert_null (strchr (unread->message, '\n'));
      g_assert_true (g_utf8_validate (unread->message, -1, NULL));
      return FALSE;
    }
  ids = reformer_tokenizer_encode (tokenizer, input, &error);
  g_assert_no_error (error);
  back = reformer_tokenizer_decode (tokenizer, ids, &error);
  g_assert_no_error (error);
  return TRUE;
}

static void
test_truncations (void)
{
  static const char *const names[] = { "plain", "unused" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GBytes) whole = load_bytes (names[i]);

      g_assert_true (use (whole));
      for (gsize n = 0; n < g_bytes_get_size (whole); n++)
        {
          g_autofree char *part = g_memdup2 (g_bytes_get_data (whole, NULL), n); /* so that valgrind and the sanitizers see what is beyond */
          g_autoptr (GBytes) bytes = g_bytes_new_static (part, n);

          /* the specifications come last: without them it is no BPE, or another one */
          use (bytes);
        }
    }
}

static void
test_flips (void)
{
  static const char *const names[] = { "plain", "bytes", "unused" };
  guint n_read = 0, n_refused = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GBytes) whole = load_bytes (names[i]);
      const gsize n = g_bytes_get_size (whole);
      g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (whole, NULL), n);

      for (gsize k = 0; k < n; k++)
        {
          const guint8 bit = (guint8) (1 << (k * 5 + k / 8) % 8);
          g_autoptr (GBytes) bytes = g_bytes_new_static (copy, n);

          copy[k] ^= bit;
          n_read += use (bytes);
          copy[k] ^= bit;
        }
      n_refused += (guint) n;
    }
  n_refused -= n_read;
  g_test_message ("%u flipped bits read another way, %u refused", n_read, n_refused);
  g_assert_cmpuint (n_read, >, 0);
  g_assert_cmpuint (n_refused, >, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/sentencepiece/reference/plain", "plain", test_reference);
  g_test_add_data_func ("/sentencepiece/reference/bytes", "bytes", test_reference);
  g_test_add_data_func ("/sentencepiece/reference/suffix", "suffix", test_reference);
  g_test_add_data_func ("/sentencepiece/reference/unused", "unused", test_reference);
  g_test_add_func ("/sentencepiece/invalid-text", test_invalid_text);
  g_test_add_func ("/sentencepiece/wrong-ids", test_wrong_ids);
  g_test_add_func ("/sentencepiece/without-model", test_without_model);
  g_test_add_func ("/sentencepiece/folder", test_folder);
  g_test_add_func ("/sentencepiece/unnamed", test_unnamed);
  g_test_add_func ("/sentencepiece/named", test_named);
  g_test_add_func ("/sentencepiece/files", test_files);
  g_test_add_func ("/sentencepiece/truncations", test_truncations);
  g_test_add_func ("/sentencepiece/flips", test_flips);
  return g_test_run ();
}
