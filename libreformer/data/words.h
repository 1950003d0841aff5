/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Bytes for which there may be no memory: text grows with what a user gives. */
typedef struct
{
  guint8 *data;
  gsize   length;
  gsize   size;
} ReformerText;

/* Room for so many more bytes, or a GError. */
gboolean reformer_text_reserve (ReformerText  *self,
                                gsize          n_bytes,
                                GError       **error);
gboolean reformer_text_append  (ReformerText  *self,
                                gconstpointer  bytes,
                                gsize          n_bytes,
                                GError       **error);
/* All of it, and no more memory than that; it is empty then. */
GBytes  *reformer_text_take    (ReformerText  *self);
void     reformer_text_clear   (ReformerText  *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerText, reformer_text_clear)

/* A text that somebody else owns. */
typedef struct
{
  const guint8 *bytes;
  gsize         n_bytes;
} ReformerWord;

/* A set of words, to find the longest that a text begins with. */
typedef struct
{
  ReformerWord *words;      /* in order */
  guint         n_words;
  guint         first[257]; /* words that begin with a byte b: first[b] .. first[b + 1] - 1 */
} ReformerPrefixes;

/* Takes the array of words, of which none is empty and all are different. */
void     reformer_prefixes_init  (ReformerPrefixes        *self,
                                  ReformerWord            *words,
                                  guint                    n_words);
void     reformer_prefixes_clear (ReformerPrefixes        *self);
gsize    reformer_prefixes_find_longer (const ReformerPrefixes  *self,
                                        const guint8            *text,
                                        gsize                    n_bytes);

/* Bytes of the longest word that the text, which is not empty, begins with, or 0. */
static inline gsize
reformer_prefixes_find (const ReformerPrefixes *self,
                        const guint8           *text,
                        gsize                   n_bytes)
{
  return self->first[text[0]] == self->first[text[0] + 1] ? 0 : reformer_prefixes_find_longer (self, text, n_bytes);
}

G_END_DECLS
