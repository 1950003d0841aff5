/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text in pieces: what a session computes is what a pass over the whole text computes, or, for LSH layers, what the layer's own operation on the text so far does. */
#include "models.h"

#include <math.h>
#include <string.h>

#include <libreformer/generation/reformer-session.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-local-attention.h>

#define VOCABULARY 40
#define WIDTH 32
#define TOLERANCE 2e-5

/* Lengths of pieces; the last one is repeated. */
static const int cuts[][6] = {
  { 1 },
  { 43 },
  { 7, 1 },
  { 8, 8, 1, 1, 5, 2 },
  { 20, 3, 1, 9, 1 },
  { 2, 31, 1, 1, 7 },
};

static int
cut_at (guint cut,
        guint i)
{
  const int *lengths = cuts[cut];
  int length = lengths[0];

  for (guint k = 1; k <= i && k < G_N_ELEMENTS (cuts[0]) && lengths[k] > 0; k++)
    length = lengths[k];
  return length;
}

/* ---- A layer of a test's own: each token gets the mean of all before it and itself. ---- */

typedef struct
{
  ReformerLayer parent_instance;

  int           n_calls;
  int           failing; /* the number of the call that fails */
} TestMean;

typedef struct
{
  ReformerLayerClass parent_class;
} TestMeanClass;

GType test_mean_get_type (void);

G_DEFINE_TYPE (TestMean, test_mean, REFORMER_TYPE_LAYER)

static ReformerTensor *
test_mean_forward (ReformerLayer   *layer,
                   ReformerTensor  *x,
                   ReformerTape    *tape,
                   GError         **error)
{
  TestMean *self = (TestMean *) layer;
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (x, &n_dims);
  g_autofree float *values = NULL;
  const gsize T = (gsize) shape[1], H = (gsize) shape[2];

  if (++self->n_calls == self->failing)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the layer does not want to");
      return NULL;
    }
  values = test_floats (x);
  for (gsize b = 0; b < (gsize) shape[0]; b++)
    for (gsize h = 0; h < H; h++)
      {
        double sum = 0;

        for (gsize t = 0; t < T; t++)
          {
            float *value = &values[(b * T + t) * H + h];

            sum += (double) *value;
            *value = (float) (sum / (double) (t + 1));
          }
      }
  return test_tensor (reformer_tensor_get_device (x), values, 3, (int) shape[0], (int) T, (int) H);
}

static void
test_mean_class_init (TestMeanClass *klass)
{
  REFORMER_LAYER_CLASS (klass)->forward = test_mean_forward;
}

static void
test_mean_init (TestMean *self)
{
}

/* ---- Helpers ---- */

/* Kinds as in a configuration; "full" inserts full attention. A property of the configuration, if its name is given, has the value. */
static ReformerModel *
new_model (ReformerDevice *device,
           const char     *kinds,
           const char     *name,
           int             value)
{
  g_auto (GStrv) all = g_strsplit (kinds, ",", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) layers = NULL;
  g_autofree char *others = NULL;
  g_autoptr (ReformerConfig) config = NULL;
  ReformerModel *model;
  guint place = 0;

  for (guint i = 0; all[i] != NULL; i++)
    if (!g_str_equal (all[i], "full"))
      g_strv_builder_add (builder, all[i]);
  layers = g_strv_builder_end (builder);
  others = g_strjoinv (",", layers);
  config = test_config (others);
  if (name != NULL && g_str_equal (name, "axial-pos-embds"))
    g_object_set (config, name, value != 0, NULL);
  else if (name != NULL)
    g_object_set (config, name, value, NULL);
  if (name != NULL && g_str_equal (name, "max-position-embeddings"))
    reformer_config_set_axial_pos_shape (config, (const int[]) { 8, value / 8 }, 2);
  model = reformer_model_new (device, config);
  for (guint i = 0; all[i] != NULL; i++)
    {
      g_autofree char *full = g_strdup_printf ("full%u", i);
      g_autoptr (ReformerLayer) layer = NULL;
      g_autoptr (GError) error = NULL;

      if (!g_str_equal (all[i], "full"))
        {
          place += 2;
          continue;
        }
      layer = g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", device, "hidden-size", WIDTH, "num-attention-heads", 2, "attention-head-size", 16, "causal", TRUE,
                            "deviation", 0.15, NULL);
      reformer_stack_insert (reformer_model_get_stack (model), place++, full, layer, &error);
      g_assert_no_error (error);
    }
  return model;
}

