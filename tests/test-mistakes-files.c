/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders that are missing, cut, damaged, foreign or do not fit give one line that names what; what is being replaced stays whole. */
#include "mistakes.h"

#include "files/reading.h"
#include "files/safetensors-write.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES REFORMER_FILE_ERROR
#define MODEL REFORMER_MODEL_ERROR

static ReformerDevice *device;
static char *folder;          /* a copy of tests/golden/lsh, made anew for every test */
static char *config, *weights; /* its files */
static char *config_text, *weights_data;
static gsize config_length, weights_length;

/* ---- Folders ---- */

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      remove_all (inside);
    }
  g_remove (path);
}

static void
put (const char *path,
     const void *data,
     gsize       length)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, data, (gssize) length, &error);
  g_assert_no_error (error);
}

/* The whole folder again. */
static void
restore (void)
{
  remove_all (folder);
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  put (config, config_text, config_length);
  put (weights, weights_data, weights_length);
}

static ReformerModel *
load (const char  *path,
      GError     **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);

  return reformer_model_load (device, file, NULL, error);
}

/* A right load works, and nothing stays in use. */
static void
assert_loads (void)
{
  const guint64 memory = reformer_device_get_memory_used (device);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerModel) model = load (folder, &error);

  g_assert_no_error (error);
  g_clear_object (&model);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
}

static void
refuse (const char *path,
        GQuark      domain,
        int         code,
        const char *a,
        const char *b,
        const char *c)
{
  const guint64 memory = reformer_device_get_memory_used (device);
  g_autoptr (GError) error = NULL;

  g_assert_null (load (path, &error));
  assert_says (&error, domain, code, a, b, c, NULL);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
}

/* ---- Missing, empty, foreign ---- */

static void
test_missing (void)
{
  g_autofree char *missing = g_build_filename (folder, "none", NULL), *below = g_build_filename (folder, "config.json", "below", NULL);
  g_autofree char *png = g_build_filename (folder, "picture.png", NULL), *strange = g_build_filename (folder, "a\nb\xff", NULL);
  g_autoptr (GFile) remote = g_file_new_for_uri ("http://example.org/model");
  g_autoptr (GError) error = NULL;

  restore ();
  refuse (missing, FILES, REFORMER_FILE_ERROR_NOT_FOUND, missing, "No such file or directory", "");
  refuse (below, FILES, REFORMER_FILE_ERROR_NOT_FOUND, below, "Not a directory", "");
  refuse (strange, FILES, REFORMER_FILE_ERROR_NOT_FOUND, "a\357\277\275b\357\277\275", "No such file", "");
  g_assert_null (reformer_model_load (device, remote, NULL, &error));
  assert_says (&error, FILES, REFORMER_FILE_ERROR_UNSUPPORTED, "http://example.org/model", "local", NULL);
  refuse (weights, FILES, REFORMER_FILE_ERROR_INVALID, weights, "is a file", "a folder with a config.json is wanted");
  put (png, "\x89PNG\r\n\x1a\n0000000000000000000000000000", 36);
  refuse (png, FILES, REFORMER_FILE_ERROR_INVALID, png, "is a file", "a folder with a config.json is wanted");

  /* files that are not there, or are empty */
  g_unlink (config);
  refuse (folder, FILES, REFORMER_FILE_ERROR_NOT_FOUND, "config.json", "No such file", "");
  g_unlink (weights);
  refuse (folder, FILES, REFORMER_FILE_ERROR_NOT_FOUND, "config.json", "No such file", "");
  put (config, config_text, config_length);
  refuse (folder, FILES, REFORMER_FILE_ERROR_NOT_FOUND, folder, "model.safetensors", "model.safetensors.index.json");
  put (weights, "", 0);
  refuse (folder, FILES, REFORMER_FILE_ERROR_TRUNCATED, "model.safetensors", "has 0 bytes", "at least 10");
  put (config, "", 0);
  refuse (folder, FILES, REFORMER_FILE_ERROR_INVALID, "config.json", "line 1", "");

  /* of another kind */
  restore ();
  g_unlink (weights);
  g_mkdir (weights, 0700);
  refuse (folder, FILES, REFORMER_FILE_ERROR_INVALID, "model.safetensors", "is a folder", "plain file");
  restore ();
  g_unlink (config);
  g_mkdir (config, 0700);
  refuse (folder, FILES, REFORMER_FILE_ERROR_INVALID, "config.json", "is a folder", "plain file");
  restore ();
  {
    g_autofree char *pickle = g_build_filename (folder, "pytorch_model.bin", NULL);

    g_unlink (weights);
    put (pickle, "\x80\x02", 2);
    refuse (folder, FILES, REFORMER_FILE_ERROR_UNSUPPORTED, "pytorch_model.bin", "pickle", "safe_serialization=True");
  }
  restore ();
  assert_loads ();
}

