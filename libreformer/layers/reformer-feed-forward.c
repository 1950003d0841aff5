/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/layers/reformer-feed-forward.h>

#include "compute/home.h"
#include "layers/layer-private.h"
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/norm.h"

/**
 * ReformerFeedForward:
 *
 * The feed-forward block with its norm inside: `dropout (W2 activation (dropout (W1 norm (x) + b1)) + b2)`, `[B, T, H]` to `[B, T, H]`.
 *
 * [property@FeedForward:norm-first] takes the norm out, for a [class@Stack] of one stream that makes it of the sum.
 *
 * It works on pieces of the sequence, so that the inner array `[T, F]` never exists as a whole, unless a backward pass is to find it on the tape.
 */

#define PLACE_INNER 2
#define PLACE_OUTPUT 3

struct _ReformerFeedForward
{
  ReformerLayer       parent_instance;

  int                 hidden_size;
  int                 feed_forward_size;
  char               *hidden_act;
  ReformerActivation  activation;
  gboolean            known;
  gboolean            norm_first;
  double              dropout;
  double              eps;
  double              deviation;

  ReformerParameter  *norm_weight, *norm_bias, *w1, *b1, *w2, *b2; /* borrowed from the layer */
};

enum
{
  PROP_0,
  PROP_HIDDEN_SIZE,
  PROP_FEED_FORWARD_SIZE,
  PROP_HIDDEN_ACT,
  PROP_NORM_FIRST,
  PROP_DROPOUT,
  PROP_LAYER_NORM_EPS,
  PROP_DEVIATION,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerFeedForward, reformer_feed_forward, REFORMER_TYPE_LAYER)

/* ---- The block, piece by piece ---- */

/* Scratch of one piece. With keep = everything, u and h are the whole arrays that the tape holds. */
typedef struct
{
  ReformerTensor *u; /* [P, H] the norm's output; NULL where nothing goes back or the norm comes after the sum */
  ReformerTensor *h; /* [P, F] before dropout and activation; NULL where nothing goes back */
  ReformerTensor *a; /* [P, F] after them */
  ReformerTensor *y; /* [P, H] the gradient behind the output's dropout; NULL without dropout */
} Scratch;

static void
scratch_clear (Scratch *s)
{
  g_clear_object (&s->u);
  g_clear_object (&s->h);
  g_clear_object (&s->a);
  g_clear_object (&s->y);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scratch, scratch_clear)

static gboolean
begin (ReformerFeedForward *self,
       ReformerTensor      *x,
       ReformerRun         *run,
       int                 *B,
       int                 *T)
{
  if (!reformer_layer_check_input (REFORMER_LAYER (self), run, x, self->hidden_size, B, T))
    return FALSE;
  if (!self->known)
    {
      g_autofree char *names = g_strjoinv (", ", (char **) reformer_activation_get_names ());

      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "hidden-act is '%s'; wanted one of %s", self->hidden_act, names);
      return FALSE;
    }
  return TRUE;
}

static ReformerNorm
norm_of (ReformerFeedForward *self,
         ReformerSpan         x,
         ReformerRun         *run)
{
  return (ReformerNorm) { .x1 = x, .x2 = REFORMER_NOTHING, .ldx = self->hidden_size, .width = self->hidden_size,
                          .weight = reformer_parameter_value (self->norm_weight, run, 0),
                          .bias = reformer_parameter_value (self->norm_bias, run, 0), .eps = (float) self->eps };
}

static ReformerMatrix
matrix (ReformerParameter *w,
        int                ldw)
{
  return (ReformerMatrix) { w, 0, ldw };
}

/* a = activation (dropout (W1 norm (x) + b1)). The norm's output goes to u, and what activation and dropout are of to h, where they are wanted. Returns u, or x where
 * the norm comes after the sum. */
static ReformerSpan
inner (ReformerFeedForward   *self,
       ReformerSpan           x,
       ReformerSpan           u,
       ReformerSpan           h,
       ReformerSpan           a,
       const ReformerRows    *rows,
       const ReformerDropout *dropout,
       ReformerTape          *tape)
{
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = self->hidden_size, F = self->feed_forward_size;
  const ReformerNorm norm = norm_of (self, x, run);
  const ReformerEpilogue epilogue = { self->activation, dropout, rows, FALSE, h };

  if (self->norm_first)
    reformer_tape_forward_norm (tape, matrix (self->w1, H), self->b1, &norm, u, a, F, rows->count, F, H, &epilogue);
  else
    reformer_tape_forward (tape, matrix (self->w1, H), self->b1, u = x, H, a, F, rows->count, F, H, REFORMER_STORE_SET, &epilogue);
  return u;
}

