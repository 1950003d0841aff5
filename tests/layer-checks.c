/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layer-checks.h"

#include <math.h>
#include <string.h>

ReformerDevice *device;

ReformerTape *
test_tape (const TestPass *pass)
{
  ReformerTape *tape = reformer_tape_new (device);

  if (pass != NULL)
    {
      reformer_tape_set_training (tape, pass->training);
      reformer_tape_set_start (tape, pass->start);
      reformer_tape_set_seed (tape, pass->seed);
      reformer_tape_set_sequence (tape, pass->sequence);
      reformer_tape_set_mask (tape, pass->mask);
      reformer_tape_set_global_mask (tape, pass->global_mask);
    }
  return tape;
}

ReformerTensor *
test_forward (gpointer        layer,
              ReformerTensor *x,
              ReformerTape   *tape)
{
  GError *error = NULL;
  ReformerTensor *y = reformer_layer_forward (layer, x, tape, &error);

  g_assert_no_error (error);
  g_assert_nonnull (y);
  return y;
}

ReformerTensor *
test_backward (gpointer        layer,
               ReformerTensor *dy,
               ReformerTape   *tape)
{
  GError *error = NULL;
  ReformerTensor *dx = reformer_layer_backward (layer, dy, tape, &error);

  g_assert_no_error (error);
  g_assert_nonnull (dx);
  return dx;
}

void
assert_fails (gpointer        layer,
              ReformerTensor *x,
              ReformerTensor *dy,
              const TestPass *pass,
              int             code,
              const char     *pattern)
{
  g_autoptr (ReformerTape) tape = test_tape (pass);
  g_autoptr (ReformerTensor) y = NULL;
  g_autoptr (GError) error = NULL;

  if (x != NULL && dy != NULL)
    {
      g_autoptr (ReformerTensor) seen = test_forward (layer, x, tape);
    }
  y = dy == NULL ? reformer_layer_forward (layer, x, tape, &error) : reformer_layer_backward (layer, dy, tape, &error);
  g_assert_error (error, REFORMER_MODEL_ERROR, code);
  g_assert_null (y);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  if (!g_pattern_match_simple (pattern, error->message))
    g_error ("'%s' does not match '%s'", error->message, pattern);
  g_assert_null (strchr (error->message, '\n'));
}

void
test_fill_parameters (gpointer layer,
                      guint32  seed)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);

  for (guint i = 0; i < list->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (list->pdata[i]);
      g_autofree float *values = g_new (float, n);
      g_autoptr (ReformerTensor) tensor = reformer_parameter_new_value (list->pdata[i], &run);

      test_fill (values, n, seed + i);
      reformer_run_write (&run, reformer_span (tensor), values, n);
      reformer_parameter_take_value (list->pdata[i], tensor);
    }
  assert_run (&run);
}

ReformerParameter *
test_parameter (gpointer layer,
                guint    i)
{
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);

  g_assert_cmpuint (i, <, list->len);
  return list->pdata[i];
}

float *
test_value (gpointer layer,
            guint    i)
{
  return test_floats (reformer_parameter_get_value (test_parameter (layer, i)));
}

float *
test_gradient (gpointer layer,
               guint    i)
{
  ReformerTensor *gradient = reformer_parameter_get_gradient (test_parameter (layer, i));

  g_assert_nonnull (gradient);
  return test_floats (gradient);
}

void
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

ReformerTensor *
test_random_tensor (guint   n_dims,
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
           const TestPass *pass)
{
  g_autoptr (ReformerTape) tape = test_tape (pass);
  g_autoptr (ReformerTensor) y = NULL;
  g_autofree float *values = NULL;
  double sum = 0;

  reformer_tape_set_recording (tape, FALSE);
  y = test_forward (layer, x, tape);
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
                   const TestPass *pass,
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
      if (!(fabs ((double) got[i] - wanted) <= 2e-3 * largest + 3e-4))
        g_error ("gradient of %s at %" G_GSIZE_FORMAT " is %g, by differences %g, largest %g", name, i, (double) got[i], wanted, largest);
    }
}

void
check_gradients (gpointer        layer,
                 ReformerTensor *x,
                 const TestPass *pass)
{
  g_autoptr (ReformerTape) tape = test_tape (pass);
  g_autoptr (GPtrArray) list = reformer_layer_list_parameters (layer);
  g_autoptr (ReformerTensor) y = test_forward (layer, x, tape);
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
  dx = test_backward (layer, shaped, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  if (reformer_tensor_get_dtype (x) == REFORMER_DTYPE_FLOAT32)
    check_differences ("the input", layer, x, dy, pass, x, dx);
  for (guint i = 0; i < list->len; i++)
    check_differences (reformer_parameter_get_name (list->pdata[i]), layer, x, dy, pass, reformer_parameter_get_value (list->pdata[i]),
                       reformer_parameter_get_gradient (list->pdata[i]));
}

void
assert_shape (ReformerTensor *tensor,
              const char     *wanted)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tensor, &n_dims);
  g_autofree char *text = reformer_shape_to_string (shape, n_dims);

  g_assert_cmpstr (text, ==, wanted);
}

void
check_recording (gpointer        layer,
                 ReformerTensor *x,
                 guint           n)
{
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) off = NULL;
  g_autoptr (ReformerTensor) on = NULL;
  g_autoptr (ReformerTensor) dx = NULL;

  reformer_tape_set_recording (tape, FALSE);
  off = test_forward (layer, x, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
  reformer_tape_set_recording (tape, TRUE);
  on = test_forward (layer, x, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, n);
  dx = test_backward (layer, on, tape);
  g_assert_cmpuint (reformer_tape_get_depth (tape), ==, 0);
}

void
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
  values = test_value (layer, i);
  n = reformer_parameter_get_n_elements (test_parameter (layer, i));
  for (gsize k = 0; k < n; k++)
    {
      sum += (double) values[k];
      squares += (double) values[k] * (double) values[k];
    }
  g_assert_cmpfloat (fabs (sum / n), <=, 5 * deviation / sqrt (n));
  g_assert_cmpfloat (fabs (sqrt (squares / n) - deviation), <=, 5 * deviation / sqrt (2 * n));
}
