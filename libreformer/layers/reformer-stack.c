/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/stack-private.h"

#include "compute/home.h"
#include "compute/device-private.h"
#include "layers/input.h"
#include "ops/elementwise.h"

/**
 * ReformerStack:
 *
 * A sequence of branches, each `[B, T, H]` to `[B, T, H]` with its norm inside, added to residual streams.
 *
 * With two streams (the reversible coupling of the Reformer; Gomez et al., "The reversible residual network", 2017) a branch reads one stream and is added to
 * the other, so that its input can be rebuilt from its output; both streams start as the input, and the output is `[B, T, 2H]`, stream 0 first. With one stream
 * a branch is added to what it reads, and the output is `[B, T, H]`. This is the standard Transformer: x + f (norm (x)), or, for branches whose `norm-first` is
 * false, norm (x + f (x)).
 *
 * [property@Stack:keep] says how much memory the backward pass may cost. A stack is a list of its branches; branches of your own are put between others by
 * [method@Stack.insert].
 *
 * ```python
 * stack = model.get_stack()
 * stack.set_keep(Reformer.Keep.NOTHING)
 * for i, branch in enumerate(stack):
 *     print(stack.get_name(i), type(branch).__name__)
 * stack.insert(2, "more", Reformer.FeedForward(device=device, hidden_size=32, feed_forward_size=64, target=1))
 * ```
 */

struct _ReformerStack
{
  ReformerLayer  parent_instance;

  GPtrArray     *branches;
  GPtrArray     *names;
  char          *prefix;
  int            streams;
  ReformerKeep   keep;
};

enum
{
  PROP_0,
  PROP_STREAMS,
  PROP_KEEP,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_ENUM_TYPE (ReformerKeep, reformer_keep,
                    G_DEFINE_ENUM_VALUE (REFORMER_KEEP_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (REFORMER_KEEP_EVERYTHING, "everything"),
                    G_DEFINE_ENUM_VALUE (REFORMER_KEEP_INPUTS, "inputs"),
                    G_DEFINE_ENUM_VALUE (REFORMER_KEEP_NOTHING, "nothing"))

/* ---- List ---- */

static GType
get_item_type (GListModel *list)
{
  return REFORMER_TYPE_LAYER;
}

static guint
get_n_items (GListModel *list)
{
  return REFORMER_STACK (list)->branches->len;
}

static gpointer
get_item (GListModel *list,
          guint       position)
{
  ReformerStack *self = REFORMER_STACK (list);

  return position < self->branches->len ? g_object_ref (self->branches->pdata[position]) : NULL;
}

static void
list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (ReformerStack, reformer_stack, REFORMER_TYPE_LAYER, G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, list_model_init))

/* ---- As a layer ---- */

static ReformerTensor *
reformer_stack_forward (ReformerLayer   *layer,
                        ReformerTensor  *input,
                        ReformerTape    *tape,
                        GError         **error)
{
  ReformerStack *self = REFORMER_STACK (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) output = NULL;
  ReformerTensor *streams[2] = { NULL, NULL };
  gsize n_dims;
  g_autofree gint64 *shape = reformer_tensor_get_shape (input, &n_dims);
  const int H = n_dims > 0 ? (int) shape[n_dims - 1] : 0;
  int B, T;

  if (reformer_layer_check_input (layer, run, input, H, &B, &T))
    {
      for (int i = 0; i < self->streams; i++)
        streams[i] = reformer_input_copy (run, input);
      if (reformer_run_ok (run))
        reformer_stack_run_forward (self, streams, tape);
    }
  if (reformer_run_ok (run))
    {
      if (self->streams == 1)
        output = g_object_ref (streams[0]);
      else
        {
          output = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) B, (gint64) T, 2 * (gint64) H);
          for (int i = 0; i < 2 && output != NULL; i++)
            reformer_copy_columns (run, reformer_span (streams[i]), H, reformer_at (output, (gsize) i * H), 2 * H, H, (gsize) B * T);
        }
      for (int i = 0; i < self->streams && reformer_run_ok (run); i++)
        reformer_tape_push (tape, streams[i]);
    }
  g_clear_object (&streams[0]);
  g_clear_object (&streams[1]);
  return reformer_tape_check (tape, error) ? g_steal_pointer (&output) : NULL;
}

