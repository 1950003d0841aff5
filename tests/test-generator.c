/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts: which tokens are made, what comes out as text and bytes, when it ends, and mistakes. */
#include "foreign-data.h"
#include "texts.h"

#include <math.h>
#include <string.h>

#include <libreformer/data/reformer-sentence-piece-tokenizer.h>

#define POSITIONS 64

/* ---- Models ---- */

static void
fill (ReformerModel *model,
      const char    *name,
      const float   *values)
{
  ReformerParameter *parameter = test_model_parameter (model, name);
  const gsize n = reformer_parameter_get_n_elements (parameter);
  g_autofree float *zeros = g_new0 (float, n);

  test_set_values (parameter, values != NULL ? values : zeros, n);
}

/* A model whose token after position p is the script's token p, and after the script `after`: positions are unit vectors, words and branches are nothing. */
static ReformerModel *
ids_model (ReformerDevice *device,
           int             vocabulary,
           const int      *script,
           gsize           n,
           int             after)
{
  static const char *const layers[] = { "local", NULL };
  g_autoptr (ReformerConfig) config = g_object_new (REFORMER_TYPE_CONFIG, "vocab-size", vocabulary, "is-decoder", TRUE, "hidden-size", POSITIONS, "num-attention-heads", 2,
                                                    "attention-head-size", 16, "feed-forward-size", 64, "attn-layers", layers, "local-attn-chunk-length", 8,
                                                    "axial-pos-embds", FALSE, "max-position-embeddings", POSITIONS, NULL);
  ReformerModel *model = reformer_model_new (device, config);
  g_autofree float *positions = g_new0 (float, POSITIONS * POSITIONS), *head = g_new0 (float, (gsize) vocabulary * 2 * POSITIONS);
  g_autoptr (GError) error = NULL;

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  for (gsize p = 0; p < POSITIONS; p++)
    {
      const gsize id = (gsize) (p < n ? script[p] : after);

      positions[p * POSITIONS + p] = 1;
      head[id * 2 * POSITIONS + p] = head[id * 2 * POSITIONS + POSITIONS + p] = 1;
    }
  fill (model, "reformer.embeddings.word_embeddings.weight", NULL);
  fill (model, "reformer.embeddings.position_embeddings.embedding.weight", positions);
  fill (model, "reformer.encoder.layers.0.attention.output.dense.weight", NULL);
  fill (model, "reformer.encoder.layers.0.feed_forward.output.dense.weight", NULL);
  fill (model, "lm_head.decoder.weight", head);
  return model;
}

/* The same of bytes, and a full stop. */
static ReformerModel *
script_model (ReformerDevice *device,
              const char     *script,
              gsize           n)
{
  g_autofree int *ids = g_new (int, n + 1);

  for (gsize i = 0; i < n; i++)
    ids[i] = 2 + (guint8) script[i];
  return ids_model (device, 258, ids, n, 2 + '.');
}

/* A generator with a prompt of one byte, so that it makes the script from its beginning. */
static ReformerGenerator *
script_generator (const char *script,
                  gsize       n)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = script_model (device, script, n);
  ReformerGenerator *generator = reformer_generator_new (model, NULL);

  reformer_generator_set_prompt (generator, "x");
  reformer_generator_set_temperature (generator, 0);
  reformer_generator_set_max_tokens (generator, (guint) n);
  return generator;
}

static void
assert_bytes (GBytes     *bytes,
              const char *want,
              gsize       n)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  g_assert_cmpmem (data, size, want, n);
}

/* ---- Text and bytes ---- */

/* What each piece gives: "text|text|..." */
static char *
pieces_of (ReformerGenerator *generator,
           GByteArray        *bytes)
{
  GString *all = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  ReformerPiece *piece;
  guint n = 0;

  while ((piece = reformer_generator_next_piece (generator, NULL, &error)) != NULL)
    {
      g_autoptr (GBytes) some = reformer_piece_get_bytes (piece);

      g_assert_true (g_utf8_validate (reformer_piece_get_text (piece), -1, NULL));
      g_byte_array_append (bytes, g_bytes_get_data (some, NULL), (guint) g_bytes_get_size (some));
      g_string_append_printf (all, "%s%s", n++ > 0 ? "|" : "", reformer_piece_get_text (piece));
      g_object_unref (piece);
    }
  g_assert_no_error (error);
  return g_string_free (all, FALSE);
}

