/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "layer-checks.h"
#include "layers/embedding-private.h"
#include "layers/layer-norm-private.h"
#include "layers/linear-private.h"
#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/layers/reformer-stack.h>
#include "tokens.h"

/* The layers without parts: linear, layer norm, embedding. */

/* ---- Linear ---- */

static void
linear_reference (const float *x,
                  const float *w,
                  const float *b,
                  int          m,
                  int          n,
                  int          k,
                  double      *y)
{
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++)
      {
        double sum = b != NULL ? (double) b[j] : 0;

        for (int l = 0; l < k; l++)
          sum += (double) x[(gsize) i * k + l] * (double) w[(gsize) j * k + l];
        y[(gsize) i * n + j] = sum;
      }
}

static void
test_linear_reference (void)
{
  static const struct { int m, n, k; } shapes[] = { { 1, 1, 1 }, { 6, 33, 17 }, { 5, 3, 40 }, { 66, 64, 48 } };

  for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (int has_bias = 0; has_bias < 2; has_bias++)
      {
        const int m = shapes[s].m, n = shapes[s].n, k = shapes[s].k;
        g_autoptr (ReformerLinear) layer = reformer_linear_new (device, k, n, has_bias);
        g_autoptr (ReformerTape) tape = test_tape (NULL);
        g_autoptr (ReformerTensor) x = test_random_tensor (2, m, k, 0, 1 + s), dy = test_random_tensor (2, m, n, 0, 50 + s), y = NULL, dx = NULL;
        g_autofree float *xs = test_floats (x), *dys = test_floats (dy), *ys = NULL, *dxs = NULL, *w = NULL, *b = NULL, *dw = NULL, *db = NULL;
        g_autofree double *wanted = g_new0 (double, MAX ((gsize) m, (gsize) n) * MAX (n, k));

        test_fill_parameters (layer, 7 * s);
        w = test_value (layer, 0);
        b = has_bias ? test_value (layer, 1) : NULL;
        y = test_forward (layer, x, tape);
        dx = test_backward (layer, dy, tape);
        ys = test_floats (y);
        dxs = test_floats (dx);
        dw = test_gradient (layer, 0);
        linear_reference (xs, w, b, m, n, k, wanted);
        assert_close ("y", ys, wanted, (gsize) m * n, 2e-6);
        for (int i = 0; i < m; i++)
          for (int l = 0; l < k; l++)
            {
              wanted[i * k + l] = 0;
              for (int j = 0; j < n; j++)
                wanted[i * k + l] += (double) dys[i * n + j] * (double) w[j * k + l];
            }
        assert_close ("dx", dxs, wanted, (gsize) m * k, 2e-6);
        for (int j = 0; j < n; j++)
          for (int l = 0; l < k; l++)
            {
              wanted[j * k + l] = 0;
              for (int i = 0; i < m; i++)
                wanted[j * k + l] += (double) dys[i * n + j] * (double) xs[i * k + l];
            }
        assert_close ("dw", dw, wanted, (gsize) n * k, 2e-6);
        if (has_bias)
          {
            db = test_gradient (layer, 1);
            for (int j = 0; j < n; j++)
              {
                wanted[j] = 0;
                for (int i = 0; i < m; i++)
                  wanted[j] += (double) dys[i * n + j];
              }
            assert_close ("db", db, wanted, n, 2e-6);
          }
      }
}

static void
test_linear_gradients (void)
{
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 5, 3, TRUE);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, 7, 5, 1);

  assert_parameters (layer, "weight [3, 5]; bias [3]");
  test_fill_parameters (layer, 3);
  check_gradients (layer, x, NULL);
  check_recording (layer, x, 1);
}

