/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/layers/reformer-model-error.h>

#include "models/config-json.h"
#include "ops/activation.h"

/* ---- Helpers ---- */

static ReformerConfig *
config_from (const char *text)
{
  g_autoptr (GError) error = NULL;
  ReformerConfig *config = reformer_config_new_from_json (text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);

  return config;
}

/* The default configuration as a decoder, with members replaced. */
static json_t *
patched (const char *members)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  g_autoptr (json_t) patch = reformer_json_parse (members, strlen (members), "patch", &error);
  json_t *object;

  g_assert_no_error (error);
  reformer_config_set_is_decoder (config, TRUE);
  object = reformer_config_to_object (config);
  json_object_del (object, "num_hidden_layers");
  json_object_update (object, patch);

  return object;
}

static void
assert_integers (const int *values,
                 gsize      n,
                 gsize      n_wanted,
                 ...)
{
  va_list wanted;

  g_assert_cmpuint (n, ==, n_wanted);
  va_start (wanted, n_wanted);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (values[i], ==, va_arg (wanted, int));
  va_end (wanted);
}

/* ---- Properties ---- */

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
    g_value_set_variant (value, g_variant_new_parsed ("[3, -5, 7]"));
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
  ROUND (lsh_attn_chunk_length, 1, 2)
  ROUND (lsh_num_chunks_before, 1, 2)
  ROUND (lsh_num_chunks_after, 1, 2)
  ROUND (lsh_attention_probs_dropout_prob, 0.25, 0.5)
  ROUND (num_hashes, 1, 2)
  ROUND (hash_seed, 1, G_MAXINT64)
  ROUND (local_attn_chunk_length, 1, 2)
  ROUND (local_num_chunks_before, 1, 2)
  ROUND (local_num_chunks_after, 1, 2)
  ROUND (local_attention_probs_dropout_prob, 0.25, 0.5)
  ROUND (local_attn_circular, TRUE, FALSE)
  ROUND (axial_pos_embds, TRUE, FALSE)
  ROUND (axial_norm_std, 0.25, 0.5)
  ROUND (max_position_embeddings, 1, 2)
  ROUND (head, REFORMER_HEAD_TOKENS, REFORMER_HEAD_NONE)
  ROUND (num_labels, 1, 2)
  ROUND (classifier_dropout, 0.25, 0.5)
  ROUND (chunk_size_lm_head, 1, 2)
  ROUND (tie_word_embeddings, TRUE, FALSE)
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

/* ---- What does not fit ---- */

