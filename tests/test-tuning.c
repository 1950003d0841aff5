/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tiles are chosen from what the device has; a row of the table that the driver does not build is told of once, and another is taken. */
#include "common.h"
#include "compute/program.h"
#include "ops/attention.h"
#include "ops/product.h"
#include "ops/tuning.h"

#include <string.h>

#define M 24
#define N 40
#define TOKENS 96

/* The family's source, with a line that refuses some of its options. */
static char *
spoil (const char *family,
       const char *condition)
{
  g_autofree char *path = g_strdup_printf ("/org/reformer/kernels/%s.cl", family);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) source = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
  gsize length;
  const char *text;

  g_assert_no_error (error);
  text = g_bytes_get_data (source, &length);
  return g_strdup_printf ("#if %s\n#error these tiles are refused\n#endif\n%.*s", condition, (int) length, text);
}

/* The weights' gradient, whose tiles the table has, against the reference. */
static void
check_product (ReformerDevice *device)
{
  g_autofree float *y = g_new (float, TOKENS * M), *x = g_new (float, TOKENS * N), *got = NULL;
  g_autofree double *want = g_new0 (double, M * N);
  g_autoptr (ReformerTensor) ty = NULL, tx = NULL, g = NULL;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  test_fill (y, TOKENS * M, 1);
  test_fill (x, TOKENS * N, 2);
  ty = test_tensor (device, y, 2, TOKENS, M);
  tx = test_tensor (device, x, 2, TOKENS, N);
  g = test_tensor (device, NULL, 2, M, N);
  for (int t = 0; t < TOKENS; t++)
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++)
        want[i * N + j] += (double) y[t * M + i] * (double) x[t * N + j];
  reformer_product_tokens (&run, reformer_span (ty), M, reformer_span (tx), N, reformer_span (g), N, M, N, TOKENS);
  assert_run (&run);
  got = test_floats (g);
  assert_close ("gradient", got, want, M * N, 1e-6);
}

/* Each in a process of its own: a device keeps what it has built. */
static void
test_refused (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = test_new_device ();
      const gboolean wide = reformer_device_is_wide (device);
      const char *family = wide ? "wide/product-tokens" : "simt/product";
      g_autofree char *text = NULL;

      check_product (device); /* loads the resource */
      reformer_device_close (device);
      g_clear_object (&device);
      device = test_new_device ();
      text = spoil (family, wide ? "TN == 256" : "SIDE == 8");
      reformer_program_add_source (device, family, text);
      g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "-D*these tiles are refused*-D* is used instead");
      check_product (device);
      g_test_assert_expected_messages ();
      check_product (device);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

/* Where no row builds, the driver's message is the error. */
static void
test_none (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = test_new_device ();
      const gboolean wide = reformer_device_is_wide (device);
      const char *family = wide ? "wide/product-tokens" : "simt/product";
      g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 2, TOKENS, N), g = test_tensor (device, NULL, 2, N, N);
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (GError) error = NULL;

      reformer_program_add_source (device, family, "#error nothing builds\n");
      for (int rows = wide ? 4 : 3; rows > 1; rows--)
        g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*is used instead");
      reformer_product_tokens (&run, reformer_span (x), N, reformer_span (x), N, reformer_span (g), N, N, N, TOKENS);
      g_test_assert_expected_messages ();
      g_assert_false (reformer_run_finish (&run, &error));
      g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED);
      g_assert_nonnull (strstr (error->message, "nothing builds"));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

