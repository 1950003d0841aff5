/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "compute/clblast.h"
#include "ops/activation-private.h"
#include "ops/product.h"

#include <string.h>

/* Epilogues of products, beside the product and the passes that test-product and test-activation hold against double precision. Three activations: each is a program of its own, which takes
 * its compiler long. */

static ReformerDevice *device;

typedef struct
{
  int                m, n, k;
  gboolean           transpose, packed;
  ReformerActivation activation;
  float              p;
  gsize              first, T;
} Case;

/* All of a product's arrays; `wanted` is what the passes make of the same. */
typedef struct
{
  const Case      *c;
  ReformerTensor  *x, *w, *bias, *packed;
  ReformerTensor  *weight, *shift, *u; /* of a norm before the product, and what it makes of x */
  ReformerDropout  dropout;
} Work;

static ReformerTensor *
filled (guint seed,
        gsize rows,
        gsize columns)
{
  g_autofree float *values = g_new (float, rows * columns);

  test_fill (values, rows * columns, seed);
  return test_tensor (device, values, 2, (int) rows, (int) columns);
}

static void
work_begin (Work       *work,
            const Case *c)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  *work = (Work) { c, filled (1, c->m, c->k), filled (2, c->n, c->k), filled (3, 1, c->n), NULL, filled (6, 1, c->k), filled (7, 1, c->k), filled (1, c->m, c->k),
                    { c->p, 77, 5, 3 } };
  if (c->packed)
    work->packed = reformer_product_pack (&run, reformer_span (work->w), c->n, c->k, c->transpose ? c->k : c->n, c->transpose);
  assert_run (&run);
}

static void
work_end (Work *work)
{
  g_object_unref (work->x);
  g_object_unref (work->w);
  g_object_unref (work->bias);
  g_object_unref (work->weight);
  g_object_unref (work->shift);
  g_object_unref (work->u);
  g_clear_object (&work->packed);
}

static ReformerProduct
product_of (const Work    *work,
            ReformerSpan   y,
            ReformerStore  store)
{
  const Case *c = work->c;

  return (ReformerProduct) { .m = c->m, .n = c->n, .k = c->k, .x = reformer_span (work->x), .ldx = c->k, .w = reformer_span (work->w),
                             .ldw = c->transpose ? c->k : c->n, .transpose = c->transpose, .packed = work->packed, .y = y, .ldy = c->n, .store = store };
}

static void
check_same (const char     *what,
            const Case     *c,
            ReformerTensor *got,
            ReformerTensor *wanted)
{
  g_autofree char *name = g_strdup_printf ("%s: %d, %d, %d, transpose %d, packed %d, activation %d, dropout %g", what, c->m, c->n, c->k, c->transpose, c->packed,
                                           (int) c->activation, (double) c->p);
  g_autofree float *a = test_floats (got), *b = test_floats (wanted);
  g_autofree double *reference = g_new (double, (gsize) c->m * c->n);

  for (int i = 0; i < c->m * c->n; i++)
    reference[i] = b[i];
  assert_close (name, a, reference, (gsize) c->m * c->n, 1e-6);
}

static void
check_forward (const Work    *work,
               ReformerStore  store,
               gboolean       leave,
               gboolean       normalise)
{
  const Case *c = work->c;
  const ReformerRows rows = { c->first, c->m, c->T };
  g_autoptr (ReformerTensor) plain = filled (9, c->m, c->n), before = filled (8, c->m, c->n), got = filled (4, c->m, c->n), wanted = filled (4, c->m, c->n);
  ReformerEpilogue epilogue = { c->activation, &work->dropout, &rows, FALSE, leave ? reformer_span (before) : REFORMER_NOTHING };
  const ReformerNorm norm = { .x1 = reformer_span (work->x), .x2 = REFORMER_NOTHING, .ldx = c->k, .width = c->k, .weight = reformer_span (work->weight),
                              .bias = reformer_span (work->shift), .eps = 1e-3f };
  ReformerProduct product = product_of (work, reformer_span (plain), REFORMER_STORE_SET);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  product.bias = reformer_span (work->bias);
  if (normalise)
    {
      reformer_norm_forward (&run, &norm, c->m, reformer_span (work->u), c->k);
      product.x = reformer_span (work->u);
    }
  reformer_product_rows (&run, &product);
  reformer_activation_store (&run, c->activation, reformer_span (plain), reformer_span (wanted), c->n, &rows, &work->dropout, store);
  product.y = reformer_span (got);
  product.store = store;
  product.epilogue = &epilogue;
  if (normalise)
    {
      product.x = REFORMER_NOTHING;
      product.norm = &norm;
    }
  reformer_product_rows (&run, &product);
  assert_run (&run);
  check_same (normalise ? "forward behind a norm" : "forward", c, got, wanted);
  if (leave)
    check_same ("before", c, before, plain);
}

