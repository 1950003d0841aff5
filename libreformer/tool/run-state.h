/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "run-file.h"

G_BEGIN_DECLS

/* The newest checkpoint of a run; NULL: there is none. */
GFile  *tool_run_find_newest    (GFile   *folder);
/* How far the run of a model came, for info; NULL where the folder has none. What cannot be read is said in a message, and left out. */
json_t *tool_run_state_describe (GFile   *model);
/* Lines of text about it. */
void    tool_run_state_print    (json_t  *state);

G_END_DECLS
