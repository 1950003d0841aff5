/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "tokens.h"

#include "ops/loss.h"

#include <float.h>
#include <math.h>
#include <string.h>

static ReformerDevice *device;

static double
reference (const double *logits,
           int           classes,
           int           label)
{
  double top = -HUGE_VAL, sum = 0.0;

  if (label < 0)
    return 0.0;
  for (int c = 0; c < classes; c++)
    top = fmax (top, logits[c]);
  for (int c = 0; c < classes; c++)
    sum += exp (logits[c] - top);
  return log (sum) + top - logits[label];
}

static void
reference_gradient (const double *logits,
                    int           classes,
                    int           label,
                    double        scale,
                    double       *gradient)
{
  double top = -HUGE_VAL, sum = 0.0;

  for (int c = 0; c < classes; c++)
    top = fmax (top, logits[c]);
  for (int c = 0; c < classes; c++)
    sum += exp (logits[c] - top);
  for (int c = 0; c < classes; c++)
    gradient[c] = label < 0 ? 0.0 : scale * (exp (logits[c] - top) / sum - (c == label));
}

static void
test_reference (void)
{
  enum { N = 5 };
  float values[N];
  double logits[N], gradient[N];

  test_fill (values, N, 1);
  for (int c = 0; c < N; c++)
    logits[c] = 3.0 * (double) values[c];
  reference_gradient (logits, N, 2, 0.5, gradient);
  for (int c = 0; c < N; c++)
    {
      const double before = logits[c];
      double difference;

      logits[c] = before + 1e-5;
      difference = reference (logits, N, 2);
      logits[c] = before - 1e-5;
      difference = (difference - reference (logits, N, 2)) / 2e-5;
      logits[c] = before;
      g_assert_cmpfloat_with_epsilon (0.5 * difference, gradient[c], 1e-8);
    }
}

static void
check_shape (int    count,
             int    classes,
             int    ld,
             float  spread,
             double tolerance)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize n = 3 + (gsize) count * ld;
  const float scale = 1.0f / (float) count;
  g_autofree float *logits = g_new (float, n);
  g_autofree gint32 *labels = g_new (gint32, count + 1);
  g_autofree double *row = g_new (double, classes);
  g_autofree double *want = g_new (double, count);
  g_autofree double *want_gradient = g_new (double, n);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ls = NULL;
  g_autoptr (ReformerTensor) losses = test_tensor (device, NULL, 2, 2, count);
  g_autofree float *untouched = NULL;
  g_autofree float *gradient = NULL;
  g_autofree float *got = NULL;
  g_autofree char *name = g_strdup_printf ("%d x %d, ld %d, spread %g", count, classes, ld, (double) spread);

  test_fill (logits, n, 2);
  test_fill_int (labels, count + 1, classes, 3);
  for (gsize i = 0; i < n; i++)
    {
      logits[i] *= spread;
      want_gradient[i] = (double) logits[i];
    }
  for (int r = 0; r < count; r++)
    {
      if (r % 5 == 3)
        labels[1 + r] = r % 2 == 0 ? -100 : -1;
      for (int c = 0; c < classes; c++)
        row[c] = (double) logits[3 + (gsize) r * ld + c];
      want[r] = reference (row, classes, labels[1 + r]);
      reference_gradient (row, classes, labels[1 + r], (double) scale, want_gradient + 3 + (gsize) r * ld);
    }

  xs = test_tensor (device, logits, 1, (int) n);
  ls = test_tensor_int (device, labels, 1, count + 1);
  reformer_cross_entropy (&run, reformer_at (xs, 3), ld, reformer_at (ls, 1), REFORMER_NOTHING, reformer_span (losses), count, classes, 0.0f);
  assert_run (&run);
  untouched = test_floats (xs);
  assert_same_bits (name, untouched, logits, n);
  reformer_cross_entropy (&run, reformer_at (xs, 3), ld, reformer_at (ls, 1), REFORMER_NOTHING, reformer_at (losses, count), count, classes, scale);
  assert_run (&run);

  got = test_floats (losses);
  assert_near (name, got, want, count, tolerance);
  assert_same_bits (name, got + count, got, count);
  for (int r = 0; r < count; r++)
    if (labels[1 + r] < 0)
      g_assert_cmpfloat (got[r], ==, 0.0f);

  /* Gradients to scale, and what stands between the rows as it was. */
  gradient = test_floats (xs);
  for (int r = 0; r < count; r++)
    {
      assert_near (name, gradient + 3 + (gsize) r * ld, want_gradient + 3 + (gsize) r * ld, classes, 5e-7 * (double) scale);
      assert_same_bits (name, gradient + 3 + (gsize) r * ld + classes, logits + 3 + (gsize) r * ld + classes, ld - classes);
    }
}

