/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of different lengths, and sequences packed into one row: each is what it is alone. */
#include "mistakes.h"
#include "training.h"

#include <math.h>
#include <string.h>

#include <libreformer/training/reformer-sgd.h>

#define T 64
#define MOST 12

/* Within a chunk, neighbours that run together, whole chunks, a length that padding leaves, everything; and in no order. */
static const gint32 many[] = { 5, 8, 7, 43, 41, 64, 9, 1, 60, 61, 16, 40 };
static const gint32 few[] = { 5, 16, 11, 2 };

typedef struct
{
  const gint32 *lengths;
  int           n;
  gboolean      packed;
  int           features;
  double        dropout;
  const char   *kinds;
  ReformerKeep  keep;
  ReformerHead  head;
  int           globals; /* so many tokens of window attention, from the first one on */
} Case;

static ReformerModel *
new_model (ReformerDevice *device,
           const Case     *c)
{
  g_autoptr (ReformerConfig) config = test_config (c->kinds);
  ReformerModel *model;

  g_object_set (config, "hidden-dropout-prob", c->dropout, "local-attention-probs-dropout-prob", c->dropout, "lsh-attention-probs-dropout-prob", c->dropout,
                "input-features", c->features, "head", c->head, "num-labels", 2, "window-attn-size", 8, NULL);
  reformer_config_set_window_attn_dilation (config, (const int[]) { 1, 2 }, 2);
  reformer_config_set_window_attn_global_tokens (config, (const int[]) { 0, 1 }, (gsize) c->globals);
  model = reformer_model_new (device, config);
  reformer_stack_set_keep (reformer_model_get_stack (model), c->keep);
  return model;
}

/* Some of the tokens as a tensor; n rows, or one, of `length`. */
static ReformerTensor *
tokens_of (ReformerDevice *device,
           const Case     *c,
           gpointer        tokens,
           int             rows,
           int             length)
{
  return c->features > 0 ? test_tensor (device, tokens, 3, rows, length, c->features) : test_tensor_int (device, tokens, 2, rows, length);
}

/* All sequences, each in a row of T or one behind the other. What is behind an end is no id and no number that may be read. */
typedef struct
{
  gint32 *ids;    /* labels of a language head, and without features the tokens */
  float  *values;
  float  *wanted; /* two for each token */
  int     rows, length;
  gsize   place[MOST];
} Batch;

static void
batch_init (Batch      *self,
            const Case *c)
{
  const gsize width = MAX (c->features, 1);
  gsize n = 0, total;

  for (int i = 0; i < c->n; i++)
    {
      self->place[i] = c->packed ? n : (gsize) i * T;
      n += (gsize) c->lengths[i];
    }
  self->rows = c->packed ? 1 : c->n;
  self->length = c->packed ? (int) n : T;
  total = (gsize) self->rows * (gsize) self->length;
  self->ids = g_new (gint32, total);
  self->values = g_new (float, total * width);
  self->wanted = g_new (float, total * 2);
  for (gsize i = 0; i < total; i++)
    self->ids[i] = 99999;
  for (gsize i = 0; i < total * width; i++)
    self->values[i] = NAN;
  for (gsize i = 0; i < total * 2; i++)
    self->wanted[i] = INFINITY;
  for (int i = 0; i < c->n; i++)
    {
      const gsize length = (gsize) c->lengths[i];

      test_fill_int (self->ids + self->place[i], length, 39, (guint32) i + 3);
      test_fill (self->values + self->place[i] * width, length * width, (guint32) i + 5);
      test_fill (self->wanted + self->place[i] * 2, length * 2, (guint32) i + 50);
    }
}

static void
batch_clear (Batch *self)
{
  g_free (self->ids);
  g_free (self->values);
  g_free (self->wanted);
}

static gpointer
input_of (Batch      *self,
          const Case *c,
          int         sequence)
{
  return c->features > 0 ? (gpointer) (self->values + self->place[sequence] * (gsize) c->features) : self->ids + self->place[sequence];
}

