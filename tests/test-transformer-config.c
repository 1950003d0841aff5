/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The standard Transformer as a configuration says it: post-norm it computes what torch does. Pre-norm, and causal, it is held to a reference in double precision, whose outputs
 * are torch's where the norm comes after the sum, and whose differences are the gradients. */
#include "torch.h"

#include <math.h>
#include <string.h>

#define OUTPUT_TOLERANCE 2e-4
#define GRADIENT_TOLERANCE 1e-3
#define LOSS_TOLERANCE 1e-5

static ReformerDevice *device;

typedef struct
{
  int      B, T, H, heads, head_size, inner, vocabulary, n_labels;
  gboolean norm_first, final_norm, causal;
} Shape;

#define LAYERS 2

/* Written and read again, as a folder's is. */
static ReformerModel *
new_model (const Shape *shape)
{
  static const char *const kinds[LAYERS + 1] = { "full", "full", NULL };
  g_autoptr (ReformerConfig) made = g_object_new (REFORMER_TYPE_CONFIG, "vocab-size", shape->vocabulary, "hidden-size", shape->H, "num-attention-heads", shape->heads,
                                                  "attention-head-size", shape->head_size, "feed-forward-size", shape->inner, "attn-layers", kinds,
                                                  "is-decoder", shape->causal, "axial-pos-embds", FALSE, "max-position-embeddings", shape->T, "streams", 1,
                                                  "norm-first", shape->norm_first, "final-norm", shape->final_norm, "attention-bias", TRUE, "layer-norm-eps", 1e-5,
                                                  "hidden-dropout-prob", 0.0, "local-attention-probs-dropout-prob", 0.0, "head", REFORMER_HEAD_VALUES,
                                                  "num-labels", shape->n_labels, NULL);
  g_autofree char *text = reformer_config_to_json (made);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_from_json (text, &error);
  ReformerModel *model;

  g_assert_no_error (error);
  model = reformer_model_new (device, config);
  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  return model;
}

/* ---- The reference ---- */

/* All numbers of a model by their names. */
static GHashTable *
read_values (ReformerModel *model)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  GHashTable *all = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint i = 0; i < parameters->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      g_autofree float *floats = test_floats (reformer_parameter_get_value (parameters->pdata[i]));
      double *values = g_new (double, n);

      for (gsize k = 0; k < n; k++)
        values[k] = (double) floats[k];
      g_hash_table_insert (all, g_strdup (reformer_parameter_get_name (parameters->pdata[i])), values);
    }
  return all;
}

static const double *
value_of (GHashTable *values,
          const char *layer,
          const char *name)
{
  g_autofree char *key = g_strconcat (layer, name, NULL);
  const double *value = g_hash_table_lookup (values, key);

  if (value == NULL)
    g_error ("the model has no parameter %s", key);
  return value;
}

/* y [rows, out] = x [rows, in] W^T + b */
static void
dense (GHashTable   *values,
       const char   *layer,
       const char   *name,
       const double *x,
       int           rows,
       int           in,
       int           out,
       double       *y)
{
  g_autofree char *weight = g_strconcat (name, ".weight", NULL), *bias = g_strconcat (name, ".bias", NULL);
  const double *w = value_of (values, layer, weight), *b = value_of (values, layer, bias);

  for (int r = 0; r < rows; r++)
    for (int o = 0; o < out; o++)
      {
        double sum = b[o];

        for (int i = 0; i < in; i++)
          sum += x[r * in + i] * w[o * in + i];
        y[r * out + o] = sum;
      }
}

static void
normalize (GHashTable   *values,
           const char   *layer,
           const double *x,
           const Shape  *shape,
           double       *y)
{
  const double *weight = value_of (values, layer, "layer_norm.weight"), *bias = value_of (values, layer, "layer_norm.bias");
  const int H = shape->H;

  for (int t = 0; t < shape->T; t++)
    {
      double mean = 0, variance = 0;

      for (int i = 0; i < H; i++)
        mean += x[t * H + i] / H;
      for (int i = 0; i < H; i++)
        variance += (x[t * H + i] - mean) * (x[t * H + i] - mean) / H;
      for (int i = 0; i < H; i++)
        y[t * H + i] = (x[t * H + i] - mean) / sqrt (variance + 1e-5) * weight[i] + bias[i];
    }
}

