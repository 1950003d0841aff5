/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-lengths.h"

#include "compute/device-private.h"

/* Sequences of different lengths, each computed as alone. Neighbours that are padded alike run together, which changes nothing but the order of sums: the mask
 * of what is behind a sequence's end is the one that it has alone. */

void
reformer_lengths_clear (ReformerLengths *lengths)
{
  g_clear_pointer (&lengths->values, g_free);
  g_clear_pointer (&lengths->places, g_free);
  lengths->n = 0;
}

void
reformer_inputs_clear (ReformerInputs *inputs)
{
  g_clear_pointer (&inputs->list, g_array_unref);
  g_clear_object (&inputs->output);
  reformer_lengths_clear (&inputs->lengths);
}

/* ---- Reading them ---- */

static void
find_places (ReformerLengths *lengths)
{
  gsize place = 0;

  lengths->places = g_new (gsize, (gsize) lengths->n);
  for (int i = 0; i < lengths->n; i++)
    {
      lengths->places[i] = place;
      place += (gsize) (lengths->packed ? lengths->values[i] : lengths->step);
    }
}

void
reformer_lengths_take_rows (ReformerLengths *lengths,
                            ReformerTensor  *tokens,
                            const gint32    *values)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tokens, &n_dims);

  lengths->n = (int) shape[0];
  lengths->step = (int) shape[1];
  lengths->values = g_memdup2 (values, (gsize) shape[0] * sizeof *values);
  find_places (lengths);
}

static gboolean
check_values (ReformerRun     *run,
              ReformerLengths *lengths,
              gint64           most)
{
  gint64 sum = 0;

  for (int i = 0; i < lengths->n; i++)
    {
      sum += lengths->values[i];
      if (lengths->values[i] >= 1 && lengths->values[i] <= most)
        continue;
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: %d at row %d; wanted 1 to %" G_GINT64_FORMAT, lengths->values[i], i, most);
      return FALSE;
    }
  if (!lengths->packed || sum == most)
    return TRUE;
  reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: %d sequences of %" G_GINT64_FORMAT " tokens together; wanted %" G_GINT64_FORMAT ", all tokens of the row",
                     lengths->n, sum, most);
  return FALSE;
}

gboolean
reformer_model_read_lengths (ReformerModel    *self,
                             ReformerRun      *run,
                             ReformerTensor   *tokens,
                             ReformerTensor  **mask,
                             ReformerLengths  *lengths)
{
  gsize n_dims, n_lengths = 0;
  g_autofree gint64 *given = *mask != NULL ? reformer_tensor_get_shape (*mask, &n_lengths) : NULL, *shape = NULL;

  if (n_lengths != 1)
    return TRUE;
  if (!reformer_input_check_tokens (self, run, tokens) || !reformer_input_check_device (self, run, "mask", *mask))
    return FALSE;
  shape = reformer_tensor_get_shape (tokens, &n_dims);
  if (reformer_tensor_get_dtype (*mask) != REFORMER_DTYPE_INT32 || (given[0] != shape[0] && shape[0] != 1) || MAX (given[0], shape[1]) > G_MAXINT)
    {
      g_autofree char *seen = reformer_tensor_to_string (*mask);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "mask: %s; wanted int32 or uint8 [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "], or lengths, int32 [%" G_GINT64_FORMAT "]%s",
                         seen, shape[0], shape[1], shape[0], shape[0] == 1 ? ", or [n] for n sequences in the row" : "");
      return FALSE;
    }
  lengths->n = (int) given[0];
  lengths->packed = lengths->n > 1 && shape[0] == 1;
  lengths->step = (int) shape[1];
  lengths->values = g_new (gint32, (gsize) lengths->n);
  reformer_run_read (run, reformer_span (*mask), lengths->values, (gsize) lengths->n);
  if (!reformer_run_ok (run) || !check_values (run, lengths, shape[1]))
    return FALSE;
  find_places (lengths);
  *mask = NULL;
  return TRUE;
}

/* ---- Groups ---- */

/* Sequences next to each other that run together. */
typedef struct
{
  int first; /* number of the first one */
  int n;
  int most;  /* tokens of the longest */
} Group;

static gboolean
next_group (ReformerModel         *self,
            const ReformerLengths *lengths,
            Group                 *group)
{
  gint64 kind;

  *group = (Group) { group->first + group->n, 0, 0 };
  if (group->first >= lengths->n)
    return FALSE;
  kind = reformer_model_pad_kind (self, lengths->values[group->first], lengths->exact);
  for (int i = group->first; i < lengths->n && reformer_model_pad_kind (self, lengths->values[i], lengths->exact) == kind; i++)
    {
      group->n++;
      group->most = MAX (group->most, lengths->values[i]);
    }
  return TRUE;
}

void
reformer_model_find_largest_group (ReformerModel         *self,
                                   const ReformerLengths *lengths,
                                   int                   *rows,
                                   gint64                *length)
{
  Group group = { 0 };

  *rows = 0;
  *length = 0;
  while (next_group (self, lengths, &group))
    if ((gint64) group.n * group.most > *rows * *length)
      {
        *rows = group.n;
        *length = group.most;
      }
}

