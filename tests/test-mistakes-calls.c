/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every function of the public API that has a GError, called wrongly: wrong type, shape, name, order of calls, a file that was forgotten. One line names the thing, the value
 * seen and the value wanted, and the object goes on working.
 * check-mistakes.py holds this against the headers. */
#include "mistakes.h"
#include "training.h"

#include "folders.h"
#include "layer-checks.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include <libreformer/compute/reformer-device-list.h>
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-labelled-dataset.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/generation/reformer-generator.h>
#include <libreformer/generation/reformer-session.h>
#include <libreformer/layers/reformer-axial-position.h>
#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/layers/reformer-position-table.h>
#include <libreformer/training/reformer-adafactor.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#define DEVICE(name)  REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_##name
#define FILES(name)   REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_##name
#define MODEL(name)   REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_##name
#define OTHER_CALL    G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT
#define TRAINER(name) REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_##name

static GError *error;
static guint n_errors;

/* The call failed as it should: domain, code and words. */
#define MISUSE(failed, ...) \
  G_STMT_START \
    { \
      g_assert_true (failed); \
      assert_says (&error, __VA_ARGS__, NULL); \
      n_errors++; \
    } \
  G_STMT_END

static GFile *
file_in (const char *folder,
         const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_new_for_path (path);
}

/* ---- Devices and tensors ---- */

static void
test_compute (void)
{
  static const float some[6] = { 1, 2, 3, 4, 5, 6 };
  const gint64 right[2] = { 2, 3 }, none[2] = { 2, 0 }, negative[2] = { -2, 3 }, other[2] = { 4, 2 }, many[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
  g_autoptr (ReformerDevice) blank = g_object_new (REFORMER_TYPE_DEVICE, NULL), planner = reformer_device_new_planner (device);
  g_autoptr (ReformerTensor) nothing = g_object_new (REFORMER_TYPE_TENSOR, NULL), tensor = test_tensor (device, some, 2, 2, 3), planned = test_tensor (planner, NULL, 2, 2, 3);
  g_autoptr (GBytes) bytes = g_bytes_new_static (some, sizeof some), few = g_bytes_new_static (some, 20), much = g_bytes_new_static (some, 23);
  g_autofree float *after = NULL;

  MISUSE (reformer_device_find ("no such device", &error) == NULL, DEVICE (NOT_FOUND), "\"no such device\"", "the devices are", reformer_device_get_name (device));

  MISUSE (reformer_tensor_new (blank, REFORMER_DTYPE_FLOAT32, right, 2, &error) == NULL, DEVICE (NOT_FOUND), "stands for no device");
  MISUSE (reformer_tensor_new (device, (ReformerDType) 77, right, 2, &error) == NULL, DEVICE (INVALID), "77 is no type of tensors");
  MISUSE (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, none, 2, &error) == NULL, DEVICE (INVALID), "[2, 0]", "dimension 1 is 0", "at least 1");
  MISUSE (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, negative, 2, &error) == NULL, DEVICE (INVALID), "[-2, 3]", "dimension 0 is -2", "at least 1");
  MISUSE (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, many, 9, &error) == NULL, DEVICE (INVALID), "9 dimensions", "at most 8");
  MISUSE (reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, right, 2, few, &error) == NULL, DEVICE (INVALID), "float32 [2, 3] has 24 bytes", "20 bytes were given");
  MISUSE (reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_UINT8, right, 2, bytes, &error) == NULL, DEVICE (INVALID), "uint8 [2, 3] has 6 bytes", "24 bytes were given");
  MISUSE (reformer_tensor_reshape (tensor, other, 2, &error) == NULL, DEVICE (INVALID), "[2, 3] cannot become [4, 2]", "6 elements are not 8");
  MISUSE (reformer_tensor_reshape (tensor, none, 2, &error) == NULL, DEVICE (INVALID), "[2, 0]", "at least 1");
  MISUSE (!reformer_tensor_upload (tensor, much, &error), DEVICE (INVALID), "23", "24");
  MISUSE (!reformer_tensor_upload (nothing, bytes, &error), DEVICE (INVALID), "float32 [] has 0 bytes", "24 bytes were given");
  MISUSE (!reformer_tensor_upload_pointer (tensor, (gpointer) some, 28, &error), DEVICE (INVALID), "28", "24");
  MISUSE (!reformer_tensor_upload_pointer (tensor, NULL, 24, &error), DEVICE (INVALID), "the address is NULL", "reformer_tensor_upload()");
  MISUSE (reformer_tensor_to_bytes (nothing, &error) == NULL, DEVICE (INVALID), "without elements");
  MISUSE (reformer_tensor_map (nothing, &error) == NULL, DEVICE (INVALID), "without elements");
  MISUSE (reformer_tensor_map (planned, &error) == NULL, DEVICE (LIMIT), "(a planner)", "which cannot be looked at");

  after = test_floats (tensor);
  g_assert_cmpmem (after, sizeof some, some, sizeof some);
}

/* ---- Tokenizers, samples, data sets ---- */

