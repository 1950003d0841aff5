/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/attention-private.h"

#include <string.h>

#include "compute/home.h"

/**
 * ReformerAttention:
 *
 * An attention block with its norm inside: norm, projections, the attention operation, output projection, dropout; `[B, T, H]` to `[B, T, H]`.
 *
 * As in the Reformer the projections have no biases and the norm comes first. [property@Attention:bias] and [property@Attention:norm-first] make the block of the
 * standard Transformer, for a [class@Stack] of one stream.
 *
 * [class@LshAttention], [class@LocalAttention], [class@FullAttention] and [class@WindowAttention] say which keys a query looks at. Long input is worked through head by head, so
 * that the memory does not grow with the number of heads. A masked token is a key for nobody and gets zeros from attention.
 */

static const ReformerAttentionKind natural_kind = { FALSE };

G_DEFINE_ABSTRACT_TYPE (ReformerAttention, reformer_attention, REFORMER_TYPE_LAYER)

enum
{
  PROP_0,
  PROP_HIDDEN_SIZE,
  PROP_NUM_ATTENTION_HEADS,
  PROP_ATTENTION_HEAD_SIZE,
  PROP_CHUNK_LENGTH,
  PROP_NUM_CHUNKS_BEFORE,
  PROP_NUM_CHUNKS_AFTER,
  PROP_CAUSAL,
  PROP_BIAS,
  PROP_NORM_FIRST,
  PROP_DROPOUT,
  PROP_ATTENTION_PROBS_DROPOUT,
  PROP_LAYER_NORM_EPS,
  PROP_DEVIATION,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

/* Makes or removes the bias of a projection. */
static void
set_bias_of (ReformerAttention  *self,
             ReformerParameter  *projection,
             ReformerParameter **bias)
{
  if (*bias != NULL)
    reformer_layer_remove_parameter (REFORMER_LAYER (self), *bias);
  *bias = NULL;
  if (self->has_bias && projection != NULL)
    {
      const char *weight = reformer_parameter_get_name (projection);
      g_autofree char *path = g_strndup (weight, strlen (weight) - strlen ("weight")), *name = g_strconcat (path, "bias", NULL);
      gsize n_dims;
      g_autofree gint64 *shape = reformer_parameter_get_shape (projection, &n_dims);

      *bias = reformer_layer_make_parameter (REFORMER_LAYER (self), name, (ReformerStart) { 0 }, 1, shape[0]);
    }
}

/* Behind all weights, whenever the setting came. */
static void
set_biases (ReformerAttention *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (self->projections); i++)
    set_bias_of (self, self->projections[i], &self->biases[i]);
  set_bias_of (self, self->output, &self->output_bias);
}

