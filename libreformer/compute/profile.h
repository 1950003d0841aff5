/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/cl.h"

G_BEGIN_DECLS

/* Time on the device by kernel name, where REFORMER_DEBUG has "profile". Events are read in batches: reading one waits for it. */
typedef struct
{
  GHashTable *lines;   /* name -> ReformerProfileLine */
  GArray     *pending; /* of ReformerProfileEvent */
} ReformerProfile;

typedef struct
{
  guint64 count;
  guint64 nanoseconds;
} ReformerProfileLine;

ReformerProfile *reformer_profile_new   (void);
void             reformer_profile_free  (ReformerProfile *self);
/* Takes the event. The name must stay valid. */
void             reformer_profile_add   (ReformerProfile *self,
                                         const char      *name,
                                         cl_event         event);
/* Waits for what is pending and adds it to the lines. */
void             reformer_profile_drain (ReformerProfile *self);
/* a{sv} of (tt): name -> count, nanoseconds. */
GVariant        *reformer_profile_dup   (ReformerProfile *self);
void             reformer_profile_print (ReformerProfile *self,
                                         const char      *device_name);

G_END_DECLS
