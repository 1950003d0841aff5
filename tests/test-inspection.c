/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an inspection says of attention layers, against the whole matrix of weights in double precision; layers that are left out. */
#include "mistakes.h"

#include <math.h>
#include <string.h>

#include <libreformer/generation/reformer-session.h>
#include <libreformer/models/reformer-inspection.h>

static ReformerDevice *device;

/* ---- The matrix ---- */

typedef struct
{
  const char *name;
  const char *kind;
  int         B, T, chunk, before, after, rounds;
  gboolean    causal, circular, masked;
  int         factors[4];
  int         reach, dilations[2]; /* of window attention, which has the tokens 3 and 20 global in even cases */
} Case;

static const Case cases[] = {
  { "lsh", "lsh", 1, 32, 8, 1, 0, 1, TRUE, TRUE, FALSE, { 8 } },
  { "lsh-rounds", "lsh", 2, 32, 4, 1, 0, 3, TRUE, TRUE, FALSE, { 4, 2 } },
  { "lsh-mask", "lsh", 2, 32, 8, 1, 1, 2, FALSE, TRUE, TRUE, { 6 } },
  { "lsh-padded", "lsh", 1, 29, 8, 1, 0, 2, TRUE, TRUE, FALSE, { 8 } },
  { "lsh-three-factors", "lsh", 1, 40, 8, 1, 0, 2, TRUE, TRUE, FALSE, { 2, 4, 2 } },
  { "lsh-four-factors", "lsh", 1, 40, 8, 0, 0, 2, FALSE, TRUE, FALSE, { 2, 2, 4, 2 } },
  { "lsh-wraps", "lsh", 1, 16, 8, 3, 2, 2, FALSE, TRUE, FALSE, { 4 } }, /* a window of 6 chunks in a ring of 4 */
  { "lsh-short", "lsh", 1, 7, 8, 1, 0, 2, TRUE, TRUE, FALSE, { 8 } },
  { "local", "local", 2, 32, 8, 1, 0, 1, TRUE, FALSE, TRUE, { 0 } },
  { "local-circular", "local", 1, 32, 8, 1, 1, 1, FALSE, TRUE, FALSE, { 0 } },
  { "local-ends", "local", 1, 27, 8, 2, 1, 1, FALSE, FALSE, FALSE, { 0 } },
  { "full", "full", 2, 21, 8, 1, 0, 1, TRUE, FALSE, TRUE, { 0 } },
  { "window", "window", 2, 37, 8, 0, 0, 1, FALSE, FALSE, FALSE, { 0 }, 3, { 1, 2 } },
  { "window-mask", "window", 2, 30, 8, 0, 0, 1, FALSE, FALSE, TRUE, { 0 }, 2, { 3, 1 } },
  { "window-causal", "window", 1, 30, 8, 0, 0, 1, TRUE, FALSE, FALSE, { 0 }, 4, { 2, 2 } },
  { "local-short", "local", 2, 21, 24, 1, 0, 1, TRUE, FALSE, TRUE, { 0 } },
};

enum { H = 24, HEADS = 2, D = 16, V = 40 };

static const int globals[] = { 3, 20 };

static gboolean
is_global (const Case *c,
           int         token)
{
  return c->reach > 0 && (token == globals[0] || token == globals[1]);
}

static ReformerModel *
new_model (const Case *c)
{
  g_autoptr (ReformerConfig) config = test_config (c->kind);
  g_autoptr (GError) error = NULL;
  ReformerModel *model;
  gsize n = 0;

  while (n < 4 && c->factors[n] > 0)
    n++;
  g_object_set (config, "hidden-size", H, "num-attention-heads", HEADS, "attention-head-size", D, "axial-pos-embds", FALSE, "lsh-attn-chunk-length", c->chunk,
                "local-attn-chunk-length", c->chunk, "lsh-num-chunks-before", c->before, "lsh-num-chunks-after", c->after, "local-num-chunks-before", c->before,
                "local-num-chunks-after", c->after, "num-hashes", c->rounds, "is-decoder", c->causal, "local-attn-circular", c->circular, "head", REFORMER_HEAD_NONE,
                "initializer-range", 0.3, NULL);
  if (n > 0)
    reformer_config_set_num_buckets (config, c->factors, n);
  if (c->reach > 0)
    {
      g_object_set (config, "window-attn-size", 2 * c->reach, NULL);
      reformer_config_set_window_attn_dilation (config, c->dilations, HEADS);
      reformer_config_set_window_attn_global_tokens (config, globals, G_N_ELEMENTS (globals));
    }
  model = reformer_model_new (device, config);
  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  return model;
}