static void
test_foreign (void)
{
  static const struct
  {
    const char *text;
    GQuark    (*domain) (void);
    int         code;
    const char *a, *b, *c;
  } texts[] = {
    { "{\"model_type\": \"bert\", \"hidden_size\": 32}", reformer_model_error_quark, REFORMER_MODEL_ERROR_UNSUPPORTED, "\"model_type\" is \"bert\"", "\"reformer\" is wanted", "" },
    { "{\"hidden_size\": 32}", reformer_model_error_quark, REFORMER_MODEL_ERROR_UNSUPPORTED, "\"model_type\" is missing", "\"reformer\" is wanted", "" },
    { "[]", reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, "config.json", "is a list", "object { } is wanted" },
    { "null", reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, "config.json", "", "" },
    { "{\"model_type\": \"reformer\", \"hidden_size\": \"32\"}", reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, "\"hidden_size\" is \"32\"", "an integer is wanted", "" },
    { "{\"model_type\": \"reformer\", \"hidden_size\": 32", reformer_file_error_quark, REFORMER_FILE_ERROR_INVALID, "config.json", "line 1", "" },
    { "{\"model_type\": \"reformer\", \"is_decoder\": true, \"hidden_act\": \"prelu\"}", reformer_model_error_quark, REFORMER_MODEL_ERROR_UNSUPPORTED, "hidden_act is \"prelu\"", "parameters of its own", "" },
    { "{\"model_type\": \"reformer\", \"is_decoder\": true, \"hidden_act\": \"two\\nlines\"}", reformer_model_error_quark, REFORMER_MODEL_ERROR_INVALID_CONFIG, "hidden_act is \"two", "is wanted", "" },
    { "{\"model_type\": \"reformer\", \"is_decoder\": true, \"attn_layers\": [\"local\", \"nonlocal\"]}", reformer_model_error_quark, REFORMER_MODEL_ERROR_INVALID_CONFIG, "attn_layers[1] is \"nonlocal\"", "", "" },
    { "{\"model_type\": \"reformer\", \"is_decoder\": true, \"architectures\": [\"ReformerForMaskedLM\"]}", reformer_model_error_quark, REFORMER_MODEL_ERROR_INVALID_CONFIG,
      "is_decoder is true", "false is wanted for a masked language head", "" },
    { "{\"model_type\": \"reformer\", \"architectures\": [\"BertModel\"]}", reformer_model_error_quark, REFORMER_MODEL_ERROR_UNSUPPORTED, "BertModel", "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      restore ();
      put (config, texts[i].text, strlen (texts[i].text));
      refuse (folder, texts[i].domain (), texts[i].code, texts[i].a, texts[i].b, texts[i].c);
    }
  restore ();
  assert_loads ();
}

/* ---- Tensors that do not fit ---- */

typedef struct
{
  const char *name;  /* of the golden model's; NULL: a new one */
  const char *rename; /* NULL: leave it out */
  const char *dtype;  /* NULL: as it is */
  gint64      rows;   /* of a new first dimension; 0: as it is */
} Change;

static gboolean
fill_zeros (gsize     i,
            gpointer  to,
            gsize     offset,
            gsize     n_bytes,
            gpointer  user_data,
            GError  **error)
{
  memset (to, 0, n_bytes);
  return TRUE;
}

static void
write_changed (const Change *changes,
               guint         n_changes)
{
  g_autofree char *golden = g_test_build_filename (G_TEST_DIST, "golden", "lsh", "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerSafetensors) file = reformer_safetensors_open (golden, NULL, &error);
  const gsize n = reformer_safetensors_get_n_tensors (file);
  g_autofree ReformerSafetensorsTensor *tensors = g_new0 (ReformerSafetensorsTensor, n + n_changes);
  gsize count = 0;
  int fd;

  g_assert_no_error (error);
  for (gsize i = 0; i < n + n_changes; i++)
    {
      const ReformerSafetensorsEntry *entry = i < n ? reformer_safetensors_get_entry (file, i) : NULL;
      const Change *change = i < n ? NULL : &changes[i - n];
      ReformerSafetensorsTensor *tensor = &tensors[count];

      if (entry == NULL && change->name != NULL)
        continue;
      for (guint k = 0; entry != NULL && k < n_changes; k++)
        if (g_strcmp0 (changes[k].name, entry->name) == 0)
          change = &changes[k];
      if (change != NULL && change->rename == NULL)
        continue;
      tensor->name = change != NULL ? change->rename : entry->name;
      tensor->dtype = entry != NULL ? entry->dtype : REFORMER_SAFETENSORS_F32;
      tensor->n_dims = entry != NULL ? entry->n_dims : 1;
      tensor->shape[0] = 3;
      if (entry != NULL)
        memcpy (tensor->shape, entry->shape, sizeof entry->shape);
      if (change != NULL && change->rows > 0)
        tensor->shape[0] = change->rows;
      if (change != NULL && change->dtype != NULL)
        g_assert_true (reformer_safetensors_dtype_parse (change->dtype, &tensor->dtype));
      count++;
    }
  fd = open (weights, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  reformer_safetensors_write (fd, weights, tensors, count, NULL, fill_zeros, NULL, NULL, &error);
  g_assert_no_error (error);
  close (fd);
}

static void
replace_in_config (const char *from,
                   const char *to)
{
  const char *at = strstr (config_text, from);
  g_autofree char *text = NULL;

  g_assert_nonnull (at);
  text = g_strdup_printf ("%.*s%s%s", (int) (at - config_text), config_text, to, at + strlen (from));
  put (config, text, strlen (text));
}

static void
test_tensors (void)
{
#define QK "reformer.encoder.layers.1.attention.self_attention.query_key.weight"
#define ROTATIONS "reformer.encoder.layers.0.attention.self_attention.rotations"
#define NORM "reformer.encoder.layer_norm.bias"
  static const struct
  {
    Change      changes[3];
    const char *a, *b, *c;
    gboolean    nothing_else;
  } all[] = {
    { { { QK } }, QK " is missing", "model.safetensors does not fit the configuration", "" },
    { { { QK, QK, NULL, 31 } }, QK " is F32 [31, 32], wanted F32 [32, 32]", "", "" },
    { { { NORM, NORM, "I32" } }, NORM " is I32 [64], wanted F32 [64]", "", "" },
    { { { NULL, "more.of.this" } }, "more.of.this is surplus", "", "" },
    { { { NULL, "two\nlines" } }, "two", "lines is surplus", "" },
    { { { QK, "renamed" } }, QK " is missing", "renamed is surplus", "" },
    { { { QK }, { NORM, NORM, NULL, 63 }, { NULL, "more" } }, QK " is missing", NORM " is F32 [63], wanted F32 [64]", "more is surplus" },
    { { { ROTATIONS, ROTATIONS, NULL, 4 } }, ROTATIONS " is F32 [4, 16, 2, 4]", "num_attention_heads, attention_head_size, num_hashes and num_buckets", "F32 [2, 16, 2, 4]" },
    { { { "reformer.embeddings.word_embeddings.weight" } }, "configuration: reformer.embeddings.word_embeddings.weight is missing", "", "", TRUE },
    { { { "lm_head.decoder.weight", "lm_head.decoder.weight", "BF16", 41 } }, "lm_head.decoder.weight is BF16 [41, 64], wanted F32 [40, 64]", "", "" },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  g_autoptr (GArray) answers = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  guint64 memory;

  restore ();
  model = load (folder, &error);
  g_assert_no_error (error);
  answers = test_answers (model, tokens, TRUE);
  memory = reformer_device_get_memory_used (device);

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      restore ();
      write_changed (all[i].changes, G_N_ELEMENTS (all[i].changes));
      refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, all[i].a, all[i].b, all[i].c);
      /* into a model that exists: it keeps its weights */
      g_assert_false (reformer_model_load_weights (model, file, NULL, &error));
      g_assert_true (!all[i].nothing_else || strchr (error->message, ';') == NULL);
      assert_says (&error, FILES, REFORMER_FILE_ERROR_MISMATCH, all[i].a, all[i].b, all[i].c, NULL);
    }
  assert_unharmed (model, tokens, answers, memory);

  /* a configuration that does not go with the tensors */
  restore ();
  replace_in_config ("\"num_buckets\": 8", "\"num_buckets\": 16");
  refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, ROTATIONS " is F32 [2, 16, 2, 4]", "num_buckets", "make it F32 [2, 16, 2, 8]");
  replace_in_config ("\"num_hashes\": 2", "\"num_hashes\": 3");
  refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, ROTATIONS " is F32 [2, 16, 2, 4]", "num_hashes", "make it F32 [2, 16, 3, 4]");
  replace_in_config ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3");
  refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, "query_key.weight is F32 [32, 32], wanted F32 [48, 32]", "num_attention_heads", "");
  replace_in_config ("\"vocab_size\": 40", "\"vocab_size\": 41");
  refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, "word_embeddings.weight is F32 [40, 32], wanted F32 [41, 32]", "lm_head.bias is F32 [40], wanted F32 [41]", "");
  replace_in_config ("  \"lsh\",\n  \"lsh\"", "  \"lsh\",\n  \"local\"");
  refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, "layers.1.attention.self_attention.query.weight is missing", "layers.1.attention.self_attention.query_key.weight is surplus", "");

  /* the other model's weights */
  {
    g_autofree char *other = g_test_build_filename (G_TEST_DIST, "golden", "local", "model.safetensors", NULL);
    g_autofree char *data = NULL;
    gsize length;

    restore ();
    g_file_get_contents (other, &data, &length, &error);
    g_assert_no_error (error);
    put (weights, data, length);
    refuse (folder, FILES, REFORMER_FILE_ERROR_MISMATCH, "query_key.weight is missing", "query.weight is surplus", "");
    g_assert_false (reformer_model_load_weights (model, file, NULL, &error));
    assert_says (&error, FILES, REFORMER_FILE_ERROR_MISMATCH, "is missing", NULL);
  }
  restore ();
  assert_unharmed (model, tokens, answers, memory);
  g_assert_true (reformer_model_load_weights (model, file, NULL, &error));
  assert_unharmed (model, tokens, answers, memory);
}