/* Classes whose writer forgot everything, or says that it cannot be. */
typedef struct
{
  ReformerDataset parent_instance;
} TestBlankDataset;

typedef struct
{
  ReformerDatasetClass parent_class;
} TestBlankDatasetClass;

static GType test_blank_dataset_get_type (void);
G_DEFINE_TYPE (TestBlankDataset, test_blank_dataset, REFORMER_TYPE_DATASET)

static ReformerDataset *
test_blank_dataset_get_held_out (ReformerDataset  *dataset,
                                 GError          **problem)
{
  g_set_error (problem, FILES (INVALID), "TestBlankDataset holds nothing out");
  return NULL;
}

static void
test_blank_dataset_class_init (TestBlankDatasetClass *klass)
{
  REFORMER_DATASET_CLASS (klass)->get_held_out = test_blank_dataset_get_held_out;
}

static void
test_blank_dataset_init (TestBlankDataset *self)
{
}

typedef struct
{
  ReformerTokenizer parent_instance;
} TestBlankTokenizer;

typedef struct
{
  ReformerTokenizerClass parent_class;
} TestBlankTokenizerClass;

static GType test_blank_tokenizer_get_type (void);
G_DEFINE_TYPE (TestBlankTokenizer, test_blank_tokenizer, REFORMER_TYPE_TOKENIZER)

static int
test_blank_tokenizer_count_ids (ReformerTokenizer  *tokenizer,
                                GError            **problem)
{
  g_set_error (problem, FILES (INVALID), "TestBlankTokenizer cannot count");
  return -1;
}

static char *
test_blank_tokenizer_identify (ReformerTokenizer  *tokenizer,
                               GError            **problem)
{
  g_set_error (problem, FILES (INVALID), "TestBlankTokenizer has no name");
  return NULL;
}

static void
test_blank_tokenizer_class_init (TestBlankTokenizerClass *klass)
{
  REFORMER_TOKENIZER_CLASS (klass)->count_ids = test_blank_tokenizer_count_ids;
  REFORMER_TOKENIZER_CLASS (klass)->identify = test_blank_tokenizer_identify;
}

static void
test_blank_tokenizer_init (TestBlankTokenizer *self)
{
}

static void
test_tokenizers (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) folder = g_file_new_for_path (path), missing = file_in (path, "missing"), far = g_file_new_for_uri ("http://example.org/model");
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new (), blank = g_object_new (test_blank_tokenizer_get_type (), NULL);
  g_autoptr (GBytes) three = g_bytes_new_static ("abc", 3), encoded = NULL;
  const int high[2] = { 70, 300 }, low[1] = { -1 };
  g_autofree char *text = NULL;
  gsize n;

  MISUSE (reformer_tokenizer_encode (blank, three, &error) == NULL, FILES (UNSUPPORTED), "TestBlankTokenizer has no encode", "must override it");
  MISUSE (reformer_tokenizer_decode (blank, three, &error) == NULL, FILES (UNSUPPORTED), "TestBlankTokenizer has no decode", "must override it");
  MISUSE (reformer_tokenizer_decode (bytes, three, &error) == NULL, FILES (INVALID), "3 bytes", "a multiple of 4 is wanted");
  MISUSE (reformer_tokenizer_count_ids (blank, &error) < 0, FILES (INVALID), "TestBlankTokenizer", "cannot count");
  MISUSE (reformer_tokenizer_encode_text (blank, "abc", &n, &error) == NULL, FILES (UNSUPPORTED), "TestBlankTokenizer has no encode");
  MISUSE (reformer_tokenizer_decode_text (bytes, high, 2, &error) == NULL, FILES (INVALID), "id 1 is 300", "from 0 to 257");
  MISUSE (reformer_tokenizer_decode_text (bytes, low, 1, &error) == NULL, FILES (INVALID), "id 0 is -1", "from 0 to 257");
  MISUSE (reformer_tokenizer_load (missing, NULL, &error) == NULL, FILES (NOT_FOUND), "missing", "No such file");
  MISUSE (reformer_tokenizer_load (folder, NULL, &error) == NULL, FILES (NOT_FOUND), "reformer-tokenizer.json", "No such file");
  MISUSE (reformer_tokenizer_load (far, NULL, &error) == NULL, FILES (UNSUPPORTED), "http://example.org/model", "local");
  MISUSE (!reformer_tokenizer_save (bytes, missing, NULL, &error), FILES (NOT_FOUND), "missing", "No such file");
  MISUSE (!reformer_tokenizer_save (bytes, far, NULL, &error), FILES (UNSUPPORTED), "http://example.org/model", "local");
  MISUSE (reformer_tokenizer_identify (blank, &error) == NULL, FILES (INVALID), "TestBlankTokenizer has no name");
  encoded = reformer_tokenizer_encode (bytes, three, &error);
  g_assert_no_error (error);
  text = reformer_tokenizer_decode_text (bytes, g_bytes_get_data (encoded, NULL), g_bytes_get_size (encoded) / 4, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "abc");
  test_folder_delete (path);
}

