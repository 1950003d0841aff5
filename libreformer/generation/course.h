/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generation/sampling.h"
#include <libreformer/generation/reformer-generator.h>

G_BEGIN_DECLS

/* One text being made: the settings that it was begun with, and how far it is. For one thread at a time; counted references. */
typedef struct
{
  ReformerModel     *model;
  ReformerTokenizer *tokenizer;
  GBytes            *prompt;
  guint              max_tokens;
  ReformerSampling   sampling;
  char             **stop;
  GBytes            *allowed; /* a byte for each id of the vocabulary; NULL: not known yet */
} ReformerCourseSettings;

typedef struct _ReformerCourse ReformerCourse;

/* Takes references and copies. */
ReformerCourse       *reformer_course_new         (const ReformerCourseSettings *settings);
ReformerCourse       *reformer_course_ref         (ReformerCourse               *self);
void                  reformer_course_unref       (ReformerCourse               *self);
/* NULL with an error, after which the next call tries again; NULL without: the text has ended. */
ReformerPiece        *reformer_course_next        (ReformerCourse               *self,
                                                   GCancellable                 *cancellable,
                                                   GError                      **error);
guint                 reformer_course_n_tokens    (ReformerCourse               *self);
ReformerGenerationEnd reformer_course_end         (ReformerCourse               *self);
/* Borrowed; NULL: not known yet. */
GBytes               *reformer_course_allowed     (ReformerCourse               *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerCourse, reformer_course_unref)

G_END_DECLS
