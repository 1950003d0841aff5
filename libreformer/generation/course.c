/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/course.h"

#include <string.h>

#include "data/utf8.h"
#include "generation/piece-private.h"
#include "generation/stop.h"
#include <libreformer/generation/reformer-session.h>
#include <libreformer/layers/reformer-model-error.h>

/* A text token by token. What can fail comes before what changes the course, so that a token that failed or was cancelled is made by the next call. */

/* What a text without a prompt begins with; it is not part of the text. The padding would be a token that no training has seen. */
#define NO_PROMPT "\n"

/* Ids before the next one that may be needed to tell what it is in the text. */
#define RECENT 8

struct _ReformerCourse
{
  ReformerCourseSettings  settings;
  ReformerSession        *session;
  GArray                 *waiting; /* gint32: ids to feed; NULL: not even the prompt's are known; empty: the logits are there */
  ReformerTensor         *logits;  /* float32 [1, V], of the next token */
  gint32                  recent[RECENT]; /* the ids before the next one, the last one last */
  guint                   n_recent;
  int                     positions;
  guint                   n_tokens;
  ReformerGenerationEnd   end;
  GByteArray             *held;    /* made but not given out: it may begin a stop string */
  GByteArray             *begun;   /* given out as bytes, but not yet a character */
};

ReformerCourse *
reformer_course_new (const ReformerCourseSettings *settings)
{
  ReformerCourse *self = g_atomic_rc_box_new0 (ReformerCourse);

  self->settings = *settings;
  g_object_ref (self->settings.model);
  g_object_ref (self->settings.tokenizer);
  g_bytes_ref (self->settings.prompt);
  self->settings.stop = g_strdupv (settings->stop);
  if (self->settings.allowed != NULL)
    g_bytes_ref (self->settings.allowed);
  self->session = reformer_session_new (self->settings.model);
  self->held = g_byte_array_new ();
  self->begun = g_byte_array_new ();
  return self;
}

ReformerCourse *
reformer_course_ref (ReformerCourse *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
clear (gpointer data)
{
  ReformerCourse *self = data;

  g_object_unref (self->settings.model);
  g_object_unref (self->settings.tokenizer);
  g_bytes_unref (self->settings.prompt);
  g_strfreev (self->settings.stop);
  g_clear_pointer (&self->settings.allowed, g_bytes_unref);
  g_object_unref (self->session);
  g_clear_pointer (&self->waiting, g_array_unref);
  g_clear_object (&self->logits);
  g_byte_array_unref (self->held);
  g_byte_array_unref (self->begun);
}

void
reformer_course_unref (ReformerCourse *self)
{
  g_atomic_rc_box_release_full (self, clear);
}

guint
reformer_course_n_tokens (ReformerCourse *self)
{
  return self->n_tokens;
}

ReformerGenerationEnd
reformer_course_end (ReformerCourse *self)
{
  return self->end;
}

GBytes *
reformer_course_allowed (ReformerCourse *self)
{
  return self->settings.allowed;
}

/* ---- Ids and bytes ---- */

static GBytes *
decode (ReformerCourse  *self,
        const gint32    *ids,
        gsize            n,
        GError         **error)
{
  g_autoptr (GBytes) given = g_bytes_new (ids, n * sizeof *ids);

  return reformer_tokenizer_decode (self->settings.tokenizer, given, error);
}

/* What an id is in the text after the one before it: a tokenizer may write a word differently where a text begins. One that is nothing where a text begins, as a space, says nothing
 * about that; then those before it are looked at too. */
static GBytes *
decode_after (ReformerCourse  *self,
              gint32           id,
              GError         **error)
{
  gint32 ids[RECENT + 1];
  g_autoptr (GBytes) before = NULL, both = NULL;
  gsize n, n_both;
  const guint8 *start, *whole;
  guint first = self->n_recent;

  memcpy (ids, self->recent, sizeof self->recent);
  ids[self->n_recent] = id;
  do
    {
      g_clear_pointer (&before, g_bytes_unref);
      first--;
      before = decode (self, ids + first, self->n_recent - first, error);
    }
  while (before != NULL && g_bytes_get_size (before) == 0 && first > 0);
  both = before != NULL ? decode (self, ids + first, self->n_recent - first + 1, error) : NULL;

  if (both == NULL)
    return NULL;
  start = g_bytes_get_data (before, &n);
  whole = g_bytes_get_data (both, &n_both);
  if (n <= n_both && (n == 0 || memcmp (start, whole, n) == 0))
    return g_bytes_new_from_bytes (both, n, n_both - n);
  return decode (self, &id, 1, error);
}

/* Whether an id is anything in a text: alone, or, where a tokenizer leaves out spaces at the beginning, after `before`, which is something alone; -1: none is known. */
static gboolean
means_something (ReformerCourse  *self,
                 gint32           before,
                 gint32           id,
                 GError         **error)
{
  const gint32 ids[2] = { before, id };
  g_autoptr (GBytes) alone = decode (self, &id, 1, error), one = NULL, both = NULL;

  if (alone == NULL || g_bytes_get_size (alone) > 0 || before < 0)
    return alone != NULL && g_bytes_get_size (alone) > 0;
  one = decode (self, ids, 1, error);
  both = one != NULL ? decode (self, ids, 2, error) : NULL;
  return both != NULL && g_bytes_get_size (both) > g_bytes_get_size (one);
}

/* Which ids of the vocabulary may be made: those that the tokenizer can turn into text. */
static gboolean
find_allowed (ReformerCourse  *self,
              GCancellable    *cancellable,
              GError         **error)
{
  const int vocabulary = reformer_config_get_vocab_size (reformer_model_get_config (self->settings.model));
  g_autofree guint8 *allowed = g_new0 (guint8, (gsize) vocabulary);
  g_autoptr (GError) last = NULL;
  GError *problem = NULL;
  const int count = reformer_tokenizer_count_ids (self->settings.tokenizer, &problem), known = count < 1 ? vocabulary : MIN (count, vocabulary);
  gint32 before = -1;
  int n = 0;

  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  for (int id = 0; id < known && before < 0 && !g_cancellable_is_cancelled (cancellable); id++)
    if (means_something (self, -1, id, NULL))
      before = id;
  for (int id = 0; id < known; id++)
    {
      GError *local = NULL;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      allowed[id] = means_something (self, before, id, &local);
      n += allowed[id];
      if (local != NULL)
        {
          g_clear_error (&last);
          last = local; /* an id that cannot be decoded is not made */
        }
    }
  if (n == 0)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_MISMATCH, "%s knows %d ids and can turn none of the model's %d into text%s%s; wanted the tokenizer that the model was trained with",
                   G_OBJECT_TYPE_NAME (self->settings.tokenizer), known, vocabulary, last != NULL ? ": " : "", last != NULL ? last->message : "");
      return FALSE;
    }
  self->settings.allowed = g_bytes_new_take (g_steal_pointer (&allowed), (gsize) vocabulary);
  return TRUE;
}

