/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "tokens.h"

#include "ops/embedding.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

typedef struct
{
  int             vocabulary, width;
  gsize           count, T;
  ReformerDropout dropout;
} Shape;

/* y [count, width] */
static void
reference_forward (const Shape  *s,
                   const gint32 *ids,
                   const double *weight,
                   double       *y)
{
  for (gsize n = 0; n < s->count; n++)
    for (int c = 0; c < s->width; c++)
      y[n * s->width + c] = weight[(gsize) ids[n] * s->width + c] *
                            (s->dropout.p > 0.0f ? (double) test_dropout_factor (&s->dropout, n / s->T, n % s->T * s->width + c) : 1.0);
}

static void
reference_backward (const Shape  *s,
                    const gint32 *ids,
                    const double *dy,
                    double       *dweight)
{
  for (gsize n = 0; n < s->count; n++)
    for (int c = 0; c < s->width; c++)
      dweight[(gsize) ids[n] * s->width + c] += dy[n * s->width + c] *
                                                (s->dropout.p > 0.0f ? (double) test_dropout_factor (&s->dropout, n / s->T, n % s->T * s->width + c) : 1.0);
}

static void
test_reference (void)
{
  const Shape s = { 4, 3, 6, 3, { 0.3f, 5, 6, 7 } };
  const gint32 ids[6] = { 3, 0, 3, 1, 1, 3 };
  float values[18 + 12];
  double weight[12], dy[18], y[18], dweight[12] = { 0.0 };

  test_fill (values, 30, 1);
  for (int i = 0; i < 30; i++)
    *(i < 12 ? &weight[i] : &dy[i - 12]) = (double) values[i];
  reference_backward (&s, ids, dy, dweight);
  for (int i = 0; i < 12; i++)
    {
      double sums[2];

      for (int side = 0; side < 2; side++)
        {
          weight[i] += side == 0 ? 1e-3 : -2e-3;
          reference_forward (&s, ids, weight, y);
          sums[side] = 0.0;
          for (int j = 0; j < 18; j++)
            sums[side] += y[j] * dy[j];
        }
      weight[i] += 1e-3;
      g_assert_cmpfloat_with_epsilon ((sums[0] - sums[1]) / 2e-3, dweight[i], 1e-10);
    }
}

static float *
forward (const Shape   *s,
         const gint32  *ids,
         const float   *weight,
         const float   *before,
         gsize          piece,
         ReformerStore  store)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) is = test_tensor_int (device, ids, 1, (int) s->count);
  g_autoptr (ReformerTensor) ws = test_tensor (device, weight, 1, s->vocabulary * s->width + 3);
  g_autoptr (ReformerTensor) ys = test_tensor (device, before, 1, (int) s->count * s->width);

  for (gsize first = 0; first < s->count; first += piece)
    {
      const ReformerRows rows = { first, MIN (piece, s->count - first), s->T };

      reformer_embedding_forward (&run, reformer_at (is, first), reformer_at (ws, 3), reformer_at (ys, first * s->width), s->width, &rows,
                                  &s->dropout, store);
    }
  assert_run (&run);
  return test_floats (ys);
}

static float *
backward (const Shape  *s,
          const gint32 *ids,
          const float  *d,
          gboolean      two,
          const float  *before,
          gsize         piece)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize n = s->count * s->width;
  g_autoptr (ReformerTensor) is = test_tensor_int (device, ids, 1, (int) s->count);
  g_autoptr (ReformerTensor) ds = test_tensor (device, d, 1, (int) (2 * n));
  g_autoptr (ReformerTensor) dws = test_tensor (device, before, 1, s->vocabulary * s->width);

  for (gsize first = 0; first < s->count; first += piece)
    {
      const ReformerRows rows = { first, MIN (piece, s->count - first), s->T };

      reformer_embedding_backward (&run, reformer_at (is, first), reformer_at (ds, first * s->width),
                                   two ? reformer_at (ds, n + first * s->width) : REFORMER_NOTHING, reformer_span (dws), s->vocabulary,
                                   s->width, &rows, &s->dropout);
    }
  assert_run (&run);
  return test_floats (dws);
}