static void
test_datasets (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) missing = file_in (path, "missing.txt"), empty = file_in (path, "empty.txt"), right = file_in (path, "right.txt"), far = g_file_new_for_uri ("http://example.org/text");
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new (), blank_tokenizer = g_object_new (test_blank_tokenizer_get_type (), NULL);
  g_autoptr (ReformerDataset) no_file = g_object_new (REFORMER_TYPE_TEXT_DATASET, NULL), no_such = REFORMER_DATASET (reformer_text_dataset_new (missing, bytes)),
                              is_empty = REFORMER_DATASET (reformer_text_dataset_new (empty, bytes)), is_far = REFORMER_DATASET (reformer_text_dataset_new (far, bytes)),
                              good = REFORMER_DATASET (reformer_text_dataset_new (right, bytes)), mute = REFORMER_DATASET (reformer_text_dataset_new (right, blank_tokenizer)),
                              blank = g_object_new (test_blank_dataset_get_type (), NULL);
  g_autoptr (ReformerLabelledDataset) no_labels = g_object_new (REFORMER_TYPE_LABELLED_DATASET, NULL);
  g_autoptr (ReformerSample) sample = NULL;
  g_autoptr (GBytes) five = g_bytes_new_static ("\1\0\0\0\2", 5), eight = g_bytes_new_static ("\1\0\0\0\2\0\0\0", 8), three = g_bytes_new_static ("abc", 3);
  g_autoptr (TestSamples) own = test_samples_new (4, 8, 40);

  test_file_write (path, "empty.txt", "", 0);
  test_file_write (path, "right.txt", "It was the best of times, it was the worst of times.", -1);

  MISUSE (reformer_dataset_count_samples (no_file, 8, &error) < 0, FILES (INVALID), "TextDataset has no file", "property file is wanted");
  MISUSE (reformer_dataset_count_samples (no_such, 8, &error) < 0, FILES (NOT_FOUND), "missing.txt", "No such file");
  MISUSE (reformer_dataset_count_samples (is_empty, 8, &error) < 0, FILES (INVALID), "empty.txt", "is empty", "wanted");
  MISUSE (reformer_dataset_count_samples (is_far, 8, &error) < 0, FILES (UNSUPPORTED), "http://example.org/text", "local");
  MISUSE (reformer_dataset_count_samples (good, 0, &error) < 0, FILES (INVALID), "length of samples is 0", "at least 1");
  MISUSE (reformer_dataset_count_samples (mute, 8, &error) < 0, FILES (UNSUPPORTED), "TestBlankTokenizer has no");
  MISUSE (reformer_dataset_count_samples (blank, 8, &error) < 0, FILES (UNSUPPORTED), "TestBlankDataset has no count_samples", "must override it");
  MISUSE (reformer_dataset_read_sample (blank, 0, 8, &error) == NULL, FILES (UNSUPPORTED), "TestBlankDataset has no read_sample", "must override it");
  MISUSE (reformer_dataset_read_sample (good, -1, 8, &error) == NULL, FILES (INVALID), "sample -1", "the first is 0");
  MISUSE (reformer_dataset_read_sample (good, 1000, 8, &error) == NULL, FILES (INVALID), "right.txt", "sample 1000", "the last one of length 8 is 5");
  MISUSE (reformer_dataset_read_sample (good, 0, -8, &error) == NULL, FILES (INVALID), "length of samples is -8", "at least 1");
  MISUSE (reformer_dataset_read_sample_of_epoch (good, 1000, 8, 2, &error) == NULL, FILES (INVALID), "right.txt", "sample 1000", "the last one of length 8 is 5");
  MISUSE (reformer_dataset_identify (no_such, &error) == NULL, FILES (NOT_FOUND), "missing.txt", "No such file");
  MISUSE (reformer_labelled_dataset_list_classes (no_labels, &error) == NULL, FILES (INVALID), "LabelledDataset has no file", "property file is wanted");
  MISUSE (reformer_labelled_dataset_count_labels (no_labels, &error) < 0, FILES (INVALID), "LabelledDataset has no file", "property file is wanted");
  MISUSE (reformer_dataset_get_held_out (blank, &error) == NULL, FILES (INVALID), "TestBlankDataset holds nothing out");

  /* samples that do not go together */
  g_object_unref (own->samples->pdata[0]);
  own->samples->pdata[0] = reformer_sample_new (five, NULL, NULL);
  MISUSE (reformer_dataset_read_sample (REFORMER_DATASET (own), 0, 64, &error) == NULL, FILES (INVALID), "sample 0 of TestSamples", "5 bytes of tokens", "a multiple of 4 is wanted");
  g_object_unref (own->samples->pdata[0]);
  own->samples->pdata[0] = reformer_sample_new (eight, three, NULL);
  MISUSE (reformer_dataset_read_sample (REFORMER_DATASET (own), 0, 64, &error) == NULL, FILES (INVALID), "sample 0 of TestSamples", "3 bytes of mask", "2 are wanted");
  g_object_unref (own->samples->pdata[0]);
  own->samples->pdata[0] = reformer_sample_new (eight, NULL, five);
  MISUSE (reformer_dataset_read_sample (REFORMER_DATASET (own), 0, 64, &error) == NULL, FILES (INVALID), "sample 0 of TestSamples", "5 bytes of labels", "a multiple of 4 is wanted");

  sample = reformer_dataset_read_sample (good, 0, 8, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (reformer_sample_get_tokens (sample)), ==, 32);
  test_folder_delete (path);
}

