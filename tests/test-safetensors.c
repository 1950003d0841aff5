/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader against hand-made files: what is accepted and what is refused, and with which error. */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/safetensors.h"

#define ACCEPT (-1)
#define INVALID REFORMER_FILE_ERROR_INVALID
#define UNSUPPORTED REFORMER_FILE_ERROR_UNSUPPORTED
#define TRUNCATED REFORMER_FILE_ERROR_TRUNCATED
#define LIMIT REFORMER_FILE_ERROR_LIMIT

/* ---- A file in memory ---- */

static int file = -1;
static char *path;

static void
store (const void *bytes,
       gsize       n_bytes)
{
  g_assert_cmpint (ftruncate (file, 0), ==, 0);
  g_assert_cmpint (pwrite (file, bytes, n_bytes, 0), ==, (gssize) n_bytes);
}

/* Length, header and so many bytes of data: 0, 1, 2, ... */
static GByteArray *
make (const char *header,
      gsize       n_header,
      gsize       n_data)
{
  GByteArray *bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE ((guint64) n_header);

  g_byte_array_append (bytes, (const guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) n_header);
  for (gsize i = 0; i < n_data; i++)
    {
      guint8 byte = (guint8) i;

      g_byte_array_append (bytes, &byte, 1);
    }

  return bytes;
}

/* Reads every byte of every tensor, and every float. */
static void
read_all (ReformerSafetensors *st)
{
  for (gsize i = 0; i < reformer_safetensors_get_n_tensors (st); i++)
    {
      const ReformerSafetensorsEntry *entry = reformer_safetensors_get_entry (st, i);
      g_autofree char *bytes = g_malloc (entry->n_bytes + 1);
      g_autofree float *floats = g_new (float, entry->n_elements + 1);
      g_autoptr (GError) error = NULL;

      g_assert_true (reformer_safetensors_lookup (st, entry->name) == entry);
      g_assert_true (reformer_safetensors_read (st, entry, bytes, 0, entry->n_bytes, NULL, &error));
      g_assert_no_error (error);
      if (!reformer_safetensors_read_float32 (st, entry, floats, 0, entry->n_elements, NULL, &error))
        g_assert_error (error, REFORMER_FILE_ERROR, UNSUPPORTED);
    }
}

static void
expect (const char *name,
        int         verdict)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerSafetensors) st = reformer_safetensors_open (path, NULL, &error);

  if (verdict == ACCEPT)
    {
      if (st == NULL)
        g_error ("%s: refused: %s", name, error->message);
      read_all (st);
    }
  else
    {
      if (st != NULL)
        g_error ("%s: accepted", name);
      if (!g_error_matches (error, REFORMER_FILE_ERROR, verdict))
        g_error ("%s: another error: %s", name, error->message);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_null (strchr (error->message, '\n'));
      g_test_message ("%s: %s", name, error->message);
    }
}

static void
expect_header (const char *name,
               int         verdict,
               const char *header,
               gssize      n_header,
               gsize       n_data)
{
  g_autoptr (GByteArray) bytes = make (header, n_header < 0 ? strlen (header) : (gsize) n_header, n_data);

  store (bytes->data, bytes->len);
  expect (name, verdict);
}

/* ---- The cases ---- */

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define B "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}"
#define ONE(dtype, shape, offsets) "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define META(text) "{\"__metadata__\":" text "," A "}"