/* Of one sequence, or of all (-1). */
static ReformerTensor *
labels_of (ReformerDevice *device,
           const Case     *c,
           Batch          *batch,
           int             sequence)
{
  const int first = MAX (sequence, 0), n = sequence < 0 ? c->n : 1;
  const int rows = sequence < 0 ? batch->rows : 1, length = sequence < 0 ? batch->length : c->lengths[sequence];
  gint32 classes[MOST], spans[2 * MOST];

  for (int i = 0; i < n; i++)
    {
      classes[i] = (first + i) % 2;
      spans[2 * i] = c->lengths[first + i] / 3;
      spans[2 * i + 1] = c->lengths[first + i] - 1;
    }
  if (c->head == REFORMER_HEAD_CLASSIFICATION)
    return test_tensor_int (device, classes, 1, n);
  if (c->head == REFORMER_HEAD_SPANS)
    return test_tensor_int (device, spans, 2, n, 2);
  if (c->head == REFORMER_HEAD_VALUES)
    return test_tensor (device, batch->wanted + batch->place[first] * 2, 3, rows, length, 2);
  return test_tensor_int (device, batch->ids + batch->place[first], 2, rows, length);
}

static int
count_targets (const Case *c,
               int         sequence)
{
  if (c->head == REFORMER_HEAD_VALUES)
    return 2 * c->lengths[sequence];
  return c->head == REFORMER_HEAD_LANGUAGE ? c->lengths[sequence] - 1 : 1;
}

/* ---- Each as alone ---- */

static void
compare_outputs (ReformerModel *model,
                 const Case    *c,
                 Batch         *batch)
{
  ReformerDevice *device = reformer_model_get_device (model);
  g_autoptr (ReformerTensor) tokens = tokens_of (device, c, c->features > 0 ? (gpointer) batch->values : batch->ids, batch->rows, batch->length);
  g_autoptr (ReformerTensor) lengths = test_tensor_int (device, c->lengths, 1, c->n);

  for (int encode = 0; encode < 2; encode++)
    {
      ReformerTensor *(*compute) (ReformerModel *, ReformerTensor *, ReformerTensor *, GError **) = encode ? reformer_model_encode : reformer_model_forward;
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerTensor) all = compute (model, tokens, lengths, &error);
      const gboolean of_tokens = encode || c->head != REFORMER_HEAD_CLASSIFICATION;
      const gsize width = encode ? 64 : c->head == REFORMER_HEAD_LANGUAGE ? 40 : 2;
      g_autofree float *got = NULL;

      g_assert_no_error (error);
      g_assert_cmpuint (reformer_tensor_get_n_elements (all), ==, (of_tokens ? (gsize) batch->rows * (gsize) batch->length : (gsize) c->n) * width);
      got = test_floats (all);
      for (int i = 0; i < c->n; i++)
        {
          const gsize length = (gsize) c->lengths[i];
          g_autoptr (ReformerTensor) own = tokens_of (device, c, input_of (batch, c, i), 1, (int) length);
          g_autoptr (ReformerTensor) one = compute (model, own, NULL, &error);
          g_autofree float *want = NULL;

          g_assert_no_error (error);
          want = test_floats (one);
          assert_same_bits (encode ? "hidden state" : "output", got + (of_tokens ? batch->place[i] : (gsize) i) * width, want, (of_tokens ? length : 1) * width);
          for (gsize k = length * width; of_tokens && !c->packed && k < T * width; k++)
            g_assert_true (got[batch->place[i] * width + k] == 0);
        }
    }
}

