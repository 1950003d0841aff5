/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/sentencepiece-model.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"

/*
 * Byte pair encoding: of all neighbours that are a piece together, those with the best score are joined first, of equal ones the leftmost.
 *
 * Two characters that stand next to each other in no piece are never in one, so that the text is cut there, and each part is done alone: joins in one change nothing
 * in another. The parts are about words, and what a part needs stays in the processor's cache; a text without any such place takes O(n log n) all the same.
 */

/* Bytes between two looks at the cancellable */
#define PIECE (1u << 18)

/* A run of characters, at most one piece; joined to the one on its left it is empty. */
typedef struct
{
  guint32 begin;
  guint32 n_bytes;
  gint32  previous; /* -1: none */
  gint32  next;
  gint32  id;       /* -1: one character, not looked up */
  gboolean kept;    /* a piece that a user defined */
} Symbol;

/* Two neighbours that are a piece together. It is out of date where their bytes are no more as many. */
typedef struct
{
  float   score;
  gint32  left;
  gint32  right;
  guint32 n_bytes;
  gint32  id;
} Join;

typedef struct
{
  const ReformerSentencePieceModel *model;
  const guint8                     *text;  /* of the part */
  ReformerText                      symbols;
  ReformerText                      joins; /* a heap */
  ReformerText                      ids;
  guint16                          *splits; /* of a piece of the type UNUSED: the bytes of its left part when it was last joined; 0: never */
  gboolean                          after_unknown;
  GError                          **error;
} Encoding;

#define SYMBOLS(encoding) ((Symbol *) (gpointer) (encoding)->symbols.data)
#define JOINS(encoding) ((Join *) (gpointer) (encoding)->joins.data)

/* ---- The heap ---- */

