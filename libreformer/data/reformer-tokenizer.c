/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-tokenizer.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/tokenizer-private.h"
#include "data/utf8.h"

/**
 * ReformerTokenizer:
 *
 * Turns text into the ids that a model reads, and ids into text.
 *
 * The library has [class@ByteTokenizer], [class@AlphabetTokenizer] and [class@SentencePieceTokenizer]. A tokenizer of your own overrides the functions `encode`, `decode` and `count_ids`, in any language, and
 * `identify` if the name of its class does not say all.
 *
 * Text is bytes here, UTF-8 as a rule, because ids need not end where characters end; [method@Tokenizer.encode_text] and [method@Tokenizer.decode_text] are for
 * strings. Ids are int32 in the machine's byte order, from 0 to [method@Tokenizer.count_ids] - 1.
 *
 * ```python
 * tokenizer = Reformer.ByteTokenizer.new()
 * ids = tokenizer.encode_text("A fox")
 * print(tokenizer.count_ids(), tokenizer.decode_text(ids))
 * ```
 */

G_DEFINE_ABSTRACT_TYPE (ReformerTokenizer, reformer_tokenizer, G_TYPE_OBJECT)

static char *
reformer_tokenizer_real_identify (ReformerTokenizer  *self,
                                  GError            **error)
{
  return g_strdup (G_OBJECT_TYPE_NAME (self));
}

static void
reformer_tokenizer_class_init (ReformerTokenizerClass *klass)
{
  reformer_home_own (klass);
  klass->identify = reformer_tokenizer_real_identify;
}

static void
reformer_tokenizer_init (ReformerTokenizer *self)
{
}

/* ---- Calling functions that may be written elsewhere ---- */

typedef struct
{
  ReformerTokenizer  *self;
  GBytes             *input;
  GBytes             *output;
  int                 count;
  char               *name;
  GError            **error;
} Call;

static void
call_encode (gpointer data)
{
  Call *call = data;

  call->output = REFORMER_TOKENIZER_GET_CLASS (call->self)->encode (call->self, call->input, call->error);
}

static void
call_decode (gpointer data)
{
  Call *call = data;

  call->output = REFORMER_TOKENIZER_GET_CLASS (call->self)->decode (call->self, call->input, call->error);
}

static void
call_count_ids (gpointer data)
{
  Call *call = data;

  call->count = REFORMER_TOKENIZER_GET_CLASS (call->self)->count_ids (call->self, call->error);
}

static void
call_identify (gpointer data)
{
  Call *call = data;

  call->name = REFORMER_TOKENIZER_GET_CLASS (call->self)->identify (call->self, call->error);
}

static gboolean
check_written (ReformerTokenizer  *self,
               const char         *function,
               gboolean            written,
               GError            **error)
{
  if (!written)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s has no %s of its own; a tokenizer must override it",
                 G_OBJECT_TYPE_NAME (self), function);
  return written;
}

/* Bytes or an error, never both and never neither. */
static GBytes *
check_output (ReformerTokenizer  *self,
              const char         *function,
              GBytes             *output,
              GError             *problem,
              GError            **error)
{
  if (problem == NULL && output == NULL)
    g_set_error (&problem, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s of %s returned neither bytes nor an error; it must return bytes", function,
                 G_OBJECT_TYPE_NAME (self));
  if (problem == NULL)
    return output;
  g_clear_pointer (&output, g_bytes_unref);
  g_propagate_error (error, problem);
  return NULL;
}

/* Ids of a tokenizer from outside: whole numbers of 4 bytes, each of its vocabulary. */
static gboolean
check_ids (ReformerTokenizer  *self,
           GBytes             *ids,
           GError            **error)
{
  const char *name = G_OBJECT_TYPE_NAME (self);
  const gsize n_bytes = g_bytes_get_size (ids);
  GError *problem = NULL;
  int n_ids;

  if (n_bytes % sizeof (gint32) != 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "encode of %s returned %" G_GSIZE_FORMAT " bytes, a multiple of 4 is wanted (int32 ids)", name,
                   n_bytes);
      return FALSE;
    }
  if (n_bytes == 0)
    return TRUE;
  n_ids = reformer_tokenizer_count_ids (self, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  if (n_ids < 1)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "count_ids of %s returned %d, at least 1 is wanted", name, n_ids);
      return FALSE;
    }
  for (gsize i = 0; i < n_bytes / sizeof (gint32); i++)
    {
      const gint32 id = reformer_tokenizer_nth_id (ids, i);

      if (id < 0 || id >= n_ids)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "encode of %s returned %d as id %" G_GSIZE_FORMAT ", wanted from 0 to %d", name, id, i, n_ids - 1);
          return FALSE;
        }
    }
  return TRUE;
}

/**
 * reformer_tokenizer_encode: (virtual encode)
 * @self: a tokenizer
 * @text: bytes of text
 * @error: return location for an error
 *
 * Turns text into ids.
 *
 * Returns: (transfer full): int32 ids in the machine's byte order, or %NULL with @error set: [error@FileError] or what the tokenizer reports
 */
