/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/layers/reformer-model-error.h>

#include "config-helpers.h"

static void
test_types (void)
{
  g_autoptr (ReformerConfig) config = config_from ("{\"model_type\": \"reformer\", \"is_decoder\": true, \"num_buckets\": [16], \"eos_token_id\": [3, 4],"
                                                   " \"hash_seed\": 9223372036854775807, \"hidden_dropout_prob\": 0, \"layer_norm_eps\": 1,"
                                                   " \"pad_token_id\": null, \"axial_norm_std\": 0.1}");
  g_autofree char *text = reformer_config_to_json (config);
  g_autoptr (json_t) object = reformer_json_parse (text, strlen (text), "text", NULL);

  g_assert_true (reformer_config_get_local_attn_circular (config));
  g_assert_cmpint (reformer_config_get_head (config), ==, REFORMER_HEAD_LANGUAGE);
  g_assert_cmpint (reformer_config_get_eos_token_id (config), ==, 3);
  g_assert_cmpint (reformer_config_get_pad_token_id (config), ==, -1);

  /* transformers refuses an integer for a number with a fraction, and a list of one layer of buckets means the same as the number */
  g_assert_nonnull (strstr (text, "\"layer_norm_eps\": 1.0"));
  g_assert_nonnull (strstr (text, "\"hidden_dropout_prob\": 0.0"));
  g_assert_nonnull (strstr (text, "\"axial_norm_std\": 0.1,"));
  g_assert_nonnull (strstr (text, "\"num_buckets\": 16"));
  g_assert_nonnull (strstr (text, "\"hash_seed\": 9223372036854775807"));
  g_assert_nonnull (strstr (text, "\"local_attn_circular\": true"));
  g_assert_true (json_is_null (json_object_get (object, "pad_token_id")));
  g_assert_true (json_is_null (json_object_get (object, "classifier_dropout")));
  g_assert_true (json_is_null (json_object_get (object, "problem_type")));
  g_assert_cmpint (json_integer_value (json_object_get (object, "num_hidden_layers")), ==, 6);
  g_assert_cmpuint (json_array_size (json_object_get (object, "eos_token_id")), ==, 2);
  g_assert_null (json_object_get (object, "num_labels"));
  g_assert_null (json_object_get (object, "head"));

  /* the list goes when the property says something else */
  reformer_config_set_eos_token_id (config, 4);
  g_free (text);
  text = reformer_config_to_json (config);
  g_assert_nonnull (strstr (text, "\"eos_token_id\": 4"));
}

