/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "common.h"
#include "layers/axial-position-private.h"
#include "layers/embedding-private.h"
#include "layers/layer-norm-private.h"
#include "layers/linear-private.h"
#include "layers/position-table-private.h"
#include "tokens.h"

/* The layers without parts: linear, layer norm, embedding, axial positions, position table. */

static ReformerDevice *device;

/* ---- Helpers ---- */

/* What a pass is told. */
typedef struct
{
  gboolean training;
  guint64  start;
  guint64  seed;
  guint    sequence;
} Pass;

static ReformerTape *
new_tape (const Pass *pass)
{
  ReformerTape *tape = reformer_tape_new (device);

  if (pass != NULL)
    {
      reformer_tape_set_training (tape, pass->training);
      reformer_tape_set_start (tape, pass->start);
      reformer_tape_set_seed (tape, pass->seed);
      reformer_tape_set_sequence (tape, pass->sequence);
    }
  return tape;
}

static ReformerTensor *
forward (gpointer        layer,
         ReformerTensor *x,
         ReformerTape   *tape)
{
  GError *error = NULL;
  ReformerTensor *y = reformer_layer_forward (layer, x, tape, &error);

  g_assert_no_error (error);
  g_assert_nonnull (y);
  return y;
}

static ReformerTensor *
backward (gpointer        layer,
          ReformerTensor *dy,
          ReformerTape   *tape)
{
  GError *error = NULL;
  ReformerTensor *dx = reformer_layer_backward (layer, dy, tape, &error);

  g_assert_no_error (error);
  g_assert_nonnull (dx);
  return dx;
}

/* forward, or backward where `dy` is given, must fail so. */
static void
assert_fails (gpointer        layer,
              ReformerTensor *x,
              ReformerTensor *dy,
              const Pass     *pass,
              int             code,
              const char     *pattern)
{
  g_autoptr (ReformerTape) tape = new_tape (pass);
  g_autoptr (ReformerTensor) y = NULL;
  g_autoptr (GError) error = NULL;

  if (x != NULL && dy != NULL)
    {
      g_autoptr (ReformerTensor) seen = forward (layer, x, tape);
    }
  y = dy == NULL ? reformer_layer_forward (layer, x, tape, &error) : reformer_layer_backward (layer, dy, tape, &error);
  g_assert_error (error, REFORMER_MODEL_ERROR, code);
  g_assert_null (y);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("'%s' does not match '%s'", error->message, pattern);
  g_assert_null (strchr (error->message, '\n'));
}

/* Random numbers for all parameters; the double is what was written. */
static void
fill_parameters (gpointer layer,
                 guint32  seed)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);

  for (guint i = 0; i < list->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (list->pdata[i]);
      g_autofree float *values = g_new (float, n);

      test_fill (values, n, seed + i);
      reformer_run_write (&run, reformer_parameter_value (list->pdata[i], &run, 0), values, n);
      reformer_parameter_set_filled (list->pdata[i]);
    }
  assert_run (&run);
}

static ReformerParameter *
parameter (gpointer layer,
           guint    i)
{
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);

  g_assert_cmpuint (i, <, list->len);
  return list->pdata[i];
}

static float *
value_of (gpointer layer,
          guint    i)
{
  return test_floats (reformer_parameter_get_value (parameter (layer, i)));
}

static float *
gradient_of (gpointer layer,
             guint    i)
{
  ReformerTensor *gradient = reformer_parameter_get_gradient (parameter (layer, i));

  g_assert_nonnull (gradient);
  return test_floats (gradient);
}

/* "weight [3, 4]; bias [3]" */
static void
assert_parameters (gpointer    layer,
                   const char *wanted)
{
  g_autoptr (GListModel) list = reformer_layer_get_parameters (layer);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < g_list_model_get_n_items (list); i++)
    {
      g_autoptr (ReformerParameter) p = g_list_model_get_item (list, i);
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (p, &n_dims);
      g_autofree char *shape_text = reformer_shape_to_string (shape, n_dims);

      g_string_append_printf (text, "%s%s %s", i > 0 ? "; " : "", reformer_parameter_get_name (p), shape_text);
    }
  g_assert_cmpstr (text->str, ==, wanted);
  g_string_free (text, TRUE);
}

static ReformerTensor *
random_tensor (guint   n_dims,
               int     a,
               int     b,
               int     c,
               guint32 seed)
{
  const gsize n = (gsize) a * (n_dims > 1 ? b : 1) * (n_dims > 2 ? c : 1);
  g_autofree float *values = g_new (float, n);

  test_fill (values, n, seed);
  return test_tensor (device, values, n_dims, a, b, c);
}

