/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/model-lengths.h"

#include <math.h>

/**
 * ReformerModel:
 *
 * A Reformer, or a standard Transformer ([property@Config:streams]): embeddings, positions, a [class@Stack] of attention and feed-forward branches, a final norm and a head.
 *
 * A model is made from a configuration ([ctor@Model.new]) or read from a folder as transformers saves it ([func@Model.load]). Making one never fails: what does
 * not fit in the configuration is said by [method@Config.validate], or by the first call that needs it. Weights are allocated and drawn at first use.
 *
 * Tokens are int32 `[B, T]`, or, with [property@Config:input-features] F, vectors, float32 `[B, T, F]`. A length that the chunks do not divide is padded and masked
 * inside; it may be anything up to the number of positions.
 *
 * The mask is int32 or uint8 `[B, T]`, 1 = keep, as transformers has it: what is masked takes part in how a row is cut into chunks. Or lengths stand in its place,
 * int32 `[B]`: each row is then computed as if it came alone, in its length, and what is behind its end is not looked at; outputs are 0 there. With tokens of
 * one row, `[1, T]`, lengths int32 `[n]` are those of n sequences packed into it, one behind the other: each is computed as alone, with positions from 0 on. Labels
 * have the shape that they have for the tokens; those of sequences are `[n]`.
 *
 * Calls that only read, such as [method@Model.forward], may be made from several threads at once; [method@Model.compute_gradients] writes the gradients and
 * needs the model for itself.
 *
 * ```python
 * model = Reformer.Model(config=Reformer.Config.new_preset("small"))
 * model.freeze("reformer.embeddings.*")
 * loss = model.compute_gradients(tokens, None, tokens)
 * logits = model.forward(tokens, None)
 * model.save(Gio.File.new_for_path("model"), None)
 * ```
 */

enum
{
  PROP_0,
  PROP_DEVICE,
  PROP_CONFIG,
  PROP_HEAD,
  PROP_STACK,
  PROP_TRAINING,
  PROP_SEED,
  PROP_SEQUENCE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerModel, reformer_model, G_TYPE_OBJECT)

static void
reformer_model_finalize (GObject *object)
{
  ReformerModel *self = REFORMER_MODEL (object);

  g_ptr_array_unref (self->layers);
  g_clear_object (&self->device);
  g_clear_object (&self->config);
  g_clear_object (&self->shown);
  g_rec_mutex_clear (&self->lock);
  G_OBJECT_CLASS (reformer_model_parent_class)->finalize (object);
}

static void
reformer_model_constructed (GObject *object)
{
  ReformerModel *self = REFORMER_MODEL (object);

  G_OBJECT_CLASS (reformer_model_parent_class)->constructed (object);
  if (self->config == NULL)
    self->config = reformer_config_new ();
  self->shown = reformer_config_copy (self->config);
}

