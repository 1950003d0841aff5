/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* What train, evaluate and generate open before they can work. */

/* The device that --device names (NULL: the default one), kept to `limit` bytes (0: its memory). */
ReformerDevice    *tool_open_device    (const char      *wanted,
                                        guint64          limit,
                                        GError         **error);
/* The tokenizer that the folder names; where it names none, bytes, if the vocabulary is theirs. NULL for a model whose input is vectors. */
gboolean           tool_find_tokenizer (GFile              *folder,
                                        ReformerConfig     *config,
                                        ReformerTokenizer **tokenizer,
                                        GCancellable       *cancellable,
                                        GError            **error);
/* The same for what is about text: an error for a model whose input is vectors. */
ReformerTokenizer *tool_need_tokenizer (GFile              *folder,
                                        ReformerConfig     *config,
                                        GCancellable       *cancellable,
                                        GError            **error);
/* The trainer's sequence length where it is not given: `wanted` (0: its default), or all the positions that the model has, if these are fewer. */
void               tool_fit_length     (ReformerTrainer *trainer,
                                        int              wanted);
/* "byte" for the byte tokenizer, else "token": what a bit is counted per. */
const char        *tool_get_unit       (ReformerTokenizer *tokenizer);

G_END_DECLS
