/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The objects of this process's devices, and what OpenCL says about them. */

#include "compute/device-state.h"
#include "compute/system-memory.h"

#include <stdlib.h>
#include <string.h>

static char *
clean_text (char *text)
{
  char *valid = g_utf8_make_valid (text, -1);

  g_free (text);
  return g_strstrip (valid);
}

static char *
device_text (cl_device_id   id,
             cl_device_info what)
{
  gsize size = 0;
  char *text;

  if (reformer_cl_get_device_info (id, what, 0, NULL, &size) != CL_SUCCESS)
    return g_strdup ("");
  text = g_malloc0 (size + 1);
  if (reformer_cl_get_device_info (id, what, size, text, NULL) != CL_SUCCESS)
    *text = '\0';
  return clean_text (text);
}

static char *
platform_text (cl_platform_id   id,
               cl_platform_info what)
{
  gsize size = 0;
  char *text;

  if (reformer_cl_get_platform_info (id, what, 0, NULL, &size) != CL_SUCCESS)
    return g_strdup ("");
  text = g_malloc0 (size + 1);
  if (reformer_cl_get_platform_info (id, what, size, text, NULL) != CL_SUCCESS)
    *text = '\0';
  return clean_text (text);
}

#define DEVICE_NUMBER(id, what, type)                                                 \
  ({                                                                                  \
    type number_ = 0;                                                                 \
    if (reformer_cl_get_device_info ((id), (what), sizeof number_, &number_, NULL) != CL_SUCCESS) \
      number_ = 0;                                                                    \
    number_;                                                                          \
  })

#define WIDE_LOCAL_MEMORY (64u << 10)

void
reformer_device_choose_kernels (ReformerDevice *self,
                                guint           native_width)
{
  const char *kernels = g_getenv ("REFORMER_KERNELS");
  const char *width = g_getenv ("REFORMER_VECTOR_WIDTH");

  /* tiles of the wide dialect live in local memory; a processor that offers little (llvmpipe: 32 KiB) is treated like a GPU */
  self->wide = self->kind == REFORMER_DEVICE_KIND_CPU && self->local_memory >= WIDE_LOCAL_MEMORY;
  if (g_strcmp0 (kernels, "wide") == 0)
    self->wide = TRUE;
  else if (g_strcmp0 (kernels, "simt") == 0)
    self->wide = FALSE;

  self->vector_width = native_width >= 16 ? 16 : 8;
  if (g_strcmp0 (width, "8") == 0)
    self->vector_width = 8;
  else if (g_strcmp0 (width, "16") == 0)
    self->vector_width = 16;
}

/* REFORMER_LIMITS=local=BYTES,group=ITEMS,allocation=BYTES,memory=own: as if the device had no more, and memory of its own. */
static void
apply_limits (ReformerDevice *self)
{
  g_auto (GStrv) limits = g_strsplit (g_getenv ("REFORMER_LIMITS") != NULL ? g_getenv ("REFORMER_LIMITS") : "", ",", -1);

  for (guint i = 0; limits[i] != NULL; i++)
    {
      const char *number = strchr (limits[i], '=');
      guint64 value;
      const gboolean known = number != NULL && g_ascii_string_to_unsigned (number + 1, 10, 1, G_MAXINT64, &value, NULL);

      if (known && g_str_has_prefix (limits[i], "local="))
        {
          self->less_local = self->less_local || value < self->local_memory;
          self->local_memory = MIN (self->local_memory, value);
        }
      else if (known && g_str_has_prefix (limits[i], "group="))
        self->max_group = MIN (self->max_group, value);
      else if (known && g_str_has_prefix (limits[i], "allocation="))
        self->max_allocation = MIN (self->max_allocation, value);
      else if (g_str_equal (limits[i], "memory=own"))
        self->own_memory = TRUE;
      else
        g_warning ("REFORMER_LIMITS: \"%s\"; wanted local=BYTES, group=ITEMS, allocation=BYTES or memory=own", limits[i]);
    }
}

