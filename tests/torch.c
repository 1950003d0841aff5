/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "torch.h"

#include <string.h>

static const struct
{
  const char *ours, *torch;
  int         part; /* of the three that torch keeps in one */
} pairs[] = {
  { "attention.layer_norm.weight", "norm1.weight", 0 },
  { "attention.layer_norm.bias", "norm1.bias", 0 },
  { "attention.self_attention.query.weight", "self_attn.in_proj_weight", 0 },
  { "attention.self_attention.query.bias", "self_attn.in_proj_bias", 0 },
  { "attention.self_attention.key.weight", "self_attn.in_proj_weight", 1 },
  { "attention.self_attention.key.bias", "self_attn.in_proj_bias", 1 },
  { "attention.self_attention.value.weight", "self_attn.in_proj_weight", 2 },
  { "attention.self_attention.value.bias", "self_attn.in_proj_bias", 2 },
  { "attention.output.dense.weight", "self_attn.out_proj.weight", 0 },
  { "attention.output.dense.bias", "self_attn.out_proj.bias", 0 },
  { "feed_forward.layer_norm.weight", "norm2.weight", 0 },
  { "feed_forward.layer_norm.bias", "norm2.bias", 0 },
  { "feed_forward.dense.dense.weight", "linear1.weight", 0 },
  { "feed_forward.dense.dense.bias", "linear1.bias", 0 },
  { "feed_forward.output.dense.weight", "linear2.weight", 0 },
  { "feed_forward.output.dense.bias", "linear2.bias", 0 },
};

ReformerSafetensors *
test_torch_open (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "transformer", name, NULL);
  g_autoptr (GError) error = NULL;
  ReformerSafetensors *file = reformer_safetensors_open (path, NULL, &error);

  g_assert_no_error (error);
  return file;
}

double *
test_torch_read (ReformerSafetensors *file,
                 const char          *before,
                 ReformerParameter   *parameter)
{
  static const char *const prefixes[] = { "extra.", "reformer.encoder.layers." };
  const char *name = reformer_parameter_get_name (parameter), *layer = NULL;
  const gsize n = reformer_parameter_get_n_elements (parameter);

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (name, prefixes[i]))
      layer = name + strlen (prefixes[i]);
  for (guint i = 0; layer != NULL && i < G_N_ELEMENTS (pairs); i++)
    if (g_str_equal (layer + strlen ("0."), pairs[i].ours))
      {
        g_autofree char *key = g_strdup_printf ("%slayers.%c.%s", before, layer[0], pairs[i].torch);
        gsize all = 0;
        g_autofree double *values = test_read_double (file, key, &all);

        g_assert_nonnull (values);
        g_assert_cmpuint ((gsize) (pairs[i].part + 1) * n, <=, all);
        return g_memdup2 (values + (gsize) pairs[i].part * n, n * sizeof *values);
      }
  return NULL;
}

guint
test_torch_load (GPtrArray *parameters)
{
  g_autoptr (ReformerSafetensors) weights = test_torch_open ("weights.safetensors");
  guint found = 0;

  for (guint i = 0; i < parameters->len; i++)
    {
      const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
      g_autofree double *values = test_torch_read (weights, "", parameters->pdata[i]);
      g_autofree float *floats = values != NULL ? g_new (float, n) : NULL;

      if (values == NULL)
        continue;
      for (gsize k = 0; k < n; k++)
        floats[k] = (float) values[k];
      test_set_values (parameters->pdata[i], floats, n);
      found++;
    }
  return found;
}
