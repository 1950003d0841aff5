/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "data/labelled.h"

G_BEGIN_DECLS

/* The object, for the two files that it has. */

struct _ReformerLabelledDataset
{
  ReformerDataset parent_instance;

  GFile                    *file;
  gboolean                  held_out;  /* this is the part that is held out */
  ReformerTokenizer        *usual;     /* the tokenizer that nobody asked for, as long as it is the data set's */
  GMutex                    mutex;     /* for what follows, which may be set while another thread reads */
  ReformerLabelledSettings  settings;  /* format may be AUTO */
  char                     *separator;
  double                    fraction;
  ReformerLabelledIndex    *index;     /* of these settings, shared by both parts; NULL: not made yet */
  ReformerLabelledView     *view;
};

#define REFORMER_LABELLED_MAX_FRACTION 0.9
#define REFORMER_LABELLED_MAX_FEATURES 65536

enum
{
  REFORMER_LABELLED_0,
  REFORMER_LABELLED_FILE,
  REFORMER_LABELLED_FORMAT,
  REFORMER_LABELLED_LABELS,
  REFORMER_LABELLED_COLUMNS,
  REFORMER_LABELLED_LABEL_COLUMNS,
  REFORMER_LABELLED_CLASSES,
  REFORMER_LABELLED_SEPARATOR,
  REFORMER_LABELLED_NUMBERS,
  REFORMER_LABELLED_FEATURES,
  REFORMER_LABELLED_SPLIT,
  REFORMER_LABELLED_HELD_OUT_FRACTION,
  REFORMER_LABELLED_N
};

extern GParamSpec *reformer_labelled_properties[];

/* What the name of the file says, where the setting leaves it open. */
ReformerDataFormat reformer_labelled_find_format      (GFile                    *file,
                                                       ReformerDataFormat        format);
char               reformer_labelled_find_separator   (GFile                    *file,
                                                       const char               *separator);
/* With the mutex held. */
gboolean           reformer_labelled_check_settings   (ReformerLabelledDataset  *self,
                                                       GError                  **error);
/* The tokenizer that fits the format, where the program gave none. */
void               reformer_labelled_choose_tokenizer (ReformerLabelledDataset  *self);

G_END_DECLS
