/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>
#include <time.h>

#include "compute/device-private.h"
#include "ops/attention.h"

/* Forward and gradients against plain loops in float64. `tiny` is small enough for oclgrind. */

static ReformerDevice *device;

typedef struct
{
  const char *name;
  int         rows, T, heads, head_size;
  int         chunk, before, after;
  gboolean    circular, causal;
  int         rounds; /* 0: natural order */
  gboolean    shared; /* LSH: normalised keys, self last */
  gboolean    masked;
  double      p;
} Case;

/* Few head sizes for each kind of window: every pair is a program to build. Chunks of 16 to 512, heads of 32, 64, 128 and odd ones are there. */
/*  name                 rows    T heads size chunk b  a  circ   causal rounds shared mask  p */
static const Case cases[] = {
  { "tiny",                 1,   8, 1,   4,    4, 1, 0, TRUE,  TRUE,  2, TRUE,  TRUE,  0.25 },
  { "full-1",               1,   1, 1,   7,   64, 1, 0, TRUE,  TRUE,  0, FALSE, FALSE, 0 },
  { "full-1-lsh",           2,   1, 2,   7,   64, 1, 0, TRUE,  TRUE,  0, TRUE,  FALSE, 0 },
  { "full-3",               2,   3, 1,   7,    3, 1, 1, TRUE,  FALSE, 0, FALSE, FALSE, 0 },
  { "full-17",              2,  17, 2,   7,  100, 0, 0, FALSE, TRUE,  0, FALSE, TRUE,  0 },
  { "full-17-lsh",          2,  17, 2,   7,   64, 1, 0, TRUE,  TRUE,  0, TRUE,  TRUE,  0.1 },
  { "full-70",              1,  70, 3,  64,  512, 1, 1, TRUE,  FALSE, 0, FALSE, FALSE, 0 },
  { "full-70-causal",       2,  70, 2,  32,   70, 1, 0, TRUE,  TRUE,  0, FALSE, TRUE,  0.2 },
  { "full-70-lsh",          1,  70, 1, 128,   71, 1, 0, TRUE,  FALSE, 0, TRUE,  TRUE,  0 },
  { "full-300",             1, 300, 1,  64,  300, 0, 0, FALSE, FALSE, 0, FALSE, TRUE,  0.5 },
  { "full-300-causal",      1, 300, 2,  64,  300, 0, 0, FALSE, TRUE,  0, FALSE, FALSE, 0 },
  { "local-4",              2,  32, 3,   4,    4, 1, 0, TRUE,  TRUE,  0, FALSE, TRUE,  0.1 },
  { "local-4-wide",         1,  20, 1,  32,    4, 2, 2, TRUE,  FALSE, 0, FALSE, FALSE, 0 },
  { "local-4-wrap",         1,   8, 2,  32,    4, 2, 1, TRUE,  FALSE, 0, FALSE, FALSE, 0.3 },
  { "local-5",              2,  35, 1,  32,    5, 1, 1, TRUE,  FALSE, 0, FALSE, TRUE,  0.3 },
  { "local-8",              2,  64, 2,   7,    8, 0, 0, FALSE, FALSE, 0, FALSE, TRUE,  0 },
  { "local-8-both",         1,  40, 2,  32,    8, 1, 2, FALSE, FALSE, 0, FALSE, TRUE,  0.1 },
  { "local-64",             1, 256, 2,  64,   64, 1, 0, TRUE,  TRUE,  0, FALSE, FALSE, 0 },
  { "local-64-line",        2, 192, 1,  64,   64, 1, 0, FALSE, FALSE, 0, FALSE, TRUE,  0.1 },
  { "local-64-both",        1, 320, 1,  64,   64, 1, 1, TRUE,  FALSE, 0, FALSE, TRUE,  0 },
  { "local-64-two",         1, 320, 1,  64,   64, 2, 0, FALSE, TRUE,  0, FALSE, FALSE, 0 },
  { "local-100",            1, 300, 2,  32,  100, 1, 1, TRUE,  FALSE, 0, FALSE, TRUE,  0 },
  { "local-100-causal",     1, 300, 1, 128,  100, 2, 0, FALSE, TRUE,  0, FALSE, FALSE, 0.1 },
  { "lsh-4",                2,  24, 2,   4,    4, 1, 0, TRUE,  TRUE,  2, TRUE,  TRUE,  0 },
  { "lsh-4-wrap",           1,   8, 1,  32,    4, 2, 2, TRUE,  FALSE, 1, TRUE,  FALSE, 0 },
  { "lsh-6",                1,  30, 2,  32,    6, 1, 1, TRUE,  FALSE, 3, TRUE,  TRUE,  0.2 },
  { "lsh-16",               2,  96, 1,  32,   16, 1, 1, TRUE,  FALSE, 4, TRUE,  TRUE,  0.1 },
  { "lsh-16-64",            1,  80, 2,  64,   16, 1, 0, TRUE,  TRUE,  2, TRUE,  TRUE,  0.1 },
  { "lsh-16-wrap",          1,  32, 1,  32,   16, 1, 1, TRUE,  FALSE, 1, TRUE,  TRUE,  0 },
  { "lsh-32",               1, 160, 1,   4,   32, 1, 0, TRUE,  TRUE,  2, TRUE,  FALSE, 0 },
  { "lsh-32-one",           2,  32, 1,   7,   32, 1, 0, TRUE,  TRUE,  3, TRUE,  TRUE,  0.1 },
  { "lsh-64",               1, 256, 2,  64,   64, 1, 0, TRUE,  TRUE,  2, TRUE,  FALSE, 0 },
  { "lsh-64-mask",          2, 320, 2,  64,   64, 1, 0, TRUE,  TRUE,  3, TRUE,  TRUE,  0.1 },
  { "lsh-64-both",          1, 256, 1,  64,   64, 1, 1, TRUE,  FALSE, 2, TRUE,  TRUE,  0 },
  { "lsh-64-128",           1, 192, 1, 128,   64, 1, 0, TRUE,  TRUE,  2, TRUE,  TRUE,  0 },
  { "lsh-64-32",            1, 192, 3,  32,   64, 1, 0, TRUE,  FALSE, 1, TRUE,  FALSE, 0 },
  { "lsh-64-line",          1, 256, 1,  64,   64, 1, 0, FALSE, TRUE,  2, TRUE,  FALSE, 0 },
  { "lsh-64-33",            1, 128, 1,  33,   64, 1, 0, TRUE,  FALSE, 2, TRUE,  TRUE,  0 },
  { "lsh-100",              1, 200, 1,  64,  100, 1, 0, TRUE,  TRUE,  2, TRUE,  TRUE,  0 },
  { "lsh-256",              1, 512, 1, 128,  256, 1, 0, TRUE,  TRUE,  2, TRUE,  FALSE, 0 },
  { "lsh-512",              1, 1024, 1, 32,  512, 1, 0, TRUE,  TRUE,  1, TRUE,  TRUE,  0 },
  { "sorted-keys",          1,  96, 2,  32,   16, 1, 1, TRUE,  TRUE,  2, FALSE, TRUE,  0.1 },
};

