/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What layers and stacks are asked wrongly gives one line that says what, and harms nothing; so do layers that were written wrongly. */
#include "mistakes.h"

#include "layer-checks.h"

#include <libreformer/layers/reformer-axial-position.h>
#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/layers/reformer-position-table.h>
#include <math.h>
#include <string.h>

#define MODEL REFORMER_MODEL_ERROR
#define DEVICE REFORMER_DEVICE_ERROR
#define SHAPE REFORMER_MODEL_ERROR_SHAPE
#define INPUT REFORMER_MODEL_ERROR_INVALID_INPUT
#define CONFIG REFORMER_MODEL_ERROR_INVALID_CONFIG
#define UNSUPPORTED REFORMER_MODEL_ERROR_UNSUPPORTED

static ReformerModel *
new_model (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  ReformerModel *model = reformer_model_new (device, config);

  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  return model;
}

/* ---- Layers by themselves ---- */

static ReformerLayer *
new_layer (guint kind)
{
  static const int shape[2] = { 4, 8 }, dims[2] = { 4, 8 };

  switch (kind)
    {
    case 0:
      return REFORMER_LAYER (reformer_linear_new (device, 12, 12, TRUE));
    case 1:
      return REFORMER_LAYER (reformer_layer_norm_new (device, 12));
    case 2:
      return REFORMER_LAYER (reformer_feed_forward_new (device, 12, 20));
    case 3:
      return REFORMER_LAYER (reformer_axial_position_new (device, shape, 2, dims, 2));
    case 4:
      return REFORMER_LAYER (reformer_position_table_new (device, 32, 12));
    case 5:
      return g_object_new (REFORMER_TYPE_LOCAL_ATTENTION, "device", device, "hidden-size", 12, "num-attention-heads", 2, "attention-head-size", 16, "chunk-length", 8, NULL);
    case 6:
      return g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 12, "num-attention-heads", 2, "attention-head-size", 16, "chunk-length", 8,
                           NULL);
    case 7:
      return REFORMER_LAYER (reformer_full_attention_new (device, 12, 2, 16));
    default:
      return NULL;
    }
}

static void
fail_any (ReformerLayer  *layer,
          ReformerTensor *x,
          ReformerTensor *dy,
          ReformerTape   *tape,
          const char     *a,
          const char     *b)
{
  g_autoptr (GError) error = NULL;
  ReformerTensor *result = dy != NULL ? reformer_layer_backward (layer, dy, tape, &error) : reformer_layer_forward (layer, x, tape, &error);

  g_assert_null (result);
  g_assert_nonnull (error);
  g_assert_true (error->domain == MODEL || error->domain == DEVICE);
  assert_says (&error, error->domain, error->code, G_OBJECT_TYPE_NAME (layer), a, b, NULL);
}

