/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/tokenizer-private.h"
#include "foreign-data.h"
#include "mistakes.h"

static GBytes *
bytes_of_ids (gsize n,
              ...)
{
  GByteArray *array = g_byte_array_new ();
  va_list ids;

  va_start (ids, n);
  for (gsize i = 0; i < n; i++)
    {
      const gint32 id = va_arg (ids, int);

      g_byte_array_append (array, (const guint8 *) &id, sizeof id);
    }
  va_end (ids);
  return g_byte_array_free_to_bytes (array);
}

/* ---- Bytes ---- */

static void
test_all_bytes (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autofree char *name = reformer_tokenizer_identify (tokenizer, NULL);
  g_autoptr (GBytes) text = NULL, ids = NULL, back = NULL;
  g_autoptr (GError) error = NULL;
  guint8 all[256];

  g_assert_cmpstr (name, ==, "bytes");
  g_assert_cmpint (reformer_tokenizer_count_ids (tokenizer, NULL), ==, 258);
  for (guint i = 0; i < 256; i++)
    all[i] = (guint8) i;
  text = g_bytes_new (all, sizeof all);
  ids = reformer_tokenizer_encode (tokenizer, text, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (ids), ==, 1024);
  for (guint i = 0; i < 256; i++)
    g_assert_cmpint (reformer_tokenizer_nth_id (ids, i), ==, i + 2);
  back = reformer_tokenizer_decode (tokenizer, ids, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (back, text));
}

