/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/activation.h"

G_BEGIN_DECLS

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
