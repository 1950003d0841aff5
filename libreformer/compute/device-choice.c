/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which devices there are, and which one is meant. */

#include "compute/device-state.h"

#include <libreformer/compute/reformer-device-error.h>

#include <glib/gstdio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PACKAGES "pocl-opencl-icd (any CPU), intel-opencl-icd, mesa-opencl-icd, nvidia-opencl-icd"

/* ---- No device ---- */

/* Where PoCL keeps kernels; it has no device while it cannot. */
static char *
find_pocl_cache (void)
{
  const char *named = g_getenv ("POCL_CACHE_DIR");

  if (named != NULL && *named != '\0')
    return g_strdup (named);
  return g_build_filename (g_get_user_cache_dir (), "pocl", "kcache", NULL);
}

/* Whether PoCL, which makes the folder when it starts, can write there; errno says why not. Nothing is made here. */
static gboolean
is_writable (const char *cache)
{
  g_autofree char *parent = g_strdup (cache);
  int code;

  if (g_access (cache, W_OK | X_OK) == 0)
    return TRUE;
  code = errno;
  while (code == ENOENT && g_access (parent, F_OK) != 0 && errno == ENOENT && strcmp (parent, ".") != 0)
    {
      char *next = g_path_get_dirname (parent);

      g_free (parent);
      parent = next;
    }
  if (code != ENOENT || g_access (parent, W_OK | X_OK) == 0)
    errno = code;
  return FALSE;
}

/* Adds what is known of a driver without devices. */
static void
explain (GString        *text,
         cl_platform_id  platform)
{
  char name[256] = "";

  if (reformer_cl_get_platform_info (platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL) != CL_SUCCESS || *name == '\0')
    g_strlcpy (name, "a driver without a name", sizeof name);
  g_string_append_printf (text, "%s%s has none", text->len > 0 ? ", " : "", name);
  if (strstr (name, "Portable Computing Language") != NULL)
    {
      g_autofree char *cache = find_pocl_cache (), *display = g_filename_display_name (cache);

      if (!is_writable (cache))
        g_string_append_printf (text, " because its cache %s cannot be written: %s (POCL_CACHE_DIR names another)", display, g_strerror (errno));
    }
}

/* Why there is none: the drivers that are installed have none, or there are no drivers. */
static void
set_no_device (GError **error)
{
  cl_platform_id platforms[16];
  cl_uint n_platforms = 0;
  g_autoptr (GString) text = g_string_new (NULL);

  if (reformer_cl_get_platform_ids (G_N_ELEMENTS (platforms), platforms, &n_platforms) == CL_SUCCESS)
    for (cl_uint i = 0; i < MIN (n_platforms, G_N_ELEMENTS (platforms)); i++)
      explain (text, platforms[i]);
  if (text->len > 0)
    g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND, "there is no OpenCL device; of the drivers, %s", text->str);
  else
    g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND,
                 "there is no OpenCL device; one of these Debian packages gives one: %s", PACKAGES);
}

/* ---- Which devices there are ---- */

GPtrArray *
reformer_device_enumerate (void)
{
  GPtrArray *devices = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree cl_platform_id *platforms = NULL;
  cl_uint n_platforms = 0;

  if (reformer_cl_get_platform_ids (0, NULL, &n_platforms) != CL_SUCCESS || n_platforms == 0)
    return devices;
  platforms = g_new0 (cl_platform_id, n_platforms);
  if (reformer_cl_get_platform_ids (n_platforms, platforms, NULL) != CL_SUCCESS)
    return devices;

  for (cl_uint i = 0; i < n_platforms; i++)
    {
      g_autofree cl_device_id *ids = NULL;
      cl_uint n_ids = 0;

      /* A driver without devices answers with an error, which says nothing about the next driver. */
      if (reformer_cl_get_device_ids (platforms[i], CL_DEVICE_TYPE_ALL, 0, NULL, &n_ids) != CL_SUCCESS || n_ids == 0)
        continue;
      ids = g_new0 (cl_device_id, n_ids);
      if (reformer_cl_get_device_ids (platforms[i], CL_DEVICE_TYPE_ALL, n_ids, ids, NULL) != CL_SUCCESS)
        continue;
      for (cl_uint j = 0; j < n_ids; j++)
        g_ptr_array_add (devices, reformer_device_for_id (platforms[i], ids[j]));
    }

  return devices;
}

