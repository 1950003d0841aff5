/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever is asked wrongly gives one line that says what, and harms nothing. Layers: test-mistakes-layers.c, folders: test-mistakes-files.c. */
#include "mistakes.h"

#include "compute/program.h"
#include "layer-checks.h"

#include <glib/gstdio.h>
#include <libreformer/compute/reformer-device-list.h>
#include <math.h>
#include <string.h>

#define MODEL REFORMER_MODEL_ERROR
#define DEVICE REFORMER_DEVICE_ERROR
#define SHAPE REFORMER_MODEL_ERROR_SHAPE
#define INPUT REFORMER_MODEL_ERROR_INVALID_INPUT
#define CONFIG REFORMER_MODEL_ERROR_INVALID_CONFIG
#define UNSUPPORTED REFORMER_MODEL_ERROR_UNSUPPORTED

/* 40 tokens, 64 positions, chunks of 8 */
static ReformerModel *
new_model (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  ReformerModel *model = reformer_model_new (device, config);

  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  return model;
}

/* The same device, opened anew. */
static void
reopen (void)
{
  g_autofree char *name = g_strdup (reformer_device_get_name (device));
  g_autoptr (GError) error = NULL;

  reformer_device_close (device);
  g_object_unref (device);
  device = reformer_device_find (name, &error);
  g_assert_no_error (error);
}

/* ---- Tokens, masks, labels ---- */

static ReformerTensor *
tokens_with (int    B,
             int    T,
             int    at,
             gint32 value)
{
  g_autofree gint32 *ids = g_new (gint32, B * T);

  test_fill_int (ids, (gsize) (B * T), 40, 5);
  if (at >= 0)
    ids[at] = value;
  return test_tensor_int (device, ids, 2, B, T);
}

/* Every entry point must refuse. */
static void
refuse (ReformerModel  *model,
        ReformerTensor *tokens,
        ReformerTensor *mask,
        ReformerTensor *labels,
        int             code,
        const char     *a,
        const char     *b,
        const char     *c)
{
  g_autoptr (GError) error = NULL;

  if (labels == NULL)
    {
      g_assert_null (reformer_model_forward (model, tokens, mask, &error));
      assert_says (&error, MODEL, code, a, b, c, NULL);
      g_assert_null (reformer_model_encode (model, tokens, mask, &error));
      assert_says (&error, MODEL, code, a, b, c, NULL);
    }
  g_assert_true (isnan (reformer_model_compute_loss (model, tokens, mask, labels != NULL ? labels : tokens, &error)));
  assert_says (&error, MODEL, code, a, b, c, NULL);
  g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, mask, labels != NULL ? labels : tokens, &error)));
  assert_says (&error, MODEL, code, a, b, c, NULL);
}

static void
test_input (void)
{
  static const struct
  {
    gint32      value;
    int         at; /* of 2 rows of 11 */
    gboolean    label;
    const char *a, *b, *c;
  } values[] = {
    { -1, 0, FALSE, "tokens: the id -1", "row 0, position 0", "wanted 0 to 39 (vocab_size is 40)" },
    { 40, 13, FALSE, "tokens: the id 40", "row 1, position 2", "wanted 0 to 39 (vocab_size is 40)" },
    { G_MAXINT32, 21, FALSE, "tokens: the id 2147483647", "row 1, position 10", "wanted 0 to 39" },
    { G_MININT32, 10, FALSE, "tokens: the id -2147483648", "row 0, position 10", "wanted 0 to 39" },
    { 40, 3, TRUE, "labels: 40", "row 0, position 3", "wanted 0 to 39, or -100 for no target" },
    { -1, 12, TRUE, "labels: -1", "row 1, position 1", "-100 for no target" },
    { -101, 21, TRUE, "labels: -101", "row 1, position 10", "-100 for no target" },
  };
  g_autoptr (ReformerModel) model = new_model ();
  g_autoptr (ReformerTensor) tokens = tokens_with (2, 11, -1, 0);
  g_autoptr (GArray) answers = test_answers (model, tokens, TRUE);
  const guint64 memory = reformer_device_get_memory_used (device);

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (ReformerTensor) wrong = tokens_with (2, 11, values[i].at, values[i].value);

      refuse (model, values[i].label ? tokens : wrong, NULL, values[i].label ? wrong : NULL, INPUT, values[i].a, values[i].b, values[i].c);
    }
  {
    g_autofree gint32 *none = g_new (gint32, 22);
    g_autoptr (ReformerTensor) all = NULL, first = NULL;

    for (int i = 0; i < 22; i++)
      none[i] = -100;
    all = test_tensor_int (device, none, 2, 2, 11);
    refuse (model, tokens, NULL, all, INPUT, "labels: no target", "2 rows of 11", "wanted at least one");
    /* nothing predicts a row's first token */
    none[0] = none[11] = 7;
    first = test_tensor_int (device, none, 2, 2, 11);
    refuse (model, tokens, NULL, first, INPUT, "labels: no target", "after a row's first", "position");
  }
  assert_unharmed (model, tokens, answers, memory);
}

