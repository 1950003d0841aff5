/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <math.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#define NO_TARGET (-100)

/* The most characters of a number. */
#define NUMBER_LIMIT 63

static const ReformerField *
nth_label (const ReformerParsing *parsing,
           const ReformerRecord  *record,
           guint                  i)
{
  return &g_array_index (record->fields, ReformerField, parsing->layout->labels[i]);
}

/* "FILE: line 3, column 2 (price): "abc" WHAT" */
static gboolean
fail (const ReformerParsing  *parsing,
      const ReformerField    *field,
      const char             *text,
      gsize                   length,
      const char             *what,
      GError                **error)
{
  g_autofree char *seen = reformer_field_quote (text, length);

  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, parsing->layout, field->line, field->column, "\"%s\" %s", seen, what);
}

/* ---- Items of a field ---- */

static gboolean
separates (char c,
           char other)
{
  return c == other || g_ascii_isspace (c);
}

/* The next of the items, which commas or blanks separate; FALSE at the end. */
static gboolean
next_item (const ReformerField  *field,
           gsize                *at,
           const char          **item,
           gsize                *length)
{
  gsize i = *at;

  while (i < field->length && separates (field->text[i], ','))
    i++;
  *item = field->text + i;
  while (i < field->length && !separates (field->text[i], ','))
    i++;
  *length = (gsize) (field->text + i - *item);
  *at = i;
  return *length > 0;
}

/* ---- Numbers ---- */

static gboolean
read_number (const ReformerParsing  *parsing,
             const ReformerField    *field,
             const char             *item,
             gsize                   length,
             gboolean                may_lack,
             double                 *number,
             GError                **error)
{
  char text[NUMBER_LIMIT + 1], *end;

  memcpy (text, item, MIN (length, NUMBER_LIMIT));
  text[MIN (length, NUMBER_LIMIT)] = '\0';
  if (may_lack && length == 3 && g_ascii_strcasecmp (text, "nan") == 0)
    {
      *number = (double) NAN;
      return TRUE;
    }
  *number = g_ascii_strtod (text, &end);
  if (length == 0 || length > NUMBER_LIMIT || *end != '\0' || strspn (text, "+-.0123456789eE") != length)
    return fail (parsing, field, item, length, may_lack ? "is no number; wanted one such as -1.5, or nan where there is none" : "is no number; wanted one such as -1.5", error);
  if (!(fabs (*number) <= (double) G_MAXFLOAT))
    return fail (parsing, field, item, length, "is too large; wanted a number that float32 holds", error);
  return TRUE;
}

gboolean
reformer_field_read_numbers (const ReformerParsing  *parsing,
                             const ReformerField    *field,
                             gboolean                may_lack,
                             GArray                 *floats,
                             GError                **error)
{
  const char *item;
  gsize at = 0, length;
  const guint before = floats->len;

  while (next_item (field, &at, &item, &length))
    {
      double number;
      float value;

      if (!read_number (parsing, field, item, length, may_lack, &number, error))
        return FALSE;
      value = (float) number;
      g_array_append_val (floats, value);
    }
  return floats->len > before || fail (parsing, field, field->text, field->length, "has no number; wanted at least one", error);
}

/* ---- Classes ---- */

/* Finds the number of a class, or, while they are looked for, notes it. */
static gboolean
find_class (ReformerClasses        *self,
            const ReformerParsing  *parsing,
            const ReformerField    *field,
            const char             *item,
            gsize                   length,
            gint32                 *number,
            GError                **error)
{
  g_autofree char *name = NULL;

  while (length > 0 && g_ascii_isspace (*item))
    item++, length--;
  while (length > 0 && g_ascii_isspace (item[length - 1]))
    length--;
  if (length == 0)
    return fail (parsing, field, item, length, "is no class; wanted a name", error);
  if (length > REFORMER_NAME_LIMIT || !g_utf8_validate (item, (gssize) length, NULL))
    return fail (parsing, field, item, length, "is no name of a class; wanted UTF-8 of at most 255 bytes", error);
  name = g_strndup (item, length);
  *number = GPOINTER_TO_INT (g_hash_table_lookup (self->numbers, name)) - 1;
  if (*number >= 0)
    return TRUE;
  if (!self->open)
    {
      g_autofree char *all = g_strjoinv (", ", self->names), *known = reformer_field_quote (all, strlen (all)), *what = g_strdup_printf ("is no class; wanted one of %s", known);

      return fail (parsing, field, item, length, what, error);
    }
  if (g_hash_table_size (self->numbers) == REFORMER_CLASS_LIMIT)
    return fail (parsing, field, item, length, "is one class too many; wanted at most 65536: is this the label, and are its classes no numbers?", error);
  *number = 0;
  g_hash_table_insert (self->numbers, g_steal_pointer (&name), GINT_TO_POINTER (1));
  return TRUE;
}

