/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "property-options.h"

#include <string.h>

typedef struct
{
  const ToolPropertyHelp *help;
  char                   *group;
  const char             *property;
  GPtrArray              *pspecs; /* one for each class that has it; borrowed */
  char                   *off;    /* no-NAME of a switch */
  const char             *standard; /* for the help; NULL: the command's or the property's */
  char                   *typed;  /* the name under which it was given; NULL: it was not */
  GPtrArray              *texts;  /* as given */
} Option;

typedef struct
{
  char *name, *title; /* name NULL: the main group */
} Group;

struct _ToolProperties
{
  GPtrArray *options;
  GPtrArray *groups;
  GPtrArray *strings; /* texts that live as long as the options */
  GArray    *classes; /* of the pspecs */
};

static void
option_free (gpointer data)
{
  Option *option = data;

  g_free (option->group);
  g_free (option->off);
  g_free (option->typed);
  g_ptr_array_unref (option->pspecs);
  g_ptr_array_unref (option->texts);
  g_free (option);
}

static void
group_free (gpointer data)
{
  Group *group = data;

  g_free (group->name);
  g_free (group->title);
  g_free (group);
}

ToolProperties *
tool_properties_new (void)
{
  ToolProperties *self = g_new0 (ToolProperties, 1);

  self->options = g_ptr_array_new_with_free_func (option_free);
  self->groups = g_ptr_array_new_with_free_func (group_free);
  self->strings = g_ptr_array_new_with_free_func (g_free);
  self->classes = g_array_new (FALSE, FALSE, sizeof (gpointer));
  return self;
}

void
tool_properties_free (ToolProperties *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->options);
  g_ptr_array_unref (self->groups);
  g_ptr_array_unref (self->strings);
  for (guint i = 0; i < self->classes->len; i++)
    g_type_class_unref (g_array_index (self->classes, gpointer, i));
  g_array_unref (self->classes);
  g_free (self);
}

/* ---- What there is ---- */

static Option *
find_option (ToolProperties *self,
             const char     *name)
{
  for (guint i = 0; i < self->options->len; i++)
    {
      Option *option = self->options->pdata[i];

      if (g_str_equal (option->help->name, name) || g_strcmp0 (option->off, name) == 0)
        return option;
    }
  return NULL;
}

/* Two classes have a `decay`; the schedule's is the one that people mean. And of what a fraction is, the option has to say. */
static const char *
name_option (GType       type,
             const char *property)
{
  if (type == REFORMER_TYPE_ADAFACTOR && g_str_equal (property, "decay"))
    return "adafactor-decay";
  return type == REFORMER_TYPE_MASKED_DATASET && g_str_equal (property, "fraction") ? "mask-fraction" : property;
}

static void
add_option (ToolProperties *self,
            const char     *group,
            GType           type,
            GParamSpec     *pspec)
{
  const ToolPropertyHelp *help = tool_property_get_help (name_option (type, pspec->name));
  Option *option = help != NULL ? find_option (self, help->name) : NULL;

  if (help == NULL)
    return;
  if (option == NULL)
    {
      option = g_new0 (Option, 1);
      option->help = help;
      option->group = g_strdup (group);
      option->property = pspec->name;
      option->pspecs = g_ptr_array_new ();
      option->texts = g_ptr_array_new_with_free_func (g_free);
      if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
        option->off = g_strconcat ("no-", help->name, NULL);
      g_ptr_array_add (self->options, option);
    }
  g_ptr_array_add (option->pspecs, pspec);
}

void
tool_properties_set_standard (ToolProperties *self,
                              const char     *name,
                              const char     *standard)
{
  find_option (self, name)->standard = standard;
}

void
tool_properties_add (ToolProperties    *self,
                     const char        *group,
                     const char        *title,
                     GType              type,
                     const char *const *names)
{
  gpointer klass = g_type_class_ref (type);
  guint n;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (klass, &n);
  gboolean known = FALSE;

  g_array_append_val (self->classes, klass);
  for (guint i = 0; i < self->groups->len; i++)
    known = known || g_strcmp0 (((Group *) self->groups->pdata[i])->name, group) == 0;
  if (!known)
    {
      Group *added = g_new0 (Group, 1);

      added->name = g_strdup (group);
      added->title = g_strdup (title);
      g_ptr_array_add (self->groups, added);
    }
  for (guint i = 0; i < n; i++)
    if (tool_property_is_option (pspecs[i]) && (names == NULL || g_strv_contains (names, pspecs[i]->name)))
      add_option (self, group, type, pspecs[i]);
}

/* ---- GOption ---- */

static gboolean
take (const char  *name,
      const char  *value,
      gpointer     data,
      GError     **error)
{
  ToolProperties *self = data;
  Option *option = find_option (self, name + 2); /* behind -- */

  if (option->off != NULL)
    value = g_str_equal (name + 2, option->off) ? "false" : "true";
  g_free (option->typed);
  option->typed = g_strdup (name + 2);
  g_ptr_array_add (option->texts, g_strdup (value));
  return TRUE;
}

