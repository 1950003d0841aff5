/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers questions from standard input: a letter, a length (8 bytes, little endian) and as many bytes. M: a model, which is used from then on; E: text, D: ids, T: text,
 * of which only the time matters. An answer is a letter, a length and as many bytes too: a, with the number of pieces, the ids, the text or the seconds; or r, with "CODE
 * MESSAGE". See sentencepiece-differential.py.
 */
#include <stdio.h>
#include <string.h>

#include <libreformer/data/reformer-sentence-piece-tokenizer.h>

static void
answer (char          letter,
        gconstpointer bytes,
        gsize         n_bytes)
{
  const guint64 length = GUINT64_TO_LE (n_bytes);

  putchar (letter);
  fwrite (&length, sizeof length, 1, stdout);
  if (n_bytes > 0)
    fwrite (bytes, 1, n_bytes, stdout);
  fflush (stdout);
}

static void
answer_text (char  letter,
             char *text)
{
  answer (letter, text, strlen (text));
  g_free (text);
}

int
main (void)
{
  g_autoptr (ReformerTokenizer) tokenizer = NULL;
  guint64 length;
  int letter;

  while ((letter = getchar ()) != EOF && fread (&length, sizeof length, 1, stdin) == 1)
    {
      const gsize n_bytes = (gsize) GUINT64_FROM_LE (length);
      char *bytes = g_malloc (n_bytes + 1);
      g_autoptr (GBytes) input = NULL, output = NULL;
      g_autoptr (GError) error = NULL;
      gint64 start;

      if (fread (bytes, 1, n_bytes, stdin) != n_bytes)
        g_error ("standard input ends early");
      input = g_bytes_new_take (bytes, n_bytes);
      start = g_get_monotonic_time ();
      if (letter == 'M')
        {
          g_clear_object (&tokenizer);
          tokenizer = reformer_sentence_piece_tokenizer_new_from_bytes (input, &error);
          if (error == NULL)
            answer_text ('a', g_strdup_printf ("%d", reformer_tokenizer_count_ids (tokenizer, NULL)));
        }
      else
        {
          output = letter == 'D' ? reformer_tokenizer_decode (tokenizer, input, &error) : reformer_tokenizer_encode (tokenizer, input, &error);
          if (output != NULL && letter == 'T')
            answer_text ('a', g_strdup_printf ("%.6f", (double) (g_get_monotonic_time () - start) / 1e6));
          else if (output != NULL)
            answer ('a', g_bytes_get_data (output, NULL), g_bytes_get_size (output));
        }
      if (error != NULL)
        answer_text ('r', g_strdup_printf ("%d %s", error->code, error->message));
    }
  return 0;
}
