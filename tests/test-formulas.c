/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model whose weights come from a formula, and numbers that transformers computed with it in float64: no file is needed. */
#include "models.h"

#include <math.h>
#include <string.h>

#define H 12
#define V 20

/* g (j, k): one number in [-1, 1) for element k of tensor j */
static double
g (guint64 j,
   guint64 k)
{
  guint64 x = (j + 1) * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15) + (k + 1) * G_GUINT64_CONSTANT (0xBF58476D1CE4E5B9);

  x ^= x >> 31;
  x *= G_GUINT64_CONSTANT (0x94D049BB133111EB);
  x ^= x >> 29;
  return 2 * ((double) (x >> 40) * 0x1p-24) - 1;
}

static ReformerConfig *
new_config (gboolean causal)
{
  const char *const layers[] = { "local", "lsh", "local", "lsh", NULL };
  const int shape[2] = { 4, 8 }, dims[2] = { 4, 8 }, buckets[2] = { 2, 4 };
  ReformerConfig *config = g_object_new (REFORMER_TYPE_CONFIG, "vocab-size", V, "is-decoder", causal, "head", causal ? REFORMER_HEAD_LANGUAGE : REFORMER_HEAD_MASKED_LANGUAGE, "hidden-size", H, "num-attention-heads", 3,
                                         "attention-head-size", 4, "feed-forward-size", 16, "attn-layers", layers, "local-attn-chunk-length", 4,
                                         "lsh-attn-chunk-length", 8, "num-hashes", 2, "max-position-embeddings", 32, "hidden-dropout-prob", 0.0,
                                         "lsh-attention-probs-dropout-prob", 0.0, "local-attention-probs-dropout-prob", 0.0, "hidden-act", "relu",
                                         "local-attn-circular", TRUE, NULL);

  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
  reformer_config_set_num_buckets (config, buckets, 2);
  return config;
}

/* Tensors are numbered in the order of a state dict: the head's bias comes before its weight. */
static ReformerModel *
new_model (ReformerDevice *device,
           gboolean        causal)
{
  g_autoptr (ReformerConfig) config = new_config (causal);
  ReformerModel *model = reformer_model_new (device, config);
  g_autoptr (GPtrArray) parameters = NULL;
  g_autoptr (GPtrArray) buffers = NULL;
  g_autoptr (GError) error = NULL;

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  parameters = reformer_model_list_parameters (model);
  buffers = reformer_model_list_buffers (model);
  g_assert_cmpuint (parameters->len, ==, 53);
  for (guint i = 0; i < parameters->len; i++)
    {
      const char *name = reformer_parameter_get_name (parameters->pdata[i]);
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      const gboolean bias = g_str_has_suffix (name, "bias"), head_bias = g_str_equal (name, "lm_head.bias");
      const guint64 j = head_bias ? 51 : g_str_equal (name, "lm_head.decoder.weight") ? 52 : i;
      g_autofree float *values = g_new0 (float, n);

      for (gsize k = 0; k < n && !head_bias; k++)
        {
          const double x = g (j, k);

          values[k] = (float) (strstr (name, "layer_norm.weight") != NULL ? 1 + 0.125 * x : bias ? 0.125 * x : strstr (name, "position_embeddings") != NULL ? x : 0.5 * x);
        }
      test_set_values (parameters->pdata[i], values, n);
    }
  for (guint i = 0; i < buffers->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (buffers->pdata[i]);
      g_autofree float *values = g_new (float, n);

      for (gsize k = 0; k < n; k++)
        values[k] = (float) g (1000, k);
      test_set_values (buffers->pdata[i], values, n);
    }
  return model;
}

static ReformerTensor *
new_ids (ReformerDevice *device,
         int             T)
{
  gint32 ids[32];

  for (int t = 0; t < T; t++)
    ids[t] = (7 * t + 3) % 19 + 1;
  return test_tensor_int (device, ids, 2, 1, T);
}

typedef struct
{
  int    t;
  double y[4];  /* last hidden state, 0 to 3 */
  double y2[2]; /* 12 and 13 */
  double logits[3];
  int    n;     /* how much of it is given: 4, 6 or 9 numbers */
} Row;

static void
compare_rows (ReformerModel  *model,
              ReformerTensor *ids,
              ReformerTensor *mask,
              const Row      *rows,
              guint           n_rows)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) hidden = reformer_model_encode (model, ids, mask, &error);
  g_autoptr (ReformerTensor) logits = NULL;
  g_autofree float *y = NULL, *l = NULL;

  g_assert_no_error (error);
  logits = reformer_model_forward (model, ids, mask, &error);
  g_assert_no_error (error);
  y = test_floats (hidden);
  l = test_floats (logits);
  for (guint i = 0; i < n_rows; i++)
    {
      const Row *row = &rows[i];

      assert_near ("last hidden state", y + row->t * 2 * H, row->y, 4, 1e-5);
      if (row->n > 4)
        assert_near ("last hidden state, second stream", y + row->t * 2 * H + H, row->y2, 2, 1e-5);
      if (row->n > 6)
        assert_near ("logits", l + row->t * V, row->logits, 3, 1e-5);
    }
}

