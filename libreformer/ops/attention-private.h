/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/attention.h"

G_BEGIN_DECLS

/* Between attention.c, which checks and dispatches, and the host side of each dialect. */

/* The window of a chunk in plain numbers. */
typedef struct
{
  int     chunk;  /* at most T */
  int     before; /* 0 where everything sees everything */
  int     after;
  int     chunks; /* of one round: T / chunk */
  int     ring;   /* of all rounds */
  int     groups; /* of which each is a sequence of its own in a band: 1, or the dilation */
  int     window; /* keys a query sees, those beyond the sequence's ends counted too: slot = (key chunk's number in the window) * chunk + place in the chunk */
  guint64 index;  /* dropout index of (head 0 of the group, place 0, slot 0) */
} ReformerAttentionShape;

/* Without `circular` a window ends where its round's sequence does: chunks round * chunks ... round * chunks + chunks - 1 see each other only. */
static inline ReformerAttentionShape
reformer_attention_shape (const ReformerAttentionArgs *attention)
{
  const gboolean full = attention->chunk >= attention->T;
  ReformerAttentionShape shape = { 0 };

  shape.groups = 1;
  if (attention->dilation > 0)
    {
      /* the size of chunks is nobody's choice: dropout draws by it */
      shape.groups = MIN (attention->dilation, MAX (1, attention->T));
      shape.chunk = attention->reach <= 32 ? 32 : 64;
      shape.before = (attention->reach + shape.chunk - 1) / shape.chunk;
      shape.after = attention->causal ? 0 : shape.before;
      shape.chunks = shape.groups * (((attention->T + shape.groups - 1) / shape.groups + shape.chunk - 1) / shape.chunk);
      shape.ring = shape.chunks;
      shape.window = (shape.before + 1 + shape.after) * shape.chunk;
      shape.index = (guint64) attention->first_head * attention->T * (shape.window + (attention->n_globals + 3) / 4 * 4);
      return shape;
    }
  shape.chunk = full ? attention->T : attention->chunk;
  shape.before = full ? 0 : attention->before;
  shape.after = full ? 0 : attention->after;
  shape.chunks = full ? 1 : attention->T / attention->chunk;
  shape.ring = attention->rounds * shape.chunks;
  shape.window = (shape.before + 1 + shape.after) * shape.chunk;
  shape.index = (guint64) attention->first_head * attention->rounds * attention->T * shape.window;
  return shape;
}

/* Of one round: so many products over the pairs of query and key that see each other, arrays [rows][T][heads * head_size] read or written. */
static inline ReformerWork
reformer_attention_work (const ReformerAttentionArgs  *attention,
                         const ReformerAttentionShape *shape,
                         int                           products,
                         int                           arrays)
{
  const double size = (double) attention->heads * attention->rows * attention->head_size, T = attention->T, chunks = shape->chunks;
  const double before = MIN (shape->before, chunks - 1), after = MIN (shape->after, chunks - 1);
  double pairs = T * shape->window;

  if (attention->from_globals)
    pairs = T * attention->n_globals;
  else if (attention->dilation > 0)
    pairs = T * MIN (T, (attention->causal ? 1 : 2) * (double) attention->reach + 1 + attention->n_globals);
  else if (shape->chunks == 1 && attention->causal && attention->order.tensor == NULL)
    pairs = T * (T + 1) / 2;
  else if (!attention->circular) /* no window goes beyond the ends */
    pairs = T * shape->chunk * (before + 1 + after - (before * (before + 1) + after * (after + 1)) / 2 / chunks);
  return (ReformerWork) { 2 * products * size * pairs, sizeof (float) * arrays * size * T };
}

/* Kernels for bands and globals are programs of their own. */
static inline gboolean
reformer_attention_has_band (const ReformerAttentionArgs *attention)
{
  return attention->dilation > 0 || attention->from_globals;
}

/* attention-simt.c */
void reformer_attention_simt_forward  (ReformerRun             *run,
                                       const ReformerAttentionArgs *attention,
                                       ReformerSpan             out,
                                       ReformerSpan             stats);
void reformer_attention_simt_deltas   (ReformerRun             *run,
                                       const ReformerAttentionArgs *attention,
                                       ReformerSpan             out,
                                       ReformerSpan             dout,
                                       ReformerSpan             deltas);
void reformer_attention_simt_backward (ReformerRun             *run,
                                       const ReformerAttentionArgs *attention,
                                       ReformerSpan             deltas,
                                       ReformerSpan             stats,
                                       ReformerSpan             dout,
                                       ReformerSpan             dq,
                                       ReformerSpan             dk,
                                       ReformerSpan             dv);

G_END_DECLS
