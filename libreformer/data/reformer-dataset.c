/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-dataset.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"

/**
 * ReformerDataset:
 *
 * Where a trainer's samples come from.
 *
 * A data set can cut itself into samples of any length, and gives any of them by its index; the order in which they are read is the trainer's affair.
 * [class@TextDataset] reads the text of a file, [class@LabelledDataset] sequences with labels, and [class@MaskedDataset] hides ids of another data set. A data set of your own overrides
 * `count_samples` and `read_sample`, in any language, and, where that makes sense, `read_sample_of_epoch`, `get_held_out` and `identify`.
 *
 * ```python
 * class Counting(Reformer.Dataset):
 *     def do_count_samples(self, length):
 *         return 100
 *
 *     def do_read_sample(self, index, length):
 *         return [(index + i) % 250 for i in range(length)]
 *
 * Reformer.Trainer(model=model, dataset=Counting(), sequence_length=64).train(2, None)
 * ```
 */

typedef struct
{
  ReformerTokenizer *tokenizer;
} ReformerDatasetPrivate;

enum
{
  PROP_0,
  PROP_TOKENIZER,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (ReformerDataset, reformer_dataset, G_TYPE_OBJECT)

static void
reformer_dataset_finalize (GObject *object)
{
  ReformerDatasetPrivate *priv = reformer_dataset_get_instance_private (REFORMER_DATASET (object));

  g_clear_object (&priv->tokenizer);
  G_OBJECT_CLASS (reformer_dataset_parent_class)->finalize (object);
}

static void
reformer_dataset_get_property (GObject    *object,
                               guint       id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  switch (id)
    {
    case PROP_TOKENIZER:
      g_value_set_object (value, reformer_dataset_get_tokenizer (REFORMER_DATASET (object)));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_dataset_set_property (GObject      *object,
                               guint         id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  switch (id)
    {
    case PROP_TOKENIZER:
      reformer_dataset_set_tokenizer (REFORMER_DATASET (object), g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_dataset_class_init (ReformerDatasetClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  reformer_home_own (klass);
  object_class->finalize = reformer_dataset_finalize;
  object_class->get_property = reformer_dataset_get_property;
  object_class->set_property = reformer_dataset_set_property;

  /**
   * ReformerDataset:tokenizer:
   *
   * What made the ids, for programs that want to show text; %NULL where the data are no text. It is set before the data set is read.
   */
  props[PROP_TOKENIZER] = g_param_spec_object ("tokenizer", NULL, NULL, REFORMER_TYPE_TOKENIZER,
                                               G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_dataset_init (ReformerDataset *self)
{
}

/* ---- Calling functions that may be written elsewhere ---- */

typedef struct
{
  ReformerDataset  *self;
  gint64            index;
  int               length;
  guint             epoch;
  gint64            count;
  ReformerSample   *sample;
  ReformerDataset  *held_out;
  char             *identity;
  GError          **error;
} Call;

static void
call_count_samples (gpointer data)
{
  Call *call = data;

  call->count = REFORMER_DATASET_GET_CLASS (call->self)->count_samples (call->self, call->length, call->error);
}

static void
call_read_sample (gpointer data)
{
  Call *call = data;

  call->sample = REFORMER_DATASET_GET_CLASS (call->self)->read_sample (call->self, call->index, call->length, call->error);
}

static void
call_read_sample_of_epoch (gpointer data)
{
  Call *call = data;

  call->sample = REFORMER_DATASET_GET_CLASS (call->self)->read_sample_of_epoch (call->self, call->index, call->length, call->epoch, call->error);
}

static void
call_get_held_out (gpointer data)
{
  Call *call = data;

  call->held_out = REFORMER_DATASET_GET_CLASS (call->self)->get_held_out (call->self, call->error);
}

static void
call_identify (gpointer data)
{
  Call *call = data;

  call->identity = REFORMER_DATASET_GET_CLASS (call->self)->identify (call->self, call->error);
}

static gboolean
check_call (ReformerDataset  *self,
            const char       *function,
            gboolean          written,
            int               length,
            GError          **error)
{
  if (!written)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s has no %s of its own; a data set must override it", G_OBJECT_TYPE_NAME (self), function);
  else if (length < 1)
    g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "the length of samples is %d, at least 1 is wanted", length);
  return written && length >= 1;
}

/**
 * reformer_dataset_count_samples: (virtual count_samples)
 * @self: a data set
 * @length: the most ids or vectors that a sample has
 * @error: return location for an error
 *
 * Counts the samples that the data make when they are cut at this length.
 *
 * Returns: the number of samples, or -1 with @error set: [error@FileError] or what the data set reports
 */
gint64
reformer_dataset_count_samples (ReformerDataset  *self,
                                int               length,
                                GError          **error)
{
  GError *problem = NULL;
  Call call = { .self = self, .length = length, .count = -1, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_DATASET (self), -1);

  if (!check_call (self, "count_samples", REFORMER_DATASET_GET_CLASS (self)->count_samples != NULL, length, error))
    return -1;
  reformer_home_call (self, G_STRUCT_OFFSET (ReformerDatasetClass, count_samples), call_count_samples, &call, call.error);
  if (problem == NULL && call.count < 0)
    g_set_error (&problem, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "count_samples of %s returned %" G_GINT64_FORMAT " and no error, at least 0 is wanted",
                 G_OBJECT_TYPE_NAME (self), call.count);
  if (problem == NULL)
    return call.count;
  g_propagate_error (error, problem);
  return -1;
}

/* A part of a sample that has one element of `width` bytes for each id or vector. */
static gboolean
check_part (ReformerDataset  *self,
            gint64            index,
            const char       *name,
            GBytes           *part,
            gsize             width,
            gsize             n,
            const char       *kind,
            GError          **error)
{
  if (part == NULL || g_bytes_get_size (part) == n * width)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s has %" G_GSIZE_FORMAT " bytes of %s, %" G_GSIZE_FORMAT
               " are wanted (%" G_GSIZE_FORMAT " for each of %" G_GSIZE_FORMAT " %s)", index, G_OBJECT_TYPE_NAME (self), g_bytes_get_size (part), name, n * width, width, n,
               kind);
  return FALSE;
}

/* How many labels there are to be is the model's affair. */
static gboolean
check_labels (ReformerDataset  *self,
              gint64            index,
              GBytes           *labels,
              GError          **error)
{
  if (labels == NULL || (g_bytes_get_size (labels) > 0 && g_bytes_get_size (labels) % sizeof (gint32) == 0))
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s has %" G_GSIZE_FORMAT
               " bytes of labels, a multiple of 4 is wanted (int32 or float32)", index, G_OBJECT_TYPE_NAME (self), g_bytes_get_size (labels));
  return FALSE;
}

static gboolean
check_sample (ReformerDataset  *self,
              gint64            index,
              int               length,
              ReformerSample   *sample,
              GError          **error)
{
  GBytes *tokens = reformer_sample_get_tokens (sample), *values = reformer_sample_get_values (sample);
  const char *kind = values != NULL ? "vectors" : "ids";
  const gsize width = values != NULL ? sizeof (float) * (gsize) reformer_sample_get_features (sample) : sizeof (gint32);
  const gsize n_bytes = values != NULL ? g_bytes_get_size (values) : tokens != NULL ? g_bytes_get_size (tokens) : 0;
  const gsize n = reformer_sample_get_length (sample);

  if (values != NULL && (tokens != NULL || width == 0))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s has values %s, wanted %s", index, G_OBJECT_TYPE_NAME (self),
                   tokens != NULL ? "beside tokens" : "with 0 features", tokens != NULL ? "one of the two" : "at least 1");
      return FALSE;
    }
  if (n_bytes % width != 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s has %" G_GSIZE_FORMAT " bytes of %s, a multiple of %" G_GSIZE_FORMAT
                   " is wanted (%s)", index, G_OBJECT_TYPE_NAME (self), n_bytes, values != NULL ? "values" : "tokens", width, values != NULL ? "float32, whole vectors" : "int32");
      return FALSE;
    }
  if (n < 1 || n > (gsize) length)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s has %" G_GSIZE_FORMAT " %s, wanted from 1 to %d", index,
                   G_OBJECT_TYPE_NAME (self), n, kind, length);
      return FALSE;
    }
  return check_part (self, index, "mask", reformer_sample_get_mask (sample), sizeof (guint8), n, kind, error) &&
         check_labels (self, index, reformer_sample_get_labels (sample), error);
}

