/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <glib/gstdio.h>
#include <math.h>

#include <libreformer/compute/reformer-version.h>

#include "compute/home.h"
#include "models/model-private.h"
#include "training/numbers.h"

/* What a run keeps on disk: checkpoints and logs. */

static gboolean
set_no_folder (GError **error)
{
  g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "the trainer has no folder; wanted one to keep the run in");
  return FALSE;
}

/* Two names may be of one folder. */
static gboolean
is_open (ReformerTrainer *self,
         const char      *path)
{
  GStatBuf a, b;

  if (self->run_folder == NULL)
    return FALSE;
  return g_str_equal (path, self->run_path) || (g_stat (path, &a) == 0 && g_stat (self->run_path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* Opens it, unless it is open; the one that was stays open until this one is. */
static gboolean
open_folder (ReformerTrainerJob  *job,
             GError             **error)
{
  ReformerTrainer *self = job->trainer;
  g_autofree char *path = g_file_get_path (job->folder);
  ReformerRunFolder *folder;

  if (path == NULL)
    {
      g_autofree char *name = g_file_get_parse_name (job->folder);

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: is no folder of this machine", name);
      return FALSE;
    }
  if (is_open (self, path))
    return TRUE;
  folder = reformer_run_folder_open (path, error);
  if (folder == NULL)
    return FALSE;
  g_clear_pointer (&self->run_folder, reformer_run_folder_close);
  g_free (self->run_path);
  self->run_folder = folder;
  self->run_path = g_steal_pointer (&path);
  self->continues = FALSE;
  self->saved_step = G_MAXUINT;
  return TRUE;
}

gboolean
reformer_trainer_open_folder (ReformerTrainerJob  *job,
                              GError             **error)
{
  ReformerTrainer *self = job->trainer;

  if (job->folder == NULL)
    return TRUE;
  if (!open_folder (job, error))
    return FALSE;
  if (!self->continues && reformer_checkpoint_exists (self->run_path))
    {
      g_autofree char *display = g_filename_display_name (self->run_path);

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_FOLDER, "%s: has the checkpoints of a run already; resume it, or take another folder", display);
      return FALSE;
    }
  /* a run that ended before its first checkpoint left lines of steps that are made again */
  if (!self->continues && !reformer_run_folder_go_back (self->run_folder, self->state.step, error))
    return FALSE;
  self->continues = TRUE;
  return TRUE;
}

/* Who takes part. `data` is the caller's to free. */
static gboolean
describe (ReformerTrainerJob  *job,
          GObject             *settings,
          ReformerCheckpoint  *checkpoint,
          char               **data,
          GError             **error)
{
  ReformerTrainer *self = job->trainer;
  GError *problem = NULL;

  *data = reformer_dataset_identify (job->dataset, &problem);
  *checkpoint = (ReformerCheckpoint) {
    .model = self->model,
    .optimizer = job->optimizer,
    .schedule = job->schedule,
    .trainer = settings,
    .tokenizer = reformer_dataset_get_tokenizer (job->dataset),
    .data = *data,
    .state = &self->state,
  };
  if (problem == NULL)
    return TRUE;
  g_propagate_error (error, problem);
  return FALSE;
}

gboolean
reformer_trainer_save (ReformerTrainerJob  *job,
                       GError             **error)
{
  ReformerTrainer *self = job->trainer;
  ReformerCheckpoint checkpoint;
  g_autofree char *data = NULL, *name = NULL;
  g_autoptr (GFile) folder = NULL;
  g_autoptr (ReformerTrainer) shown = NULL;

  if (job->folder == NULL)
    return TRUE;
  shown = g_object_new (REFORMER_TYPE_TRAINER, NULL); /* has the settings that the job works with, whatever the trainer's are by now */
  shown->settings = job->settings;
  self->state.seed = reformer_model_get_seed (self->model);
  self->state.sequence = reformer_model_get_sequence (self->model);
  self->state.keep = reformer_stack_get_keep (self->model->stack);
  if (!describe (job, G_OBJECT (shown), &checkpoint, &data, error) || !reformer_checkpoint_save (self->run_path, &checkpoint, job->settings.checkpoints_kept, job->cancellable, error))
    return FALSE;
  self->saved_step = self->state.step;
  name = g_strdup_printf ("checkpoints/step-%u", self->state.step);
  folder = g_file_resolve_relative_path (job->folder, name);
  reformer_trainer_tell_saved (job, folder, self->state.step);
  return reformer_trainer_log (job, json_pack ("{s:s, s:I, s:s}", "event", "checkpoint", "step", (json_int_t) self->state.step, "folder", name), error);
}

/* ---- Logs ---- */

/* JSON has no number for what is not finite. */
static json_t *
number (double value)
{
  return isfinite (value) ? json_real (value) : json_null ();
}

gboolean
reformer_trainer_log (ReformerTrainerJob  *job,
                      json_t              *line,
                      GError             **error)
{
  g_autoptr (json_t) owned = line;

  return job->folder == NULL || reformer_run_folder_log (job->trainer->run_folder, owned, error);
}

gboolean
reformer_trainer_log_start (ReformerTrainerJob  *job,
                            GError             **error)
{
  ReformerTrainer *self = job->trainer;
  g_autofree char *device = g_utf8_make_valid (reformer_device_get_name (self->model->device), -1);

  return reformer_trainer_log (job, json_pack ("{s:s, s:I, s:I, s:I, s:s, s:s, s:I, s:o}", "event", "start", "step", (json_int_t) self->state.step, "end", (json_int_t) job->end,
                                               "total_steps", (json_int_t) job->total, "version", REFORMER_VERSION_S, "device", device, "parameters",
                                               (json_int_t) reformer_model_get_n_parameters (self->model), "seed",
                                               reformer_number_new_unsigned (reformer_model_get_seed (self->model))), error);
}

gboolean
reformer_trainer_log_step (ReformerTrainerJob        *job,
                           const ReformerRecordData  *r,
                           GError                   **error)
{
  const double bits = reformer_metrics_has_bits (reformer_model_get_head (job->trainer->model)) ? r->loss / G_LN2 : (double) NAN;

  return reformer_trainer_log (job, json_pack ("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:b, s:o, s:o, s:I}", "event", "step", "step", (json_int_t) r->step, "epoch",
                                               (json_int_t) job->trainer->state.epoch, "loss", number (r->loss), "bits", number (bits), "learning_rate",
                                               number (r->learning_rate), "gradient_norm", number (r->gradient_norm), "sequence_length", r->sequence_length, "tokens",
                                               (json_int_t) r->tokens, "targets", (json_int_t) r->targets, "skipped", r->skipped, "seconds", number (r->seconds),
                                               "tokens_per_second", number (r->tokens_per_second), "memory", (json_int_t) r->memory), error);
}

gboolean
reformer_trainer_log_evaluation (ReformerTrainerJob  *job,
                                 ReformerEvaluation  *e,
                                 GError             **error)
{
  /* those that fit the model's head, and are finite */
  static const char *const metrics[] = { "bits", "perplexity", "bits_per_byte", "accuracy", "macro_f1", "matthews", "mean_squared_error", "mean_absolute_error", "exact_match" };
  json_t *line = json_pack ("{s:s, s:I, s:o}", "event", "evaluated", "step", (json_int_t) reformer_evaluation_get_step (e), "loss", number (reformer_evaluation_get_loss (e)));

  for (guint i = 0; i < G_N_ELEMENTS (metrics); i++)
    {
      double value;

      g_object_get (e, metrics[i], &value, NULL);
      if (isfinite (value))
        json_object_set_new (line, metrics[i], json_real (value));
    }
  json_object_set_new (line, "targets", json_integer ((json_int_t) reformer_evaluation_get_targets (e)));
  json_object_set_new (line, "samples", json_integer ((json_int_t) reformer_evaluation_get_samples (e)));
  json_object_set_new (line, "best", json_boolean (reformer_evaluation_get_best (e)));
  json_object_set_new (line, "seconds", number (reformer_evaluation_get_seconds (e)));
  return reformer_trainer_log (job, line, error);
}

gboolean
reformer_trainer_log_end (ReformerTrainerJob  *job,
                          ReformerStopReason   reason,
                          const GError        *why,
                          GError             **error)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (REFORMER_TYPE_STOP_REASON);
  g_autofree char *message = why != NULL ? g_utf8_make_valid (why->message, -1) : NULL;

  return reformer_trainer_log (job, json_pack ("{s:s, s:I, s:s, s:s*}", "event", "end", "step", (json_int_t) job->trainer->state.step, "reason",
                                               g_enum_get_value (klass, (int) reason)->value_nick, "error", message), error);
}

/* ---- On demand ---- */

static gboolean
save_now (ReformerTrainerJob  *job,
          GError             **error)
{
  if (job->folder == NULL)
    return set_no_folder (error);
  return reformer_trainer_check_ranges (&job->settings, error) && reformer_trainer_check_model (job, error) && reformer_trainer_open_folder (job, error) &&
         reformer_trainer_save (job, error);
}

/**
 * reformer_trainer_save_checkpoint:
 * @self: a trainer
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Saves all that [method@Trainer.resume] needs to go on from the last whole step, into [property@Trainer:folder].
 *
 * A handler of one of the trainer's signals may call this while [method@Trainer.train] runs; it saves into the folder, and with the settings, that the run began with. While [method@Trainer.train_async] runs it fails; cancel that first.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@TrainerError], [error@FileError], [error@DeviceError], %G_IO_ERROR_CANCELLED
 */
gboolean
reformer_trainer_save_checkpoint (ReformerTrainer  *self,
                                  GCancellable     *cancellable,
                                  GError          **error)
{
  g_autoptr (ReformerTrainerJob) job = NULL;
  GCancellable *before;
  gboolean inside, saved;

  g_return_val_if_fail (REFORMER_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  inside = reformer_trainer_inside (self);
  if (!inside && !reformer_trainer_claim (self, g_thread_self (), FALSE, error))
    return FALSE;
  reformer_trainer_complete (self);
  job = reformer_trainer_job_new (self, NULL, cancellable);
  before = reformer_home_set_cancellable (cancellable);
  saved = save_now (job, error);
  reformer_home_set_cancellable (before);
  if (!inside)
    reformer_trainer_release (self);
  return saved;
}

static gboolean
resume (ReformerTrainerJob  *job,
        GError             **error)
{
  ReformerTrainer *self = job->trainer;
  ReformerCheckpoint checkpoint;
  g_autofree char *data = NULL, *path = NULL;

  if (job->folder == NULL)
    return set_no_folder (error);
  if (!reformer_trainer_check_built (job, error))
    return FALSE;
  path = g_file_get_path (job->folder);
  if (path != NULL && !reformer_checkpoint_exists (path)) /* before a folder is made for it */
    {
      g_autofree char *display = g_filename_display_name (path);

      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT, "%s: has no checkpoint to resume from", display);
      return FALSE;
    }
  if (!open_folder (job, error) || !describe (job, G_OBJECT (self), &checkpoint, &data, error) ||
      !reformer_checkpoint_restore (self->run_path, &checkpoint, NULL, job->cancellable, error) || !reformer_run_folder_go_back (self->run_folder, self->state.step, error))
    return FALSE;
  self->continues = TRUE;
  self->saved_step = self->state.step;
  return TRUE;
}

/* What is shown of steps that are not made any more. */
static void
forget (ReformerTrainer *self)
{
  const ReformerTrainingState *state = &self->state;
  guint n_records = g_list_model_get_n_items (G_LIST_MODEL (self->history)), n_evaluations = g_list_model_get_n_items (G_LIST_MODEL (self->evaluations));
  guint n = n_records;

  for (; n > 0; n--)
    {
      g_autoptr (ReformerTrainingRecord) record = g_list_model_get_item (G_LIST_MODEL (self->history), n - 1);

      if (reformer_training_record_get_step (record) <= state->step)
        break;
    }
  if (n < n_records)
    g_list_store_splice (self->history, n, n_records - n, NULL, 0);
  for (n = n_evaluations; n > 0; n--)
    {
      g_autoptr (ReformerEvaluation) evaluation = g_list_model_get_item (G_LIST_MODEL (self->evaluations), n - 1);

      if (reformer_evaluation_get_step (evaluation) <= state->evaluated_step)
        break;
    }
  if (n < n_evaluations)
    g_list_store_splice (self->evaluations, n, n_evaluations - n, NULL, 0);
  g_mutex_lock (&self->lock);
  self->progress.stop_reason = REFORMER_STOP_REASON_NONE;
  self->progress.remaining_seconds = -1;
  g_mutex_unlock (&self->lock);
}

/**
 * reformer_trainer_resume:
 * @self: a trainer, of a model made from the same configuration, and the same data
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Goes back to the newest whole checkpoint in [property@Trainer:folder]: weights, optimizer, position in the data, random numbers, and the settings of trainer,
 * optimizer and schedule. Training then goes on to the same bits as if it had not been interrupted. Damaged checkpoints are named in a warning and passed over; lines of
 * the logs that came after the checkpoint are dropped, and so are the items of [property@Trainer:history] and [property@Trainer:evaluations].
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@TrainerError], [error@FileError], [error@DeviceError], %G_IO_ERROR_CANCELLED
 */
gboolean
reformer_trainer_resume (ReformerTrainer  *self,
                         GCancellable     *cancellable,
                         GError          **error)
{
  g_autoptr (ReformerTrainerJob) job = NULL;
  GCancellable *before;
  gboolean resumed;

  g_return_val_if_fail (REFORMER_IS_TRAINER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  if (!reformer_trainer_claim (self, g_thread_self (), FALSE, error))
    return FALSE;
  reformer_trainer_complete (self);
  job = reformer_trainer_job_new (self, NULL, cancellable);
  before = reformer_home_set_cancellable (cancellable);
  resumed = resume (job, error);
  reformer_home_set_cancellable (before);
  job->end = self->state.step;
  job->total = self->state.total_steps;
  if (resumed)
    {
      reformer_trainer_job_show (job, 0);
      forget (self);
    }
  reformer_trainer_release (self);
  reformer_trainer_tell_progress (job);
  return resumed;
}
