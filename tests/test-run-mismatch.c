/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints that are whole and do not fit, or not what they say: restoring is refused, and changes nothing. */
#include "runs.h"

#include <string.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>
#include <libreformer/layers/reformer-lsh-attention.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#include "folders.h"
#include "training.h"

/* Replaces the only place where `from` stands in a file by `to`, and signs again. */
static void
edit (const char *folder,
      guint       step,
      const char *name,
      const char *from,
      const char *to)
{
  g_autofree char *path = reformer_checkpoint_get_path (folder, step), *text = test_file_read (path, name, NULL);
  g_auto (GStrv) parts = g_strsplit (text, from, -1);
  g_autofree char *edited = g_strjoinv (to, parts);

  if (g_strv_length (parts) != 2)
    g_error ("%s has \"%s\" %u times", name, from, g_strv_length (parts) - 1);
  test_file_write (path, name, edited, -1);
  test_run_sign (folder, step);
}

static void
test_mismatch (void)
{
  static const struct
  {
    const char *name;
    const char *from;
    const char *to;
    gboolean    file; /* a FileError */
    const char *word;
    const char *second;
  } edits[] = {
    { "config.json", "\"feed_forward_size\": 64", "\"feed_forward_size\": 128", FALSE, "\"feed_forward_size\" is 128 there, 64 in the model", "config.json" },
    { "config.json", "\"hidden_dropout_prob\": 0.0", "\"hidden_dropout_prob\": 0.25", FALSE, "\"hidden_dropout_prob\" is 0.25 there, 0.0 in the model", "config.json" },
    { "config.json", "\"num_hashes\": 2", "\"num_hashes\": \"two\"", TRUE, "num_hashes", "config.json" },
    { "trainer.json", "\"format\": 1", "\"format\": 2", FALSE, "its format is 2", "reads 1" },
    { "trainer.json", "\"format\": 1", "\"format\": 0", TRUE, "format", "trainer.json" },
    { "trainer.json", "\"data\": \"data\"", "\"data\": \"others\"", FALSE, "other data: others there, data here", "trainer.json" },
    { "trainer.json", "\"data\": \"data\"", "\"data\": 3", TRUE, "\"data\" is 3", "trainer.json" },
    { "trainer.json", "\"tokenizer\": \"", "\"tokenizer\": \"x", FALSE, "another tokenizer", "trainer.json" },
    { "trainer.json", "\"ReformerAdamW\"", "\"ReformerSgd\"", FALSE, "another optimizer: ReformerSgd, the trainer has ReformerAdamW", "trainer.json" },
    { "trainer.json", "\"ReformerSchedule\"", "\"Other\"", FALSE, "another schedule", "trainer.json" },
    { "trainer.json", "\"step\": 7", "\"step\": 8", FALSE, "step 8", "step-7" },
    { "trainer.json", "\"step\": 7", "\"step\": -1", TRUE, "\"step\" is -1", "trainer.json" },
    { "trainer.json", "\"step\": 7", "\"step\": \"7\"", TRUE, "\"step\" is \"7\"", "trainer.json" },
    { "trainer.json", "\"step\": 7", "\"stop\": 7", TRUE, "has no \"step\"", "trainer.json" },
    { "trainer.json", "\"total_steps\": 4000000000", "\"total_steps\": 4294967296", TRUE, "total_steps", "trainer.json" },
    { "trainer.json", "\"seed\": \"18446744073709551610\"", "\"seed\": \"18446744073709551616\"", TRUE, "seed", "trainer.json" },
    { "trainer.json", "\"seed\": \"18446744073709551610\"", "\"seed\": \"-1\"", TRUE, "seed", "trainer.json" },
    { "trainer.json", "\"index\": 1099511627776", "\"index\": -1", TRUE, "index", "trainer.json" },
    { "trainer.json", "\"length\": 13", "\"length\": 2147483648", TRUE, "length", "trainer.json" },
    { "trainer.json", "\"best_loss\": 0.1", "\"best_loss\": \"much\"", TRUE, "best_loss", "trainer.json" },
    { "trainer.json", "\"best_loss\": 0.1", "\"best_loss\": null", TRUE, "best_loss", "trainer.json" },
    { "trainer.json", "\"keep\": \"inputs\"", "\"keep\": \"all\"", TRUE, "\"keep\" is \"all\"", "trainer.json" },
    { "trainer.json", "\"fraction\": 1.0", "\"fraction\": 1.5", TRUE, "\"fraction\" is 1.5", "from 0 to 1" },
    { "trainer.json", "\"fraction\": 1.0", "\"fraction\": \"NaN\"", TRUE, "\"fraction\" is nan", "from 0 to 1" },
    { "trainer.json", "\"int\": -3", "\"int\": -11", TRUE, "\"int\" is -11", "from -10 to 10" },
    { "trainer.json", "\"int\": -3", "\"integer\": 3", FALSE, "\"integer\", which is no setting of TestSettings", "trainer.json" },
    { "trainer.json", "\"int\": -3", "\"once\": 3", FALSE, "\"once\", which is no setting of TestSettings", "trainer.json" },
    { "trainer.json", "\"boolean\": true", "\"boolean\": 1", TRUE, "boolean", "true or false" },
    { "trainer.json", "\"choice\": \"inverse-sqrt\"", "\"choice\": \"none\"", TRUE, "\"choice\" is \"none\"", "trainer.json" },
    { "trainer.json", "\"learning-rate\": 0.3333333333333333", "\"learning-rate\": \"Infinity\"", TRUE, "learning-rate", "optimizer" },
    { "trainer.json", "\"frozen\": [", "\"frozen\": [\"nothing\",", FALSE, "\"frozen\" has nothing", "trainer.json" },
    { "trainer.json", "\"schedule\": {", "\"sched\": {", TRUE, "has no \"schedule\"", "trainer.json" },
    { "trainer.json", "\"state\": {", "\"state\": [{}], \"x\": {", TRUE, "state", "trainer.json" },
    { "trainer.json", "\"format\": 1", "\"format\": 1,,", TRUE, "line", "trainer.json" },
  };
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 7);
  g_autoptr (TestRun) run = test_run_new (3, FALSE);

  test_run_save (run, folder, 7, 3);
  for (guint i = 0; i < G_N_ELEMENTS (edits); i++)
    {
      g_autofree char *good = test_file_read (path, edits[i].name, NULL);

      edit (folder, 7, edits[i].name, edits[i].from, edits[i].to);
      test_run_assert_refused (run, folder, edits[i].file ? REFORMER_FILE_ERROR : REFORMER_TRAINER_ERROR,
                      edits[i].file ? (int) REFORMER_FILE_ERROR_INVALID : (int) REFORMER_TRAINER_ERROR_MISMATCH, edits[i].word, edits[i].second);
      test_file_write (path, edits[i].name, good, -1);
    }
  test_folder_delete (folder);
}

