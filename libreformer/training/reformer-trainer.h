/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-dataset.h>
#include <libreformer/models/reformer-model.h>
#include <libreformer/training/reformer-evaluation.h>
#include <libreformer/training/reformer-optimizer.h>
#include <libreformer/training/reformer-schedule.h>
#include <libreformer/training/reformer-training-record.h>

G_BEGIN_DECLS

/**
 * ReformerStopReason:
 * @REFORMER_STOP_REASON_NONE: training has not run yet, or runs
 * @REFORMER_STOP_REASON_STEPS: all steps were made
 * @REFORMER_STOP_REASON_PATIENCE: the evaluations stopped getting better
 * @REFORMER_STOP_REASON_CANCELLED: it was cancelled
 * @REFORMER_STOP_REASON_FAILED: it failed
 *
 * Why training ended.
 */
typedef enum
{
  REFORMER_STOP_REASON_NONE,
  REFORMER_STOP_REASON_STEPS,
  REFORMER_STOP_REASON_PATIENCE,
  REFORMER_STOP_REASON_CANCELLED,
  REFORMER_STOP_REASON_FAILED,
} ReformerStopReason;

#define REFORMER_TYPE_STOP_REASON (reformer_stop_reason_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType               reformer_stop_reason_get_type          (void);

#define REFORMER_TYPE_TRAINER (reformer_trainer_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerTrainer, reformer_trainer, REFORMER, TRAINER, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerTrainer    *reformer_trainer_new                       (ReformerModel        *model,
                                                                ReformerDataset      *dataset);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_train                     (ReformerTrainer      *self,
                                                                guint                 n_steps,
                                                                GCancellable         *cancellable,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_train_async               (ReformerTrainer      *self,
                                                                guint                 n_steps,
                                                                GCancellable         *cancellable,
                                                                GAsyncReadyCallback   callback,
                                                                gpointer              user_data);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_train_finish              (ReformerTrainer      *self,
                                                                GAsyncResult         *result,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
ReformerEvaluation *reformer_trainer_evaluate                  (ReformerTrainer      *self,
                                                                ReformerDataset      *dataset,
                                                                GCancellable         *cancellable,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_evaluate_async            (ReformerTrainer      *self,
                                                                ReformerDataset      *dataset,
                                                                GCancellable         *cancellable,
                                                                GAsyncReadyCallback   callback,
                                                                gpointer              user_data);
REFORMER_AVAILABLE_IN_1_0
ReformerEvaluation *reformer_trainer_evaluate_finish           (ReformerTrainer      *self,
                                                                GAsyncResult         *result,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_save_checkpoint           (ReformerTrainer      *self,
                                                                GCancellable         *cancellable,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_resume                    (ReformerTrainer      *self,
                                                                GCancellable         *cancellable,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
ReformerMemoryPlan *reformer_trainer_estimate_memory           (ReformerTrainer      *self,
                                                                GError              **error);
REFORMER_AVAILABLE_IN_1_0
gint64              reformer_trainer_find_max_length           (ReformerTrainer      *self,
                                                                GError              **error);

REFORMER_AVAILABLE_IN_1_0
ReformerModel      *reformer_trainer_get_model                 (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
ReformerDataset    *reformer_trainer_get_dataset               (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
ReformerDataset    *reformer_trainer_get_evaluation_dataset    (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_evaluation_dataset    (ReformerTrainer      *self,
                                                                ReformerDataset      *evaluation_dataset);
REFORMER_AVAILABLE_IN_1_0
ReformerOptimizer  *reformer_trainer_get_optimizer             (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_optimizer             (ReformerTrainer      *self,
                                                                ReformerOptimizer    *optimizer);
REFORMER_AVAILABLE_IN_1_0
ReformerSchedule   *reformer_trainer_get_schedule              (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_schedule              (ReformerTrainer      *self,
                                                                ReformerSchedule     *schedule);
REFORMER_AVAILABLE_IN_1_0
GFile              *reformer_trainer_get_folder                (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_folder                (ReformerTrainer      *self,
                                                                GFile                *folder);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_trainer_get_sequence_length       (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_sequence_length       (ReformerTrainer      *self,
                                                                int                   sequence_length);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_trainer_get_final_sequence_length (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_final_sequence_length (ReformerTrainer      *self,
                                                                int                   final_sequence_length);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_final_steps           (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_final_steps           (ReformerTrainer      *self,
                                                                guint                 final_steps);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_trainer_get_batch_size            (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_batch_size            (ReformerTrainer      *self,
                                                                int                   batch_size);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_trainer_get_accumulation          (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_accumulation          (ReformerTrainer      *self,
                                                                int                   accumulation);
REFORMER_AVAILABLE_IN_1_0
double              reformer_trainer_get_max_gradient_norm     (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_max_gradient_norm     (ReformerTrainer      *self,
                                                                double                max_gradient_norm);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_get_shuffle               (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_shuffle               (ReformerTrainer      *self,
                                                                gboolean              shuffle);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_get_rehash                (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_rehash                (ReformerTrainer      *self,
                                                                gboolean              rehash);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_get_by_length             (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_by_length             (ReformerTrainer      *self,
                                                                gboolean              by_length);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_total_steps           (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_total_steps           (ReformerTrainer      *self,
                                                                guint                 total_steps);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_evaluation_interval   (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_evaluation_interval   (ReformerTrainer      *self,
                                                                guint                 evaluation_interval);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_evaluation_samples    (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_evaluation_samples    (ReformerTrainer      *self,
                                                                guint                 evaluation_samples);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_patience              (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_patience              (ReformerTrainer      *self,
                                                                guint                 patience);
REFORMER_AVAILABLE_IN_1_0
double              reformer_trainer_get_min_improvement       (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_min_improvement       (ReformerTrainer      *self,
                                                                double                min_improvement);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_checkpoint_interval   (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_checkpoint_interval   (ReformerTrainer      *self,
                                                                guint                 checkpoint_interval);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_checkpoints_kept      (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_checkpoints_kept      (ReformerTrainer      *self,
                                                                guint                 checkpoints_kept);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_max_skipped           (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_max_skipped           (ReformerTrainer      *self,
                                                                guint                 max_skipped);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_history_interval      (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_trainer_set_history_interval      (ReformerTrainer      *self,
                                                                guint                 history_interval);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_n_steps               (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_epoch                 (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
double              reformer_trainer_get_loss                  (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
gint64              reformer_trainer_get_tokens                (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
double              reformer_trainer_get_tokens_per_second     (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
double              reformer_trainer_get_remaining_seconds     (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_trainer_get_running               (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_n_skipped             (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
double              reformer_trainer_get_best_loss             (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_trainer_get_best_step             (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
ReformerStopReason  reformer_trainer_get_stop_reason           (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
GListModel         *reformer_trainer_get_history               (ReformerTrainer      *self);
REFORMER_AVAILABLE_IN_1_0
GListModel         *reformer_trainer_get_evaluations           (ReformerTrainer      *self);

G_END_DECLS
