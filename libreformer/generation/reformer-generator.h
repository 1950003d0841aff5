/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/data/reformer-tokenizer.h>
#include <libreformer/generation/reformer-piece.h>
#include <libreformer/models/reformer-model.h>

G_BEGIN_DECLS

/**
 * ReformerGenerationEnd:
 * @REFORMER_GENERATION_END_NONE: it has not ended
 * @REFORMER_GENERATION_END_TOKENS: all tokens that were asked for are made
 * @REFORMER_GENERATION_END_STOP: a stop string was made
 * @REFORMER_GENERATION_END_POSITIONS: the model has no positions for more
 *
 * Why generation ended.
 */
typedef enum
{
  REFORMER_GENERATION_END_NONE,
  REFORMER_GENERATION_END_TOKENS,
  REFORMER_GENERATION_END_STOP,
  REFORMER_GENERATION_END_POSITIONS,
} ReformerGenerationEnd;

#define REFORMER_TYPE_GENERATION_END (reformer_generation_end_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType reformer_generation_end_get_type (void);

#define REFORMER_TYPE_GENERATOR (reformer_generator_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerGenerator, reformer_generator, REFORMER, GENERATOR, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerGenerator *reformer_generator_new (ReformerModel *model,
                                            ReformerTokenizer *tokenizer);
REFORMER_AVAILABLE_IN_1_0
ReformerPiece *reformer_generator_next_piece (ReformerGenerator *self,
                                            GCancellable *cancellable,
                                            GError **error);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_next_piece_async (ReformerGenerator *self,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
REFORMER_AVAILABLE_IN_1_0
ReformerPiece *reformer_generator_next_piece_finish (ReformerGenerator *self,
                                            GAsyncResult *result,
                                            GError **error);
REFORMER_AVAILABLE_IN_1_0
GBytes *reformer_generator_generate_bytes (ReformerGenerator *self,
                                            GCancellable *cancellable,
                                            GError **error);
REFORMER_AVAILABLE_IN_1_0
char *reformer_generator_generate (ReformerGenerator *self,
                                            GCancellable *cancellable,
                                            GError **error);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_generate_async (ReformerGenerator *self,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);
REFORMER_AVAILABLE_IN_1_0
char *reformer_generator_generate_finish (ReformerGenerator *self,
                                            GAsyncResult *result,
                                            GError **error);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_restart (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_prompt_bytes (ReformerGenerator *self,
                                            GBytes *prompt);
REFORMER_AVAILABLE_IN_1_0
guint reformer_generator_get_n_tokens (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
ReformerGenerationEnd reformer_generator_get_end (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
ReformerModel *reformer_generator_get_model (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
ReformerTokenizer *reformer_generator_get_tokenizer (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
const char *reformer_generator_get_prompt (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_prompt (ReformerGenerator *self,
                                            const char *prompt);
REFORMER_AVAILABLE_IN_1_0
guint reformer_generator_get_max_tokens (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_max_tokens (ReformerGenerator *self,
                                            guint max_tokens);
REFORMER_AVAILABLE_IN_1_0
double reformer_generator_get_temperature (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_temperature (ReformerGenerator *self,
                                            double temperature);
REFORMER_AVAILABLE_IN_1_0
guint reformer_generator_get_top_k (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_top_k (ReformerGenerator *self,
                                            guint top_k);
REFORMER_AVAILABLE_IN_1_0
double reformer_generator_get_top_p (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_top_p (ReformerGenerator *self,
                                            double top_p);
REFORMER_AVAILABLE_IN_1_0
guint64 reformer_generator_get_seed (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_seed (ReformerGenerator *self,
                                            guint64 seed);
REFORMER_AVAILABLE_IN_1_0
const char *const *reformer_generator_get_stop (ReformerGenerator *self);
REFORMER_AVAILABLE_IN_1_0
void reformer_generator_set_stop (ReformerGenerator *self,
                                            const char *const *stop);

G_END_DECLS
