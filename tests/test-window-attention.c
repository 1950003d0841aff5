/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Window attention as a layer, as transformers' Longformer has it, and in models; full attention in models; LSH attention without hashing. */
#include "models.h"

#include <math.h>
#include <string.h>

#include "folders.h"
#include "layer-checks.h"
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/layers/reformer-window-attention.h>

#define OUTPUT_TOLERANCE 2e-4
#define GRADIENT_TOLERANCE 1e-3

/* ---- Golden: one self-attention of a Longformer ---- */

#define B 2
#define T 64
#define H 32

static ReformerSafetensors *
open_golden (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "longformer", name, NULL);
  g_autoptr (GError) error = NULL;
  ReformerSafetensors *file = reformer_safetensors_open (path, NULL, &error);

  g_assert_no_error (error);
  return file;
}

static float *
read_floats (ReformerSafetensors *file,
             const char          *name,
             double               factor,
             gsize               *n)
{
  g_autofree double *values = test_read_double (file, name, n);
  float *floats;

  g_assert_nonnull (values);
  floats = g_new (float, *n);
  for (gsize i = 0; i < *n; i++)
    floats[i] = (float) (values[i] * factor);
  return floats;
}

static ReformerTensor *
read_tensor (ReformerSafetensors *io,
             const char          *name,
             double               factor)
{
  gsize n;
  g_autofree float *values = read_floats (io, name, factor, &n);

  g_assert_cmpuint (n, ==, B * T * H);
  return test_tensor (device, values, 3, B, T, H);
}

static ReformerTensor *
read_mask (ReformerSafetensors *io,
           const char          *name)
{
  g_autoptr (ReformerTensor) tensor = test_read_tokens (io, name, device);
  g_autofree gint32 *values = test_ints (tensor);
  g_autofree guint8 *bytes = g_new (guint8, B * T);

  for (int i = 0; i < B * T; i++)
    bytes[i] = values[i] != 0;
  return test_tensor_bytes (device, bytes, 2, B, T);
}

/* No norm, and an output projection that changes nothing: what is left is the self-attention. Gives the name in the file for each parameter, or NULL. */
static ReformerWindowAttention *
new_golden (GPtrArray *names)
{
  g_autoptr (ReformerSafetensors) weights = open_golden ("weights.safetensors");
  ReformerWindowAttention *layer = g_object_new (REFORMER_TYPE_WINDOW_ATTENTION, "device", device, "hidden-size", H, "num-attention-heads", 2, "attention-head-size", 16,
                                                 "window-size", 8, "bias", TRUE, "norm-first", FALSE, NULL);
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (REFORMER_LAYER (layer));

  for (guint i = 0; i < list->len; i++)
    {
      const char *name = reformer_parameter_get_name (list->pdata[i]);

      if (g_str_has_prefix (name, "self_attention."))
        {
          gsize n;
          g_autofree float *values = read_floats (weights, name + strlen ("self_attention."), 1, &n);

          test_set_values (list->pdata[i], values, n);
          g_ptr_array_add (names, g_strdup (name + strlen ("self_attention.")));
        }
      else
        {
          g_autofree float *values = g_new0 (float, H * H);

          for (int k = 0; k < H; k++)
            values[k * H + k] = 1;
          if (g_str_equal (name, "output.dense.weight"))
            test_set_values (list->pdata[i], values, H * H);
          g_ptr_array_add (names, NULL);
        }
    }
  return layer;
}

