/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/stack-private.h"

#include "layers/input.h"
#include "ops/norm.h"

/* Forward and backward of a stack on its streams.
 *
 *   two streams   x[t] += f (x[s]), t the branch's target, s the other stream
 *   one stream    x = x + f (x), or the norm of that
 *
 * keep = nothing changes the target in place and takes f (x[s]) off again in the backward pass. Otherwise each branch gives its target a new tensor, and the
 * tensors it read stay alive on the tape. Where a branch's norm comes after the sum it is the sum that stays: the next branch's input is its norm, made again. */

static void
replace (ReformerTensor **place,
         ReformerTensor  *tensor)
{
  g_clear_object (place);
  *place = tensor;
}

static ReformerRecord
record_of (ReformerKeep keep)
{
  return keep == REFORMER_KEEP_EVERYTHING ? REFORMER_RECORD_EVERYTHING : REFORMER_RECORD_DECISIONS;
}

/* A tensor of the streams' shape, a copy of `from` where that is given. */
static ReformerTensor *
new_stream (ReformerRun    *run,
            ReformerTensor *like,
            ReformerTensor *from)
{
  const char *part = reformer_run_part (run, "streams");
  ReformerTensor *tensor = from != NULL ? reformer_input_copy (run, from) : reformer_run_new_like (run, like);

  reformer_run_part (run, part);
  return tensor;
}

/* ---- The norm of a sum ---- */

static ReformerNorm
norm_of (const ReformerSumNorm *sum_norm,
         ReformerTensor        *sum,
         ReformerRun           *run,
         gsize                 *count)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (sum, &n_dims);
  const int H = (int) shape[n_dims - 1];

  *count = reformer_tensor_get_n_elements (sum) / (gsize) H;
  return (ReformerNorm) { .x1 = reformer_span (sum), .x2 = REFORMER_NOTHING, .ldx = H, .width = H, .weight = reformer_parameter_value (sum_norm->weight, run, 0),
                          .bias = reformer_parameter_value (sum_norm->bias, run, 0), .eps = (float) sum_norm->eps };
}

gboolean
reformer_stack_norm_sum (ReformerLayer  *branch,
                         ReformerTensor *sum,
                         ReformerTensor *y,
                         ReformerTape   *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  ReformerSumNorm sum_norm;

  if (!reformer_layer_get_sum_norm (branch, &sum_norm))
    return FALSE;
  if (reformer_run_ok (run))
    {
      gsize count;
      const ReformerNorm norm = norm_of (&sum_norm, sum, run, &count);

      reformer_norm_forward (run, &norm, count, reformer_span (y), norm.width);
    }
  return TRUE;
}

/* The gradient of the sum for the gradient dy of its norm. */
static ReformerTensor *
norm_sum_backward (const ReformerSumNorm *sum_norm,
                   ReformerTensor        *sum,
                   ReformerTensor        *dy,
                   ReformerRun           *run)
{
  ReformerTensor *ds = sum != NULL ? new_stream (run, dy, NULL) : NULL;

  if (ds != NULL)
    {
      gsize count;
      const ReformerNorm norm = norm_of (sum_norm, sum, run, &count);

      reformer_norm_backward (run, &norm, count, reformer_span (dy), norm.width, reformer_span (ds), REFORMER_NOTHING, norm.width, REFORMER_STORE_SET,
                              reformer_parameter_gradient (sum_norm->weight, run, 0), reformer_parameter_gradient (sum_norm->bias, run, 0));
    }
  return ds;
}

/* ---- One stream ---- */

static void
forward_one (ReformerStack   *self,
             ReformerTensor **stream,
             ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gboolean recording = reformer_tape_get_record (tape) != REFORMER_RECORD_NOTHING;
  g_autoptr (ReformerTensor) before = recording ? g_object_ref (*stream) : NULL; /* the sum that the stream is the norm of, or the stream */
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (self));

  for (guint i = 0; i < n && reformer_run_ok (run); i++)
    {
      g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (self), i);
      g_autoptr (ReformerTensor) sum = new_stream (run, NULL, *stream);
      gboolean norm;

      if (sum == NULL)
        break;
      norm = reformer_layer_accumulate (branch, *stream, sum, tape) && reformer_layer_get_sum_norm (branch, NULL);
      if (recording)
        {
          reformer_tape_save (tape, before);
          if (norm)
            reformer_tape_save (tape, sum);
          replace (&before, g_object_ref (sum));
        }
      if (norm && recording)
        replace (stream, new_stream (run, sum, NULL));
      else if (!norm)
        replace (stream, g_object_ref (sum));
      if (norm && *stream != NULL)
        reformer_stack_norm_sum (branch, sum, *stream, tape);
    }
}

/* Whether the forward pass made the norm of a branch's sum, and which. */
static gboolean
made_norm (ReformerLayer   *branch,
           ReformerTape    *tape,
           ReformerSumNorm *norm)
{
  return !reformer_tape_is_left_out (tape, branch) && reformer_layer_get_sum_norm (branch, norm);
}

/* The input of a branch: `before`, or the norm that the branch in front of it makes of that. */
static ReformerTensor *
input_of (ReformerStack  *self,
          guint           branch,
          ReformerTensor *before,
          ReformerTape   *tape)
{
  g_autoptr (ReformerLayer) previous = branch > 0 ? g_list_model_get_item (G_LIST_MODEL (self), branch - 1) : NULL;
  ReformerTensor *x;

  if (before == NULL || previous == NULL || !made_norm (previous, tape, NULL))
    return before != NULL ? g_object_ref (before) : NULL;
  x = new_stream (reformer_tape_get_run (tape), before, NULL);
  if (x != NULL)
    reformer_stack_norm_sum (previous, before, x, tape);
  return x;
}

