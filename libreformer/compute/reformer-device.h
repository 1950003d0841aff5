/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>

#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

/**
 * ReformerDeviceKind:
 * @REFORMER_DEVICE_KIND_CPU: a processor
 * @REFORMER_DEVICE_KIND_GPU: a graphics processor
 * @REFORMER_DEVICE_KIND_OTHER: an accelerator or something else
 *
 * What a device is.
 */
typedef enum
{
  REFORMER_DEVICE_KIND_CPU,
  REFORMER_DEVICE_KIND_GPU,
  REFORMER_DEVICE_KIND_OTHER,
} ReformerDeviceKind;

#define REFORMER_TYPE_DEVICE_KIND (reformer_device_kind_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType           reformer_device_kind_get_type         (void);

#define REFORMER_TYPE_DEVICE (reformer_device_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerDevice, reformer_device, REFORMER, DEVICE, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerDevice     *reformer_device_get_default        (GError         **error);
REFORMER_AVAILABLE_IN_1_0
ReformerDevice     *reformer_device_find               (const char      *wanted,
                                                        GError         **error);
REFORMER_AVAILABLE_IN_1_0
ReformerDevice     *reformer_device_new_planner        (ReformerDevice  *like);

REFORMER_AVAILABLE_IN_1_0
const char         *reformer_device_get_name           (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_device_get_vendor         (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_device_get_platform       (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_device_get_driver         (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
ReformerDeviceKind  reformer_device_get_kind           (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_device_get_compute_units  (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_device_get_memory         (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_device_get_local_memory   (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_device_get_max_allocation (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_device_get_kernels        (ReformerDevice  *self);

REFORMER_AVAILABLE_IN_1_0
guint64             reformer_device_get_memory_limit   (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_device_set_memory_limit   (ReformerDevice  *self,
                                                        guint64          bytes);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_device_get_memory_used    (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
guint64             reformer_device_get_memory_peak    (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_device_reset_memory_peak  (ReformerDevice  *self);

REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_device_synchronize        (ReformerDevice  *self,
                                                        GError         **error);
REFORMER_AVAILABLE_IN_1_0
void                reformer_device_close              (ReformerDevice  *self);

REFORMER_AVAILABLE_IN_1_0
GVariant           *reformer_device_dup_profile        (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_device_get_profiling      (ReformerDevice  *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_device_set_profiling      (ReformerDevice  *self,
                                                        gboolean         profiling);

G_END_DECLS
