/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An LSH attention layer used alone, forward and backward: one-layer [TOKENS]
 * Made by: cc one-layer.c -o one-layer $(pkg-config --cflags --libs reformer-1.0) -lm */
#include <libreformer/reformer.h>

#include <math.h>

static gboolean
print_norm (const char *name, ReformerTensor *tensor, GError **error)
{
  g_autoptr (GBytes) bytes = reformer_tensor_to_bytes (tensor, error);
  const float *values = bytes != NULL ? g_bytes_get_data (bytes, NULL) : NULL;
  double sum = 0;

  if (values == NULL)
    return FALSE;
  for (gsize i = 0; i < reformer_tensor_get_n_elements (tensor); i++)
    sum += (double) values[i] * (double) values[i];
  g_print ("%s %.9f\n", name, sqrt (sum));
  return TRUE;
}

static ReformerTensor *
make_input (ReformerDevice *device, int n, GError **error)
{
  const gsize size = (gsize) n * 64;
  float *values = g_new (float, size);
  g_autoptr (GBytes) bytes = g_bytes_new_take (values, size * sizeof *values);

  for (gsize i = 0; i < size; i++)
    values[i] = (float) ((int) (i * 7 % 11) - 5) / 4;
  return reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, (gint64[]) { 1, n, 64 }, 3, bytes, error);
}

static gboolean
use (int n, GError **error)
{
  g_autoptr (ReformerDevice) device = reformer_device_get_default (error);
  g_autoptr (ReformerTensor) x = device != NULL ? make_input (device, n, error) : NULL, y = NULL, dx = NULL;
  g_autoptr (ReformerLayer) layer = NULL;
  g_autoptr (ReformerTape) tape = NULL;
  g_autoptr (GListModel) parameters = NULL;

  if (x == NULL)
    return FALSE;
  layer = REFORMER_LAYER (reformer_lsh_attention_new (device, 64, 4, 16)); /* hidden size, heads, size of a head */
  tape = reformer_tape_new (device);

  y = reformer_layer_forward (layer, x, tape, error);
  if (y == NULL || !reformer_layer_clear_gradients (layer, error))
    return FALSE;
  dx = reformer_layer_backward (layer, y, tape, error); /* y is the gradient of half the sum of its squares */
  if (dx == NULL || !print_norm ("output", y, error) || !print_norm ("gradient of the input", dx, error))
    return FALSE;

  parameters = reformer_layer_get_parameters (layer);
  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);
      g_autofree char *name = g_strconcat ("gradient of ", reformer_parameter_get_name (parameter), NULL);

      if (!print_norm (name, reformer_parameter_get_gradient (parameter), error))
        return FALSE;
    }
  return TRUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (!use (argc > 1 ? atoi (argv[1]) : 512, &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