static void
test_golden (void)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ReformerWindowAttention) layer = new_golden (names);
  g_autoptr (ReformerSafetensors) io = open_golden ("io.safetensors");
  g_autoptr (ReformerTensor) x = read_tensor (io, "input", 1), dy = read_tensor (io, "probe", 1.0 / (B * T * H)), mask = read_mask (io, "mask"),
                             global_mask = read_mask (io, "global"), y = NULL, dx = NULL;
  const TestPass pass = { .mask = mask, .global_mask = global_mask };
  g_autoptr (ReformerTape) tape = test_tape (&pass);
  g_autofree guint8 *kept = test_bytes (mask);
  g_autofree float *got = NULL, *got_dx = NULL;
  double most = 0, sum = 0;
  gsize n, one;
  g_autofree double *want = test_read_double (io, "output", &n), *want_dx = test_read_double (io, "grad.input", &n), *probe = test_read_double (io, "probe", &n);
  g_autofree double *loss = test_read_double (io, "loss", &one);

  assert_parameters (layer, "layer_norm.weight [32]; layer_norm.bias [32]; self_attention.query.weight [32, 32]; self_attention.key.weight [32, 32]; "
                            "self_attention.value.weight [32, 32]; self_attention.query_global.weight [32, 32]; self_attention.key_global.weight [32, 32]; "
                            "self_attention.value_global.weight [32, 32]; output.dense.weight [32, 32]; self_attention.query.bias [32]; self_attention.key.bias [32]; "
                            "self_attention.value.bias [32]; self_attention.query_global.bias [32]; self_attention.key_global.bias [32]; "
                            "self_attention.value_global.bias [32]; output.dense.bias [32]");
  y = test_forward (layer, x, tape);
  got = test_floats (y);
  for (gsize i = 0; i < n; i++)
    {
      sum += (double) got[i] * probe[i] / (double) n;
      if (!kept[i / H])
        got[i] = (float) want[i];
    }
  assert_close ("output", got, want, n, OUTPUT_TOLERANCE);
  g_assert_cmpfloat (fabs (sum - loss[0]), <=, 1e-5);

  g_assert_true (reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL));
  dx = test_backward (layer, dy, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  got_dx = test_floats (dx);
  assert_close ("gradient of the input", got_dx, want_dx, n, GRADIENT_TOLERANCE);
  for (int round = 0; round < 2; round++)
    for (guint i = 0; i < names->len; i++)
      if (names->pdata[i] != NULL)
        {
          g_autofree char *key = g_strconcat ("grad.", names->pdata[i], NULL);
          gsize count;
          g_autofree double *wanted = test_read_double (io, key, &count);
          g_autofree float *values = test_gradient (layer, i);

          /* the keys' biases have no gradient in exact arithmetic: they are measured by the largest of the layer */
          most = fmax (most, test_largest (wanted, count));
          if (round == 1)
            assert_near (names->pdata[i], values, wanted, count, GRADIENT_TOLERANCE * fmax (test_largest (wanted, count), 1e-3 * most));
        }
}

#undef B
#undef T
#undef H

/* ---- The layer ---- */

static ReformerTensor *
some_tokens (int B,
             int T,
             int every,
             int first)
{
  g_autofree guint8 *bytes = g_new0 (guint8, (gsize) (B * T));

  for (int i = 0; i < B * T; i++)
    bytes[i] = i % T >= first && (i % T - first + i / T) % every == 0;
  return test_tensor_bytes (device, bytes, 2, B, T);
}

static ReformerTensor *
inverse (ReformerTensor *mask)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (mask, &n_dims);
  g_autofree guint8 *bytes = test_bytes (mask);

  for (gint64 i = 0; i < shape[0] * shape[1]; i++)
    bytes[i] = !bytes[i];
  return test_tensor_bytes (device, bytes, 2, (int) shape[0], (int) shape[1]);
}

