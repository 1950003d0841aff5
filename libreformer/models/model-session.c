/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-session.h"

#include "compute/device-private.h"

/* FALSE and a failed run unless the shape fits. */
static gboolean
check_shape (ReformerModel  *self,
             ReformerTensor *tokens,
             const gint64   *shape,
             gsize           n_dims,
             gint64          start,
             ReformerRun    *run)
{
  const gint64 most = reformer_config_get_max_length (self->config);

  if (reformer_tensor_get_dtype (tokens) != REFORMER_DTYPE_INT32 || n_dims != 2 || shape[0] < 1 || shape[1] < 1)
    {
      g_autofree char *seen = reformer_tensor_to_string (tokens);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "tokens: %s; wanted int32 [B, n] with at least one token", seen);
    }
  else if (reformer_tensor_get_device (tokens) != self->device)
    {
      g_autofree char *seen = reformer_device_describe (reformer_tensor_get_device (tokens)), *wanted = reformer_device_describe (self->device);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "tokens: on the device %s; wanted the model's, %s", seen, wanted);
    }
  else if (shape[1] > most - start)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "the text would have %" G_GINT64_FORMAT " tokens (%" G_GINT64_FORMAT " more than the %" G_GINT64_FORMAT
                       " before); the model has positions for %" G_GINT64_FORMAT " (axial_pos_shape, or max_position_embeddings without axial positions)",
                       start + shape[1], shape[1], start, most);
  else if (start + shape[1] > G_MAXINT32 / 4 / shape[0])
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT " tokens; at most %d tokens fit in one session", shape[0],
                       start + shape[1], G_MAXINT32 / 4);
  return reformer_run_ok (run);
}

ReformerTensor *
reformer_model_read_piece (ReformerModel  *self,
                           ReformerTensor *tokens,
                           gint64          start,
                           int            *B,
                           int            *n,
                           ReformerTape   *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int vocabulary = reformer_config_get_vocab_size (self->config);
  gsize n_dims, count;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tokens, &n_dims);
  g_autofree gint32 *ids = NULL;
  ReformerTensor *copy;
  const char *part;

  if (!check_shape (self, tokens, shape, n_dims, start, run))
    return NULL;
  *B = (int) shape[0];
  *n = (int) shape[1];
  count = reformer_tensor_get_n_elements (tokens);
  ids = g_try_new (gint32, count);
  if (ids == NULL)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for %" G_GSIZE_FORMAT " tokens", count);
      return NULL;
    }
  reformer_run_read (run, reformer_span (tokens), ids, count);
  for (gsize i = 0; i < count && reformer_run_ok (run); i++)
    if (ids[i] < 0 || ids[i] >= vocabulary)
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT,
                         "tokens: the id %d at row %" G_GSIZE_FORMAT ", position %" G_GINT64_FORMAT "; wanted 0 to %d (vocab_size is %d)", ids[i], i / (gsize) *n,
                         start + (gint64) (i % (gsize) *n), vocabulary - 1, vocabulary);
  part = reformer_run_part (run, "tokens");
  copy = reformer_run_new (run, REFORMER_DTYPE_INT32, 2, shape[0], shape[1]);
  reformer_run_part (run, part);
  if (copy != NULL)
    reformer_run_write (run, reformer_span (copy), ids, count);
  return copy;
}

void
reformer_model_embed_piece (ReformerModel   *self,
                            ReformerTensor  *tokens,
                            int              B,
                            int              n,
                            ReformerTensor **streams,
                            ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gint64 H = reformer_config_get_hidden_size (self->config);
  const ReformerRows rows = { 0, (gsize) B * (gsize) n, (gsize) n };
  const char *part = reformer_run_part (run, "streams");

  for (int i = 0; i < reformer_model_get_streams (self); i++)
    streams[i] = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) B, (gint64) n, H);
  reformer_run_part (run, part);
  if (!reformer_run_ok (run))
    return;
  reformer_embedding_run_forward (self->embedding, reformer_span (tokens), reformer_span (streams[0]), &rows, tape);
  if (self->axial != NULL)
    reformer_axial_position_add (self->axial, reformer_span (streams[0]), &rows, tape);
  else
    reformer_position_table_add (self->table, reformer_span (streams[0]), &rows, tape);
  if (streams[1] != NULL)
    reformer_run_copy (run, reformer_span (streams[0]), reformer_span (streams[1]), rows.count * (gsize) H);
}

ReformerTensor *
reformer_model_run_last (ReformerModel   *self,
                         ReformerTensor **streams,
                         int              B,
                         int              n,
                         ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int W = reformer_model_get_width (self), V = reformer_config_get_vocab_size (self->config);
  g_autoptr (ReformerTensor) z = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) W);
  g_autoptr (ReformerTensor) logits = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) B, (gint64) V);

  for (int b = 0; b < B && reformer_run_ok (run); b++)
    reformer_model_run_final (self, streams, (gsize) b * (gsize) n + (gsize) n - 1, 1, reformer_at (z, (gsize) b * (gsize) W), tape);
  if (reformer_run_ok (run))
    reformer_model_run_outputs (self, reformer_span (z), reformer_span (logits), (gsize) B, tape);
  return g_steal_pointer (&logits);
}
