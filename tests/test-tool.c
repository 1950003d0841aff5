/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The reformer command, run as a program: what it prints, where, and with which status. REFORMER_TOOL names the program where it is not at its place in the
 * build folder. Without an OpenCL device the tests that need one are skipped. */

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

static char *scratch;    /* a folder of our own */
static char *no_drivers; /* a folder without OpenCL drivers in it */

/* ---- Running ---- */

typedef struct
{
  int   status;
  char *out, *err;
} Result;

static void
result_clear (Result *result)
{
  g_free (result->out);
  g_free (result->err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static char *
tool (void)
{
  const char *given = g_getenv ("REFORMER_TOOL");

  return given != NULL ? g_strdup (given) : g_test_build_filename (G_TEST_BUILT, "..", "libreformer", "tool", "reformer", NULL);
}

static Result
run_v (const char *name,
       const char *value,
       GPtrArray  *arguments)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  Result result = { 0 };

  if (name != NULL)
    g_subprocess_launcher_setenv (launcher, name, value, TRUE);
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) arguments->pdata, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &result.out, &result.err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  result.status = g_subprocess_get_exit_status (process);
  return result;
}

/* With the environment variable `name` (NULL: none) as `value`. */
static Result G_GNUC_NULL_TERMINATED
run_with (const char *name,
          const char *value,
          ...)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
  const char *argument;
  va_list args;

  g_ptr_array_add (arguments, tool ());
  va_start (args, value);
  while ((argument = va_arg (args, const char *)) != NULL)
    g_ptr_array_add (arguments, g_strdup (argument));
  va_end (args);
  g_ptr_array_add (arguments, NULL);
  return run_v (name, value, arguments);
}

#define run(...) run_with (NULL, NULL, __VA_ARGS__, NULL)
#define run_without_device(...) run_with ("OCL_ICD_VENDORS", no_drivers, __VA_ARGS__, NULL)

static gboolean
have_device (void)
{
  g_auto (Result) result = run ("devices");

  return result.status == 0;
}

#define NEED_DEVICE                                     \
  if (!have_device ())                                  \
    {                                                   \
      g_test_skip ("there is no OpenCL device");        \
      return;                                           \
    }

/* ---- Checks ---- */

/* One line, which begins with the program's name and has `part` in it. */
static void
assert_message (const Result *result,
                const char   *part)
{
  if (!g_str_has_prefix (result->err, "reformer: ") || strchr (result->err, '\n') != strrchr (result->err, '\n') || !g_str_has_suffix (result->err, "\n") ||
      strstr (result->err, part) == NULL)
    g_error ("wanted one line \"reformer: ...%s...\"; standard error is:\n%s", part, result->err);
}

static void
assert_fails (Result      result,
              int         status,
              const char *part)
{
  assert_message (&result, part);
  g_assert_cmpint (result.status, ==, status);
  g_assert_cmpstr (result.out, ==, "");
  result_clear (&result);
}

static void
assert_fine (const Result *result)
{
  g_assert_cmpstr (result->err, ==, "");
  g_assert_cmpint (result->status, ==, 0);
}

static void
assert_says (const Result *result,
             const char   *part)
{
  if (strstr (result->out, part) == NULL)
    g_error ("wanted \"%s\" in:\n%s", part, result->out);
}

static json_t *
parse (const Result *result)
{
  json_error_t error;
  json_t *object = json_loads (result->out, JSON_REJECT_DUPLICATES, &error);

  if (object == NULL)
    g_error ("no JSON (%s): %s", error.text, result->out);
  return object;
}

static json_int_t
integer (json_t     *object,
         const char *key)
{
  json_t *value = json_object_get (object, key);

  if (!json_is_integer (value))
    g_error ("%s is no integer", key);
  return json_integer_value (value);
}

static const char *
string (json_t     *object,
        const char *key)
{
  json_t *value = json_object_get (object, key);

  if (!json_is_string (value))
    g_error ("%s is no string", key);
  return json_string_value (value);
}

static gboolean
boolean (json_t     *object,
         const char *key)
{
  json_t *value = json_object_get (object, key);

  if (!json_is_boolean (value))
    g_error ("%s is no boolean", key);
  return json_is_true (value);
}

