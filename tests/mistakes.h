/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models.h"

#include <libreformer/files/reformer-file-error.h>

G_BEGIN_DECLS

/* Shared by the tests of mistakes. */

/* One line with all of the words (ended by NULL), of that domain and code. Clears the error. */
void     assert_says      (GError        **error,
                           GQuark          domain,
                           int             code,
                           ...) G_GNUC_NULL_TERMINATED;
/* What a model computes from some tokens: logits, then the gradients if wanted. Must not fail. */
GArray  *test_answers     (ReformerModel  *model,
                           ReformerTensor *tokens,
                           gboolean        gradients);
/* After a mistake: the same answers to the bit, and no more memory in use than before. */
void     assert_unharmed  (ReformerModel  *model,
                           ReformerTensor *tokens,
                           GArray         *answers,
                           guint64         memory);

G_END_DECLS
