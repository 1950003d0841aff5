/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/compute/reformer-device-error.h>

/**
 * reformer_device_error_quark:
 *
 * Gets the error domain.
 *
 * Returns: the quark of the domain
 */
G_DEFINE_QUARK (reformer-device-error-quark, reformer_device_error)

G_DEFINE_ENUM_TYPE (ReformerDeviceError, reformer_device_error,
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_NOT_FOUND, "not-found"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "out-of-memory"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_BUILD_FAILED, "build-failed"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_LIMIT, "limit"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_LOST, "lost"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_INVALID, "invalid"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_NO_SPACE, "no-space"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DEVICE_ERROR_FAILED, "failed"))
