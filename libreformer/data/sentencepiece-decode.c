/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/sentencepiece-model.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "data/tokenizer-private.h"

/* A piece, with spaces as spaces. */
static gboolean
append_piece (ReformerText  *to,
              ReformerWord   word,
              GError       **error)
{
  const gsize n = strlen (REFORMER_SPACE);

  if (!reformer_text_reserve (to, word.n_bytes, error))
    return FALSE;
  for (gsize i = 0; i < word.n_bytes;)
    if (word.n_bytes - i >= n && memcmp (word.bytes + i, REFORMER_SPACE, n) == 0)
      {
        to->data[to->length++] = ' ';
        i += n;
      }
    else
      {
        to->data[to->length++] = word.bytes[i++];
      }
  return TRUE;
}

/* Whether the text still begins with the space that was put before it, or with those that are taken away: of a piece, one. */
typedef struct
{
  gboolean begins;
  gboolean dropped;
} Beginning;

static gboolean
append_text (const ReformerSentencePieceModel  *self,
             ReformerWord                       word,
             Beginning                         *beginning,
             ReformerText                      *to,
             GError                           **error)
{
  const ReformerNormalizer *normalizer = &self->normalizer;
  const gsize n = strlen (REFORMER_SPACE);

  beginning->dropped = FALSE;
  if (beginning->begins && (normalizer->dummy_prefix || normalizer->remove_spaces) && word.n_bytes >= n && memcmp (word.bytes, REFORMER_SPACE, n) == 0)
    {
      word = (ReformerWord) { word.bytes + n, word.n_bytes - n };
      beginning->dropped = !normalizer->remove_spaces;
    }
  return append_piece (to, word, error);
}

static gboolean
append_id (const ReformerSentencePieceModel  *self,
           const ReformerSentencePiece       *piece,
           Beginning                         *beginning,
           ReformerText                      *to,
           GError                           **error)
{
  if (piece->type == REFORMER_SENTENCE_PIECE_BYTE)
    return reformer_text_append (to, &piece->byte, 1, error);
  if (beginning->dropped || to->length > 0)
    beginning->begins = FALSE;
  if (piece->type != REFORMER_SENTENCE_PIECE_CONTROL && piece->type != REFORMER_SENTENCE_PIECE_UNKNOWN)
    return append_text (self, piece->word, beginning, to, error);
  beginning->dropped = FALSE;
  return piece->type == REFORMER_SENTENCE_PIECE_CONTROL || reformer_text_append (to, self->unknown_text.bytes, self->unknown_text.n_bytes, error);
}

GBytes *
reformer_sentence_piece_model_decode (const ReformerSentencePieceModel  *self,
                                      GBytes                            *ids,
                                      GError                           **error)
{
  const gsize n = g_bytes_get_size (ids) / sizeof (gint32);
  g_auto (ReformerText) text = { NULL }, back = { NULL };
  Beginning beginning = { TRUE, FALSE };
  ReformerText *result = &text;

  for (gsize i = 0; i < n; i++)
    {
      const gint32 id = reformer_tokenizer_nth_id (ids, i);

      if (id < 0 || id >= self->n_pieces)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id %" G_GSIZE_FORMAT " is %d; the SentencePiece model has the ids 0 to %d", i, id, self->n_pieces - 1);
          return NULL;
        }
      if (!append_id (self, &self->pieces[id], &beginning, &text, error))
        return NULL;
    }
  if (self->denormalizer.n_units > 0)
    {
      if (!reformer_normalizer_run (&self->denormalizer, NULL, text.data, text.length, &back, error))
        return NULL;
      result = &back;
    }
  return reformer_text_take (result);
}
