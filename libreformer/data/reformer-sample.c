/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-sample.h>

/**
 * ReformerSample:
 *
 * One sequence to learn from: ids, or vectors of numbers in their place, and where they are given a mask and labels.
 *
 * What labels are is a matter of the model's head ([enum@Head]); numbers are in the machine's byte order:
 *
 * - language: int32 `[T]`, one for each id, -100 where nothing is asked. The position before predicts it. No labels at all: the ids themselves.
 * - masked language: int32 `[T]`, what the id at this position was before it was masked, -100 where nothing is asked.
 * - classification: int32 `[1]`, the class, from 0 on.
 * - regression: float32 `[labels]`, the numbers; NaN where nothing is asked.
 * - several classes at once: float32 `[labels]`, 1 for each class that it is, 0 for the others, NaN where nothing is asked.
 * - spans: int32 `[2]`, the first and the last position of the answer, counted from 0; -100 twice where there is none.
 * - a class for each token: int32 `[T]`, -100 where nothing is asked.
 * - numbers for each token: float32 `[T, labels]`, NaN where nothing is asked.
 *
 * Any bytes can be put in; [method@Dataset.read_sample] and the trainer check that they fit together.
 */
struct _ReformerSample
{
  GObject parent_instance;

  GBytes *tokens;
  GBytes *values;
  int     features;
  GBytes *mask;
  GBytes *labels;
};

enum
{
  PROP_0,
  PROP_TOKENS,
  PROP_VALUES,
  PROP_FEATURES,
  PROP_MASK,
  PROP_LABELS,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerSample, reformer_sample, G_TYPE_OBJECT)

static void
reformer_sample_finalize (GObject *object)
{
  ReformerSample *self = REFORMER_SAMPLE (object);

  g_clear_pointer (&self->tokens, g_bytes_unref);
  g_clear_pointer (&self->values, g_bytes_unref);
  g_clear_pointer (&self->mask, g_bytes_unref);
  g_clear_pointer (&self->labels, g_bytes_unref);
  G_OBJECT_CLASS (reformer_sample_parent_class)->finalize (object);
}

static GBytes **
member (ReformerSample *self,
        guint           id)
{
  return id == PROP_TOKENS ? &self->tokens : id == PROP_VALUES ? &self->values : id == PROP_MASK ? &self->mask : id == PROP_LABELS ? &self->labels : NULL;
}

