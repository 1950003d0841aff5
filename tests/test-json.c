/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <glib/gstdio.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/json-stream.h"

#define NAME "config.json"

/* ---- What is JSON and what is not ---- */

static const struct
{
  const char *text;
  const char *message; /* NULL where it is accepted */
} cases[] = {
  { "{}", NULL },
  { " {\"a\": [1, -2, 3.5e-7, true, null, \"\\u00e4\\n\"]} \r\n\t", NULL },
  { "{\"a\": \"-0 [ { \\\" \"}", NULL },
  { "{\"a\": 9223372036854775807, \"b\": -9223372036854775808, \"c\": -0.0, \"d\": 1e-05, \"e\": -0e1}", NULL },
  { "", "line 1, column 0: " },
  { "[]", "is a list" },
  { "1", "'[' or '{' expected" },
  { "{\"a\": 1, \"a\": 1}", "duplicate" },
  { "{\"a\": {\"b\": 1, \"\\u0062\": 1}}", "duplicate" },
  { "{\n\"a\": 9223372036854775808}", "line 2, column 24: too big integer" },
  { "{\"a\": -9223372036854775809}", "integer" },
  { "{\"a\": -0}", "-0 is no integer" },
  { "{\"a\": 02}", "invalid token" },
  { "{\"a\": 0x10}", "expected" },
  { "{\"a\": +1}", "invalid token" },
  { "{\"a\": .5}", "invalid token" },
  { "{\"a\": 5.}", "invalid token" },
  { "{\"a\": 1e400}", "overflow" },
  { "{\"a\": NaN}", "invalid token" },
  { "{\"a\": Infinity}", "invalid token" },
  { "{\"a\": 'b'}", "invalid token" },
  { "{'a': 1}", "expected" },
  { "{a: 1}", "expected" },
  { "{\"a\": 1,}", "expected" },
  { "{\"a\": [1,]}", "unexpected token" },
  { "{\"a\": 1} {}", "end of file expected" },
  { "{\"a\": 1} // comment", "end of file expected" },
  { "/* comment */ {}", "expected" },
  { "\xef\xbb\xbf{}", "expected" },
  { "{\"a\": \"\\q\"}", "invalid escape" },
  { "{\"a\": \"\t\"}", "control character" },
  { "{\"a\": \"\xff\"}", "unable to decode byte 0xff" },
  { "{\"a\": \"\\ud800\"}", "invalid Unicode" },
  { "{\"a\": \"\\u0000\"}", "not allowed" },
  { "{\"a\\u0000\": 1}", "NUL byte" },
  { "{\"a\": [1", "expected" },
  { "{\"a\": \"b", "premature end" },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (json_t) value = reformer_json_parse (cases[i].text, strlen (cases[i].text), NAME, &error);

      if (cases[i].message == NULL)
        {
          g_assert_no_error (error);
          continue;
        }

      g_assert_null (value);
      g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID);
      g_assert_true (g_str_has_prefix (error->message, NAME ": "));
      if (strstr (error->message, cases[i].message) == NULL)
        g_error ("%s: \"%s\" has no \"%s\"", cases[i].text, error->message, cases[i].message);
    }
}

static void
test_limits (void)
{
  g_autoptr (GString) text = g_string_new ("{\"a\":");
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < 1000000; i++)
    g_string_append_c (text, '[');
  g_assert_null (reformer_json_parse (text->str, text->len, NAME, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT);
  g_clear_error (&error);

  g_string_assign (text, "{\"a\":[0");
  for (guint i = 0; i < REFORMER_JSON_MAX_VALUES; i++)
    g_string_append (text, ",0");
  g_string_append (text, "]}");
  g_assert_null (reformer_json_parse (text->str, text->len, NAME, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT);
  g_clear_error (&error);

  g_string_set_size (text, REFORMER_JSON_MAX_BYTES + 1);
  g_assert_null (reformer_json_parse (text->str, text->len, NAME, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_TIME_SPAN_SECOND);
}

/* ---- Members ---- */

static json_t *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  json_t *value = reformer_json_parse (text, strlen (text), NAME, &error);

  g_assert_no_error (error);

  return value;
}

#define assert_refused(call, text) \
  G_STMT_START \
  { \
    g_assert_false (call); \
    g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID); \
    g_assert_cmpstr (error->message, ==, NAME ": " text); \
    g_clear_error (&error); \
  } \
  G_STMT_END

