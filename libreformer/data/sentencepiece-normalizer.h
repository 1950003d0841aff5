/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "data/words.h"

G_BEGIN_DECLS

/* What stands for a space among pieces: U+2581. */
#define REFORMER_SPACE "\xe2\x96\x81"

/*
 * How a SentencePiece model prepares text: strings are replaced by others (the file's own map: of those that the text begins with the longest), spaces put before,
 * taken away, and made visible.
 *
 * The map is a double array (units of 32 bits, little endian: label in the low 8 bits, bit 8 says that a value follows, bit 9 that the offset is times 256, the rest
 * the offset) whose values are places in a list of strings, each with a zero byte behind it.
 */
typedef struct
{
  const guint8 *units;
  gsize         n_units;        /* 0: no map */
  const guint8 *strings;
  gsize         n_strings;
  guint32       root;
  gboolean      starts[256];    /* whether a key begins with the byte */
  gboolean      dummy_prefix;   /* a space before the text */
  gboolean      remove_spaces;  /* at both ends, and all but one elsewhere */
  gboolean      escape_spaces;
  gboolean      space_after;    /* the dummy prefix is a suffix */
} ReformerNormalizer;

/* Reads and checks a map of other bytes, which must stay; its double array has no cycles, no long ways and nothing beyond its end then. */
gboolean reformer_normalizer_set_map (ReformerNormalizer        *self,
                                      const guint8              *bytes,
                                      gsize                      n_bytes,
                                      const char                *path,
                                      GError                   **error);
/* Appends the text as it is for pieces. Words of `kept` stay as they are; NULL: none. */
gboolean reformer_normalizer_run     (const ReformerNormalizer  *self,
                                      const ReformerPrefixes    *kept,
                                      const guint8              *text,
                                      gsize                      n_bytes,
                                      ReformerText              *to,
                                      GError                   **error);

G_END_DECLS
