/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/config-json.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>
#include <libreformer/layers/reformer-model-error.h>

#include "files/reading.h"
#include "models/config-head.h"
#include "models/config-keys.h"

static gboolean
refuse (json_t      *value,
        const char  *path,
        const char  *key,
        const char  *wanted,
        GError     **error)
{
  g_autofree char *text = reformer_json_to_text (value, REFORMER_JSON_LINE);
  g_autofree char *seen = reformer_file_quote (g_strchomp (text));

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: \"%s\" is %s, %s is wanted", path, key, seen, wanted);

  return FALSE;
}

static gboolean
refuse_unsupported (const char  *path,
                    const char  *key,
                    const char  *seen,
                    const char  *wanted,
                    GError     **error)
{
  g_autofree char *text = reformer_file_quote (seen);

  g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "%s: \"%s\" is %s, %s is wanted", path, key, text, wanted);

  return FALSE;
}

/* Null where it means something; -1 in a file would be read back as null, so that it is refused there. */
static gboolean
read_null (ReformerConfig             *self,
           ReformerConfigId            id,
           json_t                     *object,
           const char                 *path,
           GError                    **error)
{
  const ReformerConfigField *field = &reformer_config_fields[id];
  static const char *const wanted[] = {
    [REFORMER_CONFIG_BOOLEAN] = "true or false",
    [REFORMER_CONFIG_INT] = "an integer",
    [REFORMER_CONFIG_INT64] = "an integer",
    [REFORMER_CONFIG_DOUBLE] = "a number",
    [REFORMER_CONFIG_STRING] = "text",
    [REFORMER_CONFIG_STRINGS] = "a list of texts",
    [REFORMER_CONFIG_INTEGERS] = "a list of integers",
    [REFORMER_CONFIG_DOUBLES] = "a list of numbers",
    [REFORMER_CONFIG_ENUM] = "text",
  };

  if (!field->nullable)
    return refuse (json_object_get (object, field->key), path, field->key, wanted[field->kind], error);

  if (field->kind == REFORMER_CONFIG_INT)
    reformer_config_change_int (self, id, -1);
  else if (field->kind == REFORMER_CONFIG_INT64)
    reformer_config_change_int64 (self, id, -1);
  else if (field->kind == REFORMER_CONFIG_DOUBLE)
    reformer_config_change_double (self, id, -1);
  else if (field->kind == REFORMER_CONFIG_INTEGERS)
    reformer_config_change_integers (self, id, NULL, 0);
  else if (field->kind == REFORMER_CONFIG_DOUBLES)
    reformer_config_change_doubles (self, id, NULL, 0);

  return TRUE;
}

static gboolean
read_doubles (ReformerConfig    *self,
              ReformerConfigId   id,
              json_t            *object,
              const char        *path,
              GError           **error)
{
  const char *key = reformer_config_fields[id].key;
  json_t *member = json_object_get (object, key);
  g_autofree double *values = g_new (double, json_array_size (member) + 1);

  if (!json_is_array (member))
    return refuse (member, path, key, "a list of numbers or null", error);
  for (gsize i = 0; i < json_array_size (member); i++)
    {
      if (!json_is_number (json_array_get (member, i)))
        return refuse (member, path, key, "a list of numbers or null", error);
      values[i] = json_number_value (json_array_get (member, i));
    }
  reformer_config_change_doubles (self, id, values, json_array_size (member));

  return TRUE;
}

static gboolean
read_integers (ReformerConfig    *self,
               ReformerConfigId   id,
               json_t            *object,
               const char        *path,
               GError           **error)
{
  const char *key = reformer_config_fields[id].key;
  json_t *member = json_object_get (object, key);
  g_autofree gint64 *read = NULL;
  g_autofree int *values = NULL;
  gsize n = 0;

  if (id != REFORMER_CONFIG_NUM_BUCKETS && !json_is_array (member))
    return refuse (member, path, key, "a list of integers", error);
  /* an empty list of buckets would be read as null */
  if (id == REFORMER_CONFIG_NUM_BUCKETS && json_is_array (member) && json_array_size (member) == 0)
    return refuse (member, path, key, "an integer, a list of them or null", error);

  if (!reformer_json_get_integers (object, path, key, G_MININT, G_MAXINT, &read, &n, error))
    return FALSE;

  values = g_new (int, n + 1);
  for (gsize i = 0; i < n; i++)
    values[i] = (int) read[i];
  reformer_config_change_integers (self, id, values, n);

  return TRUE;
}

