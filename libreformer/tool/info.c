/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data.h"
#include "info-attention.h"
#include "run-state.h"
#include "task.h"

#include <string.h>

/* reformer info: what a model is, without a device. The model is made on a planner, so that its parameters can be counted and the names and shapes of its
 * weights checked without a number being read. */

/* ---- Parameters, by part ---- */

enum
{
  WORDS,
  POSITIONS,
  ATTENTION,
  FEED_FORWARD,
  NORM,
  HEAD,
  N_PARTS
};

static const char *const part_names[N_PARTS] = { "embeddings", "positions", "attention", "feed_forward", "final_norm", "head" };

typedef struct
{
  guint64 total;
  guint64 parts[N_PARTS];
} Counts;

static int
part_of (const char *name)
{
  if (strstr (name, ".word_embeddings.") != NULL || strstr (name, ".input_projection.") != NULL)
    return WORDS;
  if (strstr (name, ".position_embeddings.") != NULL)
    return POSITIONS;
  if (strstr (name, ".attention.") != NULL)
    return ATTENTION;
  if (strstr (name, ".feed_forward.") != NULL)
    return FEED_FORWARD;
  return g_str_has_prefix (name, "reformer.") ? NORM : HEAD;
}

static Counts
count_parameters (ReformerModel *model)
{
  g_autoptr (GListModel) list = reformer_model_get_parameters (model);
  const guint n = g_list_model_get_n_items (list);
  Counts counts = { 0 };

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (list, i);
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (parameter, &n_dims);
      guint64 n_elements = 1;

      for (gsize j = 0; j < n_dims; j++)
        n_elements *= (guint64) shape[j];
      counts.parts[part_of (reformer_parameter_get_name (parameter))] += n_elements;
      counts.total += n_elements;
    }
  return counts;
}

/* ---- Weights ---- */

typedef struct
{
  gsize      n_tensors;
  guint64    bytes; /* of the files */
  GPtrArray *files; /* names, without the folder */
  GPtrArray *types; /* such as F32 */
} Weights;

static void
add_once (GPtrArray *texts,
          char      *text)
{
  if (g_ptr_array_find_with_equal_func (texts, text, g_str_equal, NULL))
    g_free (text);
  else
    g_ptr_array_add (texts, text);
}

static guint64
size_of (const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInfo) info = g_file_query_info (file, G_FILE_ATTRIBUTE_STANDARD_SIZE, G_FILE_QUERY_INFO_NONE, NULL, NULL);

  return info != NULL ? (guint64) g_file_info_get_size (info) : 0;
}

static gboolean
look_at_weights (GFile    *folder,
                 Weights  *weights,
                 GError  **error)
{
  g_autoptr (GVariant) list = reformer_model_list_weights (folder, NULL, error);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  GVariantIter iter;
  const char *type, *path;

  weights->files = g_ptr_array_new_with_free_func (g_free);
  weights->types = g_ptr_array_new_with_free_func (g_free);
  if (list == NULL)
    return FALSE;
  weights->n_tensors = g_variant_n_children (list);
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(s&s@ax&s)", NULL, &type, NULL, &path))
    {
      add_once (weights->types, g_strdup (type));
      add_once (paths, g_strdup (path));
    }
  for (guint i = 0; i < paths->len; i++)
    {
      g_ptr_array_add (weights->files, g_path_get_basename (paths->pdata[i]));
      weights->bytes += size_of (paths->pdata[i]);
    }
  return TRUE;
}

static char *
join (GPtrArray *texts)
{
  g_ptr_array_add (texts, NULL);
  g_ptr_array_set_size (texts, (int) texts->len - 1); /* the terminator stays behind the last one */
  return g_strjoinv (", ", (char **) texts->pdata);
}

/* ---- Printing ---- */

/* Bytes of names of classes in a line. */
#define MOST_NAMES 60

/* The configuration as it would be saved: it also has what is no setting of ours. */
static json_t *
config_to_json (ReformerConfig *config)
{
  g_autofree char *text = reformer_config_to_json (config);

  return json_loads (text, 0, NULL);
}

static gboolean
has_kind (ReformerConfig *config,
          const char     *kind)
{
  return g_strv_contains (reformer_config_get_attn_layers (config), kind);
}

