/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/attention-private.h"

G_BEGIN_DECLS

/* What an inspection keeps of one attention layer's pass, in host memory: queries and keys, and what tells which keys a query sees. */
typedef struct
{
  char     *name, *kind;
  int       B, T;  /* padded */
  int       T0;    /* as given */
  int       heads, head_size;
  int       rounds;
  int       chunk, before, after; /* chunk >= T: everything sees everything */
  gboolean  circular, causal, self_last;
  double    scale;
  int       reach;      /* of a band, where chunks play no part; 0: there is none */
  int      *dilations;  /* [heads] of a band; NULL: 1 for all */
  float    *q;       /* [B][T][heads * head_size] */
  float    *k;       /* NULL: keys are the queries, normalised */
  gint32   *order;   /* [heads][rounds][B][T], NULL: natural */
  guint16  *buckets; /* [heads][rounds][B][T], NULL: nothing was hashed */
  guint8   *mask;    /* [B][T], 1 = keep, NULL: all kept */
  guint8   *globals; /* [B][T], 1 = sees all tokens and is seen by all, NULL: none */
  float    *global_q, *global_k; /* what global tokens ask, and whom: [B][T][heads * head_size] */
} ReformerSeen;

void reformer_seen_free (ReformerSeen *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerSeen, reformer_seen_free)

/* A key that a query sees in a round: twice in the list where it is twice in the window. */
typedef struct
{
  int    token;
  int    round;
  double weight; /* all of a query's together: 1 */
} ReformerSeenKey;

/* One head of one row, ready to be asked. */
typedef struct
{
  const ReformerSeen *seen;
  int                 row, head;
  gint32             *places;  /* [rounds][T]: where in the order a token is; NULL: natural */
  double             *lengths; /* [T]: what a shared key is multiplied by; NULL: nothing */
} ReformerSeenHead;

void     reformer_seen_head_begin (ReformerSeenHead       *self,
                                   const ReformerSeen     *seen,
                                   int                     row,
                                   int                     head);
void     reformer_seen_head_clear (ReformerSeenHead       *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerSeenHead, reformer_seen_head_clear)

/* The keys that the token attends to, with the weights that the layer gives them, in no order; none for a masked token. */
GArray  *reformer_seen_list_keys  (const ReformerSeenHead *self,
                                   int                     token);
/* Which part of its softmax over all tokens lies on those keys. */
double   reformer_seen_cover      (const ReformerSeenHead *self,
                                   int                     token,
                                   GArray                 *keys);
gboolean reformer_seen_is_kept    (const ReformerSeen     *self,
                                   int                     row,
                                   int                     token);
/* Buckets of a head that hold kept tokens, as a mean over rounds and rows, and the most kept tokens in one; 0 where nothing was hashed. */
void     reformer_seen_count      (const ReformerSeen     *self,
                                   int                     head,
                                   double                 *used,
                                   int                    *largest);

G_END_DECLS