/* ---- Folders ---- */

static char *
golden (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "golden", name, NULL);
}

static char *
write_text (const char *folder,
            const char *name,
            const char *text,
            gsize       n)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, (gssize) n, &error);
  g_assert_no_error (error);
  return path;
}

/* A copy of the golden model `mixed`, in which `seen` of one file is `wanted` everywhere; seen NULL: as it is. */
static char *
copy_model (const char *name,
            const char *file,
            const char *seen,
            const char *wanted)
{
  static const char *const files[] = { "config.json", "model.safetensors" };
  g_autofree char *from = golden ("mixed");
  char *to = g_build_filename (scratch, name, NULL);

  g_assert_cmpint (g_mkdir (to, 0777), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *source = g_build_filename (from, files[i], NULL), *text = NULL, *path = NULL;
      g_autoptr (GString) edited = NULL;
      gsize n;

      g_assert_true (g_file_get_contents (source, &text, &n, NULL));
      edited = g_string_new_len (text, (gssize) n);
      if (seen != NULL && g_str_equal (file, files[i]))
        {
          const char *at = memmem (text, n, seen, strlen (seen));

          g_assert_nonnull (at);
          g_string_erase (edited, at - text, (gssize) strlen (seen));
          g_string_insert (edited, at - text, wanted);
        }
      path = write_text (to, files[i], edited->str, edited->len);
    }
  return to;
}

/* ---- The program itself ---- */

static void
test_help (void)
{
  static const char *const verbs[] = { "train", "generate", "evaluate", "info", "plan", "devices", "bench" };
  g_auto (Result) help = run ("--help");
  g_auto (Result) version = run ("--version");

  assert_fine (&help);
  assert_says (&help, "Example:\n");
  assert_fine (&version);
  g_assert_true (g_str_has_prefix (version.out, "reformer "));
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      g_auto (Result) result = run (verbs[i], "--help");
      g_autofree char *example = g_strdup_printf ("Example:\n  reformer %s", verbs[i]);

      assert_says (&help, verbs[i]);
      assert_fine (&result);
      assert_says (&result, "Usage:");
      assert_says (&result, "--json");
      assert_says (&result, example);
    }
}

/* A driver that is none: whoever opens OpenCL looks for it, and the loader's log says so. */
static void
test_no_opencl (void)
{
  g_autofree char *folder = g_build_filename (scratch, "drivers", NULL), *model = golden ("mixed"), *icd = NULL;
  const char *const lines[][3] = { { "--version", NULL }, { "--help", NULL }, { "plan", "--help", NULL }, { "train", "--help-all", NULL },
                                     { "train", model, "--batch-size=0" }, { "info", model, NULL }, { "devices", NULL } };

  g_assert_cmpint (g_mkdir (folder, 0777), ==, 0);
  icd = write_text (folder, "none.icd", "/nonexistent/libdriver-none.so\n", 31);
  g_setenv ("LD_DEBUG", "files,libs", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_auto (Result) result = run_with ("OCL_ICD_VENDORS", folder, lines[i][0], lines[i][1], lines[i][2], NULL);

      g_assert_cmpint (strstr (result.err, "libdriver-none.so") != NULL, ==, g_str_equal (lines[i][0], "devices"));
    }
  g_unsetenv ("LD_DEBUG");
}

static void
test_start_time (void)
{
  gint64 best = G_MAXINT64;

  for (int i = 0; i < 20; i++)
    {
      const gint64 start = g_get_monotonic_time ();
      g_auto (Result) result = run ("--version");

      assert_fine (&result);
      best = MIN (best, g_get_monotonic_time () - start);
    }
  g_test_message ("--version takes %" G_GINT64_FORMAT " microseconds", best);
  if (g_getenv ("LD_PRELOAD") == NULL) /* sanitizers and shims have a start of their own */
    g_assert_cmpint (best, <, 30000);
}

