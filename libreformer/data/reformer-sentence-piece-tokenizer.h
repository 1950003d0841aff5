/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-tokenizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_SENTENCE_PIECE_TOKENIZER (reformer_sentence_piece_tokenizer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerSentencePieceTokenizer, reformer_sentence_piece_tokenizer, REFORMER, SENTENCE_PIECE_TOKENIZER, ReformerTokenizer)

REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_sentence_piece_tokenizer_new_from_file  (GFile         *file,
                                                                     GCancellable  *cancellable,
                                                                     GError       **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_sentence_piece_tokenizer_new_from_bytes (GBytes        *bytes,
                                                                     GError       **error);

G_END_DECLS
