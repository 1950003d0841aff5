/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <glib-object.h>

#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * REFORMER_DEVICE_ERROR:
 *
 * Error domain of devices, tensors and kernels.
 */
#define REFORMER_DEVICE_ERROR (reformer_device_error_quark ())

/**
 * ReformerDeviceError:
 * @REFORMER_DEVICE_ERROR_NOT_FOUND: there is no such device
 * @REFORMER_DEVICE_ERROR_OUT_OF_MEMORY: the request goes beyond the device's memory or the memory limit
 * @REFORMER_DEVICE_ERROR_BUILD_FAILED: a kernel did not build
 * @REFORMER_DEVICE_ERROR_LIMIT: the device has less of something than is needed
 * @REFORMER_DEVICE_ERROR_LOST: the device does not answer any more, or was closed
 * @REFORMER_DEVICE_ERROR_INVALID: a tensor's type, shape or size does not fit
 * @REFORMER_DEVICE_ERROR_NO_SPACE: the disk with the kernel cache is full
 * @REFORMER_DEVICE_ERROR_FAILED: OpenCL reported another error, named in the message
 *
 * What can go wrong with a device.
 */
typedef enum
{
  REFORMER_DEVICE_ERROR_NOT_FOUND,
  REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
  REFORMER_DEVICE_ERROR_BUILD_FAILED,
  REFORMER_DEVICE_ERROR_LIMIT,
  REFORMER_DEVICE_ERROR_LOST,
  REFORMER_DEVICE_ERROR_INVALID,
  REFORMER_DEVICE_ERROR_NO_SPACE,
  REFORMER_DEVICE_ERROR_FAILED,
} ReformerDeviceError;

#define REFORMER_TYPE_DEVICE_ERROR (reformer_device_error_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType  reformer_device_error_get_type (void);
REFORMER_AVAILABLE_IN_1_0
GQuark reformer_device_error_quark    (void);

G_END_DECLS
