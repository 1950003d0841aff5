/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/training/reformer-optimizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_SGD (reformer_sgd_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerSgd, reformer_sgd, REFORMER, SGD, ReformerOptimizer)

REFORMER_AVAILABLE_IN_1_0
ReformerOptimizer *reformer_sgd_new (void);
REFORMER_AVAILABLE_IN_1_0
double reformer_sgd_get_momentum (ReformerSgd *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_sgd_set_momentum (ReformerSgd *self,
  double momentum);
REFORMER_AVAILABLE_IN_1_0
double reformer_sgd_get_weight_decay (ReformerSgd *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_sgd_set_weight_decay (ReformerSgd *self,
  double weight_decay);

G_END_DECLS
