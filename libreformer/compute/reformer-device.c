/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/compute/reformer-device.h>

#include "compute/device-state.h"
#include "compute/program.h"

/**
 * ReformerDevice:
 *
 * A processor that computes: an OpenCL device with its queue, its kernels and an account of its memory.
 *
 * Properties can be read at once; the device is opened when something is first computed on it. All methods may be called from any
 * thread, and several threads may work on one device at once; their work is done in the order it was queued.
 *
 * Environment variables: `REFORMER_DEVICE` chooses the default device; `REFORMER_KERNELS` = `wide` or `simt` forces a dialect of the
 * kernels, `REFORMER_VECTOR_WIDTH` = 8 or 16 the vectors of the first; `REFORMER_CACHE` = `off` or a folder says where built kernels are kept
 * (else `reformer/kernels` in the user's cache folder, but with PoCL, which keeps them itself, nowhere); `REFORMER_BUILD_OPTIONS` is added to the options of every build;
 * `REFORMER_CLBLAST` = `off` or `on` keeps CLBlast, where it is built in, from large products or uses it for all of the second dialect;
 * `REFORMER_DEBUG=profile` measures every kernel.
 *
 * ```python
 * device = Reformer.Device.find("cpu")
 * device.props.memory_limit = 4 << 30
 * print(device.props.name, device.props.compute_units, "units", device.props.memory_used, "bytes in use")
 * ```
 */

G_DEFINE_ENUM_TYPE (ReformerDeviceKind, reformer_device_kind,
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_KIND_CPU, "cpu"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_KIND_GPU, "gpu"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_KIND_OTHER, "other"))

G_DEFINE_FINAL_TYPE (ReformerDevice, reformer_device, G_TYPE_OBJECT)

