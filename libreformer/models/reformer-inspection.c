/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/models/reformer-inspection.h>

#include "compute/device-private.h"
#include "data/shuffle.h"
#include "models/inspection-private.h"
#include "models/model-private.h"

/**
 * ReformerInspection:
 *
 * A look inside the attention layers of a model: buckets, what a token attends to and with what weight, and the share of exact attention that hashing covers.
 *
 * [method@Inspection.run] makes one pass over some tokens, as [method@Model.forward] does, and keeps in host memory what each attention layer worked with: 4 bytes
 * a token, head and place of the query, as much again for keys of their own, and 6 bytes a token, head and round of hashing. All else is computed from that when it is asked for, in
 * double precision. Attention layers are counted from 0, in the order of the stack; a branch of another kind is none of them.
 *
 * ```python
 * inspection = Reformer.Inspection(model=model)
 * inspection.run(tokens, None)
 * for layer in range(inspection.get_n_layers()):
 *     for head in inspection.measure(layer, 256).unpack():
 *         print(inspection.get_name(layer), inspection.get_kind(layer), head)
 * for token, round, weight in inspection.list_keys(0, 0, 0, 40, 5).unpack():
 *     print(token, round, weight)
 * ```
 */

struct _ReformerInspection
{
  GObject        parent_instance;

  ReformerModel *model;
  GPtrArray     *layers; /* ReformerSeen */
};

enum
{
  PROP_0,
  PROP_MODEL,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerInspection, reformer_inspection, G_TYPE_OBJECT)

static GPtrArray *
new_layers (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) reformer_seen_free);
}

static void
reformer_inspection_finalize (GObject *object)
{
  ReformerInspection *self = REFORMER_INSPECTION (object);

  g_clear_object (&self->model);
  g_ptr_array_unref (self->layers);
  G_OBJECT_CLASS (reformer_inspection_parent_class)->finalize (object);
}

