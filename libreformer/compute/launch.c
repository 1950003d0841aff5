/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/launch.h"

#include "compute/program.h"
#include "compute/tensor-private.h"

#include <libreformer/compute/reformer-device-error.h>

#include <string.h>

/* Work-items in a group for kernels with one small task each. One fixed size for each dialect: PoCL compiles a kernel again for every other,
 * and a group costs it about 20 ns. */
#define WIDE_ITEMS 8
#define SIMT_ITEMS 64

ReformerGrid
reformer_grid_tiles (gsize a,
                     gsize b,
                     gsize c)
{
  return (ReformerGrid) { { a, b, c }, { 1, 1, 1 }, { 0 } };
}

ReformerGrid
reformer_grid_shared (ReformerDevice *device,
                      gsize           a,
                      gsize           b,
                      gsize           c)
{
  return (ReformerGrid) { { MIN (a * b * c, MAX (1, reformer_device_get_compute_units (device))), 1, 1 }, { 1, 1, 1 }, { a, b, c } };
}

ReformerGrid
reformer_grid_items (ReformerDevice *device,
                     gsize           n,
                     gsize           b,
                     gsize           c)
{
  const gsize items = MIN (reformer_device_is_wide (device) ? WIDE_ITEMS : SIMT_ITEMS, reformer_device_get_max_group (device));

  return (ReformerGrid) { { (n + items - 1) / items * items, b, c }, { items, 1, 1 }, { 0 } };
}

ReformerGrid
reformer_grid_groups (gsize a,
                      gsize b,
                      gsize c,
                      gsize l0,
                      gsize l1)
{
  return (ReformerGrid) { { a * l0, b * l1, c }, { l0, l1, 1 }, { 0 } };
}

/* FALSE, with the run failed, when `n` elements from the span on are not all inside its tensor. */
static gboolean
check_span (ReformerRun        *run,
            const ReformerSpan *span,
            gsize               n,
            const char         *what)
{
  const gsize n_elements = reformer_tensor_get_n_elements (span->tensor);

  if (reformer_tensor_get_device (span->tensor) != run->device)
    {
      g_autofree char *seen = reformer_device_describe (reformer_tensor_get_device (span->tensor)), *wanted = reformer_device_describe (run->device);

      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "%s: a tensor is on device %s, the work on %s", what, seen, wanted);
    }
  else if (span->offset > n_elements || n > n_elements - span->offset)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                       "%s: elements %" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT " wanted of a tensor of %" G_GSIZE_FORMAT, what, span->offset,
                       span->offset + n, n_elements);

  return run->error == NULL;
}

static gboolean
ready (ReformerRun *run)
{
  return run->error == NULL && !g_cancellable_set_error_if_cancelled (run->cancellable, &run->error);
}

/* What TICKETS stands for. Launches follow each other on the queue, and a group that finds no tile has taken a ticket as well: so it is known with which one the launch begins. */
static cl_int
set_shared (ReformerDevice     *device,
            cl_kernel           kernel,
            const ReformerGrid *grid)
{
  const cl_uint tiles[4] = { (cl_uint) grid->tiles[0], (cl_uint) grid->tiles[1], (cl_uint) grid->tiles[2], device->next_ticket };
  const cl_int code = reformer_cl_set_kernel_arg (kernel, 0, sizeof device->tickets, &device->tickets);

  return code == CL_SUCCESS ? reformer_cl_set_kernel_arg (kernel, 1, sizeof tiles, tiles) : code;
}

static gsize
count_tickets (const ReformerGrid *grid)
{
  return grid->tiles[0] * grid->tiles[1] * grid->tiles[2] + grid->global[0];
}

static cl_int
set_args (ReformerDevice     *device,
          cl_kernel           kernel,
          const ReformerGrid *grid,
          const ReformerArg  *args,
          guint               n_args,
          guint              *failed)
{
  const gboolean shared = grid->tiles[0] > 0;
  cl_int code = shared ? set_shared (device, kernel, grid) : CL_SUCCESS;
  guint index = shared ? 2 : 0;

  for (guint i = 0; i < n_args && code == CL_SUCCESS; i++)
    {
      const ReformerArg *arg = &args[i];

      *failed = index;
      switch (arg->type)
        {
        case REFORMER_ARG_SPAN:
          {
            const cl_mem mem = arg->span.tensor != NULL ? reformer_tensor_get_buffer (arg->span.tensor)->mem : NULL;
            const cl_ulong offset = arg->span.offset;

            code = reformer_cl_set_kernel_arg (kernel, index++, sizeof mem, mem != NULL ? &mem : NULL);
            if (code == CL_SUCCESS)
              code = reformer_cl_set_kernel_arg (kernel, index++, sizeof offset, &offset);
          }
          break;
        case REFORMER_ARG_INT:
          code = reformer_cl_set_kernel_arg (kernel, index++, sizeof arg->i, &arg->i);
          break;
        case REFORMER_ARG_UINT:
          code = reformer_cl_set_kernel_arg (kernel, index++, sizeof arg->u, &arg->u);
          break;
        case REFORMER_ARG_ULONG:
          code = reformer_cl_set_kernel_arg (kernel, index++, sizeof arg->ul, &arg->ul);
          break;
        case REFORMER_ARG_FLOAT:
          code = reformer_cl_set_kernel_arg (kernel, index++, sizeof arg->f, &arg->f);
          break;
        case REFORMER_ARG_INT4:
          code = reformer_cl_set_kernel_arg (kernel, index++, sizeof arg->i4, arg->i4);
          break;
        case REFORMER_ARG_WORK:
          break;
        default:
          code = CL_INVALID_ARG_VALUE;
        }
    }
  return code;
}