static void
attend (GHashTable   *values,
        const char   *layer,
        const double *x,
        const Shape  *shape,
        double       *y)
{
  const int T = shape->T, H = shape->H, d = shape->head_size, D = shape->heads * d;
  g_autofree double *q = g_new (double, T * D), *k = g_new (double, T * D), *v = g_new (double, T * D), *out = g_new0 (double, T * D), *p = g_new (double, T);

  dense (values, layer, "self_attention.query", x, T, H, D, q);
  dense (values, layer, "self_attention.key", x, T, H, D, k);
  dense (values, layer, "self_attention.value", x, T, H, D, v);
  for (int head = 0; head < shape->heads; head++)
    for (int t = 0; t < T; t++)
      {
        const int keys = shape->causal ? t + 1 : T;
        double sum = 0;

        for (int s = 0; s < keys; s++)
          {
            double dot = 0;

            for (int i = head * d; i < (head + 1) * d; i++)
              dot += q[t * D + i] * k[s * D + i];
            p[s] = exp (dot / sqrt (d));
            sum += p[s];
          }
        for (int s = 0; s < keys; s++)
          for (int i = head * d; i < (head + 1) * d; i++)
            out[t * D + i] += p[s] / sum * v[s * D + i];
      }
  dense (values, layer, "output.dense", out, T, D, H, y);
}

static void
feed_forward (GHashTable   *values,
              const char   *layer,
              const double *x,
              const Shape  *shape,
              double       *y)
{
  g_autofree double *inner = g_new (double, shape->T * shape->inner);

  dense (values, layer, "dense.dense", x, shape->T, shape->H, shape->inner, inner);
  for (int i = 0; i < shape->T * shape->inner; i++)
    inner[i] = fmax (inner[i], 0);
  dense (values, layer, "output.dense", inner, shape->T, shape->inner, shape->H, y);
}

/* Outputs [B, T, n_labels]: x + f (norm (x)), or norm (x + f (x)), layer by layer. */
static double *
reference (GHashTable   *values,
           const Shape  *shape,
           const gint32 *ids)
{
  const int T = shape->T, H = shape->H;
  const double *words = value_of (values, "reformer.embeddings.word_embeddings.", "weight");
  const double *positions = value_of (values, "reformer.embeddings.position_embeddings.", "embedding.weight");
  double *outputs = g_new (double, shape->B * T * shape->n_labels);
  g_autofree double *x = g_new (double, T * H), *u = g_new (double, T * H), *f = g_new (double, T * H);

  for (int b = 0; b < shape->B; b++)
    {
      for (int i = 0; i < T * H; i++)
        x[i] = words[ids[b * T + i / H] * H + i % H] + positions[i];
      for (int branch = 0; branch < 2 * LAYERS; branch++)
        {
          g_autofree char *layer = g_strdup_printf ("reformer.encoder.layers.%d.%s.", branch / 2, branch % 2 == 0 ? "attention" : "feed_forward");

          if (shape->norm_first)
            normalize (values, layer, x, shape, u);
          else
            memcpy (u, x, (gsize) (T * H) * sizeof *u);
          (branch % 2 == 0 ? attend : feed_forward) (values, layer, u, shape, f);
          for (int i = 0; i < T * H; i++)
            x[i] += f[i];
          if (!shape->norm_first)
            normalize (values, layer, x, shape, x);
        }
      if (shape->final_norm)
        normalize (values, "reformer.encoder.", x, shape, x);
      dense (values, "", "value_outputs", x, T, H, shape->n_labels, outputs + b * T * shape->n_labels);
    }
  return outputs;
}

/* ---- torch's ---- */

/* The golden model, whose input vectors are words of their own, each used once: ids count the tokens. Positions add nothing, and the head gives what it gets. */
static ReformerModel *
new_golden (const Shape         *shape,
            ReformerSafetensors *io)
{
  ReformerModel *model = new_model (shape);
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  g_autoptr (GError) error = NULL;
  gsize n;
  g_autofree double *input = test_read_double (io, "input", &n);
  g_autofree float *words = g_new (float, n), *one = g_new0 (float, shape->H * shape->H);

  for (gsize i = 0; i < n; i++)
    words[i] = (float) input[i];
  for (int i = 0; i < shape->H; i++)
    one[i * shape->H + i] = 1;
  g_assert_cmpuint (test_torch_load (parameters), ==, 32);
  g_assert_cmpuint (parameters->len, ==, 32 + 4);
  test_set_values (test_model_parameter (model, "reformer.embeddings.word_embeddings.weight"), words, n);
  reformer_parameter_fill (test_model_parameter (model, "reformer.embeddings.position_embeddings.embedding.weight"), 0, &error);
  g_assert_no_error (error);
  test_set_values (test_model_parameter (model, "value_outputs.weight"), one, (gsize) (shape->H * shape->H));
  return model;
}