static void
reformer_model_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  ReformerModel *self = REFORMER_MODEL (object);

  switch (id)
    {
    case PROP_DEVICE:
      g_value_set_object (value, self->device);
      break;
    case PROP_CONFIG:
      g_value_set_object (value, self->shown);
      break;
    case PROP_HEAD:
      g_value_set_enum (value, reformer_model_get_head (self));
      break;
    case PROP_STACK:
      g_value_set_object (value, reformer_model_get_stack (self));
      break;
    case PROP_TRAINING:
      g_value_set_boolean (value, self->training);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->seed);
      break;
    case PROP_SEQUENCE:
      g_value_set_uint (value, self->sequence);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_model_set_property (GObject      *object,
                             guint         id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  ReformerModel *self = REFORMER_MODEL (object);

  switch (id)
    {
    case PROP_DEVICE:
      self->device = g_value_dup_object (value);
      break;
    case PROP_CONFIG:
      if (g_value_get_object (value) != NULL)
        self->config = reformer_config_copy (g_value_get_object (value));
      break;
    case PROP_TRAINING:
      reformer_model_set_training (self, g_value_get_boolean (value));
      break;
    case PROP_SEED:
      reformer_model_set_seed (self, g_value_get_uint64 (value));
      break;
    case PROP_SEQUENCE:
      reformer_model_set_sequence (self, g_value_get_uint (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_model_class_init (ReformerModelClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->constructed = reformer_model_constructed;
  object_class->finalize = reformer_model_finalize;
  object_class->get_property = reformer_model_get_property;
  object_class->set_property = reformer_model_set_property;

  /**
   * ReformerModel:device:
   *
   * The device that holds and runs the model; %NULL means the default one, found at first use.
   */
  props[PROP_DEVICE] = g_param_spec_object ("device", NULL, NULL, REFORMER_TYPE_DEVICE, once);
  /**
   * ReformerModel:config:
   *
   * The configuration. The model has a copy; changing it has no effect.
   */
  props[PROP_CONFIG] = g_param_spec_object ("config", NULL, NULL, REFORMER_TYPE_CONFIG, once);
  /**
   * ReformerModel:head:
   *
   * What the model's output is.
   */
  props[PROP_HEAD] = g_param_spec_enum ("head", NULL, NULL, REFORMER_TYPE_HEAD, REFORMER_HEAD_LANGUAGE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerModel:stack:
   *
   * The branches.
   */
  props[PROP_STACK] = g_param_spec_object ("stack", NULL, NULL, REFORMER_TYPE_STACK, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerModel:training:
   *
   * Whether [method@Model.compute_gradients] applies dropout. [method@Model.forward], [method@Model.encode] and [method@Model.compute_loss] never do.
   */
  props[PROP_TRAINING] = g_param_spec_boolean ("training", NULL, NULL, TRUE, flags);
  /**
   * ReformerModel:seed:
   *
   * Key of the random numbers: of the weights and rotations that are drawn at first use, and of dropout.
   */
  props[PROP_SEED] = g_param_spec_uint64 ("seed", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  /**
   * ReformerModel:sequence:
   *
   * Number of the next sequence since training began: dropout draws by it. [method@Model.compute_gradients] counts it on by the rows it was given.
   */
  props[PROP_SEQUENCE] = g_param_spec_uint ("sequence", NULL, NULL, 0, G_MAXUINT, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_model_init (ReformerModel *self)
{
  g_rec_mutex_init (&self->lock);
  self->layers = g_ptr_array_new_with_free_func (g_object_unref);
  self->training = TRUE;
}

/**
 * reformer_model_new:
 * @device: (nullable): the device that is to hold and run it; %NULL for the default one
 * @config: (nullable): the configuration, of which the model keeps a copy; %NULL for the defaults
 *
 * Makes a new model.
 *
 * Returns: (transfer full): a new model
 */
ReformerModel *
reformer_model_new (ReformerDevice *device,
                    ReformerConfig *config)
{
  return g_object_new (REFORMER_TYPE_MODEL, "device", device, "config", config, NULL);
}

/**
 * reformer_model_get_device:
 * @self: a model
 *
 * Gets the device.
 *
 * Returns: (transfer none) (nullable): the device, or %NULL where the default one was asked for and has not been needed yet
 */
ReformerDevice *
reformer_model_get_device (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);

  return self->device;
}

/**
 * reformer_model_get_config:
 * @self: a model
 *
 * Gets the model's copy of the configuration; changing it has no effect.
 *
 * Returns: (transfer none): the model's copy of the configuration; changing it has no effect
 */
ReformerConfig *
reformer_model_get_config (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);

  return self->shown;
}

/**
 * reformer_model_get_head:
 * @self: a model
 *
 * Gets what the model's output is.
 *
 * Returns: what the model's output is
 */
ReformerHead
reformer_model_get_head (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), REFORMER_HEAD_NONE);

  return reformer_config_get_head (self->config);
}

/**
 * reformer_model_get_stack:
 * @self: a model
 *
 * Gets the branches.
 *
 * Returns: (transfer none) (nullable): the branches, or %NULL while the configuration makes no model: [method@Model.prepare] says why
 */
ReformerStack *
reformer_model_get_stack (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);

  reformer_model_build (self, NULL);
  return self->stack;
}

/* Rotations have a seed of their own where the configuration says so. */
static void
reset_rotations (ReformerModel *self,
                 ReformerRun   *run)
{
  const gint64 seed = reformer_config_get_hash_seed (self->config);
  g_autoptr (GPtrArray) buffers = NULL;

  if (seed == -1)
    return;
  buffers = reformer_model_list_buffers (self);
  for (guint i = 0; i < buffers->len; i++)
    reformer_parameter_reset (buffers->pdata[i], run, (guint64) seed);
}

guint64
reformer_model_get_rotation_seed (ReformerModel *self)
{
  const gint64 seed = reformer_config_get_hash_seed (self->config);

  return seed != -1 ? (guint64) seed : self->seed;
}

void
reformer_model_redraw_rotations (ReformerModel *self,
                                 guint          step,
                                 ReformerRun   *run)
{
  const guint64 seed = reformer_model_get_rotation_seed (self);
  const guint32 counter[4] = { step, 0, 0, 0 }, key[2] = { (guint32) seed, (guint32) (seed >> 32) };
  g_autoptr (GPtrArray) buffers = reformer_model_list_buffers (self);
  guint32 words[4];

  reformer_philox (counter, key, words);
  for (guint i = 0; i < buffers->len && reformer_run_ok (run); i++)
    if (reformer_parameter_has_rounds (buffers->pdata[i]))
      reformer_parameter_redraw (buffers->pdata[i], run, words[0] | (guint64) words[1] << 32);
}

static gboolean
give_values (ReformerModel  *self,
             void          (*start) (ReformerLayer *layer,
                                     ReformerRun   *run,
                                     guint64        seed),
             GError        **error)
{
  g_autoptr (GRecMutexLocker) locker = g_rec_mutex_locker_new (&self->lock);
  ReformerRun run;

  if (!reformer_model_build (self, error))
    return FALSE;
  run = (ReformerRun) REFORMER_RUN_INIT (self->device, NULL);
  reset_rotations (self, &run);
  for (guint i = 0; i < self->layers->len; i++)
    start (self->layers->pdata[i], &run, self->seed);
  return reformer_run_finish (&run, error);
}

/**
 * reformer_model_get_parameters:
 * @self: a model
 *
 * The parameters, under transformers' names. They have values from here on.
 *
 * Returns: (transfer full): a list of [class@Parameter]; it is empty while the configuration makes no model, and [method@Model.prepare] says why
 */
GListModel *
reformer_model_get_parameters (ReformerModel *self)
{
  GListStore *store;
  g_autoptr (GPtrArray) list = NULL;

  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);

  give_values (self, reformer_layer_start, NULL); /* nobody would hear of what was set too late */
  list = reformer_model_list_parameters (self);
  store = g_list_store_new (REFORMER_TYPE_PARAMETER);
  g_list_store_splice (store, 0, 0, list->pdata, list->len);
  return G_LIST_MODEL (store);
}

/**
 * reformer_model_get_n_parameters:
 * @self: a model
 *
 * Gets number of trained numbers in all parameters together; 0 while the configuration makes no model.
 *
 * Returns: number of trained numbers in all parameters together; 0 while the configuration makes no model
 */
guint64
reformer_model_get_n_parameters (ReformerModel *self)
{
  g_autoptr (GPtrArray) list = NULL;
  guint64 n = 0;

  g_return_val_if_fail (REFORMER_IS_MODEL (self), 0);

  reformer_model_build (self, NULL);
  list = reformer_model_list_parameters (self);
  for (guint i = 0; i < list->len; i++)
    n += reformer_parameter_get_n_elements (list->pdata[i]);
  return n;
}

static guint
set_trainable (ReformerModel *self,
               const char    *pattern,
               gboolean       trainable)
{
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GPatternSpec) spec = g_pattern_spec_new (pattern);
  guint n = 0;

  reformer_model_build (self, NULL);
  list = reformer_model_list_parameters (self);
  for (guint i = 0; i < list->len; i++)
    if (g_pattern_spec_match_string (spec, reformer_parameter_get_name (list->pdata[i])))
      {
        reformer_parameter_set_trainable (list->pdata[i], trainable);
        n++;
      }
  return n;
}

/**
 * reformer_model_freeze:
 * @self: a model
 * @pattern: names of parameters, with `*` for any characters and `?` for one, such as `reformer.embeddings.*`
 *
 * Keeps parameters from learning. The gradients of the others do not change.
 *
 * Returns: number of parameters that the pattern names
 */
guint
reformer_model_freeze (ReformerModel *self,
                       const char    *pattern)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), 0);
  g_return_val_if_fail (pattern != NULL, 0);

  return set_trainable (self, pattern, FALSE);
}

