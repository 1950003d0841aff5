/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Stop strings in bytes that grow. */

/* Whether a stop string ends after `from` bytes or later; the one that ends first, of those the longest, begins at *at. */
gboolean reformer_stop_find (const char *const *stop,
                             const guint8      *bytes,
                             gsize              n,
                             gsize              from,
                             gsize             *at);
/* How many of the last bytes may be the beginning of a stop string. */
gsize    reformer_stop_held (const char *const *stop,
                             const guint8      *bytes,
                             gsize              n);

G_END_DECLS
