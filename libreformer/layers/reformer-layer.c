/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/layer-private.h"

#include "compute/home.h"
#include "layers/input.h"

/**
 * ReformerLayer:
 *
 * A function from a tensor to a tensor with parameters that learn.
 *
 * Forward and backward are written next to each other: forward saves on the tape what backward needs. A layer of your own overrides both; it may hold other
 * layers ([method@Layer.add_child]) and parameters ([method@Layer.add_parameter]), which are then saved and trained with it.
 *
 * A layer that maps `[B, T, H]` to `[B, T, H]` can be a branch of a [class@Stack].
 *
 * ```python
 * class Twice(Reformer.Layer):
 *     def do_forward(self, input, tape):
 *         return 2 * numpy.asarray(input)
 *
 *     def do_backward(self, gradient, tape):
 *         return 2 * numpy.asarray(gradient)
 *
 * model.get_stack().insert(2, "twice", Twice(device=device, target=1))
 * ```
 */

typedef struct
{
  ReformerDevice *device;
  GPtrArray      *parameters; /* own */
  GPtrArray      *buffers;    /* own */
  GPtrArray      *children;
  int             target;
  guint           number;
  gboolean        started;
  gboolean        ablated;
  gboolean        fixed; /* settings can no longer be changed */
  char           *late;  /* what was set too late; taken by atomic exchange */
  char           *wrong; /* of a child that was not added: each use of the layer says so */
  GHashTable     *names; /* of children */
} ReformerLayerPrivate;

enum
{
  PROP_0,
  PROP_DEVICE,
  PROP_TARGET,
  PROP_ABLATED,
  PROP_FIXED,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (ReformerLayer, reformer_layer, G_TYPE_OBJECT)

static void
reformer_layer_finalize (GObject *object)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (REFORMER_LAYER (object));

  g_ptr_array_unref (priv->parameters);
  g_ptr_array_unref (priv->buffers);
  g_ptr_array_unref (priv->children);
  g_clear_object (&priv->device);
  g_free (priv->late);
  g_free (priv->wrong);
  g_hash_table_unref (priv->names);
  G_OBJECT_CLASS (reformer_layer_parent_class)->finalize (object);
}