/* The other side of the same: who restores is another one. */
static void
test_other_run (void)
{
  g_autofree char *folder = test_folder_new ();
  g_autoptr (TestRun) run = test_run_new (3, FALSE), other = test_run_new (3, TRUE);
  g_autoptr (ReformerConfig) config = test_config ("local,local");
  g_autoptr (ReformerDevice) device = test_device ();
  const GQuark domain = REFORMER_TRAINER_ERROR;
  const int code = REFORMER_TRAINER_ERROR_MISMATCH;

  test_run_save (run, folder, 7, 3);
  g_object_unref (other->checkpoint.optimizer);
  other->checkpoint.optimizer = reformer_sgd_new ();
  test_run_assert_refused (other, folder, domain, code, "ReformerAdamW", "ReformerSgd");
  g_object_unref (other->checkpoint.optimizer);
  other->checkpoint.optimizer = reformer_adamw_new ();
  other->checkpoint.data = "others";
  test_run_assert_refused (other, folder, domain, code, "other data: data there, others here", folder);
  other->checkpoint.data = "data";
  g_object_unref (other->checkpoint.model);
  other->checkpoint.model = reformer_model_new (device, config);
  g_assert_true (reformer_model_prepare (other->checkpoint.model, NULL));
  test_run_assert_refused (other, folder, domain, code, "attn_layers", "local");

  /* what nobody knows is no difference */
  g_clear_pointer (&other, test_run_free);
  other = test_run_new (3, TRUE);
  other->checkpoint.data = NULL;
  g_clear_object (&other->checkpoint.tokenizer);
  test_run_restore (other, folder, NULL);
  test_folder_delete (folder);
}