static void
test_shapes (void)
{
  g_autoptr (ReformerModel) model = new_model ();
  g_autoptr (ReformerTensor) tokens = tokens_with (2, 11, -1, 0);
  g_autoptr (GArray) answers = test_answers (model, tokens, TRUE);
  const guint64 memory = reformer_device_get_memory_used (device);

  {
    g_autoptr (ReformerTensor) floats = test_tensor (device, NULL, 2, 2, 11), bytes = test_tensor_bytes (device, NULL, 2, 2, 11);
    g_autoptr (ReformerTensor) flat = test_tensor_int (device, NULL, 1, 22), deep = test_tensor_int (device, NULL, 3, 1, 2, 11);
    g_autoptr (ReformerTensor) scalar = test_tensor_int (device, NULL, 0), turned = test_tensor_int (device, NULL, 2, 11, 2);
    g_autoptr (ReformerTensor) many = test_tensor_int (device, NULL, 2, 1, 65), other = test_tensor_int (device, NULL, 2, 2, 10);

    refuse (model, floats, NULL, NULL, SHAPE, "tokens: ", "float32 [2, 11]", "wanted int32 [B, T]");
    refuse (model, bytes, NULL, NULL, SHAPE, "tokens: ", "uint8 [2, 11]", "wanted int32 [B, T]");
    refuse (model, flat, NULL, NULL, SHAPE, "tokens: ", "int32 [22]", "wanted int32 [B, T]");
    refuse (model, deep, NULL, NULL, SHAPE, "tokens: ", "int32 [1, 2, 11]", "wanted int32 [B, T]");
    refuse (model, scalar, NULL, NULL, SHAPE, "tokens: ", "int32 []", "wanted int32 [B, T]");
    refuse (model, many, NULL, NULL, SHAPE, "65 tokens", "positions for 64", "axial_pos_shape");
    refuse (model, tokens, turned, NULL, SHAPE, "mask: ", "int32 [11, 2]", "wanted int32 or uint8 [2, 11]");
    refuse (model, tokens, floats, NULL, SHAPE, "mask: ", "float32 [2, 11]", "wanted int32 or uint8 [2, 11]");
    refuse (model, tokens, flat, NULL, SHAPE, "mask: ", "int32 [22]", "wanted int32 or uint8 [2, 11]");
    refuse (model, tokens, other, NULL, SHAPE, "mask: ", "int32 [2, 10]", "wanted int32 or uint8 [2, 11]");
    refuse (model, tokens, NULL, turned, SHAPE, "labels: ", "int32 [11, 2]", "wanted int32 [2, 11]");
    refuse (model, tokens, NULL, bytes, SHAPE, "labels: ", "uint8 [2, 11]", "wanted int32 [2, 11]");
    refuse (model, tokens, NULL, flat, SHAPE, "labels: ", "int32 [22]", "wanted int32 [2, 11]");
  }
  assert_unharmed (model, tokens, answers, memory);
}

