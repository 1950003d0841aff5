/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/loss.h"

#include "ops/items.h"

void
reformer_cross_entropy (ReformerRun  *run,
                        ReformerSpan  logits,
                        int           ld,
                        ReformerSpan  labels,
                        ReformerSpan  weights,
                        ReformerSpan  losses,
                        gsize         count,
                        int           classes,
                        float         scale)
{
  const gsize rows = reformer_tasks_per_item (run->device, count, classes);

  REFORMER_LAUNCH (run, "loss", NULL, "cross_entropy", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (logits), REFORMER_INT (ld), REFORMER_SPAN (labels), REFORMER_SPAN (weights), REFORMER_SPAN (losses),
                   REFORMER_INT (count), REFORMER_INT (classes), REFORMER_FLOAT (scale), REFORMER_INT (rows), REFORMER_INT (weights.tensor != NULL),
                   REFORMER_WORK (0, sizeof (float) * 2 * count * classes));
}

void
reformer_value_loss (ReformerRun       *run,
                     ReformerValueLoss  kind,
                     ReformerSpan       outputs,
                     int                ld,
                     ReformerSpan       wanted,
                     ReformerSpan       losses,
                     gsize              count,
                     int                width,
                     float              scale)
{
  const gsize rows = reformer_tasks_per_item (run->device, count, width);

  REFORMER_LAUNCH (run, "loss", NULL, "value_loss", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (outputs), REFORMER_INT (ld), REFORMER_SPAN (wanted), REFORMER_SPAN (losses), REFORMER_INT (count),
                   REFORMER_INT (width), REFORMER_INT (kind), REFORMER_FLOAT (scale), REFORMER_INT (rows),
                   REFORMER_WORK (0, sizeof (float) * 3 * count * width));
}

void
reformer_span_scores (ReformerRun  *run,
                      ReformerSpan  outputs,
                      ReformerSpan  mask,
                      ReformerSpan  stats,
                      int           B,
                      int           length,
                      int           T)
{
  const gsize blocks = reformer_divide_up (length, REFORMER_SPAN_BLOCK);

  REFORMER_LAUNCH (run, "loss", NULL, "span_scores", reformer_grid_tasks (run->device, blocks, B, 2),
                   REFORMER_SPAN (outputs), REFORMER_SPAN (mask), REFORMER_SPAN (stats), REFORMER_INT (length), REFORMER_INT (T), REFORMER_INT (blocks),
                   REFORMER_INT (mask.tensor != NULL),                    REFORMER_WORK (0, sizeof (float) * 2 * B * length));
}

void
reformer_span_gradient (ReformerRun  *run,
                        ReformerSpan  outputs,
                        ReformerSpan  mask,
                        ReformerSpan  totals,
                        ReformerSpan  labels,
                        int           B,
                        int           length,
                        int           T,
                        const float   scales[2])
{
  const gsize count = (gsize) B * (gsize) T, rows = reformer_tasks_per_item (run->device, count, 2);

  REFORMER_LAUNCH (run, "loss", NULL, "span_gradient", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (outputs), REFORMER_SPAN (mask), REFORMER_SPAN (totals), REFORMER_SPAN (labels), REFORMER_INT (count),
                   REFORMER_INT (length), REFORMER_INT (T), REFORMER_FLOAT (scales[0]), REFORMER_FLOAT (scales[1]), REFORMER_INT (rows),
                   REFORMER_INT (mask.tensor != NULL), REFORMER_WORK (0, sizeof (float) * 4 * count));
}
