/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/tape-private.h"

G_BEGIN_DECLS

/* The tokens of a pass that see all and are seen by all, as window attention wants them. */

/* From the tape's two masks, uint8 [B, T] each or NULL; a token that the mask leaves out is not global. `planned` is what a planner, which reads nothing, takes for
 * the number. Never NULL: what fails, fails the run. */
ReformerGlobals *reformer_globals_new      (ReformerRun           *run,
                                            ReformerTensor        *global_mask,
                                            ReformerTensor        *mask,
                                            int                    B,
                                            int                    T,
                                            int                    planned);
void             reformer_globals_free     (ReformerGlobals       *self);
gboolean         reformer_globals_fit      (const ReformerGlobals *self,
                                            int                    B,
                                            int                    T);
/* The most that a row has. */
int              reformer_globals_get_n    (const ReformerGlobals *self);
/* int32 [B, n], -1 behind a row's last; NULL where n is 0. */
ReformerTensor  *reformer_globals_get_list (const ReformerGlobals *self);
/* uint8 [B, T]: the tape's mask without the global tokens; NULL where n is 0. */
ReformerTensor  *reformer_globals_get_mask (const ReformerGlobals *self);

/* Those of the tape for B rows of T tokens. */
ReformerGlobals *reformer_tape_get_globals (ReformerTape          *self,
                                            int                    B,
                                            int                    T);
/* How many a planner counts with. */
void             reformer_tape_plan_globals (ReformerTape         *self,
                                             int                   n);

G_END_DECLS
