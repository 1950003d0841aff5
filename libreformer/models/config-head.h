/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/config-private.h"

G_BEGIN_DECLS

/* How a file says which head a model has: by an architecture, for the classifiers also by a problem type or by the number of labels. */

const char   *reformer_config_architecture_from_head (ReformerHead        head);
/* FALSE where there is no such problem type. */
gboolean      reformer_config_head_from_problem      (const char         *problem_type,
                                                      ReformerHead       *head);
/* NULL where the head has none. */
const char   *reformer_config_problem_from_head      (ReformerHead        head);
ReformerHead  reformer_config_head_from_labels       (int                 num_labels);

/* The head of a file with these architectures (or NULL), whose other settings are in the configuration already. */
gboolean      reformer_config_find_head              (ReformerConfig     *self,
                                                      const char *const  *names,
                                                      const char         *path,
                                                      ReformerHead       *head,
                                                      GError            **error);

G_END_DECLS
