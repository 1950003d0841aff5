/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <math.h>

#include "compute/home.h"
#include "data/shuffle.h"
#include "models/model-private.h"
#include "training/optimizer-private.h"

/* As in torch.nn.utils.clip_grad_norm_(). */
#define CLIP_EPSILON 1e-6

/* Where the next sample is. */
typedef struct
{
  guint  epoch;
  gint64 index;
  int    length;
} Position;

static gboolean
count_samples (ReformerTrainerJob  *job,
               int                  length,
               GError             **error)
{
  gint64 n;

  if (job->counted_length == length)
    return TRUE;
  n = reformer_dataset_count_samples (job->dataset, length, error);
  if (n < 0)
    return FALSE;
  if (n == 0)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "the data set has no sample of at most %d tokens; wanted at least one", length);
      return FALSE;
    }
  job->n_samples = n;
  job->counted_length = length;
  return TRUE;
}

/* Reads all samples of the step, and where the next step goes on. */
static gboolean
read_samples (ReformerTrainerJob  *job,
              int                  length,
              Position            *position,
              GError             **error)
{
  ReformerTrainer *self = job->trainer;
  const guint64 seed = reformer_model_get_seed (self->model);
  const int rows = job->settings.batch_size * job->settings.accumulation;
  g_autoptr (GPtrArray) samples = g_ptr_array_new_with_free_func (g_object_unref);
  gint64 passed_over = 0;

  if (!count_samples (job, length, error) || !reformer_batch_start (&job->batch, self->model, rows, length, error))
    return FALSE;
  if (position->length != length)
    {
      position->epoch += position->length != 0 && position->index > 0;
      position->index = 0;
      position->length = length;
    }
  while (job->batch.rows < rows)
    {
      g_autoptr (ReformerSample) sample = NULL;
      const int before = job->batch.rows;
      gint64 index;

      if (position->index >= job->n_samples) /* fewer than there were */
        {
          position->epoch++;
          position->index = 0;
        }
      if (g_cancellable_set_error_if_cancelled (job->cancellable, error))
        return FALSE;
      index = job->settings.shuffle ? reformer_shuffle (seed, position->epoch, job->n_samples, position->index) : position->index;
      sample = reformer_dataset_read_sample_of_epoch (job->dataset, index, length, position->epoch, error);
      if (sample == NULL || !reformer_batch_add (&job->batch, job->dataset, index, sample, error))
        return FALSE;
      passed_over = job->batch.rows == before ? passed_over + 1 : 0;
      if (passed_over == 0)
        g_ptr_array_add (samples, g_object_ref (sample));
      if (passed_over >= job->n_samples)
        {
          g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA,
                       "no target in any of the %" G_GINT64_FORMAT " samples of the data set; wanted %s", job->n_samples, reformer_label_form_get_wanted (&job->batch.form));
          return FALSE;
        }
      if (++position->index == job->n_samples)
        {
          position->epoch++;
          position->index = 0;
        }
    }
  if (job->settings.by_length)
    reformer_batch_sort (&job->batch, samples);
  return TRUE;
}

/* The gradients of the mean loss over all targets of the step. */
static gboolean
compute_gradients (ReformerTrainerJob  *job,
                   double              *loss,
                   GError             **error)
{
  ReformerModel *model = job->trainer->model;
  double sums[2] = { 0, 0 };

  for (int i = 0; i < job->settings.accumulation; i++)
    {
      g_auto (ReformerBatchTensors) tensors = { NULL };
      const int first = i * job->settings.batch_size;
      ReformerModelPass pass = { .cancellable = job->cancellable, .total = job->batch.targets, .add = i > 0 };

      if (job->settings.by_length)
        pass.lengths = job->batch.lengths + first;
      if (!reformer_batch_upload (&job->batch, first, job->settings.batch_size, model->device, &tensors, error) ||
          !reformer_model_run_pass (model, tensors.tokens, tensors.mask, tensors.labels, TRUE, &pass, error))
        return FALSE;
      sums[0] += pass.sums[0];
      sums[1] += pass.sums[1];
    }
  *loss = reformer_targets_mean (&job->batch.targets, sums);
  return TRUE;
}

