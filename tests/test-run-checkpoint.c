/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints of runs: what is saved comes back to the bit, and a damaged one is never taken. */
#include "runs.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <libreformer/data/reformer-sentence-piece-tokenizer.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "compute/home.h"
#include "files/reading.h"
#include "folders.h"
#include "mistakes.h"
#include "training/checkpoint-private.h"
#include "training/optimizer-private.h"
#include "training/properties.h"

static const char *const names[] = { "config.json", "manifest.json", "model.safetensors", "optimizer.safetensors", "reformer-tokenizer.json", "trainer.json" };

/* ---- Tests ---- */

/* Every field of the structure, as its text has them, is in the table. */
static void
test_fields (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "libreformer", "training", "checkpoint.h", NULL), *text = NULL, *joined = NULL;
  g_autoptr (GRegex) regex = g_regex_new ("^  \\w+ +(\\w+);", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autoptr (GString) found = g_string_new (NULL);

  g_file_get_contents (path, &text, NULL, NULL);
  g_assert_nonnull (text);
  *strstr (text, "} ReformerTrainingState;") = '\0';
  for (g_regex_match (regex, text, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    {
      g_autofree char *name = g_match_info_fetch (match, 1);

      g_string_append_printf (found, "%s%s", found->len > 0 ? " " : "", name);
    }
  joined = g_strjoinv (" ", (char **) reformer_training_state_get_fields ());
  g_assert_cmpstr (found->str, ==, joined);
}

/* Numbers that JSON has no words for. */
static void
test_numbers (void)
{
  const double numbers[] = { G_MAXDOUBLE, INFINITY, -INFINITY, (double) NAN, -0.0, 0.1, 1.0 / 3, 4.9406564584124654e-324, 1e22, 123456789012345678.0, 3 };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      const ReformerTrainingState state = { .best_loss = numbers[i], .seed = G_MAXUINT64 };
      ReformerTrainingState back = REFORMER_TRAINING_STATE_INIT;
      g_autoptr (json_t) object = reformer_training_state_to_json (&state), parsed = NULL;
      g_autofree char *text = reformer_json_to_text (object, REFORMER_JSON_ORDERED);
      g_autoptr (GError) error = NULL;

      parsed = reformer_json_parse (text, strlen (text), "state", &error);
      g_assert_no_error (error);
      reformer_training_state_from_json (&back, parsed, "state", NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (back.seed, ==, G_MAXUINT64);
      if (isnan (numbers[i]))
        g_assert_true (isnan (back.best_loss));
      else
        g_assert_cmpmem (&back.best_loss, sizeof (double), &numbers[i], sizeof (double));
    }
}

static void
test_round_trip (void)
{
  g_autofree char *folder = test_folder_new (), *different = NULL, *list = NULL, *path = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE), other = test_run_new (4, TRUE);
  g_autoptr (GHashTable) saved = NULL, before = test_run_look (other), after = NULL;

  g_assert_false (reformer_checkpoint_exists (folder));
  test_run_save (run, folder, 7, 3);
  g_assert_true (reformer_checkpoint_exists (folder));
  saved = test_run_look (run);
  different = test_run_compare (saved, before);
  g_assert_cmpstr (different, ==, "best_loss best_step epoch evaluated_step index keep length n_skipped optimizer seed sequence settings skipped_in_a_row step "
                                  "the model's keep the model's seed the model's sequence tokens total_steps weights worse");

  test_run_restore (other, folder, NULL);
  after = test_run_look (other);
  /* the model's seed and sequence come from the state, which says others in this test */
  g_clear_pointer (&different, g_free);
  different = test_run_compare (saved, after);
  g_assert_cmpstr (different, ==, "the model's seed the model's sequence");
  g_assert_cmpuint (reformer_model_get_seed (other->checkpoint.model), ==, run->state.seed);
  g_assert_cmpuint (reformer_model_get_sequence (other->checkpoint.model), ==, run->state.sequence);

  path = reformer_checkpoint_get_path (folder, 7);
  list = test_folder_list (path);
  g_assert_cmpstr (list, ==, "config.json manifest.json model.safetensors optimizer.safetensors reformer-tokenizer.json trainer.json");
  test_folder_delete (folder);
}

/* The same state makes the same bytes wherever and whenever; also that of a run that was restored. */
static void
test_same_bytes (void)
{
  g_autofree char *first = test_folder_new (), *second = test_folder_new (), *a = NULL, *b = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE), other = test_run_new (9, TRUE);

  test_run_save (run, first, 7, 3);
  g_usleep (1100000);
  test_run_restore (other, first, NULL);
  test_run_save (other, second, 7, 3);
  a = reformer_checkpoint_get_path (first, 7);
  b = reformer_checkpoint_get_path (second, 7);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *here = test_file_hash (a, names[i]), *there = test_file_hash (b, names[i]);

      g_test_message ("%s %s", here, names[i]);
      g_assert_cmpstr (here, ==, there);
    }
  test_folder_delete (first);
  test_folder_delete (second);
}

