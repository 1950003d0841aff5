/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders of models: what is saved is read back to the bit, and the ways in which such folders differ. */
#include "models.h"

#include <math.h>
#include <string.h>

#include <glib/gstdio.h>
#include <libreformer/layers/reformer-feed-forward.h>

#include "files/half.h"
#include "files/safetensors-write.h"
#include "files/weights.h"

static ReformerModel *
load (ReformerDevice *device,
      const char     *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;
  ReformerModel *model = reformer_model_load (device, file, NULL, &error);

  g_assert_no_error (error);
  return model;
}

static void
save (ReformerModel *model,
      const char    *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;

  reformer_model_save (model, file, NULL, &error);
  g_assert_no_error (error);
}

static float *
logits (ReformerModel *model,
        gsize         *n)
{
  g_autoptr (ReformerTensor) tokens = test_tokens (reformer_model_get_device (model), 2, 61, 40);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);

  g_assert_no_error (error);
  *n = reformer_tensor_get_n_elements (output);
  return test_floats (output);
}

static void
assert_same_model (ReformerModel *got,
                   ReformerModel *want)
{
  gsize n, m;
  g_autofree float *a = logits (got, &n), *b = logits (want, &m);

  g_assert_cmpuint (n, ==, m);
  assert_same_bits ("logits", a, b, n);
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      if (g_file_test (inside, G_FILE_TEST_IS_DIR))
        remove_folder (inside);
      else
        g_assert_cmpint (g_unlink (inside), ==, 0);
    }
  g_assert_cmpint (g_rmdir (path), ==, 0);
}

static char *
make_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("reformer-checkpoint-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

/* ---- Saved and read back ---- */

static void
test_round_trip (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("lsh,local,lsh");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerModel) again = NULL;
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "model", NULL), *other = g_build_filename (path, "notes.txt", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  reformer_model_set_seed (model, 42);
  save (model, path);
  again = load (device, path);
  assert_same_model (again, model);
  g_assert_cmpuint (reformer_model_get_n_parameters (again), ==, reformer_model_get_n_parameters (model));

  /* over a folder that exists, where somebody else's file survives */
  g_assert_true (g_file_set_contents (other, "mine", -1, NULL));
  reformer_parameter_fill (test_model_parameter (model, "lm_head.bias"), 0.5, &error);
  g_assert_no_error (error);
  save (model, path);
  g_assert_true (g_file_get_contents (other, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "mine");
  g_clear_object (&again);
  again = load (device, path);
  assert_same_model (again, model);
  remove_folder (folder);
}

/* Automatic buckets are written down, and read back as they were. */
static void
test_automatic_buckets (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerModel) again = NULL;
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "model", NULL);
  g_autofree int *chosen = NULL, *read = NULL;
  gsize n, m;

  reformer_config_set_num_buckets (config, NULL, 0);
  model = reformer_model_new (device, config);
  save (model, path);
  again = load (device, path);
  chosen = reformer_config_get_bucket_factors (reformer_model_get_config (model), &n);
  read = reformer_config_get_num_buckets (reformer_model_get_config (again), &m);
  g_assert_cmpmem (read, m * sizeof *read, chosen, n * sizeof *chosen);
  assert_same_model (again, model);
  remove_folder (folder);
}

/* An inserted branch is saved under its name, and read into a model where the same was inserted. */
static void
test_inserted_branch (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local");
  ReformerModel *models[2];
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "model", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (ReformerWeights) weights = NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 2; i++)
    {
      g_autoptr (ReformerLayer) branch = g_object_new (REFORMER_TYPE_FEED_FORWARD, "device", device, "hidden-size", 32, "feed-forward-size", 48, "deviation", 0.2, NULL);

      models[i] = reformer_model_new (device, config);
      reformer_model_set_seed (models[i], (guint64) i);
      reformer_stack_insert (reformer_model_get_stack (models[i]), 1, "more", branch, &error);
      g_assert_no_error (error);
    }
  save (models[0], path);
  weights = reformer_weights_open (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (reformer_weights_lookup (weights, "reformer.encoder.extra.more.dense.dense.weight"));
  reformer_model_load_weights (models[1], file, NULL, &error);
  g_assert_no_error (error);
  assert_same_model (models[1], models[0]);
  g_object_unref (models[0]);
  g_object_unref (models[1]);
  remove_folder (folder);
}