/* Tensors of a planner, and of another device where there is one. */
static void
test_other_device (void)
{
  g_autoptr (ReformerModel) model = new_model ();
  g_autoptr (ReformerTensor) tokens = tokens_with (1, 16, -1, 0);
  g_autoptr (GArray) answers = test_answers (model, tokens, TRUE);
  const guint64 memory = reformer_device_get_memory_used (device);
  g_autoptr (ReformerDeviceList) list = reformer_device_list_new ();
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func (g_object_unref);

  g_ptr_array_add (others, reformer_device_new_planner (device));
  g_ptr_array_add (others, reformer_device_new_planner (NULL));
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (list)); i++)
    {
      g_autoptr (ReformerDevice) other = g_list_model_get_item (G_LIST_MODEL (list), i);

      if (other != device)
        g_ptr_array_add (others, g_steal_pointer (&other));
    }
  for (guint i = 0; i < others->len; i++)
    {
      ReformerDevice *other = others->pdata[i];
      g_autoptr (ReformerTensor) foreign = test_tensor_int (other, NULL, 2, 1, 16), floats = test_tensor (other, NULL, 3, 1, 16, 32);
      g_autoptr (ReformerConfig) config = test_config ("local,lsh");
      g_autoptr (ReformerModel) elsewhere = reformer_model_new (other, config);
      g_autoptr (ReformerTape) tape = reformer_tape_new (device);
      g_autoptr (GError) error = NULL;

      refuse (model, foreign, NULL, NULL, INPUT, "tokens: on ", reformer_device_get_name (other), "wanted the model's");
      refuse (model, tokens, foreign, NULL, INPUT, "mask: on ", reformer_device_get_name (other), "wanted the model's");
      refuse (model, tokens, NULL, foreign, INPUT, "labels: on ", reformer_device_get_name (other), "wanted the model's");
      g_assert_null (reformer_model_forward (elsewhere, tokens, NULL, &error));
      assert_says (&error, MODEL, INPUT, "tokens: on ", reformer_device_get_name (device), "wanted the model's", NULL);

      /* layers */
      for (guint j = 0; j < g_list_model_get_n_items (G_LIST_MODEL (reformer_model_get_stack (model))); j++)
        {
          g_autoptr (ReformerLayer) branch = g_list_model_get_item (G_LIST_MODEL (reformer_model_get_stack (model)), j);

          g_assert_null (reformer_layer_forward (branch, floats, tape, &error));
          g_assert_nonnull (error);
          assert_says (&error, error->domain, error->code, reformer_device_get_name (other), NULL);
        }
    }
  assert_unharmed (model, tokens, answers, memory);
}

/* ---- Configurations that make no model ---- */

static void
set_axial (ReformerConfig *config,
           int             a,
           int             b,
           int             c,
           int             d)
{
  const int shape[2] = { a, b }, dims[2] = { c, d };

  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
}

static void
set_buckets (ReformerConfig *config,
             int             a,
             int             b)
{
  const int buckets[2] = { a, b };

  reformer_config_set_num_buckets (config, buckets, b > 0 ? 2 : 1);
}

