/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/json.h"

G_BEGIN_DECLS

/* Whether transformers writes, or once wrote, such a key into a Reformer's configuration, and it changes nothing here: nobody is told of it. */
gboolean reformer_config_key_is_harmless (const char *key);

/* The other keys of an object, sorted. */
char   **reformer_config_find_unknown    (json_t     *kept);

G_END_DECLS
