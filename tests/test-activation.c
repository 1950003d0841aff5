/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "tokens.h"

#include "ops/activation.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

/* ---- the formulas of the field, in double precision ---- */

static double
sigmoid (double x)
{
  return 1.0 / (1.0 + exp (-x));
}

static double
softplus (double x)
{
  return fmax (x, 0.0) + log1p (exp (-fabs (x)));
}

/* (1 + erf (x / sqrt (2))) / 2 */
static double
normal (double x)
{
  return 0.5 * erfc (-x / sqrt (2.0));
}

static double
reference (ReformerActivation activation,
           double             x)
{
  switch (activation)
    {
    case REFORMER_ACTIVATION_LINEAR:
      return x;
    case REFORMER_ACTIVATION_RELU:
      return fmax (x, 0.0);
    case REFORMER_ACTIVATION_RELU2:
      return fmax (x, 0.0) * fmax (x, 0.0);
    case REFORMER_ACTIVATION_RELU6:
      return fmin (fmax (x, 0.0), 6.0);
    case REFORMER_ACTIVATION_LEAKY_RELU:
      return x < 0.0 ? 0.01 * x : x;
    case REFORMER_ACTIVATION_GELU:
      return x * normal (x);
    case REFORMER_ACTIVATION_GELU_10:
      return fmin (fmax (x * normal (x), -10.0), 10.0);
    case REFORMER_ACTIVATION_GELU_TANH:
      return 0.5 * x * (1.0 + tanh (sqrt (2.0 / G_PI) * (x + 0.044715 * x * x * x)));
    case REFORMER_ACTIVATION_QUICK_GELU:
      return x * sigmoid (1.702 * x);
    case REFORMER_ACTIVATION_SILU:
      return x * sigmoid (x);
    case REFORMER_ACTIVATION_HARDSWISH:
      return x * fmin (fmax (x + 3.0, 0.0), 6.0) / 6.0;
    case REFORMER_ACTIVATION_MISH:
      return x * tanh (softplus (x));
    case REFORMER_ACTIVATION_SQRTSOFTPLUS:
      return sqrt (softplus (x));
    case REFORMER_ACTIVATION_LAPLACE:
      return 0.5 * (1.0 + erf ((x - 0.707107) / (0.282095 * sqrt (2.0))));
    case REFORMER_ACTIVATION_SIGMOID:
      return sigmoid (x);
    case REFORMER_ACTIVATION_TANH:
      return tanh (x);
    default:
      g_assert_not_reached ();
    }
}

/* By differences; four points, so that the step may be wide enough for rounding not to count. */
static double
reference_slope (ReformerActivation activation,
                 double             x)
{
  const double h = 1e-3;

  return (8.0 * (reference (activation, x + h) - reference (activation, x - h)) - reference (activation, x + 2.0 * h) +
          reference (activation, x - 2.0 * h)) / (12.0 * h);
}

/* TRUE where the slope jumps near x. */
static gboolean
near_kink (double x)
{
  const double kinks[] = { 0.0, -3.0, 3.0, 6.0, 10.0 };

  for (gsize i = 0; i < G_N_ELEMENTS (kinks); i++)
    if (fabs (x - kinks[i]) < 3e-3)
      return TRUE;
  return FALSE;
}

/* ---- names ---- */

static void
test_names (void)
{
  const char *const *names = reformer_activation_get_names ();
  guint seen = 0;
  ReformerActivation activation;

  g_assert_cmpuint (g_strv_length ((char **) names), ==, 22);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_assert_true (reformer_activation_from_name (names[i], &activation));
      g_assert_cmpint (activation, <=, REFORMER_ACTIVATION_TANH);
      seen |= 1u << activation;
      if (i > 0)
        g_assert_cmpint (strcmp (names[i - 1], names[i]), <, 0);
    }
  g_assert_cmphex (seen, ==, (1u << (REFORMER_ACTIVATION_TANH + 1)) - 1);

  g_assert_false (reformer_activation_from_name ("prelu", &activation));
  g_assert_false (reformer_activation_from_name ("xielu", &activation));
  g_assert_false (reformer_activation_from_name ("Relu", &activation));
  g_assert_false (reformer_activation_from_name ("", &activation));
}

