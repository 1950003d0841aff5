/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/lsh-attention-private.h"
#include "models/model-private.h"

#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-window-attention.h>

/* The layers of a model, from its configuration, under transformers' names. */

static GVariant *
list_of (int   *values,
         gsize  n)
{
  GVariant *list = g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, values, n, sizeof *values);

  g_free (values);
  return list;
}

static gpointer
keep_layer (ReformerModel *self,
            gpointer       layer,
            const char    *prefix)
{
  reformer_layer_set_prefix (layer, prefix);
  g_ptr_array_add (self->layers, layer);
  reformer_layer_fix (layer);
  return layer;
}

static void
build_embeddings (ReformerModel *self)
{
  ReformerConfig *config = self->config;
  const int features = reformer_config_get_input_features (config);
  const double dropout = reformer_config_get_hidden_dropout_prob (config), deviation = reformer_config_get_initializer_range (config);

  if (features > 0)
    self->projection = keep_layer (self, g_object_new (REFORMER_TYPE_LINEAR, "device", self->device, "in-features", features, "out-features", reformer_config_get_hidden_size (config),
                                                       "bias", TRUE, "deviation", deviation, NULL),
                                   "reformer.embeddings.input_projection.");
  else
    self->embedding = keep_layer (self, g_object_new (REFORMER_TYPE_EMBEDDING, "device", self->device, "vocab-size", reformer_config_get_vocab_size (config),
                                                      "hidden-size", reformer_config_get_hidden_size (config), "deviation", deviation, "dropout", dropout, NULL),
                                  "reformer.embeddings.word_embeddings.");
  if (reformer_config_get_axial_pos_embds (config))
    {
      gsize n_axes, n_dims;
      int *shape = reformer_config_get_axial_pos_shape (config, &n_axes), *dims = reformer_config_get_axial_pos_embds_dim (config, &n_dims);

      self->axial = keep_layer (self, g_object_new (REFORMER_TYPE_AXIAL_POSITION, "device", self->device, "shape", list_of (shape, n_axes),
                                                    "dims", list_of (dims, n_dims), "deviation", reformer_config_get_axial_norm_std (config), "dropout", dropout, NULL),
                                "reformer.embeddings.position_embeddings.");
    }
  else
    self->table = keep_layer (self, g_object_new (REFORMER_TYPE_POSITION_TABLE, "device", self->device,
                                                  "max-length", (int) reformer_config_get_max_length (config),
                                                  "hidden-size", reformer_config_get_hidden_size (config), "deviation", deviation, "dropout", dropout, NULL),
                              "reformer.embeddings.position_embeddings.");
}

static ReformerLayer *
new_attention (ReformerModel *self,
               const char    *kind)
{
  ReformerConfig *config = self->config;
  const gboolean lsh = g_str_equal (kind, "lsh"), local = g_str_equal (kind, "local");
  ReformerLayer *layer;
  g_autoptr (GVariant) buckets = NULL;

  if (lsh)
    {
      gsize n;
      int *factors = reformer_config_get_bucket_factors (config, &n);

      buckets = g_variant_ref_sink (list_of (factors, n));
    }
#define COMMON                                                                                                                        \
  "device", self->device, "hidden-size", reformer_config_get_hidden_size (config),                                                    \
  "num-attention-heads", reformer_config_get_num_attention_heads (config), "attention-head-size", reformer_config_get_attention_head_size (config), \
  "causal", reformer_config_get_is_decoder (config), "dropout", reformer_config_get_hidden_dropout_prob (config),                     \
  "bias", reformer_config_get_attention_bias (config), "norm-first", reformer_config_get_norm_first (config),                         \
  "layer-norm-eps", reformer_config_get_layer_norm_eps (config), "deviation", reformer_config_get_initializer_range (config)
  if (lsh)
    layer = g_object_new (REFORMER_TYPE_LSH_ATTENTION, COMMON, "chunk-length", reformer_config_get_lsh_attn_chunk_length (config),
                          "num-chunks-before", reformer_config_get_lsh_num_chunks_before (config),
                          "num-chunks-after", reformer_config_get_lsh_num_chunks_after (config),
                          "attention-probs-dropout", reformer_config_get_lsh_attention_probs_dropout_prob (config),
                          "num-hashes", reformer_config_get_num_hashes (config),
                          "num-hashes-evaluation", reformer_config_get_num_hashes_evaluation (config), "num-buckets", buckets, NULL);
  else if (local)
    layer = g_object_new (REFORMER_TYPE_LOCAL_ATTENTION, COMMON, "chunk-length", reformer_config_get_local_attn_chunk_length (config),
                          "num-chunks-before", reformer_config_get_local_num_chunks_before (config),
                          "num-chunks-after", reformer_config_get_local_num_chunks_after (config),
                          "attention-probs-dropout", reformer_config_get_local_attention_probs_dropout_prob (config),
                          "circular", reformer_config_get_local_attn_circular (config), NULL);
  else if (g_str_equal (kind, "window"))
    {
      gsize n;
      int *steps = reformer_config_get_window_attn_dilation (config, &n);
      g_autoptr (GVariant) dilation = g_variant_ref_sink (list_of (steps, n));

      layer = g_object_new (REFORMER_TYPE_WINDOW_ATTENTION, COMMON, "window-size", reformer_config_get_window_attn_size (config), "dilation", dilation,
                            "attention-probs-dropout", reformer_config_get_local_attention_probs_dropout_prob (config), NULL);
    }
  else
    layer = g_object_new (REFORMER_TYPE_FULL_ATTENTION, COMMON,
                          "attention-probs-dropout", reformer_config_get_local_attention_probs_dropout_prob (config), NULL);
#undef COMMON
  return layer;
}

