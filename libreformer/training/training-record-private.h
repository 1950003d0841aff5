/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/training/reformer-evaluation.h>
#include <libreformer/training/reformer-training-record.h>

#include "training/metrics.h"

G_BEGIN_DECLS

typedef struct
{
  guint    step;
  double   loss;
  double   learning_rate;
  double   gradient_norm;
  gint64   tokens;
  double   tokens_per_second;
  double   seconds;
  int      sequence_length;
  gint64   targets;
  guint64  memory;
  gboolean skipped;
} ReformerRecordData;

ReformerTrainingRecord   *reformer_training_record_new  (const ReformerRecordData *data);
const ReformerRecordData *reformer_training_record_peek (ReformerTrainingRecord   *self);

typedef struct
{
  guint                step;
  double               loss;
  ReformerMetricValues metrics;
  gint64               targets;
  gint64               samples;
  double               seconds;
  gboolean             best;
} ReformerEvaluationData;

ReformerEvaluation       *reformer_evaluation_new       (const ReformerEvaluationData *data);

G_END_DECLS
