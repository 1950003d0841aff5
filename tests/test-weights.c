/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing safetensors and reading them back, whole folders, shards, the golden models. */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/half.h"
#include "files/safetensors-write.h"
#include "files/weights.h"
#include "folders.h"

static const char *const known[] = { REFORMER_WEIGHTS_FILES, NULL };

static char *base; /* everything happens below it */

/* ---- Helpers ---- */

static ReformerSafetensorsTensor
describe (const char               *name,
          ReformerSafetensorsDType  dtype,
          guint                     n_dims,
          gint64                    a,
          gint64                    b)
{
  ReformerSafetensorsTensor tensor = { .name = name, .dtype = dtype, .n_dims = n_dims, .shape = { a, b } };

  return tensor;
}

/* byte k of tensor i is 31 i + 7 k + 1 */
static gboolean
fill_pattern (gsize      i,
              gpointer   to,
              gsize      offset,
              gsize      n_bytes,
              gpointer   user_data,
              GError   **error)
{
  gsize *n_calls = user_data;

  for (gsize k = 0; k < n_bytes; k++)
    ((guint8 *) to)[k] = (guint8) (31 * i + 7 * (offset + k) + 1);
  if (n_calls != NULL)
    *n_calls += 1;

  return TRUE;
}

static void
assert_pattern (const ReformerSafetensorsEntry *entry,
                gsize                           i)
{
  g_autofree guint8 *bytes = g_malloc (entry->n_bytes + 1);
  g_autoptr (GError) error = NULL;

  g_assert_true (reformer_safetensors_read (entry->file, entry, bytes, 0, entry->n_bytes, NULL, &error));
  g_assert_no_error (error);
  for (gsize k = 0; k < entry->n_bytes; k++)
    g_assert_cmpuint (bytes[k], ==, (guint8) (31 * i + 7 * k + 1));
}

static gboolean
write_shard (const char                      *folder,
             const char                      *name,
             const ReformerSafetensorsTensor *tensors,
             gsize                            n_tensors,
             GError                         **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  gboolean written = reformer_safetensors_write (fd, name, tensors, n_tensors, REFORMER_SAFETENSORS_METADATA, fill_pattern, NULL, NULL, error);

  close (fd);

  return written;
}

static void
assert_refused (const char        *path,
                ReformerFileError  code,
                const char        *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (reformer_weights_open (path, NULL, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, REFORMER_FILE_ERROR, code);
  g_assert_nonnull (strstr (error->message, part));
}

/* ---- One file ---- */

static void
test_round_trip (void)
{
  g_autofree char *folder = test_folder_new_in (base), *path = g_build_filename (folder, "model.safetensors", NULL), *content = NULL;
  ReformerSafetensorsTensor tensors[REFORMER_SAFETENSORS_N_DTYPES + 2];
  const ReformerSafetensorsEntry *entry;
  g_autoptr (ReformerSafetensors) st = NULL;
  g_autoptr (GError) error = NULL;
  guint64 length;
  gsize size;

  for (guint i = 0; i < REFORMER_SAFETENSORS_N_DTYPES; i++)
    tensors[i] = describe (reformer_safetensors_dtype_get_name (i), i, 2, 3, 4);
  tensors[REFORMER_SAFETENSORS_N_DTYPES] = describe ("empty \"\n\xc3\xa4", REFORMER_SAFETENSORS_F32, 2, 0, 5);
  tensors[REFORMER_SAFETENSORS_N_DTYPES + 1] = describe ("scalar", REFORMER_SAFETENSORS_I64, 0, 0, 0);

  g_assert_true (write_shard (folder, "model.safetensors", tensors, G_N_ELEMENTS (tensors), &error));
  g_assert_no_error (error);

  st = reformer_safetensors_open (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_safetensors_get_n_tensors (st), ==, G_N_ELEMENTS (tensors));
  g_assert_cmpstr (g_hash_table_lookup (reformer_safetensors_get_metadata (st), "format"), ==, "pt");

  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++)
    {
      entry = reformer_safetensors_lookup (st, tensors[i].name);
      g_assert_nonnull (entry);
      g_assert_cmpint (entry->dtype, ==, tensors[i].dtype);
      g_assert_cmpmem (entry->shape, sizeof entry->shape, tensors[i].shape, sizeof tensors[i].shape);
      assert_pattern (entry, i);
    }

  /* wide types first, so that every tensor is aligned */
  for (guint i = 1; i < G_N_ELEMENTS (tensors); i++)
    g_assert_cmpint (reformer_safetensors_get_entry (st, i - 1)->dtype, >=, reformer_safetensors_get_entry (st, i)->dtype);

  g_assert_true (g_file_get_contents (path, &content, &size, &error));
  memcpy (&length, content, 8);
  g_assert_cmpuint (GUINT64_FROM_LE (length) % 8, ==, 0);
}