/* Tokens `from` to `end` of each row. */
static ReformerTensor *
slice (ReformerDevice *device,
       const gint32   *ids,
       int             B,
       int             T,
       int             from,
       int             end)
{
  g_autofree gint32 *some = g_new (gint32, (gsize) (B * (end - from)));

  for (int b = 0; b < B; b++)
    memcpy (some + b * (end - from), ids + b * T + from, sizeof *some * (gsize) (end - from));
  return test_tensor_int (device, some, 2, B, end - from);
}

static float *
feed (ReformerSession *session,
      const gint32    *ids,
      int              B,
      int              T,
      int              from,
      int              end)
{
  g_autoptr (ReformerTensor) tokens = slice (reformer_model_get_device (reformer_session_get_model (session)), ids, B, T, from, end);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) logits = reformer_session_feed (session, tokens, NULL, &error);
  g_autofree char *shape = NULL, *wanted = g_strdup_printf ("Tensor float32 [%d, %d]", B, VOCABULARY);

  g_assert_no_error (error);
  shape = reformer_tensor_to_string (logits);
  g_assert_cmpstr (shape, ==, wanted);
  g_assert_cmpint (reformer_session_get_length (session), ==, end);
  return test_floats (logits);
}

/* The last row of the logits of a pass over the first tokens. */
static double *
whole (ReformerModel *model,
       const gint32  *ids,
       int            B,
       int            T,
       int            end)
{
  g_autoptr (ReformerTensor) tokens = slice (reformer_model_get_device (model), ids, B, T, 0, end);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) logits = reformer_model_forward (model, tokens, NULL, &error);
  g_autofree float *all = NULL;
  double *last = g_new (double, (gsize) (B * VOCABULARY));

  g_assert_no_error (error);
  all = test_floats (logits);
  for (int b = 0; b < B; b++)
    for (int v = 0; v < VOCABULARY; v++)
      last[b * VOCABULARY + v] = (double) all[(b * end + end - 1) * VOCABULARY + v];
  return last;
}

static gint32 *
new_ids (int B,
         int T)
{
  gint32 *ids = g_new (gint32, (gsize) (B * T));

  test_fill_int (ids, (gsize) (B * T), VOCABULARY, 17);
  return ids;
}

/* ---- Like a pass over the whole text ---- */

static void
compare_with_whole (ReformerModel *model,
                    int            B,
                    int            T)
{
  g_autofree gint32 *ids = new_ids (B, T);

  for (guint cut = 0; cut < G_N_ELEMENTS (cuts); cut++)
    {
      g_autoptr (ReformerSession) session = reformer_session_new (model);

      for (int from = 0, i = 0; from < T; i++)
        {
          const int end = MIN (T, from + cut_at (cut, (guint) i));
          g_autofree char *name = g_strdup_printf ("cut %u, tokens %d to %d", cut, from, end);
          g_autofree float *got = feed (session, ids, B, T, from, end);
          g_autofree double *want = whole (model, ids, B, T, end);

          assert_close (name, got, want, (gsize) (B * VOCABULARY), TOLERANCE);
          from = end;
        }
    }
}

/* The same where the whole text has global tokens that its beginning does not have yet. */
static void
compare_with_globals (ReformerModel *model,
                      int            B,
                      int            T)
{
  static const int globals[] = { 1, 20 };
  g_autofree gint32 *ids = new_ids (B, T);

  for (guint cut = 0; cut < G_N_ELEMENTS (cuts); cut++)
    {
      g_autoptr (ReformerSession) session = reformer_session_new (model);

      for (int from = 0, i = 0; from < T; i++)
        {
          const int end = MIN (T, from + cut_at (cut, (guint) i));
          g_autofree char *name = g_strdup_printf ("globals, cut %u, tokens %d to %d", cut, from, end);
          g_autofree float *got = feed (session, ids, B, T, from, end);
          g_autofree double *want = NULL;

          reformer_model_set_global_tokens (model, globals, end > 20 ? 2 : end > 1 ? 1 : 0);
          want = whole (model, ids, B, T, end);
          reformer_model_set_global_tokens (model, globals, 2);
          assert_close (name, got, want, (gsize) (B * VOCABULARY), TOLERANCE);
          from = end;
        }
    }
}

