/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "training.h"

G_BEGIN_DECLS

/* ---- training.c: what a new run and one that goes on have in common ---- */

ToolTraining      *tool_training_begin          (const ToolTrainingOptions  *options);
/* NULL: there is none of that name. The first of them is the default. */
ReformerOptimizer *tool_training_make_optimizer (const char                 *name);
/* The device, the model and the trainer. */
gboolean           tool_training_make_model     (ToolTraining               *self,
                                                 const ToolTrainingOptions  *options,
                                                 guint64                     limit,
                                                 GError                    **error);
/* A tenth of all steps, so that a machine that fails costs little; where there are evaluations, after one of them, so that the best weights are kept. */
guint              tool_training_choose_checkpoint_interval (ReformerTrainer *trainer);
/* What started, for the file of the run. */
json_t            *tool_training_describe_start (ToolTraining               *self,
                                                 const ToolTrainingOptions  *options);

/* ---- training-config.c ---- */

/* Reads the preset, the file or the model's own configuration, puts the options on top, opens the data of its task, and lets what is not given follow from them. FALSE with
 * an error, or with none after a message. */
gboolean           tool_training_make_config    (ToolTraining               *self,
                                                 const ToolVerb             *verb,
                                                 const ToolTrainingOptions  *options,
                                                 ToolProperties             *properties,
                                                 GFile                      *from,
                                                 GCancellable               *cancellable,
                                                 GError                    **error);

G_END_DECLS
