/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/training/reformer-optimizer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_ADAFACTOR (reformer_adafactor_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerAdafactor, reformer_adafactor, REFORMER, ADAFACTOR, ReformerOptimizer)

REFORMER_AVAILABLE_IN_1_0
ReformerOptimizer *reformer_adafactor_new (void);
REFORMER_AVAILABLE_IN_1_0
double reformer_adafactor_get_decay (ReformerAdafactor *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adafactor_set_decay (ReformerAdafactor *self,
  double decay);
REFORMER_AVAILABLE_IN_1_0
double reformer_adafactor_get_clipping_threshold (ReformerAdafactor *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adafactor_set_clipping_threshold (ReformerAdafactor *self,
  double clipping_threshold);
REFORMER_AVAILABLE_IN_1_0
double reformer_adafactor_get_weight_decay (ReformerAdafactor *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adafactor_set_weight_decay (ReformerAdafactor *self,
  double weight_decay);
REFORMER_AVAILABLE_IN_1_0
gboolean reformer_adafactor_get_scale_parameter (ReformerAdafactor *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_adafactor_set_scale_parameter (ReformerAdafactor *self,
  gboolean scale_parameter);

G_END_DECLS
