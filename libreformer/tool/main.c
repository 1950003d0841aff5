/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verb.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const ToolVerb *const verbs[] = {
  &tool_verb_train,
  &tool_verb_generate,
  &tool_verb_evaluate,
  &tool_verb_info,
  &tool_verb_plan,
  &tool_verb_devices,
  &tool_verb_bench,
};

static void
print_help (void)
{
  fputs ("Usage: reformer VERB [OPTIONS]\n\nReformer models on OpenCL devices.\n\nVerbs:\n", stdout);
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    printf ("  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
  fputs ("\nOptions:\n"
         "  -h, --help  this help; reformer VERB --help says more of a verb\n"
         "  --version   the version\n"
         "\nExample:\n"
         "  reformer train book --data book.txt\n"
         "  reformer generate book --prompt \"In the beginning \"\n"
         "\nREFORMER_DEVICE chooses the device: cpu, gpu, a number of reformer devices, or part of a name.\n"
         "Exit status: 0 done, 1 failed, 2 wrong usage; 130, 143, 129 stopped by SIGINT, SIGTERM,\n"
         "SIGHUP.\n",
         stdout);
}

static char *
list_verbs (void)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "", verbs[i]->name);
  return g_string_free (names, FALSE);
}

static int
run (int    argc,
     char **argv)
{
  g_autofree char *names = NULL;

  if (argc > 1 && (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h")))
    {
      print_help ();
      return TOOL_DONE;
    }
  if (argc > 1 && g_str_equal (argv[1], "--version"))
    {
      puts ("reformer " REFORMER_VERSION_S);
      return TOOL_DONE;
    }
  for (guint i = 0; argc > 1 && i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (argv[1], verbs[i]->name))
      return verbs[i]->run (argc - 1, argv + 1);

  names = list_verbs ();
  if (argc < 2)
    tool_message ("a verb is wanted: %s; see reformer --help", names);
  else
    tool_message ("there is no %s \"%s\"; the verbs are %s; see reformer --help", argv[1][0] == '-' ? "option" : "verb", argv[1], names);
  return TOOL_USAGE;
}

/* What the library warns of, such as a damaged checkpoint that it passes over, is a message like any other. */
static void
log_message (const char     *domain,
             GLogLevelFlags  level,
             const char     *text,
             gpointer        data)
{
  if ((level & G_LOG_LEVEL_MASK) == G_LOG_LEVEL_WARNING && g_strcmp0 (domain, "Reformer") == 0)
    tool_message ("warning: %s", text);
  else
    g_log_default_handler (domain, level, text, data);
}

/* Where a caller closed one of the first three, a data file would take its place, and be written to. */
static void
fill_standard_files (void)
{
  for (int fd = 0; fd < 3; fd++)
    if (fcntl (fd, F_GETFD) < 0)
      open ("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY); /* so that using it is an error, as before */
}

int
main (int    argc,
      char **argv)
{
  fill_standard_files ();
  /* Names of files are the locale's; numbers and messages are the same everywhere. */
  setlocale (LC_CTYPE, "");
  g_set_prgname ("reformer");
  g_log_set_default_handler (log_message, NULL);
  tool_close_at_exit ();
  return tool_close (run (argc, argv));
}
