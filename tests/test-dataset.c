/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>

#include "foreign-data.h"
#include "mistakes.h"

/* ---- Samples ---- */

static void
test_sample (void)
{
  const int ids[] = { 5, 6, 7 };
  g_autoptr (GBytes) mask = g_bytes_new ("\1\1\0", 3);
  g_autoptr (GBytes) labels = g_bytes_new (ids, sizeof ids);
  g_autoptr (ReformerSample) plain = reformer_sample_new_from_ids (ids, G_N_ELEMENTS (ids));
  g_autoptr (ReformerSample) full = reformer_sample_new (reformer_sample_get_tokens (plain), mask, labels);
  g_autoptr (ReformerSample) empty = g_object_new (REFORMER_TYPE_SAMPLE, NULL);
  g_autoptr (GBytes) got_tokens = NULL, got_mask = NULL, got_labels = NULL;

  g_assert_cmpmem (g_bytes_get_data (reformer_sample_get_tokens (plain), NULL), g_bytes_get_size (reformer_sample_get_tokens (plain)), ids, sizeof ids);
  g_assert_null (reformer_sample_get_mask (plain));
  g_assert_null (reformer_sample_get_labels (plain));
  g_assert_true (reformer_sample_get_mask (full) == mask);
  g_assert_true (reformer_sample_get_labels (full) == labels);
  g_object_get (full, "tokens", &got_tokens, "mask", &got_mask, "labels", &got_labels, NULL);
  g_assert_true (got_tokens == reformer_sample_get_tokens (plain));
  g_assert_true (got_mask == mask);
  g_assert_true (got_labels == labels);
  g_assert_null (reformer_sample_get_tokens (empty));
  g_assert_cmpuint (reformer_sample_get_length (plain), ==, 3);
  g_assert_cmpuint (reformer_sample_get_length (empty), ==, 0);
}

static void
test_values (void)
{
  const float numbers[] = { 1, 2, 3, 4, 5, 6 };
  g_autoptr (GBytes) values = g_bytes_new (numbers, sizeof numbers), mask = g_bytes_new ("\1\0", 2), ids = g_bytes_new (numbers, 8);
  g_autoptr (ReformerSample) frames = reformer_sample_new_from_values (values, 3, mask, NULL);
  g_autoptr (ReformerSample) ragged = reformer_sample_new_from_values (values, 4, NULL, NULL);
  g_autoptr (ReformerSample) none = g_object_new (REFORMER_TYPE_SAMPLE, "values", values, NULL);
  g_autoptr (ReformerSample) both = g_object_new (REFORMER_TYPE_SAMPLE, "values", values, "features", 3, "tokens", ids, NULL);
  g_autoptr (ReformerSample) masked = reformer_sample_new_from_values (values, 2, mask, NULL);
  const struct
  {
    ReformerSample *sample;
    int             length;
    const char     *words[2];
  } cases[] = {
    { frames, 2, { NULL } },
    { frames, 1, { "has 2 vectors", "from 1 to 1" } },
    { ragged, 9, { "24 bytes of values", "multiple of 16" } },
    { none, 9, { "values with 0 features", "at least 1" } },
    { both, 9, { "values beside tokens", "one of the two" } },
    { masked, 9, { "2 bytes of mask", "3 are wanted (1 for each of 3 vectors)" } },
  };

  g_assert_true (reformer_sample_get_values (frames) == values);
  g_assert_cmpint (reformer_sample_get_features (frames), ==, 3);
  g_assert_cmpuint (reformer_sample_get_length (frames), ==, 2);
  g_assert_null (reformer_sample_get_tokens (frames));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, cases[i].sample);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (&dataset->parent_instance, 3, cases[i].length, &error);

      if (cases[i].words[0] == NULL)
        g_assert_no_error (error);
      else
        assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample 3 of TestDataset", cases[i].words[0], cases[i].words[1], NULL);
    }
}

/* ---- Data sets of a program's own ---- */

static void
test_foreign (void)
{
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, NULL);
  ReformerDataset *base = &dataset->parent_instance;
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerSample) sample = NULL;
  g_autoptr (ReformerDataset) held_out = reformer_dataset_get_held_out (base, NULL);
  g_autofree char *identity = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (base, 5, &error), ==, 10);
  g_assert_no_error (error);
  sample = reformer_dataset_read_sample (base, 9, 5, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (sample)), ==, 20);
  g_assert_true (held_out == base);
  identity = reformer_dataset_identify (base, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (identity, ==, "ten samples of ones");
}

