/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/layers/reformer-model-error.h>

#include "config-helpers.h"
#include "ops/activation.h"

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
  { "{\"input_features\": 2, \"is_decoder\": true, \"tied_projection\": true}", { "tied_projection is true", "input_features is 2" } },
  { "{\"input_features\": -1}", { "input_features is -1", "0 or more" } },
  { "{\"input_features\": 2000000000, \"hidden_size\": 256000}", { "input_features 2000000000 times hidden_size 256000" } },
  { "{\"hidden_act\": \"prelu\"}", { "hidden_act is \"prelu\"", "parameters of its own", "gelu", "relu6" } },
  { "{\"hidden_act\": \"xielu\"}", { "hidden_act is \"xielu\"", "parameters of its own", "gelu_new", "tanh" } },
  { "{\"hidden_act\": \"rleu\"}", { "hidden_act is \"rleu\"", "one of", "relu" } },
  { "{\"hidden_act\": \"\"}", { "hidden_act is \"\"", "one of", "relu" } },
  { "{\"attn_layers\": []}", { "attn_layers is empty", "lsh", "local" } },
  { "{\"attn_layers\": [\"lsh\", \"global\"]}", { "attn_layers[1] is \"global\"", "lsh, local, full or window" } },
  { "{\"attn_layers\": [\"window\"], \"window_attn_size\": 7}", { "window_attn_size is 7", "an even number", "would fit: 6" } },
  { "{\"attn_layers\": [\"window\"], \"window_attn_size\": 0}", { "window_attn_size is 0", "at least 2", "would fit: 2" } },
  { "{\"attn_layers\": [\"window\"], \"window_attn_size\": -6}", { "window_attn_size is -6", "would fit: 2" } },
  { "{\"attn_layers\": [\"window\"], \"window_attn_dilation\": [1, 2]}", { "window_attn_dilation is [1, 2]", "12 heads" } },
  { "{\"attn_layers\": [\"window\"], \"num_attention_heads\": 2, \"window_attn_dilation\": [1, 0]}", { "window_attn_dilation is [1, 0]", "from 1 to" } },
  { "{\"attn_layers\": [\"window\"], \"num_attention_heads\": 1, \"window_attn_dilation\": [2147483647]}", { "window_attn_dilation is [2147483647]", "window_attn_size 128" } },
  { "{\"attn_layers\": [\"window\"], \"window_attn_global_tokens\": [0, 4096]}", { "window_attn_global_tokens is [0, 4096]", "0 to 4095" } },
  { "{\"attn_layers\": [\"window\"], \"window_attn_global_tokens\": [-1]}", { "window_attn_global_tokens is [-1]", "positions" } },
  { "{\"attn_layers\": [\"full\"], \"local_attention_probs_dropout_prob\": 1.5}", { "local_attention_probs_dropout_prob is 1.5" } },
  { "{\"num_hidden_layers\": 7}", { "num_hidden_layers is 7", "6" } },
  { "{\"num_hidden_layers\": 0}", { "num_hidden_layers is 0", "1" } },
  { "{\"num_hidden_layers\": -1}", { "num_hidden_layers", "-1" } },
  { "{\"hidden_dropout_prob\": 1}", { "hidden_dropout_prob is 1", "below 1" } },
  { "{\"hidden_dropout_prob\": -0.1}", { "hidden_dropout_prob is -0.1" } },
  { "{\"local_attention_probs_dropout_prob\": 1.5}", { "local_attention_probs_dropout_prob is 1.5" } },
  { "{\"lsh_attention_probs_dropout_prob\": 1.0}", { "lsh_attention_probs_dropout_prob is 1" } },
  { "{\"lsh_attention_probs_dropout_prob\": null}", { "lsh_attention_probs_dropout_prob is null", "would fit: 0" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"is_decoder\": false, \"class_weights\": [1, 2, 3]}", { "class_weights has 3 numbers", "2 classes (num_labels)" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"is_decoder\": false, \"class_weights\": [1, -2.5]}", { "class_weights is -2.5 for class 1", "at least 0" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"is_decoder\": false, \"class_weights\": [1, 1e300]}", { "class_weights is 1e+300 for class 1" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"is_decoder\": false, \"class_weights\": [0, 0.0]}", { "class_weights is 0 for every class", "above 0" } },
  { "{\"class_weights\": [1, 2]}", { "class_weights has 2 numbers", "classification and tokens" } },
  { "{\"class_weights\": 3}", { "\"class_weights\" is 3", "a list of numbers or null" } },
  { "{\"class_weights\": [1, \"a\"]}", { "\"class_weights\"", "a list of numbers or null" } },
  { "{\"classifier_dropout\": 2.0}", { "classifier_dropout is 2", "below 1" } },
  { "{\"layer_norm_eps\": -1e-5}", { "layer_norm_eps is -1e-05", "from 0" } },
  { "{\"initializer_range\": -0.02}", { "initializer_range is -0.02" } },
  { "{\"axial_norm_std\": 1e300}", { "axial_norm_std is 1e+300", "1e38" } },
  { "{\"axial_pos_shape\": []}", { "axial_pos_shape is []", "1 to 7 axes" } },
  { "{\"axial_pos_shape\": [2, 2, 2, 2, 2, 2, 2, 2, 2]}", { "axial_pos_shape is [2, 2", "7 axes" } },
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
  { "{\"num_hashes\": 2147483647}", { "num_hashes is 2147483647", "at most 1024" } },
  { "{\"num_hashes_evaluation\": 0}", { "num_hashes_evaluation is 0", "1 or more" } },
  { "{\"num_hashes_evaluation\": 1025}", { "num_hashes_evaluation is 1025", "at most 1024" } },
  { "{\"num_hashes\": 1025}", { "num_hashes is 1025", "at most 1024" } },
  { "{\"hidden_dropout_prob\": 0.99999999}", { "hidden_dropout_prob is", "below 1" } },
  { "{\"num_buckets\": 7}", { "num_buckets is 7", "even", "would fit: 6" } },
  { "{\"num_buckets\": 0}", { "num_buckets is 0", "would fit: 2" } },
  { "{\"num_buckets\": -8}", { "num_buckets is -8", "would fit: 2" } },
  { "{\"num_buckets\": [4, 9]}", { "num_buckets is [4, 9]", "even", "would fit: 8 for 9" } },
  { "{\"num_buckets\": [256, 256]}", { "num_buckets is [256, 256]", "65535", "would fit: [128, 256]" } },
  { "{\"num_buckets\": 65536}", { "num_buckets is 65536", "65535" } },
  { "{\"num_buckets\": [2147483646, 2147483646, 2147483646, 2147483646]}", { "num_buckets is", "65535" } },
  { "{\"num_buckets\": [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]}", { "num_buckets is", "16 factors" } },
  { "{\"is_decoder\": false}", { "is_decoder is false", "true is wanted" } },
  { "{\"architectures\": [\"ReformerForMaskedLM\"]}", { "is_decoder is true", "false is wanted" } },
  { "{\"architectures\": [\"ReformerForQuestionAnswering\"], \"num_labels\": 3}", { "num_labels is 3", "2 is wanted" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 0}", { "num_labels is 0", "1 or more" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"num_labels\": 1, \"problem_type\": \"single_label_classification\"}", { "num_labels is 1", "2 or more" } },
  { "{\"architectures\": [\"ReformerForSequenceClassification\"], \"problem_type\": \"ranking\"}", { "\"problem_type\" is \"ranking\"", "regression" } },
  { "{\"problem_type\": \"ranking\"}", { "problem_type is \"ranking\"", "regression" } },
  { "{\"id2label\": {}}", { "num_labels is 0" } },
  { "{\"streams\": 3}", { "streams is 3", "2 (reversible) or 1" } },
  { "{\"streams\": 0}", { "streams is 0" } },
  { "{\"norm_first\": false}", { "norm_first is false with 2 streams", "would fit: streams 1" } },
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
  { "{\"window_attn_dilation\": 2}", { "\"window_attn_dilation\" is 2", "a list of integers" } },
  { "{\"window_attn_size\": 8.0}", { "\"window_attn_size\"", "8.0", "an integer" } },
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
    "{\"axial_pos_shape\": [2, 2, 2, 2, 2, 2, 2], \"axial_pos_embds_dim\": [32, 32, 32, 32, 32, 32, 64]}",
    "{\"hidden_dropout_prob\": 0, \"layer_norm_eps\": 0, \"axial_norm_std\": 2, \"lsh_attention_probs_dropout_prob\": 0}",
    "{\"num_hidden_layers\": null}",
    "{\"num_hidden_layers\": 1}",
    "{\"num_buckets\": 65534}",
    "{\"num_buckets\": [128, 256]}",
    "{\"pad_token_id\": null, \"eos_token_id\": null, \"bos_token_id\": 319, \"hash_seed\": -2}",
    "{\"architectures\": [\"ReformerModel\"], \"lsh_num_chunks_after\": 1}",
    "{\"architectures\": [\"ReformerForMaskedLM\"], \"is_decoder\": false, \"lsh_num_chunks_after\": 1, \"local_num_chunks_after\": 2}",
    "{\"tie_word_embeddings\": true}",
    "{\"attn_layers\": [\"full\", \"window\"], \"local_attn_chunk_length\": 0, \"window_attn_dilation\": null, \"window_attn_global_tokens\": []}",
    "{\"attn_layers\": [\"local\"], \"window_attn_size\": 7, \"window_attn_dilation\": [0]}",
    "{\"tied_projection\": true, \"attention_bias\": true, \"final_norm\": false}",
    "{\"streams\": 1, \"norm_first\": false}",
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

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/config-validate/bad", test_bad);
  g_test_add_func ("/config-validate/bad-values", test_bad_values);
  g_test_add_func ("/config-validate/good", test_good);

  return g_test_run ();
}
