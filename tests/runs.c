/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runs.h"

#include <float.h>
#include <string.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/training/reformer-adamw.h>

#include "folders.h"
#include "training/optimizer-private.h"
#include "training/properties.h"

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
test_settings_finalize (GObject *object)
{
  for (guint i = 1; i < G_N_ELEMENTS (((TestSettings *) object)->values); i++)
    g_value_unset (&((TestSettings *) object)->values[i]);
  G_OBJECT_CLASS (test_settings_parent_class)->finalize (object);
}

static void
test_settings_class_init (TestSettingsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = test_settings_finalize;
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

TestRun *
test_run_new (guint64  seed,
         gboolean fresh)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  TestRun *run = g_new0 (TestRun, 1);
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

void
test_run_free (TestRun *run)
{
  g_object_unref (run->checkpoint.model);
  g_object_unref (run->checkpoint.optimizer);
  g_object_unref (run->checkpoint.schedule);
  g_object_unref (run->checkpoint.trainer);
  g_clear_object (&run->checkpoint.tokenizer);
  g_free (run);
}

void
test_run_save (TestRun        *run,
      const char *folder,
      guint       step,
      guint       kept)
{
  g_autoptr (GError) error = NULL;

  run->state.step = step;
  reformer_checkpoint_save (folder, &run->checkpoint, kept, NULL, &error);
  g_assert_no_error (error);
}

void
test_run_restore (TestRun        *run,
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

GHashTable *
test_run_look (TestRun *run)
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

char *
test_run_compare (GHashTable *a,
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

void
test_run_sign (const char *folder,
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

void
test_run_assert_refused (TestRun        *run,
                const char *folder,
                GQuark      domain,
                int         code,
                const char *first,
                const char *second)
{
  g_autoptr (GHashTable) before = test_run_look (run), after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *different = NULL;

  g_assert_false (reformer_checkpoint_restore (folder, &run->checkpoint, NULL, NULL, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, first));
  g_assert_nonnull (strstr (error->message, second));
  g_assert_null (strchr (error->message, '\n'));
  after = test_run_look (run);
  different = test_run_compare (before, after);
  g_assert_cmpstr (different, ==, "");
}
