/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/activation.h"

G_BEGIN_DECLS

/* What chooses an activation in kernels/activation-functions.cl. */
const char  *reformer_activation_options (ReformerActivation     activation);
/* The piece that kernels are told: without dropout nothing depends on the sequences, so that all is one. */
ReformerRows reformer_dropout_rows       (const ReformerRows    *rows,
                                          const ReformerDropout *dropout);
/* y = / += / -= activation (dropout (x)). */
void reformer_activation_store (ReformerRun           *run,
                                ReformerActivation     activation,
                                ReformerSpan           x,
                                ReformerSpan           y,
                                int                    width,
                                const ReformerRows    *rows,
                                const ReformerDropout *dropout,
                                ReformerStore          store);

G_END_DECLS