static void
write_element (ReformerTensor *tensor,
               gsize           i,
               float           value)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  reformer_run_write (&run, reformer_at (tensor, i), &value, 1);
  assert_run (&run);
}

/* sum (dy * f (x)) */
static double
objective (gpointer        layer,
           ReformerTensor *x,
           const float    *dy,
           const Pass     *pass)
{
  g_autoptr (ReformerTape) tape = new_tape (pass);
  g_autoptr (ReformerTensor) y = NULL;
  g_autofree float *values = NULL;
  double sum = 0;

  reformer_tape_set_recording (tape, FALSE);
  y = forward (layer, x, tape);
  values = test_floats (y);
  for (gsize i = 0; i < reformer_tensor_get_n_elements (y); i++)
    sum += (double) values[i] * (double) dy[i];
  return sum;
}

/* A few elements of `gradient` against differences in `tensor`. */
static void
check_differences (const char     *name,
                   gpointer        layer,
                   ReformerTensor *x,
                   const float    *dy,
                   const Pass     *pass,
                   ReformerTensor *tensor,
                   ReformerTensor *gradient)
{
  const gsize n = reformer_tensor_get_n_elements (tensor), step = MAX (1, n / 5);
  const float h = 1.0f / 64;
  g_autofree float *values = test_floats (tensor);
  g_autofree float *got = test_floats (gradient);
  double largest = 0;

  g_assert_cmpuint (reformer_tensor_get_n_elements (gradient), ==, n);
  for (gsize i = 0; i < n; i++)
    largest = MAX (largest, fabs ((double) got[i]));
  for (gsize i = 0; i < n; i += step)
    {
      double difference, wanted;

      write_element (tensor, i, values[i] + h);
      difference = objective (layer, x, dy, pass);
      write_element (tensor, i, values[i] - h);
      difference -= objective (layer, x, dy, pass);
      write_element (tensor, i, values[i]);
      wanted = difference / (double) ((values[i] + h) - (values[i] - h));
      if (!(fabs ((double) got[i] - wanted) <= 2e-3 * largest + 1e-4))
        g_error ("gradient of %s at %" G_GSIZE_FORMAT " is %g, by differences %g, largest %g", name, i, (double) got[i], wanted, largest);
    }
}

static void
check_gradients (gpointer        layer,
                 ReformerTensor *x,
                 const Pass     *pass)
{
  g_autoptr (ReformerTape) tape = new_tape (pass);
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);
  g_autoptr (ReformerTensor) y = forward (layer, x, tape);
  g_autoptr (ReformerTensor) dx = NULL;
  const gsize n = reformer_tensor_get_n_elements (y);
  g_autofree float *dy = g_new (float, n);
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (y, &n_dims);
  g_autoptr (ReformerTensor) flat = NULL;
  g_autoptr (ReformerTensor) shaped = NULL;

  test_fill (dy, n, 99);
  flat = test_tensor (device, dy, 1, (int) n);
  shaped = reformer_tensor_reshape (flat, shape, n_dims, NULL);
  g_assert_true (reformer_layer_clear_gradients (layer, NULL));
  dx = backward (layer, shaped, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  if (reformer_tensor_get_dtype (x) == REFORMER_DTYPE_FLOAT32)
    check_differences ("the input", layer, x, dy, pass, x, dx);
  for (guint i = 0; i < list->len; i++)
    check_differences (reformer_parameter_get_name (list->pdata[i]), layer, x, dy, pass, reformer_parameter_get_value (list->pdata[i]),
                       reformer_parameter_get_gradient (list->pdata[i]));
}

static void
assert_shape (ReformerTensor *tensor,
              const char     *wanted)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tensor, &n_dims);
  g_autofree char *text = reformer_shape_to_string (shape, n_dims);

  g_assert_cmpstr (text, ==, wanted);
}

