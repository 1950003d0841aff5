/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/tokenizer-private.h"

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>

#include "files/atomic.h"
#include "files/json.h"
#include "files/reading.h"

/* The only version of the file. */
#define VERSION 1

static gboolean
check_members (json_t      *object,
               const char  *path,
               GError     **error)
{
  const char *name;
  json_t *value;

  json_object_foreach (object, name, value)
    if (!g_str_equal (name, "version") && !g_str_equal (name, "tokenizer") && !g_str_equal (name, "ids"))
      {
        g_autofree char *quoted = reformer_file_quote (name);

        g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s: \"%s\" is not known; wanted \"version\", \"tokenizer\" and \"ids\"", path, quoted);
        return FALSE;
      }
  return reformer_json_require (object, path, "version", error) && reformer_json_require (object, path, "tokenizer", error) &&
         reformer_json_require (object, path, "ids", error);
}

static ReformerTokenizer *
read_object (json_t      *object,
             const char  *path,
             GError     **error)
{
  gint64 version, n_ids;
  const char *name;

  if (!check_members (object, path, error) || !reformer_json_get_integer (object, path, "version", VERSION, VERSION, &version, error) ||
      !reformer_json_get_string (object, path, "tokenizer", &name, error))
    return NULL;
  if (!g_str_equal (name, REFORMER_BYTE_TOKENIZER_NAME))
    {
      g_autofree char *quoted = reformer_file_quote (name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED,
                   "%s: the tokenizer \"%s\" is not known, only \"" REFORMER_BYTE_TOKENIZER_NAME "\" is; a program that has it can give its own", path, quoted);
      return NULL;
    }
  else
    {
      g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
      const int wanted = reformer_tokenizer_count_ids (tokenizer, NULL);

      if (!reformer_json_get_integer (object, path, "ids", wanted, wanted, &n_ids, error))
        return NULL;
      return g_steal_pointer (&tokenizer);
    }
}

/**
 * reformer_tokenizer_load:
 * @folder: the folder of a model
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Makes the tokenizer that a model was trained with, from the file `reformer-tokenizer.json` of its folder.
 *
 * Returns: (transfer full): a new tokenizer, or %NULL with @error set: `NOT_FOUND` of [error@FileError] if the folder does not say, `UNSUPPORTED` if it names one that is not
 *   the library's
 */
ReformerTokenizer *
reformer_tokenizer_load (GFile         *folder,
                         GCancellable  *cancellable,
                         GError       **error)
{
  g_autofree char *given = NULL, *found = NULL, *path = NULL, *display = NULL;
  g_autoptr (json_t) object = NULL;
  ReformerTokenizer *tokenizer;

  g_return_val_if_fail (G_IS_FILE (folder), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  given = reformer_file_local_path (folder, error);
  if (given == NULL)
    return NULL;
  found = reformer_atomic_folder_resolve (given);
  path = g_build_filename (found, REFORMER_TOKENIZER_FILE, NULL);
  display = g_filename_display_name (path);
  object = reformer_json_load (path, cancellable, error);
  tokenizer = object != NULL ? read_object (object, display, error) : NULL;
  if (tokenizer == NULL)
    reformer_file_tidy (error);
  return tokenizer;
}

/**
 * reformer_tokenizer_save:
 * @self: a tokenizer
 * @folder: the folder of a model, which exists
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Writes the name of the tokenizer to the file `reformer-tokenizer.json` of a folder, which is replaced as a whole or not at all. A `tokenizer.json` of
 * transformers is left alone.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@FileError]
 */
gboolean
reformer_tokenizer_save (ReformerTokenizer  *self,
                         GFile              *folder,
                         GCancellable       *cancellable,
                         GError            **error)
{
  g_autofree char *parent = NULL, *path = NULL, *name = NULL, *valid = NULL;
  g_autoptr (json_t) object = NULL;
  GError *problem = NULL;
  int n_ids;

  g_return_val_if_fail (REFORMER_IS_TOKENIZER (self), FALSE);
  g_return_val_if_fail (G_IS_FILE (folder), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  parent = reformer_file_local_path (folder, error);
  if (parent == NULL)
    return FALSE;
  path = g_build_filename (parent, REFORMER_TOKENIZER_FILE, NULL);
  name = reformer_tokenizer_identify (self, error);
  if (name == NULL)
    return FALSE;
  n_ids = reformer_tokenizer_count_ids (self, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  valid = g_utf8_make_valid (name, -1);
  object = json_pack ("{s:i, s:s, s:i}", "version", VERSION, "tokenizer", valid, "ids", n_ids);
  return reformer_json_save (object, REFORMER_JSON_ORDERED, path, cancellable, error) || reformer_file_tidy (error);
}