static void
reformer_layer_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  ReformerLayer *self = REFORMER_LAYER (object);

  switch (id)
    {
    case PROP_DEVICE:
      g_value_set_object (value, reformer_layer_get_device (self));
      break;
    case PROP_TARGET:
      g_value_set_int (value, reformer_layer_get_target (self));
      break;
    case PROP_ABLATED:
      g_value_set_boolean (value, reformer_layer_get_ablated (self));
      break;
    case PROP_FIXED:
      g_value_set_boolean (value, reformer_layer_get_fixed (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_layer_set_property (GObject      *object,
                             guint         id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  ReformerLayer *self = REFORMER_LAYER (object);
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  switch (id)
    {
    case PROP_DEVICE:
      priv->device = g_value_dup_object (value);
      break;
    case PROP_TARGET:
      reformer_layer_set_target (self, g_value_get_int (value));
      break;
    case PROP_ABLATED:
      reformer_layer_set_ablated (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_layer_class_init (ReformerLayerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  reformer_home_own (klass);
  object_class->finalize = reformer_layer_finalize;
  object_class->get_property = reformer_layer_get_property;
  object_class->set_property = reformer_layer_set_property;

  /**
   * ReformerLayer:device:
   *
   * The device that holds the parameters; %NULL for a layer that has none of its own.
   */
  props[PROP_DEVICE] = g_param_spec_object ("device", NULL, NULL, REFORMER_TYPE_DEVICE,
                                            G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerLayer:target:
   *
   * In a [class@Stack] of two streams: the stream that the layer's output is added to; it reads the other. Attention has 0, feed-forward 1.
   */
  props[PROP_TARGET] = g_param_spec_int ("target", NULL, NULL, 0, 1, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  /**
   * ReformerLayer:ablated:
   *
   * Whether a [class@Stack] leaves the layer out: it adds nothing to its stream, and makes no norm of it, in evaluation, in training and in generation, and the gradients of its parameters are 0. It
   * can be changed between any two calls, and is not saved. A call of [method@Layer.forward] computes the layer all the same.
   */
  props[PROP_ABLATED] = g_param_spec_boolean ("ablated", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  /**
   * ReformerLayer:fixed:
   *
   * Whether the layer has been used, or put into another one or a model. Until then the settings of the library's layers can be changed; what is set later changes
   * nothing, and the layer's next use fails. There is no notification: a layer may be used first in a thread that is not the application's.
   */
  props[PROP_FIXED] = g_param_spec_boolean ("fixed", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_layer_init (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  priv->parameters = g_ptr_array_new_with_free_func (g_object_unref);
  priv->buffers = g_ptr_array_new_with_free_func (g_object_unref);
  priv->children = g_ptr_array_new_with_free_func (g_object_unref);
  priv->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

/* ---- Settings ---- */

/**
 * reformer_layer_get_ablated:
 * @self: a layer
 *
 * Gets whether a stack leaves the layer out.
 *
 * Returns: whether a stack leaves the layer out
 */
gboolean
reformer_layer_get_ablated (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_LAYER (self), FALSE);

  return g_atomic_int_get (&priv->ablated);
}

/**
 * reformer_layer_set_ablated:
 * @self: a layer
 * @ablated: whether a stack leaves the layer out
 *
 * Sets whether a stack leaves the layer out. It counts from the next pass on.
 */
void
reformer_layer_set_ablated (ReformerLayer *self,
                            gboolean       ablated)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_LAYER (self));

  ablated = !!ablated;
  if (reformer_layer_get_ablated (self) == ablated)
    return;
  g_atomic_int_set (&priv->ablated, ablated);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_ABLATED]);
}

/**
 * reformer_layer_get_fixed:
 * @self: a layer
 *
 * Gets whether the layer has been used, or put into another one or a model, so that its settings can no longer be changed.
 *
 * Returns: whether settings are fixed
 */
gboolean
reformer_layer_get_fixed (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_LAYER (self), FALSE);

  return g_atomic_int_get (&priv->fixed);
}

gboolean
reformer_layer_may_set (ReformerLayer *self,
                        GParamSpec    *setting)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  char *late;

  if (!g_atomic_int_get (&priv->fixed))
    {
      g_object_notify_by_pspec (G_OBJECT (self), setting);
      return TRUE;
    }
  late = g_strdup_printf ("%s of %s was set after the layer's first use, or after it was put into another; wanted before", setting->name, G_OBJECT_TYPE_NAME (self));
  if (!g_atomic_pointer_compare_and_exchange (&priv->late, NULL, late))
    g_free (late);
  return FALSE;
}

void
reformer_layer_fix (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_atomic_int_set (&priv->fixed, TRUE);
}

/* Every pass begins so; a mistake is told once, by a run that has nothing else to tell. */
static void
begin_use (ReformerLayer *self,
           ReformerRun   *run)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  char *late = g_atomic_pointer_get (&priv->late);

  reformer_layer_fix (self);
  if (late != NULL && reformer_run_ok (run) && g_atomic_pointer_compare_and_exchange (&priv->late, late, NULL))
    {
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "%s", late);
      g_free (late);
    }
  if (priv->wrong != NULL)
    reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "%s", priv->wrong);
}

/* ---- Forward and backward ---- */

static gboolean
check_written (ReformerLayer  *self,
               const char     *function,
               gboolean        written,
               GError        **error)
{
  if (!written)
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "%s has no %s of its own; a layer must override it", G_OBJECT_TYPE_NAME (self), function);
  return written;
}

/* A function written elsewhere must return a tensor of this device or an error. */
static ReformerTensor *
check_result (ReformerLayer   *self,
              const char      *function,
              ReformerTensor  *result,
              GError         **error)
{
  if (result == NULL && error != NULL && *error == NULL)
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "%s of %s returned neither a tensor nor an error; it must return a tensor",
                 function, G_OBJECT_TYPE_NAME (self));
  return result;
}

