/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

/**
 * ReformerKeep:
 * @REFORMER_KEEP_AUTO: the fastest of the others that the memory allows; a model decides at its first training step
 * @REFORMER_KEEP_EVERYTHING: all that the backward pass needs
 * @REFORMER_KEEP_INPUTS: the input of each branch, which runs again in the backward pass (gradient checkpointing)
 * @REFORMER_KEEP_NOTHING: two streams only: each branch's input is rebuilt from its output, so that memory does not grow with depth
 *
 * What a stack keeps of a forward pass for the backward pass.
 */
typedef enum
{
  REFORMER_KEEP_AUTO,
  REFORMER_KEEP_EVERYTHING,
  REFORMER_KEEP_INPUTS,
  REFORMER_KEEP_NOTHING,
} ReformerKeep;

#define REFORMER_TYPE_KEEP (reformer_keep_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType          reformer_keep_get_type    (void);

#define REFORMER_TYPE_STACK (reformer_stack_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerStack, reformer_stack, REFORMER, STACK, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerStack *reformer_stack_new         (ReformerDevice  *device);
REFORMER_AVAILABLE_IN_1_0
int            reformer_stack_get_streams (ReformerStack   *self);
REFORMER_AVAILABLE_IN_1_0
ReformerKeep   reformer_stack_get_keep    (ReformerStack   *self);
REFORMER_AVAILABLE_IN_1_0
void           reformer_stack_set_keep    (ReformerStack   *self,
                                           ReformerKeep     keep);
REFORMER_AVAILABLE_IN_1_0
gboolean       reformer_stack_insert      (ReformerStack   *self,
                                           guint            position,
                                           const char      *name,
                                           ReformerLayer   *branch,
                                           GError         **error);
REFORMER_AVAILABLE_IN_1_0
gboolean       reformer_stack_remove      (ReformerStack   *self,
                                           guint            position,
                                           GError         **error);
REFORMER_AVAILABLE_IN_1_0
const char    *reformer_stack_get_name    (ReformerStack   *self,
                                           guint            position);

G_END_DECLS
