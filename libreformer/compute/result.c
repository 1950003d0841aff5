/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/result.h"

static G_DEFINE_QUARK (reformer-result-finished, finished)

gboolean
reformer_result_check (gpointer       self,
                       GAsyncResult  *result,
                       gpointer       tag,
                       const char    *call,
                       GError       **error)
{
  const char *problem = NULL;

  if (!g_task_is_valid (result, self) || g_task_get_source_tag (G_TASK (result)) != tag)
    problem = "the result is of another call or object";
  else if (g_object_get_qdata (G_OBJECT (result), finished_quark ()) != NULL)
    problem = "the result was finished before";
  if (problem != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s_finish of %s: %s; wanted what the callback of its %s_async got, once", call, G_OBJECT_TYPE_NAME (self),
                   problem, call);
      return FALSE;
    }
  g_object_set_qdata (G_OBJECT (result), finished_quark (), GINT_TO_POINTER (TRUE));
  return TRUE;
}
