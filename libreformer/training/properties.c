/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/properties.h"

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "compute/home.h"
#include "files/reading.h"
#include "training/numbers.h"

typedef struct
{
  const char *name; /* of the property, borrowed from its class */
  GValue      value;
} Setting;

static void
setting_free (gpointer data)
{
  Setting *setting = data;

  g_value_unset (&setting->value);
  g_free (setting);
}

static gboolean
is_setting (GParamSpec *pspec)
{
  if ((pspec->flags & G_PARAM_READWRITE) != G_PARAM_READWRITE || (pspec->flags & G_PARAM_CONSTRUCT_ONLY) != 0)
    return FALSE;
  switch (G_TYPE_FUNDAMENTAL (pspec->value_type))
    {
    case G_TYPE_BOOLEAN:
    case G_TYPE_INT:
    case G_TYPE_UINT:
    case G_TYPE_INT64:
    case G_TYPE_UINT64:
    case G_TYPE_FLOAT:
    case G_TYPE_DOUBLE:
    case G_TYPE_ENUM:
      return TRUE;
    default:
      return FALSE;
    }
}

/* ---- Writing ---- */

typedef struct
{
  GObject    *object;
  json_t     *json;
  GPtrArray  *settings;
  const char *except;
} Call;

static json_t *
value_to_json (const GValue *value)
{
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_BOOLEAN:
      return json_boolean (g_value_get_boolean (value));
    case G_TYPE_INT:
      return json_integer (g_value_get_int (value));
    case G_TYPE_UINT:
      return json_integer (g_value_get_uint (value));
    case G_TYPE_INT64:
      return json_integer (g_value_get_int64 (value));
    case G_TYPE_UINT64:
      return reformer_number_new_unsigned (g_value_get_uint64 (value));
    case G_TYPE_FLOAT:
      return reformer_number_new_double ((double) g_value_get_float (value));
    case G_TYPE_DOUBLE:
      return reformer_number_new_double (g_value_get_double (value));
    default:
      {
        g_autoptr (GEnumClass) klass = g_type_class_ref (G_VALUE_TYPE (value));
        GEnumValue *choice = g_enum_get_value (klass, g_value_get_enum (value));

        return choice != NULL ? json_string (choice->value_nick) : json_null ();
      }
    }
}

static void
collect (gpointer data)
{
  Call *call = data;
  guint n;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (call->object), &n);

  for (guint i = 0; i < n; i++)
    if (is_setting (pspecs[i]))
      {
        g_auto (GValue) value = G_VALUE_INIT;

        g_value_init (&value, pspecs[i]->value_type);
        g_object_get_property (call->object, pspecs[i]->name, &value);
        json_object_set_new (call->json, pspecs[i]->name, value_to_json (&value));
      }
}

json_t *
reformer_properties_to_json (GObject  *object,
                             GError  **error)
{
  g_autoptr (json_t) json = json_object ();
  Call call = { object, json, NULL, NULL };

  if (!reformer_home_call (object, G_STRUCT_OFFSET (GObjectClass, get_property), collect, &call, error))
    return NULL;
  return g_steal_pointer (&json);
}

/* ---- Reading ---- */

static gboolean
read_integer (GValue      *value,
              json_t      *object,
              const char  *path,
              const char  *name,
              gint64       least,
              gint64       most,
              GError     **error)
{
  gint64 number = 0;

  if (!reformer_json_get_integer (object, path, name, least, most, &number, error))
    return FALSE;
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value)))
    {
    case G_TYPE_INT:
      g_value_set_int (value, (int) number);
      break;
    case G_TYPE_UINT:
      g_value_set_uint (value, (guint) number);
      break;
    default:
      g_value_set_int64 (value, number);
    }
  return TRUE;
}

static gboolean
read_double (GValue      *value,
             json_t      *object,
             const char  *path,
             const char  *name,
             double       least,
             double       most,
             GError     **error)
{
  double number = 0;

  if (!reformer_number_get_double (object, path, name, &number, error))
    return FALSE;
  /* a property without bounds may be infinite */
  if (!(number >= least && number <= most) && (least > -G_MAXDOUBLE || most < G_MAXDOUBLE))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: \"%s\" is %g, a number from %g to %g is wanted", path, name, number, least, most);
      return FALSE;
    }
  if (G_VALUE_HOLDS_FLOAT (value))
    g_value_set_float (value, (float) number);
  else
    g_value_set_double (value, number);
  return TRUE;
}