static void
test_usage (void)
{
  g_autofree char *model = golden ("mixed");
  g_auto (Result) nothing = run_with (NULL, NULL, NULL);

  g_assert_cmpint (nothing.status, ==, 2);
  assert_message (&nothing, "train, generate, evaluate, info, plan, devices, bench");
  assert_fails (run ("dance"), 2, "no verb \"dance\"");
  assert_fails (run ("--dance"), 2, "no option \"--dance\"");
  assert_fails (run ("two\nlines"), 2, "two lines");
  assert_fails (run ("devices", "--dance"), 2, "--dance");
  assert_fails (run ("devices", "here"), 2, "\"here\"");
  assert_fails (run ("info"), 2, "MODEL is missing");
  assert_fails (run ("info", model, model), 2, "one argument too many");
  assert_fails (run ("info", "--json"), 2, "MODEL is missing");
  assert_fails (run ("plan"), 2, "model");
  assert_fails (run ("plan", model), 2, "--length is missing");
  assert_fails (run ("plan", model, "--length"), 2, "--length");
  assert_fails (run ("plan", model, "--config", model, "--length", "8"), 2, "one model is wanted");
  assert_fails (run ("plan", model, "--length", "0"), 2, "--length is \"0\"");
  assert_fails (run ("plan", model, "--length", "-1"), 2, "--length is \"-1\"");
  assert_fails (run ("plan", model, "--length=1e3"), 2, "--length is \"1e3\"");
  assert_fails (run ("plan", model, "--length", "99999999999999999999"), 2, "99999999999999999999");
  assert_fails (run ("plan", model, "--length", "8", "--rows", "0"), 2, "--rows is \"0\"");
  assert_fails (run ("plan", model, "--length", "8", "--keep", "all"), 2, "--keep is \"all\"");
  assert_fails (run ("plan", model, "--length", "8", "--keep", "inputs", "--inference"), 2, "--keep");
  assert_fails (run ("plan", model, "--length", "8", "--optimizer", "adamw", "--inference"), 2, "--optimizer");
  assert_fails (run ("plan", model, "--length", "8", "--optimizer", "lion"), 2, "--optimizer is \"lion\"");
  assert_fails (run ("plan", model, "--length", "8", "--memory-limit", "much"), 2, "\"much\"");
  assert_fails (run ("plan", model, "--length", "8", "--memory-limit", "-4G"), 2, "\"-4G\"");
  assert_fails (run ("plan", model, "--length", "8", "--memory-limit", "0"), 2, "\"0\"");
  assert_fails (run ("plan", model, "--length", "8", "--memory-limit", "4X"), 2, "\"4X\"");
}

static void
test_full_disk (void)
{
  g_autofree char *program = tool (), *quoted = g_shell_quote (program), *line = g_strdup_printf ("%s --help > /dev/full", quoted);
  g_autofree char *err = NULL;
  const char *const arguments[] = { "/bin/sh", "-c", line, NULL };
  int status = 0;

  g_assert_true (g_spawn_sync (NULL, (char **) arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err, &status, NULL));
  g_assert_cmpint (WEXITSTATUS (status), ==, 1);
  g_assert_true (g_str_has_prefix (err, "reformer: standard output: "));
}

/* ---- devices ---- */

static void
test_devices (void)
{
  g_auto (Result) text = run ("devices");
  g_auto (Result) result = run ("devices", "--json");
  json_t *object, *list;
  guint n_default = 0;

  NEED_DEVICE
  assert_fine (&text);
  assert_says (&text, "kernels");
  assert_says (&text, "GiB");
  assert_fine (&result);
  object = parse (&result);
  list = json_object_get (object, "devices");
  g_assert_cmpuint (json_array_size (list), >, 0);
  for (gsize i = 0; i < json_array_size (list); i++)
    {
      json_t *device = json_array_get (list, i);

      g_assert_cmpint (integer (device, "number"), ==, (json_int_t) i);
      assert_says (&text, string (device, "name"));
      assert_says (&text, string (device, "platform"));
      string (device, "driver");
      string (device, "vendor");
      string (device, "kind");
      g_assert_true (g_str_equal (string (device, "kernels"), "wide") || g_str_equal (string (device, "kernels"), "simt"));
      g_assert_cmpint (integer (device, "compute_units"), >, 0);
      g_assert_cmpint (integer (device, "memory_bytes"), >, 0);
      g_assert_cmpint (integer (device, "max_allocation_bytes"), >, 0);
      g_assert_cmpint (integer (device, "local_memory_bytes"), >=, 0);
      n_default += boolean (device, "default");
    }
  g_assert_cmpuint (n_default, ==, 1);
  json_decref (object);
}

