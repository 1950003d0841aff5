/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>
#include <time.h>

#include "common.h"
#include "ops/attention.h"

/* The attention operation in a band with global tokens: forward and gradients against plain loops in float64. `tiny` is small enough for oclgrind. */

static ReformerDevice *device;

typedef struct
{
  const char *name;
  int         rows, T, heads, head_size;
  int         reach, dilation, globals; /* globals of the first row; another row has one less */
  gboolean    causal, masked;
  double      p;
} Case;

/*  name            rows   T heads size reach dil glob causal mask   p */
static const Case cases[] = {
  { "tiny",            1,  12, 1,   4,   2,  1,  1, FALSE, TRUE,  0.25 },
  { "one",             1,   1, 1,   4,   2,  1,  0, FALSE, FALSE, 0 },
  { "one-global",      1,   1, 1,   4,   2,  1,  1, FALSE, FALSE, 0 },
  { "narrow",          2,  70, 2,   7,   4,  1,  3, FALSE, TRUE,  0 },
  { "narrow-causal",   2,  70, 2,   7,   4,  1,  3, TRUE,  TRUE,  0.2 },
  { "no-globals",      1,  97, 1,   7,   1,  1,  0, FALSE, FALSE, 0 },
  { "dilated",         2, 130, 2,   7,   3,  3,  2, FALSE, TRUE,  0.1 },
  { "dilated-causal",  1, 101, 1,  64,   5,  7,  2, TRUE,  FALSE, 0 },
  { "scattered",       1,  20, 1,   7,   2, 50,  1, FALSE, FALSE, 0 }, /* a dilation longer than the text */
  { "wide",            1, 300, 2,  64,  70,  1,  2, FALSE, TRUE,  0.1 },
  { "wide-causal",     1, 260, 1,  64,  64,  1,  0, TRUE,  FALSE, 0 },
  { "wide-dilated",    1, 310, 1,  64,  40,  2, 37, TRUE,  TRUE,  0.1 },
  { "all",             1,  60, 1,   7,  80,  1,  1, FALSE, FALSE, 0 },
  { "many",            1, 200, 1,  64,   8,  1, 70, FALSE, TRUE,  0 },
};

#define FIRST_HEAD 3

enum
{
  Q, K, V, QG, KG, VG, N_INPUTS
};

typedef struct
{
  gsize   n;       /* elements of an array [rows][T][stride] */
  float  *x[N_INPUTS], *dout;
  guint8 *kept, *in_band; /* masks */
  gint32 *globals; /* [rows][c->globals] */
} Data;

static int
stride_of (const Case *c)
{
  return c->heads * c->head_size + 3;
}

static void
data_init (Data       *data,
           const Case *c,
           guint32     seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  data->n = (gsize) c->rows * c->T * stride_of (c);
  for (int i = 0; i < N_INPUTS; i++)
    {
      data->x[i] = g_new (float, data->n);
      test_fill (data->x[i], data->n, seed + (guint32) i);
      for (gsize j = 0; j < data->n; j++)
        data->x[i][j] *= 2;
    }
  data->dout = g_new (float, data->n);
  test_fill (data->dout, data->n, seed + 50);
  data->kept = g_new (guint8, (gsize) c->rows * c->T);
  data->in_band = g_new (guint8, (gsize) c->rows * c->T);
  data->globals = g_new (gint32, MAX (1, c->rows * c->globals));
  for (int i = 0; i < c->rows * c->T; i++)
    data->kept[i] = data->in_band[i] = !c->masked || g_rand_int_range (rand, 0, 5) != 0;
  for (int row = 0; row < c->rows; row++)
    for (int g = 0, t = row; g < c->globals; g++, t += MAX (1, (c->T - 1) / c->globals))
      {
        const gboolean none = row > 0 && g == c->globals - 1;

        data->globals[row * c->globals + g] = none ? -1 : t;
        if (!none)
          {
            data->kept[row * c->T + t] = 1;
            data->in_band[row * c->T + t] = 0;
          }
      }
}

static void
data_clear (Data *data)
{
  for (int i = 0; i < N_INPUTS; i++)
    g_free (data->x[i]);
  g_free (data->dout);
  g_free (data->kept);
  g_free (data->in_band);
  g_free (data->globals);
}