/* ---- values ---- */

/* |got - want| <= tolerance * max (1, |scale|), or both are NaN. */
static void
check (const char   *name,
       const float  *got,
       const double *want,
       const float  *scale,
       gsize         n,
       double        tolerance)
{
  double worst = 0.0;
  gsize at = 0;

  for (gsize i = 0; i < n; i++)
    {
      const double error = fabs ((double) got[i] - want[i]) / fmax (1.0, fabs ((double) scale[i]));

      if (!(error <= worst))
        {
          worst = error;
          at = i;
        }
    }
  if (!(worst <= tolerance))
    {
      g_printerr ("%s: of %.9g is %.9g instead of %.9g\n", name, (double) scale[at], (double) got[at], want[at]);
      g_test_fail ();
    }
}

static void
check_activation (gconstpointer data)
{
  const ReformerActivation activation = GPOINTER_TO_INT (data);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const int count = test_device_slow (device) ? 11 : 4001, width = 7;
  const gsize n = (gsize) count * width;
  g_autofree float *x = g_new (float, n);
  g_autofree float *dy = g_new (float, n);
  g_autofree double *want = g_new (double, n);
  g_autofree double *want_dx = g_new (double, n);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) dys = NULL;
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 1, (int) n + 3);
  g_autofree float *y = NULL;
  g_autofree float *dx = NULL;
  g_autofree float *in_place = NULL;
  const ReformerRows rows = { 0, count, count };

  /* Half around zero, half evenly far out. */
  test_fill (x, n, 21);
  test_fill (dy, n, 22);
  for (gsize i = 0; i < n; i++)
    {
      x[i] = i % 2 == 0 ? 5.0f * x[i] : (float) (-100.0 + 200.0 * (double) i / (double) n);
      if (near_kink ((double) x[i]))
        x[i] += 0.01f;
      want[i] = reference (activation, (double) x[i]);
      want_dx[i] = reference_slope (activation, (double) x[i]) * (double) dy[i];
    }

  xs = test_tensor (device, x, 2, count, width);
  dys = test_tensor (device, dy, 2, count, width);
  reformer_activation_forward (&run, activation, reformer_span (xs), reformer_at (ys, 3), width, &rows, &REFORMER_NO_DROPOUT);
  assert_run (&run);
  y = test_floats (ys);
  check ("forward", y + 3, want, x, n, activation == REFORMER_ACTIVATION_RELU2 ? 1e-5 : 2e-7);

  /* In place, both. */
  reformer_activation_backward (&run, activation, reformer_span (xs), reformer_span (dys), reformer_span (dys), width, &rows,
                                &REFORMER_NO_DROPOUT);
  reformer_activation_forward (&run, activation, reformer_span (xs), reformer_span (xs), width, &rows, &REFORMER_NO_DROPOUT);
  assert_run (&run);
  dx = test_floats (dys);
  in_place = test_floats (xs);
  check ("backward", dx, want_dx, x, n, 1e-6);
  assert_same_bits ("in place", in_place, y + 3, n);
}

/* erf of gelu and laplace, to 1e-7, and the tails of gelu relatively. */
static void
test_erf (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const int n = test_device_slow (device) ? 200 : 200000;
  g_autofree float *x = g_new (float, n);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 1, n);
  g_autofree float *y = NULL;
  const ReformerRows rows = { 0, n, n };
  double worst = 0.0, worst_tail = 0.0;

  for (int i = 0; i < n; i++)
    x[i] = (float) (-12.0 + 24.0 * i / n);
  xs = test_tensor (device, x, 1, n);
  reformer_activation_forward (&run, REFORMER_ACTIVATION_GELU, reformer_span (xs), reformer_span (ys), 1, &rows, &REFORMER_NO_DROPOUT);
  assert_run (&run);
  y = test_floats (ys);
  for (int i = 0; i < n; i++)
    {
      const double u = (double) x[i], want = u * normal (u);

      if (u != 0.0)
        worst = fmax (worst, fabs ((double) y[i] - want) * 2.0 / fabs (u));
      if (u < -1.0)
        worst_tail = fmax (worst_tail, fabs ((double) y[i] / want - 1.0));
    }
  g_test_message ("erf %.2g, tail %.2g", worst, worst_tail);
  /* Half a unit in the last place of x * (1 + erf) / 2 is not erf's: 2 * 6e-8. */
  g_assert_cmpfloat (worst, <=, 2.3e-7);
  g_assert_cmpfloat (worst_tail, <=, 6e-6);
}

