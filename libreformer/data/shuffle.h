/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Place `index` of a random order of 0 .. n - 1, keyed by (seed, epoch): every number once, in constant memory and time. */
gint64 reformer_shuffle (guint64 seed,
                         guint   epoch,
                         gint64  n,
                         gint64  index);

G_END_DECLS