typedef struct
{
  const char *kinds, *name;
  int         value;
  int         B;
} Like;

static const Like likes[] = {
  { "local,local", NULL, 0, 2 },
  { "local,local", "local-attn-chunk-length", 64, 2 },
  { "local,full,local", NULL, 0, 1 },
  { "local,local", "local-num-chunks-before", 0, 2 },
  { "local,local,local", "local-num-chunks-before", 2, 2 },
  { "local,local", "local-num-chunks-before", 9, 1 },
  { "local,local", "local-attn-chunk-length", 1, 1 },
  { "local,local", "local-attn-chunk-length", 3, 2 },
  { "local,full", "axial-pos-embds", 0, 1 },
};

static void
test_like_whole (gconstpointer data)
{
  const Like *like = data;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, like->kinds, like->name, like->value);

  compare_with_whole (model, like->B, 43);
}

/* Sliding windows, of heads that look at different distances; global tokens, of which one comes late. Also what there is of the inputs is kept. */
static void
test_windows (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  for (int globals = 0; globals < 2; globals++)
    {
      g_autoptr (ReformerConfig) config = test_config ("window,full,window");
      g_autoptr (ReformerModel) model = NULL;

      reformer_config_set_window_attn_size (config, 6);
      reformer_config_set_window_attn_dilation (config, (const int[]) { 1, 3 }, 2);
      if (globals)
        reformer_config_set_window_attn_global_tokens (config, (const int[]) { 1, 20 }, 2);
      model = reformer_model_new (device, config);
      if (globals)
        compare_with_globals (model, 2, 43);
      else
        compare_with_whole (model, 2, 43);
    }
}

/* A circular layer's window can go round the text and meet chunks twice. */
static void
test_circular (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  for (int before = 0; before <= 3; before++)
    {
      g_autoptr (ReformerConfig) config = test_config ("local,local,local");
      g_autoptr (ReformerModel) model = NULL;

      g_object_set (config, "local-num-chunks-before", before, "local-attn-circular", TRUE, NULL);
      model = reformer_model_new (device, config);
      compare_with_whole (model, before == 2 ? 2 : 1, 43);
    }
}

/* One piece is one pass, of any layers. */
static void
test_one_piece (void)
{
  static const int lengths[] = { 1, 7, 8, 9, 16, 43, 64 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local,lsh,full,lsh", NULL, 0);
  g_autofree gint32 *ids = new_ids (2, 64);

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autoptr (ReformerSession) session = reformer_session_new (model);
      g_autofree float *got = feed (session, ids, 2, 64, 0, lengths[i]);
      g_autofree double *want = whole (model, ids, 2, 64, lengths[i]);

      assert_close ("one piece", got, want, 2 * VOCABULARY, TOLERANCE);
    }
}

/* A layer written elsewhere gets the text so far. */
static void
test_inserted (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local,full", NULL, 0);
  g_autoptr (ReformerLayer) mean = g_object_new (test_mean_get_type (), NULL);
  g_autoptr (ReformerLayer) local = g_object_new (REFORMER_TYPE_LOCAL_ATTENTION, "device", device, "hidden-size", WIDTH, "num-attention-heads", 2, "attention-head-size", 16,
                                                  "chunk-length", 8, "num-chunks-before", 2, "causal", TRUE, NULL);
  g_autoptr (GError) error = NULL;

  reformer_stack_insert (reformer_model_get_stack (model), 1, "mean", mean, &error);
  g_assert_no_error (error);
  reformer_stack_insert (reformer_model_get_stack (model), 3, "local", local, &error);
  g_assert_no_error (error);
  compare_with_whole (model, 2, 43);
}

/* ---- LSH: the layer's own operation on everything so far ---- */

/* One branch on the host: inputs of all tokens so far. */
typedef struct
{
  ReformerLayer *layer;
  float         *inputs; /* [B, T, H] */
} Record;

