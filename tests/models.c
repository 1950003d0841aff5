/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models.h"

#include <string.h>

ReformerConfig *
test_config (const char *kinds)
{
  g_auto (GStrv) layers = g_strsplit (kinds, ",", -1);
  const int shape[2] = { 8, 8 }, dims[2] = { 8, 24 }, buckets[1] = { 8 };
  ReformerConfig *config = g_object_new (REFORMER_TYPE_CONFIG, "vocab-size", 40, "is-decoder", TRUE, "hidden-size", 32, "num-attention-heads", 2,
                                         "attention-head-size", 16, "feed-forward-size", 64, "attn-layers", layers, "lsh-attn-chunk-length", 8,
                                         "local-attn-chunk-length", 8, "num-hashes", 2, "max-position-embeddings", 64, "hidden-dropout-prob", 0.0,
                                         "lsh-attention-probs-dropout-prob", 0.0, "local-attention-probs-dropout-prob", 0.0, "initializer-range", 0.15, NULL);

  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
  reformer_config_set_num_buckets (config, buckets, 1);
  return config;
}

ReformerConfig *
test_head_config (ReformerHead  head,
                  const char   *kinds)
{
  ReformerConfig *config = test_config (kinds);
  const gboolean causal = head == REFORMER_HEAD_LANGUAGE, classes = head == REFORMER_HEAD_CLASSIFICATION || head == REFORMER_HEAD_TOKENS;

  g_object_set (config, "head", head, "is-decoder", causal, "num-labels", classes ? 3 : head == REFORMER_HEAD_MULTI_LABEL ? 6 : 2, "local-num-chunks-after", !causal,
                "lsh-num-chunks-after", !causal, NULL);
  return config;
}

void
test_add_head (const char         *program,
               const char         *name,
               GTestDataFunc       function,
               const ReformerHead *head)
{
  g_autoptr (GEnumClass) values = g_type_class_ref (REFORMER_TYPE_HEAD);
  g_autofree char *path = g_strdup_printf ("/%s/%s/%s", program, g_enum_get_value (values, (int) *head)->value_nick, name);

  g_test_add_data_func (path, head, function);
}

ReformerTensor *
test_tokens (ReformerDevice *device,
             int             B,
             int             T,
             int             vocabulary)
{
  g_autofree gint32 *ids = g_new (gint32, (gsize) B * (gsize) T);

  test_fill_int (ids, (gsize) B * (gsize) T, (guint32) vocabulary - 1, 7);
  for (int i = 0; i < B * T; i++)
    ids[i]++;
  return test_tensor_int (device, ids, 2, B, T);
}

ReformerParameter *
test_model_parameter (ReformerModel *model,
                const char    *name)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (model);

  for (guint i = 0; i < parameters->len; i++)
    if (g_str_equal (reformer_parameter_get_name (parameters->pdata[i]), name))
      return parameters->pdata[i];
  for (guint i = 0; i < buffers->len; i++)
    if (g_str_equal (reformer_parameter_get_name (buffers->pdata[i]), name))
      return buffers->pdata[i];
  g_error ("the model has no parameter %s", name);
}

void
test_set_values (ReformerParameter *parameter,
                 const float       *values,
                 gsize              n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (values, n * sizeof *values);

  g_assert_cmpuint (n, ==, reformer_parameter_get_n_elements (parameter));
  reformer_parameter_fill (parameter, 0, &error);
  g_assert_no_error (error);
  reformer_tensor_upload (reformer_parameter_get_value (parameter), bytes, &error);
  g_assert_no_error (error);
}

GArray *
test_gradients (ReformerModel *model)
{
  g_autoptr (GPtrArray) parameters = reformer_model_list_parameters (model);
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));

  for (guint i = 0; i < parameters->len; i++)
    {
      ReformerTensor *gradient = reformer_parameter_get_gradient (parameters->pdata[i]);
      g_autofree float *values = gradient != NULL ? test_floats (gradient) : NULL;

      if (gradient != NULL)
        g_array_append_vals (all, values, (guint) reformer_tensor_get_n_elements (gradient));
    }
  return all;
}

double *
test_read_double (ReformerSafetensors *file,
                  const char          *name,
                  gsize               *n)
{
  const ReformerSafetensorsEntry *entry = reformer_safetensors_lookup (file, name);
  g_autoptr (GError) error = NULL;
  double *values;

  if (entry == NULL)
    return NULL;
  values = g_new (double, entry->n_elements);
  *n = entry->n_elements;
  if (entry->dtype == REFORMER_SAFETENSORS_F64)
    reformer_safetensors_read (file, entry, values, 0, entry->n_bytes, NULL, &error);
  else
    {
      g_autofree float *floats = g_new (float, entry->n_elements);

      reformer_safetensors_read_float32 (file, entry, floats, 0, entry->n_elements, NULL, &error);
      for (gsize i = 0; i < *n; i++)
        values[i] = (double) floats[i];
    }
  g_assert_no_error (error);
  return values;
}

ReformerTensor *
test_read_tokens (ReformerSafetensors *file,
                  const char          *name,
                  ReformerDevice      *device)
{
  const ReformerSafetensorsEntry *entry = reformer_safetensors_lookup (file, name);
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *values = NULL;

  if (entry == NULL)
    return NULL;
  g_assert_cmpint (entry->dtype, ==, REFORMER_SAFETENSORS_I32);
  values = g_malloc (entry->n_bytes);
  reformer_safetensors_read (file, entry, values, 0, entry->n_bytes, NULL, &error);
  g_assert_no_error (error);
  return test_tensor_int (device, values, 2, (int) entry->shape[0], (int) entry->shape[1]);
}
