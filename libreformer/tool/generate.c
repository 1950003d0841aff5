/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model-folder.h"
#include "property-options.h"
#include "signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* reformer generate: a text that begins with the prompt, written as it is made. A model of bytes may make what is no UTF-8, so bytes are written as they are. */

typedef struct
{
  char     *prompt, *device, *limit;
  gboolean  no_echo, json;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->prompt);
  g_free (options->device);
  g_free (options->limit);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

typedef struct
{
  ReformerGenerator *generator;
  GBytes            *prompt;
  GByteArray        *text; /* what was made */
  GArray            *ids;
  double             seconds;
  gboolean           begun; /* to write */
} Page;

static void
page_clear (Page *page)
{
  g_clear_object (&page->generator);
  g_clear_pointer (&page->prompt, g_bytes_unref);
  g_clear_pointer (&page->text, g_byte_array_unref);
  g_clear_pointer (&page->ids, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Page, page_clear)

/* ---- The prompt ---- */

/* More than any model has positions for. */
#define MAX_PROMPT (64 << 20)

/* FALSE: cancelled. A signal does not end read(), so it is waited for both. */
static gboolean
wait_for_input (GCancellable  *cancellable,
                GError       **error)
{
  GPollFD files[] = { { .fd = STDIN_FILENO, .events = G_IO_IN }, { .fd = -1 } };

  if (g_cancellable_make_pollfd (cancellable, &files[1]))
    {
      g_poll (files, G_N_ELEMENTS (files), -1);
      g_cancellable_release_fd (cancellable);
    }
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static GBytes *
read_input (GCancellable  *cancellable,
            GError       **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 buffer[65536];
  gssize n = -1;

  while (n != 0 && bytes->len <= MAX_PROMPT)
    {
      if (!wait_for_input (cancellable, error))
        return NULL;
      n = read (STDIN_FILENO, buffer, sizeof buffer);
      if (n < 0 && errno != EINTR && errno != EAGAIN)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "standard input: %s", g_strerror (errno));
          return NULL;
        }
      if (n > 0)
        g_byte_array_append (bytes, buffer, (guint) n);
    }
  if (bytes->len <= MAX_PROMPT)
    return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "standard input: the prompt is longer than %d MiB, at most that is wanted", MAX_PROMPT >> 20);
  return NULL;
}

static GBytes *
get_prompt (const char    *text,
            GCancellable  *cancellable,
            GError       **error)
{
  return g_str_equal (text, "-") ? read_input (cancellable, error) : g_bytes_new (text, strlen (text));
}

/* ---- The text ---- */

/* FALSE: the bytes could not be written. */
static gboolean
put (GBytes *bytes)
{
  gsize n;
  gconstpointer data = g_bytes_get_data (bytes, &n);

  return fwrite (data, 1, n, stdout) == n && fflush (stdout) == 0;
}

/* The prompt stands before the first piece, so that nothing is written where there is none. */
static gboolean
write_piece (Page      *page,
             GBytes    *bytes,
             gboolean   echo,
             GError   **error)
{
  const gboolean first = !page->begun;

  page->begun = TRUE;
  if ((!first || !echo || put (page->prompt)) && put (bytes))
    return TRUE;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "standard output: %s", g_strerror (errno));
  return FALSE;
}

static gboolean
make (Page          *page,
      gboolean       echo,
      gboolean       json,
      GCancellable  *cancellable,
      GError       **error)
{
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);
  GError *local = NULL;

  for (;;)
    {
      g_autoptr (ReformerPiece) piece = reformer_generator_next_piece (page->generator, cancellable, &local);
      g_autoptr (GBytes) bytes = NULL;
      int id;

      if (piece == NULL)
        break;
      bytes = reformer_piece_get_bytes (piece);
      id = reformer_piece_get_id (piece);
      g_array_append_val (page->ids, id);
      g_byte_array_append (page->text, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
      if (!json && !write_piece (page, bytes, echo, error))
        return FALSE;
    }
  page->seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  if (local != NULL)
    g_propagate_error (error, local);
  return local == NULL && (json || page->begun || write_piece (page, nothing, echo, error));
}

/* ---- Printing ---- */

static json_t *
bytes_to_json (gconstpointer data,
               gsize         n)
{
  g_autofree char *valid = g_utf8_make_valid (n > 0 ? data : "", (gssize) n);

  return json_string (valid);
}