static float *
values_of (ReformerModel *model,
           const char    *name)
{
  g_autofree char *full = g_strconcat ("reformer.", name, NULL);

  return test_floats (reformer_parameter_get_value (test_model_parameter (model, full)));
}

/* All heads of a projection of the normalised input: [B][T][HEADS D]; padding has the id 0 and the positions that follow. */
static double *
project (ReformerModel *model,
         const gint32  *ids,
         int            B,
         int            T0,
         int            T,
         const char    *name)
{
  g_autofree float *words = values_of (model, "embeddings.word_embeddings.weight"), *positions = values_of (model, "embeddings.position_embeddings.embedding.weight");
  g_autofree float *scale = values_of (model, "encoder.layers.0.attention.layer_norm.weight"), *shift = values_of (model, "encoder.layers.0.attention.layer_norm.bias");
  g_autofree char *full = g_strconcat ("encoder.layers.0.attention.self_attention.", name, ".weight", NULL);
  g_autofree float *weight = values_of (model, full);
  double *result = g_new (double, B * T * HEADS * D);

  for (int n = 0; n < B * T; n++)
    {
      const int t = n % T, id = t < T0 ? ids[n / T * T0 + t] : 0;
      double u[H], mean = 0, variance = 0;

      for (int h = 0; h < H; h++)
        mean += (u[h] = (double) words[id * H + h] + (double) positions[t * H + h]) / H;
      for (int h = 0; h < H; h++)
        variance += (u[h] - mean) * (u[h] - mean) / H;
      for (int h = 0; h < H; h++)
        u[h] = (u[h] - mean) / sqrt (variance + 1e-12) * (double) scale[h] + (double) shift[h];
      for (int o = 0; o < HEADS * D; o++)
        {
          double sum = 0;

          for (int h = 0; h < H; h++)
            sum += (double) weight[o * H + h] * u[h];
          result[n * HEADS * D + o] = sum;
        }
    }
  return result;
}

/* The bucket that the rotations give a query, unless another is as near: then the one that was seen. */
static int
bucket_of (const Case   *c,
           const double *q,
           const float  *rotations,
           int           round,
           int           seen)
{
  int columns = 0, first = 0, base = 1, bucket = 0;

  for (int f = 0; f < 4; f++)
    columns += c->factors[f] / 2;
  for (int f = 0; f < 4 && c->factors[f] > 0; f++)
    {
      const int half = c->factors[f] / 2;
      double best = -G_MAXDOUBLE, second = -G_MAXDOUBLE;
      int code = 0;

      for (int i = 0; i < 2 * half; i++)
        {
          double sum = 0;

          for (int j = 0; j < D; j++)
            sum += q[j] * (double) rotations[(j * c->rounds + round) * columns + first + i % half];
          sum = i < half ? sum : -sum;
          if (sum > best)
            {
              second = best;
              best = sum;
              code = i;
            }
          else
            second = MAX (second, sum);
        }
      if (best - second < 1e-4)
        return seen;
      bucket += base * code;
      base *= c->factors[f];
      first += half;
    }
  return bucket;
}

/* One row and head. */
typedef struct
{
  int     T, chunks, ring, dilation;
  int    *chunk;   /* [rounds][T]: number in the ring of the chunk that a token is in */
  double *scores;  /* [T][T] */
  guint8 *kept;
} Matrix;

/* The weight that a key which is seen n times has together; one that is not seen may have any score. */
static double
weigh (int    n,
       double score,
       double most)
{
  return n > 0 ? n * exp (score - most) : 0;
}

/* How often query i has key j, of the key's round s, in its window in round r. */
static int
times_seen (const Case   *c,
            const Matrix *m,
            int           i,
            int           j,
            int           r,
            int           s)
{
  const int from = m->chunk[r * m->T + i], to = m->chunk[s * m->T + j];
  int n = 0;

  if (c->reach > 0)
    return (is_global (c, i) && m->kept[i]) || (is_global (c, j) && m->kept[j]) || (abs (i - j) <= c->reach * m->dilation && (i - j) % m->dilation == 0);
  if (m->T <= c->chunk || g_str_equal (c->kind, "full"))
    return 1;
  for (int o = -c->before; o <= c->after; o++)
    n += c->circular ? (from + o + 8 * m->ring) % m->ring == to : from + o == to;
  return n;
}

