/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <libreformer/training/reformer-adamw.h>

/**
 * ReformerTrainer:
 *
 * Trains a model on a data set: steps, evaluations, checkpoints.
 *
 * A step reads [property@Trainer:accumulation] times [property@Trainer:batch-size] sequences, computes the gradients of their mean loss, and lets the optimizer
 * change the weights. Random numbers are keyed by [property@Model:seed] and by what was trained before, so that training repeats to the bit, whether it was interrupted or
 * not; a step that is cancelled changes nothing, and [method@Trainer.train] can then be called again.
 *
 * With [property@Trainer:folder] the run is kept: checkpoints, from which [method@Trainer.resume] goes on, and logs.
 *
 * [method@Trainer.train] works in the caller's thread and emits its signals there. [method@Trainer.train_async] works in a thread of its own; its signals come in the
 * main context where it was called, and so do virtual functions that another language implements. Settings are copied when a call begins. Properties may be
 * read from any thread.
 *
 * ```python
 * trainer = Reformer.Trainer(model=model, dataset=dataset, sequence_length=128, optimizer=Reformer.AdamW(learning_rate=0.01),
 *                            schedule=Reformer.Schedule(warmup_steps=2), folder=Gio.File.new_for_path("run"), evaluation_interval=5)
 * trainer.connect("step", lambda trainer, record: print(record.step, record.loss))
 * trainer.train(10, None)
 * ```
 */

GParamSpec *reformer_trainer_props[REFORMER_TRAINER_N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerTrainer, reformer_trainer, G_TYPE_OBJECT)

