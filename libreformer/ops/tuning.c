/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/tuning.h"

#include "compute/device-private.h"

#include <libreformer/compute/reformer-device-error.h>

/* The first row that fits is the fastest known; the last of a family is the plain one that every device should hold. Results do not depend on the row. */
static const ReformerTuning table[] = {
  /* Zen 4, PoCL: 4 * 128 * (rows + columns) bytes stay in the second-level cache */
  { REFORMER_TUNED_WIDE_PRODUCT, { 96, 256 } },
  { REFORMER_TUNED_WIDE_PRODUCT, { 96, 128 } },
  { REFORMER_TUNED_WIDE_PRODUCT, { 48, 64 } },
  { REFORMER_TUNED_WIDE_PRODUCT, { 24, 32 } },
  { REFORMER_TUNED_WIDE_ATTENTION, { 64, 64 } },
  { REFORMER_TUNED_WIDE_ATTENTION, { 32, 32 } },
  { REFORMER_TUNED_WIDE_ATTENTION, { 32, 16 } },
  { REFORMER_TUNED_SIMT_PRODUCT, { 16 } },
  { REFORMER_TUNED_SIMT_PRODUCT, { 8 } },
  { REFORMER_TUNED_SIMT_PRODUCT, { 4 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 32, 32, 8, 8 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 16, 16, 8, 8 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 8, 8, 8, 8 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 8, 8, 4, 4 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 4, 4, 4, 4 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 2, 2, 2, 2 } },
  { REFORMER_TUNED_SIMT_ATTENTION, { 1, 1, 1, 1 } },
  { REFORMER_TUNED_SIMT_HASH, { 64 } },
  { REFORMER_TUNED_SIMT_HASH, { 32 } },
  { REFORMER_TUNED_SIMT_HASH, { 16 } },
  { REFORMER_TUNED_SIMT_HASH, { 8 } },
  { REFORMER_TUNED_SIMT_HASH, { 1 } },
};

static gboolean
fits (ReformerDevice          *device,
      const ReformerTuning    *row,
      const ReformerTuningUse *use,
      gconstpointer            what)
{
  return use->local (row->sizes, what) <= reformer_device_get_local_memory (device) &&
         (use->group == NULL || use->group (row->sizes, what) <= reformer_device_get_max_group (device));
}

const ReformerTuning *
reformer_tuning_choose (ReformerRun             *run,
                        ReformerTuned            tuned,
                        const ReformerTuningUse *use,
                        gconstpointer            what,
                        char                     options[REFORMER_TUNING_OPTIONS])
{
  const ReformerTuning *last = NULL, *chosen = NULL;
  g_autofree char *refused = NULL;

  if (!reformer_run_ok (run))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      const ReformerTuning *row = &table[i];
      g_autoptr (GError) error = NULL;

      if (row->tuned != tuned)
        continue;
      last = row;
      if (!fits (run->device, row, use, what) || (use->wanted != NULL && !use->wanted (row->sizes, what)))
        continue;
      chosen = row;
      use->options (row->sizes, what, options, REFORMER_TUNING_OPTIONS);
      if (refused != NULL)
        {
          g_warning ("%s; %s is used instead", refused, options);
          g_clear_pointer (&refused, g_free);
        }
      if (reformer_run_builds (run, use->family, options, &error))
        return row;
      if (error != NULL)
        refused = g_strdup_printf ("%s, %s", options, error->message);
    }
  if (chosen == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT,
                       "%s: kernel family %s needs %" G_GSIZE_FORMAT " bytes of local memory and groups of %" G_GSIZE_FORMAT "; the device has %" G_GUINT64_FORMAT
                       " and %" G_GSIZE_FORMAT,
                       reformer_device_get_name (run->device), use->family, use->local (last->sizes, what),
                       use->group != NULL ? use->group (last->sizes, what) : 1, reformer_device_get_local_memory (run->device),
                       reformer_device_get_max_group (run->device));
  /* where no row builds, the launch of the last says why */
  return chosen;
}
