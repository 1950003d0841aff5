/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What this process may use of the system's memory: all of it, or its control group's limit. 0 where that cannot be found out. */
guint64 reformer_system_memory_total     (void);
/* What could be used now without swapping; G_MAXUINT64 where that cannot be found out. */
guint64 reformer_system_memory_available (void);

G_END_DECLS