static void
test_layers (void)
{
  g_autofree float *values = g_new (float, 2 * 16 * 12);

  test_fill (values, 2 * 16 * 12, 3);
  for (guint kind = 0;; kind++)
    {
      g_autoptr (ReformerLayer) layer = new_layer (kind);
      g_autoptr (ReformerLayer) other = REFORMER_LAYER (reformer_linear_new (device, 12, 12, FALSE));
      g_autoptr (ReformerTensor) x = NULL, wide = NULL, ids = NULL, scalar = NULL, dy = NULL, wrong = NULL, y = NULL, dx = NULL, z = NULL;
      g_autoptr (ReformerTape) tape = NULL;

      if (layer == NULL)
        break;
      tape = reformer_tape_new (device);
      x = test_tensor (device, values, 3, 2, 16, 12);
      wide = test_tensor (device, NULL, 3, 2, 16, 13);
      ids = test_tensor_int (device, NULL, 3, 2, 16, 12);
      scalar = test_tensor (device, NULL, 0);
      dy = test_tensor (device, values, 3, 2, 16, 12);
      wrong = test_tensor (device, NULL, 3, 2, 15, 12);

      fail_any (layer, wide, NULL, tape, "float32 [2, 16, 13]", "wanted float32 [");
      fail_any (layer, ids, NULL, tape, "int32 [2, 16, 12]", "wanted float32 [");
      fail_any (layer, scalar, NULL, tape, "float32 []", "wanted float32 [");
      if (kind < 3 || kind > 4) /* positions need nothing of the forward pass */
        fail_any (layer, NULL, dy, tape, "backward", "nothing on the tape");

      y = test_forward (layer, x, tape);
      fail_any (layer, NULL, wide, tape, "gradient", "[2, 16, 13]");
      g_clear_object (&y);
      g_clear_object (&tape);
      tape = reformer_tape_new (device);
      y = test_forward (layer, x, tape);
      if (kind < 3 || kind > 4)
        fail_any (layer, NULL, wrong, tape, "gradient", "");
      g_clear_object (&y);
      g_clear_object (&tape);
      tape = reformer_tape_new (device);
      y = test_forward (layer, x, tape);
      fail_any (layer, NULL, ids, tape, "gradient", "int32 [2, 16, 12]");
      g_clear_object (&y);

      /* a tape that another layer wrote, or on which nothing was recorded */
      g_clear_object (&tape);
      tape = reformer_tape_new (device);
      z = test_forward (other, x, tape);
      {
        g_autoptr (GError) error = NULL;

        dx = reformer_layer_backward (layer, dy, tape, &error);
        if (error != NULL)
          assert_says (&error, MODEL, error->code, G_OBJECT_TYPE_NAME (layer), NULL);
        g_clear_object (&dx);
      }
      g_clear_object (&tape);
      tape = reformer_tape_new (device);
      reformer_tape_set_recording (tape, FALSE);
      y = test_forward (layer, x, tape);
      if (kind < 3 || kind > 4)
        fail_any (layer, NULL, dy, tape, "backward", "nothing on the tape");
      g_clear_object (&y);

      /* and right */
      g_clear_object (&tape);
      tape = reformer_tape_new (device);
      y = test_forward (layer, x, tape);
      dx = test_backward (layer, dy, tape);
      g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
    }
}

static void
test_attention (void)
{
  for (guint kind = 5; kind < 7; kind++)
    {
      g_autoptr (ReformerLayer) layer = new_layer (kind);
      g_autoptr (ReformerTape) tape = reformer_tape_new (device);
      g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 3, 1, 20, 12), right = test_tensor (device, NULL, 3, 1, 24, 12), few = test_tensor (device, NULL, 3, 1, 7, 12);
      g_autoptr (ReformerTensor) mask = test_tensor_bytes (device, NULL, 2, 1, 23), floats = test_tensor (device, NULL, 2, 1, 24);
      g_autoptr (ReformerTensor) y = NULL, z = NULL;
      g_autoptr (GError) error = NULL;

      fail_any (layer, x, NULL, tape, "20 tokens", "multiple of the chunk length 8, such as 24");
      reformer_tape_set_mask (tape, mask);
      g_assert_null (reformer_layer_forward (layer, right, tape, &error));
      assert_says (&error, MODEL, SHAPE, "mask", "uint8 [1, 23]", "wanted uint8 [1, 24]", NULL);
      reformer_tape_set_mask (tape, floats);
      g_assert_null (reformer_layer_forward (layer, right, tape, &error));
      assert_says (&error, MODEL, SHAPE, "mask", "float32 [1, 24]", "wanted uint8 [1, 24]", NULL);
      reformer_tape_set_mask (tape, NULL);
      y = test_forward (layer, right, tape);
      z = test_forward (layer, few, tape);
    }
  {
    const gint32 odd[2] = { 4, 5 }, large[2] = { 512, 512 };
    g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 3, 1, 128, 12);
    g_autoptr (ReformerLayer) a = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 12, "num-buckets",
                                                g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, odd, 2, 4), NULL);
    g_autoptr (ReformerLayer) b = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 12, "num-buckets",
                                                g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, large, 2, 4), NULL);
    g_autoptr (ReformerLayer) c = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 12, "num-buckets",
                                                g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, NULL, 0, 4), NULL);
    g_autoptr (ReformerLayer) d = g_object_new (REFORMER_TYPE_FEED_FORWARD, "device", device, "hidden-size", 12, "hidden-act", "prelu", NULL);

    assert_fails (a, x, NULL, NULL, CONFIG, "num-buckets has the factor 5; wanted an even number, such as 6");
    assert_fails (b, x, NULL, NULL, CONFIG, "num-buckets makes 262144 buckets; wanted at most 65534");
    assert_fails (c, x, NULL, NULL, CONFIG, "num-buckets has 0 factors; wanted 1 to 16");
    assert_fails (d, x, NULL, NULL, CONFIG, "*prelu*");
  }
}

