/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/hash.h"

#include "compute/device-private.h"
#include "ops/tuning.h"

/* Tokens that a work-group of the wide dialect takes: a multiple of the kernel's tile. */
#define WIDE_BLOCK 1024

/* Two to an int: none has more than 16 bits, for no bucket has. */
#define PAIR(factors, i) ((factors)[2 * (i)] | (int) ((guint) (factors)[2 * (i) + 1] << 16))
#define FACTORS(factors) \
  REFORMER_INT4 (PAIR (factors, 0), PAIR (factors, 1), PAIR (factors, 2), PAIR (factors, 3)), \
  REFORMER_INT4 (PAIR (factors, 4), PAIR (factors, 5), PAIR (factors, 6), PAIR (factors, 7))

static int
padded_columns (const ReformerHash *hash)
{
  int padded = 0;

  for (int i = 0; i < hash->n_factors; i++)
    padded += (hash->factors[i] / 2 + 7) / 8 * 8;
  return padded;
}

static ReformerTensor *
pack_rotations (ReformerRun        *run,
                const ReformerHash *hash,
                const int           factors[REFORMER_MAX_FACTORS])
{
  const int padded = padded_columns (hash);
  g_autoptr (ReformerTensor) packed = NULL;
  int columns = 0;

  for (int i = 0; i < hash->n_factors; i++)
    columns += factors[i] / 2;
  packed = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) hash->heads * hash->rounds, (gint64) padded, (gint64) hash->head_size);
  REFORMER_LAUNCH (run, "hash", NULL, "hash_pack", reformer_grid_items (run->device, hash->head_size, padded, hash->heads),
                   REFORMER_SPAN (hash->rotations), REFORMER_SPAN (reformer_span (packed)), REFORMER_INT (hash->head_size),
                   REFORMER_INT (hash->max_rounds), REFORMER_INT (hash->rounds), REFORMER_INT (columns), REFORMER_INT (padded),
                   FACTORS (factors));
  return g_steal_pointer (&packed);
}

static gsize
simt_local (const int    *sizes,
            gconstpointer head_size)
{
  return *(const int *) head_size * (gsize) (sizes[0] + 1) * sizeof (float);
}

static gsize
simt_group (const int    *sizes,
            gconstpointer head_size)
{
  return sizes[0];
}

static void
simt_options (const int    *sizes,
              gconstpointer head_size,
              char         *options,
              gsize         size)
{
  g_snprintf (options, size, "-DHEAD_SIZE=%d -DGROUP=%d", *(const int *) head_size, sizes[0]);
}

/* The wide kernel has one tile, 4 vectors of tokens. For heads beyond that the other kernel's tiles may be as small as one token; it gives the same bits. */
static gboolean
fits_wide (ReformerDevice *device,
           int             head_size)
{
  return reformer_device_is_wide (device) && (gsize) head_size * 4 * reformer_device_get_vector_width (device) * sizeof (float) <= reformer_device_get_local_memory (device);
}

static const ReformerTuningUse simt_use = { "simt/hash", simt_local, simt_group, NULL, simt_options };

void
reformer_hash (ReformerRun        *run,
               const ReformerHash *hash,
               ReformerSpan        buckets)
{
  const gboolean masked = hash->mask.tensor != NULL;
  int factors[REFORMER_MAX_FACTORS] = { 0 };
  gint64 n_buckets = 1, columns = 0;
  gsize tokens;
  g_autoptr (ReformerTensor) packed = NULL;
  char options[REFORMER_TUNING_OPTIONS];

  for (int i = 0; i < hash->n_factors; i++)
    {
      factors[i] = hash->factors[i];
      n_buckets *= factors[i];
      columns += factors[i] / 2;
      if (n_buckets > G_MAXUINT16)
        {
          reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT,
                             "The factors of the number of buckets multiply to more than 65535, the most that a bucket's 16 bits hold");
          return;
        }
    }

  tokens = (gsize) hash->heads * hash->rows * hash->T;
  packed = pack_rotations (run, hash, factors);
  if (fits_wide (run->device, hash->head_size))
    {
      g_snprintf (options, sizeof options, "-DHEAD_SIZE=%d", hash->head_size);
      REFORMER_LAUNCH (run, "wide/hash", options, "hash_buckets",
                       reformer_grid_tiles ((hash->T + WIDE_BLOCK - 1) / WIDE_BLOCK, hash->heads, hash->rows),
                       REFORMER_SPAN (hash->x), REFORMER_SPAN (reformer_span (packed)), REFORMER_SPAN (hash->mask), REFORMER_SPAN (buckets),
                       REFORMER_ULONG (hash->ld > 0 ? hash->ld : (gsize) hash->T),
                       REFORMER_INT (hash->T), REFORMER_INT (hash->stride), REFORMER_INT (hash->rounds), REFORMER_INT (padded_columns (hash)),
                       FACTORS (factors),
                       REFORMER_INT (WIDE_BLOCK), REFORMER_INT (masked), REFORMER_INT (n_buckets),
                       REFORMER_WORK (2.0 * tokens * hash->rounds * hash->head_size * columns, tokens * (sizeof (float) * hash->head_size + sizeof (guint16) * hash->rounds)));
    }
  else
    {
      const ReformerTuning *row = reformer_tuning_choose (run, REFORMER_TUNED_SIMT_HASH, &simt_use, &hash->head_size, options);
      const int group = row != NULL ? row->sizes[0] : 1;

      REFORMER_LAUNCH (run, "simt/hash", options, "hash_buckets",
                       reformer_grid_groups ((hash->T + group - 1) / group, hash->heads * hash->rounds, hash->rows, group, 1),
                       REFORMER_SPAN (hash->x), REFORMER_SPAN (reformer_span (packed)), REFORMER_SPAN (hash->mask), REFORMER_SPAN (buckets),
                       REFORMER_ULONG (hash->ld > 0 ? hash->ld : (gsize) hash->T),
                       REFORMER_INT (hash->T), REFORMER_INT (hash->stride), REFORMER_INT (hash->rounds), REFORMER_INT (padded_columns (hash)),
                       FACTORS (factors),
                       REFORMER_INT (masked), REFORMER_INT (n_buckets),
                       REFORMER_WORK (2.0 * tokens * hash->rounds * hash->head_size * columns, tokens * (sizeof (float) * hash->head_size + sizeof (guint16) * hash->rounds)));
    }
}
