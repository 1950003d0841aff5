/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labelled.h"

#include <libreformer/data/reformer-alphabet-tokenizer.h>
#include <libreformer/data/reformer-byte-tokenizer.h>

#include "data/tokenizer-private.h"

/* ---- What is right ---- */

typedef struct
{
  const char        *name; /* of the file */
  const char        *content;
  ReformerLabelling  labels;
  const char        *columns, *label_columns, *classes;
  int                length;
  const char        *wanted;
  const char        *names;    /* of the classes */
  int                n_labels;
} Right;

static const Right rights[] = {
  /* lines */
  { "a.txt", "b\tone\na\ttwo\r\n\nb\tthree", L (CLASS), "", "", "", 9, "one=1|two=0|three=1", "a,b", 2 },
  { "a", "\xef\xbb\xbfx\tone\tand a tab\n  \n", L (CLASS), "", "", "", 99, "one\tand a tab=0", "x", 1 },
  { "a", "10\tten\n9\tnine\n-1\tminus\n", L (CLASS), "", "", "", 9, "ten=2|nine=1|minus=0", "-1,9,10", 3 },
  { "a", "10\tten\n9\tnine\nx\tletter\n", L (CLASS), "", "", "", 9, "ten=0|nine=1|letter=2", "10,9,x", 3 },
  { "a", "b\tone\na\ttwo\n", L (CLASS), "", "", "b,a,c", 9, "one=0|two=1", "b,a,c", 3 },
  { "a", "b\tabcdefgh\na\txyz\n", L (CLASS), "", "", "", 3, "abc=1|xyz=0", "a,b", 2 },
  { "a", "1.5\tone\n-2e3\ttwo\nnan\tthree\n", L (NUMBERS), "", "", "", 9, "one=1.5|two=-2000|three=nan", "", 1 },
  { "a", "1, 2\tone\n3 4\ttwo\n", L (NUMBERS), "", "", "", 9, "one=1,2|two=3,4", "", 2 },
  { "a", "red,big\tone\n\ttwo\nbig\tthree\n", L (CLASSES), "", "", "", 9, "one=1,1|two=0,0|three=1,0", "big,red", 2 },
  { "a", "0,2\tone\n-100,-100\ttwo\n1 1\tthree\n", L (SPAN), "", "", "", 9, "one=0,2|two=-100,-100|three=1,1", "", 2 },
  { "a", "1,3\tabcdef\n", L (SPAN), "", "", "", 3, "abc=-100,-100", "", 2 },
  { "a", "N V -100\tabc\nV,V\tde\n", L (TOKENS), "", "", "", 9, "abc=0,1,-100|de=1,1", "N,V", 2 },
  { "a", "1 2 nan\tabc\n", L (VALUES), "", "", "", 9, "abc=1,2,nan", "", 1 },
  { "a", "no label\nat\tall\n", L (NONE), "", "", "", 9, "no label|at\tall", "", 0 },
  /* tables */
  { "a.csv", "text,label\none,b\ntwo,a\n", L (CLASS), "", "", "", 9, "one=1|two=0", "a,b", 2 },
  { "a.csv", "sequence,label,text2\none,b,\ntwo,a,x\n", L (CLASS), "", "", "", 9, "one=1|two=0", "a,b", 2 },
  { "A.TSV", "label\ttext\r\nb\tone, two\r\na\t\"thr\"\"ee\"\r\n", L (CLASS), "", "", "", 20, "one, two=1|thr\"ee=0", "a,b", 2 },
  { "a.csv", "what,text,which\n,\"a\nb\",1\n,\"c,d\r\n\"\"e\"\"\",0\n\n", L (CLASS), "", "which", "", 20, "a\nb=1|c,d\r\n\"e\"=0", "0,1", 2 },
  { "a.csv", "\xef\xbb\xbf\"text\", x ,y\none,1,2\ntwo,3,-0.5", L (NUMBERS), "", "x,y", "", 9, "one=1,2|two=3,-0.5", "", 2 },
  { "a.csv", "text,red,big\none,1,0\ntwo,nan,1\n", L (CLASSES), "", "red,big", "", 9, "one=1,0|two=nan,1", "red,big", 2 },
  { "a.csv", "text,label\none,\"red,big\"\ntwo,\n", L (CLASSES), "", "label", "big,red,old", 9, "one=1,1,0|two=0,0,0", "big,red,old", 3 },
  { "a.csv", "text,first,last\nabcd,1,2\n", L (SPAN), "", "first,last", "", 9, "abcd=1,2", "", 2 },
  { "a.csv", "text,x,y\nabc,1 2 3,4 5 6\n", L (VALUES), "", "x,y", "", 9, "abc=1,4,2,5,3,6", "", 2 },
  { "a.csv", "text\none\n\"\"\"\"\n", L (NONE), "", "", "", 9, "one|\"", "", 0 },
  /* FASTA */
  { "a.fa", ">s1 promoter region\nACG\nT n\n\n>s2 other\r\na\r\n", L (CLASS), "", "", "", 9, "ACGTN=1|A=0", "other,promoter region", 2 },
  { "a.fasta", "\n>s1 length=4 class=x\nA\n>s2 class=y\nC\n", L (CLASS), "", "class", "", 9, "A=0|C=1", "x,y", 2 },
  { "a.fna", ">s1 0.5\nA\n>s2 1\nC", L (NUMBERS), "", "", "", 9, "A=0.5|C=1", "", 1 },
  { "a.faa", ">s1\nA\n>s2 more\nC", L (NONE), "", "", "", 9, "A|C", "", 0 },
};