/* ---- Parameters, tapes, layers ---- */

typedef struct
{
  ReformerLayer parent_instance;
} TestBlankLayer;

typedef struct
{
  ReformerLayerClass parent_class;
} TestBlankLayerClass;

static GType test_blank_layer_get_type (void);
G_DEFINE_TYPE (TestBlankLayer, test_blank_layer, REFORMER_TYPE_LAYER)

static void
test_blank_layer_class_init (TestBlankLayerClass *klass)
{
}

static void
test_blank_layer_init (TestBlankLayer *self)
{
}

static void
test_layers (void)
{
  static const int shape[2] = { 4, 8 }, dims[2] = { 4, 8 };
  const gint64 right[2] = { 3, 2 }, wrong[2] = { 3, 0 };
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  g_autoptr (ReformerParameter) parameter = reformer_parameter_new (device, "mine", right, 2), odd = reformer_parameter_new (device, "odd", wrong, 2);
  g_autoptr (ReformerLayer) blank = g_object_new (test_blank_layer_get_type (), "device", device, NULL), linear = REFORMER_LAYER (reformer_linear_new (device, 12, 7, TRUE)),
                            norm = REFORMER_LAYER (reformer_layer_norm_new (device, 12)), forward = REFORMER_LAYER (reformer_feed_forward_new (device, 12, 24)),
                            axial = REFORMER_LAYER (reformer_axial_position_new (device, shape, 2, dims, 2)), table = REFORMER_LAYER (reformer_position_table_new (device, 32, 12)),
                            embedding = REFORMER_LAYER (reformer_embedding_new (device, 40, 12)), full = REFORMER_LAYER (reformer_full_attention_new (device, 12, 2, 16)),
                            local = g_object_new (REFORMER_TYPE_LOCAL_ATTENTION, "device", device, "hidden-size", 12, "chunk-length", 8, NULL),
                            lsh = g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", 12, "chunk-length", 8, NULL);
  g_autoptr (ReformerTape) tape = reformer_tape_new (device), elsewhere = reformer_tape_new (planner);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 3, 1, 16, 12), wide = test_tensor (device, NULL, 3, 1, 16, 13), flat = test_tensor (device, NULL, 1, 12),
                             long_one = test_tensor (device, NULL, 3, 1, 33, 12), high = NULL, ids = test_tokens (device, 1, 16, 40), y = NULL;
  const gint32 too_high[2] = { 3, 40 };

  high = test_tensor_int (device, too_high, 2, 1, 2);
  MISUSE (!reformer_parameter_fill (odd, 1, &error), DEVICE (INVALID), "odd", "dimension", "is 0", "at least 1");
  MISUSE (!reformer_parameter_fill_normal (odd, 1, 7, &error), DEVICE (INVALID), "odd", "dimension", "is 0", "at least 1");
  g_assert_true (reformer_parameter_fill (parameter, 1, &error));

  MISUSE (reformer_layer_forward (blank, x, tape, &error) == NULL, MODEL (UNSUPPORTED), "TestBlankLayer has no forward", "must override it");
  MISUSE (reformer_layer_backward (blank, x, tape, &error) == NULL, MODEL (UNSUPPORTED), "TestBlankLayer has no backward", "must override it");
  MISUSE (reformer_layer_forward (linear, wide, tape, &error) == NULL, MODEL (SHAPE), "ReformerLinear", "float32 [1, 16, 13]", "wanted float32 [..., 12]");
  MISUSE (reformer_layer_backward (linear, x, tape, &error) == NULL, error->domain, error->code, "ReformerLinear");
  MISUSE (reformer_layer_forward (norm, ids, tape, &error) == NULL, MODEL (SHAPE), "ReformerLayerNorm", "int32 [1, 16]", "wanted float32 [..., 12]");
  MISUSE (reformer_layer_forward (forward, wide, tape, &error) == NULL, MODEL (SHAPE), "ReformerFeedForward", "float32 [1, 16, 13]", "wanted float32 [");
  MISUSE (reformer_layer_forward (axial, long_one, tape, &error) == NULL, MODEL (SHAPE), "33", "32");
  MISUSE (reformer_layer_forward (table, long_one, tape, &error) == NULL, MODEL (SHAPE), "33", "32");
  MISUSE (reformer_layer_forward (embedding, x, tape, &error) == NULL, MODEL (SHAPE), "ReformerEmbedding", "float32 [1, 16, 12]", "wanted int32 [B, T]");
  MISUSE (reformer_layer_forward (embedding, high, tape, &error) == NULL, MODEL (INVALID_INPUT), "40", "39");
  MISUSE (reformer_layer_forward (full, flat, tape, &error) == NULL, MODEL (SHAPE), "ReformerFullAttention", "float32 [12]", "wanted float32 [B, T, 12]");
  MISUSE (reformer_layer_forward (local, long_one, tape, &error) == NULL, MODEL (SHAPE), "33 tokens", "multiple of the chunk length 8");
  MISUSE (reformer_layer_forward (lsh, wide, tape, &error) == NULL, MODEL (SHAPE), "ReformerLshAttention", "float32 [1, 16, 13]", "wanted float32 [B, T, 12]");
  MISUSE (reformer_layer_forward (linear, x, elsewhere, &error) == NULL, error->domain, error->code, "(a planner)", reformer_device_get_name (device));
  g_assert_null (reformer_tape_pop (tape));
  {
    g_autoptr (ReformerTensor) gradient = test_tensor (device, NULL, 3, 1, 16, 7), dx = NULL;

    y = test_forward (linear, x, tape);
    dx = test_backward (linear, gradient, tape);
  }
}