/* Leaving out one thing leaves out that one and no other. */
static void
test_except (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (TestRun) run = test_run_new (3, FALSE), whole = test_run_new (4, TRUE);
  const char *const *fields = reformer_training_state_get_fields ();
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) all = NULL;
  g_autoptr (GHashTable) want = NULL;

  g_strv_builder_addv (builder, (const char **) fields);
  g_strv_builder_add_many (builder, "weights", "optimizer", "settings", NULL);
  all = g_strv_builder_end (builder);
  test_run_save (run, folder, 7, 3);
  test_run_restore (whole, folder, NULL);
  want = test_run_look (whole);
  for (guint i = 0; all[i] != NULL; i++)
    {
      g_autoptr (TestRun) other = test_run_new (4, TRUE);
      g_autoptr (GHashTable) got = NULL;
      g_autofree char *different = NULL, *expected = NULL;

      test_run_restore (other, folder, all[i]);
      got = test_run_look (other);
      different = test_run_compare (want, got);
      expected = g_str_equal (all[i], "seed") || g_str_equal (all[i], "sequence") || g_str_equal (all[i], "keep") ? g_strdup_printf ("%s the model's %s", all[i], all[i])
                                                                                                                  : g_strdup (all[i]);
      g_assert_cmpstr (different, ==, expected);
    }
  test_folder_delete (folder);
}

/* ---- Damage ---- */

typedef enum
{
  CUT,
  EMPTY,
  LONGER,
  FLIP_FIRST,
  FLIP_LAST,
  FLIP_SOMEWHERE,
  ZEROS,
  GONE,
  FOLDER,
  DANGLING,
  N_WAYS
} Way;

static void
damage (const char *path,
        const char *name,
        Way         way,
        GRand      *rand)
{
  g_autofree char *file = g_build_filename (path, name, NULL), *bytes = NULL;
  gsize n;

  bytes = test_file_read (path, name, &n);
  switch (way)
    {
    case CUT:
      test_file_write (path, name, bytes, (gssize) n - 1);
      break;
    case EMPTY:
      test_file_write (path, name, "", 0);
      break;
    case LONGER:
      bytes = g_realloc (bytes, n + 1);
      bytes[n] = '\n';
      test_file_write (path, name, bytes, (gssize) n + 1);
      break;
    case FLIP_FIRST:
      bytes[0] ^= 0x20;
      break;
    case FLIP_LAST:
      bytes[n - 1] ^= 1;
      break;
    case FLIP_SOMEWHERE:
      bytes[(gsize) g_rand_int_range (rand, 0, (gint32) n)] ^= (char) (1 << g_rand_int_range (rand, 0, 8));
      break;
    case ZEROS:
      memset (bytes + n / 2, 0, n - n / 2);
      break;
    case GONE:
    case FOLDER:
    case DANGLING:
    default:
      g_unlink (file);
      if (way == FOLDER)
        g_mkdir (file, 0777);
      else if (way == DANGLING)
        g_assert_cmpint (symlink ("nowhere", file), ==, 0);
      return;
    }
  if (way >= FLIP_FIRST)
    test_file_write (path, name, bytes, (gssize) n);
}

