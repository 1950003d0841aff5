/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-attention.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_LSH_ATTENTION (reformer_lsh_attention_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerLshAttention, reformer_lsh_attention, REFORMER, LSH_ATTENTION, ReformerAttention)

REFORMER_AVAILABLE_IN_1_0
ReformerLshAttention *reformer_lsh_attention_new (ReformerDevice *device,
                                        int             hidden_size,
                                        int             num_attention_heads,
                                        int             attention_head_size);
REFORMER_AVAILABLE_IN_1_0
int                   reformer_lsh_attention_get_num_hashes  (ReformerLshAttention *self);
REFORMER_AVAILABLE_IN_1_0
int                   reformer_lsh_attention_get_num_hashes_evaluation (ReformerLshAttention *self);
REFORMER_AVAILABLE_IN_1_0
int                  *reformer_lsh_attention_get_num_buckets (ReformerLshAttention *self,
                                                              gsize                *n_factors);
REFORMER_AVAILABLE_IN_1_0
void                  reformer_lsh_attention_set_num_buckets (ReformerLshAttention *self,
                                                              const int            *num_buckets,
                                                              gsize                 n_factors);
REFORMER_AVAILABLE_IN_1_0
gboolean              reformer_lsh_attention_get_exact       (ReformerLshAttention *self);
REFORMER_AVAILABLE_IN_1_0
void                  reformer_lsh_attention_set_exact       (ReformerLshAttention *self,
                                                              gboolean              exact);

G_END_DECLS
