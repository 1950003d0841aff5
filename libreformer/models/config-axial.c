/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-model-error.h>

#include "models/config-private.h"

gint64
reformer_config_product (const ReformerIntegers *integers)
{
  gint64 product = integers->n > 0;

  for (gsize i = 0; i < integers->n; i++)
    if (integers->values[i] < 1)
      return 0;

  for (gsize i = 0; i < integers->n; i++)
    if (__builtin_mul_overflow (product, integers->values[i], &product))
      return G_MAXINT64;

  return product;
}

gint64
reformer_config_get_n_embeddings (ReformerConfig *self)
{
  gint64 product = self->axial_pos_embds ? reformer_config_product (&self->axial_pos_shape) : 0;

  return MAX (product, self->max_position_embeddings);
}

/**
 * reformer_config_get_max_length:
 * @self: a configuration
 *
 * Gets the length T of the longest sequence that there are positions for: the product of the axial shape where positions are axial,
 * whatever [property@Config:max-position-embeddings] says, and that property elsewhere.
 *
 * Returns: the number of positions; 0 where the configuration has none
 */
gint64
reformer_config_get_max_length (ReformerConfig *self)
{
  g_return_val_if_fail (REFORMER_IS_CONFIG (self), 0);

  return self->axial_pos_embds ? reformer_config_product (&self->axial_pos_shape) : MAX (self->max_position_embeddings, 0);
}

/* The smallest power of two whose n-th power is at least the length. */
static gint64
root (gint64 length,
      guint  n)
{
  gint64 a = 1;

  for (;; a *= 2)
    {
      gint64 power = 1;

      for (guint i = 0; i < n && power < length; i++)
        power *= a;
      if (power >= length)
        return a;
    }
}

/* Two axes share the width as transformers' default does, 1 : 3; any other number of axes in equal parts. */
static void
share_width (ReformerConfig *self,
             guint           axes)
{
  gint64 sum = 0;
  gboolean fits = self->axial_pos_embds_dim.n == axes;
  int dims[REFORMER_CONFIG_MAX_AXES];

  for (guint i = 0; fits && i < axes; i++)
    {
      sum += self->axial_pos_embds_dim.values[i];
      fits = self->axial_pos_embds_dim.values[i] >= 1;
    }
  if (fits && sum == self->hidden_size)
    return;

  for (guint i = 0; i < axes; i++)
    dims[i] = MAX (1, self->hidden_size / (int) (axes == 2 ? 4 : axes));
  dims[axes - 1] = self->hidden_size - dims[0] * (int) (axes - 1);

  reformer_config_set_axial_pos_embds_dim (self, dims, axes);
}

/**
 * reformer_config_choose_axial_shape:
 * @self: a configuration
 * @length: the length T that is wanted, from 1 to 2,147,483,647
 * @axes: the number of axes, from 1 to 7; 2 is usual
 * @n_axes: (out) (optional): the length of the returned list
 * @error: return location for an error
 *
 * Sets [property@Config:axial-pos-shape] to a grid with room for a length, and turns axial positions on.
 *
 * All axes but the last get the smallest power of two whose power is at least what is left of the length, the last one the rest: for two
 * axes `[a, L / a]`, rounded up, where a is the smallest power of two with a · a ≥ L. Where
 * [property@Config:axial-pos-embds-dim] does not add up to the hidden size with that many axes, it is set too: one to three for two
 * axes, else equal parts.
 *
 * Returns: (transfer full) (array length=n_axes): the shape, whose product is at least @length; free with g_free()
 */
int *
reformer_config_choose_axial_shape (ReformerConfig  *self,
                                    gint64           length,
                                    guint            axes,
                                    gsize           *n_axes,
                                    GError         **error)
{
  int shape[REFORMER_CONFIG_MAX_AXES];
  gint64 rest = length, product = 1;

  g_return_val_if_fail (REFORMER_IS_CONFIG (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (n_axes != NULL)
    *n_axes = 0;

  if (axes < 1 || axes > REFORMER_CONFIG_MAX_AXES)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "axes is %u, from 1 to %d are wanted", axes,
                   REFORMER_CONFIG_MAX_AXES);
      return NULL;
    }

  if (length < 1 || length > REFORMER_CONFIG_MAX_LENGTH)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "length is %" G_GINT64_FORMAT
                   ", from 1 to %" G_GINT64_FORMAT " is wanted", length, REFORMER_CONFIG_MAX_LENGTH);
      return NULL;
    }

  if (self->hidden_size < (int) axes)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG,
                   "hidden_size is %d, at least %u is wanted for %u axes of positions", self->hidden_size, axes, axes);
      return NULL;
    }

  for (guint i = 0; i < axes; i++)
    {
      gint64 a = i + 1 < axes ? root (rest, axes - i) : rest;

      shape[i] = (int) a;
      rest = (rest + a - 1) / a;
      product *= a;
    }

  if (product > REFORMER_CONFIG_MAX_LENGTH)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "length is %" G_GINT64_FORMAT
                   ": a grid of %u axes would have %" G_GINT64_FORMAT " positions, at most %" G_GINT64_FORMAT " are wanted", length, axes,
                   product, REFORMER_CONFIG_MAX_LENGTH);
      return NULL;
    }

  g_object_freeze_notify (G_OBJECT (self));
  reformer_config_set_axial_pos_embds (self, TRUE);
  reformer_config_set_axial_pos_shape (self, shape, axes);
  share_width (self, axes);
  g_object_thaw_notify (G_OBJECT (self));

  return reformer_config_get_axial_pos_shape (self, n_axes);
}