static gboolean
read_choice (GValue      *value,
             json_t      *object,
             const char  *path,
             const char  *name,
             GError     **error)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (G_VALUE_TYPE (value));
  const char *nick = "";
  GEnumValue *choice;
  g_autofree char *seen = NULL;

  if (!reformer_json_get_string (object, path, name, &nick, error))
    return FALSE;
  choice = g_enum_get_value_by_nick (klass, nick);
  if (choice != NULL)
    {
      g_value_set_enum (value, choice->value);
      return TRUE;
    }
  seen = reformer_file_quote (nick);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: \"%s\" is \"%s\", which is no choice", path, name, seen);
  return FALSE;
}

static gboolean
read_value (GValue      *value,
            GParamSpec  *pspec,
            json_t      *object,
            const char  *path,
            GError     **error)
{
  const char *name = pspec->name;

  g_value_init (value, pspec->value_type);
  switch (G_TYPE_FUNDAMENTAL (pspec->value_type))
    {
    case G_TYPE_BOOLEAN:
      {
        gboolean active = FALSE;

        if (!reformer_json_get_boolean (object, path, name, &active, error))
          return FALSE;
        g_value_set_boolean (value, active);
        return TRUE;
      }
    case G_TYPE_INT:
      return read_integer (value, object, path, name, G_PARAM_SPEC_INT (pspec)->minimum, G_PARAM_SPEC_INT (pspec)->maximum, error);
    case G_TYPE_UINT:
      return read_integer (value, object, path, name, G_PARAM_SPEC_UINT (pspec)->minimum, G_PARAM_SPEC_UINT (pspec)->maximum, error);
    case G_TYPE_INT64:
      return read_integer (value, object, path, name, G_PARAM_SPEC_INT64 (pspec)->minimum, G_PARAM_SPEC_INT64 (pspec)->maximum, error);
    case G_TYPE_UINT64:
      {
        guint64 number = 0;

        if (!reformer_number_get_unsigned (object, path, name, G_PARAM_SPEC_UINT64 (pspec)->minimum, G_PARAM_SPEC_UINT64 (pspec)->maximum, &number, error))
          return FALSE;
        g_value_set_uint64 (value, number);
        return TRUE;
      }
    case G_TYPE_FLOAT:
      return read_double (value, object, path, name, (double) G_PARAM_SPEC_FLOAT (pspec)->minimum, (double) G_PARAM_SPEC_FLOAT (pspec)->maximum, error);
    case G_TYPE_DOUBLE:
      return read_double (value, object, path, name, G_PARAM_SPEC_DOUBLE (pspec)->minimum, G_PARAM_SPEC_DOUBLE (pspec)->maximum, error);
    default:
      return read_choice (value, object, path, name, error);
    }
}

GPtrArray *
reformer_properties_read (GObject     *object,
                          json_t      *root,
                          const char  *path,
                          const char  *part,
                          GError     **error)
{
  g_autoptr (GPtrArray) settings = g_ptr_array_new_with_free_func (setting_free);
  g_autofree char *place = g_strdup_printf ("%s: \"%s\"", path, part);
  json_t *members = NULL, *member;
  const char *name;

  if (!reformer_json_require (root, path, part, error) || !reformer_json_get_object (root, path, part, &members, error))
    return NULL;
  json_object_foreach (members, name, member)
    {
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), name);
      Setting *setting;

      if (pspec == NULL || !is_setting (pspec))
        {
          g_autofree char *quoted = reformer_file_quote (name);

          g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "%s has \"%s\", which is no setting of %s", place, quoted, G_OBJECT_TYPE_NAME (object));
          return NULL;
        }
      if (json_is_null (member))
        continue;
      setting = g_new0 (Setting, 1);
      setting->name = pspec->name;
      g_ptr_array_add (settings, setting);
      if (!read_value (&setting->value, pspec, members, place, error))
        return NULL;
    }
  return g_steal_pointer (&settings);
}

static void
set_all (gpointer data)
{
  Call *call = data;

  for (guint i = 0; i < call->settings->len; i++)
    {
      Setting *setting = call->settings->pdata[i];

      if (g_strcmp0 (setting->name, call->except) != 0)
        g_object_set_property (call->object, setting->name, &setting->value);
    }
}

gboolean
reformer_properties_apply (GObject     *object,
                           GPtrArray   *settings,
                           const char  *except,
                           GError     **error)
{
  Call call = { object, NULL, settings, except };

  return reformer_home_call (object, G_STRUCT_OFFSET (GObjectClass, set_property), set_all, &call, error);
}
