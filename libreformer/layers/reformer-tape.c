/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/tape-globals.h"

#include "compute/device-private.h"

#include <libreformer/layers/reformer-model-error.h>

/**
 * ReformerTape:
 *
 * What the layers of one forward and backward pass share: the tensors that the forward pass saves for the backward pass, and the facts of the run, such as
 * the mask, the position of the first token, whether dropout is on, and the key of the random numbers.
 *
 * A layer's forward pushes what its backward needs; backward pops in the reverse order.
 *
 * ```python
 * tape = Reformer.Tape(device=device)
 * y = layer.forward(x, tape)
 * dx = layer.backward(dy, tape)
 * ```
 */

struct _ReformerTape
{
  GObject         parent_instance;

  ReformerDevice *device;
  ReformerRun     run;
  GPtrArray      *saved; /* ReformerTensor or NULL */
  GArray         *marks; /* guint: depths */
  GHashTable     *packed; /* tape-products.c */
  const ReformerWatch *watch;
  GHashTable     *left_out; /* layers, only to compare; NULL: none */
  ReformerTensor *mask, *global_mask;
  ReformerGlobals *globals; /* of these; NULL: not known yet */
  int             planned_globals;
  GCancellable   *cancellable;
  guint64         start;
  guint64         seed;
  guint           sequence;
  gsize           piece;
  ReformerRecord  record;
  gboolean        training;
};

enum
{
  PROP_0,
  PROP_DEVICE,
  PROP_RECORDING,
  PROP_TRAINING,
  PROP_MASK,
  PROP_GLOBAL_MASK,
  PROP_START,
  PROP_SEED,
  PROP_SEQUENCE,
  PROP_CANCELLABLE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerTape, reformer_tape, G_TYPE_OBJECT)

/* ---- Object ---- */

static void
reformer_tape_dispose (GObject *object)
{
  ReformerTape *self = REFORMER_TAPE (object);

  g_ptr_array_set_size (self->saved, 0);
  g_hash_table_remove_all (self->packed);
  g_clear_object (&self->mask);
  g_clear_object (&self->global_mask);
  g_clear_pointer (&self->globals, reformer_globals_free);
  g_clear_object (&self->cancellable);
  reformer_run_clear (&self->run);
  G_OBJECT_CLASS (reformer_tape_parent_class)->dispose (object);
}

static void
reformer_tape_finalize (GObject *object)
{
  ReformerTape *self = REFORMER_TAPE (object);

  g_ptr_array_unref (self->saved);
  g_array_unref (self->marks);
  g_hash_table_unref (self->packed);
  g_clear_pointer (&self->left_out, g_hash_table_unref);
  g_clear_object (&self->device);
  G_OBJECT_CLASS (reformer_tape_parent_class)->finalize (object);
}

static void
reformer_tape_constructed (GObject *object)
{
  ReformerTape *self = REFORMER_TAPE (object);

  if (self->device == NULL)
    self->device = g_object_ref (reformer_device_none ());
  self->run = (ReformerRun) REFORMER_RUN_INIT (self->device, NULL);
  G_OBJECT_CLASS (reformer_tape_parent_class)->constructed (object);
}