static ReformerAttentionArgs
describe (const Case *c)
{
  return (ReformerAttentionArgs) {
    .rows = c->rows, .T = c->T, .stride = stride_of (c), .heads = c->heads, .head_size = c->head_size, .scale = (float) (1.3 / sqrt (c->head_size)), .rounds = 1,
    .order = REFORMER_NOTHING, .chunk = G_MAXINT, .causal = c->causal, .dropout = { (float) c->p, G_GUINT64_CONSTANT (0x123456789abcdef), 40, 77 },
    .n_globals = c->globals, .first_head = FIRST_HEAD,
  };
}

/* out and the gradients of the inputs, as the device has them */
static void
compute (const Case  *c,
         const Data  *data,
         float       *out,
         float      **dx)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  ReformerTensor *x[N_INPUTS], *d[N_INPUTS];
  g_autoptr (ReformerTensor) dout = test_tensor (device, data->dout, 1, (int) data->n);
  g_autoptr (ReformerTensor) y = test_tensor (device, NULL, 1, (int) data->n);
  g_autoptr (ReformerTensor) stats = test_tensor (device, NULL, 1, c->heads * c->rows * c->T * 2);
  g_autoptr (ReformerTensor) kept = test_tensor_bytes (device, data->kept, 2, c->rows, c->T);
  g_autoptr (ReformerTensor) in_band = test_tensor_bytes (device, data->in_band, 2, c->rows, c->T);
  g_autoptr (ReformerTensor) globals = test_tensor_int (device, data->globals, 1, MAX (1, c->rows * c->globals));
  g_autoptr (ReformerTensor) deltas = NULL;
  ReformerAttentionArgs band = describe (c), from = describe (c);

  for (int i = 0; i < N_INPUTS; i++)
    {
      x[i] = test_tensor (device, data->x[i], 1, (int) data->n);
      d[i] = test_tensor (device, NULL, 1, (int) data->n);
    }
  band.dilation = c->dilation;
  band.reach = c->reach;
  from.from_globals = TRUE;
  from.dropout.place++;
  band.globals = from.globals = reformer_span (globals);
  band.q = reformer_span (x[Q]);
  band.k = reformer_span (x[K]);
  band.v = reformer_span (x[V]);
  band.mask = reformer_span (in_band);
  from.q = reformer_span (x[QG]);
  from.k = reformer_span (x[KG]);
  from.v = reformer_span (x[VG]);
  if (c->masked)
    from.mask = reformer_span (kept);
  if (!c->masked && c->globals == 0)
    band.mask = REFORMER_NOTHING;
  reformer_attention_forward (&run, &band, reformer_span (y), reformer_span (stats));
  if (c->globals > 0)
    reformer_attention_forward (&run, &from, reformer_span (y), reformer_span (stats));
  deltas = reformer_attention_deltas (&run, &from, reformer_span (y), reformer_span (dout));
  reformer_attention_backward (&run, &band, reformer_span (deltas), reformer_span (stats), reformer_span (dout), reformer_span (d[Q]), reformer_span (d[K]),
                               reformer_span (d[V]));
  if (c->globals > 0)
    reformer_attention_backward (&run, &from, reformer_span (deltas), reformer_span (stats), reformer_span (dout), reformer_span (d[QG]), reformer_span (d[KG]),
                                 reformer_span (d[VG]));
  reformer_run_read (&run, reformer_span (y), out, data->n);
  for (int i = 0; i < N_INPUTS; i++)
    {
      reformer_run_read (&run, reformer_span (d[i]), dx[i], data->n);
      g_object_unref (x[i]);
      g_object_unref (d[i]);
    }
  assert_run (&run);
}

/* One key that a query sees: a token, and the number that dropout draws by. */
typedef struct
{
  int    token;
  gint64 slot;
  double p, factor;
} Seen;

static int
see (const Case *c,
     const Data *data,
     int         row,
     int         t,
     gboolean    is_global,
     Seen       *seen)
{
  const int g = MIN (c->dilation, c->T), chunk = c->reach <= 32 ? 32 : 64, before = (c->reach + chunk - 1) / chunk;
  const int slots = (before + 1 + (c->causal ? 0 : before)) * chunk;
  int n = 0;

  for (int u = 0; u < c->T; u++)
    {
      const int distance = abs (u - t);

      if (c->causal && u > t)
        continue;
      if (is_global && data->kept[row * c->T + u])
        seen[n++] = (Seen) { u, u, 0, 1 };
      else if (!is_global && data->in_band[row * c->T + u] && distance % g == 0 && distance / g <= c->reach)
        seen[n++] = (Seen) { u, u / g - (t / g / chunk - before) * chunk, 0, 1 };
    }
  for (int i = 0; i < c->globals && !is_global; i++)
    {
      const int u = data->globals[row * c->globals + i];

      if (u >= 0 && !(c->causal && u > t))
        seen[n++] = (Seen) { u, slots + i, 0, 1 };
    }
  return n;
}

