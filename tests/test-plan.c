/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory plans equal the account's peak to the byte, allocate nothing, and what they promise holds. */
#include "models.h"

#include <stdio.h>
#include <string.h>

#define E REFORMER_KEEP_EVERYTHING
#define I REFORMER_KEEP_INPUTS
#define N REFORMER_KEEP_NOTHING

/* 0 or NULL: what test_config() has. */
typedef struct
{
  const char   *kinds;
  gboolean      gradients;
  ReformerKeep  keep;
  int           rows;
  int           length;
  int           head_size;
  int           heads;
  int           hidden_size;
  int           vocabulary;
  int           hashes;
  int           chunk; /* of local attention; 8 for LSH */
  double        dropout;
  gboolean      evaluating;
  const char   *freeze;
  gboolean      table; /* positions in a table, not axial */
  int           streams;
  gboolean      norm_last, tied;
  gboolean      globals;
  gsize         piece;
  ReformerHead  head;
  int           features; /* of vectors */
} Case;

static const Case cases[] = {
  { "local", TRUE, E, 1, 64 },
  { "lsh", TRUE, E, 1, 64 },
  { "local,lsh", TRUE, E, 2, 64 },
  { "local", TRUE, I, 2, 64 },
  { "lsh", TRUE, I, 1, 64 },
  { "lsh,local,lsh", TRUE, I, 3, 64 },
  { "local", TRUE, N, 2, 64 },
  { "lsh", TRUE, N, 2, 64 },
  { "local,lsh,local,lsh", TRUE, N, 1, 64 },
  /* padded */
  { "local,lsh", TRUE, E, 2, 43 },
  { "local,lsh", TRUE, I, 3, 9 },
  { "lsh,local", TRUE, N, 1, 1001 },
  { "local,lsh", TRUE, N, 2, 59, .chunk = 24 },
  /* padded beyond the last position */
  { "local,lsh", TRUE, E, 3, 4090, .chunk = 40, .vocabulary = 8 },
  /* no longer than a chunk */
  { "local,lsh", TRUE, E, 2, 7 },
  { "local,lsh", TRUE, N, 3, 8 },
  { "lsh", TRUE, I, 1, 2 },
  /* longer than a piece, and than the blocks of 1,024 */
  { "lsh", TRUE, N, 2, 1536 },
  { "local,lsh", TRUE, E, 1, 2500, .piece = 1024 },
  /* sizes */
  { "local,lsh", TRUE, E, 1, 64, .head_size = 8 },
  { "local,lsh", TRUE, I, 2, 64, .head_size = 16, .heads = 3 },
  { "local,lsh", TRUE, N, 1, 128, .head_size = 33, .hidden_size = 47 },
  { "lsh,local", TRUE, N, 1, 64, .head_size = 64, .heads = 1 },
  { "lsh", TRUE, N, 2, 64, .vocabulary = 3001 },
  { "local", TRUE, E, 1, 64, .vocabulary = 1 },
  { "lsh", TRUE, E, 1, 64, .hashes = 1 },
  { "lsh", TRUE, N, 1, 72, .hashes = 5 },
  { "local,lsh", TRUE, N, 2, 64, .table = TRUE },
  /* dropout, on and off */
  { "local,lsh", TRUE, E, 2, 64, .dropout = 0.1 },
  { "local,lsh", TRUE, I, 1, 50, .dropout = 0.1 },
  { "local,lsh", TRUE, N, 2, 64, .dropout = 0.1 },
  { "local,lsh", TRUE, N, 2, 33, .dropout = 0.1, .table = TRUE },
  { "local,lsh", TRUE, E, 2, 64, .dropout = 0.1, .evaluating = TRUE },
  /* one stream, and logits by the embeddings' matrix */
  { "local,lsh", TRUE, E, 2, 64, .streams = 1 },
  { "local,lsh", TRUE, I, 2, 43, .streams = 1, .dropout = 0.1 },
  { "local,lsh", TRUE, E, 1, 64, .streams = 1, .norm_last = TRUE, .tied = TRUE },
  { "lsh,local", TRUE, I, 2, 64, .streams = 1, .norm_last = TRUE, .table = TRUE },
  { "lsh,local", FALSE, I, 2, 64, .streams = 1, .norm_last = TRUE },
  { "window,full", TRUE, E, 2, 61 },
  { "window,lsh", TRUE, N, 2, 43, .globals = TRUE, .dropout = 0.1 },
  { "window,full", TRUE, E, 1, 2500, .globals = TRUE, .piece = 1024 },
  { "full,window", FALSE, I, 3, 50, .globals = TRUE },
  { "local,lsh", TRUE, N, 1, 2500, .tied = TRUE, .dropout = 0.1 },
  /* frozen */
  { "local,lsh", TRUE, E, 1, 64, .freeze = "reformer.embeddings.*" },
  { "local,lsh", TRUE, I, 2, 64, .freeze = "*attention*" },
  { "local,lsh", TRUE, N, 1, 64, .freeze = "lm_head.*" },
  { "local,lsh", TRUE, N, 1, 64, .freeze = "*" },
  /* other heads */
  { "local,lsh", TRUE, E, 2, 64, .head = REFORMER_HEAD_MASKED_LANGUAGE, .dropout = 0.1 },
  { "local,lsh", TRUE, N, 3, 43, .head = REFORMER_HEAD_CLASSIFICATION, .dropout = 0.1 },
  { "lsh", TRUE, I, 2, 64, .head = REFORMER_HEAD_REGRESSION },
  { "local", TRUE, E, 40, 64, .head = REFORMER_HEAD_MULTI_LABEL },
  { "local,lsh", TRUE, N, 1, 2500, .head = REFORMER_HEAD_SPANS, .piece = 1024 },
  { "local,lsh", TRUE, N, 2, 43, .head = REFORMER_HEAD_TOKENS, .dropout = 0.1 },
  { "local,lsh", TRUE, E, 2, 64, .head = REFORMER_HEAD_VALUES },
  { "local,lsh", FALSE, E, 2, 64, .head = REFORMER_HEAD_CLASSIFICATION },
  { "local,lsh", FALSE, E, 2, 43, .head = REFORMER_HEAD_SPANS },
  /* vectors */
  { "local,lsh", TRUE, E, 2, 64, .features = 3 },
  { "local,lsh", TRUE, I, 2, 43, .features = 130, .dropout = 0.1 },
  { "lsh,local", TRUE, N, 1, 1001, .features = 17 },
  { "local,lsh", FALSE, E, 2, 43, .features = 5 },
  /* inference */
  { "local", FALSE, E, 1, 64 },
  { "lsh", FALSE, N, 2, 64 },
  { "local,lsh", FALSE, I, 3, 64 },
  { "lsh,local", FALSE, N, 1, 1001, .dropout = 0.1 },
  { "local,lsh", FALSE, N, 2, 4093, .chunk = 16, .head_size = 16 },
  { "lsh", FALSE, N, 1, 5, .vocabulary = 3001 },
  { "local,lsh", FALSE, E, 1, 1, .freeze = "*" },
};