/* Several columns of 0 and 1, whose names are those of the classes. */
static gboolean
is_table (const ReformerParsing *parsing)
{
  return parsing->settings->kind == REFORMER_LABELLING_CLASSES && parsing->layout->n_labels > 1;
}

static gboolean
has_classes (const ReformerParsing *parsing)
{
  const ReformerLabelling kind = parsing->settings->kind;

  return kind == REFORMER_LABELLING_CLASS || kind == REFORMER_LABELLING_CLASSES || kind == REFORMER_LABELLING_TOKENS;
}

static gboolean
fail_columns (const ReformerParsing  *parsing,
              const char             *wanted,
              GError                **error)
{
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: label-columns names %u columns; wanted %s", reformer_text_file_get_path (parsing->file),
               parsing->layout->n_labels, wanted);
  return FALSE;
}

static gboolean
number_names (ReformerClasses        *self,
              const ReformerParsing  *parsing,
              GError                **error)
{
  for (guint i = 0; self->names[i] != NULL; i++)
    if (!g_hash_table_insert (self->numbers, g_strdup (self->names[i]), GUINT_TO_POINTER (i + 1)))
      {
        g_autofree char *seen = reformer_field_quote (self->names[i], strlen (self->names[i]));

        g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the class \"%s\" is there twice; wanted each name once", reformer_text_file_get_path (parsing->file),
                     seen);
        return FALSE;
      }
  self->n_labels = g_strv_length (self->names);
  return TRUE;
}

gboolean
reformer_classes_begin (ReformerClasses        *self,
                        const ReformerParsing  *parsing,
                        GError                **error)
{
  const ReformerLayout *layout = parsing->layout;
  const ReformerLabelling kind = parsing->settings->kind;

  *self = (ReformerClasses) { .numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL) };
  if (kind == REFORMER_LABELLING_NONE)
    return TRUE;
  if (layout->n_labels == 0)
    return fail_columns (parsing, "at least 1", error);
  if ((kind == REFORMER_LABELLING_CLASS || kind == REFORMER_LABELLING_TOKENS) && layout->n_labels != 1)
    return fail_columns (parsing, "1 for a class", error);
  if (kind == REFORMER_LABELLING_SPAN)
    self->n_labels = 2;
  if (kind == REFORMER_LABELLING_VALUES)
    self->n_labels = layout->n_labels;
  if (!has_classes (parsing))
    return TRUE;
  if (is_table (parsing))
    self->names = parsing->settings->format == REFORMER_DATA_FORMAT_CSV ? g_new0 (char *, layout->n_labels + 1) : g_strdupv (parsing->settings->label_columns);
  for (guint i = 0; is_table (parsing) && parsing->settings->format == REFORMER_DATA_FORMAT_CSV && i < layout->n_labels; i++)
    self->names[i] = g_strdup (layout->names[layout->labels[i]]);
  if (self->names == NULL && parsing->settings->classes[0] != NULL)
    self->names = g_strdupv (parsing->settings->classes);
  self->open = self->names == NULL;
  return self->open || number_names (self, parsing, error);
}

static gboolean
is_whole (const char *name)
{
  const gsize n = strlen (name);

  return n > 0 && n < 18 && g_ascii_string_to_signed (name, 10, G_MININT64, G_MAXINT64, NULL, NULL);
}

static int
compare_names (gconstpointer a,
               gconstpointer b,
               gpointer      whole)
{
  const char *first = *(const char *const *) a, *second = *(const char *const *) b;
  const gint64 x = GPOINTER_TO_INT (whole) ? g_ascii_strtoll (first, NULL, 10) : 0, y = GPOINTER_TO_INT (whole) ? g_ascii_strtoll (second, NULL, 10) : 0;

  return x != y ? (x < y ? -1 : 1) : strcmp (first, second);
}

void
reformer_classes_finish (ReformerClasses *self)
{
  gboolean whole = TRUE;
  guint n;

  if (!self->open)
    return;
  self->open = FALSE;
  self->names = (char **) g_hash_table_get_keys_as_array (self->numbers, &n);
  g_hash_table_steal_all (self->numbers);
  for (guint i = 0; i < n; i++)
    whole = whole && is_whole (self->names[i]);
  g_qsort_with_data (self->names, (gint) n, sizeof *self->names, compare_names, GINT_TO_POINTER (whole));
  for (guint i = 0; i < n; i++)
    g_hash_table_insert (self->numbers, g_strdup (self->names[i]), GUINT_TO_POINTER (i + 1));
  self->n_labels = n;
}

