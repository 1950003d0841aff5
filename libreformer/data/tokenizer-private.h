/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include <libreformer/data/reformer-alphabet-tokenizer.h>
#include <libreformer/data/reformer-sentence-piece-tokenizer.h>

G_BEGIN_DECLS

/* The file of a model's folder that names its tokenizer. */
#define REFORMER_TOKENIZER_FILE "reformer-tokenizer.json"
#define REFORMER_BYTE_TOKENIZER_NAME "bytes"

/* A SentencePiece model beside it, and how its name begins. */
#define REFORMER_SENTENCE_PIECE_FILE "spiece.model"
#define REFORMER_SENTENCE_PIECE_NAME "sentencepiece "

/* What it was read from; borrowed; NULL where it was made without a model. */
GBytes *reformer_sentence_piece_tokenizer_get_file (ReformerSentencePieceTokenizer *self);

/* The name of an alphabet's tokenizer begins so; its alphabet follows. */
#define REFORMER_ALPHABET_TOKENIZER_NAME "alphabet:"

/* Whether all of the text is in the alphabet; else where the first letter is that is not. An alphabet that is none has all: encoding says what is wrong. */
gboolean reformer_alphabet_check (ReformerAlphabetTokenizer  *self,
                                  const char                 *text,
                                  gsize                       n_bytes,
                                  gsize                      *at);

/* Element i of ids; a part of other bytes need not be aligned. */
static inline gint32
reformer_tokenizer_nth_id (GBytes *ids,
                           gsize   i)
{
  gint32 id;

  memcpy (&id, (const guint8 *) g_bytes_get_data (ids, NULL) + i * sizeof id, sizeof id);
  return id;
}

G_END_DECLS
