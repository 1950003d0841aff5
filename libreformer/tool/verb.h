/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <libreformer/reformer.h>

G_BEGIN_DECLS

/* A verb is one file with one ToolVerb; main.c has the table. Data goes to standard output, messages to standard error, one line each. */

enum
{
  TOOL_DONE = 0,
  TOOL_FAILED = 1,
  TOOL_USAGE = 2, /* the command line is wrong */
};

typedef struct _ToolProperties ToolProperties; /* property-options.h */

typedef struct
{
  const char *name;
  const char *arguments; /* the positional ones, for the help; NULL: none */
  const char *summary;   /* what it does, in a few words */
  const char *help;      /* the rest of --help, an example among it */
  int       (*run) (int    argc,
                    char **argv); /* argv[0] is the verb; returns the exit status */
} ToolVerb;

extern const ToolVerb tool_verb_bench;
extern const ToolVerb tool_verb_devices;
extern const ToolVerb tool_verb_evaluate;
extern const ToolVerb tool_verb_generate;
extern const ToolVerb tool_verb_info;
extern const ToolVerb tool_verb_plan;
extern const ToolVerb tool_verb_train;

/* ---- options.c ---- */

/* Parses a verb's options, --help among them, into what the entries point to; positional arguments go to `arguments` (NULL: none are wanted), which
 * must then be between `least` and `most`. FALSE after a message: wrong usage. */
gboolean tool_parse        (const ToolVerb      *verb,
                            const GOptionEntry  *entries,
                            int                  argc,
                            char               **argv,
                            char              ***arguments,
                            guint                least,
                            guint                most);
/* With options made from properties, which are in range then; NULL: none. */
gboolean tool_parse_properties (const ToolVerb      *verb,
                                const GOptionEntry  *entries,
                                ToolProperties      *properties,
                                int                  argc,
                                char               **argv,
                                char              ***arguments,
                                guint                least,
                                guint                most);
/* A message about wrong usage, with the verb and where its help is. */
int      tool_usage        (const ToolVerb      *verb,
                            const char          *format,
                            ...) G_GNUC_PRINTF (2, 3);
/* Values of options. NULL leaves what `value` has; FALSE after a message. */
gboolean tool_parse_number (const ToolVerb      *verb,
                            const char          *option,
                            const char          *text,
                            gint64               least,
                            gint64               most,
                            gint64              *value);
gboolean tool_parse_keep   (const ToolVerb      *verb,
                            const char          *text,
                            ReformerKeep        *keep);
/* 512M, 4G, 1.5GiB: powers of 1024. */
gboolean tool_parse_size   (const ToolVerb      *verb,
                            const char          *option,
                            const char          *text,
                            guint64             *value);

/* ---- output.c ---- */

/* "reformer: ..." on standard error, in one line. tool_fail() returns TOOL_FAILED, tool_fail_error() also frees the error. */
void     tool_message      (const char          *format,
                            ...) G_GNUC_PRINTF (1, 2);
int      tool_fail         (const char          *format,
                            ...) G_GNUC_PRINTF (1, 2);
int      tool_fail_error   (GError              *error);
/* Takes the object. */
void     tool_print_json   (json_t              *object);
/* A JSON string of any text, also of what is no UTF-8. */
json_t  *tool_json_string  (const char          *text);
/* A JSON array of integers, or "[64, 192]". */
json_t  *tool_json_ints    (const int           *values,
                            gsize                n);
char    *tool_format_ints  (const int           *values,
                            gsize                n);
/* "512.0 KiB", "5.4 MiB", "31.2 GiB" */
char    *tool_format_bytes (guint64              bytes);
/* "everything" */
const char *tool_keep_get_name (ReformerKeep     keep);
/* Lines of "key   value". */
void     tool_print_field  (const char          *key,
                            const char          *format,
                            ...) G_GNUC_PRINTF (2, 3);
/* Rows of n cells each, the first row the heading; in `right` an 'r' for every column with numbers. */
void     tool_print_table  (GPtrArray           *rows,
                            const char          *right);
/* The end of every verb: what could not be written is a failure. */
int      tool_close        (int                  status);
/* The same where exit() is called elsewhere: GOption does after --help. */
void     tool_close_at_exit (void);

G_END_DECLS
