/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "training/run-folder.h"
#include <libreformer/data/reformer-tokenizer.h>
#include <libreformer/models/reformer-model.h>
#include <libreformer/training/reformer-optimizer.h>
#include <libreformer/training/reformer-schedule.h>

G_BEGIN_DECLS

/* All that a run must remember beside the weights and the optimizer's tensors, to go on to the same bits. A field here is a line in the table of checkpoint-state.c. */
typedef struct
{
  guint        step;             /* steps made */
  guint        total_steps;      /* what the schedule counts to */
  guint64      seed;             /* the model's */
  guint        sequence;         /* the model's: dropout draws by it */
  guint        epoch;            /* where the next sample is: pass through the data, */
  gint64       index;            /* place in the pass, */
  int          length;           /* and length that the pass was cut into; another length begins another pass */
  gint64       tokens;           /* seen */
  guint        n_skipped;        /* steps with a loss or gradient that was not finite */
  guint        skipped_in_a_row;
  double       best_loss;        /* of the evaluations; infinite before the first */
  guint        best_step;
  guint        worse;            /* evaluations in a row that were not better; one below the patience after a call that ended for them */
  guint        evaluated_step;   /* step of the last evaluation, so that one that was cut short is made up for */
  ReformerKeep keep;             /* what auto became */
} ReformerTrainingState;

#define REFORMER_TRAINING_STATE_INIT { .best_loss = G_MAXDOUBLE }

/* Who takes part in a checkpoint; all borrowed. The trainer's own settings (properties that can be written and are numbers, switches or choices), those of the
 * optimizer and of the schedule are saved and restored too. */
typedef struct
{
  ReformerModel         *model;
  ReformerOptimizer     *optimizer;
  ReformerSchedule      *schedule;
  GObject               *trainer;
  ReformerTokenizer     *tokenizer; /* may be NULL: the data have none */
  const char            *data;      /* the data's identity; NULL: unknown */
  ReformerTrainingState *state;
} ReformerCheckpoint;

/* The names of the fields of the state, ending in NULL. */
const char *const *reformer_training_state_get_fields (void);

/* Writes FOLDER/checkpoints/step-N with a manifest of sizes and SHA-256, links its weights as those of FOLDER, marks the best (checkpoints/best is a link to it)
 * and deletes the oldest beyond `kept` (at least 1), never the best. The same steps make the same bytes: no file has a time or a path. When it fails, all that was
 * there is there still. A folder that is gone is not made again. */
gboolean reformer_checkpoint_save    (const char               *folder,
                                      const ReformerCheckpoint *checkpoint,
                                      guint                     kept,
                                      GCancellable             *cancellable,
                                      GError                  **error);
/* Goes back to the newest whole checkpoint; damaged ones are named in a warning (g_warning) and passed over. All is read and checked before anything is changed.
 * `except` (tests) is a field of the state, "weights", "optimizer", "settings" or one of these ("trainer.batch-size", "optimizer.beta1", "schedule.decay") that is not
 * restored; NULL: all are. */
gboolean reformer_checkpoint_restore (const char               *folder,
                                      const ReformerCheckpoint *checkpoint,
                                      const char               *except,
                                      GCancellable             *cancellable,
                                      GError                  **error);
/* Whether there is a folder that looks like a checkpoint. */
gboolean reformer_checkpoint_exists  (const char               *folder);

G_END_DECLS
