/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/models/reformer-model.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_SESSION (reformer_session_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerSession, reformer_session, REFORMER, SESSION, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerSession *reformer_session_new        (ReformerModel    *model);
REFORMER_AVAILABLE_IN_1_0
ReformerModel   *reformer_session_get_model  (ReformerSession  *self);
REFORMER_AVAILABLE_IN_1_0
int              reformer_session_get_length (ReformerSession  *self);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor  *reformer_session_feed       (ReformerSession  *self,
                                              ReformerTensor   *tokens,
                                              GCancellable     *cancellable,
                                              GError          **error);
REFORMER_AVAILABLE_IN_1_0
void             reformer_session_clear      (ReformerSession  *self);

G_END_DECLS
