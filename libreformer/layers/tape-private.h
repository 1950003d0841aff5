/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/random.h"
#include "layers/parameter-private.h"
#include "ops/product.h"
#include <libreformer/layers/reformer-tape.h>

G_BEGIN_DECLS

/* How much of the forward pass a backward finds on the tape. */
typedef enum
{
  REFORMER_RECORD_NOTHING,    /* no backward will come */
  REFORMER_RECORD_DECISIONS,  /* only what computing again could decide otherwise: the buckets of LSH layers */
  REFORMER_RECORD_EVERYTHING, /* all that saves work in the backward */
} ReformerRecord;

typedef struct _ReformerGlobals ReformerGlobals; /* tape-globals.h */

ReformerRecord  reformer_tape_get_record (ReformerTape      *self);
void            reformer_tape_set_record (ReformerTape      *self,
                                          ReformerRecord     record);
/* The run of the tape: the first error of all layers sticks to it. */
ReformerRun    *reformer_tape_get_run    (ReformerTape      *self);
/* Moves the run's error, if any, to `error`: what forward and backward of a layer end with. */
gboolean        reformer_tape_check      (ReformerTape      *self,
                                          GError           **error);
/* Drops what was made of weights and masks, before a pass that may see others. */
void            reformer_tape_forget     (ReformerTape      *self);
/* push and pop whatever `recording` says; NULL may be pushed. */
void            reformer_tape_save       (ReformerTape      *self,
                                          ReformerTensor    *tensor);
ReformerTensor *reformer_tape_restore    (ReformerTape      *self);
/* Notes whether the forward pass leaves a layer out, and returns it: the backward pass then does the same, whatever the layer's setting is by then. */
gboolean        reformer_tape_leave_out  (ReformerTape      *self,
                                          gpointer           layer,
                                          gboolean           out);
gboolean        reformer_tape_is_left_out (ReformerTape     *self,
                                           gpointer          layer);
/* Whom attention layers tell what they work with (attention-private.h); NULL: nobody. It must live as long as the pass. */
typedef struct _ReformerWatch ReformerWatch;
const ReformerWatch *reformer_tape_get_watch (ReformerTape        *self);
void            reformer_tape_set_watch  (ReformerTape        *self,
                                          const ReformerWatch *watch);
/* Around a layer written elsewhere: notes how deep the tape is before its forward pass, and fails the run where it is not as deep after its backward pass. */
void            reformer_tape_mark       (ReformerTape      *self);
void            reformer_tape_check_mark (ReformerTape      *self,
                                          gpointer           layer);
/* Where a forward pass begins, to go back there when it fails. */
typedef struct
{
  guint depth;
  guint n_marks;
} ReformerTapePlace;

ReformerTapePlace reformer_tape_get_place (ReformerTape            *self);
void              reformer_tape_go_back   (ReformerTape            *self,
                                           const ReformerTapePlace *place);
/* restore, for the backward pass of a layer (its name is for the message): the run fails unless it is of that type and size; 0 elements: NULL. Other layers,
 * written elsewhere, may have popped what is not theirs. */
ReformerTensor *reformer_tape_take       (ReformerTape      *self,
                                          gpointer           layer,
                                          ReformerDType      dtype,
                                          gsize              n_elements);

/* Tokens that token-wise work handles at a time where a token takes `width` floats of scratch: a multiple of REFORMER_BLOCK. Sums do not depend on it. */
gsize           reformer_tape_get_piece  (ReformerTape      *self,
                                          gsize              width);
/* Forces the size of pieces (tests), a multiple of REFORMER_BLOCK; 0 = chosen. */
void            reformer_tape_set_piece  (ReformerTape      *self,
                                          gsize              tokens);
/* A dropout of this run: none unless training. `layer` is the layer's number in the model, `place` 0 .. 15 tells its dropouts apart. */
ReformerDropout reformer_tape_dropout    (ReformerTape      *self,
                                          double             p,
                                          guint              layer,
                                          guint              place);
/* A part of a parameter, n x k (transpose) or k x n with leading dimension ldw from `element` on, packed once in the life of the tape. */
ReformerTensor *reformer_tape_packed     (ReformerTape      *self,
                                          ReformerParameter *parameter,
                                          gsize              element,
                                          int                n,
                                          int                k,
                                          int                ldw,
                                          gboolean           transpose);

/* The table of packed copies: PackedKey to ReformerTensor, or NULL where the dialect wants none. */
GHashTable     *reformer_packed_new      (void);
GHashTable     *reformer_tape_get_packed (ReformerTape      *self);

/* Which part of a parameter is a matrix. */
typedef struct
{
  ReformerParameter *parameter;
  gsize              element;
  int                ldw;
} ReformerMatrix;

/* Y[m,n] = / += / -= X[m,k] W[n,k]^T + bias. Where W begins at some row of its parameter, the bias's part begins there too. With an epilogue, or NULL. */
void            reformer_tape_forward    (ReformerTape      *self,
                                          ReformerMatrix     w,
                                          ReformerParameter *bias,
                                          ReformerSpan       x,
                                          int                ldx,
                                          ReformerSpan       y,
                                          int                ldy,
                                          gsize              m,
                                          int                n,
                                          int                k,
                                          ReformerStore      store,
                                          const ReformerEpilogue *epilogue);
/* Y[m,n] = norm (X[m,k]) W[n,k]^T + bias, with an epilogue, or NULL. u, [m,k], gets the norm's output; no tensor: nobody wants it. */
void            reformer_tape_forward_norm (ReformerTape      *self,
                                          ReformerMatrix     w,
                                          ReformerParameter *bias,
                                          const ReformerNorm *norm,
                                          ReformerSpan       u,
                                          ReformerSpan       y,
                                          int                ldy,
                                          gsize              m,
                                          int                n,
                                          int                k,
                                          const ReformerEpilogue *epilogue);
/* DX[m,n] = / += / -= DY[m,k] W[k,n] */
void            reformer_tape_backward   (ReformerTape      *self,
                                          ReformerMatrix     w,
                                          ReformerSpan       dy,
                                          int                lddy,
                                          ReformerSpan       dx,
                                          int                lddx,
                                          gsize              m,
                                          int                n,
                                          int                k,
                                          ReformerStore      store,
                                          const ReformerEpilogue *epilogue);
/* Gradient of W[rows,columns] += DY[t,rows]^T X[t,columns], and of the bias += sum of DY; nothing where they are not trainable. */
void            reformer_tape_gradient   (ReformerTape      *self,
                                          ReformerMatrix     w,
                                          ReformerParameter *bias,
                                          ReformerSpan       dy,
                                          int                lddy,
                                          ReformerSpan       x,
                                          int                ldx,
                                          int                rows,
                                          int                columns,
                                          gsize              t);

G_END_DECLS