static void
test_configs (void)
{
  static const struct
  {
    const char *key;
    int         value;
    int         code;
    const char *a, *b, *c;
  } numbers[] = {
    { "num-attention-heads", 0, CONFIG, "num_attention_heads is 0", "1 or more is wanted", "" },
    { "num-attention-heads", G_MAXINT, CONFIG, "num_attention_heads 2147483647 times attention_head_size 16", "at most", "would fit: num_attention_heads 134217727" },
    { "attention-head-size", -3, CONFIG, "attention_head_size is -3", "1 or more is wanted", "" },
    { "hidden-size", 31, CONFIG, "axial_pos_embds_dim is [8, 24] with the sum 32", "the sum 31, the hidden_size, is wanted", "would fit: [8, 23]" },
    { "hidden-size", 0, CONFIG, "hidden_size is 0", "1 or more is wanted", "" },
    { "vocab-size", 0, CONFIG, "vocab_size is 0", "1 or more is wanted", "" },
    { "feed-forward-size", 0, CONFIG, "feed_forward_size is 0", "1 or more is wanted", "" },
    { "lsh-attn-chunk-length", 0, CONFIG, "lsh_attn_chunk_length is 0", "1 or more is wanted", "" },
    { "local-attn-chunk-length", -8, CONFIG, "local_attn_chunk_length is -8", "1 or more is wanted", "" },
    { "lsh-attn-chunk-length", 46341, CONFIG, "lsh_attn_chunk_length 46341", "local_attn_chunk_length 46349", "would fit: 46341 for both" },
    { "lsh-num-chunks-before", -2, CONFIG, "lsh_num_chunks_before is -2", "0 or more is wanted", "" },
    { "local-num-chunks-after", 1, CONFIG, "local_num_chunks_after is 1", "0 is wanted", "causal" },
    { "lsh-num-chunks-after", 1, CONFIG, "lsh_num_chunks_after is 1", "0 is wanted", "causal" },
    { "num-hashes", 0, CONFIG, "num_hashes is 0", "1 or more is wanted", "" },
    { "num-hashes", 5000, CONFIG, "num_hashes is 5000", "at most 1024 is wanted", "" },
    { "num-hidden-layers", 3, CONFIG, "num_hidden_layers is 3", "from 1 to 2", "attn_layers" },
    { "pad-token-id", 40, CONFIG, "pad_token_id is 40", "below 40", "" },
    { "is-decoder", FALSE, CONFIG, "is_decoder is false", "true is wanted", "language head" },
    { "head", REFORMER_HEAD_MASKED_LANGUAGE, CONFIG, "is_decoder is true", "false is wanted", "masked language head" },
    { "num-labels", 0, CONFIG, "num_labels is 0", "1 or more is wanted", "" },
  };
  static const struct
  {
    int         code;
    const char *act, *kind;
    int         buckets[2], axial[4];
    const char *a, *b, *c;
  } others[] = {
    { UNSUPPORTED, .act = "prelu", .a = "hidden_act is \"prelu\"", .b = "parameters of its own", .c = "relu" },
    { UNSUPPORTED, .act = "xielu", .a = "hidden_act is \"xielu\"", .b = "parameters of its own", .c = "relu" },
    { CONFIG, .act = "relo", .a = "hidden_act is \"relo\"", .b = "one of", .c = "gelu_new" },
    { CONFIG, .act = "two\nlines", .a = "hidden_act is \"two", .b = "one of", .c = "is wanted" },
    { CONFIG, .kind = "lsh,global", .a = "attn_layers[1] is \"global\"", .b = "lsh, local, full or window is wanted", .c = "" },
    { CONFIG, .buckets = { 7 }, .a = "num_buckets is 7", .b = "even", .c = "would fit: 6 for 7" },
    { CONFIG, .buckets = { 4, 9 }, .a = "num_buckets is [4, 9]", .b = "even", .c = "would fit: 8 for 9" },
    { CONFIG, .buckets = { -4 }, .a = "num_buckets is -4", .b = "at least 2", .c = "would fit" },
    { CONFIG, .buckets = { 1024, 1024 }, .a = "num_buckets is [1024, 1024]", .b = "at most 65535", .c = "would fit" },
    { CONFIG, .axial = { 8, 8, 8, 23 }, .a = "axial_pos_embds_dim is [8, 23] with the sum 31", .b = "the sum 32", .c = "would fit: [8, 24]" },
    { CONFIG, .axial = { 8, 8, 40, 8 }, .a = "axial_pos_embds_dim is [40, 8] with the sum 48", .b = "the sum 32", .c = "would fit: [16, 16]" },
    { CONFIG, .axial = { 8, -1, 8, 24 }, .a = "axial_pos_shape is [8, -1]", .b = "at least 1", .c = "" },
    { CONFIG, .axial = { 65536, 65536, 8, 24 }, .a = "axial_pos_shape is [65536, 65536]", .b = "at most 2147483647 positions", .c = "" },
  };
  g_autoptr (ReformerTensor) tokens = tokens_with (1, 8, -1, 0);
  const guint64 memory = reformer_device_get_memory_used (device);

  for (guint i = 0; i < G_N_ELEMENTS (numbers) + G_N_ELEMENTS (others); i++)
    {
      const guint j = i - G_N_ELEMENTS (numbers);
      const gboolean number = i < G_N_ELEMENTS (numbers);
      const char *a = number ? numbers[i].a : others[j].a, *b = number ? numbers[i].b : others[j].b, *c = number ? numbers[i].c : others[j].c;
      const int code = number ? numbers[i].code : others[j].code;
      g_autoptr (ReformerConfig) config = test_config (!number && others[j].kind != NULL ? others[j].kind : "local,lsh");
      g_autoptr (ReformerModel) model = NULL;
      g_autoptr (GListModel) parameters = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (GFile) nowhere = g_file_new_for_path ("/nonexistent/folder");

      if (number)
        {
          if (numbers[i].value == 46341)
            reformer_config_set_local_attn_chunk_length (config, 46349);
          g_object_set (config, numbers[i].key, numbers[i].value, NULL);
        }
      else
        {
          if (others[j].act != NULL)
            reformer_config_set_hidden_act (config, others[j].act);
          if (others[j].buckets[0] != 0)
            set_buckets (config, others[j].buckets[0], others[j].buckets[1]);
          if (others[j].axial[0] != 0)
            set_axial (config, others[j].axial[0], others[j].axial[1], others[j].axial[2], others[j].axial[3]);
        }
      model = reformer_model_new (device, config);
      refuse (model, tokens, NULL, NULL, code, a, b, c);
      g_assert_false (reformer_model_prepare (model, &error));
      assert_says (&error, MODEL, code, a, b, c, NULL);
      g_assert_null (reformer_model_estimate_memory (model, 1, 8, TRUE, &error));
      assert_says (&error, MODEL, code, a, b, c, NULL);
      g_assert_cmpint (reformer_model_find_max_length (model, 1, TRUE, &error), ==, -1);
      assert_says (&error, MODEL, code, a, b, c, NULL);
      g_assert_false (reformer_model_save (model, nowhere, NULL, &error));
      assert_says (&error, MODEL, code, a, b, c, NULL);
      g_assert_null (reformer_model_get_stack (model));
      parameters = reformer_model_get_parameters (model);
      g_assert_cmpuint (g_list_model_get_n_items (parameters), ==, 0);
      g_assert_cmpuint (reformer_model_get_n_parameters (model), ==, 0);
      g_assert_cmpuint (reformer_model_freeze (model, "*"), ==, 0);
    }
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
}

