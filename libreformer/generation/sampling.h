/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The choice of a token from logits, in double precision on the host. */
typedef struct
{
  double  temperature; /* 0: the token with the largest logit */
  guint   top_k;       /* only so many of the likeliest; 0: all */
  double  top_p;       /* only the likeliest that together have this probability; 1: all */
  guint64 seed;
} ReformerSampling;

/* FALSE and an error that names the setting and its range. */
gboolean reformer_sampling_check   (const ReformerSampling *self,
                                    GError                **error);
/* p[id], the probabilities; they sum up to 1. Ids whose `allowed` (NULL: all are) is 0 have none. Of equal logits the lower id comes first. `number` says in an
 * error which token this is. */
gboolean reformer_sampling_weigh   (const ReformerSampling *self,
                                    const float            *logits,
                                    const guint8           *allowed,
                                    gsize                   n,
                                    guint64                 number,
                                    double                 *p,
                                    GError                **error);
/* In [0, 1), a function of both. */
double   reformer_sampling_uniform (guint64                 seed,
                                    guint64                 number);
/* An id, or -1 and an error. */
int      reformer_sampling_choose  (const ReformerSampling *self,
                                    const float            *logits,
                                    const guint8           *allowed,
                                    gsize                   n,
                                    guint64                 number,
                                    GError                **error);

G_END_DECLS
