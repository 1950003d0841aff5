/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for every model: kinds of memory agree, runs repeat to the bit, masked tokens do not matter, plans are exact. */
#include "models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libreformer/layers/reformer-feed-forward.h>

static ReformerModel *
new_model (ReformerDevice *device,
           const char     *kinds,
           double          dropout)
{
  g_autoptr (ReformerConfig) config = test_config (kinds);

  g_object_set (config, "hidden-dropout-prob", dropout, "lsh-attention-probs-dropout-prob", dropout, "local-attention-probs-dropout-prob", dropout, NULL);
  return reformer_model_new (device, config);
}

static double
gradients (ReformerModel  *model,
           ReformerTensor *tokens,
           ReformerTensor *mask)
{
  g_autoptr (GError) error = NULL;
  double loss;

  reformer_model_set_sequence (model, 11);
  loss = reformer_model_compute_gradients (model, tokens, mask, tokens, &error);
  g_assert_no_error (error);
  return loss;
}

static double
largest (GArray *values)
{
  double most = 0;

  for (guint i = 0; i < values->len; i++)
    most = fmax (most, fabs ((double) g_array_index (values, float, i)));
  return most;
}

static double
difference (GArray *a,
            GArray *b)
{
  double most = 0;

  g_assert_cmpuint (a->len, ==, b->len);
  for (guint i = 0; i < a->len; i++)
    most = fmax (most, fabs ((double) g_array_index (a, float, i) - (double) g_array_index (b, float, i)));
  return most;
}

static gboolean
same_bits (GArray *a,
           GArray *b)
{
  return a->len == b->len && memcmp (a->data, b->data, a->len * sizeof (float)) == 0;
}

/* ---- keep ---- */

static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };

static void
compare_keeps (double dropout,
               int    B,
               int    T)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTensor) tokens = test_tokens (device, B, T, 40);
  g_autoptr (GArray) first = NULL;
  double first_loss = 0;

  for (guint i = 0; i < G_N_ELEMENTS (keeps); i++)
    {
      g_autoptr (ReformerModel) model = new_model (device, "local,lsh", dropout);
      g_autoptr (GArray) values = NULL;
      double loss;

      reformer_stack_set_keep (reformer_model_get_stack (model), keeps[i]);
      loss = gradients (model, tokens, NULL);
      values = test_gradients (model);
      if (first == NULL)
        {
          first = g_steal_pointer (&values);
          first_loss = loss;
          g_assert_cmpfloat (largest (first), >, 1e-3);
        }
      else
        {
          g_assert_cmpfloat (loss, ==, first_loss);
          g_assert_cmpfloat (difference (first, values), <=, 1e-5 * largest (first));
        }
    }
}

static void
test_keep (void)
{
  compare_keeps (0, 2, 64);
  compare_keeps (0, 1, 43);
}

static void
test_keep_dropout (void)
{
  compare_keeps (0.3, 2, 64);
  compare_keeps (0.3, 2, 43);
}

/* The streams that keep = nothing rebuilds are those the forward pass started with, whatever is dropped. */
static void
test_rebuilt (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local,lsh,lsh", 0.3);
  g_autoptr (ReformerTape) tape = reformer_tape_new (device);
  ReformerTensor *streams[2], *slopes[2];
  double *start[2];
  g_autoptr (GError) error = NULL;

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  reformer_tape_set_training (tape, TRUE);
  for (int i = 0; i < 2; i++)
    {
      float values[64 * 32];

      test_fill (values, G_N_ELEMENTS (values), 3 + (guint) i);
      streams[i] = test_tensor (device, values, 3, 1, 64, 32);
      slopes[i] = test_tensor (device, NULL, 3, 1, 64, 32);
      start[i] = g_new (double, G_N_ELEMENTS (values));
      for (guint k = 0; k < G_N_ELEMENTS (values); k++)
        start[i][k] = (double) values[k];
    }
  reformer_stack_run_forward (reformer_model_get_stack (model), streams, tape);
  {
    g_autofree float *changed = test_floats (streams[0]);
    double most = 0;

    for (guint k = 0; k < 64 * 32; k++)
      most = fmax (most, fabs ((double) changed[k] - start[0][k]));
    g_assert_cmpfloat (most, >, 0.1);
  }
  reformer_stack_run_backward (reformer_model_get_stack (model), streams, slopes, tape);
  reformer_tape_check (tape, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 2; i++)
    {
      g_autofree float *rebuilt = test_floats (streams[i]);

      assert_near ("rebuilt stream", rebuilt, start[i], 64 * 32, 1e-5);
      g_object_unref (streams[i]);
      g_object_unref (slopes[i]);
    }
  g_free (start[0]);
  g_free (start[1]);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
}

