/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-sentence-piece-tokenizer.h>

#include <fcntl.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/sentencepiece-model.h"
#include "data/tokenizer-private.h"
#include "files/reading.h"

/**
 * ReformerSentencePieceTokenizer:
 *
 * The pieces of a SentencePiece model: a file `spiece.model`, as the public model `reformer-crime-and-punishment` has one.
 *
 * Byte pair encoding is read, with the file's own map for normalising text, pieces that a user defined, and bytes for what is no piece (`byte_fallback`). Models of the
 * types UNIGRAM, WORD and CHAR are refused. Text and ids are those of the package `sentencepiece` without options; no id is put before or after a text.
 *
 * Normalising may change a text for good: most models make one space of several and of a line feed. What is no piece becomes the id of the unknown, and that becomes
 * `unk_surface` of the file, most often `" ⁇ "`. Where ids of bytes make no character, decoding gives the bytes; [method@Tokenizer.decode_text] puts U+FFFD there.
 *
 * A tokenizer is read from a folder by [func@Tokenizer.load] too, and [method@Tokenizer.save] writes the file into one. The file need not be trusted: whatever it holds, it is
 * read as a model or refused, with at most 16 MiB and 1,048,576 pieces of at most 1,024 bytes.
 *
 * ```python
 * try:
 *     tokenizer = Reformer.SentencePieceTokenizer.new_from_file(Gio.File.new_for_path("spiece.model"), None)
 *     print(tokenizer.encode_text("A few months later"))
 * except GLib.Error as error:
 *     print(error.message)
 * ```
 */
struct _ReformerSentencePieceTokenizer
{
  ReformerTokenizer parent_instance;

  ReformerSentencePieceModel *model; /* NULL where it was made without one */
};

#define MOST_BYTES (16u << 20)

G_DEFINE_FINAL_TYPE (ReformerSentencePieceTokenizer, reformer_sentence_piece_tokenizer, REFORMER_TYPE_TOKENIZER)

static const ReformerSentencePieceModel *
get_model (ReformerTokenizer  *tokenizer,
           GError            **error)
{
  const ReformerSentencePieceModel *model = REFORMER_SENTENCE_PIECE_TOKENIZER (tokenizer)->model;

  if (model == NULL)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "a SentencePieceTokenizer has no model; wanted one made by new_from_file() or new_from_bytes()");
  return model;
}

static GBytes *
reformer_sentence_piece_tokenizer_encode (ReformerTokenizer  *tokenizer,
                                          GBytes             *text,
                                          GError            **error)
{
  const ReformerSentencePieceModel *model = get_model (tokenizer, error);
  gsize n;
  const guint8 *bytes = g_bytes_get_data (text, &n);

  return model != NULL ? reformer_sentence_piece_model_encode (model, bytes, n, error) : NULL;
}

static GBytes *
reformer_sentence_piece_tokenizer_decode (ReformerTokenizer  *tokenizer,
                                          GBytes             *ids,
                                          GError            **error)
{
  const ReformerSentencePieceModel *model = get_model (tokenizer, error);

  return model != NULL ? reformer_sentence_piece_model_decode (model, ids, error) : NULL;
}

static int
reformer_sentence_piece_tokenizer_count_ids (ReformerTokenizer  *tokenizer,
                                             GError            **error)
{
  const ReformerSentencePieceModel *model = get_model (tokenizer, error);

  return model != NULL ? model->n_pieces : -1;
}

static char *
reformer_sentence_piece_tokenizer_identify (ReformerTokenizer  *tokenizer,
                                            GError            **error)
{
  const ReformerSentencePieceModel *model = get_model (tokenizer, error);

  return model != NULL ? g_strdup (model->identity) : NULL;
}

GBytes *
reformer_sentence_piece_tokenizer_get_file (ReformerSentencePieceTokenizer *self)
{
  return self->model != NULL ? self->model->file : NULL;
}

