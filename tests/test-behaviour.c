/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stopped users of other Reformers, each under the name of what this library does instead; docs/testing.md has the list. */
#include "models.h"

#include <math.h>
#include <string.h>

#include <libreformer/generation/reformer-session.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/models/reformer-inspection.h>

static ReformerDevice *device;

static double
loss_of (ReformerModel *model,
         int            T,
         gboolean       gradients)
{
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, T, 40);
  g_autoptr (GError) error = NULL;
  const double loss = gradients ? reformer_model_compute_gradients (model, tokens, NULL, tokens, &error) : reformer_model_compute_loss (model, tokens, NULL, tokens, &error);

  g_assert_no_error (error);
  g_assert_true (isfinite (loss));
  return loss;
}

static float *
logits_of (ReformerModel  *model,
           ReformerTensor *tokens,
           ReformerTensor *mask)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, mask, &error);

  g_assert_no_error (error);
  return test_floats (output);
}

/* transformers #10825: axial positions allowed the length, max_position_embeddings did not. */
static void
test_axial_shape_alone (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;

  g_object_set (config, "max-position-embeddings", 8, NULL);
  model = reformer_model_new (device, config);
  loss_of (model, 64, TRUE);
}

/* transformers #4565, #5446: training wanted a length of all positions, and a multiple of the chunks. */
static void
test_trains_any_length (void)
{
  const int shape[2] = { 32, 32 };
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;

  reformer_config_set_axial_pos_shape (config, shape, 2);
  g_object_set (config, "lsh-attn-chunk-length", 64, "local-attn-chunk-length", 64, NULL);
  model = reformer_model_new (device, config);
  g_assert_cmpfloat_with_epsilon (loss_of (model, 444, TRUE), loss_of (model, 444, FALSE), 1e-6);
}

/* trax #1664: a layer worked only at the length that it was made with. */
static void
test_lengths_in_any_order (void)
{
  static const int lengths[] = { 64, 3, 8, 9, 64 };
  g_autoptr (ReformerConfig) config = test_config ("lsh,local");
  g_autoptr (ReformerModel) used = reformer_model_new (device, config);

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autoptr (ReformerModel) fresh = reformer_model_new (device, config);

      g_assert_true (memcmp (&(double) { loss_of (used, lengths[i], i % 2) }, &(double) { loss_of (fresh, lengths[i], i % 2) }, sizeof (double)) == 0);
    }
}

