/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/safetensors-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/checked.h"
#include "files/half.h"
#include "files/reading.h"

/* elements converted at a time */
#define PIECE (64u * 1024)

static gboolean
read_header (ReformerSafetensors  *self,
             GCancellable         *cancellable,
             GError              **error)
{
  g_autofree char *header = NULL;
  guint64 length;

  if (self->size < sizeof length)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_TRUNCATED, "%s: has %" G_GUINT64_FORMAT
                   " bytes, a safetensors file has at least 10", self->path, self->size);
      return FALSE;
    }

  if (!reformer_file_read (self->fd, self->path, 0, &length, sizeof length, cancellable, error))
    return FALSE;

  length = GUINT64_FROM_LE (length);
  if (length > REFORMER_SAFETENSORS_MAX_HEADER)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: a header of %" G_GUINT64_FORMAT
                   " bytes, at most %u are read; is it a safetensors file?", self->path, length, REFORMER_SAFETENSORS_MAX_HEADER);
      return FALSE;
    }

  if (!reformer_checked_range (sizeof length, length, self->size))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_TRUNCATED, "%s: a header of %" G_GUINT64_FORMAT
                   " bytes, the file has %" G_GUINT64_FORMAT, self->path, length, self->size);
      return FALSE;
    }

  header = g_try_malloc (MAX ((gsize) length, 1));
  if (header == NULL)
    return reformer_file_set_errno (error, ENOMEM, self->path, "cannot be read");

  return reformer_file_read (self->fd, self->path, sizeof length, header, (gsize) length, cancellable, error) &&
         reformer_safetensors_parse_header (self, header, (gsize) length, sizeof length + length, cancellable, error);
}

ReformerSafetensors *
reformer_safetensors_open_at (int            folder,
                              const char    *name,
                              const char    *path,
                              GCancellable  *cancellable,
                              GError       **error)
{
  g_autoptr (ReformerSafetensors) self = g_new0 (ReformerSafetensors, 1);

  g_atomic_ref_count_init (&self->n_refs);
  self->path = g_strdup (path);
  self->names = g_string_chunk_new (4096);
  self->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->fd = reformer_file_open (folder, name, path, &self->size, error);

  if (self->fd < 0 || !read_header (self, cancellable, error))
    return NULL;

  return g_steal_pointer (&self);
}

ReformerSafetensors *
reformer_safetensors_open (const char    *path,
                           GCancellable  *cancellable,
                           GError       **error)
{
  g_autofree char *display = g_filename_display_name (path);

  return reformer_safetensors_open_at (AT_FDCWD, path, display, cancellable, error);
}

ReformerSafetensors *
reformer_safetensors_ref (ReformerSafetensors *self)
{
  g_atomic_ref_count_inc (&self->n_refs);

  return self;
}

void
reformer_safetensors_unref (ReformerSafetensors *self)
{
  if (!g_atomic_ref_count_dec (&self->n_refs))
    return;

  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self->entries);
  g_free (self->by_name);
  g_string_chunk_free (self->names);
  g_hash_table_unref (self->metadata);
  g_free (self);
}

const char *
reformer_safetensors_get_path (ReformerSafetensors *self)
{
  return self->path;
}

gsize
reformer_safetensors_get_n_tensors (ReformerSafetensors *self)
{
  return self->n_entries;
}

const ReformerSafetensorsEntry *
reformer_safetensors_get_entry (ReformerSafetensors *self,
                                gsize                i)
{
  return &self->entries[i];
}

const ReformerSafetensorsEntry *
reformer_safetensors_lookup (ReformerSafetensors *self,
                             const char          *name)
{
  gsize low = 0, high = self->n_entries;

  while (low < high)
    {
      gsize middle = low + (high - low) / 2;
      int order = strcmp (name, self->by_name[middle]->name);

      if (order == 0)
        return self->by_name[middle];
      if (order < 0)
        high = middle;
      else
        low = middle + 1;
    }

  return NULL;
}

GHashTable *
reformer_safetensors_get_metadata (ReformerSafetensors *self)
{
  return self->metadata;
}

