/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last tokens of a text in an LSH layer, from what is kept of it, against the layer's own pass over the whole text. */
#include "layer-checks.h"

#include <string.h>

#include <libreformer/layers/reformer-lsh-attention.h>

#include "layers/lsh-piece.h"
#include "ops/hash.h"

#define TOLERANCE 2e-5

typedef struct
{
  const char *name;
  int         H, A, d, rounds, chunk, before, after;
  gint32      factors[3]; /* 0 ends them */
  gboolean    causal;
  int         B, T, padded, hashed, n, capacity;
} Case;

static const Case cases[] = {
  { "one token", 32, 2, 16, 2, 8, 1, 0, { 4 }, TRUE, 1, 41, 48, 40, 1, 60 },
  { "nothing hashed yet", 32, 2, 16, 2, 8, 1, 0, { 4 }, TRUE, 2, 41, 48, 0, 1, 41 },
  { "no padding", 24, 3, 20, 1, 4, 1, 0, { 2, 4 }, TRUE, 2, 24, 24, 21, 2, 30 },
  { "chunks before", 24, 2, 8, 3, 4, 2, 0, { 6 }, TRUE, 1, 45, 60, 44, 1, 64 },
  { "chunks after, not causal", 24, 2, 8, 2, 4, 1, 1, { 2, 2, 4 }, FALSE, 2, 90, 96, 85, 3, 91 },
  { "no chunk before", 16, 1, 33, 4, 4, 0, 0, { 8 }, TRUE, 3, 37, 40, 30, 2, 37 },
  { "a window that wraps onto itself", 16, 2, 8, 1, 8, 2, 1, { 4 }, TRUE, 1, 33, 40, 32, 1, 40 },
  { "one bucket for most", 16, 2, 8, 2, 4, 1, 0, { 2 }, TRUE, 2, 50, 64, 49, 1, 50 },
};