/* Any number of leading dimensions, and the same bits in pieces. */
static void
test_linear_shapes (void)
{
  const int T = test_device_slow (device) ? 17 : 1300, piece = MIN (T, 1024);
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 9, 20, TRUE);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) x = test_random_tensor (2, T, 9, 0, 1), y = test_forward (layer, x, tape), again = test_tensor (device, NULL, 2, T, 20);
  g_autoptr (ReformerTensor) x3 = test_random_tensor (3, 2, 3, 9, 1), y3 = test_forward (layer, x3, tape), x1 = test_random_tensor (1, 9, 0, 0, 1),
                             y1 = test_forward (layer, x1, tape), dx3 = NULL;
  g_autoptr (ReformerTensor) d1 = NULL, d2 = NULL;
  g_autofree float *whole = test_floats (y), *pieces = NULL, *dw = NULL, *dw_pieces = NULL;

  assert_shape (y3, "[2, 3, 20]");
  assert_shape (y1, "[20]");
  d1 = test_backward (layer, y1, tape);
  assert_shape (d1, "[9]");
  d2 = test_backward (layer, y3, tape);
  assert_shape (d2, "[2, 3, 9]");
  reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL);
  dx3 = test_backward (layer, y, tape);
  dw = test_gradient (layer, 0);
  reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL);
  for (int from = 0; from < T; from += piece)
    {
      const gsize m = MIN (piece, T - from);

      reformer_linear_run_forward (layer, reformer_at (x, (gsize) from * 9), 9, reformer_at (again, (gsize) from * 20), 20, m, REFORMER_STORE_SET, NULL, tape);
      reformer_linear_run_gradient (layer, reformer_at (y, (gsize) from * 20), 20, reformer_at (x, (gsize) from * 9), 9, m, tape);
    }
  assert_run (run);
  pieces = test_floats (again);
  dw_pieces = test_gradient (layer, 0);
  assert_same_bits ("y in pieces", pieces, whole, (gsize) T * 20);
  assert_same_bits ("dw in pieces", dw_pieces, dw, 20 * 9);
}

/* Gradients add up; a frozen parameter has none. */
static void
test_linear_frozen (void)
{
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 4, 2, TRUE);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) x = test_random_tensor (2, 3, 4, 0, 1), dy = test_random_tensor (2, 3, 2, 0, 2);
  g_autofree float *once = NULL, *twice = NULL, *db = NULL;

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (ReformerTensor) y = test_forward (layer, x, tape);
      g_autoptr (ReformerTensor) dx = test_backward (layer, dy, tape);

      if (i == 0)
        once = test_gradient (layer, 1);
      if (i == 1)
        {
          twice = test_gradient (layer, 1);
          reformer_parameter_set_trainable (reformer_linear_peek_weight (layer), FALSE);
        }
    }
  g_assert_null (reformer_parameter_get_gradient (test_parameter (layer, 0)));
  db = test_gradient (layer, 1);
  for (int i = 0; i < 2; i++)
    {
      g_assert_cmpfloat (twice[i], ==, 2 * once[i]);
      g_assert_cmpfloat (fabsf (db[i] - 3 * once[i]), <=, 1e-5f);
    }
}

