/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models.h"

G_BEGIN_DECLS

/* torch's Transformer in tests/golden/transformer: two layers of post-norm, 32 wide, 4 heads, feed-forward 64, on two rows of 48 vectors. */

/* "weights.safetensors" or "io.safetensors" */
ReformerSafetensors *test_torch_open (const char          *name);
/* The numbers of torch, in its file, that belong to a parameter of ours, of a stack put together by hand or of a model; `before` is "grad." or nothing. NULL where torch has none. */
double              *test_torch_read (ReformerSafetensors *file,
                                      const char          *before,
                                      ReformerParameter   *parameter);
/* Copies torch's weights into those of the parameters that it has, and returns how many these are. */
guint                test_torch_load (GPtrArray           *parameters);

G_END_DECLS