static void
test_foreign_mistakes (void)
{
  static const struct
  {
    TestWay     way;
    GQuark    (*domain) (void);
    int         code;
    const char *count;
    const char *read;
  } cases[] = {
    { TEST_NOTHING, reformer_file_error_quark, -1, "count_samples of TestDataset returned -1 and no error", "read_sample of TestDataset returned neither a sample nor an error" },
    { TEST_BOTH, g_io_error_quark, G_IO_ERROR_BROKEN_PIPE, "the data set has an error", "the data set has an error" },
    { TEST_ERROR, g_io_error_quark, G_IO_ERROR_BROKEN_PIPE, "the data set has an error", "the data set has an error" },
    { TEST_BELOW, reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, "count_samples of TestDataset returned -3", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TestDataset) dataset = test_dataset_new (cases[i].way, NULL);
      ReformerDataset *base = &dataset->parent_instance;
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (reformer_dataset_count_samples (base, 5, &error), ==, -1);
      assert_says (&error, cases[i].domain (), cases[i].code >= 0 ? cases[i].code : REFORMER_FILE_ERROR_INVALID, cases[i].count, NULL);
      g_assert_cmpint (reformer_dataset_count_samples (base, 5, NULL), ==, -1);
      if (cases[i].read == NULL)
        continue;
      g_assert_null (reformer_dataset_read_sample (base, 0, 5, &error));
      assert_says (&error, cases[i].domain (), cases[i].code >= 0 ? cases[i].code : REFORMER_FILE_ERROR_UNSUPPORTED, cases[i].read, NULL);
      g_assert_null (reformer_dataset_read_sample (base, 0, 5, NULL));
      g_assert_null (reformer_dataset_identify (base, &error));
      if (cases[i].way == TEST_NOTHING) /* it does not say */
        g_assert_no_error (error);
      else
        assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the data set has an error", NULL);
      g_assert_null (reformer_dataset_get_held_out (base, &error));
      if (cases[i].way == TEST_NOTHING) /* nothing is held out */
        g_assert_no_error (error);
      else
        assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the data set has an error", NULL);
    }
}

static void
test_bad_samples (void)
{
  static const struct
  {
    int         n_tokens; /* bytes; -1: none */
    int         n_mask;
    int         n_labels;
    const char *words[2];
  } cases[] = {
    { 20, -1, -1, { NULL } },
    { 4, 1, 4, { NULL } },
    { 20, 5, 8, { NULL } },
    { -1, -1, -1, { "has 0 ids", "from 1 to 5" } },
    { 0, -1, -1, { "has 0 ids", "from 1 to 5" } },
    { 18, -1, -1, { "18 bytes of tokens", "multiple of 4" } },
    { 24, -1, -1, { "has 6 ids", "from 1 to 5" } },
    { 20, 4, -1, { "4 bytes of mask", "5 are wanted (1 for each of 5 ids)" } },
    { 20, 20, -1, { "20 bytes of mask", "5 are wanted" } },
    { 20, 5, 5, { "5 bytes of labels", "a multiple of 4 is wanted (int32 or float32)" } },
    { 20, -1, 0, { "0 bytes of labels", "a multiple of 4 is wanted" } },
  };
  static const guint8 zeros[32];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) tokens = cases[i].n_tokens >= 0 ? g_bytes_new_static (zeros, cases[i].n_tokens) : NULL;
      g_autoptr (GBytes) mask = cases[i].n_mask >= 0 ? g_bytes_new_static (zeros, cases[i].n_mask) : NULL;
      g_autoptr (GBytes) labels = cases[i].n_labels >= 0 ? g_bytes_new_static (zeros, cases[i].n_labels) : NULL;
      g_autoptr (ReformerSample) given = reformer_sample_new (tokens, mask, labels);
      g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, given);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerSample) sample = reformer_dataset_read_sample (&dataset->parent_instance, 3, 5, &error);

      if (cases[i].words[0] == NULL)
        {
          g_assert_no_error (error);
          g_assert_true (sample == given);
          continue;
        }
      g_assert_null (sample);
      assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample 3 of TestDataset", cases[i].words[0], cases[i].words[1], NULL);
    }
}

