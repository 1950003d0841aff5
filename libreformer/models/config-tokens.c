/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getters and setters of the settings of positions, head and tokens; the header makes the functions. */
#include "models/config-accessors.h"

/**
 * ReformerConfig:axial-pos-embds:
 *
 * Whether positions are axial, rather than a table with a row for each.
 *
 * Default true.
 */
/**
 * reformer_config_get_axial_pos_embds:
 * @self: a configuration
 *
 * Gets whether positions are axial, rather than a table with a row for each.
 *
 * Returns: the value of [property@Config:axial-pos-embds]
 */
/**
 * reformer_config_set_axial_pos_embds:
 * @self: a configuration
 * @axial_pos_embds: the value of [property@Config:axial-pos-embds]
 *
 * Sets whether positions are axial, rather than a table with a row for each.
 */
BOOLEAN (axial_pos_embds, AXIAL_POS_EMBDS)

/**
 * ReformerConfig:axial-pos-shape:
 *
 * The shape of the grid of axial positions.
 *
 * One to seven axes; default `[64, 64]`. Its product is the longest sequence. [method@Config.choose_axial_shape] finds one for a
 * length.
 */
/**
 * reformer_config_get_axial_pos_shape:
 * @self: a configuration
 * @n_axes: (out) (optional): the length of the list
 *
 * Gets the shape of the grid of axial positions.
 *
 * Returns: (transfer full) (array length=n_axes) (nullable): the list; free with g_free()
 */
/**
 * reformer_config_set_axial_pos_shape:
 * @self: a configuration
 * @axial_pos_shape: (array length=n_axes) (nullable): the list
 * @n_axes: the length of the list
 *
 * Sets the shape of the grid of axial positions.
 */
INTEGERS (axial_pos_shape, AXIAL_POS_SHAPE, n_axes)

/**
 * ReformerConfig:axial-pos-embds-dim:
 *
 * The width of each axis's part of an axial position.
 *
 * As many as there are axes; their sum is the hidden size. Default `[64, 192]`.
 */
/**
 * reformer_config_get_axial_pos_embds_dim:
 * @self: a configuration
 * @n_axes: (out) (optional): the length of the list
 *
 * Gets the width of each axis's part of an axial position.
 *
 * Returns: (transfer full) (array length=n_axes) (nullable): the list; free with g_free()
 */
/**
 * reformer_config_set_axial_pos_embds_dim:
 * @self: a configuration
 * @axial_pos_embds_dim: (array length=n_axes) (nullable): the list
 * @n_axes: the length of the list
 *
 * Sets the width of each axis's part of an axial position.
 */
INTEGERS (axial_pos_embds_dim, AXIAL_POS_EMBDS_DIM, n_axes)

/**
 * ReformerConfig:axial-norm-std:
 *
 * The standard deviation of new axial position weights.
 *
 * From 0 up; default 1.
 */
/**
 * reformer_config_get_axial_norm_std:
 * @self: a configuration
 *
 * Gets the standard deviation of new axial position weights.
 *
 * Returns: the value of [property@Config:axial-norm-std]
 */
/**
 * reformer_config_set_axial_norm_std:
 * @self: a configuration
 * @axial_norm_std: the value of [property@Config:axial-norm-std]
 *
 * Sets the standard deviation of new axial position weights.
 */
DOUBLE (axial_norm_std, AXIAL_NORM_STD)

/**
 * ReformerConfig:max-position-embeddings:
 *
 * The number of rows of the table of positions.
 *
 * At least 1; default 4096. With axial positions it limits nothing here, but transformers refuses what is longer: a file gets at
 * least the product of the axial shape.
 */
/**
 * reformer_config_get_max_position_embeddings:
 * @self: a configuration
 *
 * Gets the number of rows of the table of positions.
 *
 * Returns: the value of [property@Config:max-position-embeddings]
 */
/**
 * reformer_config_set_max_position_embeddings:
 * @self: a configuration
 * @max_position_embeddings: the value of [property@Config:max-position-embeddings]
 *
 * Sets the number of rows of the table of positions.
 */
INT (max_position_embeddings, MAX_POSITION_EMBEDDINGS)

/**
 * ReformerConfig:num-labels:
 *
 * The number of outputs of the heads that classify or give numbers.
 *
 * At least 1; default 2. In a file it is the size of `id2label`.
 */