static void
test_shapes (void)
{
  check_shape (5, 1, 1, 5.0f, 1e-6);
  check_shape (5, 2, 3, 5.0f, 1e-6);
  check_shape (3, 17, 20, 5.0f, 2e-6);
  if (test_device_slow (device))
    return;
  check_shape (37, 3, 3, 5.0f, 2e-6);
  check_shape (37, 16, 16, 5.0f, 2e-6);
  check_shape (37, 33, 64, 5.0f, 2e-6);
  check_shape (1000, 258, 272, 5.0f, 2e-6);
  check_shape (100, 320, 320, 30.0f, 1e-5);
  check_shape (5, 5000, 5001, 1.0f, 3e-6);
  check_shape (3, 100000, 100000, 1.0f, 5e-6);
}

/* Logits far beyond the exponential's range, and masked ones. */
static void
test_extremes (void)
{
  enum { CLASSES = 20, COUNT = 5 };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  float logits[COUNT][CLASSES] = { { 0.0f } };
  const gint32 labels[COUNT] = { 1, 2, 0, 19, 4 };
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ls = test_tensor_int (device, labels, 1, COUNT);
  g_autoptr (ReformerTensor) losses = test_tensor (device, NULL, 1, COUNT);
  g_autofree float *got = NULL;
  g_autofree float *gradient = NULL;

  for (int c = 0; c < CLASSES; c++)
    {
      logits[0][c] = c == 1 ? 1e30f : -1e30f;
      logits[1][c] = -1e5f;
      logits[2][c] = c < 2 ? 1000.0f : -INFINITY;
      logits[3][c] = c == 19 ? -200.0f : 0.0f;
      logits[4][c] = c == 7 ? NAN : 0.0f;
    }
  xs = test_tensor (device, &logits[0][0], 2, COUNT, CLASSES);
  reformer_cross_entropy (&run, reformer_span (xs), CLASSES, reformer_span (ls), REFORMER_NOTHING, reformer_span (losses), COUNT, CLASSES, 1.0f);
  assert_run (&run);
  got = test_floats (losses);
  gradient = test_floats (xs);
  g_assert_cmpfloat (got[0], ==, 0.0f);
  g_assert_cmpfloat_with_epsilon (got[1], logf (CLASSES), 1e-6f);
  g_assert_cmpfloat_with_epsilon (got[2], logf (2.0f), 1e-6f);
  g_assert_cmpfloat_with_epsilon (got[3], 200.0f + logf (19.0f), 5e-5f);
  g_assert_true (isnan (got[4]));
  for (int c = 0; c < CLASSES; c++)
    {
      g_assert_cmpfloat (gradient[c], ==, 0.0f);
      g_assert_cmpfloat_with_epsilon (gradient[CLASSES + c], c == 2 ? -0.95f : 0.05f, 1e-6f);
      g_assert_cmpfloat_with_epsilon (gradient[2 * CLASSES + c], c == 0 ? -0.5f : c == 1 ? 0.5f : 0.0f, 1e-6f);
      g_assert_cmpfloat_with_epsilon (gradient[3 * CLASSES + c], c == 19 ? -1.0f : 1.0f / 19.0f, 1e-6f);
      g_assert_true (isnan (gradient[4 * CLASSES + c]));
    }
}

