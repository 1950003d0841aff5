/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/checkpoint-private.h"

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"
#include "training/numbers.h"

typedef enum
{
  UINT,
  INT,
  INT64,
  UINT64,
  DOUBLE,
  KEEP,
} Kind;

typedef struct
{
  const char *name;
  Kind        kind;
  gsize       offset;
} Field;

#define FIELD(name, kind) { #name, kind, G_STRUCT_OFFSET (ReformerTrainingState, name) }

static const Field fields[] = {
  FIELD (step, UINT),
  FIELD (total_steps, UINT),
  FIELD (seed, UINT64),
  FIELD (sequence, UINT),
  FIELD (epoch, UINT),
  FIELD (index, INT64),
  FIELD (length, INT),
  FIELD (tokens, INT64),
  FIELD (n_skipped, UINT),
  FIELD (skipped_in_a_row, UINT),
  FIELD (best_loss, DOUBLE),
  FIELD (best_step, UINT),
  FIELD (worse, UINT),
  FIELD (evaluated_step, UINT),
  FIELD (keep, KEEP),
};

#define PLACE(state, field, type) ((type *) G_STRUCT_MEMBER_P (state, (field)->offset))

const char *const *
reformer_training_state_get_fields (void)
{
  static const char *names[G_N_ELEMENTS (fields) + 1];
  static gsize made = 0;

  if (g_once_init_enter (&made))
    {
      for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
        names[i] = fields[i].name;
      g_once_init_leave (&made, 1);
    }
  return names;
}

static json_t *
write_field (const ReformerTrainingState *state,
             const Field                 *field)
{
  switch (field->kind)
    {
    case UINT:
      return json_integer (*PLACE (state, field, const guint));
    case INT:
      return json_integer (*PLACE (state, field, const int));
    case INT64:
      return json_integer (*PLACE (state, field, const gint64));
    case UINT64:
      return reformer_number_new_unsigned (*PLACE (state, field, const guint64));
    case DOUBLE:
      return reformer_number_new_double (*PLACE (state, field, const double));
    case KEEP:
    default:
      {
        g_autoptr (GEnumClass) klass = g_type_class_ref (REFORMER_TYPE_KEEP);

        return json_string (g_enum_get_value (klass, (int) *PLACE (state, field, const ReformerKeep))->value_nick);
      }
    }
}

json_t *
reformer_training_state_to_json (const ReformerTrainingState *state)
{
  json_t *object = json_object ();

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    json_object_set_new (object, fields[i].name, write_field (state, &fields[i]));
  return object;
}

static gboolean
read_keep (ReformerKeep  *keep,
           json_t        *object,
           const char    *path,
           const char    *name,
           GError       **error)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (REFORMER_TYPE_KEEP);
  const char *nick = NULL;
  GEnumValue *value;
  g_autofree char *seen = NULL;

  if (!reformer_json_get_string (object, path, name, &nick, error))
    return FALSE;
  value = g_enum_get_value_by_nick (klass, nick);
  if (value != NULL)
    {
      *keep = (ReformerKeep) value->value;
      return TRUE;
    }
  seen = reformer_file_quote (nick);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: \"%s\" is \"%s\", auto, everything, inputs or nothing is wanted", path, name, seen);
  return FALSE;
}

static gboolean
read_field (ReformerTrainingState  *state,
            const Field            *field,
            json_t                 *object,
            const char             *path,
            GError                **error)
{
  gint64 number = 0;

  if (!reformer_json_require (object, path, field->name, error))
    return FALSE;
  switch (field->kind)
    {
    case UINT:
      if (!reformer_json_get_integer (object, path, field->name, 0, G_MAXUINT, &number, error))
        return FALSE;
      *PLACE (state, field, guint) = (guint) number;
      return TRUE;
    case INT:
      if (!reformer_json_get_integer (object, path, field->name, 0, G_MAXINT, &number, error))
        return FALSE;
      *PLACE (state, field, int) = (int) number;
      return TRUE;
    case INT64:
      return reformer_json_get_integer (object, path, field->name, 0, G_MAXINT64, PLACE (state, field, gint64), error);
    case UINT64:
      return reformer_number_get_unsigned (object, path, field->name, 0, G_MAXUINT64, PLACE (state, field, guint64), error);
    case DOUBLE:
      return reformer_number_get_double (object, path, field->name, PLACE (state, field, double), error);
    case KEEP:
    default:
      return read_keep (PLACE (state, field, ReformerKeep), object, path, field->name, error);
    }
}

gboolean
reformer_training_state_from_json (ReformerTrainingState  *state,
                                   json_t                 *object,
                                   const char             *path,
                                   const char             *except,
                                   GError                **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (g_strcmp0 (fields[i].name, except) != 0 && !read_field (state, &fields[i], object, path, error))
      return FALSE;
  return TRUE;
}
