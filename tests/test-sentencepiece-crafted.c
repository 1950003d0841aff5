/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include <libreformer/data/reformer-sentence-piece-tokenizer.h>

#include "data/sentencepiece-model.h"
#include "data/tokenizer-private.h"
#include "mistakes.h"

/* SentencePiece models made to do harm: each is refused, with what is wrong and what is wanted, in bounded time and memory. */

/* ---- The wire format ---- */

static void
put (GByteArray    *to,
     gconstpointer  bytes,
     gsize          n_bytes)
{
  g_byte_array_append (to, bytes, (guint) n_bytes);
}

static void
put_number (GByteArray *to,
            guint64     value)
{
  for (; value >= 128; value >>= 7)
    put (to, &(guint8) { (guint8) (value | 128) }, 1);
  put (to, &(guint8) { (guint8) value }, 1);
}

static void
put_flag (GByteArray *to,
          guint       field,
          guint64     value)
{
  put_number (to, field << 3);
  put_number (to, value);
}

static void
put_field (GByteArray    *to,
           guint          field,
           gconstpointer  bytes,
           gsize          n_bytes)
{
  put_number (to, field << 3 | 2);
  put_number (to, n_bytes);
  put (to, bytes, n_bytes);
}

static void
put_piece_bytes (GByteArray *to,
                 const char *text,
                 gsize       n_bytes,
                 float       score,
                 int         type)
{
  g_autoptr (GByteArray) piece = g_byte_array_new ();

  put_field (piece, 1, text, n_bytes);
  put_number (piece, 2 << 3 | 5);
  put (piece, &score, sizeof score);
  put_flag (piece, 3, (guint64) type);
  put_field (to, 1, piece->data, piece->len);
}

static void
put_piece (GByteArray *to,
           const char *text,
           float       score,
           int         type)
{
  put_piece_bytes (to, text, strlen (text), score, type);
}

/* The pieces are followed by the specifications of a BPE model, with this map. */
static GBytes *
finish (GByteArray   *pieces,
        gconstpointer map,
        gsize         n_map)
{
  static const guint8 trainer[] = { 3 << 3, 2 };
  g_autoptr (GByteArray) normalizer = g_byte_array_new ();

  if (n_map > 0)
    put_field (normalizer, 2, map, n_map);
  put_flag (normalizer, 3, 0);
  put_field (pieces, 2, trainer, sizeof trainer);
  put_field (pieces, 3, normalizer->data, normalizer->len);
  return g_byte_array_free_to_bytes (pieces);
}

static GByteArray *
begin (void)
{
  GByteArray *pieces = g_byte_array_new ();

  put_piece (pieces, "<unk>", 0, 2);
  put_piece (pieces, "a", -1, 1);
  put_piece (pieces, "b", -2, 1);
  return pieces;
}

static void
refused (GBytes     *model,
         int         code,
         const char *first,
         const char *second)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTokenizer) tokenizer = reformer_sentence_piece_tokenizer_new_from_bytes (model, &error);

  g_assert_null (tokenizer);
  assert_says (&error, REFORMER_FILE_ERROR, code, "SentencePiece model: ", first, second, NULL);
  g_bytes_unref (model);
}

static char *
encode (GBytes     *model,
        const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTokenizer) tokenizer = reformer_sentence_piece_tokenizer_new_from_bytes (model, &error);
  g_autofree int *ids = NULL;
  GString *list = g_string_new (NULL);
  gsize n;

  g_assert_no_error (error);
  ids = reformer_tokenizer_encode_text (tokenizer, text, &n, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < n; i++)
    g_string_append_printf (list, "%s%d", i > 0 ? " " : "", ids[i]);
  g_bytes_unref (model);
  return g_string_free (list, FALSE);
}

/* ---- The message ---- */

