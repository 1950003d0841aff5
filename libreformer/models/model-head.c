/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-head.h"
#include "models/model-lengths.h"

#include <math.h>

#include "compute/device-private.h"
#include "ops/choice.h"
#include "ops/elementwise.h"
#include "ops/loss.h"

/* Final norm, head and loss. What belongs to tokens goes through pieces of them, so that the logits of a whole sequence exist only where they are asked for, or
 * where the loss itself needs them, as the two numbers a token of spans (model-head-spans.c). What belongs to a sequence is made of its first token
 * (model-head-sequences.c). */

int
reformer_head_get_hidden (ReformerModel *self)
{
  return reformer_config_get_hidden_size (self->config);
}

int
reformer_head_get_width (ReformerModel *self)
{
  return self->tied_bias != NULL ? reformer_config_get_vocab_size (self->config) : reformer_linear_get_out_features (self->head);
}

ReformerDropout
reformer_head_dropout (ReformerModel *self,
                       guint          place,
                       ReformerTape  *tape)
{
  double p = reformer_config_get_hidden_dropout_prob (self->config);

  if (place != REFORMER_HEAD_PLACE_FINAL && self->dense == NULL && reformer_config_get_head (self->config) != REFORMER_HEAD_TOKENS)
    return REFORMER_NO_DROPOUT;
  if (place != REFORMER_HEAD_PLACE_FINAL && reformer_config_get_classifier_dropout (self->config) != -1)
    p = reformer_config_get_classifier_dropout (self->config);
  return reformer_tape_dropout (tape, p, 2 * reformer_config_get_n_layers (self->config) + 1, place);
}

/* Between norm and head; its own gradient. With `encode` what lies before the head's own dropout. */
static void
drop (ReformerModel      *self,
      ReformerSpan        z,
      const ReformerRows *rows,
      gboolean            encode,
      ReformerTape       *tape)
{
  for (guint place = REFORMER_HEAD_PLACE_FINAL; place <= (encode ? REFORMER_HEAD_PLACE_FINAL : REFORMER_HEAD_PLACE_CLASSIFIER); place++)
    {
      const ReformerDropout dropout = reformer_head_dropout (self, place, tape);

      if (dropout.p > 0)
        reformer_dropout (reformer_tape_get_run (tape), z, z, reformer_model_get_width (self), rows, &dropout, REFORMER_STORE_SET);
    }
}

void
reformer_head_norm (ReformerModel      *self,
                    ReformerTensor    **streams,
                    ReformerSpan        z,
                    const ReformerRows *rows,
                    gboolean            encode,
                    ReformerTape       *tape)
{
  reformer_model_run_final (self, streams, rows->first, rows->count, z, tape);
  drop (self, z, rows, encode, tape);
}

void
reformer_head_norm_backward (ReformerModel      *self,
                             ReformerTensor    **streams,
                             ReformerTensor    **gradients,
                             ReformerSpan        dz,
                             const ReformerRows *rows,
                             ReformerTape       *tape)
{
  drop (self, dz, rows, FALSE, tape);
  reformer_model_run_final_backward (self, streams, gradients, rows->first, rows->count, dz, tape);
}

/* ---- Outputs of tokens ---- */

/* The pieces of the tokens that were given, without padding: count tokens from n on; their outputs go to row `to`. */
static gboolean
next_piece (ReformerInput *input,
            gsize          piece,
            gsize         *n,
            gsize         *count,
            gsize         *to)
{
  const gsize T = (gsize) input->T, T0 = (gsize) input->T0;
  const gsize end = T == T0 && input->whole == NULL ? (gsize) input->B * T : 0; /* without padding the rows are one sequence */

  *n += *count;
  if (*n < (gsize) input->B * T && end == 0 && *n % T >= reformer_input_row_length (input, *n / T))
    *n += T - *n % T;
  if (*n >= (gsize) input->B * T)
    return FALSE;
  *count = MIN (piece, end > 0 ? end - *n : reformer_input_row_length (input, *n / T) - *n % T);
  *to = end > 0 ? *n : reformer_input_row_place (input, *n / T) + *n % T;
  return TRUE;
}

static ReformerTensor *
tokens_forward (ReformerModel   *self,
                ReformerInput   *input,
                ReformerTensor **streams,
                gboolean         hidden,
                ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int W = reformer_model_get_width (self), width = hidden ? W : reformer_head_get_width (self);
  const gsize piece = reformer_tape_get_piece (tape, (gsize) MAX (width, W));
  const char *part = reformer_run_part (run, "output");
  g_autoptr (ReformerTensor) output = reformer_input_get_output (input, width, run);
  g_autoptr (ReformerTensor) z = NULL;
  gsize n = 0, count = 0, to;

  reformer_run_part (run, "head");
  if (!hidden)
    z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) MIN (piece, (gsize) input->B * (gsize) input->T), (gint64) W);
  while (reformer_run_ok (run) && next_piece (input, piece, &n, &count, &to))
    {
      const ReformerRows rows = { n, count, (gsize) input->T };
      const ReformerSpan y = reformer_at (output, to * (gsize) width);

      reformer_head_norm (self, streams, hidden ? y : reformer_span (z), &rows, hidden, tape);
      if (!hidden)
        reformer_model_run_outputs (self, reformer_span (z), y, count, tape);
    }
  reformer_run_part (run, part);
  return g_steal_pointer (&output);
}

void
reformer_head_piece_clear (ReformerHeadPiece *piece)
{
  g_clear_object (&piece->z);
  g_clear_object (&piece->logits);
  g_clear_object (&piece->dz);
}

