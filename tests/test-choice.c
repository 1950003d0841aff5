/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "ops/choice.h"

#include <math.h>

static ReformerDevice *device;

/* The first of the greatest; 0 where nothing is a number. */
static gint32
reference (const float *logits,
           int          classes)
{
  float top = -HUGE_VALF;
  gint32 at = 0;

  for (int c = 0; c < classes; c++)
    if (logits[c] > top)
      {
        top = logits[c];
        at = c;
      }
  return at;
}

static void
check_shape (int count,
             int classes,
             int ld)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize n = 3 + (gsize) count * ld;
  g_autofree float *logits = g_new (float, n);
  g_autofree gint32 *before = g_new (gint32, count + 2), *got = NULL;
  g_autoptr (ReformerTensor) xs = NULL, choices = NULL;

  test_fill (logits, n, 1);
  for (gsize i = 0; i < n; i++)
    logits[i] = roundf (logits[i] * 8); /* many ties */
  for (int r = 0; r < count; r++)
    for (int c = 0; c < classes; c++)
      {
        float *x = logits + 3 + (gsize) r * ld + c;

        if (r % 7 == 2)
          *x = -HUGE_VALF;
        else if (r % 7 == 3 && c % 2 == 0)
          *x = NAN;
        else if (r % 7 == 4)
          *x = -1e9f - (float) (c % 3) * 1e6f;
      }
  for (int i = 0; i < count + 2; i++)
    before[i] = -7;
  xs = test_tensor (device, logits, 1, (int) n);
  choices = test_tensor_int (device, before, 1, count + 2);
  reformer_choose (&run, reformer_at (xs, 3), ld, reformer_at (choices, 1), count, classes);
  assert_run (&run);
  got = test_ints (choices);
  g_assert_cmpint (got[0], ==, -7);
  g_assert_cmpint (got[count + 1], ==, -7);
  for (int r = 0; r < count; r++)
    g_assert_cmpint (got[1 + r], ==, reference (logits + 3 + (gsize) r * ld, classes));
}

static void
test_shapes (void)
{
  check_shape (8, 1, 1);
  check_shape (8, 2, 3);
  check_shape (7, 17, 20);
  check_shape (7, 64, 64);
  if (test_device_slow (device))
    return;
  check_shape (1000, 5, 5);
  check_shape (300, 258, 272);
  check_shape (8, 5000, 5001);
  check_shape (3, 100000, 100000);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/choice/shapes", test_shapes);
  status = test_run ();
  g_object_unref (device);
  return status;
}
