/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Files and folders that are replaced as a whole: whoever looks, also after a crash or a power failure, sees the old or the new.
 *
 * A file is written beside its target, synced, renamed over it, and the folder synced. What a crash leaves (`.NAME.tmp-XXXXXX`) the
 * next writer of the same target removes; a lock on it says whether its writer still lives.
 */
typedef struct _ReformerAtomicFile ReformerAtomicFile;

ReformerAtomicFile *reformer_atomic_file_begin  (const char          *path,
                                                 GError             **error);
int                 reformer_atomic_file_get_fd (ReformerAtomicFile  *self);
/* Both free it, whatever comes. */
gboolean            reformer_atomic_file_commit (ReformerAtomicFile  *self,
                                                 GError             **error);
void                reformer_atomic_file_abort  (ReformerAtomicFile  *self);

gboolean            reformer_atomic_write       (const char          *path,
                                                 gconstpointer        bytes,
                                                 gsize                n_bytes,
                                                 GCancellable        *cancellable,
                                                 GError             **error);

/*
 * A folder is filled beside its target as `.NAME.tmp-XXXXXX`. `known` are the patterns (as for g_pattern_match_simple()) of the files
 * that this kind of folder consists of: those of the old folder go with it. All else in the old folder belongs to somebody else and
 * moves over: files are linked into the new folder, subfolders renamed into it. Then the two folders change places in one step, and the
 * old one is deleted.
 *
 * Where the filesystem cannot exchange, three renames do: the finished folder becomes `.NAME.new-XXXXXX`, the target
 * `.NAME.old-XXXXXX`, and the new one the target. A crash between the last two leaves no target, but a whole .new and .old:
 * reformer_atomic_folder_resolve() finds the new one, and the next begin() puts it in its place.
 *
 * begin() also settles what other crashes left: known files of dead temporary folders are deleted, the rest returns to the target. Where the
 * target has something else of that name by now, the temporary folder stays; nothing of somebody else's is ever deleted.
 */
typedef struct _ReformerAtomicFolder ReformerAtomicFolder;

ReformerAtomicFolder *reformer_atomic_folder_begin    (const char            *path,
                                                       const char *const     *known,
                                                       GError               **error);
/* The folder to fill, for functions that want a path; only files with known names may be made there. */
const char           *reformer_atomic_folder_get_path (ReformerAtomicFolder  *self);
/* A descriptor of a new file to write and close, or -1. */
int                   reformer_atomic_folder_create   (ReformerAtomicFolder  *self,
                                                       const char            *name,
                                                       GError               **error);
gboolean              reformer_atomic_folder_write    (ReformerAtomicFolder  *self,
                                                       const char            *name,
                                                       gconstpointer          bytes,
                                                       gsize                  n_bytes,
                                                       GCancellable          *cancellable,
                                                       GError               **error);
/* Both free it, whatever comes. */
gboolean              reformer_atomic_folder_commit   (ReformerAtomicFolder  *self,
                                                       GError               **error);
void                  reformer_atomic_folder_abort    (ReformerAtomicFolder  *self);

/* Where to read the folder `path`: itself, or what a crash left in its stead. Changes nothing. */
char                 *reformer_atomic_folder_resolve  (const char            *path);
/* Settles as begin() does, for who wants subfolders back in their place without saving (a run that resumes). */
void                  reformer_atomic_folder_settle   (const char            *path,
                                                       const char *const     *known);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerAtomicFile, reformer_atomic_file_abort)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerAtomicFolder, reformer_atomic_folder_abort)

G_END_DECLS
