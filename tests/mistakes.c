/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mistakes.h"

#include <string.h>

void
assert_says (GError **error,
             GQuark   domain,
             int      code,
             ...)
{
  const char *word;
  va_list words;

  g_assert_nonnull (*error);
  g_test_message ("%s", (*error)->message);
  g_assert_error (*error, domain, code);
  g_assert_true (g_utf8_validate ((*error)->message, -1, NULL));
  if (strpbrk ((*error)->message, "\n\r\t") != NULL)
    g_error ("\"%s\" is more than a line", (*error)->message);
  va_start (words, code);
  while ((word = va_arg (words, const char *)) != NULL)
    if (strstr ((*error)->message, word) == NULL)
      g_error ("\"%s\" does not say \"%s\"", (*error)->message, word);
  va_end (words);
  g_clear_error (error);
}

GArray *
test_answers (ReformerModel  *model,
              ReformerTensor *tokens,
              gboolean        gradients)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);
  g_autofree float *values = NULL;
  GArray *answers;

  g_assert_no_error (error);
  values = test_floats (output);
  if (gradients)
    {
      reformer_model_set_sequence (model, 3);
      reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
      g_assert_no_error (error);
      answers = test_gradients (model);
    }
  else
    answers = g_array_new (FALSE, FALSE, sizeof (float));
  return g_array_append_vals (answers, values, (guint) reformer_tensor_get_n_elements (output));
}

void
assert_unharmed (ReformerModel  *model,
                 ReformerTensor *tokens,
                 GArray         *answers,
                 guint64         memory)
{
  ReformerDevice *device = reformer_model_get_device (model);
  g_autoptr (GArray) now = NULL;

  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
  now = test_answers (model, tokens, TRUE);
  g_assert_cmpmem (now->data, now->len * sizeof (float), answers->data, answers->len * sizeof (float));
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, memory);
}
