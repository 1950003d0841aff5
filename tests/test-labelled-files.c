/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labelled.h"

#include <libreformer/data/reformer-alphabet-tokenizer.h>
#include <libreformer/data/reformer-byte-tokenizer.h>

#include "data/tokenizer-private.h"
#include "folders.h"
#include "foreign-data.h"

/* ---- Packed and distant files ---- */

static GByteArray *
pack (const char *text,
      gsize       n)
{
  g_autoptr (GConverter) packer = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 6));
  g_autoptr (GInputStream) memory = g_memory_input_stream_new_from_data (text, (gssize) n, NULL), stream = g_converter_input_stream_new (memory, packer);
  GByteArray *packed = g_byte_array_new ();
  guint8 piece[4096];
  gssize got;

  while ((got = g_input_stream_read (stream, piece, sizeof piece, NULL, NULL)) > 0)
    g_byte_array_append (packed, piece, (guint) got);
  g_assert_cmpint (got, ==, 0);
  return packed;
}

static void
test_packed (Data         *data,
             gconstpointer unused)
{
  static const char first[] = "text,label\none,b\n", second[] = "two,a\n";
  g_autoptr (GByteArray) packed = pack (first, strlen (first)), more = pack (second, strlen (second)), nothing = pack ("", 0);
  g_autoptr (ReformerLabelledDataset) plain = NULL, dataset = NULL, same = NULL;
  g_autofree char *identity = NULL, *other = NULL;
  static const guint8 zeros[600] = { 0 };

  set_path (data, "b.csv");
  write_data (data, "text,label\none,b\ntwo,a\n", -1);
  plain = open_data (data, L (CLASS), "", "", "");
  assert_shows (plain, 9, "one=1|two=0");
  identity = reformer_dataset_identify (REFORMER_DATASET (plain), NULL);

  /* several members, an empty one among them, and zeros at the end */
  set_path (data, "a.csv.gz");
  g_byte_array_append (packed, nothing->data, nothing->len);
  g_byte_array_append (packed, more->data, more->len);
  g_byte_array_append (packed, zeros, sizeof zeros);
  write_data (data, (const char *) packed->data, (gssize) packed->len);
  dataset = open_data (data, L (CLASS), "", "", "");
  assert_shows (dataset, 9, "one=1|two=0");
  other = reformer_dataset_identify (REFORMER_DATASET (dataset), NULL);
  g_assert_cmpstr (identity, ==, other); /* it is the same table */
  g_assert_cmpstr (identity, !=, NULL);

  /* by its bytes, not by its name */
  set_path (data, "a.csv");
  write_data (data, (const char *) packed->data, (gssize) packed->len);
  same = open_data (data, L (CLASS), "", "", "");
  assert_shows (same, 9, "one=1|two=0");
}

static void
test_packed_wrong (Data         *data,
                   gconstpointer unused)
{
  static const char *const cut[4] = { "cannot be unpacked" }, *const follows[4] = { "something that gzip did not pack follows" }, *const damaged[4] = { "cannot be unpacked; wanted what gzip packed" },
                    *const empty[4] = { "is empty" };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GByteArray) packed = NULL, nothing = pack ("", 0);
  g_autoptr (ReformerLabelledDataset) dataset = NULL;

  for (guint i = 0; i < 40000; i++)
    g_string_append_printf (text, "%u\t%u\n", i % 7, i * 2654435761u);
  packed = pack (text->str, text->len);
  g_assert_cmpuint (packed->len, >, 100000); /* more than is read at once */
  write_data (data, (const char *) packed->data, (gssize) packed->len);
  dataset = open_data (data, L (CLASS), "", "", "");
  g_assert_cmpint (reformer_dataset_count_samples (REFORMER_DATASET (dataset), 9, NULL), ==, 40000);
  for (gsize n = 3; n < packed->len; n += packed->len / 5)
    {
      g_clear_object (&dataset);
      write_data (data, (const char *) packed->data, (gssize) n);
      dataset = open_data (data, L (CLASS), "", "", "");
      assert_wrong (dataset, REFORMER_FILE_ERROR_TRUNCATED, cut);
    }
  g_clear_object (&dataset);
  g_byte_array_append (packed, (const guint8 *) "\0more", 5);
  write_data (data, (const char *) packed->data, (gssize) packed->len);
  dataset = open_data (data, L (CLASS), "", "", "");
  assert_wrong (dataset, REFORMER_FILE_ERROR_INVALID, follows);
  g_clear_object (&dataset);
  packed->data[packed->len / 2] ^= 0x55;
  packed->data[packed->len / 2 + 1] ^= 0x55;
  write_data (data, (const char *) packed->data, (gssize) packed->len);
  dataset = open_data (data, L (CLASS), "", "", "");
  assert_wrong (dataset, REFORMER_FILE_ERROR_INVALID, damaged);
  g_clear_object (&dataset);
  write_data (data, (const char *) nothing->data, (gssize) nothing->len);
  dataset = open_data (data, L (CLASS), "", "", "");
  assert_wrong (dataset, REFORMER_FILE_ERROR_INVALID, empty);
}