static void
reformer_inspection_get_property (GObject    *object,
                                  guint       id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  if (id == PROP_MODEL)
    g_value_set_object (value, REFORMER_INSPECTION (object)->model);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_inspection_set_property (GObject      *object,
                                  guint         id,
                                  const GValue *value,
                                  GParamSpec   *pspec)
{
  if (id == PROP_MODEL)
    REFORMER_INSPECTION (object)->model = g_value_dup_object (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_inspection_class_init (ReformerInspectionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = reformer_inspection_finalize;
  object_class->get_property = reformer_inspection_get_property;
  object_class->set_property = reformer_inspection_set_property;

  /**
   * ReformerInspection:model:
   *
   * The model.
   */
  props[PROP_MODEL] = g_param_spec_object ("model", NULL, NULL, REFORMER_TYPE_MODEL, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_inspection_init (ReformerInspection *self)
{
  self->layers = new_layers ();
}

/**
 * reformer_inspection_new:
 * @model: the model
 *
 * Makes a new inspection of a model. Nothing is run before [method@Inspection.run].
 *
 * Returns: (transfer full): a new inspection
 */
ReformerInspection *
reformer_inspection_new (ReformerModel *model)
{
  return g_object_new (REFORMER_TYPE_INSPECTION, "model", model, NULL);
}

/**
 * reformer_inspection_get_model:
 * @self: an inspection
 *
 * Gets the model.
 *
 * Returns: (transfer none) (nullable): the model
 */
ReformerModel *
reformer_inspection_get_model (ReformerInspection *self)
{
  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), NULL);

  return self->model;
}

/* ---- Running ---- */

typedef struct
{
  ReformerWatch  watch;
  ReformerStack *stack;
  GPtrArray     *layers;
  int            T0;
} Looking;

/* "lsh" of ReformerLshAttention */
static char *
kind_of (gpointer layer)
{
  const char *name = G_OBJECT_TYPE_NAME (layer) + strlen ("Reformer");

  return g_ascii_strdown (name, (gssize) (strlen (name) - strlen ("Attention")));
}

static char *
name_of (ReformerStack *stack,
         gpointer       layer)
{
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (stack)); i++)
    {
      g_autoptr (GObject) branch = g_list_model_get_item (G_LIST_MODEL (stack), i);

      if ((gpointer) branch == layer)
        return g_strdup (reformer_stack_get_name (stack, i));
    }
  return g_strdup ("");
}

static gpointer
host_array (ReformerRun *run,
            gsize        n,
            gsize        size)
{
  gpointer array = g_try_malloc_n (n, size);

  if (array == NULL)
    reformer_run_fail (run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY, "no host memory for an inspection's array of %" G_GSIZE_FORMAT " elements of %" G_GSIZE_FORMAT
                       " bytes", n, size);
  return array;
}

static ReformerSeen *
new_seen (const Looking               *looking,
          ReformerAttention           *layer,
          const ReformerAttentionPass *pass,
          const ReformerAttentionArgs *args,
          ReformerRun                 *run)
{
  g_autoptr (ReformerSeen) seen = g_new0 (ReformerSeen, 1);
  const gsize n = (gsize) pass->B * (gsize) pass->T, ordered = n * (gsize) layer->heads * (gsize) args->rounds;

  seen->name = name_of (looking->stack, layer);
  seen->kind = kind_of (layer);
  seen->B = pass->B;
  seen->T = pass->T;
  seen->T0 = looking->T0;
  seen->heads = layer->heads;
  seen->head_size = layer->head_size;
  seen->rounds = args->rounds;
  seen->chunk = args->chunk;
  seen->before = args->before;
  seen->after = args->after;
  seen->circular = args->circular;
  seen->causal = args->causal;
  seen->self_last = args->self_last;
  seen->scale = (double) args->scale;
  seen->reach = args->reach;
  if (args->reach > 0)
    seen->dilations = g_memdup2 (layer->dilations, (gsize) layer->heads * sizeof *seen->dilations);
  seen->q = host_array (run, n, (gsize) layer->heads * (gsize) layer->head_size * sizeof *seen->q);
  if (args->k.tensor != NULL)
    seen->k = host_array (run, n, (gsize) layer->heads * (gsize) layer->head_size * sizeof *seen->k);
  if (args->order.tensor != NULL)
    seen->order = host_array (run, ordered, sizeof *seen->order);
  if (args->order.tensor != NULL && pass->buckets != NULL)
    seen->buckets = host_array (run, ordered, sizeof *seen->buckets);
  if (pass->mask.tensor != NULL)
    {
      seen->mask = host_array (run, n, 1);
      if (reformer_run_ok (run))
        reformer_run_read (run, pass->mask, seen->mask, n);
    }
  return reformer_run_ok (run) ? g_steal_pointer (&seen) : NULL;
}

/* The columns of a group's heads, from the group's array to the one of all heads. */
static void
read_columns (const ReformerSeen          *seen,
              const ReformerAttentionArgs *args,
              ReformerSpan                 from,
              float                       *to,
              ReformerRun                 *run)
{
  const gsize n = (gsize) seen->B * (gsize) seen->T, width = (gsize) args->stride, all = (gsize) seen->heads * (gsize) seen->head_size;
  g_autofree float *group = host_array (run, n, width * sizeof *group);

  if (group == NULL)
    return;
  reformer_run_read (run, from, group, n * width);
  for (gsize i = 0; i < n; i++)
    memcpy (to + i * all + (gsize) args->first_head * (gsize) seen->head_size, group + i * width, (gsize) args->heads * (gsize) seen->head_size * sizeof *to);
}

/* The part of the global tokens, which have projections of their own. */
static void
look_at_globals (ReformerSeen                *seen,
                 const ReformerAttentionPass *pass,
                 const ReformerAttentionArgs *args,
                 ReformerRun                 *run)
{
  const gsize n = (gsize) seen->B * (gsize) seen->T, n_list = (gsize) seen->B * (gsize) args->n_globals;

  if (args->first_head == 0)
    {
      g_autofree gint32 *list = host_array (run, n_list, sizeof *list);

      seen->globals = host_array (run, n, 1);
      seen->global_q = host_array (run, n, (gsize) seen->heads * (gsize) seen->head_size * sizeof *seen->global_q);
      seen->global_k = host_array (run, n, (gsize) seen->heads * (gsize) seen->head_size * sizeof *seen->global_k);
      if (!reformer_run_ok (run))
        return;
      reformer_run_read (run, args->globals, list, n_list);
      memset (seen->globals, 0, n);
      for (gsize i = 0; i < n_list && reformer_run_ok (run); i++)
        if (list[i] >= 0)
          seen->globals[i / (gsize) args->n_globals * (gsize) seen->T + (gsize) list[i]] = 1;
    }
  read_columns (seen, args, args->q, seen->global_q, run);
  read_columns (seen, args, args->k, seen->global_k, run);
}

static void
look (const ReformerWatch         *watch,
      ReformerAttention           *layer,
      const ReformerAttentionPass *pass,
      const ReformerAttentionArgs *args,
      ReformerRun                 *run)
{
  const Looking *looking = (const Looking *) watch;
  const gsize n = (gsize) pass->B * (gsize) pass->T * (gsize) args->rounds;
  ReformerSeen *seen;

  if (args->from_globals)
    {
      if (!reformer_device_is_planner (run->device))
        look_at_globals (looking->layers->pdata[looking->layers->len - 1], pass, args, run);
      return;
    }
  if (args->first_head == 0)
    {
      seen = new_seen (looking, layer, pass, args, run);
      if (seen != NULL)
        g_ptr_array_add (looking->layers, seen);
    }
  if (!reformer_run_ok (run) || reformer_device_is_planner (run->device))
    return;
  seen = looking->layers->pdata[looking->layers->len - 1];
  read_columns (seen, args, args->q, seen->q, run);
  if (seen->k != NULL)
    read_columns (seen, args, args->k, seen->k, run);
  if (seen->order != NULL)
    reformer_run_read (run, args->order, seen->order + (gsize) args->first_head * n, (gsize) args->heads * n);
  if (seen->buckets != NULL)
    reformer_run_read (run, reformer_at (pass->buckets, (gsize) args->first_head * n), seen->buckets + (gsize) args->first_head * n, (gsize) args->heads * n);
}

/**
 * reformer_inspection_run:
 * @self: an inspection
 * @tokens: int32 `[B, T]`
 * @mask: (nullable): int32 or uint8 `[B, T]`, 1 = keep; %NULL for all
 * @error: return location for an error
 *
 * Runs the model over tokens, and looks at its attention layers. What an earlier run found is forgotten, unless this one fails.
 *
 * Returns: %TRUE, or %FALSE with @error set: [error@ModelError] for input that does not fit, or without a model; [error@DeviceError]
 */
gboolean
reformer_inspection_run (ReformerInspection  *self,
                         ReformerTensor      *tokens,
                         ReformerTensor      *mask,
                         GError             **error)
{
  g_autoptr (GPtrArray) layers = new_layers ();
  g_autofree gint64 *shape = NULL;
  gsize n_dims;
  Looking looking = { { look }, NULL, layers, 0 };

  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), FALSE);
  g_return_val_if_fail (REFORMER_IS_TENSOR (tokens), FALSE);
  g_return_val_if_fail (mask == NULL || REFORMER_IS_TENSOR (mask), FALSE);

  if (self->model == NULL)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the inspection has no model; wanted one");
      return FALSE;
    }
  shape = reformer_tensor_get_shape (tokens, &n_dims);
  looking.T0 = n_dims > 1 ? (int) MIN (shape[1], G_MAXINT) : 0; /* what it cannot be is refused before the first layer */
  looking.stack = reformer_model_get_stack (self->model);
  if (!reformer_model_watch (self->model, tokens, mask, &looking.watch, error))
    return FALSE;
  g_ptr_array_unref (self->layers);
  self->layers = g_steal_pointer (&layers);
  return TRUE;
}

