/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The standard Transformer, a stack of one stream: built by hand it computes what torch does; made from a configuration it trains, is saved, planned and decoded. (What such a model
 * computes: test-transformer-config.c.) */
#include "models.h"

#include <math.h>
#include <string.h>

#include "folders.h"
#include "layer-checks.h"
#include "layers/stack-private.h"
#include "torch.h"
#include <libreformer/generation/reformer-session.h>
#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-lsh-attention.h>

/* ---- What torch computes ---- */

#define OUTPUT_TOLERANCE 2e-4
#define GRADIENT_TOLERANCE 1e-3

static void
add (ReformerStack *stack,
     const char    *name,
     gpointer       layer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerLayer) branch = REFORMER_LAYER (layer);

  reformer_stack_insert (stack, g_list_model_get_n_items (G_LIST_MODEL (stack)), name, branch, &error);
  g_assert_no_error (error);
}

/* n layers of attention and feed-forward, as a program would put them together. */
static ReformerStack *
new_stack (int         n,
           int         width,
           int         heads,
           int         inner,
           const char *activation,
           gboolean    norm_first)
{
  ReformerStack *stack = g_object_new (REFORMER_TYPE_STACK, "device", device, "streams", 1, NULL);

  for (int i = 0; i < n; i++)
    {
      g_autofree char *first = g_strdup_printf ("%d.attention", i), *second = g_strdup_printf ("%d.feed_forward", i);

      add (stack, first, g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", device, "hidden-size", width, "num-attention-heads", heads,
                                       "attention-head-size", width / heads, "bias", TRUE, "norm-first", norm_first, "layer-norm-eps", 1e-5, NULL));
      add (stack, second, g_object_new (REFORMER_TYPE_FEED_FORWARD, "device", device, "hidden-size", width, "feed-forward-size", inner,
                                        "hidden-act", activation, "norm-first", norm_first, "layer-norm-eps", 1e-5, NULL));
    }
  return stack;
}

/* A tensor [2, 48, 32] of the golden file, times `factor`. */
static ReformerTensor *
read_tensor (ReformerSafetensors *io,
             const char          *name,
             double               factor)
{
  gsize n;
  g_autofree double *values = test_read_double (io, name, &n);
  g_autofree float *floats = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    floats[i] = (float) (values[i] * factor);
  return test_tensor (device, floats, 3, 2, 48, 32);
}

static void
test_golden (gconstpointer keep)
{
  g_autoptr (ReformerSafetensors) io = test_torch_open ("io.safetensors");
  g_autoptr (ReformerStack) stack = new_stack (2, 32, 4, 64, "relu", FALSE);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) x = read_tensor (io, "input", 1), dy = read_tensor (io, "probe", 1.0 / (2 * 48 * 32)), y = NULL, dx = NULL;
  g_autoptr (GPtrArray) parameters = reformer_layer_list_parameters (REFORMER_LAYER (stack));
  g_autoptr (GError) error = NULL;
  g_autofree float *got = NULL, *got_dx = NULL;
  double most = 0, sum = 0;
  gsize n, one;
  g_autofree double *want = test_read_double (io, "output", &n), *want_dx = test_read_double (io, "grad.input", &n), *probe = test_read_double (io, "probe", &n);
  g_autofree double *loss = test_read_double (io, "loss", &one);

  g_assert_cmpuint (test_torch_load (parameters), ==, parameters->len);
  reformer_stack_set_keep (stack, GPOINTER_TO_INT (keep));
  y = test_forward (stack, x, tape);
  got = test_floats (y);
  assert_close ("output", got, want, n, OUTPUT_TOLERANCE);
  for (gsize i = 0; i < n; i++)
    sum += (double) got[i] * probe[i] / (double) n;
  g_assert_cmpfloat (fabs (sum - loss[0]), <=, 1e-5);

  reformer_layer_clear_gradients (REFORMER_LAYER (stack), &error);
  g_assert_no_error (error);
  dx = test_backward (stack, dy, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  got_dx = test_floats (dx);
  assert_close ("gradient of the input", got_dx, want_dx, n, GRADIENT_TOLERANCE);
  for (int pass = 0; pass < 2; pass++)
    for (guint i = 0; i < parameters->len; i++)
      {
        const gsize count = reformer_parameter_get_n_elements (parameters->pdata[i]);
        g_autofree double *wanted = test_torch_read (io, "grad.", parameters->pdata[i]);
        g_autofree float *values = test_floats (reformer_parameter_get_gradient (parameters->pdata[i]));

        /* the key's bias has no gradient in exact arithmetic: it is measured by the largest of the model */
        most = fmax (most, test_largest (wanted, count));
        if (pass == 1)
          assert_near (reformer_parameter_get_name (parameters->pdata[i]), values, wanted, count,
                       GRADIENT_TOLERANCE * fmax (test_largest (wanted, count), 1e-3 * most));
      }
}

