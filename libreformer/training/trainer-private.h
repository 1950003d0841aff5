/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "training/batch.h"
#include "training/checkpoint.h"
#include "training/run-folder.h"
#include "training/training-record-private.h"
#include <libreformer/training/reformer-trainer-error.h>
#include <libreformer/training/reformer-trainer.h>

G_BEGIN_DECLS

/* ---- trainer-settings.c: numbers and switches ---- */

typedef struct
{
  int      sequence_length;
  int      final_sequence_length;
  guint    final_steps;
  int      batch_size;
  int      accumulation;
  double   max_gradient_norm;
  gboolean shuffle;
  gboolean rehash;
  gboolean by_length;
  guint    total_steps;
  guint    evaluation_interval;
  guint    evaluation_samples;
  guint    patience;
  double   min_improvement;
  guint    checkpoint_interval;
  guint    checkpoints_kept;
  guint    max_skipped;
  guint    history_interval;
} ReformerTrainerSettings;

/* Properties, in the order of their numbers. */
enum
{
  REFORMER_TRAINER_PROP_0,

  REFORMER_TRAINER_SEQUENCE_LENGTH,
  REFORMER_TRAINER_FINAL_SEQUENCE_LENGTH,
  REFORMER_TRAINER_FINAL_STEPS,
  REFORMER_TRAINER_BATCH_SIZE,
  REFORMER_TRAINER_ACCUMULATION,
  REFORMER_TRAINER_MAX_GRADIENT_NORM,
  REFORMER_TRAINER_SHUFFLE,
  REFORMER_TRAINER_REHASH,
  REFORMER_TRAINER_BY_LENGTH,
  REFORMER_TRAINER_TOTAL_STEPS,
  REFORMER_TRAINER_EVALUATION_INTERVAL,
  REFORMER_TRAINER_EVALUATION_SAMPLES,
  REFORMER_TRAINER_PATIENCE,
  REFORMER_TRAINER_MIN_IMPROVEMENT,
  REFORMER_TRAINER_CHECKPOINT_INTERVAL,
  REFORMER_TRAINER_CHECKPOINTS_KEPT,
  REFORMER_TRAINER_MAX_SKIPPED,
  REFORMER_TRAINER_HISTORY_INTERVAL,
  REFORMER_TRAINER_N_SETTINGS,

  REFORMER_TRAINER_STEP = REFORMER_TRAINER_N_SETTINGS,
  REFORMER_TRAINER_EPOCH,
  REFORMER_TRAINER_LOSS,
  REFORMER_TRAINER_TOKENS,
  REFORMER_TRAINER_TOKENS_PER_SECOND,
  REFORMER_TRAINER_REMAINING_SECONDS,
  REFORMER_TRAINER_RUNNING,
  REFORMER_TRAINER_N_SKIPPED,
  REFORMER_TRAINER_BEST_LOSS,
  REFORMER_TRAINER_BEST_STEP,
  REFORMER_TRAINER_STOP_REASON,
  REFORMER_TRAINER_N_PROGRESS,

  REFORMER_TRAINER_MODEL = REFORMER_TRAINER_N_PROGRESS,
  REFORMER_TRAINER_DATASET,
  REFORMER_TRAINER_EVALUATION_DATASET,
  REFORMER_TRAINER_OPTIMIZER,
  REFORMER_TRAINER_SCHEDULE,
  REFORMER_TRAINER_FOLDER,
  REFORMER_TRAINER_HISTORY,
  REFORMER_TRAINER_EVALUATIONS,
  REFORMER_TRAINER_N_PROPS
};

extern GParamSpec *reformer_trainer_props[REFORMER_TRAINER_N_PROPS];

void     reformer_trainer_install_settings (GParamSpec             **props);
void     reformer_trainer_init_settings    (ReformerTrainerSettings *settings);
void     reformer_trainer_show_setting     (ReformerTrainer         *self,
                                            guint                    id,
                                            GValue                  *value);
void     reformer_trainer_change_setting   (ReformerTrainer         *self,
                                            guint                    id,
                                            const GValue            *value);
/* Every number in its range, as its property has it; setters take anything. */
gboolean reformer_trainer_check_ranges     (const ReformerTrainerSettings *settings,
                                            GError                       **error);

/* ---- trainer-progress.c: what can be watched ---- */

typedef struct
{
  guint              step;
  guint              epoch;
  double             loss;
  gint64             tokens;
  double             tokens_per_second;
  double             remaining_seconds;
  gboolean           running;
  guint              n_skipped;
  double             best_loss;
  guint              best_step;
  ReformerStopReason stop_reason;
} ReformerTrainerProgress;