static void
test_right (Data         *data,
            gconstpointer unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rights); i++)
    {
      const Right *right = rights + i;
      g_autoptr (ReformerLabelledDataset) dataset = NULL;
      g_autoptr (GError) error = NULL;
      g_auto (GStrv) names = NULL;
      g_autofree char *joined = NULL, *seen = NULL;

      g_test_message ("%" G_GSIZE_FORMAT ": %s", i, right->content);
      set_path (data, right->name);
      write_data (data, right->content, -1);
      dataset = open_data (data, right->labels, right->columns, right->label_columns, right->classes);
      seen = show (dataset, right->length);
      g_assert_cmpstr (seen, ==, right->wanted);
      names = reformer_labelled_dataset_list_classes (dataset, &error);
      g_assert_no_error (error);
      joined = g_strjoinv (",", names);
      g_assert_cmpstr (joined, ==, right->names);
      g_assert_cmpint (reformer_labelled_dataset_count_labels (dataset, &error), ==, right->n_labels);
      g_assert_no_error (error);
    }
}

static void
test_numbers (Data         *data,
              gconstpointer unused)
{
  g_autoptr (ReformerLabelledDataset) dataset = NULL;

  set_path (data, "a.csv");
  write_data (data, "x,y,z,label\n1,2,3,a\n4,5.5 6,7,b\n", -1);
  dataset = open_data (data, L (CLASS), "x,y,z", "", "");
  reformer_labelled_dataset_set_numbers (dataset, TRUE);
  g_assert_null (reformer_dataset_get_tokenizer (REFORMER_DATASET (dataset)));
  assert_shows (dataset, 9, "1 2 3=0|4 5.5 6 7=1");
  assert_shows (dataset, 2, "1 2=0|4 5.5=1");
  reformer_labelled_dataset_set_split (dataset, TRUE);
  assert_shows (dataset, 2, "1 2=0|3=0|4 5.5=1|6 7=1");

  g_object_unref (dataset);
  write_data (data, "label;series\n0 1;1 2 3 4\n2 3;5,6,7,8\n", -1);
  dataset = open_data (data, L (VALUES), "series", "", "");
  g_object_set (dataset, "numbers", TRUE, "features", 2, "separator", ";", NULL);
  assert_shows (dataset, 9, "1/2 3/4=0,1|5/6 7/8=2,3");
  reformer_labelled_dataset_set_split (dataset, TRUE);
  assert_shows (dataset, 1, "1/2=0|3/4=1|5/6=2|7/8=3");
  reformer_labelled_dataset_set_numbers (dataset, FALSE);
  g_assert_true (REFORMER_IS_BYTE_TOKENIZER (reformer_dataset_get_tokenizer (REFORMER_DATASET (dataset))));
}

