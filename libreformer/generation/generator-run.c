/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/generator-private.h"

#include "compute/home.h"
#include "compute/result.h"
#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/layers/reformer-model-error.h>

/* Making a text: in the caller's thread, or in one of its own. */

/* ---- Beginning and ending a call ---- */

static ReformerCourse *
new_course (ReformerGenerator  *self,
            GError            **error)
{
  ReformerCourseSettings settings = {
    .model = self->model, .prompt = self->prompt, .max_tokens = self->max_tokens, .sampling = self->sampling, .stop = self->stop, .allowed = self->allowed,
  };
  g_autoptr (ReformerTokenizer) bytes = NULL;

  if (self->model == NULL)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the generator has no model; wanted one with a causal language head");
      return NULL;
    }
  settings.tokenizer = self->tokenizer;
  if (settings.tokenizer == NULL)
    settings.tokenizer = bytes = reformer_byte_tokenizer_new ();
  return reformer_course_new (&settings);
}

static void
forget_course (ReformerGenerator *self)
{
  g_clear_pointer (&self->course, reformer_course_unref);
  self->n_tokens = 0;
  self->end = REFORMER_GENERATION_END_NONE;
}

/* The text to work on, which no other call does until end(); NULL and an error. */
static ReformerCourse *
begin (ReformerGenerator  *self,
       gboolean            anew,
       GError            **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->busy)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_PENDING, "the generator is at work already; wait until it is done, or make another one");
      return NULL;
    }
  if (anew)
    forget_course (self);
  if (self->course == NULL)
    self->course = new_course (self, error);
  if (self->course == NULL)
    return NULL;
  self->busy = TRUE;
  return reformer_course_ref (self->course);
}

static void
end (ReformerGenerator *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  self->busy = FALSE;
}

/* The next piece, and how far the text is for everybody to see, unless it was given up meanwhile. */
static ReformerPiece *
make_piece (ReformerGenerator  *self,
            ReformerCourse     *course,
            GCancellable       *cancellable,
            GError            **error)
{
  ReformerPiece *piece = reformer_course_next (course, cancellable, error);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (self->allowed == NULL && reformer_course_allowed (course) != NULL)
    self->allowed = g_bytes_ref (reformer_course_allowed (course));
  if (self->course == course)
    {
      self->n_tokens = reformer_course_n_tokens (course);
      self->end = reformer_course_end (course);
    }
  return piece;
}

/* ---- In the caller's thread ---- */

/**
 * reformer_generator_next_piece:
 * @self: a generator
 * @cancellable: (nullable): ends the work within the token
 * @error: return location for an error
 *
 * Makes one token more, and emits [signal@Generator::token]. After an error, or a cancellation, the next call makes the same token.
 *
 * Returns: (transfer full) (nullable): what the token adds to the text, or %NULL where the text has ended; %NULL with @error set: [error@ModelError] for a model
 *   without a causal language head, a prompt or settings that do not fit, or logits that are no numbers; [error@DeviceError]; `G_IO_ERROR_CANCELLED`;
 *   `G_IO_ERROR_PENDING`; an error of the tokenizer
 */
ReformerPiece *
reformer_generator_next_piece (ReformerGenerator  *self,
                               GCancellable       *cancellable,
                               GError            **error)
{
  g_autoptr (ReformerGenerator) kept = NULL;
  g_autoptr (ReformerCourse) course = NULL;
  ReformerPiece *piece;

  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  kept = g_object_ref (self); /* handlers and other threads may drop theirs */
  course = begin (self, FALSE, error);
  if (course == NULL)
    return NULL;
  piece = make_piece (self, course, cancellable, error);
  if (piece != NULL)
    g_signal_emit (self, reformer_generator_token_signal, 0, piece);
  end (self);
  return piece;
}

/* All pieces of a text, each to `bytes` and `text` (either may be NULL). */
static gboolean
make_all (ReformerGenerator  *self,
          GByteArray         *bytes,
          GString            *text,
          GCancellable       *cancellable,
          GError            **error)
{
  g_autoptr (ReformerGenerator) kept = g_object_ref (self);
  g_autoptr (ReformerCourse) course = begin (self, TRUE, error);
  GError *local = NULL;
  ReformerPiece *piece;

  if (course == NULL)
    return FALSE;
  while ((piece = make_piece (self, course, cancellable, &local)) != NULL)
    {
      g_autoptr (GBytes) part = reformer_piece_get_bytes (piece);

      if (bytes != NULL)
        g_byte_array_append (bytes, g_bytes_get_data (part, NULL), (guint) g_bytes_get_size (part));
      if (text != NULL)
        g_string_append (text, reformer_piece_get_text (piece));
      g_signal_emit (self, reformer_generator_token_signal, 0, piece);
      g_object_unref (piece);
    }
  end (self);
  if (local == NULL)
    return TRUE;
  g_propagate_error (error, local);
  return FALSE;
}

