/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/json.h"

G_BEGIN_DECLS

/*
 * The settings of an object as JSON: properties that can be read and written at any time and are numbers, switches or choices, under their names. A class of another
 * language is asked in its own main context.
 */

/* A new object, or NULL with an error. */
json_t    *reformer_properties_to_json (GObject       *object,
                                        GError       **error);
/* Reads and checks settings without setting any; `part` is the member of `root` that has them. What is absent stays as it is. For reformer_properties_apply(). */
GPtrArray *reformer_properties_read    (GObject       *object,
                                        json_t        *root,
                                        const char    *path,
                                        const char    *part,
                                        GError       **error);
/* Sets all of them, but the one whose name is `except` (tests; NULL: all). */
gboolean   reformer_properties_apply   (GObject       *object,
                                        GPtrArray     *settings,
                                        const char    *except,
                                        GError       **error);

G_END_DECLS
