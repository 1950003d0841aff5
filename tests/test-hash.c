/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "common.h"
#include "ops/hash.h"

/* Buckets against the argmax of float64 sums. `tiny` is small enough for oclgrind. */

static ReformerDevice *device;

typedef struct
{
  const char *name;
  int         rows, T, stride, heads, head_size, rounds, max_rounds;
  int         factors[REFORMER_MAX_FACTORS];
  gboolean    masked;
} Case;

static const Case cases[] = {
  { "tiny", 2, 33, 10, 2, 4, 2, 2, { 4, 6 }, TRUE },
  { "one-token", 1, 1, 16, 1, 16, 1, 1, { 8 }, FALSE },
  { "one-token-rows", 3, 1, 33, 1, 33, 3, 4, { 18 }, FALSE },
  { "t63", 2, 63, 17, 2, 8, 2, 3, { 10, 6 }, FALSE },
  { "t64", 1, 64, 64, 1, 64, 1, 1, { 64 }, FALSE },
  { "t65", 3, 65, 70, 2, 33, 2, 2, { 22 }, TRUE },
  { "t2048", 1, 2048, 128, 2, 64, 2, 2, { 128 }, FALSE },
  { "t2049", 1, 2049, 128, 1, 128, 1, 2, { 16, 32 }, TRUE },
  { "three-factors", 1, 300, 32, 2, 16, 2, 2, { 4, 6, 2 }, TRUE },
  { "four-factors", 2, 200, 16, 1, 16, 3, 4, { 2, 4, 6, 4 }, FALSE },
  { "t5000", 1, 5000, 64, 4, 16, 1, 1, { 2, 4, 6, 8, 10 }, FALSE },
  { "t1000-long-head", 1, 1000, 300, 1, 300, 1, 1, { 34 }, FALSE },
  { "eight-factors", 1, 200, 16, 1, 16, 2, 2, { 2, 2, 4, 2, 2, 4, 2, 2 }, TRUE },
  { "fifteen-factors", 1, 300, 16, 1, 16, 2, 2, { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 }, TRUE },
  { "odd-number-of-factors", 1, 100, 16, 1, 16, 1, 1, { 2, 4, 2, 2, 6, 2, 2, 2, 12 }, FALSE },
  { "many-buckets", 1, 300, 8, 1, 8, 1, 1, { 254, 258 }, TRUE },
};

typedef struct
{
  int    n_factors, columns, n_buckets;
  gsize  n_x, n_rotations, n_buckets_out;
} Sizes;

static Sizes
sizes_of (const Case *c)
{
  Sizes s = { 0, 0, 1, 0, 0, 0 };

  for (; s.n_factors < REFORMER_MAX_FACTORS && c->factors[s.n_factors] != 0; s.n_factors++)
    {
      s.columns += c->factors[s.n_factors] / 2;
      s.n_buckets *= c->factors[s.n_factors];
    }
  s.n_x = (gsize) c->rows * c->T * c->stride;
  s.n_rotations = (gsize) c->heads * c->head_size * c->max_rounds * s.columns;
  s.n_buckets_out = (gsize) c->heads * c->rounds * c->rows * c->T;
  return s;
}

static guint16 *
hash (const Case   *c,
      const float  *x,
      const float  *rotations,
      const guint8 *mask)
{
  const Sizes s = sizes_of (c);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) x_t = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) s.n_x);
  g_autoptr (ReformerTensor) rotations_t = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) s.n_rotations);
  g_autoptr (ReformerTensor) mask_t = mask != NULL ? reformer_run_new (&run, REFORMER_DTYPE_UINT8, 1, (gint64) c->rows * c->T) : NULL;
  g_autoptr (ReformerTensor) buckets_t = reformer_run_new (&run, REFORMER_DTYPE_UINT16, 1, (gint64) s.n_buckets_out + 1);
  g_autofree guint16 *buckets = g_new0 (guint16, s.n_buckets_out + 1);
  ReformerHash h = { c->rows, c->T, c->stride, c->heads, c->head_size, c->rounds, c->max_rounds, s.n_factors, { 0 },
                     reformer_span (x_t), reformer_span (rotations_t), reformer_span (mask_t) };
  GError *error = NULL;

  memcpy (h.factors, c->factors, sizeof h.factors);
  reformer_run_write (&run, h.x, x, s.n_x);
  reformer_run_write (&run, h.rotations, rotations, s.n_rotations);
  if (mask != NULL)
    reformer_run_write (&run, h.mask, mask, (gsize) c->rows * c->T);
  buckets[s.n_buckets_out] = 7777;
  reformer_run_write (&run, reformer_span (buckets_t), buckets, s.n_buckets_out + 1);
  reformer_hash (&run, &h, reformer_span (buckets_t));
  reformer_run_read (&run, reformer_span (buckets_t), buckets, s.n_buckets_out + 1);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
  g_assert_cmpint (buckets[s.n_buckets_out], ==, 7777);
  return g_steal_pointer (&buckets);
}