/* Weights or optimizer state that are well formed, signed, and not the model's. */
static void
test_foreign_tensors (void)
{
  g_autofree char *folder = test_folder_new (), *path = NULL, *bytes = NULL, *good = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE), other = test_run_new (4, TRUE);
  char *name;
  gsize n;

  test_run_save (run, folder, 7, 3);
  path = reformer_checkpoint_get_path (folder, 7);
  good = test_file_read (path, "optimizer.safetensors", &n);

  /* of a parameter that there is not: the name's first letter changes */
  bytes = g_memdup2 (good, n);
  name = memmem (bytes, n, "\"reformer.", 10);
  name[1] = 'R';
  test_file_write (path, "optimizer.safetensors", bytes, (gssize) n);
  test_run_sign (folder, 7);
  test_run_assert_refused (other, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "Reformer.", "optimizer.safetensors");

  test_file_write (path, "optimizer.safetensors", "\x08\0\0\0\0\0\0\0{}......", 16);
  test_run_sign (folder, 7);
  test_run_assert_refused (other, folder, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "optimizer.safetensors", path);

  test_file_write (path, "optimizer.safetensors", good, (gssize) n);
  test_file_write (path, "model.safetensors", good, (gssize) n);
  test_run_sign (folder, 7);
  test_run_assert_refused (other, folder, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "model.safetensors", "missing");
  test_folder_delete (folder);
}

/* A version that nobody knows is no damage: it is not passed over. */
static void
test_version (void)
{
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 7), *text = NULL;
  g_autoptr (TestRun) run = test_run_new (3, FALSE);

  test_run_save (run, folder, 6, 3);
  test_run_save (run, folder, 7, 3);
  text = test_file_read (path, "manifest.json", NULL);
  *strchr (text, '1') = '2';
  test_file_write (path, "manifest.json", text, -1);
  test_run_assert_refused (run, folder, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "its format is 2", "step-7/manifest.json");
  test_folder_delete (folder);
}

/* ---- Buckets of another version's rule ---- */

/* 512 positions in chunks of 8: 128 buckets, which the rule makes 8 x 16. */
static ReformerTrainer *
new_long_run (const char *folder,
              const int  *factors,
              gsize       n)
{
  static const int shape[2] = { 16, 32 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestSamples) samples = test_samples_new (4, 32, 40);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  ReformerTrainer *trainer;

  reformer_config_set_axial_pos_shape (config, shape, 2);
  reformer_config_set_num_buckets (config, factors, n);
  reformer_config_set_vocab_size (config, reformer_tokenizer_count_ids (tokenizer, NULL));
  reformer_dataset_set_tokenizer (REFORMER_DATASET (samples), tokenizer);
  model = reformer_model_new (device, config);
  trainer = test_trainer_new (model, samples);
  g_object_set (trainer, "folder", file, "total-steps", 4, NULL);
  return trainer;
}

