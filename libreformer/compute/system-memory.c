/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/system-memory.h"

#include <string.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

/* A file with one number; `otherwise` when it is not there or says "max". */
static guint64
read_number (const char *path,
             guint64     otherwise)
{
  g_autofree char *text = NULL;
  guint64 number;

  if (!g_file_get_contents (path, &text, NULL, NULL) || !g_ascii_string_to_unsigned (g_strstrip (text), 10, 0, G_MAXUINT64, &number, NULL))
    return otherwise;
  return number;
}

/* The lowest limit of the process's control group and those around it. */
static guint64
control_group_limit (void)
{
  g_autofree char *text = NULL;
  g_autofree char *group = NULL;
  guint64 limit = read_number (CGROUPS "/memory/memory.limit_in_bytes", G_MAXUINT64);
  const char *start, *end;

  limit = MIN (limit, read_number (CGROUPS "/memory.max", G_MAXUINT64));
  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL) || (start = strstr (text, "0::/")) == NULL)
    return limit;

  start += strlen ("0::");
  end = strchr (start, '\n');
  group = end != NULL ? g_strndup (start, end - start) : g_strdup (start);
  while (strlen (group) > 1)
    {
      g_autofree char *path = g_strconcat (CGROUPS, group, "/memory.max", NULL);
      char *parent = g_path_get_dirname (group);

      limit = MIN (limit, read_number (path, G_MAXUINT64));
      g_free (group);
      group = parent;
    }
  return limit;
}

guint64
reformer_system_memory_total (void)
{
  const long pages = sysconf (_SC_PHYS_PAGES), page = sysconf (_SC_PAGESIZE);

  if (pages <= 0 || page <= 0)
    return 0;
  return MIN ((guint64) pages * (guint64) page, control_group_limit ());
}

guint64
reformer_system_memory_available (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL) || (line = strstr (text, "MemAvailable:")) == NULL)
    return G_MAXUINT64;
  return g_ascii_strtoull (line + strlen ("MemAvailable:"), NULL, 10) << 10;
}