static const struct
{
  const char *members;
  const char *words[4]; /* all in the message */
} bad[] = {
  { "{\"vocab_size\": 0}", { "vocab_size is 0", "1 or more" } },
  { "{\"vocab_size\": -320}", { "vocab_size is -320" } },
  { "{\"vocab_size\": 2147483647, \"hidden_size\": 1073741823, \"axial_pos_embds_dim\": [1, 1073741822]}", { "vocab_size", "too large", "would fit" } },
  { "{\"hidden_size\": 0}", { "hidden_size is 0" } },
  { "{\"hidden_size\": 2147483647}", { "hidden_size is 2147483647", "at most 1073741823" } },
  { "{\"hidden_size\": 128}", { "axial_pos_embds_dim is [64, 192]", "sum 256", "128", "would fit: [64, 64]" } },
  { "{\"num_attention_heads\": 0}", { "num_attention_heads is 0", "1 or more" } },
  { "{\"num_attention_heads\": 70000, \"attention_head_size\": 70000}", { "num_attention_heads 70000", "4900000000", "would fit: num_attention_heads 30678" } },
  { "{\"attention_head_size\": -1}", { "attention_head_size is -1" } },
  { "{\"feed_forward_size\": 0}", { "feed_forward_size is 0" } },
  { "{\"max_position_embeddings\": 0}", { "max_position_embeddings is 0" } },
  { "{\"chunk_size_feed_forward\": -1}", { "chunk_size_feed_forward is -1", "0 or more" } },
  { "{\"chunk_size_lm_head\": -1}", { "chunk_size_lm_head is -1" } },
  { "{\"hidden_act\": \"prelu\"}", { "hidden_act is \"prelu\"", "parameters of its own", "gelu", "relu6" } },
  { "{\"hidden_act\": \"xielu\"}", { "hidden_act is \"xielu\"", "parameters of its own", "gelu_new", "tanh" } },
  { "{\"hidden_act\": \"rleu\"}", { "hidden_act is \"rleu\"", "one of", "relu" } },
  { "{\"hidden_act\": \"\"}", { "hidden_act is \"\"", "one of", "relu" } },
  { "{\"attn_layers\": []}", { "attn_layers is empty", "lsh", "local" } },
  { "{\"attn_layers\": [\"lsh\", \"full\"]}", { "attn_layers[1] is \"full\"", "lsh or local" } },
  { "{\"num_hidden_layers\": 7}", { "num_hidden_layers is 7", "6" } },
  { "{\"num_hidden_layers\": 0}", { "num_hidden_layers is 0", "1" } },
  { "{\"num_hidden_layers\": -1}", { "num_hidden_layers", "-1" } },
  { "{\"hidden_dropout_prob\": 1}", { "hidden_dropout_prob is 1", "below 1" } },
  { "{\"hidden_dropout_prob\": -0.1}", { "hidden_dropout_prob is -0.1" } },
  { "{\"local_attention_probs_dropout_prob\": 1.5}", { "local_attention_probs_dropout_prob is 1.5" } },
  { "{\"lsh_attention_probs_dropout_prob\": 1.0}", { "lsh_attention_probs_dropout_prob is 1" } },
  { "{\"lsh_attention_probs_dropout_prob\": null}", { "lsh_attention_probs_dropout_prob is null", "would fit: 0" } },
  { "{\"classifier_dropout\": 2.0}", { "classifier_dropout is 2", "below 1" } },
  { "{\"layer_norm_eps\": -1e-5}", { "layer_norm_eps is -1e-05", "at least 0" } },
  { "{\"initializer_range\": -0.02}", { "initializer_range is -0.02" } },
  { "{\"axial_norm_std\": 1e300}", { "axial_norm_std is 1e+300", "1e38" } },
  { "{\"axial_pos_shape\": []}", { "axial_pos_shape is []", "1 to 8 axes" } },
  { "{\"axial_pos_shape\": [2, 2, 2, 2, 2, 2, 2, 2, 2]}", { "axial_pos_shape is [2, 2", "8 axes" } },
  { "{\"axial_pos_shape\": [64, 0]}", { "axial_pos_shape is [64, 0]", "at least 1" } },
  { "{\"axial_pos_shape\": [65536, 65536]}", { "axial_pos_shape is [65536, 65536]", "2147483647" } },
  { "{\"axial_pos_shape\": [2147483647, 2147483647, 2147483647]}", { "axial_pos_shape is", "2147483647 positions" } },
  { "{\"axial_pos_shape\": [8, 8, 64]}", { "axial_pos_embds_dim is [64, 192]", "3 axes", "would fit: [85, 85, 86]" } },
  { "{\"axial_pos_embds_dim\": [0, 256]}", { "axial_pos_embds_dim is [0, 256]", "at least 1", "would fit: [128, 128]" } },
  { "{\"axial_pos_embds_dim\": [64, 64]}", { "axial_pos_embds_dim is [64, 64]", "sum 128", "256", "would fit: [64, 192]" } },
  { "{\"axial_pos_embds_dim\": [2147483647, 2147483647]}", { "sum 4294967294", "256", "would fit: [128, 128]" } },
  { "{\"axial_pos_embds\": false, \"max_position_embeddings\": -4}", { "max_position_embeddings is -4" } },
  { "{\"lsh_attn_chunk_length\": 0}", { "lsh_attn_chunk_length is 0", "1 or more" } },
  { "{\"lsh_attn_chunk_length\": null}", { "lsh_attn_chunk_length is null", "1 or more" } },
  { "{\"lsh_num_chunks_before\": null}", { "lsh_num_chunks_before is null", "0 or more" } },
  { "{\"lsh_num_chunks_after\": null}", { "lsh_num_chunks_after is null" } },
  { "{\"lsh_num_chunks_before\": -2}", { "lsh_num_chunks_before", "-2" } },
  { "{\"lsh_num_chunks_after\": 1}", { "lsh_num_chunks_after is 1", "0 is wanted", "causal" } },
  { "{\"lsh_num_chunks_before\": 2147483647}", { "lsh_num_chunks_before 2147483647", "window" } },
  { "{\"local_attn_chunk_length\": 0}", { "local_attn_chunk_length is 0" } },
  { "{\"local_num_chunks_before\": -1}", { "local_num_chunks_before is -1", "0 or more" } },
  { "{\"local_num_chunks_after\": 2}", { "local_num_chunks_after is 2", "0 is wanted" } },
  { "{\"local_num_chunks_before\": 2147483647, \"local_attn_chunk_length\": 2147483647}", { "local_attn_chunk_length 2147483647", "window" } },
  { "{\"lsh_attn_chunk_length\": 65537, \"local_attn_chunk_length\": 65536}", { "lsh_attn_chunk_length 65537", "local_attn_chunk_length 65536", "common multiple", "would fit" } },
  { "{\"num_hashes\": 0}", { "num_hashes is 0", "1 or more" } },
  { "{\"num_hashes\": 2147483647}", { "num_hashes is 2147483647", "at most" } },
  { "{\"num_buckets\": 7}", { "num_buckets is 7", "even", "would fit: 6 or 8" } },
  { "{\"num_buckets\": 0}", { "num_buckets is 0", "would fit: 2" } },
  { "{\"num_buckets\": -8}", { "num_buckets is -8", "would fit: 2" } },
  { "{\"num_buckets\": [4, 9]}", { "num_buckets is [4, 9]", "even", "would fit: 8 or 10 for 9" } },
  { "{\"num_buckets\": [256, 256]}", { "num_buckets is [256, 256]", "65535", "would fit: [128, 256]" } },
  { "{\"num_buckets\": 65536}", { "num_buckets is 65536", "65535" } },
  { "{\"num_buckets\": [2147483646, 2147483646, 2147483646, 2147483646]}", { "num_buckets is", "65535" } },
  { "{\"num_buckets\": [2, 2, 2, 2, 2, 2, 2, 2, 2]}", { "num_buckets is", "8 factors" } },
  { "{\"is_decoder\": false}", { "is_decoder is false", "true is wanted" } },
  { "{\"architectures\": [\"ReformerForMaskedLM\"]}", { "is_decoder is true", "false is wanted" } },
  { "{\"architectures\": [\"ReformerForQuestionAnswering\"], \"num_labels\": 3}", { "num_labels is 3", "2 is wanted" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 0}", { "num_labels is 0", "1 or more" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 1, \"problem_type\": \"single_label_classification\"}", { "num_labels is 1", "2 or more" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"problem_type\": \"ranking\"}", { "\"problem_type\" is \"ranking\"", "regression" } },
  { "{\"problem_type\": \"ranking\"}", { "problem_type is \"ranking\"", "regression" } },
  { "{\"id2label\": {}}", { "num_labels is 0" } },
  { "{\"pad_token_id\": 320}", { "pad_token_id is 320", "below 320" } },
  { "{\"pad_token_id\": -2}", { "pad_token_id", "-2" } },

  /* of another type */
  { "{\"hidden_size\": \"12\"}", { "\"hidden_size\"", "\"12\"", "an integer" } },
  { "{\"hidden_size\": 256.0}", { "\"hidden_size\"", "256.0", "an integer" } },
  { "{\"hidden_size\": true}", { "\"hidden_size\"", "true", "an integer" } },
  { "{\"hidden_size\": null}", { "\"hidden_size\" is null", "an integer" } },
  { "{\"hidden_size\": [256]}", { "\"hidden_size\"", "[256]", "an integer" } },
  { "{\"vocab_size\": 5000000000}", { "\"vocab_size\"", "5000000000", "2147483647" } },
  { "{\"is_decoder\": 1}", { "\"is_decoder\" is 1", "true or false" } },
  { "{\"is_decoder\": null}", { "\"is_decoder\" is null", "true or false" } },
  { "{\"local_attn_circular\": \"yes\"}", { "\"local_attn_circular\" is \"yes\"", "true or false" } },
  { "{\"hidden_dropout_prob\": \"0.1\"}", { "\"hidden_dropout_prob\"", "\"0.1\"", "a number" } },
  { "{\"layer_norm_eps\": null}", { "\"layer_norm_eps\" is null", "a number" } },
  { "{\"layer_norm_eps\": false}", { "\"layer_norm_eps\" is false", "a number" } },
  { "{\"hidden_act\": 5}", { "\"hidden_act\" is 5", "text" } },
  { "{\"hidden_act\": null}", { "\"hidden_act\" is null", "text" } },
  { "{\"attn_layers\": \"lsh\"}", { "\"attn_layers\" is \"lsh\"", "a list of texts" } },
  { "{\"attn_layers\": null}", { "\"attn_layers\" is null", "a list of texts" } },
  { "{\"attn_layers\": [\"lsh\", 1]}", { "\"attn_layers\"", "1", "a list of texts" } },
  { "{\"axial_pos_shape\": 64}", { "\"axial_pos_shape\" is 64", "a list of integers" } },
  { "{\"axial_pos_shape\": null}", { "\"axial_pos_shape\" is null", "a list of integers" } },
  { "{\"axial_pos_shape\": [64, 64.0]}", { "\"axial_pos_shape\"", "64.0", "an integer" } },
  { "{\"axial_pos_embds_dim\": [true, 64]}", { "\"axial_pos_embds_dim\"", "true", "an integer" } },
  { "{\"num_buckets\": []}", { "\"num_buckets\" is []", "an integer" } },
  { "{\"num_buckets\": {}}", { "\"num_buckets\" is {}", "an integer" } },
  { "{\"num_buckets\": [4294967298]}", { "\"num_buckets\"", "4294967298" } },
  { "{\"num_hashes\": null}", { "\"num_hashes\" is null", "an integer" } },
  { "{\"hash_seed\": -1}", { "\"hash_seed\" is -1", "null" } },
  { "{\"hash_seed\": 1.5}", { "\"hash_seed\" is 1.5", "an integer" } },
  { "{\"eos_token_id\": []}", { "\"eos_token_id\" is []" } },
  { "{\"eos_token_id\": \"2\"}", { "\"eos_token_id\" is \"2\"", "an integer" } },
  { "{\"eos_token_id\": [2, -1]}", { "\"eos_token_id\"", "-1" } },
  { "{\"architectures\": \"ReformerModel\"}", { "\"architectures\" is \"ReformerModel\"", "a list of texts" } },
  { "{\"architectures\": [\"BertModel\"]}", { "\"architectures\" has \"BertModel\"", "ReformerModelWithLMHead" } },
  { "{\"problem_type\": 3}", { "\"problem_type\" is 3", "text" } },
  { "{\"id2label\": [\"a\"]}", { "\"id2label\"", "[\"a\"]", "an object" } },
  { "{\"id2label\": {\"a\": \"b\"}}", { "\"id2label\"", "labels by their numbers" } },
  { "{\"id2label\": {\"0\": 1}}", { "\"id2label\"", "labels by their numbers" } },
  { "{\"num_labels\": \"2\"}", { "\"num_labels\" is \"2\"", "an integer" } },
  { "{\"model_type\": \"bert\"}", { "\"model_type\" is \"bert\"", "\"reformer\" is wanted" } },
  { "{\"model_type\": null}", { "\"model_type\" is missing", "\"reformer\" is wanted" } },
  { "{\"model_type\": 1}", { "\"model_type\" is 1", "text" } },
  { "{\"is_encoder_decoder\": true}", { "\"is_encoder_decoder\" is true", "false is wanted" } },
  { "{\"add_cross_attention\": true}", { "\"add_cross_attention\" is true", "false is wanted" } },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) object = patched (bad[i].members);
      g_autoptr (ReformerConfig) config = reformer_config_new_from_object (object, "config.json", &error);

      if (config != NULL)
        g_error ("%s is accepted", bad[i].members);
      g_assert_nonnull (error);
      g_assert_true (error->domain == REFORMER_MODEL_ERROR || error->domain == REFORMER_FILE_ERROR);
      if (!g_str_has_prefix (error->message, "config.json: ") || strchr (error->message, '\n') != NULL)
        g_error ("%s: %s", bad[i].members, error->message);
      for (guint j = 0; j < G_N_ELEMENTS (bad[i].words) && bad[i].words[j] != NULL; j++)
        if (strstr (error->message, bad[i].words[j]) == NULL)
          g_error ("%s: no %s in: %s", bad[i].members, bad[i].words[j], error->message);
      g_test_message ("%s", error->message);
    }
}

