/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-model-error.h>

#include "config-helpers.h"

static void
test_defaults (void)
{
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  g_autoptr (GError) error = NULL;
  g_autofree int *shape = NULL, *dims = NULL, *buckets = NULL;
  g_autofree char *layers = g_strjoinv (" ", (char **) reformer_config_get_attn_layers (config));
  gsize n;

  g_assert_cmpint (reformer_config_get_vocab_size (config), ==, 320);
  g_assert_cmpint (reformer_config_get_hidden_size (config), ==, 256);
  g_assert_cmpint (reformer_config_get_num_attention_heads (config), ==, 12);
  g_assert_cmpint (reformer_config_get_attention_head_size (config), ==, 64);
  g_assert_cmpint (reformer_config_get_feed_forward_size (config), ==, 512);
  g_assert_cmpstr (reformer_config_get_hidden_act (config), ==, "relu");
  g_assert_cmpstr (layers, ==, "local lsh local lsh local lsh");
  g_assert_cmpint (reformer_config_get_num_hidden_layers (config), ==, -1);
  g_assert_cmpuint (reformer_config_get_n_layers (config), ==, 6);
  g_assert_false (reformer_config_get_is_decoder (config));
  g_assert_cmpfloat (reformer_config_get_hidden_dropout_prob (config), ==, 0.05);
  g_assert_cmpfloat (reformer_config_get_lsh_attention_probs_dropout_prob (config), ==, 0.0);
  g_assert_cmpfloat (reformer_config_get_local_attention_probs_dropout_prob (config), ==, 0.05);
  g_assert_cmpfloat (reformer_config_get_layer_norm_eps (config), ==, 1e-12);
  g_assert_cmpfloat (reformer_config_get_initializer_range (config), ==, 0.02);
  g_assert_cmpfloat (reformer_config_get_axial_norm_std (config), ==, 1.0);
  g_assert_cmpfloat (reformer_config_get_classifier_dropout (config), ==, -1);
  g_assert_cmpint (reformer_config_get_lsh_attn_chunk_length (config), ==, 64);
  g_assert_cmpint (reformer_config_get_lsh_num_chunks_before (config), ==, 1);
  g_assert_cmpint (reformer_config_get_lsh_num_chunks_after (config), ==, 0);
  g_assert_cmpint (reformer_config_get_local_attn_chunk_length (config), ==, 64);
  g_assert_cmpint (reformer_config_get_local_num_chunks_before (config), ==, 1);
  g_assert_cmpint (reformer_config_get_local_num_chunks_after (config), ==, 0);
  g_assert_false (reformer_config_get_local_attn_circular (config));
  g_assert_cmpint (reformer_config_get_num_hashes (config), ==, 1);
  g_assert_cmpint (reformer_config_get_hash_seed (config), ==, -1);
  g_assert_true (reformer_config_get_axial_pos_embds (config));
  g_assert_cmpint (reformer_config_get_max_position_embeddings (config), ==, 4096);
  g_assert_cmpint (reformer_config_get_max_length (config), ==, 4096);
  g_assert_cmpint (reformer_config_get_head (config), ==, REFORMER_HEAD_LANGUAGE);
  g_assert_cmpint (reformer_config_get_num_labels (config), ==, 2);
  g_assert_null (reformer_config_get_problem_type (config));
  g_assert_cmpint (reformer_config_get_pad_token_id (config), ==, 0);
  g_assert_cmpint (reformer_config_get_eos_token_id (config), ==, 2);
  g_assert_cmpint (reformer_config_get_bos_token_id (config), ==, -1);
  g_assert_false (reformer_config_get_tie_word_embeddings (config));
  g_assert_false (reformer_config_get_tied_projection (config));
  g_assert_cmpint (reformer_config_get_streams (config), ==, 2);
  g_assert_true (reformer_config_get_norm_first (config));
  g_assert_true (reformer_config_get_final_norm (config));
  g_assert_false (reformer_config_get_attention_bias (config));
  g_assert_cmpint (reformer_config_get_chunk_size_feed_forward (config), ==, 0);
  g_assert_cmpint (reformer_config_get_chunk_size_lm_head (config), ==, 0);
  g_assert_cmpuint (g_strv_length ((char **) reformer_config_get_unknown_keys (config)), ==, 0);

  shape = reformer_config_get_axial_pos_shape (config, &n);
  assert_integers (shape, n, 2, 64, 64);
  dims = reformer_config_get_axial_pos_embds_dim (config, &n);
  assert_integers (dims, n, 2, 64, 192);
  buckets = reformer_config_get_num_buckets (config, &n);
  assert_integers (buckets, n, 0);

  /* a language head needs a decoder, as in transformers */
  g_assert_false (reformer_config_validate (config, &error));
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG);
  reformer_config_set_is_decoder (config, TRUE);
  g_assert_true (reformer_config_validate (config, NULL));
}

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    count)
{
  *(int *) count += 1;
}

