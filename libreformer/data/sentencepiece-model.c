/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/sentencepiece-model.h"

#include <math.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "data/tokenizer-private.h"
#include "files/protobuf.h"
#include "files/reading.h"

#define MOST_PIECES (1 << 20)
#define LONGEST_PIECE 1024
#define UNKNOWN_TEXT " \xe2\x81\x87 "

/* What a trainer says; the rest of it is about training. */
enum { UNIGRAM = 1, BPE = 2 };

static const char *const kinds[] = { "0", "UNIGRAM", "BPE", "WORD", "CHAR" };

typedef struct
{
  ReformerSentencePieceModel *model;
  GArray                     *pieces; /* ReformerSentencePiece */
  ReformerProtobuf            file;
  guint64                     kind;
  ReformerWord                map, back;
} Reading;

static gboolean G_GNUC_PRINTF (3, 4)
set_invalid (const Reading  *reading,
             GError        **error,
             const char     *format,
             ...)
{
  va_list args;
  g_autofree char *what = NULL;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s", reading->file.path, what);
  return FALSE;
}

static char *
quote (ReformerWord word)
{
  g_autofree char *text = g_strndup ((const char *) word.bytes, word.n_bytes);

  return reformer_file_quote (text);
}

/* A field that may be there: its value where the number is its own, an error where the type is another. */
static gboolean
take_flag (ReformerProtobuf             *message,
           const ReformerProtobufField  *field,
           const char                   *name,
           gboolean                     *value,
           GError                      **error)
{
  if (!reformer_protobuf_expect (message, field, REFORMER_PROTOBUF_NUMBER, name, error))
    return FALSE;
  *value = field->value != 0;
  return TRUE;
}

static gboolean
take_word (ReformerProtobuf             *message,
           const ReformerProtobufField  *field,
           const char                   *name,
           ReformerWord                 *word,
           GError                      **error)
{
  if (!reformer_protobuf_expect (message, field, REFORMER_PROTOBUF_BYTES, name, error))
    return FALSE;
  *word = (ReformerWord) { field->bytes, field->n_bytes };
  return TRUE;
}

/* ---- Pieces ---- */

static gboolean
read_piece_fields (Reading                *reading,
                   ReformerProtobuf        message,
                   ReformerSentencePiece  *piece,
                   GError                **error)
{
  const guint id = reading->pieces->len;
  ReformerProtobufField field;

  while (!reformer_protobuf_at_end (&message))
    {
      if (!reformer_protobuf_next (&message, &field, error))
        return FALSE;
      switch (field.number)
        {
        case 1:
          if (!take_word (&message, &field, "a piece's text", &piece->word, error))
            return FALSE;
          break;
        case 2:
          {
            const guint32 bits = (guint32) field.value;

            if (!reformer_protobuf_expect (&message, &field, REFORMER_PROTOBUF_FIXED32, "a piece's score", error))
              return FALSE;
            memcpy (&piece->score, &bits, sizeof bits);
            break;
          }
        case 3:
          if (!reformer_protobuf_expect (&message, &field, REFORMER_PROTOBUF_NUMBER, "a piece's type", error))
            return FALSE;
          if (field.value < REFORMER_SENTENCE_PIECE_NORMAL || field.value > REFORMER_SENTENCE_PIECE_BYTE)
            return set_invalid (reading, error, "the type of piece %u is %" G_GUINT64_FORMAT "; wanted from 1 to 6", id, field.value);
          piece->type = (guint8) field.value;
          break;
        default:
          break;
        }
    }
  return TRUE;
}

/* Which byte "<0x4F>" stands for, or -1. */
static int
find_byte (ReformerWord word)
{
  static const char digits[] = "0123456789ABCDEF";
  const char *high, *low;

  if (word.n_bytes != 6 || memcmp (word.bytes, "<0x", 3) != 0 || word.bytes[5] != '>')
    return -1;
  high = memchr (digits, word.bytes[3], 16);
  low = memchr (digits, word.bytes[4], 16);
  return high != NULL && low != NULL ? (int) ((high - digits) * 16 + (low - digits)) : -1;
}