/**
 * reformer_model_unfreeze:
 * @self: a model
 * @pattern: names of parameters, with `*` for any characters and `?` for one
 *
 * Lets parameters learn again.
 *
 * Returns: number of parameters that the pattern names
 */
guint
reformer_model_unfreeze (ReformerModel *self,
                         const char    *pattern)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), 0);
  g_return_val_if_fail (pattern != NULL, 0);

  return set_trainable (self, pattern, TRUE);
}

/**
 * reformer_model_get_training:
 * @self: a model
 *
 * Gets whether [method@Model.compute_gradients] applies dropout.
 *
 * Returns: whether [method@Model.compute_gradients] applies dropout
 */
gboolean
reformer_model_get_training (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), FALSE);

  return self->training;
}

/**
 * reformer_model_set_training:
 * @self: a model
 * @training: whether [method@Model.compute_gradients] applies dropout
 *
 * Sets whether [method@Model.compute_gradients] applies dropout.
 */
void
reformer_model_set_training (ReformerModel *self,
                             gboolean       training)
{
  g_return_if_fail (REFORMER_IS_MODEL (self));

  training = !!training;
  if (self->training == training)
    return;
  self->training = training;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TRAINING]);
}

/**
 * reformer_model_get_seed:
 * @self: a model
 *
 * Gets key of the random numbers.
 *
 * Returns: key of the random numbers
 */