static ReformerTensor *
run_layer (gpointer        layer,
           ReformerTensor *x,
           ReformerTensor *mask,
           guint64         start)
{
  g_autoptr (ReformerTape) tape = reformer_tape_new (reformer_tensor_get_device (x));
  g_autoptr (GError) error = NULL;
  ReformerTensor *y;

  reformer_tape_set_recording (tape, FALSE);
  reformer_tape_set_mask (tape, mask);
  reformer_tape_set_start (tape, start);
  y = reformer_layer_forward (layer, x, tape, &error);
  g_assert_no_error (error);
  return y;
}

/* Rows from..end of what the layer makes of the first `end` inputs, padded and masked as a model's; added to target [B, n, H]. */
static void
add_branch (ReformerModel *model,
            Record        *record,
            int            B,
            int            T,
            int            from,
            int            end,
            float         *target)
{
  const int padded = (int) reformer_model_pad_length (model, end), n = end - from;
  g_autofree float *inputs = g_new0 (float, (gsize) (B * padded * WIDTH));
  g_autofree guint8 *mask = g_new0 (guint8, (gsize) (B * padded));
  g_autofree float *outputs = NULL;
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (ReformerTensor) kept = NULL;
  g_autoptr (ReformerTensor) y = NULL;

  for (int b = 0; b < B; b++)
    {
      memcpy (inputs + b * padded * WIDTH, record->inputs + b * T * WIDTH, sizeof (float) * (gsize) (end * WIDTH));
      memset (mask + b * padded, 1, (gsize) end);
    }
  x = test_tensor (reformer_model_get_device (model), inputs, 3, B, padded, WIDTH);
  kept = padded > end ? test_tensor_bytes (reformer_model_get_device (model), mask, 2, B, padded) : NULL;
  y = run_layer (record->layer, x, kept, 0);
  outputs = test_floats (y);
  for (int b = 0; b < B; b++)
    for (int i = 0; i < n * WIDTH; i++)
      target[b * n * WIDTH + i] += outputs[(b * padded + from) * WIDTH + i];
}

static double *
expected_logits (ReformerModel *model,
                 GArray        *records,
                 const gint32  *ids,
                 int            B,
                 int            T,
                 int            from,
                 int            end)
{
  const int n = end - from;
  const gsize size = (gsize) (B * n * WIDTH);
  ReformerDevice *device = reformer_model_get_device (model);
  g_autoptr (ReformerTensor) tokens = slice (device, ids, B, T, from, end);
  g_autoptr (ReformerTensor) words = run_layer (model->embedding, tokens, NULL, 0);
  g_autoptr (ReformerTensor) start = run_layer (model->axial, words, NULL, (guint64) from);
  g_autofree float *first = test_floats (start), *second = test_floats (start);
  float *const streams[2] = { first, second };
  g_autofree float *both = g_new (float, 2 * size), *logits = NULL;
  g_autoptr (ReformerTensor) joined = NULL;
  g_autoptr (ReformerTensor) z = NULL;
  g_autoptr (ReformerTensor) output = NULL;
  double *last = g_new (double, (gsize) (B * VOCABULARY));

  for (guint i = 0; i < records->len; i++)
    {
      Record *record = &g_array_index (records, Record, i);
      const int target = reformer_layer_get_target (record->layer);

      for (int b = 0; b < B; b++)
        memcpy (record->inputs + (b * T + from) * WIDTH, streams[1 - target] + b * n * WIDTH, sizeof (float) * (gsize) (n * WIDTH));
      add_branch (model, record, B, T, from, end, streams[target]);
    }
  for (int i = 0; i < B * n; i++)
    for (int k = 0; k < 2; k++)
      memcpy (both + (2 * i + k) * WIDTH, streams[k] + i * WIDTH, sizeof (float) * WIDTH);
  joined = test_tensor (device, both, 3, B, n, 2 * WIDTH);
  z = run_layer (model->norm, joined, NULL, 0);
  output = run_layer (model->head, z, NULL, 0);
  logits = test_floats (output);
  for (int b = 0; b < B; b++)
    for (int v = 0; v < VOCABULARY; v++)
      last[b * VOCABULARY + v] = (double) logits[(b * n + n - 1) * VOCABULARY + v];
  return last;
}

