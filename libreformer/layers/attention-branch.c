/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/attention-private.h"

#include <math.h>

#include "layers/tape-globals.h"
#include "ops/elementwise.h"
#include "ops/norm.h"

/* The attention block as a branch of a stack: forward and backward, a group of heads at a time. The output's bias is added with the first group.
 *
 * A group's arrays are [N, g d] (N = B T tokens, g heads), side by side. Norms are computed again for each group and piece, which costs less than an array [N, H]
 * that lives through all groups. Which heads form a group depends on shapes alone, never on free memory, because the sums over heads are cut by it.
 *
 * Global tokens of window attention have projections of their own, of all tokens: the second of two parts, in which only they are queries.
 *
 * Groups hand their arrays on to each other: where they are large, asking the system for new ones, which it clears, would take a tenth of the time. */

#define PLACE_OUTPUT 0
#define PLACE_PROBS 1
#define PLACE_GLOBAL_PROBS 2

/* A group's arrays may take this much; one group takes at least as many heads as fill a product's inner side (64). */
#define GROUP_BYTES (48u << 20)

typedef struct
{
  int             first, heads, width; /* first head, number of heads, heads * head size */
  ReformerTensor *x[6]; /* by each projection: q, k, v, and those of the global tokens' part */
  ReformerTensor *out, *stats, *order;
} Group;

static void
group_clear (Group *group)
{
  for (gsize i = 0; i < G_N_ELEMENTS (group->x); i++)
    g_clear_object (&group->x[i]);
  g_clear_object (&group->out);
  g_clear_object (&group->stats);
  g_clear_object (&group->order);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Group, group_clear)

/* A group never has more arrays at a time: q, k, v of both parts, dout, dq, dk and dv; dq takes that of out. What is handed on is taken before another is made. */
#define MAX_ARRAYS 10

/* What a pass over one layer holds beside the groups. */
typedef struct
{
  ReformerAttention    *self;
  ReformerAttentionPass pass;
  const ReformerGlobals *globals; /* of a band; NULL: none */
  ReformerTape         *tape;
  ReformerRun          *run;
  ReformerTensor       *x;
  gsize                 N, piece;
  int                   H, D, d;
  int                   group_heads, n_groups;
  gboolean              everything;
  ReformerDropout       dropout; /* of the output */
  ReformerTensor       *u, *y;   /* [P, H]: the norm's output, NULL where the norm comes after the sum; the gradient behind the output's dropout, NULL without */
  ReformerTensor       *spare[MAX_ARRAYS]; /* arrays of groups that the next one takes; none where the tape keeps them */
  int                   n_spare;
} Work;