guint64
reformer_model_get_seed (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), 0);

  return self->seed;
}

/**
 * reformer_model_set_seed:
 * @self: a model
 * @seed: key of the random numbers
 *
 * Weights and rotations that exist already stay as they are.
 */
void
reformer_model_set_seed (ReformerModel *self,
                         guint64        seed)
{
  g_return_if_fail (REFORMER_IS_MODEL (self));

  if (self->seed == seed)
    return;
  self->seed = seed;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SEED]);
}

/**
 * reformer_model_get_sequence:
 * @self: a model
 *
 * Gets number of the next sequence since training began.
 *
 * Returns: number of the next sequence since training began
 */
guint
reformer_model_get_sequence (ReformerModel *self)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), 0);

  return self->sequence;
}

/**
 * reformer_model_set_sequence:
 * @self: a model
 * @sequence: number of the next sequence since training began
 *
 * Sets number of the next sequence since training began.
 */
void
reformer_model_set_sequence (ReformerModel *self,
                             guint          sequence)
{
  g_return_if_fail (REFORMER_IS_MODEL (self));

  if (self->sequence == sequence)
    return;
  self->sequence = sequence;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SEQUENCE]);
}

/* ---- Work ---- */

/**
 * reformer_model_prepare:
 * @self: a model
 * @error: return location for an error
 *
 * Checks the configuration and gives the parameters their values, where they have none: normal numbers with the deviation
 * [property@Config:initializer-range], keyed by [property@Model:seed]. Every call that needs values does this by itself.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@ModelError] for a configuration that does not fit, [error@DeviceError]
 */
gboolean
reformer_model_prepare (ReformerModel  *self,
                        GError        **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), FALSE);

  return give_values (self, reformer_layer_reset, error);
}

