/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "training/training-record-private.h"

#include <math.h>

/**
 * ReformerEvaluation:
 *
 * How well a model predicts a data set: what [method@Trainer.evaluate] and the evaluations during training find.
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
      g_value_set_double (value, reformer_evaluation_get_bits (self));
      break;
    case PROP_PERPLEXITY:
      g_value_set_double (value, reformer_evaluation_get_perplexity (self));
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
   * The mean loss over all targets, in nats.
   */
  props[PROP_LOSS] = g_param_spec_double ("loss", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:bits:
   *
   * The same loss in bits per target: for a byte model, how many bits it would compress a byte to.
   */
  props[PROP_BITS] = g_param_spec_double ("bits", NULL, NULL, -G_MAXDOUBLE, G_MAXDOUBLE, 0, flags);
  /**
   * ReformerEvaluation:perplexity:
   *
   * The exponential of the loss.
   */
  props[PROP_PERPLEXITY] = g_param_spec_double ("perplexity", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);
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
 * Returns: the loss in nats
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
 * Gets the mean loss in bits: for a byte model, how many bits it would compress a byte to.
 *
 * Returns: the loss divided by ln 2
 */
double
reformer_evaluation_get_bits (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return self->data.loss / G_LN2;
}

/**
 * reformer_evaluation_get_perplexity:
 * @self: an evaluation
 *
 * Gets the exponential of the loss.
 *
 * Returns: the perplexity
 */
double
reformer_evaluation_get_perplexity (ReformerEvaluation *self)
{
  g_return_val_if_fail (REFORMER_IS_EVALUATION (self), NAN);

  return exp (self->data.loss);
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
