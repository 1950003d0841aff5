/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/activation.h"
#include "ops/norm.h"

G_BEGIN_DECLS

/* Products of so many rows take weights as they are: packing them would take longer than the product. */
#define REFORMER_FEW_ROWS 4

/* What else a product of rows does before it stores a result, so that it takes no pass of its own:
 *   forward    y = / += / -= activation (dropout (x w + bias))
 *   backward   y = x w * the slope of activation (dropout (before))
 * Row i is token i of the piece. */
typedef struct
{
  ReformerActivation     activation;
  const ReformerDropout *dropout;
  const ReformerRows    *rows;
  gboolean               backward;
  ReformerSpan           before;   /* [m, n]; forward: gets x w + bias, or no tensor; backward: has it */
} ReformerEpilogue;

/* Matrix products of linear layers.
 *
 *   rows    Y[m,n]  = X[m,k] W[n,k]^T + bias   (transpose)       a layer's forward
 *           Y[m,n]  = X[m,k] W[k,n]            (not transpose)   the gradient of its input
 *   tokens  G[m,n] += Y[t,m]^T X[t,n]                            the gradient of its weights
 *
 * A result's bits depend on neither the number of rows in a call nor the device's compute units. Where CLBlast takes the whole blocks of REFORMER_BLOCK
 * rows that a call begins with, this is so for calls that begin at multiples of a block. */
typedef struct
{
  int             m, n, k;
  ReformerSpan    x;
  int             ldx;
  ReformerSpan    w;
  int             ldw;
  gboolean        transpose;
  ReformerTensor *packed; /* from reformer_product_pack() of the same w, n, k, ldw, transpose; NULL: packed for this call where dialect and rows want it */
  ReformerSpan    bias;   /* [n]; no tensor: none */
  ReformerSpan    y;
  int             ldy;
  ReformerStore   store;
  const ReformerEpilogue *epilogue; /* NULL: none; else ldy is n, and backward sets */
  const ReformerNorm     *norm;     /* NULL: none; else the rows are normalised first, and those of the norm take the place of x and ldx */
  ReformerSpan    u;                /* [m, k]: gets the normalised rows; no tensor: they are not wanted */
} ReformerProduct;

/* Weights in the layout of the wide product; NULL without a failure in the simt dialect, which takes them as they are. */
ReformerTensor *reformer_product_pack   (ReformerRun           *run,
                                         ReformerSpan           w,
                                         int                    n,
                                         int                    k,
                                         int                    ldw,
                                         gboolean               transpose);
void            reformer_product_rows   (ReformerRun           *run,
                                         const ReformerProduct *product);
/* TRUE when rows with such weights go to CLBlast, block by block: on GPUs, if they are large. REFORMER_CLBLAST=off: never, =on: whatever the device of
 * the simt dialect and the size. */
gboolean        reformer_product_by_clblast (ReformerDevice    *device,
                                             int                n,
                                             int                k);
/* t tokens starting at a multiple of REFORMER_BLOCK; G is m x n with leading dimension ldg. */
void            reformer_product_tokens (ReformerRun           *run,
                                         ReformerSpan           y,
                                         int                    ldy,
                                         ReformerSpan           x,
                                         int                    ldx,
                                         ReformerSpan           g,
                                         int                    ldg,
                                         int                    m,
                                         int                    n,
                                         gsize                  t);
/* g[n] += sum over t tokens of x[t,n]: a bias's gradient. */
void            reformer_product_sum    (ReformerRun           *run,
                                         ReformerSpan           x,
                                         int                    ldx,
                                         ReformerSpan           g,
                                         int                    n,
                                         gsize                  t);

G_END_DECLS
