/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/models/reformer-memory-plan.h>

G_BEGIN_DECLS

/* What the account of a device saw at its peak. */
ReformerMemoryPlan *reformer_memory_plan_new_from_device (ReformerDevice *device);

G_END_DECLS
