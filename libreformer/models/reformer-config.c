/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/models/reformer-config.h>

#include <math.h>
#include <string.h>

#include "models/config-private.h"

/**
 * ReformerConfig:
 *
 * The settings that make a model: sizes, kinds of layers, positions, hashing, head.
 *
 * The properties have transformers' names, meanings and defaults (release 5.23.0), so that a `config.json` of either side is one of the
 * other. A null of the file is -1 for a number and the empty list for a list, where a property says so.
 *
 * Lists of numbers are properties of type `ai` or `ad` ([type@GLib.Variant]); Python and JavaScript take plain lists for them, C and Vala
 * have setters with arrays.
 *
 * Any value can be set, in any order. [method@Config.validate] says whether all of them together make a model, and if not which one
 * does not fit and what would. A model copies its configuration.
 *
 * ```python
 * config = Reformer.Config(is_decoder=True, attn_layers=["local", "lsh"], num_hashes=4)
 * config.choose_axial_shape(16384, 2)
 * config.validate()
 * print(config.to_json())
 * ```
 */

G_DEFINE_FINAL_TYPE (ReformerConfig, reformer_config, G_TYPE_OBJECT)

static GParamSpec *properties[REFORMER_CONFIG_N_PROPERTIES];

static void
reformer_config_finalize (GObject *object)
{
  ReformerConfig *self = REFORMER_CONFIG (object);

  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    {
      const ReformerConfigField *field = &reformer_config_fields[id];

      if (field->kind == REFORMER_CONFIG_STRING)
        g_free (*REFORMER_CONFIG_PLACE (self, field, char *));
      else if (field->kind == REFORMER_CONFIG_STRINGS)
        g_strfreev (*REFORMER_CONFIG_PLACE (self, field, char **));
      else if (field->kind == REFORMER_CONFIG_INTEGERS)
        g_free (REFORMER_CONFIG_PLACE (self, field, ReformerIntegers)->values);
      else if (field->kind == REFORMER_CONFIG_DOUBLES)
        g_free (REFORMER_CONFIG_PLACE (self, field, ReformerDoubles)->values);
    }

  json_decref (self->kept);
  g_strfreev (self->unknown_keys);

  G_OBJECT_CLASS (reformer_config_parent_class)->finalize (object);
}

static void
reformer_config_get_property (GObject    *object,
                              guint       id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  ReformerConfig *self = REFORMER_CONFIG (object);
  const ReformerConfigField *field = &reformer_config_fields[id < REFORMER_CONFIG_N_FIELDS ? id : 0];

  if (id == REFORMER_CONFIG_UNKNOWN_KEYS)
    {
      g_value_set_boxed (value, self->unknown_keys);
      return;
    }

  switch (field->kind)
    {
    case REFORMER_CONFIG_BOOLEAN:
      g_value_set_boolean (value, *REFORMER_CONFIG_PLACE (self, field, gboolean));
      break;
    case REFORMER_CONFIG_INT:
      g_value_set_int (value, *REFORMER_CONFIG_PLACE (self, field, int));
      break;
    case REFORMER_CONFIG_INT64:
      g_value_set_int64 (value, *REFORMER_CONFIG_PLACE (self, field, gint64));
      break;
    case REFORMER_CONFIG_DOUBLE:
      g_value_set_double (value, *REFORMER_CONFIG_PLACE (self, field, double));
      break;
    case REFORMER_CONFIG_STRING:
      g_value_set_string (value, *REFORMER_CONFIG_PLACE (self, field, char *));
      break;
    case REFORMER_CONFIG_STRINGS:
      g_value_set_boxed (value, *REFORMER_CONFIG_PLACE (self, field, char **));
      break;
    case REFORMER_CONFIG_INTEGERS:
      {
        const ReformerIntegers *integers = REFORMER_CONFIG_PLACE (self, field, ReformerIntegers);

        g_value_set_variant (value, g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, integers->values, integers->n, sizeof (int)));
        break;
      }
    case REFORMER_CONFIG_DOUBLES:
      {
        const ReformerDoubles *doubles = REFORMER_CONFIG_PLACE (self, field, ReformerDoubles);

        g_value_set_variant (value, g_variant_new_fixed_array (G_VARIANT_TYPE_DOUBLE, doubles->values, doubles->n, sizeof (double)));
        break;
      }
    case REFORMER_CONFIG_ENUM:
      g_value_set_enum (value, (int) self->head);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
}