#define FIRST_HEAD 3
#define EXTRA 5     /* columns of a row beside the group's heads, and elements before the first */
#define POISON 7777.0f

typedef struct
{
  gsize   n;     /* elements of an array [rows][T][stride] with EXTRA before */
  float  *q, *k, *v, *dout;
  gint32 *order; /* [heads][rounds][rows][T], also for natural order */
  gint32 *place; /* its inverse */
  guint8 *mask;
} Data;

/* What came out; float64 for the reference. stats are -1, -1 in the reference where nothing is promised. */
typedef struct
{
  float *out, *stats, *dq, *dk, *dv;
} Result;

static int
stride_of (const Case *c)
{
  return c->heads * c->head_size + EXTRA;
}

static float
normal (GRand *rand)
{
  return (float) (sqrt (-2 * log (1 - g_rand_double (rand))) * cos (2 * G_PI * g_rand_double (rand)));
}

static float *
normals (GRand *rand,
         gsize  n)
{
  float *x = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    x[i] = normal (rand);
  return x;
}

static void
data_init (Data       *data,
           const Case *c,
           guint32     seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const int rounds = MAX (1, c->rounds);

  data->n = (gsize) c->rows * c->T * stride_of (c) + EXTRA;
  data->q = normals (rand, data->n);
  data->k = normals (rand, data->n);
  data->v = normals (rand, data->n);
  data->dout = normals (rand, data->n);
  data->order = g_new (gint32, (gsize) c->heads * rounds * c->rows * c->T);
  data->place = g_new (gint32, (gsize) c->heads * rounds * c->rows * c->T);
  data->mask = g_new (guint8, (gsize) c->rows * c->T);
  for (int x = 0; x < c->heads * rounds * c->rows; x++)
    {
      gint32 *order = data->order + (gsize) x * c->T;

      for (int i = 0; i < c->T; i++)
        order[i] = i;
      for (int i = c->T - 1; i > 0 && c->rounds > 0; i--)
        {
          const int j = g_rand_int_range (rand, 0, i + 1), other = order[i];

          order[i] = order[j];
          order[j] = other;
        }
      for (int i = 0; i < c->T; i++)
        data->place[(gsize) x * c->T + order[i]] = i;
    }
  for (int i = 0; i < c->rows * c->T; i++)
    data->mask[i] = !c->masked || (i % c->T != c->T - 1 && g_rand_int_range (rand, 0, 5) != 0);
}