#undef E
#undef I
#undef N

static ReformerModel *
new_model (ReformerDevice *device,
           const Case     *c)
{
  g_autoptr (ReformerConfig) config = test_head_config (c->head, c->kinds);
  const int hidden = c->hidden_size > 0 ? c->hidden_size : 32, shape[2] = { 64, 64 }, dims[2] = { 8, hidden - 8 };
  ReformerModel *model;

  g_object_set (config, "hidden-dropout-prob", c->dropout, "lsh-attention-probs-dropout-prob", c->dropout, "local-attention-probs-dropout-prob", c->dropout,
                "max-position-embeddings", 4096, "axial-pos-embds", !c->table, "hidden-size", hidden, "streams", c->streams > 0 ? c->streams : 2, "norm-first", !c->norm_last,
                "final-norm", !c->norm_last, "attention-bias", c->norm_last, "tied-projection", c->tied, NULL);
  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
  if (c->head_size > 0)
    reformer_config_set_attention_head_size (config, c->head_size);
  if (c->heads > 0)
    reformer_config_set_num_attention_heads (config, c->heads);
  if (c->vocabulary > 0)
    reformer_config_set_vocab_size (config, c->vocabulary);
  if (c->hashes > 0)
    reformer_config_set_num_hashes (config, c->hashes);
  if (c->features > 0)
    reformer_config_set_input_features (config, c->features);
  if (c->chunk > 0)
    reformer_config_set_local_attn_chunk_length (config, c->chunk);

  if (c->globals)
    reformer_config_set_window_attn_global_tokens (config, (const int[]) { 0, 5, 40 }, 3);

  model = reformer_model_new (device, config);
  model->piece = c->piece;
  reformer_model_set_training (model, !c->evaluating);
  reformer_stack_set_keep (reformer_model_get_stack (model), c->keep);
  if (c->freeze != NULL)
    g_assert_cmpuint (reformer_model_freeze (model, c->freeze), >, 0);
  return model;
}

