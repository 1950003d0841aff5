/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-window-attention.h>

#include "layers/attention-private.h"
#include "compute/home.h"

/**
 * ReformerWindowAttention:
 *
 * Attention in a sliding window, with global tokens (Beltagy, Peters, Cohan, "Longformer: the long-document transformer", 2020).
 *
 * With the window size s a token sees the s / 2 tokens before it, itself, and the s / 2 after it; in a causal layer none after. A head with the dilation g looks that
 * many steps of g tokens far. Any length will do, and the work grows with length times window.
 *
 * Global tokens, which the tape names ([property@Tape:global-mask]), are seen by all tokens, in the same softmax as the window, where each counts once. They see all
 * tokens, with projections of their own for queries, keys and values (`query_global`, `key_global`, `value_global`). Without global tokens these play no part.
 *
 * ```python
 * attention = Reformer.WindowAttention(device=device, hidden_size=32, num_attention_heads=2, attention_head_size=16, window_size=8, dilation=[1, 2])
 * tape = Reformer.Tape(device=device)
 * y = attention.forward(x, tape)
 * ```
 */

struct _ReformerWindowAttention
{
  ReformerAttention parent_instance;

  int               size;
  GVariant         *dilation;
  char             *problem; /* why the settings do not fit */
};

enum
{
  PROP_0,
  PROP_WINDOW_SIZE,
  PROP_DILATION,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerWindowAttention, reformer_window_attention, REFORMER_TYPE_ATTENTION)

static void
begin (ReformerAttention     *attention,
       ReformerAttentionPass *pass,
       ReformerTape          *tape)
{
  const char *problem = REFORMER_WINDOW_ATTENTION (attention)->problem;

  if (problem != NULL)
    reformer_run_fail (reformer_tape_get_run (tape), REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "%s", problem);
}

static const ReformerAttentionKind window_kind = { .begin = begin, .globals = TRUE };

/* The band of the settings, or what is wrong with them, for the first use to tell. */
static void
find_band (ReformerWindowAttention *self)
{
  ReformerAttention *attention = REFORMER_ATTENTION (self);
  gsize n = 0;
  const gint32 *dilation = self->dilation != NULL ? g_variant_get_fixed_array (self->dilation, &n, sizeof *dilation) : NULL;

  g_clear_pointer (&self->problem, g_free);
  g_clear_pointer (&attention->dilations, g_free);
  attention->reach = 0;
  if (self->size < 2 || self->size % 2 != 0)
    self->problem = g_strdup_printf ("window-size is %d; wanted an even number of at least 2, such as %d", self->size, MAX (2, self->size + (self->size & 1)));
  else if (n > 0 && n != (gsize) attention->heads)
    self->problem = g_strdup_printf ("dilation has %" G_GSIZE_FORMAT " numbers; wanted one for each of the %d heads, or none", n, attention->heads);
  for (gsize i = 0; i < n && self->problem == NULL; i++)
    if (dilation[i] < 1 || dilation[i] > G_MAXINT / 4 / (self->size / 2))
      self->problem = g_strdup_printf ("dilation has the number %d; wanted 1 to %d with a window of %d", dilation[i], G_MAXINT / 4 / (self->size / 2), self->size);
  if (self->problem != NULL)
    return;
  attention->reach = self->size / 2;
  if (n > 0)
    attention->dilations = g_memdup2 (dilation, n * sizeof *dilation);
}

static void
reformer_window_attention_constructed (GObject *object)
{
  G_OBJECT_CLASS (reformer_window_attention_parent_class)->constructed (object);
  find_band (REFORMER_WINDOW_ATTENTION (object));
}

static void
reformer_window_attention_finalize (GObject *object)
{
  ReformerWindowAttention *self = REFORMER_WINDOW_ATTENTION (object);

  g_clear_pointer (&self->dilation, g_variant_unref);
  g_free (self->problem);
  g_free (REFORMER_ATTENTION (self)->dilations);
  G_OBJECT_CLASS (reformer_window_attention_parent_class)->finalize (object);
}