void
reformer_classes_clear (ReformerClasses *self)
{
  g_clear_pointer (&self->names, g_strfreev);
  g_clear_pointer (&self->numbers, g_hash_table_unref);
}

/* ---- Labels ---- */

static gboolean
read_class (ReformerClasses        *self,
            const ReformerParsing  *parsing,
            const ReformerRecord   *record,
            GArray                 *words,
            GError                **error)
{
  const ReformerField *field = nth_label (parsing, record, 0);
  gint32 number;

  if (!find_class (self, parsing, field, field->text, field->length, &number, error))
    return FALSE;
  g_array_append_val (words, number);
  return TRUE;
}

/* As many as the first record has. */
static gboolean
read_numbers (ReformerClasses            *self,
              const ReformerParsing      *parsing,
              const ReformerRecord       *record,
              const ReformerRecordPlace  *place,
              GArray                     *words,
              GError                    **error)
{
  for (guint i = 0; i < parsing->layout->n_labels; i++)
    if (!reformer_field_read_numbers (parsing, nth_label (parsing, record, i), TRUE, words, error))
      return FALSE;
  if (self->n_labels == 0)
    self->n_labels = words->len;
  if (words->len == self->n_labels)
    return TRUE;
  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "the label has %u numbers, %u are wanted as in the first one", words->len,
                                 self->n_labels);
}

static gboolean
read_flags (const ReformerParsing  *parsing,
            const ReformerRecord   *record,
            GArray                 *words,
            GError                **error)
{
  for (guint i = 0; i < parsing->layout->n_labels; i++)
    {
      const ReformerField *field = nth_label (parsing, record, i);
      const guint before = words->len;
      float value;

      if (!reformer_field_read_numbers (parsing, field, TRUE, words, error))
        return FALSE;
      value = g_array_index (words, float, before);
      if (words->len != before + 1 || !(isnan (value) || value == 0 || value == 1))
        return fail (parsing, field, field->text, field->length, "does not say whether it is this class; wanted 0, 1, or nan where that is not known", error);
    }
  return TRUE;
}

/* Names that commas separate; none at all is right too. */
static gboolean
read_classes (ReformerClasses        *self,
              const ReformerParsing  *parsing,
              const ReformerRecord   *record,
              GArray                 *words,
              GError                **error)
{
  const ReformerField *field = nth_label (parsing, record, 0);
  const char *item = field->text, *end = field->text + field->length;
  const float one = 1;

  if (is_table (parsing))
    return read_flags (parsing, record, words, error);
  g_array_set_size (words, self->open ? 1 : self->n_labels);
  memset (words->data, 0, words->len * sizeof (float));
  while (item < end && g_ascii_isspace (*item))
    item++;
  while (item < end)
    {
      const char *next = memchr (item, ',', (gsize) (end - item));
      gint32 number;

      if (!find_class (self, parsing, field, item, (gsize) ((next != NULL ? next : end) - item), &number, error))
        return FALSE;
      memcpy (words->data + (gsize) number * sizeof one, &one, sizeof one);
      item = next != NULL ? next + 1 : end;
    }
  return TRUE;
}

static gboolean
read_span (const ReformerParsing      *parsing,
           const ReformerRecord       *record,
           const ReformerRecordPlace  *place,
           gsize                       n_tokens,
           gsize                       begin,
           gsize                       end,
           GArray                     *words,
           GError                    **error)
{
  gint32 span[2];
  double given[2] = { 0 };
  guint n = 0;

  for (guint i = 0; i < parsing->layout->n_labels; i++)
    {
      const ReformerField *field = nth_label (parsing, record, i);
      const char *item;
      gsize at = 0, length;

      for (double number; next_item (field, &at, &item, &length); n++)
        if (!read_number (parsing, field, item, length, FALSE, &number, error))
          return FALSE;
        else if (number != rint (number) || !(number == NO_TARGET || (number >= 0 && number <= G_MAXINT)))
          return fail (parsing, field, item, length, "is no place; wanted the number of an id, from 0 on, or -100 twice where there is no answer", error);
        else if (n < 2)
          given[n] = number;
    }
  if (n != 2)
    return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "the label has %u numbers; wanted 2, the first and the last place of a span", n);
  if ((given[0] == NO_TARGET) != (given[1] == NO_TARGET) || given[0] > given[1])
    return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "the span is %g to %g; wanted a last place that is not before the first", given[0],
                                   given[1]);
  if (given[1] >= (double) n_tokens)
    return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "the span is %g to %g; wanted places of the %" G_GSIZE_FORMAT
                                   " that the sequence has, 0 to %" G_GSIZE_FORMAT, given[0], given[1], n_tokens, n_tokens - 1);
  for (guint i = 0; i < 2; i++)
    span[i] = given[0] >= (double) begin && given[1] < (double) end ? (gint32) (given[i] - (double) begin) : NO_TARGET;
  g_array_append_vals (words, span, 2);
  return TRUE;
}

