/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/tape-private.h"

#include "compute/device-private.h"

/* Products with parameters. The packed copies that the wide dialect wants are made at their first use and live as long as the tape: a parameter's value is
 * memory that a caller may change between passes. */

typedef struct
{
  ReformerParameter *parameter;
  gsize              element;
  int                n, k;
  gboolean           transpose;
} PackedKey;

static guint
packed_hash (gconstpointer data)
{
  const PackedKey *key = data;

  return g_direct_hash (key->parameter) ^ (guint) (key->element * 2654435761u) ^ ((guint) key->n * 31 + (guint) key->k * 7 + (guint) key->transpose);
}

static gboolean
packed_equal (gconstpointer a,
              gconstpointer b)
{
  const PackedKey *p = a, *q = b;

  return p->parameter == q->parameter && p->element == q->element && p->n == q->n && p->k == q->k && p->transpose == q->transpose;
}

GHashTable *
reformer_packed_new (void)
{
  return g_hash_table_new_full (packed_hash, packed_equal, g_free, reformer_run_unref);
}

ReformerTensor *
reformer_tape_packed (ReformerTape      *self,
                      ReformerParameter *parameter,
                      gsize              element,
                      int                n,
                      int                k,
                      int                ldw,
                      gboolean           transpose)
{
  ReformerRun *run = reformer_tape_get_run (self);
  GHashTable *all = reformer_tape_get_packed (self);
  PackedKey key = { .parameter = parameter, .element = element, .n = n, .k = k, .transpose = transpose };
  ReformerTensor *packed = NULL;
  const char *part;

  if (!reformer_device_is_wide (run->device) || g_hash_table_lookup_extended (all, &key, NULL, (gpointer *) &packed))
    return packed;
  part = reformer_run_part (run, "packed weights");
  packed = reformer_product_pack (run, reformer_parameter_value (parameter, run, element), n, k, ldw, transpose);
  reformer_run_part (run, part);
  g_hash_table_insert (all, g_memdup2 (&key, sizeof key), packed);
  return packed;
}

static void
multiply (ReformerTape   *self,
          ReformerMatrix  w,
          gboolean        transpose,
          ReformerSpan    bias,
          ReformerSpan    x,
          int             ldx,
          ReformerSpan    y,
          int             ldy,
          gsize           m,
          int             n,
          int             k,
          ReformerStore   store,
          const ReformerEpilogue *epilogue,
          const ReformerNorm *norm,
          ReformerSpan    u)
{
  ReformerRun *run = reformer_tape_get_run (self);
  const ReformerProduct product = {
    .m = (int) m, .n = n, .k = k, .x = x, .ldx = ldx, .w = reformer_parameter_value (w.parameter, run, w.element), .ldw = w.ldw,
    .transpose = transpose, .packed = m > REFORMER_FEW_ROWS ? reformer_tape_packed (self, w.parameter, w.element, n, k, w.ldw, transpose) : NULL, .bias = bias,
    .y = y, .ldy = ldy, .store = store, .epilogue = epilogue, .norm = norm, .u = u,
  };

  reformer_product_rows (run, &product);
}

/* The element of a bias that belongs to the first row of a matrix. */
static gsize
first_row (ReformerMatrix w)
{
  return w.element / (gsize) w.ldw;
}

void
reformer_tape_forward (ReformerTape      *self,
                       ReformerMatrix     w,
                       ReformerParameter *bias,
                       ReformerSpan       x,
                       int                ldx,
                       ReformerSpan       y,
                       int                ldy,
                       gsize              m,
                       int                n,
                       int                k,
                       ReformerStore      store,
                       const ReformerEpilogue *epilogue)
{
  multiply (self, w, TRUE, bias != NULL ? reformer_parameter_value (bias, reformer_tape_get_run (self), first_row (w)) : REFORMER_NOTHING, x, ldx, y, ldy, m, n, k, store, epilogue,
            NULL, REFORMER_NOTHING);
}

void
reformer_tape_forward_norm (ReformerTape           *self,
                            ReformerMatrix          w,
                            ReformerParameter      *bias,
                            const ReformerNorm     *norm,
                            ReformerSpan            u,
                            ReformerSpan            y,
                            int                     ldy,
                            gsize                   m,
                            int                     n,
                            int                     k,
                            const ReformerEpilogue *epilogue)
{
  multiply (self, w, TRUE, bias != NULL ? reformer_parameter_value (bias, reformer_tape_get_run (self), first_row (w)) : REFORMER_NOTHING, REFORMER_NOTHING, 0, y, ldy, m,
            n, k, REFORMER_STORE_SET, epilogue, norm, u);
}

void
reformer_tape_backward (ReformerTape   *self,
                        ReformerMatrix  w,
                        ReformerSpan    dy,
                        int             lddy,
                        ReformerSpan    dx,
                        int             lddx,
                        gsize           m,
                        int             n,
                        int             k,
                        ReformerStore   store,
                        const ReformerEpilogue *epilogue)
{
  multiply (self, w, FALSE, REFORMER_NOTHING, dy, lddy, dx, lddx, m, n, k, store, epilogue, NULL, REFORMER_NOTHING);
}

void
reformer_tape_gradient (ReformerTape      *self,
                        ReformerMatrix     w,
                        ReformerParameter *bias,
                        ReformerSpan       dy,
                        int                lddy,
                        ReformerSpan       x,
                        int                ldx,
                        int                rows,
                        int                columns,
                        gsize              t)
{
  ReformerRun *run = reformer_tape_get_run (self);
  const ReformerSpan g = reformer_parameter_gradient (w.parameter, run, w.element);

  if (g.tensor != NULL)
    reformer_product_tokens (run, dy, lddy, x, ldx, g, w.ldw, rows, columns, t);
  if (bias != NULL)
    {
      const ReformerSpan b = reformer_parameter_gradient (bias, run, first_row (w));

      if (b.tensor != NULL)
        reformer_product_sum (run, dy, lddy, b, rows, t);
    }
}
