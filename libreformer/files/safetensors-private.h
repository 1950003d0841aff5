/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/safetensors.h"

G_BEGIN_DECLS

struct _ReformerSafetensors
{
  gatomicrefcount            n_refs;
  char                      *path;
  int                        fd;
  guint64                    size;
  ReformerSafetensorsEntry  *entries;   /* by offset */
  ReformerSafetensorsEntry **by_name;
  gsize                      n_entries;
  gsize                      n_allocated;
  GStringChunk              *names;
  GHashTable                *metadata;
};

/* Fills entries, by_name and metadata from the header's text; the tensors' bytes begin at `data` and must end with the file. */
gboolean reformer_safetensors_parse_header (ReformerSafetensors  *self,
                                            const char           *header,
                                            gsize                 n_bytes,
                                            guint64               data,
                                            GCancellable         *cancellable,
                                            GError              **error);

G_END_DECLS
