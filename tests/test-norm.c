/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "tokens.h"

#include "ops/norm.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

/* ---- the reference, on one row ---- */

static void
reference_forward (const double *x,
                   const double *weight,
                   const double *bias,
                   int           n,
                   double        eps,
                   double       *y)
{
  double mean = 0.0, variance = 0.0;

  for (int c = 0; c < n; c++)
    mean += x[c] / n;
  for (int c = 0; c < n; c++)
    variance += (x[c] - mean) * (x[c] - mean) / n;
  for (int c = 0; c < n; c++)
    y[c] = (x[c] - mean) / sqrt (variance + eps) * weight[c] + bias[c];
}

static void
reference_backward (const double *x,
                    const double *weight,
                    const double *dy,
                    int           n,
                    double        eps,
                    double       *dx,
                    double       *dweight,
                    double       *dbias)
{
  double mean = 0.0, variance = 0.0, scale, a = 0.0, b = 0.0;

  for (int c = 0; c < n; c++)
    mean += x[c] / n;
  for (int c = 0; c < n; c++)
    variance += (x[c] - mean) * (x[c] - mean) / n;
  scale = 1.0 / sqrt (variance + eps);
  for (int c = 0; c < n; c++)
    {
      const double h = (x[c] - mean) * scale;

      a += dy[c] * weight[c] / n;
      b += dy[c] * weight[c] * h / n;
      dweight[c] += dy[c] * h;
      dbias[c] += dy[c];
    }
  for (int c = 0; c < n; c++)
    dx[c] = scale * (dy[c] * weight[c] - a - (x[c] - mean) * scale * b);
}

/* sum of y * dy */
static double
objective (const double *x,
           const double *weight,
           const double *bias,
           const double *dy,
           int           n,
           double        eps)
{
  g_autofree double *y = g_new (double, n);
  double sum = 0.0;

  reference_forward (x, weight, bias, n, eps, y);
  for (int c = 0; c < n; c++)
    sum += y[c] * dy[c];
  return sum;
}

static void
test_reference (void)
{
  enum { N = 7 };
  const double eps = 1e-3, step = 1e-5;
  double all[4 * N], *x = all, *weight = all + N, *bias = all + 2 * N, *dy = all + 3 * N;
  double dx[N], dweight[N] = { 0.0 }, dbias[N] = { 0.0 };
  const double *gradients[3] = { dx, dweight, dbias };
  float values[4 * N];

  test_fill (values, 4 * N, 1);
  for (int i = 0; i < 4 * N; i++)
    all[i] = (double) values[i];
  reference_backward (x, weight, dy, N, eps, dx, dweight, dbias);
  for (int i = 0; i < 3 * N; i++)
    {
      const double before = all[i];
      double difference;

      all[i] = before + step;
      difference = objective (x, weight, bias, dy, N, eps);
      all[i] = before - step;
      difference = (difference - objective (x, weight, bias, dy, N, eps)) / (2.0 * step);
      all[i] = before;
      g_assert_cmpfloat_with_epsilon (difference, gradients[i / N][i % N], 1e-7);
    }
}

/* ---- one shape ---- */

typedef struct
{
  int           width, parts, count, offset, ldx, ldy;
  double        eps;
  ReformerStore store;
  double        shift; /* added to x */
} Shape;

