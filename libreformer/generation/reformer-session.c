/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/generation/reformer-session.h>

#include "generation/session-private.h"
#include "layers/input.h"

/**
 * ReformerSession:
 *
 * A text that grows piece by piece, and what a causal language model must remember of it.
 *
 * Each piece gives the logits of its last position, from which the next token is chosen. A piece has any length: a whole prompt is one forward pass.
 *
 * What a piece sees is this, layer by layer:
 *
 * - **local and full attention**: what they see in a pass over the whole text. With these alone the logits equal those of [method@Model.forward] on the whole
 *   text to rounding, however the text was cut.
 * - **LSH attention**: where chunks begin in a pass over a whole text depends on its later tokens, which are not known yet. So the piece sees the order of
 *   everything up to and including itself: its rows are those of the layer's own operation on the inputs of all tokens so far, padded and masked as the model
 *   pads a text of that length, and rows of earlier pieces stay as they were. The logits therefore depend on how the text was cut; the same cuts give the same.
 * - **layers written elsewhere** and all others that can be put into a [class@Stack]: like LSH layers.
 *
 * One exception: while the text is no longer than the chunks before which a circular local layer looks at (more than one), its window goes round and meets
 * chunks twice, and what was seen changes with every chunk. So long the whole text counts as one piece.
 *
 * Weights that change between two pieces change what comes, not what is remembered. A session is for one thread at a time; several sessions may use one model.
 *
 * ```python
 * session = Reformer.Session(model=model)
 * logits = session.feed(tokens)
 * for i in range(10):
 *     likeliest = numpy.asarray(logits).argmax(1).astype("int32")
 *     logits = session.feed(likeliest[:, None])
 * ```
 */

struct _ReformerSession
{
  GObject         parent_instance;

  ReformerModel  *model;
  GPtrArray      *branches; /* ReformerSessionBranch; NULL: nothing was fed */
  ReformerTensor *again;    /* int32 [B, length]: the text, to be fed once more with the next piece; NULL: that is not needed */
  int             B;
  int             length;
};

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_LENGTH,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerSession, reformer_session, G_TYPE_OBJECT)

/* ---- Object ---- */

static void
reformer_session_dispose (GObject *object)
{
  ReformerSession *self = REFORMER_SESSION (object);

  g_clear_pointer (&self->branches, g_ptr_array_unref);
  g_clear_object (&self->again);
  g_clear_object (&self->model);
  G_OBJECT_CLASS (reformer_session_parent_class)->dispose (object);
}

