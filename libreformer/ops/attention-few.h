/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* Attention of few queries, forward only, for a text that grows: the last n of T tokens look at what the attention operation (ops/attention.h) would show them in a sequence of T tokens. Each
 * has a list of `count` keys. */
typedef struct
{
  int rows, T, n; /* of the batch; tokens so far; the last n of them ask */
  int heads, head_size;
  int count;      /* keys of one query */
  int capacity;   /* 0: k and v were gathered for the lists. More: they are of all tokens, for so many in a row of the batch */
} ReformerFew;

/* The windows of LSH attention, in which k and v are gathered, keys are shared with queries and normalised, and a token looks at itself last. */
typedef struct
{
  int      rounds, chunk, before, after;
  int      padded; /* tokens that the chunks are cut from: a multiple of chunk, T or more. What is beyond T is masked */
  gboolean causal;
} ReformerFewWindows;

/* Keys in all rounds' windows. */
int  reformer_few_count     (const ReformerFewWindows *windows);
/* keys and sources int32 [heads][rows][n][count]: the tokens of each query's windows, -1 for none, and where their inputs stand in an array [rows][capacity]; order int32
 * [heads][rounds][rows][T]. */
void reformer_few_find      (ReformerRun              *run,
                             const ReformerFew        *few,
                             const ReformerFewWindows *windows,
                             ReformerSpan              order,
                             int                       capacity,
                             ReformerSpan              keys,
                             ReformerSpan              sources);
/* The same of causal attention in natural order: the query's own token last, and every step-th one before it, as far as the chunk that stands `before` chunks before its own. */
void reformer_few_near      (ReformerRun              *run,
                             const ReformerFew        *few,
                             int                       first_head,
                             int                       n_heads,
                             int                       step,
                             int                       chunk,
                             int                       before,
                             ReformerSpan              keys);
/* out [rows][n][heads d] from q of that shape and from k, v [heads][rows][n][count][d], or [rows][capacity][heads d]. */
void reformer_few_attention (ReformerRun              *run,
                             const ReformerFew        *few,
                             ReformerSpan              q,
                             ReformerSpan              k,
                             ReformerSpan              v,
                             ReformerSpan              keys,
                             ReformerSpan              out);

G_END_DECLS
