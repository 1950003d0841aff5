/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model-folder.h"

ReformerDevice *
tool_open_device (const char  *wanted,
                  guint64      limit,
                  GError     **error)
{
  ReformerDevice *device = wanted != NULL ? reformer_device_find (wanted, error) : reformer_device_get_default (error);

  if (device != NULL && limit > 0)
    reformer_device_set_memory_limit (device, limit);
  return device;
}

gboolean
tool_find_tokenizer (GFile              *folder,
                     ReformerConfig     *config,
                     ReformerTokenizer **tokenizer,
                     GCancellable       *cancellable,
                     GError            **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (ReformerTokenizer) bytes = NULL;
  g_autofree char *path = NULL;
  const int vocabulary = reformer_config_get_vocab_size (config);

  *tokenizer = NULL;
  if (reformer_config_get_input_features (config) > 0)
    return TRUE;
  *tokenizer = reformer_tokenizer_load (folder, cancellable, &local);
  if (*tokenizer != NULL)
    return TRUE;
  if (!g_error_matches (local, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  bytes = reformer_byte_tokenizer_new ();
  if (vocabulary == reformer_tokenizer_count_ids (bytes, NULL))
    {
      *tokenizer = g_steal_pointer (&bytes);
      return TRUE;
    }
  path = g_file_get_parse_name (folder);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_NOT_FOUND, "%s does not name a tokenizer, and its vocabulary has %d ids; the tokenizer of bytes has %d", path,
               vocabulary, reformer_tokenizer_count_ids (bytes, NULL));
  return FALSE;
}

ReformerTokenizer *
tool_need_tokenizer (GFile           *folder,
                     ReformerConfig  *config,
                     GCancellable    *cancellable,
                     GError         **error)
{
  g_autoptr (ReformerTokenizer) tokenizer = NULL;
  g_autofree char *path = g_file_get_parse_name (folder);

  if (!tool_find_tokenizer (folder, config, &tokenizer, cancellable, error))
    return NULL;
  if (tokenizer == NULL)
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "%s reads vectors of %d numbers, no text", path, reformer_config_get_input_features (config));
  return g_steal_pointer (&tokenizer);
}

const char *
tool_get_unit (ReformerTokenizer *tokenizer)
{
  return tokenizer != NULL && REFORMER_IS_BYTE_TOKENIZER (tokenizer) ? "byte" : "token";
}

void
tool_fit_length (ReformerTrainer *trainer,
                 int              wanted)
{
  const gint64 most = reformer_config_get_max_length (reformer_model_get_config (reformer_trainer_get_model (trainer)));

  if (wanted == 0)
    wanted = reformer_trainer_get_sequence_length (trainer);
  reformer_trainer_set_sequence_length (trainer, (int) MIN (wanted, MAX (most, 2)));
}
