/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/model-private.h"

G_BEGIN_DECLS

/* Lengths of the sequences of a call, each of which is computed as alone. */
typedef struct
{
  int       n;      /* sequences; 0: no lengths are given */
  gint32   *values; /* 1 to step */
  gsize    *places; /* of a sequence's first token, among all tokens of the call */
  int       step;   /* length of a row of tokens */
  gboolean  packed; /* one behind the other in one row, else each in a row of its own */
  gboolean  exact;  /* weights of attention are dropped, by the place that they have among as many as there are */
} ReformerLengths;

/* What a call computes: one input, or, with lengths, one for each group of neighbours that run together. */
struct _ReformerInputs
{
  ReformerLengths  lengths;
  ReformerTargets  total;  /* what the gradients are a mean over; none: the targets of all inputs */
  GArray          *list;   /* of ReformerInput */
  ReformerTensor  *output; /* of the tokens of all inputs with lengths */
};

void     reformer_lengths_clear (ReformerLengths *lengths);
void     reformer_inputs_clear  (ReformerInputs  *inputs);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerInputs, reformer_inputs_clear)

#define reformer_inputs_get(inputs, i) (&g_array_index ((inputs)->list, ReformerInput, (i)))

/* Reads lengths where a mask is given that is int32 [B], or [n] for n sequences packed into one row, and takes them out of the mask's place; leaves n = 0 for other masks. */
gboolean        reformer_model_read_lengths       (ReformerModel         *self,
                                                   ReformerRun           *run,
                                                   ReformerTensor        *tokens,
                                                   ReformerTensor       **mask,
                                                   ReformerLengths       *lengths);
/* Known lengths of all rows of tokens. */
void            reformer_lengths_take_rows        (ReformerLengths       *lengths,
                                                   ReformerTensor        *tokens,
                                                   const gint32          *values);
void            reformer_model_find_largest_group (ReformerModel         *self,
                                                   const ReformerLengths *lengths,
                                                   int                   *rows,
                                                   gint64                *length);
/* The list, by the lengths that are there. The mask is [B, T], or NULL. */
gboolean        reformer_model_read_inputs        (ReformerModel         *self,
                                                   ReformerRun           *run,
                                                   ReformerTensor        *tokens,
                                                   ReformerTensor        *mask,
                                                   ReformerTensor        *labels,
                                                   ReformerInputs        *inputs);
/* Of a row of the input: how many outputs are wanted, and from which row of the output on they go. */
gsize           reformer_input_row_length         (ReformerInput         *input,
                                                   gsize                  row);
gsize           reformer_input_row_place          (ReformerInput         *input,
                                                   gsize                  row);
/* Where outputs of its tokens go: a new [B, T0, width], or that of all inputs, in the shape of the call's tokens, with zeros behind a sequence's end. */
ReformerTensor *reformer_input_get_output         (ReformerInput         *input,
                                                   int                    width,
                                                   ReformerRun           *run);
/* Runs all inputs, and clears them as it goes; watch may be NULL. */
ReformerTensor *reformer_model_forward_inputs     (ReformerModel         *self,
                                                   ReformerInputs        *inputs,
                                                   gboolean               encode,
                                                   const ReformerWatch   *watch,
                                                   GError               **error);

G_END_DECLS
