/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/generator-private.h"

#include <string.h>

#include "data/utf8.h"

/**
 * ReformerGenerator:
 *
 * A text that a causal language model writes, token by token.
 *
 * ```python
 * for piece in Reformer.Generator(model=model, prompt="In the beginning ", max_tokens=100):
 *     print(piece, end="")
 * ```
 *
 * The text does not have the prompt in it. It is valid UTF-8, whatever the tokens are; the bytes are there beside it ([class@Piece]). It ends after
 * [property@Generator:max-tokens], before a stop string, or where the model has no positions for more, which [method@Generator.get_end] tells.
 *
 * A token that the tokenizer can turn into nothing, such as padding, is never made. The same settings, seed and device give the same text.
 *
 * The settings are read when a text begins: with the first piece, and after [method@Generator.restart]. Until then a change has no effect. A text that was
 * cancelled, or met an error, goes on with the next piece. Only one piece or text can be made at a time: other calls meanwhile fail with `G_IO_ERROR_PENDING`.
 *
 * The asynchronous functions work in a thread of their own. Functions of tokenizers and layers that are written elsewhere are then called in the main context
 * where the work was begun, and so is every handler of [signal@Generator::token], before the callback.
 */

G_DEFINE_ENUM_TYPE (ReformerGenerationEnd, reformer_generation_end,
                    G_DEFINE_ENUM_VALUE (REFORMER_GENERATION_END_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (REFORMER_GENERATION_END_TOKENS, "tokens"),
                    G_DEFINE_ENUM_VALUE (REFORMER_GENERATION_END_STOP, "stop"),
                    G_DEFINE_ENUM_VALUE (REFORMER_GENERATION_END_POSITIONS, "positions"))

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_TOKENIZER,
  PROP_PROMPT,
  PROP_MAX_TOKENS,
  PROP_TEMPERATURE,
  PROP_TOP_K,
  PROP_TOP_P,
  PROP_SEED,
  PROP_STOP,
  N_PROPS
};

guint reformer_generator_token_signal;

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerGenerator, reformer_generator, G_TYPE_OBJECT)

/* ---- Object ---- */

static void
reformer_generator_dispose (GObject *object)
{
  ReformerGenerator *self = REFORMER_GENERATOR (object);

  g_clear_pointer (&self->course, reformer_course_unref);
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  G_OBJECT_CLASS (reformer_generator_parent_class)->dispose (object);
}

static void
reformer_generator_finalize (GObject *object)
{
  ReformerGenerator *self = REFORMER_GENERATOR (object);

  g_bytes_unref (self->prompt);
  g_free (self->prompt_text);
  g_strfreev (self->stop);
  g_clear_pointer (&self->allowed, g_bytes_unref);
  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (reformer_generator_parent_class)->finalize (object);
}