/* d_model 512, 8 heads, 6 layers, feed-forward 2048 */
static void
test_parameters (void)
{
  g_autoptr (ReformerStack) stack = new_stack (6, 512, 8, 2048, "relu", FALSE);
  g_autoptr (GPtrArray) parameters = reformer_layer_list_parameters (REFORMER_LAYER (stack));
  gsize n = 0;

  for (guint i = 0; i < parameters->len; i++)
    n += reformer_parameter_get_n_elements (parameters->pdata[i]);
  g_assert_cmpuint (n, ==, 18914304);
}

/* ---- Both places of the norm, dropout, and branches of other kinds ---- */

/* Small enough that differences are gradients; norms keep what they get. */
static void
fill_small (ReformerStack *stack)
{
  g_autoptr (GPtrArray) parameters = reformer_layer_list_parameters (REFORMER_LAYER (stack));

  for (guint i = 0; i < parameters->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      g_autofree float *values = g_new (float, n);

      test_fill (values, n, 40 + i);
      for (gsize k = 0; k < n; k++)
        values[k] = 0.3f * values[k] + (g_str_has_suffix (reformer_parameter_get_name (parameters->pdata[i]), "layer_norm.weight") ? 1 : 0);
      test_set_values (parameters->pdata[i], values, n);
    }
}

static void
test_differences (void)
{
  const TestPass pass = { .training = TRUE, .seed = 3, .sequence = 5 };

  for (int norm_first = 0; norm_first < 2; norm_first++)
    {
      g_autoptr (ReformerStack) stack = new_stack (1, 16, 2, 24, "gelu", norm_first);
      g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, 6, 16, 11);

      /* between two norms of sums, and at the end: neither has one */
      add (stack, "between", g_object_new (REFORMER_TYPE_LINEAR, "device", device, "in-features", 16, "out-features", 16, NULL));
      add (stack, "last", g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 16, "num-attention-heads", 3, "attention-head-size", 8,
                                        "chunk-length", 8, "bias", TRUE, "norm-first", norm_first, "dropout", 0.25, NULL));
      fill_small (stack);
      check_gradients (stack, x, &pass);
    }
}

/* Groups of heads: each has its part of the projections' biases, and the output's is added once. */
static void
test_groups (void)
{
  enum { HEADS = 3, SIZE = 64, WIDTH = 8, T = 5 };
  g_autoptr (ReformerLayer) layer = g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", device, "hidden-size", WIDTH, "num-attention-heads", HEADS,
                                                  "attention-head-size", SIZE, "bias", TRUE, "norm-first", FALSE, NULL);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, T, WIDTH, 2), y = NULL;
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autofree float *bias = NULL, *got = NULL, *value_bias = NULL, *output = NULL;
  double want[T * WIDTH];

  /* without weights in query, key and value each token gets the value's bias, whatever it attends to */
  test_fill_parameters (layer, 9);
  assert_parameters (layer, "layer_norm.weight [8]; layer_norm.bias [8]; self_attention.query.weight [192, 8]; self_attention.key.weight [192, 8]; "
                            "self_attention.value.weight [192, 8]; output.dense.weight [8, 192]; self_attention.query.bias [192]; self_attention.key.bias [192]; "
                            "self_attention.value.bias [192]; output.dense.bias [8]");
  for (guint i = 2; i < 5; i++)
    {
      g_autoptr (GError) error = NULL;

      reformer_parameter_fill (test_parameter (layer, i), 0, &error);
      g_assert_no_error (error);
    }
  value_bias = test_value (layer, 8);
  output = test_value (layer, 5);
  bias = test_value (layer, 9);
  for (int t = 0; t < T; t++)
    for (int h = 0; h < WIDTH; h++)
      {
        want[t * WIDTH + h] = (double) bias[h];
        for (int k = 0; k < HEADS * SIZE; k++)
          want[t * WIDTH + h] += (double) output[h * HEADS * SIZE + k] * (double) value_bias[k];
      }
  y = test_forward (layer, x, tape);
  got = test_floats (y);
  assert_close ("output", got, want, T * WIDTH, 1e-5);
  check_gradients (layer, x, NULL);
}

