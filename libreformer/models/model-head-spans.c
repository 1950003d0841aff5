/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-head.h"

#include <math.h>

#include "compute/device-private.h"
#include "ops/loss.h"

/* Spans: a softmax over the positions. */

/* Logarithms of the sums of exponentials [B, 2], from the parts of the blocks, in double precision; and the losses, which need the outputs at the labels. */
static void
join_scores (ReformerInput  *input,
             ReformerTensor *outputs,
             ReformerTensor *stats,
             float          *totals,
             double          sums[2],
             ReformerRun    *run)
{
  const gsize blocks = reformer_tensor_get_n_elements (stats) / (4 * (gsize) input->B);
  g_autofree float *parts = g_new (float, 2 * blocks);
  g_autofree gint32 *labels = g_new (gint32, 2 * (gsize) input->B);

  reformer_run_read (run, reformer_span (input->labels), labels, 2 * (gsize) input->B);
  for (gsize i = 0; i < 2 * (gsize) input->B && reformer_run_ok (run); i++)
    {
      double top = -HUGE_VAL, sum = 0;
      float at = 0;

      reformer_run_read (run, reformer_at (stats, 2 * blocks * i), parts, 2 * blocks);
      for (gsize block = 0; block < blocks; block++)
        if (parts[2 * block + 1] != 0) /* a block where all is masked has nothing; NaN stays */
          top = fmax (top, (double) parts[2 * block]);
      for (gsize block = 0; block < blocks; block++)
        if (parts[2 * block + 1] != 0)
          sum += (double) parts[2 * block + 1] * exp ((double) parts[2 * block] - top);
      totals[i] = sum != 0 ? (float) (top + log (sum)) : 0.0f;
      if (labels[i] < 0)
        continue;
      reformer_run_read (run, reformer_at (outputs, (i / 2 * (gsize) input->T + (gsize) labels[i]) * 2 + i % 2), &at, 1);
      sums[i % 2] += top + log (sum) - (double) at;
    }
}

void
reformer_head_spans_loss (ReformerModel   *self,
                          ReformerInput   *input,
                          ReformerTensor **streams,
                          ReformerTensor **gradients,
                          double           sums[2],
                          ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int W = reformer_model_get_width (self);
  const gsize N = (gsize) input->B * (gsize) input->T, size = MIN (N, reformer_tape_get_piece (tape, (gsize) W));
  const gint64 blocks = (input->T0 + REFORMER_SPAN_BLOCK - 1) / REFORMER_SPAN_BLOCK;
  const float scales[2] = { (float) reformer_targets_slope (&input->total, 0), (float) reformer_targets_slope (&input->total, 1) };
  g_autoptr (ReformerTensor) outputs = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) N, (gint64) 2);
  g_autoptr (ReformerTensor) stats = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 4, (gint64) input->B, (gint64) 2, blocks, (gint64) 2);
  g_autoptr (ReformerTensor) totals = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) input->B, (gint64) 2);
  g_autofree float *values = g_new0 (float, 2 * (gsize) input->B);
  g_auto (ReformerHeadPiece) piece = { NULL };

  piece.z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) size, (gint64) W);
  if (gradients != NULL)
    piece.dz = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) size, (gint64) W);
  for (gsize n = 0; n < N && reformer_run_ok (run); n += size)
    {
      const ReformerRows rows = { n, MIN (size, N - n), (gsize) input->T };

      reformer_head_norm (self, streams, reformer_span (piece.z), &rows, FALSE, tape);
      reformer_linear_run_forward (self->head, reformer_span (piece.z), W, reformer_at (outputs, 2 * n), 2, rows.count, REFORMER_STORE_SET, NULL, tape);
    }
  if (!reformer_run_ok (run))
    return;
  if (input->sight != NULL)
    g_set_object (&input->sight->outputs, outputs);
  reformer_span_scores (run, reformer_span (outputs), reformer_span (input->mask), reformer_span (stats), input->B, input->T0, input->T);
  if (!reformer_device_is_planner (run->device))
    join_scores (input, outputs, stats, values, sums, run);
  if (gradients == NULL)
    return;
  reformer_run_write (run, reformer_span (totals), values, 2 * (gsize) input->B);
  reformer_span_gradient (run, reformer_span (outputs), reformer_span (input->mask), reformer_span (totals), reformer_span (input->labels), input->B, input->T0, input->T,
                          scales);
  for (gsize n = 0; n < N && reformer_run_ok (run); n += size)
    {
      const ReformerRows rows = { n, MIN (size, N - n), (gsize) input->T };

      reformer_head_norm (self, streams, reformer_span (piece.z), &rows, FALSE, tape);
      reformer_head_tokens_backward (self, &piece, reformer_at (outputs, 2 * n), streams, gradients, &rows, tape);
    }
}