static void
reformer_config_set_property (GObject      *object,
                              guint         id,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  ReformerConfig *self = REFORMER_CONFIG (object);

  switch (id < REFORMER_CONFIG_N_FIELDS ? reformer_config_fields[id].kind : G_MAXINT)
    {
    case REFORMER_CONFIG_BOOLEAN:
      reformer_config_change_boolean (self, id, g_value_get_boolean (value));
      break;
    case REFORMER_CONFIG_INT:
      reformer_config_change_int (self, id, g_value_get_int (value));
      break;
    case REFORMER_CONFIG_INT64:
      reformer_config_change_int64 (self, id, g_value_get_int64 (value));
      break;
    case REFORMER_CONFIG_DOUBLE:
      reformer_config_change_double (self, id, g_value_get_double (value));
      break;
    case REFORMER_CONFIG_STRING:
      reformer_config_change_string (self, id, g_value_get_string (value));
      break;
    case REFORMER_CONFIG_STRINGS:
      reformer_config_change_strings (self, id, g_value_get_boxed (value));
      break;
    case REFORMER_CONFIG_INTEGERS:
      {
        GVariant *variant = g_value_get_variant (value);
        gsize n = 0;
        const int *values = variant != NULL ? g_variant_get_fixed_array (variant, &n, sizeof (int)) : NULL;

        reformer_config_change_integers (self, id, values, n);
        break;
      }
    case REFORMER_CONFIG_DOUBLES:
      {
        GVariant *variant = g_value_get_variant (value);
        gsize n = 0;
        const double *values = variant != NULL ? g_variant_get_fixed_array (variant, &n, sizeof (double)) : NULL;

        reformer_config_change_doubles (self, id, values, n);
        break;
      }
    case REFORMER_CONFIG_ENUM:
      reformer_config_set_head (self, (ReformerHead) g_value_get_enum (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
}

static void
reformer_config_class_init (ReformerConfigClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  G_STATIC_ASSERT (sizeof (int) == sizeof (gint32));

  object_class->finalize = reformer_config_finalize;
  object_class->get_property = reformer_config_get_property;
  object_class->set_property = reformer_config_set_property;

  reformer_config_install_properties (object_class, properties);
}

static void
reformer_config_init (ReformerConfig *self)
{
  const char *const attn_layers[] = { "local", "lsh", "local", "lsh", "local", "lsh", NULL };

  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    {
      const ReformerConfigField *field = &reformer_config_fields[id];

      if (field->kind == REFORMER_CONFIG_BOOLEAN)
        *REFORMER_CONFIG_PLACE (self, field, gboolean) = field->standard != 0;
      else if (field->kind == REFORMER_CONFIG_INT)
        *REFORMER_CONFIG_PLACE (self, field, int) = (int) field->standard;
      else if (field->kind == REFORMER_CONFIG_INT64)
        *REFORMER_CONFIG_PLACE (self, field, gint64) = (gint64) field->standard;
      else if (field->kind == REFORMER_CONFIG_DOUBLE)
        *REFORMER_CONFIG_PLACE (self, field, double) = field->standard;
    }

  self->head = REFORMER_HEAD_LANGUAGE;
  self->hidden_act = g_strdup ("relu");
  self->attn_layers = g_strdupv ((char **) attn_layers);
  self->axial_pos_shape.n = self->axial_pos_embds_dim.n = 2;
  self->axial_pos_shape.values = g_memdup2 (((const int[]) { 64, 64 }), 2 * sizeof (int));
  self->axial_pos_embds_dim.values = g_memdup2 (((const int[]) { 64, 192 }), 2 * sizeof (int));
  self->unknown_keys = g_new0 (char *, 1);
}

void
reformer_config_change_boolean (ReformerConfig   *self,
                                ReformerConfigId  id,
                                gboolean          value)
{
  gboolean *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], gboolean);

  if (!*place == !value)
    return;

  *place = !!value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_int (ReformerConfig   *self,
                            ReformerConfigId  id,
                            int               value)
{
  int *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], int);

  if (*place == value)
    return;

  *place = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_enum (ReformerConfig   *self,
                             ReformerConfigId  id,
                             int               value)
{
  ReformerHead *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], ReformerHead);

  if (*place == (ReformerHead) value)
    return;

  *place = (ReformerHead) value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_int64 (ReformerConfig   *self,
                              ReformerConfigId  id,
                              gint64            value)
{
  gint64 *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], gint64);

  if (*place == value)
    return;

  *place = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_double (ReformerConfig   *self,
                               ReformerConfigId  id,
                               double            value)
{
  double *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], double);

  if (*place == value)
    return;

  *place = value;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_string (ReformerConfig   *self,
                               ReformerConfigId  id,
                               const char       *value)
{
  char **place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], char *);
  g_autofree char *old = *place;

  if (g_strcmp0 (old, value) == 0)
    {
      old = NULL;
      return;
    }

  *place = g_strdup (value);
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_strings (ReformerConfig    *self,
                                ReformerConfigId   id,
                                const char *const *value)
{
  char ***place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], char **);
  static const char *const none[] = { NULL };
  g_auto (GStrv) old = *place;

  if (value == NULL)
    value = none;

  if (g_strv_equal ((const char *const *) old, value))
    {
      old = NULL;
      return;
    }

  *place = g_strdupv ((char **) value);
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_integers (ReformerConfig   *self,
                                 ReformerConfigId  id,
                                 const int        *values,
                                 gsize             n)
{
  ReformerIntegers *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], ReformerIntegers);
  g_autofree int *old = NULL;

  if (n == place->n && (n == 0 || memcmp (place->values, values, n * sizeof (int)) == 0))
    return;

  old = place->values;
  place->values = n > 0 ? g_memdup2 (values, n * sizeof (int)) : NULL;
  place->n = n;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