/* A model that is right but for its head: no loss without one. */
static void
test_no_head (void)
{
  g_autoptr (ReformerConfig) config = test_config ("lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) tokens = tokens_with (1, 9, -1, 0);
  g_autoptr (ReformerTensor) output = NULL;
  g_autoptr (GError) error = NULL;

  reformer_config_set_head (config, REFORMER_HEAD_NONE);
  model = reformer_model_new (device, config);
  g_assert_true (isnan (reformer_model_compute_loss (model, tokens, NULL, tokens, &error)));
  assert_says (&error, MODEL, UNSUPPORTED, "no head", "no loss", "language", NULL);
  g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, NULL, tokens, &error)));
  assert_says (&error, MODEL, UNSUPPORTED, "no head", NULL);
  output = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
}

/* ---- Memory ---- */

static guint64
weights_of (ReformerModel *model)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (model, 1, 64, FALSE, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < reformer_memory_plan_get_n_parts (plan); i++)
    if (g_str_equal (reformer_memory_plan_get_part_name (plan, i), "weights"))
      return reformer_memory_plan_get_part_bytes (plan, i);
  g_assert_not_reached ();
}

static guint64
total_of (ReformerModel *model,
          gboolean       gradients)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (model, 1, 64, gradients, &error);

  g_assert_no_error (error);
  return reformer_memory_plan_get_total (plan);
}

