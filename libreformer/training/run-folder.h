/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/json.h"

G_BEGIN_DECLS

/*
 * The folder of a run while a trainer has it: made where there is none, locked (an open file description lock on .reformer-lock, so that a second trainer is refused
 * in the same process too). Its logs: log.jsonl has a line for every step and event, log.csv one for every step. A folder that is not empty is taken only where it has
 * that lock, a checkpoint with a manifest or the config.json of such a model, and its logs are a trainer's; all others are refused, and nothing in them is touched.
 */
typedef struct _ReformerRunFolder ReformerRunFolder;

ReformerRunFolder *reformer_run_folder_open     (const char         *path,
                                                 GError            **error);
void               reformer_run_folder_close    (ReformerRunFolder  *self);
/* Appends an object as one line. "event" says what it is; those that are "step" go to log.csv too, which has the members "step", "epoch", "loss", "bits",
 * "learning_rate", "gradient_norm", "tokens", "tokens_per_second", "seconds", "sequence_length", "targets", "memory" and "skipped", or nothing where one is absent or
 * null. Every line that comes after a step has its number as "step". */
gboolean           reformer_run_folder_log      (ReformerRunFolder  *self,
                                                 json_t             *line,
                                                 GError            **error);
/* Drops lines of steps after `step`, which a run that goes on from there will write again, and a line that a crash cut short. */
gboolean           reformer_run_folder_go_back  (ReformerRunFolder  *self,
                                                 guint               step,
                                                 GError            **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerRunFolder, reformer_run_folder_close)

G_END_DECLS
