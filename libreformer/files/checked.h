/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Arithmetic on numbers that come from a file. Each function returns FALSE, and leaves the result undefined, where the exact result
 * does not fit. Sizes that come from a file meet no other + or *.
 */

static inline gboolean
reformer_checked_add (gsize  *sum,
                      gsize   a,
                      gsize   b)
{
  return g_size_checked_add (sum, a, b);
}

static inline gboolean
reformer_checked_multiply (gsize  *product,
                           gsize   a,
                           gsize   b)
{
  return g_size_checked_mul (product, a, b);
}

/* a number as JSON has it, from 0 to what a size can hold */
static inline gboolean
reformer_checked_size (gsize  *size,
                       gint64  value)
{
  if (value < 0 || (guint64) value > G_MAXSIZE)
    return FALSE;

  *size = (gsize) value;

  return TRUE;
}

/*
 * The number of elements of a shape. Dimensions that are not zero must fit together even where another one is zero: a reader that
 * multiplies in another order must not see an overflow where this one sees 0.
 */
static inline gboolean
reformer_checked_elements (gsize        *n_elements,
                           const gint64 *shape,
                           gsize         n_dims)
{
  gsize product = 1, dimension;
  gboolean empty = FALSE;

  for (gsize i = 0; i < n_dims; i++)
    {
      if (!reformer_checked_size (&dimension, shape[i]))
        return FALSE;

      if (dimension == 0)
        empty = TRUE;
      else if (!reformer_checked_multiply (&product, product, dimension))
        return FALSE;
    }

  *n_elements = empty ? 0 : product;

  return TRUE;
}

/* whether [offset, offset + size) lies within [0, total) */
static inline gboolean
reformer_checked_range (guint64 offset,
                        guint64 size,
                        guint64 total)
{
  return offset <= total && size <= total - offset;
}

G_END_DECLS
