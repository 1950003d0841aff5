/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "tokens.h"

#include "ops/axial.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

typedef struct
{
  int             n_axes;
  int             shape[REFORMER_MAX_AXES];
  int             dims[REFORMER_MAX_AXES];
  gsize           count, T, start;
  gboolean        given; /* positions in any order, else start + n % T */
  gboolean        two;   /* two gradients */
  ReformerDropout dropout;
} Shape;

static int
get_width (const Shape *s)
{
  int width = 0;

  for (int i = 0; i < s->n_axes; i++)
    width += s->dims[i];
  return width;
}

/* Where axis i's table begins when all stand one after the other; i = n_axes: their length. */
static gsize
table_at (const Shape *s,
          int          axis)
{
  gsize at = 0;

  for (int i = 0; i < axis; i++)
    at += (gsize) s->shape[i] * s->dims[i];
  return at;
}

static void
unravel (const Shape *s,
         gsize        position,
         int         *coordinates)
{
  for (int i = s->n_axes - 1; i >= 0; i--)
    {
      coordinates[i] = (int) (position % s->shape[i]);
      position /= s->shape[i];
    }
}

static double
factor (const Shape *s,
        gsize        n,
        const int   *coordinates,
        int          component)
{
  if (s->dropout.p == 0.0f)
    return 1.0;
  return (double) test_dropout_factor (&s->dropout, n / s->T, s->n_axes > 1 ? (guint64) coordinates[1] : (guint64) component);
}

/* Adds to x [count, width] (tables given), or adds d [count, width] to tables. */
static void
reference (const Shape  *s,
           const gint32 *positions,
           double       *tables,
           double       *x,
           const double *d)
{
  const int width = get_width (s);

  for (gsize n = 0; n < s->count; n++)
    {
      int coordinates[REFORMER_MAX_AXES], column = 0;

      unravel (s, s->given ? (gsize) positions[n] : s->start + n % s->T, coordinates);
      for (int i = 0; i < s->n_axes; i++)
        for (int c = 0; c < s->dims[i]; c++, column++)
          {
            double *entry = &tables[table_at (s, i) + (gsize) coordinates[i] * s->dims[i] + c];
            const double f = factor (s, n, coordinates, column);

            if (x != NULL)
              x[n * width + column] += *entry * f;
            else
              *entry += d[n * width + column] * f;
          }
    }
}

static ReformerAxial
make_axial (const Shape    *s,
            ReformerTensor *tables,
            gsize           offset)
{
  ReformerAxial axial = { s->n_axes, { 0 }, { 0 }, { { NULL, 0 } } };

  for (int i = 0; i < s->n_axes; i++)
    {
      axial.shape[i] = s->shape[i];
      axial.dims[i] = s->dims[i];
      axial.weights[i] = reformer_at (tables, offset + table_at (s, i));
    }
  return axial;
}

static void
test_reference (void)
{
  const Shape s = { 2, { 2, 3 }, { 1, 2 }, 10, 5, 1, FALSE, FALSE, { 0.3f, 1, 2, 3 } };
  const gsize n_tables = table_at (&s, s.n_axes);
  float values[64];
  double tables[8], d[30], gradients[8] = { 0.0 };

  g_assert_cmpuint (n_tables, ==, 8);
  test_fill (values, 64, 1);
  for (int i = 0; i < 8; i++)
    tables[i] = (double) values[i];
  for (int i = 0; i < 30; i++)
    d[i] = (double) values[8 + i];
  reference (&s, NULL, gradients, NULL, d);
  for (int i = 0; i < 8; i++)
    {
      double sums[2] = { 0.0, 0.0 };

      for (int side = 0; side < 2; side++)
        {
          double x[30] = { 0.0 };

          tables[i] += side == 0 ? 1e-3 : -2e-3;
          reference (&s, NULL, tables, x, NULL);
          for (int j = 0; j < 30; j++)
            sums[side] += x[j] * d[j];
        }
      tables[i] += 1e-3;
      g_assert_cmpfloat_with_epsilon ((sums[0] - sums[1]) / 2e-3, gradients[i], 1e-10);
    }
}

