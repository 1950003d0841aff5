/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Appends the characters that the bytes spell, and one U+FFFD for each longest run of bytes that cannot become a character (Unicode's table 3-7; Python and browsers
 * do the same) and for a zero byte. Returns how many bytes that took: fewer than n_bytes where a character is unfinished at the end, unless `last` says that
 * nothing follows. */
gsize reformer_utf8_append (GString      *text,
                            const guint8 *bytes,
                            gsize         n_bytes,
                            gboolean      last);

G_END_DECLS
