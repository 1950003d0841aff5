/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-globals.h"

#include "compute/device-private.h"
#include "layers/tape-globals.h"

/* Global tokens of window attention, from the configuration to the tape of a pass. */

gboolean
reformer_model_has_globals (ReformerModel *self)
{
  gsize n;
  g_autofree int *positions = reformer_config_get_window_attn_global_tokens (self->config, &n);

  return n > 0 && g_strv_contains (reformer_config_get_attn_layers (self->config), "window");
}

/* Whether a row of so many tokens has the position. */
static gboolean
check_position (ReformerRun *run,
                int          position,
                int          row,
                int          length)
{
  if (position >= 0 && position < length)
    return TRUE;
  reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the global token %d (window_attn_global_tokens) is not among the %d tokens of row %d; wanted 0 to %d",
                     position, length, row, length - 1);
  return FALSE;
}

gboolean
reformer_model_check_globals (ReformerModel *self,
                              ReformerRun   *run,
                              ReformerInput *input)
{
  gsize n = 0;
  g_autofree int *positions = NULL;

  if (!reformer_model_has_globals (self))
    return TRUE;
  positions = reformer_config_get_window_attn_global_tokens (self->config, &n);
  for (int row = 0; row < input->B; row++)
    for (gsize i = 0; i < n; i++)
      if (!check_position (run, positions[i], input->first + row, (int) reformer_input_row_length (input, (gsize) row)))
        return FALSE;
  return TRUE;
}

void
reformer_model_give_globals (ReformerModel *self,
                             int            B,
                             int            T,
                             int            end,
                             ReformerTape  *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gboolean planner = reformer_device_is_planner (run->device);
  gsize n = 0;
  g_autofree int *positions = NULL;
  g_autofree guint8 *is_global = NULL;
  g_autoptr (ReformerTensor) mask = NULL;
  const char *part;

  if (!reformer_model_has_globals (self))
    return;
  positions = reformer_config_get_window_attn_global_tokens (self->config, &n);
  is_global = g_try_malloc0 ((gsize) B * (gsize) T);
  if (is_global == NULL)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for a mask of %d rows of %d tokens", B, T);
      return;
    }
  for (gsize i = 0; i < n; i++)
    {
      if (positions[i] < 0 && !check_position (run, positions[i], 0, end))
        return;
      for (int b = 0; b < B && positions[i] < end; b++)
        is_global[(gsize) b * (gsize) T + (gsize) positions[i]] = 1;
    }
  part = reformer_run_part (run, "tokens");
  mask = reformer_run_new (run, REFORMER_DTYPE_UINT8, 2, (gint64) B, (gint64) T);
  reformer_run_part (run, part);
  if (mask == NULL)
    return;
  if (planner)
    {
      int count = 0;

      for (int t = 0; t < T; t++)
        count += is_global[t];
      reformer_tape_plan_globals (tape, count);
    }
  reformer_run_write (run, reformer_span (mask), is_global, (gsize) B * (gsize) T);
  reformer_tape_set_global_mask (tape, mask);
}

/**
 * reformer_model_set_global_tokens:
 * @self: a model
 * @positions: (array length=n_positions) (nullable): positions, from 0 on; %NULL for none
 * @n_positions: their number
 *
 * Sets which tokens are global in the window attention of the calls that follow, in all rows: [property@Config:window-attn-global-tokens] of the model's own
 * configuration, with which it is saved.
 *
 * A position that a row of a call does not have is an error of that call, by the row's own length where lengths are given. One that a mask leaves out is no global token in its row. In a
 * [class@Session] a position counts as soon as the text has it.
 */
void
reformer_model_set_global_tokens (ReformerModel *self,
                                  const int     *positions,
                                  gsize          n_positions)
{
  g_autoptr (GRecMutexLocker) locker = NULL;

  g_return_if_fail (REFORMER_IS_MODEL (self));
  g_return_if_fail (positions != NULL || n_positions == 0);

  locker = g_rec_mutex_locker_new (&self->lock);
  reformer_config_set_window_attn_global_tokens (self->config, positions, n_positions);
  reformer_config_set_window_attn_global_tokens (self->shown, positions, n_positions);
}
