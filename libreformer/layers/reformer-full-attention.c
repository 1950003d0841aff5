/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-full-attention.h>

#include "layers/attention-private.h"

#include "compute/home.h"

/**
 * ReformerFullAttention:
 *
 * Attention of every token to every token (Vaswani et al., "Attention is all you need", 2017), computed tile by tile with an online softmax, so that scores
 * never reach memory. The work grows with the square of the length. Chunks play no part.
 */

struct _ReformerFullAttention
{
  ReformerAttention parent_instance;
};

G_DEFINE_FINAL_TYPE (ReformerFullAttention, reformer_full_attention, REFORMER_TYPE_ATTENTION)

static void
reformer_full_attention_constructed (GObject *object)
{
  G_OBJECT_CLASS (reformer_full_attention_parent_class)->constructed (object);
  REFORMER_ATTENTION (object)->chunk = G_MAXINT;
}

static void
reformer_full_attention_class_init (ReformerFullAttentionClass *klass)
{
  reformer_home_own (klass);
  G_OBJECT_CLASS (klass)->constructed = reformer_full_attention_constructed;
}

static void
reformer_full_attention_init (ReformerFullAttention *self)
{
}

/**
 * reformer_full_attention_new:
 * @device: the device that holds the parameters
 * @hidden_size: width H of input and output
 * @num_attention_heads: number of heads A
 * @attention_head_size: size d of a head
 *
 * Makes a new full attention layer.
 *
 * Returns: (transfer full): a new full attention layer
 */
ReformerFullAttention *
reformer_full_attention_new (ReformerDevice *device,
                             int             hidden_size,
                             int             num_attention_heads,
                             int             attention_head_size)
{
  return g_object_new (REFORMER_TYPE_FULL_ATTENTION, "device", device, "hidden-size", hidden_size, "num-attention-heads", num_attention_heads,
                       "attention-head-size", attention_head_size, NULL);
}