/* What only a program can set. */
static void
test_bad_values (void)
{
  static const struct
  {
    const char *name;
    double      value;
    const char *word;
  } values[] = {
    { "hidden-dropout-prob", NAN, "hidden_dropout_prob is nan" },
    { "layer-norm-eps", NAN, "layer_norm_eps is nan" },
    { "layer-norm-eps", INFINITY, "layer_norm_eps is " },
    { "classifier-dropout", -0.5, "classifier_dropout is -0.5" },
    { "lsh-attn-chunk-length", -1, "lsh_attn_chunk_length is null" },
    { "lsh-num-chunks-before", -1, "lsh_num_chunks_before is null" },
    { "lsh-attention-probs-dropout-prob", -1, "lsh_attention_probs_dropout_prob is null" },
    { "num-hidden-layers", -2, "num_hidden_layers is -2" },
    { "eos-token-id", -2, "eos_token_id is -2" },
    { "bos-token-id", -2, "bos_token_id is -2" },
    { "pad-token-id", G_MAXINT, "pad_token_id is 2147483647" },
    { "hidden-size", G_MININT, "hidden_size is -2147483648" },
    { "num-labels", G_MININT, "num_labels is -2147483648" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GFile) file = g_file_new_for_path ("/nonexistent/config.json");
      g_autoptr (ReformerConfig) config = reformer_config_new ();
      g_autofree int *factors = NULL, *shape = NULL;
      g_autofree char *text = NULL;
      ReformerConfigId id = REFORMER_CONFIG_NOTHING + 1;

      while (strcmp (reformer_config_fields[id].name, values[i].name) != 0)
        id++;
      reformer_config_set_is_decoder (config, TRUE);
      g_assert_true (reformer_config_validate (config, NULL));
      /* as the setters do: GObject itself refuses a NaN for a property */
      if (reformer_config_fields[id].kind == REFORMER_CONFIG_DOUBLE)
        reformer_config_change_double (config, id, values[i].value);
      else
        reformer_config_change_int (config, id, (int) values[i].value);

      g_assert_false (reformer_config_validate (config, &error));
      if (strstr (error->message, values[i].word) == NULL)
        g_error ("no %s in: %s", values[i].word, error->message);

      /* nothing else minds */
      g_clear_error (&error);
      g_assert_false (reformer_config_save (config, file, NULL, &error));
      g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG);
      factors = reformer_config_get_bucket_factors (config, NULL);
      text = reformer_config_to_json (config);
      shape = reformer_config_choose_axial_shape (config, 1000, 2, NULL, NULL);
      g_assert_nonnull (text);
    }
}