typedef struct
{
  const char           *name, *script, *stop[3], *pieces, *bytes;
  ReformerGenerationEnd end;
} Case;

#define R "\xef\xbf\xbd"

static const Case text_cases[] = {
  { "plain", "abc", { NULL }, "a|b|c", "abc", REFORMER_GENERATION_END_TOKENS },
  { "two-bytes", "a\xc3\xa9z", { NULL }, "a||\xc3\xa9|z", "a\xc3\xa9z", REFORMER_GENERATION_END_TOKENS },
  { "three-bytes", "\xe2\x82\xacz", { NULL }, "||\xe2\x82\xac|z", "\xe2\x82\xacz", REFORMER_GENERATION_END_TOKENS },
  { "four-bytes", "\xf0\x9f\x98\x80z", { NULL }, "|||\xf0\x9f\x98\x80|z", "\xf0\x9f\x98\x80z", REFORMER_GENERATION_END_TOKENS },
  { "broken-off", "a\xe2\x82z", { NULL }, "a|||" R "z", "a\xe2\x82z", REFORMER_GENERATION_END_TOKENS },
  { "never-one", "a\xff\xc0z", { NULL }, "a|" R "|" R "|z", "a\xff\xc0z", REFORMER_GENERATION_END_TOKENS },
  { "surrogate", "\xed\xa0\x80", { NULL }, "|" R R "|" R, "\xed\xa0\x80", REFORMER_GENERATION_END_TOKENS },
  { "unfinished-at-the-end", "ab\xf0\x9f\x98", { NULL }, "a|b|||" R, "ab\xf0\x9f\x98", REFORMER_GENERATION_END_TOKENS },
  { "stop", "hello world", { "lo w", NULL }, "h|e||l|||", "hel", REFORMER_GENERATION_END_STOP },
  { "stop-at-once", "abc", { "a", NULL }, "", "", REFORMER_GENERATION_END_STOP },
  { "not-quite-a-stop", "ababac.", { "abac", NULL }, "|||ab||", "ab", REFORMER_GENERATION_END_STOP },
  { "nearly-at-the-end", "xyab", { "abc", NULL }, "x|y||ab", "xyab", REFORMER_GENERATION_END_TOKENS },
  { "first-of-several", "xabcd", { "abcd", "b", NULL }, "x||a", "xa", REFORMER_GENERATION_END_STOP },
  { "stop-in-the-middle-of-characters", "a\xc3\xa9\xe2\x82\xac!", { "\xe2\x82\xac", NULL }, "a||\xc3\xa9|||", "a\xc3\xa9", REFORMER_GENERATION_END_STOP },
  { "held-character", "a\xe2\x82\xad", { "\xe2\x82\xac", NULL }, "a|||\xe2\x82\xad", "a\xe2\x82\xad", REFORMER_GENERATION_END_TOKENS },
  { "unfinished-before-a-stop", "a\xe2\x82stop", { "stop", NULL }, "a||||||" R, "a\xe2\x82", REFORMER_GENERATION_END_STOP },
};

static void
test_text (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (ReformerGenerator) generator = script_generator (c->script, strlen (c->script));
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) again = NULL;
  g_autofree char *pieces = NULL, *text = NULL, *joined = NULL;
  g_auto (GStrv) parts = NULL;

  reformer_generator_set_stop (generator, c->stop);
  pieces = pieces_of (generator, bytes);
  g_assert_cmpstr (pieces, ==, c->pieces);
  g_assert_cmpmem (bytes->data, bytes->len, c->bytes, strlen (c->bytes));
  g_assert_cmpint (reformer_generator_get_end (generator), ==, c->end);
  g_assert_null (reformer_generator_next_piece (generator, NULL, &error));
  g_assert_no_error (error);

  parts = g_strsplit (pieces, "|", -1);
  joined = g_strjoinv ("", parts);
  text = test_generate (generator);
  g_assert_cmpstr (text, ==, joined);
  again = reformer_generator_generate_bytes (generator, NULL, &error);
  g_assert_no_error (error);
  assert_bytes (again, c->bytes, strlen (c->bytes));
}

