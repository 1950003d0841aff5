/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How well a byte model that transformers saved foretells a text: load-checkpoint [FOLDER [FILE]]
 * Made by: cc load-checkpoint.c -o load-checkpoint $(pkg-config --cflags --libs reformer-1.0) -lm */
#include <libreformer/reformer.h>

#include <math.h>

static gboolean
measure (const char *folder, const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (folder), source = g_file_new_for_path (path);
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (GBytes) text = NULL, ids = NULL;
  g_autoptr (ReformerTensor) tokens = NULL;
  double loss;

  if ((model = reformer_model_load (NULL, file, NULL, error)) == NULL ||
      (text = g_file_load_bytes (source, NULL, NULL, error)) == NULL ||
      (ids = reformer_tokenizer_encode (tokenizer, text, error)) == NULL)
    return FALSE;
  tokens = reformer_tensor_new_from_bytes (reformer_model_get_device (model), REFORMER_DTYPE_INT32, (gint64[]) { 1, (gint64) g_bytes_get_size (ids) / 4 }, 2,
                                           ids, error);
  loss = tokens != NULL ? reformer_model_compute_loss (model, tokens, NULL, tokens, error) : (double) NAN; /* each token foretells the next */
  if (isnan (loss))
    return FALSE;
  g_print ("%" G_GUINT64_FORMAT " parameters, %" G_GSIZE_FORMAT " tokens\n", reformer_model_get_n_parameters (model), reformer_tensor_get_n_elements (tokens));
  g_print ("loss %.6f, %.6f bits per byte\n", loss, loss / log (2));
  return TRUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (!measure (argc > 1 ? argv[1] : "model", argc > 2 ? argv[2] : "book.txt", &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
