/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/layers/reformer-attention.h>
#include <libreformer/layers/reformer-tape.h>

G_BEGIN_DECLS

/* The last tokens of a text that grows, in a causal layer whose windows are of tokens in their order (full, window and local attention): what the layer's own pass gives for their rows, from
 * the keys and values of all tokens in these windows, each of which is projected once. */
typedef struct
{
  int             B, n;
  gint64          T;        /* tokens from the arrays' first one on, which begins a chunk; the piece's n last ones included */
  ReformerTensor *inputs;   /* float32 [B, capacity, H] */
  ReformerTensor *cache;    /* float32 [2, B, capacity, A d]: keys, values */
  gint64          capacity;
  gint64          cached;   /* tokens whose keys and values are there already */
} ReformerCachedPiece;

/* Whether this is less work than the pass. */
gboolean        reformer_cached_piece_pays       (ReformerAttention         *layer,
                                                  int                        B,
                                                  int                        n,
                                                  gint64                     T);
/* New, for the piece's B and capacity. */
ReformerTensor *reformer_cached_piece_new_cache  (ReformerAttention         *layer,
                                                  const ReformerCachedPiece *piece,
                                                  ReformerTape              *tape);
/* target [B, n, H] += the attention block of x, the piece's own inputs [B, n, H]. Fills in the keys and values that are missing. */
void            reformer_cached_piece_accumulate (ReformerAttention         *layer,
                                                  const ReformerCachedPiece *piece,
                                                  ReformerTensor            *x,
                                                  ReformerTensor            *target,
                                                  ReformerTape              *tape);

G_END_DECLS
