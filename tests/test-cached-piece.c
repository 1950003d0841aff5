/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last tokens of a text in a layer of full, window or local attention, from cached keys and values, against the layer's own pass over the whole text. */
#include "layer-checks.h"

#include <string.h>

#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-window-attention.h>

#include "layers/cached-piece.h"

#define TOLERANCE 2e-5

typedef enum
{
  FULL,
  LOCAL,
  WINDOW
} Kind;

typedef struct
{
  const char *name;
  Kind        kind;
  int         H, A, d;
  int         chunk, before; /* of local attention */
  int         size;          /* of a window */
  gint32      dilation[3];   /* 0 ends them */
  gboolean    bias, norm_last;
  int         B, T, cached, n, capacity;
} Case;

static const Case cases[] = {
  { "full", FULL, 32, 2, 16, 0, 0, 0, { 0 }, FALSE, FALSE, 1, 40, 39, 1, 64 },
  { "full, nothing cached, rows and tokens", FULL, 24, 3, 20, 0, 0, 0, { 0 }, FALSE, FALSE, 2, 41, 0, 3, 41 },
  { "full, biases, norm last", FULL, 24, 2, 16, 0, 0, 0, { 0 }, TRUE, TRUE, 2, 37, 30, 2, 50 },
  { "local", LOCAL, 32, 2, 16, 8, 1, 0, { 0 }, FALSE, FALSE, 2, 40, 39, 1, 64 },
  { "local, begin of a chunk", LOCAL, 16, 1, 20, 4, 2, 0, { 0 }, FALSE, FALSE, 1, 41, 20, 1, 41 },
  { "local, no chunk before", LOCAL, 16, 2, 16, 16, 0, 0, { 0 }, FALSE, FALSE, 1, 48, 40, 6, 48 },
  { "local, tokens of two chunks", LOCAL, 16, 2, 16, 4, 1, 0, { 0 }, TRUE, FALSE, 2, 44, 43, 5, 60 },
  { "a chunk longer than the text", LOCAL, 16, 2, 16, 64, 1, 0, { 0 }, FALSE, FALSE, 2, 40, 35, 2, 60 },
  { "window", WINDOW, 32, 2, 16, 0, 0, 8, { 0 }, FALSE, FALSE, 2, 40, 39, 1, 64 },
  { "window, heads that look at different distances", WINDOW, 24, 3, 16, 0, 0, 6, { 2, 2, 5 }, FALSE, FALSE, 2, 43, 30, 4, 43 },
  { "a window longer than the text", WINDOW, 16, 2, 16, 0, 0, 100, { 1, 7 }, TRUE, TRUE, 1, 40, 0, 1, 40 },
};

static ReformerAttention *
new_layer (const Case *c)
{
  const GType types[] = { REFORMER_TYPE_FULL_ATTENTION, REFORMER_TYPE_LOCAL_ATTENTION, REFORMER_TYPE_WINDOW_ATTENTION };
  ReformerAttention *layer = g_object_new (types[c->kind], "device", device, "hidden-size", c->H, "num-attention-heads", c->A, "attention-head-size", c->d, "causal", TRUE,
                                           "bias", c->bias, "norm-first", !c->norm_last, "deviation", 0.4, NULL);
  gsize n = 0;

  if (c->kind == LOCAL)
    g_object_set (layer, "chunk-length", c->chunk, "num-chunks-before", c->before, NULL);
  if (c->kind != WINDOW)
    return layer;
  while (n < G_N_ELEMENTS (c->dilation) && c->dilation[n] > 0)
    n++;
  g_object_set (layer, "window-size", c->size, NULL);
  if (n > 0)
    g_object_set (layer, "dilation", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, c->dilation, n, sizeof (gint32)), NULL);
  return layer;
}

/* The last n rows of a pass over all tokens, padded to whole chunks. */
static double *
whole (ReformerAttention *layer,
       const Case        *c,
       const float       *inputs)
{
  const int padded = c->kind == LOCAL && c->T > c->chunk ? (c->T + c->chunk - 1) / c->chunk * c->chunk : c->T;
  g_autofree float *x = g_new0 (float, (gsize) (c->B * padded * c->H));
  g_autofree float *all = NULL;
  double *rows = g_new (double, (gsize) (c->B * c->n * c->H));
  g_autoptr (ReformerTensor) tensor = NULL;
  g_autoptr (ReformerTensor) y = NULL;
  g_autoptr (ReformerTape) tape = test_tape (NULL);

  for (int b = 0; b < c->B; b++)
    memcpy (x + b * padded * c->H, inputs + b * c->capacity * c->H, sizeof (float) * (gsize) (c->T * c->H));
  tensor = test_tensor (device, x, 3, c->B, padded, c->H);
  reformer_tape_set_recording (tape, FALSE);
  y = test_forward (layer, tensor, tape);
  all = test_floats (y);
  for (int b = 0; b < c->B; b++)
    for (int i = 0; i < c->n * c->H; i++)
      rows[b * c->n * c->H + i] = (double) all[(b * padded + c->T - c->n) * c->H + i];
  return rows;
}

