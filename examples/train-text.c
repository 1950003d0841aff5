/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trains a small model on a text and saves it: train-text [FILE [STEPS [FOLDER]]]
 * Made by: cc train-text.c -o train-text $(pkg-config --cflags --libs reformer-1.0) */
#include <libreformer/reformer.h>

static void
show (ReformerTrainer *trainer, ReformerEvaluation *evaluation, gpointer data)
{
  g_print ("step %u: %.4f bits per byte\n", reformer_evaluation_get_step (evaluation), reformer_evaluation_get_bits (evaluation));
}

static gboolean
train (const char *path, guint steps, const char *folder, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path), target = g_file_new_for_path (folder);
  g_autoptr (ReformerConfig) config = reformer_config_new_preset ("small", error);
  g_autoptr (ReformerModel) model = config != NULL ? reformer_model_new (NULL, config) : NULL;
  g_autoptr (ReformerTextDataset) text = reformer_text_dataset_new (file, NULL); /* its last tenth is held out */
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (ReformerEvaluation) evaluation = NULL;

  if (model == NULL)
    return FALSE;
  trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", text, "sequence-length", 1024, "evaluation-interval", 20, NULL);
  g_signal_connect (trainer, "evaluated", G_CALLBACK (show), NULL);
  if (!reformer_trainer_train (trainer, steps, NULL, error))
    return FALSE;
  evaluation = reformer_trainer_evaluate (trainer, NULL, NULL, error);
  if (evaluation == NULL)
    return FALSE;
  g_print ("held-out text: %.4f bits per byte\n", reformer_evaluation_get_bits (evaluation));
  return reformer_model_save (model, target, NULL, error);
}

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;

  if (!train (argc > 1 ? argv[1] : "book.txt", argc > 2 ? (guint) atoi (argv[2]) : 200, argc > 3 ? argv[3] : "model", &error))
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
