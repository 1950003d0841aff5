/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run-state.h"

#include "progress.h"
#include "task.h"

GFile *
tool_run_find_newest (GFile *folder)
{
  g_autoptr (GFile) checkpoints = g_file_get_child (folder, "checkpoints");
  g_autoptr (GFileEnumerator) files = g_file_enumerate_children (checkpoints, G_FILE_ATTRIBUTE_STANDARD_NAME, G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, NULL);
  GFile *newest = NULL, *file;
  guint64 most = 0;

  while (files != NULL && g_file_enumerator_iterate (files, NULL, &file, NULL, NULL) && file != NULL)
    {
      g_autofree char *name = g_file_get_basename (file);
      guint64 step;

      if (!g_str_has_prefix (name, "step-") || !g_ascii_string_to_unsigned (name + 5, 10, most, G_MAXUINT, &step, NULL))
        continue;
      most = step;
      g_set_object (&newest, file);
    }
  return newest;
}

/* The state of a checkpoint, or NULL. */
static json_t *
read_state (GFile *checkpoint)
{
  g_autoptr (GFile) file = g_file_get_child (checkpoint, "trainer.json");
  g_autoptr (GFileInfo) info = g_file_query_info (file, G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE, NULL, NULL);
  g_autofree char *text = NULL;
  gsize n;
  json_auto_t *root = NULL;

  if (info == NULL || g_file_info_get_file_type (info) != G_FILE_TYPE_REGULAR || !g_file_load_contents (file, NULL, &text, &n, NULL, NULL))
    return NULL;
  root = json_loadb (text, n, JSON_REJECT_DUPLICATES, NULL);
  return json_incref (json_object_get (root, "state"));
}

/* What the run learns. */
static ReformerHead
find_head (ToolRun *run)
{
  g_auto (GValue) head = G_VALUE_INIT;

  return tool_run_get_value (run, "config", "head", REFORMER_TYPE_CONFIG, &head, NULL) ? (ReformerHead) g_value_get_enum (&head) : REFORMER_HEAD_LANGUAGE;
}

static void
add_state (json_t  *object,
           GFile   *model,
           GFile   *folder,
           ToolRun *run)
{
  g_autoptr (GFile) checkpoint = g_file_equal (model, folder) ? tool_run_find_newest (folder) : g_object_ref (model);
  json_auto_t *state = checkpoint != NULL ? read_state (checkpoint) : NULL;
  json_t *keep = json_object_get (state, "keep");
  const json_int_t best = json_integer_value (json_object_get (state, "best_step"));
  const char *planned = json_string_value (json_object_get (json_object_get (run->root, "trainer"), "total-steps"));
  gint64 total = json_integer_value (json_object_get (state, "total_steps"));
  const double loss = json_number_value (json_object_get (state, "best_loss"));

  if (state == NULL && planned != NULL) /* nothing is saved yet */
    total = g_ascii_strtoll (planned, NULL, 10);
  json_object_set_new (object, "step", json_integer (json_integer_value (json_object_get (state, "step"))));
  json_object_set_new (object, "total_steps", json_integer (total));
  json_object_set_new (object, "tokens", json_integer (json_integer_value (json_object_get (state, "tokens"))));
  json_object_set_new (object, "keep", json_is_string (keep) ? json_incref (keep) : json_null ());
  json_object_set_new (object, "best", best > 0 ? json_pack ("{s:I, s:o, s:o}", "step", best, "loss", tool_json_number (loss), "bits",
                                                             tool_task_predicts_tokens (find_head (run)) ? tool_json_number (loss / G_LN2) : json_null ()) : json_null ());
}

json_t *
tool_run_state_describe (GFile *model)
{
  g_autoptr (GFile) folder = tool_run_find_folder (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (ToolRun) run = tool_run_load (folder, &error);
  json_t *object;

  if (run == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY))
        tool_message ("warning: %s", error->message);
      return NULL;
    }
  object = json_object ();
  add_state (object, model, folder, run);
  json_object_set (object, "options", run->root);
  return object;
}

static const char *
text_of (json_t     *options,
         const char *group,
         const char *name)
{
  const char *text = json_string_value (json_object_get (group != NULL ? json_object_get (options, group) : options, name));

  return text != NULL ? text : "?";
}

void
tool_run_state_print (json_t *state)
{
  json_t *options = json_object_get (state, "options"), *best = json_object_get (state, "best");
  g_autofree char *tokens = tool_format_count (json_number_value (json_object_get (state, "tokens")));
  const char *tokenizer = text_of (options, NULL, "tokenizer"), *keep = json_string_value (json_object_get (state, "keep")); /* NULL: no step is saved */

  if (!json_is_null (json_object_get (options, "tokenizer"))) /* the input is vectors */
    tool_print_field ("tokenizer", "%s", tokenizer);
  tool_print_field ("trained", "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " steps, %s tokens", json_integer_value (json_object_get (state, "step")),
                    json_integer_value (json_object_get (state, "total_steps")), tokens);
  tool_print_field ("  on", "%s", text_of (options, "data", "path"));
  tool_print_field ("  with", "%s, learning rate %s, %s; sequences of %s; seed %s", text_of (options, "optimizer", "name"),
                    text_of (json_object_get (options, "optimizer"), "options", "learning-rate"), text_of (options, "schedule", "decay"),
                    text_of (options, "trainer", "sequence-length"), text_of (options, NULL, "seed"));
  if (keep != NULL)
    tool_print_field ("  keep", "%s%s", keep, g_str_equal (text_of (options, NULL, "keep"), "auto") ? " (auto)" : "");
  if (json_is_object (best))
    {
      const ReformerHead head = json_is_null (json_object_get (best, "bits")) ? REFORMER_HEAD_NONE : REFORMER_HEAD_LANGUAGE;
      g_autofree char *loss = tool_task_format_loss (head, json_number_value (json_object_get (best, "loss")), 3, g_str_equal (tokenizer, "bytes") ? "byte" : "token");

      tool_print_field ("  best", "%s held out, at step %" JSON_INTEGER_FORMAT, loss, json_integer_value (json_object_get (best, "step")));
    }
}
