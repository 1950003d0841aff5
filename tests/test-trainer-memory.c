/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of a training step, optimizer and batch included, and of a forward pass. It is counted on a planner, which the account of a real step equals to the
 * byte; what the whole process takes is measured. */
#include "training.h"

#include "compute/device-private.h"

#include <string.h>

#define SHORT   65536
#define LONG    262144
#define MILLION 1048576
#define KIB     1024.0
#define MIB     (1024.0 * 1024.0)

typedef struct
{
  guint64 peak;
  guint64 own; /* weights, gradients, optimizer state and packed weights; of a forward pass also what it returns */
} Use;

/* ---- What is counted ---- */

/* A preset with so many layers, its kinds repeated. */
static ReformerModel *
new_model (ReformerDevice *device,
           const char     *preset,
           guint           n_layers)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_preset (preset, &error);
  g_autofree const char **kinds = g_new0 (const char *, n_layers + 1);
  const char *const *few;
  guint n;

  g_assert_no_error (error);
  few = reformer_config_get_attn_layers (config);
  n = reformer_config_get_n_layers (config);
  for (guint i = 0; i < n_layers; i++)
    kinds[i] = g_intern_string (few[i % n]);
  reformer_config_set_attn_layers (config, kinds);
  return reformer_model_new (device, config);
}

static Use
get_use (ReformerDevice *device,
         guint64         before,
         const char     *what,
         int             length)
{
  static const char *const parts[] = { "weights", "gradients", "optimizer", "packed weights" };
  g_autoptr (GArray) peak = reformer_device_get_peak_parts (device);
  Use use = { reformer_device_get_memory_peak (device) - before, 0 };

  for (guint i = 0; i < peak->len; i++)
    {
      const ReformerMemoryPart *part = &g_array_index (peak, ReformerMemoryPart, i);

      for (guint j = 0; j < G_N_ELEMENTS (parts); j++)
        if (g_str_equal (part->part, parts[j]))
          use.own += part->bytes;
      g_test_message ("  %s %.2f MiB", part->part, (double) part->bytes / MIB);
    }
  g_test_message ("%s, %d tokens: %.1f MiB, %.1f beside the model's own", what, length, (double) use.peak / MIB, (double) (use.peak - use.own) / MIB);
  return use;
}

/* A training step, keep = nothing. */
static Use
measure_step (ReformerDevice *device,
              const char     *preset,
              guint           n_layers,
              int             length)
{
  const guint64 before = reformer_device_get_memory_used (device);
  g_autofree char *what = g_strdup_printf ("a step of %s, %u layers", preset, n_layers);
  g_autoptr (ReformerModel) model = new_model (device, preset, n_layers);
  g_autoptr (TestSamples) samples = test_samples_new (1, length, 256);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);

  g_object_set (trainer, "sequence-length", length, NULL);
  reformer_stack_set_keep (reformer_model_get_stack (model), REFORMER_KEEP_NOTHING);
  reformer_device_reset_memory_peak (device);
  test_train (trainer, 1);
  return get_use (device, before, what, length);
}

/* A forward pass to the logits, or to the last hidden state. */
static Use
measure_forward (ReformerDevice *device,
                 const char     *preset,
                 gboolean        encode,
                 int             length)
{
  const guint64 before = reformer_device_get_memory_used (device);
  g_autofree char *what = g_strdup_printf ("%s of %s", encode ? "encoding" : "a forward pass", preset);
  g_autoptr (ReformerModel) model = new_model (device, preset, 6);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, length, 256);
  g_autoptr (ReformerTensor) output = NULL;
  g_autoptr (GError) error = NULL;
  Use use;

  reformer_device_reset_memory_peak (device);
  output = encode ? reformer_model_encode (model, tokens, NULL, &error) : reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (output);
  use = get_use (device, before, what, length);
  use.own += reformer_tensor_get_n_bytes (output); /* also where the peak came before it */
  return use;
}

/* ---- The rule of the design ---- */

/* What a token costs, and what is left at length 0, beside the model's own. */
static double
find_slope (const Use *at_short,
            const Use *at_long,
            double    *fixed)
{
  const double low = (double) (at_short->peak - at_short->own), high = (double) (at_long->peak - at_long->own);
  const double slope = (high - low) / (LONG - SHORT);

  *fixed = low - slope * SHORT;
  g_test_message ("%.1f bytes a token, %.1f MiB fixed", slope, *fixed / MIB);
  return slope;
}

/* At most 6 KiB a token, and 16 bytes for the buckets of each LSH layer of 4 heads and 2 rounds. */
static void
check_step (ReformerDevice *like,
            const char     *preset,
            guint           n_layers,
            Use            *at_long)
{
  g_autoptr (ReformerDevice) a = reformer_device_new_planner (like);
  g_autoptr (ReformerDevice) b = reformer_device_new_planner (like);
  const Use at_short = measure_step (a, preset, n_layers, SHORT);
  double fixed, slope;

  *at_long = measure_step (b, preset, n_layers, LONG);
  slope = find_slope (&at_short, at_long, &fixed);
  g_assert_cmpfloat (slope, <=, 6 * KIB + 16.0 * n_layers);
  g_assert_cmpfloat (fixed, <=, 64 * MIB);
  g_assert_cmpfloat ((double) (at_long->peak - at_long->own), <=, (6 * KIB + 16.0 * n_layers) * LONG + 64 * MIB);
}