static void
build_stack (ReformerModel *self)
{
  ReformerConfig *config = self->config;
  const char *const *kinds = reformer_config_get_attn_layers (config);
  const guint n = reformer_config_get_n_layers (config);

  self->stack = g_object_new (REFORMER_TYPE_STACK, "device", self->device, "streams", reformer_config_get_streams (config), NULL);
  g_ptr_array_add (self->layers, self->stack);
  reformer_layer_fix (REFORMER_LAYER (self->stack));
  reformer_stack_set_prefix (self->stack, "reformer.encoder.");
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ReformerLayer) attention = new_attention (self, kinds[i]);
      g_autoptr (ReformerLayer) feed_forward = g_object_new (REFORMER_TYPE_FEED_FORWARD, "device", self->device,
                                                             "hidden-size", reformer_config_get_hidden_size (config),
                                                             "feed-forward-size", reformer_config_get_feed_forward_size (config),
                                                             "hidden-act", reformer_config_get_hidden_act (config),
                                                             "dropout", reformer_config_get_hidden_dropout_prob (config),
                                                             "layer-norm-eps", reformer_config_get_layer_norm_eps (config),
                                                             "norm-first", reformer_config_get_norm_first (config),
                                                             "deviation", reformer_config_get_initializer_range (config), NULL);
      g_autofree char *first = g_strdup_printf ("layers.%u.attention", i), *second = g_strdup_printf ("layers.%u.feed_forward", i);

      reformer_stack_add (self->stack, first, attention);
      reformer_stack_add (self->stack, second, feed_forward);
    }
}

static ReformerLinear *
new_linear (ReformerModel *self,
            int            in_features,
            int            out_features,
            const char    *prefix)
{
  return keep_layer (self, g_object_new (REFORMER_TYPE_LINEAR, "device", self->device, "in-features", in_features, "out-features", out_features, "bias", TRUE,
                                         "deviation", reformer_config_get_initializer_range (self->config), NULL),
                     prefix);
}

/* A projection before the embeddings' matrix, and the bias of the logits. */
static void
build_tied_head (ReformerModel *self,
                 int            width)
{
  self->head = keep_layer (self, g_object_new (REFORMER_TYPE_LINEAR, "device", self->device, "in-features", width,
                                               "out-features", reformer_config_get_hidden_size (self->config), "bias", FALSE,
                                               "deviation", reformer_config_get_initializer_range (self->config), NULL),
                           "lm_head.projection.");
  self->tied_bias = reformer_layer_make_parameter (REFORMER_LAYER (self->head), "lm_head.bias", (ReformerStart) { 0 }, 1,
                                                   (gint64) reformer_config_get_vocab_size (self->config));
}