static void
test_split (Data         *data,
            gconstpointer unused)
{
  g_autoptr (ReformerLabelledDataset) dataset = NULL;

  write_data (data, "b\tabcdefg\na\txyz\n", -1);
  dataset = open_data (data, L (CLASS), "", "", "");
  reformer_labelled_dataset_set_split (dataset, TRUE);
  assert_shows (dataset, 3, "abc=1|def=1|g=1|xyz=0");
  assert_shows (dataset, 7, "abcdefg=1|xyz=0");
  assert_shows (dataset, 1, "a=1|b=1|c=1|d=1|e=1|f=1|g=1|x=0|y=0|z=0");
  reformer_labelled_dataset_set_split (dataset, FALSE);
  assert_shows (dataset, 3, "abc=1|xyz=0");

  /* what is said of single ids goes with them */
  g_object_unref (dataset);
  write_data (data, "3,4\tabcdefg\n", -1);
  dataset = open_data (data, L (SPAN), "", "", "");
  reformer_labelled_dataset_set_split (dataset, TRUE);
  assert_shows (dataset, 3, "abc=-100,-100|def=0,1|g=-100,-100");
  assert_shows (dataset, 4, "abcd=-100,-100|efg=-100,-100");
  g_object_unref (dataset);
  write_data (data, "x y z x -100\tabcde\n", -1);
  dataset = open_data (data, L (TOKENS), "", "", "");
  reformer_labelled_dataset_set_split (dataset, TRUE);
  assert_shows (dataset, 2, "ab=0,1|cd=2,0|e=-100");
}

/* ---- What is wrong ---- */

typedef struct
{
  const char        *name;
  const char        *content;
  ReformerLabelling  labels;
  const char        *columns, *label_columns, *classes;
  const char        *words[4];
} Wrong;