/* Every tensor that does not fit is named, and of very many it is said how many are not. */
static void
test_many_tensors (void)
{
  g_autofree char *golden = g_test_build_filename (G_TEST_DIST, "golden", "lsh", "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerSafetensors) file = reformer_safetensors_open (golden, NULL, &error);
  const gsize n = reformer_safetensors_get_n_tensors (file);
  g_autofree Change *shapes = g_new0 (Change, n);
  Change surplus[103] = { { NULL } };
  char names[G_N_ELEMENTS (surplus)][16];
  guint named = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (n, >, 30);
  for (gsize i = 0; i < n; i++)
    {
      const ReformerSafetensorsEntry *entry = reformer_safetensors_get_entry (file, i);

      shapes[i] = (Change) { entry->name, entry->name, NULL, entry->shape[0] + 1 };
    }
  restore ();
  write_changed (shapes, (guint) n);
  g_assert_null (load (folder, &error));
  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *seen = g_strdup_printf ("%s is F32 [%" G_GINT64_FORMAT, shapes[i].name, shapes[i].rows);

      g_assert_nonnull (strstr (error->message, seen));
    }
  g_assert_null (strstr (error->message, " more"));
  assert_says (&error, FILES, REFORMER_FILE_ERROR_MISMATCH, "does not fit the configuration", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (surplus); i++)
    {
      g_snprintf (names[i], sizeof names[i], "extra.%u", i);
      surplus[i].rename = names[i];
    }
  restore ();
  write_changed (surplus, G_N_ELEMENTS (surplus));
  g_assert_null (load (folder, &error));
  for (const char *at = error->message; (at = strstr (at, " is surplus")) != NULL; at++)
    named++;
  g_assert_cmpuint (named, ==, 100);
  g_assert_true (g_str_has_suffix (error->message, "; and 3 more"));
  assert_says (&error, FILES, REFORMER_FILE_ERROR_MISMATCH, "extra.0 is surplus", NULL);
  restore ();
  assert_loads ();
}

