/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/config-keys.h"

#include <stdlib.h>
#include <string.h>

/* sorted, for bsearch() */
static const char *const harmless[] = {
  /* private ones of transformers' base class */
  "_attn_implementation_autoset", "_commit_hash", "_name_or_path",
  "add_cross_attention",          /* refused where true */
  "attention_probs_dropout_prob", /* the names per kind of attention took its place */
  "attn_implementation", "auto_map", "bad_words_ids", "begin_suppress_tokens", "cross_attention_hidden_size", "decoder_start_token_id",
  "diversity_penalty", "do_sample", "dtype", "early_stopping", "encoder_no_repeat_ngram_size",
  "eos_token_id",                 /* kept where it is a list */
  "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id", "id2label", "intermediate_size",
  "is_encoder_decoder",           /* refused where true */
  "label2id", "length_penalty", "max_length", "min_length", "name_or_path", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
  "num_chunks_after", "num_chunks_before", "num_return_sequences", "output_attentions", "output_hidden_states", "output_past",
  "output_scores", "prefix", "pruned_heads", "remove_invalid_values", "repetition_penalty", "return_dict", "return_dict_in_generate",
  "sep_token_id", "sinusoidal_pos_embds", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
  "tie_encoder_decoder", "tie_last_hidden_states", "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript",
  "transformers_version", "typical_p", "use_bfloat16", "use_cache",
};

static int
compare (gconstpointer a,
         gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

gboolean
reformer_config_key_is_harmless (const char *key)
{
  return bsearch (&key, harmless, G_N_ELEMENTS (harmless), sizeof harmless[0], compare) != NULL;
}

char **
reformer_config_find_unknown (json_t *kept)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  const char *key;
  json_t *value;

  json_object_foreach (kept, key, value)
    if (!reformer_config_key_is_harmless (key))
      g_ptr_array_add (keys, g_strdup (key));

  g_ptr_array_sort (keys, compare);
  g_ptr_array_add (keys, NULL);

  return (char **) g_ptr_array_steal (keys, NULL);
}
