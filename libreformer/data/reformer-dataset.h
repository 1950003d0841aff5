/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-sample.h>
#include <libreformer/data/reformer-tokenizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_DATASET (reformer_dataset_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_DERIVABLE_TYPE (ReformerDataset, reformer_dataset, REFORMER, DATASET, GObject)

/**
 * ReformerDatasetClass:
 * @parent_class: the parent class
 * @count_samples: number of samples of at most so many tokens, -1 with an error
 * @read_sample: one of them; it has at most `length` tokens
 * @get_held_out: the part that training does not see, or %NULL
 * @identify: a text that is another one when the data are others, or %NULL
 * @read_sample_of_epoch: a sample that is another one in each pass over the data; without it `read_sample` is called
 *
 * What a data set does. All functions may be written in any language. The order in which a trainer reads the samples is the trainer's affair.
 */
struct _ReformerDatasetClass
{
  GObjectClass parent_class;

  gint64           (*count_samples) (ReformerDataset  *self,
                                     int               length,
                                     GError          **error);
  ReformerSample  *(*read_sample)   (ReformerDataset  *self,
                                     gint64            index,
                                     int               length,
                                     GError          **error);
  ReformerDataset *(*get_held_out)  (ReformerDataset  *self,
                                     GError          **error);
  char            *(*identify)      (ReformerDataset  *self,
                                     GError          **error);
  ReformerSample  *(*read_sample_of_epoch) (ReformerDataset  *self,
                                            gint64            index,
                                            int               length,
                                            guint             epoch,
                                            GError          **error);

  /*< private >*/
  gpointer padding[7];
};

REFORMER_AVAILABLE_IN_1_0
gint64             reformer_dataset_count_samples        (ReformerDataset    *self,
                                                          int                 length,
                                                          GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerSample    *reformer_dataset_read_sample          (ReformerDataset    *self,
                                                          gint64              index,
                                                          int                 length,
                                                          GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerSample    *reformer_dataset_read_sample_of_epoch (ReformerDataset    *self,
                                                          gint64              index,
                                                          int                 length,
                                                          guint               epoch,
                                                          GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerDataset   *reformer_dataset_get_held_out         (ReformerDataset    *self,
                                                          GError            **error);
REFORMER_AVAILABLE_IN_1_0
char              *reformer_dataset_identify             (ReformerDataset    *self,
                                                          GError            **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_dataset_get_tokenizer        (ReformerDataset    *self);
REFORMER_AVAILABLE_IN_1_0
void               reformer_dataset_set_tokenizer        (ReformerDataset    *self,
                                                          ReformerTokenizer  *tokenizer);

G_END_DECLS