static void
check_shape (const Shape *s)
{
  const int width = get_width (s);
  const gsize n = s->count * width, n_tables = table_at (s, s->n_axes), pieces[] = { s->count, 1024, 2048 };
  gint32 n_positions = 1;
  g_autofree gint32 *positions = g_new (gint32, s->count);
  g_autofree float *x = g_new (float, n);
  g_autofree float *d = g_new (float, 2 * n);
  g_autofree float *tables = g_new (float, 2 * n_tables); /* weights, and what the gradients hold before */
  g_autofree double *weights64 = g_new (double, n_tables);
  g_autofree double *gradients64 = g_new (double, n_tables);
  g_autofree double *x64 = g_new (double, n);
  g_autofree double *d64 = g_new (double, n);
  g_autofree float *first = NULL;
  g_autofree char *name = g_strdup_printf ("%d axes, width %d, %" G_GSIZE_FORMAT " tokens", s->n_axes, width, s->count);

  for (int i = 0; i < s->n_axes; i++)
    n_positions *= s->shape[i];
  test_fill_int (positions, s->count, n_positions, 21);
  test_fill (x, n, 22);
  test_fill (d, 2 * n, 23);
  test_fill (tables, 2 * n_tables, 24);
  for (gsize i = 0; i < n_tables; i++)
    {
      weights64[i] = (double) tables[i];
      gradients64[i] = (double) tables[n_tables + i];
    }
  for (gsize i = 0; i < n; i++)
    {
      x64[i] = (double) x[i];
      d64[i] = (double) d[i] + (s->two ? (double) d[n + i] : 0.0);
    }
  reference (s, positions, weights64, x64, NULL);
  reference (s, positions, gradients64, NULL, d64);

  for (gsize j = 0; j < G_N_ELEMENTS (pieces); j++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) ts = test_tensor (device, tables, 1, (int) (2 * n_tables));
      g_autoptr (ReformerTensor) xs = test_tensor (device, x, 1, (int) n);
      g_autoptr (ReformerTensor) ps = test_tensor_int (device, positions, 1, (int) s->count);
      const ReformerAxial axial = make_axial (s, ts, 0);
      g_autofree float *got = NULL;

      for (gsize at = 0; at < s->count; at += pieces[j])
        {
          const ReformerRows rows = { at, MIN (pieces[j], s->count - at), s->T };

          reformer_axial_forward (&run, &axial, s->given ? reformer_at (ps, at) : REFORMER_NOTHING, s->start, reformer_at (xs, at * width),
                                  width, &rows, &s->dropout);
        }
      assert_run (&run);
      got = test_floats (xs);
      if (first != NULL)
        assert_same_bits (name, got, first, n);
      else
        first = g_steal_pointer (&got);
    }
  assert_near (name, first, x64, n, 4e-7);

  for (int again = 0; again < 2; again++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) ts = test_tensor (device, tables, 1, (int) (2 * n_tables));
      g_autoptr (ReformerTensor) ds = test_tensor (device, d, 1, (int) (2 * n));
      g_autoptr (ReformerTensor) ps = test_tensor_int (device, positions, 1, (int) s->count);
      const ReformerAxial axial = make_axial (s, ts, 0);
      const ReformerAxial gradients = make_axial (s, ts, n_tables);
      const ReformerRows rows = { 0, s->count, s->T };
      g_autofree float *got = NULL;

      reformer_axial_backward (&run, &axial, s->given ? reformer_span (ps) : REFORMER_NOTHING, s->start, reformer_span (ds),
                               s->two ? reformer_at (ds, n) : REFORMER_NOTHING, gradients.weights, width, &rows, &s->dropout);
      assert_run (&run);
      got = test_floats (ts);
      assert_same_bits (name, got, tables, n_tables);
      if (again == 0)
        {
          assert_close (name, got + n_tables, gradients64, n_tables, 1e-6);
          g_free (first);
          first = g_steal_pointer (&got);
        }
      else
        {
          assert_same_bits (name, got, first, 2 * n_tables);
        }
    }
}