/* ---- Stacks ---- */

static void
test_stack (void)
{
  g_autoptr (ReformerModel) model = new_model ();
  ReformerStack *stack = reformer_model_get_stack (model);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  g_autoptr (GArray) answers = test_answers (model, tokens, TRUE);
  const guint64 memory = reformer_device_get_memory_used (device);
  g_autoptr (ReformerLayer) branch = REFORMER_LAYER (reformer_linear_new (device, 32, 32, TRUE)), narrow = REFORMER_LAYER (reformer_linear_new (device, 32, 31, TRUE));
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  g_autoptr (ReformerLayer) foreign = REFORMER_LAYER (reformer_linear_new (planner, 32, 32, TRUE));
  g_autofree char *long_name = g_strnfill (201, 'a');
  g_autoptr (GError) error = NULL;

  g_assert_false (reformer_stack_insert (stack, 5, "mine", branch, &error));
  assert_says (&error, MODEL, INPUT, "position is 5", "wanted 0 to 4", NULL);
  g_assert_false (reformer_stack_insert (stack, G_MAXUINT, "mine", branch, &error));
  assert_says (&error, MODEL, INPUT, "position is 4294967295", "wanted 0 to 4", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, reformer_stack_get_name (stack, 2), branch, &error));
  assert_says (&error, MODEL, INPUT, "layers.1.attention", "already", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, "", branch, &error));
  assert_says (&error, MODEL, INPUT, "name", "0 characters", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, long_name, branch, &error));
  assert_says (&error, MODEL, INPUT, "name", "201 characters", "1 to 200", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, "two\nlines", branch, &error));
  assert_says (&error, MODEL, INPUT, "name", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, "not \xff utf-8", branch, &error));
  assert_says (&error, MODEL, INPUT, "name", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, "mine", foreign, &error));
  assert_says (&error, MODEL, INPUT, "device", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, "mine", REFORMER_LAYER (stack), &error));
  assert_says (&error, MODEL, INPUT, "itself", NULL);
  g_assert_false (reformer_stack_remove (stack, 4, &error));
  assert_says (&error, MODEL, INPUT, "position is 4", "4 branches", NULL);
  g_assert_null (reformer_stack_get_name (stack, 4));
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (stack)), ==, 4);
  assert_unharmed (model, tokens, answers, memory);

  /* one layer in two places */
  g_assert_true (reformer_stack_insert (stack, 1, "mine", branch, &error));
  g_assert_false (reformer_stack_insert (stack, 3, "again", branch, &error));
  assert_says (&error, MODEL, INPUT, "again", "mine", NULL);
  g_assert_false (reformer_stack_insert (stack, 0, "mine", narrow, &error));
  assert_says (&error, MODEL, INPUT, "mine", "already", NULL);
  g_assert_cmpstr (reformer_parameter_get_name (test_parameter (branch, 0)), ==, "reformer.encoder.extra.mine.weight");
  g_assert_true (reformer_stack_remove (stack, 1, &error));
  g_assert_cmpstr (reformer_parameter_get_name (test_parameter (branch, 0)), ==, "weight");

  /* a branch that gives something else */
  g_assert_true (reformer_stack_insert (stack, 1, "narrow", narrow, &error));
  g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
  assert_says (&error, MODEL, SHAPE, "forward of ReformerLinear", "float32 [1, 16, 31]", "must return Tensor float32 [1, 16, 32]", NULL);
  g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, NULL, tokens, &error)));
  assert_says (&error, MODEL, SHAPE, "forward of ReformerLinear", "float32 [1, 16, 31]", "must return Tensor float32 [1, 16, 32]", NULL);
  g_assert_true (reformer_stack_remove (stack, 1, &error));
  {
    g_autoptr (GArray) now = test_answers (model, tokens, TRUE);

    g_assert_cmpmem (now->data, now->len * sizeof (float), answers->data, answers->len * sizeof (float));
  }
}

/* ---- Layers that were written wrongly ---- */