/* A string cannot hold a zero byte; bytes can. */
static void
test_zero_byte (void)
{
  g_autoptr (ReformerGenerator) generator = script_generator ("a\0b", 3);
  g_autofree char *text = test_generate (generator);
  g_autoptr (GBytes) bytes = reformer_generator_generate_bytes (generator, NULL, NULL);

  g_assert_cmpstr (text, ==, "a" R "b");
  assert_bytes (bytes, "a\0b", 3);
}

/* ---- How it ends ---- */

static void
test_ends (void)
{
  g_autoptr (ReformerGenerator) generator = script_generator ("abc", 3);
  g_autofree char *none = NULL, *all = NULL, *long_prompt = g_strnfill (POSITIONS, 'p');
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_NONE);
  reformer_generator_set_max_tokens (generator, 0);
  none = test_generate (generator);
  g_assert_cmpstr (none, ==, "");
  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_TOKENS);
  g_assert_cmpuint (reformer_generator_get_n_tokens (generator), ==, 0);

  /* one token follows the last position */
  reformer_generator_set_max_tokens (generator, 1000);
  all = test_generate (generator);
  g_assert_cmpuint (strlen (all), ==, POSITIONS);
  g_assert_true (g_str_has_prefix (all, "abc...") && g_str_has_suffix (all, "..."));
  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_POSITIONS);
  g_assert_cmpuint (reformer_generator_get_n_tokens (generator), ==, POSITIONS);
  reformer_generator_restart (generator);
  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_NONE);
  g_assert_cmpuint (reformer_generator_get_n_tokens (generator), ==, 0);

  reformer_generator_set_prompt (generator, long_prompt);
  g_free (all);
  all = test_generate (generator);
  g_assert_cmpstr (all, ==, ".");
  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_POSITIONS);
  g_free (long_prompt);
  long_prompt = g_strnfill (POSITIONS + 1, 'p');
  reformer_generator_set_prompt (generator, long_prompt);
  g_assert_null (reformer_generator_generate (generator, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "the prompt has 65 tokens; the model has positions for 64*");
  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_NONE);
}

/* Without a prompt a text begins as after a line feed, which is not part of it. */
static void
test_no_prompt (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local,lsh");
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "max-tokens", 20, NULL);
  g_autofree char *without = test_generate (generator), *with = NULL, *other = NULL;

  g_assert_cmpstr (reformer_generator_get_prompt (generator), ==, "");
  reformer_generator_set_prompt (generator, "\n");
  with = test_generate (generator);
  g_assert_cmpstr (without, ==, with);
  reformer_generator_set_prompt (generator, "a");
  other = test_generate (generator);
  g_assert_cmpstr (without, !=, other);
}

/* ---- Which tokens ---- */

/* The likeliest of the ids that the tokenizer knows, after a pass over the whole text. */
static int
likeliest (ReformerModel *model,
           GArray        *ids)
{
  g_autoptr (ReformerTensor) tokens = test_tensor_int (reformer_model_get_device (model), (const gint32 *) ids->data, 2, 1, (int) ids->len);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) logits = reformer_model_forward (model, tokens, NULL, &error);
  g_autofree float *values = NULL;
  const gsize V = reformer_tensor_get_n_elements (logits) / ids->len;
  const float *last;
  gsize best = 2;

  g_assert_no_error (error);
  values = test_floats (logits);
  last = values + (ids->len - 1) * V;
  for (gsize id = 2; id < V; id++)
    if (last[id] > last[best])
      best = id;
  return (int) best;
}

static void
compare_greedy (ReformerModel *model,
                const char    *prompt,
                guint          n)
{
  g_autoptr (ReformerGenerator) generator = reformer_generator_new (model, NULL);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (gsize i = 0; prompt[i] != '\0'; i++)
    {
      const gint32 id = 2 + prompt[i];

      g_array_append_val (ids, id);
    }
  reformer_generator_set_prompt (generator, prompt);
  reformer_generator_set_temperature (generator, 0);
  reformer_generator_set_max_tokens (generator, n);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GError) error = NULL;
      const gint32 want = likeliest (model, ids);
      g_autoptr (ReformerPiece) piece = reformer_generator_next_piece (generator, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpint (reformer_piece_get_id (piece), ==, want);
      g_array_append_val (ids, want);
    }
}

