/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A million tokens in one sequence: offsets and sizes are right to the last token. Everything is looked at where it is cheap, else samples are compared with a plain
 * reference in double precision. */
#include "models.h"

#include "ops/attention.h"
#include "ops/hash.h"

#include <math.h>

#define TOKENS  (1 << 20)
#define HEADS   2
#define SIZE    16
#define WIDTH   (HEADS * SIZE)
#define ROUNDS  2
#define CHUNK   64
#define CHUNKS  (TOKENS / CHUNK)
#define RING    (ROUNDS * CHUNKS)
#define BUCKETS (128 * 256)
#define PIECE   65536
#define SAMPLES 48

static ReformerDevice *device;

/* On a processor the other dialect takes minutes. */
static gboolean
too_slow (void)
{
  if (!test_device_slow (device) && (g_test_slow () || reformer_device_is_wide (device) || reformer_device_get_kind (device) != REFORMER_DEVICE_KIND_CPU))
    return FALSE;
  g_test_skip ("a million tokens take too long here; -m slow");
  return TRUE;
}

/* ---- Arrays by formula: nothing of their size is on the host ---- */

static double
value_at (guint32 seed,
          gsize   t,
          int     d)
{
  guint64 x = ((guint64) seed << 40) + t * WIDTH + (gsize) d;

  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return (double) ((x ^ (x >> 31)) >> 40) * 0x1p-23 - 1;
}

static ReformerTensor *
new_values (ReformerRun *run,
            guint32      seed,
            gsize        first,
            gsize        n)
{
  ReformerTensor *tensor = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) n, (gint64) WIDTH);
  g_autofree float *piece = g_new (float, (gsize) PIECE * WIDTH);

  assert_run (run);
  for (gsize t = 0; t < n; t += PIECE)
    {
      const gsize count = MIN (PIECE, n - t);

      for (gsize i = 0; i < count; i++)
        for (int d = 0; d < WIDTH; d++)
          piece[i * WIDTH + (gsize) d] = (float) value_at (seed, first + t + i, d); /* exact */
      reformer_run_write (run, reformer_at (tensor, t * WIDTH), piece, count * WIDTH);
    }
  return tensor;
}

/* The two ends, their neighbours, and some between. */
static int
sample (int i)
{
  static const int fixed[] = { 0, 1, CHUNK - 1, CHUNK, TOKENS / 2 - 1, TOKENS / 2, TOKENS - CHUNK - 1, TOKENS - CHUNK, TOKENS - 2, TOKENS - 1 };

  return i < (int) G_N_ELEMENTS (fixed) ? fixed[i] : (int) ((guint64) i * 2654435761u % TOKENS);
}

/* ---- Hash, sort, attention ---- */

static void
hash (ReformerRun    *run,
      ReformerTensor *x,
      int             n,
      ReformerTensor *rotations,
      ReformerTensor *buckets)
{
  const ReformerHash h = { .rows = 1, .T = n, .stride = WIDTH, .heads = HEADS, .head_size = SIZE, .rounds = ROUNDS, .max_rounds = ROUNDS,
                           .n_factors = 2, .factors = { 128, 256 }, .x = reformer_span (x), .rotations = reformer_span (rotations) };

  reformer_hash (run, &h, reformer_span (buckets));
  assert_run (run);
}

/* The last tokens by themselves get the buckets that they have in the whole. */
static void
check_buckets (ReformerRun    *run,
               ReformerTensor *rotations,
               const guint16  *buckets)
{
  const int n = 5000;
  g_autoptr (ReformerTensor) x = new_values (run, 1, TOKENS - n, n);
  g_autoptr (ReformerTensor) few = reformer_run_new (run, REFORMER_DTYPE_UINT16, 2, (gint64) HEADS * ROUNDS, (gint64) n);
  g_autofree guint16 *want = NULL;

  hash (run, x, n, rotations, few);
  want = test_shorts (few);
  for (int slot = 0; slot < HEADS * ROUNDS; slot++)
    for (int t = 0; t < n; t++)
      g_assert_cmpuint (buckets[(gsize) slot * TOKENS + TOKENS - n + (gsize) t], ==, want[slot * n + t]);
}