static gboolean
check_count (const ReformerParsing      *parsing,
             const ReformerField        *field,
             gsize                       n,
             gsize                       n_tokens,
             GError                    **error)
{
  return n == n_tokens ||
         reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, parsing->layout, field->line, field->column, "has %" G_GSIZE_FORMAT " labels; wanted %" G_GSIZE_FORMAT
                                 ", one for each %s of the sequence", n, n_tokens, parsing->settings->numbers ? "vector" : "id");
}

/* A class for each id. */
static gboolean
read_tokens (ReformerClasses        *self,
             const ReformerParsing  *parsing,
             const ReformerRecord   *record,
             gsize                   n_tokens,
             gsize                   begin,
             gsize                   end,
             GArray                 *words,
             GError                **error)
{
  const ReformerField *field = nth_label (parsing, record, 0);
  const char *item;
  gsize at = 0, length, n = 0;

  for (; next_item (field, &at, &item, &length); n++)
    {
      gint32 number = NO_TARGET;

      if (!(length == 4 && memcmp (item, "-100", 4) == 0) && !find_class (self, parsing, field, item, length, &number, error))
        return FALSE;
      if (n >= begin && n < end)
        g_array_append_val (words, number);
    }
  return check_count (parsing, field, n, n_tokens, error);
}

/* Numbers for each id: [T, labels]. */
static gboolean
read_values (const ReformerParsing  *parsing,
             const ReformerRecord   *record,
             gsize                   n_tokens,
             gsize                   begin,
             gsize                   end,
             GArray                 *words,
             GError                **error)
{
  const gsize n_labels = parsing->layout->n_labels;
  const gboolean fits = n_labels * (end - begin) <= record->size; /* else a column lacks some, for a number takes a byte */
  g_autoptr (GArray) column = g_array_new (FALSE, FALSE, sizeof (float));

  if (fits)
    g_array_set_size (words, (guint) (n_labels * (end - begin)));
  for (guint i = 0; i < n_labels; i++)
    {
      const ReformerField *field = nth_label (parsing, record, i);

      g_array_set_size (column, 0);
      if (!reformer_field_read_numbers (parsing, field, TRUE, column, error) || !check_count (parsing, field, column->len, n_tokens, error))
        return FALSE;
      for (gsize t = begin; fits && t < end; t++)
        g_array_index (words, float, (t - begin) * n_labels + i) = g_array_index (column, float, t);
    }
  return TRUE;
}

gboolean
reformer_labels_read (ReformerClasses            *self,
                      const ReformerParsing      *parsing,
                      const ReformerRecord       *record,
                      const ReformerRecordPlace  *place,
                      gsize                       n_tokens,
                      gsize                       begin,
                      gsize                       end,
                      GBytes                    **labels,
                      GError                    **error)
{
  g_autoptr (GArray) words = g_array_new (FALSE, FALSE, sizeof (gint32));
  gboolean read = FALSE;

  *labels = NULL;
  switch (parsing->settings->kind)
    {
    case REFORMER_LABELLING_CLASS:
      read = read_class (self, parsing, record, words, error);
      break;
    case REFORMER_LABELLING_NUMBERS:
      read = read_numbers (self, parsing, record, place, words, error);
      break;
    case REFORMER_LABELLING_CLASSES:
      read = read_classes (self, parsing, record, words, error);
      break;
    case REFORMER_LABELLING_SPAN:
      read = read_span (parsing, record, place, n_tokens, begin, end, words, error);
      break;
    case REFORMER_LABELLING_TOKENS:
      read = read_tokens (self, parsing, record, n_tokens, begin, end, words, error);
      break;
    case REFORMER_LABELLING_VALUES:
      read = read_values (parsing, record, n_tokens, begin, end, words, error);
      break;
    case REFORMER_LABELLING_NONE:
    default:
      return TRUE;
    }
  if (read)
    *labels = g_bytes_new (words->data, (gsize) words->len * sizeof (gint32));
  return read;
}
