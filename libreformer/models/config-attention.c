/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getters and setters of the settings of attention; the header makes the functions. */
#include "models/config-accessors.h"

/**
 * ReformerConfig:lsh-attn-chunk-length:
 *
 * The number of tokens in a chunk of LSH attention.
 *
 * At least 1; default 64. Sequences that are no longer get full attention. -1 is null, which transformers can write but not run.
 */
/**
 * reformer_config_get_lsh_attn_chunk_length:
 * @self: a configuration
 *
 * Gets the number of tokens in a chunk of LSH attention.
 *
 * Returns: the value of [property@Config:lsh-attn-chunk-length]
 */
/**
 * reformer_config_set_lsh_attn_chunk_length:
 * @self: a configuration
 * @lsh_attn_chunk_length: the value of [property@Config:lsh-attn-chunk-length]
 *
 * Sets the number of tokens in a chunk of LSH attention.
 */
INT (lsh_attn_chunk_length, LSH_ATTN_CHUNK_LENGTH)

/**
 * ReformerConfig:lsh-num-chunks-before:
 *
 * How many chunks before its own a token of LSH attention sees.
 *
 * At least 0; default 1; -1 is null, which cannot run.
 */
/**
 * reformer_config_get_lsh_num_chunks_before:
 * @self: a configuration
 *
 * Gets how many chunks before its own a token of LSH attention sees.
 *
 * Returns: the value of [property@Config:lsh-num-chunks-before]
 */
/**
 * reformer_config_set_lsh_num_chunks_before:
 * @self: a configuration
 * @lsh_num_chunks_before: the value of [property@Config:lsh-num-chunks-before]
 *
 * Sets how many chunks before its own a token of LSH attention sees.
 */
INT (lsh_num_chunks_before, LSH_NUM_CHUNKS_BEFORE)

/**
 * ReformerConfig:lsh-num-chunks-after:
 *
 * How many chunks after its own a token of LSH attention sees.
 *
 * At least 0; default 0, and 0 for the language head; -1 is null, which cannot run.
 */
/**
 * reformer_config_get_lsh_num_chunks_after:
 * @self: a configuration
 *
 * Gets how many chunks after its own a token of LSH attention sees.
 *
 * Returns: the value of [property@Config:lsh-num-chunks-after]
 */
/**
 * reformer_config_set_lsh_num_chunks_after:
 * @self: a configuration
 * @lsh_num_chunks_after: the value of [property@Config:lsh-num-chunks-after]
 *
 * Sets how many chunks after its own a token of LSH attention sees.
 */
INT (lsh_num_chunks_after, LSH_NUM_CHUNKS_AFTER)

/**
 * ReformerConfig:lsh-attention-probs-dropout-prob:
 *
 * The dropout probability of attention weights in LSH layers.
 *
 * From 0 to below 1; default 0; -1 is null, which cannot run.
 */
/**
 * reformer_config_get_lsh_attention_probs_dropout_prob:
 * @self: a configuration
 *
 * Gets the dropout probability of attention weights in LSH layers.
 *
 * Returns: the value of [property@Config:lsh-attention-probs-dropout-prob]
 */
/**
 * reformer_config_set_lsh_attention_probs_dropout_prob:
 * @self: a configuration
 * @lsh_attention_probs_dropout_prob: the value of [property@Config:lsh-attention-probs-dropout-prob]
 *
 * Sets the dropout probability of attention weights in LSH layers.
 */
DOUBLE (lsh_attention_probs_dropout_prob, LSH_ATTENTION_PROBS_DROPOUT_PROB)

/**
 * ReformerConfig:num-buckets:
 *
 * The number of hash buckets, as a list of its factors.
 *
 * Each factor is even; one factor is the number itself; all together make at most 65,535. The empty list (null), the default, leaves
 * it to a rule: [method@Config.get_bucket_factors].
 */
/**
 * reformer_config_get_num_buckets:
 * @self: a configuration
 * @n_factors: (out) (optional): the length of the list
 *
 * Gets the number of hash buckets, as a list of its factors.
 *
 * Returns: (transfer full) (array length=n_factors) (nullable): the list; free with g_free()
 */
/**
 * reformer_config_set_num_buckets:
 * @self: a configuration
 * @num_buckets: (array length=n_factors) (nullable): the list
 * @n_factors: the length of the list
 *
 * Sets the number of hash buckets, as a list of its factors.
 */
INTEGERS (num_buckets, NUM_BUCKETS, n_factors)

