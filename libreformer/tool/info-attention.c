/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "info-attention.h"

#include "info-look.h"

#include <stdio.h>

/* Characters of a token's text in a table. */
#define MOST_TEXT 40

/* ---- A head ---- */

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

/* ---- JSON ---- */

static json_t *
text_to_json (GBytes *text)
{
  gsize n = 0;
  const char *data = text != NULL ? g_bytes_get_data (text, &n) : NULL;
  g_autofree char *valid = g_utf8_make_valid (n > 0 ? data : "", (gssize) n);

  return json_string (valid);
}

static json_t *
sizes_to_json (const ToolLook    *self,
               const ToolBuckets *buckets,
               int                head)
{
  json_t *rounds = json_array ();

  for (int r = 0; r < buckets->rounds; r++)
    {
      g_autoptr (GArray) sizes = tool_look_count_sizes (self, buckets, head, r);
      json_t *round = json_array ();

      for (guint i = 0; i < sizes->len; i++)
        json_array_append_new (round, json_pack ("[i, i]", g_array_index (sizes, ToolBucketSize, i).bucket, g_array_index (sizes, ToolBucketSize, i).tokens));
      json_array_append_new (rounds, round);
    }
  return rounds;
}

static void
add_token_to_json (const ToolLook          *self,
                   guint                    layer,
                   int                      head,
                   const ToolBuckets       *buckets,
                   const ToolInfoAttention *options,
                   json_t                  *object)
{
  g_autoptr (GVariant) keys = tool_look_list_keys (self, layer, (guint) head, options);
  json_t *rounds = json_array (), *array = json_array ();
  GVariantIter iter;
  double weight;
  int place, round;

  for (int r = 0; r < buckets->rounds; r++)
    json_array_append_new (rounds, json_integer (tool_look_get_round (self, buckets, head, r)[options->token]));
  g_variant_iter_init (&iter, keys);
  while (g_variant_iter_next (&iter, "(iid)", &place, &round, &weight))
    json_array_append_new (array, json_pack ("{s:i, s:o, s:i, s:f}", "place", place, "text", text_to_json (tool_look_get_text (self, place)), "round", round, "weight", weight));
  json_object_set_new (object, "token_buckets", rounds);
  json_object_set_new (object, "keys", array);
}

static json_t *
layer_to_json (ToolLook                 *self,
               guint                     layer,
               const ToolInfoAttention  *options,
               int                      *queries,
               GError                  **error)
{
  g_autoptr (GVariant) heads = reformer_inspection_measure (self->inspection, layer, (guint) options->queries, NULL); /* of a layer that is there */
  g_auto (ToolBuckets) buckets = { NULL };
  json_t *array;

  if (!tool_look_read_buckets (self, layer, &buckets, error))
    return NULL;
  array = json_array ();
  for (gsize i = 0; i < g_variant_n_children (heads); i++)
    {
      const Head head = read_head (heads, i);
      json_t *object = json_pack ("{s:i, s:f, s:i, s:f, s:f, s:i, s:o}", "rounds", head.rounds, "buckets", head.buckets, "largest", head.largest,
                                  "coverage", head.coverage, "distance", head.distance, "queries", head.queries, "bucket_sizes", sizes_to_json (self, &buckets, (int) i));

      if (options->token >= 0)
        add_token_to_json (self, layer, (int) i, &buckets, options, object);
      json_array_append_new (array, object);
      *queries = head.queries;
    }
  return json_pack ("{s:s, s:s, s:o}", "name", reformer_inspection_get_name (self->inspection, layer), "kind", reformer_inspection_get_kind (self->inspection, layer),
                    "heads", array);
}

static gboolean
print_json (ToolLook                 *self,
            const char               *path,
            const char               *text,
            const ToolInfoAttention  *options,
            GError                  **error)
{
  json_auto_t *layers = json_array ();
  json_t *token = NULL;
  int queries = 0;

  for (guint i = 0; i < reformer_inspection_get_n_layers (self->inspection); i++)
    {
      json_t *layer = layer_to_json (self, i, options, &queries, error);

      if (layer == NULL)
        return FALSE;
      json_array_append_new (layers, layer);
    }
  if (options->token >= 0)
    token = json_pack ("{s:I, s:i, s:o}", "place", (json_int_t) options->token, "id", tool_look_get_id (self, (gsize) options->token),
                       "text", text_to_json (tool_look_get_text (self, (int) options->token)));
  tool_print_json (json_pack ("{s:o, s:o, s:I, s:i, s:o, s:O}", "path", tool_json_string (path), "text", tool_json_string (text), "tokens", (json_int_t) self->n_tokens,
                              "queries", queries, "token", token != NULL ? token : json_null (), "layers", layers));
  return TRUE;
}

