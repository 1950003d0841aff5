/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/sentencepiece-normalizer.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"

/* Longer keys and strings are no normalisation; the time for a byte of text, and what it becomes, are bounded by them. */
#define MOST_KEY 256
#define MOST_STRING 1024

/* Bytes between two looks at the cancellable */
#define PIECE (1u << 18)

#define REPLACEMENT "\xef\xbf\xbd"

/* ---- The double array ---- */

static inline guint32
unit_at (const ReformerNormalizer *self,
         gsize                     i)
{
  guint32 unit;

  memcpy (&unit, self->units + i * sizeof unit, sizeof unit);
  return GUINT32_FROM_LE (unit);
}

/* A unit with its highest bit set is a value, whose label nothing has. */
static inline guint32
get_label (guint32 unit)
{
  return unit & 0x800000ff;
}

static inline gboolean
has_value (guint32 unit)
{
  return (unit >> 8 & 1) != 0;
}

static inline guint32
get_value (guint32 unit)
{
  return unit & 0x7fffffff;
}

static inline guint32
get_offset (guint32 unit)
{
  return (unit >> 10) << ((unit & 0x200) >> 6);
}

/* ---- Checking it, in time and memory proportional to the number of units ---- */

#define ENTERED G_MAXUINT16

typedef struct
{
  const ReformerNormalizer *map;
  const char               *path;
  guint32                  *first;  /* the units to which labels lead from a place (place ^ label), each + 1, as a list that 0 ends */
  guint32                  *next;
  guint16                  *height; /* of a place: bytes of the longest key from there on, and 1; 0: not seen; ENTERED: it is being looked at */
} Check;

static gboolean check_place (const Check  *check,
                             guint32       place,
                             guint         depth,
                             GError      **error);

static gboolean
set_invalid (const Check  *check,
             GError      **error,
             const char   *what,
             gsize         unit,
             gsize         value,
             gsize         wanted)
{
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the precompiled_charsmap's unit %" G_GSIZE_FORMAT " %s %" G_GSIZE_FORMAT "; wanted less than %" G_GSIZE_FORMAT,
               check->path, unit, what, value, wanted);
  return FALSE;
}

static gboolean
check_unit (const Check  *check,
            guint32       i,
            guint         depth,
            guint        *height,
            GError      **error)
{
  const ReformerNormalizer *map = check->map;
  const guint32 unit = unit_at (map, i), to = i ^ get_offset (unit);

  if (has_value (unit))
    {
      const gsize value = get_value (unit_at (map, to));

      if (value >= map->n_strings)
        return set_invalid (check, error, "has the value", i, value, map->n_strings);
      if ((map->strings[value] & 0xc0) == 0x80)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID,
                       "%s: the precompiled_charsmap's unit %u has the value %" G_GSIZE_FORMAT ", which is within a character; wanted where one begins", check->path, i, value);
          return FALSE;
        }
    }
  if (!check_place (check, to, depth + 1, error))
    return FALSE;
  *height = MAX (*height, check->height[to] + 1u);
  return TRUE;
}

static gboolean
check_place (const Check  *check,
             guint32       place,
             guint         depth,
             GError      **error)
{
  guint height = 1;

  if (check->height[place] == ENTERED)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the precompiled_charsmap leads from the unit %u back to it; wanted keys that end", check->path, place);
      return FALSE;
    }
  if (check->height[place] == 0 && depth <= MOST_KEY)
    {
      check->height[place] = ENTERED;
      for (guint32 i = check->first[place]; i != 0; i = check->next[i - 1])
        if (!check_unit (check, i - 1, depth, &height, error))
          return FALSE;
      check->height[place] = (guint16) MIN (height, MOST_KEY + 2);
    }
  if (depth + check->height[place] <= MOST_KEY + 1 && depth <= MOST_KEY)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: the precompiled_charsmap has a key of more than %d bytes (by unit %u)", check->path, MOST_KEY, place);
  return FALSE;
}