static void
test_damage (void)
{
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 6), *older = reformer_checkpoint_get_path (folder, 5);
  g_autofree char *weights = g_build_filename (folder, "model.safetensors", NULL), *old_weights = g_build_filename (older, "model.safetensors", NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (TestRun) run = test_run_new (3, FALSE), other = test_run_new (4, TRUE);

  test_run_save (run, folder, 5, 3);
  test_run_save (run, folder, 6, 3);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint way = 0; way < N_WAYS + 4; way++)
      {
        g_autofree char *pattern = g_strdup_printf ("*%s*%s*passed over*", path, names[i]), *good = NULL;
        GStatBuf here, there;
        gsize n;

        good = test_file_read (path, names[i], &n);
        damage (path, names[i], way < N_WAYS ? way : FLIP_SOMEWHERE, rand);
        g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, pattern);
        test_run_restore (other, folder, NULL);
        g_test_assert_expected_messages ();
        g_assert_cmpuint (other->state.step, ==, 5);
        /* the folder's weights are those that were taken */
        g_assert_cmpint (g_stat (weights, &here), ==, 0);
        g_assert_cmpint (g_stat (old_weights, &there), ==, 0);
        g_assert_cmpuint (here.st_ino, ==, there.st_ino);
        test_file_write (path, names[i], good, (gssize) n);
        test_run_restore (other, folder, NULL);
        g_assert_cmpuint (other->state.step, ==, 6);
      }
  test_folder_delete (folder);
}

static void
test_none_whole (void)
{
  g_autofree char *folder = test_folder_new (), *gone = g_build_filename (folder, "none", NULL), *path = reformer_checkpoint_get_path (folder, 5);
  g_autofree char *other_path = reformer_checkpoint_get_path (folder, 6);
  g_autoptr (TestRun) run = test_run_new (3, FALSE);

  test_run_assert_refused (run, gone, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, gone, "no checkpoint");
  test_run_assert_refused (run, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, folder, "no checkpoint");
  test_run_save (run, folder, 5, 3);
  test_run_save (run, folder, 6, 3);
  damage (path, "trainer.json", CUT, NULL);
  damage (other_path, "manifest.json", GONE, NULL);
  g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*step-6/manifest.json*");
  g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*step-5/trainer.json*");
  test_run_assert_refused (run, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, folder, "none of its 2 checkpoints is whole");
  g_test_assert_expected_messages ();
  test_folder_delete (folder);
}

/* Names that are no checkpoint's. */
static void
test_other_names (void)
{
  static const char *const odd[] = { "step-", "step-07", "step-7x", "step--7", "step-4294967296", "Step-9", "step-9 ", "step-00", ".step-9.tmp-abcdef" };
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *file = NULL;

  g_mkdir (below, 0777);
  for (guint i = 0; i < G_N_ELEMENTS (odd); i++)
    {
      g_autofree char *path = g_build_filename (below, odd[i], NULL);

      g_mkdir (path, 0777);
    }
  test_file_write (below, "step-8", "a file", -1);
  file = g_build_filename (below, "step-9", NULL);
  g_assert_cmpint (symlink ("step-07", file), ==, 0);
  g_assert_false (reformer_checkpoint_exists (folder));
  g_unlink (file);
  g_mkdir (file, 0777);
  g_assert_true (reformer_checkpoint_exists (folder));
  test_folder_delete (folder);
}

/* ---- What else is in the folder ---- */

