/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two models that are published, google/reformer-enwik8 and google/reformer-crime-and-punishment: folders with their names, shapes and old keys. The numbers are made
 * here. The larger one, 597 MB, is a file with a hole instead, which a planner reads but for the numbers.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libreformer/data/reformer-byte-tokenizer.h>

#include "files/json.h"
#include "files/weights.h"
#include "folders.h"
#include "mistakes.h"
#include "training.h"

typedef struct
{
  const char *name;
  int         hidden, feed_forward, heads, head, vocabulary;
  int         axes[2], widths[2];
  const char *layers;       /* l: local, h: LSH */
  guint64     n_parameters; /* as their tables say */
  const char *config;
} Published;

#define OLD_KEYS "\"hash_seed\":null,\"hidden_act\":\"relu\",\"initializer_range\":0.02,\"is_decoder\":true,\"layer_norm_eps\":1e-12,\"local_num_chunks_after\":0," \
  "\"local_num_chunks_before\":1,\"lsh_num_chunks_after\":0,\"lsh_num_chunks_before\":1,\"model_type\":\"reformer\",\"output_past\":true,\"pad_token_id\":0," \
  "\"eos_token_id\":2,\"axial_norm_std\":1.0,\"axial_pos_embds\":true,\"task_specific_params\":{\"text-generation\":{\"do_sample\":true,\"max_length\":100}}," \
  "\"architectures\":[\"ReformerModelWithLMHead\"],\"chunk_size_feed_forward\":0,\"chunk_size_lm_head\":0"

static const Published published[] = {
  { "enwik8", 1024, 4096, 8, 128, 258, { 128, 512 }, { 256, 768 }, "llhlllhlllhl", 149182722,
    "{" OLD_KEYS ",\"attention_head_size\":128,\"attn_layers\":[\"local\",\"local\",\"lsh\",\"local\",\"local\",\"local\",\"lsh\",\"local\",\"local\",\"local\",\"lsh\",\"local\"],"
    "\"axial_pos_embds_dim\":[256,768],\"axial_pos_shape\":[128,512],\"feed_forward_size\":4096,\"hidden_dropout_prob\":0.2,\"hidden_size\":1024,"
    "\"local_attention_probs_dropout_prob\":0.2,\"local_attn_chunk_length\":128,\"lsh_attention_probs_dropout_prob\":0.1,\"lsh_attn_chunk_length\":256,"
    "\"max_position_embeddings\":65536,\"num_attention_heads\":8,\"num_buckets\":512,\"num_hashes\":4,\"num_hidden_layers\":12,\"vocab_size\":258}" },
  { "crime-and-punishment", 256, 512, 2, 64, 320, { 512, 1024 }, { 64, 192 }, "lhlhlh", 2748224,
    "{" OLD_KEYS ",\"attention_head_size\":64,\"attention_probs_dropout_prob\":0.1,\"attn_layers\":[\"local\",\"lsh\",\"local\",\"lsh\",\"local\",\"lsh\"],"
    "\"axial_pos_embds_dim\":[64,192],\"axial_pos_shape\":[512,1024],\"feed_forward_size\":512,\"hidden_dropout_prob\":0.05,\"hidden_size\":256,\"intermediate_size\":3072,"
    "\"local_attention_probs_dropout_prob\":0.05,\"local_attn_chunk_length\":64,\"lsh_attention_probs_dropout_prob\":0.0,\"lsh_attn_chunk_length\":64,"
    "\"max_position_embeddings\":524288,\"num_attention_heads\":2,\"num_buckets\":[64,128],\"num_chunks_after\":0,\"num_chunks_before\":1,\"num_hashes\":1,"
    "\"num_hidden_layers\":6,\"sinusoidal_pos_embds\":false,\"tie_word_embeddings\":false,\"vocab_size\":320}" },
};

/* ---- Their tensors ---- */

typedef struct
{
  char   *name;
  gint64  shape[3];
  guint   n_dims;
} Tensor;

static void
tensor_clear (gpointer data)
{
  g_free (((Tensor *) data)->name);
}

static void G_GNUC_PRINTF (6, 7)
add (GArray     *tensors,
     guint       n_dims,
     gint64      a,
     gint64      b,
     gint64      c,
     const char *format,
     ...)
{
  Tensor tensor = { NULL, { a, b, c }, n_dims };
  va_list args;

  va_start (args, format);
  tensor.name = g_strdup_vprintf (format, args);
  va_end (args);
  g_array_append_val (tensors, tensor);
}