/* to = / += / -= dropout (W2 a + b2) */
static void
outer (ReformerFeedForward *self,
       ReformerSpan         a,
       ReformerSpan         to,
       const ReformerRows  *rows,
       ReformerStore        store,
       ReformerTape        *tape)
{
  const int H = self->hidden_size, F = self->feed_forward_size;
  const ReformerDropout dropout = reformer_tape_dropout (tape, self->dropout, reformer_layer_get_number (REFORMER_LAYER (self)), PLACE_OUTPUT);
  const ReformerEpilogue epilogue = { REFORMER_ACTIVATION_LINEAR, &dropout, rows, FALSE, REFORMER_NOTHING };

  reformer_tape_forward (tape, matrix (self->w2, F), self->b2, a, F, to, H, rows->count, H, F, store, dropout.p > 0 ? &epilogue : NULL);
}

static void
accumulate (ReformerLayer  *layer,
            ReformerTensor *x,
            ReformerTensor *target,
            ReformerTape   *tape)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = self->hidden_size, F = self->feed_forward_size;
  const ReformerDropout inside = reformer_tape_dropout (tape, self->dropout, reformer_layer_get_number (layer), PLACE_INNER);
  const gboolean everything = reformer_tape_get_record (tape) == REFORMER_RECORD_EVERYTHING;
  g_auto (Scratch) s = { NULL };
  const char *part = reformer_run_part (run, "feed-forward");
  gsize N, piece;
  int B, T;

  if (begin (self, x, run, &B, &T))
    {
      N = (gsize) B * T;
      piece = MIN (N, reformer_tape_get_piece (tape, F));
      if (everything && self->norm_first)
        s.u = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) N, (gint64) H);
      if (everything)
        s.h = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) N, (gint64) F);
      s.a = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, (gint64) F);
      for (gsize n = 0; n < N && reformer_run_ok (run); n += piece)
        {
          const ReformerRows rows = { n, MIN (piece, N - n), T };
          const gsize at = everything ? n : 0;

          inner (self, reformer_at (x, n * H), reformer_at (s.u, at * H), reformer_at (s.h, at * F), reformer_span (s.a), &rows, &inside, tape);
          outer (self, reformer_span (s.a), reformer_at (target, n * H), &rows, REFORMER_STORE_ADD, tape);
        }
      if (everything && reformer_run_ok (run))
        {
          reformer_tape_save (tape, s.u);
          reformer_tape_save (tape, s.h);
        }
    }
  reformer_run_part (run, part);
}