static GArray *
new_records (ReformerModel *model,
             int            B,
             int            T)
{
  GListModel *stack = G_LIST_MODEL (reformer_model_get_stack (model));
  GArray *records = g_array_new (FALSE, FALSE, sizeof (Record));

  for (guint i = 0; i < g_list_model_get_n_items (stack); i++)
    {
      const Record record = { g_list_model_get_item (stack, i), g_new (float, (gsize) (B * T * WIDTH)) };

      g_array_append_val (records, record);
    }
  return records;
}

static void
free_records (GArray *records)
{
  for (guint i = 0; i < records->len; i++)
    {
      g_object_unref (g_array_index (records, Record, i).layer);
      g_free (g_array_index (records, Record, i).inputs);
    }
  g_array_unref (records);
}

static void
test_lsh (gconstpointer kinds)
{
  const int B = 2, T = 43;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, kinds, "local-attn-chunk-length", 4);
  g_autofree gint32 *ids = new_ids (B, T);
  g_autoptr (GError) error = NULL;
  double apart = 0;

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  for (guint cut = 0; cut < G_N_ELEMENTS (cuts); cut++)
    {
      g_autoptr (ReformerSession) session = reformer_session_new (model);
      GArray *records = new_records (model, B, T);

      for (int from = 0, i = 0; from < T; i++)
        {
          const int end = MIN (T, from + cut_at (cut, (guint) i));
          g_autofree char *name = g_strdup_printf ("cut %u, tokens %d to %d", cut, from, end);
          g_autofree float *got = feed (session, ids, B, T, from, end);
          g_autofree double *want = expected_logits (model, records, ids, B, T, from, end);
          g_autofree double *pass = whole (model, ids, B, T, end);

          assert_close (name, got, want, (gsize) (B * VOCABULARY), TOLERANCE);
          for (int k = 0; k < B * VOCABULARY; k++)
            apart = fmax (apart, fabs ((double) got[k] - pass[k]));
          from = end;
        }
      free_records (records);
    }
  g_assert_cmpfloat (apart, >, 1e-3); /* the rule is not that of a pass over the whole */
}

/* ---- Other promises ---- */

/* The same pieces give the same bits, in this session, in another, and after clear. */
static void
test_repeats (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local,lsh,full", NULL, 0);
  g_autoptr (ReformerSession) one = reformer_session_new (model);
  g_autoptr (ReformerSession) other = reformer_session_new (model);
  g_autofree gint32 *ids = new_ids (2, 30), *more = new_ids (1, 30);

  for (int round = 0; round < 2; round++)
    {
      for (int from = 0; from < 30; from += 5)
        {
          g_autofree float *a = feed (one, ids, 2, 30, from, from + 5), *b = feed (other, ids, 2, 30, from, from + 5);

          assert_same_bits ("two sessions", a, b, 2 * VOCABULARY);
        }
      reformer_session_clear (one);
      g_assert_cmpint (reformer_session_get_length (one), ==, 0);
      {
        g_autofree float *a = feed (one, more, 1, 30, 0, 9); /* another number of rows */
      }
      reformer_session_clear (one);
      reformer_session_clear (other);
    }
}

/* What is kept grows with the text. */
static void
test_growing (void)
{
  const int T = 300;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "full,local", "max-position-embeddings", 1024);
  g_autoptr (ReformerSession) session = reformer_session_new (model);
  g_autofree gint32 *ids = new_ids (2, T);

  for (int from = 0, n = 1; from < T; from += n, n = 1 + from % 7)
    {
      const int end = MIN (T, from + n);
      g_autofree float *logits = feed (session, ids, 2, T, from, end);

      if (from % 5 == 0 || end == T)
        {
          g_autofree double *want = whole (model, ids, 2, T, end);

          assert_close ("a long text", logits, want, 2 * VOCABULARY, TOLERANCE);
        }
    }
}

