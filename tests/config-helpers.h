/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "models/config-json.h"

G_BEGIN_DECLS

/* Shared by the tests of configurations. */

static inline ReformerConfig *
config_from (const char *text)
{
  g_autoptr (GError) error = NULL;
  ReformerConfig *config = reformer_config_new_from_json (text, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);

  return config;
}

/* The default configuration as a decoder, with members replaced. */
static inline json_t *
patched (const char *members)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  g_autoptr (json_t) patch = reformer_json_parse (members, strlen (members), "patch", &error);
  json_t *object;

  g_assert_no_error (error);
  reformer_config_set_is_decoder (config, TRUE);
  object = reformer_config_to_object (config);
  json_object_del (object, "num_hidden_layers");
  json_object_update (object, patch);

  return object;
}

static inline void
assert_integers (const int *values,
                 gsize      n,
                 gsize      n_wanted,
                 ...)
{
  va_list wanted;

  g_assert_cmpuint (n, ==, n_wanted);
  va_start (wanted, n_wanted);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (values[i], ==, va_arg (wanted, int));
  va_end (wanted);
}

G_END_DECLS
