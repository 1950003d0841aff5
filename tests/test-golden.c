/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The golden models: outputs, losses and gradients are those of transformers. */
#include "models.h"

#include <math.h>
#include <string.h>

#define OUTPUT_TOLERANCE 2e-4
#define GRADIENT_TOLERANCE 1e-3
#define LOSS_TOLERANCE 1e-5

static const char *const names[] = { "local", "lsh", "mixed", "padded", "short", "chunks", "between", "behind", "causal-mask", "auto",
                                     "masked-lm", "table", "classify", "regress", "multi", "answer" };

typedef struct
{
  ReformerDevice      *device;
  ReformerModel       *model;
  ReformerSafetensors *io;
  ReformerTensor      *ids, *mask, *labels;
} Golden;

/* int32 or float32 in any shape; of spans [B, 2] from two tensors [B] */
static ReformerTensor *
read_labels (Golden *golden)
{
  const ReformerSafetensorsEntry *entry = reformer_safetensors_lookup (golden->io, "labels");
  g_autoptr (ReformerTensor) tensor = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree gint32 *values = NULL;
  gint64 rows;

  if (entry == NULL)
    {
      static const char *const sides[] = { "start_positions", "end_positions" };

      entry = reformer_safetensors_lookup (golden->io, sides[0]);
      rows = entry->shape[0];
      values = g_new (gint32, 2 * (gsize) rows);
      for (int side = 0; side < 2; side++)
        for (gint64 b = 0; b < rows; b++)
          {
            entry = reformer_safetensors_lookup (golden->io, sides[side]);
            reformer_safetensors_read (golden->io, entry, &values[2 * b + side], 4 * (gsize) b, 4, NULL, &error);
            g_assert_no_error (error);
          }
      return test_tensor_int (golden->device, values, 2, (int) rows, 2);
    }
  values = g_malloc (entry->n_bytes);
  reformer_safetensors_read (golden->io, entry, values, 0, entry->n_bytes, NULL, &error);
  g_assert_no_error (error);
  bytes = g_bytes_new (values, entry->n_bytes);
  tensor = reformer_tensor_new_from_bytes (golden->device, entry->dtype == REFORMER_SAFETENSORS_F32 ? REFORMER_DTYPE_FLOAT32 : REFORMER_DTYPE_INT32, entry->shape, entry->n_dims,
                                           bytes, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&tensor);
}

static void
golden_open (Golden     *golden,
             const char *name)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "golden", name, NULL);
  g_autofree char *path = g_build_filename (folder, "io.safetensors", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (GError) error = NULL;

  golden->device = test_device ();
  golden->model = reformer_model_load (golden->device, file, NULL, &error);
  g_assert_no_error (error);
  golden->io = reformer_safetensors_open (path, NULL, &error);
  g_assert_no_error (error);
  golden->ids = test_read_tokens (golden->io, "ids", golden->device);
  golden->mask = test_read_tokens (golden->io, "mask", golden->device);
  golden->labels = read_labels (golden);
}

static void
golden_close (Golden *golden)
{
  g_clear_object (&golden->ids);
  g_clear_object (&golden->mask);
  g_clear_object (&golden->labels);
  g_clear_pointer (&golden->io, reformer_safetensors_unref);
  g_assert_finalize_object (golden->model);
  g_clear_object (&golden->device);
}

/* Rows of masked-out tokens are of no use to anyone: the answer's are taken over. What a whole sequence has is compared in any case. */
static void
compare_output (Golden         *golden,
                const char     *name,
                ReformerTensor *output)
{
  gsize n;
  g_autofree double *want = test_read_double (golden->io, name, &n);
  g_autofree float *got = test_floats (output);

  g_assert_cmpuint (reformer_tensor_get_n_elements (output), ==, n);
  if (golden->mask != NULL && n % reformer_tensor_get_n_elements (golden->mask) == 0)
    {
      g_autofree gint32 *mask = test_ints (golden->mask);
      const gsize tokens = reformer_tensor_get_n_elements (golden->mask), width = n / tokens;

      for (gsize i = 0; i < n; i++)
        if (mask[i / width] == 0)
          got[i] = (float) want[i];
    }
  assert_close (name, got, want, n, OUTPUT_TOLERANCE);
}

static void
compare_gradients (Golden *golden)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (golden->model);
  double most = 0;

  for (int pass = 0; pass < 2; pass++)
    for (guint i = 0; i < parameters->len; i++)
      {
        const char *name = reformer_parameter_get_name (parameters->pdata[i]);
        g_autofree char *key = g_strconcat ("grad.", name, NULL);
        gsize n;
        g_autofree double *want = test_read_double (golden->io, key, &n);

        if (want == NULL)
          {
            g_assert_true (g_str_equal (name, "lm_head.bias") || most == 0);
            continue;
          }
        if (pass == 0)
          most = fmax (most, test_largest (want, n));
        else
          {
            g_autofree float *got = test_floats (reformer_parameter_get_gradient (parameters->pdata[i]));
            const double largest = test_largest (want, n);

            /* a gradient that is zero in exact arithmetic is measured by the largest of the model */
            assert_near (name, got, want, n, GRADIENT_TOLERANCE * fmax (largest, 1e-3 * most));
          }
      }
}

static void
test_outputs (gconstpointer name)
{
  Golden golden = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) hidden = NULL;
  g_autoptr (ReformerTensor) logits = NULL;

  golden_open (&golden, name);
  hidden = reformer_model_encode (golden.model, golden.ids, golden.mask, &error);
  g_assert_no_error (error);
  compare_output (&golden, "last_hidden_state", hidden);
  logits = reformer_model_forward (golden.model, golden.ids, golden.mask, &error);
  g_assert_no_error (error);
  compare_output (&golden, "logits", logits);
  golden_close (&golden);
}

static void
test_gradients_of (gconstpointer name)
{
  static const ReformerKeep keeps[] = { REFORMER_KEEP_EVERYTHING, REFORMER_KEEP_INPUTS, REFORMER_KEEP_NOTHING };
  Golden golden = { NULL };
  gsize n;
  g_autofree double *want = NULL;

  golden_open (&golden, name);
  want = test_read_double (golden.io, "loss", &n);
  for (guint i = 0; i < (test_device_slow (golden.device) ? 1 : G_N_ELEMENTS (keeps)); i++)
    {
      g_autoptr (GError) error = NULL;
      double loss;

      reformer_stack_set_keep (reformer_model_get_stack (golden.model), keeps[G_N_ELEMENTS (keeps) - 1 - i]);
      loss = reformer_model_compute_gradients (golden.model, golden.ids, golden.mask, golden.labels, &error);
      g_assert_no_error (error);
      g_assert_cmpfloat (fabs (loss - want[0]), <=, LOSS_TOLERANCE);
      compare_gradients (&golden);
    }
  golden_close (&golden);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (ReformerDevice) device = NULL;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *outputs = g_strdup_printf ("/golden/%s/outputs", names[i]), *gradients = g_strdup_printf ("/golden/%s/gradients", names[i]);

      if (test_device_slow (device) && !g_str_equal (names[i], "lsh"))
        continue;
      g_test_add_data_func (outputs, names[i], test_outputs);
      g_test_add_data_func (gradients, names[i], test_gradients_of);
    }
  return test_run ();
}
