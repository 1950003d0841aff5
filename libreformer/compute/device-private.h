/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/run.h"

G_BEGIN_DECLS

/* What operations ask of a device. Everything OpenCL stays in device.c's neighbours: cl.c, program.c, buffer.c, launch.c. */

/* TRUE: the kernels of kernels/wide/; FALSE: kernels/simt/. CPU devices are wide; REFORMER_KERNELS=wide|simt forces one. */
gboolean        reformer_device_is_wide          (ReformerDevice *self);
/* Floats a vector of the wide dialect holds: 16 or 8 (REFORMER_VECTOR_WIDTH forces one). */
guint           reformer_device_get_vector_width (ReformerDevice *self);
/* TRUE where a tensor's memory is ordinary host memory, so that views need no copy. */
gboolean        reformer_device_shares_memory    (ReformerDevice *self);
/* Largest number of work-items in a group. */
gsize           reformer_device_get_max_group    (ReformerDevice *self);

/* Stands for no device, where an object was made without one: whatever is done on it fails with an error. Borrowed. */
ReformerDevice *reformer_device_none             (void);
/* Made by reformer_device_new_planner(). */
gboolean        reformer_device_is_planner       (ReformerDevice *self);
/* Its name, and whether it is a planner or closed: what tells it from another of the same name. */
char           *reformer_device_describe         (ReformerDevice *self);
/* Of a planner: the most bytes that were asked for at once. */
guint64         reformer_device_get_largest      (ReformerDevice *self);

/* Peak by part of the account, at the moment of the highest total: array of { name, bytes }, in the order of first use. */
typedef struct
{
  const char *part;
  guint64     bytes;
} ReformerMemoryPart;

GArray         *reformer_device_get_peak_parts   (ReformerDevice *self);

G_END_DECLS
