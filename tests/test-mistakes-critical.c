/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only a programmer can do wrong is a critical message that names it, and the process lives. */
#include "training.h"

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-text-dataset.h>
#include <libreformer/generation/reformer-generator.h>
#include <libreformer/generation/reformer-session.h>

static ReformerDevice *device;
static GError *error;

/* The call of a programmer who is wrong: a critical message that says what is wanted, and nothing else. */
#define CRITICAL(domain, call, pattern) \
  G_STMT_START \
    { \
      g_test_expect_message (domain, G_LOG_LEVEL_CRITICAL, pattern); \
      call; \
      g_test_assert_expected_messages (); \
    } \
  G_STMT_END

/* An object of another class, or none, in the place of the first argument. Each class once. */
static void
test_wrong_object (void)
{
  g_autoptr (ReformerConfig) config = reformer_config_new ();
  gpointer other = config, none = NULL;
  gsize n = 0;

#define WRONG(call, type) CRITICAL ("Reformer", call, "reformer_*: assertion 'REFORMER_IS_" type " (self)' failed")
  WRONG (reformer_device_get_name (other), "DEVICE");
  WRONG (g_free (reformer_tensor_get_shape (other, &n)), "TENSOR");
  WRONG (reformer_tokenizer_count_ids (other, NULL), "TOKENIZER");
  WRONG (reformer_dataset_get_tokenizer (other), "DATASET");
  WRONG (reformer_text_dataset_get_file (other), "TEXT_DATASET");
  WRONG (reformer_sample_get_tokens (none), "SAMPLE");
  WRONG (reformer_parameter_get_name (other), "PARAMETER");
  WRONG (reformer_tape_get_depth (other), "TAPE");
  WRONG (reformer_tape_pop (none), "TAPE");
  WRONG (reformer_layer_get_device (other), "LAYER");
  WRONG (reformer_stack_get_keep (other), "STACK");
  WRONG (reformer_config_get_vocab_size (none), "CONFIG");
  WRONG (reformer_model_get_stack (other), "MODEL");
  WRONG (reformer_memory_plan_get_total (other), "MEMORY_PLAN");
  WRONG (reformer_optimizer_get_learning_rate (other), "OPTIMIZER");
  WRONG (reformer_schedule_get_decay (other), "SCHEDULE");
  WRONG (reformer_trainer_get_loss (other), "TRAINER");
  WRONG (reformer_evaluation_get_loss (other), "EVALUATION");
  WRONG (reformer_training_record_get_loss (none), "TRAINING_RECORD");
  WRONG (reformer_session_get_length (other), "SESSION");
  WRONG (reformer_generator_restart (other), "GENERATOR");
  WRONG (reformer_piece_get_text (none), "PIECE");
#undef WRONG
}

/* ... or of another argument, or what a property does not take. GObject's own messages name the class, the property and the value. */
static void
test_wrong_argument (void)
{
  const gint64 shape[1] = { 4 };
  g_autoptr (ReformerModel) model = test_training_model (device, "local", 0);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerTape) tape = reformer_tape_new (device);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 8, 40), output = NULL;
  g_autoptr (ReformerTrainer) trainer = NULL;
  gpointer other = tape;

  CRITICAL ("Reformer", g_assert_null (reformer_tensor_new (NULL, REFORMER_DTYPE_INT32, shape, 1, &error)), "reformer_tensor_new: assertion 'REFORMER_IS_DEVICE (device)' failed");
  CRITICAL ("Reformer", g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_INT32, NULL, 1, &error)), "reformer_tensor_new: assertion '*shape != NULL' failed");
  CRITICAL ("Reformer", g_assert_null (reformer_model_forward (model, NULL, NULL, &error)), "reformer_model_forward: assertion 'REFORMER_IS_TENSOR (tokens)' failed");
  CRITICAL ("Reformer", g_assert_null (reformer_model_forward (model, tokens, other, &error)), "reformer_model_forward: assertion *REFORMER_IS_TENSOR (mask)* failed");
  CRITICAL ("Reformer", g_assert_null (reformer_tokenizer_encode (tokenizer, NULL, &error)), "reformer_tokenizer_encode: assertion 'text != NULL' failed");
  CRITICAL ("Reformer", g_assert_null (reformer_tokenizer_load (NULL, NULL, &error)), "reformer_tokenizer_load: assertion 'G_IS_FILE (folder)' failed");
  CRITICAL ("Reformer", reformer_tape_push (tape, NULL), "reformer_tape_push: assertion 'REFORMER_IS_TENSOR (tensor)' failed");
  CRITICAL ("Reformer", g_assert_null (reformer_parameter_new (device, NULL, shape, 1)), "reformer_parameter_new: assertion 'name != NULL' failed");
  CRITICAL ("GLib-GObject", trainer = g_object_new (REFORMER_TYPE_TRAINER, "learning-rat", 0.1, NULL), "*'ReformerTrainer' has no property named 'learning-rat'");
  g_assert_no_error (error);
  output = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/mistakes-critical/wrong-object", test_wrong_object);
  g_test_add_func ("/mistakes-critical/wrong-argument", test_wrong_argument);
  status = test_run ();
  g_clear_object (&device);
  return status;
}
