/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/session-private.h"

#include "layers/attention-private.h"
#include "layers/cached-piece.h"
#include "layers/lsh-piece.h"
#include "models/model-globals.h"
#include "ops/elementwise.h"
#include <libreformer/layers/reformer-feed-forward.h>
#include <libreformer/layers/reformer-full-attention.h>
#include <libreformer/layers/reformer-local-attention.h>
#include <libreformer/layers/reformer-window-attention.h>

/* A branch for a piece of a text: which of the inputs before the piece it needs, and the layer's own operation on these and the piece. */

/* Rows that an array has beyond those it is made for. */
#define SLACK 64

typedef enum
{
  ALONE,  /* each token by itself */
  BAND,   /* a sliding window: the inputs from its first token on */
  WINDOW, /* chunks of consecutive tokens: the inputs from some chunk on */
  FULL,   /* all inputs, in their order */
  WHOLE,  /* all inputs, padded as a model pads */
} Reach;

static Reach
reach_of (ReformerSessionBranch *self)
{
  ReformerLayer *layer = self->layer;
  const GType type = G_OBJECT_TYPE (layer);

  if (type == REFORMER_TYPE_FEED_FORWARD)
    return ALONE;
  if (type == REFORMER_TYPE_FULL_ATTENTION)
    return FULL;
  if (type == REFORMER_TYPE_WINDOW_ATTENTION && REFORMER_ATTENTION (layer)->causal)
    return self->has_globals || REFORMER_ATTENTION (layer)->reach == 0 ? FULL : BAND;
  if (type == REFORMER_TYPE_LOCAL_ATTENTION && REFORMER_ATTENTION (layer)->causal && REFORMER_ATTENTION (layer)->after == 0)
    return WINDOW;
  return WHOLE;
}

ReformerSessionBranch *
reformer_session_branch_new (ReformerModel *model,
                             ReformerLayer *layer)
{
  ReformerSessionBranch *self = g_new0 (ReformerSessionBranch, 1);

  self->layer = g_object_ref (layer);
  self->target = reformer_layer_get_target (layer);
  self->has_globals = REFORMER_IS_WINDOW_ATTENTION (layer) && reformer_model_has_globals (model);
  return self;
}

void
reformer_session_branch_free (ReformerSessionBranch *self)
{
  g_object_unref (self->layer);
  g_clear_object (&self->kept);
  g_clear_object (&self->next);
  g_clear_object (&self->derived);
  g_clear_object (&self->next_derived);
  g_free (self);
}

void
reformer_session_branch_commit (ReformerSessionBranch *self)
{
  if (self->next != NULL)
    {
      g_set_object (&self->kept, self->next);
      g_clear_object (&self->next);
      self->first = self->next_first;
      self->capacity = self->next_capacity;
      g_clear_object (&self->derived);
      self->n_derived = 0;
    }
  if (self->next_derived != NULL)
    {
      g_set_object (&self->derived, self->next_derived);
      g_clear_object (&self->next_derived);
      self->n_derived = self->next_n_derived;
    }
}

/* ---- Lengths ---- */

static gint64
round_up (gint64 n,
          gint64 multiple)
{
  return (n + multiple - 1) / multiple * multiple;
}

/* The length that the model would pad a text to; a layer with chunks of its own may want more. */
static gint64
padded_length (ReformerSessionBranch *self,
               ReformerModel         *model,
               gint64                 length)
{
  const gint64 padded = reformer_model_pad_length (model, length);
  gint64 chunk;

  if (!REFORMER_IS_ATTENTION (self->layer))
    return padded;
  chunk = REFORMER_ATTENTION (self->layer)->chunk;
  return padded <= chunk ? padded : round_up (padded, chunk);
}

gboolean
reformer_session_branch_wraps (ReformerSessionBranch *self,
                               ReformerModel         *model,
                               gint64                 length)
{
  const ReformerAttention *attention;

  if (reach_of (self) != WINDOW)
    return FALSE;
  attention = REFORMER_ATTENTION (self->layer);
  return attention->circular && attention->before > 1 && padded_length (self, model, length) / attention->chunk <= attention->before;
}

/* The first token that the tokens from `token` on look at. */
static gint64
look_back (ReformerSessionBranch *self,
           gint64                 token)
{
  const ReformerAttention *attention;
  int step = 1;

  switch (reach_of (self))
    {
    case BAND:
      attention = REFORMER_ATTENTION (self->layer);
      for (int h = 0; h < attention->heads && attention->dilations != NULL; h++)
        step = MAX (step, attention->dilations[h]);
      return MAX (token - (gint64) attention->reach * step, 0);
    case ALONE:
      return token;
    case WINDOW:
      attention = REFORMER_ATTENTION (self->layer);
      return MAX (token / attention->chunk - attention->before, 0) * attention->chunk;
    case FULL:
    case WHOLE:
    default:
      return 0;
    }
}

/* ---- What is kept ---- */