static gboolean
read_field (ReformerConfig    *self,
            ReformerConfigId   id,
            json_t            *object,
            const char        *path,
            GError           **error)
{
  const ReformerConfigField *field = &reformer_config_fields[id];
  json_t *member = json_object_get (object, field->key);

  if (member == NULL)
    return TRUE;
  if (json_is_null (member))
    return read_null (self, id, object, path, error);

  switch (field->kind)
    {
    case REFORMER_CONFIG_BOOLEAN:
      {
        gboolean value = FALSE;

        if (!reformer_json_get_boolean (object, path, field->key, &value, error))
          return FALSE;
        reformer_config_change_boolean (self, id, value);
        return TRUE;
      }
    case REFORMER_CONFIG_INT:
    case REFORMER_CONFIG_INT64:
      {
        gboolean wide = field->kind == REFORMER_CONFIG_INT64;
        gint64 value = 0;

        if (!json_is_integer (member))
          return refuse (member, path, field->key, field->nullable ? "an integer or null" : "an integer", error);
        if (!reformer_json_get_integer (object, path, field->key, wide ? G_MININT64 : field->nullable ? 0 : G_MININT,
                                        wide ? G_MAXINT64 : G_MAXINT, &value, error))
          return FALSE;
        if (wide && value == -1)
          return refuse (member, path, field->key, "null or another integer", error);
        if (wide)
          reformer_config_change_int64 (self, id, value);
        else
          reformer_config_change_int (self, id, (int) value);
        return TRUE;
      }
    case REFORMER_CONFIG_DOUBLE:
      {
        double value = 0;

        if (!reformer_json_get_double (object, path, field->key, field->nullable ? 0 : -G_MAXDOUBLE, G_MAXDOUBLE, &value, error))
          return FALSE;
        reformer_config_change_double (self, id, value);
        return TRUE;
      }
    case REFORMER_CONFIG_STRING:
      {
        const char *value = NULL;

        if (!reformer_json_get_string (object, path, field->key, &value, error))
          return FALSE;
        reformer_config_change_string (self, id, value);
        return TRUE;
      }
    case REFORMER_CONFIG_STRINGS:
      {
        g_auto (GStrv) value = NULL;

        if (!reformer_json_get_strings (object, path, field->key, &value, error))
          return FALSE;
        reformer_config_change_strings (self, id, (const char *const *) value);
        return TRUE;
      }
    case REFORMER_CONFIG_INTEGERS:
      return read_integers (self, id, object, path, error);
    case REFORMER_CONFIG_DOUBLES:
      return read_doubles (self, id, object, path, error);
    case REFORMER_CONFIG_ENUM:
    default:
      return TRUE;
    }
}

/* num_labels, else the size of id2label; transformers wants numbers for its keys. */
static gboolean
read_labels (ReformerConfig  *self,
             json_t          *object,
             const char      *path,
             GError         **error)
{
  json_t *labels = NULL, *ids = NULL, *label;
  gint64 num_labels = self->num_labels;
  const char *key;

  if (!reformer_json_get_object (object, path, "id2label", &labels, error) ||
      !reformer_json_get_object (object, path, "label2id", &ids, error))
    return FALSE;

  if (labels != NULL)
    {
      num_labels = (gint64) json_object_size (labels);
      json_object_foreach (labels, key, label)
        if (!g_ascii_string_to_unsigned (key, 10, 0, G_MAXINT, NULL, NULL) || !json_is_string (label))
          return refuse (labels, path, "id2label", "an object with labels by their numbers", error);
    }

  if (!reformer_json_get_integer (object, path, "num_labels", G_MININT, G_MAXINT, &num_labels, error))
    return FALSE;

  reformer_config_set_num_labels (self, (int) MIN (num_labels, G_MAXINT));

  return TRUE;
}

