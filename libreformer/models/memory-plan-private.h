/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/models/reformer-memory-plan.h>

G_BEGIN_DECLS

/* What the account of a planner saw at its peak, with what the stack kept, and with the bytes that the model may have of the planned device. */
ReformerMemoryPlan *reformer_memory_plan_new_from_device (ReformerDevice *planner,
                                                          ReformerKeep    keep,
                                                          guint64         available);

G_END_DECLS
