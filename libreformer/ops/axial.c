/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/axial.h"

#include "ops/items.h"

/* One axis of several: where its table's columns stand, how many positions lie between two of its coordinates. */
typedef struct
{
  int   column;
  gsize stride;
} Axis;

static void
lay_out (const ReformerAxial *axial,
         Axis                *axes)
{
  gsize stride = 1;
  int column = 0;

  for (int i = 0; i < axial->n_axes; i++)
    {
      axes[i].column = column;
      column += axial->dims[i];
    }
  for (int i = axial->n_axes - 1; i >= 0; i--)
    {
      axes[i].stride = stride;
      stride *= axial->shape[i];
    }
}

/* Dropout's factors for the sequences that the rows touch; NULL without dropout. */
typedef struct
{
  ReformerTensor *tensor;
  int             drop; /* what kernels are told: 0 none, 1 by coordinate, 2 by component */
  int             n;    /* of one sequence */
  gsize           stride;
} Factors;

static Factors
draw_factors (ReformerRun           *run,
              const ReformerAxial   *axial,
              const Axis            *axes,
              int                    width,
              const ReformerRows    *rows,
              const ReformerDropout *dropout)
{
  const gsize row = rows->first / rows->T;
  const gsize sequences = (rows->first + rows->count - 1) / rows->T - row + 1;
  ReformerDropout shifted = *dropout;
  Factors factors = { NULL, 0, 1, 1 };

  if (reformer_dropout_threshold (dropout) == 0)
    return factors;

  factors.drop = axial->n_axes > 1 ? 1 : 2;
  factors.n = axial->n_axes > 1 ? axial->shape[1] : width;
  factors.stride = axial->n_axes > 1 ? axes[1].stride : 1;
  factors.tensor = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) sequences, (gint64) factors.n);
  shifted.sequence += (guint32) row;
  REFORMER_LAUNCH (run, "axial", NULL, "axial_factors", reformer_grid_tasks (run->device, reformer_divide_up (factors.n, 4), sequences, 1),
                   REFORMER_SPAN (reformer_span (factors.tensor)), REFORMER_INT (factors.n), REFORMER_DROPOUT_ARGS (&shifted));
  return factors;
}

void
reformer_axial_forward (ReformerRun           *run,
                        const ReformerAxial   *axial,
                        ReformerSpan           positions,
                        gsize                  start,
                        ReformerSpan           x,
                        int                    width,
                        const ReformerRows    *rows,
                        const ReformerDropout *dropout)
{
  const gsize tokens = reformer_tasks_per_item (run->device, rows->count, width);
  Axis axes[REFORMER_MAX_AXES];
  Factors factors;

  if (rows->count == 0)
    return;

  lay_out (axial, axes);
  factors = draw_factors (run, axial, axes, width, rows, dropout);
  for (int i = 0; i < axial->n_axes; i++)
    REFORMER_LAUNCH (run, "axial", NULL, "axial_forward",
                     reformer_grid_tasks (run->device, reformer_divide_up (rows->count, tokens), 1, 1), REFORMER_SPAN (positions),
                     REFORMER_INT (positions.tensor != NULL), REFORMER_ULONG (start), REFORMER_SPAN (axial->weights[i]),
                     REFORMER_INT (axial->shape[i]), REFORMER_INT (axial->dims[i]), REFORMER_ULONG (axes[i].stride), REFORMER_SPAN (x),
                     REFORMER_INT (width), REFORMER_INT (axes[i].column), REFORMER_ROWS_ARGS (rows), REFORMER_INT (tokens),
                     REFORMER_SPAN (reformer_span (factors.tensor)), REFORMER_INT (factors.drop), REFORMER_INT (factors.n),
                     REFORMER_ULONG (factors.stride),
                     REFORMER_WORK (0, sizeof (float) * 2 * rows->count * axial->dims[i]));
  g_clear_object (&factors.tensor);
}

void
reformer_axial_backward (ReformerRun           *run,
                         const ReformerAxial   *axial,
                         ReformerSpan           positions,
                         gsize                  start,
                         ReformerSpan           d1,
                         ReformerSpan           d2,
                         const ReformerSpan    *dweights,
                         int                    width,
                         const ReformerRows    *rows,
                         const ReformerDropout *dropout)
{
  const gsize vector = reformer_device_get_vector_width (run->device);
  Axis axes[REFORMER_MAX_AXES];
  Factors factors;

  if (rows->count == 0)
    return;

  lay_out (axial, axes);
  factors = draw_factors (run, axial, axes, width, rows, dropout);
  for (int i = 0; i < axial->n_axes; i++)
    {
      const gsize columns = reformer_divide_up (axial->dims[i], vector);
      const gsize classes = reformer_classes (run->device, columns);

      if (dweights[i].tensor == NULL)
        continue;
      if (positions.tensor == NULL)
        REFORMER_LAUNCH (run, "axial", NULL, "axial_backward", reformer_grid_tasks (run->device, columns, axial->shape[i], 1),
                         REFORMER_ULONG (start), REFORMER_SPAN (dweights[i]), REFORMER_INT (axial->shape[i]),
                         REFORMER_INT (axial->dims[i]), REFORMER_ULONG (axes[i].stride), REFORMER_SPAN (d1), REFORMER_SPAN (d2),
                         REFORMER_INT (d2.tensor != NULL), REFORMER_INT (width), REFORMER_INT (axes[i].column), REFORMER_INT (rows->count),
                         REFORMER_INT (rows->T), REFORMER_SPAN (reformer_span (factors.tensor)), REFORMER_INT (factors.drop),
                         REFORMER_INT (factors.n), REFORMER_ULONG (factors.stride),
                         REFORMER_WORK (0, sizeof (float) * (d2.tensor != NULL ? 2 : 1) * rows->count * axial->dims[i]));
      else
        REFORMER_LAUNCH (run, "axial", NULL, "axial_backward_any", reformer_grid_tasks (run->device, columns, classes, 1),
                         REFORMER_SPAN (positions), REFORMER_SPAN (dweights[i]), REFORMER_INT (axial->shape[i]),
                         REFORMER_INT (axial->dims[i]), REFORMER_ULONG (axes[i].stride), REFORMER_INT (classes), REFORMER_SPAN (d1),
                         REFORMER_SPAN (d2), REFORMER_INT (d2.tensor != NULL), REFORMER_INT (width), REFORMER_INT (axes[i].column),
                         REFORMER_INT (rows->count), REFORMER_INT (rows->T), REFORMER_SPAN (reformer_span (factors.tensor)),
                         REFORMER_INT (factors.drop), REFORMER_INT (factors.n), REFORMER_ULONG (factors.stride),
                         REFORMER_WORK (0, sizeof (float) * (d2.tensor != NULL ? 2 : 1) * rows->count * axial->dims[i]));
    }
  g_clear_object (&factors.tensor);
}