static const char *
keep (ToolProperties *self,
      char           *text)
{
  g_ptr_array_add (self->strings, text);
  return text;
}

/* With the default, where all classes agree on it, and the names of a choice. */
static const char *
help_text (ToolProperties *self,
           Option         *option)
{
  g_autofree char *standard = NULL, *choice = NULL;
  gboolean same = TRUE;

  for (guint i = 0; i < option->pspecs->len; i++)
    {
      GParamSpec *pspec = option->pspecs->pdata[i];
      g_autofree char *text = tool_property_format (pspec, g_param_spec_get_default_value (pspec));

      if (G_IS_PARAM_SPEC_ENUM (pspec) && choice == NULL)
        choice = tool_property_describe (pspec);
      same = same && (i == 0 || g_strcmp0 (text, standard) == 0);
      g_free (standard);
      standard = g_steal_pointer (&text);
    }
  if (option->standard != NULL || option->help->standard != NULL)
    {
      g_free (standard);
      standard = g_strdup (option->standard != NULL ? option->standard : option->help->standard);
    }
  else if (!same || standard == NULL || standard[0] == '\0' || g_strcmp0 (option->group, "config") == 0) /* whose default is the preset's */
    g_clear_pointer (&standard, g_free);
  if (option->off != NULL && standard != NULL)
    return keep (self, g_strdup_printf ("%s (%s)", option->help->help, g_str_equal (standard, "true") ? "yes" : "no"));
  return keep (self, g_strconcat (option->help->help, choice != NULL ? ": " : "", choice != NULL ? choice : "",
                                  standard != NULL ? " (" : "", standard != NULL ? standard : "", standard != NULL ? ")" : "", NULL));
}

static void
add_entries (ToolProperties *self,
             const char     *name,
             GOptionGroup   *group)
{
  for (guint i = 0; i < self->options->len; i++)
    {
      Option *option = self->options->pdata[i];
      const int flags = option->off != NULL ? G_OPTION_FLAG_NO_ARG : G_OPTION_FLAG_FILENAME; /* bytes as they are: the locale may have no UTF-8 */
      const GOptionEntry entries[] = {
        { option->help->name, 0, flags, G_OPTION_ARG_CALLBACK, (gpointer) take, help_text (self, option), option->help->value },
        G_OPTION_ENTRY_NULL,
      };
      const GOptionEntry off[] = {
        { option->off, 0, flags, G_OPTION_ARG_CALLBACK, (gpointer) take, keep (self, g_strdup_printf ("not --%s", option->help->name)), NULL },
        G_OPTION_ENTRY_NULL,
      };

      if (g_strcmp0 (option->group, name) != 0)
        continue;
      g_option_group_add_entries (group, entries);
      if (option->off != NULL)
        g_option_group_add_entries (group, off);
    }
}

void
tool_properties_add_groups (ToolProperties *self,
                            GOptionContext *context,
                            GOptionGroup   *main_group)
{
  for (guint i = 0; i < self->groups->len; i++)
    {
      Group *group = self->groups->pdata[i];
      GOptionGroup *made = NULL;

      if (group->name != NULL)
        made = g_option_group_new (group->name, keep (self, g_strdup_printf ("%s:", group->title)),
                                   keep (self, g_strdup_printf ("Show %s%s", (char[]) { g_ascii_tolower (group->title[0]), '\0' }, group->title + 1)), self, NULL);
      add_entries (self, group->name, made != NULL ? made : main_group);
      if (made != NULL)
        g_option_context_add_group (context, made);
    }
}

/* ---- What was given ---- */

gboolean
tool_properties_find_kind (ToolProperties  *self,
                           const char      *name,
                           gboolean        *takes_value,
                           char           **other)
{
  const Option *option = find_option (self, name);

  for (guint i = 0; i < self->groups->len && option == NULL; i++) /* GOption also takes --GROUP-NAME */
    {
      const char *group = ((Group *) self->groups->pdata[i])->name;

      if (group != NULL && g_str_has_prefix (name, group) && name[strlen (group)] == '-')
        option = find_option (self, name + strlen (group) + 1);
    }
  if (option == NULL)
    return FALSE;
  *takes_value = option->off == NULL;
  *other = option->off != NULL ? g_strdup (g_str_has_suffix (name, option->off) ? option->help->name : option->off) : NULL;
  return TRUE;
}

const char *
tool_properties_get_given (ToolProperties *self,
                           const char     *name)
{
  const Option *option = find_option (self, name);

  return option != NULL ? option->typed : NULL;
}

const char *
tool_properties_find_given (ToolProperties    *self,
                            const char        *group,
                            const char *const *but)
{
  for (guint i = 0; i < self->options->len; i++)
    {
      const Option *option = self->options->pdata[i];

      if (option->typed != NULL && (group == NULL || g_strcmp0 (option->group, group) == 0) && (but == NULL || !g_strv_contains (but, option->help->name)))
        return option->typed;
    }
  return NULL;
}