/**
 * reformer_generator_generate_bytes:
 * @self: a generator
 * @cancellable: (nullable): ends the work within a token
 * @error: return location for an error
 *
 * Makes a whole text from its beginning, as bytes, and emits [signal@Generator::token] for every piece. After an error or a cancellation
 * [method@Generator.next_piece] goes on.
 *
 * Returns: (transfer full): the text, or %NULL with @error set as [method@Generator.next_piece] does
 */
GBytes *
reformer_generator_generate_bytes (ReformerGenerator  *self,
                                   GCancellable       *cancellable,
                                   GError            **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  return make_all (self, bytes, NULL, cancellable, error) ? g_byte_array_free_to_bytes (g_steal_pointer (&bytes)) : NULL;
}

/**
 * reformer_generator_generate:
 * @self: a generator
 * @cancellable: (nullable): ends the work within a token
 * @error: return location for an error
 *
 * Makes a whole text from its beginning, valid UTF-8, and emits [signal@Generator::token] for every piece. After an error or a cancellation
 * [method@Generator.next_piece] goes on.
 *
 * Returns: (transfer full): the text, or %NULL with @error set as [method@Generator.next_piece] does
 */
char *
reformer_generator_generate (ReformerGenerator  *self,
                             GCancellable       *cancellable,
                             GError            **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  return make_all (self, NULL, text, cancellable, error) ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

/* ---- In a thread ---- */

/* A piece on its way to the main context. */
typedef struct
{
  ReformerGenerator *self;
  ReformerPiece     *piece;
} Told;

static gboolean
tell (gpointer data)
{
  Told *told = data;

  g_signal_emit (told->self, reformer_generator_token_signal, 0, told->piece);
  return G_SOURCE_REMOVE;
}

static void
told_free (gpointer data)
{
  Told *told = data;

  g_object_unref (told->self);
  g_object_unref (told->piece);
  g_free (told);
}

/* As an idle source that is attached, not by g_main_context_invoke(), which would run the handlers here while nobody iterates the context. It has the task's
 * priority, so that it comes before the callback. */
static void
post (GTask         *task,
      ReformerPiece *piece)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Told *told = g_new (Told, 1);

  told->self = g_object_ref (g_task_get_source_object (task));
  told->piece = g_object_ref (piece);
  g_source_set_priority (source, g_task_get_priority (task));
  g_source_set_static_name (source, "[reformer] token");
  g_source_set_callback (source, tell, told, told_free);
  g_source_attach (source, g_task_get_context (task));
}

static void
return_result (GTask          *task,
               gpointer        result,
               GDestroyNotify  free_result,
               GError         *error)
{
  end (g_task_get_source_object (task));
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, result, free_result);
}

/* What a thread ends with. */
typedef struct
{
  GTask          *task;
  gpointer        result;
  GDestroyNotify  free_result;
  GError         *error;
  gboolean        given;
} Ending;

static gboolean
give_result (gpointer data)
{
  Ending *ending = data;

  ending->given = TRUE;
  return_result (ending->task, g_steal_pointer (&ending->result), ending->free_result, g_steal_pointer (&ending->error));
  return G_SOURCE_REMOVE;
}

static void
ending_free (gpointer data)
{
  Ending *ending = data;

  if (!ending->given)
    end (g_task_get_source_object (ending->task)); /* the source was taken away before its turn came */
  if (ending->result != NULL)
    ending->free_result (ending->result);
  g_clear_error (&ending->error);
  g_object_unref (ending->task);
  g_free (ending);
}

/* Gives away the task, too: the last of generator, model and layers must not go in a thread of ours, which may even outlive the program's main(). */
static void
end_thread (GTask          *task,
            gpointer        result,
            GDestroyNotify  free_result,
            GError         *error)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Ending *ending = g_new (Ending, 1);

  *ending = (Ending) { task, result, free_result, error, FALSE };
  g_source_set_priority (source, g_task_get_priority (task));
  g_source_set_static_name (source, "[reformer] end of a text");
  g_source_set_callback (source, give_result, ending, ending_free);
  g_source_attach (source, g_task_get_context (task));
}

static gpointer
piece_thread (gpointer data)
{
  GTask *task = data;
  GError *error = NULL;
  ReformerPiece *piece;

  reformer_home_enter (g_task_get_context (task), g_task_get_cancellable (task));
  piece = make_piece (g_task_get_source_object (task), g_task_get_task_data (task), g_task_get_cancellable (task), &error);
  reformer_home_leave ();
  if (piece != NULL)
    post (task, piece);
  end_thread (task, piece, g_object_unref, error);
  return NULL;
}

static gpointer
text_thread (gpointer data)
{
  GTask *task = data;
  GString *text = g_string_new (NULL);
  GError *error = NULL;
  ReformerPiece *piece;

  reformer_home_enter (g_task_get_context (task), g_task_get_cancellable (task));
  while ((piece = make_piece (g_task_get_source_object (task), g_task_get_task_data (task), g_task_get_cancellable (task), &error)) != NULL)
    {
      g_string_append (text, reformer_piece_get_text (piece));
      post (task, piece);
      g_object_unref (piece);
    }
  reformer_home_leave ();
  end_thread (task, g_string_free (text, error != NULL), g_free, error);
  return NULL;
}

