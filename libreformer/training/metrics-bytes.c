/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/metrics.h"

#include <string.h>

/* Bytes of the text of n ids and of the one before them; -1: the tokenizer cannot say. */
static gint64
measure (ReformerTokenizer *tokenizer,
         gint32             before,
         const gint32      *ids,
         gsize              n)
{
  gint32 *joined = g_try_new (gint32, n + 1);
  g_autoptr (GBytes) bytes = NULL, text = NULL;

  if (joined == NULL)
    return -1;
  joined[0] = before;
  memcpy (joined + 1, ids, n * sizeof *ids);
  bytes = g_bytes_new_take (joined, (n + 1) * sizeof *ids);
  text = reformer_tokenizer_decode (tokenizer, bytes, NULL);
  return text != NULL ? (gint64) g_bytes_get_size (text) : -1;
}

/* A tokenizer may write a token otherwise at the beginning of a text (SentencePiece drops its blank), so each run is measured behind the token before it. */
gint64
reformer_metrics_count_bytes (ReformerTokenizer *tokenizer,
                              const gint32      *tokens,
                              const gint32      *labels,
                              gsize              n)
{
  gint64 bytes = 0;

  for (gsize from = 1, to; from < n; from = to + 1)
    {
      gint64 all, before;

      for (to = from; to < n && labels[to] >= 0; to++)
        ;
      if (to == from)
        continue;
      all = measure (tokenizer, tokens[from - 1], labels + from, to - from);
      before = all >= 0 ? measure (tokenizer, tokens[from - 1], labels + from, 0) : -1;
      if (before < 0 || all < before)
        return -1;
      bytes += all - before;
    }
  return bytes;
}
