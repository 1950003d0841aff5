/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data.h"

#include "task.h"

/* More names than transformers would list are not written down. */
#define MAX_NAMED 1024

static const struct
{
  ReformerHead      head;
  ReformerLabelling labels;
} labellings[] = {
  { REFORMER_HEAD_LANGUAGE, REFORMER_LABELLING_NONE },
  { REFORMER_HEAD_MASKED_LANGUAGE, REFORMER_LABELLING_NONE },
  { REFORMER_HEAD_CLASSIFICATION, REFORMER_LABELLING_CLASS },
  { REFORMER_HEAD_REGRESSION, REFORMER_LABELLING_NUMBERS },
  { REFORMER_HEAD_MULTI_LABEL, REFORMER_LABELLING_CLASSES },
  { REFORMER_HEAD_SPANS, REFORMER_LABELLING_SPAN },
  { REFORMER_HEAD_TOKENS, REFORMER_LABELLING_TOKENS },
  { REFORMER_HEAD_VALUES, REFORMER_LABELLING_VALUES },
};

void
tool_data_add_properties (ToolProperties *properties)
{
  static const char *const held_out[] = { "held-out-fraction", NULL }, *const masking[] = { "fraction", "mask-id", NULL };
  static const char *const labelled[] = { "format", "columns", "label-columns", "classes", "separator", "split", NULL };

  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_TEXT_DATASET, held_out);
  tool_properties_add (properties, NULL, NULL, REFORMER_TYPE_LABELLED_DATASET, held_out);
  tool_properties_add (properties, "data", "Options of sequences with labels", REFORMER_TYPE_LABELLED_DATASET, labelled);
  tool_properties_add (properties, "masking", "Options of a masked language model", REFORMER_TYPE_MASKED_DATASET, masking);
}

/* ---- Opening ---- */

/* The settings of a run's data set; NULL: there is no run. Those of `data` that are no properties are left out. */
static json_t *
find_saved (ToolRun    *run,
            const char *group)
{
  json_t *saved = run != NULL ? json_copy (json_object_get (run->root, group)) : NULL;

  json_object_del (saved, "path");
  json_object_del (saved, "identity");
  return saved;
}

static gboolean
has_labels (const ToolData *data,
            ToolProperties *properties,
            json_t         *saved)
{
  return data->features > 0 || !tool_task_predicts_tokens (data->head) || tool_properties_get_given (properties, "format") != NULL || json_object_get (saved, "labels") != NULL;
}

/* The file itself, before anything is hidden. */
static ReformerDataset *
open_file (const ToolData  *data,
           ToolProperties  *properties,
           const ToolVerb  *verb,
           GError         **error)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (data->path);
  g_autoptr (ReformerDataset) dataset = NULL;
  json_auto_t *saved = find_saved (data->run, "data");

  if (has_labels (data, properties, saved))
    {
      dataset = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", file, "tokenizer", data->tokenizer, NULL);
      for (guint i = 0; i < G_N_ELEMENTS (labellings); i++)
        if (labellings[i].head == data->head)
          reformer_labelled_dataset_set_labels (REFORMER_LABELLED_DATASET (dataset), labellings[i].labels);
      if (data->features > 0)
        g_object_set (dataset, "numbers", TRUE, "features", data->features, NULL);
    }
  else
    {
      g_autoptr (ReformerTokenizer) tokenizer = data->tokenizer != NULL ? g_object_ref (data->tokenizer) : reformer_byte_tokenizer_new ();

      dataset = g_object_new (REFORMER_TYPE_TEXT_DATASET, "file", file, "tokenizer", tokenizer, NULL);
    }
  if (data->run != NULL && !tool_property_load (G_OBJECT (dataset), saved, data->run->name, error))
    return NULL;
  if (data->classes != NULL && (data->head == REFORMER_HEAD_CLASSIFICATION || data->head == REFORMER_HEAD_TOKENS || data->head == REFORMER_HEAD_MULTI_LABEL))
    reformer_labelled_dataset_set_classes (REFORMER_LABELLED_DATASET (dataset), (const char *const *) data->classes);
  if (!tool_properties_check_used (properties, verb, "data", G_OBJECT (dataset), tool_task_get_name (data->head)) || !tool_properties_apply (properties, verb, G_OBJECT (dataset)))
    return NULL;
  if (data->fraction >= 0)
    g_object_set (dataset, "held-out-fraction", data->fraction, NULL);
  return g_steal_pointer (&dataset);
}

static ReformerDataset *
hide (ReformerDataset  *dataset, /* taken */
      const ToolData   *data,
      ToolProperties   *properties,
      const ToolVerb   *verb,
      GError          **error)
{
  g_autoptr (ReformerDataset) inner = dataset, masked = REFORMER_DATASET (reformer_masked_dataset_new (dataset));
  json_auto_t *saved = find_saved (data->run, "masking");
  g_auto (GValue) seed = G_VALUE_INIT;

  if ((saved != NULL && !tool_property_load (G_OBJECT (masked), saved, data->run->name, error)) || !tool_properties_apply (properties, verb, G_OBJECT (masked)) ||
      !tool_properties_read (properties, verb, "seed", &seed))
    return NULL;
  if (G_IS_VALUE (&seed))
    g_object_set_property (G_OBJECT (masked), "seed", &seed);
  return g_steal_pointer (&masked);
}