static void
reformer_tape_get_property (GObject    *object,
                            guint       id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  ReformerTape *self = REFORMER_TAPE (object);

  switch (id)
    {
    case PROP_DEVICE:
      g_value_set_object (value, self->device);
      break;
    case PROP_RECORDING:
      g_value_set_boolean (value, reformer_tape_get_recording (self));
      break;
    case PROP_TRAINING:
      g_value_set_boolean (value, self->training);
      break;
    case PROP_MASK:
      g_value_set_object (value, self->mask);
      break;
    case PROP_GLOBAL_MASK:
      g_value_set_object (value, self->global_mask);
      break;
    case PROP_START:
      g_value_set_uint64 (value, self->start);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->seed);
      break;
    case PROP_SEQUENCE:
      g_value_set_uint (value, self->sequence);
      break;
    case PROP_CANCELLABLE:
      g_value_set_object (value, self->cancellable);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_tape_set_property (GObject      *object,
                            guint         id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  ReformerTape *self = REFORMER_TAPE (object);

  switch (id)
    {
    case PROP_DEVICE:
      self->device = g_value_dup_object (value);
      break;
    case PROP_RECORDING:
      reformer_tape_set_recording (self, g_value_get_boolean (value));
      break;
    case PROP_TRAINING:
      reformer_tape_set_training (self, g_value_get_boolean (value));
      break;
    case PROP_MASK:
      reformer_tape_set_mask (self, g_value_get_object (value));
      break;
    case PROP_GLOBAL_MASK:
      reformer_tape_set_global_mask (self, g_value_get_object (value));
      break;
    case PROP_START:
      reformer_tape_set_start (self, g_value_get_uint64 (value));
      break;
    case PROP_SEED:
      reformer_tape_set_seed (self, g_value_get_uint64 (value));
      break;
    case PROP_SEQUENCE:
      reformer_tape_set_sequence (self, g_value_get_uint (value));
      break;
    case PROP_CANCELLABLE:
      reformer_tape_set_cancellable (self, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_tape_class_init (ReformerTapeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

  object_class->constructed = reformer_tape_constructed;
  object_class->dispose = reformer_tape_dispose;
  object_class->finalize = reformer_tape_finalize;
  object_class->get_property = reformer_tape_get_property;
  object_class->set_property = reformer_tape_set_property;

  /**
   * ReformerTape:device:
   *
   * The device of the run.
   */
  props[PROP_DEVICE] = g_param_spec_object ("device", NULL, NULL, REFORMER_TYPE_DEVICE,
                                            G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerTape:recording:
   *
   * Whether a forward pass saves what a backward pass needs.
   */
  props[PROP_RECORDING] = g_param_spec_boolean ("recording", NULL, NULL, TRUE, flags);
  /**
   * ReformerTape:training:
   *
   * Whether dropout is on.
   */
  props[PROP_TRAINING] = g_param_spec_boolean ("training", NULL, NULL, FALSE, flags);
  /**
   * ReformerTape:mask:
   *
   * Which tokens take part: uint8 `[B, T]`, 1 = keep; %NULL = all.
   */
  props[PROP_MASK] = g_param_spec_object ("mask", NULL, NULL, REFORMER_TYPE_TENSOR, flags);
  /**
   * ReformerTape:global-mask:
   *
   * Which tokens are global in [class@WindowAttention]: uint8 `[B, T]`, 1 = global; %NULL = none. One that the mask leaves out is not global.
   */
  props[PROP_GLOBAL_MASK] = g_param_spec_object ("global-mask", NULL, NULL, REFORMER_TYPE_TENSOR, flags);
  /**
   * ReformerTape:start:
   *
   * Position of the first token.
   */
  props[PROP_START] = g_param_spec_uint64 ("start", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  /**
   * ReformerTape:seed:
   *
   * Key of the random numbers.
   */
  props[PROP_SEED] = g_param_spec_uint64 ("seed", NULL, NULL, 0, G_MAXUINT64, 0, flags);
  /**
   * ReformerTape:sequence:
   *
   * Number of the first row's sequence since training began: dropout draws by it.
   */
  props[PROP_SEQUENCE] = g_param_spec_uint ("sequence", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * ReformerTape:cancellable:
   *
   * Ends the run between two steps on the device when cancelled.
   */
  props[PROP_CANCELLABLE] = g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_tape_init (ReformerTape *self)
{
  self->saved = g_ptr_array_new_with_free_func (reformer_run_unref);
  self->marks = g_array_new (FALSE, FALSE, sizeof (guint));
  self->packed = reformer_packed_new ();
  self->record = REFORMER_RECORD_EVERYTHING;
}

/**
 * reformer_tape_new:
 * @device: the device of the run
 *
 * Makes a new tape that records.
 *
 * Returns: (transfer full): a new tape that records
 */
ReformerTape *
reformer_tape_new (ReformerDevice *device)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);

  return g_object_new (REFORMER_TYPE_TAPE, "device", device, NULL);
}

/**
 * reformer_tape_get_device:
 * @self: a tape
 *
 * Gets the device of the run.
 *
 * Returns: (transfer none): the device of the run
 */
ReformerDevice *
reformer_tape_get_device (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), NULL);

  return self->device;
}

/**
 * reformer_tape_get_recording:
 * @self: a tape
 *
 * Gets whether a forward pass saves what a backward pass needs.
 *
 * Returns: whether a forward pass saves what a backward pass needs
 */
gboolean
reformer_tape_get_recording (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), FALSE);

  return self->record == REFORMER_RECORD_EVERYTHING;
}

/**
 * reformer_tape_set_recording:
 * @self: a tape
 * @recording: whether to save what a backward pass needs
 *
 * Without recording, [method@Tape.push] does nothing, and no backward pass can follow.
 */
void
reformer_tape_set_recording (ReformerTape *self,
                             gboolean      recording)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  reformer_tape_set_record (self, recording ? REFORMER_RECORD_EVERYTHING : REFORMER_RECORD_NOTHING);
}

ReformerRecord
reformer_tape_get_record (ReformerTape *self)
{
  return self->record;
}

void
reformer_tape_set_record (ReformerTape   *self,
                          ReformerRecord  record)
{
  if (self->record == record)
    return;
  self->record = record;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_RECORDING]);
}

