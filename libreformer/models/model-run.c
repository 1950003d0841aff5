/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-globals.h"

/* A pass through the model: embeddings, stack, final norm and head, forward and backward. */

ReformerTape *
reformer_model_new_tape (ReformerModel *self,
                         ReformerInput *input,
                         gboolean       training,
                         GCancellable  *cancellable)
{
  ReformerTape *tape = reformer_tape_new (self->device);

  reformer_tape_set_training (tape, training);
  reformer_tape_set_mask (tape, input->mask);
  reformer_tape_set_seed (tape, self->seed);
  reformer_tape_set_sequence (tape, self->sequence + (guint) input->first);
  reformer_tape_set_cancellable (tape, cancellable);
  reformer_tape_set_piece (tape, self->piece);
  reformer_model_give_globals (self, input->B, input->T, input->T0, tape);
  return tape;
}

/* ---- Embeddings ---- */

typedef void (*Positions) (gpointer            layer,
                           ReformerSpan        a,
                           ReformerSpan        b,
                           const ReformerRows *rows,
                           ReformerTape       *tape);

static void
positions_add (gpointer            layer,
               ReformerSpan        x,
               ReformerSpan        nothing,
               const ReformerRows *rows,
               ReformerTape       *tape)
{
  if (REFORMER_IS_AXIAL_POSITION (layer))
    reformer_axial_position_add (layer, x, rows, tape);
  else
    reformer_position_table_add (layer, x, rows, tape);
}

static void
positions_backward (gpointer            layer,
                    ReformerSpan        d1,
                    ReformerSpan        d2,
                    const ReformerRows *rows,
                    ReformerTape       *tape)
{
  if (REFORMER_IS_AXIAL_POSITION (layer))
    reformer_axial_position_backward (layer, d1, d2, rows, tape);
  else
    reformer_position_table_backward (layer, d1, d2, rows, tape);
}

/* All tokens at once; or, where padding goes beyond the last position there is, row by row without the padding, which nobody looks at. */
static void
over_positions (ReformerModel  *self,
                ReformerInput  *input,
                ReformerTensor *a,
                ReformerTensor *b,
                Positions       function,
                ReformerTape   *tape)
{
  gpointer layer = self->axial != NULL ? (gpointer) self->axial : self->table;
  const gsize H = (gsize) reformer_config_get_hidden_size (self->config);
  const guint sequence = reformer_tape_get_sequence (tape);

  if (input->T <= reformer_config_get_max_length (self->config))
    {
      const ReformerRows rows = { 0, (gsize) input->B * (gsize) input->T, (gsize) input->T };

      function (layer, reformer_span (a), reformer_span (b), &rows, tape);
      return;
    }
  for (int row = 0; row < input->B; row++)
    {
      const ReformerRows rows = { 0, (gsize) input->T0, (gsize) input->T0 };
      const gsize at = (gsize) row * (gsize) input->T * H;

      reformer_tape_set_sequence (tape, sequence + (guint) row);
      function (layer, reformer_at (a, at), reformer_at (b, b != NULL ? at : 0), &rows, tape);
    }
  reformer_tape_set_sequence (tape, sequence);
}

/* All streams start as embeddings plus positions. */
static void
embed (ReformerModel   *self,
       ReformerInput   *input,
       ReformerTensor **streams,
       ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gint64 H = reformer_config_get_hidden_size (self->config);
  const ReformerRows rows = { 0, (gsize) input->B * (gsize) input->T, (gsize) input->T };
  const char *part = reformer_run_part (run, "streams");

  for (int i = 0; i < reformer_model_get_streams (self); i++)
    streams[i] = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) input->B, (gint64) input->T, H);
  if (reformer_run_ok (run))
    {
      if (self->projection != NULL)
        reformer_model_project (self, input, streams[0], &rows, tape);
      else
        reformer_embedding_run_forward (self->embedding, reformer_span (input->ids), reformer_span (streams[0]), &rows, tape);
      over_positions (self, input, streams[0], NULL, positions_add, tape);
      if (streams[1] != NULL)
        reformer_run_copy (run, reformer_span (streams[0]), reformer_span (streams[1]), rows.count * (gsize) H);
    }
  reformer_run_part (run, part);
}

static void
embed_backward (ReformerModel   *self,
                ReformerInput   *input,
                ReformerTensor **gradients,
                ReformerTape    *tape)
{
  const ReformerRows rows = { 0, (gsize) input->B * (gsize) input->T, (gsize) input->T };
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "embeddings");

  over_positions (self, input, gradients[0], gradients[1], positions_backward, tape);
  if (self->projection != NULL)
    reformer_model_project_backward (self, input, gradients, &rows, tape);
  else
    reformer_embedding_run_backward (self->embedding, reformer_span (input->ids), reformer_span (gradients[0]), reformer_span (gradients[1]), &rows, tape);
  reformer_run_part (run, part);
}

/* ---- The whole ---- */

ReformerTensor *
reformer_model_run_forward (ReformerModel *self,
                            ReformerInput *input,
                            gboolean       encode,
                            ReformerTape  *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  ReformerTensor *streams[2] = { NULL, NULL }, *output = NULL;

  embed (self, input, streams, tape);
  if (reformer_run_ok (run))
    reformer_stack_run_forward (self->stack, streams, tape);
  if (reformer_run_ok (run))
    output = reformer_model_head_forward (self, input, streams, encode, tape);
  g_clear_object (&streams[0]);
  g_clear_object (&streams[1]);
  return output;
}

void
reformer_model_clear_gradients (ReformerModel *self,
                                ReformerRun   *run)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (self);

  for (guint i = 0; i < parameters->len; i++)
    reformer_parameter_clear_gradient (parameters->pdata[i], run);
}

void
reformer_model_run_loss (ReformerModel *self,
                         ReformerInput *input,
                         gboolean       gradients,
                         double         sums[2],
                         ReformerTape  *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  ReformerTensor *streams[2] = { NULL, NULL }, *slopes[2] = { NULL, NULL };

  embed (self, input, streams, tape);
  if (reformer_run_ok (run))
    reformer_stack_run_forward (self->stack, streams, tape);
  if (gradients && reformer_run_ok (run))
    {
      const char *part = reformer_run_part (run, "stream gradients");

      for (int i = 0; i < reformer_model_get_streams (self); i++)
        slopes[i] = reformer_run_new_like (run, streams[i]);
      reformer_run_part (run, part);
    }
  if (reformer_run_ok (run))
    reformer_model_head_loss (self, input, streams, gradients ? slopes : NULL, sums, tape);
  if (gradients && reformer_run_ok (run))
    reformer_stack_run_backward (self->stack, streams, slopes, tape);
  if (gradients && reformer_run_ok (run))
    embed_backward (self, input, slopes, tape);
  for (int i = 0; i < 2; i++)
    {
      g_clear_object (&streams[i]);
      g_clear_object (&slopes[i]);
    }
}
