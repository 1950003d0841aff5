/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "compute/clblast.h"
#include "ops/product.h"

#include <dlfcn.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* Around every matrix, and between its rows: not a number where nothing may be read, a mark where nothing may be written. */
#define MARK 12345.0f
#define BEFORE 5

static ReformerDevice *device;

/* A matrix of rows x columns in a tensor, at an offset and with room between the rows. */
typedef struct
{
  gsize           rows, columns, ld, n;
  float          *values; /* all of the tensor */
  ReformerTensor *tensor;
} Matrix;

static guint32 state = 1;

/* Of all results, told at the end: equal for 1 and more compute units of a device. */
static guint64 checksum = 14695981039346656037u;

static float
number (void)
{
  state = state * 1664525 + 1013904223;
  return (float) (state >> 8) / (1 << 23) - 1.0f;
}

static ReformerSpan
at (const Matrix *matrix,
    gsize         row)
{
  return reformer_at (matrix->tensor, BEFORE + row * matrix->ld);
}

static float *
cell (const Matrix *matrix,
      gsize         row,
      gsize         column)
{
  return matrix->values + BEFORE + row * matrix->ld + column;
}

static void
matrix_write (Matrix *self)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;

  reformer_run_write (&run, reformer_span (self->tensor), self->values, self->n);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
}

static Matrix
matrix_new (gsize rows,
            gsize columns,
            gsize room,
            float outside)
{
  Matrix self = { rows, columns, columns + room, BEFORE + rows * (columns + room) + 3, NULL, NULL };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;

  self.values = g_new (float, self.n);
  for (gsize i = 0; i < self.n; i++)
    self.values[i] = outside;
  for (gsize i = 0; i < rows; i++)
    for (gsize j = 0; j < columns; j++)
      *cell (&self, i, j) = number ();
  self.tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) self.n);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
  matrix_write (&self);
  return self;
}

static void
matrix_clear (Matrix *self)
{
  g_clear_pointer (&self->values, g_free);
  g_clear_object (&self->tensor);
}

static float *
matrix_read (const Matrix *self)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;
  float *values = g_new (float, self->n);

  reformer_run_read (&run, reformer_span (self->tensor), values, self->n);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < self->n; i++)
    {
      guint32 bits;

      memcpy (&bits, &values[i], sizeof bits);
      checksum = (checksum ^ bits) * 1099511628211u;
    }
  return values;
}

/* Nothing outside the matrix was written. */
static void
check_outside (const Matrix *self,
               const float  *got)
{
  for (gsize i = 0; i < self->n; i++)
    if (i < BEFORE || (i - BEFORE) / self->ld >= self->rows || (i - BEFORE) % self->ld >= self->columns)
      g_assert_cmpfloat (got[i], ==, MARK);
}

static void
check_value (double      got,
             double      wanted,
             double      size,
             const char *what,
             gsize       i,
             gsize       j)
{
  if (!(fabs (got - wanted) <= 1e-6 * size + 1e-6))
    g_error ("%s: element %" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT " is %.9g, wanted %.9g", what, i, j, got, wanted);
}

static void
product_rows (const ReformerProduct *product)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;

  reformer_product_rows (&run, product);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
}

static ReformerTensor *
product_pack (const ReformerProduct *product)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;
  ReformerTensor *packed = reformer_product_pack (&run, product->w, product->n, product->k, product->ldw, product->transpose);

  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
  g_assert_true ((packed != NULL) == reformer_device_is_wide (device));
  return packed;
}