static void
accumulate_backward (ReformerLayer  *layer,
                     ReformerTensor *x,
                     ReformerTensor *rebuild,
                     ReformerTensor *dy,
                     ReformerTensor *dx,
                     ReformerTape   *tape)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (layer);
  ReformerRun *run = reformer_tape_get_run (tape);
  const int H = self->hidden_size, F = self->feed_forward_size;
  const guint number = reformer_layer_get_number (layer);
  const ReformerDropout inside = reformer_tape_dropout (tape, self->dropout, number, PLACE_INNER);
  const ReformerDropout outside = reformer_tape_dropout (tape, self->dropout, number, PLACE_OUTPUT);
  const gboolean everything = reformer_tape_get_record (tape) == REFORMER_RECORD_EVERYTHING;
  g_auto (Scratch) s = { NULL };
  g_autoptr (ReformerTensor) da = NULL;
  const char *part = reformer_run_part (run, "feed-forward");
  gsize N, piece;
  int B, T;

  if (begin (self, x, run, &B, &T))
    {
      N = (gsize) B * T;
      piece = MIN (N, reformer_tape_get_piece (tape, F));
      if (everything)
        {
          s.h = reformer_tape_take (tape, layer, REFORMER_DTYPE_FLOAT32, N * (gsize) F);
          s.u = reformer_tape_take (tape, layer, REFORMER_DTYPE_FLOAT32, self->norm_first ? N * (gsize) H : 0);
        }
      else
        {
          if (self->norm_first)
            s.u = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, (gint64) H);
          s.h = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, (gint64) F);
        }
      s.a = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, (gint64) MAX (F, H)); /* takes [P, H] in the end */
      da = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, (gint64) F);
      if (outside.p > 0)
        s.y = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) piece, (gint64) H);
      for (gsize n = 0; n < N && reformer_run_ok (run); n += piece)
        {
          const ReformerRows rows = { n, MIN (piece, N - n), T };
          const ReformerSpan h = reformer_at (s.h, everything ? n * F : 0), a = reformer_span (s.a), d = reformer_span (da), to = reformer_at (dx, n * H);
          const ReformerNorm norm = norm_of (self, reformer_at (x, n * H), run);
          const ReformerEpilogue slope = { self->activation, &inside, &rows, TRUE, h };
          ReformerSpan g = reformer_at (dy, n * H), u = self->norm_first ? reformer_at (s.u, everything ? n * H : 0) : norm.x1;

          if (everything)
            reformer_activation_forward (run, self->activation, h, a, F, &rows, &inside);
          else
            u = inner (self, norm.x1, u, h, a, &rows, &inside, tape);
          if (rebuild != NULL)
            outer (self, a, reformer_at (rebuild, n * H), &rows, REFORMER_STORE_SUBTRACT, tape);
          if (s.y != NULL)
            {
              reformer_dropout (run, g, reformer_span (s.y), H, &rows, &outside, REFORMER_STORE_SET);
              g = reformer_span (s.y);
            }
          reformer_tape_gradient (tape, matrix (self->w2, F), self->b2, g, H, a, F, H, F, rows.count);
          reformer_tape_backward (tape, matrix (self->w2, F), g, H, d, F, rows.count, F, H, REFORMER_STORE_SET, &slope);
          reformer_tape_gradient (tape, matrix (self->w1, H), self->b1, d, F, u, H, F, H, rows.count);
          if (!self->norm_first)
            {
              reformer_tape_backward (tape, matrix (self->w1, H), d, F, to, H, rows.count, H, F, REFORMER_STORE_ADD, NULL);
              continue;
            }
          /* the activation is used up: its place takes the gradient of the norm's output */
          reformer_tape_backward (tape, matrix (self->w1, H), d, F, a, H, rows.count, H, F, REFORMER_STORE_SET, NULL);
          reformer_norm_backward (run, &norm, rows.count, a, H, to, REFORMER_NOTHING, H, REFORMER_STORE_ADD,
                                  reformer_parameter_gradient (self->norm_weight, run, 0), reformer_parameter_gradient (self->norm_bias, run, 0));
        }
    }
  reformer_run_part (run, part);
}

static gboolean
sum_norm (ReformerLayer   *layer,
          ReformerSumNorm *norm)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (layer);

  *norm = (ReformerSumNorm) { self->norm_weight, self->norm_bias, self->eps };
  return !self->norm_first;
}

static const ReformerBranch feed_forward_branch = { accumulate, accumulate_backward, sum_norm };

/* ---- Object ---- */

static void
reformer_feed_forward_constructed (GObject *object)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (object);
  ReformerLayer *layer = REFORMER_LAYER (self);
  const gint64 H = self->hidden_size, F = self->feed_forward_size;
  const ReformerStart one = { .value = 1 }, zero = { .value = 0 }, normal = { .deviation = self->deviation };

  G_OBJECT_CLASS (reformer_feed_forward_parent_class)->constructed (object);
  self->norm_weight = reformer_layer_make_parameter (layer, "layer_norm.weight", one, 1, H);
  self->norm_bias = reformer_layer_make_parameter (layer, "layer_norm.bias", zero, 1, H);
  self->w1 = reformer_layer_make_parameter (layer, "dense.dense.weight", normal, 2, F, H);
  self->b1 = reformer_layer_make_parameter (layer, "dense.dense.bias", zero, 1, F);
  self->w2 = reformer_layer_make_parameter (layer, "output.dense.weight", normal, 2, H, F);
  self->b2 = reformer_layer_make_parameter (layer, "output.dense.bias", zero, 1, H);
  reformer_layer_set_target (layer, 1);
}

static void
reformer_feed_forward_finalize (GObject *object)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (object);

  g_free (self->hidden_act);
  G_OBJECT_CLASS (reformer_feed_forward_parent_class)->finalize (object);
}