/* Local attention, forward and backward: the gradients of queries, keys and values in one. */
static float *
attend (ReformerDevice *device,
        int             length,
        int             chunk)
{
  const gsize n = (gsize) length * 8;
  g_autofree float *values = g_new (float, n), *all = g_new (float, 3 * n);
  g_autoptr (ReformerTensor) out = test_tensor (device, NULL, 2, length, 8), stats = test_tensor (device, NULL, 2, length, 2), deltas = NULL;
  ReformerTensor *inputs[4], *gradients[3];
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  ReformerAttentionArgs a = { .rows = 1, .T = length, .stride = 8, .heads = 1, .head_size = 8, .scale = 0.5f, .rounds = 1, .chunk = chunk, .before = 1, .circular = TRUE, .causal = TRUE };

  for (guint i = 0; i < 4; i++)
    {
      test_fill (values, n, i + 1);
      inputs[i] = test_tensor (device, values, 2, length, 8);
    }
  for (guint i = 0; i < 3; i++)
    gradients[i] = test_tensor (device, NULL, 2, length, 8);
  a.q = reformer_span (inputs[0]);
  a.k = reformer_span (inputs[1]);
  a.v = reformer_span (inputs[2]);
  reformer_attention_forward (&run, &a, reformer_span (out), reformer_span (stats));
  deltas = reformer_attention_deltas (&run, &a, reformer_span (out), reformer_span (inputs[3]));
  reformer_attention_backward (&run, &a, reformer_span (deltas), reformer_span (stats), reformer_span (inputs[3]), reformer_span (gradients[0]), reformer_span (gradients[1]),
                               reformer_span (gradients[2]));
  assert_run (&run);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree float *got = test_floats (gradients[i]);

      memcpy (all + i * n, got, n * sizeof *got);
      g_object_unref (gradients[i]);
    }
  for (guint i = 0; i < 4; i++)
    g_object_unref (inputs[i]);
  return g_steal_pointer (&all);
}

static void
check_attention (ReformerDevice *device,
                 const float    *wanted,
                 int             length,
                 int             chunk)
{
  g_autofree float *got = attend (device, length, chunk);
  g_autofree double *exact = g_new (double, (gsize) length * 24);

  for (int i = 0; i < length * 24; i++)
    exact[i] = (double) wanted[i];
  assert_close ("gradients", got, exact, (gsize) length * 24, 1e-5);
}