static void
test_members (void)
{
  g_autoptr (json_t) object = parse ("{\"b\": true, \"i\": 5, \"d\": 0.1, \"s\": \"text\", \"n\": null, \"l\": [1, 2, 3], \"t\": [\"x\", \"y\"], "
                                     "\"o\": {\"p\": 1}, \"m\": [1, \"x\"]}");
  g_autoptr (GError) error = NULL;
  g_autofree gint64 *list = NULL;
  g_auto (GStrv) texts = NULL;
  gboolean flag = FALSE;
  gint64 integer = 7;
  double number = 7;
  const char *string = "default";
  json_t *inner = NULL;
  gsize n = 0;

  g_assert_true (reformer_json_has (object, "b") && !reformer_json_has (object, "n") && !reformer_json_has (object, "x"));
  g_assert_true (reformer_json_require (object, NAME, "b", &error));
  assert_refused (reformer_json_require (object, NAME, "x", &error), "has no \"x\"");

  g_assert_true (reformer_json_get_boolean (object, NAME, "b", &flag, &error) && flag);
  assert_refused (reformer_json_get_boolean (object, NAME, "i", &flag, &error), "\"i\" is 5, true or false is wanted");

  g_assert_true (reformer_json_get_integer (object, NAME, "x", 0, 9, &integer, &error) && integer == 7);
  g_assert_true (reformer_json_get_integer (object, NAME, "n", 0, 9, &integer, &error) && integer == 7);
  g_assert_true (reformer_json_get_integer (object, NAME, "i", 0, 9, &integer, &error) && integer == 5);
  assert_refused (reformer_json_get_integer (object, NAME, "i", 6, 9, &integer, &error), "\"i\" is 5, an integer from 6 to 9 is wanted");
  assert_refused (reformer_json_get_integer (object, NAME, "i", 6, G_MAXINT64, &integer, &error),
                  "\"i\" is 5, an integer of at least 6 is wanted");
  assert_refused (reformer_json_get_integer (object, NAME, "d", G_MININT64, G_MAXINT64, &integer, &error),
                  "\"d\" is 0.1, an integer is wanted");

  g_assert_true (reformer_json_get_double (object, NAME, "d", 0, 1, &number, &error) && number == 0.1);
  g_assert_true (reformer_json_get_double (object, NAME, "i", 0, 9, &number, &error) && number == 5);
  assert_refused (reformer_json_get_double (object, NAME, "i", 0, 1, &number, &error), "\"i\" is 5, a number from 0 to 1 is wanted");

  g_assert_true (reformer_json_get_string (object, NAME, "s", &string, &error));
  g_assert_cmpstr (string, ==, "text");
  assert_refused (reformer_json_get_string (object, NAME, "o", &string, &error), "\"o\" is {\"p\": 1}, text is wanted");

  g_assert_true (reformer_json_get_integers (object, NAME, "l", 0, 9, &list, &n, &error) && n == 3 && list[2] == 3);
  assert_refused (reformer_json_get_integers (object, NAME, "m", 0, 9, &list, &n, &error), "\"m\" is \"x\", an integer from 0 to 9 is wanted");
  g_assert_true (n == 3 && list[0] == 1);
  g_assert_true (reformer_json_get_integers (object, NAME, "i", 0, 9, &list, &n, &error) && n == 1 && list[0] == 5);
  assert_refused (reformer_json_get_integers (object, NAME, "s", 0, 9, &list, &n, &error),
                  "\"s\" is \"text\", an integer or a list of integers is wanted");

  g_assert_true (reformer_json_get_strings (object, NAME, "t", &texts, &error));
  g_assert_cmpstr (texts[1], ==, "y");
  assert_refused (reformer_json_get_strings (object, NAME, "m", &texts, &error), "\"m\" is 1, a list of texts is wanted");

  g_assert_true (reformer_json_get_object (object, NAME, "o", &inner, &error) && json_object_size (inner) == 1);
  assert_refused (reformer_json_get_object (object, NAME, "l", &inner, &error), "\"l\" is [1, 2, 3], an object { } is wanted");
}

/* ---- Writing ---- */

static void
test_text (void)
{
  g_autoptr (json_t) object = parse ("{\"z\": 1e-12, \"a\": [1, [], {}], \"\\u0001\\\"\\\\\": \"ä\\n\\u001f\", \"n\": null, \"t\": true, \"d\": 1.0}");
  g_autofree char *ordered = reformer_json_to_text (object, REFORMER_JSON_ORDERED);
  g_autofree char *line = reformer_json_to_text (object, REFORMER_JSON_SORTED | REFORMER_JSON_LINE);
  g_autoptr (json_t) again = parse (ordered);

  g_assert_cmpstr (ordered, ==, "{\n  \"z\": 1e-12,\n  \"a\": [\n    1,\n    [],\n    {}\n  ],\n"
                   "  \"\\u0001\\\"\\\\\": \"ä\\n\\u001f\",\n  \"n\": null,\n  \"t\": true,\n  \"d\": 1.0\n}\n");
  g_assert_cmpstr (line, ==, "{\"\\u0001\\\"\\\\\": \"ä\\n\\u001f\", \"a\": [1, [], {}], \"d\": 1.0, \"n\": null, \"t\": true, \"z\": 1e-12}\n");
  g_assert_true (json_equal (object, again));
}