static void
work_clear (Work *work)
{
  g_clear_object (&work->pass.buckets);
  g_clear_object (&work->u);
  g_clear_object (&work->y);
  while (work->n_spare > 0)
    g_clear_object (&work->spare[--work->n_spare]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

static gboolean
check_mask (Work *work)
{
  ReformerTensor *mask = reformer_tape_get_mask (work->tape);

  if (mask == NULL)
    return TRUE;
  if (reformer_tensor_get_dtype (mask) != REFORMER_DTYPE_UINT8 || reformer_tensor_get_n_elements (mask) != work->N)
    {
      g_autofree char *seen = reformer_tensor_to_string (mask);

      reformer_run_fail (work->run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE, "the tape's mask is %s; wanted uint8 [%d, %d]", seen, work->pass.B, work->pass.T);
      return FALSE;
    }
  work->pass.mask = reformer_span (mask);
  return TRUE;
}

static gboolean
check_length (Work *work)
{
  const int T = work->pass.T, L = work->pass.chunk;

  if (T <= L || T % L == 0)
    return TRUE;
  reformer_run_fail (work->run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_SHAPE,
                     "%s: the sequence has %d tokens; wanted a multiple of the chunk length %d, such as %d (a model pads by itself), or at most %d",
                     G_OBJECT_TYPE_NAME (work->self), T, L, (T / L + 1) * L, L);
  return FALSE;
}

static gboolean
work_begin (Work              *work,
            ReformerAttention *self,
            ReformerTensor    *x,
            ReformerTape      *tape)
{
  gsize heads;

  work->self = self;
  work->tape = tape;
  work->run = reformer_tape_get_run (tape);
  work->x = x;
  work->H = self->hidden_size;
  work->d = self->head_size;
  work->D = self->heads * self->head_size;
  if (!reformer_layer_check_input (REFORMER_LAYER (self), work->run, x, work->H, &work->pass.B, &work->pass.T))
    return FALSE;
  work->N = (gsize) work->pass.B * (gsize) work->pass.T;
  work->pass.chunk = self->reach > 0 || (self->exact && !reformer_tape_get_training (tape)) ? G_MAXINT : self->chunk;
  if (!check_mask (work) || !check_length (work))
    return FALSE;
  if (self->reach > 0)
    {
      const ReformerGlobals *globals = reformer_tape_get_globals (tape, work->pass.B, work->pass.T);

      work->globals = reformer_globals_get_n (globals) > 0 ? globals : NULL;
    }
  heads = GROUP_BYTES / (24 * (gsize) work->d * work->N);
  heads = MAX (heads, (gsize) MAX (1, 64 / work->d));
  work->group_heads = (int) MIN (heads, (gsize) self->heads);
  work->n_groups = (self->heads + work->group_heads - 1) / work->group_heads;
  work->piece = MIN (work->N, reformer_tape_get_piece (tape, work->H));
  work->everything = reformer_tape_get_record (tape) == REFORMER_RECORD_EVERYTHING;
  work->dropout = reformer_tape_dropout (tape, self->dropout, reformer_layer_get_number (REFORMER_LAYER (self)), PLACE_OUTPUT);
  if (self->norm_first)
    work->u = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) work->piece, (gint64) work->H);
  return reformer_run_ok (work->run);
}

static ReformerNorm
norm_at (Work  *work,
         gsize  n)
{
  return (ReformerNorm) { .x1 = reformer_at (work->x, n * work->H), .x2 = REFORMER_NOTHING, .ldx = work->H, .width = work->H,
                          .weight = reformer_parameter_value (work->self->norm_weight, work->run, 0),
                          .bias = reformer_parameter_value (work->self->norm_bias, work->run, 0), .eps = (float) work->self->eps };
}

/* What is projected: the norm's output of a piece, or the input itself where the norm comes after the sum. */
static ReformerSpan
read_piece (Work               *work,
            const ReformerNorm *norm,
            gsize               count)
{
  if (work->u == NULL)
    return norm->x1;
  reformer_norm_forward (work->run, norm, count, reformer_span (work->u), work->H);
  return reformer_span (work->u);
}

/* The rows of a projection that belong to the group's heads, [g d, H] */
static ReformerMatrix
rows_of (Work              *work,
         const Group       *group,
         ReformerParameter *projection)
{
  return (ReformerMatrix) { projection, (gsize) group->first * work->d * work->H, work->H };
}

/* The columns of the output projection that belong to them, [H, g d] */
static ReformerMatrix
columns_of (Work        *work,
            const Group *group)
{
  return (ReformerMatrix) { work->self->output, (gsize) group->first * work->d, work->D };
}

static ReformerParameter *
bias_of (Work        *work,
         const Group *group)
{
  return group->first == 0 ? work->self->output_bias : NULL;
}

static ReformerTensor *
group_array (Work        *work,
             const Group *group)
{
  if (work->n_spare > 0)
    return g_steal_pointer (&work->spare[--work->n_spare]);
  /* as wide as the widest group, so that any may have it */
  return reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) work->N, (gint64) (work->everything ? group->width : work->group_heads * work->d));
}

static void
hand_on (Work            *work,
         ReformerTensor **array)
{
  if (!work->everything && *array != NULL)
    work->spare[work->n_spare++] = g_steal_pointer (array);
  g_clear_object (array);
}

static void
group_end (Work  *work,
           Group *group)
{
  for (gsize i = 0; i < G_N_ELEMENTS (group->x); i++)
    hand_on (work, &group->x[i]);
  hand_on (work, &group->out);
  group_clear (group);
}

static void
group_begin (Work  *work,
             Group *group,
             int    number)
{
  group->first = number * work->group_heads;
  group->heads = MIN (work->group_heads, work->self->heads - group->first);
  group->width = group->heads * work->d;
}