/* ---- Cut and damaged ---- */

/* Whatever a damaged folder gives: an error of one line, or a model that runs or says why not. TRUE: a model. */
static gboolean
try_load (ReformerTensor *tokens,
          gboolean        run)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerModel) model = load (folder, &error);
  g_autoptr (ReformerTensor) output = NULL;

  if (model == NULL)
    {
      g_assert_nonnull (error);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      if (strpbrk (error->message, "\n\r") != NULL || error->message[0] == '\0')
        g_error ("\"%s\" is not a line", error->message);
      return FALSE;
    }
  g_assert_no_error (error);
  if (run)
    {
      output = reformer_model_forward (model, tokens, NULL, &error);
      g_assert_true ((output == NULL) == (error != NULL));
    }
  return TRUE;
}

static void
test_cut (void)
{
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  const guint64 memory = reformer_device_get_memory_used (device);

  restore ();
  for (gsize length = 0; length < config_length - 1; length += 7)
    {
      put (config, config_text, length);
      g_assert_false (try_load (tokens, TRUE));
    }
  put (config, config_text, config_length);
  for (gsize length = 0; length < weights_length; length += length < 32 ? 1 : length < 4000 ? 37 : 1009)
    {
      put (weights, weights_data, length);
      g_assert_false (try_load (tokens, TRUE));
    }
  put (weights, weights_data, weights_length - 1);
  refuse (folder, FILES, REFORMER_FILE_ERROR_TRUNCATED, "model.safetensors", "ends at byte", "the file has");
  restore ();
  g_assert_true (try_load (tokens, TRUE));
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
}