static gboolean
find_learning_rate (ReformerTrainerJob  *job,
                    guint                step,
                    double              *learning_rate,
                    GError             **error)
{
  const double rate = reformer_optimizer_get_learning_rate (job->optimizer);
  g_autoptr (GError) problem = NULL;
  double factor;

  reformer_schedule_compute_factor (job->schedule, step, job->total, &factor, &problem);
  if (problem != NULL || g_cancellable_set_error_if_cancelled (job->cancellable, &problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (!isfinite (rate) || rate < 0)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "the optimizer's learning-rate: %g; wanted a number of at least 0", rate);
  else if (!isfinite (factor) || factor < 0)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "the schedule's factor at step %u of %u: %g; wanted a number of at least 0", step, job->total, factor);
  else
    {
      *learning_rate = rate * factor;
      return TRUE;
    }
  return FALSE;
}

/* Once begun it goes through: a step changes all weights or none. So nothing in here is cancelled. */
static gboolean
update (ReformerTrainerJob        *job,
        const ReformerRecordData  *record,
        GError                   **error)
{
  const double max = job->settings.max_gradient_norm;
  const double scale = max > 0 ? MIN (1.0, max / (record->gradient_norm + CLIP_EPSILON)) : 1.0;
  gboolean done = TRUE;

  if (job->context != NULL)
    reformer_home_enter (job->context, NULL);
  for (guint i = 0; i < job->parameters->len && done; i++)
    done = reformer_optimizer_update (job->optimizer, job->parameters->pdata[i], record->step, record->learning_rate, scale, error);
  if (done && job->settings.rehash)
    {
      ReformerRun run = REFORMER_RUN_INIT (job->trainer->model->device, NULL);

      reformer_model_redraw_rotations (job->trainer->model, record->step, &run);
      done = reformer_run_finish (&run, error);
    }
  if (job->context != NULL)
    reformer_home_enter (job->context, job->cancellable);
  return done;
}

static gboolean
try_step (ReformerTrainerJob  *job,
          Position            *position,
          ReformerRecordData  *record,
          GError             **error)
{
  ReformerRun run = REFORMER_RUN_INIT (job->trainer->model->device, job->cancellable);

  if (!find_learning_rate (job, record->step, &record->learning_rate, error) || !read_samples (job, record->sequence_length, position, error) ||
      !compute_gradients (job, &record->loss, error))
    return FALSE;
  record->gradient_norm = reformer_optimizer_measure (job->parameters, &run);
  if (!reformer_run_finish (&run, error))
    return FALSE;
  record->tokens = job->batch.n_tokens;
  record->targets = (gint64) job->batch.targets.count;
  record->skipped = !isfinite (record->loss) || !isfinite (record->gradient_norm);
  return record->skipped || update (job, record, error);
}

gboolean
reformer_trainer_make_step (ReformerTrainerJob  *job,
                            ReformerRecordData  *record,
                            GError             **error)
{
  ReformerTrainer *self = job->trainer;
  ReformerModel *model = self->model;
  ReformerTrainingState *state = &self->state;
  const gint64 begin = g_get_monotonic_time ();
  const guint sequence = model->sequence;
  Position position = { state->epoch, state->index, state->length };

  *record = (ReformerRecordData) { .step = state->step + 1, .sequence_length = reformer_trainer_job_length (job, state->step + 1) };
  if (!try_step (job, &position, record, error))
    {
      reformer_model_set_sequence (model, sequence);
      return FALSE;
    }

  state->step++;
  state->epoch = position.epoch;
  state->index = position.index;
  state->length = position.length;
  state->tokens += record->tokens;
  state->n_skipped += record->skipped;
  state->skipped_in_a_row = record->skipped ? state->skipped_in_a_row + 1 : 0;
  record->seconds = (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC;
  record->tokens_per_second = record->seconds > 0 ? (double) record->tokens / record->seconds : 0;
  record->memory = reformer_device_get_memory_peak (model->device);
  reformer_speed_add (&job->speed, record->seconds, record->tokens, (gint64) job->batch.rows * job->batch.length);
  return TRUE;
}
