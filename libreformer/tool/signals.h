/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* SIGINT, SIGTERM and SIGHUP while a verb works. They are looked at in a thread of their own, so that they count also while the main thread is in a driver. */

/* From now on a signal ends the program at once, with status 128 + its number: nothing is there yet that could be lost. */
void     tool_signals_start      (void);
/* From now on the first signal cancels, and another one, not of the same moment, ends the program at once. */
void     tool_signals_cancel     (GCancellable *cancellable);
/* 128 + the number of the signal that came, 0: none did. */
int      tool_signals_get_status (void);
/* The end of a verb by an error (which is freed): quiet where it is a signal's. */
int      tool_signals_end        (GError       *error);

G_END_DECLS