static void
test_whole (void)
{
  static const Row rows[] = {
    { 0, { 0.009013, 1.135175, -0.824686, 1.227610 }, { 2.213734, 0.477409 }, { -1.254401, 0.394494, -1.311979 }, 9 },
    { 16, { -0.037784, 0.989139, -0.812524, 0.416086 }, { -0.151033, 0.724178 }, { 0.170650, 0.282140, 0.120976 }, 9 },
    { 31, { 1.382313, 0.561528, -1.143937, 0.058987 }, { 1.415017, -0.827889 }, { -2.498224, 1.139966, -1.290619 }, 9 },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, TRUE);
  g_autoptr (ReformerTensor) ids = new_ids (device, 32);

  g_assert_cmpfloat (fabs (g (0, 0) * 0.5 + 0.109276), <, 1e-6);
  g_assert_cmpfloat (fabs (g (1000, 3) - 0.636145), <, 1e-6);
  compare_rows (model, ids, NULL, rows, G_N_ELEMENTS (rows));
}

static void
test_padded (void)
{
  static const Row rows[] = {
    { 10, { -0.753850, -0.048550, -0.763831, -0.644266 }, { 1.839435, 0.382794 }, { -2.043679, 0.243636, -0.704778 }, 9 },
    { 19, { 0.813920, 0.064116, -0.599639, 0.328913 }, { 0.682995, 0.896018 }, { -1.470630, 0.597347, -0.384922 }, 9 },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, TRUE);
  g_autoptr (ReformerTensor) ids = new_ids (device, 20);

  compare_rows (model, ids, NULL, rows, G_N_ELEMENTS (rows));
}

static void
test_short (void)
{
  static const Row rows[] = {
    { 1, { -0.279406, 1.321797, -1.003628, -0.055652 }, { 0 }, { 0 }, 4 },
    { 2, { -0.821391, 0.594314, -1.034402, 0.388704 }, { 0 }, { 0 }, 4 },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, TRUE);
  g_autoptr (ReformerTensor) ids = new_ids (device, 3);

  compare_rows (model, ids, NULL, rows, G_N_ELEMENTS (rows));
}

/* A bidirectional model, with a mask and the head of masked language. */
static void
test_masked (void)
{
  static const Row rows[] = {
    { 0, { 1.053643, 0.489229, -1.778020, 0.649967 }, { 0.643946, 0.416682 }, { -1.466726, -1.020108, -1.034313 }, 9 },
    { 16, { 1.177299, 1.051600, -1.759933, 0.395454 }, { -0.202736, -0.050089 }, { -0.318629, -1.052698, -0.540708 }, 9 },
    { 31, { 1.528504, 0.115332, -1.411436, 0.011682 }, { 0.836213, -0.056856 }, { -2.838355, 0.886158, -1.335618 }, 9 },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, FALSE);
  g_autoptr (ReformerTensor) ids = new_ids (device, 32), mask = NULL;
  guint8 kept[32];

  for (int t = 0; t < 32; t++)
    kept[t] = t % 5 != 2;
  mask = test_tensor_bytes (device, kept, 2, 1, 32);
  compare_rows (model, ids, mask, rows, G_N_ELEMENTS (rows));
}

static void
test_training (void)
{
  static const struct
  {
    const char *name;
    double      l1, last[3];
  } wanted[] = {
    { "reformer.embeddings.word_embeddings.weight", 5.673697, { -0.010175, 0.060436, -0.037526 } },
    { "reformer.embeddings.position_embeddings.weights.0", 1.246655, { -0.057912, -0.036221, 0.058835 } },
    { "reformer.embeddings.position_embeddings.weights.1", 2.084101, { -0.026555, 0.073630, -0.036804 } },
    { "reformer.encoder.layers.0.attention.self_attention.key.weight", 2.919332, { 0.023059, 0.010557, 0.045006 } },
    { "reformer.encoder.layers.1.attention.self_attention.query_key.weight", 1.464650, { 0.041375, -0.007847, -0.014802 } },
    { "reformer.encoder.layers.1.attention.self_attention.value.weight", 3.965850, { 0.012777, -0.002288, -0.000349 } },
    { "reformer.encoder.layers.2.feed_forward.layer_norm.weight", 0.175650, { 0.024346, -0.002168, -0.006658 } },
    { "reformer.encoder.layers.3.attention.self_attention.query_key.weight", 1.385450, { 0.018348, 0.000423, -0.010991 } },
    { "reformer.encoder.layer_norm.weight", 1.595057, { -0.001925, 0.018415, 0.048503 } },
    { "lm_head.decoder.weight", 15.237135, { 0.003927, 0.005353, 0.017267 } },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, TRUE);
  g_autoptr (ReformerTensor) ids = new_ids (device, 32);
  g_autoptr (GError) error = NULL;
  double loss;

  loss = reformer_model_compute_gradients (model, ids, NULL, ids, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (fabs (loss - 3.718097), <, 3e-6);
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      ReformerTensor *gradient = reformer_parameter_get_gradient (test_model_parameter (model, wanted[i].name));
      const gsize n = reformer_tensor_get_n_elements (gradient);
      g_autofree float *values = test_floats (gradient);
      double l1 = 0;

      for (gsize k = 0; k < n; k++)
        l1 += fabs ((double) values[k]);
      g_assert_cmpfloat (fabs (l1 - wanted[i].l1), <, 2e-5);
      assert_near (wanted[i].name, values + n - 3, wanted[i].last, 3, 2e-6);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formulas/whole", test_whole);
  g_test_add_func ("/formulas/padded", test_padded);
  g_test_add_func ("/formulas/short", test_short);
  g_test_add_func ("/formulas/masked", test_masked);
  g_test_add_func ("/formulas/training", test_training);
  return test_run ();
}
