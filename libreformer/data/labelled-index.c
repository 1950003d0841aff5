/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <errno.h>
#include <string.h>

#include <libreformer/data/reformer-alphabet-tokenizer.h>
#include <libreformer/files/reformer-file-error.h>

#include "data/tokenizer-private.h"
#include "files/reading.h"

/* What was found in the file; does not change any more. */
typedef struct
{
  ReformerTextFile    *file;
  ReformerLayout       layout;
  ReformerClasses      classes;
  ReformerRecordPlace *places;
  guint                n;
  guint                capacity;
} Content;

struct _ReformerLabelledIndex
{
  gatomicrefcount           refs;
  GFile                    *file;
  ReformerLabelledSettings  settings;
  ReformerTokenizer        *tokenizer; /* NULL: numbers */
  GMutex                    mutex;     /* for what follows */
  Content                  *content;   /* NULL: not read yet */
};

/* ---- Settings ---- */

void
reformer_labelled_settings_copy (ReformerLabelledSettings       *to,
                                 const ReformerLabelledSettings *from)
{
  *to = *from;
  to->columns = g_strdupv (from->columns);
  to->label_columns = g_strdupv (from->label_columns);
  to->classes = g_strdupv (from->classes);
}

void
reformer_labelled_settings_clear (ReformerLabelledSettings *self)
{
  g_clear_pointer (&self->columns, g_strfreev);
  g_clear_pointer (&self->label_columns, g_strfreev);
  g_clear_pointer (&self->classes, g_strfreev);
}

/* ---- The object ---- */

static void
content_free (Content *content)
{
  if (content->file != NULL)
    reformer_text_file_unref (content->file);
  reformer_layout_clear (&content->layout);
  reformer_classes_clear (&content->classes);
  g_free (content->places);
  g_free (content);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Content, content_free)

ReformerLabelledIndex *
reformer_labelled_index_new (GFile                          *file,
                             const ReformerLabelledSettings *settings,
                             ReformerTokenizer              *tokenizer)
{
  ReformerLabelledIndex *self = g_new0 (ReformerLabelledIndex, 1);

  g_atomic_ref_count_init (&self->refs);
  self->file = g_object_ref (file);
  reformer_labelled_settings_copy (&self->settings, settings);
  self->tokenizer = tokenizer != NULL ? g_object_ref (tokenizer) : NULL;
  g_mutex_init (&self->mutex);
  return self;
}

ReformerLabelledIndex *
reformer_labelled_index_ref (ReformerLabelledIndex *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
reformer_labelled_index_unref (ReformerLabelledIndex *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_object_unref (self->file);
  reformer_labelled_settings_clear (&self->settings);
  g_clear_object (&self->tokenizer);
  g_mutex_clear (&self->mutex);
  g_clear_pointer (&self->content, content_free);
  g_free (self);
}

ReformerTokenizer *
reformer_labelled_index_get_tokenizer (ReformerLabelledIndex *self)
{
  return self->tokenizer;
}

/* ---- Sequences ---- */

static ReformerParsing
get_parsing (ReformerLabelledIndex *self,
             Content               *content)
{
  return (ReformerParsing) { content->file, &self->settings, &content->layout };
}

static gboolean
parse (const ReformerParsing      *parsing,
       ReformerRecord             *record,
       const ReformerRecordPlace  *place,
       GError                    **error)
{
  switch (parsing->settings->format)
    {
    case REFORMER_DATA_FORMAT_CSV:
      return reformer_csv_parse (parsing, record, place, error);
    case REFORMER_DATA_FORMAT_FASTA:
      return reformer_fasta_parse (parsing, record, place, error);
    default:
      return reformer_lines_parse (parsing, record, place, error);
    }
}

static const ReformerField *
nth_field (const ReformerParsing *parsing,
           const ReformerRecord  *record,
           guint                  i)
{
  return &g_array_index (record->fields, ReformerField, parsing->layout->sequence[i]);
}

static gboolean
fail (const ReformerParsing      *parsing,
      const ReformerRecordPlace  *place,
      const char                 *message,
      GError                    **error)
{
  const ReformerField field = { .line = place->line };

  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, parsing->layout, field.line, 0, "%s", message);
}