static void
test_stacks (void)
{
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0);
  ReformerStack *stack = reformer_model_get_stack (model);
  g_autoptr (ReformerLayer) branch = REFORMER_LAYER (reformer_linear_new (device, 32, 32, TRUE));

  MISUSE (!reformer_stack_insert (stack, 9, "mine", branch, &error), MODEL (INVALID_INPUT), "position is 9", "wanted 0 to 4");
  MISUSE (!reformer_stack_insert (stack, 0, "layers.0.attention", branch, &error), MODEL (INVALID_INPUT), "'layers.0.attention' already", "a name of its own");
  MISUSE (!reformer_stack_remove (stack, 4, &error), MODEL (INVALID_INPUT), "position is 4", "4 branches");
  g_assert_true (reformer_stack_insert (stack, 0, "mine", branch, &error));
  MISUSE (reformer_model_estimate_memory (model, 1, 16, TRUE, &error) == NULL, MODEL (UNSUPPORTED), "5 branches", "4 of the configuration");
  g_assert_true (reformer_stack_remove (stack, 0, &error));
}

/* ---- Configurations and models ---- */

static void
test_models (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) missing = file_in (path, "missing"), config_file = file_in (path, "config.json"), deep = file_in (path, "no/such/folder"), folder = g_file_new_for_path (path);
  g_autoptr (ReformerConfig) config = test_config ("local,lsh"), wrong = test_config ("local");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config), broken = NULL, headless = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40), floats = test_tensor (device, NULL, 2, 1, 16), output = NULL;
  gsize n;

  MISUSE (reformer_config_new_preset ("large", &error) == NULL, MODEL (UNSUPPORTED), "no preset \"large\"", "the presets are", "small");
  MISUSE (reformer_config_new_from_json ("{ \"model_type\": \"reformer\", \"vocab_size\": \"many\" }", &error) == NULL, FILES (INVALID), "\"vocab_size\" is", "many", "wanted");
  MISUSE (reformer_config_new_from_json ("{ \"vocab_size\": 4", &error) == NULL, FILES (INVALID), "column 17", "'}' expected");
  MISUSE (reformer_config_load (missing, NULL, &error) == NULL, FILES (NOT_FOUND), "missing", "No such file");
  MISUSE (!reformer_config_save (config, deep, NULL, &error), FILES (NOT_FOUND), "no/such/folder", "No such file");
  MISUSE (reformer_config_choose_axial_shape (config, 4096, 0, &n, &error) == NULL, MODEL (INVALID_CONFIG), "axes is 0", "from 1 to 7");
  MISUSE (reformer_config_choose_axial_shape (config, -5, 2, &n, &error) == NULL, MODEL (INVALID_CONFIG), "length is -5", "from 1");

  reformer_config_set_num_attention_heads (wrong, 0);
  MISUSE (!reformer_config_validate (wrong, &error), MODEL (INVALID_CONFIG), "num_attention_heads is 0", "1 or more is wanted");
  broken = reformer_model_new (device, wrong);
  MISUSE (!reformer_model_prepare (broken, &error), MODEL (INVALID_CONFIG), "num_attention_heads is 0", "1 or more is wanted");
  MISUSE (reformer_model_find_max_length (broken, 1, TRUE, &error) < 0, MODEL (INVALID_CONFIG), "num_attention_heads is 0");

  MISUSE (reformer_model_load (device, missing, NULL, &error) == NULL, FILES (NOT_FOUND), "missing", "No such file");
  MISUSE (reformer_model_load (device, folder, NULL, &error) == NULL, FILES (NOT_FOUND), "config.json", "No such file");
  g_assert_true (reformer_config_save (config, config_file, NULL, &error));
  g_assert_no_error (error);
  MISUSE (reformer_model_load (device, folder, NULL, &error) == NULL, FILES (NOT_FOUND), "neither model.safetensors nor model.safetensors.index.json");
  MISUSE (!reformer_model_load_weights (model, folder, NULL, &error), FILES (NOT_FOUND), "neither model.safetensors nor model.safetensors.index.json");
  MISUSE (!reformer_model_load_body (model, folder, NULL, &error), FILES (NOT_FOUND), "neither model.safetensors nor model.safetensors.index.json");
  MISUSE (reformer_model_list_weights (folder, NULL, &error) == NULL, FILES (NOT_FOUND), "neither model.safetensors nor model.safetensors.index.json");
  MISUSE (!reformer_model_save (model, deep, NULL, &error), FILES (NOT_FOUND), "no/such/folder", "No such file");

  MISUSE (reformer_model_forward (model, floats, NULL, &error) == NULL, MODEL (SHAPE), "tokens: ", "float32 [1, 16]", "wanted int32 [B, T]");
  MISUSE (reformer_model_encode (model, tokens, floats, &error) == NULL, MODEL (SHAPE), "mask: ", "float32 [1, 16]", "wanted int32 or uint8 [1, 16]");
  MISUSE (isnan (reformer_model_compute_loss (model, tokens, NULL, floats, &error)), MODEL (SHAPE), "labels: ", "float32 [1, 16]", "wanted int32 [1, 16]");
  reformer_config_set_head (config, REFORMER_HEAD_NONE);
  headless = reformer_model_new (device, config);
  MISUSE (isnan (reformer_model_compute_gradients (headless, tokens, NULL, tokens, &error)), MODEL (UNSUPPORTED), "no head", "no loss");
  output = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
  test_folder_delete (path);
}