/* By differences: heads of different dilation, padding, global tokens, dropout, a norm, biases; and the tape's depth. */
static void
test_gradients_of_layer (void)
{
  const int T = test_device_slow (device) ? 9 : 37;

  for (int causal = 0; causal < 2; causal++)
    {
      const int steps[] = { 1, 3, 3 };
      g_autoptr (ReformerWindowAttention) layer = g_object_new (REFORMER_TYPE_WINDOW_ATTENTION, "device", device, "hidden-size", 6, "num-attention-heads", 3,
                                                                "attention-head-size", 4, "window-size", 4, "causal", causal, "bias", TRUE, "deviation", 0.5,
                                                                "dropout", 0.2, "attention-probs-dropout", 0.3, NULL);
      g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, T, 6, 5), padding = some_tokens (2, T, 5, 2), mask = inverse (padding), globals = some_tokens (2, T, 11, 0);
      const TestPass plain = { FALSE }, pass = { TRUE, 0, 9, 4, mask, globals };

      reformer_window_attention_set_dilation (layer, steps, 3);
      test_fill_parameters (layer, 3);
      check_gradients (layer, x, &pass);
      if (!test_device_slow (device))
        check_gradients (layer, x, &plain);
      check_recording (layer, x, 8);
    }
}

/* Outputs, the gradient of the input at tokens that are kept, and the gradients of all parameters, one after the other. */
static GArray *
answers_of (gpointer        layer,
            ReformerTensor *x,
            ReformerTensor *dy,
            const guint8   *kept,
            const TestPass *pass)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));
  g_autoptr (ReformerTape) tape = test_tape (pass);
  g_autoptr (ReformerTensor) y = NULL, dx = NULL;
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);
  const gsize n = reformer_tensor_get_n_elements (x);
  g_autofree float *outputs = NULL, *slopes = NULL;

  g_assert_true (reformer_layer_clear_gradients (layer, NULL));
  y = test_forward (layer, x, tape);
  dx = test_backward (layer, dy, tape);
  outputs = test_floats (y);
  slopes = test_floats (dx);
  for (gsize i = 0; i < n; i++)
    if (!kept[i / 8])
      slopes[i] = 0;
  g_array_append_vals (all, outputs, (guint) n);
  g_array_append_vals (all, slopes, (guint) n);
  for (guint i = 0; i < list->len; i++)
    {
      g_autofree float *values = test_gradient (layer, i);

      g_array_append_vals (all, values, (guint) reformer_parameter_get_n_elements (list->pdata[i]));
    }
  return all;
}

/* What masked tokens hold changes no bit of others, nor of any gradient; and global tokens that are masked are none. */
static void
test_masked (void)
{
  const int T = 50;
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, T, 8, 5), dy = test_random_tensor (3, 2, T, 8, 6), padding = some_tokens (2, T, 7, 0), mask = inverse (padding),
                             globals = some_tokens (2, T, 9, 0), other = NULL;
  const TestPass pass = { .mask = mask, .global_mask = globals };
  g_autofree guint8 *kept = test_bytes (mask);
  g_autofree float *values = test_floats (x);

  for (int i = 0; i < 2 * T * 8; i++)
    if (!kept[i / 8])
      values[i] = 100 * (float) sin (i);
  other = test_tensor (device, values, 3, 2, T, 8);
  for (int bias = 0; bias < 2; bias++)
    {
      g_autoptr (ReformerWindowAttention) layer = reformer_window_attention_new (device, 8, 2, 4);
      g_autoptr (GArray) first = NULL, second = NULL;

      g_object_set (layer, "window-size", 6, "bias", bias, NULL);
      test_fill_parameters (layer, 3);
      first = answers_of (layer, x, dy, kept, &pass);
      second = answers_of (layer, other, dy, kept, &pass);
      g_assert_cmpuint (first->len, ==, second->len);
      assert_same_bits ("outputs and gradients", (float *) (gpointer) second->data, (float *) (gpointer) first->data, first->len);
      for (int i = 0; i < 2 * T * 8; i++)
        if (!kept[i / 8] && !bias)
          g_assert_cmpfloat (g_array_index (first, float, i), ==, 0);
    }
}

