/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-alphabet-tokenizer.h>

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/tokenizer-private.h"
#include "files/reading.h"

/**
 * ReformerAlphabetTokenizer:
 *
 * One id for each letter of a small alphabet, as sequences of DNA or of proteins have.
 *
 * The id of a letter is its place in [property@AlphabetTokenizer:alphabet] + 2; 0 is padding, and 1 is left to what masks ([class@MaskedDataset]). A small letter counts as
 * the capital one where the alphabet has that alone, and the other way round. Any other letter, blanks and ends of lines included, is an error that names it and its
 * place. The tokenizer's name in a folder is `alphabet:` and the letters.
 *
 * ```python
 * tokenizer = Reformer.AlphabetTokenizer(alphabet="ACGTN")
 * print(tokenizer.encode_text("GATTACA"), tokenizer.count_ids())
 * ```
 */
struct _ReformerAlphabetTokenizer
{
  ReformerTokenizer parent_instance;

  char   *alphabet;
  guint8  letters[128]; /* the letter's place + 1; 0: none */
  guint   n;
  char   *problem;      /* what is wrong with the alphabet, or NULL */
};

#define FIRST 2
#define DEFAULT_ALPHABET "ACGTN"

enum
{
  PROP_0,
  PROP_ALPHABET,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerAlphabetTokenizer, reformer_alphabet_tokenizer, REFORMER_TYPE_TOKENIZER)

/* ---- The alphabet ---- */

static void
read_alphabet (ReformerAlphabetTokenizer *self)
{
  g_autofree char *seen = reformer_file_quote (self->alphabet);

  for (const char *p = self->alphabet; *p != '\0' && self->problem == NULL; p++)
    if (!g_ascii_isgraph (*p))
      self->problem = g_strdup_printf ("the alphabet \"%s\" has something else than letters, digits and signs of ASCII; wanted those alone", seen);
    else if (self->letters[(guchar) *p] != 0)
      self->problem = g_strdup_printf ("the alphabet \"%s\" has \"%c\" twice; wanted each letter once", seen, *p);
    else
      self->letters[(guchar) *p] = (guint8) ++self->n;
  if (self->n == 0 && self->problem == NULL)
    self->problem = g_strdup ("the alphabet is empty; wanted at least one letter");
  /* of a letter that is there once, both sizes */
  for (const char *p = self->alphabet; *p != '\0' && self->problem == NULL; p++)
    {
      const guchar other = (guchar) (g_ascii_isupper (*p) ? g_ascii_tolower (*p) : g_ascii_toupper (*p));

      if (strchr (self->alphabet, other) == NULL)
        self->letters[other] = self->letters[(guchar) *p];
    }
}

static gboolean
check (ReformerAlphabetTokenizer  *self,
       GError                    **error)
{
  if (self->problem == NULL)
    return TRUE;
  g_set_error_literal (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, self->problem);
  return FALSE;
}

gboolean
reformer_alphabet_check (ReformerAlphabetTokenizer *self,
                         const char                *text,
                         gsize                      n_bytes,
                         gsize                     *at)
{
  for (gsize i = 0; i < n_bytes && self->problem == NULL; i++)
    if ((guchar) text[i] >= G_N_ELEMENTS (self->letters) || self->letters[(guchar) text[i]] == 0)
      {
        *at = i;
        return FALSE;
      }
  return TRUE;
}

/* ---- What a tokenizer does ---- */

static GBytes *
reformer_alphabet_tokenizer_encode (ReformerTokenizer  *tokenizer,
                                    GBytes             *text,
                                    GError            **error)
{
  ReformerAlphabetTokenizer *self = REFORMER_ALPHABET_TOKENIZER (tokenizer);
  gsize n, at;
  const char *letters = g_bytes_get_data (text, &n);
  gint32 *ids;

  if (!check (self, error))
    return NULL;
  if (!reformer_alphabet_check (self, letters, n, &at))
    {
      const char seen[] = { letters[at], '\0' };
      g_autofree char *letter = reformer_file_quote (seen);

      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "letter %" G_GSIZE_FORMAT ", \"%s\", is not in the alphabet; wanted one of \"%s\"", at + 1, letter,
                   self->alphabet);
      return NULL;
    }
  ids = n <= G_MAXSIZE / sizeof *ids ? g_try_new (gint32, MAX (n, 1)) : NULL;
  if (ids == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "no memory for the ids of %" G_GSIZE_FORMAT " letters", n);
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    ids[i] = self->letters[(guchar) letters[i]] - 1 + FIRST;
  return g_bytes_new_take (ids, n * sizeof *ids);
}

