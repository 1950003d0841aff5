/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verb.h"

G_BEGIN_DECLS

/* A data set that shows how much of another one was read: an evaluation reads each sample once, in order, and tells nobody how far it is. */
ReformerDataset *tool_watched_dataset_new (ReformerDataset *dataset);

G_END_DECLS
