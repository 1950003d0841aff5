/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-private.h"

#include "compute/device-private.h"
#include "files/atomic.h"
#include "files/reading.h"
#include "files/weights.h"
#include <libreformer/files/reformer-file-error.h>

/* Folders as transformers saves them: config.json, and model.safetensors or its shards. Names in a file may lack "reformer." (a bare model was saved), and the
 * language head's bias is `lm_head.decoder.bias` where there is one, else `lm_head.bias`. */

#define PREFIX "reformer."
#define BIAS "lm_head.bias"
#define DECODER_BIAS "lm_head.decoder.bias"

/* Floats that go through host memory at a time */
#define PIECE (1u << 20)

/* ---- Reading ---- */

/* A pass over a file's tensors: which of them have been used, and what does not fit. */
typedef struct
{
  ReformerWeights *weights;
  GHashTable      *used;      /* entry names, borrowed */
  gboolean         bare;      /* names lack "reformer." */
  gboolean         body;      /* without the head */
  int              rounds;    /* the least that rotations must have where evaluation has a number of its own; 0: they must be as many as the layer's */
  GString         *problems;
  guint            n_problems;
} Reading;

/* Problems that are named one by one; a line with more would help nobody. */
#define MAX_NAMED 100

static void G_GNUC_PRINTF (2, 3)
add_problem (Reading    *reading,
             const char *format,
             ...)
{
  va_list args;

  if (reading->n_problems++ >= MAX_NAMED)
    return;
  if (reading->problems->len > 0)
    g_string_append (reading->problems, "; ");
  va_start (args, format);
  g_string_append_vprintf (reading->problems, format, args);
  va_end (args);
}

static const ReformerSafetensorsEntry *
find_entry (Reading    *reading,
            const char *name)
{
  const ReformerSafetensorsEntry *entry;

  if (reading->bare && g_str_has_prefix (name, PREFIX))
    name += strlen (PREFIX);
  entry = reformer_weights_lookup (reading->weights, name);
  if (entry != NULL)
    g_hash_table_add (reading->used, (gpointer) entry->name);
  return entry;
}

static gboolean
fits (ReformerParameter              *parameter,
      const ReformerSafetensorsEntry *entry,
      Reading                        *reading)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_parameter_get_shape (parameter, &n_dims);
  g_autofree char *name = reformer_file_quote (entry->name);
  const gboolean floats = entry->dtype == REFORMER_SAFETENSORS_F32 || entry->dtype == REFORMER_SAFETENSORS_F16 ||
                          entry->dtype == REFORMER_SAFETENSORS_BF16 || entry->dtype == REFORMER_SAFETENSORS_F64;
  g_autofree char *seen = NULL, *wanted = NULL;

  if (floats && n_dims == entry->n_dims && memcmp (shape, entry->shape, n_dims * sizeof *shape) == 0)
    return TRUE;
  if (floats && reading->rounds > 0 && reformer_parameter_has_rounds (parameter) && entry->n_dims == 4 && entry->shape[2] >= reading->rounds &&
      shape[0] == entry->shape[0] && shape[1] == entry->shape[1] && shape[3] == entry->shape[3])
    return TRUE;
  seen = reformer_safetensors_describe (entry->dtype, entry->shape, entry->n_dims);
  wanted = reformer_safetensors_describe (REFORMER_SAFETENSORS_F32, shape, n_dims);
  if (g_str_has_suffix (entry->name, ".rotations"))
    add_problem (reading, "%s is %s, but num_attention_heads, attention_head_size, num_hashes and num_buckets (half the sum of its factors) of the configuration make it %s",
                 name, seen, wanted);
  else
    add_problem (reading, "%s is %s, wanted %s", name, seen, wanted);
  return FALSE;
}

