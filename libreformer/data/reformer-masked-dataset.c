/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-masked-dataset.h>

#include <string.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "compute/random.h"

/**
 * ReformerMaskedDataset:
 *
 * What a masked language model learns from: the samples of another data set, with some ids hidden.
 *
 * Each id is chosen with the probability [property@MaskedDataset:fraction], 15 % if nothing else is said. Of the chosen ones 80 % become [property@MaskedDataset:mask-id], 10 % another id drawn
 * from all others, and 10 % stay as they are (Devlin, Chang, Lee and Toutanova, "BERT", 2019). The labels are the ids that were there at the chosen places, and -100 at all others, so
 * the loss asks for the chosen ones alone; labels of the other data set are dropped. Where nothing was chosen one place is, so that every sample has a target. A trainer takes it for a
 * model with the head %REFORMER_HEAD_MASKED_LANGUAGE alone.
 *
 * What is chosen hangs on [property@MaskedDataset:seed], the pass over the data, the number of the sample, and the place in it, and on nothing else: each pass hides other ids, and a run that is repeated,
 * or goes on, hides the same. [method@Dataset.read_sample], as evaluations call it, always hides those of pass 0.
 *
 * ```python
 * masked = Reformer.MaskedDataset(dataset=dataset)
 * sample = masked.read_sample_of_epoch(0, 64, 1)
 * labels = numpy.frombuffer(sample.get_labels().get_data(), "int32")
 * print((labels >= 0).sum(), "of", len(labels), "ids are asked for")
 * ```
 */
struct _ReformerMaskedDataset
{
  ReformerDataset parent_instance;

  ReformerDataset *dataset;
  GMutex           mutex; /* for what follows, which may be set while another thread reads */
  double           fraction;
  int              mask_id;
  int              n_ids;
  guint64          seed;
};

/* Apart from what other users of Philox count with. */
#define STREAM 0x6d61736bu
#define NO_TARGET (-100)
/* Of the chosen ids so many become the mask, and so many the mask or another one. */
#define MASKED 0.8
#define REPLACED 0.9

enum
{
  PROP_0,
  PROP_DATASET,
  PROP_FRACTION,
  PROP_MASK_ID,
  PROP_N_IDS,
  PROP_SEED,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerMaskedDataset, reformer_masked_dataset, REFORMER_TYPE_DATASET)

/* ---- Settings ---- */

typedef struct
{
  double  fraction;
  int     mask_id;
  int     n_ids;
  guint64 seed;
} Settings;

static gboolean
check_dataset (ReformerMaskedDataset  *self,
               GError                **error)
{
  if (self->dataset != NULL)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "a MaskedDataset has no dataset; wanted the data set whose ids are masked");
  return FALSE;
}

/* As they are now; the number of ids is the tokenizer's where none was set. */
static gboolean
get_settings (ReformerMaskedDataset  *self,
              Settings               *settings,
              GError                **error)
{
  ReformerTokenizer *tokenizer = reformer_dataset_get_tokenizer (REFORMER_DATASET (self));
  GError *problem = NULL;

  if (!check_dataset (self, error))
    return FALSE;
  g_mutex_lock (&self->mutex);
  *settings = (Settings) { self->fraction, self->mask_id, self->n_ids, self->seed };
  g_mutex_unlock (&self->mutex);
  if (settings->n_ids == 0 && tokenizer != NULL)
    settings->n_ids = reformer_tokenizer_count_ids (tokenizer, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  if (!(settings->fraction > 0 && settings->fraction <= 1))
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "fraction is %g; wanted more than 0, and at most 1", settings->fraction);
  else if (settings->n_ids < 2)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "n-ids is %d, and there is %s; wanted at least 2 ids to draw from", settings->n_ids,
                 tokenizer != NULL ? "a tokenizer with as many" : "no tokenizer that says how many there are");
  else if (settings->mask_id < 0 || settings->mask_id >= settings->n_ids)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "mask-id is %d; wanted 0 to %d", settings->mask_id, settings->n_ids - 1);
  else
    return TRUE;
  return FALSE;
}

/* ---- Masking ---- */

static gboolean
is_below (guint32 word,
          double  share)
{
  return (double) word < share * 4294967296.0;
}

static gint32
hide (const Settings *settings,
      const guint32   words[4],
      gint32          id)
{
  gint32 other;

  if (is_below (words[1], MASKED))
    return settings->mask_id;
  if (!is_below (words[1], REPLACED))
    return id;
  other = (gint32) (((guint64) words[2] * (guint64) (settings->n_ids - 1)) >> 32);
  return other < settings->mask_id ? other : other + 1;
}

