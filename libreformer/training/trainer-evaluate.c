/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include "compute/home.h"
#include "models/model-private.h"

/* Evaluation: the mean loss over a data set, without dropout, and the metrics of the model's head. */

/* Sample number i of `most` that are spread evenly over n. */
static gint64
spread (gint64 i,
        gint64 most,
        gint64 n)
{
  /* i * n / most; both products fit, as most is below 2^32 */
  return i * (n / most) + (gint64) ((guint64) i * (guint64) (n % most) / (guint64) most);
}

static gboolean
measure_rows (ReformerTrainerJob  *job,
              ReformerBatch       *batch,
              int                  first,
              int                  n,
              ReformerMetrics     *metrics,
              double               sums[2],
              GError             **error)
{
  ReformerModel *model = job->trainer->model;
  g_auto (ReformerBatchTensors) tensors = { NULL };
  g_auto (ReformerModelSight) sight = { NULL };
  ReformerModelPass pass = { .cancellable = job->cancellable, .total = batch->targets, .sight = &sight };

  if (job->settings.by_length)
    pass.lengths = batch->lengths + first;
  if (!reformer_batch_upload (batch, first, n, model->device, &tensors, error) ||
      !reformer_model_run_pass (model, tensors.tokens, tensors.mask, tensors.labels, FALSE, &pass, error) || !reformer_metrics_add (metrics, &sight, error))
    return FALSE;
  sums[0] += pass.sums[0];
  sums[1] += pass.sums[1];
  for (int row = first; batch->form.shifted && batch->tokens != NULL && row < first + n; row++)
    reformer_metrics_add_text (metrics, batch->tokens + (gsize) row * (gsize) batch->length, batch->labels + (gsize) row * (gsize) batch->length, (gsize) batch->length);
  return TRUE;
}

