/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models/config-private.h"

G_BEGIN_DECLS

/* A configuration as a JSON object, in transformers' names. What is no setting of ours is kept in the configuration and written back. */

/* `path` is for messages. The result is validated. */
ReformerConfig *reformer_config_new_from_object (json_t          *object,
                                                 const char      *path,
                                                 GError         **error);
/* A new reference. */
json_t         *reformer_config_to_object       (ReformerConfig  *self);

/* Sets, or with NULL removes, a member that is no setting, such as the dtype of the weights that are saved beside. */
void            reformer_config_keep_text       (ReformerConfig  *self,
                                                 const char      *key,
                                                 const char      *text);

G_END_DECLS