/* A driver knows its own limit, but not one that was set for tests. */
static gboolean
check_group (ReformerRun        *run,
             const char         *family,
             const char         *name,
             const ReformerGrid *grid)
{
  const gsize items = grid->local[0] * grid->local[1] * grid->local[2], most = reformer_device_get_max_group (run->device);

  if (items > most)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT,
                       "%s: kernel %s (%s) wants groups of %" G_GSIZE_FORMAT " work-items; the device takes at most %" G_GSIZE_FORMAT, run->device->name, name, family, items, most);
  return run->error == NULL;
}

static ReformerWork
work_of (const ReformerArg *args,
         guint              n_args)
{
  for (guint i = n_args; i > 0; i--)
    if (args[i - 1].type == REFORMER_ARG_WORK)
      return args[i - 1].work;
  return (ReformerWork) { 0, 0 };
}

void
reformer_launch_full (ReformerRun       *run,
                      const char        *family,
                      const char        *options,
                      const char        *name,
                      ReformerGrid       grid,
                      const ReformerArg *args,
                      guint              n_args)
{
  ReformerDevice *device = run->device;
  ReformerKernel *kernel;
  cl_event event = NULL;
  guint failed = 0;
  cl_int code;

  if (!ready (run))
    return;
  for (guint i = 0; i < n_args; i++)
    if (args[i].type == REFORMER_ARG_SPAN && args[i].span.tensor != NULL && !check_span (run, &args[i].span, 0, name))
      return;
  if (device->planner || grid.global[0] == 0 || grid.global[1] == 0 || grid.global[2] == 0 || !check_group (run, family, name, &grid))
    return;

  reformer_device_lock (device);

  if (reformer_device_open (device, &run->error) &&
      (kernel = reformer_program_get_kernel (device, family, options, name, &run->error)) != NULL)
    {
      code = set_args (device, kernel->kernel, &grid, args, n_args, &failed);
      if (code != CL_SUCCESS)
        {
          reformer_set_cl_error (&run->error, code, "%s: argument %u of kernel %s (%s)", device->name, failed, name, family);
        }
      else
        {
          code = reformer_cl_enqueue_kernel (device->queue, kernel->kernel, grid.global, grid.local,
                                             reformer_device_wants_events (device) ? &event : NULL);
          if (code == CL_SUCCESS)
            {
              if (grid.tiles[0] > 0)
                device->next_ticket += (guint32) count_tickets (&grid);
              reformer_device_queued (device, kernel->name, event, work_of (args, n_args));
            }
          else
            reformer_set_cl_error (&run->error, code,
                                   "%s: launching kernel %s (%s) with %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT
                                   " work-items in groups of %" G_GSIZE_FORMAT " x %" G_GSIZE_FORMAT,
                                   device->name, name, family, grid.global[0], grid.global[1], grid.global[2], grid.local[0],
                                   grid.local[1]);
        }
    }

  reformer_device_unlock (device);
  reformer_device_pace (device);
}

gboolean
reformer_run_builds (ReformerRun  *run,
                     const char   *family,
                     const char   *options,
                     GError      **reason)
{
  ReformerDevice *device = run->device;
  gboolean builds = TRUE;

  if (!ready (run))
    return TRUE;

  reformer_device_lock (device);
  if (device->planner)
    builds = !reformer_program_is_refused (device, family, options);
  else if (reformer_device_open (device, NULL))
    builds = reformer_program_builds (device, family, options, reason);
  reformer_device_unlock (device);
  return builds;
}

/* ---- transfers ---- */

/* Locks the device for a transfer, opened. */
static gboolean
begin (ReformerRun *run)
{
  reformer_device_lock (run->device);
  if (reformer_device_open (run->device, &run->error))
    return TRUE;
  reformer_device_unlock (run->device);
  return FALSE;
}

/* The other end of begin() for what was queued without waiting. */
static void
end (ReformerRun *run,
     const char  *name,
     cl_int       code,
     cl_event     event,
     gsize        n_bytes)
{
  if (code == CL_SUCCESS)
    reformer_device_queued (run->device, name, event, (ReformerWork) { 0, (double) n_bytes });
  else
    reformer_set_cl_error (&run->error, code, "%s: %s", run->device->name, name);
  reformer_device_unlock (run->device);
  reformer_device_pace (run->device);
}