static ReformerDevice *
describe (cl_platform_id platform,
          cl_device_id   id)
{
  ReformerDevice *self = g_object_new (REFORMER_TYPE_DEVICE, NULL);
  const cl_device_type type = DEVICE_NUMBER (id, CL_DEVICE_TYPE, cl_device_type);

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->vendor, g_free);
  g_clear_pointer (&self->platform, g_free);
  g_clear_pointer (&self->driver, g_free);
  g_clear_pointer (&self->device_version, g_free);
  g_clear_pointer (&self->platform_version, g_free);

  self->platform_id = platform;
  self->device_id = id;
  self->name = device_text (id, CL_DEVICE_NAME);
  self->vendor = device_text (id, CL_DEVICE_VENDOR);
  self->driver = device_text (id, CL_DRIVER_VERSION);
  self->device_version = device_text (id, CL_DEVICE_VERSION);
  self->platform = platform_text (platform, CL_PLATFORM_NAME);
  self->platform_version = platform_text (platform, CL_PLATFORM_VERSION);

  /* Some say several things at once; what runs on the CPU is one. */
  self->kind = type & CL_DEVICE_TYPE_CPU   ? REFORMER_DEVICE_KIND_CPU
               : type & CL_DEVICE_TYPE_GPU ? REFORMER_DEVICE_KIND_GPU
                                           : REFORMER_DEVICE_KIND_OTHER;
  self->compute_units = MAX (1, DEVICE_NUMBER (id, CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint));
  self->memory = DEVICE_NUMBER (id, CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong);
  /* Tensors of CPU devices lie in memory of our own, and some drivers are far below what there is. */
  if (self->kind == REFORMER_DEVICE_KIND_CPU && g_getenv ("POCL_MEMORY_LIMIT") == NULL && reformer_system_memory_total () > 0)
    self->memory = reformer_system_memory_total ();
  self->local_memory = DEVICE_NUMBER (id, CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong);
  self->max_allocation = DEVICE_NUMBER (id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong);
  self->max_group = MAX (1, DEVICE_NUMBER (id, CL_DEVICE_MAX_WORK_GROUP_SIZE, gsize));
  apply_limits (self);
  reformer_device_choose_kernels (self, DEVICE_NUMBER (id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint));

  return self;
}

/* ---- one object for each device ---- */

/* cl_device_id -> GWeakRef. */
static GMutex registry_lock;
static GHashTable *registry;

static void
free_weak_ref (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

/* Whoever ends a process without letting go of its devices still sees the table. */
static void
print_profiles_at_exit (void)
{
  g_autoptr (GPtrArray) devices = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer ref;

  g_mutex_lock (&registry_lock);
  g_hash_table_iter_init (&iter, registry);
  while (g_hash_table_iter_next (&iter, NULL, &ref))
    {
      ReformerDevice *device = g_weak_ref_get (ref);

      if (device != NULL)
        g_ptr_array_add (devices, device);
    }
  g_mutex_unlock (&registry_lock);

  for (guint i = 0; i < devices->len; i++)
    {
      ReformerDevice *device = devices->pdata[i];

      reformer_device_lock (device);
      if (device->profile != NULL && !device->closed)
        {
          reformer_profile_print (device->profile, device->name);
          g_clear_pointer (&device->profile, reformer_profile_free);
        }
      reformer_device_unlock (device);
    }
}

ReformerDevice *
reformer_device_for_id (cl_platform_id platform,
                        cl_device_id   id)
{
  ReformerDevice *device;
  GWeakRef *ref;

  g_mutex_lock (&registry_lock);

  if (registry == NULL)
    {
      registry = g_hash_table_new_full (NULL, NULL, NULL, free_weak_ref);
      if (reformer_profile_wanted ())
        atexit (print_profiles_at_exit);
    }

  ref = g_hash_table_lookup (registry, id);
  device = ref != NULL ? g_weak_ref_get (ref) : NULL;
  if (device != NULL && g_atomic_int_get (&device->closed))
    g_clear_object (&device);

  if (device == NULL)
    {
      device = describe (platform, id);
      ref = g_new0 (GWeakRef, 1);
      g_weak_ref_init (ref, device);
      g_hash_table_replace (registry, id, ref);
    }

  g_mutex_unlock (&registry_lock);

  return device;
}