/* The numbers of an entry in a new tensor; NULL and a failed run where they cannot be had. */
static ReformerTensor *
read_entry (ReformerParameter              *parameter,
            const ReformerSafetensorsEntry *entry,
            ReformerRun                    *run)
{
  const gsize n_elements = reformer_device_is_planner (run->device) ? 0 : entry->n_elements;
  g_autofree float *values = g_new (float, MIN ((gsize) PIECE, n_elements));
  g_autoptr (ReformerTensor) tensor = reformer_parameter_new_value (parameter, run);

  for (gsize n = 0; n < n_elements && reformer_run_ok (run); n += PIECE)
    {
      const gsize count = MIN ((gsize) PIECE, n_elements - n);
      GError *error = NULL;

      if (reformer_safetensors_read_float32 (entry->file, entry, values, n, count, run->cancellable, &error))
        reformer_run_write (run, reformer_at (tensor, n), values, count);
      else
        reformer_run_take (run, error);
    }
  return reformer_run_ok (run) ? g_steal_pointer (&tensor) : NULL;
}

/* Rotations of more or fewer rounds than a file has: its first ones, and what is drawn beyond them. */
static ReformerTensor *
read_rounds (ReformerModel                  *self,
             ReformerParameter              *parameter,
             const ReformerSafetensorsEntry *entry,
             ReformerRun                    *run)
{
  const gsize n = reformer_parameter_get_n_elements (parameter), columns = (gsize) entry->shape[3], vectors = (gsize) entry->shape[0] * (gsize) entry->shape[1];
  const gsize rounds = n / (vectors * columns), given = (gsize) entry->shape[2];
  g_autofree float *values = NULL, *read = NULL;
  g_autoptr (ReformerTensor) tensor = reformer_parameter_new_value (parameter, run);
  GError *error = NULL;

  if (tensor == NULL || reformer_device_is_planner (run->device))
    return g_steal_pointer (&tensor);
  values = g_try_new (float, n);
  read = g_try_new (float, entry->n_elements);
  if (values == NULL || read == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "%s: no host memory for its %" G_GSIZE_FORMAT " elements",
                       reformer_parameter_get_name (parameter), MAX (n, entry->n_elements));
  else if (!reformer_safetensors_read_float32 (entry->file, entry, read, 0, entry->n_elements, run->cancellable, &error))
    reformer_run_take (run, error);
  else
    {
      reformer_parameter_draw (parameter, reformer_model_get_rotation_seed (self), values);
      for (gsize i = 0; i < vectors; i++)
        memcpy (values + i * rounds * columns, read + i * given * columns, MIN (rounds, given) * columns * sizeof *values);
      reformer_run_write (run, reformer_span (tensor), values, n);
    }
  return reformer_run_ok (run) ? g_steal_pointer (&tensor) : NULL;
}

/* A bias that a file leaves out is zero. */
static ReformerTensor *
new_zeros (ReformerParameter *parameter,
           ReformerRun       *run)
{
  ReformerTensor *tensor = reformer_parameter_new_value (parameter, run);

  if (tensor != NULL)
    reformer_run_fill (run, reformer_span (tensor), 0, reformer_tensor_get_n_elements (tensor));
  return tensor;
}

/* Of any head, this library's or transformers'. */
static gboolean
is_of_head (const char *name)
{
  return g_str_has_prefix (name, "lm_head.") || g_str_has_prefix (name, "classifier.") || g_str_has_prefix (name, "qa_outputs.") || g_str_has_prefix (name, "value_outputs.");
}

/* What a file may hold beside the parameters. */
static gboolean
is_ignored (Reading    *reading,
            const char *name)
{
  return strstr (name, "mask_value_") != NULL || g_str_equal (name, BIAS) || g_str_equal (name, DECODER_BIAS) || (reading->body && is_of_head (name));
}

static void
find_surplus (Reading *reading)
{
  const gsize n = reformer_weights_get_n_tensors (reading->weights);

  for (gsize i = 0; i < n; i++)
    {
      const char *name = reformer_weights_get_entry (reading->weights, i)->name;

      if (!g_hash_table_contains (reading->used, name) && !is_ignored (reading, name))
        {
          g_autofree char *quoted = reformer_file_quote (name);

          add_problem (reading, "%s is surplus: the configuration has no such tensor", quoted);
        }
    }
}

