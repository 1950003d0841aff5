/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints of runs: what is saved comes back to the bit, a damaged one is never taken, and one that does not fit changes nothing. */
#include "models.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "folders.h"
#include "training/checkpoint-private.h"
#include "training/optimizer-private.h"
#include "training/properties.h"

static const char *const names[] = { "config.json", "manifest.json", "model.safetensors", "optimizer.safetensors", "reformer-tokenizer.json", "trainer.json" };

/* ---- An object with settings of all kinds ---- */

typedef struct
{
  GObject parent_instance;
  GValue  values[12];
} TestSettings;

typedef struct
{
  GObjectClass parent_class;
} TestSettingsClass;

static GType test_settings_get_type (void);
G_DEFINE_TYPE (TestSettings, test_settings, G_TYPE_OBJECT)

static void
test_settings_get_property (GObject    *object,
                            guint       id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  g_value_copy (&((TestSettings *) object)->values[id], value);
}

static void
test_settings_set_property (GObject      *object,
                            guint         id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  g_value_copy (value, &((TestSettings *) object)->values[id]);
}

static void
test_settings_class_init (TestSettingsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = test_settings_get_property;
  object_class->set_property = test_settings_set_property;
  g_object_class_install_property (object_class, 1, g_param_spec_int ("int", NULL, NULL, -10, 10, 0, flags));
  g_object_class_install_property (object_class, 2, g_param_spec_uint ("uint", NULL, NULL, 0, G_MAXUINT, 0, flags));
  g_object_class_install_property (object_class, 3, g_param_spec_int64 ("int64", NULL, NULL, G_MININT64, G_MAXINT64, 0, flags));
  g_object_class_install_property (object_class, 4, g_param_spec_uint64 ("uint64", NULL, NULL, 0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (object_class, 5, g_param_spec_float ("float", NULL, NULL, -G_MAXFLOAT, G_MAXFLOAT, 0, flags));
  g_object_class_install_property (object_class, 6, g_param_spec_double ("double", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags));
  g_object_class_install_property (object_class, 7, g_param_spec_double ("fraction", NULL, NULL, 0, 1, 0, flags));
  g_object_class_install_property (object_class, 8, g_param_spec_boolean ("boolean", NULL, NULL, FALSE, flags));
  g_object_class_install_property (object_class, 9, g_param_spec_enum ("choice", NULL, NULL, REFORMER_TYPE_DECAY, REFORMER_DECAY_CONSTANT, flags));
  g_object_class_install_property (object_class, 10, g_param_spec_string ("text", NULL, NULL, NULL, flags));
  g_object_class_install_property (object_class, 11, g_param_spec_int ("once", NULL, NULL, 0, 10, 3, flags | G_PARAM_CONSTRUCT_ONLY));
}

static void
test_settings_init (TestSettings *self)
{
  static const GType types[12] = { [1] = G_TYPE_INT, G_TYPE_UINT, G_TYPE_INT64, G_TYPE_UINT64, G_TYPE_FLOAT, G_TYPE_DOUBLE, G_TYPE_DOUBLE, G_TYPE_BOOLEAN };

  for (guint i = 1; i < G_N_ELEMENTS (types); i++)
    g_value_init (&self->values[i], i == 9 ? REFORMER_TYPE_DECAY : i == 10 ? G_TYPE_STRING : i == 11 ? G_TYPE_INT : types[i]);
}

/* ---- A run without a trainer ---- */

typedef struct
{
  ReformerCheckpoint    checkpoint;
  ReformerTrainingState state;
} Run;

/* Weights drawn by the seed, the optimizer's state from two gradients, and a state with nothing at its default where it is not fresh. */
static Run *
run_new (guint64  seed,
         gboolean fresh)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  Run *run = g_new0 (Run, 1);
  ReformerModel *model = reformer_model_new (device, config);
  g_autoptr (GError) error = NULL;

  run->state = (ReformerTrainingState) REFORMER_TRAINING_STATE_INIT;
  run->checkpoint = (ReformerCheckpoint) { model, reformer_adamw_new (), reformer_schedule_new (), g_object_new (test_settings_get_type (), NULL),
                                           reformer_byte_tokenizer_new (), "data", &run->state };
  reformer_model_set_seed (model, seed);
  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  if (!fresh)
    {
      g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 32, 40);
      g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);

      reformer_model_freeze (model, "reformer.embeddings.*");
      reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_INPUTS);
      for (guint step = 1; step <= 2; step++)
        {
          reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
          g_assert_no_error (error);
          for (guint i = 0; i < parameters->len; i++)
            if (reformer_parameter_get_trainable (parameters->pdata[i]))
              reformer_optimizer_update (run->checkpoint.optimizer, parameters->pdata[i], step, 0.01, 1, &error);
          g_assert_no_error (error);
        }
      run->state = (ReformerTrainingState) { 7, 4000000000u, G_MAXUINT64 - 5, 11, 12, G_GINT64_CONSTANT (1) << 40, 13, 14, 15, 16, 0.1, 7, 18, 19, REFORMER_KEEP_INPUTS };
      g_object_set (run->checkpoint.trainer, "int", -3, "uint", G_MAXUINT, "int64", G_MININT64, "uint64", G_MAXUINT64, "float", 0.1, "double", DBL_MIN / 3, "fraction", 1.0,
                    "boolean", TRUE, "choice", REFORMER_DECAY_INVERSE_SQRT, "text", "is none", NULL);
      reformer_optimizer_set_learning_rate (run->checkpoint.optimizer, 1.0 / 3);
      reformer_schedule_set_warmup_steps (run->checkpoint.schedule, 17);
    }
  return run;
}

