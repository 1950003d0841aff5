/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/choice.h"

#include "ops/items.h"

void
reformer_choose (ReformerRun  *run,
                 ReformerSpan  logits,
                 int           ld,
                 ReformerSpan  choices,
                 gsize         count,
                 int           classes)
{
  const gsize rows = reformer_tasks_per_item (run->device, count, classes);

  REFORMER_LAUNCH (run, "choice", NULL, "choose", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (logits), REFORMER_INT (ld), REFORMER_SPAN (choices), REFORMER_INT (count), REFORMER_INT (classes), REFORMER_INT (rows),
                   REFORMER_WORK (0, sizeof (float) * count * classes));
}