static gboolean
check_units (ReformerNormalizer  *self,
             const char          *path,
             GError             **error)
{
  g_autofree guint32 *first = g_try_new0 (guint32, self->n_units), *next = g_try_new0 (guint32, self->n_units);
  g_autofree guint16 *height = g_try_new0 (guint16, self->n_units);
  const Check check = { self, path, first, next, height };

  if (first == NULL || next == NULL || height == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: no memory for the %" G_GSIZE_FORMAT " units of the precompiled_charsmap", path, self->n_units);
      return FALSE;
    }
  for (guint32 i = 0; i < self->n_units; i++)
    {
      const guint32 unit = unit_at (self, i), label = get_label (unit), place = i ^ label, last = (i ^ get_offset (unit)) | 0xff;

      if (label > 0xff && i > 0)
        continue;
      /* units to which no key leads, too: a map has none that are wrong */
      if (last >= self->n_units)
        return set_invalid (&check, error, "leads to the unit", i, last, self->n_units);
      if (label > 0xff || place >= self->n_units)
        continue;
      next[i] = first[place];
      first[place] = i + 1;
    }
  self->root = get_offset (unit_at (self, 0));
  if (!check_place (&check, self->root, 0, error))
    return FALSE;
  for (guint byte = 0; byte < 256; byte++)
    self->starts[byte] = get_label (unit_at (self, self->root ^ byte)) == byte;
  return TRUE;
}

/* The strings: UTF-8, each with a zero byte behind it. */
static gboolean
check_strings (const ReformerNormalizer  *self,
               const char                *path,
               GError                   **error)
{
  gsize begin = 0;

  if (self->n_strings == 0 || self->strings[self->n_strings - 1] != 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the strings of the precompiled_charsmap do not end with a zero byte", path);
      return FALSE;
    }
  for (gsize i = 0; i < self->n_strings; i++)
    {
      if (self->strings[i] != 0)
        continue;
      if (i - begin > MOST_STRING)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: the string %" G_GSIZE_FORMAT " of the precompiled_charsmap has %" G_GSIZE_FORMAT " bytes; at most %d are read",
                       path, begin, i - begin, MOST_STRING);
          return FALSE;
        }
      if (!g_utf8_validate_len ((const char *) self->strings + begin, i - begin, NULL))
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the string %" G_GSIZE_FORMAT " of the precompiled_charsmap is no UTF-8", path, begin);
          return FALSE;
        }
      begin = i + 1;
    }
  return TRUE;
}

gboolean
reformer_normalizer_set_map (ReformerNormalizer  *self,
                             const guint8        *bytes,
                             gsize                n_bytes,
                             const char          *path,
                             GError             **error)
{
  guint32 size = 0;

  self->n_units = 0;
  if (n_bytes == 0)
    return TRUE;
  if (n_bytes >= sizeof size)
    memcpy (&size, bytes, sizeof size);
  size = GUINT32_FROM_LE (size);
  if (size == 0 || size % sizeof size != 0 || size > n_bytes - sizeof size)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID,
                   "%s: the double array of the precompiled_charsmap has %u bytes; wanted a multiple of 4 from 4 to %" G_GSIZE_FORMAT ", as far as it goes", path, size,
                   n_bytes - MIN (n_bytes, sizeof size));
      return FALSE;
    }
  self->units = bytes + sizeof size;
  self->n_units = size / sizeof size;
  self->strings = self->units + size;
  self->n_strings = n_bytes - sizeof size - size;
  return check_strings (self, path, error) && check_units (self, path, error);
}

/* ---- Normalising ---- */

/* Bytes of the longest key that the text begins with, or 0. */
static gsize
find_key (const ReformerNormalizer *self,
          const guint8             *text,
          gsize                     n_bytes,
          guint32                  *value)
{
  guint32 place = self->root;
  gsize found = 0;

  for (gsize i = 0; i < n_bytes; i++)
    {
      guint32 unit;

      place ^= text[i];
      unit = unit_at (self, place);
      if (get_label (unit) != text[i])
        break;
      place ^= get_offset (unit);
      if (has_value (unit))
        {
          found = i + 1;
          *value = get_value (unit_at (self, place));
        }
    }
  return found;
}