void
reformer_config_change_doubles (ReformerConfig   *self,
                                ReformerConfigId  id,
                                const double     *values,
                                gsize             n)
{
  ReformerDoubles *place = REFORMER_CONFIG_PLACE (self, &reformer_config_fields[id], ReformerDoubles);
  g_autofree double *old = NULL;

  if (n == place->n && (n == 0 || memcmp (place->values, values, n * sizeof (double)) == 0))
    return;

  old = place->values;
  place->values = n > 0 ? g_memdup2 (values, n * sizeof (double)) : NULL;
  place->n = n;
  g_object_notify_by_pspec (G_OBJECT (self), properties[id]);
}

int *
reformer_config_dup_integers (const ReformerIntegers *integers,
                              gsize                  *n)
{
  if (n != NULL)
    *n = integers->n;

  return integers->n > 0 ? g_memdup2 (integers->values, integers->n * sizeof (int)) : NULL;
}

/**
 * reformer_config_new:
 *
 * Makes a configuration with the default values.
 *
 * Returns: (transfer full): a new configuration
 */
ReformerConfig *
reformer_config_new (void)
{
  return g_object_new (REFORMER_TYPE_CONFIG, NULL);
}

/**
 * reformer_config_copy:
 * @self: a configuration
 *
 * Makes a configuration with the same settings and the same kept keys.
 *
 * Returns: (transfer full): the copy
 */
ReformerConfig *
reformer_config_copy (ReformerConfig *self)
{
  ReformerConfig *copy = NULL;

  g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL);

  copy = reformer_config_new ();
  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, properties[id]->value_type);
      reformer_config_get_property (G_OBJECT (self), id, &value, properties[id]);
      reformer_config_set_property (G_OBJECT (copy), id, &value, properties[id]);
    }

  reformer_config_take_kept (copy, self->kept != NULL ? json_deep_copy (self->kept) : NULL);

  return copy;
}

/**
 * reformer_config_equal:
 * @self: a configuration
 * @other: another configuration
 *
 * Whether two configurations have the same settings. Keys that are only kept for a file do not count.
 *
 * Returns: %TRUE if they make the same model
 */
gboolean
reformer_config_equal (ReformerConfig *self,
                       ReformerConfig *other)
{
  g_return_val_if_fail (REFORMER_IS_CONFIG (self), FALSE);
  g_return_val_if_fail (REFORMER_IS_CONFIG (other), FALSE);

  for (guint id = 1; id < REFORMER_CONFIG_N_FIELDS; id++)
    {
      const ReformerConfigField *field = &reformer_config_fields[id];
      gconstpointer a = REFORMER_CONFIG_PLACE (self, field, void), b = REFORMER_CONFIG_PLACE (other, field, void);
      gboolean same;

      switch (field->kind)
        {
        case REFORMER_CONFIG_INT64:
          same = *(const gint64 *) a == *(const gint64 *) b;
          break;
        case REFORMER_CONFIG_DOUBLE:
          {
            double x = *(const double *) a, y = *(const double *) b;

            same = x == y || (isnan (x) && isnan (y));
            break;
          }
        case REFORMER_CONFIG_STRING:
          same = g_strcmp0 (*(char *const *) a, *(char *const *) b) == 0;
          break;
        case REFORMER_CONFIG_STRINGS:
          same = g_strv_equal (*(const char *const *const *) a, *(const char *const *const *) b);
          break;
        case REFORMER_CONFIG_INTEGERS:
          {
            const ReformerIntegers *i = a, *j = b;

            same = i->n == j->n && (i->n == 0 || memcmp (i->values, j->values, i->n * sizeof (int)) == 0);
            break;
          }
        case REFORMER_CONFIG_DOUBLES:
          {
            const ReformerDoubles *i = a, *j = b;

            same = i->n == j->n && (i->n == 0 || memcmp (i->values, j->values, i->n * sizeof (double)) == 0);
            break;
          }
        case REFORMER_CONFIG_BOOLEAN:
        case REFORMER_CONFIG_INT:
        case REFORMER_CONFIG_ENUM:
        default:
          same = memcmp (a, b, sizeof (int)) == 0;
          break;
        }

      if (!same)
        return FALSE;
    }

  return TRUE;
}

/**
 * reformer_config_get_unknown_keys:
 * @self: a configuration
 *
 * Gets the keys of the file that neither this library nor transformers knows.
 *
 * Returns: (transfer none) (array zero-terminated=1): the keys, sorted
 */
const char *const *
reformer_config_get_unknown_keys (ReformerConfig *self)
{
  g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL);

  return (const char *const *) self->unknown_keys;
}

gboolean
reformer_config_has_kind (ReformerConfig *self,
                          const char     *kind)
{
  return g_strv_contains ((const char *const *) self->attn_layers, kind);
}