static void
test_shapes (void)
{
  const ReformerDropout none = REFORMER_NO_DROPOUT, some = { 0.3f, 77, 5, 9 };
  const Shape small[] = {
    { 2, { 3, 4 }, { 3, 17 }, 24, 12, 0, FALSE, TRUE, none },
    { 2, { 3, 4 }, { 3, 17 }, 22, 11, 1, FALSE, FALSE, some },
    { 2, { 4, 3 }, { 16, 1 }, 10, 5, 0, TRUE, TRUE, some },
    { 1, { 9 }, { 19 }, 14, 7, 2, FALSE, TRUE, none },
    { 1, { 9 }, { 19 }, 14, 7, 2, FALSE, TRUE, some },
    { 1, { 9 }, { 3 }, 14, 7, 0, TRUE, FALSE, some },
    { 3, { 2, 3, 2 }, { 1, 7, 33 }, 24, 12, 0, FALSE, TRUE, some },
    { 8, { 2, 1, 2, 1, 3, 1, 1, 2 }, { 1, 2, 3, 4, 5, 6, 7, 16 }, 23, 23, 1, FALSE, FALSE, some },
    /* One token after others, as in decoding. */
    { 2, { 3, 4 }, { 5, 6 }, 3, 1, 11, FALSE, FALSE, none },
  };
  const Shape large[] = {
    { 2, { 40, 50 }, { 64, 192 }, 4000, 2000, 0, FALSE, TRUE, none },
    { 2, { 40, 50 }, { 65, 193 }, 3900, 1300, 17, FALSE, TRUE, some },
    { 2, { 40, 50 }, { 10, 23 }, 2600, 1300, 0, TRUE, TRUE, some },
    { 1, { 3000 }, { 33 }, 6000, 3000, 0, FALSE, FALSE, some },
    { 3, { 10, 20, 15 }, { 300, 300, 424 }, 1500, 1500, 33, FALSE, TRUE, none },
    { 2, { 64, 64 }, { 1, 2 }, 4096, 4096, 0, FALSE, TRUE, some },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (small); i++)
    check_shape (&small[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (large) && !test_device_slow (device); i++)
    check_shape (&large[i]);
}

/* A tables' gradient that nobody wants. */
static void
test_wanted (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const Shape s = { 2, { 2, 3 }, { 2, 4 }, 6, 6, 0, FALSE, FALSE, REFORMER_NO_DROPOUT };
  const ReformerRows rows = { 0, 6, 6 };
  float d[36];
  g_autoptr (ReformerTensor) ts = test_tensor (device, NULL, 1, 16);
  g_autoptr (ReformerTensor) ds = NULL;
  ReformerAxial axial;
  g_autofree float *got = NULL;

  test_fill (d, 36, 2);
  ds = test_tensor (device, d, 1, 36);
  axial = make_axial (&s, ts, 0);
  axial.weights[0] = REFORMER_NOTHING;
  reformer_axial_backward (&run, &axial, REFORMER_NOTHING, 0, reformer_span (ds), REFORMER_NOTHING, axial.weights, 6, &rows, &s.dropout);
  assert_run (&run);
  got = test_floats (ts);
  for (int i = 0; i < 16; i++)
    g_assert_true ((got[i] == 0.0f) == (i < 4));
}

static void
test_perf (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const Shape s = { 2, { 128, 128 }, { 64, 192 }, 16384, 16384, 0, FALSE, TRUE, { 0.1f, 1, 2, 3 } };
  const gsize n = s.count * 256;
  const ReformerRows rows = { 0, s.count, s.T };
  g_autofree gint32 *positions = g_new (gint32, s.count);
  g_autoptr (ReformerTensor) ps = NULL;
  g_autoptr (ReformerTensor) ts = test_tensor (device, NULL, 1, (int) table_at (&s, 2));
  g_autoptr (ReformerTensor) xs = test_tensor (device, NULL, 1, (int) n);
  g_autoptr (ReformerTensor) ds = test_tensor (device, NULL, 1, (int) n);
  const ReformerAxial axial = make_axial (&s, ts, 0);

  test_fill_int (positions, s.count, 16384, 1);
  ps = test_tensor_int (device, positions, 1, (int) s.count);
  TEST_RATE (&run, "axial forward", 8.0 * (double) n,
             reformer_axial_forward (&run, &axial, REFORMER_NOTHING, 0, reformer_span (xs), 256, &rows, &REFORMER_NO_DROPOUT));
  TEST_RATE (&run, "axial forward, dropout", 8.0 * (double) n,
             reformer_axial_forward (&run, &axial, REFORMER_NOTHING, 0, reformer_span (xs), 256, &rows, &s.dropout));
  TEST_RATE (&run, "axial backward", 8.0 * (double) n,
             reformer_axial_backward (&run, &axial, REFORMER_NOTHING, 0, reformer_span (xs), reformer_span (ds), axial.weights, 256, &rows,
                                      &REFORMER_NO_DROPOUT));
  TEST_RATE (&run, "axial backward, positions", 8.0 * (double) n,
             reformer_axial_backward (&run, &axial, reformer_span (ps), 0, reformer_span (xs), reformer_span (ds), axial.weights, 256, &rows,
                                      &REFORMER_NO_DROPOUT));
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/axial/reference", test_reference);
  g_test_add_func ("/axial/shapes", test_shapes);
  g_test_add_func ("/axial/wanted", test_wanted);
  if (g_test_perf ())
    g_test_add_func ("/axial/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