/* A class's weight multiplies loss and gradient, to the bit where it is a power of two. */
static void
test_weights (void)
{
  enum { CLASSES = 20, COUNT = 7 };
  const float given[] = { 0.5f, 2.0f, 0.0f, 8.0f };
  g_autofree float *logits = g_new (float, COUNT * CLASSES), *weights = g_new (float, 3 + CLASSES);
  gint32 labels[COUNT];
  g_autoptr (ReformerTensor) ls = NULL, ws = NULL;
  float *plain[2] = { NULL, NULL }, *weighted[2] = { NULL, NULL }; /* losses, logits' gradients */

  test_fill (logits, COUNT * CLASSES, 4);
  for (int i = 0; i < 3 + CLASSES; i++)
    weights[i] = given[(i + 1) % 4]; /* class c has given[c % 4] */
  for (int r = 0; r < COUNT; r++)
    labels[r] = r == 5 ? -100 : 3 * r;
  ls = test_tensor_int (device, labels, 1, COUNT);
  ws = test_tensor (device, weights, 1, 3 + CLASSES);
  for (int i = 0; i < 2; i++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) xs = test_tensor (device, logits, 2, COUNT, CLASSES);
      g_autoptr (ReformerTensor) losses = test_tensor (device, NULL, 1, COUNT);

      reformer_cross_entropy (&run, reformer_span (xs), CLASSES, reformer_span (ls), i == 0 ? REFORMER_NOTHING : reformer_at (ws, 3), reformer_span (losses), COUNT, CLASSES, 0.25f);
      assert_run (&run);
      (i == 0 ? plain : weighted)[0] = test_floats (losses);
      (i == 0 ? plain : weighted)[1] = test_floats (xs);
    }
  for (int r = 0; r < COUNT; r++)
    {
      const float w = labels[r] < 0 ? 0.0f : given[labels[r] % 4];

      g_assert_cmpfloat (weighted[0][r], ==, w * plain[0][r]);
      for (int c = 0; c < CLASSES; c++)
        g_assert_cmpfloat_with_epsilon (weighted[1][r * CLASSES + c], w * plain[1][r * CLASSES + c], 1e-7f);
    }
  for (int i = 0; i < 2; i++)
    {
      g_free (plain[i]);
      g_free (weighted[i]);
    }
}

/* ---- Numbers ---- */

static double
value_reference (ReformerValueLoss kind,
                 double            x,
                 double            y,
                 double           *slope)
{
  *slope = 0;
  if (isnan (y))
    return 0;
  *slope = kind == REFORMER_VALUE_SQUARES ? 2 * (x - y) : 1 / (1 + exp (-x)) - y;
  return kind == REFORMER_VALUE_SQUARES ? (x - y) * (x - y) : fmax (x, 0) + log1p (exp (-fabs (x))) - x * y;
}

static void
check_values (ReformerValueLoss kind,
              int               count,
              int               width,
              int               ld,
              float             spread)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize n = 3 + (gsize) count * (gsize) ld, m = 1 + (gsize) count * (gsize) width;
  const float scale = 0.125f;
  g_autofree float *outputs = g_new (float, n), *wanted = g_new (float, m), *got = NULL, *gradient = NULL;
  g_autofree double *losses = g_new0 (double, count), *slopes = g_new (double, n);
  g_autoptr (ReformerTensor) xs = NULL, ys = NULL, ls = test_tensor (device, NULL, 1, count + 1);

  test_fill (outputs, n, 2);
  test_fill (wanted, m, 3);
  for (gsize i = 0; i < n; i++)
    {
      outputs[i] *= spread;
      slopes[i] = (double) outputs[i]; /* what lies between the rows stays */
    }
  for (gsize i = 0; i < m; i++)
    wanted[i] = i % 5 == 2 ? NAN : kind == REFORMER_VALUE_SQUARES ? wanted[i] : (wanted[i] + 1) / 2;
  for (int r = 0; r < count; r++)
    for (int c = 0; c < width; c++)
      {
        const gsize at = 3 + (gsize) r * (gsize) ld + (gsize) c;
        double slope;

        losses[r] += value_reference (kind, (double) outputs[at], (double) wanted[1 + r * width + c], &slope);
        slopes[at] = (double) scale * slope;
      }
  xs = test_tensor (device, outputs, 1, (int) n);
  ys = test_tensor (device, wanted, 1, (int) m);
  for (int i = 0; i < 2; i++)
    {
      g_clear_pointer (&got, g_free);
      reformer_value_loss (&run, kind, reformer_at (xs, 3), ld, reformer_at (ys, 1), reformer_at (ls, 1), count, width, i == 0 ? 0.0f : scale);
      assert_run (&run);
      got = test_floats (ls);
      assert_close ("losses", got + 1, losses, count, 2e-6);
      if (i == 0)
        {
          g_autofree float *same = test_floats (xs);

          assert_same_bits ("outputs", same, outputs, n);
        }
    }
  gradient = test_floats (xs);
  assert_close ("gradients", gradient, slopes, n, 5e-7);
}