static gboolean
check_piece (Reading                *reading,
             ReformerSentencePiece  *piece,
             GError                **error)
{
  ReformerSentencePieceModel *model = reading->model;
  const guint id = reading->pieces->len;

  if (piece->word.n_bytes == 0 || piece->word.n_bytes > LONGEST_PIECE)
    return set_invalid (reading, error, "piece %u has %" G_GSIZE_FORMAT " bytes; wanted from 1 to %d", id, piece->word.n_bytes, LONGEST_PIECE);
  /* a zero byte is no valid character here either */
  if (!g_utf8_validate_len ((const char *) piece->word.bytes, piece->word.n_bytes, NULL))
    {
      g_autofree char *text = quote (piece->word);

      return set_invalid (reading, error, "piece %u, \"%s\", is not UTF-8, or has a zero byte", id, text);
    }
  if (!isfinite (piece->score))
    {
      g_autofree char *text = quote (piece->word);

      return set_invalid (reading, error, "the score of piece %u, \"%s\", is %g; wanted a finite number", id, text, (double) piece->score);
    }
  if (piece->type == REFORMER_SENTENCE_PIECE_UNKNOWN)
    {
      if (model->unknown >= 0)
        return set_invalid (reading, error, "pieces %d and %u are both of the type UNKNOWN; wanted one", model->unknown, id);
      model->unknown = (int) id;
    }
  if (piece->type == REFORMER_SENTENCE_PIECE_BYTE)
    {
      const int byte = find_byte (piece->word);

      if (byte < 0)
        {
          g_autofree char *text = quote (piece->word);

          return set_invalid (reading, error, "piece %u, \"%s\", is of the type BYTE; wanted a text from \"<0x00>\" to \"<0xFF>\"", id, text);
        }
      piece->byte = (guint8) byte;
      model->bytes[byte] = (int) id;
    }
  model->has_unused = model->has_unused || piece->type == REFORMER_SENTENCE_PIECE_UNUSED;
  model->longest = MAX (model->longest, piece->word.n_bytes);
  return TRUE;
}

static gboolean
read_piece (Reading                      *reading,
            const ReformerProtobufField  *field,
            GError                      **error)
{
  ReformerSentencePiece piece = { .type = REFORMER_SENTENCE_PIECE_NORMAL };

  if (!reformer_protobuf_expect (&reading->file, field, REFORMER_PROTOBUF_BYTES, "a piece", error))
    return FALSE;
  if (reading->pieces->len == MOST_PIECES)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: has more than %d pieces; no more are read", reading->file.path, MOST_PIECES);
      return FALSE;
    }
  if (!read_piece_fields (reading, reformer_protobuf_enter (&reading->file, field), &piece, error) || !check_piece (reading, &piece, error))
    return FALSE;
  g_array_append_val (reading->pieces, piece);
  return TRUE;
}

/* ---- How it was trained, and how text is normalised ---- */