/**
 * reformer_config_get_num_labels:
 * @self: a configuration
 *
 * Gets the number of outputs of the heads that classify or give numbers.
 *
 * Returns: the value of [property@Config:num-labels]
 */
/**
 * reformer_config_set_num_labels:
 * @self: a configuration
 * @num_labels: the value of [property@Config:num-labels]
 *
 * Sets the number of outputs of the heads that classify or give numbers.
 */
INT (num_labels, NUM_LABELS)

/**
 * ReformerConfig:problem-type:
 *
 * Transformers' name for what a sequence classifier learns.
 *
 * `regression`, `single_label_classification`, `multi_label_classification` or %NULL, the default. [property@Config:head] is what
 * counts; a file read gives the one from the other.
 */
/**
 * reformer_config_get_problem_type:
 * @self: a configuration
 *
 * Gets transformers' name for what a sequence classifier learns.
 *
 * Returns: (transfer none) (nullable): the value of [property@Config:problem-type]
 */
/**
 * reformer_config_set_problem_type:
 * @self: a configuration
 * @problem_type: (nullable): the value of [property@Config:problem-type]
 *
 * Sets transformers' name for what a sequence classifier learns.
 */
STRING (problem_type, PROBLEM_TYPE)

/**
 * ReformerConfig:classifier-dropout:
 *
 * The dropout probability inside the heads that classify sequences or tokens, or give numbers for a sequence.
 *
 * From 0 to below 1; -1 (null), the default, means [property@Config:hidden-dropout-prob].
 */
/**
 * reformer_config_get_classifier_dropout:
 * @self: a configuration
 *
 * Gets the dropout probability inside the classification head.
 *
 * Returns: the value of [property@Config:classifier-dropout]
 */
/**
 * reformer_config_set_classifier_dropout:
 * @self: a configuration
 * @classifier_dropout: the value of [property@Config:classifier-dropout]
 *
 * Sets the dropout probability inside the classification head.
 */
DOUBLE (classifier_dropout, CLASSIFIER_DROPOUT)

/**
 * ReformerConfig:class-weights:
 *
 * How much each class counts in the loss, for data in which some classes are rare.
 *
 * A number of at least 0 for each of [property@Config:num-labels], of the heads `classification` and `tokens`: the loss is the sum of
 * the targets' losses times the weights of their classes, divided by the sum of these weights. A class of weight 0 is no target. The
 * empty list, the default, is 1 for each. The key in the file, `class_weights`, is one of this library; transformers keeps it and does
 * nothing with it.
 */
/**
 * reformer_config_get_class_weights:
 * @self: a configuration
 * @n_classes: (out) (optional): the length of the list
 *
 * Gets how much each class counts in the loss.
 *
 * Returns: (transfer full) (array length=n_classes) (nullable): the list; free with g_free()
 */
/**
 * reformer_config_set_class_weights:
 * @self: a configuration
 * @class_weights: (array length=n_classes) (nullable): the list
 * @n_classes: the length of the list
 *
 * Sets how much each class counts in the loss.
 */
DOUBLES (class_weights, CLASS_WEIGHTS, n_classes)

/**
 * ReformerConfig:chunk-size-lm-head:
 *
 * The number of tokens that transformers passes through the language head at once.
 *
 * 0, the default, is all of them. Kept for transformers.
 */
/**
 * reformer_config_get_chunk_size_lm_head:
 * @self: a configuration
 *
 * Gets the number of tokens that transformers passes through the language head at once.
 *
 * Returns: the value of [property@Config:chunk-size-lm-head]
 */
/**
 * reformer_config_set_chunk_size_lm_head:
 * @self: a configuration
 * @chunk_size_lm_head: the value of [property@Config:chunk-size-lm-head]
 *
 * Sets the number of tokens that transformers passes through the language head at once.
 */
INT (chunk_size_lm_head, CHUNK_SIZE_LM_HEAD)

/**
 * ReformerConfig:tie-word-embeddings:
 *
 * Whether the file asks for tied embeddings.
 *
 * Default false. They cannot be tied, one being twice as wide: transformers accepts true and does nothing, and so does this library.
 */
/**
 * reformer_config_get_tie_word_embeddings:
 * @self: a configuration
 *
 * Gets whether the file asks for tied embeddings.
 *
 * Returns: the value of [property@Config:tie-word-embeddings]
 */
