/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/models/reformer-model.h>

G_BEGIN_DECLS

#define REFORMER_NO_TARGET (-100)

/* What a loss is a mean over. Spans have two means, of where they begin and of where they end; all else has one. */
typedef struct
{
  gsize  count;     /* targets */
  double weight[2]; /* their number, or the sum of the weights of their classes */
} ReformerTargets;

void   reformer_targets_add   (ReformerTargets       *self,
                               const ReformerTargets *more);
/* The mean of sums of losses; of two means their mean. NaN without a target. */
double reformer_targets_mean  (const ReformerTargets *self,
                               const double           sums[2]);
/* How much that mean grows with a sum; 0 for a part without a target. */
double reformer_targets_slope (const ReformerTargets *self,
                               int                    part);

/* What the labels of a head look like. */
typedef enum
{
  REFORMER_LABELS_CLASSES,  /* int32, from 0 below `classes`; -100: no target */
  REFORMER_LABELS_SQUARES,  /* float32; NaN: no target */
  REFORMER_LABELS_LOGISTIC, /* float32 from 0 to 1; NaN: no target */
  REFORMER_LABELS_SPANS,    /* int32 positions of the first and the last token; -100, or beyond the text: no target */
} ReformerLabelKind;

typedef struct
{
  ReformerLabelKind  kind;
  gboolean           of_tokens; /* each token has labels, else each sequence */
  gboolean           shifted;   /* token t predicts the label of t + 1 */
  int                width;     /* labels of a token or sequence */
  int                classes;
  const double      *weights;   /* of the classes, borrowed from the configuration; NULL: all 1 */
  int                first;     /* number of the first sequence, for messages */
} ReformerLabelForm;

/* The model must be built, and have a head. */
void     reformer_model_get_label_form   (ReformerModel            *self,
                                          ReformerLabelForm        *form);
/* How many labels, of 4 bytes each, so many sequences have. */
gsize    reformer_label_form_get_n       (const ReformerLabelForm  *form,
                                          int                       rows,
                                          int                       length);
/* Where there is no target: what is wanted. */
const char   *reformer_label_form_get_wanted (const ReformerLabelForm *form);
/* "float32" or "int32" */
const char   *reformer_label_form_get_type  (const ReformerLabelForm  *form);
ReformerDType reformer_label_form_get_dtype (const ReformerLabelForm  *form);
/* Makes n labels no targets. */
void     reformer_label_form_fill        (const ReformerLabelForm  *form,
                                          gpointer                  labels,
                                          gsize                     n);
/* Checks labels of [rows, length] tokens, and adds the targets among them. */
gboolean reformer_label_form_count       (const ReformerLabelForm  *form,
                                          gconstpointer             labels,
                                          int                       rows,
                                          int                       length,
                                          ReformerTargets          *targets,
                                          GError                  **error);
/* As transformers clamps positions: below 0 is 0, and `length` or more is no target; nor is a masked position (mask may be NULL, `stride` is from row to row). */
void     reformer_label_form_clamp_spans (gint32                   *labels,
                                          const guint8             *mask,
                                          int                       rows,
                                          int                       length,
                                          int                       stride);
/* Labels that fit the tokens, for a plan of memory; for a causal language head the tokens themselves, where they are ids. */
ReformerTensor *reformer_model_new_labels (ReformerModel           *self,
                                           ReformerTensor          *tokens,
                                           GError                 **error);

G_END_DECLS
