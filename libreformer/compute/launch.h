/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/run.h"
#include "compute/work.h"

G_BEGIN_DECLS

/* A place in a tensor: kernels get the buffer and the offset. A NULL tensor is passed as a NULL buffer. */
typedef struct
{
  ReformerTensor *tensor; /* borrowed */
  gsize           offset; /* elements */
} ReformerSpan;

static inline ReformerSpan
reformer_at (ReformerTensor *tensor,
             gsize           offset)
{
  return (ReformerSpan) { tensor, offset };
}

static inline ReformerSpan
reformer_span (ReformerTensor *tensor)
{
  return (ReformerSpan) { tensor, 0 };
}

static inline ReformerSpan
reformer_span_add (ReformerSpan span,
                   gsize        elements)
{
  return (ReformerSpan) { span.tensor, span.offset + elements };
}

#define REFORMER_NOTHING ((ReformerSpan) { NULL, 0 })

typedef struct
{
  enum
  {
    REFORMER_ARG_SPAN,  /* sets two arguments: __global pointer, ulong offset */
    REFORMER_ARG_INT,   /* int */
    REFORMER_ARG_UINT,  /* uint */
    REFORMER_ARG_ULONG, /* ulong */
    REFORMER_ARG_FLOAT, /* float */
    REFORMER_ARG_INT4,  /* int4 */
    REFORMER_ARG_WORK,  /* no argument: what the launch does, for the profile */
  } type;
  union
  {
    ReformerSpan span;
    gint32       i;
    guint32      u;
    guint64      ul;
    float        f;
    gint32       i4[4];
    ReformerWork work;
  };
} ReformerArg;

#define REFORMER_SPAN(x)  { .type = REFORMER_ARG_SPAN, .span = (x) }
#define REFORMER_INT(x)   { .type = REFORMER_ARG_INT, .i = (gint32) (x) }
#define REFORMER_UINT(x)  { .type = REFORMER_ARG_UINT, .u = (guint32) (x) }
#define REFORMER_ULONG(x) { .type = REFORMER_ARG_ULONG, .ul = (guint64) (x) }
#define REFORMER_FLOAT(x) { .type = REFORMER_ARG_FLOAT, .f = (float) (x) }
#define REFORMER_WORK(operations, n_bytes) { .type = REFORMER_ARG_WORK, .work = { (double) (operations), (double) (n_bytes) } }
#define REFORMER_WORK_OF(x) { .type = REFORMER_ARG_WORK, .work = (x) }
#define REFORMER_INT4(a, b, c, d) { .type = REFORMER_ARG_INT4, .i4 = { (a), (b), (c), (d) } }

/* Global and local sizes of a launch. An empty grid (a 0 in it) launches nothing. */
typedef struct
{
  gsize global[3];
  gsize local[3];
  gsize tiles[3]; /* of reformer_grid_shared(); else 0 */
} ReformerGrid;

/* a x b x c work-groups of one work-item each: the wide dialect. */
ReformerGrid reformer_grid_tiles  (gsize a,
                                   gsize b,
                                   gsize c);
/* a x b x c tiles that as many work-groups of one work-item as the device has units take one after another, so that a unit which is held up leaves its tiles
 * to the others. The kernel begins with TICKETS and goes through its tiles with EACH_TILE (kernels/common.cl). */
ReformerGrid reformer_grid_shared (ReformerDevice *device,
                                   gsize           a,
                                   gsize           b,
                                   gsize           c);
/* n x b x c independent small work-items (a row, 16 elements); the first size is rounded up to whole groups (8 items in the wide dialect, 64 in the
 * other), so kernels check get_global_id (0) < n. Few items with much work each want reformer_grid_tiles(), where every item is a group. */
ReformerGrid reformer_grid_items  (ReformerDevice *device,
                                   gsize           n,
                                   gsize           b,
                                   gsize           c);
/* a x b x c work-groups of l0 x l1 work-items: the simt dialect. */
ReformerGrid reformer_grid_groups (gsize a,
                                   gsize b,
                                   gsize c,
                                   gsize l0,
                                   gsize l1);

/* Queues kernel `name` of program `family` ("norm", "wide/product", ...), built with the extra options (may be NULL: "-DHEAD_SIZE=64").
 * Does nothing when the run has failed, is cancelled (then it fails with G_IO_ERROR_CANCELLED), or the device only plans. */
void reformer_launch_full (ReformerRun       *run,
                           const char        *family,
                           const char        *options,
                           const char        *name,
                           ReformerGrid       grid,
                           const ReformerArg *args,
                           guint              n_args);

#define REFORMER_LAUNCH(run, family, options, name, grid, ...)                                              \
  reformer_launch_full ((run), (family), (options), (name), (grid), (const ReformerArg[]) { __VA_ARGS__ }, \
                        sizeof ((const ReformerArg[]) { __VA_ARGS__ }) / sizeof (ReformerArg))

/* FALSE where the driver refuses to build the program; the reason is given the first time only. Whatever else is wrong is left to the launch.
 * A planner builds nothing, and knows what the device that it is like had refused when it was made. */
gboolean reformer_run_builds (ReformerRun  *run,
                              const char   *family,
                              const char   *options,
                              GError      **reason);

/* Queued, in order with launches. Bytes and elements of the tensor's type. Fill: with a 4-byte pattern, or 1 byte for uint8. */
void reformer_run_fill  (ReformerRun  *run,
                         ReformerSpan  to,
                         guint32       pattern,
                         gsize         n_elements);
void reformer_run_copy  (ReformerRun  *run,
                         ReformerSpan  from,
                         ReformerSpan  to,
                         gsize         n_elements);
/* Blocking transfers from and to host memory. */
void reformer_run_write (ReformerRun  *run,
                         ReformerSpan  to,
                         gconstpointer from,
                         gsize         n_elements);
void reformer_run_read  (ReformerRun  *run,
                         ReformerSpan  from,
                         gpointer      to,
                         gsize         n_elements);

G_END_DECLS
