/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Counts the living objects of Reformer's classes, and of classes derived from them in any language, from outside: a library for LD_PRELOAD that stands before the
 * functions which make objects. Debian's GLib has no count of its own.
 *
 * LIVE_OBJECTS names a file. From the first object on it holds "made N\nlive N\n", with numbers of twelve digits; at its end there is a line "left CLASS" more for every
 * object that lives still.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FORMAT "made %012u\nlive %012u\n"
#define SIZE 36

static GMutex lock;
static GHashTable *objects; /* those that live */
static char *counts;        /* the file's beginning */
static guint made;

static void
tell (void)
{
  char text[SIZE + 1];

  snprintf (text, sizeof text, FORMAT, made, g_hash_table_size (objects));
  memcpy (counts, text, SIZE);
}

static void
came (gpointer object)
{
  g_mutex_lock (&lock);
  g_hash_table_add (objects, object);
  made++;
  tell ();
  g_mutex_unlock (&lock);
}

static void
went (gpointer object)
{
  g_mutex_lock (&lock);
  g_hash_table_remove (objects, object);
  tell ();
  g_mutex_unlock (&lock);
}

/* With the first object, so that other programs that are run on the way leave the file alone. */
static gboolean
begun (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      const char *path = g_getenv ("LIVE_OBJECTS");
      const int file = path != NULL ? open (path, O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
      char *map = file >= 0 && ftruncate (file, SIZE) == 0 ? mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;

      if (file >= 0)
        close (file);
      if (map != MAP_FAILED)
        {
          objects = g_hash_table_new (NULL, NULL);
          counts = map;
        }
      g_once_init_leave (&once, TRUE);
    }
  return counts != NULL;
}

static gboolean
is_ours (GType type)
{
  for (; type != 0; type = g_type_parent (type))
    if (g_str_has_prefix (g_type_name (type), "Reformer"))
      return TRUE;
  return FALSE;
}

/* Data of an object go with its memory, also where somebody disposes of it before. */
static gpointer
watch (gpointer object)
{
  static GQuark quark;

  if (object == NULL || !is_ours (G_OBJECT_TYPE (object)) || !begun ())
    return object;
  if (quark == 0)
    quark = g_quark_from_static_string ("live-objects");
  if (g_object_get_qdata (object, quark) != NULL)
    return object;
  g_object_set_qdata_full (object, quark, object, went);
  came (object);
  return object;
}

GObject *
g_object_new_with_properties (GType        type,
                              guint        n_properties,
                              const char  *names[],
                              const GValue values[])
{
  static GObject *(*real) (GType, guint, const char *[], const GValue[]);

  if (real == NULL)
    real = dlsym (RTLD_NEXT, "g_object_new_with_properties");
  return watch (real (type, n_properties, names, values));
}

GObject *
g_object_new_valist (GType       type,
                     const char *first,
                     va_list     arguments)
{
  static GObject *(*real) (GType, const char *, va_list);

  if (real == NULL)
    real = dlsym (RTLD_NEXT, "g_object_new_valist");
  return watch (real (type, first, arguments));
}

gpointer
g_object_new (GType       type,
              const char *first,
              ...)
{
  GObject *object;
  va_list arguments;

  if (first == NULL)
    return g_object_new_with_properties (type, 0, NULL, NULL);
  va_start (arguments, first);
  object = g_object_new_valist (type, first, arguments);
  va_end (arguments);
  return object;
}

/* The one that the library keeps for objects which were made without a device. */
static gboolean
is_no_device (GObject *object)
{
  g_autofree char *name = NULL;

  if (!g_str_equal (G_OBJECT_TYPE_NAME (object), "ReformerDevice"))
    return FALSE;
  g_object_get (object, "name", &name, NULL);
  return g_strcmp0 (name, "none") == 0;
}

/* Runs after main() and what atexit() knows. */
__attribute__ ((destructor)) static void
end (void)
{
  FILE *file = counts != NULL ? fopen (g_getenv ("LIVE_OBJECTS"), "a") : NULL;
  GHashTableIter iter;
  gpointer object;

  if (file == NULL)
    return;
  g_hash_table_iter_init (&iter, objects);
  while (g_hash_table_iter_next (&iter, &object, NULL))
    if (!is_no_device (object))
      fprintf (file, "left %s\n", G_OBJECT_TYPE_NAME (object));
  fclose (file);
}