static void
test_heads (void)
{
  static const struct
  {
    const char   *members;
    ReformerHead  head;
    int           labels;
    const char   *problem_type; /* written */
  } cases[] = {
    { "\"architectures\": [\"ReformerModelWithLMHead\"], \"is_decoder\": true", REFORMER_HEAD_LANGUAGE, 2, NULL },
    { "\"architectures\": [\"ReformerForMaskedLM\"]", REFORMER_HEAD_MASKED_LANGUAGE, 2, NULL },
    { "\"architectures\": [\"ReformerForSequenceClassification\"]", REFORMER_HEAD_CLASSIFICATION, 2, NULL },
    { "\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 1", REFORMER_HEAD_REGRESSION, 1, NULL },
    { "\"architectures\": [\"ReformerForSequenceClassification\"], \"id2label\": {\"0\": \"price\"}", REFORMER_HEAD_REGRESSION, 1, NULL },
    { "\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 3, \"id2label\": {\"0\": \"price\"}", REFORMER_HEAD_CLASSIFICATION, 3, NULL },
    { "\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 3, \"problem_type\": \"regression\"", REFORMER_HEAD_REGRESSION, 3, "regression" },
    { "\"architectures\": [\"ReformerForSequenceClassification\"], \"problem_type\": \"single_label_classification\"", REFORMER_HEAD_CLASSIFICATION, 2,
      "single_label_classification" },
    { "\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 6, \"problem_type\": \"multi_label_classification\"",
      REFORMER_HEAD_MULTI_LABEL, 6, "multi_label_classification" },
    { "\"architectures\": [\"ReformerForQuestionAnswering\"]", REFORMER_HEAD_SPANS, 2, NULL },
    { "\"architectures\": [\"ReformerForTokens\"], \"num_labels\": 9", REFORMER_HEAD_TOKENS, 9, NULL },
    { "\"architectures\": [\"ReformerForValues\"], \"num_labels\": 70000", REFORMER_HEAD_VALUES, 70000, NULL },
    { "\"architectures\": [\"Wrapped\", \"ReformerModel\"], \"problem_type\": \"regression\"", REFORMER_HEAD_NONE, 2, "regression" },
    { "\"is_decoder\": true", REFORMER_HEAD_LANGUAGE, 2, NULL },
    { "\"architectures\": null", REFORMER_HEAD_CLASSIFICATION, 2, NULL },
    { "\"architectures\": [], \"id2label\": {\"0\": \"a\"}", REFORMER_HEAD_REGRESSION, 1, NULL },
    { "\"problem_type\": \"multi_label_classification\", \"is_decoder\": true", REFORMER_HEAD_MULTI_LABEL, 2, "multi_label_classification" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("{\"model_type\": \"reformer\", %s}", cases[i].members);
      g_autoptr (ReformerConfig) config = config_from (text), again = NULL;
      g_autofree char *written = reformer_config_to_json (config);
      g_autoptr (json_t) object = reformer_json_parse (written, strlen (written), "written", NULL);

      g_assert_cmpint (reformer_config_get_head (config), ==, cases[i].head);
      g_assert_cmpint (reformer_config_get_num_labels (config), ==, cases[i].labels);
      g_assert_cmpstr (json_string_value (json_object_get (object, "problem_type")), ==, cases[i].problem_type);
      if (cases[i].labels == 70000)
        g_assert_cmpint (json_integer_value (json_object_get (object, "num_labels")), ==, 70000);
      else
        g_assert_cmpint (json_object_size (json_object_get (object, "id2label")), ==, cases[i].labels);

      again = config_from (written);
      g_assert_true (reformer_config_equal (config, again));
    }

  /* a head set by a program leads back to itself, whatever problem_type was */
  for (int head = REFORMER_HEAD_LANGUAGE; head <= REFORMER_HEAD_NONE; head++)
    {
      g_autoptr (ReformerConfig) config = reformer_config_new (), again = NULL;
      g_autofree char *written = NULL;

      reformer_config_set_head (config, (ReformerHead) head);
      reformer_config_set_is_decoder (config, head == REFORMER_HEAD_LANGUAGE);
      written = reformer_config_to_json (config);
      again = config_from (written);
      g_assert_cmpint (reformer_config_get_head (again), ==, head);
    }
}

static void
test_labels (void)
{
  g_autoptr (ReformerConfig) config = config_from ("{\"model_type\": \"reformer\", \"architectures\": [\"ReformerForSequenceClassification\"],"
                                                   " \"id2label\": {\"0\": \"no\", \"1\": \"yes\", \"2\": \"both\"}, \"label2id\": {\"no\": 0}}");
  g_autofree char *text = reformer_config_to_json (config);

  g_assert_nonnull (strstr (text, "\"1\": \"yes\""));
  g_assert_nonnull (strstr (text, "\"no\": 0"));
  reformer_config_set_num_labels (config, 2);
  g_free (text);
  text = reformer_config_to_json (config);
  g_assert_null (strstr (text, "yes"));
  g_assert_nonnull (strstr (text, "\"1\": \"LABEL_1\""));
  g_assert_nonnull (strstr (text, "\"LABEL_0\": 0"));
}

static void
test_unknown (void)
{
  const char *text = "{\"model_type\": \"reformer\", \"is_decoder\": true, \"zeta\": {\"z\": 1, \"a\": [0.1, null, \"\\u00e4\"]}, \"hiden_size\": 512,"
                     " \"sinusoidal_pos_embds\": false, \"intermediate_size\": 3072, \"attention_probs_dropout_prob\": 0.1, \"num_chunks_before\": 1,"
                     " \"num_chunks_after\": 0, \"output_past\": true, \"task_specific_params\": {\"text-generation\": {\"do_sample\": true}},"
                     " \"_name_or_path\": \"x\", \"transformers_version\": \"4.1\", \"torch_dtype\": \"float32\", \"use_cache\": true}";
  g_autoptr (ReformerConfig) config = config_from (text);
  g_autofree char *written = reformer_config_to_json (config);
  g_autoptr (json_t) before = reformer_json_parse (text, strlen (text), "before", NULL), after = reformer_json_parse (written, strlen (written), "after", NULL);
  g_auto (GStrv) property = NULL;
  const char *key;
  json_t *value;

  g_object_get (config, "unknown-keys", &property, NULL);
  g_assert_cmpstrv (property, ((const char *const[]) { "hiden_size", "zeta", NULL }));
  json_object_foreach (before, key, value)
    g_assert_true (json_equal (value, json_object_get (after, key)));
  /* what is inside stays in its order */
  g_assert_true (strstr (written, "\"z\": 1") < strstr (written, "\"a\": ["));

  reformer_config_keep_text (config, "torch_dtype", NULL);
  reformer_config_keep_text (config, "dtype", "float16");
  reformer_config_keep_text (config, "eta", "x");
  g_free (written);
  written = reformer_config_to_json (config);
  g_assert_null (strstr (written, "torch_dtype"));
  g_assert_nonnull (strstr (written, "\"dtype\": \"float16\""));
  g_assert_cmpstr (reformer_config_get_unknown_keys (config)[0], ==, "eta");
}

static char *
golden_path (const char *name)
{
  const char *folder = g_getenv ("REFORMER_GOLDEN");

  return folder != NULL ? g_build_filename (folder, name, NULL) : g_test_build_filename (G_TEST_DIST, "golden", name, NULL);
}

/* Every member of transformers' files comes back as it was; ours are the only ones more. */
static void
test_golden (void)
{
  /* keys of this library, which are always written */
  static const char *const own[] = { "attention_bias", "class_weights", "final_norm", "input_features", "local_attn_circular", "norm_first", "num_hashes_evaluation", "streams", "tied_projection",
                                     "window_attn_dilation", "window_attn_global_tokens", "window_attn_size" };
  g_autofree char *root = golden_path (NULL);
  g_autoptr (GDir) folder = g_dir_open (root, 0, NULL);
  const char *name;
  guint count = 0;

  if (folder == NULL)
    {
      g_test_skip ("no golden models");
      return;
    }

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = g_build_filename (root, name, "config.json", NULL), *text = NULL, *written = NULL, *parent = NULL;
      g_autoptr (GFile) file = NULL, model = NULL;
      g_autoptr (ReformerConfig) config = NULL, again = NULL;
      g_autoptr (json_t) before = NULL, after = NULL;
      const char *key;
      json_t *value;
      gsize n_bytes;

      if (!g_file_get_contents (path, &text, &n_bytes, NULL))
        continue;
      count++;
      before = reformer_json_parse (text, n_bytes, path, &error);
      g_assert_no_error (error);

      file = g_file_new_for_path (path);
      parent = g_build_filename (root, name, NULL);
      model = g_file_new_for_path (parent);
      config = reformer_config_load (file, NULL, &error);
      g_assert_no_error (error);
      again = reformer_config_load (model, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (reformer_config_equal (config, again));
      g_assert_true (reformer_config_get_local_attn_circular (config));
      g_assert_cmpint (reformer_config_get_unknown_keys (config)[0] == NULL, ==, TRUE);

      written = reformer_config_to_json (config);
      after = reformer_json_parse (written, strlen (written), "written", &error);
      g_assert_no_error (error);
      json_object_foreach (before, key, value)
        if (!json_equal (value, json_object_get (after, key)))
          g_error ("%s: %s changed", name, key);
      for (guint i = 0; i < G_N_ELEMENTS (own); i++)
        g_assert_nonnull (json_object_get (after, own[i]));
      g_assert_cmpuint (json_object_size (after), ==, json_object_size (before) + G_N_ELEMENTS (own));

      if (g_str_equal (name, "auto"))
        {
          gsize n;
          g_autofree int *factors = reformer_config_get_bucket_factors (config, &n);

          assert_integers (factors, n, 1, 16);
        }
    }

  g_assert_cmpuint (count, >, 0);
}

static void
test_save (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *root = g_dir_make_tmp ("reformer-config-XXXXXX", NULL);
  g_autoptr (GFile) folder = g_file_new_for_path (root), inside = g_file_get_child (folder, "config.json"), plain = g_file_get_child (folder, "other.json");
  g_autoptr (GFile) nowhere = g_file_new_for_uri ("http://localhost/config.json"), missing = g_file_get_child (folder, "missing");
  g_autoptr (ReformerConfig) config = reformer_config_new (), again = NULL;
  g_autofree int *shape = NULL;

  reformer_config_set_is_decoder (config, TRUE);
  shape = reformer_config_choose_axial_shape (config, 100000, 2, NULL, &error);
  g_assert_true (reformer_config_save (config, folder, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (reformer_config_save (config, plain, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_query_exists (inside, NULL));

  /* raised for transformers: that many positions there are */
  again = reformer_config_load (folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_config_get_max_position_embeddings (again), ==, 512 * 196);
  g_assert_cmpint (reformer_config_get_max_length (again), ==, reformer_config_get_max_length (config));
  g_assert_false (reformer_config_get_local_attn_circular (again));
  reformer_config_set_max_position_embeddings (config, 512 * 196);
  g_assert_true (reformer_config_equal (config, again));

  g_assert_null (reformer_config_load (missing, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (reformer_config_load (nowhere, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  g_assert_false (reformer_config_save (config, nowhere, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED);

  g_file_delete (inside, NULL, NULL);
  g_file_delete (plain, NULL, NULL);
  g_rmdir (root);
}

/* A configuration or an error, whatever the bytes are. */
static void
try_text (const char *text,
          gsize       n_bytes,
          int        *n_valid)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (json_t) object = reformer_json_parse (text, n_bytes, "config.json", &error);
  g_autoptr (ReformerConfig) config = object != NULL ? reformer_config_new_from_object (object, "config.json", &error) : NULL;

  if (config == NULL)
    {
      g_assert_nonnull (error);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_null (strchr (error->message, '\n'));
    }
  else
    {
      g_autofree char *written = reformer_config_to_json (config);
      g_autoptr (ReformerConfig) again = config_from (written);
      g_autofree int *factors = reformer_config_get_bucket_factors (config, NULL);

      g_assert_no_error (error);
      g_assert_true (reformer_config_validate (config, NULL));
      *n_valid += 1;
    }
}

static void
test_hostile (void)
{
  g_autofree char *path = golden_path ("mixed/config.json"), *text = NULL;
  gsize n_bytes;
  int n_valid = 0;

  if (!g_file_get_contents (path, &text, &n_bytes, NULL))
    {
      g_test_skip ("no golden models");
      return;
    }

  for (gsize n = 0; n < n_bytes; n++)
    {
      g_autofree char *part = g_memdup2 (text, n + 1);

      try_text (part, n, &n_valid);
    }
  g_assert_cmpint (n_valid, ==, 0);

  for (gsize i = 0; i < n_bytes; i++)
    for (guint bit = 0; bit < 8; bit++)
      {
        text[i] = (char) (text[i] ^ 1 << bit);
        try_text (text, n_bytes, &n_valid);
        text[i] = (char) (text[i] ^ 1 << bit);
      }
  g_assert_cmpint (n_valid, >, 0);
  g_test_message ("%d of %" G_GSIZE_FORMAT " flipped bits leave a configuration", n_valid, 8 * n_bytes);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/config-json/types", test_types);
  g_test_add_func ("/config-json/heads", test_heads);
  g_test_add_func ("/config-json/labels", test_labels);
  g_test_add_func ("/config-json/unknown", test_unknown);
  g_test_add_func ("/config-json/golden", test_golden);
  g_test_add_func ("/config-json/save", test_save);
  g_test_add_func ("/config-json/hostile", test_hostile);

  return g_test_run ();
}
