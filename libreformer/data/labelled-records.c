/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "files/reading.h"

#define READ_AT_ONCE (256u * 1024)

/* ---- Messages ---- */

char *
reformer_field_quote (const char *text,
                      gsize       length)
{
  g_autofree char *copy = g_strndup (text, MIN (length, 480));

  return reformer_file_quote (copy);
}

gboolean
reformer_labelled_fail (GError               **error,
                        int                    code,
                        ReformerTextFile      *file,
                        const ReformerLayout  *layout,
                        guint64                line,
                        guint                  column,
                        const char            *format,
                        ...)
{
  g_autofree char *message = NULL, *place = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (column > 0 && layout != NULL && column <= layout->n_columns)
    {
      g_autofree char *name = reformer_file_quote (layout->names[column - 1]);

      place = g_strdup_printf (", column %u (%s)", column, name);
    }
  else
    place = column > 0 ? g_strdup_printf (", column %u", column) : g_strdup ("");
  g_set_error (error, REFORMER_FILE_ERROR, code, "%s: line %" G_GUINT64_FORMAT "%s: %s", reformer_text_file_get_path (file), line, place, message);
  return FALSE;
}

/* ---- Records ---- */

void
reformer_record_init (ReformerRecord *self)
{
  *self = (ReformerRecord) { .fields = g_array_new (FALSE, FALSE, sizeof (ReformerField)) };
}

void
reformer_record_clear (ReformerRecord *self)
{
  g_clear_pointer (&self->fields, g_array_unref);
  g_clear_pointer (&self->bytes, g_free);
  g_clear_pointer (&self->unescaped, g_free);
}

gboolean
reformer_record_grow (ReformerRecord *self,
                      gsize           size)
{
  if (size > self->capacity)
    {
      char *bytes = g_try_realloc (self->bytes, size), *unescaped;

      if (bytes == NULL)
        return FALSE;
      self->bytes = bytes;
      unescaped = g_try_realloc (self->unescaped, size);
      if (unescaped == NULL)
        return FALSE;
      self->unescaped = unescaped;
      self->capacity = size;
    }
  return TRUE;
}

void
reformer_layout_clear (ReformerLayout *self)
{
  g_clear_pointer (&self->names, g_strfreev);
  g_clear_pointer (&self->sequence, g_free);
  g_clear_pointer (&self->labels, g_free);
  self->n_columns = self->n_sequence = self->n_labels = 0;
}

/* ---- Where records end ---- */

/* Where in a row the search for its end is: quotes may hide the end of a line. */
typedef enum
{
  AT_FIELD,
  IN_FIELD,
  IN_QUOTES,
  AFTER_QUOTE,
} State;

typedef struct
{
  const ReformerScan *scan;
  State               state;
  gsize               searched; /* bytes of the record that were looked at */
} Search;

static gboolean
find_row (Search *search)
{
  const char *bytes = search->scan->buffer + search->scan->begin;
  const gsize n = search->scan->end - search->scan->begin;
  State state = search->state;
  gsize i;

  for (i = search->searched; i < n; i++)
    {
      const char c = bytes[i];

      if (state == IN_QUOTES)
        state = c == '"' ? AFTER_QUOTE : IN_QUOTES;
      else if (c == '\n')
        break;
      else if (c == '"' && state != IN_FIELD)
        state = IN_QUOTES;
      else
        state = c == search->scan->separator ? AT_FIELD : IN_FIELD;
    }
  search->searched = i;
  search->state = state;
  return i < n;
}

static gboolean
find_line (Search *search)
{
  const char *bytes = search->scan->buffer + search->scan->begin;
  const gsize n = search->scan->end - search->scan->begin;
  const char *end = memchr (bytes + search->searched, '\n', n - search->searched);

  search->searched = end != NULL ? (gsize) (end - bytes) : n;
  return end != NULL;
}

/* An entry of FASTA ends before a line that begins with '>', so that one byte more must be there. What stands before the first header is an entry too, and refused later. */
static gboolean
find_entry (Search *search)
{
  const char *bytes = search->scan->buffer + search->scan->begin;
  const gsize n = search->scan->end - search->scan->begin;

  for (;;)
    {
      const char *end = memchr (bytes + search->searched, '\n', n - search->searched);

      if (end == NULL || end + 1 == bytes + n)
        {
          search->searched = end == NULL ? n : n - 1;
          return FALSE;
        }
      search->searched = (gsize) (end - bytes);
      if (end[1] == '>')
        return TRUE;
      search->searched++;
    }
}

static gboolean
find_end (Search *search)
{
  switch (search->scan->format)
    {
    case REFORMER_DATA_FORMAT_CSV:
      return find_row (search);
    case REFORMER_DATA_FORMAT_FASTA:
      return find_entry (search);
    default:
      return find_line (search);
    }
}