/* A session of local layers keeps no more after many tokens than after some. */
static void
test_memory (void)
{
  const int T = 600;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local,local", "max-position-embeddings", 1024);
  g_autoptr (ReformerSession) session = reformer_session_new (model);
  g_autofree gint32 *ids = new_ids (1, T);
  guint64 used = 0, most = 0;

  if (test_device_slow (device))
    {
      g_test_skip ("600 tokens take too long here");
      return;
    }
  for (int from = 0; from < T; from++)
    {
      g_autofree float *logits = feed (session, ids, 1, T, from, from + 1);

      if (from < 100)
        used = MAX (used, reformer_device_get_memory_used (device));
      most = MAX (most, reformer_device_get_memory_used (device));
      if (from % 97 == 96)
        {
          g_autofree double *want = whole (model, ids, 1, T, from + 1);

          assert_close ("far into the text", logits, want, VOCABULARY, TOLERANCE);
        }
    }
  g_assert_cmpuint (most, <=, used + 4096);
}

/* ---- Mistakes ---- */

static void
assert_refuses (ReformerSession *session,
                ReformerTensor  *tokens,
                GCancellable    *cancellable,
                GQuark           domain,
                int              code,
                const char      *pattern)
{
  const int length = reformer_session_get_length (session);
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_session_feed (session, tokens, cancellable, &error));
  g_assert_error (error, domain, code);
  g_test_message ("%s", error->message);
  if (!g_pattern_match_simple (pattern, error->message) || strchr (error->message, '\n') != NULL)
    g_error ("\"%s\" does not match \"%s\"", error->message, pattern);
  g_assert_cmpint (reformer_session_get_length (session), ==, length);
}

#define REFUSES(session, tokens, code, pattern) assert_refuses (session, tokens, NULL, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_##code, pattern)

static void
test_mistakes (void)
{
  const gint32 beyond[3] = { 1, 2, VOCABULARY }, below[3] = { -1, 2, 3 };
  const float fractions[3] = { 1, 2, 3 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local,lsh", NULL, 0);
  g_autoptr (ReformerSession) session = reformer_session_new (model);
  g_autoptr (ReformerSession) calm = reformer_session_new (model);
  g_autoptr (ReformerSession) none = g_object_new (REFORMER_TYPE_SESSION, NULL);
  g_autofree gint32 *ids = new_ids (1, 64), *two = new_ids (2, 1);
  g_autoptr (ReformerTensor) floats = test_tensor (device, fractions, 2, 1, 3);
  g_autoptr (ReformerTensor) row = test_tensor_int (device, ids, 1, 3);
  g_autoptr (ReformerTensor) high = test_tensor_int (device, beyond, 2, 1, 3);
  g_autoptr (ReformerTensor) low = test_tensor_int (device, below, 2, 1, 3);
  g_autoptr (ReformerTensor) rows = test_tensor_int (device, two, 2, 2, 1);
  g_autoptr (ReformerTensor) many = test_tensor_int (device, ids, 2, 1, 55);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autofree float *first = feed (session, ids, 1, 64, 0, 10), *second = feed (calm, ids, 1, 64, 0, 10);

  g_cancellable_cancel (cancelled);
  REFUSES (none, many, INVALID_INPUT, "*no model*causal language head*");
  REFUSES (session, floats, SHAPE, "tokens: Tensor float32 [1, 3]*wanted int32 [B, n]*");
  REFUSES (session, row, SHAPE, "tokens: Tensor int32 [3]*wanted int32 [B, n]*");
  REFUSES (session, high, INVALID_INPUT, "tokens: the id 40 at row 0, position 12; wanted 0 to 39 (vocab_size is 40)");
  REFUSES (session, low, INVALID_INPUT, "tokens: the id -1 at row 0, position 10;*");
  REFUSES (session, rows, SHAPE, "tokens: 2 rows*begun with 1*");
  REFUSES (session, many, SHAPE, "*65 tokens*55 more*10 before*64*");
  assert_refuses (session, low, cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED, "*");
  assert_same_bits ("before", first, second, VOCABULARY);
  {
    g_autofree float *a = feed (session, ids, 1, 64, 10, 64), *b = feed (calm, ids, 1, 64, 10, 64);

    assert_same_bits ("after mistakes", a, b, VOCABULARY);
  }
  {
    g_autoptr (ReformerTensor) one = test_tensor_int (device, ids, 2, 1, 1);

    REFUSES (session, one, SHAPE, "*65 tokens*1 more*64 before*positions for 64*");
  }
}

static void
test_head (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autofree gint32 *ids = new_ids (1, 8);
  g_autoptr (ReformerTensor) tokens = test_tensor_int (device, ids, 2, 1, 8);
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerSession) session = NULL;

  g_object_set (config, "head", REFORMER_HEAD_NONE, NULL);
  model = reformer_model_new (device, config);
  session = reformer_session_new (model);
  REFUSES (session, tokens, UNSUPPORTED, "*head none*language*");
}