static void
data_clear (Data *data)
{
  g_free (data->q);
  g_free (data->k);
  g_free (data->v);
  g_free (data->dout);
  g_free (data->order);
  g_free (data->place);
  g_free (data->mask);
}

static void
result_clear (Result *result)
{
  g_free (result->out);
  g_free (result->stats);
  g_free (result->dq);
  g_free (result->dk);
  g_free (result->dv);
}

static ReformerSpan
upload (ReformerRun    *run,
        ReformerTensor *tensor,
        gconstpointer   data,
        gsize           n)
{
  if (tensor != NULL)
    reformer_run_write (run, reformer_span (tensor), data, n);
  return reformer_span (tensor);
}

static ReformerAttentionArgs
describe (const Case *c)
{
  return (ReformerAttentionArgs) {
    .rows = c->rows, .T = c->T, .stride = stride_of (c), .heads = c->heads, .head_size = c->head_size,
    .scale = c->shared ? 1.0f : (float) (1.3 / sqrt (c->head_size)), .rounds = MAX (1, c->rounds),
    .chunk = c->chunk, .before = c->before, .after = c->after, .circular = c->circular, .causal = c->causal, .self_last = c->shared,
    .dropout = { (float) c->p, G_GUINT64_CONSTANT (0x123456789abcdef), 40, 77 }, .first_head = FIRST_HEAD,
  };
}

static void
compute (const Case *c,
         const Data *data,
         Result     *result)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize n_order = (gsize) c->heads * c->rounds * c->rows * c->T, n_mask = (gsize) c->rows * c->T, n_stats = (gsize) c->heads * c->rows * c->T * 2;
  g_autoptr (ReformerTensor) q = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) k = c->shared ? NULL : reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) v = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) out = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) dout = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) dq = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) dk = c->shared ? NULL : reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) dv = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) data->n);
  g_autoptr (ReformerTensor) order = c->rounds > 0 ? reformer_run_new (&run, REFORMER_DTYPE_INT32, 1, (gint64) n_order) : NULL;
  g_autoptr (ReformerTensor) mask = c->masked ? reformer_run_new (&run, REFORMER_DTYPE_UINT8, 1, (gint64) n_mask) : NULL;
  g_autoptr (ReformerTensor) stats = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) n_stats);
  g_autoptr (ReformerTensor) deltas = NULL;
  ReformerTensor *results[] = { out, dq, dk, dv };
  float **values[] = { &result->out, &result->dq, &result->dk, &result->dv };
  ReformerAttentionArgs a = describe (c);
  GError *error = NULL;

  a.q = reformer_span_add (upload (&run, q, data->q, data->n), EXTRA);
  if (!c->shared)
    a.k = reformer_span_add (upload (&run, k, data->k, data->n), EXTRA);
  a.v = reformer_span_add (upload (&run, v, data->v, data->n), EXTRA);
  a.order = upload (&run, order, data->order, n_order);
  a.mask = upload (&run, mask, data->mask, n_mask);
  upload (&run, dout, data->dout, data->n);
  for (guint i = 0; i < 4; i++)
    {
      *values[i] = g_new (float, data->n);
      for (gsize j = 0; j < data->n; j++)
        (*values[i])[j] = POISON;
      upload (&run, results[i], *values[i], data->n);
    }
  result->stats = g_new (float, n_stats);

  reformer_attention_forward (&run, &a, reformer_at (out, EXTRA), reformer_span (stats));
  deltas = reformer_attention_deltas (&run, &a, reformer_at (out, EXTRA), reformer_at (dout, EXTRA));
  reformer_attention_backward (&run, &a, reformer_span (deltas), reformer_span (stats), reformer_at (dout, EXTRA), reformer_at (dq, EXTRA),
                               c->shared ? REFORMER_NOTHING : reformer_at (dk, EXTRA), reformer_at (dv, EXTRA));
  for (guint i = 0; i < 4; i++)
    if (results[i] != NULL)
      reformer_run_read (&run, reformer_span (results[i]), *values[i], data->n);
  reformer_run_read (&run, reformer_span (stats), result->stats, n_stats);
  reformer_run_finish (&run, &error);
  g_assert_no_error (error);
}

