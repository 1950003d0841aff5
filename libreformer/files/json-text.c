/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/json.h"

#include <math.h>
#include <string.h>

#include "files/atomic.h"

void
reformer_json_append_quoted (GString    *text,
                             const char *string)
{
  g_string_append_c (text, '"');

  for (const char *p = string; *p != '\0'; p++)
    switch (*p)
      {
      case '"':
        g_string_append (text, "\\\"");
        break;
      case '\\':
        g_string_append (text, "\\\\");
        break;
      case '\b':
        g_string_append (text, "\\b");
        break;
      case '\f':
        g_string_append (text, "\\f");
        break;
      case '\n':
        g_string_append (text, "\\n");
        break;
      case '\r':
        g_string_append (text, "\\r");
        break;
      case '\t':
        g_string_append (text, "\\t");
        break;
      default:
        if ((guchar) *p < 0x20)
          g_string_append_printf (text, "\\u%04x", (guint) (guchar) *p);
        else
          g_string_append_c (text, *p);
        break;
      }

  g_string_append_c (text, '"');
}

static void
append_double (GString *text,
               double   number)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  /* JSON has no word for these */
  if (!isfinite (number))
    {
      g_string_append (text, "null");
      return;
    }

  for (int precision = 15; precision <= 17; precision++)
    {
      char format[8];

      g_snprintf (format, sizeof format, "%%.%dg", precision);
      g_ascii_formatd (digits, sizeof digits, format, number);
      if (g_ascii_strtod (digits, NULL) == number)
        break;
    }

  g_string_append (text, digits);
  if (strpbrk (digits, ".e") == NULL)
    g_string_append (text, ".0");
}

static void
append_break (GString           *text,
              ReformerJsonFlags  flags,
              guint              level)
{
  if (flags & REFORMER_JSON_LINE)
    return;

  g_string_append_c (text, '\n');
  for (guint i = 0; i < level; i++)
    g_string_append (text, "  ");
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void append_value (GString           *text,
                          json_t            *value,
                          ReformerJsonFlags  flags,
                          guint              level);

static void
append_object (GString           *text,
               json_t            *object,
               ReformerJsonFlags  flags,
               guint              level)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  const char *name;
  json_t *value;

  json_object_foreach (object, name, value)
    g_ptr_array_add (names, (gpointer) name);
  if (flags & REFORMER_JSON_SORTED)
    g_ptr_array_sort (names, compare_names);

  g_string_append_c (text, '{');
  for (guint i = 0; i < names->len; i++)
    {
      if (i > 0)
        g_string_append (text, flags & REFORMER_JSON_LINE ? ", " : ",");
      append_break (text, flags, level + 1);
      reformer_json_append_quoted (text, names->pdata[i]);
      g_string_append (text, ": ");
      append_value (text, json_object_get (object, names->pdata[i]), flags, level + 1);
    }
  if (names->len > 0)
    append_break (text, flags, level);
  g_string_append_c (text, '}');
}

static void
append_array (GString           *text,
              json_t            *array,
              ReformerJsonFlags  flags,
              guint              level)
{
  g_string_append_c (text, '[');
  for (gsize i = 0; i < json_array_size (array); i++)
    {
      if (i > 0)
        g_string_append (text, flags & REFORMER_JSON_LINE ? ", " : ",");
      append_break (text, flags, level + 1);
      append_value (text, json_array_get (array, i), flags, level + 1);
    }
  if (json_array_size (array) > 0)
    append_break (text, flags, level);
  g_string_append_c (text, ']');
}

static void
append_value (GString           *text,
              json_t            *value,
              ReformerJsonFlags  flags,
              guint              level)
{
  switch (json_typeof (value))
    {
    case JSON_OBJECT:
      append_object (text, value, flags, level);
      break;
    case JSON_ARRAY:
      append_array (text, value, flags, level);
      break;
    case JSON_STRING:
      reformer_json_append_quoted (text, json_string_value (value));
      break;
    case JSON_INTEGER:
      g_string_append_printf (text, "%" G_GINT64_FORMAT, (gint64) json_integer_value (value));
      break;
    case JSON_REAL:
      append_double (text, json_real_value (value));
      break;
    case JSON_TRUE:
      g_string_append (text, "true");
      break;
    case JSON_FALSE:
      g_string_append (text, "false");
      break;
    case JSON_NULL:
    default:
      g_string_append (text, "null");
      break;
    }
}

char *
reformer_json_to_text (json_t            *value,
                       ReformerJsonFlags  flags)
{
  GString *text = g_string_new (NULL);

  append_value (text, value, flags, 0);
  g_string_append_c (text, '\n');

  return g_string_free (text, FALSE);
}

gboolean
reformer_json_save (json_t             *value,
                    ReformerJsonFlags   flags,
                    const char         *path,
                    GCancellable       *cancellable,
                    GError            **error)
{
  g_autofree char *text = reformer_json_to_text (value, flags);

  return reformer_atomic_write (path, text, strlen (text), cancellable, error);
}
