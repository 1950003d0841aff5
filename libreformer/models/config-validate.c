/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include <libreformer/layers/reformer-model-error.h>

#include "files/reading.h"
#include "models/config-head.h"
#include "compute/random.h"
#include "ops/activation.h"

/* no matrix has more elements: sizes in bytes stay far from what 64 bits hold */
#define MAX_ELEMENTS ((gint64) 1 << 48)

static gboolean
refuse (GError     **error,
        const char  *format,
        ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError     **error,
        const char  *format,
        ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error != NULL)
    *error = g_error_new_valist (REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, format, arguments);
  va_end (arguments);

  return FALSE;
}

static char *
number_text (double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (g_ascii_formatd (text, sizeof text, "%.9g", value));
}

static char *
list_text (const int *values,
           gsize      n)
{
  GString *text = g_string_new ("[");

  for (gsize i = 0; i < n && i < 16; i++)
    g_string_append_printf (text, "%s%d", i > 0 ? ", " : "", values[i]);
  g_string_append (text, n > 16 ? ", …]" : "]");

  return g_string_free (text, FALSE);
}

static char *
quoted (const char *text)
{
  g_autofree char *fit = text != NULL ? reformer_file_quote (text) : NULL;

  return text != NULL ? g_strdup_printf ("\"%s\"", fit) : g_strdup ("null");
}

static gboolean
check_least (const char  *key,
             int          value,
             int          least,
             GError     **error)
{
  return value >= least || refuse (error, "%s is %d, %d or more is wanted", key, value, least);
}

/* for what transformers lets be null but cannot compute with */
static gboolean
check_least_or_null (const char  *key,
                     int          value,
                     int          least,
                     GError     **error)
{
  if (value == -1)
    return refuse (error, "%s is null, %d or more is wanted where there is an lsh layer", key, least);

  return check_least (key, value, least, error);
}

static gboolean
check_probability (const char  *key,
                   double       value,
                   GError     **error)
{
  g_autofree char *text = NULL;

  /* a NaN fails too; what rounds to 1 would leave nothing to scale up */
  if (value >= 0 && value <= REFORMER_MAX_DROPOUT)
    return TRUE;

  text = number_text (value);

  return refuse (error, "%s is %s, a probability from 0 to below 1 is wanted", key, text);
}

static gboolean
check_scale (const char  *key,
             double       value,
             GError     **error)
{
  g_autofree char *text = NULL;

  if (value >= 0 && value <= 1e38)
    return TRUE;

  text = number_text (value);

  return refuse (error, "%s is %s, a number from 0 to 1e38 is wanted", key, text);
}

static gboolean
check_matrix (const char  *rows_key,
              gint64       rows,
              const char  *columns_key,
              gint64       columns,
              GError     **error)
{
  if (rows <= MAX_ELEMENTS / columns)
    return TRUE;

  return refuse (error, "%s %" G_GINT64_FORMAT " times %s %" G_GINT64_FORMAT " is too large for a matrix; would fit: %s %" G_GINT64_FORMAT,
                 rows_key, rows, columns_key, columns, rows_key, MAX_ELEMENTS / columns);
}

static gboolean
check_sizes (ReformerConfig  *self,
             GError         **error)
{
  gint64 width = (gint64) self->num_attention_heads * self->attention_head_size;

  if (!check_least ("vocab_size", self->vocab_size, 1, error) ||
      !check_least ("input_features", self->input_features, 0, error) ||
      !check_least ("hidden_size", self->hidden_size, 1, error) ||
      !check_least ("num_attention_heads", self->num_attention_heads, 1, error) ||
      !check_least ("attention_head_size", self->attention_head_size, 1, error) ||
      !check_least ("feed_forward_size", self->feed_forward_size, 1, error) ||
      !check_least ("max_position_embeddings", self->max_position_embeddings, 1, error) ||
      !check_least ("chunk_size_feed_forward", self->chunk_size_feed_forward, 0, error) ||
      !check_least ("chunk_size_lm_head", self->chunk_size_lm_head, 0, error))
    return FALSE;

  /* both streams side by side */
  if (self->hidden_size > G_MAXINT / 2)
    return refuse (error, "hidden_size is %d, at most %d is wanted", self->hidden_size, G_MAXINT / 2);

  if (width > G_MAXINT)
    return refuse (error, "num_attention_heads %d times attention_head_size %d is %" G_GINT64_FORMAT
                   ", at most %d is wanted; would fit: num_attention_heads %d", self->num_attention_heads, self->attention_head_size, width,
                   G_MAXINT, G_MAXINT / self->attention_head_size);

  return check_matrix ("input_features", self->input_features, "hidden_size", self->hidden_size, error) &&
         check_matrix ("vocab_size", self->vocab_size, "twice hidden_size", 2 * (gint64) self->hidden_size, error) &&
         check_matrix ("feed_forward_size", self->feed_forward_size, "hidden_size", self->hidden_size, error) &&
         check_matrix ("num_attention_heads * attention_head_size", width, "hidden_size", self->hidden_size, error);
}