/* The inputs of tokens `from` to `end`, for each row of the batch, from one array to another; each has so many tokens, the first of which is given. */
static void
copy_rows (const ReformerSessionPiece *piece,
           ReformerTensor             *source,
           gint64                      source_first,
           gint64                      source_length,
           ReformerTensor             *to,
           gint64                      to_first,
           gint64                      to_length,
           gint64                      from,
           gint64                      end)
{
  const gint64 H = piece->H;

  for (gint64 b = 0; b < piece->B && from < end; b++)
    reformer_run_copy (reformer_tape_get_run (piece->tape), reformer_at (source, (gsize) ((b * source_length + from - source_first) * H)),
                       reformer_at (to, (gsize) ((b * to_length + from - to_first) * H)), (gsize) ((end - from) * H));
}

/* Writes down the piece's rows, and keeps what tokens from `token` on look at: those after the piece, or its own ones as well. */
static void
keep (ReformerSessionBranch      *self,
      const ReformerSessionPiece *piece,
      ReformerTensor             *x,
      gint64                      token)
{
  ReformerRun *run = reformer_tape_get_run (piece->tape);
  const gint64 first = look_back (self, token), most = reformer_config_get_max_length (piece->model->config);
  const gint64 from = MAX (first, piece->start);
  const char *part;
  gint64 capacity;

  g_clear_object (&self->next); /* of a piece that failed */
  g_clear_object (&self->next_derived);
  if (first == piece->end)
    return;
  if (self->kept != NULL && first < piece->start && piece->end - self->first <= self->capacity)
    {
      copy_rows (piece, x, piece->start, piece->n, self->kept, self->first, self->capacity, from, piece->end);
      return;
    }
  capacity = MAX (piece->end - first + SLACK, self->kept != NULL ? 2 * (piece->end - first) : 0);
  capacity = MIN (capacity, most - first);
  part = reformer_run_part (run, "kept inputs");
  self->next = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) piece->B, capacity, (gint64) piece->H);
  reformer_run_part (run, part);
  if (self->next == NULL)
    return;
  self->next_first = first;
  self->next_capacity = capacity;
  if (self->kept != NULL)
    copy_rows (piece, self->kept, self->first, self->capacity, self->next, first, capacity, first, piece->start);
  copy_rows (piece, x, piece->start, piece->n, self->next, first, capacity, from, piece->end);
}

/* ---- Running ---- */

static ReformerTensor *
zeros (ReformerRun *run,
       gint64       B,
       gint64       length,
       gint64       H)
{
  ReformerTensor *tensor = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, B, length, H);

  if (tensor != NULL)
    reformer_run_fill (run, reformer_span (tensor), 0, (gsize) (B * length * H));
  return tensor;
}

/* uint8 [B, padded]: 0 where the padding is; NULL without padding. */
static ReformerTensor *
padding_mask (ReformerRun *run,
              gint64       B,
              gint64       length,
              gint64       padded)
{
  ReformerTensor *mask;

  if (length == padded)
    return NULL;
  mask = reformer_run_new (run, REFORMER_DTYPE_UINT8, 2, B, padded);
  if (mask != NULL)
    reformer_run_fill (run, reformer_span (mask), 1, (gsize) (B * padded));
  for (gint64 b = 0; b < B && mask != NULL; b++)
    reformer_run_fill (run, reformer_at (mask, (gsize) (b * padded + length)), 0, (gsize) (padded - length));
  return mask;
}

/* The layer on the tokens from `from` on, padded. */
static void
run_window (ReformerSessionBranch      *self,
            const ReformerSessionPiece *piece,
            ReformerTensor             *x,
            ReformerTensor             *target,
            gint64                      from,
            gint64                      padded)
{
  ReformerRun *run = reformer_tape_get_run (piece->tape);
  const gint64 B = piece->B, H = piece->H, length = piece->end - from;
  g_autoptr (ReformerTensor) inputs = NULL;
  g_autoptr (ReformerTensor) outputs = NULL;
  g_autoptr (ReformerTensor) mask = NULL;
  const char *part;

  if (from == piece->start && padded == piece->n)
    {
      reformer_layer_accumulate (self->layer, x, target, piece->tape);
      return;
    }
  part = reformer_run_part (run, "streams");
  outputs = zeros (run, B, padded, H);
  inputs = padded > length ? zeros (run, B, padded, H) : reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, B, padded, H);
  mask = padding_mask (run, B, length, padded);
  reformer_run_part (run, part);
  if (!reformer_run_ok (run))
    return;
  if (from < piece->start)
    copy_rows (piece, self->kept, self->first, self->capacity, inputs, from, padded, from, piece->start);
  copy_rows (piece, x, piece->start, piece->n, inputs, from, padded, piece->start, piece->end);
  reformer_tape_set_mask (piece->tape, mask);
  reformer_layer_accumulate (self->layer, inputs, outputs, piece->tape);
  reformer_tape_set_mask (piece->tape, NULL);
  for (gint64 b = 0; b < B && reformer_run_ok (run); b++)
    reformer_scale (run, 1.0f, reformer_at (outputs, (gsize) ((b * padded + piece->start - from) * H)), reformer_at (target, (gsize) (b * piece->n * H)), (gsize) (piece->n * H),
                    REFORMER_STORE_ADD);
}