static void
reformer_attention_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  ReformerAttention *self = REFORMER_ATTENTION (object);

  switch (id)
    {
    case PROP_HIDDEN_SIZE:
      g_value_set_int (value, self->hidden_size);
      break;
    case PROP_NUM_ATTENTION_HEADS:
      g_value_set_int (value, self->heads);
      break;
    case PROP_ATTENTION_HEAD_SIZE:
      g_value_set_int (value, self->head_size);
      break;
    case PROP_CHUNK_LENGTH:
      g_value_set_int (value, self->chunk);
      break;
    case PROP_NUM_CHUNKS_BEFORE:
      g_value_set_int (value, self->before);
      break;
    case PROP_NUM_CHUNKS_AFTER:
      g_value_set_int (value, self->after);
      break;
    case PROP_CAUSAL:
      g_value_set_boolean (value, self->causal);
      break;
    case PROP_BIAS:
      g_value_set_boolean (value, self->has_bias);
      break;
    case PROP_NORM_FIRST:
      g_value_set_boolean (value, self->norm_first);
      break;
    case PROP_DROPOUT:
      g_value_set_double (value, self->dropout);
      break;
    case PROP_ATTENTION_PROBS_DROPOUT:
      g_value_set_double (value, self->probs_dropout);
      break;
    case PROP_LAYER_NORM_EPS:
      g_value_set_double (value, self->eps);
      break;
    case PROP_DEVIATION:
      g_value_set_double (value, self->deviation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_attention_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  ReformerAttention *self = REFORMER_ATTENTION (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_HIDDEN_SIZE:
      self->hidden_size = g_value_get_int (value);
      break;
    case PROP_NUM_ATTENTION_HEADS:
      self->heads = g_value_get_int (value);
      break;
    case PROP_ATTENTION_HEAD_SIZE:
      self->head_size = g_value_get_int (value);
      break;
    case PROP_CHUNK_LENGTH:
      self->chunk = g_value_get_int (value);
      break;
    case PROP_NUM_CHUNKS_BEFORE:
      self->before = g_value_get_int (value);
      break;
    case PROP_NUM_CHUNKS_AFTER:
      self->after = g_value_get_int (value);
      break;
    case PROP_CAUSAL:
      self->causal = g_value_get_boolean (value);
      break;
    case PROP_BIAS:
      self->has_bias = g_value_get_boolean (value);
      set_biases (self); /* nothing before the projections are there */
      break;
    case PROP_NORM_FIRST:
      self->norm_first = g_value_get_boolean (value);
      break;
    case PROP_DROPOUT:
      self->dropout = g_value_get_double (value);
      break;
    case PROP_ATTENTION_PROBS_DROPOUT:
      self->probs_dropout = g_value_get_double (value);
      break;
    case PROP_LAYER_NORM_EPS:
      self->eps = g_value_get_double (value);
      break;
    case PROP_DEVIATION:
      self->deviation = g_value_get_double (value);
      for (gsize i = 0; i < G_N_ELEMENTS (self->projections); i++)
        reformer_parameter_set_deviation (self->projections[i], self->deviation);
      reformer_parameter_set_deviation (self->output, self->deviation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_attention_constructed (GObject *object)
{
  ReformerAttention *self = REFORMER_ATTENTION (object);
  ReformerLayer *layer = REFORMER_LAYER (self);
  const gboolean shared = reformer_attention_get_kind (self)->shared_keys;
  const gint64 H = self->hidden_size, D = (gint64) self->heads * self->head_size;
  const ReformerStart one = { .value = 1 }, zero = { .value = 0 }, normal = { .deviation = self->deviation };

  G_OBJECT_CLASS (reformer_attention_parent_class)->constructed (object);
  self->norm_weight = reformer_layer_make_parameter (layer, "layer_norm.weight", one, 1, H);
  self->norm_bias = reformer_layer_make_parameter (layer, "layer_norm.bias", zero, 1, H);
  self->projections[0] = reformer_layer_make_parameter (layer, shared ? "self_attention.query_key.weight" : "self_attention.query.weight", normal, 2, D, H);
  if (!shared)
    self->projections[1] = reformer_layer_make_parameter (layer, "self_attention.key.weight", normal, 2, D, H);
  self->projections[2] = reformer_layer_make_parameter (layer, "self_attention.value.weight", normal, 2, D, H);
  if (reformer_attention_get_kind (self)->globals)
    {
      self->projections[3] = reformer_layer_make_parameter (layer, "self_attention.query_global.weight", normal, 2, D, H);
      self->projections[4] = reformer_layer_make_parameter (layer, "self_attention.key_global.weight", normal, 2, D, H);
      self->projections[5] = reformer_layer_make_parameter (layer, "self_attention.value_global.weight", normal, 2, D, H);
    }
  self->output = reformer_layer_make_parameter (layer, "output.dense.weight", normal, 2, H, D);
  set_biases (self);
}

static void
reformer_attention_class_init (ReformerAttentionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_attention_constructed;
  object_class->get_property = reformer_attention_get_property;
  object_class->set_property = reformer_attention_set_property;
  reformer_layer_class_set_branch (REFORMER_LAYER_CLASS (klass), &reformer_attention_branch);
  klass->kind = &natural_kind;

  /**
   * ReformerAttention:hidden-size:
   *
   * Width H of input and output.
   */
  props[PROP_HIDDEN_SIZE] = g_param_spec_int ("hidden-size", NULL, NULL, 1, G_MAXINT, 256, once);
  /**
   * ReformerAttention:num-attention-heads:
   *
   * Number of heads A.
   */
  props[PROP_NUM_ATTENTION_HEADS] = g_param_spec_int ("num-attention-heads", NULL, NULL, 1, G_MAXINT, 12, once);
  /**
   * ReformerAttention:attention-head-size:
   *
   * Size d of a head; A * d need not be H.
   */
  props[PROP_ATTENTION_HEAD_SIZE] = g_param_spec_int ("attention-head-size", NULL, NULL, 1, G_MAXINT, 64, once);
  /**
   * ReformerAttention:chunk-length:
   *
   * Places in a chunk L. A sequence of at most L tokens gets full attention; a longer one must be a multiple of L. Full attention has no chunks.
   */
  props[PROP_CHUNK_LENGTH] = g_param_spec_int ("chunk-length", NULL, NULL, 1, G_MAXINT, 64, flags);
  /**
   * ReformerAttention:num-chunks-before:
   *
   * Chunks that a chunk sees before itself.
   */
  props[PROP_NUM_CHUNKS_BEFORE] = g_param_spec_int ("num-chunks-before", NULL, NULL, 0, G_MAXINT, 1, flags);
  /**
   * ReformerAttention:num-chunks-after:
   *
   * Chunks that a chunk sees after itself.
   */
  props[PROP_NUM_CHUNKS_AFTER] = g_param_spec_int ("num-chunks-after", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * ReformerAttention:causal:
   *
   * Whether a token sees no later token.
   */
  props[PROP_CAUSAL] = g_param_spec_boolean ("causal", NULL, NULL, FALSE, flags);
  /**
   * ReformerAttention:bias:
   *
   * Whether the projections and the output have biases, which start zero.
   */
  props[PROP_BIAS] = g_param_spec_boolean ("bias", NULL, NULL, FALSE, flags);
  /**
   * ReformerAttention:norm-first:
   *
   * Whether the norm comes first. If not, the layer alone computes the block without norm, and a [class@Stack] of one stream makes the norm of its sum,
   * norm (x + f (x)).
   */
  props[PROP_NORM_FIRST] = g_param_spec_boolean ("norm-first", NULL, NULL, TRUE, flags);
  /**
   * ReformerAttention:dropout:
   *
   * Share of the output's elements that training drops.
   */
  props[PROP_DROPOUT] = g_param_spec_double ("dropout", NULL, NULL, 0, REFORMER_MAX_DROPOUT, 0, flags);
  /**
   * ReformerAttention:attention-probs-dropout:
   *
   * Share of the attention weights that training drops.
   */
  props[PROP_ATTENTION_PROBS_DROPOUT] = g_param_spec_double ("attention-probs-dropout", NULL, NULL, 0, REFORMER_MAX_DROPOUT, 0, flags);
  /**
   * ReformerAttention:layer-norm-eps:
   *
   * Added to the variance in the norm.
   */
  props[PROP_LAYER_NORM_EPS] = g_param_spec_double ("layer-norm-eps", NULL, NULL, 0, G_MAXDOUBLE, 1e-12, flags);
  /**
   * ReformerAttention:deviation:
   *
   * Standard deviation of the weights at the start.
   */
  props[PROP_DEVIATION] = g_param_spec_double ("deviation", NULL, NULL, 0, G_MAXDOUBLE, 0.02, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_attention_init (ReformerAttention *self)
{
}

/**
 * reformer_attention_get_causal:
 * @self: an attention layer
 *
 * Gets whether a token sees no later token.
 *
 * Returns: whether a token sees no later token
 */
gboolean
reformer_attention_get_causal (ReformerAttention *self)
{
  g_return_val_if_fail (REFORMER_IS_ATTENTION (self), FALSE);

  return self->causal;
}

/**
 * reformer_attention_get_chunk_length:
 * @self: an attention layer
 *
 * Gets places in a chunk.
 *
 * Returns: places in a chunk
 */
int
reformer_attention_get_chunk_length (ReformerAttention *self)
{
  g_return_val_if_fail (REFORMER_IS_ATTENTION (self), 0);

  return self->chunk;
}
