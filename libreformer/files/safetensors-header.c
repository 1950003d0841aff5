/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/safetensors-private.h"

#include <errno.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/checked.h"
#include "files/json-stream.h"
#include "files/reading.h"

/* a name as JSON may write it: six bytes for each of its own, and quotes */
#define NAME_LIMIT (REFORMER_SAFETENSORS_MAX_NAME * 6 + 2)

static gboolean
malformed (ReformerSafetensors  *self,
           const char           *name,
           GError              **error,
           const char           *what)
{
  g_autofree char *quoted = reformer_file_quote (name);

  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s: %s", self->path, quoted, what);

  return FALSE;
}

static gboolean
parse_metadata (ReformerSafetensors  *self,
                ReformerJsonStream   *outer,
                GError              **error)
{
  ReformerJsonStream stream = *outer;
  GError *failure = NULL;
  char *next;

  if (stream.at < stream.n_bytes && stream.text[stream.at] == 'n')
    {
      g_autoptr (json_t) nothing = reformer_json_stream_value (outer, REFORMER_SAFETENSORS_MAX_MEMBER, error);

      return nothing != NULL && (json_is_null (nothing) || malformed (self, "__metadata__", error, "is no object"));
    }

  if (!reformer_json_stream_enter (&stream, error))
    return FALSE;

  while (reformer_json_stream_next (&stream, NAME_LIMIT, &next, &failure))
    {
      g_autofree char *name = next;
      g_autoptr (json_t) text = reformer_json_stream_value (&stream, REFORMER_SAFETENSORS_MAX_TEXT, error);

      if (text == NULL)
        return FALSE;
      if (!json_is_string (text))
        return malformed (self, name, error, "metadata must be text");
      if (g_hash_table_contains (self->metadata, name))
        return malformed (self, name, error, "metadata given twice");
      if (g_hash_table_size (self->metadata) >= REFORMER_SAFETENSORS_MAX_METADATA)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: more than %u pairs of metadata", self->path,
                       REFORMER_SAFETENSORS_MAX_METADATA);
          return FALSE;
        }

      g_hash_table_insert (self->metadata, g_steal_pointer (&name), g_strdup (json_string_value (text)));
    }

  if (failure != NULL)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }

  outer->at = stream.at;

  return TRUE;
}

static ReformerSafetensorsEntry *
add_entry (ReformerSafetensors  *self,
           GError              **error)
{
  if (self->n_entries >= REFORMER_SAFETENSORS_MAX_TENSORS)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: more than %u tensors", self->path,
                   REFORMER_SAFETENSORS_MAX_TENSORS);
      return NULL;
    }

  if (self->n_entries == self->n_allocated)
    {
      gsize n = MAX (64, self->n_allocated * 2);
      ReformerSafetensorsEntry *entries = g_try_renew (ReformerSafetensorsEntry, self->entries, n);

      if (entries == NULL)
        {
          reformer_file_set_errno (error, ENOMEM, self->path, "cannot be read");
          return NULL;
        }

      self->entries = entries;
      self->n_allocated = n;
    }

  return memset (&self->entries[self->n_entries++], 0, sizeof (ReformerSafetensorsEntry));
}

/* {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}; other members are left alone. */
static gboolean
parse_tensor (ReformerSafetensors  *self,
              const char           *name,
              json_t               *object,
              guint64               data,
              GError              **error)
{
  json_t *dtype = json_object_get (object, "dtype"), *shape = json_object_get (object, "shape");
  json_t *offsets = json_object_get (object, "data_offsets");
  gsize begin, end, n_bytes;
  ReformerSafetensorsEntry *entry;

  if (!json_is_object (object) || !json_is_string (dtype) || !json_is_array (shape) || !json_is_array (offsets))
    return malformed (self, name, error, "\"dtype\" (text), \"shape\" and \"data_offsets\" (lists) are wanted");

  entry = add_entry (self, error);
  if (entry == NULL)
    return FALSE;

  if (!reformer_safetensors_dtype_parse (json_string_value (dtype), &entry->dtype))
    {
      g_autofree char *quoted = reformer_file_quote (name), *seen = reformer_file_quote (json_string_value (dtype));

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s: %s: unknown dtype %s", self->path, quoted, seen);
      return FALSE;
    }

  for (gsize i = 0; i < json_array_size (shape); i++)
    {
      json_t *dimension = json_array_get (shape, i);

      if (!json_is_integer (dimension) || json_integer_value (dimension) < 0)
        return malformed (self, name, error, "dimensions must be integers of at least 0");
      if (i < REFORMER_SAFETENSORS_MAX_DIMS)
        entry->shape[i] = json_integer_value (dimension);
    }

  if (!reformer_safetensors_measure (self->path, name, entry->dtype, entry->shape, json_array_size (shape), &entry->n_elements,
                                     &n_bytes, error))
    return FALSE;

  if (json_array_size (offsets) != 2 || !json_is_integer (json_array_get (offsets, 0)) || !json_is_integer (json_array_get (offsets, 1)) ||
      !reformer_checked_size (&begin, json_integer_value (json_array_get (offsets, 0))) ||
      !reformer_checked_size (&end, json_integer_value (json_array_get (offsets, 1))) || begin > end)
    return malformed (self, name, error, "\"data_offsets\" must be two integers, the first not above the second");

  if (end - begin != n_bytes)
    {
      g_autofree char *quoted = reformer_file_quote (name);
      g_autofree char *text = reformer_safetensors_describe (entry->dtype, entry->shape, json_array_size (shape));

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s: %s takes %" G_GSIZE_FORMAT
                   " bytes, its offsets span %" G_GSIZE_FORMAT, self->path, quoted, text, n_bytes, end - begin);
      return FALSE;
    }

  if (!reformer_checked_range (data, end, self->size))
    {
      g_autofree char *quoted = reformer_file_quote (name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_TRUNCATED, "%s: %s ends at byte %" G_GSIZE_FORMAT
                   " of the data, the file has %" G_GUINT64_FORMAT, self->path, quoted, end, self->size - data);
      return FALSE;
    }

  entry->name = g_string_chunk_insert (self->names, name);
  entry->file = self;
  entry->n_dims = (guint) json_array_size (shape);
  entry->offset = data + begin; /* within the file, by the check above */
  entry->n_bytes = n_bytes;

  return TRUE;
}