typedef ReformerTensor *(*Function) (ReformerLayer   *self,
                                     ReformerTensor  *input,
                                     ReformerTape    *tape,
                                     GError         **error);

typedef struct
{
  ReformerLayer   *self;
  Function         function;
  ReformerTensor  *input;
  ReformerTape    *tape;
  GError         **error;
  ReformerTensor  *result;
} Call;

static void
call (gpointer data)
{
  Call *c = data;

  c->result = c->function (c->self, c->input, c->tape, c->error);
}

/* The function at `offset` of the class, where it may run. */
static ReformerTensor *
call_function (ReformerLayer   *self,
               gsize            offset,
               ReformerTensor  *input,
               ReformerTape    *tape,
               GError         **error)
{
  Call c = { self, G_STRUCT_MEMBER (Function, REFORMER_LAYER_GET_CLASS (self), offset), input, tape, error, NULL };

  reformer_home_call (self, offset, call, &c, error);
  return c.result;
}

/**
 * reformer_layer_forward: (virtual forward)
 * @self: a layer
 * @input: the input, for most layers float32 `[B, T, H]`
 * @tape: the tape of this pass
 * @error: return location for an error
 *
 * Computes the layer's output.
 *
 * Returns: (transfer full): the output, or %NULL with @error set: [error@ModelError] for an input that does not fit, [error@DeviceError]
 */
ReformerTensor *
reformer_layer_forward (ReformerLayer   *self,
                        ReformerTensor  *input,
                        ReformerTape    *tape,
                        GError         **error)
{
  GError *local = NULL;
  ReformerTensor *output;
  ReformerTapePlace place;

  g_return_val_if_fail (REFORMER_IS_LAYER (self), NULL);
  g_return_val_if_fail (REFORMER_IS_TENSOR (input), NULL);
  g_return_val_if_fail (REFORMER_IS_TAPE (tape), NULL);

  if (!check_written (self, "forward", REFORMER_LAYER_GET_CLASS (self)->forward != NULL, error))
    return NULL;
  place = reformer_tape_get_place (tape);
  if (place.depth == 0)
    reformer_tape_forget (tape);
  reformer_layer_reset (self, reformer_tape_get_run (tape), reformer_tape_get_seed (tape));
  if (!reformer_run_ok (reformer_tape_get_run (tape)) && !reformer_tape_check (tape, error))
    return NULL;
  output = check_result (self, "forward", call_function (self, G_STRUCT_OFFSET (ReformerLayerClass, forward), input, tape, &local), &local);
  if (local != NULL)
    {
      g_clear_object (&output);
      g_propagate_error (error, local);
      reformer_tape_go_back (tape, &place); /* what a layer pushed before it failed is nobody's */
    }
  return output;
}

/**
 * reformer_layer_backward: (virtual backward)
 * @self: a layer
 * @gradient: the gradient of the output
 * @tape: the tape of the forward pass
 * @error: return location for an error
 *
 * Computes the gradient of the input, and adds to the gradients of the parameters; [method@Layer.clear_gradients] sets these to zero.
 *
 * Returns: (transfer full): the gradient of the input, or %NULL with @error set
 */
ReformerTensor *
reformer_layer_backward (ReformerLayer   *self,
                         ReformerTensor  *gradient,
                         ReformerTape    *tape,
                         GError         **error)
{
  GError *local = NULL;
  ReformerTensor *result;

  g_return_val_if_fail (REFORMER_IS_LAYER (self), NULL);
  g_return_val_if_fail (REFORMER_IS_TENSOR (gradient), NULL);
  g_return_val_if_fail (REFORMER_IS_TAPE (tape), NULL);

  if (!check_written (self, "backward", REFORMER_LAYER_GET_CLASS (self)->backward != NULL, error))
    return NULL;
  result = check_result (self, "backward", call_function (self, G_STRUCT_OFFSET (ReformerLayerClass, backward), gradient, tape, &local), &local);
  if (local != NULL)
    {
      g_clear_object (&result);
      g_propagate_error (error, local);
    }
  return result;
}