void
reformer_run_fill (ReformerRun  *run,
                   ReformerSpan  to,
                   guint32       pattern,
                   gsize         n_elements)
{
  ReformerDevice *device = run->device;
  cl_event event = NULL;
  gsize size;
  cl_int code;
  /* The low bytes first, whatever the machine's order. */
  const guint8 bytes[4] = { pattern & 0xff, pattern >> 8 & 0xff, pattern >> 16 & 0xff, pattern >> 24 };
  const guint16 half = pattern & 0xffff;

  if (!ready (run) || !check_span (run, &to, n_elements, "fill") || device->planner || n_elements == 0 || !begin (run))
    return;

  size = reformer_dtype_get_size (reformer_tensor_get_dtype (to.tensor));
  code = reformer_cl_enqueue_fill (device->queue, reformer_tensor_get_buffer (to.tensor)->mem,
                                   size == 4 ? (gconstpointer) &pattern : size == 2 ? (gconstpointer) &half : (gconstpointer) bytes, size,
                                   to.offset * size, n_elements * size, reformer_device_wants_events (device) ? &event : NULL);
  end (run, "fill", code, event, n_elements * size);
}

void
reformer_run_copy (ReformerRun  *run,
                   ReformerSpan  from,
                   ReformerSpan  to,
                   gsize         n_elements)
{
  ReformerDevice *device = run->device;
  cl_event event = NULL;
  gsize size;
  cl_int code;

  if (!ready (run) || !check_span (run, &from, n_elements, "copy") || !check_span (run, &to, n_elements, "copy"))
    return;

  size = reformer_dtype_get_size (reformer_tensor_get_dtype (from.tensor));
  if (reformer_dtype_get_size (reformer_tensor_get_dtype (to.tensor)) != size)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "copy from %s to %s: the types differ in size",
                         reformer_dtype_get_name (reformer_tensor_get_dtype (from.tensor)),
                         reformer_dtype_get_name (reformer_tensor_get_dtype (to.tensor)));
      return;
    }

  if (device->planner || n_elements == 0 || !begin (run))
    return;

  code = reformer_cl_enqueue_copy (device->queue, reformer_tensor_get_buffer (from.tensor)->mem, reformer_tensor_get_buffer (to.tensor)->mem,
                                   from.offset * size, to.offset * size, n_elements * size,
                                   reformer_device_wants_events (device) ? &event : NULL);
  end (run, "copy", code, event, 2 * n_elements * size);
}

/* Below this many bytes a transfer of a device that shares memory, with nothing queued, is done in place with the lock held. */
#define SMALL_TRANSFER ((gsize) 1 << 20)

/* A transfer that is waited for, without the lock. */
static void
transfer (ReformerRun   *run,
          ReformerSpan   span,
          gpointer       to,
          gconstpointer  from,
          gsize          n_elements)
{
  const char *name = to != NULL ? "read" : "write";
  ReformerDevice *device = run->device;
  const gsize size = reformer_dtype_get_size (reformer_tensor_get_dtype (span.tensor));
  cl_mem mem;
  cl_event event = NULL;
  guint64 at = 0;
  cl_int code;

  if (!begin (run))
    return;

  if (device->shares_memory && device->n_finished == device->n_queued && n_elements * size <= SMALL_TRANSFER)
    {
      guchar *host = reformer_tensor_get_buffer (span.tensor)->host + span.offset * size;

      if (to != NULL)
        memcpy (to, host, n_elements * size);
      else
        memcpy (host, from, n_elements * size);
      reformer_device_unlock (device);
      return;
    }

  mem = reformer_tensor_get_buffer (span.tensor)->mem;
  if (to != NULL)
    code = reformer_cl_enqueue_read (device->queue, mem, span.offset * size, n_elements * size, to, &event);
  else
    code = reformer_cl_enqueue_write (device->queue, mem, span.offset * size, n_elements * size, from, &event);

  if (code == CL_SUCCESS)
    {
      reformer_device_queued (device, name, NULL, (ReformerWork) { 0, 0 });
      at = device->n_queued;
      device->n_flushed = at;
      reformer_cl_flush (device->queue);
    }
  else
    {
      reformer_set_cl_error (&run->error, code, "%s: %s of %" G_GSIZE_FORMAT " bytes", device->name, name, n_elements * size);
    }
  reformer_device_unlock (device);

  if (code == CL_SUCCESS)
    reformer_device_wait (device, event, at, name, &run->error);
}

void
reformer_run_write (ReformerRun   *run,
                    ReformerSpan   to,
                    gconstpointer  from,
                    gsize          n_elements)
{
  if (ready (run) && check_span (run, &to, n_elements, "write") && !run->device->planner && n_elements > 0)
    transfer (run, to, NULL, from, n_elements);
}

void
reformer_run_read (ReformerRun  *run,
                   ReformerSpan  from,
                   gpointer      to,
                   gsize         n_elements)
{
  if (!ready (run) || !check_span (run, &from, n_elements, "read") || n_elements == 0)
    return;

  if (run->device->planner)
    memset (to, 0, n_elements * reformer_dtype_get_size (reformer_tensor_get_dtype (from.tensor)));
  else
    transfer (run, from, to, NULL, n_elements);
}
