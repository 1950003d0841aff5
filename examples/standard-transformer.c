/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The standard Transformer, and a Reformer of the same sizes, on random vectors: standard-transformer [POSITIONS], a multiple of 50
 * Made by: cc standard-transformer.c -o standard-transformer $(pkg-config --cflags --libs reformer-1.0) -lm */
#include <libreformer/reformer.h>

#define WIDTH 512
#define HEADS 8
#define LAYERS 6
#define INNER 2048

static gboolean
add (ReformerStack *stack, gpointer branch, GError **error)
{
  g_autoptr (ReformerLayer) layer = branch;
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (stack));
  g_autofree char *name = g_strdup_printf ("%u", n);

  return reformer_stack_insert (stack, n, name, layer, error);
}

/* One stream, full attention with biases, norms of sums. */
static ReformerStack *
new_transformer (ReformerDevice *device, GError **error)
{
  g_autoptr (ReformerStack) stack = g_object_new (REFORMER_TYPE_STACK, "device", device, "streams", 1, NULL);

  for (int i = 0; i < LAYERS; i++)
    if (!add (stack, g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", device, "hidden-size", WIDTH, "num-attention-heads", HEADS, "attention-head-size", WIDTH / HEADS,
                                   "bias", TRUE, "norm-first", FALSE, "layer-norm-eps", 1e-5, NULL), error) ||
        !add (stack, g_object_new (REFORMER_TYPE_FEED_FORWARD, "device", device, "hidden-size", WIDTH, "feed-forward-size", INNER,
                                   "norm-first", FALSE, "layer-norm-eps", 1e-5, NULL), error))
      return NULL;
  return g_steal_pointer (&stack);
}

/* Two streams, hashing in place of full attention. */
static ReformerStack *
new_reformer (ReformerDevice *device, GError **error)
{
  g_autoptr (ReformerStack) stack = reformer_stack_new (device);

  for (int i = 0; i < LAYERS; i++)
    if (!add (stack, g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", WIDTH, "num-attention-heads", HEADS, "attention-head-size", WIDTH / HEADS,
                                   "chunk-length", 50, NULL), error) ||
        !add (stack, reformer_feed_forward_new (device, WIDTH, INNER), error))
      return NULL;
  return g_steal_pointer (&stack);
}

/* A number for each place, from -1 to 1: the place, hashed. */
static ReformerTensor *
new_input (ReformerDevice *device, guint n, GError **error)
{
  float *values = g_new (float, n * WIDTH);
  g_autoptr (GBytes) bytes = g_bytes_new_take (values, sizeof *values * n * WIDTH);

  for (guint32 i = 0; i < n * WIDTH; i++)
    {
      guint32 x = i * 2654435761u;

      x = (x ^ x >> 15) * 2246822519u;
      values[i] = (float) ((x ^ x >> 13) >> 8) / 8388608 - 1;
    }
  return reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, (gint64[]) { 1, n, WIDTH }, 3, bytes, error);
}

static gint64
count_parameters (ReformerStack *stack)
{
  g_autoptr (GListModel) parameters = reformer_layer_get_parameters (REFORMER_LAYER (stack));
  gint64 sum = 0;

  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (parameter, &n_dims);
      gint64 n = 1;

      for (gsize k = 0; k < n_dims; k++)
        n *= shape[k];
      sum += n;
    }
  return sum;
}

static gboolean
show (const char *name, ReformerStack *stack, ReformerTensor *x, GError **error)
{
  ReformerDevice *device = reformer_tensor_get_device (x);
  g_autoptr (ReformerTape) tape = reformer_tape_new (device);
  g_autoptr (ReformerTensor) warm = NULL, y = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree gint64 *shape = NULL;
  const guint64 before = reformer_device_get_memory_used (device);
  guint64 peak;
  gint64 start, end;
  gsize n_dims;

  reformer_tape_set_recording (tape, FALSE); /* no backward pass will come */
  reformer_device_reset_memory_peak (device);
  warm = reformer_layer_forward (REFORMER_LAYER (stack), x, tape, error);
  if (warm == NULL)
    return FALSE;
  peak = reformer_device_get_memory_peak (device) - before;
  g_clear_object (&warm);
  start = g_get_monotonic_time ();
  y = reformer_layer_forward (REFORMER_LAYER (stack), x, tape, error);
  bytes = y != NULL ? reformer_tensor_to_bytes (y, error) : NULL;
  if (bytes == NULL)
    return FALSE;
  end = g_get_monotonic_time ();
  shape = reformer_tensor_get_shape (y, &n_dims);
  g_print ("%s: %" G_GINT64_FORMAT " parameters\n", name, count_parameters (stack));
  g_print ("output [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "], its first number %.6f\n", shape[0], shape[1], shape[2],
           (double) *(const float *) g_bytes_get_data (bytes, NULL));
  g_print ("%.2f seconds, peak of memory %.1f MiB\n", (double) (end - start) / 1e6, (double) peak / (1 << 20));
  return TRUE;
}

static gboolean
run (guint n, GError **error)
{
  g_autoptr (ReformerDevice) device = reformer_device_get_default (error);
  g_autoptr (ReformerTensor) x = device != NULL ? new_input (device, n, error) : NULL;
  g_autoptr (ReformerStack) transformer = x != NULL ? new_transformer (device, error) : NULL;
  g_autoptr (ReformerStack) reformer = NULL;

  if (transformer == NULL || !show ("Transformer", transformer, x, error))
    return FALSE;
  g_clear_object (&transformer);
  reformer = new_reformer (device, error);
  return reformer != NULL && show ("Reformer", reformer, x, error);
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (!run (argc > 1 ? (guint) atoi (argv[1]) : 2000, &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