/* The vectors of all fields, float32. */
static GBytes *
read_vectors (const ReformerParsing      *parsing,
              const ReformerRecord       *record,
              const ReformerRecordPlace  *place,
              GError                    **error)
{
  const guint features = (guint) parsing->settings->features;
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (float));

  for (guint i = 0; i < parsing->layout->n_sequence; i++)
    if (!reformer_field_read_numbers (parsing, nth_field (parsing, record, i), FALSE, numbers, error))
      return NULL;
  if (numbers->len % features != 0)
    {
      reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, NULL, place->line, 0, "the sequence has %u numbers; wanted a multiple of %u (features)", numbers->len, features);
      return NULL;
    }
  return g_bytes_new (numbers->data, (gsize) numbers->len * sizeof (float));
}

/* A letter that the alphabet lacks, with its place; another tokenizer speaks for itself. */
static gboolean
check_letters (ReformerLabelledIndex      *self,
               const ReformerParsing      *parsing,
               const ReformerRecord       *record,
               const ReformerRecordPlace  *place,
               const ReformerField        *field,
               GError                    **error)
{
  g_autofree char *letter = NULL;
  guint64 line = field->line;
  gsize at, column;

  if (!REFORMER_IS_ALPHABET_TOKENIZER (self->tokenizer) || reformer_alphabet_check (REFORMER_ALPHABET_TOKENIZER (self->tokenizer), field->text, field->length, &at))
    return TRUE;
  letter = reformer_field_quote (field->text + at, 1);
  column = at + 1;
  if (self->settings.format == REFORMER_DATA_FORMAT_FASTA)
    reformer_fasta_locate (record, place, at, &line, &column);
  return reformer_labelled_fail (error, REFORMER_FILE_ERROR_INVALID, parsing->file, parsing->layout, line, field->column,
                                 "letter %" G_GSIZE_FORMAT ", \"%s\", is not in the alphabet; wanted one of \"%s\"", column, letter,
                                 reformer_alphabet_tokenizer_get_alphabet (REFORMER_ALPHABET_TOKENIZER (self->tokenizer)));
}

static GBytes *
read_ids (ReformerLabelledIndex      *self,
          const ReformerParsing      *parsing,
          const ReformerRecord       *record,
          const ReformerRecordPlace  *place,
          GError                    **error)
{
  const ReformerField *field = nth_field (parsing, record, 0);
  g_autoptr (GBytes) text = NULL;
  GBytes *ids;

  if (!check_letters (self, parsing, record, place, field, error))
    return NULL;
  text = g_bytes_new (field->text, field->length);
  ids = reformer_tokenizer_encode (self->tokenizer, text, error);
  if (ids == NULL)
    g_prefix_error (error, "%s: line %" G_GUINT64_FORMAT ": ", reformer_text_file_get_path (parsing->file), place->line);
  return ids;
}

static gsize
get_width (ReformerLabelledIndex *self)
{
  return self->settings.numbers ? sizeof (float) * (gsize) self->settings.features : sizeof (gint32);
}

/* The ids or vectors of a parsed record, at least one. */
static GBytes *
read_sequence (ReformerLabelledIndex      *self,
               const ReformerParsing      *parsing,
               const ReformerRecord       *record,
               const ReformerRecordPlace  *place,
               GError                    **error)
{
  g_autoptr (GBytes) elements = self->settings.numbers ? read_vectors (parsing, record, place, error) : read_ids (self, parsing, record, place, error);

  if (elements == NULL)
    return NULL;
  if (g_bytes_get_size (elements) > 0)
    return g_steal_pointer (&elements);
  fail (parsing, place, "the sequence is empty; wanted at least one id", error);
  return NULL;
}

/* ---- Reading all of the file ---- */

