/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/program.h"

#include "compute/program-cache.h"

#include <libreformer/compute/reformer-device-error.h>

#include <string.h>

#define RESOURCES "/org/reformer/kernels"
/* What must be free in the kernel caches before a program is built, and before the driver finishes a kernel at its first launch. */
#define SPACE_FOR_PROGRAM ((guint64) 64 << 20)
#define SPACE_FOR_KERNEL ((guint64) 8 << 20)
/* Of a build log, in an error message. */
#define MAX_LOG_LINES 6
#define MAX_LOG_LENGTH 600

/* Made by glib-compile-resources; naming it keeps the linker from leaving the resource out of a static library's user. */
extern GResource *reformer_kernels_get_resource (void);

typedef struct
{
  char       *family;
  char       *options;
  cl_program  program;
  GHashTable *kernels; /* name -> ReformerKernel */
} ReformerProgram;

static guint
program_hash (gconstpointer key)
{
  const ReformerProgram *self = key;

  return g_str_hash (self->family) ^ (g_str_hash (self->options) * 31);
}

static gboolean
program_equal (gconstpointer a,
               gconstpointer b)
{
  const ReformerProgram *x = a, *y = b;

  return strcmp (x->family, y->family) == 0 && strcmp (x->options, y->options) == 0;
}

static void
program_free (gpointer data)
{
  ReformerProgram *self = data;

  g_clear_pointer (&self->kernels, g_hash_table_unref);
  if (self->program != NULL)
    reformer_cl_release_program (self->program);
  g_free (self->family);
  g_free (self->options);
  g_free (self);
}

static void
kernel_free (gpointer data)
{
  ReformerKernel *self = data;

  if (self->kernel != NULL)
    reformer_cl_release_kernel (self->kernel);
  g_free (self->name);
  g_free (self);
}

GHashTable *
reformer_program_set_new (void)
{
  return g_hash_table_new_full (program_hash, program_equal, program_free, NULL);
}

void
reformer_program_add_source (ReformerDevice *device,
                             const char     *family,
                             const char     *text)
{
  reformer_device_lock (device);
  g_hash_table_replace (device->sources, g_strdup (family), g_strdup (text));
  reformer_device_unlock (device);
}

static GBytes *
find_source (ReformerDevice  *device,
             const char      *family,
             GError         **error)
{
  const char *text = g_hash_table_lookup (device->sources, family);
  const char *more = strchr (family, '+');
  g_autofree char *path = NULL;
  g_autoptr (GError) lookup_error = NULL;
  GBytes *source;

  if (text != NULL)
    return g_bytes_new (text, strlen (text));

  /* "wide/one+wide/two": two files that are one program. */
  if (more != NULL)
    {
      g_autofree char *first = g_strndup (family, more - family);
      g_autoptr (GBytes) head = find_source (device, first, error);
      g_autoptr (GBytes) tail = head != NULL ? find_source (device, more + 1, error) : NULL;
      GByteArray *joined;

      if (tail == NULL)
        return NULL;
      joined = g_byte_array_new ();
      g_byte_array_append (joined, g_bytes_get_data (head, NULL), g_bytes_get_size (head));
      g_byte_array_append (joined, g_bytes_get_data (tail, NULL), g_bytes_get_size (tail));
      return g_byte_array_free_to_bytes (joined);
    }

  reformer_kernels_get_resource ();
  path = g_strdup_printf (RESOURCES "/%s.cl", family);
  source = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, &lookup_error);
  if (source == NULL)
    g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED, "%s: kernel family %s has no source: %s",
                 device->name, family, lookup_error->message);
  return source;
}

static char *
full_options (ReformerDevice *device,
              const char     *options)
{
  const char *more = g_getenv ("REFORMER_BUILD_OPTIONS");
  /* The two compilers known to have __builtin_prefetch in OpenCL C. */
  const gboolean prefetch = device->kind == REFORMER_DEVICE_KIND_CPU && (strstr (device->platform, "Portable Computing Language") != NULL ||
                                                                         strstr (device->platform, "Intel") != NULL);

  return g_strdup_printf ("-cl-std=CL1.2 -cl-mad-enable -DVW=%u%s%s%s%s%s", device->vector_width, prefetch ? " -DHAVE_PREFETCH" : "",
                          *options != '\0' ? " " : "", options, more != NULL && *more != '\0' ? " " : "", more != NULL ? more : "");
}

static char *
build_log (ReformerDevice *device,
           cl_program      program)
{
  gsize size = 0;
  g_autofree char *log = NULL;

  if (reformer_cl_get_program_build_info (program, device->device_id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) != CL_SUCCESS)
    return g_strdup ("");
  log = g_malloc0 (size + 1);
  if (reformer_cl_get_program_build_info (program, device->device_id, CL_PROGRAM_BUILD_LOG, size, log, NULL) != CL_SUCCESS)
    *log = '\0';
  return g_utf8_make_valid (log, -1);
}

