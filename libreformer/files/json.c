/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/json.h"

#include <fcntl.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

gboolean
reformer_json_check (const char  *text,
                     gsize        n_bytes,
                     const char  *path,
                     gsize        base,
                     GError     **error)
{
  gsize depth = 0, n_values = 0;
  gboolean quoted = FALSE;

  for (gsize i = 0; i < n_bytes; i++)
    {
      char c = text[i], next = i + 1 < n_bytes ? text[i + 1] : '\0', after = i + 2 < n_bytes ? text[i + 2] : '\0';

      if (quoted)
        {
          if (c == '\\')
            i++;
          else if (c == '"')
            quoted = FALSE;
          continue;
        }

      switch (c)
        {
        case '"':
          quoted = TRUE;
          break;

        case '{':
        case '[':
          depth++;
          n_values++;
          break;

        case '}':
        case ']':
          depth -= depth > 0;
          break;

        case ',':
          n_values++;
          break;

        case '-':
          if (next == '0' && after != '.' && after != 'e' && after != 'E' && (i == 0 || (text[i - 1] != 'e' && text[i - 1] != 'E')))
            {
              g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: byte %" G_GSIZE_FORMAT
                           ": -0 is no integer", path, base + i);
              return FALSE;
            }
          break;

        default:
          break;
        }

      if (depth > REFORMER_JSON_MAX_DEPTH || n_values > REFORMER_JSON_MAX_VALUES)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, depth > REFORMER_JSON_MAX_DEPTH
                       ? "%s: byte %" G_GSIZE_FORMAT ": nested deeper than %d"
                       : "%s: byte %" G_GSIZE_FORMAT ": more than %d values",
                       path, base + i, depth > REFORMER_JSON_MAX_DEPTH ? REFORMER_JSON_MAX_DEPTH : REFORMER_JSON_MAX_VALUES);
          return FALSE;
        }
    }

  return TRUE;
}

json_t *
reformer_json_parse (const char  *text,
                     gsize        n_bytes,
                     const char  *path,
                     GError     **error)
{
  g_autoptr (json_t) value = NULL;
  json_error_t where;

  if (n_bytes > REFORMER_JSON_MAX_BYTES)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: has %" G_GSIZE_FORMAT " bytes of JSON, at most %u are read",
                   path, n_bytes, REFORMER_JSON_MAX_BYTES);
      return NULL;
    }

  if (!reformer_json_check (text, n_bytes, path, 0, error))
    return NULL;

  value = json_loadb (text, n_bytes, JSON_REJECT_DUPLICATES, &where);
  if (value == NULL)
    {
      g_autofree char *message = reformer_file_quote (where.text);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: line %d, column %d: %s", path, where.line,
                   where.column, message);
      return NULL;
    }

  if (!json_is_object (value))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is a list, an object { } is wanted", path);
      return NULL;
    }

  return g_steal_pointer (&value);
}

json_t *
reformer_json_load_at (int            folder,
                       const char    *name,
                       const char    *path,
                       GCancellable  *cancellable,
                       GError       **error)
{
  gsize n_bytes;
  g_autofree char *text = reformer_file_load (folder, name, path, REFORMER_JSON_MAX_BYTES, &n_bytes, cancellable, error);

  return text != NULL ? reformer_json_parse (text, n_bytes, path, error) : NULL;
}

json_t *
reformer_json_load (const char    *path,
                    GCancellable  *cancellable,
                    GError       **error)
{
  g_autofree char *display = g_filename_display_name (path);

  return reformer_json_load_at (AT_FDCWD, path, display, cancellable, error);
}

static gboolean
unfit (json_t      *value,
       const char  *path,
       const char  *name,
       GError     **error,
       const char  *wanted,
       ...) G_GNUC_PRINTF (5, 6);

/* "config.json: "hidden_size" is -3, ... is wanted" */
static gboolean
unfit (json_t      *value,
       const char  *path,
       const char  *name,
       GError     **error,
       const char  *wanted,
       ...)
{
  g_autofree char *text = reformer_json_to_text (value, REFORMER_JSON_LINE);
  g_autofree char *seen = reformer_file_quote (g_strchomp (text));
  g_autofree char *want = NULL;
  va_list arguments;

  va_start (arguments, wanted);
  want = g_strdup_vprintf (wanted, arguments);
  va_end (arguments);

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: \"%s\" is %s, %s is wanted", path, name, seen, want);

  return FALSE;
}

gboolean
reformer_json_has (json_t     *object,
                   const char *name)
{
  json_t *value = json_object_get (object, name);

  return value != NULL && !json_is_null (value);
}

gboolean
reformer_json_require (json_t      *object,
                       const char  *path,
                       const char  *name,
                       GError     **error)
{
  if (reformer_json_has (object, name))
    return TRUE;

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: has no \"%s\"", path, name);

  return FALSE;
}

