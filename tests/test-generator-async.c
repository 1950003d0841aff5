/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts: how they are cancelled and go on, one call at a time, and what an application sees of a text that is made in a thread. */
#include "foreign-data.h"
#include "texts.h"

/* ---- Cancelling, and one call at a time ---- */

typedef struct
{
  GCancellable *cancellable;
  guint         after;
  guint         n;
  GError       *pending;
  GString      *text;
  GThread      *thread;
  gboolean      done;
} Watch;

static void
on_token (ReformerGenerator *generator,
          ReformerPiece     *piece,
          Watch             *watch)
{
  g_assert_true (watch->thread == NULL || watch->thread == g_thread_self ());
  g_assert_false (watch->done); /* every piece before the callback */
  g_string_append (watch->text, reformer_piece_get_text (piece));
  if (++watch->n == watch->after && watch->cancellable != NULL)
    g_cancellable_cancel (watch->cancellable);
}

static void
call_again (ReformerGenerator *generator,
            ReformerPiece     *piece,
            Watch             *watch)
{
  if (watch->pending == NULL)
    g_assert_null (reformer_generator_next_piece (generator, NULL, &watch->pending));
}

/* A text that was cancelled goes on, to the same end. */
static void
test_cancel (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local,lsh");
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", "ab", "max-tokens", 40, NULL);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autofree char *whole = test_generate (generator);
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancelled);
  for (guint after = 0; after < 6; after++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Watch watch = { .cancellable = cancellable, .after = 7 * after + 1, .text = text };
      const gulong id = g_signal_connect (generator, "token", G_CALLBACK (on_token), &watch);
      ReformerPiece *piece;

      if (watch.after < 40)
        {
          g_assert_null (reformer_generator_generate (generator, cancellable, &error));
          test_assert_error (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "*");
          g_assert_cmpuint (reformer_generator_get_n_tokens (generator), ==, watch.after);
        }
      g_assert_null (reformer_generator_next_piece (generator, cancelled, &error));
      test_assert_error (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "*");
      while ((piece = reformer_generator_next_piece (generator, NULL, &error)) != NULL)
        g_object_unref (piece);
      g_assert_no_error (error);
      g_assert_cmpstr (text->str, ==, whole);
      g_signal_handler_disconnect (generator, id);
    }
}

static void
test_one_at_a_time (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local");
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "max-tokens", 3, NULL);
  Watch watch = { .n = 0 };
  g_autofree char *text = test_generate (generator), *again = NULL;

  g_signal_connect (generator, "token", G_CALLBACK (call_again), &watch);
  again = test_generate (generator);
  g_assert_cmpstr (text, ==, again);
  test_assert_error (&watch.pending, G_IO_ERROR, G_IO_ERROR_PENDING, "*at work already*");
}

/* ---- In a thread ---- */

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static void
mark_done (GObject      *object,
           GAsyncResult *result,
           gpointer      data)
{
  Watch *watch = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = reformer_generator_generate_finish (REFORMER_GENERATOR (object), result, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, watch->text->str);
  watch->done = TRUE;
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static void
test_async (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (TestTokenizer) tokenizer = test_tokenizer_new (TEST_WELL);
  g_autoptr (ReformerGenerator) generator = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) some = g_string_new (NULL);
  Watch watch = { .text = text, .thread = g_thread_self () };
  g_autofree char *want = NULL;
  g_autoptr (GError) error = NULL;
  guint n = 0;

  g_object_set (config, "vocab-size", 30, NULL);
  model = reformer_model_new (device, config);
  generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "tokenizer", tokenizer, "prompt", "ab", "max-tokens", 25, NULL);
  want = test_generate (generator);

  /* the whole: pieces before the end, all in this thread, and the tokenizer too, which is not the library's */
  tokenizer->thread = NULL;
  g_signal_connect (generator, "token", G_CALLBACK (on_token), &watch);
  reformer_generator_generate_async (generator, NULL, mark_done, &watch);
  g_assert_null (reformer_generator_next_piece (generator, NULL, &error));
  test_assert_error (&error, G_IO_ERROR, G_IO_ERROR_PENDING, "*at work already*");
  while (!watch.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (text->str, ==, want);
  g_assert_cmpuint (watch.n, ==, 25);
  g_assert_true (tokenizer->thread == g_thread_self ());
  g_signal_handlers_disconnect_by_data (generator, &watch);

  /* piece by piece */
  reformer_generator_restart (generator);
  for (;;)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (ReformerPiece) piece = NULL;

      reformer_generator_next_piece_async (generator, NULL, keep_result, &result);
      piece = reformer_generator_next_piece_finish (generator, wait_for (&result), &error);
      g_assert_no_error (error);
      if (piece == NULL)
        break;
      n++;
      g_string_append (some, reformer_piece_get_text (piece));
    }
  g_assert_cmpuint (n, ==, 25);
  g_assert_cmpstr (some->str, ==, want);
  g_assert_cmpint (reformer_generator_get_end (generator), ==, REFORMER_GENERATION_END_TOKENS);
}