static void
reformer_session_get_property (GObject    *object,
                               guint       id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  ReformerSession *self = REFORMER_SESSION (object);

  switch (id)
    {
    case PROP_MODEL:
      g_value_set_object (value, self->model);
      break;
    case PROP_LENGTH:
      g_value_set_int (value, self->length);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_session_set_property (GObject      *object,
                               guint         id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  ReformerSession *self = REFORMER_SESSION (object);

  if (id == PROP_MODEL)
    self->model = g_value_dup_object (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
reformer_session_class_init (ReformerSessionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = reformer_session_dispose;
  object_class->get_property = reformer_session_get_property;
  object_class->set_property = reformer_session_set_property;

  /**
   * ReformerSession:model:
   *
   * The model, with a causal language head.
   */
  props[PROP_MODEL] = g_param_spec_object ("model", NULL, NULL, REFORMER_TYPE_MODEL, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerSession:length:
   *
   * Number of tokens fed so far, in each row.
   */
  props[PROP_LENGTH] = g_param_spec_int ("length", NULL, NULL, 0, G_MAXINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_session_init (ReformerSession *self)
{
}

/**
 * reformer_session_new:
 * @model: a model with a causal language head
 *
 * Makes a session that nothing was fed to.
 *
 * Returns: (transfer full): a new session
 */
ReformerSession *
reformer_session_new (ReformerModel *model)
{
  g_return_val_if_fail (REFORMER_IS_MODEL (model), NULL);

  return g_object_new (REFORMER_TYPE_SESSION, "model", model, NULL);
}

/**
 * reformer_session_get_model:
 * @self: a session
 *
 * Gets the model.
 *
 * Returns: (transfer none) (nullable): the model, or %NULL where the session was made without
 */
ReformerModel *
reformer_session_get_model (ReformerSession *self)
{
  g_return_val_if_fail (REFORMER_IS_SESSION (self), NULL);

  return self->model;
}

/**
 * reformer_session_get_length:
 * @self: a session
 *
 * Gets the number of tokens fed so far, in each row.
 *
 * Returns: the number of tokens fed so far
 */
int
reformer_session_get_length (ReformerSession *self)
{
  g_return_val_if_fail (REFORMER_IS_SESSION (self), 0);

  return self->length;
}

static void
set_length (ReformerSession *self,
            int              length)
{
  if (self->length == length)
    return;
  self->length = length;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_LENGTH]);
}

/**
 * reformer_session_clear:
 * @self: a session
 *
 * Forgets everything: the next piece is the first, and may have another number of rows.
 */
void
reformer_session_clear (ReformerSession *self)
{
  g_return_if_fail (REFORMER_IS_SESSION (self));

  g_clear_pointer (&self->branches, g_ptr_array_unref);
  g_clear_object (&self->again);
  self->B = 0;
  set_length (self, 0);
}

/* ---- Feeding ---- */

static gboolean
check_model (ReformerSession  *self,
             GError          **error)
{
  if (self->model == NULL)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "the session has no model; wanted one with a causal language head");
      return FALSE;
    }
  if (!reformer_model_prepare (self->model, error))
    return FALSE;
  if (reformer_model_get_head (self->model) != REFORMER_HEAD_LANGUAGE)
    {
      g_autoptr (GEnumClass) heads = g_type_class_ref (REFORMER_TYPE_HEAD);

      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "the model has the head %s; wanted the head language, which predicts the next token",
                   g_enum_get_value (heads, (int) reformer_model_get_head (self->model))->value_nick);
      return FALSE;
    }
  if (reformer_config_get_input_features (self->model->config) > 0)
    {
      g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "the model takes vectors (input_features is %d); wanted a model of ids: a session goes on with the ids that it predicts",
                   reformer_config_get_input_features (self->model->config));
      return FALSE;
    }
  return TRUE;
}

/* The branches of the model's stack, with what was kept of them; new ones where nothing was fed or all is fed again. */
static GPtrArray *
open_branches (ReformerSession *self,
               gboolean         anew,
               ReformerRun     *run)
{
  GListModel *stack = G_LIST_MODEL (self->model->stack);
  const guint n = g_list_model_get_n_items (stack);
  g_autoptr (GPtrArray) branches = anew ? g_ptr_array_new_with_free_func ((GDestroyNotify) reformer_session_branch_free) : g_ptr_array_ref (self->branches);
  gboolean same = anew || branches->len == n;

  for (guint i = 0; i < n && same; i++)
    {
      g_autoptr (ReformerLayer) layer = g_list_model_get_item (stack, i);

      if (anew)
        g_ptr_array_add (branches, reformer_session_branch_new (self->model, layer));
      else
        same = ((ReformerSessionBranch *) branches->pdata[i])->layer == layer;
    }
  if (!same)
    {
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_MISMATCH, "the branches of the model's stack have changed since the session's first piece (%u then, %u now): clear the session",
                         branches->len, n);
      return NULL;
    }
  return g_steal_pointer (&branches);
}

/* The text so far and the piece; takes the piece. */
static ReformerTensor *
join_tokens (ReformerTensor *before,
             ReformerTensor *piece,
             gint64          B,
             gint64          length,
             gint64          n,
             ReformerRun    *run)
{
  ReformerTensor *all = reformer_run_new (run, REFORMER_DTYPE_INT32, 2, B, length + n);

  for (gint64 b = 0; b < B && all != NULL; b++)
    {
      reformer_run_copy (run, reformer_at (before, (gsize) (b * length)), reformer_at (all, (gsize) (b * (length + n))), (gsize) length);
      reformer_run_copy (run, reformer_at (piece, (gsize) (b * n)), reformer_at (all, (gsize) (b * (length + n) + length)), (gsize) n);
    }
  g_object_unref (piece);
  return all;
}

static void
run_branches (GPtrArray            *branches,
              ReformerSessionPiece *piece,
              ReformerTensor      **streams)
{
  ReformerRun *run = reformer_tape_get_run (piece->tape);

  for (guint i = 0; i < branches->len && reformer_run_ok (run); i++)
    {
      ReformerSessionBranch *branch = branches->pdata[i];
      g_autoptr (ReformerTensor) sum = NULL;

      if (streams[1] != NULL)
        {
          reformer_session_branch_run (branch, piece, streams[1 - branch->target], streams[branch->target]);
          continue;
        }
      sum = reformer_input_copy (run, streams[0]);
      if (sum == NULL)
        break;
      reformer_session_branch_run (branch, piece, streams[0], sum);
      if (reformer_layer_get_ablated (branch->layer) || !reformer_stack_norm_sum (branch->layer, sum, streams[0], piece->tape))
        reformer_run_copy (run, reformer_span (sum), reformer_span (streams[0]), reformer_tensor_get_n_elements (sum));
    }
}