/* ---- Training ---- */

typedef struct
{
  GAsyncResult *result;
} Kept;

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      data)
{
  ((Kept *) data)->result = g_object_ref (result);
}

static void
await (Kept *kept)
{
  while (kept->result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

typedef struct
{
  ReformerOptimizer parent_instance;
} TestBlankOptimizer;

typedef struct
{
  ReformerOptimizerClass parent_class;
} TestBlankOptimizerClass;

static GType test_blank_optimizer_get_type (void);
G_DEFINE_TYPE (TestBlankOptimizer, test_blank_optimizer, REFORMER_TYPE_OPTIMIZER)

static void
test_blank_optimizer_class_init (TestBlankOptimizerClass *klass)
{
}

static void
test_blank_optimizer_init (TestBlankOptimizer *self)
{
}

typedef struct
{
  ReformerSchedule parent_instance;
} TestBlankSchedule;

typedef struct
{
  ReformerScheduleClass parent_class;
} TestBlankScheduleClass;

static GType test_blank_schedule_get_type (void);
G_DEFINE_TYPE (TestBlankSchedule, test_blank_schedule, REFORMER_TYPE_SCHEDULE)

static void
test_blank_schedule_compute_factor (ReformerSchedule  *schedule,
                                    guint              step,
                                    guint              total_steps,
                                    double            *factor,
                                    GError           **problem)
{
  g_set_error (problem, TRAINER (INVALID), "TestBlankSchedule has no factor for step %u", step);
}

static void
test_blank_schedule_class_init (TestBlankScheduleClass *klass)
{
  REFORMER_SCHEDULE_CLASS (klass)->compute_factor = test_blank_schedule_compute_factor;
}

static void
test_blank_schedule_init (TestBlankSchedule *self)
{
}

static void
test_optimizers (void)
{
  const gint64 shape[2] = { 3, 2 }, other[1] = { 5 };
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  g_autoptr (ReformerOptimizer) adamw = g_object_new (REFORMER_TYPE_ADAMW, NULL), sgd = g_object_new (REFORMER_TYPE_SGD, NULL), adafactor = g_object_new (REFORMER_TYPE_ADAFACTOR, NULL),
                                blank = g_object_new (test_blank_optimizer_get_type (), NULL);
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new (), blank_schedule = g_object_new (test_blank_schedule_get_type (), NULL);
  g_autoptr (ReformerParameter) empty = reformer_parameter_new (device, "empty", shape, 2);
  ReformerParameter *parameter;
  double factor = 7;

  reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
  g_assert_no_error (error);
  parameter = test_model_parameter (model, "reformer.encoder.layer_norm.weight");
  MISUSE (!reformer_optimizer_update (blank, parameter, 1, 0.1, 1, &error), TRAINER (INVALID), "TestBlankOptimizer has no update", "must override it");
  MISUSE (!reformer_optimizer_update (adamw, parameter, 0, 0.1, 1, &error), TRAINER (INVALID), "ReformerAdamW", "the step is 0", "from 1");
  MISUSE (!reformer_optimizer_update (adamw, parameter, 1, (double) NAN, 1, &error), TRAINER (INVALID), "ReformerAdamW", "learning rate is nan", "finite");
  MISUSE (!reformer_optimizer_update (sgd, parameter, 1, -0.5, 1, &error), TRAINER (INVALID), "ReformerSgd", "learning rate is -0.5", "at least 0");
  MISUSE (!reformer_optimizer_update (adafactor, parameter, 1, 0.1, (double) INFINITY, &error), TRAINER (INVALID), "ReformerAdafactor", "factor of the gradient is inf", "finite");
  MISUSE (reformer_optimizer_get_state (blank, parameter, "a/b", shape, 2, &error) == NULL, TRAINER (INVALID), "\"a/b\"", "without a slash");
  g_assert_nonnull (reformer_optimizer_get_state (blank, parameter, "mine", shape, 2, &error));
  g_assert_no_error (error);
  MISUSE (reformer_optimizer_get_state (blank, parameter, "mine", other, 1, &error) == NULL, TRAINER (MISMATCH), "mine", "float32 [3, 2]", "wanted is float32 [5]");
  g_assert_true (reformer_optimizer_update (adamw, parameter, 1, 0.1, 1, &error));
  g_assert_no_error (error);
  /* no gradient: nothing to do */
  g_assert_true (reformer_optimizer_update (adamw, empty, 1, 0.1, 1, &error));

  MISUSE ((reformer_schedule_compute_factor (blank_schedule, 1, 10, &factor, &error), error != NULL), TRAINER (INVALID), "TestBlankSchedule", "no factor");
  reformer_schedule_compute_factor (schedule, 1, 10, &factor, &error);
  g_assert_no_error (error);
}

static void
test_trainers (void)
{
  g_autofree char *path = test_folder_new ();
  g_autoptr (GFile) folder = file_in (path, "run");
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples), bare = g_object_new (REFORMER_TYPE_TRAINER, NULL);
  g_autoptr (ReformerEvaluation) evaluation = NULL;
  Kept kept = { NULL }, second = { NULL };

  MISUSE (!reformer_trainer_train (bare, 1, NULL, &error), TRAINER (INVALID), "no model");
  MISUSE (!reformer_trainer_train (trainer, 0, NULL, &error), TRAINER (INVALID), "0 steps", "at least 1");
  MISUSE (reformer_trainer_evaluate (bare, REFORMER_DATASET (samples), NULL, &error) == NULL, TRAINER (INVALID), "no model");
  MISUSE (reformer_trainer_evaluate (trainer, NULL, NULL, &error) == NULL, TRAINER (DATA), "nothing to evaluate", "evaluation-dataset");
  MISUSE (!reformer_trainer_save_checkpoint (trainer, NULL, &error), TRAINER (INVALID), "no folder");
  MISUSE (!reformer_trainer_resume (trainer, NULL, &error), TRAINER (INVALID), "no folder");
  reformer_trainer_set_folder (trainer, folder);
  MISUSE (!reformer_trainer_resume (trainer, NULL, &error), TRAINER (CHECKPOINT), "run", "no checkpoint");
  reformer_trainer_set_folder (trainer, NULL);

  reformer_trainer_train_async (trainer, 0, NULL, keep_result, &kept);
  await (&kept);
  MISUSE (!reformer_trainer_train_finish (trainer, kept.result, &error), TRAINER (INVALID), "0 steps", "at least 1");
  g_clear_object (&kept.result);
  reformer_trainer_evaluate_async (trainer, NULL, NULL, keep_result, &kept);
  await (&kept);
  MISUSE (reformer_trainer_evaluate_finish (trainer, kept.result, &error) == NULL, TRAINER (DATA), "nothing to evaluate");
  g_clear_object (&kept.result);

  /* a second call while the first one works */
  reformer_trainer_train_async (trainer, 3, NULL, keep_result, &kept);
  MISUSE (!reformer_trainer_train (trainer, 1, NULL, &error), TRAINER (BUSY), "train");
  MISUSE (reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error) == NULL, TRAINER (BUSY), "train");
  reformer_trainer_train_async (trainer, 1, NULL, keep_result, &second);
  await (&second);
  MISUSE (!reformer_trainer_train_finish (trainer, second.result, &error), TRAINER (BUSY), "train");
  g_clear_object (&second.result);
  await (&kept);
  /* ended by another function, or of another trainer */
  MISUSE (reformer_trainer_evaluate_finish (trainer, kept.result, &error) == NULL, OTHER_CALL, "evaluate_finish", "evaluate_async");
  MISUSE (!reformer_trainer_train_finish (bare, kept.result, &error), OTHER_CALL, "train_finish", "train_async");
  g_assert_true (reformer_trainer_train_finish (trainer, kept.result, &error));
  MISUSE (!reformer_trainer_train_finish (trainer, kept.result, &error), OTHER_CALL, "finished before", "once");
  g_clear_object (&kept.result);
  evaluation = reformer_trainer_evaluate (trainer, REFORMER_DATASET (samples), NULL, &error);
  g_assert_no_error (error);
  test_folder_delete (path);
}