/* Finds and checks an entry for every parameter and buffer before any is read. NULL in the result: it is absent and may be. */
static GPtrArray *
match (Reading   *reading,
       GPtrArray *parameters,
       GPtrArray *buffers)
{
  GPtrArray *entries = g_ptr_array_new ();

  for (guint i = 0; i < parameters->len + buffers->len; i++)
    {
      const gboolean buffer = i >= parameters->len;
      ReformerParameter *parameter = buffer ? buffers->pdata[i - parameters->len] : parameters->pdata[i];
      const char *name = reformer_parameter_get_name (parameter);
      const gboolean bias = g_str_equal (name, BIAS), left_out = reading->body && is_of_head (name);
      const ReformerSafetensorsEntry *entry = bias && !left_out ? find_entry (reading, DECODER_BIAS) : NULL;

      if (entry == NULL && !left_out)
        entry = find_entry (reading, name);
      if (entry == NULL && !bias && !buffer && !left_out)
        add_problem (reading, "%s is missing", name);
      g_ptr_array_add (entries, entry != NULL && fits (parameter, entry, reading) ? (gpointer) entry : NULL);
    }
  find_surplus (reading);
  return entries;
}

/* No name has the prefix. */
static gboolean
is_bare (ReformerWeights *weights)
{
  for (gsize i = 0; i < reformer_weights_get_n_tensors (weights); i++)
    if (g_str_has_prefix (reformer_weights_get_entry (weights, i)->name, PREFIX))
      return FALSE;
  return TRUE;
}

static gboolean
read_weights (ReformerModel  *self,
              const char     *path,
              gboolean        body,
              GCancellable   *cancellable,
              GError        **error)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (self);
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (self);
  g_autoptr (ReformerWeights) weights = reformer_weights_open (path, cancellable, error);
  g_autoptr (GHashTable) used = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GString) problems = g_string_new (NULL);
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (reformer_run_unref);
  g_autoptr (GRecMutexLocker) locker = g_rec_mutex_locker_new (&self->lock);
  ReformerRun run = REFORMER_RUN_INIT (self->device, cancellable);
  Reading reading = { weights, used, FALSE, body, 0, problems, 0 };

  if (weights == NULL)
    return FALSE;
  reading.bare = is_bare (weights);
  if (reformer_config_get_num_hashes_evaluation (self->config) > 0)
    reading.rounds = reformer_config_get_num_hashes (self->config);
  entries = match (&reading, parameters, buffers);
  if (reading.n_problems > 0)
    {
      if (reading.n_problems > MAX_NAMED)
        g_string_append_printf (problems, "; and %u more", reading.n_problems - MAX_NAMED);
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "%s does not fit the configuration: %s", reformer_weights_get_path (weights), problems->str);
      return FALSE;
    }
  /* All is read aside before the first value is replaced: a read that fails, or is cancelled, changes nothing. */
  for (guint i = 0; i < entries->len && reformer_run_ok (&run); i++)
    {
      ReformerParameter *parameter = i < parameters->len ? parameters->pdata[i] : buffers->pdata[i - parameters->len];
      ReformerTensor *value = NULL;

      const ReformerSafetensorsEntry *entry = entries->pdata[i];

      if (entry != NULL && entry->n_elements != reformer_parameter_get_n_elements (parameter))
        value = read_rounds (self, parameter, entry, &run);
      else if (entry != NULL)
        value = read_entry (parameter, entry, &run);
      else if (i < parameters->len && !(body && is_of_head (reformer_parameter_get_name (parameter))))
        value = new_zeros (parameter, &run);
      g_ptr_array_add (values, value);
    }
  for (guint i = 0; i < values->len && reformer_run_ok (&run); i++)
    if (values->pdata[i] != NULL)
      reformer_parameter_take_value (i < parameters->len ? parameters->pdata[i] : buffers->pdata[i - parameters->len], values->pdata[i]);
  return reformer_run_finish (&run, error);
}

/**
 * reformer_model_load:
 * @device: (nullable): the device that is to hold and run it; %NULL for the default one
 * @file: a folder as transformers or [method@Model.save] writes it
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads a model: `config.json`, and `model.safetensors` or its shards, in float32, float16, bfloat16 or float64. The rotations of LSH layers are read where the folder
 * has them; otherwise they are drawn.
 *
 * Returns: (transfer full): the model, or %NULL with @error set: [error@FileError], [error@ModelError], [error@DeviceError]
 */