static const Shape golden = { 2, 48, 32, 4, 8, 64, 96, 32, FALSE, FALSE, FALSE };

/* The gradient that torch's would have: the table of positions gets that of the input, summed over the rows. */
static double *
wanted_gradient (ReformerSafetensors *io,
                 ReformerParameter   *parameter)
{
  const char *name = reformer_parameter_get_name (parameter);
  const gsize row = (gsize) (golden.T * golden.H);
  gsize n;
  double *input;

  if (!g_str_has_prefix (name, "reformer.embeddings."))
    return test_torch_read (io, "grad.", parameter);
  input = test_read_double (io, "grad.input", &n);
  g_assert_cmpuint (n, ==, 2 * row);
  if (g_str_has_suffix (name, "position_embeddings.embedding.weight"))
    for (gsize i = 0; i < row; i++)
      input[i] += input[row + i];
  return input;
}

/* torch's loss is mean (output * probe). Ours, mean ((output - label)^2), has its gradient where the labels are torch's output - probe / 2. */
static void
test_golden (void)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS };
  g_autoptr (ReformerSafetensors) io = test_torch_open ("io.safetensors");
  g_autoptr (ReformerModel) model = new_golden (&golden, io);
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  g_autoptr (GHashTable) values = read_values (model);
  g_autoptr (ReformerTensor) tokens = NULL, labels = NULL, hidden = NULL, outputs = NULL;
  g_autoptr (GError) error = NULL;
  gsize n, one;
  g_autofree double *want = test_read_double (io, "output", &n), *probe = test_read_double (io, "probe", &n), *loss = test_read_double (io, "loss", &one), *expected = NULL;
  g_autofree gint32 *ids = g_new (gint32, golden.vocabulary);
  g_autofree float *targets = g_new (float, n), *got = NULL, *encoded = NULL;
  double sum = 0, squares = 0, most = 0;

  for (int i = 0; i < golden.vocabulary; i++)
    ids[i] = i;
  for (gsize i = 0; i < n; i++)
    {
      targets[i] = (float) (want[i] - probe[i] / 2);
      squares += (want[i] - (double) targets[i]) * (want[i] - (double) targets[i]) / (double) n;
    }
  tokens = test_tensor_int (device, ids, 2, golden.B, golden.T);
  labels = test_tensor (device, targets, 3, golden.B, golden.T, golden.H);

  /* torch computed in double precision from the same weights */
  expected = reference (values, &golden, ids);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (fabs (expected[i] - want[i]), <=, 1e-10);

  hidden = reformer_model_encode (model, tokens, NULL, &error);
  g_assert_no_error (error);
  encoded = test_floats (hidden);
  assert_close ("hidden", encoded, want, n, OUTPUT_TOLERANCE);
  outputs = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
  got = test_floats (outputs);
  assert_close ("output", got, want, n, OUTPUT_TOLERANCE);
  for (gsize i = 0; i < n; i++)
    sum += (double) got[i] * probe[i] / (double) n;
  g_assert_cmpfloat (fabs (sum - loss[0]), <=, LOSS_TOLERANCE);

  for (guint keep = 0; keep < G_N_ELEMENTS (keeps); keep++)
    {
      double seen;

      reformer_stack_set_keep (reformer_model_get_stack (model), keeps[keep]);
      seen = reformer_model_compute_gradients (model, tokens, NULL, labels, &error);
      g_assert_no_error (error);
      g_assert_cmpfloat (fabs (seen - squares), <=, LOSS_TOLERANCE);
      for (int pass = 0; pass < 2; pass++)
        for (guint i = 0; i < parameters->len; i++)
          {
            const char *name = reformer_parameter_get_name (parameters->pdata[i]);
            const gsize count = reformer_parameter_get_n_elements (parameters->pdata[i]);
            g_autofree double *wanted = wanted_gradient (io, parameters->pdata[i]);
            g_autofree float *slopes = test_floats (reformer_parameter_get_gradient (parameters->pdata[i]));

            if (wanted == NULL)
              {
                g_assert_true (g_str_has_prefix (name, "value_outputs."));
                continue;
              }
            /* the key's bias has no gradient in exact arithmetic: it is measured by the largest of the model */
            most = fmax (most, test_largest (wanted, count));
            if (pass == 1)
              assert_near (name, slopes, wanted, count, GRADIENT_TOLERANCE * fmax (test_largest (wanted, count), 1e-3 * most));
          }
    }
}

