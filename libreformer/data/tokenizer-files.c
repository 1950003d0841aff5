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

/* The model beside it, which must be the one that the name says. */
static ReformerTokenizer *
load_pieces (GFile         *folder,
             const char    *path,
             const char    *name,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autoptr (GFile) file = g_file_get_child (folder, REFORMER_SENTENCE_PIECE_FILE);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_sentence_piece_tokenizer_new_from_file (file, cancellable, error);
  g_autofree char *identity = NULL, *quoted = NULL;

  if (tokenizer == NULL)
    return NULL;
  identity = reformer_tokenizer_identify (tokenizer, NULL);
  if (g_strcmp0 (identity, name) == 0)
    return g_steal_pointer (&tokenizer);
  quoted = reformer_file_quote (name);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "%s: the tokenizer is \"%s\", but " REFORMER_SENTENCE_PIECE_FILE " beside it is \"%s\"; wanted the file of that SHA-256",
               path, quoted, identity);
  return NULL;
}

/* Of a name and the number of ids. */
static ReformerTokenizer *
make (GFile         *folder,
      const char    *path,
      const char    *name,
      GCancellable  *cancellable,
      GError       **error)
{
  g_autofree char *quoted = NULL;

  if (g_str_equal (name, REFORMER_BYTE_TOKENIZER_NAME))
    return reformer_byte_tokenizer_new ();
  if (g_str_has_prefix (name, REFORMER_ALPHABET_TOKENIZER_NAME))
    return reformer_alphabet_tokenizer_new (name + strlen (REFORMER_ALPHABET_TOKENIZER_NAME));
  if (g_str_has_prefix (name, REFORMER_SENTENCE_PIECE_NAME))
    return load_pieces (folder, path, name, cancellable, error);
  quoted = reformer_file_quote (name);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED,
               "%s: the tokenizer \"%s\" is not known, only \"" REFORMER_BYTE_TOKENIZER_NAME "\", \"" REFORMER_ALPHABET_TOKENIZER_NAME "LETTERS\" and \"" REFORMER_SENTENCE_PIECE_NAME "SHA-256\" are; a program that has it can give its own", path,
               quoted);
  return NULL;
}

static ReformerTokenizer *
read_object (json_t        *object,
             GFile         *folder,
             const char    *path,
             GCancellable  *cancellable,
             GError       **error)
{
  g_autoptr (ReformerTokenizer) tokenizer = NULL;
  gint64 version, n_ids;
  const char *name;
  int wanted;

  if (!check_members (object, path, error) || !reformer_json_get_integer (object, path, "version", VERSION, VERSION, &version, error) ||
      !reformer_json_get_string (object, path, "tokenizer", &name, error))
    return NULL;
  tokenizer = make (folder, path, name, cancellable, error);
  wanted = tokenizer != NULL ? reformer_tokenizer_count_ids (tokenizer, error) : -1;
  if (tokenizer != NULL && wanted < 0)
    g_prefix_error (error, "%s: ", path);
  if (wanted < 0 || !reformer_json_get_integer (object, path, "ids", wanted, wanted, &n_ids, error))
    return NULL;
  return g_steal_pointer (&tokenizer);
}

/* Folders of others do not name a tokenizer, but may have one. */
static ReformerTokenizer *
load_unnamed (GFile         *folder,
              GCancellable  *cancellable,
              GError       **error)
{
  g_autoptr (GFile) file = g_file_get_child (folder, REFORMER_SENTENCE_PIECE_FILE);
  g_autoptr (GError) problem = NULL;
  ReformerTokenizer *tokenizer;

  if (error == NULL || !g_error_matches (*error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND))
    return NULL;
  tokenizer = reformer_sentence_piece_tokenizer_new_from_file (file, cancellable, &problem);
  if (tokenizer != NULL)
    {
      g_clear_error (error);
    }
  else if (!g_error_matches (problem, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND))
    {
      g_clear_error (error);
      g_propagate_error (error, g_steal_pointer (&problem));
    }
  return tokenizer;
}

/**
 * reformer_tokenizer_load:
 * @folder: the folder of a model
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Makes the tokenizer that a model was trained with, from the file `reformer-tokenizer.json` of its folder, and for SentencePiece from `spiece.model` beside it. A folder
 * of transformers has `spiece.model` alone.
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
  g_autoptr (GFile) resolved = NULL;
  ReformerTokenizer *tokenizer = NULL;
  GError *problem = NULL;

  g_return_val_if_fail (G_IS_FILE (folder), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  given = reformer_file_local_path (folder, error);
  if (given == NULL)
    return NULL;
  found = reformer_atomic_folder_resolve (given);
  path = g_build_filename (found, REFORMER_TOKENIZER_FILE, NULL);
  display = g_filename_display_name (path);
  resolved = g_file_new_for_path (found);
  object = reformer_json_load (path, cancellable, &problem);
  tokenizer = object != NULL ? read_object (object, resolved, display, cancellable, &problem) : load_unnamed (resolved, cancellable, &problem);
  if (tokenizer == NULL)
    {
      reformer_file_tidy (&problem);
      g_propagate_error (error, problem);
    }
  return tokenizer;
}

static gboolean
save_pieces (ReformerSentencePieceTokenizer  *self,
             const char                      *folder,
             GCancellable                    *cancellable,
             GError                         **error)
{
  g_autofree char *path = g_build_filename (folder, REFORMER_SENTENCE_PIECE_FILE, NULL);
  gsize n;
  gconstpointer bytes = g_bytes_get_data (reformer_sentence_piece_tokenizer_get_file (self), &n);

  return reformer_atomic_write (path, bytes, n, cancellable, error);
}

/**
 * reformer_tokenizer_save:
 * @self: a tokenizer
 * @folder: the folder of a model, which exists
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Writes the name of the tokenizer to the file `reformer-tokenizer.json` of a folder, and for SentencePiece the file `spiece.model` before it. Each is replaced as a whole
 * or not at all. A `tokenizer.json` of transformers is left alone.
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
  if (REFORMER_IS_SENTENCE_PIECE_TOKENIZER (self) && !save_pieces (REFORMER_SENTENCE_PIECE_TOKENIZER (self), parent, cancellable, error))
    return reformer_file_tidy (error);
  valid = g_utf8_make_valid (name, -1);
  object = json_pack ("{s:i, s:s, s:i}", "version", VERSION, "tokenizer", valid, "ids", n_ids);
  return reformer_json_save (object, REFORMER_JSON_ORDERED, path, cancellable, error) || reformer_file_tidy (error);
}
