/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/account.h"

void
reformer_account_init (ReformerAccount *self)
{
  g_mutex_init (&self->lock);
  self->used = 0;
  self->peak = 0;
  self->parts = g_array_new (FALSE, FALSE, sizeof (ReformerAccountPart));
}

void
reformer_account_clear (ReformerAccount *self)
{
  g_mutex_clear (&self->lock);
  g_clear_pointer (&self->parts, g_array_unref);
}

static guint
find_part (ReformerAccount *self,
           const char      *name)
{
  ReformerAccountPart part = { NULL, 0, 0 };

  for (guint i = 0; i < self->parts->len; i++)
    {
      const char *seen = g_array_index (self->parts, ReformerAccountPart, i).name;

      if (seen == name || g_str_equal (seen, name))
        return i;
    }

  part.name = g_intern_string (name);
  g_array_append_val (self->parts, part);
  return self->parts->len - 1;
}

/* Called with the lock held. */
static void
note_peak (ReformerAccount *self)
{
  self->peak = self->used;
  for (guint i = 0; i < self->parts->len; i++)
    {
      ReformerAccountPart *part = &g_array_index (self->parts, ReformerAccountPart, i);

      part->at_peak = part->used;
    }
}

gboolean
reformer_account_add (ReformerAccount *self,
                      const char      *part,
                      guint64          size,
                      guint64          limit,
                      guint           *index,
                      guint64         *used)
{
  gboolean fits;

  g_mutex_lock (&self->lock);

  *used = self->used;
  fits = size <= limit && self->used <= limit - size;
  if (fits)
    {
      *index = find_part (self, part != NULL ? part : "other");
      g_array_index (self->parts, ReformerAccountPart, *index).used += size;
      self->used += size;
      if (self->used > self->peak)
        note_peak (self);
    }

  g_mutex_unlock (&self->lock);

  return fits;
}

void
reformer_account_subtract (ReformerAccount *self,
                           guint            index,
                           guint64          size)
{
  g_mutex_lock (&self->lock);
  g_array_index (self->parts, ReformerAccountPart, index).used -= size;
  self->used -= size;
  g_mutex_unlock (&self->lock);
}

void
reformer_account_reset_peak (ReformerAccount *self)
{
  g_mutex_lock (&self->lock);
  note_peak (self);
  g_mutex_unlock (&self->lock);
}

void
reformer_account_get (ReformerAccount *self,
                      guint64         *used,
                      guint64         *peak)
{
  g_mutex_lock (&self->lock);
  if (used != NULL)
    *used = self->used;
  if (peak != NULL)
    *peak = self->peak;
  g_mutex_unlock (&self->lock);
}

GArray *
reformer_account_peak_parts (ReformerAccount *self)
{
  GArray *parts = g_array_new (FALSE, FALSE, sizeof (ReformerMemoryPart));

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->parts->len; i++)
    {
      const ReformerAccountPart *seen = &g_array_index (self->parts, ReformerAccountPart, i);
      const ReformerMemoryPart part = { seen->name, seen->at_peak };

      if (part.bytes > 0)
        g_array_append_val (parts, part);
    }
  g_mutex_unlock (&self->lock);

  return parts;
}
