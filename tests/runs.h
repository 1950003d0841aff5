/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models.h"

#include "training/checkpoint-private.h"

G_BEGIN_DECLS

/* All that takes part in a checkpoint, without a trainer: in its place is an object with settings of all kinds. Shared by the tests of checkpoints. */
typedef struct
{
  ReformerCheckpoint    checkpoint;
  ReformerTrainingState state;
} TestRun;

/* Weights drawn by the seed; where it is not fresh, the optimizer's state comes from two gradients, and nothing is at its default. */
TestRun    *test_run_new            (guint64      seed,
                                     gboolean     fresh);
void        test_run_free           (TestRun     *run);
void        test_run_save           (TestRun     *run,
                                     const char  *folder,
                                     guint        step,
                                     guint        kept);
void        test_run_restore        (TestRun     *run,
                                     const char  *folder,
                                     const char  *except);
/* Everything a checkpoint is about, by name, from the objects themselves; large things as a hash. */
GHashTable *test_run_look           (TestRun     *run);
/* The names of what differs, with a space between. */
char       *test_run_compare        (GHashTable  *a,
                                     GHashTable  *b);
/* Writes the manifest of a step as it should be, without the library's code. */
void        test_run_sign           (const char  *folder,
                                     guint        step);
/* The restore fails, with the words in its message of one line, and changes nothing. */
void        test_run_assert_refused (TestRun     *run,
                                     const char  *folder,
                                     GQuark       domain,
                                     int          code,
                                     const char  *first,
                                     const char  *second);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestRun, test_run_free)

G_END_DECLS
