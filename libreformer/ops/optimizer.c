/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/optimizer.h"

#include "ops/items.h"

#include <math.h>

/* The elements of a block and the tile of a matrix that one work-item sums. The last bits of a sum come from them, so they depend on the dialect alone. */
typedef struct
{
  gsize       block;
  gsize       tile_rows;
  gsize       tile_columns;
  const char *options;
} Blocks;

static const Blocks wide_blocks = { 16384, 32, 1024, "-DBLOCK=16384 -DTILE_ROWS=32 -DTILE_COLUMNS=1024" };
static const Blocks simt_blocks = { 1024, 32, 32, "-DBLOCK=1024 -DTILE_ROWS=32 -DTILE_COLUMNS=32" };

static const Blocks *
blocks_of (ReformerDevice *device)
{
  return reformer_device_is_wide (device) ? &wide_blocks : &simt_blocks;
}

/* All kernels of the family are built with the same options, so that it is one program. */
#define LAUNCH(run, name, grid, ...) REFORMER_LAUNCH (run, "optimizer", blocks_of ((run)->device)->options, name, grid, __VA_ARGS__)

void
reformer_step_adamw (ReformerRun             *run,
                     const ReformerAdamWStep *step,
                     ReformerSpan             w,
                     ReformerSpan             g,
                     ReformerSpan             m,
                     ReformerSpan             v,
                     gsize                    n)
{
  const gsize span = reformer_elements_per_item (run->device, n);
  const double rest1 = 1.0 - pow (step->beta1, step->step), rest2 = 1.0 - pow (step->beta2, step->step);

  LAUNCH (run, "adamw", reformer_grid_tasks (run->device, reformer_divide_up (n, span), 1, 1),
          REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_SPAN (m), REFORMER_SPAN (v), REFORMER_ULONG (n), REFORMER_INT (span),
          REFORMER_FLOAT (step->scale), REFORMER_FLOAT (1.0 - step->beta1), REFORMER_FLOAT (step->beta2),
          REFORMER_FLOAT (1.0 - step->beta2), REFORMER_FLOAT (1.0 / sqrt (rest2)), REFORMER_FLOAT (step->epsilon),
          REFORMER_FLOAT (step->learning_rate / rest1), REFORMER_FLOAT (step->learning_rate * step->weight_decay),
          REFORMER_WORK (0, sizeof (float) * 7 * n));
}

void
reformer_step_sgd (ReformerRun           *run,
                   const ReformerSgdStep *step,
                   ReformerSpan           w,
                   ReformerSpan           g,
                   ReformerSpan           v,
                   gsize                  n)
{
  const gsize span = reformer_elements_per_item (run->device, n);

  LAUNCH (run, "sgd", reformer_grid_tasks (run->device, reformer_divide_up (n, span), 1, 1),
          REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_SPAN (v), REFORMER_ULONG (n), REFORMER_INT (span),
          REFORMER_FLOAT (step->scale), REFORMER_FLOAT (step->momentum), REFORMER_FLOAT (step->learning_rate),
          REFORMER_FLOAT (step->weight_decay),
          REFORMER_WORK (0, sizeof (float) * (v.tensor != NULL ? 5 : 3) * n));
}

/* Joins the sums of squares of an update and of w, `parts` of each, to factors. */
static void
join_factors (ReformerRun                 *run,
              const ReformerAdafactorStep *step,
              ReformerSpan                 update_sums,
              ReformerSpan                 weight_sums,
              gsize                        parts,
              gsize                        n,
              ReformerSpan                 factors)
{
  LAUNCH (run, "adafactor_factors", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (update_sums), REFORMER_SPAN (weight_sums), REFORMER_ULONG (parts),
          REFORMER_ULONG (n), REFORMER_INT (step->relative), REFORMER_FLOAT (step->learning_rate), REFORMER_FLOAT (step->least), REFORMER_FLOAT (step->threshold),
          REFORMER_FLOAT (step->weight_decay), REFORMER_SPAN (factors));
}

/* What adafactor_factors and adafactor_row_mean write. */
#define N_FACTORS 3

/* The next `n` numbers of the scratch. */
static ReformerSpan
take (ReformerSpan *scratch,
      gsize         n)
{
  const ReformerSpan span = *scratch;

  scratch->offset += n;
  return span;
}