static void
draw (const Case *c,
      int         row,
      int         h,
      int         t,
      gboolean    is_global,
      Seen       *seen,
      int         n)
{
  const int chunk = c->reach <= 32 ? 32 : 64, before = (c->reach + chunk - 1) / chunk;
  const int slots = (before + 1 + (c->causal ? 0 : before)) * chunk + (c->globals + 3) / 4 * 4;
  ReformerDropout dropout = describe (c).dropout;

  for (int i = 0; i < n && c->p > 0; i++)
    {
      const guint64 index = ((guint64) (FIRST_HEAD + h) * c->T + t) * (is_global ? c->T : slots) + seen[i].slot;
      const guint32 counter[4] = { (guint32) (index / 4), (guint32) (index / 4 >> 32), dropout.sequence + row, dropout.place + is_global };
      const guint32 key[2] = { (guint32) dropout.seed, (guint32) (dropout.seed >> 32) };
      guint32 words[4];

      reformer_philox (counter, key, words);
      seen[i].factor = words[index % 4] >= reformer_dropout_threshold (&dropout) ? (double) reformer_dropout_scale (&dropout) : 0;
    }
}

/* d: gradients of the inputs, or NULL. */
static void
reference (const Case  *c,
           const Data  *data,
           double     **x,
           double      *out,
           double     **d)
{
  const double scale = (double) describe (c).scale;
  const int D = c->head_size;
  g_autofree Seen *seen = g_new (Seen, c->T + c->globals);

#define AT(t) (((gsize) row * c->T + (t)) * stride_of (c) + h * D)
  for (int row = 0; row < c->rows; row++)
    for (int h = 0; h < c->heads; h++)
      for (int t = 0; t < c->T; t++)
        {
          const gboolean is_global = data->kept[row * c->T + t] && !data->in_band[row * c->T + t];
          const int base = is_global ? QG : Q;
          double m = -G_MAXDOUBLE, l = 0, delta = 0;
          int n;

          if (!data->kept[row * c->T + t])
            continue;
          n = see (c, data, row, t, is_global, seen);
          draw (c, row, h, t, is_global, seen, n);
          for (int i = 0; i < n; i++)
            {
              for (int k = 0; k < D; k++)
                seen[i].p += scale * x[base + Q][AT (t) + k] * x[base + K][AT (seen[i].token) + k];
              m = MAX (m, seen[i].p);
            }
          for (int i = 0; i < n; i++)
            l += seen[i].p = exp (seen[i].p - m);
          for (int i = 0; i < n; i++)
            {
              seen[i].p /= l;
              for (int k = 0; k < D; k++)
                out[AT (t) + k] += seen[i].p * seen[i].factor * x[base + V][AT (seen[i].token) + k];
            }
          for (int k = 0; k < D; k++)
            delta += out[AT (t) + k] * (double) data->dout[AT (t) + k];
          for (int i = 0; i < n && d != NULL; i++)
            {
              const gsize key = AT (seen[i].token);
              double slope = 0;

              for (int k = 0; k < D; k++)
                {
                  slope += (double) data->dout[AT (t) + k] * x[base + V][key + k];
                  d[base + V][key + k] += seen[i].p * seen[i].factor * (double) data->dout[AT (t) + k];
                }
              slope = scale * seen[i].p * (seen[i].factor * slope - delta);
              for (int k = 0; k < D; k++)
                {
                  d[base + Q][AT (t) + k] += slope * x[base + K][key + k];
                  d[base + K][key + k] += slope * x[base + Q][AT (t) + k];
                }
            }
        }
#undef AT
}

typedef struct
{
  double *x[N_INPUTS], *d[N_INPUTS], *out;
} Wide;

static void
wide_init (Wide       *wide,
           const Data *data)
{
  for (int i = 0; i < N_INPUTS; i++)
    {
      wide->x[i] = g_new (double, data->n);
      for (gsize j = 0; j < data->n; j++)
        wide->x[i][j] = (double) data->x[i][j];
      wide->d[i] = g_new0 (double, data->n);
    }
  wide->out = g_new0 (double, data->n);
}