/* The setting may come after the layer was made, as a Vala initialiser does it, and go again. */
static void
test_bias (void)
{
  g_autoptr (ReformerLayer) layer = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 8, "num-attention-heads", 1, "attention-head-size", 4, NULL);
  static const char weights[] = "layer_norm.weight [8]; layer_norm.bias [8]; self_attention.query_key.weight [4, 8]; self_attention.value.weight [4, 8]; output.dense.weight [8, 4]";
  g_autofree char *both = g_strconcat (weights, "; self_attention.query_key.bias [4]; self_attention.value.bias [4]; output.dense.bias [8]", NULL);

  for (int i = 0; i < 2; i++)
    {
      assert_parameters (layer, weights);
      g_object_set (layer, "bias", TRUE, NULL);
      assert_parameters (layer, both);
      g_object_set (layer, "bias", FALSE, NULL);
    }
  assert_parameters (layer, weights);
}

/* ---- Refused ---- */

static void
test_refused (void)
{
  g_autoptr (ReformerStack) one = new_stack (1, 16, 2, 24, "relu", FALSE), two = NULL;
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, 4, 16, 1), y = NULL;
  g_autoptr (ReformerTape) tape = test_tape (NULL);

  reformer_stack_set_keep (one, REFORMER_KEEP_NOTHING);
  assert_fails (one, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "keep of the stack is nothing, but it has one stream, *; wanted everything, inputs or auto, or two streams");
  reformer_tape_set_recording (tape, FALSE);
  y = test_forward (one, x, tape); /* without gradients nothing is kept anyway */

  two = g_object_new (REFORMER_TYPE_STACK, "device", device, NULL);
  add (two, "attention", g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", device, "hidden-size", 16, "norm-first", FALSE, NULL));
  assert_fails (two, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "norm-first of the branch 'attention' is false in a stack of two streams; wanted true, or one stream*");
}

/* ---- From a configuration ---- */

typedef struct
{
  const char *kinds;
  gboolean    norm_first, tied;
  double      dropout;
} Case;

static const Case cases[] = {
  { "local,local", FALSE, FALSE, 0 },
  { "local,lsh", FALSE, TRUE, 0.2 },
  { "lsh,local", TRUE, FALSE, 0.2 },
  { "full,full", FALSE, FALSE, 0.2 },
};

static ReformerConfig *
new_config (const Case *c)
{
  ReformerConfig *config = test_config (c->kinds);

  g_object_set (config, "streams", 1, "norm-first", c->norm_first, "final-norm", c->norm_first, "attention-bias", TRUE, "axial-pos-embds", FALSE,
                "layer-norm-eps", 1e-5, "tied-projection", c->tied, "hidden-dropout-prob", c->dropout, NULL);
  return config;
}

static ReformerModel *
new_model (const Case   *c,
           ReformerKeep  keep)
{
  g_autoptr (ReformerConfig) config = new_config (c);
  ReformerModel *model = reformer_model_new (device, config);

  reformer_stack_set_keep (reformer_model_get_stack (model), keep);
  return model;
}

static GArray *
gradients_of (ReformerModel  *model,
              ReformerTensor *tokens,
              double         *loss)
{
  g_autoptr (GError) error = NULL;

  *loss = reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
  g_assert_no_error (error);
  return test_gradients (model);
}

/* Both kinds of memory give the same gradients, to the bit. */
static void
test_keep (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (int T = 64; T >= 1; T -= 57) /* chunks, and no longer than one */
      {
        g_autoptr (ReformerModel) a = new_model (&cases[i], REFORMER_KEEP_EVERYTHING), b = new_model (&cases[i], REFORMER_KEEP_INPUTS);
        g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, T, 40);
        double loss, again;
        g_autoptr (GArray) first = gradients_of (a, tokens, &loss), second = gradients_of (b, tokens, &again);

        g_assert_cmpfloat (loss, ==, again);
        g_assert_cmpuint (first->len, ==, second->len);
        assert_same_bits (cases[i].kinds, (float *) first->data, (float *) second->data, first->len);
      }
}

static void
test_model_refused (void)
{
  g_autoptr (ReformerModel) model = new_model (&cases[0], REFORMER_KEEP_NOTHING);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 8, 40);
  g_autoptr (GError) error = NULL;

  reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG);
  g_assert_nonnull (strstr (error->message, "keep of the stack is nothing, but it has one stream"));
}

