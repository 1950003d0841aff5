/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/program-cache.h"

#include <libreformer/compute/reformer-device-error.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* PoCL is found by its platform's name, which all its versions share. */
#define POCL_PLATFORM "Portable Computing Language"

#define MAGIC "RFMKERN\n"
#define DIGEST_SIZE 32
#define HEADER_SIZE (8 + 4 + 4 + 8 + DIGEST_SIZE)

static gboolean
is_pocl (ReformerDevice *device)
{
  return strstr (device->platform, POCL_PLATFORM) != NULL;
}

/* PoCL keeps what it built by itself, kernel by kernel as they are needed. Asked for a binary it builds every kernel of the program once more, for groups of any size: 16 s more
 * before the first step of a small model, to save 20 ms a program in each later process. */
static char *
cache_folder (ReformerDevice *device)
{
  const char *place = g_getenv ("REFORMER_CACHE");

  if (place == NULL || *place == '\0')
    return is_pocl (device) ? NULL : g_build_filename (g_get_user_cache_dir (), "reformer", "kernels", NULL);
  if (g_ascii_strcasecmp (place, "off") == 0)
    return NULL;
  return g_strdup (place);
}

/* Length first, so that no two lists of texts give the same bytes. */
static void
hash_text (GChecksum  *checksum,
           const char *text,
           gsize       length)
{
  const guint64 size = GUINT64_TO_LE (length);

  g_checksum_update (checksum, (const guchar *) &size, sizeof size);
  g_checksum_update (checksum, (const guchar *) text, length);
}

char *
reformer_program_cache_path (ReformerDevice  *device,
                             const char     **sources,
                             const gsize     *lengths,
                             guint            n_sources,
                             const char      *options)
{
  g_autofree char *folder = cache_folder (device);
  g_autoptr (GChecksum) checksum = NULL;
  g_autofree char *name = NULL;
  const char *texts[] = { options,        device->name,           device->vendor,
                          device->driver, device->device_version, device->platform_version };
  const guint32 format = GUINT32_TO_LE (REFORMER_PROGRAM_CACHE_FORMAT);

  if (folder == NULL)
    return NULL;

  checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_checksum_update (checksum, (const guchar *) &format, sizeof format);
  for (guint i = 0; i < n_sources; i++)
    hash_text (checksum, sources[i], lengths[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    hash_text (checksum, texts[i], strlen (texts[i]));

  name = g_strconcat (g_checksum_get_string (checksum), ".bin", NULL);
  return g_build_filename (folder, name, NULL);
}

static void
digest_of (gconstpointer data,
           gsize         length,
           guint8        digest[DIGEST_SIZE])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size = DIGEST_SIZE;

  g_checksum_update (checksum, data, length);
  g_checksum_get_digest (checksum, digest, &size);
}

GBytes *
reformer_program_cache_load (const char *path)
{
  g_autofree char *contents = NULL;
  gsize length = 0;
  guint32 format;
  guint64 size;
  guint8 digest[DIGEST_SIZE];

  if (!g_file_get_contents (path, &contents, &length, NULL))
    return NULL;

  if (length > HEADER_SIZE && memcmp (contents, MAGIC, 8) == 0)
    {
      memcpy (&format, contents + 8, sizeof format);
      memcpy (&size, contents + 16, sizeof size);
      if (GUINT32_FROM_LE (format) == REFORMER_PROGRAM_CACHE_FORMAT && GUINT64_FROM_LE (size) == length - HEADER_SIZE)
        {
          digest_of (contents + HEADER_SIZE, length - HEADER_SIZE, digest);
          if (memcmp (digest, contents + 24, DIGEST_SIZE) == 0)
            return g_bytes_new (contents + HEADER_SIZE, length - HEADER_SIZE);
        }
    }

  g_debug ("%s is damaged or of another version", path);
  reformer_program_cache_drop (path);
  return NULL;
}

void
reformer_program_cache_store (const char    *path,
                              gconstpointer  binary,
                              gsize          length)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *contents = g_try_malloc (HEADER_SIZE + length);
  const guint32 format = GUINT32_TO_LE (REFORMER_PROGRAM_CACHE_FORMAT);
  const guint64 size = GUINT64_TO_LE (length);
  g_autoptr (GError) error = NULL;

  if (contents == NULL)
    return;

  memset (contents, 0, HEADER_SIZE);
  memcpy (contents, MAGIC, 8);
  memcpy (contents + 8, &format, sizeof format);
  memcpy (contents + 16, &size, sizeof size);
  digest_of (binary, length, (guint8 *) contents + 24);
  memcpy (contents + HEADER_SIZE, binary, length);

  if (g_mkdir_with_parents (folder, 0700) != 0)
    g_debug ("%s: %s", folder, g_strerror (errno));
  else if (!g_file_set_contents (path, contents, HEADER_SIZE + length, &error))
    g_debug ("%s", error->message);
}

void
reformer_program_cache_drop (const char *path)
{
  g_unlink (path);
}

/* Free bytes where the folder is or would be made; G_MAXUINT64 when that cannot be found out. */
static guint64
free_space (const char *folder)
{
  g_autofree char *place = g_strdup (folder);
  struct statvfs info;

  while (statvfs (place, &info) != 0)
    {
      char *parent;

      if (errno != ENOENT || strcmp (place, "/") == 0 || strcmp (place, ".") == 0)
        return G_MAXUINT64;
      parent = g_path_get_dirname (place);
      g_free (place);
      place = parent;
    }
  /* File systems that keep no files, as /proc, have no size. */
  return info.f_blocks > 0 ? (guint64) info.f_bavail * info.f_frsize : G_MAXUINT64;
}

gboolean
reformer_program_cache_space (ReformerDevice  *device,
                              guint64          bytes,
                              GError         **error)
{
  g_autofree char *ours = NULL;
  g_autofree char *theirs = NULL;
  const char *pocl = g_getenv ("POCL_CACHE_DIR");

  if (!is_pocl (device))
    return TRUE;

  ours = cache_folder (device);
  theirs = pocl != NULL && *pocl != '\0' ? g_strdup (pocl) : g_build_filename (g_get_user_cache_dir (), "pocl", NULL);

  for (guint i = 0; i < 2; i++)
    {
      const char *folder = i == 0 ? theirs : ours;
      const guint64 space = folder != NULL ? free_space (folder) : G_MAXUINT64;

      if (space < bytes)
        {
          g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NO_SPACE,
                       "%s: %" G_GUINT64_FORMAT " KiB are free for built kernels in %s, %" G_GUINT64_FORMAT " KiB are needed",
                       device->name, space >> 10, folder, bytes >> 10);
          return FALSE;
        }
    }
  return TRUE;
}