static void
compare_gradients (ReformerModel *model,
                   const Case    *c,
                   Batch         *batch)
{
  ReformerDevice *device = reformer_model_get_device (model);
  g_autoptr (ReformerTensor) tokens = tokens_of (device, c, c->features > 0 ? (gpointer) batch->values : batch->ids, batch->rows, batch->length);
  g_autoptr (ReformerTensor) labels = labels_of (device, c, batch, -1);
  g_autoptr (ReformerTensor) lengths = test_tensor_int (device, c->lengths, 1, c->n);
  g_autoptr (GArray) together = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree double *sum = NULL;
  double loss, evaluated, mean = 0, targets = 0;

  reformer_model_set_sequence (model, 7);
  evaluated = reformer_model_compute_loss (model, tokens, lengths, labels, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_model_get_sequence (model), ==, 7);
  loss = reformer_model_compute_gradients (model, tokens, lengths, labels, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_model_get_sequence (model), ==, 7 + c->n);
  if (c->dropout == 0)
    g_assert_cmpfloat (fabs (loss - evaluated), <, 1e-6);
  together = test_gradients (model);
  sum = g_new0 (double, together->len);
  for (int i = 0; i < c->n; i++)
    targets += count_targets (c, i);
  for (int i = 0; i < c->n; i++)
    {
      g_autoptr (ReformerTensor) own = NULL;
      g_autoptr (ReformerTensor) own_labels = NULL;
      g_autoptr (GArray) one = NULL;
      const double part = count_targets (c, i) / targets;

      if (part == 0) /* one token predicts nothing */
        continue;
      own = tokens_of (device, c, input_of (batch, c, i), 1, c->lengths[i]);
      own_labels = labels_of (device, c, batch, i);
      reformer_model_set_sequence (model, 7 + (guint) i);
      mean += part * reformer_model_compute_gradients (model, own, NULL, own_labels, &error);
      g_assert_no_error (error);
      one = test_gradients (model);
      for (guint k = 0; k < one->len; k++)
        sum[k] += part * (double) g_array_index (one, float, k);
    }
  g_assert_cmpfloat (fabs (loss - mean), <, 2e-6);
  assert_close ("gradients", (float *) (gpointer) together->data, sum, together->len, 1e-5);
}

static void
compare (const Case *c)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, c);
  Batch batch;

  g_test_message ("%s, %d sequences%s, %d features, dropout %g, head %d", c->kinds, c->n, c->packed ? " in a row" : "", c->features, c->dropout, (int) c->head);
  batch_init (&batch, c);
  compare_outputs (model, c, &batch);
  compare_gradients (model, c, &batch);
  batch_clear (&batch);
}

#define FEW few, G_N_ELEMENTS (few)
#define MANY many, G_N_ELEMENTS (many)

static void
test_rows (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  compare (&(Case) { FEW, FALSE, 0, 0, "local,lsh", REFORMER_KEEP_EVERYTHING });
  if (test_device_slow (device))
    return;
  compare (&(Case) { MANY, FALSE, 0, 0, "lsh,local", REFORMER_KEEP_AUTO });
  compare (&(Case) { MANY, FALSE, 0, 0.2, "local,lsh", REFORMER_KEEP_NOTHING });
  compare (&(Case) { MANY, FALSE, 3, 0.2, "lsh", REFORMER_KEEP_INPUTS });
  compare (&(Case) { many + 3, 1, FALSE, 0, 0, "local,lsh", REFORMER_KEEP_EVERYTHING });
}

static void
test_heads (void)
{
  static const ReformerHead heads[] = { REFORMER_HEAD_VALUES, REFORMER_HEAD_SPANS, REFORMER_HEAD_CLASSIFICATION };
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint i = 0; i < G_N_ELEMENTS (heads); i++)
    for (int packed = 0; packed < 2; packed++)
      if (test_device_slow (device))
        compare (&(Case) { FEW, packed, 0, 0, "local", REFORMER_KEEP_EVERYTHING, heads[i] });
      else
        compare (&(Case) { MANY, packed, 0, 0.1, "local,lsh", REFORMER_KEEP_EVERYTHING, heads[i] });
}