static void
check_rows (int           m,
            int           n,
            int           k,
            gboolean      transpose,
            gboolean      pack,
            ReformerStore store,
            gboolean      biased)
{
  Matrix x = matrix_new (m, k, 2, NAN), w = transpose ? matrix_new (n, k, 3, NAN) : matrix_new (k, n, 3, NAN);
  Matrix bias = matrix_new (1, n, 0, NAN), y = matrix_new (m, n, 1, MARK);
  ReformerProduct product = { m, n, k, at (&x, 0), x.ld, at (&w, 0), w.ld, transpose, NULL, REFORMER_NOTHING, at (&y, 0), y.ld, store };
  g_autofree char *what = g_strdup_printf ("rows %d, %d, %d, transpose %d, packed %d, store %d, bias %d", m, n, k, transpose, pack, store, biased);
  g_autofree float *got = NULL;
  g_autofree float *again = NULL;

  if (biased)
    product.bias = at (&bias, 0);
  if (pack)
    product.packed = product_pack (&product);
  product_rows (&product);
  got = matrix_read (&y);
  check_outside (&y, got);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++)
      {
        const double old = *cell (&y, i, j);
        double sum = biased ? *cell (&bias, 0, j) : 0, size = fabs (sum) + fabs (old);

        for (int l = 0; l < k; l++)
          {
            const double term = (double) *cell (&x, i, l) * (double) (transpose ? *cell (&w, j, l) : *cell (&w, l, j));

            sum += term;
            size += fabs (term);
          }
        check_value (got[cell (&y, i, j) - y.values], store == REFORMER_STORE_SET ? sum : store == REFORMER_STORE_ADD ? old + sum : old - sum,
                     size, what, i, j);
      }
  matrix_write (&y);
  product_rows (&product);
  again = matrix_read (&y);
  g_assert_cmpmem (got, y.n * sizeof (float), again, y.n * sizeof (float));
  g_clear_object (&product.packed);
  matrix_clear (&x);
  matrix_clear (&w);
  matrix_clear (&bias);
  matrix_clear (&y);
}

static void
test_rows_shapes (void)
{
  static const int shapes[][3] = { { 1, 1, 1 }, { 1, 3, 17 }, { 3, 1, 3 }, { 2, 16, 16 }, { 1, 257, 300 }, { 3, 33, 17 }, { 4, 64, 513 }, { 5, 17, 33 },
                                   { 6, 48, 40 }, { 7, 7, 7 }, { 12, 32, 256 }, { 13, 31, 257 }, { 16, 130, 64 }, { 17, 257, 33 }, { 33, 3, 257 },
                                   { 37, 41, 29 }, { 100, 96, 512 }, { 257, 77, 531 }, { 1, 1000, 64 }, { 300, 520, 20 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (int transpose = 0; transpose < 2; transpose++)
      for (int pack = 0; pack < 2; pack++)
        check_rows (shapes[i][0], shapes[i][1], shapes[i][2], transpose, pack, REFORMER_STORE_SET, i % 2);
}

static void
test_rows_stores (void)
{
  static const int rows[] = { 1, 2, 4, 9, 30 };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (int store = 0; store < 3; store++)
      for (int biased = 0; biased < 2; biased++)
        for (int transpose = 0; transpose < 2; transpose++)
          for (int pack = 0; pack < 2; pack++)
            check_rows (rows[i], 75, 270, transpose, pack, store, biased);
}

/* A row's bits are the same in a call with any number of rows, packed before or not. */
static void
test_rows_alone (void)
{
  static const int counts[] = { 1, 2, 3, 4, 5, 8, 11, 16, 24, 59 };
  const int m = 120, n = 113, k = 600;

  for (int transpose = 0; transpose < 2; transpose++)
    for (int store = 0; store < 3; store++)
      {
        Matrix x = matrix_new (m, k, 2, NAN), w = transpose ? matrix_new (n, k, 3, NAN) : matrix_new (k, n, 3, NAN);
        Matrix bias = matrix_new (1, n, 0, NAN), y = matrix_new (m, n, 1, MARK);
        ReformerProduct product = { m, n, k, at (&x, 0), x.ld, at (&w, 0), w.ld, transpose, NULL, at (&bias, 0), at (&y, 0), y.ld, store };
        g_autoptr (ReformerTensor) packed = product_pack (&product);
        g_autofree float *whole = NULL;

        product_rows (&product);
        whole = matrix_read (&y);
        for (gsize c = 0; c < G_N_ELEMENTS (counts); c++)
          for (int pack = 0; pack < 2; pack++)
            {
              g_autofree float *got = NULL;

              matrix_write (&y);
              product.packed = pack ? packed : NULL;
              for (int first = 0; first < m; first += counts[c])
                {
                  product.m = MIN (counts[c], m - first);
                  product.x = at (&x, first);
                  product.y = at (&y, first);
                  product_rows (&product);
                }
              got = matrix_read (&y);
              g_assert_cmpmem (got, y.n * sizeof (float), whole, y.n * sizeof (float));
            }
        matrix_clear (&x);
        matrix_clear (&w);
        matrix_clear (&bias);
        matrix_clear (&y);
      }
}

static void
product_tokens (const Matrix *y,
                const Matrix *x,
                const Matrix *g,
                gsize         piece)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;

  for (gsize first = 0; first < x->rows; first += piece)
    reformer_product_tokens (&run, at (y, first), y->ld, at (x, first), x->ld, at (g, 0), g->ld, g->rows, g->columns, MIN (piece, x->rows - first));
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
}

/* In one call, again, and in pieces: the same bits, and near the sum in double precision. */
static void
check_tokens (int   m,
              int   n,
              gsize t)
{
  Matrix y = matrix_new (t, m, 2, NAN), x = matrix_new (t, n, 1, NAN), g = matrix_new (m, n, 3, MARK);
  g_autofree char *what = g_strdup_printf ("tokens %d, %d, %" G_GSIZE_FORMAT, m, n, t);
  g_autofree float *got = NULL;

  product_tokens (&y, &x, &g, t);
  got = matrix_read (&g);
  check_outside (&g, got);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++)
      {
        double sum = *cell (&g, i, j), size = fabs (sum);

        for (gsize l = 0; l < t; l++)
          {
            const double term = (double) *cell (&y, l, i) * (double) *cell (&x, l, j);

            sum += term;
            size += fabs (term);
          }
        check_value (got[cell (&g, i, j) - g.values], sum, size, what, i, j);
      }
  for (gsize piece = REFORMER_BLOCK; piece <= 4 * REFORMER_BLOCK; piece += REFORMER_BLOCK)
    {
      g_autofree float *again = NULL;

      matrix_write (&g);
      product_tokens (&y, &x, &g, piece);
      again = matrix_read (&g);
      g_assert_cmpmem (got, g.n * sizeof (float), again, g.n * sizeof (float));
      if (piece >= t)
        break;
    }
  matrix_clear (&y);
  matrix_clear (&x);
  matrix_clear (&g);
}

