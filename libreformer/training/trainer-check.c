/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <libreformer/data/reformer-masked-dataset.h>

#include "models/model-private.h"
#include "training/optimizer-private.h"

/* What can be known to be wrong before the first step. */

#define INVALID(...) g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, __VA_ARGS__)

/* Settings that do not fit each other. */
static gboolean
check_settings (ReformerTrainerJob  *job,
                GError             **error)
{
  const ReformerTrainerSettings *s = &job->settings;

  if (!reformer_trainer_check_ranges (s, error))
    return FALSE;
  if ((gint64) s->batch_size * s->accumulation > G_MAXINT / 2 / MAX (s->sequence_length, s->final_sequence_length))
    INVALID ("batch-size %d, accumulation %d, sequences of %d tokens; wanted at most %d tokens in a step", s->batch_size, s->accumulation,
             MAX (s->sequence_length, s->final_sequence_length), G_MAXINT / 2);
  else if ((s->final_steps > 0) != (s->final_sequence_length > 0))
    INVALID ("final-steps is %u, and final-sequence-length is %d; wanted both, or neither", s->final_steps, s->final_sequence_length);
  else if (s->final_sequence_length == 1)
    INVALID ("final-sequence-length: 1; wanted at least 2, because a token predicts the next one");
  else if (s->patience > 0 && s->evaluation_interval == 0)
    INVALID ("patience is %u, but evaluation-interval is 0: nothing is evaluated; wanted at least 1", s->patience);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_steps (ReformerTrainerJob  *job,
             guint                n_steps,
             GError             **error)
{
  const ReformerTrainerSettings *s = &job->settings;
  const ReformerTrainingState *state = &job->trainer->state;
  /* a call that was cut short counted to an end of its own, which the next one keeps to */
  const guint total = s->total_steps > 0 ? s->total_steps : MAX (state->total_steps, state->step + n_steps);
  const gboolean made_up = state->step == total && reformer_trainer_is_due (job); /* no step is left, but what comes after the last */

  if (n_steps == 0)
    INVALID ("0 steps; wanted at least 1");
  else if (n_steps > G_MAXUINT - state->step)
    INVALID ("%u steps after %u; wanted at most %u in all", n_steps, state->step, G_MAXUINT);
  else if (state->step + n_steps > total && !made_up)
    INVALID ("%u steps after %u; total-steps is %u, wanted at most %u", n_steps, state->step, total, total - MIN (total, state->step));
  else if (s->final_steps > total)
    INVALID ("final-steps is %u; wanted at most the %u steps in all", s->final_steps, total);
  else
    {
      job->total = total;
      job->end = made_up ? state->step : state->step + n_steps;
      return TRUE;
    }
  return FALSE;
}

gboolean
reformer_trainer_check_length (ReformerTrainerJob  *job,
                               const char          *name,
                               int                  length,
                               GError             **error)
{
  const gint64 most = reformer_config_get_max_length (job->trainer->model->config);

  if (length <= most)
    return TRUE;
  INVALID ("%s: %d tokens; the model has positions for %" G_GINT64_FORMAT " (axial_pos_shape, or max_position_embeddings without axial positions)", name, length, most);
  return FALSE;
}

/* Samples with holes teach what was in them; a causal model would learn to write the holes, one place too early. */
static gboolean
check_holes (ReformerTrainerJob  *job,
             const char          *name,
             ReformerDataset     *dataset,
             GError             **error)
{
  const ReformerHead head = reformer_config_get_head (job->trainer->model->config);
  g_autoptr (GEnumClass) heads = NULL;

  if (!REFORMER_IS_MASKED_DATASET (dataset) || head == REFORMER_HEAD_MASKED_LANGUAGE)
    return TRUE;
  heads = g_type_class_ref (REFORMER_TYPE_HEAD);
  INVALID ("%s: a MaskedDataset, whose labels are the ids that it hides, but the model's head is %s; wanted masked-language, or the data set without holes", name,
           g_enum_get_value (heads, (int) head)->value_nick);
  return FALSE;
}

gboolean
reformer_trainer_check_dataset (ReformerTrainerJob  *job,
                                const char          *name,
                                ReformerDataset     *dataset,
                                int                  length,
                                GError             **error)
{
  ReformerTokenizer *tokenizer = reformer_dataset_get_tokenizer (dataset);
  const int vocabulary = reformer_config_get_vocab_size (job->trainer->model->config);
  GError *problem = NULL;
  const int ids = tokenizer != NULL ? reformer_tokenizer_count_ids (tokenizer, &problem) : 0;
  gint64 n;

  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  if (!check_holes (job, name, dataset, error))
    return FALSE;
  if (ids > vocabulary)
    {
      INVALID ("%s: its tokenizer has %d ids, but the model's vocab_size is %d; wanted at least as many", name, ids, vocabulary);
      return FALSE;
    }
  n = reformer_dataset_count_samples (dataset, length, error);
  if (n == 0)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_DATA, "%s: no sample of at most %d tokens; wanted at least one", name, length);
  return n > 0;
}

