/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* (The struct is ReformerAttentionArgs because ReformerAttention is the public class of layers/.)
 *
 * The one attention operation: queries look at keys through an order (a permutation of tokens, one a round), a window of chunks in that order, and masks
 * on token positions. Scores never reach memory. Several rounds are joined by their log-sum-exps, exactly (spec 3.4.4 to 3.5, section 6).
 *
 *   q, k, v, out and gradients   [rows][T][stride], head h of the group in columns h * head_size ...
 *   order   int32 [heads][rounds][rows][T]: token at each place; no tensor: natural order (then rounds is 1)
 *   mask    uint8 [rows][T], 1 = keep, no tensor: all kept. A masked key has weight exactly 0; a masked query gives zeros (and no gradient)
 *   stats   float [heads][rows][T][2]: maximum m and sum l over all rounds, in base 2: the weight of score s is 2^(s log2 e - m) / l
 *
 * Chunk i of L places sees chunks i - before ... i + after. circular: modulo all chunks of all rounds of (row, head) together, which form one ring; else the
 * window ends where the sequence does. chunk >= T: everything sees everything (full attention; tiles with online softmax, any T). Else T is a multiple of chunk.
 * A window that wraps onto itself sees a key twice, as in the paper's code.
 *
 * A band (dilation > 0; T of any length, natural order; chunk, before, after and circular are not read): a query sees the keys at most reach * dilation tokens
 * from it whose distance is a multiple of the dilation, and all of `globals`, whichever their distance. Global tokens have to be 0 in the mask: they are keys by the
 * list alone, so that none counts twice, and get zeros as queries do that are masked.
 * from_globals: queries are the globals alone, each of which sees all keys; other rows of out, stats and dq are left as they are. chunk >= T.
 *
 * Scores: scale * q . k; with no tensor k the keys are q / sqrt (mean (q^2) + 1e-6) / sqrt (head_size) (spec 3.4.1) and scale is 1.
 * Values replace the score in this order: not allowed (masked key, or causal and key token > query token): -1e9; then, with self_last, key token = query token: -1e5.
 * A weight whose score lies 126 or more (base 2) below the maximum is exactly 0. */
typedef struct
{
  int             rows, T, stride, heads, head_size;
  ReformerSpan    q;
  ReformerSpan    k;      /* no tensor: shared with q, normalised (LSH) */
  ReformerSpan    v;
  float           scale;
  ReformerSpan    order;
  int             rounds;
  int             chunk, before, after;
  gboolean        circular;
  gboolean        causal;
  gboolean        self_last;
  ReformerSpan    mask;
  ReformerDropout dropout;    /* of the weights; row b is sequence dropout.sequence + b; index ((first_head + h) * rounds * T + place in the ring) * window + slot,
                               * window = keys of a window, slot = the key's number in it. In a band, and from globals: token in place
                               * of the place, without rounds; a window's slots are those of its chunks, then the globals, filled up to whole quads */
  int             dilation;   /* 0: no band */
  int             reach;      /* keys to each side in the band; causal: to the left */
  ReformerSpan    globals;    /* int32 [rows][n_globals], -1 behind a row's last */
  int             n_globals;
  gboolean        from_globals;
  int             first_head; /* number of the group's first head in the layer */
} ReformerAttentionArgs;

void reformer_attention_forward  (ReformerRun             *run,
                                  const ReformerAttentionArgs *attention,
                                  ReformerSpan             out,
                                  ReformerSpan             stats);
/* The backward pass begins with deltas [heads][rows][T] = dout . out, which is all that it needs of the joined out: its memory may go before the gradients' comes. */
ReformerTensor *reformer_attention_deltas (ReformerRun                 *run,
                                           const ReformerAttentionArgs *attention,
                                           ReformerSpan                 out,
                                           ReformerSpan                 dout);
/* From the stats of the forward, and deltas. dq, dk (no tensor when keys are shared: dq then holds both) and dv are set. */
void reformer_attention_backward (ReformerRun             *run,
                                  const ReformerAttentionArgs *attention,
                                  ReformerSpan             deltas,
                                  ReformerSpan             stats,
                                  ReformerSpan             dout,
                                  ReformerSpan             dq,
                                  ReformerSpan             dk,
                                  ReformerSpan             dv);

G_END_DECLS