/**
 * reformer_tape_get_training:
 * @self: a tape
 *
 * Gets whether dropout is on.
 *
 * Returns: whether dropout is on
 */
gboolean
reformer_tape_get_training (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), FALSE);

  return self->training;
}

/**
 * reformer_tape_set_training:
 * @self: a tape
 * @training: whether dropout is on
 *
 * Sets whether dropout is on.
 */
void
reformer_tape_set_training (ReformerTape *self,
                            gboolean      training)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  training = !!training;
  if (self->training == training)
    return;
  self->training = training;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TRAINING]);
}

/**
 * reformer_tape_get_mask:
 * @self: a tape
 *
 * Gets which tokens take part, uint8 `[B, T]`.
 *
 * Returns: (transfer none) (nullable): which tokens take part, uint8 `[B, T]`, or %NULL for all
 */
ReformerTensor *
reformer_tape_get_mask (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), NULL);

  return self->mask;
}

/**
 * reformer_tape_set_mask:
 * @self: a tape
 * @mask: (nullable): which tokens take part, uint8 `[B, T]`, 1 = keep; %NULL for all
 *
 * A masked token is a key for nobody, and attention gives it zeros.
 */
void
reformer_tape_set_mask (ReformerTape   *self,
                        ReformerTensor *mask)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  if (!g_set_object (&self->mask, mask))
    return;
  g_clear_pointer (&self->globals, reformer_globals_free);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_MASK]);
}

/**
 * reformer_tape_get_global_mask:
 * @self: a tape
 *
 * Gets which tokens are global in [class@WindowAttention].
 *
 * Returns: (transfer none) (nullable): the mask, uint8 `[B, T]`, or %NULL for none
 */
ReformerTensor *
reformer_tape_get_global_mask (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), NULL);

  return self->global_mask;
}

/**
 * reformer_tape_set_global_mask:
 * @self: a tape
 * @global_mask: (nullable): uint8 `[B, T]`, 1 = global; %NULL for none
 *
 * Sets which tokens are global in [class@WindowAttention]: they see all tokens and are seen by all. Not between a forward pass and its backward pass.
 */
void
reformer_tape_set_global_mask (ReformerTape   *self,
                               ReformerTensor *global_mask)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));
  g_return_if_fail (global_mask == NULL || REFORMER_IS_TENSOR (global_mask));

  if (!g_set_object (&self->global_mask, global_mask))
    return;
  g_clear_pointer (&self->globals, reformer_globals_free);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_GLOBAL_MASK]);
}

void
reformer_tape_plan_globals (ReformerTape *self,
                            int           n)
{
  self->planned_globals = n;
}

ReformerGlobals *
reformer_tape_get_globals (ReformerTape *self,
                           int           B,
                           int           T)
{
  if (self->globals != NULL && !reformer_globals_fit (self->globals, B, T))
    g_clear_pointer (&self->globals, reformer_globals_free);
  if (self->globals == NULL)
    self->globals = reformer_globals_new (&self->run, self->global_mask, self->mask, B, T, self->planned_globals);
  return self->globals;
}

/**
 * reformer_tape_get_start:
 * @self: a tape
 *
 * Gets position of the first token.
 *
 * Returns: position of the first token
 */
guint64
reformer_tape_get_start (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), 0);

  return self->start;
}

/**
 * reformer_tape_set_start:
 * @self: a tape
 * @start: position of the first token
 *
 * Sets position of the first token.
 */
void
reformer_tape_set_start (ReformerTape *self,
                         guint64       start)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  if (self->start == start)
    return;
  self->start = start;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_START]);
}

