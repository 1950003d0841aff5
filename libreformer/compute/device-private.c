/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What operations ask of a device, and devices that only plan. */

#include "compute/device-state.h"
#include "compute/program.h"
#include "compute/system-memory.h"

/**
 * reformer_device_new_planner: (constructor)
 * @like: (nullable): the device to be like; %NULL for a plain CPU with the memory of this machine, which needs no OpenCL
 *
 * Makes a device that computes nothing and only counts memory, as @like would. What is allocated there takes no memory, what is read from it is 0, and
 * allocations beyond its limit succeed, so that a plan can say by how much. A model on it can be looked at and planned, whatever its size; a folder that is
 * loaded to it is checked, names and shapes, without its numbers being read.
 *
 * Returns: (transfer full): a new device
 */
ReformerDevice *
reformer_device_new_planner (ReformerDevice *like)
{
  ReformerDevice *self = g_object_new (REFORMER_TYPE_DEVICE, NULL);

  self->planner = TRUE;
  if (like != NULL)
    {
      g_free (self->name);
      self->name = g_strdup (like->name);
      self->kind = like->kind;
      self->compute_units = like->compute_units;
      self->memory = like->memory;
      self->local_memory = like->local_memory;
      self->max_allocation = like->max_allocation;
      self->max_group = like->max_group;
      self->vector_width = like->vector_width;
      self->wide = like->wide;
      self->shares_memory = reformer_device_shares_memory (like);
      self->memory_limit = reformer_device_get_memory_limit (like);
      reformer_program_copy_refused (like, self);
    }
  else
    {
      g_free (self->name);
      self->name = g_strdup ("plan");
      self->memory = reformer_system_memory_total () > 0 ? reformer_system_memory_total () : G_MAXINT64;
      self->max_allocation = G_MAXINT64;
      self->local_memory = 256 << 10;
      self->shares_memory = TRUE;
      reformer_device_choose_kernels (self, 16);
    }
  return self;
}

ReformerDevice *
reformer_device_none (void)
{
  static ReformerDevice *none;

  if (g_once_init_enter (&none))
    {
      ReformerDevice *self = g_object_new (REFORMER_TYPE_DEVICE, NULL);

      g_free (self->name);
      self->name = g_strdup ("none");
      g_once_init_leave (&none, self);
    }
  return none;
}

gboolean
reformer_device_is_planner (ReformerDevice *self)
{
  return self->planner;
}

char *
reformer_device_describe (ReformerDevice *self)
{
  gboolean closed;

  reformer_device_lock (self);
  closed = self->closed;
  reformer_device_unlock (self);

  return g_strconcat (self->name, closed ? " (closed)" : self->planner ? " (a planner)" : "", NULL);
}

guint64
reformer_device_get_largest (ReformerDevice *self)
{
  guint64 largest;

  g_mutex_lock (&self->account.lock);
  largest = self->largest;
  g_mutex_unlock (&self->account.lock);

  return largest;
}

gboolean
reformer_device_is_wide (ReformerDevice *self)
{
  return self->wide;
}

guint
reformer_device_get_vector_width (ReformerDevice *self)
{
  return self->vector_width;
}

gboolean
reformer_device_shares_memory (ReformerDevice *self)
{
  gboolean shares;

  reformer_device_lock (self);
  shares = (self->planner || self->closed || reformer_device_open (self, NULL)) && self->shares_memory;
  reformer_device_unlock (self);

  return shares;
}

gsize
reformer_device_get_max_group (ReformerDevice *self)
{
  return self->max_group;
}

GArray *
reformer_device_get_peak_parts (ReformerDevice *self)
{
  return reformer_account_peak_parts (&self->account);
}