/* A piece that fails anywhere on its way leaves no trace. */
static void
test_failing_piece (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autofree gint32 *ids = new_ids (1, 200);
  g_autofree float *want = NULL;

  for (int failing = 0; failing <= 3; failing++)
    {
      g_autoptr (ReformerModel) model = new_model (device, "local,lsh,full", "max-position-embeddings", 1024);
      g_autoptr (ReformerSession) session = reformer_session_new (model);
      g_autoptr (ReformerLayer) mean = g_object_new (test_mean_get_type (), NULL);
      g_autoptr (ReformerTensor) other = NULL;
      g_autoptr (GError) error = NULL;
      int from = 0;

      reformer_stack_insert (reformer_model_get_stack (model), 5, "mean", mean, &error);
      g_assert_no_error (error);
      ((TestMean *) mean)->failing = failing;
      for (int i = 0; i < 3; i++)
        {
          const int end = from + (i == 1 ? 37 : 11);
          g_autofree float *logits = NULL;

          if (failing == i + 1)
            {
              other = slice (device, ids, 1, 200, 2, 150); /* longer than what comes then, so that the arrays must grow */
              assert_refuses (session, other, NULL, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the layer does not want to");
            }
          logits = feed (session, ids, 1, 200, from, end);
          from = end;
          if (i < 2)
            continue;
          if (failing == 0)
            want = g_steal_pointer (&logits);
          else
            assert_same_bits ("after a piece that failed", logits, want, VOCABULARY);
        }
    }
}

static void
test_changed_stack (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, "local", NULL, 0);
  g_autoptr (ReformerSession) session = reformer_session_new (model);
  g_autoptr (ReformerLayer) mean = g_object_new (test_mean_get_type (), NULL);
  g_autofree gint32 *ids = new_ids (1, 20);
  g_autofree float *first = feed (session, ids, 1, 20, 0, 9), *again = NULL;
  g_autoptr (ReformerTensor) tokens = slice (device, ids, 1, 20, 9, 12);
  g_autoptr (GError) error = NULL;

  reformer_stack_insert (reformer_model_get_stack (model), 1, "mean", mean, &error);
  g_assert_no_error (error);
  REFUSES (session, tokens, MISMATCH, "*2 then, 3 now*clear*");
  reformer_session_clear (session);
  again = feed (session, ids, 1, 20, 0, 9);
  g_assert_cmpfloat ((double) again[0], !=, (double) first[0]);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (likes); i++)
    {
      g_autofree char *path = g_strdup_printf ("/session/like-whole/%s/%s-%d", likes[i].kinds, likes[i].name != NULL ? likes[i].name : "plain", likes[i].value);

      g_test_add_data_func (path, &likes[i], test_like_whole);
    }
  g_test_add_func ("/session/circular", test_circular);
  g_test_add_func ("/session/windows", test_windows);
  g_test_add_func ("/session/one-piece", test_one_piece);
  g_test_add_func ("/session/inserted", test_inserted);
  g_test_add_data_func ("/session/lsh/lsh", "lsh,lsh", test_lsh);
  g_test_add_data_func ("/session/lsh/mixed", "local,lsh,full,lsh", test_lsh);
  g_test_add_func ("/session/repeats", test_repeats);
  g_test_add_func ("/session/growing", test_growing);
  g_test_add_func ("/session/memory", test_memory);
  g_test_add_func ("/session/mistakes", test_mistakes);
  g_test_add_func ("/session/head", test_head);
  g_test_add_func ("/session/failing-piece", test_failing_piece);
  g_test_add_func ("/session/changed-stack", test_changed_stack);
  return test_run ();
}