/* As the reference lists its state. `old`: with what versions of 2020 stored besides. */
static GArray *
list_tensors (const Published *model,
              gboolean         old)
{
  GArray *tensors = g_array_new (FALSE, FALSE, sizeof (Tensor));
  const gint64 H = model->hidden, D = (gint64) model->heads * model->head, F = model->feed_forward, V = model->vocabulary;

  g_array_set_clear_func (tensors, tensor_clear);
  add (tensors, 2, V, H, 0, "reformer.embeddings.word_embeddings.weight");
  add (tensors, 3, model->axes[0], 1, model->widths[0], "reformer.embeddings.position_embeddings.weights.0");
  add (tensors, 3, 1, model->axes[1], model->widths[1], "reformer.embeddings.position_embeddings.weights.1");
  for (guint i = 0; model->layers[i] != '\0'; i++)
    {
      const gboolean lsh = model->layers[i] == 'h';
      g_autofree char *layer = g_strdup_printf ("reformer.encoder.layers.%u", i);

      add (tensors, 1, H, 0, 0, "%s.attention.layer_norm.weight", layer);
      add (tensors, 1, H, 0, 0, "%s.attention.layer_norm.bias", layer);
      if (lsh)
        add (tensors, 2, D, H, 0, "%s.attention.self_attention.query_key.weight", layer);
      else
        add (tensors, 2, D, H, 0, "%s.attention.self_attention.query.weight", layer);
      if (!lsh)
        add (tensors, 2, D, H, 0, "%s.attention.self_attention.key.weight", layer);
      add (tensors, 2, D, H, 0, "%s.attention.self_attention.value.weight", layer);
      add (tensors, 2, H, D, 0, "%s.attention.output.dense.weight", layer);
      add (tensors, 1, H, 0, 0, "%s.feed_forward.layer_norm.weight", layer);
      add (tensors, 1, H, 0, 0, "%s.feed_forward.layer_norm.bias", layer);
      add (tensors, 2, F, H, 0, "%s.feed_forward.dense.dense.weight", layer);
      add (tensors, 1, F, 0, 0, "%s.feed_forward.dense.dense.bias", layer);
      add (tensors, 2, H, F, 0, "%s.feed_forward.output.dense.weight", layer);
      add (tensors, 1, H, 0, 0, "%s.feed_forward.output.dense.bias", layer);
      if (old)
        {
          add (tensors, 0, 0, 0, 0, "%s.attention.self_attention.mask_value_float16", layer);
          add (tensors, 0, 0, 0, 0, "%s.attention.self_attention.mask_value_float32", layer);
        }
      if (old && lsh)
        {
          add (tensors, 0, 0, 0, 0, "%s.attention.self_attention.self_mask_value_float16", layer);
          add (tensors, 0, 0, 0, 0, "%s.attention.self_attention.self_mask_value_float32", layer);
        }
    }
  add (tensors, 1, 2 * H, 0, 0, "reformer.encoder.layer_norm.weight");
  add (tensors, 1, 2 * H, 0, 0, "reformer.encoder.layer_norm.bias");
  add (tensors, 1, V, 0, 0, "lm_head.bias");
  add (tensors, 2, V, 2 * H, 0, "lm_head.decoder.weight");
  if (old)
    add (tensors, 1, V, 0, 0, "lm_head.decoder.bias");
  return tensors;
}

static gsize
count_elements (const Tensor *tensor)
{
  gsize n = 1;

  for (guint i = 0; i < tensor->n_dims; i++)
    n *= (gsize) tensor->shape[i];
  return n;
}

/* Small numbers, other ones for each tensor; biases of the old head are zeros, as a converter left them. */
static float
get_value (guint tensor,
           gsize i,
           const char *name)
{
  if (g_str_equal (name, "lm_head.bias"))
    return 0;
  return (float) ((i * 2654435761u + tensor * 40503u) % 2003) / 20030 - 0.05f;
}

/* ---- Their folders ---- */