static void
test_linear_errors (void)
{
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 4, 2, FALSE);
  g_autoptr (ReformerTensor) wrong = test_random_tensor (2, 3, 5, 0, 1), right = test_random_tensor (2, 3, 4, 0, 1), short_dy = test_random_tensor (2, 2, 2, 0, 1);
  g_autoptr (ReformerTensor) ids = test_tensor_int (device, NULL, 2, 3, 4), dy = test_random_tensor (2, 3, 2, 0, 1);

  assert_parameters (layer, "weight [2, 4]");
  g_assert_null (reformer_linear_peek_bias (layer));
  assert_fails (layer, wrong, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerLinear is *3, 5*; wanted float32 [..., 4]*");
  assert_fails (layer, ids, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerLinear is *int32*; wanted float32 [..., 4]*");
  assert_fails (layer, NULL, dy, NULL, REFORMER_MODEL_ERROR_INVALID_INPUT, "*ReformerLinear*nothing on the tape*");
  assert_fails (layer, right, wrong, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerLinear is *3, 5*; wanted float32 [..., 2]*");
  assert_fails (layer, right, short_dy, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerLinear has 2 rows; wanted the 3 of the input");
}

static void
test_linear_start (void)
{
  g_autoptr (ReformerLinear) layer = g_object_new (REFORMER_TYPE_LINEAR, "device", device, "in-features", 64, "out-features", 100, "deviation", 0.5, NULL);
  g_autofree float *bias = NULL;
  int in, out;
  gboolean has_bias;
  double deviation;

  check_start (layer, 0, 0.5);
  bias = test_value (layer, 1);
  for (int i = 0; i < 100; i++)
    g_assert_cmpfloat (bias[i], ==, 0);
  g_object_get (layer, "in-features", &in, "out-features", &out, "bias", &has_bias, "deviation", &deviation, NULL);
  g_assert_cmpint (in, ==, reformer_linear_get_in_features (layer));
  g_assert_cmpint (out, ==, 100);
  g_assert_cmpint (reformer_linear_get_out_features (layer), ==, 100);
  g_assert_true (has_bias && reformer_linear_get_bias (layer));
  g_assert_cmpfloat (deviation, ==, reformer_linear_get_deviation (layer));
}

/* ---- Layer norm ---- */

static void
norm_reference (const float *x,
                const float *w,
                const float *b,
                double       eps,
                int          count,
                int          width,
                double      *y)
{
  for (int i = 0; i < count; i++)
    {
      double mean = 0, variance = 0;

      for (int c = 0; c < width; c++)
        mean += (double) x[i * width + c] / width;
      for (int c = 0; c < width; c++)
        variance += ((double) x[i * width + c] - mean) * ((double) x[i * width + c] - mean) / width;
      for (int c = 0; c < width; c++)
        y[i * width + c] = ((double) x[i * width + c] - mean) / sqrt (variance + eps) * (double) w[c] + (double) b[c];
    }
}

static void
test_norm (void)
{
  static const struct { int count, width; } shapes[] = { { 1, 3 }, { 6, 17 }, { 34, 64 } };

  for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
    {
      const int count = shapes[s].count, width = shapes[s].width;
      g_autoptr (ReformerLayerNorm) layer = g_object_new (REFORMER_TYPE_LAYER_NORM, "device", device, "size", width, "eps", 1e-3, NULL);
      g_autoptr (ReformerTape) tape = test_tape (NULL);
      g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, count, width, s), y = NULL;
      g_autofree float *xs = test_floats (x), *ys = NULL, *w = NULL, *b = NULL;
      g_autofree double *wanted = g_new (double, (gsize) count * width);

      test_fill_parameters (layer, s);
      w = test_value (layer, 0);
      b = test_value (layer, 1);
      y = test_forward (layer, x, tape);
      ys = test_floats (y);
      norm_reference (xs, w, b, 1e-3, count, width, wanted);
      assert_close ("y", ys, wanted, (gsize) count * width, 3e-6);
    }
}

static void
test_norm_gradients (void)
{
  g_autoptr (ReformerLayerNorm) layer = reformer_layer_norm_new (device, 9);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, 3, 9, 1), wrong = test_random_tensor (2, 3, 8, 0, 1), dy = test_random_tensor (3, 2, 2, 9, 1);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autofree float *w = NULL, *b = NULL;

  assert_parameters (layer, "weight [9]; bias [9]");
  g_assert_cmpint (reformer_layer_norm_get_size (layer), ==, 9);
  g_assert_cmpfloat (reformer_layer_norm_get_eps (layer), ==, 1e-12);
  reformer_layer_reset (REFORMER_LAYER (layer), &run, 0);
  assert_run (&run);
  w = test_value (layer, 0);
  b = test_value (layer, 1);
  for (int i = 0; i < 9; i++)
    {
      g_assert_cmpfloat (w[i], ==, 1);
      g_assert_cmpfloat (b[i], ==, 0);
    }
  test_fill_parameters (layer, 3);
  check_gradients (layer, x, NULL);
  check_recording (layer, x, 1);
  assert_fails (layer, wrong, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerLayerNorm is *3, 8*; wanted float32 [..., 9]*");
  assert_fails (layer, NULL, dy, NULL, REFORMER_MODEL_ERROR_INVALID_INPUT, "*ReformerLayerNorm*nothing on the tape*");
  assert_fails (layer, x, dy, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerLayerNorm has 4 rows; wanted the 6 of the input");
}

/* Two streams are the norm of their rows set side by side. */
static void
test_norm_streams (void)
{
  enum { COUNT = 5, WIDTH = 6 };
  g_autoptr (ReformerLayerNorm) layer = reformer_layer_norm_new (device, 2 * WIDTH);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) x = test_random_tensor (2, COUNT, 2 * WIDTH, 0, 1), dy = test_random_tensor (2, COUNT, 2 * WIDTH, 0, 2), y = NULL, dx = NULL;
  g_autoptr (ReformerTensor) x1 = NULL, x2 = NULL, y2 = test_tensor (device, NULL, 2, COUNT, 2 * WIDTH), dx12 = test_tensor (device, NULL, 2, 2 * COUNT, WIDTH);
  g_autofree float *xs = test_floats (x), *wanted = NULL, *got = NULL, *dx_wanted = NULL, *dx_got = NULL, *dw = NULL, *dw2 = NULL;
  float halves[2][COUNT * WIDTH];
  double expected[COUNT * 2 * WIDTH];

  test_fill_parameters (layer, 3);
  y = test_forward (layer, x, tape);
  dx = test_backward (layer, dy, tape);
  dw = test_gradient (layer, 0);
  for (int i = 0; i < COUNT; i++)
    for (int c = 0; c < 2 * WIDTH; c++)
      halves[c / WIDTH][i * WIDTH + c % WIDTH] = xs[i * 2 * WIDTH + c];
  x1 = test_tensor (device, halves[0], 2, COUNT, WIDTH);
  x2 = test_tensor (device, halves[1], 2, COUNT, WIDTH);
  reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL);
  reformer_layer_norm_run_forward (layer, reformer_span (x1), reformer_span (x2), COUNT, reformer_span (y2), tape);
  reformer_layer_norm_run_backward (layer, reformer_span (x1), reformer_span (x2), COUNT, reformer_span (dy), reformer_span (dx12),
                                    reformer_at (dx12, COUNT * WIDTH), REFORMER_STORE_SET, tape);
  assert_run (reformer_tape_get_run (tape));
  wanted = test_floats (y);
  got = test_floats (y2);
  for (int i = 0; i < COUNT * 2 * WIDTH; i++)
    expected[i] = (double) wanted[i];
  assert_close ("y of two streams", got, expected, COUNT * 2 * WIDTH, 2e-6);
  dx_wanted = test_floats (dx);
  dx_got = test_floats (dx12);
  for (int i = 0; i < COUNT; i++)
    for (int c = 0; c < 2 * WIDTH; c++)
      expected[(c / WIDTH * COUNT + i) * WIDTH + c % WIDTH] = (double) dx_wanted[i * 2 * WIDTH + c];
  assert_close ("dx of two streams", dx_got, expected, COUNT * 2 * WIDTH, 5e-6);
  dw2 = test_gradient (layer, 0);
  for (int i = 0; i < 2 * WIDTH; i++)
    expected[i] = (double) dw[i];
  assert_close ("dw of two streams", dw2, expected, 2 * WIDTH, 5e-6);
}

/* ---- Embedding ---- */

static void
test_embedding (void)
{
  enum { V = 11, H = 17, B = 2, T = 5 };
  g_autoptr (ReformerEmbedding) layer = reformer_embedding_new (device, V, H);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  gint32 ids[B * T];
  g_autoptr (ReformerTensor) x = NULL, y = NULL, dy = test_random_tensor (3, B, T, H, 2), dx = NULL;
  g_autofree float *table = NULL, *ys = NULL, *dys = test_floats (dy), *dxs = NULL, *dw = NULL;
  double wanted[V * H] = { 0 };

  assert_parameters (layer, "weight [11, 17]");
  test_fill_int (ids, B * T, V, 1);
  ids[0] = V - 1;
  ids[1] = ids[B * T - 1] = 0;
  x = test_tensor_int (device, ids, 2, B, T);
  test_fill_parameters (layer, 3);
  table = test_value (layer, 0);
  y = test_forward (layer, x, tape);
  assert_shape (y, "[2, 5, 17]");
  ys = test_floats (y);
  for (int i = 0; i < B * T; i++)
    assert_same_bits ("row", ys + i * H, table + ids[i] * H, H);
  dx = test_backward (layer, dy, tape);
  assert_shape (dx, "[2, 5]");
  dxs = test_floats (dx);
  for (int i = 0; i < B * T; i++)
    {
      g_assert_cmpfloat (dxs[i], ==, 0);
      for (int c = 0; c < H; c++)
        wanted[ids[i] * H + c] += (double) dys[i * H + c];
    }
  dw = test_gradient (layer, 0);
  assert_close ("dw", dw, wanted, V * H, 1e-6);
  check_recording (layer, x, 1);
  check_gradients (layer, x, NULL);
  reformer_parameter_set_trainable (reformer_embedding_peek_weight (layer), FALSE);
  check_recording (layer, x, 1);
}

static void
test_embedding_dropout (void)
{
  enum { V = 5, H = 12, B = 2, T = 7 };
  const TestPass training = { TRUE, 0, 77, 3 };
  g_autoptr (ReformerEmbedding) layer = g_object_new (REFORMER_TYPE_EMBEDDING, "device", device, "vocab-size", V, "hidden-size", H, "dropout", 0.4, NULL);
  g_autoptr (ReformerTape) still = test_tape (NULL), tape = test_tape (&training);
  gint32 ids[B * T];
  g_autoptr (ReformerTensor) x = NULL, y = NULL, dropped = NULL, d1 = test_random_tensor (3, B, T, H, 2), d2 = test_random_tensor (3, B, T, H, 3);
  g_autofree float *ys = NULL, *got = NULL, *d1s = test_floats (d1), *d2s = test_floats (d2), *dw = NULL;
  const ReformerRows rows = { 0, B * T, T };
  double wanted[V * H] = { 0 };
  ReformerDropout dropout;
  int zeros = 0;

  reformer_layer_set_number (REFORMER_LAYER (layer), 9);
  dropout = reformer_tape_dropout (tape, 0.4, 9, 0);
  test_fill_int (ids, B * T, V, 1);
  x = test_tensor_int (device, ids, 2, B, T);
  test_fill_parameters (layer, 3);
  y = test_forward (layer, x, still);
  ys = test_floats (y);
  dropped = test_forward (layer, x, tape);
  got = test_floats (dropped);
  for (int i = 0; i < B * T * H; i++)
    {
      const float factor = test_dropout_factor (&dropout, i / (T * H), i % (T * H));

      g_assert_cmpfloat (ys[i], !=, 0);
      g_assert_cmpfloat (got[i], ==, ys[i] * factor);
      zeros += factor == 0;
      wanted[ids[i / H] * H + i % H] += ((double) d1s[i] + (double) d2s[i]) * (double) factor;
    }
  g_assert_cmpint (ABS (zeros - (int) (0.4 * B * T * H)), <, 25);
  reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL);
  reformer_embedding_run_backward (layer, reformer_span (x), reformer_span (d1), reformer_span (d2), &rows, tape);
  assert_run (reformer_tape_get_run (tape));
  dw = test_gradient (layer, 0);
  assert_close ("dw of d1 + d2", dw, wanted, V * H, 2e-6);
  check_gradients (layer, x, &training);
}