/* Recording off pushes nothing; recording on pushes `n` tensors, which backward takes. */
static void
check_recording (gpointer        layer,
                 ReformerTensor *x,
                 guint           n)
{
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  g_autoptr (ReformerTensor) off = NULL;
  g_autoptr (ReformerTensor) on = NULL;
  g_autoptr (ReformerTensor) dx = NULL;

  reformer_tape_set_recording (tape, FALSE);
  off = forward (layer, x, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  reformer_tape_set_recording (tape, TRUE);
  on = forward (layer, x, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, n);
  dx = backward (layer, on, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
}

/* The standard deviation and mean that a parameter starts with. */
static void
check_start (gpointer layer,
             guint    i,
             double   deviation)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autofree float *values = NULL;
  gsize n;
  double sum = 0, squares = 0;

  reformer_layer_reset (layer, &run, 5);
  assert_run (&run);
  values = value_of (layer, i);
  n = reformer_parameter_get_n_elements (parameter (layer, i));
  for (gsize k = 0; k < n; k++)
    {
      sum += (double) values[k];
      squares += (double) values[k] * (double) values[k];
    }
  g_assert_cmpfloat (fabs (sum / n), <=, 5 * deviation / sqrt (n));
  g_assert_cmpfloat (fabs (sqrt (squares / n) - deviation), <=, 5 * deviation / sqrt (2 * n));
}

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
        g_autoptr (ReformerTape) tape = new_tape (NULL);
        g_autoptr (ReformerTensor) x = random_tensor (2, m, k, 0, 1 + s), dy = random_tensor (2, m, n, 0, 50 + s), y = NULL, dx = NULL;
        g_autofree float *xs = test_floats (x), *dys = test_floats (dy), *ys = NULL, *dxs = NULL, *w = NULL, *b = NULL, *dw = NULL, *db = NULL;
        g_autofree double *wanted = g_new0 (double, MAX ((gsize) m, (gsize) n) * MAX (n, k));

        fill_parameters (layer, 7 * s);
        w = value_of (layer, 0);
        b = has_bias ? value_of (layer, 1) : NULL;
        y = forward (layer, x, tape);
        dx = backward (layer, dy, tape);
        ys = test_floats (y);
        dxs = test_floats (dx);
        dw = gradient_of (layer, 0);
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
            db = gradient_of (layer, 1);
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
  g_autoptr (ReformerTensor) x = random_tensor (3, 2, 7, 5, 1);

  assert_parameters (layer, "weight [3, 5]; bias [3]");
  fill_parameters (layer, 3);
  check_gradients (layer, x, NULL);
  check_recording (layer, x, 1);
}

/* Any number of leading dimensions, and the same bits in pieces. */
static void
test_linear_shapes (void)
{
  const int T = test_device_slow (device) ? 17 : 1300, piece = MIN (T, 1024);
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 9, 20, TRUE);
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) x = random_tensor (2, T, 9, 0, 1), y = forward (layer, x, tape), again = test_tensor (device, NULL, 2, T, 20);
  g_autoptr (ReformerTensor) x3 = random_tensor (3, 2, 3, 9, 1), y3 = forward (layer, x3, tape), x1 = random_tensor (1, 9, 0, 0, 1),
                             y1 = forward (layer, x1, tape), dx3 = NULL;
  g_autoptr (ReformerTensor) d1 = NULL, d2 = NULL;
  g_autofree float *whole = test_floats (y), *pieces = NULL, *dw = NULL, *dw_pieces = NULL;

  assert_shape (y3, "[2, 3, 20]");
  assert_shape (y1, "[20]");
  d1 = backward (layer, y1, tape);
  assert_shape (d1, "[9]");
  d2 = backward (layer, y3, tape);
  assert_shape (d2, "[2, 3, 9]");
  reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL);
  dx3 = backward (layer, y, tape);
  dw = gradient_of (layer, 0);
  reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL);
  for (int from = 0; from < T; from += piece)
    {
      const gsize m = MIN (piece, T - from);

      reformer_linear_run_forward (layer, reformer_at (x, (gsize) from * 9), 9, reformer_at (again, (gsize) from * 20), 20, m, REFORMER_STORE_SET, tape);
      reformer_linear_run_gradient (layer, reformer_at (y, (gsize) from * 20), 20, reformer_at (x, (gsize) from * 9), 9, m, tape);
    }
  assert_run (run);
  pieces = test_floats (again);
  dw_pieces = gradient_of (layer, 0);
  assert_same_bits ("y in pieces", pieces, whole, (gsize) T * 20);
  assert_same_bits ("dw in pieces", dw_pieces, dw, 20 * 9);
}