static void
test_packed (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  compare (&(Case) { FEW, TRUE, 0, 0.2, "local,lsh", REFORMER_KEEP_NOTHING });
  if (test_device_slow (device))
    return;
  compare (&(Case) { MANY, TRUE, 0, 0, "lsh,local", REFORMER_KEEP_AUTO }); /* more tokens in all than there are positions */
  compare (&(Case) { MANY, TRUE, 2, 0.1, "local", REFORMER_KEEP_EVERYTHING });
}

/* Without chunks, rows of any lengths run together where these differ by little; heads of two dilations, and all have the global tokens. */
static void
test_windows (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  compare (&(Case) { FEW, FALSE, 0, 0, "window,full", REFORMER_KEEP_EVERYTHING, .globals = 2 });
  compare (&(Case) { FEW, TRUE, 0, 0.2, "full,window", REFORMER_KEEP_NOTHING, .globals = 2 });
  if (test_device_slow (device))
    return;
  compare (&(Case) { MANY, FALSE, 0, 0.2, "window,full", REFORMER_KEEP_INPUTS, .globals = 1 });
  compare (&(Case) { MANY, TRUE, 3, 0, "window,full", REFORMER_KEEP_AUTO });
  compare (&(Case) { FEW, FALSE, 0, 0.1, "window,lsh", REFORMER_KEEP_EVERYTHING, REFORMER_HEAD_CLASSIFICATION, .globals = 2 });
}

/* ---- A trainer ---- */

/* One step with plain steps equals the gradients of the sorted samples, each as alone. */
static void
test_trainer (void)
{
  static const gint32 sorted[] = { 2, 5, 11, 16 };
  const Case c = { sorted, 4, FALSE, 0, 0.1, "local,lsh", REFORMER_KEEP_EVERYTHING };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &c);
  g_autoptr (ReformerModel) other = new_model (device, &c);
  g_autoptr (TestSamples) samples = g_object_new (test_samples_get_type (), NULL);
  g_autoptr (ReformerTensor) tokens = NULL;
  g_autoptr (ReformerTensor) lengths = test_tensor_int (device, sorted, 1, 4);
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (ReformerOptimizer) optimizer = REFORMER_OPTIMIZER (reformer_sgd_new ());
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  g_autoptr (GArray) gradients = NULL;
  g_autoptr (GArray) before = NULL;
  g_autoptr (GArray) after = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree double *want = NULL;
  double loss;
  Batch batch;

  batch_init (&batch, &c);
  for (int i = 3; i >= 0; i--)
    g_ptr_array_add (samples->samples, reformer_sample_new_from_ids (batch.ids + batch.place[i], (gsize) sorted[i]));
  tokens = test_tensor_int (device, batch.ids, 2, 4, T);
  loss = reformer_model_compute_gradients (other, tokens, lengths, tokens, &error);
  g_assert_no_error (error);
  before = test_values (other);
  gradients = test_gradients (other);
  reformer_optimizer_set_learning_rate (optimizer, 0.5);
  trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", samples, "sequence-length", T, "batch-size", 2, "accumulation", 2, "max-gradient-norm", 0.0,
                          "by-length", TRUE, "optimizer", optimizer, NULL);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (fabs (reformer_evaluation_get_loss (evaluation) - reformer_model_compute_loss (other, tokens, lengths, tokens, NULL)), <, 1e-6);
  test_train (trainer, 1);
  g_assert_cmpfloat (fabs (reformer_trainer_get_loss (trainer) - loss), <, 1e-6);
  after = test_values (model);
  want = g_new (double, before->len);
  for (guint i = 0; i < before->len; i++)
    want[i] = (double) g_array_index (before, float, i) - 0.5 * (double) g_array_index (gradients, float, i);
  assert_near ("weights", (float *) (gpointer) after->data, want, before->len, 1e-5);
  batch_clear (&batch);
}

/* ---- Mistakes ---- */