/* With the limit at `bytes` beyond what is in use now, the call fails and leaves nothing behind. */
static void
exceed (ReformerModel  *model,
        ReformerTensor *tokens,
        gboolean        gradients,
        guint64         limit)
{
  g_autofree char *limit_text = g_strdup_printf ("the limit is %" G_GUINT64_FORMAT, limit);
  g_autoptr (GError) error = NULL;

  reformer_device_set_memory_limit (device, limit);
  if (gradients)
    g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, NULL, tokens, &error)));
  else
    g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
  assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, reformer_device_get_name (device), "bytes wanted for ", "in use", limit_text, NULL);
  reformer_device_set_memory_limit (device, 0);
}

static void
test_limit (void)
{
  g_autoptr (ReformerTensor) tokens = tokens_with (1, 64, -1, 0);
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerModel) usual = new_model ();
  g_autoptr (GArray) answers = test_answers (usual, tokens, TRUE);
  const guint64 each = reformer_device_get_memory_used (device) - before;
  const guint64 weights = weights_of (usual), forward = total_of (usual, FALSE), gradients = total_of (usual, TRUE);
  guint64 held;
  GError *error = NULL;

  g_assert_cmpuint (weights, <, forward);
  g_assert_cmpuint (forward, <, gradients);
  reformer_device_set_memory_limit (device, 0);

  /* a new model whose weights do not fit, at several points; it goes on where it was */
  for (guint part = 0; part < 8; part++)
    {
      const guint64 start = reformer_device_get_memory_used (device);
      g_autoptr (ReformerModel) model = new_model ();

      exceed (model, tokens, part % 2, start + 4096 + weights * part / 8);
      g_assert_cmpuint (reformer_device_get_memory_used (device), <, start + weights + 4096);
      assert_unharmed (usual, tokens, answers, reformer_device_get_memory_used (device));
      {
        g_autoptr (GArray) now = test_answers (model, tokens, TRUE);

        g_assert_cmpmem (now->data, now->len * sizeof (float), answers->data, answers->len * sizeof (float));
      }
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, start + each);
      g_clear_object (&model);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, start);
    }

  /* a model that has run: forward, then gradients, at many points */
  held = reformer_device_get_memory_used (device);
  for (guint part = 0; part < 24; part++)
    {
      const guint64 rest = held + (part < 8 ? (forward - weights) * part / 8 : (gradients - (each)) * (part - 8) / 16);
      const guint64 limit = rest / 4096 * 4096;

      exceed (usual, tokens, part >= 8, limit);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, held);
      if (part % 6 == 0)
        assert_unharmed (usual, tokens, answers, held);
    }
  assert_unharmed (usual, tokens, answers, held);

  /* tensors, and what no device has */
  {
    const gint64 shape[1] = { 1 << 20 }, endless[2] = { G_MAXINT64 / 8, 1 }, absurd[2] = { G_MAXINT64, G_MAXINT64 }, large[2] = { 1 << 30, 1 << 20 };

    reformer_device_set_memory_limit (device, held + 4096);
    g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, shape, 1, &error));
    assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "4194304 bytes wanted", "in use", "the limit is", NULL);
    reformer_device_set_memory_limit (device, 0);
    g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, endless, 2, &error));
    assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "bytes", NULL);
    g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, large, 2, &error));
    assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "bytes wanted", NULL);
    g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, absurd, 2, &error));
    assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_INVALID, "more elements than can be counted", NULL);
  }
  assert_unharmed (usual, tokens, answers, held);
}

/* ---- Kernels that do not build ---- */