/* Has the work done in a thread of its own, not in the pool that all of an application's file operations share. */
static void
start (ReformerGenerator   *self,
       gboolean             anew,
       GThreadFunc          work,
       gpointer             tag,
       GCancellable        *cancellable,
       GAsyncReadyCallback  callback,
       gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  ReformerCourse *course;
  GThread *thread;

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE); /* a token that was made is not lost */
  course = begin (self, anew, &error);
  if (course == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, course, (GDestroyNotify) reformer_course_unref);
  thread = g_thread_try_new ("generator", work, g_object_ref (task), &error);
  if (thread == NULL)
    {
      return_result (task, NULL, NULL, error);
      g_object_unref (task); /* the thread's */
      return;
    }
  g_thread_unref (thread);
}

/**
 * reformer_generator_next_piece_async:
 * @self: a generator
 * @cancellable: (nullable): ends the work within the token
 * @callback: (scope async): called when the token is made
 * @user_data: for the callback
 *
 * Makes one token more in a thread of its own, and emits [signal@Generator::token] in the main context of the caller.
 */
void
reformer_generator_next_piece_async (ReformerGenerator   *self,
                                     GCancellable        *cancellable,
                                     GAsyncReadyCallback  callback,
                                     gpointer             user_data)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  start (self, FALSE, piece_thread, reformer_generator_next_piece_async, cancellable, callback, user_data);
}

/**
 * reformer_generator_next_piece_finish:
 * @self: a generator
 * @result: what the callback got
 * @error: return location for an error
 *
 * Ends what [method@Generator.next_piece_async] began.
 *
 * Returns: (transfer full) (nullable): what the token adds to the text, or %NULL where the text has ended; %NULL with @error set as [method@Generator.next_piece] does
 */
ReformerPiece *
reformer_generator_next_piece_finish (ReformerGenerator  *self,
                                      GAsyncResult       *result,
                                      GError            **error)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), NULL);

  return reformer_result_check (self, result, reformer_generator_next_piece_async, "next_piece", error) ? g_task_propagate_pointer (G_TASK (result), error) : NULL;
}

/**
 * reformer_generator_generate_async:
 * @self: a generator
 * @cancellable: (nullable): ends the work within a token
 * @callback: (scope async): called when the text has ended
 * @user_data: for the callback
 *
 * Makes a whole text from its beginning in a thread of its own, and emits [signal@Generator::token] for every piece in the main context of the caller.
 */
void
reformer_generator_generate_async (ReformerGenerator   *self,
                                   GCancellable        *cancellable,
                                   GAsyncReadyCallback  callback,
                                   gpointer             user_data)
{
  g_return_if_fail (REFORMER_IS_GENERATOR (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  start (self, TRUE, text_thread, reformer_generator_generate_async, cancellable, callback, user_data);
}

/**
 * reformer_generator_generate_finish:
 * @self: a generator
 * @result: what the callback got
 * @error: return location for an error
 *
 * Ends what [method@Generator.generate_async] began.
 *
 * Returns: (transfer full): the text, or %NULL with @error set as [method@Generator.next_piece] does
 */
char *
reformer_generator_generate_finish (ReformerGenerator  *self,
                                    GAsyncResult       *result,
                                    GError            **error)
{
  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), NULL);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), NULL);

  return reformer_result_check (self, result, reformer_generator_generate_async, "generate", error) ? g_task_propagate_pointer (G_TASK (result), error) : NULL;
}

/* ---- How far it is ---- */

/**
 * reformer_generator_restart:
 * @self: a generator
 *
 * Gives up the text: the next piece is the first of a new one, with the settings as they are then. A call that is at work ends its own text first.
 */
void
reformer_generator_restart (ReformerGenerator *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_if_fail (REFORMER_IS_GENERATOR (self));

  locker = g_mutex_locker_new (&self->mutex);
  forget_course (self);
}

/**
 * reformer_generator_get_n_tokens:
 * @self: a generator
 *
 * Gets how many tokens of the text are made.
 *
 * Returns: how many tokens of the text are made
 */
guint
reformer_generator_get_n_tokens (ReformerGenerator *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), 0);

  locker = g_mutex_locker_new (&self->mutex);
  return self->n_tokens;
}

/**
 * reformer_generator_get_end:
 * @self: a generator
 *
 * Gets why the text has ended.
 *
 * Returns: why the text has ended, or %REFORMER_GENERATION_END_NONE
 */
ReformerGenerationEnd
reformer_generator_get_end (ReformerGenerator *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (REFORMER_IS_GENERATOR (self), REFORMER_GENERATION_END_NONE);

  locker = g_mutex_locker_new (&self->mutex);
  return self->end;
}
