/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-dataset.h>

G_BEGIN_DECLS

/**
 * ReformerDataFormat:
 * @REFORMER_DATA_FORMAT_AUTO: what the file's name ends with: `.csv`, `.tsv`, `.fa`, `.fasta`, `.fna`, `.faa` or `.ffn`, each also with `.gz` behind it; lines for all others; a
 *   folder of classes where it is a folder
 * @REFORMER_DATA_FORMAT_LINES: lines of a label, a tab, and a text
 * @REFORMER_DATA_FORMAT_CSV: a table, whose first row has the names of its columns (RFC 4180)
 * @REFORMER_DATA_FORMAT_FASTA: headers that begin with `>`, each before lines of letters
 * @REFORMER_DATA_FORMAT_FOLDER: a folder of folders, which are the classes, of files, which are the texts
 *
 * How a file of labelled sequences is written.
 */
typedef enum
{
  REFORMER_DATA_FORMAT_AUTO,
  REFORMER_DATA_FORMAT_LINES,
  REFORMER_DATA_FORMAT_CSV,
  REFORMER_DATA_FORMAT_FASTA,
  REFORMER_DATA_FORMAT_FOLDER,
} ReformerDataFormat;

/**
 * ReformerLabelling:
 * @REFORMER_LABELLING_NONE: there is no label: what follows is to be learned, or what is masked
 * @REFORMER_LABELLING_CLASS: one class of several, by its name
 * @REFORMER_LABELLING_NUMBERS: one number or several
 * @REFORMER_LABELLING_CLASSES: any number of classes
 * @REFORMER_LABELLING_SPAN: the first and the last id of a part of the sequence
 * @REFORMER_LABELLING_TOKENS: a class for each id
 * @REFORMER_LABELLING_VALUES: a number, or several, for each id
 *
 * What the label of a sequence is.
 */
typedef enum
{
  REFORMER_LABELLING_NONE,
  REFORMER_LABELLING_CLASS,
  REFORMER_LABELLING_NUMBERS,
  REFORMER_LABELLING_CLASSES,
  REFORMER_LABELLING_SPAN,
  REFORMER_LABELLING_TOKENS,
  REFORMER_LABELLING_VALUES,
} ReformerLabelling;

#define REFORMER_TYPE_DATA_FORMAT (reformer_data_format_get_type ())
#define REFORMER_TYPE_LABELLING (reformer_labelling_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType reformer_data_format_get_type (void);
REFORMER_AVAILABLE_IN_1_0
GType reformer_labelling_get_type (void);

#define REFORMER_TYPE_LABELLED_DATASET (reformer_labelled_dataset_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerLabelledDataset, reformer_labelled_dataset, REFORMER, LABELLED_DATASET, ReformerDataset)

REFORMER_AVAILABLE_IN_1_0
ReformerLabelledDataset  *reformer_labelled_dataset_new                   (GFile                    *file);
REFORMER_AVAILABLE_IN_1_0
GFile                    *reformer_labelled_dataset_get_file              (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
ReformerDataFormat        reformer_labelled_dataset_get_format            (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_format            (ReformerLabelledDataset  *self,
                                                                           ReformerDataFormat        format);
REFORMER_AVAILABLE_IN_1_0
ReformerLabelling         reformer_labelled_dataset_get_labels            (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_labels            (ReformerLabelledDataset  *self,
                                                                           ReformerLabelling         labels);
REFORMER_AVAILABLE_IN_1_0
const char *const        *reformer_labelled_dataset_get_columns           (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_columns           (ReformerLabelledDataset  *self,
                                                                           const char *const        *columns);
REFORMER_AVAILABLE_IN_1_0
const char *const        *reformer_labelled_dataset_get_label_columns     (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_label_columns     (ReformerLabelledDataset  *self,
                                                                           const char *const        *label_columns);
REFORMER_AVAILABLE_IN_1_0
const char *const        *reformer_labelled_dataset_get_classes           (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_classes           (ReformerLabelledDataset  *self,
                                                                           const char *const        *classes);
REFORMER_AVAILABLE_IN_1_0
const char               *reformer_labelled_dataset_get_separator         (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_separator         (ReformerLabelledDataset  *self,
                                                                           const char               *separator);
REFORMER_AVAILABLE_IN_1_0
gboolean                  reformer_labelled_dataset_get_numbers           (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_numbers           (ReformerLabelledDataset  *self,
                                                                           gboolean                  numbers);
REFORMER_AVAILABLE_IN_1_0
int                       reformer_labelled_dataset_get_features          (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_features          (ReformerLabelledDataset  *self,
                                                                           int                       features);
REFORMER_AVAILABLE_IN_1_0
gboolean                  reformer_labelled_dataset_get_split             (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_split             (ReformerLabelledDataset  *self,
                                                                           gboolean                  split);
REFORMER_AVAILABLE_IN_1_0
double                    reformer_labelled_dataset_get_held_out_fraction (ReformerLabelledDataset  *self);
REFORMER_AVAILABLE_IN_1_0
void                      reformer_labelled_dataset_set_held_out_fraction (ReformerLabelledDataset  *self,
                                                                           double                    held_out_fraction);
REFORMER_AVAILABLE_IN_1_0
char                    **reformer_labelled_dataset_list_classes          (ReformerLabelledDataset  *self,
                                                                           GError                  **error);
REFORMER_AVAILABLE_IN_1_0
int                       reformer_labelled_dataset_count_labels          (ReformerLabelledDataset  *self,
                                                                           GError                  **error);

G_END_DECLS