static ReformerTensor *
new_tokens (ReformerDevice *device,
            int             rows,
            int             length)
{
  g_autofree gint32 *ids = g_new0 (gint32, (gsize) rows * (gsize) length);

  return test_tensor_int (device, ids, 2, rows, length);
}

/* Labels of zeros; the tokens, which are zeros too, where they have the same form. */
static ReformerTensor *
new_labels (ReformerModel  *model,
            ReformerTensor *tokens)
{
  g_autoptr (GError) error = NULL;
  ReformerTensor *labels = reformer_model_new_labels (model, tokens, &error);

  g_assert_no_error (error);
  if (labels != tokens)
    {
      const gsize n = reformer_tensor_get_n_elements (labels);
      g_autofree float *zeros = g_new0 (float, n);
      g_autoptr (GBytes) bytes = g_bytes_new (zeros, n * sizeof *zeros);

      reformer_tensor_upload (labels, bytes, &error);
      g_assert_no_error (error);
    }
  return labels;
}

static void
run (ReformerModel   *model,
     ReformerTensor  *tokens,
     gboolean         gradients,
     GError         **error)
{
  g_autoptr (ReformerTensor) labels = gradients ? new_labels (model, tokens) : NULL;
  g_autoptr (ReformerTensor) output = NULL;

  if (gradients)
    reformer_model_compute_gradients (model, tokens, NULL, labels, error);
  else
    output = reformer_model_forward (model, tokens, NULL, error);
}

static guint64
sum_of_parts (ReformerMemoryPlan *plan)
{
  guint64 sum = 0;

  for (guint i = 0; i < reformer_memory_plan_get_n_parts (plan); i++)
    {
      g_assert_nonnull (reformer_memory_plan_get_part_name (plan, i));
      sum += reformer_memory_plan_get_part_bytes (plan, i);
    }
  return sum;
}

static void
compare_parts (const Case         *c,
               ReformerDevice     *device,
               ReformerMemoryPlan *plan)
{
  g_autoptr (GArray) parts = reformer_device_get_peak_parts (device);

  for (guint i = 0; i < reformer_memory_plan_get_n_parts (plan); i++)
    {
      const char *name = reformer_memory_plan_get_part_name (plan, i);
      guint64 seen = 0;

      for (guint j = 0; j < parts->len; j++)
        if (g_str_equal (g_array_index (parts, ReformerMemoryPart, j).part, name))
          seen = g_array_index (parts, ReformerMemoryPart, j).bytes;
      if (seen != reformer_memory_plan_get_part_bytes (plan, i))
        g_printerr ("  %s: %" G_GUINT64_FORMAT " planned, %" G_GUINT64_FORMAT " used\n", name, reformer_memory_plan_get_part_bytes (plan, i), seen);
    }
}