static void
test_devices_bad (void)
{
  assert_fails (run_without_device ("devices"), 1, "pocl-opencl-icd");
  assert_fails (run_without_device ("devices", "--json"), 1, "pocl-opencl-icd");
}

/* PoCL has no device while it cannot write its cache, which says so. */
static void
test_device_without_cache (void)
{
  Result result;

  NEED_DEVICE
  result = run_with ("POCL_CACHE_DIR", "/proc/none/pocl", "devices", NULL);
  if (result.status == 0)
    {
      g_test_skip ("a device of another driver is there");
      result_clear (&result);
      return;
    }
  assert_fails (result, 1, "its cache /proc/none/pocl cannot be written");
}

static void
test_device_unknown (void)
{
  g_autofree char *model = golden ("mixed");
  g_auto (Result) result = { 0 };

  NEED_DEVICE
  /* the list is what helps */
  result = run_with ("REFORMER_DEVICE", "abacus", "devices", NULL);
  assert_message (&result, "\"abacus\"");
  g_assert_cmpint (result.status, ==, 1);
  assert_says (&result, "kernels");
  assert_fails (run_with ("REFORMER_DEVICE", "abacus", "plan", model, "--length", "8", NULL), 1, "\"abacus\"");
  assert_fails (run ("plan", model, "--length", "8", "--device", "abacus"), 1, "\"abacus\"");
  assert_fails (run ("plan", model, "--length", "8", "--device", "999"), 1, "\"999\"");
}

/* ---- info ---- */

static void
test_info (void)
{
  static const char *const names[] = { "local", "lsh", "mixed", "padded", "short", "chunks", "between", "behind", "causal-mask", "auto" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *model = golden (names[i]);
      g_auto (Result) text = run_without_device ("info", model);
      g_auto (Result) result = run_without_device ("info", "--json", model);
      json_t *object, *parts, *value;
      json_int_t sum = 0;
      const char *key;

      assert_fine (&text);
      assert_says (&text, "model.safetensors");
      assert_says (&text, "F32");
      assert_fine (&result);
      object = parse (&result);
      parts = json_object_get (json_object_get (object, "parameters"), "parts");
      json_object_foreach (parts, key, value)
        sum += json_integer_value (value);
      g_assert_cmpint (sum, ==, integer (json_object_get (object, "parameters"), "total"));
      g_assert_cmpint (sum, >, 0);
      g_assert_cmpstr (string (object, "head"), ==, "language");
      g_assert_cmpint (integer (json_object_get (object, "weights"), "bytes"), >, 4 * sum);
      g_assert_cmpstr (string (json_object_get (object, "config"), "model_type"), ==, "reformer");
      json_decref (object);
    }
}

static void
test_info_mixed (void)
{
  g_autofree char *model = golden ("mixed"), *config = g_build_filename (model, "config.json", NULL), *odd = NULL;
  g_auto (Result) result = run ("info", model);
  g_auto (Result) alone = run ("info", config, "--json");
  g_auto (Result) unknown = { 0 };
  json_t *object;

  assert_fine (&result);
  assert_says (&result, "language (ReformerModelWithLMHead)");
  assert_says (&result, "4: local lsh local lsh");
  assert_says (&result, "4 rounds; buckets [2, 4]; chunks of 8 tokens, 1 before, 0 after");
  assert_says (&result, "64 tokens, axial [8, 8] of widths [8, 24]");
  assert_says (&result, "28712");

  /* the file alone: no weights are wanted */
  assert_fine (&alone);
  object = parse (&alone);
  g_assert_true (json_is_null (json_object_get (object, "weights")));
  g_assert_cmpint (integer (json_object_get (object, "parameters"), "total"), ==, 28712);
  json_decref (object);

  odd = copy_model ("unknown", "config.json", "{", "{\"tea\": 1, \"cake\": [2],");
  unknown = run ("info", odd, "--json");
  g_assert_cmpint (unknown.status, ==, 0);
  assert_message (&unknown, "tea");
  assert_message (&unknown, "cake");
  object = parse (&unknown);
  g_assert_cmpuint (json_array_size (json_object_get (object, "unknown_keys")), ==, 2);
  json_decref (object);
}

