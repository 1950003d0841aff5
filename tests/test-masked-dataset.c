/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include <libreformer/data/reformer-masked-dataset.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/files/reformer-file-error.h>

#include "foreign-data.h"
#include "mistakes.h"

#define LENGTH 1000
#define SAMPLES 20
#define NO_TARGET (-100)

typedef struct
{
  char                  *folder;
  char                  *path;
  ReformerDataset       *text;
  ReformerMaskedDataset *masked;
} Masked;

static void
set_up (Masked       *self,
        gconstpointer data)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GFile) file = NULL;

  self->folder = g_dir_make_tmp ("reformer-masked-XXXXXX", NULL);
  self->path = g_build_filename (self->folder, "book.txt", NULL);
  for (int i = 0; text->len < LENGTH * SAMPLES; i++)
    g_string_append_printf (text, "%d ", i * 7919);
  g_assert_true (g_file_set_contents (self->path, text->str, LENGTH * SAMPLES, NULL));
  file = g_file_new_for_path (self->path);
  self->text = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", file, "held-out-fraction", 0.0, NULL);
  self->masked = reformer_masked_dataset_new (self->text);
}

static void
tear_down (Masked       *self,
           gconstpointer data)
{
  g_object_unref (self->masked);
  g_object_unref (self->text);
  g_remove (self->path);
  g_rmdir (self->folder);
  g_free (self->path);
  g_free (self->folder);
}

typedef struct
{
  GBytes       *tokens;
  GBytes       *labels;
  const gint32 *ids;
  const gint32 *wanted;
  gsize         n;
} Row;

static Row
read_row (ReformerMaskedDataset *masked,
          gint64                 index,
          guint                  epoch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerSample) sample = reformer_dataset_read_sample_of_epoch (REFORMER_DATASET (masked), index, LENGTH, epoch, &error);
  Row row;

  g_assert_no_error (error);
  row.tokens = g_bytes_ref (reformer_sample_get_tokens (sample));
  row.labels = g_bytes_ref (reformer_sample_get_labels (sample));
  row.ids = g_bytes_get_data (row.tokens, NULL);
  row.wanted = g_bytes_get_data (row.labels, NULL);
  row.n = g_bytes_get_size (row.tokens) / sizeof (gint32);
  g_assert_cmpuint (g_bytes_get_size (row.labels), ==, row.n * sizeof (gint32));
  return row;
}

static void
row_clear (Row *row)
{
  g_bytes_unref (row->tokens);
  g_bytes_unref (row->labels);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Row, row_clear)

typedef struct
{
  gsize chosen, hidden, other, same;
} Shares;

/* Counts what happened to the ids, and looks at every one of them. */
static Shares
count_shares (Masked *self,
              guint   epoch,
              int     mask_id,
              int     n_ids)
{
  Shares shares = { 0 };

  for (gint64 i = 0; i < SAMPLES; i++)
    {
      g_autoptr (ReformerSample) plain = reformer_dataset_read_sample (self->text, i, LENGTH, NULL);
      const gint32 *ids = g_bytes_get_data (reformer_sample_get_tokens (plain), NULL);
      g_auto (Row) row = read_row (self->masked, i, epoch);

      g_assert_cmpuint (row.n, ==, LENGTH);
      for (gsize t = 0; t < row.n; t++)
        if (row.wanted[t] == NO_TARGET)
          g_assert_cmpint (row.ids[t], ==, ids[t]);
        else
          {
            g_assert_cmpint (row.wanted[t], ==, ids[t]);
            g_assert_cmpint (row.ids[t], >=, 0);
            g_assert_cmpint (row.ids[t], <, n_ids);
            shares.chosen++;
            shares.hidden += row.ids[t] == mask_id;
            shares.same += row.ids[t] == ids[t];
            shares.other += row.ids[t] != mask_id && row.ids[t] != ids[t];
          }
    }
  return shares;
}

/* Within six standard deviations of a share of n. */
static void
assert_share (gsize  seen,
              gsize  n,
              double share)
{
  const double difference = (double) seen - share * (double) n;

  g_test_message ("%" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT ", %g wanted", seen, n, share);
  g_assert_cmpfloat (difference * difference, <, 36 * share * (1 - share) * (double) n);
}

static void
test_shares (Masked       *self,
             gconstpointer data)
{
  const Shares usual = count_shares (self, 3, 1, 258);
  Shares all;

  assert_share (usual.chosen, LENGTH * SAMPLES, 0.15);
  assert_share (usual.hidden, usual.chosen, 0.8);
  assert_share (usual.same, usual.chosen, 0.1);
  assert_share (usual.other, usual.chosen, 0.1);
  reformer_masked_dataset_set_fraction (self->masked, 1);
  reformer_masked_dataset_set_mask_id (self->masked, 300);
  reformer_masked_dataset_set_n_ids (self->masked, 301);
  all = count_shares (self, 0, 300, 301);
  g_assert_cmpuint (all.chosen, ==, LENGTH * SAMPLES);
  assert_share (all.hidden, all.chosen, 0.8);
}