/* ---- gradients by differences ---- */

static double
loss_of (ReformerModel  *model,
         ReformerTensor *tokens)
{
  return gradients (model, tokens, NULL);
}

/* Central differences along random directions, so that float32 suffices: the loss moves by many roundings. Buckets could change with the weights; local and full
 * attention have none, and for LSH the chunk holds the whole sequence. */
static void
test_differences (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 8, 40);

  for (guint k = 0; k < G_N_ELEMENTS (keeps); k++)
    {
      g_autoptr (ReformerModel) model = new_model (device, "local,lsh", 0.2);
      g_autoptr (GPtrArray) parameters = NULL;

      reformer_stack_set_keep (reformer_model_get_stack (model), keeps[k]);
      loss_of (model, tokens);
      parameters = reformer_model_list_parameters (model);
      for (guint i = 0; i < parameters->len; i++)
        {
          ReformerParameter *parameter = parameters->pdata[i];
          const gsize n = reformer_parameter_get_n_elements (parameter);
          g_autofree float *value = test_floats (reformer_parameter_get_value (parameter)), *moved = g_new (float, n), *way = g_new (float, n);
          g_autofree float *gradient = NULL;
          double up, down, slope = 0, size = 0;
          const double step = 4e-3;

          loss_of (model, tokens);
          gradient = test_floats (reformer_parameter_get_gradient (parameter));
          test_fill (way, n, 100 + i);
          for (gsize j = 0; j < n; j++)
            size += (double) way[j] * (double) way[j] / (double) n;
          /* along the gradient, blurred by noise: a direction in which something happens */
          for (gsize j = 0; j < n; j++)
            slope = fmax (slope, fabs ((double) gradient[j]));
          for (gsize j = 0; j < n; j++)
            way[j] = (float) ((double) gradient[j] / fmax (slope, 1e-12) + 0.05 * (double) way[j] / sqrt (size));
          slope = 0;
          for (gsize j = 0; j < n; j++)
            slope += (double) way[j] * (double) gradient[j];
          for (gsize j = 0; j < n; j++)
            moved[j] = value[j] + (float) step * way[j];
          test_set_values (parameter, moved, n);
          up = loss_of (model, tokens);
          for (gsize j = 0; j < n; j++)
            moved[j] = value[j] - (float) step * way[j];
          test_set_values (parameter, moved, n);
          down = loss_of (model, tokens);
          test_set_values (parameter, value, n);
          if (fabs ((up - down) / (2 * step) - slope) > 0.02 * fabs (slope) + 2e-3)
            g_error ("%s: difference %g, gradient %g", reformer_parameter_get_name (parameter), (up - down) / (2 * step), slope);
        }
    }
}

/* ---- determinism ---- */

static void
test_repeats (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 64, 40);
  g_autoptr (ReformerModel) a = new_model (device, "lsh,local", 0.1);
  g_autoptr (ReformerModel) b = new_model (device, "lsh,local", 0.1);
  g_autoptr (ReformerModel) c = new_model (device, "lsh,local", 0.1);
  g_autoptr (GArray) first = NULL;
  g_autoptr (GArray) second = NULL;
  g_autoptr (GArray) third = NULL;
  g_autoptr (GArray) other = NULL;
  double loss;

  loss = gradients (a, tokens, NULL);
  first = test_gradients (a);
  g_assert_cmpfloat (gradients (a, tokens, NULL), ==, loss);
  second = test_gradients (a);
  g_assert_true (same_bits (first, second));
  g_assert_cmpfloat (gradients (b, tokens, NULL), ==, loss);
  third = test_gradients (b);
  g_assert_true (same_bits (first, third));
  reformer_model_set_seed (c, 1);
  g_assert_cmpfloat (gradients (c, tokens, NULL), !=, loss);
  other = test_gradients (c);
  g_assert_false (same_bits (first, other));
}