ReformerModel *
reformer_model_load (ReformerDevice  *device,
                     GFile           *file,
                     GCancellable    *cancellable,
                     GError         **error)
{
  g_autoptr (ReformerConfig) config = NULL;
  g_autoptr (ReformerModel) self = NULL;
  g_autofree char *path = NULL, *folder = NULL;

  g_return_val_if_fail (device == NULL || REFORMER_IS_DEVICE (device), NULL);
  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  path = reformer_file_local_path (file, error);
  if (path == NULL)
    return NULL;
  folder = reformer_atomic_folder_resolve (path);
  if (g_file_test (folder, G_FILE_TEST_IS_REGULAR))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: is a file, a folder with a config.json is wanted", path);
      reformer_file_tidy (error);
      return NULL;
    }
  {
    g_autoptr (GFile) resolved = g_file_new_for_path (folder);

    config = reformer_config_load (resolved, cancellable, error);
  }
  if (config == NULL)
    return NULL;
  self = reformer_model_new (device, config);
  if (!reformer_model_build (self, error) || !read_weights (self, folder, FALSE, cancellable, error) || !reformer_model_prepare (self, error))
    {
      reformer_file_tidy (error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

static gboolean
load_weights (ReformerModel  *self,
              GFile          *file,
              gboolean        body,
              GCancellable   *cancellable,
              GError        **error)
{
  g_autofree char *path = reformer_file_local_path (file, error), *folder = NULL;

  if (path == NULL || !reformer_model_build (self, error))
    return FALSE;
  folder = reformer_atomic_folder_resolve (path);
  return (read_weights (self, folder, body, cancellable, error) && reformer_model_prepare (self, error)) || reformer_file_tidy (error);
}

/**
 * reformer_model_load_weights:
 * @self: a model
 * @file: a folder, or a safetensors file
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads weights into a model that exists, such as one with branches of your own in its stack. All is checked and read before the first value is replaced, so that
 * a failure changes nothing; values that exist take their memory twice until then.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@FileError] names what is missing, surplus or of another shape
 */
gboolean
reformer_model_load_weights (ReformerModel  *self,
                             GFile          *file,
                             GCancellable   *cancellable,
                             GError        **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), FALSE);
  g_return_val_if_fail (G_IS_FILE (file), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  return load_weights (self, file, FALSE, cancellable, error);
}

/**
 * reformer_model_load_body:
 * @self: a model
 * @file: a folder, or a safetensors file, of a model with any head or none
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads all weights but the head's, to teach something else to a model that was trained before: a classifier from a language model, say. The head of this model keeps its values, or
 * starts. Otherwise as [method@Model.load_weights].
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@FileError] names what is missing, surplus or of another shape
 */
gboolean
reformer_model_load_body (ReformerModel  *self,
                          GFile          *file,
                          GCancellable   *cancellable,
                          GError        **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), FALSE);
  g_return_val_if_fail (G_IS_FILE (file), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  return load_weights (self, file, TRUE, cancellable, error);
}

/**
 * reformer_model_list_weights:
 * @file: a folder, or a safetensors file
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Looks at the weights of a folder without reading them: only the headers of its files are read.
 *
 * Returns: (transfer full): an array `a(ssaxs)` with name, type such as `F32`, shape and file of every tensor, by name; or %NULL with @error set:
 *   [error@FileError]
 */
GVariant *
reformer_model_list_weights (GFile         *file,
                             GCancellable  *cancellable,
                             GError       **error)
{
  g_autofree char *path = NULL, *folder = NULL;
  g_autoptr (ReformerWeights) weights = NULL;
  GVariantBuilder list;

  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  path = reformer_file_local_path (file, error);
  if (path == NULL)
    return NULL;
  folder = reformer_atomic_folder_resolve (path);
  weights = reformer_weights_open (folder, cancellable, error);
  if (weights == NULL)
    {
      reformer_file_tidy (error);
      return NULL;
    }
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(ssaxs)"));
  for (gsize i = 0; i < reformer_weights_get_n_tensors (weights); i++)
    {
      const ReformerSafetensorsEntry *entry = reformer_weights_get_entry (weights, i);
      g_autofree char *name = g_filename_display_name (reformer_safetensors_get_path (entry->file));

      g_variant_builder_add (&list, "(ss@axs)", entry->name, reformer_safetensors_dtype_get_name (entry->dtype),
                             g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, entry->shape, entry->n_dims, sizeof *entry->shape), name);
    }
  return g_variant_ref_sink (g_variant_builder_end (&list));
}
