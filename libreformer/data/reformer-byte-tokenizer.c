/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-byte-tokenizer.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/tokenizer-private.h"

/**
 * ReformerByteTokenizer:
 *
 * One id for each byte, without a vocabulary to learn or to lose: any text, in any language, and any other file too.
 *
 * The id of a byte is the byte + 2; 0 is padding, and 1 is not used: 258 ids, as in the public model `reformer-enwik8`. Its name in a folder is `bytes`.
 */
struct _ReformerByteTokenizer
{
  ReformerTokenizer parent_instance;
};

#define FIRST 2
#define N_IDS (FIRST + 256)

G_DEFINE_FINAL_TYPE (ReformerByteTokenizer, reformer_byte_tokenizer, REFORMER_TYPE_TOKENIZER)

static GBytes *
reformer_byte_tokenizer_encode (ReformerTokenizer  *tokenizer,
                                GBytes             *text,
                                GError            **error)
{
  gsize n;
  const guint8 *bytes = g_bytes_get_data (text, &n);
  gint32 *ids = n <= G_MAXSIZE / sizeof *ids ? g_try_new (gint32, MAX (n, 1)) : NULL;

  if (ids == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "no memory for the ids of %" G_GSIZE_FORMAT " bytes of text", n);
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    ids[i] = bytes[i] + FIRST;
  return g_bytes_new_take (ids, n * sizeof *ids);
}

static GBytes *
reformer_byte_tokenizer_decode (ReformerTokenizer  *tokenizer,
                                GBytes             *ids,
                                GError            **error)
{
  const gsize n = g_bytes_get_size (ids) / sizeof (gint32);
  g_autofree guint8 *bytes = g_try_malloc (MAX (n, 1));
  gsize n_bytes = 0;

  if (bytes == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "no memory for the text of %" G_GSIZE_FORMAT " ids", n);
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    {
      const gint32 id = reformer_tokenizer_nth_id (ids, i);

      if (id < 0 || id >= N_IDS)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id %" G_GSIZE_FORMAT " is %d, one of bytes is from 0 to %d", i, id, N_IDS - 1);
          return NULL;
        }
      if (id >= FIRST)
        bytes[n_bytes++] = (guint8) (id - FIRST);
    }
  return g_bytes_new_take (g_steal_pointer (&bytes), n_bytes);
}

static int
reformer_byte_tokenizer_count_ids (ReformerTokenizer  *tokenizer,
                                   GError            **error)
{
  return N_IDS;
}

static char *
reformer_byte_tokenizer_identify (ReformerTokenizer  *tokenizer,
                                  GError            **error)
{
  return g_strdup (REFORMER_BYTE_TOKENIZER_NAME);
}

static void
reformer_byte_tokenizer_class_init (ReformerByteTokenizerClass *klass)
{
  ReformerTokenizerClass *tokenizer_class = REFORMER_TOKENIZER_CLASS (klass);

  reformer_home_own (klass);
  tokenizer_class->encode = reformer_byte_tokenizer_encode;
  tokenizer_class->decode = reformer_byte_tokenizer_decode;
  tokenizer_class->count_ids = reformer_byte_tokenizer_count_ids;
  tokenizer_class->identify = reformer_byte_tokenizer_identify;
}

static void
reformer_byte_tokenizer_init (ReformerByteTokenizer *self)
{
}

/**
 * reformer_byte_tokenizer_new:
 *
 * Creates a tokenizer of bytes.
 *
 * Returns: (transfer full) (type ReformerByteTokenizer): a new tokenizer
 */
ReformerTokenizer *
reformer_byte_tokenizer_new (void)
{
  return g_object_new (REFORMER_TYPE_BYTE_TOKENIZER, NULL);
}