/* ---- What was seen ---- */

/**
 * reformer_inspection_get_n_layers:
 * @self: an inspection
 *
 * Gets the number of attention layers that the last run met; 0 before the first.
 *
 * Returns: the number of attention layers that the last run met; 0 before the first
 */
guint
reformer_inspection_get_n_layers (ReformerInspection *self)
{
  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), 0);

  return self->layers->len;
}

/**
 * reformer_inspection_get_name:
 * @self: an inspection
 * @layer: number of the attention layer
 *
 * Gets its name in the stack, such as `layers.1.attention`.
 *
 * Returns: (transfer none) (nullable): its name in the stack, or %NULL where there is no such layer
 */
const char *
reformer_inspection_get_name (ReformerInspection *self,
                              guint               layer)
{
  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), NULL);

  return layer < self->layers->len ? ((const ReformerSeen *) self->layers->pdata[layer])->name : NULL;
}

/**
 * reformer_inspection_get_kind:
 * @self: an inspection
 * @layer: number of the attention layer
 *
 * Gets its kind, such as `lsh` or `local`.
 *
 * Returns: (transfer none) (nullable): its kind, or %NULL where there is no such layer
 */
const char *
reformer_inspection_get_kind (ReformerInspection *self,
                              guint               layer)
{
  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), NULL);

  return layer < self->layers->len ? ((const ReformerSeen *) self->layers->pdata[layer])->kind : NULL;
}