static const Wrong wrongs[] = {
  { "a", "b\tone\nno tab\n", L (CLASS), "", "", "", { "line 2: \"no tab\" has no tab", "wanted a label, a tab" } },
  { "a", "b\tone\n\ttwo\n", L (CLASS), "", "", "", { "line 2: \"\" is no class" } },
  { "a", "b\tone\nc\ttwo\n", L (CLASS), "", "", "a,b", { "line 2: \"c\" is no class; wanted one of a, b" } },
  { "a", "b\tone\n", L (CLASS), "", "", "a,b,a", { "\"a\" is there twice" } },
  { "a", "\xff\tone\n", L (CLASS), "", "", "", { "line 1", "is no name of a class; wanted UTF-8" } },
  { "a", "b\tone\n\nb\t\n", L (CLASS), "", "", "", { "line 3: the sequence is empty" } },
  { "a", "b\t\n", L (TOKENS), "", "", "", { "line 1: the sequence is empty" } },
  { "a", " \n\n", L (CLASS), "", "", "", { "has no sequence; wanted at least one" } },
  { "a", "", L (CLASS), "", "", "", { "is empty" } },
  { "a", "1\tone\n1 2\ttwo\n", L (NUMBERS), "", "", "", { "line 2: the label has 2 numbers, 1 are wanted" } },
  { "a", "1\tone\nthree\ttwo\n", L (NUMBERS), "", "", "", { "line 2: \"three\" is no number; wanted one such as -1.5, or nan" } },
  { "a", "1e39\tone\n", L (NUMBERS), "", "", "", { "line 1: \"1e39\" is too large" } },
  { "a", "0x10\tone\n", L (NUMBERS), "", "", "", { "\"0x10\" is no number" } },
  { "a", "inf\tone\n", L (NUMBERS), "", "", "", { "\"inf\" is no number" } },
  { "a", "\tone\n", L (NUMBERS), "", "", "", { "\"\" has no number" } },
  { "a", "1,3\tabc\n", L (SPAN), "", "", "", { "line 1: the span is 1 to 3; wanted places of the 3 that the sequence has, 0 to 2" } },
  { "a", "2,1\tabc\n", L (SPAN), "", "", "", { "the span is 2 to 1; wanted a last place that is not before the first" } },
  { "a", "-100,1\tabc\n", L (SPAN), "", "", "", { "the span is -100 to 1" } },
  { "a", "0.5,1\tabc\n", L (SPAN), "", "", "", { "\"0.5\" is no place" } },
  { "a", "1\tabc\n", L (SPAN), "", "", "", { "the label has 1 numbers; wanted 2" } },
  { "a", "N V\tabc\n", L (TOKENS), "", "", "", { "line 1: has 2 labels; wanted 3, one for each id" } },
  { "a", "1 2 3 4\tabc\n", L (VALUES), "", "", "", { "line 1: has 4 labels; wanted 3, one for each id" } },
  { "a.csv", "text,label\none,b\ntwo\n", L (CLASS), "", "", "", { "a.csv: line 3, column 2 (label): the row has 1 field, 2 are wanted" } },
  { "a.csv", "text,label\n\"a\nb\",b\ntwo,c,d\n", L (CLASS), "", "", "", { "line 4, column 3: the row has 3 fields, 2 are wanted" } },
  { "a.csv", "text,price\none,1.5\n\ntwo,cheap\n", L (NUMBERS), "", "price", "", { "line 4, column 2 (price): \"cheap\" is no number" } },
  { "a.csv", "text,x,y\n\"a\nb\",1,2\n\"a\nb\",3,\"\nfour\"\n", L (NUMBERS), "", "x,y", "", { "line 5, column 3 (y): \"four\" is no number" } },
  { "a.csv", "text,label\n\"one,b\ntwo,a\n", L (CLASS), "", "", "", { "line 2, column 1 (text): the quote that begins here is not closed" } },
  { "a.csv", "text,label\n\"one\" ,b\n", L (CLASS), "", "", "", { "line 2, column 1 (text): something follows a closing quote" } },
  { "a.csv", "text,label\n5\" nails,b\n", L (CLASS), "", "", "", { "line 2, column 1 (text): a quote within a field" } },
  { "a.csv", "words,label\none,b\n", L (CLASS), "", "", "", { "has no column \"text\"", "for columns: words, label" } },
  { "a.csv", "text,kind\none,b\n", L (CLASS), "", "", "", { "has no column \"label\"", "for label-columns: text, kind" } },
  { "a.csv", "text,label,label\none,b,c\n", L (CLASS), "", "", "", { "has more than one column \"label\"" } },
  { "a.csv", "text,label,x\none,b,c\n", L (CLASS), "text,x", "", "", { "columns names 2 columns; wanted 1" } },
  { "a.csv", "text,label,x\none,b,c\n", L (CLASS), "", "label,x", "", { "label-columns names 2 columns; wanted 1 for a class" } },
  { "a.csv", "text,x,y\none,1,2\n", L (CLASSES), "", "x,y", "", { "column 3 (y): \"2\" does not say whether it is this class; wanted 0, 1, or nan" } },
  { "a.csv", "text,label\n", L (CLASS), "", "", "", { "has no sequence" } },
  { "a.csv", "\n\n", L (CLASS), "", "", "", { "has no sequence" } },
  { "a.fa", "ACGT\n>s1 x\nA\n", L (CLASS), "", "", "", { "line 1: \"ACGT\" stands before the first header; wanted a line that begins with >" } },
  { "a.fa", ">s1 x\nACGT\n A UT\n", L (CLASS), "", "", "", { "a.fa: line 3: letter 4, \"U\", is not in the alphabet; wanted one of \"ACGTN\"" } },
  { "a.fa", ">s1 x\nAC\n>s2 y\n>s3 x\nA\n", L (CLASS), "", "", "", { "line 3: the sequence is empty" } },
  { "a.fa", ">s1\nAC\n", L (CLASS), "", "", "", { "line 1: \"\" is no class" } },
  { "a.fa", ">s1 kind=x\nAC\n>s2 kin=y\nA\n", L (CLASS), "", "kind", "", { "line 3: the header \">s2 kin=y\" has no kind=" } },
};

