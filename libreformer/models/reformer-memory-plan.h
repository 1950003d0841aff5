/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-stack.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_MEMORY_PLAN (reformer_memory_plan_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerMemoryPlan, reformer_memory_plan, REFORMER, MEMORY_PLAN, GObject)

REFORMER_AVAILABLE_IN_1_0
guint64       reformer_memory_plan_get_total      (ReformerMemoryPlan *self);
REFORMER_AVAILABLE_IN_1_0
guint         reformer_memory_plan_get_n_parts    (ReformerMemoryPlan *self);
REFORMER_AVAILABLE_IN_1_0
const char   *reformer_memory_plan_get_part_name  (ReformerMemoryPlan *self,
                                                   guint               part);
REFORMER_AVAILABLE_IN_1_0
guint64       reformer_memory_plan_get_part_bytes (ReformerMemoryPlan *self,
                                                   guint               part);
REFORMER_AVAILABLE_IN_1_0
ReformerKeep  reformer_memory_plan_get_keep       (ReformerMemoryPlan *self);
REFORMER_AVAILABLE_IN_1_0
guint64       reformer_memory_plan_get_largest    (ReformerMemoryPlan *self);
REFORMER_AVAILABLE_IN_1_0
guint64       reformer_memory_plan_get_available  (ReformerMemoryPlan *self);
REFORMER_AVAILABLE_IN_1_0
gboolean      reformer_memory_plan_get_fits       (ReformerMemoryPlan *self);
REFORMER_AVAILABLE_IN_1_0
char         *reformer_memory_plan_to_string      (ReformerMemoryPlan *self);

G_END_DECLS
