/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-globals.h"

#include "compute/device-private.h"

/* Reading and checking of what callers give to a model, on the host: every id and label is looked at before a kernel sees it. */

/* Short sequences, for which no layer makes chunks, run together where one is longer than the other by less than this. */
#define SHORT_STEP 16

void
reformer_input_clear (ReformerInput *input)
{
  g_clear_object (&input->ids);
  g_clear_object (&input->values);
  g_clear_object (&input->mask);
  g_clear_object (&input->labels);
  g_clear_object (&input->weights);
}

void
reformer_model_sight_clear (ReformerModelSight *sight)
{
  g_clear_object (&sight->outputs);
  g_clear_object (&sight->labels);
  g_clear_object (&sight->mask);
}

static gint64
lcm (gint64 a,
     gint64 b)
{
  gint64 x = a, y = b;

  while (y != 0)
    {
      const gint64 rest = x % y;

      x = y;
      y = rest;
    }
  return a / x * b;
}

/* To a multiple of what sequences are padded, and up to what length they are not. */
static void
find_padding (ReformerModel *self,
              gint64        *multiple,
              gint64        *least)
{
  const char *const *kinds = reformer_config_get_attn_layers (self->config);
  const guint n = reformer_config_get_n_layers (self->config);

  *multiple = 1;
  *least = G_MAXINT64;
  for (guint i = 0; i < n; i++)
    {
      gint64 chunk;

      if (g_str_equal (kinds[i], "lsh"))
        chunk = reformer_config_get_lsh_attn_chunk_length (self->config);
      else if (g_str_equal (kinds[i], "local"))
        chunk = reformer_config_get_local_attn_chunk_length (self->config);
      else
        continue;
      *multiple = lcm (*multiple, chunk);
      *least = MIN (*least, chunk);
    }
}

gint64
reformer_model_pad_length (ReformerModel *self,
                           gint64         length)
{
  gint64 multiple, least;

  find_padding (self, &multiple, &least);
  return length <= least || length % multiple == 0 ? length : (length / multiple + 1) * multiple;
}

gint64
reformer_model_pad_kind (ReformerModel *self,
                         gint64         length,
                         gboolean       exact)
{
  gint64 multiple, least;

  find_padding (self, &multiple, &least);
  if (length > least)
    return (length + multiple - 1) / multiple;
  return exact ? -length : -((length + SHORT_STEP - 1) / SHORT_STEP);
}

/* ---- Shapes ---- */

gboolean
reformer_input_check_device (ReformerModel  *self,
                             ReformerRun    *run,
                             const char     *name,
                             ReformerTensor *tensor)
{
  g_autofree char *seen = NULL, *wanted = NULL;

  if (reformer_tensor_get_device (tensor) == self->device)
    return TRUE;
  seen = reformer_device_describe (reformer_tensor_get_device (tensor));
  wanted = reformer_device_describe (self->device);
  reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "%s: on the device %s; wanted the model's, %s", name, seen, wanted);
  return FALSE;
}

static gboolean
check_tensor (ReformerModel  *self,
              ReformerRun    *run,
              const char     *name,
              ReformerTensor *tensor,
              gboolean        bytes_too,
              int             B,
              int             T)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tensor, &n_dims);
  const ReformerDType dtype = reformer_tensor_get_dtype (tensor);
  const gboolean fits = n_dims == 2 && (B == 0 || (shape[0] == B && shape[1] == T)) &&
                        (dtype == REFORMER_DTYPE_INT32 || (bytes_too && dtype == REFORMER_DTYPE_UINT8));

  if (!fits)
    {
      g_autofree char *seen = reformer_tensor_to_string (tensor);
      g_autofree char *size = B == 0 ? g_strdup ("[B, T]") : g_strdup_printf ("[%d, %d]", B, T);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%s: %s; wanted int32%s %s", name, seen, bytes_too ? " or uint8" : "", size);
      return FALSE;
    }
  return reformer_input_check_device (self, run, name, tensor);
}

/* The tokens' shape: [B, T] or [B, T, F]. */
gboolean
reformer_input_check_tokens (ReformerModel  *self,
                             ReformerRun    *run,
                             ReformerTensor *tokens)
{
  const int features = reformer_config_get_input_features (self->config);
  gsize n_dims;
  g_autofree gint64 *shape = NULL;
  g_autofree char *seen = NULL;

  if (features == 0)
    return check_tensor (self, run, "tokens", tokens, FALSE, 0, 0);
  shape = reformer_tensor_get_shape (tokens, &n_dims);
  if (reformer_tensor_get_dtype (tokens) == REFORMER_DTYPE_FLOAT32 && n_dims == 3 && shape[2] == features)
    return reformer_input_check_device (self, run, "tokens", tokens);
  seen = reformer_tensor_to_string (tokens);
  reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "tokens: %s; wanted float32 [B, T, %d] (input_features is %d)", seen, features, features);
  return FALSE;
}

static gboolean
check_length (ReformerModel *self,
              ReformerRun   *run,
              gint64         B,
              gint64         T)
{
  const gint64 most = reformer_config_get_max_length (self->config), padded = reformer_model_pad_length (self, T);

  if (T > most)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "the sequence has %" G_GINT64_FORMAT " tokens; the model has positions for %" G_GINT64_FORMAT
                       " (axial_pos_shape, or max_position_embeddings without axial positions)", T, most);
  else if (padded > G_MAXINT32 / 2 / B)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "%" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT " tokens; at most %d tokens fit in one call", B, padded,
                       G_MAXINT32 / 2);
  return reformer_run_ok (run);
}

/* ---- Values ---- */