/* One key that a query sees. */
typedef struct
{
  int      token;
  gboolean replaced; /* the score is a constant */
  double   s, p, factor;
} Seen;

/* The keys of one query in all rounds; NULL for a masked query. */
static Seen *
see (const Case   *c,
     const Data   *data,
     const double *q,
     const double *keys, /* [rows][T][stride], scaled or normalised */
     int           row,
     int           h,
     int           t,
     int          *n,
     double       *stats)
{
  const gboolean full = c->chunk >= c->T;
  const int chunk = full ? c->T : c->chunk, before = full ? 0 : c->before, after = full ? 0 : c->after;
  const int rounds = MAX (1, c->rounds), chunks = c->T / chunk, ring = rounds * chunks, window = (before + 1 + after) * chunk;
  const ReformerDropout dropout = describe (c).dropout;
  Seen *seen = g_new0 (Seen, (gsize) rounds * window);
  double m = -G_MAXDOUBLE, l = 0;

  *n = 0;
  for (int r = 0; r < rounds && data->mask[row * c->T + t]; r++)
    {
      const int place = data->place[(((gsize) h * rounds + r) * c->rows + row) * c->T + t], own = r * chunks + place / chunk;

      for (int slot = 0; slot < window; slot++)
        {
          int other = own - before + slot / chunk, key;
          Seen *e = &seen[*n];

          if (c->circular)
            other = (other % ring + ring) % ring;
          else if (other < r * chunks || other >= (r + 1) * chunks)
            continue;
          key = data->order[(((gsize) h * rounds + other / chunks) * c->rows + row) * c->T + other % chunks * chunk + slot % chunk];
          e->token = key;
          e->factor = 1;
          if (c->p > 0)
            {
              const guint64 index = ((guint64) (FIRST_HEAD + h) * rounds * c->T + r * c->T + place) * window + slot;
              const guint32 counter[4] = { (guint32) (index / 4), (guint32) (index / 4 >> 32), dropout.sequence + row, dropout.place };
              const guint32 seed[2] = { (guint32) dropout.seed, (guint32) (dropout.seed >> 32) };
              guint32 words[4];

              reformer_philox (counter, seed, words);
              e->factor = words[index % 4] >= reformer_dropout_threshold (&dropout) ? (double) reformer_dropout_scale (&dropout) : 0;
            }
          for (int d = 0; d < c->head_size; d++)
            e->s += q[EXTRA + ((gsize) row * c->T + t) * stride_of (c) + h * c->head_size + d] *
                    keys[EXTRA + ((gsize) row * c->T + key) * stride_of (c) + h * c->head_size + d];
          if (!data->mask[row * c->T + key] || (c->causal && key > t))
            {
              e->s = -1e9;
              e->replaced = TRUE;
            }
          if (c->shared && key == t)
            {
              e->s = -1e5;
              e->replaced = TRUE;
            }
          m = MAX (m, e->s);
          (*n)++;
        }
    }
  for (int i = 0; i < *n; i++)
    {
      seen[i].p = exp (seen[i].s - m);
      l += seen[i].p;
    }
  for (int i = 0; i < *n; i++)
    seen[i].p /= l;
  stats[0] = m;
  stats[1] = l;
  return seen;
}

static double
norm_of (const Case   *c,
         const double *x)
{
  double sum = 0;

  for (int d = 0; d < c->head_size; d++)
    sum += x[d] * x[d];
  return 1 / sqrt (sum / c->head_size + 1e-6) / sqrt (c->head_size);
}