/* ---- What they read ---- */

/* The group's part of an array that has something for each token; behind a sequence's end comes the pattern. */
static ReformerTensor *
gather (ReformerRun           *run,
        const ReformerLengths *lengths,
        const Group           *group,
        ReformerTensor        *whole,
        guint32                pattern)
{
  const ReformerDType dtype = reformer_tensor_get_dtype (whole);
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (whole, &n_dims);
  const gsize width = n_dims == 2 ? 1 : (gsize) shape[2];
  ReformerTensor *part = n_dims == 2 ? reformer_run_new (run, dtype, 2, (gint64) group->n, (gint64) group->most)
                                     : reformer_run_new (run, dtype, 3, (gint64) group->n, (gint64) group->most, shape[2]);

  for (int i = 0; i < group->n && reformer_run_ok (run); i++)
    {
      const gsize n = (gsize) lengths->values[group->first + i], from = lengths->places[group->first + i], to = (gsize) i * (gsize) group->most, rest = (gsize) group->most - n;

      reformer_run_copy (run, reformer_at (whole, from * width), reformer_at (part, to * width), n * width);
      if (rest > 0)
        reformer_run_fill (run, reformer_at (part, (to + n) * width), pattern, rest * width);
    }
  return part;
}

/* The mask of sequences of different lengths; NULL where they are of one. */
static ReformerTensor *
new_mask (ReformerRun           *run,
          const ReformerLengths *lengths,
          const Group           *group)
{
  const gsize most = (gsize) group->most;
  ReformerTensor *mask = NULL;
  gboolean uneven = FALSE;

  for (int i = 0; i < group->n; i++)
    uneven |= lengths->values[group->first + i] < group->most;
  if (uneven)
    mask = reformer_run_new (run, REFORMER_DTYPE_UINT8, 2, (gint64) group->n, (gint64) group->most);
  if (mask != NULL)
    reformer_run_fill (run, reformer_span (mask), 0, (gsize) group->n * most);
  for (int i = 0; i < group->n && mask != NULL; i++)
    reformer_run_fill (run, reformer_at (mask, (gsize) i * most), 1, (gsize) lengths->values[group->first + i]);
  return mask;
}

/* The group's part of labels that each sequence has. */
static ReformerTensor *
cut (ReformerRun    *run,
     const Group    *group,
     ReformerTensor *whole)
{
  const ReformerDType dtype = reformer_tensor_get_dtype (whole);
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (whole, &n_dims);
  const gsize width = n_dims == 1 ? 1 : (gsize) shape[1];
  ReformerTensor *part = n_dims == 1 ? reformer_run_new (run, dtype, 1, (gint64) group->n) : reformer_run_new (run, dtype, 2, (gint64) group->n, shape[1]);

  if (part != NULL)
    reformer_run_copy (run, reformer_at (whole, (gsize) group->first * width), reformer_span (part), (gsize) group->n * width);
  return part;
}

/* Type and width are looked at with each group. */
static gboolean
check_labels (ReformerRun             *run,
              const ReformerLabelForm *form,
              const ReformerLengths   *lengths,
              ReformerTensor          *labels)
{
  const gint64 rows = form->of_tokens && lengths->packed ? 1 : lengths->n;
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (labels, &n_dims);
  g_autofree char *seen = NULL;

  if (shape[0] == rows && (form->of_tokens ? n_dims >= 2 && n_dims <= 3 && shape[1] == lengths->step : n_dims <= 2))
    return TRUE;
  seen = reformer_tensor_to_string (labels);
  if (form->of_tokens)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "labels: %s; wanted those of all tokens, [%" G_GINT64_FORMAT ", %d]", seen, rows, lengths->step);
  else
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "labels: %s; wanted those of all sequences, [%" G_GINT64_FORMAT "]", seen, rows);
  return FALSE;
}

static ReformerTensor *
gather_labels (ReformerRun             *run,
               const ReformerLabelForm *form,
               const ReformerLengths   *lengths,
               const Group             *group,
               ReformerTensor          *labels)
{
  gint32 nothing;

  if (!form->of_tokens)
    return cut (run, group, labels);
  reformer_label_form_fill (form, &nothing, 1);
  return gather (run, lengths, group, labels, (guint32) nothing);
}

static gboolean
read_group (ReformerModel           *self,
            ReformerRun             *run,
            ReformerTensor          *tokens,
            ReformerTensor          *mask,
            ReformerTensor          *labels,
            ReformerInputs          *inputs,
            const ReformerLabelForm *form,
            const Group             *group,
            ReformerInput           *input)
{
  const ReformerLengths *lengths = &inputs->lengths;
  const char *part = reformer_run_part (run, "tokens");
  g_autoptr (ReformerTensor) own_tokens = gather (run, lengths, group, tokens, 0);
  g_autoptr (ReformerTensor) own_mask = mask != NULL ? gather (run, lengths, group, mask, 0) : new_mask (run, lengths, group);
  g_autoptr (ReformerTensor) own_labels = labels != NULL ? gather_labels (run, form, lengths, group, labels) : NULL;

  reformer_run_part (run, part);
  input->first = group->first;
  input->whole = inputs;
  input->total.count = G_MAXSIZE; /* none of its own are needed; what there are in all comes later */
  return reformer_run_ok (run) && reformer_model_read_input (self, run, own_tokens, own_mask, own_labels, input);
}