static void
reformer_generator_get_property (GObject    *object,
                                 guint       id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  ReformerGenerator *self = REFORMER_GENERATOR (object);

  switch (id)
    {
    case PROP_MODEL:
      g_value_set_object (value, self->model);
      break;
    case PROP_TOKENIZER:
      g_value_set_object (value, self->tokenizer);
      break;
    case PROP_PROMPT:
      g_value_set_string (value, self->prompt_text);
      break;
    case PROP_MAX_TOKENS:
      g_value_set_uint (value, self->max_tokens);
      break;
    case PROP_TEMPERATURE:
      g_value_set_double (value, self->sampling.temperature);
      break;
    case PROP_TOP_K:
      g_value_set_uint (value, self->sampling.top_k);
      break;
    case PROP_TOP_P:
      g_value_set_double (value, self->sampling.top_p);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->sampling.seed);
      break;
    case PROP_STOP:
      g_value_set_boxed (value, self->stop);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_generator_set_property (GObject      *object,
                                 guint         id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  ReformerGenerator *self = REFORMER_GENERATOR (object);

  switch (id)
    {
    case PROP_MODEL:
      self->model = g_value_dup_object (value);
      break;
    case PROP_TOKENIZER:
      self->tokenizer = g_value_dup_object (value);
      break;
    case PROP_PROMPT:
      reformer_generator_set_prompt (self, g_value_get_string (value));
      break;
    case PROP_MAX_TOKENS:
      reformer_generator_set_max_tokens (self, g_value_get_uint (value));
      break;
    case PROP_TEMPERATURE:
      reformer_generator_set_temperature (self, g_value_get_double (value));
      break;
    case PROP_TOP_K:
      reformer_generator_set_top_k (self, g_value_get_uint (value));
      break;
    case PROP_TOP_P:
      reformer_generator_set_top_p (self, g_value_get_double (value));
      break;
    case PROP_SEED:
      reformer_generator_set_seed (self, g_value_get_uint64 (value));
      break;
    case PROP_STOP:
      reformer_generator_set_stop (self, g_value_get_boxed (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_generator_class_init (ReformerGeneratorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
  const GParamFlags fixed = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->dispose = reformer_generator_dispose;
  object_class->finalize = reformer_generator_finalize;
  object_class->get_property = reformer_generator_get_property;
  object_class->set_property = reformer_generator_set_property;

  /**
   * ReformerGenerator:model:
   *
   * The model, with a causal language head.
   */
  props[PROP_MODEL] = g_param_spec_object ("model", NULL, NULL, REFORMER_TYPE_MODEL, fixed);
  /**
   * ReformerGenerator:tokenizer:
   *
   * What turns the prompt into tokens and tokens into text; %NULL for a [class@ByteTokenizer].
   */
  props[PROP_TOKENIZER] = g_param_spec_object ("tokenizer", NULL, NULL, REFORMER_TYPE_TOKENIZER, fixed);
  /**
   * ReformerGenerator:prompt:
   *
   * What the text goes on from. Without a prompt it begins as after a line feed.
   */
  props[PROP_PROMPT] = g_param_spec_string ("prompt", NULL, NULL, "", flags);
  /**
   * ReformerGenerator:max-tokens:
   *
   * How many tokens are made at most.
   */
  props[PROP_MAX_TOKENS] = g_param_spec_uint ("max-tokens", NULL, NULL, 0, G_MAXUINT, 256, flags);
  /**
   * ReformerGenerator:temperature:
   *
   * What logits are divided by: below 1 likely tokens become likelier, above 1 less so. 0 takes the likeliest token, the one with the lowest id of equals.
   */
  props[PROP_TEMPERATURE] = g_param_spec_double ("temperature", NULL, NULL, 0, G_MAXDOUBLE, 1, flags);
  /**
   * ReformerGenerator:top-k:
   *
   * Only so many of the likeliest tokens are chosen from; 0 for all.
   */
  props[PROP_TOP_K] = g_param_spec_uint ("top-k", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerGenerator:top-p:
   *
   * Only the likeliest tokens that together have this probability are chosen from, after [property@Generator:top-k]; more than 0, and 1 for all.
   */
  props[PROP_TOP_P] = g_param_spec_double ("top-p", NULL, NULL, 0, 1, 1, flags);
  /**
   * ReformerGenerator:seed:
   *
   * Key of the random numbers: token n is drawn by the number that belongs to the seed and n.
   */
  props[PROP_SEED] = g_param_spec_uint64 ("seed", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  /**
   * ReformerGenerator:stop:
   *
   * Strings before which the text ends; %NULL for none.
   */
  props[PROP_STOP] = g_param_spec_boxed ("stop", NULL, NULL, G_TYPE_STRV, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);

  /**
   * ReformerGenerator::token:
   * @self: the generator
   * @piece: what was made
   *
   * A piece of the text was made. Every piece is told of, in its order.
   */
  reformer_generator_token_signal = g_signal_new ("token", G_OBJECT_CLASS_TYPE (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, REFORMER_TYPE_PIECE);
}

static void
reformer_generator_init (ReformerGenerator *self)
{
  g_mutex_init (&self->mutex);
  self->prompt = g_bytes_new (NULL, 0);
  self->prompt_text = g_strdup ("");
  self->max_tokens = 256;
  self->sampling = (ReformerSampling) { .temperature = 1, .top_p = 1 };
  self->stop = g_new0 (char *, 1);
}

/**
 * reformer_generator_new:
 * @model: a model with a causal language head
 * @tokenizer: (nullable): what turns tokens into text; %NULL for bytes
 *
 * Makes a new generator.
 *
 * Returns: (transfer full): a new generator
 */
ReformerGenerator *
reformer_generator_new (ReformerModel     *model,
                        ReformerTokenizer *tokenizer)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (model), NULL);
  g_return_val_if_fail (tokenizer == NULL || REFORMER_IS_TOKENIZER (tokenizer), NULL);

  return g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "tokenizer", tokenizer, NULL);
}

/**
 * reformer_generator_get_model:
 * @self: a generator
 *
 * Gets the model.
 *
 * Returns: (transfer none) (nullable): the model, or %NULL where the generator was made without
 */
ReformerModel *
reformer_generator_get_model (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);

  return self->model;
}

/**
 * reformer_generator_get_tokenizer:
 * @self: a generator
 *
 * Gets what turns tokens into text.
 *
 * Returns: (transfer none) (nullable): the tokenizer, or %NULL for bytes
 */
ReformerTokenizer *
reformer_generator_get_tokenizer (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);

  return self->tokenizer;
}

/**
 * reformer_generator_get_prompt:
 * @self: a generator
 *
 * Gets what the text goes on from.
 *
 * Returns: (transfer none): the prompt; where it was given as bytes, with U+FFFD for what is no character
 */
const char *
reformer_generator_get_prompt (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);

  return self->prompt_text;
}

/**
 * reformer_generator_set_prompt:
 * @self: a generator
 * @prompt: (nullable): what the text is to go on from
 *
 * Sets what the text goes on from, when it begins.
 */
void
reformer_generator_set_prompt (ReformerGenerator *self,
                               const char        *prompt)
{
  g_autoptr (GBytes) bytes = prompt != NULL ? g_bytes_new (prompt, strlen (prompt)) : g_bytes_new (NULL, 0);

  reformer_generator_set_prompt_bytes (self, bytes);
}

/**
 * reformer_generator_set_prompt_bytes:
 * @self: a generator
 * @prompt: (nullable): any bytes that the text is to go on from
 *
 * Sets what the text goes on from, when it begins, where that need not be UTF-8.
 */
void
reformer_generator_set_prompt_bytes (ReformerGenerator *self,
                                     GBytes            *prompt)
{
  GString *text;
  gconstpointer data;
  gsize n;

  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  if (prompt != NULL ? g_bytes_equal (self->prompt, prompt) : g_bytes_get_size (self->prompt) == 0)
    return;
  g_bytes_unref (self->prompt);
  self->prompt = prompt != NULL ? g_bytes_ref (prompt) : g_bytes_new (NULL, 0);
  data = g_bytes_get_data (self->prompt, &n);
  text = g_string_sized_new (n);
  reformer_utf8_append (text, data, n, TRUE);
  g_free (self->prompt_text);
  self->prompt_text = g_string_free (text, FALSE);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_PROMPT]);
}