/* ---- Generation ---- */

static void
test_generation (void)
{
  static const char *const stops[] = { "", NULL };
  const int short_shape[2] = { 4, 4 };
  g_autoptr (ReformerConfig) config = test_config ("local,lsh"), blind_config = test_config ("local");
  g_autoptr (ReformerModel) model = NULL, blind = NULL;
  g_autoptr (ReformerGenerator) bare = g_object_new (REFORMER_TYPE_GENERATOR, NULL), generator = NULL, without = NULL;
  g_autoptr (ReformerSession) no_model = g_object_new (REFORMER_TYPE_SESSION, NULL), no_head = NULL, session = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 8, 40), floats = test_tensor (device, NULL, 2, 1, 8), rows = test_tokens (device, 2, 4, 40), many = test_tokens (device, 1, 17, 40),
                             logits = NULL;
  g_autofree char *text = NULL;
  Kept kept = { NULL };

  reformer_config_set_vocab_size (config, 258);
  reformer_config_set_axial_pos_shape (config, short_shape, 2);
  model = reformer_model_new (device, config);
  reformer_config_set_head (blind_config, REFORMER_HEAD_NONE);
  blind = reformer_model_new (device, blind_config);
  generator = reformer_generator_new (model, NULL);
  without = reformer_generator_new (blind, NULL);
  no_head = reformer_session_new (blind);
  session = reformer_session_new (model);

  MISUSE (reformer_generator_next_piece (bare, NULL, &error) == NULL, MODEL (INVALID_INPUT), "no model", "wanted one with a causal language head");
  MISUSE (reformer_generator_next_piece (without, NULL, &error) == NULL, MODEL (UNSUPPORTED), "the head none", "wanted the head language");
  MISUSE (reformer_generator_generate_bytes (bare, NULL, &error) == NULL, MODEL (INVALID_INPUT), "no model");
  reformer_generator_set_temperature (generator, (double) NAN);
  MISUSE (reformer_generator_generate (generator, NULL, &error) == NULL, MODEL (INVALID_INPUT), "temperature is nan", "from 0 on");
  reformer_generator_set_temperature (generator, 1);
  reformer_generator_set_top_p (generator, 1.5);
  MISUSE (reformer_generator_generate_bytes (generator, NULL, &error) == NULL, MODEL (INVALID_INPUT), "top-p is 1.5", "at most 1");
  reformer_generator_set_top_p (generator, 1);
  reformer_generator_set_prompt (generator, "a prompt of more than 16 tokens");
  MISUSE (reformer_generator_generate (generator, NULL, &error) == NULL, MODEL (SHAPE), "31 tokens", "positions for 16");
  reformer_generator_generate_async (generator, NULL, keep_result, &kept);
  await (&kept);
  MISUSE (reformer_generator_next_piece_finish (generator, kept.result, &error) == NULL, OTHER_CALL, "next_piece_finish", "next_piece_async");
  MISUSE (reformer_generator_generate_finish (generator, kept.result, &error) == NULL, MODEL (SHAPE), "31 tokens", "positions for 16");
  g_clear_object (&kept.result);
  reformer_generator_next_piece_async (bare, NULL, keep_result, &kept);
  await (&kept);
  MISUSE (reformer_generator_generate_finish (bare, kept.result, &error) == NULL, OTHER_CALL, "generate_finish", "generate_async");
  MISUSE (reformer_generator_next_piece_finish (bare, kept.result, &error) == NULL, MODEL (INVALID_INPUT), "no model");
  g_clear_object (&kept.result);

  MISUSE (reformer_session_feed (no_model, tokens, NULL, &error) == NULL, MODEL (INVALID_INPUT), "the session has no model");
  MISUSE (reformer_session_feed (no_head, tokens, NULL, &error) == NULL, MODEL (UNSUPPORTED), "the head none", "wanted the head language");
  MISUSE (reformer_session_feed (session, floats, NULL, &error) == NULL, MODEL (SHAPE), "float32 [1, 8]", "wanted int32 [B, n]");
  MISUSE (reformer_session_feed (session, many, NULL, &error) == NULL, MODEL (SHAPE), "17 tokens", "16");
  logits = reformer_session_feed (session, tokens, NULL, &error);
  g_assert_no_error (error);
  MISUSE (reformer_session_feed (session, rows, NULL, &error) == NULL, MODEL (SHAPE), "2 rows", "begun with 1");
  MISUSE (reformer_session_feed (session, many, NULL, &error) == NULL, MODEL (SHAPE), "25 tokens", "16");
  g_clear_object (&logits);
  logits = reformer_session_feed (session, tokens, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (reformer_session_get_length (session), ==, 16);

  reformer_generator_set_prompt (generator, "short");
  reformer_generator_set_stop (generator, stops); /* an empty string stops nothing */
  reformer_generator_set_max_tokens (generator, 3);
  text = reformer_generator_generate (generator, NULL, &error);
  g_assert_no_error (error);
}

/* The last one: how many there were. */
static void
test_count (void)
{
  g_test_message ("%u misuses with an error", n_errors);
  if (n_errors == 0)
    g_test_skip ("counts only when all others ran");
  else
    g_assert_cmpuint (n_errors, >=, 100);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/mistakes-calls/compute", test_compute);
  g_test_add_func ("/mistakes-calls/tokenizers", test_tokenizers);
  g_test_add_func ("/mistakes-calls/datasets", test_datasets);
  g_test_add_func ("/mistakes-calls/layers", test_layers);
  g_test_add_func ("/mistakes-calls/stacks", test_stacks);
  g_test_add_func ("/mistakes-calls/models", test_models);
  g_test_add_func ("/mistakes-calls/optimizers", test_optimizers);
  g_test_add_func ("/mistakes-calls/trainers", test_trainers);
  g_test_add_func ("/mistakes-calls/generation", test_generation);
  g_test_add_func ("/mistakes-calls/count", test_count);
  status = test_run ();
  g_clear_object (&device);
  return status;
}
