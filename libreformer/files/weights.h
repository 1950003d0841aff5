/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/safetensors.h"

G_BEGIN_DECLS

/*
 * The tensors of a folder as transformers saves it: model.safetensors, or model.safetensors.index.json and its shards. Read a tensor by
 * reformer_safetensors_read*() with entry->file.
 *
 * An index may name plain files of its own folder only. Every tensor it lists must be in the shard it names, and no shard may have
 * another one. The folder is opened once: a save that replaces it meanwhile mixes nothing.
 */
typedef struct _ReformerWeights ReformerWeights;

/* `path` is a folder, a safetensors file or an index. */
ReformerWeights                *reformer_weights_open          (const char       *path,
                                                                GCancellable     *cancellable,
                                                                GError          **error);
ReformerWeights                *reformer_weights_ref           (ReformerWeights  *self);
void                            reformer_weights_unref         (ReformerWeights  *self);
/* The file or the index, for messages. */
const char                     *reformer_weights_get_path      (ReformerWeights  *self);
gsize                           reformer_weights_get_n_files   (ReformerWeights  *self);
ReformerSafetensors            *reformer_weights_get_file      (ReformerWeights  *self,
                                                                gsize             i);
/* By name. */
gsize                           reformer_weights_get_n_tensors (ReformerWeights  *self);
const ReformerSafetensorsEntry *reformer_weights_get_entry     (ReformerWeights  *self,
                                                                gsize             i);
const ReformerSafetensorsEntry *reformer_weights_lookup        (ReformerWeights  *self,
                                                                const char       *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerWeights, reformer_weights_unref)

G_END_DECLS