static gboolean
is_same (const Row *a,
         const Row *b)
{
  return g_bytes_equal (a->tokens, b->tokens) && g_bytes_equal (a->labels, b->labels);
}

/* The choice hangs on seed, pass, sample and place, and on nothing else. */
static void
test_repeats (Masked       *self,
              gconstpointer data)
{
  g_auto (Row) first = read_row (self->masked, 4, 2), again = read_row (self->masked, 4, 2), pass = read_row (self->masked, 4, 3), sample = read_row (self->masked, 5, 2);
  g_autoptr (ReformerSample) plain = reformer_dataset_read_sample (REFORMER_DATASET (self->masked), 4, LENGTH, NULL);

  g_assert_true (is_same (&first, &again));
  g_assert_false (g_bytes_equal (first.labels, pass.labels));
  g_assert_false (g_bytes_equal (first.labels, sample.labels));
  {
    g_auto (Row) begin = read_row (self->masked, 4, 0);

    g_assert_true (g_bytes_equal (begin.tokens, reformer_sample_get_tokens (plain)));
    g_assert_true (g_bytes_equal (begin.labels, reformer_sample_get_labels (plain)));
  }
  reformer_masked_dataset_set_seed (self->masked, G_GUINT64_CONSTANT (1) << 40);
  {
    g_auto (Row) other = read_row (self->masked, 4, 2);

    g_assert_false (g_bytes_equal (first.labels, other.labels));
  }
}

/* Runs that were begun go on with the same ones: these places do not change. */
static void
test_places (Masked       *self,
             gconstpointer data)
{
  static const gsize wanted[] = { 15, 28, 32, 36, 51, 55, 57 };
  g_auto (Row) row = read_row (self->masked, 7, 1);
  gsize n = 0;

  for (gsize t = 0; t < 60; t++)
    if (row.wanted[t] != NO_TARGET)
      {
        g_assert_cmpuint (n, <, G_N_ELEMENTS (wanted));
        g_assert_cmpuint (t, ==, wanted[n++]);
      }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (wanted));
}

/* Every sample has a target, and none where the model does not look. */
static void
test_few (Masked       *self,
          gconstpointer data)
{
  static const gint32 ids[] = { 5, 6, 7, 8 };
  g_autoptr (GBytes) tokens = g_bytes_new (ids, sizeof ids), mask = g_bytes_new ("\0\1\0\0", 4), none = g_bytes_new ("\0\0\0\0", 4);
  g_autoptr (ReformerSample) some = reformer_sample_new (tokens, mask, tokens), nothing = reformer_sample_new (tokens, none, NULL);
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, some), blind = test_dataset_new (TEST_WELL, nothing);
  g_autoptr (ReformerMaskedDataset) masked = reformer_masked_dataset_new (&dataset->parent_instance), without = reformer_masked_dataset_new (&blind->parent_instance);

  reformer_masked_dataset_set_fraction (self->masked, 1e-12);
  g_assert_cmpuint (count_shares (self, 0, 1, 258).chosen, ==, SAMPLES);
  reformer_masked_dataset_set_n_ids (masked, 9);
  reformer_masked_dataset_set_n_ids (without, 9);
  for (guint epoch = 0; epoch < 50; epoch++)
    {
      g_auto (Row) row = read_row (masked, 0, epoch), empty = read_row (without, 0, epoch);

      g_assert_true (row.wanted[0] == NO_TARGET && row.wanted[1] == 6 && row.wanted[2] == NO_TARGET && row.wanted[3] == NO_TARGET);
      g_assert_true (row.ids[0] == 5 && row.ids[2] == 7 && row.ids[3] == 8);
      g_assert_true (g_bytes_equal (empty.tokens, tokens));
      for (gsize t = 0; t < 4; t++)
        g_assert_cmpint (empty.wanted[t], ==, NO_TARGET);
    }
}