/* ---- Folders as others write them ---- */

typedef struct
{
  ReformerSafetensorsDType dtype;
  gsize                    shard_bytes;
  gboolean                 bare;        /* no "reformer." before the names */
  gboolean                 buffers;     /* with mask_value_ keys, as old versions wrote */
  gboolean                 decoder_bias; /* lm_head.decoder.bias beside lm_head.bias */
} Variant;

typedef struct
{
  const Variant *variant;
  GPtrArray     *values; /* float arrays */
} Filling;

static gboolean
fill (gsize      i,
      gpointer   to,
      gsize      offset,
      gsize      n_bytes,
      gpointer   user_data,
      GError   **error)
{
  Filling *filling = user_data;
  const float *values = filling->values->pdata[i];

  if (filling->variant->dtype == REFORMER_SAFETENSORS_F32)
    memcpy (to, (const char *) values + offset, n_bytes);
  else
    for (gsize k = 0; k < n_bytes / 2; k++)
      ((guint16 *) to)[k] = filling->variant->dtype == REFORMER_SAFETENSORS_F16 ? reformer_float16_from_float32 (values[offset / 2 + k])
                                                                              : reformer_bfloat16_from_float32 (values[offset / 2 + k]);
  return TRUE;
}

static void
add_tensor (GArray       *tensors,
            GPtrArray    *values,
            GPtrArray    *names,
            const char   *name,
            ReformerSafetensorsDType dtype,
            const gint64 *shape,
            gsize         n_dims,
            float        *data)
{
  ReformerSafetensorsTensor tensor = { .dtype = dtype, .n_dims = (guint) n_dims };

  g_ptr_array_add (names, g_strdup (name));
  tensor.name = names->pdata[names->len - 1];
  memcpy (tensor.shape, shape, n_dims * sizeof *shape);
  g_array_append_val (tensors, tensor);
  g_ptr_array_add (values, data);
}

/* Writes the model as `variant` says, in numbers that fit 16 bits, and gives the model the same numbers. */
static void
write_variant (ReformerModel *model,
               const char    *path,
               const Variant *variant)
{
  static const char *const known[] = { "config.json", REFORMER_WEIGHTS_FILES, NULL };
  g_autoptr (GPtrArray) all = reformer_model_list_parameters (model);
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (model);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (ReformerSafetensorsTensor));
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ReformerAtomicFolder) folder = NULL;
  g_autofree char *text = reformer_config_to_json (reformer_model_get_config (model));
  g_autoptr (GError) error = NULL;
  Filling filling = { variant, values };
  const gint64 one = 1, vocabulary = 40;

  for (guint i = 0; i < buffers->len; i++)
    g_ptr_array_add (all, g_object_ref (buffers->pdata[i]));
  for (guint i = 0; i < all->len; i++)
    {
      const char *name = reformer_parameter_get_name (all->pdata[i]);
      const gsize n = reformer_parameter_get_n_elements (all->pdata[i]);
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (all->pdata[i], &n_dims);
      float *data = test_floats (reformer_parameter_get_value (all->pdata[i]));

      for (gsize k = 0; k < n; k++)
        {
          /* what float16 has left, in 8 bits of digits, is exact in all three types */
          data[k] = reformer_float32_from_float16 (reformer_float16_from_float32 (data[k]));
          data[k] = reformer_float32_from_bfloat16 (reformer_bfloat16_from_float32 (data[k]));
        }
      test_set_values (all->pdata[i], data, n);
      if (variant->bare && g_str_has_prefix (name, "reformer."))
        name += strlen ("reformer.");
      add_tensor (tensors, values, names, name, variant->dtype, shape, n_dims, data);
    }
  if (variant->buffers)
    {
      float *number = g_new (float, 1);

      *number = -1e9f;
      add_tensor (tensors, values, names, "reformer.encoder.layers.0.attention.self_attention.mask_value_float32", REFORMER_SAFETENSORS_F32, &one, 0, number);
    }
  if (variant->decoder_bias)
    {
      float *bias = g_new (float, 40);

      for (int i = 0; i < 40; i++)
        bias[i] = (float) i / 8;
      add_tensor (tensors, values, names, "lm_head.decoder.bias", variant->dtype, &vocabulary, 1, bias);
      test_set_values (test_model_parameter (model, "lm_head.bias"), bias, 40);
    }
  folder = reformer_atomic_folder_begin (path, known, &error);
  g_assert_no_error (error);
  reformer_atomic_folder_write (folder, "config.json", text, strlen (text), NULL, &error);
  g_assert_no_error (error);
  reformer_weights_write (folder, (ReformerSafetensorsTensor *) tensors->data, tensors->len, variant->shard_bytes, REFORMER_SAFETENSORS_METADATA, fill, &filling, NULL,
                          &error);
  g_assert_no_error (error);
  reformer_atomic_folder_commit (g_steal_pointer (&folder), &error);
  g_assert_no_error (error);
}

