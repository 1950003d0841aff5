/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

/* Rows of a table by id. y[n] = dropout (W[ids[n]]), ids int32 already checked against the table. */
void reformer_embedding_forward  (ReformerRun           *run,
                                  ReformerSpan           ids,
                                  ReformerSpan           weight,
                                  ReformerSpan           y,
                                  int                    width,
                                  const ReformerRows    *rows,
                                  const ReformerDropout *dropout,
                                  ReformerStore          store);
/* dW[ids[n]] += dropout (d1[n] + d2[n]) (d2 may have no tensor), tokens in their order. vocabulary: rows of dW. */
void reformer_embedding_backward (ReformerRun           *run,
                                  ReformerSpan           ids,
                                  ReformerSpan           d1,
                                  ReformerSpan           d2,
                                  ReformerSpan           dweight,
                                  int                    vocabulary,
                                  int                    width,
                                  const ReformerRows    *rows,
                                  const ReformerDropout *dropout);
/* positions[n] = start + n % T (int32), so that a table of positions is an embedding. */
void reformer_positions_fill     (ReformerRun           *run,
                                  ReformerSpan           positions,
                                  gsize                  start,
                                  const ReformerRows    *rows);

G_END_DECLS