static void
test_wrong (Data         *data,
            gconstpointer unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (wrongs); i++)
    {
      const Wrong *wrong = wrongs + i;
      g_autoptr (ReformerLabelledDataset) dataset = NULL;

      g_test_message ("%" G_GSIZE_FORMAT ": %s", i, wrong->content);
      set_path (data, wrong->name);
      write_data (data, wrong->content, -1);
      dataset = open_data (data, wrong->labels, wrong->columns, wrong->label_columns, wrong->classes);
      assert_wrong (dataset, REFORMER_FILE_ERROR_INVALID, wrong->words);
    }
}

static void
test_wrong_numbers (Data         *data,
                    gconstpointer unused)
{
  static const char *const ragged[4] = { "line 3: the sequence has 3 numbers; wanted a multiple of 2 (features)" }, *const text[4] = { "line 2, column 1 (x): \"nan\" is no number; wanted one such as -1.5" };
  g_autoptr (ReformerLabelledDataset) dataset = NULL;

  set_path (data, "a.csv");
  write_data (data, "label,x\na,1 2\nb,3 4 5\n", -1);
  dataset = open_data (data, L (CLASS), "x", "", "");
  g_object_set (dataset, "numbers", TRUE, "features", 2, NULL);
  assert_wrong (dataset, REFORMER_FILE_ERROR_INVALID, ragged);
  g_object_unref (dataset);
  write_data (data, "x,label\nnan,b\n", -1);
  dataset = open_data (data, L (CLASS), "x", "", "");
  g_object_set (dataset, "numbers", TRUE, NULL);
  assert_wrong (dataset, REFORMER_FILE_ERROR_INVALID, text);
}

static void
test_wrong_settings (Data         *data,
                     gconstpointer unused)
{
  static const char *const none[4] = { "has no file; its property file is wanted" }, *const fraction[4] = { "held-out-fraction is 2; wanted 0 to 0.9" },
                    *const features[4] = { "features is 0; wanted 1 to 65536" }, *const separator[4] = { "separator is \"ab\"; wanted one sign" },
                    *const labels[4] = { "labels is 77; wanted 0 to 6" }, *const format[4] = { "format is -1; wanted 0 to 4" }, *const tokenizer[4] = { "has no tokenizer; wanted one, or numbers" };
  g_autoptr (ReformerLabelledDataset) empty = g_object_new (REFORMER_TYPE_LABELLED_DATASET, NULL), dataset = NULL;
  g_autoptr (GError) error = NULL;

  write_data (data, "b\tone\n", -1);
  dataset = open_data (data, L (CLASS), "", "", "");
  g_assert_cmpint (reformer_dataset_count_samples (REFORMER_DATASET (empty), 5, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, none[0], NULL);

#define WRONG(name, bad, good, words)                                                                     \
  reformer_labelled_dataset_set_##name (dataset, bad);                                                    \
  g_assert_cmpint (reformer_dataset_count_samples (REFORMER_DATASET (dataset), 5, &error), ==, -1);       \
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, words[0], NULL);                 \
  g_assert_null (reformer_dataset_get_held_out (REFORMER_DATASET (dataset), &error));                     \
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, words[0], NULL);                 \
  reformer_labelled_dataset_set_##name (dataset, good);                                                   \
  assert_shows (dataset, 5, "one=0")

  WRONG (held_out_fraction, 2, 0, fraction);
  WRONG (features, 0, 1, features);
  WRONG (separator, "ab", "", separator);
  WRONG (labels, (ReformerLabelling) 77, L (CLASS), labels);
  WRONG (format, (ReformerDataFormat) -1, REFORMER_DATA_FORMAT_LINES, format);
