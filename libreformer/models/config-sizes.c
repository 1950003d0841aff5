/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getters and setters of the settings of sizes and layers; the header makes the functions. */
#include "models/config-accessors.h"

/**
 * ReformerConfig:vocab-size:
 *
 * The number of different token ids, V.
 *
 * Ids go from 0 to one below it. At least 1; default 320.
 */
/**
 * reformer_config_get_vocab_size:
 * @self: a configuration
 *
 * Gets the number of different token ids, V.
 *
 * Returns: the value of [property@Config:vocab-size]
 */
/**
 * reformer_config_set_vocab_size:
 * @self: a configuration
 * @vocab_size: the value of [property@Config:vocab-size]
 *
 * Sets the number of different token ids, V.
 */
INT (vocab_size, VOCAB_SIZE)

/**
 * ReformerConfig:input-features:
 *
 * The numbers in each vector of the input, F, where it is vectors rather than ids.
 *
 * 0, the default, is for ids. With F of at least 1 a projection with bias, F to H, takes the place of the table of words; [property@Config:vocab-size] is then
 * the number of classes of a language head alone. A key of this library, `input_features`.
 */
/**
 * reformer_config_get_input_features:
 * @self: a configuration
 *
 * Gets the numbers in each vector of the input, 0 for ids.
 *
 * Returns: the value of [property@Config:input-features]
 */
/**
 * reformer_config_set_input_features:
 * @self: a configuration
 * @input_features: the value of [property@Config:input-features]
 *
 * Sets the numbers in each vector of the input, 0 for ids.
 */
INT (input_features, INPUT_FEATURES)

/**
 * ReformerConfig:hidden-size:
 *
 * The width H of each residual stream.
 *
 * At least 1; default 256. With two streams the last hidden state is 2H wide, both side by side.
 */
/**
 * reformer_config_get_hidden_size:
 * @self: a configuration
 *
 * Gets the width H of each residual stream.
 *
 * Returns: the value of [property@Config:hidden-size]
 */
/**
 * reformer_config_set_hidden_size:
 * @self: a configuration
 * @hidden_size: the value of [property@Config:hidden-size]
 *
 * Sets the width H of each residual stream.
 */
INT (hidden_size, HIDDEN_SIZE)

/**
 * ReformerConfig:num-attention-heads:
 *
 * The number of attention heads, A.
 *
 * At least 1; default 12. A times the head size need not be the hidden size.
 */
/**
 * reformer_config_get_num_attention_heads:
 * @self: a configuration
 *
 * Gets the number of attention heads, A.
 *
 * Returns: the value of [property@Config:num-attention-heads]
 */
/**
 * reformer_config_set_num_attention_heads:
 * @self: a configuration
 * @num_attention_heads: the value of [property@Config:num-attention-heads]
 *
 * Sets the number of attention heads, A.
 */
INT (num_attention_heads, NUM_ATTENTION_HEADS)

/**
 * ReformerConfig:attention-head-size:
 *
 * The width d of each attention head.
 *
 * At least 1; default 64.
 */
/**
 * reformer_config_get_attention_head_size:
 * @self: a configuration
 *
 * Gets the width d of each attention head.
 *
 * Returns: the value of [property@Config:attention-head-size]
 */
/**
 * reformer_config_set_attention_head_size:
 * @self: a configuration
 * @attention_head_size: the value of [property@Config:attention-head-size]
 *
 * Sets the width d of each attention head.
 */
INT (attention_head_size, ATTENTION_HEAD_SIZE)

/**
 * ReformerConfig:feed-forward-size:
 *
 * The width F of the hidden layer of each feed-forward block.
 *
 * At least 1; default 512.
 */
/**
 * reformer_config_get_feed_forward_size:
 * @self: a configuration
 *
 * Gets the width F of the hidden layer of each feed-forward block.
 *
 * Returns: the value of [property@Config:feed-forward-size]
 */
/**
 * reformer_config_set_feed_forward_size:
 * @self: a configuration
 * @feed_forward_size: the value of [property@Config:feed-forward-size]
 *
 * Sets the width F of the hidden layer of each feed-forward block.
 */
INT (feed_forward_size, FEED_FORWARD_SIZE)

/**
 * ReformerConfig:hidden-act:
 *
 * The activation of the feed-forward blocks, by transformers' name.
 *
 * Default `relu`. All activations of transformers serve but `prelu` and `xielu`, which have parameters of their own;
 * [method@Config.validate] lists the names.
 */
/**
 * reformer_config_get_hidden_act:
 * @self: a configuration
 *
 * Gets the activation of the feed-forward blocks, by transformers' name.
 *
 * Returns: (transfer none): the value of [property@Config:hidden-act]
 */
