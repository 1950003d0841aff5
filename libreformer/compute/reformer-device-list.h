/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/compute/reformer-device.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_DEVICE_LIST (reformer_device_list_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerDeviceList, reformer_device_list, REFORMER, DEVICE_LIST, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerDeviceList *reformer_device_list_new (void);

G_END_DECLS