static void
test_parts (Masked       *self,
            gconstpointer data)
{
  g_autoptr (ReformerDataset) held_out = NULL, none = reformer_dataset_get_held_out (REFORMER_DATASET (self->masked), NULL);
  g_autofree char *identity = NULL, *of_held_out = NULL, *of_other = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (none);
  reformer_text_dataset_set_held_out_fraction (REFORMER_TEXT_DATASET (self->text), 0.5);
  g_object_set (self->masked, "fraction", 0.25, "mask-id", 7, "n-ids", 99, "seed", (guint64) 11, NULL);
  held_out = reformer_dataset_get_held_out (REFORMER_DATASET (self->masked), &error);
  g_assert_no_error (error);
  g_assert_true (REFORMER_IS_MASKED_DATASET (held_out));
  g_assert_cmpfloat (reformer_masked_dataset_get_fraction (REFORMER_MASKED_DATASET (held_out)), ==, 0.25);
  g_assert_cmpint (reformer_masked_dataset_get_mask_id (REFORMER_MASKED_DATASET (held_out)), ==, 7);
  g_assert_cmpint (reformer_masked_dataset_get_n_ids (REFORMER_MASKED_DATASET (held_out)), ==, 99);
  g_assert_cmpuint (reformer_masked_dataset_get_seed (REFORMER_MASKED_DATASET (held_out)), ==, 11);
  g_assert_true (reformer_dataset_get_tokenizer (held_out) == reformer_dataset_get_tokenizer (self->text));
  g_assert_true (reformer_masked_dataset_get_dataset (self->masked) == self->text);
  g_assert_cmpint (reformer_dataset_count_samples (held_out, LENGTH, &error), ==, SAMPLES / 2);
  identity = reformer_dataset_identify (REFORMER_DATASET (self->masked), &error);
  g_assert_true (g_str_has_prefix (identity, "0.25 of 99 ids masked by 7, seed 11, of text of 20000 bytes, sha256 "));
  of_held_out = reformer_dataset_identify (held_out, &error);
  g_assert_cmpstr (identity, !=, of_held_out);
  reformer_masked_dataset_set_seed (self->masked, 12);
  of_other = reformer_dataset_identify (REFORMER_DATASET (self->masked), &error);
  g_assert_cmpstr (identity, !=, of_other);
}

static void
test_wrong (Masked       *self,
            gconstpointer data)
{
  g_autoptr (ReformerDataset) none = g_object_new (REFORMER_TYPE_MASKED_DATASET, NULL);
  g_autoptr (TestDataset) bare = test_dataset_new (TEST_WELL, NULL), failing = test_dataset_new (TEST_ERROR, NULL);
  g_autoptr (ReformerDataset) untold = REFORMER_DATASET (reformer_masked_dataset_new (&bare->parent_instance));
  g_autoptr (ReformerMaskedDataset) fails = reformer_masked_dataset_new (&failing->parent_instance);
  ReformerDataset *masked = REFORMER_DATASET (self->masked);
  g_autoptr (GError) error = NULL;

#define WRONG(dataset, ...)                                                            \
  g_assert_null (reformer_dataset_read_sample (dataset, 0, 8, &error));                \
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, __VA_ARGS__); \
  g_assert_null (reformer_dataset_identify (dataset, &error));                         \
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, __VA_ARGS__)

  WRONG (none, "a MaskedDataset has no dataset", "wanted the data set", NULL);
  g_assert_cmpint (reformer_dataset_count_samples (none, 8, &error), ==, -1);
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "a MaskedDataset has no dataset", NULL);
  g_assert_null (reformer_dataset_get_held_out (none, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "a MaskedDataset has no dataset", NULL);
  WRONG (untold, "n-ids is 0", "no tokenizer that says how many", NULL);
  reformer_masked_dataset_set_fraction (self->masked, 0);
  WRONG (masked, "fraction is 0; wanted more than 0, and at most 1", NULL);
  reformer_masked_dataset_set_fraction (self->masked, 0.5);
  reformer_masked_dataset_set_mask_id (self->masked, 258);
  WRONG (masked, "mask-id is 258; wanted 0 to 257", NULL);
  reformer_masked_dataset_set_mask_id (self->masked, 0);
  reformer_masked_dataset_set_n_ids (self->masked, -4);
  WRONG (masked, "n-ids is -4", "wanted at least 2", NULL);
#undef WRONG
  reformer_masked_dataset_set_n_ids (fails, 9);
  g_assert_null (reformer_dataset_read_sample (REFORMER_DATASET (fails), 0, 8, &error));
  assert_says (&error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the data set has an error", NULL);
}

static void
test_vectors (Masked       *self,
              gconstpointer data)
{
  static const float numbers[] = { 1, 2 };
  g_autoptr (GBytes) bytes = g_bytes_new (numbers, sizeof numbers);
  g_autoptr (ReformerSample) sample = reformer_sample_new_from_values (bytes, 1, NULL, NULL);
  g_autoptr (TestDataset) dataset = test_dataset_new (TEST_WELL, sample);
  g_autoptr (ReformerMaskedDataset) masked = reformer_masked_dataset_new (&dataset->parent_instance);
  g_autoptr (GError) error = NULL;

  reformer_masked_dataset_set_n_ids (masked, 9);
  g_assert_null (reformer_dataset_read_sample (REFORMER_DATASET (masked), 0, 8, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample 0 of TestDataset has vectors; wanted ids", NULL);
}

#define ADD(path, function) g_test_add ("/masked-dataset/" path, Masked, NULL, set_up, function, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("shares", test_shares);
  ADD ("repeats", test_repeats);
  ADD ("places", test_places);
  ADD ("few", test_few);
  ADD ("parts", test_parts);
  ADD ("wrong", test_wrong);
  ADD ("vectors", test_vectors);

  return g_test_run ();
}
