/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "property-options.h"

#include <math.h>
#include <string.h>

/* Values of properties as texts, in the words of the command line. */

static gboolean
is_ints (GParamSpec *pspec)
{
  return G_IS_PARAM_SPEC_VARIANT (pspec) && g_variant_type_equal (G_PARAM_SPEC_VARIANT (pspec)->type, G_VARIANT_TYPE ("ai"));
}

static gboolean
is_doubles (GParamSpec *pspec)
{
  return G_IS_PARAM_SPEC_VARIANT (pspec) && g_variant_type_equal (G_PARAM_SPEC_VARIANT (pspec)->type, G_VARIANT_TYPE ("ad"));
}

gboolean
tool_property_is_option (GParamSpec *pspec)
{
  if ((pspec->flags & G_PARAM_WRITABLE) == 0 || (pspec->flags & G_PARAM_READABLE) == 0)
    return FALSE;
  return G_IS_PARAM_SPEC_BOOLEAN (pspec) || G_IS_PARAM_SPEC_INT (pspec) || G_IS_PARAM_SPEC_UINT (pspec) || G_IS_PARAM_SPEC_INT64 (pspec) ||
         G_IS_PARAM_SPEC_UINT64 (pspec) || G_IS_PARAM_SPEC_DOUBLE (pspec) || G_IS_PARAM_SPEC_ENUM (pspec) || G_IS_PARAM_SPEC_STRING (pspec) ||
         pspec->value_type == G_TYPE_STRV || is_ints (pspec) || is_doubles (pspec);
}

/* ---- Ranges ---- */

static gboolean
get_range (GParamSpec *pspec,
           gint64     *least,
           guint64    *most)
{
  if (G_IS_PARAM_SPEC_INT (pspec))
    {
      *least = G_PARAM_SPEC_INT (pspec)->minimum;
      *most = (guint64) G_PARAM_SPEC_INT (pspec)->maximum;
    }
  else if (G_IS_PARAM_SPEC_UINT (pspec))
    {
      *least = G_PARAM_SPEC_UINT (pspec)->minimum;
      *most = G_PARAM_SPEC_UINT (pspec)->maximum;
    }
  else if (G_IS_PARAM_SPEC_INT64 (pspec))
    {
      *least = G_PARAM_SPEC_INT64 (pspec)->minimum;
      *most = (guint64) G_PARAM_SPEC_INT64 (pspec)->maximum;
    }
  else if (G_IS_PARAM_SPEC_UINT64 (pspec))
    {
      *least = (gint64) G_PARAM_SPEC_UINT64 (pspec)->minimum;
      *most = G_PARAM_SPEC_UINT64 (pspec)->maximum;
    }
  else
    return FALSE;
  return TRUE;
}

static char *
describe_double (GParamSpecDouble *pspec)
{
  const gboolean least = pspec->minimum > -(double) G_MAXFLOAT, most = pspec->maximum < (double) G_MAXFLOAT;

  if (!least && !most)
    return g_strdup ("a number");
  if (!most)
    return pspec->minimum > 0 && pspec->minimum < (double) G_MINFLOAT ? g_strdup ("a number above 0") : g_strdup_printf ("a number of at least %g", pspec->minimum);
  if (!least)
    return g_strdup_printf ("a number of at most %g", pspec->maximum);
  if (pspec->maximum < 1 && pspec->maximum > 1 - 1e-6)
    return g_strdup_printf ("a number from %g to below 1", pspec->minimum);
  return g_strdup_printf ("a number from %g to %g", pspec->minimum, pspec->maximum);
}

static char *
describe_enum (GParamSpecEnum *pspec)
{
  const GEnumClass *values = pspec->enum_class;
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < values->n_values; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : i + 1 < values->n_values ? ", " : " or ", values->values[i].value_nick);
  return g_string_free (text, FALSE);
}

char *
tool_property_describe (GParamSpec *pspec)
{
  gint64 least;
  guint64 most;

  if (get_range (pspec, &least, &most))
    return g_strdup_printf ("a whole number from %" G_GINT64_FORMAT " to %" G_GUINT64_FORMAT, least, most);
  if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    return describe_double (G_PARAM_SPEC_DOUBLE (pspec));
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    return describe_enum (G_PARAM_SPEC_ENUM (pspec));
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return g_strdup ("true or false");
  if (is_doubles (pspec))
    return g_strdup ("a list of numbers such as 1,2.5");
  return g_strdup (is_ints (pspec) ? "a list of whole numbers such as 128,128" : pspec->value_type == G_TYPE_STRV ? "a list such as local,lsh" : "a text");
}

