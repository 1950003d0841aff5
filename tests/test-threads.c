/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several threads: forward passes on one model at once, trainers and generators that lose their last reference while they work, and parameters read meanwhile. */
#include "training.h"

#include <math.h>
#include <string.h>

#include <libreformer/generation/reformer-generator.h>

static ReformerDevice *device;

/* Waits in the main context until an object is gone. */
static void
wait_gone (GWeakRef *weak)
{
  const gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

  for (;;)
    {
      g_autoptr (GObject) object = g_weak_ref_get (weak);

      if (object == NULL)
        break;
      if (g_get_monotonic_time () > end)
        g_error ("a %s still lives a minute later", G_OBJECT_TYPE_NAME (object));
      g_clear_object (&object);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (200);
    }
  g_weak_ref_clear (weak);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* ---- One model ---- */

enum
{
  N_THREADS = 16,
  N_FORWARDS = 100,
  N_INPUTS = 4,
};

typedef struct
{
  ReformerModel  *model;
  ReformerTensor *tokens[N_INPUTS];
  float          *wanted[N_INPUTS];
  guint           n_wanted[N_INPUTS];
  gint            ready; /* threads that stand at the start */
  gint            different;
} Forwards;

static gpointer
forward_often (gpointer data)
{
  Forwards *all = data;
  const guint first = (guint) g_atomic_int_add (&all->ready, 1);

  while (g_atomic_int_get (&all->ready) < N_THREADS)
    g_usleep (100);
  for (guint i = 0; i < N_FORWARDS; i++)
    {
      const guint which = (first + i) % N_INPUTS;
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerTensor) output = reformer_model_forward (all->model, all->tokens[which], NULL, &error);
      g_autofree float *values = NULL;

      g_assert_no_error (error);
      values = test_floats (output);
      g_assert_cmpuint (reformer_tensor_get_n_elements (output), ==, all->n_wanted[which]);
      if (memcmp (values, all->wanted[which], all->n_wanted[which] * sizeof *values) != 0)
        g_atomic_int_inc (&all->different);
    }
  return NULL;
}

/* The threads begin with a model that has no values yet: the first passes make them, all at once. */
static void
test_forward (void)
{
  static const int sizes[N_INPUTS][2] = { { 1, 64 }, { 2, 24 }, { 1, 7 }, { 3, 40 } };
  const guint64 before = reformer_device_get_memory_used (device);
  GThread *threads[N_THREADS];
  Forwards all = { 0 };

  {
    g_autoptr (ReformerModel) alone = test_training_model (device, "local,lsh", 0);

    for (guint i = 0; i < N_INPUTS; i++)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (ReformerTensor) output = NULL;

        all.tokens[i] = test_tokens (device, sizes[i][0], sizes[i][1], 40);
        output = reformer_model_forward (alone, all.tokens[i], NULL, &error);
        g_assert_no_error (error);
        all.wanted[i] = test_floats (output);
        all.n_wanted[i] = (guint) reformer_tensor_get_n_elements (output);
      }
  }
  all.model = test_training_model (device, "local,lsh", 0);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("forward", forward_often, &all);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (all.different, ==, 0);
  g_clear_object (&all.model);
  for (guint i = 0; i < N_INPUTS; i++)
    {
      g_object_unref (all.tokens[i]);
      g_free (all.wanted[i]);
    }
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
}

/* ---- Trainers that lose their last reference ---- */

typedef struct
{
  gpointer object; /* a trainer or generator, borrowed by the thread that works */
  gboolean evaluates;
  gint     working;
  gulong   delay;
} Orphan;

static ReformerTrainer *
new_trainer (TestSamples **samples)
{
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);

  *samples = test_samples_new (5, 32, 40);
  return test_trainer_new (model, *samples);
}

static void
on_read (gpointer data)
{
  g_atomic_int_set (&((Orphan *) data)->working, TRUE);
}

static void
wait_working (Orphan *orphan)
{
  while (!g_atomic_int_get (&orphan->working))
    g_usleep (100);
  g_usleep (orphan->delay);
}

static gpointer
work_blocking (gpointer data)
{
  Orphan *orphan = data;
  g_autoptr (GError) error = NULL;

  if (orphan->evaluates)
    {
      g_autoptr (ReformerEvaluation) evaluation =
          reformer_trainer_evaluate (orphan->object, reformer_trainer_get_dataset (orphan->object), NULL, &error);

      g_assert_no_error (error);
      g_assert_nonnull (evaluation);
    }
  else
    {
      const gboolean trained = reformer_trainer_train (orphan->object, 6, NULL, &error);

      g_assert_no_error (error);
      g_assert_true (trained);
    }
  return NULL;
}

