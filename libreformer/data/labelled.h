/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/data/reformer-labelled-dataset.h>

#include "data/text-file.h"

G_BEGIN_DECLS

/*
 * Labelled sequences, in four steps: a file is cut into records (labelled-records.c: one line, one row, one entry), a record into fields (labelled-lines.c, labelled-csv.c,
 * labelled-fasta.c), label fields become labels (labelled-labels.c), and all of it is looked at once, which leaves an index (labelled-index.c).
 */

/* The most bytes of a record, columns of a table, names of classes, and bytes of a name. */
#define REFORMER_RECORD_LIMIT (256u << 20)
#define REFORMER_COLUMN_LIMIT 65536u
#define REFORMER_CLASS_LIMIT 65536u
#define REFORMER_NAME_LIMIT 255u

typedef struct
{
  ReformerDataFormat  format; /* of an index LINES, CSV or FASTA */
  gboolean            folder; /* a folder of classes, read as CSV */
  ReformerLabelling   kind;
  char                separator;
  gboolean            numbers;
  int                 features;
  gboolean            split;
  char              **columns;       /* empty: by default */
  char              **label_columns; /* the same */
  char              **classes;       /* empty: those that are found */
} ReformerLabelledSettings;

/* A record within the file: its bytes, without the end of the last line, and the line where it begins, counted from 1. */
typedef struct
{
  guint64 offset;
  guint64 line;
  guint32 size;
  guint32 n_tokens; /* ids or vectors, where they had to be counted; 0: not */
} ReformerRecordPlace;

/* A piece of a record, for as long as the record is. */
typedef struct
{
  const char *text;
  gsize       length;
  guint64     line;
  guint       column; /* from 1; 0: the format has none */
} ReformerField;

typedef struct
{
  GArray *fields;     /* ReformerField */
  char   *bytes;      /* of the file */
  char   *unescaped;  /* what fields point into that are not in the file as they are; as large as bytes */
  gsize   size;
  gsize   capacity;
} ReformerRecord;

void     reformer_record_init  (ReformerRecord  *self);
void     reformer_record_clear (ReformerRecord  *self);
/* Room for so many bytes; keeps those that are there. */
gboolean reformer_record_grow  (ReformerRecord  *self,
                                gsize            size);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerRecord, reformer_record_clear)

/* Where the fields of a record are, after the head of the file was read. */
typedef struct
{
  guint   n_columns;   /* of a table; 0: no table */
  char  **names;       /* of its columns */
  guint  *sequence;    /* fields with the sequence */
  guint   n_sequence;
  guint  *labels;      /* and with the label */
  guint   n_labels;
} ReformerLayout;

void     reformer_layout_clear (ReformerLayout  *self);

/* What is wrong with a line, or with a field of it: "FILE: line 3, column 2 (price): MESSAGE". Returns FALSE. */
gboolean reformer_labelled_fail (GError               **error,
                                 int                    code,
                                 ReformerTextFile      *file,
                                 const ReformerLayout  *layout,
                                 guint64                line,
                                 guint                  column,
                                 const char            *format,
                                 ...) G_GNUC_PRINTF (7, 8);
/* A field in a message. */
char    *reformer_field_quote   (const char            *text,
                                 gsize                  length);

/* ---- labelled-records.c ---- */

typedef struct
{
  ReformerTextFile *file;
  ReformerDataFormat format;
  char              separator;
  guint64           size;   /* of the file */
  guint64           at;     /* what is read next */
  guint64           line;
  char             *buffer;
  gsize             capacity, begin, end;
} ReformerScan;

gboolean reformer_scan_begin (ReformerScan                    *self,
                              ReformerTextFile                *file,
                              const ReformerLabelledSettings  *settings,
                              GError                         **error);
void     reformer_scan_clear (ReformerScan                    *self);
/* The next record that is not blank: into `record`; place->size 0 at the end of the file. */
gboolean reformer_scan_next  (ReformerScan                    *self,
                              ReformerRecord                  *record,
                              ReformerRecordPlace             *place,
                              GError                         **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerScan, reformer_scan_clear)

/* ---- Formats: fields of a record ---- */

typedef struct
{
  ReformerTextFile               *file;
  const ReformerLabelledSettings *settings;
  ReformerLayout                 *layout;
} ReformerParsing;

/* The first record of a table has the names of columns; sets the layout. For the other formats there is none. */
gboolean reformer_csv_read_head   (const ReformerParsing      *parsing,
                                   ReformerRecord             *record,
                                   const ReformerRecordPlace  *place,
                                   GError                    **error);
gboolean reformer_csv_parse       (const ReformerParsing      *parsing,
                                   ReformerRecord             *record,
                                   const ReformerRecordPlace  *place,
                                   GError                    **error);
/* Lines and FASTA: fields 0 (sequence), 1 and so on (labels). */
void     reformer_lines_layout    (const ReformerParsing      *parsing);
gboolean reformer_lines_parse     (const ReformerParsing      *parsing,
                                   ReformerRecord             *record,
                                   const ReformerRecordPlace  *place,
                                   GError                    **error);
void     reformer_fasta_layout    (const ReformerParsing      *parsing);
gboolean reformer_fasta_parse     (const ReformerParsing      *parsing,
                                   ReformerRecord             *record,
                                   const ReformerRecordPlace  *place,
                                   GError                    **error);