static void
flip (int   fd,
      gsize bit)
{
  guint8 byte;

  g_assert_cmpint (pread (fd, &byte, 1, (off_t) (bit / 8)), ==, 1);
  byte ^= (guint8) (1u << bit % 8);
  g_assert_cmpint (pwrite (fd, &byte, 1, (off_t) (bit / 8)), ==, 1);
}

/* Every step-th bit: steps are odd, so all eight of a byte take their turns. */
static void
flip_bits (const char *path,
           gsize       n_bytes,
           gsize       step,
           double      seconds)
{
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  const guint64 memory = reformer_device_get_memory_used (device);
  const gint64 start = g_get_monotonic_time ();
  const int fd = open (path, O_RDWR);
  guint n_models = 0, n = 0;

  g_assert_cmpint (fd, >=, 0);
  for (gsize bit = 0; bit < 8 * n_bytes && (double) (g_get_monotonic_time () - start) < seconds * 1e6; bit += step, n++)
    {
      flip (fd, bit);
      n_models += try_load (tokens, TRUE);
      flip (fd, bit);
    }
  close (fd);
  g_test_message ("%u of %" G_GSIZE_FORMAT " bits in %.1f s: %u other models, the rest errors", n, 8 * n_bytes, (double) (g_get_monotonic_time () - start) * 1e-6, n_models);
  g_assert_cmpuint (n_models, <, n);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
  assert_loads ();
}