static void
check_case (ReformerDevice *device,
            const Case     *c)
{
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerModel) model = new_model (device, c);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;
  g_autoptr (GError) error = NULL;
  guint64 total;

  plan = reformer_model_estimate_memory (model, c->rows, c->length, c->gradients, &error);
  g_assert_no_error (error);
  total = reformer_memory_plan_get_total (plan);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
  g_assert_cmpuint (sum_of_parts (plan), ==, total);
  g_assert_cmpuint (reformer_memory_plan_get_largest (plan), <=, total + 4096);

  /* what is planned is enough, and nothing less is: the last page counts */
  for (int attempt = 0; attempt < 3; attempt++)
    {
      const gboolean enough = attempt > 0;

      if (attempt == 0 || attempt == 1)
        reformer_device_set_memory_limit (device, before + total - (enough ? 0 : 1));
      else
        reformer_device_set_memory_limit (device, 0);
      if (tokens == NULL)
        tokens = c->features > 0 ? test_tensor (device, NULL, 3, c->rows, c->length, c->features) : new_tokens (device, c->rows, c->length);
      reformer_device_reset_memory_peak (device);
      run (model, tokens, c->gradients, &error);
      if (enough)
        g_assert_no_error (error);
      else
        g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
      g_clear_error (&error);
      if (enough && reformer_device_get_memory_peak (device) - before != total)
        {
          g_printerr ("%s, %s, %d rows of %d: %" G_GUINT64_FORMAT " planned, %" G_GUINT64_FORMAT " used\n", c->kinds, c->gradients ? "gradients" : "forward", c->rows,
                      c->length, total, reformer_device_get_memory_peak (device) - before);
          compare_parts (c, device, plan);
          g_test_fail ();
        }
    }

  /* the model's own weights are not in the way of a second plan */
  {
    g_autoptr (ReformerMemoryPlan) again = reformer_model_estimate_memory (model, c->rows, c->length, c->gradients, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (reformer_memory_plan_get_total (again), ==, total);
  }
  g_clear_object (&tokens);
  g_clear_object (&model);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
}

static void
test_exact (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      if (test_device_slow (device) && cases[i].length > 16)
        continue;
      g_test_message ("case %u: %s, %d rows of %d", i, cases[i].kinds, cases[i].rows, cases[i].length);
      check_case (device, &cases[i]);
    }
}

/* ---- keep = auto ---- */

static guint64
total_with (ReformerDevice *device,
            const Case     *c,
            ReformerKeep    keep)
{
  g_autoptr (ReformerModel) model = new_model (device, c);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (GError) error = NULL;

  reformer_stack_set_keep (reformer_model_get_stack (model), keep);
  plan = reformer_model_estimate_memory (model, c->rows, c->length, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_memory_plan_get_keep (plan), ==, keep);
  return reformer_memory_plan_get_total (plan);
}

static void
count_notify (ReformerStack *stack,
              GParamSpec    *pspec,
              guint         *count)
{
  (*count)++;
}

