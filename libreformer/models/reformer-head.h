/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <glib-object.h>

#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * ReformerHead:
 * @REFORMER_HEAD_LANGUAGE: logits of the next token `[B, T, V]`, causal (`ReformerModelWithLMHead`)
 * @REFORMER_HEAD_MASKED_LANGUAGE: logits of the token itself `[B, T, V]`, bidirectional (`ReformerForMaskedLM`)
 * @REFORMER_HEAD_CLASSIFICATION: one class for a sequence `[B, labels]` (`ReformerForSequenceClassification`)
 * @REFORMER_HEAD_REGRESSION: numbers for a sequence `[B, labels]`, by mean squared error (`ReformerForSequenceClassification`)
 * @REFORMER_HEAD_MULTI_LABEL: any number of classes for a sequence `[B, labels]` (`ReformerForSequenceClassification`)
 * @REFORMER_HEAD_SPANS: where an answer begins and ends `[B, T, 2]` (`ReformerForQuestionAnswering`)
 * @REFORMER_HEAD_TOKENS: a class for each token `[B, T, labels]` (`ReformerForTokens`, a name of this library)
 * @REFORMER_HEAD_VALUES: numbers for each token `[B, T, labels]` (`ReformerForValues`, a name of this library)
 * @REFORMER_HEAD_NONE: no head: the last hidden state `[B, T, 2H]`, or `[B, T, H]` with one stream (`ReformerModel`)
 *
 * What a model puts on top of its stack, and with it which loss it has: [method@Model.compute_gradients] says what labels each wants.
 *
 * All read the last hidden state, both streams side by side. The heads of sequences take that of the first token, through a dense layer of H, tanh, and another layer
 * (`classifier.dense`, `classifier.out_proj`), with [property@Config:classifier-dropout] before each. The heads of tokens are one layer: `lm_head.decoder` with the bias `lm_head.bias`,
 * `qa_outputs`, `classifier` (`tokens`, with the dropout before it) and `value_outputs` (`values`).
 */
typedef enum
{
  REFORMER_HEAD_LANGUAGE,
  REFORMER_HEAD_MASKED_LANGUAGE,
  REFORMER_HEAD_CLASSIFICATION,
  REFORMER_HEAD_REGRESSION,
  REFORMER_HEAD_MULTI_LABEL,
  REFORMER_HEAD_SPANS,
  REFORMER_HEAD_TOKENS,
  REFORMER_HEAD_VALUES,
  REFORMER_HEAD_NONE,
} ReformerHead;

#define REFORMER_TYPE_HEAD (reformer_head_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType reformer_head_get_type (void);

G_END_DECLS