/* Strictly ascending by bucket and token, hence a permutation. */
static void
check_order (const guint16 *buckets,
             const gint32  *order)
{
  for (int slot = 0; slot < HEADS * ROUNDS; slot++)
    for (gsize p = 0; p < TOKENS; p++)
      {
        const guint16 *b = buckets + (gsize) slot * TOKENS;
        const gint32 *o = order + (gsize) slot * TOKENS + p;

        g_assert_cmpint (*o, >=, 0);
        g_assert_cmpint (*o, <, TOKENS);
        if (p > 0 && !(b[o[-1]] < b[*o] || (b[o[-1]] == b[*o] && o[-1] < *o)))
          g_error ("slot %d, place %" G_GSIZE_FORMAT ": token %d of bucket %d after token %d of bucket %d", slot, p, *o, b[*o], o[-1], b[o[-1]]);
      }
}

typedef struct
{
  const gint32 *order;
  const gint32 *place; /* of each token, as order */
  const float  *stats;
} Lsh;

/* The score of query t and key j, in base 2. */
static double
score (int h,
       int t,
       int j)
{
  double dot = 0, sum = 0;

  for (int d = 0; d < SIZE; d++)
    {
      const double q = value_at (1, (gsize) t, h * SIZE + d), k = value_at (1, (gsize) j, h * SIZE + d);

      dot += q * k;
      sum += k * k;
    }
  /* constants as the device has them: a maximum of -1e5 is one of few digits */
  return j == t ? (double) (-1e5f * 1.44269504f) : j > t ? (double) (-1e9f * 1.44269504f) : dot / sqrt (sum / SIZE + 1e-6) / sqrt (SIZE) / G_LN2;
}

static int
token_at (const Lsh *lsh,
          int        h,
          int        chunk,
          int        i)
{
  return lsh->order[((gsize) (h * ROUNDS + chunk / CHUNKS)) * TOKENS + (gsize) (chunk % CHUNKS * CHUNK + i)];
}

/* The chunk of the ring where a token is in a round. */
static int
chunk_of (const Lsh *lsh,
          int        h,
          int        round,
          int        t)
{
  return round * CHUNKS + lsh->place[((gsize) (h * ROUNDS + round)) * TOKENS + (gsize) t] / CHUNK;
}

static void
find_output (const Lsh *lsh,
             int        h,
             int        t,
             double    *out)
{
  double s[ROUNDS * 2 * CHUNK], m = -G_MAXDOUBLE, l = 0;
  int keys[ROUNDS * 2 * CHUNK], n = 0;

  for (int r = 0; r < ROUNDS; r++)
    for (int i = 0; i < 2 * CHUNK; i++, n++)
      {
        keys[n] = token_at (lsh, h, (chunk_of (lsh, h, r, t) - 1 + i / CHUNK + RING) % RING, i % CHUNK);
        s[n] = score (h, t, keys[n]);
        m = MAX (m, s[n]);
      }
  for (int d = 0; d < SIZE; d++)
    out[d] = 0;
  for (int i = 0; i < n; i++)
    {
      const double p = exp2 (s[i] - m);

      l += p;
      for (int d = 0; d < SIZE; d++)
        out[d] += p * value_at (2, (gsize) keys[i], h * SIZE + d);
    }
  for (int d = 0; d < SIZE; d++)
    out[d] /= l;
}

/* dv of a key, from all queries that see it and their maxima and sums. */
static void
find_dv (const Lsh *lsh,
         int        h,
         int        j,
         double    *dv)
{
  for (int d = 0; d < SIZE; d++)
    dv[d] = 0;
  for (int r = 0; r < ROUNDS; r++)
    for (int i = 0; i < 2 * CHUNK; i++)
      {
        const int t = token_at (lsh, h, (chunk_of (lsh, h, r, j) + i / CHUNK) % RING, i % CHUNK);
        const float *stats = lsh->stats + ((gsize) h * TOKENS + (gsize) t) * 2;
        const double p = exp2 (score (h, t, j) - (double) stats[0]) / (double) stats[1];

        for (int d = 0; d < SIZE; d++)
          dv[d] += p * value_at (3, (gsize) t, h * SIZE + d);
      }
}