/**
 * reformer_config_set_hidden_act:
 * @self: a configuration
 * @hidden_act: the value of [property@Config:hidden-act]
 *
 * Sets the activation of the feed-forward blocks, by transformers' name.
 */
STRING (hidden_act, HIDDEN_ACT)

/**
 * ReformerConfig:attn-layers:
 *
 * The kind of each attention layer, the first layer first: `lsh`, `local`, `full` or `window`.
 *
 * [class@LshAttention], [class@LocalAttention], [class@FullAttention] or [class@WindowAttention]; a kind is never replaced by another. Default: `local`, `lsh`, three times.
 */
/**
 * reformer_config_get_attn_layers:
 * @self: a configuration
 *
 * Gets the kind of each attention layer, the first layer first: `lsh`, `local`, `full` or `window`.
 *
 * Returns: (transfer none) (array zero-terminated=1): the value of [property@Config:attn-layers]
 */
/**
 * reformer_config_set_attn_layers:
 * @self: a configuration
 * @attn_layers: (array zero-terminated=1): the value of [property@Config:attn-layers]
 *
 * Sets the kind of each attention layer, the first layer first: `lsh`, `local`, `full` or `window`.
 */
STRINGS (attn_layers, ATTN_LAYERS)

/**
 * ReformerConfig:num-hidden-layers:
 *
 * How many of the attention layers there are, counted from the first.
 *
 * -1 (null), the default, means all of [property@Config:attn-layers]. See also [method@Config.get_n_layers].
 */
/**
 * reformer_config_get_num_hidden_layers:
 * @self: a configuration
 *
 * Gets how many of the attention layers there are, counted from the first.
 *
 * Returns: the value of [property@Config:num-hidden-layers]
 */
/**
 * reformer_config_set_num_hidden_layers:
 * @self: a configuration
 * @num_hidden_layers: the value of [property@Config:num-hidden-layers]
 *
 * Sets how many of the attention layers there are, counted from the first.
 */
INT (num_hidden_layers, NUM_HIDDEN_LAYERS)

/**
 * reformer_config_get_n_layers:
 * @self: a configuration
 *
 * Gets how many layers the model has: [property@Config:num-hidden-layers], or the number of [property@Config:attn-layers] where that is -1.
 *
 * Returns: the number of layers
 */
guint
reformer_config_get_n_layers (ReformerConfig *self)
{
  g_return_val_if_fail (REFORMER_IS_CONFIG (self), 0);

  return self->num_hidden_layers < 0 ? g_strv_length (self->attn_layers) : (guint) self->num_hidden_layers;
}

/**
 * ReformerConfig:is-decoder:
 *
 * Whether a token sees only itself and what is before it.
 *
 * Default false. The language head needs true, the masked language head false.
 */
/**
 * reformer_config_get_is_decoder:
 * @self: a configuration
 *
 * Gets whether a token sees only itself and what is before it.
 *
 * Returns: the value of [property@Config:is-decoder]
 */
/**
 * reformer_config_set_is_decoder:
 * @self: a configuration
 * @is_decoder: the value of [property@Config:is-decoder]
 *
 * Sets whether a token sees only itself and what is before it.
 */
BOOLEAN (is_decoder, IS_DECODER)

/**
 * ReformerConfig:hidden-dropout-prob:
 *
 * The dropout probability of embeddings, attention output, both feed-forward matrices and the final output.
 *
 * From 0 to below 1; default 0.05.
 */
/**
 * reformer_config_get_hidden_dropout_prob:
 * @self: a configuration
 *
 * Gets the dropout probability of embeddings, attention output, both feed-forward matrices and the final output.
 *
 * Returns: the value of [property@Config:hidden-dropout-prob]
 */
/**
 * reformer_config_set_hidden_dropout_prob:
 * @self: a configuration
 * @hidden_dropout_prob: the value of [property@Config:hidden-dropout-prob]
 *
 * Sets the dropout probability of embeddings, attention output, both feed-forward matrices and the final output.
 */
DOUBLE (hidden_dropout_prob, HIDDEN_DROPOUT_PROB)

/**
 * ReformerConfig:layer-norm-eps:
 *
 * What all layer norms add to the variance.
 *
 * From 0 up; default 1e-12.
 */
/**
 * reformer_config_get_layer_norm_eps:
 * @self: a configuration
 *
 * Gets what all layer norms add to the variance.
 *
 * Returns: the value of [property@Config:layer-norm-eps]
 */
