/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/atomic.h"
#include "files/safetensors.h"

G_BEGIN_DECLS

/* A tensor to write. */
typedef struct
{
  const char               *name;
  ReformerSafetensorsDType  dtype;
  guint                     n_dims;
  gint64                    shape[REFORMER_SAFETENSORS_MAX_DIMS];
} ReformerSafetensorsTensor;

/*
 * Puts n_bytes of tensor number `i` (in the caller's order), from its byte `offset` on, little endian, into `to`. Called once for each
 * piece, in order; every piece but a tensor's last is a multiple of 8 bytes.
 */
typedef gboolean (*ReformerSafetensorsFill) (gsize      i,
                                             gpointer   to,
                                             gsize      offset,
                                             gsize      n_bytes,
                                             gpointer   user_data,
                                             GError   **error);

/* "format" = "pt", as transformers wants it */
#define REFORMER_SAFETENSORS_METADATA ((const char *const[]) { "format", "pt", NULL })

/*
 * Writes a whole file to a descriptor at its start: tensors by dtype (wide ones first), then by name, as the reference does, the header
 * padded with spaces to 8 bytes. `metadata` are names and texts by turns, ending in NULL; NULL for none. `path` is for messages.
 */
gboolean reformer_safetensors_write (int                               fd,
                                     const char                       *path,
                                     const ReformerSafetensorsTensor  *tensors,
                                     gsize                             n_tensors,
                                     const char *const                *metadata,
                                     ReformerSafetensorsFill           fill,
                                     gpointer                          user_data,
                                     GCancellable                     *cancellable,
                                     GError                          **error);

/* The patterns of the files that reformer_weights_write() makes, for reformer_atomic_folder_begin(). */
#define REFORMER_WEIGHTS_FILES "model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"

/*
 * Into a folder under way: model.safetensors, or where the tensors take more than `shard_bytes` (0: no bound), shards in the caller's
 * order and model.safetensors.index.json.
 */
gboolean reformer_weights_write     (ReformerAtomicFolder             *folder,
                                     const ReformerSafetensorsTensor  *tensors,
                                     gsize                             n_tensors,
                                     gsize                             shard_bytes,
                                     const char *const                *metadata,
                                     ReformerSafetensorsFill           fill,
                                     gpointer                          user_data,
                                     GCancellable                     *cancellable,
                                     GError                          **error);

G_END_DECLS
