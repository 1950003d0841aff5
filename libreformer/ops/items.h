/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/device-private.h"
#include "ops/rows.h"

G_BEGIN_DECLS

/* How much a work-item does, for kernels that are written once: enough to be worth a work-group on a processor, little and of many on a GPU.
 * Nothing computed depends on it. */

#define REFORMER_ITEM_ELEMENTS 8192

/* `n` tasks of `size` elements each: how many of them an item takes. */
static inline gsize
reformer_tasks_per_item (ReformerDevice *device,
                         gsize           n,
                         gsize           size)
{
  const gsize items = 8 * (gsize) reformer_device_get_compute_units (device);
  const gsize most = MAX (REFORMER_ITEM_ELEMENTS / MAX (size, 1), 1);

  return reformer_device_is_wide (device) ? CLAMP (n / items, 1, most) : 1;
}

/* As above for `n` single elements, in whole vectors. */
static inline gsize
reformer_elements_per_item (ReformerDevice *device,
                            gsize           n)
{
  const gsize width = reformer_device_get_vector_width (device);

  return reformer_tasks_per_item (device, n / width, width) * width;
}

/* n x b x c such items: groups of one on a processor, where reformer_grid_items() would give neighbours to one core. */
static inline ReformerGrid
reformer_grid_tasks (ReformerDevice *device,
                     gsize           n,
                     gsize           b,
                     gsize           c)
{
  return reformer_device_is_wide (device) ? reformer_grid_tiles (n, b, c) : reformer_grid_items (device, n, b, c);
}

static inline gsize
reformer_divide_up (gsize n,
                    gsize by)
{
  return (n + by - 1) / by;
}

/* Where the rows of a table are shared out to items by their number modulo `classes`, `columns` vectors wide: how many classes. Every item
 * reads all tokens' numbers, so no more than it takes to keep the device busy. */
static inline gsize
reformer_classes (ReformerDevice *device,
                  gsize           columns)
{
  const gsize units = reformer_device_get_compute_units (device);

  return CLAMP ((reformer_device_is_wide (device) ? 4 : 64) * units / columns, 1, 64);
}

G_END_DECLS