static void
remember (ReformerCourse *self,
          gint32          id)
{
  if (self->n_recent == RECENT)
    memmove (self->recent, self->recent + 1, (size_t) --self->n_recent * sizeof *self->recent);
  self->recent[self->n_recent++] = id;
}

static GArray *
encode (ReformerCourse  *self,
        GBytes          *text,
        GError         **error)
{
  g_autoptr (GBytes) ids = reformer_tokenizer_encode (self->settings.tokenizer, text, error);
  GArray *list;
  gsize size;
  gconstpointer data;

  if (ids == NULL)
    return NULL;
  data = g_bytes_get_data (ids, &size);
  list = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_array_append_vals (list, data, (guint) MIN (size / sizeof (gint32), G_MAXINT32));
  return list;
}

static gboolean
read_prompt (ReformerCourse  *self,
             GError         **error)
{
  const int vocabulary = reformer_config_get_vocab_size (reformer_model_get_config (self->settings.model));
  g_autoptr (GArray) ids = encode (self, self->settings.prompt, error);

  if (ids != NULL && ids->len == 0)
    {
      g_autoptr (GBytes) line = g_bytes_new_static (NO_PROMPT, strlen (NO_PROMPT));

      g_clear_pointer (&ids, g_array_unref);
      ids = encode (self, line, error);
      if (ids != NULL && ids->len == 0)
        {
          g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the prompt has no tokens, nor has a line feed; wanted a prompt that %s gives at least one for",
                       G_OBJECT_TYPE_NAME (self->settings.tokenizer));
          return FALSE;
        }
    }
  if (ids == NULL)
    return FALSE;
  for (guint i = 0; i < ids->len; i++)
    {
      const gint32 id = g_array_index (ids, gint32, i);

      if (id >= 0 && id < vocabulary)
        continue;
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the prompt: %s gives the id %d for token %u; the model has the ids 0 to %d (vocab_size)",
                   G_OBJECT_TYPE_NAME (self->settings.tokenizer), id, i, vocabulary - 1);
      return FALSE;
    }
  if (ids->len > (guint) self->positions)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE,
                   "the prompt has %u tokens; the model has positions for %d (axial_pos_shape, or max_position_embeddings without axial positions)", ids->len, self->positions);
      return FALSE;
    }
  for (guint i = ids->len - MIN (ids->len, RECENT); i < ids->len; i++)
    remember (self, g_array_index (ids, gint32, i));
  self->waiting = g_steal_pointer (&ids);
  return TRUE;
}

