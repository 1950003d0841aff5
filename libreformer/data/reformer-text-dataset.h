/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-dataset.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_TEXT_DATASET (reformer_text_dataset_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerTextDataset, reformer_text_dataset, REFORMER, TEXT_DATASET, ReformerDataset)

REFORMER_AVAILABLE_IN_1_0
ReformerTextDataset *reformer_text_dataset_new                   (GFile                *file,
                                                                  ReformerTokenizer    *tokenizer);
REFORMER_AVAILABLE_IN_1_0
GFile               *reformer_text_dataset_get_file              (ReformerTextDataset  *self);
REFORMER_AVAILABLE_IN_1_0
double               reformer_text_dataset_get_held_out_fraction (ReformerTextDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                 reformer_text_dataset_set_held_out_fraction (ReformerTextDataset  *self,
                                                                  double                held_out_fraction);

G_END_DECLS
