/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

/* Rows of a table, as RFC 4180 has them: a field with separators, quotes or ends of lines stands in quotes, a quote within it twice. */

typedef struct
{
  const ReformerParsing     *parsing;
  ReformerRecord            *record;
  const ReformerRecordPlace *place;
  const char                *next, *end;
  char                      *out;  /* in the room of what was in quotes */
  guint64                    line;
} Row;

static gboolean
fail (Row         *row,
      guint64      line,
      const char  *message,
      GError     **error)
{
  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, row->parsing->file, row->parsing->layout, line, row->record->fields->len + 1, "%s", message);
}

static gboolean
read_quoted (Row            *row,
             ReformerField  *field,
             GError        **error)
{
  const char separator = row->parsing->settings->separator;
  char *begin = row->out;

  for (const char *p = row->next + 1; p < row->end; p++)
    {
      if (*p == '\n')
        row->line++;
      if (*p != '"')
        *row->out++ = *p;
      else if (p + 1 < row->end && p[1] == '"')
        *row->out++ = *p++;
      else if (p + 1 < row->end && p[1] != separator)
        return fail (row, row->line, "something follows a closing quote; wanted a separator or the end of the row (a quote within quotes is written twice)", error);
      else
        {
          row->next = p + 1;
          field->text = begin;
          field->length = (gsize) (row->out - begin);
          return TRUE;
        }
    }
  return fail (row, field->line, "the quote that begins here is not closed; wanted another one before the end of the file", error);
}

static gboolean
read_plain (Row            *row,
            ReformerField  *field,
            GError        **error)
{
  const char *end = memchr (row->next, row->parsing->settings->separator, (gsize) (row->end - row->next));

  if (end == NULL)
    end = row->end;
  if (memchr (row->next, '"', (gsize) (end - row->next)) != NULL)
    return fail (row, row->line, "a quote within a field that does not begin with one; wanted the whole field in quotes, and a quote within it twice", error);
  field->text = row->next;
  field->length = (gsize) (end - row->next);
  row->next = end;
  return TRUE;
}

/* All fields of the row. */
static gboolean
read_fields (const ReformerParsing      *parsing,
             ReformerRecord             *record,
             const ReformerRecordPlace  *place,
             GError                    **error)
{
  Row row = { parsing, record, place, record->bytes, record->bytes + record->size, record->unescaped, place->line };

  g_array_set_size (record->fields, 0);
  for (;; row.next++)
    {
      ReformerField field = { .line = row.line, .column = record->fields->len + 1 };

      if (record->fields->len == REFORMER_COLUMN_LIMIT)
        return reformer_labelled_fail (error, REFORMER_FILE_ERROR_LIMIT, parsing->file, NULL, place->line, 0, "has more than %u fields; wanted at most so many", REFORMER_COLUMN_LIMIT);
      if (!(row.next < row.end && *row.next == '"' ? read_quoted (&row, &field, error) : read_plain (&row, &field, error)))
        return FALSE;
      g_array_append_val (record->fields, field);
      if (row.next == row.end)
        return TRUE;
    }
}

gboolean
reformer_csv_parse (const ReformerParsing      *parsing,
                    ReformerRecord             *record,
                    const ReformerRecordPlace  *place,
                    GError                    **error)
{
  const guint wanted = parsing->layout->n_columns;

  if (!read_fields (parsing, record, place, error))
    return FALSE;
  if (record->fields->len == wanted)
    return TRUE;
  /* the column at which it goes wrong: the first one that is missing, or that is too much */
  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, parsing->layout, place->line, MIN (record->fields->len, wanted) + 1,
                                 "the row has %u field%s, %u are wanted as in the first line", record->fields->len, record->fields->len == 1 ? "" : "s", wanted);
}

/* ---- The first row ---- */

static gboolean
fail_name (const ReformerParsing  *parsing,
           const char             *property,
           const char             *name,
           const char             *what,
           GError                **error)
{
  g_autofree char *all = g_strjoinv (", ", parsing->layout->names);
  g_autofree char *seen = reformer_field_quote (name, strlen (name)), *known = reformer_field_quote (all, strlen (all));

  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, 1, 0, "%s column \"%s\"; wanted one of its columns for %s: %s", what, seen, property, known);
}

static gboolean
find_column (const ReformerParsing  *parsing,
             const char             *property,
             const char             *name,
             guint                  *column,
             GError                **error)
{
  guint found = 0;

  for (guint i = 0; i < parsing->layout->n_columns; i++)
    if (g_str_equal (parsing->layout->names[i], name))
      {
        *column = i;
        found++;
      }
  return found == 1 || fail_name (parsing, property, name, found == 0 ? "has no" : "has more than one", error);
}

static gboolean
find_columns (const ReformerParsing    *parsing,
              const char               *property,
              const char *const        *names,
              guint                   **columns,
              guint                    *n,
              GError                  **error)
{
  *n = g_strv_length ((char **) names);
  *columns = g_new0 (guint, MAX (*n, 1));
  for (guint i = 0; i < *n; i++)
    if (!find_column (parsing, property, names[i], *columns + i, error))
      return FALSE;
  return TRUE;
}

gboolean
reformer_csv_read_head (const ReformerParsing      *parsing,
                        ReformerRecord             *record,
                        const ReformerRecordPlace  *place,
                        GError                    **error)
{
  static const char *const text[] = { "text", NULL }, *const sequence[] = { "sequence", NULL }, *const label[] = { "label", NULL }, *const none[] = { NULL };
  const ReformerLabelledSettings *settings = parsing->settings;
  ReformerLayout *layout = parsing->layout;
  const char *const *columns = (const char *const *) settings->columns, *const *labels = (const char *const *) settings->label_columns;

  if (!read_fields (parsing, record, place, error))
    return FALSE;
  layout->names = g_new0 (char *, record->fields->len + 1);
  for (guint i = 0; i < record->fields->len; i++)
    {
      const ReformerField *field = &g_array_index (record->fields, ReformerField, i);
      g_autofree char *name = g_strndup (field->text, field->length);

      layout->names[i] = g_utf8_make_valid (g_strstrip (name), -1);
    }
  layout->n_columns = record->fields->len;
  if (columns[0] == NULL)
    columns = g_strv_contains ((const char *const *) layout->names, "text") || !g_strv_contains ((const char *const *) layout->names, "sequence") ? text : sequence;
  if (settings->kind == REFORMER_LABELLING_NONE)
    labels = none;
  else if (labels[0] == NULL)
    labels = label;
  return find_columns (parsing, "columns", columns, &layout->sequence, &layout->n_sequence, error) &&
         find_columns (parsing, "label-columns", labels, &layout->labels, &layout->n_labels, error);
}