static void
run_free (Run *run)
{
  g_object_unref (run->checkpoint.model);
  g_object_unref (run->checkpoint.optimizer);
  g_object_unref (run->checkpoint.schedule);
  g_object_unref (run->checkpoint.trainer);
  g_clear_object (&run->checkpoint.tokenizer);
  g_free (run);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

static void
save (Run        *run,
      const char *folder,
      guint       step,
      guint       kept)
{
  g_autoptr (GError) error = NULL;

  run->state.step = step;
  reformer_checkpoint_save (folder, &run->checkpoint, kept, NULL, &error);
  g_assert_no_error (error);
}

static void
restore (Run        *run,
         const char *folder,
         const char *except)
{
  g_autoptr (GError) error = NULL;

  reformer_checkpoint_restore (folder, &run->checkpoint, except, NULL, &error);
  g_assert_no_error (error);
}

static int
compare_texts (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* A hash of everything a checkpoint is about, by name; from the objects themselves. */
static GHashTable *
look (Run *run)
{
  GHashTable *all = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (run->checkpoint.model), buffers = reformer_model_list_buffers (run->checkpoint.model);
  g_autoptr (GPtrArray) state = reformer_optimizer_list_state (run->checkpoint.optimizer);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gpointer objects[3] = { run->checkpoint.trainer, run->checkpoint.optimizer, run->checkpoint.schedule };
  const char *const *fields = reformer_training_state_get_fields ();
  g_autoptr (json_t) values = reformer_training_state_to_json (&run->state);
  g_autoptr (GString) settings = g_string_new (NULL);

  for (guint i = 0; i < parameters->len + buffers->len; i++)
    {
      ReformerParameter *parameter = i < parameters->len ? parameters->pdata[i] : buffers->pdata[i - parameters->len];
      g_autofree float *numbers = test_floats (reformer_parameter_get_value (parameter));

      g_checksum_update (sum, (const guchar *) numbers, (gssize) (sizeof (float) * reformer_parameter_get_n_elements (parameter)));
      if (!reformer_parameter_get_trainable (parameter))
        g_string_append (settings, reformer_parameter_get_name (parameter));
    }
  g_hash_table_insert (all, g_strdup ("weights"), g_strdup (g_checksum_get_string (sum)));

  g_checksum_reset (sum);
  g_ptr_array_sort (state, compare_texts);
  for (guint i = 0; i < state->len; i++)
    {
      ReformerTensor *tensor = reformer_optimizer_peek_state (run->checkpoint.optimizer, state->pdata[i]);
      g_autofree float *numbers = test_floats (tensor);
      g_autofree char *text = reformer_tensor_to_string (tensor);

      g_checksum_update (sum, (const guchar *) text, -1);
      g_checksum_update (sum, (const guchar *) numbers, (gssize) reformer_tensor_get_n_bytes (tensor));
    }
  g_hash_table_insert (all, g_strdup ("optimizer"), g_strdup (g_checksum_get_string (sum)));

  for (guint i = 0; i < G_N_ELEMENTS (objects); i++)
    {
      g_autoptr (json_t) json = reformer_properties_to_json (objects[i], NULL);
      g_autofree char *text = reformer_json_to_text (json, REFORMER_JSON_LINE);

      g_string_append (settings, text);
    }
  g_hash_table_insert (all, g_strdup ("settings"), g_strdup (settings->str));

  for (guint i = 0; fields[i] != NULL; i++)
    {
      g_autofree char *text = reformer_json_to_text (json_object_get (values, fields[i]), REFORMER_JSON_LINE);

      g_hash_table_insert (all, g_strdup (fields[i]), g_steal_pointer (&text));
    }
  g_hash_table_insert (all, g_strdup ("the model's seed"), g_strdup_printf ("%" G_GUINT64_FORMAT, reformer_model_get_seed (run->checkpoint.model)));
  g_hash_table_insert (all, g_strdup ("the model's sequence"), g_strdup_printf ("%u", reformer_model_get_sequence (run->checkpoint.model)));
  g_hash_table_insert (all, g_strdup ("the model's keep"), g_strdup_printf ("%d", reformer_stack_get_keep (reformer_model_get_stack (run->checkpoint.model))));
  return all;
}

/* The names of what differs, with a space between. */
static char *
compare (GHashTable *a,
         GHashTable *b)
{
  g_autoptr (GPtrArray) different = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer name, value;

  g_assert_cmpuint (g_hash_table_size (a), ==, g_hash_table_size (b));
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (g_strcmp0 (value, g_hash_table_lookup (b, name)) != 0)
      g_ptr_array_add (different, name);
  g_ptr_array_sort (different, compare_texts);
  g_ptr_array_add (different, NULL);
  return g_strjoinv (" ", (char **) different->pdata);
}

/* The manifest as it should be, made without the library's code. */
static void
sign (const char *folder,
      guint       step)
{
  static const char *const order[] = { "config.json", "model.safetensors", "optimizer.safetensors", "reformer-tokenizer.json", "trainer.json" };
  g_autofree char *path = reformer_checkpoint_get_path (folder, step);
  g_autoptr (GString) text = g_string_new ("{\n  \"format\": 1,\n  \"files\": {\n");

  for (guint i = 0; i < G_N_ELEMENTS (order); i++)
    {
      gsize n;
      g_autofree char *bytes = test_file_read (path, order[i], &n), *hash = test_file_hash (path, order[i]);

      g_string_append_printf (text, "    \"%s\": {\n      \"size\": %zu,\n      \"sha256\": \"%s\"\n    }%s\n", order[i], n, hash, i + 1 < G_N_ELEMENTS (order) ? "," : "");
    }
  g_string_append (text, "  }\n}\n");
  test_file_write (path, "manifest.json", text->str, (gssize) text->len);
}

/* Replaces the only place where `from` stands in a file by `to`, and signs again. */
static void
edit (const char *folder,
      guint       step,
      const char *name,
      const char *from,
      const char *to)
{
  g_autofree char *path = reformer_checkpoint_get_path (folder, step), *text = test_file_read (path, name, NULL);
  g_auto (GStrv) parts = g_strsplit (text, from, -1);
  g_autofree char *edited = g_strjoinv (to, parts);

  if (g_strv_length (parts) != 2)
    g_error ("%s has \"%s\" %u times", name, from, g_strv_length (parts) - 1);
  test_file_write (path, name, edited, -1);
  sign (folder, step);
}

/* The restore fails, with the words in its message of one line, and changes nothing. */
static void
assert_refused (Run        *run,
                const char *folder,
                GQuark      domain,
                int         code,
                const char *first,
                const char *second)
{
  g_autoptr (GHashTable) before = look (run), after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *different = NULL;

  g_assert_false (reformer_checkpoint_restore (folder, &run->checkpoint, NULL, NULL, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, first));
  g_assert_nonnull (strstr (error->message, second));
  g_assert_null (strchr (error->message, '\n'));
  after = look (run);
  different = compare (before, after);
  g_assert_cmpstr (different, ==, "");
}

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
  g_autoptr (Run) run = run_new (3, FALSE), other = run_new (4, TRUE);
  g_autoptr (GHashTable) saved = NULL, before = look (other), after = NULL;

  g_assert_false (reformer_checkpoint_exists (folder));
  save (run, folder, 7, 3);
  g_assert_true (reformer_checkpoint_exists (folder));
  saved = look (run);
  different = compare (saved, before);
  g_assert_cmpstr (different, ==, "best_loss best_step epoch evaluated_step index keep length n_skipped optimizer seed sequence settings skipped_in_a_row step "
                                  "the model's keep the model's seed the model's sequence tokens total_steps weights worse");

  restore (other, folder, NULL);
  after = look (other);
  /* the model's seed and sequence come from the state, which says others in this test */
  g_clear_pointer (&different, g_free);
  different = compare (saved, after);
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
  g_autoptr (Run) run = run_new (3, FALSE), other = run_new (9, TRUE);

  save (run, first, 7, 3);
  g_usleep (1100000);
  restore (other, first, NULL);
  save (other, second, 7, 3);
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
  g_autoptr (Run) run = run_new (3, FALSE), whole = run_new (4, TRUE);
  const char *const *fields = reformer_training_state_get_fields ();
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) all = NULL;
  g_autoptr (GHashTable) want = NULL;

  g_strv_builder_addv (builder, (const char **) fields);
  g_strv_builder_add_many (builder, "weights", "optimizer", "settings", NULL);
  all = g_strv_builder_end (builder);
  save (run, folder, 7, 3);
  restore (whole, folder, NULL);
  want = look (whole);
  for (guint i = 0; all[i] != NULL; i++)
    {
      g_autoptr (Run) other = run_new (4, TRUE);
      g_autoptr (GHashTable) got = NULL;
      g_autofree char *different = NULL, *expected = NULL;

      restore (other, folder, all[i]);
      got = look (other);
      different = compare (want, got);
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
  g_autoptr (Run) run = run_new (3, FALSE), other = run_new (4, TRUE);

  save (run, folder, 5, 3);
  save (run, folder, 6, 3);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint way = 0; way < N_WAYS + 4; way++)
      {
        g_autofree char *pattern = g_strdup_printf ("*%s*%s*passed over*", path, names[i]), *good = NULL;
        GStatBuf here, there;
        gsize n;

        good = test_file_read (path, names[i], &n);
        damage (path, names[i], way < N_WAYS ? way : FLIP_SOMEWHERE, rand);
        g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, pattern);
        restore (other, folder, NULL);
        g_test_assert_expected_messages ();
        g_assert_cmpuint (other->state.step, ==, 5);
        /* the folder's weights are those that were taken */
        g_assert_cmpint (g_stat (weights, &here), ==, 0);
        g_assert_cmpint (g_stat (old_weights, &there), ==, 0);
        g_assert_cmpuint (here.st_ino, ==, there.st_ino);
        test_file_write (path, names[i], good, (gssize) n);
        restore (other, folder, NULL);
        g_assert_cmpuint (other->state.step, ==, 6);
      }
  test_folder_delete (folder);
}

