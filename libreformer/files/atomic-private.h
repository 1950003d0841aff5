/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/atomic.h"

G_BEGIN_DECLS

/* Where a target lives: links to it are followed, so that the link stays one. */
typedef struct
{
  char *display;   /* for messages, as the caller gave it */
  char *parent;
  char *name;
  int   parent_fd;
} ReformerAtomicTarget;

gboolean reformer_atomic_target_open     (ReformerAtomicTarget        *target,
                                          const char                  *path,
                                          GError                     **error);
void     reformer_atomic_target_close    (ReformerAtomicTarget        *target);

/* ".NAME.KIND-XXXXXX" with six random letters; KIND is "tmp", "new" or "old" */
char    *reformer_atomic_temporary_name  (const ReformerAtomicTarget  *target,
                                          const char                  *kind);
gboolean reformer_atomic_is_temporary    (const char                  *entry,
                                          const char                  *name,
                                          const char                  *kind);

/* Names below an open folder, without . and .. */
GPtrArray *reformer_atomic_list          (int                          folder);
/* fsync of a folder, silent where the filesystem has none */
gboolean reformer_atomic_sync_folder     (int                          folder,
                                          const char                  *path,
                                          GError                     **error);
/* FALSE where somebody else has it (errno is EWOULDBLOCK then), or locks do not work */
gboolean reformer_atomic_lock            (int                          fd);
/*
 * Only one writer at a time rearranges what is below a parent folder; held until the target is closed, or unlocked. Waits up to ten
 * seconds; an error where somebody holds it for longer. Filesystems without locks have none.
 */
gboolean reformer_atomic_target_lock     (const ReformerAtomicTarget  *target,
                                          GError                     **error);
void     reformer_atomic_target_unlock   (const ReformerAtomicTarget  *target);

/*
 * Takes apart the temporary folder `leaf`: known files are deleted, the rest moves to `folder` (the target, or -1) unless that has
 * its like; then deletes it if it is empty. Never fails: what cannot be done is left for the next time.
 */
void     reformer_atomic_dispose         (const ReformerAtomicTarget  *target,
                                          const char                  *leaf,
                                          int                          folder,
                                          const char *const           *known);
/* Puts right what crashes left beside a folder. Nothing where it cannot lock the target. */
void     reformer_atomic_settle          (const ReformerAtomicTarget  *target,
                                          const char *const           *known);
gboolean reformer_atomic_is_known        (const char                  *name,
                                          const char *const           *known);

G_END_DECLS