/* Where GIO reads but no path leads. */
static void
test_distant (Data         *data,
              gconstpointer unused)
{
  g_autoptr (GFile) file = g_file_new_for_uri ("resource:///org/reformer/presets/small.json"), missing = g_file_new_for_uri ("resource:///org/reformer/presets/none.json");
  g_autoptr (ReformerDataset) dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", file, "labels", L (NONE), "held-out-fraction", 0.0, NULL);
  g_autoptr (ReformerDataset) none = REFORMER_DATASET (reformer_labelled_dataset_new (missing)), folder = NULL;
  g_autoptr (GFile) above = g_file_new_for_path (data->folder);
  g_autoptr (ReformerSample) sample = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (dataset, 9, &error), >, 5);
  g_assert_no_error (error);
  sample = reformer_dataset_read_sample (dataset, 0, 9, &error);
  g_assert_cmpint (reformer_tokenizer_nth_id (reformer_sample_get_tokens (sample), 0), ==, '{' + 2);
  g_assert_cmpint (reformer_dataset_count_samples (none, 9, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "resource:///org/reformer/presets/none.json: cannot be opened", NULL);
  g_object_unref (none);
  none = REFORMER_DATASET (reformer_labelled_dataset_new (data->file));
  g_assert_cmpint (reformer_dataset_count_samples (none, 9, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "cannot be opened", NULL);
  folder = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", above, "format", REFORMER_DATA_FORMAT_LINES, NULL);
  g_assert_cmpint (reformer_dataset_count_samples (folder, 9, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "is a folder, a plain file is wanted", NULL);
}

static void
write_child (const char *folder,
             const char *name,
             const char *content)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (content != NULL)
    g_assert_true (g_file_set_contents (path, content, -1, NULL));
  else
    g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
}

/* A folder for each class. */
static void
test_folder (Data         *data,
             gconstpointer unused)
{
  g_autofree char *path = g_build_filename (data->folder, "moods", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (ReformerLabelledDataset) dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", file, "held-out-fraction", 0.0, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) names = NULL;
  g_autofree char *joined = NULL;

  write_child (data->folder, "moods", NULL);
  write_child (path, "good, or so", NULL);
  write_child (path, "bad", NULL);
  write_child (path, ".hidden", NULL);
  write_child (path, "README", "nothing");
  g_assert_cmpint (reformer_dataset_count_samples (REFORMER_DATASET (dataset), 99, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "moods: has no folder with files; wanted one for each class", NULL);
  write_child (path, "good, or so/2.txt", "a \"day\"\n,\r\nor two");
  write_child (path, "good, or so/1.txt", "sun");
  write_child (path, "bad/x", "rain\n");
  write_child (path, ".hidden/x", "no");
  assert_shows (dataset, 99, "rain\n=0|sun=1|a \"day\"\n,\r\nor two=1");
  names = reformer_labelled_dataset_list_classes (dataset, &error);
  joined = g_strjoinv ("|", names);
  g_assert_cmpstr (joined, ==, "bad|good, or so");
  write_child (path, "bad/y", "");
  g_object_unref (dataset);
  dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", file, NULL);
  g_assert_cmpint (reformer_dataset_count_samples (REFORMER_DATASET (dataset), 99, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "moods/bad/y: is empty, a file with text is wanted", NULL);
  test_folder_delete (path);
}

/* ---- Parts ---- */

/* "3=1|17=0": the texts that it has. */
static GHashTable *
find_texts (ReformerDataset *dataset)
{
  g_autofree char *seen = show (REFORMER_LABELLED_DATASET (dataset), 9);
  g_auto (GStrv) samples = g_strsplit (seen, "|", -1);
  GHashTable *texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  int last = -1;

  for (guint i = 0; samples[i] != NULL; i++)
    {
      g_assert_cmpint (atoi (samples[i]), >, last); /* in the order of the file */
      last = atoi (samples[i]);
      g_assert_true (g_hash_table_add (texts, g_strdup (samples[i])));
    }
  return texts;
}

static void
test_parts (Data         *data,
            gconstpointer unused)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (ReformerDataset) dataset = NULL, held_out = NULL, again = NULL;
  g_autoptr (GHashTable) training = NULL, rest = NULL, same = NULL;
  g_autofree char *identity = NULL, *of_rest = NULL, *of_same = NULL;
  g_auto (GStrv) classes = NULL, of_held_out = NULL;
  GHashTableIter all;
  gpointer key;
  guint first = 0;

  for (int i = 0; i < 203; i++)
    g_string_append_printf (text, "%d\t%d\n", i >= 100, i);
  write_data (data, text->str, -1);
  dataset = REFORMER_DATASET (reformer_labelled_dataset_new (data->file));
  g_assert_cmpfloat (reformer_labelled_dataset_get_held_out_fraction (REFORMER_LABELLED_DATASET (dataset)), ==, 0.1);
  held_out = reformer_dataset_get_held_out (dataset, NULL);
  training = find_texts (dataset);
  rest = find_texts (held_out);
  g_assert_cmpuint (g_hash_table_size (training), ==, 183);
  g_assert_cmpuint (g_hash_table_size (rest), ==, 20);
  g_hash_table_iter_init (&all, rest);
  while (g_hash_table_iter_next (&all, &key, NULL))
    {
      g_assert_false (g_hash_table_contains (training, key));
      first += g_str_has_suffix (key, "=0");
    }
  g_assert_cmpuint (first, >, 3); /* of both classes, though one comes after the other */
  g_assert_cmpuint (first, <, 17);
  again = reformer_dataset_get_held_out (dataset, NULL);
  same = find_texts (again);
  g_hash_table_iter_init (&all, same);
  while (g_hash_table_iter_next (&all, &key, NULL))
    g_assert_true (g_hash_table_contains (rest, key));
  g_assert_null (reformer_dataset_get_held_out (held_out, NULL));

  /* classes are numbered by the whole file */
  classes = reformer_labelled_dataset_list_classes (REFORMER_LABELLED_DATASET (dataset), NULL);
  of_held_out = reformer_labelled_dataset_list_classes (REFORMER_LABELLED_DATASET (held_out), NULL);
  g_assert_true (g_strv_equal ((const char *const *) classes, (const char *const *) of_held_out));

  identity = reformer_dataset_identify (dataset, NULL);
  of_rest = reformer_dataset_identify (held_out, NULL);
  of_same = reformer_dataset_identify (again, NULL);
  g_assert_nonnull (strstr (identity, "labelled sequences of "));
  g_assert_nonnull (strstr (identity, "label class, settings "));
  g_assert_nonnull (strstr (identity, "tokenizer bytes, training part of 183 sequences"));
  g_assert_cmpstr (identity, !=, of_rest);
  g_assert_cmpstr (of_rest, ==, of_same);
}

static void
test_small_parts (Data         *data,
                  gconstpointer unused)
{
  g_autoptr (ReformerDataset) dataset = NULL, held_out = NULL, none = NULL;
  g_autoptr (GError) error = NULL;

  write_data (data, "a\tone\nb\ttwo\n", -1);
  dataset = REFORMER_DATASET (reformer_labelled_dataset_new (data->file));
  held_out = reformer_dataset_get_held_out (dataset, &error);
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 9, &error), ==, 2);
  g_assert_cmpint (reformer_dataset_count_samples (held_out, 9, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "the part that is held out has none of 2 sequences", NULL);
  reformer_labelled_dataset_set_held_out_fraction (REFORMER_LABELLED_DATASET (dataset), 0.5);
  none = reformer_dataset_get_held_out (dataset, &error);
  g_assert_cmpint (reformer_dataset_count_samples (none, 9, &error), ==, 1);
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 9, &error), ==, 1);
  reformer_labelled_dataset_set_held_out_fraction (REFORMER_LABELLED_DATASET (dataset), 0);
  g_assert_null (reformer_dataset_get_held_out (dataset, &error));
  g_assert_no_error (error);
}

