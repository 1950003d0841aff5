/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/trainer-private.h"

#include <libreformer/training/reformer-adamw.h>

#include "compute/account.h"
#include "models/model-private.h"
#include "training/optimizer-private.h"
#include "training/properties.h"

/* Memory plans of training: a step of the trainer, with an optimizer like its own, on a device that only counts. */

typedef struct
{
  ReformerOptimizer *optimizer;
  int                passes;
} Step;

/* What an optimizer written outside would keep is known to nobody before its first step. */
static gboolean
is_known (ReformerOptimizer *optimizer)
{
  return REFORMER_OPTIMIZER_GET_CLASS (optimizer)->internal != NULL;
}

/* One with the same settings, because they decide what it keeps, and with no state. */
static ReformerOptimizer *
new_twin (ReformerOptimizer  *optimizer,
          GError            **error)
{
  g_autoptr (ReformerOptimizer) twin = g_object_new (G_OBJECT_TYPE (optimizer), NULL);
  g_autoptr (json_t) root = json_object ();
  g_autoptr (GPtrArray) settings = NULL;
  json_t *values = reformer_optimizer_check_settings (optimizer, error) ? reformer_properties_to_json (G_OBJECT (optimizer), error) : NULL;

  if (values == NULL)
    return NULL;
  json_object_set_new (root, "optimizer", values);
  settings = reformer_properties_read (G_OBJECT (twin), root, "the optimizer", "optimizer", error);
  return settings != NULL && reformer_properties_apply (G_OBJECT (twin), settings, NULL, error) ? g_steal_pointer (&twin) : NULL;
}

static gboolean
make_step (ReformerModel      *twin,
           ReformerTensor     *tokens,
           ReformerOptimizer  *optimizer,
           int                 passes,
           GError            **error)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (twin);
  g_autoptr (ReformerTensor) labels = reformer_model_new_labels (twin, tokens, error);
  ReformerRun run = REFORMER_RUN_INIT (twin->device, NULL);
  gboolean done;

  twin->training = TRUE; /* as in every run */
  done = labels != NULL && reformer_model_prepare (twin, error) && (optimizer == NULL || reformer_optimizer_prepare (optimizer, parameters, error));

  for (int i = 0; i < passes && done; i++)
    {
      ReformerModelPass pass = { .add = i > 0 };

      done = reformer_model_run_pass (twin, tokens, NULL, labels, TRUE, &pass, error);
    }
  if (!done)
    return FALSE;
  reformer_optimizer_measure (parameters, &run);
  if (!reformer_run_finish (&run, error))
    return FALSE;
  for (guint i = 0; optimizer != NULL && i < parameters->len; i++)
    if (!reformer_optimizer_update (optimizer, parameters->pdata[i], 1, 0.0, 1.0, error))
      return FALSE;
  return TRUE;
}

static gboolean
run_step (ReformerModel   *twin,
          ReformerTensor  *tokens,
          gpointer         data,
          GError         **error)
{
  const Step *step = data;
  g_autoptr (ReformerOptimizer) optimizer = step->optimizer != NULL ? new_twin (step->optimizer, error) : NULL;

  return (step->optimizer == NULL || optimizer != NULL) && make_step (twin, tokens, optimizer, step->passes, error);
}

/* What the optimizer keeps on the model's device already. */
static guint64
held (ReformerOptimizer *optimizer,
      ReformerDevice    *device)
{
  g_autoptr (GPtrArray) names = reformer_optimizer_list_state (optimizer);
  guint64 n_bytes = 0;

  for (guint i = 0; i < names->len; i++)
    {
      ReformerTensor *tensor = reformer_optimizer_peek_state (optimizer, names->pdata[i]);

      if (reformer_tensor_get_device (tensor) == device)
        n_bytes += reformer_account_round (reformer_tensor_get_n_bytes (tensor));
    }
  return n_bytes;
}

/* A call's steps. */
typedef struct
{
  ReformerOptimizer  *optimizer;
  Step                step;
  ReformerPlanning    planning;
} Plan;

