/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-tokenizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_BYTE_TOKENIZER (reformer_byte_tokenizer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerByteTokenizer, reformer_byte_tokenizer, REFORMER, BYTE_TOKENIZER, ReformerTokenizer)

REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_byte_tokenizer_new (void);

G_END_DECLS