static gboolean
worth_telling (const char *line)
{
  return strchr (line, ':') != NULL && strstr (line, "warning:") == NULL && strstr (line, "note:") == NULL;
}

/* The lines of a log that say what is wrong, in one line of text. */
static char *
first_lines (const char *log)
{
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint pass = 0; pass < 2 && text->len == 0; pass++)
    for (guint i = 0, n = 0; lines[i] != NULL && n < MAX_LOG_LINES; i++)
      {
        const char *line = g_strstrip (lines[i]);

        /* Second pass: a log without anything that looks like an error is told from its start. */
        if (*line == '\0' || (pass == 0 && !worth_telling (line)))
          continue;
        g_string_append_printf (text, "%s%s", text->len > 0 ? " | " : "", line);
        n++;
      }

  if (text->len == 0)
    g_string_append (text, "the build log is empty");
  if (text->len > MAX_LOG_LENGTH)
    {
      const char *end = g_utf8_find_prev_char (text->str, text->str + MAX_LOG_LENGTH);

      g_string_truncate (text, end - text->str);
      g_string_append (text, "...");
    }
  return g_strdup (text->str);
}

static void
set_build_error (ReformerDevice  *device,
                 const char      *family,
                 const char      *options,
                 cl_program       program,
                 cl_int           code,
                 GError         **error)
{
  g_autofree char *log = build_log (device, program);
  g_autofree char *lines = first_lines (log);
  const char *name = reformer_cl_code_name (code);

  g_debug ("%s: build of %s with %s:\n%s", device->name, family, options, log);
  g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED, "%s: kernel family %s did not build (%s, %d): %s",
               device->name, family, name != NULL ? name : "unknown OpenCL code", code, lines);
}

static cl_program
build_from_binary (ReformerDevice *device,
                   const char     *options,
                   const char     *path)
{
  g_autoptr (GBytes) binary = reformer_program_cache_load (path);
  gconstpointer data;
  gsize length;
  cl_program program;
  cl_int code = CL_SUCCESS;

  if (binary == NULL)
    return NULL;

  data = g_bytes_get_data (binary, &length);
  program = reformer_cl_create_program_binary (device->context, device->device_id, data, length, &code);
  if (program != NULL && code == CL_SUCCESS)
    code = reformer_cl_build_program (program, device->device_id, options);
  if (program != NULL && code == CL_SUCCESS)
    return program;

  if (program != NULL)
    reformer_cl_release_program (program);
  g_debug ("%s: the driver refuses %s (%d)", device->name, path, code);
  reformer_program_cache_drop (path);
  return NULL;
}

static void
store_binary (ReformerDevice *device,
              cl_program      program,
              const char     *path)
{
  g_autofree guchar *binary = NULL;
  gsize length = 0;

  /* One device, so one size and one binary. */
  if (reformer_cl_get_program_info (program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL) != CL_SUCCESS || length == 0)
    return;
  binary = g_try_malloc (length);
  if (binary == NULL || reformer_cl_get_program_info (program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) != CL_SUCCESS)
    return;
  reformer_program_cache_store (path, binary, length);
}

static cl_program
build (ReformerDevice  *device,
       const char      *family,
       const char      *options,
       GError         **error)
{
  g_autoptr (GBytes) common = NULL;
  g_autoptr (GBytes) source = NULL;
  g_autofree char *all_options = full_options (device, options);
  g_autofree char *path = NULL;
  const char *texts[3];
  gsize lengths[3];
  cl_program program;
  cl_int code = CL_SUCCESS;
  const gint64 start = g_get_monotonic_time ();

  if ((common = find_source (device, "common", error)) == NULL || (source = find_source (device, family, error)) == NULL)
    return NULL;

  texts[0] = g_bytes_get_data (common, &lengths[0]);
  /* Line numbers in build logs are those of the family's file. */
  texts[1] = "\n#line 1\n";
  lengths[1] = strlen (texts[1]);
  texts[2] = g_bytes_get_data (source, &lengths[2]);

  path = reformer_program_cache_path (device, texts, lengths, 3, all_options);
  if (path != NULL && reformer_program_cache_space (device, SPACE_FOR_KERNEL, NULL))
    {
      program = build_from_binary (device, all_options, path);
      if (program != NULL)
        {
          device->n_loaded++;
          g_debug ("%s: %s %s from its binary in %.1f ms", device->name, family, options, (g_get_monotonic_time () - start) * 1e-3);
          return program;
        }
    }

  if (!reformer_program_cache_space (device, SPACE_FOR_PROGRAM, error))
    return NULL;

  program = reformer_cl_create_program (device->context, texts, lengths, 3, &code);
  if (program == NULL || code != CL_SUCCESS)
    {
      reformer_set_cl_error (error, code, "%s: creating the program of kernel family %s", device->name, family);
      return NULL;
    }

  code = reformer_cl_build_program (program, device->device_id, all_options);
  /* When a signal comes, LLVM removes the files that it has just written, whoever handles the signal; then it fails. */
  if (code == CL_BUILD_PROGRAM_FAILURE)
    code = reformer_cl_build_program (program, device->device_id, all_options);
  if (code != CL_SUCCESS)
    {
      if (code == CL_BUILD_PROGRAM_FAILURE || code == CL_INVALID_BUILD_OPTIONS)
        set_build_error (device, family, all_options, program, code, error);
      else
        reformer_set_cl_error (error, code, "%s: building kernel family %s", device->name, family);
      reformer_cl_release_program (program);
      return NULL;
    }

  device->n_built++;
  g_debug ("%s: %s %s built in %.1f ms", device->name, family, options, (g_get_monotonic_time () - start) * 1e-3);
  if (path != NULL)
    store_binary (device, program, path);
  return program;
}

