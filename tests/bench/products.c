/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "ops/product.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

/* Times the library's matrix products and OpenBLAS's by turns, in one process and on the same memory.
 *
 *   products [--turns N] [--check] [BEGINNING]     "F 8192": only the shapes that begin so
 *
 * The shapes are those of at least 1,000 rows that the presets launch at lengths from 1,024 to 1,048,576. Weights are packed beforehand, as a model does once
 * a step; everything that is done to activations is in the time, and for OpenBLAS the packing that it does in every call. A ratio is that of the best
 * calls; behind it stand the smallest and largest ratio of a turn. */

typedef struct
{
  char          kind;    /* F: Y = X W^T, B: the gradient of X, W: the gradient of W */
  int           m, n, k; /* of the result m x n; k: the inner size */
  int           ldw;     /* floats from one row of the weights to the next, 0: no more than there are columns */
  ReformerStore store;
} Shape;

static const Shape shapes[] = {
  /* bench-lsh; the narrow ones are its groups of heads at 16,384 tokens and, 64 wide, from 65,536 on */
  { 'F', 1024, 256, 256 }, { 'F', 1024, 1024, 256 }, { 'F', 1024, 256, 1024, 0, REFORMER_STORE_ADD }, { 'F', 1024, 256, 512 },
  { 'F', 2048, 1024, 256 }, { 'F', 2048, 256, 1024, 0, REFORMER_STORE_ADD }, { 'F', 2048, 256, 1024, 0, REFORMER_STORE_SUBTRACT },
  { 'F', 4096, 256, 256 }, { 'F', 4096, 256, 256, 0, REFORMER_STORE_ADD }, { 'F', 4096, 256, 512 },
  { 'F', 8192, 128, 256 }, { 'F', 8192, 256, 128, 256, REFORMER_STORE_ADD }, { 'F', 8192, 256, 128, 256, REFORMER_STORE_SUBTRACT },
  { 'F', 8192, 64, 256 }, { 'F', 8192, 256, 64, 256, REFORMER_STORE_ADD }, { 'F', 8192, 256, 64, 256, REFORMER_STORE_SUBTRACT },
  { 'B', 1024, 256, 256 }, { 'B', 1024, 1024, 256 }, { 'B', 1024, 256, 1024 }, { 'B', 1024, 512, 256 },
  { 'B', 2048, 1024, 256 }, { 'B', 2048, 256, 1024 },
  { 'B', 4096, 256, 256 }, { 'B', 4096, 256, 256, 0, REFORMER_STORE_ADD }, { 'B', 4096, 512, 256 },
  { 'B', 8192, 128, 256, 256 }, { 'B', 8192, 256, 128 }, { 'B', 8192, 256, 128, 0, REFORMER_STORE_ADD },
  { 'B', 8192, 64, 256, 256 }, { 'B', 8192, 256, 64 }, { 'B', 8192, 256, 64, 0, REFORMER_STORE_ADD },
  { 'W', 256, 256, 1024 }, { 'W', 256, 1024, 1024 }, { 'W', 1024, 256, 1024 }, { 'W', 256, 512, 1024 },
  { 'W', 256, 1024, 2048 }, { 'W', 1024, 256, 2048 }, { 'W', 256, 256, 4096 }, { 'W', 256, 512, 4096 },
  { 'W', 128, 256, 8192 }, { 'W', 256, 128, 8192, 256 }, { 'W', 64, 256, 8192 }, { 'W', 256, 64, 8192, 256 },
  /* small */
  { 'F', 4096, 512, 128 }, { 'F', 4096, 128, 512, 0, REFORMER_STORE_ADD }, { 'F', 7168, 258, 256 },
  { 'F', 8192, 128, 128 }, { 'F', 8192, 128, 128, 0, REFORMER_STORE_ADD }, { 'F', 8192, 64, 128 }, { 'F', 8192, 128, 64, 128, REFORMER_STORE_ADD },
  { 'B', 4096, 512, 128 }, { 'B', 4096, 128, 512 }, { 'B', 7168, 256, 258 },
  { 'B', 8192, 128, 128 }, { 'B', 8192, 128, 128, 0, REFORMER_STORE_ADD }, { 'B', 8192, 64, 128, 128 }, { 'B', 8192, 128, 64, 0, REFORMER_STORE_ADD },
  { 'W', 512, 128, 4096 }, { 'W', 128, 512, 4096 }, { 'W', 258, 256, 7168 },
  { 'W', 128, 128, 8192 }, { 'W', 64, 128, 8192 }, { 'W', 128, 64, 8192, 128 },
};

/* The rate of the device, with which the others are compared. */
static const Shape reference = { 'F', 2048, 2048, 2048 };

#define LEAST 0.95
#define MEAN 1.05

typedef void (*Sgemm) (int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                       float beta, float *c, int ldc);

static ReformerDevice *device;
static Sgemm sgemm;
static int turns = 7;
static gboolean check;

static _Noreturn void G_GNUC_PRINTF (1, 2)
fail (const char *format,
      ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_printerr ("products: %s\n", text);
  exit (1);
}

