/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* reformer info MODEL --attention --text FILE: what its attention layers do with a text. */
typedef struct
{
  const char *text;
  const char *device; /* NULL: the default one */
  gint64      length; /* the most tokens; 0: 4096, or as many as the model has positions for */
  gint64      queries; /* 0: all */
  gint64      token; /* whose keys are listed, from 0; -1: none's */
  gint64      keys; /* how many of them; 0: all */
  gboolean    json;
} ToolInfoAttention;

/* Returns the exit status. */
int tool_info_attention (const char              *path,
                         const ToolInfoAttention *options);

G_END_DECLS
