/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

/* Lines of a label, a tab, and a text; without labels the whole line is the text. */

static void
set_layout (const ReformerParsing *parsing,
            guint                  n_labels)
{
  ReformerLayout *layout = parsing->layout;

  layout->n_sequence = 1;
  layout->sequence = g_new0 (guint, 1);
  layout->n_labels = n_labels;
  layout->labels = g_new0 (guint, MAX (n_labels, 1));
  for (guint i = 0; i < n_labels; i++)
    layout->labels[i] = i + 1;
}

void
reformer_lines_layout (const ReformerParsing *parsing)
{
  set_layout (parsing, parsing->settings->kind != REFORMER_LABELLING_NONE);
}

gboolean
reformer_lines_parse (const ReformerParsing      *parsing,
                      ReformerRecord             *record,
                      const ReformerRecordPlace  *place,
                      GError                    **error)
{
  ReformerField label = { record->bytes, 0, place->line, 0 }, text = { record->bytes, record->size, place->line, 0 };

  if (parsing->layout->n_labels > 0)
    {
      const char *tab = memchr (record->bytes, '\t', record->size);

      if (tab == NULL)
        {
          g_autofree char *seen = reformer_field_quote (record->bytes, record->size);

          return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "\"%s\" has no tab; wanted a label, a tab, and the text", seen);
        }
      label.length = (gsize) (tab - record->bytes);
      text.text = tab + 1;
      text.length = record->size - label.length - 1;
    }
  g_array_set_size (record->fields, 0);
  g_array_append_val (record->fields, text);
  g_array_append_val (record->fields, label);
  return TRUE;
}

/* ---- FASTA: a header that begins with '>', then lines of letters ---- */

void
reformer_fasta_layout (const ReformerParsing *parsing)
{
  const ReformerLabelledSettings *settings = parsing->settings;

  set_layout (parsing, settings->kind == REFORMER_LABELLING_NONE ? 0 : MAX (g_strv_length (settings->label_columns), 1));
}

static const char *
skip (const char *p,
      const char *end,
      gboolean    blanks)
{
  while (p < end && g_ascii_isspace (*p) == blanks)
    p++;
  return p;
}

/* The value of a word KEY=VALUE of the header. */
static gboolean
find_key (const char    *p,
          const char    *end,
          const char    *key,
          ReformerField *field)
{
  const gsize n = strlen (key);

  while ((p = skip (p, end, TRUE)) < end)
    {
      const char *word = p;

      p = skip (p, end, FALSE);
      if ((gsize) (p - word) > n && word[n] == '=' && memcmp (word, key, n) == 0)
        {
          field->text = word + n + 1;
          field->length = (gsize) (p - field->text);
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
read_header (const ReformerParsing      *parsing,
             ReformerRecord             *record,
             const ReformerRecordPlace  *place,
             const char                 *end,
             GError                    **error)
{
  const char *rest = skip (record->bytes + 1, end, FALSE);
  char **keys = parsing->settings->label_columns;

  for (guint i = 0; i < parsing->layout->n_labels; i++)
    {
      ReformerField field = { .line = place->line };

      if (keys[0] == NULL)
        {
          field.text = skip (rest, end, TRUE);
          field.length = (gsize) (end - field.text);
          while (field.length > 0 && g_ascii_isspace (field.text[field.length - 1]))
            field.length--;
        }
      else if (!find_key (rest, end, keys[i], &field))
        {
          g_autofree char *seen = reformer_field_quote (record->bytes, (gsize) (end - record->bytes)), *key = reformer_field_quote (keys[i], strlen (keys[i]));

          return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "the header \"%s\" has no %s=; wanted one for each of label-columns", seen,
                                         key);
        }
      g_array_append_val (record->fields, field);
    }
  return TRUE;
}

gboolean
reformer_fasta_parse (const ReformerParsing      *parsing,
                      ReformerRecord             *record,
                      const ReformerRecordPlace  *place,
                      GError                    **error)
{
  const char *end = record->bytes + record->size, *line = memchr (record->bytes, '\n', record->size);
  ReformerField letters = { .text = record->unescaped, .line = place->line };
  char *out = record->unescaped;

  if (line == NULL)
    line = end;
  if (record->bytes[0] != '>')
    {
      g_autofree char *seen = reformer_field_quote (record->bytes, (gsize) (line - record->bytes));

      return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "\"%s\" stands before the first header; wanted a line that begins with >", seen);
    }
  g_array_set_size (record->fields, 0);
  g_array_append_val (record->fields, letters);
  if (!read_header (parsing, record, place, line, error))
    return FALSE;
  for (const char *p = line; p < end; p++)
    if (!g_ascii_isspace (*p))
      *out++ = *p;
  g_array_index (record->fields, ReformerField, 0).length = (gsize) (out - record->unescaped);
  return TRUE;
}

void
reformer_fasta_locate (const ReformerRecord      *record,
                       const ReformerRecordPlace *place,
                       gsize                      letter,
                       guint64                   *line,
                       gsize                     *column)
{
  const char *begin = memchr (record->bytes, '\n', record->size), *p;

  *line = place->line;
  for (p = begin; p != NULL && p < record->bytes + record->size; p++)
    {
      if (*p == '\n')
        {
          ++*line;
          begin = p;
        }
      else if (!g_ascii_isspace (*p) && letter-- == 0)
        break;
    }
  *column = p != NULL ? (gsize) (p - begin) : 0;
}