enum
{
  PROP_NAME = 1,
  PROP_VENDOR,
  PROP_PLATFORM,
  PROP_DRIVER,
  PROP_KIND,
  PROP_COMPUTE_UNITS,
  PROP_MEMORY,
  PROP_LOCAL_MEMORY,
  PROP_MAX_ALLOCATION,
  PROP_KERNELS,
  PROP_MEMORY_LIMIT,
  PROP_MEMORY_USED,
  PROP_MEMORY_PEAK,
  PROP_PROFILING,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

static void
reformer_device_get_property (GObject    *object,
                              guint       property,
                              GValue     *value,
                              GParamSpec *pspec)
{
  ReformerDevice *self = REFORMER_DEVICE (object);

  switch (property)
    {
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_VENDOR:
      g_value_set_string (value, self->vendor);
      break;
    case PROP_PLATFORM:
      g_value_set_string (value, self->platform);
      break;
    case PROP_DRIVER:
      g_value_set_string (value, self->driver);
      break;
    case PROP_KIND:
      g_value_set_enum (value, self->kind);
      break;
    case PROP_COMPUTE_UNITS:
      g_value_set_uint (value, self->compute_units);
      break;
    case PROP_MEMORY:
      g_value_set_uint64 (value, self->memory);
      break;
    case PROP_LOCAL_MEMORY:
      g_value_set_uint64 (value, self->local_memory);
      break;
    case PROP_MAX_ALLOCATION:
      g_value_set_uint64 (value, self->max_allocation);
      break;
    case PROP_KERNELS:
      g_value_set_string (value, reformer_device_get_kernels (self));
      break;
    case PROP_MEMORY_LIMIT:
      g_value_set_uint64 (value, reformer_device_get_memory_limit (self));
      break;
    case PROP_MEMORY_USED:
      g_value_set_uint64 (value, reformer_device_get_memory_used (self));
      break;
    case PROP_MEMORY_PEAK:
      g_value_set_uint64 (value, reformer_device_get_memory_peak (self));
      break;
    case PROP_PROFILING:
      g_value_set_boolean (value, reformer_device_get_profiling (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
reformer_device_set_property (GObject      *object,
                              guint         property,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  switch (property)
    {
    case PROP_MEMORY_LIMIT:
      reformer_device_set_memory_limit (REFORMER_DEVICE (object), g_value_get_uint64 (value));
      break;
    case PROP_PROFILING:
      reformer_device_set_profiling (REFORMER_DEVICE (object), g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
reformer_device_dispose (GObject *object)
{
  reformer_device_close (REFORMER_DEVICE (object));

  G_OBJECT_CLASS (reformer_device_parent_class)->dispose (object);
}

static void
reformer_device_finalize (GObject *object)
{
  ReformerDevice *self = REFORMER_DEVICE (object);

  g_clear_pointer (&self->profile, reformer_profile_free);
  g_clear_pointer (&self->programs, g_hash_table_unref);
  g_clear_pointer (&self->sources, g_hash_table_unref);
  g_clear_pointer (&self->refused, g_hash_table_unref);
  g_clear_pointer (&self->cached, g_hash_table_unref);
  g_rec_mutex_clear (&self->lock);
  reformer_account_clear (&self->account);
  g_free (self->name);
  g_free (self->vendor);
  g_free (self->platform);
  g_free (self->driver);
  g_free (self->device_version);
  g_free (self->platform_version);

  G_OBJECT_CLASS (reformer_device_parent_class)->finalize (object);
}

static void
reformer_device_class_init (ReformerDeviceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags readable = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = reformer_device_get_property;
  object_class->set_property = reformer_device_set_property;
  object_class->dispose = reformer_device_dispose;
  object_class->finalize = reformer_device_finalize;

  /**
   * ReformerDevice:name: (getter get_name)
   *
   * The device's name, as its driver gives it.
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, readable);

  /**
   * ReformerDevice:vendor: (getter get_vendor)
   *
   * Who makes the device.
   */
  properties[PROP_VENDOR] = g_param_spec_string ("vendor", NULL, NULL, NULL, readable);

  /**
   * ReformerDevice:platform: (getter get_platform)
   *
   * The OpenCL platform that the device belongs to.
   */
  properties[PROP_PLATFORM] = g_param_spec_string ("platform", NULL, NULL, NULL, readable);

  /**
   * ReformerDevice:driver: (getter get_driver)
   *
   * The version of the driver.
   */
  properties[PROP_DRIVER] = g_param_spec_string ("driver", NULL, NULL, NULL, readable);

  /**
   * ReformerDevice:kind: (getter get_kind)
   *
   * What the device is.
   */
  properties[PROP_KIND] = g_param_spec_enum ("kind", NULL, NULL, REFORMER_TYPE_DEVICE_KIND, REFORMER_DEVICE_KIND_CPU, readable);

  /**
   * ReformerDevice:compute-units: (getter get_compute_units)
   *
   * How many compute units (cores) the device has.
   */
  properties[PROP_COMPUTE_UNITS] = g_param_spec_uint ("compute-units", NULL, NULL, 0, G_MAXUINT, 0, readable);

  /**
   * ReformerDevice:memory: (getter get_memory)
   *
   * The device's memory in bytes.
   */
  properties[PROP_MEMORY] = g_param_spec_uint64 ("memory", NULL, NULL, 0, G_MAXUINT64, 0, readable);

  /**
   * ReformerDevice:local-memory: (getter get_local_memory)
   *
   * Memory of one work-group in bytes.
   */
  properties[PROP_LOCAL_MEMORY] = g_param_spec_uint64 ("local-memory", NULL, NULL, 0, G_MAXUINT64, 0, readable);

  /**
   * ReformerDevice:max-allocation: (getter get_max_allocation)
   *
   * The largest tensor that the device takes, in bytes.
   */
  properties[PROP_MAX_ALLOCATION] = g_param_spec_uint64 ("max-allocation", NULL, NULL, 0, G_MAXUINT64, 0, readable);

  /**
   * ReformerDevice:kernels: (getter get_kernels)
   *
   * The dialect of the kernels: `wide` (CPUs) or `simt` (GPUs).
   */
  properties[PROP_KERNELS] = g_param_spec_string ("kernels", NULL, NULL, NULL, readable);

  /**
   * ReformerDevice:memory-limit: (getter get_memory_limit) (setter set_memory_limit)
   *
   * How many bytes may be in use; a request beyond it fails with %REFORMER_DEVICE_ERROR_OUT_OF_MEMORY. 0: the device's memory.
   */
  properties[PROP_MEMORY_LIMIT] = g_param_spec_uint64 ("memory-limit", NULL, NULL, 0, G_MAXUINT64, 0,
                                                       G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * ReformerDevice:memory-used: (getter get_memory_used)
   *
   * Bytes in use by tensors, in whole pages. Changes without notification.
   */
  properties[PROP_MEMORY_USED] = g_param_spec_uint64 ("memory-used", NULL, NULL, 0, G_MAXUINT64, 0, readable);

  /**
   * ReformerDevice:memory-peak: (getter get_memory_peak)
   *
   * The most bytes that were in use since [method@Device.reset_memory_peak]. Changes without notification.
   */
  properties[PROP_MEMORY_PEAK] = g_param_spec_uint64 ("memory-peak", NULL, NULL, 0, G_MAXUINT64, 0, readable);

  /**
   * ReformerDevice:profiling: (getter get_profiling) (setter set_profiling)
   *
   * Whether the time of every kernel is measured, for [method@Device.dup_profile]. Each command costs some microseconds more. It counts when the device is opened by
   * the first work on it, and changes nothing later. The environment variable `REFORMER_DEBUG=profile` measures on every device, and prints a table at the end.
   */
  properties[PROP_PROFILING] = g_param_spec_boolean ("profiling", NULL, NULL, FALSE,
                                                     G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);

  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
reformer_device_init (ReformerDevice *self)
{
  self->name = g_strdup ("none");
  self->vendor = g_strdup ("");
  self->platform = g_strdup ("");
  self->driver = g_strdup ("");
  self->device_version = g_strdup ("");
  self->platform_version = g_strdup ("");
  self->kind = REFORMER_DEVICE_KIND_CPU;
  self->compute_units = 1;
  self->max_group = 1024;
  self->vector_width = 16;
  self->wide = TRUE;
  g_rec_mutex_init (&self->lock);
  reformer_account_init (&self->account);
  self->programs = reformer_program_set_new ();
  self->sources = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->refused = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->cached = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_queue_free);
}

/* ---- getters ---- */

/**
 * reformer_device_get_name: (get-property name)
 * @self: a device
 *
 * Gets the device's name.
 *
 * Returns: the device's name
 */
const char *
reformer_device_get_name (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), NULL);

  return self->name;
}

/**
 * reformer_device_get_vendor: (get-property vendor)
 * @self: a device
 *
 * Gets who makes the device.
 *
 * Returns: who makes the device
 */
const char *
reformer_device_get_vendor (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), NULL);

  return self->vendor;
}

/**
 * reformer_device_get_platform: (get-property platform)
 * @self: a device
 *
 * Gets the name of the OpenCL platform that the device belongs to.
 *
 * Returns: the name of the OpenCL platform that the device belongs to
 */
const char *
reformer_device_get_platform (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), NULL);

  return self->platform;
}

/**
 * reformer_device_get_driver: (get-property driver)
 * @self: a device
 *
 * Gets the version of the device's driver.
 *
 * Returns: the version of the device's driver
 */
const char *
reformer_device_get_driver (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), NULL);

  return self->driver;
}

/**
 * reformer_device_get_kind: (get-property kind)
 * @self: a device
 *
 * Gets what the device is.
 *
 * Returns: what the device is
 */
ReformerDeviceKind
reformer_device_get_kind (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), REFORMER_DEVICE_KIND_OTHER);

  return self->kind;
}