static gboolean
wraps (GPtrArray     *branches,
       ReformerModel *model,
       gint64         length)
{
  for (guint i = 0; i < branches->len; i++)
    if (reformer_session_branch_wraps (branches->pdata[i], model, length))
      return TRUE;
  return FALSE;
}

/* Everything of a piece, and nothing of the session is changed until it has succeeded. */
static ReformerTensor *
feed (ReformerSession *self,
      ReformerTensor  *tokens,
      ReformerTape    *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const gboolean anew = self->branches == NULL || self->again != NULL;
  ReformerSessionPiece piece = { .model = self->model, .tape = tape, .H = reformer_config_get_hidden_size (self->model->config) };
  g_autoptr (GPtrArray) branches = NULL;
  g_autoptr (ReformerTensor) text = NULL;
  g_autoptr (ReformerTensor) first = NULL;
  g_autoptr (ReformerTensor) second = NULL;
  g_autoptr (ReformerTensor) logits = NULL;
  ReformerTensor *streams[2] = { NULL, NULL };
  int n;

  text = reformer_model_read_piece (self->model, tokens, self->length, &piece.B, &n, tape);
  if (text == NULL)
    return NULL;
  if (self->length > 0 && piece.B != self->B)
    {
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "tokens: %d rows; the session was begun with %d", piece.B, self->B);
      return NULL;
    }
  branches = open_branches (self, anew, run);
  if (branches == NULL)
    return NULL;
  if (self->again != NULL)
    text = join_tokens (self->again, g_steal_pointer (&text), piece.B, self->length, n, run);
  piece.start = anew ? 0 : self->length;
  piece.end = self->length + n;
  piece.n = (int) (piece.end - piece.start);
  if (!reformer_run_ok (run))
    return NULL;
  reformer_tape_set_start (tape, (guint64) piece.start);
  reformer_model_embed_piece (self->model, text, piece.B, piece.n, streams, tape);
  first = streams[0];
  second = streams[1];
  run_branches (branches, &piece, streams);
  if (reformer_run_ok (run))
    logits = reformer_model_run_last (self->model, streams, piece.B, piece.n, tape);
  if (!reformer_run_ok (run))
    return NULL;

  for (guint i = 0; i < branches->len; i++)
    reformer_session_branch_commit (branches->pdata[i]);
  g_clear_pointer (&self->branches, g_ptr_array_unref);
  self->branches = g_steal_pointer (&branches);
  g_set_object (&self->again, (wraps (self->branches, self->model, piece.end) ? text : NULL));
  self->B = piece.B;
  set_length (self, (int) piece.end);
  return g_steal_pointer (&logits);
}

/**
 * reformer_session_feed:
 * @self: a session
 * @tokens: int32 `[B, n]`, the next n tokens of each row, n at least 1; B stays what it was in the first piece
 * @cancellable: (nullable): ends the work between two steps on the device
 * @error: return location for an error
 *
 * Adds a piece to the text. A piece that fails or is cancelled leaves the session as it was.
 *
 * Returns: (transfer full): the logits of the last position, float32 `[B, V]`, or %NULL with @error set: [error@ModelError] for another head, for tokens that do
 *   not fit, or for a text longer than the model's positions; [error@DeviceError]; `G_IO_ERROR_CANCELLED`
 */
ReformerTensor *
reformer_session_feed (ReformerSession  *self,
                       ReformerTensor   *tokens,
                       GCancellable     *cancellable,
                       GError          **error)
{
  g_autoptr (ReformerTape) tape = NULL;
  g_autoptr (ReformerTensor) logits = NULL;

  g_return_val_if_fail (REFORMER_IS_SESSION (self), NULL);
  g_return_val_if_fail (REFORMER_IS_TENSOR (tokens), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  if (!check_model (self, error))
    return NULL;
  tape = reformer_tape_new (self->model->device);
  reformer_tape_set_record (tape, REFORMER_RECORD_NOTHING);
  reformer_tape_set_seed (tape, self->model->seed);
  reformer_tape_set_cancellable (tape, cancellable);
  logits = feed (self, tokens, tape);
  return reformer_tape_check (tape, error) ? g_steal_pointer (&logits) : NULL;
}
