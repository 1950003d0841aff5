/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Metrics against their definitions, written out in float64. */
#include "training/metrics.h"

#include <libreformer/data/reformer-byte-tokenizer.h>

#include <math.h>

#include "foreign-data.h"

#define CLASSES 5
#define COUNT 200

static guint32
draw (guint32 *state)
{
  *state = *state * 1664525u + 1013904223u;
  return *state >> 16;
}

/* ---- One of several classes ---- */

/* The mean of 2 precision recall / (precision + recall) over the classes that were met. */
static double
macro_f1 (const gint32 *chosen,
          const gint32 *wanted,
          gsize         n)
{
  double sum = 0;
  int met = 0;

  for (gint32 c = 0; c < CLASSES; c++)
    {
      double both = 0, p = 0, w = 0, precision, recall;

      for (gsize i = 0; i < n; i++)
        if (wanted[i] >= 0)
          {
            both += chosen[i] == c && wanted[i] == c;
            p += chosen[i] == c;
            w += wanted[i] == c;
          }
      if (p + w == 0)
        continue;
      met++;
      precision = p > 0 ? both / p : 0;
      recall = w > 0 ? both / w : 0;
      sum += both > 0 ? 2 * precision * recall / (precision + recall) : 0;
    }
  return sum / met;
}

/* The correlation of what is 1 for the wanted class with what is 1 for the chosen one, over all targets and classes, each class less its mean. */
static double
matthews (const gint32 *chosen,
          const gint32 *wanted,
          gsize         n)
{
  double both = 0, p2 = 0, w2 = 0, total = 0;

  for (gsize i = 0; i < n; i++)
    total += wanted[i] >= 0;
  for (gint32 c = 0; c < CLASSES; c++)
    {
      double p = 0, w = 0;

      for (gsize i = 0; i < n; i++)
        if (wanted[i] >= 0)
          {
            p += (chosen[i] == c) / total;
            w += (wanted[i] == c) / total;
          }
      for (gsize i = 0; i < n; i++)
        if (wanted[i] >= 0)
          {
            both += ((chosen[i] == c) - p) * ((wanted[i] == c) - w);
            p2 += ((chosen[i] == c) - p) * ((chosen[i] == c) - p);
            w2 += ((wanted[i] == c) - w) * ((wanted[i] == c) - w);
          }
    }
  return both / sqrt (p2 * w2);
}

static void
count (ReformerClassCounts *counts,
       const gint32        *chosen,
       const gint32        *wanted,
       gsize                n)
{
  g_assert_true (reformer_class_counts_start (counts, CLASSES));
  for (gsize i = 0; i < n; i++)
    reformer_class_counts_add (counts, chosen[i], wanted[i]);
}

static void
test_classes (void)
{
  g_auto (ReformerClassCounts) counts = REFORMER_CLASS_COUNTS_INIT;
  gint32 chosen[COUNT], wanted[COUNT];
  guint32 state = 1;

  for (guint classes = 2; classes <= CLASSES; classes++)
    {
      double hits = 0, total = 0;

      for (gsize i = 0; i < COUNT; i++)
        {
          wanted[i] = i % 9 == 4 ? -100 : (gint32) (draw (&state) % classes);
          chosen[i] = draw (&state) % 3 > 0 && wanted[i] >= 0 ? wanted[i] : (gint32) (draw (&state) % classes);
          hits += wanted[i] >= 0 && chosen[i] == wanted[i];
          total += wanted[i] >= 0;
        }
      count (&counts, chosen, wanted, COUNT);
      g_assert_cmpint (counts.total, ==, (gint64) total);
      g_assert_cmpfloat_with_epsilon (reformer_class_counts_accuracy (&counts), hits / total, 1e-15);
      g_assert_cmpfloat_with_epsilon (reformer_class_counts_macro_f1 (&counts), macro_f1 (chosen, wanted, COUNT), 1e-14);
      g_assert_cmpfloat_with_epsilon (reformer_class_counts_matthews (&counts), matthews (chosen, wanted, COUNT), 1e-13);
    }
}

