/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-private.h"

#include <math.h>

#include "compute/device-private.h"
#include "ops/elementwise.h"

/* Inputs that are vectors, [B, T, F]: their check, and the projection F to H that stands where the table of words does otherwise. */

/* As the embedding's: place 0 of layer 0. */
#define DROPOUT_LAYER 0
#define DROPOUT_PLACE 0

/* Numbers that are read from the device at a time. */
#define NUMBERS_AT_A_TIME 65536

ReformerTensor *
reformer_model_new_tokens (ReformerModel   *self,
                           ReformerDevice  *device,
                           int              rows,
                           gint64           length,
                           GError         **error)
{
  const int features = reformer_config_get_input_features (self->config);
  const gint64 shape[3] = { rows, length, features };

  return reformer_tensor_new (device, features > 0 ? REFORMER_DTYPE_FLOAT32 : REFORMER_DTYPE_INT32, shape, features > 0 ? 3 : 2, error);
}

/* A NaN would go everywhere, masked or not: 0 times it is no 0. */
static void
check_numbers (ReformerRun    *run,
               ReformerTensor *values,
               ReformerInput  *input,
               gsize           features)
{
  const gsize n = reformer_tensor_get_n_elements (values), width = MIN (n, NUMBERS_AT_A_TIME);
  g_autofree float *numbers = NULL;

  if (reformer_device_is_planner (run->device))
    return;
  numbers = g_new (float, width);
  for (gsize from = 0; from < n && reformer_run_ok (run); from += width)
    {
      const gsize count = MIN (width, n - from);

      reformer_run_read (run, reformer_at (values, from), numbers, count);
      for (gsize i = 0; i < count && reformer_run_ok (run); i++)
        if (!isfinite (numbers[i]))
          reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "tokens: %g at row %" G_GSIZE_FORMAT ", position %" G_GSIZE_FORMAT ", feature %" G_GSIZE_FORMAT
                             "; wanted a finite number, where the mask is 0 too", (double) numbers[i], (gsize) input->first + (from + i) / features / (gsize) input->T0,
                             (from + i) / features % (gsize) input->T0, (from + i) % features);
    }
}

void
reformer_model_read_vectors (ReformerModel  *self,
                             ReformerRun    *run,
                             ReformerTensor *tokens,
                             ReformerInput  *input)
{
  const gsize F = (gsize) reformer_config_get_input_features (self->config), row = (gsize) input->T * F, given = (gsize) input->T0 * F;

  check_numbers (run, tokens, input, F);
  if (!reformer_run_ok (run))
    return;
  if (input->T == input->T0)
    {
      input->values = g_object_ref (tokens);
      return;
    }
  input->values = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) input->B, (gint64) input->T, (gint64) F);
  for (int b = 0; b < input->B && reformer_run_ok (run); b++)
    {
      reformer_run_copy (run, reformer_at (tokens, (gsize) b * given), reformer_at (input->values, (gsize) b * row), given);
      reformer_run_fill (run, reformer_at (input->values, (gsize) b * row + given), 0, row - given);
    }
}

static ReformerDropout
dropout_of (ReformerModel *self,
            ReformerTape  *tape)
{
  return reformer_tape_dropout (tape, reformer_config_get_hidden_dropout_prob (self->config), DROPOUT_LAYER, DROPOUT_PLACE);
}

void
reformer_model_project (ReformerModel      *self,
                        ReformerInput      *input,
                        ReformerTensor     *x,
                        const ReformerRows *rows,
                        ReformerTape       *tape)
{
  const int F = reformer_config_get_input_features (self->config), H = reformer_config_get_hidden_size (self->config);
  const ReformerDropout dropout = dropout_of (self, tape);
  const ReformerEpilogue epilogue = { REFORMER_ACTIVATION_LINEAR, &dropout, rows, FALSE, REFORMER_NOTHING };

  reformer_linear_run_forward (self->projection, reformer_span (input->values), F, reformer_span (x), H, rows->count, REFORMER_STORE_SET, dropout.p > 0 ? &epilogue : NULL, tape);
}

void
reformer_model_project_backward (ReformerModel      *self,
                                 ReformerInput      *input,
                                 ReformerTensor    **gradients,
                                 const ReformerRows *rows,
                                 ReformerTape       *tape)
{
  const int F = reformer_config_get_input_features (self->config), H = reformer_config_get_hidden_size (self->config);
  const ReformerSpan d = reformer_span (gradients[0]);
  const ReformerDropout dropout = dropout_of (self, tape);
  ReformerRun *run = reformer_tape_get_run (tape);

  if (gradients[1] != NULL)
    reformer_scale (run, 1.0f, reformer_span (gradients[1]), d, rows->count * (gsize) H, REFORMER_STORE_ADD);
  if (dropout.p > 0)
    reformer_dropout (run, d, d, H, rows, &dropout, REFORMER_STORE_SET);
  reformer_linear_run_gradient (self->projection, d, H, reformer_span (input->values), F, rows->count, tape);
}