static void
check_query (const Case         *c,
             const Matrix       *m,
             ReformerInspection *inspection,
             int                 row,
             int                 head,
             int                 i,
             double             *coverage,
             double             *distance)
{
  const int T = m->T, rounds = m->T <= c->chunk ? 1 : c->rounds;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) listed = reformer_inspection_list_keys (inspection, 0, (guint) row, (guint) head, (guint) i, 0, &error);
  g_autoptr (GVariant) few = NULL;
  g_autofree double *found = g_new0 (double, T * rounds);
  double exact = 0, inside = 0, all = 0, most = -G_MAXDOUBLE, last = 2, most_exact = -G_MAXDOUBLE;
  GVariantIter iter;
  int token, round;
  double weight;

  g_assert_no_error (error);
  g_variant_iter_init (&iter, listed);
  while (g_variant_iter_next (&iter, "(iid)", &token, &round, &weight))
    {
      g_assert_cmpfloat (weight, >, 0);
      g_assert_cmpfloat (weight, <=, last);
      last = weight;
      found[round * T + token] += weight;
    }
  few = reformer_inspection_list_keys (inspection, 0, (guint) row, (guint) head, (guint) i, 2, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (few), ==, MIN (2, g_variant_n_children (listed)));
  if (!m->kept[i])
    {
      g_assert_cmpuint (g_variant_n_children (listed), ==, 0);
      return;
    }
  for (int j = 0; j < T; j++)
    {
      most_exact = MAX (most_exact, m->scores[i * T + j]);
      for (int r = 0; r < rounds; r++)
        for (int s = 0; s < rounds; s++)
          if (times_seen (c, m, i, j, r, s) > 0)
            most = MAX (most, m->scores[i * T + j]);
    }
  for (int r = 0; r < rounds; r++)
    for (int s = 0; s < rounds; s++)
      for (int j = 0; j < T; j++)
        all += weigh (times_seen (c, m, i, j, r, s), m->scores[i * T + j], most);
  for (int j = 0; j < T; j++)
    {
      const double share = exp (m->scores[i * T + j] - most_exact);
      gboolean covered = FALSE;

      for (int r = 0; r < rounds; r++)
        {
          double wanted = 0;

          for (int s = 0; s < rounds; s++)
            wanted += weigh (times_seen (c, m, i, j, r, s), m->scores[i * T + j], most) / all;
          for (int s = 0; s < rounds; s++)
            covered |= times_seen (c, m, i, j, r, s) > 0;
          g_assert_cmpfloat_with_epsilon (found[r * T + j], wanted, 1e-4);
          *distance += wanted * abs (i - j);
        }
      exact += share;
      inside += covered ? share : 0;
    }
  *coverage += inside / exact;
}