static ReformerTensor *
reformer_stack_backward (ReformerLayer   *layer,
                         ReformerTensor  *gradient,
                         ReformerTape    *tape,
                         GError         **error)
{
  ReformerStack *self = REFORMER_STACK (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  g_autoptr (ReformerTensor) result = NULL;
  ReformerTensor *streams[2] = { NULL, NULL }, *gradients[2] = { NULL, NULL };
  gsize n;

  for (int i = self->streams - 1; i >= 0; i--)
    streams[i] = reformer_tape_pop (tape);
  if (streams[0] == NULL)
    {
      g_clear_object (&streams[1]);
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "backward of ReformerStack: nothing on the tape; its forward must come first, with the tape recording");
      return NULL;
    }
  n = reformer_tensor_get_n_elements (streams[0]);
  if (reformer_tensor_get_n_elements (gradient) != n * self->streams || reformer_tensor_get_dtype (gradient) != REFORMER_DTYPE_FLOAT32)
    {
      g_autofree char *seen = reformer_tensor_to_string (gradient), *stream = reformer_tensor_to_string (streams[0]);

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "backward of ReformerStack: the gradient is %s; wanted %d times the width of %s", seen,
                         self->streams, stream);
    }
  else
    {
      gsize n_dims;
      g_autofree gint64 *shape = reformer_tensor_get_shape (streams[0], &n_dims);
      const int H = (int) shape[2];

      for (int i = 0; i < self->streams; i++)
        {
          gradients[i] = reformer_run_new_like (run, streams[0]);
          if (gradients[i] != NULL)
            reformer_copy_columns (run, reformer_at (gradient, (gsize) i * H), H * self->streams, reformer_span (gradients[i]), H, H, n / H);
        }
      if (reformer_run_ok (run))
        reformer_stack_run_backward (self, streams, gradients, tape);
      if (reformer_run_ok (run))
        {
          if (self->streams == 2)
            reformer_scale (run, 1.0f, reformer_span (gradients[1]), reformer_span (gradients[0]), n, REFORMER_STORE_ADD);
          result = g_object_ref (gradients[0]);
        }
    }
  for (int i = 0; i < 2; i++)
    {
      g_clear_object (&streams[i]);
      g_clear_object (&gradients[i]);
    }
  return reformer_tape_check (tape, error) ? g_steal_pointer (&result) : NULL;
}

/* ---- Object ---- */

static void
reformer_stack_finalize (GObject *object)
{
  ReformerStack *self = REFORMER_STACK (object);

  g_ptr_array_unref (self->branches);
  g_ptr_array_unref (self->names);
  g_free (self->prefix);
  G_OBJECT_CLASS (reformer_stack_parent_class)->finalize (object);
}

