/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Messages ---- */

static void
message (const char *text)
{
  g_autofree char *line = g_utf8_make_valid (text, -1);

  for (char *c = line; *c != '\0'; c++) /* a name may have a line break in it */
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  fflush (stdout);
  tool_progress_clear ();
  fprintf (stderr, "reformer: %s\n", line);
}

void
tool_message (const char *format,
              ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  message (text);
}

int
tool_fail (const char *format,
           ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  message (text);
  return TOOL_FAILED;
}

int
tool_fail_error (GError *error)
{
  message (error->message);
  g_error_free (error);
  return TOOL_FAILED;
}

static gboolean closed;

int
tool_close (int status)
{
  const gboolean failed = fflush (stdout) != 0 || ferror (stdout) != 0;

  closed = TRUE;
  if (failed && status == TOOL_DONE)
    return tool_fail ("standard output: %s", g_strerror (errno));
  return status;
}

static void
close_at_exit (void)
{
  if (!closed && tool_close (TOOL_DONE) != TOOL_DONE)
    _exit (TOOL_FAILED);
}

void
tool_close_at_exit (void)
{
  atexit (close_at_exit);
}

/* ---- JSON ---- */

void
tool_print_json (json_t *object)
{
  json_dumpf (object, stdout, JSON_INDENT (2) | JSON_REAL_PRECISION (12));
  putchar ('\n');
  json_decref (object);
}

json_t *
tool_json_string (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  return json_string (valid);
}

json_t *
tool_json_ints (const int *values,
                gsize      n)
{
  json_t *array = json_array ();

  for (gsize i = 0; i < n; i++)
    json_array_append_new (array, json_integer (values[i]));
  return array;
}

/* ---- Text ---- */

char *
tool_format_ints (const int *values,
                  gsize      n)
{
  GString *text = g_string_new ("[");

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%s%d", i > 0 ? ", " : "", values[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

char *
tool_format_bytes (guint64 bytes)
{
  static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
  double value = (double) bytes / 1024;
  guint i = 0;

  if (bytes < 1024)
    return g_strdup_printf ("%u B", (guint) bytes);
  while (value >= 1024 && i + 1 < G_N_ELEMENTS (units))
    {
      value /= 1024;
      i++;
    }
  return g_strdup_printf ("%.1f %s", value, units[i]);
}

const char *
tool_keep_get_name (ReformerKeep keep)
{
  g_autoptr (GEnumClass) keeps = g_type_class_ref (REFORMER_TYPE_KEEP);

  return g_enum_get_value (keeps, (int) keep)->value_nick;
}

void
tool_print_field (const char *key,
                  const char *format,
                  ...)
{
  va_list args;

  printf ("%-18s ", key);
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  putchar ('\n');
}

static void
print_cell (const char *text,
            glong       width,
            gboolean    right,
            gboolean    last)
{
  const glong length = g_utf8_strlen (text, -1);
  const int blanks = (int) (width - length);

  printf ("%*s%s%*s", right ? blanks : 0, "", text, right || last ? 0 : blanks, "");
}

void
tool_print_table (GPtrArray  *rows,
                  const char *right)
{
  const guint n = (guint) strlen (right);
  g_autofree glong *widths = g_new0 (glong, n);

  for (guint i = 0; i < rows->len; i++)
    for (guint j = 0; j < n; j++)
      {
        const glong length = g_utf8_strlen (((char **) rows->pdata[i])[j], -1);

        widths[j] = MAX (widths[j], length);
      }
  for (guint i = 0; i < rows->len; i++)
    for (guint j = 0; j < n; j++)
      {
        print_cell (((char **) rows->pdata[i])[j], widths[j], right[j] == 'r', j + 1 == n);
        fputs (j + 1 < n ? "  " : "\n", stdout);
      }
}