/**
 * ReformerConfig:num-hashes:
 *
 * The number of hash rounds of LSH attention.
 *
 * At least 1; default 1. More rounds miss fewer near neighbours and cost as much more.
 */
/**
 * reformer_config_get_num_hashes:
 * @self: a configuration
 *
 * Gets the number of hash rounds of LSH attention.
 *
 * Returns: the value of [property@Config:num-hashes]
 */
/**
 * reformer_config_set_num_hashes:
 * @self: a configuration
 * @num_hashes: the value of [property@Config:num-hashes]
 *
 * Sets the number of hash rounds of LSH attention.
 */
INT (num_hashes, NUM_HASHES)

/**
 * ReformerConfig:num-hashes-evaluation:
 *
 * The number of hash rounds of LSH attention where no gradient is asked for: evaluation, generation, [method@Model.forward].
 *
 * 1 to 1024; -1 (null), the default, is [property@Config:num-hashes]. More rounds extend those of training, fewer are the first of them. A key of this library.
 */
/**
 * reformer_config_get_num_hashes_evaluation:
 * @self: a configuration
 *
 * Gets the number of hash rounds of LSH attention where no gradient is asked for.
 *
 * Returns: the value of [property@Config:num-hashes-evaluation]
 */
/**
 * reformer_config_set_num_hashes_evaluation:
 * @self: a configuration
 * @num_hashes_evaluation: the value of [property@Config:num-hashes-evaluation]
 *
 * Sets the number of hash rounds of LSH attention where no gradient is asked for.
 */
INT (num_hashes_evaluation, NUM_HASHES_EVALUATION)

/**
 * ReformerConfig:hash-seed:
 *
 * The seed of the hash rotations.
 *
 * -1 (null), the default, draws them from the model's own seed. transformers draws from another generator: the seed makes runs
 * repeat here, not agree with it.
 */
/**
 * reformer_config_get_hash_seed:
 * @self: a configuration
 *
 * Gets the seed of the hash rotations.
 *
 * Returns: the value of [property@Config:hash-seed]
 */
/**
 * reformer_config_set_hash_seed:
 * @self: a configuration
 * @hash_seed: the value of [property@Config:hash-seed]
 *
 * Sets the seed of the hash rotations.
 */
INT64 (hash_seed, HASH_SEED)

/**
 * ReformerConfig:local-attn-chunk-length:
 *
 * The number of tokens in a chunk of local attention.
 *
 * At least 1; default 64. Sequences that are no longer get full attention.
 */
/**
 * reformer_config_get_local_attn_chunk_length:
 * @self: a configuration
 *
 * Gets the number of tokens in a chunk of local attention.
 *
 * Returns: the value of [property@Config:local-attn-chunk-length]
 */
/**
 * reformer_config_set_local_attn_chunk_length:
 * @self: a configuration
 * @local_attn_chunk_length: the value of [property@Config:local-attn-chunk-length]
 *
 * Sets the number of tokens in a chunk of local attention.
 */
INT (local_attn_chunk_length, LOCAL_ATTN_CHUNK_LENGTH)

/**
 * ReformerConfig:local-num-chunks-before:
 *
 * How many chunks before its own a token of local attention sees.
 *
 * At least 0; default 1.
 */
/**
 * reformer_config_get_local_num_chunks_before:
 * @self: a configuration
 *
 * Gets how many chunks before its own a token of local attention sees.
 *
 * Returns: the value of [property@Config:local-num-chunks-before]
 */
/**
 * reformer_config_set_local_num_chunks_before:
 * @self: a configuration
 * @local_num_chunks_before: the value of [property@Config:local-num-chunks-before]
 *
 * Sets how many chunks before its own a token of local attention sees.
 */
INT (local_num_chunks_before, LOCAL_NUM_CHUNKS_BEFORE)

/**
 * ReformerConfig:local-num-chunks-after:
 *
 * How many chunks after its own a token of local attention sees.
 *
 * At least 0; default 0, and 0 for the language head.
 */
/**
 * reformer_config_get_local_num_chunks_after:
 * @self: a configuration
 *
 * Gets how many chunks after its own a token of local attention sees.
 *
 * Returns: the value of [property@Config:local-num-chunks-after]
 */
/**
 * reformer_config_set_local_num_chunks_after:
 * @self: a configuration
 * @local_num_chunks_after: the value of [property@Config:local-num-chunks-after]
 *
 * Sets how many chunks after its own a token of local attention sees.
 */
INT (local_num_chunks_after, LOCAL_NUM_CHUNKS_AFTER)