void     reformer_trainer_install_progress (GParamSpec             **props);
void     reformer_trainer_show_progress    (ReformerTrainer         *self,
                                            guint                    id,
                                            GValue                  *value);
/* In the thread that signals belong to: notifies of what changed since the last time. */
void     reformer_trainer_notify_progress  (ReformerTrainer         *self);

/* ---- reformer-trainer.c ---- */

typedef struct _ReformerTrainerJob ReformerTrainerJob;

struct _ReformerTrainer
{
  GObject                  parent_instance;

  ReformerModel           *model;   /* these two do not change */
  ReformerDataset         *dataset;

  GMutex                   lock;    /* guards what follows */
  ReformerTrainerSettings  settings;
  ReformerDataset         *evaluation_dataset;
  ReformerOptimizer       *optimizer;
  ReformerSchedule        *schedule;
  GFile                   *folder;
  ReformerTrainerProgress  progress;
  gboolean                 busy;    /* somebody works: what is below `events` is his */
  GThread                 *owner;   /* the thread he does it in, once it runs */
  guint                    handling; /* signals that are being emitted in that thread */
  GQueue                   events;  /* what the main context has not heard of yet */
  gboolean                 posted;  /* a source is on its way there */

  ReformerTrainerJob      *job;     /* that trains; NULL: none */
  ReformerTrainingState    state;
  ReformerRunFolder       *run_folder;
  char                    *run_path;
  gboolean                 continues;  /* the checkpoints in the folder are this run's */
  guint                    saved_step; /* of the last checkpoint; G_MAXUINT: none */

  /* Touched in the thread that signals belong to alone. */
  ReformerTrainerProgress  notified;
  GListStore              *history;
  GListStore              *evaluations;
  GPtrArray               *frozen;     /* objects whose notify waits for the end of an asynchronous call */
};

/* Has the trainer for itself, or fails with BUSY. */
gboolean reformer_trainer_claim   (ReformerTrainer  *self,
                                   GThread          *owner,
                                   gboolean          running,
                                   GError          **error);
void     reformer_trainer_release (ReformerTrainer  *self);
/* In the caller's thread: makes the optimizer and the schedule where there are none. */
void     reformer_trainer_complete (ReformerTrainer *self);
/* Whether the caller is a handler of a signal that a blocking call emits: between two steps, so that it may save and evaluate. */
gboolean reformer_trainer_inside  (ReformerTrainer  *self);

/* ---- trainer-job.c: one call's worth of work ---- */

/* How fast the last steps were. */
typedef struct
{
  GQueue  steps;  /* of ReformerSpeedStep, oldest first */
  double  seconds;
  gint64  tokens; /* without padding */
  gint64  places; /* with it */
} ReformerSpeed;

struct _ReformerTrainerJob
{
  ReformerTrainer         *trainer;      /* a reference: handlers and other threads may drop theirs meanwhile */
  GMainContext            *context;      /* where signals go; NULL: they are emitted here, in the caller's thread */
  GCancellable            *cancellable;
  ReformerTrainerSettings  settings;     /* those of when the call was made */
  ReformerDataset         *dataset;
  ReformerDataset         *evaluation;   /* NULL: none */
  ReformerDataset         *given;        /* that an asynchronous evaluation is of; NULL: none */
  ReformerOptimizer       *optimizer;
  ReformerSchedule        *schedule;
  GFile                   *folder;       /* NULL: none */
  GPtrArray               *parameters;   /* that learn */
  guint                    end;          /* the step to stop at, */
  guint                    total;        /*   and the one that the schedule counts to */
  ReformerBatch            batch;
  int                      counted_length; /* length that the samples of the data set were counted for */
  gint64                   n_samples;
  ReformerSpeed            speed;
};

/* Within a job that trains, its settings and objects are taken again. */
ReformerTrainerJob *reformer_trainer_job_new  (ReformerTrainer     *self,
                                               GMainContext        *context,
                                               GCancellable        *cancellable);
void                reformer_trainer_job_free (ReformerTrainerJob  *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerTrainerJob, reformer_trainer_job_free)

/* The length of a step's sequences. */
int      reformer_trainer_job_length   (ReformerTrainerJob        *job,
                                        guint                      step);
/* Shows what the state is; loss NaN: keeps the last one. */
void     reformer_trainer_job_show     (ReformerTrainerJob        *job,
                                        double                     loss);
void     reformer_speed_add            (ReformerSpeed             *speed,
                                        double                     seconds,
                                        gint64                     tokens,
                                        gint64                     places);
void     reformer_speed_clear          (ReformerSpeed             *speed);

/* ---- trainer-check.c ---- */

/* Everything that can be known to be wrong before the first step. */
gboolean reformer_trainer_check_train    (ReformerTrainerJob  *job,
                                          guint                n_steps,
                                          GError             **error);
