/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice of a token, and stop strings. */
#include "generation/sampling.h"
#include "generation/stop.h"

#include <math.h>
#include <string.h>

#include <libreformer/layers/reformer-model-error.h>

#define N 10

static const float logits[N] = { 1.5f, -0.25f, 3.0f, 0.5f, 2.25f, -1.0f, 2.75f, 0.0f, -3.5f, 1.0f };

/* What transformers 5.23.0 makes of these logits in float64: TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, softmax. */
static const struct
{
  double temperature;
  guint  top_k;
  double top_p;
  double p[N];
} warped[] = {
  { 1, 0, 1, { 0.079686550121326, 0.013847446054544365, 0.35713034073169314, 0.029315043527513542, 0.16869642793065387, 0.0065410703570522866, 0.27813338902040025,
               0.017780472690247351, 0.00053692375125746219, 0.04833233581531169 } },
  { 0.7, 0, 1, { 0.051640502343625536, 0.0042389105638139472, 0.4401710655029637, 0.012375699909023813, 0.15076688940116115, 0.0014519067931593687, 0.30797560627957343,
                 0.0060584206716423512, 4.0821317383689975e-05, 0.025280177217653181 } },
  { 1, 4, 1, { 0.090179196524539651, 0, 0.40415511943589777, 0, 0.19090936054056809, 0, 0.31475632349899435 } },
  { 1, 0, 0.8, { 0, 0, 0.44421397916166538, 0, 0.20983182601596481, 0, 0.34595419482236972 } },
  { 1.3, 0, 0.5, { 0, 0, 0.54792930292563113, 0, 0, 0, 0.45207069707436898 } },
  { 0.8, 6, 0.9, { 0.067362105134636752, 0, 0.43925610314762653, 0, 0.17201516154473495, 0, 0.32136663017300177 } },
  { 2, 5, 0.75, { 0, 0, 0.38913743378630639, 0, 0.26744998621756022, 0, 0.3434125799961335 } },
  { 1, 1, 0.3, { 0, 0, 1 } },
};

static void
weigh (const ReformerSampling *sampling,
       const float            *values,
       const guint8           *allowed,
       gsize                   n,
       double                 *p)
{
  g_autoptr (GError) error = NULL;
  double sum = 0;

  g_assert_true (reformer_sampling_weigh (sampling, values, allowed, n, 0, p, &error));
  g_assert_no_error (error);
  for (gsize i = 0; i < n; i++)
    sum += p[i];
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-12);
}

static int
choose (const ReformerSampling *sampling,
        const float            *values,
        const guint8           *allowed,
        gsize                   n,
        guint64                 number)
{
  g_autoptr (GError) error = NULL;
  const int id = reformer_sampling_choose (sampling, values, allowed, n, number, &error);

  g_assert_no_error (error);
  g_assert_cmpint (id, >=, 0);
  g_assert_cmpint (id, <, (int) n);
  return id;
}

static void
test_warped (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (warped); i++)
    {
      const ReformerSampling sampling = { .temperature = warped[i].temperature, .top_k = warped[i].top_k, .top_p = warped[i].top_p };
      double p[N];

      weigh (&sampling, logits, NULL, N, p);
      for (guint id = 0; id < N; id++)
        g_assert_cmpfloat_with_epsilon (p[id], warped[i].p[id], 1e-14);
    }
}

/* Ids that are not allowed are as if they were not there. */
static void
test_allowed (void)
{
  const guint8 allowed[N] = { 1, 1, 0, 1, 1, 1, 0, 1, 1, 1 };
  const ReformerSampling greedy = { .temperature = 0, .top_p = 1 }, sampling = { .temperature = 1, .top_k = 2, .top_p = 1 };
  double p[N];

  g_assert_cmpint (choose (&greedy, logits, NULL, N, 0), ==, 2);
  g_assert_cmpint (choose (&greedy, logits, allowed, N, 0), ==, 4);
  weigh (&sampling, logits, allowed, N, p);
  g_assert_cmpfloat_with_epsilon (p[4], exp (2.25) / (exp (2.25) + exp (1.5)), 1e-14);
  g_assert_cmpfloat_with_epsilon (p[0], exp (1.5) / (exp (2.25) + exp (1.5)), 1e-14);
  for (guint64 number = 0; number < 200; number++)
    {
      const int id = choose (&sampling, logits, allowed, N, number);

      g_assert_true (id == 0 || id == 4);
    }
}