static void
add_identity (GHashTable              *seen,
              ReformerLabelledDataset *dataset)
{
  g_autoptr (GError) error = NULL;
  char *identity = reformer_dataset_identify (REFORMER_DATASET (dataset), &error);

  g_assert_no_error (error);
  g_assert_true (g_hash_table_add (seen, identity));
}

/* Each setting that makes other samples makes another identity. */
static void
test_identity (Data         *data,
               gconstpointer unused)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (ReformerTokenizer) letters = reformer_alphabet_tokenizer_new ("abc");
  g_autoptr (ReformerLabelledDataset) dataset = NULL;
  static const char *const x[] = { "x", NULL }, *const y[] = { "y", NULL }, *const names[] = { "c", "b", "a", NULL };

  set_path (data, "a.csv");
  write_data (data, "text,label,x,y\na,b,a,c\n", -1);
  dataset = open_data (data, L (CLASS), "", "", "");
  add_identity (seen, dataset);
  reformer_labelled_dataset_set_columns (dataset, x);
  add_identity (seen, dataset);
  reformer_labelled_dataset_set_label_columns (dataset, y);
  add_identity (seen, dataset);
  reformer_labelled_dataset_set_classes (dataset, names);
  add_identity (seen, dataset);
  reformer_labelled_dataset_set_labels (dataset, L (CLASSES));
  add_identity (seen, dataset);
  reformer_labelled_dataset_set_split (dataset, TRUE);
  add_identity (seen, dataset);
  reformer_dataset_set_tokenizer (REFORMER_DATASET (dataset), letters);
  add_identity (seen, dataset);
}

