/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/safetensors-write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/checked.h"
#include "files/json.h"
#include "files/reading.h"

typedef struct
{
  ReformerSafetensorsFill fill;
  gpointer                user_data;
  gsize                   first; /* of the shard's tensors */
} Shift;

static gboolean
fill_shifted (gsize      i,
              gpointer   to,
              gsize      offset,
              gsize      n_bytes,
              gpointer   user_data,
              GError   **error)
{
  Shift *shift = user_data;

  return shift->fill (shift->first + i, to, offset, n_bytes, shift->user_data, error);
}

static gboolean
write_file (ReformerAtomicFolder             *folder,
            const char                       *name,
            const ReformerSafetensorsTensor  *tensors,
            gsize                             n_tensors,
            const char *const                *metadata,
            Shift                            *shift,
            GCancellable                     *cancellable,
            GError                          **error)
{
  int fd = reformer_atomic_folder_create (folder, name, error);
  gboolean written;

  if (fd < 0)
    return FALSE;

  written = reformer_safetensors_write (fd, name, tensors, n_tensors, metadata, fill_shifted, shift, cancellable, error);
  close (fd); /* what a close could report, the commit's sync does */

  return written;
}

/* The first tensor of each shard, and the number of tensors at the end. */
static GArray *
cut (const ReformerSafetensorsTensor  *tensors,
     gsize                             n_tensors,
     gsize                             shard_bytes,
     gsize                            *total,
     GError                          **error)
{
  g_autoptr (GArray) firsts = g_array_new (FALSE, FALSE, sizeof (gsize));
  gsize first = 0, in_shard = 0, n_elements, n_bytes, sum;

  *total = 0;
  g_array_append_val (firsts, first);

  for (gsize i = 0; i < n_tensors; i++)
    {
      if (!reformer_safetensors_measure (tensors[i].name, tensors[i].name, tensors[i].dtype, tensors[i].shape, tensors[i].n_dims,
                                         &n_elements, &n_bytes, error))
        return NULL;

      if (!reformer_checked_add (total, *total, n_bytes))
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: the tensors together are larger than any disk",
                       tensors[i].name);
          return NULL;
        }

      if (shard_bytes > 0 && i > first && (!reformer_checked_add (&sum, in_shard, n_bytes) || sum > shard_bytes))
        {
          first = i;
          in_shard = 0;
          g_array_append_val (firsts, first);
        }
      in_shard += n_bytes; /* not above the total */
    }

  g_array_append_val (firsts, n_tensors);

  return g_steal_pointer (&firsts);
}

gboolean
reformer_weights_write (ReformerAtomicFolder             *folder,
                        const ReformerSafetensorsTensor  *tensors,
                        gsize                             n_tensors,
                        gsize                             shard_bytes,
                        const char *const                *metadata,
                        ReformerSafetensorsFill           fill,
                        gpointer                          user_data,
                        GCancellable                     *cancellable,
                        GError                          **error)
{
  gsize total;
  g_autoptr (GArray) firsts = cut (tensors, n_tensors, shard_bytes, &total, error);
  g_autoptr (json_t) root = NULL;
  g_autofree char *text = NULL;
  Shift shift = { fill, user_data, 0 };
  json_t *map;
  guint n_shards;

  if (firsts == NULL)
    return FALSE;

  n_shards = firsts->len - 1;
  if (n_shards == 1)
    return write_file (folder, "model.safetensors", tensors, n_tensors, metadata, &shift, cancellable, error);

  if (n_shards > 99999)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%u shards, at most 99999 are written", n_shards);
      return FALSE;
    }

  map = json_object ();
  root = json_pack ("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t) total, "weight_map", map);

  for (guint s = 0; s < n_shards; s++)
    {
      gsize end = g_array_index (firsts, gsize, s + 1);
      g_autofree char *name = g_strdup_printf ("model-%05u-of-%05u.safetensors", s + 1, n_shards);

      shift.first = g_array_index (firsts, gsize, s);
      if (!write_file (folder, name, tensors + shift.first, end - shift.first, metadata, &shift, cancellable, error))
        return FALSE;

      for (gsize i = shift.first; i < end; i++)
        if (json_object_set_new (map, tensors[i].name, json_string (name)) != 0)
          return reformer_file_set_errno (error, ENOMEM, "model.safetensors.index.json", "cannot be written");
    }

  if (json_object_size (map) != n_tensors)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "model.safetensors.index.json: two tensors have one name");
      return FALSE;
    }

  text = reformer_json_to_text (root, REFORMER_JSON_SORTED);

  return reformer_atomic_folder_write (folder, "model.safetensors.index.json", text, strlen (text), cancellable, error);
}
