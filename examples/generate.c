/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes on from a prompt, piece by piece, as a trained model would: generate [FOLDER [PROMPT [TOKENS]]]
 * Made by: cc generate.c -o generate $(pkg-config --cflags --libs reformer-1.0) */
#include <libreformer/reformer.h>

static gboolean
generate (const char *folder, const char *prompt, guint tokens, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (ReformerModel) model = reformer_model_load (NULL, file, NULL, error);
  g_autoptr (ReformerGenerator) generator = NULL;
  ReformerPiece *piece;
  GError *problem = NULL;

  if (model == NULL)
    return FALSE;
  generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", prompt, "max-tokens", tokens, "temperature", 0.8, "seed", (guint64) 1, NULL);
  g_print ("%s", prompt);
  while ((piece = reformer_generator_next_piece (generator, NULL, &problem)) != NULL)
    {
      g_print ("%s", reformer_piece_get_text (piece));
      g_object_unref (piece);
    }
  g_print ("\n");
  if (problem != NULL)
    g_propagate_error (error, problem);
  return problem == NULL;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (!generate (argc > 1 ? argv[1] : "model", argc > 2 ? argv[2] : "In the beginning ", argc > 3 ? (guint) atoi (argv[3]) : 200, &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
