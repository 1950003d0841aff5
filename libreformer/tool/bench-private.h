/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* reformer bench: what is measured (bench-run.c) and what is printed of it (bench-print.c). */

typedef enum
{
  BENCH_FORWARD,
  BENCH_TRAIN,
  BENCH_GENERATE,
  BENCH_N_MODES,
} BenchMode;

/* One mode at one length. */
typedef struct
{
  BenchMode       mode;
  gint64          length;
  ReformerConfig *config;    /* with positions for the length */
  ReformerKeep    keep;      /* of a training step: what was planned */
  double          flops;     /* that one pass needs: of all tokens, or of the one that is generated */
  guint64         planned;   /* bytes */
  GArray         *seconds;   /* of double; one pass each, without the first ones that warm up */
  double          prompt;    /* seconds of the text before, of generate */
  guint64         account, process; /* bytes at the peak */
  GVariant       *profile;   /* of all passes together; NULL: not wanted */
  gboolean        done;
} BenchPoint;

typedef struct
{
  char           *name;      /* of the preset, or the path of the model */
  ReformerConfig *config;
  ReformerDevice *device;
  guint64         limit;     /* bytes; 0: the device's */
  ReformerKeep    keep;
  gint64          rows, repeats, warm_up;
  gboolean        profile, json;
  GPtrArray      *points;    /* of BenchPoint */
  double          before, after; /* the device's peak in operations a second; 0: not measured yet */
} Bench;

BenchPoint *bench_point_new     (BenchMode    mode,
                                 gint64       length);
const char *bench_mode_name     (BenchMode    mode);

/* Tokens that generate reads before those that it times, the last of which ends at the length. */
gint64      bench_prompt_length (Bench       *self,
                                 gint64       length);
/* FALSE with an error: the point cannot be run, by its configuration or because it does not fit; says the longest that does. */
gboolean    bench_plan          (Bench       *self,
                                 BenchPoint  *point,
                                 GError     **error);
/* Times a point that was planned. `number` of them, for the progress. */
gboolean    bench_measure       (Bench       *self,
                                 BenchPoint  *point,
                                 guint        number,
                                 GError     **error);
/* The best of several products of 2048 x 2048 matrices, in operations a second; negative with an error. */
double      bench_peak          (Bench       *self,
                                 GError     **error);

void        bench_print         (Bench       *self,
                                 gboolean     complete);

G_END_DECLS