static void
reformer_sample_get_property (GObject    *object,
                              guint       id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  GBytes **bytes = member (REFORMER_SAMPLE (object), id);

  if (bytes != NULL)
    g_value_set_boxed (value, *bytes);
  else if (id == PROP_FEATURES)
    g_value_set_int (value, REFORMER_SAMPLE (object)->features);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_sample_set_property (GObject      *object,
                              guint         id,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  GBytes **bytes = member (REFORMER_SAMPLE (object), id);

  if (bytes != NULL)
    *bytes = g_value_dup_boxed (value);
  else if (id == PROP_FEATURES)
    REFORMER_SAMPLE (object)->features = g_value_get_int (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_sample_class_init (ReformerSampleClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->finalize = reformer_sample_finalize;
  object_class->get_property = reformer_sample_get_property;
  object_class->set_property = reformer_sample_set_property;

  /**
   * ReformerSample:tokens:
   *
   * The ids, int32 in the machine's byte order; %NULL if there are values in their place.
   */
  props[PROP_TOKENS] = g_param_spec_boxed ("tokens", NULL, NULL, G_TYPE_BYTES, flags);
  /**
   * ReformerSample:values:
   *
   * The vectors, float32 `[T, features]` in the machine's byte order, for a model with [property@Config:input-features]; %NULL if there are ids.
   */
  props[PROP_VALUES] = g_param_spec_boxed ("values", NULL, NULL, G_TYPE_BYTES, flags);
  /**
   * ReformerSample:features:
   *
   * The numbers in each of the vectors; 0, the default, where there are none.
   */
  props[PROP_FEATURES] = g_param_spec_int ("features", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * ReformerSample:mask:
   *
   * One byte for each id or vector, 0 where the model does not look; %NULL if it looks at all.
   */
  props[PROP_MASK] = g_param_spec_boxed ("mask", NULL, NULL, G_TYPE_BYTES, flags);
  /**
   * ReformerSample:labels:
   *
   * What the model should say, int32 or float32 as its head wants: see [method@Model.compute_gradients]. One or more numbers for each id (`language`,
   * `masked-language`, `tokens`, `values`), or for the whole sample (`classification`, `regression`, `multi-label`, and two positions for `spans`). -100, or NaN
   * of float32, where nothing is asked. %NULL, for a causal language head alone, if the ids themselves are the labels.
   */
  props[PROP_LABELS] = g_param_spec_boxed ("labels", NULL, NULL, G_TYPE_BYTES, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_sample_init (ReformerSample *self)
{
}

/**
 * reformer_sample_new:
 * @tokens: ids, int32 in the machine's byte order
 * @mask: (nullable): one byte for each id, 0 where the model does not look
 * @labels: (nullable): what the model should say, int32 or float32: see [property@Sample:labels]
 *
 * Creates a sample.
 *
 * Returns: (transfer full): a new sample
 */
ReformerSample *
reformer_sample_new (GBytes *tokens,
                     GBytes *mask,
                     GBytes *labels)
{
  return g_object_new (REFORMER_TYPE_SAMPLE, "tokens", tokens, "mask", mask, "labels", labels, NULL);
}

/**
 * reformer_sample_new_from_ids:
 * @ids: (array length=n_ids): ids
 * @n_ids: number of ids
 *
 * Creates a sample without mask and labels.
 *
 * Returns: (transfer full): a new sample
 */
ReformerSample *
reformer_sample_new_from_ids (const int *ids,
                              gsize      n_ids)
{
  g_autoptr (GBytes) tokens = NULL;

  g_return_val_if_fail (ids != NULL || n_ids == 0, NULL);

  tokens = g_bytes_new (ids, n_ids * sizeof (gint32));
  return reformer_sample_new (tokens, NULL, NULL);
}

/**
 * reformer_sample_new_from_values:
 * @values: vectors, float32 `[T, features]` in the machine's byte order
 * @features: numbers in each of the vectors, at least 1
 * @mask: (nullable): one byte for each vector, 0 where the model does not look
 * @labels: (nullable): what the model should say, in the form that its head wants
 *
 * Creates a sample of vectors, such as the points of a series or the frames of a recording.
 *
 * Returns: (transfer full): a new sample
 */
ReformerSample *
reformer_sample_new_from_values (GBytes *values,
                                 int     features,
                                 GBytes *mask,
                                 GBytes *labels)
{
  g_return_val_if_fail (values != NULL, NULL);
  g_return_val_if_fail (features >= 0, NULL);

  return g_object_new (REFORMER_TYPE_SAMPLE, "values", values, "features", features, "mask", mask, "labels", labels, NULL);
}

/**
 * reformer_sample_get_length:
 * @self: a sample
 *
 * Counts the ids, or the vectors: T.
 *
 * Returns: the number of ids or vectors, without what is less than a whole one
 */
gsize
reformer_sample_get_length (ReformerSample *self)
{
  g_return_val_if_fail (REFORMER_IS_SAMPLE (self), 0);

  if (self->tokens != NULL)
    return g_bytes_get_size (self->tokens) / sizeof (gint32);
  return self->values != NULL && self->features > 0 ? g_bytes_get_size (self->values) / sizeof (float) / (gsize) self->features : 0;
}

/**
 * reformer_sample_get_tokens:
 * @self: a sample
 *
 * Gets the ids.
 *
 * Returns: (transfer none) (nullable): int32 ids in the machine's byte order, or %NULL if none were given
 */
GBytes *
reformer_sample_get_tokens (ReformerSample *self)
{
  g_return_val_if_fail (REFORMER_IS_SAMPLE (self), NULL);

  return self->tokens;
}

/**
 * reformer_sample_get_values:
 * @self: a sample
 *
 * Gets the vectors.
 *
 * Returns: (transfer none) (nullable): float32 `[T, features]` in the machine's byte order, or %NULL if none were given
 */
GBytes *
reformer_sample_get_values (ReformerSample *self)
{
  g_return_val_if_fail (REFORMER_IS_SAMPLE (self), NULL);

  return self->values;
}

/**
 * reformer_sample_get_features:
 * @self: a sample
 *
 * Gets the numbers in each of the vectors.
 *
 * Returns: the numbers in a vector, or 0 where there are no vectors
 */
int
reformer_sample_get_features (ReformerSample *self)
{
  g_return_val_if_fail (REFORMER_IS_SAMPLE (self), 0);

  return self->features;
}

/**
 * reformer_sample_get_mask:
 * @self: a sample
 *
 * Gets where the model looks.
 *
 * Returns: (transfer none) (nullable): one byte for each id, 0 where the model does not look, or %NULL if it looks at all
 */
GBytes *
reformer_sample_get_mask (ReformerSample *self)
{
  g_return_val_if_fail (REFORMER_IS_SAMPLE (self), NULL);

  return self->mask;
}

/**
 * reformer_sample_get_labels:
 * @self: a sample
 *
 * Gets what the model should say.
 *
 * Returns: (transfer none) (nullable): int32 or float32, see [property@Sample:labels], or %NULL if the ids are the labels
 */
GBytes *
reformer_sample_get_labels (ReformerSample *self)
{
  g_return_val_if_fail (REFORMER_IS_SAMPLE (self), NULL);

  return self->labels;
}
