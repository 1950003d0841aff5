/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/layers/reformer-lsh-attention.h>

G_BEGIN_DECLS

/* Other factors, also where settings are fixed; only while there are no rotations. */
void reformer_lsh_attention_change_buckets (ReformerLshAttention *self,
                                            const int            *factors,
                                            gsize                 n_factors);

G_END_DECLS