/* ---- Which one is meant ---- */

static gboolean
contains (const char *text,
          const char *wanted)
{
  g_autofree char *folded_text = g_utf8_casefold (text, -1);
  g_autofree char *folded_wanted = g_utf8_casefold (wanted, -1);

  return strstr (folded_text, folded_wanted) != NULL;
}

static ReformerDevice *
first_of_kind (GPtrArray          *devices,
               ReformerDeviceKind  kind)
{
  for (guint i = 0; i < devices->len; i++)
    if (reformer_device_get_kind (devices->pdata[i]) == kind)
      return devices->pdata[i];
  return NULL;
}

static ReformerDevice *
choose (GPtrArray  *devices,
        const char *wanted)
{
  ReformerDevice *device = NULL;
  guint64 number;

  if (wanted == NULL || *wanted == '\0')
    {
      device = first_of_kind (devices, REFORMER_DEVICE_KIND_GPU);
      if (device == NULL)
        device = first_of_kind (devices, REFORMER_DEVICE_KIND_CPU);
      if (device == NULL && devices->len > 0)
        device = devices->pdata[0];
      return device;
    }

  if (g_ascii_strcasecmp (wanted, "cpu") == 0)
    return first_of_kind (devices, REFORMER_DEVICE_KIND_CPU);
  if (g_ascii_strcasecmp (wanted, "gpu") == 0)
    return first_of_kind (devices, REFORMER_DEVICE_KIND_GPU);
  if (g_ascii_string_to_unsigned (wanted, 10, 0, G_MAXUINT, &number, NULL))
    return number < devices->len ? devices->pdata[number] : NULL;

  for (guint i = 0; i < devices->len; i++)
    if (contains (reformer_device_get_name (devices->pdata[i]), wanted))
      return devices->pdata[i];
  for (guint i = 0; i < devices->len; i++)
    if (contains (reformer_device_get_platform (devices->pdata[i]), wanted))
      return devices->pdata[i];
  return NULL;
}

/**
 * reformer_device_find:
 * @wanted: (nullable): `cpu`, `gpu`, a number (the position in a [class@DeviceList]), or part of a device's or its platform's name in
 *   any case; %NULL or empty for the first GPU, else the first CPU, else any device
 * @error: return location for an error
 *
 * Finds a device. There is one object for each device, shared by all who ask for it, until [method@Device.close].
 *
 * Returns: (transfer full): the device, or %NULL with %REFORMER_DEVICE_ERROR_NOT_FOUND
 */
ReformerDevice *
reformer_device_find (const char  *wanted,
                      GError     **error)
{
  g_autoptr (GPtrArray) devices = reformer_device_enumerate ();
  g_autoptr (GString) names = NULL;
  g_autofree char *readable = NULL;
  ReformerDevice *device;

  if (wanted != NULL)
    wanted = readable = g_utf8_make_valid (wanted, -1);

  device = choose (devices, wanted);
  if (device != NULL)
    return g_object_ref (device);

  if (devices->len == 0)
    {
      set_no_device (error);
      return NULL;
    }

  names = g_string_new (NULL);
  for (guint i = 0; i < devices->len; i++)
    g_string_append_printf (names, "%s%u: %s (%s)", i > 0 ? ", " : "", i, reformer_device_get_name (devices->pdata[i]),
                            reformer_device_get_platform (devices->pdata[i]));
  g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND,
               "there is no OpenCL device \"%s\"; the devices are %s; these Debian packages give others: %s", wanted, names->str,
               PACKAGES);
  return NULL;
}

/**
 * reformer_device_get_default:
 * @error: return location for an error
 *
 * The device to use where none is asked for: the one that the environment variable `REFORMER_DEVICE` names in the way of
 * [func@Device.find], else the first GPU, else the first CPU, else any.
 *
 * Returns: (transfer full): the device, or %NULL with %REFORMER_DEVICE_ERROR_NOT_FOUND
 */
ReformerDevice *
reformer_device_get_default (GError **error)
{
  return reformer_device_find (g_getenv ("REFORMER_DEVICE"), error);
}