/**
 * ReformerConfig:local-attention-probs-dropout-prob:
 *
 * The dropout probability of attention weights in local, full and window layers.
 *
 * From 0 to below 1; default 0.05.
 */
/**
 * reformer_config_get_local_attention_probs_dropout_prob:
 * @self: a configuration
 *
 * Gets the dropout probability of attention weights in local, full and window layers.
 *
 * Returns: the value of [property@Config:local-attention-probs-dropout-prob]
 */
/**
 * reformer_config_set_local_attention_probs_dropout_prob:
 * @self: a configuration
 * @local_attention_probs_dropout_prob: the value of [property@Config:local-attention-probs-dropout-prob]
 *
 * Sets the dropout probability of attention weights in local, full and window layers.
 */
DOUBLE (local_attention_probs_dropout_prob, LOCAL_ATTENTION_PROBS_DROPOUT_PROB)

/**
 * ReformerConfig:local-attn-circular:
 *
 * Whether in bidirectional local attention the first chunk sees the last one as the one before it, and the last the first.
 *
 * transformers always does. A key of this library: false in a new configuration, always written, and true for a file without it, so
 * that a model of transformers computes what it did.
 */
/**
 * reformer_config_get_local_attn_circular:
 * @self: a configuration
 *
 * Gets whether in bidirectional local attention the first chunk sees the last one as the one before it, and the last the first.
 *
 * Returns: the value of [property@Config:local-attn-circular]
 */
/**
 * reformer_config_set_local_attn_circular:
 * @self: a configuration
 * @local_attn_circular: the value of [property@Config:local-attn-circular]
 *
 * Sets whether in bidirectional local attention the first chunk sees the last one as the one before it, and the last the first.
 */
BOOLEAN (local_attn_circular, LOCAL_ATTN_CIRCULAR)

/**
 * ReformerConfig:window-attn-size:
 *
 * The number of tokens in the window of window attention beside the query's own.
 *
 * An even number of at least 2, half of it before the query's token and half after it; a causal model sees the first half alone. Default 128. A key of this library.
 */
/**
 * reformer_config_get_window_attn_size:
 * @self: a configuration
 *
 * Gets the number of tokens in the window of window attention beside the query's own.
 *
 * Returns: the value of [property@Config:window-attn-size]
 */
/**
 * reformer_config_set_window_attn_size:
 * @self: a configuration
 * @window_attn_size: the value of [property@Config:window-attn-size]
 *
 * Sets the number of tokens in the window of window attention beside the query's own.
 */
INT (window_attn_size, WINDOW_ATTN_SIZE)

/**
 * ReformerConfig:window-attn-dilation:
 *
 * The step of each head's window in tokens, in window attention.
 *
 * One number of at least 1 for each head; a head with the step g sees every g-th token, as many as the others and so g times as far. The empty list (null), the
 * default, is 1 for all. A key of this library.
 */
/**
 * reformer_config_get_window_attn_dilation:
 * @self: a configuration
 * @n_heads: (out) (optional): the length of the list
 *
 * Gets the step of each head's window in tokens, in window attention.
 *
 * Returns: (transfer full) (array length=n_heads) (nullable): the list; free with g_free()
 */
/**
 * reformer_config_set_window_attn_dilation:
 * @self: a configuration
 * @window_attn_dilation: (array length=n_heads) (nullable): the list
 * @n_heads: the length of the list
 *
 * Sets the step of each head's window in tokens, in window attention.
 */
INTEGERS (window_attn_dilation, WINDOW_ATTN_DILATION, n_heads)

/**
 * ReformerConfig:window-attn-global-tokens:
 *
 * The positions of the tokens that see all tokens and are seen by all, in window attention.
 *
 * The same in every row. A position that a row of a call does not have is an error of the call, see [method@Model.set_global_tokens]. The empty list (null), the
 * default, is none. A key of this library.
 */
/**
 * reformer_config_get_window_attn_global_tokens:
 * @self: a configuration
 * @n_positions: (out) (optional): the length of the list
 *
 * Gets the positions of the tokens that see all tokens and are seen by all, in window attention.
 *
 * Returns: (transfer full) (array length=n_positions) (nullable): the list; free with g_free()
 */
/**
 * reformer_config_set_window_attn_global_tokens:
 * @self: a configuration
 * @window_attn_global_tokens: (array length=n_positions) (nullable): the list
 * @n_positions: the length of the list
 *
 * Sets the positions of the tokens that see all tokens and are seen by all, in window attention.
 */
INTEGERS (window_attn_global_tokens, WINDOW_ATTN_GLOBAL_TOKENS, n_positions)