/* ---- Tokenizers ---- */

static void
test_tokenizers (Data         *data,
                 gconstpointer unused)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (ReformerTokenizer) protein = reformer_alphabet_tokenizer_new ("ACDEFGHIKLMNPQRSTVWY");
  g_autoptr (ReformerLabelledDataset) dataset = NULL;
  g_autoptr (ReformerSample) sample = NULL;
  g_autoptr (GError) error = NULL;

  set_path (data, "a.fa");
  write_data (data, ">s1 x\nACGT\nMK\n", -1);
  dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", data->file, "tokenizer", protein, NULL);
  assert_shows (dataset, 9, "ACGTMK=0");
  reformer_labelled_dataset_set_format (dataset, REFORMER_DATA_FORMAT_FASTA);
  g_assert_true (reformer_dataset_get_tokenizer (REFORMER_DATASET (dataset)) == protein); /* one that was given stays */

  /* the one that fits the format, for as long as nobody gave one */
  g_object_unref (dataset);
  set_path (data, "a.txt");
  write_data (data, ">s1 x\nACGT\n", -1);
  dataset = reformer_labelled_dataset_new (data->file);
  g_assert_true (REFORMER_IS_BYTE_TOKENIZER (reformer_dataset_get_tokenizer (REFORMER_DATASET (dataset))));
  reformer_labelled_dataset_set_format (dataset, REFORMER_DATA_FORMAT_FASTA);
  g_assert_true (REFORMER_IS_ALPHABET_TOKENIZER (reformer_dataset_get_tokenizer (REFORMER_DATASET (dataset))));
  assert_shows (dataset, 9, "ACGT=0");

  /* of a program's own */
  g_object_unref (dataset);
  write_data (data, "a\tabc\nb\txyz\n", -1);
  dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", data->file, "tokenizer", tokenizer, "held-out-fraction", 0.0, NULL);
  sample = reformer_dataset_read_sample (REFORMER_DATASET (dataset), 1, 2, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_tokenizer_nth_id (reformer_sample_get_tokens (sample), 1), ==, 'y' - 'a');
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (sample)), ==, 8);
  g_assert_cmpint (tokenizer->n_calls, ==, 1); /* of the one sample alone */
  tokenizer->way = TEST_ERROR;
  g_assert_null (reformer_dataset_read_sample (REFORMER_DATASET (dataset), 1, 2, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, data->path, "line 2: ", "the tokenizer has an error", NULL);
}

/* ---- Sizes ---- */