/* Rows T - n ... of the whole pass. */
static double *
whole (gpointer       layer,
       const Case    *c,
       const float   *inputs)
{
  g_autofree float *x = g_new0 (float, (gsize) (c->B * c->padded * c->H));
  g_autofree guint8 *mask = g_new0 (guint8, (gsize) (c->B * c->padded));
  g_autofree float *all = NULL;
  double *rows = g_new (double, (gsize) (c->B * c->n * c->H));
  g_autoptr (ReformerTensor) tensor = NULL;
  g_autoptr (ReformerTensor) kept = NULL;
  g_autoptr (ReformerTensor) y = NULL;
  g_autoptr (ReformerTape) tape = test_tape (NULL);

  for (int b = 0; b < c->B; b++)
    {
      memcpy (x + b * c->padded * c->H, inputs + b * c->capacity * c->H, sizeof (float) * (gsize) (c->T * c->H));
      memset (mask + b * c->padded, 1, (gsize) c->T);
    }
  tensor = test_tensor (device, x, 3, c->B, c->padded, c->H);
  kept = c->padded > c->T ? test_tensor_bytes (device, mask, 2, c->B, c->padded) : NULL;
  reformer_tape_set_recording (tape, FALSE);
  reformer_tape_set_mask (tape, kept);
  y = test_forward (layer, tensor, tape);
  all = test_floats (y);
  for (int b = 0; b < c->B; b++)
    for (int i = 0; i < c->n * c->H; i++)
      rows[b * c->n * c->H + i] = (double) all[(b * c->padded + c->T - c->n) * c->H + i];
  return rows;
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  gsize n_factors = 0;
  g_autoptr (ReformerLshAttention) layer = NULL;
  g_autoptr (GVariant) factors = NULL;
  g_autofree float *inputs = g_new (float, (gsize) (c->B * c->capacity * c->H));
  g_autofree float *some = g_new (float, (gsize) (c->B * c->n * c->H));
  g_autofree float *got = NULL;
  g_autofree double *want = NULL;
  g_autoptr (ReformerTensor) kept = NULL;
  g_autoptr (ReformerTensor) buckets = NULL;
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (ReformerTensor) target = NULL;
  g_autoptr (GError) error = NULL;
  ReformerLshPiece piece = { .B = c->B, .n = c->n, .T = c->T, .padded = c->padded, .capacity = c->capacity };

  while (n_factors < G_N_ELEMENTS (c->factors) && c->factors[n_factors] > 0)
    n_factors++;
  factors = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, c->factors, n_factors, sizeof (gint32)));
  layer = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", c->H, "num-attention-heads", c->A, "attention-head-size", c->d,
                        "num-hashes", c->rounds, "num-buckets", factors, "chunk-length", c->chunk, "num-chunks-before", c->before, "num-chunks-after", c->after,
                        "causal", c->causal, "deviation", 0.4, NULL);
  test_fill (inputs, (gsize) (c->B * c->capacity * c->H), 3);
  want = whole (layer, c, inputs);
  for (int b = 0; b < c->B; b++)
    memcpy (some + b * c->n * c->H, inputs + (b * c->capacity + c->T - c->n) * c->H, sizeof (float) * (gsize) (c->n * c->H));
  piece.inputs = kept = test_tensor (device, inputs, 3, c->B, c->capacity, c->H);
  x = test_tensor (device, some, 3, c->B, c->n, c->H);

  /* tokens before the last ones were hashed by an earlier piece, one at a time where there are many */
  for (int hashed = 0, next; hashed < c->hashed; hashed = next)
    {
      ReformerLshPiece earlier = piece;
      g_autoptr (ReformerTape) tape = test_tape (NULL);
      g_autoptr (ReformerTensor) one = test_tensor (device, NULL, 3, c->B, 1, c->H);
      g_autoptr (ReformerTensor) nothing = test_tensor (device, NULL, 3, c->B, 1, c->H);

      next = hashed == 0 ? MAX (c->hashed - 2, 1) : hashed + 1;
      earlier.n = 1;
      earlier.T = next;
      earlier.padded = (next + c->chunk - 1) / c->chunk * c->chunk;
      earlier.hashed = hashed;
      if (buckets == NULL)
        buckets = reformer_lsh_piece_new_buckets (layer, &earlier, tape);
      earlier.buckets = buckets;
      reformer_lsh_piece_accumulate (layer, &earlier, one, nothing, tape);
      reformer_tape_check (tape, &error);
      g_assert_no_error (error);
    }
  piece.hashed = c->hashed;

  target = test_tensor (device, NULL, 3, c->B, c->n, c->H);
  for (int time = 0; time < 2; time++)
    {
      g_autoptr (ReformerTape) tape = test_tape (NULL);

      if (buckets == NULL)
        buckets = reformer_lsh_piece_new_buckets (layer, &piece, tape);
      piece.buckets = buckets;
      reformer_lsh_piece_accumulate (layer, &piece, x, target, tape);
      reformer_tape_check (tape, &error);
      g_assert_no_error (error);
    }
  /* it adds, and a repetition finds the buckets that it needs */
  got = test_floats (target);
  for (int i = 0; i < c->B * c->n * c->H; i++)
    want[i] *= 2;
  assert_close (c->name, got, want, (gsize) (c->B * c->n * c->H), TOLERANCE);
}

/* Few tokens of a long text, and only where there are chunks at all. */
static void
test_pays (void)
{
  g_autoptr (ReformerLshAttention) layer = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 256, "num-attention-heads", 4,
                                                         "attention-head-size", 64, "num-hashes", 2, NULL);
  static const struct
  {
    int      n;
    gint64   T, padded;
    gboolean pays;
  } texts[] = {
    { 1, 64, 64, FALSE },
    { 1, 255, 256, FALSE },
    { 1, 256, 256, TRUE },
    { 4, 1023, 1024, FALSE },
    { 4, 1024, 1024, TRUE },
    { 1, 1 << 20, 1 << 20, TRUE },
    { 4000, 1 << 20, 1 << 20, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      const ReformerLshPiece piece = { .B = 1, .n = texts[i].n, .T = texts[i].T, .padded = texts[i].padded };

      g_assert_cmpint (reformer_lsh_piece_pays (layer, &piece), ==, texts[i].pays);
    }
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
      g_autofree char *path = g_strdup_printf ("/lsh-piece/like-whole/%u", i);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/lsh-piece/pays", test_pays);
  result = test_run ();
  g_object_unref (device);
  return result;
}
