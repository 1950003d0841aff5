/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/words.h"

#include <stdlib.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

/* ---- Text ---- */

gboolean
reformer_text_reserve (ReformerText  *self,
                       gsize          n_bytes,
                       GError       **error)
{
  gsize size = self->size;
  guint8 *data;

  if (n_bytes <= self->size - self->length)
    return TRUE;
  if (n_bytes > G_MAXSSIZE - self->length)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "a text of %" G_GSIZE_FORMAT " and %" G_GSIZE_FORMAT " bytes is longer than any memory", self->length,
                   n_bytes);
      return FALSE;
    }
  while (size < self->length + n_bytes)
    size = MAX (size + size / 2, 256);
  data = g_try_realloc (self->data, size);
  if (data == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "no memory for %" G_GSIZE_FORMAT " bytes", size);
      return FALSE;
    }
  self->data = data;
  self->size = size;
  return TRUE;
}

gboolean
reformer_text_append (ReformerText  *self,
                      gconstpointer  bytes,
                      gsize          n_bytes,
                      GError       **error)
{
  if (!reformer_text_reserve (self, n_bytes, error))
    return FALSE;
  memcpy (self->data + self->length, bytes, n_bytes);
  self->length += n_bytes;
  return TRUE;
}

GBytes *
reformer_text_take (ReformerText *self)
{
  guint8 *data = g_steal_pointer (&self->data), *fitting = self->length > 0 ? g_try_realloc (data, self->length) : NULL;
  const gsize length = self->length;

  self->length = self->size = 0;
  return g_bytes_new_take (fitting != NULL ? fitting : data, length);
}

void
reformer_text_clear (ReformerText *self)
{
  g_clear_pointer (&self->data, g_free);
  self->length = self->size = 0;
}

/* ---- Words ---- */

static int
compare (gconstpointer a,
         gconstpointer b)
{
  const ReformerWord *one = a, *other = b;
  const int order = memcmp (one->bytes, other->bytes, MIN (one->n_bytes, other->n_bytes));

  return order != 0 ? order : (one->n_bytes > other->n_bytes) - (one->n_bytes < other->n_bytes);
}

void
reformer_prefixes_init (ReformerPrefixes *self,
                        ReformerWord     *words,
                        guint             n_words)
{
  self->words = words;
  self->n_words = n_words;
  if (n_words > 0)
    qsort (words, n_words, sizeof *words, compare);
  for (guint byte = 0, i = 0; byte <= 256; byte++)
    {
      while (i < n_words && words[i].bytes[0] < byte)
        i++;
      self->first[byte] = i;
    }
}

void
reformer_prefixes_clear (ReformerPrefixes *self)
{
  g_clear_pointer (&self->words, g_free);
}

/* The first word from `low` on, and before `high`, whose byte at `depth` is at least `byte`. All have more bytes than `depth`, and agree up to it. */
static guint
bound (const ReformerPrefixes *self,
       guint                   low,
       guint                   high,
       gsize                   depth,
       guint                   byte)
{
  while (low < high)
    {
      const guint middle = low + (high - low) / 2;

      if (self->words[middle].bytes[depth] < byte)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

gsize
reformer_prefixes_find_longer (const ReformerPrefixes *self,
                               const guint8           *text,
                               gsize                   n_bytes)
{
  guint low = self->first[text[0]], high = self->first[text[0] + 1];
  gsize found = 0;

  for (gsize depth = 1; low < high; depth++)
    {
      /* a word that ends here comes before all that go on */
      if (self->words[low].n_bytes == depth)
        {
          found = depth;
          low++;
        }
      if (depth == n_bytes)
        break;
      low = bound (self, low, high, depth, text[depth]);
      high = bound (self, low, high, depth, text[depth] + 1u);
    }
  return found;
}