static void
check_backward (const Work *work)
{
  const Case *c = work->c;
  const ReformerRows rows = { c->first, c->m, c->T };
  g_autoptr (ReformerTensor) before = filled (8, c->m, c->n), got = filled (4, c->m, c->n), wanted = filled (5, c->m, c->n);
  const ReformerEpilogue epilogue = { c->activation, &work->dropout, &rows, TRUE, reformer_span (before) };
  ReformerProduct product = product_of (work, reformer_span (wanted), REFORMER_STORE_SET);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  reformer_product_rows (&run, &product);
  reformer_activation_backward (&run, c->activation, reformer_span (before), reformer_span (wanted), reformer_span (wanted), c->n, &rows, &work->dropout);
  product.y = reformer_span (got);
  product.epilogue = &epilogue;
  reformer_product_rows (&run, &product);
  assert_run (&run);
  check_same ("backward", c, got, wanted);
}

static void
check (const Case *c)
{
  Work work;

  work_begin (&work, c);
  for (int store = REFORMER_STORE_SET; store <= REFORMER_STORE_SUBTRACT; store++)
    check_forward (&work, store, store != REFORMER_STORE_ADD, FALSE);
  check_forward (&work, REFORMER_STORE_SET, FALSE, TRUE);
  check_forward (&work, REFORMER_STORE_SUBTRACT, TRUE, TRUE);
  check_backward (&work);
  work_end (&work);
}

/* In the middle of a sequence, with columns that are no whole vectors, one pass and several, one row and few. */
static void
test_tiny (void)
{
  static const Case cases[] = {
    { 5, 12, 6, TRUE, TRUE, REFORMER_ACTIVATION_RELU, 0.25f, 1024, 3 },
    { 3, 9, 260, FALSE, FALSE, REFORMER_ACTIVATION_LINEAR, 0.5f, 0, 2 },
    { 1, 20, 4, TRUE, FALSE, REFORMER_ACTIVATION_LINEAR, 0.25f, 2048, 700 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
}

static void
test_shapes (void)
{
  static const int shapes[][3] = { { 1, 40, 300 }, { 2, 33, 30 }, { 4, 64, 257 }, { 13, 70, 520 }, { 24, 32, 256 }, { 100, 100, 64 }, { 1100, 48, 300 }, { 50, 400, 20 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (int variant = 0; variant < 4; variant++)
      {
        const Case c = { shapes[i][0], shapes[i][1], shapes[i][2], variant & 1, variant >= 2, variant & 1 ? REFORMER_ACTIVATION_LAPLACE : REFORMER_ACTIVATION_RELU,
                         variant == 1 || variant == 2 ? 0.3f : 0.0f, variant == 2 ? 1024 : 0, variant == 0 ? 5000 : 700 };

        check (&c);
      }
}

/* The bits of a row do not depend on how many there are in a call. */
static void
test_rows_alone (void)
{
  const Case c = { 60, 72, 300, TRUE, TRUE, REFORMER_ACTIVATION_LAPLACE, 0.2f, 0, 25 };
  const ReformerRows all = { 0, 60, 25 };
  static const int counts[] = { 1, 3, 13, 43 };
  g_autoptr (ReformerTensor) whole = filled (4, c.m, c.n), pieces = filled (4, c.m, c.n);
  ReformerEpilogue epilogue = { c.activation, NULL, &all, FALSE, REFORMER_NOTHING };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autofree float *a = NULL;
  g_autofree float *b = NULL;
  ReformerProduct product;
  gsize at = 0;
  Work work;

  work_begin (&work, &c);
  epilogue.dropout = &work.dropout;
  product = product_of (&work, reformer_span (whole), REFORMER_STORE_ADD);
  product.epilogue = &epilogue;
  reformer_product_rows (&run, &product);
  for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
    {
      const ReformerRows rows = { at, counts[i], all.T };

      epilogue.rows = &rows;
      product.m = counts[i];
      product.x = reformer_at (work.x, at * c.k);
      product.y = reformer_at (pieces, at * c.n);
      reformer_product_rows (&run, &product);
      at += counts[i];
    }
  assert_run (&run);
  a = test_floats (whole);
  b = test_floats (pieces);
  g_assert_cmpmem (a, sizeof *a * c.m * c.n, b, sizeof *b * c.m * c.n);
  work_end (&work);
}

/* Whole blocks go to CLBlast, whose epilogue is a pass; what is left does not. */
static void
test_clblast (void)
{
  static const Case cases[] = { { 1100, 20, 40, TRUE, FALSE, REFORMER_ACTIVATION_LAPLACE, 0.25f, 1024, 700 }, { 1024, 12, 300, FALSE, FALSE, REFORMER_ACTIVATION_RELU, 0, 0, 2048 } };

  if (reformer_device_is_wide (device))
    {
      g_test_skip ("for the simt dialect");
      return;
    }
  if (!reformer_clblast_available ())
    {
      g_test_skip ("built without CLBlast");
      return;
    }
  g_setenv ("REFORMER_CLBLAST", "on", TRUE);
  g_assert_true (reformer_product_by_clblast (device, 1, 1));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
  g_unsetenv ("REFORMER_CLBLAST");
}

int
main (int   argc,
      char *argv[])
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();

  g_test_add_func ("/epilogue/tiny", test_tiny);
  g_test_add_func ("/epilogue/rows-alone", test_rows_alone);
  if (!test_device_slow (device))
    {
      g_test_add_func ("/epilogue/shapes", test_shapes);
      g_test_add_func ("/epilogue/clblast", test_clblast);
    }

  status = test_run ();
  g_object_unref (device);
  return status;
}