/* Bytes that are ids of the golden model with local layers alone. */
static void
test_greedy (void)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "golden", "local", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerModel) random = test_byte_model (device, "local,local");
  g_autoptr (GError) error = NULL;

  model = reformer_model_load (device, file, NULL, &error);
  g_assert_no_error (error);
  compare_greedy (model, "\x01\x05\x0b", 24);
  compare_greedy (random, "Hello", 40);
}

/* Only what can become text: never padding, the id without meaning, or one beyond the tokenizer's. */
static void
test_known_ids (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerGenerator) generator = NULL;
  gboolean seen[400] = { FALSE };

  g_object_set (config, "vocab-size", 400, NULL);
  model = reformer_model_new (device, config);
  generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", "x", "temperature", 1e6, "max-tokens", 60, NULL);
  for (guint64 seed = 0; seed < 10; seed++)
    {
      g_autoptr (GError) error = NULL;
      ReformerPiece *piece;

      reformer_generator_set_seed (generator, seed);
      reformer_generator_restart (generator);
      while ((piece = reformer_generator_next_piece (generator, NULL, &error)) != NULL)
        {
          seen[reformer_piece_get_id (piece)] = TRUE;
          g_object_unref (piece);
        }
      g_assert_no_error (error);
    }
  g_assert_false (seen[0] || seen[1]);
  for (int id = 258; id < 400; id++)
    g_assert_false (seen[id]);
}

/* One seed, one text; another seed, another text; settings count from the next text on. */
static void
test_seed (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local,lsh");
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", "ab", "seed", (guint64) 5, "max-tokens", 30, NULL);
  g_autoptr (ReformerGenerator) other = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", "ab", "seed", (guint64) 6, "max-tokens", 30, NULL);
  g_autoptr (GByteArray) pieces = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) first = reformer_generator_generate_bytes (generator, NULL, &error), second = reformer_generator_generate_bytes (generator, NULL, &error);
  g_autoptr (GBytes) different = reformer_generator_generate_bytes (other, NULL, &error), cold = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (first, second));
  g_assert_false (g_bytes_equal (first, different));

  reformer_generator_restart (generator);
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (ReformerPiece) piece = reformer_generator_next_piece (generator, NULL, &error);
      g_autoptr (GBytes) some = reformer_piece_get_bytes (piece);

      g_byte_array_append (pieces, g_bytes_get_data (some, NULL), (guint) g_bytes_get_size (some));
      if (i == 4)
        g_object_set (generator, "seed", (guint64) 6, "temperature", 0.0, "prompt", "other", "max-tokens", 3, NULL);
    }
  text = pieces_of (generator, pieces);
  assert_bytes (first, (const char *) pieces->data, pieces->len);
  cold = reformer_generator_generate_bytes (generator, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (cold), ==, 3);
}

/* ---- Properties ---- */

static void
count (GObject    *object,
       GParamSpec *pspec,
       gpointer    data)
{
  ++*(int *) data;
}

static void
test_properties (void)
{
  static const char *const stop[] = { "one", "", "two", NULL };
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, NULL);
  g_autoptr (GBytes) raw = g_bytes_new ("a\xff\0z", 4);
  g_autofree char *prompt = NULL;
  int n = 0;

  g_assert_null (reformer_generator_get_model (generator));
  g_assert_null (reformer_generator_get_tokenizer (generator));
  g_assert_cmpuint (reformer_generator_get_max_tokens (generator), ==, 256);
  g_assert_cmpfloat (reformer_generator_get_temperature (generator), ==, 1);
  g_assert_cmpuint (reformer_generator_get_top_k (generator), ==, 0);
  g_assert_cmpfloat (reformer_generator_get_top_p (generator), ==, 1);
  g_assert_cmpuint (reformer_generator_get_seed (generator), ==, 0);
  g_assert_null (reformer_generator_get_stop (generator)[0]);
  g_signal_connect (generator, "notify", G_CALLBACK (count), &n);
  for (int i = 0; i < 2; i++)
    {
      g_object_set (generator, "prompt", "p", "max-tokens", 3, "temperature", 0.5, "top-k", 4, "top-p", 0.25, "seed", G_MAXUINT64, "stop", stop, NULL);
      g_assert_cmpint (n, ==, 7); /* nothing is told of that does not change */
    }
  g_assert_cmpstr (reformer_generator_get_stop (generator)[0], ==, "one");
  g_assert_cmpstr (reformer_generator_get_stop (generator)[1], ==, "two");
  g_assert_null (reformer_generator_get_stop (generator)[2]);
  reformer_generator_set_stop (generator, NULL);
  g_assert_null (reformer_generator_get_stop (generator)[0]);
  reformer_generator_set_prompt_bytes (generator, raw);
  g_object_get (generator, "prompt", &prompt, NULL);
  g_assert_cmpstr (prompt, ==, "a" R R "z");
  reformer_generator_set_prompt (generator, NULL);
  g_assert_cmpstr (reformer_generator_get_prompt (generator), ==, "");
}

