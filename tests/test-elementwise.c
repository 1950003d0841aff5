/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "tokens.h"

#include "ops/elementwise.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

static double
stored (double        before,
        double        value,
        ReformerStore store)
{
  return store == REFORMER_STORE_SET ? value : store == REFORMER_STORE_ADD ? before + value : before - value;
}

static void
test_scale (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize sizes[] = { 1, 3, 15, 16, 17, 33, 1000, 40001 };

  for (gsize i = 0; i < (test_device_slow (device) ? 6 : G_N_ELEMENTS (sizes)); i++)
    for (int store = REFORMER_STORE_SET; store <= REFORMER_STORE_SUBTRACT; store++)
      {
        const gsize n = sizes[i], all = n + 8;
        g_autofree float *x = g_new (float, all);
        g_autofree float *before = g_new (float, all);
        g_autofree double *want = g_new (double, all);
        g_autoptr (ReformerTensor) xs = NULL;
        g_autoptr (ReformerTensor) ys = NULL;
        g_autofree float *y = NULL;

        test_fill (x, all, 1);
        test_fill (before, all, 2);
        for (gsize j = 0; j < all; j++)
          want[j] = j >= 3 && j < n + 3 ? stored ((double) before[j], 0.75 * (double) x[j + 2], store) : (double) before[j];
        xs = test_tensor (device, x, 1, (int) all);
        ys = test_tensor (device, before, 1, (int) all);
        reformer_scale (&run, 0.75f, reformer_at (xs, 5), reformer_at (ys, 3), n, store);
        assert_run (&run);
        y = test_floats (ys);
        assert_near ("scale", y, want, all, 1.2e-7);
      }

  /* Nothing to do is not an error. */
  {
    g_autoptr (ReformerTensor) one = test_tensor (device, NULL, 1, 1);

    reformer_scale (&run, 1.0f, reformer_span (one), reformer_span (one), 0, REFORMER_STORE_SET);
    assert_run (&run);
  }
}

static float *
dropped (const float           *x,
         const float           *before,
         int                    width,
         gsize                  count,
         gsize                  T,
         gsize                  piece,
         const ReformerDropout *dropout,
         ReformerStore          store)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) xs = test_tensor (device, x, 1, (int) (count * width));
  g_autoptr (ReformerTensor) ys = test_tensor (device, before, 1, (int) (count * width));

  for (gsize first = 0; first < count; first += piece)
    {
      const ReformerRows rows = { first, MIN (piece, count - first), T };

      reformer_dropout (&run, reformer_at (xs, first * width), reformer_at (ys, first * width), width, &rows, dropout, store);
    }
  assert_run (&run);
  return test_floats (ys);
}

static void
check_dropout (int   width,
               gsize count,
               gsize T)
{
  const ReformerDropout dropout = { 0.25f, G_GUINT64_CONSTANT (0xfedcba9876543210), 4294967290u, 161 };
  const gsize n = count * width;
  g_autofree float *x = g_new (float, n);
  g_autofree float *before = g_new (float, n);
  g_autofree float *want = g_new (float, n);

  test_fill (x, n, 3);
  test_fill (before, n, 4);
  for (int store = REFORMER_STORE_SET; store <= REFORMER_STORE_SUBTRACT; store++)
    {
      const gsize pieces[] = { count, 1024, 2048 };
      gsize kept = 0;

      for (gsize i = 0; i < n; i++)
        {
          const float factor = test_dropout_factor (&dropout, i / width / T, i / width % T * width + i % width);
          const float value = x[i] * factor;

          kept += factor != 0.0f;
          want[i] = store == REFORMER_STORE_SET ? value : store == REFORMER_STORE_ADD ? before[i] + value : before[i] - value;
        }
      if (n > 1000)
        g_assert_cmpfloat_with_epsilon ((double) kept / (double) n, 0.75, 4.0 * sqrt (0.25 * 0.75 / (double) n));
      for (gsize j = 0; j < G_N_ELEMENTS (pieces); j++)
        {
          g_autofree float *got = dropped (x, before, width, count, T, pieces[j], &dropout, store);

          if (store == REFORMER_STORE_SET)
            {
              assert_same_bits ("dropout", got, want, n);
            }
          else
            {
              g_autofree double *wide = g_new (double, n);

              /* A compiler may fuse product and sum. */
              for (gsize i = 0; i < n; i++)
                wide[i] = (double) want[i];
              assert_near ("dropout, summed", got, wide, n, 3e-7);
            }
        }
    }
}

static void
test_dropout (void)
{
  check_dropout (1, 7, 7);
  check_dropout (3, 10, 3);
  check_dropout (17, 4, 2);
  if (test_device_slow (device))
    return;
  check_dropout (1, 5001, 5001);
  check_dropout (16, 2048, 1024);
  check_dropout (33, 3000, 1000);
  check_dropout (7, 4103, 1025);
  check_dropout (256, 2100, 700);
  check_dropout (1024, 1030, 1030);
}