static void
test_none_whole (void)
{
  g_autofree char *folder = test_folder_new (), *gone = g_build_filename (folder, "none", NULL), *path = reformer_checkpoint_get_path (folder, 5);
  g_autofree char *other_path = reformer_checkpoint_get_path (folder, 6);
  g_autoptr (Run) run = run_new (3, FALSE);

  assert_refused (run, gone, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, gone, "no checkpoint");
  assert_refused (run, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, folder, "no checkpoint");
  save (run, folder, 5, 3);
  save (run, folder, 6, 3);
  damage (path, "trainer.json", CUT, NULL);
  damage (other_path, "manifest.json", GONE, NULL);
  g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*step-6/manifest.json*");
  g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*step-5/trainer.json*");
  assert_refused (run, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, folder, "none of its 2 checkpoints is whole");
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

/* ---- What does not fit ---- */

static void
test_mismatch (void)
{
  static const struct
  {
    const char *name;
    const char *from;
    const char *to;
    gboolean    file; /* a FileError */
    const char *word;
    const char *second;
  } edits[] = {
    { "config.json", "\"feed_forward_size\": 64", "\"feed_forward_size\": 128", FALSE, "\"feed_forward_size\" is 128 there, 64 in the model", "config.json" },
    { "config.json", "\"hidden_dropout_prob\": 0.0", "\"hidden_dropout_prob\": 0.25", FALSE, "\"hidden_dropout_prob\" is 0.25 there, 0.0 in the model", "config.json" },
    { "config.json", "\"num_hashes\": 2", "\"num_hashes\": \"two\"", TRUE, "num_hashes", "config.json" },
    { "trainer.json", "\"format\": 1", "\"format\": 2", FALSE, "its format is 2", "reads 1" },
    { "trainer.json", "\"format\": 1", "\"format\": 0", TRUE, "format", "trainer.json" },
    { "trainer.json", "\"data\": \"data\"", "\"data\": \"others\"", FALSE, "other data: others there, data here", "trainer.json" },
    { "trainer.json", "\"data\": \"data\"", "\"data\": 3", TRUE, "\"data\" is 3", "trainer.json" },
    { "trainer.json", "\"tokenizer\": \"", "\"tokenizer\": \"x", FALSE, "another tokenizer", "trainer.json" },
    { "trainer.json", "\"ReformerAdamW\"", "\"ReformerSgd\"", FALSE, "another optimizer: ReformerSgd, the trainer has ReformerAdamW", "trainer.json" },
    { "trainer.json", "\"ReformerSchedule\"", "\"Other\"", FALSE, "another schedule", "trainer.json" },
    { "trainer.json", "\"step\": 7", "\"step\": 8", FALSE, "step 8", "step-7" },
    { "trainer.json", "\"step\": 7", "\"step\": -1", TRUE, "\"step\" is -1", "trainer.json" },
    { "trainer.json", "\"step\": 7", "\"step\": \"7\"", TRUE, "\"step\" is \"7\"", "trainer.json" },
    { "trainer.json", "\"step\": 7", "\"stop\": 7", TRUE, "has no \"step\"", "trainer.json" },
    { "trainer.json", "\"total_steps\": 4000000000", "\"total_steps\": 4294967296", TRUE, "total_steps", "trainer.json" },
    { "trainer.json", "\"seed\": \"18446744073709551610\"", "\"seed\": \"18446744073709551616\"", TRUE, "seed", "trainer.json" },
    { "trainer.json", "\"seed\": \"18446744073709551610\"", "\"seed\": \"-1\"", TRUE, "seed", "trainer.json" },
    { "trainer.json", "\"index\": 1099511627776", "\"index\": -1", TRUE, "index", "trainer.json" },
    { "trainer.json", "\"length\": 13", "\"length\": 2147483648", TRUE, "length", "trainer.json" },
    { "trainer.json", "\"best_loss\": 0.1", "\"best_loss\": \"much\"", TRUE, "best_loss", "trainer.json" },
    { "trainer.json", "\"best_loss\": 0.1", "\"best_loss\": null", TRUE, "best_loss", "trainer.json" },
    { "trainer.json", "\"keep\": \"inputs\"", "\"keep\": \"all\"", TRUE, "\"keep\" is \"all\"", "trainer.json" },
    { "trainer.json", "\"fraction\": 1.0", "\"fraction\": 1.5", TRUE, "\"fraction\" is 1.5", "from 0 to 1" },
    { "trainer.json", "\"fraction\": 1.0", "\"fraction\": \"NaN\"", TRUE, "\"fraction\" is nan", "from 0 to 1" },
    { "trainer.json", "\"int\": -3", "\"int\": -11", TRUE, "\"int\" is -11", "from -10 to 10" },
    { "trainer.json", "\"int\": -3", "\"integer\": 3", FALSE, "\"integer\", which is no setting of TestSettings", "trainer.json" },
    { "trainer.json", "\"int\": -3", "\"once\": 3", FALSE, "\"once\", which is no setting of TestSettings", "trainer.json" },
    { "trainer.json", "\"boolean\": true", "\"boolean\": 1", TRUE, "boolean", "true or false" },
    { "trainer.json", "\"choice\": \"inverse-sqrt\"", "\"choice\": \"none\"", TRUE, "\"choice\" is \"none\"", "trainer.json" },
    { "trainer.json", "\"learning-rate\": 0.3333333333333333", "\"learning-rate\": \"Infinity\"", TRUE, "learning-rate", "optimizer" },
    { "trainer.json", "\"frozen\": [", "\"frozen\": [\"nothing\",", FALSE, "\"frozen\" has nothing", "trainer.json" },
    { "trainer.json", "\"schedule\": {", "\"sched\": {", TRUE, "has no \"schedule\"", "trainer.json" },
    { "trainer.json", "\"state\": {", "\"state\": [{}], \"x\": {", TRUE, "state", "trainer.json" },
    { "trainer.json", "\"format\": 1", "\"format\": 1,,", TRUE, "line", "trainer.json" },
  };
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 7);
  g_autoptr (Run) run = run_new (3, FALSE);

  save (run, folder, 7, 3);
  for (guint i = 0; i < G_N_ELEMENTS (edits); i++)
    {
      g_autofree char *good = test_file_read (path, edits[i].name, NULL);

      edit (folder, 7, edits[i].name, edits[i].from, edits[i].to);
      assert_refused (run, folder, edits[i].file ? REFORMER_FILE_ERROR : REFORMER_TRAINER_ERROR,
                      edits[i].file ? (int) REFORMER_FILE_ERROR_INVALID : (int) REFORMER_TRAINER_ERROR_MISMATCH, edits[i].word, edits[i].second);
      test_file_write (path, edits[i].name, good, -1);
    }
  test_folder_delete (folder);
}