static void
assert_factors (ReformerTrainer *trainer,
                const int       *wanted,
                gsize            n_wanted)
{
  ReformerModel *model = reformer_trainer_get_model (trainer);
  g_autoptr (ReformerLshAttention) layer = g_list_model_get_item (G_LIST_MODEL (reformer_model_get_stack (model)), 2);
  gsize n, n_shown;
  g_autofree int *seen = reformer_lsh_attention_get_num_buckets (layer, &n), *shown = reformer_config_get_bucket_factors (reformer_model_get_config (model), &n_shown);

  g_assert_cmpmem (seen, n * sizeof *seen, wanted, n_wanted * sizeof *wanted);
  g_assert_cmpmem (shown, n_shown * sizeof *shown, wanted, n_wanted * sizeof *wanted);
}

static void
assert_stays (ReformerTrainer *trainer,
              GQuark           domain,
              int              code,
              const char      *word)
{
  static const int rule[2] = { 8, 16 };
  g_autoptr (GError) error = NULL;

  g_assert_false (reformer_trainer_resume (trainer, NULL, &error));
  g_assert_error (error, domain, code);
  if (strstr (error->message, word) == NULL)
    g_error ("%s; wanted %s", error->message, word);
  assert_factors (trainer, rule, 2);
}

static void
test_buckets (void)
{
  static const int one[1] = { 128 };
  g_autofree char *folder = test_folder_new (), *path = reformer_checkpoint_get_path (folder, 2), *good = NULL, *bytes = NULL;
  g_autoptr (ReformerTrainer) whole = new_long_run (folder, one, 1), resumed = NULL, drawn = NULL, spoilt = NULL, again = NULL;
  g_autoptr (GListModel) parameters = NULL;
  g_autoptr (GArray) wanted = NULL, got = NULL;
  g_autoptr (GError) error = NULL;
  gsize n;

  test_train (whole, 2);
  assert_factors (whole, one, 1);
  g_object_set (whole, "folder", NULL, NULL);
  test_train (whole, 2);
  wanted = test_training_state (whole);
  g_clear_object (&whole);

  /* it has rotations by its own factors */
  drawn = new_long_run (folder, NULL, 0);
  parameters = reformer_model_get_parameters (reformer_trainer_get_model (drawn));
  assert_stays (drawn, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "\"num_buckets\" is 128 there, [8, 16] in the model");
  g_clear_object (&drawn);

  /* weights that do not fit: as it was */
  good = test_file_read (path, "model.safetensors", &n);
  bytes = g_memdup2 (good, n);
  ((char *) memmem (bytes, n, "\"lm_head.", 9))[1] = 'L';
  test_file_write (path, "model.safetensors", bytes, (gssize) n);
  test_run_sign (folder, 2);
  spoilt = new_long_run (folder, NULL, 0);
  assert_stays (spoilt, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_MISMATCH, "Lm_head.bias is surplus");
  g_clear_object (&spoilt);
  test_file_write (path, "model.safetensors", good, (gssize) n);
  test_run_sign (folder, 2);

  resumed = new_long_run (folder, NULL, 0);
  g_assert_true (reformer_trainer_resume (resumed, NULL, &error));
  g_assert_no_error (error);
  assert_factors (resumed, one, 1);
  test_train (resumed, 2);
  got = test_training_state (resumed);
  assert_same_state (got, wanted);
  g_clear_object (&resumed);

  /* another number of buckets was never the rule's */
  edit (folder, 4, "config.json", "\"num_buckets\": 128", "\"num_buckets\": [4, 16]");
  again = new_long_run (folder, NULL, 0);
  assert_stays (again, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH, "\"num_buckets\" is [4, 16] there");
  test_folder_delete (folder);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/run-mismatch/edited", test_mismatch);
  g_test_add_func ("/run-mismatch/other-run", test_other_run);
  g_test_add_func ("/run-mismatch/foreign-tensors", test_foreign_tensors);
  g_test_add_func ("/run-mismatch/version", test_version);
  g_test_add_func ("/run-mismatch/buckets", test_buckets);
  return test_run ();
}
