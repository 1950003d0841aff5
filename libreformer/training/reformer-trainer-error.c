/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/training/reformer-trainer-error.h>

/**
 * reformer_trainer_error_quark:
 *
 * Gets the error domain.
 *
 * Returns: the quark of the domain
 */
G_DEFINE_QUARK (reformer-trainer-error-quark, reformer_trainer_error)

G_DEFINE_ENUM_TYPE (ReformerTrainerError, reformer_trainer_error,
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_INVALID, "invalid"),
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_DATA, "data"),
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_BUSY, "busy"),
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_FOLDER, "folder"),
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_CHECKPOINT, "checkpoint"),
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_MISMATCH, "mismatch"),
                    G_DEFINE_ENUM_VALUE (REFORMER_TRAINER_ERROR_NON_FINITE, "non-finite"))