static gboolean
check_below (const char  *name,
             guint        seen,
             guint        n,
             const char  *of,
             GError     **error)
{
  if (seen < n)
    return TRUE;
  if (n == 0)
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "%s: %u; there is no attention layer to look at, wanted run() of a model that has one before", name, seen);
  else
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "%s: %u; wanted 0 to %u, because there are %u %s", name, seen, n - 1, n, of);
  return FALSE;
}

static const ReformerSeen *
find_layer (ReformerInspection  *self,
            guint                layer,
            GError             **error)
{
  return check_below ("layer", layer, self->layers->len, "attention layers", error) ? self->layers->pdata[layer] : NULL;
}

/**
 * reformer_inspection_get_buckets:
 * @self: an inspection
 * @layer: number of the attention layer
 * @error: return location for an error
 *
 * Gets the bucket of every token in each round of hashing. Masked tokens are in the last one.
 *
 * Returns: (transfer full): int32 `[B, A, rounds, T]`, or %NULL with @error set: [error@ModelError] where there is no such layer, or it hashes nothing: it is of
 *   another kind, or the sequence is no longer than a chunk; [error@DeviceError]
 */
ReformerTensor *
reformer_inspection_get_buckets (ReformerInspection  *self,
                                 guint                layer,
                                 GError             **error)
{
  const ReformerSeen *seen;
  g_autoptr (GBytes) bytes = NULL;
  gint32 *buckets;
  gsize n = 0;

  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), NULL);

  seen = find_layer (self, layer, error);
  if (seen == NULL)
    return NULL;
  if (seen->buckets == NULL)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "layer %u (%s, %s) hashed nothing in %d tokens; wanted an LSH layer, and more tokens than one of its chunks has",
                   layer, seen->name, seen->kind, seen->T0);
      return NULL;
    }
  buckets = g_new (gint32, (gsize) seen->B * (gsize) seen->heads * (gsize) seen->rounds * (gsize) seen->T0);
  for (int b = 0; b < seen->B; b++)
    for (int r = 0; r < seen->heads * seen->rounds; r++)
      for (int t = 0; t < seen->T0; t++)
        buckets[n++] = seen->buckets[((gsize) r * (gsize) seen->B + (gsize) b) * (gsize) seen->T + (gsize) t];
  bytes = g_bytes_new_take (buckets, n * sizeof *buckets);
  return reformer_tensor_new_from_bytes (self->model->device, REFORMER_DTYPE_INT32, (gint64[]) { seen->B, seen->heads, seen->rounds, seen->T0 }, 4, bytes, error);
}

/* The heaviest first; then by round and token, so that the order is one. */
static int
compare_keys (gconstpointer a,
              gconstpointer b)
{
  const ReformerSeenKey *x = a, *y = b;

  if (x->weight < y->weight || x->weight > y->weight)
    return x->weight < y->weight ? 1 : -1;
  return x->round != y->round ? x->round - y->round : x->token - y->token;
}

/**
 * reformer_inspection_list_keys:
 * @self: an inspection
 * @layer: number of the attention layer
 * @row: row of the tokens
 * @head: number of the head
 * @position: number of the token in its row
 * @n_keys: the most keys to list; 0 for all that have a weight
 * @error: return location for an error
 *
 * Lists what a token attends to, the largest weights first.
 *
 * A key that several rounds of hashing find, or that a window has twice, is there as often, each time with its own weight; all weights of a token together are 1.
 *
 * Returns: (transfer full): an array `a(iid)` with token, round and weight, empty for a masked token; or %NULL with @error set: [error@ModelError] where there is
 *   no such layer, row, head or position
 */
GVariant *
reformer_inspection_list_keys (ReformerInspection  *self,
                               guint                layer,
                               guint                row,
                               guint                head,
                               guint                position,
                               guint                n_keys,
                               GError             **error)
{
  const ReformerSeen *seen;
  g_auto (ReformerSeenHead) of = { NULL };
  g_autoptr (GArray) keys = NULL;
  GVariantBuilder list;

  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), NULL);

  seen = find_layer (self, layer, error);
  if (seen == NULL || !check_below ("row", row, (guint) seen->B, "rows", error) || !check_below ("head", head, (guint) seen->heads, "heads", error) ||
      !check_below ("position", position, (guint) seen->T0, "tokens in a row", error))
    return NULL;
  reformer_seen_head_begin (&of, seen, (int) row, (int) head);
  keys = reformer_seen_list_keys (&of, (int) position);
  g_array_sort (keys, compare_keys);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(iid)"));
  for (guint i = 0; i < keys->len && (n_keys == 0 || i < n_keys); i++)
    {
      const ReformerSeenKey *key = &g_array_index (keys, ReformerSeenKey, i);

      if (key->weight > 0)
        g_variant_builder_add (&list, "(iid)", key->token, key->round, key->weight);
    }
  return g_variant_ref_sink (g_variant_builder_end (&list));
}