static gboolean
check_activation (ReformerConfig  *self,
                  GError         **error)
{
  ReformerActivation activation;
  g_autofree char *names = NULL, *text = NULL;

  if (self->hidden_act != NULL && reformer_activation_from_name (self->hidden_act, &activation))
    return TRUE;

  names = g_strjoinv (", ", (char **) reformer_activation_get_names ());
  if (g_strcmp0 (self->hidden_act, "prelu") == 0 || g_strcmp0 (self->hidden_act, "xielu") == 0)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED,
                   "hidden_act is \"%s\", which has parameters of its own; one of %s is wanted", self->hidden_act, names);
      return FALSE;
    }

  text = quoted (self->hidden_act);

  return refuse (error, "hidden_act is %s, one of %s is wanted", text, names);
}

static gboolean
check_layers (ReformerConfig  *self,
              GError         **error)
{
  static const char *const kinds[] = { "lsh", "local", "full", "window", NULL };
  guint n = g_strv_length (self->attn_layers);

  if (n == 0)
    return refuse (error, "attn_layers is empty, at least one of lsh, local, full and window is wanted");

  for (guint i = 0; i < n; i++)
    if (!g_strv_contains (kinds, self->attn_layers[i]))
      {
        g_autofree char *text = quoted (self->attn_layers[i]);

        return refuse (error, "attn_layers[%u] is %s, lsh, local, full or window is wanted", i, text);
      }

  if (self->num_hidden_layers != -1 && (self->num_hidden_layers < 1 || (guint) self->num_hidden_layers > n))
    return refuse (error, "num_hidden_layers is %d, from 1 to %u, the number of attn_layers, is wanted", self->num_hidden_layers, n);

  return TRUE;
}

static gboolean
check_streams (ReformerConfig  *self,
               GError         **error)
{
  if (self->streams != 1 && self->streams != 2)
    return refuse (error, "streams is %d, 2 (reversible) or 1 (the ordinary residual) is wanted", self->streams);
  if (!self->norm_first && self->streams != 1)
    return refuse (error, "norm_first is false with 2 streams, true is wanted; would fit: streams 1, whose sums a norm can follow");
  return TRUE;
}

static gboolean
check_scales (ReformerConfig  *self,
              GError         **error)
{
  return check_probability ("hidden_dropout_prob", self->hidden_dropout_prob, error) &&
         (self->classifier_dropout == -1 || check_probability ("classifier_dropout", self->classifier_dropout, error)) &&
         check_scale ("layer_norm_eps", self->layer_norm_eps, error) &&
         check_scale ("initializer_range", self->initializer_range, error) &&
         check_scale ("axial_norm_std", self->axial_norm_std, error);
}

/* Widths of the axes that would fit: the given ones with the last changed where that leaves one, else equal parts. */
static char *
fitting_dims (ReformerConfig *self)
{
  gsize n = self->axial_pos_shape.n;
  int dims[REFORMER_CONFIG_MAX_AXES];
  gint64 rest = self->hidden_size;

  if ((gsize) self->hidden_size < n)
    return g_strdup_printf ("a hidden_size of %" G_GSIZE_FORMAT " or more", n);

  for (gsize i = 0; i + 1 < n; i++)
    {
      dims[i] = self->axial_pos_embds_dim.n == n ? self->axial_pos_embds_dim.values[i] : 0;
      rest -= dims[i];
      if (dims[i] < 1)
        rest = 0;
      if (rest < 1)
        break;
    }

  if (rest < 1)
    {
      for (gsize i = 0; i + 1 < n; i++)
        dims[i] = self->hidden_size / (int) n;
      rest = self->hidden_size - (gint64) (n - 1) * (self->hidden_size / (int) n);
    }
  dims[n - 1] = (int) rest;

  return list_text (dims, n);
}