static void
test_links (void)
{
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *link = g_build_filename (below, "best", NULL);
  g_autoptr (TestRun) run = test_run_new (3, FALSE);
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint step = 1; step <= 6; step++)
    {
      static const char *const lists[] = { "step-1", "step-1 step-2", "best step-2 step-3", "best step-2 step-3 step-4", "best step-2 step-4 step-5", "best step-5 step-6" };
      static const char *const hits[] = { "config.json", "model.safetensors", "reformer-tokenizer.json" };
      g_autofree char *path = reformer_checkpoint_get_path (folder, step), *list = NULL, *best = NULL;
      g_autoptr (GFile) file = g_file_new_for_path (folder);
      g_autoptr (ReformerModel) model = NULL;
      g_autoptr (GError) error = NULL;

      /* no best at first; the second from the third step on; the sixth at the end */
      run->state.best_step = step < 3 ? 0 : step < 6 ? 2 : 6;
      test_run_save (run, folder, step, 2);
      list = test_folder_list (below);
      g_assert_cmpstr (list, ==, lists[step - 1]);
      best = g_file_read_link (link, NULL);
      g_assert_cmpstr (best, ==, step < 3 ? NULL : step < 6 ? "step-2" : "step-6");
      for (guint i = 0; i < G_N_ELEMENTS (hits); i++)
        {
          g_autofree char *here = g_build_filename (folder, hits[i], NULL), *there = g_build_filename (path, hits[i], NULL);
          GStatBuf a, b;

          g_assert_cmpint (g_stat (here, &a), ==, 0);
          g_assert_cmpint (g_stat (there, &b), ==, 0);
          g_assert_cmpuint (a.st_ino, ==, b.st_ino);
        }
      model = reformer_model_load (device, file, NULL, &error);
      g_assert_no_error (error);
    }
  test_folder_delete (folder);
}

/* A tokenizer with a file of its own: the file is a part of the checkpoint, and of the run's folder. */
static void
test_pieces (void)
{
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *path = reformer_checkpoint_get_path (folder, 4);
  g_autofree char *model = g_test_build_filename (G_TEST_DIST, "sentencepiece", "plain.model", NULL), *list = NULL, *hash = NULL, *published = NULL, *steps = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (model), home = g_file_new_for_path (folder);
  g_autoptr (TestRun) run = test_run_new (3, FALSE);
  g_autoptr (ReformerTokenizer) loaded = NULL;
  g_autoptr (GError) error = NULL;

  g_clear_object (&run->checkpoint.tokenizer);
  run->checkpoint.tokenizer = reformer_sentence_piece_tokenizer_new_from_file (file, NULL, &error);
  g_assert_no_error (error);
  test_run_save (run, folder, 4, 1);
  list = test_folder_list (path);
  g_assert_cmpstr (list, ==, "config.json manifest.json model.safetensors optimizer.safetensors reformer-tokenizer.json spiece.model trainer.json");
  hash = test_file_hash (path, "spiece.model");
  published = test_file_hash (folder, "spiece.model");
  g_assert_cmpstr (published, ==, hash);
  loaded = reformer_tokenizer_load (home, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (REFORMER_IS_SENTENCE_PIECE_TOKENIZER (loaded));
  test_run_restore (run, folder, NULL);

  test_file_write (path, "spiece.model", "other", -1);
  g_assert_false (reformer_checkpoint_verify (path, NULL, &error));
  assert_says (&error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "step-4/spiece.model", NULL);
  test_run_save (run, folder, 5, 1);
  steps = test_folder_list (below);
  g_assert_cmpstr (steps, ==, "step-5"); /* nothing of the other was left */
  test_folder_delete (folder);
}

/* An evaluated step that has no checkpoint changes nothing about the best; one that is kept takes its place. */
static void
test_best_without_checkpoint (void)
{
  g_autofree char *folder = test_folder_new (), *link = g_build_filename (folder, "checkpoints", "best", NULL), *best = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE);

  run->state.best_step = 2;
  test_run_save (run, folder, 2, 2);
  run->state.best_step = 3;
  test_run_save (run, folder, 4, 2);
  best = g_file_read_link (link, NULL);
  g_assert_cmpstr (best, ==, "step-2");
  test_folder_delete (folder);
}