/* ---- Parameters and children ---- */

/**
 * reformer_layer_get_device:
 * @self: a layer
 *
 * Gets the device that holds the parameters.
 *
 * Returns: (transfer none) (nullable): the device that holds the parameters, or %NULL for a layer that has none of its own
 */
ReformerDevice *
reformer_layer_get_device (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_LAYER (self), NULL);

  return priv->device;
}

static void
collect (ReformerLayer *self,
         gboolean       buffers,
         GPtrArray     *into)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  GPtrArray *own = buffers ? priv->buffers : priv->parameters;

  for (guint i = 0; i < own->len; i++)
    g_ptr_array_add (into, g_object_ref (own->pdata[i]));
  for (guint i = 0; i < priv->children->len; i++)
    collect (priv->children->pdata[i], buffers, into);
}

GPtrArray *
reformer_layer_list_parameters (ReformerLayer *self)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_object_unref);

  collect (self, FALSE, list);
  return list;
}

GPtrArray *
reformer_layer_list_buffers (ReformerLayer *self)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_object_unref);

  collect (self, TRUE, list);
  return list;
}

/**
 * reformer_layer_get_parameters:
 * @self: a layer
 *
 * The parameters of the layer and of its children.
 *
 * Returns: (transfer full): a list of [class@Parameter]
 */
GListModel *
reformer_layer_get_parameters (ReformerLayer *self)
{
  GListStore *store;
  g_autoptr (GPtrArray) list = NULL;

  g_return_val_if_fail (REFORMER_IS_LAYER (self), NULL);

  list = reformer_layer_list_parameters (self);
  store = g_list_store_new (REFORMER_TYPE_PARAMETER);
  g_list_store_splice (store, 0, 0, list->pdata, list->len);
  return G_LIST_MODEL (store);
}

/**
 * reformer_layer_add_parameter:
 * @self: a layer
 * @parameter: a parameter
 *
 * Makes a parameter belong to the layer: it is saved, loaded and trained with it.
 */
void
reformer_layer_add_parameter (ReformerLayer     *self,
                              ReformerParameter *parameter)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_LAYER (self));
  g_return_if_fail (REFORMER_IS_PARAMETER (parameter));

  g_ptr_array_add (priv->parameters, g_object_ref (parameter));
}

/**
 * reformer_layer_add_child:
 * @self: a layer
 * @name: what the names of the child's parameters get before them, followed by a dot
 * @child: a layer that this one is composed of
 *
 * Makes the parameters of another layer belong to this one.
 *
 * A child that cannot be added (its name is empty or another child's, or it is this layer, or made of it) is left out, and every use of the layer fails with
 * %REFORMER_MODEL_ERROR_INVALID_CONFIG, which says why.
 */
void
reformer_layer_add_child (ReformerLayer *self,
                          const char    *name,
                          ReformerLayer *child)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  g_autofree char *prefix = NULL;
  const char *wanted = NULL;

  g_return_if_fail (REFORMER_IS_LAYER (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (REFORMER_IS_LAYER (child));

  if (*name == '\0')
    wanted = "wanted a name that is not empty";
  else if (reformer_layer_has (child, self))
    wanted = child == self ? "it is the layer itself; wanted another" : "it is made of this layer; wanted one that is not";
  else if (!g_hash_table_add (priv->names, g_strdup (name)))
    wanted = "there is one of that name; wanted another name";
  if (wanted != NULL)
    {
      if (priv->wrong == NULL)
        priv->wrong = g_strdup_printf ("child \"%s\" of %s, a %s: %s", name, G_OBJECT_TYPE_NAME (self), G_OBJECT_TYPE_NAME (child), wanted);
      return;
    }
  prefix = g_strconcat (name, ".", NULL);
  reformer_layer_set_prefix (child, prefix);
  reformer_layer_adopt (self, child);
  reformer_layer_set_number (self, reformer_layer_get_number (self)); /* the child's dropouts draw apart from its siblings' */
}

void
reformer_layer_adopt (ReformerLayer *self,
                      ReformerLayer *child)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_ptr_array_add (priv->children, g_object_ref (child));
  reformer_layer_fix (child);
}