gint32 *
reformer_input_host_array (ReformerRun *run,
                           gsize        n)
{
  gint32 *values = g_try_new (gint32, n);

  if (values == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for %" G_GSIZE_FORMAT " tokens", n);
  return values;
}

/* A tensor's elements as int32. */
static gint32 *
read_values (ReformerRun    *run,
             ReformerTensor *tensor)
{
  const gsize n = reformer_tensor_get_n_elements (tensor);
  gint32 *values = reformer_input_host_array (run, n);

  if (values == NULL)
    return NULL;
  if (reformer_tensor_get_dtype (tensor) == REFORMER_DTYPE_INT32)
    reformer_run_read (run, reformer_span (tensor), values, n);
  else
    {
      guint8 *bytes = (guint8 *) values + 3 * n; /* the last quarter: widened from the front, each before it is overwritten */

      reformer_run_read (run, reformer_span (tensor), bytes, n);
      for (gsize i = 0; i < n; i++)
        values[i] = bytes[i];
    }
  return values;
}

/* Values NULL: for a planner, which looks at none. */
static ReformerTensor *
upload (ReformerRun   *run,
        ReformerInput *input,
        const gint32  *values)
{
  ReformerTensor *tensor = reformer_run_new (run, REFORMER_DTYPE_INT32, 2, (gint64) input->B, (gint64) input->T);

  if (tensor != NULL)
    reformer_run_write (run, reformer_span (tensor), values, (gsize) input->B * (gsize) input->T);
  return tensor;
}

static void
read_ids (ReformerModel  *self,
          ReformerRun    *run,
          ReformerTensor *tokens,
          ReformerInput  *input)
{
  const int vocabulary = reformer_config_get_vocab_size (self->config);
  const int pad = CLAMP (reformer_config_get_pad_token_id (self->config), 0, vocabulary - 1);
  g_autofree gint32 *given = NULL, *padded = NULL;

  if (reformer_device_is_planner (self->device))
    {
      input->ids = upload (run, input, NULL);
      return;
    }
  given = read_values (run, tokens);
  padded = given != NULL ? reformer_input_host_array (run, (gsize) input->B * (gsize) input->T) : NULL;
  if (padded == NULL)
    return;
  for (int b = 0; b < input->B; b++)
    for (int t = 0; t < input->T; t++)
      {
        gint32 id = pad;

        if (t < input->T0)
          {
            id = given[(gsize) b * input->T0 + t];
            if (id < 0 || id >= vocabulary)
              {
                reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "tokens: the id %d at row %d, position %d; wanted 0 to %d (vocab_size is %d)", id, input->first + b, t,
                                   vocabulary - 1, vocabulary);
                return;
              }
          }
        padded[(gsize) b * input->T + t] = id;
      }
  input->ids = upload (run, input, padded);
}

/* Padding always makes a mask; a mask without a 0 is none. */
static void
read_mask (ReformerRun    *run,
           ReformerTensor *mask,
           ReformerInput  *input)
{
  const gsize n = (gsize) input->B * (gsize) input->T;
  const gboolean planner = reformer_device_is_planner (run->device);
  g_autofree gint32 *given = mask != NULL && !planner ? read_values (run, mask) : NULL;
  g_autofree guint8 *kept = NULL;
  gboolean any = input->T > input->T0 || (mask != NULL && planner);

  if (!reformer_run_ok (run))
    return;
  for (gsize i = 0; given != NULL && i < (gsize) input->B * (gsize) input->T0 && !any; i++)
    any = given[i] == 0;
  if (!any)
    return;
  kept = planner ? NULL : g_try_malloc (n);
  if (kept == NULL && !planner)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for a mask of %" G_GSIZE_FORMAT " tokens", n);
      return;
    }
  for (int b = 0; kept != NULL && b < input->B; b++)
    for (int t = 0; t < input->T; t++)
      kept[(gsize) b * input->T + t] = t < input->T0 && (given == NULL || given[(gsize) b * input->T0 + t] != 0);
  input->mask = reformer_run_new (run, REFORMER_DTYPE_UINT8, 2, (gint64) input->B, (gint64) input->T);
  if (input->mask != NULL)
    reformer_run_write (run, reformer_span (input->mask), kept, n);
}

gboolean
reformer_model_read_input (ReformerModel  *self,
                           ReformerRun    *run,
                           ReformerTensor *tokens,
                           ReformerTensor *mask,
                           ReformerTensor *labels,
                           ReformerInput  *input)
{
  const char *part = reformer_run_part (run, "tokens");
  g_autofree gint64 *shape = NULL;
  gsize n_dims;

  if (reformer_input_check_tokens (self, run, tokens))
    {
      shape = reformer_tensor_get_shape (tokens, &n_dims);
      if (check_length (self, run, shape[0], shape[1]))
        {
          input->B = (int) shape[0];
          input->T0 = (int) shape[1];
          input->T = (int) reformer_model_pad_length (self, shape[1]);
        }
    }
  if (reformer_run_ok (run) && labels != NULL && self->head == NULL)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "the model has no head, so it has no loss; wanted a head such as language");
  if (reformer_run_ok (run) && mask != NULL)
    check_tensor (self, run, "mask", mask, TRUE, input->B, input->T0);
  if (reformer_run_ok (run))
    reformer_model_check_globals (self, run, input);
  if (reformer_run_ok (run) && self->projection != NULL)
    reformer_model_read_vectors (self, run, tokens, input);
  else if (reformer_run_ok (run))
    read_ids (self, run, tokens, input);
  if (reformer_run_ok (run))
    read_mask (run, mask, input);
  if (reformer_run_ok (run) && labels != NULL)
    reformer_model_read_labels (self, run, labels, input);
  if (input->total.count == 0)
    input->total = input->targets;
  reformer_run_part (run, part);
  return reformer_run_ok (run);
}