static void
test_info_bad (void)
{
  g_autofree char *empty = g_build_filename (scratch, "empty", NULL), *folder = g_build_filename (scratch, "folder", NULL), *inner = NULL;
  g_autofree char *bare = NULL, *cut = NULL, *weights = NULL, *bytes = NULL, *model = NULL, *path = NULL;
  gsize n;

  assert_fails (run ("info", "/nonexistent/model"), 1, "/nonexistent/model");
  g_assert_cmpint (g_mkdir (empty, 0777), ==, 0);
  assert_fails (run ("info", empty), 1, "config.json");
  g_assert_cmpint (g_mkdir (folder, 0777), ==, 0);
  inner = g_build_filename (folder, "config.json", NULL);
  g_assert_cmpint (g_mkdir (inner, 0777), ==, 0);
  assert_fails (run ("info", folder), 1, "config.json");

  bare = copy_model ("bare", NULL, NULL, NULL);
  path = g_build_filename (bare, "model.safetensors", NULL);
  g_assert_cmpint (g_unlink (path), ==, 0);
  assert_fails (run ("info", bare), 1, "model.safetensors");

  cut = copy_model ("cut", NULL, NULL, NULL);
  weights = g_build_filename (cut, "model.safetensors", NULL);
  g_assert_true (g_file_get_contents (weights, &bytes, &n, NULL));
  g_assert_cmpint (truncate (weights, (off_t) n - 1), ==, 0);
  assert_fails (run ("info", cut), 1, "model.safetensors");
  g_assert_cmpint (truncate (weights, 100), ==, 0);
  assert_fails (run ("info", cut), 1, "model.safetensors");
  g_assert_cmpint (truncate (weights, 0), ==, 0);
  assert_fails (run ("info", cut), 1, "model.safetensors");

#define BAD(name, file, seen, wanted, message)                  \
  g_free (model);                                               \
  model = copy_model (name, file, seen, wanted);                \
  assert_fails (run ("info", model), 1, message);

  BAD ("named", "model.safetensors", "encoder.layer_norm.weight", "encoder.layer_norm.heavy!", "reformer.encoder.layer_norm.weight is missing")
  assert_fails (run ("info", model), 1, "reformer.encoder.layer_norm.heavy! is surplus");
  BAD ("turned", "model.safetensors", "[40,32]", "[32,40]", "reformer.embeddings.word_embeddings.weight is F32 [32, 40], wanted F32 [40, 32]")
  BAD ("typed", "model.safetensors", "\"F32\"", "\"I32\"", "lm_head.bias")
  BAD ("foreign", "config.json", "\"model_type\": \"reformer\"", "\"model_type\": \"bert\"", "bert")
  BAD ("twice", "config.json", "{", "{\"vocab_size\": 40,", "config.json")
  BAD ("list", "config.json", "{", "[{", "config.json")
  BAD ("text", "config.json", "\"hidden_size\": 32", "\"hidden_size\": \"32\"", "hidden_size")
  BAD ("heads", "config.json", "\"num_attention_heads\": 2", "\"num_attention_heads\": 0", "num_attention_heads")
  BAD ("chunk", "config.json", "\"lsh_attn_chunk_length\": 8", "\"lsh_attn_chunk_length\": 0", "lsh_attn_chunk_length")
  BAD ("line\nbreak", "config.json", "\"hidden_size\": 32", "\"hidden_size\": 33", "line\357\277\275break")
#undef BAD

  if (geteuid () != 0) /* root reads everything */
    {
      g_assert_cmpint (g_chmod (weights, 0), ==, 0);
      assert_fails (run ("info", cut), 1, "Permission denied");
    }
}

static void
test_info_odd_bucket (void)
{
  static const char text[] = "{\"model_type\": \"reformer\", \"architectures\": [\"ReformerModelWithLMHead\"], \"is_decoder\": true, \"num_buckets\": [4, 7]}";
  static const char head[] = "{\"model_type\": \"reformer\", \"architectures\": [\"ReformerForQuestionAnswering\"], \"hidden_size\": 33}";
  g_autofree char *odd = write_text (scratch, "odd.json", text, strlen (text));
  g_autofree char *other = write_text (scratch, "other.json", head, strlen (head));

  assert_fails (run ("info", odd), 1, "num_buckets is [4, 7]");
  assert_fails (run ("plan", "--config", odd, "--length", "64"), 1, "num_buckets is [4, 7]");
  assert_fails (run ("info", other), 1, "hidden_size");
}

