/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Virtual functions that are implemented outside the library must not run in a thread of ours: GJS refuses, Python would surprise. A thread that works for a
 * caller enters the caller's main context as its home; every invoker calls through reformer_home_call(), which runs such a function
 * there and waits. Nothing may be locked meanwhile that the main loop could want.
 */

/* The calling thread works for the one who iterates `context`, until leave. The cancellable (may be NULL) ends the waiting for a call that has not begun. */
void     reformer_home_enter   (GMainContext  *context,
                                GCancellable  *cancellable);
void     reformer_home_leave   (void);

/* What cancels the work of the calling thread, for virtual functions that take long and have no cancellable argument: its home's, or else that of the blocking call
 * that it is in, which sets it (borrowed, may be NULL) when it begins, and puts back what there was when it ends. */
GCancellable *reformer_home_get_cancellable (void);
GCancellable *reformer_home_set_cancellable (GCancellable *cancellable);

/* Says that a class of this type is the library's own; first thing in its class_init. */
void     reformer_home_own     (gpointer       klass);
/* Whether the virtual function at `offset` of the instance's class was put there from outside. */
gboolean reformer_home_foreign (gpointer       instance,
                                gsize          offset);
/* Runs function (data), which calls the virtual function at `offset` of the instance's class: here, or, where that is foreign and this thread has a home elsewhere,
 * in the home context, and waits for it. FALSE: cancelled before it began. */
gboolean reformer_home_call    (gpointer       instance,
                                gsize          offset,
                                void         (*function) (gpointer data),
                                gpointer       data,
                                GError       **error);

G_END_DECLS