static ReformerTensor *
run_forward (ReformerModel        *self,
             ReformerTensor       *tokens,
             ReformerTensor       *mask,
             gboolean              encode,
             const ReformerWatch  *watch,
             GError              **error)
{
  g_auto (ReformerInputs) inputs = { 0 };
  ReformerRun run;

  if (!reformer_model_prepare (self, error))
    return NULL;
  run = (ReformerRun) REFORMER_RUN_INIT (self->device, NULL);
  if (!reformer_model_read_lengths (self, &run, tokens, &mask, &inputs.lengths) || !reformer_model_read_inputs (self, &run, tokens, mask, NULL, &inputs))
    {
      reformer_run_finish (&run, error);
      return NULL;
    }
  if (watch != NULL && inputs.lengths.n > 0)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "mask: lengths of %d sequences; wanted a mask [B, T], to look inside", inputs.lengths.n);
      return NULL;
    }
  return reformer_model_forward_inputs (self, &inputs, encode, watch, error);
}

static ReformerTensor *
forward (ReformerModel        *self,
         ReformerTensor       *tokens,
         ReformerTensor       *mask,
         gboolean              encode,
         const ReformerWatch  *watch,
         GError              **error)
{
  GError *problem = NULL;
  ReformerTensor *output = run_forward (self, tokens, mask, encode, watch, &problem);

  if (output == NULL)
    {
      reformer_model_name_longest (self, encode ? REFORMER_MODEL_CALL_ENCODE : REFORMER_MODEL_CALL_FORWARD, tokens, mask, &problem);
      g_propagate_error (error, problem);
    }
  return output;
}

gboolean
reformer_model_watch (ReformerModel        *self,
                      ReformerTensor       *tokens,
                      ReformerTensor       *mask,
                      const ReformerWatch  *watch,
                      GError              **error)
{
  g_autoptr (ReformerTensor) output = forward (self, tokens, mask, TRUE, watch, error);

  return output != NULL;
}

/**
 * reformer_model_forward:
 * @self: a model
 * @tokens: int32 `[B, T]`, or float32 `[B, T, F]`
 * @mask: (nullable): int32 or uint8 `[B, T]`, 1 = keep, or lengths, int32 `[B]`; %NULL for all
 * @error: return location for an error
 *
 * Computes the head's output, float32 in the shape that [enum@Head] names: for a language model the logits `[B, T, V]`, for a classifier of sequences `[B, labels]`;
 * without a head the last hidden state. Dropout is off.
 *
 * Where the device has too little memory, the error's message ends with the longest sequence that fits.
 *
 * Returns: (transfer full): the output, or %NULL with @error set: [error@ModelError] for input that does not fit, [error@DeviceError]
 */
ReformerTensor *
reformer_model_forward (ReformerModel   *self,
                        ReformerTensor  *tokens,
                        ReformerTensor  *mask,
                        GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);
  g_return_val_if_fail (REFORMER_IS_TENSOR (tokens), NULL);
  g_return_val_if_fail (mask == NULL || REFORMER_IS_TENSOR (mask), NULL);

  return forward (self, tokens, mask, FALSE, NULL, error);
}

/**
 * reformer_model_encode:
 * @self: a model
 * @tokens: int32 `[B, T]`, or float32 `[B, T, F]`
 * @mask: (nullable): int32 or uint8 `[B, T]`, 1 = keep, or lengths, int32 `[B]`; %NULL for all
 * @error: return location for an error
 *
 * Computes the last hidden state: both streams after the final norm, float32 `[B, T, 2H]`, or the one stream `[B, T, H]`. Dropout is off.
 *
 * Returns: (transfer full): the last hidden state, or %NULL with @error set: [error@ModelError] for input that does not fit, [error@DeviceError]
 */
ReformerTensor *
reformer_model_encode (ReformerModel   *self,
                       ReformerTensor  *tokens,
                       ReformerTensor  *mask,
                       GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NULL);
  g_return_val_if_fail (REFORMER_IS_TENSOR (tokens), NULL);
  g_return_val_if_fail (mask == NULL || REFORMER_IS_TENSOR (mask), NULL);

  return forward (self, tokens, mask, TRUE, NULL, error);
}

/* Whether attention has dropout: in layers of any kind. */
static gboolean
drops_weights (ReformerConfig *config)
{
  return reformer_config_get_local_attention_probs_dropout_prob (config) > 0 || reformer_config_get_lsh_attention_probs_dropout_prob (config) > 0;
}