/* Arrays as the kernels have them, in float64; `lse` is [heads][rows][T]. */
static void
reference (const Case   *c,
           const Data   *data,
           const double *q,
           const double *k,
           const double *v,
           double       *out,
           double       *lse,
           double       *dq,
           double       *dk,
           double       *dv)
{
  g_autofree double *keys = g_new0 (double, data->n);
  g_autofree double *dkeys = g_new0 (double, data->n);
  const double scale = (double) describe (c).scale;
  const int D = c->head_size;

#define AT(row, t, h) (EXTRA + ((gsize) (row) * c->T + (t)) * stride_of (c) + (h) * D)
  for (int x = 0; x < c->rows * c->T * c->heads; x++)
    {
      const gsize at = AT (x / c->heads / c->T, x / c->heads % c->T, x % c->heads);
      const double by = c->shared ? norm_of (c, q + at) : scale;

      for (int d = 0; d < D; d++)
        keys[at + d] = (c->shared ? q : k)[at + d] * by;
    }
  for (int x = 0; x < c->rows * c->T * c->heads; x++)
    {
      const int row = x % c->rows, h = x / c->rows % c->heads, t = x / c->rows / c->heads;
      const gsize at = AT (row, t, h);
      double stats[2], delta = 0;
      int n;
      g_autofree Seen *seen = see (c, data, q, keys, row, h, t, &n, stats);

      lse[((gsize) h * c->rows + row) * c->T + t] = n > 0 ? stats[0] + log (stats[1]) : 0;
      for (int i = 0; i < n; i++)
        for (int d = 0; d < D; d++)
          {
            out[at + d] += seen[i].p * seen[i].factor * v[AT (row, seen[i].token, h) + d];
            if (dv != NULL)
              dv[AT (row, seen[i].token, h) + d] += seen[i].p * seen[i].factor * (double) data->dout[at + d];
          }
      for (int d = 0; d < D; d++)
        delta += out[at + d] * (double) data->dout[at + d];
      for (int i = 0; i < n && dq != NULL; i++)
        {
          const gsize key = AT (row, seen[i].token, h);
          double slope = 0;

          if (seen[i].replaced || seen[i].p < 1e-60)
            continue;
          for (int d = 0; d < D; d++)
            slope += (double) data->dout[at + d] * v[key + d];
          slope = seen[i].p * (seen[i].factor * slope - delta);
          for (int d = 0; d < D; d++)
            {
              dq[at + d] += slope * keys[key + d];
              dkeys[key + d] += slope * q[at + d];
            }
        }
    }
  for (int x = 0; x < c->rows * c->T * c->heads && dq != NULL; x++)
    {
      const gsize at = AT (x / c->heads / c->T, x / c->heads % c->T, x % c->heads);
      const double by = c->shared ? norm_of (c, q + at) : scale;
      double dot = 0;

      for (int d = 0; d < D; d++)
        dot += dkeys[at + d] * q[at + d];
      for (int d = 0; d < D; d++)
        if (c->shared)
          dq[at + d] += by * dkeys[at + d] - q[at + d] * dot * by * by * by;
        else
          dk[at + d] += by * dkeys[at + d];
    }
}

static double *
widen (const float *x,
       gsize        n)
{
  double *y = g_new (double, n);

  for (gsize i = 0; i < n; i++)
    y[i] = (double) x[i];
  return y;
}

/* Compares the group's columns, sees that nothing else was written and that masked tokens have exact zeros. */
static void
compare (const char   *what,
         const Case   *c,
         const Data   *data,
         const float  *x,
         const double *want)
{
  double largest = 1, error = 0;

  for (gsize i = 0; i < data->n; i++)
    largest = MAX (largest, fabs (want[i]));
  for (gsize i = 0; i < data->n; i++)
    {
      const gsize column = i < EXTRA ? G_MAXINT : (i - EXTRA) % stride_of (c), token = i < EXTRA ? 0 : (i - EXTRA) / stride_of (c);

      if (column >= (gsize) c->heads * c->head_size)
        {
          g_assert_cmpfloat (x[i], ==, POISON);
        }
      else if (!data->mask[token])
        {
          g_assert_cmpfloat (x[i], ==, 0);
        }
      else
        {
          g_assert_true (isfinite (x[i]));
          error = MAX (error, fabs ((double) x[i] - want[i]));
        }
    }
  if (error > 4e-6 * largest)
    g_test_message ("%s: error %g of %g", what, error, largest);
  g_assert_cmpfloat (error, <=, 4e-6 * largest);
}

static void
test_reference (gconstpointer user_data)
{
  const Case *c = user_data;
  Data data;
  Result result = { NULL };

  data_init (&data, c, 1);
  {
    g_autofree double *q = widen (data.q, data.n);
    g_autofree double *k = widen (data.k, data.n);
    g_autofree double *v = widen (data.v, data.n);
    g_autofree double *out = g_new0 (double, data.n);
    g_autofree double *lse = g_new0 (double, (gsize) c->heads * c->rows * c->T);
    g_autofree double *dq = g_new0 (double, data.n);
    g_autofree double *dk = g_new0 (double, data.n);
    g_autofree double *dv = g_new0 (double, data.n);

    compute (c, &data, &result);
    reference (c, &data, q, k, v, out, lse, dq, dk, dv);
    compare ("out", c, &data, result.out, out);
    compare ("dq", c, &data, result.dq, dq);
    if (!c->shared)
      compare ("dk", c, &data, result.dk, dk);
    compare ("dv", c, &data, result.dv, dv);
    for (int i = 0; i < c->heads * c->rows * c->T; i++)
      {
        const double m = (double) result.stats[2 * i], l = (double) result.stats[2 * i + 1];

        g_assert_true (isfinite (m) && isfinite (l));
        if (data.mask[i % (c->rows * c->T)])
          g_assert_cmpfloat (fabs ((m + log2 (l)) * G_LN2 - lse[i]), <=, 5e-6 * MAX (1, fabs (lse[i])));
      }
  }
  result_clear (&result);
  data_clear (&data);
}

