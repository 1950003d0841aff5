/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* What a long verb says while it works, on standard error: on a terminal one live line, drawn again at most ten times a second, without escape sequences;
 * elsewhere (a pipe, a file, TERM=dumb) a plain line every ten seconds. There is one terminal, so there is one progress. */

/* Nothing is shown before, nor when `quiet`. Where there is no terminal, the first line comes `at_once`, or after ten seconds too. */
void     tool_progress_start       (gboolean    quiet,
                                    gboolean    at_once);
/* On a terminal alone: what goes on before there are numbers. */
void     tool_progress_announce    (const char *text);
/* Whether it is time for another line, so that nobody formats what is not shown. */
gboolean tool_progress_is_due      (void);
/* `done` from 0 to 1 makes a bar where the line has room behind `text`; negative: no bar. */
void     tool_progress_show        (double      done,
                                    const char *text);
/* A line that stays. */
void     tool_progress_print       (const char *format,
                                    ...) G_GNUC_PRINTF (1, 2);
/* Takes the live line away, before anything else is written to the terminal. */
void     tool_progress_clear       (void);

/* "14,210" */
char    *tool_format_count         (double      number);
/* "1:42", "1:02:05" */
char    *tool_format_duration      (double      seconds);

G_END_DECLS