static void
test_no_bytes (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  g_autoptr (GBytes) padded = bytes_of_ids (5, 0, 'a' + 2, 1, 'b' + 2, 0);
  g_autoptr (GBytes) beyond = bytes_of_ids (3, 2, 257, 258), below = bytes_of_ids (1, -1), odd = g_bytes_new ("abcde", 5);
  g_autoptr (GBytes) part = g_bytes_new_from_bytes (padded, 4, 4), ids = NULL, nothing = NULL, text = NULL, one = NULL;
  g_autoptr (GError) error = NULL;

  ids = reformer_tokenizer_encode (tokenizer, empty, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (ids), ==, 0);
  nothing = reformer_tokenizer_decode (tokenizer, ids, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (nothing), ==, 0);
  text = reformer_tokenizer_decode (tokenizer, padded, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (text, NULL), g_bytes_get_size (text), "ab", 2);
  one = reformer_tokenizer_decode (tokenizer, part, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (one, NULL), g_bytes_get_size (one), "a", 1);

  g_assert_null (reformer_tokenizer_decode (tokenizer, beyond, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id 2 is 258", "from 0 to 257", NULL);
  g_assert_null (reformer_tokenizer_decode (tokenizer, below, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id 0 is -1", "from 0 to 257", NULL);
  g_assert_null (reformer_tokenizer_decode (tokenizer, odd, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "5 bytes", "multiple of 4", NULL);
}

/* ---- Strings ---- */

#define U "\xef\xbf\xbd"

static const struct
{
  const char *bytes;
  const char *text;
} spellings[] = {
  { "", "" },
  { "plain\n\t\x7f", "plain\n\t\x7f" },
  { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8d", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8d" },
  { "\xf4\x8f\xbf\xbf\xee\x80\x80\xed\x9f\xbf", "\xf4\x8f\xbf\xbf\xee\x80\x80\xed\x9f\xbf" },
  { "a\x80z", "a" U "z" },
  { "a\x80\xbfz", "a" U U "z" },
  { "\xc0\xaf\xc1\x81", U U U U },
  { "\xe0\x80\xaf", U U U },                 /* overlong */
  { "\xed\xa0\x80", U U U },                 /* a surrogate */
  { "\xf4\x90\x80\x80", U U U U },           /* beyond the last one */
  { "\xf5\xfe\xff", U U U },
  { "\xe2\x82", U },                         /* unfinished */
  { "\xe2\x82g", U "g" },
  { "\xf0\x9f\x8c\xc3\xa4", U "\xc3\xa4" },
  { "\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64", U U U "b" U "c" U U "d" }, /* Unicode's own example */
};

static void
test_text (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (spellings); i++)
    {
      gsize n;
      g_autofree int *ids = reformer_tokenizer_encode_text (tokenizer, spellings[i].bytes, &n, &error);
      g_autofree char *text = NULL;

      g_assert_no_error (error);
      g_assert_nonnull (ids);
      g_assert_cmpuint (n, ==, strlen (spellings[i].bytes));
      text = reformer_tokenizer_decode_text (tokenizer, ids, n, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (text, ==, spellings[i].text);
    }
}

static void
test_zero_byte (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  const int ids[] = { 'a' + 2, 2, 'b' + 2, 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = reformer_tokenizer_decode_text (tokenizer, ids, G_N_ELEMENTS (ids), &error);
  g_autofree char *none = reformer_tokenizer_decode_text (tokenizer, NULL, 0, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "a" U "b");
  g_assert_cmpstr (none, ==, "");
}

static void
test_wrong_text (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (TestTokenizer) wrong = test_tokenizer_new (TEST_ERROR);
  const int id = 999;
  g_autoptr (GError) error = NULL;
  gsize n = 5;

  g_assert_null (reformer_tokenizer_decode_text (tokenizer, &id, 1, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id 0 is 999", NULL);
  g_assert_null (reformer_tokenizer_encode_text (&wrong->parent_instance, "a", &n, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the tokenizer has an error", NULL);
  g_assert_cmpuint (n, ==, 0);
}

/* ---- Tokenizers of a program's own ---- */

static void
test_foreign (void)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  ReformerTokenizer *base = &tokenizer->parent_instance;
  g_autofree char *name = reformer_tokenizer_identify (base, NULL);
  g_autoptr (GError) error = NULL;
  gsize n;
  g_autofree int *ids = reformer_tokenizer_encode_text (base, "ab z", &n, &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (name, ==, "TestTokenizer");
  g_assert_cmpuint (n, ==, 4);
  g_assert_cmpint (ids[2], ==, 26);
  text = reformer_tokenizer_decode_text (base, ids, n, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "ab?z");
}

static void
test_foreign_mistakes (void)
{
  static const struct
  {
    TestWay     way;
    int         n_ids;
    GQuark    (*domain) (void);
    int         code;
    const char *words[2];
  } cases[] = {
    { TEST_NOTHING, 27, reformer_file_error_quark, REFORMER_FILE_ERROR_UNSUPPORTED, { "encode of TestTokenizer", "neither bytes nor an error" } },
    { TEST_BOTH, 27, g_io_error_quark, G_IO_ERROR_BROKEN_PIPE, { "the tokenizer has an error", "error" } },
    { TEST_ERROR, 27, g_io_error_quark, G_IO_ERROR_BROKEN_PIPE, { "the tokenizer has an error", "error" } },
    { TEST_ODD, 27, reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, { "encode of TestTokenizer returned 7 bytes", "multiple of 4" } },
    { TEST_BEYOND, 27, reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, { "returned 27 as id 1", "from 0 to 26" } },
    { TEST_BELOW, 27, reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, { "returned -1 as id 1", "from 0 to 26" } },
    { TEST_WELL, 0, reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, { "count_ids of TestTokenizer returned 0", "at least 1" } },
    { TEST_WELL, -7, reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, { "count_ids of TestTokenizer returned -7", "at least 1" } },
  };
  g_autoptr (GBytes) text = g_bytes_new_static ("ab", 2);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (cases[i].way);
      g_autoptr (GError) error = NULL;

      tokenizer->n_ids = cases[i].n_ids;
      g_assert_null (reformer_tokenizer_encode (&tokenizer->parent_instance, text, &error));
      assert_says (&error, cases[i].domain (), cases[i].code, cases[i].words[0], cases[i].words[1], NULL);
      g_assert_null (reformer_tokenizer_encode (&tokenizer->parent_instance, text, NULL)); /* who wants no error */
    }
}

/* What counts and names has errors too, and none of them is taken for an answer. */
static void
test_foreign_errors (void)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  ReformerTokenizer *base = &tokenizer->parent_instance;
  g_autoptr (GFile) folder = g_file_new_for_path (g_get_tmp_dir ());
  g_autoptr (GError) error = NULL;
  gsize n;

  tokenizer->counting_fails = TRUE;
  g_assert_cmpint (reformer_tokenizer_count_ids (base, &error), ==, -1);
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "count_ids has an error", NULL);
  g_assert_null (reformer_tokenizer_identify (base, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "identify has an error", NULL);
  g_assert_null (reformer_tokenizer_encode_text (base, "ab", &n, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "count_ids has an error", NULL);
  g_assert_false (reformer_tokenizer_save (base, folder, NULL, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "identify has an error", NULL);
}

static void
test_nothing_overridden (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = g_object_new (test_idle_tokenizer_get_type (), NULL);
  g_autofree char *name = reformer_tokenizer_identify (tokenizer, NULL);
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (name, ==, "TestIdleTokenizer");
  g_assert_cmpint (reformer_tokenizer_count_ids (tokenizer, NULL), ==, 0);
  g_assert_null (reformer_tokenizer_encode (tokenizer, none, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "TestIdleTokenizer has no encode", "must override", NULL);
  g_assert_null (reformer_tokenizer_decode (tokenizer, none, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "TestIdleTokenizer has no decode", "must override", NULL);
}

/* ---- In a thread of the library ---- */

typedef struct
{
  ReformerTokenizer *tokenizer;
  char              *text;
  int                n_ids;
  char              *name;
  GError            *error;
} Work;

static void
work (gpointer data)
{
  Work *w = data;
  gsize n;
  g_autofree int *ids = reformer_tokenizer_encode_text (w->tokenizer, "word", &n, &w->error);

  w->text = ids != NULL ? reformer_tokenizer_decode_text (w->tokenizer, ids, n, &w->error) : NULL;
  w->n_ids = reformer_tokenizer_count_ids (w->tokenizer, NULL);
  w->name = reformer_tokenizer_identify (w->tokenizer, NULL);
}

static void
test_away (void)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  Work w = { .tokenizer = &tokenizer->parent_instance };

  test_run_away (work, &w, TRUE);
  g_assert_no_error (w.error);
  g_assert_cmpstr (w.text, ==, "word");
  g_assert_cmpint (w.n_ids, ==, 27);
  g_assert_cmpstr (w.name, ==, "TestTokenizer");
  g_assert_true (tokenizer->thread == g_thread_self ());
  g_free (w.text);
  g_free (w.name);
}

static void
test_away_cancelled (void)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  Work w = { .tokenizer = &tokenizer->parent_instance };

  test_run_away (work, &w, FALSE);
  g_assert_null (w.text);
  g_assert_cmpint (w.n_ids, ==, -1);
  g_assert_null (w.name);
  assert_says (&w.error, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  g_assert_cmpint (tokenizer->n_calls, ==, 0);
  g_assert_false (g_main_context_pending (NULL)); /* the call was taken back */
}

static gpointer
work_with_home (gpointer data)
{
  reformer_home_enter (NULL, NULL);
  work (data);
  reformer_home_leave ();
  return NULL;
}

/* The library's own tokenizer needs no main context: nobody iterates it here. */
static void
test_own_stays (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  Work w = { .tokenizer = tokenizer };

  g_thread_join (g_thread_new ("own", work_with_home, &w));
  g_assert_no_error (w.error);
  g_assert_cmpstr (w.text, ==, "word");
  g_free (w.text);
  g_free (w.name);
}

/* ---- Files ---- */

typedef struct
{
  char  *path;
  GFile *folder;
  char  *file;
} Folder;

static void
folder_set_up (Folder       *folder,
               gconstpointer data)
{
  folder->path = g_dir_make_tmp ("reformer-tokenizer-XXXXXX", NULL);
  folder->folder = g_file_new_for_path (folder->path);
  folder->file = g_build_filename (folder->path, REFORMER_TOKENIZER_FILE, NULL);
}

static void
folder_tear_down (Folder       *folder,
                  gconstpointer data)
{
  g_remove (folder->file);
  g_rmdir (folder->path);
  g_free (folder->file);
  g_free (folder->path);
  g_object_unref (folder->folder);
}

static void
test_save (Folder       *folder,
           gconstpointer data)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerTokenizer) loaded = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_true (reformer_tokenizer_save (tokenizer, folder->folder, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (folder->file, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "{\n  \"version\": 1,\n  \"tokenizer\": \"bytes\",\n  \"ids\": 258\n}\n");
  loaded = reformer_tokenizer_load (folder->folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (REFORMER_IS_BYTE_TOKENIZER (loaded));
}

static void
test_load_nothing (Folder       *folder,
                   gconstpointer data)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (GFile) nowhere = g_file_get_child (folder->folder, "nowhere"), remote = g_file_new_for_uri ("http://example.org/model");
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_tokenizer_load (folder->folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, folder->file, NULL);
  g_assert_null (reformer_tokenizer_load (nowhere, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "nowhere", NULL);
  g_assert_false (reformer_tokenizer_save (tokenizer, nowhere, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "nowhere", NULL);
  g_assert_null (reformer_tokenizer_load (remote, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "http://example.org/model", "local folder", NULL);
  g_cancellable_cancel (cancelled);
  g_assert_false (reformer_tokenizer_save (tokenizer, folder->folder, cancelled, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  g_assert_false (g_file_test (folder->file, G_FILE_TEST_EXISTS));
}

static void
test_load_foreign (Folder       *folder,
                   gconstpointer data)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (GError) error = NULL;

  g_assert_true (reformer_tokenizer_save (&tokenizer->parent_instance, folder->folder, NULL, &error));
  g_assert_no_error (error);
  g_assert_null (reformer_tokenizer_load (folder->folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, folder->file, "\"TestTokenizer\" is not known", "\"bytes\"", "a program", NULL);
}

static void
test_load_bad (Folder       *folder,
               gconstpointer data)
{
  static const struct
  {
    const char       *text;
    ReformerFileError code;
    const char       *words;
  } cases[] = {
    { "", REFORMER_FILE_ERROR_INVALID, "line 1" },
    { "[]", REFORMER_FILE_ERROR_INVALID, "object" },
    { "{\"version\": 1, \"tokenizer\": \"bytes\", \"ids\": 258} x", REFORMER_FILE_ERROR_INVALID, "end of file expected" },
    { "{\"tokenizer\": \"bytes\", \"ids\": 258}", REFORMER_FILE_ERROR_INVALID, "has no \"version\"" },
    { "{\"version\": 1, \"ids\": 258}", REFORMER_FILE_ERROR_INVALID, "has no \"tokenizer\"" },
    { "{\"version\": 1, \"tokenizer\": \"bytes\"}", REFORMER_FILE_ERROR_INVALID, "has no \"ids\"" },
    { "{\"version\": 1, \"tokenizer\": null, \"ids\": 258}", REFORMER_FILE_ERROR_INVALID, "has no \"tokenizer\"" },
    { "{\"version\": 1, \"tokenizer\": 7, \"ids\": 258}", REFORMER_FILE_ERROR_INVALID, "\"tokenizer\" is 7" },
    { "{\"version\": 2, \"tokenizer\": \"bytes\", \"ids\": 258}", REFORMER_FILE_ERROR_INVALID, "\"version\" is 2" },
    { "{\"version\": 1, \"tokenizer\": \"bytes\", \"ids\": 256}", REFORMER_FILE_ERROR_INVALID, "\"ids\" is 256, an integer from 258 to 258" },
    { "{\"version\": 1, \"tokenizer\": \"bytes\", \"ids\": 258, \"merges\": []}", REFORMER_FILE_ERROR_UNSUPPORTED, "\"merges\" is not known" },
    { "{\"version\": 1, \"tokenizer\": \"Bytes\", \"ids\": 258}", REFORMER_FILE_ERROR_UNSUPPORTED, "\"Bytes\" is not known" },
    { "{\"version\": 1, \"tokenizer\": \"a\\nb\", \"ids\": 258}", REFORMER_FILE_ERROR_UNSUPPORTED, "\"a" U "b\" is not known" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (g_file_set_contents (folder->file, cases[i].text, -1, NULL));
      g_assert_null (reformer_tokenizer_load (folder->folder, NULL, &error));
      assert_says (&error, REFORMER_FILE_ERROR, cases[i].code, folder->file, cases[i].words, NULL);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/tokenizer/bytes", test_all_bytes);
  g_test_add_func ("/tokenizer/no-bytes", test_no_bytes);
  g_test_add_func ("/tokenizer/text", test_text);
  g_test_add_func ("/tokenizer/zero-byte", test_zero_byte);
  g_test_add_func ("/tokenizer/wrong-text", test_wrong_text);
  g_test_add_func ("/tokenizer/foreign", test_foreign);
  g_test_add_func ("/tokenizer/foreign-mistakes", test_foreign_mistakes);
  g_test_add_func ("/tokenizer/foreign-errors", test_foreign_errors);
  g_test_add_func ("/tokenizer/nothing-overridden", test_nothing_overridden);
  g_test_add_func ("/tokenizer/away", test_away);
  g_test_add_func ("/tokenizer/away-cancelled", test_away_cancelled);
  g_test_add_func ("/tokenizer/own-stays", test_own_stays);
  g_test_add ("/tokenizer/save", Folder, NULL, folder_set_up, test_save, folder_tear_down);
  g_test_add ("/tokenizer/load-nothing", Folder, NULL, folder_set_up, test_load_nothing, folder_tear_down);
  g_test_add ("/tokenizer/load-foreign", Folder, NULL, folder_set_up, test_load_foreign, folder_tear_down);
  g_test_add ("/tokenizer/load-bad", Folder, NULL, folder_set_up, test_load_bad, folder_tear_down);

  return g_test_run ();
}
