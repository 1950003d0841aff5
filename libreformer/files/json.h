/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <jansson.h>

G_BEGIN_DECLS

/*
 * JSON from files nobody vouches for: UTF-8 without duplicate keys, comments, NUL, NaN, negative zero as an integer or integers beyond
 * 64 bits, of bounded size and depth. Every error names the file, and where it can the line and column or the member.
 */

#define REFORMER_JSON_MAX_BYTES  (16u * 1024 * 1024)
#define REFORMER_JSON_MAX_DEPTH  32
/* a value takes up to 130 bytes of memory: an empty list in a list */
#define REFORMER_JSON_MAX_VALUES 400000

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

/* Checks what jansson lets pass: depth, number of values, -0. `base` is added to the byte in messages. */
gboolean    reformer_json_check        (const char     *text,
                                        gsize           n_bytes,
                                        const char     *path,
                                        gsize           base,
                                        GError        **error);

/* The text must be an object. */
json_t     *reformer_json_parse        (const char     *text,
                                        gsize           n_bytes,
                                        const char     *path,
                                        GError        **error);
json_t     *reformer_json_load         (const char     *path,
                                        GCancellable   *cancellable,
                                        GError        **error);
/* The same for the file `name` below an open folder; `path` is for messages. */
json_t     *reformer_json_load_at      (int             folder,
                                        const char     *name,
                                        const char     *path,
                                        GCancellable   *cancellable,
                                        GError        **error);

/*
 * Typed members. Where the member is absent or null the value stays as it is and TRUE is returned: put the default there first.
 * FALSE with an error where it has another type or is out of range. Strings are borrowed from the object.
 */
gboolean    reformer_json_has          (json_t         *object,
                                        const char     *name);
gboolean    reformer_json_require      (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        GError        **error);
gboolean    reformer_json_get_boolean  (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        gboolean       *value,
                                        GError        **error);
gboolean    reformer_json_get_integer  (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        gint64          least,
                                        gint64          most,
                                        gint64         *value,
                                        GError        **error);
/* an integer serves too */
gboolean    reformer_json_get_double   (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        double          least,
                                        double          most,
                                        double         *value,
                                        GError        **error);
gboolean    reformer_json_get_string   (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        const char    **value,
                                        GError        **error);
/* A lone integer is a list of one. A list replaces *values, which is freed with g_free(). */
gboolean    reformer_json_get_integers (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        gint64          least,
                                        gint64          most,
                                        gint64        **values,
                                        gsize          *n_values,
                                        GError        **error);
/* A list replaces *values, which is freed with g_strfreev(). */
gboolean    reformer_json_get_strings  (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        char         ***values,
                                        GError        **error);
/* borrowed; NULL where it is absent */
gboolean    reformer_json_get_object   (json_t         *object,
                                        const char     *path,
                                        const char     *name,
                                        json_t        **value,
                                        GError        **error);

typedef enum
{
  REFORMER_JSON_ORDERED = 0,      /* members as they were added, two spaces a level, as transformers writes */
  REFORMER_JSON_SORTED  = 1 << 0, /* members by name */
  REFORMER_JSON_LINE    = 1 << 1, /* all on one line, for logs */
} ReformerJsonFlags;

/* Text with the shortest digits that read back to the same double, ending in a newline. */
char       *reformer_json_to_text      (json_t            *value,
                                        ReformerJsonFlags  flags);
/* ... written atomically. */
gboolean    reformer_json_save         (json_t            *value,
                                        ReformerJsonFlags  flags,
                                        const char        *path,
                                        GCancellable      *cancellable,
                                        GError           **error);
/* Appends text in quotes with JSON's escapes. */
void        reformer_json_append_quoted (GString          *text,
                                         const char       *string);

G_END_DECLS