typedef enum
{
  RIGHT,
  POPS_TOO_MUCH,
  POPS_TOO_LITTLE,
  PUSHES_TOO_MUCH,
  FORWARD_NULL,
  BACKWARD_NULL,
  FORWARD_FOREIGN,
  BACKWARD_FOREIGN,
  FORWARD_INTEGERS,
  BACKWARD_INTEGERS,
  FORWARD_SHORT,
  BACKWARD_SHORT,
  FORWARD_BOTH,
  FORWARD_FAILS,
  BACKWARD_FAILS,
  N_WAYS
} Way;

struct _TestLayer
{
  ReformerLayer parent_instance;

  Way           way;
};

#define TEST_TYPE_LAYER (test_layer_get_type ())
G_DECLARE_FINAL_TYPE (TestLayer, test_layer, TEST, LAYER, ReformerLayer)
G_DEFINE_FINAL_TYPE (TestLayer, test_layer, REFORMER_TYPE_LAYER)

/* Twice x, or what is wrong. */
static ReformerTensor *
answer (ReformerTensor  *x,
        Way              way,
        Way              wrong,
        ReformerTape    *tape,
        GError         **error)
{
  const gsize n = reformer_tensor_get_n_elements (x);
  g_autoptr (ReformerDevice) planner = NULL;
  g_autofree float *values = NULL;
  ReformerTensor *y;

  switch ((int) way - (int) wrong)
    {
    case 0:
      return NULL;
    case FORWARD_FOREIGN - FORWARD_NULL:
      planner = reformer_device_new_planner (device);
      return test_tensor (planner, NULL, 3, 1, 16, 32);
    case FORWARD_INTEGERS - FORWARD_NULL:
      return test_tensor_int (device, NULL, 3, 1, 16, 32);
    case FORWARD_SHORT - FORWARD_NULL:
      return test_tensor (device, NULL, 3, 1, 15, 32);
    default:
      break;
    }
  values = test_floats (x);
  for (gsize i = 0; i < n; i++)
    values[i] *= 2;
  y = test_tensor (device, values, 3, 1, 16, 32);
  return y;
}

static ReformerTensor *
test_layer_forward (ReformerLayer   *layer,
                    ReformerTensor  *x,
                    ReformerTape    *tape,
                    GError         **error)
{
  const Way way = TEST_LAYER (layer)->way;

  reformer_tape_push (tape, x);
  if (way == PUSHES_TOO_MUCH)
    reformer_tape_push (tape, x);
  if (way == FORWARD_FAILS || way == FORWARD_BOTH)
    g_set_error (error, MODEL, REFORMER_MODEL_ERROR_FAILED, "forward of TestLayer has no wish to");
  return way == FORWARD_FAILS ? NULL : answer (x, way, FORWARD_NULL, tape, error);
}

static ReformerTensor *
test_layer_backward (ReformerLayer   *layer,
                     ReformerTensor  *dy,
                     ReformerTape    *tape,
                     GError         **error)
{
  const Way way = TEST_LAYER (layer)->way;
  g_autoptr (ReformerTensor) x = way != POPS_TOO_LITTLE ? reformer_tape_pop (tape) : NULL;
  g_autoptr (ReformerTensor) more = way == POPS_TOO_MUCH ? reformer_tape_pop (tape) : NULL;

  if (way == BACKWARD_FAILS)
    {
      g_set_error (error, MODEL, REFORMER_MODEL_ERROR_FAILED, "backward of TestLayer has no wish to");
      return NULL;
    }
  return answer (dy, way, BACKWARD_NULL, tape, error);
}

static void
test_layer_class_init (TestLayerClass *klass)
{
  REFORMER_LAYER_CLASS (klass)->forward = test_layer_forward;
  REFORMER_LAYER_CLASS (klass)->backward = test_layer_backward;
}

static void
test_layer_init (TestLayer *self)
{
}