/* The sizes of pieces change no bit. 2,500 tokens are no multiple of anything. */
static void
test_pieces (void)
{
  static const gsize pieces[] = { 1024, 2048, 8192 };
  const int shape[2] = { 64, 64 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 2500, 40);
  g_autoptr (GArray) first = NULL;
  double first_loss = 0;

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autoptr (ReformerConfig) config = test_config ("lsh,local");
      g_autoptr (ReformerModel) model = NULL;
      g_autoptr (GArray) values = NULL;
      double loss;

      g_object_set (config, "hidden-dropout-prob", 0.1, "max-position-embeddings", 4096, NULL);
      reformer_config_set_axial_pos_shape (config, shape, 2);
      model = reformer_model_new (device, config);
      model->piece = pieces[i];
      reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
      loss = gradients (model, tokens, NULL);
      values = test_gradients (model);
      if (first == NULL)
        {
          first = g_steal_pointer (&values);
          first_loss = loss;
          continue;
        }
      g_assert_cmpfloat (loss, ==, first_loss);
      g_assert_true (same_bits (first, values));
    }
}

/* ---- masks and padding ---- */

/* What the masked tokens of two rows hold: ids, or vectors. */
static ReformerTensor *
masked_input (ReformerDevice *device,
              const gint32   *mask,
              int             features,
              gboolean        change,
              gint32         *labels)
{
  float values[2 * 64 * 3];
  gint32 ids[2 * 64];

  g_assert_cmpint (features, <=, 3);
  test_fill_int (ids, 2 * 64, 39, 5);
  test_fill (values, 2 * 64 * (gsize) features, 6);
  for (int i = 0; i < 2 * 64; i++)
    {
      ids[i] = mask[i] ? ids[i] + 1 : change ? 17 : 23;
      labels[i] = i > 0 && mask[i] && mask[i - 1] ? ids[i] : -100; /* nor may a masked token be asked */
      for (int f = 0; f < features && !mask[i]; f++)
        values[i * features + f] = change ? 0.0f : 100.0f;
    }
  return features > 0 ? test_tensor (device, values, 3, 2, 64, features) : test_tensor_int (device, ids, 2, 2, 64);
}

/* Changing masked-out tokens changes nothing that anyone looks at, to the bit; a masked one of the global tokens neither. */
static void
masked_tokens (const char *kinds,
               int         features)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config (kinds);
  g_autoptr (GArray) first = NULL;
  g_autofree float *first_output = NULL;
  gint32 mask[2 * 64], labels[2 * 64];

  g_object_set (config, "input-features", features, "window-attn-size", 8, NULL);
  reformer_config_set_window_attn_global_tokens (config, (const int[]) { 0, 10 }, 2);
  for (int i = 0; i < 2 * 64; i++)
    mask[i] = i % 64 % 7 != 3 && i % 64 < 58 + i / 64; /* within the text too, for later tokens look back at those */
  for (int change = 0; change < 2; change++)
    {
      g_autoptr (ReformerModel) model = reformer_model_new (device, config);
      g_autoptr (ReformerTensor) tokens = masked_input (device, mask, features, change, labels), kept = test_tensor_int (device, mask, 2, 2, 64);
      g_autoptr (ReformerTensor) targets = test_tensor_int (device, labels, 2, 2, 64), output = NULL;
      g_autoptr (GArray) second = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float *values = NULL;

      reformer_model_compute_gradients (model, tokens, kept, targets, &error);
      g_assert_no_error (error);
      output = reformer_model_encode (model, tokens, kept, &error);
      g_assert_no_error (error);
      values = test_floats (output);
      for (int i = 0; i < 2 * 64; i++)
        if (!mask[i])
          memset (values + i * 64, 0, 64 * sizeof *values);
      second = test_gradients (model);
      if (change == 0)
        {
          g_assert_cmpfloat (largest (second), >, 1e-4);
          first = g_steal_pointer (&second);
          first_output = g_steal_pointer (&values);
          continue;
        }
      assert_same_bits ("hidden state of kept tokens", values, first_output, 2 * 64 * 64);
      g_assert_true (same_bits (first, second));
    }
}

static void
test_masked_tokens (void)
{
  static const char *const kinds[] = { "lsh,local", "window,full" };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    masked_tokens (kinds[i], 0);
  masked_tokens ("window,lsh", 3);
}

