/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/safetensors.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/checked.h"
#include "files/reading.h"

static const struct
{
  const char *name;
  guint       bits;
} dtypes[REFORMER_SAFETENSORS_N_DTYPES] = {
  [REFORMER_SAFETENSORS_BOOL] = { "BOOL", 8 },
  [REFORMER_SAFETENSORS_F4] = { "F4", 4 },
  [REFORMER_SAFETENSORS_F6_E2M3] = { "F6_E2M3", 6 },
  [REFORMER_SAFETENSORS_F6_E3M2] = { "F6_E3M2", 6 },
  [REFORMER_SAFETENSORS_U8] = { "U8", 8 },
  [REFORMER_SAFETENSORS_I8] = { "I8", 8 },
  [REFORMER_SAFETENSORS_F8_E5M2] = { "F8_E5M2", 8 },
  [REFORMER_SAFETENSORS_F8_E4M3] = { "F8_E4M3", 8 },
  [REFORMER_SAFETENSORS_F8_E8M0] = { "F8_E8M0", 8 },
  [REFORMER_SAFETENSORS_F8_E4M3FNUZ] = { "F8_E4M3FNUZ", 8 },
  [REFORMER_SAFETENSORS_F8_E5M2FNUZ] = { "F8_E5M2FNUZ", 8 },
  [REFORMER_SAFETENSORS_I16] = { "I16", 16 },
  [REFORMER_SAFETENSORS_U16] = { "U16", 16 },
  [REFORMER_SAFETENSORS_F16] = { "F16", 16 },
  [REFORMER_SAFETENSORS_BF16] = { "BF16", 16 },
  [REFORMER_SAFETENSORS_I32] = { "I32", 32 },
  [REFORMER_SAFETENSORS_U32] = { "U32", 32 },
  [REFORMER_SAFETENSORS_F32] = { "F32", 32 },
  [REFORMER_SAFETENSORS_C64] = { "C64", 64 },
  [REFORMER_SAFETENSORS_F64] = { "F64", 64 },
  [REFORMER_SAFETENSORS_I64] = { "I64", 64 },
  [REFORMER_SAFETENSORS_U64] = { "U64", 64 },
};

const char *
reformer_safetensors_dtype_get_name (ReformerSafetensorsDType dtype)
{
  return dtypes[dtype].name;
}

guint
reformer_safetensors_dtype_get_bits (ReformerSafetensorsDType dtype)
{
  return dtypes[dtype].bits;
}

gboolean
reformer_safetensors_dtype_parse (const char               *name,
                                  ReformerSafetensorsDType *dtype)
{
  for (guint i = 0; i < REFORMER_SAFETENSORS_N_DTYPES; i++)
    if (strcmp (dtypes[i].name, name) == 0)
      {
        *dtype = i;
        return TRUE;
      }

  return FALSE;
}

char *
reformer_safetensors_describe (ReformerSafetensorsDType  dtype,
                               const gint64             *shape,
                               gsize                     n_dims)
{
  GString *text = g_string_new (dtypes[dtype].name);

  g_string_append (text, " [");
  for (gsize i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", shape[i]);
  g_string_append_c (text, ']');

  return g_string_free (text, FALSE);
}

gboolean
reformer_safetensors_check_name (const char  *path,
                                 const char  *name,
                                 gsize        n_bytes,
                                 GError     **error)
{
  if (n_bytes == 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: a tensor without a name", path);
      return FALSE;
    }

  if (n_bytes > REFORMER_SAFETENSORS_MAX_NAME)
    {
      g_autofree char *quoted = reformer_file_quote (name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: the name %s has %" G_GSIZE_FORMAT
                   " bytes, at most %u are read", path, quoted, n_bytes, REFORMER_SAFETENSORS_MAX_NAME);
      return FALSE;
    }

  return TRUE;
}

gboolean
reformer_safetensors_measure (const char                *path,
                              const char                *name,
                              ReformerSafetensorsDType   dtype,
                              const gint64              *shape,
                              gsize                      n_dims,
                              gsize                     *n_elements,
                              gsize                     *n_bytes,
                              GError                   **error)
{
  gsize n_bits;

  if (n_dims > REFORMER_SAFETENSORS_MAX_DIMS)
    {
      g_autofree char *quoted = reformer_file_quote (name);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: %s has %" G_GSIZE_FORMAT
                   " dimensions, at most %u are read", path, quoted, n_dims, REFORMER_SAFETENSORS_MAX_DIMS);
      return FALSE;
    }

  if (!reformer_checked_elements (n_elements, shape, n_dims) ||
      !reformer_checked_multiply (&n_bits, *n_elements, dtypes[dtype].bits))
    {
      g_autofree char *quoted = reformer_file_quote (name);
      g_autofree char *text = reformer_safetensors_describe (dtype, shape, n_dims);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s: the size of %s does not fit", path, quoted, text);
      return FALSE;
    }

  if (n_bits % 8 != 0)
    {
      g_autofree char *quoted = reformer_file_quote (name);
      g_autofree char *text = reformer_safetensors_describe (dtype, shape, n_dims);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s: %s does not end at a whole byte", path, quoted, text);
      return FALSE;
    }

  *n_bytes = n_bits / 8;

  return TRUE;
}