static void
test_not_finite (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const float x[4] = { NAN, INFINITY, 1.0f, -INFINITY };
  const float ones[4] = { 1.0f, 1.0f, 1.0f, 1.0f };
  const ReformerRows rows = { 0, 4, 4 };
  const int last = test_device_slow (device) ? REFORMER_ACTIVATION_RELU : REFORMER_ACTIVATION_TANH;
  g_autoptr (ReformerTensor) xs = test_tensor (device, x, 1, 4);
  g_autoptr (ReformerTensor) dys = test_tensor (device, ones, 1, 4);

  for (int activation = 0; activation <= last; activation++)
    {
      g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 1, 4);
      g_autofree float *y = NULL;

      reformer_activation_forward (&run, activation, reformer_span (xs), reformer_span (ys), 1, &rows, &REFORMER_NO_DROPOUT);
      assert_run (&run);
      y = test_floats (ys);
      g_assert_true (isnan (y[0]));
      g_assert_true (isfinite (y[2]));
      if (activation == REFORMER_ACTIVATION_RELU || activation == REFORMER_ACTIVATION_LINEAR)
        g_assert_true (isinf (y[1]));
    }
}

/* ---- dropout ---- */

static float *
with_dropout (gboolean               backward,
              int                    width,
              gsize                  count,
              gsize                  T,
              gsize                  piece,
              const float           *x,
              const float           *dy,
              const ReformerDropout *dropout)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) xs = test_tensor (device, x, 1, (int) (count * width));
  g_autoptr (ReformerTensor) dys = test_tensor (device, dy, 1, (int) (count * width));
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 1, (int) (count * width));

  for (gsize first = 0; first < count; first += piece)
    {
      const ReformerRows rows = { first, MIN (piece, count - first), T };
      const gsize at = first * width;

      if (backward)
        reformer_activation_backward (&run, REFORMER_ACTIVATION_SILU, reformer_at (xs, at), reformer_at (dys, at), reformer_at (ys, at), width,
                                      &rows, dropout);
      else
        reformer_activation_forward (&run, REFORMER_ACTIVATION_SILU, reformer_at (xs, at), reformer_at (ys, at), width, &rows, dropout);
    }
  assert_run (&run);
  return test_floats (ys);
}

static void
check_dropout (int   width,
               gsize count,
               gsize T)
{
  const ReformerDropout dropout = { 0.3f, G_GUINT64_CONSTANT (0x123456789abcdef0), 77, 33 };
  const gsize n = count * width, pieces[] = { 1024, 2048, count };
  g_autofree float *x = g_new (float, n);
  g_autofree float *dy = g_new (float, n);
  g_autofree double *want = g_new (double, n);
  g_autofree double *want_dx = g_new (double, n);
  g_autofree float *y = NULL;
  g_autofree float *dx = NULL;

  test_fill (x, n, 31);
  test_fill (dy, n, 32);
  for (gsize i = 0; i < n; i++)
    {
      const gsize token = i / width;
      const double factor = (double) test_dropout_factor (&dropout, token / T, token % T * width + i % width);

      want[i] = reference (REFORMER_ACTIVATION_SILU, (double) x[i] * factor);
      want_dx[i] = reference_slope (REFORMER_ACTIVATION_SILU, (double) x[i] * factor) * factor * (double) dy[i];
    }

  y = with_dropout (FALSE, width, count, T, count, x, dy, &dropout);
  dx = with_dropout (TRUE, width, count, T, count, x, dy, &dropout);
  assert_near ("forward with dropout", y, want, n, 3e-7);
  assert_near ("backward with dropout", dx, want_dx, n, 1e-6);
  for (gsize j = 0; j < G_N_ELEMENTS (pieces); j++)
    {
      g_autofree float *piece_y = with_dropout (FALSE, width, count, T, pieces[j], x, dy, &dropout);
      g_autofree float *piece_dx = with_dropout (TRUE, width, count, T, pieces[j], x, dy, &dropout);

      assert_same_bits ("forward in pieces", piece_y, y, n);
      assert_same_bits ("backward in pieces", piece_dx, dx, n);
    }
}

