/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/attention-few.h"

#include "ops/items.h"

static int
window_of (const ReformerFewWindows *windows)
{
  return windows->chunk * (windows->before + 1 + windows->after);
}

int
reformer_few_count (const ReformerFewWindows *windows)
{
  return windows->rounds * window_of (windows);
}

void
reformer_few_find (ReformerRun              *run,
                   const ReformerFew        *few,
                   const ReformerFewWindows *windows,
                   ReformerSpan              order,
                   int                       capacity,
                   ReformerSpan              keys,
                   ReformerSpan              sources)
{
  const gsize lists = (gsize) few->heads * windows->rounds * few->rows, count = few->count;
  const gsize span = reformer_tasks_per_item (run->device, few->T, 1);
  g_autoptr (ReformerTensor) places = reformer_run_new (run, REFORMER_DTYPE_INT32, 2, (gint64) lists, (gint64) few->n);

  REFORMER_LAUNCH (run, "attention-few", NULL, "few_places", reformer_grid_tasks (run->device, reformer_divide_up (few->T, span), lists, 1),
                   REFORMER_SPAN (order), REFORMER_SPAN (reformer_span (places)), REFORMER_INT (few->T), REFORMER_INT (few->n), REFORMER_INT (span),
                   REFORMER_WORK (0, sizeof (gint32) * lists * few->T));
  REFORMER_LAUNCH (run, "attention-few", NULL, "few_keys", reformer_grid_items (run->device, count, few->n, (gsize) few->heads * few->rows),
                   REFORMER_SPAN (order), REFORMER_SPAN (reformer_span (places)), REFORMER_SPAN (keys), REFORMER_SPAN (sources), REFORMER_INT (few->rows),
                   REFORMER_INT (few->T), REFORMER_INT (few->n), REFORMER_INT (windows->rounds), REFORMER_INT (windows->chunk), REFORMER_INT (windows->before),
                   REFORMER_INT (window_of (windows)), REFORMER_INT (windows->padded), REFORMER_INT (windows->causal), REFORMER_INT (capacity),
                   REFORMER_WORK (0, 3 * sizeof (gint32) * count * few->n * few->heads * few->rows));
}

void
reformer_few_near (ReformerRun       *run,
                   const ReformerFew *few,
                   int                first_head,
                   int                n_heads,
                   int                step,
                   int                chunk,
                   int                before,
                   ReformerSpan       keys)
{
  const gsize slots = (gsize) n_heads * few->rows, count = few->count, n = few->n;

  REFORMER_LAUNCH (run, "attention-few", NULL, "few_near", reformer_grid_items (run->device, count, n, slots),
                   REFORMER_SPAN (reformer_span_add (keys, (gsize) first_head * few->rows * n * count)), REFORMER_INT (few->T), REFORMER_INT (few->n),
                   REFORMER_INT (few->count), REFORMER_INT (step), REFORMER_INT (chunk), REFORMER_INT (before), REFORMER_WORK (0, sizeof (gint32) * slots * n * count));
}

void
reformer_few_attention (ReformerRun       *run,
                        const ReformerFew *few,
                        ReformerSpan       q,
                        ReformerSpan       k,
                        ReformerSpan       v,
                        ReformerSpan       keys,
                        ReformerSpan       out)
{
  const gsize slots = (gsize) few->heads * few->rows, count = few->count, n = few->n, d = few->head_size;
  const double pairs = (double) slots * n * count;
  g_autoptr (ReformerTensor) weights = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) slots, (gint64) n, (gint64) count);
  const ReformerSpan w = reformer_span (weights);

  REFORMER_LAUNCH (run, "attention-few", NULL, "few_scores", reformer_grid_items (run->device, count, n, slots),
                   REFORMER_SPAN (q), REFORMER_SPAN (k), REFORMER_SPAN (keys), REFORMER_SPAN (w), REFORMER_INT (few->heads), REFORMER_INT (few->rows),
                   REFORMER_INT (few->T), REFORMER_INT (few->n), REFORMER_INT (few->count), REFORMER_INT (few->capacity), REFORMER_INT (few->head_size),
                   REFORMER_WORK (2 * pairs * d, sizeof (float) * pairs * (d + 2)));
  REFORMER_LAUNCH (run, "attention-few", NULL, "few_weights", reformer_grid_items (run->device, n, slots, 1),
                   REFORMER_SPAN (w), REFORMER_INT (few->n), REFORMER_INT (count), REFORMER_WORK (0, 2 * sizeof (float) * pairs));
  REFORMER_LAUNCH (run, "attention-few", NULL, "few_mix",
                   reformer_grid_items (run->device, reformer_divide_up (d, reformer_device_get_vector_width (run->device)), n, slots),
                   REFORMER_SPAN (w), REFORMER_SPAN (v), REFORMER_SPAN (keys), REFORMER_SPAN (out), REFORMER_INT (few->heads), REFORMER_INT (few->rows),
                   REFORMER_INT (few->n), REFORMER_INT (few->count), REFORMER_INT (few->capacity), REFORMER_INT (few->head_size),
                   REFORMER_WORK (2 * pairs * d, sizeof (float) * pairs * (d + 1)));
}