/**
 * reformer_tape_get_seed:
 * @self: a tape
 *
 * Gets key of the random numbers.
 *
 * Returns: key of the random numbers
 */
guint64
reformer_tape_get_seed (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), 0);

  return self->seed;
}

/**
 * reformer_tape_set_seed:
 * @self: a tape
 * @seed: key of the random numbers
 *
 * Sets key of the random numbers.
 */
void
reformer_tape_set_seed (ReformerTape *self,
                        guint64       seed)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  if (self->seed == seed)
    return;
  self->seed = seed;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SEED]);
}

/**
 * reformer_tape_get_sequence:
 * @self: a tape
 *
 * Gets number of the first row's sequence since training began.
 *
 * Returns: number of the first row's sequence since training began
 */
guint
reformer_tape_get_sequence (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), 0);

  return self->sequence;
}

/**
 * reformer_tape_set_sequence:
 * @self: a tape
 * @sequence: number of the first row's sequence since training began
 *
 * Sets number of the first row's sequence since training began.
 */
void
reformer_tape_set_sequence (ReformerTape *self,
                            guint         sequence)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  if (self->sequence == sequence)
    return;
  self->sequence = sequence;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SEQUENCE]);
}

/**
 * reformer_tape_get_cancellable:
 * @self: a tape
 *
 * Gets what ends the run.
 *
 * Returns: (transfer none) (nullable): what ends the run
 */
GCancellable *
reformer_tape_get_cancellable (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), NULL);

  return self->cancellable;
}

/**
 * reformer_tape_set_cancellable:
 * @self: a tape
 * @cancellable: (nullable): what ends the run, between two steps on the device, with %G_IO_ERROR_CANCELLED
 *
 * Sets what ends the run, between two steps on the device, with %G_IO_ERROR_CANCELLED.
 */
void
reformer_tape_set_cancellable (ReformerTape *self,
                               GCancellable *cancellable)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));

  if (!g_set_object (&self->cancellable, cancellable))
    return;
  self->run.cancellable = cancellable;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_CANCELLABLE]);
}

/* ---- The stack of saved tensors ---- */

/**
 * reformer_tape_push:
 * @self: a tape
 * @tensor: what the backward pass will need
 *
 * Saves a tensor. Does nothing when the tape is not recording.
 */
void
reformer_tape_push (ReformerTape   *self,
                    ReformerTensor *tensor)
{
  g_return_if_fail (REFORMER_IS_TAPE (self));
  g_return_if_fail (REFORMER_IS_TENSOR (tensor));

  if (self->record == REFORMER_RECORD_EVERYTHING)
    reformer_tape_save (self, tensor);
}

/**
 * reformer_tape_pop:
 * @self: a tape
 *
 * Takes the tensor that was pushed last.
 *
 * Returns: (transfer full) (nullable): the tensor, or %NULL when nothing is left: backward was called without a recorded forward
 */
ReformerTensor *
reformer_tape_pop (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), NULL);

  return reformer_tape_restore (self);
}

/**
 * reformer_tape_get_depth:
 * @self: a tape
 *
 * Gets number of tensors saved.
 *
 * Returns: number of tensors saved
 */
guint
reformer_tape_get_depth (ReformerTape *self)
{
  g_return_val_if_fail (REFORMER_IS_TAPE (self), 0);

  return self->saved->len;
}

void
reformer_tape_save (ReformerTape   *self,
                    ReformerTensor *tensor)
{
  g_ptr_array_add (self->saved, tensor != NULL ? g_object_ref (tensor) : NULL);
}

ReformerTensor *
reformer_tape_restore (ReformerTape *self)
{
  return self->saved->len > 0 ? g_ptr_array_steal_index (self->saved, self->saved->len - 1) : NULL;
}

const ReformerWatch *
reformer_tape_get_watch (ReformerTape *self)
{
  return self->watch;
}

void
reformer_tape_set_watch (ReformerTape        *self,
                         const ReformerWatch *watch)
{
  self->watch = watch;
}

gboolean
reformer_tape_leave_out (ReformerTape *self,
                         gpointer      layer,
                         gboolean      out)
{
  if (self->record != REFORMER_RECORD_NOTHING && out)
    {
      if (self->left_out == NULL)
        self->left_out = g_hash_table_new (NULL, NULL);
      g_hash_table_add (self->left_out, layer);
    }
  else if (self->record != REFORMER_RECORD_NOTHING && self->left_out != NULL)
    g_hash_table_remove (self->left_out, layer);
  return out;
}

