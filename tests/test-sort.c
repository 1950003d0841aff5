/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "ops/hash.h"

/* The counting sort against a plain stable one. `tiny` is small enough for oclgrind. */

static ReformerDevice *device;

typedef struct
{
  const char *name;
  gsize       slots;
  int         T, n_buckets;
  gboolean    few; /* only some buckets occur, in runs */
} Case;

static const Case cases[] = {
  { "tiny", 2, 100, 9, FALSE },
  { "one-token", 1, 1, 1, FALSE },
  { "one-bucket", 3, 100, 1, FALSE },
  { "t63", 2, 63, 2, FALSE },
  { "t64", 5, 64, 7, FALSE },
  { "t65", 1, 65, 64, FALSE },
  { "t2048", 3, 2048, 33, FALSE },
  { "t2049", 2, 2049, 513, FALSE },
  { "t5000", 8, 5000, 129, FALSE },
  { "t5000-runs", 2, 5000, 512, TRUE },
  { "t40000", 2, 40000, 64, FALSE },
  { "all-buckets", 2, 3000, 65536, FALSE },
  { "all-buckets-long", 1, 300000, 65536, FALSE },
};

static void
test_sort (gconstpointer data)
{
  const Case *c = data;
  const gsize n = c->slots * c->T;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree guint16 *buckets = g_new (guint16, n);
  g_autofree gint32 *want = g_new (gint32, n);
  g_autofree gint32 *order = g_new0 (gint32, n + 1);
  g_autofree gint32 *next = g_new (gint32, c->n_buckets + 1);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) buckets_t = reformer_run_new (&run, REFORMER_DTYPE_UINT16, 1, (gint64) n);
  g_autoptr (ReformerTensor) order_t = reformer_run_new (&run, REFORMER_DTYPE_INT32, 1, (gint64) n + 1);
  GError *error = NULL;

  for (gsize i = 0; i < n; i++)
    {
      if (c->few && i % 100 != 0)
        buckets[i] = buckets[i - 1];
      else
        buckets[i] = g_rand_int_range (rand, 0, c->n_buckets);
    }
  for (gsize s = 0; s < c->slots; s++)
    {
      for (int b = 0; b <= c->n_buckets; b++)
        next[b] = 0;
      for (int t = 0; t < c->T; t++)
        next[buckets[s * c->T + t] + 1]++;
      for (int b = 0; b < c->n_buckets; b++)
        next[b + 1] += next[b];
      for (int t = 0; t < c->T; t++)
        want[s * c->T + next[buckets[s * c->T + t]]++] = t;
    }
  order[n] = -7;
  reformer_run_write (&run, reformer_span (buckets_t), buckets, n);
  reformer_run_write (&run, reformer_span (order_t), order, n + 1);
  for (int i = 0; i < 2; i++)
    {
      reformer_sort_buckets (&run, reformer_span (buckets_t), (gsize) c->T, c->slots, c->T, c->n_buckets, reformer_span (order_t));
      reformer_run_read (&run, reformer_span (order_t), order, n + 1);
      g_assert_true (reformer_run_ok (&run));
      g_assert_cmpmem (order, 4 * n, want, 4 * n);
      g_assert_cmpint (order[n], ==, -7);
    }
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
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
      g_autofree char *path = g_strconcat ("/sort/", cases[i].name, NULL);

      if (i > 1 && test_device_slow (device))
        break;
      g_test_add_data_func (path, &cases[i], test_sort);
    }
  result = test_run ();
  g_object_unref (device);
  return result;
}