static void
check_shape (const Shape *s)
{
  const gsize n = s->count * s->width, n_weight = (gsize) s->vocabulary * s->width, pieces[] = { s->count, 1024, 2048 };
  g_autofree gint32 *ids = g_new (gint32, s->count);
  g_autofree float *weight = g_new (float, n_weight + 3);
  g_autofree float *d = g_new (float, 2 * n);
  g_autofree float *before = g_new (float, n);
  g_autofree float *dweight_before = g_new (float, n_weight);
  g_autofree double *weight64 = g_new (double, n_weight);
  g_autofree double *d64 = g_new (double, n);
  g_autofree double *y64 = g_new (double, n);
  g_autofree double *want = g_new (double, n);
  g_autofree double *want_dweight = g_new (double, n_weight);
  g_autofree char *name = g_strdup_printf ("%d x %d, %" G_GSIZE_FORMAT " tokens, p = %g", s->vocabulary, s->width, s->count, (double) s->dropout.p);

  test_fill_int (ids, s->count, s->vocabulary, 11);
  test_fill (weight, n_weight + 3, 12);
  test_fill (d, 2 * n, 13);
  test_fill (before, n, 14);
  test_fill (dweight_before, n_weight, 15);
  for (gsize i = 0; i < n_weight; i++)
    weight64[i] = (double) weight[3 + i];

  reference_forward (s, ids, weight64, y64);
  for (int store = REFORMER_STORE_SET; store <= REFORMER_STORE_SUBTRACT; store++)
    {
      g_autofree float *first = NULL;

      for (gsize i = 0; i < n; i++)
        want[i] = store == REFORMER_STORE_SET ? y64[i] : (double) before[i] + (store == REFORMER_STORE_ADD ? y64[i] : -y64[i]);
      for (gsize j = 0; j < G_N_ELEMENTS (pieces); j++)
        {
          g_autofree float *got = forward (s, ids, weight, before, pieces[j], store);

          if (first != NULL)
            assert_same_bits (name, got, first, n);
          else
            first = g_steal_pointer (&got);
        }
      assert_near (name, first, want, n, 3e-7);
    }

  for (int two = 0; two < 2; two++)
    {
      g_autofree float *first = NULL;

      for (gsize i = 0; i < n; i++)
        d64[i] = (double) d[i] + (two ? (double) d[n + i] : 0.0);
      for (gsize i = 0; i < n_weight; i++)
        want_dweight[i] = (double) dweight_before[i];
      reference_backward (s, ids, d64, want_dweight);
      for (gsize j = 0; j < G_N_ELEMENTS (pieces); j++)
        {
          g_autofree float *got = backward (s, ids, d, two, dweight_before, pieces[j]);

          if (first != NULL)
            assert_same_bits (name, got, first, n_weight);
          else
            first = g_steal_pointer (&got);
        }
      /* Rounding grows with the tokens that meet in one row. */
      assert_close (name, first, want_dweight, n_weight, 1e-6 + 1e-9 * (double) s->count / s->vocabulary);
    }
}

static void
test_shapes (void)
{
  const int widths[] = { 1, 3, 7, 16, 17, 33, 256, 258, 1024 };
  const gboolean slow = test_device_slow (device);

  for (gsize i = 0; i < (slow ? 5 : G_N_ELEMENTS (widths)); i++)
    for (int p = 0; p < 2; p++)
      {
        const ReformerDropout dropout = { p == 0 ? 0.0f : 0.2f, 3, 4, 5 };
        const gsize T = slow ? 3 : 43;
        const Shape s = { 11, widths[i], 2 * T, T, dropout };

        check_shape (&s);
      }
  if (!slow)
    {
      const Shape many = { 50, 20, 3999, 1333, { 0.1f, 3, 4, 5 } };
      const Shape one_id = { 1, 33, 3000, 3000, { 0.0f, 0, 0, 0 } };
      const Shape large = { 50000, 40, 2500, 1250, { 0.0f, 0, 0, 0 } };

      check_shape (&many);
      check_shape (&one_id);
      check_shape (&large);
    }
}

static void
test_positions (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize count = test_device_slow (device) ? 20 : 5000, T = 7;
  const ReformerRows rows = { 1024, count, T };
  g_autoptr (ReformerTensor) positions = test_tensor_int (device, NULL, 1, (int) count + 2);
  g_autofree gint32 *got = NULL;

  reformer_positions_fill (&run, reformer_at (positions, 2), 1000000, &rows);
  assert_run (&run);
  got = test_ints (positions);
  g_assert_cmpint (got[0], ==, 0);
  g_assert_cmpint (got[1], ==, 0);
  for (gsize n = 0; n < count; n++)
    g_assert_cmpint (got[n + 2], ==, 1000000 + (1024 + n) % T);
}

static void
test_perf (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { VOCABULARY = 258, WIDTH = 256, COUNT = 16384 };
  const ReformerRows rows = { 0, COUNT, COUNT };
  const ReformerDropout dropout = { 0.1f, 1, 2, 3 };
  g_autofree gint32 *ids = g_new (gint32, COUNT);
  g_autoptr (ReformerTensor) is = NULL;
  g_autoptr (ReformerTensor) ws = test_tensor (device, NULL, 2, VOCABULARY, WIDTH);
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 2, COUNT, WIDTH);
  g_autoptr (ReformerTensor) zs = test_tensor (device, NULL, 2, COUNT, WIDTH);

  test_fill_int (ids, COUNT, VOCABULARY, 1);
  is = test_tensor_int (device, ids, 1, COUNT);
  TEST_RATE (&run, "embedding forward", 8.0 * COUNT * WIDTH,
             reformer_embedding_forward (&run, reformer_span (is), reformer_span (ws), reformer_span (ys), WIDTH, &rows, &REFORMER_NO_DROPOUT,
                                         REFORMER_STORE_SET));
  TEST_RATE (&run, "embedding forward, dropout", 8.0 * COUNT * WIDTH,
             reformer_embedding_forward (&run, reformer_span (is), reformer_span (ws), reformer_span (ys), WIDTH, &rows, &dropout,
                                         REFORMER_STORE_SET));
  TEST_RATE (&run, "embedding backward", 8.0 * COUNT * WIDTH,
             reformer_embedding_backward (&run, reformer_span (is), reformer_span (ys), reformer_span (zs), reformer_span (ws), VOCABULARY,
                                          WIDTH, &rows, &REFORMER_NO_DROPOUT));
  TEST_RATE (&run, "embedding backward, dropout", 8.0 * COUNT * WIDTH,
             reformer_embedding_backward (&run, reformer_span (is), reformer_span (ys), reformer_span (zs), reformer_span (ws), VOCABULARY,
                                          WIDTH, &rows, &dropout));
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/embedding/reference", test_reference);
  g_test_add_func ("/embedding/shapes", test_shapes);
  g_test_add_func ("/embedding/positions", test_positions);
  if (g_test_perf ())
    g_test_add_func ("/embedding/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
