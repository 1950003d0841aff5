/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-private.h"

#include <math.h>

#include "compute/device-private.h"
#include "ops/elementwise.h"
#include "ops/loss.h"

/* A pass through the model: embeddings, stack, final norm and head, forward and backward. Norm, head and loss go through pieces of the tokens, so that the logits
 * of a whole sequence exist only where they are asked for. */

#define PLACE_FINAL 0

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
  reformer_tape_set_sequence (tape, self->sequence);
  reformer_tape_set_cancellable (tape, cancellable);
  reformer_tape_set_piece (tape, self->piece);
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

/* Both streams start as embeddings plus positions. */
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

  for (int i = 0; i < 2; i++)
    streams[i] = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) input->B, (gint64) input->T, H);
  if (reformer_run_ok (run))
    {
      reformer_embedding_run_forward (self->embedding, reformer_span (input->ids), reformer_span (streams[0]), &rows, tape);
      over_positions (self, input, streams[0], NULL, positions_add, tape);
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
  reformer_embedding_run_backward (self->embedding, reformer_span (input->ids), reformer_span (gradients[0]), reformer_span (gradients[1]), &rows, tape);
  reformer_run_part (run, part);
}

/* ---- Final norm and head ---- */

static ReformerDropout
final_dropout (ReformerModel *self,
               ReformerTape  *tape)
{
  return reformer_tape_dropout (tape, reformer_config_get_hidden_dropout_prob (self->config), reformer_layer_get_number (REFORMER_LAYER (self->norm)), PLACE_FINAL);
}

/* z = dropout (norm ([x1, x2])) of a piece */
static void
final_norm (ReformerModel      *self,
            ReformerTensor    **streams,
            ReformerSpan        z,
            const ReformerRows *rows,
            ReformerTape       *tape)
{
  const gsize H = (gsize) reformer_config_get_hidden_size (self->config);
  const ReformerDropout dropout = final_dropout (self, tape);

  reformer_layer_norm_run_forward (self->norm, reformer_at (streams[0], rows->first * H), reformer_at (streams[1], rows->first * H), rows->count, z, tape);
  if (dropout.p > 0)
    reformer_dropout (reformer_tape_get_run (tape), z, z, (int) (2 * H), rows, &dropout, REFORMER_STORE_SET);
}

/* The pieces of the tokens that were given, without padding: count tokens from n on; their outputs go to row `to`. */
static gboolean
next_piece (ReformerInput *input,
            gsize          piece,
            gsize         *n,
            gsize         *count,
            gsize         *to)
{
  const gsize T = (gsize) input->T, T0 = (gsize) input->T0;
  const gsize end = T == T0 ? (gsize) input->B * T : 0; /* without padding the rows are one sequence */

  *n += *count;
  if (end == 0 && *n % T >= T0)
    *n += T - *n % T;
  if (*n >= (gsize) input->B * T)
    return FALSE;
  *count = MIN (piece, end > 0 ? end - *n : T0 - *n % T);
  *to = end > 0 ? *n : *n / T * T0 + *n % T;
  return TRUE;
}

ReformerTensor *
reformer_model_run_forward (ReformerModel *self,
                            ReformerInput *input,
                            gboolean       encode,
                            ReformerTape  *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gsize H = (gsize) reformer_config_get_hidden_size (self->config);
  const gboolean hidden = encode || self->head == NULL;
  const gsize width = hidden ? 2 * H : (gsize) reformer_config_get_vocab_size (self->config);
  const gsize piece = reformer_tape_get_piece (tape, MAX (width, 2 * H));
  ReformerTensor *streams[2] = { NULL, NULL };
  g_autoptr (ReformerTensor) output = NULL;
  g_autoptr (ReformerTensor) z = NULL;
  gsize n = 0, count = 0, to;
  const char *part;

  embed (self, input, streams, tape);
  if (reformer_run_ok (run))
    reformer_stack_run_forward (self->stack, streams, tape);
  part = reformer_run_part (run, "output");
  output = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) input->B, (gint64) input->T0, (gint64) width);
  reformer_run_part (run, "head");
  if (!hidden)
    z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) MIN (piece, (gsize) input->B * (gsize) input->T), (gint64) (2 * H));
  while (reformer_run_ok (run) && next_piece (input, piece, &n, &count, &to))
    {
      const ReformerRows rows = { n, count, (gsize) input->T };

      final_norm (self, streams, hidden ? reformer_at (output, to * width) : reformer_span (z), &rows, tape);
      if (!hidden)
        reformer_linear_run_forward (self->head, reformer_span (z), (int) (2 * H), reformer_at (output, to * width), (int) width, count, REFORMER_STORE_SET, tape);
    }
  reformer_run_part (run, part);
  g_clear_object (&streams[0]);
  g_clear_object (&streams[1]);
  return g_steal_pointer (&output);
}

/* ---- Loss ---- */

/* Scratch of one piece of the head. */
typedef struct
{
  ReformerTensor *z, *logits, *dz;
} Head;

static void
head_clear (Head *head)
{
  g_clear_object (&head->z);
  g_clear_object (&head->logits);
  g_clear_object (&head->dz);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Head, head_clear)