/* By either of the two functions. */
static ReformerSample *
read_sample (Call        *call,
             gsize        offset,
             const char  *function,
             gboolean     written,
             void       (*read) (gpointer data),
             GError     **error)
{
  ReformerDataset *self = call->self;
  GError *problem = NULL;

  if (!check_call (self, function, written, call->length, error))
    return NULL;
  if (call->index < 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "sample %" G_GINT64_FORMAT " of %s was asked for, the first is 0", call->index,
                   G_OBJECT_TYPE_NAME (self));
      return NULL;
    }
  call->error = &problem;
  reformer_home_call (self, offset, read, call, call->error);
  if (problem == NULL && !REFORMER_IS_SAMPLE (call->sample))
    g_set_error (&problem, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_UNSUPPORTED, "%s of %s returned neither a sample nor an error; it must return a sample", function,
                 G_OBJECT_TYPE_NAME (self));
  if (problem == NULL && check_sample (self, call->index, call->length, call->sample, &problem))
    return call->sample;
  g_clear_object (&call->sample);
  g_propagate_error (error, problem);
  return NULL;
}

/**
 * reformer_dataset_read_sample: (virtual read_sample)
 * @self: a data set
 * @index: which sample, from 0 to [method@Dataset.count_samples] - 1
 * @length: the most ids or vectors that a sample has
 * @error: return location for an error
 *
 * Reads a sample: 1 to @length ids or vectors, as many elements of the mask where it has one, and labels as the model that learns from it wants them ([property@Sample:labels]).
 *
 * Returns: (transfer full): a sample, or %NULL with @error set: [error@FileError] or what the data set reports
 */
