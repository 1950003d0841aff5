/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/elementwise.h"

#include "ops/activation-private.h"
#include "ops/items.h"

void
reformer_scale (ReformerRun   *run,
                float          a,
                ReformerSpan   x,
                ReformerSpan   y,
                gsize          n,
                ReformerStore  store)
{
  const gsize span = reformer_elements_per_item (run->device, n);

  REFORMER_LAUNCH (run, "elementwise", NULL, "scale", reformer_grid_tasks (run->device, reformer_divide_up (n, span), 1, 1),
                   REFORMER_SPAN (x), REFORMER_SPAN (y), REFORMER_ULONG (n), REFORMER_INT (span), REFORMER_INT (store),
                   REFORMER_FLOAT (a),
                   REFORMER_WORK (0, sizeof (float) * (store == REFORMER_STORE_SET ? 2 : 3) * n));
}

void
reformer_dropout (ReformerRun           *run,
                  ReformerSpan           x,
                  ReformerSpan           y,
                  int                    width,
                  const ReformerRows    *rows,
                  const ReformerDropout *dropout,
                  ReformerStore          store)
{
  if (reformer_dropout_threshold (dropout) != 0)
    reformer_activation_store (run, REFORMER_ACTIVATION_LINEAR, x, y, width, rows, dropout, store);
  else if (store != REFORMER_STORE_SET || x.tensor != y.tensor || x.offset != y.offset)
    reformer_scale (run, 1.0f, x, y, rows->count * width, store);
}

void
reformer_copy_columns (ReformerRun  *run,
                       ReformerSpan  x,
                       gsize         ldx,
                       ReformerSpan  y,
                       gsize         ldy,
                       int           width,
                       gsize         count)
{
  const gsize rows = reformer_tasks_per_item (run->device, count, width);

  REFORMER_LAUNCH (run, "elementwise", NULL, "copy_columns", reformer_grid_tasks (run->device, reformer_divide_up (count, rows), 1, 1),
                   REFORMER_SPAN (x), REFORMER_ULONG (ldx), REFORMER_SPAN (y), REFORMER_ULONG (ldy), REFORMER_INT (width), REFORMER_INT (count),
                   REFORMER_INT (rows),
                   REFORMER_WORK (0, sizeof (float) * 2 * count * width));
}
