/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-local-attention.h>

#include "layers/attention-private.h"

#include "compute/home.h"

/**
 * ReformerLocalAttention:
 *
 * Attention within chunks of consecutive tokens: a chunk sees itself and a number of chunks before and after: the "local" layers of Reformer models.
 */

struct _ReformerLocalAttention
{
  ReformerAttention parent_instance;
};

enum
{
  PROP_0,
  PROP_CIRCULAR,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerLocalAttention, reformer_local_attention, REFORMER_TYPE_ATTENTION)

static void
reformer_local_attention_get_property (GObject    *object,
                                       guint       id,
                                       GValue     *value,
                                       GParamSpec *pspec)
{
  if (id == PROP_CIRCULAR)
    g_value_set_boolean (value, REFORMER_ATTENTION (object)->circular);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_local_attention_set_property (GObject      *object,
                                       guint         id,
                                       const GValue *value,
                                       GParamSpec   *pspec)
{
  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  if (id == PROP_CIRCULAR)
    REFORMER_ATTENTION (object)->circular = g_value_get_boolean (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_local_attention_class_init (ReformerLocalAttentionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  reformer_home_own (klass);
  object_class->get_property = reformer_local_attention_get_property;
  object_class->set_property = reformer_local_attention_set_property;

  /**
   * ReformerLocalAttention:circular:
   *
   * Whether the first chunk sees the last one, and the other way round, as in transformers. In a causal layer the first is masked.
   */
  props[PROP_CIRCULAR] = g_param_spec_boolean ("circular", NULL, NULL, FALSE, REFORMER_LAYER_SETTING);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_local_attention_init (ReformerLocalAttention *self)
{
}

/**
 * reformer_local_attention_new:
 * @device: the device that holds the parameters
 * @hidden_size: width H of input and output
 * @num_attention_heads: number of heads A
 * @attention_head_size: size d of a head
 *
 * Makes a new local attention layer.
 *
 * Returns: (transfer full): a new local attention layer
 */
ReformerLocalAttention *
reformer_local_attention_new (ReformerDevice *device,
                              int             hidden_size,
                              int             num_attention_heads,
                              int             attention_head_size)
{
  return g_object_new (REFORMER_TYPE_LOCAL_ATTENTION, "device", device, "hidden-size", hidden_size, "num-attention-heads", num_attention_heads,
                       "attention-head-size", attention_head_size, NULL);
}
