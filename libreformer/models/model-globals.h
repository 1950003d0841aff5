/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/model-private.h"

G_BEGIN_DECLS

/* Whether window attention has global tokens. */
gboolean reformer_model_has_globals  (ReformerModel *self);
/* Gives the tape those of B rows of T tokens, of which `end` are no padding. A position beyond these fails the run, unless the text goes on. */
void     reformer_model_give_globals (ReformerModel *self,
                                      int            B,
                                      int            T,
                                      int            end,
                                      gboolean       goes_on,
                                      ReformerTape  *tape);

G_END_DECLS