/* A list of tokens that end a text is kept for the file; the property has the first. */
static gboolean
read_eos (ReformerConfig  *self,
          json_t          *object,
          const char      *path,
          GError         **error)
{
  json_t *member = json_object_get (object, "eos_token_id");
  g_autofree gint64 *ids = NULL;
  gsize n = 0;

  if (member == NULL)
    return TRUE;

  if (json_is_array (member) && json_array_size (member) == 0)
    return refuse (member, path, "eos_token_id", "an integer, a list of them or null", error);
  if (!reformer_json_get_integers (object, path, "eos_token_id", 0, G_MAXINT, &ids, &n, error))
    return FALSE;

  reformer_config_set_eos_token_id (self, n > 0 ? (int) ids[0] : -1);

  return TRUE;
}

static gboolean
read_head (ReformerConfig  *self,
           json_t          *object,
           const char      *path,
           GError         **error)
{
  g_auto (GStrv) names = NULL;
  const char *problem_type = NULL;
  ReformerHead head = REFORMER_HEAD_LANGUAGE;

  if (!reformer_json_get_strings (object, path, "architectures", &names, error) ||
      !reformer_json_get_string (object, path, "problem_type", &problem_type, error))
    return FALSE;

  reformer_config_set_problem_type (self, problem_type);
  if (!reformer_config_find_head (self, (const char *const *) names, path, &head, error))
    return FALSE;

  reformer_config_set_head (self, head);

  return TRUE;
}

static gboolean
check_model_type (json_t      *object,
                  const char  *path,
                  GError     **error)
{
  static const char *const encoder_decoder[] = { "is_encoder_decoder", "add_cross_attention" };
  const char *model_type = NULL;

  if (!reformer_json_get_string (object, path, "model_type", &model_type, error))
    return FALSE;
  if (g_strcmp0 (model_type, "reformer") != 0)
    {
      g_autofree char *seen = model_type != NULL ? g_strdup_printf ("\"%s\"", model_type) : g_strdup ("missing");

      return refuse_unsupported (path, "model_type", seen, "\"reformer\"", error);
    }

  for (guint i = 0; i < G_N_ELEMENTS (encoder_decoder); i++)
    {
      gboolean value = FALSE;

      if (!reformer_json_get_boolean (object, path, encoder_decoder[i], &value, error))
        return FALSE;
      if (value)
        return refuse_unsupported (path, encoder_decoder[i], "true", "false", error);
    }

  return TRUE;
}

/* What no property holds is kept for the next writing. */
static void
keep_others (ReformerConfig *self,
             json_t         *object)
{
  g_autoptr (json_t) kept = json_object ();
  const char *key;
  json_t *value;

  json_object_foreach (object, key, value)
    {
      gboolean ours = strcmp (key, "model_type") == 0 || strcmp (key, "architectures") == 0 || strcmp (key, "problem_type") == 0 ||
                      strcmp (key, "num_labels") == 0 || (strcmp (key, "eos_token_id") == 0 && !json_is_array (value));

      for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS && !ours; id++)
        ours = g_strcmp0 (reformer_config_fields[id].key, key) == 0;
      if (!ours)
        json_object_set_new_nocheck (kept, key, json_deep_copy (value));
    }

  reformer_config_take_kept (self, g_steal_pointer (&kept));
}

ReformerConfig *
reformer_config_new_from_object (json_t      *object,
                                 const char  *path,
                                 GError     **error)
{
  g_autoptr (ReformerConfig) self = reformer_config_new ();

  if (!check_model_type (object, path, error))
    return NULL;

  /* without our key the file is of transformers, which always wraps */
  reformer_config_set_local_attn_circular (self, TRUE);

  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    if (reformer_config_fields[id].key != NULL && !read_field (self, id, object, path, error))
      return NULL;

  /* transformers writes the number of layers always: it means nothing more than the list */
  if (self->num_hidden_layers >= 0 && (guint) self->num_hidden_layers == g_strv_length (self->attn_layers))
    reformer_config_set_num_hidden_layers (self, -1);

  if (!read_labels (self, object, path, error) ||
      !read_eos (self, object, path, error) ||
      !read_head (self, object, path, error))
    return NULL;

  keep_others (self, object);

  if (!reformer_config_validate (self, error))
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }

  if (self->unknown_keys[0] != NULL)
    {
      g_autofree char *keys = g_strjoinv (", ", self->unknown_keys);
      g_autofree char *text = reformer_file_quote (keys);

      g_info ("%s: unknown keys are kept and change nothing: %s", path, text);
    }

  return g_steal_pointer (&self);
}