/* A step that still says auto settles for the sequences that run together. Tokens of a wrong shape fail later. */
static void
choose_keep (ReformerModel         *self,
             ReformerTensor        *tokens,
             const ReformerLengths *lengths)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (tokens, &n_dims);
  int rows;
  gint64 length;

  if (reformer_tensor_get_device (tokens) != self->device || n_dims != (self->projection != NULL ? 3 : 2) || shape[0] > G_MAXINT)
    return;
  rows = (int) shape[0];
  length = shape[1];
  if (lengths->n > 0)
    reformer_model_find_largest_group (self, lengths, &rows, &length);
  reformer_model_choose_keep (self, tokens, rows, length);
}

/* The losses of all inputs, one after the other; the gradients are added up. */
static gboolean
run_inputs (ReformerModel      *self,
            ReformerInputs     *inputs,
            gboolean            gradients,
            ReformerModelPass  *pass,
            GError            **error)
{
  pass->sums[0] = pass->sums[1] = 0;
  pass->targets = (ReformerTargets) { 0 };
  for (guint i = 0; i < inputs->list->len; i++)
    {
      ReformerInput *input = reformer_inputs_get (inputs, i);
      g_autoptr (ReformerTape) tape = reformer_model_new_tape (self, input, gradients && self->training, pass->cancellable);
      double sums[2] = { 0 };

      reformer_tape_set_record (tape, gradients ? REFORMER_RECORD_EVERYTHING : REFORMER_RECORD_NOTHING);
      if (gradients && i == 0 && !pass->add)
        reformer_model_clear_gradients (self, reformer_tape_get_run (tape));
      input->sight = pass->sight;
      reformer_model_run_loss (self, input, gradients, sums, tape);
      if (pass->sight != NULL)
        {
          g_set_object (&pass->sight->labels, input->labels);
          g_set_object (&pass->sight->mask, input->mask);
        }
      for (int side = 0; side < 2; side++)
        pass->sums[side] += sums[side];
      reformer_targets_add (&pass->targets, &input->targets);
      if (!reformer_tape_check (tape, error))
        return FALSE;
      reformer_input_clear (input);
    }
  return TRUE;
}

gboolean
reformer_model_run_pass (ReformerModel      *self,
                         ReformerTensor     *tokens,
                         ReformerTensor     *mask,
                         ReformerTensor     *labels,
                         gboolean            gradients,
                         ReformerModelPass  *pass,
                         GError            **error)
{
  g_auto (ReformerInputs) inputs = { .total = pass->total };
  guint n_rows = 0;
  ReformerRun run;
  ReformerKeep before;

  if (!reformer_model_prepare (self, error))
    return FALSE;
  before = reformer_stack_get_keep (self->stack);
  run = (ReformerRun) REFORMER_RUN_INIT (self->device, pass->cancellable);
  if (pass->lengths != NULL)
    reformer_lengths_take_rows (&inputs.lengths, tokens, pass->lengths);
  else
    reformer_model_read_lengths (self, &run, tokens, &mask, &inputs.lengths);
  inputs.lengths.exact = gradients && self->training && drops_weights (self->config);
  if (gradients && reformer_run_ok (&run))
    choose_keep (self, tokens, &inputs.lengths);
  if (!reformer_run_ok (&run) || !reformer_model_read_inputs (self, &run, tokens, mask, labels, &inputs))
    {
      reformer_stack_set_keep (self->stack, before);
      return reformer_run_finish (&run, error);
    }
  for (guint i = 0; i < inputs.list->len; i++)
    n_rows += (guint) reformer_inputs_get (&inputs, i)->B;
  if (!run_inputs (self, &inputs, gradients, pass, error))
    {
      reformer_stack_set_keep (self->stack, before); /* auto is settled by a step that was taken */
      return FALSE;
    }
  if (gradients)
    reformer_model_set_sequence (self, self->sequence + n_rows);
  return TRUE;
}