/* Readies what is derived of the inputs that are kept, which is made anew for a larger array; that is seldom. Returns the number of tokens that have theirs. */
static gint64
take_derived (ReformerSessionBranch *self)
{
  if (self->next != NULL || self->derived == NULL)
    return 0;
  self->next_derived = g_object_ref (self->derived);
  return self->n_derived;
}

/* An LSH layer on the piece alone, from what is kept; FALSE where the whole text is less work. */
static gboolean
run_lsh (ReformerSessionBranch      *self,
         const ReformerSessionPiece *piece,
         ReformerTensor             *x,
         ReformerTensor             *target,
         gint64                      padded)
{
  ReformerLshPiece lsh = { .B = piece->B, .n = piece->n, .T = piece->end, .padded = padded };
  ReformerLshAttention *layer;

  if (G_OBJECT_TYPE (self->layer) != REFORMER_TYPE_LSH_ATTENTION)
    return FALSE;
  layer = REFORMER_LSH_ATTENTION (self->layer);
  if (!reformer_lsh_piece_pays (layer, &lsh))
    return FALSE;
  lsh.inputs = self->next != NULL ? self->next : self->kept;
  lsh.capacity = self->next != NULL ? self->next_capacity : self->capacity;
  lsh.hashed = take_derived (self);
  if (self->next_derived == NULL)
    self->next_derived = reformer_lsh_piece_new_buckets (layer, &lsh, piece->tape);
  lsh.buckets = self->next_derived;
  self->next_n_derived = piece->end;
  if (reformer_run_ok (reformer_tape_get_run (piece->tape)))
    reformer_lsh_piece_accumulate (layer, &lsh, x, target, piece->tape);
  return TRUE;
}

/* Whether the piece needs but the keys and values of the tokens before it. */
static gboolean
is_cached (ReformerSessionBranch      *self,
           const ReformerSessionPiece *piece,
           Reach                       reach)
{
  if (reach != BAND && reach != WINDOW && G_OBJECT_TYPE (self->layer) != REFORMER_TYPE_FULL_ATTENTION)
    return FALSE;
  return reformer_cached_piece_pays (REFORMER_ATTENTION (self->layer), piece->B, piece->n, piece->end - look_back (self, piece->start));
}

static void
run_cached (ReformerSessionBranch      *self,
            const ReformerSessionPiece *piece,
            ReformerTensor             *x,
            ReformerTensor             *target)
{
  const gboolean anew = self->next != NULL;
  ReformerCachedPiece cached = { .B = piece->B, .n = piece->n, .T = piece->end - (anew ? self->next_first : self->first), .inputs = anew ? self->next : self->kept,
                                 .capacity = anew ? self->next_capacity : self->capacity };

  cached.cached = take_derived (self);
  if (self->next_derived == NULL)
    self->next_derived = reformer_cached_piece_new_cache (REFORMER_ATTENTION (self->layer), &cached, piece->tape);
  cached.cache = self->next_derived;
  self->next_n_derived = cached.T;
  if (reformer_run_ok (reformer_tape_get_run (piece->tape)))
    reformer_cached_piece_accumulate (REFORMER_ATTENTION (self->layer), &cached, x, target, piece->tape);
}

void
reformer_session_branch_run (ReformerSessionBranch      *self,
                             const ReformerSessionPiece *piece,
                             ReformerTensor             *x,
                             ReformerTensor             *target)
{
  const guint64 start = reformer_tape_get_start (piece->tape);
  const Reach reach = reach_of (self);
  const gint64 from = look_back (self, piece->start);
  const gboolean cached = is_cached (self, piece, reach);
  gint64 padded = piece->end - from;

  keep (self, piece, x, cached ? piece->start : piece->end);
  if (!reformer_run_ok (reformer_tape_get_run (piece->tape)))
    return;
  if (cached)
    {
      run_cached (self, piece, x, target);
      return;
    }
  if (reach == WHOLE || (reach == WINDOW && from == 0))
    padded = padded_length (self, piece->model, piece->end);
  else if (reach == WINDOW)
    padded = round_up (padded, REFORMER_ATTENTION (self->layer)->chunk);
  if (reach == WHOLE && run_lsh (self, piece, x, target, padded))
    return;
  reformer_tape_set_start (piece->tape, (guint64) from);
  if (self->has_globals)
    reformer_model_give_globals (piece->model, piece->B, (int) padded, (int) piece->end, piece->tape);
  run_window (self, piece, x, target, from, padded);
  reformer_tape_set_global_mask (piece->tape, NULL);
  reformer_tape_set_start (piece->tape, start);
}