/* ---- Text ---- */

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

static GPtrArray *
new_rows (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
}

static char *
get_name (const ToolLook *self,
          guint           layer)
{
  return g_strdup (reformer_inspection_get_name (self->inspection, layer));
}

static void
add_heads (ToolLook  *self,
           guint      layer,
           GVariant  *heads,
           GPtrArray *rows)
{
  for (gsize i = 0; i < g_variant_n_children (heads); i++)
    {
      const Head head = read_head (heads, i);
      const gboolean hashed = head.rounds > 0;

      add_row (rows, get_name (self, layer), g_strdup (reformer_inspection_get_kind (self->inspection, layer)),
               g_strdup_printf ("%" G_GSIZE_FORMAT, i), hashed ? g_strdup_printf ("%d", head.rounds) : g_strdup ("-"), hashed ? g_strdup_printf ("%.1f", head.buckets) : g_strdup ("-"),
               hashed ? g_strdup_printf ("%d", head.largest) : g_strdup ("-"), g_strdup_printf ("%.1f %%", 100 * head.coverage), g_strdup_printf ("%.1f", head.distance), NULL);
    }
}

/* A row for each round: sizes of the buckets that have tokens, those of all heads together. */
static gboolean
add_sizes (ToolLook   *self,
           guint       layer,
           GPtrArray  *rows,
           GError    **error)
{
  g_auto (ToolBuckets) buckets = { NULL };

  if (!tool_look_read_buckets (self, layer, &buckets, error))
    return FALSE;
  for (int r = 0; r < buckets.rounds; r++)
    {
      g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (gint32));

      for (int h = 0; h < buckets.heads; h++)
        {
          g_autoptr (GArray) sizes = tool_look_count_sizes (self, &buckets, h, r);

          for (guint i = 0; i < sizes->len; i++)
            g_array_append_val (all, g_array_index (sizes, ToolBucketSize, i).tokens);
        }
      g_array_sort (all, tool_compare_ints);
      add_row (rows, get_name (self, layer), g_strdup_printf ("%d", r), g_strdup_printf ("%.1f", (double) all->len / buckets.heads),
               g_strdup_printf ("%d", g_array_index (all, gint32, 0)), g_strdup_printf ("%d", g_array_index (all, gint32, all->len / 2)),
               g_strdup_printf ("%d", g_array_index (all, gint32, all->len - 1)), NULL);
    }
  return TRUE;
}

static gboolean
print_heads (ToolLook                 *self,
             const char               *text,
             const ToolInfoAttention  *options,
             GError                  **error)
{
  g_autoptr (GPtrArray) rows = new_rows ();
  g_autoptr (GPtrArray) sizes = new_rows ();
  int queries = 0;

  add_row (rows, g_strdup ("layer"), g_strdup ("kind"), g_strdup ("head"), g_strdup ("rounds"), g_strdup ("buckets"), g_strdup ("largest"), g_strdup ("coverage"), g_strdup ("distance"), NULL);
  add_row (sizes, g_strdup ("layer"), g_strdup ("round"), g_strdup ("buckets"), g_strdup ("smallest"), g_strdup ("median"), g_strdup ("largest"), NULL);
  for (guint i = 0; i < reformer_inspection_get_n_layers (self->inspection); i++)
    {
      g_autoptr (GVariant) heads = reformer_inspection_measure (self->inspection, i, (guint) options->queries, NULL); /* of a layer that is there */

      queries = read_head (heads, 0).queries;
      add_heads (self, i, heads, rows);
      if (!add_sizes (self, i, sizes, error))
        return FALSE;
    }
  tool_print_field ("text", "%s, the first %" G_GSIZE_FORMAT " tokens", text, self->n_tokens);
  tool_print_field ("measured", "%d tokens%s", queries, (gsize) queries < self->n_tokens ? ", drawn, the same ones every time" : "");
  tool_print_table (rows, "llrrrrrr");
  if (sizes->len > 1)
    {
      putchar ('\n');
      tool_print_table (sizes, "lrrrrr");
    }
  return TRUE;
}