static const struct
{
  const char *name;
  Variant     variant;
} variants[] = {
  { "float32", { REFORMER_SAFETENSORS_F32, 0, FALSE, FALSE, FALSE } },
  { "float16", { REFORMER_SAFETENSORS_F16, 0, FALSE, FALSE, FALSE } },
  { "bfloat16", { REFORMER_SAFETENSORS_BF16, 0, FALSE, FALSE, FALSE } },
  { "sharded", { REFORMER_SAFETENSORS_F32, 20000, FALSE, FALSE, FALSE } },
  { "without-prefix", { REFORMER_SAFETENSORS_F32, 0, TRUE, FALSE, FALSE } },
  { "old-buffers", { REFORMER_SAFETENSORS_F32, 0, FALSE, TRUE, FALSE } },
  { "decoder-bias", { REFORMER_SAFETENSORS_F32, 0, FALSE, FALSE, TRUE } },
};

static void
test_variant (gconstpointer data)
{
  const Variant *variant = data;
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("lsh,local");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config);
  g_autoptr (ReformerModel) read = NULL;
  g_autofree char *folder = make_folder (), *path = g_build_filename (folder, "model", NULL);
  g_autoptr (GError) error = NULL;

  reformer_model_prepare (model, &error);
  g_assert_no_error (error);
  write_variant (model, path, variant);
  if (variant->shard_bytes > 0)
    {
      g_autofree char *index = g_build_filename (path, "model.safetensors.index.json", NULL);

      g_assert_true (g_file_test (index, G_FILE_TEST_EXISTS));
    }
  read = load (device, path);
  assert_same_model (read, model);
  remove_folder (folder);
}

/* Without rotations in the file they are drawn, the same for the same seed. */
static void
test_rotations_drawn (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("lsh");
  g_autoptr (ReformerModel) a = reformer_model_new (device, config);
  g_autoptr (ReformerModel) b = NULL;
  const char *name = "reformer.encoder.layers.0.attention.self_attention.rotations";
  g_autofree float *first = NULL, *second = NULL;
  g_autoptr (GError) error = NULL;
  gsize n;

  reformer_model_prepare (a, &error);
  g_assert_no_error (error);
  n = reformer_parameter_get_n_elements (test_model_parameter (a, name));
  first = test_floats (reformer_parameter_get_value (test_model_parameter (a, name)));
  /* more rounds extend fewer: [A, d, rounds, columns] */
  g_object_set (config, "num-hashes", 3, NULL);
  b = reformer_model_new (device, config);
  reformer_model_prepare (b, &error);
  g_assert_no_error (error);
  second = test_floats (reformer_parameter_get_value (test_model_parameter (b, name)));
  for (gsize i = 0; i < n; i++)
    {
      const gsize columns = 4, row = i / (2 * columns), round = i / columns % 2;

      g_assert_cmpfloat (first[i], ==, second[(row * 3 + round) * columns + i % columns]);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/checkpoint/round-trip", test_round_trip);
  g_test_add_func ("/checkpoint/automatic-buckets", test_automatic_buckets);
  g_test_add_func ("/checkpoint/inserted-branch", test_inserted_branch);
  for (guint i = 0; i < G_N_ELEMENTS (variants); i++)
    {
      g_autofree char *path = g_strdup_printf ("/checkpoint/%s", variants[i].name);

      g_test_add_data_func (path, &variants[i].variant, test_variant);
    }
  g_test_add_func ("/checkpoint/rotations", test_rotations_drawn);
  return test_run ();
}