#undef WRONG
  reformer_dataset_set_tokenizer (REFORMER_DATASET (dataset), NULL);
  g_assert_cmpint (reformer_dataset_count_samples (REFORMER_DATASET (dataset), 5, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, tokenizer[0], NULL);
}

/* ---- Letters ---- */

/* A folder names it. */
static void
test_kept_alphabet (ReformerTokenizer *letters)
{
  g_autofree char *path = g_dir_make_tmp ("reformer-letters-XXXXXX", NULL), *name = g_build_filename (path, REFORMER_TOKENIZER_FILE, NULL);
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) again = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (reformer_tokenizer_save (letters, folder, NULL, &error));
  again = reformer_tokenizer_load (folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (REFORMER_IS_ALPHABET_TOKENIZER (again));
  g_assert_cmpstr (reformer_alphabet_tokenizer_get_alphabet (REFORMER_ALPHABET_TOKENIZER (again)), ==, "ACGTN");
  g_assert_true (g_file_set_contents (name, "{\"version\": 1, \"tokenizer\": \"alphabet:AA\", \"ids\": 4}", -1, NULL));
  g_assert_null (reformer_tokenizer_load (folder, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, path, "the alphabet \"AA\" has \"A\" twice", NULL);
  g_remove (name);
  g_rmdir (path);
}

static void
test_alphabet (void)
{
  g_autoptr (ReformerTokenizer) letters = reformer_alphabet_tokenizer_new ("ACGTN"), both = reformer_alphabet_tokenizer_new ("aA"), usual = g_object_new (REFORMER_TYPE_ALPHABET_TOKENIZER, NULL);
  g_autofree int *ids = NULL, *cases = NULL;
  g_autofree char *name = NULL, *text = NULL;
  g_autoptr (GError) error = NULL;
  static const int expected[] = { 4, 2, 5, 5, 2, 3, 2, 6 }, given[] = { 0, 2, 1, 6 }, beyond[] = { 7 };
  static const struct
  {
    const char *alphabet;
    const char *says;
  } wrong[] = { { "", "the alphabet is empty" }, { "ACA", "has \"A\" twice" }, { "A C", "has something else than letters" }, { "\xc3\xa4", "has something else than letters" } };
  gsize n;

  ids = reformer_tokenizer_encode_text (letters, "gATTacaN", &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 8);
  g_assert_cmpmem (ids, (int) n * (int) sizeof *ids, expected, sizeof expected);
  cases = reformer_tokenizer_encode_text (both, "aA", &n, &error);
  g_assert_cmpint (cases[0] * 10 + cases[1], ==, 23);
  g_assert_cmpint (reformer_tokenizer_count_ids (letters, &error), ==, 7);
  name = reformer_tokenizer_identify (letters, &error);
  g_assert_cmpstr (name, ==, "alphabet:ACGTN");
  g_assert_cmpstr (reformer_alphabet_tokenizer_get_alphabet (REFORMER_ALPHABET_TOKENIZER (usual)), ==, "ACGTN");
  text = reformer_tokenizer_decode_text (letters, given, G_N_ELEMENTS (given), &error);
  g_assert_cmpstr (text, ==, "AN");
  g_assert_null (reformer_tokenizer_decode_text (letters, beyond, 1, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id 0 is 7", "from 0 to 6", NULL);
  g_assert_null (reformer_tokenizer_encode_text (letters, "AC\nG", &n, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "letter 3", "is not in the alphabet; wanted one of \"ACGTN\"", NULL);
  test_kept_alphabet (letters);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (ReformerTokenizer) tokenizer = reformer_alphabet_tokenizer_new (wrong[i].alphabet);

      g_assert_null (reformer_tokenizer_encode_text (tokenizer, "A", &n, &error));
      assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, wrong[i].says, NULL);
      g_assert_cmpint (reformer_tokenizer_count_ids (tokenizer, &error), ==, -1);
      assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, wrong[i].says, NULL);
    }
}

/* ---- Anything at all ---- */

/* Fields of a random table, written by the rules, come back as they were. */
static void
test_any_table (Data         *data,
                gconstpointer unused)
{
  static const char letters[] = "ab,\"\"\n\r; \t";
  g_autoptr (GRand) draw = g_rand_new_with_seed (7);

  set_path (data, "a.csv");
  for (int round = 0; round < 60; round++)
    {
      g_autoptr (GString) text = g_string_new ("label,text,other\n"), wanted = g_string_new (NULL);
      g_autoptr (ReformerLabelledDataset) dataset = NULL;
      const int rows = g_rand_int_range (draw, 1, 9);

      for (int i = 0; i < rows; i++)
        for (int column = 0; column < 3; column++)
          {
            g_autoptr (GString) field = g_string_new (column == 0 ? "1" : column == 1 ? "t" : "");
            gboolean quoted;

            for (int n = column == 0 ? 0 : g_rand_int_range (draw, 0, 6); n > 0; n--)
              g_string_append_c (field, letters[g_rand_int_range (draw, 0, sizeof letters - 1)]);
            quoted = strpbrk (field->str, ",\"\r\n") != NULL || g_rand_boolean (draw);
            if (column == 1)
              g_string_append_printf (wanted, "%s%s=0", i > 0 ? "|" : "", field->str);
            if (quoted)
              {
                g_string_replace (field, "\"", "\"\"", 0);
                g_string_append_printf (text, "\"%s\"", field->str);
              }
            else
              g_string_append (text, field->str);
            g_string_append (text, column < 2 ? "," : g_rand_boolean (draw) ? "\n" : "\r\n");
          }
      write_data (data, text->str, (gssize) text->len);
      dataset = open_data (data, L (CLASS), "", "", "");
      assert_shows (dataset, 99, wanted->str);
    }
}

/* Files that were damaged somewhere are read, or refused with one line. */
static void
test_any_bytes (Data         *data,
                gconstpointer unused)
{
  static const char pieces[][4] = { "\n", "\r\n", "\t", ",", "\"", ">", "nan", "-", "1e9", "\xff", "\xc3", " ", "\0", "x=", "-100", ">\n>" };
  g_autoptr (GRand) draw = g_rand_new_with_seed (3);
  guint read = 0, refused = 0;

  for (int round = 0; round < 400; round++)
    {
      const Right *right = rights + g_rand_int_range (draw, 0, G_N_ELEMENTS (rights));
      g_autoptr (GString) text = g_string_new (right->content);
      g_autoptr (ReformerLabelledDataset) dataset = NULL;
      g_autoptr (GError) error = NULL;
      gint64 n;

      for (int i = g_rand_int_range (draw, 1, 4); i > 0; i--)
        {
          const int at = g_rand_int_range (draw, 0, (int) text->len + 1), kind = g_rand_int_range (draw, 0, 3);
          const char *piece = pieces[g_rand_int_range (draw, 0, G_N_ELEMENTS (pieces))];

          if (kind == 0 && at < (int) text->len)
            g_string_erase (text, at, 1);
          else if (kind == 1 && at < (int) text->len)
            text->str[at] = (char) g_rand_int_range (draw, 0, 256);
          else
            g_string_insert_len (text, at, piece, piece[0] == '\0' ? 1 : (gssize) strlen (piece));
        }
      set_path (data, right->name);
      write_data (data, text->str, (gssize) text->len);
      dataset = open_data (data, right->labels, right->columns, right->label_columns, right->classes);
      reformer_labelled_dataset_set_split (dataset, g_rand_boolean (draw));
      n = reformer_dataset_count_samples (REFORMER_DATASET (dataset), 3, &error);
      for (gint64 i = 0; i < n; i++)
        {
          g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (REFORMER_DATASET (dataset), i, 3, &error);

          g_assert_no_error (error); /* what is wrong is found at once */
          g_assert_nonnull (sample);
        }
      read += n >= 0;
      refused += n < 0;
      if (n < 0)
        assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, data->path, NULL);
    }
  g_assert_cmpuint (read, >, 80);
  g_assert_cmpuint (refused, >, 80);
}