static void
test_message (void)
{
  static const struct
  {
    const char *bytes;
    gsize       n_bytes;
    int         code;
    const char *words[2];
  } cases[] = {
    { "\x80", 1, REFORMER_FILE_ERROR_TRUNCATED, { "the number at byte 0", "2 bytes" } },
    { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, REFORMER_FILE_ERROR_INVALID, { "the number at byte 0", "64 bits" } },
    { "\x00\x00", 2, REFORMER_FILE_ERROR_INVALID, { "the field at byte 0 has the number 0", "from 1 to 536870911" } },
    { "\x80\x80\x80\x80\x10\x00", 6, REFORMER_FILE_ERROR_INVALID, { "has the number 536870912", "536870911" } },
    { "\x0b\x0c", 2, REFORMER_FILE_ERROR_INVALID, { "wire type 3", "wanted 0, 1, 2 or 5" } },
    { "\x0f", 1, REFORMER_FILE_ERROR_INVALID, { "wire type 7", "wanted 0, 1, 2 or 5" } },
    { "\x08\x01", 2, REFORMER_FILE_ERROR_INVALID, { "a piece at byte 0 has the wire type 0", "wanted 2" } },
    { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, REFORMER_FILE_ERROR_TRUNCATED, { "at byte 0 wants 18446744073709551615 bytes", "0 are left" } },
    { "\x0a\x03\x0a\x05x", 5, REFORMER_FILE_ERROR_TRUNCATED, { "at byte 2 wants 5 bytes", "1 are left" } },
    { "\x0a\x03\x0a\x01x\x0a\x03\x15\x00\x00", 10, REFORMER_FILE_ERROR_TRUNCATED, { "at byte 7 wants 4 bytes", "2 are left" } },
    { "\x0a\x02\x10\x01", 4, REFORMER_FILE_ERROR_INVALID, { "a piece's score at byte 2 has the wire type 0", "wanted 5" } },
    { "\x0a\x05\x0a\x01x\x18\x07", 7, REFORMER_FILE_ERROR_INVALID, { "the type of piece 0 is 7", "from 1 to 6" } },
    { "\x12\x02\x1a\x00", 4, REFORMER_FILE_ERROR_INVALID, { "model_type at byte 2 has the wire type 2", "wanted 0" } },
    { "\x1a\x02\x1a\x00", 4, REFORMER_FILE_ERROR_INVALID, { "add_dummy_prefix at byte 2", "wanted 0" } },
    { "\x12\x02\x18\x01", 4, REFORMER_FILE_ERROR_UNSUPPORTED, { "model_type is UNIGRAM", "only BPE" } },
    { "\x12\x02\x18\x03", 4, REFORMER_FILE_ERROR_UNSUPPORTED, { "model_type is WORD", "only BPE" } },
    { "\x12\x02\x18\x04", 4, REFORMER_FILE_ERROR_UNSUPPORTED, { "model_type is CHAR", "only BPE" } },
    { "\x12\x02\x18\x63", 4, REFORMER_FILE_ERROR_UNSUPPORTED, { "model_type is 99", "only BPE (2)" } },
    { "\x12\x02\x18\x02", 4, REFORMER_FILE_ERROR_INVALID, { "none of its 0 pieces is of the type UNKNOWN", "wanted one" } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    refused (g_bytes_new_static (cases[i].bytes, cases[i].n_bytes), cases[i].code, cases[i].words[0], cases[i].words[1]);
}

/* ---- Pieces ---- */

static void
test_pieces (void)
{
  static const struct
  {
    const char *text;
    gsize       n_bytes;
    float       score;
    int         type;
    const char *words[2];
  } cases[] = {
    { "", 0, 0, 1, { "piece 3 has 0 bytes", "from 1 to 1024" } },
    { "x\0y", 3, 0, 1, { "piece 3, \"x\",", "zero byte" } },
    { "x\xff", 2, 0, 1, { "piece 3,", "not UTF-8" } },
    { "xy", 2, NAN, 1, { "the score of piece 3, \"xy\", is nan", "finite" } },
    { "xy", 2, -INFINITY, 1, { "the score of piece 3, \"xy\", is -inf", "finite" } },
    { "a", 1, 0, 1, { "pieces 1 and 3 are both \"a\"", "different" } },
    { "<unk>", 5, 0, 3, { "pieces 0 and 3 are both \"<unk>\"", "different" } },
    { "?", 1, 0, 2, { "pieces 0 and 3 are both of the type UNKNOWN", "one" } },
    { "<0x4G>", 6, 0, 6, { "piece 3, \"<0x4G>\", is of the type BYTE", "\"<0x00>\" to \"<0xFF>\"" } },
    { "<0x4A>", 6, 0, 6, { "byte_fallback is false", "\"<0x4A>\"" } },
  };
  g_autofree char *longer = g_strnfill (1025, 'x');
  GByteArray *pieces = begin ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      GByteArray *more = begin ();

      put_piece_bytes (more, cases[i].text, cases[i].n_bytes, cases[i].score, cases[i].type);
      refused (finish (more, NULL, 0), REFORMER_FILE_ERROR_INVALID, cases[i].words[0], cases[i].words[1]);
    }
  put_piece (pieces, longer, 0, 1);
  refused (finish (pieces, NULL, 0), REFORMER_FILE_ERROR_INVALID, "piece 3 has 1025 bytes", "from 1 to 1024");
}

static void
test_bytes_lacking (void)
{
  static const guint8 trainer[] = { 3 << 3, 2, 0x98, 0x02, 1 };
  GByteArray *pieces = begin ();

  for (guint byte = 0; byte < 255; byte++)
    {
      g_autofree char *text = g_strdup_printf ("<0x%02X>", byte);

      put_piece (pieces, text, 0, 6);
    }
  put_field (pieces, 2, trainer, sizeof trainer);
  refused (g_byte_array_free_to_bytes (pieces), REFORMER_FILE_ERROR_INVALID, "byte_fallback is true, and it has no piece \"<0xFF>\"", "all 256");
}

static void
test_surface (void)
{
  static const guint8 trainer[] = { 3 << 3, 2, 0xe2, 0x02, 1, 0xff };
  GByteArray *pieces = begin ();

  put_field (pieces, 2, trainer, sizeof trainer);
  refused (g_byte_array_free_to_bytes (pieces), REFORMER_FILE_ERROR_INVALID, "unk_surface has 1 bytes", "UTF-8");
}

static void
test_many_pieces (void)
{
  GByteArray *pieces = begin ();

  for (guint i = 0; i < (1 << 20) - 2; i++)
    put_field (pieces, 1, "\x0a\x02zz", 4); /* all the same: that is found later */
  refused (finish (pieces, NULL, 0), REFORMER_FILE_ERROR_LIMIT, "more than 1048576 pieces", "no more are read");
}

/* Pieces whose hashes begin alike would make each lookup walk over all of them. */
static void
test_meeting_hashes (void)
{
  GByteArray *pieces = begin ();
  guint n = 0;

  for (guint i = 0; n < 600; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      if ((reformer_sentence_piece_hash ((const guint8 *) text, strlen (text)) & 2047) == 7)
        {
          put_piece (pieces, text, 0, 1);
          n++;
        }
    }
  refused (finish (pieces, NULL, 0), REFORMER_FILE_ERROR_LIMIT, "the hash of piece 51", "more than 512 others");
}

/* ---- The map ---- */

#define PLACES 302

/* A map of "a" to "xyz", as a double array of some blocks and its strings. */
typedef struct
{
  guint32 units[256 * PLACES];
  guint   n_units;
  char    strings[2048];
  gsize   n_strings;
  guint32 size;             /* as it says */
} Map;

static guint32
make_unit (guint8   label,
           guint32  from,
           guint32  to,
           gboolean value)
{
  return label | (from ^ to) << 10 | (value ? 0x100u : 0);
}

static Map *
map_new (void)
{
  Map *map = g_new0 (Map, 1);

  map->n_units = 3 * 256;
  for (guint i = 1; i < G_N_ELEMENTS (map->units); i++)
    map->units[i] = 0x80000000; /* a label that nothing has */
  map->units[0] = make_unit (0, 0, 256, FALSE);
  map->units[256 ^ 'a'] = make_unit ('a', 256 ^ 'a', 512, TRUE);
  map->units[512] = 0x80000000 | 2;
  memcpy (map->strings, "-\0xyz", 6);
  map->n_strings = 6;
  map->size = map->n_units * 4;
  return map;
}

static GBytes *
map_finish (Map *map)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  GBytes *model;

  map->size = GUINT32_TO_LE (map->size);
  put (bytes, &map->size, sizeof map->size);
  for (guint i = 0; i < map->n_units; i++)
    put (bytes, &(guint32) { GUINT32_TO_LE (map->units[i]) }, sizeof *map->units);
  put (bytes, map->strings, map->n_strings);
  model = finish (begin (), bytes->data, bytes->len);
  g_free (map);
  return model;
}