void
reformer_layer_disown (ReformerLayer *self,
                       ReformerLayer *child)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_ptr_array_remove (priv->children, child);
}

gboolean
reformer_layer_has (ReformerLayer *self,
                    ReformerLayer *other)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  if (self == other)
    return TRUE;
  for (guint i = 0; i < priv->children->len; i++)
    if (reformer_layer_has (priv->children->pdata[i], other))
      return TRUE;
  return FALSE;
}

static void
add_prefix (GPtrArray  *list,
            const char *prefix)
{
  for (guint i = 0; i < list->len; i++)
    {
      g_autofree char *name = g_strconcat (prefix, reformer_parameter_get_name (list->pdata[i]), NULL);

      reformer_parameter_set_name (list->pdata[i], name);
    }
}

void
reformer_layer_set_prefix (ReformerLayer *self,
                           const char    *prefix)
{
  g_autoptr (GPtrArray) parameters = reformer_layer_list_parameters (self);
  g_autoptr (GPtrArray) buffers = reformer_layer_list_buffers (self);

  add_prefix (parameters, prefix);
  add_prefix (buffers, prefix);
}

static void
drop_prefix (GPtrArray  *list,
             const char *prefix)
{
  for (guint i = 0; i < list->len; i++)
    {
      const char *name = reformer_parameter_get_name (list->pdata[i]);

      if (g_str_has_prefix (name, prefix))
        reformer_parameter_set_name (list->pdata[i], name + strlen (prefix));
    }
}

void
reformer_layer_drop_prefix (ReformerLayer *self,
                            const char    *prefix)
{
  g_autoptr (GPtrArray) parameters = reformer_layer_list_parameters (self);
  g_autoptr (GPtrArray) buffers = reformer_layer_list_buffers (self);

  drop_prefix (parameters, prefix);
  drop_prefix (buffers, prefix);
}

static ReformerParameter *
make (ReformerLayer *self,
      const char    *name,
      ReformerStart  start,
      guint          n_dims,
      va_list        dims)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  gint64 shape[8];
  ReformerParameter *parameter;

  for (guint i = 0; i < n_dims; i++)
    shape[i] = va_arg (dims, gint64);
  parameter = reformer_parameter_new (priv->device, name, shape, n_dims);
  reformer_parameter_set_start (parameter, &start);
  return parameter;
}

ReformerParameter *
reformer_layer_make_parameter (ReformerLayer *self,
                               const char    *name,
                               ReformerStart  start,
                               guint          n_dims,
                               ...)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  ReformerParameter *parameter;
  va_list dims;

  va_start (dims, n_dims);
  parameter = make (self, name, start, n_dims, dims);
  va_end (dims);
  g_ptr_array_add (priv->parameters, parameter);
  return parameter;
}

void
reformer_layer_remove_parameter (ReformerLayer     *self,
                                 ReformerParameter *parameter)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_ptr_array_remove (priv->parameters, parameter);
}

ReformerParameter *
reformer_layer_make_buffer (ReformerLayer *self,
                            const char    *name,
                            ReformerStart  start,
                            guint          n_dims,
                            ...)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);
  ReformerParameter *parameter;
  va_list dims;

  va_start (dims, n_dims);
  parameter = make (self, name, start, n_dims, dims);
  va_end (dims);
  reformer_parameter_set_trainable (parameter, FALSE);
  g_ptr_array_add (priv->buffers, parameter);
  return parameter;
}

static void
start (ReformerLayer *self,
       ReformerRun   *run,
       guint64        seed,
       gboolean       used)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  for (guint i = 0; i < priv->children->len; i++)
    start (priv->children->pdata[i], run, seed, used);
  if (used)
    begin_use (self, run);
  else
    reformer_layer_fix (self);
  if (priv->started)
    return;
  for (guint i = 0; i < priv->parameters->len; i++)
    reformer_parameter_reset (priv->parameters->pdata[i], run, seed);
  for (guint i = 0; i < priv->buffers->len; i++)
    reformer_parameter_reset (priv->buffers->pdata[i], run, seed);
  priv->started = reformer_run_ok (run);
}

