/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "task.h"

#include <math.h>

const char *
tool_task_get_name (ReformerHead head)
{
  g_autoptr (GEnumClass) heads = g_type_class_ref (REFORMER_TYPE_HEAD);

  return g_enum_get_value (heads, (int) head)->value_nick;
}

gboolean
tool_task_predicts_tokens (ReformerHead head)
{
  return head == REFORMER_HEAD_LANGUAGE || head == REFORMER_HEAD_MASKED_LANGUAGE;
}

char *
tool_task_format_loss (ReformerHead  head,
                       double        loss,
                       int           digits,
                       const char   *unit)
{
  return tool_task_predicts_tokens (head) ? g_strdup_printf ("%.*f bits/%s", digits, loss / G_LN2, unit) : g_strdup_printf ("loss %.*f", digits + 1, loss);
}

/* Properties of an evaluation, in the words of JSON and of a table. Bits are written with their unit. */
static const struct
{
  const char *property, *key, *name;
} metrics[] = {
  { "bits", "bits", NULL },
  { "bits-per-byte", "bits_per_byte", "bits per byte" },
  { "perplexity", "perplexity", "perplexity" },
  { "accuracy", "accuracy", "accuracy" },
  { "macro-f1", "macro_f1", "macro F1" },
  { "matthews", "matthews", "Matthews" },
  { "mean-squared-error", "mean_squared_error", "mean squared error" },
  { "mean-absolute-error", "mean_absolute_error", "mean absolute error" },
  { "exact-match", "exact_match", "exact match" },
};

static double
get_metric (ReformerEvaluation *evaluation,
            guint               i)
{
  double value;

  g_object_get (evaluation, metrics[i].property, &value, NULL);
  return value;
}

char *
tool_task_format_metrics (ReformerEvaluation *evaluation)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (metrics); i++)
    if (metrics[i].name != NULL && !g_str_equal (metrics[i].property, "bits-per-byte") && !isnan (get_metric (evaluation, i)))
      g_string_append_printf (text, "%s%s %.3f", text->len > 0 ? ", " : "", metrics[i].name, get_metric (evaluation, i));
  return g_string_free (text, FALSE);
}

void
tool_task_print_metrics (ReformerEvaluation *evaluation,
                         const char         *unit)
{
  g_autofree char *bits = g_strdup_printf ("bits per %s", unit);

  for (guint i = 0; i < G_N_ELEMENTS (metrics); i++)
    {
      const char *name = metrics[i].name != NULL ? metrics[i].name : bits;

      if (!isnan (get_metric (evaluation, i)) && (metrics[i].name == NULL || !g_str_equal (name, bits)))
        tool_print_field (name, "%.4f", get_metric (evaluation, i));
    }
}

void
tool_task_add_metrics (ReformerEvaluation *evaluation,
                       json_t             *object)
{
  for (guint i = 0; i < G_N_ELEMENTS (metrics); i++)
    if (!isnan (get_metric (evaluation, i)))
      json_object_set_new (object, metrics[i].key, json_real (get_metric (evaluation, i)));
}