/* transformers PR #4720, #16972: nobody could tell whether a layer hashed. A chunk or less has full attention, one token more hashes. */
static void
test_full_up_to_a_chunk (void)
{
  g_autoptr (ReformerConfig) config = test_config ("lsh"), wide = test_config ("lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config), full = NULL;
  g_autoptr (ReformerInspection) inspection = reformer_inspection_new (model);

  g_object_set (wide, "lsh-attn-chunk-length", 64, NULL);
  full = reformer_model_new (device, wide);
  for (int T = 7; T <= 9; T++)
    {
      g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, T, 40), buckets = NULL;
      g_autofree float *a = logits_of (model, tokens, NULL), *b = logits_of (full, tokens, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_true (reformer_inspection_run (inspection, tokens, NULL, &error));
      buckets = reformer_inspection_get_buckets (inspection, 0, &error);
      g_assert_cmpint (buckets != NULL, ==, T > 8);
      if (T <= 8)
        assert_same_bits ("full", a, b, (gsize) T * 40);
    }
}

/* reformer-pytorch #43: LSH is slower than full attention on short input. Nothing is ever switched behind the caller's back: the configuration says what runs. */
static void
test_never_switched (void)
{
  g_autoptr (ReformerConfig) config = test_config ("lsh,local,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerInspection) inspection = reformer_inspection_new (model);
  const char *const *kinds = reformer_config_get_attn_layers (config);

  for (int T = 16; T <= 64; T *= 2)
    {
      g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, T, 40);
      g_autoptr (GError) error = NULL;

      loss_of (model, T, TRUE);
      g_assert_true (reformer_inspection_run (inspection, tokens, NULL, &error));
      g_assert_cmpuint (reformer_inspection_get_n_layers (inspection), ==, 3);
      for (guint i = 0; i < 3; i++)
        {
          g_autoptr (ReformerLayer) layer = g_list_model_get_item (G_LIST_MODEL (reformer_model_get_stack (model)), 2 * i);
          g_autoptr (ReformerTensor) buckets = reformer_inspection_get_buckets (inspection, i, NULL);

          g_assert_cmpstr (reformer_inspection_get_kind (inspection, i), ==, kinds[i]);
          g_assert_cmpint (REFORMER_IS_LSH_ATTENTION (layer), ==, i != 1);
          g_assert_cmpint (REFORMER_IS_LOCAL_ATTENTION (layer), ==, i == 1);
          g_assert_cmpint (buckets != NULL, ==, i != 1);
        }
    }
}

/* reformer-pytorch #52: the second call's mask was ignored. */
static void
test_each_call_its_mask (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 32, 40);
  guint8 kept[32];
  g_autofree float *first = NULL;

  for (int call = 0; call < 4; call++)
    {
      g_autoptr (ReformerModel) fresh = reformer_model_new (device, config);
      g_autoptr (ReformerTensor) mask = NULL;
      g_autofree float *a = NULL, *b = NULL;

      for (int i = 0; i < 32; i++)
        kept[i] = i % 7 != call;
      mask = test_tensor_bytes (device, kept, 2, 1, 32);
      a = logits_of (model, tokens, call == 2 ? NULL : mask);
      b = logits_of (fresh, tokens, call == 2 ? NULL : mask);
      assert_same_bits ("call", a, b, 32 * 40);
      if (call == 0)
        first = g_steal_pointer (&a);
      else
        g_assert_cmpint (memcmp (first, a, 32 * 40 * sizeof *a), !=, 0);
    }
}

/* reformer-pytorch #53: chunks and masks got in each other's way. A window that reaches over all chunks is full attention, with a mask too. */
static void
test_chunks_and_masks (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,local"), whole = test_config ("local,local");
  g_autoptr (ReformerModel) chunked = NULL, full = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 32, 40), mask = NULL;
  guint8 kept[32];

  g_object_set (config, "local-num-chunks-before", 3, NULL);
  g_object_set (whole, "local-attn-chunk-length", 64, NULL);
  chunked = reformer_model_new (device, config);
  full = reformer_model_new (device, whole);
  for (int i = 0; i < 32; i++)
    kept[i] = i % 5 != 2;
  mask = test_tensor_bytes (device, kept, 2, 1, 32);
  for (int masked = 0; masked < 2; masked++)
    {
      g_autofree float *a = logits_of (chunked, tokens, masked ? mask : NULL), *b = logits_of (full, tokens, masked ? mask : NULL);
      g_autofree double *wanted = g_new (double, 32 * 40);

      for (int i = 0; i < 32 * 40; i++)
        wanted[i] = (double) b[i];
      assert_close (masked ? "masked" : "all", a, wanted, 32 * 40, 1e-5);
    }
}

/* transformers #7929: padded batches needed a padding token in the vocabulary; an id beyond it crashed. */
static void
test_no_padding_token (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh"), with = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL, other = reformer_model_new (device, with);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 27, 40), bad = NULL;
  g_autofree float *a = NULL, *b = NULL;
  g_autoptr (GError) error = NULL;
  const gint32 beyond[9] = { 1, 2, 40 };

  reformer_config_set_pad_token_id (config, -1);
  model = reformer_model_new (device, config);
  a = logits_of (model, tokens, NULL);
  b = logits_of (other, tokens, NULL);
  assert_same_bits ("padded", a, b, 2 * 27 * 40);
  bad = test_tensor_int (device, beyond, 2, 1, 9);
  g_assert_null (reformer_model_forward (model, bad, NULL, &error));
  g_assert_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT);
  g_assert_cmpstr (error->message, ==, "tokens: the id 40 at row 0, position 2; wanted 0 to 39 (vocab_size is 40)");
}

