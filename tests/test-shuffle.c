/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/shuffle.h"

#include <math.h>

static void
assert_permutation (guint64 seed,
                    guint   epoch,
                    gint64  n)
{
  g_autofree guint8 *seen = g_new0 (guint8, n);

  for (gint64 i = 0; i < n; i++)
    {
      const gint64 place = reformer_shuffle (seed, epoch, n, i);

      g_assert_cmpint (place, >=, 0);
      g_assert_cmpint (place, <, n);
      g_assert_cmpint (seen[place]++, ==, 0);
    }
}

static void
test_every_index_once (void)
{
  for (gint64 n = 1; n <= 600; n++)
    assert_permutation (7, (guint) n % 3, n);
  for (gint64 n = 601; n < 10000; n = n * 5 / 4)
    assert_permutation (G_MAXUINT64 - (guint64) n, 1, n);
  /* around powers of 4, where the network gets another bit */
  for (gint64 n = 1024; n <= 16384; n *= 4)
    for (gint64 more = -1; more <= 1; more++)
      assert_permutation (0, G_MAXUINT, n + more);
}

/* Bounds that 64-bit numbers reach, where no permutation can be counted. */
static void
test_large (void)
{
  static const gint64 sizes[] = { G_MAXINT32, (gint64) 1 << 32, ((gint64) 1 << 40) + 1, G_MAXINT64 };

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      g_autoptr (GHashTable) seen = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

      for (gint64 i = 0; i < 2000; i++)
        {
          const gint64 place = reformer_shuffle (3, 0, sizes[s], i % 2 ? i : sizes[s] - 1 - i);

          g_assert_cmpint (place, >=, 0);
          g_assert_cmpint (place, <, sizes[s]);
          g_assert_true (g_hash_table_add (seen, g_memdup2 (&place, sizeof place)));
        }
    }
}

static guint
count_equal (guint64 seed_a,
             guint   epoch_a,
             guint64 seed_b,
             guint   epoch_b,
             gint64  n)
{
  guint equal = 0;

  for (gint64 i = 0; i < n; i++)
    equal += reformer_shuffle (seed_a, epoch_a, n, i) == reformer_shuffle (seed_b, epoch_b, n, i);
  return equal;
}

/* Two random orders agree at one place on average. */
static void
test_keys (void)
{
  const gint64 n = 1000;

  g_assert_cmpuint (count_equal (1, 0, 1, 0, n), ==, n);
  g_assert_cmpuint (count_equal (1, 0, 1, 1, n), <, 10);
  g_assert_cmpuint (count_equal (1, 0, 2, 0, n), <, 10);
  g_assert_cmpuint (count_equal (1, 0, 1 + ((guint64) 1 << 32), 0, n), <, 10);
  g_assert_cmpuint (count_equal (1, 1, 1, 2, n), <, 10);
  g_assert_cmpuint (count_equal (1, 1, 1, G_MAXUINT, n), <, 10);
}

/* The order, written down: a run that goes on with a newer library must meet the same data. */
static void
test_fixed (void)
{
  static const gint64 wanted[] = { 4, 8, 11, 14, 7, 12, 15, 10, 6, 0, 5, 1, 3, 9, 13, 2 };

  for (gsize i = 0; i < G_N_ELEMENTS (wanted); i++)
    g_assert_cmpint (reformer_shuffle (42, 1, G_N_ELEMENTS (wanted), (gint64) i), ==, wanted[i]);
}

/* Chi-square of n * n counts, each row and column of which has the same sum: (n - 1)^2 degrees of freedom. Within 6 standard deviations of its mean. */
static void
assert_uniform (gint64 n)
{
  const guint n_trials = 400 * (guint) n;
  const double expected = (double) n_trials / (double) n, freedom = (double) ((n - 1) * (n - 1));
  g_autofree guint *counts = g_new0 (guint, n * n);
  double chi = 0;

  for (guint t = 0; t < n_trials; t++)
    for (gint64 i = 0; i < n; i++)
      counts[i * n + reformer_shuffle (t / 50, t % 50, n, i)]++;
  for (gint64 i = 0; i < n * n; i++)
    chi += (counts[i] - expected) * (counts[i] - expected) / expected;
  g_test_message ("n %d: chi-square %.1f of %.0f", (int) n, chi, freedom);
  g_assert_cmpfloat (fabs (chi - freedom), <, 6 * sqrt (2 * freedom) + 1);
}

static void
test_uniform (void)
{
  for (gint64 n = 2; n <= 9; n++)
    assert_uniform (n);
  assert_uniform (17);
  assert_uniform (64);
}

/* How often the order of 4 is each of the 24. */
static void
test_orders (void)
{
  guint counts[256] = { 0 }, n_seen = 0;

  for (guint t = 0; t < 24000; t++)
    {
      guint order = 0;

      for (gint64 i = 0; i < 4; i++)
        order = order * 4 + (guint) reformer_shuffle (9, t, 4, i);
      counts[order]++;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    if (counts[i] > 0)
      {
        n_seen++;
        g_assert_cmpuint (counts[i], >, 800);
        g_assert_cmpuint (counts[i], <, 1200);
      }
  g_assert_cmpuint (n_seen, ==, 24);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/shuffle/every-index-once", test_every_index_once);
  g_test_add_func ("/shuffle/large", test_large);
  g_test_add_func ("/shuffle/keys", test_keys);
  g_test_add_func ("/shuffle/fixed", test_fixed);
  g_test_add_func ("/shuffle/uniform", test_uniform);
  g_test_add_func ("/shuffle/orders", test_orders);

  return g_test_run ();
}