/* Of two classes: (tp tn - fp fn) / sqrt ((tp + fp) (tp + fn) (tn + fp) (tn + fn)), here 3, 4, 1, 2. */
static void
test_two_classes (void)
{
  const gint32 wanted[] = { 1, 1, 1, 1, 1, 0, 0, 0, 0, 0 }, chosen[] = { 1, 1, 1, 0, 0, 0, 0, 0, 0, 1 };
  g_auto (ReformerClassCounts) counts = REFORMER_CLASS_COUNTS_INIT;

  count (&counts, chosen, wanted, G_N_ELEMENTS (wanted));
  g_assert_cmpfloat_with_epsilon (reformer_class_counts_accuracy (&counts), 0.7, 1e-15);
  g_assert_cmpfloat_with_epsilon (reformer_class_counts_matthews (&counts), (3.0 * 4 - 1.0 * 2) / sqrt (4.0 * 5 * 5 * 6), 1e-15);
  g_assert_cmpfloat_with_epsilon (reformer_class_counts_macro_f1 (&counts), (6.0 / 9 + 8.0 / 11) / 2, 1e-15);
}

static void
test_one_class (void)
{
  const gint32 wanted[] = { 2, 2, 2, -100 }, same[] = { 2, 2, 2, 0 }, others[] = { 2, 0, 1, 2 };
  g_auto (ReformerClassCounts) counts = REFORMER_CLASS_COUNTS_INIT;

  count (&counts, same, wanted, 4);
  g_assert_cmpfloat (reformer_class_counts_accuracy (&counts), ==, 1);
  g_assert_cmpfloat (reformer_class_counts_macro_f1 (&counts), ==, 1);
  g_assert_cmpfloat (reformer_class_counts_matthews (&counts), ==, 0);
  count (&counts, others, wanted, 4);
  g_assert_cmpint (counts.total, ==, 3);
  g_assert_cmpfloat_with_epsilon (reformer_class_counts_accuracy (&counts), 1.0 / 3, 1e-15);
  g_assert_cmpfloat_with_epsilon (reformer_class_counts_macro_f1 (&counts), 0.5 / 3, 1e-15);
  g_assert_cmpfloat (reformer_class_counts_matthews (&counts), ==, 0);
}

static void
test_no_target (void)
{
  const gint32 wanted[] = { -100, -100 }, chosen[] = { 0, 3 };
  const float logits[] = { 1, 2, 3, 4 }, nothing[] = { NAN, NAN, NAN, NAN };
  g_auto (ReformerClassCounts) counts = REFORMER_CLASS_COUNTS_INIT;
  g_auto (ReformerLabelCounts) labels = REFORMER_LABEL_COUNTS_INIT;
  ReformerValueSums sums = REFORMER_VALUE_SUMS_INIT;
  ReformerSpanCounts spans = REFORMER_SPAN_COUNTS_INIT;

  count (&counts, chosen, wanted, 2);
  g_assert_true (isnan (reformer_class_counts_accuracy (&counts)));
  g_assert_true (isnan (reformer_class_counts_macro_f1 (&counts)));
  g_assert_true (isnan (reformer_class_counts_matthews (&counts)));
  g_assert_true (reformer_label_counts_start (&labels, 4));
  reformer_label_counts_add (&labels, logits, nothing);
  g_assert_true (isnan (reformer_label_counts_accuracy (&labels)));
  g_assert_true (isnan (reformer_label_counts_macro_f1 (&labels)));
  g_assert_true (isnan (reformer_label_counts_exact_match (&labels)));
  reformer_value_sums_add (&sums, 1, (double) NAN);
  g_assert_true (isnan (reformer_value_sums_mean_square (&sums)));
  g_assert_true (isnan (reformer_value_sums_mean_absolute (&sums)));
  reformer_span_counts_add (&spans, logits, NULL, 2, -100, -100);
  reformer_span_counts_add (&spans, logits, NULL, 2, 0, -100);
  reformer_span_counts_add (&spans, logits, NULL, 2, 0, 2);
  g_assert_true (isnan (reformer_span_counts_exact_match (&spans)));
}