/* Rows that cross the pieces in which a file is read, short ones and one that is longer than several. */
static void
test_long (Data         *data,
           gconstpointer unused)
{
  g_autoptr (GString) text = g_string_new ("text,label\n");
  g_autoptr (ReformerDataset) dataset = NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 30000; i++)
    {
      g_string_append_printf (text, "\"%d\n", i);
      if (i == 20000)
        for (int j = 0; j < 700000; j++)
          g_string_append_c (text, j % 80 == 79 ? '\n' : ',');
      g_string_append_printf (text, "\"\"\",%d\n", i % 3);
    }
  set_path (data, "a.csv");
  write_data (data, text->str, (gssize) text->len);
  dataset = REFORMER_DATASET (open_data (data, L (CLASS), "", "", ""));
  g_assert_cmpint (reformer_dataset_count_samples (dataset, 1 << 20, &error), ==, 30000);
  g_assert_no_error (error);
  for (int i = 0; i < 30000; i += 1111)
    {
      g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (dataset, i, 1 << 20, &error);
      g_autofree char *wanted = g_strdup_printf ("%d\n\"", i);
      g_autoptr (GBytes) bytes = NULL;

      g_assert_no_error (error);
      bytes = reformer_tokenizer_decode (reformer_dataset_get_tokenizer (dataset), reformer_sample_get_tokens (sample), &error);
      g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), wanted, strlen (wanted));
      g_assert_cmpint (*(const gint32 *) g_bytes_get_data (reformer_sample_get_labels (sample), NULL), ==, i % 3);
    }
  {
    g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (dataset, 20000, 1 << 20, &error);

    g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (sample)), ==, 4 * (6 + 700000 + 1));
  }
}

/* ---- Threads ---- */

static gpointer
read_all (gpointer data)
{
  for (int i = 0; i < 20; i++)
    {
      g_autofree char *seen = show (data, 2 + i % 3);

      g_assert_true (g_str_has_prefix (seen, "ab"));
    }
  return NULL;
}

static void
test_threads (Data         *data,
              gconstpointer unused)
{
  g_autoptr (ReformerLabelledDataset) dataset = NULL;
  GThread *threads[3];

  write_data (data, "b\tabcdefg\na\txyz\n", -1);
  dataset = open_data (data, L (CLASS), "", "", "");
  reformer_labelled_dataset_set_split (dataset, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("reader", read_all, dataset);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
count_away (gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (data, 2, &error), ==, 4);
  g_assert_no_error (error);
}

/* A tokenizer from outside is called at home, though the data set is the library's. */
static void
test_away (Data         *data,
           gconstpointer unused)
{
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (ReformerDataset) dataset = NULL;

  write_data (data, "a\tabcd\nb\txyz\n", -1);
  dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", data->file, "tokenizer", tokenizer, "held-out-fraction", 0.0, "split", TRUE, NULL);
  test_run_away (count_away, dataset, TRUE);
  g_assert_true (tokenizer->thread == g_thread_self ());
}

/* A file that is written to while it is used. */
static void
test_changes (Data         *data,
              gconstpointer unused)
{
  g_autoptr (ReformerLabelledDataset) dataset = NULL;
  g_autoptr (GError) error = NULL;
  FILE *file;

  write_data (data, "a\tabcd\nb\txyz\n", -1);
  dataset = open_data (data, L (CLASS), "", "", "");
  assert_shows (dataset, 9, "abcd=0|xyz=1");
  file = fopen (data->path, "a");
  fputs ("c\tnew\n", file);
  fclose (file);
  g_assert_null (reformer_dataset_read_sample (REFORMER_DATASET (dataset), 0, 9, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, data->path, "it must not change while it is used", NULL);
}

#define ADD(path, function) g_test_add ("/labelled-files/" path, Data, NULL, set_up, function, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("packed", test_packed);
  ADD ("packed-wrong", test_packed_wrong);
  ADD ("distant", test_distant);
  ADD ("folder", test_folder);
  ADD ("parts", test_parts);
  ADD ("small-parts", test_small_parts);
  ADD ("identity", test_identity);
  ADD ("tokenizers", test_tokenizers);
  ADD ("long", test_long);
  ADD ("threads", test_threads);
  ADD ("away", test_away);
  ADD ("changes", test_changes);

  return g_test_run ();
}