static ReformerProgram *
get_program (ReformerDevice  *device,
             const char      *family,
             const char      *options,
             GError         **error)
{
  const ReformerProgram key = { (char *) family, (char *) options, NULL, NULL };
  ReformerProgram *self = NULL;
  cl_program program;

  if (g_hash_table_lookup_extended (device->programs, &key, (gpointer *) &self, NULL))
    return self;

  program = build (device, family, options, error);
  if (program == NULL)
    return NULL;

  self = g_new0 (ReformerProgram, 1);
  self->family = g_strdup (family);
  self->options = g_strdup (options);
  self->program = program;
  self->kernels = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, kernel_free);
  g_hash_table_add (device->programs, self);
  return self;
}

/* What the driver sees to by itself, but for a limit that is ours. Not asked for otherwise: rusticl of Mesa 22 names twice what a kernel takes. */
static gboolean
check_local (ReformerDevice  *device,
             const char      *family,
             const char      *name,
             cl_kernel        kernel,
             GError         **error)
{
  cl_ulong taken = 0;

  if (!device->less_local || reformer_cl_get_kernel_group_info (kernel, device->device_id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof taken, &taken, NULL) != CL_SUCCESS ||
      taken <= device->local_memory)
    return TRUE;
  g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT, "%s: kernel %s (%s) takes %" G_GUINT64_FORMAT " bytes of local memory; the device has %" G_GUINT64_FORMAT,
               device->name, name, family, (guint64) taken, device->local_memory);
  return FALSE;
}

ReformerKernel *
reformer_program_get_kernel (ReformerDevice  *device,
                             const char      *family,
                             const char      *options,
                             const char      *name,
                             GError         **error)
{
  ReformerProgram *program = get_program (device, family, options != NULL ? options : "", error);
  ReformerKernel *self;
  cl_int code = CL_SUCCESS;

  if (program == NULL)
    return NULL;

  self = g_hash_table_lookup (program->kernels, name);
  if (self != NULL)
    return self;

  /* PoCL compiles the rest at the first launch. */
  if (!reformer_program_cache_space (device, SPACE_FOR_KERNEL, error))
    return NULL;

  self = g_new0 (ReformerKernel, 1);
  self->name = g_strdup (name);
  self->kernel = reformer_cl_create_kernel (program->program, name, &code);
  if (self->kernel == NULL || code != CL_SUCCESS)
    {
      reformer_set_cl_error (error, code, "%s: kernel %s of family %s", device->name, name, family);
      self->kernel = NULL;
      kernel_free (self);
      return NULL;
    }
  if (!check_local (device, family, name, self->kernel, error))
    {
      kernel_free (self);
      return NULL;
    }
  g_hash_table_insert (program->kernels, self->name, self);
  return self;
}

static char *
new_key (const char *family,
         const char *options)
{
  return g_strconcat (family, " ", options, NULL);
}

gboolean
reformer_program_is_refused (ReformerDevice *device,
                             const char     *family,
                             const char     *options)
{
  g_autofree char *key = NULL;

  if (g_hash_table_size (device->refused) == 0)
    return FALSE;
  key = new_key (family, options);
  return g_hash_table_contains (device->refused, key);
}

void
reformer_program_copy_refused (ReformerDevice *from,
                               ReformerDevice *to)
{
  GHashTableIter iter;
  const char *key;

  reformer_device_lock (from);
  g_hash_table_iter_init (&iter, from->refused);
  while (g_hash_table_iter_next (&iter, (gpointer *) &key, NULL))
    g_hash_table_add (to->refused, g_strdup (key));
  reformer_device_unlock (from);
}

gboolean
reformer_program_builds (ReformerDevice  *device,
                         const char      *family,
                         const char      *options,
                         GError         **reason)
{
  g_autoptr (GError) error = NULL;

  if (reformer_program_is_refused (device, family, options))
    return FALSE;
  if (get_program (device, family, options, &error) != NULL || !g_error_matches (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED))
    return TRUE;
  g_hash_table_add (device->refused, new_key (family, options));
  g_propagate_error (reason, g_steal_pointer (&error));
  return FALSE;
}