/* -1 where two codes are too near to tell in float32. */
static int
reference (const Case  *c,
           const float *x,
           const float *rotations,
           int          head,
           int          round,
           gsize        token,
           gboolean     exact)
{
  const Sizes s = sizes_of (c);
  int bucket = 0, product = 1, first = 0;

  for (int f = 0; f < s.n_factors; f++)
    {
      const int half = c->factors[f] / 2;
      double best = -G_MAXDOUBLE, second = -G_MAXDOUBLE, norm = 0;
      int code = 0;

      for (int j = 0; j < 2 * half; j++)
        {
          double r = 0;

          for (int d = 0; d < c->head_size; d++)
            {
              const double term = (double) x[token * c->stride + head * c->head_size + d] *
                                  (double) rotations[(((gsize) head * c->head_size + d) * c->max_rounds + round) * s.columns + first + j % half];

              r += term;
              norm = MAX (norm, fabs (term));
            }
          r = j < half ? r : -r;
          if (r > best)
            {
              second = best;
              best = r;
              code = j;
            }
          else
            {
              second = MAX (second, r);
            }
        }
      if (!exact && best - second < 1e-6 * norm * c->head_size)
        return -1;
      bucket += code * product;
      product *= c->factors[f];
      first += half;
    }
  return bucket;
}

static float
normal (GRand *rand)
{
  return (float) (sqrt (-2 * log (1 - g_rand_double (rand))) * cos (2 * G_PI * g_rand_double (rand)));
}

static void
check (const Case *c,
       gboolean    exact,
       guint32     seed)
{
  const Sizes s = sizes_of (c);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autofree float *x = g_new (float, s.n_x);
  g_autofree float *rotations = g_new (float, s.n_rotations);
  g_autofree guint8 *mask = c->masked ? g_new (guint8, (gsize) c->rows * c->T) : NULL;
  g_autofree guint16 *buckets = NULL;
  g_autofree guint16 *again = NULL;
  gsize near = 0, total = 0, step = MAX (1, s.n_buckets_out * s.columns * c->head_size / 2000000);

  for (gsize i = 0; i < s.n_x; i++)
    x[i] = exact ? g_rand_int_range (rand, -1, 2) : normal (rand);
  for (gsize i = 0; i < s.n_rotations; i++)
    rotations[i] = exact ? g_rand_int_range (rand, -1, 2) : normal (rand);
  for (gsize i = 0; mask != NULL && i < (gsize) c->rows * c->T; i++)
    mask[i] = g_rand_int_range (rand, 0, 4) != 0;

  buckets = hash (c, x, rotations, mask);
  again = hash (c, x, rotations, mask);
  g_assert_cmpmem (buckets, 2 * s.n_buckets_out, again, 2 * s.n_buckets_out);
  for (gsize i = 0; i < s.n_buckets_out; i += step)
    {
      const gsize token = i % ((gsize) c->rows * c->T);
      const int round = i / ((gsize) c->rows * c->T) % c->rounds, head = i / ((gsize) c->rows * c->T * c->rounds);
      int want;

      total++;
      if (mask != NULL && !mask[token])
        {
          g_assert_cmpint (buckets[i], ==, s.n_buckets);
          continue;
        }
      want = reference (c, x, rotations, head, round, token, exact);
      if (want >= 0)
        g_assert_cmpint (buckets[i], ==, want);
      near += want < 0;
    }
  g_assert_cmpuint (near, <=, total / 20);
}

static void
test_random (gconstpointer data)
{
  check (data, FALSE, 1);
}

/* Small whole numbers: float32 sums are exact, equal scores and rows of zeros are many, and the first maximum of [r, -r] must win. */
static void
test_ties (gconstpointer data)
{
  check (data, TRUE, 2);
}

/* A token's bucket does not depend on where in a tensor, a piece or a block it lies. */
static void
test_pieces (void)
{
  enum { T = 1500, D = 24 };
  const Case whole = { "", 1, T, D, 1, D, 2, 2, { 34 }, FALSE };
  const Sizes s = sizes_of (&whole);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autofree float *x = g_new (float, s.n_x);
  g_autofree float *rotations = g_new (float, s.n_rotations);
  g_autofree guint16 *buckets = NULL;

  for (gsize i = 0; i < s.n_x; i++)
    x[i] = normal (rand);
  for (gsize i = 0; i < s.n_rotations; i++)
    rotations[i] = normal (rand);
  buckets = hash (&whole, x, rotations, NULL);
  for (int start = 1; start < T; start = 3 * start + 5)
    {
      Case piece = whole;
      g_autofree guint16 *part = NULL;

      piece.T = T - start;
      part = hash (&piece, x + start * D, rotations, NULL);
      for (int r = 0; r < 2; r++)
        g_assert_cmpmem (part + r * piece.T, 2 * piece.T, buckets + r * T + start, 2 * piece.T);
    }
}

