/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/stack-private.h"

#include "layers/input.h"

/* Forward and backward of a stack on its streams.
 *
 *   two streams   x[t] += f (x[s]), t the branch's target, s the other stream
 *   one stream    x = x + f (x)
 *
 * keep = nothing changes the target in place and takes f (x[s]) off again in the backward pass. Otherwise each branch gives its target a new tensor, and the
 * tensors it read stay alive on the tape. */

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

void
reformer_stack_run_forward (ReformerStack   *self,
                            ReformerTensor **streams,
                            ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerRecord record = reformer_tape_get_record (tape);
  const gboolean recording = record != REFORMER_RECORD_NOTHING;
  const int n_streams = reformer_stack_get_streams (self);
  const ReformerKeep keep = reformer_stack_resolve_keep (self);
  const gboolean in_place = n_streams == 2 && (!recording || keep == REFORMER_KEEP_NOTHING);
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (self));

  if (recording)
    reformer_tape_set_record (tape, record_of (keep));
  for (guint i = 0; i < n && reformer_run_ok (run); i++)
    {
      g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (self), i);
      const int target = n_streams == 2 ? reformer_layer_get_target (branch) : 0, source = n_streams == 2 ? 1 - target : 0;
      g_autoptr (ReformerTensor) x = g_object_ref (streams[source]);
      const char *part;

      if (!in_place)
        {
          part = reformer_run_part (run, "streams");
          replace (&streams[target], reformer_input_copy (run, streams[target]));
          reformer_run_part (run, part);
        }
      if (streams[target] == NULL)
        break;
      reformer_layer_accumulate (branch, x, streams[target], tape);
      if (recording && keep != REFORMER_KEEP_NOTHING)
        reformer_tape_save (tape, x);
    }
  reformer_tape_set_record (tape, record);
}

void
reformer_stack_run_backward (ReformerStack   *self,
                             ReformerTensor **streams,
                             ReformerTensor **gradients,
                             ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const ReformerRecord record = reformer_tape_get_record (tape);
  const int n_streams = reformer_stack_get_streams (self);
  const ReformerKeep keep = reformer_stack_resolve_keep (self);

  reformer_tape_set_record (tape, record_of (keep));
  for (guint i = g_list_model_get_n_items (G_LIST_MODEL (self)); i-- > 0 && reformer_run_ok (run);)
    {
      g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (self), i);
      const int target = n_streams == 2 ? reformer_layer_get_target (branch) : 0, source = n_streams == 2 ? 1 - target : 0;
      g_autoptr (ReformerTensor) x = keep == REFORMER_KEEP_NOTHING ? g_object_ref (streams[source])
                                                                   : reformer_tape_take (tape, self, REFORMER_DTYPE_FLOAT32, reformer_tensor_get_n_elements (streams[0]));

      if (x == NULL)
        break;
      if (n_streams == 2)
        reformer_layer_accumulate_backward (branch, x, keep == REFORMER_KEEP_NOTHING ? streams[target] : NULL, gradients[target], gradients[source], tape);
      else
        {
          const char *part = reformer_run_part (run, "streams");
          g_autoptr (ReformerTensor) dx = reformer_input_copy (run, gradients[0]);

          reformer_run_part (run, part);
          if (dx == NULL)
            break;
          reformer_layer_accumulate_backward (branch, x, NULL, gradients[0], dx, tape);
          replace (&gradients[0], g_steal_pointer (&dx));
        }
    }
  reformer_tape_set_record (tape, record);
}