static void
check_shape (const Shape *s)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const int all = s->parts * s->width;
  const gsize x_size = (gsize) s->offset + (gsize) s->count * s->ldx, y_size = (gsize) s->offset + (gsize) s->count * s->ldy;
  g_autofree float *x = g_new (float, x_size * s->parts);
  g_autofree float *dx = g_new (float, x_size * s->parts);
  g_autofree float *dy = g_new (float, y_size);
  g_autofree float *parameters = g_new (float, s->offset + 4 * all); /* weight, bias and what their gradients hold before */
  g_autofree double *want_y = g_new0 (double, (gsize) s->count * all);
  g_autofree double *want_dx = g_new0 (double, (gsize) s->count * all);
  g_autofree double *want_parameters = g_new0 (double, 2 * all);
  g_autofree double *row = g_new0 (double, 3 * all);
  g_autofree float *got = g_new0 (float, (gsize) s->count * all);
  g_autofree char *name = g_strdup_printf ("%d x %d x %d, offset %d, ld %d, store %d", s->count, s->parts, s->width, s->offset, s->ldx, s->store);

  test_fill (x, x_size * s->parts, 11);
  test_fill (dx, x_size * s->parts, 12);
  test_fill (dy, y_size, 13);
  test_fill (parameters, s->offset + 4 * all, 14);
  for (gsize i = 0; i < x_size * s->parts; i++)
    x[i] += (float) s->shift;
  for (int c = 0; c < 2 * all; c++)
    want_parameters[c] = (double) parameters[s->offset + 2 * all + c];

  for (int r = 0; r < s->count; r++)
    {
      double *weight = row + all, *bias = row + 2 * all;
      g_autofree double *e = g_new (double, all);

      for (int c = 0; c < all; c++)
        {
          row[c] = (double) x[(c / s->width) * x_size + s->offset + (gsize) r * s->ldx + c % s->width];
          weight[c] = (double) parameters[s->offset + c];
          bias[c] = (double) parameters[s->offset + all + c];
          e[c] = (double) dy[s->offset + (gsize) r * s->ldy + c];
        }
      reference_forward (row, weight, bias, all, s->eps, want_y + (gsize) r * all);
      reference_backward (row, weight, e, all, s->eps, want_dx + (gsize) r * all, want_parameters, want_parameters + all);
      for (int c = 0; c < all; c++)
        {
          const double before = (double) dx[(c / s->width) * x_size + s->offset + (gsize) r * s->ldx + c % s->width];

          if (s->store != REFORMER_STORE_SET)
            want_dx[(gsize) r * all + c] = s->store == REFORMER_STORE_ADD ? before + want_dx[(gsize) r * all + c]
                                                                         : before - want_dx[(gsize) r * all + c];
        }
    }

  {
    g_autoptr (ReformerTensor) xs = test_tensor (device, x, 1, (int) (x_size * s->parts));
    g_autoptr (ReformerTensor) dxs = test_tensor (device, dx, 1, (int) (x_size * s->parts));
    g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 1, (int) y_size);
    g_autoptr (ReformerTensor) dys = test_tensor (device, dy, 1, (int) y_size);
    g_autoptr (ReformerTensor) ps = test_tensor (device, parameters, 1, s->offset + 4 * all);
    const gboolean two = s->parts == 2;
    const ReformerNorm norm = {
      reformer_at (xs, s->offset), two ? reformer_at (xs, x_size + s->offset) : REFORMER_NOTHING, s->ldx, s->width,
      reformer_at (ps, s->offset), reformer_at (ps, s->offset + all), (float) s->eps,
    };
    g_autofree float *y = NULL;
    g_autofree float *after = NULL;
    g_autofree float *gradients = NULL;

    reformer_norm_forward (&run, &norm, s->count, reformer_at (ys, s->offset), s->ldy);
    reformer_norm_backward (&run, &norm, s->count, reformer_at (dys, s->offset), s->ldy, reformer_at (dxs, s->offset),
                            two ? reformer_at (dxs, x_size + s->offset) : REFORMER_NOTHING, s->ldx, s->store,
                            reformer_at (ps, s->offset + 2 * all), reformer_at (ps, s->offset + 3 * all));
    assert_run (&run);

    y = test_floats (ys);
    for (int r = 0; r < s->count; r++)
      memcpy (got + (gsize) r * all, y + s->offset + (gsize) r * s->ldy, sizeof (float) * all);
    assert_near (name, got, want_y, (gsize) s->count * all, s->shift != 0.0 ? 2e-6 : 1e-6);
    for (int i = 0; i < s->offset; i++)
      g_assert_cmpfloat (y[i], ==, 0.0f);
    for (int r = 0; r < s->count; r++)
      for (int c = all; c < s->ldy; c++)
        g_assert_cmpfloat (y[s->offset + (gsize) r * s->ldy + c], ==, 0.0f);

    after = test_floats (dxs);
    for (int r = 0; r < s->count; r++)
      for (int p = 0; p < s->parts; p++)
        memcpy (got + (gsize) r * all + p * s->width, after + p * x_size + s->offset + (gsize) r * s->ldx, sizeof (float) * s->width);
    assert_close (name, got, want_dx, (gsize) s->count * all, 1e-6);
    for (int r = 0; r < s->count; r++)
      for (int c = s->width; c < s->ldx; c++)
        g_assert_cmpfloat (after[s->offset + (gsize) r * s->ldx + c], ==, dx[s->offset + (gsize) r * s->ldx + c]);

    gradients = test_floats (ps);
    assert_close (name, gradients + s->offset + 2 * all, want_parameters, 2 * all, 1e-6);
    assert_same_bits (name, gradients, parameters, s->offset + 2 * all);
  }
}