static gboolean
check_positions (ReformerConfig  *self,
                 GError         **error)
{
  const ReformerIntegers *shape = &self->axial_pos_shape, *dims = &self->axial_pos_embds_dim;
  g_autofree char *shape_text = list_text (shape->values, shape->n), *dims_text = list_text (dims->values, dims->n), *fit = NULL;
  gint64 sum = 0;

  if (!self->axial_pos_embds)
    return check_matrix ("max_position_embeddings", self->max_position_embeddings, "hidden_size", self->hidden_size, error);

  if (shape->n < 1 || shape->n > REFORMER_CONFIG_MAX_AXES)
    return refuse (error, "axial_pos_shape is %s, from 1 to %d axes are wanted", shape_text, REFORMER_CONFIG_MAX_AXES);

  for (gsize i = 0; i < shape->n; i++)
    if (shape->values[i] < 1)
      return refuse (error, "axial_pos_shape is %s, numbers of at least 1 are wanted", shape_text);

  if (reformer_config_product (shape) > REFORMER_CONFIG_MAX_LENGTH)
    return refuse (error, "axial_pos_shape is %s, a product of at most %" G_GINT64_FORMAT " positions is wanted", shape_text,
                   REFORMER_CONFIG_MAX_LENGTH);

  fit = fitting_dims (self);
  if (dims->n != shape->n)
    return refuse (error, "axial_pos_embds_dim is %s, one width for each of the %" G_GSIZE_FORMAT " axes of axial_pos_shape %s is wanted; "
                   "would fit: %s", dims_text, shape->n, shape_text, fit);

  for (gsize i = 0; i < dims->n; i++)
    {
      sum += dims->values[i];
      if (dims->values[i] < 1)
        return refuse (error, "axial_pos_embds_dim is %s, numbers of at least 1 are wanted; would fit: %s", dims_text, fit);
    }

  if (sum != self->hidden_size)
    return refuse (error, "axial_pos_embds_dim is %s with the sum %" G_GINT64_FORMAT ", the sum %d, the hidden_size, is wanted; "
                   "would fit: %s", dims_text, sum, self->hidden_size, fit);

  return TRUE;
}

static gboolean
check_window (const char  *kind,
              int          chunk,
              int          before,
              int          after,
              GError     **error)
{
  gint64 keys = chunk * (1 + (gint64) before + after);

  if ((gint64) before + after >= G_MAXINT / 4 || keys > G_MAXINT / 4)
    return refuse (error, "%s_attn_chunk_length %d with %s_num_chunks_before %d and after %d: a window of at most %d keys is wanted", kind,
                   chunk, kind, before, after, G_MAXINT / 4);

  return TRUE;
}

static gboolean
check_buckets (ReformerConfig  *self,
               GError         **error)
{
  const ReformerIntegers *given = &self->num_buckets;
  g_autofree char *text = given->n == 1 ? g_strdup_printf ("%d", given->values[0]) : list_text (given->values, given->n);

  if (given->n > REFORMER_CONFIG_MAX_FACTORS)
    return refuse (error, "num_buckets is %s, at most %d factors are wanted", text, REFORMER_CONFIG_MAX_FACTORS);

  for (gsize i = 0; i < given->n; i++)
    {
      int factor = given->values[i];

      if (factor < 2)
        return refuse (error, "num_buckets is %s, even numbers of at least 2 are wanted; would fit: 2 for %d", text, factor);
      if (factor % 2 != 0)
        return refuse (error, "num_buckets is %s, even numbers are wanted; would fit: %d for %d", text, factor - 1, factor);
    }

  if (given->n > 0 && reformer_config_product (given) > REFORMER_CONFIG_MAX_BUCKETS)
    return refuse (error, "num_buckets is %s, at most %d buckets together are wanted; would fit: [128, 256]", text, REFORMER_CONFIG_MAX_BUCKETS);

  return TRUE;
}

static gboolean
check_lsh (ReformerConfig  *self,
           GError         **error)
{
  if (!check_least_or_null ("lsh_attn_chunk_length", self->lsh_attn_chunk_length, 1, error) ||
      !check_least_or_null ("lsh_num_chunks_before", self->lsh_num_chunks_before, 0, error) ||
      !check_least_or_null ("lsh_num_chunks_after", self->lsh_num_chunks_after, 0, error) ||
      !check_least ("num_hashes", self->num_hashes, 1, error))
    return FALSE;

  if (self->num_hashes > REFORMER_CONFIG_MAX_HASHES)
    return refuse (error, "num_hashes is %d, at most %d is wanted", self->num_hashes, REFORMER_CONFIG_MAX_HASHES);

  if (self->num_hashes_evaluation != -1 && !check_least ("num_hashes_evaluation", self->num_hashes_evaluation, 1, error))
    return FALSE;

  if (self->num_hashes_evaluation > REFORMER_CONFIG_MAX_HASHES)
    return refuse (error, "num_hashes_evaluation is %d, at most %d is wanted", self->num_hashes_evaluation, REFORMER_CONFIG_MAX_HASHES);

  if (self->lsh_attention_probs_dropout_prob == -1)
    return refuse (error, "lsh_attention_probs_dropout_prob is null, a probability is wanted where there is an lsh layer; would fit: 0");

  return check_probability ("lsh_attention_probs_dropout_prob", self->lsh_attention_probs_dropout_prob, error) &&
         check_window ("lsh", self->lsh_attn_chunk_length, self->lsh_num_chunks_before, self->lsh_num_chunks_after, error) &&
         check_buckets (self, error);
}