/* Whatever the input, a bucket is one of the factor's: the sort writes where it says. */
static void
test_not_finite (void)
{
  const Case c = { "", 1, 40, 7, 1, 7, 1, 1, { 6, 10 }, FALSE };
  const Sizes s = sizes_of (&c);
  const float values[] = { NAN, -NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e38f, -1e-42f };
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  g_autofree float *x = g_new (float, s.n_x);
  g_autofree float *rotations = g_new (float, s.n_rotations);
  g_autofree guint16 *buckets = NULL;

  for (gsize i = 0; i < s.n_x; i++)
    x[i] = values[g_rand_int_range (rand, 0, G_N_ELEMENTS (values))];
  for (gsize i = 0; i < s.n_rotations; i++)
    rotations[i] = normal (rand);
  buckets = hash (&c, x, rotations, NULL);
  for (gsize i = 0; i < s.n_buckets_out; i++)
    g_assert_cmpint (buckets[i], <, s.n_buckets);
}

static void
test_too_many_buckets (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const ReformerHash h = { .rows = 1, .T = 1, .stride = 4, .heads = 1, .head_size = 4, .rounds = 1, .max_rounds = 1, .n_factors = 2, .factors = { 256, 256 } };
  GError *error = NULL;

  reformer_hash (&run, &h, REFORMER_NOTHING);
  g_assert_false (reformer_run_finish (&run, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT);
  g_error_free (error);
}

/* 4 heads of 64, 2 rounds: millions of tokens a second, and the sort of the same buckets. */
static void
test_perf (void)
{
  static const int lists[][2] = { { 64, 0 }, { 128, 0 }, { 256, 0 }, { 512, 0 }, { 16, 32 } };
  enum { T = 1 << 18, HEADS = 4, ROUNDS = 2, D = 64 };

  for (guint z = 0; z < G_N_ELEMENTS (lists); z++)
    {
      const int n_factors = lists[z][1] != 0 ? 2 : 1, columns = (lists[z][0] + lists[z][1]) / 2;
      const int n_buckets = lists[z][0] * MAX (1, lists[z][1]);
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) x = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) T, (gint64) HEADS * D);
      g_autoptr (ReformerTensor) rotations = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) HEADS * D * ROUNDS * columns);
      g_autoptr (ReformerTensor) buckets = reformer_run_new (&run, REFORMER_DTYPE_UINT16, 1, (gint64) HEADS * ROUNDS * T);
      g_autoptr (ReformerTensor) order = reformer_run_new (&run, REFORMER_DTYPE_INT32, 1, (gint64) HEADS * ROUNDS * T);
      const ReformerHash h = { 1, T, HEADS * D, HEADS, D, ROUNDS, ROUNDS, n_factors, { lists[z][0], lists[z][1] },
                               reformer_span (x), reformer_span (rotations), REFORMER_NOTHING };
      g_autofree float *values = g_new (float, (gsize) T * HEADS * D);
      guint32 state = 1;
      double best_hash = G_MAXDOUBLE, best_sort = G_MAXDOUBLE;
      GError *error = NULL;

      for (gsize i = 0; i < (gsize) T * HEADS * D; i++)
        values[i] = (gint32) (state = state * 1664525u + 1013904223u) / 2147483648.0f;
      reformer_run_write (&run, h.x, values, (gsize) T * HEADS * D);
      reformer_run_write (&run, h.rotations, values, (gsize) HEADS * D * ROUNDS * columns);
      for (int i = 0; i < 5 && reformer_run_ok (&run); i++)
        {
          gint64 t = g_get_monotonic_time ();

          reformer_hash (&run, &h, reformer_span (buckets));
          reformer_device_synchronize (device, NULL);
          best_hash = MIN (best_hash, g_get_monotonic_time () - t);
          t = g_get_monotonic_time ();
          reformer_sort_buckets (&run, reformer_span (buckets), (gsize) T, HEADS * ROUNDS, T, n_buckets, reformer_span (order));
          reformer_device_synchronize (device, NULL);
          best_sort = MIN (best_sort, g_get_monotonic_time () - t);
        }
      reformer_run_finish (&run, &error);
      g_assert_no_error (error);
      g_test_message ("%d buckets (%d, %d): hash %.2f, sort %.0f million tokens/s (%.0f GFLOP/s)", n_buckets, lists[z][0], lists[z][1],
                      T / best_hash, T / best_sort, 2.0 * columns * D * HEADS * ROUNDS * T / best_hash / 1e3);
    }
}

int
main (int   argc,
      char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *random = g_strconcat ("/hash/random/", cases[i].name, NULL);
      g_autofree char *ties = g_strconcat ("/hash/ties/", cases[i].name, NULL);

      if (i > 0 && test_device_slow (device))
        break;
      g_test_add_data_func (random, &cases[i], test_random);
      g_test_add_data_func (ties, &cases[i], test_ties);
    }
  if (!test_device_slow (device))
    g_test_add_func ("/hash/pieces", test_pieces);
  g_test_add_func ("/hash/not-finite", test_not_finite);
  g_test_add_func ("/hash/too-many-buckets", test_too_many_buckets);
  if (g_test_perf ())
    g_test_add_func ("/hash/perf", test_perf);
  result = test_run ();
  g_object_unref (device);
  return result;
}