static void
run_piece (ReformerAttention   *layer,
           ReformerCachedPiece *piece,
           const Case          *c,
           const float         *inputs,
           ReformerTensor      *target)
{
  g_autofree float *some = g_new (float, (gsize) (c->B * piece->n * c->H));
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (GError) error = NULL;

  for (int b = 0; b < c->B; b++)
    memcpy (some + b * piece->n * c->H, inputs + (b * c->capacity + (int) piece->T - piece->n) * c->H, sizeof (float) * (gsize) (piece->n * c->H));
  x = test_tensor (device, some, 3, c->B, piece->n, c->H);
  if (piece->cache == NULL)
    piece->cache = reformer_cached_piece_new_cache (layer, piece, tape);
  reformer_cached_piece_accumulate (layer, piece, x, target, tape);
  reformer_tape_check (tape, &error);
  g_assert_no_error (error);
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (ReformerAttention) layer = new_layer (c);
  g_autofree float *inputs = g_new (float, (gsize) (c->B * c->capacity * c->H));
  g_autofree float *got = NULL;
  g_autofree double *want = NULL;
  g_autoptr (ReformerTensor) kept = NULL;
  g_autoptr (ReformerTensor) target = test_tensor (device, NULL, 3, c->B, c->n, c->H);
  g_autoptr (ReformerTensor) cache = NULL;
  ReformerCachedPiece piece = { .B = c->B, .n = c->n, .T = c->T, .capacity = c->capacity };

  test_fill (inputs, (gsize) (c->B * c->capacity * c->H), 3);
  want = whole (layer, c, inputs);
  piece.inputs = kept = test_tensor (device, inputs, 3, c->B, c->capacity, c->H);

  /* tokens before the last ones were projected by earlier pieces, the last two of them alone */
  for (int cached = 0, next; cached < c->cached; cached = next)
    {
      ReformerCachedPiece earlier = piece;
      g_autoptr (ReformerTensor) nothing = test_tensor (device, NULL, 3, c->B, 1, c->H);

      next = cached == 0 ? MAX (c->cached - 2, 1) : cached + 1;
      earlier.n = 1;
      earlier.T = next;
      earlier.cached = cached;
      run_piece (layer, &earlier, c, inputs, nothing);
      piece.cache = cache = earlier.cache;
    }
  piece.cached = c->cached;

  /* it adds, and a repetition finds the keys and values that it needs */
  run_piece (layer, &piece, c, inputs, target);
  cache = piece.cache;
  piece.cached = c->T;
  run_piece (layer, &piece, c, inputs, target);
  got = test_floats (target);
  for (int i = 0; i < c->B * c->n * c->H; i++)
    want[i] *= 2;
  assert_close (c->name, got, want, (gsize) (c->B * c->n * c->H), TOLERANCE);
}

/* Few tokens of a long text. */
static void
test_pays (void)
{
  const Case full = { .kind = FULL, .H = 64, .A = 4, .d = 16 }, local = { .kind = LOCAL, .H = 64, .A = 4, .d = 16, .chunk = 64, .before = 1 };
  g_autoptr (ReformerAttention) all = new_layer (&full), near = new_layer (&local);
  static const struct
  {
    int      B, n;
    gint64   T;
    gboolean full, local;
  } texts[] = {
    { 1, 1, 7, FALSE, FALSE },
    { 1, 1, 8, TRUE, TRUE },
    { 2, 16, 127, FALSE, FALSE },
    { 2, 16, 128, TRUE, TRUE },
    { 1, 1, 1 << 20, TRUE, TRUE },
    { 4, 1, 1 << 20, FALSE, TRUE }, /* 128 MiB of lists */
    { 1, 4000, 1 << 20, FALSE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_assert_cmpint (reformer_cached_piece_pays (all, texts[i].B, texts[i].n, texts[i].T), ==, texts[i].full);
      g_assert_cmpint (reformer_cached_piece_pays (near, texts[i].B, texts[i].n, texts[i].T), ==, texts[i].local);
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
      g_autofree char *path = g_strdup_printf ("/cached-piece/like-whole/%u", i);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/cached-piece/pays", test_pays);
  result = test_run ();
  g_object_unref (device);
  return result;
}