static gboolean
prepare (ReformerCourse  *self,
         GCancellable    *cancellable,
         GError         **error)
{
  if (!reformer_sampling_check (&self->settings.sampling, error) || !reformer_model_prepare (self->settings.model, error))
    return FALSE;
  self->positions = (int) MIN (reformer_config_get_max_length (reformer_model_get_config (self->settings.model)), G_MAXINT);
  if (self->settings.allowed == NULL && !find_allowed (self, cancellable, error))
    return FALSE;
  return read_prompt (self, error);
}

/* ---- Tokens ---- */

/* Feeds what waits. */
static gboolean
feed (ReformerCourse  *self,
      GCancellable    *cancellable,
      GError         **error)
{
  const gint64 shape[2] = { 1, (gint64) self->waiting->len };
  g_autoptr (GBytes) ids = g_bytes_new (self->waiting->data, self->waiting->len * sizeof (gint32));
  g_autoptr (ReformerTensor) tokens = NULL;
  ReformerTensor *logits = NULL;

  tokens = reformer_tensor_new_from_bytes (reformer_model_get_device (self->settings.model), REFORMER_DTYPE_INT32, shape, 2, ids, error);
  if (tokens != NULL)
    logits = reformer_session_feed (self->session, tokens, cancellable, error);
  if (logits == NULL)
    return FALSE;
  g_clear_object (&self->logits);
  self->logits = logits;
  g_array_set_size (self->waiting, 0);
  return TRUE;
}

/* The next token, from the logits; -1 and an error. */
static int
choose (ReformerCourse  *self,
        GError         **error)
{
  g_autoptr (GBytes) logits = reformer_tensor_to_bytes (self->logits, error);
  gsize n;
  const guint8 *allowed = g_bytes_get_data (self->settings.allowed, &n);

  if (logits == NULL)
    return -1;
  return reformer_sampling_choose (&self->settings.sampling, g_bytes_get_data (logits, NULL), allowed, n, self->n_tokens, error);
}

/* Adds the bytes of a token, and gives out what is clear. */
static ReformerPiece *
give_out (ReformerCourse *self,
          int             id,
          GBytes         *bytes)
{
  const char *const *stop = (const char *const *) self->settings.stop;
  const gsize before = self->held->len;
  GString *text = g_string_new (NULL);
  GBytes *given;
  gsize n, size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  g_byte_array_append (self->held, data, (guint) size);
  if (reformer_stop_find (stop, self->held->data, self->held->len, before, &n))
    self->end = REFORMER_GENERATION_END_STOP;
  else if (self->end != REFORMER_GENERATION_END_NONE)
    n = self->held->len;
  else
    n = self->held->len - reformer_stop_held (stop, self->held->data, self->held->len);
  given = g_bytes_new (self->held->data, n);
  g_byte_array_append (self->begun, self->held->data, (guint) n);
  g_byte_array_remove_range (self->held, 0, (guint) n);
  n = reformer_utf8_append (text, self->begun->data, self->begun->len, self->end != REFORMER_GENERATION_END_NONE);
  g_byte_array_remove_range (self->begun, 0, (guint) n);
  return reformer_piece_new (id, g_string_free (text, FALSE), given);
}

ReformerPiece *
reformer_course_next (ReformerCourse  *self,
                      GCancellable    *cancellable,
                      GError         **error)
{
  g_autoptr (GBytes) bytes = NULL;
  int id;

  if (self->end != REFORMER_GENERATION_END_NONE)
    return NULL;
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (self->waiting == NULL && !prepare (self, cancellable, error))
    return NULL;
  if (self->settings.max_tokens == 0)
    {
      self->end = REFORMER_GENERATION_END_TOKENS;
      return NULL;
    }
  if (self->waiting->len > 0 && !feed (self, cancellable, error))
    return NULL;
  id = choose (self, error);
  bytes = id >= 0 ? decode_after (self, id, error) : NULL;
  if (bytes == NULL)
    return NULL;

  self->n_tokens++;
  remember (self, id);
  g_array_append_val (self->waiting, id);
  if (self->n_tokens == self->settings.max_tokens)
    self->end = REFORMER_GENERATION_END_TOKENS;
  else if (reformer_session_get_length (self->session) >= self->positions)
    self->end = REFORMER_GENERATION_END_POSITIONS;
  return give_out (self, id, bytes);
}
