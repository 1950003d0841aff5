/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * REFORMER_TRAINER_ERROR:
 *
 * Error domain of training.
 */
#define REFORMER_TRAINER_ERROR (reformer_trainer_error_quark ())

/**
 * ReformerTrainerError:
 * @REFORMER_TRAINER_ERROR_INVALID: a setting that does not fit
 * @REFORMER_TRAINER_ERROR_DATA: data that cannot be trained on: none, too few, others than said
 * @REFORMER_TRAINER_ERROR_BUSY: the trainer, or its folder, is in use
 * @REFORMER_TRAINER_ERROR_FOLDER: a folder that is not empty and not of a run, or has a run already
 * @REFORMER_TRAINER_ERROR_CHECKPOINT: no whole checkpoint
 * @REFORMER_TRAINER_ERROR_MISMATCH: a checkpoint of another model, other data, another optimizer or another version
 * @REFORMER_TRAINER_ERROR_NON_FINITE: too many steps in a row with a loss or gradient that is no finite number
 *
 * What can go wrong in training, beside what models, files and devices have errors for.
 */
typedef enum
{
  REFORMER_TRAINER_ERROR_INVALID,
  REFORMER_TRAINER_ERROR_DATA,
  REFORMER_TRAINER_ERROR_BUSY,
  REFORMER_TRAINER_ERROR_FOLDER,
  REFORMER_TRAINER_ERROR_CHECKPOINT,
  REFORMER_TRAINER_ERROR_MISMATCH,
  REFORMER_TRAINER_ERROR_NON_FINITE,
} ReformerTrainerError;

#define REFORMER_TYPE_TRAINER_ERROR (reformer_trainer_error_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType  reformer_trainer_error_get_type (void);
REFORMER_AVAILABLE_IN_1_0
GQuark reformer_trainer_error_quark    (void);

G_END_DECLS