/* auto never becomes `nothing`, however little memory there is. */
static void
test_auto (void)
{
  g_autoptr (ReformerModel) model = new_model (&cases[0], REFORMER_KEEP_AUTO);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  reformer_device_set_memory_limit (device, 65536);
  plan = reformer_model_estimate_memory (model, 1, 64, TRUE, &error);
  reformer_device_set_memory_limit (device, 0);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_memory_plan_get_keep (plan), ==, REFORMER_KEEP_INPUTS);
  g_assert_false (reformer_memory_plan_get_fits (plan));
}

static void
test_names (void)
{
  g_autoptr (ReformerModel) model = new_model (&cases[1], REFORMER_KEEP_AUTO);
  g_autoptr (GListModel) parameters = NULL;
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  parameters = reformer_model_get_parameters (model);
  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (ReformerParameter) p = g_list_model_get_item (parameters, i);

      g_string_append_printf (names, "%s\n", reformer_parameter_get_name (p));
    }
  g_assert_nonnull (strstr (names->str, "reformer.encoder.layers.0.attention.self_attention.query.bias\n"));
  g_assert_nonnull (strstr (names->str, "reformer.encoder.layers.1.attention.self_attention.query_key.bias\n"));
  g_assert_nonnull (strstr (names->str, "reformer.encoder.layers.1.attention.output.dense.bias\n"));
  g_assert_true (g_str_has_suffix (names->str, "layers.1.feed_forward.output.dense.bias\nlm_head.projection.weight\nlm_head.bias\n"));
  g_assert_null (strstr (names->str, "decoder"));
  g_assert_null (strstr (names->str, "encoder.layer_norm"));
}

/* What was saved is loaded: the same logits to the bit. */
static void
test_saved (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = test_folder_new (), *folder = g_build_filename (path, "model", NULL);
      g_autoptr (GFile) file = g_file_new_for_path (folder);
      g_autoptr (ReformerModel) model = new_model (&cases[i], REFORMER_KEEP_AUTO), loaded = NULL;
      g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 43, 40), a = NULL, b = NULL, hidden = NULL;
      g_autoptr (ReformerConfig) config = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float *first = NULL, *second = NULL;

      a = reformer_model_forward (model, tokens, NULL, &error);
      g_assert_no_error (error);
      assert_shape (a, "[2, 43, 40]");
      hidden = reformer_model_encode (model, tokens, NULL, &error);
      g_assert_no_error (error);
      assert_shape (hidden, "[2, 43, 32]");
      reformer_model_save (model, file, NULL, &error);
      g_assert_no_error (error);
      loaded = reformer_model_load (device, file, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpint (reformer_stack_get_streams (reformer_model_get_stack (loaded)), ==, 1);
      b = reformer_model_forward (loaded, tokens, NULL, &error);
      g_assert_no_error (error);
      first = test_floats (a);
      second = test_floats (b);
      assert_same_bits (cases[i].kinds, first, second, 2 * 43 * 40);
      test_folder_delete (path);
    }
}

/* A text in pieces gives the logits of the whole. */
static void
test_decoded (void)
{
  static const int cuts[] = { 20, 1, 1, 9, 12 };

  for (int number = 0; number < 4; number++)
    {
      const gboolean norm_first = number % 2;
      const Case c = { number < 2 ? "local,local" : "full,full", norm_first, norm_first, 0 };
      g_autoptr (ReformerModel) model = new_model (&c, REFORMER_KEEP_AUTO);
      g_autoptr (ReformerSession) session = reformer_session_new (model);
      g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 43, 40), whole = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree gint32 *ids = test_ints (tokens);
      g_autofree float *logits = NULL;
      int end = 0;

      whole = reformer_model_forward (model, tokens, NULL, &error);
      g_assert_no_error (error);
      logits = test_floats (whole);
      for (guint i = 0; i < G_N_ELEMENTS (cuts); i++)
        {
          g_autofree gint32 *piece = g_new (gint32, 2 * (gsize) cuts[i]);
          g_autofree float *got = NULL;
          g_autoptr (ReformerTensor) next = NULL, last = NULL;
          double want[2 * 40];

          for (int b = 0; b < 2; b++)
            memcpy (piece + b * cuts[i], ids + b * 43 + end, sizeof *piece * (gsize) cuts[i]);
          end += cuts[i];
          next = test_tensor_int (device, piece, 2, 2, cuts[i]);
          last = reformer_session_feed (session, next, NULL, &error);
          g_assert_no_error (error);
          got = test_floats (last);
          for (int b = 0; b < 2; b++)
            for (int v = 0; v < 40; v++)
              want[b * 40 + v] = (double) logits[(b * 43 + end - 1) * 40 + v];
          assert_close ("logits", got, want, 2 * 40, 2e-5);
        }
    }
}