gboolean
reformer_model_read_inputs (ReformerModel  *self,
                            ReformerRun    *run,
                            ReformerTensor *tokens,
                            ReformerTensor *mask,
                            ReformerTensor *labels,
                            ReformerInputs *inputs)
{
  const ReformerLengths *lengths = &inputs->lengths;
  ReformerTargets all = { 0 };
  ReformerLabelForm form;
  Group group = { 0 };

  inputs->list = g_array_new (FALSE, TRUE, sizeof (ReformerInput));
  g_array_set_clear_func (inputs->list, (GDestroyNotify) reformer_input_clear);
  if (lengths->n == 0)
    {
      g_array_set_size (inputs->list, 1);
      reformer_inputs_get (inputs, 0)->total = inputs->total;
      return reformer_model_read_input (self, run, tokens, mask, labels, reformer_inputs_get (inputs, 0));
    }
  reformer_model_get_label_form (self, &form);
  if (labels != NULL && self->head != NULL && !check_labels (run, &form, lengths, labels))
    return FALSE;
  while (reformer_run_ok (run) && next_group (self, lengths, &group))
    {
      g_array_set_size (inputs->list, inputs->list->len + 1);
      if (read_group (self, run, tokens, mask, labels, inputs, &form, &group, reformer_inputs_get (inputs, inputs->list->len - 1)))
        reformer_targets_add (&all, &reformer_inputs_get (inputs, inputs->list->len - 1)->targets);
    }
  if (reformer_run_ok (run) && labels != NULL && all.count == 0 && inputs->total.count == 0)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "labels: no target in any of %d sequences; wanted at least one", lengths->n);
  for (guint i = 0; i < inputs->list->len; i++)
    reformer_inputs_get (inputs, i)->total = inputs->total.count > 0 ? inputs->total : all;
  return reformer_run_ok (run);
}

/* ---- What they give ---- */

gsize
reformer_input_row_length (ReformerInput *input,
                           gsize          row)
{
  return (gsize) (input->whole != NULL ? input->whole->lengths.values[(gsize) input->first + row] : input->T0);
}

gsize
reformer_input_row_place (ReformerInput *input,
                          gsize          row)
{
  return input->whole != NULL ? input->whole->lengths.places[(gsize) input->first + row] : row * (gsize) input->T0;
}

ReformerTensor *
reformer_input_get_output (ReformerInput *input,
                           int            width,
                           ReformerRun   *run)
{
  ReformerInputs *whole = input->whole;

  if (whole == NULL)
    return reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) input->B, (gint64) input->T0, (gint64) width);
  if (whole->output == NULL)
    {
      whole->output = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) (whole->lengths.packed ? 1 : whole->lengths.n), (gint64) whole->lengths.step, (gint64) width);
      if (whole->output != NULL)
        reformer_run_fill (run, reformer_span (whole->output), 0, reformer_tensor_get_n_elements (whole->output));
    }
  return whole->output != NULL ? g_object_ref (whole->output) : NULL;
}

/* Outputs of tokens are in their place already; those of sequences, [B, width], go among the others. */
static void
keep_output (ReformerInput   *input,
             ReformerTensor  *some,
             ReformerRun     *run,
             ReformerTensor **output)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (some, &n_dims);

  if (*output == NULL && (input->whole == NULL || n_dims == 3))
    *output = g_object_ref (some);
  if (input->whole == NULL || n_dims == 3)
    return;
  if (*output == NULL)
    {
      const char *part = reformer_run_part (run, "output");

      *output = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) input->whole->lengths.n, shape[1]);
      reformer_run_part (run, part);
    }
  if (*output != NULL)
    reformer_run_copy (run, reformer_span (some), reformer_at (*output, (gsize) (input->first * shape[1])), reformer_tensor_get_n_elements (some));
}

ReformerTensor *
reformer_model_forward_inputs (ReformerModel        *self,
                               ReformerInputs       *inputs,
                               gboolean              encode,
                               const ReformerWatch  *watch,
                               GError              **error)
{
  g_autoptr (ReformerTensor) output = NULL;

  for (guint i = 0; i < inputs->list->len; i++)
    {
      ReformerInput *input = reformer_inputs_get (inputs, i);
      g_autoptr (ReformerTape) tape = reformer_model_new_tape (self, input, FALSE, NULL);
      g_autoptr (ReformerTensor) some = NULL;

      reformer_tape_set_record (tape, REFORMER_RECORD_NOTHING);
      reformer_tape_set_watch (tape, watch);
      some = reformer_model_run_forward (self, input, encode, tape);
      if (some != NULL)
        keep_output (input, some, reformer_tape_get_run (tape), &output);
      if (!reformer_tape_check (tape, error))
        return NULL;
      reformer_input_clear (input);
    }
  return g_steal_pointer (&output);
}
