/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Reading by pread: a file that is cut short meanwhile gives a short read, where a mapped one would kill the process.
 * Paths in messages are as the caller gave them; text out of files goes through reformer_file_quote().
 */

/* the most that is read or written between two looks at the cancellable */
#define REFORMER_FILE_PIECE (8u * 1024 * 1024)

/* Sets NOT_FOUND, NO_SPACE or FAILED by the errno: "PATH: ACTION: system's text". Returns FALSE. */
gboolean reformer_file_set_errno (GError      **error,
                                  int           code,
                                  const char   *path,
                                  const char   *action);

/* Text from a file made fit for one line of a message: valid UTF-8, no control characters, at most about 80 of the others. */
char    *reformer_file_quote     (const char   *text);

/* A path may have any bytes but 0: makes a message with one valid UTF-8 and one line. Returns FALSE. */
gboolean reformer_file_tidy      (GError      **error);

/* The path of a local file or folder; NULL with an error where it is not on a local file system. */
char    *reformer_file_local_path (GFile       *file,
                                   GError     **error);

/* Opens the plain file `name` below the folder descriptor `folder` (or AT_FDCWD); -1 after an error. A pipe or a device never blocks. */
int      reformer_file_open      (int           folder,
                                  const char   *name,
                                  const char   *path,
                                  guint64      *size,
                                  GError      **error);

/* Exactly n_bytes from the offset on, or an error: TRUNCATED where the file has less. */
gboolean reformer_file_read      (int           fd,
                                  const char   *path,
                                  guint64       offset,
                                  gpointer      to,
                                  gsize         n_bytes,
                                  GCancellable *cancellable,
                                  GError      **error);

/* A whole file of at most `limit` bytes, with a zero byte after its end; free with g_free(). */
char    *reformer_file_load      (int           folder,
                                  const char   *name,
                                  const char   *path,
                                  gsize         limit,
                                  gsize        *n_bytes,
                                  GCancellable *cancellable,
                                  GError      **error);

/* All bytes to the file descriptor, or an error. */
gboolean reformer_file_write     (int           fd,
                                  const char   *path,
                                  gconstpointer bytes,
                                  gsize         n_bytes,
                                  GCancellable *cancellable,
                                  GError      **error);

G_END_DECLS
