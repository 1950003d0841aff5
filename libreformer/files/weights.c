/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/atomic.h"
#include "files/json.h"
#include "files/reading.h"

#define WHOLE "model.safetensors"
#define INDEX "model.safetensors.index.json"

struct _ReformerWeights
{
  gatomicrefcount                  n_refs;
  char                            *path;
  GPtrArray                       *files;
  const ReformerSafetensorsEntry **entries; /* by name */
  gsize                            n_entries;
};

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp ((*(const ReformerSafetensorsEntry *const *) a)->name, (*(const ReformerSafetensorsEntry *const *) b)->name);
}

static gboolean
collect (ReformerWeights  *self,
         GError          **error)
{
  gsize n = 0;

  for (guint i = 0; i < self->files->len; i++)
    self->n_entries += reformer_safetensors_get_n_tensors (self->files->pdata[i]);

  self->entries = g_try_new (const ReformerSafetensorsEntry *, MAX (self->n_entries, 1));
  if (self->entries == NULL)
    return reformer_file_set_errno (error, ENOMEM, self->path, "cannot be read");

  for (guint i = 0; i < self->files->len; i++)
    for (gsize j = 0; j < reformer_safetensors_get_n_tensors (self->files->pdata[i]); j++)
      self->entries[n++] = reformer_safetensors_get_entry (self->files->pdata[i], j);

  qsort (self->entries, self->n_entries, sizeof *self->entries, compare_names);

  return TRUE;
}

/* "model-00001-of-00002.safetensors": a plain name, so that an index cannot reach out of its folder */
static gboolean
is_plain_name (const char *name)
{
  return name[0] != '\0' && name[0] != '.' && strlen (name) <= 255 && strpbrk (name, "/\\") == NULL;
}

static gboolean
open_shards (ReformerWeights  *self,
             int               folder,
             const char       *folder_path,
             json_t           *map,
             GHashTable       *shards,
             GCancellable     *cancellable,
             GError          **error)
{
  const char *name;
  json_t *value;

  json_object_foreach (map, name, value)
    {
      const char *shard = json_string_value (value);
      g_autofree char *quoted = reformer_file_quote (shard != NULL ? shard : name);
      g_autofree char *path = NULL;
      ReformerSafetensors *file;

      if (shard == NULL || !is_plain_name (shard))
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID,
                       "%s: \"weight_map\" has \"%s\" where the name of a file in the same folder is wanted", self->path, quoted);
          return FALSE;
        }

      if (g_hash_table_contains (shards, shard))
        continue;

      path = g_build_filename (folder_path, quoted, NULL);
      file = reformer_safetensors_open_at (folder, shard, path, cancellable, error);
      if (file == NULL)
        return FALSE;
      g_ptr_array_add (self->files, file);
      g_hash_table_insert (shards, (gpointer) shard, file);
    }

  return TRUE;
}

/* Each listed tensor is in its shard, and each tensor of a shard is listed for that shard. */
static gboolean
check_map (ReformerWeights  *self,
           json_t           *map,
           GHashTable       *shards,
           GError          **error)
{
  const char *name;
  json_t *value;

  json_object_foreach (map, name, value)
    {
      ReformerSafetensors *file = g_hash_table_lookup (shards, json_string_value (value));

      if (reformer_safetensors_lookup (file, name) == NULL)
        {
          g_autofree char *quoted = reformer_file_quote (name);

          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "%s: has no %s, which %s puts there",
                       reformer_safetensors_get_path (file), quoted, INDEX);
          return FALSE;
        }
    }

  for (gsize i = 0; i < self->n_entries; i++)
    {
      const ReformerSafetensorsEntry *entry = self->entries[i];
      const char *shard = json_string_value (json_object_get (map, entry->name));

      if (shard == NULL || g_hash_table_lookup (shards, shard) != entry->file)
        {
          g_autofree char *quoted = reformer_file_quote (entry->name);

          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, shard == NULL ? "%s: has %s, which %s does not list"
                       : "%s: has %s, which %s puts into another shard", reformer_safetensors_get_path (entry->file), quoted, INDEX);
          return FALSE;
        }
    }

  return TRUE;
}

static gboolean
open_index (ReformerWeights  *self,
            int               folder,
            const char       *folder_path,
            const char       *index,
            GCancellable     *cancellable,
            GError          **error)
{
  g_autoptr (json_t) root = NULL;
  g_autoptr (GHashTable) shards = g_hash_table_new (g_str_hash, g_str_equal);
  json_t *map = NULL;

  root = reformer_json_load_at (folder, index, self->path, cancellable, error);

  return root != NULL && reformer_json_require (root, self->path, "weight_map", error) &&
         reformer_json_get_object (root, self->path, "weight_map", &map, error) &&
         open_shards (self, folder, folder_path, map, shards, cancellable, error) &&
         collect (self, error) && check_map (self, map, shards, error);
}

