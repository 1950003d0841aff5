/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "info-look.h"

#include "model-folder.h"

#include <stdlib.h>
#include <string.h>

/* Tokens that are looked at where nothing is said. */
#define LENGTH 4096

void
tool_look_clear (ToolLook *self)
{
  g_clear_object (&self->inspection);
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  g_clear_pointer (&self->ids, g_bytes_unref);
  g_clear_pointer (&self->texts, g_hash_table_unref);
}

/* The first tokens of the text. */
static gboolean
read_ids (ToolLook                 *self,
          const ToolInfoAttention  *options,
          ReformerConfig           *config,
          GError                  **error)
{
  const gint64 most = reformer_config_get_max_length (config);
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (options->text);
  g_autoptr (ReformerTextDataset) dataset = reformer_text_dataset_new (file, self->tokenizer);
  g_autoptr (ReformerSample) sample = NULL;

  if (options->length > most)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "--length is %" G_GINT64_FORMAT "; the model has positions for %" G_GINT64_FORMAT, options->length, most);
      return FALSE;
    }
  reformer_text_dataset_set_held_out_fraction (dataset, 0); /* all of it may be looked at */
  sample = reformer_dataset_read_sample (REFORMER_DATASET (dataset), 0, (int) MIN (options->length > 0 ? options->length : LENGTH, most), error);
  if (sample == NULL)
    return FALSE;
  self->ids = g_bytes_ref (reformer_sample_get_tokens (sample));
  self->n_tokens = g_bytes_get_size (self->ids) / sizeof (gint32);
  if (options->token < (gint64) self->n_tokens)
    return TRUE;
  g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "--token is %" G_GINT64_FORMAT "; the first %" G_GSIZE_FORMAT " tokens of the text are looked at, 0 to %" G_GSIZE_FORMAT
               " is wanted", options->token, self->n_tokens, self->n_tokens - 1);
  return FALSE;
}

gint32
tool_look_get_id (const ToolLook *self,
                  gsize           place)
{
  return ((const gint32 *) g_bytes_get_data (self->ids, NULL))[place];
}

/* What an id stands for. Where a text begins a tokenizer may drop a blank, so it is the second of two that is looked at. */
static GBytes *
decode_id (ToolLook  *self,
           gint32     id,
           GError   **error)
{
  const gint32 ids[2] = { id, id };
  g_autoptr (GBytes) one = g_bytes_new (ids, sizeof ids[0]);
  g_autoptr (GBytes) two = g_bytes_new (ids, sizeof ids);
  g_autoptr (GBytes) first = reformer_tokenizer_decode (self->tokenizer, one, error);
  g_autoptr (GBytes) both = first != NULL ? reformer_tokenizer_decode (self->tokenizer, two, error) : NULL;
  gsize n, n_both;
  const char *data, *all;

  if (both == NULL)
    return NULL;
  data = g_bytes_get_data (first, &n);
  all = g_bytes_get_data (both, &n_both);
  if (n > 0 && n_both > n && memcmp (data, all, n) == 0)
    return g_bytes_new_from_bytes (both, n, n_both - n);
  return n > 0 ? g_steal_pointer (&first) : g_steal_pointer (&both);
}

static gboolean
decode_ids (ToolLook  *self,
            GError   **error)
{
  self->texts = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_bytes_unref);
  for (gsize i = 0; i < self->n_tokens; i++)
    {
      const gint32 id = tool_look_get_id (self, i);
      GBytes *text;

      if (g_hash_table_contains (self->texts, GINT_TO_POINTER (id)))
        continue;
      text = decode_id (self, id, error);
      if (text == NULL)
        return FALSE;
      g_hash_table_insert (self->texts, GINT_TO_POINTER (id), text);
    }
  return TRUE;
}