static void
test_dropout (void)
{
  check_dropout (3, 5, 5);
  check_dropout (5, 9, 3);
  if (test_device_slow (device))
    return;
  check_dropout (1, 3333, 1111);
  check_dropout (7, 4100, 1025);
  check_dropout (16, 3072, 1024);
  check_dropout (33, 2049, 683);
  check_dropout (258, 2500, 2500);
  check_dropout (64, 4000, 5);
}

static void
test_perf (void)
{
  static const struct
  {
    const char         *name;
    ReformerActivation  activation;
  } list[] = {
    { "relu", REFORMER_ACTIVATION_RELU }, { "gelu", REFORMER_ACTIVATION_GELU }, { "gelu_new", REFORMER_ACTIVATION_GELU_TANH },
    { "silu", REFORMER_ACTIVATION_SILU }, { "mish", REFORMER_ACTIVATION_MISH },
  };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { WIDTH = 1024, COUNT = 4096 };
  const ReformerRows rows = { 0, COUNT, COUNT };
  const ReformerDropout dropout = { 0.1f, 1, 2, 3 };
  g_autofree float *x = g_new (float, COUNT * WIDTH);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 2, COUNT, WIDTH);

  test_fill (x, COUNT * WIDTH, 41);
  xs = test_tensor (device, x, 2, COUNT, WIDTH);
  for (gsize i = 0; i < G_N_ELEMENTS (list); i++)
    {
      g_autofree char *forward = g_strdup_printf ("%s forward", list[i].name);
      g_autofree char *dropped = g_strdup_printf ("%s forward, dropout", list[i].name);
      g_autofree char *backward = g_strdup_printf ("%s backward", list[i].name);

      TEST_RATE (&run, forward, 8.0 * COUNT * WIDTH,
                 reformer_activation_forward (&run, list[i].activation, reformer_span (xs), reformer_span (ys), WIDTH, &rows,
                                              &REFORMER_NO_DROPOUT));
      TEST_RATE (&run, dropped, 8.0 * COUNT * WIDTH,
                 reformer_activation_forward (&run, list[i].activation, reformer_span (xs), reformer_span (ys), WIDTH, &rows, &dropout));
      TEST_RATE (&run, backward, 12.0 * COUNT * WIDTH,
                 reformer_activation_backward (&run, list[i].activation, reformer_span (xs), reformer_span (ys), reformer_span (ys), WIDTH,
                                               &rows, &REFORMER_NO_DROPOUT));
    }
}

int
main (int    argc,
      char **argv)
{
  static const char *const names[] = { "linear", "relu", "relu2", "relu6", "leaky-relu", "gelu", "gelu-10", "gelu-tanh", "quick-gelu", "silu",
                                       "hardswish", "mish", "sqrtsoftplus", "laplace", "sigmoid", "tanh" };
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/activation/names", test_names);
  for (int i = 0; i < (int) G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_strdup_printf ("/activation/%s", names[i]);

      g_test_add_data_func (path, GINT_TO_POINTER (i), check_activation);
    }
  g_test_add_func ("/activation/erf", test_erf);
  g_test_add_func ("/activation/not-finite", test_not_finite);
  g_test_add_func ("/activation/dropout", test_dropout);
  if (g_test_perf ())
    g_test_add_func ("/activation/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
