/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/layers/reformer-lsh-attention.h>

#include "ops/hash.h"

G_BEGIN_DECLS

/* Other factors, also where settings are fixed; only while there are no rotations. */
void         reformer_lsh_attention_change_buckets (ReformerLshAttention *self,
                                                    const int            *factors,
                                                    gsize                 n_factors);
/* How the heads from that one on are hashed in so many rounds; the caller adds what is hashed. */
ReformerHash reformer_lsh_attention_hash           (ReformerLshAttention *self,
                                                    ReformerRun          *run,
                                                    int                   first_head,
                                                    int                   rounds);
/* Rounds outside training. */
int          reformer_lsh_attention_get_rounds     (ReformerLshAttention *self);
/* 0: the factors make no sense, and a pass says why. */
int          reformer_lsh_attention_count_buckets  (ReformerLshAttention *self);

G_END_DECLS
