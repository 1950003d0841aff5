/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include "ops/rows.h"
#include <libreformer/layers/reformer-position-table.h>

G_BEGIN_DECLS

/* For models, in place. Spans [count, H] begin at the first of the rows; positions count from the tape's start. Errors stay in the tape's run. */

/* x += positions, of any piece of the tokens. */
void reformer_position_table_add      (ReformerPositionTable *self,
                                       ReformerSpan           x,
                                       const ReformerRows    *rows,
                                       ReformerTape          *tape);
/* Adds to the tables' gradients for the gradient d1 + d2 of x, of a piece of the tokens; d2 may have no tensor. */
void reformer_position_table_backward (ReformerPositionTable *self,
                                       ReformerSpan           d1,
                                       ReformerSpan           d2,
                                       const ReformerRows    *rows,
                                       ReformerTape          *tape);

G_END_DECLS
