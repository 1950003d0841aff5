/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/launch.h"

G_BEGIN_DECLS

/* Counter-based random numbers: the same function of (key, counter) here and in kernels/common.cl. Nothing is global, nothing has a state. */

/* Philox 4x32-10. */
void   reformer_philox        (const guint32  counter[4],
                               const guint32  key[2],
                               guint32        words[4]);
/* Fills n floats with standard normal numbers (Box-Muller in double precision), keyed by (seed, stream, substream, index of the element). */
void   reformer_random_normal (guint64        seed,
                               guint32        stream,
                               guint32        substream,
                               float         *values,
                               gsize          n);

/* One dropout: p = 0 means none. `place` tells dropouts of one model apart (layer * 16 + place within the layer). */
typedef struct
{
  float   p;
  guint64 seed;
  guint32 sequence; /* number of the first row's sequence since training began; row b has sequence + b */
  guint32 place;
} ReformerDropout;

#define REFORMER_NO_DROPOUT ((ReformerDropout) { 0.0f, 0, 0, 0 })

/* The largest probability that is below 1 as a float. */
#define REFORMER_MAX_DROPOUT 0x1.fffffep-1

/* The arguments every kernel with dropout takes at its end: uint4 key (as an int4), float scale, uint sequence. p = 0 gives threshold 0 and scale 1,
 * which keeps everything unchanged to the bit; kernels test key.w != 0 to skip the drawing. */
guint32 reformer_dropout_threshold (const ReformerDropout *dropout);
float   reformer_dropout_scale     (const ReformerDropout *dropout);

#define REFORMER_DROPOUT_ARGS(d)                                                                                                     \
  REFORMER_INT4 ((gint32) (guint32) (d)->seed, (gint32) (guint32) ((d)->seed >> 32), (gint32) (d)->place,                             \
                 (gint32) reformer_dropout_threshold (d)),                                                                            \
  REFORMER_FLOAT (reformer_dropout_scale (d)), REFORMER_UINT ((d)->sequence)

G_END_DECLS
