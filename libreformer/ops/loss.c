/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/loss.h"

#include "ops/items.h"

void
reformer_cross_entropy (ReformerRun  *run,
                        ReformerSpan  logits,
                        int           ld,
                        ReformerSpan  labels,
                        ReformerSpan  losses,
                        gsize         count,
                        int           classes,
                        float         scale)
{
  const gsize rows = reformer_tasks_per_item (run->device, count, classes);

  REFORMER_LAUNCH (run, "loss", NULL, "cross_entropy", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (logits), REFORMER_INT (ld), REFORMER_SPAN (labels), REFORMER_SPAN (losses), REFORMER_INT (count),
                   REFORMER_INT (classes), REFORMER_FLOAT (scale), REFORMER_INT (rows),
                   REFORMER_WORK (0, sizeof (float) * 2 * count * classes));
}