/* The only reference goes while another thread is within train() or evaluate(): the call ends as if nothing had been, and the trainer with it. */
static void
test_unref_blocking (void)
{
  const guint64 before = reformer_device_get_memory_used (device);

  for (guint i = 0; i < 12; i++)
    {
      Orphan orphan = { .evaluates = i % 4 == 3, .delay = 1500 * i };
      TestSamples *samples;
      GThread *thread;
      GWeakRef weak;

      orphan.object = new_trainer (&samples);
      samples->on_read = on_read;
      samples->data = &orphan;
      g_weak_ref_init (&weak, orphan.object);
      thread = g_thread_new ("train", work_blocking, &orphan);
      wait_working (&orphan);
      g_object_unref (orphan.object);
      g_thread_join (thread);
      wait_gone (&weak);
      g_object_unref (samples);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
    }
}

static gpointer
unref_elsewhere (gpointer data)
{
  Orphan *orphan = data;

  g_usleep (orphan->delay);
  g_object_unref (orphan->object);
  return NULL;
}

static void
on_trained (GObject      *object,
            GAsyncResult *result,
            gpointer      done)
{
  g_autoptr (GError) error = NULL;
  const gboolean trained = reformer_trainer_train_finish (REFORMER_TRAINER (object), result, &error);

  g_assert_no_error (error);
  g_assert_true (trained);
  *(gboolean *) done = TRUE;
}

static void
on_evaluated (GObject      *object,
              GAsyncResult *result,
              gpointer      done)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerEvaluation) evaluation = reformer_trainer_evaluate_finish (REFORMER_TRAINER (object), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (evaluation);
  *(gboolean *) done = TRUE;
}

/* The same in the asynchronous form: with and without a callback, and with a handler. */
static void
test_unref_async (void)
{
  const guint64 before = reformer_device_get_memory_used (device);

  for (guint i = 0; i < 16; i++)
    {
      g_autoptr (GCancellable) cancellable = i % 8 == 6 ? g_cancellable_new () : NULL;
      Orphan orphan = { .delay = 1000 * i };
      gboolean done = FALSE;
      guint steps = 0;
      TestSamples *samples;
      GThread *thread;
      GWeakRef weak;

      orphan.object = new_trainer (&samples);
      g_weak_ref_init (&weak, orphan.object);
      g_signal_connect_swapped (orphan.object, "step", G_CALLBACK (g_atomic_int_inc), &steps);
      if (i % 4 == 3)
        reformer_trainer_evaluate_async (orphan.object, REFORMER_DATASET (samples), NULL, on_evaluated, &done);
      else
        reformer_trainer_train_async (orphan.object, 6, cancellable, i % 2 == 0 ? NULL : on_trained, &done);
      thread = g_thread_new ("unref", unref_elsewhere, &orphan);
      if (cancellable != NULL)
        g_cancellable_cancel (cancellable);
      wait_gone (&weak);
      g_thread_join (thread);
      g_assert_true (done == (i % 2 == 1));
      g_assert_true ((steps > 0) == (i % 4 != 3 && cancellable == NULL));
      g_object_unref (samples);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
    }
}

static void
drop (ReformerTrainer        *trainer,
      ReformerTrainingRecord *record,
      gpointer                data)
{
  Orphan *orphan = data;

  if (g_atomic_int_compare_and_exchange (&orphan->working, FALSE, TRUE))
    g_object_unref (trainer);
}

/* A handler gives the only reference away, in both forms. */
static void
test_unref_handler (void)
{
  const guint64 before = reformer_device_get_memory_used (device);

  for (guint i = 0; i < 2; i++)
    {
      Orphan orphan = { 0 };
      TestSamples *samples;
      GWeakRef weak;

      orphan.object = new_trainer (&samples);
      g_weak_ref_init (&weak, orphan.object);
      g_signal_connect (orphan.object, "step", G_CALLBACK (drop), &orphan);
      if (i == 0)
        work_blocking (&orphan);
      else
        reformer_trainer_train_async (orphan.object, 6, NULL, NULL, NULL);
      wait_gone (&weak);
      g_assert_true (orphan.working);
      g_object_unref (samples);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
    }
}

/* ---- Generators that lose theirs ---- */

static void
on_generated (GObject      *object,
              GAsyncResult *result,
              gpointer      done)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = reformer_generator_generate_finish (REFORMER_GENERATOR (object), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (text);
  *(gboolean *) done = TRUE;
}

static void
on_token (ReformerGenerator *generator,
          ReformerPiece     *piece,
          gpointer           data)
{
  g_atomic_int_set (&((Orphan *) data)->working, TRUE);
}

