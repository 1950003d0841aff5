/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/layer-private.h"
#include "ops/rows.h"
#include <libreformer/layers/reformer-axial-position.h>

G_BEGIN_DECLS

/* For models, in place. Spans [count, H] begin at the first of the rows; positions count from the tape's start. Errors stay in the tape's run. */

/* x += positions, of any piece of the tokens. */
void reformer_axial_position_add      (ReformerAxialPosition *self,
                                       ReformerSpan           x,
                                       const ReformerRows    *rows,
                                       ReformerTape          *tape);
/* Adds to the tables' gradients for the gradient d1 + d2 of x, of all tokens of the batch (rows->first = 0); d2 may have no tensor. */
void reformer_axial_position_backward (ReformerAxialPosition *self,
                                       ReformerSpan           d1,
                                       ReformerSpan           d2,
                                       const ReformerRows    *rows,
                                       ReformerTape          *tape);

G_END_DECLS
