/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run to be killed: trains a small model with a checkpoint after every step, and goes on where it stopped. For faults.py.
 *
 *   driver FOLDER DATA KIND STEPS
 *
 * KIND is plain, evaluated or large (which takes long to save). Lines: "resumed N", "saved N" for every checkpoint, "done". SIGTERM: saves and exits with 143. An error:
 * one line, and 1. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <libreformer/reformer.h>

static volatile sig_atomic_t asked;

typedef struct
{
  GCancellable *cancellable;
  gboolean      saved;
} Run;

static void
ask (int number)
{
  asked = 1;
}

static void
made_step (ReformerTrainer        *trainer,
           ReformerTrainingRecord *record,
           Run                    *run)
{
  if (!asked)
    return;
  run->saved = reformer_trainer_save_checkpoint (trainer, NULL, NULL);
  g_cancellable_cancel (run->cancellable);
}

static void
saved (ReformerTrainer *trainer)
{
  printf ("saved %u\n", reformer_trainer_get_n_steps (trainer));
  fflush (stdout);
}

static ReformerConfig *
new_config (const char *kind)
{
  const gboolean large = g_str_equal (kind, "large");
  const int width = large ? 128 : 32, shape[2] = { 8, 8 }, dims[2] = { width / 4, width - width / 4 }, buckets[1] = { 8 };
  g_auto (GStrv) layers = g_strsplit (g_str_equal (kind, "evaluated") ? "lsh,local" : "local,lsh", ",", -1);
  ReformerConfig *config = g_object_new (REFORMER_TYPE_CONFIG, "vocab-size", 258, "is-decoder", TRUE, "hidden-size", width, "num-attention-heads", 2, "attention-head-size", 16,
                                         "feed-forward-size", 2 * width, "attn-layers", layers, "lsh-attn-chunk-length", 8, "local-attn-chunk-length", 8, "num-hashes", 2,
                                         "max-position-embeddings", 64, "hidden-dropout-prob", 0.1, "lsh-attention-probs-dropout-prob", 0.1,
                                         "local-attention-probs-dropout-prob", 0.1, NULL);

  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_axial_pos_embds_dim (config, dims, 2);
  reformer_config_set_num_buckets (config, buckets, 1);
  return config;
}

static ReformerTrainer *
new_trainer (const char *folder,
             const char *data,
             const char *kind)
{
  g_autoptr (ReformerConfig) config = new_config (kind);
  g_autoptr (ReformerModel) model = reformer_model_new (NULL, config);
  g_autoptr (GFile) file = g_file_new_for_path (data), place = g_file_new_for_path (folder);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerDataset) dataset = REFORMER_DATASET (reformer_text_dataset_new (file, tokenizer));
  g_autoptr (ReformerSchedule) schedule = g_object_new (REFORMER_TYPE_SCHEDULE, "decay", REFORMER_DECAY_COSINE, "warmup-steps", 3, NULL);
  const gboolean evaluated = g_str_equal (kind, "evaluated");

  return g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", dataset, "folder", place, "schedule", schedule, "sequence-length", 32, "batch-size", 1, "accumulation",
                       evaluated ? 2 : 1, "evaluation-interval", evaluated ? 3 : 0, "checkpoint-interval", 1, "checkpoints-kept", 2, NULL);
}

static int
run (ReformerTrainer  *trainer,
     guint             n_steps,
     GError          **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Run state = { cancellable, FALSE };
  GError *problem = NULL;
  guint step;

  g_signal_connect (trainer, "step", G_CALLBACK (made_step), &state);
  g_signal_connect (trainer, "checkpoint-saved", G_CALLBACK (saved), NULL);
  if (!reformer_trainer_resume (trainer, NULL, &problem) && !g_error_matches (problem, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_CHECKPOINT))
    {
      g_propagate_error (error, problem);
      return 1;
    }
  g_clear_error (&problem);
  step = reformer_trainer_get_n_steps (trainer);
  printf ("resumed %u\n", step);
  fflush (stdout);
  /* where no step is left, an evaluation of the last one may be: stopped between the two */
  if (!reformer_trainer_train (trainer, step < n_steps ? n_steps - step : 1, cancellable, &problem) &&
      (step < n_steps || !g_error_matches (problem, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID)))
    {
      if (state.saved)
        {
          g_clear_error (&problem);
          return 143;
        }
      g_propagate_error (error, problem);
      return 1;
    }
  g_clear_error (&problem);
  printf ("done\n");
  return 0;
}

int
main (int   argc,
      char *argv[])
{
  struct sigaction action = { .sa_handler = ask };
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (argc != 5)
    {
      fprintf (stderr, "usage: %s FOLDER DATA plain|evaluated|large STEPS\n", argv[0]);
      return 2;
    }
  sigaction (SIGTERM, &action, NULL);
  trainer = new_trainer (argv[1], argv[2], argv[3]);
  g_object_set (trainer, "total-steps", (guint) atoi (argv[4]), NULL);
  status = run (trainer, (guint) atoi (argv[4]), &error);
  if (error != NULL)
    fprintf (stderr, "%s\n", error->message);
  return status;
}
