/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "signals.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

/* timeout(1) and some terminals send the same signal twice at once. */
#define SAME_MOMENT (G_USEC_PER_SEC / 10)

static struct
{
  GMutex        mutex;
  GCancellable *cancellable; /* NULL: a signal ends the program */
  int           status;
  gint64        when;
} state;

static void
quit (int status)
{
  if (isatty (STDERR_FILENO))
    {
      const gssize n = write (STDERR_FILENO, "\n", 1); /* behind the live line */

      (void) n;
    }
  _exit (status);
}

static gboolean
received (gpointer data)
{
  const int status = 128 + GPOINTER_TO_INT (data);
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&state.mutex);
  if (state.cancellable == NULL)
    quit (status);
  if (state.status == 0)
    {
      state.status = status;
      state.when = g_get_monotonic_time ();
      cancellable = g_object_ref (state.cancellable);
    }
  else if (g_get_monotonic_time () - state.when > SAME_MOMENT)
    quit (status);
  g_mutex_unlock (&state.mutex);
  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
  return G_SOURCE_CONTINUE;
}

static gpointer
watch (gpointer data)
{
  g_main_loop_run (data);
  return NULL;
}

void
tool_signals_start (void)
{
  static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
  GMainContext *context = g_main_context_new ();
  struct sigaction action;

  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    {
      GSource *source;

      /* nohup, or a shell's background job: what is ignored stays ignored */
      if (sigaction (signals[i], NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        continue;
      source = g_unix_signal_source_new (signals[i]);
      g_source_set_callback (source, received, GINT_TO_POINTER (signals[i]), NULL);
      g_source_attach (source, context);
      g_source_unref (source);
    }
  g_thread_unref (g_thread_new ("signals", watch, g_main_loop_new (context, FALSE))); /* as long as the program */
}

void
tool_signals_cancel (GCancellable *cancellable)
{
  g_mutex_lock (&state.mutex);
  g_set_object (&state.cancellable, cancellable);
  g_mutex_unlock (&state.mutex);
}

int
tool_signals_get_status (void)
{
  int status;

  g_mutex_lock (&state.mutex);
  status = state.status;
  g_mutex_unlock (&state.mutex);
  return status;
}

int
tool_signals_end (GError *error)
{
  const int status = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? tool_signals_get_status () : 0;

  if (status == 0)
    return tool_fail_error (error);
  g_error_free (error);
  return status;
}