/* 0 is no step that was evaluated. */
static void
test_no_best (void)
{
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *list = NULL;
  g_autoptr (TestRun) run = test_run_new (3, TRUE);

  test_run_save (run, folder, 0, 2);
  list = test_folder_list (below);
  g_assert_cmpstr (list, ==, "step-0");
  test_folder_delete (folder);
}

/* What dead writers left goes with the next save; what is somebody else's stays. */
static void
test_leftovers (void)
{
  static const char *const dead[] = { ".step-3.tmp-abcdef", ".step-9.tmp-000000", ".step-2.old-zzzzzz" };
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *list = NULL, *first = NULL, *notes = NULL;
  g_autofree char *linked = g_build_filename (folder, "reformer-tokenizer.json", NULL); /* the first of them */
  g_autoptr (TestRun) run = test_run_new (3, FALSE);
  GStatBuf status;

  test_run_save (run, folder, 2, 1);
  for (guint i = 0; i < G_N_ELEMENTS (dead); i++)
    {
      g_autofree char *path = g_build_filename (below, dead[i], NULL);

      g_mkdir (path, 0777);
      test_file_write (path, "model.safetensors", "half of it", -1);
      test_file_write (path, "manifest.json", "{", -1);
      test_file_write (path, ".reformer-tokenizer.json.tmp-abcdef", "{", -1);
    }
  test_file_write (below, ".link", "x", 1);
  test_file_write (below, ".best", "x", 1);
  first = reformer_checkpoint_get_path (folder, 2);
  test_file_write (first, "notes.txt", "mine", -1);
  run->state.best_step = 4;
  test_run_save (run, folder, 4, 1);
  list = test_folder_list (below);
  g_assert_cmpstr (list, ==, "best step-2 step-4");
  notes = test_folder_list (first);
  g_assert_cmpstr (notes, ==, "notes.txt");
  g_assert_cmpint (g_stat (linked, &status), ==, 0);
  g_assert_cmpuint (status.st_nlink, ==, 2); /* a link, no copy */
  test_folder_delete (folder);
}

/* Saved again, as after going back: the new one takes the place of the old. */
static void
test_again (void)
{
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 6);
  g_autoptr (TestRun) run = test_run_new (3, FALSE), other = test_run_new (4, TRUE);

  test_run_save (run, folder, 5, 2);
  test_run_save (run, folder, 6, 2);
  damage (path, "optimizer.safetensors", CUT, NULL);
  test_file_write (path, "notes.txt", "mine", -1);
  run->state.tokens = 123;
  test_run_save (run, folder, 6, 2);
  test_run_restore (other, folder, NULL);
  g_assert_cmpuint (other->state.step, ==, 6);
  g_assert_cmpint (other->state.tokens, ==, 123);
  g_assert_true (test_file_ends (path, "notes.txt", "mine"));
  test_folder_delete (folder);
}

/* A later one, damaged, is not counted among those that are kept. */
static void
test_later (void)
{
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 9), *below = g_build_filename (folder, "checkpoints", NULL), *list = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE);

  run->state.best_step = 0;
  test_run_save (run, folder, 9, 1);
  damage (path, "trainer.json", CUT, NULL);
  test_run_save (run, folder, 5, 1);
  test_run_save (run, folder, 6, 1);
  list = test_folder_list (below);
  g_assert_cmpstr (list, ==, "step-6 step-9");
  test_folder_delete (folder);
}