/* What a head gives that gives no tokens, with the names of classes as far as they fit in a line. */
static void
print_labels (ReformerConfig *config)
{
  const ReformerHead head = reformer_config_get_head (config);
  g_auto (GStrv) classes = tool_config_list_classes (config);
  g_autoptr (GString) names = g_string_new (NULL);

  if (tool_task_predicts_tokens (head) || head == REFORMER_HEAD_NONE)
    return;
  for (guint i = 0; classes != NULL && classes[i] != NULL && names->len < MOST_NAMES; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : ": ", classes[i + 1] != NULL && names->len + strlen (classes[i]) > MOST_NAMES ? "..." : classes[i]);
  tool_print_field ("labels", "%d%s", reformer_config_get_num_labels (config), names->str);
}

static void
print_attention (ReformerConfig *config)
{
  if (has_kind (config, "lsh"))
    {
      gsize n, n_given;
      g_autofree int *factors = reformer_config_get_bucket_factors (config, &n), *given = reformer_config_get_num_buckets (config, &n_given);
      g_autofree char *text = tool_format_ints (factors, n);

      tool_print_field ("lsh attention", "%d rounds; buckets %s%s; chunks of %d tokens, %d before, %d after", reformer_config_get_num_hashes (config), text,
                        n_given == 0 ? " (chosen by the length)" : "", reformer_config_get_lsh_attn_chunk_length (config),
                        reformer_config_get_lsh_num_chunks_before (config), reformer_config_get_lsh_num_chunks_after (config));
    }
  if (has_kind (config, "local"))
    tool_print_field ("local attention", "chunks of %d tokens, %d before, %d after", reformer_config_get_local_attn_chunk_length (config),
                      reformer_config_get_local_num_chunks_before (config), reformer_config_get_local_num_chunks_after (config));
  if (has_kind (config, "window"))
    {
      gsize n_steps, n_globals;
      g_autofree int *steps = reformer_config_get_window_attn_dilation (config, &n_steps), *globals = reformer_config_get_window_attn_global_tokens (config, &n_globals);
      g_autofree char *steps_text = tool_format_ints (steps, n_steps), *globals_text = tool_format_ints (globals, n_globals);

      tool_print_field ("window attention", "%d tokens around each; dilation %s; global tokens %s", reformer_config_get_window_attn_size (config),
                        n_steps > 0 ? steps_text : "1", n_globals > 0 ? globals_text : "none");
    }
}

static void
print_positions (ReformerConfig *config)
{
  if (reformer_config_get_axial_pos_embds (config))
    {
      gsize n_axes, n_dims;
      g_autofree int *shape = reformer_config_get_axial_pos_shape (config, &n_axes), *dims = reformer_config_get_axial_pos_embds_dim (config, &n_dims);
      g_autofree char *axes = tool_format_ints (shape, n_axes), *widths = tool_format_ints (dims, n_dims);

      tool_print_field ("positions", "%" G_GINT64_FORMAT " tokens, axial %s of widths %s", reformer_config_get_max_length (config), axes, widths);
    }
  else
    tool_print_field ("positions", "%" G_GINT64_FORMAT " tokens, a table", reformer_config_get_max_length (config));
}

static void
print_text (ReformerConfig *config,
            const Counts   *counts,
            Weights        *weights,
            json_t         *run)
{
  json_t *object = config_to_json (config);
  const char *architecture = json_string_value (json_array_get (json_object_get (object, "architectures"), 0));
  g_autofree char *kinds = g_strjoinv (" ", (char **) reformer_config_get_attn_layers (config));

  tool_print_field ("head", "%s (%s)", tool_task_get_name (reformer_config_get_head (config)), architecture != NULL ? architecture : "no architecture");
  print_labels (config);
  tool_print_field ("direction", "%s", reformer_config_get_is_decoder (config) ? "causal" : "both ways");
  tool_print_field ("layers", "%u: %s", reformer_config_get_n_layers (config), kinds);
  if (reformer_config_get_input_features (config) > 0)
    tool_print_field ("input", "vectors of %d", reformer_config_get_input_features (config));
  tool_print_field ("vocabulary", "%d ids", reformer_config_get_vocab_size (config));
  tool_print_field ("hidden size", "%d", reformer_config_get_hidden_size (config));
  tool_print_field ("attention heads", "%d of size %d", reformer_config_get_num_attention_heads (config), reformer_config_get_attention_head_size (config));
  tool_print_field ("feed-forward size", "%d, %s", reformer_config_get_feed_forward_size (config), reformer_config_get_hidden_act (config));
  print_attention (config);
  print_positions (config);
  tool_print_field ("parameters", "%" G_GUINT64_FORMAT, counts->total);
  for (guint i = 0; i < N_PARTS; i++)
    if (counts->parts[i] > 0)
      {
        g_autofree char *key = g_strconcat ("  ", part_names[i], NULL);

        g_strdelimit (key, "_", ' ');
        tool_print_field (key, "%" G_GUINT64_FORMAT, counts->parts[i]);
      }
  if (weights->n_tensors > 0)
    {
      g_autofree char *files = join (weights->files), *types = join (weights->types), *size = tool_format_bytes (weights->bytes);

      tool_print_field ("weights", "%s: %" G_GSIZE_FORMAT " tensors of %s, %s", files, weights->n_tensors, types, size);
    }
  if (run != NULL)
    tool_run_state_print (run);
  json_decref (object);
}

