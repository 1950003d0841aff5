/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"
#include "compute/random.h"

G_BEGIN_DECLS

/* What operations on tokens share. Arrays are row-major; a leading dimension (ld) is the number of elements from row to row. */

/* A piece of the tokens of a batch [B, T], counted through: token n = b * T + t. `first` is a multiple of REFORMER_BLOCK.
 * Spans given beside it already point to the piece's first token. */
typedef struct
{
  gsize first; /* number of the piece's first token */
  gsize count; /* tokens in the piece */
  gsize T;     /* tokens of one sequence: n / T is the row (dropout's sequence), n % T the position */
} ReformerRows;

/* How a result meets what its place holds. */
typedef enum
{
  REFORMER_STORE_SET,      /* y  = result */
  REFORMER_STORE_ADD,      /* y += result */
  REFORMER_STORE_SUBTRACT, /* y -= result */
} ReformerStore;

/* The arguments a kernel takes for a piece: ulong first, int count, int T. */
#define REFORMER_ROWS_ARGS(r) REFORMER_ULONG ((r)->first), REFORMER_INT ((r)->count), REFORMER_INT ((r)->T)

G_END_DECLS