/* Some other value, for a property of any type. */
static void
fill_value (GParamSpec *pspec,
            GValue     *value)
{
  static const char *const texts[] = { "lsh", "local", NULL };

  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    g_value_set_boolean (value, !G_PARAM_SPEC_BOOLEAN (pspec)->default_value);
  else if (G_IS_PARAM_SPEC_INT (pspec))
    g_value_set_int (value, -77);
  else if (G_IS_PARAM_SPEC_INT64 (pspec))
    g_value_set_int64 (value, G_GINT64_CONSTANT (5000000000));
  else if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    g_value_set_double (value, -0.375);
  else if (G_IS_PARAM_SPEC_STRING (pspec))
    g_value_set_string (value, "gelu");
  else if (G_IS_PARAM_SPEC_ENUM (pspec))
    g_value_set_enum (value, REFORMER_HEAD_SPANS);
  else if (G_IS_PARAM_SPEC_VARIANT (pspec))
    g_value_set_variant (value, g_variant_type_equal (G_PARAM_SPEC_VARIANT (pspec)->type, G_VARIANT_TYPE ("ad")) ? g_variant_new_parsed ("[3.5, -5.25]")
                                                                                                              : g_variant_new_parsed ("[3, -5, 7]"));
  else
    g_value_set_boxed (value, texts);
}

/* The default value of each property of a new object is that of its specification; it keeps what it is given, and tells once. */
static void
test_properties (void)
{
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  g_autofree GParamSpec **pspecs = NULL;
  guint n_pspecs;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (config), &n_pspecs);
  g_assert_cmpuint (n_pspecs, ==, REFORMER_CONFIG_N_PROPERTIES - 1);

  for (guint i = 0; i < n_pspecs; i++)
    {
      GParamSpec *pspec = pspecs[i];
      g_auto (GValue) first = G_VALUE_INIT, set = G_VALUE_INIT, got = G_VALUE_INIT;
      g_autofree char *signal = g_strconcat ("notify::", pspec->name, NULL);
      int count = 0;

      g_value_init (&first, pspec->value_type);
      g_value_init (&set, pspec->value_type);
      g_value_init (&got, pspec->value_type);
      g_object_get_property (G_OBJECT (config), pspec->name, &first);
      if (pspec->value_type != G_TYPE_STRV && pspec->value_type != G_TYPE_VARIANT)
        g_assert_true (g_param_value_defaults (pspec, &first));
      if (!(pspec->flags & G_PARAM_WRITABLE))
        continue;

      fill_value (pspec, &set);
      g_assert_false (g_param_value_validate (pspec, &set));
      g_signal_connect (config, signal, G_CALLBACK (count_notify), &count);
      g_object_set_property (G_OBJECT (config), pspec->name, &first);
      g_assert_cmpint (count, ==, 0);
      g_object_set_property (G_OBJECT (config), pspec->name, &set);
      g_assert_cmpint (count, ==, 1);
      g_object_set_property (G_OBJECT (config), pspec->name, &set);
      g_assert_cmpint (count, ==, 1);
      g_object_get_property (G_OBJECT (config), pspec->name, &got);

      if (pspec->value_type == G_TYPE_STRV)
        g_assert_cmpstrv (g_value_get_boxed (&set), g_value_get_boxed (&got));
      else if (pspec->value_type == G_TYPE_VARIANT)
        g_assert_cmpvariant (g_value_get_variant (&set), g_value_get_variant (&got));
      else
        g_assert_cmpint (g_param_values_cmp (pspec, &set, &got), ==, 0);

      g_signal_handlers_disconnect_by_func (config, count_notify, &count);
    }

  /* everything is nonsense now, and is said to be */
  g_assert_false (reformer_config_validate (config, NULL));

  g_object_set (config, "num-buckets", NULL, "axial-pos-shape", NULL, "axial-pos-embds-dim", NULL, "attn-layers", NULL, "hidden-act", NULL,
                NULL);
  g_assert_false (reformer_config_validate (config, NULL));
  g_assert_cmpint (reformer_config_get_max_length (config), ==, 0);
  g_assert_finalize_object (g_steal_pointer (&config));
}