/* What metrics want of rows of outputs, before gradients take their place. */
static void
look (ReformerModel *self,
      ReformerInput *input,
      gboolean       classes,
      ReformerSpan   outputs,
      gsize          first,
      gsize          count,
      ReformerRun   *run)
{
  const int width = reformer_head_get_width (self);
  ReformerTensor **seen = &input->sight->outputs;

  if (*seen == NULL)
    *seen = reformer_run_new (run, classes ? REFORMER_DTYPE_INT32 : REFORMER_DTYPE_FLOAT32, 1, (gint64) reformer_tensor_get_n_elements (input->labels));
  if (*seen == NULL)
    return;
  if (classes)
    reformer_choose (run, outputs, width, reformer_at (*seen, first), count, width);
  else
    reformer_run_copy (run, outputs, reformer_at (*seen, first * (gsize) width), count * (gsize) width);
}

void
reformer_head_rows_loss (ReformerModel *self,
                         ReformerInput *input,
                         ReformerSpan   outputs,
                         gsize          first,
                         gsize          count,
                         ReformerSpan   losses,
                         gboolean       gradients,
                         ReformerRun   *run)
{
  const int width = reformer_head_get_width (self);
  const float scale = gradients ? (float) reformer_targets_slope (&input->total, 0) : 0.0f;
  ReformerLabelForm form;

  reformer_model_get_label_form (self, &form);
  if (input->sight != NULL)
    look (self, input, form.kind == REFORMER_LABELS_CLASSES, outputs, first, count, run);
  if (form.kind == REFORMER_LABELS_CLASSES)
    reformer_cross_entropy (run, outputs, width, reformer_at (input->labels, first), reformer_span (input->weights), losses, count, width, scale);
  else
    reformer_value_loss (run, form.kind == REFORMER_LABELS_SQUARES ? REFORMER_VALUE_SQUARES : REFORMER_VALUE_LOGISTIC, outputs, width,
                         reformer_at (input->labels, first * (gsize) width), losses, count, width, scale);
}

void
reformer_head_tokens_backward (ReformerModel      *self,
                               ReformerHeadPiece  *piece,
                               ReformerSpan        outputs,
                               ReformerTensor    **streams,
                               ReformerTensor    **gradients,
                               const ReformerRows *rows,
                               ReformerTape       *tape)
{
  reformer_model_run_outputs_backward (self, outputs, reformer_span (piece->z), reformer_span (piece->dz), rows->count, tape);
  reformer_head_norm_backward (self, streams, gradients, reformer_span (piece->dz), rows, tape);
}

double
reformer_head_sum_losses (ReformerTensor *losses,
                          gsize           n,
                          ReformerRun    *run)
{
  g_autofree float *values = NULL;
  double sum = 0;

  if (!reformer_run_ok (run) || reformer_device_is_planner (run->device))
    return 0;
  values = g_try_new (float, n);
  if (values == NULL)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for the losses of %" G_GSIZE_FORMAT " rows", n);
      return NAN;
    }
  reformer_run_read (run, reformer_span (losses), values, n);
  for (gsize i = 0; i < n; i++)
    sum += (double) values[i];
  return sum;
}

static void
tokens_loss (ReformerModel   *self,
             ReformerInput   *input,
             ReformerTensor **streams,
             ReformerTensor **gradients,
             double           sums[2],
             ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int W = reformer_model_get_width (self), width = reformer_head_get_width (self);
  const gsize N = (gsize) input->B * (gsize) input->T, size = MIN (N, reformer_tape_get_piece (tape, (gsize) MAX (width, W)));
  g_autoptr (ReformerTensor) losses = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) N);
  g_auto (ReformerHeadPiece) piece = { NULL };

  piece.z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) size, (gint64) W);
  piece.logits = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) size, (gint64) width);
  if (gradients != NULL)
    piece.dz = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) size, (gint64) W);
  for (gsize n = 0; n < N && reformer_run_ok (run); n += size)
    {
      const ReformerRows rows = { n, MIN (size, N - n), (gsize) input->T };
      const ReformerSpan outputs = reformer_span (piece.logits);

      reformer_head_norm (self, streams, reformer_span (piece.z), &rows, FALSE, tape);
      reformer_model_run_outputs (self, reformer_span (piece.z), outputs, rows.count, tape);
      reformer_head_rows_loss (self, input, outputs, n, rows.count, reformer_at (losses, n), gradients != NULL, run);
      if (gradients != NULL)
        reformer_head_tokens_backward (self, &piece, outputs, streams, gradients, &rows, tape);
    }
  sums[0] = reformer_head_sum_losses (losses, N, run);
}

/* ---- The whole ---- */

ReformerTensor *
reformer_model_head_forward (ReformerModel   *self,
                             ReformerInput   *input,
                             ReformerTensor **streams,
                             gboolean         encode,
                             ReformerTape    *tape)
{
  if (!encode && self->dense != NULL)
    return reformer_head_sequences_forward (self, input, streams, tape);
  return tokens_forward (self, input, streams, encode || self->head == NULL, tape);
}

void
reformer_model_head_loss (ReformerModel   *self,
                          ReformerInput   *input,
                          ReformerTensor **streams,
                          ReformerTensor **gradients,
                          double           sums[2],
                          ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "head");

  if (self->dense != NULL)
    reformer_head_sequences_loss (self, input, streams, gradients, sums, tape);
  else if (reformer_config_get_head (self->config) == REFORMER_HEAD_SPANS)
    reformer_head_spans_loss (self, input, streams, gradients, sums, tape);
  else
    tokens_loss (self, input, streams, gradients, sums, tape);
  reformer_run_part (run, part);
}