static void
test_shapes (void)
{
  const int widths[] = { 1, 3, 7, 16, 17, 33, 256, 258, 1024 };
  const gboolean slow = test_device_slow (device);

  for (gsize i = 0; i < (slow ? 5 : G_N_ELEMENTS (widths)); i++)
    for (int parts = 1; parts <= 2; parts++)
      {
        const int w = widths[i], count = slow ? 2 : 37;
        const Shape plain = { w, parts, count, 0, w, parts * w, 1e-12, REFORMER_STORE_SET, 0.0 };
        const Shape offset = { w, parts, count, 5, w + 2, parts * w + 3, parts * w > 6 ? 1e-5 : 0.5, REFORMER_STORE_ADD, 0.0 };

        /* Rows of a few numbers may be nearly equal: without eps any float32 gradient is then far off. */
        if (parts * w == 1 || parts * w > 6)
          check_shape (&plain);
        check_shape (&offset);
      }
}

static void
test_stores (void)
{
  const Shape subtract = { 33, 2, 3, 1, 34, 66, 1e-5, REFORMER_STORE_SUBTRACT, 0.0 };
  const Shape far = { 77, 1, 5, 0, 77, 77, 1e-12, REFORMER_STORE_SET, 64.0 };
  const Shape one = { 48, 2, 1, 0, 48, 96, 1e-12, REFORMER_STORE_ADD, 0.0 };

  check_shape (&subtract);
  check_shape (&far);
  check_shape (&one);
  if (!test_device_slow (device))
    {
      const Shape many = { 20, 2, 3000, 0, 20, 40, 1e-12, REFORMER_STORE_ADD, 0.0 };

      check_shape (&many);
    }
}

static void
test_constant (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { WIDTH = 37, COUNT = 3 };
  float x[COUNT * WIDTH], parameters[2 * WIDTH];
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ps = NULL;
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 2, COUNT, WIDTH);
  g_autofree float *y = NULL;

  test_fill (parameters, 2 * WIDTH, 3);
  for (int i = 0; i < COUNT * WIDTH; i++)
    x[i] = i < WIDTH ? 0.1f : i < 2 * WIDTH ? -1234.567f : 0.0f;
  xs = test_tensor (device, x, 2, COUNT, WIDTH);
  ps = test_tensor (device, parameters, 2, 2, WIDTH);
  reformer_norm_forward (&run,
                         &(ReformerNorm) { reformer_span (xs), REFORMER_NOTHING, WIDTH, WIDTH, reformer_span (ps), reformer_at (ps, WIDTH), 1e-12f },
                         COUNT, reformer_span (ys), WIDTH);
  assert_run (&run);
  y = test_floats (ys);
  for (int r = 0; r < COUNT; r++)
    assert_same_bits ("constant rows", y + r * WIDTH, parameters + WIDTH, WIDTH);
}

/* Parameters' gradients of `count` rows, in pieces. */
static float *
in_pieces (int    width,
           int    parts,
           gsize  count,
           gsize  piece,
           float *x,
           float *dy)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const int all = parts * width;
  g_autoptr (ReformerTensor) xs = test_tensor (device, x, 1, (int) (count * all));
  g_autoptr (ReformerTensor) dys = test_tensor (device, dy, 1, (int) (count * all));
  g_autoptr (ReformerTensor) results = test_tensor (device, NULL, 1, (int) (count * all + 2 * all));
  g_autoptr (ReformerTensor) ps = test_tensor (device, x, 1, 2 * all);

  for (gsize first = 0; first < count; first += piece)
    {
      const gsize x2 = count * width;
      const ReformerNorm norm = {
        reformer_at (xs, first * width), parts == 2 ? reformer_at (xs, x2 + first * width) : REFORMER_NOTHING, width, width, reformer_span (ps),
        reformer_at (ps, all), 1e-12f,
      };

      reformer_norm_backward (&run, &norm, MIN (piece, count - first), reformer_at (dys, first * all), all,
                              reformer_at (results, 2 * all + first * width),
                              parts == 2 ? reformer_at (results, 2 * all + x2 + first * width) : REFORMER_NOTHING, width,
                              REFORMER_STORE_SET, reformer_span (results), reformer_at (results, all));
    }
  assert_run (&run);
  return test_floats (results);
}

static void
test_pieces (void)
{
  const int widths[] = { 33, 256 };
  const gsize count = 4096 + 77;

  if (test_device_slow (device))
    {
      g_test_skip ("too long for this device");
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (widths); i++)
    for (int parts = 1; parts <= 2; parts++)
      {
        const gsize all = (gsize) parts * widths[i];
        g_autofree float *x = g_new (float, count * all);
        g_autofree float *dy = g_new (float, count * all);
        g_autofree float *want = NULL;
        const gsize pieces[] = { 1024, 2048, 4096, count };

        test_fill (x, count * all, 5);
        test_fill (dy, count * all, 6);
        want = in_pieces (widths[i], parts, count, count, x, dy);
        for (gsize j = 0; j < G_N_ELEMENTS (pieces); j++)
          {
            g_autofree float *got = in_pieces (widths[i], parts, count, pieces[j], x, dy);

            assert_same_bits ("in pieces", got, want, (count + 2) * all);
          }
      }
}

