/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options of the command and properties of the library are the same: every property that a command line can set is an option with a line of help, and every such option is
 * a property. REFORMER_TOOL names the program where it is not at its place in the build folder. */

#include <string.h>

#include <libreformer/reformer.h>

typedef struct
{
  const char *verb;
  const char *group; /* its --help-GROUP; NULL: --help */
  GType     (*get_type) (void);
  const char *others; /* properties that are no options: objects, what the verb sets itself */
} Class;

static const Class classes[] = {
  { "train", "config", reformer_config_get_type, "" },
  { "train", "trainer", reformer_trainer_get_type, "" },
  { "train", "optimizer", reformer_adamw_get_type, "" },
  { "train", "optimizer", reformer_sgd_get_type, "" },
  { "train", "optimizer", reformer_adafactor_get_type, "" },
  { "train", "schedule", reformer_schedule_get_type, "" },
  { "train", NULL, reformer_text_dataset_get_type, "" },
  { "train", "data", reformer_labelled_dataset_get_type, "labels numbers features held-out-fraction" }, /* the task says what labels are; a model of the command reads ids */
  { "train", "masking", reformer_masked_dataset_get_type, "n-ids seed" },
  { "train", NULL, reformer_model_get_type, "training sequence" }, /* state, not settings */
  { "train", NULL, reformer_stack_get_type, "streams target ablated" },    /* the model makes its stack */
  { "generate", NULL, reformer_generator_get_type, "" },
};

static char *
get_help (const char *verb,
          const char *group)
{
  const char *given = g_getenv ("REFORMER_TOOL");
  g_autofree char *program = given != NULL ? g_strdup (given) : g_test_build_filename (G_TEST_BUILT, "..", "libreformer", "tool", "reformer", NULL);
  g_autofree char *option = group != NULL ? g_strconcat ("--help-", group, NULL) : g_strdup ("--help");
  const char *const arguments[] = { program, verb, option, NULL };
  g_autoptr (GError) error = NULL;
  char *help = NULL;
  int status;

  g_spawn_sync (NULL, (char **) arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, &help, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  return help;
}

/* The text that --help has for an option; NULL: it is none. */
static char *
find_option (const char *help,
             const char *name)
{
  g_autofree char *pattern = g_strdup_printf ("^ +(?:-., )?--%s(?:=\\S+)?(?: +(\\S.*))?$", name);
  g_autoptr (GRegex) regex = g_regex_new (pattern, G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  char *text;

  if (!g_regex_match (regex, help, 0, &match))
    return NULL;
  text = g_match_info_fetch (match, 1);
  return text != NULL ? text : g_strdup ("");
}

/* Kinds of properties that a text on a command line can be. */
static gboolean
is_plain (GParamSpec *pspec)
{
  const GType type = pspec->value_type;

  return type == G_TYPE_BOOLEAN || type == G_TYPE_INT || type == G_TYPE_UINT || type == G_TYPE_INT64 || type == G_TYPE_UINT64 || type == G_TYPE_DOUBLE ||
         type == G_TYPE_STRING || type == G_TYPE_STRV || type == G_TYPE_VARIANT || g_type_is_a (type, G_TYPE_ENUM);
}

static const char *
name_option (const Class *c,
             const char  *property)
{
  if (c->get_type == reformer_adafactor_get_type && g_str_equal (property, "decay"))
    return "adafactor-decay";
  return c->get_type == reformer_masked_dataset_get_type && g_str_equal (property, "fraction") ? "mask-fraction" : property;
}

static void
check_class (gconstpointer data)
{
  const Class *c = data;
  g_autofree char *help = get_help (c->verb, c->group);
  g_autoptr (GTypeClass) klass = g_type_class_ref (c->get_type ());
  g_auto (GStrv) others = g_strsplit (c->others, " ", -1);
  guint n, n_options = 0;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties ((GObjectClass *) klass, &n);

  for (guint i = 0; i < n; i++)
    {
      const gboolean wanted = is_plain (pspecs[i]) && (pspecs[i]->flags & G_PARAM_WRITABLE) != 0 && !g_strv_contains ((const char *const *) others, pspecs[i]->name);
      g_autofree char *text = find_option (help, name_option (c, pspecs[i]->name));

      /* the verb has options of its own, such as --device, which is also the name of a property */
      if (wanted ? text == NULL : text != NULL && c->group != NULL)
        g_error ("%s:%s is %s of reformer %s", G_OBJECT_CLASS_NAME (klass), pspecs[i]->name, wanted ? "no option" : "an option", c->verb);
      if (!wanted)
        continue;
      n_options++;
      g_assert_cmpuint (strlen (text), >, 5);
      if (pspecs[i]->value_type == G_TYPE_BOOLEAN)
        {
          g_autofree char *off = g_strconcat ("no-", name_option (c, pspecs[i]->name), NULL), *off_text = find_option (help, off);

          g_assert_nonnull (off_text);
        }
    }
  g_assert_cmpuint (n_options, >, 0);
  g_test_message ("%u options", n_options);
}

/* The other way round: no option of a group without a property. */
static void
check_group (gconstpointer data)
{
  const Class *first = data;
  g_autofree char *help = get_help (first->verb, first->group), *part = NULL;
  g_autoptr (GRegex) regex = g_regex_new ("^ +--([a-z0-9-]+)", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;

  g_assert_nonnull (strstr (help, "Options of"));
  part = g_strdup (strstr (help, "Options of"));
  for (g_regex_match (regex, part, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    {
      g_autofree char *name = g_match_info_fetch (match, 1);
      const char *option = g_str_has_prefix (name, "no-") ? name + 3 : name;
      gboolean found = FALSE;

      for (guint i = 0; i < G_N_ELEMENTS (classes) && !found; i++)
        {
          g_autoptr (GTypeClass) klass = g_type_class_ref (classes[i].get_type ());
          const char *property = g_str_equal (option, "adafactor-decay") ? "decay" : g_str_equal (option, "mask-fraction") ? "fraction" : option;

          found = g_strcmp0 (classes[i].group, first->group) == 0 && g_object_class_find_property ((GObjectClass *) klass, property) != NULL &&
                  g_str_equal (name_option (&classes[i], property), option);
        }
      if (!found)
        g_error ("--%s is no property", name);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    {
      g_autofree char *path = g_strdup_printf ("/tool-options/%s", g_type_name (classes[i].get_type ()));
      g_autofree char *group = classes[i].group != NULL ? g_strdup_printf ("/tool-options/group/%s-%u", classes[i].group, i) : NULL;

      g_test_add_data_func (path, &classes[i], check_class);
      if (group != NULL)
        g_test_add_data_func (group, &classes[i], check_group);
    }
  return g_test_run ();
}
