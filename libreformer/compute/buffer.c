/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/buffer.h"

#include "compute/system-memory.h"

#include <libreformer/compute/reformer-device-error.h>

#include <errno.h>
#include <sys/mman.h>

#define PAGE ((gsize) 4096)
/* From this size on the system is asked whether it has the memory: it promises more than it has, and then ends the process that uses it. */
#define LARGE ((gsize) 64 << 20)
#define HUGE_PAGE ((gsize) 2 << 20)

static gsize
round_up (gsize size,
          gsize to)
{
  return (size + to - 1) / to * to;
}

/* Zeroed memory; from 2 MiB on aligned to huge pages and advised to lie on them. */
static guchar *
map_memory (gsize size)
{
  const gsize extra = size >= HUGE_PAGE ? HUGE_PAGE : 0;
  guchar *address, *start;

  address = mmap (NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    return NULL;
  if (extra == 0)
    return address;

  start = (guchar *) round_up ((gsize) address, HUGE_PAGE);
  if (start > address)
    munmap (address, start - address);
  if (address + extra > start)
    munmap (start + size, address + extra - start);
  madvise (start, size, MADV_HUGEPAGE);
  return start;
}

/* ---- the list of live buffers ---- */

static void
link_live (ReformerBuffer *self)
{
  ReformerDevice *device = self->device;

  self->previous = NULL;
  self->next = device->live;
  if (device->live != NULL)
    device->live->previous = self;
  device->live = self;
}

static void
unlink_live (ReformerBuffer *self)
{
  if (self->previous != NULL)
    self->previous->next = self->next;
  else
    self->device->live = self->next;
  if (self->next != NULL)
    self->next->previous = self->previous;
  self->previous = self->next = NULL;
}

/* ---- the pool ---- */

static void
forget (ReformerBuffer *self)
{
  if (self->mem != NULL)
    reformer_cl_release_buffer (self->mem);
  if (self->host != NULL)
    munmap (self->host, self->mapped);
  self->mem = NULL;
  self->host = NULL;
}

static void
release (ReformerBuffer *self)
{
  forget (self);
  g_free (self);
}

static void
pool_put (ReformerDevice *device,
          ReformerBuffer *buffer)
{
  GQueue *same = g_hash_table_lookup (device->cached, GSIZE_TO_POINTER (buffer->size));

  if (same == NULL)
    {
      same = g_queue_new ();
      g_hash_table_insert (device->cached, GSIZE_TO_POINTER (buffer->size), same);
    }

  buffer->freed_at = device->n_queued;
  g_queue_push_tail (same, buffer);

  /* In the list of all, `previous` and `next` are the links. */
  buffer->next = NULL;
  buffer->previous = device->free_last;
  if (device->free_last != NULL)
    device->free_last->next = buffer;
  else
    device->free_first = buffer;
  device->free_last = buffer;
  device->cached_bytes += buffer->counted;
}

static void
pool_remove (ReformerDevice *device,
             ReformerBuffer *buffer)
{
  if (buffer->previous != NULL)
    buffer->previous->next = buffer->next;
  else
    device->free_first = buffer->next;
  if (buffer->next != NULL)
    buffer->next->previous = buffer->previous;
  else
    device->free_last = buffer->previous;
  buffer->previous = buffer->next = NULL;
  device->cached_bytes -= buffer->counted;
}

static ReformerBuffer *
pool_take (ReformerDevice *device,
           gsize           size)
{
  GQueue *same = g_hash_table_lookup (device->cached, GSIZE_TO_POINTER (size));
  ReformerBuffer *buffer;

  if (same == NULL)
    return NULL;

  /* The last one freed: its pages are likeliest to be in a cache. */
  buffer = g_queue_pop_tail (same);
  if (same->length == 0)
    g_hash_table_remove (device->cached, GSIZE_TO_POINTER (size));
  pool_remove (device, buffer);
  buffer->offered = FALSE;
  return buffer;
}

void
reformer_pool_trim (ReformerDevice *device,
                    guint64         keep,
                    gboolean        may_wait)
{
  while (device->cached_bytes > keep)
    {
      ReformerBuffer *oldest = device->free_first;
      GQueue *same = g_hash_table_lookup (device->cached, GSIZE_TO_POINTER (oldest->size));

      /* Commands that use it may still be queued, and its memory must outlive them. */
      if (oldest->freed_at > device->n_finished)
        {
          if (!may_wait)
            return;
          reformer_device_finish (device);
        }

      /* The oldest of all is the oldest of its size. */
      g_queue_pop_head (same);
      if (same->length == 0)
        g_hash_table_remove (device->cached, GSIZE_TO_POINTER (oldest->size));
      pool_remove (device, oldest);
      release (oldest);
    }
}

void
reformer_pool_offer (ReformerDevice *device)
{
  guint64 more = device->cached_bytes;

  for (ReformerBuffer *buffer = device->free_first; buffer != NULL && more > REFORMER_POOL_BYTES; buffer = buffer->next)
    {
      more -= MIN (more, buffer->counted);
      if (buffer->host != NULL && !buffer->offered && buffer->freed_at <= device->n_finished)
        buffer->offered = madvise (buffer->host, buffer->mapped, MADV_FREE) == 0;
    }
}

/* How much may wait beside what is in use. */
static guint64
pool_room (ReformerDevice *device)
{
  guint64 used, peak;

  reformer_account_get (&device->account, &used, &peak);
  return REFORMER_POOL_BYTES + (device->shares_memory ? peak - used : 0);
}

void
reformer_pool_close (ReformerDevice *device)
{
  reformer_pool_trim (device, 0, TRUE);
  for (ReformerBuffer *buffer = device->live; buffer != NULL; buffer = buffer->next)
    if (buffer->mem != NULL)
      {
        reformer_cl_release_buffer (buffer->mem);
        buffer->mem = NULL;
      }
}

/* ---- buffers ---- */

static guint64
limit_of (ReformerDevice *device)
{
  const guint64 limit = reformer_device_get_memory_limit (device);

  return limit > 0 && limit < device->memory ? limit : device->memory;
}

/* Memory and cl_mem for a counted buffer. Lock held. */
static gboolean
acquire (ReformerBuffer  *self,
         GError         **error)
{
  ReformerDevice *device = self->device;
  cl_mem_flags flags = CL_MEM_READ_WRITE;
  cl_int code = CL_SUCCESS;

  if (device->shares_memory)
    {
      self->mapped = round_up (self->size, PAGE);
      if (self->mapped >= LARGE)
        {
          const guint64 available = reformer_system_memory_available ();

          if (self->mapped > available)
            {
              g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                           "%s: %" G_GSIZE_FORMAT " bytes wanted; the system has %" G_GUINT64_FORMAT " available", device->name,
                           self->mapped, available);
              return FALSE;
            }
        }
      self->host = map_memory (self->mapped);
      if (self->host == NULL)
        {
          const int saved = errno;

          g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                       "%s: the system has no %" G_GSIZE_FORMAT " bytes of memory: %s", device->name, self->mapped,
                       g_strerror (saved));
          return FALSE;
        }
      flags |= CL_MEM_USE_HOST_PTR;
      self->fresh = TRUE;
    }

  self->mem = reformer_cl_create_buffer (device->context, flags, self->size, self->host, &code);
  if (self->mem != NULL && code == CL_SUCCESS)
    return TRUE;

  reformer_set_cl_error (error, code, "%s: creating a buffer of %" G_GSIZE_FORMAT " bytes", device->name, self->size);
  return FALSE;
}