/* The tensors of a shape, in the words of a product of a x b into ours and theirs. */
typedef struct
{
  Shape           shape;
  int             lda, ldb, ldc;
  ReformerTensor *a, *b, *ours, *theirs;
  ReformerTensor *packed;
} Work;

static ReformerTensor *
matrix_new (gsize   rows,
            gsize   ld,
            guint32 seed)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  ReformerTensor *tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) rows, (gint64) ld);
  g_autofree float *values = g_new0 (float, rows * ld);
  g_autoptr (GError) error = NULL;

  if (seed > 0)
    test_fill (values, rows * ld, seed);
  reformer_run_write (&run, reformer_span (tensor), values, rows * ld);
  if (!reformer_run_finish (&run, &error))
    fail ("%s", error->message);
  return tensor;
}

static Work
work_new (const Shape *s)
{
  const gboolean gradient = s->kind == 'W';
  const int columns = s->kind == 'F' ? s->k : s->n;
  Work w = { .shape = *s, .lda = gradient ? s->m : s->k, .ldb = s->kind == 'F' ? s->k : s->n, .ldc = s->n };

  if (s->ldw > 0 && s->ldw < columns)
    fail ("weights with %d columns in rows of %d", columns, s->ldw);
  if (s->ldw > 0 && gradient)
    w.ldc = s->ldw;
  else if (s->ldw > 0)
    w.ldb = s->ldw;
  w.a = matrix_new (gradient ? s->k : s->m, w.lda, 1);
  w.b = matrix_new (s->kind == 'F' ? s->n : s->k, w.ldb, 2);
  w.ours = matrix_new (s->m, w.ldc, 0);
  w.theirs = matrix_new (s->m, w.ldc, 0);
  if (!gradient)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (GError) error = NULL;

      w.packed = reformer_product_pack (&run, reformer_span (w.b), s->n, s->k, w.ldb, s->kind == 'F');
      if (!reformer_run_finish (&run, &error))
        fail ("%s", error->message);
    }
  return w;
}

static void
work_clear (Work *w)
{
  g_clear_object (&w->a);
  g_clear_object (&w->b);
  g_clear_object (&w->ours);
  g_clear_object (&w->theirs);
  g_clear_object (&w->packed);
}

static float *
memory_of (ReformerTensor *tensor)
{
  g_autoptr (GError) error = NULL;
  gpointer memory = reformer_tensor_map (tensor, &error);

  if (memory == NULL)
    fail ("%s", error->message);
  return memory;
}

/* Seconds of one call of ours. */
static double
call_ours (const Work *w)
{
  const Shape *s = &w->shape;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  double seconds;

  if (s->kind == 'W')
    reformer_product_tokens (&run, reformer_span (w->a), w->lda, reformer_span (w->b), w->ldb, reformer_span (w->ours), w->ldc, s->m, s->n, (gsize) s->k);
  else
    {
      const ReformerProduct product = { s->m, s->n, s->k, reformer_span (w->a), w->lda, reformer_span (w->b), w->ldb, s->kind == 'F', w->packed, REFORMER_NOTHING,
                                        reformer_span (w->ours), w->ldc, s->store };

      reformer_product_rows (&run, &product);
    }
  if (!reformer_device_synchronize (device, &error))
    fail ("%s", error->message);
  seconds = (double) (g_get_monotonic_time () - start) * 1e-6;
  if (!reformer_run_finish (&run, &error))
    fail ("%s", error->message);
  return seconds;
}

static double
call_theirs (const Work *w,
             float      *a,
             float      *b,
             float      *c)
{
  enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
  const Shape *s = &w->shape;
  const float alpha = s->store == REFORMER_STORE_SUBTRACT ? -1 : 1, beta = s->kind == 'W' || s->store != REFORMER_STORE_SET ? 1 : 0;
  const gint64 start = g_get_monotonic_time ();

  sgemm (ROW_MAJOR, s->kind == 'W' ? TRANSPOSED : PLAIN, s->kind == 'F' ? TRANSPOSED : PLAIN, s->m, s->n, s->k, alpha, a, w->lda, b, w->ldb, beta, c, w->ldc);
  return (double) (g_get_monotonic_time () - start) * 1e-6;
}

/* Both have computed the same. */
static void
compare (const Work  *w,
         const float *ours,
         const float *theirs)
{
  double largest = 0, worst = 0;

  for (int i = 0; i < w->shape.m; i++)
    for (int j = 0; j < w->shape.n; j++)
      {
        const gsize at = (gsize) i * w->ldc + j;

        largest = MAX (largest, fabs ((double) theirs[at]));
        worst = MAX (worst, fabs ((double) ours[at] - (double) theirs[at]));
      }
  if (!(worst <= 1e-5 * largest) || !(largest > 0))
    fail ("%c %d %d %d: the two differ by %g where the largest number is %g", w->shape.kind, w->shape.m, w->shape.n, w->shape.k, worst, largest);
}