/**
 * reformer_device_get_compute_units: (get-property compute-units)
 * @self: a device
 *
 * Gets how many compute units (cores) the device has.
 *
 * Returns: how many compute units (cores) the device has
 */
guint
reformer_device_get_compute_units (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  return self->compute_units;
}

/**
 * reformer_device_get_memory: (get-property memory)
 * @self: a device
 *
 * Gets the device's memory in bytes.
 *
 * Returns: the device's memory in bytes
 */
guint64
reformer_device_get_memory (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  return self->memory;
}

/**
 * reformer_device_get_local_memory: (get-property local-memory)
 * @self: a device
 *
 * Gets memory of one work-group in bytes.
 *
 * Returns: memory of one work-group in bytes
 */
guint64
reformer_device_get_local_memory (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  return self->local_memory;
}

/**
 * reformer_device_get_max_allocation: (get-property max-allocation)
 * @self: a device
 *
 * Gets the largest tensor that the device takes, in bytes.
 *
 * Returns: the largest tensor that the device takes, in bytes
 */
guint64
reformer_device_get_max_allocation (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  return self->max_allocation;
}

/**
 * reformer_device_get_kernels: (get-property kernels)
 * @self: a device
 *
 * Gets `wide` or `simt`, the dialect of the kernels.
 *
 * Returns: `wide` or `simt`, the dialect of the kernels
 */
const char *
reformer_device_get_kernels (ReformerDevice *self)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (self), NULL);

  return self->wide ? "wide" : "simt";
}