static void
reformer_stack_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  ReformerStack *self = REFORMER_STACK (object);

  switch (id)
    {
    case PROP_STREAMS:
      g_value_set_int (value, self->streams);
      break;
    case PROP_KEEP:
      g_value_set_enum (value, self->keep);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_stack_set_property (GObject      *object,
                             guint         id,
                             const GValue *value,
                             GParamSpec   *pspec)
{
  ReformerStack *self = REFORMER_STACK (object);

  switch (id)
    {
    case PROP_STREAMS:
      if (reformer_layer_may_set (REFORMER_LAYER (self), pspec))
        self->streams = g_value_get_int (value);
      break;
    case PROP_KEEP:
      reformer_stack_set_keep (self, g_value_get_enum (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_stack_class_init (ReformerStackClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerLayerClass *layer_class = REFORMER_LAYER_CLASS (klass);

  reformer_home_own (klass);
  object_class->finalize = reformer_stack_finalize;
  object_class->get_property = reformer_stack_get_property;
  object_class->set_property = reformer_stack_set_property;
  layer_class->forward = reformer_stack_forward;
  layer_class->backward = reformer_stack_backward;

  /**
   * ReformerStack:streams:
   *
   * Number of residual streams: 2 for the reversible coupling, 1 for the ordinary residual.
   */
  props[PROP_STREAMS] = g_param_spec_int ("streams", NULL, NULL, 1, 2, 2, REFORMER_LAYER_SETTING);
  /**
   * ReformerStack:keep:
   *
   * What is kept of a forward pass for the backward pass. `nothing` needs two streams: with one a pass that is to have gradients fails.
   *
   * `auto` becomes one of the others at the model's first step of training, a [method@Model.compute_gradients] or the first of a trainer's, and stays that: the first of
   * `everything`, `inputs` and `nothing` that the memory allows, or `inputs` where branches of your own are in the stack. The property then says which, and
   * notifies: at once, or when an asynchronous training ends. A [method@Model.compute_gradients] that fails leaves `auto`. A stack that runs without a model takes `auto` for
   * `everything`.
   */
  props[PROP_KEEP] = g_param_spec_enum ("keep", NULL, NULL, REFORMER_TYPE_KEEP, REFORMER_KEEP_AUTO, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_stack_init (ReformerStack *self)
{
  self->branches = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_ptr_array_new_with_free_func (g_free);
  self->prefix = g_strdup ("");
}

/**
 * reformer_stack_new:
 * @device: the device of the branches
 *
 * Makes a new stack of two streams, without branches.
 *
 * Returns: (transfer full): a new stack of two streams, without branches
 */
ReformerStack *
reformer_stack_new (ReformerDevice *device)
{
  return g_object_new (REFORMER_TYPE_STACK, "device", device, NULL);
}

/**
 * reformer_stack_get_streams:
 * @self: a stack
 *
 * Gets number of residual streams, 1 or 2.
 *
 * Returns: number of residual streams, 1 or 2
 */
int
reformer_stack_get_streams (ReformerStack *self)
{
  g_return_val_if_fail (REFORMER_IS_STACK (self), 0);

  return self->streams;
}

/**
 * reformer_stack_get_keep:
 * @self: a stack
 *
 * Gets what is kept of a forward pass for the backward pass.
 *
 * Returns: what is kept of a forward pass for the backward pass
 */
ReformerKeep
reformer_stack_get_keep (ReformerStack *self)
{
  g_return_val_if_fail (REFORMER_IS_STACK (self), REFORMER_KEEP_AUTO);

  return self->keep;
}

/**
 * reformer_stack_set_keep:
 * @self: a stack
 * @keep: what to keep of a forward pass for the backward pass
 *
 * Sets what to keep of a forward pass for the backward pass.
 */
void
reformer_stack_set_keep (ReformerStack *self,
                         ReformerKeep   keep)
{
  g_return_if_fail (REFORMER_IS_STACK (self));

  if (self->keep == keep)
    return;
  self->keep = keep;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_KEEP]);
}

ReformerKeep
reformer_stack_resolve_keep (ReformerStack *self)
{
  if (self->keep == REFORMER_KEEP_AUTO)
    return REFORMER_KEEP_EVERYTHING;
  return self->keep;
}

void
reformer_stack_set_prefix (ReformerStack *self,
                           const char    *prefix)
{
  g_free (self->prefix);
  self->prefix = g_strdup (prefix);
}

static void
put (ReformerStack *self,
     guint          position,
     const char    *name,
     const char    *prefix,
     guint          number,
     ReformerLayer *branch)
{
  reformer_layer_set_prefix (branch, prefix);
  reformer_layer_set_number (branch, number);
  reformer_layer_adopt (REFORMER_LAYER (self), branch);
  g_ptr_array_insert (self->branches, (int) position, g_object_ref (branch));
  g_ptr_array_insert (self->names, (int) position, g_strdup (name));
  g_list_model_items_changed (G_LIST_MODEL (self), position, 0, 1);
}

void
reformer_stack_add (ReformerStack *self,
                    const char    *name,
                    ReformerLayer *branch)
{
  g_autofree char *prefix = g_strconcat (self->prefix, name, ".", NULL);

  put (self, self->branches->len, name, prefix, self->branches->len + 1, branch);
}

static gboolean
check_place (ReformerStack  *self,
             guint           position,
             const char     *name,
             GError        **error)
{
  const gsize length = strlen (name);

  if (position > self->branches->len)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "position is %u; wanted 0 to %u, the number of branches", position, self->branches->len);
      return FALSE;
    }
  if (length == 0 || length > 200)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the branch's name has %zu characters; wanted 1 to 200", length);
      return FALSE;
    }
  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p) || !g_utf8_validate (name, (gssize) length, NULL))
      {
        g_set_error_literal (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the branch's name is no plain text; wanted UTF-8 without control characters");
        return FALSE;
      }
  return TRUE;
}

static gboolean
check_branch (ReformerStack  *self,
              const char     *name,
              ReformerLayer  *branch,
              GError        **error)
{
  ReformerDevice *device = reformer_layer_get_device (REFORMER_LAYER (self)), *seen = reformer_layer_get_device (branch);

  for (guint i = 0; i < self->branches->len; i++)
    if (g_str_equal (name, self->names->pdata[i]))
      {
        g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the stack has a branch named '%s' already; wanted a name of its own", name);
        return FALSE;
      }
    else if (branch == self->branches->pdata[i])
      {
        g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the layer for '%s' is in the stack already, as '%s'; wanted a layer of its own", name,
                     (const char *) self->names->pdata[i]);
        return FALSE;
      }
  if (reformer_layer_has (branch, REFORMER_LAYER (self)))
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the layer for '%s' is the stack itself, or holds it; wanted another layer", name);
      return FALSE;
    }
  if (device != NULL && seen != NULL && device != seen)
    {
      g_autofree char *a = reformer_device_describe (seen), *b = reformer_device_describe (device);

      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the layer for '%s' is on the device %s; wanted the stack's, %s", name, a, b);
      return FALSE;
    }
  return TRUE;
}