#define ROUND(name, first, second) \
  reformer_config_set_##name (config, first); \
  g_assert_true (reformer_config_get_##name (config) == (first)); \
  reformer_config_set_##name (config, second); \
  g_assert_true (reformer_config_get_##name (config) == (second));

static void
test_accessors (void)
{
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  const char *const layers[] = { "lsh", NULL };
  const int list[] = { 4, 8, 2 };
  g_autofree int *got = NULL;
  gsize n;

  ROUND (vocab_size, 1, 2)
  ROUND (hidden_size, 1, 2)
  ROUND (num_attention_heads, 1, 2)
  ROUND (attention_head_size, 1, 2)
  ROUND (feed_forward_size, 1, 2)
  ROUND (num_hidden_layers, 1, 2)
  ROUND (is_decoder, TRUE, FALSE)
  ROUND (hidden_dropout_prob, 0.25, 0.5)
  ROUND (layer_norm_eps, 0.25, 0.5)
  ROUND (initializer_range, 0.25, 0.5)
  ROUND (chunk_size_feed_forward, 1, 2)
  ROUND (streams, 1, 2)
  ROUND (norm_first, FALSE, TRUE)
  ROUND (final_norm, FALSE, TRUE)
  ROUND (attention_bias, TRUE, FALSE)
  ROUND (lsh_attn_chunk_length, 1, 2)
  ROUND (lsh_num_chunks_before, 1, 2)
  ROUND (lsh_num_chunks_after, 1, 2)
  ROUND (lsh_attention_probs_dropout_prob, 0.25, 0.5)
  ROUND (num_hashes, 1, 2)
  ROUND (num_hashes_evaluation, 1, 2)
  ROUND (hash_seed, 1, G_MAXINT64)
  ROUND (local_attn_chunk_length, 1, 2)
  ROUND (local_num_chunks_before, 1, 2)
  ROUND (local_num_chunks_after, 1, 2)
  ROUND (local_attention_probs_dropout_prob, 0.25, 0.5)
  ROUND (local_attn_circular, TRUE, FALSE)
  ROUND (input_features, 3, 0)
  ROUND (axial_pos_embds, TRUE, FALSE)
  ROUND (axial_norm_std, 0.25, 0.5)
  ROUND (max_position_embeddings, 1, 2)
  ROUND (head, REFORMER_HEAD_TOKENS, REFORMER_HEAD_NONE)
  ROUND (num_labels, 1, 2)
  ROUND (classifier_dropout, 0.25, 0.5)
  ROUND (chunk_size_lm_head, 1, 2)
  ROUND (tie_word_embeddings, TRUE, FALSE)
  ROUND (tied_projection, TRUE, FALSE)
  ROUND (window_attn_size, 2, 4)
  ROUND (pad_token_id, 1, 2)
  ROUND (eos_token_id, 1, 2)
  ROUND (bos_token_id, 1, 2)

  reformer_config_set_hidden_act (config, "mish");
  g_assert_cmpstr (reformer_config_get_hidden_act (config), ==, "mish");
  reformer_config_set_problem_type (config, "regression");
  g_assert_cmpstr (reformer_config_get_problem_type (config), ==, "regression");
  reformer_config_set_problem_type (config, NULL);
  g_assert_null (reformer_config_get_problem_type (config));
  reformer_config_set_attn_layers (config, layers);
  g_assert_cmpstrv ((char **) reformer_config_get_attn_layers (config), (char **) layers);
  reformer_config_set_attn_layers (config, reformer_config_get_attn_layers (config));
  g_assert_cmpstrv ((char **) reformer_config_get_attn_layers (config), (char **) layers);

  reformer_config_set_axial_pos_shape (config, list, 3);
  reformer_config_set_axial_pos_embds_dim (config, list + 1, 1);
  reformer_config_set_num_buckets (config, list, 2);
  reformer_config_set_window_attn_dilation (config, list, 1);
  reformer_config_set_window_attn_global_tokens (config, list, 3);
  got = reformer_config_get_window_attn_dilation (config, &n);
  assert_integers (got, n, 1, 4);
  g_free (got);
  got = reformer_config_get_window_attn_global_tokens (config, &n);
  assert_integers (got, n, 3, 4, 8, 2);
  g_free (got);
  got = reformer_config_get_axial_pos_shape (config, &n);
  assert_integers (got, n, 3, 4, 8, 2);
  g_free (got);
  got = reformer_config_get_axial_pos_embds_dim (config, &n);
  assert_integers (got, n, 1, 8);
  g_free (got);
  got = reformer_config_get_num_buckets (config, &n);
  assert_integers (got, n, 2, 4, 8);
  g_free (got);
  got = reformer_config_get_bucket_factors (config, &n);
  assert_integers (got, n, 2, 4, 8);
}

static void
test_copy (void)
{
  g_autoptr (ReformerConfig) config = config_from ("{\"model_type\": \"reformer\", \"is_decoder\": true, \"eos_token_id\": [5, 6], \"zeta\": {\"b\": 1}}");
  g_autoptr (ReformerConfig) copy = reformer_config_copy (config), fresh = reformer_config_new ();
  g_autofree char *before = reformer_config_to_json (config), *after = reformer_config_to_json (copy);
  g_autofree GParamSpec **pspecs = NULL;
  guint n_pspecs;

  g_assert_true (reformer_config_equal (config, copy));
  g_assert_cmpstr (before, ==, after);
  g_assert_cmpstrv ((char **) reformer_config_get_unknown_keys (copy), ((const char *const[]) { "zeta", NULL }));

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (config), &n_pspecs);
  for (guint i = 0; i < n_pspecs; i++)
    if (pspecs[i]->flags & G_PARAM_WRITABLE)
      {
        g_autoptr (ReformerConfig) other = reformer_config_new ();
        g_auto (GValue) value = G_VALUE_INIT;

        g_value_init (&value, pspecs[i]->value_type);
        fill_value (pspecs[i], &value);
        g_assert_true (reformer_config_equal (fresh, other));
        g_object_set_property (G_OBJECT (other), pspecs[i]->name, &value);
        g_assert_false (reformer_config_equal (fresh, other));
      }

  g_assert_finalize_object (g_steal_pointer (&config));
  g_assert_cmpint (reformer_config_get_eos_token_id (copy), ==, 5);
}

/* ---- Positions and buckets ---- */

static void
test_axial (void)
{
  static const struct
  {
    gint64 length;
    guint  axes;
    int    shape[4];
  } cases[] = {
    { 16384, 2, { 128, 128 } }, { 1024, 2, { 32, 32 } }, { 4096, 2, { 64, 64 } }, { 65536, 2, { 256, 256 } }, { 1048576, 2, { 1024, 1024 } },
    { 1000000, 2, { 1024, 977 } }, { 1, 2, { 1, 1 } }, { 2, 2, { 2, 1 } }, { 5, 2, { 4, 2 } }, { 17, 2, { 8, 3 } }, { 131072, 2, { 512, 256 } },
    { 33, 1, { 33 } }, { G_MAXINT32, 1, { G_MAXINT32 } }, { 1000000, 3, { 128, 128, 62 } }, { 4096, 3, { 16, 16, 16 } }, { 100, 4, { 4, 4, 4, 2 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerConfig) config = reformer_config_new ();
      g_autoptr (GError) error = NULL;
      g_autofree int *shape = NULL, *dims = NULL;
      gint64 product = 1, sum = 0;
      gsize n, n_dims;

      reformer_config_set_is_decoder (config, TRUE);
      reformer_config_set_axial_pos_embds (config, FALSE);
      shape = reformer_config_choose_axial_shape (config, cases[i].length, cases[i].axes, &n, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (n, ==, cases[i].axes);
      for (gsize j = 0; j < n; j++)
        {
          g_assert_cmpint (shape[j], ==, cases[i].shape[j]);
          product *= shape[j];
        }
      g_assert_cmpint (product, >=, cases[i].length);
      g_assert_cmpint (reformer_config_get_max_length (config), ==, product);

      dims = reformer_config_get_axial_pos_embds_dim (config, &n_dims);
      g_assert_cmpuint (n_dims, ==, n);
      for (gsize j = 0; j < n; j++)
        sum += dims[j];
      g_assert_cmpint (sum, ==, 256);
      g_assert_true (reformer_config_validate (config, &error));
      g_assert_no_error (error);
    }
}

static void
test_axial_widths (void)
{
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  g_autoptr (GError) error = NULL;
  g_autofree int *shape = NULL, *dims = NULL;
  gsize n = 7;

  /* widths that fit stay; others become 1 : 3, or equal */
  reformer_config_set_axial_pos_embds_dim (config, (const int[]) { 100, 156 }, 2);
  shape = reformer_config_choose_axial_shape (config, 100, 2, NULL, &error);
  dims = reformer_config_get_axial_pos_embds_dim (config, &n);
  assert_integers (dims, n, 2, 100, 156);
  g_free (dims);
  g_free (shape);

  reformer_config_set_hidden_size (config, 30);
  shape = reformer_config_choose_axial_shape (config, 100, 2, NULL, &error);
  dims = reformer_config_get_axial_pos_embds_dim (config, &n);
  assert_integers (dims, n, 2, 7, 23);
  g_free (dims);
  g_free (shape);

  reformer_config_set_hidden_size (config, 8);
  shape = reformer_config_choose_axial_shape (config, 100, 3, NULL, &error);
  dims = reformer_config_get_axial_pos_embds_dim (config, &n);
  assert_integers (dims, n, 3, 2, 2, 4);
  g_free (shape);
  g_assert_no_error (error);

  shape = reformer_config_choose_axial_shape (config, 100, 0, &n, &error);
  g_assert_null (shape);
  g_assert_cmpuint (n, ==, 0);
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG);
  g_clear_error (&error);
  g_assert_null (reformer_config_choose_axial_shape (config, 100, 9, &n, &error));
  g_assert_nonnull (strstr (error->message, "axes is 9, from 1 to 7"));
  g_clear_error (&error);
  g_assert_null (reformer_config_choose_axial_shape (config, 0, 2, &n, &error));
  g_assert_nonnull (strstr (error->message, "length is 0"));
  g_clear_error (&error);
  g_assert_null (reformer_config_choose_axial_shape (config, G_MAXINT64, 2, &n, &error));
  g_clear_error (&error);
  g_assert_null (reformer_config_choose_axial_shape (config, G_MAXINT32, 2, &n, &error));
  g_assert_nonnull (strstr (error->message, "2147483648 positions"));
  g_clear_error (&error);
  reformer_config_set_hidden_size (config, 1);
  g_assert_null (reformer_config_choose_axial_shape (config, 100, 2, &n, &error));
  g_assert_nonnull (strstr (error->message, "hidden_size is 1, at least 2"));
}

/* The examples of transformers' rule, and its ends; from 128 on there are two factors. */
static void
test_buckets (void)
{
  static const struct
  {
    int positions, max_positions, chunk;
    int factors[2];
  } cases[] = {
    { 128, 4096, 64, { 4 } },          { 1024, 4096, 64, { 32 } },            { 4096, 4096, 64, { 8, 16 } },
    { 16384, 524288, 64, { 16, 32 } }, { 65536, 524288, 64, { 32, 64 } },     { 524288, 524288, 64, { 128, 128 } },
    { 16384, 16384, 64, { 16, 32 } },  { 64, 64, 8, { 16 } },                 { 5, 4096, 64, { 2 } },
    { 64, 4096, 64, { 2 } },           { 3 * 64, 4096, 64, { 4 } },           { 1 << 20, 1 << 20, 64, { 128, 256 } },
    { 1 << 30, 1 << 30, 64, { 128, 256 } }, { 1 << 24, 1, 64, { 128, 256 } }, { 65536, 65536, 256, { 16, 32 } }, { 2048, 4096, 64, { 64 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (int axial = 0; axial < 2; axial++)
      {
        g_autoptr (ReformerConfig) config = reformer_config_new ();
        g_autofree int *factors = NULL;
        gsize n;

        if (!axial && cases[i].positions != cases[i].max_positions)
          continue;
        reformer_config_set_axial_pos_embds (config, axial);
        reformer_config_set_axial_pos_shape (config, &cases[i].positions, 1);
        reformer_config_set_max_position_embeddings (config, cases[i].max_positions);
        reformer_config_set_lsh_attn_chunk_length (config, cases[i].chunk);
        factors = reformer_config_get_bucket_factors (config, &n);
        assert_integers (factors, n, cases[i].factors[1] > 0 ? 2 : 1, cases[i].factors[0], cases[i].factors[1]);
      }
}

/* What is in the design of the library, and sums by hand. */
static void
test_operations (void)
{
  const double T = 16384, layer = 2 * (2 * 256 * 256 + 256 * 256 + 2 * 256 * 1024), attention = 2 * 4 * 2 * 2 * 128 * 64, hash = 2 * 4 * 2 * 64 * (8 + 16), head = 2 * 512 * 256;
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_preset ("bench-lsh", &error);
  g_autoptr (ReformerConfig) other = NULL;
  const char *kinds[] = { "local", "full", NULL }, *hashed[] = { "lsh", NULL }, *windows[] = { "window", NULL };

  g_assert_no_error (error);
  g_free (reformer_config_choose_axial_shape (config, (gint64) T, 2, NULL, &error));
  g_assert_no_error (error);
  reformer_config_set_max_position_embeddings (config, (int) T);

  g_assert_cmpfloat (reformer_config_count_operations (config, (gint64) T, FALSE, REFORMER_KEEP_NOTHING), ==, T * (6 * (layer + attention + hash) + head));
  g_assert_cmpfloat (reformer_config_count_operations (config, (gint64) T, TRUE, REFORMER_KEEP_EVERYTHING), ==,
                     T * (6 * (3 * layer + 3.5 * attention + hash) + 3 * head));
  g_assert_cmpfloat (reformer_config_count_operations (config, (gint64) T, TRUE, REFORMER_KEEP_NOTHING), ==,
                     T * (6 * (4 * layer + 4.5 * attention + hash) + 3 * head));
  g_assert_cmpfloat (reformer_config_count_operations (config, (gint64) T, TRUE, REFORMER_KEEP_NOTHING), ==,
                     reformer_config_count_operations (config, (gint64) T, TRUE, REFORMER_KEEP_INPUTS));
  g_assert_cmpfloat_with_epsilon (reformer_config_count_operations (config, (gint64) T, FALSE, REFORMER_KEEP_AUTO) / T, 10.6e6, 0.05e6);
  g_assert_cmpfloat_with_epsilon (reformer_config_count_operations (config, (gint64) T, TRUE, REFORMER_KEEP_AUTO) / T, 32.4e6, 0.05e6);
  g_assert_cmpfloat_with_epsilon (reformer_config_count_operations (config, (gint64) T, TRUE, REFORMER_KEEP_NOTHING) / T, 42.6e6, 0.05e6);
  g_assert_cmpfloat (reformer_config_count_operations (config, 0, TRUE, REFORMER_KEEP_NOTHING), ==, 0);

  /* 3 chunks of 4 with one before, not circular: 5 pairs of chunks; all keys up to the query; one chunk alone sees itself */
  other = g_object_new (REFORMER_TYPE_CONFIG, "hidden-size", 8, "num-attention-heads", 2, "attention-head-size", 4, "feed-forward-size", 16, "vocab-size", 10,
                        "is-decoder", TRUE, "local-attn-chunk-length", 4, "local-num-chunks-before", 1, "local-num-chunks-after", 0, NULL);
  reformer_config_set_attn_layers (other, kinds);
  reformer_config_set_local_attn_circular (other, FALSE);
  g_assert_cmpfloat (reformer_config_count_operations (other, 12, FALSE, REFORMER_KEEP_AUTO), ==,
                     2 * 12 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * (5 * 16 + 12 * 13 / 2) + 12 * 2 * 16 * 10);
  reformer_config_set_local_attn_circular (other, TRUE);
  g_assert_cmpfloat (reformer_config_count_operations (other, 12, FALSE, REFORMER_KEEP_AUTO), ==,
                     2 * 12 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * (6 * 16 + 12 * 13 / 2) + 12 * 2 * 16 * 10);
  g_assert_cmpfloat (reformer_config_count_operations (other, 3, FALSE, REFORMER_KEEP_AUTO), ==,
                     2 * 3 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * (6 + 6) + 3 * 2 * 16 * 10);
  /* the projection of vectors, forward and for its weights */
  reformer_config_set_input_features (other, 5);
  g_assert_cmpfloat (reformer_config_count_operations (other, 3, FALSE, REFORMER_KEEP_AUTO), ==,
                     2 * 3 * 5 * 8 + 2 * 3 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * (6 + 6) + 3 * 2 * 16 * 10);
  g_assert_cmpfloat (reformer_config_count_operations (other, 3, TRUE, REFORMER_KEEP_EVERYTHING), ==,
                     2 * 2 * 3 * 5 * 8 + 3 * (2 * 3 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 3 * 2 * 16 * 10) + 3.5 * 4 * 8 * (6 + 6));
  reformer_config_set_input_features (other, 0);
  /* the last of three chunks has one query */
  reformer_config_set_local_attn_circular (other, FALSE);
  g_assert_cmpfloat (reformer_config_count_operations (other, 9, FALSE, REFORMER_KEEP_AUTO), ==,
                     2 * 9 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * (4 * 4 + 4 * 8 + 1 * 8 + 9 * 10 / 2) + 9 * 2 * 16 * 10);
  /* a window of 2 to each side: 9 + 8 + 7 pairs, with the step 3 9 + 6 + 3; two global tokens see all and are seen by all, with 3 projections more */
  reformer_config_set_attn_layers (other, windows);
  reformer_config_set_window_attn_size (other, 4);
  g_assert_cmpfloat (reformer_config_count_operations (other, 9, FALSE, REFORMER_KEEP_AUTO), ==,
                     9 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * (9 + 8 + 7) + 9 * 2 * 16 * 10);
  reformer_config_set_window_attn_dilation (other, (const int[]) { 1, 3 }, 2);
  g_assert_cmpfloat (reformer_config_count_operations (other, 9, FALSE, REFORMER_KEEP_AUTO), ==,
                     9 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 4 * 4 * (9 + 8 + 7 + 9 + 6 + 3) + 9 * 2 * 16 * 10);
  reformer_config_set_window_attn_global_tokens (other, (const int[]) { 0, 5 }, 2);
  g_assert_cmpfloat (reformer_config_count_operations (other, 9, FALSE, REFORMER_KEEP_AUTO), ==,
                     9 * 2 * (7 * 8 * 8 + 2 * 8 * 16) + 4 * 4 * (9 + 8 + 7 + 9 + 6 + 3) + 4 * 8 * (2 * 9 * 2) + 9 * 2 * 16 * 10);
  /* one chunk of LSH: nothing is hashed, and what is later is left out too */
  reformer_config_set_attn_layers (other, hashed);
  reformer_config_set_lsh_attn_chunk_length (other, 4);
  g_assert_cmpfloat (reformer_config_count_operations (other, 4, FALSE, REFORMER_KEEP_AUTO), ==, 4 * 2 * (3 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * 10 + 4 * 2 * 16 * 10);
  reformer_config_set_head (other, REFORMER_HEAD_NONE);
  reformer_config_set_is_decoder (other, FALSE);
  g_assert_cmpfloat (reformer_config_count_operations (other, 4, FALSE, REFORMER_KEEP_AUTO), ==, 4 * 2 * (3 * 8 * 8 + 2 * 8 * 16) + 4 * 8 * 16);
}

/* Nobody has validated the configuration. */
static void
test_operations_of_nonsense (void)
{
  static const int chunks[] = { 0, -1, G_MININT, G_MAXINT };
  const char *kinds[] = { "local", "lsh", NULL };
  g_autoptr (ReformerConfig) config = reformer_config_new ();

  reformer_config_set_attn_layers (config, kinds);
  for (guint i = 0; i < G_N_ELEMENTS (chunks); i++)
    for (int circular = 0; circular < 2; circular++)
      {
        reformer_config_set_local_attn_chunk_length (config, chunks[i]);
        reformer_config_set_lsh_attn_chunk_length (config, chunks[i]);
        reformer_config_set_local_attn_circular (config, circular);
        g_assert_cmpfloat (reformer_config_count_operations (config, 12, TRUE, REFORMER_KEEP_AUTO), >, 0);
        g_assert_cmpfloat (reformer_config_count_operations (config, G_MAXINT64, FALSE, REFORMER_KEEP_AUTO), >, 0);
      }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/config/defaults", test_defaults);
  g_test_add_func ("/config/properties", test_properties);
  g_test_add_func ("/config/accessors", test_accessors);
  g_test_add_func ("/config/copy", test_copy);
  g_test_add_func ("/config/axial", test_axial);
  g_test_add_func ("/config/axial-widths", test_axial_widths);
  g_test_add_func ("/config/buckets", test_buckets);
  g_test_add_func ("/config/operations", test_operations);
  g_test_add_func ("/config/operations-of-nonsense", test_operations_of_nonsense);

  return g_test_run ();
}