/* A mask that is written anew counts from the next pass on the same tape. */
static void
test_mask_written (void)
{
  const int T = 20;
  g_autoptr (ReformerWindowAttention) layer = reformer_window_attention_new (device, 8, 2, 4);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, T, 8, 5), globals = some_tokens (1, T, 7, 0), others = some_tokens (1, T, 5, 1), y = NULL, z = NULL, w = NULL;
  const TestPass pass = { .global_mask = globals }, wanted = { .global_mask = others };
  g_autoptr (ReformerTape) tape = test_tape (&pass), fresh = test_tape (&wanted);
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *values = test_bytes (others);
  g_autoptr (GBytes) bytes = g_bytes_new (values, (gsize) T);
  g_autofree float *before = NULL, *after = NULL, *want = NULL;

  g_object_set (layer, "window-size", 4, NULL);
  test_fill_parameters (layer, 3);
  reformer_tape_set_recording (tape, FALSE);
  y = test_forward (layer, x, tape);
  reformer_tensor_upload (globals, bytes, &error);
  g_assert_no_error (error);
  z = test_forward (layer, x, tape);
  w = test_forward (layer, x, fresh);
  before = test_floats (y);
  after = test_floats (z);
  want = test_floats (w);
  g_assert_cmpint (memcmp (before, after, (gsize) (T * 8) * sizeof (float)), !=, 0);
  assert_same_bits ("written anew", after, want, (gsize) (T * 8));
}

/* A window as long as the text is full attention; with all tokens global it is the same with the global projections. */
static void
test_as_full (void)
{
  const int T = 21;
  g_autoptr (ReformerWindowAttention) layer = reformer_window_attention_new (device, 8, 2, 4);
  g_autoptr (ReformerFullAttention) full = reformer_full_attention_new (device, 8, 2, 4);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, T, 8, 5), all = some_tokens (1, T, 1, 0);

  g_object_set (layer, "window-size", 2 * T, NULL);
  test_fill_parameters (layer, 3);
  test_fill_parameters (full, 3);
  for (int global = 0; global < 2; global++)
    {
      const TestPass pass = { .global_mask = global ? all : NULL };
      g_autoptr (ReformerTape) tape = test_tape (&pass), plain = test_tape (NULL);
      g_autoptr (ReformerTensor) y = NULL, z = NULL;
      g_autofree float *got = NULL, *other = NULL;
      g_autofree double *want = g_new (double, (gsize) (T * 8));
      static const guint places[][2] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 }, { 5, 8 } };

      for (guint i = 0; i < G_N_ELEMENTS (places); i++)
        {
          const guint from = global && i >= 2 && i < 5 ? places[i][0] + 3 : places[i][1];
          g_autofree float *values = test_value (layer, from);

          test_set_values (test_parameter (full, places[i][0]), values, reformer_parameter_get_n_elements (test_parameter (full, places[i][0])));
        }
      y = test_forward (layer, x, tape);
      z = test_forward (full, x, plain);
      got = test_floats (y);
      other = test_floats (z);
      for (int i = 0; i < T * 8; i++)
        want[i] = (double) other[i];
      assert_close (global ? "all global" : "one window", got, want, (gsize) (T * 8), 1e-5);
    }
}

