/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/safetensors-write.h"

#include <errno.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/checked.h"
#include "files/json.h"
#include "files/reading.h"

typedef struct
{
  const ReformerSafetensorsTensor *tensor;
  gsize                            index; /* in the caller's order */
  gsize                            n_bytes;
} Item;

static int
compare_items (gconstpointer a,
               gconstpointer b)
{
  const Item *x = a, *y = b;

  if (x->tensor->dtype != y->tensor->dtype)
    return x->tensor->dtype > y->tensor->dtype ? -1 : 1;

  return strcmp (x->tensor->name, y->tensor->name);
}

/* Names are unique whatever the dtype. */
static gboolean
check_names (const char                       *path,
             const ReformerSafetensorsTensor  *tensors,
             gsize                             n_tensors,
             GError                          **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize i = 0; i < n_tensors; i++)
    {
      const char *name = tensors[i].name;

      if (!reformer_safetensors_check_name (path, name, strlen (name), error))
        return FALSE;

      if (!g_utf8_validate (name, -1, NULL) || strcmp (name, "__metadata__") == 0 || !g_hash_table_add (names, (gpointer) name))
        {
          g_autofree char *quoted = reformer_file_quote (name);

          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: a tensor cannot be named %s, or two are", path, quoted);
          return FALSE;
        }
    }

  return TRUE;
}

/* The tensors in the order of the file. */
static Item *
arrange (const char                       *path,
         const ReformerSafetensorsTensor  *tensors,
         gsize                             n_tensors,
         GError                          **error)
{
  g_autofree Item *items = NULL;

  if (n_tensors > REFORMER_SAFETENSORS_MAX_TENSORS)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: %" G_GSIZE_FORMAT " tensors, at most %u are written", path,
                   n_tensors, REFORMER_SAFETENSORS_MAX_TENSORS);
      return NULL;
    }

  if (!check_names (path, tensors, n_tensors, error))
    return NULL;

  items = g_new (Item, MAX (n_tensors, 1));
  for (gsize i = 0; i < n_tensors; i++)
    {
      gsize n_elements;

      items[i].tensor = &tensors[i];
      items[i].index = i;
      if (!reformer_safetensors_measure (path, tensors[i].name, tensors[i].dtype, tensors[i].shape, tensors[i].n_dims, &n_elements,
                                         &items[i].n_bytes, error))
        return NULL;
    }

  qsort (items, n_tensors, sizeof *items, compare_items);

  return g_steal_pointer (&items);
}

static GString *
make_header (const char         *path,
             const Item         *items,
             gsize               n_items,
             const char *const  *metadata,
             GError            **error)
{
  GString *text = g_string_new ("{");
  gsize begin = 0, end = 0;

  if (metadata != NULL && metadata[0] != NULL)
    {
      g_string_append (text, "\"__metadata__\":{");
      for (gsize i = 0; metadata[i] != NULL && metadata[i + 1] != NULL; i += 2)
        {
          g_string_append (text, i > 0 ? "," : "");
          reformer_json_append_quoted (text, metadata[i]);
          g_string_append_c (text, ':');
          reformer_json_append_quoted (text, metadata[i + 1]);
        }
      g_string_append (text, n_items > 0 ? "}," : "}");
    }

  for (gsize i = 0; i < n_items; i++)
    {
      const ReformerSafetensorsTensor *tensor = items[i].tensor;

      if (!reformer_checked_add (&end, begin, items[i].n_bytes))
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: the tensors together are larger than any file", path);
          g_string_free (text, TRUE);
          return NULL;
        }

      g_string_append (text, i > 0 ? "," : "");
      reformer_json_append_quoted (text, tensor->name);
      g_string_append_printf (text, ":{\"dtype\":\"%s\",\"shape\":[", reformer_safetensors_dtype_get_name (tensor->dtype));
      for (guint d = 0; d < tensor->n_dims; d++)
        g_string_append_printf (text, "%s%" G_GINT64_FORMAT, d > 0 ? "," : "", tensor->shape[d]);
      g_string_append_printf (text, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}", begin, end);
      begin = end;
    }

  g_string_append_c (text, '}');
  while (text->len % 8 != 0)
    g_string_append_c (text, ' ');

  if (text->len > REFORMER_SAFETENSORS_MAX_HEADER)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: a header of %" G_GSIZE_FORMAT
                   " bytes, at most %u can be read", path, text->len, REFORMER_SAFETENSORS_MAX_HEADER);
      g_string_free (text, TRUE);
      return NULL;
    }

  return text;
}

gboolean
reformer_safetensors_write (int                               fd,
                            const char                       *path,
                            const ReformerSafetensorsTensor  *tensors,
                            gsize                             n_tensors,
                            const char *const                *metadata,
                            ReformerSafetensorsFill           fill,
                            gpointer                          user_data,
                            GCancellable                     *cancellable,
                            GError                          **error)
{
  g_autofree Item *items = arrange (path, tensors, n_tensors, error);
  g_autoptr (GString) header = items != NULL ? make_header (path, items, n_tensors, metadata, error) : NULL;
  g_autofree gpointer piece = NULL;
  gsize largest = 0;
  guint64 length;

  if (header == NULL)
    return FALSE;

  for (gsize i = 0; i < n_tensors; i++)
    largest = MAX (largest, items[i].n_bytes);

  piece = g_try_malloc (CLAMP (largest, 1, REFORMER_FILE_PIECE));
  if (piece == NULL)
    return reformer_file_set_errno (error, ENOMEM, path, "cannot be written");

  length = GUINT64_TO_LE ((guint64) header->len);
  if (!reformer_file_write (fd, path, &length, sizeof length, cancellable, error) ||
      !reformer_file_write (fd, path, header->str, header->len, cancellable, error))
    return FALSE;

  for (gsize i = 0; i < n_tensors; i++)
    for (gsize at = 0; at < items[i].n_bytes; at += MIN (items[i].n_bytes - at, REFORMER_FILE_PIECE))
      {
        gsize n = MIN (items[i].n_bytes - at, REFORMER_FILE_PIECE);

        if (!fill (items[i].index, piece, at, n, user_data, error) || !reformer_file_write (fd, path, piece, n, cancellable, error))
          return FALSE;
      }

  return TRUE;
}