static gboolean
read_trainer (Reading           *reading,
              ReformerProtobuf   message,
              GError           **error)
{
  ReformerSentencePieceModel *model = reading->model;
  ReformerProtobufField field;

  while (!reformer_protobuf_at_end (&message))
    {
      gboolean read = TRUE;

      if (!reformer_protobuf_next (&message, &field, error))
        return FALSE;
      if (field.number == 3)
        {
          read = reformer_protobuf_expect (&message, &field, REFORMER_PROTOBUF_NUMBER, "model_type", error);
          reading->kind = field.value;
        }
      else if (field.number == 24)
        {
          read = take_flag (&message, &field, "treat_whitespace_as_suffix", &model->normalizer.space_after, error);
        }
      else if (field.number == 35)
        {
          read = take_flag (&message, &field, "byte_fallback", &model->byte_fallback, error);
        }
      else if (field.number == 44)
        {
          read = take_word (&message, &field, "unk_surface", &model->unknown_text, error);
        }
      if (!read)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_normalizer (ReformerProtobuf     message,
                 ReformerNormalizer  *normalizer,
                 ReformerWord        *map,
                 GError             **error)
{
  ReformerProtobufField field;

  while (!reformer_protobuf_at_end (&message))
    {
      gboolean read = TRUE;

      if (!reformer_protobuf_next (&message, &field, error))
        return FALSE;
      if (field.number == 2)
        read = take_word (&message, &field, "precompiled_charsmap", map, error);
      else if (field.number == 3)
        read = take_flag (&message, &field, "add_dummy_prefix", &normalizer->dummy_prefix, error);
      else if (field.number == 4)
        read = take_flag (&message, &field, "remove_extra_whitespaces", &normalizer->remove_spaces, error);
      else if (field.number == 5)
        read = take_flag (&message, &field, "escape_whitespaces", &normalizer->escape_spaces, error);
      if (!read)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_field (Reading                *reading,
            ReformerProtobufField  *field,
            GError                **error)
{
  ReformerSentencePieceModel *model = reading->model;
  ReformerProtobuf *file = &reading->file;

  switch (field->number)
    {
    case 1:
      return read_piece (reading, field, error);
    case 2:
      return reformer_protobuf_expect (file, field, REFORMER_PROTOBUF_BYTES, "trainer_spec", error) && read_trainer (reading, reformer_protobuf_enter (file, field), error);
    case 3:
      return reformer_protobuf_expect (file, field, REFORMER_PROTOBUF_BYTES, "normalizer_spec", error) &&
             read_normalizer (reformer_protobuf_enter (file, field), &model->normalizer, &reading->map, error);
    case 5:
      return reformer_protobuf_expect (file, field, REFORMER_PROTOBUF_BYTES, "denormalizer_spec", error) &&
             read_normalizer (reformer_protobuf_enter (file, field), &model->denormalizer, &reading->back, error);
    default:
      return TRUE;
    }
}

/* ---- All of it ---- */

static gboolean
check_model (Reading  *reading,
             GError  **error)
{
  ReformerSentencePieceModel *model = reading->model;

  if (reading->kind != BPE)
    {
      if (reading->kind < G_N_ELEMENTS (kinds))
        g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s: its model_type is %s, only BPE is read", reading->file.path, kinds[reading->kind]);
      else
        g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s: its model_type is %" G_GUINT64_FORMAT ", only BPE (2) is read", reading->file.path,
                     reading->kind);
      return FALSE;
    }
  if (model->unknown < 0)
    return set_invalid (reading, error, "none of its %u pieces is of the type UNKNOWN; wanted one", reading->pieces->len);
  if (!g_utf8_validate_len ((const char *) model->unknown_text.bytes, model->unknown_text.n_bytes, NULL) || model->unknown_text.n_bytes > LONGEST_PIECE)
    return set_invalid (reading, error, "unk_surface has %" G_GSIZE_FORMAT " bytes; wanted UTF-8 of at most %d", model->unknown_text.n_bytes, LONGEST_PIECE);
  for (guint byte = 0; byte < 256; byte++)
    if ((model->bytes[byte] >= 0) != model->byte_fallback)
      return set_invalid (reading, error, "byte_fallback is %s, and it has %s piece \"<0x%02X>\" of the type BYTE; wanted all 256, or none", model->byte_fallback ? "true" : "false",
                          model->byte_fallback ? "no" : "a", byte);
  return TRUE;
}

/* The pieces that a user defined stay as they are. */
static void
keep_defined (ReformerSentencePieceModel *self)
{
  ReformerWord *words = g_new (ReformerWord, self->n_pieces);
  guint n_words = 0;

  for (int i = 0; i < self->n_pieces; i++)
    if (self->pieces[i].type == REFORMER_SENTENCE_PIECE_USER_DEFINED)
      words[n_words++] = self->pieces[i].word;
  reformer_prefixes_init (&self->kept, words, n_words);
}

static gboolean
read_model (Reading  *reading,
            GError  **error)
{
  ReformerSentencePieceModel *model = reading->model;
  ReformerProtobuf *file = &reading->file;
  ReformerProtobufField field;

  while (!reformer_protobuf_at_end (file))
    if (!reformer_protobuf_next (file, &field, error) || !read_field (reading, &field, error))
      return FALSE;
  if (!check_model (reading, error) || !reformer_normalizer_set_map (&model->normalizer, reading->map.bytes, reading->map.n_bytes, file->path, error) ||
      !reformer_normalizer_set_map (&model->denormalizer, reading->back.bytes, reading->back.n_bytes, file->path, error))
    return FALSE;
  model->n_pieces = (int) reading->pieces->len;
  model->pieces = (ReformerSentencePiece *) g_array_free (g_steal_pointer (&reading->pieces), FALSE);
  keep_defined (model);
  return reformer_sentence_piece_model_index (model, file->path, error);
}

ReformerSentencePieceModel *
reformer_sentence_piece_model_new (GBytes      *file,
                                   const char  *path,
                                   GError     **error)
{
  g_autoptr (ReformerSentencePieceModel) self = g_new0 (ReformerSentencePieceModel, 1);
  g_autofree char *sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, file);
  gsize n;
  const guint8 *bytes = g_bytes_get_data (file, &n);
  Reading reading = { self, g_array_new (FALSE, FALSE, sizeof (ReformerSentencePiece)), { path, bytes, bytes, bytes + n }, UNIGRAM };
  gboolean read;

  self->file = g_bytes_ref (file);
  self->identity = g_strconcat (REFORMER_SENTENCE_PIECE_NAME, sum, NULL);
  self->unknown = -1;
  self->unknown_text = (ReformerWord) { (const guint8 *) UNKNOWN_TEXT, strlen (UNKNOWN_TEXT) };
  memset (self->bytes, -1, sizeof self->bytes);
  self->normalizer.dummy_prefix = self->normalizer.remove_spaces = self->normalizer.escape_spaces = TRUE;
  self->denormalizer = self->normalizer;
  read = read_model (&reading, error);
  g_clear_pointer (&reading.pieces, g_array_unref);
  return read ? g_steal_pointer (&self) : NULL;
}

void
reformer_sentence_piece_model_free (ReformerSentencePieceModel *self)
{
  g_bytes_unref (self->file);
  g_free (self->identity);
  g_free (self->pieces);
  reformer_prefixes_clear (&self->kept);
  g_free (self->slots);
  g_free (self->inner);
  g_free (self);
}