static void
wide_clear (Wide *wide)
{
  for (int i = 0; i < N_INPUTS; i++)
    {
      g_free (wide->x[i]);
      g_free (wide->d[i]);
    }
  g_free (wide->out);
}

/* Also: the same bits again, whatever masked tokens hold. */
static void
test_reference (gconstpointer user_data)
{
  static const char *const names[] = { "dq", "dk", "dv", "dq of globals", "dk of globals", "dv of globals" };
  const Case *c = user_data;
  Data data;
  Wide wide;
  float *dx[2][N_INPUTS], *out[2];

  data_init (&data, c, 1);
  wide_init (&wide, &data);
  for (int i = 0; i < 2; i++)
    {
      out[i] = g_new (float, data.n);
      for (int j = 0; j < N_INPUTS; j++)
        dx[i][j] = g_new (float, data.n);
      compute (c, &data, out[i], dx[i]);
      for (gsize j = 0; j < data.n; j++)
        if (!data.kept[j / (gsize) stride_of (c)])
          {
            for (int k = 0; k < N_INPUTS; k++)
              data.x[k][j] = 100 * data.x[(k + 1) % N_INPUTS][j];
            data.dout[j] = 1e6f;
          }
    }
  data_clear (&data);
  data_init (&data, c, 1);
  reference (c, &data, wide.x, wide.out, wide.d);
  assert_near ("out", out[0], wide.out, data.n, 4e-6 * 2);
  assert_same_bits ("out", out[1], out[0], data.n);
  for (int i = 0; i < N_INPUTS && (i < QG || c->globals > 0); i++)
    {
      double most = 1;

      for (gsize j = 0; j < data.n; j++)
        most = MAX (most, fabs (wide.d[i][j]));
      assert_near (names[i], dx[0][i], wide.d[i], data.n, 6e-6 * most);
      assert_same_bits (names[i], dx[1][i], dx[0][i], data.n);
    }
  for (int i = 0; i < 2; i++)
    {
      g_free (out[i]);
      for (int j = 0; j < N_INPUTS; j++)
        g_free (dx[i][j]);
    }
  wide_clear (&wide);
  data_clear (&data);
}

/* The reference's own gradients, by differences. */
static void
test_differences (void)
{
  static const Case c = { "", 2, 14, 1, 3, 2, 2, 2, TRUE, TRUE, 0.2 };
  const double h = 1e-5;
  Data data;
  Wide wide;

  data_init (&data, &c, 3);
  wide_init (&wide, &data);
  reference (&c, &data, wide.x, wide.out, wide.d);
  for (int i = 0; i < N_INPUTS; i++)
    for (gsize j = 0; j < data.n; j += 2)
      {
        const double old = wide.x[i][j];
        double difference = 0;

        for (int sign = -1; sign <= 1; sign += 2)
          {
            memset (wide.out, 0, data.n * sizeof *wide.out);
            wide.x[i][j] = old + sign * h;
            reference (&c, &data, wide.x, wide.out, NULL);
            for (gsize k = 0; k < data.n; k++)
              difference += sign * wide.out[k] * (double) data.dout[k];
          }
        wide.x[i][j] = old;
        g_assert_cmpfloat (fabs (difference / (2 * h) - wide.d[i][j]), <=, 1e-7);
      }
  wide_clear (&wide);
  data_clear (&data);
}

static void
test_errors (void)
{
  const struct
  {
    int         dilation, reach, globals, rounds;
    const char *message;
  } wrong[] = {
    { -1, 2, 0, 1, "*dilation -1*" },
    { 1, -2, 0, 1, "*a band of -2*" },
    { 1, 2, 17, 1, "*17 globals of 16 tokens*" },
    { 0, 2, 3, 1, "*3 globals*" },
    { 65536, 65536, 0, 1, "*dilation 65536*" },
    { 1, 2, 0, 2, "*natural order*" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 1000);
      GError *error = NULL;
      ReformerAttentionArgs a = { .rows = 1, .T = 16, .stride = 4, .heads = 1, .head_size = 4, .scale = 1, .chunk = 16, .q = reformer_span (x), .k = reformer_span (x),
                                  .v = reformer_span (x), .dilation = wrong[i].dilation, .reach = wrong[i].reach, .n_globals = wrong[i].globals, .rounds = wrong[i].rounds };

      if (wrong[i].rounds > 1)
        a.order = reformer_span (x);
      reformer_attention_forward (&run, &a, reformer_span (x), reformer_span (x));
      g_assert_false (reformer_run_finish (&run, &error));
      g_assert_nonnull (error);
      if (!g_pattern_match_simple (wrong[i].message, error->message))
        g_error ("'%s' does not match '%s'", error->message, wrong[i].message);
      g_error_free (error);
    }
}