/* ---- plan ---- */

/* The layout of the long benchmark: a million positions. */
static char *
write_long (void)
{
  static const char text[] = "{\"model_type\": \"reformer\", \"architectures\": [\"ReformerModelWithLMHead\"], \"is_decoder\": true, \"vocab_size\": 256,"
                             "\"hidden_size\": 256, \"num_attention_heads\": 4, \"attention_head_size\": 64, \"feed_forward_size\": 1024, \"hidden_act\": \"gelu\","
                             "\"num_hashes\": 2, \"num_buckets\": null, \"axial_pos_shape\": [1024, 1024], \"axial_pos_embds_dim\": [64, 192],"
                             "\"attn_layers\": [\"lsh\", \"lsh\", \"lsh\", \"lsh\", \"lsh\", \"lsh\"]}";

  return write_text (scratch, "long.json", text, strlen (text));
}

static json_t *
plan (Result *result,
      int     status)
{
  json_t *object, *value;
  json_int_t sum = 0;
  const char *key;

  g_assert_cmpint (result->status, ==, status);
  object = parse (result);
  json_object_foreach (json_object_get (object, "parts_bytes"), key, value)
    sum += json_integer_value (value);
  g_assert_cmpint (sum, ==, integer (object, "total_bytes"));
  g_assert_cmpint (boolean (object, "fits"), ==, status == 0);
  result_clear (result);
  return object;
}

static void
test_plan_without_device (void)
{
  g_autofree char *model = golden ("mixed");
  g_auto (Result) text = run_without_device ("plan", model, "--length", "50");
  Result result = run_without_device ("plan", "--config", model, "--length", "50", "--rows", "3", "--json");
  json_t *object;

  assert_fine (&text);
  assert_says (&text, "there is none; a plain CPU is assumed");
  assert_says (&text, "weights");
  assert_says (&text, "MiB");
  assert_says (&text, "keep               everything (auto)");
  assert_says (&text, "64 tokens (all positions)");
  object = plan (&result, 0);
  g_assert_true (boolean (json_object_get (object, "device"), "assumed"));
  g_assert_true (boolean (object, "training"));
  g_assert_cmpint (integer (object, "rows"), ==, 3);
  g_assert_cmpint (integer (object, "length"), ==, 50);
  g_assert_cmpint (integer (object, "positions"), ==, 64);
  g_assert_cmpint (integer (object, "max_length"), ==, 64);
  json_decref (object);
  assert_fails (run_without_device ("plan", model, "--length", "50", "--device", "cpu"), 1, "pocl-opencl-icd");
}

/* AdamW's two numbers for each of a parameter's are in the plan; none means none. */
static void
test_plan_optimizer (void)
{
  static const char *const names[] = { "none", "sgd", "adafactor", "adamw" };
  g_autofree char *model = write_long ();
  json_int_t weights = 0, gradients = 0, before = -1;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      Result result = run_without_device ("plan", model, "--length", "512", "--json", "--optimizer", names[i]);
      json_t *object = plan (&result, 0), *parts = json_object_get (object, "parts_bytes");
      const json_int_t state = json_integer_value (json_object_get (parts, "optimizer"));

      if (i == 0)
        g_assert_true (json_is_null (json_object_get (object, "optimizer")));
      else
        g_assert_cmpstr (string (object, "optimizer"), ==, names[i]);
      if (i < 2)
        g_assert_cmpint (state, ==, 0);
      else
        g_assert_cmpint (state, >, before);
      before = state;
      weights = integer (parts, "weights");
      gradients = integer (parts, "gradients");
      json_decref (object);
    }
  /* rotations are weights that do not learn */
  g_assert_cmpint (before, ==, 2 * gradients);
  g_assert_cmpint (gradients, <=, weights);
}