/* ---- The other forms ---- */

/* Small enough that the softmax is not all on one key; norms keep what they get. */
static void
fill (ReformerModel *model)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);

  for (guint i = 0; i < parameters->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      g_autofree float *values = g_new (float, n);

      test_fill (values, n, 40 + i);
      for (gsize k = 0; k < n; k++)
        values[k] = 0.4f * values[k] + (g_str_has_suffix (reformer_parameter_get_name (parameters->pdata[i]), "layer_norm.weight") ? 1 : 0);
      test_set_values (parameters->pdata[i], values, n);
    }
}

static double
loss_of (GHashTable   *values,
         const Shape  *shape,
         const gint32 *ids,
         const float  *labels)
{
  g_autofree double *outputs = reference (values, shape, ids);
  const int n = shape->B * shape->T * shape->n_labels;
  double sum = 0;

  for (int i = 0; i < n; i++)
    sum += (outputs[i] - (double) labels[i]) * (outputs[i] - (double) labels[i]) / n;
  return sum;
}

/* So many elements of each parameter are looked at. */
#define SOME 24

static void
test_form (gconstpointer data)
{
  const Shape *shape = data;
  const double h = 1e-6;
  const int n_labels = shape->B * shape->T * shape->n_labels;
  g_autoptr (ReformerModel) model = new_model (shape);
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  g_autoptr (GHashTable) values = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, shape->B, shape->T, shape->vocabulary), labels = NULL, outputs = NULL;
  g_autoptr (GArray) wanted = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *ids = test_ints (tokens);
  g_autofree float *targets = g_new (float, n_labels), *got = NULL;
  g_autofree double *expected = NULL;
  double most = 0;
  guint first = 0;

  fill (model);
  values = read_values (model);
  test_fill (targets, (gsize) n_labels, 9);
  labels = test_tensor (device, targets, 3, shape->B, shape->T, shape->n_labels);
  expected = reference (values, shape, ids);
  outputs = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
  got = test_floats (outputs);
  assert_close ("output", got, expected, (gsize) n_labels, OUTPUT_TOLERANCE);

  g_assert_cmpfloat (fabs (reformer_model_compute_gradients (model, tokens, NULL, labels, &error) - loss_of (values, shape, ids, targets)), <=, LOSS_TOLERANCE);
  g_assert_no_error (error);
  for (guint i = 0; i < parameters->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      double *value = g_hash_table_lookup (values, reformer_parameter_get_name (parameters->pdata[i]));

      for (gsize k = 0; k < MIN (n, SOME); k++)
        {
          double *place = &value[k * n / MIN (n, SOME)];
          const double before = *place;
          double difference;

          *place = before + h;
          difference = loss_of (values, shape, ids, targets);
          *place = before - h;
          difference = (difference - loss_of (values, shape, ids, targets)) / (2 * h);
          *place = before;
          g_array_append_val (wanted, difference);
        }
    }
  most = test_largest ((double *) (gpointer) wanted->data, wanted->len);
  for (guint i = 0; i < parameters->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]), count = MIN (n, SOME);
      const double *want = &g_array_index (wanted, double, first);
      g_autofree float *slopes = test_floats (reformer_parameter_get_gradient (parameters->pdata[i]));

      for (gsize k = 0; k < count; k++)
        slopes[k] = slopes[k * n / count];
      assert_near (reformer_parameter_get_name (parameters->pdata[i]), slopes, want, count, GRADIENT_TOLERANCE * fmax (test_largest (want, count), 1e-3 * most));
      first += (guint) count;
    }
}

static const struct
{
  const char *name;
  Shape       shape;
} forms[] = {
  { "pre-norm", { 2, 7, 16, 2, 8, 24, 20, 3, TRUE, TRUE, FALSE } },
  { "pre-norm-causal", { 2, 7, 16, 2, 8, 24, 20, 3, TRUE, TRUE, TRUE } },
  { "pre-norm-no-final", { 1, 7, 16, 2, 8, 24, 20, 3, TRUE, FALSE, FALSE } },
  { "post-norm-causal", { 2, 7, 16, 2, 8, 24, 20, 3, FALSE, FALSE, TRUE } },
};

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/transformer-config/golden", test_golden);
  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autofree char *path = g_strdup_printf ("/transformer-config/%s", forms[i].name);

      g_test_add_data_func (path, &forms[i].shape, test_form);
    }
  status = test_run ();
  g_object_unref (device);
  return status;
}