/* config.json, and model.safetensors with numbers or a hole. */
static void
write_folder (const char      *path,
              const Published *model,
              gboolean         numbers)
{
  g_autoptr (GArray) tensors = list_tensors (model, TRUE);
  g_autoptr (GString) header = g_string_new ("{\"__metadata__\":{\"format\":\"pt\"}");
  g_autofree char *file = g_build_filename (path, "model.safetensors", NULL);
  gsize at = 0;
  guint64 length;
  int fd;

  for (guint i = 0; i < tensors->len; i++)
    {
      const Tensor *tensor = &g_array_index (tensors, Tensor, i);
      const gsize end = at + 4 * count_elements (tensor);

      g_string_append_printf (header, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", tensor->name);
      for (guint k = 0; k < tensor->n_dims; k++)
        g_string_append_printf (header, "%s%" G_GINT64_FORMAT, k > 0 ? "," : "", tensor->shape[k]);
      g_string_append_printf (header, "],\"data_offsets\":[%zu,%zu]}", at, end);
      at = end;
    }
  g_string_append_c (header, '}');
  while (header->len % 8 != 0)
    g_string_append_c (header, ' ');
  test_file_write (path, "config.json", model->config, -1);
  fd = open (file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  g_assert_cmpint (fd, >=, 0);
  length = GUINT64_TO_LE ((guint64) header->len);
  g_assert_cmpint (write (fd, &length, sizeof length), ==, sizeof length);
  g_assert_cmpint (write (fd, header->str, header->len), ==, (gssize) header->len);
  for (guint i = 0; numbers && i < tensors->len; i++)
    {
      const Tensor *tensor = &g_array_index (tensors, Tensor, i);
      const gsize n = count_elements (tensor);
      g_autofree float *values = g_new (float, n);

      for (gsize k = 0; k < n; k++)
        values[k] = get_value (i, k, tensor->name);
      g_assert_cmpint (write (fd, values, n * sizeof *values), ==, (gssize) (n * sizeof *values));
    }
  g_assert_cmpint (ftruncate (fd, (off_t) (8 + header->len + at)), ==, 0);
  close (fd);
}

static const Tensor *
find_tensor (GArray     *tensors,
             const char *name,
             guint      *place)
{
  for (guint i = 0; i < tensors->len; i++)
    if (g_str_equal (g_array_index (tensors, Tensor, i).name, name))
      {
        *place = i;
        return &g_array_index (tensors, Tensor, i);
      }
  return NULL;
}

/* The model has these parameters and no others. */
static void
check_parameters (ReformerModel   *model,
                  const Published *wanted)
{
  g_autoptr (GArray) tensors = list_tensors (wanted, FALSE);
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  guint place = 0;

  g_assert_cmpuint (reformer_model_get_n_parameters (model), ==, wanted->n_parameters);
  g_assert_cmpuint (parameters->len, ==, tensors->len);
  for (guint i = 0; i < parameters->len; i++)
    {
      const Tensor *tensor = find_tensor (tensors, reformer_parameter_get_name (parameters->pdata[i]), &place);
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (parameters->pdata[i], &n_dims);

      g_assert_nonnull (tensor);
      g_assert_cmpmem (shape, n_dims * sizeof *shape, tensor->shape, tensor->n_dims * sizeof *shape);
    }
}

/* ---- Tests ---- */

/* The preset says what the published file says, but for the keys that mean nothing. */
static void
test_preset (gconstpointer data)
{
  const Published *model = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) preset = reformer_config_new_preset (model->name, &error), config = reformer_config_new_from_json (model->config, &error);
  g_autofree char *first = reformer_config_to_json (preset), *second = reformer_config_to_json (config);
  g_autoptr (json_t) ours = reformer_json_parse (first, strlen (first), "preset", &error), theirs = reformer_json_parse (second, strlen (second), "config", &error);
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new ();
  const char *key;
  json_t *value;

  g_assert_no_error (error);
  json_object_foreach (ours, key, value)
    if (!g_str_equal (key, "local_attn_circular") && !json_equal (value, json_object_get (theirs, key)))
      g_error ("%s is another in the published file", key);
  g_assert_cmpint (reformer_config_get_max_length (config), ==, model->axes[0] * model->axes[1]);
  if (model->vocabulary == 258)
    g_assert_cmpint (reformer_tokenizer_count_ids (bytes, NULL), ==, reformer_config_get_vocab_size (preset));
}

/* On a planner: no numbers are read, and none are there. */
static void
test_shapes (gconstpointer data)
{
  const Published *wanted = data;
  g_autoptr (ReformerDevice) device = test_device (), planner = reformer_device_new_planner (device);
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) folder = g_file_new_for_path (path);
  g_autoptr (ReformerConfig) preset = NULL;
  g_autoptr (ReformerModel) loaded = NULL, made = NULL;
  g_autoptr (GError) error = NULL;

  write_folder (path, wanted, FALSE);
  loaded = reformer_model_load (planner, folder, NULL, &error);
  g_assert_no_error (error);
  check_parameters (loaded, wanted);
  preset = reformer_config_new_preset (wanted->name, &error);
  g_assert_no_error (error);
  made = reformer_model_new (planner, preset);
  reformer_model_prepare (made, &error);
  g_assert_no_error (error);
  check_parameters (made, wanted);
  test_folder_delete (path);
}

