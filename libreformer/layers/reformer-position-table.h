/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/layers/reformer-layer.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_POSITION_TABLE (reformer_position_table_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerPositionTable, reformer_position_table, REFORMER, POSITION_TABLE, ReformerLayer)

REFORMER_AVAILABLE_IN_1_0
ReformerPositionTable *reformer_position_table_new             (ReformerDevice        *device,
                                                                int                    max_length,
                                                                int                    hidden_size);
REFORMER_AVAILABLE_IN_1_0
int                    reformer_position_table_get_max_length  (ReformerPositionTable *self);
REFORMER_AVAILABLE_IN_1_0
int                    reformer_position_table_get_hidden_size (ReformerPositionTable *self);
REFORMER_AVAILABLE_IN_1_0
double                 reformer_position_table_get_deviation   (ReformerPositionTable *self);
REFORMER_AVAILABLE_IN_1_0
double                 reformer_position_table_get_dropout     (ReformerPositionTable *self);

G_END_DECLS