/* Line of the file, and column within it, of a letter of the sequence of such a record. */
void     reformer_fasta_locate    (const ReformerRecord       *record,
                                   const ReformerRecordPlace  *place,
                                   gsize                       letter,
                                   guint64                    *line,
                                   gsize                      *column);

/* ---- labelled-labels.c ---- */

typedef struct
{
  char       **names;   /* in their order */
  GHashTable  *numbers; /* name: its number + 1; while they are looked for: 1 */
  gboolean     open;    /* while they are looked for */
  guint        n_labels; /* numbers of a label; 0: not known yet */
} ReformerClasses;

gboolean reformer_classes_begin  (ReformerClasses        *self,
                                  const ReformerParsing  *parsing,
                                  GError                **error);
/* Nothing more is looked for: puts what was found in order. */
void     reformer_classes_finish (ReformerClasses        *self);
void     reformer_classes_clear  (ReformerClasses        *self);

/* Appends the numbers of a field, which are separated by blanks or commas; `nan` is one only if it may. */
gboolean reformer_field_read_numbers (const ReformerParsing  *parsing,
                                      const ReformerField    *field,
                                      gboolean                may_lack,
                                      GArray                 *floats,
                                      GError                **error);
/* The labels of a record with n_tokens ids or vectors, as a sample of its part from `begin` to `end` has them; NULL without an error where there are no labels. While classes are
 * looked for, the numbers of classes are not right yet. */
gboolean reformer_labels_read    (ReformerClasses            *self,
                                  const ReformerParsing      *parsing,
                                  const ReformerRecord       *record,
                                  const ReformerRecordPlace  *place,
                                  gsize                       n_tokens,
                                  gsize                       begin,
                                  gsize                       end,
                                  GBytes                    **labels,
                                  GError                    **error);

/* ---- labelled-index.c ---- */

/* All that is known of a file after it was looked at as a whole. It is read when it is first wanted, from any thread. */
typedef struct _ReformerLabelledIndex ReformerLabelledIndex;

ReformerLabelledIndex *reformer_labelled_index_new           (GFile                           *file,
                                                              const ReformerLabelledSettings  *settings,
                                                              ReformerTokenizer               *tokenizer);
ReformerLabelledIndex *reformer_labelled_index_ref           (ReformerLabelledIndex           *self);
void                   reformer_labelled_index_unref         (ReformerLabelledIndex           *self);
ReformerTokenizer     *reformer_labelled_index_get_tokenizer (ReformerLabelledIndex           *self);
/* The number of records, at least 1 and below 2^32; 0 after an error. Before everything that follows. */
guint                  reformer_labelled_index_read          (ReformerLabelledIndex           *self,
                                                              GError                         **error);
ReformerTextFile      *reformer_labelled_index_get_file      (ReformerLabelledIndex           *self);
const ReformerClasses *reformer_labelled_index_get_classes   (ReformerLabelledIndex           *self);
/* Ids or vectors of a record, where they were counted. */
guint32                reformer_labelled_index_count_tokens  (ReformerLabelledIndex           *self,
                                                              guint                            record);
/* The ids or vectors of a record from piece * length on, and at most so many. */
ReformerSample        *reformer_labelled_index_read_sample   (ReformerLabelledIndex           *self,
                                                              guint                            record,
                                                              guint64                          piece,
                                                              int                              length,
                                                              GError                         **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerLabelledIndex, reformer_labelled_index_unref)

void reformer_labelled_settings_copy  (ReformerLabelledSettings        *to,
                                       const ReformerLabelledSettings  *from);
void reformer_labelled_settings_clear (ReformerLabelledSettings        *self);

/* ---- labelled-view.c ---- */

/* A part of the records, cut at a length: what has samples. Does not change. */
typedef struct _ReformerLabelledView ReformerLabelledView;

/* Reads the file where that was not done yet. */
ReformerLabelledView  *reformer_labelled_view_new           (ReformerLabelledIndex  *index,
                                                             double                  fraction,
                                                             gboolean                held_out,
                                                             gboolean                split,
                                                             int                     length,
                                                             GError                **error);
ReformerLabelledView  *reformer_labelled_view_ref           (ReformerLabelledView   *self);
void                   reformer_labelled_view_unref         (ReformerLabelledView   *self);
ReformerLabelledIndex *reformer_labelled_view_get_index     (ReformerLabelledView   *self);
int                    reformer_labelled_view_get_length    (ReformerLabelledView   *self);
guint                  reformer_labelled_view_count_records (ReformerLabelledView   *self);
gint64                 reformer_labelled_view_count_samples (ReformerLabelledView   *self);
ReformerSample        *reformer_labelled_view_read_sample   (ReformerLabelledView   *self,
                                                             gint64                  index,
                                                             GError                **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerLabelledView, reformer_labelled_view_unref)

/* ---- labelled-source.c ---- */

/* The file itself; where it is packed by gzip, or not on a local file system, what is read from it, in a temporary file without a name. */
ReformerTextFile *reformer_labelled_source_open    (GFile       *file,
                                                    GError     **error);
/* A temporary file without a name, or -1. */
int               reformer_labelled_make_temporary (const char  *display,
                                                    GError     **error);

/* ---- labelled-folder.c ---- */

/* A folder of classes, as a table with the columns label and text. */
ReformerTextFile *reformer_labelled_folder_open    (GFile       *folder,
                                                    GError     **error);

G_END_DECLS
