/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-dataset.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_MASKED_DATASET (reformer_masked_dataset_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerMaskedDataset, reformer_masked_dataset, REFORMER, MASKED_DATASET, ReformerDataset)

REFORMER_AVAILABLE_IN_1_0
ReformerMaskedDataset *reformer_masked_dataset_new          (ReformerDataset        *dataset);
REFORMER_AVAILABLE_IN_1_0
ReformerDataset       *reformer_masked_dataset_get_dataset  (ReformerMaskedDataset  *self);
REFORMER_AVAILABLE_IN_1_0
double                 reformer_masked_dataset_get_fraction (ReformerMaskedDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                   reformer_masked_dataset_set_fraction (ReformerMaskedDataset  *self,
                                                             double                  fraction);
REFORMER_AVAILABLE_IN_1_0
int                    reformer_masked_dataset_get_mask_id  (ReformerMaskedDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                   reformer_masked_dataset_set_mask_id  (ReformerMaskedDataset  *self,
                                                             int                     mask_id);
REFORMER_AVAILABLE_IN_1_0
int                    reformer_masked_dataset_get_n_ids    (ReformerMaskedDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                   reformer_masked_dataset_set_n_ids    (ReformerMaskedDataset  *self,
                                                             int                     n_ids);
REFORMER_AVAILABLE_IN_1_0
guint64                reformer_masked_dataset_get_seed     (ReformerMaskedDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                   reformer_masked_dataset_set_seed     (ReformerMaskedDataset  *self,
                                                             guint64                 seed);

G_END_DECLS