/* The text is in no thread of the caller's; errors and cancellations come through the callback. */
static void
test_async_errors (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local,lsh");
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", "ab", "max-tokens", 50, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *want = NULL;

  {
    g_autoptr (GAsyncResult) result = NULL;
    g_autoptr (GAsyncResult) busy = NULL;

    reformer_generator_generate_async (generator, NULL, keep_result, &result);
    reformer_generator_generate_async (generator, NULL, keep_result, &busy);
    g_assert_null (reformer_generator_generate_finish (generator, wait_for (&busy), &error));
    test_assert_error (&error, G_IO_ERROR, G_IO_ERROR_PENDING, "*at work already*");
    want = reformer_generator_generate_finish (generator, wait_for (&result), &error);
    g_assert_no_error (error);
  }
  {
    g_autoptr (GAsyncResult) result = NULL;

    reformer_generator_set_temperature (generator, -1);
    reformer_generator_generate_async (generator, NULL, keep_result, &result);
    g_assert_null (reformer_generator_generate_finish (generator, wait_for (&result), &error));
    test_assert_error (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "temperature is -1*");
  }
  reformer_generator_set_temperature (generator, 1);
  for (guint after = 1; after < 50; after += 12)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      Watch watch = { .cancellable = cancellable, .after = after, .text = text, .thread = g_thread_self () };
      const gulong id = g_signal_connect (generator, "token", G_CALLBACK (on_token), &watch);
      g_autofree char *whole = NULL;
      ReformerPiece *piece;

      reformer_generator_generate_async (generator, cancellable, keep_result, &result);
      whole = reformer_generator_generate_finish (generator, wait_for (&result), &error);
      if (whole == NULL)
        test_assert_error (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "*");
      while ((piece = reformer_generator_next_piece (generator, NULL, &error)) != NULL)
        g_object_unref (piece);
      g_assert_no_error (error);
      g_assert_cmpstr (text->str, ==, want);
      g_signal_handler_disconnect (generator, id);
    }
}

/* At any moment: the work stops soon, also in the middle of a long prompt, and the text goes on as if nothing had been. */
static void
test_async_moments (void)
{
  const int shape[2] = { 64, 64 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("local,lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autofree char *prompt = g_strnfill (4000, 'a'), *want = NULL;
  g_autoptr (ReformerGenerator) generator = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  gint64 start, whole, slowest = 0;

  if (test_device_slow (device))
    {
      g_test_skip ("4,000 tokens take too long here");
      return;
    }
  reformer_config_set_axial_pos_shape (config, shape, 2);
  g_object_set (config, "vocab-size", 258, "max-position-embeddings", 4096, NULL);
  model = reformer_model_new (device, config);
  generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "prompt", prompt, "max-tokens", 5, NULL);
  g_free (test_generate (generator));
  start = g_get_monotonic_time ();
  want = test_generate (generator);
  whole = g_get_monotonic_time () - start;
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GString) text = g_string_new (NULL);
      g_autoptr (GError) error = NULL;
      g_autofree char *made = NULL;
      Watch watch = { .text = text };
      const gulong id = g_signal_connect (generator, "token", G_CALLBACK (on_token), &watch);
      ReformerPiece *piece;

      reformer_generator_generate_async (generator, cancellable, keep_result, &result);
      g_usleep ((gulong) g_rand_int_range (rand, 0, (gint32) whole + 1));
      g_cancellable_cancel (cancellable);
      start = g_get_monotonic_time ();
      made = reformer_generator_generate_finish (generator, wait_for (&result), &error);
      slowest = MAX (slowest, g_get_monotonic_time () - start);
      g_assert_true (made != NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
      g_clear_error (&error);
      while ((piece = reformer_generator_next_piece (generator, NULL, &error)) != NULL)
        g_object_unref (piece);
      g_assert_no_error (error);
      g_assert_cmpstr (text->str, ==, want);
      g_signal_handler_disconnect (generator, id);
    }
  g_test_message ("the whole takes %.1f ms; after cancelling at most %.1f ms", (double) whole / 1e3, (double) slowest / 1e3);
  g_assert_cmpint (slowest, <, 1000000); /* 250 ms, if nobody else were at work here */
}

/* A generator that nobody holds any more while it works is freed when it is done. */
static void
test_async_dropped (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local");
  ReformerGenerator *generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "max-tokens", 5, NULL);
  GAsyncResult *result = NULL;

  g_object_add_weak_pointer (G_OBJECT (generator), (gpointer *) &generator);
  reformer_generator_generate_async (generator, NULL, keep_result, &result);
  g_object_unref (generator);
  wait_for (&result);
  g_object_unref (result);
  for (int i = 0; i < 1000 && generator != NULL; i++)
    g_usleep (1000);
  g_assert_null (generator);
}

/* Where what a thread ends with is thrown away before its turn comes, nobody gets the text, and the generator can be used again. */
static void
test_async_thrown_away (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerModel) model = test_byte_model (device, "local");
  g_autoptr (ReformerGenerator) generator = g_object_new (REFORMER_TYPE_GENERATOR, "model", model, "max-tokens", 3, NULL);
  g_autofree char *want = test_generate (generator), *text = NULL;
  g_autoptr (GMainContext) context = g_main_context_new ();
  GAsyncResult *result = NULL;

  g_main_context_push_thread_default (context);
  reformer_generator_generate_async (generator, NULL, keep_result, &result);
  g_main_context_pop_thread_default (context);
  for (int i = 0; i < 10000 && text == NULL; i++)
    {
      for (guint id = 1; id < 32; id++)
        {
          GSource *source = g_main_context_find_source_by_id (context, id);

          if (source != NULL)
            g_source_destroy (source);
        }
      g_usleep (1000);
      text = reformer_generator_generate (generator, NULL, NULL);
    }
  g_assert_cmpstr (text, ==, want);
  g_assert_null (result);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/generator-async/cancel", test_cancel);
  g_test_add_func ("/generator-async/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/generator-async/whole", test_async);
  g_test_add_func ("/generator-async/errors", test_async_errors);
  g_test_add_func ("/generator-async/moments", test_async_moments);
  g_test_add_func ("/generator-async/dropped", test_async_dropped);
  g_test_add_func ("/generator-async/thrown-away", test_async_thrown_away);
  return test_run ();
}