static gboolean
needs_counting (ReformerLabelledIndex *self)
{
  const ReformerLabelling kind = self->settings.kind;

  return self->settings.split || self->settings.numbers || kind == REFORMER_LABELLING_SPAN || kind == REFORMER_LABELLING_TOKENS || kind == REFORMER_LABELLING_VALUES;
}

static gboolean
check_columns (ReformerLabelledIndex  *self,
               Content                *content,
               GError                **error)
{
  const guint n = content->layout.n_sequence;

  if (n == 1 || (n > 1 && self->settings.numbers))
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: columns names %u columns; wanted %s", reformer_text_file_get_path (content->file), n,
               self->settings.numbers ? "at least 1" : "1 with the text, or numbers");
  return FALSE;
}

static gboolean
begin (ReformerLabelledIndex  *self,
       Content                *content,
       ReformerScan           *scan,
       ReformerRecord         *record,
       GError                **error)
{
  const ReformerParsing parsing = get_parsing (self, content);
  ReformerRecordPlace place = { 0 };

  if (!reformer_scan_begin (scan, content->file, &self->settings, error))
    return FALSE;
  if (self->settings.format == REFORMER_DATA_FORMAT_CSV)
    {
      if (!reformer_scan_next (scan, record, &place, error))
        return FALSE;
      if (place.size > 0 && !reformer_csv_read_head (&parsing, record, &place, error))
        return FALSE;
    }
  else if (self->settings.format == REFORMER_DATA_FORMAT_FASTA)
    reformer_fasta_layout (&parsing);
  else
    reformer_lines_layout (&parsing);
  return (self->settings.format == REFORMER_DATA_FORMAT_CSV && place.size == 0) ||
         (check_columns (self, content, error) && reformer_classes_begin (&content->classes, &parsing, error));
}

static gboolean
append (Content                    *content,
        const ReformerRecordPlace  *place,
        GError                    **error)
{
  if (content->n == content->capacity)
    {
      const guint capacity = content->capacity < 1024 ? 1024 : content->capacity <= G_MAXUINT / 2 ? content->capacity * 2 : G_MAXUINT;
      ReformerRecordPlace *places = content->n < G_MAXUINT ? g_try_renew (ReformerRecordPlace, content->places, capacity) : NULL;

      if (places == NULL)
        {
          g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: no memory for an index of more than %u sequences (24 bytes each)",
                       reformer_text_file_get_path (content->file), content->n);
          return FALSE;
        }
      content->places = places;
      content->capacity = capacity;
    }
  content->places[content->n++] = *place;
  return TRUE;
}

/* Every record is looked at as a sample will be, so that what is wrong is heard of before training begins. */
static gboolean
look_at (ReformerLabelledIndex  *self,
         Content                *content,
         ReformerRecord         *record,
         ReformerRecordPlace    *place,
         GError                **error)
{
  const ReformerParsing parsing = get_parsing (self, content);
  g_autoptr (GBytes) labels = NULL;
  gsize n_tokens = 0;

  if (!parse (&parsing, record, place, error))
    return FALSE;
  if (needs_counting (self))
    {
      g_autoptr (GBytes) elements = read_sequence (self, &parsing, record, place, error);

      if (elements == NULL)
        return FALSE;
      n_tokens = g_bytes_get_size (elements) / get_width (self);
    }
  else if (nth_field (&parsing, record, 0)->length == 0)
    return fail (&parsing, place, "the sequence is empty; wanted at least one id", error);
  else if (!check_letters (self, &parsing, record, place, nth_field (&parsing, record, 0), error))
    return FALSE;
  if (n_tokens > G_MAXINT32)
    return fail (&parsing, place, "the sequence has more than 2147483647 ids; wanted at most so many", error);
  place->n_tokens = (guint32) n_tokens;
  return reformer_labels_read (&content->classes, &parsing, record, place, n_tokens, 0, n_tokens, &labels, error) && append (content, place, error);
}