static void
reformer_window_attention_get_property (GObject    *object,
                                        guint       id,
                                        GValue     *value,
                                        GParamSpec *pspec)
{
  ReformerWindowAttention *self = REFORMER_WINDOW_ATTENTION (object);

  switch (id)
    {
    case PROP_WINDOW_SIZE:
      g_value_set_int (value, self->size);
      break;
    case PROP_DILATION:
      g_value_set_variant (value, self->dilation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_window_attention_set_property (GObject      *object,
                                        guint         id,
                                        const GValue *value,
                                        GParamSpec   *pspec)
{
  ReformerWindowAttention *self = REFORMER_WINDOW_ATTENTION (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_WINDOW_SIZE:
      self->size = g_value_get_int (value);
      find_band (self);
      break;
    case PROP_DILATION:
      g_clear_pointer (&self->dilation, g_variant_unref);
      self->dilation = g_value_dup_variant (value);
      if (self->dilation == NULL)
        self->dilation = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, NULL, 0, sizeof (gint32)));
      find_band (self);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_window_attention_class_init (ReformerWindowAttentionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  reformer_home_own (klass);
  object_class->constructed = reformer_window_attention_constructed;
  object_class->finalize = reformer_window_attention_finalize;
  object_class->get_property = reformer_window_attention_get_property;
  object_class->set_property = reformer_window_attention_set_property;
  REFORMER_ATTENTION_CLASS (klass)->kind = &window_kind;

  /**
   * ReformerWindowAttention:window-size:
   *
   * Tokens in the window beside the query's own, half of them before it and half after it: an even number.
   */
  props[PROP_WINDOW_SIZE] = g_param_spec_int ("window-size", NULL, NULL, G_MININT, G_MAXINT, 128, REFORMER_LAYER_SETTING);
  /**
   * ReformerWindowAttention:dilation:
   *
   * For each head the step of its window in tokens: with 2 it sees every other token, as many as with 1 and twice as far. An empty list means 1 for all heads.
   */
  props[PROP_DILATION] = g_param_spec_variant ("dilation", NULL, NULL, G_VARIANT_TYPE ("ai"), g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, NULL, 0, sizeof (gint32)),
                                               REFORMER_LAYER_SETTING);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_window_attention_init (ReformerWindowAttention *self)
{
}

/**
 * reformer_window_attention_new:
 * @device: the device that holds the parameters
 * @hidden_size: width H of input and output
 * @num_attention_heads: number of heads A
 * @attention_head_size: size d of a head
 *
 * Makes a new layer of window attention.
 *
 * Returns: (transfer full): a new layer of window attention
 */
ReformerWindowAttention *
reformer_window_attention_new (ReformerDevice *device,
                               int             hidden_size,
                               int             num_attention_heads,
                               int             attention_head_size)
{
  return g_object_new (REFORMER_TYPE_WINDOW_ATTENTION, "device", device, "hidden-size", hidden_size, "num-attention-heads", num_attention_heads,
                       "attention-head-size", attention_head_size, NULL);
}

/**
 * reformer_window_attention_get_window_size:
 * @self: a layer of window attention
 *
 * Gets the number of tokens in the window beside the query's own.
 *
 * Returns: the number of tokens in the window beside the query's own
 */
int
reformer_window_attention_get_window_size (ReformerWindowAttention *self)
{
  g_return_val_if_fail (REFORMER_IS_WINDOW_ATTENTION (self), 0);

  return self->size;
}

/**
 * reformer_window_attention_get_dilation:
 * @self: a layer of window attention
 * @n_heads: (out): length of the list
 *
 * Gets the step of each head's window in tokens.
 *
 * Returns: (array length=n_heads) (transfer full) (nullable): the step of each head's window; empty: 1 for all
 */
int *
reformer_window_attention_get_dilation (ReformerWindowAttention *self,
                                        gsize                   *n_heads)
{
  const gint32 *dilation;

  g_return_val_if_fail (REFORMER_IS_WINDOW_ATTENTION (self), NULL);
  g_return_val_if_fail (n_heads != NULL, NULL);

  dilation = g_variant_get_fixed_array (self->dilation, n_heads, sizeof *dilation);
  return g_memdup2 (dilation, *n_heads * sizeof *dilation);
}

/**
 * reformer_window_attention_set_dilation:
 * @self: a layer of window attention that has not been used
 * @dilation: (array length=n_heads) (nullable): the step of each head's window; empty: 1 for all
 * @n_heads: length of the list
 *
 * Sets the step of each head's window in tokens. It is too late for this once [property@Layer:fixed] is %TRUE.
 */
void
reformer_window_attention_set_dilation (ReformerWindowAttention *self,
                                        const int               *dilation,
                                        gsize                    n_heads)
{
  g_return_if_fail (REFORMER_IS_WINDOW_ATTENTION (self));
  g_return_if_fail (dilation != NULL || n_heads == 0);

  g_object_set (self, "dilation", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, dilation, n_heads, sizeof *dilation), NULL);
}