gboolean
tool_look_at (ToolLook                 *self,
              const char               *path,
              const ToolInfoAttention  *options,
              GError                  **error)
{
  g_autoptr (GFile) folder = g_file_new_for_commandline_arg (path);
  g_autoptr (ReformerConfig) config = reformer_config_load (folder, NULL, error);
  g_autoptr (ReformerDevice) device = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;

  self->tokenizer = config != NULL ? tool_need_tokenizer (folder, config, NULL, error) : NULL;
  if (self->tokenizer == NULL || !read_ids (self, options, config, error) || (options->token >= 0 && !decode_ids (self, error)))
    return FALSE;
  device = tool_open_device (options->device, 0, error);
  if (device == NULL)
    return FALSE;
  tokens = reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_INT32, (gint64[]) { 1, (gint64) self->n_tokens }, 2, self->ids, error);
  if (tokens == NULL)
    return FALSE;
  self->model = reformer_model_load (device, folder, NULL, error);
  if (self->model == NULL)
    return FALSE;
  self->inspection = reformer_inspection_new (self->model);
  return reformer_inspection_run (self->inspection, tokens, NULL, error);
}

/* ---- Buckets ---- */

void
tool_buckets_clear (ToolBuckets *self)
{
  g_clear_pointer (&self->bytes, g_bytes_unref);
}

gboolean
tool_look_read_buckets (ToolLook     *self,
                        guint         layer,
                        ToolBuckets  *buckets,
                        GError      **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (ReformerTensor) tensor = reformer_inspection_get_buckets (self->inspection, layer, &local);
  g_autofree gint64 *shape = NULL;
  gsize n_dims;

  if (tensor == NULL && g_error_matches (local, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED))
    return TRUE;
  if (tensor != NULL)
    buckets->bytes = reformer_tensor_to_bytes (tensor, &local);
  if (buckets->bytes == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  shape = reformer_tensor_get_shape (tensor, &n_dims);
  buckets->data = g_bytes_get_data (buckets->bytes, NULL);
  buckets->heads = (int) shape[1];
  buckets->rounds = (int) shape[2];
  return TRUE;
}

const gint32 *
tool_look_get_round (const ToolLook    *self,
                     const ToolBuckets *buckets,
                     int                head,
                     int                round)
{
  return buckets->data + ((gsize) head * (gsize) buckets->rounds + (gsize) round) * self->n_tokens;
}

int
tool_compare_ints (gconstpointer a,
                   gconstpointer b)
{
  const gint32 x = *(const gint32 *) a, y = *(const gint32 *) b;

  return x < y ? -1 : x > y;
}

GArray *
tool_look_count_sizes (const ToolLook    *self,
                       const ToolBuckets *buckets,
                       int                head,
                       int                round)
{
  GArray *sizes = g_array_new (FALSE, FALSE, sizeof (ToolBucketSize));
  g_autofree gint32 *sorted = g_memdup2 (tool_look_get_round (self, buckets, head, round), self->n_tokens * sizeof *sorted);

  qsort (sorted, self->n_tokens, sizeof *sorted, tool_compare_ints);
  for (gsize i = 0; i < self->n_tokens; i++)
    {
      if (i == 0 || sorted[i] != sorted[i - 1])
        g_array_append_val (sizes, ((ToolBucketSize) { sorted[i], 0 }));
      g_array_index (sizes, ToolBucketSize, sizes->len - 1).tokens++;
    }
  return sizes;
}

/* ---- A token ---- */

GBytes *
tool_look_get_text (const ToolLook *self,
                    int             place)
{
  return (gsize) place < self->n_tokens ? g_hash_table_lookup (self->texts, GINT_TO_POINTER (tool_look_get_id (self, (gsize) place))) : NULL;
}

GVariant *
tool_look_list_keys (const ToolLook          *self,
                     guint                    layer,
                     guint                    head,
                     const ToolInfoAttention *options)
{
  return reformer_inspection_list_keys (self->inspection, layer, 0, head, (guint) options->token, (guint) options->keys, NULL); /* all of them are there */
}