/* transformers #10370: the backward pass died where the model was in evaluation mode. Only dropout hangs on the mode. */
static void
test_gradients_in_any_mode (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh"), dropping = test_config ("local,lsh");
  g_autoptr (ReformerModel) plain = reformer_model_new (device, config), model = NULL;
  g_autoptr (GArray) a = NULL, b = NULL;

  g_object_set (dropping, "hidden-dropout-prob", 0.5, NULL);
  model = reformer_model_new (device, dropping);
  reformer_model_set_training (model, FALSE);
  loss_of (plain, 32, TRUE);
  loss_of (model, 32, TRUE);
  a = test_gradients (plain);
  b = test_gradients (model);
  g_assert_cmpmem (a->data, a->len * sizeof (float), b->data, b->len * sizeof (float));
}

/* transformers #46612: all rows of a batch were decoded with the first one's cache. */
static void
test_decodes_every_row (void)
{
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerSession) together = reformer_session_new (model);
  gint32 ids[3 * 20];
  g_autofree float *all = NULL;
  g_autoptr (GError) error = NULL;

  test_fill_int (ids, 3 * 20, 40, 5);
  for (int start = 0; start < 20; start += 10)
    {
      gint32 piece[3 * 10];
      g_autoptr (ReformerTensor) tokens = NULL, logits = NULL;

      for (int i = 0; i < 30; i++)
        piece[i] = ids[i / 10 * 20 + start + i % 10];
      tokens = test_tensor_int (device, piece, 2, 3, 10);
      logits = reformer_session_feed (together, tokens, NULL, &error);
      g_assert_no_error (error);
      g_free (all);
      all = test_floats (logits);
    }
  for (int row = 0; row < 3; row++)
    {
      g_autoptr (ReformerSession) alone = reformer_session_new (model);
      g_autofree float *own = NULL;

      for (int start = 0; start < 20; start += 10)
        {
          g_autoptr (ReformerTensor) tokens = test_tensor_int (device, ids + row * 20 + start, 2, 1, 10);
          g_autoptr (ReformerTensor) logits = reformer_session_feed (alone, tokens, NULL, &error);

          g_assert_no_error (error);
          g_free (own);
          own = test_floats (logits);
        }
      for (int i = 0; i < 40; i++)
        g_assert_cmpfloat_with_epsilon (all[row * 40 + i], own[i], 1e-5);
    }
}

/* transformers #4543: the automatic number of buckets came out odd, and was refused. Factors are powers of two, and can be read before anything is made. */
static void
test_buckets_are_powers_of_two (void)
{
  const int shape[2] = { 6, 10 };
  g_autoptr (ReformerConfig) config = test_config ("lsh,local");
  g_autoptr (ReformerModel) model = NULL;

  reformer_config_set_num_buckets (config, NULL, 0);
  for (int positions = 1; positions < 1 << 20; positions += 1 + positions / 3)
    {
      g_autofree int *factors = NULL;
      gsize n;

      reformer_config_set_axial_pos_shape (config, &positions, 1);
      factors = reformer_config_get_bucket_factors (config, &n);
      g_assert_cmpuint (n, >, 0);
      for (gsize i = 0; i < n; i++)
        g_assert_true (factors[i] >= 2 && (factors[i] & (factors[i] - 1)) == 0);
    }
  reformer_config_set_axial_pos_shape (config, shape, 2);
  model = reformer_model_new (device, config);
  loss_of (model, 60, TRUE);
}

/* What a token attends to, the largest weights first, which are 1 together; with a mask only what it keeps. */
static guint
check_keys (ReformerInspection *inspection,
            guint               layer,
            guint               head,
            guint               position,
            const guint8       *kept)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) keys = reformer_inspection_list_keys (inspection, layer, 0, head, position, 0, &error);
  double weight, last = 1, sum = 0;
  int token, round;
  GVariantIter iter;

  g_assert_no_error (error);
  g_variant_iter_init (&iter, keys);
  while (g_variant_iter_next (&iter, "(iid)", &token, &round, &weight))
    {
      g_assert_cmpint (token, >=, 0);
      g_assert_cmpint (token, <=, (int) position);
      g_assert_true (kept == NULL || kept[token] != 0);
      g_assert_cmpfloat (weight, <=, last);
      last = weight;
      sum += weight;
    }
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-9);
  return (guint) g_variant_n_children (keys);
}