/* ---- Texts to values ---- */

static gboolean
parse_whole (GParamSpec *pspec,
             const char *text,
             GValue     *value)
{
  gint64 least = 0, number = 0;
  guint64 most = 0, positive = 0;

  get_range (pspec, &least, &most);
  if (least < 0 ? !g_ascii_string_to_signed (text, 10, least, (gint64) MIN (most, G_MAXINT64), &number, NULL)
                : !g_ascii_string_to_unsigned (text, 10, (guint64) least, most, &positive, NULL))
    return FALSE;
  if (least >= 0)
    number = (gint64) positive;
  if (G_IS_PARAM_SPEC_INT (pspec))
    g_value_set_int (value, (int) number);
  else if (G_IS_PARAM_SPEC_UINT (pspec))
    g_value_set_uint (value, (guint) number);
  else if (G_IS_PARAM_SPEC_INT64 (pspec))
    g_value_set_int64 (value, number);
  else
    g_value_set_uint64 (value, positive);
  return TRUE;
}

static gboolean
read_number (const char *text,
             double     *number)
{
  char *end = NULL;

  /* strtod() would also take blanks, hexadecimals, infinity and NaN */
  *number = text[0] != '\0' && strspn (text, "0123456789.+-eE") == strlen (text) ? g_ascii_strtod (text, &end) : 0;
  return end != NULL && *end == '\0' && isfinite (*number);
}

static gboolean
parse_double (GParamSpecDouble *pspec,
              const char       *text,
              GValue           *value)
{
  double number;

  if (!read_number (text, &number) || number < pspec->minimum || number > pspec->maximum)
    return FALSE;
  g_value_set_double (value, number);
  return TRUE;
}

static gboolean
parse_doubles (const char *text,
               GValue     *value)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1); /* of "": none */
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("ad"));

  for (guint i = 0; parts[i] != NULL; i++)
    {
      double number;

      if (!read_number (g_strstrip (parts[i]), &number))
        return FALSE;
      g_variant_builder_add (&builder, "d", number);
    }
  g_value_set_variant (value, g_variant_builder_end (&builder));
  return TRUE;
}

static gboolean
parse_ints (const char *text,
            GValue     *value)
{
  g_auto (GStrv) parts = g_strsplit (text, ",", -1); /* of "": none */
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("ai"));

  for (guint i = 0; parts[i] != NULL; i++)
    {
      gint64 number;

      if (!g_ascii_string_to_signed (g_strstrip (parts[i]), 10, G_MININT32, G_MAXINT32, &number, NULL))
        return FALSE;
      g_variant_builder_add (&builder, "i", (gint32) number);
    }
  g_value_set_variant (value, g_variant_builder_end (&builder));
  return TRUE;
}

static gboolean
parse_boolean (const char *text,
               GValue     *value)
{
  g_value_set_boolean (value, g_str_equal (text, "true"));
  return g_str_equal (text, "true") || g_str_equal (text, "false");
}

static gboolean
parse_enum (GParamSpecEnum *pspec,
            const char     *text,
            GValue         *value)
{
  const GEnumValue *found = g_enum_get_value_by_nick (pspec->enum_class, text);

  if (found != NULL)
    g_value_set_enum (value, found->value);
  return found != NULL;
}

static gboolean
parse_list (const char *text,
            GValue     *value)
{
  char **parts = g_strsplit (text, ",", -1);

  for (guint i = 0; parts[i] != NULL; i++)
    g_strstrip (parts[i]);
  g_value_take_boxed (value, parts);
  return TRUE;
}

gboolean
tool_property_parse (GParamSpec *pspec,
                     const char *text,
                     GValue     *value)
{
  g_value_init (value, pspec->value_type);
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return parse_boolean (text, value);
  if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    return parse_double (G_PARAM_SPEC_DOUBLE (pspec), text, value);
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    return parse_enum (G_PARAM_SPEC_ENUM (pspec), text, value);
  if (is_ints (pspec))
    return parse_ints (text, value);
  if (is_doubles (pspec))
    return parse_doubles (text, value);
  if (pspec->value_type == G_TYPE_STRV)
    return parse_list (text, value);
  if (!G_IS_PARAM_SPEC_STRING (pspec))
    return parse_whole (pspec, text, value);
  if (text[0] != '\0' || G_PARAM_SPEC_STRING (pspec)->default_value != NULL) /* nothing is NULL where that may be */
    g_value_set_string (value, text);
  return TRUE;
}