/* The other side of the same: who restores is another one. */
static void
test_other_run (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (Run) run = run_new (3, FALSE), other = run_new (3, TRUE);
  g_autoptr (ReformerConfig) config = test_config ("local,local");
  g_autoptr (ReformerDevice) device = test_device ();
  const GQuark domain = REFORMER_TRAINER_ERROR;
  const int code = REFORMER_TRAINER_ERROR_MISMATCH;

  save (run, folder, 7, 3);
  g_object_unref (other->checkpoint.optimizer);
  other->checkpoint.optimizer = reformer_sgd_new ();
  assert_refused (other, folder, domain, code, "ReformerAdamW", "ReformerSgd");
  g_object_unref (other->checkpoint.optimizer);
  other->checkpoint.optimizer = reformer_adamw_new ();
  other->checkpoint.data = "others";
  assert_refused (other, folder, domain, code, "other data: data there, others here", folder);
  other->checkpoint.data = "data";
  g_object_unref (other->checkpoint.model);
  other->checkpoint.model = reformer_model_new (device, config);
  g_assert_true (reformer_model_prepare (other->checkpoint.model, NULL));
  assert_refused (other, folder, domain, code, "attn_layers", "local");

  /* what nobody knows is no difference */
  g_clear_pointer (&other, run_free);
  other = run_new (3, TRUE);
  other->checkpoint.data = NULL;
  g_clear_object (&other->checkpoint.tokenizer);
  restore (other, folder, NULL);
  test_folder_delete (folder);
}