static void
check_auto (ReformerDevice *device,
            const Case     *c,
            guint64         limit,
            ReformerKeep    wanted,
            gboolean        fits)
{
  g_autoptr (ReformerModel) model = new_model (device, c);
  ReformerStack *stack = reformer_model_get_stack (model);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;
  g_autoptr (GError) error = NULL;
  guint notified = 0;

  g_signal_connect (stack, "notify::keep", G_CALLBACK (count_notify), &notified);
  g_assert_cmpint (reformer_stack_get_keep (stack), ==, REFORMER_KEEP_AUTO);
  reformer_device_set_memory_limit (device, limit);
  plan = reformer_model_estimate_memory (model, c->rows, c->length, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_memory_plan_get_keep (plan), ==, wanted);
  g_assert_cmpint (reformer_memory_plan_get_fits (plan), ==, fits);
  g_assert_cmpint (reformer_stack_get_keep (stack), ==, REFORMER_KEEP_AUTO);
  tokens = new_tokens (device, c->rows, c->length);
  run (model, tokens, FALSE, &error);
  g_clear_error (&error);
  g_assert_cmpint (reformer_stack_get_keep (stack), ==, REFORMER_KEEP_AUTO);
  g_assert_cmpuint (notified, ==, 0);
  run (model, tokens, TRUE, &error);
  if (fits)
    g_assert_no_error (error);
  else
    g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
  /* a step that failed settles nothing */
  g_assert_cmpint (reformer_stack_get_keep (stack), ==, fits ? wanted : REFORMER_KEEP_AUTO);
  g_assert_true (!fits || notified == 1);
  g_signal_handlers_disconnect_by_func (stack, count_notify, &notified);
  reformer_device_set_memory_limit (device, 0);
}

/* The fastest that fits, with the caller's tokens beside it; also where padding goes beyond the last position. */
static void
test_auto (void)
{
  static const Case several[] = {
    { "local,lsh,local,lsh", TRUE, REFORMER_KEEP_AUTO, 1, 512 },
    { "local,lsh,local", TRUE, REFORMER_KEEP_AUTO, 2, 301 },
    { "local,lsh,local", TRUE, REFORMER_KEEP_AUTO, 1, 4095, .chunk = 40, .vocabulary = 8 },
  };
  g_autoptr (ReformerDevice) device = test_device ();

  if (test_device_slow (device))
    {
      g_test_skip ("the device is too slow");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (several); i++)
    {
      const Case *c = &several[i];
      const guint64 everything = total_with (device, c, REFORMER_KEEP_EVERYTHING), inputs = total_with (device, c, REFORMER_KEEP_INPUTS);
      const guint64 nothing = total_with (device, c, REFORMER_KEEP_NOTHING), tokens = 65536;

      g_assert_cmpuint (everything, >, inputs + 2 * tokens);
      g_assert_cmpuint (inputs, >, nothing + 2 * tokens);
      check_auto (device, c, 0, REFORMER_KEEP_EVERYTHING, TRUE);
      check_auto (device, c, everything, REFORMER_KEEP_EVERYTHING, TRUE);
      check_auto (device, c, everything - 1, REFORMER_KEEP_INPUTS, TRUE);
      check_auto (device, c, inputs, REFORMER_KEEP_INPUTS, TRUE);
      check_auto (device, c, inputs - 1, REFORMER_KEEP_NOTHING, TRUE);
      check_auto (device, c, nothing, REFORMER_KEEP_NOTHING, TRUE);
      check_auto (device, c, nothing - 1, REFORMER_KEEP_NOTHING, FALSE);
    }
}

/* ---- the longest that fits ---- */