/* 16,384 tokens, 4 heads of 64: beside local attention of as many keys. */
static void
test_perf (void)
{
  const struct
  {
    const char *name;
    int         dilation, reach, globals, chunk;
  } list[] = {
    { "local, chunks of 64, both sides", 0, 0, 0, 64 }, { "band of 64 to each side", 1, 64, 0, 0 },  { "band of 64, 2 globals", 1, 64, 2, 0 },
    { "band of 64, dilation 4", 4, 64, 0, 0 },          { "band of 256 to each side", 1, 256, 0, 0 }, { "band of 32 to each side", 1, 32, 0, 0 },
    { "band of 8 to each side", 1, 8, 0, 0 },
  };
  const int T = 16384, heads = 4, d = 64;
  const gsize n = (gsize) T * heads * d;
  ReformerTensor *x[8];
  g_autoptr (ReformerTensor) stats = test_tensor (device, NULL, 1, heads * T * 2);
  gint32 globals[] = { 0, 5000 };
  g_autoptr (ReformerTensor) list_of = test_tensor_int (device, globals, 1, 2);
  g_autofree float *values = g_new (float, n);

  for (int i = 0; i < 8; i++)
    {
      test_fill (values, n, (guint32) i);
      x[i] = test_tensor (device, values, 1, (int) n);
    }
  for (guint z = 0; z < G_N_ELEMENTS (list); z++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      const ReformerAttentionArgs a = { .rows = 1, .T = T, .stride = heads * d, .heads = heads, .head_size = d, .scale = 0.125f, .rounds = 1, .order = REFORMER_NOTHING,
                                        .q = reformer_span (x[0]), .k = reformer_span (x[1]), .v = reformer_span (x[2]), .chunk = MAX (1, list[z].chunk), .before = 1, .after = 1,
                                        .dilation = list[z].dilation, .reach = list[z].reach, .globals = reformer_span (list_of), .n_globals = list[z].globals };
      const double unit = 2.0 * heads * T * d * (list[z].chunk > 0 ? 3 * list[z].chunk : 2 * list[z].reach + 1 + list[z].globals);
      gint64 forward = G_MAXINT64, backward = G_MAXINT64;

      for (int i = 0; i < 6; i++)
        {
          gint64 t = g_get_monotonic_time ();

          reformer_attention_forward (&run, &a, reformer_span (x[4]), reformer_span (stats));
          reformer_device_synchronize (device, NULL);
          forward = MIN (forward, g_get_monotonic_time () - t);
          t = g_get_monotonic_time ();
          {
            g_autoptr (ReformerTensor) deltas = reformer_attention_deltas (&run, &a, reformer_span (x[4]), reformer_span (x[3]));

            reformer_attention_backward (&run, &a, reformer_span (deltas), reformer_span (stats), reformer_span (x[3]), reformer_span (x[5]), reformer_span (x[6]),
                                         reformer_span (x[7]));
          }
          reformer_device_synchronize (device, NULL);
          backward = MIN (backward, g_get_monotonic_time () - t);
        }
      assert_run (&run);
      g_test_message ("%s: forward %.2f ms, %.1f GFLOP/s; backward %.2f ms, %.1f", list[z].name, (double) forward / 1e3, 2 * unit / (double) forward / 1e3,
                      (double) backward / 1e3, 5 * unit / (double) backward / 1e3);
    }
  for (int i = 0; i < 8; i++)
    g_object_unref (x[i]);
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
      g_autofree char *path = i == 0 ? g_strdup ("/band/tiny") : g_strconcat ("/band/reference/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_reference);
    }
  g_test_add_func ("/band/differences", test_differences);
  g_test_add_func ("/band/errors", test_errors);
  if (g_test_perf ())
    g_test_add_func ("/band/perf", test_perf);
  result = test_run ();
  g_object_unref (device);
  return result;
}