/**
 * reformer_stack_insert:
 * @self: a stack
 * @position: where, from 0 to the number of branches
 * @name: a name of its own: the branch is saved under it, as `extra.NAME`
 * @branch: a layer that maps `[B, T, H]` to `[B, T, H]`
 * @error: return location for an error
 *
 * Puts a branch between others. Their roles stay what they are; see [property@Layer:target].
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@ModelError] for a position, name or layer that does not fit
 */
gboolean
reformer_stack_insert (ReformerStack  *self,
                       guint           position,
                       const char     *name,
                       ReformerLayer  *branch,
                       GError        **error)
{
  g_autofree char *prefix = NULL;

  g_return_val_if_fail (REFORMER_IS_STACK (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (REFORMER_IS_LAYER (branch), FALSE);

  if (!check_place (self, position, name, error) || !check_branch (self, name, branch, error))
    return FALSE;
  prefix = g_strconcat (self->prefix, "extra.", name, ".", NULL);
  /* a number by name, beyond those of the stack's own branches: where it is put changes no dropout */
  put (self, position, name, prefix, 0x08000000u | (g_str_hash (name) & 0x07ffffffu), branch);
  return TRUE;
}

/**
 * reformer_stack_remove:
 * @self: a stack
 * @position: which branch
 * @error: return location for an error
 *
 * Takes a branch out.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@ModelError] where there is no such branch
 */
gboolean
reformer_stack_remove (ReformerStack  *self,
                       guint           position,
                       GError        **error)
{
  g_autofree char *own = NULL, *inserted = NULL;

  g_return_val_if_fail (REFORMER_IS_STACK (self), FALSE);

  if (position >= self->branches->len)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "position is %u; the stack has %u branches", position, self->branches->len);
      return FALSE;
    }
  own = g_strconcat (self->prefix, self->names->pdata[position], ".", NULL);
  inserted = g_strconcat (self->prefix, "extra.", self->names->pdata[position], ".", NULL);
  reformer_layer_drop_prefix (self->branches->pdata[position], own);
  reformer_layer_drop_prefix (self->branches->pdata[position], inserted);
  reformer_layer_disown (REFORMER_LAYER (self), self->branches->pdata[position]);
  g_ptr_array_remove_index (self->branches, position);
  g_ptr_array_remove_index (self->names, position);
  g_list_model_items_changed (G_LIST_MODEL (self), position, 1, 0);
  return TRUE;
}

/**
 * reformer_stack_get_name:
 * @self: a stack
 * @position: which branch
 *
 * Gets its name.
 *
 * Returns: (transfer none) (nullable): its name, or %NULL where there is no such branch
 */
const char *
reformer_stack_get_name (ReformerStack *self,
                         guint          position)
{
  g_return_val_if_fail (REFORMER_IS_STACK (self), NULL);

  return position < self->names->len ? self->names->pdata[position] : NULL;
}