/* Programs of one operation are refused apart from each other: the tiles of the backward pass while those of the forward pass build, and the walk along chunks. */
static void
test_attention (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = test_new_device ();
      g_autofree float *short_chunks = attend (device, 128, 32), *long_chunks = attend (device, 200, 100);
      g_autofree char *tiles = NULL, *chain = NULL;

      reformer_device_close (device);
      g_clear_object (&device);
      device = test_new_device ();
      tiles = spoil ("wide/attention-backward", "KEYS == 64");
      chain = spoil ("wide/attention-chain", "SLOTS");
      reformer_program_add_source (device, "wide/attention-backward", tiles);
      reformer_program_add_source (device, "wide/attention-chain", chain);
      g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*-DQUERIES=64 -DKEYS=64*these tiles are refused*-DQUERIES=32 -DKEYS=32 is used instead");
      check_attention (device, long_chunks, 200, 100);
      g_test_assert_expected_messages ();
      g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*-DSLOTS=2*these tiles are refused*wide/attention-backward is used instead");
      check_attention (device, short_chunks, 128, 32);
      g_test_assert_expected_messages ();
      check_attention (device, short_chunks, 128, 32);
      check_attention (device, long_chunks, 200, 100);
      return;
    }
  {
    g_autoptr (ReformerDevice) device = test_new_device ();

    if (!reformer_device_is_wide (device))
      {
        g_test_skip ("the other kernels are one program");
        return;
      }
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static gsize
no_local (const int    *sizes,
          gconstpointer what)
{
  return 0;
}

static void
trial_options (const int    *sizes,
               gconstpointer what,
               char         *options,
               gsize         size)
{
  g_snprintf (options, size, "-DITEMS=%d", sizes[0]);
}

static int
choose_trial (ReformerDevice *device)
{
  static const ReformerTuningUse use = { "trial", no_local, NULL, NULL, trial_options };
  char options[REFORMER_TUNING_OPTIONS];
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const ReformerTuning *row = reformer_tuning_choose (&run, REFORMER_TUNED_SIMT_HASH, &use, NULL, options);

  assert_run (&run);
  g_assert_nonnull (row);
  return row->sizes[0];
}

/* A planner takes the row that its device has come to. */
static void
test_planner (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = test_new_device ();
      g_autoptr (ReformerDevice) before = reformer_device_new_planner (device), after = NULL;

      reformer_program_add_source (device, "trial", "#if ITEMS == 64\n#error these tiles are refused\n#endif\n__kernel void nothing (void) {}\n");
      g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "-DITEMS=64*these tiles are refused*-DITEMS=32 is used instead");
      g_assert_cmpint (choose_trial (device), ==, 32);
      g_test_assert_expected_messages ();
      after = reformer_device_new_planner (device);
      g_assert_cmpint (choose_trial (after), ==, 32);
      g_assert_cmpint (choose_trial (before), ==, 64);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static const char limits_source[] =
  "__kernel void turn (SPAN (float, x))\n"
  "{\n"
  "  BEGIN (float, x);\n"
  "  __local float much[LENGTH];\n"
  "  const int i = get_local_id (0), n = get_local_size (0);\n"
  "  for (int j = i; j < LENGTH; j += n)\n"
  "    much[j] = x[j % n];\n"
  "  barrier (CLK_LOCAL_MEM_FENCE);\n"
  "  x[i] = much[(LENGTH - 1 - i) % n];\n"
  "}\n";

/* A kernel in groups of so many, with that many bytes of local memory. NULL, or what it is told. */
static char *
turn (ReformerDevice *device,
      gsize           items,
      guint           bytes)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 64);
  g_autofree char *options = g_strdup_printf ("-DLENGTH=%u", bytes / 4);
  g_autoptr (GError) error = NULL;

  reformer_program_add_source (device, "test-limits", limits_source);
  REFORMER_LAUNCH (&run, "test-limits", options, "turn", reformer_grid_groups (1, 1, 1, items, 1), REFORMER_SPAN (reformer_span (x)));
  if (reformer_run_finish (&run, &error))
    return NULL;
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT);
  return g_strdup (error->message);
}

static void
assert_told (const char *pattern,
             char       *message)
{
  g_autofree char *seen = message;

  if (seen == NULL || !g_pattern_match_simple (pattern, seen))
    g_error ("\"%s\" does not match \"%s\"", seen, pattern);
}

/* The device says of itself what the environment allows, and gives a kernel no more. */
static void
test_limits (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = NULL;

      g_setenv ("REFORMER_LIMITS", "local=40960,group=32,allocation=1048576,nothing=1", TRUE);
      g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "REFORMER_LIMITS: \"nothing=1\"; wanted local=BYTES*");
      device = test_new_device ();
      g_assert_cmpuint (reformer_device_get_local_memory (device), <=, 40960);
      g_assert_cmpuint (reformer_device_get_max_group (device), <=, 32);
      g_assert_cmpuint (reformer_device_get_max_allocation (device), <=, 1048576);
      if (g_getenv ("REFORMER_KERNELS") == NULL)
        g_assert_false (reformer_device_is_wide (device));
      check_product (device);

      g_assert_null (turn (device, 32, 16384));
      assert_told ("*: kernel turn (test-limits) wants groups of 64 work-items; the device takes at most 32", turn (device, 64, 16384));
      if (reformer_device_get_local_memory (device) == 40960)
        {
          g_assert_null (turn (device, 32, 40960));
          assert_told ("*: kernel turn (test-limits) takes 40964 bytes of local memory; the device has 40960", turn (device, 32, 40964));
        }
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/tuning/refused", test_refused);
  g_test_add_func ("/tuning/none", test_none);
  g_test_add_func ("/tuning/attention", test_attention);
  g_test_add_func ("/tuning/planner", test_planner);
  g_test_add_func ("/tuning/limits", test_limits);

  return test_run ();
}
