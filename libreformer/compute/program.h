/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/device-state.h"

G_BEGIN_DECLS

/* Programs are built when the first of their kernels is wanted, one for each (family, options). A family's source is common.cl followed
 * by FAMILY.cl of the resource folder /org/reformer/kernels (G_RESOURCE_OVERLAYS can put others in their place). */

typedef struct
{
  char      *name;
  cl_kernel  kernel;
} ReformerKernel;

GHashTable     *reformer_program_set_new    (void);
/* Lock held, device open. The kernel stays the device's. */
ReformerKernel *reformer_program_get_kernel (ReformerDevice  *device,
                                             const char      *family,
                                             const char      *options,
                                             const char      *name,
                                             GError         **error);
/* Lock held, device open. FALSE where the driver refuses the source or the options; the reason is given the first time only. */
gboolean        reformer_program_builds     (ReformerDevice  *device,
                                             const char      *family,
                                             const char      *options,
                                             GError         **reason);
/* Lock held. Whether reformer_program_builds() has said FALSE, or would of what it knows. */
gboolean        reformer_program_is_refused (ReformerDevice  *device,
                                             const char      *family,
                                             const char      *options);
/* Makes another device know what this one has refused so far. */
void            reformer_program_copy_refused (ReformerDevice *from,
                                               ReformerDevice *to);
/* Makes `text` the source of the family on this device (after common.cl), in place of the resource. For tests and trials. */
void            reformer_program_add_source (ReformerDevice  *device,
                                             const char      *family,
                                             const char      *text);

G_END_DECLS
