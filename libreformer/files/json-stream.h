/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/json.h"

G_BEGIN_DECLS

/*
 * The members of a large object, one at a time, so that memory does not grow with the text: a parsed value takes up to forty times its
 * text. Whoever reads must refuse a second member of the same name; only objects inside a value are checked for that.
 *
 *   reformer_json_stream_enter (&stream, &error);
 *   while (reformer_json_stream_next (&stream, limit, &name, &error))
 *     value = reformer_json_stream_value (&stream, limit, &error);     (or enter a stream of its own at the same place)
 *   if (error != NULL) ...
 */
typedef struct
{
  const char *text;
  gsize       n_bytes;
  const char *path;   /* for messages */
  gsize       at;     /* the next byte */
  gsize       n_read; /* members so far */
} ReformerJsonStream;

/* The brace that opens the object must stand at `at`. */
gboolean reformer_json_stream_enter (ReformerJsonStream  *stream,
                                     GError             **error);
/* The next name, freed with g_free(), and past its colon; FALSE after the closing brace, or with an error. */
gboolean reformer_json_stream_next  (ReformerJsonStream  *stream,
                                     gsize                limit,
                                     char               **name,
                                     GError             **error);
/* The value at `at`, whose text has at most `limit` bytes. */
json_t  *reformer_json_stream_value (ReformerJsonStream  *stream,
                                     gsize                limit,
                                     GError             **error);

G_END_DECLS