/**
 * reformer_generator_get_max_tokens:
 * @self: a generator
 *
 * Gets how many tokens are made at most.
 *
 * Returns: how many tokens are made at most
 */
guint
reformer_generator_get_max_tokens (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), 0);

  return self->max_tokens;
}

/**
 * reformer_generator_set_max_tokens:
 * @self: a generator
 * @max_tokens: how many tokens are to be made at most
 *
 * Sets how many tokens are made at most, from the next text on.
 */
void
reformer_generator_set_max_tokens (ReformerGenerator *self,
                                   guint              max_tokens)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  if (self->max_tokens == max_tokens)
    return;
  self->max_tokens = max_tokens;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_MAX_TOKENS]);
}

/**
 * reformer_generator_get_temperature:
 * @self: a generator
 *
 * Gets what logits are divided by.
 *
 * Returns: what logits are divided by
 */
double
reformer_generator_get_temperature (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), 0);

  return self->sampling.temperature;
}

/**
 * reformer_generator_set_temperature:
 * @self: a generator
 * @temperature: what logits are to be divided by, from 0 on; 0 takes the likeliest token
 *
 * Sets what logits are divided by, from the next text on; another value is an error of the next piece.
 */
void
reformer_generator_set_temperature (ReformerGenerator *self,
                                    double             temperature)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  if (self->sampling.temperature == temperature)
    return;
  self->sampling.temperature = temperature;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TEMPERATURE]);
}