static void
test_values (void)
{
  for (int kind = 0; kind < 2; kind++)
    {
      check_values ((ReformerValueLoss) kind, 5, 1, 1, 3.0f);
      check_values ((ReformerValueLoss) kind, 4, 7, 9, 3.0f);
      if (test_device_slow (device))
        continue;
      check_values ((ReformerValueLoss) kind, 1000, 3, 3, 200.0f);
      check_values ((ReformerValueLoss) kind, 17, 1000, 1000, 3.0f);
    }
}

/* ---- Spans ---- */

static void
check_spans (int      B,
             int      length,
             int      T,
             gboolean masked)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const int blocks = (length + REFORMER_SPAN_BLOCK - 1) / REFORMER_SPAN_BLOCK;
  const gsize n = (gsize) B * (gsize) T * 2;
  const float scales[2] = { 0.25f, 0.5f };
  g_autofree float *outputs = g_new (float, n), *totals = g_new (float, 2 * B), *parts = NULL, *got = NULL;
  g_autofree guint8 *mask = g_new (guint8, (gsize) B * (gsize) T);
  g_autofree gint32 *labels = g_new (gint32, 2 * B);
  g_autofree double *want = g_new0 (double, n);
  g_autoptr (ReformerTensor) xs = NULL, ms = NULL, ls = NULL, ts = NULL, stats = test_tensor (device, NULL, 4, B, 2, blocks, 2);
  const ReformerSpan nothing = REFORMER_NOTHING;

  test_fill (outputs, n, 6);
  for (gsize i = 0; i < n; i++)
    outputs[i] *= 8.0f;
  for (gsize i = 0; i < (gsize) B * (gsize) T; i++)
    mask[i] = !masked || i % 3 != 1;
  for (int i = 0; i < 2 * B; i++)
    labels[i] = i == 1 ? -100 : (3 * i + 2) % length / 3 * 3;
  xs = test_tensor (device, outputs, 3, B, T, 2);
  ms = test_tensor_bytes (device, mask, 2, B, T);
  ls = test_tensor_int (device, labels, 2, B, 2);
  reformer_span_scores (&run, reformer_span (xs), masked ? reformer_span (ms) : nothing, reformer_span (stats), B, length, T);
  assert_run (&run);
  parts = test_floats (stats);
  for (int i = 0; i < 2 * B; i++)
    {
      const float *x = outputs + (gsize) (i / 2) * (gsize) T * 2 + i % 2;
      double sum = 0, joined = 0;

      for (int t = 0; t < length; t++)
        if (mask[i / 2 * T + t])
          sum += exp ((double) x[2 * t]);
      for (int b = 0; b < blocks; b++)
        joined += (double) parts[2 * (i * blocks + b) + 1] * exp ((double) parts[2 * (i * blocks + b)]);
      g_assert_cmpfloat (fabs (joined / sum - 1), <, 2e-6);
      totals[i] = (float) log (sum);
      for (int t = 0; t < length && labels[i] >= 0; t++)
        if (mask[i / 2 * T + t])
          want[((gsize) (i / 2) * (gsize) T + (gsize) t) * 2 + i % 2] = (double) scales[i % 2] * (exp ((double) x[2 * t]) / sum - (t == labels[i]));
    }
  ts = test_tensor (device, totals, 2, B, 2);
  reformer_span_gradient (&run, reformer_span (xs), masked ? reformer_span (ms) : nothing, reformer_span (ts), reformer_span (ls), B, length, T, scales);
  assert_run (&run);
  got = test_floats (xs);
  assert_near ("gradients", got, want, n, 1e-6);
}