/* Weights or optimizer state that are well formed, signed, and not the model's. */
static void
test_foreign_tensors (void)
{
  g_autofree char *folder = test_folder_new (), *path = NULL, *bytes = NULL, *good = NULL;
  g_autoptr (Run) run = run_new (3, FALSE), other = run_new (4, TRUE);
  char *name;
  gsize n;

  save (run, folder, 7, 3);
  path = reformer_checkpoint_get_path (folder, 7);
  good = test_file_read (path, "optimizer.safetensors", &n);

  /* of a parameter that there is not: the name's first letter changes */
  bytes = g_memdup2 (good, n);
  name = memmem (bytes, n, "\"reformer.", 10);
  name[1] = 'R';
  test_file_write (path, "optimizer.safetensors", bytes, (gssize) n);
  sign (folder, 7);
  assert_refused (other, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "Reformer.", "optimizer.safetensors");

  test_file_write (path, "optimizer.safetensors", "\x08\0\0\0\0\0\0\0{}......", 16);
  sign (folder, 7);
  assert_refused (other, folder, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "optimizer.safetensors", path);

  test_file_write (path, "optimizer.safetensors", good, (gssize) n);
  test_file_write (path, "model.safetensors", good, (gssize) n);
  sign (folder, 7);
  assert_refused (other, folder, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "model.safetensors", "missing");
  test_folder_delete (folder);
}