static void
test_tokens_shapes (void)
{
  static const int shapes[][3] = { { 1, 1, 1 }, { 1, 1, 2500 }, { 3, 1, 17 }, { 1, 33, 129 }, { 17, 3, 128 }, { 13, 31, 1024 }, { 12, 32, 1025 },
                                   { 33, 17, 1300 }, { 97, 257, 300 }, { 257, 33, 140 }, { 301, 77, 531 }, { 40, 70, 3100 }, { 6, 16, 5120 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_tokens (shapes[i][0], shapes[i][1], shapes[i][2]);
}

static void
test_tokens_pieces (void)
{
  check_tokens (130, 100, 5 * REFORMER_BLOCK + 77);
  check_tokens (11, 200, 7 * REFORMER_BLOCK + 1);
}

static void
product_sum (const Matrix *x,
             const Matrix *g,
             gsize         piece)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;

  for (gsize first = 0; first < x->rows; first += piece)
    reformer_product_sum (&run, at (x, first), x->ld, at (g, 0), g->columns, MIN (piece, x->rows - first));
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
}

static void
check_sum (int   n,
           gsize t)
{
  Matrix x = matrix_new (t, n, 2, NAN), g = matrix_new (1, n, 4, MARK);
  g_autofree float *got = NULL;

  product_sum (&x, &g, t);
  got = matrix_read (&g);
  check_outside (&g, got);
  for (int j = 0; j < n; j++)
    {
      double sum = *cell (&g, 0, j), size = fabs (sum);

      for (gsize l = 0; l < t; l++)
        {
          const double term = *cell (&x, l, j);

          sum += term;
          size += fabs (term);
        }
      check_value (got[cell (&g, 0, j) - g.values], sum, size, "sum", t, j);
    }
  for (gsize piece = REFORMER_BLOCK; piece <= 3 * REFORMER_BLOCK; piece += REFORMER_BLOCK)
    {
      g_autofree float *again = NULL;

      matrix_write (&g);
      product_sum (&x, &g, piece);
      again = matrix_read (&g);
      g_assert_cmpmem (got, g.n * sizeof (float), again, g.n * sizeof (float));
    }
  matrix_clear (&x);
  matrix_clear (&g);
}

static void
test_sum (void)
{
  static const int shapes[][2] = { { 1, 1 }, { 3, 17 }, { 17, 3000 }, { 33, 1024 }, { 64, 1025 }, { 257, 5000 }, { 600, 2100 } };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_sum (shapes[i][0], shapes[i][1]);
}

static void
test_empty (void)
{
  Matrix x = matrix_new (3, 4, 0, NAN), w = matrix_new (5, 4, 0, NAN), y = matrix_new (3, 5, 0, MARK);
  ReformerProduct product = { 0, 5, 4, at (&x, 0), x.ld, at (&w, 0), w.ld, TRUE, NULL, REFORMER_NOTHING, at (&y, 0), y.ld, REFORMER_STORE_SET };
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree float *got = NULL;

  reformer_product_rows (&run, &product);
  reformer_product_tokens (&run, at (&x, 0), x.ld, at (&w, 0), w.ld, at (&y, 0), y.ld, 3, 4, 0);
  reformer_product_sum (&run, at (&x, 0), x.ld, at (&y, 0), 4, 0);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
  got = matrix_read (&y);
  g_assert_cmpmem (got, y.n * sizeof (float), y.values, y.n * sizeof (float));
  matrix_clear (&x);
  matrix_clear (&w);
  matrix_clear (&y);
}

/* For devices that are interpreted: every kernel with its edges, and sums of one pass. */
static void
test_short (void)
{
  for (int transpose = 0; transpose < 2; transpose++)
    {
      check_rows (1, 35, 20, transpose, TRUE, REFORMER_STORE_ADD, TRUE);
      check_rows (14, 35, 21, transpose, TRUE, REFORMER_STORE_SET, TRUE);
    }
  check_tokens (13, 3, 34);
  check_sum (18, 35);
}

/* The same, sums of more than one pass and block. */
static void
test_long (void)
{
  for (int transpose = 0; transpose < 2; transpose++)
    check_rows (3, 33, 260, transpose, FALSE, REFORMER_STORE_SUBTRACT, FALSE);
  check_tokens (13, 3, 1026);
  check_sum (18, 1030);
}

/* Rows in pieces of whole blocks: the same bits, whatever was there before where it is not added to. */
static void
check_rows_pieces (int           m,
                   int           n,
                   int           k,
                   gboolean      transpose,
                   ReformerStore store)
{
  Matrix x = matrix_new (m, k, 2, NAN), w = transpose ? matrix_new (n, k, 3, NAN) : matrix_new (k, n, 3, NAN);
  Matrix bias = matrix_new (1, n, 0, NAN), y = matrix_new (m, n, 1, MARK);
  ReformerProduct product = { m, n, k, at (&x, 0), x.ld, at (&w, 0), w.ld, transpose, NULL, at (&bias, 0), at (&y, 0), y.ld, store };
  g_autofree float *whole = NULL;

  product_rows (&product);
  whole = matrix_read (&y);
  for (int i = 0; i < m && store == REFORMER_STORE_SET; i++)
    for (int j = 0; j < n; j++)
      *cell (&y, i, j) = NAN;
  for (int piece = REFORMER_BLOCK; piece < m; piece += REFORMER_BLOCK)
    {
      g_autofree float *got = NULL;

      matrix_write (&y);
      for (int first = 0; first < m; first += piece)
        {
          product.m = MIN (piece, m - first);
          product.x = at (&x, first);
          product.y = at (&y, first);
          product_rows (&product);
        }
      got = matrix_read (&y);
      g_assert_cmpmem (got, y.n * sizeof (float), whole, y.n * sizeof (float));
    }
  matrix_clear (&x);
  matrix_clear (&w);
  matrix_clear (&bias);
  matrix_clear (&y);
}

static void
test_rows_pieces (void)
{
  for (int store = 0; store < 3; store++)
    check_rows_pieces (2 * REFORMER_BLOCK + 452, 35, 40, store == 1, store);
}

static void
test_clblast (void)
{
  g_autofree char *kernels = g_strdup (g_getenv ("REFORMER_KERNELS"));

  if (!reformer_clblast_available ())
    {
      g_test_skip ("built without CLBlast");
      return;
    }
  if (!g_test_subprocess ())
    {
      g_setenv ("REFORMER_KERNELS", "simt", TRUE);
      g_setenv ("REFORMER_CLBLAST", "on", TRUE);
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
      g_unsetenv ("REFORMER_CLBLAST");
      if (kernels != NULL)
        g_setenv ("REFORMER_KERNELS", kernels, TRUE);
      else
        g_unsetenv ("REFORMER_KERNELS");
      g_test_trap_assert_passed ();
      return;
    }

  g_assert_true (reformer_product_by_clblast (device, 1, 1));
  g_assert_false (reformer_product_by_clblast (device, 1, 5000));
  for (int transpose = 0; transpose < 2; transpose++)
    {
      for (int store = 0; store < 3; store++)
        {
          check_rows (1024, 33, 65, transpose, FALSE, store, transpose);
          check_rows (2048, 17, 3, transpose, FALSE, store, !transpose);
          check_rows_pieces (3 * REFORMER_BLOCK + 100, 31, 77, transpose, store);
        }
      check_rows (2500, 70, 300, transpose, FALSE, REFORMER_STORE_ADD, TRUE);
      /* large enough for its kernels that pad the matrices in scratch */
      check_rows (1024, 923, 513, transpose, FALSE, transpose ? REFORMER_STORE_SET : REFORMER_STORE_SUBTRACT, TRUE);
      /* in more than one part of the columns */
      check_rows (1025, 4100, 2, transpose, FALSE, REFORMER_STORE_SUBTRACT, TRUE);
    }
  g_assert_true (reformer_device_synchronize (device, NULL));
  reformer_device_close (device);
}

typedef void (*Sgemm) (int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                       float beta, float *c, int ldc);

/* The best of several calls, in turn with OpenBLAS where it is there. */
static void
time_shape (char  kind,
            int   m,
            int   n,
            int   k,
            Sgemm sgemm)
{
  enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
  Matrix a = kind == 'W' ? matrix_new (k, m, 0, 0) : matrix_new (m, k, 0, 0);
  Matrix b = kind == 'F' ? matrix_new (n, k, 0, 0) : matrix_new (k, n, 0, 0), c = matrix_new (m, n, 0, 0);
  ReformerProduct product = { m, n, k, at (&a, 0), a.ld, at (&b, 0), b.ld, kind == 'F', NULL, REFORMER_NOTHING, at (&c, 0), c.ld, REFORMER_STORE_SET };
  g_autoptr (ReformerTensor) packed = kind == 'W' ? NULL : product_pack (&product);
  const double operations = 2.0 * m * n * k;
  const int repeats = (int) CLAMP (2e9 / operations, 3.0, 300.0);
  double ours = 1e9, queued = 1e9, unpacked = 1e9, blas = 1e9, busy = 1e9; /* seconds a call; busy: of processor time */

  for (int round = 0; round < 3; round++)
    {
      for (int i = 0; i < repeats && sgemm != NULL; i++)
        {
          const gint64 start = g_get_monotonic_time ();

          sgemm (ROW_MAJOR, kind == 'W' ? TRANSPOSED : PLAIN, kind == 'F' ? TRANSPOSED : PLAIN, m, n, k, 1, cell (&a, 0, 0), a.ld,
                 cell (&b, 0, 0), b.ld, kind == 'W', cell (&c, 0, 0), c.ld);
          blas = MIN (blas, (g_get_monotonic_time () - start) * 1e-6);
        }
      g_usleep (sgemm != NULL ? 60000 : 0); /* its idle threads spin for a while */
      for (int mode = 0; mode < (kind == 'W' ? 2 : 3); mode++)
        {
          ReformerRun run = REFORMER_RUN_INIT (device, NULL);
          const gint64 begin = g_get_monotonic_time ();
          const clock_t used = clock ();
          double *best = mode == 0 ? &ours : mode == 1 ? &queued : &unpacked;

          product.packed = mode < 2 ? packed : NULL;
          for (int i = 0; i < repeats; i++)
            {
              const gint64 start = g_get_monotonic_time ();

              if (kind == 'W')
                reformer_product_tokens (&run, at (&a, 0), a.ld, at (&b, 0), b.ld, at (&c, 0), c.ld, m, n, k);
              else
                reformer_product_rows (&run, &product);
              if (mode != 1)
                {
                  g_assert_true (reformer_device_synchronize (device, NULL));
                  *best = MIN (*best, (g_get_monotonic_time () - start) * 1e-6);
                }
            }
          g_assert_true (reformer_device_synchronize (device, NULL));
          if (mode == 1)
            {
              *best = MIN (*best, (g_get_monotonic_time () - begin) * 1e-6 / repeats);
              busy = MIN (busy, (double) (clock () - used) / CLOCKS_PER_SEC / repeats);
            }
          g_assert_true (reformer_run_finish (&run, NULL));
        }
    }
  g_print ("# %c %6d %5d %6d  %7.1f GFLOP/s, queued %7.1f (%5.1f a core), packing %7.1f", kind, m, n, k, operations / ours * 1e-9,
           operations / queued * 1e-9, operations / busy * 1e-9, kind == 'W' ? 0 : operations / unpacked * 1e-9);
  g_print (sgemm != NULL ? ", OpenBLAS %7.1f\n" : "\n", operations / blas * 1e-9);
  g_test_minimized_result (ours, "%c %d %d %d", kind, m, n, k);
  matrix_clear (&a);
  matrix_clear (&b);
  matrix_clear (&c);
}

static void
test_perf (void)
{
  static const struct
  {
    char kind;
    int  m, n, k;
  } shapes[] = {
    { 'F', 16384, 256, 256 }, { 'F', 16384, 1024, 256 }, { 'F', 16384, 256, 1024 }, { 'F', 16384, 512, 512 }, { 'F', 65536, 256, 256 },
    { 'F', 4096, 258, 512 }, { 'F', 2048, 2048, 2048 }, { 'F', 1, 1024, 256 }, { 'F', 1, 4096, 1024 }, { 'F', 4, 1024, 256 }, { 'F', 16, 1024, 256 },
    { 'F', 128, 64, 64 }, { 'F', 16384, 64, 256 }, { 'B', 16384, 256, 256 }, { 'B', 16384, 256, 1024 }, { 'B', 16384, 1024, 256 },
    { 'B', 16384, 512, 512 }, { 'B', 4096, 512, 258 }, { 'B', 2048, 2048, 2048 }, { 'B', 1, 256, 1024 }, { 'B', 16384, 256, 64 },
    { 'W', 256, 256, 16384 }, { 'W', 256, 1024, 65536 }, { 'W', 1024, 256, 16384 }, { 'W', 512, 512, 16384 }, { 'W', 258, 512, 4096 },
    { 'W', 64, 256, 16384 }, { 'W', 301, 77, 531 },
  };
  void *library;
  Sgemm sgemm;
  const char *only = g_getenv ("REFORMER_PERF_SHAPE"); /* how a shape's line must begin: "W", "F 16384 256" */

  if (!g_test_perf ())
    {
      g_test_skip ("only with -m perf");
      return;
    }
  library = dlopen ("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  sgemm = library != NULL ? (Sgemm) dlsym (library, "cblas_sgemm") : NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      g_autofree char *shape = g_strdup_printf ("%c %d %d %d", shapes[i].kind, shapes[i].m, shapes[i].n, shapes[i].k);

      if (only == NULL || g_str_has_prefix (shape, only))
        time_shape (shapes[i].kind, shapes[i].m, shapes[i].n, shapes[i].k, sgemm);
    }
  if (library != NULL)
    dlclose (library);
}

int
main (int   argc,
      char *argv[])
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_message ("%s, %s kernels, vectors of %u", reformer_device_get_name (device), reformer_device_get_kernels (device),
                  reformer_device_get_vector_width (device));
  g_test_add_func ("/product/empty", test_empty);
  g_test_add_func ("/product/tiny/short", test_short);
  g_test_add_func ("/product/tiny/long", test_long);
  if (!test_device_slow (device))
    {
      g_test_add_func ("/product/rows/shapes", test_rows_shapes);
      g_test_add_func ("/product/rows/stores", test_rows_stores);
      g_test_add_func ("/product/rows/alone", test_rows_alone);
      g_test_add_func ("/product/rows/pieces", test_rows_pieces);
      g_test_add_func ("/product/clblast", test_clblast);
      g_test_add_func ("/product/tokens/shapes", test_tokens_shapes);
      g_test_add_func ("/product/tokens/pieces", test_tokens_pieces);
      g_test_add_func ("/product/sum", test_sum);
      g_test_add_func ("/product/perf", test_perf);
    }
  status = test_run ();
  g_test_message ("checksum %016" G_GINT64_MODIFIER "x", checksum);
  g_clear_object (&device);
  return status;
}