static void
test_bad_arguments (void)
{
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, NULL);
  ReformerDataset *base = &dataset->parent_instance;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (base, 0, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "length of samples is 0", "at least 1", NULL);
  g_assert_null (reformer_dataset_read_sample (base, 0, -4, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "length of samples is -4", "at least 1", NULL);
  g_assert_null (reformer_dataset_read_sample (base, -1, 4, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample -1 of TestDataset", "the first is 0", NULL);
  g_assert_null (dataset->thread); /* none of it came through */
}

static void
test_nothing_overridden (void)
{
  g_autoptr (ReformerDataset) dataset = g_object_new (test_idle_dataset_get_type (), NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_dataset_count_samples (dataset, 4, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "TestIdleDataset has no count_samples", "must override", NULL);
  g_assert_null (reformer_dataset_read_sample (dataset, 0, 4, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "TestIdleDataset has no read_sample", "must override", NULL);
  g_assert_null (reformer_dataset_get_held_out (dataset, &error));
  g_assert_no_error (error);
  g_assert_null (reformer_dataset_identify (dataset, &error));
  g_assert_no_error (error);
}

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    data)
{
  ++*(int *) data;
}

static void
test_tokenizer (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (TestDataset) dataset = g_object_new (test_dataset_get_type (), "tokenizer", tokenizer, NULL);
  ReformerDataset *base = &dataset->parent_instance;
  int n = 0;

  g_assert_true (reformer_dataset_get_tokenizer (base) == tokenizer);
  g_signal_connect (dataset, "notify::tokenizer", G_CALLBACK (count_notify), &n);
  reformer_dataset_set_tokenizer (base, tokenizer);
  g_assert_cmpint (n, ==, 0);
  reformer_dataset_set_tokenizer (base, NULL);
  g_assert_cmpint (n, ==, 1);
  g_assert_null (reformer_dataset_get_tokenizer (base));
}

/* ---- In a thread of the library ---- */

typedef struct
{
  ReformerDataset *dataset;
  gint64           count;
  ReformerSample  *sample;
  ReformerDataset *held_out;
  char            *identity;
  GError          *errors[3];
} Work;

static void
work (gpointer data)
{
  Work *w = data;

  w->count = reformer_dataset_count_samples (w->dataset, 5, &w->errors[0]);
  w->sample = reformer_dataset_read_sample (w->dataset, 0, 5, &w->errors[1]);
  w->held_out = reformer_dataset_get_held_out (w->dataset, NULL);
  w->identity = reformer_dataset_identify (w->dataset, &w->errors[2]);
}

static void
test_away (void)
{
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, NULL);
  Work w = { .dataset = &dataset->parent_instance };

  test_run_away (work, &w, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (w.errors); i++)
    g_assert_no_error (w.errors[i]);
  g_assert_cmpint (w.count, ==, 10);
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (w.sample)), ==, 20);
  g_assert_true (w.held_out == w.dataset);
  g_assert_cmpstr (w.identity, ==, "ten samples of ones");
  g_assert_true (dataset->thread == g_thread_self ());
  g_object_unref (w.sample);
  g_object_unref (w.held_out);
  g_free (w.identity);
}

static void
test_away_cancelled (void)
{
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, NULL);
  Work w = { .dataset = &dataset->parent_instance };

  test_run_away (work, &w, FALSE);
  g_assert_cmpint (w.count, ==, -1);
  g_assert_null (w.sample);
  g_assert_null (w.held_out);
  g_assert_null (w.identity);
  for (gsize i = 0; i < G_N_ELEMENTS (w.errors); i++)
    assert_says (&w.errors[i], G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  g_assert_null (dataset->thread);
  g_assert_false (g_main_context_pending (NULL)); /* the calls were taken back */
}

/* What comes back from another thread is looked at as well. */
static void
test_away_mistakes (void)
{
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_NOTHING, NULL);
  Work w = { .dataset = &dataset->parent_instance };

  test_run_away (work, &w, TRUE);
  g_assert_cmpint (w.count, ==, -1);
  assert_says (&w.errors[0], REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "count_samples of TestDataset", NULL);
  assert_says (&w.errors[1], REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "read_sample of TestDataset", NULL);
  g_assert_no_error (w.errors[2]);
  g_assert_null (w.held_out);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/dataset/sample", test_sample);
  g_test_add_func ("/dataset/values", test_values);
  g_test_add_func ("/dataset/foreign", test_foreign);
  g_test_add_func ("/dataset/foreign-mistakes", test_foreign_mistakes);
  g_test_add_func ("/dataset/bad-samples", test_bad_samples);
  g_test_add_func ("/dataset/bad-arguments", test_bad_arguments);
  g_test_add_func ("/dataset/nothing-overridden", test_nothing_overridden);
  g_test_add_func ("/dataset/tokenizer", test_tokenizer);
  g_test_add_func ("/dataset/away", test_away);
  g_test_add_func ("/dataset/away-cancelled", test_away_cancelled);
  g_test_add_func ("/dataset/away-mistakes", test_away_mistakes);

  return g_test_run ();
}
