/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tiles are chosen from what the device has; a row of the table that the driver does not build is told of once, and another is taken. */
#include "common.h"
#include "compute/program.h"
#include "ops/product.h"

#include <string.h>

#define M 24
#define N 40
#define T 96

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
  g_autofree float *y = g_new (float, T * M), *x = g_new (float, T * N), *got = NULL;
  g_autofree double *want = g_new0 (double, M * N);
  g_autoptr (ReformerTensor) ty = NULL, tx = NULL, g = NULL;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  test_fill (y, T * M, 1);
  test_fill (x, T * N, 2);
  ty = test_tensor (device, y, 2, T, M);
  tx = test_tensor (device, x, 2, T, N);
  g = test_tensor (device, NULL, 2, M, N);
  for (int t = 0; t < T; t++)
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++)
        want[i * N + j] += (double) y[t * M + i] * (double) x[t * N + j];
  reformer_product_tokens (&run, reformer_span (ty), M, reformer_span (tx), N, reformer_span (g), N, M, N, T);
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
      g_autoptr (ReformerDevice) device = test_device ();
      const gboolean wide = reformer_device_is_wide (device);
      const char *family = wide ? "wide/product" : "simt/product";
      g_autofree char *text = NULL;

      check_product (device); /* loads the resource */
      reformer_device_close (device);
      g_clear_object (&device);
      device = test_device ();
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
      g_autoptr (ReformerDevice) device = test_device ();
      const gboolean wide = reformer_device_is_wide (device);
      const char *family = wide ? "wide/product" : "simt/product";
      g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 2, T, N), g = test_tensor (device, NULL, 2, N, N);
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (GError) error = NULL;

      reformer_program_add_source (device, family, "#error nothing builds\n");
      for (int rows = wide ? 4 : 3; rows > 1; rows--)
        g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "*is used instead");
      reformer_product_tokens (&run, reformer_span (x), N, reformer_span (x), N, reformer_span (g), N, N, N, T);
      g_test_assert_expected_messages ();
      g_assert_false (reformer_run_finish (&run, &error));
      g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED);
      g_assert_nonnull (strstr (error->message, "nothing builds"));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

/* The device says of itself what the environment allows. */
static void
test_limits (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = NULL;

      g_setenv ("REFORMER_LIMITS", "local=40960,group=32,allocation=1048576,nothing=1", TRUE);
      g_test_expect_message ("Reformer", G_LOG_LEVEL_WARNING, "REFORMER_LIMITS: \"nothing=1\"; wanted local=BYTES*");
      device = test_device ();
      g_assert_cmpuint (reformer_device_get_local_memory (device), <=, 40960);
      g_assert_cmpuint (reformer_device_get_max_group (device), <=, 32);
      g_assert_cmpuint (reformer_device_get_max_allocation (device), <=, 1048576);
      if (g_getenv ("REFORMER_KERNELS") == NULL)
        g_assert_false (reformer_device_is_wide (device));
      check_product (device);
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
  g_test_add_func ("/tuning/limits", test_limits);

  return g_test_run ();
}