static void
check_head (const Case         *c,
            ReformerModel      *model,
            ReformerInspection *inspection,
            const gint32       *ids,
            const guint8       *mask,
            int                 T,
            int                 head)
{
  const gboolean lsh = g_str_equal (c->kind, "lsh"), hashed = lsh && T > c->chunk;
  const int rounds = hashed ? c->rounds : 1;
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) buckets_of = hashed ? reformer_inspection_get_buckets (inspection, 0, &error) : NULL;
  g_autofree gint32 *buckets = hashed ? test_ints (buckets_of) : NULL;
  g_autofree float *rotations = lsh ? values_of (model, "encoder.layers.0.attention.self_attention.rotations") : NULL;
  g_autofree double *q = project (model, ids, c->B, c->T, T, lsh ? "query_key" : "query"), *k = lsh ? NULL : project (model, ids, c->B, c->T, T, "key");
  g_autofree double *global_q = c->reach > 0 ? project (model, ids, c->B, c->T, T, "query_global") : NULL;
  g_autofree double *global_k = c->reach > 0 ? project (model, ids, c->B, c->T, T, "key_global") : NULL;
  g_autoptr (GVariant) measured = reformer_inspection_measure (inspection, 0, 0, &error), of_head = NULL;
  double coverage = 0, distance = 0, value, used = 0;
  int n = 0, n_buckets = 1, columns = 0, largest = 0, number;

  g_assert_no_error (error);
  for (int f = 0; f < 4 && c->factors[f] > 0; f++)
    {
      n_buckets *= c->factors[f];
      columns += c->factors[f] / 2;
    }
  for (int row = 0; row < c->B; row++)
    {
      g_autofree int *chunk = g_new0 (int, rounds * T);
      g_autofree double *scores = g_new (double, T * T);
      g_autofree guint8 *kept = g_new (guint8, T);
      const Matrix m = { T, T / c->chunk, T / c->chunk * rounds, c->dilations[head], chunk, scores, kept };

      for (int t = 0; t < T; t++)
        kept[t] = t < c->T && (mask == NULL || mask[row * c->T + t]);
      for (int r = 0; r < rounds; r++)
        {
          g_autofree int *bucket = g_new0 (int, T), *counts = g_new0 (int, n_buckets);

          for (int t = 0; t < T; t++)
            {
              const int seen = hashed && t < c->T ? buckets[((row * HEADS + head) * rounds + r) * c->T + t] : 0;

              if (!hashed)
                continue;
              bucket[t] = kept[t] ? bucket_of (c, q + (row * T + t) * HEADS * D + head * D, rotations + head * D * c->rounds * columns, r, seen) : n_buckets;
              if (t < c->T)
                g_assert_cmpint (seen, ==, bucket[t]);
              if (kept[t])
                {
                  used += counts[bucket[t]]++ == 0;
                  largest = MAX (largest, counts[bucket[t]]);
                }
            }
          for (int t = 0; t < T; t++)
            {
              int place = 0;

              for (int other = 0; other < T; other++)
                place += bucket[other] < bucket[t] || (bucket[other] == bucket[t] && other < t);
              chunk[r * T + t] = r * (T / c->chunk) + place / c->chunk;
            }
        }
      for (int i = 0; i < T; i++)
        for (int j = 0; j < T; j++)
          {
            const gboolean global = is_global (c, i) && kept[i];
            const double *a = (global ? global_q : q) + (row * T + i) * HEADS * D + head * D;
            const double *b = (global ? global_k : lsh ? q : k) + (row * T + j) * HEADS * D + head * D;
            double sum = 0, squares = 0;

            for (int x = 0; x < D; x++)
              {
                sum += a[x] * b[x];
                squares += b[x] * b[x];
              }
            sum /= sqrt (D) * (lsh ? sqrt (squares / D + 1e-6) : 1);
            scores[i * T + j] = lsh && i == j ? -1e5 : !kept[j] || (c->causal && j > i) ? -1e9 : sum;
          }
      for (int t = 0; t < c->T; t++)
        {
          check_query (c, &m, inspection, row, head, t, &coverage, &distance);
          n += kept[t];
        }
    }
  of_head = g_variant_get_child_value (measured, (gsize) head);
  g_assert_true (g_variant_lookup (of_head, "coverage", "d", &value));
  g_test_message ("head %d: coverage %.4f", head, value);
  g_assert_cmpfloat_with_epsilon (value, coverage / n, 1e-4);
  if (c->reach == 0 && (T <= c->chunk || g_str_equal (c->kind, "full")))
    g_assert_cmpfloat_with_epsilon (value, 1, 1e-12);
  g_assert_true (g_variant_lookup (of_head, "distance", "d", &value));
  g_assert_cmpfloat_with_epsilon (value, distance / n, 1e-3);
  g_assert_true (g_variant_lookup (of_head, "queries", "i", &number));
  g_assert_cmpint (number, ==, n);
  g_assert_true (g_variant_lookup (of_head, "rounds", "i", &number));
  g_assert_cmpint (number, ==, hashed ? rounds : 0);
  g_assert_true (g_variant_lookup (of_head, "largest", "i", &number));
  g_assert_cmpint (number, ==, largest);
  g_assert_true (g_variant_lookup (of_head, "buckets", "d", &value));
  g_assert_cmpfloat_with_epsilon (value, hashed ? used / (rounds * c->B) : 0, 1e-12);
}