static void
test_spans (void)
{
  check_spans (2, 5, 8, FALSE);
  check_spans (3, 9, 9, TRUE);
  if (test_device_slow (device))
    return;
  check_spans (2, 2500, 2504, TRUE);
  check_spans (5, 1024, 1024, FALSE);
}

static void
test_pieces (void)
{
  enum { CLASSES = 67, COUNT = 3000 };
  const gsize pieces[] = { COUNT, 1024, 2048, COUNT };
  g_autofree float *logits = g_new (float, COUNT * CLASSES);
  g_autofree gint32 *labels = g_new (gint32, COUNT);
  g_autofree float *want = NULL;
  g_autofree float *want_gradient = NULL;

  if (test_device_slow (device))
    {
      g_test_skip ("too long for this device");
      return;
    }
  test_fill (logits, COUNT * CLASSES, 4);
  test_fill_int (labels, COUNT, CLASSES, 5);
  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) xs = test_tensor (device, logits, 2, COUNT, CLASSES);
      g_autoptr (ReformerTensor) ls = test_tensor_int (device, labels, 1, COUNT);
      g_autoptr (ReformerTensor) losses = test_tensor (device, NULL, 1, COUNT);
      g_autofree float *got = NULL;
      g_autofree float *gradient = NULL;

      for (gsize first = 0; first < COUNT; first += pieces[i])
        reformer_cross_entropy (&run, reformer_at (xs, first * CLASSES), CLASSES, reformer_at (ls, first), REFORMER_NOTHING, reformer_at (losses, first),
                                MIN (pieces[i], COUNT - first), CLASSES, 0.001f);
      assert_run (&run);
      got = test_floats (losses);
      gradient = test_floats (xs);
      if (i > 0)
        {
          assert_same_bits ("losses", got, want, COUNT);
          assert_same_bits ("gradients", gradient, want_gradient, COUNT * CLASSES);
        }
      else
        {
          want = g_steal_pointer (&got);
          want_gradient = g_steal_pointer (&gradient);
        }
    }
}

static void
test_perf (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { CLASSES = 258, LD = 272, COUNT = 16384 };
  g_autofree float *logits = g_new (float, COUNT * LD);
  g_autofree gint32 *labels = g_new (gint32, COUNT);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ls = NULL;
  g_autoptr (ReformerTensor) losses = test_tensor (device, NULL, 1, COUNT);

  test_fill (logits, COUNT * LD, 4);
  test_fill_int (labels, COUNT, CLASSES, 5);
  xs = test_tensor (device, logits, 2, COUNT, LD);
  ls = test_tensor_int (device, labels, 1, COUNT);
  TEST_RATE (&run, "loss", 4.0 * COUNT * LD,
             reformer_cross_entropy (&run, reformer_span (xs), LD, reformer_span (ls), REFORMER_NOTHING, reformer_span (losses), COUNT, CLASSES, 0.0f));
  TEST_RATE (&run, "loss and gradient", 8.0 * COUNT * LD,
             reformer_cross_entropy (&run, reformer_span (xs), LD, reformer_span (ls), REFORMER_NOTHING, reformer_span (losses), COUNT, CLASSES, 1.0f));
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/loss/reference", test_reference);
  g_test_add_func ("/loss/shapes", test_shapes);
  g_test_add_func ("/loss/extremes", test_extremes);
  g_test_add_func ("/loss/weights", test_weights);
  g_test_add_func ("/loss/values", test_values);
  g_test_add_func ("/loss/spans", test_spans);
  g_test_add_func ("/loss/pieces", test_pieces);
  if (g_test_perf ())
    g_test_add_func ("/loss/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
