/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include "ops/attention.h"
#include <libreformer/layers/reformer-attention.h>

G_BEGIN_DECLS

/* The block that all attention layers share: norm, projections, the attention operation, output projection. It works through the heads in groups, so that with
 * long input only one group's arrays exist; the classes say which projections there are and fill the order and window. */
struct _ReformerAttention
{
  ReformerLayer      parent_instance;

  int                hidden_size, heads, head_size;
  int                chunk, before, after;
  gboolean           causal, circular, norm_first, has_bias;
  double             dropout, probs_dropout, eps, deviation;

  ReformerParameter *norm_weight, *norm_bias, *output;       /* borrowed from the layer */
  ReformerParameter *projections[6];                         /* query (or query_key), key, value; the key's is NULL where it is shared; the same of global tokens, or NULL */
  ReformerParameter *biases[6], *output_bias;                /* of the projections and the output; NULL without bias */

  int                reach;     /* of a band; 0: there are chunks */
  int               *dilations; /* [heads] of a band; NULL: 1 for all */
  gboolean           exact;     /* no chunks outside training */
};

/* What a class decides before the heads are worked through, for a whole pass: LSH keeps its buckets here. */
typedef struct
{
  ReformerTensor *buckets; /* uint16 [A, rounds, B, T], NULL: nothing is hashed */
  ReformerSpan    mask;    /* uint8 [B, T] or nothing */
  int             B, T;
  int             chunk;   /* at least T: everything sees everything */
  gboolean        chosen;  /* the buckets are known already: a backward uses those of its forward */
} ReformerAttentionPass;

/* Looks on: `look` is called for each group of heads of each attention layer of a pass, in order, when its keys are ordered. */
struct _ReformerWatch
{
  void (*look) (const ReformerWatch         *watch,
                ReformerAttention           *self,
                const ReformerAttentionPass *pass,
                const ReformerAttentionArgs *args,
                ReformerRun                 *run);
};

/* What tells the kinds of attention apart; a class's `kind`. */
typedef struct
{
  gboolean shared_keys; /* queries are the keys; the first projection is query_key */
  gboolean self_last;
  /* May be NULL. Checks the configuration and readies pass->buckets. */
  void (*begin) (ReformerAttention     *self,
                 ReformerAttentionPass *pass,
                 ReformerTape          *tape);
  /* NULL where `begin` is. Elements of pass->buckets; 0: it is NULL. */
  gsize (*n_buckets) (ReformerAttention           *self,
                      const ReformerAttentionPass *pass);
  /* May be NULL. Fills args->order and rounds from args->q of the heads in args; returns the order (owned by the caller), NULL for natural order. */
  ReformerTensor *(*order) (ReformerAttention     *self,
                            ReformerAttentionPass *pass,
                            ReformerAttentionArgs *args,
                            ReformerTape          *tape);
  gboolean globals; /* there are projections of their own for global tokens */
} ReformerAttentionKind;

#define REFORMER_ATTENTION_CLASS(klass) (G_TYPE_CHECK_CLASS_CAST ((klass), REFORMER_TYPE_ATTENTION, ReformerAttentionClass))

static inline const ReformerAttentionKind *
reformer_attention_get_kind (ReformerAttention *self)
{
  return G_TYPE_INSTANCE_GET_CLASS (self, REFORMER_TYPE_ATTENTION, ReformerAttentionClass)->kind;
}

/* attention-branch.c */
extern const ReformerBranch reformer_attention_branch;

/* attention-rows.c */
/* y[i] [count, heads d] = projection projections[i], for `heads` heads from the first one on, of inputs [count, H], behind the norm where the layer begins with one. */
void reformer_attention_project (ReformerAttention  *self,
                                 const int          *projections,
                                 int                 n,
                                 int                 first,
                                 int                 heads,
                                 ReformerSpan        inputs,
                                 const ReformerSpan *y,
                                 gsize               count,
                                 ReformerTape       *tape);
/* target [count, H] += the output projection of out [count, A d] */
void reformer_attention_output  (ReformerAttention  *self,
                                 ReformerSpan        out,
                                 ReformerSpan        target,
                                 gsize               count,
                                 ReformerTape       *tape);

G_END_DECLS