static void
refuse (ReformerModel  *model,
        ReformerTensor *tokens,
        ReformerTensor *lengths,
        int             code,
        const char     *seen,
        const char     *wanted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, lengths, &error);

  g_assert_null (output);
  assert_says (&error, REFORMER_MODEL_ERROR, code, seen, wanted, NULL);
  reformer_model_compute_gradients (model, tokens, lengths, tokens, &error);
  assert_says (&error, REFORMER_MODEL_ERROR, code, seen, wanted, NULL);
}

/* A row that is refused alone, for it does not have the global token, is refused beside others, packed, and by a trainer that goes by length. One that is padded and
 * masked has the length to which it was padded, and no global token where the mask has none. */
static void
test_global_tokens (void)
{
  static const char *seen = "the global token 7 (window_attn_global_tokens) is not among the 5 tokens of row ";
  const Case c = { few, 1, FALSE, 0, 0, "window,full", REFORMER_KEEP_EVERYTHING };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &c);
  g_autoptr (ReformerTensor) alone = test_tokens (device, 1, 5, 40), two = test_tokens (device, 2, 16, 40), row = test_tokens (device, 1, 21, 40);
  g_autoptr (ReformerTensor) lengths = test_tensor_int (device, (const gint32[]) { 16, 5 }, 1, 2), enough = test_tensor_int (device, (const gint32[]) { 16, 8 }, 1, 2);
  g_autoptr (ReformerTensor) five = test_tensor_int (device, (const gint32[]) { 5 }, 1, 1), mask = NULL, output = NULL, plain = NULL;
  g_autoptr (TestSamples) samples = g_object_new (test_samples_get_type (), NULL);
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autofree float *got = NULL, *want = NULL;
  g_autoptr (GError) error = NULL;
  gint32 kept[32];

  reformer_model_set_global_tokens (model, (const int[]) { 7 }, 1);
  refuse (model, alone, NULL, REFORMER_MODEL_ERROR_INVALID_INPUT, seen, "row 0; wanted 0 to 4");
  refuse (model, alone, five, REFORMER_MODEL_ERROR_INVALID_INPUT, seen, "row 0; wanted 0 to 4");
  refuse (model, two, lengths, REFORMER_MODEL_ERROR_INVALID_INPUT, seen, "row 1; wanted 0 to 4");
  refuse (model, row, lengths, REFORMER_MODEL_ERROR_INVALID_INPUT, seen, "row 1; wanted 0 to 4");
  output = reformer_model_forward (model, two, enough, &error);
  g_assert_no_error (error);
  g_clear_object (&output);

  for (int i = 0; i < 32; i++)
    kept[i] = i < 16 + 5;
  mask = test_tensor_int (device, kept, 2, 2, 16);
  output = reformer_model_forward (model, two, mask, &error);
  g_assert_no_error (error);
  got = test_floats (output);
  reformer_model_set_global_tokens (model, NULL, 0);
  plain = reformer_model_forward (model, two, mask, &error);
  g_assert_no_error (error);
  want = test_floats (plain);
  assert_same_bits ("a row whose global token is masked", got + 16 * 40, want + 16 * 40, 5 * 40);
  g_assert_cmpint (memcmp (got, want, 16 * 40 * sizeof *got), !=, 0);

  reformer_model_set_global_tokens (model, (const int[]) { 7 }, 1);
  for (int i = 0; i < 2; i++)
    g_ptr_array_add (samples->samples, reformer_sample_new_from_ids (few, i == 0 ? 4 : 2));
  trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", samples, "sequence-length", 16, "batch-size", 2, "by-length", TRUE, NULL);
  g_assert_false (reformer_trainer_train (trainer, 1, NULL, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the global token 7", "the 2 tokens of row 0; wanted 0 to 1", NULL);
  g_assert_null (reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error));
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the global token 7", "the 2 tokens of row 0", NULL);
  reformer_trainer_set_by_length (trainer, FALSE);
  test_train (trainer, 1);
}

