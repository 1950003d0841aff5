/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"
#include "models/config-json.h"

/**
 * reformer_config_new_from_json:
 * @text: the content of a `config.json`
 * @error: return location for an error
 *
 * Reads a configuration from text, as [func@Config.load] does from a file.
 *
 * Returns: (transfer full): a new configuration
 */
ReformerConfig *
reformer_config_new_from_json (const char  *text,
                               GError     **error)
{
  g_autoptr (json_t) object = NULL;

  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  object = reformer_json_parse (text, strlen (text), "config", error);

  return object != NULL ? reformer_config_new_from_object (object, "config", error) : NULL;
}

/* The path of a file, or of config.json in a folder; NULL after an error. */
static char *
find_path (GFile         *file,
           GCancellable  *cancellable,
           GError       **error)
{
  const char *path = g_file_peek_path (file);

  if (path == NULL)
    {
      g_autofree char *uri = g_file_get_uri (file);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s: is no local file, one with a path is wanted", uri);
      return NULL;
    }

  /* not with the cancellable: it would make the type unknown */
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  if (g_file_query_file_type (file, G_FILE_QUERY_INFO_NONE, NULL) == G_FILE_TYPE_DIRECTORY)
    return g_build_filename (path, "config.json", NULL);

  return g_strdup (path);
}

/**
 * reformer_config_load:
 * @file: a `config.json`, or the folder of a model that has one
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads a configuration, of this library or of transformers.
 *
 * Types are strict: text for a number, or true for 1, is an error that names the key, the value and what is wanted; an integer does for a
 * number with a fraction. Another `model_type` than `reformer` is refused. What is absent has its default, but for
 * [property@Config:local-attn-circular], which is then true. Keys that are no settings are kept and written back; see
 * [property@Config:unknown-keys]. The result is validated.
 *
 * [property@Config:head] comes from `architectures`; for a classifier from `problem_type`, and where that is null from the number of labels:
 * 1 is a regression. Without `architectures` a decoder has the language head, and anything else is a classifier.
 *
 * Returns: (transfer full): a new configuration
 */
ReformerConfig *
reformer_config_load (GFile         *file,
                      GCancellable  *cancellable,
                      GError       **error)
{
  g_autoptr (json_t) object = NULL;
  g_autofree char *path = NULL, *display = NULL;
  ReformerConfig *self;

  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  path = find_path (file, cancellable, error);
  if (path == NULL)
    return NULL;

  object = reformer_json_load (path, cancellable, error);
  display = g_filename_display_name (path);
  self = object != NULL ? reformer_config_new_from_object (object, display, error) : NULL;
  if (self == NULL)
    reformer_file_tidy (error);

  return self;
}

/**
 * reformer_config_save:
 * @self: a configuration
 * @file: where to write: a file, or a folder that exists and gets a `config.json`
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Writes the configuration so that transformers can read it, with all settings and the kept keys. The file is replaced as a whole or
 * not at all. A configuration that [method@Config.validate] refuses is not written.
 *
 * Returns: %TRUE if it was written
 */
gboolean
reformer_config_save (ReformerConfig  *self,
                      GFile           *file,
                      GCancellable    *cancellable,
                      GError         **error)
{
  g_autoptr (json_t) object = NULL;
  g_autofree char *path = NULL;

  g_return_val_if_fail (REFORMER_IS_CONFIG (self), FALSE);
  g_return_val_if_fail (G_IS_FILE (file), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!reformer_config_validate (self, error))
    return FALSE;

  path = find_path (file, cancellable, error);
  if (path == NULL)
    return FALSE;

  object = reformer_config_to_object (self);

  return reformer_json_save (object, REFORMER_JSON_ORDERED, path, cancellable, error) || reformer_file_tidy (error);
}

/**
 * reformer_config_to_json:
 * @self: a configuration
 *
 * Gets the text of a `config.json`, as [method@Config.save] writes it.
 *
 * `max_position_embeddings` is at least the product of the axial shape there, for transformers refuse longer sequences.
 *
 * Returns: (transfer full): the text, one member a line, by key
 */
char *
reformer_config_to_json (ReformerConfig *self)
{
  g_autoptr (json_t) object = NULL;

  g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL);

  object = reformer_config_to_object (self);

  return reformer_json_to_text (object, REFORMER_JSON_ORDERED);
}