/* ---- Several labels ---- */

static void
test_labels (void)
{
  enum { LABELS = 4, ROWS = 60 };
  g_auto (ReformerLabelCounts) counts = REFORMER_LABEL_COUNTS_INIT;
  float logits[ROWS][LABELS], wanted[ROWS][LABELS];
  double hits = 0, asked = 0, exact = 0, f1 = 0;
  guint32 state = 2;

  g_assert_true (reformer_label_counts_start (&counts, LABELS));
  for (int r = 0; r < ROWS; r++)
    {
      gboolean all = TRUE;

      for (int c = 0; c < LABELS; c++)
        {
          /* nobody wants or chooses the last one */
          wanted[r][c] = c == LABELS - 1 ? 0 : (float) (draw (&state) % 2);
          logits[r][c] = c == LABELS - 1 ? -1 : (wanted[r][c] > 0.5f) == (draw (&state) % 4 > 0) ? 0.25f : -0.25f;
          if (r % 7 == 3 && c == 1)
            wanted[r][c] = NAN;
          if (isnan (wanted[r][c]))
            continue;
          asked++;
          hits += (logits[r][c] > 0) == (wanted[r][c] > 0.5f);
          all = all && (logits[r][c] > 0) == (wanted[r][c] > 0.5f);
        }
      exact += all;
      reformer_label_counts_add (&counts, logits[r], wanted[r]);
    }
  for (int c = 0; c < LABELS; c++)
    {
      double both = 0, either = 0;

      for (int r = 0; r < ROWS; r++)
        if (!isnan (wanted[r][c]))
          {
            both += logits[r][c] > 0 && wanted[r][c] > 0.5f;
            either += (logits[r][c] > 0) + (wanted[r][c] > 0.5f);
          }
      f1 += either > 0 ? 2 * both / either / LABELS : 0;
    }
  g_assert_cmpfloat_with_epsilon (reformer_label_counts_accuracy (&counts), hits / asked, 1e-15);
  g_assert_cmpfloat_with_epsilon (reformer_label_counts_exact_match (&counts), exact / ROWS, 1e-15);
  g_assert_cmpfloat_with_epsilon (reformer_label_counts_macro_f1 (&counts), f1, 1e-14);
  g_assert_cmpfloat (f1, >, 0.3);
}

/* ---- Numbers ---- */

static void
test_values (void)
{
  ReformerValueSums sums = REFORMER_VALUE_SUMS_INIT;
  double squares = 0, absolutes = 0;
  guint32 state = 3;

  for (int i = 0; i < COUNT; i++)
    {
      const double said = draw (&state) % 1000 / 100.0 - 5, wanted = draw (&state) % 1000 / 50.0 - 10;

      squares += (said - wanted) * (said - wanted) / COUNT;
      absolutes += fabs (said - wanted) / COUNT;
      reformer_value_sums_add (&sums, said, wanted);
      reformer_value_sums_add (&sums, said, (double) NAN);
    }
  g_assert_cmpfloat_with_epsilon (reformer_value_sums_mean_square (&sums), squares, 1e-11);
  g_assert_cmpfloat_with_epsilon (reformer_value_sums_mean_absolute (&sums), absolutes, 1e-12);
}

/* ---- Spans ---- */

