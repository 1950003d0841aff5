/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/json-stream.h"

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

static void
skip_space (ReformerJsonStream *stream)
{
  while (stream->at < stream->n_bytes && strchr (" \t\r\n", stream->text[stream->at]) != NULL && stream->text[stream->at] != '\0')
    stream->at++;
}

static char
peek (ReformerJsonStream *stream)
{
  return stream->at < stream->n_bytes ? stream->text[stream->at] : '\0';
}

/* one of the marks of JSON's grammar, with the space around it */
static gboolean
expect (ReformerJsonStream  *stream,
        char                 mark,
        GError             **error)
{
  skip_space (stream);

  if (peek (stream) != mark)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: byte %" G_GSIZE_FORMAT ": '%c' is wanted",
                   stream->path, stream->at, mark);
      return FALSE;
    }

  stream->at++;
  skip_space (stream);

  return TRUE;
}

gboolean
reformer_json_stream_enter (ReformerJsonStream  *stream,
                            GError             **error)
{
  stream->n_read = 0;

  return expect (stream, '{', error);
}

json_t *
reformer_json_stream_value (ReformerJsonStream  *stream,
                            gsize                limit,
                            GError             **error)
{
  const char *text = stream->text + stream->at;
  gsize rest = stream->n_bytes - stream->at, window = MIN (rest, limit), used;
  g_autoptr (json_t) value = NULL;
  json_error_t where;

  value = json_loadb (text, window, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &where);
  used = where.position > 0 ? MIN ((gsize) where.position, window) : 0;

  if (value == NULL && window < rest && used + 8 >= window)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: byte %" G_GSIZE_FORMAT ": a member of more than %"
                   G_GSIZE_FORMAT " bytes", stream->path, stream->at, limit);
      return NULL;
    }

  if (value == NULL)
    {
      g_autofree char *message = reformer_file_quote (where.text);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: byte %" G_GSIZE_FORMAT ": %s", stream->path,
                   stream->at + used, message);
      return NULL;
    }

  if (!reformer_json_check (text, used, stream->path, stream->at, error))
    return NULL;

  stream->at += used;

  return g_steal_pointer (&value);
}

gboolean
reformer_json_stream_next (ReformerJsonStream  *stream,
                           gsize                limit,
                           char               **name,
                           GError             **error)
{
  g_autoptr (json_t) key = NULL;

  skip_space (stream);
  if (peek (stream) == '}')
    {
      stream->at++;
      return FALSE;
    }

  if (stream->n_read > 0 && !expect (stream, ',', error))
    return FALSE;

  if (peek (stream) != '"')
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: byte %" G_GSIZE_FORMAT ": a name in quotes is wanted",
                   stream->path, stream->at);
      return FALSE;
    }

  key = reformer_json_stream_value (stream, limit, error);
  if (key == NULL || !expect (stream, ':', error))
    return FALSE;

  stream->n_read++;
  *name = g_strdup (json_string_value (key));

  return TRUE;
}