/* Checkpoints on another filesystem cannot be linked: they are copied. */
static void
test_copy (void)
{
  g_autofree char *folder = test_folder_new (), *link = g_build_filename (folder, "checkpoints", NULL), *path = NULL, *a = NULL, *b = NULL;
  g_autofree char *elsewhere = g_strdup ("/dev/shm/reformer-XXXXXX");
  g_autoptr (TestRun) run = NULL;
  g_autofree gint32 *bytes = NULL;
  g_autofree char *large = NULL;
  const gsize n = REFORMER_FILE_PIECE + 12;
  gsize size;
  GStatBuf here, there;

  if (mkdtemp (elsewhere) == NULL || g_stat (elsewhere, &there) != 0 || g_stat (folder, &here) != 0 || here.st_dev == there.st_dev)
    {
      g_test_skip ("there is no other filesystem at /dev/shm");
      g_rmdir (elsewhere);
      g_rmdir (folder);
      return;
    }
  g_assert_cmpint (symlink (elsewhere, link), ==, 0);
  run = test_run_new (3, FALSE);
  test_run_save (run, folder, 1, 2);
  test_run_save (run, folder, 2, 2);
  path = reformer_checkpoint_get_path (folder, 2);
  a = test_file_hash (path, "model.safetensors");
  b = test_file_hash (folder, "model.safetensors");
  g_assert_cmpstr (a, ==, b);
  test_run_restore (run, folder, NULL);

  /* also what is larger than the pieces that are copied at a time */
  bytes = g_malloc (n);
  test_fill_int (bytes, n / sizeof *bytes, G_MAXINT, 3);
  test_file_write (path, "model.safetensors", (const char *) bytes, (gssize) n);
  g_assert_true (reformer_checkpoint_publish (folder, 2, NULL));
  large = test_file_read (folder, "model.safetensors", &size);
  g_assert_cmpmem (large, size, bytes, n);
  test_folder_delete (elsewhere);
  test_folder_delete (folder);
}

