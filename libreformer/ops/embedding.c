/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/embedding.h"

#include "ops/items.h"

void
reformer_embedding_forward (ReformerRun           *run,
                            ReformerSpan           ids,
                            ReformerSpan           weight,
                            ReformerSpan           y,
                            int                    width,
                            const ReformerRows    *rows,
                            const ReformerDropout *dropout,
                            ReformerStore          store)
{
  const gsize tokens = reformer_tasks_per_item (run->device, rows->count, width);

  REFORMER_LAUNCH (run, "embedding", NULL, "embedding_forward",
                   reformer_grid_tasks (run->device, reformer_divide_up (rows->count, tokens), 1, 1), REFORMER_SPAN (ids),
                   REFORMER_SPAN (weight), REFORMER_SPAN (y), REFORMER_INT (width), REFORMER_ROWS_ARGS (rows), REFORMER_INT (tokens),
                   REFORMER_INT (store), REFORMER_DROPOUT_ARGS (dropout),
                   REFORMER_WORK (0, sizeof (float) * (store == REFORMER_STORE_SET ? 1 : 2) * rows->count * width));
}

void
reformer_embedding_backward (ReformerRun           *run,
                             ReformerSpan           ids,
                             ReformerSpan           d1,
                             ReformerSpan           d2,
                             ReformerSpan           dweight,
                             int                    vocabulary,
                             int                    width,
                             const ReformerRows    *rows,
                             const ReformerDropout *dropout)
{
  const gsize columns = reformer_divide_up (width, reformer_device_get_vector_width (run->device));
  const gsize classes = reformer_classes (run->device, columns);

  if (rows->count == 0)
    return;

  REFORMER_LAUNCH (run, "embedding", NULL, "embedding_backward", reformer_grid_tasks (run->device, columns, classes, 1),
                   REFORMER_SPAN (ids), REFORMER_SPAN (d1), REFORMER_SPAN (d2), REFORMER_INT (d2.tensor != NULL),
                   REFORMER_SPAN (dweight), REFORMER_INT (vocabulary), REFORMER_INT (width), REFORMER_ROWS_ARGS (rows),
                   REFORMER_INT (classes), REFORMER_DROPOUT_ARGS (dropout),
                   REFORMER_WORK (0, sizeof (float) * (d2.tensor != NULL ? 2 : 1) * rows->count * width));
}

void
reformer_positions_fill (ReformerRun        *run,
                         ReformerSpan        positions,
                         gsize               start,
                         const ReformerRows *rows)
{
  const gsize tokens = reformer_tasks_per_item (run->device, rows->count, 1);

  REFORMER_LAUNCH (run, "embedding", NULL, "positions_fill",
                   reformer_grid_tasks (run->device, reformer_divide_up (rows->count, tokens), 1, 1), REFORMER_SPAN (positions),
                   REFORMER_ULONG (start), REFORMER_ROWS_ARGS (rows), REFORMER_INT (tokens),
                   REFORMER_WORK (0, sizeof (gint32) * rows->count));
}