static void
reformer_sentence_piece_tokenizer_finalize (GObject *object)
{
  ReformerSentencePieceTokenizer *self = REFORMER_SENTENCE_PIECE_TOKENIZER (object);

  g_clear_pointer (&self->model, reformer_sentence_piece_model_free);
  G_OBJECT_CLASS (reformer_sentence_piece_tokenizer_parent_class)->finalize (object);
}

static void
reformer_sentence_piece_tokenizer_class_init (ReformerSentencePieceTokenizerClass *klass)
{
  ReformerTokenizerClass *tokenizer_class = REFORMER_TOKENIZER_CLASS (klass);

  reformer_home_own (klass);
  G_OBJECT_CLASS (klass)->finalize = reformer_sentence_piece_tokenizer_finalize;
  tokenizer_class->encode = reformer_sentence_piece_tokenizer_encode;
  tokenizer_class->decode = reformer_sentence_piece_tokenizer_decode;
  tokenizer_class->count_ids = reformer_sentence_piece_tokenizer_count_ids;
  tokenizer_class->identify = reformer_sentence_piece_tokenizer_identify;
}

static void
reformer_sentence_piece_tokenizer_init (ReformerSentencePieceTokenizer *self)
{
}

static ReformerTokenizer *
new_from_bytes (GBytes      *bytes,
                const char  *path,
                GError     **error)
{
  ReformerSentencePieceModel *model = NULL;
  ReformerSentencePieceTokenizer *self;

  if (g_bytes_get_size (bytes) <= MOST_BYTES)
    model = reformer_sentence_piece_model_new (bytes, path, error);
  else
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: has %" G_GSIZE_FORMAT " bytes, at most %u are read", path, g_bytes_get_size (bytes), MOST_BYTES);
  if (model == NULL)
    return NULL;
  self = g_object_new (REFORMER_TYPE_SENTENCE_PIECE_TOKENIZER, NULL);
  self->model = model;
  return REFORMER_TOKENIZER (self);
}

/**
 * reformer_sentence_piece_tokenizer_new_from_file:
 * @file: a local file, such as `spiece.model`
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads a SentencePiece model.
 *
 * Returns: (transfer full) (type ReformerSentencePieceTokenizer): a new tokenizer, or %NULL with @error set: `UNSUPPORTED` of [error@FileError] for a model that is no BPE,
 *   others of it for a file that cannot be read or is no model
 */
ReformerTokenizer *
reformer_sentence_piece_tokenizer_new_from_file (GFile         *file,
                                                 GCancellable  *cancellable,
                                                 GError       **error)
{
  g_autofree char *path = NULL, *display = NULL;
  g_autoptr (GBytes) bytes = NULL;
  ReformerTokenizer *self = NULL;
  char *content;
  gsize n;

  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  path = reformer_file_local_path (file, error);
  if (path == NULL)
    return NULL;
  display = g_filename_display_name (path);
  content = reformer_file_load (AT_FDCWD, path, display, MOST_BYTES, &n, cancellable, error);
  if (content != NULL)
    {
      bytes = g_bytes_new_take (content, n);
      self = new_from_bytes (bytes, display, error);
    }
  if (self == NULL)
    reformer_file_tidy (error);
  return self;
}

/**
 * reformer_sentence_piece_tokenizer_new_from_bytes:
 * @bytes: the content of a file such as `spiece.model`
 * @error: return location for an error
 *
 * Reads a SentencePiece model from memory, which is not copied.
 *
 * Returns: (transfer full) (type ReformerSentencePieceTokenizer): a new tokenizer, or %NULL with @error set: `UNSUPPORTED` of [error@FileError] for a model that is no BPE,
 *   others of it for what is no model
 */
ReformerTokenizer *
reformer_sentence_piece_tokenizer_new_from_bytes (GBytes  *bytes,
                                                  GError **error)
{
  g_return_val_if_fail (bytes != NULL, NULL);

  return new_from_bytes (bytes, "SentencePiece model", error);
}
