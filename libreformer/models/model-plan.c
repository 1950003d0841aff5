/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/memory-plan-private.h"
#include "models/model-private.h"

#include "compute/account.h"
#include "compute/device-private.h"
#include "compute/tensor-private.h"

/* Memory plans: the model's own code, run on a device that only counts. */

static void
copy_trainable (ReformerModel *from,
                ReformerModel *to)
{
  g_autoptr (GPtrArray) a = reformer_model_list_parameters (from);
  g_autoptr (GPtrArray) b = reformer_model_list_parameters (to);

  for (guint i = 0; i < MIN (a->len, b->len); i++)
    reformer_parameter_set_trainable (b->pdata[i], reformer_parameter_get_trainable (a->pdata[i]));
}

static void
copy_ablated (ReformerModel *from,
              ReformerModel *to)
{
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (from->stack)); i++)
    {
      g_autoptr (ReformerLayer) a = g_list_model_get_item (G_LIST_MODEL (from->stack), i);
      g_autoptr (ReformerLayer) b = g_list_model_get_item (G_LIST_MODEL (to->stack), i);

      reformer_layer_set_ablated (b, reformer_layer_get_ablated (a));
    }
}

/* A model with other branches than its configuration names cannot be made again. */
static gboolean
check_branches (ReformerModel  *self,
                ReformerModel  *twin,
                GError        **error)
{
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (self->stack)), wanted = g_list_model_get_n_items (G_LIST_MODEL (twin->stack));
  gboolean same = n == wanted;

  for (guint i = 0; i < n && same; i++)
    same = g_strcmp0 (reformer_stack_get_name (self->stack, i), reformer_stack_get_name (twin->stack, i)) == 0;
  if (!same)
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED,
                 "the stack has %u branches, not just the %u of the configuration; memory is planned only for models without branches of your own", n, wanted);
  return same;
}

static guint64
held (GPtrArray *parameters)
{
  guint64 bytes = 0;

  for (guint i = 0; i < parameters->len; i++)
    {
      ReformerTensor *tensors[2] = { reformer_parameter_get_value (parameters->pdata[i]), reformer_parameter_get_gradient (parameters->pdata[i]) };

      for (guint j = 0; j < 2; j++)
        if (tensors[j] != NULL)
          bytes += reformer_account_round (reformer_tensor_get_n_bytes (tensors[j]));
    }
  return bytes;
}

/* Memory that the model and the caller hold already is in the plan; what others hold is not there for it. */
static guint64
available (const ReformerPlanning *planning)
{
  ReformerModel *self = planning->model;
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (self);
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (self);
  const guint64 limit = reformer_device_get_memory_limit (self->device), memory = reformer_device_get_memory (self->device);
  const guint64 most = limit > 0 ? MIN (limit, memory) : memory, used = reformer_device_get_memory_used (self->device);
  const guint64 own = held (parameters) + held (buffers) + planning->held;
  const guint64 others = used - MIN (used, own);

  return most - MIN (most, others);
}

/* A call of the model. */
typedef struct
{
  ReformerModelCall kind;
  gboolean          masked;
} Call;

static ReformerTensor *
new_mask (ReformerTensor  *tokens,
          GError         **error)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tokens, &n_dims);

  return reformer_tensor_new (reformer_tensor_get_device (tokens), REFORMER_DTYPE_UINT8, shape, 2, error);
}

static gboolean
run_call (ReformerModel   *twin,
          ReformerTensor  *tokens,
          gpointer         data,
          GError         **error)
{
  const Call *call = data;
  const gboolean has_labels = call->kind == REFORMER_MODEL_CALL_LOSS || call->kind == REFORMER_MODEL_CALL_GRADIENTS;
  g_autoptr (ReformerTensor) mask = call->masked ? new_mask (tokens, error) : NULL;
  g_autoptr (ReformerTensor) labels = has_labels && (mask != NULL || !call->masked) ? reformer_model_new_labels (twin, tokens, error) : NULL;
  g_autoptr (ReformerTensor) output = NULL;
  GError *local = NULL;

  if ((call->masked && mask == NULL) || (has_labels && labels == NULL))
    return FALSE;
  switch (call->kind)
    {
    case REFORMER_MODEL_CALL_FORWARD:
      output = reformer_model_forward (twin, tokens, mask, &local);
      break;
    case REFORMER_MODEL_CALL_ENCODE:
      output = reformer_model_encode (twin, tokens, mask, &local);
      break;
    case REFORMER_MODEL_CALL_LOSS:
      reformer_model_compute_loss (twin, tokens, mask, labels, &local);
      break;
    case REFORMER_MODEL_CALL_GRADIENTS:
    default:
      reformer_model_compute_gradients (twin, tokens, mask, labels, &local);
    }
  if (local != NULL)
    g_propagate_error (error, local);
  return local == NULL;
}

