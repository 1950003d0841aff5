/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* LSH attention of few queries, forward only, for a text that grows: the last n of T tokens look at what the attention operation (ops/attention.h) would show them in a sequence of T tokens
 * and padding, but only these keys are ever computed. Keys are shared with queries and normalised; a token looks at itself last. */
typedef struct
{
  int      rows, T, n; /* of the batch; tokens so far; the last n of them ask */
  int      heads, head_size;
  int      rounds, chunk, before, after;
  int      padded;     /* tokens that the chunks are cut from: a multiple of chunk, T or more. What is beyond T is masked */
  gboolean causal;
} ReformerFew;

/* Keys of one query: all rounds' windows. */
int  reformer_few_count     (const ReformerFew *few);
/* keys and sources int32 [heads][rows][n][count]: the tokens of each query's windows, -1 for none, and where their inputs stand in an array [rows][capacity]; order int32
 * [heads][rounds][rows][T]. */
void reformer_few_find      (ReformerRun       *run,
                             const ReformerFew *few,
                             ReformerSpan       order,
                             int                capacity,
                             ReformerSpan       keys,
                             ReformerSpan       sources);
/* out [rows][n][heads d] from q of that shape and from k, v [heads][rows][n][count][d]. */
void reformer_few_attention (ReformerRun       *run,
                             const ReformerFew *few,
                             ReformerSpan       q,
                             ReformerSpan       k,
                             ReformerSpan       v,
                             ReformerSpan       keys,
                             ReformerSpan       out);

G_END_DECLS