static void
test_folder_gone (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (TestRun) run = test_run_new (3, FALSE);
  g_autoptr (GError) error = NULL;

  test_folder_delete (folder);
  g_assert_false (reformer_checkpoint_save (folder, &run->checkpoint, 2, NULL, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER);
  g_assert_nonnull (strstr (error->message, folder));
  g_assert_false (g_file_test (folder, G_FILE_TEST_EXISTS));
}

static void
test_cancelled (void)
{
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *list = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  test_run_save (run, folder, 1, 2);
  g_cancellable_cancel (cancellable);
  run->state.step = 2;
  g_assert_false (reformer_checkpoint_save (folder, &run->checkpoint, 2, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  list = test_folder_list (below);
  g_assert_cmpstr (list, ==, "step-1");
  g_assert_false (reformer_checkpoint_restore (folder, &run->checkpoint, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_folder_delete (folder);
}

/* An optimizer without state has a file without tensors. */
static void
test_no_state (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (TestRun) run = test_run_new (3, TRUE), other = test_run_new (4, FALSE);
  g_autoptr (GPtrArray) state = NULL;

  test_run_save (run, folder, 1, 2);
  test_run_restore (other, folder, NULL);
  state = reformer_optimizer_list_state (other->checkpoint.optimizer);
  g_assert_cmpuint (state->len, ==, 0);
  g_assert_cmpfloat (other->state.best_loss, ==, G_MAXDOUBLE);
  test_folder_delete (folder);
}

/* ---- Settings of another language ---- */

typedef struct
{
  ReformerSchedule parent_instance;
  int              number;
  GThread         *asked; /* the threads that did so last */
  GThread         *told;
} TestSchedule;

typedef struct
{
  ReformerScheduleClass parent_class;
} TestScheduleClass;

static GType test_schedule_get_type (void);
G_DEFINE_TYPE (TestSchedule, test_schedule, REFORMER_TYPE_SCHEDULE)

static void
test_schedule_get_property (GObject    *object,
                            guint       id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  ((TestSchedule *) object)->asked = g_thread_self ();
  g_value_set_int (value, ((TestSchedule *) object)->number);
}

static void
test_schedule_set_property (GObject      *object,
                            guint         id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  ((TestSchedule *) object)->told = g_thread_self ();
  ((TestSchedule *) object)->number = g_value_get_int (value);
}

static void
test_schedule_class_init (TestScheduleClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = test_schedule_get_property;
  object_class->set_property = test_schedule_set_property;
  g_object_class_install_property (object_class, 1, g_param_spec_int ("number", NULL, NULL, 0, 10, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static void
test_schedule_init (TestSchedule *self)
{
}

typedef struct
{
  TestSchedule *schedule;
  json_t       *root;
  int           done;
} Work;

static gpointer
work (gpointer data)
{
  Work *w = data;
  g_autoptr (GPtrArray) settings = NULL;

  reformer_home_enter (NULL, NULL);
  json_object_set_new (w->root, "schedule", reformer_properties_to_json (G_OBJECT (w->schedule), NULL));
  json_object_set_new (json_object_get (w->root, "schedule"), "number", json_integer (7));
  settings = reformer_properties_read (G_OBJECT (w->schedule), w->root, "file", "schedule", NULL);
  g_assert_nonnull (settings);
  g_assert_true (reformer_properties_apply (G_OBJECT (w->schedule), settings, NULL, NULL));
  reformer_home_leave ();
  g_atomic_int_set (&w->done, 1);
  g_main_context_wakeup (NULL);
  return NULL;
}

/* A thread of the library's does not ask an object of another language: the main context does. */
static void
test_settings_at_home (void)
{
  g_autoptr (json_t) root = json_object ();
  Work w = { g_object_new (test_schedule_get_type (), "number", 3, "warmup-steps", 5, NULL), root, 0 };
  GThread *thread;
  g_autofree char *text = NULL;

  w.schedule->told = NULL;
  thread = g_thread_new ("work", work, &w);
  while (!g_atomic_int_get (&w.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  g_assert_true (w.schedule->asked == g_thread_self ());
  g_assert_true (w.schedule->told == g_thread_self ());
  g_assert_cmpint (w.schedule->number, ==, 7);
  text = reformer_json_to_text (root, REFORMER_JSON_LINE);
  g_assert_nonnull (strstr (text, "\"warmup-steps\": 5"));
  g_object_unref (w.schedule);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/run-checkpoint/fields", test_fields);
  g_test_add_func ("/run-checkpoint/numbers", test_numbers);
  g_test_add_func ("/run-checkpoint/round-trip", test_round_trip);
  g_test_add_func ("/run-checkpoint/same-bytes", test_same_bytes);
  g_test_add_func ("/run-checkpoint/except", test_except);
  g_test_add_func ("/run-checkpoint/damage", test_damage);
  g_test_add_func ("/run-checkpoint/none-whole", test_none_whole);
  g_test_add_func ("/run-checkpoint/other-names", test_other_names);
  g_test_add_func ("/run-checkpoint/links", test_links);
  g_test_add_func ("/run-checkpoint/pieces", test_pieces);
  g_test_add_func ("/run-checkpoint/best-without-checkpoint", test_best_without_checkpoint);
  g_test_add_func ("/run-checkpoint/no-best", test_no_best);
  g_test_add_func ("/run-checkpoint/leftovers", test_leftovers);
  g_test_add_func ("/run-checkpoint/again", test_again);
  g_test_add_func ("/run-checkpoint/later", test_later);
  g_test_add_func ("/run-checkpoint/copy", test_copy);
  g_test_add_func ("/run-checkpoint/folder-gone", test_folder_gone);
  g_test_add_func ("/run-checkpoint/cancelled", test_cancelled);
  g_test_add_func ("/run-checkpoint/no-state", test_no_state);
  g_test_add_func ("/run-checkpoint/settings-at-home", test_settings_at_home);
  return test_run ();
}