static void
test_step (void)
{
  static const char *const presets[] = { "bench-lsh", "bench-mixed" };
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint i = 0; i < G_N_ELEMENTS (presets); i++)
    {
      Use six, many;

      check_step (device, presets[i], 6, &six);
      check_step (device, presets[i], 24, &many);
      /* nothing but buckets grows with depth */
      g_assert_cmpuint (many.peak - many.own, <=, six.peak - six.own + (guint64) 18 * 16 * LONG);
    }
}

/* 16 bytes a token and LSH layer of 4 heads and 2 rounds (each layer, or each second), however many layers there are; other layers nothing. */
static void
test_depth (void)
{
  static const guint depths[] = { 3, 6, 12, 24, 96 };
  static const struct { const char *preset; guint each; } models[] = { { "bench-lsh", 1 }, { "bench-mixed", 2 } };
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint m = 0; m < G_N_ELEMENTS (models); m++)
    {
      Use first = { 0 };

      for (guint i = 0; i < G_N_ELEMENTS (depths); i++)
        {
          g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
          const Use use = measure_step (planner, models[m].preset, depths[i], 8192);

          if (i == 0)
            first = use;
          else
            g_assert_cmpuint (use.peak - use.own, <=, first.peak - first.own + (guint64) (depths[i] / models[m].each - depths[0] / models[m].each) * 16 * 8192);
        }
    }
}

static void
test_forward (void)
{
  static const char *const presets[] = { "bench-lsh", "bench-mixed" };
  g_autoptr (ReformerDevice) device = test_device ();

  for (guint i = 0; i < G_N_ELEMENTS (presets); i++)
    for (int encode = 0; encode < 2; encode++)
      {
        g_autoptr (ReformerDevice) a = reformer_device_new_planner (device);
        g_autoptr (ReformerDevice) b = reformer_device_new_planner (device);
        const Use at_short = measure_forward (a, presets[i], encode, SHORT), at_long = measure_forward (b, presets[i], encode, LONG);
        double fixed;

        g_assert_cmpfloat (find_slope (&at_short, &at_long, &fixed), <=, 2.1 * KIB);
        g_assert_cmpfloat (fixed, <=, 64 * MIB);
      }
}

/* A million tokens in one sequence leave room for the process itself within 7 GiB. */
static void
test_million (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  const Use use = measure_step (planner, "bench-lsh", 6, MILLION);

  g_assert_cmpfloat ((double) use.peak, <=, (7 * 1024 - 512) * MIB);
}

/* ---- What is used ---- */

static void
test_account (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  const guint n_layers = g_test_slow () ? 6 : 1;
  const int length = g_test_slow () ? 16384 : 512;
  const Use planned = measure_step (planner, "bench-lsh", n_layers, length), real = measure_step (device, "bench-lsh", n_layers, length);

  g_assert_cmpuint (real.peak, ==, planned.peak);
  g_assert_cmpuint (real.own, ==, planned.own);
}

/* The most memory that this process has had so far. */
static double
get_process_peak (void)
{
  g_autofree char *status = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL) || (line = strstr (status, "VmHWM:")) == NULL)
    return -1;
  return g_ascii_strtod (line + strlen ("VmHWM:"), NULL) * KIB;
}

/* In a process of its own. */
static void
test_process_step (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  const Use planned = measure_step (planner, "bench-lsh", 1, SHORT), real = measure_step (device, "bench-lsh", 1, SHORT);
  const double peak = get_process_peak ();

  g_print ("the process had %.1f MiB at most, the plan %.1f\n", peak / MIB, (double) planned.peak / MIB);
  g_assert_cmpuint (real.peak, ==, planned.peak);
  g_assert_cmpfloat (ABS (peak - (double) planned.peak), <=, 0.05 * (double) planned.peak + 200 * MIB);
}

static void
test_process (void)
{
  g_autoptr (ReformerDevice) device = test_device ();

  if (get_process_peak () < 0)
    g_test_skip ("the system does not tell a process's peak");
  else if (!reformer_device_shares_memory (device) || !reformer_device_is_wide (device))
    g_test_skip ("only the wide kernels of a processor are fast enough");
  else
    {
      g_test_trap_subprocess ("/trainer-memory/process/subprocess/step", 0, G_TEST_SUBPROCESS_DEFAULT);
      g_test_trap_assert_passed ();
      g_test_trap_assert_stdout ("*the process had*");
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/trainer-memory/step", test_step);
  g_test_add_func ("/trainer-memory/depth", test_depth);
  g_test_add_func ("/trainer-memory/forward", test_forward);
  g_test_add_func ("/trainer-memory/million", test_million);
  g_test_add_func ("/trainer-memory/account", test_account);
  g_test_add_func ("/trainer-memory/process", test_process);
  g_test_add_func ("/trainer-memory/process/subprocess/step", test_process_step);

  return test_run ();
}