static void
test_matrix (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (ReformerModel) model = new_model (c);
  g_autoptr (ReformerInspection) inspection = reformer_inspection_new (model);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, c->B, c->T, V), kept = NULL;
  g_autofree gint32 *ids = test_ints (tokens);
  g_autofree guint8 *mask = c->masked ? g_malloc ((gsize) (c->B * c->T)) : NULL;
  const int T = c->reach > 0 || g_str_equal (c->kind, "full") ? c->T : (int) reformer_model_pad_length (model, c->T);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < c->B * c->T && c->masked; i++)
    mask[i] = i % 5 != 2 && i < c->B * c->T - 3;
  if (c->masked)
    kept = test_tensor_bytes (device, mask, 2, c->B, c->T);
  reformer_inspection_run (inspection, tokens, kept, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_inspection_get_n_layers (inspection), ==, 1);
  g_assert_cmpstr (reformer_inspection_get_name (inspection, 0), ==, "layers.0.attention");
  g_assert_cmpstr (reformer_inspection_get_kind (inspection, 0), ==, c->kind);
  for (int head = 0; head < HEADS; head++)
    check_head (c, model, inspection, ids, mask, T, head);
}

/* A sample is of the queries that all would have, and always the same. */
static void
test_sample (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerInspection) inspection = reformer_inspection_new (model);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 64, 40);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) some = NULL, again = NULL;
  g_autofree char *text = NULL, *second = NULL;

  reformer_inspection_run (inspection, tokens, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (reformer_inspection_get_model (inspection) == model);
  g_assert_cmpuint (reformer_inspection_get_n_layers (inspection), ==, 3);
  g_assert_cmpstr (reformer_inspection_get_name (inspection, 2), ==, "layers.2.attention");
  g_assert_null (reformer_inspection_get_name (inspection, 3));
  g_assert_null (reformer_inspection_get_kind (inspection, 3));
  some = reformer_inspection_measure (inspection, 1, 10, &error);
  g_assert_no_error (error);
  text = g_variant_print (some, FALSE);
  g_assert_nonnull (strstr (text, "'queries': <10>"));
  reformer_inspection_run (inspection, tokens, NULL, &error);
  again = reformer_inspection_measure (inspection, 1, 10, &error);
  second = g_variant_print (again, FALSE);
  g_assert_cmpstr (text, ==, second);
}