/* The ratio of the best calls. */
static double
time_shape (const Shape *s,
            const char  *name)
{
  Work w = work_new (s);
  float *a = memory_of (w.a), *b = memory_of (w.b), *ours = memory_of (w.ours), *theirs = memory_of (w.theirs);
  const double operations = 2.0 * s->m * s->n * s->k;
  const int calls = (int) CLAMP (6e9 / operations, 2, 100);
  double best[2] = { G_MAXDOUBLE, G_MAXDOUBLE }, least = G_MAXDOUBLE, most = 0;

  call_ours (&w);
  call_theirs (&w, a, b, theirs);
  compare (&w, ours, theirs);
  for (int turn = 0; turn < turns; turn++)
    {
      double now[2] = { G_MAXDOUBLE, G_MAXDOUBLE };

      for (int i = 0; i < 2; i++)
        {
          const int who = (turn + i) % 2;

          g_usleep (60000); /* idle threads of both spin for a while */
          for (int call = 0; call < calls; call++)
            {
              const double seconds = who == 0 ? call_ours (&w) : call_theirs (&w, a, b, theirs);

              now[who] = MIN (now[who], seconds);
            }
          best[who] = MIN (best[who], now[who]);
        }
      least = MIN (least, now[1] / now[0]);
      most = MAX (most, now[1] / now[0]);
    }
  g_print ("%-28s ours %6.1f  OpenBLAS %6.1f GFLOP/s  ratio %.2f (%.2f to %.2f)%s\n", name, operations / best[0] * 1e-9, operations / best[1] * 1e-9,
           best[1] / best[0], least, most, s != &reference && best[1] / best[0] < LEAST ? "  below" : "");
  reformer_tensor_unmap (w.a);
  reformer_tensor_unmap (w.b);
  reformer_tensor_unmap (w.ours);
  reformer_tensor_unmap (w.theirs);
  work_clear (&w);
  return best[1] / best[0];
}

static char *
name_of (const Shape *s)
{
  static const char *const stores[] = { [REFORMER_STORE_SET] = "", [REFORMER_STORE_ADD] = " add", [REFORMER_STORE_SUBTRACT] = " subtract" };
  g_autofree char *rows = s->ldw > 0 ? g_strdup_printf (" of %d", s->ldw) : g_strdup ("");

  return g_strdup_printf ("%c %d %d %d%s%s", s->kind, s->m, s->n, s->k, rows, stores[s->store]);
}

int
main (int   argc,
      char *argv[])
{
  const GOptionEntry options[] = {
    { "turns", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_INT, &turns, "How often each of the two gets its turn with a shape", "N" },
    { "check", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &check, "Exit status 1 where a mark is missed", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[BEGINNING]");
  g_autoptr (GError) error = NULL;
  double sum = 0, least = G_MAXDOUBLE;
  int n = 0, below = 0, units;
  void *library;
  void (*set_threads) (int);
  char *(*get_config) (void);

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 2 || turns < 1)
    {
      g_printerr ("products: %s\n", error != NULL ? error->message : "wanted: [--turns N] [--check] [BEGINNING]");
      return 2;
    }
  library = dlopen ("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL)
    fail ("OpenBLAS is not there (Debian: libopenblas0): %s", dlerror ());
  sgemm = (Sgemm) dlsym (library, "cblas_sgemm");
  set_threads = (void (*) (int)) dlsym (library, "openblas_set_num_threads");
  get_config = (char *(*) (void)) dlsym (library, "openblas_get_config");
  if (sgemm == NULL || set_threads == NULL || get_config == NULL)
    fail ("libopenblas.so.0 is not OpenBLAS: it lacks cblas_sgemm, openblas_set_num_threads or openblas_get_config");

  device = test_device ();
  if (!reformer_device_shares_memory (device))
    fail ("%s has memory of its own; wanted a processor", reformer_device_get_name (device));
  units = (int) reformer_device_get_compute_units (device);
  set_threads (units);
  g_print ("%s, %s %s, %s kernels, vectors of %u, %d threads; %s\n", reformer_device_get_name (device), reformer_device_get_platform (device),
           reformer_device_get_driver (device), reformer_device_get_kernels (device), reformer_device_get_vector_width (device), units, get_config ());
  time_shape (&reference, "F 2048 2048 2048 (device)");
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      g_autofree char *name = name_of (&shapes[i]);
      double ratio;

      if (argc > 1 && !g_str_has_prefix (name, argv[1]))
        continue;
      ratio = time_shape (&shapes[i], name);
      sum += log (ratio);
      least = MIN (least, ratio);
      below += ratio < LEAST;
      n++;
    }
  if (n == 0)
    fail ("no shape begins with \"%s\"", argv[1]);
  g_print ("%d shapes: geometric mean %.3f (wanted: %.2f), least %.3f (wanted: %.2f), %d below\n", n, exp (sum / n), MEAN, least, LEAST, below);
  g_object_unref (device);
  return check && (below > 0 || exp (sum / n) < MEAN);
}
