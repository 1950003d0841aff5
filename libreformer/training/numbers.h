/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/json.h"

G_BEGIN_DECLS

/* Numbers that JSON has no words for, to the bit: doubles that are not finite are the texts "Infinity", "-Infinity" and "NaN", and unsigned ones of 64 bits texts of
 * digits. Reading is as in files/json.h. */

json_t   *reformer_number_new_double   (double        value);
json_t   *reformer_number_new_unsigned (guint64       value);
gboolean  reformer_number_get_double   (json_t       *object,
                                        const char   *path,
                                        const char   *name,
                                        double       *value,
                                        GError      **error);
gboolean  reformer_number_get_unsigned (json_t       *object,
                                        const char   *path,
                                        const char   *name,
                                        guint64       least,
                                        guint64       most,
                                        guint64      *value,
                                        GError      **error);

G_END_DECLS
