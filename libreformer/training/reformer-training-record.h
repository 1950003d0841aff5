/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_TRAINING_RECORD (reformer_training_record_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerTrainingRecord, reformer_training_record, REFORMER, TRAINING_RECORD, GObject)

REFORMER_AVAILABLE_IN_1_0
guint    reformer_training_record_get_step              (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_training_record_get_loss              (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_training_record_get_learning_rate     (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_training_record_get_gradient_norm     (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
gint64   reformer_training_record_get_tokens            (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_training_record_get_tokens_per_second (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_training_record_get_seconds           (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
int      reformer_training_record_get_sequence_length   (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
gint64   reformer_training_record_get_targets           (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
guint64  reformer_training_record_get_memory            (ReformerTrainingRecord *self);
REFORMER_AVAILABLE_IN_1_0
gboolean reformer_training_record_get_skipped           (ReformerTrainingRecord *self);

G_END_DECLS
