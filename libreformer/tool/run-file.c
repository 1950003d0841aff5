/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run-file.h"

#include "property-options.h"

#include <math.h>

/* The only version of the file. */
#define FORMAT 1
/* More than any run writes. */
#define MAX_BYTES (16 << 20)

ToolRun *
tool_run_new (GFile *folder)
{
  ToolRun *self = g_new0 (ToolRun, 1);
  g_autofree char *name = g_file_get_parse_name (folder);

  self->name = g_build_filename (name, TOOL_RUN_FILE, NULL);
  self->root = json_pack ("{s:i}", "format", FORMAT);
  return self;
}

void
tool_run_free (ToolRun *self)
{
  g_free (self->name);
  json_decref (self->root);
  g_free (self);
}

GFile *
tool_run_find_folder (GFile *model)
{
  g_autoptr (GFile) above = g_file_get_parent (model), top = above != NULL ? g_file_get_parent (above) : NULL;
  g_autofree char *name = above != NULL ? g_file_get_basename (above) : NULL;

  return g_object_ref (top != NULL && g_str_equal (name, "checkpoints") ? top : model);
}

/* ---- Reading and writing ---- */

static gboolean
parse (ToolRun     *self,
       const char  *text,
       gsize        n,
       GError     **error)
{
  json_error_t problem;
  json_t *format;

  json_decref (self->root);
  self->root = json_loadb (text, n, JSON_REJECT_DUPLICATES, &problem);
  format = json_object_get (self->root, "format");
  if (self->root == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: line %d: %s", self->name, problem.line, problem.text);
  else if (!json_is_integer (format))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s was not written by reformer train: it has no \"format\"", self->name);
  else if (json_integer_value (format) != FORMAT)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: \"format\" is %" JSON_INTEGER_FORMAT ", this version of reformer reads %d", self->name,
                 json_integer_value (format), FORMAT);
  else
    return TRUE;
  return FALSE;
}

/* What GIO says, behind the name. */
static gboolean
fail (ToolRun  *self,
      GError   *local,
      GError  **error)
{
  g_autofree char *folder = g_path_get_dirname (self->name);

  if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY))
    g_set_error (error, local->domain, local->code, "%s: is a file, the folder of a run is wanted", folder);
  else
    g_set_error (error, local->domain, local->code, "%s: %s", self->name,
                 g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ? "No such file or directory" : local->message);
  g_error_free (local);
  return FALSE;
}

static gboolean
load (ToolRun  *self,
      GFile    *file,
      GError  **error)
{
  GError *local = NULL;
  g_autoptr (GFileInfo) info = g_file_query_info (file, G_FILE_ATTRIBUTE_STANDARD_TYPE "," G_FILE_ATTRIBUTE_STANDARD_SIZE, G_FILE_QUERY_INFO_NONE, NULL, &local);
  g_autofree char *text = NULL;
  gsize n;

  if (info == NULL)
    return fail (self, local, error);
  if (g_file_info_get_file_type (info) != G_FILE_TYPE_REGULAR || g_file_info_get_size (info) > MAX_BYTES)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s is no file of at most %d MiB", self->name, MAX_BYTES >> 20);
      return FALSE;
    }
  if (!g_file_load_contents (file, NULL, &text, &n, NULL, &local))
    return fail (self, local, error);
  return parse (self, text, n, error);
}

ToolRun *
tool_run_load (GFile   *folder,
               GError **error)
{
  g_autoptr (ToolRun) self = tool_run_new (folder);
  g_autoptr (GFile) file = g_file_get_child (folder, TOOL_RUN_FILE);

  return load (self, file, error) ? g_steal_pointer (&self) : NULL;
}

gboolean
tool_run_save (ToolRun  *self,
               GFile    *folder,
               GError  **error)
{
  g_autofree char *path = g_file_get_path (folder), *file = g_build_filename (path, TOOL_RUN_FILE, NULL);
  char *text = json_dumps (self->root, JSON_INDENT (2));
  g_autoptr (GError) local = NULL;
  const gboolean saved = g_file_set_contents_full (file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, &local);

  free (text);
  if (!saved)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s cannot be written: %s", self->name, local->message);
  return saved;
}

/* ---- Members ---- */

gboolean
tool_run_get_string (ToolRun     *self,
                     const char  *group,
                     const char  *name,
                     const char **text,
                     GError     **error)
{
  *text = json_string_value (json_object_get (group != NULL ? json_object_get (self->root, group) : self->root, name));
  if (*text == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %s%s\"%s\" is no text", self->name, group != NULL ? group : "", group != NULL ? ": " : "", name);
  return *text != NULL;
}

gboolean
tool_run_get_value (ToolRun     *self,
                    const char  *group,
                    const char  *name,
                    GType        type,
                    GValue      *value,
                    GError     **error)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (type);
  GParamSpec *pspec = g_object_class_find_property ((GObjectClass *) klass, name);
  g_autofree char *wanted = NULL;
  const char *text;

  if (!tool_run_get_string (self, group, name, &text, error))
    return FALSE;
  if (tool_property_parse (pspec, text, value))
    return TRUE;
  wanted = tool_property_describe (pspec);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: \"%s\" is \"%s\", %s is wanted", self->name, name, text, wanted);
  return FALSE;
}

gboolean
tool_run_get_object (ToolRun     *self,
                     const char  *name,
                     json_t     **object,
                     GError     **error)
{
  *object = json_object_get (self->root, name);
  if (!json_is_object (*object))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: \"%s\" is no object", self->name, name);
  return json_is_object (*object);
}

json_t *
tool_run_time (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *text = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");

  return json_string (text);
}

json_t *
tool_json_number (double number)
{
  return isfinite (number) ? json_real (number) : json_null ();
}