/* As a string is written in C, so that every byte is seen. */
static char *
quote_text (GBytes *text)
{
  gsize n = 0;
  const char *data = text != NULL ? g_bytes_get_data (text, &n) : NULL;
  GString *quoted = g_string_new ("\"");

  for (gsize i = 0; i < n && quoted->len < MOST_TEXT; i++)
    {
      const gunichar c = g_utf8_get_char_validated (data + i, (gssize) (n - i));
      const char *letter = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '"' ? "\\\"" : c == '\\' ? "\\\\" : NULL;

      if (letter != NULL)
        g_string_append (quoted, letter);
      else if (c <= 0x10ffff && g_unichar_isprint (c))
        {
          g_string_append_unichar (quoted, c);
          i += (gsize) g_unichar_to_utf8 (c, NULL) - 1;
        }
      else
        g_string_append_printf (quoted, "\\x%02x", (guint8) data[i]);
    }
  g_string_append (quoted, quoted->len < MOST_TEXT ? "\"" : "...");
  return g_string_free (quoted, FALSE);
}

static void
add_keys (ToolLook                *self,
          guint                    layer,
          guint                    head,
          gboolean                 hashed,
          const ToolInfoAttention *options,
          GPtrArray               *rows)
{
  g_autoptr (GVariant) keys = tool_look_list_keys (self, layer, head, options);
  GVariantIter iter;
  double weight;
  int place, round;

  g_variant_iter_init (&iter, keys);
  while (g_variant_iter_next (&iter, "(iid)", &place, &round, &weight))
    add_row (rows, get_name (self, layer), g_strdup (reformer_inspection_get_kind (self->inspection, layer)), g_strdup_printf ("%u", head),
             hashed ? g_strdup_printf ("%d", round) : g_strdup ("-"), g_strdup_printf ("%d", place), quote_text (tool_look_get_text (self, place)), g_strdup_printf ("%.4f", weight), NULL);
}

static void
add_token_buckets (ToolLook                *self,
                   guint                    layer,
                   const ToolBuckets       *buckets,
                   const ToolInfoAttention *options,
                   GPtrArray               *rows)
{
  for (int h = 0; h < buckets->heads; h++)
    {
      GString *text = g_string_new (NULL);

      for (int r = 0; r < buckets->rounds; r++)
        g_string_append_printf (text, "%s%d", r > 0 ? " " : "", tool_look_get_round (self, buckets, h, r)[options->token]);
      add_row (rows, get_name (self, layer), g_strdup_printf ("%d", h), g_string_free (text, FALSE), NULL);
    }
}

static gboolean
print_token (ToolLook                 *self,
             const char               *text,
             const ToolInfoAttention  *options,
             GError                  **error)
{
  const guint heads = (guint) reformer_config_get_num_attention_heads (reformer_model_get_config (self->model));
  g_autoptr (GPtrArray) rows = new_rows ();
  g_autoptr (GPtrArray) hashed = new_rows ();
  g_autofree char *quoted = quote_text (tool_look_get_text (self, (int) options->token));

  add_row (rows, g_strdup ("layer"), g_strdup ("kind"), g_strdup ("head"), g_strdup ("round"), g_strdup ("place"), g_strdup ("text"), g_strdup ("weight"), NULL);
  add_row (hashed, g_strdup ("layer"), g_strdup ("head"), g_strdup ("bucket of each round"), NULL);
  for (guint i = 0; i < reformer_inspection_get_n_layers (self->inspection); i++)
    {
      g_auto (ToolBuckets) buckets = { NULL };

      if (!tool_look_read_buckets (self, i, &buckets, error))
        return FALSE;
      add_token_buckets (self, i, &buckets, options, hashed);
      for (guint h = 0; h < heads; h++)
        add_keys (self, i, h, buckets.rounds > 0, options, rows);
    }
  tool_print_field ("text", "%s, the first %" G_GSIZE_FORMAT " tokens", text, self->n_tokens);
  tool_print_field ("token", "%" G_GINT64_FORMAT ", %s", options->token, quoted);
  tool_print_table (rows, "llrrrlr");
  if (hashed->len > 1)
    {
      putchar ('\n');
      tool_print_table (hashed, "lrl");
    }
  return TRUE;
}

int
tool_info_attention (const char              *path,
                     const ToolInfoAttention *options)
{
  g_auto (ToolLook) self = { NULL };
  g_autofree char *text = g_filename_display_name (options->text);
  GError *error = NULL;
  gboolean done;

  if (!tool_look_at (&self, path, options, &error))
    return tool_fail_error (error);
  if (options->json)
    done = print_json (&self, path, text, options, &error);
  else if (options->token >= 0)
    done = print_token (&self, text, options, &error);
  else
    done = print_heads (&self, text, options, &error);
  return done ? TOOL_DONE : tool_fail_error (error);
}