static void
test_build (void)
{
  g_autoptr (GArray) answers = NULL, now = NULL;
  g_autoptr (GError) error = NULL;

  {
    g_autoptr (ReformerModel) model = new_model ();
    g_autoptr (ReformerTensor) tokens = tokens_with (1, 8, -1, 0);

    answers = test_answers (model, tokens, TRUE);
  }
  reopen ();
  reformer_program_add_source (device, "embedding", "__kernel void\nembedding_forward (int n)\n{\n  n = no_such_thing;\n  neither = this;\n}\n");
  {
    g_autoptr (ReformerModel) model = new_model ();
    g_autoptr (ReformerTensor) tokens = tokens_with (1, 8, -1, 0);
    guint64 memory;

    g_assert_true (reformer_model_prepare (model, &error));
    memory = reformer_device_get_memory_used (device);
    for (int i = 0; i < 2; i++)
      {
        g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
        assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_BUILD_FAILED, reformer_device_get_name (device), "kernel family embedding did not build", "no_such_thing", NULL);
        g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, NULL, tokens, &error)));
        assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_BUILD_FAILED, "embedding", "no_such_thing", NULL);
      }
    g_assert_cmpuint (reformer_device_get_memory_used (device), >=, memory);
  }
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, 0);
  reopen ();
  {
    g_autoptr (ReformerModel) model = new_model ();
    g_autoptr (ReformerTensor) tokens = tokens_with (1, 8, -1, 0);

    now = test_answers (model, tokens, TRUE);
    g_assert_cmpmem (now->data, now->len * sizeof (float), answers->data, answers->len * sizeof (float));
  }
}

/* ---- Devices that are gone ---- */

