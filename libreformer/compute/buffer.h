/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/device-state.h"

G_BEGIN_DECLS

/* Memory of a device, shared by the tensors that are views of it.
 *
 * On CPU devices that work on host memory it is our own mapping, handed over by CL_MEM_USE_HOST_PTR: tensors can be looked at without a copy, large
 * ones lie on huge pages, and memory that is not there is an error here instead of an abort in the driver. Vector kernels may read up to
 * REFORMER_BUFFER_SLACK bytes beyond the end.
 *
 * A freed buffer waits in the device's pool for the next one of its size. Where memory is host memory, the pool and what is in use together may have REFORMER_POOL_BYTES more
 * than was in use at the peak, because a training step wants again what the last one had: to map and zero it anew takes a tenth of the step. What waits beyond
 * REFORMER_POOL_BYTES is offered to the system as soon as the queue is done with it, which takes it only where memory is short. On other devices REFORMER_POOL_BYTES are all.
 * More is given back at the next allocation that finds none of its size, or at once when the queue is known to be done with it. */
#define REFORMER_BUFFER_SLACK 256
#define REFORMER_POOL_BYTES (32u << 20)

struct _ReformerBuffer
{
  gatomicrefcount  ref_count;
  ReformerDevice  *device;  /* a reference while it is in use, none in the pool */
  cl_mem           mem;     /* NULL on planners and on closed devices */
  guchar          *host;    /* NULL where memory is not shared */
  gsize            mapped;  /* bytes of the mapping */
  gsize            size;    /* bytes of the cl_mem, the key in the pool */
  guint64          counted; /* bytes in the account */
  guint            part;
  gboolean         fresh;   /* never used: all bytes are zero */
  gboolean         offered; /* in the pool: the system may take its pages */
  guint64          freed_at;
  ReformerBuffer  *previous;
  ReformerBuffer  *next;
};

ReformerBuffer *reformer_buffer_new   (ReformerDevice  *device,
                                       gsize            n_bytes,
                                       const char      *part,
                                       GError         **error);
ReformerBuffer *reformer_buffer_ref   (ReformerBuffer  *self);
void            reformer_buffer_unref (ReformerBuffer  *self);

/* Lock held. Gives back the oldest free buffers until at most `keep` bytes are cached; waits for the queue where that is needed and allowed. */
void            reformer_pool_trim    (ReformerDevice  *device,
                                       guint64          keep,
                                       gboolean         may_wait);
/* Lock held. Offers the system what waits beyond REFORMER_POOL_BYTES and is used by no queued command. */
void            reformer_pool_offer   (ReformerDevice  *device);
/* Lock held, queue done: live buffers lose their cl_mem, free ones are given back. */
void            reformer_pool_close   (ReformerDevice  *device);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerBuffer, reformer_buffer_unref)

G_END_DECLS