/* Gradients add up; a frozen parameter has none. */
static void
test_linear_frozen (void)
{
  g_autoptr (ReformerLinear) layer = reformer_linear_new (device, 4, 2, TRUE);
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  g_autoptr (ReformerTensor) x = random_tensor (2, 3, 4, 0, 1), dy = random_tensor (2, 3, 2, 0, 2);
  g_autofree float *once = NULL, *twice = NULL, *db = NULL;

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (ReformerTensor) y = forward (layer, x, tape);
      g_autoptr (ReformerTensor) dx = backward (layer, dy, tape);

      if (i == 0)
        once = gradient_of (layer, 1);
      if (i == 1)
        {
          twice = gradient_of (layer, 1);
          reformer_parameter_set_trainable (reformer_linear_peek_weight (layer), FALSE);
        }
    }
  g_assert_null (reformer_parameter_get_gradient (parameter (layer, 0)));
  db = gradient_of (layer, 1);
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
  g_autoptr (ReformerTensor) wrong = random_tensor (2, 3, 5, 0, 1), right = random_tensor (2, 3, 4, 0, 1), short_dy = random_tensor (2, 2, 2, 0, 1);
  g_autoptr (ReformerTensor) ids = test_tensor_int (device, NULL, 2, 3, 4), dy = random_tensor (2, 3, 2, 0, 1);

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
  bias = value_of (layer, 1);
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
      g_autoptr (ReformerTape) tape = new_tape (NULL);
      g_autoptr (ReformerTensor) x = random_tensor (3, 1, count, width, s), y = NULL;
      g_autofree float *xs = test_floats (x), *ys = NULL, *w = NULL, *b = NULL;
      g_autofree double *wanted = g_new (double, (gsize) count * width);

      fill_parameters (layer, s);
      w = value_of (layer, 0);
      b = value_of (layer, 1);
      y = forward (layer, x, tape);
      ys = test_floats (y);
      norm_reference (xs, w, b, 1e-3, count, width, wanted);
      assert_close ("y", ys, wanted, (gsize) count * width, 3e-6);
    }
}

static void
test_norm_gradients (void)
{
  g_autoptr (ReformerLayerNorm) layer = reformer_layer_norm_new (device, 9);
  g_autoptr (ReformerTensor) x = random_tensor (3, 2, 3, 9, 1), wrong = random_tensor (2, 3, 8, 0, 1), dy = random_tensor (3, 2, 2, 9, 1);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autofree float *w = NULL, *b = NULL;

  assert_parameters (layer, "weight [9]; bias [9]");
  g_assert_cmpint (reformer_layer_norm_get_size (layer), ==, 9);
  g_assert_cmpfloat (reformer_layer_norm_get_eps (layer), ==, 1e-12);
  reformer_layer_reset (REFORMER_LAYER (layer), &run, 0);
  assert_run (&run);
  w = value_of (layer, 0);
  b = value_of (layer, 1);
  for (int i = 0; i < 9; i++)
    {
      g_assert_cmpfloat (w[i], ==, 1);
      g_assert_cmpfloat (b[i], ==, 0);
    }
  fill_parameters (layer, 3);
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
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  g_autoptr (ReformerTensor) x = random_tensor (2, COUNT, 2 * WIDTH, 0, 1), dy = random_tensor (2, COUNT, 2 * WIDTH, 0, 2), y = NULL, dx = NULL;
  g_autoptr (ReformerTensor) x1 = NULL, x2 = NULL, y2 = test_tensor (device, NULL, 2, COUNT, 2 * WIDTH), dx12 = test_tensor (device, NULL, 2, 2 * COUNT, WIDTH);
  g_autofree float *xs = test_floats (x), *wanted = NULL, *got = NULL, *dx_wanted = NULL, *dx_got = NULL, *dw = NULL, *dw2 = NULL;
  float halves[2][COUNT * WIDTH];
  double expected[COUNT * 2 * WIDTH];

  fill_parameters (layer, 3);
  y = forward (layer, x, tape);
  dx = backward (layer, dy, tape);
  dw = gradient_of (layer, 0);
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
  dw2 = gradient_of (layer, 0);
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
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  gint32 ids[B * T];
  g_autoptr (ReformerTensor) x = NULL, y = NULL, dy = random_tensor (3, B, T, H, 2), dx = NULL;
  g_autofree float *table = NULL, *ys = NULL, *dys = test_floats (dy), *dxs = NULL, *dw = NULL;
  double wanted[V * H] = { 0 };

  assert_parameters (layer, "weight [11, 17]");
  test_fill_int (ids, B * T, V, 1);
  ids[0] = V - 1;
  ids[1] = ids[B * T - 1] = 0;
  x = test_tensor_int (device, ids, 2, B, T);
  fill_parameters (layer, 3);
  table = value_of (layer, 0);
  y = forward (layer, x, tape);
  assert_shape (y, "[2, 5, 17]");
  ys = test_floats (y);
  for (int i = 0; i < B * T; i++)
    assert_same_bits ("row", ys + i * H, table + ids[i] * H, H);
  dx = backward (layer, dy, tape);
  assert_shape (dx, "[2, 5]");
  dxs = test_floats (dx);
  for (int i = 0; i < B * T; i++)
    {
      g_assert_cmpfloat (dxs[i], ==, 0);
      for (int c = 0; c < H; c++)
        wanted[ids[i] * H + c] += (double) dys[i * H + c];
    }
  dw = gradient_of (layer, 0);
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
  const Pass training = { TRUE, 0, 77, 3 };
  g_autoptr (ReformerEmbedding) layer = g_object_new (REFORMER_TYPE_EMBEDDING, "device", device, "vocab-size", V, "hidden-size", H, "dropout", 0.4, NULL);
  g_autoptr (ReformerTape) still = new_tape (NULL), tape = new_tape (&training);
  gint32 ids[B * T];
  g_autoptr (ReformerTensor) x = NULL, y = NULL, dropped = NULL, d1 = random_tensor (3, B, T, H, 2), d2 = random_tensor (3, B, T, H, 3);
  g_autofree float *ys = NULL, *got = NULL, *d1s = test_floats (d1), *d2s = test_floats (d2), *dw = NULL;
  const ReformerRows rows = { 0, B * T, T };
  double wanted[V * H] = { 0 };
  ReformerDropout dropout;
  int zeros = 0;

  reformer_layer_set_number (REFORMER_LAYER (layer), 9);
  dropout = reformer_tape_dropout (tape, 0.4, 9, 0);
  test_fill_int (ids, B * T, V, 1);
  x = test_tensor_int (device, ids, 2, B, T);
  fill_parameters (layer, 3);
  y = forward (layer, x, still);
  ys = test_floats (y);
  dropped = forward (layer, x, tape);
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
  dw = gradient_of (layer, 0);
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
  g_autoptr (ReformerTensor) floats = random_tensor (2, 1, 5, 0, 1), dy = random_tensor (3, 1, 4, 4, 1), wrong = random_tensor (3, 1, 5, 3, 1);
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  g_autoptr (ReformerTensor) y = forward (layer, inside, tape);

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

/* ---- Axial positions ---- */

typedef struct
{
  const char *parameters;
  int         n;
  int         shape[4];
  int         dims[4];
  int         width;
  int         length;
} Grid;

static const Grid grids[] = {
  { "weights.0 [9, 5]", 1, { 9 }, { 5 }, 5, 9 },
  { "weights.0 [3, 1, 4]; weights.1 [1, 5, 7]", 2, { 3, 5 }, { 4, 7 }, 11, 15 },
  { "weights.0 [2, 1, 1, 3]; weights.1 [1, 3, 1, 1]; weights.2 [1, 1, 4, 18]", 3, { 2, 3, 4 }, { 3, 1, 18 }, 22, 24 },
};

static ReformerAxialPosition *
new_axial (const Grid *grid,
           double      dropout)
{
  return g_object_new (REFORMER_TYPE_AXIAL_POSITION, "device", device, "dropout", dropout,
                       "shape", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, grid->shape, grid->n, sizeof (int)),
                       "dims", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, grid->dims, grid->n, sizeof (int)), NULL);
}