static void
test_closed (void)
{
  g_autoptr (ReformerModel) model = new_model ();
  g_autoptr (ReformerTensor) tokens = tokens_with (1, 16, 3, 29), fresh = NULL;
  g_autoptr (ReformerTensor) output = NULL;
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 32, 8, TRUE);
  g_autoptr (ReformerTape) tape = reformer_tape_new (device);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 2, 3, 32), y = NULL, dx = NULL;
  g_autoptr (ReformerDevice) gone = g_object_ref (device);
  g_autoptr (GFile) folder = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new_static ("12345678901234567890123456789012345678901234567890123456789012345678", 64);
  g_autofree char *path = g_dir_make_tmp ("reformer-mistakes-XXXXXX", &error), *inside = g_build_filename (path, "model", NULL);
  const gint32 *view;
  const gint64 shape[1] = { 4 };

  output = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
  y = test_forward (layer, x, tape);
  dx = test_backward (layer, y, tape);
  g_clear_object (&y);
  y = test_forward (layer, x, tape);
  view = reformer_tensor_map (tokens, NULL);
  reopen ();
  g_assert_true (gone != device);

  for (int i = 0; i < 2; i++)
    {
      g_assert_null (reformer_tensor_map (output, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, reformer_device_get_name (gone), "was closed", NULL);
      g_assert_null (reformer_tensor_to_bytes (output, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_false (reformer_tensor_upload (tokens, bytes, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_null (reformer_tensor_new (gone, REFORMER_DTYPE_FLOAT32, shape, 1, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, NULL, tokens, &error)));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_null (reformer_layer_forward (REFORMER_LAYER (layer), x, tape, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_null (reformer_layer_backward (REFORMER_LAYER (layer), y, tape, &error));
      assert_says (&error, error->domain, error->code, NULL);
      g_assert_false (reformer_layer_clear_gradients (REFORMER_LAYER (layer), &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      folder = g_file_new_for_path (inside);
      g_assert_false (reformer_model_save (model, folder, NULL, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
      g_assert_false (g_file_test (inside, G_FILE_TEST_EXISTS));
      g_clear_object (&folder);
      g_assert_false (reformer_device_synchronize (gone, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_LOST, "was closed", NULL);
    }
  /* shapes can still be looked at, and so can memory that was looked at before */
  g_assert_cmpuint (reformer_tensor_get_n_elements (output), ==, 16 * 40);
  if (view != NULL)
    g_assert_cmpint (view[3], ==, 29);

  /* tensors of the closed device do no harm to the new one */
  fresh = tokens_with (1, 16, 3, 29);
  {
    g_autoptr (ReformerModel) again = new_model ();

    refuse (again, tokens, NULL, NULL, INPUT, "tokens: on ", "(closed)", "wanted the model's");
    g_clear_object (&output);
    output = reformer_model_forward (again, fresh, NULL, &error);
    g_assert_no_error (error);
  }
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

/* Runs in a process of its own: there is no device at all. */
static void
test_no_device (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerConfig) config = test_config ("lsh");
      g_autoptr (ReformerModel) model = NULL;
      g_autoptr (ReformerDevice) planner = reformer_device_new_planner (NULL);
      g_autoptr (ReformerTensor) tokens = NULL;
      g_autoptr (ReformerModel) loaded = NULL;
      g_autoptr (ReformerModel) planned = NULL;
      g_autoptr (ReformerMemoryPlan) plan = NULL;
      g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "golden", "lsh", NULL);
      g_autoptr (GFile) file = g_file_new_for_path (folder);
      g_autoptr (GError) error = NULL;

      g_assert_null (reformer_device_get_default (&error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_NOT_FOUND, "no OpenCL device", "pocl-opencl-icd", NULL);
      model = reformer_model_new (NULL, config);
      tokens = test_tensor_int (planner, NULL, 2, 1, 8);
      g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_NOT_FOUND, "no OpenCL device", "pocl-opencl-icd", NULL);
      g_assert_null (reformer_model_get_stack (model));
      g_assert_null (reformer_model_get_device (model));
      g_assert_null (reformer_model_load (NULL, file, NULL, &error));
      assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_NOT_FOUND, "no OpenCL device", "pocl-opencl-icd", NULL);

      /* what needs none */
      loaded = reformer_model_load (planner, file, NULL, &error);
      g_assert_no_error (error);
      planned = reformer_model_new (planner, config);
      plan = reformer_model_estimate_memory (planned, 1, 64, TRUE, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (reformer_memory_plan_get_total (plan), >, 0);
      return;
    }
  {
    g_autofree char *old = g_strdup (g_getenv ("OCL_ICD_VENDORS"));

    g_setenv ("OCL_ICD_VENDORS", "/nonexistent", TRUE);
    g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
    if (old != NULL)
      g_setenv ("OCL_ICD_VENDORS", old, TRUE);
    else
      g_unsetenv ("OCL_ICD_VENDORS");
    g_test_trap_assert_passed ();
  }
}

/* Build options that no compiler takes: every kernel fails, and says so. */
static void
test_bad_options (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerModel) model = new_model ();
      g_autoptr (ReformerTensor) tokens = tokens_with (1, 8, -1, 0);
      g_autoptr (GError) error = NULL;

      for (int i = 0; i < 3; i++)
        {
          g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
          assert_says (&error, DEVICE, REFORMER_DEVICE_ERROR_BUILD_FAILED, reformer_device_get_name (device), "did not build", NULL);
        }
      return;
    }
  g_setenv ("REFORMER_BUILD_OPTIONS", "-Dconst=no_such_thing", TRUE);
  g_test_trap_subprocess (NULL, 120 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_unsetenv ("REFORMER_BUILD_OPTIONS");
  g_test_trap_assert_passed ();
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  if (!g_test_subprocess () || g_getenv ("REFORMER_BUILD_OPTIONS") != NULL)
    device = test_new_device ();
  g_test_add_func ("/mistakes/input", test_input);
  g_test_add_func ("/mistakes/shapes", test_shapes);
  g_test_add_func ("/mistakes/other-device", test_other_device);
  g_test_add_func ("/mistakes/configs", test_configs);
  g_test_add_func ("/mistakes/no-head", test_no_head);
  g_test_add_func ("/mistakes/limit", test_limit);
  g_test_add_func ("/mistakes/build", test_build);
  g_test_add_func ("/mistakes/closed", test_closed);
  g_test_add_func ("/mistakes/no-device", test_no_device);
  g_test_add_func ("/mistakes/bad-options", test_bad_options);
  status = test_run ();
  g_clear_object (&device);
  return status;
}
