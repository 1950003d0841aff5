/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A plain file that is read while training runs, by pread only, from any thread. It is opened at first use, and from then on must stay as it was: each read looks
 * at its size and time of change. A file that was put in its place does not matter, the opened one is read on. Messages name the path as given; callers tidy them. */
typedef struct _ReformerTextFile ReformerTextFile;

ReformerTextFile *reformer_text_file_new      (const char        *path);
/* Of an open descriptor, which it takes; `display` is for messages. */
ReformerTextFile *reformer_text_file_new_open (int                fd,
                                               const char        *display,
                                               GError           **error);
ReformerTextFile *reformer_text_file_ref      (ReformerTextFile  *self);
void              reformer_text_file_unref    (ReformerTextFile  *self);
/* For messages. */
const char       *reformer_text_file_get_path (ReformerTextFile  *self);
/* The first call opens it; not empty. */
gboolean          reformer_text_file_get_size (ReformerTextFile  *self,
                                               guint64           *size,
                                               GError           **error);
/* Exactly these bytes. */
GBytes           *reformer_text_file_read     (ReformerTextFile  *self,
                                               guint64            offset,
                                               gsize              n_bytes,
                                               GError           **error);
/* SHA-256 of all of it, borrowed. */
const char       *reformer_text_file_get_hash (ReformerTextFile  *self,
                                               GError           **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerTextFile, reformer_text_file_unref)

G_END_DECLS