static void
test_plan_keep (void)
{
  static const char *const keeps[] = { "everything", "inputs", "nothing" };
  g_autofree char *model = write_long ();
  json_int_t before = G_MAXINT64;

  NEED_DEVICE
  for (guint i = 0; i < G_N_ELEMENTS (keeps); i++)
    {
      g_autofree char *limit = g_strdup_printf ("%" G_GINT64_FORMAT, (gint64) before - 1);
      Result result = run ("plan", model, "--length", "8192", "--json", "--keep", keeps[i]);
      Result chosen = before < G_MAXINT64 ? run ("plan", model, "--length", "8192", "--json", "--memory-limit", limit) : run ("plan", model, "--length", "8192", "--json");
      json_t *object = plan (&result, 0), *automatic = plan (&chosen, 0);

      g_assert_cmpstr (string (object, "keep"), ==, keeps[i]);
      g_assert_cmpint (integer (object, "total_bytes"), <, before);
      before = integer (object, "total_bytes");
      /* auto is the fastest that fits: the next one as soon as one byte is missing */
      g_assert_cmpstr (string (automatic, "keep"), ==, keeps[i]);
      g_assert_cmpint (integer (automatic, "total_bytes"), ==, before);
      json_decref (object);
      json_decref (automatic);
    }
}

static void
test_plan_limit (void)
{
  g_autofree char *model = write_long ();
  Result result = run_without_device ("plan", model, "--length", "262144", "--json", "--memory-limit", "512M");
  g_autofree char *most = NULL, *beyond = NULL, *number = NULL;
  json_t *object;

  assert_message (&result, "the limit is 512.0 MiB; the longest that fits is ");
  object = plan (&result, 1);
  g_assert_cmpint (integer (object, "available_bytes"), ==, (json_int_t) 512 << 20);
  g_assert_cmpstr (string (object, "keep"), ==, "nothing");
  g_assert_cmpint (integer (object, "max_length"), >, 16384);
  g_assert_cmpint (integer (object, "max_length"), <, 262144);
  most = g_strdup_printf ("%" JSON_INTEGER_FORMAT, integer (object, "max_length"));
  beyond = g_strdup_printf ("%" JSON_INTEGER_FORMAT, integer (object, "max_length") + 1);
  json_decref (object);

  /* it is exact */
  result = run_without_device ("plan", model, "--length", most, "--json", "--memory-limit", "0.5GiB");
  json_decref (plan (&result, 0));
  result = run_without_device ("plan", model, "--length", beyond, "--json", "--memory-limit", "524288K");
  json_decref (plan (&result, 1));

  /* inference takes less; nothing fits into next to nothing */
  result = run_without_device ("plan", model, "--length", beyond, "--json", "--memory-limit", "512M", "--inference");
  object = plan (&result, 0);
  g_assert_true (json_is_null (json_object_get (object, "keep")));
  json_decref (object);
  result = run_without_device ("plan", model, "--length", "2", "--json", "--memory-limit", "1000");
  object = plan (&result, 1);
  g_assert_cmpint (integer (object, "max_length"), ==, 0);
  json_decref (object);
}

/* A device that gives little at once. */
static void
test_plan_allocation (void)
{
  g_autofree char *model = write_long ();
  Result result;
  json_t *object;

  NEED_DEVICE
  result = run_with ("REFORMER_LIMITS", "allocation=4194304", "plan", model, "--length", "262144", "--json", NULL);
  assert_message (&result, "the device takes at most 4.0 MiB at once; the longest that fits is ");
  object = plan (&result, 1);
  g_assert_cmpint (integer (object, "largest_tensor_bytes"), >, (json_int_t) 4 << 20);
  g_assert_cmpint (integer (object, "max_length"), >, 512);
  g_assert_cmpint (integer (object, "max_length"), <, 262144);
  json_decref (object);
}