/* Of the first part, or of that of the global tokens. */
static ReformerAttentionArgs
args_of (Work        *work,
         const Group *group,
         int          part)
{
  ReformerAttention *self = work->self;
  const ReformerAttentionKind *kind = reformer_attention_get_kind (self);
  ReformerTensor *const *x = group->x + 3 * part;
  ReformerAttentionArgs args = {
    .rows = work->pass.B, .T = work->pass.T, .stride = group->width, .heads = group->heads, .head_size = work->d,
    .q = reformer_span (x[0]), .k = reformer_span (x[1]), .v = reformer_span (x[2]),
    .scale = kind->shared_keys ? 1.0f : 1.0f / sqrtf ((float) work->d), .order = REFORMER_NOTHING, .rounds = 1,
    .chunk = work->pass.chunk, .before = self->before, .after = self->after, .circular = self->circular,
    .causal = self->causal, .self_last = kind->self_last, .mask = work->pass.mask,
    .reach = self->reach, .dilation = part == 0 && self->reach > 0 ? 1 : 0, .from_globals = part > 0,
    .dropout = reformer_tape_dropout (work->tape, self->probs_dropout, reformer_layer_get_number (REFORMER_LAYER (self)),
                                      part > 0 ? PLACE_GLOBAL_PROBS : PLACE_PROBS),
    .first_head = group->first,
  };

  if (work->globals != NULL)
    {
      args.globals = reformer_span (reformer_globals_get_list (work->globals));
      args.n_globals = reformer_globals_get_n (work->globals);
      if (part == 0)
        args.mask = reformer_span (reformer_globals_get_mask (work->globals));
    }
  return args;
}

/* The same for the group's heads from h on that go together: in a band, which has one dilation a call, those of the same. */
static ReformerAttentionArgs
args_from (Work                        *work,
           const Group                 *group,
           const ReformerAttentionArgs *all,
           int                          h)
{
  ReformerAttentionArgs args = *all;

  args.heads = all->heads - h;
  args.first_head += h;
  args.q = reformer_span_add (args.q, (gsize) h * (gsize) work->d);
  args.k = reformer_span_add (args.k, (gsize) h * (gsize) work->d);
  args.v = reformer_span_add (args.v, (gsize) h * (gsize) work->d);
  if (work->self->dilations != NULL && !all->from_globals)
    {
      const int *dilations = work->self->dilations + group->first + h;
      int n = 1;

      while (n < args.heads && dilations[n] == dilations[0])
        n++;
      args.heads = n;
      args.dilation = dilations[0];
    }
  return args;
}

static void
attend (Work                        *work,
        Group                       *group,
        const ReformerAttentionArgs *all)
{
  for (int h = 0; h < group->heads && reformer_run_ok (work->run);)
    {
      const ReformerAttentionArgs args = args_from (work, group, all, h);

      reformer_attention_forward (work->run, &args, reformer_at (group->out, (gsize) h * (gsize) work->d), reformer_at (group->stats, 2 * work->N * (gsize) h));
      h += args.heads;
    }
}

static void
attend_backward (Work                        *work,
                 Group                       *group,
                 const ReformerAttentionArgs *all,
                 ReformerTensor              *deltas,
                 ReformerTensor              *dout,
                 ReformerTensor             **d)
{
  for (int h = 0; h < group->heads && reformer_run_ok (work->run);)
    {
      const ReformerAttentionArgs args = args_from (work, group, all, h);
      const gsize at = (gsize) h * (gsize) work->d;

      reformer_attention_backward (work->run, &args, reformer_at (deltas, work->N * (gsize) h), reformer_at (group->stats, 2 * work->N * (gsize) h),
                                   reformer_at (dout, at), reformer_at (d[0], at), d[1] != NULL ? reformer_at (d[1], at) : REFORMER_NOTHING, reformer_at (d[2], at));
      h += args.heads;
    }
}