/* The same bits every time; kept tokens' bits do not depend on what masked tokens hold. */
static void
test_bits (gconstpointer user_data)
{
  const Case *c = user_data;
  Data data;
  Result first = { NULL }, second = { NULL };

  data_init (&data, c, 2);
  compute (c, &data, &first);
  for (int t = 0; t < c->rows * c->T; t++)
    for (int d = 0; d < stride_of (c) && !data.mask[t]; d++)
      {
        const gsize at = EXTRA + (gsize) t * stride_of (c) + d;

        data.q[at] = 100 * data.k[at];
        data.k[at] = -50 * data.v[at];
        data.v[at] = 1000 * data.dout[at];
        data.dout[at] = 1e6f;
      }
  compute (c, &data, &second);
  g_assert_cmpmem (first.out, data.n * 4, second.out, data.n * 4);
  g_assert_cmpmem (first.dq, data.n * 4, second.dq, data.n * 4);
  g_assert_cmpmem (first.dk, data.n * 4, second.dk, data.n * 4);
  g_assert_cmpmem (first.dv, data.n * 4, second.dv, data.n * 4);
  g_assert_cmpmem (first.stats, (gsize) c->heads * c->rows * c->T * 8, second.stats, (gsize) c->heads * c->rows * c->T * 8);
  {
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_MD5);

    g_checksum_update (sum, (const guchar *) first.out, data.n * 4);
    g_checksum_update (sum, (const guchar *) first.dq, data.n * 4);
    g_checksum_update (sum, (const guchar *) first.dk, data.n * 4);
    g_checksum_update (sum, (const guchar *) first.dv, data.n * 4);
    /* The same with any number of compute units. */
    g_test_message ("bits of %s: %s", c->name, g_checksum_get_string (sum));
  }
  result_clear (&first);
  result_clear (&second);
  data_clear (&data);
}

/* The reference's own gradients, by differences. */
static void
test_differences (void)
{
  static const Case list[] = {
    { "lsh", 2, 12, 2, 4, 4, 1, 1, TRUE, TRUE, 3, TRUE, TRUE, 0.2 },
    { "local", 2, 12, 1, 3, 4, 1, 1, FALSE, FALSE, 0, FALSE, TRUE, 0.3 },
  };

  for (guint z = 0; z < G_N_ELEMENTS (list); z++)
    {
      const Case *c = &list[z];
      Data data;

      data_init (&data, c, 3);
      {
        g_autofree double *q = widen (data.q, data.n);
        g_autofree double *k = widen (data.k, data.n);
        g_autofree double *v = widen (data.v, data.n);
        g_autofree double *out = g_new0 (double, data.n);
        g_autofree double *lse = g_new0 (double, (gsize) c->heads * c->rows * c->T);
        g_autofree double *dq = g_new0 (double, data.n);
        g_autofree double *dk = g_new0 (double, data.n);
        g_autofree double *dv = g_new0 (double, data.n);
        double *inputs[] = { q, k, v }, *gradients[] = { dq, dk, dv };

        reference (c, &data, q, k, v, out, lse, dq, dk, dv);
        for (guint x = 0; x < 3; x++)
          for (gsize i = 0; i < data.n; i += 3)
            {
              const double h = 1e-5, old = inputs[x][i];
              double difference = 0;

              for (int sign = -1; sign <= 1; sign += 2)
                {
                  memset (out, 0, data.n * sizeof *out);
                  inputs[x][i] = old + sign * h;
                  reference (c, &data, q, k, v, out, lse, NULL, NULL, NULL);
                  for (gsize j = 0; j < data.n; j++)
                    difference += sign * out[j] * (double) data.dout[j];
                }
              inputs[x][i] = old;
              g_assert_cmpfloat (fabs (difference / (2 * h) - gradients[x][i]), <=, 1e-7);
            }
      }
      data_clear (&data);
    }
}