/* The axis, its coordinate and the column in its table of a component of a position. */
static int
axial_place (const Grid *grid,
             int         position,
             int         component,
             int        *coordinate,
             int        *column)
{
  int axis = 0, after = 1;

  for (; component >= grid->dims[axis]; axis++)
    component -= grid->dims[axis];
  for (int i = axis + 1; i < grid->n; i++)
    after *= grid->shape[i];
  *coordinate = position / after % grid->shape[axis];
  *column = component;
  return axis;
}

/* The number that dropout draws by. */
static guint64
axial_dropout_index (const Grid *grid,
                     int         position,
                     int         component)
{
  int after = 1;

  if (grid->n == 1)
    return component;
  for (int i = 2; i < grid->n; i++)
    after *= grid->shape[i];
  return position / after % grid->shape[1];
}

static void
check_axial (const Grid *grid,
             const Pass *pass,
             double      p,
             int         B,
             int         T)
{
  const int H = grid->width;
  g_autoptr (ReformerAxialPosition) layer = new_axial (grid, p);
  g_autoptr (ReformerTape) tape = new_tape (pass);
  g_autoptr (ReformerTensor) x = random_tensor (3, B, T, H, 1), y = NULL, dy = random_tensor (3, B, T, H, 2), dx = NULL, d2 = random_tensor (3, B, T, H, 3);
  g_autofree float *xs = test_floats (x), *ys = NULL, *dys = test_floats (dy), *d2s = test_floats (d2), *dxs = NULL;
  g_autofree double *wanted = g_new (double, (gsize) B * T * H);
  const ReformerRows rows = { 0, (gsize) B * T, (gsize) T };
  const ReformerDropout dropout = reformer_tape_dropout (tape, p, 0, 1);
  float *tables[4] = { NULL };
  double *gradients[4] = { NULL };

  assert_parameters (layer, grid->parameters);
  fill_parameters (layer, 3);
  for (int i = 0; i < grid->n; i++)
    {
      tables[i] = value_of (layer, i);
      gradients[i] = g_new0 (double, grid->shape[i] * grid->dims[i]);
    }
  y = forward (layer, x, tape);
  ys = test_floats (y);
  for (int i = 0; i < B * T * H; i++)
    {
      const int q = (int) pass->start + i / H % T, component = i % H;
      int coordinate, column;
      const int axis = axial_place (grid, q, component, &coordinate, &column);
      const double factor = (double) test_dropout_factor (&dropout, i / (T * H), axial_dropout_index (grid, q, component));

      wanted[i] = (double) xs[i] + factor * (double) tables[axis][coordinate * grid->dims[axis] + column];
      gradients[axis][coordinate * grid->dims[axis] + column] += factor * (2 * (double) dys[i] + (double) d2s[i]);
    }
  assert_close ("y", ys, wanted, (gsize) B * T * H, 1e-6);
  dx = backward (layer, dy, tape);
  dxs = test_floats (dx);
  assert_same_bits ("dx", dxs, dys, (gsize) B * T * H);
  reformer_axial_position_backward (layer, reformer_span (dy), reformer_span (d2), &rows, tape);
  assert_run (reformer_tape_get_run (tape));
  for (int i = 0; i < grid->n; i++)
    {
      g_autofree float *got = gradient_of (layer, i);

      assert_close ("dw of both", got, gradients[i], (gsize) grid->shape[i] * grid->dims[i], 2e-6);
      g_free (tables[i]);
      g_free (gradients[i]);
    }
  check_gradients (layer, x, pass);
  check_recording (layer, x, 0);
}