static gpointer
generate_blocking (gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = reformer_generator_generate (((Orphan *) data)->object, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (text);
  return NULL;
}

static void
test_unref_generator (void)
{
  const guint64 before = reformer_device_get_memory_used (device);

  for (guint i = 0; i < 8; i++)
    {
      g_autoptr (ReformerConfig) config = test_config ("local,lsh");
      g_autoptr (ReformerModel) model = NULL;
      ReformerGenerator *generator;
      Orphan orphan = { .delay = 1000 * i };
      gboolean done = FALSE;
      GThread *thread;
      GWeakRef weak;

      g_object_set (config, "vocab-size", 258, NULL);
      model = reformer_model_new (device, config);
      generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "max-tokens", 20, NULL);
      g_signal_connect (generator, "token", G_CALLBACK (on_token), &orphan);
      g_weak_ref_init (&weak, generator);
      orphan.object = generator;
      if (i % 2 == 0)
        {
          thread = g_thread_new ("generate", generate_blocking, &orphan);
          wait_working (&orphan);
          g_object_unref (generator);
        }
      else
        {
          reformer_generator_generate_async (generator, NULL, on_generated, &done);
          thread = g_thread_new ("unref", unref_elsewhere, &orphan);
        }
      wait_gone (&weak);
      g_thread_join (thread);
      g_assert_true (done == (i % 2 == 1));
      g_clear_object (&model);
      g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
    }
}

/* ---- Reading while it trains ---- */

typedef struct
{
  ReformerTrainer *trainer;
  gint             stop;
  guint            passes;
} Reader;

static gpointer
read_along (gpointer data)
{
  Reader *reader = data;
  ReformerModel *model = reformer_trainer_get_model (reader->trainer);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 32, 40);

  while (!g_atomic_int_get (&reader->stop))
    {
      g_autoptr (GListModel) parameters = reformer_model_get_parameters (model);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerTensor) output = reformer_model_forward (model, tokens, NULL, &error);
      g_autofree float *logits = NULL;

      g_assert_no_error (error);
      logits = test_floats (output);
      for (guint i = 0; i < 32 * 40; i++)
        g_assert_true (isfinite (logits[i]));
      g_assert_cmpuint (g_list_model_get_n_items (parameters), >, 0);
      for (guint i = 0; i < g_list_model_get_n_items (parameters); i++)
        {
          g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);
          g_autofree float *values = test_floats (reformer_parameter_get_value (parameter));

          for (gsize j = 0; j < reformer_tensor_get_n_elements (reformer_parameter_get_value (parameter)); j++)
            g_assert_true (isfinite (values[j]));
        }
      g_assert_cmpfloat (reformer_trainer_get_loss (reader->trainer), >=, 0);
      g_assert_cmpuint (reformer_trainer_get_n_steps (reader->trainer), <=, 60);
      reader->passes++;
    }
  return NULL;
}

/* Two threads run forward passes and read all parameters and the progress; the run is the one that nobody watched. */
static void
test_read (void)
{
  enum { STEPS = 60 };

  for (guint form = 0; form < 2; form++)
    {
      g_autoptr (TestSamples) samples = NULL, same = NULL;
      g_autoptr (ReformerTrainer) trainer = new_trainer (&samples), undisturbed = new_trainer (&same);
      g_autoptr (GArray) got = NULL, wanted = NULL;
      Reader readers[2] = { { .trainer = trainer }, { .trainer = trainer } };
      GThread *threads[2];
      gboolean done = FALSE;

      test_train (undisturbed, STEPS);
      wanted = test_training_state (undisturbed);
      for (guint i = 0; i < 2; i++)
        threads[i] = g_thread_new ("read", read_along, &readers[i]);
      if (form == 0)
        test_train (trainer, STEPS);
      else
        {
          reformer_trainer_train_async (trainer, STEPS, NULL, on_trained, &done);
          while (!done)
            g_main_context_iteration (NULL, TRUE);
        }
      for (guint i = 0; i < 2; i++)
        {
          g_atomic_int_set (&readers[i].stop, TRUE);
          g_thread_join (threads[i]);
          g_assert_cmpuint (readers[i].passes, >, 0);
        }
      got = test_training_state (trainer);
      assert_same_state (got, wanted);
      g_test_message ("%u and %u passes while %u steps were made", readers[0].passes, readers[1].passes, (guint) STEPS);
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/threads/forward", test_forward);
  g_test_add_func ("/threads/unref-blocking", test_unref_blocking);
  g_test_add_func ("/threads/unref-async", test_unref_async);
  g_test_add_func ("/threads/unref-handler", test_unref_handler);
  g_test_add_func ("/threads/unref-generator", test_unref_generator);
  g_test_add_func ("/threads/read", test_read);
  status = test_run ();
  g_clear_object (&device);
  return status;
}