static void
test_ties (void)
{
  const float same[6] = { 1, 3, 3, 0, 3, 3 }, flat[4] = { 0, 0, 0, 0 };
  const ReformerSampling greedy = { .temperature = 0, .top_p = 1 }, two = { .temperature = 1, .top_k = 2, .top_p = 1 }, half = { .temperature = 1, .top_p = 0.5 };
  const ReformerSampling cold = { .temperature = 1e-300, .top_p = 1 };
  double p[6];

  g_assert_cmpint (choose (&greedy, same, NULL, 6, 0), ==, 1);
  weigh (&two, same, NULL, 6, p);
  g_assert_cmpfloat (p[1], ==, 0.5);
  g_assert_cmpfloat (p[2], ==, 0.5);
  weigh (&half, flat, NULL, 4, p);
  g_assert_cmpfloat (p[0], ==, 0.5);
  g_assert_cmpfloat (p[1], ==, 0.5);
  weigh (&cold, same, NULL, 6, p);
  g_assert_cmpfloat (p[5], ==, 0.25);
  g_assert_cmpfloat (p[0], ==, 0);
}

/* Pearson's chi-square of 20,000 draws against the probabilities; 26.1 is exceeded once in 500 for 9 degrees of freedom. */
static void
test_distribution (void)
{
  static const guint64 seeds[] = { 0, 1, 0xffffffffffffffff };

  for (guint i = 0; i < G_N_ELEMENTS (seeds); i++)
    {
      const ReformerSampling sampling = { .temperature = 1.5, .top_p = 1, .seed = seeds[i] };
      double p[N], chi = 0;
      int counts[N] = { 0 };

      weigh (&sampling, logits, NULL, N, p);
      for (guint64 number = 0; number < 20000; number++)
        counts[choose (&sampling, logits, NULL, N, number)]++;
      for (guint id = 0; id < N; id++)
        chi += (counts[id] - 20000 * p[id]) * (counts[id] - 20000 * p[id]) / (20000 * p[id]);
      g_test_message ("seed %" G_GUINT64_FORMAT ": chi-square %.2f", seeds[i], chi);
      g_assert_cmpfloat (chi, <, 26.1);
    }
}

/* The numbers depend on seed and number alone, on all their bits, and are as Philox makes them. */
static void
test_uniform (void)
{
  double sum = 0;

  g_assert_cmpfloat (reformer_sampling_uniform (7, 3), ==, reformer_sampling_uniform (7, 3));
  g_assert_cmpfloat (reformer_sampling_uniform (7, 3), !=, reformer_sampling_uniform (7, 4));
  g_assert_cmpfloat (reformer_sampling_uniform (7, 3), !=, reformer_sampling_uniform (8, 3));
  g_assert_cmpfloat (reformer_sampling_uniform (7, 3), !=, reformer_sampling_uniform (7 + (G_GUINT64_CONSTANT (1) << 32), 3));
  g_assert_cmpfloat (reformer_sampling_uniform (7, 3), !=, reformer_sampling_uniform (7, 3 + (G_GUINT64_CONSTANT (1) << 32)));
  for (guint64 i = 0; i < 10000; i++)
    {
      const double u = reformer_sampling_uniform (1, i);

      g_assert_cmpfloat (u, >=, 0);
      g_assert_cmpfloat (u, <, 1);
      sum += u;
    }
  g_assert_cmpfloat_with_epsilon (sum / 10000, 0.5, 0.01);
}

/* ---- Mistakes ---- */

static void
assert_says (GError     *error,
             int         code,
             const char *pattern)
{
  g_assert_error (error, REFORMER_MODEL_ERROR, code);
  g_test_message ("%s", error->message);
  if (!g_pattern_match_simple (pattern, error->message) || strchr (error->message, '\n') != NULL)
    g_error ("\"%s\" does not match \"%s\"", error->message, pattern);
  g_error_free (error);
}