static void
test_errors (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerInspection) inspection = reformer_inspection_new (model), empty = reformer_inspection_new (NULL);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 32, 40), floats = test_tensor (device, NULL, 2, 1, 32);
  GError *error = NULL;

  g_assert_false (reformer_inspection_run (empty, tokens, NULL, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "no model", NULL);
  g_assert_null (reformer_inspection_measure (inspection, 0, 0, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "layer: 0", "no attention layer", "run()", NULL);
  g_assert_true (reformer_inspection_run (inspection, tokens, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (reformer_inspection_run (inspection, floats, NULL, &error)); /* and what was seen is still there */
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "float32 [1, 32]", "wanted int32 [B, T]", NULL);
  g_assert_null (reformer_inspection_get_buckets (inspection, 2, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "layer: 2", "wanted 0 to 1", NULL);
  g_assert_null (reformer_inspection_get_buckets (inspection, 0, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "layer 0 (layers.0.attention, local) hashed nothing", "wanted an LSH layer", NULL);
  g_assert_null (reformer_inspection_list_keys (inspection, 1, 1, 0, 0, 0, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "row: 1", "wanted 0 to 0", NULL);
  g_assert_null (reformer_inspection_list_keys (inspection, 1, 0, 2, 0, 0, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "head: 2", "wanted 0 to 1", NULL);
  g_assert_null (reformer_inspection_list_keys (inspection, 1, 0, 0, 32, 0, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "position: 32", "wanted 0 to 31", NULL);
}

/* ---- Layers that are left out ---- */

static ReformerLayer *
branch (ReformerModel *model,
        guint          position)
{
  g_autoptr (ReformerLayer) layer = g_list_model_get_item (G_LIST_MODEL (reformer_model_get_stack (model)), position);

  return layer; /* the stack has it */
}

/* A model computes, learns and decodes with a layer left out as it does without the layer; also with one stream and norms of sums, which go with their layers. */
static void
test_ablated (gconstpointer sums)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };
  const guint n_keeps = sums != NULL ? 2 : 3; /* one stream cannot do without its inputs */
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 32, 40);
  g_autoptr (GError) error = NULL;

  if (sums != NULL)
    g_object_set (config, "streams", 1, "norm-first", FALSE, "final-norm", FALSE, NULL);
  for (guint position = 0; position < 4; position++)
    for (guint i = 0; i < n_keeps; i++)
      {
        g_autoptr (ReformerModel) whole = reformer_model_new (device, config), without = reformer_model_new (device, config);
        g_autoptr (ReformerSession) session = reformer_session_new (whole), other = reformer_session_new (without);
        g_autoptr (ReformerTensor) logits = NULL, wanted = NULL;
        g_autoptr (GArray) a = NULL, b = NULL;
        g_autoptr (GListModel) own = reformer_layer_get_parameters (branch (whole, position));
        g_autofree float *x = NULL, *y = NULL;
        gsize n = 0;

        reformer_layer_set_ablated (branch (whole, position), TRUE);
        g_assert_true (reformer_layer_get_ablated (branch (whole, position)));
        g_assert_true (reformer_stack_remove (reformer_model_get_stack (without), position, &error));
        reformer_stack_set_keep (reformer_model_get_stack (whole), keeps[i]);
        reformer_stack_set_keep (reformer_model_get_stack (without), keeps[i]);
        a = test_answers (whole, tokens, TRUE);
        b = test_answers (without, tokens, TRUE);
        for (guint j = 0; j < g_list_model_get_n_items (own); j++)
          {
            g_autoptr (ReformerParameter) parameter = g_list_model_get_item (own, j);
            g_autofree float *zeros = test_floats (reformer_parameter_get_gradient (parameter));

            for (gsize e = 0; e < reformer_parameter_get_n_elements (parameter); e++)
              g_assert_cmpfloat (zeros[e], ==, 0);
            reformer_parameter_set_trainable (parameter, FALSE);
            n += reformer_parameter_get_n_elements (parameter);
          }
        g_assert_cmpuint (a->len, ==, b->len + n);
        g_clear_pointer (&a, g_array_unref);
        a = test_answers (whole, tokens, TRUE);
        g_assert_cmpmem (a->data, a->len * sizeof (float), b->data, b->len * sizeof (float));

        logits = reformer_session_feed (session, tokens, NULL, &error);
        g_assert_no_error (error);
        wanted = reformer_session_feed (other, tokens, NULL, &error);
        g_assert_no_error (error);
        x = test_floats (logits);
        y = test_floats (wanted);
        assert_same_bits ("decoding", x, y, reformer_tensor_get_n_elements (wanted));
      }
}

/* A pass that has begun ends as it began, and the setting is one that can be taken back. */
static void
test_ablated_meanwhile (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  ReformerLayer *stack = REFORMER_LAYER (reformer_model_get_stack (model));
  g_autofree float *values = g_new (float, 32 * 32);
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *wanted = NULL;

  test_fill (values, 32 * 32, 3);
  x = test_tensor (device, values, 3, 1, 32, 32);
  for (int change = 0; change < 3; change++)
    {
      g_autoptr (ReformerTape) tape = reformer_tape_new (device);
      g_autoptr (ReformerTensor) y = NULL, dx = NULL;
      g_autofree float *got = NULL;

      reformer_layer_set_ablated (branch (model, 2), change == 1);
      y = reformer_layer_forward (stack, x, tape, &error);
      g_assert_no_error (error);
      reformer_layer_set_ablated (branch (model, 2), change == 0);
      dx = reformer_layer_backward (stack, y, tape, &error);
      g_assert_no_error (error);
      got = test_floats (dx);
      if (change == 0)
        wanted = g_steal_pointer (&got);
      else
        g_assert_cmpint (memcmp (got, wanted, 32 * 32 * sizeof *got) == 0, ==, change == 2);
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/inspection/matrix/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_matrix);
    }
  g_test_add_func ("/inspection/sample", test_sample);
  g_test_add_func ("/inspection/errors", test_errors);
  g_test_add_data_func ("/inspection/ablated", NULL, test_ablated);
  g_test_add_data_func ("/inspection/ablated-sums", GINT_TO_POINTER (TRUE), test_ablated);
  g_test_add_func ("/inspection/ablated-meanwhile", test_ablated_meanwhile);
  status = test_run ();
  g_object_unref (device);
  return status;
}