/* The number in "...; ROWS sequences of at most N tokens fit", with which an error ends. */
static int
named (GError **error,
       int      rows)
{
  const char *end = NULL;
  int length = 0, n = 1;

  g_assert_error (*error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
  g_test_message ("%s", (*error)->message);
  end = strrchr ((*error)->message, ';');
  g_assert_nonnull (end);
  if (rows > 1)
    g_assert_cmpint (sscanf (end, "; %d sequences of at most %d tokens fit", &n, &length), ==, 2);
  else
    g_assert_cmpint (sscanf (end, "; sequences of at most %d tokens fit", &length), ==, 1);
  g_assert_cmpint (n, ==, rows);
  g_assert_true (g_str_has_suffix (end, " tokens fit"));
  g_clear_error (error);
  return length;
}

static ReformerTensor *
new_mask (ReformerDevice *device,
          int             rows,
          int             length)
{
  g_autofree guint8 *kept = g_malloc0 ((gsize) rows * (gsize) length);

  for (int i = 0; i < rows * length; i += 2)
    kept[i] = 1;
  return test_tensor_bytes (device, kept, 2, rows, length);
}

/* The other calls, with a mask: what is named fits. Of lengths nothing is said. */
static void
check_masked (ReformerModel *model,
              const Case    *c,
              int            beyond)
{
  ReformerDevice *device = reformer_model_get_device (model);

  for (int loss = 0; loss < 2; loss++)
    {
      int length = beyond;

      for (int attempt = 0; attempt < 2; attempt++)
        {
          g_autoptr (ReformerTensor) tokens = new_tokens (device, c->rows, length), mask = new_mask (device, c->rows, length), output = NULL;
          g_autoptr (GError) error = NULL;

          if (loss)
            reformer_model_compute_loss (model, tokens, mask, tokens, &error);
          else
            output = reformer_model_encode (model, tokens, mask, &error);
          if (attempt == 0)
            length = named (&error, c->rows);
          else
            g_assert_no_error (error);
        }
      g_assert_cmpint (length, <, beyond);
      g_assert_cmpint (length, >, 64);
    }
  {
    g_autofree gint32 *values = g_new (gint32, c->rows);
    g_autoptr (ReformerTensor) tokens = new_tokens (device, c->rows, beyond), lengths = NULL;
    g_autoptr (GError) error = NULL;

    for (int i = 0; i < c->rows; i++)
      values[i] = beyond;
    lengths = test_tensor_int (device, values, 1, c->rows);
    g_assert_null (reformer_model_forward (model, tokens, lengths, &error));
    g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
    g_assert_null (strstr (error->message, "tokens fit"));
  }
}

static void
check_longest (ReformerDevice *device,
               const Case     *c,
               double          part)
{
  g_autoptr (ReformerModel) model = new_model (device, c);
  g_autoptr (ReformerMemoryPlan) plan = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;
  g_autoptr (ReformerTensor) more = NULL;
  g_autoptr (GError) error = NULL;
  gint64 longest;

  plan = reformer_model_estimate_memory (model, c->rows, 4096, c->gradients, &error);
  g_assert_no_error (error);
  reformer_device_set_memory_limit (device, (guint64) ((double) reformer_memory_plan_get_total (plan) * part));
  longest = reformer_model_find_max_length (model, c->rows, c->gradients, &error);
  g_assert_no_error (error);
  g_test_message ("%s, %d rows, %s: %d of 4096", c->kinds, c->rows, c->gradients ? "gradients" : "forward", (int) longest);
  g_assert_cmpint (longest, >, 64);
  g_assert_cmpint (longest, <, 4096);

  tokens = new_tokens (device, c->rows, (int) longest);
  run (model, tokens, c->gradients, &error);
  g_assert_no_error (error);
  g_clear_object (&tokens);
  g_clear_object (&model);

  /* a model that has chosen what it keeps would be held to it */
  model = new_model (device, c);
  more = new_tokens (device, c->rows, (int) (longest + longest / 8 + 16));
  run (model, more, c->gradients, &error);
  g_assert_cmpint (named (&error, c->rows), ==, longest);
  g_clear_object (&more);
  if (!c->gradients)
    check_masked (model, c, 4096);
  reformer_device_set_memory_limit (device, 0);
}

static void
test_longest (void)
{
  static const Case several[] = {
    { "local,lsh", TRUE, REFORMER_KEEP_NOTHING, 1 },
    { "local,lsh", TRUE, REFORMER_KEEP_AUTO, 2 },
    { "lsh,local", FALSE, REFORMER_KEEP_AUTO, 1, .chunk = 12 },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &several[0]);
  g_autoptr (GError) error = NULL;

  if (test_device_slow (device))
    {
      g_test_skip ("the device is too slow");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (several); i++)
    check_longest (device, &several[i], 0.35);

  /* all positions, or none */
  g_assert_cmpint (reformer_model_find_max_length (model, 1, TRUE, &error), ==, 4096);
  g_assert_no_error (error);
  reformer_device_set_memory_limit (device, 8192);
  g_assert_cmpint (reformer_model_find_max_length (model, 1, TRUE, &error), ==, 0);
  g_assert_no_error (error);
  {
    g_autoptr (ReformerTensor) tokens = new_tokens (device, 1, 64);

    run (model, tokens, TRUE, &error);
    g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
    g_assert_true (g_str_has_suffix (error->message, "; no length fits"));
  }
  reformer_device_set_memory_limit (device, 0);
}

/* A device that gives little at once: what is too much for it is refused, and the longest that is not works. In a process of its own, because a device is described once. */
static void
test_allocation (void)
{
  static const Case c = { "local,lsh", TRUE, REFORMER_KEEP_AUTO, 1 };
  const gint64 beyond = 65536 / 4 + 1;

  if (g_test_subprocess ())
    {
      g_autoptr (ReformerDevice) device = NULL;
      g_autoptr (ReformerModel) model = NULL;
      g_autoptr (ReformerMemoryPlan) plan = NULL;
      g_autoptr (ReformerTensor) tokens = NULL, more = NULL;
      g_autoptr (GError) error = NULL;
      gint64 longest;

      g_setenv ("REFORMER_LIMITS", "allocation=65536", TRUE);
      device = test_device ();
      g_assert_cmpuint (reformer_device_get_max_allocation (device), ==, 65536);
      g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, &beyond, 1, &error));
      g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
      g_assert_true (g_str_has_suffix (error->message, ": 65540 bytes wanted in one tensor; the device gives at most 65536 at once"));
      g_clear_error (&error);

      model = new_model (device, &c);
      plan = reformer_model_estimate_memory (model, 1, 4096, TRUE, &error);
      g_assert_no_error (error);
      g_assert_false (reformer_memory_plan_get_fits (plan));
      g_assert_cmpuint (reformer_memory_plan_get_largest (plan), >, 65536);
      g_assert_cmpuint (reformer_memory_plan_get_total (plan), <=, reformer_memory_plan_get_available (plan));
      longest = reformer_model_find_max_length (model, 1, TRUE, &error);
      g_assert_no_error (error);
      g_test_message ("%d of 4096 tokens with 65536 bytes at once", (int) longest);
      g_assert_cmpint (longest, >=, 64);
      g_assert_cmpint (longest, <, 4096);

      more = new_tokens (device, 1, (int) longest + 16);
      run (model, more, TRUE, &error);
      g_assert_nonnull (strstr (error->message, "the device gives at most 65536 at once; "));
      g_assert_cmpint (named (&error, 1), ==, longest);
      tokens = new_tokens (device, 1, (int) longest);
      run (model, tokens, TRUE, &error);
      g_assert_no_error (error);
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

/* ---- what cannot be planned ---- */

static void
assert_refused (ReformerModel *model,
                int            rows,
                gint64         length,
                const char    *pattern)
{
  for (int gradients = 0; gradients < 2; gradients++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (reformer_model_estimate_memory (model, rows, length, gradients, &error));
      g_assert_nonnull (error);
      g_assert_null (strchr (error->message, '\n'));
      if (!g_pattern_match_simple (pattern, error->message))
        g_error ("%d rows of %" G_GINT64_FORMAT ": \"%s\" does not match \"%s\"", rows, length, error->message, pattern);
    }
}

static void
test_refused (void)
{
  static const Case usual = { "local,lsh", TRUE, REFORMER_KEEP_AUTO };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = new_model (device, &usual);
  g_autoptr (ReformerLayer) branch = REFORMER_LAYER (reformer_linear_new (device, 32, 32, TRUE));
  g_autoptr (GError) error = NULL;

  assert_refused (model, 0, 64, "*[0, 64]*");
  assert_refused (model, 1, 0, "*[1, 0]*");
  assert_refused (model, -1, 64, "*[-1, 64]*");
  assert_refused (model, 1, -7, "*[1, -7]*");
  assert_refused (model, 1, 4097, "*4097 tokens*positions for 4096*");
  assert_refused (model, 1, G_MAXINT64, "*");
  assert_refused (model, G_MAXINT, 4096, "*");
  g_assert_cmpint (reformer_model_find_max_length (model, 0, TRUE, &error), <=, 0);
  g_clear_error (&error);

  /* branches of one's own cannot be planned, but they can be run */
  g_assert_true (reformer_stack_insert (reformer_model_get_stack (model), 1, "mine", branch, &error));
  assert_refused (model, 1, 64, "*branches*");
  {
    g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);

    run (model, tokens, TRUE, &error);
    g_assert_no_error (error);
  }
  g_assert_true (reformer_stack_remove (reformer_model_get_stack (model), 1, &error));
  {
    g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (model, 1, 64, TRUE, &error);

    g_assert_no_error (error);
    g_assert_nonnull (plan);
  }
}

