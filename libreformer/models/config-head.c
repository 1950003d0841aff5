/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/config-head.h"

#include <string.h>

#include <libreformer/layers/reformer-model-error.h>

#include "files/reading.h"

/* Names of architectures; the last two are this library's own. */
static const struct
{
  const char   *architecture;
  ReformerHead  head;
} architectures[] = {
  { "ReformerModelWithLMHead", REFORMER_HEAD_LANGUAGE },
  { "ReformerForMaskedLM", REFORMER_HEAD_MASKED_LANGUAGE },
  { "ReformerForSequenceClassification", REFORMER_HEAD_CLASSIFICATION },
  { "ReformerForSequenceClassification", REFORMER_HEAD_REGRESSION },
  { "ReformerForSequenceClassification", REFORMER_HEAD_MULTI_LABEL },
  { "ReformerForQuestionAnswering", REFORMER_HEAD_SPANS },
  { "ReformerModel", REFORMER_HEAD_NONE },
  { "ReformerForTokens", REFORMER_HEAD_TOKENS },
  { "ReformerForValues", REFORMER_HEAD_VALUES },
};

static const struct
{
  const char   *problem_type;
  ReformerHead  head;
} problems[] = {
  { "single_label_classification", REFORMER_HEAD_CLASSIFICATION },
  { "regression", REFORMER_HEAD_REGRESSION },
  { "multi_label_classification", REFORMER_HEAD_MULTI_LABEL },
};

const char *
reformer_config_architecture_from_head (ReformerHead head)
{
  for (guint i = 0; i < G_N_ELEMENTS (architectures); i++)
    if (architectures[i].head == head)
      return architectures[i].architecture;

  return "ReformerModel";
}

gboolean
reformer_config_head_from_problem (const char   *problem_type,
                                   ReformerHead *head)
{
  for (guint i = 0; i < G_N_ELEMENTS (problems); i++)
    if (g_strcmp0 (problems[i].problem_type, problem_type) == 0)
      {
        *head = problems[i].head;
        return TRUE;
      }

  return FALSE;
}

const char *
reformer_config_problem_from_head (ReformerHead head)
{
  for (guint i = 0; i < G_N_ELEMENTS (problems); i++)
    if (problems[i].head == head)
      return problems[i].problem_type;

  return NULL;
}

ReformerHead
reformer_config_head_from_labels (int num_labels)
{
  return num_labels == 1 ? REFORMER_HEAD_REGRESSION : REFORMER_HEAD_CLASSIFICATION;
}

/* Which of the classifiers it is: problem_type says, and where it is null the number of labels. */
static gboolean
find_classifier (ReformerConfig  *self,
                 const char      *path,
                 ReformerHead    *head,
                 GError         **error)
{
  g_autofree char *seen = NULL;

  *head = reformer_config_head_from_labels (self->num_labels);
  if (self->problem_type == NULL || reformer_config_head_from_problem (self->problem_type, head))
    return TRUE;

  seen = reformer_file_quote (self->problem_type);
  g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "%s: \"problem_type\" is \"%s\", regression, "
               "single_label_classification, multi_label_classification or null is wanted", path, seen);

  return FALSE;
}

gboolean
reformer_config_find_head (ReformerConfig     *self,
                           const char *const  *names,
                           const char         *path,
                           ReformerHead       *head,
                           GError            **error)
{
  g_autofree char *seen = NULL;

  /* A file without architectures was written by hand, or by transformers' configuration without its model. */
  if (names == NULL || names[0] == NULL)
    {
      *head = REFORMER_HEAD_LANGUAGE;
      return (self->is_decoder && self->problem_type == NULL) || find_classifier (self, path, head, error);
    }

  for (guint i = 0; names[i] != NULL; i++)
    for (guint j = 0; j < G_N_ELEMENTS (architectures); j++)
      if (strcmp (names[i], architectures[j].architecture) == 0)
        {
          *head = architectures[j].head;
          return *head != REFORMER_HEAD_CLASSIFICATION || find_classifier (self, path, head, error);
        }

  seen = reformer_file_quote (names[0]);
  g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "%s: \"architectures\" has \"%s\", "
               "ReformerModelWithLMHead, ReformerForMaskedLM, ReformerForSequenceClassification, ReformerForQuestionAnswering, "
               "ReformerModel, ReformerForTokens or ReformerForValues is wanted", path, seen);

  return FALSE;
}