static Content *
read_content (ReformerLabelledIndex  *self,
              GError                **error)
{
  g_autoptr (Content) content = g_new0 (Content, 1);
  g_auto (ReformerScan) scan = { NULL };
  g_auto (ReformerRecord) record;
  ReformerRecordPlace place;

  reformer_record_init (&record);
  content->file = self->settings.folder ? reformer_labelled_folder_open (self->file, error) : reformer_labelled_source_open (self->file, error);
  if (content->file == NULL || !begin (self, content, &scan, &record, error))
    return NULL;
  for (;;)
    {
      if (!reformer_scan_next (&scan, &record, &place, error))
        return NULL;
      if (place.size == 0)
        break;
      if (!look_at (self, content, &record, &place, error))
        return NULL;
    }
  if (content->n == 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: has no sequence; wanted at least one", reformer_text_file_get_path (content->file));
      return NULL;
    }
  if (content->classes.open)
    reformer_classes_finish (&content->classes);
  return g_steal_pointer (&content);
}

guint
reformer_labelled_index_read (ReformerLabelledIndex  *self,
                              GError                **error)
{
  g_autoptr (Content) content = NULL;
  gboolean known;

  g_mutex_lock (&self->mutex);
  known = self->content != NULL;
  g_mutex_unlock (&self->mutex);
  if (known)
    return self->content->n;
  /* The tokenizer may be called in another thread, which may want the data set meanwhile: nothing is locked, and if two threads read at once, one result is dropped. */
  content = read_content (self, error);
  if (content == NULL)
    return 0;
  g_mutex_lock (&self->mutex);
  if (self->content == NULL)
    self->content = g_steal_pointer (&content);
  g_mutex_unlock (&self->mutex);
  return self->content->n;
}

ReformerTextFile *
reformer_labelled_index_get_file (ReformerLabelledIndex *self)
{
  return self->content->file;
}

const ReformerClasses *
reformer_labelled_index_get_classes (ReformerLabelledIndex *self)
{
  return &self->content->classes;
}

guint32
reformer_labelled_index_count_tokens (ReformerLabelledIndex *self,
                                      guint                  record)
{
  return self->content->places[record].n_tokens;
}

/* ---- One sample ---- */

ReformerSample *
reformer_labelled_index_read_sample (ReformerLabelledIndex  *self,
                                     guint                   number,
                                     guint64                 piece,
                                     int                     length,
                                     GError                **error)
{
  Content *content = self->content;
  const ReformerRecordPlace *place = content->places + number;
  const ReformerParsing parsing = get_parsing (self, content);
  const gsize width = get_width (self);
  g_auto (ReformerRecord) record;
  g_autoptr (GBytes) bytes = NULL, elements = NULL, part = NULL, labels = NULL;
  gsize n_tokens, first, end;

  reformer_record_init (&record);
  bytes = reformer_text_file_read (content->file, place->offset, place->size, error);
  if (bytes == NULL)
    return NULL;
  if (!reformer_record_grow (&record, place->size))
    {
      reformer_file_set_errno (error, ENOMEM, reformer_text_file_get_path (content->file), "cannot be read");
      return NULL;
    }
  memcpy (record.bytes, g_bytes_get_data (bytes, NULL), place->size);
  record.size = place->size;
  if (!parse (&parsing, &record, place, error))
    return NULL;
  elements = read_sequence (self, &parsing, &record, place, error);
  if (elements == NULL)
    return NULL;
  n_tokens = g_bytes_get_size (elements) / width;
  first = (gsize) piece * (gsize) length;
  end = MIN (n_tokens, first + (gsize) length);
  if (first >= n_tokens)
    {
      fail (&parsing, place, "the tokenizer made fewer ids than when the file was read first; wanted as many", error);
      return NULL;
    }
  if (!reformer_labels_read (&content->classes, &parsing, &record, place, n_tokens, first, end, &labels, error))
    return NULL;
  part = g_bytes_new_from_bytes (elements, first * width, (end - first) * width);
  return self->settings.numbers ? reformer_sample_new_from_values (part, self->settings.features, NULL, labels) : reformer_sample_new (part, NULL, labels);
}
