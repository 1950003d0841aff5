/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/model-lengths.h"

G_BEGIN_DECLS

/* Whether window attention has global tokens. */
gboolean reformer_model_has_globals   (ReformerModel *self);
/* Fails the run unless every row of the input has all of them, by its own length: so a row is refused beside others where it is refused alone. */
gboolean reformer_model_check_globals (ReformerModel *self,
                                       ReformerRun   *run,
                                       ReformerInput *input);
/* Gives the tape those of B rows of T tokens that are before `end`, where padding begins, or what is not there yet of a text that goes on. */
void     reformer_model_give_globals  (ReformerModel *self,
                                       int            B,
                                       int            T,
                                       int            end,
                                       ReformerTape  *tape);

G_END_DECLS