/* q, k, v of the group's heads, of either part */
static void
project (Work  *work,
         Group *group,
         int    part)
{
  ReformerParameter *const *projections = work->self->projections + 3 * part, *const *biases = work->self->biases + 3 * part;
  ReformerTensor **arrays = group->x + 3 * part;

  for (int i = 0; i < 3; i++)
    if (projections[i] != NULL)
      arrays[i] = group_array (work, group);
  for (gsize n = 0; n < work->N && reformer_run_ok (work->run); n += work->piece)
    {
      const gsize count = MIN (work->piece, work->N - n);
      const ReformerNorm norm = norm_at (work, n);
      ReformerSpan u = work->u == NULL ? norm.x1 : REFORMER_NOTHING;

      for (int i = 0; i < 3; i++)
        if (arrays[i] != NULL)
          {
            const ReformerSpan to = reformer_at (arrays[i], n * group->width);

            /* the first one leaves the norm's output to the others */
            if (u.tensor == NULL)
              reformer_tape_forward_norm (work->tape, rows_of (work, group, projections[i]), biases[i], &norm, u = reformer_span (work->u), to, group->width,
                                          count, group->width, work->H, NULL);
            else
              reformer_tape_forward (work->tape, rows_of (work, group, projections[i]), biases[i], u, work->H, to, group->width, count, group->width, work->H,
                                     REFORMER_STORE_SET, NULL);
          }
    }
}

static void
show_watch (Work                        *work,
            const ReformerAttentionArgs *args)
{
  const ReformerWatch *watch = reformer_tape_get_watch (work->tape);

  if (watch != NULL && reformer_run_ok (work->run))
    watch->look (watch, work->self, &work->pass, args, work->run);
}

/* The group's attention, from x to out. */
static void
group_forward (Work  *work,
               Group *group)
{
  const ReformerAttentionKind *kind = reformer_attention_get_kind (work->self);
  ReformerAttentionArgs args;

  project (work, group, 0);
  if (!reformer_run_ok (work->run))
    return;
  args = args_of (work, group, 0);
  if (kind->order != NULL)
    group->order = kind->order (work->self, &work->pass, &args, work->tape);
  show_watch (work, &args);
  group->out = group_array (work, group);
  group->stats = reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 3, (gint64) group->heads, (gint64) work->N, (gint64) 2);
  if (reformer_run_ok (work->run))
    attend (work, group, &args);
  if (work->globals != NULL && reformer_run_ok (work->run))
    {
      project (work, group, 1);
      args = args_of (work, group, 1);
      show_watch (work, &args);
      attend (work, group, &args);
    }
}

/* to += or -= dropout (out Wo^T + the bias) */
static void
group_output (Work           *work,
              const Group    *group,
              ReformerTensor *to,
              ReformerStore   store)
{
  for (gsize n = 0; n < work->N && reformer_run_ok (work->run); n += work->piece)
    {
      const ReformerRows rows = { n, MIN (work->piece, work->N - n), work->pass.T };
      const ReformerSpan out = reformer_at (group->out, n * group->width), place = reformer_at (to, n * work->H);
      const ReformerEpilogue epilogue = { REFORMER_ACTIVATION_LINEAR, &work->dropout, &rows, FALSE, REFORMER_NOTHING };

      reformer_tape_forward (work->tape, columns_of (work, group), bias_of (work, group), out, group->width, place, work->H, rows.count, work->H, group->width, store,
                             work->dropout.p > 0 ? &epilogue : NULL);
    }
}

static void
accumulate (ReformerLayer  *layer,
            ReformerTensor *x,
            ReformerTensor *target,
            ReformerTape   *tape)
{
  ReformerAttention *self = REFORMER_ATTENTION (layer);
  const ReformerAttentionKind *kind = reformer_attention_get_kind (self);
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "attention");
  g_auto (Work) work = { NULL };

  if (work_begin (&work, self, x, tape) && kind->begin != NULL)
    kind->begin (self, &work.pass, tape);
  for (int i = 0; i < work.n_groups && reformer_run_ok (run); i++)
    {
      g_auto (Group) group = { 0 };

      group_begin (&work, &group, i);
      group_forward (&work, &group);
      group_output (&work, &group, target, REFORMER_STORE_ADD);
      if (work.everything && reformer_run_ok (run))
        {
          for (int j = 0; j < (work.globals != NULL ? 6 : 3); j++)
            reformer_tape_save (tape, group.x[j]);
          reformer_tape_save (tape, group.order);
          reformer_tape_save (tape, group.out);
          reformer_tape_save (tape, group.stats);
        }
      group_end (&work, &group);
    }
  if (reformer_tape_get_record (tape) != REFORMER_RECORD_NOTHING && reformer_run_ok (run))
    reformer_tape_save (tape, work.pass.buckets);
  reformer_run_part (run, part);
}