static void
print_json (Page *page)
{
  g_autoptr (GEnumClass) ends = g_type_class_ref (REFORMER_TYPE_GENERATION_END);
  const guint n = reformer_generator_get_n_tokens (page->generator);
  gsize n_prompt;
  gconstpointer prompt = g_bytes_get_data (page->prompt, &n_prompt);

  tool_print_json (json_pack ("{s:o, s:o, s:o, s:s, s:I, s:f, s:f}",
                              "prompt", bytes_to_json (prompt, n_prompt),
                              "text", bytes_to_json (page->text->data, page->text->len),
                              "ids", tool_json_ints ((const int *) page->ids->data, page->ids->len),
                              "end", g_enum_get_value (ends, (int) reformer_generator_get_end (page->generator))->value_nick,
                              "tokens", (json_int_t) n,
                              "seconds", page->seconds,
                              "tokens_per_second", page->seconds > 0 ? n / page->seconds : 0.0));
}

/* ---- The verb ---- */

static ReformerGenerator *
open_generator (const char    *path,
                const Options *options,
                guint64        limit,
                GCancellable  *cancellable,
                GError       **error)
{
  g_autoptr (GFile) folder = g_file_new_for_commandline_arg (path);
  g_autoptr (ReformerDevice) device = tool_open_device (options->device, limit, error);
  g_autoptr (ReformerModel) model = device != NULL ? reformer_model_load (device, folder, cancellable, error) : NULL;
  g_autoptr (ReformerTokenizer) tokenizer = model != NULL ? tool_need_tokenizer (folder, reformer_model_get_config (model), cancellable, error) : NULL;

  return tokenizer != NULL ? reformer_generator_new (model, tokenizer) : NULL;
}

static int
run (int    argc,
     char **argv)
{
  static const char *const names[] = { "max-tokens", "temperature", "top-k", "top-p", "seed", "stop", NULL };
  g_autoptr (ToolProperties) properties = tool_properties_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Options) options = { NULL };
  g_auto (Page) page = { NULL };
  g_auto (GStrv) arguments = NULL;
  GError *error = NULL;
  guint64 limit = 0;
  const GOptionEntry entries[] = {
    { "prompt", 0, 0, G_OPTION_ARG_FILENAME, &options.prompt, "what the text begins with; - reads it from standard input", "TEXT" },
    { "no-echo", 0, 0, G_OPTION_ARG_NONE, &options.no_echo, "do not write the prompt itself", NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, gpu, a number or part of a name (REFORMER_DEVICE)", "DEVICE" },
    { "memory-limit", 0, 0, G_OPTION_ARG_STRING, &options.limit, "memory to keep to, such as 512M or 4G (the device's)", "SIZE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print JSON when all is made", NULL },
    G_OPTION_ENTRY_NULL,
  };

  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_GENERATOR, names);
  if (!tool_parse_properties (&tool_verb_generate, entries, properties, argc, argv, &arguments, 1, 1) ||
      !tool_parse_size (&tool_verb_generate, "memory-limit", options.limit, &limit))
    return TOOL_USAGE;
  if (options.prompt == NULL)
    return tool_usage (&tool_verb_generate, "--prompt is missing");
  page.text = g_byte_array_new ();
  page.ids = g_array_new (FALSE, FALSE, sizeof (int));
  tool_signals_start ();
  tool_signals_cancel (cancellable);
  page.generator = open_generator (arguments[0], &options, limit, cancellable, &error);
  if (page.generator != NULL)
    {
      if (!tool_properties_apply (properties, &tool_verb_generate, G_OBJECT (page.generator)))
        return TOOL_USAGE;
      page.prompt = get_prompt (options.prompt, cancellable, &error);
      if (page.prompt == NULL)
        return tool_signals_end (error);
      reformer_generator_set_prompt_bytes (page.generator, page.prompt);
      if (make (&page, !options.no_echo, options.json, cancellable, &error) && options.json)
        print_json (&page);
    }
  if (page.begun && isatty (STDOUT_FILENO))
    putchar ('\n');
  if (error == NULL && !options.json && reformer_generator_get_end (page.generator) == REFORMER_GENERATION_END_POSITIONS)
    tool_message ("the model has no positions for more");
  return error == NULL ? TOOL_DONE : tool_signals_end (error);
}

const ToolVerb tool_verb_generate = {
  "generate",
  "MODEL",
  "Write a text that begins with a prompt",
  "MODEL is the folder of a model, or one of its checkpoints. The text is written as it is\n"
  "made, byte for byte. The same seed makes the same text.\n"
  "\n"
  "Example:\n"
  "  reformer generate book --prompt \"In the beginning \" --temperature 0.8",
  run,
};
