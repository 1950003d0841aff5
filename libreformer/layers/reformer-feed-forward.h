/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_FEED_FORWARD (reformer_feed_forward_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerFeedForward, reformer_feed_forward, REFORMER, FEED_FORWARD, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerFeedForward *reformer_feed_forward_new (ReformerDevice *device,
                                                int             hidden_size,
                                                int             feed_forward_size);

G_END_DECLS
