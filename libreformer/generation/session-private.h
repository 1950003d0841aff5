/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/stack-private.h"
#include "models/model-session.h"

G_BEGIN_DECLS

/* One branch of a session's model, with the inputs that later pieces need. A piece that fails leaves all as it was: rows are written behind those that count,
 * and a larger array waits beside the old one until the piece is done. */
typedef struct
{
  ReformerLayer  *layer;
  int             target;
  gboolean        has_globals; /* when the session began: window attention has global tokens */
  ReformerTensor *kept;     /* float32 [B, capacity, H]: inputs of the tokens from `first` on; NULL: none */
  gint64          first, capacity;
  ReformerTensor *next;     /* takes the place of kept with the piece */
  gint64          next_first, next_capacity;
  ReformerTensor *derived;  /* what the layer makes of kept, for its capacity: buckets of an LSH layer, keys and values of others; NULL: none */
  gint64          n_derived; /* tokens from `first` on that have theirs */
  ReformerTensor *next_derived;
  gint64          next_n_derived;
} ReformerSessionBranch;

/* A piece on its way through the branches. */
typedef struct
{
  ReformerModel *model;
  ReformerTape  *tape;
  int            B, n, H;
  gint64         start, end; /* the piece's first token, and the one after its last */
} ReformerSessionPiece;

ReformerSessionBranch *reformer_session_branch_new    (ReformerModel               *model,
                                                       ReformerLayer               *layer);
void                   reformer_session_branch_free   (ReformerSessionBranch       *self);
/* target += the branch of the piece's rows, after everything before them. x and target are [B, n, H]. */
void                   reformer_session_branch_run    (ReformerSessionBranch       *self,
                                                       const ReformerSessionPiece  *piece,
                                                       ReformerTensor              *x,
                                                       ReformerTensor              *target);
void                   reformer_session_branch_commit (ReformerSessionBranch       *self);
/* Whether in a text of `length` tokens the branch's window is as long as the text and goes round it: what tokens see then changes with each chunk. */
gboolean               reformer_session_branch_wraps  (ReformerSessionBranch       *self,
                                                       ReformerModel               *model,
                                                       gint64                       length);

G_END_DECLS