static void
compare (ReformerRun    *run,
         const Lsh      *lsh,
         const char     *name,
         void          (*find) (const Lsh *lsh, int h, int t, double *row),
         ReformerTensor *seen)
{
  for (int i = 0; i < SAMPLES; i++)
    for (int h = 0; h < HEADS; h++)
      {
        float got[SIZE];
        double want[SIZE];

        reformer_run_read (run, reformer_at (seen, (gsize) sample (i) * WIDTH + (gsize) h * SIZE), got, SIZE);
        assert_run (run);
        find (lsh, h, sample (i), want);
        assert_near (name, got, want, SIZE, 2e-4);
      }
}

static void
test_lsh (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const gsize n = (gsize) HEADS * ROUNDS * TOKENS, columns = (128 + 256) / 2;
  g_autoptr (ReformerTensor) q = NULL, v = NULL, out = NULL, stats = NULL, dout = NULL, deltas = NULL, dq = NULL, dv = NULL;
  g_autoptr (ReformerTensor) rotations = NULL, buckets = NULL, order = NULL;
  g_autofree float *random = g_new (float, HEADS * SIZE * ROUNDS * columns);
  g_autofree guint16 *bucket = NULL;
  g_autofree gint32 *places = g_new (gint32, n);
  ReformerAttentionArgs a = { .rows = 1, .T = TOKENS, .stride = WIDTH, .heads = HEADS, .head_size = SIZE, .scale = 1, .rounds = ROUNDS, .chunk = CHUNK, .before = 1,
                              .circular = TRUE, .causal = TRUE, .self_last = TRUE };
  g_autofree gint32 *tokens = NULL;
  g_autofree float *sums = NULL;
  Lsh lsh;

  if (too_slow ())
    return;
  test_fill (random, HEADS * SIZE * ROUNDS * columns, 4);
  rotations = test_tensor (device, random, 2, HEADS, (int) (SIZE * ROUNDS * columns));
  buckets = reformer_run_new (&run, REFORMER_DTYPE_UINT16, 2, (gint64) HEADS * ROUNDS, (gint64) TOKENS);
  order = reformer_run_new (&run, REFORMER_DTYPE_INT32, 2, (gint64) HEADS * ROUNDS, (gint64) TOKENS);
  q = new_values (&run, 1, 0, TOKENS);
  hash (&run, q, TOKENS, rotations, buckets);
  reformer_sort_buckets (&run, reformer_span (buckets), TOKENS, HEADS * ROUNDS, TOKENS, BUCKETS, reformer_span (order));
  assert_run (&run);
  bucket = test_shorts (buckets);
  tokens = test_ints (order);
  check_buckets (&run, rotations, bucket);
  check_order (bucket, tokens);

  v = new_values (&run, 2, 0, TOKENS);
  out = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) TOKENS, (gint64) WIDTH);
  stats = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 3, (gint64) HEADS, (gint64) TOKENS, (gint64) 2);
  a.q = reformer_span (q);
  a.v = reformer_span (v);
  a.order = reformer_span (order);
  reformer_attention_forward (&run, &a, reformer_span (out), reformer_span (stats));
  assert_run (&run);
  sums = test_floats (stats);
  for (gsize p = 0; p < n; p++)
    places[p / TOKENS * TOKENS + (gsize) tokens[p]] = (gint32) (p % TOKENS);
  lsh = (Lsh) { tokens, places, sums };
  compare (&run, &lsh, "out", find_output, out);

  dout = new_values (&run, 3, 0, TOKENS);
  deltas = reformer_attention_deltas (&run, &a, reformer_span (out), reformer_span (dout));
  g_clear_object (&out);
  dq = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) TOKENS, (gint64) WIDTH);
  dv = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) TOKENS, (gint64) WIDTH);
  reformer_attention_backward (&run, &a, reformer_span (deltas), reformer_span (stats), reformer_span (dout), reformer_span (dq), REFORMER_NOTHING, reformer_span (dv));
  assert_run (&run);
  compare (&run, &lsh, "dv", find_dv, dv);
}