/* transformers PR #5560: masked keys filled chunks. They have the last bucket for themselves, and no weight. */
static void
test_masked_keys_apart (void)
{
  g_autoptr (ReformerConfig) config = test_config ("lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerInspection) inspection = reformer_inspection_new (model);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 32, 40), mask = NULL, buckets = NULL;
  g_autofree gint32 *ids = NULL;
  g_autoptr (GError) error = NULL;
  guint8 kept[32];

  for (int i = 0; i < 32; i++)
    kept[i] = i % 3 != 1;
  mask = test_tensor_bytes (device, kept, 2, 1, 32);
  g_assert_true (reformer_inspection_run (inspection, tokens, mask, &error));
  g_assert_no_error (error);
  buckets = reformer_inspection_get_buckets (inspection, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_tensor_get_n_elements (buckets), ==, 2 * 2 * 32); /* heads and rounds */
  ids = test_ints (buckets);
  for (int i = 0; i < 2 * 2 * 32; i++)
    {
      const int last = ids[i / 32 * 32 + 1];

      if (kept[i % 32])
        g_assert_cmpint (ids[i], <, last);
      else
        g_assert_cmpint (ids[i], ==, last);
    }
  for (guint head = 0; head < 2; head++)
    for (guint i = 0; i < 32; i++)
      if (kept[i])
        check_keys (inspection, 0, head, i, kept);
}

/* reformer-pytorch #27: how does one see the weights? An inspection lists them, of every kind of attention. */
static void
test_weights_can_be_seen (void)
{
  g_autoptr (ReformerConfig) config = test_config ("lsh,local,full,window");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerInspection) inspection = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 32, 40);
  g_autoptr (GError) error = NULL;

  g_object_set (config, "window-attn-size", 8, NULL);
  model = reformer_model_new (device, config);
  inspection = reformer_inspection_new (model);
  g_assert_true (reformer_inspection_run (inspection, tokens, NULL, &error));
  g_assert_no_error (error);
  for (guint head = 0; head < 2; head++)
    {
      g_assert_cmpuint (check_keys (inspection, 0, head, 20, NULL), >, 0);
      g_assert_cmpuint (check_keys (inspection, 1, head, 20, NULL), ==, 8 + 5); /* of the chunk before, and of its own */
      g_assert_cmpuint (check_keys (inspection, 2, head, 20, NULL), ==, 21);
      g_assert_cmpuint (check_keys (inspection, 3, head, 20, NULL), ==, 5);
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/behaviour/axial-shape-alone-limits-the-length", test_axial_shape_alone);
  g_test_add_func ("/behaviour/trains-on-any-length", test_trains_any_length);
  g_test_add_func ("/behaviour/one-model-for-all-lengths", test_lengths_in_any_order);
  g_test_add_func ("/behaviour/full-attention-up-to-a-chunk", test_full_up_to_a_chunk);
  g_test_add_func ("/behaviour/attention-kinds-are-never-switched", test_never_switched);
  g_test_add_func ("/behaviour/each-call-has-its-own-mask", test_each_call_its_mask);
  g_test_add_func ("/behaviour/chunks-and-masks-agree", test_chunks_and_masks);
  g_test_add_func ("/behaviour/no-padding-token-is-needed", test_no_padding_token);
  g_test_add_func ("/behaviour/gradients-in-evaluation-mode", test_gradients_in_any_mode);
  g_test_add_func ("/behaviour/decodes-every-row", test_decodes_every_row);
  g_test_add_func ("/behaviour/buckets-are-powers-of-two", test_buckets_are_powers_of_two);
  g_test_add_func ("/behaviour/masked-keys-have-a-bucket-of-their-own", test_masked_keys_apart);
  g_test_add_func ("/behaviour/weights-can-be-seen", test_weights_can_be_seen);
  status = test_run ();
  g_object_unref (device);
  return status;
}
