/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-head.h"

#include "ops/activation.h"
#include "ops/elementwise.h"

/* Outputs of sequences: their first token, a dense layer, tanh, and the head. */

typedef struct
{
  ReformerTensor *x[2];   /* [B, H]: the streams, of which there may be one, at the first tokens */
  ReformerTensor *z;      /* [B, W] */
  ReformerTensor *inner;  /* [B, H]: before the tanh */
  ReformerTensor *hidden; /* [B, H]: after it, and the dropout */
} First;

static void
first_clear (First *first)
{
  g_clear_object (&first->x[0]);
  g_clear_object (&first->x[1]);
  g_clear_object (&first->z);
  g_clear_object (&first->inner);
  g_clear_object (&first->hidden);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (First, first_clear)

/* Each row is one token, so that its dropout is that of the sequence's first. */
static ReformerRows
first_rows (ReformerInput *input)
{
  return (ReformerRows) { 0, (gsize) input->B, 1 };
}

static void
first_forward (ReformerModel   *self,
               ReformerInput   *input,
               ReformerTensor **streams,
               First           *first,
               ReformerSpan     outputs,
               ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = reformer_head_get_hidden (self), W = reformer_model_get_width (self), width = reformer_head_get_width (self);
  const gsize B = (gsize) input->B;
  const ReformerRows rows = first_rows (input);
  const ReformerDropout dropout = reformer_head_dropout (self, REFORMER_HEAD_PLACE_OUTPUT, tape);

  ReformerEpilogue tanh = { REFORMER_ACTIVATION_TANH, &REFORMER_NO_DROPOUT, &rows, FALSE, REFORMER_NOTHING };

  for (int i = 0; i < reformer_model_get_streams (self); i++)
    first->x[i] = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) H);
  first->z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) W);
  first->inner = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) H);
  first->hidden = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) H);
  if (!reformer_run_ok (run))
    return;
  tanh.before = reformer_span (first->inner);
  for (int i = 0; i < reformer_model_get_streams (self); i++)
    reformer_copy_columns (run, reformer_span (streams[i]), (gsize) input->T * (gsize) H, reformer_span (first->x[i]), (gsize) H, H, B);
  reformer_head_norm (self, first->x, reformer_span (first->z), &rows, FALSE, tape);
  reformer_linear_run_forward (self->dense, reformer_span (first->z), W, reformer_span (first->hidden), H, B, REFORMER_STORE_SET, &tanh, tape);
  reformer_dropout (run, reformer_span (first->hidden), reformer_span (first->hidden), H, &rows, &dropout, REFORMER_STORE_SET);
  reformer_linear_run_forward (self->head, reformer_span (first->hidden), H, outputs, width, B, REFORMER_STORE_SET, NULL, tape);
}

static void
first_backward (ReformerModel   *self,
                ReformerInput   *input,
                ReformerTensor **gradients,
                First           *first,
                ReformerSpan     outputs,
                ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = reformer_head_get_hidden (self), W = reformer_model_get_width (self), width = reformer_head_get_width (self);
  const gsize B = (gsize) input->B;
  const ReformerRows rows = first_rows (input);
  const ReformerDropout dropout = reformer_head_dropout (self, REFORMER_HEAD_PLACE_OUTPUT, tape);
  const ReformerSpan hidden = reformer_span (first->hidden), inner = reformer_span (first->inner), z = reformer_span (first->z);
  ReformerTensor *slopes[2] = { first->inner, first->hidden };

  /* arrays that have served take gradients */
  reformer_linear_run_gradient (self->head, outputs, width, hidden, H, B, tape);
  reformer_linear_run_backward (self->head, outputs, width, hidden, H, B, REFORMER_STORE_SET, tape);
  reformer_dropout (run, hidden, hidden, H, &rows, &dropout, REFORMER_STORE_SET);
  reformer_activation_backward (run, REFORMER_ACTIVATION_TANH, inner, hidden, hidden, H, &rows, &REFORMER_NO_DROPOUT);
  reformer_linear_run_gradient (self->dense, hidden, H, z, W, B, tape);
  reformer_linear_run_backward (self->dense, hidden, H, z, W, B, REFORMER_STORE_SET, tape);
  reformer_head_norm_backward (self, first->x, slopes, z, &rows, tape);
  for (int i = 0; i < reformer_model_get_streams (self); i++)
    {
      reformer_run_fill (run, reformer_span (gradients[i]), 0, reformer_tensor_get_n_elements (gradients[i]));
      reformer_copy_columns (run, reformer_span (slopes[i]), (gsize) H, reformer_span (gradients[i]), (gsize) input->T * (gsize) H, H, B);
    }
}

void
reformer_head_sequences_loss (ReformerModel   *self,
                              ReformerInput   *input,
                              ReformerTensor **streams,
                              ReformerTensor **gradients,
                              double           sums[2],
                              ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gsize B = (gsize) input->B;
  g_autoptr (ReformerTensor) losses = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) B);
  g_autoptr (ReformerTensor) outputs = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) reformer_head_get_width (self));
  g_auto (First) first = { { NULL } };

  first_forward (self, input, streams, &first, reformer_span (outputs), tape);
  if (!reformer_run_ok (run))
    return;
  reformer_head_rows_loss (self, input, reformer_span (outputs), 0, B, reformer_span (losses), gradients != NULL, run);
  if (gradients != NULL)
    first_backward (self, input, gradients, &first, reformer_span (outputs), tape);
  sums[0] = reformer_head_sum_losses (losses, B, run);
}

ReformerTensor *
reformer_head_sequences_forward (ReformerModel   *self,
                                 ReformerInput   *input,
                                 ReformerTensor **streams,
                                 ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "output");
  ReformerTensor *output = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) input->B, (gint64) reformer_head_get_width (self));
  g_auto (First) first = { { NULL } };

  reformer_run_part (run, "head");
  first_forward (self, input, streams, &first, reformer_span (output), tape);
  reformer_run_part (run, part);
  return output;
}
