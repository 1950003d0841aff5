/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening and closing of a device, and its queue. */

#include "compute/buffer.h"
#include "compute/clblast.h"
#include "compute/device-state.h"

#include <libreformer/compute/reformer-device-error.h>

#include <math.h>
#include <string.h>
#include <sys/mman.h>

/* So many commands may be queued before the driver is told to start. */
#define FLUSH_EVERY 32
/* The host runs at most two milestones ahead, so that a cancelled job ends soon and queued commands do not fill memory. From one to the next there are at most so
 * many commands, and at most so many microseconds of work: as many commands as fit by what they took of late. What is known of that fades with each command. */
#define MOST_COMMANDS  32
#define FIRST_COMMANDS 4
#define MOST_TIME      25000
#define FADING         0.99
/* A wait for less, in microseconds, says that the device had nothing to do. */
#define LEAST_WAIT     100

/* TRUE when the device works on the host memory that a buffer was made with, in both directions. Tried rather than asked: OpenCL 1.2 has
 * no query for it, and some CPU drivers keep a copy. */
static gboolean
probe_shared_memory (cl_context        context,
                     cl_command_queue  queue)
{
  enum { SIZE = 4096, WORDS = SIZE / sizeof (guint32) };
  guint32 *memory = mmap (NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const guint32 pattern = 0x5eedf00d;
  cl_mem a = NULL, b = NULL;
  gboolean shared = FALSE;
  cl_int code;

  if (memory == MAP_FAILED)
    return FALSE;

  a = reformer_cl_create_buffer (context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, SIZE, memory, &code);
  b = reformer_cl_create_buffer (context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, SIZE, memory + WORDS, &code);

  if (a != NULL && b != NULL && reformer_cl_enqueue_fill (queue, a, &pattern, sizeof pattern, 0, SIZE, NULL) == CL_SUCCESS &&
      reformer_cl_finish (queue) == CL_SUCCESS && memory[0] == pattern && memory[WORDS - 1] == pattern)
    {
      memory[7] = ~pattern;
      shared = reformer_cl_enqueue_copy (queue, a, b, 0, 0, SIZE, NULL) == CL_SUCCESS && reformer_cl_finish (queue) == CL_SUCCESS &&
               memory[WORDS] == pattern && memory[WORDS + 7] == ~pattern;
    }

  if (a != NULL)
    reformer_cl_release_buffer (a);
  if (b != NULL)
    reformer_cl_release_buffer (b);
  munmap (memory, 2 * SIZE);

  return shared;
}

static void
close_queue (ReformerDevice *self)
{
  if (self->tickets != NULL)
    reformer_cl_release_buffer (self->tickets);
  reformer_cl_release_queue (self->queue);
  reformer_cl_release_context (self->context);
  self->tickets = NULL;
  self->queue = NULL;
  self->context = NULL;
}

gboolean
reformer_device_open (ReformerDevice  *self,
                      GError         **error)
{
  const gboolean profile = self->profiling || reformer_profile_wanted ();
  const cl_uint zero = 0;
  cl_int code = CL_SUCCESS;

  if (self->closed)
    {
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST, "device %s was closed", self->name);
      return FALSE;
    }
  if (self->opened)
    return TRUE;
  if (self->device_id == NULL)
    {
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND,
                   "this ReformerDevice stands for no device; reformer_device_get_default() gives one");
      return FALSE;
    }

  self->context = reformer_cl_create_context (self->platform_id, self->device_id, &code);
  if (self->context == NULL || code != CL_SUCCESS)
    {
      self->context = NULL;
      reformer_set_cl_error (error, code, "%s: opening the device", self->name);
      return FALSE;
    }

  self->queue = reformer_cl_create_queue (self->context, self->device_id, profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
  if (self->queue == NULL || code != CL_SUCCESS)
    {
      reformer_cl_release_context (self->context);
      self->context = NULL;
      self->queue = NULL;
      reformer_set_cl_error (error, code, "%s: creating a command queue", self->name);
      return FALSE;
    }

  self->tickets = reformer_cl_create_buffer (self->context, CL_MEM_READ_WRITE, sizeof zero, NULL, &code);
  if (self->tickets != NULL)
    code = reformer_cl_enqueue_fill (self->queue, self->tickets, &zero, sizeof zero, 0, sizeof zero, NULL);
  if (code != CL_SUCCESS)
    {
      close_queue (self);
      reformer_set_cl_error (error, code, "%s: opening the device", self->name);
      return FALSE;
    }

  self->shares_memory = !self->own_memory && self->kind == REFORMER_DEVICE_KIND_CPU && probe_shared_memory (self->context, self->queue);
  if (profile)
    self->profile = reformer_profile_new ();
  self->spacing = FIRST_COMMANDS;
  self->opened = TRUE;

  g_debug ("opened %s (%s, %s): %s kernels, vectors of %u, memory %s", self->name, self->platform, self->driver,
           self->wide ? "wide" : "simt", self->vector_width, self->shares_memory ? "shared" : "its own");
  return TRUE;
}

static void
milestone_clear (ReformerMilestone *milestone)
{
  if (milestone->event != NULL)
    reformer_cl_release_event (milestone->event);
  milestone->event = NULL;
}