ReformerDataset *
tool_data_open (const ToolData  *data,
                ToolProperties  *properties,
                const ToolVerb  *verb,
                GError         **error)
{
  g_autoptr (ReformerDataset) dataset = open_file (data, properties, verb, error);

  if (dataset == NULL)
    return NULL;
  if (data->head == REFORMER_HEAD_MASKED_LANGUAGE)
    dataset = hide (g_steal_pointer (&dataset), data, properties, verb, error);
  else if (!tool_properties_check_used (properties, verb, "masking", G_OBJECT (dataset), tool_task_get_name (data->head)))
    return NULL;
  if (dataset == NULL || reformer_dataset_count_samples (dataset, G_MAXINT, error) < 0)
    return NULL;
  return g_steal_pointer (&dataset);
}

/* ---- What is in it ---- */

static ReformerDataset *
find_file (ReformerDataset *dataset)
{
  return REFORMER_IS_MASKED_DATASET (dataset) ? reformer_masked_dataset_get_dataset (REFORMER_MASKED_DATASET (dataset)) : dataset;
}

int
tool_data_count_labels (ReformerDataset  *dataset,
                        GError          **error)
{
  return REFORMER_IS_LABELLED_DATASET (dataset) ? reformer_labelled_dataset_count_labels (REFORMER_LABELLED_DATASET (dataset), error) : 0;
}

char **
tool_data_list_classes (ReformerDataset *dataset)
{
  g_auto (GStrv) names = REFORMER_IS_LABELLED_DATASET (dataset) ? reformer_labelled_dataset_list_classes (REFORMER_LABELLED_DATASET (dataset), NULL) : NULL;

  return names != NULL && names[0] != NULL ? g_steal_pointer (&names) : NULL;
}

gboolean
tool_data_describe (ReformerDataset  *dataset,
                    ToolRun          *run,
                    GError          **error)
{
  ReformerDataset *inner = find_file (dataset);
  g_autofree char *identity = reformer_dataset_identify (dataset, error), *path = NULL;
  g_autoptr (GFile) file = NULL;
  json_t *data;

  if (identity == NULL)
    return FALSE;
  g_object_get (inner, "file", &file, NULL);
  path = g_file_get_parse_name (file);
  data = tool_property_save (G_OBJECT (inner));
  json_object_set_new (data, "path", tool_json_string (path));
  json_object_set_new (data, "identity", tool_json_string (identity));
  json_object_set_new (run->root, "data", data);
  if (inner != dataset)
    json_object_set_new (run->root, "masking", tool_property_save (G_OBJECT (dataset)));
  return TRUE;
}

/* ---- Names of classes in a configuration ---- */

char **
tool_config_list_classes (ReformerConfig *config)
{
  g_autofree char *text = reformer_config_to_json (config);
  json_auto_t *object = json_loads (text, 0, NULL);
  json_t *names = json_object_get (object, "id2label");
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  gboolean numbers = TRUE;

  for (gsize i = 0; i < json_object_size (names); i++)
    {
      g_autofree char *key = g_strdup_printf ("%" G_GSIZE_FORMAT, i), *usual = g_strdup_printf ("LABEL_%" G_GSIZE_FORMAT, i);
      const char *name = json_string_value (json_object_get (names, key));

      if (name == NULL)
        return NULL;
      numbers = numbers && g_str_equal (name, usual);
      g_ptr_array_add (list, g_strdup (name));
    }
  if (numbers)
    return NULL;
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}

ReformerConfig *
tool_config_name_classes (ReformerConfig  *config,
                          char           **classes,
                          GError         **error)
{
  g_autofree char *text = reformer_config_to_json (config);
  json_auto_t *object = json_loads (text, 0, NULL);
  json_t *names = json_object (), *numbers = json_object ();
  ReformerConfig *named;
  char *dumped;

  if (g_strv_length (classes) > MAX_NAMED || (int) g_strv_length (classes) != reformer_config_get_num_labels (config))
    {
      json_decref (names);
      json_decref (numbers);
      return g_object_ref (config);
    }
  for (int i = 0; classes[i] != NULL; i++)
    {
      g_autofree char *key = g_strdup_printf ("%d", i);

      json_object_set_new (names, key, tool_json_string (classes[i]));
      json_object_set_new (numbers, json_string_value (json_object_get (names, key)), json_integer (i));
    }
  json_object_set_new (object, "id2label", names);
  json_object_set_new (object, "label2id", numbers);
  dumped = json_dumps (object, 0);
  named = reformer_config_new_from_json (dumped, error);
  free (dumped);
  return named;
}