static int
compare_offsets (gconstpointer a,
                 gconstpointer b)
{
  const ReformerSafetensorsEntry *x = a, *y = b;

  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  if (x->n_bytes != y->n_bytes)
    return x->n_bytes < y->n_bytes ? -1 : 1;

  return strcmp (x->name, y->name);
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp ((*(ReformerSafetensorsEntry *const *) a)->name, (*(ReformerSafetensorsEntry *const *) b)->name);
}

/* Tensors must cover the data without holes and overlaps, up to the end of the file. */
static gboolean
check_cover (ReformerSafetensors  *self,
             guint64               data,
             GError              **error)
{
  guint64 at = data;

  for (gsize i = 0; i < self->n_entries; i++)
    {
      if (self->entries[i].offset != at)
        return malformed (self, self->entries[i].name, error,
                          self->entries[i].offset < at ? "overlaps the tensor before" : "leaves a hole before it");
      at += self->entries[i].n_bytes; /* every entry ends within the file */
    }

  if (at != self->size)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the tensors end at byte %" G_GUINT64_FORMAT
                   ", the file at %" G_GUINT64_FORMAT, self->path, at, self->size);
      return FALSE;
    }

  return TRUE;
}

static gboolean
sort (ReformerSafetensors  *self,
      GError              **error)
{
  if (self->n_entries > 0)
    qsort (self->entries, self->n_entries, sizeof *self->entries, compare_offsets);

  self->by_name = g_try_new (ReformerSafetensorsEntry *, MAX (self->n_entries, 1));
  if (self->by_name == NULL)
    return reformer_file_set_errno (error, ENOMEM, self->path, "cannot be read");

  for (gsize i = 0; i < self->n_entries; i++)
    self->by_name[i] = &self->entries[i];
  if (self->n_entries > 0)
    qsort (self->by_name, self->n_entries, sizeof *self->by_name, compare_names);

  for (gsize i = 1; i < self->n_entries; i++)
    if (strcmp (self->by_name[i - 1]->name, self->by_name[i]->name) == 0)
      return malformed (self, self->by_name[i]->name, error, "given twice");

  return TRUE;
}

gboolean
reformer_safetensors_parse_header (ReformerSafetensors  *self,
                                   const char           *header,
                                   gsize                 n_bytes,
                                   guint64               data,
                                   GCancellable         *cancellable,
                                   GError              **error)
{
  g_autofree char *where = g_strconcat (self->path, ": header", NULL);
  ReformerJsonStream stream = { .text = header, .n_bytes = n_bytes, .path = where };
  gboolean has_metadata = FALSE;
  GError *failure = NULL;
  char *next;

  if (n_bytes == 0 || header[0] != '{')
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is no safetensors file: its header does not begin with {",
                   self->path);
      return FALSE;
    }

  if (!reformer_json_stream_enter (&stream, error))
    return FALSE;

  while (reformer_json_stream_next (&stream, NAME_LIMIT, &next, &failure))
    {
      g_autofree char *name = next;
      g_autoptr (json_t) value = NULL;

      if (stream.n_read % 1024 == 0 && g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;

      if (strcmp (name, "__metadata__") == 0)
        {
          if (has_metadata)
            return malformed (self, name, error, "given twice");
          has_metadata = TRUE;
          if (!parse_metadata (self, &stream, error))
            return FALSE;
          continue;
        }

      if (!reformer_safetensors_check_name (self->path, name, strlen (name), error))
        return FALSE;

      value = reformer_json_stream_value (&stream, REFORMER_SAFETENSORS_MAX_MEMBER, error);
      if (value == NULL || !parse_tensor (self, name, value, data, error))
        return FALSE;
    }

  if (failure != NULL)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }

  while (stream.at < n_bytes && header[stream.at] == ' ')
    stream.at++;
  if (stream.at < n_bytes)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: byte %" G_GSIZE_FORMAT
                   ": only spaces may follow its end", where, stream.at);
      return FALSE;
    }

  return sort (self, error) && check_cover (self, data, error);
}