/* Losses of a piece; with gradients, also those of head, norm and streams (set). */
static void
head_piece (ReformerModel      *self,
            ReformerInput      *input,
            Head               *head,
            ReformerTensor    **streams,
            ReformerTensor    **gradients,
            ReformerTensor     *losses,
            const ReformerRows *rows,
            ReformerTape       *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = reformer_config_get_hidden_size (self->config), V = reformer_config_get_vocab_size (self->config);
  const gsize at = rows->first * (gsize) H;
  const ReformerSpan z = reformer_span (head->z), logits = reformer_span (head->logits);
  const ReformerDropout dropout = final_dropout (self, tape);

  final_norm (self, streams, z, rows, tape);
  reformer_linear_run_forward (self->head, z, 2 * H, logits, V, rows->count, REFORMER_STORE_SET, tape);
  reformer_cross_entropy (run, logits, V, reformer_at (input->labels, rows->first), reformer_at (losses, rows->first), rows->count, V,
                          gradients != NULL && input->n_targets > 0 ? (float) (1.0 / (double) input->n_targets) : 0.0f);
  if (gradients == NULL)
    return;
  reformer_linear_run_gradient (self->head, logits, V, z, 2 * H, rows->count, tape);
  reformer_linear_run_backward (self->head, logits, V, reformer_span (head->dz), 2 * H, rows->count, REFORMER_STORE_SET, tape);
  if (dropout.p > 0)
    reformer_dropout (run, reformer_span (head->dz), reformer_span (head->dz), 2 * H, rows, &dropout, REFORMER_STORE_SET);
  reformer_layer_norm_run_backward (self->norm, reformer_at (streams[0], at), reformer_at (streams[1], at), rows->count, reformer_span (head->dz),
                                    reformer_at (gradients[0], at), reformer_at (gradients[1], at), REFORMER_STORE_SET, tape);
}

static double
sum_losses (ReformerInput  *input,
           ReformerTensor *losses,
           ReformerRun    *run)
{
  const gsize n = (gsize) input->B * (gsize) input->T;
  g_autofree float *values = NULL;
  double sum = 0;

  if (reformer_device_is_planner (run->device))
    return 0;
  values = g_try_new (float, n);
  if (values == NULL)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for the losses of %" G_GSIZE_FORMAT " tokens", n);
      return NAN;
    }
  reformer_run_read (run, reformer_span (losses), values, n);
  for (gsize i = 0; i < n; i++)
    sum += (double) values[i];
  return reformer_run_ok (run) ? sum : (double) NAN;
}

static double
head_loss (ReformerModel   *self,
           ReformerInput   *input,
           ReformerTensor **streams,
           ReformerTensor **gradients,
           ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gint64 H = reformer_config_get_hidden_size (self->config), V = reformer_config_get_vocab_size (self->config);
  const gsize N = (gsize) input->B * (gsize) input->T, piece = MIN (N, reformer_tape_get_piece (tape, (gsize) MAX (V, 2 * H)));
  const char *part = reformer_run_part (run, "head");
  g_autoptr (ReformerTensor) losses = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) N);
  g_auto (Head) head = { NULL };
  double value = (double) NAN;

  head.z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, 2 * H);
  head.logits = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, V);
  if (gradients != NULL)
    head.dz = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, 2 * H);
  for (gsize n = 0; n < N && reformer_run_ok (run); n += piece)
    {
      const ReformerRows rows = { n, MIN (piece, N - n), (gsize) input->T };

      head_piece (self, input, &head, streams, gradients, losses, &rows, tape);
    }
  if (reformer_run_ok (run))
    value = sum_losses (input, losses, run);
  reformer_run_part (run, part);
  return value;
}

void
reformer_model_clear_gradients (ReformerModel *self,
                                ReformerRun   *run)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (self);

  for (guint i = 0; i < parameters->len; i++)
    reformer_parameter_clear_gradient (parameters->pdata[i], run);
}

double
reformer_model_run_loss (ReformerModel *self,
                         ReformerInput *input,
                         gboolean       gradients,
                         ReformerTape  *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  ReformerTensor *streams[2] = { NULL, NULL }, *slopes[2] = { NULL, NULL };
  double value = (double) NAN;

  embed (self, input, streams, tape);
  if (reformer_run_ok (run))
    reformer_stack_run_forward (self->stack, streams, tape);
  if (gradients && reformer_run_ok (run))
    {
      const char *part = reformer_run_part (run, "stream gradients");

      for (int i = 0; i < 2; i++)
        slopes[i] = reformer_run_new_like (run, streams[i]);
      reformer_run_part (run, part);
    }
  if (reformer_run_ok (run))
    value = head_loss (self, input, streams, gradients ? slopes : NULL, tape);
  if (gradients && reformer_run_ok (run))
    reformer_stack_run_backward (self->stack, streams, slopes, tape);
  if (gradients && reformer_run_ok (run))
    embed_backward (self, input, slopes, tape);
  for (int i = 0; i < 2; i++)
    {
      g_clear_object (&streams[i]);
      g_clear_object (&slopes[i]);
    }
  return value;
}
