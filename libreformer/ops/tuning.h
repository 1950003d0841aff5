/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"

G_BEGIN_DECLS

/* Sizes of the kernels' tiles, from one table of tuned rows. A use asks for the first row that its device holds, and whose program builds. */

typedef enum
{
  REFORMER_TUNED_WIDE_PRODUCT,   /* rows and columns of the weights' gradient that are copied at a time */
  REFORMER_TUNED_WIDE_ATTENTION, /* queries and keys of a tile */
  REFORMER_TUNED_SIMT_PRODUCT,   /* side of a group; the tile is four times as wide and high */
  REFORMER_TUNED_SIMT_ATTENTION, /* queries and keys of a tile, and the group's sides */
  REFORMER_TUNED_SIMT_HASH,      /* tokens of a group */
} ReformerTuned;

typedef struct
{
  ReformerTuned tuned;
  int           sizes[4];
} ReformerTuning;

/* What a family says of a row. `what` is the caller's. */
typedef struct
{
  const char *family;
  gsize     (*local)   (const int *sizes, gconstpointer what); /* bytes of local memory that its kernels take */
  gsize     (*group)   (const int *sizes, gconstpointer what); /* work-items in a group; NULL: one */
  gboolean  (*wanted)  (const int *sizes, gconstpointer what); /* NULL: all are */
  void      (*options) (const int *sizes, gconstpointer what, char *options, gsize size); /* of the program */
} ReformerTuningUse;

#define REFORMER_TUNING_OPTIONS 128

/* A row that does not build is told of once, and the next is taken. NULL where the run has failed, and where no row fits, which fails the run. */
const ReformerTuning *reformer_tuning_choose (ReformerRun             *run,
                                              ReformerTuned            tuned,
                                              const ReformerTuningUse *use,
                                              gconstpointer            what,
                                              char                     options[REFORMER_TUNING_OPTIONS]);

G_END_DECLS