static void
test_doubles (void)
{
  const double extremes[] = { 0, 0.1, 1e-12, 1.0 / 3, 1e22, 1e300, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 123456789012345680.0 };

  for (guint i = 0; i < 10000; i++)
    {
      double value = i < G_N_ELEMENTS (extremes) ? extremes[i] : g_test_rand_double_range (-1, 1);
      g_autoptr (json_t) object = json_pack ("{s:f}", "x", value);
      g_autofree char *text = reformer_json_to_text (object, REFORMER_JSON_LINE);
      g_autoptr (json_t) again = parse (text);

      g_assert_true (json_is_real (json_object_get (again, "x")));
      g_assert_true (json_real_value (json_object_get (again, "x")) == value);
    }
}

static void
test_files (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("reformer-json-XXXXXX", &error), *path = g_build_filename (folder, NAME, NULL);
  g_autoptr (json_t) object = parse ("{\"a\": 1}"), read = NULL;

  g_assert_null (reformer_json_load (path, NULL, &error));
  g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND);
  g_clear_error (&error);

  g_assert_true (reformer_json_save (object, REFORMER_JSON_SORTED, path, NULL, &error));
  g_assert_no_error (error);
  read = reformer_json_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (json_equal (object, read));

  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

/* ---- Member by member ---- */

/* Walks a text and returns what it saw, or the error's message. */
static char *
walk (const char *text,
      gsize       limit)
{
  ReformerJsonStream stream = { .text = text, .n_bytes = strlen (text), .path = "t" };
  g_autoptr (GString) seen = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  char *name;

  if (!reformer_json_stream_enter (&stream, &error))
    return g_strdup (error->message);

  while (reformer_json_stream_next (&stream, limit, &name, &error))
    {
      g_autoptr (json_t) value = reformer_json_stream_value (&stream, limit, &error);
      g_autofree char *key = name, *line = value != NULL ? reformer_json_to_text (value, REFORMER_JSON_LINE) : NULL;

      if (value == NULL)
        return g_strdup (error->message);
      g_string_append_printf (seen, "%s=%s;", key, g_strchomp (line));
    }

  if (error != NULL)
    return g_strdup (error->message);

  return g_strdup_printf ("%s@%" G_GSIZE_FORMAT, seen->str, stream.at);
}

static void
test_stream (void)
{
  static const struct
  {
    const char *text;
    const char *seen;
  } walks[] = {
    { "{}", "@2" },
    { "{ } ", "@3" },
    { "{\"a\":1}x", "a=1;@7" },
    { "{\"a\" :\t[1 , {\"b\": 2}]\n, \"c\":\"d\"}", "a=[1, {\"b\": 2}];c=\"d\";@32" },
    { "{\"a\":12,\"b\":-3.5}", "a=12;b=-3.5;@17" },
    { "{\"a\":{\"b\":1,\"b\":1}}", "t: byte 15: duplicate object key near '\"b\"'" },
    { "{\"a\":-0}", "t: byte 5: -0 is no integer" },
    { "{\"a\":}", "t: byte 6: unexpected token near '}'" },
    { "{\"a\":1", "t: byte 6: ',' is wanted" },
    { "{\"a\":", "t: byte 5: unexpected token" },
    { "{\"a\":\"0123456789012345678901234567890123456789\"}", "t: byte 5: a member of more than 30 bytes" },
    { "", "t: byte 0: '{' is wanted" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (walks); i++)
    {
      g_autofree char *seen = walk (walks[i].text, 30);

      if (!g_str_has_prefix (seen, walks[i].seen))
        g_error ("%s: %s, wanted %s", walks[i].text, seen, walks[i].seen);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/json/cases", test_cases);
  g_test_add_func ("/json/limits", test_limits);
  g_test_add_func ("/json/members", test_members);
  g_test_add_func ("/json/text", test_text);
  g_test_add_func ("/json/doubles", test_doubles);
  g_test_add_func ("/json/files", test_files);
  g_test_add_func ("/json/stream", test_stream);

  return g_test_run ();
}
