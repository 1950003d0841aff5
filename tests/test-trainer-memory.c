/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of a training step, optimizer and batch included. It is counted on a planner, which the account of a real step equals to the byte. */
#include "training.h"

#define LENGTH 16384
#define KIB    1024.0
#define MIB    (1024.0 * 1024.0)

typedef struct
{
  guint64 peak;
  guint64 own; /* weights, gradients, optimizer state and packed weights */
} Use;

/* One step of the preset bench-lsh with so many layers. */
static Use
measure (ReformerDevice *device,
         guint           n_layers,
         int             length)
{
  static const char *const parts[] = { "weights", "gradients", "optimizer", "packed weights" };
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_preset ("bench-lsh", &error);
  g_autofree const char **kinds = g_new0 (const char *, n_layers + 1);
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestSamples) samples = test_samples_new (1, length, 256);
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (GArray) peak = NULL;
  Use use = { 0, 0 };

  g_assert_no_error (error);
  for (guint i = 0; i < n_layers; i++)
    kinds[i] = "lsh";
  reformer_config_set_attn_layers (config, kinds);
  model = reformer_model_new (device, config);
  trainer = test_trainer_new (model, samples);
  g_object_set (trainer, "sequence-length", length, NULL);
  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  reformer_device_reset_memory_peak (device);
  test_train (trainer, 1);
  use.peak = reformer_device_get_memory_peak (device) - before;
  peak = reformer_device_get_peak_parts (device);
  for (guint i = 0; i < peak->len; i++)
    {
      const ReformerMemoryPart *part = &g_array_index (peak, ReformerMemoryPart, i);

      for (guint j = 0; j < G_N_ELEMENTS (parts); j++)
        if (g_str_equal (part->part, parts[j]))
          use.own += part->bytes;
      if (part->bytes > 0)
        g_test_message ("  %s %.2f MiB", part->part, (double) part->bytes / MIB);
    }
  g_test_message ("%u layers, %d tokens: %.1f MiB, %.2f KiB a token beside weights, gradients, optimizer state and packed weights", n_layers, length, (double) use.peak / MIB,
                  (double) (use.peak - use.own) / KIB / length);
  return use;
}

static void
assert_little (const Use *six,
               const Use *seven)
{
  g_assert_cmpfloat ((double) (six->peak - six->own), <=, 12 * KIB * LENGTH + 64 * MIB);
  if (seven != NULL)
    {
      const double more = (double) (seven->peak - seven->own) - (double) (six->peak - six->own);

      g_test_message ("a layer more: %.2f bytes a token", more / LENGTH);
      g_assert_cmpfloat (more, <=, 16.0 * LENGTH);
    }
}

static void
test_planned (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerDevice) a = reformer_device_new_planner (device);
  g_autoptr (ReformerDevice) b = reformer_device_new_planner (device);
  const Use six = measure (a, 6, LENGTH), seven = measure (b, 7, LENGTH);

  assert_little (&six, &seven);
}

/* What is planned is what is used. */
static void
test_real (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  const guint n_layers = g_test_slow () ? 6 : 1;
  const int length = g_test_slow () ? LENGTH : 512;
  const Use planned = measure (planner, n_layers, length), real = measure (device, n_layers, length);

  g_assert_cmpuint (real.peak, ==, planned.peak);
  g_assert_cmpuint (real.own, ==, planned.own);
  if (g_test_slow ())
    assert_little (&real, NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-memory/planned", test_planned);
  g_test_add_func ("/trainer-memory/real", test_real);

  return g_test_run ();
}