static const struct
{
  const char *name;
  int         verdict;
  const char *header;
  gsize       n_data;
} cases[] = {
  { "one tensor", ACCEPT, "{" A "}", 8 },
  { "two tensors", ACCEPT, "{" A "," B "}", 12 },
  { "two tensors, other order", ACCEPT, "{" B "," A "}", 12 },
  { "no tensors", ACCEPT, "{}", 0 },
  { "a scalar", ACCEPT, ONE ("F32", "[]", "[0,4]"), 4 },
  { "zero size", ACCEPT, ONE ("F32", "[0]", "[0,0]"), 0 },
  { "zero size, others not", ACCEPT, ONE ("F32", "[3,0,5]", "[0,0]"), 0 },
  { "zero size between", ACCEPT, "{" A "," B ",\"z\":{\"dtype\":\"I64\",\"shape\":[0],\"data_offsets\":[8,8]}}", 12 },
  { "F4, even count", ACCEPT, ONE ("F4", "[2]", "[0,1]"), 1 },
  { "F6, four", ACCEPT, ONE ("F6_E2M3", "[4]", "[0,3]"), 3 },
  { "complex", ACCEPT, ONE ("C64", "[1]", "[0,8]"), 8 },
  { "BOOL, byte 7 among them", ACCEPT, ONE ("BOOL", "[8]", "[0,8]"), 8 },
  { "no data after all", INVALID, "{}", 1 },

  { "space before", INVALID, " {" A "}", 8 },
  { "spaces after", ACCEPT, "{" A "}     ", 8 },
  { "spaces within", ACCEPT, "{ " A "\n,\t" B "\r}", 12 },
  { "newline after", INVALID, "{" A "}\n", 8 },
  { "garbage after", INVALID, "{" A "} x", 8 },
  { "second object after", INVALID, "{" A "}{}", 8 },
  { "byte order mark", INVALID, "\xef\xbb\xbf{" A "}", 8 },
  { "a list", INVALID, "[" ONE ("F32", "[2]", "[0,8]") "]", 8 },
  { "unclosed", INVALID, "{" A, 8 },
  { "trailing comma", INVALID, "{" A ",}", 8 },
  { "leading comma", INVALID, "{," A "}", 8 },
  { "two commas", INVALID, "{" A ",," B "}", 12 },
  { "no comma", INVALID, "{" A B "}", 12 },
  { "no colon", INVALID, "{\"a\" {}}", 0 },
  { "a key without quotes", INVALID, "{a:{}}", 0 },
  { "a key that is a number", INVALID, "{1:{}}", 0 },

  { "same name, same range", INVALID, "{" A "," A "}", 8 },
  { "same name, same empty range", INVALID, "{\"z\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
    "\"\\u007a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0 },
  { "same name, other range", INVALID, "{" A ",\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", 12 },
  { "dtype twice", INVALID, "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "metadata twice", INVALID, "{\"__metadata__\":{},\"__metadata__\":{}," A "}", 8 },
  { "a key of the metadata twice", INVALID, META ("{\"x\":\"1\",\"x\":\"1\"}"), 8 },

  { "metadata", ACCEPT, META ("{\"format\":\"pt\",\"\":\"\\u00e4\"}"), 8 },
  { "empty metadata", ACCEPT, META ("{}"), 8 },
  { "metadata last", ACCEPT, "{" A ",\"__metadata__\":{\"x\":\"y\"}}", 8 },
  { "metadata null", ACCEPT, META ("null"), 8 },
  { "metadata nil", INVALID, META ("nil"), 8 },
  { "metadata a list", INVALID, META ("[]"), 8 },
  { "metadata a number", INVALID, META ("{\"x\":1}"), 8 },
  { "metadata nested", INVALID, META ("{\"x\":{\"y\":\"z\"}}"), 8 },
  { "metadata value null", INVALID, META ("{\"x\":null}"), 8 },
  { "metadata unclosed", INVALID, "{\"__metadata__\":{\"x\":\"y\"", 0 },

  { "overlap", INVALID, "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12 },
  { "same range", INVALID, "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "hole in the middle", INVALID, "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16 },
  { "hole at the start", INVALID, ONE ("F32", "[1]", "[4,8]"), 8 },
  { "data after the last", INVALID, "{" A "}", 9 },
  { "data cut short", TRUNCATED, "{" A "}", 7 },
  { "begin above end", INVALID, ONE ("F32", "[2]", "[8,0]"), 8 },
  { "shape larger than span", INVALID, ONE ("F32", "[3]", "[0,8]"), 8 },
  { "shape smaller than span", INVALID, ONE ("F32", "[1]", "[0,8]"), 8 },
  { "zero size outside", TRUNCATED, "{" A ",\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[64,64]}}", 8 },
  { "zero size inside another", INVALID, "{" A ",\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", 8 },

  { "shape overflows", INVALID, ONE ("F32", "[4294967296,4294967296]", "[0,8]"), 8 },
  { "shape overflows to 0", INVALID, ONE ("F32", "[4294967296,4294967296]", "[0,0]"), 0 },
  { "bytes overflow", INVALID, ONE ("F32", "[4611686018427387904]", "[0,0]"), 0 },
  { "0 times an overflow", INVALID, ONE ("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]"), 0 },
  { "0 times 2^63", INVALID, ONE ("F32", "[0,9223372036854775808]", "[0,0]"), 0 },
  { "negative dimension", INVALID, ONE ("F32", "[-2]", "[0,8]"), 8 },
  { "negative zero", INVALID, ONE ("F32", "[-0]", "[0,0]"), 0 },
  { "negative zero as offset", INVALID, ONE ("F32", "[2]", "[-0,8]"), 8 },
  { "dimension 2.0", INVALID, ONE ("F32", "[2.0]", "[0,8]"), 8 },
  { "dimension 2e0", INVALID, ONE ("F32", "[2e0]", "[0,8]"), 8 },
  { "dimension as text", INVALID, ONE ("F32", "[\"2\"]", "[0,8]"), 8 },
  { "dimension 02", INVALID, ONE ("F32", "[02]", "[0,8]"), 8 },
  { "dimension 0x2", INVALID, ONE ("F32", "[0x2]", "[0,8]"), 8 },
  { "dimension true", INVALID, ONE ("F32", "[true]", "[0,8]"), 8 },
  { "dimension 2^64", INVALID, ONE ("F32", "[18446744073709551616]", "[0,8]"), 8 },
  { "offset 2^63", INVALID, ONE ("F32", "[2]", "[0,9223372036854775808]"), 8 },
  { "offset 2^64 - 1", INVALID, ONE ("F32", "[2]", "[0,18446744073709551615]"), 8 },
  { "offsets near 2^63", TRUNCATED, ONE ("U8", "[0]", "[9223372036854775807,9223372036854775807]"), 0 },
  { "one offset", INVALID, ONE ("F32", "[2]", "[8]"), 8 },
  { "three offsets", INVALID, ONE ("F32", "[2]", "[0,8,8]"), 8 },
  { "no offsets", INVALID, ONE ("F32", "[2]", "[]"), 8 },
  { "offset null", INVALID, ONE ("F32", "[2]", "[null,8]"), 8 },

  { "unknown dtype", UNSUPPORTED, ONE ("Q4_0", "[2]", "[0,8]"), 8 },
  { "dtype in small letters", UNSUPPORTED, ONE ("f32", "[2]", "[0,8]"), 8 },
  { "dtype a number", INVALID, "{\"a\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "no shape", INVALID, "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8 },
  { "shape a number", INVALID, ONE ("F32", "2", "[0,8]"), 8 },
  { "tensor a text", INVALID, "{\"a\":\"F32\"}", 8 },
  { "tensor a list", INVALID, "{\"a\":[\"F32\",[2],[0,8]]}", 8 },
  { "tensor null", INVALID, "{\"a\":null}", 0 },
  { "extra member", ACCEPT, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":[{\"y\":-1.5e3}]}}", 8 },
  { "F4, odd count", INVALID, ONE ("F4", "[3]", "[0,2]"), 2 },
  { "F6, two", INVALID, ONE ("F6_E3M2", "[2]", "[0,2]"), 2 },
  { "unaligned", ACCEPT, "{\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
    "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]}} ", 9 },

  { "invalid UTF-8", INVALID, "{\"\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "overlong UTF-8", INVALID, "{\"\xc0\xaf\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "lone surrogate", INVALID, "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "surrogate in UTF-8", INVALID, "{\"\xed\xa0\x80\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "NUL in a name", INVALID, "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "empty name", INVALID, "{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "a path as name", ACCEPT, "{\"../../etc/passwd\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "control character", INVALID, "{\"a\nb\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "unknown escape", INVALID, "{\"\\q\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
  { "rank 8", ACCEPT, ONE ("F32", "[1,1,1,1,1,1,1,2]", "[0,8]"), 8 },
  { "rank 9", LIMIT, ONE ("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8 },
  { "NaN", INVALID, ONE ("F32", "[NaN]", "[0,8]"), 8 },
  { "a comment", INVALID, "{/**/" A "}", 8 },
  { "single quotes", INVALID, "{'a':{}}", 0 },
  { "comma in a list", INVALID, ONE ("F32", "[2,]", "[0,8]"), 8 },
  { "number too large", INVALID, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1e400}}", 8 },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    expect_header (cases[i].name, cases[i].verdict, cases[i].header, -1, cases[i].n_data);

  expect_header ("NUL after", INVALID, "{" A "}\0\0", (gssize) strlen ("{" A "}") + 2, 8);
}

static void
test_lengths (void)
{
  g_autoptr (GByteArray) bytes = make ("{" A "}", strlen ("{" A "}"), 8);
  guint64 length;

  store ("", 0);
  expect ("empty file", TRUNCATED);
  store (bytes->data, 7);
  expect ("7 bytes", TRUNCATED);

#define LENGTH(text, value, verdict) \
  length = GUINT64_TO_LE ((guint64) (value)); \
  memcpy (bytes->data, &length, 8); \
  store (bytes->data, bytes->len); \
  expect (text, verdict)

  LENGTH ("length 0", 0, INVALID);
  LENGTH ("length 1", 1, INVALID);
  LENGTH ("length 2^64 - 1", G_MAXUINT64, LIMIT);
  LENGTH ("length 2^64 - 8", G_MAXUINT64 - 7, LIMIT);
  LENGTH ("length 2^63", G_GUINT64_CONSTANT (1) << 63, LIMIT);
  LENGTH ("length 100,000,001", 100000001, LIMIT);
  LENGTH ("length 100,000,000", 100000000, TRUNCATED);
  LENGTH ("length to the end", bytes->len - 8, TRUNCATED);
  LENGTH ("length one beyond", bytes->len - 7, TRUNCATED);
}

static void
test_large (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 start;

#define NAMED(n) \
  g_string_assign (text, "{\""); \
  for (guint i = 0; i < (n); i++) \
    g_string_append_c (text, 'n'); \
  g_string_append (text, "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}")

  NAMED (4096);
  expect_header ("name of 4096 bytes", ACCEPT, text->str, -1, 8);
  NAMED (4097);
  expect_header ("name of 4097 bytes", LIMIT, text->str, -1, 8);
  NAMED (1000000);
  expect_header ("name of 1,000,000 bytes", LIMIT, text->str, -1, 8);

  g_string_assign (text, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2");
  for (guint i = 1; i < 10000; i++)
    g_string_append (text, ",1");
  g_string_append (text, "],\"data_offsets\":[0,8]}}");
  expect_header ("rank 10,000", LIMIT, text->str, -1, 8);

#define NESTED(before, n, after) \
  g_string_assign (text, before); \
  for (guint i = 0; i < (n); i++) \
    g_string_append_c (text, '['); \
  for (guint i = 0; i < (n); i++) \
    g_string_append_c (text, ']'); \
  g_string_append (text, after)

  NESTED ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":", 31, "}}");
  expect_header ("31 deep", ACCEPT, text->str, -1, 8);
  NESTED ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":", 32, "}}");
  expect_header ("32 deep", LIMIT, text->str, -1, 8);

  start = g_get_monotonic_time ();
  NESTED ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":", 100000, "}}");
  expect_header ("100,000 deep", INVALID, text->str, -1, 8);
  NESTED ("{\"__metadata__\":", 100000, "}");
  expect_header ("metadata 100,000 deep", INVALID, text->str, -1, 8);
  NESTED ("{\"__metadata__\":{\"x\":", 100000, "}}");
  expect_header ("value 100,000 deep", INVALID, text->str, -1, 8);
  NESTED ("", 100000, "");
  expect_header ("header 100,000 deep", INVALID, text->str, -1, 8);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2 * G_TIME_SPAN_SECOND);

  g_string_assign (text, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":\"");
  for (guint i = 0; i < 70000; i++)
    g_string_append_c (text, 'x');
  g_string_append (text, "\"}}");
  expect_header ("member of 70,000 bytes", LIMIT, text->str, -1, 8);

  g_string_assign (text, "{\"__metadata__\":{\"x\":\"");
  for (guint i = 0; i < 1000000; i++)
    g_string_append_c (text, 'x');
  g_string_append (text, "\"}," A "}");
  expect_header ("metadata of 1,000,000 bytes", ACCEPT, text->str, -1, 8);
}

/* ---- Every truncation, every bit ---- */

static const char *const small[] = {
  "{" A "," B "}  ",
  "{\"__metadata__\":{\"format\":\"pt\"},\"w.weight\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]}}",
  "{\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},\"z\":{\"dtype\":\"I32\",\"shape\":[0,4],\"data_offsets\":[8,8]},"
  "\"t\":{\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[8,12]}}",
};

static void
test_truncations (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (small); i++)
    {
      g_autoptr (GByteArray) bytes = make (small[i], strlen (small[i]), 12);

      store (bytes->data, bytes->len);
      expect ("whole", ACCEPT);

      for (guint n = 0; n < bytes->len; n++)
        {
          g_autoptr (GError) error = NULL;

          store (bytes->data, n);
          g_assert_null (reformer_safetensors_open (path, NULL, &error));
          g_assert_error (error, REFORMER_FILE_ERROR, TRUNCATED);
        }
    }
}

static void
test_flips (void)
{
  guint n_accepted = 0, n_refused = 0;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < G_N_ELEMENTS (small); i++)
    {
      g_autoptr (GByteArray) bytes = make (small[i], strlen (small[i]), 12);

      for (guint bit = 0; bit < bytes->len * 8; bit++)
        {
          g_autoptr (GError) error = NULL;
          g_autoptr (ReformerSafetensors) st = NULL;

          bytes->data[bit / 8] ^= (guint8) (1 << bit % 8);
          store (bytes->data, bytes->len);
          bytes->data[bit / 8] ^= (guint8) (1 << bit % 8);

          st = reformer_safetensors_open (path, NULL, &error);
          if (st != NULL)
            {
              read_all (st);
              n_accepted++;
            }
          else
            {
              g_assert_true (error->domain == REFORMER_FILE_ERROR);
              g_assert_cmpuint (bit / 8, <, 8 + strlen (small[i]));
              n_refused++;
            }
        }
    }

  g_test_message ("%u flipped bits refused, %u read another way", n_refused, n_accepted);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 10 * G_TIME_SPAN_SECOND);
}

/* ---- Reading ---- */

static void
test_entries (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerSafetensors) st = NULL;
  g_autoptr (GByteArray) bytes = make (META ("{\"format\":\"p\\u0074\"}"), strlen (META ("{\"format\":\"p\\u0074\"}")), 8);
  const ReformerSafetensorsEntry *entry;
  guint8 part[3];

  store (bytes->data, bytes->len);
  st = reformer_safetensors_open (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (reformer_safetensors_get_path (st), ==, path);
  g_assert_cmpstr (g_hash_table_lookup (reformer_safetensors_get_metadata (st), "format"), ==, "pt");
  g_assert_cmpuint (reformer_safetensors_get_n_tensors (st), ==, 1);
  g_assert_null (reformer_safetensors_lookup (st, "b"));
  g_assert_null (reformer_safetensors_lookup (st, "__metadata__"));

  entry = reformer_safetensors_lookup (st, "a");
  g_assert_cmpint (entry->dtype, ==, REFORMER_SAFETENSORS_F32);
  g_assert_cmpuint (entry->n_dims, ==, 1);
  g_assert_cmpint (entry->shape[0], ==, 2);
  g_assert_cmpuint (entry->offset, ==, bytes->len - 8);

  g_assert_true (reformer_safetensors_read (st, entry, part, 4, 3, NULL, &error));
  g_assert_cmpuint (part[2], ==, 6);
  g_assert_false (reformer_safetensors_read (st, entry, part, 6, 3, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, LIMIT);
  g_clear_error (&error);
  g_assert_false (reformer_safetensors_read (st, entry, part, G_MAXSIZE, 3, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, LIMIT);
}

static void
test_not_a_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_assert_null (reformer_safetensors_open ("/nonexistent/model.safetensors", NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (reformer_safetensors_open ("/", NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, INVALID);
  g_clear_error (&error);
  g_assert_null (reformer_safetensors_open ("/dev/zero", NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, INVALID);
  g_clear_error (&error);

  g_cancellable_cancel (cancellable);
  store ("\2\0\0\0\0\0\0\0{}", 10);
  g_assert_null (reformer_safetensors_open (path, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

#define N_LONG (1024 * 1024)

static gpointer
cut_short (gpointer data)
{
  g_usleep ((gulong) g_random_int_range (0, 400));
  g_assert_cmpint (ftruncate (file, GPOINTER_TO_INT (data)), ==, 0);

  return NULL;
}

/* The file loses its end while another thread reads it: the values or an error, no signal. */
static void
test_cut_while_read (void)
{
  const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1048576],\"data_offsets\":[0,4194304]}}";
  g_autofree float *values = g_new (float, N_LONG);

  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GByteArray) bytes = make (header, strlen (header), 0);
      g_autoptr (ReformerSafetensors) st = NULL;
      GThread *thread;

      store (bytes->data, bytes->len);
      g_assert_cmpint (ftruncate (file, (off_t) bytes->len + N_LONG * 4), ==, 0);
      st = reformer_safetensors_open (path, NULL, &error);
      g_assert_no_error (error);

      thread = g_thread_new ("cut", cut_short, GINT_TO_POINTER ((int) (i * 20000)));
      while (reformer_safetensors_read_float32 (st, reformer_safetensors_get_entry (st, 0), values, 0, N_LONG, NULL, &error))
        continue;
      g_assert_error (error, REFORMER_FILE_ERROR, TRUNCATED);
      g_thread_join (thread);
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);

  file = memfd_create ("test.safetensors", MFD_CLOEXEC);
  g_assert_cmpint (file, >=, 0);
  path = g_strdup_printf ("/proc/self/fd/%d", file);

  g_test_add_func ("/safetensors/cases", test_cases);
  g_test_add_func ("/safetensors/lengths", test_lengths);
  g_test_add_func ("/safetensors/large", test_large);
  g_test_add_func ("/safetensors/truncations", test_truncations);
  g_test_add_func ("/safetensors/flips", test_flips);
  g_test_add_func ("/safetensors/entries", test_entries);
  g_test_add_func ("/safetensors/not-a-file", test_not_a_file);
  g_test_add_func ("/safetensors/cut-while-read", test_cut_while_read);

  status = g_test_run ();
  g_free (path);

  return status;
}
