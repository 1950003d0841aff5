/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/activation.h"

#include "ops/activation-private.h"
#include "ops/items.h"

#define FAMILY "activation-functions+activation"

static const struct
{
  const char         *name;
  ReformerActivation  activation;
} activations[] = {
  { "gelu", REFORMER_ACTIVATION_GELU },
  { "gelu_10", REFORMER_ACTIVATION_GELU_10 },
  { "gelu_accurate", REFORMER_ACTIVATION_GELU_TANH },
  { "gelu_fast", REFORMER_ACTIVATION_GELU_TANH },
  { "gelu_new", REFORMER_ACTIVATION_GELU_TANH },
  { "gelu_python", REFORMER_ACTIVATION_GELU },
  { "gelu_python_tanh", REFORMER_ACTIVATION_GELU_TANH },
  { "gelu_pytorch_tanh", REFORMER_ACTIVATION_GELU_TANH },
  { "hardswish", REFORMER_ACTIVATION_HARDSWISH },
  { "laplace", REFORMER_ACTIVATION_LAPLACE },
  { "leaky_relu", REFORMER_ACTIVATION_LEAKY_RELU },
  { "linear", REFORMER_ACTIVATION_LINEAR },
  { "mish", REFORMER_ACTIVATION_MISH },
  { "quick_gelu", REFORMER_ACTIVATION_QUICK_GELU },
  { "relu", REFORMER_ACTIVATION_RELU },
  { "relu2", REFORMER_ACTIVATION_RELU2 },
  { "relu6", REFORMER_ACTIVATION_RELU6 },
  { "sigmoid", REFORMER_ACTIVATION_SIGMOID },
  { "silu", REFORMER_ACTIVATION_SILU },
  { "sqrtsoftplus", REFORMER_ACTIVATION_SQRTSOFTPLUS },
  { "swish", REFORMER_ACTIVATION_SILU },
  { "tanh", REFORMER_ACTIVATION_TANH },
};

gboolean
reformer_activation_from_name (const char         *name,
                               ReformerActivation *activation)
{
  for (gsize i = 0; i < G_N_ELEMENTS (activations); i++)
    if (g_str_equal (name, activations[i].name))
      {
        *activation = activations[i].activation;
        return TRUE;
      }

  return FALSE;
}

const char *const *
reformer_activation_get_names (void)
{
  static const char *names[G_N_ELEMENTS (activations) + 1];
  static gsize filled = 0;

  if (g_once_init_enter (&filled))
    {
      for (gsize i = 0; i < G_N_ELEMENTS (activations); i++)
        names[i] = activations[i].name;
      g_once_init_leave (&filled, 1);
    }

  return names;
}

ReformerRows
reformer_dropout_rows (const ReformerRows    *rows,
                       const ReformerDropout *dropout)
{
  if (reformer_dropout_threshold (dropout) == 0)
    return (ReformerRows) { 0, rows->count, rows->count };

  return *rows;
}

/* Runs of `span` elements along a sequence, by sequences that the piece touches. */
static ReformerGrid
grid (ReformerRun        *run,
      const ReformerRows *rows,
      int                 width,
      gsize               span)
{
  const gsize sequences = rows->count == 0 ? 0 : (rows->first + rows->count - 1) / rows->T - rows->first / rows->T + 1;
  gsize parts = 0;

  if (sequences == 1)
    {
      const gsize begin = rows->first % rows->T * width;

      parts = reformer_divide_up (begin + rows->count * width, span) - begin / span;
    }
  else
    {
      parts = reformer_divide_up (rows->T * width, span);
    }

  return reformer_grid_tasks (run->device, parts, sequences, 1);
}

const char *
reformer_activation_options (ReformerActivation activation)
{
  static const char *const list[] = {
    "-DACTIVATION=0", "-DACTIVATION=1", "-DACTIVATION=2",  "-DACTIVATION=3",  "-DACTIVATION=4",  "-DACTIVATION=5",
    "-DACTIVATION=6", "-DACTIVATION=7", "-DACTIVATION=8",  "-DACTIVATION=9",  "-DACTIVATION=10", "-DACTIVATION=11",
    "-DACTIVATION=12", "-DACTIVATION=13", "-DACTIVATION=14", "-DACTIVATION=15",
  };

  return list[activation];
}

void
reformer_activation_store (ReformerRun           *run,
                           ReformerActivation     activation,
                           ReformerSpan           x,
                           ReformerSpan           y,
                           int                    width,
                           const ReformerRows    *rows,
                           const ReformerDropout *dropout,
                           ReformerStore          store)
{
  const ReformerRows piece = reformer_dropout_rows (rows, dropout);
  const gsize span = reformer_elements_per_item (run->device, piece.count * width);

  REFORMER_LAUNCH (run, FAMILY, reformer_activation_options (activation), "activation_forward", grid (run, &piece, width, span), REFORMER_SPAN (x),
                   REFORMER_SPAN (y), REFORMER_INT (width), REFORMER_ROWS_ARGS (&piece), REFORMER_INT (span), REFORMER_INT (store),
                   REFORMER_DROPOUT_ARGS (dropout),
                   REFORMER_WORK (0, sizeof (float) * (store == REFORMER_STORE_SET ? 2 : 3) * piece.count * width));
}

void
reformer_activation_forward (ReformerRun           *run,
                             ReformerActivation     activation,
                             ReformerSpan           x,
                             ReformerSpan           y,
                             int                    width,
                             const ReformerRows    *rows,
                             const ReformerDropout *dropout)
{
  reformer_activation_store (run, activation, x, y, width, rows, dropout, REFORMER_STORE_SET);
}

void
reformer_activation_backward (ReformerRun           *run,
                              ReformerActivation     activation,
                              ReformerSpan           x,
                              ReformerSpan           dy,
                              ReformerSpan           dx,
                              int                    width,
                              const ReformerRows    *rows,
                              const ReformerDropout *dropout)
{
  const ReformerRows piece = reformer_dropout_rows (rows, dropout);
  const gsize span = reformer_elements_per_item (run->device, piece.count * width);

  REFORMER_LAUNCH (run, FAMILY, reformer_activation_options (activation), "activation_backward", grid (run, &piece, width, span), REFORMER_SPAN (x),
                   REFORMER_SPAN (dy), REFORMER_SPAN (dx), REFORMER_INT (width), REFORMER_ROWS_ARGS (&piece), REFORMER_INT (span),
                   REFORMER_DROPOUT_ARGS (dropout),
                   REFORMER_WORK (0, sizeof (float) * 3 * piece.count * width));
}
