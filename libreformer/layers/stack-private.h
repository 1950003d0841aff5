/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include <libreformer/layers/reformer-stack.h>

G_BEGIN_DECLS

/* What stands before the names of inserted branches' parameters: prefix + "extra.NAME." */
void     reformer_stack_set_prefix   (ReformerStack   *self,
                                      const char      *prefix);
/* Appends a branch whose parameters get the prefix + name + "." */
void     reformer_stack_add          (ReformerStack   *self,
                                      const char      *name,
                                      ReformerLayer   *branch);
/* The keep in force: `auto` counts as everything. */
ReformerKeep reformer_stack_resolve_keep (ReformerStack *self);
/* y = the norm of a branch's sum x + f (x), in place where y is the sum; FALSE where the branch makes none. Both are [B, T, H]. */
gboolean reformer_stack_norm_sum     (ReformerLayer   *branch,
                                      ReformerTensor  *sum,
                                      ReformerTensor  *y,
                                      ReformerTape    *tape);
/* Runs the branches on the streams ([B, T, H] each; with one stream only streams[0]), which are owned by the caller and are changed in place or replaced.
 * Where the tape's record is not REFORMER_RECORD_NOTHING, the tape gets what `keep` says. */
void     reformer_stack_run_forward  (ReformerStack   *self,
                                      ReformerTensor **streams,
                                      ReformerTape    *tape);
/* From the streams that the forward left and their gradients to the gradients of the input's streams, in place or replaced. */
void     reformer_stack_run_backward (ReformerStack   *self,
                                      ReformerTensor **streams,
                                      ReformerTensor **gradients,
                                      ReformerTape    *tape);

G_END_DECLS
