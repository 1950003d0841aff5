/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/layers/reformer-tape.h>

G_BEGIN_DECLS

/* The last tokens of a text that grows, in an LSH layer: what the layer's own pass over the whole text gives for their rows, from the inputs and buckets of all tokens so far, of which only those
 * that the few look at are projected. */
typedef struct
{
  int             B, n;
  gint64          T;        /* tokens so far, the piece's n last ones included */
  gint64          padded;   /* the length that a pass would have */
  ReformerTensor *inputs;   /* float32 [B, capacity, H] */
  ReformerTensor *buckets;  /* uint16 [A, rounds, B, capacity] */
  gint64          capacity;
  gint64          hashed;   /* tokens whose buckets are there already */
} ReformerLshPiece;

/* Whether this is less work than the pass, and the layer is of the usual kind: hashed, norm first, no biases. */
gboolean reformer_lsh_piece_pays        (ReformerLshAttention   *layer,
                                         const ReformerLshPiece *piece);
/* New, for the piece's B and capacity. */
ReformerTensor *reformer_lsh_piece_new_buckets (ReformerLshAttention   *layer,
                                                const ReformerLshPiece *piece,
                                                ReformerTape           *tape);
/* target [B, n, H] += the attention block of x, the piece's own inputs [B, n, H]. Fills in the buckets that are missing. */
void     reformer_lsh_piece_accumulate  (ReformerLshAttention   *layer,
                                         const ReformerLshPiece *piece,
                                         ReformerTensor         *x,
                                         ReformerTensor         *target,
                                         ReformerTape           *tape);

G_END_DECLS
