/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/input.h"

/* Rows are counted by int on the device. */
static gboolean
check_count (ReformerLayer *self,
             ReformerRun   *run,
             const char    *what,
             gsize          n_rows)
{
  if (n_rows > G_MAXINT32)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%s of %s has %" G_GSIZE_FORMAT " rows; at most %d are possible", what,
                       G_OBJECT_TYPE_NAME (self), n_rows, G_MAXINT32);
  return reformer_run_ok (run);
}

gboolean
reformer_input_rows (ReformerLayer  *self,
                     ReformerRun    *run,
                     const char     *what,
                     ReformerTensor *tensor,
                     int             width,
                     gsize          *n_rows)
{
  gsize n_dims;
  g_autofree gint64 *shape = NULL;

  *n_rows = 0;
  if (!reformer_run_ok (run))
    return FALSE;
  shape = reformer_tensor_get_shape (tensor, &n_dims);
  if (reformer_tensor_get_dtype (tensor) != REFORMER_DTYPE_FLOAT32 || n_dims == 0 || shape[n_dims - 1] != width)
    {
      g_autofree char *seen = reformer_tensor_to_string (tensor);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%s of %s is %s; wanted float32 [..., %d]", what,
                         G_OBJECT_TYPE_NAME (self), seen, width);
      return FALSE;
    }
  *n_rows = reformer_tensor_get_n_elements (tensor) / (gsize) width;
  return check_count (self, run, what, *n_rows);
}

gboolean
reformer_input_tokens (ReformerLayer  *self,
                       ReformerRun    *run,
                       const char     *what,
                       ReformerTensor *tensor,
                       int             width,
                       ReformerRows   *rows)
{
  gsize n_dims;
  g_autofree gint64 *shape = NULL;

  *rows = (ReformerRows) { 0, 0, 1 };
  if (!reformer_run_ok (run))
    return FALSE;
  shape = reformer_tensor_get_shape (tensor, &n_dims);
  if (reformer_tensor_get_dtype (tensor) != REFORMER_DTYPE_FLOAT32 || n_dims != 3 || shape[2] != width)
    {
      g_autofree char *seen = reformer_tensor_to_string (tensor);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%s of %s is %s; wanted float32 [B, T, %d]", what,
                         G_OBJECT_TYPE_NAME (self), seen, width);
      return FALSE;
    }
  *rows = (ReformerRows) { 0, (gsize) shape[0] * (gsize) shape[1], (gsize) shape[1] };
  return check_count (self, run, what, rows->count);
}

gboolean
reformer_input_ids (ReformerLayer  *self,
                    ReformerRun    *run,
                    ReformerTensor *ids,
                    ReformerRows   *rows)
{
  gsize n_dims;
  g_autofree gint64 *shape = NULL;

  *rows = (ReformerRows) { 0, 0, 1 };
  if (!reformer_run_ok (run))
    return FALSE;
  shape = reformer_tensor_get_shape (ids, &n_dims);
  if (reformer_tensor_get_dtype (ids) != REFORMER_DTYPE_INT32 || n_dims != 2)
    {
      g_autofree char *seen = reformer_tensor_to_string (ids);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "input of %s is %s; wanted int32 [B, T]", G_OBJECT_TYPE_NAME (self), seen);
      return FALSE;
    }
  *rows = (ReformerRows) { 0, (gsize) shape[0] * (gsize) shape[1], (gsize) shape[1] };
  return check_count (self, run, "input", rows->count);
}

gboolean
reformer_input_agree (ReformerLayer *self,
                      ReformerRun   *run,
                      gsize          of_gradient,
                      gsize          of_input)
{
  if (of_gradient != of_input)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE,
                       "gradient of %s has %" G_GSIZE_FORMAT " rows; wanted the %" G_GSIZE_FORMAT " of the input", G_OBJECT_TYPE_NAME (self),
                       of_gradient, of_input);
  return reformer_run_ok (run);
}

ReformerTensor *
reformer_input_pop (ReformerLayer *self,
                    ReformerTape  *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  ReformerTensor *saved = reformer_run_ok (run) ? reformer_tape_pop (tape) : NULL;

  if (saved == NULL)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT,
                       "backward of %s: nothing on the tape; its forward must come first, with the tape recording", G_OBJECT_TYPE_NAME (self));
  return saved;
}

ReformerTensor *
reformer_input_new (ReformerRun    *run,
                    ReformerTensor *like,
                    int             width)
{
  gsize n_dims, n_rows = 1;
  g_autofree gint64 *shape = reformer_tensor_get_shape (like, &n_dims);
  g_autoptr (ReformerTensor) flat = NULL;
  ReformerTensor *tensor = NULL;

  for (gsize i = 0; i + 1 < n_dims; i++)
    n_rows *= (gsize) shape[i];
  flat = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) n_rows, (gint64) width);
  if (flat != NULL)
    {
      GError *error = NULL;

      shape[n_dims - 1] = width;
      tensor = reformer_tensor_reshape (flat, shape, n_dims, &error);
      if (tensor == NULL)
        reformer_run_take (run, error);
    }
  return tensor;
}

ReformerTensor *
reformer_input_copy (ReformerRun    *run,
                     ReformerTensor *from)
{
  ReformerTensor *copy = reformer_run_new_like (run, from);

  if (copy != NULL)
    reformer_run_copy (run, reformer_span (from), reformer_span (copy), reformer_tensor_get_n_elements (from));
  return copy;
}
