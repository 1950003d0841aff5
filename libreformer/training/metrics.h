/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/data/reformer-tokenizer.h>

#include "models/model-private.h"

G_BEGIN_DECLS

/* Metrics of an evaluation, beside its loss: accumulators, each fed with what a head said and what was wanted, and asked at the end. All sums are in double precision and
 * in the order of the calls. Without any target a metric is NaN. */

/* ---- metrics-classes.c: one of n classes each time ---- */

typedef struct
{
  gsize   n;
  gint64 *wanted; /* how often each class was wanted, */
  gint64 *chosen; /*   chosen, */
  gint64 *right;  /*   and both */
  gint64  total;
  gint64  hits;
} ReformerClassCounts;

#define REFORMER_CLASS_COUNTS_INIT { 0 }

/* FALSE: no memory. n = 0: counts nothing but how often it was right, of any classes. */
gboolean reformer_class_counts_start    (ReformerClassCounts       *self,
                                         gsize                      n);
void     reformer_class_counts_clear    (ReformerClassCounts       *self);
/* A class is below n; `wanted` below 0 is no target. */
void     reformer_class_counts_add      (ReformerClassCounts       *self,
                                         gint32                     chosen,
                                         gint32                     wanted);
double   reformer_class_counts_accuracy (const ReformerClassCounts *self);
/* The mean of the classes' F1, of those that were wanted or chosen at least once. */
double   reformer_class_counts_macro_f1 (const ReformerClassCounts *self);
/* Matthews' correlation coefficient for any number of classes (Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004);
 * 0 where only one class was wanted, or only one chosen. */
double   reformer_class_counts_matthews (const ReformerClassCounts *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerClassCounts, reformer_class_counts_clear)

/* ---- metrics-labels.c: any number of n labels each time ---- */

typedef struct
{
  ReformerClassCounts counts; /* of each label: wanted, chosen, both; total and hits are of decisions */
  gint64              rows;
  gint64              exact;  /* rows with all labels right */
} ReformerLabelCounts;

#define REFORMER_LABEL_COUNTS_INIT { REFORMER_CLASS_COUNTS_INIT, 0, 0 }

gboolean reformer_label_counts_start       (ReformerLabelCounts       *self,
                                            gsize                      n);
void     reformer_label_counts_clear       (ReformerLabelCounts       *self);
/* n logits, of which those above 0 are chosen (more likely than not), and n wanted probabilities, of which those above 1/2 are; one below 0 is no target. */
void     reformer_label_counts_add         (ReformerLabelCounts       *self,
                                            const float               *logits,
                                            const float               *wanted);
/* Of the decisions, one for each row and label. */
double   reformer_label_counts_accuracy    (const ReformerLabelCounts *self);
/* The mean of the labels' F1; 0 for a label that was neither wanted nor chosen. */
double   reformer_label_counts_macro_f1    (const ReformerLabelCounts *self);
double   reformer_label_counts_exact_match (const ReformerLabelCounts *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerLabelCounts, reformer_label_counts_clear)

/* ---- metrics-values.c: numbers ---- */

typedef struct
{
  gint64 count;
  double squares;
  double absolutes;
} ReformerValueSums;

#define REFORMER_VALUE_SUMS_INIT { 0 }

/* A wanted number that is NaN is no target. */
void     reformer_value_sums_add           (ReformerValueSums       *self,
                                            double                   said,
                                            double                   wanted);
double   reformer_value_sums_mean_square   (const ReformerValueSums *self);
double   reformer_value_sums_mean_absolute (const ReformerValueSums *self);

/* ---- metrics-spans.c: where an answer begins and ends ---- */

typedef struct
{
  gint64 rows;
  gint64 exact;
} ReformerSpanCounts;

#define REFORMER_SPAN_COUNTS_INIT { 0 }

/* The likeliest span: begin <= end with the greatest sum of both logits, the first of several. logits [n][2]; mask NULL or [n], 0 where no answer can be. FALSE where there is none. */
gboolean reformer_spans_choose           (const float              *logits,
                                          const guint8             *mask,
                                          gsize                     n,
                                          gsize                    *begin,
                                          gsize                    *end);
/* An answer that does not lie within the n positions is no target. */
void     reformer_span_counts_add        (ReformerSpanCounts       *self,
                                          const float              *logits,
                                          const guint8             *mask,
                                          gsize                     n,
                                          gint32                    begin,
                                          gint32                    end);
double   reformer_span_counts_exact_match (const ReformerSpanCounts *self);

/* ---- metrics-bytes.c: how much text the targets of a language model are ---- */

/* Bytes of the text that the targets among n labels stand for, each run of them after the token before it. -1: the tokenizer cannot say. */
gint64   reformer_metrics_count_bytes (ReformerTokenizer *tokenizer,
                                       const gint32      *tokens,
                                       const gint32      *labels,
                                       gsize              n);

/* ---- metrics.c: those that fit a head ---- */

/* NaN: does not fit the head, or nothing was asked. */
typedef struct
{
  double bits;       /* a target */
  double perplexity;
  double bits_per_byte;
  double accuracy;
  double macro_f1;
  double matthews;
  double mean_squared_error;
  double mean_absolute_error;
  double exact_match;
} ReformerMetricValues;

typedef struct
{
  ReformerHead        head;
  ReformerLabelForm   form;
  ReformerTokenizer  *tokenizer; /* borrowed; NULL: bytes are not known */
  ReformerClassCounts classes;
  ReformerLabelCounts labels;
  ReformerValueSums   values;
  ReformerSpanCounts  spans;
  gint64              bytes;     /* of the targets; -1: not known */
} ReformerMetrics;

#define REFORMER_METRICS_INIT { 0 }

/* Whether a loss is that of tokens, for which bits and perplexity are told. */
gboolean reformer_metrics_has_bits   (ReformerHead           head);
/* For a model that is built and has a head. */
gboolean reformer_metrics_start      (ReformerMetrics       *self,
                                      ReformerModel         *model,
                                      ReformerTokenizer     *tokenizer,
                                      GError               **error);
void     reformer_metrics_clear      (ReformerMetrics       *self);
/* What a pass saw. */
gboolean reformer_metrics_add        (ReformerMetrics       *self,
                                      ReformerModelSight    *sight,
                                      GError               **error);
/* A row of tokens, and the labels of a language model, for the number of bytes. */
void     reformer_metrics_add_text   (ReformerMetrics       *self,
                                      const gint32          *tokens,
                                      const gint32          *labels,
                                      gsize                  n);
/* `loss` is the mean over so many targets. */
void     reformer_metrics_get_values (const ReformerMetrics *self,
                                      double                 loss,
                                      gint64                 targets,
                                      ReformerMetricValues  *values);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerMetrics, reformer_metrics_clear)

G_END_DECLS
