/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads the golden model `mixed`, computes loss and gradients, and prints them in one line; its twins load-mixed.{py,js,vala} must print the same.
 * This one uses nothing but the public header. */
#include <libreformer/reformer.h>

#include <stdio.h>
#include <string.h>

/* One int32 matrix of a safetensors file, found by its name in the header. */
static ReformerTensor *
read_tensor (ReformerDevice  *device,
             const char      *file,
             const char      *name,
             GError         **error)
{
  g_autofree char *data = NULL;
  g_autofree char *key = g_strdup_printf ("\"%s\":{\"dtype\":\"I32\",\"shape\":[", name);
  g_autoptr (GBytes) bytes = NULL;
  gint64 shape[2], begin, end;
  guint64 header;
  gsize size;
  const char *at;

  if (!g_file_get_contents (file, &data, &size, error))
    return NULL;
  memcpy (&header, data, sizeof header);
  at = g_strstr_len (data + 8, (gssize) GUINT64_FROM_LE (header), key);
  g_assert_nonnull (at);
  g_assert_cmpint (sscanf (at + strlen (key), "%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "],\"data_offsets\":[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "]", &shape[0],
                           &shape[1], &begin, &end), ==, 4);
  bytes = g_bytes_new (data + 8 + GUINT64_FROM_LE (header) + begin, (gsize) (end - begin));
  return reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_INT32, shape, 2, bytes, error);
}

/* FNV-1a of 32 bits */
static guint32
hash_bytes (guint32  hash,
            GBytes  *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size; i++)
    hash = (hash ^ data[i]) * 16777619u;
  return hash;
}

int
main (int   argc,
      char *argv[])
{
  g_autofree char *folder = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "golden", "mixed", NULL);
  g_autofree char *answers = g_build_filename (folder, "io.safetensors", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerDevice) device = NULL;
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) ids = NULL;
  g_autoptr (ReformerTensor) labels = NULL;
  g_autoptr (GListModel) parameters = NULL;
  guint32 hash = 2166136261u;
  guint64 bits;
  double loss;

  device = reformer_device_get_default (&error);
  g_assert_no_error (error);
  model = reformer_model_load (device, file, NULL, &error);
  g_assert_no_error (error);
  ids = read_tensor (device, answers, "ids", &error);
  g_assert_no_error (error);
  labels = read_tensor (device, answers, "labels", &error);
  g_assert_no_error (error);

  loss = reformer_model_compute_gradients (model, ids, NULL, labels, &error);
  g_assert_no_error (error);

  parameters = reformer_model_get_parameters (model);
  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);
      g_autoptr (GBytes) bytes = reformer_tensor_to_bytes (reformer_parameter_get_gradient (parameter), &error);

      g_assert_no_error (error);
      hash = hash_bytes (hash, bytes);
    }

  memcpy (&bits, &loss, sizeof bits);
  printf ("loss %.12f bits %016" G_GINT64_MODIFIER "x, %u gradients %08x\n", loss, bits, g_list_model_get_n_items (parameters), hash);
  return 0;
}