static GBytes *
reformer_alphabet_tokenizer_decode (ReformerTokenizer  *tokenizer,
                                    GBytes             *ids,
                                    GError            **error)
{
  ReformerAlphabetTokenizer *self = REFORMER_ALPHABET_TOKENIZER (tokenizer);
  const gsize n = g_bytes_get_size (ids) / sizeof (gint32);
  const gint32 n_ids = FIRST + (gint32) self->n;
  g_autofree guint8 *letters = NULL;
  gsize n_letters = 0;

  if (!check (self, error))
    return NULL;
  letters = g_try_malloc (MAX (n, 1));
  if (letters == NULL)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "no memory for the text of %" G_GSIZE_FORMAT " ids", n);
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    {
      const gint32 id = reformer_tokenizer_nth_id (ids, i);

      if (id < 0 || id >= n_ids)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "id %" G_GSIZE_FORMAT " is %d, one of the alphabet \"%s\" is from 0 to %d", i, id, self->alphabet,
                       n_ids - 1);
          return NULL;
        }
      if (id >= FIRST)
        letters[n_letters++] = (guint8) self->alphabet[id - FIRST];
    }
  return g_bytes_new_take (g_steal_pointer (&letters), n_letters);
}

static int
reformer_alphabet_tokenizer_count_ids (ReformerTokenizer  *tokenizer,
                                       GError            **error)
{
  ReformerAlphabetTokenizer *self = REFORMER_ALPHABET_TOKENIZER (tokenizer);

  return check (self, error) ? FIRST + (int) self->n : -1;
}

static char *
reformer_alphabet_tokenizer_identify (ReformerTokenizer  *tokenizer,
                                      GError            **error)
{
  ReformerAlphabetTokenizer *self = REFORMER_ALPHABET_TOKENIZER (tokenizer);

  return check (self, error) ? g_strconcat (REFORMER_ALPHABET_TOKENIZER_NAME, self->alphabet, NULL) : NULL;
}

/* ---- The object ---- */

static void
reformer_alphabet_tokenizer_finalize (GObject *object)
{
  ReformerAlphabetTokenizer *self = REFORMER_ALPHABET_TOKENIZER (object);

  g_clear_pointer (&self->alphabet, g_free);
  g_clear_pointer (&self->problem, g_free);
  G_OBJECT_CLASS (reformer_alphabet_tokenizer_parent_class)->finalize (object);
}

static void
reformer_alphabet_tokenizer_get_property (GObject    *object,
                                          guint       id,
                                          GValue     *value,
                                          GParamSpec *pspec)
{
  switch (id)
    {
    case PROP_ALPHABET:
      g_value_set_string (value, reformer_alphabet_tokenizer_get_alphabet (REFORMER_ALPHABET_TOKENIZER (object)));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_alphabet_tokenizer_set_property (GObject      *object,
                                          guint         id,
                                          const GValue *value,
                                          GParamSpec   *pspec)
{
  ReformerAlphabetTokenizer *self = REFORMER_ALPHABET_TOKENIZER (object);

  switch (id)
    {
    case PROP_ALPHABET:
      self->alphabet = g_strdup (g_value_get_string (value) != NULL ? g_value_get_string (value) : "");
      read_alphabet (self);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_alphabet_tokenizer_class_init (ReformerAlphabetTokenizerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerTokenizerClass *tokenizer_class = REFORMER_TOKENIZER_CLASS (klass);

  reformer_home_own (klass);
  object_class->finalize = reformer_alphabet_tokenizer_finalize;
  object_class->get_property = reformer_alphabet_tokenizer_get_property;
  object_class->set_property = reformer_alphabet_tokenizer_set_property;
  tokenizer_class->encode = reformer_alphabet_tokenizer_encode;
  tokenizer_class->decode = reformer_alphabet_tokenizer_decode;
  tokenizer_class->count_ids = reformer_alphabet_tokenizer_count_ids;
  tokenizer_class->identify = reformer_alphabet_tokenizer_identify;

  /**
   * ReformerAlphabetTokenizer:alphabet:
   *
   * The letters in the order of their ids: letters, digits and signs of ASCII, each once. What is no alphabet fails with the first use.
   */
  props[PROP_ALPHABET] = g_param_spec_string ("alphabet", NULL, NULL, DEFAULT_ALPHABET, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_alphabet_tokenizer_init (ReformerAlphabetTokenizer *self)
{
}

/**
 * reformer_alphabet_tokenizer_new:
 * @alphabet: the letters, such as `ACGTN`
 *
 * Creates a tokenizer of letters.
 *
 * Returns: (transfer full) (type ReformerAlphabetTokenizer): a new tokenizer
 */
ReformerTokenizer *
reformer_alphabet_tokenizer_new (const char *alphabet)
{
  g_return_val_if_fail (alphabet != NULL, NULL);

  return g_object_new (REFORMER_TYPE_ALPHABET_TOKENIZER, "alphabet", alphabet, NULL);
}

/**
 * reformer_alphabet_tokenizer_get_alphabet:
 * @self: a tokenizer
 *
 * Gets the letters.
 *
 * Returns: (transfer none): the letters in the order of their ids
 */
const char *
reformer_alphabet_tokenizer_get_alphabet (ReformerAlphabetTokenizer *self)
{
  g_return_val_if_fail (REFORMER_IS_ALPHABET_TOKENIZER (self), NULL);

  return self->alphabet;
}