static json_t *
texts_to_json (char  **texts,
               gsize   n)
{
  json_t *array = json_array ();

  for (gsize i = 0; i < n; i++)
    json_array_append_new (array, tool_json_string (texts[i]));
  return array;
}

static void
print_json (const char     *path,
            ReformerConfig *config,
            const Counts   *counts,
            Weights        *weights,
            json_t         *run)
{
  const char *const *kinds = reformer_config_get_attn_layers (config), *const *unknown = reformer_config_get_unknown_keys (config);
  json_t *object, *parts = json_object ();
  gsize n = 0;
  g_autofree int *factors = has_kind (config, "lsh") ? reformer_config_get_bucket_factors (config, &n) : NULL;

  for (guint i = 0; i < N_PARTS; i++)
    json_object_set_new (parts, part_names[i], json_integer ((json_int_t) counts->parts[i]));
  object = json_pack ("{s:o, s:s, s:o, s:I, s:o, s:{s:I, s:o}, s:o, s:o}",
                      "path", tool_json_string (path),
                      "head", tool_task_get_name (reformer_config_get_head (config)),
                      "layers", texts_to_json ((char **) kinds, g_strv_length ((char **) kinds)),
                      "positions", (json_int_t) reformer_config_get_max_length (config),
                      "bucket_factors", tool_json_ints (factors, n),
                      "parameters", "total", (json_int_t) counts->total, "parts", parts,
                      "unknown_keys", texts_to_json ((char **) unknown, g_strv_length ((char **) unknown)),
                      "config", config_to_json (config));
  if (weights->n_tensors > 0)
    json_object_set_new (object, "weights", json_pack ("{s:o, s:o, s:I, s:I}",
                                                       "files", texts_to_json ((char **) weights->files->pdata, weights->files->len),
                                                       "types", texts_to_json ((char **) weights->types->pdata, weights->types->len),
                                                       "tensors", (json_int_t) weights->n_tensors, "bytes", (json_int_t) weights->bytes));
  else
    json_object_set_new (object, "weights", json_null ());
  json_object_set (object, "run", run != NULL ? run : json_null ());
  tool_print_json (object);
}

static void
warn_unknown (const char     *path,
              ReformerConfig *config)
{
  const char *const *unknown = reformer_config_get_unknown_keys (config);

  if (unknown[0] != NULL)
    {
      g_autofree char *keys = g_strjoinv (", ", (char **) unknown);

      tool_message ("warning: %s: keys of the configuration without a meaning: %s", path, keys);
    }
}

/* ---- The verb ---- */

/* A folder must have weights that fit; a file is a configuration alone. */
static ReformerModel *
load (const char  *path,
      Weights     *weights,
      GError     **error)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (path);
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (NULL);
  g_autoptr (ReformerConfig) config = NULL;
  g_autoptr (ReformerModel) model = NULL;

  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
    {
      model = reformer_model_load (planner, file, NULL, error);
      return model != NULL && look_at_weights (file, weights, error) ? g_steal_pointer (&model) : NULL;
    }
  config = reformer_config_load (file, NULL, error);
  if (config == NULL)
    return NULL;
  model = reformer_model_new (planner, config);
  return reformer_model_prepare (model, error) ? g_steal_pointer (&model) : NULL;
}

