/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "compute/program.h"
#include "compute/random.h"

#include <math.h>
#include <string.h>

static ReformerDevice *device;

/* Salmon and others' test vectors (Random123, kat_vectors). */
static const struct
{
  guint32 counter[4];
  guint32 key[2];
  guint32 words[4];
} known[] = {
  { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
  { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
  { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 }, { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

static const char source[] =
  "__kernel void words (SPAN (const int, in), SPAN (int, out), int n)\n"
  "{\n"
  "  BEGIN (const int, in);\n"
  "  BEGIN (int, out);\n"
  "  const int i = get_global_id (0);\n"
  "  if (i >= n)\n"
  "    return;\n"
  "  const uint4 w = philox (as_uint4 (vload4 (0, in + 6 * i)), as_uint2 (vload2 (0, in + 6 * i + 4)));\n"
  "  vstore4 (as_int4 (w), i, out);\n"
  "}\n"
  "__kernel void factors (SPAN (float, out), ulong from, int n, uint4 key, float scale, uint sequence)\n"
  "{\n"
  "  BEGIN (float, out);\n"
  "  const int i = get_global_id (0);\n"
  "  if (i < n)\n"
  "    out[i] = dropout_factor (key, scale, sequence, from + i);\n"
  "}\n";

static void
test_known (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    {
      guint32 words[4];

      reformer_philox (known[i].counter, known[i].key, words);
      for (guint j = 0; j < 4; j++)
        g_assert_cmphex (words[j], ==, known[i].words[j]);
    }
}

static void
test_known_on_device (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  gint32 values[G_N_ELEMENTS (known)][6];
  g_autoptr (ReformerTensor) in = NULL;
  g_autoptr (ReformerTensor) out = NULL;
  g_autofree gint32 *words = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    {
      memcpy (values[i], known[i].counter, sizeof known[i].counter);
      memcpy (values[i] + 4, known[i].key, sizeof known[i].key);
    }

  reformer_program_add_source (device, "test-random", source);
  in = test_tensor_int (device, values[0], 2, (int) G_N_ELEMENTS (known), 6);
  out = test_tensor_int (device, NULL, 2, (int) G_N_ELEMENTS (known), 4);
  REFORMER_LAUNCH (&run, "test-random", NULL, "words", reformer_grid_items (device, G_N_ELEMENTS (known), 1, 1),
                   REFORMER_SPAN (reformer_span (in)), REFORMER_SPAN (reformer_span (out)), REFORMER_INT (G_N_ELEMENTS (known)));
  assert_run (&run);

  words = test_ints (out);
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    for (guint j = 0; j < 4; j++)
      g_assert_cmphex ((guint32) words[4 * i + j], ==, known[i].words[j]);
}

/* What kernels/common.cl promises, said again in C. */
static float
expected_factor (const ReformerDropout *dropout,
                 guint64                index)
{
  const guint32 counter[4] = { (guint32) (index / 4), (guint32) (index / 4 >> 32), dropout->sequence, dropout->place };
  const guint32 key[2] = { (guint32) dropout->seed, (guint32) (dropout->seed >> 32) };
  guint32 words[4];

  reformer_philox (counter, key, words);
  return words[index % 4] >= reformer_dropout_threshold (dropout) ? reformer_dropout_scale (dropout) : 0.0f;
}

static void
check_dropout (float   p,
               guint64 from,
               int     n)
{
  const ReformerDropout dropout = { p, G_GUINT64_CONSTANT (0x123456789abcdef0), 77, 35 };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) out = test_tensor (device, NULL, 1, n);
  g_autofree float *got = NULL;
  g_autofree float *want = g_new (float, n);
  int dropped = 0;

  reformer_program_add_source (device, "test-random", source);
  REFORMER_LAUNCH (&run, "test-random", NULL, "factors", reformer_grid_items (device, n, 1, 1), REFORMER_SPAN (reformer_span (out)),
                   REFORMER_ULONG (from), REFORMER_INT (n), REFORMER_DROPOUT_ARGS (&dropout));
  assert_run (&run);
  got = test_floats (out);

  for (int i = 0; i < n; i++)
    {
      want[i] = expected_factor (&dropout, from + (guint64) i);
      if (want[i] == 0.0f)
        dropped++;
    }
  assert_same_bits ("dropout", got, want, n);

  if (p == 0.0f)
    g_assert_cmpint (dropped, ==, 0);
  else if (n > 1000)
    g_assert_cmpfloat (fabs (dropped / (double) n - (double) p), <, 5.0 * sqrt ((double) (p * (1.0f - p)) / n));
}

static void
test_dropout (void)
{
  const int n = test_device_slow (device) ? 500 : 20000;

  check_dropout (0.1f, 0, n);
  check_dropout (0.5f, G_GUINT64_CONSTANT (0x3ffffffff) - 7, n);
  check_dropout (0.0f, 0, 33);
  check_dropout (0.9f, 3, 17);
}

static void
test_dropout_ends (void)
{
  const ReformerDropout none = REFORMER_NO_DROPOUT;
  const ReformerDropout half = { 0.5f, 1, 0, 0 };
  const ReformerDropout all = { 1.0f, 1, 0, 0 };
  const ReformerDropout tiny = { 1e-30f, 1, 0, 0 };

  g_assert_cmphex (reformer_dropout_threshold (&none), ==, 0);
  g_assert_cmpfloat (reformer_dropout_scale (&none), ==, 1.0f);
  g_assert_cmphex (reformer_dropout_threshold (&half), ==, 0x80000000);
  g_assert_cmpfloat (reformer_dropout_scale (&half), ==, 2.0f);
  g_assert_cmphex (reformer_dropout_threshold (&all), ==, 0xffffffff);
  g_assert_cmpfloat (reformer_dropout_scale (&all), ==, 0.0f);
  g_assert_cmphex (reformer_dropout_threshold (&tiny), ==, 1);
}

static void
test_normal (void)
{
  enum { N = 100003 };
  g_autofree float *values = g_new (float, N);
  g_autofree float *again = g_new (float, N);
  double sum = 0.0, squares = 0.0, fourths = 0.0, products = 0.0;

  reformer_random_normal (5, 1, 2, values, N);
  reformer_random_normal (5, 1, 2, again, 1001);
  assert_same_bits ("a shorter one begins the same", again, values, 1001);

  for (gsize i = 0; i < N; i++)
    {
      const double x = (double) values[i];

      g_assert_true (isfinite (x));
      sum += x;
      squares += x * x;
      fourths += x * x * x * x;
      if (i > 0)
        products += x * (double) values[i - 1];
    }
  g_assert_cmpfloat (fabs (sum / N), <, 5.0 / sqrt (N));
  g_assert_cmpfloat (fabs (squares / N - 1.0), <, 5.0 * sqrt (2.0 / N));
  g_assert_cmpfloat (fabs (fourths / N - 3.0), <, 5.0 * sqrt (96.0 / N));
  g_assert_cmpfloat (fabs (products / N), <, 5.0 / sqrt (N));

  /* Another seed, stream or substream: other numbers. */
  reformer_random_normal (6, 1, 2, again, N);
  g_assert_true (memcmp (values, again, 64) != 0);
  reformer_random_normal (5, 2, 2, again, N);
  g_assert_true (memcmp (values, again, 64) != 0);
  reformer_random_normal (5, 1, 3, again, N);
  g_assert_true (memcmp (values, again, 64) != 0);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();

  g_test_add_func ("/random/known", test_known);
  g_test_add_func ("/random/known-on-device", test_known_on_device);
  g_test_add_func ("/random/dropout", test_dropout);
  g_test_add_func ("/random/dropout-ends", test_dropout_ends);
  g_test_add_func ("/random/normal", test_normal);

  status = test_run ();
  g_object_unref (device);
  return status;
}