/**
 * reformer_device_close:
 * @self: a device
 *
 * Waits for the queued work and gives back everything that the device holds. Whatever is done with the device or its tensors afterwards
 * fails with %REFORMER_DEVICE_ERROR_LOST; host memory that was looked at through [method@Tensor.map] stays valid as long as its tensor.
 */
void
reformer_device_close (ReformerDevice *self)
{
  g_return_if_fail (REFORMER_IS_DEVICE (self));

  reformer_device_lock (self);

  if (self->opened && !self->closed)
    {
      reformer_device_finish (self);
      milestone_clear (&self->milestone);
      milestone_clear (&self->due);
      if (self->profile != NULL && reformer_profile_wanted ())
        reformer_profile_print (self->profile, self->name);
      reformer_pool_close (self);
      g_hash_table_remove_all (self->programs);
      reformer_clblast_forget ();
      close_queue (self);
    }
  if (!self->planner)
    g_atomic_int_set (&self->closed, TRUE);

  reformer_device_unlock (self);
}

/* ---- the queue ---- */

gboolean
reformer_device_wants_events (ReformerDevice *self)
{
  return self->profile != NULL || self->n_queued + 1 >= self->milestone.at + self->spacing;
}

static void
reach (ReformerDevice *self,
       guint64         at)
{
  self->n_finished = MAX (self->n_finished, at);
  reformer_pool_offer (self);
}

void
reformer_device_queued (ReformerDevice *self,
                        const char     *name,
                        cl_event        event,
                        ReformerWork    work)
{
  if (self->n_queued == self->milestone.at)
    self->window = g_get_monotonic_time ();
  self->n_queued++;

  if (self->n_queued - self->n_flushed >= FLUSH_EVERY || (event != NULL && self->profile == NULL))
    {
      reformer_cl_flush (self->queue);
      self->n_flushed = self->n_queued;
    }

  if (event == NULL)
    return;

  if (self->profile != NULL)
    {
      reformer_profile_add (self->profile, name, event, work);
    }
  else
    {
      milestone_clear (&self->due); /* another thread is about to wait for a later one */
      self->due = self->milestone;
      self->milestone = (ReformerMilestone) { event, self->n_queued, (guint) (self->n_queued - self->due.at), self->window };
    }
}

void
reformer_device_pace (ReformerDevice *self)
{
  ReformerMilestone due;
  gint64 begin, end;

  reformer_device_lock (self);
  due = self->due;
  self->due.event = NULL;
  reformer_device_unlock (self);
  if (due.event == NULL)
    return;

  begin = g_get_monotonic_time ();
  reformer_cl_wait_event (due.event);
  reformer_cl_release_event (due.event);
  end = g_get_monotonic_time ();

  reformer_device_lock (self);
  reach (self, due.at);
  self->slowest *= pow (FADING, due.n);
  if (end - begin >= LEAST_WAIT)
    self->slowest = MAX (self->slowest, (double) (end - MAX (due.begin, self->reached)) / due.n);
  self->spacing = (guint) CLAMP (MOST_TIME / MAX (self->slowest, 1.0), 1, MOST_COMMANDS);
  self->reached = end;
  reformer_device_unlock (self);
}

gboolean
reformer_device_wait (ReformerDevice  *self,
                      cl_event         event,
                      guint64          at,
                      const char      *what,
                      GError         **error)
{
  const cl_int code = reformer_cl_wait_event (event);

  reformer_cl_release_event (event);
  if (code != CL_SUCCESS)
    {
      reformer_set_cl_error (error, code, "%s: %s", self->name, what);
      return FALSE;
    }

  reformer_device_lock (self);
  reach (self, at);
  reformer_device_unlock (self);
  return TRUE;
}

cl_int
reformer_device_finish (ReformerDevice *self)
{
  const cl_int code = reformer_cl_finish (self->queue);

  /* Also after a failure: nothing more will be done with these commands. */
  reach (self, self->n_queued);
  self->n_flushed = self->n_queued;
  return code;
}

/**
 * reformer_device_synchronize:
 * @self: a device
 * @error: return location for an error
 *
 * Waits until all work queued on the device is done.
 *
 * Returns: %FALSE when the device was closed or reports an error
 */
gboolean
reformer_device_synchronize (ReformerDevice  *self,
                             GError         **error)
{
  cl_event event = NULL;
  guint64 at = 0;
  cl_int code = CL_SUCCESS;

  g_return_val_if_fail (REFORMER_IS_DEVICE (self), FALSE);

  if (self->planner)
    return TRUE;

  reformer_device_lock (self);
  if (self->closed && !reformer_device_open (self, error))
    {
      reformer_device_unlock (self);
      return FALSE;
    }
  if (self->opened)
    {
      code = reformer_cl_enqueue_marker (self->queue, &event);
      if (code == CL_SUCCESS)
        code = reformer_cl_flush (self->queue);
      at = self->n_queued;
      self->n_flushed = at;
    }
  reformer_device_unlock (self);

  if (code != CL_SUCCESS)
    {
      if (event != NULL)
        reformer_cl_release_event (event);
      reformer_set_cl_error (error, code, "%s: waiting for the device", self->name);
      return FALSE;
    }
  return event == NULL || reformer_device_wait (self, event, at, "waiting for the device", error);
}
