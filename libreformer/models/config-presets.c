/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include <libreformer/layers/reformer-model-error.h>

#include "files/reading.h"
#include "models/config-json.h"

#define FOLDER "/org/reformer/presets"
#define ENDING ".json"

/* Made by glib-compile-resources; naming it keeps the linker from leaving the resource out of a static library's user. */
extern GResource *reformer_presets_get_resource (void);

static int
compare (gconstpointer a,
         gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/**
 * reformer_config_list_presets:
 *
 * Lists the names that [ctor@Config.new_preset] knows.
 *
 * Returns: (transfer full) (array zero-terminated=1): names, in order
 */
char **
reformer_config_list_presets (void)
{
  char **names;

  reformer_presets_get_resource ();
  names = g_resources_enumerate_children (FOLDER, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (names == NULL)
    return g_new0 (char *, 1);
  for (char **name = names; *name != NULL; name++)
    if (g_str_has_suffix (*name, ENDING))
      (*name)[strlen (*name) - strlen (ENDING)] = '\0';
  qsort (names, g_strv_length (names), sizeof *names, compare);
  return names;
}

static void
set_unknown (const char  *name,
             GError     **error)
{
  g_auto (GStrv) names = reformer_config_list_presets ();
  g_autofree char *list = g_strjoinv (", ", names);
  g_autofree char *quoted = reformer_file_quote (name);

  g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "there is no preset \"%s\"; the presets are %s", quoted, list);
}

/**
 * reformer_config_new_preset:
 * @name: the name of a preset
 * @error: return location for an error
 *
 * Creates the configuration of a causal model that comes with the library.
 *
 * `small` has about 0.9 million parameters and 65,536 positions: 4 layers, local and LSH attention in turn, 128 wide, 258 ids as [class@ByteTokenizer] makes them. It
 * learns something of a book within minutes on a processor. `bench-lsh` and `bench-mixed`, with 6 layers, 256 wide, and a million positions, are those by which the
 * library is measured: LSH attention alone, or local and LSH attention in turn.
 *
 * `enwik8` and `crime-and-punishment` are those of the public models `google/reformer-enwik8` (149,182,722 parameters, bytes as [class@ByteTokenizer] makes them) and
 * `google/reformer-crime-and-punishment` (2,748,224 parameters, 320 pieces of a [class@SentencePieceTokenizer]), so that a folder of theirs fits. Their weights do not come along.
 *
 * Returns: (transfer full): a new configuration, or %NULL with @error set: `UNSUPPORTED` of [error@ModelError], with the names that are known
 */
ReformerConfig *
reformer_config_new_preset (const char  *name,
                            GError     **error)
{
  g_autofree char *path = NULL, *title = NULL;
  g_autoptr (GBytes) text = NULL;
  g_autoptr (json_t) object = NULL;
  gconstpointer data;
  gsize n_bytes;

  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  reformer_presets_get_resource ();
  path = g_strconcat (FOLDER "/", name, ENDING, NULL);
  text = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (text == NULL)
    {
      set_unknown (name, error);
      return NULL;
    }
  title = g_strconcat ("preset ", name, NULL);
  data = g_bytes_get_data (text, &n_bytes);
  object = reformer_json_parse (data, n_bytes, title, error);
  return object != NULL ? reformer_config_new_from_object (object, title, error) : NULL;
}