/* ---- Backward ---- */

/* dout = dropout (dy) Wo, and the gradients of Wo and the bias */
static ReformerTensor *
output_backward (Work           *work,
                 const Group    *group,
                 ReformerTensor *dy)
{
  ReformerTensor *dout = group_array (work, group);

  for (gsize n = 0; n < work->N && reformer_run_ok (work->run); n += work->piece)
    {
      const ReformerRows rows = { n, MIN (work->piece, work->N - n), work->pass.T };
      ReformerSpan g = reformer_at (dy, n * work->H);

      if (work->y != NULL)
        {
          reformer_dropout (work->run, g, reformer_span (work->y), work->H, &rows, &work->dropout, REFORMER_STORE_SET);
          g = reformer_span (work->y);
        }
      reformer_tape_gradient (work->tape, columns_of (work, group), bias_of (work, group), g, work->H, reformer_at (group->out, n * group->width), group->width,
                              work->H, group->width, rows.count);
      reformer_tape_backward (work->tape, columns_of (work, group), g, work->H, reformer_at (dout, n * group->width), group->width, rows.count,
                              group->width, work->H, REFORMER_STORE_SET, NULL);
    }
  return dout;
}

/* The projections' gradients, and dx +=, through the norm where it comes first */
static void
project_backward (Work            *work,
                  const Group     *group,
                  int              part,
                  ReformerTensor **gradients,
                  ReformerTensor  *dx)
{
  ReformerParameter *const *projections = work->self->projections + 3 * part, *const *biases = work->self->biases + 3 * part;
  g_autoptr (ReformerTensor) du = work->u != NULL ? reformer_run_new (work->run, REFORMER_DTYPE_FLOAT32, 2, (gint64) work->piece, (gint64) work->H) : NULL;

  for (gsize n = 0; n < work->N && reformer_run_ok (work->run); n += work->piece)
    {
      const gsize count = MIN (work->piece, work->N - n);
      const ReformerNorm norm = norm_at (work, n);
      const ReformerSpan u = read_piece (work, &norm, count), to = reformer_at (dx, n * work->H), d = du != NULL ? reformer_span (du) : to;
      ReformerStore store = du != NULL ? REFORMER_STORE_SET : REFORMER_STORE_ADD;

      for (int i = 0; i < 3; i++)
        if (gradients[i] != NULL)
          {
            const ReformerMatrix w = rows_of (work, group, projections[i]);
            const ReformerSpan g = reformer_at (gradients[i], n * group->width);

            reformer_tape_gradient (work->tape, w, biases[i], g, group->width, u, work->H, group->width, work->H, count);
            reformer_tape_backward (work->tape, w, g, group->width, d, work->H, count, work->H, group->width, store, NULL);
            store = REFORMER_STORE_ADD;
          }
      if (du != NULL)
        reformer_norm_backward (work->run, &norm, count, d, work->H, to, REFORMER_NOTHING, work->H, REFORMER_STORE_ADD,
                                reformer_parameter_gradient (work->self->norm_weight, work->run, 0),
                                reformer_parameter_gradient (work->self->norm_bias, work->run, 0));
    }
}