static void
backward_one (ReformerStack   *self,
              ReformerTensor **gradient,
              ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gsize elements = reformer_tensor_get_n_elements (*gradient);

  for (guint i = g_list_model_get_n_items (G_LIST_MODEL (self)); i-- > 0 && reformer_run_ok (run);)
    {
      g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (self), i);
      g_autoptr (ReformerTensor) before = NULL;
      g_autoptr (ReformerTensor) x = NULL;
      g_autoptr (ReformerTensor) dy = NULL;
      ReformerSumNorm norm;

      if (made_norm (branch, tape, &norm))
        {
          g_autoptr (ReformerTensor) sum = reformer_tape_take (tape, self, REFORMER_DTYPE_FLOAT32, elements);

          dy = norm_sum_backward (&norm, sum, *gradient, run);
          if (dy != NULL)
            reformer_run_copy (run, reformer_span (dy), reformer_span (*gradient), elements);
        }
      else
        dy = new_stream (run, NULL, *gradient);
      before = reformer_tape_take (tape, self, REFORMER_DTYPE_FLOAT32, elements);
      x = input_of (self, i, before, tape);
      if (x == NULL || dy == NULL)
        break;
      reformer_layer_accumulate_backward (branch, x, NULL, dy, *gradient, tape);
    }
}

/* ---- Two streams ---- */

static gboolean
check_norm (ReformerStack *self,
            guint          number,
            ReformerLayer *branch,
            ReformerRun   *run)
{
  if (!reformer_layer_get_sum_norm (branch, NULL))
    return TRUE;
  reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG,
                     "norm-first of the branch '%s' is false in a stack of two streams; wanted true, or one stream: with two a branch's input could not be rebuilt",
                     reformer_stack_get_name (self, number));
  return FALSE;
}

static void
forward_two (ReformerStack   *self,
             ReformerTensor **streams,
             ReformerKeep     keep,
             ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gboolean recording = reformer_tape_get_record (tape) != REFORMER_RECORD_NOTHING;
  const gboolean in_place = !recording || keep == REFORMER_KEEP_NOTHING;
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (self));

  for (guint i = 0; i < n && reformer_run_ok (run); i++)
    {
      g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (self), i);
      const int target = reformer_layer_get_target (branch);
      g_autoptr (ReformerTensor) x = g_object_ref (streams[1 - target]);

      if (!check_norm (self, i, branch, run))
        break;
      if (!in_place)
        replace (&streams[target], new_stream (run, NULL, streams[target]));
      if (streams[target] == NULL)
        break;
      reformer_layer_accumulate (branch, x, streams[target], tape);
      if (recording && keep != REFORMER_KEEP_NOTHING)
        reformer_tape_save (tape, x);
    }
}

static void
backward_two (ReformerStack   *self,
              ReformerTensor **streams,
              ReformerTensor **gradients,
              ReformerKeep     keep,
              ReformerTape    *tape)
{
  const gboolean rebuild = keep == REFORMER_KEEP_NOTHING;

  for (guint i = g_list_model_get_n_items (G_LIST_MODEL (self)); i-- > 0 && reformer_run_ok (reformer_tape_get_run (tape));)
    {
      g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (self), i);
      const int target = reformer_layer_get_target (branch), source = 1 - target;
      g_autoptr (ReformerTensor) x = rebuild ? g_object_ref (streams[source])
                                             : reformer_tape_take (tape, self, REFORMER_DTYPE_FLOAT32, reformer_tensor_get_n_elements (streams[0]));

      if (x != NULL)
        reformer_layer_accumulate_backward (branch, x, rebuild ? streams[target] : NULL, gradients[target], gradients[source], tape);
    }
}

/* ---- Both ---- */

void
reformer_stack_run_forward (ReformerStack   *self,
                            ReformerTensor **streams,
                            ReformerTape    *tape)
{
  const ReformerRecord record = reformer_tape_get_record (tape);
  const ReformerKeep keep = reformer_stack_resolve_keep (self);

  if (record != REFORMER_RECORD_NOTHING)
    reformer_tape_set_record (tape, record_of (keep));
  if (reformer_stack_get_streams (self) == 2)
    forward_two (self, streams, keep, tape);
  else if (record == REFORMER_RECORD_NOTHING || keep != REFORMER_KEEP_NOTHING)
    forward_one (self, streams, tape);
  else
    reformer_run_fail (reformer_tape_get_run (tape), REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG,
                       "keep of the stack is nothing, but it has one stream, from whose output no branch's input can be rebuilt; wanted everything, inputs or auto, or two streams");
  reformer_tape_set_record (tape, record);
}

void
reformer_stack_run_backward (ReformerStack   *self,
                             ReformerTensor **streams,
                             ReformerTensor **gradients,
                             ReformerTape    *tape)
{
  const ReformerRecord record = reformer_tape_get_record (tape);
  const ReformerKeep keep = reformer_stack_resolve_keep (self);

  reformer_tape_set_record (tape, record_of (keep));
  if (reformer_stack_get_streams (self) == 2)
    backward_two (self, streams, gradients, keep, tape);
  else
    backward_one (self, &gradients[0], tape);
  reformer_tape_set_record (tape, record);
}