static void
test_flipped_config (void)
{
  restore ();
  flip_bits (config, config_length, 3, 10);
}

static void
test_flipped_header (void)
{
  guint64 length;

  restore ();
  memcpy (&length, weights_data, sizeof length);
  flip_bits (weights, 8 + GUINT64_FROM_LE (length), 5, 10);
}

/* ---- Saving ---- */

static int
by_name (gconstpointer a,
         gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
digest (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_name);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *inside = g_build_filename (path, names->pdata[i], NULL), *data = NULL;
      gsize length = 0;

      g_checksum_update (checksum, names->pdata[i], -1);
      if (g_file_get_contents (inside, &data, &length, NULL))
        g_checksum_update (checksum, (guchar *) data, (gssize) length);
    }
  return g_strdup (g_checksum_get_string (checksum));
}

static void
assert_not_saved (ReformerModel *model,
                  const char    *path,
                  int            code,
                  const char    *a,
                  const char    *b)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) error = NULL;

  g_assert_false (reformer_model_save (model, file, NULL, &error));
  assert_says (&error, FILES, code, a, b, NULL);
}

static void
test_save (void)
{
  g_autofree char *parent = g_path_get_dirname (folder), *below = g_build_filename (config, "model", NULL), *nowhere = g_build_filename (folder, "no", "such", NULL);
  g_autofree char *before = NULL, *around = NULL, *after = NULL, *around_after = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerModel) model = NULL, other = NULL;
  g_autoptr (ReformerConfig) small = test_config ("local");
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  g_autoptr (GArray) answers = NULL;
  g_autoptr (GFile) remote = g_file_new_for_uri ("http://example.org/model"), file = g_file_new_for_path (folder);
  struct rlimit old, few;
  guint64 memory;

  restore ();
  model = load (folder, &error);
  g_assert_no_error (error);
  other = reformer_model_new (device, small);
  g_assert_true (reformer_model_prepare (other, &error));
  answers = test_answers (model, tokens, TRUE);
  memory = reformer_device_get_memory_used (device);
  before = digest (folder);
  around = digest (parent);

  assert_not_saved (model, "/proc/none/model", REFORMER_FILE_ERROR_NOT_FOUND, "/proc/none", "");
  assert_not_saved (model, nowhere, REFORMER_FILE_ERROR_NOT_FOUND, "no", "No such file");
  assert_not_saved (model, below, REFORMER_FILE_ERROR_NOT_FOUND, below, "Not a directory");
  assert_not_saved (model, config, REFORMER_FILE_ERROR_INVALID, config, "is a file, a folder is wanted");
  g_assert_false (reformer_model_save (model, remote, NULL, &error));
  assert_says (&error, FILES, REFORMER_FILE_ERROR_UNSUPPORTED, "http://example.org/model", "local", NULL);

  /* a write that fails in the middle; the signal would end the process */
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  few = old;
  few.rlim_cur = 30000;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &few), ==, 0);
  g_assert_false (reformer_model_save (other, file, NULL, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  assert_says (&error, FILES, error->code, "model.safetensors", "File too large", NULL);

  after = digest (folder);
  around_after = digest (parent);
  g_assert_cmpstr (after, ==, before);
  g_assert_cmpstr (around_after, ==, around);
  assert_loads ();
  g_clear_object (&other);
  g_assert_cmpuint (reformer_device_get_memory_used (device), <=, memory);

  /* and right */
  g_assert_true (reformer_model_save (model, file, NULL, &error));
  assert_loads ();
  assert_unharmed (model, tokens, answers, reformer_device_get_memory_used (device));
}

static void
test_cancelled (void)
{
  g_autofree char *parent = g_path_get_dirname (folder), *before = NULL, *after = NULL, *around = NULL, *around_after = NULL;
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 16, 40);
  g_autoptr (GArray) answers = NULL;
  g_autoptr (ReformerConfig) loaded = NULL;
  guint64 memory;

  restore ();
  model = load (folder, &error);
  g_assert_no_error (error);
  answers = test_answers (model, tokens, TRUE);
  memory = reformer_device_get_memory_used (device);
  before = digest (folder);
  around = digest (parent);
  g_cancellable_cancel (cancelled);
  for (int i = 0; i < 2; i++)
    {
      g_assert_null (reformer_model_load (device, file, cancelled, &error));
      assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled", NULL);
      g_assert_false (reformer_model_load_weights (model, file, cancelled, &error));
      assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled", NULL);
      g_assert_null (reformer_model_list_weights (file, cancelled, &error));
      assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled", NULL);
      g_assert_false (reformer_model_save (model, file, cancelled, &error));
      assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled", NULL);
      g_assert_null (reformer_config_load (file, cancelled, &error));
      assert_says (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled", NULL);
    }
  after = digest (folder);
  around_after = digest (parent);
  g_assert_cmpstr (after, ==, before);
  g_assert_cmpstr (around_after, ==, around);
  assert_unharmed (model, tokens, answers, memory);
  g_assert_true (reformer_model_save (model, file, NULL, &error));
  assert_loads ();
}

/* Weights that do not fit in the memory: the model is not made, and what it took is given back. */
static void
test_memory (void)
{
  const guint64 memory = reformer_device_get_memory_used (device);
  g_autoptr (GError) error = NULL;

  restore ();
  for (guint64 more = 4096; more < 20 * 4096; more += 3 * 4096)
    {
      g_autofree char *limit = g_strdup_printf ("the limit is %" G_GUINT64_FORMAT, memory + more);

      reformer_device_set_memory_limit (device, memory + more);
      g_assert_null (load (folder, &error));
      assert_says (&error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "bytes wanted for weights", "in use", limit, NULL);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
      reformer_device_set_memory_limit (device, 0);
    }
  assert_loads ();
}

/* Hundreds of lines about unknown keys. */
static void
ignore (const char     *domain,
        GLogLevelFlags  level,
        const char     *message,
        gpointer        data)
{
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *golden_config = NULL, *golden_weights = NULL, *base = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  g_log_set_handler ("Reformer", G_LOG_LEVEL_INFO, ignore, NULL);
  device = test_device ();
  golden_config = g_test_build_filename (G_TEST_DIST, "golden", "lsh", "config.json", NULL);
  golden_weights = g_test_build_filename (G_TEST_DIST, "golden", "lsh", "model.safetensors", NULL);
  g_file_get_contents (golden_config, &config_text, &config_length, &error);
  g_assert_no_error (error);
  g_file_get_contents (golden_weights, &weights_data, &weights_length, &error);
  g_assert_no_error (error);
  base = g_dir_make_tmp ("reformer-mistakes-XXXXXX", &error);
  g_assert_no_error (error);
  folder = g_build_filename (base, "model", NULL);
  config = g_build_filename (folder, "config.json", NULL);
  weights = g_build_filename (folder, "model.safetensors", NULL);

  g_test_add_func ("/mistakes-files/missing", test_missing);
  g_test_add_func ("/mistakes-files/foreign", test_foreign);
  g_test_add_func ("/mistakes-files/tensors", test_tensors);
  g_test_add_func ("/mistakes-files/many-tensors", test_many_tensors);
  g_test_add_func ("/mistakes-files/cut", test_cut);
  g_test_add_func ("/mistakes-files/flipped-config", test_flipped_config);
  g_test_add_func ("/mistakes-files/flipped-header", test_flipped_header);
  g_test_add_func ("/mistakes-files/save", test_save);
  g_test_add_func ("/mistakes-files/cancelled", test_cancelled);
  g_test_add_func ("/mistakes-files/memory", test_memory);
  status = test_run ();

  remove_all (base);
  g_free (folder);
  g_free (config);
  g_free (weights);
  g_free (config_text);
  g_free (weights_data);
  g_object_unref (device);
  return status;
}