/* ---- Mistakes ---- */

static void
test_mistakes (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerGenerator) none = g_object_new (REFORMER_TYPE_GENERATOR, NULL);
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (ReformerModel) bare = NULL;
  g_autoptr (ReformerModel) small = NULL;
  g_autoptr (ReformerModel) model = test_byte_model (device, "local");
  g_autoptr (ReformerGenerator) generator = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_generator_next_piece (none, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the generator has no model*");

  g_object_set (config, "head", REFORMER_HEAD_NONE, NULL);
  bare = reformer_model_new (device, config);
  generator = reformer_generator_new (bare, NULL);
  reformer_generator_set_prompt (generator, "\x01");
  g_assert_null (reformer_generator_next_piece (generator, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "*head none*language*");
  g_clear_object (&generator);

  /* bytes that are no ids of the model */
  g_object_set (config, "head", REFORMER_HEAD_LANGUAGE, NULL);
  small = reformer_model_new (device, config);
  generator = reformer_generator_new (small, NULL);
  reformer_generator_set_prompt (generator, "hello");
  g_assert_null (reformer_generator_next_piece (generator, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the prompt: ReformerByteTokenizer gives the id 106 for token 0*ids 0 to 39*");
  g_clear_object (&generator);

  /* a model of which no id is text */
  g_object_set (config, "vocab-size", 2, NULL);
  g_clear_object (&small);
  small = reformer_model_new (device, config);
  generator = reformer_generator_new (small, NULL);
  g_assert_null (reformer_generator_next_piece (generator, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_MISMATCH, "ReformerByteTokenizer*none of the model's 2*");
  g_clear_object (&generator);

  /* settings, which then can be mended */
  generator = reformer_generator_new (model, NULL);
  reformer_generator_set_temperature (generator, -0.5);
  g_assert_null (reformer_generator_next_piece (generator, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "temperature is -0.5*");
  reformer_generator_set_temperature (generator, 1);
  reformer_generator_set_top_p (generator, 2);
  g_assert_null (reformer_generator_generate (generator, NULL, &error));
  test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "top-p is 2*");
  reformer_generator_set_top_p (generator, 1);
  reformer_generator_set_max_tokens (generator, 3);
  g_free (test_generate (generator));
}

/* Weights that are no numbers. */
static void
test_not_numbers (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local");
  g_autoptr (ReformerGenerator) generator = reformer_generator_new (model, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree float *values = g_new (float, 64);

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 64; i++)
    values[i] = NAN;
  fill (model, "reformer.encoder.layer_norm.bias", values);
  for (double temperature = 0; temperature <= 1; temperature++)
    {
      reformer_generator_set_temperature (generator, temperature);
      g_assert_null (reformer_generator_generate (generator, NULL, &error));
      test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_FAILED, "token 0: the logit of id 2 is *nan*");
    }
}

static void
test_tokenizers (void)
{
  static const TestWay ways[] = { TEST_NOTHING, TEST_ERROR, TEST_ODD };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestTokenizer) well = test_tokenizer_new (TEST_WELL);
  g_autoptr (ReformerGenerator) generator = NULL;
  g_autofree char *text = NULL;

  g_object_set (config, "vocab-size", 30, NULL);
  model = reformer_model_new (device, config);
  generator = reformer_generator_new (model, (ReformerTokenizer *) well);
  reformer_generator_set_prompt (generator, "abc");
  reformer_generator_set_max_tokens (generator, 40);
  text = test_generate (generator);
  g_assert_cmpuint (strlen (text), ==, 40);
  for (gsize i = 0; text[i] != '\0'; i++)
    g_assert_true (g_ascii_islower (text[i]) || text[i] == '?');
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (TestTokenizer) wrong = test_tokenizer_new (ways[i]);
      g_autoptr (ReformerGenerator) other = reformer_generator_new (model, (ReformerTokenizer *) wrong);
      g_autoptr (GError) error = NULL;

      reformer_generator_set_prompt (other, "abc");
      g_assert_null (reformer_generator_next_piece (other, NULL, &error));
      g_assert_nonnull (error);
      g_test_message ("%s", error->message);
    }
}

/* What the ids mean after the prompt, made token by token, is what they mean together. */
static void
check_pieces (const char *name,
              const char *prompt,
              const int  *ids,
              gsize       n)
{
  g_autofree char *file = g_strconcat (name, ".model", NULL), *path = g_test_build_filename (G_TEST_DIST, "sentencepiece", file, NULL), *text = NULL, *whole = NULL;
  g_autoptr (GFile) where = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTokenizer) tokenizer = reformer_sentence_piece_tokenizer_new_from_file (where, NULL, &error);
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerGenerator) generator = NULL;
  g_autofree int *begin = NULL;
  gsize n_begin;

  g_assert_no_error (error);
  begin = reformer_tokenizer_encode_text (tokenizer, prompt, &n_begin, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (begin, n_begin * sizeof *begin, ids, MIN (n, n_begin) * sizeof *ids);
  model = ids_model (device, reformer_tokenizer_count_ids (tokenizer, NULL), ids + 1, n - 1, ids[0]);
  generator = reformer_generator_new (model, tokenizer);
  reformer_generator_set_prompt (generator, prompt);
  reformer_generator_set_temperature (generator, 0);
  reformer_generator_set_max_tokens (generator, (guint) (n - n_begin));
  text = test_generate (generator);
  whole = reformer_tokenizer_decode_text (tokenizer, ids, n, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (whole, prompt));
  g_assert_cmpstr (text, ==, whole + strlen (prompt));
}