static ReformerSample *
mask (const Settings *settings,
      ReformerSample *sample,
      gint64          index,
      guint           epoch)
{
  GBytes *given = reformer_sample_get_tokens (sample), *looked_at = reformer_sample_get_mask (sample);
  const guint8 *kept = looked_at != NULL ? g_bytes_get_data (looked_at, NULL) : NULL;
  const guint32 key[2] = { (guint32) settings->seed, (guint32) (settings->seed >> 32) };
  const gsize n_bytes = g_bytes_get_size (given), n = n_bytes / sizeof (gint32);
  g_autofree gint32 *ids = g_malloc (n_bytes), *labels = g_malloc (n_bytes);
  g_autoptr (GBytes) tokens = NULL, wanted = NULL;
  guint32 least[4] = { G_MAXUINT32 };
  gsize least_at = n, chosen = 0;

  memcpy (ids, g_bytes_get_data (given, NULL), n_bytes);
  for (gsize i = 0; i < n; i++)
    {
      const guint32 counter[4] = { (guint32) i, (guint32) index, (guint32) ((guint64) index >> 32) ^ STREAM, epoch };
      guint32 words[4];

      labels[i] = NO_TARGET;
      if (kept != NULL && kept[i] == 0)
        continue;
      reformer_philox (counter, key, words);
      if (is_below (words[0], settings->fraction))
        {
          labels[i] = ids[i];
          ids[i] = hide (settings, words, ids[i]);
          chosen++;
        }
      else if (chosen == 0 && (least_at == n || words[0] < least[0]))
        {
          memcpy (least, words, sizeof least);
          least_at = i;
        }
    }
  if (chosen == 0 && least_at < n)
    {
      labels[least_at] = ids[least_at];
      ids[least_at] = hide (settings, least, ids[least_at]);
    }
  tokens = g_bytes_new_take (g_steal_pointer (&ids), n_bytes);
  wanted = g_bytes_new_take (g_steal_pointer (&labels), n_bytes);
  return reformer_sample_new (tokens, looked_at, wanted);
}

/* ---- What a data set does ---- */

static gint64
reformer_masked_dataset_count_samples (ReformerDataset  *dataset,
                                       int               length,
                                       GError          **error)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (dataset);

  return check_dataset (self, error) ? reformer_dataset_count_samples (self->dataset, length, error) : -1;
}

static ReformerSample *
reformer_masked_dataset_read_sample_of_epoch (ReformerDataset  *dataset,
                                              gint64            index,
                                              int               length,
                                              guint             epoch,
                                              GError          **error)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (dataset);
  g_autoptr (ReformerSample) sample = NULL;
  Settings settings;

  if (!get_settings (self, &settings, error))
    return NULL;
  sample = reformer_dataset_read_sample_of_epoch (self->dataset, index, length, epoch, error);
  if (sample == NULL)
    return NULL;
  if (reformer_sample_get_tokens (sample) != NULL)
    return mask (&settings, sample, index, epoch);
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s has vectors; wanted ids, which alone can be masked", index,
               G_OBJECT_TYPE_NAME (self->dataset));
  return NULL;
}

static ReformerSample *
reformer_masked_dataset_read_sample (ReformerDataset  *dataset,
                                     gint64            index,
                                     int               length,
                                     GError          **error)
{
  return reformer_masked_dataset_read_sample_of_epoch (dataset, index, length, 0, error);
}

static ReformerDataset *
reformer_masked_dataset_get_held_out (ReformerDataset  *dataset,
                                      GError          **error)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (dataset);
  g_autoptr (ReformerDataset) other = check_dataset (self, error) ? reformer_dataset_get_held_out (self->dataset, error) : NULL;
  g_autoptr (GMutexLocker) locker = NULL;

  if (other == NULL)
    return NULL;
  locker = g_mutex_locker_new (&self->mutex);
  return g_object_new (REFORMER_TYPE_MASKED_DATASET, "dataset", other, "tokenizer", reformer_dataset_get_tokenizer (dataset), "fraction", self->fraction, "mask-id", self->mask_id,
                       "n-ids", self->n_ids, "seed", self->seed, NULL);
}

static char *
reformer_masked_dataset_identify (ReformerDataset  *dataset,
                                  GError          **error)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (dataset);
  g_autofree char *identity = NULL;
  char fraction[G_ASCII_DTOSTR_BUF_SIZE];
  Settings settings;

  if (!get_settings (self, &settings, error))
    return NULL;
  identity = reformer_dataset_identify (self->dataset, error);
  if (identity == NULL)
    return NULL;
  return g_strdup_printf ("%s of %d ids masked by %d, seed %" G_GUINT64_FORMAT ", of %s", g_ascii_dtostr (fraction, sizeof fraction, settings.fraction), settings.n_ids, settings.mask_id,
                          settings.seed, identity);
}

/* ---- The object ---- */

