/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <glib-object.h>

#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * REFORMER_MODEL_ERROR:
 *
 * Error domain of configurations, layers and models.
 */
#define REFORMER_MODEL_ERROR (reformer_model_error_quark ())

/**
 * ReformerModelError:
 * @REFORMER_MODEL_ERROR_INVALID_CONFIG: a setting, or several together, make no model
 * @REFORMER_MODEL_ERROR_INVALID_INPUT: an input has values that do not fit, such as an id outside the vocabulary
 * @REFORMER_MODEL_ERROR_SHAPE: a tensor has the wrong type or shape, or a sequence is too long
 * @REFORMER_MODEL_ERROR_UNSUPPORTED: something that exists elsewhere but not here
 * @REFORMER_MODEL_ERROR_MISMATCH: two things that belong together do not agree, such as rotations and buckets
 * @REFORMER_MODEL_ERROR_FAILED: a layer failed, perhaps without saying why
 *
 * What can go wrong with a configuration, a layer or a model.
 */
typedef enum
{
  REFORMER_MODEL_ERROR_INVALID_CONFIG,
  REFORMER_MODEL_ERROR_INVALID_INPUT,
  REFORMER_MODEL_ERROR_SHAPE,
  REFORMER_MODEL_ERROR_UNSUPPORTED,
  REFORMER_MODEL_ERROR_MISMATCH,
  REFORMER_MODEL_ERROR_FAILED,
} ReformerModelError;

#define REFORMER_TYPE_MODEL_ERROR (reformer_model_error_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType  reformer_model_error_get_type (void);
REFORMER_AVAILABLE_IN_1_0
GQuark reformer_model_error_quark    (void);

G_END_DECLS