/* ---- A narrow model ---- */

static ReformerModel *
new_model (const char *kinds,
           int         width)
{
  g_autoptr (ReformerConfig) config = test_config (kinds);
  const int shape[2] = { 1024, 1024 }, dims[2] = { 8, width - 8 };

  g_object_set (config, "vocab-size", 8, "hidden-size", width, "feed-forward-size", width, "num-attention-heads", width / SIZE, "local-attn-chunk-length", CHUNK,
                "lsh-attn-chunk-length", CHUNK, "max-position-embeddings", TOKENS, NULL);
  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
  return reformer_model_new (device, config);
}

/* A text that repeats every 1,024 tokens. */
static ReformerTensor *
new_text (void)
{
  g_autofree gint32 *ids = g_new (gint32, TOKENS);

  test_fill_int (ids, 1024, 8, 5);
  for (gsize t = 1024; t < TOKENS; t++)
    ids[t] = ids[t - 1024];
  return test_tensor_int (device, ids, 2, 1, TOKENS);
}

/* Where text and positions repeat, so do the logits of a model with local attention, to the bit. */
static void
test_local (void)
{
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) text = NULL, output = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *zeros = g_new0 (float, 1024 * 8), *logits = NULL;

  if (too_slow ())
    return;
  model = new_model ("local,local", g_test_slow () ? 64 : WIDTH);
  text = new_text ();
  g_assert_true (reformer_model_build (model, &error));
  test_set_values (test_model_parameter (model, "reformer.embeddings.position_embeddings.weights.0"), zeros, 1024 * 8);
  output = reformer_model_forward (model, text, NULL, &error);
  g_assert_no_error (error);
  logits = test_floats (output);
  for (gsize i = 2048 * 8; i < (gsize) TOKENS * 8; i++)
    if (logits[i] != logits[i - 1024 * 8])
      g_error ("token %" G_GSIZE_FORMAT ": the logit of %d is %g; a period before it is %g", i / 8, (int) (i % 8), (double) logits[i], (double) logits[i - 1024 * 8]);
  g_assert_cmpfloat (logits[(gsize) TOKENS * 8 - 1], !=, logits[(gsize) TOKENS * 8 - 2]);
}

/* The loss of a step is that of the logits, and what it took is what was planned. */
static void
test_step (void)
{
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) text = NULL, output = NULL;
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (GArray) gradients = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *logits = NULL;
  g_autofree gint32 *ids = NULL;
  guint64 before;
  double loss, sum = 0;

  if (!g_test_slow ())
    {
      g_test_skip ("takes long; -m slow");
      return;
    }
  before = reformer_device_get_memory_used (device);
  model = new_model ("local,lsh", 64);
  text = new_text ();
  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  plan = reformer_model_estimate_memory (model, 1, TOKENS, TRUE, &error);
  g_assert_no_error (error);
  reformer_device_reset_memory_peak (device);
  loss = reformer_model_compute_gradients (model, text, NULL, text, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_device_get_memory_peak (device) - before, ==, reformer_memory_plan_get_total (plan));
  gradients = test_gradients (model);
  output = reformer_model_forward (model, text, NULL, &error);
  g_assert_no_error (error);
  logits = test_floats (output);
  ids = test_ints (text);
  for (gsize t = 0; t + 1 < TOKENS; t++)
    {
      double all = 0;

      for (int c = 0; c < 8; c++)
        all += exp ((double) logits[t * 8 + (gsize) c]);
      sum += log (all) - (double) logits[t * 8 + (gsize) ids[t + 1]];
    }
  g_assert_cmpfloat_with_epsilon (loss, sum / (TOKENS - 1), 1e-5);
  for (guint i = 0; i < gradients->len; i++)
    g_assert_true (isfinite (g_array_index (gradients, float, i)));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/long/lsh", test_lsh);
  g_test_add_func ("/long/local", test_local);
  g_test_add_func ("/long/step", test_step);
  return test_run ();
}