static void
test_errors (void)
{
  const struct
  {
    int         size, n;
    int         steps[3];
    const char *pattern;
  } wrong[] = {
    { 7, 0, { 0 }, "window-size is 7; wanted an even number of at least 2, such as 8" },
    { 0, 0, { 0 }, "window-size is 0; wanted an even number of at least 2, such as 2" },
    { -4, 0, { 0 }, "window-size is -4; *" },
    { 8, 3, { 1, 1, 1 }, "dilation has 3 numbers; wanted one for each of the 2 heads, or none" },
    { 8, 2, { 1, 0 }, "dilation has the number 0; wanted 1 to *" },
    { 8, 2, { 1, G_MAXINT }, "dilation has the number 2147483647; wanted 1 to *" },
  };
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, 12, 8, 5), short_mask = some_tokens (1, 11, 2, 0);

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (ReformerWindowAttention) layer = reformer_window_attention_new (device, 8, 2, 4);

      g_object_set (layer, "window-size", wrong[i].size, NULL);
      reformer_window_attention_set_dilation (layer, wrong[i].steps, (gsize) wrong[i].n);
      assert_fails (layer, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, wrong[i].pattern);
    }
  {
    g_autoptr (ReformerWindowAttention) layer = reformer_window_attention_new (device, 8, 2, 4);
    const TestPass pass = { .global_mask = short_mask }, floats = { .global_mask = x };
    gsize n = 9;
    g_autofree int *steps = reformer_window_attention_get_dilation (layer, &n);

    g_assert_cmpint (reformer_window_attention_get_window_size (layer), ==, 128);
    g_assert_cmpuint (n, ==, 0);
    assert_fails (layer, x, NULL, &pass, REFORMER_MODEL_ERROR_SHAPE, "the tape's global mask is Tensor uint8 [1, 11]; wanted uint8 [1, 12]");
    assert_fails (layer, x, NULL, &floats, REFORMER_MODEL_ERROR_SHAPE, "the tape's global mask is Tensor float32 [1, 12, 8]; *");
  }
  {
    /* no memory for each head of what nobody uses */
    g_autoptr (ReformerWindowAttention) layer = reformer_window_attention_new (device, 8, G_MAXINT, 4);

    g_assert_cmpint (reformer_window_attention_get_window_size (layer), ==, 128);
  }
}

/* ---- LSH attention without hashing ---- */

static ReformerLshAttention *
new_lsh (int chunk)
{
  ReformerLshAttention *layer = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 8, "num-attention-heads", 2, "attention-head-size", 4,
                                              "chunk-length", chunk, "num-hashes", 2, "causal", TRUE, NULL);

  reformer_lsh_attention_set_num_buckets (layer, (const int[]) { 4 }, 1);
  test_fill_parameters (layer, 3);
  return layer;
}

static float *
output_of (gpointer        layer,
           ReformerTensor *x,
           gboolean        training)
{
  const TestPass pass = { .training = training };
  g_autoptr (ReformerTape) tape = test_tape (&pass);
  g_autoptr (ReformerTensor) y = NULL;

  reformer_tape_set_recording (tape, FALSE);
  y = test_forward (layer, x, tape);
  return test_floats (y);
}

static void
test_exact (void)
{
  const gsize n = 64 * 8;
  g_autoptr (ReformerLshAttention) hashed = new_lsh (8), whole = new_lsh (64);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, 64, 8, 5), odd = test_random_tensor (3, 1, 61, 8, 5);
  g_autofree float *approximate = output_of (hashed, x, FALSE), *wanted = output_of (whole, x, FALSE), *exact = NULL, *again = NULL, *training = NULL, *any = NULL;

  g_assert_false (reformer_lsh_attention_get_exact (hashed));
  g_assert_cmpint (memcmp (approximate, wanted, n * sizeof (float)), !=, 0);
  reformer_lsh_attention_set_exact (hashed, TRUE); /* although it has been used */
  g_assert_true (reformer_lsh_attention_get_exact (hashed));
  exact = output_of (hashed, x, FALSE);
  assert_same_bits ("exact", exact, wanted, n);
  training = output_of (hashed, x, TRUE);
  assert_same_bits ("in training", training, approximate, n);
  any = output_of (hashed, odd, FALSE); /* no chunks, any length */
  check_gradients (hashed, x, NULL);
  g_object_set (hashed, "exact", FALSE, NULL);
  again = output_of (hashed, x, FALSE);
  assert_same_bits ("hashed again", again, approximate, n);
}

/* ---- Models ---- */

static ReformerModel *
new_model (const char *kinds,
           gboolean    globals)
{
  g_autoptr (ReformerConfig) config = test_config (kinds);

  reformer_config_set_window_attn_size (config, 8);
  reformer_config_set_window_attn_dilation (config, (const int[]) { 1, 2 }, 2);
  if (globals)
    reformer_config_set_window_attn_global_tokens (config, (const int[]) { 0, 17 }, 2);
  return reformer_model_new (device, config);
}

