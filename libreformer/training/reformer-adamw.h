/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/training/reformer-optimizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_ADAMW (reformer_adamw_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerAdamW, reformer_adamw, REFORMER, ADAMW, ReformerOptimizer)

REFORMER_AVAILABLE_IN_1_0
ReformerOptimizer *reformer_adamw_new (void);
REFORMER_AVAILABLE_IN_1_0
double reformer_adamw_get_beta1 (ReformerAdamW *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adamw_set_beta1 (ReformerAdamW *self,
  double beta1);
REFORMER_AVAILABLE_IN_1_0
double reformer_adamw_get_beta2 (ReformerAdamW *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adamw_set_beta2 (ReformerAdamW *self,
  double beta2);
REFORMER_AVAILABLE_IN_1_0
double reformer_adamw_get_epsilon (ReformerAdamW *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adamw_set_epsilon (ReformerAdamW *self,
  double epsilon);
REFORMER_AVAILABLE_IN_1_0
double reformer_adamw_get_weight_decay (ReformerAdamW *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adamw_set_weight_decay (ReformerAdamW *self,
  double weight_decay);

G_END_DECLS