static void
test_written (void)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };
  static const char *const words[N_WAYS] = {
    [POPS_TOO_MUCH] = "backward of TestLayer left", [POPS_TOO_LITTLE] = "backward of TestLayer left", [PUSHES_TOO_MUCH] = "backward of TestLayer left", [FORWARD_NULL] = "forward of TestLayer returned neither",
    [BACKWARD_NULL] = "backward of TestLayer returned neither", [FORWARD_FOREIGN] = "(a planner)", [BACKWARD_FOREIGN] = "(a planner)",
    [FORWARD_INTEGERS] = "forward of TestLayer returned Tensor int32 [1, 16, 32]", [BACKWARD_INTEGERS] = "backward of TestLayer returned Tensor int32 [1, 16, 32]",
    [FORWARD_SHORT] = "forward of TestLayer returned Tensor float32 [1, 15, 32]", [BACKWARD_SHORT] = "backward of TestLayer returned Tensor float32 [1, 15, 32]",
    [FORWARD_BOTH] = "no wish to", [FORWARD_FAILS] = "forward of TestLayer has no wish to", [BACKWARD_FAILS] = "backward of TestLayer has no wish to",
  };
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);

  for (guint k = 0; k < G_N_ELEMENTS (keeps); k++)
    {
      g_autoptr (ReformerModel) model = new_model ();
      ReformerStack *stack = reformer_model_get_stack (model);
      g_autoptr (TestLayer) layer = g_object_new (TEST_TYPE_LAYER, "device", device, NULL);
      g_autoptr (GArray) answers = NULL;
      g_autoptr (GError) error = NULL;
      guint64 memory;

      reformer_stack_set_keep (stack, keeps[k]);
      g_assert_true (reformer_stack_insert (stack, 2, "mine", REFORMER_LAYER (layer), &error));
      answers = test_answers (model, tokens, TRUE);
      memory = reformer_device_get_memory_used (device);
      for (guint way = RIGHT + 1; way < N_WAYS; way++)
        {
          layer->way = way;
          g_assert_true (isnan (reformer_model_compute_gradients (model, tokens, NULL, tokens, &error)));
          assert_says (&error, error->domain, error->code, words[way], NULL);
          layer->way = RIGHT;
          assert_unharmed (model, tokens, answers, memory);
        }
    }
}

/* What fails without anybody to hear of it is told by the next use. */
static void
test_late_settings (void)
{
  g_autoptr (ReformerConfig) config = test_config ("lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (GListModel) branches = g_object_ref (G_LIST_MODEL (reformer_model_get_stack (model))), parameters = NULL;
  g_autoptr (ReformerLayer) attention = g_list_model_get_item (branches, 0), feed_forward = g_list_model_get_item (branches, 1);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40), output = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (attention, "num-hashes", 1, NULL);
  g_object_set (feed_forward, "hidden-act", "gelu", NULL);
  parameters = reformer_model_get_parameters (model);
  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);

      g_assert_nonnull (reformer_parameter_get_value (parameter));
    }
  for (guint i = 0; i < 2; i++)
    {
      g_assert_null (reformer_model_forward (model, tokens, NULL, &error));
      assert_says (&error, MODEL, CONFIG, i == 0 ? "num-hashes" : "hidden-act", "wanted before", NULL);
    }
  output = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
}

/* The function itself cannot fail: each use of the layer does. */
static void
test_children (void)
{
  static const char *const words[] = { "a name that is not empty", "is the layer itself", "is made of this layer", "one of that name" };
  static const float zeros[12] = { 0 };
  g_autoptr (ReformerTensor) x = test_tensor (device, zeros, 3, 1, 1, 12);

  for (guint way = 0; way < G_N_ELEMENTS (words); way++)
    {
      g_autoptr (ReformerLayer) parent = new_layer (1), child = new_layer (1);
      g_autoptr (ReformerTape) tape = reformer_tape_new (device);
      g_autoptr (GError) error = NULL;

      if (way == 2)
        reformer_layer_add_child (child, "inner", parent);
      else
        reformer_layer_add_child (parent, "inner", child);
      if (way == 2)
        reformer_layer_add_child (parent, "outer", child);
      else
        reformer_layer_add_child (parent, way == 0 ? "" : way == 1 ? "me" : "inner", way == 1 ? parent : child);
      for (guint use = 0; use < 2; use++)
        {
          g_assert_null (reformer_layer_forward (parent, x, tape, &error));
          assert_says (&error, MODEL, CONFIG, words[way], "of ReformerLayerNorm", NULL);
        }
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/mistakes-layers/layers", test_layers);
  g_test_add_func ("/mistakes-layers/attention", test_attention);
  g_test_add_func ("/mistakes-layers/stack", test_stack);
  g_test_add_func ("/mistakes-layers/written", test_written);
  g_test_add_func ("/mistakes-layers/late-settings", test_late_settings);
  g_test_add_func ("/mistakes-layers/children", test_children);
  status = test_run ();
  g_clear_object (&device);
  return status;
}