GBytes *
reformer_tokenizer_encode (ReformerTokenizer  *self,
                           GBytes             *text,
                           GError            **error)
{
  const gsize offset = G_STRUCT_OFFSET (ReformerTokenizerClass, encode);
  g_autoptr (GBytes) ids = NULL;
  GError *problem = NULL;
  Call call = { .self = self, .input = text, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (text != NULL, NULL);

  if (!check_written (self, "encode", REFORMER_TOKENIZER_GET_CLASS (self)->encode != NULL, error))
    return NULL;
  reformer_home_call (self, offset, call_encode, &call, call.error);
  ids = check_output (self, "encode", call.output, problem, error);
  if (ids == NULL || (reformer_home_foreign (self, offset) && !check_ids (self, ids, error)))
    return NULL;
  return g_steal_pointer (&ids);
}

/**
 * reformer_tokenizer_decode: (virtual decode)
 * @self: a tokenizer
 * @ids: int32 ids in the machine's byte order
 * @error: return location for an error
 *
 * Turns ids into text. Ids that stand for no text, as padding, give nothing; an id that the tokenizer does not have is an error.
 *
 * Returns: (transfer full): bytes of text, or %NULL with @error set: [error@FileError] or what the tokenizer reports
 */
GBytes *
reformer_tokenizer_decode (ReformerTokenizer  *self,
                           GBytes             *ids,
                           GError            **error)
{
  GError *problem = NULL;
  Call call = { .self = self, .input = ids, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (ids != NULL, NULL);

  if (!check_written (self, "decode", REFORMER_TOKENIZER_GET_CLASS (self)->decode != NULL, error))
    return NULL;
  if (g_bytes_get_size (ids) % sizeof (gint32) != 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "ids have %" G_GSIZE_FORMAT " bytes, a multiple of 4 is wanted (int32)", g_bytes_get_size (ids));
      return NULL;
    }
  reformer_home_call (self, G_STRUCT_OFFSET (ReformerTokenizerClass, decode), call_decode, &call, call.error);
  return check_output (self, "decode", call.output, problem, error);
}

/**
 * reformer_tokenizer_count_ids: (virtual count_ids)
 * @self: a tokenizer
 * @error: return location for an error
 *
 * Gets the number of ids, which are 0 to this number - 1: the least [property@Config:vocab-size] of a model that reads them.
 *
 * Returns: the number of ids, less than 1 if the tokenizer does not say, or -1 with @error set to what the tokenizer reports
 */
int
reformer_tokenizer_count_ids (ReformerTokenizer  *self,
                              GError            **error)
{
  GError *problem = NULL;
  Call call = { .self = self, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), 0);

  if (REFORMER_TOKENIZER_GET_CLASS (self)->count_ids != NULL)
    reformer_home_call (self, G_STRUCT_OFFSET (ReformerTokenizerClass, count_ids), call_count_ids, &call, call.error);
  if (problem == NULL)
    return call.count;
  g_propagate_error (error, problem);
  return -1;
}

/**
 * reformer_tokenizer_identify: (virtual identify)
 * @self: a tokenizer
 * @error: return location for an error
 *
 * Gets a name that tells this tokenizer from others: `bytes` for [class@ByteTokenizer], `alphabet:` and the letters for [class@AlphabetTokenizer], `sentencepiece` and the SHA-256 of its file for [class@SentencePieceTokenizer], else,
 * where the tokenizer does not say, the name of its type.
 *
 * Returns: (transfer full): the name, or %NULL with @error set to what the tokenizer reports
 */
char *
reformer_tokenizer_identify (ReformerTokenizer  *self,
                             GError            **error)
{
  GError *problem = NULL;
  Call call = { .self = self, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), NULL);

  reformer_home_call (self, G_STRUCT_OFFSET (ReformerTokenizerClass, identify), call_identify, &call, call.error);
  if (problem == NULL)
    return call.name != NULL ? call.name : reformer_tokenizer_real_identify (self, NULL);
  g_clear_pointer (&call.name, g_free);
  g_propagate_error (error, problem);
  return NULL;
}

/* ---- Strings ---- */

/**
 * reformer_tokenizer_encode_text:
 * @self: a tokenizer
 * @text: text
 * @n_ids: (out): number of ids
 * @error: return location for an error
 *
 * Turns a string into ids, as [method@Tokenizer.encode] does with bytes.
 *
 * Returns: (transfer full) (array length=n_ids): ids, or %NULL with @error set
 */
int *
reformer_tokenizer_encode_text (ReformerTokenizer  *self,
                                const char         *text,
                                gsize              *n_ids,
                                GError            **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) encoded = NULL;
  int *ids;

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (n_ids != NULL, NULL);

  *n_ids = 0;
  bytes = g_bytes_new (text, strlen (text));
  encoded = reformer_tokenizer_encode (self, bytes, error);
  if (encoded == NULL)
    return NULL;
  *n_ids = g_bytes_get_size (encoded) / sizeof (gint32);
  ids = g_try_new (int, MAX (*n_ids, 1)); /* never NULL for no ids: that would say that it failed */
  if (ids == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "no memory for %" G_GSIZE_FORMAT " ids", *n_ids);
      return NULL;
    }
  for (gsize i = 0; i < *n_ids; i++)
    ids[i] = reformer_tokenizer_nth_id (encoded, i);
  return ids;
}

/**
 * reformer_tokenizer_decode_text:
 * @self: a tokenizer
 * @ids: (array length=n_ids): ids
 * @n_ids: number of ids
 * @error: return location for an error
 *
 * Turns ids into a string, as [method@Tokenizer.decode] does into bytes. It is valid UTF-8: what cannot be a character becomes U+FFFD, and so does a zero byte.
 *
 * Returns: (transfer full): text, or %NULL with @error set
 */
char *
reformer_tokenizer_decode_text (ReformerTokenizer  *self,
                                const int          *ids,
                                gsize               n_ids,
                                GError            **error)
{
  g_autoptr (GBytes) encoded = NULL;
  g_autoptr (GBytes) bytes = NULL;
  GString *text;

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (ids != NULL || n_ids == 0, NULL);

  encoded = g_bytes_new (ids, n_ids * sizeof (gint32));
  bytes = reformer_tokenizer_decode (self, encoded, error);
  if (bytes == NULL)
    return NULL;
  text = g_string_sized_new (g_bytes_get_size (bytes));
  reformer_utf8_append (text, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), TRUE);
  return g_string_free (text, FALSE);
}