/* What the beginning of a text, which is not empty, becomes. Returns how many bytes of it that takes. */
static gsize
take (const ReformerNormalizer *self,
      const ReformerPrefixes   *kept,
      const guint8             *text,
      gsize                     n_bytes,
      ReformerWord             *to)
{
  gsize n = kept != NULL ? reformer_prefixes_find (kept, text, n_bytes) : 0;
  guint32 value = 0;

  if (n == 0 && self->n_units > 0 && self->starts[text[0]])
    {
      n = find_key (self, text, n_bytes, &value);
      if (n > 0)
        {
          *to = (ReformerWord) { self->strings + value, strlen ((const char *) self->strings + value) };
          return n;
        }
    }
  if (n == 0 && text[0] >= 0x80)
    {
      const gunichar character = g_utf8_get_char_validated ((const char *) text, (gssize) MIN (n_bytes, 4));

      if (character >= (gunichar) -2)
        {
          *to = (ReformerWord) { (const guint8 *) REPLACEMENT, strlen (REPLACEMENT) };
          return 1;
        }
      n = g_unichar_to_utf8 (character, NULL);
    }
  n = MAX (n, 1);
  *to = (ReformerWord) { text, n };
  return n;
}

static gboolean
append_escaped (const ReformerNormalizer  *self,
                ReformerWord               word,
                ReformerText              *to,
                GError                   **error)
{
  if (!reformer_text_reserve (to, word.n_bytes * strlen (REFORMER_SPACE), error))
    return FALSE;
  for (gsize i = 0; i < word.n_bytes; i++)
    if (self->escape_spaces && word.bytes[i] == ' ')
      {
        memcpy (to->data + to->length, REFORMER_SPACE, strlen (REFORMER_SPACE));
        to->length += strlen (REFORMER_SPACE);
      }
    else
      {
        to->data[to->length++] = word.bytes[i];
      }
  return TRUE;
}

static void
remove_spaces_after (const ReformerNormalizer *self,
                     ReformerText             *to,
                     gsize                     begin)
{
  const char *space = self->escape_spaces ? REFORMER_SPACE : " ";
  const gsize n = strlen (space);

  while (to->length - begin >= n && memcmp (to->data + to->length - n, space, n) == 0)
    to->length -= n;
}

gboolean
reformer_normalizer_run (const ReformerNormalizer  *self,
                         const ReformerPrefixes    *kept,
                         const guint8              *text,
                         gsize                      n_bytes,
                         ReformerText              *to,
                         GError                   **error)
{
  const ReformerWord space = { (const guint8 *) " ", 1 };
  const gsize begin = to->length;
  gboolean after_space = self->remove_spaces;
  GCancellable *cancellable = reformer_home_get_cancellable ();
  ReformerWord word;
  gsize at = 0, look = 0; /* the place from which on to look whether it was cancelled */

  while (self->remove_spaces && at < n_bytes)
    {
      const gsize n = take (self, kept, text + at, n_bytes - at, &word);

      if (word.n_bytes != 1 || word.bytes[0] != ' ')
        break;
      at += n;
    }
  if (at == n_bytes)
    return TRUE;
  if (self->dummy_prefix && !self->space_after && !append_escaped (self, space, to, error))
    return FALSE;
  while (at < n_bytes)
    {
      if (at >= look)
        {
          if (g_cancellable_set_error_if_cancelled (cancellable, error))
            return FALSE;
          look = at + PIECE;
        }
      at += take (self, kept, text + at, n_bytes - at, &word);
      while (after_space && word.n_bytes > 0 && word.bytes[0] == ' ')
        word = (ReformerWord) { word.bytes + 1, word.n_bytes - 1 };
      if (word.n_bytes == 0)
        continue;
      if (!append_escaped (self, word, to, error))
        return FALSE;
      after_space = self->remove_spaces && word.bytes[word.n_bytes - 1] == ' ';
    }
  if (self->remove_spaces)
    remove_spaces_after (self, to, begin);
  return !self->dummy_prefix || !self->space_after || append_escaped (self, space, to, error);
}