/* The same gradients whatever is kept, and a step that makes the loss smaller. */
static void
test_keep (void)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };
  g_autoptr (ReformerModel) model = new_model ("window,lsh,full,window", TRUE);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 43, 40);
  g_autoptr (GArray) first = NULL;
  g_autoptr (GError) error = NULL;
  double loss = 0;

  for (guint i = 0; i < G_N_ELEMENTS (keeps); i++)
    {
      g_autoptr (GArray) gradients = NULL;
      g_autofree double *want = NULL;
      double value;

      reformer_stack_set_keep (reformer_model_get_stack (model), keeps[i]);
      value = reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
      g_assert_no_error (error);
      gradients = test_gradients (model);
      if (i == 0)
        {
          first = g_steal_pointer (&gradients);
          loss = value;
          continue;
        }
      g_assert_cmpfloat_with_epsilon (value, loss, 1e-6);
      want = g_new (double, first->len);
      for (guint k = 0; k < first->len; k++)
        want[k] = (double) g_array_index (first, float, k);
      assert_close ("gradients", (float *) (gpointer) gradients->data, want, first->len, 2e-4);
    }
}

static float *
logits_of (ReformerModel  *model,
           ReformerTensor *tokens)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) logits = reformer_model_forward (model, tokens, NULL, &error);

  g_assert_no_error (error);
  return test_floats (logits);
}

/* The keys are saved; global tokens can be changed from call to call, and have to be in the input. */
static void
test_global_tokens (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (ReformerModel) model = new_model ("window,full", TRUE), again = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 30, 40), few = test_tokens (device, 2, 17, 40), none = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *first = NULL, *other = NULL, *loaded = NULL;
  g_autofree int *positions = NULL;
  gsize n;

  first = logits_of (model, tokens);
  none = reformer_model_forward (model, few, NULL, &error);
  g_assert_null (none);
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT);
  g_assert_cmpstr (error->message, ==, "the global token 17 (window_attn_global_tokens) is not among the 17 tokens of row 0; wanted 0 to 16");
  g_clear_error (&error);
  reformer_model_set_global_tokens (model, (const int[]) { 3 }, 1);
  other = logits_of (model, tokens);
  g_assert_cmpint (memcmp (first, other, 30 * 40 * sizeof (float)), !=, 0);
  g_free (logits_of (model, few));
  reformer_model_save (model, file, NULL, &error);
  g_assert_no_error (error);
  again = reformer_model_load (device, file, NULL, &error);
  g_assert_no_error (error);
  positions = reformer_config_get_window_attn_global_tokens (reformer_model_get_config (again), &n);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpint (positions[0], ==, 3);
  loaded = logits_of (again, tokens);
  assert_same_bits ("loaded", loaded, other, 2 * 30 * 40);
  reformer_model_set_global_tokens (model, (const int[]) { -1 }, 1);
  none = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT);
  g_assert_nonnull (strstr (error->message, "global token -1"));
  test_folder_delete (folder);
}

int
main (int   argc,
      char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/window-attention/golden", test_golden);
  g_test_add_func ("/window-attention/gradients", test_gradients_of_layer);
  g_test_add_func ("/window-attention/masked", test_masked);
  g_test_add_func ("/window-attention/mask-written", test_mask_written);
  g_test_add_func ("/window-attention/as-full", test_as_full);
  g_test_add_func ("/window-attention/errors", test_errors);
  g_test_add_func ("/window-attention/exact", test_exact);
  g_test_add_func ("/window-attention/keep", test_keep);
  g_test_add_func ("/window-attention/global-tokens", test_global_tokens);
  result = test_run ();
  g_object_unref (device);
  return result;
}
