/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_SAMPLE (reformer_sample_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerSample, reformer_sample, REFORMER, SAMPLE, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerSample *reformer_sample_new             (GBytes          *tokens,
                                                 GBytes          *mask,
                                                 GBytes          *labels);
REFORMER_AVAILABLE_IN_1_0
ReformerSample *reformer_sample_new_from_ids    (const int       *ids,
                                                 gsize            n_ids);
REFORMER_AVAILABLE_IN_1_0
ReformerSample *reformer_sample_new_from_values (GBytes          *values,
                                                 int              features,
                                                 GBytes          *mask,
                                                 GBytes          *labels);
REFORMER_AVAILABLE_IN_1_0
gsize           reformer_sample_get_length      (ReformerSample  *self);
REFORMER_AVAILABLE_IN_1_0
GBytes         *reformer_sample_get_tokens      (ReformerSample  *self);
REFORMER_AVAILABLE_IN_1_0
GBytes         *reformer_sample_get_values      (ReformerSample  *self);
REFORMER_AVAILABLE_IN_1_0
int             reformer_sample_get_features    (ReformerSample  *self);
REFORMER_AVAILABLE_IN_1_0
GBytes         *reformer_sample_get_mask        (ReformerSample  *self);
REFORMER_AVAILABLE_IN_1_0
GBytes         *reformer_sample_get_labels      (ReformerSample  *self);

G_END_DECLS
