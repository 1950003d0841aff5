/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/files/reformer-file-error.h>

/**
 * reformer_file_error_quark:
 *
 * Gets the error domain.
 *
 * Returns: the quark of the domain
 */
G_DEFINE_QUARK (reformer-file-error-quark, reformer_file_error)

G_DEFINE_ENUM_TYPE (ReformerFileError, reformer_file_error,
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_NOT_FOUND, "not-found"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_INVALID, "invalid"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_UNSUPPORTED, "unsupported"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_TRUNCATED, "truncated"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_MISMATCH, "mismatch"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_LIMIT, "limit"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_NO_SPACE, "no-space"),
                    G_DEFINE_ENUM_VALUE (REFORMER_FILE_ERROR_FAILED, "failed"))
