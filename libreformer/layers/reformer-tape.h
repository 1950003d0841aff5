/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/compute/reformer-tensor.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_TAPE (reformer_tape_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerTape, reformer_tape, REFORMER, TAPE, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerTape   *reformer_tape_new             (ReformerDevice  *device);
REFORMER_AVAILABLE_IN_1_0
ReformerDevice *reformer_tape_get_device      (ReformerTape    *self);

REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_tape_get_recording   (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_recording   (ReformerTape    *self,
                                               gboolean         recording);
REFORMER_AVAILABLE_IN_1_0
gboolean        reformer_tape_get_training    (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_training    (ReformerTape    *self,
                                               gboolean         training);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor *reformer_tape_get_mask        (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_mask        (ReformerTape    *self,
                                               ReformerTensor  *mask);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor *reformer_tape_get_global_mask (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_global_mask (ReformerTape    *self,
                                               ReformerTensor  *global_mask);
REFORMER_AVAILABLE_IN_1_0
guint64         reformer_tape_get_start       (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_start       (ReformerTape    *self,
                                               guint64          start);
REFORMER_AVAILABLE_IN_1_0
guint64         reformer_tape_get_seed        (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_seed        (ReformerTape    *self,
                                               guint64          seed);
REFORMER_AVAILABLE_IN_1_0
guint           reformer_tape_get_sequence    (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_sequence    (ReformerTape    *self,
                                               guint            sequence);
REFORMER_AVAILABLE_IN_1_0
GCancellable   *reformer_tape_get_cancellable (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_set_cancellable (ReformerTape    *self,
                                               GCancellable    *cancellable);

REFORMER_AVAILABLE_IN_1_0
void            reformer_tape_push            (ReformerTape    *self,
                                               ReformerTensor  *tensor);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor *reformer_tape_pop             (ReformerTape    *self);
REFORMER_AVAILABLE_IN_1_0
guint           reformer_tape_get_depth       (ReformerTape    *self);

G_END_DECLS
