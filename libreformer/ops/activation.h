/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* The activations of transformers that have no parameters (spec 1.1); several names mean the same function. */
typedef enum
{
  REFORMER_ACTIVATION_LINEAR,
  REFORMER_ACTIVATION_RELU,
  REFORMER_ACTIVATION_RELU2,
  REFORMER_ACTIVATION_RELU6,
  REFORMER_ACTIVATION_LEAKY_RELU,
  REFORMER_ACTIVATION_GELU,
  REFORMER_ACTIVATION_GELU_10,
  REFORMER_ACTIVATION_GELU_TANH,
  REFORMER_ACTIVATION_QUICK_GELU,
  REFORMER_ACTIVATION_SILU,
  REFORMER_ACTIVATION_HARDSWISH,
  REFORMER_ACTIVATION_MISH,
  REFORMER_ACTIVATION_SQRTSOFTPLUS,
  REFORMER_ACTIVATION_LAPLACE,
  REFORMER_ACTIVATION_SIGMOID,
  REFORMER_ACTIVATION_TANH,
} ReformerActivation;

/* FALSE when there is no such activation (or it has parameters: prelu, xielu). */
gboolean           reformer_activation_from_name (const char            *name,
                                                  ReformerActivation    *activation);
/* All the names that reformer_activation_from_name() knows, NULL-terminated, sorted. */
const char *const *reformer_activation_get_names (void);

/* y = activation (dropout (x)), [count, width], both contiguous; y may be x. */
void               reformer_activation_forward   (ReformerRun           *run,
                                                  ReformerActivation     activation,
                                                  ReformerSpan           x,
                                                  ReformerSpan           y,
                                                  int                    width,
                                                  const ReformerRows    *rows,
                                                  const ReformerDropout *dropout);
/* dx = d activation (dropout (x)) / dx * dy; dx may be dy. */
void               reformer_activation_backward  (ReformerRun           *run,
                                                  ReformerActivation     activation,
                                                  ReformerSpan           x,
                                                  ReformerSpan           dy,
                                                  ReformerSpan           dx,
                                                  int                    width,
                                                  const ReformerRows    *rows,
                                                  const ReformerDropout *dropout);

G_END_DECLS