/* Lengths that no chunk divides, beyond the last position once padded, one token. */
static void
test_lengths (void)
{
  static const int lengths[] = { 1, 2, 7, 8, 9, 41, 59, 60 };
  const int shape[2] = { 6, 10 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("lsh,local");
  g_autoptr (ReformerModel) model = NULL;

  reformer_config_set_axial_pos_shape (config, shape, 2);
  model = reformer_model_new (device, config);
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, lengths[i], 40);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);
      g_autofree gint64 *dims = NULL;
      g_autofree float *values = NULL;
      gsize n_dims;

      g_assert_no_error (error);
      dims = reformer_tensor_get_shape (output, &n_dims);
      g_assert_cmpint (dims[0], ==, 2);
      g_assert_cmpint (dims[1], ==, lengths[i]);
      g_assert_cmpint (dims[2], ==, 40);
      values = test_floats (output);
      for (gsize k = 0; k < reformer_tensor_get_n_elements (output); k++)
        g_assert_true (isfinite (values[k]));
      if (lengths[i] > 1)
        {
          const double loss = gradients (model, tokens, NULL);
          const double again = reformer_model_compute_loss (model, tokens, NULL, tokens, &error);

          g_assert_no_error (error);
          g_assert_cmpfloat (fabs (loss - again), <, 1e-6);
        }
    }
}

/* Four rows at once are the mean of four rows one by one. */
static void
test_rows (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "lsh,local", 0);
  g_autofree gint32 *ids = g_new (gint32, 4 * 64);
  g_autoptr (ReformerTensor) all = NULL;
  g_autoptr (GArray) together = NULL;
  g_autofree double *sum = NULL;
  g_autofree float *values = NULL;
  double loss, mean = 0;

  test_fill_int (ids, 4 * 64, 40, 9);
  all = test_tensor_int (device, ids, 2, 4, 64);
  loss = gradients (model, all, NULL);
  together = test_gradients (model);
  sum = g_new0 (double, together->len);
  for (int b = 0; b < 4; b++)
    {
      g_autoptr (ReformerTensor) row = test_tensor_int (device, ids + b * 64, 2, 1, 64);
      g_autoptr (GArray) one = NULL;

      mean += gradients (model, row, NULL) / 4;
      one = test_gradients (model);
      for (guint i = 0; i < one->len; i++)
        sum[i] += (double) g_array_index (one, float, i) / 4;
    }
  g_assert_cmpfloat (fabs (loss - mean), <, 1e-6);
  assert_close ("gradients of four rows", (float *) together->data, sum, together->len, 1e-5);
}

/* ---- freezing ---- */

static void
test_freeze (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 64, 40);
  g_autoptr (ReformerModel) model = new_model (device, "lsh,local", 0);
  g_autoptr (ReformerModel) frozen = new_model (device, "lsh,local", 0);
  g_autoptr (GPtrArray) a = NULL;
  g_autoptr (GPtrArray) b = NULL;

  g_assert_cmpuint (reformer_model_freeze (frozen, "reformer.embeddings.*"), ==, 3);
  g_assert_cmpuint (reformer_model_freeze (frozen, "*.query_key.weight"), ==, 1);
  g_assert_cmpuint (reformer_model_freeze (frozen, "nothing"), ==, 0);
  gradients (model, tokens, NULL);
  gradients (frozen, tokens, NULL);
  a = reformer_model_list_parameters (model);
  b = reformer_model_list_parameters (frozen);
  for (guint i = 0; i < a->len; i++)
    {
      const char *name = reformer_parameter_get_name (a->pdata[i]);
      ReformerTensor *gradient = reformer_parameter_get_gradient (b->pdata[i]);

      if (g_str_has_prefix (name, "reformer.embeddings.") || g_str_has_suffix (name, "query_key.weight"))
        g_assert_null (gradient);
      else
        {
          g_autofree float *want = test_floats (reformer_parameter_get_gradient (a->pdata[i])), *got = test_floats (gradient);

          assert_same_bits (name, got, want, reformer_tensor_get_n_elements (gradient));
        }
    }
  g_assert_cmpuint (reformer_model_unfreeze (frozen, "*"), ==, a->len);
}

/* ---- what callers hold changes nothing ---- */