/* ---- What else is in the folder ---- */

static void
test_links (void)
{
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *link = g_build_filename (below, "best", NULL);
  g_autoptr (Run) run = run_new (3, FALSE);
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
      save (run, folder, step, 2);
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

/* An evaluated step that has no checkpoint changes nothing about the best; one that is kept takes its place. */
static void
test_best_without_checkpoint (void)
{
  g_autofree char *folder = test_folder_new (), *link = g_build_filename (folder, "checkpoints", "best", NULL), *best = NULL;
  g_autoptr (Run) run = run_new (3, FALSE);

  run->state.best_step = 2;
  save (run, folder, 2, 2);
  run->state.best_step = 3;
  save (run, folder, 4, 2);
  best = g_file_read_link (link, NULL);
  g_assert_cmpstr (best, ==, "step-2");
  test_folder_delete (folder);
}

/* What dead writers left goes with the next save; what is somebody else's stays. */
static void
test_leftovers (void)
{
  static const char *const dead[] = { ".step-3.tmp-abcdef", ".step-9.tmp-000000", ".step-2.old-zzzzzz" };
  g_autofree char *folder = test_folder_new (), *below = g_build_filename (folder, "checkpoints", NULL), *list = NULL, *first = NULL, *notes = NULL;
  g_autoptr (Run) run = run_new (3, FALSE);

  save (run, folder, 2, 1);
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
  save (run, folder, 4, 1);
  list = test_folder_list (below);
  g_assert_cmpstr (list, ==, "best step-2 step-4");
  notes = test_folder_list (first);
  g_assert_cmpstr (notes, ==, "notes.txt");
  test_folder_delete (folder);
}

/* Saved again, as after going back: the new one takes the place of the old. */
static void
test_again (void)
{
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 6);
  g_autoptr (Run) run = run_new (3, FALSE), other = run_new (4, TRUE);

  save (run, folder, 5, 2);
  save (run, folder, 6, 2);
  damage (path, "optimizer.safetensors", CUT, NULL);
  test_file_write (path, "notes.txt", "mine", -1);
  run->state.tokens = 123;
  save (run, folder, 6, 2);
  restore (other, folder, NULL);
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
  g_autoptr (Run) run = run_new (3, FALSE);

  run->state.best_step = 0;
  save (run, folder, 9, 1);
  damage (path, "trainer.json", CUT, NULL);
  save (run, folder, 5, 1);
  save (run, folder, 6, 1);
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
  g_autoptr (Run) run = NULL;
  GStatBuf here, there;

  if (mkdtemp (elsewhere) == NULL || g_stat (elsewhere, &there) != 0 || g_stat (folder, &here) != 0 || here.st_dev == there.st_dev)
    {
      g_test_skip ("there is no other filesystem at /dev/shm");
      g_rmdir (elsewhere);
      g_rmdir (folder);
      return;
    }
  g_assert_cmpint (symlink (elsewhere, link), ==, 0);
  run = run_new (3, FALSE);
  save (run, folder, 1, 2);
  save (run, folder, 2, 2);
  path = reformer_checkpoint_get_path (folder, 2);
  a = test_file_hash (path, "model.safetensors");
  b = test_file_hash (folder, "model.safetensors");
  g_assert_cmpstr (a, ==, b);
  restore (run, folder, NULL);
  test_folder_delete (elsewhere);
  test_folder_delete (folder);
}