/* p = 0 keeps every bit, p close to 1 keeps little, other seeds, sequences and places other elements. */
static void
test_kept (void)
{
  enum { WIDTH = 8, COUNT = 20 };
  ReformerDropout dropout = { 0.0f, 9, 9, 9 };
  float x[WIDTH * COUNT];
  g_autofree float *zeros = g_new0 (float, WIDTH * COUNT);
  g_autofree float *all = NULL;
  g_autofree float *twice = NULL;
  g_autofree float *first = NULL;
  g_autofree float *again = NULL;

  test_fill (x, WIDTH * COUNT, 5);
  all = dropped (x, zeros, WIDTH, COUNT, 5, COUNT, &dropout, REFORMER_STORE_SET);
  assert_same_bits ("p = 0", all, x, WIDTH * COUNT);
  twice = dropped (x, x, WIDTH, COUNT, 5, COUNT, &dropout, REFORMER_STORE_ADD);
  for (int i = 0; i < WIDTH * COUNT; i++)
    g_assert_cmpfloat (twice[i], ==, 2.0f * x[i]);

  dropout.p = 0.5f;
  first = dropped (x, zeros, WIDTH, COUNT, 5, COUNT, &dropout, REFORMER_STORE_SET);
  again = dropped (x, zeros, WIDTH, COUNT, 5, COUNT, &dropout, REFORMER_STORE_SET);
  assert_same_bits ("again", again, first, WIDTH * COUNT);
  for (int i = 0; i < 3; i++)
    {
      ReformerDropout other = dropout;
      g_autofree float *changed = NULL;

      other.seed += i == 0 ? G_GUINT64_CONSTANT (1) << 40 : 0;
      other.sequence += i == 1;
      other.place += i == 2;
      changed = dropped (x, zeros, WIDTH, COUNT, 5, COUNT, &other, REFORMER_STORE_SET);
      g_assert_cmpint (memcmp (changed, first, sizeof x), !=, 0);
      /* Row 1 of this call is row 0 of one that begins a sequence later. */
      if (i == 1)
        for (int j = 0; j < WIDTH * COUNT - 5 * WIDTH; j++)
          g_assert_true ((changed[j] == 0.0f) == (first[j + 5 * WIDTH] == 0.0f));
    }
}

/* The columns arrive, and nothing beside them changes. */
static void
test_copy_columns (void)
{
  const int widths[] = { 1, 3, 17, 33, 256 };
  const int count = test_device_slow (device) ? 6 : 1000;

  for (gsize w = 0; w < G_N_ELEMENTS (widths); w++)
    {
      const int width = widths[w], ldx = width + 5, ldy = 2 * width + 3;
      const gsize n = (gsize) count * ldx, m = (gsize) count * ldy;
      g_autofree float *x = g_new (float, n), *y = g_new (float, m), *got = NULL;
      g_autoptr (ReformerTensor) xs = NULL;
      g_autoptr (ReformerTensor) ys = NULL;
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);

      test_fill (x, n, 1);
      test_fill (y, m, 2);
      xs = test_tensor (device, x, 1, (int) n);
      ys = test_tensor (device, y, 1, (int) m);
      reformer_copy_columns (&run, reformer_at (xs, 2), ldx, reformer_at (ys, (gsize) width), ldy, width, (gsize) count);
      assert_run (&run);
      got = test_floats (ys);
      for (int r = 0; r < count; r++)
        for (int c = 0; c < width; c++)
          y[r * ldy + width + c] = x[r * ldx + 2 + c];
      assert_same_bits ("copied columns", got, y, m);
    }
}

static void
test_perf (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  enum { WIDTH = 256, COUNT = 16384 };
  const ReformerRows rows = { 0, COUNT, COUNT };
  const ReformerDropout dropout = { 0.1f, 1, 2, 3 };
  g_autofree float *x = g_new (float, COUNT * WIDTH);
  g_autoptr (ReformerTensor) xs = NULL;
  g_autoptr (ReformerTensor) ys = test_tensor (device, NULL, 2, COUNT, WIDTH);

  test_fill (x, COUNT * WIDTH, 7);
  xs = test_tensor (device, x, 2, COUNT, WIDTH);
  TEST_RATE (&run, "copy", 8.0 * COUNT * WIDTH,
             reformer_scale (&run, 1.0f, reformer_span (xs), reformer_span (ys), COUNT * WIDTH, REFORMER_STORE_SET));
  TEST_RATE (&run, "add", 12.0 * COUNT * WIDTH,
             reformer_scale (&run, 1.0f, reformer_span (xs), reformer_span (ys), COUNT * WIDTH, REFORMER_STORE_ADD));
  TEST_RATE (&run, "dropout", 8.0 * COUNT * WIDTH,
             reformer_dropout (&run, reformer_span (xs), reformer_span (ys), WIDTH, &rows, &dropout, REFORMER_STORE_SET));
  TEST_RATE (&run, "dropout, added", 12.0 * COUNT * WIDTH,
             reformer_dropout (&run, reformer_span (xs), reformer_span (ys), WIDTH, &rows, &dropout, REFORMER_STORE_ADD));
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/elementwise/scale", test_scale);
  g_test_add_func ("/elementwise/dropout", test_dropout);
  g_test_add_func ("/elementwise/kept", test_kept);
  g_test_add_func ("/elementwise/copy-columns", test_copy_columns);
  if (g_test_perf ())
    g_test_add_func ("/elementwise/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