/* Allocates what the optimizer remembers, and lets a stack that still says auto settle. */
gboolean reformer_trainer_settle_memory  (ReformerTrainerJob  *job,
                                          GError             **error);
/* Model and data set are there, and the model's configuration fits. */
gboolean reformer_trainer_check_built    (ReformerTrainerJob  *job,
                                          GError             **error);
/* And the model has values. */
gboolean reformer_trainer_check_model    (ReformerTrainerJob  *job,
                                          GError             **error);
/* Length and vocabulary: what an evaluation needs too. `name` says whose length it is. */
gboolean reformer_trainer_check_length   (ReformerTrainerJob  *job,
                                          const char          *name,
                                          int                  length,
                                          GError             **error);
gboolean reformer_trainer_check_dataset  (ReformerTrainerJob  *job,
                                          const char          *name,
                                          ReformerDataset     *dataset,
                                          int                  length,
                                          GError             **error);

/* ---- trainer-plan.c ---- */

/* Adds to the error of a call that trains, if it is about memory, which length would fit. */
void     reformer_trainer_name_longest   (ReformerTrainerJob  *job,
                                          GError             **error);

/* ---- trainer-step.c ---- */

/* Makes one step. After FALSE nothing has changed, unless an optimizer written outside failed. */
gboolean reformer_trainer_make_step (ReformerTrainerJob  *job,
                                     ReformerRecordData  *record,
                                     GError             **error);

/* ---- trainer-evaluate.c ---- */

/* Mean loss over the data set; `most` samples, 0 for all. */
gboolean reformer_trainer_measure  (ReformerTrainerJob      *job,
                                    ReformerDataset         *dataset,
                                    guint                    most,
                                    ReformerEvaluationData  *data,
                                    GError                 **error);
/* The blocking form without claiming. */
ReformerEvaluation *reformer_trainer_run_evaluate (ReformerTrainerJob  *job,
                                                   ReformerDataset     *dataset,
                                                   GError             **error);

/* ---- trainer-run.c ---- */

/* Whether a call that makes no step has something to do: an evaluation or a checkpoint after the last step was cut short. */
gboolean reformer_trainer_is_due (ReformerTrainerJob  *job);
/* Trains. Everything but claiming and releasing. */
gboolean reformer_trainer_run (ReformerTrainerJob  *job,
                               guint                n_steps,
                               GError             **error);

/* ---- trainer-folder.c ---- */

/* Opens and locks the folder of the job, where there is one; refuses checkpoints of another run. */
gboolean reformer_trainer_open_folder (ReformerTrainerJob  *job,
                                       GError             **error);
gboolean reformer_trainer_save        (ReformerTrainerJob  *job,
                                       GError             **error);
/* Takes the line. Nothing where there is no folder. */
gboolean reformer_trainer_log         (ReformerTrainerJob  *job,
                                       json_t              *line,
                                       GError             **error);
gboolean reformer_trainer_log_start   (ReformerTrainerJob  *job,
                                       GError             **error);
gboolean reformer_trainer_log_step    (ReformerTrainerJob        *job,
                                       const ReformerRecordData  *record,
                                       GError                   **error);
gboolean reformer_trainer_log_evaluation (ReformerTrainerJob  *job,
                                          ReformerEvaluation  *evaluation,
                                          GError             **error);
gboolean reformer_trainer_log_end     (ReformerTrainerJob  *job,
                                       ReformerStopReason   reason,
                                       const GError        *why,
                                       GError             **error);

/* ---- trainer-async.c ---- */

/* The other end of an asynchronous call's beginning, in the thread that signals belong to. */
void     reformer_trainer_thaw         (ReformerTrainer     *self);

/* ---- trainer-events.c: signals, in the thread they belong to ---- */

void     reformer_trainer_install_signals (void);
void     reformer_trainer_tell_step       (ReformerTrainerJob      *job,
                                           ReformerTrainingRecord  *record,
                                           gboolean                 keep);
void     reformer_trainer_tell_evaluated  (ReformerTrainerJob      *job,
                                           ReformerEvaluation      *evaluation);
void     reformer_trainer_tell_saved      (ReformerTrainerJob      *job,
                                           GFile                   *folder,
                                           guint                    step);
/* Something that shows in properties. */
void     reformer_trainer_tell_progress   (ReformerTrainerJob      *job);
/* The last of an asynchronous call: releases the trainer, frees the job, which may have the last references to objects of the program, and returns the task with
 * an error, or with the object or TRUE. Takes job, task, object and error. */
void     reformer_trainer_tell_end        (ReformerTrainerJob      *job,
                                           GTask                   *task,
                                           GObject                 *result,
                                           GError                  *error);

G_END_DECLS