gboolean
reformer_json_get_boolean (json_t      *object,
                           const char  *path,
                           const char  *name,
                           gboolean    *value,
                           GError     **error)
{
  json_t *member = json_object_get (object, name);

  if (!reformer_json_has (object, name))
    return TRUE;
  if (!json_is_boolean (member))
    return unfit (member, path, name, error, "true or false");

  *value = json_is_true (member);

  return TRUE;
}

static gboolean
read_integer (json_t      *member,
              const char  *path,
              const char  *name,
              gint64       least,
              gint64       most,
              gint64      *value,
              GError     **error)
{
  if (!json_is_integer (member) || json_integer_value (member) < least || json_integer_value (member) > most)
    {
      if (least == G_MININT64 && most == G_MAXINT64)
        return unfit (member, path, name, error, "an integer");
      if (most == G_MAXINT64)
        return unfit (member, path, name, error, "an integer of at least %" G_GINT64_FORMAT, least);
      return unfit (member, path, name, error, "an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, least, most);
    }

  *value = json_integer_value (member);

  return TRUE;
}

gboolean
reformer_json_get_integer (json_t      *object,
                           const char  *path,
                           const char  *name,
                           gint64       least,
                           gint64       most,
                           gint64      *value,
                           GError     **error)
{
  return !reformer_json_has (object, name) || read_integer (json_object_get (object, name), path, name, least, most, value, error);
}

gboolean
reformer_json_get_double (json_t      *object,
                          const char  *path,
                          const char  *name,
                          double       least,
                          double       most,
                          double      *value,
                          GError     **error)
{
  json_t *member = json_object_get (object, name);
  double number;

  if (!reformer_json_has (object, name))
    return TRUE;

  number = json_number_value (member);
  if (!json_is_number (member) || !(number >= least && number <= most))
    {
      if (least == -G_MAXDOUBLE && most == G_MAXDOUBLE)
        return unfit (member, path, name, error, "a number");
      if (most == G_MAXDOUBLE)
        return unfit (member, path, name, error, "a number of at least %g", least);
      return unfit (member, path, name, error, "a number from %g to %g", least, most);
    }

  *value = number;

  return TRUE;
}

gboolean
reformer_json_get_string (json_t      *object,
                          const char  *path,
                          const char  *name,
                          const char **value,
                          GError     **error)
{
  json_t *member = json_object_get (object, name);

  if (!reformer_json_has (object, name))
    return TRUE;
  if (!json_is_string (member))
    return unfit (member, path, name, error, "text");

  *value = json_string_value (member);

  return TRUE;
}

gboolean
reformer_json_get_integers (json_t      *object,
                            const char  *path,
                            const char  *name,
                            gint64       least,
                            gint64       most,
                            gint64     **values,
                            gsize       *n_values,
                            GError     **error)
{
  json_t *member = json_object_get (object, name);
  gsize n = json_is_array (member) ? json_array_size (member) : 1;
  g_autofree gint64 *read = NULL;

  if (!reformer_json_has (object, name))
    return TRUE;
  if (!json_is_array (member) && !json_is_integer (member))
    return unfit (member, path, name, error, "an integer or a list of integers");

  read = g_try_new (gint64, MAX (n, 1));
  if (read == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: no memory for the %" G_GSIZE_FORMAT " integers of \"%s\"",
                   path, n, name);
      return FALSE;
    }

  for (gsize i = 0; i < n; i++)
    if (!read_integer (json_is_array (member) ? json_array_get (member, i) : member, path, name, least, most, &read[i], error))
      return FALSE;

  g_free (*values);
  *values = g_steal_pointer (&read);
  *n_values = n;

  return TRUE;
}

gboolean
reformer_json_get_strings (json_t       *object,
                           const char   *path,
                           const char   *name,
                           char       ***values,
                           GError      **error)
{
  json_t *member = json_object_get (object, name);
  g_autoptr (GStrvBuilder) read = g_strv_builder_new ();

  if (!reformer_json_has (object, name))
    return TRUE;
  if (!json_is_array (member))
    return unfit (member, path, name, error, "a list of texts");

  for (gsize i = 0; i < json_array_size (member); i++)
    {
      if (!json_is_string (json_array_get (member, i)))
        return unfit (json_array_get (member, i), path, name, error, "a list of texts");
      g_strv_builder_add (read, json_string_value (json_array_get (member, i)));
    }

  g_strfreev (*values);
  *values = g_strv_builder_end (read);

  return TRUE;
}

gboolean
reformer_json_get_object (json_t      *object,
                          const char  *path,
                          const char  *name,
                          json_t     **value,
                          GError     **error)
{
  json_t *member = json_object_get (object, name);

  if (!reformer_json_has (object, name))
    return TRUE;
  if (!json_is_object (member))
    return unfit (member, path, name, error, "an object { }");

  *value = member;

  return TRUE;
}
