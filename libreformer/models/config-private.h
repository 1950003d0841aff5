/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/models/reformer-config.h>

#include "files/json.h"

G_BEGIN_DECLS

/* what buckets, axes and positions may grow to: ops/hash.h holds 16 factors, more than 65,535 buckets can have; tensors have 8 dimensions, one of which is the width, buckets are uint16 with one more for padding,
 * orders are int32 */
#define REFORMER_CONFIG_MAX_FACTORS  16
#define REFORMER_CONFIG_MAX_BUCKETS  65535
#define REFORMER_CONFIG_MAX_HASHES   1024
#define REFORMER_CONFIG_MAX_AXES     7
#define REFORMER_CONFIG_MAX_LENGTH   ((gint64) G_MAXINT32)

/* One setting = one row of the table in config-fields.c: its property, its key in the file and its place in the object come from there. */
typedef enum
{
  REFORMER_CONFIG_BOOLEAN,
  REFORMER_CONFIG_INT,
  REFORMER_CONFIG_INT64,
  REFORMER_CONFIG_DOUBLE,
  REFORMER_CONFIG_STRING,
  REFORMER_CONFIG_STRINGS,
  REFORMER_CONFIG_INTEGERS,
  REFORMER_CONFIG_DOUBLES,
  REFORMER_CONFIG_ENUM,
} ReformerConfigKind;

typedef enum
{
  REFORMER_CONFIG_NOTHING,

  REFORMER_CONFIG_VOCAB_SIZE,
  REFORMER_CONFIG_INPUT_FEATURES,
  REFORMER_CONFIG_HIDDEN_SIZE,
  REFORMER_CONFIG_NUM_ATTENTION_HEADS,
  REFORMER_CONFIG_ATTENTION_HEAD_SIZE,
  REFORMER_CONFIG_FEED_FORWARD_SIZE,
  REFORMER_CONFIG_HIDDEN_ACT,
  REFORMER_CONFIG_ATTN_LAYERS,
  REFORMER_CONFIG_NUM_HIDDEN_LAYERS,
  REFORMER_CONFIG_IS_DECODER,
  REFORMER_CONFIG_HIDDEN_DROPOUT_PROB,
  REFORMER_CONFIG_LAYER_NORM_EPS,
  REFORMER_CONFIG_INITIALIZER_RANGE,
  REFORMER_CONFIG_CHUNK_SIZE_FEED_FORWARD,
  REFORMER_CONFIG_STREAMS,
  REFORMER_CONFIG_NORM_FIRST,
  REFORMER_CONFIG_FINAL_NORM,
  REFORMER_CONFIG_ATTENTION_BIAS,

  REFORMER_CONFIG_LSH_ATTN_CHUNK_LENGTH,
  REFORMER_CONFIG_LSH_NUM_CHUNKS_BEFORE,
  REFORMER_CONFIG_LSH_NUM_CHUNKS_AFTER,
  REFORMER_CONFIG_LSH_ATTENTION_PROBS_DROPOUT_PROB,
  REFORMER_CONFIG_NUM_BUCKETS,
  REFORMER_CONFIG_NUM_HASHES,
  REFORMER_CONFIG_NUM_HASHES_EVALUATION,
  REFORMER_CONFIG_HASH_SEED,
  REFORMER_CONFIG_LOCAL_ATTN_CHUNK_LENGTH,
  REFORMER_CONFIG_LOCAL_NUM_CHUNKS_BEFORE,
  REFORMER_CONFIG_LOCAL_NUM_CHUNKS_AFTER,
  REFORMER_CONFIG_LOCAL_ATTENTION_PROBS_DROPOUT_PROB,
  REFORMER_CONFIG_LOCAL_ATTN_CIRCULAR,
  REFORMER_CONFIG_WINDOW_ATTN_SIZE,
  REFORMER_CONFIG_WINDOW_ATTN_DILATION,
  REFORMER_CONFIG_WINDOW_ATTN_GLOBAL_TOKENS,

  REFORMER_CONFIG_AXIAL_POS_EMBDS,
  REFORMER_CONFIG_AXIAL_POS_SHAPE,
  REFORMER_CONFIG_AXIAL_POS_EMBDS_DIM,
  REFORMER_CONFIG_AXIAL_NORM_STD,
  REFORMER_CONFIG_MAX_POSITION_EMBEDDINGS,

  REFORMER_CONFIG_HEAD,
  REFORMER_CONFIG_NUM_LABELS,
  REFORMER_CONFIG_PROBLEM_TYPE,
  REFORMER_CONFIG_CLASSIFIER_DROPOUT,
  REFORMER_CONFIG_CLASS_WEIGHTS,
  REFORMER_CONFIG_CHUNK_SIZE_LM_HEAD,
  REFORMER_CONFIG_TIE_WORD_EMBEDDINGS,
  REFORMER_CONFIG_TIED_PROJECTION,
  REFORMER_CONFIG_PAD_TOKEN_ID,
  REFORMER_CONFIG_EOS_TOKEN_ID,
  REFORMER_CONFIG_BOS_TOKEN_ID,

  REFORMER_CONFIG_N_FIELDS,
  REFORMER_CONFIG_UNKNOWN_KEYS = REFORMER_CONFIG_N_FIELDS,
  REFORMER_CONFIG_N_PROPERTIES,
} ReformerConfigId;

