/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A layer written in C, put between those of a model and trained with them: own-layer [FILE [STEPS]]
 * Made by: cc own-layer.c -o own-layer $(pkg-config --cflags --libs reformer-1.0) */
#include <libreformer/reformer.h>

/* Squeezes each token through a narrow middle. */
G_DECLARE_FINAL_TYPE (Adapter, adapter, EXAMPLE, ADAPTER, ReformerLayer)

struct _Adapter
{
  ReformerLayer  parent_instance;
  ReformerLayer *norm, *down, *up; /* kept by the layer as its children */
};

G_DEFINE_FINAL_TYPE (Adapter, adapter, REFORMER_TYPE_LAYER)

static ReformerTensor *
adapter_forward (ReformerLayer *layer, ReformerTensor *input, ReformerTape *tape, GError **error)
{
  Adapter *self = EXAMPLE_ADAPTER (layer);
  g_autoptr (ReformerTensor) flat = reformer_layer_forward (self->norm, input, tape, error);
  g_autoptr (ReformerTensor) middle = flat != NULL ? reformer_layer_forward (self->down, flat, tape, error) : NULL;

  return middle != NULL ? reformer_layer_forward (self->up, middle, tape, error) : NULL;
}

static ReformerTensor *
adapter_backward (ReformerLayer *layer, ReformerTensor *gradient, ReformerTape *tape, GError **error)
{
  Adapter *self = EXAMPLE_ADAPTER (layer);
  g_autoptr (ReformerTensor) middle = reformer_layer_backward (self->up, gradient, tape, error);
  g_autoptr (ReformerTensor) flat = middle != NULL ? reformer_layer_backward (self->down, middle, tape, error) : NULL;

  return flat != NULL ? reformer_layer_backward (self->norm, flat, tape, error) : NULL;
}

static void
adapter_class_init (AdapterClass *klass)
{
  REFORMER_LAYER_CLASS (klass)->forward = adapter_forward;
  REFORMER_LAYER_CLASS (klass)->backward = adapter_backward;
}

static void
adapter_init (Adapter *self)
{
}

static ReformerLayer *
adapter_new (ReformerDevice *device, int width, int narrow)
{
  /* it is added to the stream that feed-forward layers are added to */
  Adapter *self = g_object_new (adapter_get_type (), "device", device, "target", 1, NULL);
  g_autoptr (ReformerLayerNorm) norm = reformer_layer_norm_new (device, width);
  g_autoptr (ReformerLinear) down = reformer_linear_new (device, width, narrow, TRUE);
  g_autoptr (ReformerLinear) up = reformer_linear_new (device, narrow, width, TRUE);

  reformer_layer_add_child (REFORMER_LAYER (self), "norm", self->norm = REFORMER_LAYER (norm));
  reformer_layer_add_child (REFORMER_LAYER (self), "down", self->down = REFORMER_LAYER (down));
  reformer_layer_add_child (REFORMER_LAYER (self), "up", self->up = REFORMER_LAYER (up));
  return REFORMER_LAYER (self);
}

static gboolean
print_bits (const char *when, ReformerTrainer *trainer, GError **error)
{
  g_autoptr (ReformerEvaluation) evaluation = reformer_trainer_evaluate (trainer, NULL, NULL, error);

  if (evaluation != NULL)
    g_print ("%s: %.6f bits per byte\n", when, reformer_evaluation_get_bits (evaluation));
  return evaluation != NULL;
}

static gboolean
train (const char *path, guint steps, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (ReformerDevice) device = reformer_device_get_default (error);
  g_autoptr (ReformerConfig) config = device != NULL ? reformer_config_new_preset ("small", error) : NULL;
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerLayer) adapter = NULL;
  g_autoptr (ReformerTextDataset) text = NULL;
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (GListModel) parameters = NULL;

  if (config == NULL)
    return FALSE;
  model = reformer_model_new (device, config);
  adapter = adapter_new (device, reformer_config_get_hidden_size (config), 16);
  if (!reformer_stack_insert (reformer_model_get_stack (model), 2, "adapter", adapter, error))
    return FALSE;
  text = reformer_text_dataset_new (file, NULL);
  trainer = reformer_trainer_new (model, REFORMER_DATASET (text));
  reformer_trainer_set_sequence_length (trainer, 512);
  if (!print_bits ("before", trainer, error) || !reformer_trainer_train (trainer, steps, NULL, error) || !print_bits ("after", trainer, error))
    return FALSE;

  parameters = reformer_layer_get_parameters (adapter);
  for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);

      g_print ("%s\n", reformer_parameter_get_name (parameter));
    }
  return TRUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (!train (argc > 1 ? argv[1] : "book.txt", argc > 2 ? (guint) atoi (argv[2]) : 100, &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
