/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* Options of the command made from the properties of the library's classes: a property that can be written and is a number, a switch, a choice or a list is
 * --NAME, its range is the option's. Switches are also --no-NAME; lists are separated by commas. */

/* ---- property-help.c ---- */

typedef struct
{
  const char *name;  /* the option's */
  const char *value; /* what --help writes for the value; NULL: a switch */
  const char *help;
  const char *standard; /* the command's own default; NULL: the property's */
  const char *range; /* of a number that must be above 0 here and may be 0 in the library; NULL: the property's */
} ToolPropertyHelp;

const ToolPropertyHelp *tool_property_get_help (const char *option);

/* ---- property-value.c ---- */

/* Whether a property can be an option. */
gboolean tool_property_is_option (GParamSpec    *pspec);
/* "a number from 0 to 1" */
char    *tool_property_describe  (GParamSpec    *pspec);
/* Initializes `value`; FALSE: the text is no value of the property. */
gboolean tool_property_parse     (GParamSpec    *pspec,
                                  const char    *text,
                                  GValue        *value);
/* The other way round, as it would be written on the command line. */
char    *tool_property_format    (GParamSpec    *pspec,
                                  const GValue  *value);

/* All properties of an object that can be options, for a file; and back, where every one that is there must be one of the object's, in its range.
 * `name` is the file's, for messages. */
json_t  *tool_property_save      (GObject       *object);
gboolean tool_property_load      (GObject       *object,
                                  json_t        *values,
                                  const char    *name,
                                  GError       **error);

/* ---- property-options.c ---- */

ToolProperties *tool_properties_new         (void);
void            tool_properties_free        (ToolProperties     *self);
/* The options of a class; those in `names` only, or NULL: all. Classes that share an option must be of one group. `group` NULL: the main one, which --help
 * shows; else there is --help-GROUP. */
void            tool_properties_add         (ToolProperties     *self,
                                             const char         *group,
                                             const char         *title,
                                             GType               type,
                                             const char *const  *names);
/* Another default than the property's, for the help; the text stays the caller's. */
void            tool_properties_set_standard (ToolProperties    *self,
                                             const char         *option,
                                             const char         *standard);
/* For tool_parse_properties(). */
void            tool_properties_add_groups  (ToolProperties     *self,
                                             GOptionContext     *context,
                                             GOptionGroup       *main_group);
/* As if `text` (NULL: nothing) had been given to the option; `typed` is another name of it. FALSE after a message: wrong usage. */
gboolean        tool_properties_alias       (ToolProperties     *self,
                                             const ToolVerb     *verb,
                                             const char         *option,
                                             const char         *typed,
                                             const char         *text);
/* Whether there is such an option, whether it takes a value, and the one that does the opposite, or NULL. */
gboolean        tool_properties_find_kind   (ToolProperties     *self,
                                             const char         *option,
                                             gboolean           *takes_value,
                                             char              **other);
/* Whether it was given; as what. */
const char     *tool_properties_get_given   (ToolProperties     *self,
                                             const char         *option);
/* One of the options of a group (NULL: of all) that were given, and is not in `but`; NULL: there is none. */
const char     *tool_properties_find_given  (ToolProperties     *self,
                                             const char         *group,
                                             const char *const  *but);
/* Whether all that was given is in range; FALSE after a message: wrong usage. */
gboolean        tool_properties_check       (ToolProperties     *self,
                                             const ToolVerb     *verb);
/* One that was given; else `value` stays as it is. FALSE after a message. */
gboolean        tool_properties_read        (ToolProperties     *self,
                                             const ToolVerb     *verb,
                                             const char         *option,
                                             GValue             *value);
/* Sets what was given and is a property of the object; FALSE after a message: wrong usage. */
gboolean        tool_properties_apply       (ToolProperties     *self,
                                             const ToolVerb     *verb,
                                             GObject            *object);
/* The options of `group` that were given must be properties of the object; `what` says what it is. FALSE after a message. */
gboolean        tool_properties_check_used  (ToolProperties     *self,
                                             const ToolVerb     *verb,
                                             const char         *group,
                                             GObject            *object,
                                             const char         *what);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolProperties, tool_properties_free)

G_END_DECLS
