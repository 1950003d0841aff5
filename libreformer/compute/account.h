/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/device-private.h"

G_BEGIN_DECLS

/* How much of a device's memory is in use, by part. Counted before the driver is asked, because drivers allocate lazily and some end the
 * process when memory runs out. Has a lock of its own: it is read by other threads while the device works. */
typedef struct
{
  const char *name; /* interned */
  guint64     used;
  guint64     at_peak;
} ReformerAccountPart;

typedef struct
{
  GMutex  lock;
  guint64 used;
  guint64 peak;
  GArray *parts; /* of ReformerAccountPart, in the order of first use */
} ReformerAccount;

/* Every allocation counts as whole pages of this size. */
#define REFORMER_ACCOUNT_PAGE 4096

static inline guint64
reformer_account_round (guint64 n_bytes)
{
  return (n_bytes + REFORMER_ACCOUNT_PAGE - 1) / REFORMER_ACCOUNT_PAGE * REFORMER_ACCOUNT_PAGE;
}

void     reformer_account_init       (ReformerAccount *self);
void     reformer_account_clear      (ReformerAccount *self);
/* Counts `size` bytes to `part` unless that goes beyond `limit`; says what is in use already. */
gboolean reformer_account_add        (ReformerAccount *self,
                                      const char      *part,
                                      guint64          size,
                                      guint64          limit,
                                      guint           *index,
                                      guint64         *used);
void     reformer_account_subtract   (ReformerAccount *self,
                                      guint            index,
                                      guint64          size);
void     reformer_account_reset_peak (ReformerAccount *self);
void     reformer_account_get        (ReformerAccount *self,
                                      guint64         *used,
                                      guint64         *peak);
GArray  *reformer_account_peak_parts (ReformerAccount *self);

G_END_DECLS
