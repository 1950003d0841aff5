/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* Words and numbers for what a model does: its head is its task. */

const char *tool_task_get_name        (ReformerHead         head);
/* Whether it is a language model, causal or masked: a target is a token. */
gboolean    tool_task_predicts_tokens (ReformerHead         head);
/* A loss in a line: "2.431 bits/byte", or "loss 0.312" where the head gives no tokens. `unit` as tool_get_unit() says. */
char       *tool_task_format_loss     (ReformerHead         head,
                                       double               loss,
                                       int                  digits,
                                       const char          *unit);
/* The metrics that fit: "accuracy 0.931, macro F1 0.904" */
char       *tool_task_format_metrics  (ReformerEvaluation  *evaluation);
/* The same as fields of a table, and as members of an object. */
void        tool_task_print_metrics   (ReformerEvaluation  *evaluation,
                                       const char          *unit);
void        tool_task_add_metrics     (ReformerEvaluation  *evaluation,
                                       json_t              *object);

G_END_DECLS