static void
reformer_masked_dataset_constructed (GObject *object)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (object);

  G_OBJECT_CLASS (reformer_masked_dataset_parent_class)->constructed (object);
  if (self->dataset != NULL && reformer_dataset_get_tokenizer (REFORMER_DATASET (self)) == NULL)
    reformer_dataset_set_tokenizer (REFORMER_DATASET (self), reformer_dataset_get_tokenizer (self->dataset));
}

static void
reformer_masked_dataset_finalize (GObject *object)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (object);

  g_clear_object (&self->dataset);
  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (reformer_masked_dataset_parent_class)->finalize (object);
}

static void
reformer_masked_dataset_get_property (GObject    *object,
                                      guint       id,
                                      GValue     *value,
                                      GParamSpec *pspec)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (object);

  switch (id)
    {
    case PROP_DATASET:
      g_value_set_object (value, self->dataset);
      break;
    case PROP_FRACTION:
      g_value_set_double (value, reformer_masked_dataset_get_fraction (self));
      break;
    case PROP_MASK_ID:
      g_value_set_int (value, reformer_masked_dataset_get_mask_id (self));
      break;
    case PROP_N_IDS:
      g_value_set_int (value, reformer_masked_dataset_get_n_ids (self));
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, reformer_masked_dataset_get_seed (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_masked_dataset_set_property (GObject      *object,
                                      guint         id,
                                      const GValue *value,
                                      GParamSpec   *pspec)
{
  ReformerMaskedDataset *self = REFORMER_MASKED_DATASET (object);

  switch (id)
    {
    case PROP_DATASET:
      self->dataset = g_value_dup_object (value);
      break;
    case PROP_FRACTION:
      reformer_masked_dataset_set_fraction (self, g_value_get_double (value));
      break;
    case PROP_MASK_ID:
      reformer_masked_dataset_set_mask_id (self, g_value_get_int (value));
      break;
    case PROP_N_IDS:
      reformer_masked_dataset_set_n_ids (self, g_value_get_int (value));
      break;
    case PROP_SEED:
      reformer_masked_dataset_set_seed (self, g_value_get_uint64 (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_masked_dataset_class_init (ReformerMaskedDatasetClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerDatasetClass *dataset_class = REFORMER_DATASET_CLASS (klass);

  reformer_home_own (klass);
  object_class->constructed = reformer_masked_dataset_constructed;
  object_class->finalize = reformer_masked_dataset_finalize;
  object_class->get_property = reformer_masked_dataset_get_property;
  object_class->set_property = reformer_masked_dataset_set_property;
  dataset_class->count_samples = reformer_masked_dataset_count_samples;
  dataset_class->read_sample = reformer_masked_dataset_read_sample;
  dataset_class->read_sample_of_epoch = reformer_masked_dataset_read_sample_of_epoch;
  dataset_class->get_held_out = reformer_masked_dataset_get_held_out;
  dataset_class->identify = reformer_masked_dataset_identify;

  /**
   * ReformerMaskedDataset:dataset:
   *
   * The data set whose ids are masked.
   */
  props[PROP_DATASET] = g_param_spec_object ("dataset", NULL, NULL, REFORMER_TYPE_DATASET, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerMaskedDataset:fraction:
   *
   * The probability with which an id is chosen, more than 0 and at most 1; default 0.15.
   */
  props[PROP_FRACTION] = g_param_spec_double ("fraction", NULL, NULL, 0, 1, 0.15, flags);
  /**
   * ReformerMaskedDataset:mask-id:
   *
   * The id that stands for what is hidden; default 1, which neither [class@ByteTokenizer] nor [class@AlphabetTokenizer] uses.
   */
  props[PROP_MASK_ID] = g_param_spec_int ("mask-id", NULL, NULL, 0, G_MAXINT, 1, flags);
  /**
   * ReformerMaskedDataset:n-ids:
   *
   * How many ids there are to draw other ones from; 0, the default: as many as the tokenizer has.
   */
  props[PROP_N_IDS] = g_param_spec_int ("n-ids", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * ReformerMaskedDataset:seed:
   *
   * What the choice hangs on, beside the pass, the sample, and the place; default 0.
   */
  props[PROP_SEED] = g_param_spec_uint64 ("seed", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_masked_dataset_init (ReformerMaskedDataset *self)
{
  g_mutex_init (&self->mutex);
  self->fraction = 0.15;
  self->mask_id = 1;
}

/**
 * reformer_masked_dataset_new:
 * @dataset: a data set with ids
 *
 * Creates a data set of the samples of another one, with some ids hidden.
 *
 * Returns: (transfer full): a new data set
 */
ReformerMaskedDataset *
reformer_masked_dataset_new (ReformerDataset *dataset)
{
  g_return_val_if_fail (REFORMER_IS_DATASET (dataset), NULL);

  return g_object_new (REFORMER_TYPE_MASKED_DATASET, "dataset", dataset, NULL);
}

/**
 * reformer_masked_dataset_get_dataset:
 * @self: a data set
 *
 * Gets the data set whose ids are masked.
 *
 * Returns: (transfer none) (nullable): a data set, or %NULL if none was given
 */
ReformerDataset *
reformer_masked_dataset_get_dataset (ReformerMaskedDataset *self)
{
  g_return_val_if_fail (REFORMER_IS_MASKED_DATASET (self), NULL);

  return self->dataset;
}

/**
 * reformer_masked_dataset_get_fraction:
 * @self: a data set
 *
 * Gets the probability with which an id is chosen.
 *
 * Returns: more than 0, and at most 1
 */
double
reformer_masked_dataset_get_fraction (ReformerMaskedDataset *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (REFORMER_IS_MASKED_DATASET (self), 0);

  locker = g_mutex_locker_new (&self->mutex);
  return self->fraction;
}

/**
 * reformer_masked_dataset_set_fraction:
 * @self: a data set
 * @fraction: more than 0, and at most 1
 *
 * Sets the probability with which an id is chosen. What cannot be fails with the next use.
 */
void
reformer_masked_dataset_set_fraction (ReformerMaskedDataset *self,
                                      double                 fraction)
{
  gboolean same;

  g_return_if_fail (REFORMER_IS_MASKED_DATASET (self));

  g_mutex_lock (&self->mutex);
  same = self->fraction == fraction;
  self->fraction = fraction;
  g_mutex_unlock (&self->mutex);
  if (!same)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_FRACTION]);
}

/**
 * reformer_masked_dataset_get_mask_id:
 * @self: a data set
 *
 * Gets the id that stands for what is hidden.
 *
 * Returns: an id
 */
int
reformer_masked_dataset_get_mask_id (ReformerMaskedDataset *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (REFORMER_IS_MASKED_DATASET (self), 0);

  locker = g_mutex_locker_new (&self->mutex);
  return self->mask_id;
}

/**
 * reformer_masked_dataset_set_mask_id:
 * @self: a data set
 * @mask_id: an id
 *
 * Sets the id that stands for what is hidden. What cannot be fails with the next use.
 */
void
reformer_masked_dataset_set_mask_id (ReformerMaskedDataset *self,
                                     int                    mask_id)
{
  gboolean same;

  g_return_if_fail (REFORMER_IS_MASKED_DATASET (self));

  g_mutex_lock (&self->mutex);
  same = self->mask_id == mask_id;
  self->mask_id = mask_id;
  g_mutex_unlock (&self->mutex);
  if (!same)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_MASK_ID]);
}

/**
 * reformer_masked_dataset_get_n_ids:
 * @self: a data set
 *
 * Gets how many ids there are to draw other ones from.
 *
 * Returns: a number; 0: as many as the tokenizer has
 */
int
reformer_masked_dataset_get_n_ids (ReformerMaskedDataset *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (REFORMER_IS_MASKED_DATASET (self), 0);

  locker = g_mutex_locker_new (&self->mutex);
  return self->n_ids;
}

/**
 * reformer_masked_dataset_set_n_ids:
 * @self: a data set
 * @n_ids: a number; 0: as many as the tokenizer has
 *
 * Sets how many ids there are to draw other ones from. What cannot be fails with the next use.
 */
void
reformer_masked_dataset_set_n_ids (ReformerMaskedDataset *self,
                                   int                    n_ids)
{
  gboolean same;

  g_return_if_fail (REFORMER_IS_MASKED_DATASET (self));

  g_mutex_lock (&self->mutex);
  same = self->n_ids == n_ids;
  self->n_ids = n_ids;
  g_mutex_unlock (&self->mutex);
  if (!same)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_N_IDS]);
}

/**
 * reformer_masked_dataset_get_seed:
 * @self: a data set
 *
 * Gets what the choice hangs on.
 *
 * Returns: any number
 */
guint64
reformer_masked_dataset_get_seed (ReformerMaskedDataset *self)
{
  g_autoptr (GMutexLocker) locker = NULL;

  g_return_val_if_fail (REFORMER_IS_MASKED_DATASET (self), 0);

  locker = g_mutex_locker_new (&self->mutex);
  return self->seed;
}

/**
 * reformer_masked_dataset_set_seed:
 * @self: a data set
 * @seed: any number
 *
 * Sets what the choice hangs on.
 */
void
reformer_masked_dataset_set_seed (ReformerMaskedDataset *self,
                                  guint64                seed)
{
  gboolean same;

  g_return_if_fail (REFORMER_IS_MASKED_DATASET (self));

  g_mutex_lock (&self->mutex);
  same = self->seed == seed;
  self->seed = seed;
  g_mutex_unlock (&self->mutex);
  if (!same)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SEED]);
}
