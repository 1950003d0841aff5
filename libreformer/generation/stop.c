/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/stop.h"

#include <string.h>

gboolean
reformer_stop_find (const char *const *stop,
                    const guint8      *bytes,
                    gsize              n,
                    gsize              from,
                    gsize             *at)
{
  for (gsize end = from + 1; end <= n; end++)
    {
      gsize longest = 0;

      for (guint i = 0; stop[i] != NULL; i++)
        {
          const gsize length = strlen (stop[i]);

          if (length > longest && length <= end && memcmp (bytes + end - length, stop[i], length) == 0)
            longest = length;
        }
      if (longest > 0)
        {
          *at = end - longest;
          return TRUE;
        }
    }
  return FALSE;
}

gsize
reformer_stop_held (const char *const *stop,
                    const guint8      *bytes,
                    gsize              n)
{
  gsize held = 0;

  for (guint i = 0; stop[i] != NULL; i++)
    for (gsize length = MIN (n, strlen (stop[i]) - 1); length > held; length--)
      if (memcmp (bytes + n - length, stop[i], length) == 0)
        held = length;
  return held;
}