static void
test_folder_gone (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (Run) run = run_new (3, FALSE);
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
  g_autoptr (Run) run = run_new (3, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  save (run, folder, 1, 2);
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
  g_autoptr (Run) run = run_new (3, TRUE), other = run_new (4, FALSE);
  g_autoptr (GPtrArray) state = NULL;

  save (run, folder, 1, 2);
  restore (other, folder, NULL);
  state = reformer_optimizer_list_state (other->checkpoint.optimizer);
  g_assert_cmpuint (state->len, ==, 0);
  g_assert_cmpfloat (other->state.best_loss, ==, G_MAXDOUBLE);
  test_folder_delete (folder);
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
  g_test_add_func ("/run-checkpoint/mismatch", test_mismatch);
  g_test_add_func ("/run-checkpoint/other-run", test_other_run);
  g_test_add_func ("/run-checkpoint/foreign-tensors", test_foreign_tensors);
  g_test_add_func ("/run-checkpoint/links", test_links);
  g_test_add_func ("/run-checkpoint/best-without-checkpoint", test_best_without_checkpoint);
  g_test_add_func ("/run-checkpoint/leftovers", test_leftovers);
  g_test_add_func ("/run-checkpoint/again", test_again);
  g_test_add_func ("/run-checkpoint/later", test_later);
  g_test_add_func ("/run-checkpoint/copy", test_copy);
  g_test_add_func ("/run-checkpoint/folder-gone", test_folder_gone);
  g_test_add_func ("/run-checkpoint/cancelled", test_cancelled);
  g_test_add_func ("/run-checkpoint/no-state", test_no_state);
  return g_test_run ();
}
