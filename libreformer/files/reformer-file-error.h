/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <glib-object.h>

#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * REFORMER_FILE_ERROR:
 *
 * Error domain of files and folders.
 */
#define REFORMER_FILE_ERROR (reformer_file_error_quark ())

/**
 * ReformerFileError:
 * @REFORMER_FILE_ERROR_NOT_FOUND: there is no such file or folder, or a folder lacks a file it must have
 * @REFORMER_FILE_ERROR_INVALID: the content is malformed
 * @REFORMER_FILE_ERROR_UNSUPPORTED: well formed perhaps, but of a kind that is not read
 * @REFORMER_FILE_ERROR_TRUNCATED: the file ends too early, or was cut short while it was read
 * @REFORMER_FILE_ERROR_MISMATCH: tensors are missing, surplus or of another shape than wanted, or a file is not what it was when it was opened
 * @REFORMER_FILE_ERROR_LIMIT: a size or a count is beyond what is read or written
 * @REFORMER_FILE_ERROR_NO_SPACE: the disk is full
 * @REFORMER_FILE_ERROR_FAILED: the system reported another error, named in the message
 *
 * What can go wrong with a file.
 */
typedef enum
{
  REFORMER_FILE_ERROR_NOT_FOUND,
  REFORMER_FILE_ERROR_INVALID,
  REFORMER_FILE_ERROR_UNSUPPORTED,
  REFORMER_FILE_ERROR_TRUNCATED,
  REFORMER_FILE_ERROR_MISMATCH,
  REFORMER_FILE_ERROR_LIMIT,
  REFORMER_FILE_ERROR_NO_SPACE,
  REFORMER_FILE_ERROR_FAILED,
} ReformerFileError;

#define REFORMER_TYPE_FILE_ERROR (reformer_file_error_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType  reformer_file_error_get_type (void);
REFORMER_AVAILABLE_IN_1_0
GQuark reformer_file_error_quark    (void);

G_END_DECLS
