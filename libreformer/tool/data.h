/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "property-options.h"
#include "run-file.h"

G_BEGIN_DECLS

/* What a model learns from, and is evaluated on: which data set it is follows from the model's head, the task. A language model reads a text, and with --format the sequences of a file; a masked one
 * the same with some ids hidden; all others read sequences with labels. */

typedef struct
{
  ReformerHead       head;
  int                features;  /* numbers of a vector; 0: the model reads ids */
  const char        *path;
  ReformerTokenizer *tokenizer; /* NULL: the data set's own */
  ToolRun           *run;       /* whose settings are where the command line has none; NULL: none */
  char             **classes;   /* names, unless the command line has them; NULL: those of the file */
  double             fraction;  /* that is held out; below 0: what the settings say */
} ToolData;

/* The options of data sets. */
void             tool_data_add_properties (ToolProperties   *properties);
/* Opens what was asked for; what cannot be read is said here. NULL with an error, or with none after a message about wrong usage. */
ReformerDataset *tool_data_open           (const ToolData   *data,
                                           ToolProperties   *properties,
                                           const ToolVerb   *verb,
                                           GError          **error);
/* What the head has to say for these data: classes or numbers; 0: that is not theirs to say, -1: an error. */
int              tool_data_count_labels   (ReformerDataset  *dataset,
                                           GError          **error);
/* Names of classes, or NULL where there are none. */
char           **tool_data_list_classes   (ReformerDataset  *dataset);
/* Puts all that opens the data set again into the file of a run. */
gboolean         tool_data_describe       (ReformerDataset  *dataset,
                                           ToolRun          *run,
                                           GError          **error);

/* ---- Names of classes in a configuration (id2label) ---- */

/* NULL: there are none, or they are the numbers alone. */
char           **tool_config_list_classes (ReformerConfig   *config);
/* The configuration with these names. */
ReformerConfig  *tool_config_name_classes (ReformerConfig   *config,
                                           char            **classes,
                                           GError          **error);

G_END_DECLS