G_DEFINE_ENUM_TYPE (ReformerStopReason, reformer_stop_reason,
                    G_DEFINE_ENUM_VALUE (REFORMER_STOP_REASON_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (REFORMER_STOP_REASON_STEPS, "steps"),
                    G_DEFINE_ENUM_VALUE (REFORMER_STOP_REASON_PATIENCE, "patience"),
                    G_DEFINE_ENUM_VALUE (REFORMER_STOP_REASON_CANCELLED, "cancelled"),
                    G_DEFINE_ENUM_VALUE (REFORMER_STOP_REASON_FAILED, "failed"))

static void
reformer_trainer_finalize (GObject *object)
{
  ReformerTrainer *self = REFORMER_TRAINER (object);

  g_clear_object (&self->model);
  g_clear_object (&self->dataset);
  g_clear_object (&self->evaluation_dataset);
  g_clear_object (&self->optimizer);
  g_clear_object (&self->schedule);
  g_clear_object (&self->folder);
  g_clear_object (&self->history);
  g_clear_object (&self->evaluations);
  g_clear_pointer (&self->run_folder, reformer_run_folder_close);
  g_free (self->run_path);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (reformer_trainer_parent_class)->finalize (object);
}

static void
reformer_trainer_get_property (GObject    *object,
                               guint       id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  ReformerTrainer *self = REFORMER_TRAINER (object);

  if (id < REFORMER_TRAINER_N_SETTINGS)
    {
      reformer_trainer_show_setting (self, id, value);
      return;
    }
  if (id < REFORMER_TRAINER_N_PROGRESS)
    {
      reformer_trainer_show_progress (self, id, value);
      return;
    }
  switch (id)
    {
    case REFORMER_TRAINER_MODEL:
      g_value_set_object (value, self->model);
      break;
    case REFORMER_TRAINER_DATASET:
      g_value_set_object (value, self->dataset);
      break;
    case REFORMER_TRAINER_EVALUATION_DATASET:
      g_value_set_object (value, reformer_trainer_get_evaluation_dataset (self));
      break;
    case REFORMER_TRAINER_OPTIMIZER:
      g_value_set_object (value, reformer_trainer_get_optimizer (self));
      break;
    case REFORMER_TRAINER_SCHEDULE:
      g_value_set_object (value, reformer_trainer_get_schedule (self));
      break;
    case REFORMER_TRAINER_FOLDER:
      g_value_set_object (value, reformer_trainer_get_folder (self));
      break;
    case REFORMER_TRAINER_HISTORY:
      g_value_set_object (value, self->history);
      break;
    case REFORMER_TRAINER_EVALUATIONS:
      g_value_set_object (value, self->evaluations);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_trainer_set_property (GObject      *object,
                               guint         id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  ReformerTrainer *self = REFORMER_TRAINER (object);

  if (id < REFORMER_TRAINER_N_SETTINGS)
    {
      reformer_trainer_change_setting (self, id, value);
      return;
    }
  switch (id)
    {
    case REFORMER_TRAINER_MODEL:
      self->model = g_value_dup_object (value);
      break;
    case REFORMER_TRAINER_DATASET:
      self->dataset = g_value_dup_object (value);
      break;
    case REFORMER_TRAINER_EVALUATION_DATASET:
      reformer_trainer_set_evaluation_dataset (self, g_value_get_object (value));
      break;
    case REFORMER_TRAINER_OPTIMIZER:
      reformer_trainer_set_optimizer (self, g_value_get_object (value));
      break;
    case REFORMER_TRAINER_SCHEDULE:
      reformer_trainer_set_schedule (self, g_value_get_object (value));
      break;
    case REFORMER_TRAINER_FOLDER:
      reformer_trainer_set_folder (self, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_trainer_class_init (ReformerTrainerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
  GParamSpec **props = reformer_trainer_props;

  object_class->finalize = reformer_trainer_finalize;
  object_class->get_property = reformer_trainer_get_property;
  object_class->set_property = reformer_trainer_set_property;

  reformer_trainer_install_settings (props);
  reformer_trainer_install_progress (props);
  /**
   * ReformerTrainer:model:
   *
   * The model that is trained.
   */
  props[REFORMER_TRAINER_MODEL] = g_param_spec_object ("model", NULL, NULL, REFORMER_TYPE_MODEL, once);
  /**
   * ReformerTrainer:dataset:
   *
   * The data that it is trained on.
   */
  props[REFORMER_TRAINER_DATASET] = g_param_spec_object ("dataset", NULL, NULL, REFORMER_TYPE_DATASET, once);
  /**
   * ReformerTrainer:evaluation-dataset:
   *
   * The data for evaluations; %NULL for what the data set holds out.
   */
  props[REFORMER_TRAINER_EVALUATION_DATASET] = g_param_spec_object ("evaluation-dataset", NULL, NULL, REFORMER_TYPE_DATASET, flags);
  /**
   * ReformerTrainer:optimizer:
   *
   * What changes the weights; %NULL until training begins, which then takes [class@AdamW] with a learning rate of 1e-3 and a weight decay of 0.01.
   */
  props[REFORMER_TRAINER_OPTIMIZER] = g_param_spec_object ("optimizer", NULL, NULL, REFORMER_TYPE_OPTIMIZER, flags);
  /**
   * ReformerTrainer:schedule:
   *
   * What the learning rate is multiplied by from step to step; %NULL until training begins, which then takes a constant one.
   */
  props[REFORMER_TRAINER_SCHEDULE] = g_param_spec_object ("schedule", NULL, NULL, REFORMER_TYPE_SCHEDULE, flags);
  /**
   * ReformerTrainer:folder:
   *
   * The folder that keeps the run; %NULL for none. It is made, and locked from its first use until the trainer is gone or has another folder.
   */
  props[REFORMER_TRAINER_FOLDER] = g_param_spec_object ("folder", NULL, NULL, G_TYPE_FILE, flags);
  /**
   * ReformerTrainer:history:
   *
   * What the steps were like: a list of [class@TrainingRecord], one every [property@Trainer:history-interval] steps.
   */
  props[REFORMER_TRAINER_HISTORY] = g_param_spec_object ("history", NULL, NULL, G_TYPE_LIST_MODEL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerTrainer:evaluations:
   *
   * The evaluations during training: a list of [class@Evaluation].
   */
  props[REFORMER_TRAINER_EVALUATIONS] = g_param_spec_object ("evaluations", NULL, NULL, G_TYPE_LIST_MODEL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, REFORMER_TRAINER_N_PROPS, props);
  reformer_trainer_install_signals ();
}

static void
reformer_trainer_init (ReformerTrainer *self)
{
  g_mutex_init (&self->lock);
  reformer_trainer_init_settings (&self->settings);
  self->state = (ReformerTrainingState) REFORMER_TRAINING_STATE_INIT;
  self->progress.remaining_seconds = -1;
  self->notified = self->progress;
  self->saved_step = G_MAXUINT;
  g_queue_init (&self->events);
  self->history = g_list_store_new (REFORMER_TYPE_TRAINING_RECORD);
  self->evaluations = g_list_store_new (REFORMER_TYPE_EVALUATION);
}

/* ---- Who works ---- */

gboolean
reformer_trainer_claim (ReformerTrainer  *self,
                        GThread          *owner,
                        gboolean          running,
                        GError          **error)
{
  gboolean free;

  g_mutex_lock (&self->lock);
  free = !self->busy;
  if (free)
    {
      self->busy = TRUE;
      self->owner = owner;
      self->progress.running = running;
    }
  g_mutex_unlock (&self->lock);
  if (!free)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_BUSY, "the trainer is at work; wanted one that is not, or that was cancelled and has ended");
  return free;
}

void
reformer_trainer_release (ReformerTrainer *self)
{
  g_mutex_lock (&self->lock);
  self->busy = FALSE;
  self->owner = NULL;
  self->progress.running = FALSE;
  g_mutex_unlock (&self->lock);
}

void
reformer_trainer_complete (ReformerTrainer *self)
{
  if (reformer_trainer_get_optimizer (self) == NULL)
    {
      g_autoptr (ReformerOptimizer) optimizer = reformer_adamw_new ();

      reformer_optimizer_set_learning_rate (optimizer, 1e-3);
      reformer_adamw_set_weight_decay (REFORMER_ADAMW (optimizer), 0.01);
      reformer_trainer_set_optimizer (self, optimizer);
    }
  if (reformer_trainer_get_schedule (self) == NULL)
    {
      g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();

      /* a program that trains a little at a time, call by call, must not see the rate fall to nothing in each */
      reformer_schedule_set_decay (schedule, REFORMER_DECAY_CONSTANT);
      reformer_trainer_set_schedule (self, schedule);
    }
}

gboolean
reformer_trainer_inside (ReformerTrainer *self)
{
  gboolean inside;

  g_mutex_lock (&self->lock);
  inside = self->busy && self->owner == g_thread_self () && self->handling > 0;
  g_mutex_unlock (&self->lock);
  return inside;
}

/* ---- Properties ---- */

static gpointer
get_object (ReformerTrainer  *self,
            GObject         **place)
{
  gpointer object;

  g_mutex_lock (&self->lock);
  object = *place;
  g_mutex_unlock (&self->lock);
  return object;
}

static void
set_object (ReformerTrainer  *self,
            GObject         **place,
            GObject          *object,
            guint             id)
{
  GObject *before;

  g_mutex_lock (&self->lock);
  before = *place;
  *place = object != NULL ? g_object_ref (object) : NULL;
  g_mutex_unlock (&self->lock);
  if (before != object)
    g_object_notify_by_pspec (G_OBJECT (self), reformer_trainer_props[id]);
  g_clear_object (&before);
}

/**
 * reformer_trainer_new:
 * @model: a model
 * @dataset: the data that it is to be trained on
 *
 * Makes a new trainer.
 *
 * Returns: (transfer full): a new trainer
 */
ReformerTrainer *
reformer_trainer_new (ReformerModel   *model,
                      ReformerDataset *dataset)
{
  return g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", dataset, NULL);
}

/**
 * reformer_trainer_get_model:
 * @self: a trainer
 *
 * Gets the model that is trained.
 *
 * Returns: (transfer none) (nullable): the model that is trained
 */
ReformerModel *
reformer_trainer_get_model (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return self->model;
}

/**
 * reformer_trainer_get_dataset:
 * @self: a trainer
 *
 * Gets the data that it is trained on.
 *
 * Returns: (transfer none) (nullable): the data that it is trained on
 */
ReformerDataset *
reformer_trainer_get_dataset (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return self->dataset;
}

/**
 * reformer_trainer_get_evaluation_dataset:
 * @self: a trainer
 *
 * Gets the data for evaluations; %NULL for what the data set holds out.
 *
 * Returns: (transfer none) (nullable): the data for evaluations; %NULL for what the data set holds out
 */
ReformerDataset *
reformer_trainer_get_evaluation_dataset (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return get_object (self, (GObject **) &self->evaluation_dataset);
}

/**
 * reformer_trainer_set_evaluation_dataset:
 * @self: a trainer
 * @evaluation_dataset: (nullable): the data for evaluations; %NULL for what the data set holds out
 *
 * Sets the data for evaluations; %NULL for what the data set holds out. It counts from the next call on.
 */
void
reformer_trainer_set_evaluation_dataset (ReformerTrainer *self,
                                         ReformerDataset *evaluation_dataset)
{
  g_return_if_fail (REFORMER_IS_TRAINER (self));
  g_return_if_fail (evaluation_dataset == NULL || REFORMER_IS_DATASET (evaluation_dataset));

  set_object (self, (GObject **) &self->evaluation_dataset, (GObject *) evaluation_dataset, REFORMER_TRAINER_EVALUATION_DATASET);
}

/**
 * reformer_trainer_get_optimizer:
 * @self: a trainer
 *
 * Gets what changes the weights; %NULL until training begins, which then takes [class@AdamW] with a learning rate of 1e-3 and a weight decay of 0.01.
 *
 * Returns: (transfer none) (nullable): what changes the weights; %NULL until training begins, which then takes [class@AdamW] with a learning rate of 1e-3 and a weight decay of 0.01
 */
ReformerOptimizer *
reformer_trainer_get_optimizer (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return get_object (self, (GObject **) &self->optimizer);
}

/**
 * reformer_trainer_set_optimizer:
 * @self: a trainer
 * @optimizer: (nullable): what changes the weights; %NULL until training begins, which then takes [class@AdamW] with a learning rate of 1e-3 and a weight decay of 0.01
 *
 * Sets what changes the weights; %NULL until training begins, which then takes [class@AdamW] with a learning rate of 1e-3 and a weight decay of 0.01. It counts from the next call on.
 */
void
reformer_trainer_set_optimizer (ReformerTrainer   *self,
                                ReformerOptimizer *optimizer)
{
  g_return_if_fail (REFORMER_IS_TRAINER (self));
  g_return_if_fail (optimizer == NULL || REFORMER_IS_OPTIMIZER (optimizer));

  set_object (self, (GObject **) &self->optimizer, (GObject *) optimizer, REFORMER_TRAINER_OPTIMIZER);
}

/**
 * reformer_trainer_get_schedule:
 * @self: a trainer
 *
 * Gets what the learning rate is multiplied by from step to step; %NULL until training begins, which then takes a constant one.
 *
 * Returns: (transfer none) (nullable): what the learning rate is multiplied by from step to step; %NULL until training begins, which then takes a constant one
 */
ReformerSchedule *
reformer_trainer_get_schedule (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return get_object (self, (GObject **) &self->schedule);
}

/**
 * reformer_trainer_set_schedule:
 * @self: a trainer
 * @schedule: (nullable): what the learning rate is multiplied by from step to step; %NULL until training begins, which then takes a constant one
 *
 * Sets what the learning rate is multiplied by from step to step; %NULL until training begins, which then takes a constant one. It counts from the next call on.
 */
void
reformer_trainer_set_schedule (ReformerTrainer  *self,
                               ReformerSchedule *schedule)
{
  g_return_if_fail (REFORMER_IS_TRAINER (self));
  g_return_if_fail (schedule == NULL || REFORMER_IS_SCHEDULE (schedule));

  set_object (self, (GObject **) &self->schedule, (GObject *) schedule, REFORMER_TRAINER_SCHEDULE);
}

/**
 * reformer_trainer_get_folder:
 * @self: a trainer
 *
 * Gets the folder that keeps the run.
 *
 * Returns: (transfer none) (nullable): the folder, or %NULL for none
 */
GFile *
reformer_trainer_get_folder (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return get_object (self, (GObject **) &self->folder);
}

/**
 * reformer_trainer_set_folder:
 * @self: a trainer
 * @folder: (nullable): the folder that keeps the run
 *
 * Sets the folder that keeps the run. It counts from the next call on.
 */
void
reformer_trainer_set_folder (ReformerTrainer *self,
                             GFile           *folder)
{
  g_return_if_fail (REFORMER_IS_TRAINER (self));
  g_return_if_fail (folder == NULL || G_IS_FILE (folder));

  set_object (self, (GObject **) &self->folder, (GObject *) folder, REFORMER_TRAINER_FOLDER);
}

/**
 * reformer_trainer_get_history:
 * @self: a trainer
 *
 * Gets what the steps were like. The list changes only in the thread where signals are emitted.
 *
 * Returns: (transfer none): a list of [class@TrainingRecord]
 */
GListModel *
reformer_trainer_get_history (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return G_LIST_MODEL (self->history);
}

/**
 * reformer_trainer_get_evaluations:
 * @self: a trainer
 *
 * Gets the evaluations during training. The list changes only in the thread where signals are emitted.
 *
 * Returns: (transfer none): a list of [class@Evaluation]
 */
GListModel *
reformer_trainer_get_evaluations (ReformerTrainer *self)
{
  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  return G_LIST_MODEL (self->evaluations);
}