/* ---- Values to texts ---- */

static char *
format_ints (GVariant *list)
{
  GString *text = g_string_new (NULL);
  gsize n = 0;
  const gint32 *numbers = list != NULL ? g_variant_get_fixed_array (list, &n, sizeof (gint32)) : NULL;

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (text, "%s%d", i > 0 ? "," : "", numbers[i]);
  return g_string_free (text, FALSE);
}

/* The shortest that reads back to the same number. */
static char *
format_double (double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  for (int digits = 6; digits < 18; digits++)
    {
      g_autofree char *format = g_strdup_printf ("%%.%dg", digits);

      g_ascii_formatd (text, sizeof text, format, number);
      if (g_ascii_strtod (text, NULL) == number)
        break;
    }
  return g_strdup (text);
}

static char *
format_doubles (GVariant *list)
{
  GString *text = g_string_new (NULL);
  gsize n = 0;
  const double *numbers = list != NULL ? g_variant_get_fixed_array (list, &n, sizeof (double)) : NULL;

  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *number = format_double (numbers[i]);

      g_string_append_printf (text, "%s%s", i > 0 ? "," : "", number);
    }
  return g_string_free (text, FALSE);
}

char *
tool_property_format (GParamSpec   *pspec,
                      const GValue *value)
{
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return g_strdup (g_value_get_boolean (value) ? "true" : "false");
  if (G_IS_PARAM_SPEC_INT (pspec))
    return g_strdup_printf ("%d", g_value_get_int (value));
  if (G_IS_PARAM_SPEC_UINT (pspec))
    return g_strdup_printf ("%u", g_value_get_uint (value));
  if (G_IS_PARAM_SPEC_INT64 (pspec))
    return g_strdup_printf ("%" G_GINT64_FORMAT, g_value_get_int64 (value));
  if (G_IS_PARAM_SPEC_UINT64 (pspec))
    return g_strdup_printf ("%" G_GUINT64_FORMAT, g_value_get_uint64 (value));
  if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    return format_double (g_value_get_double (value));
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    return g_strdup (g_enum_get_value (G_PARAM_SPEC_ENUM (pspec)->enum_class, g_value_get_enum (value))->value_nick);
  if (is_ints (pspec))
    return format_ints (g_value_get_variant (value));
  if (is_doubles (pspec))
    return format_doubles (g_value_get_variant (value));
  if (pspec->value_type == G_TYPE_STRV)
    return g_value_get_boxed (value) != NULL ? g_strjoinv (",", g_value_get_boxed (value)) : g_strdup ("");
  return g_value_dup_string (value);
}

/* ---- All of an object, as JSON: texts, in the words of the command line ---- */

json_t *
tool_property_save (GObject *object)
{
  guint n;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n);
  json_t *values = json_object ();

  for (guint i = 0; i < n; i++)
    if (tool_property_is_option (pspecs[i]))
      {
        g_auto (GValue) value = G_VALUE_INIT;
        g_autofree char *text = NULL;

        g_object_get_property (object, pspecs[i]->name, &value);
        text = tool_property_format (pspecs[i], &value);
        json_object_set_new (values, pspecs[i]->name, text != NULL ? json_string (text) : json_null ());
      }
  return values;
}

gboolean
tool_property_load (GObject     *object,
                    json_t      *values,
                    const char  *name,
                    GError     **error)
{
  const char *key;
  json_t *json;

  json_object_foreach (values, key, json)
    {
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), key);
      g_auto (GValue) value = G_VALUE_INIT;

      if (json_is_null (json))
        continue;
      if (pspec == NULL || !tool_property_is_option (pspec) || !json_is_string (json))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: \"%s\" is no setting of %s", name, key, G_OBJECT_TYPE_NAME (object));
          return FALSE;
        }
      if (!tool_property_parse (pspec, json_string_value (json), &value))
        {
          g_autofree char *wanted = tool_property_describe (pspec);

          g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: \"%s\" is \"%s\", %s is wanted", name, key, json_string_value (json), wanted);
          return FALSE;
        }
      if ((pspec->flags & G_PARAM_CONSTRUCT_ONLY) == 0)
        g_object_set_property (object, key, &value);
    }
  return TRUE;
}