/* Names of TOKENS are those of transformers' token classifiers, names of VALUES after its qa_outputs; it has no Reformer with either. */
static void
build_head (ReformerModel *self)
{
  ReformerConfig *config = self->config;
  const int width = reformer_model_get_width (self), hidden = reformer_config_get_hidden_size (config), n_labels = reformer_config_get_num_labels (config);

  if (reformer_config_get_final_norm (config))
    self->norm = keep_layer (self, g_object_new (REFORMER_TYPE_LAYER_NORM, "device", self->device, "size", width,
                                                 "eps", reformer_config_get_layer_norm_eps (config), NULL),
                             "reformer.encoder.layer_norm.");
  switch (reformer_config_get_head (config))
    {
    case REFORMER_HEAD_LANGUAGE:
    case REFORMER_HEAD_MASKED_LANGUAGE:
      if (reformer_config_get_tied_projection (config))
        {
          build_tied_head (self, width);
          break;
        }
      self->head = new_linear (self, width, reformer_config_get_vocab_size (config), "lm_head.decoder.");
      reformer_parameter_set_name (reformer_linear_peek_bias (self->head), "lm_head.bias");
      break;
    case REFORMER_HEAD_CLASSIFICATION:
    case REFORMER_HEAD_REGRESSION:
    case REFORMER_HEAD_MULTI_LABEL:
      self->dense = new_linear (self, width, hidden, "classifier.dense.");
      self->head = new_linear (self, hidden, n_labels, "classifier.out_proj.");
      break;
    case REFORMER_HEAD_SPANS:
      self->head = new_linear (self, width, n_labels, "qa_outputs.");
      break;
    case REFORMER_HEAD_TOKENS:
      self->head = new_linear (self, width, n_labels, "classifier.");
      break;
    case REFORMER_HEAD_VALUES:
      self->head = new_linear (self, width, n_labels, "value_outputs.");
      break;
    case REFORMER_HEAD_NONE:
    default:
      break;
    }
}

gboolean
reformer_model_build (ReformerModel  *self,
                      GError        **error)
{
  g_autoptr (GRecMutexLocker) locker = g_rec_mutex_locker_new (&self->lock);

  if (self->built)
    return TRUE;
  if (!reformer_config_validate (self->config, error))
    return FALSE;
  if (self->device == NULL)
    {
      self->device = reformer_device_get_default (error);
      if (self->device == NULL)
        return FALSE;
    }
  build_embeddings (self);
  build_stack (self);
  build_head (self);
  self->built = TRUE;
  return TRUE;
}

static GPtrArray *
list (ReformerModel *self,
      GPtrArray     *(*of) (ReformerLayer *layer))
{
  GPtrArray *all = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < self->layers->len; i++)
    {
      g_autoptr (GPtrArray) some = of (self->layers->pdata[i]);

      for (guint j = 0; j < some->len; j++)
        g_ptr_array_add (all, g_object_ref (some->pdata[j]));
    }
  return all;
}

GPtrArray *
reformer_model_list_parameters (ReformerModel *self)
{
  return list (self, reformer_layer_list_parameters);
}

GPtrArray *
reformer_model_list_buffers (ReformerModel *self)
{
  return list (self, reformer_layer_list_buffers);
}

/* ---- Buckets of another rule ---- */

static gboolean
has_rotations (ReformerModel *self)
{
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (self);

  for (guint i = 0; i < buffers->len; i++)
    if (reformer_parameter_get_value (buffers->pdata[i]) != NULL)
      return TRUE;
  return FALSE;
}

gboolean
reformer_model_may_set_buckets (ReformerModel *self)
{
  gsize n;
  g_autofree int *given = reformer_config_get_num_buckets (self->config, &n);

  return n == 0 && !has_rotations (self);
}

void
reformer_model_set_buckets (ReformerModel *self,
                            const int     *factors,
                            gsize          n_factors)
{
  g_autoptr (GRecMutexLocker) locker = g_rec_mutex_locker_new (&self->lock);
  gsize n_before, n_after;
  g_autofree int *before = reformer_config_get_bucket_factors (self->config, &n_before), *after = NULL;

  if (has_rotations (self))
    return;
  reformer_config_set_num_buckets (self->config, factors, n_factors);
  reformer_config_set_num_buckets (self->shown, factors, n_factors);
  after = reformer_config_get_bucket_factors (self->config, &n_after);
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (self->stack)); i++)
    {
      g_autoptr (ReformerLayer) layer = g_list_model_get_item (G_LIST_MODEL (self->stack), i);
      g_autofree int *seen = NULL;
      gsize n;

      if (!REFORMER_IS_LSH_ATTENTION (layer))
        continue;
      seen = reformer_lsh_attention_get_num_buckets (REFORMER_LSH_ATTENTION (layer), &n);
      if (n == n_before && memcmp (seen, before, n * sizeof *seen) == 0) /* not one of the caller's own */
        reformer_lsh_attention_change_buckets (REFORMER_LSH_ATTENTION (layer), after, n_after);
    }
}