/* ---- Reading on ---- */

static gboolean
fill (ReformerScan  *self,
      GError       **error)
{
  const gsize n = (gsize) MIN (READ_AT_ONCE, self->size - self->at);
  g_autoptr (GBytes) bytes = NULL;

  if (self->begin > 0)
    {
      memmove (self->buffer, self->buffer + self->begin, self->end - self->begin);
      self->end -= self->begin;
      self->begin = 0;
    }
  if (self->end + n > self->capacity)
    {
      const gsize capacity = MAX (self->end + n, self->capacity * 2);
      char *buffer = g_try_realloc (self->buffer, capacity);

      if (buffer == NULL)
        return reformer_file_set_errno (error, ENOMEM, reformer_text_file_get_path (self->file), "cannot be read");
      self->buffer = buffer;
      self->capacity = capacity;
    }
  bytes = reformer_text_file_read (self->file, self->at, n, error);
  if (bytes == NULL)
    return FALSE;
  memcpy (self->buffer + self->end, g_bytes_get_data (bytes, NULL), n);
  self->at += n;
  self->end += n;
  return TRUE;
}

gboolean
reformer_scan_begin (ReformerScan                    *self,
                     ReformerTextFile                *file,
                     const ReformerLabelledSettings  *settings,
                     GError                         **error)
{
  *self = (ReformerScan) { .file = file, .format = settings->format, .separator = settings->separator, .line = 1 };
  if (!reformer_text_file_get_size (file, &self->size, error) || !fill (self, error))
    return FALSE;
  if (self->end >= 3 && memcmp (self->buffer, "\xef\xbb\xbf", 3) == 0) /* some programs write it before UTF-8 */
    self->begin = 3;
  return TRUE;
}

void
reformer_scan_clear (ReformerScan *self)
{
  g_clear_pointer (&self->buffer, g_free);
}

/* The end of the next record, `size` bytes on; `whole` where the end of a line follows. */
static gboolean
find_record (ReformerScan  *self,
             gsize         *size,
             gboolean      *whole,
             GError       **error)
{
  Search search = { .scan = self, .state = AT_FIELD };

  while (!find_end (&search))
    {
      if (search.searched > REFORMER_RECORD_LIMIT)
        return reformer_labelled_fail (error, REFORMER_FILE_ERROR_LIMIT, self->file, NULL, self->line, 0,
                                       self->format == REFORMER_DATA_FORMAT_CSV ? "begins a row of more than %u bytes; wanted at most so many: is a quote not closed?"
                                                                                : "begins a sequence of more than %u bytes; wanted at most so many", REFORMER_RECORD_LIMIT);
      if (self->at == self->size)
        {
          *size = self->end - self->begin;
          *whole = FALSE;
          return TRUE;
        }
      if (!fill (self, error))
        return FALSE;
    }
  *size = search.searched;
  *whole = TRUE;
  return TRUE;
}

static guint64
count_lines (const char *bytes,
             gsize       n)
{
  guint64 lines = 0;

  for (const char *end; (end = memchr (bytes, '\n', n)) != NULL; lines++)
    {
      n -= (gsize) (end + 1 - bytes);
      bytes = end + 1;
    }
  return lines;
}

static gboolean
is_blank (const char *bytes,
          gsize       n)
{
  for (gsize i = 0; i < n; i++)
    if (!g_ascii_isspace (bytes[i]))
      return FALSE;
  return TRUE;
}

gboolean
reformer_scan_next (ReformerScan         *self,
                    ReformerRecord       *record,
                    ReformerRecordPlace  *place,
                    GError              **error)
{
  for (;;)
    {
      const char *bytes;
      gboolean whole = FALSE, blank;
      gsize size = 0, kept;

      *place = (ReformerRecordPlace) { .line = self->line };
      if (self->begin == self->end && self->at == self->size)
        return TRUE;
      if (!find_record (self, &size, &whole, error))
        return FALSE;
      bytes = self->buffer + self->begin;
      kept = size > 0 && bytes[size - 1] == '\r' ? size - 1 : size;
      blank = is_blank (bytes, kept);
      place->offset = self->at - (self->end - self->begin);
      place->size = (guint32) kept;
      if (!blank && !reformer_record_grow (record, kept))
        return reformer_file_set_errno (error, ENOMEM, reformer_text_file_get_path (self->file), "cannot be read");
      if (!blank)
        memcpy (record->bytes, bytes, kept);
      record->size = kept;
      self->line += count_lines (bytes, size) + whole;
      self->begin += size + whole;
      if (!blank)
        return TRUE;
    }
}
