/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "property-options.h"
#include "run-file.h"

G_BEGIN_DECLS

/* All that train works with, made from its options or from the file of a run. */

typedef struct
{
  char     *model; /* the folder of the run */
  char     *data, *task, *preset, *config, *from, *optimizer, *length, *steps, *device, *limit;
  gboolean  resume, json, quiet;
  char    **command; /* argv, for the file of the run */
} ToolTrainingOptions;

typedef struct
{
  GFile             *folder;
  char              *name; /* of the folder, for messages */
  ReformerDevice    *device;
  ReformerTokenizer *tokenizer;
  ReformerConfig    *config;
  ReformerModel     *model;
  ReformerDataset   *dataset;
  ReformerTrainer   *trainer;
  ToolRun           *run;
  gboolean           new_head; /* of what it begins with only the body is taken */
} ToolTraining;

/* Adds the options of Config, Trainer, optimizers and so on. */
void          tool_training_add_properties (ToolProperties             *properties);
/* A new run; NULL with an error, or with none after a message about wrong usage. */
ToolTraining *tool_training_new            (const ToolVerb             *verb,
                                            const ToolTrainingOptions  *options,
                                            ToolProperties             *properties,
                                            guint64                     limit,
                                            GCancellable               *cancellable,
                                            GError                    **error);
/* The run of a folder, at its newest checkpoint. */
ToolTraining *tool_training_resume         (const ToolVerb             *verb,
                                            const ToolTrainingOptions  *options,
                                            ToolProperties             *properties,
                                            guint64                     limit,
                                            GCancellable               *cancellable,
                                            GError                    **error);
void          tool_training_free           (ToolTraining               *self);
/* Writes the file of the run. */
gboolean      tool_training_save_run       (ToolTraining               *self,
                                            GError                    **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolTraining, tool_training_free)

G_END_DECLS