void
reformer_step_adafactor_matrix (ReformerRun                 *run,
                                const ReformerAdafactorStep *step,
                                ReformerSpan                 w,
                                ReformerSpan                 g,
                                ReformerSpan                 row,
                                ReformerSpan                 column,
                                gsize                        rows,
                                int                          columns)
{
  const Blocks *blocks = blocks_of (run->device);
  const gsize across = reformer_divide_up ((gsize) columns, blocks->tile_columns), down = reformer_divide_up (rows, blocks->tile_rows), tiles = across * down;
  const gsize size = rows * across + down * (gsize) columns + 2 * tiles + (gsize) columns + down + N_FACTORS;
  const gsize vectors = reformer_divide_up ((gsize) columns, reformer_device_get_vector_width (run->device));
  g_autoptr (ReformerTensor) all = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) size);
  ReformerSpan scratch = reformer_span (all);
  const ReformerSpan row_sums = take (&scratch, rows * across), column_sums = take (&scratch, down * (gsize) columns);
  const ReformerSpan update_sums = take (&scratch, tiles), weight_sums = take (&scratch, tiles);
  const ReformerSpan roots = take (&scratch, (gsize) columns), block_sums = take (&scratch, down), factors = take (&scratch, N_FACTORS);

  LAUNCH (run, "adafactor_squares", reformer_grid_tasks (run->device, tiles, 1, 1), REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_ULONG (rows),
          REFORMER_INT (columns), REFORMER_FLOAT (step->scale), REFORMER_INT (step->relative), REFORMER_SPAN (row_sums), REFORMER_SPAN (column_sums),
          REFORMER_SPAN (weight_sums),
          REFORMER_WORK (0, sizeof (float) * (step->relative ? 2 : 1) * rows * (gsize) columns));
  LAUNCH (run, "adafactor_means", reformer_grid_tasks (run->device, down + vectors, 1, 1), REFORMER_SPAN (row_sums), REFORMER_SPAN (column_sums),
          REFORMER_ULONG (rows), REFORMER_INT (columns), REFORMER_FLOAT (step->beta), REFORMER_FLOAT (1.0 - step->beta), REFORMER_FLOAT (step->epsilon),
          REFORMER_SPAN (row), REFORMER_SPAN (column), REFORMER_SPAN (roots), REFORMER_SPAN (block_sums));
  LAUNCH (run, "adafactor_row_mean", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (block_sums), REFORMER_ULONG (rows), REFORMER_SPAN (factors));
  LAUNCH (run, "adafactor_updates", reformer_grid_tasks (run->device, tiles, 1, 1), REFORMER_SPAN (g), REFORMER_ULONG (rows), REFORMER_INT (columns),
          REFORMER_FLOAT (step->scale), REFORMER_SPAN (row), REFORMER_SPAN (roots), REFORMER_SPAN (factors), REFORMER_SPAN (update_sums),
          REFORMER_WORK (0, sizeof (float) * rows * (gsize) columns));
  join_factors (run, step, update_sums, weight_sums, tiles, rows * (gsize) columns, factors);
  LAUNCH (run, "adafactor_matrix", reformer_grid_tasks (run->device, tiles, 1, 1), REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_ULONG (rows),
          REFORMER_INT (columns), REFORMER_FLOAT (step->scale), REFORMER_SPAN (row), REFORMER_SPAN (roots), REFORMER_SPAN (factors),
          REFORMER_WORK (0, sizeof (float) * 3 * rows * (gsize) columns));
}

void
reformer_step_adafactor_vector (ReformerRun                 *run,
                                const ReformerAdafactorStep *step,
                                ReformerSpan                 w,
                                ReformerSpan                 g,
                                ReformerSpan                 v,
                                gsize                        n)
{
  const gsize parts = reformer_divide_up (n, blocks_of (run->device)->block);
  g_autoptr (ReformerTensor) all = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) (2 * parts + N_FACTORS));
  ReformerSpan scratch = reformer_span (all);
  const ReformerSpan update_sums = take (&scratch, parts), weight_sums = take (&scratch, parts), factors = take (&scratch, N_FACTORS);

  LAUNCH (run, "adafactor_vector_squares", reformer_grid_tasks (run->device, parts, 1, 1), REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_SPAN (v),
          REFORMER_ULONG (n), REFORMER_FLOAT (step->scale), REFORMER_FLOAT (step->beta), REFORMER_FLOAT (1.0 - step->beta), REFORMER_FLOAT (step->epsilon),
          REFORMER_SPAN (update_sums), REFORMER_SPAN (weight_sums),
          REFORMER_WORK (0, sizeof (float) * 4 * n));
  join_factors (run, step, update_sums, weight_sums, parts, n, factors);
  LAUNCH (run, "adafactor_vector", reformer_grid_tasks (run->device, parts, 1, 1), REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_SPAN (v), REFORMER_ULONG (n),
          REFORMER_FLOAT (step->scale), REFORMER_SPAN (factors),
          REFORMER_WORK (0, sizeof (float) * 4 * n));
}

gsize
reformer_sum_squares_size (ReformerDevice *device,
                           gsize           n)
{
  return 2 * reformer_divide_up (n, blocks_of (device)->block);
}

void
reformer_sum_squares (ReformerRun  *run,
                      ReformerSpan  x,
                      gsize         n,
                      ReformerSpan  sums)
{
  LAUNCH (run, "sum_squares", reformer_grid_tasks (run->device, reformer_divide_up (n, blocks_of (run->device)->block), 1, 1), REFORMER_SPAN (x),
                   REFORMER_ULONG (n), REFORMER_SPAN (sums),
                   REFORMER_WORK (0, sizeof (float) * n));
}