static void
group_backward (Work           *work,
                Group          *group,
                ReformerTensor *dy,
                ReformerTensor *dx)
{
  g_autoptr (ReformerTensor) dout = output_backward (work, group, dy);
  g_autoptr (ReformerTensor) deltas = NULL;
  ReformerAttentionArgs args;
  const int parts = work->globals != NULL ? 2 : 1;

  if (!reformer_run_ok (work->run))
    return;
  args = args_of (work, group, parts - 1); /* the mask of the last leaves the global tokens in */
  deltas = reformer_attention_deltas (work->run, &args, reformer_span (group->out), reformer_span (dout));
  hand_on (work, &group->out); /* makes room for the gradients */
  for (int part = 0; part < parts && reformer_run_ok (work->run); part++)
    {
      ReformerTensor *d[3] = { NULL, NULL, NULL };

      for (int i = 0; i < 3; i++)
        if (group->x[3 * part + i] != NULL)
          d[i] = group_array (work, group);
      args = args_of (work, group, part);
      if (group->order != NULL)
        {
          gsize n_dims;
          g_autofree gint64 *shape = reformer_tensor_get_shape (group->order, &n_dims);

          args.order = reformer_span (group->order);
          args.rounds = (int) shape[1];
        }
      if (part > 0 && reformer_run_ok (work->run)) /* other tokens are no queries */
        reformer_run_fill (work->run, reformer_span (d[0]), 0, work->N * (gsize) group->width);
      if (reformer_run_ok (work->run))
        attend_backward (work, group, &args, deltas, dout, d);
      for (int i = 0; i < 3; i++)
        hand_on (work, &group->x[3 * part + i]);
      if (part == parts - 1)
        {
          hand_on (work, &dout);
          g_clear_object (&deltas);
          group_end (work, group);
        }
      project_backward (work, group, part, d, dx);
      for (int i = 0; i < 3; i++)
        hand_on (work, &d[i]);
    }
}

/* What accumulate() saved of a group. */
static void
group_take (Work  *work,
            Group *group)
{
  const gsize n = work->N * (gsize) group->width, one = work->N * (gsize) group->heads;
  const gboolean ordered = work->pass.buckets != NULL;

  group->stats = reformer_tape_take (work->tape, work->self, REFORMER_DTYPE_FLOAT32, 2 * one);
  group->out = reformer_tape_take (work->tape, work->self, REFORMER_DTYPE_FLOAT32, n);
  group->order = reformer_tape_take (work->tape, work->self, REFORMER_DTYPE_INT32,
                                     ordered ? reformer_tensor_get_n_elements (work->pass.buckets) / (gsize) work->self->heads * (gsize) group->heads : 0);
  for (int i = work->globals != NULL ? 5 : 2; i >= 0; i--)
    group->x[i] = reformer_tape_take (work->tape, work->self, REFORMER_DTYPE_FLOAT32, work->self->projections[i] != NULL ? n : 0);
}

static void
accumulate_backward (ReformerLayer  *layer,
                     ReformerTensor *x,
                     ReformerTensor *rebuild,
                     ReformerTensor *dy,
                     ReformerTensor *dx,
                     ReformerTape   *tape)
{
  ReformerAttention *self = REFORMER_ATTENTION (layer);
  const ReformerAttentionKind *kind = reformer_attention_get_kind (self);
  ReformerRun *run = reformer_tape_get_run (tape);
  const char *part = reformer_run_part (run, "attention");
  g_auto (Work) work = { NULL };

  if (work_begin (&work, self, x, tape))
    {
      work.pass.buckets = reformer_tape_take (tape, self, REFORMER_DTYPE_UINT16, kind->n_buckets != NULL ? kind->n_buckets (self, &work.pass) : 0);
      work.pass.chosen = TRUE;
      if (work.dropout.p > 0)
        work.y = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) work.piece, (gint64) work.H);
    }
  for (int i = work.n_groups - 1; i >= 0 && reformer_run_ok (run); i--)
    {
      g_auto (Group) group = { 0 };

      group_begin (&work, &group, i);
      if (work.everything)
        group_take (&work, &group);
      else
        group_forward (&work, &group);
      if (!reformer_run_ok (run))
        break;
      if (rebuild != NULL)
        group_output (&work, &group, rebuild, REFORMER_STORE_SUBTRACT);
      group_backward (&work, &group, dy, dx);
    }
  reformer_run_part (run, part);
}

static gboolean
sum_norm (ReformerLayer   *layer,
          ReformerSumNorm *norm)
{
  ReformerAttention *self = REFORMER_ATTENTION (layer);

  *norm = (ReformerSumNorm) { self->norm_weight, self->norm_bias, self->eps };
  return !self->norm_first;
}

const ReformerBranch reformer_attention_branch = { accumulate, accumulate_backward, sum_norm };
