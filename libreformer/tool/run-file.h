/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* reformer-run.json in the folder of a run: what was trained, on what, with which options, by which version and device. `train --resume` takes all of it from there. */
#define TOOL_RUN_FILE "reformer-run.json"

typedef struct
{
  char   *name; /* of the file, for messages */
  json_t *root;
} ToolRun;

/* Nothing in it yet. */
ToolRun  *tool_run_new         (GFile       *folder);
void      tool_run_free        (ToolRun     *self);
/* NULL with an error: NOT_FOUND of GIOError where there is none. */
ToolRun  *tool_run_load        (GFile       *folder,
                                GError     **error);
/* The folder of the run that a model is of, which is a run's folder or one of its checkpoints. */
GFile    *tool_run_find_folder (GFile       *model);
/* Replaces the file as a whole. */
gboolean  tool_run_save        (ToolRun     *self,
                                GFile       *folder,
                                GError     **error);
/* A text, or an object, that must be there. `group` NULL: in the root. */
gboolean  tool_run_get_string  (ToolRun     *self,
                                const char  *group,
                                const char  *name,
                                const char **text,
                                GError     **error);
/* A text that is the value of a property of a class. */
gboolean  tool_run_get_value   (ToolRun     *self,
                                const char  *group,
                                const char  *name,
                                GType        type,
                                GValue      *value,
                                GError     **error);
gboolean  tool_run_get_object  (ToolRun     *self,
                                const char  *name,
                                json_t     **object,
                                GError     **error);
/* Now, in UTC. */
json_t   *tool_run_time        (void);
/* A number, or null where it is none: JSON has no NaN. */
json_t   *tool_json_number     (double       number);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ToolRun, tool_run_free)

G_END_DECLS