/* A query that may see only itself has its own value, in every round; a weight 126 or more (base 2) below the largest is nothing, one a little nearer is there. */
static void
test_weights (void)
{
  const Case alone = { "", 1, 64, 1, 4, 16, 1, 0, TRUE, TRUE, 3, TRUE, FALSE, 0 };
  const Case two = { "", 1, 2, 1, 7, 64, 0, 0, FALSE, FALSE, 0, FALSE, FALSE, 0 };
  const double below[] = { 120, 127 };
  Data data;
  Result result = { NULL };

  data_init (&data, &alone, 4);
  compute (&alone, &data, &result);
  for (int d = 0; d < 4; d++)
    {
      g_assert_cmpfloat (fabsf (result.out[EXTRA + d] / data.v[EXTRA + d] - 1), <=, 3e-7f);
      g_assert_cmpfloat (fabsf (result.stats[0] + 1e5f * (float) (1 / G_LN2)), <=, 0.05f);
    }
  result_clear (&result);
  data_clear (&data);

  for (guint i = 0; i < 2; i++)
    {
      data_init (&data, &two, 5);
      memset (data.q, 0, data.n * sizeof (float));
      memset (data.k, 0, data.n * sizeof (float));
      memset (data.v, 0, data.n * sizeof (float));
      data.q[EXTRA] = 1;
      data.k[EXTRA + stride_of (&two)] = (float) (-below[i] * G_LN2 / (double) describe (&two).scale);
      data.v[EXTRA + stride_of (&two)] = 1e38f;
      compute (&two, &data, &result);
      if (i == 0)
        g_assert_cmpfloat (fabsf (result.out[EXTRA] / (1e38f * 0x1p-120f) - 1), <, 1e-4f);
      else
        g_assert_cmpfloat (result.out[EXTRA], ==, 0);
      result_clear (&result);
      data_clear (&data);
    }
}

/* What does not fit is an error in one line, not a crash. */
static void
test_errors (void)
{
  const Case good = { "", 1, 16, 1, 4, 8, 1, 0, TRUE, TRUE, 0, TRUE, FALSE, 0 };
  const struct
  {
    gsize field;
    int   value;
  } wrong[] = {
    { G_STRUCT_OFFSET (ReformerAttentionArgs, chunk), 5 },  { G_STRUCT_OFFSET (ReformerAttentionArgs, chunk), 0 },     { G_STRUCT_OFFSET (ReformerAttentionArgs, before), -1 },
    { G_STRUCT_OFFSET (ReformerAttentionArgs, stride), 3 }, { G_STRUCT_OFFSET (ReformerAttentionArgs, rounds), 2 },    { G_STRUCT_OFFSET (ReformerAttentionArgs, head_size), 0 },
    { G_STRUCT_OFFSET (ReformerAttentionArgs, T), -16 },    { G_STRUCT_OFFSET (ReformerAttentionArgs, rounds), 1 << 29 }, { G_STRUCT_OFFSET (ReformerAttentionArgs, after), 1 << 29 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) x = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 1000);
      ReformerAttentionArgs a = describe (&good);
      GError *error = NULL;

      a.q = a.v = reformer_span (x);
      G_STRUCT_MEMBER (int, &a, wrong[i].field) = wrong[i].value;
      reformer_attention_forward (&run, &a, reformer_span (x), reformer_span (x));
      g_assert_false (reformer_run_finish (&run, &error));
      g_assert_nonnull (error);
      g_error_free (error);
    }
}