static int
run (int    argc,
     char **argv)
{
  g_auto (GStrv) arguments = NULL;
  g_autoptr (ReformerModel) model = NULL;
  g_autofree char *path = NULL;
  Weights weights = { 0 };
  Counts counts;
  g_autofree char *text = NULL, *length = NULL, *queries = NULL, *token = NULL, *keys = NULL, *device = NULL;
  GError *error = NULL;
  gboolean json = FALSE, attention = FALSE;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "print JSON, with the whole configuration", NULL },
    { "attention", 0, 0, G_OPTION_ARG_NONE, &attention, "say what the attention layers do with a text", NULL },
    { "text", 0, 0, G_OPTION_ARG_FILENAME, &text, "with --attention: the text", "FILE" },
    { "length", 0, 0, G_OPTION_ARG_STRING, &length, "with --attention: how many tokens of it (4096)", "N" },
    { "queries", 0, 0, G_OPTION_ARG_STRING, &queries, "with --attention: how many of them to measure with; 0: all (256)", "N" },
    { "token", 0, 0, G_OPTION_ARG_STRING, &token, "with --attention: say what this token, counted from 0, attended to", "N" },
    { "keys", 0, 0, G_OPTION_ARG_STRING, &keys, "with --token: how many tokens of each head to list; 0: all (8)", "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &device, "with --attention: cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse (&tool_verb_info, entries, argc, argv, &arguments, 1, 1))
    return TOOL_USAGE;
  if (attention || text != NULL || length != NULL || queries != NULL || token != NULL || keys != NULL || device != NULL)
    {
      ToolInfoAttention options = { text, device, 0, 256, -1, 8, json };

      if (!attention || text == NULL)
        return tool_usage (&tool_verb_info, attention ? "--attention needs --text FILE" : "--text, --length, --queries, --token, --keys and --device are for --attention");
      if (keys != NULL && token == NULL)
        return tool_usage (&tool_verb_info, "--keys is for --token");
      if (!tool_parse_number (&tool_verb_info, "length", length, 1, G_MAXINT, &options.length) ||
          !tool_parse_number (&tool_verb_info, "queries", queries, 0, G_MAXINT, &options.queries) ||
          !tool_parse_number (&tool_verb_info, "token", token, 0, G_MAXINT, &options.token) ||
          !tool_parse_number (&tool_verb_info, "keys", keys, 0, G_MAXINT, &options.keys))
        return TOOL_USAGE;
      return tool_info_attention (arguments[0], &options);
    }
  path = g_filename_display_name (arguments[0]);
  model = load (arguments[0], &weights, &error);
  if (model != NULL)
    {
      ReformerConfig *config = reformer_model_get_config (model);

      g_autoptr (GFile) file = g_file_new_for_commandline_arg (arguments[0]);
      json_auto_t *state = tool_run_state_describe (file);

      counts = count_parameters (model);
      warn_unknown (path, config);
      if (json)
        print_json (path, config, &counts, &weights, state);
      else
        print_text (config, &counts, &weights, state);
    }
  g_clear_pointer (&weights.files, g_ptr_array_unref);
  g_clear_pointer (&weights.types, g_ptr_array_unref);
  return model != NULL ? TOOL_DONE : tool_fail_error (error);
}

const ToolVerb tool_verb_info = {
  "info",
  "MODEL",
  "Say what a model is: layers, sizes, parameters, weights",
  "MODEL is a folder with config.json and model.safetensors (or its shards), as transformers\n"
  "saves it, or a config.json alone. The weights of a folder are checked by name and shape;\n"
  "their numbers are not read, and no OpenCL device is needed. Where reformer train made it, the\n"
  "run is told too.\n"
  "\n"
  "With --attention the model reads the beginning of --text. For each head: how many buckets have\n"
  "tokens, the most tokens in one, how much of the exact attention the layer's windows cover, and\n"
  "how far it is from a token to what it attends to. The two last are means over some tokens.\n"
  "Then, for each round of hashing, the sizes of the buckets that have tokens. With --token: what\n"
  "that token attended to, the largest weights first. --json has all of it.\n"
  "\n"
  "Example:\n"
  "  reformer info models/book\n"
  "  reformer info models/book --attention --text book.txt\n"
  "  reformer info models/book --attention --text book.txt --token 300",
  run,
};
