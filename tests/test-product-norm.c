/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "ops/product.h"

#include <math.h>

/* Products whose rows are normalised first, beside double precision and, to the bit, beside norm and product one after the other. */

#define EPS 1e-3f

static ReformerDevice *device;

typedef struct
{
  int      m, n, width;
  gboolean two, transpose, packed, leave;
} Case;

static ReformerTensor *
filled (guint seed,
        int   rows,
        int   columns)
{
  g_autofree float *values = g_new (float, (gsize) rows * columns);

  test_fill (values, (gsize) rows * columns, seed);
  return test_tensor (device, values, 2, rows, columns);
}

/* u [m, k] */
static void
reference_norm (const Case  *c,
                const float *x1,
                const float *x2,
                const float *weight,
                const float *bias,
                double      *u)
{
  const int k = c->two ? 2 * c->width : c->width;

  for (int i = 0; i < c->m; i++)
    {
      double *row = u + (gsize) i * k, mean = 0, variance = 0;

      for (int l = 0; l < k; l++)
        {
          row[l] = (double) (l < c->width ? x1[i * c->width + l] : x2[i * c->width + l - c->width]);
          mean += row[l] / k;
        }
      for (int l = 0; l < k; l++)
        variance += (row[l] - mean) * (row[l] - mean) / k;
      for (int l = 0; l < k; l++)
        row[l] = (row[l] - mean) / sqrt (variance + (double) EPS) * (double) weight[l] + (double) bias[l];
    }
}

static void
check (const Case *c)
{
  const int k = c->two ? 2 * c->width : c->width;
  g_autofree char *name = g_strdup_printf ("%d, %d, %d, two %d, transpose %d, packed %d, leave %d", c->m, c->n, k, c->two, c->transpose, c->packed, c->leave);
  g_autoptr (ReformerTensor) x1 = filled (1, c->m, c->width), x2 = filled (2, c->m, c->width), weight = filled (3, 1, k), shift = filled (4, 1, k);
  g_autoptr (ReformerTensor) w = filled (5, c->n, k), bias = filled (6, 1, c->n), got = filled (7, c->m, c->n), wanted = filled (8, c->m, c->n);
  g_autoptr (ReformerTensor) left = filled (9, c->m, k), u = filled (10, c->m, k), packed = NULL;
  const ReformerNorm norm = { .x1 = reformer_span (x1), .x2 = c->two ? reformer_span (x2) : REFORMER_NOTHING, .ldx = c->width, .width = c->width,
                              .weight = reformer_span (weight), .bias = reformer_span (shift), .eps = EPS };
  ReformerProduct product = { .m = c->m, .n = c->n, .k = k, .x = reformer_span (u), .ldx = k, .w = reformer_span (w), .ldw = c->transpose ? k : c->n,
                              .transpose = c->transpose, .bias = reformer_span (bias), .y = reformer_span (wanted), .ldy = c->n };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autofree double *rows = g_new (double, (gsize) c->m * k), *results = g_new (double, (gsize) c->m * c->n);
  g_autofree float *a = NULL, *b = NULL, *values = NULL, *first = test_floats (x1), *second = test_floats (x2), *scales = test_floats (weight);
  g_autofree float *shifts = test_floats (shift), *weights = test_floats (w), *biases = test_floats (bias), *l = NULL;

  if (c->packed)
    product.packed = packed = reformer_product_pack (&run, product.w, c->n, k, product.ldw, c->transpose);
  reformer_norm_forward (&run, &norm, c->m, reformer_span (u), k);
  reformer_product_rows (&run, &product);
  product.x = REFORMER_NOTHING;
  product.norm = &norm;
  product.u = c->leave ? reformer_span (left) : REFORMER_NOTHING;
  product.y = reformer_span (got);
  reformer_product_rows (&run, &product);
  assert_run (&run);

  a = test_floats (got);
  b = test_floats (wanted);
  g_assert_cmpmem (a, sizeof *a * c->m * c->n, b, sizeof *b * c->m * c->n);
  reference_norm (c, first, second, scales, shifts, rows);
  for (int i = 0; i < c->m; i++)
    for (int j = 0; j < c->n; j++)
      {
        double sum = (double) biases[j];

        for (int z = 0; z < k; z++)
          sum += rows[(gsize) i * k + z] * (double) weights[c->transpose ? (gsize) j * k + z : (gsize) z * c->n + j];
        results[(gsize) i * c->n + j] = sum;
      }
  assert_close (name, a, results, (gsize) c->m * c->n, 1e-5);
  if (c->leave)
    {
      l = test_floats (left);
      values = test_floats (u);
      g_assert_cmpmem (l, sizeof *l * c->m * k, values, sizeof *values * c->m * k);
    }
}

static void
test_tiny (void)
{
  static const Case cases[] = { { 1, 20, 6, FALSE, TRUE, TRUE, TRUE }, { 5, 34, 19, FALSE, FALSE, TRUE, FALSE }, { 3, 5, 130, TRUE, TRUE, FALSE, FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
}

static void
test_shapes (void)
{
  static const int shapes[][3] = { { 1, 40, 300 }, { 3, 33, 30 }, { 12, 64, 257 }, { 13, 70, 520 }, { 100, 300, 64 }, { 1100, 48, 300 }, { 200, 400, 20 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (int variant = 0; variant < 4; variant++)
      {
        const Case c = { shapes[i][0], shapes[i][1], shapes[i][2], variant & 1, variant != 1, variant != 2, variant == 3 };

        check (&c);
      }
}

int
main (int   argc,
      char *argv[])
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/product-norm/tiny", test_tiny);
  if (!test_device_slow (device))
    g_test_add_func ("/product-norm/shapes", test_shapes);
  status = test_run ();
  g_clear_object (&device);
  return status;
}