static gboolean
check_evaluation (ReformerTrainerJob  *job,
                  GError             **error)
{
  GError *problem = NULL;

  if (job->settings.evaluation_interval == 0)
    return TRUE;
  if (job->evaluation == NULL)
    job->evaluation = reformer_dataset_get_held_out (job->dataset, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  if (job->evaluation == NULL)
    {
      INVALID ("evaluation-interval is %u, but there is no evaluation-dataset, and the data set holds nothing out", job->settings.evaluation_interval);
      return FALSE;
    }
  return reformer_trainer_check_dataset (job, "the evaluation data", job->evaluation, reformer_trainer_job_length (job, job->trainer->state.step + 1), error);
}

static gboolean
list_parameters (ReformerTrainerJob  *job,
                 GError             **error)
{
  g_autoptr (GPtrArray) all = reformer_model_list_parameters (job->trainer->model);

  job->parameters = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < all->len; i++)
    if (reformer_parameter_get_trainable (all->pdata[i]))
      g_ptr_array_add (job->parameters, g_object_ref (all->pdata[i]));
  if (job->parameters->len == 0)
    INVALID ("none of the model's %u parameters is trainable; wanted at least one that reformer_model_unfreeze() lets learn", all->len);
  return job->parameters->len > 0;
}

/* A stack that still says auto settles for all lengths of the run, once the optimizer has its memory. */
gboolean
reformer_trainer_settle_memory (ReformerTrainerJob  *job,
                                GError             **error)
{
  ReformerModel *model = job->trainer->model;
  const int rows = job->settings.batch_size, length = MAX (job->settings.sequence_length, job->settings.final_sequence_length);
  g_autoptr (ReformerTensor) tokens = NULL;

  if (!reformer_optimizer_prepare (job->optimizer, job->parameters, error))
    return FALSE;
  if (reformer_stack_get_keep (model->stack) != REFORMER_KEEP_AUTO)
    return TRUE;
  tokens = reformer_model_new_tokens (model, model->device, rows, length, error);
  if (tokens == NULL)
    return FALSE;
  reformer_model_choose_keep (model, tokens, rows, length);
  return TRUE;
}

gboolean
reformer_trainer_check_built (ReformerTrainerJob  *job,
                              GError             **error)
{
  ReformerTrainer *self = job->trainer;

  if (self->model == NULL || self->dataset == NULL)
    {
      INVALID ("the trainer has no %s", self->model == NULL ? "model" : "dataset");
      return FALSE;
    }
  if (!reformer_model_build (self->model, error))
    return FALSE;
  if (self->model->head == NULL)
    INVALID ("the model has no head, so it has no loss; wanted a head such as language");
  return self->model->head != NULL;
}

gboolean
reformer_trainer_check_model (ReformerTrainerJob  *job,
                              GError             **error)
{
  return reformer_trainer_check_built (job, error) && reformer_model_prepare (job->trainer->model, error);
}

gboolean
reformer_trainer_check_train (ReformerTrainerJob  *job,
                              guint                n_steps,
                              GError             **error)
{
  const ReformerTrainerSettings *s = &job->settings;
  guint next;

  if (!check_settings (job, error) || !check_steps (job, n_steps, error) || !reformer_trainer_check_model (job, error))
    return FALSE;
  next = job->trainer->state.step + 1;
  return reformer_trainer_check_length (job, "sequence-length", s->sequence_length, error) &&
         reformer_trainer_check_length (job, "final-sequence-length", s->final_sequence_length, error) &&
         reformer_trainer_check_dataset (job, "the data set", job->dataset, reformer_trainer_job_length (job, next), error) &&
         check_evaluation (job, error) && list_parameters (job, error);
}