/* to the byte what the reference writes */
static void
test_bytes (void)
{
  g_autofree char *folder = test_folder_new_in (base), *path = g_build_filename (folder, "model.safetensors", NULL), *content = NULL;
  const ReformerSafetensorsTensor tensors[] = {
    describe ("b", REFORMER_SAFETENSORS_F16, 1, 1, 0),
    describe ("c", REFORMER_SAFETENSORS_F32, 1, 1, 0),
    describe ("a", REFORMER_SAFETENSORS_F32, 2, 1, 1),
  };
  const char *header = "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
                       "\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
                       "\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[8,10]}}";
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_true (write_shard (folder, "model.safetensors", tensors, G_N_ELEMENTS (tensors), &error));
  g_assert_true (g_file_get_contents (path, &content, &size, &error));
  g_assert_cmpuint (strlen (header) % 8, !=, 0); /* so that padding is seen */
  g_assert_cmpuint (size, ==, 8 + (strlen (header) + 7) / 8 * 8 + 10);
  g_assert_cmpmem (content + 8, strlen (header), header, strlen (header));
  for (gsize i = 8 + strlen (header); i < size - 10; i++)
    g_assert_cmpint (content[i], ==, ' ');
}

static void
test_pieces (void)
{
  g_autofree char *folder = test_folder_new_in (base), *path = g_build_filename (folder, "model.safetensors", NULL);
  const ReformerSafetensorsTensor tensor = describe ("a", REFORMER_SAFETENSORS_U8, 1, (8 << 20) + 3, 0);
  g_autoptr (ReformerWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  gsize n_calls = 0;
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  g_assert_true (reformer_safetensors_write (fd, path, &tensor, 1, NULL, fill_pattern, &n_calls, NULL, &error));
  close (fd);
  g_assert_cmpuint (n_calls, ==, 2);

  weights = reformer_weights_open (path, NULL, &error);
  g_assert_no_error (error);
  assert_pattern (reformer_weights_get_entry (weights, 0), 0);
}

static void
test_writer_refuses (void)
{
  g_autofree char *folder = test_folder_new_in (base), *many = g_strnfill (4097, 'n');
  const struct
  {
    ReformerSafetensorsTensor tensors[2];
    ReformerFileError         code;
  } cases[] = {
    { { describe ("", REFORMER_SAFETENSORS_F32, 1, 1, 0), describe ("b", REFORMER_SAFETENSORS_F32, 1, 1, 0) }, REFORMER_FILE_ERROR_INVALID },
    { { describe ("a", REFORMER_SAFETENSORS_F32, 1, 1, 0), describe ("a", REFORMER_SAFETENSORS_F16, 1, 1, 0) }, REFORMER_FILE_ERROR_INVALID },
    { { describe ("\xff", REFORMER_SAFETENSORS_F32, 1, 1, 0), describe ("a", REFORMER_SAFETENSORS_F32, 1, 1, 0) }, REFORMER_FILE_ERROR_INVALID },
    { { describe ("__metadata__", REFORMER_SAFETENSORS_F32, 1, 1, 0), describe ("a", REFORMER_SAFETENSORS_F32, 1, 1, 0) }, REFORMER_FILE_ERROR_INVALID },
    { { describe (many, REFORMER_SAFETENSORS_F32, 1, 1, 0), describe ("a", REFORMER_SAFETENSORS_F32, 1, 1, 0) }, REFORMER_FILE_ERROR_LIMIT },
    { { describe ("a", REFORMER_SAFETENSORS_F32, 1, -1, 0), describe ("b", REFORMER_SAFETENSORS_F32, 1, 1, 0) }, REFORMER_FILE_ERROR_INVALID },
    { { describe ("a", REFORMER_SAFETENSORS_F4, 1, 3, 0), describe ("b", REFORMER_SAFETENSORS_F32, 1, 1, 0) }, REFORMER_FILE_ERROR_INVALID },
    { { describe ("a", REFORMER_SAFETENSORS_U8, 1, G_MAXINT64 / 8, 0), describe ("b", REFORMER_SAFETENSORS_F32, 2, G_MAXINT64, 2) },
      REFORMER_FILE_ERROR_INVALID },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (write_shard (folder, "model.safetensors", cases[i].tensors, 2, &error));
      g_test_message ("%s", error->message);
      g_assert_error (error, REFORMER_FILE_ERROR, (int) cases[i].code);
    }
}

static gboolean
fill_floats (gsize      i,
             gpointer   to,
             gsize      offset,
             gsize      n_bytes,
             gpointer   user_data,
             GError   **error)
{
  const float *values = user_data;

  for (gsize k = 0; k < n_bytes; k++)
    switch (i)
      {
      case 0:
        ((float *) to)[k / 4] = values[(offset + k) / 4];
        break;
      case 1:
        ((guint16 *) to)[k / 2] = GUINT16_TO_LE (reformer_float16_from_float32 (values[(offset + k) / 2]));
        break;
      case 2:
        ((guint16 *) to)[k / 2] = GUINT16_TO_LE (reformer_bfloat16_from_float32 (values[(offset + k) / 2]));
        break;
      default:
        ((double *) to)[k / 8] = (double) values[(offset + k) / 8];
        break;
      }

  return TRUE;
}

/* What is read as float32 is what was written, in each of the four types, from any element on, across pieces. */
static void
test_float32 (void)
{
  enum { N = 200001 };
  const ReformerSafetensorsDType dtypes[] = { REFORMER_SAFETENSORS_F32, REFORMER_SAFETENSORS_F16, REFORMER_SAFETENSORS_BF16,
                                              REFORMER_SAFETENSORS_F64 };
  g_autofree char *folder = test_folder_new_in (base), *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree float *values = g_new (float, N), *read = g_new (float, N);
  ReformerSafetensorsTensor tensors[5];
  g_autoptr (ReformerWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  for (guint i = 0; i < N; i++)
    values[i] = (float) g_test_rand_double_range (-4, 4);
  values[0] = NAN;
  values[1] = -INFINITY;

  for (guint i = 0; i < 4; i++)
    tensors[i] = describe (reformer_safetensors_dtype_get_name (dtypes[i]), dtypes[i], 1, N, 0);
  g_assert_true (reformer_safetensors_write (fd, path, tensors, 4, NULL, fill_floats, values, NULL, &error));
  close (fd);

  weights = reformer_weights_open (path, NULL, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < 4; i++)
    {
      const ReformerSafetensorsEntry *entry = reformer_weights_lookup (weights, tensors[i].name);

      for (gsize first = 0; first < N; first += 66666)
        {
          g_assert_true (reformer_safetensors_read_float32 (entry->file, entry, read, first, N - first, NULL, &error));
          for (gsize k = first; k < N; k++)
            {
              float want = i == 1 ? reformer_float32_from_float16 (reformer_float16_from_float32 (values[k]))
                         : i == 2 ? reformer_float32_from_bfloat16 (reformer_bfloat16_from_float32 (values[k])) : values[k];

              g_assert_true (isnan (want) ? isnan (read[k - first]) : read[k - first] == want);
            }
        }

      g_assert_false (reformer_safetensors_read_float32 (entry->file, entry, read, N - 1, 2, NULL, &error));
      g_assert_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT);
      g_clear_error (&error);
    }
}

/* ---- Folders and shards ---- */

#define SHARD_1 "model-00001-of-00002.safetensors"
#define SHARD_2 "model-00002-of-00002.safetensors"
#define INDEX "model.safetensors.index.json"

static void
test_write_shards (void)
{
  g_autofree char *parent = test_folder_new_in (base), *path = g_build_filename (parent, "model", NULL), *index = g_build_filename (path, INDEX, NULL);
  ReformerSafetensorsTensor tensors[7];
  char names[7][8];

  for (guint i = 0; i < 7; i++)
    {
      g_snprintf (names[i], sizeof names[i], "t%u", 6 - i);
      tensors[i] = describe (names[i], REFORMER_SAFETENSORS_F32, 1, 10 + i, 0);
    }

  /* the second save replaces three shards by one file, the third that by shards again */
  for (guint save = 0; save < 3; save++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerAtomicFolder) folder = reformer_atomic_folder_begin (path, known, &error);
      g_autoptr (ReformerWeights) weights = NULL;
      gsize wanted = save == 1 ? 1 : 5; /* 40 + 44, 48 + 52, 56, 60, 64 */

      g_assert_no_error (error);
      g_assert_true (reformer_weights_write (folder, tensors, 7, save == 1 ? 0 : 100, REFORMER_SAFETENSORS_METADATA, fill_pattern, NULL, NULL,
                                             &error));
      g_assert_no_error (error);
      g_assert_true (reformer_atomic_folder_commit (g_steal_pointer (&folder), &error));
      g_assert_no_error (error);

      weights = reformer_weights_open (path, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (reformer_weights_get_n_files (weights), ==, wanted);
      g_assert_cmpuint (reformer_weights_get_n_tensors (weights), ==, 7);
      g_assert_true (g_file_test (index, G_FILE_TEST_EXISTS) == (save != 1));
      for (guint i = 0; i < 7; i++)
        {
          const ReformerSafetensorsEntry *entry = reformer_weights_lookup (weights, names[i]);

          g_assert_cmpint (entry->shape[0], ==, 10 + i);
          if (save == 1)
            assert_pattern (entry, i);
        }
      g_assert_null (reformer_weights_lookup (weights, "t7"));
      g_assert_cmpstr (reformer_weights_get_entry (weights, 0)->name, ==, "t0");
    }
}

static void
test_shards (void)
{
  const ReformerSafetensorsTensor one[] = { describe ("a", REFORMER_SAFETENSORS_F32, 1, 2, 0) };
  const ReformerSafetensorsTensor two[] = { describe ("b", REFORMER_SAFETENSORS_F32, 1, 2, 0), describe ("a", REFORMER_SAFETENSORS_F32, 1, 2, 0) };
  g_autofree char *folder = test_folder_new_in (base), *index = g_build_filename (folder, INDEX, NULL);
  g_autofree char *subfolder = g_build_filename (folder, "folder", NULL);
  g_autoptr (ReformerWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  const struct
  {
    const char        *index;
    ReformerFileError  code;
    const char        *part;
  } cases[] = {
    { "{}", REFORMER_FILE_ERROR_INVALID, "weight_map" },
    { "{\"weight_map\": []}", REFORMER_FILE_ERROR_INVALID, "weight_map" },
    { "{\"weight_map\": {\"a\": 1}}", REFORMER_FILE_ERROR_INVALID, "same folder" },
    { "{\"weight_map\": {\"a\": \"../x.safetensors\"}}", REFORMER_FILE_ERROR_INVALID, "same folder" },
    { "{\"weight_map\": {\"a\": \"sub/x.safetensors\"}}", REFORMER_FILE_ERROR_INVALID, "same folder" },
    { "{\"weight_map\": {\"a\": \"/etc/passwd\"}}", REFORMER_FILE_ERROR_INVALID, "same folder" },
    { "{\"weight_map\": {\"a\": \"..\"}}", REFORMER_FILE_ERROR_INVALID, "same folder" },
    { "{\"weight_map\": {\"a\": \"\"}}", REFORMER_FILE_ERROR_INVALID, "same folder" },
    { "{\"weight_map\": {\"a\": \"none.safetensors\"}}", REFORMER_FILE_ERROR_NOT_FOUND, "none.safetensors" },
    { "{\"weight_map\": {\"a\": \"folder\"}}", REFORMER_FILE_ERROR_INVALID, "a folder" },
    { "{\"weight_map\": {\"a\": \"" INDEX "\"}}", REFORMER_FILE_ERROR_LIMIT, "header" },
    { "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"a\": \"" SHARD_1 "\"}}", REFORMER_FILE_ERROR_INVALID, "duplicate" },
    { "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"c\": \"" SHARD_1 "\"}}", REFORMER_FILE_ERROR_MISMATCH, "has no c" },
    { "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"b\": \"" SHARD_1 "\"}}", REFORMER_FILE_ERROR_MISMATCH, "has no b" },
    { "{\"weight_map\": {\"a\": \"" SHARD_1 "\", \"b\": \"" SHARD_2 "\"}}", REFORMER_FILE_ERROR_MISMATCH, "another shard" },
    { "{\"weight_map\": {\"a\": \"" SHARD_2 "\"}}", REFORMER_FILE_ERROR_MISMATCH, "does not list" },
  };

  g_assert_true (write_shard (folder, SHARD_1, one, 1, &error));
  g_assert_true (write_shard (folder, SHARD_2, two, 2, &error)); /* "a" once more */
  g_assert_cmpint (g_mkdir (subfolder, 0700), ==, 0);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      test_file_write (folder, INDEX, cases[i].index, -1);
      assert_refused (folder, cases[i].code, cases[i].part);
      assert_refused (index, cases[i].code, cases[i].part);
    }

  g_assert_true (write_shard (folder, SHARD_2, two, 1, &error));
  test_file_write (folder, INDEX, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"b\": \"" SHARD_2 "\", \"a\": \"" SHARD_1 "\"}}", -1);
  weights = reformer_weights_open (index, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_weights_get_n_files (weights), ==, 2);
  g_assert_cmpstr (reformer_weights_lookup (weights, "b")->name, ==, "b");
  g_clear_pointer (&weights, reformer_weights_unref);

  /* one file goes before an index, as in transformers */
  g_assert_true (write_shard (folder, "model.safetensors", one, 1, &error));
  weights = reformer_weights_open (folder, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (reformer_weights_get_n_tensors (weights), ==, 1);
}

static void
test_other_folders (void)
{
  g_autofree char *folder = test_folder_new_in (base), *bin = g_build_filename (folder, "pytorch_model.bin", NULL);

  assert_refused ("/nonexistent/model", REFORMER_FILE_ERROR_NOT_FOUND, "/nonexistent/model");
  assert_refused (folder, REFORMER_FILE_ERROR_NOT_FOUND, "has neither model.safetensors nor");
  test_file_write (folder, "pytorch_model.bin", "PK", 2);
  assert_refused (folder, REFORMER_FILE_ERROR_UNSUPPORTED, "safe_serialization=True");
  assert_refused (bin, REFORMER_FILE_ERROR_UNSUPPORTED, "safe_serialization=True");
  test_file_write (folder, "model.safetensors", "", 0);
  assert_refused (folder, REFORMER_FILE_ERROR_TRUNCATED, "model.safetensors");
}

/* ---- Golden models ---- */

static void
test_golden (void)
{
  static const char *const names[] = { "local", "lsh", "mixed", "padded", "short", "chunks", "between", "behind", "causal-mask", "auto" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "golden", names[i], NULL);
      g_autofree char *io = g_build_filename (folder, "io.safetensors", NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerWeights) weights = NULL, answers = NULL;
      const ReformerSafetensorsEntry *entry;
      float loss;

      if (!g_file_test (io, G_FILE_TEST_EXISTS))
        {
          g_test_skip ("no golden models beside the tests");
          return;
        }

      weights = reformer_weights_open (folder, NULL, &error);
      g_assert_no_error (error);
      answers = reformer_weights_open (io, NULL, &error);
      g_assert_no_error (error);

      entry = reformer_weights_lookup (weights, "reformer.embeddings.word_embeddings.weight");
      g_assert_true (entry->n_dims == 2 && entry->shape[0] == 40 && entry->shape[1] == 32);
      entry = reformer_weights_lookup (answers, "loss");
      g_assert_true (reformer_safetensors_read_float32 (entry->file, entry, &loss, 0, 1, NULL, &error));
      g_assert_true (loss > 0 && loss < 20);
    }
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *command = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  base = g_dir_make_tmp ("reformer-weights-XXXXXX", NULL);

  g_test_add_func ("/weights/round-trip", test_round_trip);
  g_test_add_func ("/weights/bytes", test_bytes);
  g_test_add_func ("/weights/pieces", test_pieces);
  g_test_add_func ("/weights/writer-refuses", test_writer_refuses);
  g_test_add_func ("/weights/float32", test_float32);
  g_test_add_func ("/weights/write-shards", test_write_shards);
  g_test_add_func ("/weights/shards", test_shards);
  g_test_add_func ("/weights/other-folders", test_other_folders);
  g_test_add_func ("/weights/golden", test_golden);

  status = g_test_run ();

  command = g_strdup_printf ("rm -r '%s'", base);
  if (!g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL))
    status = 1;
  g_free (base);

  return status;
}
