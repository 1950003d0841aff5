/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/home.h"

/* How often a waiting thread looks whether it was cancelled, microseconds. */
#define LOOK_INTERVAL 10000

typedef struct
{
  GMainContext *context;
  GCancellable *cancellable;
} Home;

typedef enum
{
  WAITING,
  RUNNING,
  DONE,
  DROPPED,
} CallState;

/* One call, shared by the waiting thread and the source in the main context. */
typedef struct
{
  gatomicrefcount refs;
  GMutex          mutex;
  GCond           cond;
  CallState       state;
  void          (*function) (gpointer data);
  gpointer        data;
} Call;

static void
home_free (gpointer data)
{
  Home *home = data;

  g_main_context_unref (home->context);
  g_clear_object (&home->cancellable);
  g_free (home);
}

static GPrivate this_home = G_PRIVATE_INIT (home_free);
/* Of a blocking call, borrowed. */
static GPrivate this_cancellable = G_PRIVATE_INIT (NULL);

void
reformer_home_enter (GMainContext *context,
                     GCancellable *cancellable)
{
  Home *home = g_new0 (Home, 1);

  home->context = g_main_context_ref (context != NULL ? context : g_main_context_default ());
  g_set_object (&home->cancellable, cancellable);
  g_private_replace (&this_home, home);
}

void
reformer_home_leave (void)
{
  g_private_replace (&this_home, NULL);
}

GCancellable *
reformer_home_set_cancellable (GCancellable *cancellable)
{
  GCancellable *before = g_private_get (&this_cancellable);

  g_private_set (&this_cancellable, cancellable);
  return before;
}

GCancellable *
reformer_home_get_cancellable (void)
{
  const Home *home = g_private_get (&this_home);

  return home != NULL ? home->cancellable : g_private_get (&this_cancellable);
}

/* ---- Whose function it is ---- */

static G_DEFINE_QUARK (reformer-own-class, own_class)

void
reformer_home_own (gpointer klass)
{
  g_type_set_qdata (G_TYPE_FROM_CLASS (klass), own_class_quark (), GINT_TO_POINTER (TRUE));
}

gboolean
reformer_home_foreign (gpointer instance,
                       gsize    offset)
{
  gpointer klass = G_OBJECT_GET_CLASS (instance);
  GType type = G_TYPE_FROM_CLASS (klass);

  while (type != G_TYPE_OBJECT && g_type_get_qdata (type, own_class_quark ()) == NULL)
    type = g_type_parent (type);
  if (type == G_TYPE_FROM_CLASS (klass))
    return FALSE;
  return type == G_TYPE_OBJECT || G_STRUCT_MEMBER (gpointer, klass, offset) != G_STRUCT_MEMBER (gpointer, g_type_class_peek (type), offset);
}

/* ---- Calling ---- */

static Call *
call_ref (Call *call)
{
  g_atomic_ref_count_inc (&call->refs);
  return call;
}

static void
call_unref (gpointer data)
{
  Call *call = data;

  if (!g_atomic_ref_count_dec (&call->refs))
    return;
  g_mutex_clear (&call->mutex);
  g_cond_clear (&call->cond);
  g_free (call);
}

static gboolean
call_run (gpointer data)
{
  Call *call = data;
  gboolean wanted;

  g_mutex_lock (&call->mutex);
  wanted = call->state == WAITING;
  if (wanted)
    call->state = RUNNING;
  g_mutex_unlock (&call->mutex);
  if (wanted)
    {
      call->function (call->data);
      g_mutex_lock (&call->mutex);
      call->state = DONE;
      g_cond_signal (&call->cond);
      g_mutex_unlock (&call->mutex);
    }
  return G_SOURCE_REMOVE;
}

gboolean
reformer_home_call (gpointer   instance,
                    gsize      offset,
                    void     (*function) (gpointer data),
                    gpointer   data,
                    GError   **error)
{
  const Home *home = g_private_get (&this_home);
  g_autoptr (GSource) source = NULL;
  Call *call;
  gboolean done;

  if (home == NULL || g_main_context_is_owner (home->context) || !reformer_home_foreign (instance, offset))
    {
      function (data);
      return TRUE;
    }
  call = g_new0 (Call, 1);
  g_atomic_ref_count_init (&call->refs);
  g_mutex_init (&call->mutex);
  g_cond_init (&call->cond);
  call->function = function;
  call->data = data;
  /* An idle source that is attached, not g_main_context_invoke(): that would run the function here while nobody iterates the context. */
  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "[reformer] virtual function");
  g_source_set_callback (source, call_run, call_ref (call), call_unref);
  g_source_attach (source, home->context);

  g_mutex_lock (&call->mutex);
  while (call->state == WAITING || call->state == RUNNING)
    {
      if (call->state == WAITING && g_cancellable_is_cancelled (home->cancellable))
        call->state = DROPPED;
      else
        g_cond_wait_until (&call->cond, &call->mutex, g_get_monotonic_time () + LOOK_INTERVAL);
    }
  done = call->state == DONE;
  g_mutex_unlock (&call->mutex);
  if (!done)
    {
      g_source_destroy (source);
      g_cancellable_set_error_if_cancelled (home->cancellable, error);
    }
  call_unref (call);
  return done;
}