static double
loss (ReformerModel   *self,
      ReformerTensor  *tokens,
      ReformerTensor  *mask,
      ReformerTensor  *labels,
      gboolean         gradients,
      GError         **error)
{
  ReformerModelPass pass = { NULL };
  GError *problem = NULL;

  if (reformer_model_run_pass (self, tokens, mask, labels, gradients, &pass, &problem))
    return reformer_targets_mean (&pass.targets, pass.sums);
  reformer_model_name_longest (self, gradients ? REFORMER_MODEL_CALL_GRADIENTS : REFORMER_MODEL_CALL_LOSS, tokens, mask, &problem);
  g_propagate_error (error, problem);
  return (double) NAN;
}

/**
 * reformer_model_compute_loss:
 * @self: a model
 * @tokens: int32 `[B, T]`, or float32 `[B, T, F]`
 * @mask: (nullable): int32 or uint8 `[B, T]`, 1 = keep, or lengths, int32 `[B]`; %NULL for all
 * @labels: the targets; see [method@Model.compute_gradients]
 * @error: return location for an error
 *
 * Computes the mean loss. Dropout is off.
 *
 * Returns: the loss, or NaN with @error set
 */
double
reformer_model_compute_loss (ReformerModel   *self,
                             ReformerTensor  *tokens,
                             ReformerTensor  *mask,
                             ReformerTensor  *labels,
                             GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NAN);
  g_return_val_if_fail (REFORMER_IS_TENSOR (tokens), NAN);
  g_return_val_if_fail (mask == NULL || REFORMER_IS_TENSOR (mask), NAN);
  g_return_val_if_fail (REFORMER_IS_TENSOR (labels), NAN);

  return loss (self, tokens, mask, labels, FALSE, error);
}

/**
 * reformer_model_compute_gradients:
 * @self: a model
 * @tokens: int32 `[B, T]`, or float32 `[B, T, F]`
 * @mask: (nullable): int32 or uint8 `[B, T]`, 1 = keep, or lengths, int32 `[B]`; %NULL for all
 * @labels: what the head should say, see below
 * @error: return location for an error
 *
 * Computes the mean loss over all targets, and overwrites the gradients of all trainable parameters. With [property@Model:training] dropout is on.
 *
 * Labels and loss of each [enum@Head]; a last dimension of 1 may be left out:
 *
 * - `language`: int32 `[B, T]`, the tokens themselves; position t predicts label t + 1. Cross-entropy in nats; -100 is no target.
 * - `masked-language`, `tokens`: int32 `[B, T]`, the class of position t itself; the same.
 * - `classification`: int32 `[B]`; the same.
 * - `regression`: float32 `[B, labels]`, and `values`: float32 `[B, T, labels]`, at position t what is wanted there. Mean squared error; NaN is no target.
 * - `multi-label`: float32 `[B, labels]`, 1 where a class is there and 0 where it is not, or between. Binary cross-entropy of each in nats; NaN is no target.
 * - `spans`: int32 `[B, 2]`, the positions of an answer's first and last token. Half the sum of two means, of where answers begin and where they end: cross-entropy over the positions
 *   that are not masked. As in transformers a position below 0 counts as 0, and one of T or more is no target; nor is -100, or a position that is masked.
 *
 * Every target counts the same, but for [property@Config:class-weights]. Whether a token is masked does not make its label less of a target.
 *
 * After an error the gradients are undefined; parameters and [property@Model:sequence] are as they were. Where the device has too little memory, the error's message
 * ends with the longest sequence that fits.
 *
 * Returns: the loss, or NaN with @error set: [error@ModelError] for input that does not fit, [error@DeviceError]
 */
double
reformer_model_compute_gradients (ReformerModel   *self,
                                  ReformerTensor  *tokens,
                                  ReformerTensor  *mask,
                                  ReformerTensor  *labels,
                                  GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (self), NAN);
  g_return_val_if_fail (REFORMER_IS_TENSOR (tokens), NAN);
  g_return_val_if_fail (mask == NULL || REFORMER_IS_TENSOR (mask), NAN);
  g_return_val_if_fail (REFORMER_IS_TENSOR (labels), NAN);

  return loss (self, tokens, mask, labels, TRUE, error);
}