static ReformerMemoryPlan *
plan (const ReformerPlanning *planning,
      int                     rows,
      gint64                  length,
      ReformerKeep            keep,
      GError                **error)
{
  ReformerModel *self = planning->model;
  g_autoptr (ReformerDevice) planner = NULL;
  g_autoptr (ReformerModel) twin = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;

  if (!reformer_model_build (self, error))
    return NULL;
  planner = reformer_device_new_planner (self->device);
  twin = reformer_model_new (planner, self->config);
  twin->training = self->training;
  twin->piece = self->piece;
  if (!reformer_model_build (twin, error) || !check_branches (self, twin, error))
    return NULL;
  copy_ablated (self, twin);
  copy_trainable (self, twin);
  reformer_stack_set_keep (twin->stack, keep);
  tokens = reformer_model_new_tokens (self, planner, rows, length, error);
  if (tokens == NULL || !planning->run (twin, tokens, planning->data, error))
    return NULL;
  return reformer_memory_plan_new_from_device (planner, planning->gradients ? keep : REFORMER_KEEP_NOTHING, available (planning));
}

/* What a backward pass can be made of, from fast to frugal; one stream cannot do with nothing. */
static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };

static guint
count_keeps (const ReformerPlanning *planning)
{
  return reformer_model_get_streams (planning->model) == 1 ? 2 : 3;
}

/* The plan with the fastest keep that fits; with the most frugal one where none does. */
static ReformerMemoryPlan *
plan_fastest (const ReformerPlanning *planning,
              int                     rows,
              gint64                  length,
              GError                **error)
{
  for (guint i = 0;; i++)
    {
      g_autoptr (ReformerMemoryPlan) next = plan (planning, rows, length, keeps[i], error);

      if (next == NULL || reformer_memory_plan_get_fits (next) || i + 1 == count_keeps (planning))
        return g_steal_pointer (&next);
    }
}

void
reformer_model_choose_keep (ReformerModel  *self,
                            ReformerTensor *tokens,
                            int             rows,
                            gint64          length)
{
  g_autoptr (ReformerMemoryPlan) best = NULL;
  g_autoptr (GError) error = NULL;
  Call call = { REFORMER_MODEL_CALL_GRADIENTS, FALSE };
  ReformerPlanning planning = { self, TRUE, 0, run_call, &call };

  if (reformer_stack_get_keep (self->stack) != REFORMER_KEEP_AUTO || reformer_device_is_planner (self->device))
    return;
  planning.held = reformer_account_round (reformer_tensor_get_n_bytes (tokens));
  best = plan_fastest (&planning, rows, length, &error);
  if (best != NULL)
    reformer_stack_set_keep (self->stack, reformer_memory_plan_get_keep (best));
  else if (g_error_matches (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED))
    reformer_stack_set_keep (self->stack, REFORMER_KEEP_INPUTS); /* branches of your own: inputs is what costs little and suits every branch */
}

ReformerMemoryPlan *
reformer_planning_make (const ReformerPlanning  *planning,
                        int                      rows,
                        gint64                   length,
                        GError                 **error)
{
  ReformerKeep keep;

  if (!reformer_model_build (planning->model, error))
    return NULL;
  keep = reformer_stack_get_keep (planning->model->stack);
  if (planning->gradients && keep == REFORMER_KEEP_AUTO)
    return plan_fastest (planning, rows, length, error);
  return plan (planning, rows, length, keep, error);
}

/**
 * reformer_model_estimate_memory:
 * @self: a model
 * @rows: number of sequences B
 * @length: their length T in tokens
 * @gradients: %TRUE for [method@Model.compute_gradients], %FALSE for [method@Model.forward]
 * @error: return location for an error
 *
 * Finds the device memory that a call takes at its peak, weights included, without allocating any. What an optimizer keeps is not in it; for a step of training
 * there is [method@Trainer.estimate_memory]. A stack whose [property@Stack:keep] is still `auto` is
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
  Call call = { gradients ? REFORMER_MODEL_CALL_GRADIENTS : REFORMER_MODEL_CALL_FORWARD, FALSE };
  const ReformerPlanning planning = { self, gradients, 0, run_call, &call };

  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);

  return reformer_planning_make (&planning, rows, length, error);
}

/* From so many tokens on the most frugal takes least; below, the scratch of its recomputation may be more than it saves. */
#define FRUGAL_LENGTH 65536

