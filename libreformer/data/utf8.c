/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/utf8.h"

#define REPLACEMENT 0xfffd

/* What may follow a first byte: how many bytes, and the range of the first of them. */
typedef struct
{
  guint  n_more;
  guint8 least;
  guint8 most;
} Following;

static Following
following (guint8 first)
{
  if (first >= 0xc2 && first <= 0xdf)
    return (Following) { 1, 0x80, 0xbf };
  if (first >= 0xe0 && first <= 0xef)
    return (Following) { 2, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf };
  if (first >= 0xf0 && first <= 0xf4)
    return (Following) { 3, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf };
  return (Following) { 0, 0, 0 };
}

gsize
reformer_utf8_append (GString      *text,
                      const guint8 *bytes,
                      gsize         n_bytes,
                      gboolean      last)
{
  gsize i = 0;

  while (i < n_bytes)
    {
      const Following follow = following (bytes[i]);
      guint n = 1;

      while (n <= follow.n_more && i + n < n_bytes && bytes[i + n] >= (n == 1 ? follow.least : 0x80) && bytes[i + n] <= (n == 1 ? follow.most : 0xbf))
        n++;
      if (n <= follow.n_more && i + n == n_bytes && !last)
        break;
      if (n == follow.n_more + 1 && bytes[i] != 0 && (bytes[i] < 0x80 || follow.n_more > 0))
        g_string_append_len (text, (const char *) bytes + i, n);
      else
        g_string_append_unichar (text, REPLACEMENT);
      i += n;
    }
  return i;
}
