/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/memory-plan-private.h"
#include "models/model-private.h"

#include "compute/device-private.h"

/* Memory plans: the model's own code, run on a device that only counts. */

static ReformerTensor *
new_tokens (ReformerDevice  *device,
            int              rows,
            gint64           length,
            GError         **error)
{
  const gint64 shape[2] = { rows, length };

  return reformer_tensor_new (device, REFORMER_DTYPE_INT32, shape, 2, error);
}

static void
copy_trainable (ReformerModel *from,
                ReformerModel *to)
{
  g_autoptr (GPtrArray) a = reformer_model_list_parameters (from);
  g_autoptr (GPtrArray) b = reformer_model_list_parameters (to);

  for (guint i = 0; i < MIN (a->len, b->len); i++)
    reformer_parameter_set_trainable (b->pdata[i], reformer_parameter_get_trainable (a->pdata[i]));
}

/* A model with inserted branches has layers that the configuration does not name; they cannot be made again. */
static gboolean
check_branches (ReformerModel  *self,
                ReformerModel  *twin,
                GError        **error)
{
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (self->stack)), wanted = g_list_model_get_n_items (G_LIST_MODEL (twin->stack));

  if (n == wanted)
    return TRUE;
  g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "the stack has %u branches, the configuration %u; memory is planned only for models without branches of your own",
               n, wanted);
  return FALSE;
}

ReformerMemoryPlan *
reformer_model_plan (ReformerModel  *self,
                     int             rows,
                     gint64          length,
                     gboolean        gradients,
                     ReformerKeep    keep,
                     GError        **error)
{
  g_autoptr (ReformerDevice) planner = NULL;
  g_autoptr (ReformerModel) twin = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;
  g_autoptr (ReformerTensor) output = NULL;
  GError *local = NULL;

  if (!reformer_model_build (self, error))
    return NULL;
  planner = reformer_device_new_planner (self->device);
  twin = reformer_model_new (planner, self->config);
  twin->training = self->training;
  twin->piece = self->piece;
  if (!reformer_model_build (twin, error) || !check_branches (self, twin, error))
    return NULL;
  copy_trainable (self, twin);
  reformer_stack_set_keep (twin->stack, keep);
  tokens = new_tokens (planner, rows, length, error);
  if (tokens == NULL)
    return NULL;
  if (gradients)
    reformer_model_compute_gradients (twin, tokens, NULL, tokens, &local);
  else
    output = reformer_model_forward (twin, tokens, NULL, &local);
  if (local != NULL)
    {
      g_propagate_error (error, local);
      return NULL;
    }
  return reformer_memory_plan_new_from_device (planner);
}

static guint64
available (ReformerDevice *device)
{
  const guint64 limit = reformer_device_get_memory_limit (device);

  return limit > 0 ? limit : reformer_device_get_memory (device);
}

/* Memory that the model holds already is in the plan; what others hold is not there for it. */
static gboolean
fits (ReformerModel      *self,
      ReformerMemoryPlan *plan)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (self);
  const guint64 used = reformer_device_get_memory_used (self->device);
  guint64 own = 0;

  for (guint i = 0; i < parameters->len; i++)
    {
      ReformerTensor *value = reformer_parameter_get_value (parameters->pdata[i]), *gradient = reformer_parameter_get_gradient (parameters->pdata[i]);

      own += (value != NULL ? reformer_tensor_get_n_bytes (value) : 0) + (gradient != NULL ? reformer_tensor_get_n_bytes (gradient) : 0);
    }
  return reformer_memory_plan_get_total (plan) <= available (self->device) - MIN (available (self->device), used - MIN (own, used));
}

static ReformerKeep
fastest_keep (ReformerModel       *self,
              int                  rows,
              gint64               length,
              ReformerMemoryPlan **best,
              GError             **error)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };

  for (guint i = 0; i < G_N_ELEMENTS (keeps); i++)
    {
      g_autoptr (ReformerMemoryPlan) plan = reformer_model_plan (self, rows, length, TRUE, keeps[i], error);

      if (plan == NULL)
        return REFORMER_KEEP_AUTO;
      if (fits (self, plan) || i + 1 == G_N_ELEMENTS (keeps))
        {
          if (best != NULL)
            *best = g_steal_pointer (&plan);
          return keeps[i];
        }
    }
  return REFORMER_KEEP_NOTHING;
}

void
reformer_model_choose_keep (ReformerModel *self,
                            int            rows,
                            gint64         length)
{
  ReformerKeep keep;

  if (reformer_stack_get_keep (self->stack) != REFORMER_KEEP_AUTO || reformer_device_is_planner (self->device))
    return;
  keep = fastest_keep (self, rows, length, NULL, NULL);
  /* branches of your own cannot be planned: inputs is what costs little and suits every branch */
  reformer_stack_set_keep (self->stack, keep != REFORMER_KEEP_AUTO ? keep : REFORMER_KEEP_INPUTS);
}

/**
 * reformer_model_estimate_memory:
 * @self: a model
 * @rows: number of sequences B
 * @length: their length T in tokens
 * @gradients: %TRUE for [method@Model.compute_gradients], %FALSE for [method@Model.forward]
 * @error: return location for an error
 *
 * Finds the device memory that a call takes at its peak, weights included, without allocating any. A stack whose [property@Stack:keep] is still `auto` is
 * planned with what it would become.
 *
 * Returns: (transfer full): the plan, or %NULL with @error set: [error@ModelError]
 */
ReformerMemoryPlan *
reformer_model_estimate_memory (ReformerModel  *self,
                                int             rows,
                                gint64          length,
                                gboolean        gradients,
                                GError        **error)
{
  ReformerMemoryPlan *plan = NULL;
  ReformerKeep keep;

  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);

  if (!reformer_model_build (self, error))
    return NULL;
  keep = reformer_stack_get_keep (self->stack);
  if (gradients && keep == REFORMER_KEEP_AUTO)
    fastest_keep (self, rows, length, &plan, error);
  else
    plan = reformer_model_plan (self, rows, length, gradients, keep, error);
  return plan;
}

/**
 * reformer_model_find_max_length:
 * @self: a model
 * @rows: number of sequences B
 * @gradients: %TRUE for [method@Model.compute_gradients], %FALSE for [method@Model.forward]
 * @error: return location for an error
 *
 * Finds the longest sequence that the device's memory, or its memory limit, and the model's positions allow.
 *
 * Returns: the length in tokens, 0 where not even one fits, or -1 with @error set: [error@ModelError]
 */
gint64
reformer_model_find_max_length (ReformerModel  *self,
                                int             rows,
                                gboolean        gradients,
                                GError        **error)
{
  gint64 low = 0, high;

  g_return_val_if_fail (REFORMER_IS_MODEL (self), -1);

  if (!reformer_model_build (self, error))
    return -1;
  high = MIN (reformer_config_get_max_length (self->config), G_MAXINT32 / 2 / MAX (rows, 1)) + 1;
  while (high - low > MAX (1, low / 256)) /* to half a percent, in whole chunks */
    {
      const gint64 middle = low + (high - low) / 2;
      g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (self, rows, middle, gradients, error);

      if (plan == NULL)
        return -1;
      if (fits (self, plan))
        low = middle;
      else
        high = middle;
    }
  return low;
}