static void
test_map (void)
{
  g_autofree char *ids = encode (map_finish (map_new ()), "bab");

  g_assert_cmpstr (ids, ==, "2 0 2"); /* b, and what "xyz" is not */
}

static void
test_wrong_sizes (void)
{
  static const guint32 sizes[] = { 0, 3, 3 * 1024 + 8, G_MAXUINT32 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      Map *map = map_new ();
      g_autofree char *seen = g_strdup_printf ("has %u bytes", sizes[i]);

      map->size = sizes[i];
      refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, seen, "a multiple of 4 from 4 to 3078");
    }
  refused (finish (begin (), "\x04\0", 2), REFORMER_FILE_ERROR_INVALID, "has 0 bytes", "to 0");
}

static void
test_wrong_strings (void)
{
  Map *map = map_new ();

  map->n_strings = 5;
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "the strings of the precompiled_charsmap", "end with a zero byte");
  map = map_new ();
  map->n_strings = 0;
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "the strings of the precompiled_charsmap", "end with a zero byte");
  map = map_new ();
  map->strings[3] = '\xff';
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "the string 2 of the precompiled_charsmap", "no UTF-8");
  map = map_new ();
  memset (map->strings + 2, 'x', 1025);
  map->n_strings = 2 + 1025 + 1;
  refused (map_finish (map), REFORMER_FILE_ERROR_LIMIT, "the string 2 of the precompiled_charsmap has 1025 bytes", "at most 1024");
  map = map_new ();
  map->units[512] = 0x80000000 | 6;
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 353 has the value 6", "less than 6");
  map = map_new ();
  memcpy (map->strings + 1, "\xc3\xa4", 2);
  map->strings[0] = '-';
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 353 has the value 2", "within a character");
}

