/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/layer-private.h"

#include "ops/elementwise.h"

/* Layers as branches of a stack: the library's own through their ReformerBranch, others through their forward and backward. */

static ReformerTensor *
branch_forward (ReformerLayer   *self,
                ReformerTensor  *input,
                ReformerTape    *tape,
                GError         **error)
{
  const ReformerBranch *branch = REFORMER_LAYER_GET_CLASS (self)->internal;
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) output = reformer_run_new_like (run, input);

  if (output != NULL)
    {
      reformer_run_fill (run, reformer_span (output), 0, reformer_tensor_get_n_elements (output));
      branch->accumulate (self, input, output, tape);
      reformer_tape_push (tape, input);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&output) : NULL;
}

static ReformerTensor *
branch_backward (ReformerLayer   *self,
                 ReformerTensor  *gradient,
                 ReformerTape    *tape,
                 GError         **error)
{
  const ReformerBranch *branch = REFORMER_LAYER_GET_CLASS (self)->internal;
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) input = reformer_tape_pop (tape);
  g_autoptr (ReformerTensor) dx = NULL;

  if (input == NULL)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "backward of %s: nothing on the tape; its forward must come first, with the tape recording",
                   G_OBJECT_TYPE_NAME (self));
      return NULL;
    }
  if (reformer_tensor_get_n_elements (gradient) != reformer_tensor_get_n_elements (input) ||
      reformer_tensor_get_dtype (gradient) != REFORMER_DTYPE_FLOAT32)
    {
      g_autofree char *seen = reformer_tensor_to_string (gradient), *wanted = reformer_tensor_to_string (input);

      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "backward of %s: the gradient is %s; wanted %s", G_OBJECT_TYPE_NAME (self), seen, wanted);
      return NULL;
    }
  dx = reformer_run_new_like (run, input);
  if (dx != NULL)
    {
      reformer_run_fill (run, reformer_span (dx), 0, reformer_tensor_get_n_elements (dx));
      branch->accumulate_backward (self, input, NULL, gradient, dx, tape);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&dx) : NULL;
}

void
reformer_layer_class_set_branch (ReformerLayerClass   *klass,
                                 const ReformerBranch *branch)
{
  klass->internal = branch;
  klass->forward = branch_forward;
  klass->backward = branch_backward;
}

/* The branch of a layer, unless a subclass has put a forward or backward of its own over it. */
static const ReformerBranch *
get_branch (ReformerLayer *self)
{
  ReformerLayerClass *klass = REFORMER_LAYER_GET_CLASS (self);

  return klass->forward == branch_forward && klass->backward == branch_backward ? klass->internal : NULL;
}

gboolean
reformer_layer_get_sum_norm (ReformerLayer   *self,
                             ReformerSumNorm *norm)
{
  const ReformerBranch *branch = get_branch (self);
  ReformerSumNorm unused;

  return branch != NULL && branch->sum_norm != NULL && branch->sum_norm (self, norm != NULL ? norm : &unused);
}

/* target = / += / -= x, refusing what a function written elsewhere may return. */
static void
add_tensor (ReformerLayer  *self,
            const char     *function,
            ReformerTensor *x,
            ReformerTensor *target,
            ReformerStore   store,
            ReformerRun    *run)
{
  const gsize n = reformer_tensor_get_n_elements (target);

  if (reformer_tensor_get_n_elements (x) != n || reformer_tensor_get_dtype (x) != REFORMER_DTYPE_FLOAT32)
    {
      g_autofree char *seen = reformer_tensor_to_string (x), *wanted = reformer_tensor_to_string (target);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%s of %s returned %s; as a branch it must return %s",
                         function, G_OBJECT_TYPE_NAME (self), seen, wanted);
      return;
    }
  reformer_scale (run, 1.0f, reformer_span (x), reformer_span (target), n, store);
}

gboolean
reformer_layer_accumulate (ReformerLayer  *self,
                           ReformerTensor *x,
                           ReformerTensor *target,
                           ReformerTape   *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerBranch *branch = get_branch (self);

  if (!reformer_run_ok (run))
    return TRUE;
  reformer_layer_reset (self, run, reformer_tape_get_seed (tape));
  if (reformer_tape_leave_out (tape, self, reformer_layer_get_ablated (self)))
    return FALSE;
  if (branch != NULL)
    branch->accumulate (self, x, target, tape);
  else
    {
      GError *error = NULL;
      g_autoptr (ReformerTensor) y = NULL;

      if (reformer_tape_get_record (tape) == REFORMER_RECORD_EVERYTHING)
        reformer_tape_mark (tape);
      y = reformer_layer_forward (self, x, tape, &error);
      if (y != NULL)
        add_tensor (self, "forward", y, target, REFORMER_STORE_ADD, run);
      else
        reformer_run_take (run, error);
    }
  return TRUE;
}

void
reformer_layer_accumulate_backward (ReformerLayer  *self,
                                    ReformerTensor *x,
                                    ReformerTensor *rebuild,
                                    ReformerTensor *dy,
                                    ReformerTensor *dx,
                                    ReformerTape   *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerBranch *branch = get_branch (self);
  const ReformerRecord record = reformer_tape_get_record (tape);

  if (!reformer_run_ok (run) || reformer_tape_is_left_out (tape, self))
    return;
  if (branch != NULL)
    branch->accumulate_backward (self, x, rebuild, dy, dx, tape);
  else
    {
      GError *error = NULL;
      g_autoptr (ReformerTensor) y = NULL;
      g_autoptr (ReformerTensor) gradient = NULL;

      if (record != REFORMER_RECORD_EVERYTHING)
        {
          reformer_tape_set_record (tape, REFORMER_RECORD_EVERYTHING);
          reformer_tape_mark (tape);
          y = reformer_layer_forward (self, x, tape, &error);
          reformer_tape_set_record (tape, record);
          if (y != NULL && rebuild != NULL)
            add_tensor (self, "forward", y, rebuild, REFORMER_STORE_SUBTRACT, run);
          g_clear_object (&y);
        }
      if (error == NULL)
        gradient = reformer_layer_backward (self, dy, tape, &error);
      if (gradient != NULL)
        {
          add_tensor (self, "backward", gradient, dx, REFORMER_STORE_ADD, run);
          reformer_tape_check_mark (tape, self);
        }
      else
        reformer_run_take (run, error);
    }
}
