/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "compute/device-state.h"
#include "compute/program.h"

#include <string.h>

/* Launches whose groups take tile after tile. */

static ReformerDevice *device;

static const char source[] =
  "__kernel void visit (TICKETS, SPAN (int, seen), int width, int height, int by)\n"
  "{\n"
  "  BEGIN (int, seen);\n"
  "  EACH_TILE (id)\n"
  "    seen[(id.z * height + id.y) * width + id.x] += by;\n"
  "}\n";

/* Every launch visits each of its tiles once and no other, whatever the ones before it left. */
static void
visit_all (void)
{
  static const int sizes[][3] = { { 1, 1, 1 }, { 7, 1, 1 }, { 1, 5, 1 }, { 1, 1, 3 }, { 13, 2, 3 }, { 64, 3, 1 }, { 2, 2, 2 } };
  enum { MOST = 64 * 3, REPEATS = 3 };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) seen = reformer_run_new (&run, REFORMER_DTYPE_INT32, 2, (gint64) G_N_ELEMENTS (sizes), (gint64) MOST);
  gint32 values[G_N_ELEMENTS (sizes)][MOST];

  reformer_run_fill (&run, reformer_span (seen), 0, G_N_ELEMENTS (sizes) * MOST);
  for (int repeat = 0; repeat < REPEATS; repeat++)
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
      REFORMER_LAUNCH (&run, "test-launch", NULL, "visit", reformer_grid_shared (device, sizes[i][0], sizes[i][1], sizes[i][2]),
                       REFORMER_SPAN (reformer_at (seen, i * MOST)), REFORMER_INT (sizes[i][0]), REFORMER_INT (sizes[i][1]), REFORMER_INT (i + 1));
  reformer_run_read (&run, reformer_span (seen), values, G_N_ELEMENTS (sizes) * MOST);
  assert_run (&run);
  for (int i = 0; i < (int) G_N_ELEMENTS (sizes); i++)
    for (int j = 0; j < MOST; j++)
      g_assert_cmpint (values[i][j], ==, j < sizes[i][0] * sizes[i][1] * sizes[i][2] ? REPEATS * (i + 1) : 0);
}

static void
test_shared (void)
{
  visit_all ();
}

/* The count of tickets passes 2^32 and begins at 0 again. */
static void
test_wrap (void)
{
  const guint32 almost = G_MAXUINT32 - 20;

  reformer_device_lock (device);
  g_assert_cmpint (reformer_cl_enqueue_fill (device->queue, device->tickets, &almost, sizeof almost, 0, sizeof almost, NULL), ==, CL_SUCCESS);
  device->next_ticket = almost;
  reformer_device_unlock (device);
  visit_all ();
  g_assert_cmpuint (device->next_ticket, <, almost);
}

/* A launch that fails draws no tickets. */
static void
test_failed (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) seen = test_tensor (device, NULL, 1, 8);
  const guint32 next = device->next_ticket;

  REFORMER_LAUNCH (&run, "test-launch", NULL, "visit", reformer_grid_shared (device, 8, 1, 1), REFORMER_SPAN (reformer_span (seen)), REFORMER_INT (8),
                   REFORMER_INT (1), REFORMER_INT (1), REFORMER_INT (1));
  g_assert_nonnull (run.error);
  g_assert_nonnull (strstr (run.error->message, "argument 7 of kernel visit"));
  g_clear_error (&run.error);
  g_assert_cmpuint (device->next_ticket, ==, next);
  /* nothing is launched for no tiles */
  REFORMER_LAUNCH (&run, "test-launch", NULL, "visit", reformer_grid_shared (device, 0, 4, 1), REFORMER_SPAN (reformer_span (seen)), REFORMER_INT (0),
                   REFORMER_INT (4), REFORMER_INT (1));
  assert_run (&run);
  g_assert_cmpuint (device->next_ticket, ==, next);
  visit_all ();
}

int
main (int   argc,
      char *argv[])
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  reformer_program_add_source (device, "test-launch", source);

  g_test_add_func ("/launch/shared", test_shared);
  g_test_add_func ("/launch/wrap", test_wrap);
  g_test_add_func ("/launch/failed", test_failed);

  status = test_run ();
  g_object_unref (device);
  return status;
}
