/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/tape-globals.h"

#include "compute/device-private.h"

#include <libreformer/layers/reformer-model-error.h>

/* The global tokens of a pass, sorted out on the host once: whatever has to be launched depends on their number. */

struct _ReformerGlobals
{
  ReformerTensor *list, *mask;
  int             B, T, n;
};

void
reformer_globals_free (ReformerGlobals *self)
{
  g_clear_object (&self->list);
  g_clear_object (&self->mask);
  g_free (self);
}

static guint8 *
read_mask (ReformerRun    *run,
           ReformerTensor *mask,
           gsize           n)
{
  guint8 *values = g_try_malloc (n);

  if (values == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for a mask of %" G_GSIZE_FORMAT " tokens", n);
  else if (mask != NULL)
    reformer_run_read (run, reformer_span (mask), values, n);
  else
    memset (values, 1, n);
  return values;
}

static void
upload (ReformerGlobals *self,
        ReformerRun     *run,
        const gint32    *list,
        const guint8    *mask)
{
  const char *part = reformer_run_part (run, "tokens");

  self->list = reformer_run_new (run, REFORMER_DTYPE_INT32, 2, (gint64) self->B, (gint64) self->n);
  self->mask = reformer_run_new (run, REFORMER_DTYPE_UINT8, 2, (gint64) self->B, (gint64) self->T);
  if (self->list != NULL)
    reformer_run_write (run, reformer_span (self->list), list, (gsize) self->B * (gsize) self->n);
  if (self->mask != NULL)
    reformer_run_write (run, reformer_span (self->mask), mask, (gsize) self->B * (gsize) self->T);
  reformer_run_part (run, part);
}

ReformerGlobals *
reformer_globals_new (ReformerRun    *run,
                      ReformerTensor *global_mask,
                      ReformerTensor *mask,
                      int             B,
                      int             T,
                      int             planned)
{
  const gsize n = (gsize) B * (gsize) T;
  ReformerGlobals *self = g_new0 (ReformerGlobals, 1);
  g_autofree guint8 *is_global = NULL, *local = NULL;
  g_autofree gint32 *list = NULL;

  self->B = B;
  self->T = T;
  if (global_mask == NULL || n == 0)
    return self;
  if (reformer_tensor_get_dtype (global_mask) != REFORMER_DTYPE_UINT8 || reformer_tensor_get_n_elements (global_mask) != n)
    {
      g_autofree char *seen = reformer_tensor_to_string (global_mask);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "the tape's global mask is %s; wanted uint8 [%d, %d]", seen, B, T);
      return self;
    }
  if (reformer_device_is_planner (run->device))
    {
      self->n = MIN (planned, T);
      if (self->n > 0)
        upload (self, run, NULL, NULL);
      return self;
    }
  is_global = read_mask (run, global_mask, n);
  local = read_mask (run, mask, n);
  for (int b = 0; b < B && reformer_run_ok (run); b++)
    {
      int count = 0;

      for (int t = 0; t < T; t++)
        count += is_global[(gsize) b * T + t] != 0 && local[(gsize) b * T + t] != 0;
      self->n = MAX (self->n, count);
    }
  if (self->n == 0 || !reformer_run_ok (run))
    return self;
  list = g_try_new (gint32, (gsize) B * (gsize) self->n);
  if (list == NULL)
    {
      reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for %d rows of %d global tokens", B, self->n);
      return self;
    }
  for (int b = 0; b < B; b++)
    {
      int count = 0;

      for (int t = 0; t < T; t++)
        if (is_global[(gsize) b * T + t] != 0 && local[(gsize) b * T + t] != 0)
          {
            list[(gsize) b * self->n + count++] = t;
            local[(gsize) b * T + t] = 0;
          }
      while (count < self->n)
        list[(gsize) b * self->n + count++] = -1;
    }
  upload (self, run, list, local);
  return self;
}

gboolean
reformer_globals_fit (const ReformerGlobals *self,
                      int                    B,
                      int                    T)
{
  return self->B == B && self->T == T;
}

int
reformer_globals_get_n (const ReformerGlobals *self)
{
  return self->n;
}

ReformerTensor *
reformer_globals_get_list (const ReformerGlobals *self)
{
  return self->list;
}

ReformerTensor *
reformer_globals_get_mask (const ReformerGlobals *self)
{
  return self->mask;
}