static gboolean
check_local (ReformerConfig  *self,
             GError         **error)
{
  return check_least ("local_attn_chunk_length", self->local_attn_chunk_length, 1, error) &&
         check_least ("local_num_chunks_before", self->local_num_chunks_before, 0, error) &&
         check_least ("local_num_chunks_after", self->local_num_chunks_after, 0, error) &&
         check_probability ("local_attention_probs_dropout_prob", self->local_attention_probs_dropout_prob, error) &&
         check_window ("local", self->local_attn_chunk_length, self->local_num_chunks_before, self->local_num_chunks_after, error);
}

static gboolean
check_band (ReformerConfig  *self,
            GError         **error)
{
  const ReformerIntegers *dilation = &self->window_attn_dilation, *positions = &self->window_attn_global_tokens;
  g_autofree char *dilation_text = list_text (dilation->values, dilation->n), *positions_text = list_text (positions->values, positions->n);
  const gint64 most = reformer_config_get_max_length (self);

  if (self->window_attn_size < 2 || self->window_attn_size % 2 != 0)
    return refuse (error, "window_attn_size is %d, an even number of at least 2 is wanted; would fit: %d", self->window_attn_size,
                   MAX (self->window_attn_size / 2 * 2, 2));
  if (dilation->n > 0 && dilation->n != (gsize) self->num_attention_heads)
    return refuse (error, "window_attn_dilation is %s, one number for each of the %d heads, or null, is wanted", dilation_text, self->num_attention_heads);
  for (gsize i = 0; i < dilation->n; i++)
    if (dilation->values[i] < 1 || dilation->values[i] > G_MAXINT / 4 / (self->window_attn_size / 2))
      return refuse (error, "window_attn_dilation is %s, numbers from 1 to %d are wanted with window_attn_size %d", dilation_text,
                     G_MAXINT / 4 / (self->window_attn_size / 2), self->window_attn_size);
  for (gsize i = 0; i < positions->n; i++)
    if (positions->values[i] < 0 || positions->values[i] >= most)
      return refuse (error, "window_attn_global_tokens is %s, positions from 0 to %" G_GINT64_FORMAT " are wanted, as many as the model has", positions_text, most - 1);

  return TRUE;
}

static gboolean
check_attention (ReformerConfig  *self,
                 GError         **error)
{
  gboolean lsh = reformer_config_has_kind (self, "lsh"), local = reformer_config_has_kind (self, "local");
  gboolean full = reformer_config_has_kind (self, "full"), window = reformer_config_has_kind (self, "window");

  if ((lsh && !check_lsh (self, error)) || (local && !check_local (self, error)))
    return FALSE;
  if ((full || window) && !check_probability ("local_attention_probs_dropout_prob", self->local_attention_probs_dropout_prob, error))
    return FALSE;
  if (window && !check_band (self, error))
    return FALSE;

  /* sequences are padded to a multiple of both */
  if (lsh && local)
    {
      gint64 a = self->lsh_attn_chunk_length, b = self->local_attn_chunk_length;

      while (b != 0)
        {
          gint64 rest = a % b;

          a = b;
          b = rest;
        }
      if (self->lsh_attn_chunk_length / a * self->local_attn_chunk_length > REFORMER_CONFIG_MAX_LENGTH)
        return refuse (error, "lsh_attn_chunk_length %d and local_attn_chunk_length %d have no common multiple up to %" G_GINT64_FORMAT
                       "; would fit: %d for both", self->lsh_attn_chunk_length, self->local_attn_chunk_length, REFORMER_CONFIG_MAX_LENGTH,
                       self->lsh_attn_chunk_length);
    }

  if (self->head == REFORMER_HEAD_LANGUAGE && lsh && self->lsh_num_chunks_after != 0)
    return refuse (error, "lsh_num_chunks_after is %d, 0 is wanted for a causal language head", self->lsh_num_chunks_after);
  if (self->head == REFORMER_HEAD_LANGUAGE && local && self->local_num_chunks_after != 0)
    return refuse (error, "local_num_chunks_after is %d, 0 is wanted for a causal language head", self->local_num_chunks_after);

  return TRUE;
}

