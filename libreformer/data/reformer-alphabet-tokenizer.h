/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-tokenizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_ALPHABET_TOKENIZER (reformer_alphabet_tokenizer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerAlphabetTokenizer, reformer_alphabet_tokenizer, REFORMER, ALPHABET_TOKENIZER, ReformerTokenizer)

REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_alphabet_tokenizer_new          (const char                 *alphabet);
REFORMER_AVAILABLE_IN_1_0
const char        *reformer_alphabet_tokenizer_get_alphabet (ReformerAlphabetTokenizer  *self);

G_END_DECLS