/* All pairs are looked at. */
static void
test_spans (void)
{
  enum { LENGTH = 12, ROWS = 50 };
  ReformerSpanCounts counts = REFORMER_SPAN_COUNTS_INIT;
  gint64 exact = 0;
  guint32 state = 4;

  for (int r = 0; r < ROWS; r++)
    {
      float logits[LENGTH][2];
      guint8 mask[LENGTH];
      double best = -HUGE_VAL;
      gsize begin = 0, end = 0, from, to;
      const gboolean right = r % 3 > 0;

      for (int t = 0; t < LENGTH; t++)
        {
          mask[t] = t < 2 || draw (&state) % 5 > 0;
          for (int side = 0; side < 2; side++)
            logits[t][side] = (float) (draw (&state) % 2000) / 100 - 10;
        }
      for (gsize b = 0; b < LENGTH; b++)
        for (gsize e = b; e < LENGTH; e++)
          if (mask[b] != 0 && mask[e] != 0 && (double) logits[b][0] + (double) logits[e][1] > best)
            {
              best = (double) logits[b][0] + (double) logits[e][1];
              begin = b;
              end = e;
            }
      g_assert_true (reformer_spans_choose (logits[0], mask, LENGTH, &from, &to));
      g_assert_cmpuint (from, ==, begin);
      g_assert_cmpuint (to, ==, end);
      exact += right;
      reformer_span_counts_add (&counts, logits[0], mask, LENGTH, (gint32) begin, (gint32) (right ? end : (end + 1) % LENGTH));
    }
  g_assert_cmpfloat_with_epsilon (reformer_span_counts_exact_match (&counts), (double) exact / ROWS, 1e-15);
}

static void
test_no_span (void)
{
  const float logits[] = { 0, 0, 0, 0 };
  const guint8 mask[] = { 0, 0 };
  ReformerSpanCounts counts = REFORMER_SPAN_COUNTS_INIT;
  gsize begin, end;

  g_assert_false (reformer_spans_choose (logits, mask, 2, &begin, &end));
  g_assert_false (reformer_spans_choose (logits, NULL, 0, &begin, &end));
  reformer_span_counts_add (&counts, logits, mask, 2, 0, 1);
  g_assert_cmpfloat (reformer_span_counts_exact_match (&counts), ==, 0);
  g_assert_true (reformer_spans_choose (logits, NULL, 2, &begin, &end)); /* the first of several */
  g_assert_cmpuint (begin, ==, 0);
  g_assert_cmpuint (end, ==, 0);
}

/* ---- Bytes ---- */

static void
test_text (void)
{
  g_autoptr (ReformerTokenizer) idle = g_object_new (test_idle_tokenizer_get_type (), NULL);
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new ();
  const gint32 tokens[] = { 5, 6, 7, 8, 9, 10, 0, 0 }, some[] = { 5, -100, 7, 8, -100, 10, 0, -100 }, none[] = { 5, -100, -100 }, others[] = { 5, 300 };

  /* the first is no target; 0, padding, is one that stands for nothing */
  g_assert_cmpint (reformer_metrics_count_bytes (bytes, tokens, tokens, 8), ==, 5);
  g_assert_cmpint (reformer_metrics_count_bytes (bytes, tokens, some, 8), ==, 3);
  g_assert_cmpint (reformer_metrics_count_bytes (bytes, tokens, none, 3), ==, 0);
  g_assert_cmpint (reformer_metrics_count_bytes (bytes, tokens, tokens, 1), ==, 0);
  g_assert_cmpint (reformer_metrics_count_bytes (bytes, tokens, others, 2), ==, -1);
  g_assert_cmpint (reformer_metrics_count_bytes (idle, tokens, tokens, 8), ==, -1);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/metrics/classes", test_classes);
  g_test_add_func ("/metrics/two-classes", test_two_classes);
  g_test_add_func ("/metrics/one-class", test_one_class);
  g_test_add_func ("/metrics/no-target", test_no_target);
  g_test_add_func ("/metrics/labels", test_labels);
  g_test_add_func ("/metrics/values", test_values);
  g_test_add_func ("/metrics/spans", test_spans);
  g_test_add_func ("/metrics/no-span", test_no_span);
  g_test_add_func ("/metrics/bytes", test_text);

  return g_test_run ();
}
