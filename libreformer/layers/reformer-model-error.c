/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-model-error.h>

/**
 * reformer_model_error_quark:
 *
 * Gets the error domain.
 *
 * Returns: the quark of the domain
 */
G_DEFINE_QUARK (reformer-model-error-quark, reformer_model_error)

G_DEFINE_ENUM_TYPE (ReformerModelError, reformer_model_error,
                    G_DEFINE_ENUM_VALUE (REFORMER_MODEL_ERROR_INVALID_CONFIG, "invalid-config"),
                    G_DEFINE_ENUM_VALUE (REFORMER_MODEL_ERROR_INVALID_INPUT, "invalid-input"),
                    G_DEFINE_ENUM_VALUE (REFORMER_MODEL_ERROR_SHAPE, "shape"),
                    G_DEFINE_ENUM_VALUE (REFORMER_MODEL_ERROR_UNSUPPORTED, "unsupported"),
                    G_DEFINE_ENUM_VALUE (REFORMER_MODEL_ERROR_MISMATCH, "mismatch"),
                    G_DEFINE_ENUM_VALUE (REFORMER_MODEL_ERROR_FAILED, "failed"))
