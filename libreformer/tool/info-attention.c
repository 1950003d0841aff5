/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "info-attention.h"

#include "model-folder.h"

#include <string.h>

#define LENGTH 4096

typedef struct
{
  ReformerModel      *model;
  ReformerInspection *inspection;
  gsize               n_tokens;
} Look;

static void
look_clear (Look *self)
{
  g_clear_object (&self->inspection);
  g_clear_object (&self->model);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Look, look_clear)

/* The first tokens of the text, [1, T]. */
static ReformerTensor *
read_tokens (const ToolInfoAttention  *options,
             ReformerTokenizer        *tokenizer,
             ReformerConfig           *config,
             ReformerDevice           *device,
             GError                  **error)
{
  const gint64 most = reformer_config_get_max_length (config);
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (options->text);
  g_autoptr (ReformerTextDataset) dataset = reformer_text_dataset_new (file, tokenizer);
  g_autoptr (ReformerSample) sample = NULL;
  GBytes *ids;
  gint64 shape[2] = { 1, 0 };

  if (options->length > most)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "--length is %" G_GINT64_FORMAT "; the model has positions for %" G_GINT64_FORMAT, options->length, most);
      return NULL;
    }
  sample = reformer_dataset_read_sample (REFORMER_DATASET (dataset), 0, (int) MIN (options->length > 0 ? options->length : LENGTH, most), error);
  if (sample == NULL)
    return NULL;
  ids = reformer_sample_get_tokens (sample);
  shape[1] = (gint64) (g_bytes_get_size (ids) / sizeof (gint32));
  return reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_INT32, shape, 2, ids, error);
}

static gboolean
look (Look                     *self,
      const char               *path,
      const ToolInfoAttention  *options,
      GError                  **error)
{
  g_autoptr (GFile) folder = g_file_new_for_commandline_arg (path);
  g_autoptr (ReformerConfig) config = reformer_config_load (folder, NULL, error);
  g_autoptr (ReformerTokenizer) tokenizer = config != NULL ? tool_need_tokenizer (folder, config, NULL, error) : NULL;
  g_autoptr (ReformerDevice) device = tokenizer != NULL ? tool_open_device (options->device, 0, error) : NULL;
  g_autoptr (ReformerTensor) tokens = device != NULL ? read_tokens (options, tokenizer, config, device, error) : NULL;

  if (tokens == NULL)
    return FALSE;
  self->n_tokens = reformer_tensor_get_n_elements (tokens);
  self->model = reformer_model_load (device, folder, NULL, error);
  if (self->model == NULL)
    return FALSE;
  self->inspection = reformer_inspection_new (self->model);
  return reformer_inspection_run (self->inspection, tokens, NULL, error);
}

/* ---- Printing ---- */

typedef struct
{
  int    rounds, largest, queries;
  double buckets, coverage, distance;
} Head;

static Head
read_head (GVariant *heads,
           gsize     number)
{
  g_autoptr (GVariant) values = g_variant_get_child_value (heads, number);
  Head head = { 0 };

  g_variant_lookup (values, "rounds", "i", &head.rounds);
  g_variant_lookup (values, "buckets", "d", &head.buckets);
  g_variant_lookup (values, "largest", "i", &head.largest);
  g_variant_lookup (values, "coverage", "d", &head.coverage);
  g_variant_lookup (values, "distance", "d", &head.distance);
  g_variant_lookup (values, "queries", "i", &head.queries);
  return head;
}

static json_t *
layer_to_json (Look     *self,
               guint     layer,
               GVariant *heads)
{
  json_t *array = json_array ();

  for (gsize i = 0; i < g_variant_n_children (heads); i++)
    {
      const Head head = read_head (heads, i);

      json_array_append_new (array, json_pack ("{s:i, s:f, s:i, s:f, s:f, s:i}", "rounds", head.rounds, "buckets", head.buckets, "largest", head.largest,
                                               "coverage", head.coverage, "distance", head.distance, "queries", head.queries));
    }
  return json_pack ("{s:s, s:s, s:o}", "name", reformer_inspection_get_name (self->inspection, layer), "kind", reformer_inspection_get_kind (self->inspection, layer),
                    "heads", array);
}

static void
add_row (GPtrArray *rows,
         char      *first,
         ...)
{
  GPtrArray *row = g_ptr_array_new ();
  va_list cells;

  va_start (cells, first);
  for (char *cell = first; cell != NULL; cell = va_arg (cells, char *))
    g_ptr_array_add (row, cell);
  va_end (cells);
  g_ptr_array_add (row, NULL);
  g_ptr_array_add (rows, g_ptr_array_free (row, FALSE));
}

static void
add_heads (Look      *self,
           guint      layer,
           GVariant  *heads,
           GPtrArray *rows)
{
  for (gsize i = 0; i < g_variant_n_children (heads); i++)
    {
      const Head head = read_head (heads, i);
      const gboolean hashed = head.rounds > 0;

      add_row (rows, g_strdup (reformer_inspection_get_name (self->inspection, layer)), g_strdup (reformer_inspection_get_kind (self->inspection, layer)),
               g_strdup_printf ("%" G_GSIZE_FORMAT, i), hashed ? g_strdup_printf ("%d", head.rounds) : g_strdup ("-"), hashed ? g_strdup_printf ("%.1f", head.buckets) : g_strdup ("-"),
               hashed ? g_strdup_printf ("%d", head.largest) : g_strdup ("-"), g_strdup_printf ("%.1f %%", 100 * head.coverage), g_strdup_printf ("%.1f", head.distance), NULL);
    }
}

int
tool_info_attention (const char              *path,
                     const ToolInfoAttention *options)
{
  g_auto (Look) self = { NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autofree char *text = g_filename_display_name (options->text);
  json_t *layers = json_array ();
  GError *error = NULL;
  int queries = 0;

  if (!look (&self, path, options, &error))
    {
      json_decref (layers);
      return tool_fail_error (error);
    }
  add_row (rows, g_strdup ("layer"), g_strdup ("kind"), g_strdup ("head"), g_strdup ("rounds"), g_strdup ("buckets"), g_strdup ("largest"), g_strdup ("coverage"), g_strdup ("distance"), NULL);
  for (guint i = 0; i < reformer_inspection_get_n_layers (self.inspection); i++)
    {
      g_autoptr (GVariant) heads = reformer_inspection_measure (self.inspection, i, (guint) options->queries, NULL); /* of a layer that is there */

      queries = read_head (heads, 0).queries;
      json_array_append_new (layers, layer_to_json (&self, i, heads));
      add_heads (&self, i, heads, rows);
    }
  if (options->json)
    {
      tool_print_json (json_pack ("{s:o, s:o, s:I, s:i, s:o}", "path", tool_json_string (path), "text", tool_json_string (text), "tokens", (json_int_t) self.n_tokens,
                                  "queries", queries, "layers", layers));
      return TOOL_DONE;
    }
  json_decref (layers);
  tool_print_field ("text", "%s, the first %" G_GSIZE_FORMAT " tokens", text, self.n_tokens);
  tool_print_field ("measured", "%d tokens%s", queries, (gsize) queries < self.n_tokens ? ", drawn, the same ones every time" : "");
  tool_print_table (rows, "llrrrrrr");
  return TOOL_DONE;
}
