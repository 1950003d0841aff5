/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/config-private.h"

#define FIELD(id, name, key, kind, member, standard, nullable) \
  [REFORMER_CONFIG_##id] = { name, key, REFORMER_CONFIG_##kind, G_STRUCT_OFFSET (ReformerConfig, member), standard, nullable }

/* The defaults of transformers 5.23.0 (its docstrings say 0.1 for the two attention dropouts; the code says what stands here). Lists and texts get theirs
 * in reformer_config_init(). */
const ReformerConfigField reformer_config_fields[REFORMER_CONFIG_N_FIELDS] = {
  FIELD (VOCAB_SIZE, "vocab-size", "vocab_size", INT, vocab_size, 320, FALSE),
  FIELD (INPUT_FEATURES, "input-features", "input_features", INT, input_features, 0, FALSE),
  FIELD (HIDDEN_SIZE, "hidden-size", "hidden_size", INT, hidden_size, 256, FALSE),
  FIELD (NUM_ATTENTION_HEADS, "num-attention-heads", "num_attention_heads", INT, num_attention_heads, 12, FALSE),
  FIELD (ATTENTION_HEAD_SIZE, "attention-head-size", "attention_head_size", INT, attention_head_size, 64, FALSE),
  FIELD (FEED_FORWARD_SIZE, "feed-forward-size", "feed_forward_size", INT, feed_forward_size, 512, FALSE),
  FIELD (HIDDEN_ACT, "hidden-act", "hidden_act", STRING, hidden_act, 0, FALSE),
  FIELD (ATTN_LAYERS, "attn-layers", "attn_layers", STRINGS, attn_layers, 0, FALSE),
  FIELD (NUM_HIDDEN_LAYERS, "num-hidden-layers", "num_hidden_layers", INT, num_hidden_layers, -1, TRUE),
  FIELD (IS_DECODER, "is-decoder", "is_decoder", BOOLEAN, is_decoder, FALSE, FALSE),
  FIELD (HIDDEN_DROPOUT_PROB, "hidden-dropout-prob", "hidden_dropout_prob", DOUBLE, hidden_dropout_prob, 0.05, FALSE),
  FIELD (LAYER_NORM_EPS, "layer-norm-eps", "layer_norm_eps", DOUBLE, layer_norm_eps, 1e-12, FALSE),
  FIELD (INITIALIZER_RANGE, "initializer-range", "initializer_range", DOUBLE, initializer_range, 0.02, FALSE),
  FIELD (CHUNK_SIZE_FEED_FORWARD, "chunk-size-feed-forward", "chunk_size_feed_forward", INT, chunk_size_feed_forward, 0, FALSE),
  FIELD (STREAMS, "streams", "streams", INT, streams, 2, FALSE),
  FIELD (NORM_FIRST, "norm-first", "norm_first", BOOLEAN, norm_first, TRUE, FALSE),
  FIELD (FINAL_NORM, "final-norm", "final_norm", BOOLEAN, final_norm, TRUE, FALSE),
  FIELD (ATTENTION_BIAS, "attention-bias", "attention_bias", BOOLEAN, attention_bias, FALSE, FALSE),

  FIELD (LSH_ATTN_CHUNK_LENGTH, "lsh-attn-chunk-length", "lsh_attn_chunk_length", INT, lsh_attn_chunk_length, 64, TRUE),
  FIELD (LSH_NUM_CHUNKS_BEFORE, "lsh-num-chunks-before", "lsh_num_chunks_before", INT, lsh_num_chunks_before, 1, TRUE),
  FIELD (LSH_NUM_CHUNKS_AFTER, "lsh-num-chunks-after", "lsh_num_chunks_after", INT, lsh_num_chunks_after, 0, TRUE),
  FIELD (LSH_ATTENTION_PROBS_DROPOUT_PROB, "lsh-attention-probs-dropout-prob", "lsh_attention_probs_dropout_prob", DOUBLE,
         lsh_attention_probs_dropout_prob, 0.0, TRUE),
  FIELD (NUM_BUCKETS, "num-buckets", "num_buckets", INTEGERS, num_buckets, 0, TRUE),
  FIELD (NUM_HASHES, "num-hashes", "num_hashes", INT, num_hashes, 1, FALSE),
  FIELD (NUM_HASHES_EVALUATION, "num-hashes-evaluation", "num_hashes_evaluation", INT, num_hashes_evaluation, -1, TRUE),
  FIELD (HASH_SEED, "hash-seed", "hash_seed", INT64, hash_seed, -1, TRUE),
  FIELD (LOCAL_ATTN_CHUNK_LENGTH, "local-attn-chunk-length", "local_attn_chunk_length", INT, local_attn_chunk_length, 64, FALSE),
  FIELD (LOCAL_NUM_CHUNKS_BEFORE, "local-num-chunks-before", "local_num_chunks_before", INT, local_num_chunks_before, 1, FALSE),
  FIELD (LOCAL_NUM_CHUNKS_AFTER, "local-num-chunks-after", "local_num_chunks_after", INT, local_num_chunks_after, 0, FALSE),
  FIELD (LOCAL_ATTENTION_PROBS_DROPOUT_PROB, "local-attention-probs-dropout-prob", "local_attention_probs_dropout_prob", DOUBLE,
         local_attention_probs_dropout_prob, 0.05, FALSE),
  FIELD (LOCAL_ATTN_CIRCULAR, "local-attn-circular", "local_attn_circular", BOOLEAN, local_attn_circular, FALSE, FALSE),
  FIELD (WINDOW_ATTN_SIZE, "window-attn-size", "window_attn_size", INT, window_attn_size, 128, FALSE),
  FIELD (WINDOW_ATTN_DILATION, "window-attn-dilation", "window_attn_dilation", INTEGERS, window_attn_dilation, 0, TRUE),
  FIELD (WINDOW_ATTN_GLOBAL_TOKENS, "window-attn-global-tokens", "window_attn_global_tokens", INTEGERS, window_attn_global_tokens, 0, TRUE),

  FIELD (AXIAL_POS_EMBDS, "axial-pos-embds", "axial_pos_embds", BOOLEAN, axial_pos_embds, TRUE, FALSE),
  FIELD (AXIAL_POS_SHAPE, "axial-pos-shape", "axial_pos_shape", INTEGERS, axial_pos_shape, 0, FALSE),
  FIELD (AXIAL_POS_EMBDS_DIM, "axial-pos-embds-dim", "axial_pos_embds_dim", INTEGERS, axial_pos_embds_dim, 0, FALSE),
  FIELD (AXIAL_NORM_STD, "axial-norm-std", "axial_norm_std", DOUBLE, axial_norm_std, 1.0, FALSE),
  FIELD (MAX_POSITION_EMBEDDINGS, "max-position-embeddings", "max_position_embeddings", INT, max_position_embeddings, 4096, FALSE),

  FIELD (HEAD, "head", NULL, ENUM, head, REFORMER_HEAD_LANGUAGE, FALSE),
  FIELD (NUM_LABELS, "num-labels", NULL, INT, num_labels, 2, FALSE),
  FIELD (PROBLEM_TYPE, "problem-type", NULL, STRING, problem_type, 0, TRUE),
  FIELD (CLASSIFIER_DROPOUT, "classifier-dropout", "classifier_dropout", DOUBLE, classifier_dropout, -1, TRUE),
  FIELD (CLASS_WEIGHTS, "class-weights", "class_weights", DOUBLES, class_weights, 0, TRUE),
  FIELD (CHUNK_SIZE_LM_HEAD, "chunk-size-lm-head", "chunk_size_lm_head", INT, chunk_size_lm_head, 0, FALSE),
  FIELD (TIE_WORD_EMBEDDINGS, "tie-word-embeddings", "tie_word_embeddings", BOOLEAN, tie_word_embeddings, FALSE, FALSE),
  FIELD (TIED_PROJECTION, "tied-projection", "tied_projection", BOOLEAN, tied_projection, FALSE, FALSE),
  FIELD (PAD_TOKEN_ID, "pad-token-id", "pad_token_id", INT, pad_token_id, 0, TRUE),
  FIELD (EOS_TOKEN_ID, "eos-token-id", NULL, INT, eos_token_id, 2, TRUE),
  FIELD (BOS_TOKEN_ID, "bos-token-id", "bos_token_id", INT, bos_token_id, -1, TRUE),
};

/* Ranges are as wide as the types: what makes no sense is for reformer_config_validate() to name, not for GObject to bend. */
void
reformer_config_install_properties (GObjectClass  *object_class,
                                    GParamSpec   **properties)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    {
      const ReformerConfigField *field = &reformer_config_fields[id];

      switch (field->kind)
        {
        case REFORMER_CONFIG_BOOLEAN:
          properties[id] = g_param_spec_boolean (field->name, NULL, NULL, field->standard != 0, flags);
          break;
        case REFORMER_CONFIG_INT:
          properties[id] = g_param_spec_int (field->name, NULL, NULL, G_MININT, G_MAXINT, (int) field->standard, flags);
          break;
        case REFORMER_CONFIG_INT64:
          properties[id] = g_param_spec_int64 (field->name, NULL, NULL, G_MININT64, G_MAXINT64, (gint64) field->standard, flags);
          break;
        case REFORMER_CONFIG_DOUBLE:
          properties[id] = g_param_spec_double (field->name, NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, field->standard, flags);
          break;
        case REFORMER_CONFIG_STRING:
          properties[id] = g_param_spec_string (field->name, NULL, NULL, id == REFORMER_CONFIG_HIDDEN_ACT ? "relu" : NULL, flags);
          break;
        case REFORMER_CONFIG_STRINGS:
          properties[id] = g_param_spec_boxed (field->name, NULL, NULL, G_TYPE_STRV, flags);
          break;
        case REFORMER_CONFIG_INTEGERS:
          properties[id] = g_param_spec_variant (field->name, NULL, NULL, G_VARIANT_TYPE ("ai"), NULL, flags);
          break;
        case REFORMER_CONFIG_DOUBLES:
          properties[id] = g_param_spec_variant (field->name, NULL, NULL, G_VARIANT_TYPE ("ad"), NULL, flags);
          break;
        case REFORMER_CONFIG_ENUM:
        default:
          properties[id] = g_param_spec_enum (field->name, NULL, NULL, REFORMER_TYPE_HEAD, (int) field->standard, flags);
          break;
        }
    }

  /**
   * ReformerConfig:unknown-keys:
   *
   * Keys of the file that neither this library nor transformers knows, sorted. They change nothing, and are kept and written back as
   * they were; a program may want to name them to its user, for one of them may be a misspelt setting.
   */
  properties[REFORMER_CONFIG_UNKNOWN_KEYS] = g_param_spec_boxed ("unknown-keys", NULL, NULL, G_TYPE_STRV,
                                                                 G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  g_object_class_install_properties (object_class, REFORMER_CONFIG_N_PROPERTIES, properties);
}