/* Gradients that nobody wants are left out, and the others stay the same. */
static void
test_wanted (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { WIDTH = 19, COUNT = 4 };
  float x[COUNT * WIDTH], dy[COUNT * WIDTH];
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) dys = NULL;
  g_autoptr (ReformerTensor) dxs = test_tensor (device, NULL, 3, 3, COUNT, WIDTH);
  g_autoptr (ReformerTensor) ds = test_tensor (device, NULL, 2, 3, WIDTH);
  g_autofree float *dx = NULL;
  g_autofree float *d = NULL;
  ReformerNorm norm;

  test_fill (x, COUNT * WIDTH, 7);
  test_fill (dy, COUNT * WIDTH, 8);
  xs = test_tensor (device, x, 2, COUNT, WIDTH);
  dys = test_tensor (device, dy, 2, COUNT, WIDTH);
  norm = (ReformerNorm) { reformer_span (xs), REFORMER_NOTHING, WIDTH, WIDTH, reformer_span (xs), reformer_span (xs), 1e-12f };
  reformer_norm_backward (&run, &norm, COUNT, reformer_span (dys), WIDTH, reformer_span (dxs), REFORMER_NOTHING, WIDTH, REFORMER_STORE_SET,
                          reformer_span (ds), reformer_at (ds, WIDTH));
  reformer_norm_backward (&run, &norm, COUNT, reformer_span (dys), WIDTH, reformer_at (dxs, COUNT * WIDTH), REFORMER_NOTHING, WIDTH,
                          REFORMER_STORE_SET, REFORMER_NOTHING, REFORMER_NOTHING);
  reformer_norm_backward (&run, &norm, COUNT, reformer_span (dys), WIDTH, reformer_at (dxs, 2 * COUNT * WIDTH), REFORMER_NOTHING, WIDTH,
                          REFORMER_STORE_SET, REFORMER_NOTHING, reformer_at (ds, 2 * WIDTH));
  assert_run (&run);
  dx = test_floats (dxs);
  d = test_floats (ds);
  assert_same_bits ("without dweight, dbias", dx + COUNT * WIDTH, dx, COUNT * WIDTH);
  assert_same_bits ("without dweight", dx + 2 * COUNT * WIDTH, dx, COUNT * WIDTH);
  assert_same_bits ("dbias", d + 2 * WIDTH, d + WIDTH, WIDTH);
}

static void
test_perf (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { WIDTH = 256, COUNT = 16384 };
  g_autofree float *x = g_new (float, COUNT * WIDTH);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 2, COUNT, WIDTH);
  g_autoptr (ReformerTensor) zs = test_tensor (device, NULL, 2, COUNT, WIDTH);
  g_autoptr (ReformerTensor) ds = test_tensor (device, NULL, 2, 4, WIDTH);
  ReformerNorm norm;

  test_fill (x, COUNT * WIDTH, 9);
  xs = test_tensor (device, x, 2, COUNT, WIDTH);
  norm = (ReformerNorm) { reformer_span (xs), REFORMER_NOTHING, WIDTH, WIDTH, reformer_span (xs), reformer_span (xs), 1e-12f };
  TEST_RATE (&run, "norm forward", 8.0 * COUNT * WIDTH, reformer_norm_forward (&run, &norm, COUNT, reformer_span (ys), WIDTH));
  TEST_RATE (&run, "norm backward, dx", 12.0 * COUNT * WIDTH,
             reformer_norm_backward (&run, &norm, COUNT, reformer_span (ys), WIDTH, reformer_span (zs), REFORMER_NOTHING, WIDTH,
                                     REFORMER_STORE_SET, REFORMER_NOTHING, REFORMER_NOTHING));
  TEST_RATE (&run, "norm backward, all", 12.0 * COUNT * WIDTH,
             reformer_norm_backward (&run, &norm, COUNT, reformer_span (ys), WIDTH, reformer_span (zs), REFORMER_NOTHING, WIDTH,
                                     REFORMER_STORE_SET, reformer_span (ds), reformer_at (ds, WIDTH)));
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/norm/reference", test_reference);
  g_test_add_func ("/norm/shapes", test_shapes);
  g_test_add_func ("/norm/stores", test_stores);
  g_test_add_func ("/norm/constant", test_constant);
  g_test_add_func ("/norm/wanted", test_wanted);
  g_test_add_func ("/norm/pieces", test_pieces);
  if (g_test_perf ())
    g_test_add_func ("/norm/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
