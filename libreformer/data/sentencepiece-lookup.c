/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/sentencepiece-model.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

/* The table is at most half full: no trained model comes near. Pieces whose hashes are made to meet are refused, so that no lookup takes long. */
#define MOST_PROBES 512

/* The most bits of a table of pairs: 1 MiB. */
#define MOST_BITS (1u << 23)

static inline guint64
mix (guint64 hash,
     guint64 word)
{
  hash = (hash ^ word) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

static inline guint32
hash_bytes (const guint8 *bytes,
            gsize         n_bytes)
{
  guint64 hash = mix (0, n_bytes), word;

  for (; n_bytes >= sizeof word; bytes += sizeof word, n_bytes -= sizeof word)
    {
      memcpy (&word, bytes, sizeof word);
      hash = mix (hash, word);
    }
  word = 0;
  memcpy (&word, bytes, n_bytes);
  hash = mix (hash, word);
  return (guint32) (hash ^ hash >> 32);
}

guint32
reformer_sentence_piece_hash (const guint8 *bytes,
                              gsize         n_bytes)
{
  return hash_bytes (bytes, n_bytes);
}

/* ---- Pieces by their text ---- */

int
reformer_sentence_piece_model_find (const ReformerSentencePieceModel *self,
                                    const guint8                     *bytes,
                                    gsize                             n_bytes)
{
  guint32 hash, i;

  if (n_bytes > self->longest)
    return -1;
  hash = hash_bytes (bytes, n_bytes);
  for (i = hash & self->slot_mask; self->slots[i].id >= 0; i = (i + 1) & self->slot_mask)
    if (self->slots[i].hash == hash)
      {
        const ReformerWord *word = &self->pieces[self->slots[i].id].word;

        if (word->n_bytes == n_bytes && memcmp (word->bytes, bytes, n_bytes) == 0)
          return self->slots[i].id;
      }
  return -1;
}

static gboolean
add_piece (ReformerSentencePieceModel  *self,
           int                          id,
           const char                  *path,
           GError                     **error)
{
  const ReformerWord *word = &self->pieces[id].word;
  const guint32 hash = hash_bytes (word->bytes, word->n_bytes);
  guint32 i = hash & self->slot_mask;

  for (guint n = 0; self->slots[i].id >= 0; i = (i + 1) & self->slot_mask, n++)
    {
      const ReformerWord *other = &self->pieces[self->slots[i].id].word;

      if (self->slots[i].hash == hash && other->n_bytes == word->n_bytes && memcmp (other->bytes, word->bytes, word->n_bytes) == 0)
        {
          g_autofree char *text = g_strndup ((const char *) word->bytes, word->n_bytes), *quoted = reformer_file_quote (text);

          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: pieces %d and %d are both \"%s\"; wanted different ones", path, self->slots[i].id, id, quoted);
          return FALSE;
        }
      if (n == MOST_PROBES)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: the hash of piece %d meets those of more than %d others; wanted the pieces of a trained model", path, id,
                       MOST_PROBES);
          return FALSE;
        }
    }
  self->slots[i] = (ReformerSentencePieceSlot) { hash, id };
  return TRUE;
}

/* ---- Pairs of characters ---- */

static inline guint32
hash_pair (ReformerWord first,
           ReformerWord second)
{
  guint64 pair = 0, hash;

  memcpy (&pair, first.bytes, first.n_bytes);
  memcpy ((guint8 *) &pair + 4, second.bytes, second.n_bytes);
  hash = mix (0, pair);
  return (guint32) (hash ^ hash >> 32);
}

gboolean
reformer_sentence_piece_model_may_join (const ReformerSentencePieceModel *self,
                                        ReformerWord                      first,
                                        ReformerWord                      second)
{
  const guint32 bit = hash_pair (first, second) & self->inner_mask;

  return (self->inner[bit / 8] >> bit % 8 & 1) != 0;
}

static void
add_pairs (ReformerSentencePieceModel *self,
           ReformerWord                word)
{
  ReformerWord before = { word.bytes, reformer_sentence_piece_character (word.bytes, word.n_bytes) };

  for (gsize i = before.n_bytes; i < word.n_bytes; i += before.n_bytes)
    {
      const ReformerWord next = { word.bytes + i, reformer_sentence_piece_character (word.bytes + i, word.n_bytes - i) };
      const guint32 bit = hash_pair (before, next) & self->inner_mask;

      self->inner[bit / 8] |= (guint8) (1 << bit % 8);
      before = next;
    }
}

/* ---- Both ---- */

static gboolean
set_no_memory (GError     **error,
               const char  *path,
               int          n_pieces)
{
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: no memory for its %d pieces", path, n_pieces);
  return FALSE;
}

gboolean
reformer_sentence_piece_model_index (ReformerSentencePieceModel  *self,
                                     const char                  *path,
                                     GError                     **error)
{
  gsize n_slots = 1024, n_bits = 1 << 16, n_bytes = 0;

  for (int i = 0; i < self->n_pieces; i++)
    n_bytes += self->pieces[i].word.n_bytes;
  while (n_slots < 2 * (gsize) self->n_pieces)
    n_slots *= 2;
  while (n_bits < 8 * n_bytes && n_bits < MOST_BITS)
    n_bits *= 2;
  self->slot_mask = (guint32) (n_slots - 1);
  self->inner_mask = (guint32) (n_bits - 1);
  self->slots = g_try_new (ReformerSentencePieceSlot, n_slots);
  self->inner = g_try_malloc0 (n_bits / 8);
  if (self->slots == NULL || self->inner == NULL)
    return set_no_memory (error, path, self->n_pieces);
  memset (self->slots, -1, n_slots * sizeof *self->slots);
  for (int i = 0; i < self->n_pieces; i++)
    if (!add_piece (self, i, path, error))
      return FALSE;
  for (int i = 0; i < self->n_pieces; i++)
    if (reformer_sentence_piece_is_text (&self->pieces[i]))
      add_pairs (self, self->pieces[i].word);
  return TRUE;
}