gboolean
reformer_tape_is_left_out (ReformerTape *self,
                           gpointer      layer)
{
  return self->left_out != NULL && g_hash_table_contains (self->left_out, layer);
}

void
reformer_tape_mark (ReformerTape *self)
{
  g_array_append_val (self->marks, self->saved->len);
}

void
reformer_tape_check_mark (ReformerTape *self,
                          gpointer      layer)
{
  const guint n = self->marks->len, before = n > 0 ? g_array_index (self->marks, guint, n - 1) : 0;

  if (self->saved->len != before)
    reformer_run_fail (&self->run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT,
                       "backward of %s left %u tensors on the tape; wanted the %u that were there before its forward: it must pop all that its forward pushed, and no more",
                       G_OBJECT_TYPE_NAME (layer), self->saved->len, before);
  if (n > 0)
    g_array_set_size (self->marks, n - 1);
}

ReformerTapePlace
reformer_tape_get_place (ReformerTape *self)
{
  return (ReformerTapePlace) { self->saved->len, self->marks->len };
}

void
reformer_tape_go_back (ReformerTape            *self,
                       const ReformerTapePlace *place)
{
  g_array_set_size (self->marks, MIN (self->marks->len, place->n_marks));
  while (self->saved->len > place->depth)
    {
      g_autoptr (ReformerTensor) left = reformer_tape_restore (self);
    }
}

ReformerTensor *
reformer_tape_take (ReformerTape  *self,
                    gpointer       layer,
                    ReformerDType  dtype,
                    gsize          n_elements)
{
  g_autoptr (ReformerTensor) tensor = NULL;
  g_autofree char *seen = NULL;
  const gboolean empty = self->saved->len == 0;

  if (!reformer_run_ok (&self->run))
    return NULL;
  tensor = reformer_tape_restore (self);
  if (!empty && tensor == NULL && n_elements == 0)
    return NULL;
  if (tensor != NULL && reformer_tensor_get_dtype (tensor) == dtype && reformer_tensor_get_n_elements (tensor) == n_elements)
    return g_steal_pointer (&tensor);
  seen = tensor != NULL ? reformer_tensor_to_string (tensor) : g_strdup ("nothing");
  reformer_run_fail (&self->run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT,
                     "backward of %s: %s on the tape where its forward had pushed something else; each backward must pop all that its forward pushed, in reverse order",
                     G_OBJECT_TYPE_NAME (layer), seen);
  return NULL;
}

/* ---- The run ---- */

void
reformer_tape_forget (ReformerTape *self)
{
  g_hash_table_remove_all (self->packed);
  g_clear_pointer (&self->globals, reformer_globals_free);
}

GHashTable *
reformer_tape_get_packed (ReformerTape *self)
{
  return self->packed;
}

ReformerRun *
reformer_tape_get_run (ReformerTape *self)
{
  return &self->run;
}

gboolean
reformer_tape_check (ReformerTape  *self,
                     GError       **error)
{
  return reformer_run_finish (&self->run, error);
}

/* Scratch of one piece stays within this many bytes, so that it lives in the caches and the fixed part of the memory stays small. */
#define PIECE_BYTES (8u << 20)
#define MAX_PIECE 8192

gsize
reformer_tape_get_piece (ReformerTape *self,
                         gsize         width)
{
  gsize piece;

  if (self->piece > 0)
    return self->piece;
  piece = PIECE_BYTES / sizeof (float) / MAX (width, 1) / REFORMER_BLOCK * REFORMER_BLOCK;
  return CLAMP (piece, REFORMER_BLOCK, MAX_PIECE);
}

void
reformer_tape_set_piece (ReformerTape *self,
                         gsize         tokens)
{
  self->piece = tokens;
}

ReformerDropout
reformer_tape_dropout (ReformerTape *self,
                       double        p,
                       guint         layer,
                       guint         place)
{
  if (!self->training || p <= 0)
    return REFORMER_NO_DROPOUT;
  return (ReformerDropout) { .p = (float) p, .seed = self->seed, .sequence = self->sequence, .place = layer * 16 + place };
}
