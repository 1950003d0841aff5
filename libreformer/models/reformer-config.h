/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>

#include <libreformer/compute/reformer-version-macros.h>
#include <libreformer/layers/reformer-stack.h>
#include <libreformer/models/reformer-head.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_CONFIG (reformer_config_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerConfig, reformer_config, REFORMER, CONFIG, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerConfig     *reformer_config_new                                  (void);
REFORMER_AVAILABLE_IN_1_0
ReformerConfig     *reformer_config_new_from_json                        (const char          *text,
                                                                          GError             **error);
REFORMER_AVAILABLE_IN_1_0
ReformerConfig     *reformer_config_new_preset                           (const char          *name,
                                                                          GError             **error);
REFORMER_AVAILABLE_IN_1_0
char              **reformer_config_list_presets                         (void);
REFORMER_AVAILABLE_IN_1_0
ReformerConfig     *reformer_config_load                                 (GFile               *file,
                                                                          GCancellable        *cancellable,
                                                                          GError             **error);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_save                                 (ReformerConfig      *self,
                                                                          GFile               *file,
                                                                          GCancellable        *cancellable,
                                                                          GError             **error);
REFORMER_AVAILABLE_IN_1_0
char               *reformer_config_to_json                              (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
ReformerConfig     *reformer_config_copy                                 (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_equal                                (ReformerConfig      *self,
                                                                          ReformerConfig      *other);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_validate                             (ReformerConfig      *self,
                                                                          GError             **error);
REFORMER_AVAILABLE_IN_1_0
const char *const  *reformer_config_get_unknown_keys                     (ReformerConfig      *self);

/* Sizes */

REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_vocab_size                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_vocab_size                       (ReformerConfig      *self,
                                                                          int                  vocab_size);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_input_features                   (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_input_features                   (ReformerConfig      *self,
                                                                          int                  input_features);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_hidden_size                      (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_hidden_size                      (ReformerConfig      *self,
                                                                          int                  hidden_size);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_num_attention_heads              (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_num_attention_heads              (ReformerConfig      *self,
                                                                          int                  num_attention_heads);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_attention_head_size              (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_attention_head_size              (ReformerConfig      *self,
                                                                          int                  attention_head_size);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_feed_forward_size                (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_feed_forward_size                (ReformerConfig      *self,
                                                                          int                  feed_forward_size);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_config_get_hidden_act                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_hidden_act                       (ReformerConfig      *self,
                                                                          const char          *hidden_act);
REFORMER_AVAILABLE_IN_1_0
const char *const  *reformer_config_get_attn_layers                      (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_attn_layers                      (ReformerConfig      *self,
                                                                          const char *const   *attn_layers);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_num_hidden_layers                (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_num_hidden_layers                (ReformerConfig      *self,
                                                                          int                  num_hidden_layers);
REFORMER_AVAILABLE_IN_1_0
guint               reformer_config_get_n_layers                         (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_is_decoder                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_is_decoder                       (ReformerConfig      *self,
                                                                          gboolean             is_decoder);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_hidden_dropout_prob              (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_hidden_dropout_prob              (ReformerConfig      *self,
                                                                          double               hidden_dropout_prob);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_layer_norm_eps                   (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_layer_norm_eps                   (ReformerConfig      *self,
                                                                          double               layer_norm_eps);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_initializer_range                (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_initializer_range                (ReformerConfig      *self,
                                                                          double               initializer_range);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_chunk_size_feed_forward          (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_chunk_size_feed_forward          (ReformerConfig      *self,
                                                                          int                  chunk_size_feed_forward);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_streams                          (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_streams                          (ReformerConfig      *self,
                                                                          int                  streams);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_norm_first                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_norm_first                       (ReformerConfig      *self,
                                                                          gboolean             norm_first);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_final_norm                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_final_norm                       (ReformerConfig      *self,
                                                                          gboolean             final_norm);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_attention_bias                   (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_attention_bias                   (ReformerConfig      *self,
                                                                          gboolean             attention_bias);

/* Attention */

REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_lsh_attn_chunk_length            (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_lsh_attn_chunk_length            (ReformerConfig      *self,
                                                                          int                  lsh_attn_chunk_length);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_lsh_num_chunks_before            (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_lsh_num_chunks_before            (ReformerConfig      *self,
                                                                          int                  lsh_num_chunks_before);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_lsh_num_chunks_after             (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_lsh_num_chunks_after             (ReformerConfig      *self,
                                                                          int                  lsh_num_chunks_after);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_lsh_attention_probs_dropout_prob (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_lsh_attention_probs_dropout_prob (ReformerConfig      *self,
                                                                          double               lsh_attention_probs_dropout_prob);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_get_num_buckets                      (ReformerConfig      *self,
                                                                          gsize               *n_factors);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_num_buckets                      (ReformerConfig      *self,
                                                                          const int           *num_buckets,
                                                                          gsize                n_factors);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_get_bucket_factors                   (ReformerConfig      *self,
                                                                          gsize               *n_factors);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_num_hashes                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_num_hashes                       (ReformerConfig      *self,
                                                                          int                  num_hashes);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_num_hashes_evaluation            (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_num_hashes_evaluation            (ReformerConfig      *self,
                                                                          int                  num_hashes_evaluation);
REFORMER_AVAILABLE_IN_1_0
gint64              reformer_config_get_hash_seed                        (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_hash_seed                        (ReformerConfig      *self,
                                                                          gint64               hash_seed);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_local_attn_chunk_length          (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_local_attn_chunk_length          (ReformerConfig      *self,
                                                                          int                  local_attn_chunk_length);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_local_num_chunks_before          (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_local_num_chunks_before          (ReformerConfig      *self,
                                                                          int                  local_num_chunks_before);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_local_num_chunks_after           (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_local_num_chunks_after           (ReformerConfig      *self,
                                                                          int                  local_num_chunks_after);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_local_attention_probs_dropout_prob
                                                                         (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_local_attention_probs_dropout_prob
                                                                         (ReformerConfig      *self,
                                                                          double               local_attention_probs_dropout_prob);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_local_attn_circular              (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_local_attn_circular              (ReformerConfig      *self,
                                                                          gboolean             local_attn_circular);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_window_attn_size                 (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_window_attn_size                 (ReformerConfig      *self,
                                                                          int                  window_attn_size);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_get_window_attn_dilation             (ReformerConfig      *self,
                                                                          gsize               *n_heads);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_window_attn_dilation             (ReformerConfig      *self,
                                                                          const int           *window_attn_dilation,
                                                                          gsize                n_heads);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_get_window_attn_global_tokens        (ReformerConfig      *self,
                                                                          gsize               *n_positions);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_window_attn_global_tokens        (ReformerConfig      *self,
                                                                          const int           *window_attn_global_tokens,
                                                                          gsize                n_positions);

/* Positions */

REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_axial_pos_embds                  (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_axial_pos_embds                  (ReformerConfig      *self,
                                                                          gboolean             axial_pos_embds);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_get_axial_pos_shape                  (ReformerConfig      *self,
                                                                          gsize               *n_axes);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_axial_pos_shape                  (ReformerConfig      *self,
                                                                          const int           *axial_pos_shape,
                                                                          gsize                n_axes);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_get_axial_pos_embds_dim              (ReformerConfig      *self,
                                                                          gsize               *n_axes);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_axial_pos_embds_dim              (ReformerConfig      *self,
                                                                          const int           *axial_pos_embds_dim,
                                                                          gsize                n_axes);
REFORMER_AVAILABLE_IN_1_0
int                *reformer_config_choose_axial_shape                   (ReformerConfig      *self,
                                                                          gint64               length,
                                                                          guint                axes,
                                                                          gsize               *n_axes,
                                                                          GError             **error);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_axial_norm_std                   (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_axial_norm_std                   (ReformerConfig      *self,
                                                                          double               axial_norm_std);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_max_position_embeddings          (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_max_position_embeddings          (ReformerConfig      *self,
                                                                          int                  max_position_embeddings);
REFORMER_AVAILABLE_IN_1_0
gint64              reformer_config_get_max_length                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_count_operations                     (ReformerConfig      *self,
                                                                          gint64               length,
                                                                          gboolean             gradients,
                                                                          ReformerKeep         keep);

/* Head and tokens */

REFORMER_AVAILABLE_IN_1_0
ReformerHead        reformer_config_get_head                             (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_head                             (ReformerConfig      *self,
                                                                          ReformerHead         head);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_num_labels                       (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_num_labels                       (ReformerConfig      *self,
                                                                          int                  num_labels);
REFORMER_AVAILABLE_IN_1_0
const char         *reformer_config_get_problem_type                     (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_problem_type                     (ReformerConfig      *self,
                                                                          const char          *problem_type);
REFORMER_AVAILABLE_IN_1_0
double              reformer_config_get_classifier_dropout               (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_classifier_dropout               (ReformerConfig      *self,
                                                                          double               classifier_dropout);
REFORMER_AVAILABLE_IN_1_0
double             *reformer_config_get_class_weights                    (ReformerConfig      *self,
                                                                          gsize               *n_classes);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_class_weights                    (ReformerConfig      *self,
                                                                          const double        *class_weights,
                                                                          gsize                n_classes);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_chunk_size_lm_head               (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_chunk_size_lm_head               (ReformerConfig      *self,
                                                                          int                  chunk_size_lm_head);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_tie_word_embeddings              (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_tie_word_embeddings              (ReformerConfig      *self,
                                                                          gboolean             tie_word_embeddings);
REFORMER_AVAILABLE_IN_1_0
gboolean            reformer_config_get_tied_projection                  (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_tied_projection                  (ReformerConfig      *self,
                                                                          gboolean             tied_projection);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_pad_token_id                     (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_pad_token_id                     (ReformerConfig      *self,
                                                                          int                  pad_token_id);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_eos_token_id                     (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_eos_token_id                     (ReformerConfig      *self,
                                                                          int                  eos_token_id);
REFORMER_AVAILABLE_IN_1_0
int                 reformer_config_get_bos_token_id                     (ReformerConfig      *self);
REFORMER_AVAILABLE_IN_1_0
void                reformer_config_set_bos_token_id                     (ReformerConfig      *self,
                                                                          int                  bos_token_id);

G_END_DECLS
