/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/training-record-private.h"

#include <math.h>

/**
 * ReformerEvaluation:
 *
 * How well a model predicts a data set: what [method@Trainer.evaluate] and the evaluations during training find.
 *
 * Beside the loss there are metrics, which depend on the model's head ([enum@Head]); one that does not fit is NaN:
 *
 * - language: bits, bits per byte, perplexity, accuracy
 * - masked language: bits, perplexity, accuracy
 * - classification, tokens: accuracy, macro F1, Matthews
 * - several labels: accuracy, macro F1, exact match
 * - regression, values: mean squared error, mean absolute error
 * - spans: exact match
 *
 * ```python
 * evaluation = trainer.evaluate(None, None)
 * print("%.2f bits a token in %d samples" % (evaluation.props.bits, evaluation.props.samples))
 * ```
 */

struct _ReformerEvaluation
{
  GObject                 parent_instance;

  ReformerEvaluationData  data;
};

enum
{
  PROP_0,
  PROP_STEP,
  PROP_LOSS,
  PROP_BITS,
  PROP_PERPLEXITY,
  PROP_BITS_PER_BYTE,
  PROP_ACCURACY,
  PROP_MACRO_F1,
  PROP_MATTHEWS,
  PROP_MEAN_SQUARED_ERROR,
  PROP_MEAN_ABSOLUTE_ERROR,
  PROP_EXACT_MATCH,
  PROP_TARGETS,
  PROP_SAMPLES,
  PROP_SECONDS,
  PROP_BEST,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerEvaluation, reformer_evaluation, G_TYPE_OBJECT)