void
reformer_layer_reset (ReformerLayer *self,
                      ReformerRun   *run,
                      guint64        seed)
{
  start (self, run, seed, TRUE);
}

void
reformer_layer_start (ReformerLayer *self,
                      ReformerRun   *run,
                      guint64        seed)
{
  start (self, run, seed, FALSE);
}

/**
 * reformer_layer_clear_gradients:
 * @self: a layer
 * @error: return location for an error
 *
 * Sets the gradients of all parameters to zero.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@DeviceError]
 */
gboolean
reformer_layer_clear_gradients (ReformerLayer  *self,
                                GError        **error)
{
  g_autoptr (GPtrArray) list = NULL;

  g_return_val_if_fail (REFORMER_IS_LAYER (self), FALSE);

  list = reformer_layer_list_parameters (self);
  for (guint i = 0; i < list->len; i++)
    {
      /* a layer without a device may have parameters and children with one */
      ReformerRun run = REFORMER_RUN_INIT (reformer_parameter_peek_device (list->pdata[i]), NULL);

      reformer_parameter_clear_gradient (list->pdata[i], &run);
      if (!reformer_run_finish (&run, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- Place in a stack ---- */

/**
 * reformer_layer_get_target:
 * @self: a layer
 *
 * Gets in a stack of two streams, the stream that the layer's output is added to.
 *
 * Returns: in a stack of two streams, the stream that the layer's output is added to
 */
int
reformer_layer_get_target (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_val_if_fail (REFORMER_IS_LAYER (self), 0);

  return priv->target;
}

/**
 * reformer_layer_set_target:
 * @self: a layer
 * @target: 0 or 1: the stream that the output is added to
 *
 * In a stack of two streams a layer reads one stream and is added to the other.
 */
void
reformer_layer_set_target (ReformerLayer *self,
                           int            target)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  g_return_if_fail (REFORMER_IS_LAYER (self));
  g_return_if_fail (target == 0 || target == 1);

  if (priv->target == target)
    return;
  priv->target = target;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TARGET]);
}

guint
reformer_layer_get_number (ReformerLayer *self)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  return priv->number;
}

/* A child's number comes from its parent's and its place among the children, apart from the numbers of a model's own layers. */
static guint
child_number (guint parent,
              guint place)
{
  return 0x04000000u | (((parent + 1) * 2654435761u + (place + 1) * 40503u) & 0x03ffffffu);
}

void
reformer_layer_set_number (ReformerLayer *self,
                           guint          number)
{
  ReformerLayerPrivate *priv = reformer_layer_get_instance_private (self);

  priv->number = number;
  for (guint i = 0; i < priv->children->len; i++)
    reformer_layer_set_number (priv->children->pdata[i], child_number (number, i));
}

/* ---- Helpers ---- */

gboolean
reformer_layer_check_input (ReformerLayer  *self,
                            ReformerRun    *run,
                            ReformerTensor *input,
                            int             width,
                            int            *B,
                            int            *T)
{
  ReformerRows rows;

  if (!reformer_input_tokens (self, run, "input", input, width, &rows))
    return FALSE;
  *B = (int) (rows.count / rows.T);
  *T = (int) rows.T;
  return TRUE;
}

ReformerTensor *
reformer_run_new_like (ReformerRun    *run,
                       ReformerTensor *like)
{
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (like, &n_dims);
  g_autoptr (ReformerTensor) flat = reformer_run_new (run, reformer_tensor_get_dtype (like), 1, (gint64) reformer_tensor_get_n_elements (like));
  ReformerTensor *tensor = NULL;

  if (flat != NULL)
    {
      GError *error = NULL;

      tensor = reformer_tensor_reshape (flat, shape, n_dims, &error);
      if (tensor == NULL)
        reformer_run_take (run, error);
    }
  return tensor;
}