static void
test_properties (Data         *data,
                 gconstpointer unused)
{
  g_autoptr (ReformerLabelledDataset) dataset = reformer_labelled_dataset_new (data->file);
  g_auto (GStrv) columns = NULL, labels = NULL, classes = NULL;
  g_autofree char *separator = NULL;
  g_autoptr (GFile) file = NULL;
  static const char *const names[] = { "x", "y", NULL };
  ReformerDataFormat format;
  ReformerLabelling kind;
  gboolean numbers, split;
  int features;
  double fraction;

  g_object_set (dataset, "format", REFORMER_DATA_FORMAT_CSV, "labels", L (NUMBERS), "columns", names, "label-columns", names + 1, "classes", names, "separator", ";", "numbers", TRUE, "features", 3,
                "split", TRUE, "held-out-fraction", 0.25, NULL);
  g_object_get (dataset, "file", &file, "format", &format, "labels", &kind, "columns", &columns, "label-columns", &labels, "classes", &classes, "separator", &separator, "numbers", &numbers,
                "features", &features, "split", &split, "held-out-fraction", &fraction, NULL);
  g_assert_true (file == data->file && file == reformer_labelled_dataset_get_file (dataset));
  g_assert_cmpint (format, ==, REFORMER_DATA_FORMAT_CSV);
  g_assert_cmpint (format, ==, reformer_labelled_dataset_get_format (dataset));
  g_assert_cmpint (kind, ==, L (NUMBERS));
  g_assert_true (g_strv_equal ((const char *const *) columns, names));
  g_assert_true (g_strv_equal (reformer_labelled_dataset_get_columns (dataset), names));
  g_assert_true (g_strv_equal (reformer_labelled_dataset_get_label_columns (dataset), names + 1));
  g_assert_true (g_strv_equal ((const char *const *) labels, names + 1));
  g_assert_true (g_strv_equal (reformer_labelled_dataset_get_classes (dataset), names));
  g_assert_true (g_strv_equal ((const char *const *) classes, names));
  g_assert_cmpstr (separator, ==, ";");
  g_assert_cmpstr (reformer_labelled_dataset_get_separator (dataset), ==, ";");
  g_assert_true (numbers && reformer_labelled_dataset_get_numbers (dataset));
  g_assert_true (split && reformer_labelled_dataset_get_split (dataset));
  g_assert_cmpint (features, ==, 3);
  g_assert_cmpint (reformer_labelled_dataset_get_features (dataset), ==, 3);
  g_assert_cmpfloat (fraction, ==, 0.25);
  reformer_labelled_dataset_set_columns (dataset, NULL);
  g_assert_cmpuint (g_strv_length ((char **) reformer_labelled_dataset_get_columns (dataset)), ==, 0);
  reformer_labelled_dataset_set_separator (dataset, NULL);
  g_assert_cmpstr (reformer_labelled_dataset_get_separator (dataset), ==, "");
}

#define ADD(path, function) g_test_add ("/labelled-dataset/" path, Data, NULL, set_up, function, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("right", test_right);
  ADD ("numbers", test_numbers);
  ADD ("split", test_split);
  ADD ("wrong", test_wrong);
  ADD ("wrong-numbers", test_wrong_numbers);
  ADD ("wrong-settings", test_wrong_settings);
  g_test_add_func ("/labelled-dataset/alphabet", test_alphabet);
  ADD ("any-table", test_any_table);
  ADD ("any-bytes", test_any_bytes);
  ADD ("properties", test_properties);

  return g_test_run ();
}
