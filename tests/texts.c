/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "texts.h"

#include <string.h>

ReformerModel *
test_byte_model (ReformerDevice *device,
                 const char     *kinds)
{
  g_autoptr (ReformerConfig) config = test_config (kinds);

  g_object_set (config, "vocab-size", 258, NULL);
  return reformer_model_new (device, config);
}

char *
test_generate (ReformerGenerator *generator)
{
  g_autoptr (GError) error = NULL;
  char *text = reformer_generator_generate (generator, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  return text;
}

void
test_assert_error (GError     **error,
                   GQuark       domain,
                   int          code,
                   const char  *pattern)
{
  g_assert_error (*error, domain, code);
  g_test_message ("%s", (*error)->message);
  if (!g_pattern_match_simple (pattern, (*error)->message) || strchr ((*error)->message, '\n') != NULL)
    g_error ("\"%s\" does not match \"%s\"", (*error)->message, pattern);
  g_clear_error (error);
}
