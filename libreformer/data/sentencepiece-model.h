/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "data/sentencepiece-normalizer.h"

G_BEGIN_DECLS

/*
 * A SentencePiece model: `spiece.model`, a message of protobuf's. Nothing in the file is trusted; what is read of it is checked here once, so that using it needs no
 * more checks. Memory is a small multiple of the file's size, which is limited.
 */

typedef enum
{
  REFORMER_SENTENCE_PIECE_NORMAL = 1,
  REFORMER_SENTENCE_PIECE_UNKNOWN = 2,
  REFORMER_SENTENCE_PIECE_CONTROL = 3,
  REFORMER_SENTENCE_PIECE_USER_DEFINED = 4,
  REFORMER_SENTENCE_PIECE_UNUSED = 5,
  REFORMER_SENTENCE_PIECE_BYTE = 6,
} ReformerSentencePieceType;

typedef struct
{
  ReformerWord word;
  float        score;
  guint8       type;
  guint8       byte; /* which one a piece of the type BYTE stands for */
} ReformerSentencePiece;

typedef struct
{
  guint32 hash;
  gint32  id; /* -1: free */
} ReformerSentencePieceSlot;

typedef struct
{
  GBytes                    *file;
  char                      *identity;      /* "sentencepiece SHA-256" */
  ReformerSentencePiece     *pieces;        /* their texts lie in the file */
  int                        n_pieces;
  gsize                      longest;       /* bytes of a piece */
  int                        unknown;       /* its id */
  ReformerWord               unknown_text;  /* what it is in a text */
  gboolean                   byte_fallback;
  int                        bytes[256];    /* ids, with byte_fallback */
  gboolean                   has_unused;
  ReformerNormalizer         normalizer;
  ReformerNormalizer         denormalizer;  /* without a map there is nothing to do */
  ReformerPrefixes           kept;          /* pieces that a user defined: no rule of the normaliser, and no merge, touches them */

  /* sentencepiece-lookup.c */
  ReformerSentencePieceSlot *slots;
  guint32                    slot_mask;
  guint8                    *inner;         /* bits: which pairs of characters stand next to each other within a piece; more may be set, none is lacking */
  guint32                    inner_mask;
} ReformerSentencePieceModel;

ReformerSentencePieceModel *reformer_sentence_piece_model_new  (GBytes                      *file,
                                                                const char                  *path,
                                                                GError                     **error);
void                        reformer_sentence_piece_model_free (ReformerSentencePieceModel  *self);

/* ---- sentencepiece-lookup.c ---- */

/* Fills the tables; fails where two pieces are the same. */
gboolean reformer_sentence_piece_model_index (ReformerSentencePieceModel        *self,
                                              const char                        *path,
                                              GError                           **error);
guint32  reformer_sentence_piece_hash        (const guint8                      *bytes,
                                              gsize                              n_bytes);
/* The id of a piece, or -1. */
int      reformer_sentence_piece_model_find  (const ReformerSentencePieceModel  *self,
                                              const guint8                      *bytes,
                                              gsize                              n_bytes);
/* Whether a merge could make one piece of what ends with the first character and what begins with the second. */
gboolean reformer_sentence_piece_model_may_join (const ReformerSentencePieceModel  *self,
                                                 ReformerWord                       first,
                                                 ReformerWord                       second);

/* Whether merges can make it. */
static inline gboolean
reformer_sentence_piece_is_text (const ReformerSentencePiece *piece)
{
  return piece->type == REFORMER_SENTENCE_PIECE_NORMAL || piece->type == REFORMER_SENTENCE_PIECE_USER_DEFINED || piece->type == REFORMER_SENTENCE_PIECE_UNUSED;
}

/* Bytes of the character that the text, which is not empty, begins with; of what is no UTF-8 too. */
static inline gsize
reformer_sentence_piece_character (const guint8 *text,
                                   gsize         n_bytes)
{
  const gsize n = text[0] < 0xc0 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

  return MIN (n, n_bytes);
}

/* ---- sentencepiece-encode.c ---- */

/* The ids of text, int32, or NULL and an error where there is no memory. */
GBytes  *reformer_sentence_piece_model_encode (const ReformerSentencePieceModel  *self,
                                               const guint8                      *text,
                                               gsize                              n_bytes,
                                               GError                           **error);

/* ---- sentencepiece-decode.c ---- */

/* The text of ids. Bytes of byte_fallback come as they are, also those that make no character. */
GBytes  *reformer_sentence_piece_model_decode (const ReformerSentencePieceModel  *self,
                                               GBytes                            *ids,
                                               GError                           **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerSentencePieceModel, reformer_sentence_piece_model_free)

G_END_DECLS