/**
 * reformer_config_set_layer_norm_eps:
 * @self: a configuration
 * @layer_norm_eps: the value of [property@Config:layer-norm-eps]
 *
 * Sets what all layer norms add to the variance.
 */
DOUBLE (layer_norm_eps, LAYER_NORM_EPS)

/**
 * ReformerConfig:initializer-range:
 *
 * The standard deviation of new weights of matrices and embeddings.
 *
 * From 0 up; default 0.02.
 */
/**
 * reformer_config_get_initializer_range:
 * @self: a configuration
 *
 * Gets the standard deviation of new weights of matrices and embeddings.
 *
 * Returns: the value of [property@Config:initializer-range]
 */
/**
 * reformer_config_set_initializer_range:
 * @self: a configuration
 * @initializer_range: the value of [property@Config:initializer-range]
 *
 * Sets the standard deviation of new weights of matrices and embeddings.
 */
DOUBLE (initializer_range, INITIALIZER_RANGE)

/**
 * ReformerConfig:chunk-size-feed-forward:
 *
 * The number of tokens that transformers passes through a feed-forward block at once.
 *
 * 0, the default, is all of them. Kept for transformers; this library chooses its pieces itself, and results do not depend on them.
 */
/**
 * reformer_config_get_chunk_size_feed_forward:
 * @self: a configuration
 *
 * Gets the number of tokens that transformers passes through a feed-forward block at once.
 *
 * Returns: the value of [property@Config:chunk-size-feed-forward]
 */
/**
 * reformer_config_set_chunk_size_feed_forward:
 * @self: a configuration
 * @chunk_size_feed_forward: the value of [property@Config:chunk-size-feed-forward]
 *
 * Sets the number of tokens that transformers passes through a feed-forward block at once.
 */
INT (chunk_size_feed_forward, CHUNK_SIZE_FEED_FORWARD)

/**
 * ReformerConfig:streams:
 *
 * The number of residual streams.
 *
 * 2, the default, is the Reformer: reversible, attention and feed-forward added to streams of their own. 1 is the ordinary residual of the standard Transformer; the
 * last hidden state is then H wide, and a [class@Stack] cannot keep `nothing` in training. A key of this library.
 */
/**
 * reformer_config_get_streams:
 * @self: a configuration
 *
 * Gets the number of residual streams.
 *
 * Returns: the value of [property@Config:streams]
 */
/**
 * reformer_config_set_streams:
 * @self: a configuration
 * @streams: the value of [property@Config:streams]
 *
 * Sets the number of residual streams.
 */
INT (streams, STREAMS)

/**
 * ReformerConfig:norm-first:
 *
 * Whether the norm of an attention or feed-forward block comes first.
 *
 * If it does, which is the default, a stream becomes x + f (norm (x)). If not, it becomes norm (x + f (x)), which needs one stream. A key of this library.
 */
/**
 * reformer_config_get_norm_first:
 * @self: a configuration
 *
 * Gets whether the norm of an attention or feed-forward block comes first.
 *
 * Returns: the value of [property@Config:norm-first]
 */
/**
 * reformer_config_set_norm_first:
 * @self: a configuration
 * @norm_first: the value of [property@Config:norm-first]
 *
 * Sets whether the norm of an attention or feed-forward block comes first.
 */
BOOLEAN (norm_first, NORM_FIRST)

/**
 * ReformerConfig:final-norm:
 *
 * Whether there is a norm after the last layer.
 *
 * Default true. The standard Transformer whose norms come after its sums has none. A key of this library.
 */
/**
 * reformer_config_get_final_norm:
 * @self: a configuration
 *
 * Gets whether there is a norm after the last layer.
 *
 * Returns: the value of [property@Config:final-norm]
 */
/**
 * reformer_config_set_final_norm:
 * @self: a configuration
 * @final_norm: the value of [property@Config:final-norm]
 *
 * Sets whether there is a norm after the last layer.
 */
BOOLEAN (final_norm, FINAL_NORM)

/**
 * ReformerConfig:attention-bias:
 *
 * Whether the projections of attention have biases.
 *
 * Default false. The standard Transformer has them: of query, key, value and output. A key of this library.
 */
/**
 * reformer_config_get_attention_bias:
 * @self: a configuration
 *
 * Gets whether the projections of attention have biases.
 *
 * Returns: the value of [property@Config:attention-bias]
 */
/**
 * reformer_config_set_attention_bias:
 * @self: a configuration
 * @attention_bias: the value of [property@Config:attention-bias]
 *
 * Sets whether the projections of attention have biases.
 */
BOOLEAN (attention_bias, ATTENTION_BIAS)
