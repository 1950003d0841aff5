/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/atomic.h"
#include "training/checkpoint.h"

G_BEGIN_DECLS

/* What the files of a checkpoint share: FOLDER/checkpoints/step-N, and checkpoints/best, a link to one of them. */

#define REFORMER_CHECKPOINT_FORMAT    1
#define REFORMER_CHECKPOINT_CONFIG    "config.json"
#define REFORMER_CHECKPOINT_WEIGHTS   "model.safetensors"
#define REFORMER_CHECKPOINT_OPTIMIZER "optimizer.safetensors"
#define REFORMER_CHECKPOINT_TRAINER   "trainer.json"
#define REFORMER_CHECKPOINT_TOKENIZER "reformer-tokenizer.json"
#define REFORMER_CHECKPOINT_PIECES    "spiece.model"
#define REFORMER_CHECKPOINT_MANIFEST  "manifest.json"

/* The patterns of all files in a checkpoint, for files/atomic.h. */
extern const char *const reformer_checkpoint_known[];

/* ---- checkpoint-state.c ---- */

json_t    *reformer_training_state_to_json   (const ReformerTrainingState  *state);
/* Reads all fields, which must be there; `except` is a field that stays as it is, or NULL. */
gboolean   reformer_training_state_from_json (ReformerTrainingState        *state,
                                              json_t                       *object,
                                              const char                   *path,
                                              const char                   *except,
                                              GError                      **error);

/* ---- checkpoint-content.c ---- */

/* What a checkpoint has, read and checked, before any of it is used. */
typedef struct
{
  ReformerTrainingState  state;
  GPtrArray             *trainer;   /* settings */
  GPtrArray             *optimizer;
  GPtrArray             *schedule;
  GHashTable            *frozen;    /* names of parameters */
  GPtrArray             *names;     /* of the optimizer's state */
  GPtrArray             *tensors;   /*   and its tensors */
  int                   *factors;   /* of the number of buckets, where the model is to take them; else NULL */
  gsize                  n_factors;
} ReformerCheckpointContent;

/* Fails where it is of another run: another model, data, tokenizer, optimizer or schedule. `except` is a field of the state that stays as it is, or NULL. */
gboolean   reformer_checkpoint_content_read  (ReformerCheckpointContent  *content,
                                              const ReformerCheckpoint   *checkpoint,
                                              const char                 *path,
                                              const char                 *except,
                                              GCancellable               *cancellable,
                                              GError                    **error);
void       reformer_checkpoint_content_clear (ReformerCheckpointContent  *content);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerCheckpointContent, reformer_checkpoint_content_clear)

/* ---- checkpoint-manifest.c ---- */

/* Writes the manifest of the files that are in a folder under way. */
gboolean   reformer_checkpoint_write_manifest (ReformerAtomicFolder  *folder,
                                               GCancellable          *cancellable,
                                               GError               **error);
/* Whether a checkpoint is whole; the error names the file that is not as it was written. REFORMER_TRAINER_ERROR_MISMATCH: it is of a version that is not known, and
 * nothing can be said. */
gboolean   reformer_checkpoint_verify         (const char            *path,
                                               GCancellable          *cancellable,
                                               GError               **error);

/* ---- checkpoint-list.c ---- */

char      *reformer_checkpoint_get_path    (const char  *folder,
                                            guint        step);
/* The steps (guint) that have a folder, the newest first. */
GArray    *reformer_checkpoint_list        (const char  *folder);
/* FOLDER/checkpoints, where FOLDER is there. */
gboolean   reformer_checkpoint_make_folder (const char  *folder,
                                            GError     **error);
/* Clears away what a crash left among the checkpoints. */
void       reformer_checkpoint_settle      (const char  *folder);
/* Makes the weights of a step those of FOLDER. */
gboolean   reformer_checkpoint_publish     (const char  *folder,
                                            guint        step,
                                            GError     **error);
/* Links `best` to a step; nothing where that has no checkpoint. */
gboolean   reformer_checkpoint_mark_best   (const char  *folder,
                                            guint        step,
                                            GError     **error);
/* Deletes all but the newest `kept` up to `step`, and the best. */
void       reformer_checkpoint_prune       (const char  *folder,
                                            guint        step,
                                            guint        kept);

G_END_DECLS
