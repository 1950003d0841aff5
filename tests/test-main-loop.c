/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program's main loop while it trains: a timer of 10 ms is late by at most 5 ms more than beside threads that only keep the cores busy, at the 99th percentile. */
#include "training.h"

#include "folders.h"

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/data/reformer-text-dataset.h>

#define PERIOD  (10 * 1000) /* microseconds, as all here */
#define ALLOWED (5 * 1000)

enum
{
  PHASE = 2 * G_USEC_PER_SEC,
  PAIRS = 3,
  ATTEMPTS = 3,
};

/* ---- A timer that keeps count ---- */

typedef struct
{
  GSource  source;
  GArray  *late;
} Timer;

static gboolean
timer_dispatch (GSource     *source,
                GSourceFunc  callback,
                gpointer     data)
{
  const gint64 due = g_source_get_ready_time (source), now = g_get_monotonic_time (), late = now - due;

  g_array_append_val (((Timer *) source)->late, late);
  /* what was missed altogether is not made up for: it was counted as one that is as late */
  g_source_set_ready_time (source, due + PERIOD > now ? due + PERIOD : now + PERIOD);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_functions = { .dispatch = timer_dispatch };

static int
compare (gconstpointer a,
         gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return (x > y) - (x < y);
}

static gint64
percentile (GArray *values,
            guint   of_hundred)
{
  g_array_sort (values, compare);
  return g_array_index (values, gint64, (values->len - 1) * of_hundred / 100);
}

/* Runs the main loop for a phase; the 99th percentile of how late the timer was. */
static gint64
iterate (void)
{
  g_autoptr (GArray) late = g_array_new (FALSE, FALSE, sizeof (gint64));
  GSource *source = g_source_new (&timer_functions, sizeof (Timer));
  const gint64 end = g_get_monotonic_time () + PHASE;

  ((Timer *) source)->late = late;
  g_source_set_ready_time (source, g_get_monotonic_time () + PERIOD);
  g_source_attach (source, NULL);
  while (g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_source_destroy (source);
  g_source_unref (source);
  g_assert_cmpuint (late->len, >, 20);
  return percentile (late, 99);
}

/* ---- The control ---- */

static gpointer
spin (gpointer data)
{
  volatile double x = 1;

  while (!g_atomic_int_get ((gint *) data))
    for (guint i = 0; i < 10000; i++)
      x = x * 0.999 + 1e-3;
  return NULL;
}

static gint64
measure_control (guint n_threads)
{
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();
  gint stop = FALSE;
  gint64 late;

  for (guint i = 0; i < n_threads; i++)
    g_ptr_array_add (threads, g_thread_new ("busy", spin, &stop));
  late = iterate ();
  g_atomic_int_set (&stop, TRUE);
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads->pdata[i]);
  return late;
}

/* ---- Training ---- */

static void
on_done (GObject      *object,
         GAsyncResult *result,
         gpointer      done)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (reformer_trainer_train_finish (REFORMER_TRAINER (object), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  *(gboolean *) done = TRUE;
}

static void
count (gpointer  object,
       gpointer  what,
       guint    *n)
{
  ++*n;
}

static gint64
measure_training (ReformerTrainer *trainer)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const guint before = reformer_trainer_get_n_steps (trainer);
  gboolean done = FALSE;
  gint64 late;

  reformer_trainer_train_async (trainer, 1000000, cancellable, on_done, &done);
  late = iterate ();
  g_assert_false (done);
  g_assert_cmpuint (reformer_trainer_get_n_steps (trainer), >, before);
  g_cancellable_cancel (cancellable);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  return late;
}

/* Both by turns; the median of the differences counts, and *noise is by how much the control's phases differ from each other in the middle half. */
static gint64
measure_both (ReformerTrainer *trainer,
              gint64          *noise)
{
  const guint n_threads = g_get_num_processors ();
  g_autoptr (GArray) differences = g_array_new (FALSE, FALSE, sizeof (gint64)), controls = g_array_new (FALSE, FALSE, sizeof (gint64)),
                     trainings = g_array_new (FALSE, FALSE, sizeof (gint64));

  for (guint i = 0; i < PAIRS; i++)
    {
      const gint64 control = measure_control (n_threads), training = measure_training (trainer), more = training - control;

      g_array_append_val (controls, control);
      g_array_append_val (trainings, training);
      g_array_append_val (differences, more);
    }
  *noise = percentile (controls, 75) - percentile (controls, 25);
  g_test_message ("late at the 99th percentile, medians of %d: %.1f ms while training, %.1f ms beside %u busy threads, %.1f ms more; the control varies by %.1f ms",
                  PAIRS, (double) percentile (trainings, 50) / 1e3, (double) percentile (controls, 50) / 1e3, n_threads,
                  (double) percentile (differences, 50) / 1e3, (double) *noise / 1e3);
  return percentile (differences, 50);
}

/* On a machine that does other work too, the control itself varies: that is allowed besides, unless it is more than what is held. Then nothing can be told, and it is tried again. */
static void
compare_both (ReformerTrainer *trainer)
{
  g_autoptr (ReformerDevice) device = test_device ();
  guint steps = 0, notified = 0;
  gint64 difference = 0, noise = G_MAXINT64;

  g_signal_connect (trainer, "step", G_CALLBACK (count), &steps);
  g_signal_connect (trainer, "notify::loss", G_CALLBACK (count), &notified);
  test_train (trainer, 2); /* kernels are built, memory is there */
  steps = 0;
  for (guint i = 0; i < ATTEMPTS && noise > ALLOWED; i++)
    difference = measure_both (trainer, &noise);
  g_test_message ("%u steps heard of", steps);
  g_assert_cmpuint (steps, >=, PAIRS);
  g_assert_cmpuint (notified, >=, PAIRS);
  if (noise > ALLOWED)
    {
      g_autofree char *reason = g_strdup_printf ("beside busy threads alone the timer's lateness varies by %.1f ms, %d times measured; wanted at most %.1f ms",
                                                 (double) noise / 1e3, ATTEMPTS, (double) ALLOWED / 1e3);

      g_test_skip (reason);
      return;
    }
  g_assert_cmpint (difference, <=, ALLOWED + noise);
}

/* Steps of a millisecond or two: many signals. */
static void
test_small (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_training_model (device, "local,lsh", 0.1);
  g_autoptr (TestSamples) samples = test_samples_new (5, 32, 40);
  g_autoptr (ReformerTrainer) trainer = test_trainer_new (model, samples);

  compare_both (trainer);
}

/* Steps of half a second: large kernels, and a data set whose file is read in the trainer's thread. */
static void
test_large (void)
{
  g_autofree char *path = test_folder_new (), *name = g_build_filename (path, "text", NULL);
  g_autofree char *text = g_strnfill (1 << 20, 'x');
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerConfig) config = reformer_config_new_preset ("bench-lsh", &error);
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (name);
  g_autoptr (ReformerTokenizer) tokenizer = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerDataset) dataset = NULL;
  g_autoptr (ReformerTrainer) trainer = NULL;

  g_assert_no_error (error);
  reformer_config_set_vocab_size (config, 258);
  model = reformer_model_new (device, config);
  for (gsize i = 0; i < 1 << 20; i++)
    text[i] = (char) ('a' + (i * i / 7 + i) % 26);
  test_file_write (path, "text", text, 1 << 20);
  dataset = REFORMER_DATASET (reformer_text_dataset_new (file, tokenizer));
  trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "dataset", dataset, "sequence-length", 2048, NULL);
  compare_both (trainer);
  g_clear_object (&trainer);
  test_folder_delete (path);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/main-loop/small", test_small);
  g_test_add_func ("/main-loop/large", test_large);
  return test_run ();
}