static void
check_logits (ReformerModel *a,
              ReformerModel *b)
{
  ReformerDevice *device = reformer_model_get_device (a);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 100, 320), first = NULL, second = NULL;
  g_autofree float *one = NULL, *other = NULL;
  g_autoptr (GError) error = NULL;

  first = reformer_model_forward (a, tokens, NULL, &error);
  g_assert_no_error (error);
  second = reformer_model_forward (b, tokens, NULL, &error);
  g_assert_no_error (error);
  one = test_floats (first);
  other = test_floats (second);
  assert_same_bits ("logits", one, other, 100 * 320);
}

/* The smaller one with its numbers: read, saved under the names of today, and read again. */
static void
test_numbers (void)
{
  const Published *wanted = &published[1];
  g_autoptr (ReformerDevice) device = test_device ();
  g_autofree char *path = test_folder_new (), *again = g_build_filename (path, "again", NULL);
  g_autoptr (GFile) folder = g_file_new_for_path (path), copy = g_file_new_for_path (again);
  g_autoptr (GArray) tensors = list_tensors (wanted, TRUE), today = list_tensors (wanted, FALSE);
  g_autoptr (ReformerModel) loaded = NULL, second = NULL;
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (ReformerWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *config = NULL;

  write_folder (path, wanted, TRUE);
  loaded = reformer_model_load (device, folder, NULL, &error);
  g_assert_no_error (error);
  parameters = reformer_model_list_parameters (loaded);
  for (guint i = 0; i < parameters->len; i++)
    {
      const char *name = reformer_parameter_get_name (parameters->pdata[i]);
      guint place = 0;
      /* the bias that was trained */
      const Tensor *tensor = find_tensor (tensors, g_str_equal (name, "lm_head.bias") ? "lm_head.decoder.bias" : name, &place);
      const gsize n = count_elements (tensor);
      g_autofree float *values = test_floats (reformer_parameter_get_value (parameters->pdata[i])), *expected = g_new (float, n);

      for (gsize k = 0; k < n; k++)
        expected[k] = get_value (place, k, tensor->name);
      assert_same_bits (name, values, expected, n);
    }
  reformer_model_save (loaded, copy, NULL, &error);
  g_assert_no_error (error);
  weights = reformer_weights_open (again, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_weights_get_n_tensors (weights), ==, today->len + 3); /* and the rotations of three LSH layers */
  for (guint i = 0; i < today->len; i++)
    g_assert_nonnull (reformer_weights_lookup (weights, g_array_index (today, Tensor, i).name));
  second = reformer_model_load (device, copy, NULL, &error);
  g_assert_no_error (error);
  check_logits (loaded, second);
  config = test_file_read (again, "config.json", NULL);
  g_assert_nonnull (strstr (config, "\"task_specific_params\""));
  test_folder_delete (path);
}

/* 65,536 tokens, all that its positions have: a forward pass, and a training step with AdamW, within 6 GiB. */
static void
test_memory (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_preset ("enwik8", &error);
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (TestSamples) samples = test_samples_new (1, 65536, 258);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);
  g_autoptr (ReformerMemoryPlan) forward = NULL, step = NULL;

  g_object_set (trainer, "sequence-length", 65536, NULL);
  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  forward = reformer_model_estimate_memory (model, 1, 65536, FALSE, &error);
  g_assert_no_error (error);
  step = reformer_trainer_estimate_memory (trainer, &error);
  g_assert_no_error (error);
  g_test_message ("forward %.2f GiB, step %.2f GiB", (double) reformer_memory_plan_get_total (forward) / (1 << 30), (double) reformer_memory_plan_get_total (step) / (1 << 30));
  g_assert_cmpuint (reformer_memory_plan_get_total (forward), <, reformer_memory_plan_get_total (step));
  g_assert_cmpuint (reformer_memory_plan_get_total (step), <=, (guint64) 6 << 30);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (published); i++)
    {
      g_autofree char *preset = g_strdup_printf ("/published/preset/%s", published[i].name), *shapes = g_strdup_printf ("/published/shapes/%s", published[i].name);

      g_test_add_data_func (preset, &published[i], test_preset);
      g_test_add_data_func (shapes, &published[i], test_shapes);
    }
  g_test_add_func ("/published/numbers", test_numbers);
  g_test_add_func ("/published/memory", test_memory);
  return test_run ();
}