ReformerSample *
reformer_dataset_read_sample (ReformerDataset  *self,
                              gint64            index,
                              int               length,
                              GError          **error)
{
  Call call = { .self = self, .index = index, .length = length };

  g_return_val_if_fail (REFORMER_IS_DATASET (self), NULL);

  return read_sample (&call, G_STRUCT_OFFSET (ReformerDatasetClass, read_sample), "read_sample", REFORMER_DATASET_GET_CLASS (self)->read_sample != NULL, call_read_sample, error);
}

/**
 * reformer_dataset_read_sample_of_epoch: (virtual read_sample_of_epoch)
 * @self: a data set
 * @index: which sample, from 0 to [method@Dataset.count_samples] - 1
 * @length: the most ids or vectors that a sample has
 * @epoch: which pass over the data, from 0 on
 * @error: return location for an error
 *
 * Reads a sample as it is in this pass over the data, which is how a trainer's steps read. A data set that hides or changes something at random makes it hang on index and pass alone, so that
 * a run that is repeated reads the same. One that does not override this function is asked by [method@Dataset.read_sample].
 *
 * Returns: (transfer full): a sample, or %NULL with @error set: [error@FileError] or what the data set reports
 */
ReformerSample *
reformer_dataset_read_sample_of_epoch (ReformerDataset  *self,
                                       gint64            index,
                                       int               length,
                                       guint             epoch,
                                       GError          **error)
{
  Call call = { .self = self, .index = index, .length = length, .epoch = epoch };

  g_return_val_if_fail (REFORMER_IS_DATASET (self), NULL);

  if (REFORMER_DATASET_GET_CLASS (self)->read_sample_of_epoch == NULL)
    return reformer_dataset_read_sample (self, index, length, error);
  return read_sample (&call, G_STRUCT_OFFSET (ReformerDatasetClass, read_sample_of_epoch), "read_sample_of_epoch", TRUE, call_read_sample_of_epoch, error);
}

/**
 * reformer_dataset_get_held_out: (virtual get_held_out)
 * @self: a data set
 * @error: return location for an error
 *
 * Gets the part of the data that this data set leaves out, by which a trainer measures how well the model does on what it has not seen.
 *
 * Returns: (transfer full) (nullable): a data set; %NULL without @error if nothing is held out, or with @error set to what the data set reports
 */
ReformerDataset *
reformer_dataset_get_held_out (ReformerDataset  *self,
                               GError          **error)
{
  GError *problem = NULL;
  Call call = { .self = self, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_DATASET (self), NULL);

  if (REFORMER_DATASET_GET_CLASS (self)->get_held_out != NULL)
    reformer_home_call (self, G_STRUCT_OFFSET (ReformerDatasetClass, get_held_out), call_get_held_out, &call, call.error);
  if (problem == NULL)
    return call.held_out;
  g_clear_object (&call.held_out);
  g_propagate_error (error, problem);
  return NULL;
}

/**
 * reformer_dataset_identify: (virtual identify)
 * @self: a data set
 * @error: return location for an error
 *
 * Gets a text that is another one when the data are others. It is kept with a model that was trained by the data, and a run that goes on compares it.
 *
 * Returns: (transfer full) (nullable): a line of text; %NULL without @error if the data set does not say, or with @error set: [error@FileError] or what the data
 *   set reports
 */
char *
reformer_dataset_identify (ReformerDataset  *self,
                           GError          **error)
{
  GError *problem = NULL;
  Call call = { .self = self, .error = &problem };

  g_return_val_if_fail (REFORMER_IS_DATASET (self), NULL);

  if (REFORMER_DATASET_GET_CLASS (self)->identify != NULL)
    reformer_home_call (self, G_STRUCT_OFFSET (ReformerDatasetClass, identify), call_identify, &call, call.error);
  if (problem == NULL)
    return call.identity;
  g_clear_pointer (&call.identity, g_free);
  g_propagate_error (error, problem);
  return NULL;
}

/* ---- Tokenizer ---- */

/**
 * reformer_dataset_get_tokenizer:
 * @self: a data set
 *
 * Gets what made the ids.
 *
 * Returns: (transfer none) (nullable): a tokenizer, or %NULL where the data are no text
 */
ReformerTokenizer *
reformer_dataset_get_tokenizer (ReformerDataset *self)
{
  ReformerDatasetPrivate *priv = reformer_dataset_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_DATASET (self), NULL);

  return priv->tokenizer;
}

/**
 * reformer_dataset_set_tokenizer:
 * @self: a data set
 * @tokenizer: (nullable): a tokenizer
 *
 * Says what made the ids.
 */
void
reformer_dataset_set_tokenizer (ReformerDataset   *self,
                                ReformerTokenizer *tokenizer)
{
  ReformerDatasetPrivate *priv = reformer_dataset_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_DATASET (self));
  g_return_if_fail (tokenizer == NULL || REFORMER_IS_TOKENIZER (tokenizer));

  if (g_set_object (&priv->tokenizer, tokenizer))
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TOKENIZER]);
}