static void
check_pieces_of (const char *name,
                 const char *prompt,
                 const char *text)
{
  g_autofree char *file = g_strconcat (name, ".model", NULL), *path = g_test_build_filename (G_TEST_DIST, "sentencepiece", file, NULL);
  g_autoptr (GFile) where = g_file_new_for_path (path);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_sentence_piece_tokenizer_new_from_file (where, NULL, NULL);
  gsize n;
  g_autofree int *ids = reformer_tokenizer_encode_text (tokenizer, text, &n, NULL);

  check_pieces (name, prompt, ids, n);
  if (g_str_equal (name, "plain"))
    {
      const int spaces[] = { ids[0], ids[1], ids[0], ids[0], ids[1], ids[0], ids[0], ids[0] };

      check_pieces (name, prompt, spaces, G_N_ELEMENTS (spaces));
    }
}

/* Spaces belong to words, and some characters are several ids of bytes. */
static void
test_pieces (void)
{
  check_pieces_of ("plain", "the", "the 3.14 and caf\xc3\xa9 \xd0\xbc\xd0\xb8\xd1\x80 the<sep>one, q");
  check_pieces_of ("bytes", "\xf0\x9f\x91\x8d", "\xf0\x9f\x91\x8d the  caf\xc3\xa9 \xe6\x97\xa5\n\xf0\x9f\x8f\xbd");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (text_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/generator/text/", text_cases[i].name, NULL);

      g_test_add_data_func (path, &text_cases[i], test_text);
    }
  g_test_add_func ("/generator/zero-byte", test_zero_byte);
  g_test_add_func ("/generator/ends", test_ends);
  g_test_add_func ("/generator/no-prompt", test_no_prompt);
  g_test_add_func ("/generator/greedy", test_greedy);
  g_test_add_func ("/generator/known-ids", test_known_ids);
  g_test_add_func ("/generator/seed", test_seed);
  g_test_add_func ("/generator/properties", test_properties);
  g_test_add_func ("/generator/mistakes", test_mistakes);
  g_test_add_func ("/generator/not-numbers", test_not_numbers);
  g_test_add_func ("/generator/tokenizers", test_tokenizers);
  g_test_add_func ("/generator/pieces", test_pieces);
  return test_run ();
}