static void
test_axial (void)
{
  for (guint g = 0; g < G_N_ELEMENTS (grids); g++)
    {
      const int length = grids[g].length;

      check_axial (&grids[g], &(Pass) { FALSE, 0, 0, 0 }, 0.0, 1, length);
      check_axial (&grids[g], &(Pass) { FALSE, 4, 0, 0 }, 0.4, 2, length - 4);
      check_axial (&grids[g], &(Pass) { FALSE, length - 1, 0, 0 }, 0.0, 3, 1);
      check_axial (&grids[g], &(Pass) { TRUE, 0, 0, 0 }, 0.0, 1, length);
      check_axial (&grids[g], &(Pass) { TRUE, 0, 42, 6 }, 0.4, 3, length);
      check_axial (&grids[g], &(Pass) { TRUE, 2, 42, 6 }, 0.4, 2, length - 3);
    }
}

/* In place and in pieces, the same bits; a frozen table. */
static void
test_axial_pieces (void)
{
  const Grid grid = { NULL, 2, { 20, 40 }, { 3, 6 }, 9, 800 };
  const int B = 2, T = test_device_slow (device) ? 600 : 800, H = 9;
  const Pass pass = { TRUE, 0, 3, 4 };
  g_autoptr (ReformerAxialPosition) layer = new_axial (&grid, 0.3);
  g_autoptr (ReformerTape) tape = new_tape (&pass);
  g_autoptr (ReformerTensor) x = random_tensor (3, B, T, H, 1), y = forward (layer, x, tape), dx = NULL;
  g_autofree float *wanted = test_floats (y), *got = NULL;

  for (gsize first = 0; first < (gsize) B * T; first += REFORMER_BLOCK)
    {
      const ReformerRows rows = { first, MIN (REFORMER_BLOCK, (gsize) B * T - first), (gsize) T };

      reformer_axial_position_add (layer, reformer_at (x, first * H), &rows, tape);
    }
  assert_run (reformer_tape_get_run (tape));
  got = test_floats (x);
  assert_same_bits ("x in pieces", got, wanted, (gsize) B * T * H);
  reformer_parameter_set_trainable (parameter (layer, 0), FALSE);
  dx = backward (layer, x, tape);
  g_assert_null (reformer_parameter_get_gradient (parameter (layer, 0)));
  g_assert_nonnull (reformer_parameter_get_gradient (parameter (layer, 1)));
}