static void
test_wrong_units (void)
{
  Map *map = map_new ();

  map->units[0] = make_unit (0, 0, 768, FALSE);
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 0 leads to the unit 1023", "less than 768");
  map = map_new ();
  map->units[0] = G_MAXUINT32 & ~0x80000000u;
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 0 leads to the unit", "less than 768");
  map = map_new ();
  map->units[256 ^ 'a'] = make_unit ('a', 256 ^ 'a', 1 << 20, TRUE);
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 353 leads to the unit 1048831", "less than 768");
  map = map_new ();
  map->units[0] = make_unit (0, 0, 1024, FALSE) | 0x80000000;
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 0 leads to the unit 2098431", "less than 768");
  map = map_new ();
  map->units[700] = make_unit (1, 700, 1024, FALSE); /* no key leads there */
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 700 leads to the unit 1279", "less than 768");
  /* the last block is not whole */
  map = map_new ();
  map->n_units = 700;
  map->size = 2800;
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "unit 353 leads to the unit 767", "less than 700");
}

static void
test_cycles (void)
{
  Map *map = map_new ();

  map->units[256 ^ 'a'] = make_unit ('a', 256 ^ 'a', 256, FALSE);
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "leads from the unit 256 back to it", "keys that end");
  map = map_new ();
  map->units[512 ^ 'b'] = make_unit ('b', 512 ^ 'b', 256, FALSE);
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "leads from the unit 256 back to it", "keys that end");
  /* by a zero byte, through the root's own unit */
  map = map_new ();
  map->units[0] = make_unit (0, 0, 0, FALSE);
  refused (map_finish (map), REFORMER_FILE_ERROR_INVALID, "leads from the unit 0 back to it", "keys that end");
}

/* Keys of 256 bytes are the longest. They may share what they end with. */
static void
test_depth (void)
{
  for (guint depth = 256; depth <= 257; depth++)
    {
      Map *map = map_new ();
      g_autofree char *text = g_strnfill (2 * depth, 'a'), *ids = NULL;

      for (guint i = 1; i <= depth; i++)
        for (const char *label = "ab"; *label != '\0'; label++)
          map->units[(256 * i) ^ (guint8) *label] = make_unit ((guint8) *label, (256 * i) ^ (guint8) *label, 256 * (i + 1), i == depth);
      map->units[512] = 0x80000000;
      map->units[256 * (depth + 1)] = 0x80000000 | 0;
      map->n_units = 256 * (depth + 2);
      map->size = map->n_units * 4;
      memcpy (map->strings, "b\0", 2);
      if (depth == 257)
        {
          refused (map_finish (map), REFORMER_FILE_ERROR_LIMIT, "has a key of more than 256 bytes", "unit");
          continue;
        }
      ids = encode (map_finish (map), text);
      g_assert_cmpstr (ids, ==, "2 2");
    }
}

/* ---- Long texts ---- */