/* All rows at once; by their lengths those that are equally long, for metrics look at one input at a time. */
static gboolean
measure_batch (ReformerTrainerJob  *job,
               ReformerBatch       *batch,
               ReformerMetrics     *metrics,
               double               sums[2],
               GError             **error)
{
  for (int first = 0, n; first < batch->rows; first += n)
    {
      n = job->settings.by_length ? 1 : batch->rows;
      while (first + n < batch->rows && batch->lengths[first + n] == batch->lengths[first])
        n++;
      if (!measure_rows (job, batch, first, n, metrics, sums, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
reformer_trainer_measure (ReformerTrainerJob      *job,
                          ReformerDataset         *dataset,
                          guint                    most,
                          ReformerEvaluationData  *data,
                          GError                 **error)
{
  ReformerTrainer *self = job->trainer;
  const gint64 begin = g_get_monotonic_time ();
  const int rows = job->settings.batch_size, length = reformer_trainer_job_length (job, self->state.step);
  const gint64 n = reformer_dataset_count_samples (dataset, length, error);
  const gint64 used = most > 0 ? MIN (n, (gint64) most) : n;
  g_auto (ReformerBatch) batch = REFORMER_BATCH_INIT;
  g_auto (ReformerMetrics) metrics = REFORMER_METRICS_INIT;
  ReformerTargets targets = { 0 };
  double sums[2] = { 0, 0 };

  if (n < 0 || !reformer_metrics_start (&metrics, self->model, reformer_dataset_get_tokenizer (dataset), error))
    return FALSE;
  *data = (ReformerEvaluationData) { .step = self->state.step };
  for (gint64 i = 0; i < used;)
    {
      g_autoptr (GPtrArray) samples = g_ptr_array_new_with_free_func (g_object_unref);

      if (!reformer_batch_start (&batch, self->model, rows, length, error))
        return FALSE;
      for (; i < used && batch.rows < rows; i++)
        {
          const gint64 index = spread (i, used, n);
          g_autoptr (ReformerSample) sample = NULL;

          if (g_cancellable_set_error_if_cancelled (job->cancellable, error))
            return FALSE;
          sample = reformer_dataset_read_sample (dataset, index, length, error);
          if (sample == NULL || !reformer_batch_add (&batch, dataset, index, sample, error))
            return FALSE;
          g_ptr_array_add (samples, g_steal_pointer (&sample));
        }
      if (job->settings.by_length)
        reformer_batch_sort (&batch, samples);
      if (batch.rows > 0 && !measure_batch (job, &batch, &metrics, sums, error))
        return FALSE;
      reformer_targets_add (&targets, &batch.targets);
    }
  if (targets.count == 0)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA,
                   "no target among %" G_GINT64_FORMAT " samples of the evaluation data; wanted %s", used, reformer_label_form_get_wanted (&batch.form));
      return FALSE;
    }
  data->samples = used;
  data->targets = (gint64) targets.count;
  data->loss = reformer_targets_mean (&targets, sums);
  reformer_metrics_get_values (&metrics, data->loss, data->targets, &data->metrics);
  data->seconds = (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC;
  return TRUE;
}

ReformerEvaluation *
reformer_trainer_run_evaluate (ReformerTrainerJob  *job,
                               ReformerDataset     *dataset,
                               GError             **error)
{
  ReformerTrainer *self = job->trainer;
  g_autoptr (ReformerDataset) used = dataset != NULL ? g_object_ref (dataset) : job->evaluation != NULL ? g_object_ref (job->evaluation) : NULL;
  const int length = reformer_trainer_job_length (job, self->state.step);
  ReformerEvaluationData data;
  GError *problem = NULL;

  if (!reformer_trainer_check_ranges (&job->settings, error) || !reformer_trainer_check_model (job, error))
    return NULL;
  if (used == NULL)
    used = reformer_dataset_get_held_out (job->dataset, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return NULL;
    }
  if (used == NULL)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA,
                   "nothing to evaluate: no data set was given, there is no evaluation-dataset, and the data set holds nothing out");
      return NULL;
    }
  if (!reformer_trainer_check_length (job, "sequence-length", length, error) || !reformer_trainer_check_dataset (job, "the evaluation data", used, length, error) ||
      !reformer_trainer_measure (job, used, 0, &data, error))
    return NULL;
  return reformer_evaluation_new (&data);
}

/**
 * reformer_trainer_evaluate:
 * @self: a trainer
 * @dataset: (nullable): the data to evaluate; %NULL for [property@Trainer:evaluation-dataset], or else what the data set holds out
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Computes the mean loss over all samples of a data set, and the metrics of the model's head ([class@Evaluation]), in their order and without dropout, [property@Trainer:batch-size] at a time, with the length of the
 * sequences that training has reached. The model does not change.
 *
 * A handler of one of the trainer's signals may call this while [method@Trainer.train] runs; the settings are then those that the run began with.
 *
 * Returns: (transfer full): the evaluation, or %NULL with @error set: [error@TrainerError], [error@FileError], [error@ModelError], [error@DeviceError],
 *   %G_IO_ERROR_CANCELLED
 */
ReformerEvaluation *
reformer_trainer_evaluate (ReformerTrainer  *self,
                           ReformerDataset  *dataset,
                           GCancellable     *cancellable,
                           GError          **error)
{
  g_autoptr (ReformerTrainerJob) job = NULL;
  ReformerEvaluation *evaluation;
  GCancellable *before;
  gboolean inside;

  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);
  g_return_val_if_fail (dataset == NULL || REFORMER_IS_DATASET (dataset), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  inside = reformer_trainer_inside (self);
  if (!inside && !reformer_trainer_claim (self, g_thread_self (), TRUE, error))
    return NULL;
  job = reformer_trainer_job_new (self, NULL, cancellable);
  if (!inside)
    reformer_trainer_tell_progress (job);
  before = reformer_home_set_cancellable (cancellable);
  evaluation = reformer_trainer_run_evaluate (job, dataset, error);
  reformer_home_set_cancellable (before);
  if (!inside)
    {
      reformer_trainer_release (self);
      reformer_trainer_tell_progress (job);
    }
  return evaluation;
}