static void
test_mistakes (void)
{
  static const struct
  {
    double      temperature, top_p;
    const char *pattern;
  } wrong[] = {
    { -1, 1, "temperature is -1; wanted*from 0 on*" },
    { (double) NAN, 1, "temperature is nan; wanted*" },
    { (double) HUGE_VALF, 1, "temperature is inf; wanted*" },
    { 1, 0, "top-p is 0; wanted more than 0 and at most 1" },
    { 1, 1.5, "top-p is 1.5; wanted*" },
    { 1, (double) NAN, "top-p is nan; wanted*" },
  };
  static const float bad[] = { NAN, HUGE_VALF };
  const guint8 none[N] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      const ReformerSampling sampling = { .temperature = wrong[i].temperature, .top_p = wrong[i].top_p };
      GError *error = NULL;

      g_assert_false (reformer_sampling_check (&sampling, &error));
      assert_says (error, REFORMER_MODEL_ERROR_INVALID_INPUT, wrong[i].pattern);
    }
  for (double temperature = 0; temperature <= 1; temperature++)
    {
      const ReformerSampling sampling = { .temperature = temperature, .top_p = 1 };
      float values[N];
      GError *error = NULL;

      for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        {
          memcpy (values, logits, sizeof values);
          values[5] = bad[i];
          g_assert_cmpint (reformer_sampling_choose (&sampling, values, NULL, N, 12, &error), ==, -1);
          assert_says (error, REFORMER_MODEL_ERROR_FAILED, i == 0 ? "token 12: the logit of id 5 is *nan; wanted a finite number*" : "token 12: the logit of id 5 is inf; wanted*");
          error = NULL;
        }
      g_assert_cmpint (reformer_sampling_choose (&sampling, logits, none, N, 0, &error), ==, -1);
      assert_says (error, REFORMER_MODEL_ERROR_FAILED, "token 0: none of the 10 ids*");
      error = NULL;
      for (guint id = 0; id < N; id++)
        values[id] = id == 3 ? -1e30f : -HUGE_VALF;
      g_assert_cmpint (choose (&sampling, values, NULL, N, 0), ==, 3);
    }
}

/* ---- Stop strings ---- */

#define BYTES(text) (const guint8 *) (text), strlen (text)

static void
test_stop (void)
{
  static const char *const stop[] = { "ab", "bc", "xyzx", "xy\xc3\xa9", NULL }, *const nested[] = { "b", "abcd", "bc", NULL }, *const nothing[] = { NULL };
  gsize at;

  g_assert_false (reformer_stop_find (nothing, BYTES ("abc"), 0, &at));
  g_assert_cmpuint (reformer_stop_held (nothing, BYTES ("abc")), ==, 0);
  g_assert_true (reformer_stop_find (stop, BYTES ("..abc"), 0, &at));
  g_assert_cmpuint (at, ==, 2);
  g_assert_true (reformer_stop_find (stop, BYTES ("..abc"), 4, &at)); /* what ended before was looked at */
  g_assert_cmpuint (at, ==, 3);
  g_assert_false (reformer_stop_find (stop, BYTES ("..abc"), 5, &at));
  g_assert_true (reformer_stop_find (nested, BYTES ("abcd"), 0, &at)); /* the first to be complete */
  g_assert_cmpuint (at, ==, 1);
  g_assert_true (reformer_stop_find (nested, BYTES ("abcd"), 3, &at));
  g_assert_cmpuint (at, ==, 0);

  g_assert_cmpuint (reformer_stop_held (stop, BYTES ("..a")), ==, 1);
  g_assert_cmpuint (reformer_stop_held (stop, BYTES (".xyz")), ==, 3);
  g_assert_cmpuint (reformer_stop_held (stop, BYTES ("xyz.")), ==, 0);
  g_assert_cmpuint (reformer_stop_held (stop, BYTES ("xyxy")), ==, 2);
  g_assert_cmpuint (reformer_stop_held (stop, BYTES ("xy\xc3")), ==, 3);
  g_assert_cmpuint (reformer_stop_held (stop, BYTES ("")), ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampling/warped", test_warped);
  g_test_add_func ("/sampling/allowed", test_allowed);
  g_test_add_func ("/sampling/ties", test_ties);
  g_test_add_func ("/sampling/distribution", test_distribution);
  g_test_add_func ("/sampling/uniform", test_uniform);
  g_test_add_func ("/sampling/mistakes", test_mistakes);
  g_test_add_func ("/sampling/stop", test_stop);
  return g_test_run ();
}