/* One layer with 4 heads at 16,384 tokens; GFLOP/s counts 2 products forward and 5 backward; those of CPU time tell on a busy machine. */
static void
test_perf (void)
{
  static const Case list[] = {
    { "LSH, 64, 2 rounds",          1, 16384, 4,  64,  64, 1, 0, TRUE,  TRUE,  2, TRUE,  FALSE, 0 },
    { "LSH, 64, mask, dropout 0.1", 1, 16384, 4,  64,  64, 1, 0, TRUE,  TRUE,  2, TRUE,  TRUE,  0.1 },
    { "LSH, 32",                    1, 16384, 4,  32,  64, 1, 0, TRUE,  TRUE,  2, TRUE,  FALSE, 0 },
    { "LSH, 128",                   1, 16384, 2, 128,  64, 1, 0, TRUE,  TRUE,  2, TRUE,  FALSE, 0 },
    { "LSH, 128, chunk 256",        1, 16384, 2, 128, 256, 1, 0, TRUE,  TRUE,  1, TRUE,  FALSE, 0 },
    { "local, 64",                  1, 16384, 4,  64,  64, 1, 0, TRUE,  TRUE,  0, FALSE, FALSE, 0 },
    { "local, 64, both sides",      1, 16384, 4,  64,  64, 1, 1, FALSE, FALSE, 0, FALSE, FALSE, 0 },
    { "full, 64, 2048 tokens",      1,  2048, 4,  64, 2048, 0, 0, FALSE, FALSE, 0, FALSE, FALSE, 0 },
  };

  for (guint z = 0; z < G_N_ELEMENTS (list); z++)
    {
      const Case *c = &list[z];
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      Data data;
      ReformerTensor *x[9];
      ReformerAttentionArgs a = describe (c);
      const int rounds = MAX (1, c->rounds);
      const gsize n = (gsize) c->rows * c->T * c->heads * c->head_size, n_order = (gsize) c->heads * rounds * c->rows * c->T;
      const int window = c->chunk >= c->T ? c->T : (c->before + 1 + c->after) * c->chunk;
      const double unit = 2.0 * c->heads * rounds * c->rows * c->T * window * c->head_size;
      double forward = G_MAXDOUBLE, backward = G_MAXDOUBLE, forward_cpu = G_MAXDOUBLE, backward_cpu = G_MAXDOUBLE;
      GError *error = NULL;

      data_init (&data, c, 1);
      a.stride = c->heads * c->head_size;
      for (guint i = 0; i < 8; i++)
        x[i] = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) n);
      x[8] = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) n_order * 2);
      {
        g_autoptr (ReformerTensor) order = reformer_run_new (&run, REFORMER_DTYPE_INT32, 1, (gint64) n_order);
        g_autoptr (ReformerTensor) mask = reformer_run_new (&run, REFORMER_DTYPE_UINT8, 1, (gint64) c->rows * c->T);

        a.q = upload (&run, x[0], data.q, n);
        a.v = upload (&run, x[1], data.v, n);
        upload (&run, x[2], data.dout, n);
        if (!c->shared)
          a.k = upload (&run, x[3], data.k, n);
        if (c->rounds > 0)
          a.order = upload (&run, order, data.order, n_order);
        if (c->masked)
          a.mask = upload (&run, mask, data.mask, (gsize) c->rows * c->T);
        for (int i = 0; i < 8 && reformer_run_ok (&run); i++)
          {
            gint64 t;
            clock_t cpu;

            reformer_device_synchronize (device, NULL);
            t = g_get_monotonic_time ();
            cpu = clock ();
            reformer_attention_forward (&run, &a, reformer_span (x[4]), reformer_span (x[8]));
            reformer_device_synchronize (device, NULL);
            forward = MIN (forward, g_get_monotonic_time () - t);
            forward_cpu = MIN (forward_cpu, clock () - cpu);
            cpu = clock ();
            t = g_get_monotonic_time ();
            {
              g_autoptr (ReformerTensor) deltas = reformer_attention_deltas (&run, &a, reformer_span (x[4]), reformer_span (x[2]));

              reformer_attention_backward (&run, &a, reformer_span (deltas), reformer_span (x[8]), reformer_span (x[2]), reformer_span (x[5]),
                                           c->shared ? REFORMER_NOTHING : reformer_span (x[6]), reformer_span (x[7]));
            }
            reformer_device_synchronize (device, NULL);
            backward = MIN (backward, g_get_monotonic_time () - t);
            backward_cpu = MIN (backward_cpu, clock () - cpu);
          }
      }
      reformer_run_finish (&run, &error);
      g_assert_no_error (error);
      g_test_message ("%s: forward %.1f GFLOP/s, %.2f ms (%.1f in a second of CPU time); backward %.1f GFLOP/s, %.2f ms (%.1f)", c->name,
                      2 * unit / forward / 1e3, forward / 1e3, 2 * unit / forward_cpu * CLOCKS_PER_SEC / 1e9, 5 * unit / backward / 1e3, backward / 1e3,
                      5 * unit / backward_cpu * CLOCKS_PER_SEC / 1e9);
      for (guint i = 0; i < 9; i++)
        g_object_unref (x[i]);
      data_clear (&data);
    }
}

int
main (int   argc,
      char *argv[])
{
  GError *error = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  device = reformer_device_get_default (&error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = i == 0 ? g_strdup ("/attention/tiny") : g_strconcat ("/attention/reference/", cases[i].name, NULL);
      g_autofree char *bits = g_strconcat ("/attention/bits/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_reference);
      g_test_add_data_func (bits, &cases[i], test_bits);
    }
  g_test_add_func ("/attention/differences", test_differences);
  g_test_add_func ("/attention/weights", test_weights);
  g_test_add_func ("/attention/errors", test_errors);
  if (g_test_perf ())
    g_test_add_func ("/attention/perf", test_perf);
  result = g_test_run ();
  g_object_unref (device);
  return result;
}