static void
test_plan_positions (void)
{
  g_autofree char *model = golden ("mixed"), *lengthy = write_long ();
  g_auto (Result) text = { 0 };
  Result result;
  json_t *object;

  assert_fails (run ("plan", model, "--length", "65"), 1, "has positions for 64; an axial_pos_shape of [16, 5] would do");
  assert_fails (run ("plan", lengthy, "--length", "2000000"), 1, "has positions for 1048576; an axial_pos_shape of [2048, 977] would do");
  assert_fails (run ("plan", model, "--length", "2147483647"), 1, "has positions for 64");
  assert_fails (run ("plan", lengthy, "--length", "1048576", "--rows", "65536"), 1, "at most");
  assert_fails (run ("plan", lengthy, "--length", "1048576", "--rows", "100000"), 1, "batch-size: 100000; wanted 1 to 65536");
  assert_fails (run ("plan", "/nonexistent", "--length", "65"), 1, "/nonexistent");

  text = run_without_device ("plan", model, "--length", "65", "--axial");
  assert_fine (&text);
  assert_says (&text, "80 with an axial_pos_shape of [16, 5]");
  result = run_without_device ("plan", model, "--length", "65", "--axial", "--json");
  object = plan (&result, 0);
  g_assert_cmpint (integer (object, "positions"), ==, 80);
  g_assert_cmpint (json_integer_value (json_array_get (json_object_get (object, "axial_pos_shape"), 0)), ==, 16);
  json_decref (object);
}

/* A million tokens before anything is allocated, in the text and within the time that was promised. */
static void
test_plan_million (void)
{
  g_autofree char *model = write_long ();
  gint64 best = G_MAXINT64;
  json_t *object;

  for (int i = 0; i < 3; i++)
    {
      const gint64 start = g_get_monotonic_time ();
      Result result = run_without_device ("plan", "--config", model, "--length", "1000000", "--keep", "nothing", "--json", "--memory-limit", "6G");

      best = MIN (best, g_get_monotonic_time () - start);
      g_assert_cmpint (result.status, <=, 1); /* by the memory of this machine */
      object = parse (&result);
      /* the rule of the design: 6 KiB a token, and 16 bytes a layer's buckets of 4 heads and 2 rounds */
      g_assert_cmpfloat (json_real_value (json_object_get (object, "bytes_per_token")), >, 4096);
      g_assert_cmpfloat (json_real_value (json_object_get (object, "bytes_per_token")), <, 6144 + 6 * 16);
      json_decref (object);
      result_clear (&result);
    }
  g_test_message ("a million tokens take %" G_GINT64_FORMAT " ms", best / 1000);
  if (g_getenv ("LD_PRELOAD") == NULL)
    g_assert_cmpint (best, <, 2 * G_USEC_PER_SEC);
}

static void
remove_scratch (void)
{
  const char *const arguments[] = { "rm", "-rf", scratch, NULL };

  g_spawn_sync (NULL, (char **) arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("REFORMER_DEBUG");
  scratch = g_dir_make_tmp ("reformer-tool-XXXXXX", NULL);
  no_drivers = g_build_filename (scratch, "no-drivers", NULL);
  g_assert_cmpint (g_mkdir (no_drivers, 0777), ==, 0);

  g_test_add_func ("/tool/help", test_help);
  g_test_add_func ("/tool/no-opencl", test_no_opencl);
  g_test_add_func ("/tool/start-time", test_start_time);
  g_test_add_func ("/tool/usage", test_usage);
  g_test_add_func ("/tool/full-disk", test_full_disk);
  g_test_add_func ("/tool/devices/list", test_devices);
  g_test_add_func ("/tool/devices/none", test_devices_bad);
  g_test_add_func ("/tool/device/without-cache", test_device_without_cache);
  g_test_add_func ("/tool/devices/unknown", test_device_unknown);
  g_test_add_func ("/tool/info/golden", test_info);
  g_test_add_func ("/tool/info/mixed", test_info_mixed);
  g_test_add_func ("/tool/info/bad", test_info_bad);
  g_test_add_func ("/tool/info/odd-bucket", test_info_odd_bucket);
  g_test_add_func ("/tool/plan/no-device", test_plan_without_device);
  g_test_add_func ("/tool/plan/optimizer", test_plan_optimizer);
  g_test_add_func ("/tool/plan/keep", test_plan_keep);
  g_test_add_func ("/tool/plan/limit", test_plan_limit);
  g_test_add_func ("/tool/plan/allocation", test_plan_allocation);
  g_test_add_func ("/tool/plan/positions", test_plan_positions);
  g_test_add_func ("/tool/plan/million", test_plan_million);
  status = g_test_run ();
  remove_scratch ();
  return status;
}
