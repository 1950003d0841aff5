/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-private.h"

#include "ops/elementwise.h"

/* What stands between the stack and the loss: the final norm, and the logits of a language head. */

int
reformer_model_get_streams (ReformerModel *self)
{
  return reformer_stack_get_streams (self->stack);
}

int
reformer_model_get_width (ReformerModel *self)
{
  return reformer_model_get_streams (self) * reformer_config_get_hidden_size (self->config);
}

/* ---- Final norm ---- */

/* A row of the second stream, which there may not be. */
static ReformerSpan
second (ReformerTensor **streams,
        gsize            at)
{
  return streams[1] != NULL ? reformer_at (streams[1], at) : REFORMER_NOTHING;
}

void
reformer_model_run_final (ReformerModel   *self,
                          ReformerTensor **streams,
                          gsize            row,
                          gsize            count,
                          ReformerSpan     z,
                          ReformerTape    *tape)
{
  const int H = reformer_config_get_hidden_size (self->config), W = reformer_model_get_width (self);
  const gsize at = row * (gsize) H;

  if (self->norm != NULL)
    reformer_layer_norm_run_forward (self->norm, reformer_at (streams[0], at), second (streams, at), count, z, tape);
  else
    for (int i = 0; i < reformer_model_get_streams (self); i++)
      reformer_copy_columns (reformer_tape_get_run (tape), reformer_at (streams[i], at), H, reformer_span_add (z, (gsize) (i * H)), W, H, count);
}

void
reformer_model_run_final_backward (ReformerModel   *self,
                                   ReformerTensor **streams,
                                   ReformerTensor **gradients,
                                   gsize            row,
                                   gsize            count,
                                   ReformerSpan     dz,
                                   ReformerTape    *tape)
{
  const int H = reformer_config_get_hidden_size (self->config), W = reformer_model_get_width (self);
  const gsize at = row * (gsize) H;

  if (self->norm != NULL)
    reformer_layer_norm_run_backward (self->norm, reformer_at (streams[0], at), second (streams, at), count, dz, reformer_at (gradients[0], at), second (gradients, at),
                                      REFORMER_STORE_SET, tape);
  else
    for (int i = 0; i < reformer_model_get_streams (self); i++)
      reformer_copy_columns (reformer_tape_get_run (tape), reformer_span_add (dz, (gsize) (i * H)), W, reformer_at (gradients[i], at), H, H, count);
}

/* ---- Outputs ---- */

/* The embedding's matrix [V, H]. */
static ReformerMatrix
words (ReformerModel *self)
{
  return (ReformerMatrix) { reformer_embedding_peek_weight (self->embedding), 0, reformer_config_get_hidden_size (self->config) };
}

/* z through the projection in front of the embedding's matrix, [count, H] */
static ReformerTensor *
project (ReformerModel *self,
         ReformerSpan   z,
         gsize          count,
         ReformerTape  *tape)
{
  const int H = reformer_config_get_hidden_size (self->config);
  ReformerTensor *p = reformer_run_new (reformer_tape_get_run (tape), REFORMER_DTYPE_FLOAT32, 2, (gint64) count, (gint64) H);

  if (p != NULL)
    reformer_linear_run_forward (self->head, z, reformer_model_get_width (self), reformer_span (p), H, count, REFORMER_STORE_SET, NULL, tape);
  return p;
}

void
reformer_model_run_outputs (ReformerModel *self,
                           ReformerSpan   z,
                           ReformerSpan   logits,
                           gsize          count,
                           ReformerTape  *tape)
{
  const int H = reformer_config_get_hidden_size (self->config), V = reformer_config_get_vocab_size (self->config);
  g_autoptr (ReformerTensor) p = NULL;

  if (self->tied_bias == NULL)
    {
      reformer_linear_run_forward (self->head, z, reformer_model_get_width (self), logits, reformer_linear_get_out_features (self->head), count, REFORMER_STORE_SET, NULL, tape);
      return;
    }
  p = project (self, z, count, tape);
  if (p != NULL)
    reformer_tape_forward (tape, words (self), self->tied_bias, reformer_span (p), H, logits, V, count, V, H, REFORMER_STORE_SET, NULL);
}

void
reformer_model_run_outputs_backward (ReformerModel *self,
                                    ReformerSpan   gradient,
                                    ReformerSpan   z,
                                    ReformerSpan   dz,
                                    gsize          count,
                                    ReformerTape  *tape)
{
  const int H = reformer_config_get_hidden_size (self->config), V = reformer_config_get_vocab_size (self->config), W = reformer_model_get_width (self);
  g_autoptr (ReformerTensor) p = NULL;

  if (self->tied_bias == NULL)
    {
      const int n = reformer_linear_get_out_features (self->head);

      reformer_linear_run_gradient (self->head, gradient, n, z, W, count, tape);
      reformer_linear_run_backward (self->head, gradient, n, dz, W, count, REFORMER_STORE_SET, tape);
      return;
    }
  p = project (self, z, count, tape);
  if (p == NULL)
    return;
  reformer_tape_gradient (tape, words (self), self->tied_bias, gradient, V, reformer_span (p), H, V, H, count);
  reformer_tape_backward (tape, words (self), gradient, V, reformer_span (p), H, count, H, V, REFORMER_STORE_SET, NULL); /* p is used up, its gradient takes its place */
  reformer_linear_run_gradient (self->head, reformer_span (p), H, z, W, count, tape);
  reformer_linear_run_backward (self->head, reformer_span (p), H, dz, W, count, REFORMER_STORE_SET, tape);
}