static void
test_config_is_a_copy (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local", 0);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  const double loss = gradients (model, tokens, NULL);

  g_object_set (reformer_model_get_config (model), "vocab-size", 100000000, "hidden-size", 4, "local-attn-chunk-length", 3, NULL);
  g_assert_cmpfloat (gradients (model, tokens, NULL), ==, loss);
}

/* The rotations have a seed of their own. */
static void
test_hash_seed (void)
{
  static const gint64 cases[] = { 1, 1, 2, -1, 0 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 64, 40);
  double losses[G_N_ELEMENTS (cases)];

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerConfig) config = test_config ("lsh");
      g_autoptr (ReformerModel) model = NULL;

      reformer_config_set_hash_seed (config, cases[i]);
      model = reformer_model_new (device, config);
      losses[i] = gradients (model, tokens, NULL);
    }
  g_assert_cmpfloat (losses[0], ==, losses[1]);
  g_assert_cmpfloat (losses[0], !=, losses[2]);
  g_assert_cmpfloat (losses[0], !=, losses[3]);
  g_assert_cmpfloat (losses[3], ==, losses[4]); /* the model's seed is 0 too */
}

/* A weights file that cannot be read to its end leaves every value as it was. */
static void
test_failed_load (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local", 0);
  g_autoptr (ReformerModel) other = new_model (device, "local", 0);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("reformer-model-XXXXXX", &error), *path = g_build_filename (folder, "model", NULL);
  g_autofree char *command = g_strdup_printf ("rm -r '%s'", folder);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  const double loss = gradients (model, tokens, NULL);

  reformer_model_set_seed (other, 5);
  reformer_model_save (other, file, NULL, &error);
  g_assert_no_error (error);
  reformer_device_set_memory_limit (device, reformer_device_get_memory_used (device) + 3 * 4096);
  g_assert_false (reformer_model_load_weights (model, file, NULL, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
  g_clear_error (&error);
  reformer_device_set_memory_limit (device, 0);
  g_assert_cmpfloat (gradients (model, tokens, NULL), ==, loss);
  g_assert_true (reformer_model_load_weights (model, file, NULL, &error));
  g_assert_cmpfloat (gradients (model, tokens, NULL), !=, loss);
  g_assert_cmpint (system (command), ==, 0);
}

/* Layers within a layer draw dropouts of their own. */
static void
test_children_draw_apart (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerLayer) parent = REFORMER_LAYER (reformer_feed_forward_new (device, 8, 8));
  g_autoptr (ReformerLayer) first = REFORMER_LAYER (reformer_feed_forward_new (device, 8, 8));
  g_autoptr (ReformerLayer) second = REFORMER_LAYER (reformer_feed_forward_new (device, 8, 8));
  guint before;

  reformer_layer_add_child (parent, "first", first);
  reformer_layer_add_child (parent, "second", second);
  before = reformer_layer_get_number (first);
  g_assert_cmpuint (before, !=, 0);
  g_assert_cmpuint (before, !=, reformer_layer_get_number (second));
  reformer_layer_set_number (parent, 3);
  g_assert_cmpuint (reformer_layer_get_number (first), !=, before);
  g_assert_cmpuint (reformer_layer_get_number (first), !=, reformer_layer_get_number (second));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model/keep", test_keep);
  g_test_add_func ("/model/keep-with-dropout", test_keep_dropout);
  g_test_add_func ("/model/rebuilt-inputs", test_rebuilt);
  g_test_add_func ("/model/differences", test_differences);
  g_test_add_func ("/model/repeats-to-the-bit", test_repeats);
  g_test_add_func ("/model/pieces-change-no-bit", test_pieces);
  g_test_add_func ("/model/masked-tokens-change-no-bit", test_masked_tokens);
  g_test_add_func ("/model/any-length", test_lengths);
  g_test_add_func ("/model/rows", test_rows);
  g_test_add_func ("/model/freeze", test_freeze);
  g_test_add_func ("/model/config-is-a-copy", test_config_is_a_copy);
  g_test_add_func ("/model/failed-load-changes-nothing", test_failed_load);
  g_test_add_func ("/model/hash-seed", test_hash_seed);
  g_test_add_func ("/model/children-draw-apart", test_children_draw_apart);
  return test_run ();
}
