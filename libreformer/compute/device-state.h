/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/account.h"
#include "compute/cl.h"
#include "compute/device-private.h"
#include "compute/profile.h"

G_BEGIN_DECLS

/* The insides of a device, for the files of compute/ only.
 *
 * `lock` guards everything below it and is held around every use of the queue, because clSetKernelArg of one kernel is not safe from
 * several threads. Waiting for the device is done without it. `account` has its own lock. */

typedef struct _ReformerBuffer ReformerBuffer;

/* A command that is waited for, so that the host does not run far ahead. */
typedef struct
{
  cl_event event; /* NULL: none */
  guint64  at;    /* its number */
  guint    n;     /* commands since the one before */
  gint64   begin; /* when the first of them was queued */
} ReformerMilestone;

struct _ReformerDevice
{
  GObject             parent_instance;

  /* What the device is; does not change. */
  cl_platform_id      platform_id;
  cl_device_id        device_id; /* NULL: a planner, or an object made without a device */
  char               *name;
  char               *vendor;
  char               *platform;
  char               *driver;
  char               *device_version;
  char               *platform_version;
  ReformerDeviceKind  kind;
  guint               compute_units;
  guint64             memory;
  guint64             local_memory;
  gboolean            less_local;   /* than the driver says: REFORMER_LIMITS */
  gboolean            own_memory;   /* even where it could be shared: REFORMER_LIMITS */
  guint64             max_allocation;
  gsize               max_group;
  guint               vector_width;
  gboolean            wide;
  gboolean            planner;

  guint64             memory_limit; /* guarded by account.lock; 0: none */
  guint64             largest;      /* guarded by account.lock; of a planner: the most bytes at once */
  ReformerAccount     account;

  GRecMutex           lock;
  gboolean            opened;
  gboolean            closed;
  gboolean            shares_memory;
  cl_context          context;
  cl_command_queue    queue;
  cl_mem              tickets;     /* a count that only grows, for launches whose groups take tile after tile */
  guint32             next_ticket; /* what it is when all that is queued is done */
  gboolean            profiling; /* asked for before the device was opened */
  ReformerProfile    *profile;  /* NULL unless asked for */
  GHashTable         *sources;  /* family -> text, of families that are not in the resource */
  GHashTable         *programs; /* set of ReformerProgram */
  GHashTable         *refused;  /* set of "FAMILY OPTIONS" that the driver does not build */
  guint               n_built;  /* programs built from source, and taken from the cache on disk */
  guint               n_loaded;

  ReformerBuffer     *live;       /* first of a list */
  GHashTable         *cached;     /* size -> GQueue of free buffers, oldest first */
  ReformerBuffer     *free_first; /* all free buffers, oldest first */
  ReformerBuffer     *free_last;
  guint64             cached_bytes;

  /* Commands are numbered as they are queued; all up to `n_finished` are known to be done. */
  guint64             n_queued;
  guint64             n_finished;
  guint64             n_flushed;
  ReformerMilestone   milestone; /* the newest; bounds how far the host runs ahead */
  ReformerMilestone   due;       /* the one before it, which somebody has to wait for before more is queued */
  gint64              window;    /* when the first command after the newest was queued */
  guint               spacing;   /* commands from one to the next */
  double              slowest;   /* microseconds that a command took on average between two of the last milestones, the most of them */
  gint64              reached;   /* when the last one was */
};

/* The one object of a device in this process. */
ReformerDevice *reformer_device_for_id         (cl_platform_id    platform,
                                                cl_device_id      device);
/* Dialect and vector width, by what the device is and what the environment says. */
void            reformer_device_choose_kernels (ReformerDevice   *self,
                                                guint             native_width);
/* Every device of every platform, in their order; never NULL. */
GPtrArray      *reformer_device_enumerate      (void);

/* Opens context and queue at the first call. The lock must be held; fails for closed devices. */
gboolean        reformer_device_open           (ReformerDevice   *self,
                                                GError          **error);
/* Lock held: TRUE when the next command should have an event, for reformer_device_queued(). */
gboolean        reformer_device_wants_events   (ReformerDevice   *self);
/* Lock held: a command was queued. Takes the event, if any. Flushes now and then. */
void            reformer_device_queued         (ReformerDevice   *self,
                                                const char       *name,
                                                cl_event          event,
                                                ReformerWork      work);
/* Without the lock: after commands were queued, waits until at most about a tenth of a second of work is. */
void            reformer_device_pace           (ReformerDevice   *self);
/* Without the lock: waits for the event, which it takes, of command number `at`. */
gboolean        reformer_device_wait           (ReformerDevice   *self,
                                                cl_event          event,
                                                guint64           at,
                                                const char       *what,
                                                GError          **error);
/* Lock held: waits for all that is queued. */
cl_int          reformer_device_finish         (ReformerDevice   *self);

static inline void
reformer_device_lock (ReformerDevice *self)
{
  g_rec_mutex_lock (&self->lock);
}

static inline void
reformer_device_unlock (ReformerDevice *self)
{
  g_rec_mutex_unlock (&self->lock);
}

G_END_DECLS