static void
test_embedding_errors (void)
{
  const gint32 ids[] = { 0, 9, 4, 3, 1, 10 }, negative[] = { -2 };
  g_autoptr (ReformerEmbedding) layer = reformer_embedding_new (device, 10, 4);
  g_autoptr (ReformerTensor) outside = test_tensor_int (device, ids, 2, 2, 3), inside = test_tensor_int (device, ids, 2, 1, 5);
  g_autoptr (ReformerTensor) below = test_tensor_int (device, negative, 2, 1, 1), flat = test_tensor_int (device, ids, 1, 6);
  g_autoptr (ReformerTensor) floats = test_random_tensor (2, 1, 5, 0, 1), dy = test_random_tensor (3, 1, 4, 4, 1), wrong = test_random_tensor (3, 1, 5, 3, 1);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) y = test_forward (layer, inside, tape);

  assert_fails (layer, outside, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_INPUT, "id 10 at position 2 of row 1 is outside the vocabulary; wanted 0 to 9");
  assert_fails (layer, below, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_INPUT, "id -2 at position 0 of row 0 is outside *");
  assert_fails (layer, flat, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerEmbedding is *6*; wanted int32 [B, T]*");
  assert_fails (layer, floats, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerEmbedding is *float32*; wanted int32 [B, T]*");
  assert_fails (layer, NULL, dy, NULL, REFORMER_MODEL_ERROR_INVALID_INPUT, "*ReformerEmbedding*nothing on the tape*");
  assert_fails (layer, inside, dy, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerEmbedding has 4 rows; wanted the 5 of the input");
  assert_fails (layer, inside, wrong, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerEmbedding is *1, 5, 3*; wanted float32 [B, T, 4]*");
}

static void
test_embedding_start (void)
{
  g_autoptr (ReformerEmbedding) layer = reformer_embedding_new (device, 100, 64);

  g_assert_cmpint (reformer_embedding_get_vocab_size (layer), ==, 100);
  g_assert_cmpint (reformer_embedding_get_hidden_size (layer), ==, 64);
  g_assert_cmpfloat (reformer_embedding_get_deviation (layer), ==, 0.02);
  g_assert_cmpfloat (reformer_embedding_get_dropout (layer), ==, 0);
  check_start (layer, 0, 0.02);
}

/* ---- Settings ---- */

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    user_data)
{
  ++*(int *) user_data;
}

/* Settings can be changed until a layer is used or put into another; what comes later fails the next use, once. */
static void
test_settings (void)
{
  static const int factors[] = { 4, 2 };
  g_autoptr (ReformerLshAttention) layer = reformer_lsh_attention_new (device, 8, 2, 4), same = NULL;
  g_autoptr (ReformerFeedForward) branch = reformer_feed_forward_new (device, 8, 16);
  g_autoptr (ReformerLinear) linear = reformer_linear_new (device, 8, 8, TRUE);
  g_autoptr (ReformerStack) stack = reformer_stack_new (device);
  g_autoptr (ReformerTape) tape = test_tape (NULL), other = test_tape (NULL);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 1, 32, 8, 3), y = NULL, wanted = NULL;
  g_autofree float *seen = NULL, *expected = NULL;
  g_autofree int *buckets = NULL;
  GError *error = NULL;
  gsize n;
  int notified = 0;

  g_signal_connect (layer, "notify", G_CALLBACK (count_notify), &notified);
  g_object_set (layer, "num-hashes", 3, "chunk-length", 8, "causal", TRUE, "deviation", 0.5, NULL);
  reformer_lsh_attention_set_num_buckets (layer, factors, 2);
  g_assert_cmpint (notified, ==, 5);
  g_assert_false (reformer_layer_get_fixed (REFORMER_LAYER (layer)));
  same = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 8, "num-attention-heads", 2, "attention-head-size", 4, "num-hashes", 3,
                       "chunk-length", 8, "causal", TRUE, "deviation", 0.5, "num-buckets", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, factors, 2, sizeof (int)), NULL);
  y = test_forward (layer, x, tape);
  wanted = test_forward (same, x, other);
  seen = test_floats (y);
  expected = test_floats (wanted);
  g_assert_cmpmem (seen, 32 * 8 * sizeof (float), expected, 32 * 8 * sizeof (float));

  g_assert_true (reformer_layer_get_fixed (REFORMER_LAYER (layer)));
  g_object_set (layer, "num-hashes", 1, "chunk-length", 4, NULL);
  reformer_lsh_attention_set_num_buckets (layer, factors, 1);
  g_assert_cmpint (notified, ==, 5);
  g_assert_cmpint (reformer_lsh_attention_get_num_hashes (layer), ==, 3);
  buckets = reformer_lsh_attention_get_num_buckets (layer, &n);
  g_assert_cmpuint (n, ==, 2);
  g_assert_null (reformer_layer_forward (REFORMER_LAYER (layer), x, other, &error));
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG);
  g_assert_cmpstr (error->message, ==, "num-hashes of ReformerLshAttention was set after the layer's first use, or after it was put into another; wanted before");
  g_clear_error (&error);
  g_clear_object (&y);
  y = test_forward (layer, x, other);

  g_object_set (branch, "hidden-act", "gelu", "dropout", 0.25, NULL);
  reformer_stack_insert (stack, 0, "mine", REFORMER_LAYER (branch), &error);
  g_assert_no_error (error);
  g_assert_true (reformer_layer_get_fixed (REFORMER_LAYER (branch)));
  g_object_set (branch, "hidden-act", "relu", NULL);
  g_assert_null (reformer_layer_forward (REFORMER_LAYER (stack), x, other, &error));
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG);
  g_clear_error (&error);

  g_object_set (linear, "deviation", 0.0, NULL);
  check_start (linear, 0, 0);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/layers/linear/reference", test_linear_reference);
  g_test_add_func ("/layers/linear/gradients", test_linear_gradients);
  g_test_add_func ("/layers/linear/shapes", test_linear_shapes);
  g_test_add_func ("/layers/linear/frozen", test_linear_frozen);
  g_test_add_func ("/layers/linear/errors", test_linear_errors);
  g_test_add_func ("/layers/linear/start", test_linear_start);
  g_test_add_func ("/layers/norm/reference", test_norm);
  g_test_add_func ("/layers/norm/gradients", test_norm_gradients);
  g_test_add_func ("/layers/norm/streams", test_norm_streams);
  g_test_add_func ("/layers/embedding/reference", test_embedding);
  g_test_add_func ("/layers/embedding/dropout", test_embedding_dropout);
  g_test_add_func ("/layers/embedding/errors", test_embedding_errors);
  g_test_add_func ("/layers/embedding/start", test_embedding_start);
  g_test_add_func ("/layers/settings", test_settings);
  status = test_run ();
  g_object_unref (device);
  return status;
}