static void
reformer_feed_forward_get_property (GObject    *object,
                                    guint       id,
                                    GValue     *value,
                                    GParamSpec *pspec)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (object);

  switch (id)
    {
    case PROP_HIDDEN_SIZE:
      g_value_set_int (value, self->hidden_size);
      break;
    case PROP_FEED_FORWARD_SIZE:
      g_value_set_int (value, self->feed_forward_size);
      break;
    case PROP_HIDDEN_ACT:
      g_value_set_string (value, self->hidden_act);
      break;
    case PROP_NORM_FIRST:
      g_value_set_boolean (value, self->norm_first);
      break;
    case PROP_DROPOUT:
      g_value_set_double (value, self->dropout);
      break;
    case PROP_LAYER_NORM_EPS:
      g_value_set_double (value, self->eps);
      break;
    case PROP_DEVIATION:
      g_value_set_double (value, self->deviation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_feed_forward_set_property (GObject      *object,
                                    guint         id,
                                    const GValue *value,
                                    GParamSpec   *pspec)
{
  ReformerFeedForward *self = REFORMER_FEED_FORWARD (object);

  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_HIDDEN_SIZE:
      self->hidden_size = g_value_get_int (value);
      break;
    case PROP_FEED_FORWARD_SIZE:
      self->feed_forward_size = g_value_get_int (value);
      break;
    case PROP_HIDDEN_ACT:
      g_free (self->hidden_act);
      self->hidden_act = g_value_dup_string (value);
      self->known = reformer_activation_from_name (self->hidden_act, &self->activation);
      break;
    case PROP_NORM_FIRST:
      self->norm_first = g_value_get_boolean (value);
      break;
    case PROP_DROPOUT:
      self->dropout = g_value_get_double (value);
      break;
    case PROP_LAYER_NORM_EPS:
      self->eps = g_value_get_double (value);
      break;
    case PROP_DEVIATION:
      self->deviation = g_value_get_double (value);
      reformer_parameter_set_deviation (self->w1, self->deviation);
      reformer_parameter_set_deviation (self->w2, self->deviation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_feed_forward_class_init (ReformerFeedForwardClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS, flags = REFORMER_LAYER_SETTING;

  reformer_home_own (klass);
  object_class->constructed = reformer_feed_forward_constructed;
  object_class->finalize = reformer_feed_forward_finalize;
  object_class->get_property = reformer_feed_forward_get_property;
  object_class->set_property = reformer_feed_forward_set_property;
  reformer_layer_class_set_branch (REFORMER_LAYER_CLASS (klass), &feed_forward_branch);

  /**
   * ReformerFeedForward:hidden-size:
   *
   * Width H of input and output.
   */
  props[PROP_HIDDEN_SIZE] = g_param_spec_int ("hidden-size", NULL, NULL, 1, G_MAXINT, 256, once);
  /**
   * ReformerFeedForward:feed-forward-size:
   *
   * Width F of the inner layer.
   */
  props[PROP_FEED_FORWARD_SIZE] = g_param_spec_int ("feed-forward-size", NULL, NULL, 1, G_MAXINT, 512, once);
  /**
   * ReformerFeedForward:hidden-act:
   *
   * Name of the activation.
   */
  props[PROP_HIDDEN_ACT] = g_param_spec_string ("hidden-act", NULL, NULL, "relu", flags);
  /**
   * ReformerFeedForward:norm-first:
   *
   * Whether the norm comes first. If not, the layer alone computes the block without norm, and a [class@Stack] of one stream makes the norm of its sum,
   * norm (x + f (x)).
   */
  props[PROP_NORM_FIRST] = g_param_spec_boolean ("norm-first", NULL, NULL, TRUE, flags);
  /**
   * ReformerFeedForward:dropout:
   *
   * Share of elements that training drops before the activation and from the output.
   */
  props[PROP_DROPOUT] = g_param_spec_double ("dropout", NULL, NULL, 0, REFORMER_MAX_DROPOUT, 0, flags);
  /**
   * ReformerFeedForward:layer-norm-eps:
   *
   * Added to the variance in the norm.
   */
  props[PROP_LAYER_NORM_EPS] = g_param_spec_double ("layer-norm-eps", NULL, NULL, 0, G_MAXDOUBLE, 1e-12, flags);
  /**
   * ReformerFeedForward:deviation:
   *
   * Standard deviation of the weights at the start.
   */
  props[PROP_DEVIATION] = g_param_spec_double ("deviation", NULL, NULL, 0, G_MAXDOUBLE, 0.02, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_feed_forward_init (ReformerFeedForward *self)
{
}

/**
 * reformer_feed_forward_new:
 * @device: the device that holds the parameters
 * @hidden_size: width H of input and output
 * @feed_forward_size: width F of the inner layer
 *
 * Makes a new feed-forward block.
 *
 * Returns: (transfer full): a new feed-forward block
 */
ReformerFeedForward *
reformer_feed_forward_new (ReformerDevice *device,
                           int             hidden_size,
                           int             feed_forward_size)
{
  return g_object_new (REFORMER_TYPE_FEED_FORWARD, "device", device, "hidden-size", hidden_size, "feed-forward-size", feed_forward_size, NULL);
}
