/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* FALSE and G_IO_ERROR_INVALID_ARGUMENT unless the result is what self's asynchronous call with this tag gave, and nobody has finished it. Scripts can mix them up,
 * and would see nothing of a critical message. `call` is the name without _async and _finish. */
gboolean reformer_result_check (gpointer       self,
                                GAsyncResult  *result,
                                gpointer       tag,
                                const char    *call,
                                GError       **error);

G_END_DECLS
