/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/attention-private.h"

/* The projections of some tokens, without dropout: for pieces of a text that grows, where the block of attention-branch.c would compute all tokens once more. */

void
reformer_attention_project (ReformerAttention  *self,
                            const int          *projections,
                            int                 n,
                            int                 first,
                            int                 heads,
                            ReformerSpan        inputs,
                            const ReformerSpan *y,
                            gsize               count,
                            ReformerTape       *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = self->hidden_size, width = heads * self->head_size;
  const ReformerNorm norm = { .x1 = inputs, .x2 = REFORMER_NOTHING, .ldx = H, .width = H, .weight = reformer_parameter_value (self->norm_weight, run, 0),
                              .bias = reformer_parameter_value (self->norm_bias, run, 0), .eps = (float) self->eps };
  g_autoptr (ReformerTensor) normed = self->norm_first && n > 1 ? reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) count, (gint64) H) : NULL;
  const ReformerSpan u = normed != NULL ? reformer_span (normed) : REFORMER_NOTHING;

  for (int i = 0; i < n && reformer_run_ok (run); i++)
    {
      const ReformerMatrix rows = { self->projections[projections[i]], (gsize) first * self->head_size * H, H };
      ReformerParameter *bias = self->biases[projections[i]];

      if (self->norm_first && i == 0)
        reformer_tape_forward_norm (tape, rows, bias, &norm, u, y[i], width, count, width, H, NULL);
      else
        reformer_tape_forward (tape, rows, bias, self->norm_first ? u : inputs, H, y[i], width, count, width, H, REFORMER_STORE_SET, NULL);
    }
}

void
reformer_attention_output (ReformerAttention *self,
                           ReformerSpan       out,
                           ReformerSpan       target,
                           gsize              count,
                           ReformerTape      *tape)
{
  const int D = self->heads * self->head_size;

  reformer_tape_forward (tape, (ReformerMatrix) { self->output, 0, D }, self->output_bias, out, D, target, self->hidden_size, count, self->hidden_size, D,
                         REFORMER_STORE_ADD, NULL);
}
