/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads files from standard input, each after its length (8 bytes, little endian), and prints a line for each: "accept SHA-256" over the
 * names, types, shapes and bytes of its tensors by name, or "reject CODE MESSAGE". See safetensors-differential.py.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files/safetensors.h"

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  return strcmp ((*(const ReformerSafetensorsEntry *const *) a)->name, (*(const ReformerSafetensorsEntry *const *) b)->name);
}

static char *
digest (ReformerSafetensors *st)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GPtrArray) entries = g_ptr_array_new ();

  for (gsize i = 0; i < reformer_safetensors_get_n_tensors (st); i++)
    g_ptr_array_add (entries, (gpointer) reformer_safetensors_get_entry (st, i));
  g_ptr_array_sort (entries, compare_names);

  for (guint i = 0; i < entries->len; i++)
    {
      const ReformerSafetensorsEntry *entry = entries->pdata[i];
      g_autofree char *text = reformer_safetensors_describe (entry->dtype, entry->shape, entry->n_dims);
      g_autofree guint8 *bytes = g_malloc (entry->n_bytes + 1);
      g_autoptr (GError) error = NULL;

      if (!reformer_safetensors_read (st, entry, bytes, 0, entry->n_bytes, NULL, &error))
        g_error ("%s", error->message);
      g_checksum_update (checksum, (const guchar *) entry->name, (gssize) strlen (entry->name) + 1);
      g_checksum_update (checksum, (const guchar *) text, (gssize) strlen (text) + 1);
      g_checksum_update (checksum, bytes, (gssize) entry->n_bytes);
    }

  return g_strdup (g_checksum_get_string (checksum));
}

int
main (void)
{
  int file = memfd_create ("driver.safetensors", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", file);
  guint64 length;

  while (fread (&length, sizeof length, 1, stdin) == 1)
    {
      gsize n_bytes = (gsize) GUINT64_FROM_LE (length);
      g_autofree char *bytes = g_malloc (n_bytes + 1);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerSafetensors) st = NULL;

      if (fread (bytes, 1, n_bytes, stdin) != n_bytes || ftruncate (file, 0) != 0 || pwrite (file, bytes, n_bytes, 0) != (gssize) n_bytes)
        g_error ("standard input ends early, or no memory");

      st = reformer_safetensors_open (path, NULL, &error);
      if (st != NULL)
        {
          g_autofree char *sum = digest (st);

          printf ("accept %s\n", sum);
        }
      else
        {
          printf ("reject %d %s\n", error->code, error->message);
        }
      fflush (stdout);
    }

  return 0;
}