gboolean
reformer_safetensors_read (ReformerSafetensors             *self,
                           const ReformerSafetensorsEntry  *entry,
                           gpointer                         to,
                           gsize                            offset,
                           gsize                            n_bytes,
                           GCancellable                    *cancellable,
                           GError                         **error)
{
  if (!reformer_checked_range (offset, n_bytes, entry->n_bytes))
    {
      g_autofree char *quoted = reformer_file_quote (entry->name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: %s has %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT
                   " from %" G_GSIZE_FORMAT " on are wanted", self->path, quoted, entry->n_bytes, n_bytes, offset);
      return FALSE;
    }

  return reformer_file_read (self->fd, self->path, entry->offset + offset, to, n_bytes, cancellable, error);
}

static void
to_float32 (ReformerSafetensorsDType  dtype,
            gconstpointer             from,
            float                    *to,
            gsize                     n)
{
  union
  {
    guint64 bits;
    double  value;
  } wide;

  switch (dtype)
    {
    case REFORMER_SAFETENSORS_F16:
      for (gsize i = 0; i < n; i++)
        to[i] = reformer_float32_from_float16 (GUINT16_FROM_LE (((const guint16 *) from)[i]));
      break;

    case REFORMER_SAFETENSORS_BF16:
      for (gsize i = 0; i < n; i++)
        to[i] = reformer_float32_from_bfloat16 (GUINT16_FROM_LE (((const guint16 *) from)[i]));
      break;

    default: /* F64 */
      for (gsize i = 0; i < n; i++)
        {
          wide.bits = GUINT64_FROM_LE (((const guint64 *) from)[i]);
          to[i] = (float) wide.value;
        }
      break;
    }
}

/* float32 lands where it belongs; the words are turned round on a big-endian machine. */
static gboolean
read_words (ReformerSafetensors             *self,
            const ReformerSafetensorsEntry  *entry,
            float                           *to,
            gsize                            first_element,
            gsize                            n_elements,
            GCancellable                    *cancellable,
            GError                         **error)
{
  if (!reformer_safetensors_read (self, entry, to, first_element * 4, n_elements * 4, cancellable, error))
    return FALSE;

#if G_BYTE_ORDER == G_BIG_ENDIAN
  for (gsize i = 0; i < n_elements; i++)
    {
      guint32 word;

      memcpy (&word, &to[i], 4);
      word = GUINT32_FROM_LE (word);
      memcpy (&to[i], &word, 4);
    }
#endif

  return TRUE;
}

gboolean
reformer_safetensors_read_float32 (ReformerSafetensors             *self,
                                   const ReformerSafetensorsEntry  *entry,
                                   float                           *to,
                                   gsize                            first_element,
                                   gsize                            n_elements,
                                   GCancellable                    *cancellable,
                                   GError                         **error)
{
  gsize width = reformer_safetensors_dtype_get_bits (entry->dtype) / 8;
  g_autofree gpointer piece = NULL;

  if (entry->dtype != REFORMER_SAFETENSORS_F32 && entry->dtype != REFORMER_SAFETENSORS_F16 &&
      entry->dtype != REFORMER_SAFETENSORS_BF16 && entry->dtype != REFORMER_SAFETENSORS_F64)
    {
      g_autofree char *quoted = reformer_file_quote (entry->name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s: %s is %s, one of F32, F16, BF16, F64 is wanted",
                   self->path, quoted, reformer_safetensors_dtype_get_name (entry->dtype));
      return FALSE;
    }

  if (!reformer_checked_range (first_element, n_elements, entry->n_elements))
    {
      g_autofree char *quoted = reformer_file_quote (entry->name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: %s has %" G_GSIZE_FORMAT " elements, %" G_GSIZE_FORMAT
                   " from %" G_GSIZE_FORMAT " on are wanted", self->path, quoted, entry->n_elements, n_elements, first_element);
      return FALSE;
    }

  if (entry->dtype == REFORMER_SAFETENSORS_F32)
    return read_words (self, entry, to, first_element, n_elements, cancellable, error);

  piece = g_try_malloc_n (PIECE, width);
  if (piece == NULL)
    return reformer_file_set_errno (error, ENOMEM, self->path, "cannot be read");

  /* products of element numbers and widths fit: the whole tensor's do */
  while (n_elements > 0)
    {
      gsize n = MIN (n_elements, PIECE);

      if (!reformer_safetensors_read (self, entry, piece, first_element * width, n * width, cancellable, error))
        return FALSE;

      to_float32 (entry->dtype, piece, to, n);
      to += n;
      first_element += n;
      n_elements -= n;
    }

  return TRUE;
}
