/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "property-options.h"

#include <string.h>

int
tool_usage (const ToolVerb *verb,
            const char     *format,
            ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  tool_message ("%s: %s; see reformer %s --help", verb->name, text, verb->name);
  return TOOL_USAGE;
}

/* ---- What GOption does not see ---- */

typedef struct
{
  gboolean known, takes_value, text;
  char    *other; /* the option that does the opposite, or NULL */
} Kind;

static Kind
find_kind (const GOptionEntry *entries,
           ToolProperties     *properties,
           const char         *name)
{
  Kind kind = { FALSE, FALSE, FALSE, NULL };

  for (const GOptionEntry *entry = entries; entry->long_name != NULL; entry++)
    if (g_str_equal (entry->long_name, name))
      return (Kind) { TRUE, entry->arg != G_OPTION_ARG_NONE, entry->arg == G_OPTION_ARG_STRING, NULL };
  if (properties != NULL)
    kind.known = tool_properties_find_kind (properties, name, &kind.takes_value, &kind.other);
  return kind;
}

/* GOption passes over the value of an option that takes none, and names no option whose value is no text. FALSE after a message. */
static gboolean
check_values (const ToolVerb      *verb,
              const GOptionEntry  *entries,
              ToolProperties      *properties,
              char               **argv)
{
  for (guint i = 1; argv[i] != NULL && !g_str_equal (argv[i], "--"); i++)
    {
      const char *value = strchr (argv[i], '='), *charset;
      g_autofree char *name = g_str_has_prefix (argv[i], "--") ? g_strndup (argv[i] + 2, value != NULL ? (gsize) (value - argv[i]) - 2 : strlen (argv[i])) : g_strdup ("");
      g_autofree char *text = NULL, *other = NULL;
      const Kind kind = find_kind (entries, properties, name);

      other = kind.other;
      if (kind.known && !kind.takes_value && value != NULL)
        {
          if (other != NULL)
            tool_usage (verb, "--%s takes no value; --%s turns it %s", name, other, g_str_has_prefix (other, "no-") ? "off" : "on");
          else
            tool_usage (verb, "--%s takes no value", name);
          return FALSE;
        }
      if (!kind.takes_value || (value == NULL && argv[i + 1] == NULL))
        continue;
      value = value != NULL ? value + 1 : argv[++i];
      text = kind.text ? g_locale_to_utf8 (value, -1, NULL, NULL, NULL) : g_strdup (value);
      if (text == NULL)
        {
          g_get_charset (&charset);
          tool_usage (verb, "--%s is \"%s\", a text in %s is wanted", name, value, charset);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
tool_parse_properties (const ToolVerb       *verb,
                       const GOptionEntry   *entries,
                       ToolProperties       *properties,
                       int                   argc,
                       char                **argv,
                       char               ***arguments,
                       guint                 least,
                       guint                 most)
{
  g_autoptr (GOptionContext) context = NULL;
  GOptionGroup *group;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strconcat ("reformer ", verb->name, NULL);
  g_autofree char *summary = g_strconcat (verb->summary, ".", NULL);
  g_auto (GStrv) rest = NULL;
  const GOptionEntry positional[] = { { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL }, G_OPTION_ENTRY_NULL };
  guint n;

  if (!check_values (verb, entries, properties, argv))
    return FALSE;
  context = g_option_context_new (verb->arguments);
  group = g_option_group_new (NULL, NULL, NULL, properties, NULL);
  g_set_prgname (name); /* for --help */
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, verb->help);
  g_option_group_add_entries (group, entries);
  g_option_group_add_entries (group, positional);
  g_option_context_set_main_group (context, group);
  if (properties != NULL)
    tool_properties_add_groups (properties, context, group);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      tool_usage (verb, "%s", error->message);
      return FALSE;
    }
  if (properties != NULL && !tool_properties_check (properties, verb))
    return FALSE;
  n = rest != NULL ? g_strv_length (rest) : 0;
  if (n < least)
    tool_usage (verb, "%s is missing", verb->arguments);
  else if (n > most)
    tool_usage (verb, "\"%s\" is one argument too many", rest[most]);
  else if (arguments != NULL)
    *arguments = g_steal_pointer (&rest);
  return n >= least && n <= most;
}

gboolean
tool_parse (const ToolVerb       *verb,
            const GOptionEntry   *entries,
            int                   argc,
            char                **argv,
            char               ***arguments,
            guint                 least,
            guint                 most)
{
  return tool_parse_properties (verb, entries, NULL, argc, argv, arguments, least, most);
}

gboolean
tool_parse_number (const ToolVerb *verb,
                   const char     *option,
                   const char     *text,
                   gint64          least,
                   gint64          most,
                   gint64         *value)
{
  if (text == NULL || g_ascii_string_to_signed (text, 10, least, most, value, NULL))
    return TRUE;
  tool_usage (verb, "--%s is \"%s\", a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " is wanted", option, text, least, most);
  return FALSE;
}

gboolean
tool_parse_keep (const ToolVerb *verb,
                 const char     *text,
                 ReformerKeep   *keep)
{
  g_autoptr (GEnumClass) keeps = g_type_class_ref (REFORMER_TYPE_KEEP);
  const GEnumValue *value = text != NULL ? g_enum_get_value_by_nick (keeps, text) : NULL;

  if (value != NULL)
    *keep = (ReformerKeep) value->value;
  else if (text != NULL)
    tool_usage (verb, "--keep is \"%s\", auto, everything, inputs or nothing is wanted", text);
  return value != NULL || text == NULL;
}

gboolean
tool_parse_size (const ToolVerb *verb,
                 const char     *option,
                 const char     *text,
                 guint64        *value)
{
  static const char units[] = "KMGTP";
  double factor = 1, bytes;
  char *end = NULL;

  if (text == NULL)
    return TRUE;
  /* strtod() would also take signs, blanks, hexadecimals and infinity */
  bytes = g_ascii_isdigit (text[0]) && strspn (text, "0123456789.") > 0 && !g_str_has_prefix (text, "0x") && !g_str_has_prefix (text, "0X") ? g_ascii_strtod (text, &end) : -1;
  if (end != NULL && *end != '\0')
    {
      const char *unit = strchr (units, g_ascii_toupper (*end));

      for (const char *i = units; unit != NULL && i <= unit; i++)
        factor *= 1024;
      if (unit != NULL)
        end++;
      if (g_ascii_strcasecmp (end, "B") == 0 || (unit != NULL && g_ascii_strcasecmp (end, "iB") == 0))
        end += strlen (end);
    }
  if (end == NULL || *end != '\0' || !(bytes * factor >= 1) || !(bytes * factor < 0x1p63))
    {
      tool_usage (verb, "--%s is \"%s\", a size such as 512M or 4G is wanted", option, text);
      return FALSE;
    }
  *value = (guint64) (bytes * factor);
  return TRUE;
}