/* Whether a length fits in any way. -1: an error that is more than that. */
static int
length_fits (const ReformerPlanning *planning,
             int                     rows,
             gint64                  length,
             GError                **error)
{
  const ReformerKeep chosen = reformer_stack_get_keep (planning->model->stack);
  const gboolean any = planning->gradients && chosen == REFORMER_KEEP_AUTO;
  const guint most = count_keeps (planning), n = any && length < FRUGAL_LENGTH ? most : 1;
  gboolean fits = FALSE;

  for (guint i = 0; !fits && i < n; i++)
    {
      GError *local = NULL;
      g_autoptr (ReformerMemoryPlan) next = plan (planning, rows, length, any ? keeps[most - 1 - i] : chosen, &local);

      /* more tokens than one call takes, or bytes than a number holds */
      if (g_error_matches (local, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE) ||
          g_error_matches (local, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY))
        {
          g_clear_error (&local);
          return FALSE;
        }
      if (next == NULL)
        {
          g_propagate_error (error, local);
          return -1;
        }
      fits = reformer_memory_plan_get_fits (next);
    }
  return fits;
}

gint64
reformer_planning_find_max_length (const ReformerPlanning  *planning,
                                   int                      rows,
                                   gint64                   most,
                                   GError                 **error)
{
  gint64 low = 0, high, middle;

  if (!reformer_model_build (planning->model, error))
    return -1;
  middle = MIN (reformer_config_get_max_length (planning->model->config), G_MAXINT32 / 2 / MAX (rows, 1));
  middle = MIN (middle, most);
  for (high = middle + 1; high - low > 1; middle = low + (high - low) / 2) /* the most that may be comes first: often it fits */
    {
      const int fits = length_fits (planning, rows, middle, error);

      if (fits < 0)
        return -1;
      if (fits)
        low = middle;
      else
        high = middle;
    }
  return low;
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
  Call call = { gradients ? REFORMER_MODEL_CALL_GRADIENTS : REFORMER_MODEL_CALL_FORWARD, FALSE };
  const ReformerPlanning planning = { self, gradients, 0, run_call, &call };

  g_return_val_if_fail (REFORMER_IS_MODEL (self), -1);

  return reformer_planning_find_max_length (&planning, rows, G_MAXINT64, error);
}

/* ---- What a call that found too little memory is told ---- */

void
reformer_planning_name_longest (const ReformerPlanning  *planning,
                                int                      rows,
                                gint64                   length,
                                gint64                   least,
                                GError                 **error)
{
  g_autofree char *message = NULL;
  gint64 longest;

  if (!g_error_matches (*error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY) || planning->model->device == NULL || reformer_device_is_planner (planning->model->device))
    return;
  longest = reformer_planning_find_max_length (planning, rows, length, NULL);
  if (longest < 0 || longest >= length) /* what cannot be planned, or where it was not the length */
    return;
  message = (*error)->message;
  if (longest < least)
    (*error)->message = g_strconcat (message, "; no length fits", NULL);
  else if (rows == 1)
    (*error)->message = g_strdup_printf ("%s; sequences of at most %" G_GINT64_FORMAT " tokens fit", message, longest);
  else
    (*error)->message = g_strdup_printf ("%s; %d sequences of at most %" G_GINT64_FORMAT " tokens fit", message, rows, longest);
}

void
reformer_model_name_longest (ReformerModel      *self,
                             ReformerModelCall   kind,
                             ReformerTensor     *tokens,
                             ReformerTensor     *mask,
                             GError            **error)
{
  Call call = { kind, mask != NULL };
  /* the caller's tokens are in the plan too */
  const ReformerPlanning planning = { self, kind == REFORMER_MODEL_CALL_GRADIENTS, reformer_account_round (reformer_tensor_get_n_bytes (tokens)), run_call, &call };
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tokens, &n_dims);

  if (mask != NULL && reformer_tensor_get_n_dims (mask) != 2) /* lengths, of sequences that are no rows of one length */
    return;
  if (reformer_tensor_get_device (tokens) == self->device && n_dims >= 2 && shape[0] >= 1 && shape[0] <= G_MAXINT)
    reformer_planning_name_longest (&planning, (int) shape[0], shape[1], 1, error);
}