/* ---- Tied embeddings ---- */

/* A model whose head is the same matrix in one piece, W P, has the same logits; and the gradient of W is what both uses give. */
static void
test_tied (void)
{
  enum { V = 40, H = 32, W = 64, N = V * H };
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) plain = reformer_model_new (device, config), tied = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 40, V), a = NULL, b = NULL;
  g_autoptr (GArray) all = NULL;
  g_autoptr (GArray) others = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *words = NULL, *projection = NULL, *matrix = g_new (float, V * W), *first = NULL, *second = NULL, *dw = NULL, *dm = NULL, *got = NULL, *got_p = NULL;
  g_autofree double *want = g_new0 (double, N), *want_p = g_new0 (double, H * W), *want_logits = g_new (double, 2 * 40 * V);
  double loss, again;

  reformer_config_set_tied_projection (config, TRUE);
  tied = reformer_model_new (device, config);
  reformer_model_prepare (tied, &error);
  g_assert_no_error (error);
  reformer_model_prepare (plain, &error);
  g_assert_no_error (error);
  words = test_floats (reformer_parameter_get_value (test_model_parameter (tied, "reformer.embeddings.word_embeddings.weight")));
  projection = test_floats (reformer_parameter_get_value (test_model_parameter (tied, "lm_head.projection.weight")));
  for (int v = 0; v < V; v++)
    for (int w = 0; w < W; w++)
      {
        double sum = 0;

        for (int h = 0; h < H; h++)
          sum += (double) words[v * H + h] * (double) projection[h * W + w];
        matrix[v * W + w] = (float) sum;
      }
  test_set_values (test_model_parameter (plain, "lm_head.decoder.weight"), matrix, V * W);
  a = reformer_model_forward (plain, tokens, NULL, &error);
  g_assert_no_error (error);
  b = reformer_model_forward (tied, tokens, NULL, &error);
  g_assert_no_error (error);
  first = test_floats (a);
  second = test_floats (b);
  for (int i = 0; i < 2 * 40 * V; i++)
    want_logits[i] = (double) first[i];
  assert_close ("logits", second, want_logits, 2 * 40 * V, 1e-5);

  all = gradients_of (plain, tokens, &loss);
  others = gradients_of (tied, tokens, &again);
  g_assert_cmpfloat (fabs (loss - again), <=, 1e-5);
  dw = test_floats (reformer_parameter_get_gradient (test_model_parameter (plain, "reformer.embeddings.word_embeddings.weight")));
  dm = test_floats (reformer_parameter_get_gradient (test_model_parameter (plain, "lm_head.decoder.weight")));
  got = test_floats (reformer_parameter_get_gradient (test_model_parameter (tied, "reformer.embeddings.word_embeddings.weight")));
  got_p = test_floats (reformer_parameter_get_gradient (test_model_parameter (tied, "lm_head.projection.weight")));
  for (int v = 0; v < V; v++)
    for (int h = 0; h < H; h++)
      {
        want[v * H + h] = (double) dw[v * H + h];
        for (int w = 0; w < W; w++)
          {
            want[v * H + h] += (double) dm[v * W + w] * (double) projection[h * W + w];
            want_p[h * W + w] += (double) dm[v * W + w] * (double) words[v * H + h];
          }
      }
  assert_close ("gradient of the embeddings", got, want, N, 1e-4);
  assert_close ("gradient of the projection", got_p, want_p, H * W, 1e-4);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_data_func ("/transformer/golden/everything", GINT_TO_POINTER (REFORMER_KEEP_EVERYTHING), test_golden);
  g_test_add_data_func ("/transformer/golden/inputs", GINT_TO_POINTER (REFORMER_KEEP_INPUTS), test_golden);
  g_test_add_func ("/transformer/parameters", test_parameters);
  g_test_add_func ("/transformer/differences", test_differences);
  g_test_add_func ("/transformer/groups", test_groups);
  g_test_add_func ("/transformer/bias", test_bias);
  g_test_add_func ("/transformer/refused", test_refused);
  g_test_add_func ("/transformer/keep", test_keep);
  g_test_add_func ("/transformer/model-refused", test_model_refused);
  g_test_add_func ("/transformer/auto", test_auto);
  g_test_add_func ("/transformer/names", test_names);
  g_test_add_func ("/transformer/saved", test_saved);
  g_test_add_func ("/transformer/decoded", test_decoded);
  g_test_add_func ("/transformer/tied", test_tied);
  status = test_run ();
  g_object_unref (device);
  return status;
}