static void
test_axial_errors (void)
{
  static const int shape[] = { 3, 5 }, dims[] = { 4, 7 }, zero[] = { 0, 5 }, long_shape[] = { 65536, 65536 };
  static const int many[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  g_autoptr (ReformerAxialPosition) layer = reformer_axial_position_new (device, shape, 2, dims, 2);
  g_autoptr (ReformerAxialPosition) uneven = reformer_axial_position_new (device, shape, 2, dims, 1);
  g_autoptr (ReformerAxialPosition) empty = reformer_axial_position_new (device, NULL, 0, NULL, 0);
  g_autoptr (ReformerAxialPosition) nothing = reformer_axial_position_new (device, zero, 2, dims, 2);
  g_autoptr (ReformerAxialPosition) eight = reformer_axial_position_new (device, many, 8, many, 8);
  g_autoptr (ReformerAxialPosition) seven = reformer_axial_position_new (device, many, 7, many, 7);
  g_autoptr (ReformerAxialPosition) endless = reformer_axial_position_new (device, long_shape, 2, dims, 2);
  g_autoptr (ReformerTensor) x = random_tensor (3, 2, 15, 11, 1), too_long = random_tensor (3, 1, 16, 11, 1), wrong = random_tensor (3, 1, 15, 10, 1);
  g_autoptr (ReformerTensor) flat = random_tensor (2, 15, 11, 0, 1), one = random_tensor (3, 1, 1, 7, 1);
  g_autoptr (ReformerTape) tape = new_tape (NULL);
  g_autoptr (ReformerTensor) y = forward (layer, x, tape), y7 = forward (seven, one, tape);
  g_autoptr (GVariant) seen = NULL;

  assert_fails (layer, too_long, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "16 tokens from position 0 on; the axial shape [3, 5] has 15 positions");
  assert_fails (layer, x, NULL, &(Pass) { FALSE, 3, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "15 tokens from position 3 on; the axial shape *");
  assert_fails (layer, x, NULL, &(Pass) { FALSE, G_MAXUINT64, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "15 tokens from position * on; the axial shape *");
  assert_fails (layer, NULL, too_long, NULL, REFORMER_MODEL_ERROR_SHAPE, "16 tokens from position 0 on; the axial shape *");
  assert_fails (layer, wrong, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerAxialPosition is *1, 15, 10*; wanted float32 [B, T, 11]*");
  assert_fails (layer, flat, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerAxialPosition is *15, 11*; wanted float32 [B, T, 11]*");
  assert_fails (layer, NULL, wrong, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerAxialPosition is *1, 15, 10*; wanted *");
  assert_fails (uneven, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*shape [3, 5] and dims [4]; wanted *");
  assert_fails (empty, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*shape [] and dims []; wanted *");
  assert_fails (nothing, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*shape [0, 5] and dims *");
  assert_fails (eight, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*wanted two lists of 1 to 7 *");
  g_assert_cmpuint (reformer_axial_position_get_max_length (layer), ==, 15);
  g_assert_cmpint (reformer_axial_position_get_hidden_size (layer), ==, 11);
  g_assert_cmpuint (reformer_axial_position_get_max_length (endless), ==, G_MAXINT32);
  g_object_get (layer, "shape", &seen, NULL);
  g_assert_cmpint (g_variant_n_children (seen), ==, 2);
}

static void
test_axial_start (void)
{
  static const int shape[] = { 64, 50 }, dims[] = { 100, 64 };
  g_autoptr (ReformerAxialPosition) layer = reformer_axial_position_new (device, shape, 2, dims, 2);

  g_assert_cmpfloat (reformer_axial_position_get_deviation (layer), ==, 1);
  g_assert_cmpfloat (reformer_axial_position_get_dropout (layer), ==, 0);
  check_start (layer, 0, 1);
  check_start (layer, 1, 1);
}

/* ---- Position table ---- */

static void
check_table (const Pass *pass,
             double      p,
             int         length,
             int         B,
             int         T,
             int         H)
{
  g_autoptr (ReformerPositionTable) layer = g_object_new (REFORMER_TYPE_POSITION_TABLE, "device", device, "max-length", length, "hidden-size", H,
                                                          "dropout", p, NULL);
  g_autoptr (ReformerTape) tape = new_tape (pass);
  g_autoptr (ReformerTensor) x = random_tensor (3, B, T, H, 1), y = NULL, dy = random_tensor (3, B, T, H, 2), dx = NULL, d2 = random_tensor (3, B, T, H, 3);
  g_autofree float *xs = test_floats (x), *ys = NULL, *dys = test_floats (dy), *d2s = test_floats (d2), *dxs = NULL, *table = NULL, *dw = NULL;
  g_autofree float *in_place = NULL, *dw_pieces = NULL;
  g_autofree double *wanted = g_new (double, (gsize) B * T * H), *gradient = g_new0 (double, (gsize) length * H);
  const ReformerRows rows = { 0, (gsize) B * T, (gsize) T };
  ReformerDropout dropout;

  reformer_layer_set_number (REFORMER_LAYER (layer), 2);
  dropout = reformer_tape_dropout (tape, p, 2, 1);
  fill_parameters (layer, 3);
  table = value_of (layer, 0);
  y = forward (layer, x, tape);
  ys = test_floats (y);
  for (int i = 0; i < B * T * H; i++)
    {
      const gsize at = (gsize) pass->start * H + i % (T * H);
      const double factor = (double) test_dropout_factor (&dropout, i / (T * H), i % (T * H));

      wanted[i] = (double) xs[i] + factor * (double) table[at];
      gradient[at] += factor * ((double) dys[i] + (double) d2s[i]);
    }
  assert_close ("y", ys, wanted, (gsize) B * T * H, 1e-6);
  dx = backward (layer, dy, tape);
  dxs = test_floats (dx);
  assert_same_bits ("dx", dxs, dys, (gsize) B * T * H);
  g_assert_true (reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL));
  reformer_position_table_backward (layer, reformer_span (dy), reformer_span (d2), &rows, tape);
  dw = gradient_of (layer, 0);
  assert_close ("dw of d1 + d2", dw, gradient, (gsize) length * H, 2e-6);

  /* in place and in pieces, the same bits */
  g_assert_true (reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL));
  for (gsize first = 0; first < rows.count; first += REFORMER_BLOCK)
    {
      const ReformerRows piece = { first, MIN (REFORMER_BLOCK, rows.count - first), rows.T };

      reformer_position_table_add (layer, reformer_at (x, first * H), &piece, tape);
      reformer_position_table_backward (layer, reformer_at (dy, first * H), reformer_at (d2, first * H), &piece, tape);
    }
  assert_run (reformer_tape_get_run (tape));
  in_place = test_floats (x);
  assert_same_bits ("x in pieces", in_place, ys, (gsize) B * T * H);
  dw_pieces = gradient_of (layer, 0);
  assert_same_bits ("dw in pieces", dw_pieces, dw, (gsize) length * H);
}

static void
test_table (void)
{
  check_table (&(Pass) { FALSE, 0, 0, 0 }, 0.5, 1, 1, 1, 1);
  check_table (&(Pass) { FALSE, 3, 0, 0 }, 0.0, 20, 3, 17, 5);
  check_table (&(Pass) { TRUE, 2, 8, 5 }, 0.4, 40, 3, 33, 17);
  if (!test_device_slow (device))
    check_table (&(Pass) { TRUE, 0, 8, 5 }, 0.2, 1100, 3, 1075, 9);
}

static void
test_table_gradients (void)
{
  const Pass pass = { TRUE, 1, 8, 5 };
  g_autoptr (ReformerPositionTable) layer = reformer_position_table_new (device, 6, 4);
  g_autoptr (ReformerPositionTable) dropping = g_object_new (REFORMER_TYPE_POSITION_TABLE, "device", device, "max-length", 6, "hidden-size", 4,
                                                             "dropout", 0.3, NULL);
  g_autoptr (ReformerTensor) x = random_tensor (3, 2, 5, 4, 1), too_long = random_tensor (3, 1, 7, 4, 1), wrong = random_tensor (3, 1, 5, 3, 1);

  assert_parameters (layer, "embedding.weight [6, 4]");
  fill_parameters (layer, 3);
  fill_parameters (dropping, 3);
  check_gradients (layer, x, NULL);
  check_gradients (dropping, x, &pass);
  check_recording (layer, x, 0);
  assert_fails (layer, too_long, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "7 tokens from position 0 on; the table of positions has 6");
  assert_fails (layer, x, NULL, &(Pass) { FALSE, 2, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "5 tokens from position 2 on; the table of positions has 6");
  assert_fails (layer, x, NULL, &(Pass) { FALSE, G_MAXUINT64, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "5 tokens from position * on; *");
  assert_fails (layer, NULL, too_long, NULL, REFORMER_MODEL_ERROR_SHAPE, "7 tokens *");
  assert_fails (layer, wrong, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerPositionTable is *1, 5, 3*; wanted float32 [B, T, 4]*");
}

static void
test_table_start (void)
{
  g_autoptr (ReformerPositionTable) layer = reformer_position_table_new (device, 100, 64);

  g_assert_cmpint (reformer_position_table_get_max_length (layer), ==, 100);
  g_assert_cmpint (reformer_position_table_get_hidden_size (layer), ==, 64);
  g_assert_cmpfloat (reformer_position_table_get_deviation (layer), ==, 0.02);
  g_assert_cmpfloat (reformer_position_table_get_dropout (layer), ==, 0);
  check_start (layer, 0, 0.02);
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
  g_test_add_func ("/layers/axial/reference", test_axial);
  g_test_add_func ("/layers/axial/pieces", test_axial_pieces);
  g_test_add_func ("/layers/axial/errors", test_axial_errors);
  g_test_add_func ("/layers/axial/start", test_axial_start);
  g_test_add_func ("/layers/table/reference", test_table);
  g_test_add_func ("/layers/table/gradients", test_table_gradients);
  g_test_add_func ("/layers/table/start", test_table_start);
  status = g_test_run ();
  g_object_unref (device);
  return status;
}