static int
compare_places (gconstpointer a,
                gconstpointer b)
{
  const gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/* Numbers b T0 + t of queries, in their order: a sample that is the same for all layers and heads. */
static GArray *
choose_queries (const ReformerSeen *seen,
                guint               n_queries)
{
  const gint64 all = (gint64) seen->B * seen->T0;
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (gint64));

  for (gint64 i = 0; i < all && (n_queries == 0 || chosen->len < n_queries); i++)
    {
      const gint64 place = n_queries == 0 ? i : reformer_shuffle (0, 0, all, i);

      if (reformer_seen_is_kept (seen, (int) (place / seen->T0), (int) (place % seen->T0)))
        g_array_append_val (chosen, place);
    }
  g_array_sort (chosen, compare_places);
  return chosen;
}

static void
measure_head (const ReformerSeen *seen,
              int                 head,
              GArray             *queries,
              GVariantBuilder    *list)
{
  double covered = 0, distance = 0, used;
  const double n = queries->len;
  guint i = 0;
  int largest;

  while (i < queries->len)
    {
      const int row = (int) (g_array_index (queries, gint64, i) / seen->T0);
      g_auto (ReformerSeenHead) of = { NULL };

      reformer_seen_head_begin (&of, seen, row, head);
      for (; i < queries->len && g_array_index (queries, gint64, i) / seen->T0 == row; i++)
        {
          const int token = (int) (g_array_index (queries, gint64, i) % seen->T0);
          g_autoptr (GArray) keys = reformer_seen_list_keys (&of, token);

          covered += reformer_seen_cover (&of, token, keys);
          for (guint j = 0; j < keys->len; j++)
            {
              const ReformerSeenKey *key = &g_array_index (keys, ReformerSeenKey, j);

              distance += key->weight * ABS (key->token - token);
            }
        }
    }
  reformer_seen_count (seen, head, &used, &largest);
  g_variant_builder_open (list, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (list, "{sv}", "rounds", g_variant_new_int32 (seen->buckets != NULL ? seen->rounds : 0));
  g_variant_builder_add (list, "{sv}", "buckets", g_variant_new_double (used));
  g_variant_builder_add (list, "{sv}", "largest", g_variant_new_int32 (largest));
  g_variant_builder_add (list, "{sv}", "coverage", g_variant_new_double (n > 0 ? covered / n : 0));
  g_variant_builder_add (list, "{sv}", "distance", g_variant_new_double (n > 0 ? distance / n : 0));
  g_variant_builder_add (list, "{sv}", "queries", g_variant_new_int32 ((gint32) queries->len));
  g_variant_builder_close (list);
}

/**
 * reformer_inspection_measure:
 * @self: an inspection
 * @layer: number of the attention layer
 * @n_queries: how many tokens to measure with; 0 for all
 * @error: return location for an error
 *
 * Measures the heads of a layer.
 *
 * The dictionary of a head has `rounds` (int32; 0 where nothing was hashed), `buckets` (double; those that have tokens, as a mean over rounds and rows), `largest`
 * (int32; the most tokens in one bucket), `coverage` (double, 0 to 1), `distance` (double; from a token to what it attends to, in tokens, weighted) and
 * `queries` (int32; how many tokens the two are means over).
 *
 * The coverage of a token is the sum of its weights in an exact softmax over all tokens that it may attend to, of those keys that its windows contain in at least one round. The
 * tokens that are measured are drawn, always the same ones for rows of a length, and the time grows with their number times the length.
 *
 * Returns: (transfer full): an array `aa{sv}` with a dictionary for each head, or %NULL with @error set: [error@ModelError] where there is no such layer
 */
GVariant *
reformer_inspection_measure (ReformerInspection  *self,
                             guint                layer,
                             guint                n_queries,
                             GError             **error)
{
  const ReformerSeen *seen;
  g_autoptr (GArray) queries = NULL;
  GVariantBuilder list;

  g_return_val_if_fail (REFORMER_IS_INSPECTION (self), NULL);

  seen = find_layer (self, layer, error);
  if (seen == NULL)
    return NULL;
  queries = choose_queries (seen, n_queries);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (int head = 0; head < seen->heads; head++)
    measure_head (seen, head, queries, &list);
  return g_variant_ref_sink (g_variant_builder_end (&list));
}