/* Another class may have a property of the same name that is not this option. */
static GParamSpec *
find_pspec (const Option *option,
            GObject      *object)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), option->property);

  return pspec != NULL && g_ptr_array_find (option->pspecs, pspec, NULL) ? pspec : NULL;
}

/* The last text counts; where a list is given text by text (--stop), all of them. */
static gboolean
read_value (const Option *option,
            GParamSpec   *pspec,
            GValue       *value)
{
  if (!g_str_equal (option->help->name, "stop"))
    return tool_property_parse (pspec, option->texts->pdata[option->texts->len - 1], value);
  g_value_init (value, G_TYPE_STRV);
  g_ptr_array_add (option->texts, NULL);
  g_value_set_boxed (value, option->texts->pdata);
  g_ptr_array_set_size (option->texts, (int) option->texts->len - 1);
  for (guint i = 0; i < option->texts->len; i++)
    if (!g_utf8_validate (option->texts->pdata[i], -1, NULL))
      return FALSE;
  return TRUE;
}

/* Whether it is in the property's range, and yet nothing that the command can take. */
static gboolean
is_below (const ToolPropertyHelp *help,
          const GValue           *value)
{
  g_auto (GValue) number = G_VALUE_INIT;

  g_value_init (&number, G_TYPE_DOUBLE);
  return help->range != NULL && g_value_transform (value, &number) && !(g_value_get_double (&number) > 0);
}

/* FALSE after a message. */
static gboolean
read_checked (const ToolVerb *verb,
              const Option   *option,
              GParamSpec     *pspec,
              GValue         *value)
{
  g_autofree char *wanted = NULL;

  if (read_value (option, pspec, value) && !is_below (option->help, value))
    return TRUE;
  if (g_str_equal (option->help->name, "stop") || !g_utf8_validate (option->texts->pdata[option->texts->len - 1], -1, NULL))
    wanted = g_strdup ("a text in UTF-8");
  else
    wanted = option->help->range != NULL ? g_strdup (option->help->range) : tool_property_describe (pspec);
  tool_usage (verb, "--%s is \"%s\", %s is wanted", option->typed, (char *) option->texts->pdata[option->texts->len - 1], wanted);
  return FALSE;
}

gboolean
tool_properties_read (ToolProperties *self,
                      const ToolVerb *verb,
                      const char     *name,
                      GValue         *value)
{
  const Option *option = find_option (self, name);

  return option == NULL || option->typed == NULL || read_checked (verb, option, option->pspecs->pdata[0], value);
}

gboolean
tool_properties_alias (ToolProperties *self,
                       const ToolVerb *verb,
                       const char     *name,
                       const char     *typed,
                       const char     *text)
{
  Option *option = find_option (self, name);
  g_auto (GValue) value = G_VALUE_INIT;

  if (text == NULL)
    return TRUE;
  if (option->typed != NULL)
    {
      tool_usage (verb, "--%s and --%s are the same option", typed, name);
      return FALSE;
    }
  option->typed = g_strdup (typed);
  g_ptr_array_add (option->texts, g_strdup (text));
  return read_checked (verb, option, option->pspecs->pdata[0], &value);
}

gboolean
tool_properties_check (ToolProperties *self,
                       const ToolVerb *verb)
{
  for (guint i = 0; i < self->options->len; i++)
    {
      const Option *option = self->options->pdata[i];
      g_auto (GValue) value = G_VALUE_INIT;

      if (option->typed != NULL && !read_checked (verb, option, option->pspecs->pdata[0], &value))
        return FALSE;
    }
  return TRUE;
}

gboolean
tool_properties_apply (ToolProperties *self,
                       const ToolVerb *verb,
                       GObject        *object)
{
  for (guint i = 0; i < self->options->len; i++)
    {
      const Option *option = self->options->pdata[i];
      GParamSpec *pspec = option->typed != NULL ? find_pspec (option, object) : NULL;
      g_auto (GValue) value = G_VALUE_INIT;

      if (pspec == NULL || (pspec->flags & G_PARAM_CONSTRUCT_ONLY) != 0)
        continue;
      if (!read_checked (verb, option, pspec, &value))
        return FALSE;
      g_object_set_property (object, pspec->name, &value);
    }
  return TRUE;
}

gboolean
tool_properties_check_used (ToolProperties *self,
                            const ToolVerb *verb,
                            const char     *group,
                            GObject        *object,
                            const char     *what)
{
  for (guint i = 0; i < self->options->len; i++)
    {
      const Option *option = self->options->pdata[i];

      if (option->typed != NULL && g_strcmp0 (option->group, group) == 0 && find_pspec (option, object) == NULL)
        {
          tool_usage (verb, "--%s is no option of %s", option->typed, what);
          return FALSE;
        }
    }
  return TRUE;
}