/**
 * reformer_device_get_memory_limit: (get-property memory-limit)
 * @self: a device
 *
 * Gets how many bytes may be in use; 0 for the device's memory.
 *
 * Returns: how many bytes may be in use; 0 for the device's memory
 */
guint64
reformer_device_get_memory_limit (ReformerDevice *self)
{
  guint64 limit;

  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  g_mutex_lock (&self->account.lock);
  limit = self->memory_limit;
  g_mutex_unlock (&self->account.lock);

  return limit;
}

/**
 * reformer_device_set_memory_limit: (set-property memory-limit)
 * @self: a device
 * @bytes: how many bytes may be in use; 0 for the device's memory
 *
 * Limits the memory of the device's tensors. Requests beyond the limit fail with %REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, and nothing that
 * exists is changed, also when the limit is below what is in use.
 */
void
reformer_device_set_memory_limit (ReformerDevice *self,
                                  guint64         bytes)
{
  gboolean changed;

  g_return_if_fail (REFORMER_IS_DEVICE (self));

  g_mutex_lock (&self->account.lock);
  changed = self->memory_limit != bytes;
  self->memory_limit = bytes;
  g_mutex_unlock (&self->account.lock);

  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MEMORY_LIMIT]);
}

/**
 * reformer_device_get_memory_used: (get-property memory-used)
 * @self: a device
 *
 * Gets bytes in use by tensors, in whole pages.
 *
 * Returns: bytes in use by tensors, in whole pages
 */
guint64
reformer_device_get_memory_used (ReformerDevice *self)
{
  guint64 used;

  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  reformer_account_get (&self->account, &used, NULL);
  return used;
}

/**
 * reformer_device_get_memory_peak: (get-property memory-peak)
 * @self: a device
 *
 * Gets the most bytes that were in use since [method@Device.reset_memory_peak].
 *
 * Returns: the most bytes that were in use since [method@Device.reset_memory_peak]
 */
guint64
reformer_device_get_memory_peak (ReformerDevice *self)
{
  guint64 peak;

  g_return_val_if_fail (REFORMER_IS_DEVICE (self), 0);

  reformer_account_get (&self->account, NULL, &peak);
  return peak;
}

/**
 * reformer_device_reset_memory_peak:
 * @self: a device
 *
 * Lets [property@Device:memory-peak] start again from what is in use now.
 */
void
reformer_device_reset_memory_peak (ReformerDevice *self)
{
  g_return_if_fail (REFORMER_IS_DEVICE (self));

  reformer_account_reset_peak (&self->account);
}

/**
 * reformer_device_get_profiling: (get-property profiling)
 * @self: a device
 *
 * Gets whether the time of every kernel is measured.
 *
 * Returns: whether the time of every kernel is measured
 */
gboolean
reformer_device_get_profiling (ReformerDevice *self)
{
  gboolean profiling;

  g_return_val_if_fail (REFORMER_IS_DEVICE (self), FALSE);

  reformer_device_lock (self);
  profiling = self->profiling;
  reformer_device_unlock (self);

  return profiling;
}

/**
 * reformer_device_set_profiling: (set-property profiling)
 * @self: a device
 * @profiling: whether the time of every kernel is measured
 *
 * Lets the time of every kernel be measured. It counts when the device is opened by the first work on it, and changes nothing later.
 */
void
reformer_device_set_profiling (ReformerDevice *self,
                               gboolean        profiling)
{
  gboolean changed;

  g_return_if_fail (REFORMER_IS_DEVICE (self));

  reformer_device_lock (self);
  changed = self->profiling != !!profiling;
  self->profiling = !!profiling;
  reformer_device_unlock (self);

  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PROFILING]);
}

/**
 * reformer_device_dup_profile:
 * @self: a device
 *
 * What each kernel took so far: a dictionary `a{sv}` of kernel names to `(ttdd)`: the number of launches, nanoseconds on the device, floating point operations (of
 * products, attention and hashing) and bytes of the arrays read and written, each array counted once a launch. Empty unless [property@Device:profiling] was set, or the
 * environment variable `REFORMER_DEBUG` had `profile` in it, when the device was opened.
 *
 * Returns: (transfer full): the dictionary
 */
GVariant *
reformer_device_dup_profile (ReformerDevice *self)
{
  GVariant *profile;

  g_return_val_if_fail (REFORMER_IS_DEVICE (self), NULL);

  reformer_device_lock (self);
  profile = reformer_profile_dup (self->profile);
  reformer_device_unlock (self);

  return profile;
}
