/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/optimizer.h"

#include "ops/items.h"

#include <math.h>

/* The elements of a block and their tile of a matrix: what one work-item sums. Part of every result's last bits, so they depend on the dialect alone. */
#define WIDE_OPTIONS "-DTILE_ROWS=64 -DTILE_COLUMNS=256 -DBLOCK=16384"
#define WIDE_BLOCK 16384
#define SIMT_OPTIONS "-DTILE_ROWS=32 -DTILE_COLUMNS=32 -DBLOCK=1024"
#define SIMT_BLOCK 1024

static const char *
options (ReformerRun *run)
{
  return reformer_device_is_wide (run->device) ? WIDE_OPTIONS : SIMT_OPTIONS;
}

static gsize
count_blocks (ReformerDevice *device,
              gsize           n)
{
  return reformer_divide_up (n, reformer_device_is_wide (device) ? WIDE_BLOCK : SIMT_BLOCK);
}

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

  REFORMER_LAUNCH (run, "optimizer", options (run), "adamw", reformer_grid_tasks (run->device, reformer_divide_up (n, span), 1, 1),
                   REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_SPAN (m), REFORMER_SPAN (v), REFORMER_ULONG (n), REFORMER_INT (span),
                   REFORMER_FLOAT (step->scale), REFORMER_FLOAT (1.0 - step->beta1), REFORMER_FLOAT (step->beta2),
                   REFORMER_FLOAT (1.0 - step->beta2), REFORMER_FLOAT (1.0 / sqrt (rest2)), REFORMER_FLOAT (step->epsilon),
                   REFORMER_FLOAT (step->learning_rate / rest1), REFORMER_FLOAT (step->learning_rate * step->weight_decay));
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

  REFORMER_LAUNCH (run, "optimizer", options (run), "sgd", reformer_grid_tasks (run->device, reformer_divide_up (n, span), 1, 1),
                   REFORMER_SPAN (w), REFORMER_SPAN (g), REFORMER_SPAN (v), REFORMER_ULONG (n), REFORMER_INT (span),
                   REFORMER_FLOAT (step->scale), REFORMER_FLOAT (step->momentum), REFORMER_FLOAT (step->learning_rate),
                   REFORMER_FLOAT (step->weight_decay));
}

gsize
reformer_sum_squares_size (ReformerDevice *device,
                           gsize           n)
{
  return 2 * count_blocks (device, n);
}

void
reformer_sum_squares (ReformerRun  *run,
                      ReformerSpan  x,
                      gsize         n,
                      ReformerSpan  sums)
{
  REFORMER_LAUNCH (run, "optimizer", options (run), "sum_squares", reformer_grid_tasks (run->device, count_blocks (run->device, n), 1, 1), REFORMER_SPAN (x),
                   REFORMER_ULONG (n), REFORMER_SPAN (sums));
}