/* Sizes that no device has are planned on any device, or refused in one line. */
static void
test_absurd (void)
{
  static const struct
  {
    const char *key;
    int         value;
  } sizes[] = {
    { "hidden-size", 1 << 30 }, { "vocab-size", G_MAXINT }, { "feed-forward-size", G_MAXINT }, { "num-attention-heads", 1 << 18 },
    { "attention-head-size", 1 << 30 }, { "attention-head-size", 1 << 20 }, { "num-hashes", 1024 },
    { "num-hashes", 1 << 20 }, { "num-hashes", G_MAXINT / 16 }, { "lsh-attn-chunk-length", G_MAXINT / 2 },
    { "local-attn-chunk-length", G_MAXINT / 2 }, { "lsh-num-chunks-before", 1 << 26 }, { "local-num-chunks-before", 1 << 26 }, { "max-position-embeddings", G_MAXINT },
  };
  g_autoptr (ReformerDevice) device = test_device ();
  const guint64 before = reformer_device_get_memory_used (device);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (int table = 0; table < 2; table++)
      {
        g_autoptr (ReformerConfig) config = test_config ("local,lsh");
        g_autoptr (ReformerModel) model = NULL;
        int dims[2] = { 8, 24 };

        g_object_set (config, "axial-pos-embds", !table, sizes[i].key, sizes[i].value, NULL);
        dims[1] = reformer_config_get_hidden_size (config) - 8;
        reformer_config_set_axial_pos_embds_dim (config, dims, 2);
        model = reformer_model_new (device, config);
        for (int gradients = 0; gradients < 2; gradients++)
          {
            g_autoptr (GError) error = NULL;
            g_autoptr (ReformerMemoryPlan) plan = reformer_model_estimate_memory (model, 3, 64, gradients, &error);

            g_test_message ("%s %d: %s", sizes[i].key, sizes[i].value, error != NULL ? error->message : "planned");
            g_assert_true ((plan == NULL) == (error != NULL));
            if (error != NULL)
              g_assert_null (strchr (error->message, '\n'));
            else
              g_assert_cmpuint (sum_of_parts (plan), ==, reformer_memory_plan_get_total (plan));
            g_clear_error (&error);
            g_assert_cmpint (reformer_model_find_max_length (model, 1, gradients, &error), >=, error != NULL ? -1 : 0);
          }
      }
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/exact", test_exact);
  g_test_add_func ("/plan/auto", test_auto);
  g_test_add_func ("/plan/longest", test_longest);
  g_test_add_func ("/plan/allocation", test_allocation);
  g_test_add_func ("/plan/refused", test_refused);
  g_test_add_func ("/plan/absurd", test_absurd);
  return test_run ();
}