static void
test_mistakes (void)
{
  static const struct
  {
    int         rows;
    gint32      lengths[3];
    int         n;
    int         code;
    const char *seen, *wanted;
  } cases[] = {
    { 2, { 8, 0 }, 2, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: 0 at row 1", "wanted 1 to 8" },
    { 2, { 9, 8 }, 2, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: 9 at row 0", "wanted 1 to 8" },
    { 2, { 8, -4 }, 2, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: -4 at row 1", "wanted 1 to 8" },
    { 2, { 8, 8, 8 }, 3, REFORMER_MODEL_ERROR_SHAPE, "mask: Tensor int32 [3]", "wanted int32 or uint8 [2, 8], or lengths, int32 [2]" },
    { 2, { 8 }, 1, REFORMER_MODEL_ERROR_SHAPE, "mask: Tensor int32 [1]", "or lengths, int32 [2]" },
    { 1, { 3, 6 }, 2, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: 2 sequences of 9 tokens together", "wanted 8, all tokens of the row" },
    { 1, { 3, 4 }, 2, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: 2 sequences of 7 tokens together", "wanted 8" },
    { 1, { 8, 0 }, 2, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: 0 at row 1", "wanted 1 to 8" },
    { 1, { G_MAXINT32, G_MAXINT32, 10 }, 3, REFORMER_MODEL_ERROR_INVALID_INPUT, "lengths: 2147483647 at row 0", "wanted 1 to 8" },
  };
  const Case c = { few, 1, FALSE, 0, 0, "local", REFORMER_KEEP_AUTO };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &c);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 3, 8, 40);
  g_autoptr (ReformerTensor) bytes = test_tensor_bytes (device, (const guint8 *) "\3\3\3", 1, 3);
  g_autoptr (ReformerTensor) lengths = NULL;
  g_autoptr (ReformerTensor) bad = NULL;
  g_autoptr (ReformerTensor) few_labels = test_tokens (device, 3, 7, 40);
  g_autoptr (GError) error = NULL;
  gint32 ids[24] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ReformerTensor) some = test_tokens (device, cases[i].rows, 8, 40);
      g_autoptr (ReformerTensor) given = test_tensor_int (device, cases[i].lengths, 1, cases[i].n);

      refuse (model, some, given, cases[i].code, cases[i].seen, cases[i].wanted);
    }
  refuse (model, tokens, bytes, REFORMER_MODEL_ERROR_SHAPE, "mask: Tensor uint8 [3]", "or lengths, int32 [3]");
  g_assert_cmpint (reformer_stack_get_keep (reformer_model_get_stack (model)), ==, REFORMER_KEEP_AUTO);

  /* what is wrong within a sequence */
  lengths = test_tensor_int (device, (const gint32[]) { 8, 2, 3 }, 1, 3);
  ids[17] = 40;
  bad = test_tensor_int (device, ids, 2, 3, 8);
  refuse (model, bad, lengths, REFORMER_MODEL_ERROR_INVALID_INPUT, "the id 40 at row 2, position 1", "wanted 0 to 39");
  reformer_model_compute_gradients (model, tokens, lengths, few_labels, &error);
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "labels: ", "wanted those of all tokens, [3, 8]", NULL);
  g_clear_object (&lengths);
  lengths = test_tensor_int (device, (const gint32[]) { 1, 1, 1 }, 1, 3);
  reformer_model_compute_gradients (model, tokens, lengths, tokens, &error);
  assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "no target in any of 3 sequences", "wanted at least one", NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lengths/rows-equal-themselves-alone", test_rows);
  g_test_add_func ("/lengths/packed-sequences-equal-themselves-alone", test_packed);
  g_test_add_func ("/lengths/heads", test_heads);
  g_test_add_func ("/lengths/windows", test_windows);
  g_test_add_func ("/lengths/trainer", test_trainer);
  g_test_add_func ("/lengths/global-tokens", test_global_tokens);
  g_test_add_func ("/lengths/mistakes", test_mistakes);
  return test_run ();
}