static gboolean
check_token (const char  *key,
             int          value,
             GError     **error)
{
  return value >= -1 || refuse (error, "%s is %d, null (-1) or a token id is wanted", key, value);
}

static gboolean
check_class_weights (ReformerConfig  *self,
                     GError         **error)
{
  const ReformerDoubles *weights = &self->class_weights;
  gboolean any = weights->n == 0;

  if (weights->n == 0)
    return TRUE;
  if (self->head != REFORMER_HEAD_CLASSIFICATION && self->head != REFORMER_HEAD_TOKENS)
    return refuse (error, "class_weights has %" G_GSIZE_FORMAT " numbers, none are wanted but for the heads classification and tokens", weights->n);
  if (weights->n != (gsize) self->num_labels)
    return refuse (error, "class_weights has %" G_GSIZE_FORMAT " numbers, one for each of %d classes (num_labels) is wanted", weights->n, self->num_labels);
  for (gsize i = 0; i < weights->n; i++)
    {
      g_autofree char *text = number_text (weights->values[i]);

      if (!isfinite (weights->values[i]) || weights->values[i] < 0 || weights->values[i] > (double) G_MAXFLOAT)
        return refuse (error, "class_weights is %s for class %" G_GSIZE_FORMAT ", a number of at least 0 is wanted", text, i);
      any = any || weights->values[i] > 0;
    }

  return any || refuse (error, "class_weights is 0 for every class, a number above 0 is wanted for one at least");
}

static gboolean
check_head (ReformerConfig  *self,
            GError         **error)
{
  ReformerHead named = self->head;

  if (self->head == REFORMER_HEAD_LANGUAGE && !self->is_decoder)
    return refuse (error, "is_decoder is false, true is wanted for a causal language head; would fit: the head none");
  if (self->head == REFORMER_HEAD_MASKED_LANGUAGE && self->is_decoder)
    return refuse (error, "is_decoder is true, false is wanted for a masked language head (or the head language)");

  if (self->tied_projection && self->input_features > 0)
    return refuse (error, "tied_projection is true, but input_features is %d: there is no table of words to tie; would fit: tied_projection false", self->input_features);

  if (!check_least ("num_labels", self->num_labels, 1, error))
    return FALSE;
  if (self->head == REFORMER_HEAD_SPANS && self->num_labels != 2)
    return refuse (error, "num_labels is %d, 2 is wanted for the head spans: where one begins and ends", self->num_labels);
  if (self->head == REFORMER_HEAD_CLASSIFICATION && self->num_labels < 2)
    return refuse (error, "num_labels is %d, 2 or more is wanted for the head classification (1 is for the head regression)", self->num_labels);

  if (self->problem_type != NULL)
    {
      g_autofree char *text = quoted (self->problem_type);

      if (!reformer_config_head_from_problem (self->problem_type, &named))
        return refuse (error, "problem_type is %s, regression, single_label_classification, multi_label_classification or null is wanted", text);
      if (reformer_config_problem_from_head (self->head) != NULL && named != self->head)
        return refuse (error, "problem_type is %s, %s or null is wanted for this head", text, reformer_config_problem_from_head (self->head));
    }

  if (!check_class_weights (self, error) ||
      !check_token ("pad_token_id", self->pad_token_id, error) ||
      !check_token ("eos_token_id", self->eos_token_id, error) ||
      !check_token ("bos_token_id", self->bos_token_id, error))
    return FALSE;

  if (self->pad_token_id >= self->vocab_size)
    return refuse (error, "pad_token_id is %d, null (-1) or an id below %d, the vocab_size, is wanted", self->pad_token_id, self->vocab_size);

  return TRUE;
}

/**
 * reformer_config_validate:
 * @self: a configuration
 * @error: return location for an error
 *
 * Says whether the settings together make a model.
 *
 * The error is of the domain [error@ModelError], its code is `INVALID_CONFIG`, or `UNSUPPORTED` for an activation that exists elsewhere. Its
 * message names the key, the value seen and what would fit. Settings of a kind of attention that no layer has are not looked at.
 *
 * Returns: %TRUE if they do
 */
gboolean
reformer_config_validate (ReformerConfig  *self,
                          GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_CONFIG (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return check_sizes (self, error) &&
         check_activation (self, error) &&
         check_layers (self, error) &&
         check_streams (self, error) &&
         check_scales (self, error) &&
         check_positions (self, error) &&
         check_attention (self, error) &&
         check_head (self, error);
}