static gboolean
open_whole (ReformerWeights  *self,
            int               folder,
            const char       *name,
            GCancellable     *cancellable,
            GError          **error)
{
  ReformerSafetensors *file = reformer_safetensors_open_at (folder, name, self->path, cancellable, error);

  if (file == NULL)
    return FALSE;

  g_ptr_array_add (self->files, file);

  return collect (self, error);
}

static gboolean
is_pickle (const char *name)
{
  static const char *const endings[] = { ".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl" };

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    if (g_str_has_suffix (name, endings[i]))
      return TRUE;

  return FALSE;
}

static gboolean
refuse_pickle (const char  *path,
               const char  *name,
               GError     **error)
{
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED,
               "%s: %s is a pickle file, which can run code and is not read; model.save_pretrained (folder, safe_serialization=True) "
               "of transformers makes a model.safetensors from it", path, name);

  return FALSE;
}

static gboolean
has (int         folder,
     const char *name)
{
  struct stat status;

  return fstatat (folder, name, &status, 0) == 0 || errno != ENOENT;
}

static gboolean
open_folder (ReformerWeights  *self,
             int               folder,
             const char       *folder_path,
             GCancellable     *cancellable,
             GError          **error)
{
  static const char *const pickles[] = { "pytorch_model.bin", "pytorch_model.bin.index.json" };
  const char *name = has (folder, WHOLE) ? WHOLE : INDEX;

  if (has (folder, name))
    {
      self->path = g_build_filename (folder_path, name, NULL);

      return strcmp (name, WHOLE) == 0 ? open_whole (self, folder, name, cancellable, error)
                                       : open_index (self, folder, folder_path, name, cancellable, error);
    }

  for (guint i = 0; i < G_N_ELEMENTS (pickles); i++)
    if (has (folder, pickles[i]))
      return refuse_pickle (folder_path, pickles[i], error);

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "%s: has neither %s nor %s", folder_path, WHOLE, INDEX);

  return FALSE;
}

static gboolean
open_file (ReformerWeights  *self,
           const char       *path,
           const char       *display,
           GCancellable     *cancellable,
           GError          **error)
{
  g_autofree char *name = g_path_get_basename (path), *parent = g_path_get_dirname (path);
  g_autofree char *parent_display = g_filename_display_name (parent);
  gboolean opened;
  int folder;

  if (is_pickle (name))
    return refuse_pickle (parent_display, name, error);

  self->path = g_strdup (display);
  if (!g_str_has_suffix (name, ".index.json"))
    return open_whole (self, AT_FDCWD, path, cancellable, error);

  folder = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return reformer_file_set_errno (error, errno, parent_display, "cannot be opened");

  opened = open_index (self, folder, parent_display, name, cancellable, error);
  close (folder);

  return opened;
}

ReformerWeights *
reformer_weights_open (const char    *path,
                       GCancellable  *cancellable,
                       GError       **error)
{
  g_autoptr (ReformerWeights) self = g_new0 (ReformerWeights, 1);
  g_autofree char *resolved = reformer_atomic_folder_resolve (path), *display = g_filename_display_name (path);
  int folder = open (resolved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean opened;

  g_atomic_ref_count_init (&self->n_refs);
  self->files = g_ptr_array_new_with_free_func ((GDestroyNotify) reformer_safetensors_unref);

  if (folder < 0 && errno != ENOTDIR)
    {
      reformer_file_set_errno (error, errno, display, "cannot be opened");
      return NULL;
    }

  opened = folder >= 0 ? open_folder (self, folder, display, cancellable, error) : open_file (self, resolved, display, cancellable, error);
  if (folder >= 0)
    close (folder);

  return opened ? g_steal_pointer (&self) : NULL;
}

ReformerWeights *
reformer_weights_ref (ReformerWeights *self)
{
  g_atomic_ref_count_inc (&self->n_refs);

  return self;
}

void
reformer_weights_unref (ReformerWeights *self)
{
  if (!g_atomic_ref_count_dec (&self->n_refs))
    return;

  g_ptr_array_unref (self->files);
  g_free (self->entries);
  g_free (self->path);
  g_free (self);
}

const char *
reformer_weights_get_path (ReformerWeights *self)
{
  return self->path;
}

gsize
reformer_weights_get_n_files (ReformerWeights *self)
{
  return self->files->len;
}

ReformerSafetensors *
reformer_weights_get_file (ReformerWeights *self,
                           gsize            i)
{
  return self->files->pdata[i];
}

gsize
reformer_weights_get_n_tensors (ReformerWeights *self)
{
  return self->n_entries;
}

const ReformerSafetensorsEntry *
reformer_weights_get_entry (ReformerWeights *self,
                            gsize            i)
{
  return self->entries[i];
}

const ReformerSafetensorsEntry *
reformer_weights_lookup (ReformerWeights *self,
                         const char      *name)
{
  const ReformerSafetensorsEntry key = { .name = name }, *wanted = &key;
  const ReformerSafetensorsEntry **found = NULL;

  if (self->n_entries > 0)
    found = bsearch (&wanted, self->entries, self->n_entries, sizeof *self->entries, compare_names);

  return found != NULL ? *found : NULL;
}
