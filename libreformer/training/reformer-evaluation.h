/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_EVALUATION (reformer_evaluation_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerEvaluation, reformer_evaluation, REFORMER, EVALUATION, GObject)

REFORMER_AVAILABLE_IN_1_0
guint    reformer_evaluation_get_step                (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_loss                (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_bits                (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_perplexity          (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_bits_per_byte       (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_accuracy            (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_macro_f1            (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_matthews            (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_mean_squared_error  (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_mean_absolute_error (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_exact_match         (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
gint64   reformer_evaluation_get_targets             (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
gint64   reformer_evaluation_get_samples             (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
double   reformer_evaluation_get_seconds             (ReformerEvaluation *self);
REFORMER_AVAILABLE_IN_1_0
gboolean reformer_evaluation_get_best                (ReformerEvaluation *self);

G_END_DECLS
