/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_TOKENIZER (reformer_tokenizer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_DERIVABLE_TYPE (ReformerTokenizer, reformer_tokenizer, REFORMER, TOKENIZER, GObject)

/**
 * ReformerTokenizerClass:
 * @parent_class: the parent class
 * @encode: turns bytes of text into ids, int32 in the machine's byte order
 * @decode: turns ids, int32 in the machine's byte order, back into bytes
 * @count_ids: number of ids, for the vocabulary of a model
 * @identify: a name with which a folder says by which tokenizer its model was trained
 *
 * What a tokenizer does. All functions may be written in any language.
 */
struct _ReformerTokenizerClass
{
  GObjectClass parent_class;

  GBytes *(*encode)    (ReformerTokenizer  *self,
                        GBytes             *text,
                        GError            **error);
  GBytes *(*decode)    (ReformerTokenizer  *self,
                        GBytes             *ids,
                        GError            **error);
  int     (*count_ids) (ReformerTokenizer  *self,
                        GError            **error);
  char   *(*identify)  (ReformerTokenizer  *self,
                        GError            **error);

  /*< private >*/
  gpointer padding[8];
};

REFORMER_AVAILABLE_IN_1_0
GBytes            *reformer_tokenizer_encode      (ReformerTokenizer  *self,
                                                   GBytes             *text,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
GBytes            *reformer_tokenizer_decode      (ReformerTokenizer  *self,
                                                   GBytes             *ids,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
int                reformer_tokenizer_count_ids   (ReformerTokenizer  *self,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
char              *reformer_tokenizer_identify    (ReformerTokenizer  *self,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
int               *reformer_tokenizer_encode_text (ReformerTokenizer  *self,
                                                   const char         *text,
                                                   gsize              *n_ids,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
char              *reformer_tokenizer_decode_text (ReformerTokenizer  *self,
                                                   const int          *ids,
                                                   gsize               n_ids,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_tokenizer_load        (GFile              *folder,
                                                   GCancellable       *cancellable,
                                                   GError            **error);
REFORMER_AVAILABLE_IN_1_0
gboolean           reformer_tokenizer_save        (ReformerTokenizer  *self,
                                                   GFile              *folder,
                                                   GCancellable       *cancellable,
                                                   GError            **error);

G_END_DECLS