static inline gboolean
is_before (const Join *a,
           const Join *b)
{
  return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static gboolean
push (Encoding   *encoding,
      const Join *join)
{
  gsize i = encoding->joins.length / sizeof *join;
  Join *heap;

  if (!reformer_text_reserve (&encoding->joins, sizeof *join, encoding->error))
    return FALSE;
  encoding->joins.length += sizeof *join;
  heap = JOINS (encoding);
  for (; i > 0 && is_before (join, &heap[(i - 1) / 2]); i = (i - 1) / 2)
    heap[i] = heap[(i - 1) / 2];
  heap[i] = *join;
  return TRUE;
}

/* The heap is not empty. */
static Join
pop (Encoding *encoding)
{
  Join *heap = JOINS (encoding);
  const gsize n = encoding->joins.length / sizeof *heap - 1;
  const Join first = heap[0], last = heap[n];
  gsize i = 0;

  encoding->joins.length -= sizeof *heap;
  for (gsize child = 1; child < n; child = 2 * i + 1)
    {
      if (child + 1 < n && is_before (&heap[child + 1], &heap[child]))
        child++;
      if (!is_before (&heap[child], &last))
        break;
      heap[i] = heap[child];
      i = child;
    }
  heap[i] = last;
  return first;
}

/* ---- A part ---- */

static gboolean
look_at (Encoding *encoding,
         gint32    left,
         gint32    right)
{
  const ReformerSentencePieceModel *model = encoding->model;
  const Symbol *a, *b;
  Join join = { .left = left, .right = right };

  if (left < 0 || right < 0)
    return TRUE;
  a = &SYMBOLS (encoding)[left];
  b = &SYMBOLS (encoding)[right];
  if (a->kept || b->kept)
    return TRUE;
  join.n_bytes = a->n_bytes + b->n_bytes;
  join.id = reformer_sentence_piece_model_find (model, encoding->text + a->begin, join.n_bytes);
  if (join.id < 0 || !reformer_sentence_piece_is_text (&model->pieces[join.id]))
    return TRUE;
  join.score = model->pieces[join.id].score;
  if (encoding->splits != NULL && model->pieces[join.id].type == REFORMER_SENTENCE_PIECE_UNUSED)
    encoding->splits[join.id] = (guint16) a->n_bytes;
  return push (encoding, &join);
}

static gboolean
join_all (Encoding *encoding)
{
  const gint32 n = (gint32) (encoding->symbols.length / sizeof (Symbol));
  Symbol *symbols = SYMBOLS (encoding);

  encoding->joins.length = 0;
  for (gint32 i = 1; i < n; i++)
    if (!look_at (encoding, i - 1, i))
      return FALSE;
  while (encoding->joins.length > 0)
    {
      const Join join = pop (encoding);
      Symbol *left = &symbols[join.left], *right = &symbols[join.right];

      if (left->n_bytes == 0 || right->n_bytes == 0 || left->n_bytes + right->n_bytes != join.n_bytes)
        continue;
      left->n_bytes = join.n_bytes;
      left->id = join.id;
      left->next = right->next;
      if (right->next >= 0)
        symbols[right->next].previous = join.left;
      right->n_bytes = 0;
      if (!look_at (encoding, left->previous, join.left) || !look_at (encoding, join.left, left->next))
        return FALSE;
    }
  return TRUE;
}

/* ---- Ids ---- */

static gboolean
put (Encoding *encoding,
     gint32    id)
{
  return reformer_text_append (&encoding->ids, &id, sizeof id, encoding->error);
}

/* Characters that are no piece: their bytes, or one id for a row of them. */
static gboolean
put_unknown (Encoding     *encoding,
             const guint8 *bytes,
             gsize         n_bytes)
{
  const gboolean again = encoding->after_unknown;

  encoding->after_unknown = TRUE;
  if (!encoding->model->byte_fallback)
    return again || put (encoding, encoding->model->unknown);
  for (gsize i = 0; i < n_bytes; i++)
    if (!put (encoding, encoding->model->bytes[bytes[i]]))
      return FALSE;
  return TRUE;
}

/* A control symbol, a byte's, and what is not to be used, are never what a text says. */
static gboolean
put_piece (Encoding     *encoding,
           gint32        id,
           const guint8 *bytes,
           gsize         n_bytes)
{
  const ReformerSentencePiece *piece = &encoding->model->pieces[MAX (id, 0)];

  if (id < 0 || piece->type == REFORMER_SENTENCE_PIECE_UNUSED || !reformer_sentence_piece_is_text (piece))
    return put_unknown (encoding, bytes, n_bytes);
  encoding->after_unknown = FALSE;
  return put (encoding, id);
}

/* A piece, or where it is not to be used the two that it was made of, and so on. The right ones wait: each is shorter than what it is a part of. */
static gboolean
put_parts (Encoding     *encoding,
           gint32        id,
           const guint8 *bytes,
           gsize         n_bytes)
{
  const guint8 *const end = bytes + n_bytes;
  g_autofree guint16 *waiting = g_new (guint16, n_bytes);
  guint n_waiting = 0;

  while (bytes < end)
    {
      const guint split = id >= 0 && encoding->model->pieces[id].type == REFORMER_SENTENCE_PIECE_UNUSED ? encoding->splits[id] : 0;

      if (split > 0)
        {
          waiting[n_waiting++] = (guint16) (n_bytes - split);
          n_bytes = split;
        }
      else
        {
          if (!put_piece (encoding, id, bytes, n_bytes))
            return FALSE;
          bytes += n_bytes;
          n_bytes = n_waiting > 0 ? waiting[--n_waiting] : 0;
        }
      id = n_bytes > 0 ? reformer_sentence_piece_model_find (encoding->model, bytes, n_bytes) : -1;
    }
  return TRUE;
}

static gboolean
put_part (Encoding *encoding)
{
  const Symbol *symbols = SYMBOLS (encoding);

  if (encoding->symbols.length == 0)
    return TRUE;
  for (gint32 i = 0; i >= 0; i = symbols[i].next)
    {
      const guint8 *bytes = encoding->text + symbols[i].begin;
      const gint32 id = symbols[i].id >= 0 ? symbols[i].id : reformer_sentence_piece_model_find (encoding->model, bytes, symbols[i].n_bytes);

      if (encoding->splits != NULL ? !put_parts (encoding, id, bytes, symbols[i].n_bytes) : !put_piece (encoding, id, bytes, symbols[i].n_bytes))
        return FALSE;
    }
  return TRUE;
}

/* ---- The text ---- */

static gboolean
finish_part (Encoding *encoding)
{
  const gint32 n = (gint32) (encoding->symbols.length / sizeof (Symbol));

  if (n > 0)
    SYMBOLS (encoding)[n - 1].next = -1;
  if (!join_all (encoding) || !put_part (encoding))
    return FALSE;
  encoding->symbols.length = 0;
  return TRUE;
}

static gboolean
add_symbol (Encoding     *encoding,
            const guint8 *bytes,
            gsize         n_bytes,
            gboolean      kept)
{
  const gsize begin = (gsize) (bytes - encoding->text);
  const gint32 i = (gint32) (encoding->symbols.length / sizeof (Symbol));
  const Symbol symbol = { (guint32) begin, (guint32) n_bytes, i - 1, i + 1, -1, kept };

  if (begin <= G_MAXINT32)
    return reformer_text_append (&encoding->symbols, &symbol, sizeof symbol, encoding->error);
  g_set_error (encoding->error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT,
               "a text has %" G_GSIZE_FORMAT " bytes without a place at which pieces end; at most %d are taken", begin, G_MAXINT32);
  return FALSE;
}

static gboolean
encode_parts (Encoding     *encoding,
              const guint8 *text,
              gsize         n_bytes)
{
  const ReformerSentencePieceModel *model = encoding->model;
  GCancellable *cancellable = reformer_home_get_cancellable ();
  ReformerWord before = { NULL };
  gsize look = 0; /* the place from which on to look whether it was cancelled */
  gboolean before_kept = FALSE;

  encoding->text = text;
  for (gsize i = 0; i < n_bytes; i += before.n_bytes)
    {
      ReformerWord next = { text + i, reformer_prefixes_find (&model->kept, text + i, n_bytes - i) };
      const gboolean kept = next.n_bytes > 0;

      if (i >= look)
        {
          if (g_cancellable_set_error_if_cancelled (cancellable, encoding->error))
            return FALSE;
          look = i + PIECE;
        }
      if (!kept)
        next.n_bytes = reformer_sentence_piece_character (next.bytes, n_bytes - i);
      /* what is to become of a piece that is not used is known when all is joined */
      if (i > 0 && encoding->splits == NULL && (kept || before_kept || !reformer_sentence_piece_model_may_join (model, before, next)))
        {
          if (!finish_part (encoding))
            return FALSE;
          encoding->text = next.bytes;
        }
      if (!add_symbol (encoding, next.bytes, next.n_bytes, kept))
        return FALSE;
      before = next;
      before_kept = kept;
    }
  return finish_part (encoding);
}

GBytes *
reformer_sentence_piece_model_encode (const ReformerSentencePieceModel  *self,
                                      const guint8                      *text,
                                      gsize                              n_bytes,
                                      GError                           **error)
{
  g_auto (ReformerText) normal = { NULL };
  Encoding encoding = { .model = self, .error = error };
  gboolean encoded;

  if (!reformer_normalizer_run (&self->normalizer, &self->kept, text, n_bytes, &normal, error))
    return NULL;
  if (self->has_unused)
    encoding.splits = g_new0 (guint16, self->n_pieces);
  encoded = encode_parts (&encoding, normal.data, normal.length);
  reformer_text_clear (&encoding.symbols);
  reformer_text_clear (&encoding.joins);
  g_free (encoding.splits);
  if (!encoded)
    {
      reformer_text_clear (&encoding.ids);
      return NULL;
    }
  return reformer_text_take (&encoding.ids);
}