/**
 * reformer_config_set_tie_word_embeddings:
 * @self: a configuration
 * @tie_word_embeddings: the value of [property@Config:tie-word-embeddings]
 *
 * Sets whether the file asks for tied embeddings.
 */
BOOLEAN (tie_word_embeddings, TIE_WORD_EMBEDDINGS)

/**
 * ReformerConfig:tied-projection:
 *
 * Whether a language head computes its logits by the matrix of the word embeddings.
 *
 * Default false. The logits of a hidden state z are then W P z + b, where W `[V, H]` is the embeddings' matrix and P, `lm_head.projection.weight`, maps the width of z to H;
 * the gradients of both uses of W add up. Other heads do not look at it. A key of this library: [property@Config:tie-word-embeddings] does nothing, as in transformers.
 */
/**
 * reformer_config_get_tied_projection:
 * @self: a configuration
 *
 * Gets whether a language head computes its logits by the matrix of the word embeddings.
 *
 * Returns: the value of [property@Config:tied-projection]
 */
/**
 * reformer_config_set_tied_projection:
 * @self: a configuration
 * @tied_projection: the value of [property@Config:tied-projection]
 *
 * Sets whether a language head computes its logits by the matrix of the word embeddings.
 */
BOOLEAN (tied_projection, TIED_PROJECTION)

/**
 * ReformerConfig:pad-token-id:
 *
 * The id of the padding token.
 *
 * Default 0; -1 is null.
 */
/**
 * reformer_config_get_pad_token_id:
 * @self: a configuration
 *
 * Gets the id of the padding token.
 *
 * Returns: the value of [property@Config:pad-token-id]
 */
/**
 * reformer_config_set_pad_token_id:
 * @self: a configuration
 * @pad_token_id: the value of [property@Config:pad-token-id]
 *
 * Sets the id of the padding token.
 */
INT (pad_token_id, PAD_TOKEN_ID)

/**
 * ReformerConfig:eos-token-id:
 *
 * The id of the token that ends a text.
 *
 * Default 2; -1 is null. Of a list in a file it is the first; the list stays in the file as long as this is not changed.
 */
/**
 * reformer_config_get_eos_token_id:
 * @self: a configuration
 *
 * Gets the id of the token that ends a text.
 *
 * Returns: the value of [property@Config:eos-token-id]
 */
/**
 * reformer_config_set_eos_token_id:
 * @self: a configuration
 * @eos_token_id: the value of [property@Config:eos-token-id]
 *
 * Sets the id of the token that ends a text.
 */
INT (eos_token_id, EOS_TOKEN_ID)

/**
 * ReformerConfig:bos-token-id:
 *
 * The id of the token that begins a text.
 *
 * -1 (null), the default, is none.
 */
/**
 * reformer_config_get_bos_token_id:
 * @self: a configuration
 *
 * Gets the id of the token that begins a text.
 *
 * Returns: the value of [property@Config:bos-token-id]
 */
/**
 * reformer_config_set_bos_token_id:
 * @self: a configuration
 * @bos_token_id: the value of [property@Config:bos-token-id]
 *
 * Sets the id of the token that begins a text.
 */
INT (bos_token_id, BOS_TOKEN_ID)

/**
 * ReformerConfig:head:
 *
 * What the model has on top of its stack.
 *
 * Default [enum@Head].LANGUAGE, which needs [property@Config:is-decoder]. A file has it in `architectures` and `problem_type`.
 */
/**
 * reformer_config_get_head:
 * @self: a configuration
 *
 * Gets what the model has on top of its stack.
 *
 * Returns: the value of [property@Config:head]
 */
ReformerHead
reformer_config_get_head (ReformerConfig *self)
{
  g_return_val_if_fail (REFORMER_IS_CONFIG (self), REFORMER_HEAD_NONE);

  return self->head;
}

/**
 * reformer_config_set_head:
 * @self: a configuration
 * @head: the value of [property@Config:head]
 *
 * Sets what the model has on top of its stack.
 */
void
reformer_config_set_head (ReformerConfig *self,
                          ReformerHead    head)
{
  g_return_if_fail (REFORMER_IS_CONFIG (self));
  g_return_if_fail (head <= REFORMER_HEAD_NONE);

  reformer_config_change_enum (self, REFORMER_CONFIG_HEAD, (int) head);
}