typedef struct
{
  const char         *name;     /* of the property */
  const char         *key;      /* in the file; NULL where config-json.c has a rule of its own */
  ReformerConfigKind  kind;
  gsize               offset;
  double              standard; /* the default of a number or boolean */
  gboolean            nullable; /* null in the file is -1, or an empty list */
} ReformerConfigField;

typedef struct
{
  int   *values;
  gsize  n;
} ReformerIntegers;

typedef struct
{
  double *values;
  gsize   n;
} ReformerDoubles;

struct _ReformerConfig
{
  GObject           parent_instance;

  int               vocab_size, input_features, hidden_size, num_attention_heads, attention_head_size, feed_forward_size;
  char             *hidden_act;
  char            **attn_layers;
  int               num_hidden_layers;
  gboolean          is_decoder;
  double            hidden_dropout_prob, layer_norm_eps, initializer_range;
  int               chunk_size_feed_forward;
  int               streams;
  gboolean          norm_first, final_norm, attention_bias;

  int               lsh_attn_chunk_length, lsh_num_chunks_before, lsh_num_chunks_after;
  double            lsh_attention_probs_dropout_prob;
  ReformerIntegers  num_buckets;
  int               num_hashes, num_hashes_evaluation;
  gint64            hash_seed;
  int               local_attn_chunk_length, local_num_chunks_before, local_num_chunks_after;
  double            local_attention_probs_dropout_prob;
  gboolean          local_attn_circular;
  int               window_attn_size;
  ReformerIntegers  window_attn_dilation, window_attn_global_tokens;

  gboolean          axial_pos_embds;
  ReformerIntegers  axial_pos_shape, axial_pos_embds_dim;
  double            axial_norm_std;
  int               max_position_embeddings;

  ReformerHead      head;
  int               num_labels;
  char             *problem_type;
  double            classifier_dropout;
  ReformerDoubles   class_weights;
  int               chunk_size_lm_head;
  gboolean          tie_word_embeddings, tied_projection;
  int               pad_token_id, eos_token_id, bos_token_id;

  json_t           *kept;         /* members of the file that are no settings of ours; NULL: none */
  char            **unknown_keys; /* those of them that transformers does not write either */
};

extern const ReformerConfigField reformer_config_fields[REFORMER_CONFIG_N_FIELDS];

#define REFORMER_CONFIG_PLACE(self, field, type) ((type *) G_STRUCT_MEMBER_P ((self), (field)->offset))

void         reformer_config_install_properties (GObjectClass           *object_class,
                                                 GParamSpec            **properties);

/* What the setters do: nothing where the value is the same, else take it and notify. */
void         reformer_config_change_boolean     (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 gboolean                value);
void         reformer_config_change_int         (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 int                     value);
void         reformer_config_change_enum        (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 int                     value);
void         reformer_config_change_int64       (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 gint64                  value);
void         reformer_config_change_double      (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 double                  value);
void         reformer_config_change_string      (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 const char             *value);
void         reformer_config_change_strings     (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 const char *const      *value);
void         reformer_config_change_integers    (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 const int              *values,
                                                 gsize                   n);
void         reformer_config_change_doubles     (ReformerConfig         *self,
                                                 ReformerConfigId        id,
                                                 const double           *values,
                                                 gsize                   n);
int         *reformer_config_dup_integers       (const ReformerIntegers *integers,
                                                 gsize                  *n);

/* Replaces the kept members; takes the reference. */
void         reformer_config_take_kept          (ReformerConfig         *self,
                                                 json_t                 *kept);

/* Whether a layer of that kind, such as "lsh", is named in attn_layers. */
gboolean     reformer_config_has_kind           (ReformerConfig         *self,
                                                 const char             *kind);
/* The product; 0 for an empty list or where a factor is below 1, G_MAXINT64 where it does not fit. */
gint64       reformer_config_product            (const ReformerIntegers *integers);
/* What transformers must read as max_position_embeddings: at least the product of the axial shape. */
gint64       reformer_config_get_n_embeddings   (ReformerConfig         *self);

G_END_DECLS