static gboolean
plan_init (Plan                *self,
           ReformerTrainerJob  *job,
           GError             **error)
{
  const ReformerTrainer *trainer = job->trainer;

  if (trainer->model == NULL)
    {
      g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "the trainer has no model; its property model is wanted");
      return FALSE;
    }
  if (!reformer_trainer_check_ranges (&job->settings, error))
    return FALSE;
  self->optimizer = job->optimizer != NULL ? g_object_ref (job->optimizer) : reformer_adamw_new ();
  self->step.optimizer = is_known (self->optimizer) ? self->optimizer : NULL;
  self->step.passes = MIN (job->settings.accumulation, 2);
  self->planning = (ReformerPlanning) { trainer->model, TRUE, 0, run_step, &self->step };
  if (self->step.optimizer != NULL)
    self->planning.held = held (self->optimizer, trainer->model->device);
  return TRUE;
}

static void
plan_clear (Plan *self)
{
  g_clear_object (&self->optimizer);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

/* A token predicts the next one. */
#define MIN_LENGTH 2

static int
longest_length (const ReformerTrainerJob *job)
{
  return MAX (job->settings.sequence_length, job->settings.final_sequence_length);
}

void
reformer_trainer_name_longest (ReformerTrainerJob  *job,
                               GError             **error)
{
  g_auto (Plan) plan = { NULL };

  if (g_error_matches (*error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY) && plan_init (&plan, job, NULL) && plan.step.optimizer != NULL)
    reformer_planning_name_longest (&plan.planning, job->settings.batch_size, longest_length (job), MIN_LENGTH, error);
}

/**
 * reformer_trainer_estimate_memory:
 * @self: a trainer; it needs no data set
 * @error: return location for an error
 *
 * Finds the device memory that a step takes at its peak, without allocating any: weights, gradients, what the optimizer keeps, and both passes over
 * [property@Trainer:batch-size] full sequences of the longer of [property@Trainer:sequence-length] and [property@Trainer:final-sequence-length], whose targets are
 * the tokens themselves. A stack whose [property@Stack:keep] is still `auto` is planned with what it would become. What an optimizer of your own keeps is not known.
 *
 * Returns: (transfer full): the plan, or %NULL with @error set: [error@ModelError], [error@TrainerError]; `BUSY` of the latter while the trainer is at work
 */
ReformerMemoryPlan *
reformer_trainer_estimate_memory (ReformerTrainer  *self,
                                  GError          **error)
{
  g_autoptr (ReformerTrainerJob) job = NULL;
  g_auto (Plan) plan = { NULL };
  ReformerMemoryPlan *made = NULL;

  g_return_val_if_fail (REFORMER_IS_TRAINER (self), NULL);

  if (!reformer_trainer_claim (self, g_thread_self (), FALSE, error))
    return NULL;
  job = reformer_trainer_job_new (self, NULL, NULL);
  if (plan_init (&plan, job, error))
    made = reformer_planning_make (&plan.planning, job->settings.batch_size, longest_length (job), error);
  reformer_trainer_release (self);
  return made;
}

/**
 * reformer_trainer_find_max_length:
 * @self: a trainer; it needs no data set
 * @error: return location for an error
 *
 * Finds the longest sequence that can be trained on, [property@Trainer:batch-size] of them at once: what the device's memory, or its memory limit, and the model's
 * positions allow.
 *
 * Returns: the length in tokens, 0 where not even 2 fit, the least that can be trained on, or -1 with @error set: [error@ModelError], [error@TrainerError]; `BUSY` of the latter while the trainer
 *   is at work
 */
gint64
reformer_trainer_find_max_length (ReformerTrainer  *self,
                                  GError          **error)
{
  g_autoptr (ReformerTrainerJob) job = NULL;
  g_auto (Plan) plan = { NULL };
  gint64 most = -1;

  g_return_val_if_fail (REFORMER_IS_TRAINER (self), -1);

  if (!reformer_trainer_claim (self, g_thread_self (), FALSE, error))
    return -1;
  job = reformer_trainer_job_new (self, NULL, NULL);
  if (plan_init (&plan, job, error))
    most = reformer_planning_find_max_length (&plan.planning, job->settings.batch_size, G_MAXINT64, error);
  reformer_trainer_release (self);
  return most >= 0 && most < MIN_LENGTH ? 0 : most;
}
