/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/cl.h"
#include "compute/work.h"

G_BEGIN_DECLS

/* Time on the device and work by kernel name. Events are read in batches: reading one waits for it. */
typedef struct
{
  GHashTable *lines;   /* name -> ReformerProfileLine */
  GArray     *pending; /* of ReformerProfileEvent */
} ReformerProfile;

typedef struct
{
  guint64 count;
  guint64 nanoseconds;
  double  flops, bytes;
} ReformerProfileLine;

/* Whether REFORMER_DEBUG has "profile": every device measures, and prints its table at the end. */
gboolean         reformer_profile_wanted (void);
ReformerProfile *reformer_profile_new   (void);
void             reformer_profile_free  (ReformerProfile *self);
/* Takes the event. The name must stay valid. */
void             reformer_profile_add   (ReformerProfile *self,
                                         const char      *name,
                                         cl_event         event,
                                         ReformerWork     work);
/* Waits for what is pending and adds it to the lines. */
void             reformer_profile_drain (ReformerProfile *self);
/* a{sv} of (ttdd): name -> count, nanoseconds, floating point operations, bytes. */
GVariant        *reformer_profile_dup   (ReformerProfile *self);
void             reformer_profile_print (ReformerProfile *self,
                                         const char      *device_name);

G_END_DECLS
