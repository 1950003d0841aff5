/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "info-attention.h"

G_BEGIN_DECLS

/* What the model did with the text, for info-attention.c to print. */
typedef struct
{
  ReformerModel      *model;
  ReformerInspection *inspection;
  ReformerTokenizer  *tokenizer;
  GBytes             *ids;
  gsize               n_tokens;
  GHashTable         *texts; /* of every id: GBytes; NULL: no token is asked for */
} ToolLook;

gboolean      tool_look_at           (ToolLook                 *self,
                                      const char               *path,
                                      const ToolInfoAttention  *options,
                                      GError                  **error);
void          tool_look_clear        (ToolLook                 *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolLook, tool_look_clear)

gint32        tool_look_get_id       (const ToolLook           *self,
                                      gsize                     place);
/* What stands there; NULL beyond the text, where a layer's padding is. */
GBytes       *tool_look_get_text     (const ToolLook           *self,
                                      int                       place);
/* What the token that the options name attended to: a(iid). */
GVariant     *tool_look_list_keys    (const ToolLook           *self,
                                      guint                     layer,
                                      guint                     head,
                                      const ToolInfoAttention  *options);

/* ---- Buckets ---- */

typedef struct
{
  GBytes       *bytes;
  const gint32 *data; /* [heads][rounds][tokens] of a layer */
  int           heads, rounds; /* 0 where it hashed nothing */
} ToolBuckets;

gboolean      tool_look_read_buckets (ToolLook                 *self,
                                      guint                     layer,
                                      ToolBuckets              *buckets,
                                      GError                  **error);
void          tool_buckets_clear     (ToolBuckets              *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolBuckets, tool_buckets_clear)

/* The bucket of each token. */
const gint32 *tool_look_get_round    (const ToolLook           *self,
                                      const ToolBuckets        *buckets,
                                      int                       head,
                                      int                       round);

typedef struct
{
  gint32 bucket, tokens;
} ToolBucketSize;

/* The buckets that have tokens, in the order of their numbers. */
GArray       *tool_look_count_sizes  (const ToolLook           *self,
                                      const ToolBuckets        *buckets,
                                      int                       head,
                                      int                       round);
int           tool_compare_ints      (gconstpointer             a,
                                      gconstpointer             b);

G_END_DECLS
