/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "generation/course.h"

G_BEGIN_DECLS

struct _ReformerGenerator
{
  GObject                parent_instance;

  ReformerModel         *model;
  ReformerTokenizer     *tokenizer; /* NULL: bytes */
  GBytes                *prompt;
  char                  *prompt_text;
  guint                  max_tokens;
  ReformerSampling       sampling;
  char                 **stop;

  GMutex                 mutex;   /* of what follows, which a thread of ours writes to */
  ReformerCourse        *course;  /* the text being made; NULL: the next piece begins one */
  GBytes                *allowed; /* what courses found out about the model and tokenizer */
  gboolean               busy;
  guint                  n_tokens;
  ReformerGenerationEnd  end;
};

extern guint reformer_generator_token_signal;

G_END_DECLS