/* No place to cut, and all scores equal: the text is one part, whose joins go by twos. */
static void
test_long (void)
{
  const gsize n = 1 << 20;
  GByteArray *pieces = begin ();
  g_autofree char *text = g_strnfill (n + 3, 'a');
  g_autoptr (GBytes) model = NULL, ids = NULL, input = g_bytes_new_static (text, n + 3);
  g_autoptr (ReformerTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;
  const gint64 start = g_get_monotonic_time ();

  for (guint length = 2; length <= 1024; length *= 2)
    {
      g_autofree char *piece = g_strnfill (length, 'a');

      put_piece (pieces, piece, -(float) length, 1);
    }
  model = finish (pieces, NULL, 0);
  tokenizer = reformer_sentence_piece_tokenizer_new_from_bytes (model, &error);
  g_assert_no_error (error);
  ids = reformer_tokenizer_encode (tokenizer, input, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (ids), ==, (n / 1024 + 2) * sizeof (gint32));
  g_assert_cmpint (reformer_tokenizer_nth_id (ids, 0), ==, 12);
  g_assert_cmpint (reformer_tokenizer_nth_id (ids, n / 1024), ==, 3);     /* aa */
  g_assert_cmpint (reformer_tokenizer_nth_id (ids, n / 1024 + 1), ==, 1); /* a */
  g_test_message ("%.2f s", (double) (g_get_monotonic_time () - start) / 1e6);
}

/* One of three letters. */
static const char *
letter (guint i)
{
  static const char *const letters[] = { "a", "b", "c" };

  return letters[i % 3];
}

/* Some of the pieces of two and three letters, at scores of which many are equal. */
static GByteArray *
draw_pieces (GRand *draw)
{
  GByteArray *pieces = g_byte_array_new ();

  put_piece (pieces, "<unk>", 0, 2);
  for (guint i = 0; i < 3; i++)
    put_piece (pieces, letter (i), -99, 1);
  for (guint i = 0; i < 27; i++)
    {
      g_autofree char *two = g_strconcat (letter (i), letter (i / 3), NULL), *three = g_strconcat (two, letter (i / 9), NULL);

      if (i < 9 && g_rand_boolean (draw))
        put_piece (pieces, two, (float) g_rand_int_range (draw, -4, 0), 1);
      if (g_rand_int_range (draw, 0, 4) == 0)
        put_piece (pieces, three, (float) g_rand_int_range (draw, -4, 0), 1);
    }
  return pieces;
}

/* Wherever a text is cut for encoding, the ids are those of the whole. */
static void
test_parts (void)
{
  g_autoptr (GRand) draw = g_rand_new_with_seed (5);

  for (guint round = 0; round < 30; round++)
    {
      GByteArray *pieces = draw_pieces (draw), *whole = g_byte_array_new ();
      g_autoptr (GString) text = g_string_new (NULL);
      g_autofree char *cut = NULL, *uncut = NULL;

      for (guint i = 0; i < 400; i++)
        g_string_append (text, letter ((guint) g_rand_int_range (draw, 0, 3)));
      put (whole, pieces->data, pieces->len);
      put_piece (whole, "\xe2\x98\x83", 0, 5); /* a piece that is not used keeps the text whole, and changes nothing else */
      cut = encode (finish (pieces, NULL, 0), text->str);
      uncut = encode (finish (whole, NULL, 0), text->str);
      g_assert_cmpstr (cut, ==, uncut);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sentencepiece/crafted/message", test_message);
  g_test_add_func ("/sentencepiece/crafted/pieces", test_pieces);
  g_test_add_func ("/sentencepiece/crafted/bytes-lacking", test_bytes_lacking);
  g_test_add_func ("/sentencepiece/crafted/surface", test_surface);
  g_test_add_func ("/sentencepiece/crafted/many-pieces", test_many_pieces);
  g_test_add_func ("/sentencepiece/crafted/meeting-hashes", test_meeting_hashes);
  g_test_add_func ("/sentencepiece/crafted/map", test_map);
  g_test_add_func ("/sentencepiece/crafted/sizes", test_wrong_sizes);
  g_test_add_func ("/sentencepiece/crafted/strings", test_wrong_strings);
  g_test_add_func ("/sentencepiece/crafted/units", test_wrong_units);
  g_test_add_func ("/sentencepiece/crafted/cycles", test_cycles);
  g_test_add_func ("/sentencepiece/crafted/depth", test_depth);
  g_test_add_func ("/sentencepiece/long", test_long);
  g_test_add_func ("/sentencepiece/parts", test_parts);
  return g_test_run ();
}
