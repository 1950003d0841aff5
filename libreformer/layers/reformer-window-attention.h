/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-attention.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_WINDOW_ATTENTION (reformer_window_attention_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerWindowAttention, reformer_window_attention, REFORMER, WINDOW_ATTENTION, ReformerAttention)

REFORMER_AVAILABLE_IN_1_0
ReformerWindowAttention *reformer_window_attention_new             (ReformerDevice          *device,
                                                                    int                      hidden_size,
                                                                    int                      num_attention_heads,
                                                                    int                      attention_head_size);
REFORMER_AVAILABLE_IN_1_0
int                      reformer_window_attention_get_window_size (ReformerWindowAttention *self);
REFORMER_AVAILABLE_IN_1_0
int                     *reformer_window_attention_get_dilation    (ReformerWindowAttention *self,
                                                                    gsize                   *n_heads);
REFORMER_AVAILABLE_IN_1_0
void                     reformer_window_attention_set_dilation    (ReformerWindowAttention *self,
                                                                    const int               *dilation,
                                                                    gsize                    n_heads);

G_END_DECLS