/* Settings of a kind of layer that is not there are nobody's business, nor are these. */
static void
test_good (void)
{
  static const char *const good[] = {
    "{}",
    "{\"attn_layers\": [\"local\"], \"lsh_attn_chunk_length\": null, \"lsh_num_chunks_before\": null, \"num_buckets\": 3, \"num_hashes\": 0}",
    "{\"attn_layers\": [\"lsh\"], \"local_attn_chunk_length\": 0, \"local_num_chunks_after\": 5}",
    "{\"axial_pos_embds\": false, \"axial_pos_shape\": [], \"axial_pos_embds_dim\": [3]}",
    "{\"axial_pos_shape\": [4096], \"axial_pos_embds_dim\": [256]}",
    "{\"axial_pos_shape\": [2, 2, 2, 2, 2, 2, 2, 2], \"axial_pos_embds_dim\": [32, 32, 32, 32, 32, 32, 32, 32]}",
    "{\"hidden_dropout_prob\": 0, \"layer_norm_eps\": 0, \"axial_norm_std\": 2, \"lsh_attention_probs_dropout_prob\": 0}",
    "{\"num_hidden_layers\": null}",
    "{\"num_hidden_layers\": 1}",
    "{\"num_buckets\": 65534}",
    "{\"num_buckets\": [128, 256]}",
    "{\"pad_token_id\": null, \"eos_token_id\": null, \"bos_token_id\": 319, \"hash_seed\": -2}",
    "{\"architectures\": [\"ReformerModel\"], \"lsh_num_chunks_after\": 1}",
    "{\"architectures\": [\"ReformerForMaskedLM\"], \"is_decoder\": false, \"lsh_num_chunks_after\": 1, \"local_num_chunks_after\": 2}",
    "{\"tie_word_embeddings\": true}",
    "{\"is_encoder_decoder\": false, \"use_cache\": 17}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) object = patched (good[i]);
      g_autoptr (ReformerConfig) config = reformer_config_new_from_object (object, "config.json", &error);

      g_assert_no_error (error);
      g_assert_nonnull (config);
    }

  for (guint i = 0; reformer_activation_get_names ()[i] != NULL; i++)
    {
      g_autofree char *member = g_strdup_printf ("{\"hidden_act\": \"%s\"}", reformer_activation_get_names ()[i]);
      g_autoptr (json_t) object = patched (member);
      g_autoptr (ReformerConfig) config = reformer_config_new_from_object (object, "config.json", NULL);

      g_assert_nonnull (config);
    }
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
  g_assert_nonnull (strstr (error->message, "axes is 9, from 1 to 8"));
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

/* The examples of transformers' rule, and its ends. */
static void
test_buckets (void)
{
  static const struct
  {
    int positions, max_positions, chunk;
    int factors[2];
  } cases[] = {
    { 128, 4096, 64, { 4 } },          { 1024, 4096, 64, { 32 } },            { 4096, 4096, 64, { 128 } },
    { 16384, 524288, 64, { 16, 32 } }, { 65536, 524288, 64, { 32, 64 } },     { 524288, 524288, 64, { 128, 128 } },
    { 16384, 16384, 64, { 16, 32 } },  { 64, 64, 8, { 16 } },                 { 5, 4096, 64, { 2 } },
    { 64, 4096, 64, { 2 } },           { 3 * 64, 4096, 64, { 4 } },           { 1 << 20, 1 << 20, 64, { 128, 256 } },
    { 1 << 30, 1 << 30, 64, { 128, 256 } }, { 1 << 24, 1, 64, { 128, 256 } }, { 65536, 65536, 256, { 512 } },
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

/* ---- Files ---- */

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

/* Every member of transformers' files comes back as it was; ours is the only one more. */
static void
test_golden (void)
{
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
      g_assert_cmpuint (json_object_size (after), ==, json_object_size (before) + 1);

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

  g_test_add_func ("/config/defaults", test_defaults);
  g_test_add_func ("/config/properties", test_properties);
  g_test_add_func ("/config/accessors", test_accessors);
  g_test_add_func ("/config/copy", test_copy);
  g_test_add_func ("/config/bad", test_bad);
  g_test_add_func ("/config/bad-values", test_bad_values);
  g_test_add_func ("/config/good", test_good);
  g_test_add_func ("/config/axial", test_axial);
  g_test_add_func ("/config/axial-widths", test_axial_widths);
  g_test_add_func ("/config/buckets", test_buckets);
  g_test_add_func ("/config/types", test_types);
  g_test_add_func ("/config/heads", test_heads);
  g_test_add_func ("/config/labels", test_labels);
  g_test_add_func ("/config/unknown", test_unknown);
  g_test_add_func ("/config/golden", test_golden);
  g_test_add_func ("/config/save", test_save);
  g_test_add_func ("/config/hostile", test_hostile);

  return g_test_run ();
}