static void
reformer_evaluation_get_property (GObject    *object,
                                  guint       id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  ReformerEvaluation *self = REFORMER_EVALUATION (object);

  switch (id)
    {
    case PROP_STEP:
      g_value_set_uint (value, self->data.step);
      break;
    case PROP_LOSS:
      g_value_set_double (value, self->data.loss);
      break;
    case PROP_BITS:
      g_value_set_double (value, self->data.metrics.bits);
      break;
    case PROP_PERPLEXITY:
      g_value_set_double (value, self->data.metrics.perplexity);
      break;
    case PROP_BITS_PER_BYTE:
      g_value_set_double (value, self->data.metrics.bits_per_byte);
      break;
    case PROP_ACCURACY:
      g_value_set_double (value, self->data.metrics.accuracy);
      break;
    case PROP_MACRO_F1:
      g_value_set_double (value, self->data.metrics.macro_f1);
      break;
    case PROP_MATTHEWS:
      g_value_set_double (value, self->data.metrics.matthews);
      break;
    case PROP_MEAN_SQUARED_ERROR:
      g_value_set_double (value, self->data.metrics.mean_squared_error);
      break;
    case PROP_MEAN_ABSOLUTE_ERROR:
      g_value_set_double (value, self->data.metrics.mean_absolute_error);
      break;
    case PROP_EXACT_MATCH:
      g_value_set_double (value, self->data.metrics.exact_match);
      break;
    case PROP_TARGETS:
      g_value_set_int64 (value, self->data.targets);
      break;
    case PROP_SAMPLES:
      g_value_set_int64 (value, self->data.samples);
      break;
    case PROP_SECONDS:
      g_value_set_double (value, self->data.seconds);
      break;
    case PROP_BEST:
      g_value_set_boolean (value, self->data.best);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_evaluation_class_init (ReformerEvaluationClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = reformer_evaluation_get_property;

  /**
   * ReformerEvaluation:step:
   *
   * Number of training steps that were made before.
   */
  props[PROP_STEP] = g_param_spec_uint ("step", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerEvaluation:loss:
   *
   * The mean loss over all targets: that of the model's head, in nats for heads that give probabilities.
   */
  props[PROP_LOSS] = g_param_spec_double ("loss", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:bits:
   *
   * The loss in bits per target (%REFORMER_HEAD_LANGUAGE, %REFORMER_HEAD_MASKED_LANGUAGE); NaN with another head.
   */
  props[PROP_BITS] = g_param_spec_double ("bits", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:perplexity:
   *
   * The exponential of the loss (%REFORMER_HEAD_LANGUAGE, %REFORMER_HEAD_MASKED_LANGUAGE); NaN with another head.
   */
  props[PROP_PERPLEXITY] = g_param_spec_double ("perplexity", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:bits-per-byte:
   *
   * How many bits a byte of the text would be compressed to: the loss of all targets in bits, divided by the bytes that they stand for
   * (%REFORMER_HEAD_LANGUAGE). Unlike [property@Evaluation:bits] it compares models with different tokenizers. NaN with another head, and where
   * [property@Dataset:tokenizer] is not there or cannot decode the ids.
   */
  props[PROP_BITS_PER_BYTE] = g_param_spec_double ("bits-per-byte", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:accuracy:
   *
   * The share of targets for which the right class was the likeliest (%REFORMER_HEAD_LANGUAGE, %REFORMER_HEAD_MASKED_LANGUAGE, %REFORMER_HEAD_CLASSIFICATION,
   * %REFORMER_HEAD_TOKENS); of several labels, of all decisions for or against one (%REFORMER_HEAD_MULTI_LABEL). NaN with another head.
   */
  props[PROP_ACCURACY] = g_param_spec_double ("accuracy", NULL, NULL, 0, 1, 0, flags);
  /**
   * ReformerEvaluation:macro-f1:
   *
   * The mean of the F1 of all classes that were wanted or chosen at least once (%REFORMER_HEAD_CLASSIFICATION, %REFORMER_HEAD_TOKENS), or of all labels
   * (%REFORMER_HEAD_MULTI_LABEL), where a label that was neither has 0. NaN with another head.
   */
  props[PROP_MACRO_F1] = g_param_spec_double ("macro-f1", NULL, NULL, 0, 1, 0, flags);
  /**
   * ReformerEvaluation:matthews:
   *
   * Matthews' correlation coefficient, for any number of classes: 1 if all is right, about 0 for guesses, 0 where only one class was wanted or only one chosen
   * (%REFORMER_HEAD_CLASSIFICATION, %REFORMER_HEAD_TOKENS; Gorodkin, 2004). NaN with another head.
   */
  props[PROP_MATTHEWS] = g_param_spec_double ("matthews", NULL, NULL, -1, 1, 0, flags);
  /**
   * ReformerEvaluation:mean-squared-error:
   *
   * The mean of the squares of what the numbers are off by (%REFORMER_HEAD_REGRESSION, %REFORMER_HEAD_VALUES). NaN with another head.
   */
  props[PROP_MEAN_SQUARED_ERROR] = g_param_spec_double ("mean-squared-error", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:mean-absolute-error:
   *
   * The mean of what the numbers are off by, without signs (%REFORMER_HEAD_REGRESSION, %REFORMER_HEAD_VALUES). NaN with another head.
   */
  props[PROP_MEAN_ABSOLUTE_ERROR] = g_param_spec_double ("mean-absolute-error", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:exact-match:
   *
   * The share of sequences of which all is right: both ends of the answer (%REFORMER_HEAD_SPANS), or all labels (%REFORMER_HEAD_MULTI_LABEL). The answer is the span that
   * ends where it begins or later, in the text, with the greatest sum of both logits. NaN with another head, and where no sequence has an answer.
   */
  props[PROP_EXACT_MATCH] = g_param_spec_double ("exact-match", NULL, NULL, 0, 1, 0, flags);
  /**
   * ReformerEvaluation:targets:
   *
   * Number of targets.
   */
  props[PROP_TARGETS] = g_param_spec_int64 ("targets", NULL, NULL, 0, G_MAXINT64, 0, flags);
  /**
   * ReformerEvaluation:samples:
   *
   * Number of samples that were read.
   */
  props[PROP_SAMPLES] = g_param_spec_int64 ("samples", NULL, NULL, 0, G_MAXINT64, 0, flags);
  /**
   * ReformerEvaluation:seconds:
   *
   * How long it took.
   */
  props[PROP_SECONDS] = g_param_spec_double ("seconds", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:best:
   *
   * Whether it was better than all evaluations of this training before it; %FALSE for one that was asked for.
   */
  props[PROP_BEST] = g_param_spec_boolean ("best", NULL, NULL, FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_evaluation_init (ReformerEvaluation *self)
{
}

ReformerEvaluation *
reformer_evaluation_new (const ReformerEvaluationData *data)
{
  ReformerEvaluation *self = g_object_new (REFORMER_TYPE_EVALUATION, NULL);

  self->data = *data;
  return self;
}

/**
 * reformer_evaluation_get_step:
 * @self: an evaluation
 *
 * Gets the number of training steps that were made before.
 *
 * Returns: the number of steps
 */
guint
reformer_evaluation_get_step (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), 0);

  return self->data.step;
}

/**
 * reformer_evaluation_get_loss:
 * @self: an evaluation
 *
 * Gets the mean loss over all targets.
 *
 * Returns: the loss
 */
double
reformer_evaluation_get_loss (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.loss;
}

/**
 * reformer_evaluation_get_bits:
 * @self: an evaluation
 *
 * Gets the mean loss in bits.
 *
 * Returns: the loss divided by ln 2, or NaN where the head gives no tokens
 */
double
reformer_evaluation_get_bits (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.bits;
}

/**
 * reformer_evaluation_get_perplexity:
 * @self: an evaluation
 *
 * Gets the exponential of the loss.
 *
 * Returns: the perplexity, or NaN where the head gives no tokens
 */
double
reformer_evaluation_get_perplexity (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.perplexity;
}

/**
 * reformer_evaluation_get_bits_per_byte:
 * @self: an evaluation
 *
 * Gets how many bits a byte of text would be compressed to.
 *
 * Returns: the bits per byte, or NaN where there is none; see [property@Evaluation:bits-per-byte]
 */
double
reformer_evaluation_get_bits_per_byte (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.bits_per_byte;
}

/**
 * reformer_evaluation_get_accuracy:
 * @self: an evaluation
 *
 * Gets the share of targets for which the right class was the likeliest.
 *
 * Returns: the accuracy, or NaN where there is none; see [property@Evaluation:accuracy]
 */
double
reformer_evaluation_get_accuracy (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.accuracy;
}

/**
 * reformer_evaluation_get_macro_f1:
 * @self: an evaluation
 *
 * Gets the mean of the F1 of all classes.
 *
 * Returns: the macro F1, or NaN where there is none; see [property@Evaluation:macro-f1]
 */
double
reformer_evaluation_get_macro_f1 (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.macro_f1;
}

/**
 * reformer_evaluation_get_matthews:
 * @self: an evaluation
 *
 * Gets Matthews' correlation coefficient.
 *
 * Returns: the coefficient, or NaN where there is none; see [property@Evaluation:matthews]
 */
double
reformer_evaluation_get_matthews (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.matthews;
}

/**
 * reformer_evaluation_get_mean_squared_error:
 * @self: an evaluation
 *
 * Gets the mean of the squares of what the numbers are off by.
 *
 * Returns: the mean squared error, or NaN where there is none; see [property@Evaluation:mean-squared-error]
 */
double
reformer_evaluation_get_mean_squared_error (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.mean_squared_error;
}

/**
 * reformer_evaluation_get_mean_absolute_error:
 * @self: an evaluation
 *
 * Gets the mean of what the numbers are off by, without signs.
 *
 * Returns: the mean absolute error, or NaN where there is none; see [property@Evaluation:mean-absolute-error]
 */
double
reformer_evaluation_get_mean_absolute_error (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.mean_absolute_error;
}

/**
 * reformer_evaluation_get_exact_match:
 * @self: an evaluation
 *
 * Gets the share of sequences of which all is right.
 *
 * Returns: the exact match, or NaN where there is none; see [property@Evaluation:exact-match]
 */
double
reformer_evaluation_get_exact_match (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.metrics.exact_match;
}

/**
 * reformer_evaluation_get_targets:
 * @self: an evaluation
 *
 * Gets the number of targets.
 *
 * Returns: the number of targets
 */
gint64
reformer_evaluation_get_targets (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), 0);

  return self->data.targets;
}

/**
 * reformer_evaluation_get_samples:
 * @self: an evaluation
 *
 * Gets the number of samples that were read.
 *
 * Returns: the number of samples
 */
gint64
reformer_evaluation_get_samples (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), 0);

  return self->data.samples;
}

/**
 * reformer_evaluation_get_seconds:
 * @self: an evaluation
 *
 * Gets how long it took.
 *
 * Returns: the time in seconds
 */
double
reformer_evaluation_get_seconds (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), 0);

  return self->data.seconds;
}

/**
 * reformer_evaluation_get_best:
 * @self: an evaluation
 *
 * Gets whether it was better than all evaluations of this training before it.
 *
 * Returns: whether it was the best
 */
gboolean
reformer_evaluation_get_best (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), FALSE);

  return self->data.best;
}
