/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/config-json.h"

#include <string.h>

#include "models/config-head.h"
#include "models/config-keys.h"

/* names are made up to here; a file with more labels than it has names for has their number only */
#define MAX_NAMED_LABELS 65536

static json_t *
text_or_null (const char *text)
{
  g_autofree char *valid = text != NULL ? g_utf8_make_valid (text, -1) : NULL;

  return valid != NULL ? json_string (valid) : json_null ();
}

/* a number that JSON cannot hold, which no valid configuration has, is null */
static json_t *
double_or_null (double number)
{
  json_t *value = json_real (number);

  return value != NULL ? value : json_null ();
}

static json_t *
write_integers (const ReformerIntegers *integers)
{
  json_t *list = json_array ();

  for (gsize i = 0; i < integers->n; i++)
    json_array_append_new (list, json_integer (integers->values[i]));

  return list;
}

static json_t *
write_field (ReformerConfig   *self,
             ReformerConfigId  id)
{
  const ReformerConfigField *field = &reformer_config_fields[id];

  switch (field->kind)
    {
    case REFORMER_CONFIG_BOOLEAN:
      return json_boolean (*REFORMER_CONFIG_PLACE (self, field, gboolean));

    case REFORMER_CONFIG_INT:
    case REFORMER_CONFIG_INT64:
      {
        gint64 value = field->kind == REFORMER_CONFIG_INT ? *REFORMER_CONFIG_PLACE (self, field, int)
                                                          : *REFORMER_CONFIG_PLACE (self, field, gint64);

        if (id == REFORMER_CONFIG_NUM_HIDDEN_LAYERS)
          value = reformer_config_get_n_layers (self);
        else if (id == REFORMER_CONFIG_MAX_POSITION_EMBEDDINGS)
          value = MIN (reformer_config_get_n_embeddings (self), G_MAXINT);

        return field->nullable && value == -1 ? json_null () : json_integer (value);
      }

    case REFORMER_CONFIG_DOUBLE:
      {
        double value = *REFORMER_CONFIG_PLACE (self, field, double);

        return field->nullable && value == -1 ? json_null () : double_or_null (value);
      }

    case REFORMER_CONFIG_STRING:
      return text_or_null (*REFORMER_CONFIG_PLACE (self, field, char *));

    case REFORMER_CONFIG_STRINGS:
      {
        char **texts = *REFORMER_CONFIG_PLACE (self, field, char **);
        json_t *list = json_array ();

        for (guint i = 0; texts[i] != NULL; i++)
          json_array_append_new (list, text_or_null (texts[i]));
        return list;
      }

    case REFORMER_CONFIG_INTEGERS:
      {
        const ReformerIntegers *integers = REFORMER_CONFIG_PLACE (self, field, ReformerIntegers);

        if (id == REFORMER_CONFIG_NUM_BUCKETS && integers->n == 1)
          return json_integer (integers->values[0]);
        return field->nullable && integers->n == 0 ? json_null () : write_integers (integers);
      }

    case REFORMER_CONFIG_DOUBLES:
      {
        const ReformerDoubles *doubles = REFORMER_CONFIG_PLACE (self, field, ReformerDoubles);
        json_t *list = doubles->n > 0 ? json_array () : json_null ();

        for (gsize i = 0; i < doubles->n; i++)
          json_array_append_new (list, double_or_null (doubles->values[i]));
        return list;
      }

    case REFORMER_CONFIG_ENUM:
    default:
      return json_null ();
    }
}

/* As it is where it leads back to the head, else what does. */
static json_t *
write_problem_type (ReformerConfig *self)
{
  const char *needed = reformer_config_problem_from_head (self->head);
  ReformerHead read = reformer_config_head_from_labels (self->num_labels);

  if (needed == NULL)
    return text_or_null (self->problem_type);

  if ((self->problem_type == NULL || reformer_config_head_from_problem (self->problem_type, &read)) && read == self->head)
    return text_or_null (self->problem_type);

  return text_or_null (needed);
}

/* The labels of the file that was read, as long as there are as many; else new ones by transformers' pattern. */
static void
write_labels (ReformerConfig *self,
              json_t         *object)
{
  json_t *kept = json_object_get (object, "id2label"), *labels, *ids;

  if (json_is_object (kept) && (gint64) json_object_size (kept) == self->num_labels)
    return;

  json_object_del (object, "id2label");
  json_object_del (object, "label2id");

  if (self->num_labels < 1 || self->num_labels > MAX_NAMED_LABELS)
    {
      json_object_set_new (object, "num_labels", json_integer (self->num_labels));
      return;
    }

  labels = json_object ();
  ids = json_object ();
  for (int i = 0; i < self->num_labels; i++)
    {
      char number[16], label[24];

      g_snprintf (number, sizeof number, "%d", i);
      g_snprintf (label, sizeof label, "LABEL_%d", i);
      json_object_set_new (labels, number, json_string (label));
      json_object_set_new (ids, label, json_integer (i));
    }
  json_object_set_new (object, "id2label", labels);
  json_object_set_new (object, "label2id", ids);
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* By key, as transformers writes; what is inside kept members stays as it was. */
static json_t *
sort_members (json_t *object)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  json_t *sorted = json_object (), *value;
  const char *key;

  json_object_foreach (object, key, value)
    g_ptr_array_add (keys, (gpointer) key);
  g_ptr_array_sort (keys, compare);

  for (guint i = 0; i < keys->len; i++)
    json_object_set_nocheck (sorted, keys->pdata[i], json_object_get (object, keys->pdata[i]));

  return sorted;
}

json_t *
reformer_config_to_object (ReformerConfig *self)
{
  g_autoptr (json_t) object = self->kept != NULL ? json_deep_copy (self->kept) : json_object ();
  json_t *ends = json_object_get (object, "eos_token_id");

  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    if (reformer_config_fields[id].key != NULL)
      json_object_set_new (object, reformer_config_fields[id].key, write_field (self, id));

  if (!json_is_array (ends) || json_integer_value (json_array_get (ends, 0)) != self->eos_token_id)
    json_object_set_new (object, "eos_token_id", self->eos_token_id == -1 ? json_null () : json_integer (self->eos_token_id));

  json_object_set_new (object, "model_type", json_string ("reformer"));
  json_object_set_new (object, "architectures", json_pack ("[s]", reformer_config_architecture_from_head (self->head)));
  json_object_set_new (object, "problem_type", write_problem_type (self));
  write_labels (self, object);

  return sort_members (object);
}

void
reformer_config_take_kept (ReformerConfig *self,
                           json_t         *kept)
{
  g_auto (GStrv) unknown_keys = reformer_config_find_unknown (kept);

  json_decref (self->kept);
  self->kept = kept;

  if (!g_strv_equal ((const char *const *) unknown_keys, (const char *const *) self->unknown_keys))
    {
      char **old = self->unknown_keys;

      self->unknown_keys = g_steal_pointer (&unknown_keys);
      g_strfreev (old);
      g_object_notify (G_OBJECT (self), "unknown-keys");
    }
}

void
reformer_config_keep_text (ReformerConfig *self,
                           const char     *key,
                           const char     *text)
{
  json_t *kept = self->kept != NULL ? json_deep_copy (self->kept) : json_object ();

  if (text != NULL)
    json_object_set_new (kept, key, text_or_null (text));
  else
    json_object_del (kept, key);

  reformer_config_take_kept (self, kept);
}