static ReformerBuffer *
new_planned (ReformerDevice *device,
             gsize           size,
             guint64         counted,
             const char     *part)
{
  ReformerBuffer *self = g_new0 (ReformerBuffer, 1);
  guint64 used;

  g_atomic_ref_count_init (&self->ref_count);
  self->device = g_object_ref (device);
  self->counted = counted;
  reformer_account_add (&device->account, part, counted, G_MAXUINT64, &self->part, &used);
  g_mutex_lock (&device->account.lock);
  device->largest = MAX (device->largest, size);
  g_mutex_unlock (&device->account.lock);
  return self;
}

ReformerBuffer *
reformer_buffer_new (ReformerDevice  *device,
                     gsize            n_bytes,
                     const char      *part,
                     GError         **error)
{
  ReformerBuffer *self;
  guint64 counted, limit, used;
  gsize size;
  guint index;
  gboolean fits;

  if (n_bytes > G_MAXSSIZE - HUGE_PAGE - PAGE)
    {
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                   "%s: %" G_GSIZE_FORMAT " bytes are more than any device has", device->name, n_bytes);
      return NULL;
    }

  counted = reformer_account_round (n_bytes);
  size = round_up (n_bytes, 64) + REFORMER_BUFFER_SLACK;

  if (device->planner)
    return new_planned (device, size, counted, part);

  reformer_device_lock (device);

  if (!reformer_device_open (device, error))
    {
      reformer_device_unlock (device);
      return NULL;
    }

  if (size > device->max_allocation)
    {
      reformer_device_unlock (device);
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                   "%s: %" G_GSIZE_FORMAT " bytes wanted in one tensor; the device gives at most %" G_GUINT64_FORMAT " at once",
                   device->name, n_bytes, device->max_allocation);
      return NULL;
    }

  limit = limit_of (device);
  if (!reformer_account_add (&device->account, part, counted, limit, &index, &used))
    {
      reformer_device_unlock (device);
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                   "%s: %" G_GUINT64_FORMAT " bytes wanted for %s with %" G_GUINT64_FORMAT " in use; the limit is %" G_GUINT64_FORMAT,
                   device->name, counted, part != NULL ? part : "other", used, limit);
      return NULL;
    }

  self = pool_take (device, size);
  if (self == NULL)
    {
      self = g_new0 (ReformerBuffer, 1);
      self->device = device;
      self->size = size;

      reformer_pool_trim (device, pool_room (device), TRUE);
      if (used + counted + device->cached_bytes > limit)
        reformer_pool_trim (device, limit - used - counted, TRUE);

      /* What the pool has may be what is missing. */
      fits = acquire (self, device->cached_bytes > 0 ? NULL : error);
      if (!fits && device->cached_bytes > 0)
        {
          forget (self);
          reformer_pool_trim (device, 0, TRUE);
          fits = acquire (self, error);
        }
      if (!fits)
        {
          release (self);
          self = NULL;
          reformer_account_subtract (&device->account, index, counted);
        }
    }

  if (self != NULL)
    {
      g_atomic_ref_count_init (&self->ref_count);
      self->device = g_object_ref (device);
      self->counted = counted;
      self->part = index;
      link_live (self);
    }

  reformer_device_unlock (device);

  return self;
}

ReformerBuffer *
reformer_buffer_ref (ReformerBuffer *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
reformer_buffer_unref (ReformerBuffer *self)
{
  ReformerDevice *device = self->device;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  reformer_account_subtract (&device->account, self->part, self->counted);

  if (device->planner)
    {
      g_free (self);
    }
  else
    {
      reformer_device_lock (device);
      unlink_live (self);
      self->device = NULL;
      self->fresh = FALSE;
      if (self->mem != NULL)
        {
          pool_put (device, self);
          reformer_pool_trim (device, pool_room (device), FALSE);
        }
      else
        {
          release (self);
        }
      reformer_device_unlock (device);
    }

  g_object_unref (device);
}