/**
 * reformer_generator_get_top_k:
 * @self: a generator
 *
 * Gets how many of the likeliest tokens are chosen from.
 *
 * Returns: how many of the likeliest tokens are chosen from
 */
guint
reformer_generator_get_top_k (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), 0);

  return self->sampling.top_k;
}

/**
 * reformer_generator_set_top_k:
 * @self: a generator
 * @top_k: how many of the likeliest tokens are to be chosen from; 0 for all
 *
 * Sets how many of the likeliest tokens are chosen from, from the next text on.
 */
void
reformer_generator_set_top_k (ReformerGenerator *self,
                              guint              top_k)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  if (self->sampling.top_k == top_k)
    return;
  self->sampling.top_k = top_k;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TOP_K]);
}

/**
 * reformer_generator_get_top_p:
 * @self: a generator
 *
 * Gets the probability that the tokens to choose from have together.
 *
 * Returns: the probability that the tokens to choose from have together
 */
double
reformer_generator_get_top_p (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), 0);

  return self->sampling.top_p;
}

/**
 * reformer_generator_set_top_p:
 * @self: a generator
 * @top_p: the probability that the tokens to choose from are to have together, more than 0 and at most 1
 *
 * Sets the probability that the tokens to choose from have together, from the next text on; another value is an error of the next piece.
 */
void
reformer_generator_set_top_p (ReformerGenerator *self,
                              double             top_p)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  if (self->sampling.top_p == top_p)
    return;
  self->sampling.top_p = top_p;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TOP_P]);
}

/**
 * reformer_generator_get_seed:
 * @self: a generator
 *
 * Gets the key of the random numbers.
 *
 * Returns: the key of the random numbers
 */
guint64
reformer_generator_get_seed (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), 0);

  return self->sampling.seed;
}

/**
 * reformer_generator_set_seed:
 * @self: a generator
 * @seed: the key of the random numbers
 *
 * Sets the key of the random numbers, from the next text on.
 */
void
reformer_generator_set_seed (ReformerGenerator *self,
                             guint64            seed)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  if (self->sampling.seed == seed)
    return;
  self->sampling.seed = seed;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SEED]);
}

/**
 * reformer_generator_get_stop:
 * @self: a generator
 *
 * Gets the strings before which the text ends.
 *
 * Returns: (transfer none) (array zero-terminated=1): the strings
 */
const char *const *
reformer_generator_get_stop (ReformerGenerator *self)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);

  return (const char *const *) self->stop;
}

/**
 * reformer_generator_set_stop:
 * @self: a generator
 * @stop: (nullable) (array zero-terminated=1): strings before which the text is to end; empty ones are left out
 *
 * Sets the strings before which the text ends, from the next text on. Neither the string nor what comes after it is given out; of several, the one that is
 * complete first counts.
 */
void
reformer_generator_set_stop (ReformerGenerator *self,
                             const char *const *stop)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) list = NULL;

  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  for (guint i = 0; stop != NULL && stop[i] != NULL; i++)
    if (stop[i][0] != '\0')
      g_strv_builder_add (builder, stop[i]);
  list = g_strv_builder_end (builder);
  if (g_strv_equal ((const char *const *) list, (const char *const *) self->stop))
    return;
  g_strfreev (self->stop);
  self->stop = g_steal_pointer (&list);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_STOP]);
}
