/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/numbers.h"

#include <math.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

json_t *
reformer_number_new_double (double value)
{
  if (isfinite (value))
    return json_real (value);
  return json_string (isnan (value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

json_t *
reformer_number_new_unsigned (guint64 value)
{
  g_autofree char *digits = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  return json_string (digits);
}

gboolean
reformer_number_get_double (json_t      *object,
                            const char  *path,
                            const char  *name,
                            double      *value,
                            GError     **error)
{
  const char *text = json_string_value (json_object_get (object, name));

  if (g_strcmp0 (text, "Infinity") == 0)
    *value = INFINITY;
  else if (g_strcmp0 (text, "-Infinity") == 0)
    *value = -INFINITY;
  else if (g_strcmp0 (text, "NaN") == 0)
    *value = NAN;
  else
    return reformer_json_get_double (object, path, name, -G_MAXDOUBLE, G_MAXDOUBLE, value, error);
  return TRUE;
}

gboolean
reformer_number_get_unsigned (json_t      *object,
                              const char  *path,
                              const char  *name,
                              guint64      least,
                              guint64      most,
                              guint64     *value,
                              GError     **error)
{
  const char *text = NULL;
  g_autofree char *seen = NULL;

  if (!reformer_json_get_string (object, path, name, &text, error))
    return FALSE;
  if (text == NULL || g_ascii_string_to_unsigned (text, 10, least, most, value, NULL))
    return TRUE;
  seen = reformer_file_quote (text);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: \"%s\" is \"%s\", digits of a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
               " are wanted", path, name, seen, least, most);
  return FALSE;
}
