/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LIVE_INTERVAL (G_USEC_PER_SEC / 10)
#define PLAIN_INTERVAL (10 * G_USEC_PER_SEC)
#define BAR_LEAST 10
#define BAR_MOST 30

static struct
{
  gboolean shown; /* at all */
  gboolean live;  /* on a terminal */
  gint64   last;  /* when a line was drawn; 0: never */
  glong    drawn; /* characters of the live line that are there */
} progress;

void
tool_progress_start (gboolean quiet,
                     gboolean at_once)
{
  const char *terminal = g_getenv ("TERM");

  progress.shown = !quiet;
  progress.live = isatty (STDERR_FILENO) && g_strcmp0 (terminal, "dumb") != 0;
  progress.last = at_once || progress.live ? 0 : g_get_monotonic_time ();
}

gboolean
tool_progress_is_due (void)
{
  return progress.shown && (progress.last == 0 || g_get_monotonic_time () - progress.last >= (progress.live ? LIVE_INTERVAL : PLAIN_INTERVAL));
}

static glong
get_width (void)
{
  struct winsize size = { 0 };
  const char *columns = g_getenv ("COLUMNS");

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return columns != NULL && g_ascii_strtoll (columns, NULL, 10) > 0 ? (glong) MIN (g_ascii_strtoll (columns, NULL, 10), 1000) : 80;
}

static void
add_bar (GString *line,
         double   done,
         glong    room)
{
  const int n = (int) MIN (room - 2, BAR_MOST), full = (int) (CLAMP (done, 0, 1) * n);

  g_string_append (line, "  ");
  for (int i = 0; i < n; i++)
    g_string_append_c (line, i < full ? '#' : '.');
}

/* Blanks take away what a longer line left; escape sequences are not needed for it. */
static void
draw (const char *text,
      double      done)
{
  const glong width = get_width () - 1; /* the last column would wrap on some terminals */
  g_autofree char *cut = g_utf8_substring (text, 0, CLAMP (width, 0, g_utf8_strlen (text, -1)));
  GString *line = g_string_new (cut);
  glong length;

  if (done >= 0 && width - g_utf8_strlen (cut, -1) >= BAR_LEAST + 2)
    add_bar (line, done, width - g_utf8_strlen (cut, -1));
  length = g_utf8_strlen (line->str, -1);
  fprintf (stderr, "\r%s%*s", line->str, (int) CLAMP (progress.drawn - length, 0, MAX (width - length, 0)), "");
  fflush (stderr);
  progress.drawn = length;
  g_string_free (line, TRUE);
}

void
tool_progress_announce (const char *text)
{
  if (progress.shown && progress.live)
    draw (text, -1);
}

void
tool_progress_show (double      done,
                    const char *text)
{
  if (!progress.shown)
    return;
  progress.last = g_get_monotonic_time ();
  if (progress.live)
    draw (text, done);
  else
    fprintf (stderr, "%s\n", text);
}

void
tool_progress_clear (void)
{
  if (progress.drawn == 0)
    return;
  fprintf (stderr, "\r%*s\r", (int) MIN (progress.drawn, get_width () - 1), "");
  fflush (stderr);
  progress.drawn = 0;
}

void
tool_progress_print (const char *format,
                     ...)
{
  va_list args;

  if (!progress.shown)
    return;
  tool_progress_clear ();
  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fputc ('\n', stderr);
}

/* ---- Numbers ---- */

char *
tool_format_count (double number)
{
  GString *text = g_string_new (NULL);

  if (!isfinite (number))
    g_string_append_c (text, '-');
  else if (fabs (number) < 10 && number != floor (number))
    g_string_printf (text, "%.1f", number);
  else
    {
      g_string_printf (text, "%.0f", number);
      for (gssize i = (gssize) text->len - 3; i > (number < 0 ? 1 : 0); i -= 3)
        g_string_insert_c (text, i, ',');
    }
  return g_string_free (text, FALSE);
}

char *
tool_format_duration (double seconds)
{
  const gint64 whole = isfinite (seconds) ? (gint64) CLAMP (seconds + 0.5, 0, 1e15) : 0;

  if (!isfinite (seconds))
    return g_strdup ("-");
  if (whole < 3600)
    return g_strdup_printf ("%d:%02d", (int) (whole / 60), (int) (whole % 60));
  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d", whole / 3600, (int) (whole / 60 % 60), (int) (whole % 60));
}
